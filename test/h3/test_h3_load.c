/* SPDX-License-Identifier: MIT */
/* A peer that wants memory and work (HOSTILE H1 to H4, H7, H8, H11, H13): everything stays bounded. */
#include "h3/h3_conn.h"
#include "victim.h"

/* ---- memory and work ------------------------------------------------------------------------- */

/* HOSTILE H7: unknown frames of any length are counted, never kept. */
static void test_huge_unknown_frames(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  static uint8_t bytes[10000];
  for (uint64_t s = 0; s < 100; s++)
    give(&victim, s * 4, "21 ffffffffffffffff", false, 100);
  uint64_t before = victim.conn->alloc.used_bytes;
  for (int round = 0; round < 20; round++) {
    for (uint64_t s = 0; s < 100; s++)
      fake_send(victim.conn, s * 4, bytes, sizeof(bytes), false);
    fake_settle(victim.conn);
  }
  assert_int_equal(victim.conn->alloc.used_bytes, before);
  assert_int_equal(close_code(&victim), 0);
  victim_deinit(&victim);
}

/* HOSTILE H8, [rfc9114-10.5]: useless things end the connection within the burst, and leave no state behind. */
static void test_floods(void **state)
{
  (void)state;
  static const struct {
    const char *what;
    const char *once;
    const char *again;
    bool on_request;
  } floods[] = {
      {"unknown frames on control", "00 04 00", "21 00", false},
      {"GOAWAY", "00 04 00 07 01 04", "07 01 04", false},
      {"MAX_PUSH_ID", "00 04 00", "0d 01 04", false},
      {"unknown frames on a request", "21 00", "21 00", true},
      {"empty DATA", POST, "00 00", true},
  };
  for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
    struct victim victim;
    victim_init(&victim, true);
    if (floods[i].on_request)
      give_settings(&victim);
    uint64_t id = floods[i].on_request ? 0 : uni(&victim, 0);
    give(&victim, id, floods[i].once, false, 100);
    uint64_t before = victim.conn->alloc.used_bytes;
    int count = 0;
    while (close_code(&victim) == 0 && count++ < 5000) {
      give(&victim, id, floods[i].again, false, 100);
      if (close_code(&victim) == 0)
        assert_true(victim.conn->alloc.used_bytes <= before + 16384);
    }
    if (close_code(&victim) != TERN_H3_EXCESSIVE_LOAD ||
        count > TERN_CAP_H3_GLITCH_BURST + TERN_H3_IDLE_FRAMES_FREE + 2)
      fail_msg("%s: %d", floods[i].what, count);
    victim_deinit(&victim);
  }
}

static void test_unknown_streams_flood(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  uint64_t before = victim.conn->alloc.used_bytes;
  uint64_t n = 1;
  for (; close_code(&victim) == 0 && n < 5000; n++) {
    give(&victim, uni(&victim, n), "21 00", true, 100);
    if (close_code(&victim) == 0)
      assert_true(victim.conn->alloc.used_bytes <= before);
  }
  assert_int_equal(close_code(&victim), TERN_H3_EXCESSIVE_LOAD);
  assert_true(n <= TERN_CAP_H3_GLITCH_BURST + 2);
  victim_deinit(&victim);
}

/* What an honest peer does now and then is forgiven: 33 a second, for an hour. */
static void test_glitches_are_forgiven(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  for (int second = 0; second < 600; second++) {
    for (int i = 0; i < TERN_CAP_H3_GLITCH_RATE; i++)
      give(&victim, uni(&victim, 0), "21 00", false, 100);
    fake_advance(victim.conn, victim.conn->now + TERN_SECOND);
  }
  assert_int_equal(close_code(&victim), 0);
  victim_deinit(&victim);
}

/* HOSTILE H11: rapid reset, and requests that make the server reset. */
static void test_rapid_reset(void **state)
{
  (void)state;
  for (int kind = 0; kind < 3; kind++) {
    struct victim victim;
    victim_init(&victim, true);
    give_settings(&victim);
    uint64_t n = 0;
    for (; close_code(&victim) == 0 && n < 5000; n++) {
      give(&victim, n * 4, kind == 2 ? "01 02 0000" : kind == 1 ? POST : GET, kind != 1, 100);
      if (kind < 2) {
        fake_reset(victim.conn, n * 4, TERN_H3_REQUEST_CANCELLED);
        fake_stop(victim.conn, n * 4, TERN_H3_REQUEST_CANCELLED);
      }
      fake_drain(victim.conn);
      if (kind == 0 && n > 400)
        break; /* GET with FIN and a cancellation is a plain end for us */
    }
    if (kind > 0) {
      assert_int_equal(close_code(&victim), TERN_H3_EXCESSIVE_LOAD);
      assert_true(n <= TERN_CAP_H3_GLITCH_BURST + 2);
    }
    fake_drain(victim.conn);
    assert_int_equal(victim.told, victim.closed);
    victim_deinit(&victim);
  }
}

/* HOSTILE H3: sections that wait for insertions that never come. */
static void test_blocked_streams(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  for (uint64_t s = 0; s < 16; s++)
    give(&victim, s * 4, "01 08 0200 80 d1 d7 5001 61", false, 3);
  assert_int_equal(close_code(&victim), 0);
  assert_int_equal(victim.told, 0);
  /* Cancelled ones free their place, and the peer's encoder is told [rfc9204-2.2.2.2]. */
  fake_reset(victim.conn, 0, TERN_H3_REQUEST_CANCELLED);
  fake_settle(victim.conn);
  tern_stream *decoder = fake_find(victim.conn, 7);
  assert_non_null(decoder);
  assert_int_equal(decoder->out_len, 2);
  assert_int_equal(decoder->out[1], 0x40);
  give(&victim, 64, "01 08 0200 80 d1 d7 5001 61", false, 3);
  assert_int_equal(close_code(&victim), 0);
  give(&victim, 68, "01 08 0200 80 d1 d7 5001 61", false, 3);
  assert_int_equal(close_code(&victim), TERN_H3_QPACK_DECOMPRESSION_FAILED); /* [rfc9204-2.1.2] */
  victim_deinit(&victim);
}

static void test_blocked_bytes(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  give(&victim, 0, "01 8000 7000 0200 8080", false, 100);
  give(&victim, 4, "01 8000 7000 0200 8080", false, 100);
  assert_int_equal(close_code(&victim), 0);
  give(&victim, 8, "01 8000 7000 0200 8080", false, 100);
  assert_int_equal(close_code(&victim), TERN_H3_EXCESSIVE_LOAD);
  victim_deinit(&victim);
}

/* When the insertions come, what waited goes on, in any order. */
static void test_unblocked(void **state)
{
  (void)state;
  for (size_t chunk = 1; chunk < 40; chunk += 3) {
    struct victim victim;
    victim_init(&victim, true);
    give_settings(&victim);
    victim.answers = true;
    /* :path /x is entry 0, :path /y entry 1; the trailers of stream 4 need an entry 2. */
    give(&victim, 0, "01 08 0200 80 d1 d7 5001 61", true, chunk);
    give(&victim, 4, "01 08 0300 80 d1 d7 5001 61 01 03 0400 80", true, chunk);
    give(&victim, 8, "01 03 0400 80", true, chunk);
    assert_int_equal(victim.told, 0);
    give(&victim, uni(&victim, 1), "02 3fe11f c1022f78", false, chunk);
    assert_int_equal(victim.ended, 1);
    give(&victim, uni(&victim, 1), "c1022f79", false, chunk);
    assert_int_equal(victim.told, 2);
    assert_int_equal(victim.ended, 1);
    give(&victim, uni(&victim, 1), "4378787801 61", false, chunk); /* 3-byte name, "a" */
    assert_int_equal(victim.ended, 2);
    assert_int_equal(close_code(&victim), 0);
    /* Stream 8 has no pseudo-header fields. */
    assert_int_equal(fake_find(victim.conn, 8)->out_code, TERN_H3_MESSAGE_ERROR);
    victim_deinit(&victim);
  }
}

/* HOSTILE H1, H2: what incomplete sections hold together is bounded; each stops at its limit. */
static void test_section_bombs(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  uint8_t bytes[8192];
  size_t len = from_hex("02 3fe11f c17fda1e", bytes); /* an entry of 4,094 */
  memset(bytes + len, 'x', 4057);
  fake_send(victim.conn, uni(&victim, 1), bytes, len + 4057, false);
  fake_settle(victim.conn);
  uint64_t before = victim.conn->alloc.used_bytes;
  uint64_t peak = 0;
  for (uint64_t s = 0; s < 100; s++) {
    give(&victim, s * 4, "01 40ff 0200 80808080808080", false, 100); /* 28 KiB each, incomplete */
    if (victim.conn->alloc.used_bytes - before > peak)
      peak = victim.conn->alloc.used_bytes - before;
  }
  assert_true(peak <= 262144);
  assert_int_equal(close_code(&victim), 0);
  assert_int_equal(victim.told, 0);
  victim_deinit(&victim);
}

/* [rfc9114-4.2.2] a header section that is too large gets a 431 and the connection goes on. */
static void test_431(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  uint8_t bytes[40000];
  size_t len = from_hex("01 8000 9000 0000 d1 d7 5001 61 c1 2161 7f81ff01", bytes);
  memset(bytes + len, 'v', sizeof(bytes) - len);
  fake_send(victim.conn, 0, bytes, 33000, false);
  fake_settle(victim.conn);
  assert_int_equal(close_code(&victim), 0);
  assert_int_equal(victim.told, 0);
  tern_stream *stream = fake_find(victim.conn, 0);
  assert_non_null(stream);
  assert_true(stream->in_stopped);
  assert_true(stream->out_fin);
  assert_false(stream->out_reset);
  static const uint8_t status[] = {'4', '3', '1'};
  bool has_status = false;
  for (size_t i = 0; i + 3 <= stream->out_len; i++)
    has_status = has_status || memcmp(stream->out + i, status, 3) == 0;
  assert_true(has_status || stream->out_len > 4); /* Huffman may have coded it */
  fake_drain(victim.conn);
  give(&victim, 4, GET, true, 100);
  assert_int_equal(victim.ended, 1);
  victim_deinit(&victim);
}

/* A decoder stream that is never read. */
static void test_decoder_stream_not_read(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  give(&victim, uni(&victim, 1), "02 3fe11f c10161", false, 100);
  uint64_t n = 0;
  while (close_code(&victim) == 0 && n < 100000) {
    give(&victim, uni(&victim, 1), "00", false, 100); /* duplicates, each acknowledged */
    n++;
  }
  assert_int_equal(close_code(&victim), TERN_H3_EXCESSIVE_LOAD);
  assert_true(n <= 65537);
  victim_deinit(&victim);
}

/* HOSTILE H13 */
static void test_header_deadline(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  tern_time start = victim.conn->now;
  for (uint64_t s = 0; s < 100; s++)
    give(&victim, s * 4, "01", false, 100);
  static const char *const drip[] = {"20", "00", "00", "51", "1b", "61", "61", "61", "61"};
  for (int second = 1; second <= 9; second++) {
    for (uint64_t s = 0; s < 100; s++)
      give(&victim, s * 4, drip[second - 1], false, 100);
    fake_advance(victim.conn, start + (uint64_t)second * TERN_SECOND);
  }
  assert_int_equal(tern_h3_get_request_count(victim.h3), 100);
  fake_advance(victim.conn, start + 10 * TERN_SECOND);
  for (uint64_t s = 0; s < 100; s++)
    assert_int_equal(fake_find(victim.conn, s * 4)->out_code, TERN_H3_REQUEST_INCOMPLETE);
  fake_drain(victim.conn);
  assert_int_equal(tern_h3_get_request_count(victim.h3), 0);
  assert_int_equal(close_code(&victim), 0);
  victim_deinit(&victim);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_huge_unknown_frames),
      cmocka_unit_test(test_floods),
      cmocka_unit_test(test_unknown_streams_flood),
      cmocka_unit_test(test_glitches_are_forgiven),
      cmocka_unit_test(test_rapid_reset),
      cmocka_unit_test(test_blocked_streams),
      cmocka_unit_test(test_blocked_bytes),
      cmocka_unit_test(test_unblocked),
      cmocka_unit_test(test_section_bombs),
      cmocka_unit_test(test_431),
      cmocka_unit_test(test_decoder_stream_not_read),
      cmocka_unit_test(test_header_deadline),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
