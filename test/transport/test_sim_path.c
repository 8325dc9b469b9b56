/* SPDX-License-Identifier: MIT */
/* What a path may do besides losing: carry less than it seems (MTU), mark instead of dropping (ECN), or
 * wipe and forge the marks. One stream of 10 s at 10 Mbit/s and 50 ms from the server. */
#include <tern/cc.h>

#include "recovery/pmtud.h"
#include "transport/sim_plans.h"

#define RATE UINT64_C(1250000) /* bytes per second */
#define BDP UINT64_C(62500)

static struct sim_world_args path_args(void)
{
  struct sim_world_args args = sim_world_defaults(1);
  args.link.rate = RATE;
  args.link.delay_ns = 25 * TERN_MS;
  args.link.queue_bytes = BDP;
  args.plan.down_bytes = 10 * RATE;
  args.plan.way = SIM_APP_SOURCE;
  return args;
}

static struct tern_sim_link *down_link(struct sim_world *world)
{
  return tern_sim_find_link(world->server_node, world->client_nodes[0]);
}

struct result {
  tern_conn_stats stats; /* of the server, in the middle */
  struct tern_sim_link_stats link;
  double utilisation;
};

/* To the end; `mtu_bytes` is what the way to the client carries from the third second on. */
static struct result run_path(const struct sim_world_args *args, uint32_t mtu_bytes)
{
  struct result result;
  struct sim_world *world = sim_world_new(args);
  (void)sim_world_run(world, 3 * TERN_SECOND);
  down_link(world)->config.mtu_bytes = mtu_bytes;
  (void)sim_world_run(world, 5 * TERN_SECOND);
  assert_non_null(world->servers[0].conn);
  tern_conn_get_stats(world->servers[0].conn, &result.stats);
  assert_true(sim_world_run(world, 1000 * TERN_SECOND));
  sim_world_assert_complete(world);
  result.link = down_link(world)->stats;
  tern_time took = world->clients[0].complete_at - world->clients[0].connected_at;
  result.utilisation =
      (double)world->clients[0].bytes_received / ((double)RATE * sim_plans_seconds(took));
  sim_world_free(world);
  return result;
}

/* ---- MTU ----------------------------------------------------------------------------------- */

/* [rfc9000-14.3] Every size is found to within a step, and the search costs a few probes and no
 * congestion signal: [rfc9000-14.4]. */
static void every_mtu_is_found(void **state)
{
  static const uint32_t sizes[] = {1200, 1232, 1280, 1350, 1400, 1451, 1452, 1472, 9000};
  struct sim_world_args args = path_args();
  (void)state;
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    args.link.mtu_bytes = sizes[i];
    struct result result = run_path(&args, sizes[i]);
    uint32_t most = sizes[i] < 1452 ? sizes[i] : 1452;
    print_message("link of %4u: %u-byte datagrams, %llu too large ones sent, %.1f %%\n", sizes[i],
                  result.stats.mtu_bytes, SIM_PLANS_LLU(result.link.dropped_mtu),
                  100 * result.utilisation);
    assert_in_range(result.stats.mtu_bytes + TERN_PMTUD_STEP_BYTES, most, most + 16);
    assert_in_range(result.link.dropped_mtu, 0, 5 * TERN_PMTUD_PROBES);
    assert_true(result.utilisation >= 0.90);
  }
}

/* Jumbo frames: who allows them gets them. */
static void a_large_mtu_is_used_if_allowed(void **state)
{
  struct sim_world_args args = path_args();
  (void)state;
  args.server.mtu_max_bytes = args.client.mtu_max_bytes = 9000;
  args.link.mtu_bytes = 8900;
  args.link.queue_bytes = 4 * BDP;
  struct result result = run_path(&args, 8900);
  assert_in_range(result.stats.mtu_bytes, 8900 - TERN_PMTUD_STEP_BYTES, 8900);
  assert_true(result.utilisation >= 0.90);
}

/* [rfc8899-4.3] The path loses its MTU in the middle: nothing is acknowledged any more, so no loss is ever
 * declared; the probe timeouts tell. It takes three of them, then a search. */
static void a_black_hole_is_found(void **state)
{
  static const uint32_t sizes[] = {1200, 1280, 1400};
  struct sim_world_args args = path_args();
  (void)state;
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    struct result result = run_path(&args, sizes[i]);
    print_message("link falls to %u: %u-byte datagrams, %llu too large ones sent, %.1f %%\n",
                  sizes[i], result.stats.mtu_bytes, SIM_PLANS_LLU(result.link.dropped_mtu),
                  100 * result.utilisation);
    assert_in_range(result.stats.mtu_bytes + TERN_PMTUD_STEP_BYTES, sizes[i], sizes[i] + 16);
    /* A window of them, two for each probe timeout, the probes of the search. */
    assert_in_range(result.link.dropped_mtu, 10, 2 * BDP / 1200 + 40);
    assert_true(result.utilisation >= 0.80);
  }
}

/* Who knows the path sets mtu_max_bytes, and then not one datagram is larger. */
static void a_configured_limit_is_never_exceeded(void **state)
{
  struct sim_world_args args = path_args();
  (void)state;
  args.server.mtu_max_bytes = 1280;
  args.link.mtu_bytes = 1280;
  struct result result = run_path(&args, 1280);
  assert_int_equal(result.link.dropped_mtu, 0);
  assert_int_equal(result.stats.mtu_bytes, 1280);
}

/* ---- ECN ----------------------------------------------------------------------------------- */

/* [rfc9002-7.1] [rfc9000-13.4] A queue that marks at half a bandwidth-delay product holds the window there:
 * not one packet is lost, the queue stays short, the link is full. */
static void marks_hold_the_window_without_loss(void **state)
{
  static const tern_cc_ops *const ccs[] = {&tern_cc_cubic, &tern_cc_newreno};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct sim_world_args args = path_args();
    args.server.cc = ccs[i];
    args.link.queue_bytes = 8 * BDP;
    struct result without = run_path(&args, 0);
    args.link.ce_queue_bytes = BDP / 2;
    struct result with = run_path(&args, 0);
    print_message("%-8s marking queue: %llu marked, %llu lost, window %llu, queue up to %llu, "
                  "%.1f %%; the same without marks: window %llu, queue up to %llu\n",
                  ccs[i]->name, SIM_PLANS_LLU(with.link.marked_ce),
                  SIM_PLANS_LLU(with.stats.packets_lost), SIM_PLANS_LLU(with.stats.window_bytes),
                  SIM_PLANS_LLU(with.link.queue_peak_bytes), 100 * with.utilisation,
                  SIM_PLANS_LLU(without.stats.window_bytes),
                  SIM_PLANS_LLU(without.link.queue_peak_bytes));
    assert_int_equal(with.stats.ecn_state, 1);
    assert_int_equal(with.stats.packets_lost, 0);
    assert_int_equal(with.link.dropped_queue, 0);
    assert_true(with.link.marked_ce > 0);
    assert_true(with.stats.window_bytes < 2 * BDP);
    assert_true(with.link.queue_peak_bytes < 2 * BDP);
    assert_true(with.stats.window_bytes < without.stats.window_bytes / 2);
    assert_true(with.utilisation >= 0.85);
  }
}

/* [rfc9000-13.4.2] A path that wipes the marks fails validation, and all is as if ECN were off. */
static void bleaching_is_harmless(void **state)
{
  struct sim_world_args args = path_args();
  (void)state;
  args.link.bleaches = true;
  args.link.ce_queue_bytes = BDP / 2;
  struct result bleached = run_path(&args, 0);
  args.server.ecn = args.client.ecn = false;
  struct result off = run_path(&args, 0);
  print_message("bleached: %.1f %%, ECN off: %.1f %%\n", 100 * bleached.utilisation,
                100 * off.utilisation);
  assert_int_equal(bleached.stats.ecn_state, 2);
  assert_int_equal(off.stats.ecn_state, 2);
  assert_true(bleached.utilisation >= off.utilisation - 0.01);
  assert_true(bleached.utilisation >= 0.90);
}

/* A path that marks everything is always congested: the window is the minimum of two datagrams
 * [rfc9002-7.2], the transfer slow but sound. */
static void all_marks_leave_the_minimum(void **state)
{
  struct sim_world_args args = path_args();
  (void)state;
  args.plan.down_bytes = RATE;
  args.link.ce_ppm = TERN_SIM_PPM;
  struct result result = run_path(&args, 0);
  print_message("everything marked: window %llu, %.1f %%\n",
                SIM_PLANS_LLU(result.stats.window_bytes), 100 * result.utilisation);
  assert_int_equal(result.stats.packets_lost, 0);
  assert_in_range(result.stats.window_bytes, 2 * 1200, 3 * 1452);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_mtu_is_found),
      cmocka_unit_test(a_large_mtu_is_used_if_allowed),
      cmocka_unit_test(a_black_hole_is_found),
      cmocka_unit_test(a_configured_limit_is_never_exceeded),
      cmocka_unit_test(marks_hold_the_window_without_loss),
      cmocka_unit_test(bleaching_is_harmless),
      cmocka_unit_test(all_marks_leave_the_minimum),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
