/* SPDX-License-Identifier: MIT */
/* How connections end: at once, without loss, in silence. And what becomes of late packets. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/frame_write.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 4);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static void assert_error(int side, tern_error_kind kind, uint64_t code, bool by_peer)
{
  assert_int_equal(pair.closed_count[side], 1);
  assert_int_equal(pair.error[side].kind, kind);
  assert_int_equal(pair.error[side].code, code);
  assert_int_equal(pair.error[side].by_peer, by_peer);
}

/* ---- at once ------------------------------------------------------------------------------------- */

static void test_close(void **state)
{
  (void)state;
  pair_connect(&pair);
  struct pair_stream *open = pair_open(&pair, PAIR_CLIENT, true);
  (void)pair_write(open, 0, 100);
  pair_run_for(&pair, TERN_SECOND);
  tern_conn_close(pair.conn[PAIR_SERVER], 0x1234, "done");
  pair_run_for(&pair, 2 * pair.delay_ns);
  assert_error(PAIR_SERVER, TERN_ERROR_APPLICATION, 0x1234, false);
  assert_error(PAIR_CLIENT, TERN_ERROR_APPLICATION, 0x1234, true);
  assert_string_equal(pair.error[PAIR_CLIENT].reason, "done");
  /* every stream was told before */
  assert_int_equal(open->closed_count, 1);
  assert_int_equal(pair_peer_of(&pair, open)->closed_count, 1);
  /* [rfc9000-10.2] both stay for three PTOs, then everything is gone */
  assert_false(pair_are_gone(&pair));
  pair_run_for(&pair, TERN_SECOND);
  assert_true(pair_are_gone(&pair));
}

static void test_long_reason(void **state)
{
  char reason[500];

  (void)state;
  memset(reason, 'r', sizeof reason);
  reason[sizeof reason - 1] = '\0';
  pair_connect(&pair);
  tern_conn_close(pair.conn[PAIR_CLIENT], TERN_QUIC_NO_ERROR, reason);
  assert_true(pair_run_until(&pair, pair_are_closed));
  assert_int_equal(strlen(pair.error[PAIR_SERVER].reason), TERN_REASON_MAX - 1);
}

/* A reason is text that a stranger chose: what cannot be printed is not kept. */
static void test_hostile_reason(void **state)
{
  uint8_t frames[64];
  struct tern_writer writer = tern_writer_of(frames, sizeof frames);

  (void)state;
  pair_connect(&pair);
  tern_frame_write_application_close(&writer, 5, tern_slice_of("a\x1b[31m\0\nb", 8));
  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP,
                   tern_slice_of(frames, tern_writer_len(&writer)));
  pair_run_for(&pair, 100 * TERN_MS);
  assert_error(PAIR_SERVER, TERN_ERROR_APPLICATION, 5, true);
  assert_string_equal(pair.error[PAIR_SERVER].reason, "a?[31m??");
}

/* Data that came with or before the close is handed over first. */
static void test_close_delivers_what_came(void **state)
{
  (void)state;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 1000);
  pair_flush(&pair, PAIR_CLIENT);
  tern_conn_close(pair.conn[PAIR_CLIENT], 0, NULL);
  pair_run_for(&pair, 100 * TERN_MS);
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_non_null(peer);
  assert_int_equal(peer->received, 1000);
  assert_true(peer->is_eof && !peer->is_bad);
  assert_int_equal(peer->closed_count, 1);
  assert_error(PAIR_SERVER, TERN_ERROR_APPLICATION, 0, true);
}

static bool lose_to_client(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  return datagram->to != PAIR_CLIENT;
}

/* The client's last flight, its data and its close in one batch: the server's application hears of the
 * connection, of the data and of the end, in this order. */
static void test_close_with_handshake(void **state)
{
  (void)state;
  pair_start(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 500);
  while (!pair.is_connected[PAIR_CLIENT])
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  pair.filter = lose_to_client;
  pair_flush(&pair, PAIR_CLIENT);
  tern_conn_close(pair.conn[PAIR_CLIENT], 3, NULL);
  pair_run_for(&pair, 100 * TERN_MS);
  assert_true(pair.is_connected[PAIR_SERVER]);
  assert_error(PAIR_SERVER, TERN_ERROR_APPLICATION, 3, true);
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_non_null(peer);
  assert_int_equal(peer->received, 500);
  assert_true(peer->is_eof);
}

/* Before the handshake is complete, an application's close is a plain APPLICATION_ERROR on the wire
 * [rfc9000-10.2.3]; each side knows who it was. */
static void test_close_in_handshake(void **state)
{
  (void)state;
  pair_start(&pair);
  pair_run_for(&pair, pair.delay_ns / 2);
  tern_conn_close(pair.conn[PAIR_CLIENT], 77, "secret");
  pair_run_for(&pair, TERN_SECOND);
  assert_error(PAIR_CLIENT, TERN_ERROR_APPLICATION, 77, false);
  assert_false(pair.is_connected[PAIR_SERVER]); /* its application never heard of it */
  assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_CONN_CLOSED], 1);
  pair_run_for(&pair, 5 * TERN_SECOND);
  assert_true(pair_are_gone(&pair));
}

static void test_both_close(void **state)
{
  (void)state;
  pair_connect(&pair);
  tern_conn_close(pair.conn[PAIR_CLIENT], 1, NULL);
  tern_conn_close(pair.conn[PAIR_SERVER], 2, NULL);
  uint64_t before = pair.sent_count[0] + pair.sent_count[1];
  pair_run_for(&pair, TERN_SECOND);
  assert_error(PAIR_CLIENT, TERN_ERROR_APPLICATION, 1, false);
  assert_error(PAIR_SERVER, TERN_ERROR_APPLICATION, 2, false);
  assert_true(pair_are_gone(&pair));
  assert_true(pair.sent_count[0] + pair.sent_count[1] - before <= 8);
}

/* The application's call brings no time: the three PTOs count from the first call that does. */
static void test_close_after_silence(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, 20 * TERN_SECOND);
  tern_conn_close(pair.conn[PAIR_CLIENT], 1, NULL);
  pair_run_for(&pair, 20 * TERN_MS);
  assert_true(pair_are_closed(&pair));
  assert_false(pair_are_gone(&pair));
  pair_run_for(&pair, TERN_SECOND);
  assert_true(pair_are_gone(&pair));
}

/* ---- late packets ---------------------------------------------------------------------------------- */

static uint8_t saved[PAIR_DATAGRAM_MAX];
static size_t saved_len;

static bool save_newest(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (datagram->to == PAIR_SERVER) {
    memcpy(saved, datagram->data, datagram->len);
    saved_len = datagram->len;
  }
  return true;
}

/* [rfc9000-10.2.1] closing: CONNECTION_CLOSE again, ever more rarely. */
static void test_closing_answers_rarely(void **state)
{
  (void)state;
  pair.filter = save_newest;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  tern_conn_close(pair.conn[PAIR_SERVER], 1, NULL);
  pair.filter = lose_to_client;
  pair_flush(&pair, PAIR_SERVER);
  uint64_t before = pair.sent_count[PAIR_SERVER];
  for (unsigned i = 0; i < 64; i++) {
    pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(saved, saved_len), 0);
    pair_run_for(&pair, TERN_MS / 10);
  }
  uint64_t answers = pair.sent_count[PAIR_SERVER] - before;
  assert_true(answers >= 5 && answers <= 8); /* to the 1st, 2nd, 4th ... 64th */
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_CONN_CLOSING], 64);
}

/* [rfc9000-10.2.2] draining: MUST NOT send any packets. */
static void test_draining_is_silent(void **state)
{
  (void)state;
  pair.filter = save_newest;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  tern_conn_close(pair.conn[PAIR_CLIENT], 1, NULL);
  pair_run_for(&pair, pair.delay_ns);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 1);
  uint64_t before = pair.sent_count[PAIR_SERVER];
  for (unsigned i = 0; i < 20; i++) {
    pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(saved, saved_len), 0);
    pair_run_for(&pair, TERN_MS / 10);
  }
  assert_int_equal(pair.sent_count[PAIR_SERVER], before);
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_CONN_DRAINING], 20);
}

/* [rfc9000-8.1] a server that refuses a client it has not validated stays within three times what came,
 * however often it is asked. */
static void test_close_stays_below_amplification(void **state)
{
  uint64_t received = 0;
  uint8_t small[40] = {0x40};

  (void)state;
  pair.tls.cert_bytes = 200; /* its flight leaves room for an answer or two */
  pair.filter = lose_to_client;
  pair_start(&pair);
  pair_run_for(&pair, 15 * TERN_MS);
  struct tern_list_node *node = tern_list_first(&pair.endpoint[PAIR_SERVER]->conns);
  tern_conn *conn = TERN_CONTAINER_OF(node, tern_conn, all_node);
  tern_conn_fail(conn, TERN_QUIC_INTERNAL_ERROR, 0, "as if");
  memcpy(small + 1, conn->first_scid.bytes, conn->first_scid.len);
  for (unsigned i = 0; i < 40; i++) {
    pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(small, sizeof small), 0);
    pair_run_for(&pair, TERN_MS / 10);
  }
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  received = stats.bytes_received;
  assert_true(stats.bytes_sent > 0);
  assert_true(stats.bytes_sent <= 3 * received);
}

/* ---- without loss ----------------------------------------------------------------------------------- */

static bool lose_some(struct pair *with, struct pair_datagram *datagram)
{
  (void)datagram;
  return tern_random_seeded_next(&with->random) % 4 != 0;
}

static void test_shutdown_loses_nothing(void **state)
{
  (void)state;
  pair_deinit(&pair);
  for (unsigned seed = 0; seed < 10; seed++) {
    struct pair_stream *streams[3];
    pair_init(&pair, 400 + seed);
    pair.filter = seed % 2 == 0 ? NULL : lose_some;
    pair_connect(&pair);
    for (unsigned i = 0; i < 3; i++) {
      streams[i] = pair_open(&pair, PAIR_CLIENT, i % 2 == 0);
      assert_int_equal(pair_write(streams[i], 0, 30000), 30000); /* no FIN */
    }
    tern_conn_shutdown(pair.conn[PAIR_CLIENT], 9, pair.now + 50 * TERN_SECOND);
    tern_stream *none;
    assert_int_equal(tern_conn_open_stream(pair.conn[PAIR_CLIENT], true, NULL, NULL, &none),
                     TERN_CLOSED);
    assert_true(pair_run_until(&pair, pair_are_closed));
    assert_error(PAIR_CLIENT, TERN_ERROR_APPLICATION, 9, false);
    for (unsigned i = 0; i < 3; i++) {
      struct pair_stream *peer = pair_peer_of(&pair, streams[i]);
      assert_int_equal(peer->received, 30000);
      assert_true(peer->is_eof && !peer->is_bad); /* finished as it is */
      assert_int_equal(streams[i]->acked_to, 30000);
    }
    pair_deinit(&pair);
  }
  pair_init(&pair, 4);
}

static void keep_unread(struct pair *with, struct pair_stream *stream)
{
  (void)with;
  stream->is_paused = true;
}

/* What cannot be sent (the peer does not read) ends at the deadline. */
static void test_shutdown_deadline(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].stream_window_bytes = 1024;
  pair.on_stream = keep_unread;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  (void)pair_write(stream, 0, 5000);
  tern_time deadline = pair.now + 3 * TERN_SECOND;
  tern_conn_shutdown(pair.conn[PAIR_CLIENT], 9, deadline);
  pair_run_for(&pair, 3 * TERN_SECOND - TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  pair_run_for(&pair, 2 * TERN_MS);
  assert_error(PAIR_CLIENT, TERN_ERROR_APPLICATION, 9, false);
}

static void test_shutdown_of_idle_conn(void **state)
{
  (void)state;
  pair_connect(&pair);
  tern_conn_shutdown(pair.conn[PAIR_SERVER], 4, TERN_TIME_NEVER);
  assert_true(pair_run_until(&pair, pair_are_closed));
  assert_error(PAIR_CLIENT, TERN_ERROR_APPLICATION, 4, true);
}

/* ---- errors ------------------------------------------------------------------------------------------ */

static void test_tls_failure(void **state)
{
  (void)state;
  pair.tls.bad_finished = true;
  pair_start(&pair);
  pair_run_for(&pair, TERN_SECOND);
  /* [rfc9001-4.8] 0x100 + decrypt_error */
  assert_error(PAIR_CLIENT, TERN_ERROR_TLS, 0x100 + 51, false);
  assert_int_equal(pair.error[PAIR_CLIENT].tls_alert, 51);
  pair_run_for(&pair, 5 * TERN_SECOND);
  assert_true(pair_are_gone(&pair));
}

struct bad_packet {
  uint8_t frames[24];
  size_t len;
  uint64_t code;
  int from;
};

static void test_violations(void **state)
{
  static const struct bad_packet cases[] = {
      {{0}, 0, TERN_QUIC_PROTOCOL_VIOLATION, PAIR_CLIENT},    /* [rfc9000-12.4] no frames */
      {{0x1e}, 1, TERN_QUIC_PROTOCOL_VIOLATION, PAIR_CLIENT}, /* [rfc9000-19.20] HANDSHAKE_DONE */
      {{0x07, 1, 9}, 3, TERN_QUIC_PROTOCOL_VIOLATION, PAIR_CLIENT}, /* [rfc9000-19.7] NEW_TOKEN */
      {{0x07, 0}, 2, TERN_QUIC_FRAME_ENCODING_ERROR, PAIR_SERVER},  /* [rfc9000-19.7] empty */
      {{0x21}, 1, TERN_QUIC_FRAME_ENCODING_ERROR, PAIR_SERVER},     /* [rfc9000-12.4] unknown */
      {{0x02, 0x7f, 0xff, 0, 0, 0},
       6,
       TERN_QUIC_PROTOCOL_VIOLATION,
       PAIR_SERVER}, /* [rfc9000-13.1] */
      {{0x12, 0xd0, 0, 0, 0, 0, 0, 0, 1}, 9, TERN_QUIC_FRAME_ENCODING_ERROR, PAIR_SERVER},
      {{0x18, 2, 3, 1, 9}, 5, TERN_QUIC_FRAME_ENCODING_ERROR, PAIR_SERVER}, /* [rfc9000-19.15] */
      {{0x19, 0x3f}, 2, TERN_QUIC_PROTOCOL_VIOLATION, PAIR_SERVER},         /* [rfc9000-19.16] */
      {{0x06, 0, 1, 1}, 4, 0x100 + 10, PAIR_CLIENT}, /* [rfc9001-4.1.3] TLS has nothing to say */
  };

  (void)state;
  pair_deinit(&pair);
  for (size_t i = 0; i < PAIR_COUNT_OF(cases); i++) {
    int to = !cases[i].from;
    pair_init(&pair, 100 + i);
    pair_connect(&pair);
    pair_run_for(&pair, TERN_SECOND);
    pair_send_frames(&pair, cases[i].from, TERN_SPACE_APP,
                     tern_slice_of(cases[i].frames, cases[i].len));
    pair_run_for(&pair, 100 * TERN_MS);
    assert_int_equal(pair.closed_count[to], 1);
    assert_int_equal(pair.error[to].code, cases[i].code);
    assert_int_equal(pair.error[!to].code, cases[i].code);
    assert_true(pair.error[!to].by_peer);
    assert_true(pair.error[to].reason[0] != '\0');
    pair_deinit(&pair);
  }
  pair_init(&pair, 4);
}

/* Word that nobody listens ends a connection that has heard nothing yet, and no other. */
static void test_unreachable(void **state)
{
  tern_addr other = {.family = 4, .ip = {192, 0, 2, 77}, .port = 1};
  (void)state;
  pair_start(&pair);
  tern_endpoint_unreachable(pair.endpoint[PAIR_CLIENT], &other, pair.now);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  tern_endpoint_unreachable(pair.endpoint[PAIR_CLIENT], &pair.addr[PAIR_SERVER], pair.now);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_REFUSED);
  pair_run_for(&pair, TERN_SECOND);
}

static void test_unreachable_too_late(void **state)
{
  (void)state;
  pair_connect(&pair);
  for (int i = 0; i < 2; i++)
    tern_endpoint_unreachable(pair.endpoint[i], &pair.addr[1 - i], pair.now);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_close),
      CASE(test_long_reason),
      CASE(test_hostile_reason),
      CASE(test_close_delivers_what_came),
      CASE(test_close_with_handshake),
      CASE(test_close_in_handshake),
      CASE(test_both_close),
      CASE(test_close_after_silence),
      CASE(test_closing_answers_rarely),
      CASE(test_draining_is_silent),
      CASE(test_close_stays_below_amplification),
      CASE(test_shutdown_loses_nothing),
      CASE(test_shutdown_deadline),
      CASE(test_shutdown_of_idle_conn),
      CASE(test_tls_failure),
      CASE(test_violations),
      CASE(test_unreachable),
      CASE(test_unreachable_too_late),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
