/* SPDX-License-Identifier: MIT */
/* What loss recovery and congestion control do on a bottleneck, in figures: bulk transfers of one stream
 * from the server over a drop-tail queue of one bandwidth-delay product, unless said otherwise.
 *
 *   utilisation = stream bytes / (rate * time from connected to complete)
 *
 * Slow start, handshake data, headers and what is sent again all count against it. MTU and ECN are in
 * test_sim_path.c. TERN_SEEDS=n (any n) adds longer transfers and faster links. */
#include <tern/cc.h>
#include <tern/event.h>

#include "recovery/pacer.h"
#include "transport/sim_plans.h"

/* ---- bulk ---------------------------------------------------------------------------------- */

struct bulk {
  uint64_t mbit;
  uint64_t rtt_ms;
  uint64_t seconds; /* that the bytes take at the link's rate */
  const tern_cc_ops *cc;
};

static struct sim_world_args bulk_args(const struct bulk *bulk)
{
  struct sim_world_args args = sim_world_defaults(1);
  args.link.rate = bulk->mbit * 125000;
  args.link.delay_ns = bulk->rtt_ms * TERN_MS / 2;
  args.link.queue_bytes = args.link.rate * bulk->rtt_ms / 1000;
  args.plan.down_bytes = bulk->seconds * args.link.rate;
  args.plan.way = SIM_APP_SOURCE;
  args.server.cc = bulk->cc;
  return args;
}

static const struct tern_sim_link *down_link(const struct sim_world *world)
{
  return tern_sim_find_link(world->server_node, world->client_nodes[0]);
}

/* The times of the client count: it has the data. */
static double utilisation(const struct sim_world *world)
{
  const struct sim_app *client = &world->clients[0];
  double seconds = sim_plans_seconds(client->complete_at - client->connected_at);
  return (double)client->bytes_received / ((double)down_link(world)->config.rate * seconds);
}

static double run_bulk(const struct sim_world_args *args, tern_time limit_ns)
{
  struct sim_world *world = sim_world_new(args);
  assert_true(sim_world_run(world, limit_ns));
  sim_world_assert_complete(world);
  double share = utilisation(world);
  sim_world_free(world);
  return share;
}

static void assert_bulk(const struct bulk *bulk, double least)
{
  struct sim_world_args args = bulk_args(bulk);
  double share = run_bulk(&args, 10 * bulk->seconds * TERN_SECOND);
  print_message("%-8s %4llu Mbit/s x %3llu ms, %2llu s: %.1f %% (at least %.0f %%)\n",
                bulk->cc->name, SIM_PLANS_LLU(bulk->mbit), SIM_PLANS_LLU(bulk->rtt_ms),
                SIM_PLANS_LLU(bulk->seconds), 100 * share, 100 * least);
  assert_true(share >= least);
  assert_true(share <= 1);
}

static void cubic_fills_a_queue_of_one_bdp(void **state)
{
  static const struct bulk rows[] = {
      {1, 100, 20, &tern_cc_cubic},  {10, 50, 10, &tern_cc_cubic}, {50, 10, 5, &tern_cc_cubic},
      {20, 300, 30, &tern_cc_cubic}, {100, 20, 4, &tern_cc_cubic},
  };
  static const struct bulk full[] = {{1, 300, 120, &tern_cc_cubic},
                                     {10, 50, 120, &tern_cc_cubic},
                                     {100, 100, 60, &tern_cc_cubic},
                                     {1000, 10, 10, &tern_cc_cubic}};
  (void)state;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    assert_bulk(&rows[i], 0.90);
  for (size_t i = 0; sim_plans_is_full() && i < sizeof(full) / sizeof(full[0]); i++)
    assert_bulk(&full[i], 0.90);
}

/* Halves where CUBIC takes 0.7, and grows by a packet a round trip: long paths take it longer. */
static void newreno_does_nearly_as_well(void **state)
{
  static const struct bulk rows[] = {
      {1, 100, 20, &tern_cc_newreno},
      {10, 50, 10, &tern_cc_newreno},
      {50, 10, 5, &tern_cc_newreno},
      {100, 20, 4, &tern_cc_newreno},
  };
  static const struct bulk full[] = {{10, 50, 120, &tern_cc_newreno},
                                     {1000, 10, 10, &tern_cc_newreno}};
  static const struct bulk lower = {20, 300, 30, &tern_cc_newreno};
  (void)state;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    assert_bulk(&rows[i], 0.90);
  assert_bulk(&lower, 0.80);
  for (size_t i = 0; sim_plans_is_full() && i < sizeof(full) / sizeof(full[0]); i++)
    assert_bulk(&full[i], 0.90);
}

/* ---- windows ------------------------------------------------------------------------------- */

/* The same bytes the other way. */
static double run_upload(const struct sim_world_args *bulk)
{
  struct sim_world_args args = *bulk;
  args.plan.uni_streams = 1;
  args.plan.bidi_streams = 0;
  args.plan.up_bytes = bulk->plan.down_bytes;
  args.plan.stays_open = true;
  args.client.cc = bulk->server.cc;
  struct sim_world *world = sim_world_new(&args);
  assert_true(sim_plans_finish(world, 200 * TERN_SECOND));
  sim_world_assert_complete(world);
  tern_time took = world->servers[0].complete_at - world->servers[0].connected_at;
  sim_world_free(world);
  return (double)args.plan.up_bytes / ((double)args.link.rate * sim_plans_seconds(took));
}

/* The first windows are a fifth of this path's bandwidth-delay product of 1.25 MB; they grow to what it
 * takes, either way. Held where they began, they are the limit, which shows that the growth is real. */
static void windows_grow_to_what_the_path_takes(void **state)
{
  static const struct bulk bulk = {100, 100, 20, &tern_cc_cubic};
  struct sim_world_args args = bulk_args(&bulk);
  (void)state;
  double down = run_bulk(&args, 200 * TERN_SECOND);
  double up = run_upload(&args);
  args = bulk_args(&bulk);
  args.plan.down_bytes /= 10;
  args.client.stream_window_max_bytes = args.client.stream_window_bytes;
  args.client.conn_window_max_bytes = args.client.conn_window_bytes;
  double held = run_bulk(&args, 200 * TERN_SECOND);
  print_message("100 Mbit/s x 100 ms, default windows: %.1f %% down, %.1f %% up; without tuning "
                "%.1f %%\n",
                100 * down, 100 * up, 100 * held);
  assert_true(down >= 0.90);
  assert_true(up >= 0.90);
  assert_true(held <= 0.30);
}

/* [rfc9002-7.8] Flow control is the limit here, in bursts of half a window of 200,000 bytes: the congestion
 * window may be twice what is in flight, and stays there. */
static void an_unused_window_does_not_grow(void **state)
{
  static const struct bulk bulk = {20, 100, 30, &tern_cc_cubic};
  struct sim_world_args args = bulk_args(&bulk);
  tern_conn_stats stats;
  (void)state;
  args.link.queue_bytes = 0;
  args.client.stream_window_bytes = args.client.stream_window_max_bytes = 200000;
  args.client.conn_window_bytes = args.client.conn_window_max_bytes = 200000;
  struct sim_world *world = sim_world_new(&args);
  (void)sim_world_run(world, 20 * TERN_SECOND);
  tern_conn_get_stats(world->servers[0].conn, &stats);
  print_message("at most 200000 bytes in flight for 20 s: window %llu bytes\n",
                SIM_PLANS_LLU(stats.window_bytes));
  assert_in_range(stats.window_bytes, 100000, 2 * 200000 + 20000);
  sim_world_free(world);
}

/* ---- losses -------------------------------------------------------------------------------- */

struct counts {
  unsigned persistent;
  unsigned ptos;
  uint64_t window_least_bytes;
};

static void on_event(void *arg, const tern_event *event)
{
  struct counts *counts = arg;
  if (event->kind == TERN_EVENT_PERSISTENT_CONGESTION)
    counts->persistent++;
  if (event->kind == TERN_EVENT_PTO_FIRED)
    counts->ptos++;
  if (event->kind == TERN_EVENT_CONGESTION_STATE &&
      event->data.congestion_state.window_bytes < counts->window_least_bytes)
    counts->window_least_bytes = event->data.congestion_state.window_bytes;
}

/* The way to the client is cut after 3 s for `outage_ns`; returns how much longer it all took than without
 * the cut. */
static tern_time run_outage(const tern_cc_ops *cc, tern_time outage_ns, struct counts *counts)
{
  const struct bulk bulk = {10, 50, 10, cc};
  struct sim_world_args args = bulk_args(&bulk);
  tern_time ends[2];
  for (unsigned i = 0; i < 2; i++) {
    *counts = (struct counts){.window_least_bytes = UINT64_MAX};
    tern_event_subscriber subscriber = {on_event, counts, UINT64_MAX};
    args.server.subscribers = &subscriber;
    args.server.subscribers_count = 1;
    struct sim_world *world = sim_world_new(&args);
    (void)sim_world_run(world, 3 * TERN_SECOND);
    counts->persistent = counts->ptos = 0;
    counts->window_least_bytes = UINT64_MAX;
    struct tern_sim_link *link = tern_sim_find_link(world->server_node, world->client_nodes[0]);
    link->config.is_down = i == 1;
    (void)sim_world_run(world, outage_ns);
    link->config.is_down = false;
    assert_true(sim_world_run(world, 100 * TERN_SECOND));
    sim_world_assert_complete(world);
    ends[i] = world->clients[0].complete_at;
    sim_world_free(world);
  }
  return ends[1] - ends[0];
}

/* [rfc9002-6.2.4] Nothing of a whole flight arrives, so no ACK can tell: a probe does, and one reduction
 * follows, not a collapse [rfc9002-7.3.2]. */
static void a_lost_flight_costs_a_probe_timeout(void **state)
{
  static const tern_cc_ops *const ccs[] = {&tern_cc_cubic, &tern_cc_newreno};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct counts counts;
    tern_time cost = run_outage(ccs[i], 150 * TERN_MS, &counts);
    print_message("%-8s nothing for 150 ms: %u PTO, window not below %llu, %.2f s more\n",
                  ccs[i]->name, counts.ptos, SIM_PLANS_LLU(counts.window_least_bytes),
                  sim_plans_seconds(cost));
    assert_int_equal(counts.persistent, 0);
    assert_in_range(counts.ptos, 1, 2);
    assert_true(counts.window_least_bytes > 10 * 1200);
    assert_true(cost < 1500 * TERN_MS);
  }
}

/* [rfc9002-7.6.2] After 5 s without an ACK the window is the minimum, and grows again by slow start. The
 * outage is noticed to be over when the next probe is due, which may be as late again as it was long. */
static void an_outage_is_persistent_congestion(void **state)
{
  static const tern_cc_ops *const ccs[] = {&tern_cc_cubic, &tern_cc_newreno};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct counts counts;
    tern_time cost = run_outage(ccs[i], 5 * TERN_SECOND, &counts);
    print_message(
        "%-8s nothing for 5 s: %u PTOs, %u persistent, window down to %llu, %.2f s more\n",
        ccs[i]->name, counts.ptos, counts.persistent, SIM_PLANS_LLU(counts.window_least_bytes),
        sim_plans_seconds(cost));
    assert_int_equal(counts.persistent, 1);
    assert_in_range(counts.window_least_bytes, 2 * 1200, 4 * 1452);
    assert_in_range(cost, 5 * TERN_SECOND, 11 * TERN_SECOND);
  }
}

/* ---- pacing -------------------------------------------------------------------------------- */

/* The pacer's guarantee seen from outside, as a bucket of what the server may put on the wire. */
struct bucket {
  struct sim_world *world;
  int64_t tokens_bytes;
  tern_time at;
  uint64_t instant_bytes; /* sent at `at` */
  uint64_t instant_max_bytes;
  double excess_max; /* in datagrams */
  uint64_t instants;
};

static bool watch(void *arg, struct tern_sim_datagram *datagram)
{
  struct bucket *bucket = arg;
  tern_conn_stats stats;
  if (bucket->world == NULL || datagram->from != bucket->world->server_node ||
      bucket->world->servers[0].conn == NULL)
    return true;
  tern_conn_get_stats(bucket->world->servers[0].conn, &stats);
  uint64_t burst = tern_pacer_burst_bytes(stats.pacing_rate, stats.window_bytes, stats.mtu_bytes,
                                          stats.rtt_min_ns);
  if (bucket->instants == 0) /* [rfc9002-7.7] the initial window may leave at once */
    bucket->tokens_bytes = TERN_PACER_BURST_INITIAL * stats.mtu_bytes;
  if (datagram->now != bucket->at || bucket->instants == 0) {
    double refill = (double)stats.pacing_rate * sim_plans_seconds(datagram->now - bucket->at);
    int64_t cap = (int64_t)(burst + stats.pacing_rate * TERN_PACER_LATE_MAX_NS / TERN_SECOND);
    if (bucket->instants != 0)
      bucket->tokens_bytes += (int64_t)refill + 1;
    if (bucket->instants != 0 && bucket->tokens_bytes > cap)
      bucket->tokens_bytes = cap;
    bucket->at = datagram->now;
    bucket->instant_bytes = 0;
    bucket->instants++;
  }
  bucket->tokens_bytes -= (int64_t)datagram->len;
  bucket->instant_bytes += datagram->len;
  if (bucket->instant_bytes > bucket->instant_max_bytes)
    bucket->instant_max_bytes = bucket->instant_bytes;
  double excess = -(double)bucket->tokens_bytes / (double)stats.mtu_bytes;
  if (excess > bucket->excess_max)
    bucket->excess_max = excess;
  return true;
}

/* Credit comes in eighths of a window of 800,000 bytes; returns the largest queue that they made. */
static uint64_t run_paced(bool is_paced, struct bucket *bucket)
{
  static const struct bulk bulk = {20, 100, 5, &tern_cc_cubic};
  struct sim_world_args args = bulk_args(&bulk);
  args.link.queue_bytes = 0;
  args.server.pacing = is_paced;
  args.client.stream_window_bytes = args.client.stream_window_max_bytes = 800000;
  args.client.conn_window_bytes = args.client.conn_window_max_bytes = 800000;
  args.filter = watch;
  args.filter_arg = bucket;
  struct sim_world *world = sim_world_new(&args);
  bucket->world = world;
  assert_true(sim_world_run(world, 100 * TERN_SECOND));
  sim_world_assert_complete(world);
  uint64_t peak = down_link(world)->stats.queue_peak_bytes;
  bucket->world = NULL;
  sim_world_free(world);
  return peak;
}

/* [rfc9002-7.7] */
static void pacing_keeps_bursts_off_the_bottleneck(void **state)
{
  struct bucket paced = {0};
  struct bucket unpaced = {0};
  (void)state;
  uint64_t queue = run_paced(true, &paced);
  uint64_t unpaced_queue = run_paced(false, &unpaced);
  print_message("paced: at most %llu bytes at an instant, queue up to %llu, %.2f datagrams beyond "
                "the bucket; unpaced: %llu bytes, queue up to %llu\n",
                SIM_PLANS_LLU(paced.instant_max_bytes), SIM_PLANS_LLU(queue), paced.excess_max,
                SIM_PLANS_LLU(unpaced.instant_max_bytes), SIM_PLANS_LLU(unpaced_queue));
  assert_true(paced.instants > 1000);
  assert_true(paced.excess_max <= 1);
  assert_true(paced.instant_max_bytes <= 10 * 1452);
  assert_true(4 * paced.instant_max_bytes < unpaced.instant_max_bytes);
  assert_true(queue < unpaced_queue);
}

/* A connection's own cap holds whatever the controller would send. */
static void a_rate_cap_holds(void **state)
{
  static const struct bulk bulk = {20, 40, 4, &tern_cc_bbr};
  struct sim_world_args args = bulk_args(&bulk);
  (void)state;
  args.plan.down_bytes = 2 * 1000 * 1000;
  args.server.pacing_rate_max = 500 * 1000;
  struct sim_world *world = sim_world_new(&args);
  assert_true(sim_world_run(world, 100 * TERN_SECOND));
  sim_world_assert_complete(world);
  double seconds =
      sim_plans_seconds(world->clients[0].complete_at - world->clients[0].connected_at);
  print_message("2 MB at no more than 0.5 MB/s of 2.5 MB/s: %.2f s\n", seconds);
  assert_true(seconds > 4 && seconds < 4.4);
  sim_world_free(world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cubic_fills_a_queue_of_one_bdp),
      cmocka_unit_test(newreno_does_nearly_as_well),
      cmocka_unit_test(windows_grow_to_what_the_path_takes),
      cmocka_unit_test(an_unused_window_does_not_grow),
      cmocka_unit_test(a_lost_flight_costs_a_probe_timeout),
      cmocka_unit_test(an_outage_is_persistent_congestion),
      cmocka_unit_test(pacing_keeps_bursts_off_the_bottleneck),
      cmocka_unit_test(a_rate_cap_holds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
