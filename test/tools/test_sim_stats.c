/* SPDX-License-Identifier: MIT */
/* Quantiles, rank correlation and fairness against figures worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../tools/cli.c"
#include "../../tools/sim_stats.c"

static void quantiles(void **state)
{
  struct tern_sim_samples samples = {0};
  (void)state;
  assert_true(isnan(tern_sim_samples_quantile(&samples, 0.5)));
  for (int i = 100; i >= 0; i--)
    tern_sim_samples_add(&samples, i);
  assert_true(fabs(tern_sim_samples_quantile(&samples, 0) - 0) < 1e-9);
  assert_true(fabs(tern_sim_samples_quantile(&samples, 0.5) - 50) < 1e-9);
  assert_true(fabs(tern_sim_samples_quantile(&samples, 0.995) - 99.5) < 1e-9);
  assert_true(fabs(tern_sim_samples_quantile(&samples, 1) - 100) < 1e-9);
  assert_true(fabs(tern_sim_samples_mean(&samples) - 50) < 1e-9);
  tern_sim_samples_deinit(&samples);
}

static void rank_correlation(void **state)
{
  const double up[] = {1, 2, 3, 4, 5}, squares[] = {1, 4, 9, 16, 25}, down[] = {9, 7, 5, 3, 1};
  const double flat[] = {2, 2, 2, 2, 2};
  /* One pair of neighbours swapped: 1 - 6 * 2 / (5 * 24) = 0.9. */
  const double swapped[] = {1, 3, 2, 4, 5};
  /* Ties take their mean rank: ranks 0.5 0.5 2 3 4 against 0 1 2 3 4, r = 9.5 / sqrt(9.5 * 10). */
  const double tied[] = {1, 1, 2, 3, 4};
  (void)state;
  assert_true(fabs(tern_rank_correlation(up, squares, 5) - 1) < 1e-12);
  assert_true(fabs(tern_rank_correlation(up, down, 5) + 1) < 1e-12);
  assert_true(fabs(tern_rank_correlation(up, swapped, 5) - 0.9) < 1e-12);
  assert_true(fabs(tern_rank_correlation(up, tied, 5) - 9.5 / sqrt(95)) < 1e-12);
  assert_true(fabs(tern_rank_correlation(up, flat, 5)) < 1e-12);
  assert_true(fabs(tern_rank_correlation(up, up, 1)) < 1e-12);
}

static void fairness(void **state)
{
  const double same[] = {3, 3, 3}, one[] = {1, 0, 0, 0};
  (void)state;
  assert_true(fabs(tern_jain_index(same, 3) - 1) < 1e-12);
  assert_true(fabs(tern_jain_index(one, 4) - 0.25) < 1e-12);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quantiles),
      cmocka_unit_test(rank_correlation),
      cmocka_unit_test(fairness),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
