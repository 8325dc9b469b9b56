/* SPDX-License-Identifier: MIT */
/* Two loops with real endpoints, sockets and TLS over loopback: a client sends a few megabytes, the
 * server sends them back. With and without the offloads, over both families, and with the client's
 * port changing on the way. TERN_TEST_LOG=debug shows the events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/event.h>
#include <tern/io.h>

#include "support/test_certs.h"

#define TOTAL_BYTES (2u << 20)
#define TURNS_MAX 200000
#define TIME_MAX (20 * TERN_SECOND)

struct side {
  const char *name;
  tern_loop *loop;
  tern_tls *tls;
  tern_conn *conn;
  tern_stream *stream;
  tern_log log;
  tern_event_subscriber subscribers[2];
  uint8_t pending[16384]; /* the server's: read and not yet written */
  size_t pending_len, pending_at;
  uint64_t received;
  bool is_eof, is_finished, is_connected, is_closed;
  tern_error error;
  uint64_t gso_off;
  uint64_t address_drops;
};

static uint8_t get_byte(uint64_t offset)
{
  return (uint8_t)(offset * 31 + (offset >> 11));
}

static void show_line(void *arg, const char *line, size_t len)
{
  const struct side *side = arg;
  fprintf(stderr, "%s %.*s", side->name, (int)len, line);
}

static void on_event(void *arg, const tern_event *event)
{
  struct side *side = arg;
  if (event->kind == TERN_EVENT_PACKET_DROPPED) {
    side->address_drops += event->data.packet_dropped.reason == TERN_DROP_ADDRESS;
    return;
  }
  if (strcmp(event->data.io_feature.feature, "gso") == 0 && !event->data.io_feature.is_on)
    side->gso_off++;
}

/* ---- the server: writes back what it reads ------------------------------------------------- */

static bool flush_pending(struct side *side)
{
  while (side->pending_at < side->pending_len) {
    size_t taken = 0;
    tern_slice rest =
        tern_slice_of(side->pending + side->pending_at, side->pending_len - side->pending_at);
    tern_status status = tern_stream_write(side->stream, rest, &taken);
    side->pending_at += taken;
    if (status != TERN_OK)
      return false;
  }
  return true;
}

static void pump(tern_stream *stream, void *app)
{
  struct side *side = app;
  while (flush_pending(side)) {
    tern_status status =
        tern_stream_read(stream, side->pending, sizeof side->pending, &side->pending_len);
    side->pending_at = 0;
    if (status != TERN_OK) {
      side->pending_len = 0;
      if (status == TERN_EOF && !side->is_finished)
        side->is_finished = tern_stream_finish(stream) == TERN_OK;
      return;
    }
    side->received += side->pending_len;
  }
}

static const tern_stream_ops echo_ops = {
    .size = sizeof echo_ops, .on_readable = pump, .on_writable = pump};

static void on_server_stream(tern_conn *conn, tern_stream *stream, void *app)
{
  struct side *side = app;
  (void)conn;
  side->stream = stream;
  tern_stream_set_ops(stream, &echo_ops, side);
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  struct side *side = app;
  (void)conn;
  side->is_closed = true;
  side->error = *error;
  side->conn = NULL;
}

static const tern_conn_ops server_conn_ops = {
    .size = sizeof server_conn_ops, .on_stream = on_server_stream, .on_closed = on_closed};

static void on_server_conn(void *app, tern_conn *conn)
{
  struct side *side = app;
  side->is_connected = true;
  side->conn = conn;
  tern_conn_set_ops(conn, &server_conn_ops, side);
}

static const tern_endpoint_ops server_ops = {.size = sizeof server_ops, .on_conn = on_server_conn};

/* ---- the client ---------------------------------------------------------------------------- */

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg;
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < iov[i].len; j++)
      ((uint8_t *)iov[i].data)[j] = get_byte(offset++);
  return true;
}

static void on_client_readable(tern_stream *stream, void *app)
{
  struct side *side = app;
  uint8_t buffer[4096];
  for (;;) {
    size_t got;
    tern_status status = tern_stream_read(stream, buffer, sizeof buffer, &got);
    if (status == TERN_EOF)
      side->is_eof = true;
    if (status != TERN_OK)
      return;
    for (size_t i = 0; i < got; i++)
      if (buffer[i] != get_byte(side->received++))
        fail_msg("wrong byte at %llu", (unsigned long long)(side->received - 1));
  }
}

static const tern_stream_ops client_stream_ops = {.size = sizeof client_stream_ops,
                                                  .on_readable = on_client_readable};

static void on_connected(tern_conn *conn, void *app)
{
  struct side *side = app;
  const tern_source source = {.fill = fill};
  side->is_connected = true;
  assert_int_equal(tern_conn_open_stream(conn, true, &client_stream_ops, side, &side->stream),
                   TERN_OK);
  assert_int_equal(tern_stream_write_source(side->stream, TOTAL_BYTES, &source), TERN_OK);
  assert_int_equal(tern_stream_finish(side->stream), TERN_OK);
}

static const tern_conn_ops client_conn_ops = {
    .size = sizeof client_conn_ops, .on_connected = on_connected, .on_closed = on_closed};

/* ---- a run --------------------------------------------------------------------------------- */

static tern_tls *make_tls(bool is_server)
{
  static const char *const alpn[] = {"tern-test"};
  char why[300] = "";
  tern_tls *tls;
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.is_server = is_server;
  config.alpn = alpn;
  config.alpn_count = 1;
  if (is_server) {
    config.cert_pem = tern_slice_of(tern_test_leaf_pem, strlen(tern_test_leaf_pem));
    config.key_pem = tern_slice_of(tern_test_leaf_key_pem, strlen(tern_test_leaf_key_pem));
  } else {
    config.ca_pem = tern_slice_of(tern_test_ca_pem, strlen(tern_test_ca_pem));
  }
  if (tern_tls_new(&tls, &config, why, sizeof why) != TERN_OK)
    fail_msg("%s", why);
  return tls;
}

/* False if the machine has no such address. */
static bool make_side(struct side *side, const char *name, const char *listen,
                      const tern_loop_config *options)
{
  const char *level_name = getenv("TERN_TEST_LOG");
  tern_event_level level = TERN_EVENT_LEVEL_WARN;
  char why[300] = "";
  tern_config endpoint;
  tern_loop_config config = *options;
  memset(side, 0, sizeof *side);
  side->name = name;
  side->tls = make_tls(listen != NULL);
  if (level_name != NULL)
    (void)tern_event_level_parse(&level, level_name);
  tern_log_init(&side->log, show_line, side);
  side->subscribers[0] = tern_log_subscriber(&side->log, level);
  side->subscribers[0].mask &= ~tern_event_mask_of(TERN_EVENT_IO_BUFFER_SMALL);
  side->subscribers[1] = (tern_event_subscriber){on_event, side,
                                                 tern_event_mask_of(TERN_EVENT_IO_FEATURE) |
                                                     tern_event_mask_of(TERN_EVENT_PACKET_DROPPED)};
  tern_config_init(&endpoint, sizeof endpoint);
  endpoint.subscribers = side->subscribers;
  endpoint.subscribers_count = 2;
  config.endpoint = &endpoint;
  config.app = side;
  if (listen != NULL) {
    endpoint.server_tls = side->tls;
    config.ops = &server_ops;
    assert_int_equal(tern_addr_parse(&config.listen, listen), TERN_OK);
  } else {
    endpoint.client_tls = side->tls;
  }
  tern_status status = tern_loop_new(&side->loop, &config, why, sizeof why);
  if (status == TERN_OK)
    return true;
  tern_tls_unref(side->tls);
  if (status != TERN_IO)
    fail_msg("%s", why);
  print_message("%s: skipped\n", why);
  return false;
}

static void free_side(struct side *side)
{
  tern_loop_free(side->loop);
  tern_tls_unref(side->tls);
}

static void turn_both(struct side *server, struct side *client)
{
  assert_int_equal(tern_loop_run_once(server->loop, 0), TERN_OK);
  assert_int_equal(tern_loop_run_once(client->loop, TERN_MS / 10), TERN_OK);
}

struct run {
  const char *listen;
  const char *remote_ip; /* with port 0 */
  bool offloads;
  bool rebinds;
  tern_engine engine;
};

/* False if the server ignores what comes from the client's new port. */
static bool pass_data(struct side *server, struct side *client, bool rebinds)
{
  tern_time end = tern_loop_now(client->loop) + TIME_MAX;
  bool is_rebound = false;
  for (int i = 0; i < TURNS_MAX && !client->is_eof && !client->is_closed; i++) {
    turn_both(server, client);
    if (rebinds && !is_rebound && client->received > TOTAL_BYTES / 4) {
      assert_int_equal(tern_loop_rebind(client->loop), TERN_OK);
      is_rebound = true;
    }
    if (server->address_drops > 20)
      return false;
    if (tern_loop_now(client->loop) > end)
      break;
  }
  if (client->is_closed)
    fail_msg("closed: %s", client->error.reason);
  assert_int_equal(client->received, TOTAL_BYTES);
  assert_int_equal(server->received, TOTAL_BYTES);
  assert_true(client->is_eof);
  assert_int_equal(is_rebound, rebinds);
  return true;
}

static void close_both(struct side *server, struct side *client)
{
  tern_conn_close(client->conn, 7, "done");
  for (int i = 0; i < 1000 && !(server->is_closed && client->is_closed); i++)
    turn_both(server, client);
  assert_true(client->is_closed);
  assert_true(server->is_closed);
  assert_int_equal(server->error.kind, TERN_ERROR_APPLICATION);
  assert_int_equal(server->error.code, 7);
  assert_true(server->error.by_peer);
}

/* Whether the data went round; false only for a server that does not follow a new address. */
static bool run_exchange(const struct run *run)
{
  struct side server, client;
  tern_loop_config options;
  tern_loop_config_init(&options, sizeof options);
  options.gso = options.gro = run->offloads;
  options.engine = run->engine;
  if (!make_side(&server, "server", run->listen, &options))
    return true;
  assert_true(make_side(&client, "client", NULL, &options));
  if (run->engine == TERN_ENGINE_URING && strcmp(tern_loop_get_engine(server.loop), "uring") != 0) {
    print_message("engine uring: not on this system, skipped\n");
    free_side(&client);
    free_side(&server);
    return true;
  }
  tern_connect_args args = {.server_name = "localhost", .ops = &client_conn_ops, .app = &client};
  assert_int_equal(tern_addr_parse(&args.remote, run->remote_ip), TERN_OK);
  args.remote.port = tern_loop_get_local(server.loop).port;
  assert_int_equal(tern_loop_connect(client.loop, &args, &client.conn), TERN_OK);
  bool is_passed = pass_data(&server, &client, run->rebinds);
  if (run->offloads)
    assert_int_equal(server.gso_off + client.gso_off, 0);
  if (is_passed)
    close_both(&server, &client);
  free_side(&client);
  free_side(&server);
  return is_passed;
}

static void test_offloads(void **state)
{
  (void)state;
  assert_true(
      run_exchange(&(struct run){"127.0.0.1:0", "127.0.0.1:0", true, false, TERN_ENGINE_EPOLL}));
}

static void test_plain(void **state)
{
  (void)state;
  assert_true(
      run_exchange(&(struct run){"127.0.0.1:0", "127.0.0.1:0", false, false, TERN_ENGINE_EPOLL}));
}

static void test_ipv6(void **state)
{
  (void)state;
  assert_true(run_exchange(&(struct run){"[::1]:0", "[::1]:0", true, false, TERN_ENGINE_EPOLL}));
}

/* A server for both families answers from the address it was asked at. */
static void test_any_address(void **state)
{
  (void)state;
  assert_true(run_exchange(&(struct run){"[::]:0", "127.0.0.2:0", true, false, TERN_ENGINE_EPOLL}));
  assert_true(
      run_exchange(&(struct run){"0.0.0.0:0", "127.0.0.2:0", true, false, TERN_ENGINE_EPOLL}));
}

/* [rfc9000-9.3] the server follows a peer whose port changed, and goes on. */
static void test_rebind(void **state)
{
  (void)state;
  if (run_exchange(&(struct run){"127.0.0.1:0", "127.0.0.1:0", true, true, TERN_ENGINE_EPOLL}))
    return;
  print_message("the server does not follow a new address yet: skipped\n");
  skip();
}

static void test_uring(void **state)
{
  (void)state;
  assert_true(
      run_exchange(&(struct run){"127.0.0.1:0", "127.0.0.1:0", true, false, TERN_ENGINE_URING}));
  assert_true(
      run_exchange(&(struct run){"127.0.0.1:0", "127.0.0.1:0", false, false, TERN_ENGINE_URING}));
  assert_true(
      run_exchange(&(struct run){"127.0.0.1:0", "127.0.0.1:0", true, true, TERN_ENGINE_URING}));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_offloads), cmocka_unit_test(test_plain),
      cmocka_unit_test(test_ipv6),     cmocka_unit_test(test_any_address),
      cmocka_unit_test(test_rebind),   cmocka_unit_test(test_uring),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
