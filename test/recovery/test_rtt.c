/* SPDX-License-Identifier: MIT */
/* The estimator of RFC 9002 5: hand-computed sequences, and a floating-point model. */
#include "recovery_test.h"

#include "recovery/rtt.h"

static void test_initial(void **state)
{
  struct tern_rtt rtt;
  (void)state;
  tern_rtt_init(&rtt, 0);
  /* [rfc9002-6.2.2] 333 ms; the first PTO is then 1 second */
  assert_int_equal(rtt.smoothed_ns, 333 * MS);
  assert_int_equal(rtt.variation_ns, 333 * MS / 2);
  assert_int_equal(tern_rtt_pto_ns(&rtt), 999 * MS);
  assert_false(rtt.has_sample);
  assert_int_equal(tern_rtt_get_cc(&rtt).smoothed_ns, 0);
  tern_rtt_init(&rtt, 100 * MS);
  assert_int_equal(rtt.smoothed_ns, 100 * MS);
}

static void test_first_sample(void **state)
{
  struct tern_rtt rtt;
  (void)state;
  tern_rtt_init(&rtt, 0);
  tern_rtt_on_sample(&rtt, 80 * MS, 30 * MS, 25 * MS, false);
  /* [rfc9002-5.2] min_rtt MUST be the first sample; [rfc9002-5.3] delay plays no part in it */
  assert_int_equal(rtt.min_ns, 80 * MS);
  assert_int_equal(rtt.latest_ns, 80 * MS);
  assert_int_equal(rtt.smoothed_ns, 80 * MS);
  assert_int_equal(rtt.variation_ns, 40 * MS);
  assert_true(rtt.has_sample);
  assert_int_equal(tern_rtt_get_cc(&rtt).min_ns, 80 * MS);
}

/* From min 80, smoothed 80, variation 40 (ms), one further sample. */
static void test_second_sample(void **state)
{
  static const struct {
    uint64_t sample_us, delay_us, max_delay_us;
    bool is_confirmed;
    uint64_t smoothed_us, variation_us, min_us;
  } cases[] = {
      /* no delay: adjusted 120 */
      {120000, 0, 25000, true, 85000, 40000, 80000},
      /* delay within the peer's maximum: adjusted 100 */
      {120000, 20000, 25000, true, 82500, 35000, 80000},
      /* [rfc9002-5.3] MUST use the lesser of delay and maximum once confirmed: adjusted 95 */
      {120000, 40000, 25000, true, 81875, 33750, 80000},
      /* before confirmation the maximum is ignored: adjusted 80 */
      {120000, 40000, 25000, false, 80000, 30000, 80000},
      /* [rfc9002-5.3] MUST NOT subtract below min_rtt: adjusted 120 */
      {120000, 41000, 25000, false, 85000, 40000, 80000},
      {90000, 15000, 25000, true, 81250, 32500, 80000},
      /* exactly to min_rtt is allowed */
      {90000, 10000, 25000, true, 80000, 30000, 80000},
      /* [rfc9002-5.2] the lesser of min_rtt and latest_rtt, whatever the delay says */
      {60000, 20000, 25000, true, 77500, 35000, 60000},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct tern_rtt rtt;
    tern_rtt_init(&rtt, 0);
    tern_rtt_on_sample(&rtt, 80 * MS, 0, 0, true);
    tern_rtt_on_sample(&rtt, cases[i].sample_us * 1000, cases[i].delay_us * 1000,
                       cases[i].max_delay_us * 1000, cases[i].is_confirmed);
    assert_int_equal(rtt.latest_ns, cases[i].sample_us * 1000);
    assert_int_equal(rtt.smoothed_ns, cases[i].smoothed_us * 1000);
    assert_int_equal(rtt.variation_ns, cases[i].variation_us * 1000);
    assert_int_equal(rtt.min_ns, cases[i].min_us * 1000);
  }
}

static void test_pto_floor(void **state)
{
  struct tern_rtt rtt;
  (void)state;
  tern_rtt_init(&rtt, 0);
  for (int i = 0; i < 100; i++)
    tern_rtt_on_sample(&rtt, 50000, 0, 0, true);
  /* [rfc9002-6.2.1] never less than kGranularity above the round trip */
  assert_true(rtt.variation_ns < 1000);
  assert_int_equal(tern_rtt_pto_ns(&rtt), rtt.smoothed_ns + MS);
}

static void test_extremes(void **state)
{
  struct tern_rtt rtt;
  (void)state;
  tern_rtt_init(&rtt, 0);
  tern_rtt_on_sample(&rtt, 0, 0, 0, true);
  assert_int_equal(rtt.smoothed_ns, 1); /* a clock that stands still */
  for (int i = 0; i < 200; i++)
    tern_rtt_on_sample(&rtt, UINT64_MAX, UINT64_MAX, UINT64_MAX, i % 2 == 0);
  assert_true(rtt.smoothed_ns <= TERN_RTT_SAMPLE_MAX_NS);
  assert_true(rtt.latest_ns == TERN_RTT_SAMPLE_MAX_NS);
  tern_rtt_on_persistent_congestion(&rtt);
  assert_int_equal(rtt.min_ns, rtt.latest_ns); /* [rfc9002-5.2] SHOULD be the newest sample */
}

/* Integer rounding stays within nanoseconds of A.7's formulas in doubles. */
static void test_against_model(void **state)
{
  struct tern_random_seeded random;
  struct tern_rtt rtt;
  double smoothed = 0;
  double variation = 0;
  double min = 0;

  (void)state;
  tern_random_seeded_init(&random, 9002);
  print_message("seed 9002\n");
  tern_rtt_init(&rtt, 0);
  for (int i = 0; i < 20000; i++) {
    uint64_t sample = 1000 + draw_below(&random, 300 * MS);
    uint64_t delay = draw_below(&random, 60 * MS);
    bool is_confirmed = i > 10;
    double adjusted = (double)sample;
    double used = is_confirmed && delay > 25 * MS ? (double)(25 * MS) : (double)delay;

    tern_rtt_on_sample(&rtt, sample, delay, 25 * MS, is_confirmed);
    if (i == 0) {
      smoothed = min = (double)sample;
      variation = (double)sample / 2;
      continue;
    }
    if ((double)sample < min)
      min = (double)sample;
    if ((double)sample >= min + used)
      adjusted = (double)sample - used;
    variation =
        0.75 * variation + 0.25 * (smoothed > adjusted ? smoothed - adjusted : adjusted - smoothed);
    smoothed = 0.875 * smoothed + 0.125 * adjusted;
    assert_true(is_near(rtt.smoothed_ns, (uint64_t)smoothed, UINT64_MAX, 10));
    assert_true(is_near(rtt.variation_ns, (uint64_t)variation, UINT64_MAX, 20));
    assert_int_equal(rtt.min_ns, (uint64_t)min);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_initial),       cmocka_unit_test(test_first_sample),
      cmocka_unit_test(test_second_sample), cmocka_unit_test(test_pto_floor),
      cmocka_unit_test(test_extremes),      cmocka_unit_test(test_against_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
