/* SPDX-License-Identifier: MIT */
/* Proportional rate reduction: the two examples of RFC 6937 4, and its bounds on random recoveries. */
#include "recovery_test.h"

#include "recovery/prr.h"

#define MSS 1000

static uint64_t in_flight;

static void begin(struct tern_prr *prr, uint64_t flight, uint64_t lost, uint64_t target)
{
  struct tern_prr_loss loss = {.now = 100,
                               .target_bytes = target,
                               .lost_bytes = lost,
                               .in_flight_bytes = flight - lost,
                               .datagram_bytes = MSS};
  in_flight = flight - lost;
  tern_prr_begin(prr, &loss);
}

/* Sends whole datagrams as the window allows; returns how many. */
static uint64_t send_out(const struct tern_prr *prr)
{
  uint64_t count = 0;
  while (in_flight + MSS <= tern_prr_window(prr, prr->target_bytes)) {
    in_flight += MSS;
    count++;
  }
  return count;
}

static void acknowledge(struct tern_prr *prr, uint64_t acked, uint64_t lost)
{
  in_flight -= acked + lost;
  struct tern_prr_ack ack = {.acked_bytes = acked,
                             .lost_bytes = lost,
                             .in_flight_bytes = in_flight,
                             .newest_sent_time = 50,
                             .datagram_bytes = MSS};
  tern_prr_on_acked(prr, &ack);
}

/* [rfc6937-4] one loss of 20, target 10: every other ACK sends one, and the round ends at the target. */
static void test_spread(void **state)
{
  struct tern_prr prr;
  uint64_t sent = 0;
  (void)state;
  begin(&prr, 20 * MSS, MSS, 10 * MSS);
  sent += send_out(&prr);
  assert_int_equal(sent, 1);
  for (int i = 0; i < 19; i++) {
    acknowledge(&prr, MSS, 0);
    uint64_t now = send_out(&prr);
    assert_true(now <= 2);
    sent += now;
    assert_true(sent <= (uint64_t)(i + 1) / 2 + 2); /* half of what is acknowledged */
  }
  assert_int_equal(in_flight, 10 * MSS);
  assert_int_equal(sent, 10);
}

/* Most of the window is lost: what is left is below the target, and there is nothing to come down from
 * but the window itself. */
static void test_heavy_loss(void **state)
{
  struct tern_prr prr;
  (void)state;
  begin(&prr, 20 * MSS, 16 * MSS, 10 * MSS);
  (void)send_out(&prr);
  acknowledge(&prr, MSS, 0);
  assert_int_equal(tern_prr_window(&prr, 10 * MSS), 10 * MSS);
  begin(&prr, 8 * MSS, MSS, 10 * MSS); /* nor where the window was not used */
  assert_int_equal(tern_prr_window(&prr, 10 * MSS), 10 * MSS);
}

/* [rfc6937-3.1] what is sent stays in proportion to what is delivered; a packet sent later ends it. */
static void test_random(void **state)
{
  struct tern_random_seeded random;
  (void)state;
  tern_random_seeded_init(&random, 6937);
  for (int run = 0; run < 2000; run++) {
    struct tern_prr prr;
    uint64_t flight = (3 + draw_below(&random, 100)) * MSS;
    uint64_t target = flight * 7 / 10;
    begin(&prr, flight, MSS, target < 2 * MSS ? 2 * MSS : target);
    while (in_flight >= 2 * MSS && prr.delivered_bytes < flight) {
      (void)send_out(&prr);
      acknowledge(&prr, MSS, draw_one_in(&random, 10) ? MSS : 0);
      if (!prr.is_active)
        break;
      assert_true(tern_prr_window(&prr, 0) >= 2 * MSS);
      assert_true(prr.out_bytes * prr.flight_bytes <=
                  prr.delivered_bytes * prr.target_bytes + 3 * MSS * prr.flight_bytes);
    }
    struct tern_prr_ack late = {.newest_sent_time = 101, .datagram_bytes = MSS};
    tern_prr_on_acked(&prr, &late);
    assert_int_equal(tern_prr_window(&prr, 77), 77);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_spread),
      cmocka_unit_test(test_heavy_loss),
      cmocka_unit_test(test_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
