/* SPDX-License-Identifier: MIT */
/* Bytes of heap by purpose: what the accounts of a server say of a half-open connection, of an
 * established one, of one that rests, of an open request, and of data in flight.
 *
 *   client endpoint --10 ms--> server endpoint      real TLS, HTTP/3, virtual time
 *          <-------------------------              every block is counted by its size
 *
 * A block's purpose is told by its size: the large structs are known here, what is not goes under
 * "other". TLS has a heap of its own, which is counted too (OPENSSL_memory_alloc). Beside the heap a
 * connection has its shares of the endpoint's tables, which grow by doubling; they are shown as they are
 * with one connection's entries.
 *
 *   memory CERT KEY */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/tern.h>

#include "base/random.h"
#include "h3/h3_conn.h"
#include "recovery/cc_common.h"
#include "tls/tls_backend.h"
#include "transport/conn.h"

#define DELAY_NS (10 * TERN_MS)
#define SIZES_MAX 65536
#define REQUESTS 64 /* within the limit that the first ones left */
#define FLIGHT_BYTES (UINT64_C(64) << 20)
#define BODY_BYTES (UINT64_C(4) << 30)

/* ---- the heaps ------------------------------------------------------------------------------- */

/* Live blocks by size; larger ones are only summed. */
struct heap {
  uint32_t live[SIZES_MAX];
  uint64_t bytes;
};
static struct heap server_heap, client_heap;
static uint64_t tls_bytes; /* of both sides */

static void *take(void *arg, size_t size)
{
  struct heap *heap = arg;
  if (size < SIZES_MAX)
    heap->live[size]++;
  heap->bytes += size;
  return malloc(size);
}

static void give(void *arg, void *block, size_t size)
{
  struct heap *heap = arg;
  if (size < SIZES_MAX)
    heap->live[size]--;
  heap->bytes -= size;
  free(block);
}

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

/* ---- the world ------------------------------------------------------------------------------- */

struct flying {
  struct flying *next;
  tern_time at;
  bool to_server;
  size_t len;
  uint8_t bytes[1500];
};

static struct world {
  tern_endpoint *server, *client;
  tern_conn *server_conn, *client_conn;
  tern_h3 *server_h3, *client_h3;
  tern_request *held[REQUESTS]; /* requests that wait for an answer */
  size_t held_count;
  bool is_holding;
  uint64_t body_bytes; /* of the next answers */
  struct flying *first, **last;
  tern_addr addr[2];
  tern_time now;
  struct tern_random_seeded random;
} world = {.now = TERN_SECOND, .last = &world.first};

_Noreturn static void die(const char *what)
{
  fprintf(stderr, "memory: %s\n", what);
  exit(1);
}

static void put(const tern_run *run, bool to_server)
{
  for (size_t at = 0; at < run->len; at += run->segment_bytes) {
    struct flying *datagram = malloc(sizeof *datagram);
    if (datagram == NULL)
      die("no memory");
    datagram->next = NULL;
    datagram->at = world.now + DELAY_NS;
    datagram->to_server = to_server;
    datagram->len = run->len - at < run->segment_bytes ? run->len - at : run->segment_bytes;
    memcpy(datagram->bytes, run->data + at, datagram->len);
    *world.last = datagram;
    world.last = &datagram->next;
  }
}

static void flush(tern_endpoint *endpoint)
{
  const tern_run *run;
  while ((run = tern_endpoint_send(endpoint, world.now)) != NULL) {
    put(run, endpoint == world.client);
    tern_endpoint_sent(endpoint, run, (run->len + run->segment_bytes - 1) / run->segment_bytes, 0,
                       world.now);
  }
}

static void arrive(void)
{
  struct flying *datagram = world.first;
  tern_datagram item = {.data = datagram->bytes, .len = datagram->len};
  item.local = world.addr[datagram->to_server];
  item.remote = world.addr[!datagram->to_server];
  world.first = datagram->next;
  if (world.first == NULL)
    world.last = &world.first;
  if (tern_endpoint_receive(datagram->to_server ? world.server : world.client, &item, 1,
                            world.now) != TERN_OK)
    die("receive");
  free(datagram);
}

/* Everything that happens up to now + `ns`; what is sent at its end still flies. */
static void run_for(uint64_t ns)
{
  tern_time until = world.now + ns;
  for (;;) {
    flush(world.client);
    flush(world.server);
    tern_time next = tern_endpoint_deadline(world.client);
    if (tern_endpoint_deadline(world.server) < next)
      next = tern_endpoint_deadline(world.server);
    if (world.first != NULL && world.first->at < next)
      next = world.first->at;
    if (next > until)
      break;
    world.now = next > world.now ? next : world.now;
    if (world.first != NULL && world.first->at <= world.now)
      arrive();
    else if (tern_endpoint_timeout(world.client, world.now) != TERN_OK ||
             tern_endpoint_timeout(world.server, world.now) != TERN_OK)
      die("timeout");
  }
  world.now = until;
}

/* ---- both applications ----------------------------------------------------------------------- */

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg, (void)offset;
  for (size_t i = 0; i < count; i++)
    memset(iov[i].data, 0, iov[i].len);
  return true;
}

static void answer(tern_request *request)
{
  static const tern_source source = {.fill = fill, .reset_code = TERN_H3_INTERNAL_ERROR};
  if (tern_request_respond(request, 200, NULL, 0, true) != TERN_OK ||
      tern_request_write_source(request, world.body_bytes, &source) != TERN_OK ||
      tern_request_finish(request) != TERN_OK)
    die("answer");
}

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  (void)h3, (void)fields, (void)count, (void)app;
  if (world.is_holding && world.held_count < REQUESTS)
    world.held[world.held_count++] = request;
  else
    answer(request);
}

static const tern_h3_ops h3_ops = {.size = sizeof h3_ops, .on_request = on_request};

static void on_conn(void *app, tern_conn *conn)
{
  (void)app;
  world.server_conn = conn;
  if (tern_h3_new_server(&world.server_h3, conn, NULL, &h3_ops, NULL) != TERN_OK)
    die("HTTP/3 on the server");
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof endpoint_ops, .on_conn = on_conn};

static tern_tls *make_tls(bool is_server, char **argv)
{
  static const char *const alpn[] = {"h3"};
  tern_tls_config config;
  tern_tls *tls;
  char why[200];
  tern_tls_config_init(&config, sizeof config);
  config.is_server = is_server;
  config.cert_file = is_server ? argv[1] : NULL;
  config.key_file = is_server ? argv[2] : NULL;
  config.insecure_no_verify = !is_server;
  config.alpn = alpn;
  config.alpn_count = 1;
  if (tern_tls_new(&tls, &config, why, sizeof why) != TERN_OK)
    die(why);
  return tls;
}

static tern_endpoint *make_endpoint(bool is_server, char **argv)
{
  tern_config config;
  tern_endpoint *endpoint;
  char why[200];
  tern_config_init(&config, sizeof config);
  config.alloc = (tern_alloc_ops){take, give, is_server ? &server_heap : &client_heap};
  config.random = tern_random_seeded_ops(&world.random);
  *(is_server ? &config.server_tls : &config.client_tls) = make_tls(is_server, argv);
  config.idle_timeout_ms = 600000;
  config.conn_window_max_bytes = config.stream_window_max_bytes = UINT64_C(1) << 30;
  config.pacing = false;
  if (tern_endpoint_new(&endpoint, &config, &endpoint_ops, NULL, why, sizeof why) != TERN_OK)
    die(why);
  tern_tls_unref(is_server ? config.server_tls : config.client_tls);
  return endpoint;
}

static void connect_client(void)
{
  tern_connect_args args = {.remote = world.addr[1], .server_name = "localhost"};
  if (tern_endpoint_connect(world.client, &args, world.now, &world.client_conn) != TERN_OK ||
      tern_h3_new_client(&world.client_h3, world.client_conn, NULL, &h3_ops, NULL) != TERN_OK)
    die("connect");
}

static void get(size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (tern_h3_get(world.client_h3, "localhost", "/a/page.html", NULL, NULL) != TERN_OK)
      die("get");
}

/* ---- what is shown --------------------------------------------------------------------------- */

static const struct purpose {
  const char *name;
  size_t size;
} purposes[] = {
    {"connection", sizeof(tern_conn)},
    {"packet number spaces", sizeof(struct tern_pn_space)},
    {"streams and flow control", sizeof(struct tern_conn_body)},
    {"one stream each, to send", sizeof(struct tern_stream) + sizeof(struct tern_stream_out)},
    {"one stream each, to receive", sizeof(struct tern_stream) + sizeof(struct tern_stream_in)},
    {"keys", sizeof(struct tern_keys)},
    {"HTTP/3 connection", sizeof(struct tern_h3)},
    {"HTTP/3 streams of the peer", sizeof(struct tern_h3_in)},
    {"HTTP/3 requests", sizeof(struct tern_request)},
    {"field section reader", sizeof(struct tern_qpack_reader)},
    {"first ring of sent packets", TERN_SENT_PACKETS_MIN * sizeof(struct tern_sent_packet)},
    {"records of sent packets", 8 * sizeof(struct tern_sent_chunk)},
};
#define PURPOSES (sizeof purposes / sizeof purposes[0])

static struct heap base; /* the server without connections */
static uint64_t tls_base;

static void show(const char *title)
{
  uint64_t bytes = server_heap.bytes - base.bytes, known = 0;
  const struct tern_crypto_ops *crypto = tern_crypto_provider();
  struct purpose more[] = {{"AEAD contexts", crypto->aead_bytes},
                           {"header protection", crypto->hp_bytes},
                           {"route (RTT, congestion, MTU)",
                            sizeof(struct tern_route) + tern_cc_get_state_bytes(&tern_cc_cubic)}};
  printf("\n%s: %llu bytes\n", title, (unsigned long long)bytes);
  for (size_t i = 0; i < PURPOSES + 3; i++) {
    const struct purpose *purpose = i < PURPOSES ? &purposes[i] : &more[i - PURPOSES];
    uint32_t count = server_heap.live[purpose->size] - base.live[purpose->size];
    if (count == 0)
      continue;
    printf("  %-30s %8zu x %u\n", purpose->name, purpose->size, count);
    known += count * purpose->size;
  }
  printf("  %-30s %8lld (", "other", (long long)(bytes - known));
  for (size_t size = 0; size < SIZES_MAX; size++) {
    bool is_known = false;
    for (size_t i = 0; i < PURPOSES + 3; i++)
      is_known |= size == (i < PURPOSES ? purposes[i].size : more[i - PURPOSES].size);
    uint32_t count = server_heap.live[size] - base.live[size];
    if (!is_known && count != 0)
      printf(" %zu x %d", size, (int)count);
  }
  printf(" )\n");
  if (world.server_conn != NULL) {
    tern_conn_stats stats;
    tern_conn_get_stats(world.server_conn, &stats);
    printf("on the connection's own account: %llu bytes\n", (unsigned long long)stats.heap_bytes);
  }
}

static uint64_t now_bytes(void)
{
  return server_heap.bytes - base.bytes;
}

static void measure_streams(void)
{
  world.is_holding = true;
  uint64_t before = now_bytes();
  get(REQUESTS);
  run_for(100 * TERN_MS);
  uint64_t after = now_bytes();
  if (world.held_count != REQUESTS)
    die("the requests did not come");
  show("with 64 requests that wait for their answers");
  printf("per open request: %llu bytes\n", (unsigned long long)((after - before) / REQUESTS));
  for (size_t i = 0; i < REQUESTS; i++)
    answer(world.held[i]);
  world.is_holding = false;
  run_for(100 * TERN_MS);
}

static void measure_flight(void)
{
  tern_conn_stats stats = {0};
  uint64_t before = now_bytes();
  world.body_bytes = BODY_BYTES;
  get(1);
  for (int i = 0; i < 200 && stats.in_flight_bytes < FLIGHT_BYTES; i++) {
    run_for(DELAY_NS);
    tern_conn_get_stats(world.server_conn, &stats);
  }
  printf("\nin flight %.1f MiB: %.1f MiB of heap, %.1f MiB per GiB\n",
         (double)stats.in_flight_bytes / (1 << 20), (double)(now_bytes() - before) / (1 << 20),
         (double)(now_bytes() - before) / (double)stats.in_flight_bytes * 1024);
}

/* The endpoint's own buffers are made before the first figure. */
static void warm_up(void)
{
  connect_client();
  run_for(TERN_SECOND);
  world.body_bytes = 1000;
  get(1);
  run_for(TERN_SECOND);
  tern_conn_close(world.client_conn, 0, NULL);
  run_for(60 * TERN_SECOND);
  world.server_conn = NULL; /* it is gone */
}

static void set_up(char **argv)
{
  if (tern_addr_parse(&world.addr[0], "10.0.0.1:5555") != TERN_OK ||
      tern_addr_parse(&world.addr[1], "10.0.0.2:443") != TERN_OK)
    die("addresses");
  tern_random_seeded_init(&world.random, 1);
  world.server = make_endpoint(true, argv);
  world.client = make_endpoint(false, argv);
  warm_up();
  base = server_heap;
  tls_base = tls_bytes;
}

int main(int argc, char **argv)
{
  if (argc != 3) {
    fprintf(stderr, "usage: memory CERT KEY\n");
    return 2;
  }
  set_up(argv);
  connect_client();
  uint64_t client_tls = tls_bytes - tls_base;
  run_for(DELAY_NS);
  show("half-open: the server's flight has left, nothing came back");
  printf("and the TLS object: %llu bytes\n",
         (unsigned long long)(tls_bytes - tls_base - client_tls));
  run_for(2 * DELAY_NS);
  show("established, at once");
  run_for(10 * TERN_SECOND);
  show("established, idle for 10 s");
  world.body_bytes = 1000;
  for (int i = 0; i < 10; i++) {
    get(1);
    run_for(100 * TERN_MS);
  }
  run_for(10 * TERN_SECOND);
  show("after 10 requests, idle for 10 s");
  measure_streams();
  run_for(10 * TERN_SECOND);
  show("after 64 requests at once, idle for 10 s");
  measure_flight();
  exit(0); /* both endpoints go with the process */
}
