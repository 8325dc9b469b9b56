/* SPDX-License-Identifier: MIT */
/* A server under a flood of first Initials from forged addresses, and the clients that it must not lose.
 *
 *   flooder (core 1) --Initials, each from another 127.x.y.z--> server (core 0) <--connections-- honest (core 0)
 *
 * The flood's Initials are whole and authentic, made beforehand; answers go back to the flooder's socket,
 * which does not read them. Three processes. Prints how many Initials were sent, what the server held at
 * most for half-open connections (its own accounts, and the TLS library's heap), and how long the honest
 * ones took from their first datagram to a complete handshake.
 *
 *   flood CERT KEY SECONDS [RATE]      default 100,000 a second */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <tern/io.h>

#include "base/random.h"
#include "transport/endpoint.h"

#define HONEST_PER_SECOND 50
#define TEMPLATES 16384
#define BATCH 64
#define LEAD_NS (2 * TERN_SECOND) /* the flood runs before the first honest one comes */

static const char *const alpn[] = {"h3"};
static uint64_t tls_bytes, tls_bytes_max;

/* AWS-LC calls these when a program has them. The size stands before the block. */
void *OPENSSL_memory_alloc(size_t size);
void OPENSSL_memory_free(void *block);
size_t OPENSSL_memory_get_size(void *block);

void *OPENSSL_memory_alloc(size_t size)
{
  size_t *head = malloc(size + 16);
  if (head == NULL)
    return NULL;
  *head = size;
  tls_bytes += size;
  if (tls_bytes > tls_bytes_max)
    tls_bytes_max = tls_bytes;
  return (char *)head + 16;
}

size_t OPENSSL_memory_get_size(void *block)
{
  return *(size_t *)(void *)((char *)block - 16);
}

void OPENSSL_memory_free(void *block)
{
  if (block == NULL)
    return;
  tls_bytes -= OPENSSL_memory_get_size(block);
  free((char *)block - 16);
}

static void give_up(const char *what)
{
  fprintf(stderr, "flood: %s\n", what);
  exit(1);
}

static void pin(int core)
{
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)core, &set);
  (void)sched_setaffinity(0, sizeof set, &set); /* on one core all share it */
}

static tern_time read_clock(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (tern_time)now.tv_sec * TERN_SECOND + (tern_time)now.tv_nsec;
}

static tern_tls *make_tls(const char *cert, const char *key)
{
  tern_tls_config config;
  tern_tls *tls;
  char why[256];
  tern_tls_config_init(&config, sizeof config);
  config.is_server = cert != NULL;
  config.cert_file = cert;
  config.key_file = key;
  config.insecure_no_verify = cert == NULL;
  config.alpn = alpn;
  config.alpn_count = 1;
  if (tern_tls_new(&tls, &config, why, sizeof why) != TERN_OK)
    give_up(why);
  return tls;
}

static tern_loop *make_loop(const tern_config *endpoint, const tern_endpoint_ops *ops,
                            const char *listen)
{
  tern_loop_config config;
  tern_loop *loop;
  char why[256] = "";
  tern_loop_config_init(&config, sizeof config);
  config.endpoint = endpoint;
  config.ops = ops;
  if (listen != NULL && tern_addr_parse(&config.listen, listen) != TERN_OK)
    give_up("address");
  if (tern_loop_new(&loop, &config, why, sizeof why) != TERN_OK)
    give_up(why);
  return loop;
}

/* ---- the server ------------------------------------------------------------------------------ */

static struct watch {
  tern_loop *loop;
  tern_loop_timer *timer;
  tern_time until;
  uint64_t half_open_max, half_open_bytes_max;
  double cpu_seconds;
} watch;

static void on_conn(void *app, tern_conn *conn)
{
  (void)app, (void)conn; /* the client closes it */
}

static void on_watch(void *arg, tern_time now)
{
  const tern_endpoint *endpoint = tern_loop_get_endpoint(watch.loop);
  (void)arg;
  if (endpoint->stats.conns_half_open > watch.half_open_max)
    watch.half_open_max = endpoint->stats.conns_half_open;
  if (endpoint->half_open_bytes > watch.half_open_bytes_max)
    watch.half_open_bytes_max = endpoint->half_open_bytes;
  if (now >= watch.until)
    tern_loop_stop(watch.loop);
  tern_loop_set_timer(watch.timer, now + TERN_MS);
}

static double get_cpu_seconds(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report_server(uint64_t tls_before, double seconds)
{
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(tern_loop_get_endpoint(watch.loop), &stats);
  printf("server   %llu datagrams in, %llu Retry, %llu connections begun, %.0f %% of a core\n",
         (unsigned long long)stats.datagrams_received, (unsigned long long)stats.retries_sent,
         (unsigned long long)stats.conns_total, 100 * get_cpu_seconds() / seconds);
  printf("memory   at most %llu half-open, %.2f MiB of ours, %.2f MiB of the TLS library for all\n",
         (unsigned long long)watch.half_open_max, (double)watch.half_open_bytes_max / 1048576,
         (double)(tls_bytes_max - tls_before) / 1048576);
}

static void serve(const char *cert, const char *key, int port_fd, uint64_t seconds)
{
  static const tern_endpoint_ops ops = {.size = sizeof ops, .on_conn = on_conn};
  tern_config config;
  pin(0);
  tern_config_init(&config, sizeof config);
  config.server_tls = make_tls(cert, key);
  watch.loop = make_loop(&config, &ops, "127.0.0.1:0");
  uint64_t tls_before = tls_bytes_max = tls_bytes;
  uint16_t port = tern_loop_get_local(watch.loop).port;
  if (write(port_fd, &port, sizeof port) != (ssize_t)sizeof port ||
      tern_loop_add_timer(watch.loop, on_watch, NULL, &watch.timer) != TERN_OK)
    give_up("server");
  watch.until = read_clock() + seconds * TERN_SECOND;
  tern_loop_set_timer(watch.timer, 0);
  if (tern_loop_run(watch.loop) != TERN_OK)
    give_up("the server's loop");
  report_server(tls_before, (double)seconds);
  fflush(stdout);
  _exit(0);
}

/* ---- the flood ------------------------------------------------------------------------------- */

struct shots {
  uint8_t bytes[TEMPLATES][1200];
  size_t count;
};

/* The first datagrams of so many connections that will never be. */
static void make_shots(struct shots *shots)
{
  struct tern_random_seeded seeded;
  tern_endpoint *endpoint;
  tern_config config;
  tern_connect_args args = {.server_name = "localhost"};
  char why[256];

  tern_random_seeded_init(&seeded, read_clock());
  tern_config_init(&config, sizeof config);
  config.random = tern_random_seeded_ops(&seeded);
  config.client_tls = make_tls(NULL, NULL);
  if (tern_addr_parse(&args.remote, "127.0.0.1:1") != TERN_OK)
    give_up("address");
  while (shots->count < TEMPLATES) {
    tern_conn *conn;
    if (tern_endpoint_new(&endpoint, &config, NULL, NULL, why, sizeof why) != TERN_OK ||
        tern_endpoint_connect(endpoint, &args, 1, &conn) != TERN_OK)
      give_up("client");
    const tern_run *run = tern_endpoint_send(endpoint, 1);
    if (run == NULL || run->len < 1200)
      give_up("no Initial");
    memcpy(shots->bytes[shots->count++], run->data, 1200);
    tern_endpoint_free(endpoint);
  }
}

struct volley {
  struct mmsghdr messages[BATCH];
  struct iovec iov[BATCH];
  union {
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    size_t align;
  } control[BATCH];
};

static void aim(struct volley *volley, const struct shots *shots, struct sockaddr_in *server,
                uint64_t first)
{
  for (size_t i = 0; i < BATCH; i++) {
    struct msghdr *message = &volley->messages[i].msg_hdr;
    struct in_pktinfo from = {
        .ipi_spec_dst.s_addr =
            htonl(0x7f010000u + (uint32_t)((first + i) * 2654435761u >> 8) % 0xfe0000u)};
    volley->iov[i] =
        (struct iovec){(void *)(uintptr_t)shots->bytes[(first + i) % shots->count], 1200};
    *message = (struct msghdr){.msg_name = server,
                               .msg_namelen = sizeof *server,
                               .msg_iov = &volley->iov[i],
                               .msg_iovlen = 1,
                               .msg_control = volley->control[i].bytes,
                               .msg_controllen = sizeof volley->control[i].bytes};
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    head->cmsg_level = IPPROTO_IP;
    head->cmsg_type = IP_PKTINFO;
    head->cmsg_len = CMSG_LEN(sizeof from);
    memcpy(CMSG_DATA(head), &from, sizeof from);
  }
}

static void flood(uint16_t port, uint64_t seconds, uint64_t rate, const struct shots *shots)
{
  static struct volley volley;
  struct sockaddr_in server = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int small = 1; /* answers are not read */
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  uint64_t sent = 0;

  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  tern_time begun = read_clock(), now;
  while ((now = read_clock()) - begun < seconds * TERN_SECOND) {
    if (sent > (now - begun) / 1000 * rate / 1000000)
      continue;
    aim(&volley, shots, &server, sent);
    int done = sendmmsg(fd, volley.messages, BATCH, 0);
    sent += done > 0 ? (uint64_t)done : 0;
  }
  printf("flood    %llu Initials in %llu s, %.0f a second\n", (unsigned long long)sent,
         (unsigned long long)seconds, (double)sent / (double)seconds);
  fflush(stdout);
  _exit(0);
}

/* ---- the honest ------------------------------------------------------------------------------ */

static struct crowd {
  tern_loop *loop;
  tern_loop_timer *timer;
  tern_addr server;
  tern_time next_at, until;
  uint64_t begun, ended;
  double *took_ms; /* of those that connected */
  size_t connected;
} crowd;

struct visit {
  tern_time begun_at;
};

static void on_connected(tern_conn *conn, void *app)
{
  struct visit *visit = app;
  crowd.took_ms[crowd.connected++] = (double)(tern_loop_now(crowd.loop) - visit->begun_at) / 1e6;
  tern_conn_close(conn, 0x100, NULL);
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  (void)conn, (void)error;
  free(app);
  crowd.ended++;
}

static void on_visit(void *arg, tern_time now)
{
  static const tern_conn_ops ops = {
      .size = sizeof ops, .on_connected = on_connected, .on_closed = on_closed};
  (void)arg;
  if (now >= crowd.until && crowd.ended == crowd.begun)
    tern_loop_stop(crowd.loop);
  for (; crowd.next_at <= now && crowd.next_at < crowd.until;
       crowd.next_at += TERN_SECOND / HONEST_PER_SECOND) {
    struct visit *visit = malloc(sizeof *visit);
    tern_connect_args args = {
        .remote = crowd.server, .server_name = "localhost", .ops = &ops, .app = visit};
    tern_conn *conn;
    if (visit == NULL)
      give_up("memory");
    visit->begun_at = now;
    if (tern_loop_connect(crowd.loop, &args, &conn) != TERN_OK)
      give_up("connect");
    crowd.begun++;
  }
  tern_loop_set_timer(crowd.timer, now < crowd.until ? crowd.next_at : now + 10 * TERN_MS);
}

static int compare(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void visit_all(uint16_t port, uint64_t seconds)
{
  tern_config config;
  pin(0);
  tern_config_init(&config, sizeof config);
  config.client_tls = make_tls(NULL, NULL);
  crowd.loop = make_loop(&config, NULL, NULL);
  crowd.took_ms = calloc((seconds + 1) * HONEST_PER_SECOND, sizeof *crowd.took_ms);
  crowd.server = (tern_addr){.family = 4, .ip = {127, 0, 0, 1}, .port = port};
  crowd.next_at = read_clock() + LEAD_NS;
  crowd.until = crowd.next_at + seconds * TERN_SECOND;
  if (crowd.took_ms == NULL ||
      tern_loop_add_timer(crowd.loop, on_visit, NULL, &crowd.timer) != TERN_OK)
    give_up("honest");
  tern_loop_set_timer(crowd.timer, crowd.next_at);
  if (tern_loop_run(crowd.loop) != TERN_OK)
    give_up("the honest ones' loop");
  qsort(crowd.took_ms, crowd.connected, sizeof *crowd.took_ms, compare);
  printf("honest   %zu of %llu connected, %.2f %%; median %.1f ms, p99 %.1f ms, longest %.1f ms\n",
         crowd.connected, (unsigned long long)crowd.begun,
         100 * (double)crowd.connected / (double)crowd.begun, crowd.took_ms[crowd.connected / 2],
         crowd.took_ms[crowd.connected * 99 / 100], crowd.took_ms[crowd.connected - 1]);
}

int main(int argc, char **argv)
{
  int port_pipe[2];
  uint16_t port = 0;

  if (argc < 4)
    give_up("usage: flood CERT KEY SECONDS [RATE]");
  uint64_t seconds = strtoull(argv[3], NULL, 10);
  uint64_t rate = argc > 4 ? strtoull(argv[4], NULL, 10) : 100000;
  struct shots *shots = calloc(1, sizeof *shots);
  if (shots == NULL || seconds < 3 || pipe(port_pipe) != 0)
    give_up("it takes 3 seconds at least");
  make_shots(shots);
  pid_t server = fork();
  if (server == 0)
    serve(argv[1], argv[2], port_pipe[1], seconds + 4);
  if (server < 0 || read(port_pipe[0], &port, sizeof port) != (ssize_t)sizeof port)
    give_up("no server");
  pid_t flooder = rate != 0 ? fork() : -1;
  if (flooder == 0) {
    pin(1);
    flood(port, seconds + 3, rate, shots);
  }
  visit_all(port, seconds);
  while (wait(NULL) > 0)
    ;
  return crowd.connected * 1000 >= crowd.begun * 999 ? 0 : 1;
}
