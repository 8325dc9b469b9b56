/* SPDX-License-Identifier: MIT */
/* Endpoints and connections through the public face: connect, what the getters say, what is refused. */
#include "support/pair.h"

#include "transport/conn.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 1);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static void assert_slice(tern_slice slice, const char *text)
{
  assert_int_equal(slice.len, strlen(text));
  assert_memory_equal(slice.data, text, slice.len);
}

/* ---- connect ------------------------------------------------------------------------------------ */

static void test_getters_before(void **state)
{
  (void)state;
  pair_start(&pair);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  assert_false(tern_conn_is_server(conn));
  assert_false(tern_conn_is_connected(conn));
  assert_int_equal(tern_conn_get_alpn(conn).len, 0);
  assert_string_equal(tern_conn_get_cipher(conn), "");
  assert_int_equal(tern_conn_get_datagram_max(conn), 0);
  assert_true(tern_conn_get_endpoint(conn) == pair.endpoint[PAIR_CLIENT]);
  assert_true(tern_conn_get_app(conn) == &pair.sides[PAIR_CLIENT]);
}

static void test_connect(void **state)
{
  tern_conn_stats stats;

  (void)state;
  pair_connect(&pair);
  for (int i = 0; i < 2; i++) {
    tern_conn *conn = pair.conn[i];
    assert_int_equal(tern_conn_is_server(conn), i == PAIR_SERVER);
    assert_true(tern_conn_is_connected(conn));
    assert_slice(tern_conn_get_alpn(conn), "tern-sim");
    assert_slice(tern_conn_get_server_name(conn), "localhost");
    assert_true(strlen(tern_conn_get_cipher(conn)) > 0);
    assert_true(strlen(tern_conn_get_group(conn)) > 0);
    tern_addr remote = tern_conn_get_remote(conn);
    assert_true(tern_addr_equal(&remote, &pair.addr[!i]));
    assert_int_equal(tern_conn_get_id(conn), 1);
    assert_true(tern_conn_get_now(conn) <= pair.now);
    tern_conn_get_stats(conn, &stats);
    assert_true(stats.handshake_ns >= 2 * pair.delay_ns);
    assert_true(stats.handshake_ns <= 5 * pair.delay_ns);
    assert_true(stats.heap_bytes > 0);
    assert_int_equal(stats.packets_lost, 0);
    assert_int_equal(pair.counts[i][TERN_EVENT_TLS_COMPLETE], 1);
  }
  /* one round trip until the client can send data, and the sample says so */
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  assert_int_equal(stats.handshake_ns, 2 * pair.delay_ns);
  assert_int_equal(stats.rtt_min_ns, 2 * pair.delay_ns);
}

static void test_connect_awslc(void **state)
{
  (void)state;
  pair.has_awslc = true;
  pair.has_echo = true;
  pair_connect(&pair);
  assert_slice(tern_conn_get_alpn(pair.conn[PAIR_SERVER]), "tern-test");
  assert_slice(tern_conn_get_server_name(pair.conn[PAIR_SERVER]), "localhost");
  assert_string_equal(tern_conn_get_group(pair.conn[PAIR_CLIENT]), "X25519MLKEM768");
  assert_non_null(strstr(tern_conn_get_cipher(pair.conn[PAIR_CLIENT]), "TLS_"));
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 100000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(stream->received, 100000);
  assert_true(stream->is_eof && !stream->is_bad);
}

static void test_connect_arguments(void **state)
{
  tern_connect_args args = {.remote = pair.addr[PAIR_SERVER], .server_name = "localhost"};
  tern_conn *conn = NULL;

  (void)state;
  pair_make_endpoint(&pair, PAIR_CLIENT);
  pair_make_endpoint(&pair, PAIR_SERVER);
  args.server_name = NULL;
  assert_int_equal(tern_endpoint_connect(pair.endpoint[PAIR_CLIENT], &args, pair.now, &conn),
                   TERN_INVALID);
  args.server_name = "localhost";
  args.remote.family = 0;
  assert_int_equal(tern_endpoint_connect(pair.endpoint[PAIR_CLIENT], &args, pair.now, &conn),
                   TERN_INVALID);
  args.remote = pair.addr[PAIR_CLIENT];
  /* without client_tls no connection can be opened */
  assert_int_equal(tern_endpoint_connect(pair.endpoint[PAIR_SERVER], &args, pair.now, &conn),
                   TERN_INVALID);
}

static void test_endpoint_needs_on_conn(void **state)
{
  tern_config config = pair.config[PAIR_SERVER];
  tern_endpoint *endpoint = NULL;
  char why[200] = "";

  (void)state;
  pair.tls_object[PAIR_SERVER] = tern_tls_sim_new(&tern_alloc_system, NULL);
  config.server_tls = pair.tls_object[PAIR_SERVER];
  assert_int_equal(tern_endpoint_new(&endpoint, &config, NULL, NULL, why, sizeof why),
                   TERN_INVALID);
  assert_non_null(strstr(why, "on_conn"));
}

/* A server that takes no connections says nothing, and the client gives up. */
static void test_no_server_tls(void **state)
{
  (void)state;
  pair_make_endpoint(&pair, PAIR_CLIENT);
  tern_config config = pair.config[PAIR_SERVER];
  assert_int_equal(tern_endpoint_new(&pair.endpoint[PAIR_SERVER], &config, NULL, NULL, NULL, 0),
                   TERN_OK);
  pair_open_conn(&pair);
  pair_run_for(&pair, 11 * TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_HANDSHAKE_TIMEOUT);
  assert_true(pair.drops[PAIR_SERVER][TERN_DROP_NO_SERVER_TLS] > 0);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 0);
}

/* Many connections on the same two endpoints have ids of their own and do not meet. */
static void test_several_connections(void **state)
{
  tern_endpoint_stats stats;

  (void)state;
  pair.has_echo = true;
  pair_connect(&pair);
  tern_conn *first = pair.conn[PAIR_CLIENT];
  struct pair_stream *one = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(one, 50000);
  pair_open_conn(&pair);
  tern_conn *second = pair.conn[PAIR_CLIENT];
  assert_true(first != second);
  assert_int_not_equal(tern_conn_get_id(first), tern_conn_get_id(second));
  struct pair_stream *two = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(two, 50000);
  pair_run_for(&pair, TERN_SECOND);
  assert_true(one->is_eof && two->is_eof && !one->is_bad && !two->is_bad);
  assert_int_equal(one->received, 50000);
  assert_int_equal(two->received, 50000);
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  assert_int_equal(stats.conns_now, 2);
  assert_int_equal(stats.conns_total, 2);
  assert_int_equal(stats.conns_half_open, 0);
}

static void test_drain(void **state)
{
  (void)state;
  pair_connect(&pair);
  tern_endpoint_drain(pair.endpoint[PAIR_SERVER]);
  tern_conn *first = pair.conn[PAIR_CLIENT];
  pair_open_conn(&pair);
  pair_run_for(&pair, TERN_SECOND);
  assert_false(tern_conn_is_connected(pair.conn[PAIR_CLIENT]));
  assert_true(pair.drops[PAIR_SERVER][TERN_DROP_ENDPOINT_DRAINING] > 0);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_ENDPOINT_DRAINED], 0);
  tern_conn_close(first, 0, NULL);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_ENDPOINT_DRAINED], 1);
}

/* ---- what is refused ------------------------------------------------------------------------------ */

static void test_calls_on_closing_conn(void **state)
{
  tern_stream *other = NULL;
  uint8_t bytes[16] = {0};
  size_t count;

  (void)state;
  pair_connect(&pair);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  tern_conn_close(conn, 7, "enough");
  /* on_closed was not called yet, so both handles are still good */
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  assert_false(tern_conn_is_connected(conn));
  assert_int_equal(tern_conn_open_stream(conn, true, NULL, NULL, &other), TERN_CLOSED);
  assert_int_equal(tern_conn_send_datagram(conn, tern_slice_of(bytes, 4)), TERN_CLOSED);
  assert_int_equal(tern_stream_write(stream->stream, tern_slice_of(bytes, 4), &count), TERN_CLOSED);
  assert_int_equal(tern_stream_write_ref(stream->stream, tern_slice_of(bytes, 4), NULL, NULL),
                   TERN_CLOSED);
  assert_int_equal(tern_stream_finish(stream->stream), TERN_CLOSED);
  assert_int_equal(tern_stream_read(stream->stream, bytes, sizeof bytes, &count), TERN_CLOSED);
  assert_int_equal(tern_stream_get_room(stream->stream), 0);
  tern_stream_reset(stream->stream, 1);
  tern_stream_stop(stream->stream, 1);
  tern_stream_set_priority(stream->stream, 1, true);
  tern_conn_close(conn, 8, "too late");
  tern_conn_shutdown(conn, 9, TERN_TIME_NEVER);
  assert_true(pair_run_until(&pair, pair_are_closed));
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pair.error[i].kind, TERN_ERROR_APPLICATION);
    assert_int_equal(pair.error[i].code, 7);
    assert_string_equal(pair.error[i].reason, "enough");
    assert_int_equal(pair.error[i].by_peer, i == PAIR_SERVER);
    assert_int_equal(pair.closed_count[i], 1);
  }
  assert_int_equal(stream->closed_count, 1);
}

static void test_wrong_half(void **state)
{
  uint8_t bytes[16] = {0};
  size_t count;

  (void)state;
  pair_connect(&pair);
  struct pair_stream *ours = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(tern_stream_read(ours->stream, bytes, sizeof bytes, &count), TERN_STATE);
  assert_false(tern_stream_is_eof(ours->stream));
  tern_stream_stop(ours->stream, 1); /* quiet */
  assert_int_equal(pair_write(ours, 0, 10), 10);
  assert_int_equal(tern_stream_finish(ours->stream), TERN_OK);
  assert_int_equal(tern_stream_finish(ours->stream), TERN_STATE);
  assert_int_equal(tern_stream_write(ours->stream, tern_slice_of(bytes, 1), &count), TERN_STATE);
  struct pair_stream *kept = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(pair_write(kept, 0, 10), 10);
  pair_run_for(&pair, 100 * TERN_MS);
  struct pair_stream *theirs = pair_peer_of(&pair, kept);
  assert_non_null(theirs);
  assert_false(tern_stream_is_ours(theirs->stream));
  assert_false(tern_stream_is_bidi(theirs->stream));
  assert_int_equal(tern_stream_write(theirs->stream, tern_slice_of(bytes, 1), &count), TERN_STATE);
  assert_int_equal(tern_stream_finish(theirs->stream), TERN_STATE);
  tern_stream_reset(theirs->stream, 1); /* quiet */
  tern_source source = {0};
  assert_int_equal(tern_stream_write_source(kept->stream, 5, &source), TERN_INVALID);
}

static void keep_unread(struct pair *with, struct pair_stream *stream)
{
  (void)with;
  stream->is_paused = true;
}

static void test_blocked_by(void **state)
{
  (void)state;
  pair.on_stream = keep_unread;
  pair.config[PAIR_SERVER].streams_bidi_max = 1;
  pair.config[PAIR_SERVER].stream_window_bytes = 1024;
  pair.config[PAIR_SERVER].conn_window_bytes = 2048;
  pair_start(&pair);
  struct pair_stream *first = pair_open(&pair, PAIR_CLIENT, true);
  assert_int_equal(tern_stream_get_blocked_by(first->stream), TERN_BLOCKED_BY_NOTHING);
  assert_int_equal(pair_write(first, 0, 5000), 5000);
  assert_int_equal(tern_stream_get_blocked_by(first->stream), TERN_BLOCKED_BY_HANDSHAKE);
  while (!pair.is_connected[PAIR_SERVER])
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  struct pair_stream *second = pair_open(&pair, PAIR_CLIENT, true);
  assert_int_equal(pair_write(second, 0, 10), 10);
  assert_int_equal(tern_stream_get_blocked_by(second->stream), TERN_BLOCKED_BY_STREAM_LIMIT);
  while (!pair.conn[PAIR_CLIENT]->is_confirmed)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  pair_flush(&pair, PAIR_CLIENT);
  assert_int_equal(tern_stream_get_blocked_by(first->stream), TERN_BLOCKED_BY_STREAM);
  /* the other direction has room in the connection, but the windows are the client's */
  struct pair_stream *uni = pair_open(&pair, PAIR_CLIENT, false);
  struct pair_stream *more = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(pair_write(uni, 0, 1024), 1024);
  pair_flush(&pair, PAIR_CLIENT);
  assert_int_equal(pair_write(more, 0, 10), 10);
  assert_int_equal(tern_stream_get_blocked_by(more->stream), TERN_BLOCKED_BY_CONN);
}

static void test_controller_of_a_connection(void **state)
{
  (void)state;
  tern_cc_ops other = tern_cc_cubic;
  tern_conn_stats stats;

  pair_connect(&pair);
  assert_int_equal(tern_conn_set_cc(pair.conn[PAIR_CLIENT], NULL), TERN_INVALID);
  other.version = TERN_CC_VERSION + 1;
  assert_int_equal(tern_conn_set_cc(pair.conn[PAIR_CLIENT], &other), TERN_INVALID);
  assert_int_equal(tern_conn_set_cc(pair.conn[PAIR_CLIENT], &tern_cc_bbr), TERN_OK);
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  assert_int_equal(stats.ssthresh_bytes, UINT64_MAX);
  assert_true(stats.window_bytes >= 10 * 1200);
  tern_conn_set_pacing_rate_max(pair.conn[PAIR_CLIENT], 100000);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  tern_time begun = pair.now;
  pair_send_all(stream, 200000);
  while (pair_peer_of(&pair, stream) == NULL || !pair_peer_of(&pair, stream)->is_eof)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  assert_true(pair.now - begun > 3 * TERN_SECOND / 2);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_getters_before),
      CASE(test_connect),
      CASE(test_connect_awslc),
      CASE(test_connect_arguments),
      CASE(test_endpoint_needs_on_conn),
      CASE(test_no_server_tls),
      CASE(test_several_connections),
      CASE(test_drain),
      CASE(test_calls_on_closing_conn),
      CASE(test_wrong_half),
      CASE(test_blocked_by),
      CASE(test_controller_of_a_connection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
