/* SPDX-License-Identifier: MIT */
/* See sim_app.h. */
#include "support/sim_app.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 16384
#define DATAGRAM_BYTES 200

struct sim_stream {
  struct sim_app *app;
  struct sim_stream *prev;
  struct sim_stream *next;
  tern_stream *stream;
  uint64_t to_send;
  uint64_t sent;
  uint64_t to_receive;
  uint64_t received;
  bool is_finished; /* our FIN is written */
  bool is_eof;      /* the peer's was read */
  bool is_counted;
};

/* What write_ref and write_source hold until they are released. */
struct sim_loan {
  struct sim_app *app;
  uint64_t stream_id;
  uint64_t base;
  bool by_server;
  uint8_t bytes[];
};

void sim_app_fail(struct sim_app *app, const char *format, ...)
{
  va_list args;
  if (app->fault[0] != 0)
    return;
  va_start(args, format);
  vsnprintf(app->fault, sizeof(app->fault), format, args);
  va_end(args);
}

/* ---- content ----------------------------------------------------------------------------- */

/* Eight bytes of the content; a bijection of the word's place, so no two places look alike. */
static uint64_t word_at(uint64_t key, uint64_t index)
{
  uint64_t word = (index + 1) * UINT64_C(0x9e3779b97f4a7c15) + key;
  word = (word ^ word >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
  return word ^ word >> 32;
}

static uint64_t key_of(uint64_t stream_id, bool by_server)
{
  return (stream_id * 2 + (by_server ? 1 : 0)) * UINT64_C(0xd6e8feb86659fd93);
}

void sim_app_fill(uint64_t stream_id, bool by_server, uint64_t offset, uint8_t *out, size_t len)
{
  uint64_t key = key_of(stream_id, by_server);
  while (len > 0) {
    uint64_t word = word_at(key, offset / 8);
    size_t skip = offset % 8;
    size_t part = len < 8 - skip ? len : 8 - skip;
    memcpy(out, (const uint8_t *)&word + skip, part);
    out += part;
    offset += part;
    len -= part;
  }
}

size_t sim_app_compare(uint64_t stream_id, bool by_server, uint64_t offset, const uint8_t *data,
                       size_t len)
{
  uint8_t expected[1024];
  for (size_t at = 0; at < len;) {
    size_t part = len - at < sizeof(expected) ? len - at : sizeof(expected);
    sim_app_fill(stream_id, by_server, offset + at, expected, part);
    for (size_t i = 0; memcmp(expected, data + at, part) != 0 && i < part; i++) {
      if (expected[i] != data[at + i])
        return at + i;
    }
    at += part;
  }
  return len;
}

/* ---- sending ----------------------------------------------------------------------------- */

static void release_loan(void *arg)
{
  struct sim_loan *loan = arg;
  if (loan->app->releases_owed == 0)
    sim_app_fail(loan->app, "released twice");
  else
    loan->app->releases_owed--;
  free(loan);
}

static struct sim_loan *make_loan(struct sim_stream *state, size_t len)
{
  struct sim_loan *loan = malloc(sizeof(*loan) + len);
  if (loan == NULL)
    abort();
  loan->app = state->app;
  loan->stream_id = tern_stream_get_id(state->stream);
  loan->base = state->sent;
  loan->by_server = state->app->is_server;
  sim_app_fill(loan->stream_id, loan->by_server, state->sent, loan->bytes, len);
  return loan;
}

static bool fill_source(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  struct sim_loan *loan = arg;
  for (size_t i = 0; i < count; i++) {
    sim_app_fill(loan->stream_id, loan->by_server, loan->base + offset, iov[i].data, iov[i].len);
    offset += iov[i].len;
  }
  return true;
}

static tern_status write_copy(struct sim_stream *state, size_t len)
{
  uint8_t bytes[CHUNK];
  size_t taken = 0;
  sim_app_fill(tern_stream_get_id(state->stream), state->app->is_server, state->sent, bytes, len);
  tern_status status = tern_stream_write(state->stream, tern_slice_of(bytes, len), &taken);
  if (taken > len || (status == TERN_OK && taken != len))
    sim_app_fail(state->app, "write took %zu of %zu", taken, len);
  state->sent += taken;
  return status;
}

static tern_status write_ref(struct sim_stream *state, size_t len)
{
  struct sim_loan *loan = make_loan(state, len);
  state->app->releases_owed++;
  tern_status status =
      tern_stream_write_ref(state->stream, tern_slice_of(loan->bytes, len), release_loan, loan);
  if (status == TERN_OK) {
    state->sent += len;
    return status;
  }
  state->app->releases_owed--;
  free(loan);
  return status;
}

/* The rest of the stream, from one source. */
static tern_status write_source(struct sim_stream *state)
{
  struct sim_loan *loan = make_loan(state, 0);
  tern_source source = {fill_source, release_loan, loan, 99};
  state->app->releases_owed++;
  tern_status status =
      tern_stream_write_source(state->stream, state->to_send - state->sent, &source);
  if (status == TERN_OK) {
    state->sent = state->to_send;
    return status;
  }
  state->app->releases_owed--;
  free(loan);
  return status;
}

static tern_status write_some(struct sim_stream *state)
{
  uint64_t left = state->to_send - state->sent;
  size_t len = left < CHUNK ? (size_t)left : CHUNK;
  switch (state->app->plan->way) {
  case SIM_APP_COPY:
    return write_copy(state, len);
  case SIM_APP_REF:
    return write_ref(state, len);
  case SIM_APP_SOURCE:
    return write_source(state);
  }
  return TERN_INVALID;
}

static void close_if_done(struct sim_app *app);

static void count_complete(struct sim_stream *state)
{
  struct sim_app *app = state->app;
  bool is_in = state->is_eof || state->to_receive == UINT64_MAX;
  if (!is_in || !state->is_finished || state->is_counted)
    return;
  state->is_counted = true;
  app->streams_complete++;
  app->complete_at = tern_conn_get_now(app->conn);
  close_if_done(app);
}

static void pump(struct sim_stream *state)
{
  if (state->is_finished)
    return;
  if (!tern_stream_is_ours(state->stream) && state->app->plan->answers_after_fin && !state->is_eof)
    return;
  while (state->sent < state->to_send) {
    uint64_t before = state->sent;
    tern_status status = write_some(state);
    state->app->bytes_sent += state->sent - before;
    if (status == TERN_BLOCKED)
      return;
    if (status != TERN_OK) {
      sim_app_fail(state->app, "write: %s", tern_status_name(status));
      return;
    }
  }
  tern_status status = tern_stream_finish(state->stream);
  if (status != TERN_OK)
    sim_app_fail(state->app, "finish: %s", tern_status_name(status));
  state->is_finished = true;
  count_complete(state);
}

/* ---- receiving --------------------------------------------------------------------------- */

static void take_bytes(struct sim_stream *state, const uint8_t *data, size_t len)
{
  struct sim_app *app = state->app;
  uint64_t id = tern_stream_get_id(state->stream);
  size_t same = sim_app_compare(id, !app->is_server, state->received, data, len);
  if (same != len)
    sim_app_fail(app, "stream %" PRIu64 ": wrong byte at %" PRIu64, id, state->received + same);
  state->received += len;
  app->bytes_received += len;
  if (state->received > state->to_receive)
    sim_app_fail(app, "stream %" PRIu64 ": more bytes than were sent", id);
}

static void take_eof(struct sim_stream *state)
{
  if (state->is_eof)
    return;
  state->is_eof = true;
  if (state->received != state->to_receive)
    sim_app_fail(state->app, "stream %" PRIu64 ": ends at %" PRIu64 ", not %" PRIu64,
                 tern_stream_get_id(state->stream), state->received, state->to_receive);
  pump(state);
  count_complete(state);
}

static uint64_t room_to_read(const struct sim_stream *state, uint64_t begun)
{
  uint64_t max = state->app->plan->read_max_bytes;
  uint64_t taken = state->received - begun;
  if (max == 0)
    return CHUNK;
  return taken >= max ? 0 : max - taken < CHUNK ? max - taken : CHUNK;
}

static void receive_by_read(struct sim_stream *state)
{
  uint8_t bytes[CHUNK];
  uint64_t begun = state->received;
  uint64_t room;
  while ((room = room_to_read(state, begun)) != 0) {
    size_t got = 0;
    tern_status status = tern_stream_read(state->stream, bytes, (size_t)room, &got);
    if (status == TERN_EOF) {
      take_eof(state);
      return;
    }
    if (status == TERN_BLOCKED || status == TERN_RESET)
      return;
    if (status != TERN_OK || got == 0 || got > room) {
      sim_app_fail(state->app, "read: %s, %zu bytes", tern_status_name(status), got);
      return;
    }
    take_bytes(state, bytes, got);
  }
}

static void receive_by_peek(struct sim_stream *state)
{
  tern_slice slices[4];
  uint64_t begun = state->received;
  size_t count;
  while (room_to_read(state, begun) != 0 &&
         (count = tern_stream_peek(state->stream, slices, 4)) != 0) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
      take_bytes(state, slices[i].data, slices[i].len);
      len += slices[i].len;
    }
    tern_stream_consume(state->stream, len);
  }
  if (tern_stream_is_eof(state->stream))
    take_eof(state);
}

static void on_readable(tern_stream *stream, void *arg)
{
  struct sim_stream *state = arg;
  if (stream != state->stream)
    sim_app_fail(state->app, "callback for another stream");
  if (state->app->plan->peeks)
    receive_by_peek(state);
  else
    receive_by_read(state);
}

static void on_writable(tern_stream *stream, void *arg)
{
  (void)stream;
  pump(arg);
}

static void on_reset(tern_stream *stream, uint64_t code, void *arg)
{
  struct sim_stream *state = arg;
  sim_app_fail(state->app, "stream %" PRIu64 " was reset with %" PRIu64, tern_stream_get_id(stream),
               code);
}

static void free_state(struct sim_stream *state)
{
  struct sim_app *app = state->app;
  if (state->prev != NULL)
    state->prev->next = state->next;
  else
    app->states = state->next;
  if (state->next != NULL)
    state->next->prev = state->prev;
  app->streams_live--;
  free(state);
}

void sim_app_abandon(struct sim_app *app)
{
  while (app->states != NULL)
    free_state(app->states);
  app->conn = NULL;
}

static void on_stream_closed(tern_stream *stream, void *arg)
{
  struct sim_stream *state = arg;
  (void)stream;
  state->app->streams_closed++;
  free_state(state);
}

static const tern_stream_ops stream_ops = {
    .size = sizeof(tern_stream_ops),
    .on_readable = on_readable,
    .on_writable = on_writable,
    .on_reset = on_reset,
    .on_closed = on_stream_closed,
};

/* ---- streams and connections ------------------------------------------------------------- */

static struct sim_stream *make_state(struct sim_app *app)
{
  struct sim_stream *state = calloc(1, sizeof(*state));
  if (state == NULL)
    abort();
  state->app = app;
  state->next = app->states;
  if (state->next != NULL)
    state->next->prev = state;
  app->states = state;
  app->streams_opened++;
  app->streams_live++;
  return state;
}

static void open_stream(struct sim_app *app, bool is_bidi)
{
  struct sim_stream *state = make_state(app);
  state->to_send = app->plan->up_bytes;
  state->to_receive = is_bidi ? app->plan->down_bytes : UINT64_MAX;
  tern_status status =
      tern_conn_open_stream(app->conn, is_bidi, &stream_ops, state, &state->stream);
  if (status != TERN_OK) {
    sim_app_fail(app, "open: %s", tern_status_name(status));
    free_state(state);
    return;
  }
  pump(state);
}

static void open_streams(struct sim_app *app, unsigned bidi, unsigned uni)
{
  for (unsigned i = 0; i < bidi; i++)
    open_stream(app, true);
  for (unsigned i = 0; i < uni; i++)
    open_stream(app, false);
}

static void on_stream(tern_conn *conn, tern_stream *stream, void *arg)
{
  struct sim_app *app = arg;
  struct sim_stream *state = make_state(app);
  (void)conn;
  state->stream = stream;
  state->to_receive = app->plan->up_bytes;
  if (tern_stream_is_bidi(stream))
    state->to_send = app->plan->down_bytes;
  else
    state->is_finished = true;
  tern_stream_set_ops(stream, &stream_ops, state);
  pump(state);
}

static void send_datagrams(struct sim_app *app)
{
  uint8_t bytes[DATAGRAM_BYTES];
  for (unsigned i = 0; i < app->plan->datagrams; i++) {
    sim_app_fill(UINT64_MAX, false, i, bytes, sizeof(bytes));
    tern_status status = tern_conn_send_datagram(app->conn, tern_slice_of(bytes, sizeof(bytes)));
    if (status != TERN_OK)
      sim_app_fail(app, "datagram: %s", tern_status_name(status));
  }
}

static void on_datagram(tern_conn *conn, tern_slice data, void *arg)
{
  struct sim_app *app = arg;
  bool is_known = false;
  app->datagrams_received++;
  for (unsigned i = 0; i < app->plan->datagrams && !is_known; i++)
    is_known = data.len == DATAGRAM_BYTES &&
               sim_app_compare(UINT64_MAX, false, i, data.data, data.len) == data.len;
  if (!is_known)
    sim_app_fail(app, "a datagram that was never sent");
  if (app->is_server && tern_conn_send_datagram(conn, data) != TERN_OK)
    sim_app_fail(app, "datagram not echoed");
}

static void on_connected(tern_conn *conn, void *arg)
{
  struct sim_app *app = arg;
  app->conn = conn;
  app->is_connected = true;
  app->connected_at = tern_conn_get_now(conn);
  if (app->is_server)
    return; /* it was told of the connection before: early data */
  if (!app->plan->is_early)
    open_streams(app, app->plan->bidi_streams, app->plan->uni_streams);
  send_datagrams(app);
  close_if_done(app);
}

static void on_ticket(tern_conn *conn, tern_slice ticket, void *arg)
{
  struct sim_app *app = arg;
  (void)conn;
  memcpy(app->ticket, ticket.data, ticket.len);
  app->ticket_len = ticket.len;
}

static void on_closed(tern_conn *conn, const tern_error *error, void *arg)
{
  struct sim_app *app = arg;
  if (app->is_closed)
    sim_app_fail(app, "closed twice");
  if (app->streams_live != 0)
    sim_app_fail(app, "closed before its streams");
  app->is_closed = true;
  app->closed_at = tern_conn_get_now(conn);
  app->error = *error;
  app->conn = NULL;
}

const tern_conn_ops sim_app_conn_ops = {
    .size = sizeof(tern_conn_ops),
    .on_connected = on_connected,
    .on_stream = on_stream,
    .on_datagram = on_datagram,
    .on_closed = on_closed,
    .on_ticket = on_ticket,
};

void sim_app_start_early(struct sim_app *app, tern_conn *conn)
{
  app->conn = conn;
  open_streams(app, app->plan->bidi_streams, app->plan->uni_streams);
}

void sim_app_init(struct sim_app *app, const struct sim_app_plan *plan, bool is_server)
{
  memset(app, 0, sizeof(*app));
  app->plan = plan;
  app->is_server = is_server;
}

void sim_app_take_conn(struct sim_app *app, tern_conn *conn)
{
  app->conn = conn;
  app->is_connected = true;
  app->connected_at = tern_conn_get_now(conn);
  tern_conn_set_ops(conn, &sim_app_conn_ops, app);
  open_streams(app, app->plan->server_bidi_streams, app->plan->server_uni_streams);
}

unsigned sim_app_count_streams(const struct sim_app_plan *plan)
{
  return plan->bidi_streams + plan->uni_streams + plan->server_bidi_streams +
         plan->server_uni_streams;
}

bool sim_app_is_complete(const struct sim_app *app)
{
  return app->is_connected && app->streams_complete == sim_app_count_streams(app->plan);
}

/* The client ends the connection when it has everything, and what it sent is acknowledged. */
static void close_if_done(struct sim_app *app)
{
  if (app->is_server || app->plan->stays_open || app->conn == NULL || !sim_app_is_complete(app))
    return;
  tern_conn_shutdown(app->conn, app->plan->close_code,
                     tern_conn_get_now(app->conn) + 10 * TERN_SECOND);
}
