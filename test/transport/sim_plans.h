/* SPDX-License-Identifier: MIT */
/* What the simulated evidence (test_sim_*.c) shares: random networks, transfers over them, figures.
 *
 *   seed -> network (delay, loss, reordering ...) and plan (streams, bytes)
 *        -> everything moved, both ways      -> the client closes -> both sides gone
 *
 * Each program runs in seconds by default; TERN_SEEDS=2000 asks for the full size. */
#ifndef TERN_TEST_TRANSPORT_SIM_PLANS_H
#define TERN_TEST_TRANSPORT_SIM_PLANS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <tern/cc.h>

#include "support/sim_world.h"

/* A transfer that takes longer than this has stalled. At 20 % loss each way and a round trip of 0.6 s a
 * MiB takes about ten minutes. */
#define SIM_PLANS_LIMIT_NS (7200 * TERN_SECOND)
/* A pause at 20 % loss is a row of lost probes: n in a row have a chance of about
 * 0.13^n (two datagrams each, 0.64 there and back) and take 2^n - 1 PTOs of about 1 s. Five minutes are
 * eight in a row: the idle timeout is not what these runs are about. */
#define SIM_PLANS_IDLE_MS 300000

static inline bool sim_plans_is_full(void)
{
  return getenv("TERN_SEEDS") != NULL;
}

/* How many seeds: TERN_SEEDS, or the default of the test. */
static inline uint64_t sim_plans_seeds(uint64_t fallback)
{
  const char *text = getenv("TERN_SEEDS");
  return text == NULL ? fallback : strtoull(text, NULL, 10);
}

static inline double sim_plans_real_seconds(void)
{
  struct timespec at;
  assert_int_equal(timespec_get(&at, TIME_UTC), TIME_UTC);
  return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static inline double sim_plans_seconds(tern_time ns)
{
  return (double)ns * 1e-9;
}

static inline uint64_t sim_plans_below(struct tern_random_seeded *random, uint64_t bound)
{
  return tern_random_seeded_next(random) % bound;
}

/* 0 half of the time, else below `bound`. */
static inline uint64_t sim_plans_maybe(struct tern_random_seeded *random, uint64_t bound)
{
  uint64_t value = sim_plans_below(random, bound);
  return sim_plans_below(random, 2) == 0 ? 0 : value;
}

/* ---- drawing ------------------------------------------------------------------------------- */

static inline struct tern_sim_link_config sim_plans_draw_link(struct tern_random_seeded *random)
{
  struct tern_sim_link_config link;
  memset(&link, 0, sizeof(link));
  link.delay_ns = sim_plans_below(random, 301) * TERN_MS;
  link.jitter_ns = sim_plans_maybe(random, 50 * TERN_MS);
  link.loss_ppm = (uint32_t)sim_plans_below(random, 200001);
  if (sim_plans_below(random, 4) == 0)
    link.loss_ppm = 0; /* leaves it to the queue */
  link.burst_ppm = (uint32_t)sim_plans_maybe(random, 300000);
  link.reorder_ppm = (uint32_t)sim_plans_maybe(random, 100000);
  link.reorder_ns = sim_plans_below(random, 100 * TERN_MS);
  link.duplicate_ppm = (uint32_t)sim_plans_maybe(random, 100000);
  link.duplicate_ns = sim_plans_below(random, 200 * TERN_MS);
  link.corrupt_ppm = (uint32_t)sim_plans_maybe(random, 20000);
  if (sim_plans_below(random, 4) != 0) {
    link.rate = UINT64_C(40000) << sim_plans_below(random, 9); /* to 10 MB/s */
    link.queue_bytes = 3000 + (UINT64_C(2000) << sim_plans_below(random, 9));
  }
  if (sim_plans_below(random, 4) == 0)
    link.mtu_bytes = 1200 + (uint32_t)sim_plans_below(random, 300);
  if (sim_plans_below(random, 4) == 0)
    link.ce_ppm = (uint32_t)sim_plans_below(random, 20000);
  link.bleaches = sim_plans_below(random, 8) == 0;
  return link;
}

/* Any endpoint: half of them as they are, half with other windows, limits, ids and controller. */
static inline void sim_plans_draw_knobs(struct tern_random_seeded *random, tern_config *config)
{
  config->idle_timeout_ms = SIM_PLANS_IDLE_MS;
  config->handshake_timeout_ms = SIM_PLANS_IDLE_MS;
  if (sim_plans_below(random, 2) == 0)
    return;
  config->cc = sim_plans_below(random, 2) == 0 ? &tern_cc_newreno : &tern_cc_cubic;
  config->stream_window_bytes = UINT64_C(16384) << sim_plans_below(random, 6);
  config->conn_window_bytes = UINT64_C(16384) << sim_plans_below(random, 6);
  config->streams_bidi_max = 1 + sim_plans_below(random, 10);
  config->streams_uni_max = 1 + sim_plans_below(random, 10);
  config->ack_delay_max_ms = 1 + sim_plans_below(random, 100);
  config->cid_bytes = (uint8_t)(4 + sim_plans_below(random, 17));
  config->pacing = sim_plans_below(random, 4) != 0;
  config->ecn = sim_plans_below(random, 4) != 0;
  config->send_buffer_bytes = UINT64_C(16384) << sim_plans_below(random, 6);
}

static inline uint64_t sim_plans_least(uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

/* Streams of both kinds and both openers that carry at least `bytes` each way. */
static inline struct sim_app_plan sim_plans_draw_plan(struct tern_random_seeded *random,
                                                      uint64_t bytes)
{
  struct sim_app_plan plan;
  memset(&plan, 0, sizeof(plan));
  plan.bidi_streams = 1 + (unsigned)sim_plans_below(random, 6);
  plan.uni_streams = 1 + (unsigned)sim_plans_below(random, 4);
  plan.server_bidi_streams = 1 + (unsigned)sim_plans_below(random, 3);
  plan.server_uni_streams = 1 + (unsigned)sim_plans_below(random, 3);
  uint64_t up = plan.bidi_streams + plan.server_bidi_streams + plan.uni_streams;
  uint64_t down = plan.bidi_streams + plan.server_bidi_streams + plan.server_uni_streams;
  uint64_t each = bytes / sim_plans_least(up, down) + 1;
  plan.up_bytes = each + sim_plans_below(random, each / 4);
  plan.down_bytes = each + sim_plans_below(random, each / 4);
  plan.way = (enum sim_app_way)sim_plans_below(random, 3);
  plan.peeks = sim_plans_below(random, 2) != 0;
  plan.answers_after_fin = sim_plans_below(random, 2) != 0;
  plan.close_code = sim_plans_below(random, 1000);
  plan.stays_open = true; /* sim_plans_finish closes, with more patience */
  return plan;
}

/* One client on a random network. `up` is where the way to the server is kept. */
static inline struct sim_world_args sim_plans_draw(uint64_t seed, uint64_t bytes,
                                                   struct tern_sim_link_config *up)
{
  struct sim_world_args args = sim_world_defaults(seed);
  struct tern_random_seeded random;
  tern_random_seeded_init(&random, seed ^ UINT64_C(0x5eed));
  args.link = sim_plans_draw_link(&random);
  *up = sim_plans_draw_link(&random);
  if (sim_plans_below(&random, 2) == 0)
    *up = args.link;
  args.up = up;
  args.plan = sim_plans_draw_plan(&random, bytes);
  sim_plans_draw_knobs(&random, &args.client);
  sim_plans_draw_knobs(&random, &args.server);
  return args;
}

/* ---- running ------------------------------------------------------------------------------- */

static inline bool sim_plans_is_moved(const struct sim_world *world)
{
  for (unsigned i = 0; i < world->args.clients; i++) {
    if (!sim_app_is_complete(&world->clients[i]) || i >= world->servers_count ||
        !sim_app_is_complete(&world->servers[i]))
      return false;
  }
  return true;
}

/* Runs a world whose plan says stays_open until all is moved, then the clients close and everything comes
 * to its end. False if it took too long. */
static inline bool sim_plans_finish(struct sim_world *world, tern_time limit_ns)
{
  tern_time until = tern_sim_now(world->sim) + limit_ns;
  while (!sim_plans_is_moved(world) && tern_sim_now(world->sim) < until) {
    tern_time now = tern_sim_now(world->sim);
    if (sim_world_run(world, 10 * TERN_SECOND) || tern_sim_now(world->sim) == now)
      break; /* it ended, or stopped */
  }
  world->args.plan.stays_open = false;
  for (unsigned i = 0; i < world->args.clients; i++) {
    tern_conn *conn = world->clients[i].conn;
    if (conn != NULL)
      tern_conn_shutdown(conn, world->args.plan.close_code,
                         tern_conn_get_now(conn) + 600 * TERN_SECOND);
  }
  return sim_world_run(world, limit_ns);
}

/* ---- figures ------------------------------------------------------------------------------- */

struct sim_plans_sum {
  uint64_t runs;
  uint64_t bytes; /* of streams, both ways */
  uint64_t delivered, lost, queue_drops, corrupted, duplicated, reordered;
  uint64_t
      closes_seen; /* servers that saw the client's close; the rest drained, the close was lost */
  tern_time virtual_ns, longest_ns;
  double begun; /* real seconds */
};

static inline void sim_plans_sum_link(struct sim_plans_sum *sum, const struct tern_sim_link *link)
{
  sum->lost += link->stats.lost;
  sum->queue_drops += link->stats.dropped_queue;
  sum->corrupted += link->stats.corrupted;
  sum->duplicated += link->stats.duplicated;
  sum->reordered += link->stats.reordered;
}

/* Before sim_world_free. */
static inline void sim_plans_sum_add(struct sim_plans_sum *sum, const struct sim_world *world)
{
  sum->runs++;
  sum->delivered += tern_sim_get_delivered(world->sim);
  for (unsigned i = 0; i < world->args.clients; i++) {
    tern_time took = world->clients[i].complete_at - TERN_SIM_START;
    sum->virtual_ns += took;
    sum->longest_ns = took > sum->longest_ns ? took : sum->longest_ns;
    sum->bytes += world->clients[i].bytes_received + world->servers[i].bytes_received;
    sum->closes_seen += world->servers[i].error.kind == TERN_ERROR_APPLICATION;
    sim_plans_sum_link(sum, tern_sim_find_link(world->client_nodes[i], world->server_node));
    sim_plans_sum_link(sum, tern_sim_find_link(world->server_node, world->client_nodes[i]));
  }
}

#define SIM_PLANS_LLU(x) ((unsigned long long)(x))

static inline void sim_plans_sum_print(const struct sim_plans_sum *sum, const char *what)
{
  print_message(
      "%s: %llu runs complete, %.1f MiB, %llu datagrams delivered; %llu lost, %llu dropped "
      "by queues, %llu corrupted, %llu duplicated, %llu reordered; server saw %llu closes; "
      "%.0f s simulated, longest %.0f s; %.1f s real\n",
      what, SIM_PLANS_LLU(sum->runs), (double)sum->bytes / 1048576.0, SIM_PLANS_LLU(sum->delivered),
      SIM_PLANS_LLU(sum->lost), SIM_PLANS_LLU(sum->queue_drops), SIM_PLANS_LLU(sum->corrupted),
      SIM_PLANS_LLU(sum->duplicated), SIM_PLANS_LLU(sum->reordered),
      SIM_PLANS_LLU(sum->closes_seen), sim_plans_seconds(sum->virtual_ns),
      sim_plans_seconds(sum->longest_ns), sim_plans_real_seconds() - sum->begun);
}

#endif
