/* SPDX-License-Identifier: MIT */
/* Workers on loopback: the filter agrees with the formula, a mailbox has its bound, and connections live
 * through changes of their address under four workers, with steering and without. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/event.h>
#include <tern/io.h>

#include "base/random.h"
#include "io/loop.h"
#include "io/sockaddr.h"
#include "io/steer.h"
#include "support/test_certs.h"

#define WORKERS 4
#define CLIENTS 8
#define REBINDS 6 /* of each client */
#define REQUEST_BYTES 600
#define TIME_MAX (20 * TERN_SECOND)

/* ---- the filter -------------------------------------------------------------------------------- */

static int open_socket(uint16_t *port)
{
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(*port)};
  socklen_t len = sizeof name;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_true(fd >= 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
  *port = ntohs(name.sin_port);
  return fd;
}

/* Every packet reaches the socket of the worker that its id names. */
static void test_filter(void **state)
{
  struct tern_random_seeded random;
  tern_steer steer = {.workers = WORKERS, .key = {0x89abcdef, 0x12345678, 0xfedcba98}};
  int fds[WORKERS];
  uint16_t port = 0;
  (void)state;
  tern_random_seeded_init(&random, 1);
  tern_random_ops ops = tern_random_seeded_ops(&random);
  for (size_t i = 0; i < WORKERS; i++)
    fds[i] = open_socket(&port);
  if (!tern_steer_attach(fds[0], &steer)) {
    print_message("no filter on this system: skipped\n");
    skip();
  }
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int sender = socket(AF_INET, SOCK_DGRAM, 0);
  for (int i = 0; i < 200; i++) {
    uint8_t packet[64], got[64];
    ops.fill(ops.arg, packet, sizeof packet);
    packet[0] = 0x40 | (packet[0] & 0x3f);
    assert_int_equal(sendto(sender, packet, sizeof packet, 0, (struct sockaddr *)&to, sizeof to),
                     sizeof packet);
    int fd = fds[tern_steer_get_worker(&steer, packet + 1)];
    assert_int_equal(recv(fd, got, sizeof got, 0), sizeof got);
    assert_memory_equal(got, packet, sizeof got);
  }
  close(sender);
  for (size_t i = 0; i < WORKERS; i++)
    close(fds[i]);
}

/* ---- the mailbox ------------------------------------------------------------------------------- */

static void test_mailbox_bound(void **state)
{
  struct tern_alloc alloc;
  struct tern_mailbox mailbox;
  uint8_t bytes[1200];
  tern_datagram out[16], datagram = {.data = bytes, .len = sizeof bytes};
  size_t count, put = 0, got = 0, at = 0;
  int wake_fd = eventfd(0, EFD_NONBLOCK);
  (void)state;
  tern_alloc_ops ops = tern_alloc_system;
  tern_alloc_init(&alloc, &ops, NULL, UINT64_MAX);
  tern_mailbox_init(&mailbox, wake_fd);
  assert_false(tern_mailbox_put_datagram(&mailbox, &datagram)); /* not open */
  assert_int_equal(tern_mailbox_open(&mailbox, &alloc), TERN_OK);
  memset(bytes, 0, sizeof bytes);
  while (tern_mailbox_put_datagram(&mailbox, &datagram)) {
    bytes[0]++;
    put++;
  }
  assert_int_equal(put, 262144 / (sizeof datagram + 1200));
  struct tern_mailbox_half *half = tern_mailbox_swap(&mailbox);
  assert_true(tern_mailbox_put_datagram(&mailbox, &datagram)); /* the other half is free */
  while ((count = tern_mailbox_read(half, &at, out, 16)) != 0)
    for (size_t i = 0; i < count; i++, got++) {
      assert_int_equal(out[i].len, 1200);
      assert_int_equal(out[i].data[0], got & 0xff);
    }
  assert_int_equal(got, put);
  uint64_t taken, refused;
  tern_mailbox_count(&mailbox, &taken, &refused);
  assert_int_equal(taken, put + 1);
  assert_int_equal(refused, 2);
  tern_mailbox_deinit(&mailbox, &alloc);
  tern_alloc_deinit(&alloc);
  close(wake_fd);
}

/* ---- four workers ------------------------------------------------------------------------------ */

struct echo_worker {
  tern_loop *loop;
  uint64_t conns, requests;
};

struct client {
  tern_loop *loop;
  tern_conn *conn;
  unsigned done, wanted; /* requests */
  bool is_connected, is_closed;
};

struct rig {
  struct echo_worker list[WORKERS];
  tern_workers *workers;
  tern_tls *server_tls, *client_tls;
  pthread_t thread;
  tern_status status;
  struct client clients[CLIENTS];
};

/* The server answers a stream of REQUEST_BYTES with as many when all are there. */
static void on_server_readable(tern_stream *stream, void *app)
{
  struct echo_worker *worker = app;
  uint8_t buffer[REQUEST_BYTES];
  tern_slice slice;
  size_t taken = 0;
  if (tern_stream_peek(stream, &slice, 1) == 1 && slice.len < REQUEST_BYTES)
    return;
  if (tern_stream_read(stream, buffer, sizeof buffer, &taken) != TERN_OK)
    return;
  worker->requests++;
  assert_int_equal(tern_stream_write(stream, tern_slice_of(buffer, taken), &taken), TERN_OK);
  assert_int_equal(tern_stream_finish(stream), TERN_OK);
}

static const tern_stream_ops server_stream_ops = {.size = sizeof server_stream_ops,
                                                  .on_readable = on_server_readable};

static void on_stream(tern_conn *conn, tern_stream *stream, void *app)
{
  (void)conn;
  tern_stream_set_ops(stream, &server_stream_ops, app);
}

static const tern_conn_ops server_conn_ops = {.size = sizeof server_conn_ops,
                                              .on_stream = on_stream};

static void on_conn(void *app, tern_conn *conn)
{
  struct echo_worker *worker = app;
  worker->conns++;
  tern_conn_set_ops(conn, &server_conn_ops, app);
}

static const tern_endpoint_ops server_ops = {.size = sizeof server_ops, .on_conn = on_conn};

static void on_client_readable(tern_stream *stream, void *app)
{
  struct client *client = app;
  uint8_t buffer[REQUEST_BYTES];
  size_t got;
  while (tern_stream_read(stream, buffer, sizeof buffer, &got) == TERN_OK)
    for (size_t i = 0; i < got; i++)
      assert_int_equal(buffer[i], 0x5a);
  client->done += tern_stream_is_eof(stream);
}

static const tern_stream_ops client_stream_ops = {.size = sizeof client_stream_ops,
                                                  .on_readable = on_client_readable};

static void ask(struct client *client)
{
  uint8_t request[REQUEST_BYTES];
  tern_stream *stream;
  size_t taken;
  memset(request, 0x5a, sizeof request);
  assert_int_equal(tern_conn_open_stream(client->conn, true, &client_stream_ops, client, &stream),
                   TERN_OK);
  assert_int_equal(tern_stream_write(stream, tern_slice_of(request, sizeof request), &taken),
                   TERN_OK);
  assert_int_equal(tern_stream_finish(stream), TERN_OK);
  client->wanted++;
}

static void on_connected(tern_conn *conn, void *app)
{
  struct client *client = app;
  (void)conn;
  client->is_connected = true;
  ask(client);
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  struct client *client = app;
  char text[200];
  (void)conn;
  if (error->kind != TERN_ERROR_APPLICATION)
    fail_msg("closed: %s", tern_error_format(error, text, sizeof text));
  client->is_closed = true;
}

static const tern_conn_ops client_conn_ops = {
    .size = sizeof client_conn_ops, .on_connected = on_connected, .on_closed = on_closed};

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
  config.cert_pem = tern_slice_of(tern_test_leaf_pem, strlen(tern_test_leaf_pem));
  config.key_pem = tern_slice_of(tern_test_leaf_key_pem, strlen(tern_test_leaf_key_pem));
  if (!is_server) {
    config.cert_pem = config.key_pem = (tern_slice){0};
    config.ca_pem = tern_slice_of(tern_test_ca_pem, strlen(tern_test_ca_pem));
  }
  if (tern_tls_new(&tls, &config, why, sizeof why) != TERN_OK)
    fail_msg("%s", why);
  return tls;
}

static void on_config(void *arg, uint32_t worker, tern_loop_config *loop, tern_config *endpoint)
{
  struct rig *rig = arg;
  (void)endpoint;
  loop->app = &rig->list[worker];
}

static void *run_workers(void *arg)
{
  struct rig *rig = arg;
  rig->status = tern_workers_run(rig->workers);
  return NULL;
}

static void start(struct rig *rig, bool steering, tern_engine engine)
{
  char why[200] = "";
  tern_config endpoint;
  tern_loop_config loop;
  tern_workers_config config;
  memset(rig, 0, sizeof *rig);
  rig->server_tls = make_tls(true);
  rig->client_tls = make_tls(false);
  tern_config_init(&endpoint, sizeof endpoint);
  tern_loop_config_init(&loop, sizeof loop);
  tern_workers_config_init(&config, sizeof config);
  endpoint.server_tls = rig->server_tls;
  loop.endpoint = &endpoint;
  loop.ops = &server_ops;
  loop.socket_buffer_bytes = 1 << 20;
  loop.engine = engine;
  assert_int_equal(tern_addr_parse(&loop.listen, "127.0.0.1:0"), TERN_OK);
  config.loop = &loop;
  config.count = WORKERS;
  config.steering = steering;
  config.on_config = on_config;
  config.arg = rig;
  if (tern_workers_new(&rig->workers, &config, why, sizeof why) != TERN_OK)
    fail_msg("%s", why);
  assert_int_equal(tern_workers_get_count(rig->workers), WORKERS);
  assert_int_equal(pthread_create(&rig->thread, NULL, run_workers, rig), 0);
}

static void connect_clients(struct rig *rig)
{
  char why[200] = "";
  tern_config endpoint;
  tern_loop_config loop;
  tern_config_init(&endpoint, sizeof endpoint);
  tern_loop_config_init(&loop, sizeof loop);
  endpoint.client_tls = rig->client_tls;
  loop.endpoint = &endpoint;
  loop.socket_buffer_bytes = 1 << 18;
  for (size_t i = 0; i < CLIENTS; i++) {
    struct client *client = &rig->clients[i];
    tern_connect_args args = {.server_name = "localhost", .ops = &client_conn_ops, .app = client};
    args.remote = tern_loop_get_local(tern_workers_get_loop(rig->workers, 0));
    assert_int_equal(tern_loop_new(&client->loop, &loop, why, sizeof why), TERN_OK);
    assert_int_equal(tern_loop_connect(client->loop, &args, &client->conn), TERN_OK);
  }
}

/* Runs the clients until each has what it asked for. */
static void run_clients(struct rig *rig)
{
  tern_time end = tern_loop_now(rig->clients[0].loop) + TIME_MAX;
  for (size_t waiting = CLIENTS; waiting > 0;) {
    waiting = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
      struct client *client = &rig->clients[i];
      assert_int_equal(tern_loop_run_once(client->loop, TERN_MS / 10), TERN_OK);
      waiting += client->wanted == 0 || client->done < client->wanted;
    }
    assert_true(tern_loop_now(rig->clients[0].loop) < end);
  }
}

static void stop(struct rig *rig)
{
  for (size_t i = 0; i < CLIENTS; i++)
    tern_loop_free(rig->clients[i].loop);
  tern_workers_stop(rig->workers);
  assert_int_equal(pthread_join(rig->thread, NULL), 0);
  assert_int_equal(rig->status, TERN_OK);
}

/* What the workers' endpoints did, together. */
static tern_endpoint_stats sum_stats(const struct rig *rig)
{
  tern_endpoint_stats sum = {0};
  for (uint32_t i = 0; i < WORKERS; i++) {
    tern_endpoint_stats stats;
    tern_endpoint_get_stats(tern_loop_get_endpoint(tern_workers_get_loop(rig->workers, i)), &stats);
    sum.resets_sent += stats.resets_sent;
    sum.datagrams_forwarded += stats.datagrams_forwarded;
    sum.conns_total += stats.conns_total;
  }
  return sum;
}

static void finish(struct rig *rig)
{
  tern_workers_free(rig->workers);
  tern_tls_unref(rig->server_tls);
  tern_tls_unref(rig->client_tls);
}

/* Clients go on from new ports again and again; no connection may notice. */
static void run_rebinds(struct rig *rig, bool steering, tern_engine engine,
                        tern_workers_stats *stats)
{
  start(rig, steering, engine);
  connect_clients(rig);
  run_clients(rig);
  for (int round = 0; round < REBINDS; round++) {
    for (size_t i = 0; i < CLIENTS; i++) {
      assert_int_equal(tern_loop_rebind(rig->clients[i].loop), TERN_OK);
      ask(&rig->clients[i]);
    }
    run_clients(rig);
  }
  stop(rig);
  tern_workers_get_stats(rig->workers, stats);
  tern_endpoint_stats sum = sum_stats(rig);
  assert_int_equal(sum.resets_sent, 0);
  assert_int_equal(sum.datagrams_forwarded, stats->datagrams_forwarded);
  assert_int_equal(sum.conns_total, CLIENTS);
  uint64_t requests = 0;
  for (size_t i = 0; i < WORKERS; i++)
    requests += rig->list[i].requests;
  assert_int_equal(requests, CLIENTS * (REBINDS + 1));
  finish(rig);
}

static void test_rebind_steered(void **state)
{
  struct rig rig;
  tern_workers_stats stats;
  (void)state;
  run_rebinds(&rig, true, TERN_ENGINE_EPOLL, &stats);
  if (!stats.is_steered) {
    print_message("no filter on this system: skipped\n");
    skip();
  }
  assert_int_equal(stats.datagrams_forwarded, 0);
}

static void test_rebind_forwarded(void **state)
{
  struct rig rig;
  tern_workers_stats stats;
  (void)state;
  run_rebinds(&rig, false, TERN_ENGINE_EPOLL, &stats);
  assert_false(stats.is_steered);
  assert_true(stats.datagrams_forwarded > 0);
  assert_int_equal(stats.datagrams_refused, 0);
}

static void count_uring_off(void *arg, const tern_event *event)
{
  const tern_event_io_feature *feature = &event->data.io_feature;
  *(unsigned *)arg += strcmp(feature->feature, "uring") == 0 && !feature->is_on;
}

/* Loops made in one thread run in another. Run in a third, a loop goes on by epoll, and says so. */
static void test_uring(void **state)
{
  struct rig rig;
  tern_workers_stats stats;
  unsigned falls = 0;
  (void)state;
  start(&rig, true, TERN_ENGINE_URING);
  tern_loop *loop = tern_workers_get_loop(rig.workers, 1);
  tern_event_subscriber subscriber = {count_uring_off, &falls,
                                      tern_event_mask_of(TERN_EVENT_IO_FEATURE)};
  if (strcmp(tern_loop_get_engine(loop), "uring") != 0)
    print_message("engine uring: not on this system, skipped\n");
  tern_workers_stop(rig.workers);
  assert_int_equal(pthread_join(rig.thread, NULL), 0);
  bool has_uring = strcmp(tern_loop_get_engine(loop), "uring") == 0;
  loop->notice.subscribers = &subscriber;
  loop->notice.count = 1;
  assert_int_equal(tern_loop_run_once(loop, 0), TERN_OK);
  assert_string_equal(tern_loop_get_engine(loop), "epoll");
  assert_int_equal(falls, has_uring);
  finish(&rig);
  run_rebinds(&rig, true, TERN_ENGINE_URING, &stats);
  run_rebinds(&rig, false, TERN_ENGINE_URING, &stats);
  assert_true(stats.datagrams_forwarded > 0);
}

/* ---- calls from other threads ------------------------------------------------------------------ */

struct post {
  tern_loop *loop;
  int *seen;
  bool stops;
};

static void on_post(void *arg)
{
  struct post *post = arg;
  (*post->seen)++;
  if (post->stops)
    tern_loop_stop(post->loop);
}

static void test_post(void **state)
{
  struct rig rig;
  struct post posts[WORKERS][2];
  int seen[WORKERS] = {0};
  (void)state;
  start(&rig, true, TERN_ENGINE_EPOLL);
  for (uint32_t i = 0; i < WORKERS; i++)
    for (int j = 0; j < 2; j++) {
      tern_loop *loop = tern_workers_get_loop(rig.workers, i);
      posts[i][j] = (struct post){loop, &seen[i], j == 1};
      assert_int_equal(tern_loop_post(loop, on_post, &posts[i][j]), TERN_OK);
    }
  assert_int_equal(pthread_join(rig.thread, NULL), 0); /* all stopped themselves */
  assert_int_equal(rig.status, TERN_OK);
  for (uint32_t i = 0; i < WORKERS; i++)
    assert_int_equal(seen[i], 2);
  tern_loop *loop = tern_workers_get_loop(rig.workers, 0);
  for (int i = 0; i < TERN_MAILBOX_CALLS_MAX; i++)
    assert_int_equal(tern_loop_post(loop, on_post, &posts[0][0]), TERN_OK);
  assert_int_equal(tern_loop_post(loop, on_post, &posts[0][0]), TERN_LIMIT);
  assert_int_equal(tern_loop_run_once(loop, 0), TERN_OK);
  assert_int_equal(seen[0], 2 + TERN_MAILBOX_CALLS_MAX);
  finish(&rig);
}

/* ---- what is refused --------------------------------------------------------------------------- */

static void test_config(void **state)
{
  char why[200];
  tern_workers *workers;
  tern_config endpoint;
  tern_loop_config loop;
  tern_workers_config config;
  (void)state;
  tern_config_init(&endpoint, sizeof endpoint);
  tern_loop_config_init(&loop, sizeof loop);
  tern_workers_config_init(&config, sizeof config);
  assert_int_equal(tern_workers_new(&workers, &config, why, sizeof why), TERN_INVALID);
  loop.endpoint = &endpoint;
  config.loop = &loop;
  assert_int_equal(tern_workers_new(&workers, &config, why, sizeof why), TERN_INVALID);
  assert_non_null(strstr(why, "listen"));
  assert_int_equal(tern_addr_parse(&loop.listen, "127.0.0.1:0"), TERN_OK);
  config.count = TERN_WORKERS_MAX + 1;
  assert_int_equal(tern_workers_new(&workers, &config, why, sizeof why), TERN_INVALID);
  config.count = 2;
  endpoint.cid_bytes = 7;
  assert_int_equal(tern_workers_new(&workers, &config, why, sizeof why), TERN_INVALID);
  assert_non_null(strstr(why, "cid_bytes"));
  endpoint.cid_bytes = 8;
  assert_int_equal(tern_workers_new(&workers, &config, why, sizeof why), TERN_OK);
  tern_workers_free(workers);
  config.count = 0;
  assert_int_equal(tern_workers_new(&workers, &config, why, sizeof why), TERN_OK);
  assert_int_equal(tern_workers_get_count(workers), tern_workers_count_cores());
  tern_workers_free(workers);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_filter),         cmocka_unit_test(test_mailbox_bound),
      cmocka_unit_test(test_rebind_steered), cmocka_unit_test(test_rebind_forwarded),
      cmocka_unit_test(test_uring),          cmocka_unit_test(test_post),
      cmocka_unit_test(test_config),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
