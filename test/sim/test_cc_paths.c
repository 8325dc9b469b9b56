/* SPDX-License-Identifier: MIT */
/* What each congestion controller makes of a path, in figures: one long transfer, or two that share a
 * queue.
 *
 *   utilisation = stream bytes between two times / (rate * time)      start-up is left out
 *
 * A sample of points runs always; TERN_CC_TABLE=full prints the whole tables (scripts/cc_tables.sh), and
 * TERN_CC_TABLE="cc mbit rtt_ms queue_percent loss_ppm" one point. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/cc.h>

#include "transport/sim_plans.h"

struct point {
  const char *cc;
  uint64_t mbit;
  uint64_t rtt_ms;
  uint64_t queue_percent; /* of a bandwidth-delay product */
  uint32_t loss_ppm;
};

struct outcome {
  double share;        /* of the link's rate, in stream bytes */
  double first_second; /* the same over the first second of the connection */
  double lost;         /* of the packets sent */
  double rtt_ms;       /* smoothed at the end */
};

static bool is_full(void)
{
  const char *wish = getenv("TERN_CC_TABLE");
  return wish != NULL && strcmp(wish, "full") == 0;
}

static struct sim_world_args point_args(const struct point *point, uint64_t seed, uint64_t seconds)
{
  struct sim_world_args args = sim_world_defaults(seed);
  args.link.rate = point->mbit * 125000;
  args.link.delay_ns = point->rtt_ms * TERN_MS / 2;
  args.link.queue_bytes = args.link.rate * point->rtt_ms / 1000 * point->queue_percent / 100;
  args.plan.down_bytes = (seconds + 10) * args.link.rate;
  args.plan.way = SIM_APP_SOURCE;
  args.plan.stays_open = true;
  args.server.cc = tern_cc_find(point->cc);
  return args;
}

/* Bytes of a stream fill the wire only up to the headers, 1,452 byte datagrams. */
static struct outcome run_point(const struct point *point, uint64_t seed, uint64_t seconds)
{
  struct sim_world_args args = point_args(point, seed, seconds);
  struct sim_world_args lossless = args;
  struct outcome outcome;
  tern_conn_stats stats;

  args.link.loss_ppm = point->loss_ppm;
  args.up = &lossless.link;
  struct sim_world *world = sim_world_new(&args);
  struct sim_app *client = &world->clients[0];
  (void)sim_world_run(world, TERN_SECOND);
  outcome.first_second = (double)client->bytes_received / (double)args.link.rate;
  (void)sim_world_run(world, (seconds / 5) * TERN_SECOND);
  uint64_t before = client->bytes_received;
  tern_time begun = tern_sim_now(world->sim);
  (void)sim_world_run(world, (seconds - seconds / 5) * TERN_SECOND);
  outcome.share = (double)(client->bytes_received - before) /
                  ((double)args.link.rate * sim_plans_seconds(tern_sim_now(world->sim) - begun));
  tern_conn_get_stats(world->servers[0].conn, &stats);
  outcome.lost = (double)stats.packets_lost / (double)stats.packets_sent;
  outcome.rtt_ms = (double)stats.rtt_smoothed_ns / 1e6;
  world->args.plan.stays_open = false;
  sim_world_free(world);
  return outcome;
}

static struct outcome show_point(const struct point *point, uint64_t seconds)
{
  struct outcome outcome = run_point(point, 1, seconds);
  print_message(
      "%-8s %5llu Mbit/s %4llu ms  %4llu %% BDP  %.2f %% loss: %5.1f %%  (1st second %4.1f %%, "
      "lost %.2f %%, srtt %.0f ms)\n",
      point->cc, SIM_PLANS_LLU(point->mbit), SIM_PLANS_LLU(point->rtt_ms),
      SIM_PLANS_LLU(point->queue_percent), point->loss_ppm / 1e4, 100 * outcome.share,
      100 * outcome.first_second, 100 * outcome.lost, outcome.rtt_ms);
  return outcome;
}

/* ---- one flow ------------------------------------------------------------------------------ */

static void full_use_of_one_bdp(void **state)
{
  static const uint64_t mbits[] = {1, 10, 100, 1000};
  static const uint64_t rtts[] = {10, 50, 100, 200};
  (void)state;
  for (size_t n = 0; tern_cc_name(n) != NULL; n++) {
    struct point sample = {tern_cc_name(n), 10, 50, 100, 0};
    if (!is_full()) {
      assert_true(show_point(&sample, 25).share >= 0.90);
      continue;
    }
    for (size_t i = 0; i < 4; i++)
      for (size_t j = 0; j < 4; j++) {
        struct point point = {tern_cc_name(n), mbits[i], rtts[j], 100, 0};
        (void)show_point(&point, 40);
      }
  }
}

static void random_loss_in_a_shallow_buffer(void **state)
{
  struct point bbr = {"bbr", 20, 50, 50, 10000};
  struct point cubic = {"cubic", 20, 50, 50, 10000};
  (void)state;
  double shares = 0;
  /* Which packets are lost matters: a seed has 70 to 86 %, and any change of a byte makes another seed. */
  for (uint64_t seed = 1; seed <= 4; seed++)
    shares += run_point(&bbr, seed, 25).share;
  print_message("bbr with 1 %% loss, mean of 4 seeds: %.1f %%\n", 25 * shares);
  assert_true(shares / 4 >= 0.70);
  assert_true(show_point(&cubic, 25).share < 0.30);
}

/* A queue of four BDPs that marks from 1 ms on: Prague keeps it short and the link busy. The first
 * second, with slow start in it, is not counted. */
static void marks_keep_the_queue_short(void **state)
{
  static const char *const names[] = {"prague", "bbr", "cubic"};
  (void)state;
  for (size_t i = 0; i < (is_full() ? 3 : 1); i++) {
    struct point point = {names[i], 40, 20, 400, 0};
    struct sim_world_args args = point_args(&point, 1, 20);
    args.link.ce_queue_bytes = args.link.rate / 1000;
    struct sim_world *world = sim_world_new(&args);
    struct tern_sim_link *link = tern_sim_find_link(world->server_node, world->client_nodes[0]);
    (void)sim_world_run(world, TERN_SECOND);
    uint64_t before = world->clients[0].bytes_received;
    link->stats.queue_peak_bytes = 0;
    (void)sim_world_run(world, 10 * TERN_SECOND);
    double share =
        (double)(world->clients[0].bytes_received - before) / (10.0 * (double)args.link.rate);
    double peak_ms = (double)link->stats.queue_peak_bytes * 1e3 / (double)args.link.rate;
    print_message(
        "%-8s marked from 1 ms: %.1f %% of 40 Mbit/s, queue at most %.1f ms, %llu marks\n",
        names[i], 100 * share, peak_ms, SIM_PLANS_LLU(link->stats.marked_ce));
    world->args.plan.stays_open = false;
    sim_world_free(world);
    if (i == 0)
      assert_true(share > 0.90 && peak_ms < 5);
  }
}

int main(void)
{
  const char *wish = getenv("TERN_CC_TABLE");
  char name[32];
  struct point point = {.cc = name};
  unsigned long long mbit, rtt, queue;
  if (wish != NULL &&
      sscanf(wish, "%31s %llu %llu %llu %u", name, &mbit, &rtt, &queue, &point.loss_ppm) == 5) {
    point.mbit = mbit;
    point.rtt_ms = rtt;
    point.queue_percent = queue;
    (void)show_point(&point, 40);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(full_use_of_one_bdp),
      cmocka_unit_test(random_loss_in_a_shallow_buffer),
      cmocka_unit_test(marks_keep_the_queue_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
