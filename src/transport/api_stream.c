/* SPDX-License-Identifier: MIT */
/* The stream's public face: each call changes one half and puts the stream where the spine finds it. */
#include <string.h>

#include "transport/conn.h"

static tern_status check(const tern_stream *stream)
{
  if (stream->conn->endpoint->is_in_hook)
    return TERN_REENTRY;
  if (stream->is_over || !tern_conn_is_open(stream->conn))
    return TERN_CLOSED;
  return TERN_OK;
}

static struct tern_stream_flow get_flow(const tern_stream *stream)
{
  struct tern_stream_flow flow = {&stream->conn->body->flow_recv, stream->conn->endpoint->now,
                                  tern_conn_route(stream->conn)->rtt.smoothed_ns};
  return flow;
}

/* ---- open --------------------------------------------------------------------------------------- */

tern_status tern_conn_open_stream(tern_conn *conn, bool is_bidi, const tern_stream_ops *ops,
                                  void *app, tern_stream **out)
{
  struct tern_stream *stream;

  if (conn->endpoint->is_in_hook)
    return TERN_REENTRY;
  if (!tern_conn_is_open(conn) || conn->is_shutting_down)
    return TERN_CLOSED;
  if (conn->body == NULL)
    return TERN_STATE;
  tern_status status =
      tern_stream_set_open(&conn->body->streams, is_bidi ? TERN_DIR_BIDI : TERN_DIR_UNI, &stream);
  if (status != TERN_OK)
    return status;
  stream->ops = ops;
  stream->app = app;
  *out = stream;
  tern_conn_make_due(conn); /* STREAMS_BLOCKED, if it has to wait */
  TERN_EVENT(&conn->endpoint->events, conn->id, stream_opened, .stream = stream->id);
  return TERN_OK;
}

void tern_stream_set_ops(tern_stream *stream, const tern_stream_ops *ops, void *app)
{
  stream->ops = ops;
  stream->app = app;
}

void *tern_stream_get_app(const tern_stream *stream)
{
  return stream->app;
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
  return !tern_stream_id_is_uni(stream->id);
}

bool tern_stream_is_ours(const tern_stream *stream)
{
  return stream->is_ours;
}

void tern_stream_set_priority(tern_stream *stream, uint8_t urgency, bool incremental)
{
  if (check(stream) != TERN_OK)
    return;
  if (urgency >= TERN_URGENCIES)
    urgency = TERN_URGENCIES - 1;
  tern_scheduler_set_priority(&stream->conn->body->scheduler, stream, urgency, incremental);
}

/* ---- send --------------------------------------------------------------------------------------- */

static tern_status check_send(const tern_stream *stream)
{
  tern_status status = check(stream);

  if (status != TERN_OK)
    return status;
  return tern_stream_has_send(stream) ? TERN_OK : TERN_STATE;
}

static void on_written(tern_stream *stream, tern_status status)
{
  if (status == TERN_BLOCKED)
    stream->wants_writable = true;
  tern_stream_update_places(stream);
}

void tern_stream_wait_for_handshake(tern_stream *stream)
{
  stream->waits_for_handshake = true;
}

tern_status tern_stream_write(tern_stream *stream, tern_slice data, size_t *taken)
{
  tern_status status = check_send(stream);

  *taken = 0;
  if (status != TERN_OK)
    return status;
  status = tern_stream_send_write(&stream->out->send, data, taken);
  on_written(stream, status);
  return status;
}

tern_status tern_stream_write_ref(tern_stream *stream, tern_slice data, tern_release *release,
                                  void *arg)
{
  tern_status status = check_send(stream);

  if (status != TERN_OK)
    return status;
  status = tern_stream_send_write_ref(&stream->out->send, data, release, arg);
  on_written(stream, status);
  return status;
}

tern_status tern_stream_write_source(tern_stream *stream, uint64_t len, const tern_source *source)
{
  tern_status status = check_send(stream);

  if (status != TERN_OK)
    return status;
  if (source->fill == NULL)
    return TERN_INVALID;
  status = tern_stream_send_write_source(&stream->out->send, len, source);
  on_written(stream, status);
  return status;
}

tern_status tern_stream_finish(tern_stream *stream)
{
  tern_status status = check_send(stream);

  if (status != TERN_OK)
    return status;
  status = tern_stream_send_finish(&stream->out->send);
  tern_stream_update_places(stream);
  return status;
}

void tern_stream_reset(tern_stream *stream, uint64_t code)
{
  if (check_send(stream) != TERN_OK)
    return;
  bool before = tern_endpoint_enter_hook(stream->conn->endpoint);
  (void)tern_stream_send_reset(&stream->out->send, code);
  tern_endpoint_leave_hook(stream->conn->endpoint, before);
  tern_stream_update_places(stream);
  tern_stream_touch(stream);
}

size_t tern_stream_get_room(const tern_stream *stream)
{
  return check_send(stream) == TERN_OK ? (size_t)tern_stream_send_room(&stream->out->send) : 0;
}

tern_blocked_by tern_stream_get_blocked_by(const tern_stream *stream)
{
  const struct tern_conn_body *body = stream->conn->body;

  if (check_send(stream) != TERN_OK || !tern_stream_send_wants(&stream->out->send, UINT64_MAX))
    return TERN_BLOCKED_BY_NOTHING;
  if (stream->conn->state == TERN_CONN_HANDSHAKE)
    return TERN_BLOCKED_BY_HANDSHAKE;
  if (!tern_stream_set_can_send(&body->streams, stream))
    return TERN_BLOCKED_BY_STREAM_LIMIT;
  if (tern_stream_send_is_starved(&stream->out->send, tern_flow_send_room(&stream->out->flow)))
    return TERN_BLOCKED_BY_STREAM;
  if (tern_stream_send_is_starved(&stream->out->send, tern_flow_send_room(&body->flow_send)))
    return TERN_BLOCKED_BY_CONN;
  return TERN_BLOCKED_BY_CONGESTION;
}

/* ---- receive ------------------------------------------------------------------------------------ */

size_t tern_stream_peek(const tern_stream *stream, tern_slice *slices, size_t max)
{
  if (!tern_stream_has_recv(stream) || stream->in->recv.is_stopped)
    return 0;
  return tern_stream_recv_peek(&stream->in->recv, slices, max);
}

void tern_stream_consume(tern_stream *stream, size_t len)
{
  struct tern_stream_flow flow;

  if (!tern_stream_has_recv(stream) || stream->conn->body == NULL || stream->is_over ||
      stream->conn->endpoint->is_in_hook)
    return;
  uint64_t readable = tern_stream_recv_readable(&stream->in->recv);
  flow = get_flow(stream);
  tern_stream_on_consumed(stream, &flow, len < readable ? len : (size_t)readable);
  tern_stream_update_places(stream);
  if (tern_stream_recv_is_done(&stream->in->recv))
    tern_stream_touch(stream);
}

tern_status tern_stream_read(tern_stream *stream, void *buffer, size_t capacity, size_t *got)
{
  uint8_t *at = buffer;
  tern_slice slice;

  *got = 0;
  if (stream->conn->endpoint->is_in_hook)
    return TERN_REENTRY;
  if (!tern_stream_has_recv(stream))
    return TERN_STATE;
  while (*got < capacity && tern_stream_peek(stream, &slice, 1) != 0) {
    size_t len = slice.len < capacity - *got ? slice.len : capacity - *got;
    memcpy(at + *got, slice.data, len);
    *got += len;
    tern_stream_consume(stream, len);
  }
  if (*got != 0)
    return TERN_OK;
  if (stream->in->recv.state == TERN_RECV_RESET_RECVD ||
      stream->in->recv.state == TERN_RECV_RESET_READ || stream->in->recv.is_stopped)
    return TERN_RESET;
  if (tern_stream_recv_is_eof(&stream->in->recv))
    return TERN_EOF;
  return tern_conn_is_open(stream->conn) ? TERN_BLOCKED : TERN_CLOSED;
}

bool tern_stream_is_eof(const tern_stream *stream)
{
  return tern_stream_has_recv(stream) && tern_stream_recv_is_eof(&stream->in->recv);
}

void tern_stream_stop(tern_stream *stream, uint64_t code)
{
  if (check(stream) != TERN_OK || !tern_stream_has_recv(stream))
    return;
  struct tern_stream_flow flow = get_flow(stream);
  tern_stream_stop_receiving(stream, &flow, code);
  tern_stream_update_places(stream);
  tern_stream_touch(stream);
}

void tern_stream_release(tern_stream *stream)
{
  stream->is_released = true;
  stream->ops = NULL;
  if (!stream->is_over && stream->conn->body != NULL)
    tern_stream_touch(stream);
}
