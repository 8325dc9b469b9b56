/* SPDX-License-Identifier: MIT */
/* See oracle.h. Looks into connections (transport/conn.h) for what no public call tells. */
#include "support/oracle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "transport/conn.h"

/* Allocations that a connection may cost whatever it receives, that a byte received, a timer and a
 * datagram sent may cost: records, chunks, blocks. */
#define TAKES_PER_CONN 600
#define TAKES_PER_STEP 8

/* ---- content -------------------------------------------------------------------------------- */

uint8_t oracle_byte(uint64_t stream_id, uint64_t offset)
{
  uint64_t mixed = (offset + stream_id * 0x9e3779b9u + 1) * UINT64_C(0xd6e8feb86659fd93);

  return (uint8_t)(mixed >> 56);
}

void oracle_bytes(uint64_t stream_id, uint64_t offset, uint8_t *out, size_t len)
{
  for (size_t i = 0; i < len; i++)
    out[i] = oracle_byte(stream_id, offset + i);
}

bool oracle_is_stream(uint64_t stream_id, uint64_t offset, tern_slice data)
{
  for (size_t i = 0; i < data.len; i++)
    if (data.data[i] != oracle_byte(stream_id, offset + i))
      return false;
  return true;
}

/* ---- events --------------------------------------------------------------------------------- */

static void on_event(void *arg, const tern_event *event)
{
  struct oracle *oracle = arg;

  if (event->kind == TERN_EVENT_FRAME_RECEIVED)
    oracle->frames_in++;
  else if (event->kind == TERN_EVENT_CONN_STARTED)
    oracle->conns_started++;
  else if (event->kind == TERN_EVENT_PACKET_SENT && !event->data.packet_sent.ack_eliciting)
    oracle->answers++;
}

static void on_line(void *arg, const char *line, size_t len)
{
  struct oracle *oracle = arg;

  TERN_ASSERT(strlen(line) == len);
  oracle->log_bytes += len;
  if (getenv("ORACLE_LOG") != NULL)
    fputs(line, stderr);
}

void oracle_prepare(struct oracle *oracle, tern_config *config, bool with_log)
{
  memset(oracle, 0, sizeof *oracle);
  tern_log_init(&oracle->log, on_line, oracle);
  oracle->subscribers[0] = (tern_event_subscriber){on_event, oracle,
                                                   tern_event_mask_of(TERN_EVENT_FRAME_RECEIVED) |
                                                       tern_event_mask_of(TERN_EVENT_CONN_STARTED) |
                                                       tern_event_mask_of(TERN_EVENT_PACKET_SENT)};
  oracle->subscribers[1] = tern_log_subscriber(&oracle->log, TERN_EVENT_LEVEL_TRACE);
  config->subscribers = oracle->subscribers;
  config->subscribers_count = with_log || getenv("ORACLE_LOG") != NULL ? 2 : 1;
}

void oracle_start(struct oracle *oracle, tern_endpoint *endpoint, tern_time now)
{
  tern_endpoint_stats stats;

  tern_endpoint_get_stats(endpoint, &stats);
  oracle->endpoint = endpoint;
  oracle->now = oracle->wakes_since = now;
  oracle->base_bytes = stats.heap_bytes_now;
  oracle->base_takes = stats.heap_takes;
}

/* ---- judging -------------------------------------------------------------------------------- */

void oracle_fail(struct oracle *oracle, const char *broken, const char *what, uint64_t value,
                 uint64_t bound)
{
  if (oracle->fault != NULL)
    return;
  oracle->fault = broken;
  snprintf(oracle->detail, sizeof oracle->detail, "%s: %s: %llu, bound %llu, at %llu ns", broken,
           what, (unsigned long long)value, (unsigned long long)bound,
           (unsigned long long)oracle->now);
  fprintf(stderr, "%s\n", oracle->detail);
}

static void expect_most(struct oracle *oracle, const char *broken, const char *what, uint64_t value,
                        uint64_t bound)
{
  if (value > bound)
    oracle_fail(oracle, broken, what, value, bound);
}

/* What the connection has promised to hold: receive windows that are open, and what the application
 * has written and the peer has not acknowledged, in chunks of which one is not full and one is spare. */
static uint64_t get_promised(const tern_conn *conn)
{
  const struct tern_conn_body *body = conn->body;
  uint32_t at = 0;

  if (body == NULL)
    return 0;
  uint64_t bytes = body->flow_recv.limit - body->flow_recv.consumed;
  const struct tern_stream *stream;
  while ((stream = tern_stream_set_next(&body->streams, &at)) != NULL)
    if (stream->out->send.copied_bytes != 0)
      bytes += stream->out->send.copied_bytes + 2 * TERN_SEND_CHUNK_MAX;
  return bytes;
}

/* A certificate chain beyond the usual size is our own doing; chunks
 * of it may be half empty, and one copy is on its way. */
static uint64_t get_own_flight(const tern_conn *conn)
{
  uint64_t bytes = conn->handshake != NULL && conn->handshake->crypto != NULL
                       ? conn->handshake->crypto->send.written
                       : 0;

  return bytes > ORACLE_FLIGHT_BYTES ? 4 * (bytes - ORACLE_FLIGHT_BYTES) : 0;
}

/* A long ClientHello that is not complete: TLS holds it, in a buffer that may have doubled. */
static uint64_t get_unread_hello(const tern_conn *conn)
{
  uint64_t bytes = conn->initial != NULL && conn->initial->crypto != NULL
                       ? conn->initial->crypto->recv.consumed
                       : 0;

  return bytes > ORACLE_FLIGHT_BYTES ? 2 * bytes : 0;
}

static void check_conn(struct oracle *oracle, const tern_conn *conn)
{
  uint64_t bytes = sizeof *conn + conn->alloc.used_bytes;

  if (bytes > oracle->conn_peak_bytes)
    oracle->conn_peak_bytes = bytes;
  expect_most(oracle, "O1", "charge of a connection", bytes,
              get_promised(conn) + TERN_CAP_CONN_OVERHEAD);
  if (conn->is_validated)
    return;
  if (bytes > oracle->half_open_peak_bytes)
    oracle->half_open_peak_bytes = bytes;
  expect_most(oracle, "O1", "charge before address validation", bytes,
              ORACLE_UNVALIDATED_BYTES + get_own_flight(conn) + get_unread_hello(conn));
}

static struct oracle_flow *get_flow(struct oracle *oracle, const tern_addr *remote)
{
  for (size_t i = 0; i < oracle->flows_count; i++)
    if (tern_addr_equal(&oracle->flows[i].remote, remote))
      return &oracle->flows[i];
  if (oracle->flows_count == ORACLE_FLOWS_MAX)
    return NULL;
  oracle->flows[oracle->flows_count] = (struct oracle_flow){.remote = *remote};
  return &oracle->flows[oracle->flows_count++];
}

/* Addresses that some connection has validated are bounded no more. */
static void learn_validated(struct oracle *oracle, const tern_conn *conn)
{
  for (uint8_t i = 0; i < conn->path.routes_count; i++) {
    const struct tern_route *route = conn->path.routes[i];
    struct oracle_flow *flow = get_flow(oracle, &route->remote);
    if (flow != NULL && route->is_address_validated)
      flow->is_validated = true;
  }
}

static void check_work(struct oracle *oracle)
{
  tern_endpoint_stats stats;

  tern_endpoint_get_stats(oracle->endpoint, &stats);
  expect_most(oracle, "O2", "frames read", oracle->frames_in, oracle->bytes_in);
  expect_most(oracle, "O2", "allocations", stats.heap_takes - oracle->base_takes,
              TAKES_PER_CONN * (oracle->conns_started + 1) + oracle->bytes_in + oracle->app_takes +
                  TAKES_PER_STEP * (oracle->timeouts + oracle->datagrams_out));
  expect_most(oracle, "O3", "packets that only answer", oracle->answers,
              3 * oracle->datagrams_in + oracle->timeouts + 16 * oracle->conns_started);
}

void oracle_check(struct oracle *oracle)
{
  struct tern_list_node *node = tern_list_first(&oracle->endpoint->conns);

  for (; node != NULL; node = tern_list_next(&oracle->endpoint->conns, node)) {
    const tern_conn *conn = TERN_CONTAINER_OF(node, tern_conn, all_node);
    check_conn(oracle, conn);
    learn_validated(oracle, conn);
  }
  check_work(oracle);
}

/* ---- in ------------------------------------------------------------------------------------- */

void oracle_receive(struct oracle *oracle, const struct oracle_in *in, size_t count)
{
  tern_datagram batch[ORACLE_BATCH_MAX];
  uint8_t nothing = 0;

  TERN_ASSERT(count <= ORACLE_BATCH_MAX);
  for (size_t i = 0; i < count; i++) {
    uint8_t *copy = in[i].data.len != 0 ? malloc(in[i].data.len) : &nothing;
    struct oracle_flow *flow = get_flow(oracle, &in[i].remote);
    TERN_ASSERT(copy != NULL);
    if (in[i].data.len != 0)
      memcpy(copy, in[i].data.data, in[i].data.len);
    batch[i] = (tern_datagram){.data = copy,
                               .len = in[i].data.len,
                               .ecn = in[i].ecn,
                               .local = in[i].local,
                               .remote = in[i].remote};
    oracle->datagrams_in++;
    oracle->bytes_in += in[i].data.len;
    if (flow != NULL)
      flow->in_bytes += in[i].data.len;
  }
  oracle->wakes = 0;
  tern_status status = tern_endpoint_receive(oracle->endpoint, batch, count, oracle->now);
  TERN_ASSERT(status == TERN_OK);
  for (size_t i = 0; i < count; i++)
    if (in[i].data.len != 0)
      free(batch[i].data);
  oracle_check(oracle);
}

/* ---- out ------------------------------------------------------------------------------------ */

static void show_datagram(struct oracle *oracle, const tern_run *run, const uint8_t *data,
                          size_t len)
{
  struct oracle_flow *flow = get_flow(oracle, &run->remote);
  union {
    const uint8_t *lent;
    uint8_t *data;
  } bytes = {data};
  tern_datagram datagram = {
      .data = bytes.data, .len = len, .ecn = run->ecn, .local = run->local, .remote = run->remote};

  oracle->datagrams_out++;
  oracle->bytes_out += len;
  if (flow != NULL) {
    flow->out_bytes += len;
    if (!flow->is_validated)
      expect_most(oracle, "O3", "bytes to an address that is not validated", flow->out_bytes,
                  3 * flow->in_bytes);
  }
  if (oracle->output != NULL)
    oracle->output(oracle->output_arg, &datagram);
}

static void send_run(struct oracle *oracle, const tern_run *run)
{
  if (run->len == 0 || run->segment_bytes == 0) {
    oracle_fail(oracle, "O6", "empty run", run->len, run->segment_bytes);
    tern_endpoint_sent(oracle->endpoint, run, 0, 0, oracle->now);
    return;
  }
  size_t count = (run->len + run->segment_bytes - 1) / run->segment_bytes;
  int error = 0;
  size_t taken =
      oracle->socket != NULL ? oracle->socket(oracle->socket_arg, run, count, &error) : count;
  for (size_t i = 0; i < taken; i++) {
    size_t at = i * run->segment_bytes;
    size_t left = run->len - at;
    show_datagram(oracle, run, run->data + at,
                  left < run->segment_bytes ? left : run->segment_bytes);
  }
  if (taken < count && (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS))
    oracle->blocked_until = oracle->now + TERN_MS;
  tern_endpoint_sent(oracle->endpoint, run, taken, error, oracle->now);
}

static void send_all(struct oracle *oracle)
{
  const tern_run *run;
  int runs = 0;

  while (oracle->now >= oracle->blocked_until &&
         (run = tern_endpoint_send(oracle->endpoint, oracle->now)) != NULL) {
    send_run(oracle, run);
    if (oracle->socket != NULL && ++runs > ORACLE_TURNS_MAX)
      return; /* a socket that loses everything: the next instant */
  }
}

void oracle_turn(struct oracle *oracle)
{
  oracle_check(oracle); /* the application may have connected */
  for (int turns = 0; turns < ORACLE_TURNS_MAX; turns++) {
    if (tern_endpoint_deadline(oracle->endpoint) <= oracle->now) {
      oracle->timeouts++;
      tern_status status = tern_endpoint_timeout(oracle->endpoint, oracle->now);
      TERN_ASSERT(status == TERN_OK);
    }
    send_all(oracle);
    oracle_check(oracle);
    if (tern_endpoint_deadline(oracle->endpoint) > oracle->now)
      return;
  }
  oracle_fail(oracle, "O6", "deadline stays in the past", tern_endpoint_deadline(oracle->endpoint),
              oracle->now);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void count_wake(struct oracle *oracle, uint64_t out_before)
{
  if (oracle->datagrams_out != out_before || oracle->now - oracle->wakes_since > TERN_SECOND) {
    oracle->wakes = 0;
    oracle->wakes_since = oracle->now;
  }
  expect_most(oracle, "O6", "wake-ups within a second", ++oracle->wakes, ORACLE_WAKES_MAX);
}

/* The endpoint's deadline, or the socket's being ready again. */
static tern_time get_next(const struct oracle *oracle)
{
  tern_time deadline = tern_endpoint_deadline(oracle->endpoint);

  if (oracle->blocked_until > oracle->now && oracle->blocked_until < deadline)
    return oracle->blocked_until;
  return deadline;
}

void oracle_advance(struct oracle *oracle, tern_time until)
{
  tern_time next;

  while (oracle->fault == NULL && (next = get_next(oracle)) <= until) {
    uint64_t out_before = oracle->datagrams_out;
    if (next > oracle->now)
      oracle->now = next;
    oracle_turn(oracle);
    count_wake(oracle, out_before);
  }
  if (until != TERN_TIME_NEVER && oracle->now < until)
    oracle->now = until;
}

void oracle_quiesce(struct oracle *oracle, uint64_t limit_ns)
{
  tern_time until = oracle->now + limit_ns;
  tern_endpoint_stats stats;

  oracle_turn(oracle);
  oracle_advance(oracle, until);
  tern_endpoint_get_stats(oracle->endpoint, &stats);
  expect_most(oracle, "O6", "connections that do not end", stats.conns_now, 0);
  if (stats.conns_now == 0)
    expect_most(oracle, "O1", "heap after the last connection", stats.heap_bytes_now,
                oracle->base_bytes + ORACLE_KEPT_BYTES);
}
