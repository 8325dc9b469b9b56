/* SPDX-License-Identifier: MIT */
/* The same networks and plans with the real TLS and with the pretended one: what the applications see is
 * the same. Bytes and times are not, since a real TLS draws its own randomness and its messages have
 * their own sizes.
 *
 * Seeds 1 to 40; TERN_SEEDS=n asks for n, at most 500. */
#include "transport/sim_plans.h"

#define RUN_BYTES (64 * 1024)

/* What an application can tell about a connection, without times. */
struct outcome {
  unsigned streams[2]; /* client, server */
  uint64_t received[2];
  uint64_t sent[2];
  tern_error_kind kind; /* the client's */
  uint64_t code;
  char alpn[16];
  char server_name[16];
};

static void keep_text(char *out, size_t size, tern_slice text)
{
  size_t len = text.len < size - 1 ? text.len : size - 1;
  memset(out, 0, size);
  if (len != 0)
    memcpy(out, text.data, len);
}

static struct outcome run_args(const struct sim_world_args *args)
{
  struct outcome outcome;
  struct sim_world *world = sim_world_new(args);
  memset(&outcome, 0, sizeof(outcome));
  for (int i = 0; i < 100 && world->servers_count == 0; i++)
    (void)sim_world_run(world, TERN_SECOND);
  assert_int_equal(world->servers_count, 1);
  assert_non_null(world->servers[0].conn);
  keep_text(outcome.alpn, sizeof(outcome.alpn), tern_conn_get_alpn(world->servers[0].conn));
  keep_text(outcome.server_name, sizeof(outcome.server_name),
            tern_conn_get_server_name(world->servers[0].conn));
  if (!sim_plans_finish(world, SIM_PLANS_LIMIT_NS))
    print_message("seed %llu: not over in time\n", SIM_PLANS_LLU(args->seed));
  sim_world_assert_complete(world);
  const struct sim_app *apps[2] = {&world->clients[0], &world->servers[0]};
  for (unsigned i = 0; i < 2; i++) {
    outcome.streams[i] = apps[i]->streams_complete;
    outcome.received[i] = apps[i]->bytes_received;
    outcome.sent[i] = apps[i]->bytes_sent;
  }
  outcome.kind = apps[0]->error.kind;
  outcome.code = apps[0]->error.code;
  sim_world_free(world);
  return outcome;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
  for (unsigned i = 0; i < 2; i++) {
    assert_int_equal(a->streams[i], b->streams[i]);
    assert_true(a->received[i] == b->received[i]);
    assert_true(a->sent[i] == b->sent[i]);
  }
  assert_int_equal(a->kind, b->kind);
  assert_true(a->code == b->code);
  assert_string_equal(a->alpn, b->alpn);
  assert_string_equal(a->server_name, b->server_name);
}

static void the_outcome_is_that_of_the_pretended_tls(void **state)
{
  uint64_t seeds = sim_plans_least(sim_plans_seeds(40), 500);
  double begun = sim_plans_real_seconds();
  uint64_t bytes = 0;
  (void)state;
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    struct tern_sim_link_config up;
    struct sim_world_args args = sim_plans_draw(seed, RUN_BYTES, &up);
    struct outcome pretended = run_args(&args);
    args.real_tls = true;
    struct outcome real = run_args(&args);
    assert_same(&real, &pretended);
    assert_string_equal(real.alpn, "tern-sim");
    assert_string_equal(real.server_name, "localhost");
    bytes += real.received[0] + real.received[1];
  }
  print_message("seeds 1 to %llu with %s: all as with the pretended TLS, %.1f MiB, %.1f s\n",
                SIM_PLANS_LLU(seeds), tern_tls_library(), (double)bytes / 1048576.0,
                sim_plans_real_seconds() - begun);
}

/* On a clean path even the times are alike: one round trip for the handshake, one for the answer. */
static void a_clean_handshake_takes_as_long(void **state)
{
  tern_time times[2];
  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    struct sim_world_args args = sim_world_defaults(1);
    args.real_tls = i == 1;
    struct sim_world *world = sim_world_new(&args);
    assert_true(sim_world_run(world, 60 * TERN_SECOND));
    sim_world_assert_complete(world);
    times[i] = world->clients[0].complete_at - TERN_SIM_START;
    sim_world_free(world);
  }
  print_message("two round trips of 50 ms: %.1f ms pretended, %.1f ms real\n",
                sim_plans_seconds(times[0]) * 1000, sim_plans_seconds(times[1]) * 1000);
  assert_in_range(times[0], 100 * TERN_MS, 115 * TERN_MS);
  assert_in_range(times[1], 100 * TERN_MS, 115 * TERN_MS);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_outcome_is_that_of_the_pretended_tls),
      cmocka_unit_test(a_clean_handshake_takes_as_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
