/* SPDX-License-Identifier: MIT */
/* Versions of QUIC from end to end (RFC 9368, RFC 9369), and updates of keys that the application asks for. */
#include "support/pair.h"

#include "transport/conn.h"

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

static bool is_confirmed(struct pair *with)
{
  return with->conn[0] != NULL && with->conn[0]->is_confirmed && with->conn[1] != NULL &&
         with->conn[1]->is_confirmed;
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
      CASE(test_nothing_in_common),
      CASE(test_forged_negotiation),
      CASE(test_update_by_application),
      CASE(test_update_by_count),
      CASE(test_config),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
