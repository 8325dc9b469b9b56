/* SPDX-License-Identifier: MIT */
/* Address tokens [rfc9000-8.1] and stateless reset tokens [rfc9000-10.3]. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "crypto/token.h"

static struct tern_alloc heap;
static struct tern_random_seeded seeded;
static tern_random_ops random_ops;
static struct tern_token_keys keys;

#define ROTATE_NS (48 * 3600 * TERN_SECOND)
#define NOW (1000 * TERN_SECOND)

static const tern_addr home = {.family = 4, .ip = {192, 0, 2, 1}, .port = 4433};

static struct tern_token make_token(enum tern_token_kind kind)
{
  struct tern_token token = {.kind = kind, .remote = home, .issued_at = NOW};
  if (kind == TERN_TOKEN_RETRY) {
    token.odcid = (struct tern_cid){8, {1, 2, 3, 4, 5, 6, 7, 8}};
    token.retry_scid = (struct tern_cid){5, {9, 8, 7, 6, 5}};
  }
  return token;
}

static size_t seal(const struct tern_token *token, tern_time now, uint8_t out[TERN_TOKEN_MAX])
{
  size_t len = 0;
  assert_int_equal(tern_token_seal(&keys, token, now, out, &len), TERN_OK);
  assert_in_range(len, 1, TERN_TOKEN_MAX);
  return len;
}

static void both_kinds(void **state)
{
  static const enum tern_token_kind kinds[] = {TERN_TOKEN_RETRY, TERN_TOKEN_NEW};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct tern_token token = make_token(kinds[i]), out;
    uint8_t bytes[TERN_TOKEN_MAX], second[TERN_TOKEN_MAX];
    size_t len = seal(&token, NOW, bytes);
    tern_slice slice = tern_slice_of(bytes, len);
    assert_int_equal(tern_token_is_retry(slice), kinds[i] == TERN_TOKEN_RETRY);
    assert_int_equal(tern_token_open(&keys, slice, &home, NOW + 1, &out), TERN_TOKEN_VALID);
    assert_int_equal(out.kind, kinds[i]);
    assert_int_equal(out.issued_at, NOW);
    assert_true(tern_cid_equal(&out.odcid, &token.odcid));
    assert_true(tern_cid_equal(&out.retry_scid, &token.retry_scid));
    assert_memory_equal(out.remote.ip, home.ip, sizeof home.ip);
    /* [rfc9000-8.1.3] no two alike, so that they cannot be linked */
    assert_int_equal(seal(&token, NOW, second), len);
    assert_memory_not_equal(bytes + 2, second + 2, 12);
    assert_memory_not_equal(bytes + 14, second + 14, len - 14);
  }
  assert_false(tern_token_is_retry(tern_slice_of(NULL, 0)));
}

/* [rfc9000-8.1.4] bound to the address; the port counts for Retry only [rfc9000-8.1.3]. */
static void addresses(void **state)
{
  struct tern_token out;
  (void)state;
  for (int is_retry = 0; is_retry < 2; is_retry++) {
    struct tern_token token = make_token(is_retry ? TERN_TOKEN_RETRY : TERN_TOKEN_NEW);
    uint8_t bytes[TERN_TOKEN_MAX];
    tern_slice slice = tern_slice_of(bytes, seal(&token, NOW, bytes));
    tern_addr other = home;
    other.port++;
    assert_int_equal(tern_token_open(&keys, slice, &other, NOW, &out),
                     is_retry ? TERN_TOKEN_WRONG_ADDRESS : TERN_TOKEN_VALID);
    for (size_t i = 0; i < 4; i++) {
      other = home;
      other.ip[i] ^= 1;
      assert_int_equal(tern_token_open(&keys, slice, &other, NOW, &out), TERN_TOKEN_WRONG_ADDRESS);
    }
    other = home;
    other.family = 6;
    assert_int_equal(tern_token_open(&keys, slice, &other, NOW, &out), TERN_TOKEN_WRONG_ADDRESS);
  }
}

static void lifetimes(void **state)
{
  struct tern_token out;
  (void)state;
  for (int is_retry = 0; is_retry < 2; is_retry++) {
    struct tern_token token = make_token(is_retry ? TERN_TOKEN_RETRY : TERN_TOKEN_NEW);
    uint64_t life = is_retry ? TERN_TOKEN_RETRY_LIFETIME_NS : TERN_TOKEN_NEW_LIFETIME_NS;
    uint8_t bytes[TERN_TOKEN_MAX];
    tern_slice slice = tern_slice_of(bytes, seal(&token, NOW, bytes));
    assert_int_equal(tern_token_open(&keys, slice, &home, NOW + life, &out), TERN_TOKEN_VALID);
    assert_int_equal(tern_token_open(&keys, slice, &home, NOW + life + 1, &out),
                     TERN_TOKEN_EXPIRED);
    /* a clock that goes back does no harm */
    assert_int_equal(tern_token_open(&keys, slice, &home, NOW - 5, &out), TERN_TOKEN_VALID);
  }
}

/* Each epoch has its key; the one before still opens; the one before that does not. */
static void rotation(void **state)
{
  struct tern_token token = make_token(TERN_TOKEN_NEW), out;
  uint8_t bytes[4][TERN_TOKEN_MAX];
  tern_slice slices[4];
  (void)state;
  for (uint64_t i = 0; i < 4; i++) {
    tern_time now = NOW + i * ROTATE_NS;
    token.issued_at = now;
    slices[i] = tern_slice_of(bytes[i], seal(&token, now, bytes[i]));
    for (uint64_t j = 0; j <= i; j++) {
      enum tern_token_result expected = i - j == 0   ? TERN_TOKEN_VALID
                                        : i - j == 1 ? TERN_TOKEN_EXPIRED
                                                     : TERN_TOKEN_UNKNOWN;
      assert_int_equal(tern_token_open(&keys, slices[j], &home, now, &out), expected);
    }
  }
  /* Without new tokens, keys die all the same. */
  assert_int_equal(tern_token_open(&keys, slices[3], &home, NOW + 6 * ROTATE_NS, &out),
                   TERN_TOKEN_UNKNOWN);
  /* A key seals so many and no more. */
  size_t len;
  (void)seal(&token, NOW, bytes[0]);
  keys.slots[0].sealed = TERN_TOKEN_SEALS_MAX - 1;
  (void)seal(&token, NOW, bytes[0]);
  assert_int_equal(tern_token_seal(&keys, &token, NOW, bytes[0], &len), TERN_LIMIT);
  (void)seal(&token, NOW + ROTATE_NS, bytes[0]);
}

/* Who has the secret opens what another has sealed, whatever their clocks say within a minute. */
static void shared_secret(void **state)
{
  static const uint8_t secret[TERN_SECRET_BYTES] = {1, 2, 3};
  struct tern_token token = make_token(TERN_TOKEN_NEW), out;
  struct tern_token_keys ours, theirs;
  uint8_t bytes[TERN_TOKEN_MAX];
  tern_time edge = 3 * ROTATE_NS;
  size_t len;
  (void)state;
  tern_token_keys_init(&ours, &heap, &random_ops, secret, ROTATE_NS);
  tern_token_keys_init(&theirs, &heap, &random_ops, secret, ROTATE_NS);
  token.issued_at = edge;
  assert_int_equal(tern_token_seal(&ours, &token, edge, bytes, &len), TERN_OK);
  tern_slice slice = tern_slice_of(bytes, len);
  for (int64_t skew = -120; skew <= 120; skew++) {
    tern_time now = (tern_time)((int64_t)edge + skew * (int64_t)TERN_SECOND);
    assert_int_equal(tern_token_open(&theirs, slice, &home, now, &out),
                     skew < -60 ? TERN_TOKEN_EXPIRED : TERN_TOKEN_VALID);
  }
  tern_token_keys_deinit(&ours);
  tern_token_keys_deinit(&theirs);
}

/* Bits changed, bytes cut off or added, another server's: never accepted. */
static void forgeries(void **state)
{
  struct tern_token_keys foreign;
  struct tern_token out;
  (void)state;
  tern_token_keys_init(&foreign, &heap, &random_ops, NULL, ROTATE_NS);
  for (int is_retry = 0; is_retry < 2; is_retry++) {
    struct tern_token token = make_token(is_retry ? TERN_TOKEN_RETRY : TERN_TOKEN_NEW);
    uint8_t bytes[TERN_TOKEN_MAX + 1] = {0};
    size_t len = seal(&token, NOW, bytes);
    for (size_t bit = 0; bit < 8 * len; bit++) {
      bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
      assert_int_equal(tern_token_open(&keys, tern_slice_of(bytes, len), &home, NOW, &out),
                       TERN_TOKEN_UNKNOWN);
      bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    for (size_t cut = 0; cut <= TERN_TOKEN_MAX; cut++) {
      if (cut != len)
        assert_int_equal(tern_token_open(&keys, tern_slice_of(bytes, cut), &home, NOW, &out),
                         TERN_TOKEN_UNKNOWN);
    }
    size_t foreign_len;
    assert_int_equal(tern_token_seal(&foreign, &token, NOW, bytes, &foreign_len), TERN_OK);
    assert_int_equal(tern_token_open(&keys, tern_slice_of(bytes, foreign_len), &home, NOW, &out),
                     TERN_TOKEN_UNKNOWN);
  }
  for (size_t i = 0; i < 200000; i++) {
    uint8_t bytes[TERN_TOKEN_MAX + 40];
    random_ops.fill(random_ops.arg, bytes, sizeof bytes);
    bytes[0] = i % 2 != 0 ? TERN_TOKEN_RETRY : TERN_TOKEN_NEW;
    bytes[1] = (uint8_t)(NOW / ROTATE_NS);
    size_t len = i % 4 < 2 ? (i % 2 != 0 ? 99 : 57) : i % sizeof bytes;
    assert_int_equal(tern_token_open(&keys, tern_slice_of(bytes, len), &home, NOW, &out),
                     TERN_TOKEN_UNKNOWN);
  }
  tern_token_keys_deinit(&foreign);
}

static void memory_runs_out(void **state)
{
  struct tern_token token = make_token(TERN_TOKEN_RETRY);
  (void)state;
  for (uint64_t cap = 0; cap < 1100; cap += 100) {
    struct tern_alloc small;
    struct tern_token_keys poor;
    uint8_t bytes[TERN_TOKEN_MAX];
    size_t len;
    tern_alloc_init(&small, &tern_alloc_system, NULL, cap);
    tern_token_keys_init(&poor, &small, &random_ops, NULL, ROTATE_NS);
    tern_status status = tern_token_seal(&poor, &token, NOW, bytes, &len);
    assert_true(status == TERN_NOMEM || status == TERN_OK);
    tern_token_keys_deinit(&poor);
    tern_alloc_deinit(&small);
  }
}

/* [rfc9000-10.3.2] a keyed function of the id: stable, and different for any other id or key. */
static void reset_tokens(void **state)
{
  uint8_t key[32] = {1, 2, 3}, first[16], other[16];
  struct tern_cid cid = {8, {1, 2, 3, 4, 5, 6, 7, 8}};
  (void)state;
  tern_reset_token(key, &cid, first);
  tern_reset_token(key, &cid, other);
  assert_true(tern_crypto_equal(first, other, 16));
  for (uint8_t len = 0; len <= TERN_CID_MAX; len++) {
    struct tern_cid changed = cid;
    changed.len = len;
    tern_reset_token(key, &changed, other);
    assert_int_equal(tern_crypto_equal(first, other, 16), len == 8);
  }
  for (size_t i = 0; i < 64; i++) {
    struct tern_cid changed = cid;
    changed.bytes[i / 8] ^= (uint8_t)(1U << (i % 8));
    tern_reset_token(key, &changed, other);
    assert_false(tern_crypto_equal(first, other, 16));
  }
  key[31] ^= 1;
  tern_reset_token(key, &cid, other);
  assert_false(tern_crypto_equal(first, other, 16));
}

static int set_up(void **state)
{
  (void)state;
  tern_alloc_init(&heap, &tern_alloc_system, NULL, UINT64_MAX);
  tern_random_seeded_init(&seeded, 17);
  random_ops = tern_random_seeded_ops(&seeded);
  tern_token_keys_init(&keys, &heap, &random_ops, NULL, ROTATE_NS);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  tern_token_keys_deinit(&keys);
  tern_alloc_deinit(&heap);
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(both_kinds, set_up, tear_down),
      cmocka_unit_test_setup_teardown(addresses, set_up, tear_down),
      cmocka_unit_test_setup_teardown(lifetimes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(rotation, set_up, tear_down),
      cmocka_unit_test_setup_teardown(shared_secret, set_up, tear_down),
      cmocka_unit_test_setup_teardown(forgeries, set_up, tear_down),
      cmocka_unit_test_setup_teardown(memory_runs_out, set_up, tear_down),
      cmocka_unit_test_setup_teardown(reset_tokens, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
