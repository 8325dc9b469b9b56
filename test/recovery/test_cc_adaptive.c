/* SPDX-License-Identifier: MIT */
/* The adaptive choice, by the RTTs of a slow start that ends with a loss. The rules that every controller
 * keeps are in test_cc_kit.c. */
#include "recovery_test.h"

#include <tern/cc.h>

#define DATAGRAM 1200

/* What it is after a slow start on a path of `min_ms` whose queue made the last round trips `max_ms`. */
static const char *choose(uint64_t min_ns, uint64_t max_ns)
{
  union {
    uint8_t bytes[TERN_CC_STATE_BYTES];
    max_align_t align;
  } state;
  const tern_cc_ops *cc = &tern_cc_adaptive;
  tern_cc_start start = {.now = TERN_SECOND, .datagram_bytes = DATAGRAM, .seed = 1};
  tern_time now = TERN_SECOND;

  cc->init(&state, &start);
  for (uint64_t i = 0; i < 40; i++) {
    uint64_t rtt_ns = i < 30 ? min_ns : max_ns;
    now += MS;
    tern_cc_ack ack = {.now = now,
                       .acked_bytes = DATAGRAM,
                       .in_flight_bytes = 20000,
                       .prior_in_flight_bytes = 21200,
                       .newest_sent_time = now - rtt_ns,
                       .largest_acked = i,
                       .next_packet_number = i + 20,
                       .rtt = {rtt_ns, rtt_ns, rtt_ns / 8, min_ns},
                       .rate = {.delivered_bytes = 20000,
                                .interval_ns = rtt_ns,
                                .total_delivered_bytes = i * DATAGRAM,
                                .rtt_ns = rtt_ns}};
    if (i == 35)
      cc->on_congestion(&state, &(tern_cc_congestion){.now = now, .sent_time = now - rtt_ns});
    cc->on_acked(&state, &ack);
  }
  assert_true(cc->window_bytes(&state) >= 2 * DATAGRAM);
  return cc->state_name(&state);
}

static void test_choice(void **state)
{
  (void)state;
  assert_string_equal(choose(2 * MS, 20 * MS), "avoidance");    /* near */
  assert_string_equal(choose(100 * MS, 110 * MS), "avoidance"); /* shallow */
  assert_string_equal(choose(100 * MS, 101 * MS), "startup");   /* lost to something else: BBR's */
  assert_string_equal(choose(100 * MS, 180 * MS), "startup");   /* deep */
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
