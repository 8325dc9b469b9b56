/* SPDX-License-Identifier: MIT */
/* Many connections over loopback: one server process, one client process, a core each.
 *
 *   crowd idle COUNT SECONDS CERT KEY    what COUNT silent connections cost the server: resident memory,
 *                                        heap of ours, CPU over SECONDS
 *   crowd share COUNT SECONDS CERT KEY   COUNT downloads at once for SECONDS: all together, and how fairly
 *                                        (Jain's index: (sum x)^2 / (n sum x^2))
 *
 * The server answers a byte on its control socket with its figures. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tern/tern.h>

#define PENDING_MAX 64 /* handshakes at a time */
#define BODY_BYTES (UINT64_C(1) << 50)

struct figures {
  double cpu_s;
  uint64_t resident_bytes;
  uint64_t heap_bytes;
  uint64_t conns;
};

_Noreturn static void die(const char *what)
{
  fprintf(stderr, "crowd: %s\n", what);
  exit(1);
}

static void pin(int core)
{
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)core, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0)
    fprintf(stderr, "crowd: not pinned to core %d\n", core);
}

static void fill_config(tern_config *config)
{
  tern_config_init(config, sizeof *config);
  config->idle_timeout_ms = 600000;
}

static tern_tls *make_tls(bool is_server, char **argv)
{
  static const char *const alpn[] = {"h3"};
  tern_tls_config config;
  tern_tls *tls;
  char why[200];
  tern_tls_config_init(&config, sizeof config);
  config.is_server = is_server;
  config.cert_file = is_server ? argv[4] : NULL;
  config.key_file = is_server ? argv[5] : NULL;
  config.insecure_no_verify = !is_server;
  config.alpn = alpn;
  config.alpn_count = 1;
  config.ciphers = "aes128";
  config.groups = "X25519"; /* the handshakes are not what is measured */
  if (tern_tls_new(&tls, &config, why, sizeof why) != TERN_OK)
    die(why);
  return tls;
}

/* ---- server ---------------------------------------------------------------------------------- */

static uint8_t block[65536];

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg, (void)offset;
  for (size_t i = 0; i < count; i++)
    memcpy(iov[i].data, block, iov[i].len);
  return true;
}

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  static const tern_source source = {.fill = fill, .reset_code = TERN_H3_INTERNAL_ERROR};
  (void)h3, (void)fields, (void)count, (void)app;
  if (tern_request_respond(request, 200, NULL, 0, true) != TERN_OK ||
      tern_request_write_source(request, BODY_BYTES, &source) != TERN_OK)
    tern_request_cancel(request, TERN_H3_INTERNAL_ERROR);
}

static const tern_h3_ops server_h3_ops = {.size = sizeof server_h3_ops, .on_request = on_request};

static void on_conn(void *app, tern_conn *conn)
{
  tern_h3 *h3;
  if (tern_h3_new_server(&h3, conn, NULL, &server_h3_ops, app) != TERN_OK)
    die("HTTP/3 on the server");
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof endpoint_ops, .on_conn = on_conn};

static struct figures get_figures(tern_loop *loop)
{
  struct figures figures = {0};
  struct rusage usage;
  tern_endpoint_stats stats;
  unsigned long long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%*s %llu", &pages) != 1)
    die("/proc/self/statm");
  fclose(file);
  getrusage(RUSAGE_SELF, &usage);
  tern_endpoint_get_stats(tern_loop_get_endpoint(loop), &stats);
  figures.cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  figures.resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
  figures.heap_bytes = stats.heap_bytes_now;
  figures.conns = stats.conns_now;
  return figures;
}

static void on_control(void *arg, int fd, unsigned events)
{
  tern_loop *loop = arg;
  char byte;
  (void)events;
  if (read(fd, &byte, 1) != 1) {
    tern_loop_remove_fd(loop, fd);
    tern_loop_stop(loop);
    return;
  }
  struct figures figures = get_figures(loop);
  if (write(fd, &figures, sizeof figures) != sizeof figures)
    die("control");
}

static void serve(int control, char **argv)
{
  tern_config endpoint;
  tern_loop_config config;
  tern_loop *loop;
  char why[200];
  pin(0);
  fill_config(&endpoint);
  endpoint.server_tls = make_tls(true, argv);
  tern_loop_config_init(&config, sizeof config);
  config.endpoint = &endpoint;
  config.ops = &endpoint_ops;
  if (tern_addr_parse(&config.listen, "127.0.0.1:0") != TERN_OK ||
      tern_loop_new(&loop, &config, why, sizeof why) != TERN_OK)
    die("the server's loop");
  tern_addr local = tern_loop_get_local(loop);
  if (write(control, &local, sizeof local) != sizeof local ||
      tern_loop_add_fd(loop, control, TERN_LOOP_READABLE, on_control, loop) != TERN_OK ||
      tern_loop_run(loop) != TERN_OK)
    die("server");
  _exit(0);
}

/* ---- client ---------------------------------------------------------------------------------- */

struct client {
  tern_h3 *h3;
  uint64_t received;
};

static struct crowd {
  tern_loop *loop;
  tern_addr server;
  int control;
  struct client *clients;
  size_t count, started, connected;
  bool is_counting;
} crowd;

static void on_body(tern_request *request, void *app)
{
  struct client *client = app;
  tern_slice slices[16];
  size_t count;
  while ((count = tern_request_peek(request, slices, 16)) != 0) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
      len += slices[i].len;
    client->received += crowd.is_counting ? len : 0;
    tern_request_consume(request, len);
  }
}

static const tern_request_ops request_ops = {.size = sizeof request_ops, .on_body = on_body};

static void on_connected(tern_h3 *h3, void *app)
{
  (void)h3, (void)app;
  crowd.connected++;
}

static void on_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  char text[256];
  (void)h3, (void)app;
  die(tern_error_format(error, text, sizeof text));
}

static const tern_h3_ops client_h3_ops = {
    .size = sizeof client_h3_ops, .on_connected = on_connected, .on_closed = on_closed};

static void start_one(void)
{
  struct client *client = &crowd.clients[crowd.started++];
  tern_connect_args args = {.remote = crowd.server, .server_name = "localhost"};
  tern_conn *conn;
  if (tern_loop_connect(crowd.loop, &args, &conn) != TERN_OK ||
      tern_h3_new_client(&client->h3, conn, NULL, &client_h3_ops, client) != TERN_OK)
    die("connect");
}

static void run_for(double seconds)
{
  tern_time until = tern_loop_now(crowd.loop) + (tern_time)(seconds * 1e9);
  while (tern_loop_now(crowd.loop) < until)
    if (tern_loop_run_once(crowd.loop, until - tern_loop_now(crowd.loop)) != TERN_OK)
      die("the client's loop");
}

static void connect_all(void)
{
  while (crowd.connected < crowd.count) {
    while (crowd.started < crowd.count && crowd.started - crowd.connected < PENDING_MAX)
      start_one();
    if (tern_loop_run_once(crowd.loop, TERN_SECOND) != TERN_OK)
      die("the client's loop");
  }
}

static struct figures ask(void)
{
  struct figures figures;
  if (write(crowd.control, "?", 1) != 1 ||
      read(crowd.control, &figures, sizeof figures) != sizeof figures)
    die("control");
  return figures;
}

static void measure_idle(double seconds)
{
  struct figures before = ask();
  connect_all();
  run_for(5); /* all at rest */
  struct figures at_rest = ask();
  run_for(seconds);
  struct figures after = ask();
  double n = (double)crowd.count;
  printf(
      "%llu idle connections: resident %.0f bytes each (%.1f MiB in all), heap of ours %.0f each, "
      "CPU %.3f %% of a core over %.0f s\n",
      (unsigned long long)after.conns, (double)(at_rest.resident_bytes - before.resident_bytes) / n,
      (double)at_rest.resident_bytes / (1 << 20),
      (double)(at_rest.heap_bytes - before.heap_bytes) / n,
      100 * (after.cpu_s - at_rest.cpu_s) / seconds, seconds);
}

static void measure_share(double seconds)
{
  connect_all();
  for (size_t i = 0; i < crowd.count; i++)
    if (tern_h3_get(crowd.clients[i].h3, "localhost", "/", &request_ops, &crowd.clients[i]) !=
        TERN_OK)
      die("get");
  run_for(2);
  crowd.is_counting = true;
  struct figures before = ask();
  tern_time start = tern_loop_now(crowd.loop);
  run_for(seconds);
  seconds = (double)(tern_loop_now(crowd.loop) - start) / 1e9;
  struct figures after = ask();
  double sum = 0, squares = 0, least = 1e300, most = 0;
  for (size_t i = 0; i < crowd.count; i++) {
    double bytes = (double)crowd.clients[i].received;
    sum += bytes;
    squares += bytes * bytes;
    least = bytes < least ? bytes : least;
    most = bytes > most ? bytes : most;
  }
  printf(
      "%zu downloads: %.2f Gbit/s together, Jain %.4f, least and most %.2f and %.2f of the mean, "
      "server CPU %.3f s/GiB\n",
      crowd.count, sum * 8 / seconds / 1e9, sum * sum / ((double)crowd.count * squares),
      least * (double)crowd.count / sum, most * (double)crowd.count / sum,
      (after.cpu_s - before.cpu_s) / (sum / (1 << 30)));
}

static void make_client(char **argv)
{
  tern_config endpoint;
  tern_loop_config config;
  char why[200];
  pin(sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0);
  fill_config(&endpoint);
  endpoint.client_tls = make_tls(false, argv);
  tern_loop_config_init(&config, sizeof config);
  config.endpoint = &endpoint;
  if (tern_loop_new(&crowd.loop, &config, why, sizeof why) != TERN_OK)
    die(why);
  if (read(crowd.control, &crowd.server, sizeof crowd.server) != sizeof crowd.server)
    die("the server did not start");
}

int main(int argc, char **argv)
{
  int pair[2];
  if (argc != 6 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
    fprintf(stderr, "usage: crowd idle|share COUNT SECONDS CERT KEY\n");
    return 2;
  }
  pid_t server = fork();
  if (server == 0) {
    close(pair[0]);
    serve(pair[1], argv);
  }
  close(pair[1]);
  crowd.control = pair[0];
  crowd.count = strtoul(argv[2], NULL, 10);
  crowd.clients = calloc(crowd.count, sizeof *crowd.clients);
  if (server < 0 || crowd.clients == NULL)
    die("fork");
  make_client(argv);
  if (strcmp(argv[1], "idle") == 0)
    measure_idle(strtod(argv[3], NULL));
  else
    measure_share(strtod(argv[3], NULL));
  close(crowd.control); /* the server ends */
  waitpid(server, NULL, 0);
  return 0;
}
