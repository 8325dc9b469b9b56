/* SPDX-License-Identifier: MIT */
/* The server of the QUIC performance protocol (draft-banks-quic-performance-00):
 *
 *   stream of the client's   its first 8 bytes say how much it wants; the rest is read and dropped
 *   after its FIN            that much on the same stream, or on a new one if it was unidirectional
 *
 * Beyond the draft, a DATAGRAM frame is sent back as it came, so that the client can tell loss and round
 * trips. A stream that ends before its 8 bytes are there is closed and nothing else. */
#define _GNU_SOURCE /* sigset_t */
#include "perf_server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "perf_body.h"
#include "self_signed.h"

#define BODY_MAX (UINT64_C(1) << 61) /* "unlimited" in practice: streams end at 2^62 */
#define SLICES_MAX 64
#define STREAM_WINDOW (UINT64_C(4) << 20)
#define STREAM_WINDOW_MAX (UINT64_C(32) << 20)
#define CONN_WINDOW (UINT64_C(16) << 20)
#define CONN_WINDOW_MAX (UINT64_C(128) << 20)
#define STREAMS_MAX 65536
#define IDLE_TIMEOUT_MS 600000 /* connections that are held idle are what is measured */
#define SOCKET_BYTES (16u << 20)
#define FLUSH_TURNS 3

/* A stream whose request did not come in one piece. */
struct server_stream {
  struct tern_perf_server_conn *conn;
  uint8_t size[TERN_PERF_SIZE_BYTES];
  size_t size_len;
};

/* ---- streams ----------------------------------------------------------------------------- */

static void take_slice(struct server_stream *self, tern_slice slice)
{
  size_t missing = TERN_PERF_SIZE_BYTES - self->size_len;
  size_t len = slice.len < missing ? slice.len : missing;
  if (len == 0)
    return;
  memcpy(self->size + self->size_len, slice.data, len);
  self->size_len += len;
}

/* The size first, then everything there is. */
static void take_request(struct server_stream *self, tern_stream *stream)
{
  tern_slice slices[SLICES_MAX];
  while (self->size_len < TERN_PERF_SIZE_BYTES) {
    size_t count = tern_stream_peek(stream, slices, SLICES_MAX), len = 0;
    if (count == 0)
      return;
    for (size_t i = 0; i < count; i++) {
      take_slice(self, slices[i]);
      len += slices[i].len;
    }
    tern_stream_consume(stream, len);
  }
  (void)tern_perf_drain(stream);
}

/* [draft-banks-quic-performance-2.3.1] 64 bits in network byte order, 0 if they did not all come */
static uint64_t size_of(const struct server_stream *self)
{
  uint64_t size = 0;
  if (self->size_len < TERN_PERF_SIZE_BYTES)
    return 0;
  for (size_t i = 0; i < TERN_PERF_SIZE_BYTES; i++)
    size = size << 8 | self->size[i];
  return size < BODY_MAX ? size : BODY_MAX;
}

/* [draft-banks-quic-performance-2.3.2] what was asked on a unidirectional stream is sent on one of ours,
 * and if nothing was asked, nothing is */
static void answer(const struct server_stream *self, tern_stream *asked)
{
  uint64_t size = size_of(self);
  tern_stream *stream = asked;
  self->conn->streams++;
  tern_stream_release(asked);
  if (!tern_stream_is_bidi(asked) &&
      (size == 0 ||
       tern_conn_open_stream(tern_stream_get_conn(asked), false, NULL, NULL, &stream) != TERN_OK))
    return;
  if ((size > 0 && tern_stream_write_source(stream, size, &tern_perf_body) != TERN_OK) ||
      tern_stream_finish(stream) != TERN_OK)
    tern_stream_reset(stream, 0);
}

static void on_more(tern_stream *stream, void *app)
{
  struct server_stream *self = app;
  take_request(self, stream);
  if (!tern_stream_is_eof(stream))
    return;
  answer(self, stream);
  free(self);
}

static void on_reset(tern_stream *stream, uint64_t code, void *app)
{
  struct server_stream none = {.conn = ((struct server_stream *)app)->conn};
  (void)code;
  answer(&none, stream);
  free(app);
}

static void on_stream_closed(tern_stream *stream, void *app)
{
  (void)stream;
  free(app);
}

static const tern_stream_ops more_ops = {
    .size = sizeof(tern_stream_ops),
    .on_readable = on_more,
    .on_reset = on_reset,
    .on_closed = on_stream_closed,
};

/* Most requests are here at once: they cost no memory. */
static void on_first(tern_stream *stream, void *app)
{
  struct server_stream here = {.conn = app};
  take_request(&here, stream);
  if (tern_stream_is_eof(stream)) {
    answer(&here, stream);
    return;
  }
  struct server_stream *self = tern_cli_take(1, sizeof *self);
  *self = here;
  tern_stream_set_ops(stream, &more_ops, self);
}

static void on_first_reset(tern_stream *stream, uint64_t code, void *app)
{
  struct server_stream none = {.conn = app};
  (void)code;
  answer(&none, stream);
}

static const tern_stream_ops first_ops = {
    .size = sizeof(tern_stream_ops),
    .on_readable = on_first,
    .on_reset = on_first_reset,
};

/* ---- connections ------------------------------------------------------------------------- */

static void on_stream(tern_conn *quic, tern_stream *stream, void *app)
{
  (void)quic;
  tern_stream_set_ops(stream, &first_ops, app);
}

static void on_datagram(tern_conn *quic, tern_slice data, void *app)
{
  struct tern_perf_server_conn *conn = app;
  conn->datagrams++;
  if (tern_conn_send_datagram(quic, data) != TERN_OK)
    conn->datagrams_refused++;
}

static void on_closed(tern_conn *quic, const tern_error *error, void *app)
{
  struct tern_perf_server_conn *conn = app;
  (void)error;
  tern_perf_server_report_conn(conn, quic);
  tern_list_remove(&conn->node);
  free(conn);
}

static const tern_conn_ops conn_ops = {
    .size = sizeof(tern_conn_ops),
    .on_stream = on_stream,
    .on_datagram = on_datagram,
    .on_closed = on_closed,
};

static void on_conn(void *app, tern_conn *quic)
{
  struct tern_perf_server *server = app;
  struct tern_perf_server_conn *conn = tern_cli_take(1, sizeof *conn);
  conn->server = server;
  conn->quic = quic;
  conn->began_at = tern_loop_now(server->loop);
  conn->cpu = tern_perf_cpu_now();
  tern_list_push_back(&server->conns, &conn->node);
  server->conns_total++;
  tern_conn_set_ops(quic, &conn_ops, conn);
}

static const tern_endpoint_ops endpoint_ops = {
    .size = sizeof(tern_endpoint_ops),
    .on_conn = on_conn,
};

/* ---- beginning and end ------------------------------------------------------------------- */

static void close_all(struct tern_perf_server *server)
{
  struct tern_list_node *node;
  for (node = server->conns.head.next; node != &server->conns.head;) {
    tern_conn *quic = TERN_CONTAINER_OF(node, struct tern_perf_server_conn, node)->quic;
    node = node->next; /* it may close at once */
    tern_conn_close(quic, 0, "server stops");
  }
}

static void on_signal(void *arg, int fd, unsigned events)
{
  struct tern_perf_server *server = arg;
  struct signalfd_siginfo info;
  (void)events;
  if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
    return;
  tern_perf_server_report(server);
  if (info.ssi_signo == SIGUSR1)
    return;
  close_all(server);
  tern_loop_stop(server->loop);
}

static bool watch_signals(struct tern_perf_server *server)
{
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGUSR1);
  if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
    return false;
  server->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  return server->signal_fd >= 0 &&
         tern_loop_add_fd(server->loop, server->signal_fd, TERN_LOOP_READABLE, on_signal, server) ==
             TERN_OK;
}

static int refuse(const char *why)
{
  tern_cli_say(TERN_PERF_SERVER_WHO, "%s", why);
  return TERN_EXIT_LOCAL;
}

static int make_tls(struct tern_perf_server *server, struct tern_self_signed *pair, tern_tls **tls)
{
  static const char *const alpn[] = {TERN_PERF_ALPN};
  char why[512] = "";
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.is_server = true;
  config.alpn = alpn;
  config.alpn_count = 1;
  config.cert_file = server->options.cert;
  config.key_file = server->options.key;
  if (config.cert_file == NULL) {
    if (!tern_self_signed_make(pair, &server->options.listen, why, sizeof why))
      return refuse(why);
    config.cert_file = pair->cert;
    config.key_file = pair->key;
  }
  tern_knobs_apply_tls(&server->options.knobs, &config);
  if (tern_tls_new(tls, &config, why, sizeof why) == TERN_OK)
    return TERN_EXIT_OK;
  tern_cli_say(TERN_PERF_SERVER_WHO, "cannot use %s and %s: %s", config.cert_file, config.key_file,
               why);
  return TERN_EXIT_LOCAL;
}

static int make_loop(struct tern_perf_server *server, tern_tls *tls)
{
  char why[256] = "not enough memory";
  tern_config config;
  tern_config_init(&config, sizeof config);
  config.server_tls = tls;
  config.stream_window_bytes = STREAM_WINDOW;
  config.stream_window_max_bytes = STREAM_WINDOW_MAX;
  config.conn_window_bytes = CONN_WINDOW;
  config.conn_window_max_bytes = CONN_WINDOW_MAX;
  config.streams_bidi_max = config.streams_uni_max = STREAMS_MAX;
  config.idle_timeout_ms = IDLE_TIMEOUT_MS;
  tern_knobs_apply(&server->options.knobs, &config);
  tern_loop_config loop_config;
  tern_loop_config_init(&loop_config, sizeof loop_config);
  loop_config.endpoint = &config;
  loop_config.ops = &endpoint_ops;
  loop_config.app = server;
  loop_config.listen = server->options.listen;
  loop_config.socket_buffer_bytes = SOCKET_BYTES;
  tern_knobs_apply_loop(&server->options.knobs, &loop_config);
  if (tern_loop_new(&server->loop, &loop_config, why, sizeof why) != TERN_OK)
    return refuse(why);
  return watch_signals(server) ? TERN_EXIT_OK : refuse("cannot watch for signals");
}

/* On stderr, so that --json leaves standard output to the reports. */
static void announce(const struct tern_perf_server *server, const struct tern_self_signed *pair)
{
  char text[TERN_ADDR_TEXT_MAX];
  tern_addr local = tern_loop_get_local(server->loop);
  FILE *file = server->options.json ? stderr : stdout;
  if (server->options.cert == NULL)
    fprintf(file,
            "certificate (self-signed) %s\nclient: tern perf client --cacert %s localhost:%u\n",
            pair->cert, pair->cert, (unsigned)local.port);
  fprintf(file, "listening on %s\n", tern_addr_format(&local, text, sizeof text));
  fflush(file);
}

static int run(struct tern_perf_server *server)
{
  struct tern_self_signed pair;
  tern_tls *tls = NULL;
  int result = make_tls(server, &pair, &tls);
  if (result != TERN_EXIT_OK)
    return result;
  result = make_loop(server, tls);
  tern_tls_unref(tls);
  if (result != TERN_EXIT_OK)
    return result;
  announce(server, &pair);
  server->began_at = tern_loop_now(server->loop);
  server->cpu = tern_perf_cpu_now();
  if (tern_loop_run(server->loop) != TERN_OK) {
    tern_cli_say(TERN_PERF_SERVER_WHO, "the system refused to go on: %s", strerror(errno));
    return TERN_EXIT_LOCAL;
  }
  for (int i = 0; i < FLUSH_TURNS; i++)
    if (tern_loop_run_once(server->loop, 0) != TERN_OK)
      break;
  return TERN_EXIT_OK;
}

static void deinit(struct tern_perf_server *server)
{
  tern_loop_free(server->loop);
  for (struct tern_list_node *node = server->conns.head.next; node != &server->conns.head;) {
    struct tern_perf_server_conn *conn =
        TERN_CONTAINER_OF(node, struct tern_perf_server_conn, node);
    node = node->next;
    free(conn);
  }
  if (server->signal_fd >= 0)
    close(server->signal_fd);
  tern_perf_server_options_deinit(&server->options);
}

int tern_perf_server_main(int argc, char **argv)
{
  struct tern_perf_server server;
  memset(&server, 0, sizeof server);
  server.signal_fd = -1;
  tern_list_init(&server.conns);
  int result = tern_perf_server_options_parse(&server.options, argc, argv);
  if (result == TERN_EXIT_OK && !server.options.is_help)
    result = run(&server);
  deinit(&server);
  return result;
}
