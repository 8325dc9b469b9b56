/* SPDX-License-Identifier: MIT */
/* Key updates and the limits of keys, from end to end. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/frame_write.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 9);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static struct tern_keys *get_keys(int side)
{
  return pair.conn[side]->path.data->keys;
}

/* The side wants an update with its next packet, and has room for some more without. */
static void use_up(int side)
{
  get_keys(side)->sealed_max = 8000;
  get_keys(side)->tx.sealed = 7000;
}

static bool lose_some(struct pair *with, struct pair_datagram *datagram)
{
  uint64_t draw = tern_random_seeded_next(&with->random);

  datagram->at += draw % 6 == 0 ? 15 * TERN_MS : 0;
  return (draw >> 32) % 20 != 0;
}

static void run_transfer(uint64_t bytes)
{
  pair.has_echo = true;
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, bytes);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(stream->received, bytes);
  assert_true(stream->is_eof && !stream->is_bad);
  assert_int_equal(pair.closed_count[0] + pair.closed_count[1], 0);
}

/* Long before a key's confidentiality limit comes the next one [rfc9001-6.6]; the peer follows
 * [rfc9001-6.2]. Under loss and reordering nothing is lost by it. */
static void test_update_near_limit(void **state)
{
  (void)state;
  for (int starter = 0; starter < 2; starter++) {
    pair_deinit(&pair);
    pair_init(&pair, 90 + (uint64_t)starter);
    pair.config[PAIR_SERVER].send_buffer_bytes = 1 << 23;
    pair_connect(&pair);
    get_keys(starter)->sealed_max = 1024;
    pair.filter = lose_some;
    run_transfer(3000000);
    assert_true(get_keys(starter)->tx.generation >= 2);
    assert_true(get_keys(starter)->tx.sealed < 1024);
    pair.filter = NULL;
    pair_run_for(&pair, 2 * TERN_SECOND);
    assert_int_equal(get_keys(0)->tx.generation, get_keys(1)->tx.generation);
    assert_true(pair.counts[!starter][TERN_EVENT_KEY_UPDATED] >= 2);
    assert_int_equal(pair.drops[0][TERN_DROP_DECRYPT_FAILED], 0);
    assert_int_equal(pair.drops[1][TERN_DROP_DECRYPT_FAILED], 0);
  }
}

/* [rfc9001-6.5] the old receiving key stays for three PTOs, and no longer. */
static void test_previous_key_is_dropped(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  use_up(PAIR_CLIENT);
  run_transfer(1000);
  assert_int_equal(get_keys(PAIR_SERVER)->rx.generation, 1);
  pair_run_for(&pair, 5 * TERN_SECOND);
  for (int side = 0; side < 2; side++) {
    assert_int_equal(get_keys(side)->tx.generation, 1);
    assert_null(get_keys(side)->rx.previous.aead);
    assert_true(pair.conn[side]->keys_drop_at == TERN_TIME_NEVER);
  }
}

/* [rfc9001-6.1] MUST NOT start another update before the last one was answered. */
static void test_one_update_at_a_time(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  struct tern_keys *keys = get_keys(PAIR_CLIENT);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  uint64_t offset = 0;
  for (unsigned i = 0; i < 5; i++) {
    use_up(PAIR_CLIENT); /* wants one all the time */
    offset += pair_write(stream, offset, 100);
    pair_flush(&pair, PAIR_CLIENT);
    assert_int_equal(keys->tx.generation, 1);
  }
  keys->tx.sealed = 0;
  pair_run_for(&pair, TERN_SECOND);
  use_up(PAIR_CLIENT);
  offset += pair_write(stream, offset, 100);
  pair_flush(&pair, PAIR_CLIENT);
  assert_int_equal(keys->tx.generation, 2);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair_peer_of(&pair, stream)->received, offset);
}

/* [rfc9001-6.1] MUST NOT before the handshake is confirmed. */
static void test_no_update_before_confirmation(void **state)
{
  (void)state;
  pair_start(&pair);
  while (!pair.is_connected[PAIR_CLIENT])
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  use_up(PAIR_CLIENT);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  (void)pair_write(stream, 0, 10);
  pair_flush(&pair, PAIR_CLIENT);
  assert_true(tern_keys_wants_update(get_keys(PAIR_CLIENT)));
  assert_int_equal(get_keys(PAIR_CLIENT)->tx.generation, 0);
  assert_false(pair.conn[PAIR_CLIENT]->is_confirmed);
}

/* [rfc9001-6.6] a key at its limit that cannot be updated ends the connection, and nothing more leaves. */
static bool to_nowhere(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  (void)datagram;
  return false;
}

static void test_confidentiality_limit(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  struct tern_keys *keys = get_keys(PAIR_CLIENT);
  keys->sealed_max = 16;
  keys->tx.generation++; /* as if an update were under way for ever */
  pair.filter = to_nowhere;
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  for (unsigned i = 0; i < 40 && pair.closed_count[PAIR_CLIENT] == 0; i++) {
    if (stream->stream != NULL)
      (void)pair_write(stream, 10 * i, 10);
    pair_run_for(&pair, TERN_MS);
  }
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].code, TERN_QUIC_AEAD_LIMIT_REACHED);
}

/* [rfc9001-6.6] packets that fail to open are counted, and there is a limit. */
static void test_integrity_limit(void **state)
{
  uint8_t forged[60];

  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  get_keys(PAIR_SERVER)->failed_max = 30;
  for (unsigned i = 0; i < 31; i++) {
    assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
    memset(forged, (int)(0x40 + i % 32), sizeof forged);
    memcpy(forged + 1, pair.conn[PAIR_SERVER]->first_scid.bytes, 8);
    pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(forged, sizeof forged), 0);
    pair_run_for(&pair, TERN_MS / 10);
  }
  assert_int_equal(pair.closed_count[PAIR_SERVER], 1);
  assert_int_equal(pair.error[PAIR_SERVER].code, TERN_QUIC_AEAD_LIMIT_REACHED);
}

/* ---- what a peer may not do with keys ------------------------------------------------------------------ */

/* [rfc9001-6.4] a lower number under a newer key than a higher one MUST be KEY_UPDATE_ERROR. */
static void test_newer_key_for_lower_number(void **state)
{
  uint8_t ping = 1;

  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  struct tern_pn_space *space = pair.conn[PAIR_CLIENT]->path.data;
  assert_int_equal(tern_sent_skip(&space->sent), TERN_OK); /* one number is left for later */
  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP, tern_slice_of(&ping, 1));
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_KEY_UPDATED], 0);
  space->sent.next -= 2;
  assert_int_equal(tern_keys_update_tx(get_keys(PAIR_CLIENT)), TERN_OK);
  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP, tern_slice_of(&ping, 1));
  space->sent.next++;
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 1);
  assert_int_equal(pair.error[PAIR_SERVER].code, TERN_QUIC_KEY_UPDATE_ERROR);
}

/* Reserved bits are an error once the packet is authentic [rfc9000-17.3.1], and noise before. */
static bool set_reserved(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  datagram->data[0] ^=
      0x10; /* the bit is under header protection: whatever it becomes, it differs */
  return true;
}

static void test_reserved_bits_are_authenticated(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  pair.filter = set_reserved;
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 100);
  pair_run_for(&pair, 200 * TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
  assert_true(pair.drops[PAIR_SERVER][TERN_DROP_DECRYPT_FAILED] > 0);
  pair.filter = NULL;
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_update_near_limit),          CASE(test_previous_key_is_dropped),
      CASE(test_one_update_at_a_time),       CASE(test_no_update_before_confirmation),
      CASE(test_confidentiality_limit),      CASE(test_integrity_limit),
      CASE(test_newer_key_for_lower_number), CASE(test_reserved_bits_are_authenticated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
