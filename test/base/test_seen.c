/* SPDX-License-Identifier: MIT */
/* The bounded memory of fingerprints: exact while it remembers, and never larger than its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/seen.h"

static struct tern_alloc heap;
static struct tern_seen seen;

#define LIFE (10 * TERN_SECOND)
#define MOST 1000
#define NOW (100 * TERN_SECOND)

static uint64_t print_of(uint64_t i)
{
  uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
  return x ^ x >> 29;
}

static int set_up(void **state)
{
  (void)state;
  tern_alloc_init(&heap, &tern_alloc_system, NULL, UINT64_MAX);
  tern_seen_init(&seen, &heap, MOST, LIFE);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  tern_seen_deinit(&seen);
  tern_alloc_deinit(&heap);
  return 0;
}

static void exact_up_to_the_bound(void **state)
{
  (void)state;
  assert_false(tern_seen_has(&seen, 5, NOW));
  for (uint64_t i = 0; i < MOST; i++) {
    assert_false(tern_seen_has(&seen, print_of(i), NOW));
    assert_int_equal(tern_seen_add(&seen, print_of(i), NOW), TERN_OK);
    assert_int_equal(tern_seen_add(&seen, print_of(i), NOW), TERN_OK); /* quiet */
  }
  assert_int_equal(tern_seen_add(&seen, print_of(MOST), NOW), TERN_LIMIT);
  assert_int_equal(tern_seen_add(&seen, print_of(3), NOW), TERN_OK);
  for (uint64_t i = 0; i < MOST; i++)
    assert_true(tern_seen_has(&seen, print_of(i), NOW));
  assert_false(tern_seen_has(&seen, print_of(MOST), NOW));
  assert_in_range(heap.used_bytes, 8 * MOST, 32 * MOST);
  tern_seen_turn(&seen, NOW);
  assert_int_equal(tern_seen_add(&seen, print_of(MOST), NOW), TERN_OK);
  assert_true(tern_seen_has(&seen, print_of(0), NOW));
  tern_seen_turn(&seen, NOW);
  assert_false(tern_seen_has(&seen, print_of(0), NOW));
}

static void forgets_by_time(void **state)
{
  (void)state;
  assert_int_equal(tern_seen_add(&seen, 1, NOW), TERN_OK); /* the first turn is made here */
  assert_true(tern_seen_has(&seen, 1, NOW + LIFE - 1));
  assert_int_equal(tern_seen_add(&seen, 2, NOW + LIFE - 1), TERN_OK);
  assert_true(tern_seen_has(&seen, 1, NOW + LIFE));
  assert_true(tern_seen_has(&seen, 2, NOW + 2 * LIFE - 1));
  assert_false(tern_seen_has(&seen, 1, NOW + 2 * LIFE));
  assert_int_equal(tern_seen_add(&seen, 3, NOW + 2 * LIFE), TERN_OK);
  assert_false(tern_seen_has(&seen, 3, NOW + 9 * LIFE)); /* both halves at once */
  assert_int_equal(heap.used_bytes, 0);
  assert_int_equal(tern_seen_add(&seen, 3, NOW), TERN_OK); /* a clock that goes back */
  assert_true(tern_seen_has(&seen, 3, 0));
}

static void odd_prints_and_no_memory(void **state)
{
  (void)state;
  assert_int_equal(tern_seen_add(&seen, 0, NOW), TERN_OK);
  assert_true(tern_seen_has(&seen, 0, NOW));
  assert_int_equal(tern_seen_add(&seen, UINT64_MAX, NOW), TERN_OK);
  assert_true(tern_seen_has(&seen, UINT64_MAX, NOW));
  heap.cap_bytes = heap.used_bytes;
  uint64_t i = 0;
  while (tern_seen_add(&seen, print_of(i), NOW) == TERN_OK)
    i++;
  assert_int_equal(tern_seen_add(&seen, print_of(i), NOW), TERN_NOMEM);
  for (uint64_t k = 0; k < i; k++)
    assert_true(tern_seen_has(&seen, print_of(k), NOW));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(exact_up_to_the_bound, set_up, tear_down),
      cmocka_unit_test_setup_teardown(forgets_by_time, set_up, tear_down),
      cmocka_unit_test_setup_teardown(odd_prints_and_no_memory, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
