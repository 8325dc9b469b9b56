/* SPDX-License-Identifier: MIT */
/* What connections cost while nothing happens, and that they wake from rest as if they had not rested.
 * The bounds are what `make memory` shows, with a little room for other compilers' padding. */
#include "support/fail_alloc.h"
#include "support/pair.h"
#include "transport/conn.h"

#define IDLE_BYTES_MAX 4864 /* server, established, at rest, without HTTP/3, after a transfer */
#define HALF_OPEN_BYTES_MAX 16896 /* server, its flight is out; the TLS library's part is its own */
#define STREAM_BYTES_MAX 592      /* an open stream that sent and received a little */

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 7);
  pair.config[0].idle_timeout_ms = pair.config[1].idle_timeout_ms = 600000;
  pair.has_echo = true;
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static size_t get_bytes(int side)
{
  return sizeof(tern_conn) + pair.conn[side]->alloc.used_bytes;
}

static void fetch(uint64_t len)
{
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, len);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(stream->received, len);
  assert_true(stream->is_eof && !stream->is_bad);
}

static void assert_rests(int side)
{
  const struct tern_pn_space *space = pair.conn[side]->path.data;
  assert_int_equal(space->sent.capacity, 0);
  assert_int_equal(space->sent.chunks_capacity, 0);
  assert_null(space->crypto);
  assert_false(tern_keys_is_tx_awake(space->keys));
  assert_false(tern_keys_is_rx_awake(space->keys));
}

static void test_idle(void **state)
{
  size_t first[2] = {0, 0};

  (void)state;
  pair_connect(&pair);
  for (int round = 0; round < 5; round++) {
    fetch(300000);
    pair_run_for(&pair, 3 * TERN_SECOND);
    for (int side = 0; side < 2; side++) {
      assert_rests(side);
      if (round == 0)
        first[side] = get_bytes(side);
      assert_int_equal(get_bytes(side), first[side]); /* nothing creeps */
    }
  }
  print_message("idle: client %zu bytes, server %zu\n", first[0], first[1]);
  assert_true(first[PAIR_SERVER] <= IDLE_BYTES_MAX);
}

/* Whoever rests says nothing: no packet and no timer but the idle timeout. */
static void test_rest_is_silent(void **state)
{
  (void)state;
  pair_connect(&pair);
  fetch(1000);
  pair_run_for(&pair, 5 * TERN_SECOND);
  uint64_t sent[2] = {pair.sent_count[0], pair.sent_count[1]};
  for (int side = 0; side < 2; side++)
    assert_true(tern_endpoint_deadline(pair.endpoint[side]) > pair.now + 300 * TERN_SECOND);
  pair_run_for(&pair, 300 * TERN_SECOND);
  assert_int_equal(pair.sent_count[0], sent[0]);
  assert_int_equal(pair.sent_count[1], sent[1]);
}

static bool lose(struct pair *p, struct pair_datagram *datagram)
{
  (void)p, (void)datagram;
  return false;
}

/* A connection with packets in flight does not rest: here the peer is gone. */
static void test_no_rest_in_flight(void **state)
{
  (void)state;
  pair_connect(&pair);
  fetch(1000);
  pair_run_for(&pair, 3 * TERN_SECOND);
  pair_free_endpoint(&pair, PAIR_SERVER);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 10);
  pair.filter = lose;
  pair_flush(&pair, PAIR_CLIENT);
  for (int i = 0; i < 20; i++) {
    pair.now += TERN_SECOND;
    assert_int_equal(tern_endpoint_timeout(pair.endpoint[PAIR_CLIENT], pair.now), TERN_OK);
    while (tern_endpoint_send(pair.endpoint[PAIR_CLIENT], pair.now) != NULL) {
    }
    assert_true(pair.conn[PAIR_CLIENT]->path.data->sent.capacity != 0);
    assert_true(tern_keys_is_tx_awake(pair.conn[PAIR_CLIENT]->path.data->keys));
  }
}

/* No memory to wake with: tried again, and then all goes on. */
static void test_wakes_late(void **state)
{
  static struct tern_fail_alloc fail; /* outlives a failure, too */

  (void)state;
  tern_fail_alloc_init(&fail, 0);
  pair.config[PAIR_CLIENT].alloc = tern_fail_alloc_ops(&fail);
  pair_connect(&pair);
  fetch(1000);
  pair_run_for(&pair, 3 * TERN_SECOND);
  assert_rests(PAIR_CLIENT);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 1000);
  for (uint64_t n = 1; n <= 12 && stream->closed_count == 0; n++) {
    fail.fail_at = fail.takes + n % 3 + 1;
    pair_run_for(&pair, 40 * TERN_MS);
  }
  fail.fail_at = 0;
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(stream->received, 1000);
  pair_deinit(&pair); /* before `fail` goes */
  assert_int_equal(fail.live_bytes, 0);
  pair_init(&pair, 7);
}

/* CRYPTO data that was put away goes on where it was; without memory nothing is changed. */
static void test_crypto_wakes(void **state)
{
  static struct tern_fail_alloc fail;

  (void)state;
  tern_fail_alloc_init(&fail, 0);
  pair.config[PAIR_CLIENT].alloc = tern_fail_alloc_ops(&fail);
  pair_connect(&pair);
  pair_run_for(&pair, 3 * TERN_SECOND);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  struct tern_pn_space *space = conn->path.data;
  assert_rests(PAIR_CLIENT);
  space->crypto_sent_bytes = 7;
  space->crypto_received_bytes = 5;
  fail.fail_at = fail.takes + 1;
  assert_false(tern_conn_wake_crypto(conn, space));
  assert_null(space->crypto);
  assert_true(tern_conn_wake_crypto(conn, space));
  assert_int_equal(space->crypto->send.unsent, 7);
  assert_int_equal(space->crypto->recv.in_order, 5);
  size_t taken;
  assert_int_equal(tern_stream_send_write(&space->crypto->send, tern_slice_of("x", 1), &taken),
                   TERN_OK);
  tern_conn_rest_crypto(conn, space);
  assert_non_null(space->crypto); /* there is something to send */
  pair_deinit(&pair);
  assert_int_equal(fail.live_bytes, 0);
  pair_init(&pair, 7);
}

/* ---- what is not idle ------------------------------------------------------------------------ */

static bool is_to_server(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  return datagram->to == PAIR_SERVER;
}

static void test_half_open(void **state)
{
  tern_endpoint_stats stats;

  (void)state;
  pair.has_awslc = true;
  pair.filter = is_to_server;
  pair_start(&pair);
  pair_run_for(&pair, 100 * TERN_MS);
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  assert_int_equal(stats.conns_half_open, 1);
  struct tern_list_node *node = tern_list_first(&pair.endpoint[PAIR_SERVER]->conns);
  const tern_conn *conn = TERN_CONTAINER_OF(node, tern_conn, all_node);
  size_t bytes = sizeof *conn + conn->alloc.used_bytes;
  print_message("half-open: %zu bytes\n", bytes);
  assert_null(conn->body);
  assert_true(bytes <= HALF_OPEN_BYTES_MAX);
}

static void test_open_streams(void **state)
{
  (void)state;
  pair_connect(&pair);
  fetch(1000);
  pair_run_for(&pair, 3 * TERN_SECOND);
  size_t before = get_bytes(PAIR_SERVER);
  for (int i = 0; i < 50; i++)
    assert_int_equal(pair_write(pair_open(&pair, PAIR_CLIENT, true), 0, 100), 100);
  pair_run_for(&pair, 3 * TERN_SECOND);
  size_t after = get_bytes(PAIR_SERVER);
  print_message("per open stream: %zu bytes\n", (after - before) / 50);
  assert_true((after - before) / 50 <= STREAM_BYTES_MAX);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_idle),         CASE(test_rest_is_silent), CASE(test_no_rest_in_flight),
      CASE(test_wakes_late),   CASE(test_crypto_wakes),   CASE(test_half_open),
      CASE(test_open_streams),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
