/* SPDX-License-Identifier: MIT */
/* Delivery rate samples: hand-made flights, and a steady link whose rate must come out. */
#include "recovery_test.h"

#include "recovery/rate.h"
#include "recovery/sent.h"

static struct tern_sent_packet leave(struct tern_rate *rate, tern_time now, uint16_t bytes,
                                     uint64_t in_flight)
{
  struct tern_sent_packet packet;
  memset(&packet, 0, sizeof packet);
  packet.sent_time = now;
  packet.bytes = bytes;
  packet.rate = tern_rate_on_sent(rate, now, bytes, in_flight);
  return packet;
}

static tern_cc_rate acknowledge(struct tern_rate *rate, const struct tern_sent_packet *packets,
                                size_t count, uint64_t first_number, tern_time now)
{
  struct tern_rate_sample sample;
  tern_cc_rate out;
  tern_rate_begin(&sample);
  for (size_t i = 0; i < count; i++)
    tern_rate_on_acked(rate, &sample, &packets[i], first_number + i, now);
  tern_rate_generate(rate, &sample, 10 * MS, now, &out);
  return out;
}

static void test_one_flight(void **state)
{
  struct tern_rate rate;
  struct tern_sent_packet packets[4];
  tern_cc_rate out;
  (void)state;
  tern_rate_init(&rate);
  for (unsigned i = 0; i < 4; i++)
    packets[i] = leave(&rate, 100 * MS + i * MS, 1000, i * 1000);
  assert_int_equal(packets[3].rate.tx_in_flight_bytes, 4000);
  assert_int_equal(packets[3].rate.first_sent_time, 100 * MS);

  out = acknowledge(&rate, packets, 2, 0, 120 * MS);
  assert_int_equal(out.delivered_bytes, 2000);
  assert_int_equal(out.interval_ns, 20 * MS); /* ACK interval, longer than 1 ms of sending */
  assert_int_equal(out.rtt_ns, 19 * MS);
  assert_int_equal(out.prior_delivered_bytes, 0);
  assert_int_equal(out.total_delivered_bytes, 2000);
  assert_int_equal(out.tx_in_flight_bytes, 2000);

  out = acknowledge(&rate, packets + 2, 2, 2, 122 * MS);
  assert_int_equal(out.delivered_bytes, 4000);
  assert_int_equal(out.interval_ns, 22 * MS);
}

/* The rest of a flight is acknowledged in one burst: the send interval keeps the rate honest. */
static void test_ack_compression(void **state)
{
  struct tern_rate rate;
  struct tern_sent_packet packets[20];
  tern_cc_rate out;
  (void)state;
  tern_rate_init(&rate);
  for (unsigned i = 0; i < 10; i++)
    packets[i] = leave(&rate, i * 10 * MS, 1000, i * 1000);
  /* Their ACKs were held back and come together when the last has left. */
  acknowledge(&rate, packets, 1, 0, 99 * MS);
  for (unsigned i = 10; i < 20; i++)
    packets[i] = leave(&rate, i * 10 * MS, 1000, 9000 + (i - 10) * 1000);
  acknowledge(&rate, packets + 1, 9, 1, 199 * MS);
  out = acknowledge(&rate, packets + 10, 10, 10, 200 * MS);
  /* 19,000 bytes after packet 0; sent over 190 ms since packet 0, acknowledged over 101 ms */
  assert_int_equal(out.delivered_bytes, 19000);
  assert_int_equal(out.interval_ns, 190 * MS);
}

static void test_idle_restart(void **state)
{
  struct tern_rate rate;
  struct tern_sent_packet packet;
  tern_cc_rate out;
  (void)state;
  tern_rate_init(&rate);
  packet = leave(&rate, 0, 1000, 0);
  acknowledge(&rate, &packet, 1, 0, 20 * MS);
  packet = leave(&rate, 10 * TERN_SECOND, 1000, 0); /* nothing in flight: a new flight */
  out = acknowledge(&rate, &packet, 1, 1, 10 * TERN_SECOND + 25 * MS);
  assert_int_equal(out.interval_ns, 25 * MS);
  assert_int_equal(out.delivered_bytes, 1000);
}

static void test_no_sample(void **state)
{
  struct tern_rate rate;
  struct tern_sent_packet packet;
  tern_cc_rate out;
  (void)state;
  tern_rate_init(&rate);
  out = acknowledge(&rate, NULL, 0, 0, 5 * MS);
  assert_int_equal(out.interval_ns, 0);
  packet = leave(&rate, 0, 1000, 0);
  out = acknowledge(&rate, &packet, 1, 0, 5 * MS); /* shorter than min_rtt: not a rate */
  assert_int_equal(out.interval_ns, 0);
  assert_int_equal(out.delivered_bytes, 1000);
  assert_int_equal(out.rtt_ns, 5 * MS);
}

static void test_app_limited(void **state)
{
  struct tern_rate rate;
  struct tern_sent_packet packets[3];
  tern_cc_rate out;
  (void)state;
  tern_rate_init(&rate);
  packets[0] = leave(&rate, 0, 1000, 0);
  assert_false(packets[0].rate.is_app_limited);
  tern_rate_on_app_limited(&rate, 1000); /* the bubble is behind the 1,000 bytes in flight */
  packets[1] = leave(&rate, 5 * MS, 1000, 1000);
  assert_true(packets[1].rate.is_app_limited);
  out = acknowledge(&rate, packets, 1, 0, 20 * MS);
  assert_false(out.is_app_limited);
  assert_true(tern_rate_is_app_limited(&rate)); /* delivered 1,000, not yet beyond */
  out = acknowledge(&rate, packets + 1, 1, 1, 25 * MS);
  assert_true(out.is_app_limited);
  assert_false(tern_rate_is_app_limited(&rate));
  packets[2] = leave(&rate, 26 * MS, 1000, 0);
  assert_false(packets[2].rate.is_app_limited);
  tern_rate_init(&rate);
  tern_rate_on_app_limited(&rate, 0);
  assert_true(tern_rate_is_app_limited(&rate)); /* max(..., 1) */
}

static void test_losses(void **state)
{
  struct tern_rate rate;
  struct tern_sent_packet packets[3];
  tern_cc_rate out;
  (void)state;
  tern_rate_init(&rate);
  tern_rate_on_lost(&rate, 700);
  for (unsigned i = 0; i < 3; i++)
    packets[i] = leave(&rate, 0, 1000, i * 1000);
  tern_rate_on_lost(&rate, 2000);
  out = acknowledge(&rate, packets + 2, 1, 2, 30 * MS);
  assert_int_equal(out.lost_bytes, 2000); /* only since the packet left */
}

/* Reordering within one ACK: the newest packet decides, in whatever order they are told. */
static void test_newest_wins(void **state)
{
  (void)state;
  for (int order = 0; order < 2; order++) {
    struct tern_rate rate;
    struct tern_rate_sample sample;
    struct tern_sent_packet packets[2];
    tern_cc_rate out;
    tern_rate_init(&rate);
    packets[0] = leave(&rate, 0, 1000, 0);
    packets[1] = leave(&rate, 3 * MS, 1000, 1000);
    tern_rate_begin(&sample);
    for (int i = 0; i < 2; i++) {
      int n = order ? 1 - i : i;
      tern_rate_on_acked(&rate, &sample, &packets[n], (uint64_t)n, 20 * MS);
    }
    tern_rate_generate(&rate, &sample, 0, 20 * MS, &out);
    assert_int_equal(out.rtt_ns, 17 * MS);
    assert_int_equal(out.tx_in_flight_bytes, 2000);
  }
}

/* A link of 1,250 bytes per ms (10 Mbit/s) and 20 ms: every sample after the first round shows
 * it. */
static void test_steady_link(void **state)
{
  struct tern_rate rate;
  struct tern_sent_packet packets[200];
  (void)state;
  tern_rate_init(&rate);
  for (unsigned t = 0; t < 200; t++) {
    unsigned in_flight = t < 20 ? t : 20;
    if (t >= 20) {
      tern_cc_rate out = acknowledge(&rate, &packets[t - 20], 1, t - 20, t * MS);
      if (t >= 45) {
        uint64_t per_second = out.delivered_bytes * TERN_SECOND / out.interval_ns;
        assert_true(is_near(per_second, 1250000, 100, 0));
      }
      in_flight--;
    }
    packets[t] = leave(&rate, t * MS, 1250, in_flight * 1250);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_flight),   cmocka_unit_test(test_ack_compression),
      cmocka_unit_test(test_idle_restart), cmocka_unit_test(test_no_sample),
      cmocka_unit_test(test_app_limited),  cmocka_unit_test(test_losses),
      cmocka_unit_test(test_newest_wins),  cmocka_unit_test(test_steady_link),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
