/* SPDX-License-Identifier: MIT */
/* The seeded generator against published values, bounded draws against their distribution. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

/* SplitMix64 from seed 1234567 is published with these outputs; they become the generator's state. */
static void test_seeding(void **state)
{
  struct tern_random_seeded seeded;
  (void)state;
  tern_random_seeded_init(&seeded, 1234567);
  assert_true(seeded.state[0] == UINT64_C(6457827717110365317));
  assert_true(seeded.state[1] == UINT64_C(3203168211198807973));
  assert_true(seeded.state[2] == UINT64_C(9817491932198370423));
  assert_true(seeded.state[3] == UINT64_C(4593380528125082431));
}

/* xoshiro256** from state 1, 2, 3, 4: first values by hand from its definition. */
static void test_sequence(void **state)
{
  static const uint64_t expected[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240)};
  struct tern_random_seeded seeded = {{1, 2, 3, 4}};
  (void)state;
  for (size_t i = 0; i < 4; i++)
    assert_true(tern_random_seeded_next(&seeded) == expected[i]);
}

static void test_fill(void **state)
{
  struct tern_random_seeded a, b;
  uint8_t whole[24], piece[24];
  (void)state;
  tern_random_seeded_init(&a, 42);
  tern_random_seeded_init(&b, 42);
  tern_random_ops ops_a = tern_random_seeded_ops(&a), ops_b = tern_random_seeded_ops(&b);
  ops_a.fill(ops_a.arg, whole, sizeof whole);
  for (size_t i = 0; i < 24; i += 8)
    ops_b.fill(ops_b.arg, piece + i, 8);
  assert_memory_equal(whole, piece, sizeof whole);
  tern_random_seeded_init(&b, 42);
  assert_true(tern_random_u64(&ops_b) != 0);
  tern_random_seeded_init(&b, 42);
  uint64_t low_first = 0;
  for (size_t i = 8; i-- > 0;)
    low_first = low_first << 8 | whole[i];
  assert_true(tern_random_u64(&ops_b) == low_first);
  ops_a.fill(ops_a.arg, whole, 0);
}

static void test_below(void **state)
{
  struct tern_random_seeded seeded;
  uint64_t counts[7] = {0};
  (void)state;
  tern_random_seeded_init(&seeded, 7);
  tern_random_ops ops = tern_random_seeded_ops(&seeded);
  for (int i = 0; i < 70000; i++)
    counts[tern_random_below(&ops, 7)]++;
  for (size_t i = 0; i < 7; i++)
    assert_in_range(counts[i], 9500, 10500);
  for (int i = 0; i < 100; i++) {
    assert_true(tern_random_below(&ops, 1) == 0);
    assert_true(tern_random_below(&ops, UINT64_MAX) < UINT64_MAX);
  }
}

/* A source whose draws count up from 0: the ones that would make a bias are thrown away. */
static void fill_counting(void *arg, uint8_t *out, size_t len)
{
  uint64_t *next = arg;
  for (size_t i = 0; i < len; i++)
    out[i] = (uint8_t)(*next >> 8 * i);
  (*next)++;
}

static void test_below_rejects(void **state)
{
  uint64_t next = 0;
  tern_random_ops ops = {fill_counting, &next};
  (void)state;
  /* 2^64 mod 10 = 6: the draws 0 to 5 are lost. */
  assert_true(tern_random_below(&ops, 10) == 6);
  assert_int_equal(next, 7);
  /* A power of two loses none. */
  next = 0;
  assert_true(tern_random_below(&ops, 16) == 0);
  assert_int_equal(next, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_seeding),       cmocka_unit_test(test_sequence),
      cmocka_unit_test(test_fill),          cmocka_unit_test(test_below),
      cmocka_unit_test(test_below_rejects),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
