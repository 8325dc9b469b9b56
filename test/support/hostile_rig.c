/* SPDX-License-Identifier: MIT */
/* The endpoint under test, its application and its oracle: see hostile_peer.h. */
#include "support/hostile_peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "transport/conn.h"

/* Longest that a connection may take to go away: idle timeout and three PTOs, with much to spare. */
#define QUIESCE_NS (400 * TERN_SECOND)
/* Turns in which endpoint and peers may answer each other at one instant. */
#define TALK_MAX 2000

/* ---- application ---------------------------------------------------------------------------- */

static void check_content(struct hostile_rig *rig, tern_stream *stream, tern_slice data)
{
  uint64_t offset = stream->in->recv.consumed;

  if (!oracle_is_stream(tern_stream_get_id(stream), offset, data))
    oracle_fail(&rig->oracle, "O5", "stream content differs at offset", offset, 0);
}

static void read_stream(struct hostile_rig *rig, tern_stream *stream)
{
  tern_slice slices[8];
  size_t count;

  while ((count = tern_stream_peek(stream, slices, 8)) != 0) {
    for (size_t i = 0; i < count; i++) {
      if (rig->app.checks_content)
        check_content(rig, stream, slices[i]);
      rig->app.read_bytes += slices[i].len;
      tern_stream_consume(stream, slices[i].len);
    }
  }
  if (tern_stream_is_eof(stream))
    rig->app.streams_ended++;
}

static void on_readable(tern_stream *stream, void *app)
{
  struct hostile_rig *rig = app;

  if (rig->app.reads)
    read_stream(rig, stream);
}

static void on_reset(tern_stream *stream, uint64_t code, void *app)
{
  struct hostile_rig *rig = app;
  (void)stream, (void)code;
  rig->app.streams_reset++;
}

static void on_stream_closed(tern_stream *stream, void *app)
{
  struct hostile_rig *rig = app;
  (void)stream;
  rig->app.streams_closed++;
}

static const tern_stream_ops stream_ops = {.size = sizeof stream_ops,
                                           .on_readable = on_readable,
                                           .on_reset = on_reset,
                                           .on_closed = on_stream_closed};

struct fill_arg {
  struct hostile_rig *rig;
  uint64_t stream_id;
};

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  struct fill_arg *source = arg;

  for (size_t i = 0; i < count; i++) {
    oracle_bytes(source->stream_id, offset, iov[i].data, iov[i].len);
    offset += iov[i].len;
  }
  if (offset > source->rig->app.source_offset_max)
    source->rig->app.source_offset_max = offset;
  return true;
}

static void serve(struct hostile_rig *rig, tern_stream *stream)
{
  struct fill_arg *arg = malloc(sizeof *arg);
  tern_source source = {.fill = fill, .release = free, .arg = arg, .reset_code = 7};

  TERN_ASSERT(arg != NULL);
  *arg = (struct fill_arg){rig, tern_stream_get_id(stream)};
  if (tern_stream_write_source(stream, rig->app.serves_bytes, &source) != TERN_OK) {
    free(arg);
    return;
  }
  if (tern_stream_finish(stream) != TERN_OK)
    tern_stream_reset(stream, 8);
}

static void on_stream(tern_conn *conn, tern_stream *stream, void *app)
{
  struct hostile_rig *rig = app;
  (void)conn;
  rig->app.streams_opened++;
  rig->oracle.app_takes += 16;
  tern_stream_set_ops(stream, &stream_ops, rig);
  if (rig->app.serves_bytes != 0 && tern_stream_is_bidi(stream))
    serve(rig, stream);
}

static void on_datagram(tern_conn *conn, tern_slice data, void *app)
{
  struct hostile_rig *rig = app;
  (void)conn;
  rig->app.datagrams++;
  rig->app.datagram_bytes += data.len;
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  struct hostile_rig *rig = app;

  rig->app.closed++;
  rig->app.error = *error;
  if (rig->app.conn == conn)
    rig->app.conn = NULL;
}

static const tern_conn_ops conn_ops = {.size = sizeof conn_ops,
                                       .on_stream = on_stream,
                                       .on_datagram = on_datagram,
                                       .on_closed = on_closed};

static void on_conn(void *app, tern_conn *conn)
{
  struct hostile_rig *rig = app;

  rig->app.conns++;
  rig->app.conn = conn;
  tern_conn_set_ops(conn, &conn_ops, rig);
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof endpoint_ops, .on_conn = on_conn};

/* ---- datagrams to the peers ------------------------------------------------------------------- */

static struct hostile_peer *find_peer(struct hostile_rig *rig, const tern_addr *addr)
{
  for (size_t i = 0; i < rig->peers_count; i++)
    if (tern_addr_equal(&rig->peers[i]->addr, addr))
      return rig->peers[i];
  return NULL;
}

static void on_output(void *arg, const tern_datagram *datagram)
{
  struct hostile_rig *rig = arg;
  struct hostile_peer *peer = find_peer(rig, &datagram->remote);

  if (peer == NULL)
    return;
  if (rig->inbox_count == HOSTILE_INBOX_MAX || datagram->len > sizeof rig->inbox[0].bytes) {
    rig->inbox_dropped++;
    return;
  }
  struct hostile_message *message =
      &rig->inbox[(rig->inbox_first + rig->inbox_count++) % HOSTILE_INBOX_MAX];
  message->peer = peer;
  message->len = datagram->len;
  memcpy(message->bytes, datagram->data, datagram->len);
}

/* Implemented in hostile_peer.c. */
void hostile_peer_take(struct hostile_peer *peer, uint8_t *data, size_t len);
void hostile_peer_free(struct hostile_peer *peer);

static bool hand_over(struct hostile_rig *rig)
{
  bool has_moved = rig->inbox_count != 0;

  while (rig->inbox_count != 0) {
    struct hostile_message *message = &rig->inbox[rig->inbox_first];
    rig->inbox_first = (rig->inbox_first + 1) % HOSTILE_INBOX_MAX;
    rig->inbox_count--;
    hostile_peer_take(message->peer, message->bytes, message->len);
  }
  for (size_t i = 0; i < rig->peers_count; i++)
    has_moved |= hostile_peer_flush(rig->peers[i]);
  return has_moved;
}

void hostile_rig_turn(struct hostile_rig *rig)
{
  for (int i = 0; i < TALK_MAX; i++) {
    oracle_turn(&rig->oracle);
    if (!hand_over(rig) || rig->oracle.fault != NULL)
      return;
  }
  oracle_fail(&rig->oracle, "O6", "the talk does not end", TALK_MAX, TALK_MAX);
}

void hostile_rig_advance(struct hostile_rig *rig, uint64_t ns)
{
  tern_time until = rig->oracle.now + ns;

  while (rig->oracle.fault == NULL) {
    hostile_rig_turn(rig);
    tern_time deadline = tern_endpoint_deadline(rig->endpoint);
    if (rig->oracle.blocked_until > rig->oracle.now && rig->oracle.blocked_until < deadline)
      deadline = rig->oracle.blocked_until;
    if (deadline > until)
      break;
    oracle_advance(&rig->oracle, deadline);
  }
  rig->oracle.now = until;
}

void hostile_rig_inject(struct hostile_rig *rig, const tern_addr *remote, tern_slice data)
{
  struct oracle_in in = {.data = data, .local = rig->addr, .remote = *remote};

  oracle_receive(&rig->oracle, &in, 1);
  hostile_rig_turn(rig);
}

void hostile_rig_hold(struct hostile_rig *rig, const tern_addr *remote, tern_slice data)
{
  if (rig->held_count == ORACLE_BATCH_MAX || data.len > HOSTILE_HELD_BYTES - rig->held_len)
    hostile_rig_release(rig);
  if (data.len > HOSTILE_HELD_BYTES)
    return;
  uint8_t *bytes = rig->held_bytes + rig->held_len;
  if (data.len != 0)
    memcpy(bytes, data.data, data.len);
  rig->held_len += data.len;
  rig->held[rig->held_count++] =
      (struct oracle_in){.data = {bytes, data.len}, .local = rig->addr, .remote = *remote};
}

void hostile_rig_release(struct hostile_rig *rig)
{
  if (rig->held_count != 0)
    oracle_receive(&rig->oracle, rig->held, rig->held_count);
  rig->held_count = rig->held_len = 0;
}

/* ---- the application's own doing ---------------------------------------------------------------- */

tern_stream *hostile_app_open(struct hostile_rig *rig, bool is_bidi)
{
  tern_stream *stream = NULL;

  rig->oracle.app_takes += 32;
  if (rig->app.conn == NULL ||
      tern_conn_open_stream(rig->app.conn, is_bidi, &stream_ops, rig, &stream) != TERN_OK)
    return NULL;
  return stream;
}

void hostile_app_write(struct hostile_rig *rig, tern_stream *stream, size_t len)
{
  uint64_t id = tern_stream_get_id(stream);
  uint8_t bytes[1024];

  while (len != 0) {
    size_t part = len < sizeof bytes ? len : sizeof bytes;
    size_t taken = 0;
    oracle_bytes(id, stream->out->send.written, bytes, part);
    tern_status status = tern_stream_write(stream, tern_slice_of(bytes, part), &taken);
    rig->oracle.app_takes += 4;
    if (status != TERN_OK || taken < part)
      return;
    len -= part;
  }
}

/* ---- life ------------------------------------------------------------------------------------- */

tern_addr hostile_addr(uint8_t last, uint16_t port)
{
  tern_addr addr = {.family = 4, .ip = {192, 0, 2, last}, .port = port};
  return addr;
}

void hostile_rig_init(struct hostile_rig *rig)
{
  memset(rig, 0, sizeof *rig);
  tern_config_init(&rig->config, sizeof rig->config);
  tern_fail_alloc_init(&rig->heap, 0);
  tern_random_seeded_init(&rig->seeded, 1);
  tern_random_seeded_init(&rig->peer_seeded, 2);
  rig->peer_random = tern_random_seeded_ops(&rig->peer_seeded);
  rig->config.alloc = tern_fail_alloc_ops(&rig->heap);
  rig->config.random = tern_random_seeded_ops(&rig->seeded);
  rig->tls_options.aead = TERN_AEAD_AES128;
  rig->addr = hostile_addr(1, 443);
  rig->app.reads = true;
}

bool hostile_rig_start(struct hostile_rig *rig)
{
  tern_alloc_init(&rig->peer_alloc, &tern_alloc_system, NULL, UINT64_MAX);
  rig->inbox = malloc(HOSTILE_INBOX_MAX * sizeof *rig->inbox);
  rig->held_bytes = malloc(HOSTILE_HELD_BYTES);
  rig->tls = tern_tls_sim_new(&tern_alloc_system, &rig->tls_options);
  TERN_ASSERT(rig->inbox != NULL && rig->held_bytes != NULL && rig->tls != NULL);
  rig->config.server_tls = rig->config.client_tls = rig->tls;
  oracle_prepare(&rig->oracle, &rig->config, false);
  if (tern_endpoint_new(&rig->endpoint, &rig->config, &endpoint_ops, rig, NULL, 0) != TERN_OK)
    return false;
  oracle_start(&rig->oracle, rig->endpoint, HOSTILE_START);
  rig->oracle.output = on_output;
  rig->oracle.output_arg = rig;
  return true;
}

void hostile_rig_free(struct hostile_rig *rig)
{
  for (size_t i = 0; i < rig->peers_count; i++)
    hostile_peer_free(rig->peers[i]);
  rig->peers_count = 0;
  tern_endpoint_free(rig->endpoint);
  tern_tls_unref(rig->tls);
  free(rig->inbox);
  free(rig->held_bytes);
  tern_alloc_deinit(&rig->peer_alloc);
  if (rig->heap.live_blocks != 0)
    oracle_fail(&rig->oracle, "O1", "blocks that were not given back", rig->heap.live_blocks, 0);
}

const char *hostile_rig_deinit(struct hostile_rig *rig)
{
  for (size_t i = 0; i < rig->peers_count; i++) {
    rig->peers[i]->is_deaf = true;
    rig->peers[i]->acks = rig->peers[i]->speaks_tls = false;
  }
  rig->oracle.output = NULL;
  rig->inbox_count = 0;
  if (rig->oracle.fault == NULL)
    oracle_quiesce(&rig->oracle, QUIESCE_NS);
  hostile_rig_free(rig);
  return rig->oracle.fault;
}

tern_conn *hostile_find_conn(const struct hostile_rig *rig, const struct hostile_peer *peer)
{
  struct tern_list_node *node = tern_list_first(&rig->endpoint->conns);

  for (; node != NULL; node = tern_list_next(&rig->endpoint->conns, node)) {
    tern_conn *conn = TERN_CONTAINER_OF(node, tern_conn, all_node);
    if (tern_addr_equal(&tern_conn_route(conn)->remote, &peer->addr))
      return conn;
  }
  return NULL;
}

bool hostile_rig_connect(struct hostile_rig *rig, const tern_addr *remote)
{
  tern_connect_args args = {.remote = *remote,
                            .local = rig->addr,
                            .server_name = "hostile.test",
                            .ops = &conn_ops,
                            .app = rig};

  return tern_endpoint_connect(rig->endpoint, &args, rig->oracle.now, &rig->app.conn) == TERN_OK;
}
