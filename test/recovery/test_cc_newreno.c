/* SPDX-License-Identifier: MIT */
/* NewReno: the states of RFC 9002 7.3 and the formulas of its appendix B. */
#include "recovery_test.h"

#include <tern/cc.h>

#define DATAGRAM 1200

struct world {
  union {
    uint8_t bytes[TERN_CC_STATE_BYTES];
    max_align_t align;
  } state;
  const tern_cc_ops *cc;
};

static void begin(struct world *w, uint64_t datagram_bytes)
{
  memset(w, 0xa5, sizeof *w);
  w->cc = tern_cc_find("newreno");
  assert_ptr_equal(w->cc, &tern_cc_newreno);
  w->cc->init(&w->state, &(tern_cc_start){.datagram_bytes = datagram_bytes});
}

static uint64_t window(const struct world *w)
{
  return w->cc->window_bytes(&w->state);
}

static void acknowledge(struct world *w, uint64_t bytes, tern_time sent_time, bool is_app_limited)
{
  tern_cc_ack ack;
  memset(&ack, 0, sizeof ack);
  ack.now = sent_time + 50 * MS;
  ack.acked_bytes = bytes;
  ack.newest_sent_time = sent_time;
  ack.is_app_limited = is_app_limited;
  w->cc->on_acked(&w->state, &ack);
}

static void congest(struct world *w, tern_time now, tern_time sent_time)
{
  tern_cc_congestion event;
  memset(&event, 0, sizeof event);
  event.now = now;
  event.sent_time = sent_time;
  w->cc->on_congestion(&w->state, &event);
}

static void test_initial_window(void **state)
{
  static const struct {
    uint64_t datagram, window;
  } cases[] = {{1200, 12000}, {1452, 14520}, {1472, 14720}, {1500, 14720}, {9000, 18000}};
  struct world w;
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) { /* [rfc9002-7.2] */
    begin(&w, cases[i].datagram);
    assert_int_equal(window(&w), cases[i].window);
    assert_true(w.cc->is_in_slow_start(&w.state));
    assert_true(w.cc->ssthresh_bytes(&w.state) == UINT64_MAX);
  }
}

static void test_slow_start(void **state)
{
  struct world w;
  (void)state;
  begin(&w, DATAGRAM);
  acknowledge(&w, 12000, 1, false);
  assert_int_equal(window(&w), 24000); /* [rfc9002-7.3.1] grows by what is acknowledged */
  acknowledge(&w, 12000, 2, true);
  assert_int_equal(window(&w), 24000); /* [rfc9002-7.8] not while underused */
}

static void test_recovery(void **state)
{
  struct world w;
  (void)state;
  begin(&w, DATAGRAM);
  acknowledge(&w, 28000, 5 * MS, false);
  congest(&w, 100 * MS, 60 * MS);
  assert_int_equal(window(&w), 20000); /* [rfc9002-7.3.2] MUST set ssthresh to half */
  assert_int_equal(w.cc->ssthresh_bytes(&w.state), 20000);
  assert_false(w.cc->is_in_slow_start(&w.state));
  congest(&w, 110 * MS, 99 * MS);
  congest(&w, 110 * MS, 100 * MS);
  assert_int_equal(window(&w), 20000); /* once per recovery period */
  acknowledge(&w, 20000, 100 * MS, false);
  assert_int_equal(window(&w), 20000); /* no growth in it */
  congest(&w, 200 * MS, 101 * MS);
  assert_int_equal(window(&w), 10000);
  for (tern_time t = 201; t < 240; t += 2)
    congest(&w, (t + 1) * MS, t * MS);
  assert_int_equal(window(&w), 2 * DATAGRAM); /* [rfc9002-7.2] minimum */
}

static void test_avoidance(void **state)
{
  struct world w;
  (void)state;
  begin(&w, DATAGRAM);
  acknowledge(&w, 108000, 1, false);
  congest(&w, 10 * MS, 5 * MS);
  assert_int_equal(window(&w), 60000);
  for (int i = 0; i < 49; i++)
    acknowledge(&w, DATAGRAM, 11 * MS, false);
  assert_int_equal(window(&w), 60000);
  acknowledge(&w, DATAGRAM, 11 * MS, false);
  /* [rfc9002-7.3.3] MUST be at most one datagram per window acknowledged */
  assert_int_equal(window(&w), 61200);
  for (int i = 0; i < 51; i++)
    acknowledge(&w, DATAGRAM, 11 * MS, false);
  assert_int_equal(window(&w), 62400);
}

static void test_persistent_congestion(void **state)
{
  struct world w;
  (void)state;
  begin(&w, DATAGRAM);
  acknowledge(&w, 108000, 1, false);
  congest(&w, 10 * MS, 5 * MS);
  w.cc->on_persistent_congestion(&w.state, 10 * MS);
  assert_int_equal(window(&w), 2 * DATAGRAM);    /* [rfc9002-7.6.2] MUST fall to the minimum */
  assert_true(w.cc->is_in_slow_start(&w.state)); /* up to the old threshold */
  acknowledge(&w, 2400, 6 * MS, false);          /* congestion_recovery_start_time = 0 */
  assert_int_equal(window(&w), 4800);
}

static void test_datagram_bytes(void **state)
{
  struct world w;
  (void)state;
  begin(&w, DATAGRAM);
  w.cc->on_datagram_bytes(&w.state, 1452);
  assert_int_equal(window(&w), 14520); /* [rfc9002-7.2] the initial window is recalculated */
  acknowledge(&w, 480, 1, false);
  w.cc->on_datagram_bytes(&w.state, 1200);
  assert_int_equal(window(&w), 15000);
}

static void test_bound(void **state)
{
  struct world w;
  (void)state;
  begin(&w, DATAGRAM);
  for (int i = 0; i < 60; i++)
    acknowledge(&w, window(&w), 1, false);
  assert_int_equal(window(&w), UINT64_C(1) << 30);
}

static void test_find(void **state)
{
  (void)state;
  assert_ptr_equal(tern_cc_find("cubic"), &tern_cc_cubic);
  assert_null(tern_cc_find("vegas"));
  assert_null(tern_cc_find(""));
  assert_null(tern_cc_find(NULL));
  assert_int_equal(tern_cc_newreno.size, sizeof(tern_cc_ops));
  assert_int_equal(tern_cc_newreno.version, TERN_CC_VERSION);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_initial_window),
      cmocka_unit_test(test_slow_start),
      cmocka_unit_test(test_recovery),
      cmocka_unit_test(test_avoidance),
      cmocka_unit_test(test_persistent_congestion),
      cmocka_unit_test(test_datagram_bytes),
      cmocka_unit_test(test_bound),
      cmocka_unit_test(test_find),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
