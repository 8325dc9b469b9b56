/* SPDX-License-Identifier: MIT */
/* Policer, changing rates, radio links and two-state loss: what each promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/link.h"

/* 1,000,000 bytes/s and a bucket of 10,000. */
static void the_policer_keeps_its_rate(void **state)
{
  struct tern_sim_policer policer;
  uint64_t passed = 0;
  (void)state;
  memset(&policer, 0, sizeof(policer));
  for (int i = 0; i < 20; i++)
    passed += tern_sim_policer_pass(&policer, 1000000, 10000, TERN_SECOND, 1000);
  assert_int_equal(passed, 10);
  assert_false(tern_sim_policer_pass(&policer, 1000000, 10000, TERN_SECOND + 999000, 1000));
  assert_true(tern_sim_policer_pass(&policer, 1000000, 10000, TERN_SECOND + 1000000, 1000));
  /* Over long, whatever the times: odd distances lose nothing to rounding. */
  passed = 0;
  for (tern_time now = 2 * TERN_SECOND; now < 12 * TERN_SECOND; now += 333337)
    passed += tern_sim_policer_pass(&policer, 1000000, 10000, now, 997) ? 997 : 0;
  assert_in_range(passed, 9990000, 10011000);
}

static const struct tern_sim_rate_step steps[] = {
    {TERN_SECOND, 1000, 0},
    {2 * TERN_SECOND, 0, 5 * TERN_MS},
    {4 * TERN_SECOND, 2000, 0},
};

static void steps_of_rate(void **state)
{
  static const struct tern_sim_rate_step none[] = {{TERN_SECOND, 0, 0}};
  static const struct tern_sim_rate_step back[] = {{TERN_SECOND, 1, 0}, {TERN_SECOND, 1, 0}};
  struct tern_sim_rates rates;
  (void)state;
  assert_int_equal(tern_sim_rates_init(&rates, none, 1), TERN_INVALID);
  assert_int_equal(tern_sim_rates_init(&rates, back, 2), TERN_INVALID);
  assert_int_equal(tern_sim_rates_init(&rates, steps, 0), TERN_INVALID);
  assert_int_equal(tern_sim_rates_init(&rates, steps, 3), TERN_OK);
  assert_int_equal(tern_sim_rates_get(&rates, 0)->rate, 1000);
  assert_int_equal(tern_sim_rates_get(&rates, TERN_SECOND)->rate, 0);
  assert_int_equal(tern_sim_rates_get(&rates, 3 * TERN_SECOND)->rate, 2000);
  assert_int_equal(tern_sim_rates_get(&rates, 9 * TERN_SECOND)->rate, 0);
  assert_int_equal(tern_sim_rates_finish(&rates, 0, 500), TERN_SECOND / 2);
  assert_int_equal(tern_sim_rates_finish(&rates, 0, 1500), 2 * TERN_SECOND + TERN_SECOND / 4);
  assert_int_equal(tern_sim_rates_finish(&rates, 0, 5000), 4 * TERN_SECOND);
  assert_int_equal(tern_sim_rates_finish(&rates, 3 * TERN_SECOND, 7000), 8 * TERN_SECOND);
  assert_int_equal(tern_sim_rates_bytes(&rates, 0, 4 * TERN_SECOND), 5000);
  assert_int_equal(tern_sim_rates_bytes(&rates, TERN_SECOND / 2, 5 * TERN_SECOND), 5500);
}

/* The queue of a link holds what was sent faster than the steps allow. */
static void a_link_of_steps(void **state)
{
  struct tern_sim_rates rates;
  struct tern_sim_link_config config = {.rates = &rates, .queue_bytes = 1000};
  struct tern_sim_link link;
  struct tern_sim_fate fate;
  (void)state;
  assert_int_equal(tern_sim_rates_init(&rates, steps, 3), TERN_OK);
  tern_sim_link_init(&link, &config, 1);
  tern_sim_link_send(&link, 0, 500, 0, &fate);
  assert_int_equal(fate.arrive_at[0], TERN_SECOND / 2);
  tern_sim_link_send(&link, 0, 500, 0, &fate);
  assert_int_equal(fate.arrive_at[0], TERN_SECOND + 5 * TERN_MS);
  assert_int_equal(tern_sim_link_queue_bytes(&link, 0), 1000);
  tern_sim_link_send(&link, 0, 500, 0, &fate);
  assert_int_equal(fate.drop, TERN_SIM_DROP_QUEUE);
}

static struct tern_sim_rate_step radio[TERN_SIM_RATES_STEPS_MAX];

/* Each has the mean that was asked for, changes, and is the same for the same seed. */
static void radios(void **state)
{
  (void)state;
  for (int kind = TERN_SIM_RADIO_LTE; kind <= TERN_SIM_RADIO_WIFI; kind++) {
    static struct tern_sim_rate_step again[TERN_SIM_RATES_STEPS_MAX];
    struct tern_sim_rates rates;
    size_t count = tern_sim_radio_make((enum tern_sim_radio)kind, 11, 1250000, radio);
    assert_in_range(count, 100, TERN_SIM_RATES_STEPS_MAX);
    assert_int_equal(tern_sim_rates_init(&rates, radio, count), TERN_OK);
    assert_int_equal(rates.period_ns, 60 * TERN_SECOND);
    assert_in_range(tern_sim_rates_bytes(&rates, 0, 60 * TERN_SECOND), 74900000, 75100000);
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < count; i++) {
      least = radio[i].rate < least ? radio[i].rate : least;
      most = radio[i].rate > most ? radio[i].rate : most;
    }
    assert_int_equal(least, 0); /* gaps */
    assert_in_range(most, 1500000, 25000000);
    assert_int_equal(tern_sim_radio_make((enum tern_sim_radio)kind, 11, 1250000, again), count);
    assert_memory_equal(radio, again, count * sizeof(*radio));
    tern_sim_radio_make((enum tern_sim_radio)kind, 12, 1250000, again);
    assert_memory_not_equal(radio, again, count * sizeof(*radio));
  }
}

/* Gilbert and Elliott with p = 1 %, r = 25 % and all lost while bad: p / (p + r) = 3.85 % are lost, in
 * bursts of 1 / r = 4. */
static void two_states_of_loss(void **state)
{
  struct tern_sim_link_config config = {
      .bad_enter_ppm = 10000, .bad_leave_ppm = 250000, .bad_loss_ppm = TERN_SIM_PPM};
  struct tern_sim_link link;
  unsigned lost = 0, bursts = 0;
  bool was_lost = false;
  (void)state;
  tern_sim_link_init(&link, &config, 3);
  for (unsigned i = 0; i < 400000; i++) {
    struct tern_sim_fate fate;
    tern_sim_link_send(&link, i, 100, 0, &fate);
    bool is_lost = fate.drop == TERN_SIM_DROP_LOSS;
    lost += is_lost;
    bursts += is_lost && !was_lost;
    was_lost = is_lost;
  }
  assert_in_range(lost * 1000 / 400, 37000, 40000);
  assert_in_range(lost * 100 / bursts, 385, 415);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_policer_keeps_its_rate),
      cmocka_unit_test(steps_of_rate),
      cmocka_unit_test(a_link_of_steps),
      cmocka_unit_test(radios),
      cmocka_unit_test(two_states_of_loss),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
