/* SPDX-License-Identifier: MIT */
/* Random networks: whatever delay, loss, reordering, duplication, corruption, jitter, rate and queue, all
 * that was sent arrives, once, in order and unchanged; both sides end; the heap is as before.
 *
 * Seeds 1 to 150, most with 256 KiB each way; with TERN_SEEDS=n seeds 1 to n with 1 MiB each way. */
#include "transport/sim_plans.h"

#define SMALL_BYTES (256 * 1024)
#define LARGE_BYTES (1024 * 1024)

static void run_seed(uint64_t seed, uint64_t bytes, struct sim_plans_sum *sum)
{
  struct tern_sim_link_config up;
  struct sim_world_args args = sim_plans_draw(seed, bytes, &up);
  struct sim_world *world = sim_world_new(&args);
  if (!sim_plans_finish(world, SIM_PLANS_LIMIT_NS))
    print_message("seed %llu: not over in time\n", SIM_PLANS_LLU(seed));
  sim_world_assert_complete(world);
  assert_true(world->clients[0].bytes_received >= bytes);
  assert_true(world->servers[0].bytes_received >= bytes);
  sim_plans_sum_add(sum, world);
  sim_world_free(world); /* the oracles, the leaks */
}

static void every_seed_moves_every_byte(void **state)
{
  struct sim_plans_sum sum = {.begun = sim_plans_real_seconds()};
  uint64_t seeds = sim_plans_seeds(150);
  (void)state;
  print_message("seeds 1 to %llu, idle timeout %d s\n", SIM_PLANS_LLU(seeds),
                SIM_PLANS_IDLE_MS / 1000);
  for (uint64_t seed = 1; seed <= seeds; seed++)
    run_seed(seed, sim_plans_is_full() || seed % 10 == 0 ? LARGE_BYTES : SMALL_BYTES, &sum);
  sim_plans_sum_print(&sum, "random networks");
  assert_true(sum.runs == seeds);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_seed_moves_every_byte),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
