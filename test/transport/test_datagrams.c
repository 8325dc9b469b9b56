/* SPDX-License-Identifier: MIT */
/* RFC 9221: unreliable datagrams. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/frame_write.h"

static struct pair pair;
static uint8_t bytes[2048];

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 11);
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = pair_byte(i);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static void test_both_ways(void **state)
{
  static const size_t lens[] = {0, 1, 63, 64, 500, 1150};

  (void)state;
  pair_connect(&pair);
  for (int side = 0; side < 2; side++)
    for (size_t i = 0; i < PAIR_COUNT_OF(lens); i++) {
      assert_int_equal(tern_conn_send_datagram(pair.conn[side], tern_slice_of(bytes, lens[i])),
                       TERN_OK);
      pair_run_for(&pair, 2 * pair.delay_ns);
      assert_int_equal(pair.datagrams_count[!side], i + 1);
      assert_int_equal(pair.datagram_len[!side], lens[i]);
      assert_memory_equal(pair.datagram[!side], bytes, lens[i]);
    }
}

/* The largest fits a packet, one byte more does not, and the figure follows the path's MTU. */
static void test_largest(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  size_t most = tern_conn_get_datagram_max(conn);
  assert_in_range(most, 1400, 1452); /* the MTU was found to be 1,452 */
  assert_int_equal(tern_conn_send_datagram(conn, tern_slice_of(bytes, most + 1)), TERN_LIMIT);
  assert_int_equal(tern_conn_send_datagram(conn, tern_slice_of(bytes, most)), TERN_OK);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.datagrams_count[PAIR_SERVER], 1);
  assert_int_equal(pair.datagram_len[PAIR_SERVER], most);
}

/* [rfc9221-3] the peer's limit counts the whole frame; 0 means none are taken. */
static void test_peer_limits(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].datagram_frame_max_bytes = 100;
  pair_connect(&pair);
  size_t most = tern_conn_get_datagram_max(pair.conn[PAIR_CLIENT]);
  assert_in_range(most, 95, 99);
  assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_CLIENT], tern_slice_of(bytes, most + 1)),
                   TERN_LIMIT);
  assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_CLIENT], tern_slice_of(bytes, most)),
                   TERN_OK);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.datagrams_count[PAIR_SERVER], 1);
}

static void test_peer_takes_none(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].datagram_frame_max_bytes = 0;
  pair_start(&pair);
  assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_CLIENT], tern_slice_of(bytes, 1)),
                   TERN_STATE); /* nobody knows yet */
  while (!pair.is_connected[PAIR_SERVER])
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  assert_int_equal(tern_conn_get_datagram_max(pair.conn[PAIR_CLIENT]), 0);
  assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_CLIENT], tern_slice_of(bytes, 1)),
                   TERN_UNSUPPORTED);
  assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_SERVER], tern_slice_of(bytes, 1)),
                   TERN_OK); /* the other way they are */
}

/* [rfc9221-3] MUST be PROTOCOL_VIOLATION if larger than offered, or not offered at all. */
static void test_violation(void **state)
{
  (void)state;
  for (uint64_t offered = 0; offered <= 100; offered += 100) {
    uint8_t frames[200];
    struct tern_writer writer = tern_writer_of(frames, sizeof frames);
    pair_deinit(&pair);
    pair_init(&pair, 12 + offered);
    pair.config[PAIR_SERVER].datagram_frame_max_bytes = offered;
    pair_connect(&pair);
    assert_true(tern_frame_write_datagram(&writer, tern_slice_of(bytes, 100)));
    pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP,
                     tern_slice_of(frames, tern_writer_len(&writer)));
    pair_run_for(&pair, TERN_SECOND);
    assert_int_equal(pair.closed_count[PAIR_SERVER], 1);
    assert_int_equal(pair.error[PAIR_SERVER].code, TERN_QUIC_PROTOCOL_VIOLATION);
    assert_int_equal(pair.datagrams_count[PAIR_SERVER], 0);
  }
}

/* When too many wait, the oldest give way. */
static void test_queue_is_bounded(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  for (unsigned i = 0; i < TERN_CAP_DATAGRAM_QUEUE + 10; i++) {
    uint8_t number = (uint8_t)i;
    assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_CLIENT], tern_slice_of(&number, 1)),
                     TERN_OK);
  }
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.datagrams_count[PAIR_SERVER], TERN_CAP_DATAGRAM_QUEUE);
  assert_int_equal(pair.datagram[PAIR_SERVER][0], TERN_CAP_DATAGRAM_QUEUE + 9);
}

static bool lose_to_server(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  return datagram->to != PAIR_SERVER;
}

/* [rfc9221-5.2] not retransmitted; but the loss is noticed and congestion control told [rfc9221-5.4]. */
static void test_lost_is_lost(void **state)
{
  tern_conn_stats stats;

  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  pair.filter = lose_to_server;
  assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_CLIENT], tern_slice_of(bytes, 100)),
                   TERN_OK);
  pair_flush(&pair, PAIR_CLIENT);
  pair.filter = NULL;
  pair_run_for(&pair, 2 * TERN_SECOND);
  assert_int_equal(pair.datagrams_count[PAIR_SERVER], 0);
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  assert_int_equal(stats.packets_lost, 1);
  assert_int_equal(stats.in_flight_bytes, 0);
}

/* Datagrams that come with the client's last flight are not lost on an application that is told of the
 * connection in the same batch. */
static void test_with_the_handshake(void **state)
{
  (void)state;
  pair_start(&pair);
  while (!pair.is_connected[PAIR_CLIENT])
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_CLIENT], tern_slice_of(bytes, 100)),
                   TERN_OK);
  pair_run_for(&pair, pair.delay_ns);
  assert_true(pair.is_connected[PAIR_SERVER]);
  assert_int_equal(pair.datagrams_count[PAIR_SERVER], 1);
}

/* They go before stream data, and stream data goes on. */
static void test_beside_streams(void **state)
{
  (void)state;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 500000);
  pair_run_for(&pair, 50 * TERN_MS);
  for (unsigned i = 0; i < 100; i++) {
    assert_int_equal(tern_conn_send_datagram(pair.conn[PAIR_CLIENT], tern_slice_of(bytes, 700)),
                     TERN_OK);
    pair_run_for(&pair, 2 * TERN_MS);
  }
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.datagrams_count[PAIR_SERVER], 100);
  assert_int_equal(pair_peer_of(&pair, stream)->received, 500000);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_both_ways),      CASE(test_largest),
      CASE(test_peer_limits),    CASE(test_peer_takes_none),
      CASE(test_violation),      CASE(test_queue_is_bounded),
      CASE(test_lost_is_lost),   CASE(test_with_the_handshake),
      CASE(test_beside_streams),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
