/* SPDX-License-Identifier: MIT */
/* tern serve: the run.
 *
 * A signal makes it drain: GOAWAY on every connection, no new ones, and an end when the last is gone or
 * after five seconds. Signals come as bytes of a descriptor to the first worker, which posts to all, so
 * that nothing runs at odd moments. SIGHUP has the certificates read again. */
#define _GNU_SOURCE /* O_PATH, sigset_t */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "serve_tls.h"
#include "sha256.h"

#define STOP_NS (5 * TERN_SECOND)

/* All workers, and what they have in common. */
struct tern_serve_group {
  tern_workers *workers;
  struct tern_serve *list; /* one a worker; the first one's options are the command line's */
  uint32_t count;
  struct tern_serve_tls tls;
  int root_fd, upload_fd, signal_fd;
  struct tern_access_log *access_log;
  bool is_stopping;
  int exit_code;
};

struct serve_conn {
  struct tern_list_node node;
  struct tern_serve *serve;
  tern_h3 *h3;
};

/* ---- connections ------------------------------------------------------------------------- */

static void on_h3_request(tern_h3 *h3, tern_request *request, const tern_field *fields,
                          size_t count, void *app)
{
  struct serve_conn *conn = app;
  tern_serve_on_request(h3, request, fields, count, conn->serve);
}

static void on_h3_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  struct serve_conn *conn = app;
  (void)h3;
  (void)error;
  tern_list_remove(&conn->node);
  free(conn);
}

static const tern_h3_ops h3_ops = {
    .size = sizeof(tern_h3_ops),
    .on_request = on_h3_request,
    .on_closed = on_h3_closed,
};

static void on_conn(void *app, tern_conn *quic)
{
  struct tern_serve *serve = app;
  struct serve_conn *conn = tern_cli_take(1, sizeof *conn);
  conn->serve = serve;
  if (tern_h3_new_server(&conn->h3, quic, NULL, &h3_ops, conn) != TERN_OK) {
    free(conn);
    tern_conn_close(quic, TERN_H3_INTERNAL_ERROR, "");
    return;
  }
  tern_list_push_back(&serve->conns, &conn->node);
  if (serve->is_stopping)
    tern_h3_goaway(conn->h3);
}

static void on_drained(void *app, tern_endpoint *endpoint)
{
  struct tern_serve *serve = app;
  (void)endpoint;
  tern_loop_stop(serve->loop);
}

static const tern_endpoint_ops endpoint_ops = {
    .size = sizeof(tern_endpoint_ops),
    .on_conn = on_conn,
    .on_drained = on_drained,
};

/* ---- stopping ---------------------------------------------------------------------------- */

/* Each with its successor taken first: an answer may close the connection at once. */
static void for_each_conn(struct tern_serve *serve, void (*act)(tern_h3 *h3))
{
  struct tern_list_node *node = serve->conns.head.next;
  while (node != &serve->conns.head) {
    struct tern_list_node *next = node->next;
    act(TERN_CONTAINER_OF(node, struct serve_conn, node)->h3);
    node = next;
  }
}

static void close_conn(tern_h3 *h3)
{
  tern_h3_close(h3, TERN_H3_NO_ERROR, "server stops");
}

static void close_all(void *arg)
{
  struct tern_serve *serve = arg;
  for_each_conn(serve, close_conn);
  tern_loop_stop(serve->loop);
}

static void on_stop_timer(void *arg, tern_time now)
{
  (void)now;
  close_all(arg);
}

static void drain(void *arg)
{
  struct tern_serve *serve = arg;
  serve->is_stopping = true;
  tern_loop_set_timer(serve->stop_timer, tern_loop_now(serve->loop) + STOP_NS);
  for_each_conn(serve, tern_h3_goaway);
  tern_endpoint_drain(tern_loop_get_endpoint(serve->loop));
}

/* A mailbox that is full of calls has had this one often enough. */
static void post_to_all(struct tern_serve_group *group, tern_loop_on_post *on_post)
{
  for (uint32_t i = 0; i < group->count; i++)
    if (tern_loop_post(group->list[i].loop, on_post, &group->list[i]) != TERN_OK)
      tern_loop_stop(group->list[i].loop);
}

/* New certificates on their way to a worker. */
struct reload {
  struct tern_serve *serve;
  tern_tls *tls; /* a reference */
};

static void take_tls(void *arg)
{
  struct reload *reload = arg;
  tern_endpoint_set_server_tls(tern_loop_get_endpoint(reload->serve->loop), reload->tls);
  tern_tls_unref(reload->tls);
  free(reload);
}

/* Connections that there are keep what they have; files that are of no use change nothing. */
static void reload_certs(struct tern_serve_group *group)
{
  tern_tls *tls;
  if (tern_serve_tls_load(&group->tls, &group->list[0].options, &tls) != TERN_EXIT_OK) {
    tern_cli_say(TERN_SERVE_WHO, "the certificates stay as they were");
    return;
  }
  for (uint32_t i = 0; i < group->count; i++) {
    struct reload *reload = tern_cli_take(1, sizeof *reload);
    *reload = (struct reload){&group->list[i], tern_tls_ref(tls)};
    if (tern_loop_post(group->list[i].loop, take_tls, reload) != TERN_OK) {
      tern_tls_unref(tls); /* a worker that is this busy is asked again by the next signal */
      free(reload);
    }
  }
  tern_tls_unref(tls);
  tern_cli_say(TERN_SERVE_WHO, "certificates read again");
}

static void on_signal(void *arg, int fd, unsigned events)
{
  struct tern_serve_group *group = arg;
  struct signalfd_siginfo info;
  (void)events;
  if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
    return;
  if (info.ssi_signo == SIGHUP) {
    reload_certs(group);
    return;
  }
  if (group->is_stopping)
    group->exit_code = 128 + (int)info.ssi_signo;
  post_to_all(group, group->is_stopping ? close_all : drain);
  group->is_stopping = true;
}

/* Blocked in every thread: the workers' inherit it. */
static bool watch_signals(struct tern_serve_group *group)
{
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  signal(SIGPIPE, SIG_IGN);
  if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
    return false;
  group->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  return group->signal_fd >= 0 && tern_loop_add_fd(group->list[0].loop, group->signal_fd,
                                                   TERN_LOOP_READABLE, on_signal, group) == TERN_OK;
}

/* ---- beginning --------------------------------------------------------------------------- */

static int refuse(const char *why)
{
  tern_cli_say(TERN_SERVE_WHO, "%s", why);
  return TERN_EXIT_LOCAL;
}

static int open_folder(const char *path, int *fd)
{
  *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*fd >= 0)
    return TERN_EXIT_OK;
  tern_cli_say(TERN_SERVE_WHO, "cannot use the folder %s: %s", path, strerror(errno));
  return TERN_EXIT_LOCAL;
}

static int open_files(struct tern_serve_group *group, const struct tern_serve_options *options)
{
  int result = open_folder(options->folder, &group->root_fd);
  if (result == TERN_EXIT_OK && options->upload != NULL)
    result = open_folder(options->upload, &group->upload_fd);
  if (result != TERN_EXIT_OK || options->access_log == NULL)
    return result;
  group->access_log = tern_access_log_new(options->access_log);
  if (group->access_log != NULL)
    return TERN_EXIT_OK;
  tern_cli_say(TERN_SERVE_WHO, "cannot write the access log %s: %s", options->access_log,
               strerror(errno));
  return TERN_EXIT_LOCAL;
}

/* The digest of the file, so that it may hold anything that nobody can guess. */
static int read_secret(const char *path, uint8_t out[32])
{
  uint8_t bytes[4096];
  FILE *file = fopen(path, "rbe");
  size_t len = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
  if (file != NULL)
    fclose(file);
  struct tern_sha256 *sha = len >= 32 ? tern_sha256_new() : NULL;
  if (sha != NULL) {
    tern_sha256_add(sha, bytes, len);
    tern_sha256_end(sha, out);
    tern_sha256_free(sha);
    return TERN_EXIT_OK;
  }
  if (file == NULL)
    tern_cli_say(TERN_SERVE_WHO, "cannot read the secret %s: %s", path, strerror(errno));
  else
    tern_cli_say(TERN_SERVE_WHO,
                 "the secret %s has less than 32 bytes: head -c 32 /dev/urandom makes one", path);
  return TERN_EXIT_LOCAL;
}

static void on_config(void *arg, uint32_t worker, tern_loop_config *loop, tern_config *endpoint)
{
  struct tern_serve_group *group = arg;
  loop->app = &group->list[worker];
  tern_knobs_apply(&group->list[worker].options.knobs, endpoint);
}

static bool make_stop_timer(struct tern_serve_group *group, uint32_t worker)
{
  struct tern_serve *serve = &group->list[worker];
  serve->loop = tern_workers_get_loop(group->workers, worker);
  return tern_loop_add_timer(serve->loop, on_stop_timer, serve, &serve->stop_timer) == TERN_OK;
}

static int make_workers(struct tern_serve_group *group, tern_tls *tls)
{
  const struct tern_serve_options *options = &group->list[0].options;
  char why[256] = "not enough memory";
  tern_config config;
  tern_config_init(&config, sizeof config);
  if (options->secret != NULL) {
    int result = read_secret(options->secret, config.secret);
    if (result != TERN_EXIT_OK)
      return result;
  }
  if (options->retry)
    config.retry_half_open = 0;
  config.server_tls = tls;
  if (options->conns_max != 0)
    config.conns_max = options->conns_max;
  tern_loop_config loop_config;
  tern_loop_config_init(&loop_config, sizeof loop_config);
  loop_config.endpoint = &config;
  loop_config.ops = &endpoint_ops;
  loop_config.listen = options->listen;
  tern_knobs_apply_loop(&options->knobs, &loop_config);
  tern_workers_config workers_config;
  tern_workers_config_init(&workers_config, sizeof workers_config);
  workers_config.loop = &loop_config;
  workers_config.count = group->count;
  workers_config.on_config = on_config;
  workers_config.arg = group;
  if (tern_workers_new(&group->workers, &workers_config, why, sizeof why) != TERN_OK)
    return refuse(why);
  for (uint32_t i = 0; i < group->count; i++)
    if (!make_stop_timer(group, i))
      return refuse("not enough memory");
  return watch_signals(group) ? TERN_EXIT_OK : refuse("cannot watch for signals");
}

/* The lines that scripts and people wait for. */
static void announce(const struct tern_serve *serve, const struct tern_self_signed *pair)
{
  char text[TERN_ADDR_TEXT_MAX];
  tern_addr local = tern_loop_get_local(serve->loop);
  if (serve->options.certs_count == 0) {
    printf("certificate (self-signed) %s\n", pair->cert);
    printf("public key sha256 %s\n", pair->spki_hash);
    printf("fetch:    tern get --cacert %s https://localhost:%u/\n", pair->cert,
           (unsigned)local.port);
    printf("Chromium: --origin-to-force-quic-on=localhost:%u "
           "--ignore-certificate-errors-spki-list=%s https://localhost:%u/\n",
           (unsigned)local.port, pair->spki_hash, (unsigned)local.port);
  }
  printf("serving %s, listening on %s\n", serve->options.folder,
         tern_addr_format(&local, text, sizeof text));
  fflush(stdout);
}

/* Each running response holds a file: take as many descriptors as there may be. */
static void raise_files_max(void)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit); /* else it stays as it was */
}

/* A struct tern_serve for each worker, as the command line says. */
static void make_list(struct tern_serve_group *group, const struct tern_serve_options *options)
{
  group->count = options->workers != 0 ? options->workers : tern_workers_count_cores();
  group->list = tern_cli_take(group->count, sizeof *group->list);
  for (uint32_t i = 0; i < group->count; i++) {
    struct tern_serve *serve = &group->list[i];
    serve->group = group;
    serve->options = *options;
    serve->root_fd = group->root_fd;
    serve->upload_fd = group->upload_fd;
    serve->access_log = group->access_log;
    serve->uploads_total = (uint64_t)i << 32; /* no two alike: they are part of a file's name */
    tern_list_init(&serve->conns);
  }
}

static int start(struct tern_serve_group *group, struct tern_serve_options *options)
{
  tern_tls *tls = NULL;
  raise_files_max();
  int result = open_files(group, options);
  if (result == TERN_EXIT_OK)
    result = tern_serve_tls_load(&group->tls, options, &tls);
  if (result != TERN_EXIT_OK)
    return result;
  make_list(group, options);
  result = make_workers(group, tls);
  tern_tls_unref(tls);
  if (result == TERN_EXIT_OK)
    announce(&group->list[0], &group->tls.pair);
  return result;
}

static int run(struct tern_serve_group *group)
{
  if (tern_workers_run(group->workers) != TERN_OK) {
    tern_cli_say(TERN_SERVE_WHO, "the system refused to go on: %s", strerror(errno));
    return TERN_EXIT_LOCAL;
  }
  return group->exit_code;
}

static void free_conns(struct tern_serve *serve)
{
  for (struct tern_list_node *node = serve->conns.head.next; node != &serve->conns.head;) {
    struct serve_conn *conn = TERN_CONTAINER_OF(node, struct serve_conn, node);
    node = node->next;
    free(conn);
  }
}

static void deinit(struct tern_serve_group *group)
{
  tern_workers_free(group->workers);
  for (uint32_t i = 0; i < group->count; i++) {
    free_conns(&group->list[i]);
    tern_observe_close_qlog(&group->list[i].options.knobs.observe);
  }
  free(group->list);
  tern_access_log_free(group->access_log);
  tern_serve_tls_deinit(&group->tls);
  const int fds[] = {group->root_fd, group->upload_fd, group->signal_fd};
  for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
    if (fds[i] >= 0)
      close(fds[i]);
}

int tern_serve_main(int argc, char **argv)
{
  struct tern_serve_group group = {.root_fd = -1, .upload_fd = -1, .signal_fd = -1};
  struct tern_serve_options options;
  int result = tern_serve_options_parse(&options, argc, argv);
  if (result == TERN_EXIT_OK && !options.is_help)
    result = start(&group, &options);
  if (group.workers != NULL && result == TERN_EXIT_OK)
    result = run(&group);
  deinit(&group);
  tern_serve_options_deinit(&options);
  return result;
}
