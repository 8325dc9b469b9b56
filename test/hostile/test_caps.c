/* SPDX-License-Identifier: MIT */
/* Guards of the caps of config.h that no other test of this folder reaches: each at the bound and one
 * past it. The figures are written out, so that a lifted cap is noticed (scripts/check_caps.py). */
#include "support/hostile_test.h"

/* A client's first flight; the client is forgotten at once. */
static void knock(void)
{
  struct hostile_peer *peer = hostile_peer_add(&rig, false);

  peer->acks = false;
  hostile_peer_start(peer);
  hostile_peer_flush(peer);
  peer->is_deaf = true;
  hostile_rig_turn(&rig);
  hostile_peer_drop(&rig);
}

/* P16, P2: half-open connections are as many as 8 MiB hold, and last 10 seconds. */
static void test_half_open_bytes(void **state)
{
  (void)state;
  prepare();
  rig.config.retry_half_open = UINT32_MAX; /* the cap alone */
  start();
  uint64_t before = 0;
  do {
    before = get_stats().conns_half_open;
    knock();
    hostile_rig_advance(&rig, TERN_MS);
  } while (get_stats().conns_half_open > before && before < 2000);
  assert_in_range(rig.endpoint->half_open_bytes, 8388608, 8388608 + 32768);
  assert_true(before > 100);
  assert_true(rig.endpoint->events.drops[TERN_DROP_LIMIT_HALF_OPEN] != 0);
  hostile_rig_advance(&rig, 11 * TERN_SECOND);
  assert_int_equal(get_stats().conns_half_open, 0);
  struct hostile_peer *honest = hostile_peer_add(&rig, false);
  assert_true(hostile_peer_connect(honest));
  end();
}

/* Streams that wait for the peer's credit: 4,096 beyond its limit of 100. */
static void test_streams_queued(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();
  tern_stream *stream;

  rig.oracle.app_takes += 100000;
  for (int i = 0; i < 100 + 4096; i++)
    assert_int_equal(tern_conn_open_stream(rig.app.conn, true, NULL, NULL, &stream), TERN_OK);
  assert_int_equal(tern_conn_open_stream(rig.app.conn, true, NULL, NULL, &stream), TERN_LIMIT);
  assert_alive(peer);
  hostile_rig_free(&rig); /* more than O1 allows a peer, but it was us */
}

/* The oracles' own bound: they see a connection that holds 256 KiB more than it promised. */
static void test_conn_overhead(void **state)
{
  (void)state;

  for (int more = 0; more < 2; more++) {
    struct hostile_peer *peer = begin();
    tern_conn *conn = hostile_find_conn(&rig, peer);
    uint64_t promised = conn->body->flow_recv.limit - conn->body->flow_recv.consumed;
    uint64_t size = promised + 262144 - sizeof *conn - conn->alloc.used_bytes + (uint64_t)more;
    void *block = tern_alloc_take(&conn->alloc, size);
    assert_non_null(block);
    oracle_check(&rig.oracle);
    assert_int_equal(rig.oracle.fault != NULL, more);
    rig.oracle.fault = NULL;
    tern_alloc_give(&conn->alloc, block, size);
    end();
  }
}

/* T1, T17: packets from many addresses: 4 routes, and no address gets more than three times its due. */
static void test_routes(void **state)
{
  (void)state;
  uint8_t bytes[1300];
  struct hostile_peer *peer = begin();
  tern_addr home = peer->addr;

  for (uint16_t i = 0; i < 40; i++) {
    tern_addr spoofed = hostile_addr(50, (uint16_t)(1000 + i));
    tern_frame_write_ping(hostile_frames(peer));
    struct hostile_packet packet = {
        .type = TERN_PACKET_APP, .payload = {peer->payload, 1}, .pad_to = i % 2 == 0 ? 0 : 1200};
    size_t len = hostile_seal(peer, &packet, bytes, sizeof bytes);
    hostile_rig_inject(&rig, &spoofed, tern_slice_of(bytes, len));
    hostile_rig_advance(&rig, 20 * TERN_MS);
    struct tern_list_node *node = tern_list_first(&rig.endpoint->conns);
    assert_non_null(node);
    assert_true(TERN_CONTAINER_OF(node, tern_conn, all_node)->path.routes_count <= 4);
  }
  assert_false(peer->is_closed);
  peer->addr = home;
  end();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_half_open_bytes),
      cmocka_unit_test(test_streams_queued),
      cmocka_unit_test(test_conn_overhead),
      cmocka_unit_test(test_routes),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
