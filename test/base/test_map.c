/* SPDX-License-Identifier: MIT */
/* SipHash against the vectors of its authors; the map against a linear model, with failures; distances
 * under load and under keys that collide in a plain hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/random.h"
#include "support/fail_alloc.h"

/* SipHash-2-4, key 00 01 .. 0f, message 00 01 .. of the index's length: "SipHash: a fast short-input
 * PRF", appendix A, for length 15, and the first lengths of the authors' table of test values. */
static void test_siphash(void **state)
{
  static const struct {
    size_t len;
    uint64_t hash;
  } vectors[] = {
      {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
      {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
      {15, UINT64_C(0xa129ca6149be45e5)},
  };
  const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
  uint8_t message[16];
  (void)state;
  for (size_t i = 0; i < sizeof message; i++)
    message[i] = (uint8_t)i;
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
    assert_true(tern_siphash(key, tern_slice_of(message, vectors[i].len)) == vectors[i].hash);
}

#define KEYS 700

struct fixture {
  struct tern_fail_alloc fail;
  tern_alloc_ops ops;
  struct tern_alloc alloc;
  struct tern_map map;
  struct tern_random_seeded seeded;
  tern_random_ops random;
  uint8_t keys[KEYS][TERN_MAP_KEY_MAX];
  size_t lens[KEYS];
  bool is_in[KEYS];
};

static void set_up(struct fixture *f, uint64_t seed)
{
  uint8_t key[16];
  memset(f, 0, sizeof *f);
  tern_random_seeded_init(&f->seeded, seed);
  f->random = tern_random_seeded_ops(&f->seeded);
  tern_fail_alloc_init(&f->fail, 0);
  f->ops = tern_fail_alloc_ops(&f->fail);
  tern_alloc_init(&f->alloc, &f->ops, NULL, UINT64_MAX);
  f->random.fill(f->random.arg, key, sizeof key);
  tern_map_init(&f->map, &f->alloc, key);
  for (size_t i = 0; i < KEYS; i++) {
    /* Many share their first bytes and differ in length; the index makes each unique. */
    f->lens[i] = 2 + (size_t)tern_random_below(&f->random, TERN_MAP_KEY_MAX - 1);
    f->keys[i][0] = (uint8_t)(i >> 8);
    f->keys[i][1] = (uint8_t)i;
  }
}

static tern_slice get_key(const struct fixture *f, size_t i)
{
  return tern_slice_of(f->keys[i], f->lens[i]);
}

static void check_all(struct fixture *f)
{
  size_t count = 0;
  for (size_t i = 0; i < KEYS; i++) {
    assert_ptr_equal(tern_map_find(&f->map, get_key(f, i)), f->is_in[i] ? f->keys[i] : NULL);
    count += f->is_in[i];
  }
  assert_int_equal(f->map.count, count);
}

static void step_random(struct fixture *f, size_t i, bool fails)
{
  if (f->is_in[i]) {
    assert_int_equal(tern_map_insert(&f->map, get_key(f, i), f), TERN_STATE);
    assert_ptr_equal(tern_map_remove(&f->map, get_key(f, i)), f->keys[i]);
    f->is_in[i] = false;
    return;
  }
  assert_null(tern_map_remove(&f->map, get_key(f, i)));
  tern_status status = tern_map_insert(&f->map, get_key(f, i), f->keys[i]);
  f->is_in[i] = status == TERN_OK;
  assert_true(f->is_in[i] || (fails && status == TERN_NOMEM));
}

static void run_model(uint64_t seed, bool fails)
{
  static struct fixture f;
  set_up(&f, seed);
  for (int step = 0; step < 20000; step++) {
    size_t range = step / 3000 % 2 ? 8 : KEYS;
    size_t i = (size_t)tern_random_below(&f.random, range);
    f.fail.fail_at = fails && step % 3 == 0 ? f.fail.takes + 1 : 0;
    step_random(&f, i, fails);
    if (step % 16 == 0)
      check_all(&f);
  }
  check_all(&f);
  for (size_t i = 0; i < KEYS; i++)
    assert_ptr_equal(tern_map_remove(&f.map, get_key(&f, i)), f.is_in[i] ? f.keys[i] : NULL);
  assert_int_equal(f.map.count, 0);
  assert_true(f.map.capacity <= 16);
  tern_map_deinit(&f.map);
  tern_alloc_deinit(&f.alloc);
  assert_int_equal(f.fail.live_blocks, 0);
}

static void test_model(void **state)
{
  (void)state;
  print_message("seeds 1, 2\n");
  run_model(1, false);
  run_model(2, true);
}

static void test_key_lengths(void **state)
{
  static struct fixture f;
  uint8_t key[TERN_MAP_KEY_MAX + 1] = {0};
  (void)state;
  set_up(&f, 3);
  assert_null(tern_map_find(&f.map, tern_slice_of(key, 0)));
  assert_null(tern_map_find(&f.map, tern_slice_of(key, 8)));
  assert_null(tern_map_remove(&f.map, tern_slice_of(key, 8)));
  assert_int_equal(tern_map_insert(&f.map, tern_slice_of(NULL, 0), &f), TERN_INVALID);
  assert_int_equal(tern_map_insert(&f.map, tern_slice_of(key, sizeof key), &f), TERN_INVALID);
  /* Zero bytes of every length are different keys. */
  for (size_t len = 1; len <= TERN_MAP_KEY_MAX; len++)
    assert_int_equal(tern_map_insert(&f.map, tern_slice_of(key, len), key + len), TERN_OK);
  for (size_t len = 1; len <= TERN_MAP_KEY_MAX; len++)
    assert_ptr_equal(tern_map_find(&f.map, tern_slice_of(key, len)), key + len);
  assert_null(tern_map_find(&f.map, tern_slice_of(key, sizeof key)));
  tern_map_deinit(&f.map);
}

/* Ids that only differ in their upper half, which a hash by the low bits would put into one place, fill
 * a table to its limit; an id is still found within a few slots of its home. */
static void test_chosen_keys_stay_near_home(void **state)
{
  static struct fixture f;
  size_t count = 196608; /* 3/4 of 2^18 */
  (void)state;
  set_up(&f, 4);
  for (size_t i = 0; i < count; i++) {
    uint8_t key[8] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
    assert_int_equal(tern_map_insert(&f.map, tern_slice_of(key, sizeof key), &f), TERN_OK);
  }
  /* The distance is the byte after the pointer and the tag of a 32-byte slot. */
  const uint8_t *slots = (const uint8_t *)f.map.slots;
  uint64_t sum = 0;
  unsigned longest = 0;
  for (size_t i = 0; i < f.map.capacity; i++) {
    unsigned distance = slots[32 * i + sizeof(void *) + 2];
    sum += distance;
    longest = distance > longest ? distance : longest;
  }
  print_message("load %.2f longest distance %u mean %.2f\n", (double)count / (double)f.map.capacity,
                longest, (double)sum / (double)count);
  assert_true(longest < 32);
  assert_true(sum < 3 * count);
  tern_map_deinit(&f.map);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_siphash),
      cmocka_unit_test(test_model),
      cmocka_unit_test(test_key_lengths),
      cmocka_unit_test(test_chosen_keys_stay_near_home),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
