/* SPDX-License-Identifier: MIT */
/* Handshakes that lose packets: at random, and each packet of a large ClientHello and of the server's
 * flight in turn, and all of them in every order.
 *
 *   client  Initial Initial Initial   ->            a ClientHello of 3,600 bytes, as with post-quantum keys
 *   server         <-  Initial+Handshake Handshake Handshake Handshake      a chain of 3,600 bytes
 *
 * 200 seeds at 30 % loss; TERN_SEEDS=n asks for n. */
#include "transport/sim_plans.h"

#define HELLO_BYTES 3600
#define CERT_BYTES 3600
#define CLIENT_DATAGRAMS 3
#define SERVER_DATAGRAMS 4
#define TIMEOUT_MS 60000

static struct sim_world_args large_args(uint64_t seed)
{
  struct sim_world_args args = sim_world_defaults(seed);
  args.tls.hello_bytes = HELLO_BYTES;
  args.tls.cert_bytes = CERT_BYTES;
  args.server.half_open_timeout_ms = args.server.handshake_timeout_ms =
      args.client.handshake_timeout_ms = TIMEOUT_MS;
  return args;
}

/* ---- at random ----------------------------------------------------------------------------- */

struct times {
  tern_time sum_ns;
  tern_time longest_ns;
  uint64_t seed_of_longest;
  uint64_t count;
};

static void note_time(struct times *times, uint64_t seed, tern_time took_ns)
{
  times->count++;
  times->sum_ns += took_ns;
  if (took_ns <= times->longest_ns)
    return;
  times->longest_ns = took_ns;
  times->seed_of_longest = seed;
}

static void print_times(const char *what, const struct times *times)
{
  print_message("%s: %llu of %llu complete, mean %.0f ms, longest %.0f ms (%llu)\n", what,
                SIM_PLANS_LLU(times->count), SIM_PLANS_LLU(times->count),
                sim_plans_seconds(times->sum_ns) * 1000 / (double)times->count,
                sim_plans_seconds(times->longest_ns) * 1000, SIM_PLANS_LLU(times->seed_of_longest));
}

/* How long until both sides had their handshake and 1,000 bytes each way had crossed. */
static tern_time run_world(const struct sim_world_args *args)
{
  struct sim_world *world = sim_world_new(args);
  if (!sim_world_run(world, 1000 * TERN_SECOND))
    print_message("seed %llu: not over in time\n", SIM_PLANS_LLU(args->seed));
  sim_world_assert_complete(world);
  tern_time took = world->clients[0].connected_at - TERN_SIM_START;
  sim_world_free(world);
  return took;
}

static void thirty_percent_loss(void **state)
{
  uint64_t seeds = sim_plans_seeds(200);
  struct times small = {0};
  struct times large = {0};
  (void)state;
  print_message("seeds 1 to %llu, handshake timeout %d s\n", SIM_PLANS_LLU(seeds),
                TIMEOUT_MS / 1000);
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    struct sim_world_args args = large_args(seed);
    args.client.idle_timeout_ms = args.server.idle_timeout_ms = SIM_PLANS_IDLE_MS;
    args.link.loss_ppm = 300000;
    note_time(&large, seed, run_world(&args));
    args.tls.hello_bytes = args.tls.cert_bytes = 0;
    note_time(&small, seed, run_world(&args));
  }
  print_times("30 % loss, one Initial", &small);
  print_times("30 % loss, three Initials", &large);
}

/* ---- each in turn -------------------------------------------------------------------------- */

/* What happens to the first datagrams of each side. */
struct script {
  uint8_t client_lost; /* bits */
  uint8_t server_lost;
  uint8_t client_order[CLIENT_DATAGRAMS]; /* place in which each leaves */
  uint8_t server_order[SERVER_DATAGRAMS];
  bool is_client_orderly;
  bool is_server_orderly;
  unsigned client_seen; /* of the scripted ones */
  unsigned server_seen;
};

static bool is_long(const struct tern_sim_datagram *datagram)
{
  return datagram->len != 0 && (datagram->data[0] & 0x80) != 0;
}

static bool follow(void *arg, struct tern_sim_datagram *datagram)
{
  struct script *script = arg;
  bool is_client = strcmp(tern_sim_node_name(datagram->from), "client") == 0;
  uint64_t count = is_client ? CLIENT_DATAGRAMS : SERVER_DATAGRAMS;
  if (datagram->index >= count || !is_long(datagram))
    return true;
  script->client_seen += is_client;
  script->server_seen += !is_client;
  if ((is_client ? script->client_lost : script->server_lost) >> datagram->index & 1)
    return false;
  if (!(is_client ? script->is_client_orderly : script->is_server_orderly)) {
    const uint8_t *order = is_client ? script->client_order : script->server_order;
    datagram->delay_ns = order[datagram->index] * 2 * TERN_MS;
  }
  return true;
}

/* The n-th of the count! orders. */
static void make_order(uint8_t *order, unsigned count, unsigned number)
{
  uint8_t left[8];
  for (unsigned i = 0; i < count; i++)
    left[i] = (uint8_t)i;
  for (unsigned i = 0; i < count; i++) {
    unsigned pick = number % (count - i);
    number /= count - i;
    order[i] = left[pick];
    memmove(left + pick, left + pick + 1, count - i - pick - 1);
  }
}

static tern_time run_script(struct script *script, uint64_t seed)
{
  struct sim_world_args args = large_args(seed);
  args.filter = follow;
  args.filter_arg = script;
  tern_time took = run_world(&args);
  assert_int_equal(script->client_seen, CLIENT_DATAGRAMS);
  assert_int_equal(script->server_seen, SERVER_DATAGRAMS);
  return took;
}

/* One lost datagram costs one probe timeout at most: 1 s before there is an RTT sample [rfc9002-6.2.2]. */
static void each_one_lost_in_turn(void **state)
{
  struct times times = {0};
  (void)state;
  for (unsigned client = 0; client <= CLIENT_DATAGRAMS; client++) {
    for (unsigned server = 0; server <= SERVER_DATAGRAMS; server++) {
      struct script script = {.is_client_orderly = true, .is_server_orderly = true};
      script.client_lost = (uint8_t)(client == 0 ? 0 : 1 << (client - 1));
      script.server_lost = (uint8_t)(server == 0 ? 0 : 1 << (server - 1));
      note_time(&times, client * 10 + server, run_script(&script, client * 10 + server));
    }
  }
  print_times("one lost on either side", &times);
  assert_true(times.longest_ns < 2500 * TERN_MS);
}

/* Any number of them lost, together: every subset of seven datagrams. */
static void every_subset_lost(void **state)
{
  struct times times = {0};
  (void)state;
  for (unsigned mask = 0; mask < 1 << (CLIENT_DATAGRAMS + SERVER_DATAGRAMS); mask++) {
    struct script script = {.is_client_orderly = true, .is_server_orderly = true};
    script.client_lost = (uint8_t)(mask & ((1 << CLIENT_DATAGRAMS) - 1));
    script.server_lost = (uint8_t)(mask >> CLIENT_DATAGRAMS);
    note_time(&times, mask, run_script(&script, mask));
  }
  print_times("every subset lost", &times);
  assert_true(times.longest_ns < 6 * TERN_SECOND);
}

/* Out of order nothing is missing, so no timer has to fire: one round trip, and what the reordering
 * adds. */
static void every_order(void **state)
{
  struct times times = {0};
  (void)state;
  for (unsigned client = 0; client < 6; client++) {
    for (unsigned server = 0; server < 24; server++) {
      struct script script = {0};
      make_order(script.client_order, CLIENT_DATAGRAMS, client);
      make_order(script.server_order, SERVER_DATAGRAMS, server);
      note_time(&times, client * 100 + server, run_script(&script, client * 100 + server));
    }
  }
  print_times("every order on either side", &times);
  assert_true(times.longest_ns < 200 * TERN_MS);
}

/* Late and lost: each one lost while the others come in every order. */
static void every_order_with_one_lost(void **state)
{
  struct times times = {0};
  (void)state;
  for (unsigned number = 0; number < 6 * 24; number++) {
    struct script script = {0};
    make_order(script.client_order, CLIENT_DATAGRAMS, number % 6);
    make_order(script.server_order, SERVER_DATAGRAMS, number / 6);
    for (unsigned lost = 0; lost < CLIENT_DATAGRAMS + SERVER_DATAGRAMS; lost++) {
      script.client_seen = script.server_seen = 0;
      script.client_lost = (uint8_t)(lost < CLIENT_DATAGRAMS ? 1 << lost : 0);
      script.server_lost = (uint8_t)(lost < CLIENT_DATAGRAMS ? 0 : 1 << (lost - CLIENT_DATAGRAMS));
      note_time(&times, number * 10 + lost, run_script(&script, number * 10 + lost));
    }
  }
  print_times("every order with one lost", &times);
  assert_true(times.longest_ns < 2500 * TERN_MS);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(thirty_percent_loss),       cmocka_unit_test(each_one_lost_in_turn),
      cmocka_unit_test(every_subset_lost),         cmocka_unit_test(every_order),
      cmocka_unit_test(every_order_with_one_lost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
