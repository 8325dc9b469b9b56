/* SPDX-License-Identifier: MIT */
/* Whole connections in simulated networks, every one under the oracles of test/support/sim_oracle.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/sim_world.h"

/* How many seeds a randomised test tries; a longer run sets TERN_SIM_SEEDS. */
static uint64_t seeds_of(uint64_t fallback)
{
  const char *text = getenv("TERN_SIM_SEEDS");
  return text == NULL ? fallback : strtoull(text, NULL, 10);
}

/* Runs to the end and asserts all of it; returns the hash of the trace. */
static uint64_t run_complete(const struct sim_world_args *args, tern_time limit_ns)
{
  struct sim_world *world = sim_world_new(args);
  if (!sim_world_run(world, limit_ns))
    print_message("seed %llu: not over in time\n", (unsigned long long)args->seed);
  sim_world_assert_complete(world);
  uint64_t hash = tern_sim_get_hash(world->sim);
  sim_world_free(world);
  return hash;
}

static void a_small_exchange(void **state)
{
  struct sim_world_args args = sim_world_defaults(1);
  (void)state;
  (void)run_complete(&args, 10 * TERN_SECOND);
}

/* Handshake in one round trip, the answer in the next: 50 ms each, and little else. */
static void it_takes_two_round_trips(void **state)
{
  struct sim_world_args args = sim_world_defaults(1);
  (void)state;
  struct sim_world *world = sim_world_new(&args);
  assert_true(sim_world_run(world, 60 * TERN_SECOND));
  sim_world_assert_complete(world);
  assert_in_range(world->clients[0].connected_at - TERN_SIM_START, 50 * TERN_MS, 60 * TERN_MS);
  assert_in_range(world->clients[0].complete_at - TERN_SIM_START, 100 * TERN_MS, 112 * TERN_MS);
  sim_world_free(world);
}

static void real_tls_works_too(void **state)
{
  struct sim_world_args args = sim_world_defaults(1);
  (void)state;
  args.real_tls = true;
  args.plan.down_bytes = 100000;
  (void)run_complete(&args, 10 * TERN_SECOND);
}

static void every_way_to_send_and_receive(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 3 * 2 * 2; i++) {
    struct sim_world_args args = sim_world_defaults(i);
    args.plan.way = (enum sim_app_way)(i % 3);
    args.plan.peeks = i / 3 % 2 != 0;
    args.plan.answers_after_fin = i / 6 != 0;
    args.plan.bidi_streams = 7;
    args.plan.uni_streams = 3;
    args.plan.up_bytes = 50000;
    args.plan.down_bytes = 70001;
    (void)run_complete(&args, 30 * TERN_SECOND);
  }
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 3; seed++) {
    struct sim_world_args args = sim_world_defaults(seed);
    args.link.loss_ppm = 20000;
    args.link.jitter_ns = TERN_MS;
    args.plan.bidi_streams = 5;
    args.plan.down_bytes = 50000;
    uint64_t hash = run_complete(&args, 60 * TERN_SECOND);
    assert_true(run_complete(&args, 60 * TERN_SECOND) == hash);
    args.seed += 100;
    assert_true(run_complete(&args, 60 * TERN_SECOND) != hash);
  }
}

/* A bulk transfer fills the link it is given: 10 MB over 10 Mbit/s take 8 s at the very least. */
static void bulk_fills_the_link(void **state)
{
  struct sim_world_args args = sim_world_defaults(7);
  (void)state;
  args.plan.down_bytes = 10000000;
  args.plan.way = SIM_APP_SOURCE;
  clock_t start = clock();
  struct sim_world *world = sim_world_new(&args);
  assert_true(sim_world_run(world, 60 * TERN_SECOND));
  double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  sim_world_assert_complete(world);
  tern_time took = world->clients[0].complete_at - TERN_SIM_START;
  print_message("10 MB over 10 Mbit/s in %.2f simulated and %.2f real seconds\n",
                (double)took * 1e-9, seconds);
  assert_in_range(took, 8 * TERN_SECOND, 10 * TERN_SECOND);
  sim_world_free(world);
}

static void many_clients_at_once(void **state)
{
  struct sim_world_args args = sim_world_defaults(3);
  (void)state;
  args.clients = SIM_WORLD_CLIENTS_MAX;
  args.plan.bidi_streams = 4;
  args.plan.down_bytes = 30000;
  args.link.loss_ppm = 10000;
  (void)run_complete(&args, 60 * TERN_SECOND);
}

/* More streams than the peer allows at a time: they wait for credit, all get through. */
static void streams_beyond_the_limit_wait(void **state)
{
  struct sim_world_args args = sim_world_defaults(4);
  (void)state;
  args.server.streams_bidi_max = 5;
  args.server.streams_uni_max = 2;
  args.plan.bidi_streams = 60;
  args.plan.uni_streams = 20;
  (void)run_complete(&args, 60 * TERN_SECOND);
}

static void small_windows_still_move(void **state)
{
  struct sim_world_args args = sim_world_defaults(5);
  (void)state;
  args.client.stream_window_bytes = args.client.stream_window_max_bytes = 4096;
  args.client.conn_window_bytes = args.client.conn_window_max_bytes = 8192;
  args.plan.bidi_streams = 4;
  args.plan.down_bytes = 100000;
  (void)run_complete(&args, 120 * TERN_SECOND);
}

static void datagrams_are_echoed(void **state)
{
  struct sim_world_args args = sim_world_defaults(6);
  (void)state;
  args.plan.datagrams = 20;
  args.plan.stays_open = true;
  struct sim_world *world = sim_world_new(&args);
  (void)sim_world_run(world, 2 * TERN_SECOND);
  sim_world_assert_complete(world);
  assert_int_equal(world->servers[0].datagrams_received, 20);
  assert_int_equal(world->clients[0].datagrams_received, 20);
  sim_world_free(world);
}

/* Any mix of what a network does to datagrams: every byte arrives, in order, once. */
static void bad_networks_lose_nothing(void **state)
{
  struct tern_random_seeded random;
  uint64_t seeds = seeds_of(40);
  (void)state;
  print_message("seeds 0 to %llu\n", (unsigned long long)seeds - 1);
  for (uint64_t seed = 0; seed < seeds; seed++) {
    struct sim_world_args args = sim_world_defaults(seed);
    tern_random_seeded_init(&random, seed ^ 0xbad);
#define BELOW(n) (tern_random_seeded_next(&random) % (n))
    args.link.delay_ns = BELOW(150) * TERN_MS;
    args.link.jitter_ns = BELOW(3) * BELOW(20) * TERN_MS;
    args.link.rate = BELOW(4) == 0 ? 0 : 50000 + BELOW(5000000);
    args.link.queue_bytes = BELOW(2) * (3000 + BELOW(200000));
    args.link.loss_ppm = (uint32_t)(BELOW(2) * BELOW(100000));
    args.link.burst_ppm = (uint32_t)(BELOW(3) == 0 ? BELOW(500000) : 0);
    args.link.reorder_ppm = (uint32_t)(BELOW(2) * BELOW(100000));
    args.link.reorder_ns = BELOW(50) * TERN_MS;
    args.link.duplicate_ppm = (uint32_t)(BELOW(2) * BELOW(100000));
    args.link.corrupt_ppm = (uint32_t)(BELOW(3) == 0 ? BELOW(30000) : 0);
    args.link.ce_ppm = (uint32_t)(BELOW(3) == 0 ? BELOW(50000) : 0);
    args.link.bleaches = BELOW(8) == 0;
    args.link.mtu_bytes = (uint32_t)(BELOW(2) * (1200 + BELOW(300)));
    args.plan.bidi_streams = 1 + (unsigned)BELOW(8);
    args.plan.up_bytes = BELOW(40000);
    args.plan.down_bytes = BELOW(100000);
    args.plan.way = (enum sim_app_way)BELOW(3);
    args.plan.peeks = BELOW(2) != 0;
    args.client.conn_window_max_bytes = args.client.conn_window_bytes = 2000 + BELOW(300000);
    args.server.conn_window_max_bytes = args.server.conn_window_bytes = 2000 + BELOW(300000);
    args.client.stream_window_max_bytes = args.client.stream_window_bytes = 2000 + BELOW(100000);
    args.server.stream_window_max_bytes = args.server.stream_window_bytes = 2000 + BELOW(100000);
    args.client.send_buffer_bytes = args.server.send_buffer_bytes = 4096 + BELOW(30000);
    args.server.half_open_timeout_ms = args.server.handshake_timeout_ms =
        args.client.handshake_timeout_ms = 60000;
#undef BELOW
    (void)run_complete(&args, 600 * TERN_SECOND);
  }
}

/* ---- scripted losses --------------------------------------------------------------------- */

struct script {
  const char *from;
  uint64_t mask; /* which of its first 64 datagrams vanish */
};

static bool drop_by_mask(void *arg, struct tern_sim_datagram *datagram)
{
  const struct script *script = arg;
  return strcmp(tern_sim_node_name(datagram->from), script->from) != 0 || datagram->index >= 64 ||
         (script->mask >> datagram->index & 1) == 0;
}

/* Every subset of the first five datagrams of either side is lost: the handshake always gets there. */
static void handshakes_survive_lost_flights(void **state)
{
  (void)state;
  for (unsigned side = 0; side < 2; side++) {
    for (uint64_t mask = 1; mask < 32; mask++) {
      struct script script = {side == 0 ? "client" : "server", mask};
      struct sim_world_args args = sim_world_defaults(mask);
      args.filter = drop_by_mask;
      args.filter_arg = &script;
      args.plan.down_bytes = 5000;
      args.server.half_open_timeout_ms = args.server.handshake_timeout_ms =
          args.client.handshake_timeout_ms = 60000;
      (void)run_complete(&args, 120 * TERN_SECOND);
    }
  }
}

/* ---- silence ----------------------------------------------------------------------------- */

/* Nobody answers: the client gives up when its handshake timeout says. */
static void an_absent_server_is_noticed(void **state)
{
  struct sim_world_args args = sim_world_defaults(8);
  (void)state;
  args.link.is_down = true;
  struct sim_world *world = sim_world_new(&args);
  assert_true(sim_world_run(world, 30 * TERN_SECOND));
  assert_false(world->clients[0].is_connected);
  assert_int_equal(world->clients[0].error.kind, TERN_ERROR_HANDSHAKE_TIMEOUT);
  assert_in_range(world->clients[0].closed_at - TERN_SIM_START, 10 * TERN_SECOND, 11 * TERN_SECOND);
  sim_world_free(world);
}

/* [rfc9000-10.1] A connection that falls silent ends within its idle timeout on both sides. */
static void an_outage_ends_in_idle_timeouts(void **state)
{
  struct sim_world_args args = sim_world_defaults(9);
  (void)state;
  args.client.idle_timeout_ms = 5000;
  args.plan.stays_open = true;
  struct sim_world *world = sim_world_new(&args);
  (void)sim_world_run(world, TERN_SECOND);
  sim_world_assert_complete(world);
  tern_sim_find_link(world->client_nodes[0], world->server_node)->config.is_down = true;
  tern_sim_find_link(world->server_node, world->client_nodes[0])->config.is_down = true;
  assert_true(sim_world_run(world, 30 * TERN_SECOND));
  assert_int_equal(world->clients[0].error.kind, TERN_ERROR_IDLE);
  assert_int_equal(world->servers[0].error.kind, TERN_ERROR_IDLE);
  assert_in_range(world->clients[0].closed_at - TERN_SIM_START, 4 * TERN_SECOND, 8 * TERN_SECOND);
  sim_world_free(world);
}

/* A short outage in the middle of a transfer is survived. */
static void a_short_outage_is_survived(void **state)
{
  struct sim_world_args args = sim_world_defaults(10);
  (void)state;
  args.plan.down_bytes = 2000000;
  struct sim_world *world = sim_world_new(&args);
  (void)sim_world_run(world, 500 * TERN_MS);
  struct tern_sim_link *link = tern_sim_find_link(world->server_node, world->client_nodes[0]);
  link->config.is_down = true;
  (void)sim_world_run(world, 3 * TERN_SECOND);
  link->config.is_down = false;
  assert_true(sim_world_run(world, 60 * TERN_SECOND));
  sim_world_assert_complete(world);
  sim_world_free(world);
}

/* [rfc9000-9.3] A NAT forgets its mapping in the middle: the transfer goes on from the new address. */
static void a_rebinding_is_survived(void **state)
{
  struct sim_world_args args = sim_world_defaults(11);
  (void)state;
  args.plan.down_bytes = 1000000;
  args.plan.up_bytes = 200000;
  struct sim_world *world = sim_world_new(&args);
  (void)sim_world_run(world, 300 * TERN_MS);
  tern_addr outer = tern_sim_node_addr(world->client_nodes[0], 0);
  outer.port++;
  tern_sim_node_rebind(world->client_nodes[0], 0, &outer);
  assert_true(sim_world_run(world, 60 * TERN_SECOND));
  sim_world_assert_complete(world);
  sim_world_free(world);
}

/* [rfc9000-10.3] The server forgets everything; its successor has the same key, so that what the client
 * sends next is answered with a Stateless Reset that the client believes. */
static void a_restarted_server_resets(void **state)
{
  struct sim_world_args args = sim_world_defaults(13);
  (void)state;
  memset(args.server.reset_key, 7, sizeof(args.server.reset_key));
  args.plan.stays_open = true;
  args.client.keep_alive_ms = 500;
  struct sim_world *world = sim_world_new(&args);
  (void)sim_world_run(world, TERN_SECOND);
  sim_world_assert_complete(world);
  sim_world_restart_server(world);
  assert_true(sim_world_run(world, 5 * TERN_SECOND));
  assert_int_equal(world->clients[0].error.kind, TERN_ERROR_STATELESS_RESET);
  sim_world_free(world);
}

/* ---- clocks and sockets ------------------------------------------------------------------ */

struct jumper {
  struct sim_world *world;
  struct tern_random_seeded random;
};

/* HOSTILE.md T23: a clock that goes back, stands still or leaps; but not past the idle timeout, or it
 * would be right to end. */
static void jump(void *arg, struct tern_sim *sim)
{
  struct jumper *jumper = arg;
  struct tern_sim_node *node = tern_random_seeded_next(&jumper->random) % 2 == 0
                                   ? jumper->world->server_node
                                   : jumper->world->client_nodes[0];
  int64_t skew_ms = (int64_t)(tern_random_seeded_next(&jumper->random) % 1500) - 700;
  tern_sim_node_skew(sim, node, skew_ms * (int64_t)TERN_MS);
  assert_int_equal(tern_sim_at(sim, tern_sim_now(sim) + 150 * TERN_MS, jump, jumper), TERN_OK);
}

static void clocks_that_jump(void **state)
{
  uint64_t seeds = seeds_of(20);
  (void)state;
  for (uint64_t seed = 0; seed < seeds; seed++) {
    struct sim_world_args args = sim_world_defaults(seed);
    struct jumper jumper;
    args.plan.down_bytes = 300000;
    args.link.loss_ppm = 10000;
    struct sim_world *world = sim_world_new(&args);
    jumper.world = world;
    tern_random_seeded_init(&jumper.random, seed);
    jump(&jumper, world->sim);
    if (!sim_world_run(world, 200 * TERN_SECOND))
      print_message("seed %llu: not over in time\n", (unsigned long long)seed);
    sim_world_assert_complete(world);
    sim_world_free(world);
  }
}

/* HOSTILE.md T25: sockets that take nothing or a part, with each error there is. */
static size_t moody_socket(void *arg, const tern_run *run, size_t count, int *error)
{
  static const int errors[] = {EAGAIN, EAGAIN, EAGAIN, ENOBUFS, ECONNREFUSED, EMSGSIZE, EPERM};
  struct tern_random_seeded *random = arg;
  (void)run;
  if (tern_random_seeded_next(random) % 8 != 0)
    return count;
  *error = errors[tern_random_seeded_next(random) % 7];
  return (size_t)(tern_random_seeded_next(random) % count);
}

static void sockets_that_refuse(void **state)
{
  uint64_t seeds = seeds_of(20);
  (void)state;
  for (uint64_t seed = 0; seed < seeds; seed++) {
    struct sim_world_args args = sim_world_defaults(seed);
    struct tern_random_seeded random;
    args.plan.down_bytes = 300000;
    args.plan.up_bytes = 100000;
    args.plan.way = (enum sim_app_way)(seed % 3);
    args.may_lose_close = true;
    tern_random_seeded_init(&random, seed);
    struct sim_world *world = sim_world_new(&args);
    tern_sim_node_set_socket(world->server_node, moody_socket, &random);
    tern_sim_node_set_socket(world->client_nodes[0], moody_socket, &random);
    if (!sim_world_run(world, 200 * TERN_SECOND))
      print_message("seed %llu: not over in time\n", (unsigned long long)seed);
    sim_world_assert_complete(world);
    sim_world_free(world);
  }
}

/* ---- memory ------------------------------------------------------------------------------ */

static bool drop_all_of_the_server(void *arg, struct tern_sim_datagram *datagram)
{
  (void)arg;
  return strcmp(tern_sim_node_name(datagram->from), "server") != 0;
}

/* O1: a connection whose peer's address is not validated costs at most 24 KiB, with its TLS and its
 * flight; and all of it comes back. */
static void half_open_connections_are_cheap(void **state)
{
  struct sim_world_args args = sim_world_defaults(14);
  tern_endpoint_stats before;
  tern_endpoint_stats stats;
  (void)state;
  args.clients = SIM_WORLD_CLIENTS_MAX;
  args.filter = drop_all_of_the_server;
  struct sim_world *world = sim_world_new(&args);
  tern_endpoint_get_stats(tern_sim_node_endpoint(world->server_node), &before);
  for (int i = 0; i < 50; i++) {
    (void)sim_world_run(world, 100 * TERN_MS);
    tern_endpoint_get_stats(tern_sim_node_endpoint(world->server_node), &stats);
    assert_int_equal(stats.conns_now, SIM_WORLD_CLIENTS_MAX);
    assert_int_equal(stats.conns_half_open, SIM_WORLD_CLIENTS_MAX);
    assert_in_range(stats.heap_bytes_now - before.heap_bytes_now, 1,
                    SIM_WORLD_CLIENTS_MAX * SIM_ORACLE_HALF_OPEN_BYTES);
  }
  print_message("%llu bytes each\n",
                (unsigned long long)(stats.heap_bytes_now - before.heap_bytes_now) /
                    SIM_WORLD_CLIENTS_MAX);
  assert_true(sim_world_run(world, 60 * TERN_SECOND));
  assert_int_equal(world->clients[0].error.kind, TERN_ERROR_HANDSHAKE_TIMEOUT);
  sim_world_free(world);
}

/* HOSTILE.md T24: every allocation fails once; nothing crashes, leaks, or hangs. */
static void every_allocation_fails_once(void **state)
{
  uint64_t at = 1;
  bool is_done = false;
  (void)state;
  for (; !is_done && at < 5000; at++) {
    struct sim_world_args args = sim_world_defaults(12);
    args.fail_at = at;
    args.plan.bidi_streams = 3;
    args.plan.down_bytes = 20000;
    args.client.idle_timeout_ms = 3000;
    struct sim_world *world = sim_world_new(&args);
    if (world == NULL)
      continue;
    (void)sim_world_run(world, 20 * TERN_SECOND);
    is_done = world->heap.takes < at;
    if (is_done)
      sim_world_assert_complete(world);
    world->clients[0].fault[0] = 0; /* refused calls are what is to be expected here */
    world->servers[0].fault[0] = 0;
    sim_world_free(world);
  }
  print_message("%llu allocations\n", (unsigned long long)at);
  assert_true(is_done);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_small_exchange),
      cmocka_unit_test(it_takes_two_round_trips),
      cmocka_unit_test(real_tls_works_too),
      cmocka_unit_test(every_way_to_send_and_receive),
      cmocka_unit_test(the_same_seed_gives_the_same_bytes),
      cmocka_unit_test(bulk_fills_the_link),
      cmocka_unit_test(many_clients_at_once),
      cmocka_unit_test(streams_beyond_the_limit_wait),
      cmocka_unit_test(small_windows_still_move),
      cmocka_unit_test(datagrams_are_echoed),
      cmocka_unit_test(bad_networks_lose_nothing),
      cmocka_unit_test(handshakes_survive_lost_flights),
      cmocka_unit_test(an_absent_server_is_noticed),
      cmocka_unit_test(an_outage_ends_in_idle_timeouts),
      cmocka_unit_test(a_short_outage_is_survived),
      cmocka_unit_test(a_rebinding_is_survived),
      cmocka_unit_test(a_restarted_server_resets),
      cmocka_unit_test(clocks_that_jump),
      cmocka_unit_test(sockets_that_refuse),
      cmocka_unit_test(half_open_connections_are_cheap),
      cmocka_unit_test(every_allocation_fails_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
