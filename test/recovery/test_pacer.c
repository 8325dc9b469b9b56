/* SPDX-License-Identifier: MIT */
/* The pacer's inequality under random timers and rates, its exactness over time, and a loopback
 * path. */
#include "recovery_test.h"

#include "recovery/pacer.h"

#define DATAGRAM 1452

static void test_first_burst(void **state)
{
  struct tern_pacer pacer;
  (void)state;
  tern_pacer_init(&pacer, 1000, TERN_PACER_BURST_INITIAL * DATAGRAM);
  assert_int_equal(tern_pacer_budget(&pacer, 1000, 1000000, 10 * DATAGRAM), 10 * DATAGRAM);
  tern_pacer_on_sent(&pacer, 1000, 10 * DATAGRAM);
  assert_int_equal(tern_pacer_budget(&pacer, 1000, 1000000, 10 * DATAGRAM), 0);
  /* 1,452 bytes at 1 MB/s */
  assert_int_equal(tern_pacer_next(&pacer, 1000, 1000000, DATAGRAM), 1000 + 1452000);
  assert_int_equal(tern_pacer_budget(&pacer, 1000 + 1452000, 1000000, 10 * DATAGRAM), DATAGRAM);
}

static void test_debt(void **state)
{
  struct tern_pacer pacer;
  (void)state;
  tern_pacer_init(&pacer, 0, 0);
  tern_pacer_budget(&pacer, 0, 1000000, 4000);
  tern_pacer_on_sent(&pacer, 0, 3000); /* a probe that had to leave */
  assert_int_equal(tern_pacer_budget(&pacer, 3 * MS, 1000000, 4000), 0);
  assert_int_equal(tern_pacer_next(&pacer, 3 * MS, 1000000, 1000), 4 * MS);
  assert_int_equal(tern_pacer_next(&pacer, 3 * MS, 1000000, 1 << 20),
                   7 * MS); /* cut to the burst */
}

static void test_unpaced(void **state)
{
  struct tern_pacer pacer;
  (void)state;
  tern_pacer_init(&pacer, 0, 1000);
  assert_true(tern_pacer_budget(&pacer, 0, 0, 1000) == UINT64_MAX);
  tern_pacer_on_sent(&pacer, 0, 1000000);
  assert_int_equal(tern_pacer_next(&pacer, 5, 0, 1000), 5);
  assert_true(tern_pacer_budget(&pacer, 0, 0, 1000) == UINT64_MAX);
  assert_int_equal(tern_pacer_budget(&pacer, 0, 1000, 1000), 1000); /* no debt from then */
}

static void test_idle_gives_one_burst(void **state)
{
  struct tern_pacer pacer;
  (void)state;
  tern_pacer_init(&pacer, 0, 1000);
  assert_int_equal(tern_pacer_budget(&pacer, UINT64_MAX / 2, 1000000, 5000), 5000);
  assert_int_equal(tern_pacer_budget(&pacer, 3, 1000000, 5000), 5000); /* a clock that steps back */
}

static void test_late_timer(void **state)
{
  struct tern_pacer pacer;
  tern_time at = 0;
  (void)state;
  tern_pacer_init(&pacer, 0, 3000);
  tern_pacer_budget(&pacer, 0, 1000000, 3000);
  tern_pacer_on_sent(&pacer, 0, 3000);
  at = tern_pacer_next(&pacer, 0, 1000000, 3000);
  assert_int_equal(at, 3 * MS);
  assert_int_equal(tern_pacer_budget(&pacer, at + MS / 2, 1000000, 3000), 3500);
  /* the credit for lateness is bounded */
  assert_int_equal(tern_pacer_budget(&pacer, at + 100 * MS, 1000000, 3000), 3000 + 1000);
  tern_pacer_on_sent(&pacer, at + 100 * MS, 100);
  /* who does not wait is not late */
  assert_int_equal(tern_pacer_budget(&pacer, at + 300 * MS, 1000000, 3000), 3000);
}

/* bytes in [t, t + d) <= burst_max + rate * (d + late) + one datagram, for all pairs of events */
#define EVENTS 400

static void run_inequality(uint64_t seed)
{
  static tern_time times[EVENTS];
  static uint64_t sums[EVENTS + 1];
  struct tern_random_seeded random;
  struct tern_pacer pacer;
  uint64_t rate = 0;
  uint64_t burst = 0;
  tern_time now = 0;

  tern_random_seeded_init(&random, seed);
  rate = 1000 + draw_below(&random, UINT64_C(1) << (10 + seed % 24));
  burst = tern_pacer_burst_bytes(rate, 100 * DATAGRAM, DATAGRAM, 50 * MS);
  tern_pacer_init(&pacer, now, burst);
  for (int i = 0; i < EVENTS; i++) {
    uint64_t budget = tern_pacer_budget(&pacer, now, rate, burst);
    uint64_t bytes = 0;
    while (bytes < budget && !draw_one_in(&random, 50))
      bytes += DATAGRAM;
    times[i] = now;
    sums[i + 1] = sums[i] + bytes;
    if (bytes > 0)
      tern_pacer_on_sent(&pacer, now, bytes);
    now = tern_pacer_next(&pacer, now, rate, burst / 2 + 1);
    now += draw_one_in(&random, 3) ? draw_below(&random, 5 * MS) : 0; /* late, or idle */
  }
  for (int i = 0; i < EVENTS; i++) {
    for (int j = i; j < EVENTS; j++) {
      double span = (double)(times[j] - times[i] + TERN_PACER_LATE_MAX_NS) / 1e9;
      double bound = (double)burst + (double)rate * span + DATAGRAM + 1;
      assert_true((double)(sums[j + 1] - sums[i]) <= bound);
    }
  }
}

static void test_inequality(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 72; seed++)
    run_inequality(seed);
}

/* Exact wake-ups give the rate, however odd: no credit is lost to rounding. */
static void test_exact_rate(void **state)
{
  static const uint64_t rates[] = {1000, 33333, 1234567, 125000000, 3750000000u, 15999999999u};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(rates); i++) {
    struct tern_pacer pacer;
    uint64_t burst = tern_pacer_burst_bytes(rates[i], 100 * DATAGRAM, DATAGRAM, 50 * MS);
    uint64_t sent = 0;
    tern_time now = 0;
    tern_pacer_init(&pacer, 0, 0);
    for (int j = 0; j < 3000; j++) {
      uint64_t budget = tern_pacer_budget(&pacer, now, rates[i], burst) / DATAGRAM * DATAGRAM;
      sent += budget;
      if (budget > 0)
        tern_pacer_on_sent(&pacer, now, budget);
      now = tern_pacer_next(&pacer, now, rates[i], burst / 2 + DATAGRAM);
      tern_pacer_budget(&pacer, now - (now - pacer.refilled_at) / 2, rates[i],
                        burst); /* poll early */
    }
    assert_true(is_near((uint64_t)((double)sent * 1e9 / (double)now), rates[i], 200, DATAGRAM));
  }
}

/* Loopback: 50 us, 30 Gbit/s and a loop that wakes every 1 ms at best must not be held to a burst
 * per millisecond; with wake-ups by ACKs every 25 us the full rate passes. */
static void test_loopback(void **state)
{
  static const struct {
    uint64_t wake_ns;
    uint64_t percent; /* of the rate, at least */
  } cases[] = {{25000, 99}, {100000, 99}, {MS, 99}};
  const uint64_t rate = UINT64_C(3750000000);
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct tern_pacer pacer;
    uint64_t burst = tern_pacer_burst_bytes(rate, 100 * DATAGRAM, DATAGRAM, 50 * MS);
    uint64_t sent = 0;
    tern_time now = 0;
    assert_int_equal(burst, 64 * DATAGRAM);
    tern_pacer_init(&pacer, 0, burst);
    while (now < 100 * MS) {
      uint64_t budget = tern_pacer_budget(&pacer, now, rate, burst);
      sent += budget;
      if (budget > 0)
        tern_pacer_on_sent(&pacer, now, budget);
      tern_pacer_next(&pacer, now, rate, burst / 2);
      now += cases[i].wake_ns;
    }
    assert_true(sent * 10 >= rate / 100 * cases[i].percent);
  }
}

static void test_rates(void **state)
{
  (void)state;
  /* [rfc9002-7.7] N * congestion_window / smoothed_rtt */
  assert_int_equal(tern_pacer_rate(100000, 100 * MS, false), 1250000);
  assert_int_equal(tern_pacer_rate(100000, 100 * MS, true), 2000000);
  assert_int_equal(tern_pacer_rate(100000, 0, true), 0);
  assert_int_equal(tern_pacer_rate(UINT64_MAX, 1, true), TERN_PACER_RATE_MAX);
  assert_int_equal(tern_pacer_rate(1, UINT64_MAX, true), 1); /* 0 would mean unpaced */
}

/* By rate, and larger on short paths. */
static void test_bursts(void **state)
{
  (void)state;
  assert_int_equal(tern_pacer_burst_bytes(1000, 4 * DATAGRAM, DATAGRAM, 50 * MS), DATAGRAM);
  assert_int_equal(tern_pacer_burst_bytes(1000, 5 * DATAGRAM, DATAGRAM, 50 * MS), 2 * DATAGRAM);
  assert_int_equal(tern_pacer_burst_bytes(10000000, 100 * DATAGRAM, DATAGRAM, 50 * MS), 10000);
  assert_int_equal(tern_pacer_burst_bytes(UINT64_MAX, 100 * DATAGRAM, DATAGRAM, 50 * MS),
                   64 * DATAGRAM);
  assert_int_equal(tern_pacer_burst_bytes(1000000, 100 * DATAGRAM, DATAGRAM, MS / 10),
                   64 * DATAGRAM);
  assert_int_equal(tern_pacer_burst_bytes(1000000, 100 * DATAGRAM, DATAGRAM, MS),
                   16 * DATAGRAM + 1000);
  assert_int_equal(tern_pacer_burst_bytes(1000000, 100 * DATAGRAM, DATAGRAM, UINT64_MAX),
                   2 * DATAGRAM);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bursts),
      cmocka_unit_test(test_first_burst),
      cmocka_unit_test(test_debt),
      cmocka_unit_test(test_unpaced),
      cmocka_unit_test(test_idle_gives_one_burst),
      cmocka_unit_test(test_late_timer),
      cmocka_unit_test(test_inequality),
      cmocka_unit_test(test_exact_rate),
      cmocka_unit_test(test_loopback),
      cmocka_unit_test(test_rates),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
