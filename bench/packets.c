/* SPDX-License-Identifier: MIT */
/* Two endpoints back to back, without sockets and in virtual time: the same instructions each time, so
 * that callgrind's count is a figure which two commits can be compared by.
 *
 *   packets download PACKETS     an HTTP/3 body from the server's memory, about so many packets of it
 *   packets requests COUNT       GETs that are answered with 1 KiB, STREAMS of them at a time
 *
 *   server_turn, client_turn     all work of a side once the handshake and a warm-up are over:
 *                                what --toggle-collect names (scripts/check_instructions.py)
 *
 * Runs go from one side to the other as GRO would give them, up to BATCH at a time. The TLS is the
 * pretended one, packet protection is real. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/h3.h>

#include "base/alloc.h"
#include "base/random.h"
#include "tls/tls_sim.h"

#define BATCH 8
#define RUN_BYTES 65536
#define STREAMS 100
#define BODY_BYTES 1024
#define HOP_NS (TERN_MS / 20)
#define WARM_PACKETS 2000
#define WARM_REQUESTS 300

enum { CLIENT, SERVER, SIDES };

struct side {
  tern_endpoint *endpoint;
  tern_conn *conn;
  tern_addr addr;
  tern_random_ops random;
  struct tern_random_seeded seeded;
  /* runs that the other side has sent and this one has not seen yet */
  tern_datagram inbox[BATCH];
  uint64_t bytes[BATCH][RUN_BYTES / sizeof(uint64_t)];
  size_t count;
};

struct bench {
  struct side sides[SIDES];
  tern_h3 *h3; /* the client's */
  tern_time now;
  uint64_t wanted, submitted, ended; /* requests */
  uint64_t body_bytes;               /* of each */
  bool is_warm;
};

void client_turn(struct bench *bench);
void server_turn(struct bench *bench);
void kernel_copy(uint64_t *to, const volatile uint64_t *from, size_t bytes);

static uint8_t block[RUN_BYTES];

static void die(const char *what)
{
  fprintf(stderr, "packets: %s\n", what);
  exit(1);
}

static void check(tern_status status, const char *what)
{
  if (status != TERN_OK)
    die(what);
}

/* ---- the server's application ---------------------------------------------------------------- */

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
  struct bench *bench = app;
  (void)h3, (void)fields, (void)count;
  if (bench->body_bytes == BODY_BYTES) {
    tern_request_reply(request, 200, "text/plain", tern_slice_of(block, BODY_BYTES));
    return;
  }
  check(tern_request_respond(request, 200, NULL, 0, true), "respond");
  check(tern_request_write_source(request, bench->body_bytes, &source), "write_source");
  check(tern_request_finish(request), "finish");
}

static const tern_h3_ops server_ops = {.size = sizeof server_ops, .on_request = on_request};

static void on_conn(void *app, tern_conn *conn)
{
  struct bench *bench = app;
  tern_h3 *h3;
  bench->sides[SERVER].conn = conn;
  check(tern_h3_new_server(&h3, conn, NULL, &server_ops, bench), "h3 server");
}

/* ---- the client's ------------------------------------------------------------------------------ */

static void on_body(tern_request *request, void *app)
{
  tern_slice slice;
  (void)app;
  while (tern_request_peek(request, &slice, 1) == 1)
    tern_request_consume(request, slice.len);
}

static void submit(struct bench *bench);

static void on_closed(tern_request *request, void *app)
{
  struct bench *bench = app;
  if (!tern_request_is_ended(request))
    die("a request failed");
  bench->ended++;
  if (bench->submitted < bench->wanted)
    submit(bench);
}

static const tern_request_ops request_ops = {
    .size = sizeof request_ops, .on_body = on_body, .on_closed = on_closed};
static const tern_h3_ops client_ops = {.size = sizeof client_ops};

static void submit(struct bench *bench)
{
  bench->submitted++;
  check(tern_h3_get(bench->h3, "localhost:4433", "/", &request_ops, bench), "get");
}

/* ---- the wire ------------------------------------------------------------------------------------ */

/* The copy between the sides is the kernel's work: a function of its own, that the count leaves out, and
 * no call of memcpy, which would be counted with tern's. */
__attribute__((noinline)) void kernel_copy(uint64_t *to, const volatile uint64_t *from,
                                           size_t bytes)
{
  for (size_t i = 0; i < (bytes + 7) / 8; i++)
    to[i] = from[i];
}

static void deliver(struct side *from, struct side *to, const tern_run *run)
{
  tern_datagram *item = &to->inbox[to->count];
  uint64_t *bytes = to->bytes[to->count++];
  kernel_copy(bytes, (const volatile uint64_t *)(const void *)run->data, run->len);
  *item = (tern_datagram){.data = (uint8_t *)bytes,
                          .len = run->len,
                          .segment_bytes = run->segment_bytes,
                          .local = to->addr,
                          .remote = from->addr};
}

static void receive(struct bench *bench, struct side *side)
{
  if (side->count != 0)
    check(tern_endpoint_receive(side->endpoint, side->inbox, side->count, bench->now), "receive");
  side->count = 0;
  if (tern_endpoint_deadline(side->endpoint) <= bench->now)
    check(tern_endpoint_timeout(side->endpoint, bench->now), "timeout");
}

static void send_runs(struct bench *bench, struct side *side, struct side *peer)
{
  const tern_run *run;
  while (peer->count < BATCH && (run = tern_endpoint_send(side->endpoint, bench->now)) != NULL) {
    deliver(side, peer, run);
    size_t segment = run->segment_bytes != 0 ? run->segment_bytes : run->len;
    tern_endpoint_sent(side->endpoint, run, (run->len + segment - 1) / segment, 0, bench->now);
  }
}

/* What came in, the timer, and what there is to say, which waits in the other's inbox. */
__attribute__((noinline)) static void turn(struct bench *bench, int which)
{
  struct side *side = &bench->sides[which];
  receive(bench, side);
  send_runs(bench, side, &bench->sides[1 - which]);
}

__attribute__((noinline)) void client_turn(struct bench *bench)
{
  turn(bench, CLIENT);
}

__attribute__((noinline)) void server_turn(struct bench *bench)
{
  turn(bench, SERVER);
}

static void step(struct bench *bench)
{
  struct side *client = &bench->sides[CLIENT], *server = &bench->sides[SERVER];
  if (bench->is_warm) {
    client_turn(bench);
    bench->now += HOP_NS;
    server_turn(bench);
  } else {
    turn(bench, CLIENT);
    bench->now += HOP_NS;
    turn(bench, SERVER);
  }
  bench->now += HOP_NS;
  if (client->count != 0 || server->count != 0)
    return;
  tern_time next = tern_endpoint_deadline(client->endpoint);
  if (tern_endpoint_deadline(server->endpoint) < next)
    next = tern_endpoint_deadline(server->endpoint);
  if (next > bench->now)
    bench->now = next;
}

/* ---- set up ---------------------------------------------------------------------------------------- */

static void open_side(struct bench *bench, int which, tern_tls *tls)
{
  static const tern_endpoint_ops ops = {.size = sizeof ops, .on_conn = on_conn};
  struct side *side = &bench->sides[which];
  tern_config config;
  char why[256] = "";
  tern_config_init(&config, sizeof config);
  tern_random_seeded_init(&side->seeded, (uint64_t)which + 1);
  config.random = tern_random_seeded_ops(&side->seeded);
  if (which == SERVER)
    config.server_tls = tls;
  else
    config.client_tls = tls;
  side->addr = (tern_addr){.family = 4, .ip = {127, 0, 0, 1}, .port = (uint16_t)(4433 + which)};
  if (tern_endpoint_new(&side->endpoint, &config, &ops, bench, why, sizeof why) != TERN_OK)
    die(why);
}

static void connect_sides(struct bench *bench)
{
  static const char *const alpn[] = {"h3"};
  const struct tern_tls_sim_options options = {.alpn = alpn, .alpn_count = 1};
  tern_connect_args args = {.server_name = "localhost"};
  tern_tls *tls = tern_tls_sim_new(&tern_alloc_system, &options);
  if (tls == NULL)
    die("no memory");
  open_side(bench, CLIENT, tls);
  open_side(bench, SERVER, tls);
  tern_tls_unref(tls);
  bench->now = TERN_SECOND;
  args.remote = bench->sides[SERVER].addr;
  args.local = bench->sides[CLIENT].addr;
  check(tern_endpoint_connect(bench->sides[CLIENT].endpoint, &args, bench->now,
                              &bench->sides[CLIENT].conn),
        "connect");
  check(tern_h3_new_client(&bench->h3, bench->sides[CLIENT].conn, NULL, &client_ops, bench),
        "h3 client");
  while (!tern_h3_has_settings(bench->h3))
    step(bench);
}

static uint64_t count_packets(const struct bench *bench, int which)
{
  tern_conn_stats stats;
  tern_conn_get_stats(bench->sides[which].conn, &stats);
  return which == SERVER ? stats.packets_sent : stats.packets_received;
}

/* ---- scenarios --------------------------------------------------------------------------------------- */

static void download(struct bench *bench, uint64_t packets)
{
  bench->wanted = 1;
  bench->body_bytes = (packets + WARM_PACKETS) * 1400;
  submit(bench);
  while (count_packets(bench, CLIENT) < WARM_PACKETS)
    step(bench);
  bench->is_warm = true;
  uint64_t sent = count_packets(bench, SERVER), received = count_packets(bench, CLIENT);
  uint64_t takes = 0;
  tern_endpoint_stats stats[SIDES];
  for (int i = 0; i < SIDES; i++) {
    tern_endpoint_get_stats(bench->sides[i].endpoint, &stats[i]);
    takes -= stats[i].heap_takes;
  }
  while (count_packets(bench, CLIENT) < received + packets - packets / 20)
    step(bench);
  for (int i = 0; i < SIDES; i++) {
    tern_endpoint_get_stats(bench->sides[i].endpoint, &stats[i]);
    takes += stats[i].heap_takes;
  }
  printf("packets sent %llu received %llu allocations %llu\n",
         (unsigned long long)(count_packets(bench, SERVER) - sent),
         (unsigned long long)(count_packets(bench, CLIENT) - received), (unsigned long long)takes);
}

static void requests(struct bench *bench, uint64_t count)
{
  bench->body_bytes = BODY_BYTES;
  bench->wanted = count + WARM_REQUESTS + STREAMS;
  while (bench->submitted < STREAMS)
    submit(bench);
  while (bench->ended < WARM_REQUESTS)
    step(bench);
  bench->is_warm = true;
  uint64_t before = bench->ended;
  while (bench->ended < before + count)
    step(bench);
  printf("requests %llu\n", (unsigned long long)(bench->ended - before));
}

int main(int argc, char **argv)
{
  static struct bench bench;
  uint64_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
  bool is_download = argc == 3 && strcmp(argv[1], "download") == 0;
  if (count == 0 || (!is_download && strcmp(argv[1], "requests") != 0)) {
    fprintf(stderr, "usage: packets download PACKETS | packets requests COUNT\n");
    return 2;
  }
  connect_sides(&bench);
  if (is_download)
    download(&bench, count);
  else
    requests(&bench, count);
  for (int i = 0; i < SIDES; i++)
    tern_endpoint_free(bench.sides[i].endpoint);
  return 0;
}
