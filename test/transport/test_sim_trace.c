/* SPDX-License-Identifier: MIT */
/* Sans-IO means: the same seed, the same run. The hash is over bytes, times, addresses and ECN marks of
 * every datagram delivered; the lines name every datagram sent, dropped and delivered. */
#include "transport/sim_plans.h"

#define RUN_BYTES (64 * 1024)

struct trace {
  uint64_t lines;
  uint64_t lines_hash;
  uint64_t hash; /* the simulation's */
  uint64_t delivered;
  tern_time ended_at;
  uint64_t takes; /* calls to the allocator, too, are the same */
};

static void on_line(void *arg, const char *line)
{
  struct trace *trace = arg;
  trace->lines++;
  for (; *line != 0; line++) /* FNV-1a */
    trace->lines_hash = (trace->lines_hash ^ (uint8_t)*line) * UINT64_C(0x100000001b3);
}

static struct trace run_seed(uint64_t seed)
{
  struct trace trace = {.lines_hash = UINT64_C(0xcbf29ce484222325)};
  struct tern_sim_link_config up;
  struct sim_world_args args = sim_plans_draw(seed, RUN_BYTES, &up);
  struct sim_world *world = sim_world_new(&args);
  tern_sim_set_trace(world->sim, on_line, &trace);
  assert_true(sim_plans_finish(world, SIM_PLANS_LIMIT_NS));
  sim_world_assert_complete(world);
  trace.hash = tern_sim_get_hash(world->sim);
  trace.delivered = tern_sim_get_delivered(world->sim);
  trace.ended_at = tern_sim_now(world->sim);
  trace.takes = world->heap.takes;
  sim_world_free(world);
  return trace;
}

static void assert_same(const struct trace *a, const struct trace *b)
{
  assert_true(a->hash == b->hash);
  assert_true(a->lines_hash == b->lines_hash);
  assert_true(a->lines == b->lines);
  assert_true(a->delivered == b->delivered);
  assert_true(a->ended_at == b->ended_at);
  assert_true(a->takes == b->takes);
}

static void the_same_seed_gives_the_same_trace(void **state)
{
  uint64_t seeds = sim_plans_seeds(20);
  uint64_t lines = 0;
  (void)state;
  uint64_t *hashes = calloc(seeds, sizeof(*hashes));
  assert_non_null(hashes);
  for (uint64_t i = 0; i < seeds; i++) {
    struct trace once = run_seed(i + 1);
    struct trace again = run_seed(i + 1);
    assert_same(&once, &again);
    for (uint64_t j = 0; j < i; j++)
      assert_true(hashes[j] != once.hash);
    hashes[i] = once.hash;
    lines += once.lines;
  }
  free(hashes);
  print_message("seeds 1 to %llu, each twice: %llu trace lines alike, all seeds different\n",
                SIM_PLANS_LLU(seeds), SIM_PLANS_LLU(lines));
}

/* On one network, too, another seed is another run: ids, randoms, and so every byte. */
static void another_seed_gives_another_trace(void **state)
{
  uint64_t hashes[2];
  (void)state;
  for (uint64_t seed = 0; seed < 2; seed++) {
    struct sim_world_args args = sim_world_defaults(seed);
    struct sim_world *world = sim_world_new(&args);
    assert_true(sim_world_run(world, 60 * TERN_SECOND));
    sim_world_assert_complete(world);
    hashes[seed] = tern_sim_get_hash(world->sim);
    sim_world_free(world);
  }
  assert_true(hashes[0] != hashes[1]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_same_seed_gives_the_same_trace),
      cmocka_unit_test(another_seed_gives_another_trace),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
