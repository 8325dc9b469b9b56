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

#include "support/sim_world.h"

/* A transfer that takes longer than this has stalled. At 20 % loss each way and a round trip of 0.6 s a
 * MiB takes about ten minutes. */
#define SIM_PLANS_LIMIT_NS (7200 * TERN_SECOND)
/* A pause at 20 % loss is a row of lost probes: of n it has a chance of 0.04^n and takes
 * 2^n - 1 PTOs of about 1 s. Five minutes are eight in a row, so that the idle timeout is not what these
 * runs end by. */
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
  link.burst_ppm = (uint32_t)sim_plans_maybe(random, 300000);
  link.reorder_ppm = (uint32_t)sim_plans_maybe(random, 100000);
  link.reorder_ns = sim_plans_below(random, 100 * TERN_MS);
  link.duplicate_ppm = (uint32_t)sim_plans_maybe(random, 100000);
  link.duplicate_ns = sim_plans_below(random, 200 * TERN_MS);
  link.corrupt_ppm = (uint32_t)sim_plans_maybe(random, 20000);
  if (sim_plans_below(random, 4) != 0) {
    link.rate = 50000 + sim_plans_below(random, 5000000);
    link.queue_bytes = 5000 + sim_plans_below(random, 300000);
  }
  return link;
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
  plan.close_code = seed_free_code(random);
  return plan;
}

#endif
