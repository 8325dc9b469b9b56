/* SPDX-License-Identifier: MIT */
/* HyStart++: rounds, the exit threshold of RFC 9406 4.2, and the way back from a false alarm. */
#include "recovery_test.h"

#include "recovery/hystart.h"

struct world {
  struct tern_hystart hystart;
  uint64_t next; /* packet number */
};

static void begin(struct world *w)
{
  tern_hystart_init(&w->hystart);
  w->next = 10;
}

/* One round of `samples` samples of the same RTT: the first closes the round before it. */
static void play_round(struct world *w, uint64_t rtt_ns, int samples)
{
  uint64_t acked = w->next;
  w->next += 100;
  for (int i = 0; i < samples; i++)
    tern_hystart_on_sample(&w->hystart, rtt_ns, acked + (uint64_t)i, w->next);
}

static void test_thresholds(void **state)
{
  static const struct {
    uint64_t before_us, after_us;
    int samples;
    bool is_exit;
  } cases[] = {
      {20000, 23999, 8, false},                              /* below MIN_RTT_THRESH = 4 ms */
      {20000, 24000, 8, true},   {20000, 24000, 7, false},   /* N_RTT_SAMPLE = 8 */
      {80000, 89999, 8, false},                              /* an eighth */
      {80000, 90000, 8, true},   {400000, 415999, 8, false}, /* MAX_RTT_THRESH = 16 ms */
      {400000, 416000, 8, true}, {50, 4049, 8, false},       /* loopback */
      {50, 4050, 8, true},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct world w;
    begin(&w);
    play_round(&w, cases[i].before_us * 1000, 20);
    play_round(&w, cases[i].before_us * 1000, 20);
    assert_int_equal(w.hystart.phase, TERN_HYSTART_STANDARD);
    play_round(&w, cases[i].after_us * 1000, cases[i].samples);
    assert_int_equal(w.hystart.phase,
                     cases[i].is_exit ? TERN_HYSTART_CONSERVATIVE : TERN_HYSTART_STANDARD);
  }
}

static void test_conservative(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  assert_int_equal(tern_hystart_growth_bytes(&w.hystart, 4000), 4000);
  play_round(&w, 20 * MS, 20);
  play_round(&w, 30 * MS, 20);
  assert_int_equal(w.hystart.phase, TERN_HYSTART_CONSERVATIVE);
  assert_int_equal(tern_hystart_growth_bytes(&w.hystart, 4000), 1000); /* CSS_GROWTH_DIVISOR */
  for (int round = 0; round < 4; round++) {
    play_round(&w, 31 * MS, 20);
    assert_int_equal(w.hystart.phase, TERN_HYSTART_CONSERVATIVE);
  }
  play_round(&w, 31 * MS, 1); /* CSS_ROUNDS = 5, the one of the transition included */
  assert_int_equal(w.hystart.phase, TERN_HYSTART_DONE);
  play_round(&w, 1, 20);
  assert_int_equal(w.hystart.phase, TERN_HYSTART_DONE);
}

static void test_false_alarm(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  play_round(&w, 20 * MS, 20);
  play_round(&w, 30 * MS, 20);
  play_round(&w, 29 * MS, 7);
  assert_int_equal(w.hystart.phase, TERN_HYSTART_CONSERVATIVE);
  tern_hystart_on_sample(&w.hystart, 31 * MS, w.next - 50, w.next);
  assert_int_equal(w.hystart.phase, TERN_HYSTART_STANDARD); /* below the baseline of 30 ms */
  play_round(&w, 33 * MS, 20);                              /* 4 ms above 29 ms: again */
  assert_int_equal(w.hystart.phase, TERN_HYSTART_CONSERVATIVE);
}

static void test_loss_ends_it(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  tern_hystart_on_congestion(&w.hystart);
  assert_int_equal(w.hystart.phase, TERN_HYSTART_DONE);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_thresholds),
      cmocka_unit_test(test_conservative),
      cmocka_unit_test(test_false_alarm),
      cmocka_unit_test(test_loss_ends_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
