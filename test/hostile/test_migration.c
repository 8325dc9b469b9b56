/* SPDX-License-Identifier: MIT */
/* Attacks through addresses: packets copied to others, peers that move without end, answers withheld. */
#include "support/hostile_test.h"

#include "base/random.h"

static tern_conn *get_conn(void)
{
  struct tern_list_node *node = tern_list_first(&rig.endpoint->conns);
  assert_non_null(node);
  return TERN_CONTAINER_OF(node, tern_conn, all_node);
}

static void give_ids(struct hostile_peer *peer, uint64_t first, uint64_t count)
{
  for (uint64_t sequence = first; sequence < first + count; sequence++) {
    struct tern_new_connection_id_args args = {.sequence = sequence,
                                               .cid = {8, {0xab, (uint8_t)sequence}}};
    args.reset_token[0] = (uint8_t)sequence;
    tern_frame_write_new_connection_id(hostile_frames(peer), &args);
    hostile_send(peer, TERN_PACKET_APP);
  }
}

static void move(struct hostile_peer *peer, uint16_t port)
{
  peer->addr = hostile_addr(60, port);
}

/* A download is lured to an address that never answers: three times its bytes, then back home. */
static void test_T17_download_to_a_victim(void **state)
{
  (void)state;
  prepare();
  rig.app.serves_bytes = 500000;
  start();
  struct hostile_peer *peer = connect_client();
  tern_addr home = peer->addr;
  give_ids(peer, 1, 3);
  send_stream(peer, 0, 0, 10, true);
  hostile_rig_advance(&rig, 50 * TERN_MS);
  for (size_t len = 1; len <= 1000; len += 333) {
    move(peer, 7000);
    memset(tern_write_room(hostile_frames(peer), len), 0x01, len);
    peer->acks = false;
    hostile_post(peer, TERN_PACKET_APP);
    peer->addr = home; /* the victim says nothing */
    hostile_rig_advance(&rig, 5 * TERN_SECOND);
    peer->acks = true;
    tern_frame_write_ping(hostile_frames(peer));
    hostile_send(peer, TERN_PACKET_APP);
    hostile_rig_advance(&rig, TERN_SECOND);
    assert_alive(peer);
  }
  hostile_rig_advance(&rig, 20 * TERN_SECOND);
  assert_int_equal(peer->highest_stream_end, 500000);
  end();
}

/* A search for the MTU that was under way does not go on at an address that may be a victim's. */
static void test_T17_mtu_probe(void **state)
{
  (void)state;
  prepare();
  rig.app.serves_bytes = 50000;
  start();
  struct hostile_peer *peer = connect_client();
  peer->acks = false;
  send_stream(peer, 0, 0, 10, true);
  /* Three probes without an answer look like a black hole, and the search begins anew. */
  hostile_rig_advance(&rig, 260 * TERN_MS);
  for (uint16_t i = 0; i < 10; i++) {
    peer->addr.port = (uint16_t)(5001 + i);
    tern_frame_write_ping(hostile_frames(peer));
    hostile_send(peer, TERN_PACKET_APP);
    hostile_rig_advance(&rig, 500 * TERN_MS);
  }
  end();
}

/* The same packet from 200 addresses, and a new one from each: O3 counts each address by itself. */
static void test_T17_spoofed_copies(void **state)
{
  (void)state;
  uint8_t bytes[1300];
  struct hostile_peer *peer = begin();

  give_ids(peer, 1, 3);
  for (uint16_t i = 0; i < 200; i++) {
    tern_frame_write_ping(hostile_frames(peer));
    struct hostile_packet packet = {
        .type = TERN_PACKET_APP, .payload = {peer->payload, 1}, .pad_to = i % 3 == 0 ? 1200 : 0};
    size_t len = hostile_seal(peer, &packet, bytes, sizeof bytes);
    for (uint16_t copy = 0; copy < 3; copy++) {
      tern_addr spoofed = hostile_addr(61, (uint16_t)(1 + i * 3 % 40 + copy));
      hostile_rig_inject(&rig, &spoofed, tern_slice_of(bytes, len));
    }
    hostile_rig_advance(&rig, 5 * TERN_MS);
    assert_true(get_conn()->path.routes_count <= 4);
  }
  assert_false(peer->is_closed);
  end();
}

/* [rfc9000-9.3] To a new address with every packet, small ones and large ones, with and without ids: no
 * timer in the past, no assertion. */
static void test_T17_endless_moves(void **state)
{
  (void)state;

  for (uint64_t seed = 1; seed <= 200; seed++) {
    struct tern_random_seeded seeded;
    tern_random_ops random = tern_random_seeded_ops(&seeded);
    tern_random_seeded_init(&seeded, seed);
    prepare();
    rig.app.serves_bytes = seed % 2 == 0 ? 200000 : 0;
    start();
    struct hostile_peer *peer = connect_client();
    if (seed % 3 != 0)
      give_ids(peer, 1, 3);
    send_stream(peer, 0, 0, 10, true);
    for (int i = 0; i < 20 && rig.oracle.fault == NULL; i++) {
      move(peer, (uint16_t)(1 + tern_random_below(&random, 6)));
      struct tern_writer *writer = hostile_frames(peer);
      if (tern_random_below(&random, 3) == 0)
        tern_frame_write_path_response(writer, peer->challenge);
      size_t len = 1 + tern_random_below(&random, tern_random_below(&random, 2) == 0 ? 3 : 1100);
      memset(tern_write_room(writer, len), (int)tern_random_below(&random, 2), len);
      hostile_send(peer, TERN_PACKET_APP);
      peer->acks = tern_random_below(&random, 2) == 0;
      hostile_rig_advance(&rig, tern_random_below(&random, 300 * TERN_MS));
    }
    if (rig.oracle.fault != NULL)
      print_message("seed %llu\n", (unsigned long long)seed);
    end();
  }
}

/* A client that moves and answers the challenge is believed, and downloads on. */
static void test_T17_honest_move(void **state)
{
  (void)state;
  prepare();
  rig.app.serves_bytes = 300000;
  start();
  struct hostile_peer *peer = connect_client();
  give_ids(peer, 1, 3);
  send_stream(peer, 0, 0, 10, true);
  hostile_rig_advance(&rig, 20 * TERN_MS);
  move(peer, 9000);
  tern_frame_write_ping(hostile_frames(peer));
  hostile_send(peer, TERN_PACKET_APP);
  assert_true(peer->seen[TERN_FRAME_PATH_CHALLENGE] != 0);
  tern_frame_write_path_response(hostile_frames(peer), peer->challenge);
  hostile_send(peer, TERN_PACKET_APP);
  for (int i = 0; i < 100 && peer->highest_stream_end < 300000; i++) {
    hostile_rig_advance(&rig, 100 * TERN_MS);
    if (peer->seen[TERN_FRAME_PATH_CHALLENGE] > 1) {
      tern_frame_write_path_response(hostile_frames(peer), peer->challenge);
      hostile_send(peer, TERN_PACKET_APP);
    }
  }
  assert_int_equal(peer->highest_stream_end, 300000);
  assert_int_equal(tern_conn_get_remote(get_conn()).port, 9000);
  end();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_T17_download_to_a_victim), cmocka_unit_test(test_T17_mtu_probe),
      cmocka_unit_test(test_T17_spoofed_copies),       cmocka_unit_test(test_T17_endless_moves),
      cmocka_unit_test(test_T17_honest_move),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
