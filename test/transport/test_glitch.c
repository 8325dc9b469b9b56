/* SPDX-License-Identifier: MIT */
/* [rfc9000-21.9], [HOSTILE T14]: a burst is forgiven, a rate is, more is not. */
#include "parts_test.h"

#include "transport/glitch.h"

#include <tern/config.h>

static void test_burst(void **state)
{
  (void)state;
  struct tern_glitch glitch;
  tern_glitch_init(&glitch, TERN_CAP_GLITCH_BURST, TERN_CAP_GLITCH_RATE, 0);
  for (uint32_t i = 0; i < TERN_CAP_GLITCH_BURST; i++)
    assert_true(tern_glitch_on_event(&glitch, 1, 0));
  assert_false(tern_glitch_on_event(&glitch, 1, 0));
}

static void test_rate(void **state)
{
  (void)state;
  struct tern_glitch glitch;
  tern_glitch_init(&glitch, 100, 10, 5 * TERN_SECOND);
  for (uint32_t i = 0; i < 100; i++)
    assert_true(tern_glitch_on_event(&glitch, 1, 5 * TERN_SECOND));
  /* Ten per second for an hour. */
  for (uint64_t i = 1; i <= 36000; i++)
    assert_true(tern_glitch_on_event(&glitch, 1, 5 * TERN_SECOND + i * TERN_SECOND / 10));
  assert_false(tern_glitch_on_event(&glitch, 1, 5 * TERN_SECOND + 3600 * TERN_SECOND));
}

static void test_refill_is_bounded_and_clocks_may_jump(void **state)
{
  (void)state;
  struct tern_glitch glitch;
  tern_glitch_init(&glitch, 5, 1, 0);
  assert_true(tern_glitch_on_event(&glitch, 5, UINT64_MAX / 2));
  assert_false(tern_glitch_on_event(&glitch, 1, 0));
  tern_glitch_init(&glitch, 5, 1 << 30, 0);
  assert_true(tern_glitch_on_event(&glitch, 5, 0));
  assert_true(tern_glitch_on_event(&glitch, 5, UINT64_MAX));
  assert_false(tern_glitch_on_event(&glitch, 1, UINT64_MAX));
  tern_glitch_init(&glitch, 1, 0, 0);
  assert_true(tern_glitch_on_event(&glitch, 1, 0));
  assert_false(tern_glitch_on_event(&glitch, 1, UINT64_MAX));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_burst),
      cmocka_unit_test(test_rate),
      cmocka_unit_test(test_refill_is_bounded_and_clocks_may_jump),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
