/* SPDX-License-Identifier: MIT */
/* The link model against what its parameters promise: rates, queues, probabilities, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/link.h"

#define SEED 0x51

static struct tern_sim_fate send_one(struct tern_sim_link *link, tern_time now, size_t len)
{
  struct tern_sim_fate fate;
  tern_sim_link_send(link, now, len, TERN_ECN_ECT0, &fate);
  return fate;
}

static void a_zero_link_is_a_perfect_wire(void **state)
{
  struct tern_sim_link_config config = {0};
  struct tern_sim_link link;
  (void)state;
  tern_sim_link_init(&link, &config, SEED);
  for (tern_time now = 0; now < 1000; now++) {
    struct tern_sim_fate fate = send_one(&link, now, 1200);
    assert_int_equal(fate.copies, 1);
    assert_int_equal(fate.arrive_at[0], now);
    assert_int_equal(fate.ecn, TERN_ECN_ECT0);
    assert_false(fate.is_corrupt);
  }
  assert_int_equal(link.stats.datagrams_out, 1000);
}

/* 1,250,000 bytes/s: 1,250 bytes take exactly one millisecond. */
static void the_rate_spaces_datagrams(void **state)
{
  struct tern_sim_link_config config = {.rate = 1250000, .delay_ns = 20 * TERN_MS};
  struct tern_sim_link link;
  (void)state;
  tern_sim_link_init(&link, &config, SEED);
  for (uint64_t i = 0; i < 100; i++) {
    assert_int_equal(tern_sim_link_queue_bytes(&link, 0), i * 1250);
    struct tern_sim_fate fate = send_one(&link, 0, 1250);
    assert_int_equal(fate.arrive_at[0], (i + 1) * TERN_MS + 20 * TERN_MS);
  }
  /* Half of it is through after 50 ms, all after 100 ms. */
  assert_int_equal(tern_sim_link_queue_bytes(&link, 50 * TERN_MS), 50 * 1250);
  assert_int_equal(tern_sim_link_queue_bytes(&link, 100 * TERN_MS), 0);
  assert_int_equal(send_one(&link, 200 * TERN_MS, 1250).arrive_at[0], 221 * TERN_MS);
}

static void the_queue_drops_its_tail(void **state)
{
  struct tern_sim_link_config config = {.rate = 1000000, .queue_bytes = 10000};
  struct tern_sim_link link;
  unsigned passed = 0;
  (void)state;
  tern_sim_link_init(&link, &config, SEED);
  for (int i = 0; i < 100; i++)
    passed += send_one(&link, 0, 1000).copies;
  assert_int_equal(passed, 10);
  assert_int_equal(link.stats.dropped_queue, 90);
  assert_int_equal(link.stats.queue_peak_bytes, 10000);
  /* One more fits for each that left: 1,000 bytes take a millisecond. */
  assert_int_equal(send_one(&link, TERN_MS, 1000).copies, 1);
  assert_int_equal(send_one(&link, TERN_MS, 1000).drop, TERN_SIM_DROP_QUEUE);
  /* A datagram longer than the queue passes an idle transmitter. */
  assert_int_equal(send_one(&link, TERN_SECOND, 60000).copies, 1);
}

/* Over a long time the link carries its rate, however much is offered. */
static void throughput_is_the_rate(void **state)
{
  struct tern_sim_link_config config = {.rate = 1250000, .queue_bytes = 50000};
  struct tern_sim_link link;
  uint64_t bytes = 0;
  (void)state;
  tern_sim_link_init(&link, &config, SEED);
  for (tern_time now = 0; now < 10 * TERN_SECOND; now += 300000)
    bytes += send_one(&link, now, 1200).copies * 1200u;
  assert_in_range(bytes, 12500000, 12500000 + 50000);
}

static void probabilities_are_kept(void **state)
{
  struct tern_sim_link_config config = {.loss_ppm = 100000,
                                        .duplicate_ppm = 50000,
                                        .corrupt_ppm = 20000,
                                        .reorder_ppm = 10000,
                                        .reorder_ns = TERN_MS,
                                        .ce_ppm = 30000};
  struct tern_sim_link link;
  const unsigned count = 200000;
  (void)state;
  print_message("seed %d\n", SEED);
  tern_sim_link_init(&link, &config, SEED);
  for (unsigned i = 0; i < count; i++) {
    struct tern_sim_fate fate = send_one(&link, i, 100);
    assert_true(fate.copies <= 2 && (fate.copies == 0) == (fate.drop != TERN_SIM_DROP_NONE));
    assert_true(!fate.is_corrupt || (fate.corrupt_at < 100 && fate.corrupt_mask != 0));
  }
  const struct tern_sim_link_stats *stats = &link.stats;
  uint64_t passed = count - stats->lost;
  assert_in_range(stats->lost, 19400, 20600);
  assert_in_range(stats->duplicated * 1000 / passed, 48, 52);
  assert_in_range(stats->corrupted * 1000 / passed, 18, 22);
  assert_in_range(stats->reordered * 1000 / passed, 8, 12);
  assert_in_range(stats->marked_ce * 1000 / passed, 28, 32);
  assert_int_equal(stats->datagrams_out, passed + stats->duplicated);
}

/* Losses in bursts: after a loss the next one is lost with burst_ppm. */
static void bursts_follow_losses(void **state)
{
  struct tern_sim_link_config config = {.loss_ppm = 10000, .burst_ppm = 500000};
  struct tern_sim_link link;
  unsigned after_loss = 0;
  unsigned lost_after_loss = 0;
  bool previous = false;
  (void)state;
  tern_sim_link_init(&link, &config, SEED);
  for (unsigned i = 0; i < 200000; i++) {
    bool is_lost = send_one(&link, i, 100).copies == 0;
    after_loss += previous ? 1 : 0;
    lost_after_loss += previous && is_lost ? 1 : 0;
    previous = is_lost;
  }
  assert_in_range(lost_after_loss * 100 / after_loss, 46, 54);
}

static void jitter_keeps_the_order_and_reordering_does_not(void **state)
{
  struct tern_sim_link_config config = {.delay_ns = 10 * TERN_MS, .jitter_ns = 5 * TERN_MS};
  struct tern_sim_link link;
  tern_time latest = 0;
  (void)state;
  tern_sim_link_init(&link, &config, SEED);
  for (tern_time now = 0; now < TERN_SECOND; now += 100000) {
    tern_time at = send_one(&link, now, 100).arrive_at[0];
    assert_true(at >= latest && at >= now + 10 * TERN_MS);
    assert_true(at <= now + 15 * TERN_MS || at == latest);
    latest = at;
  }
  link.config.reorder_ppm = 100000;
  link.config.reorder_ns = 20 * TERN_MS;
  unsigned overtaken = 0;
  for (tern_time now = TERN_SECOND; now < 2 * TERN_SECOND; now += 100000) {
    tern_time at = send_one(&link, now, 100).arrive_at[0];
    overtaken += at < latest ? 1 : 0;
    latest = at > latest ? at : latest;
  }
  assert_true(overtaken > 100);
}

static void ecn_is_marked_by_queue_and_bleached(void **state)
{
  struct tern_sim_link_config config = {.rate = 1000000, .ce_queue_bytes = 5000};
  struct tern_sim_link link;
  struct tern_sim_fate fate;
  (void)state;
  tern_sim_link_init(&link, &config, SEED);
  for (int i = 0; i < 10; i++)
    assert_int_equal(send_one(&link, 0, 1000).ecn, i < 5 ? TERN_ECN_ECT0 : TERN_ECN_CE);
  tern_sim_link_send(&link, 0, 1000, TERN_ECN_NOT, &fate);
  assert_int_equal(fate.ecn, TERN_ECN_NOT); /* not ECN-capable: never marked [rfc3168-5] */
  link.config.bleaches = true;
  assert_int_equal(send_one(&link, 0, 1000).ecn, TERN_ECN_NOT);
}

static void mtu_and_outage(void **state)
{
  struct tern_sim_link_config config = {.mtu_bytes = 1400};
  struct tern_sim_link link;
  (void)state;
  tern_sim_link_init(&link, &config, SEED);
  assert_int_equal(send_one(&link, 0, 1400).copies, 1);
  assert_int_equal(send_one(&link, 0, 1401).drop, TERN_SIM_DROP_MTU);
  link.config.is_down = true;
  assert_int_equal(send_one(&link, 0, 100).drop, TERN_SIM_DROP_OUTAGE);
  link.config.is_down = false;
  assert_int_equal(send_one(&link, 0, 100).copies, 1);
  assert_string_equal(tern_sim_drop_name(TERN_SIM_DROP_OUTAGE), "outage");
}

static void the_same_seed_repeats(void **state)
{
  struct tern_sim_link_config config = {.delay_ns = TERN_MS,
                                        .jitter_ns = TERN_MS,
                                        .rate = 1000000,
                                        .loss_ppm = 200000,
                                        .duplicate_ppm = 100000,
                                        .corrupt_ppm = 100000};
  struct tern_sim_link a;
  struct tern_sim_link b;
  struct tern_sim_link c;
  unsigned differences = 0;
  (void)state;
  tern_sim_link_init(&a, &config, 1);
  tern_sim_link_init(&b, &config, 1);
  tern_sim_link_init(&c, &config, 2);
  for (tern_time now = 0; now < 10000; now++) {
    struct tern_sim_fate fate = send_one(&a, now, 500);
    struct tern_sim_fate again = send_one(&b, now, 500);
    struct tern_sim_fate other = send_one(&c, now, 500);
    assert_memory_equal(&fate, &again, sizeof(fate));
    differences += memcmp(&fate, &other, sizeof(fate)) != 0 ? 1 : 0;
  }
  assert_true(differences > 1000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_zero_link_is_a_perfect_wire),
      cmocka_unit_test(the_rate_spaces_datagrams),
      cmocka_unit_test(the_queue_drops_its_tail),
      cmocka_unit_test(throughput_is_the_rate),
      cmocka_unit_test(probabilities_are_kept),
      cmocka_unit_test(bursts_follow_losses),
      cmocka_unit_test(jitter_keeps_the_order_and_reordering_does_not),
      cmocka_unit_test(ecn_is_marked_by_queue_and_bleached),
      cmocka_unit_test(mtu_and_outage),
      cmocka_unit_test(the_same_seed_repeats),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
