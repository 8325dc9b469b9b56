/* SPDX-License-Identifier: MIT */
/* Every controller of ours passes the conformance kit, and the kit finds each rule broken. */
#include "recovery_test.h"

#include <tern/cc_kit.h>

static void test_ours_pass(void **state)
{
  (void)state;
  for (size_t n = 0; tern_cc_name(n) != NULL; n++) {
    char why[160] = "";
    tern_status status = tern_cc_check(tern_cc_find(tern_cc_name(n)), why, sizeof why);
    if (status != TERN_OK)
      print_message("%s breaks %s\n", tern_cc_name(n), why);
    assert_int_equal(status, TERN_OK);
  }
}

static void assert_breaks(const tern_cc_ops *ops, const char *rule)
{
  char why[160] = "";
  assert_int_equal(tern_cc_check(ops, why, sizeof why), TERN_INVALID);
  if (strncmp(why, rule, strlen(rule)) != 0)
    fail_msg("\"%s\" is not about %s", why, rule);
  assert_int_equal(tern_cc_check(ops, NULL, 0), TERN_INVALID);
}

/* ---- controllers with one fault each ---------------------------------------------------------- */

static void ignore_congestion(void *state, const tern_cc_congestion *event)
{
  (void)state;
  (void)event;
}

static void ignore_persistent(void *state, tern_time now)
{
  (void)state;
  (void)now;
}

static void forget_app_limits(void *state, const tern_cc_ack *ack)
{
  tern_cc_ack used = *ack;
  used.is_app_limited = false;
  tern_cc_newreno.on_acked(state, &used);
}

static void never_grow(void *state, const tern_cc_ack *ack)
{
  (void)state;
  (void)ack;
}

static uint64_t one_datagram_less(const void *state)
{
  return tern_cc_newreno.window_bytes(state) - 1200;
}

static uint64_t draw_from_memory(const void *state)
{
  uint64_t window = tern_cc_newreno.window_bytes(state);
  return window < 10000 ? window : window + ((uintptr_t)state >> 4) % 4096;
}

static void write_beyond(void *state, tern_time now, uint64_t bytes, uint64_t in_flight_bytes,
                         uint64_t packet_number)
{
  (void)now;
  (void)bytes;
  (void)in_flight_bytes;
  (void)packet_number;
  ((volatile uint8_t *)state)[TERN_CC_STATE_BYTES + 3] = 1;
}

static void ignore_marks(void *state, const tern_cc_congestion *event)
{
  if (!event->is_ecn)
    tern_cc_newreno.on_congestion(state, event);
}

static void test_faults_are_found(void **state)
{
  tern_cc_ops bad = tern_cc_newreno;
  (void)state;
  bad.version = 1;
  assert_breaks(&bad, "ops");
  bad = tern_cc_newreno;
  bad.on_congestion = NULL;
  assert_breaks(&bad, "ops");
  bad = tern_cc_newreno;
  bad.on_acked = never_grow;
  assert_breaks(&bad, "growth");
  bad.on_acked = forget_app_limits;
  assert_breaks(&bad, "app-limited");
  bad = tern_cc_newreno;
  bad.on_congestion = ignore_congestion;
  assert_breaks(&bad, "loss");
  bad.on_congestion = ignore_marks;
  assert_breaks(&bad, "mark");
  bad = tern_cc_newreno;
  bad.on_persistent_congestion = ignore_persistent;
  assert_breaks(&bad, "persistent");
  bad = tern_cc_newreno;
  bad.window_bytes = one_datagram_less;
  assert_breaks(&bad, "extremes");
  bad.window_bytes = draw_from_memory;
  assert_breaks(&bad, "deterministic");
  bad = tern_cc_newreno;
  bad.on_sent = write_beyond;
  assert_breaks(&bad, "bounds");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ours_pass),
      cmocka_unit_test(test_faults_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
