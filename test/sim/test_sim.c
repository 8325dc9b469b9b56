/* SPDX-License-Identifier: MIT */
/* The simulator with hosts that are no endpoints: a flood of numbered datagrams and its receiver. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/random.h"
#include "sim/agenda.h"
#include "sim/sim.h"
#include "support/fail_alloc.h"

#define PAYLOAD 1000

/* Sends `runs` runs of `per_run` datagrams, one run each `gap`; counts what comes. */
struct peer {
  struct tern_sim *sim;
  tern_addr remote;
  tern_addr local;
  unsigned runs_left;
  unsigned per_run;
  tern_time gap;
  tern_time next;
  tern_time hold_ns; /* send_at ahead of now */
  uint8_t bytes[64 * PAYLOAD];
  tern_run run;
  uint32_t number;

  uint32_t received;
  uint32_t highest;
  unsigned batches;
  unsigned batch_max;
  unsigned out_of_order;
  tern_time first_at;
  tern_time last_at;
  tern_addr seen_remote;
  tern_addr seen_local;
  uint8_t seen_ecn;
  unsigned timeouts;
  bool is_restless; /* its deadline never leaves the past */
  int sent_error;
};

static tern_addr address(uint8_t last, uint16_t port)
{
  tern_addr addr = {.family = 4, .ip = {10, 0, 0, 0}, .port = port};
  addr.ip[3] = last;
  return addr;
}

static void on_receive(void *arg, tern_datagram *batch, size_t count, tern_time now)
{
  struct peer *peer = arg;
  peer->batches++;
  peer->batch_max = count > peer->batch_max ? (unsigned)count : peer->batch_max;
  for (size_t i = 0; i < count; i++) {
    uint32_t number = 0;
    memcpy(&number, batch[i].data, batch[i].len < 4 ? batch[i].len : 4);
    peer->out_of_order += number < peer->highest ? 1 : 0;
    peer->highest = number > peer->highest ? number : peer->highest;
    peer->seen_remote = batch[i].remote;
    peer->seen_local = batch[i].local;
    peer->seen_ecn = batch[i].ecn;
    peer->received++;
    memset(batch[i].data, 0, batch[i].len); /* it is writable, and nobody else's */
  }
  peer->first_at = peer->first_at == 0 ? now : peer->first_at;
  peer->last_at = now;
}

static tern_time get_deadline(void *arg)
{
  struct peer *peer = arg;
  if (peer->is_restless)
    return 0;
  return peer->runs_left == 0 ? TERN_TIME_NEVER : peer->next;
}

static void on_timeout(void *arg, tern_time now)
{
  struct peer *peer = arg;
  (void)now;
  peer->timeouts++;
}

static const tern_run *next_run(void *arg, tern_time now)
{
  struct peer *peer = arg;
  if (peer->runs_left == 0 || now < peer->next)
    return NULL;
  peer->runs_left--;
  peer->next += peer->gap;
  for (unsigned i = 0; i < peer->per_run; i++) {
    peer->number++;
    memcpy(peer->bytes + (size_t)i * PAYLOAD, &peer->number, 4);
  }
  peer->run.data = peer->bytes;
  peer->run.len = (size_t)peer->per_run * PAYLOAD;
  peer->run.segment_bytes = PAYLOAD;
  peer->run.ecn = TERN_ECN_ECT0;
  peer->run.remote = peer->remote;
  peer->run.local = peer->local;
  peer->run.send_at = peer->hold_ns == 0 ? 0 : now + peer->hold_ns;
  return &peer->run;
}

static void on_sent(void *arg, const tern_run *run, size_t datagrams, int error, tern_time now)
{
  struct peer *peer = arg;
  (void)run;
  (void)datagrams;
  (void)now;
  peer->sent_error = error;
}

static const struct tern_sim_host peer_host = {on_receive, get_deadline, on_timeout,
                                               next_run,   on_sent,      NULL};

struct world {
  struct tern_sim *sim;
  struct peer a;
  struct peer b;
  struct tern_sim_node *node_a;
  struct tern_sim_node *node_b;
};

static void make_world(struct world *world, uint64_t seed, const struct tern_sim_link_config *link)
{
  memset(world, 0, sizeof(*world));
  assert_int_equal(tern_sim_new(&world->sim, seed, NULL), TERN_OK);
  struct tern_sim_host_args args_a = {"a", address(1, 1000), &peer_host, &world->a};
  struct tern_sim_host_args args_b = {"b", address(2, 2000), &peer_host, &world->b};
  assert_int_equal(tern_sim_add_host(world->sim, &args_a, &world->node_a), TERN_OK);
  assert_int_equal(tern_sim_add_host(world->sim, &args_b, &world->node_b), TERN_OK);
  assert_int_equal(tern_sim_connect(world->sim, world->node_a, world->node_b, link), TERN_OK);
  world->a.remote = args_b.addr;
  world->b.remote = args_a.addr;
  world->a.next = world->b.next = TERN_SIM_START;
}

static void flood(struct peer *peer, unsigned runs, unsigned per_run, tern_time gap)
{
  peer->runs_left = runs;
  peer->per_run = per_run;
  peer->gap = gap;
}

/* ---- agenda ------------------------------------------------------------------------------ */

/* Random times with many ties come out by time, and in order of entry within one. */
static void the_agenda_is_stable(void **state)
{
  struct tern_alloc alloc;
  struct tern_agenda agenda;
  struct tern_random_seeded random;
  static uint64_t items[5000];
  const uint64_t seed = 0xa9;
  (void)state;
  print_message("seed %llu\n", (unsigned long long)seed);
  tern_random_seeded_init(&random, seed);
  tern_alloc_init(&alloc, &tern_alloc_system, NULL, UINT64_MAX);
  tern_agenda_init(&agenda, &alloc);
  assert_null(tern_agenda_take(&agenda, TERN_TIME_NEVER));
  for (size_t i = 0; i < 5000; i++) {
    items[i] = 1 + tern_random_seeded_next(&random) % 50;
    assert_int_equal(tern_agenda_add(&agenda, items[i], &items[i]), TERN_OK);
  }
  const uint64_t *previous = NULL;
  for (size_t i = 0; i < 5000; i++) {
    assert_null(tern_agenda_take(&agenda, tern_agenda_first_at(&agenda) - 1));
    const uint64_t *item = tern_agenda_take(&agenda, TERN_TIME_NEVER);
    assert_non_null(item);
    assert_true(previous == NULL || *previous < *item || (*previous == *item && previous < item));
    previous = item;
  }
  assert_int_equal(tern_agenda_first_at(&agenda), TERN_TIME_NEVER);
  tern_agenda_deinit(&agenda);
  tern_alloc_deinit(&alloc);
}

/* ---- delivery ---------------------------------------------------------------------------- */

static void runs_are_cut_and_batched(void **state)
{
  struct tern_sim_link_config link = {.delay_ns = 5 * TERN_MS};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  flood(&world.a, 3, 40, TERN_MS);
  tern_sim_run_until(world.sim, TERN_SIM_START + 20 * TERN_MS);
  assert_int_equal(tern_sim_now(world.sim), TERN_SIM_START + 20 * TERN_MS);
  assert_int_equal(world.b.received, 120);
  assert_int_equal(world.b.batches, 3); /* each run arrives in one instant */
  assert_int_equal(world.b.batch_max, 40);
  assert_int_equal(world.b.out_of_order, 0);
  assert_int_equal(world.b.first_at, TERN_SIM_START + 5 * TERN_MS);
  assert_int_equal(world.b.last_at, TERN_SIM_START + 7 * TERN_MS);
  assert_int_equal(world.b.seen_remote.port, 1000);
  assert_int_equal(world.b.seen_local.port, 2000);
  assert_int_equal(world.b.seen_ecn, TERN_ECN_ECT0);
  assert_int_equal(tern_sim_get_delivered(world.sim), 120);
  struct tern_sim_node_stats stats = tern_sim_node_get_stats(world.node_a);
  assert_int_equal(stats.datagrams_sent, 120);
  assert_int_equal(stats.bytes_sent, 120 * PAYLOAD);
  tern_sim_free(world.sim);
}

static void large_batches_are_split(void **state)
{
  struct tern_sim_link_config link = {0};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  flood(&world.a, 10, 60, 0);
  tern_sim_run_until(world.sim, TERN_SIM_START + TERN_MS);
  assert_int_equal(world.b.received, 600);
  assert_int_equal(world.b.batch_max, TERN_SIM_BATCH_MAX);
  assert_int_equal(world.b.out_of_order, 0);
  tern_sim_free(world.sim);
}

static void the_last_segment_may_be_short(void **state)
{
  struct tern_sim_link_config link = {0};
  struct world world;
  uint8_t bytes[2500] = {0};
  (void)state;
  make_world(&world, 1, &link);
  tern_run run = {.data = bytes, .len = 2500, .segment_bytes = 1000, .remote = address(2, 2000)};
  assert_int_equal(tern_sim_send(world.sim, world.node_a, &run), TERN_OK);
  run.segment_bytes = 0; /* one datagram of more than a frame */
  assert_int_equal(tern_sim_send(world.sim, world.node_a, &run), TERN_OK);
  run.remote = address(9, 9);
  assert_int_equal(tern_sim_send(world.sim, world.node_a, &run), TERN_INVALID);
  tern_sim_run_until(world.sim, TERN_SIM_START + TERN_MS);
  assert_int_equal(world.b.received, 4);
  assert_int_equal(tern_sim_node_get_stats(world.node_b).bytes_received, 5000);
  tern_sim_free(world.sim);
}

static void nobody_there_counts_as_unroutable(void **state)
{
  struct tern_sim_link_config link = {0};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  world.a.remote = address(77, 1);
  flood(&world.a, 2, 5, TERN_MS);
  tern_sim_run_until(world.sim, TERN_SIM_START + 10 * TERN_MS);
  assert_int_equal(tern_sim_node_get_stats(world.node_a).unroutable, 10);
  tern_sim_free(world.sim);
}

static void held_runs_leave_later(void **state)
{
  struct tern_sim_link_config link = {.delay_ns = TERN_MS};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  flood(&world.a, 1, 1, 0);
  world.a.hold_ns = 7 * TERN_MS;
  tern_sim_run_until(world.sim, TERN_SIM_START + 20 * TERN_MS);
  assert_int_equal(world.b.first_at, TERN_SIM_START + 8 * TERN_MS);
  tern_sim_free(world.sim);
}

/* ---- determinism ------------------------------------------------------------------------- */

static uint64_t run_hash(uint64_t seed, uint32_t *received)
{
  struct tern_sim_link_config link = {.delay_ns = 10 * TERN_MS,
                                      .jitter_ns = 3 * TERN_MS,
                                      .rate = 5000000,
                                      .queue_bytes = 100000,
                                      .loss_ppm = 20000,
                                      .reorder_ppm = 10000,
                                      .reorder_ns = 4 * TERN_MS,
                                      .duplicate_ppm = 10000,
                                      .corrupt_ppm = 5000};
  struct world world;
  make_world(&world, seed, &link);
  flood(&world.a, 200, 10, 2 * TERN_MS);
  flood(&world.b, 100, 3, 5 * TERN_MS);
  tern_sim_run_until(world.sim, TERN_SIM_START + 2 * TERN_SECOND);
  uint64_t hash = tern_sim_get_hash(world.sim);
  *received = world.b.received;
  assert_null(tern_sim_get_fault(world.sim));
  tern_sim_free(world.sim);
  return hash;
}

static void the_same_seed_gives_the_same_trace(void **state)
{
  uint32_t received;
  uint32_t again;
  (void)state;
  for (uint64_t seed = 0; seed < 20; seed++) {
    uint64_t hash = run_hash(seed, &received);
    assert_true(received > 1800 && received < 2050);
    assert_true(run_hash(seed, &again) == hash && again == received);
    assert_true(run_hash(seed + 1, &again) != hash);
  }
}

/* Stepping, running in slices and running through are the same run. */
static void slices_do_not_matter(void **state)
{
  struct tern_sim_link_config link = {
      .delay_ns = TERN_MS, .jitter_ns = TERN_MS, .loss_ppm = 100000};
  uint64_t hashes[3];
  (void)state;
  for (int way = 0; way < 3; way++) {
    struct world world;
    make_world(&world, 5, &link);
    flood(&world.a, 50, 5, TERN_MS);
    tern_time end = TERN_SIM_START + 100 * TERN_MS;
    if (way == 0)
      tern_sim_run_until(world.sim, end);
    for (tern_time t = TERN_SIM_START; way == 1 && t <= end; t += 100000)
      tern_sim_run_until(world.sim, t);
    while (way == 2 && tern_sim_step(world.sim, end))
      ;
    assert_int_equal(tern_sim_now(world.sim), end);
    hashes[way] = tern_sim_get_hash(world.sim);
    tern_sim_free(world.sim);
  }
  assert_true(hashes[0] == hashes[1] && hashes[1] == hashes[2]);
}

/* ---- scripts ----------------------------------------------------------------------------- */

static bool drop_every_third(void *arg, struct tern_sim_datagram *datagram)
{
  unsigned *calls = arg;
  (*calls)++;
  assert_int_equal(datagram->len, PAYLOAD);
  if (datagram->index % 3 == 2)
    return false;
  datagram->ecn = TERN_ECN_CE;
  datagram->len = 4;
  datagram->delay_ns = datagram->index == 0 ? 10 * TERN_MS : 0;
  return true;
}

static void filters_drop_change_and_delay(void **state)
{
  struct tern_sim_link_config link = {.delay_ns = TERN_MS};
  struct world world;
  unsigned calls = 0;
  (void)state;
  make_world(&world, 1, &link);
  tern_sim_set_filter(world.sim, drop_every_third, &calls);
  flood(&world.a, 1, 30, 0);
  tern_sim_run_until(world.sim, TERN_SIM_START + 50 * TERN_MS);
  assert_int_equal(calls, 30);
  assert_int_equal(world.b.received, 20);
  assert_int_equal(world.b.seen_ecn, TERN_ECN_CE);
  assert_int_equal(world.b.out_of_order, 1); /* the first came last */
  assert_int_equal(world.b.last_at, TERN_SIM_START + 11 * TERN_MS);
  assert_int_equal(tern_sim_node_get_stats(world.node_b).bytes_received, 80);
  tern_sim_free(world.sim);
}

static void cut_the_link(void *arg, struct tern_sim *sim)
{
  struct world *world = arg;
  struct tern_sim_link *link = tern_sim_find_link(world->node_a, world->node_b);
  (void)sim;
  link->config.is_down = !link->config.is_down;
}

static void calls_happen_in_time(void **state)
{
  struct tern_sim_link_config link = {.delay_ns = TERN_MS};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  flood(&world.a, 100, 1, TERN_MS);
  tern_time half = TERN_MS / 2;
  assert_int_equal(
      tern_sim_at(world.sim, TERN_SIM_START + 10 * TERN_MS - half, cut_the_link, &world), TERN_OK);
  assert_int_equal(
      tern_sim_at(world.sim, TERN_SIM_START + 40 * TERN_MS - half, cut_the_link, &world), TERN_OK);
  tern_sim_run_until(world.sim, TERN_SIM_START + TERN_SECOND);
  assert_int_equal(world.b.received, 70);
  assert_int_equal(tern_sim_find_link(world.node_a, world.node_b)->stats.dropped_outage, 30);
  tern_sim_free(world.sim);
}

static bool has_ten(void *arg)
{
  return ((struct peer *)arg)->received >= 10;
}

static void predicates_stop_the_run(void **state)
{
  struct tern_sim_link_config link = {.delay_ns = TERN_MS};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  flood(&world.a, 100, 1, TERN_MS);
  assert_true(tern_sim_run_until_true(world.sim, has_ten, &world.b, TERN_TIME_NEVER));
  assert_int_equal(world.b.received, 10);
  assert_int_equal(tern_sim_now(world.sim), TERN_SIM_START + 10 * TERN_MS);
  assert_false(
      tern_sim_run_until_true(world.sim, has_ten, &world.a, TERN_SIM_START + 20 * TERN_MS));
  assert_int_equal(tern_sim_now(world.sim), TERN_SIM_START + 20 * TERN_MS);
  assert_false(tern_sim_run_until_true(world.sim, has_ten, &world.a, TERN_TIME_NEVER));
  tern_sim_free(world.sim);
}

static void count_line(void *arg, const char *line)
{
  unsigned *lines = arg;
  assert_non_null(strstr(line, "10.0.0."));
  (*lines)++;
}

static void count_tap(void *arg, const struct tern_sim_node *to, const tern_datagram *datagram,
                      tern_time now)
{
  unsigned *seen = arg;
  assert_string_equal(tern_sim_node_name(to), "b");
  assert_int_equal(datagram->len, PAYLOAD);
  assert_true(now >= TERN_SIM_START);
  (*seen)++;
}

static void traces_and_taps_see_everything(void **state)
{
  struct tern_sim_link_config link = {.loss_ppm = 500000};
  struct world world;
  unsigned lines = 0;
  unsigned seen = 0;
  (void)state;
  make_world(&world, 1, &link);
  tern_sim_set_trace(world.sim, count_line, &lines);
  tern_sim_set_tap(world.sim, count_tap, &seen);
  flood(&world.a, 10, 10, TERN_MS);
  tern_sim_run_until(world.sim, TERN_SIM_START + TERN_SECOND);
  assert_int_equal(seen, world.b.received);
  assert_int_equal(lines, 100 + world.b.received);
  tern_sim_free(world.sim);
}

/* ---- addresses and clocks ---------------------------------------------------------------- */

static void rebinding_changes_what_the_world_sees(void **state)
{
  struct tern_sim_link_config link = {.delay_ns = 2 * TERN_MS};
  struct world world;
  tern_addr outer = address(99, 5555);
  (void)state;
  make_world(&world, 1, &link);
  flood(&world.a, 10, 1, TERN_MS);
  flood(&world.b, 10, 1, TERN_MS); /* to the old address all the time */
  tern_sim_run_until(world.sim, TERN_SIM_START + 5 * TERN_MS);
  assert_int_equal(world.b.seen_remote.port, 1000);
  assert_int_equal(world.a.received, 4);
  tern_sim_node_rebind(world.node_a, 0, &outer);
  tern_sim_run_until(world.sim, TERN_SIM_START + 50 * TERN_MS);
  assert_int_equal(world.b.received, 10);
  assert_int_equal(world.b.seen_remote.port, 5555);
  assert_int_equal(world.a.received, 4); /* the old mapping is gone, also for those on their way */
  world.b.remote = outer;
  world.b.next = tern_sim_now(world.sim);
  flood(&world.b, 1, 1, 0);
  tern_sim_run_until(world.sim, TERN_SIM_START + 60 * TERN_MS);
  assert_int_equal(world.a.received, 5);
  assert_int_equal(world.a.seen_local.port, 1000); /* the node does not notice */
  tern_sim_free(world.sim);
}

static void nodes_have_several_addresses(void **state)
{
  struct tern_sim_link_config link = {0};
  struct world world;
  tern_addr second = address(3, 3000);
  (void)state;
  make_world(&world, 1, &link);
  assert_int_equal(tern_sim_node_add_addr(world.node_a, &second), TERN_OK);
  world.a.local = second;
  flood(&world.a, 1, 1, 0);
  world.b.remote = second;
  flood(&world.b, 1, 1, 0);
  tern_sim_run_until(world.sim, TERN_SIM_START + TERN_MS);
  assert_int_equal(world.b.seen_remote.port, 3000);
  assert_int_equal(world.a.seen_local.port, 3000);
  for (int i = 2; i < TERN_SIM_ADDRS_MAX; i++)
    assert_int_equal(tern_sim_node_add_addr(world.node_a, &second), TERN_OK);
  assert_int_equal(tern_sim_node_add_addr(world.node_a, &second), TERN_LIMIT);
  tern_sim_free(world.sim);
}

static void skewed_clocks_keep_their_deadlines(void **state)
{
  struct tern_sim_link_config link = {.delay_ns = TERN_MS};
  (void)state;
  for (int sign = -1; sign <= 1; sign += 2) {
    struct world world;
    make_world(&world, 1, &link);
    int64_t skew = sign * (int64_t)(TERN_SECOND / 2);
    tern_sim_node_skew(world.sim, world.node_a, skew);
    world.a.next = (tern_time)((int64_t)TERN_SIM_START + skew) + 10 * TERN_MS;
    flood(&world.a, 5, 1, TERN_MS);
    tern_sim_run_until(world.sim, TERN_SIM_START + TERN_SECOND);
    assert_int_equal(world.b.first_at, TERN_SIM_START + 11 * TERN_MS);
    assert_int_equal(world.b.last_at, TERN_SIM_START + 15 * TERN_MS);
    tern_sim_free(world.sim);
  }
}

static void crashed_nodes_are_silent(void **state)
{
  struct tern_sim_link_config link = {.delay_ns = TERN_MS};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  flood(&world.a, 10, 1, TERN_MS);
  tern_sim_run_until(world.sim, TERN_SIM_START + 5 * TERN_MS);
  tern_sim_node_crash(world.sim, world.node_b);
  tern_sim_run_until(world.sim, TERN_SIM_START + 50 * TERN_MS);
  assert_int_equal(world.b.received, 5);
  tern_sim_free(world.sim);
}

/* ---- sockets and faults ------------------------------------------------------------------ */

struct socket_script {
  unsigned calls;
  int error;
};

static size_t half_a_socket(void *arg, const tern_run *run, size_t count, int *error)
{
  struct socket_script *script = arg;
  (void)run;
  if (script->calls++ != 0)
    return count;
  *error = script->error;
  return count / 2;
}

static void sockets_may_take_less(void **state)
{
  struct tern_sim_link_config link = {0};
  static const int errors[] = {EAGAIN, ECONNREFUSED};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct world world;
    struct socket_script script = {0, errors[i]};
    make_world(&world, 1, &link);
    tern_sim_node_set_socket(world.node_a, half_a_socket, &script);
    flood(&world.a, 2, 10, 0);
    tern_sim_run_until(world.sim, TERN_SIM_START);
    assert_int_equal(world.b.received, errors[i] == EAGAIN ? 5 : 15);
    tern_sim_run_until(world.sim, TERN_SIM_START + 2 * TERN_MS);
    assert_int_equal(world.b.received, 15);
    assert_int_equal(world.b.last_at - TERN_SIM_START, errors[i] == EAGAIN ? TERN_MS : 0);
    tern_sim_free(world.sim);
  }
}

static void restless_nodes_are_a_fault(void **state)
{
  struct tern_sim_link_config link = {0};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  world.a.is_restless = true;
  tern_sim_run_until(world.sim, TERN_SIM_START + TERN_SECOND);
  assert_non_null(tern_sim_get_fault(world.sim));
  assert_false(tern_sim_step(world.sim, TERN_TIME_NEVER));
  tern_sim_free(world.sim);

  make_world(&world, 1, &link);
  flood(&world.a, UINT32_MAX, 1, 0);
  tern_sim_run_until(world.sim, TERN_SIM_START + TERN_SECOND);
  assert_non_null(tern_sim_get_fault(world.sim));
  tern_sim_free(world.sim);
}

/* Every allocation fails once; nothing leaks and nothing crashes. */
static void memory_runs_out(void **state)
{
  struct tern_fail_alloc fail;
  bool is_done = false;
  (void)state;
  for (uint64_t at = 1; !is_done; at++) {
    tern_fail_alloc_init(&fail, at);
    tern_alloc_ops ops = tern_fail_alloc_ops(&fail);
    struct tern_sim_link_config config = {.duplicate_ppm = 500000};
    struct peer a = {.remote = address(2, 2), .runs_left = 3, .per_run = 5, .gap = TERN_MS};
    struct peer b = {.next = 0};
    struct tern_sim *sim;
    struct tern_sim_node *node_a;
    struct tern_sim_node *node_b;
    struct tern_sim_host_args args_a = {"a", address(1, 1), &peer_host, &a};
    struct tern_sim_host_args args_b = {"b", a.remote, &peer_host, &b};
    if (tern_sim_new(&sim, 1, &ops) == TERN_OK &&
        tern_sim_add_host(sim, &args_a, &node_a) == TERN_OK &&
        tern_sim_add_host(sim, &args_b, &node_b) == TERN_OK &&
        tern_sim_connect(sim, node_a, node_b, &config) == TERN_OK) {
      tern_sim_run_until(sim, TERN_SIM_START + TERN_SECOND);
      is_done = tern_sim_get_fault(sim) == NULL;
      assert_true(!is_done || b.received > 15);
    }
    tern_sim_free(sim);
    assert_int_equal(fail.live_bytes, 0);
    assert_true(at < 1000);
  }
}

/* 10 Mbit/s and 50 ms, both ways busy: far faster than real time. Printed, and held to a bound that
 * even a loaded machine with sanitizers keeps. */
static void it_is_fast(void **state)
{
  struct tern_sim_link_config link = {
      .delay_ns = 25 * TERN_MS, .rate = 1250000, .queue_bytes = 62500, .loss_ppm = 1000};
  struct world world;
  (void)state;
  make_world(&world, 1, &link);
  flood(&world.a, 60000, 1, TERN_MS);
  flood(&world.b, 30000, 1, 2 * TERN_MS);
  clock_t start = clock();
  tern_sim_run_until(world.sim, TERN_SIM_START + 60 * TERN_SECOND);
  double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  assert_true(world.b.received > 59000);
  print_message("60 simulated seconds of 10 Mbit/s in %.3f s\n", seconds);
  tern_sim_free(world.sim);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_agenda_is_stable),
      cmocka_unit_test(runs_are_cut_and_batched),
      cmocka_unit_test(large_batches_are_split),
      cmocka_unit_test(the_last_segment_may_be_short),
      cmocka_unit_test(nobody_there_counts_as_unroutable),
      cmocka_unit_test(held_runs_leave_later),
      cmocka_unit_test(the_same_seed_gives_the_same_trace),
      cmocka_unit_test(slices_do_not_matter),
      cmocka_unit_test(filters_drop_change_and_delay),
      cmocka_unit_test(calls_happen_in_time),
      cmocka_unit_test(predicates_stop_the_run),
      cmocka_unit_test(traces_and_taps_see_everything),
      cmocka_unit_test(rebinding_changes_what_the_world_sees),
      cmocka_unit_test(nodes_have_several_addresses),
      cmocka_unit_test(skewed_clocks_keep_their_deadlines),
      cmocka_unit_test(crashed_nodes_are_silent),
      cmocka_unit_test(sockets_may_take_less),
      cmocka_unit_test(restless_nodes_are_a_fault),
      cmocka_unit_test(memory_runs_out),
      cmocka_unit_test(it_is_fast),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
