/* SPDX-License-Identifier: MIT */
/* Keys and their updates [rfc9001-6]: two ends, packets lost and late, limits made small. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "crypto/protect.h"
#include "wire/header.h"
#include "wire/quic.h"

static struct tern_alloc heap;

static struct tern_keys *keys_of(enum tern_aead_id aead, uint8_t tx_fill, uint8_t rx_fill)
{
  struct tern_keys *keys = tern_keys_new(&heap);
  size_t len = tern_hash_bytes(tern_aead_hash(aead));
  uint8_t secret[TERN_HASH_MAX];
  memset(secret, tx_fill, len);
  assert_int_equal(tern_keys_set_tx(keys, aead, TERN_VERSION_1, tern_slice_of(secret, len)),
                   TERN_OK);
  memset(secret, rx_fill, len);
  assert_int_equal(tern_keys_set_rx(keys, aead, TERN_VERSION_1, tern_slice_of(secret, len)),
                   TERN_OK);
  return keys;
}

struct packet {
  uint8_t bytes[64];
  uint64_t number, generation;
};

static void seal(struct tern_keys *keys, uint64_t number, struct packet *packet)
{
  memset(packet, 0, sizeof *packet);
  packet->number = number;
  packet->generation = keys->tx.generation;
  packet->bytes[0] = (uint8_t)(0x43 | tern_keys_phase(keys) << 2);
  for (size_t i = 0; i < 4; i++)
    packet->bytes[1 + i] = (uint8_t)(number >> (24 - 8 * i));
  struct tern_seal_item item = {.packet = packet->bytes,
                                .pn_at = 1,
                                .pn_len = 4,
                                .len = sizeof packet->bytes,
                                .number = number};
  assert_int_equal(tern_protect_seal_run(keys, 0, &item, 1), TERN_OK);
}

static enum tern_open_result open_copy(struct tern_keys *keys, const struct packet *packet)
{
  uint8_t bytes[64];
  memcpy(bytes, packet->bytes, sizeof bytes);
  struct tern_open_item item = {.packet = bytes, .pn_at = 1, .len = sizeof bytes};
  tern_protect_unmask_run(keys, &item, 1);
  enum tern_open_result result = tern_protect_open(keys, 0, &item, TERN_PACKET_NUMBER_NONE);
  if (result == TERN_OPEN_OK || result == TERN_OPEN_KEY_UPDATED) {
    assert_int_equal(item.number, packet->number);
    assert_int_equal(item.generation, packet->generation);
  }
  return result;
}

struct ends {
  struct tern_keys *a, *b;
};

static struct ends make_ends(enum tern_aead_id aead)
{
  struct ends ends = {keys_of(aead, 1, 2), keys_of(aead, 2, 1)};
  return ends;
}

static void free_ends(struct ends *ends)
{
  tern_keys_free(ends->a);
  tern_keys_free(ends->b);
}

/* [rfc9001-6.1], [rfc9001-6.2] one side begins, the other follows before it acknowledges. */
static void update_and_answer(void **state)
{
  struct ends ends = make_ends(TERN_AEAD_AES128);
  struct packet packet;
  (void)state;
  seal(ends.a, 0, &packet);
  assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_OK);
  assert_true(tern_keys_can_update_tx(ends.a, UINT64_MAX)); /* the first needs no acknowledgment */
  assert_int_equal(tern_keys_update_tx(ends.a), TERN_OK);
  assert_int_equal(tern_keys_phase(ends.a), 1);
  assert_false(tern_keys_can_update_tx(ends.a, 0)); /* one at a time */
  assert_int_equal(tern_keys_update_tx(ends.a), TERN_STATE);

  seal(ends.a, 1, &packet);
  assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_KEY_UPDATED);
  assert_int_equal(tern_keys_phase(ends.b), 1); /* MUST update send keys before acknowledging */
  seal(ends.a, 2, &packet);
  assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_OK);

  seal(ends.b, 0, &packet);
  assert_int_equal(open_copy(ends.a, &packet), TERN_OPEN_KEY_UPDATED);
  assert_int_equal(tern_keys_phase(ends.a), 1); /* it was there already */

  /* MUST NOT update again before a packet of this phase is acknowledged. */
  assert_false(tern_keys_can_update_tx(ends.a, UINT64_MAX));
  assert_false(tern_keys_can_update_tx(ends.a, 0));
  assert_true(tern_keys_can_update_tx(ends.a, 1));
  assert_false(tern_keys_can_update_tx(ends.b, UINT64_MAX));
  assert_true(tern_keys_can_update_tx(ends.b, 0));
  free_ends(&ends);
}

/* [rfc9001-6.5] late packets of the old phase open until the old key is dropped. */
static void late_packets(void **state)
{
  struct ends ends = make_ends(TERN_AEAD_CHACHA20);
  struct packet old[3], newer;
  (void)state;
  for (uint64_t i = 0; i < 3; i++)
    seal(ends.a, i, &old[i]);
  assert_int_equal(open_copy(ends.b, &old[0]), TERN_OPEN_OK);
  assert_int_equal(tern_keys_update_tx(ends.a), TERN_OK);
  seal(ends.a, 3, &newer);
  assert_int_equal(open_copy(ends.b, &newer), TERN_OPEN_KEY_UPDATED);
  assert_int_equal(open_copy(ends.b, &old[1]), TERN_OPEN_OK);
  assert_int_equal(tern_keys_phase(ends.b), 1);
  tern_keys_drop_previous(ends.b);
  assert_int_equal(open_copy(ends.b, &old[2]), TERN_OPEN_FAILED);
  assert_int_equal(ends.b->rx.failed, 1);
  free_ends(&ends);
}

/* An update is heard even if the first phase had no packet that arrived. */
static void update_before_any_packet(void **state)
{
  struct ends ends = make_ends(TERN_AEAD_AES256);
  struct packet packet, old;
  (void)state;
  seal(ends.a, 0, &old);
  assert_int_equal(tern_keys_update_tx(ends.a), TERN_OK);
  seal(ends.a, 1, &packet);
  assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_KEY_UPDATED);
  assert_int_equal(open_copy(ends.b, &old), TERN_OPEN_OK);
  free_ends(&ends);
}

/* [rfc9001-6.4] newer keys for lower numbers than older keys: KEY_UPDATE_ERROR. */
static void numbers_against_phases(void **state)
{
  struct ends ends = make_ends(TERN_AEAD_AES128);
  struct packet old, newer;
  (void)state;
  seal(ends.a, 10, &old);
  assert_int_equal(open_copy(ends.b, &old), TERN_OPEN_OK);
  assert_int_equal(tern_keys_update_tx(ends.a), TERN_OK);
  seal(ends.a, 9, &newer); /* next phase, lower number */
  assert_int_equal(open_copy(ends.b, &newer), TERN_OPEN_KEY_UPDATE_ERROR);
  seal(ends.a, 20, &newer);
  assert_int_equal(open_copy(ends.b, &newer), TERN_OPEN_KEY_UPDATED);
  seal(ends.a, 10, &newer); /* this phase, not above what the old one used */
  assert_int_equal(open_copy(ends.b, &newer), TERN_OPEN_KEY_UPDATE_ERROR);
  seal(ends.a, 11, &newer);
  assert_int_equal(open_copy(ends.b, &newer), TERN_OPEN_OK);
  free_ends(&ends);

  /* A late packet of the old phase raises the bound too. */
  ends = make_ends(TERN_AEAD_AES128);
  seal(ends.a, 15, &old);
  assert_int_equal(tern_keys_update_tx(ends.a), TERN_OK);
  seal(ends.a, 20, &newer);
  assert_int_equal(open_copy(ends.b, &newer), TERN_OPEN_KEY_UPDATED);
  assert_int_equal(open_copy(ends.b, &old), TERN_OPEN_OK);
  seal(ends.a, 14, &newer);
  assert_int_equal(open_copy(ends.b, &newer), TERN_OPEN_KEY_UPDATE_ERROR);
  free_ends(&ends);
}

/* [rfc9001-6.3] the next key appears with the first packet whatever its phase bit, and stays after a
 * forgery. */
static void next_key_is_made_blindly(void **state)
{
  (void)state;
  for (uint8_t flip = 0; flip < 2; flip++) {
    struct ends ends = make_ends(TERN_AEAD_AES128);
    struct packet packet;
    seal(ends.a, 0, &packet);
    packet.bytes[0] ^= (uint8_t)(flip << 2); /* header protection is malleable: the bit flips */
    packet.bytes[60] ^= 1;
    assert_null(ends.b->rx.next.aead);
    assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_FAILED);
    assert_non_null(ends.b->rx.next.aead);
    assert_int_equal(ends.b->rx.generation, 0);
    uint64_t takes = heap.takes;
    assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_FAILED);
    assert_int_equal(heap.takes, takes); /* no heap per packet */
    free_ends(&ends);
  }
}

/* An idle connection gives memory back and goes on. */
static void trim(void **state)
{
  struct ends ends = make_ends(TERN_AEAD_AES128);
  struct packet packet;
  (void)state;
  seal(ends.a, 0, &packet);
  assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_OK);
  for (uint64_t i = 1; i < 10; i++) {
    uint64_t before = heap.used_bytes;
    tern_keys_rest(ends.b);
    assert_true(heap.used_bytes < before);
    assert_int_equal(tern_keys_update_tx(ends.a), TERN_OK);
    seal(ends.a, 2 * i, &packet);
    assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_KEY_UPDATED);
    seal(ends.b, i, &packet);
    assert_int_equal(open_copy(ends.a, &packet), TERN_OPEN_KEY_UPDATED);
    tern_keys_rest(ends.a);
    tern_keys_rest(ends.a);
    seal(ends.a, 2 * i + 1, &packet);
    assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_OK);
  }
  free_ends(&ends);
}

/* 400 rounds of updates by either side, with loss and lateness, against the rule "a packet opens while
 * its generation is the receiver's, one newer, or one older and not dropped". */
static void many_updates(void **state)
{
  struct tern_random_seeded seeded;
  uint64_t seed = 91;
  struct ends ends = make_ends(TERN_AEAD_AES128);
  uint64_t numbers[2] = {0, 0}, heard[2] = {UINT64_MAX, UINT64_MAX};
  bool is_previous_dropped[2] = {true, true};
  struct packet late[2] = {{{0}, 0, 0}, {{0}, 0, 0}};
  bool has_late[2] = {false, false};
  (void)state;
  print_message("seed %llu\n", (unsigned long long)seed);
  tern_random_seeded_init(&seeded, seed);
  for (int round = 0; round < 4000; round++) {
    uint64_t draw = tern_random_seeded_next(&seeded);
    int from = (int)(draw & 1), to = 1 - from;
    struct tern_keys *tx = from == 0 ? ends.a : ends.b, *rx = from == 0 ? ends.b : ends.a;
    struct packet packet;
    if ((draw >> 8) % 10 == 0 && tern_keys_can_update_tx(tx, heard[from]))
      assert_int_equal(tern_keys_update_tx(tx), TERN_OK);
    seal(tx, numbers[from]++, &packet);
    if ((draw >> 16) % 4 == 0) { /* kept for later instead */
      late[from] = packet;
      has_late[from] = true;
      continue;
    }
    uint64_t generation = rx->rx.generation;
    enum tern_open_result result = open_copy(rx, &packet);
    assert_int_equal(result, packet.generation > generation ? TERN_OPEN_KEY_UPDATED : TERN_OPEN_OK);
    heard[from] = packet.number; /* acknowledged at once */
    assert_true(rx->tx.generation >= rx->rx.generation);
    if (result == TERN_OPEN_KEY_UPDATED)
      is_previous_dropped[to] = false;
    if (has_late[from] && (draw >> 24) % 3 == 0) {
      bool opens = late[from].generation == rx->rx.generation ||
                   (late[from].generation + 1 == rx->rx.generation && !is_previous_dropped[to]);
      assert_int_equal(open_copy(rx, &late[from]), opens ? TERN_OPEN_OK : TERN_OPEN_FAILED);
      has_late[from] = false;
    }
    if ((draw >> 32) % 8 == 0) {
      tern_keys_drop_previous(rx);
      is_previous_dropped[to] = true;
    }
  }
  assert_true(ends.a->tx.generation > 50);
  free_ends(&ends);
}

/* [rfc9001-6.6] confidentiality: MUST NOT seal more than the limit with one key. */
static void sealing_limit(void **state)
{
  struct ends ends = make_ends(TERN_AEAD_AES128);
  struct packet packet;
  (void)state;
  assert_int_equal(ends.a->sealed_max, UINT64_C(1) << 23);
  assert_int_equal(ends.a->failed_max, UINT64_C(1) << 52);
  ends.a->sealed_max = 16;
  for (uint64_t i = 0; i < 16; i++) {
    assert_int_equal(tern_keys_wants_update(ends.a), i >= 14);
    seal(ends.a, i, &packet);
  }
  uint8_t bytes[64] = {0x40}, before[64];
  memcpy(before, bytes, sizeof bytes);
  struct tern_seal_item item = {
      .packet = bytes, .pn_at = 1, .pn_len = 1, .len = sizeof bytes, .number = 16};
  assert_int_equal(tern_protect_seal_run(ends.a, 0, &item, 1), TERN_LIMIT);
  assert_memory_equal(bytes, before, sizeof bytes);
  assert_int_equal(tern_keys_update_tx(ends.a), TERN_OK);
  assert_false(tern_keys_wants_update(ends.a));
  assert_int_equal(tern_protect_seal_run(ends.a, 0, &item, 1), TERN_OK);
  free_ends(&ends);
}

/* [rfc9001-6.6] integrity: counted over all keys, LIMIT with the first one beyond. */
static void failing_limit(void **state)
{
  struct ends ends = make_ends(TERN_AEAD_CHACHA20);
  struct packet packet, good;
  (void)state;
  assert_int_equal(ends.b->failed_max, UINT64_C(1) << 36);
  ends.b->failed_max = 5;
  seal(ends.a, 0, &packet);
  packet.bytes[40] ^= 1;
  for (int i = 0; i < 4; i++)
    assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_FAILED);
  assert_int_equal(tern_keys_update_tx(ends.a), TERN_OK);
  seal(ends.a, 1, &good);
  assert_int_equal(open_copy(ends.b, &good), TERN_OPEN_KEY_UPDATED);
  assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_FAILED);
  assert_int_equal(open_copy(ends.b, &packet), TERN_OPEN_LIMIT);
  free_ends(&ends);
}

static void setting_keys(void **state)
{
  static const uint8_t secret[TERN_HASH_MAX] = {9};
  struct tern_keys *keys = tern_keys_new(&heap);
  (void)state;
  assert_false(tern_keys_has_tx(keys));
  assert_false(tern_keys_has_rx(NULL));
  assert_int_equal(
      tern_keys_set_tx(keys, TERN_AEAD_AES128, TERN_VERSION_1, tern_slice_of(secret, 31)),
      TERN_INVALID);
  assert_int_equal(
      tern_keys_set_tx(keys, TERN_AEAD_AES256, TERN_VERSION_1, tern_slice_of(secret, 32)),
      TERN_INVALID);
  assert_int_equal(tern_keys_set_tx(keys, TERN_AEAD_AES128, 0xdead, tern_slice_of(secret, 32)),
                   TERN_INVALID);
  assert_int_equal(
      tern_keys_set_tx(keys, TERN_AEAD_AES128, TERN_VERSION_1, tern_slice_of(secret, 32)), TERN_OK);
  assert_true(tern_keys_has_tx(keys));
  /* A second secret for a level is refused, never installed over the first. */
  assert_int_equal(
      tern_keys_set_tx(keys, TERN_AEAD_AES128, TERN_VERSION_1, tern_slice_of(secret, 32)),
      TERN_STATE);
  assert_int_equal(
      tern_keys_set_rx(keys, TERN_AEAD_CHACHA20, TERN_VERSION_1, tern_slice_of(secret, 32)),
      TERN_INVALID);
  assert_int_equal(
      tern_keys_set_rx(keys, TERN_AEAD_AES128, TERN_VERSION_1, tern_slice_of(secret, 32)), TERN_OK);
  assert_int_equal(tern_keys_update_tx(keys), TERN_OK);
  tern_keys_free(keys);
  tern_keys_free(NULL);
  struct tern_cid cid = {8, {1, 2, 3, 4, 5, 6, 7, 8}};
  assert_null(tern_keys_new_initial(&heap, 0x1a2a3a4a, &cid, false));
}

/* Each allocation refused in turn: an answer, no leak. */
static void memory_runs_out(void **state)
{
  struct tern_cid cid = {8, {1, 2, 3, 4, 5, 6, 7, 8}};
  int made = 0;
  (void)state;
  for (uint64_t cap = 0; cap < 8000; cap += 50) {
    struct tern_alloc small;
    tern_alloc_init(&small, &tern_alloc_system, NULL, cap);
    struct tern_keys *keys = tern_keys_new_initial(&small, TERN_VERSION_1, &cid, true);
    if (keys != NULL) {
      made++;
      tern_status status = tern_keys_update_tx(keys);
      assert_true(status == TERN_OK || status == TERN_NOMEM);
      assert_int_equal(keys->tx.generation, status == TERN_OK ? 1 : 0);
      status = tern_keys_prepare_next(keys);
      assert_true(status == TERN_OK || status == TERN_NOMEM);
    }
    tern_keys_free(keys);
    tern_alloc_deinit(&small);
  }
  assert_true(made > 0);
}

static int set_up(void **state)
{
  (void)state;
  tern_alloc_init(&heap, &tern_alloc_system, NULL, UINT64_MAX);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  tern_alloc_deinit(&heap); /* asserts that all came back */
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(update_and_answer, set_up, tear_down),
      cmocka_unit_test_setup_teardown(late_packets, set_up, tear_down),
      cmocka_unit_test_setup_teardown(update_before_any_packet, set_up, tear_down),
      cmocka_unit_test_setup_teardown(numbers_against_phases, set_up, tear_down),
      cmocka_unit_test_setup_teardown(next_key_is_made_blindly, set_up, tear_down),
      cmocka_unit_test_setup_teardown(trim, set_up, tear_down),
      cmocka_unit_test_setup_teardown(many_updates, set_up, tear_down),
      cmocka_unit_test_setup_teardown(sealing_limit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(failing_limit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(setting_keys, set_up, tear_down),
      cmocka_unit_test_setup_teardown(memory_runs_out, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
