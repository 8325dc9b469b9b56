/* SPDX-License-Identifier: MIT */
/* The managed queues against what RFC 8289, RFC 8290 and RFC 9332 say of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/queue.h"

#define PACKETS 4096
#define LEN 1000

static struct tern_sim_packet packets[PACKETS];
static size_t used;
static tern_alloc_ops ops;
static struct tern_alloc alloc;

static int set_up(void **state)
{
  (void)state;
  memset(packets, 0, sizeof(packets));
  used = 0;
  ops = tern_alloc_system;
  tern_alloc_init(&alloc, &ops, NULL, UINT64_MAX);
  return 0;
}

static struct tern_sim_packet *make(uint32_t flow, uint8_t ecn)
{
  struct tern_sim_packet *packet = &packets[used++ % PACKETS];
  memset(packet, 0, sizeof(*packet));
  packet->len = LEN;
  packet->flow = flow;
  packet->ecn = ecn;
  return packet;
}

static unsigned count_dropped(struct tern_sim_queue *queue)
{
  unsigned count = 0;
  while (tern_sim_queue_take_dropped(queue) != NULL)
    count++;
  return count;
}

/* ---- CoDel ------------------------------------------------------------------------------- */

/* [rfc8289-3.3] Distances of interval / sqrt(count). */
static void codel_control_law(void **state)
{
  static const struct {
    uint32_t count;
    uint64_t ns;
  } rows[] = {{1, 100000000}, {2, 70710678}, {3, 57735026}, {4, 50000000}, {100, 10000000}};
  struct tern_sim_codel codel;
  (void)state;
  tern_sim_codel_init(&codel);
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    assert_int_equal(tern_sim_codel_control_law(&codel, 7, rows[i].count), 7 + rows[i].ns);
}

/* One packet of 1,000 bytes leaves each millisecond, after a wait that stays what it is: 20 ms. */
static void codel_drops_at_its_distances(void **state)
{
  struct tern_sim_queue queue;
  tern_time drops[16];
  unsigned count = 0;
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_CODEL, 0, &alloc), TERN_OK);
  for (tern_time ms = 0; ms < 20; ms++)
    tern_sim_queue_add(&queue, make(0, TERN_ECN_NOT), TERN_SECOND + ms * TERN_MS);
  for (tern_time ms = 20; ms < 500 && count < 5; ms++) {
    tern_time now = TERN_SECOND + ms * TERN_MS;
    tern_sim_queue_add(&queue, make(0, TERN_ECN_NOT), now);
    assert_non_null(tern_sim_queue_next(&queue, now));
    while (tern_sim_queue_take_dropped(&queue) != NULL) {
      tern_sim_queue_add(&queue, make(0, TERN_ECN_NOT), now - 19 * TERN_MS); /* keep the wait */
      drops[count++] = ms;
    }
  }
  /* The first after an interval above the target; then 100, 70.7, 57.7 and 50 ms apart. */
  assert_int_equal(count, 5);
  assert_int_equal(drops[0], 20 + 100);
  assert_in_range(drops[1] - drops[0], 100, 101);
  assert_in_range(drops[2] - drops[1], 70, 72);
  assert_in_range(drops[3] - drops[2], 57, 59);
  assert_in_range(drops[4] - drops[3], 49, 51);
  tern_sim_queue_deinit(&queue);
}

/* [rfc8289-5.6] One packet alone is never too long a queue, and a short wait resets the clock. */
static void codel_leaves_good_queues_alone(void **state)
{
  struct tern_sim_queue queue;
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_CODEL, 0, &alloc), TERN_OK);
  for (tern_time ms = 0; ms < 1000; ms++) {
    tern_sim_queue_add(&queue, make(0, TERN_ECN_NOT), ms * TERN_MS);
    assert_non_null(tern_sim_queue_next(&queue, (ms + 50) * TERN_MS));
  }
  assert_int_equal(count_dropped(&queue), 0);
  assert_null(tern_sim_queue_next(&queue, TERN_SECOND));
  tern_sim_queue_deinit(&queue);
}

/* ECN-capable packets are marked and stay. */
static void codel_marks(void **state)
{
  struct tern_sim_queue queue;
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_CODEL, 0, &alloc), TERN_OK);
  for (tern_time ms = 0; ms < 400; ms++)
    tern_sim_queue_add(&queue, make(0, TERN_ECN_ECT0), 0);
  for (tern_time ms = 20; ms < 400; ms++)
    assert_non_null(tern_sim_queue_next(&queue, ms * TERN_MS));
  assert_int_equal(count_dropped(&queue), 0);
  /* At 120 ms, then 100, 70.7, 57.7 and 50 ms on. */
  assert_int_equal(tern_sim_queue_marked(&queue), 5);
  tern_sim_queue_deinit(&queue);
}

/* ---- FQ-CoDel ---------------------------------------------------------------------------- */

/* [rfc8290-4.2] A flow that sends now and then is served before one that fills the queue. */
static void fq_codel_serves_sparse_flows_first(void **state)
{
  struct tern_sim_queue queue;
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_FQ_CODEL, 0, &alloc), TERN_OK);
  for (int i = 0; i < 100; i++)
    tern_sim_queue_add(&queue, make(1, TERN_ECN_NOT), 0);
  for (int i = 0; i < 4; i++)
    assert_int_equal(tern_sim_queue_next(&queue, 0)->flow, 1);
  tern_sim_queue_add(&queue, make(2, TERN_ECN_NOT), 0);
  assert_int_equal(tern_sim_queue_next(&queue, 0)->flow, 2);
  assert_int_equal(tern_sim_queue_next(&queue, 0)->flow, 1);
  assert_int_equal(tern_sim_queue_bytes(&queue), 95 * LEN);
  while (tern_sim_queue_next(&queue, 0) != NULL)
    ;
  assert_int_equal(tern_sim_queue_bytes(&queue), 0);
  tern_sim_queue_deinit(&queue);
}

/* [rfc8290-4.2] Turns of a quantum: two flows that always have something get the same. */
static void fq_codel_shares(void **state)
{
  struct tern_sim_queue queue;
  unsigned served[3] = {0};
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_FQ_CODEL, 0, &alloc), TERN_OK);
  for (uint32_t i = 0; i < 900; i++)
    tern_sim_queue_add(&queue, make(i % 9 < 6 ? 0 : i % 9 < 8 ? 1 : 2, TERN_ECN_NOT), 0);
  for (int i = 0; i < 300; i++)
    served[tern_sim_queue_next(&queue, 0)->flow]++;
  for (int i = 0; i < 3; i++)
    assert_in_range(served[i], 98, 102);
  while (tern_sim_queue_next(&queue, 0) != NULL)
    ;
  tern_sim_queue_deinit(&queue);
}

/* [rfc8290-4.1] Overflow costs the fattest flow, not the newest packet. */
static void fq_codel_drops_from_the_fattest(void **state)
{
  struct tern_sim_queue queue;
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_FQ_CODEL, 100 * LEN, &alloc), TERN_OK);
  for (int i = 0; i < 99; i++)
    tern_sim_queue_add(&queue, make(1, TERN_ECN_NOT), 0);
  tern_sim_queue_add(&queue, make(2, TERN_ECN_NOT), 0);
  assert_null(tern_sim_queue_take_dropped(&queue));
  tern_sim_queue_add(&queue, make(2, TERN_ECN_NOT), 0);
  unsigned dropped = 0;
  struct tern_sim_packet *packet;
  while ((packet = tern_sim_queue_take_dropped(&queue)) != NULL) {
    assert_int_equal(packet->flow, 1);
    dropped++;
  }
  assert_int_equal(dropped, 50);
  assert_int_equal(tern_sim_queue_bytes(&queue), 51 * LEN);
  while (tern_sim_queue_next(&queue, 0) != NULL)
    ;
  tern_sim_queue_deinit(&queue);
}

/* ---- DualPI2 ----------------------------------------------------------------------------- */

/* [rfc9332-A.1] Figure 5: 0 up to 800 us, 1 from 1,200 us. */
static void dualpi2_ramp(void **state)
{
  (void)state;
  assert_true(tern_sim_dualpi2_laqm(800000) <= 0);
  assert_true(tern_sim_dualpi2_laqm(1000000) > 0.499 && tern_sim_dualpi2_laqm(1000000) < 0.501);
  assert_true(tern_sim_dualpi2_laqm(1200000) >= 1);
}

/* [rfc9332-A.1] Figure 6: with alpha 0.15 Hz and beta 3 Hz, a first look at a wait of 25 ms gives
 * p' = 0.15 * (0.025 - 0.015) + 3 * 0.025 = 0.0765; the next one adds only the integral part. */
static void dualpi2_controller(void **state)
{
  struct tern_sim_dualpi2 pi2;
  struct tern_list dropped;
  (void)state;
  tern_list_init(&dropped);
  tern_sim_dualpi2_init(&pi2);
  tern_sim_dualpi2_add(&pi2, make(0, TERN_ECN_NOT), &dropped);
  packets[0].queued_at = 0;
  tern_sim_dualpi2_update(&pi2, 25 * TERN_MS);
  assert_true(pi2.p > 0.07649 && pi2.p < 0.07651);
  assert_true(pi2.p_CL > 0.1529 && pi2.p_CL < 0.1531);
  assert_true(pi2.p_C > 0.00585 && pi2.p_C < 0.00586);
  tern_sim_dualpi2_update(&pi2, 25 * TERN_MS);
  assert_true(pi2.p > 0.07799 && pi2.p < 0.07801);
}

/* [rfc9332-2.3] ECT(1) and CE go to the L queue, which is served first; Not-ECT and ECT(0) wait. */
static void dualpi2_prefers_the_l_queue(void **state)
{
  struct tern_sim_queue queue;
  unsigned l_before = 0, c_count = 0;
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_DUALPI2, 0, &alloc), TERN_OK);
  for (int i = 0; i < 200; i++)
    tern_sim_queue_add(&queue, make(0, i % 2 == 0 ? TERN_ECN_NOT : TERN_ECN_ECT1), 0);
  for (int i = 0; i < 64; i++) {
    bool is_l = tern_sim_queue_next(&queue, 0)->ecn % 2 == 1;
    l_before += is_l;
    c_count += !is_l;
  }
  /* C has one part in 16. */
  assert_in_range(c_count, 3, 5);
  assert_int_equal(l_before + c_count, 64);
  while (tern_sim_queue_next(&queue, 0) != NULL)
    ;
  tern_sim_queue_deinit(&queue);
}

/* A wait of more than 1.2 ms marks every packet of the L queue and drops none. */
static void dualpi2_marks_l(void **state)
{
  struct tern_sim_queue queue;
  unsigned marked = 0;
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_DUALPI2, 0, &alloc), TERN_OK);
  for (int i = 0; i < 100; i++)
    tern_sim_queue_add(&queue, make(0, TERN_ECN_ECT1), TERN_SECOND);
  for (int i = 0; i < 100; i++) {
    tern_time wait = i < 50 ? 500000 : 1300000;
    struct tern_sim_packet *packet = tern_sim_queue_next(&queue, TERN_SECOND + wait);
    assert_non_null(packet);
    marked += packet->ecn == TERN_ECN_CE;
    assert_true(i >= 50 || packet->ecn == TERN_ECN_ECT1);
  }
  assert_int_equal(count_dropped(&queue), 0);
  assert_in_range(marked, 48, 50);
  tern_sim_queue_deinit(&queue);
}

/* [rfc9332-A.2] Unresponsive ECT(1) traffic at twice the rate: the C queue still gets its part, and what
 * exceeds the link is dropped, so that the wait stays bounded. */
static void dualpi2_overload(void **state)
{
  struct tern_sim_queue queue;
  unsigned dropped = 0;
  uint64_t worst = 0;
  (void)state;
  assert_int_equal(tern_sim_queue_init(&queue, TERN_SIM_AQM_DUALPI2, 0, &alloc), TERN_OK);
  for (tern_time ms = 1; ms < 5000; ms++) {
    tern_time now = TERN_SECOND + ms * TERN_MS;
    tern_sim_queue_add(&queue, make(0, TERN_ECN_ECT1), now);
    tern_sim_queue_add(&queue, make(0, TERN_ECN_ECT1), now);
    struct tern_sim_packet *packet = tern_sim_queue_next(&queue, now);
    assert_non_null(packet);
    if (ms > 3000 && now - packet->queued_at > worst)
      worst = now - packet->queued_at;
    dropped += count_dropped(&queue);
  }
  assert_true(dropped > 2000);
  assert_true(worst < 60 * TERN_MS);
  while (tern_sim_queue_next(&queue, 7 * TERN_SECOND) != NULL)
    ;
  tern_sim_queue_deinit(&queue);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(codel_control_law, set_up),
      cmocka_unit_test_setup(codel_drops_at_its_distances, set_up),
      cmocka_unit_test_setup(codel_leaves_good_queues_alone, set_up),
      cmocka_unit_test_setup(codel_marks, set_up),
      cmocka_unit_test_setup(fq_codel_serves_sparse_flows_first, set_up),
      cmocka_unit_test_setup(fq_codel_shares, set_up),
      cmocka_unit_test_setup(fq_codel_drops_from_the_fattest, set_up),
      cmocka_unit_test_setup(dualpi2_ramp, set_up),
      cmocka_unit_test_setup(dualpi2_controller, set_up),
      cmocka_unit_test_setup(dualpi2_prefers_the_l_queue, set_up),
      cmocka_unit_test_setup(dualpi2_marks_l, set_up),
      cmocka_unit_test_setup(dualpi2_overload, set_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
