/* SPDX-License-Identifier: MIT */
/* A transport without packets, for tests of HTTP/3: the calls of <tern/transport.h> that h3 uses, on
 * connections that are byte pipes. Included by the test, so that its functions take the place of the
 * library's.
 *
 *   test --fake_send, fake_reset, fake_stop--> conn <--> h3      the peer is the test
 *   h3 <--> conn <==fake_pump==> conn <--> h3                    two connections, any chunking
 *
 * It checks what h3 must keep: nothing is consumed that was not there, nothing called after the end,
 * every reference released once, every byte of heap given back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/transport.h>

#include "base/alloc.h"
#include "base/conn_alloc.h"
#include "event/event.h"

/* What only the test calls, unused when this file is compiled alone. */
#define FAKE_CALL static inline __attribute__((unused))

#define FAKE_STREAMS_MAX 512
#define FAKE_REFS_MAX 64

#define FAKE_CHECK(condition)                                                                      \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      (void)fprintf(stderr, "fake transport, line %d: %s\n", __LINE__, #condition);                \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

struct fake_ref {
  uint64_t end; /* released when this offset left */
  tern_release *release;
  void *arg;
};

struct tern_stream {
  tern_conn *conn;
  uint64_t id;
  const tern_stream_ops *ops;
  void *app;
  /* receiving */
  uint8_t *in;
  size_t in_len, in_at;
  bool in_fin, in_reset, in_reset_told, in_stopped, has_news;
  uint64_t in_code, stop_code;
  /* sending */
  uint8_t *out;
  size_t out_len, out_sent, out_seen; /* seen: by the test */
  bool out_fin, out_fin_sent, out_reset, out_reset_sent, out_blocked, out_stopped, out_stopped_told;
  uint64_t out_code, out_stop_code;
  bool stop_sent, is_released, is_told, is_dead;
  struct fake_ref refs[FAKE_REFS_MAX];
  size_t refs_count;
};

struct tern_conn {
  bool is_server;
  const tern_conn_ops *ops;
  void *app;
  struct tern_alloc alloc;
  tern_conn *peer; /* NULL: the test is the peer */
  tern_stream *streams[FAKE_STREAMS_MAX];
  size_t streams_count;
  uint64_t next_bidi, next_uni;
  bool is_closed, is_closed_told, by_peer;
  uint64_t close_code;
  char close_reason[TERN_REASON_MAX];
  tern_time now, alarm_at;
  void (*alarm)(void *arg, tern_time now);
  void *alarm_arg;
  void (*cleanup)(void *arg);
  void *cleanup_arg;
  void (*rest)(void *arg);
  void *rest_arg;
  size_t room_max;    /* send buffer per stream */
  size_t slice_bytes; /* longest slice that peek shows */
};

static const tern_stream_ops fake_no_ops = {.size = sizeof(tern_stream_ops)};

FAKE_CALL tern_conn *fake_conn_new(bool is_server)
{
  tern_conn *conn = calloc(1, sizeof(*conn));
  conn->is_server = is_server;
  conn->room_max = 1 << 20;
  conn->slice_bytes = SIZE_MAX;
  conn->alarm_at = TERN_TIME_NEVER;
  conn->now = TERN_SECOND;
  conn->next_bidi = is_server ? 1 : 0;
  conn->next_uni = is_server ? 3 : 2;
  tern_alloc_init(&conn->alloc, &tern_alloc_system, NULL, UINT64_MAX);
  return conn;
}

static inline tern_stream *fake_find(tern_conn *conn, uint64_t id)
{
  for (size_t i = 0; i < conn->streams_count; i++) {
    if (conn->streams[i]->id == id && !conn->streams[i]->is_dead)
      return conn->streams[i];
  }
  return NULL;
}

static inline tern_stream *fake_add(tern_conn *conn, uint64_t id)
{
  FAKE_CHECK(conn->streams_count < FAKE_STREAMS_MAX);
  tern_stream *stream = calloc(1, sizeof(*stream));
  stream->conn = conn;
  stream->id = id;
  stream->ops = &fake_no_ops;
  conn->streams[conn->streams_count++] = stream;
  return stream;
}

static inline void fake_release_refs(tern_stream *stream, uint64_t end)
{
  size_t kept = 0;
  for (size_t i = 0; i < stream->refs_count; i++) {
    if (stream->refs[i].end <= end) {
      if (stream->refs[i].release != NULL)
        stream->refs[i].release(stream->refs[i].arg);
    } else {
      stream->refs[kept++] = stream->refs[i];
    }
  }
  stream->refs_count = kept;
}

static inline void fake_stream_free(tern_stream *stream)
{
  fake_release_refs(stream, UINT64_MAX);
  free(stream->in);
  free(stream->out);
  free(stream);
}

FAKE_CALL void fake_conn_free(tern_conn *conn)
{
  if (conn->cleanup != NULL)
    conn->cleanup(conn->cleanup_arg);
  for (size_t i = 0; i < conn->streams_count; i++)
    fake_stream_free(conn->streams[i]);
  tern_alloc_deinit(&conn->alloc);
  free(conn);
}

/* ---- what the peer does --------------------------------------------------------------------- */

static inline tern_stream *fake_peer_stream(tern_conn *conn, uint64_t id)
{
  tern_stream *stream = fake_find(conn, id);
  bool is_ours = ((id & 1) != 0) == conn->is_server;
  if (stream == NULL && !is_ours && !conn->is_closed)
    stream = fake_add(conn, id);
  return stream;
}

static inline void fake_send(tern_conn *conn, uint64_t id, const void *data, size_t len, bool fin)
{
  tern_stream *stream = fake_peer_stream(conn, id);
  if (stream == NULL || conn->is_closed || stream->in_reset || stream->in_fin)
    return;
  stream->in_fin = fin;
  stream->has_news = true;
  if (stream->in_stopped || len == 0)
    return;
  /* A fresh block of exactly the right size, so that reading past it is seen. */
  size_t left = stream->in_len - stream->in_at;
  uint8_t *in = malloc(left + len);
  if (left != 0)
    memcpy(in, stream->in + stream->in_at, left);
  memcpy(in + left, data, len);
  free(stream->in);
  stream->in = in;
  stream->in_at = 0;
  stream->in_len = left + len;
}

static inline void fake_reset(tern_conn *conn, uint64_t id, uint64_t code)
{
  tern_stream *stream = fake_peer_stream(conn, id);
  if (stream == NULL || conn->is_closed || stream->in_reset ||
      (stream->in_fin && stream->in_at == stream->in_len))
    return;
  stream->in_reset = true;
  stream->in_code = code;
  stream->in_at = stream->in_len;
}

static inline void fake_stop(tern_conn *conn, uint64_t id, uint64_t code)
{
  tern_stream *stream = fake_peer_stream(conn, id);
  if (stream == NULL || conn->is_closed || stream->out_stopped)
    return;
  stream->out_stopped = true;
  stream->out_stop_code = code;
}

static inline void fake_close(tern_conn *conn, uint64_t code)
{
  if (conn->is_closed)
    return;
  conn->is_closed = true;
  conn->by_peer = true;
  conn->close_code = code;
}

/* ---- callbacks ------------------------------------------------------------------------------ */

static inline bool fake_has_in(const tern_stream *stream)
{
  bool is_ours = ((stream->id & 1) != 0) == stream->conn->is_server;
  return (stream->id & 2) == 0 || !is_ours;
}

static inline bool fake_has_out(const tern_stream *stream)
{
  bool is_ours = ((stream->id & 1) != 0) == stream->conn->is_server;
  return (stream->id & 2) == 0 || is_ours;
}

static inline bool fake_is_done(const tern_stream *stream)
{
  bool in_done = !fake_has_in(stream) || (stream->in_fin && stream->in_at == stream->in_len) ||
                 stream->in_reset_told || (stream->in_stopped && stream->conn->peer == NULL);
  bool out_done = !fake_has_out(stream) || stream->out_fin_sent || stream->out_reset_sent;
  return in_done && out_done;
}

static inline void fake_close_stream(tern_stream *stream)
{
  if (stream->is_dead)
    return;
  stream->is_dead = true;
  fake_release_refs(stream, UINT64_MAX);
  if (stream->ops->on_closed != NULL && !stream->is_released)
    stream->ops->on_closed(stream, stream->app);
}

static inline void fake_tell_stream(tern_stream *stream)
{
  tern_conn *conn = stream->conn;
  bool is_ours = ((stream->id & 1) != 0) == conn->is_server;
  if (!stream->is_told && !is_ours) {
    stream->is_told = true;
    if (conn->ops != NULL && conn->ops->on_stream != NULL)
      conn->ops->on_stream(conn, stream, conn->app);
  }
  if (conn->is_closed || stream->is_released)
    return;
  if (stream->out_stopped && !stream->out_stopped_told && fake_has_out(stream)) {
    stream->out_stopped_told = true;
    bool is_news = !stream->out_fin_sent && !stream->out_reset;
    if (is_news) {
      stream->out_reset = true;
      stream->out_code = stream->out_stop_code;
    }
    if (is_news && stream->ops->on_stopped != NULL)
      stream->ops->on_stopped(stream, stream->out_stop_code, stream->app);
  }
  if (conn->is_closed || stream->is_released)
    return;
  if (stream->has_news && !stream->in_reset && !stream->in_stopped) {
    stream->has_news = false;
    if (stream->ops->on_readable != NULL)
      stream->ops->on_readable(stream, stream->app);
  }
  if (conn->is_closed || stream->is_released)
    return;
  if (stream->in_reset && !stream->in_reset_told) {
    stream->in_reset_told = true;
    if (stream->ops->on_reset != NULL && !stream->in_stopped)
      stream->ops->on_reset(stream, stream->in_code, stream->app);
  }
}

/* What a connection does after a batch. */
static inline void fake_settle(tern_conn *conn)
{
  for (size_t i = 0; i < conn->streams_count && !conn->is_closed; i++) {
    if (!conn->streams[i]->is_dead)
      fake_tell_stream(conn->streams[i]);
  }
  for (size_t i = 0; i < conn->streams_count; i++) {
    tern_stream *stream = conn->streams[i];
    if (fake_is_done(stream))
      fake_close_stream(stream);
  }
  /* All of them before the connection, also if it was closed in one of their callbacks. */
  for (size_t i = 0; i < conn->streams_count && conn->is_closed; i++)
    fake_close_stream(conn->streams[i]);
  if (conn->is_closed && !conn->is_closed_told) {
    conn->is_closed_told = true;
    tern_error error = {
        .kind = TERN_ERROR_APPLICATION, .by_peer = conn->by_peer, .code = conn->close_code};
    if (conn->ops != NULL && conn->ops->on_closed != NULL)
      conn->ops->on_closed(conn, &error, conn->app);
  }
  size_t kept = 0;
  for (size_t i = 0; i < conn->streams_count; i++) {
    if (conn->streams[i]->is_dead)
      fake_stream_free(conn->streams[i]);
    else
      conn->streams[kept++] = conn->streams[i];
  }
  conn->streams_count = kept;
}

FAKE_CALL void fake_advance(tern_conn *conn, tern_time now)
{
  conn->now = now;
  if (conn->alarm_at <= now && !conn->is_closed) {
    conn->alarm_at = TERN_TIME_NEVER;
    conn->alarm(conn->alarm_arg, now);
  }
  fake_settle(conn);
}

/* Everything written leaves and is acknowledged; `len` at most. */
static inline size_t fake_take(tern_stream *stream, size_t len)
{
  size_t left = stream->out_len - stream->out_sent;
  if (len > left)
    len = left;
  stream->out_sent += len;
  fake_release_refs(stream, stream->out_sent);
  if (stream->out_fin && stream->out_sent == stream->out_len)
    stream->out_fin_sent = true;
  if (len > 0 && stream->ops->on_acked != NULL && !stream->is_released)
    stream->ops->on_acked(stream, stream->out_sent, stream->app);
  if (stream->out_blocked && stream->out_len - stream->out_sent <= stream->conn->room_max / 2) {
    stream->out_blocked = false;
    if (stream->ops->on_writable != NULL && !stream->is_released && !stream->conn->is_closed)
      stream->ops->on_writable(stream, stream->app);
  }
  return len;
}

/* The test as the peer takes everything that left. */
FAKE_CALL void fake_drain(tern_conn *conn)
{
  for (size_t i = 0; i < conn->streams_count; i++) {
    tern_stream *stream = conn->streams[i];
    if (stream->out_reset)
      stream->out_reset_sent = true;
    for (int rounds = 0; rounds < 50 && !stream->out_reset && fake_take(stream, SIZE_MAX) > 0;)
      rounds++;
  }
  fake_settle(conn);
}

/* Moves up to `chunk` bytes of one stream to the peer. True: something moved. */
static inline bool fake_move(tern_stream *stream, size_t chunk)
{
  tern_conn *peer = stream->conn->peer;
  bool has_moved = false;
  if (stream->in_stopped && !stream->stop_sent) {
    stream->stop_sent = true;
    fake_stop(peer, stream->id, stream->stop_code);
    has_moved = true;
  }
  if (stream->out_reset) {
    if (!stream->out_reset_sent && !stream->out_fin_sent) {
      fake_reset(peer, stream->id, stream->out_code);
      has_moved = true;
    }
    stream->out_reset_sent = true;
    return has_moved;
  }
  if (stream->out_fin_sent || !fake_has_out(stream))
    return has_moved;
  size_t at = stream->out_sent;
  size_t left = stream->out_len - at;
  size_t len = left < chunk ? left : chunk;
  bool fin = stream->out_fin && len == left;
  if (len == 0 && !fin)
    return has_moved;
  fake_send(peer, stream->id, stream->out + at, len, fin);
  (void)fake_take(stream, len);
  return true;
}

/* Bytes go both ways, in pieces of up to `chunk`, until nothing moves. `seed` NULL: pieces of exactly
 * `chunk`; else random ones, in random order of streams. */
static inline bool fake_pump_once(tern_conn *conn, size_t chunk, uint64_t *seed)
{
  bool has_moved = false;
  for (size_t i = 0; i < conn->streams_count; i++) {
    size_t len = chunk;
    if (seed != NULL) {
      *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      if ((*seed >> 60) < 6)
        continue;
      len = 1 + (size_t)(*seed >> 33) % chunk;
    }
    if (!conn->is_closed && fake_move(conn->streams[i], len))
      has_moved = true;
  }
  if (conn->is_closed && !conn->peer->is_closed) {
    fake_close(conn->peer, conn->close_code);
    has_moved = true;
  }
  fake_settle(conn->peer);
  fake_settle(conn);
  return has_moved;
}

FAKE_CALL void fake_pump(tern_conn *a, tern_conn *b, size_t chunk, uint64_t *seed)
{
  size_t idle = 0;
  while (idle < (seed == NULL ? 1u : 20u)) {
    bool has_moved = fake_pump_once(a, chunk, seed);
    has_moved = fake_pump_once(b, chunk, seed) || has_moved;
    idle = has_moved ? 0 : idle + 1;
  }
}

/* ---- <tern/transport.h> --------------------------------------------------------------------- */

void tern_conn_set_ops(tern_conn *conn, const tern_conn_ops *ops, void *app)
{
  conn->ops = ops;
  conn->app = app;
}

void *tern_conn_get_app(const tern_conn *conn)
{
  return conn->app;
}

bool tern_conn_is_server(const tern_conn *conn)
{
  return conn->is_server;
}

uint64_t tern_conn_get_id(const tern_conn *conn)
{
  (void)conn;
  return 1;
}

void tern_conn_close(tern_conn *conn, uint64_t code, const char *reason)
{
  if (conn->is_closed)
    return;
  conn->is_closed = true;
  conn->close_code = code;
  (void)snprintf(conn->close_reason, sizeof(conn->close_reason), "%s", reason);
}

struct tern_event_bus *tern_conn_events(tern_conn *conn)
{
  static struct tern_event_bus nobody_listens;
  (void)conn;
  return &nobody_listens;
}

struct tern_alloc *tern_conn_alloc(tern_conn *conn)
{
  return &conn->alloc;
}

bool tern_conn_is_early(const tern_conn *conn)
{
  (void)conn;
  return false;
}

tern_early tern_conn_get_early(const tern_conn *conn)
{
  (void)conn;
  return TERN_EARLY_NONE;
}

tern_slice tern_conn_get_ticket_extra(const tern_conn *conn)
{
  (void)conn;
  return tern_slice_of(NULL, 0);
}

void tern_stream_wait_for_handshake(tern_stream *stream)
{
  (void)stream;
}

tern_time tern_conn_get_now(const tern_conn *conn)
{
  return conn->now;
}

void tern_conn_set_cleanup(tern_conn *conn, void (*cleanup)(void *arg), void *arg)
{
  conn->cleanup = cleanup;
  conn->cleanup_arg = arg;
}

void tern_conn_set_rest(tern_conn *conn, void (*rest)(void *arg), void *arg)
{
  conn->rest = rest;
  conn->rest_arg = arg;
}

void tern_conn_set_alarm(tern_conn *conn, tern_time at, void (*fire)(void *arg, tern_time now),
                         void *arg)
{
  conn->alarm_at = at;
  conn->alarm = fire;
  conn->alarm_arg = arg;
}

tern_status tern_conn_open_stream(tern_conn *conn, bool is_bidi, const tern_stream_ops *ops,
                                  void *app, tern_stream **out)
{
  if (conn->is_closed)
    return TERN_CLOSED;
  uint64_t *next = is_bidi ? &conn->next_bidi : &conn->next_uni;
  tern_stream *stream = fake_add(conn, *next);
  *next += 4;
  stream->ops = ops;
  stream->app = app;
  stream->is_told = true;
  *out = stream;
  return TERN_OK;
}

void tern_stream_set_ops(tern_stream *stream, const tern_stream_ops *ops, void *app)
{
  stream->ops = ops;
  stream->app = app;
}

tern_conn *tern_stream_get_conn(const tern_stream *stream)
{
  return stream->conn;
}

uint64_t tern_stream_get_id(const tern_stream *stream)
{
  return stream->id;
}

bool tern_stream_is_bidi(const tern_stream *stream)
{
  return (stream->id & 2) == 0;
}

void tern_stream_set_priority(tern_stream *stream, uint8_t urgency, bool incremental)
{
  (void)stream;
  (void)urgency;
  (void)incremental;
}

static inline tern_status fake_check_out(const tern_stream *stream)
{
  FAKE_CHECK(!stream->is_dead);
  if (stream->conn->is_closed)
    return TERN_CLOSED;
  if (stream->out_reset)
    return TERN_RESET;
  return stream->out_fin ? TERN_STATE : TERN_OK;
}

static inline void fake_append(tern_stream *stream, const void *data, size_t len)
{
  stream->out = realloc(stream->out, stream->out_len + len);
  memcpy(stream->out + stream->out_len, data, len);
  stream->out_len += len;
}

size_t tern_stream_get_room(const tern_stream *stream)
{
  size_t used = stream->out_len - stream->out_sent;
  return used < stream->conn->room_max ? stream->conn->room_max - used : 0;
}

tern_status tern_stream_write(tern_stream *stream, tern_slice data, size_t *taken)
{
  *taken = 0;
  tern_status status = fake_check_out(stream);
  if (status != TERN_OK)
    return status;
  size_t room = tern_stream_get_room(stream);
  *taken = data.len < room ? data.len : room;
  if (*taken > 0)
    fake_append(stream, data.data, *taken);
  if (*taken == data.len)
    return TERN_OK;
  stream->out_blocked = true;
  return TERN_BLOCKED;
}

tern_status tern_stream_write_ref(tern_stream *stream, tern_slice data, tern_release *release,
                                  void *arg)
{
  tern_status status = fake_check_out(stream);
  if (status != TERN_OK)
    return status;
  if (tern_stream_get_room(stream) == 0 || stream->refs_count == FAKE_REFS_MAX) {
    stream->out_blocked = true;
    return TERN_BLOCKED;
  }
  fake_append(stream, data.data, data.len);
  stream->refs[stream->refs_count++] = (struct fake_ref){stream->out_len, release, arg};
  return TERN_OK;
}

tern_status tern_stream_write_source(tern_stream *stream, uint64_t len, const tern_source *source)
{
  tern_status status = fake_check_out(stream);
  if (status != TERN_OK)
    return status;
  if (tern_stream_get_room(stream) == 0 || stream->refs_count == FAKE_REFS_MAX) {
    stream->out_blocked = true;
    return TERN_BLOCKED;
  }
  uint8_t *bytes = malloc((size_t)len);
  tern_iov iov[2] = {{bytes, (size_t)len / 2}, {bytes + len / 2, (size_t)(len - len / 2)}};
  if (source->fill(source->arg, 0, iov, 2)) {
    fake_append(stream, bytes, (size_t)len);
    stream->refs[stream->refs_count++] =
        (struct fake_ref){stream->out_len, source->release, source->arg};
  } else {
    stream->out_reset = true;
    stream->out_code = source->reset_code;
    if (source->release != NULL)
      source->release(source->arg);
  }
  free(bytes);
  return TERN_OK;
}

tern_status tern_stream_finish(tern_stream *stream)
{
  tern_status status = fake_check_out(stream);
  if (status == TERN_OK)
    stream->out_fin = true;
  return status;
}

void tern_stream_reset(tern_stream *stream, uint64_t code)
{
  if (stream->is_dead || stream->out_fin_sent || stream->out_reset || !fake_has_out(stream))
    return;
  stream->out_reset = true;
  stream->out_code = code;
}

void tern_stream_stop(tern_stream *stream, uint64_t code)
{
  if (stream->is_dead || stream->in_reset || stream->in_stopped ||
      (stream->in_fin && stream->in_at == stream->in_len))
    return;
  stream->in_stopped = true;
  stream->stop_code = code;
  stream->in_at = stream->in_len;
}

void tern_stream_release(tern_stream *stream)
{
  stream->is_released = true;
}

size_t tern_stream_peek(const tern_stream *stream, tern_slice *slices, size_t max)
{
  size_t count = 0;
  size_t at = stream->in_at;
  FAKE_CHECK(!stream->is_dead);
  while (count < max && at < stream->in_len) {
    size_t len = stream->in_len - at;
    if (len > stream->conn->slice_bytes)
      len = stream->conn->slice_bytes;
    slices[count++] = tern_slice_of(stream->in + at, len);
    at += len;
  }
  return count;
}

void tern_stream_consume(tern_stream *stream, size_t len)
{
  FAKE_CHECK(!stream->is_dead && len <= stream->in_len - stream->in_at);
  stream->in_at += len;
}

bool tern_stream_is_eof(const tern_stream *stream)
{
  FAKE_CHECK(!stream->is_dead);
  return stream->in_fin && stream->in_at == stream->in_len && !stream->in_reset;
}
