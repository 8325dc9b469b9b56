/* SPDX-License-Identifier: MIT */
/* Datagrams of strangers: what they may cost, and what they may get for it. */
#include "support/hostile_test.h"

#include "wire/stateless.h"

static tern_addr stranger_addr(void)
{
  return hostile_addr(77, 7777);
}

static void inject(const void *bytes, size_t len)
{
  tern_addr addr = stranger_addr();
  hostile_rig_inject(&rig, &addr, tern_slice_of(bytes, len));
}

/* [rfc9000-6.1] [rfc9000-14.1] random bytes: no state, and an answer only where one is due. */
static void test_P1_random_datagrams(void **state)
{
  (void)state;
  struct tern_random_seeded seeded;
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  uint8_t bytes[1500];

  tern_random_seeded_init(&seeded, 11);
  prepare();
  start();
  uint64_t takes = get_stats().heap_takes;
  for (int i = 0; i < 20000; i++) {
    size_t len = tern_random_below(&random, sizeof bytes + 1);
    random.fill(random.arg, bytes, len);
    uint64_t out_before = rig.oracle.bytes_out;
    inject(bytes, len);
    uint64_t answer = rig.oracle.bytes_out - out_before;
    bool is_long = len != 0 && (bytes[0] & 0x80) != 0;
    if (is_long && answer != 0)
      assert_true(len >= TERN_INITIAL_DATAGRAM_MIN);
    assert_true(answer == 0 || answer < len);
  }
  assert_int_equal(get_stats().heap_takes, takes);
  assert_int_equal(get_stats().conns_total, 0);
  end();
}

struct initial_shape {
  size_t dcid_len, scid_len;
  bool has_token, is_coalesced;
};

/* An Initial whose header holds together and whose payload is noise. */
static size_t make_initial(const struct initial_shape *shape, uint8_t out[1500])
{
  struct tern_writer writer = tern_writer_of(out, 1500);

  tern_write_u8(&writer, 0xc3);
  tern_write_u32(&writer, TERN_VERSION_1);
  tern_write_u8(&writer, (uint8_t)shape->dcid_len);
  memset(tern_write_room(&writer, shape->dcid_len), 0xd1, shape->dcid_len);
  tern_write_u8(&writer, (uint8_t)shape->scid_len);
  memset(tern_write_room(&writer, shape->scid_len), 0x51, shape->scid_len);
  tern_write_varint(&writer, shape->has_token ? 40 : 0);
  if (shape->has_token)
    memset(tern_write_room(&writer, 40), 0x70, 40);
  size_t left = 1250 - tern_writer_len(&writer) - 2;
  tern_write_varint_sized(&writer, shape->is_coalesced ? left / 2 : left, 2);
  memset(tern_write_room(&writer, left), 0xee, left);
  return tern_writer_len(&writer);
}

/* [rfc9000-7.2] [rfc9000-17.2] every length of ids, most of them impossible. */
static void test_P3_id_lengths(void **state)
{
  (void)state;
  uint8_t bytes[1500];

  prepare();
  start();
  for (size_t dcid = 0; dcid < 256; dcid++) {
    for (size_t scid = 0; scid < 256; scid += scid < 24 ? 1 : 33) {
      struct initial_shape shape = {dcid, scid, (dcid + scid) % 2 == 0, scid % 3 == 0};
      inject(bytes, make_initial(&shape, bytes));
      assert_int_equal(rig.oracle.bytes_out, 0);
      assert_int_equal(get_stats().conns_now, 0);
    }
  }
  end();
}

/* One valid Initial of a client, with nothing sent yet. */
static size_t make_valid_initial(struct hostile_peer *peer, uint8_t *out, size_t room)
{
  struct hostile_space *space = &peer->spaces[TERN_SPACE_INITIAL];
  struct tern_writer *writer = hostile_frames(peer);

  hostile_write_crypto(writer, 0, tern_slice_of(space->crypto, space->crypto_len));
  struct hostile_packet packet = {.type = TERN_PACKET_INITIAL,
                                  .payload = {peer->payload, tern_writer_len(writer)}};
  return hostile_seal(peer, &packet, out, room);
}

/* [rfc9000-12.2] later packets of another connection are ignored and leave nothing behind. */
static void test_P4_coalesced_with_others(void **state)
{
  (void)state;
  uint8_t noise[1500], bytes[3000];
  struct initial_shape shape = {8, 8, false, true};

  prepare();
  start();
  size_t noise_len = make_initial(&shape, noise) / 3;
  inject(noise, 1250);
  uint64_t heap = get_stats().heap_bytes_now;
  for (int i = 0; i < 2000; i++) {
    size_t len = 0;
    for (int packets = 1 + i % 10; packets > 0 && len + noise_len < 1500; packets--) {
      memcpy(bytes + len, noise, noise_len);
      bytes[len + 6] = (uint8_t)(i + packets); /* in the destination id */
      bytes[len + 23] = 0x40 | 1;              /* Length: up to the next packet */
      bytes[len + 24] = (uint8_t)(noise_len - 25);
      len += noise_len;
    }
    inject(bytes, len < 1200 ? 1200 : len);
    assert_int_equal(get_stats().heap_bytes_now, heap);
    assert_int_equal(get_stats().conns_now, 0);
  }
  struct hostile_peer *peer = hostile_peer_add(&rig, false);
  hostile_peer_start(peer);
  size_t len = make_valid_initial(peer, bytes, sizeof bytes);
  memcpy(bytes + len, noise, 1250 - len);
  uint64_t drops = get_stats().packets_dropped;
  hostile_deliver(peer, tern_slice_of(bytes, 1250));
  hostile_rig_turn(&rig);
  assert_int_equal(get_stats().conns_now, 1);
  assert_true(get_stats().packets_dropped > drops);
  end();
}

/* [rfc9000-8.1] at most three times what came, whatever the chain and however the client asks. */
static void test_P8_amplification(void **state)
{
  (void)state;
  static const uint32_t chains[] = {1000, 3000, 9000, 20000};
  uint8_t bytes[3000];

  for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
    for (size_t packets = 1; packets <= 10; packets++) {
      prepare();
      rig.tls_options.cert_bytes = chains[i];
      start();
      struct hostile_peer *peer = hostile_peer_add(&rig, false);
      hostile_peer_start(peer);
      peer->is_deaf = true;
      peer->speaks_tls = peer->acks = false;
      size_t len = make_valid_initial(peer, bytes, sizeof bytes);
      for (size_t k = 1; k < packets; k++) {
        tern_frame_write_ping(hostile_frames(peer));
        tern_frame_write_padding(&peer->writer, 20);
        struct hostile_packet packet = {.type = TERN_PACKET_INITIAL,
                                        .payload = {peer->payload, 21}};
        len += hostile_seal(peer, &packet, bytes + len, sizeof bytes - len);
      }
      memset(bytes + len, 0, len < 1200 ? 1200 - len : 0);
      hostile_deliver(peer, tern_slice_of(bytes, len < 1200 ? 1200 : len));
      hostile_rig_advance(&rig, 9 * TERN_SECOND);
      assert_true(rig.oracle.bytes_out >= 1200);
      assert_true(rig.oracle.bytes_out <= 3 * rig.oracle.bytes_in);
      end();
    }
  }
}

static size_t make_version_negotiation(const struct tern_cid *dcid, const struct tern_cid *scid,
                                       uint32_t version, uint8_t out[64])
{
  struct tern_writer writer = tern_writer_of(out, 64);

  tern_write_u8(&writer, 0x80);
  tern_write_u32(&writer, 0);
  tern_write_u8(&writer, dcid->len);
  tern_write_slice(&writer, tern_cid_slice(dcid));
  tern_write_u8(&writer, scid->len);
  tern_write_slice(&writer, tern_cid_slice(scid));
  tern_write_u32(&writer, version);
  return tern_writer_len(&writer);
}

/* A client that has sent its first flight to a server that does not answer. */
static struct hostile_peer *begin_unanswered(void)
{
  prepare();
  start();
  struct hostile_peer *peer = hostile_peer_add(&rig, true);
  peer->speaks_tls = peer->acks = false;
  assert_true(hostile_rig_connect(&rig, &peer->addr));
  hostile_rig_turn(&rig);
  assert_true(peer->is_started);
  return peer;
}

/* [rfc9000-6.2] */
static void test_P9_version_negotiation_to_a_client(void **state)
{
  (void)state;
  uint8_t bytes[64];
  struct tern_cid other = {8, {1, 2, 3}};

  struct hostile_peer *peer = begin_unanswered();
  hostile_deliver(peer, tern_slice_of(bytes, make_version_negotiation(
                                                 &peer->dcid, &peer->original_dcid, 1, bytes)));
  assert_int_equal(rig.app.closed, 0); /* names our version */
  hostile_deliver(
      peer, tern_slice_of(bytes, make_version_negotiation(&peer->dcid, &other, 0x1a2a3a4a, bytes)));
  assert_int_equal(rig.app.closed, 0); /* does not echo our ids */
  hostile_deliver(peer,
                  tern_slice_of(bytes, make_version_negotiation(&peer->dcid, &peer->original_dcid,
                                                                0x1a2a3a4a, bytes)));
  assert_int_equal(rig.app.closed, 1);
  assert_int_equal(rig.app.error.kind, TERN_ERROR_VERSION);
  end();
}

static void test_P9_version_negotiation_too_late(void **state)
{
  (void)state;
  uint8_t bytes[64];
  struct hostile_peer *peer = begin_unanswered();

  tern_frame_write_ping(hostile_frames(peer));
  hostile_send(peer, TERN_PACKET_INITIAL);
  for (int i = 0; i < 50; i++) {
    hostile_deliver(
        peer, tern_slice_of(bytes, make_version_negotiation(&peer->dcid, &peer->original_dcid,
                                                            0x1a2a3a4a + (uint32_t)i, bytes)));
    hostile_rig_advance(&rig, TERN_MS);
  }
  assert_int_equal(rig.app.closed, 0);
  end();
}

static void test_P9_version_negotiation_to_a_server(void **state)
{
  (void)state;
  uint8_t bytes[64];
  struct hostile_peer *peer = begin();
  uint64_t out_before = rig.oracle.bytes_out;

  for (int i = 0; i < 50; i++) {
    size_t len = make_version_negotiation(i % 2 ? &peer->dcid : &peer->original_dcid, &peer->scid,
                                          0x1a2a3a4a, bytes);
    hostile_deliver(peer, tern_slice_of(bytes, len));
    hostile_rig_turn(&rig);
  }
  assert_int_equal(rig.oracle.bytes_out, out_before);
  assert_alive(peer);
  end();
}

/* The answer to an unknown version, given back to the endpoint: silence. */
static void test_P9_version_negotiation_does_not_loop(void **state)
{
  (void)state;
  uint8_t bytes[1200] = {0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8};

  prepare();
  start();
  inject(bytes, 1199);
  assert_int_equal(rig.oracle.datagrams_out, 0); /* [rfc9000-6.1] too small to be answered */
  inject(bytes, 1200);
  assert_int_equal(rig.oracle.datagrams_out, 1);
  assert_int_equal(get_stats().version_negotiations_sent, 1);
  memset(bytes + 1, 0, 4);
  inject(bytes, 1200);
  assert_int_equal(rig.oracle.datagrams_out, 1);
  end();
}

/* [rfc9000-17.2.5.2] Retry at every point: only the first legal one acts. Here: none is legal. */
static void test_P10_forged_retry(void **state)
{
  (void)state;
  uint8_t bytes[64] = {0xf0, 0, 0, 0, 1};
  struct hostile_peer *peer = begin_unanswered();

  struct tern_writer writer = tern_writer_of(bytes + 5, sizeof bytes - 5);
  tern_write_u8(&writer, peer->dcid.len);
  tern_write_slice(&writer, tern_cid_slice(&peer->dcid));
  tern_write_u8(&writer, 4);
  tern_write_bytes(&writer, "newid", 4);
  tern_write_bytes(&writer, "tokenTTTTTTTTTTTTTTTT", 21);
  uint64_t datagrams = peer->datagrams;
  for (size_t len = 5; len <= 5 + tern_writer_len(&writer); len++) {
    hostile_deliver(peer, tern_slice_of(bytes, len));
    hostile_rig_turn(&rig);
  }
  assert_int_equal(peer->datagrams, datagrams); /* nothing was sent again */
  assert_int_equal(rig.app.closed, 0);
  end();
}

/* A packet of the peer for which there are no keys. */
static void make_early(const struct hostile_peer *peer, enum tern_packet_type type, uint8_t *bytes,
                       size_t len)
{
  struct tern_writer writer = tern_writer_of(bytes, len);

  tern_write_u8(&writer, type == TERN_PACKET_APP ? 0x43 : 0xe3);
  if (type != TERN_PACKET_APP) {
    tern_write_u32(&writer, TERN_VERSION_1);
    tern_write_u8(&writer, peer->dcid.len);
  }
  tern_write_slice(&writer, tern_cid_slice(&peer->dcid));
  if (type != TERN_PACKET_APP) {
    tern_write_u8(&writer, peer->scid.len);
    tern_write_slice(&writer, tern_cid_slice(&peer->scid));
    tern_write_varint_sized(&writer, len - tern_writer_len(&writer) - 4, 4);
  }
  memset(writer.at, 0x77, tern_writer_left(&writer));
}

static void flood_early(struct hostile_peer *peer, enum tern_packet_type type, size_t len,
                        unsigned most)
{
  static uint8_t bytes[65000];
  tern_conn *conn = hostile_find_conn(&rig, peer);

  assert_non_null(conn);
  uint64_t heap = conn->alloc.used_bytes;
  for (int i = 0; i < 1000; i++) {
    make_early(peer, type, bytes, len);
    hostile_deliver(peer, tern_slice_of(bytes, len));
    conn = hostile_find_conn(&rig, peer);
    assert_non_null(conn);
    assert_true(conn->early_count <= most);
    assert_true(conn->alloc.used_bytes <= heap + most * 1600);
  }
  if (len <= 1452)
    assert_int_equal(conn->early_count, most);
}

static const size_t early_sizes[] = {60, 1200, 1452, 1453, 9000, 60000};
static const enum tern_packet_type early_types[] = {TERN_PACKET_HANDSHAKE, TERN_PACKET_APP};

/* [rfc9001-5.7] packets that came before their keys: 2 of a stranger, and none that is longer than what
 * we would take as a path's MTU. */
static void test_P13_packets_before_keys_of_a_stranger(void **state)
{
  (void)state;

  for (size_t i = 0; i < 2 * sizeof early_sizes / sizeof early_sizes[0]; i++) {
    prepare();
    start();
    struct hostile_peer *peer = hostile_peer_add(&rig, false);
    hostile_peer_start(peer);
    peer->spaces[0].crypto_len /= 2; /* half a ClientHello: no Handshake keys yet */
    hostile_peer_flush(peer);
    hostile_rig_turn(&rig);
    flood_early(peer, early_types[i % 2], early_sizes[i / 2], 2);
    end();
  }
}

/* A client keeps 8 of its server's. */
static void test_P13_packets_before_keys(void **state)
{
  (void)state;

  for (size_t i = 0; i < 2 * sizeof early_sizes / sizeof early_sizes[0]; i++) {
    struct hostile_peer *peer = begin_unanswered();
    tern_frame_write_ping(hostile_frames(peer));
    hostile_send(peer, TERN_PACKET_INITIAL); /* tells it our connection id */
    flood_early(peer, early_types[i % 2], early_sizes[i / 2], 8);
    end();
  }
}

static void test_P13_nothing_kept_at_the_end(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();
  uint8_t bytes[100] = {0xe3, 0, 0, 0, 1, 8};

  /* Handshake packets after the keys are gone. */
  memcpy(bytes + 6, peer->dcid.bytes, 8);
  bytes[14] = 8;
  memcpy(bytes + 15, peer->scid.bytes, 8);
  bytes[23] = 0x40;
  bytes[24] = 75;
  for (int i = 0; i < 100; i++)
    hostile_deliver(peer, tern_slice_of(bytes, sizeof bytes));
  assert_int_equal(hostile_find_conn(&rig, peer)->early_count, 0);
  end();
}

/* Datagrams without bytes are counted like others and do nothing. */
static void test_P19_empty_datagrams(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();
  uint64_t before = get_stats().datagrams_received;
  uint64_t heap = get_stats().heap_bytes_now;

  for (int i = 0; i < 5000; i++)
    hostile_rig_hold(&rig, &peer->addr, tern_slice_of(NULL, 0));
  hostile_rig_release(&rig);
  assert_int_equal(get_stats().datagrams_received, before + 5000);
  assert_true(get_stats().heap_bytes_now <= heap);
  send_stream(peer, 0, 0, 100, true);
  assert_int_equal(rig.app.read_bytes, 100);
  end();
}

/* [rfc9001-4.9.1] Initial packets of whoever saw the first flight have no effect once the keys are gone. */
static void test_P20_initials_after_the_keys(void **state)
{
  (void)state;
  static const uint8_t payloads[][8] = {
      {0x01}, {0x02, 0, 0, 0, 0}, {0x06, 0, 3, 1, 2, 3}, {0x1c, 0x0a, 0, 0}, {0x02, 0x3f, 0, 0, 0}};

  for (int is_server = 0; is_server < 2; is_server++) {
    struct hostile_peer *peer = is_server ? begin_as_server() : begin();
    uint64_t packets = peer->packets;
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++)
      send_bytes(peer, TERN_PACKET_INITIAL, payloads[i], sizeof payloads[i]);
    assert_alive(peer);
    assert_int_equal(peer->packets, packets);
    end();
  }
}

/* [rfc9000-17.2.2] a server's Initial carries no token; a client does not take one that does. */
static void test_initial_with_token_from_a_server(void **state)
{
  (void)state;
  uint8_t bytes[1300];
  struct hostile_peer *peer = begin_unanswered();
  uint64_t packets = peer->packets;

  tern_frame_write_ping(hostile_frames(peer));
  struct hostile_packet packet = {.type = TERN_PACKET_INITIAL,
                                  .payload = {peer->payload, 1},
                                  .token = {(const uint8_t *)"token", 5},
                                  .pad_to = 1200};
  size_t len = hostile_seal(peer, &packet, bytes, sizeof bytes);
  hostile_deliver(peer, tern_slice_of(bytes, len));
  hostile_rig_turn(&rig);
  assert_int_equal(peer->packets, packets);
  assert_int_equal(rig.app.closed, 0);
  end();
}

/* [rfc9000-14.1] an Initial in a small datagram is ignored, also behind another packet. */
static void test_initial_in_a_small_datagram(void **state)
{
  (void)state;
  uint8_t bytes[1300];

  prepare();
  start();
  struct hostile_peer *peer = hostile_peer_add(&rig, false);
  hostile_peer_start(peer);
  peer->speaks_tls = false;
  size_t len = make_valid_initial(peer, bytes, sizeof bytes);
  hostile_deliver(peer, tern_slice_of(bytes, len));
  hostile_rig_turn(&rig);
  assert_int_equal(get_stats().conns_total, 0);
  assert_int_equal(rig.oracle.bytes_out, 0);
  end();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_P1_random_datagrams),
      cmocka_unit_test(test_P3_id_lengths),
      cmocka_unit_test(test_P4_coalesced_with_others),
      cmocka_unit_test(test_P8_amplification),
      cmocka_unit_test(test_P9_version_negotiation_to_a_client),
      cmocka_unit_test(test_P9_version_negotiation_too_late),
      cmocka_unit_test(test_P9_version_negotiation_to_a_server),
      cmocka_unit_test(test_P9_version_negotiation_does_not_loop),
      cmocka_unit_test(test_P10_forged_retry),
      cmocka_unit_test(test_P13_packets_before_keys_of_a_stranger),
      cmocka_unit_test(test_P13_packets_before_keys),
      cmocka_unit_test(test_P13_nothing_kept_at_the_end),
      cmocka_unit_test(test_P19_empty_datagrams),
      cmocka_unit_test(test_P20_initials_after_the_keys),
      cmocka_unit_test(test_initial_with_token_from_a_server),
      cmocka_unit_test(test_initial_in_a_small_datagram),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
