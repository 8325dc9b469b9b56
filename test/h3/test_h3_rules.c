/* SPDX-License-Identifier: MIT */
/* A peer that breaks the rules of framing (HOSTILE H5, H9): the exact error for each, and a message that
 * was cut is never reported as complete. */
#include "victim.h"

/* ---- the control stream ---------------------------------------------------------------------- */

enum who { SERVER = 1, CLIENT = 2, BOTH = 3 };

struct stream_case {
  const char *what;
  enum who who;
  const char *hex;
  bool fin;
  uint64_t code;
};

static const struct stream_case control_cases[] = {
    {"SETTINGS", BOTH, "00 04 00", false, 0},
    {"SETTINGS with values", BOTH, "00 04 04 01 05 07 03", false, 0},
    {"grease frame after SETTINGS", BOTH, "00 04 00 21 03 616263 4040 00", false, 0},
    {"DATA first [rfc9114-6.2.1]", BOTH, "00 00 00", false, TERN_H3_MISSING_SETTINGS},
    {"GOAWAY first", BOTH, "00 07 01 00", false, TERN_H3_MISSING_SETTINGS},
    {"grease first [rfc9114-9]", BOTH, "00 21 00", false, TERN_H3_MISSING_SETTINGS},
    {"second SETTINGS [rfc9114-7.2.4]", BOTH, "00 04 00 04 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"DATA [rfc9114-7.2.1]", BOTH, "00 04 00 00 01 61", false, TERN_H3_FRAME_UNEXPECTED},
    {"HEADERS [rfc9114-7.2.2]", BOTH, "00 04 00 01 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"PUSH_PROMISE [rfc9114-7.2.5]", BOTH, "00 04 00 05 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"HTTP/2 PRIORITY [rfc9114-7.2.8]", BOTH, "00 04 00 02 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"HTTP/2 PING", BOTH, "00 04 00 06 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"HTTP/2 WINDOW_UPDATE", BOTH, "00 04 00 08 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"HTTP/2 CONTINUATION", BOTH, "00 04 00 09 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"setting twice [rfc9114-7.2.4]", BOTH, "00 04 04 01 00 01 00", false, TERN_H3_SETTINGS_ERROR},
    {"HTTP/2 setting [rfc9114-7.2.4.1]", BOTH, "00 04 02 04 00", false, TERN_H3_SETTINGS_ERROR},
    {"cut setting [rfc9114-7.1]", BOTH, "00 04 01 01", false, TERN_H3_FRAME_ERROR},
    {"SETTINGS of 257 bytes (H8)", BOTH, "00 04 4101", false, TERN_H3_EXCESSIVE_LOAD},
    {"GOAWAY", SERVER, "00 04 00 07 01 00", false, 0},
    {"GOAWAY that rejects the only request [rfc9114-5.2]", CLIENT, "00 04 00 07 01 00", false,
     TERN_H3_NO_ERROR},
    {"GOAWAY of another stream type [rfc9114-7.2.6]", CLIENT, "00 04 00 07 01 02", false,
     TERN_H3_ID_ERROR},
    {"GOAWAY of a push id", SERVER, "00 04 00 07 01 03", false, 0},
    {"GOAWAY with a larger id [rfc9114-5.2]", BOTH, "00 04 00 07 01 04 07 01 08", false,
     TERN_H3_ID_ERROR},
    {"GOAWAY without id", BOTH, "00 04 00 07 00", false, TERN_H3_FRAME_ERROR},
    {"GOAWAY cut inside", BOTH, "00 04 00 07 01 40", false, TERN_H3_FRAME_ERROR},
    {"GOAWAY with more bytes", BOTH, "00 04 00 07 02 00 00", false, TERN_H3_FRAME_ERROR},
    {"GOAWAY with many bytes", BOTH, "00 04 00 07 09", false, TERN_H3_FRAME_ERROR},
    {"MAX_PUSH_ID", SERVER, "00 04 00 0d 01 05 0d 01 05", false, 0},
    {"MAX_PUSH_ID going down [rfc9114-7.2.7]", SERVER, "00 04 00 0d 01 05 0d 01 04", false,
     TERN_H3_ID_ERROR},
    {"MAX_PUSH_ID from a server [rfc9114-7.2.7]", CLIENT, "00 04 00 0d 01 05", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"CANCEL_PUSH [rfc9114-7.2.3]", BOTH, "00 04 00 03 01 00", false, TERN_H3_ID_ERROR},
    {"end [rfc9114-6.2.1]", BOTH, "00 04 00", true, TERN_H3_CLOSED_CRITICAL_STREAM},
    {"end before SETTINGS", BOTH, "00", true, TERN_H3_CLOSED_CRITICAL_STREAM},
    {"end of a stream without a type [rfc9114-6.2]", BOTH, "", true, 0},
    {"end inside a type", BOTH, "40", true, 0},
    {"end of the encoder stream [rfc9204-4.2]", BOTH, "02", true, TERN_H3_CLOSED_CRITICAL_STREAM},
    {"end of the decoder stream", BOTH, "03", true, TERN_H3_CLOSED_CRITICAL_STREAM},
    {"long form of the control type", BOTH, "4000 04 00", false, 0},
    {"unknown type [rfc9114-6.2]", BOTH, "21 616263", true, 0},
    {"unknown type, long", BOTH, "c000000000001234 6162", false, 0},
    {"push stream to a server [rfc9114-6.2.2]", SERVER, "01 00", false,
     TERN_H3_STREAM_CREATION_ERROR},
    {"push stream that was not allowed [rfc9114-4.6]", CLIENT, "01 00", false, TERN_H3_ID_ERROR},
    {"encoder stream: too much capacity", BOTH, "02 3fe21f", false,
     TERN_H3_QPACK_ENCODER_STREAM_ERROR},
    {"encoder stream: giant literal (H4)", BOTH, "02 3fe11f c1 7fffffffffffffffff1f", false,
     TERN_H3_QPACK_ENCODER_STREAM_ERROR},
    {"decoder stream: increment of 0", BOTH, "03 00", false, TERN_H3_QPACK_DECODER_STREAM_ERROR},
    {"decoder stream: increment too large", BOTH, "03 01", false,
     TERN_H3_QPACK_DECODER_STREAM_ERROR},
    {"decoder stream: acknowledgment of nothing", BOTH, "03 80", false,
     TERN_H3_QPACK_DECODER_STREAM_ERROR},
    {"decoder stream: cancellation of nothing", BOTH, "03 40", false, 0},
};

static void run_case(const struct stream_case *item, bool is_server, bool on_request, size_t chunk)
{
  struct victim victim;
  victim_init(&victim, is_server);
  uint64_t id = uni(&victim, 0);
  if (!is_server)
    assert_int_equal(tern_h3_get(victim.h3, "a", "/", &request_ops, &victim), TERN_OK);
  if (on_request) {
    give_settings(&victim);
    id = 0;
  }
  fake_drain(victim.conn);
  give(&victim, id, item->hex, item->fin, chunk);
  if (close_code(&victim) != item->code)
    fail_msg("%s, %s, chunks of %zu: %llx", item->what, is_server ? "server" : "client", chunk,
             (unsigned long long)close_code(&victim));
  victim_deinit(&victim);
}

static void run_cases(const struct stream_case *cases, size_t count, bool on_request)
{
  for (size_t i = 0; i < count; i++) {
    for (size_t chunk = 1; chunk <= 100; chunk = chunk == 1 ? 2 : chunk * 50) {
      if ((cases[i].who & SERVER) != 0)
        run_case(&cases[i], true, on_request, chunk);
      if ((cases[i].who & CLIENT) != 0)
        run_case(&cases[i], false, on_request, chunk);
    }
  }
}

static void test_unidirectional_streams(void **state)
{
  (void)state;
  run_cases(control_cases, sizeof(control_cases) / sizeof(control_cases[0]), false);
}

/* ---- request streams ------------------------------------------------------------------------- */

static const struct stream_case request_cases[] = {
    {"GET", SERVER, GET, true, 0},
    {"grease before, between and after", SERVER, "21 00 " POST " 21 02 6161 00 01 62 4040 00", true,
     0},
    {"DATA first [rfc9114-4.1]", BOTH, "00 01 61", false, TERN_H3_FRAME_UNEXPECTED},
    {"DATA after trailers [rfc9114-4.1]", SERVER, POST " 01 02 0000 00 01 61", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"HEADERS after trailers [rfc9114-4.1]", SERVER, POST " 01 02 0000 01 02 0000", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"DATA after a 103 [rfc9114-4.1]", CLIENT, STATUS_103 " 00 01 61", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"HEADERS after CONNECT [rfc9114-4.4]", SERVER, "01 06 0000 cf 5001 61 01 02 0000", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"SETTINGS [rfc9114-7.2.4]", BOTH, "04 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"GOAWAY [rfc9114-7.2.6]", BOTH, "07 01 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"MAX_PUSH_ID [rfc9114-7.2.7]", BOTH, "0d 01 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"CANCEL_PUSH [rfc9114-7.2.3]", BOTH, "03 01 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"PUSH_PROMISE to a server [rfc9114-7.2.5]", SERVER, "05 03 00 0000", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"PUSH_PROMISE that was not allowed [rfc9114-7.2.5]", CLIENT, "05 03 00 0000", false,
     TERN_H3_ID_ERROR},
    {"HTTP/2 frame [rfc9114-7.2.8]", BOTH, "06 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"end inside a type [rfc9114-7.1]", BOTH, "40", true, TERN_H3_FRAME_ERROR},
    {"end inside a length", BOTH, "01", true, TERN_H3_FRAME_ERROR},
    {"end inside HEADERS", BOTH, "01 08 0000", true, TERN_H3_FRAME_ERROR},
    {"end inside DATA (H9)", SERVER, POST " 00 05 6162", true, TERN_H3_FRAME_ERROR},
    {"end inside DATA with content-length (H9)", SERVER, POST_5 " 00 05 6162", true,
     TERN_H3_FRAME_ERROR},
    {"end inside grease", SERVER, POST " 21 05 6162", true, TERN_H3_FRAME_ERROR},
    {"field section with a bad index", BOTH, "01 04 0000 ff24", false,
     TERN_H3_QPACK_DECOMPRESSION_FAILED},
    {"field section cut by its frame", BOTH, "01 03 0000 ff", false,
     TERN_H3_QPACK_DECOMPRESSION_FAILED},
    {"empty HEADERS", BOTH, "01 00", false, TERN_H3_QPACK_DECOMPRESSION_FAILED},
};

static void test_request_streams(void **state)
{
  (void)state;
  run_cases(request_cases, sizeof(request_cases) / sizeof(request_cases[0]), true);
}

/* Stream errors: the stream ends with the code, the connection lives. */
struct message_case {
  const char *what;
  const char *hex;
  bool fin;
  uint64_t code; /* 0: complete */
};

static const struct message_case server_messages[] = {
    {"GET", GET, true, 0},
    {"POST", POST " 00 02 6162", true, 0},
    {"POST with trailers", POST " 00 02 6162 01 02 0000", true, 0},
    {"POST of 5", POST_5 " 00 05 6162636465", true, 0},
    {"POST of 5 in pieces", POST_5 " 00 02 6162 00 00 00 03 636465", true, 0},
    {"POST of 5 with 4 [rfc9114-4.1.2]", POST_5 " 00 04 61626364", true, TERN_H3_MESSAGE_ERROR},
    {"POST of 5 with 6", POST_5 " 00 06 616263646566", true, TERN_H3_MESSAGE_ERROR},
    {"POST of 5 with 6, not even all there", POST_5 " 00 06 61", false, TERN_H3_MESSAGE_ERROR},
    {"POST of 5 with nothing", POST_5, true, TERN_H3_MESSAGE_ERROR},
    {"POST of 5 with trailers early", POST_5 " 01 02 0000", false, TERN_H3_MESSAGE_ERROR},
    {"no HEADERS [rfc9114-4.1]", "", true, TERN_H3_REQUEST_INCOMPLETE},
    {"only grease", "21 01 61", true, TERN_H3_REQUEST_INCOMPLETE},
    {":method twice [rfc9114-4.1.2]", "01 09 0000 d1 d1 d7 5001 61 c1", true,
     TERN_H3_MESSAGE_ERROR},
    {"no :path", "01 07 0000 d1 d7 5001 61", true, TERN_H3_MESSAGE_ERROR},
    {":status in a request", "01 09 0000 d1 d7 5001 61 c1 d9", true, TERN_H3_MESSAGE_ERROR},
    {"pseudo after field", "01 09 0000 d1 d7 5001 61 dd c1", true, TERN_H3_MESSAGE_ERROR},
    {"no fields at all", "01 02 0000", true, TERN_H3_MESSAGE_ERROR},
    {"pseudo in trailers [rfc9114-4.3]", POST " 01 03 0000 d1", true, TERN_H3_MESSAGE_ERROR},
};

static void check_message(struct victim *victim, const struct message_case *item, size_t chunk)
{
  give(victim, 0, item->hex, item->fin, chunk);
  assert_int_equal(close_code(victim), 0);
  tern_stream *stream = fake_find(victim->conn, 0);
  if (item->code == 0) {
    if (victim->ended != 1 || victim->resets != 0)
      fail_msg("%s: not complete", item->what);
  } else {
    if (victim->ended != 0 || stream == NULL || !stream->out_reset ||
        stream->out_code != item->code)
      fail_msg("%s: ended %u, code %llx", item->what, victim->ended,
               stream == NULL ? 0 : (unsigned long long)stream->out_code);
    assert_int_equal(victim->resets, victim->told + (victim->conn->is_server ? 0u : 1u));
  }
}

static void test_requests(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof(server_messages) / sizeof(server_messages[0]); i++) {
    for (size_t chunk = 1; chunk <= 64; chunk *= 4) {
      struct victim victim;
      victim_init(&victim, true);
      give_settings(&victim);
      check_message(&victim, &server_messages[i], chunk);
      victim_deinit(&victim);
    }
  }
}

static const struct message_case client_messages[] = {
    {"200", STATUS_200, true, 0},
    {"103 and 200", STATUS_103 STATUS_200, true, 0},
    {"200 with a body of 5", STATUS_200_5 " 00 05 6162636465", true, 0},
    {"200 with 4 of 5 [rfc9114-4.1.2]", STATUS_200_5 " 00 04 61626364", true,
     TERN_H3_MESSAGE_ERROR},
    {"200 with 6 of 5", STATUS_200_5 " 00 06 616263646566", true, TERN_H3_MESSAGE_ERROR},
    {"nothing", "", true, TERN_H3_MESSAGE_ERROR},
    {"only a 103", STATUS_103, true, TERN_H3_MESSAGE_ERROR},
    {"no :status", "01 02 0000", true, TERN_H3_MESSAGE_ERROR},
    {":path in a response", "01 04 0000 d9 c1", true, TERN_H3_MESSAGE_ERROR},
};

static void test_responses(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof(client_messages) / sizeof(client_messages[0]); i++) {
    for (size_t chunk = 1; chunk <= 64; chunk *= 4) {
      struct victim victim;
      victim_init(&victim, false);
      give_settings(&victim);
      tern_field fields[] = {tern_field_of(":method", "GET"), tern_field_of(":scheme", "https"),
                             tern_field_of(":authority", "a"), tern_field_of(":path", "/")};
      tern_submit_args args = {fields, 4, true, &request_ops, &victim, TERN_H3_EARLY_SAFE};
      assert_int_equal(tern_h3_submit(victim.h3, &args, NULL), TERN_OK);
      check_message(&victim, &client_messages[i], chunk);
      victim_deinit(&victim);
    }
  }
}

/* Would the first `len` bytes be a complete message? One-byte varints only; `length` is that of
 * content-length, or SIZE_MAX. */
static bool is_whole(const uint8_t *bytes, size_t len, size_t length)
{
  size_t body = 0;
  bool has_headers = false;
  size_t at = 0;
  while (at < len) {
    if (len - at < 2 || len - at - 2 < bytes[at + 1])
      return false;
    if (bytes[at] == 0)
      body += bytes[at + 1];
    has_headers = has_headers || bytes[at] == 1;
    at += 2u + bytes[at + 1];
  }
  return has_headers && (length == SIZE_MAX || body == length);
}

struct recorded {
  const char *hex;
  size_t length;
};

static void cut_at(const struct recorded *recorded, size_t cut, int how)
{
  uint8_t bytes[256];
  struct victim victim;
  (void)from_hex(recorded->hex, bytes);
  victim_init(&victim, true);
  give_settings(&victim);
  fake_send(victim.conn, 0, bytes, cut, how == 0);
  if (how != 3)
    fake_settle(victim.conn);
  if (how == 1) /* an end without data, later */
    fake_send(victim.conn, 0, NULL, 0, true);
  if (how >= 2)
    fake_reset(victim.conn, 0, TERN_H3_REQUEST_CANCELLED);
  fake_settle(victim.conn);
  bool is_complete = how < 2 && is_whole(bytes, cut, recorded->length);
  if (victim.ended != (is_complete ? 1u : 0u))
    fail_msg("%s, cut at %zu, how %d: ended %u", recorded->hex, cut, how, victim.ended);
  if (is_complete)
    assert_int_equal(close_code(&victim), 0);
  fake_close(victim.conn, TERN_H3_NO_ERROR);
  fake_settle(victim.conn);
  assert_int_equal(victim.ended + victim.resets, victim.told); /* one end, whatever it is */
  assert_int_equal(victim.closed, victim.told);
  victim_deinit(&victim);
}

/* HOSTILE H9: FIN and RESET at every byte of recorded requests. Complete only what is. */
static void test_cut_at_every_byte(void **state)
{
  (void)state;
  static const struct recorded recorded[] = {
      {GET, SIZE_MAX},
      {POST_5 " 00 05 6162636465", 5},
      {POST_5 " 00 02 6162 21 02 0000 00 03 636465 01 02 0000", 5},
      {POST " 00 05 6162636465 00 05 6162636465", SIZE_MAX},
      {"21 03 616161 " POST_5 " 00 01 61 00 01 61 00 03 616161 21 00", 5},
      {POST_5 " 00 05 6162636465 00 00 01 02 0000 21 02 0000", 5},
  };
  for (size_t i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
    uint8_t bytes[256];
    size_t len = from_hex(recorded[i].hex, bytes);
    for (size_t cut = 0; cut <= len; cut++) {
      for (int how = 0; how < 4; how++)
        cut_at(&recorded[i], cut, how);
    }
  }
}

/* ---- critical streams (H5) ------------------------------------------------------------------- */

static void test_second_critical_stream(void **state)
{
  (void)state;
  static const char *const types[] = {"00 04 00", "02", "03"};
  for (int role = 0; role < 2; role++) {
    for (size_t t = 0; t < 3; t++) {
      struct victim victim;
      victim_init(&victim, role == 0);
      give(&victim, uni(&victim, 0), types[t], false, 10);
      assert_int_equal(close_code(&victim), 0);
      give(&victim, uni(&victim, 1), types[t], false, 10);
      assert_int_equal(close_code(&victim), TERN_H3_STREAM_CREATION_ERROR);
      victim_deinit(&victim);
    }
  }
}

static void test_reset_critical_stream(void **state)
{
  (void)state;
  static const char *const types[] = {"00 04 00", "02", "03", "21"};
  for (int role = 0; role < 2; role++) {
    for (size_t t = 0; t < 4; t++) {
      for (int together = 0; together < 2; together++) {
        struct victim victim;
        victim_init(&victim, role == 0);
        uint8_t bytes[8];
        size_t len = from_hex(types[t], bytes);
        fake_send(victim.conn, uni(&victim, 0), bytes, len, false);
        if (together == 0)
          fake_settle(victim.conn);
        fake_reset(victim.conn, uni(&victim, 0), TERN_H3_NO_ERROR);
        fake_settle(victim.conn);
        bool is_known = together == 0 && t < 3; /* else the type was never seen */
        assert_int_equal(close_code(&victim), is_known ? TERN_H3_CLOSED_CRITICAL_STREAM : 0);
        victim_deinit(&victim);
      }
    }
  }
}

/* STOP_SENDING on each of our three [rfc9114-6.2.1] [rfc9204-4.2] */
static void test_stop_critical_stream(void **state)
{
  (void)state;
  for (int role = 0; role < 2; role++) {
    for (size_t n = 0; n < 3; n++) {
      struct victim victim;
      victim_init(&victim, role == 0);
      /* Capacity and an insertion make both QPACK streams appear. */
      give(&victim, uni(&victim, 0), "00 04 05 01 5000 07 10", false, 100);
      give(&victim, uni(&victim, 1), "02 3fe11f c10161", false, 100);
      fake_drain(victim.conn);
      assert_int_equal(victim.conn->streams_count, 5);
      fake_stop(victim.conn, n * 4 + (role == 0 ? 3 : 2), 0);
      fake_settle(victim.conn);
      assert_int_equal(close_code(&victim), TERN_H3_CLOSED_CRITICAL_STREAM);
      victim_deinit(&victim);
    }
  }
}

/* Any order of open, data, FIN, RESET and STOP_SENDING on the six: no crash, no leak, and nothing but
 * the codes that fit. */
static void test_critical_orders(void **state)
{
  (void)state;
  uint64_t seed = 4711;
  print_message("seed %llu\n", (unsigned long long)seed);
  static const char *const pieces[] = {"00 04 00", "02 3fe11f", "03", "04 00",
                                       "c10161",   "40",        "21", "07 01 04"};
  for (int round = 0; round < 4000; round++) {
    struct victim victim;
    victim_init(&victim, round % 2 == 0);
    for (int step = 0; step < 8; step++) {
      seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      uint64_t id = uni(&victim, (seed >> 40) % 4);
      unsigned what = (unsigned)(seed >> 50) % 10;
      uint8_t bytes[16];
      size_t len = from_hex(pieces[(seed >> 33) % 8], bytes);
      if (what < 6)
        fake_send(victim.conn, id, bytes, len, what == 5);
      else if (what < 8)
        fake_reset(victim.conn, id, 0x100);
      else
        fake_stop(victim.conn, (seed >> 60) % 3 * 4 + (round % 2 == 0 ? 3 : 2), 0x100);
      if ((seed >> 45) % 3 != 0)
        fake_settle(victim.conn);
      if ((seed >> 46) % 4 == 0)
        fake_drain(victim.conn);
    }
    fake_settle(victim.conn);
    uint64_t code = close_code(&victim);
    assert_true(code == 0 || (code >= 0x100 && code <= 0x110) || (code >= 0x200 && code <= 0x202));
    assert_true(code != TERN_H3_INTERNAL_ERROR);
    victim_deinit(&victim);
  }
}

/* [rfc9114-6.1] */
static void test_bidi_from_server(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, false);
  give(&victim, 1, GET, false, 100);
  assert_int_equal(close_code(&victim), TERN_H3_STREAM_CREATION_ERROR);
  victim_deinit(&victim);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_unidirectional_streams),
      cmocka_unit_test(test_request_streams),
      cmocka_unit_test(test_requests),
      cmocka_unit_test(test_responses),
      cmocka_unit_test(test_cut_at_every_byte),
      cmocka_unit_test(test_second_critical_stream),
      cmocka_unit_test(test_reset_critical_stream),
      cmocka_unit_test(test_stop_critical_stream),
      cmocka_unit_test(test_critical_orders),
      cmocka_unit_test(test_bidi_from_server),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
