/* SPDX-License-Identifier: MIT */
/* See sim_world.h. */
#include "support/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/test_certs.h"

/* How many instants between two looks at every connection. */
#define STEPS_PER_CHECK 16

struct sim_world_args sim_world_defaults(uint64_t seed)
{
  struct sim_world_args args;
  memset(&args, 0, sizeof(args));
  args.seed = seed;
  args.clients = 1;
  args.link.delay_ns = 25 * TERN_MS;
  args.link.rate = 1250000;
  args.link.queue_bytes = 62500;
  args.plan.bidi_streams = 1;
  args.plan.up_bytes = 1000;
  args.plan.down_bytes = 1000;
  tern_config_init(&args.client, sizeof(args.client));
  tern_config_init(&args.server, sizeof(args.server));
  return args;
}

/* ---- making ------------------------------------------------------------------------------ */

static void on_conn(void *arg, tern_conn *conn)
{
  struct sim_world *world = arg;
  if (world->servers_count == SIM_WORLD_CLIENTS_MAX) {
    tern_conn_close(conn, 1, "too many");
    return;
  }
  struct sim_app *app = &world->servers[world->servers_count++];
  sim_app_init(app, &world->args.plan, true);
  sim_app_take_conn(app, conn);
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof(tern_endpoint_ops),
                                               .on_conn = on_conn};

static tern_tls *make_real_tls(const struct sim_world *world, bool is_server)
{
  static const char *const alpn[] = {"tern-sim"};
  tern_tls_config config;
  tern_tls *tls = NULL;
  char why[256] = "";
  tern_tls_config_init(&config, sizeof(config));
  config.is_server = is_server;
  config.alpn = alpn;
  config.alpn_count = 1;
  config.early_data = world->args.early_data;
  if (is_server) {
    config.cert_pem = tern_slice_of(tern_test_leaf_pem, strlen(tern_test_leaf_pem));
    config.key_pem = tern_slice_of(tern_test_leaf_key_pem, strlen(tern_test_leaf_key_pem));
  } else {
    config.ca_pem = tern_slice_of(tern_test_ca_pem, strlen(tern_test_ca_pem));
  }
  if (tern_tls_new(&tls, &config, why, sizeof(why)) != TERN_OK)
    print_message("%s\n", why);
  return tls;
}

static bool make_tls(struct sim_world *world)
{
  if (world->args.real_tls) {
    world->server_tls = make_real_tls(world, true);
    world->client_tls = make_real_tls(world, false);
  } else {
    world->args.tls.early_data = world->args.early_data;
    world->server_tls = tern_tls_sim_new(&world->heap_ops, &world->args.tls);
    world->client_tls = tern_tls_sim_new(&world->heap_ops, &world->args.tls);
  }
  return world->server_tls != NULL && world->client_tls != NULL;
}

static tern_addr address(unsigned host, uint16_t port)
{
  tern_addr addr;
  memset(&addr, 0, sizeof(addr));
  addr.family = 4;
  addr.ip[0] = 10;
  addr.ip[2] = (uint8_t)(host >> 8);
  addr.ip[3] = (uint8_t)host;
  addr.port = port;
  return addr;
}

static struct tern_sim_node *add_endpoint(struct sim_world *world, bool is_server, tern_addr addr)
{
  struct tern_sim_endpoint_args args = {is_server ? "server" : "client", addr, NULL, &endpoint_ops,
                                        world};
  struct tern_sim_node *node = NULL;
  char why[256] = "";
  tern_config config = is_server ? world->args.server : world->args.client;
  config.alloc = world->heap_ops;
  config.server_tls = is_server ? world->server_tls : NULL;
  config.client_tls = is_server ? NULL : world->client_tls;
  args.config = &config;
  if (tern_sim_add_endpoint(world->sim, &args, &node, why, sizeof(why)) != TERN_OK) {
    if (world->args.fail_at == 0)
      fail_msg("endpoint: %s", why);
    return NULL;
  }
  uint64_t streams = sim_app_count_streams(&world->args.plan);
  sim_oracle_add(&world->oracle, node, &config, is_server, streams * config.send_buffer_bytes);
  return node;
}

static bool connect_client(struct sim_world *world, unsigned index)
{
  struct sim_world_args *args = &world->args;
  struct sim_app *app = &world->clients[index];
  sim_app_init(app, &args->plan, false);
  tern_connect_args connect = {.remote = address(1, 443),
                               .server_name = "localhost",
                               .ops = &sim_app_conn_ops,
                               .app = app,
                               .ticket = args->ticket,
                               .early_data = args->plan.is_early};
  tern_conn *conn = NULL;
  tern_status status = tern_endpoint_connect(tern_sim_node_endpoint(world->client_nodes[index]),
                                             &connect, tern_sim_now(world->sim), &conn);
  if (args->fail_at == 0)
    assert_string_equal(tern_status_name(status), tern_status_name(TERN_OK));
  app->conn = status == TERN_OK ? conn : NULL;
  if (status == TERN_OK && args->plan.is_early)
    sim_app_start_early(app, conn);
  return status == TERN_OK;
}

void sim_world_reconnect(struct sim_world *world)
{
  world->servers_count = 0;
  for (unsigned i = 0; i < world->args.clients; i++)
    assert_true(connect_client(world, i));
}

static bool add_client(struct sim_world *world, unsigned index)
{
  struct sim_world_args *args = &world->args;
  struct tern_sim_node *node = add_endpoint(world, false, address(2 + index, 40000));
  if (node == NULL)
    return false;
  world->client_nodes[index] = node;
  struct tern_sim_link *up =
      tern_sim_add_link(world->sim, args->up != NULL ? args->up : &args->link);
  struct tern_sim_link *down = tern_sim_add_link(world->sim, &args->link);
  assert_non_null(up);
  assert_non_null(down);
  assert_int_equal(tern_sim_route(world->sim, node, world->server_node, up), TERN_OK);
  assert_int_equal(tern_sim_route(world->sim, world->server_node, node, down), TERN_OK);
  return connect_client(world, index);
}

static void free_parts(struct sim_world *world)
{
  tern_sim_free(world->sim);
  tern_tls_unref(world->server_tls);
  tern_tls_unref(world->client_tls);
}

struct sim_world *sim_world_new(const struct sim_world_args *args)
{
  struct sim_world *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  assert_in_range(args->clients, 1, SIM_WORLD_CLIENTS_MAX);
  world->args = *args;
  tern_fail_alloc_init(&world->heap, 0);
  world->heap_ops = tern_fail_alloc_ops(&world->heap);
  assert_int_equal(tern_sim_new(&world->sim, args->seed, NULL), TERN_OK);
  sim_oracle_init(&world->oracle, world->sim);
  sim_oracle_set_filter(&world->oracle, args->filter, args->filter_arg);
  assert_true(make_tls(world));
  world->heap.takes = 0;
  world->heap.fail_at = args->fail_at;
  world->server_node = add_endpoint(world, true, address(1, 443));
  bool is_made = world->server_node != NULL;
  for (unsigned i = 0; is_made && i < args->clients; i++)
    is_made = add_client(world, i);
  if (is_made)
    return world;
  free_parts(world);
  assert_int_equal(world->heap.live_bytes, 0);
  free(world);
  return NULL;
}

void sim_world_restart_server(struct sim_world *world)
{
  struct tern_sim_node *old = world->server_node;
  tern_sim_node_crash(world->sim, old);
  /* Endpoints are freed without callbacks: what the applications kept ends here. */
  for (unsigned i = 0; i < world->servers_count; i++)
    sim_app_abandon(&world->servers[i]);
  world->servers_count = 0;
  world->server_node = add_endpoint(world, true, address(1, 443));
  assert_non_null(world->server_node);
  for (unsigned i = 0; i < world->args.clients; i++) {
    struct tern_sim_node *client = world->client_nodes[i];
    struct tern_sim_link *up = tern_sim_find_link(client, old);
    struct tern_sim_link *down = tern_sim_find_link(old, client);
    assert_int_equal(tern_sim_route(world->sim, client, world->server_node, up), TERN_OK);
    assert_int_equal(tern_sim_route(world->sim, world->server_node, client, down), TERN_OK);
  }
}

/* ---- running ----------------------------------------------------------------------------- */

static void check_conns(struct sim_world *world)
{
  for (unsigned i = 0; i < world->args.clients; i++) {
    if (world->clients[i].conn != NULL)
      sim_oracle_check_conn(&world->oracle, world->client_nodes[i], world->clients[i].conn);
  }
  for (unsigned i = 0; i < world->servers_count; i++) {
    if (world->servers[i].conn != NULL)
      sim_oracle_check_conn(&world->oracle, world->server_node, world->servers[i].conn);
  }
  sim_oracle_check(&world->oracle);
}

static bool are_conns_gone(const struct sim_world *world)
{
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(tern_sim_node_endpoint(world->server_node), &stats);
  uint64_t conns = stats.conns_now;
  for (unsigned i = 0; i < world->args.clients; i++) {
    tern_endpoint_get_stats(tern_sim_node_endpoint(world->client_nodes[i]), &stats);
    conns += stats.conns_now;
  }
  return conns == 0;
}

/* Between instants: is it over? The checks go along. */
static bool is_over(void *arg)
{
  struct sim_world *world = arg;
  if (world->steps++ % STEPS_PER_CHECK == 0)
    check_conns(world);
  for (unsigned i = 0; i < world->args.clients; i++) {
    if (!world->clients[i].is_closed)
      return false;
  }
  return are_conns_gone(world);
}

bool sim_world_run(struct sim_world *world, tern_time limit_ns)
{
  return tern_sim_run_until_true(world->sim, is_over, world, tern_sim_now(world->sim) + limit_ns);
}

/* ---- ending ------------------------------------------------------------------------------ */

static void assert_app(const struct sim_world *world, const struct sim_app *app)
{
  if (app->fault[0] != 0)
    fail_msg("seed %llu, %s: %s", (unsigned long long)world->args.seed,
             app->is_server ? "server" : "client", app->fault);
}

static void assert_ended(const struct sim_world *world, const struct sim_app *app)
{
  assert_app(world, app);
  assert_true(app->is_closed);
  assert_int_equal(app->streams_live, 0);
  assert_int_equal(app->releases_owed, 0);
}

/* What the client says last may be lost, and then the server learns of the end by its idle timeout:
 * CONNECTION_CLOSE is not acknowledged [rfc9000-10.2]. */
static bool may_miss_close(const struct sim_world *world, unsigned index)
{
  const struct tern_sim_link *up =
      tern_sim_find_link(world->client_nodes[index], world->server_node);
  return up->stats.datagrams_out != up->stats.datagrams_in + up->stats.duplicated ||
         up->stats.corrupted != 0 || world->args.filter != NULL || world->args.may_lose_close;
}

static void assert_closed_well(const struct sim_world *world, const struct sim_app *app,
                               bool may_idle)
{
  char text[256];
  bool is_good =
      app->error.kind == TERN_ERROR_APPLICATION && app->error.code == world->args.plan.close_code;
  if (!is_good && !(may_idle && app->error.kind == TERN_ERROR_IDLE))
    fail_msg("seed %llu, %s: %s", (unsigned long long)world->args.seed,
             app->is_server ? "server" : "client",
             tern_error_format(&app->error, text, sizeof(text)));
}

static void assert_moved(const struct sim_world *world, const struct sim_app *app)
{
  const struct sim_app_plan *plan = &world->args.plan;
  uint64_t streams = sim_app_count_streams(plan);
  uint64_t from_client = plan->bidi_streams + plan->uni_streams;
  uint64_t from_server = plan->server_bidi_streams + plan->server_uni_streams;
  uint64_t bytes = app->is_server
                       ? from_client * plan->up_bytes + plan->server_bidi_streams * plan->down_bytes
                       : from_server * plan->up_bytes + plan->bidi_streams * plan->down_bytes;
  assert_app(world, app);
  if (app->streams_complete != streams || app->bytes_received != bytes)
    fail_msg("seed %llu, %s: %u of %llu streams, %llu of %llu bytes",
             (unsigned long long)world->args.seed, app->is_server ? "server" : "client",
             app->streams_complete, (unsigned long long)streams,
             (unsigned long long)app->bytes_received, (unsigned long long)bytes);
}

void sim_world_assert_complete(struct sim_world *world)
{
  bool may_idle = false;
  for (unsigned i = 0; i < world->args.clients; i++) {
    assert_moved(world, &world->clients[i]);
    may_idle = may_idle || may_miss_close(world, i);
    if (!world->args.plan.stays_open)
      assert_closed_well(world, &world->clients[i], false);
  }
  assert_int_equal(world->servers_count, world->args.clients);
  for (unsigned i = 0; i < world->servers_count; i++) {
    assert_moved(world, &world->servers[i]);
    if (!world->args.plan.stays_open)
      assert_closed_well(world, &world->servers[i], may_idle);
  }
}

static void close_all(struct sim_world *world)
{
  for (unsigned i = 0; i < world->args.clients; i++) {
    if (world->clients[i].conn != NULL && !world->clients[i].is_closed)
      tern_conn_close(world->clients[i].conn, world->args.plan.close_code, "end of test");
  }
}

void sim_world_free(struct sim_world *world)
{
  close_all(world);
  /* O6: the longest wait is the idle timeout, or the handshake's. */
  uint64_t idle_ms = world->args.server.idle_timeout_ms + world->args.server.handshake_timeout_ms;
  bool is_gone = sim_world_run(world, (4 * idle_ms + 60000) * TERN_MS);
  if (world->oracle.fault[0] == 0)
    sim_oracle_check_end(&world->oracle);
  if (world->oracle.fault[0] != 0)
    fail_msg("seed %llu: %s", (unsigned long long)world->args.seed, world->oracle.fault);
  assert_true(is_gone);
  for (unsigned i = 0; i < world->args.clients; i++)
    assert_ended(world, &world->clients[i]);
  for (unsigned i = 0; i < world->servers_count; i++)
    assert_ended(world, &world->servers[i]);
  free_parts(world);
  assert_int_equal(world->heap.live_bytes, 0);
  free(world);
}
