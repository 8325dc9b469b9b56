/* SPDX-License-Identifier: MIT */
/* A job is a stream of the perf protocol (draft-banks-quic-performance-00 2.3):
 *
 *   client  8 bytes: how much it wants   what it uploads   FIN
 *   server                                                     as many bytes   FIN
 *
 * It is done when the server's FIN is here. */
#include "perf.h"

#include <string.h>

#include "perf_body.h"

/* An application error code of ours; the draft has none. */
#define CODE_DONE 0

static void on_readable(tern_stream *stream, void *app)
{
  struct tern_perf_slot *slot = app;
  tern_perf_on_received(slot, tern_perf_drain(stream));
  if (!tern_stream_is_eof(stream))
    return;
  /* The server has read all of it before it answered, acknowledged or not. */
  if (slot->sent < slot->up_bytes)
    tern_perf_on_sent(slot, slot->up_bytes - slot->sent);
  tern_stream_release(stream);
  if (slot->received == slot->down_bytes)
    tern_perf_on_done(slot);
  else
    tern_perf_on_failed(slot, "answer of another length than asked for");
}

/* `offset` counts the 8 bytes, too. */
static void on_acked(tern_stream *stream, uint64_t offset, void *app)
{
  struct tern_perf_slot *slot = app;
  (void)stream;
  if (offset > TERN_PERF_SIZE_BYTES + slot->sent)
    tern_perf_on_sent(slot, offset - TERN_PERF_SIZE_BYTES - slot->sent);
}

static void on_reset(tern_stream *stream, uint64_t code, void *app)
{
  (void)code;
  tern_stream_release(stream);
  tern_perf_on_failed(app, "reset by the server");
}

static void on_stopped(tern_stream *stream, uint64_t code, void *app)
{
  (void)code;
  tern_stream_release(stream);
  tern_perf_on_failed(app, "upload stopped by the server");
}

static void on_stream_closed(tern_stream *stream, void *app)
{
  (void)stream;
  tern_perf_on_failed(app, "connection ended");
}

static const tern_stream_ops download_ops = {
    .size = sizeof(tern_stream_ops),
    .on_readable = on_readable,
    .on_reset = on_reset,
    .on_stopped = on_stopped,
    .on_closed = on_stream_closed,
};

static const tern_stream_ops upload_ops = {
    .size = sizeof(tern_stream_ops),
    .on_readable = on_readable,
    .on_acked = on_acked,
    .on_reset = on_reset,
    .on_stopped = on_stopped,
    .on_closed = on_stream_closed,
};

/* [draft-banks-quic-performance-2.3.1] 64 bits in network byte order */
static bool write_job(tern_stream *stream, const struct tern_perf_slot *slot)
{
  uint8_t size[TERN_PERF_SIZE_BYTES];
  size_t taken;
  for (size_t i = 0; i < sizeof size; i++)
    size[i] = (uint8_t)(slot->down_bytes >> (8 * (sizeof size - 1 - i)));
  return tern_stream_write(stream, tern_slice_of(size, sizeof size), &taken) == TERN_OK &&
         taken == sizeof size &&
         (slot->up_bytes == 0 ||
          tern_stream_write_source(stream, slot->up_bytes, &tern_perf_body) == TERN_OK) &&
         tern_stream_finish(stream) == TERN_OK;
}

static bool start(struct tern_perf_slot *slot)
{
  const tern_stream_ops *ops = slot->up_bytes > 0 ? &upload_ops : &download_ops;
  tern_stream *stream;
  if (tern_conn_open_stream(slot->conn->quic, true, ops, slot, &stream) != TERN_OK)
    return false;
  if (write_job(stream, slot))
    return true;
  tern_stream_release(stream);
  tern_stream_reset(stream, CODE_DONE);
  tern_stream_stop(stream, CODE_DONE);
  return false;
}

static void on_connected(tern_conn *conn, void *app)
{
  (void)conn;
  tern_perf_on_open(app);
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  (void)conn;
  tern_perf_on_lost(app, error);
}

static const tern_conn_ops conn_ops = {
    .size = sizeof(tern_conn_ops),
    .on_connected = on_connected,
    .on_closed = on_closed,
};

static bool attach(struct tern_perf_conn *conn)
{
  tern_conn_set_ops(conn->quic, &conn_ops, conn);
  return true;
}

static void close_conn(struct tern_perf_conn *conn)
{
  tern_conn_close(conn->quic, CODE_DONE, "");
}

const struct tern_perf_ops tern_perf_stream_ops = {
    .alpn = TERN_PERF_ALPN,
    .attach = attach,
    .start = start,
    .close = close_conn,
};
