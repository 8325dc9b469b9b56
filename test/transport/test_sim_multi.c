/* SPDX-License-Identifier: MIT */
/* Many at once: a mesh of endpoints that are server and client to each other, with streams that come and
 * go, are echoed, reset and refused; and flows that share a bottleneck.
 *
 *        e0 ===== e1          50 connections, each of 40 streams, 4 at a time
 *        | \\   // |
 *        |  e2=e3  |          a stream: bytes there, the same bytes back; or the client resets it, or
 *        | //   \\ |          asks the server to stop
 *        e4 ===== e5
 *
 * Two seeds by default, TERN_SEEDS=n asks for n / 100. */
#include <stdio.h>

#include <tern/cc.h>

#include "transport/sim_plans.h"

#define ENDPOINTS 6
#define CONNS 50
#define STREAMS_EACH 40
#define STREAMS_AT_ONCE 4
#define STREAM_BYTES_MAX 20000
#define RESET_CODE 77
#define STOP_CODE 78
#define CLOSE_CODE 79

enum fate {
  FATE_ECHO,  /* everything there and back */
  FATE_RESET, /* the client gives up sending */
  FATE_STOP,  /* the client does not want the answer */
};

/* One side of one connection. */
struct peer {
  struct mesh *mesh;
  tern_conn *conn;
  bool is_server;
  bool is_closed;
  unsigned started;
  unsigned live;
  tern_error error;
};

struct flow {
  struct peer *peer;
  enum fate fate;
  uint64_t len;
  uint64_t received;
  bool is_eof;
};

struct mesh {
  uint64_t seed;
  struct tern_sim *sim;
  struct sim_oracle oracle;
  struct tern_fail_alloc heap;
  tern_tls *tls;
  struct tern_random_seeded random;
  struct tern_sim_node *nodes[ENDPOINTS];
  struct peer clients[CONNS];
  struct peer servers[CONNS];
  unsigned servers_count;
  unsigned steps;
  uint64_t echoed, resets, stops; /* flows by how they ended */
  uint64_t echoed_bytes;
  char fault[160];
};

static void fail_flow(struct flow *flow, const char *what)
{
  struct mesh *mesh = flow->peer->mesh;
  if (mesh->fault[0] == 0)
    snprintf(mesh->fault, sizeof(mesh->fault), "%s: %s, %llu of %llu bytes",
             flow->peer->is_server ? "server" : "client", what, SIM_PLANS_LLU(flow->received),
             SIM_PLANS_LLU(flow->len));
}

/* ---- the client's streams ------------------------------------------------------------------ */

static void start_flows(struct peer *peer);

static void take_echo(tern_stream *stream, struct flow *flow)
{
  uint8_t bytes[4096];
  size_t got;
  tern_status status;
  while ((status = tern_stream_read(stream, bytes, sizeof(bytes), &got)) == TERN_OK) {
    if (sim_app_compare(tern_stream_get_id(stream), false, flow->received, bytes, got) != got)
      fail_flow(flow, "wrong bytes");
    flow->received += got;
  }
  flow->is_eof = status == TERN_EOF;
}

static void on_client_readable(tern_stream *stream, void *arg)
{
  struct flow *flow = arg;
  take_echo(stream, flow);
  if (flow->fate == FATE_STOP && !flow->is_eof)
    tern_stream_stop(stream, STOP_CODE);
}

static void on_client_closed(tern_stream *stream, void *arg)
{
  struct flow *flow = arg;
  struct peer *peer = flow->peer;
  (void)stream;
  if (flow->fate == FATE_ECHO && (!flow->is_eof || flow->received != flow->len))
    fail_flow(flow, "echo is not complete");
  peer->mesh->echoed += flow->fate == FATE_ECHO;
  peer->mesh->resets += flow->fate == FATE_RESET;
  peer->mesh->stops += flow->fate == FATE_STOP;
  peer->mesh->echoed_bytes += flow->received;
  free(flow);
  peer->live--;
  if (peer->error.kind == TERN_ERROR_NONE)
    start_flows(peer);
}

static const tern_stream_ops client_ops = {.size = sizeof(tern_stream_ops),
                                           .on_readable = on_client_readable,
                                           .on_closed = on_client_closed};

static void start_flow(struct peer *peer)
{
  static uint8_t bytes[STREAM_BYTES_MAX];
  struct tern_random_seeded *random = &peer->mesh->random;
  struct flow *flow = calloc(1, sizeof(*flow));
  tern_stream *stream = NULL;
  size_t taken = 0;
  assert_non_null(flow);
  uint64_t draw = sim_plans_below(random, 10);
  flow->peer = peer;
  flow->fate = draw == 0 ? FATE_RESET : draw == 1 ? FATE_STOP : FATE_ECHO;
  flow->len = sim_plans_below(random, STREAM_BYTES_MAX);
  peer->started++;
  peer->live++;
  assert_int_equal(tern_conn_open_stream(peer->conn, true, &client_ops, flow, &stream), TERN_OK);
  tern_stream_set_priority(stream, (uint8_t)sim_plans_below(random, 8), draw % 2 == 0);
  sim_app_fill(tern_stream_get_id(stream), false, 0, bytes, (size_t)flow->len);
  if (tern_stream_write(stream, tern_slice_of(bytes, (size_t)flow->len), &taken) != TERN_OK)
    fail_flow(flow, "write is not taken");
  if (flow->fate == FATE_RESET)
    tern_stream_reset(stream, RESET_CODE);
  else if (tern_stream_finish(stream) != TERN_OK)
    fail_flow(flow, "finish is not taken");
}

static void start_flows(struct peer *peer)
{
  while (peer->live < STREAMS_AT_ONCE && peer->started < STREAMS_EACH)
    start_flow(peer);
  if (peer->live == 0)
    tern_conn_shutdown(peer->conn, CLOSE_CODE, tern_conn_get_now(peer->conn) + 60 * TERN_SECOND);
}

/* ---- the server's -------------------------------------------------------------------------- */

static void on_server_readable(tern_stream *stream, void *arg)
{
  uint8_t bytes[4096];
  size_t got;
  size_t taken;
  tern_status status;
  struct flow *flow = arg;
  while ((status = tern_stream_read(stream, bytes, sizeof(bytes), &got)) == TERN_OK) {
    flow->received += got;
    /* TERN_INVALID or the like once the client has asked us to stop. */
    if (tern_stream_write(stream, tern_slice_of(bytes, got), &taken) == TERN_BLOCKED)
      fail_flow(flow, "echo is not taken");
  }
  if (status == TERN_EOF)
    flow->is_eof = tern_stream_finish(stream) == TERN_OK;
}

static void on_server_reset(tern_stream *stream, uint64_t code, void *arg)
{
  if (code != RESET_CODE)
    fail_flow(arg, "reset with another code");
  tern_stream_reset(stream, RESET_CODE);
}

static void on_server_stopped(tern_stream *stream, uint64_t code, void *arg)
{
  (void)stream;
  if (code != STOP_CODE)
    fail_flow(arg, "stopped with another code");
}

static void on_server_closed(tern_stream *stream, void *arg)
{
  struct flow *flow = arg;
  (void)stream;
  flow->peer->live--;
  free(flow);
}

static const tern_stream_ops server_ops = {.size = sizeof(tern_stream_ops),
                                           .on_readable = on_server_readable,
                                           .on_reset = on_server_reset,
                                           .on_stopped = on_server_stopped,
                                           .on_closed = on_server_closed};

static void on_stream(tern_conn *conn, tern_stream *stream, void *arg)
{
  struct peer *peer = arg;
  struct flow *flow = calloc(1, sizeof(*flow));
  (void)conn;
  assert_non_null(flow);
  flow->peer = peer;
  peer->live++;
  tern_stream_set_ops(stream, &server_ops, flow);
}

/* ---- connections --------------------------------------------------------------------------- */

static void on_connected(tern_conn *conn, void *arg)
{
  struct peer *peer = arg;
  peer->conn = conn;
  start_flows(peer);
}

static void on_closed(tern_conn *conn, const tern_error *error, void *arg)
{
  struct peer *peer = arg;
  (void)conn;
  peer->conn = NULL;
  peer->is_closed = true;
  peer->error = *error;
}

static const tern_conn_ops client_conn_ops = {
    .size = sizeof(tern_conn_ops), .on_connected = on_connected, .on_closed = on_closed};
static const tern_conn_ops server_conn_ops = {
    .size = sizeof(tern_conn_ops), .on_stream = on_stream, .on_closed = on_closed};

static void on_conn(void *arg, tern_conn *conn)
{
  struct mesh *mesh = arg;
  assert_in_range(mesh->servers_count, 0, CONNS - 1);
  struct peer *peer = &mesh->servers[mesh->servers_count++];
  *peer = (struct peer){.mesh = mesh, .conn = conn, .is_server = true};
  tern_conn_set_ops(conn, &server_conn_ops, peer);
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof(tern_endpoint_ops),
                                               .on_conn = on_conn};

/* ---- the mesh ------------------------------------------------------------------------------ */

static tern_addr address(unsigned index)
{
  tern_addr addr;
  memset(&addr, 0, sizeof(addr));
  addr.family = 4;
  addr.ip[0] = 10;
  addr.ip[3] = (uint8_t)(1 + index);
  addr.port = 443;
  return addr;
}

static void add_endpoints(struct mesh *mesh)
{
  for (unsigned i = 0; i < ENDPOINTS; i++) {
    tern_config config;
    char why[256] = "";
    tern_config_init(&config, sizeof(config));
    config.alloc = tern_fail_alloc_ops(&mesh->heap);
    config.server_tls = config.client_tls = mesh->tls;
    config.idle_timeout_ms = 60000;
    struct tern_sim_endpoint_args args = {"endpoint", address(i), &config, &endpoint_ops, mesh};
    if (tern_sim_add_endpoint(mesh->sim, &args, &mesh->nodes[i], why, sizeof(why)) != TERN_OK)
      fail_msg("endpoint: %s", why);
    sim_oracle_add(&mesh->oracle, mesh->nodes[i], &config, false,
                   STREAMS_AT_ONCE * (uint64_t)STREAM_BYTES_MAX);
    for (unsigned j = 0; j < i; j++) {
      struct tern_sim_link_config link;
      memset(&link, 0, sizeof(link));
      link.delay_ns = (5 + sim_plans_below(&mesh->random, 60)) * TERN_MS;
      link.jitter_ns = 2 * TERN_MS;
      link.rate = UINT64_C(250000) << sim_plans_below(&mesh->random, 4);
      link.queue_bytes = 60000;
      link.loss_ppm = (uint32_t)sim_plans_below(&mesh->random, 30000);
      assert_int_equal(tern_sim_connect(mesh->sim, mesh->nodes[i], mesh->nodes[j], &link), TERN_OK);
    }
  }
}

static void connect_all(struct mesh *mesh)
{
  for (unsigned i = 0; i < CONNS; i++) {
    unsigned from = i % ENDPOINTS;
    unsigned to = (from + 1 + i / ENDPOINTS % (ENDPOINTS - 1)) % ENDPOINTS;
    mesh->clients[i].mesh = mesh;
    tern_connect_args args = {.remote = address(to),
                              .server_name = "localhost",
                              .ops = &client_conn_ops,
                              .app = &mesh->clients[i]};
    assert_int_equal(tern_endpoint_connect(tern_sim_node_endpoint(mesh->nodes[from]), &args,
                                           tern_sim_now(mesh->sim), &mesh->clients[i].conn),
                     TERN_OK);
  }
}

/* The servers' side of a connection whose last words were lost ends by its idle timeout. */
static bool is_over(void *arg)
{
  struct mesh *mesh = arg;
  if (mesh->steps++ % 64 == 0)
    sim_oracle_check(&mesh->oracle);
  for (unsigned i = 0; i < CONNS; i++) {
    if (!mesh->clients[i].is_closed || i >= mesh->servers_count || !mesh->servers[i].is_closed)
      return false;
  }
  for (unsigned i = 0; i < ENDPOINTS; i++) {
    tern_endpoint_stats stats;
    tern_endpoint_get_stats(tern_sim_node_endpoint(mesh->nodes[i]), &stats);
    if (stats.conns_now != 0)
      return false;
  }
  return true;
}

static void assert_mesh(struct mesh *mesh)
{
  char text[256];
  if (mesh->fault[0] != 0)
    fail_msg("seed %llu: %s", SIM_PLANS_LLU(mesh->seed), mesh->fault);
  sim_oracle_check_end(&mesh->oracle);
  if (mesh->oracle.fault[0] != 0)
    fail_msg("seed %llu: %s", SIM_PLANS_LLU(mesh->seed), mesh->oracle.fault);
  assert_int_equal(mesh->servers_count, CONNS);
  for (unsigned i = 0; i < CONNS; i++) {
    const struct peer *client = &mesh->clients[i];
    const struct peer *server = &mesh->servers[i];
    if (client->error.kind != TERN_ERROR_APPLICATION || client->error.code != CLOSE_CODE)
      fail_msg("seed %llu, connection %u: %s", SIM_PLANS_LLU(mesh->seed), i,
               tern_error_format(&client->error, text, sizeof(text)));
    assert_true(server->error.kind == TERN_ERROR_APPLICATION ||
                server->error.kind == TERN_ERROR_IDLE);
    assert_int_equal(client->started, STREAMS_EACH);
    assert_int_equal(client->live, 0);
    assert_int_equal(server->live, 0);
  }
  assert_true(mesh->echoed + mesh->resets + mesh->stops == CONNS * STREAMS_EACH);
}

struct mesh_sum {
  uint64_t runs, echoed, resets, stops, echoed_bytes, delivered;
};

static void add_to_sum(struct mesh_sum *sum, const struct mesh *mesh)
{
  sum->runs++;
  sum->echoed += mesh->echoed;
  sum->resets += mesh->resets;
  sum->stops += mesh->stops;
  sum->echoed_bytes += mesh->echoed_bytes;
  sum->delivered += tern_sim_get_delivered(mesh->sim);
}

/* Returns the hash of the trace. */
static uint64_t run_mesh(uint64_t seed, struct mesh_sum *sum)
{
  struct mesh *mesh = calloc(1, sizeof(*mesh));
  assert_non_null(mesh);
  mesh->seed = seed;
  tern_random_seeded_init(&mesh->random, seed);
  tern_fail_alloc_init(&mesh->heap, 0);
  tern_alloc_ops ops = tern_fail_alloc_ops(&mesh->heap);
  mesh->tls = tern_tls_sim_new(&ops, NULL);
  assert_int_equal(tern_sim_new(&mesh->sim, seed, NULL), TERN_OK);
  sim_oracle_init(&mesh->oracle, mesh->sim);
  add_endpoints(mesh);
  connect_all(mesh);
  bool is_done = tern_sim_run_until_true(mesh->sim, is_over, mesh, 1000 * TERN_SECOND);
  assert_mesh(mesh);
  assert_true(is_done);
  add_to_sum(sum, mesh);
  uint64_t hash = tern_sim_get_hash(mesh->sim);
  tern_sim_free(mesh->sim);
  tern_tls_unref(mesh->tls);
  assert_int_equal(mesh->heap.live_bytes, 0);
  free(mesh);
  return hash;
}

static void fifty_connections_with_churn(void **state)
{
  uint64_t seeds = (sim_plans_seeds(200) + 99) / 100;
  double begun = sim_plans_real_seconds();
  struct mesh_sum sum = {0};
  (void)state;
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    uint64_t hash = run_mesh(seed, &sum);
    if (seed == 1)
      assert_true(run_mesh(seed, &sum) == hash);
  }
  print_message("%llu runs of %d connections between %d endpoints: %llu streams echoed (%.1f MiB), "
                "%llu reset, %llu stopped; %llu datagrams delivered; %.1f s real\n",
                SIM_PLANS_LLU(sum.runs), CONNS, ENDPOINTS, SIM_PLANS_LLU(sum.echoed),
                (double)sum.echoed_bytes / 1048576.0, SIM_PLANS_LLU(sum.resets),
                SIM_PLANS_LLU(sum.stops), SIM_PLANS_LLU(sum.delivered),
                sim_plans_real_seconds() - begun);
}

/* ---- fairness ------------------------------------------------------------------------------ */

/* A few packets' time on the wire. Without it, drop-tail queues and regular senders fall into step, and
 * chance decides for minutes whose packet meets the full queue. */
#define JITTER_NS (5 * TERN_MS)

/* Jain's index of what two flows over one queue of 10 Mbit/s and 50 ms got between two times. */
static double run_shared(uint64_t seed, const tern_cc_ops *cc, tern_time late_ns)
{
  struct sim_world_args args = sim_world_defaults(seed);
  double moved[2];
  args.clients = 2;
  args.plan.down_bytes = 100 * args.link.rate;
  args.plan.way = SIM_APP_SOURCE;
  args.plan.stays_open = true;
  args.server.cc = cc;
  args.server.handshake_timeout_ms = args.client.handshake_timeout_ms = 60000;
  struct sim_world *world = sim_world_new(&args);
  struct tern_sim_link *shared = tern_sim_add_link(world->sim, &args.link);
  for (unsigned i = 0; i < 2; i++) {
    struct tern_sim_link *up = tern_sim_find_link(world->client_nodes[i], world->server_node);
    up->config.jitter_ns = JITTER_NS;
    up->config.is_down = i == 1 && late_ns != 0;
    assert_int_equal(tern_sim_route(world->sim, world->server_node, world->client_nodes[i], shared),
                     TERN_OK);
  }
  (void)sim_world_run(world, late_ns);
  tern_sim_find_link(world->client_nodes[1], world->server_node)->config.is_down = false;
  (void)sim_world_run(world, 30 * TERN_SECOND);
  for (unsigned i = 0; i < 2; i++)
    moved[i] = -(double)world->clients[i].bytes_received;
  (void)sim_world_run(world, 60 * TERN_SECOND);
  for (unsigned i = 0; i < 2; i++)
    moved[i] += (double)world->clients[i].bytes_received;
  world->args.plan.stays_open = false;
  sim_world_free(world);
  double sum = moved[0] + moved[1];
  assert_true(sum > 0.90 * 60 * (double)args.link.rate);
  return sum * sum / (2 * (moved[0] * moved[0] + moved[1] * moved[1]));
}

/* Drop-tail queues are unfair for seconds and fair over a minute. */
static void two_flows_share_a_bottleneck(void **state)
{
  static const tern_cc_ops *const ccs[] = {&tern_cc_cubic, &tern_cc_newreno};
  uint64_t seeds = sim_plans_is_full() ? 20 : 2;
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    double least = 1;
    double least_late = 1;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
      double index = run_shared(seed, ccs[i], 0);
      double late = run_shared(seed, ccs[i], 5 * TERN_SECOND);
      least = index < least ? index : least;
      least_late = late < least_late ? late : least_late;
    }
    print_message("%-8s Jain's index of two flows, least of %llu seeds: %.3f; one 5 s late: %.3f\n",
                  ccs[i]->name, SIM_PLANS_LLU(seeds), least, least_late);
    assert_true(least >= 0.90);
    assert_true(least_late >= 0.90);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fifty_connections_with_churn),
      cmocka_unit_test(two_flows_share_a_bottleneck),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
