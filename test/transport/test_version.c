/* SPDX-License-Identifier: MIT */
/* Versions of QUIC from end to end (RFC 9368, RFC 9369), and updates of keys that the application asks for. */
#include "support/pair.h"

#include "transport/conn.h"
#include "transport/endpoint.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 36);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static void speak(int side, uint32_t first, uint32_t second)
{
  tern_config *config = &pair.config[side];

  config->versions[0] = first;
  config->versions[1] = second;
  config->versions_count = second != 0 ? 2 : 1;
}

static bool lose_some(struct pair *with, struct pair_datagram *datagram)
{
  uint64_t draw = tern_random_seeded_next(&with->random);

  datagram->at += draw % 4 == 0 ? 15 * TERN_MS : 0;
  return (draw >> 32) % 5 != 0;
}

static void assert_transfer(uint32_t version)
{
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);

  pair.has_echo = true;
  pair_send_all(stream, 20000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(stream->received, 20000);
  assert_int_equal(tern_conn_get_version(pair.conn[PAIR_CLIENT]), version);
  assert_int_equal(tern_conn_get_version(pair.conn[PAIR_SERVER]), version);
}

/* [rfc9369-3] a client that begins with version 2, under loss and reordering, with and without Retry. */
static void test_version_2(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    tear_down(NULL);
    pair_init(&pair, seed);
    pair.has_awslc = seed <= 2;
    pair.config[PAIR_SERVER].retry_half_open = seed % 2 == 0 ? 0 : UINT32_MAX;
    pair.config[PAIR_CLIENT].handshake_timeout_ms = 600000;
    pair.config[PAIR_SERVER].handshake_timeout_ms = 600000;
    pair.config[PAIR_SERVER].half_open_timeout_ms = 600000;
    speak(PAIR_CLIENT, TERN_VERSION_2, 0);
    pair.filter = seed > 2 ? lose_some : NULL;
    pair_connect(&pair);
    assert_transfer(TERN_VERSION_2);
  }
}

/* [rfc9368-2.1] the server speaks only the other one: the client begins anew, and checks it afterwards. */
static void test_incompatible(void **state)
{
  (void)state;
  for (int is_v2 = 0; is_v2 < 2; is_v2++) {
    uint32_t ours = is_v2 ? TERN_VERSION_2 : TERN_VERSION_1;
    tear_down(NULL);
    pair_init(&pair, 5);
    pair.has_awslc = true;
    speak(PAIR_CLIENT, is_v2 ? TERN_VERSION_1 : TERN_VERSION_2, ours);
    speak(PAIR_SERVER, ours, 0);
    pair_connect(&pair);
    assert_true(pair.conn[PAIR_CLIENT]->has_negotiated_version);
    assert_int_equal(pair.counts[PAIR_CLIENT][TERN_EVENT_VERSION_NEGOTIATION_RECEIVED], 1);
    assert_transfer(ours);
  }
}

static bool is_confirmed(struct pair *with)
{
  return with->conn[0] != NULL && with->conn[0]->is_confirmed && with->conn[1] != NULL &&
         with->conn[1]->is_confirmed;
}

/* ---- compatible: the server answers in another version -------------------------------------- */

static void prepare_upgrade(uint64_t seed, uint32_t from, uint32_t to)
{
  tear_down(NULL);
  pair_init(&pair, seed);
  for (int side = 0; side < 2; side++)
    pair.config[side].handshake_timeout_ms = 600000;
  pair.config[PAIR_SERVER].half_open_timeout_ms = 600000;
  speak(PAIR_CLIENT, from, to);
  speak(PAIR_SERVER, to, from);
}

static void assert_upgrade(uint32_t from, uint32_t to)
{
  pair_connect(&pair);
  assert_transfer(to);
  assert_true(pair.conn[PAIR_CLIENT]->has_followed_version);
  for (int side = 0; side < 2; side++)
    assert_int_equal(pair.conn[side]->original_version, from);
}

static const uint32_t upgrades[][2] = {{TERN_VERSION_1, TERN_VERSION_2},
                                       {TERN_VERSION_2, TERN_VERSION_1}};

/* [rfc9368-2.3] [rfc9369-4] both ways, without a round trip more, also with a hello of two packets, of which
 * the first is acknowledged in the version that it came in [rfc9369-4.1]. */
static void test_upgrade(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 8; i++) {
    const uint32_t *versions = upgrades[i % 2];
    prepare_upgrade(1, versions[0], versions[1]);
    pair.has_awslc = i / 2 == 0;
    pair.tls.hello_bytes = i / 2 == 1 ? 0 : 1800;
    pair.config[PAIR_SERVER].retry_half_open = i / 2 == 3 ? 0 : UINT32_MAX;
    assert_upgrade(versions[0], versions[1]);
    tern_time round_trips = i / 2 == 3 ? 2 : 1;
    assert_true(pair.conn[PAIR_CLIENT]->stats.handshake_ns < (round_trips + 1) * 2 * pair.delay_ns);
    assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_VERSION_MISMATCH], 0);
    assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_VERSION_MISMATCH], 0);
    assert_int_equal(pair.counts[PAIR_CLIENT][TERN_EVENT_VERSION_NEGOTIATION_RECEIVED], 0);
  }
}

static void test_upgrade_under_loss(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++)
    for (unsigned i = 0; i < 2; i++) {
      prepare_upgrade(seed, upgrades[i][0], upgrades[i][1]);
      pair.tls.hello_bytes = seed % 3 == 0 ? 1800 : 0;
      pair.config[PAIR_SERVER].retry_half_open = seed % 2 == 0 ? 0 : UINT32_MAX;
      pair.filter = lose_some;
      assert_upgrade(upgrades[i][0], upgrades[i][1]);
    }
}

struct one_loss {
  int to;
  uint64_t number;
};

static bool lose_one(struct pair *with, struct pair_datagram *datagram)
{
  const struct one_loss *loss = with->test;

  return datagram->to != loss->to || datagram->number != loss->number;
}

/* [rfc9369-4.1] what the client repeats in the version of its first flight is still read. */
static void test_upgrade_without_each_packet(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 2; i++)
    for (unsigned draw = 0; draw < 32; draw++) {
      struct one_loss loss = {draw % 2 == 0 ? PAIR_CLIENT : PAIR_SERVER, draw / 4};
      prepare_upgrade(3, upgrades[i][0], upgrades[i][1]);
      pair.tls.hello_bytes = draw / 2 % 2 != 0 ? 1800 : 0;
      pair.test = &loss;
      pair.filter = lose_one;
      assert_upgrade(upgrades[i][0], upgrades[i][1]);
      assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_VERSION_MISMATCH], 0);
      pair.test = NULL;
    }
}

/* [rfc9369-4.1] the server MUST NOT answer in what the client does not list; its own order decides. */
static void test_no_upgrade(void **state)
{
  static const uint32_t table[][3] = {{TERN_VERSION_1, 0, TERN_VERSION_2},
                                      {TERN_VERSION_2, 0, TERN_VERSION_1},
                                      {TERN_VERSION_1, TERN_VERSION_2, TERN_VERSION_1},
                                      {TERN_VERSION_2, TERN_VERSION_1, TERN_VERSION_2}};

  (void)state;
  for (size_t i = 0; i < PAIR_COUNT_OF(table); i++) {
    const uint32_t *row = table[i];
    prepare_upgrade(4, row[0], row[1]);
    speak(PAIR_SERVER, row[2], row[2] == TERN_VERSION_1 ? TERN_VERSION_2 : TERN_VERSION_1);
    pair_connect(&pair);
    assert_transfer(row[0]);
    assert_false(pair.conn[PAIR_CLIENT]->has_followed_version);
  }
}

static bool delay_first_answer(struct pair *with, struct pair_datagram *datagram)
{
  if (datagram->to == PAIR_CLIENT && datagram->number == 0)
    datagram->at += 5 * TERN_MS;
  return with != NULL;
}

/* [rfc9001-5.7] Handshake packets of the new version that overtake its Initial wait for their keys. */
static void test_overtaken_initial(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    prepare_upgrade(5, upgrades[i][0], upgrades[i][1]);
    pair.filter = delay_first_answer;
    assert_upgrade(upgrades[i][0], upgrades[i][1]);
    assert_true(pair.counts[PAIR_CLIENT][TERN_EVENT_PACKET_BUFFERED] >= 1);
    assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_VERSION_MISMATCH], 0);
    /* [rfc9369-4.1] the server's keys for Initials of the first version end with the Initial space. */
    assert_null(pair.conn[PAIR_SERVER]->initial);
  }
}

/* A long header to the client, of the first type bits given, and noise. */
static void forge_long(uint8_t first, uint32_t version, bool is_initial)
{
  const struct tern_conn *conn = pair.conn[PAIR_CLIENT];
  uint8_t bytes[1200] = {first};
  struct tern_writer writer = tern_writer_of(bytes + 1, sizeof bytes - 1);

  tern_write_u32(&writer, version);
  tern_write_u8(&writer, conn->first_scid.len);
  tern_write_bytes(&writer, conn->first_scid.bytes, conn->first_scid.len);
  tern_write_u8(&writer, 8);
  tern_write_bytes(&writer, "attacker", 8);
  if (is_initial)
    tern_write_u8(&writer, 0); /* no token */
  tern_write_u16(&writer, 0x4000 | 100);
  size_t len = 1 + tern_writer_len(&writer) + 100;
  memset(bytes + len - 100, 0x5a, 100);
  pair_inject(&pair, PAIR_CLIENT, &pair.addr[PAIR_SERVER], tern_slice_of(bytes, len), 1);
}

/* An Initial in the other version that is not authentic changes nothing; the server's may follow. */
static void test_forged_initial(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    prepare_upgrade(6, TERN_VERSION_1, TERN_VERSION_2);
    if (i == 1)
      speak(PAIR_SERVER, TERN_VERSION_1, 0);
    pair_start(&pair);
    pair_flush(&pair, PAIR_CLIENT);
    struct tern_cid before = pair.conn[PAIR_CLIENT]->peer_scid;
    for (unsigned count = 0; count < 3; count++)
      forge_long(0xd0, TERN_VERSION_2, true);
    pair_run_for(&pair, 2);
    assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_DECRYPT_FAILED], 3);
    assert_int_equal(tern_conn_get_version(pair.conn[PAIR_CLIENT]), TERN_VERSION_1);
    assert_false(pair.conn[PAIR_CLIENT]->has_followed_version);
    assert_true(tern_cid_equal(&pair.conn[PAIR_CLIENT]->peer_scid, &before));
    assert_true(pair_run_until(&pair, is_confirmed));
    assert_transfer(i == 0 ? TERN_VERSION_2 : TERN_VERSION_1);
  }
}

/* Forged Handshake packets wait up to the cap, no further, and are dropped when the keys are there. */
static void test_forged_handshake(void **state)
{
  (void)state;
  prepare_upgrade(7, TERN_VERSION_1, TERN_VERSION_2);
  pair_start(&pair);
  pair_flush(&pair, PAIR_CLIENT);
  for (unsigned count = 0; count < TERN_CAP_PACKETS_BEFORE_KEYS + 1; count++)
    forge_long(0xf0, TERN_VERSION_2, false);
  pair_run_for(&pair, 2);
  assert_int_equal(pair.counts[PAIR_CLIENT][TERN_EVENT_PACKET_BUFFERED],
                   TERN_CAP_PACKETS_BEFORE_KEYS);
  assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_BUFFER_FULL], 1);
  assert_int_equal(tern_conn_get_version(pair.conn[PAIR_CLIENT]), TERN_VERSION_1);
  assert_true(pair_run_until(&pair, is_confirmed));
  assert_transfer(TERN_VERSION_2);
}

/* As if the client's first flight had come in a packet of another version than its hello says. */
static tern_verdict mistake_version(void *arg, tern_applicant *applicant)
{
  struct tern_list_node *node = pair.endpoint[PAIR_SERVER]->conns.head.next;
  tern_conn *conn = TERN_CONTAINER_OF(node, tern_conn, all_node);

  (void)arg;
  conn->original_version = TERN_VERSION_2;
  return applicant->builtin;
}

/* [rfc9368-4] the server MUST close with VERSION_NEGOTIATION_ERROR. */
static void test_chosen_version_mismatch(void **state)
{
  (void)state;
  prepare_upgrade(8, TERN_VERSION_1, TERN_VERSION_2);
  pair.config[PAIR_SERVER].admission.judge_hello = mistake_version;
  pair_start(&pair);
  pair_run_for(&pair, 2 * TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_true(pair.error[PAIR_CLIENT].by_peer);
  assert_int_equal(pair.error[PAIR_CLIENT].code, TERN_QUIC_VERSION_NEGOTIATION_ERROR);
}

/* [rfc9368-4] [rfc9368-8] what the client accepts from a server, after it followed and after it did not. */
static void test_versions_true(void **state)
{
  static const struct {
    bool has_followed, has_negotiated, has_information;
    uint32_t chosen, listed;
    bool is_true;
  } table[] = {
      {true, false, true, TERN_VERSION_2, TERN_VERSION_2, true},
      {true, false, true, TERN_VERSION_1, TERN_VERSION_2, false},
      {true, false, false, 0, 0, false},
      {false, false, false, 0, 0, true},
      {false, true, false, 0, 0, false},
      {true, true, true, TERN_VERSION_2, TERN_VERSION_1, true},
      {true, true, true, TERN_VERSION_2, TERN_VERSION_2, false},
  };

  (void)state;
  prepare_upgrade(9, TERN_VERSION_1, TERN_VERSION_2);
  pair_connect(&pair);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  for (size_t i = 0; i < PAIR_COUNT_OF(table); i++) {
    struct tern_params params;
    tern_params_init(&params);
    conn->has_followed_version = table[i].has_followed;
    conn->has_negotiated_version = table[i].has_negotiated;
    params.has_version_information = table[i].has_information;
    params.chosen_version = table[i].chosen;
    params.available_versions[0] = table[i].listed;
    params.available_versions_count = 1;
    assert_int_equal(tern_conn_are_versions_true(conn, &params), table[i].is_true);
  }
}

/* Nothing in common: over at once [rfc9000-6.2]. */
static void test_nothing_in_common(void **state)
{
  (void)state;
  speak(PAIR_CLIENT, TERN_VERSION_2, 0);
  speak(PAIR_SERVER, TERN_VERSION_1, 0);
  pair_start(&pair);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_VERSION);
}

/* A Version Negotiation packet of somebody on the way, who would rather have version 1. */
static bool forge_negotiation(struct pair *with, struct pair_datagram *datagram)
{
  const struct tern_conn *conn = with->conn[PAIR_CLIENT];
  uint8_t bytes[64] = {0xc0, 0, 0, 0, 0};
  struct tern_writer writer = tern_writer_of(bytes + 5, sizeof bytes - 5);

  if (datagram->to != PAIR_SERVER || with->test != NULL)
    return true;
  with->test = with;
  tern_write_u8(&writer, conn->first_scid.len);
  tern_write_bytes(&writer, conn->first_scid.bytes, conn->first_scid.len);
  tern_write_u8(&writer, conn->original_dcid.len);
  tern_write_bytes(&writer, conn->original_dcid.bytes, conn->original_dcid.len);
  tern_write_u32(&writer, TERN_VERSION_1);
  pair_inject(with, PAIR_CLIENT, &datagram->dest,
              tern_slice_of(bytes, 5 + tern_writer_len(&writer)), TERN_MS);
  return false;
}

/* [rfc9368-4] the server's authentic list shows it: MUST close with VERSION_NEGOTIATION_ERROR. */
static void test_forged_negotiation(void **state)
{
  (void)state;
  speak(PAIR_CLIENT, TERN_VERSION_2, TERN_VERSION_1);
  pair.filter = forge_negotiation;
  pair_start(&pair);
  pair_run_for(&pair, 2 * TERN_SECOND);
  assert_int_equal(pair.counts[PAIR_CLIENT][TERN_EVENT_VERSION_NEGOTIATION_RECEIVED], 1);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].code, TERN_QUIC_VERSION_NEGOTIATION_ERROR);
  assert_false(pair.is_connected[PAIR_CLIENT]);
}

/* [rfc9001-6.1] by the application: from both sides at once, under loss and reordering; not before the last
 * one was answered. */
static void test_update_by_application(void **state)
{
  (void)state;
  pair_start(&pair);
  assert_int_equal(tern_conn_update_keys(pair.conn[PAIR_CLIENT]), TERN_STATE);
  assert_true(pair_run_until(&pair, is_confirmed));
  pair.filter = lose_some;
  for (uint64_t round = 1; round <= 10; round++) {
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
    pair.has_echo = true;
    for (int side = 0; side < 2; side++)
      assert_int_equal(tern_conn_update_keys(pair.conn[side]), TERN_OK);
    assert_int_equal(tern_conn_update_keys(pair.conn[PAIR_CLIENT]), TERN_STATE);
    pair_send_all(stream, 20000);
    assert_true(pair_run_until(&pair, pair_are_streams_closed));
    pair_run_for(&pair, 2 * TERN_SECOND);
    for (int side = 0; side < 2; side++) {
      assert_int_equal(pair.conn[side]->path.data->keys->tx.generation, round);
      assert_int_equal(pair.drops[side][TERN_DROP_DECRYPT_FAILED], 0);
    }
  }
}

/* The knob: a new key after so many packets, from both sides. */
static void test_update_by_count(void **state)
{
  (void)state;
  for (int side = 0; side < 2; side++)
    pair.config[side].key_update_packets = 20;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair.has_echo = true;
  pair_send_all(stream, 1000000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(stream->received, 1000000);
  assert_true(pair.conn[PAIR_CLIENT]->path.data->keys->tx.generation >= 5);
}

/* Versions at the bounds of the list, and one past. */
static void test_config(void **state)
{
  tern_config *config = &pair.config[PAIR_CLIENT];
  char why[128];

  (void)state;
  assert_int_equal(tern_config_check(config, why, sizeof why), TERN_OK);
  config->versions_count = TERN_VERSIONS_MAX;
  assert_int_equal(tern_config_check(config, why, sizeof why), TERN_INVALID);
  config->versions[2] = config->versions[3] = TERN_VERSION_1;
  assert_int_equal(tern_config_check(config, why, sizeof why), TERN_OK);
  config->versions_count = TERN_VERSIONS_MAX + 1;
  assert_int_equal(tern_config_check(config, why, sizeof why), TERN_INVALID);
  config->versions_count = 0;
  assert_int_equal(tern_config_check(config, why, sizeof why), TERN_INVALID);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_version_2),
      CASE(test_incompatible),
      CASE(test_upgrade),
      CASE(test_upgrade_under_loss),
      CASE(test_upgrade_without_each_packet),
      CASE(test_no_upgrade),
      CASE(test_overtaken_initial),
      CASE(test_forged_initial),
      CASE(test_forged_handshake),
      CASE(test_chosen_version_mismatch),
      CASE(test_versions_true),
      CASE(test_nothing_in_common),
      CASE(test_forged_negotiation),
      CASE(test_update_by_application),
      CASE(test_update_by_count),
      CASE(test_config),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
