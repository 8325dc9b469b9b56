/* SPDX-License-Identifier: MIT */
/* What crosses the halves of a stream and the two levels of flow control: see stream.h. */
#include "transport/stream.h"

#include <string.h>

#include "base/assert.h"

void tern_stream_init(struct tern_stream *stream, const struct tern_stream_args *args)
{
  memset(stream, 0, sizeof(*stream));
  stream->id = args->id;
  stream->conn = args->conn;
  stream->is_ours = tern_stream_id_is_server(args->id) == args->is_server;
  stream->sched.urgency = TERN_URGENCY_DEFAULT;
  tern_flow_send_init(&stream->flow_send, args->send_limit_bytes);
  tern_flow_recv_init(&stream->flow_recv, args->window_bytes, args->window_max_bytes);
  tern_stream_send_init(&stream->send, args->alloc, args->send_buffer_bytes);
  tern_stream_recv_init(&stream->recv, args->alloc);
  /* A half that does not exist is done. */
  if (!tern_stream_has_send(stream))
    stream->send.state = TERN_SEND_DATA_RECVD;
  if (!tern_stream_has_recv(stream))
    stream->recv.state = TERN_RECV_DATA_READ;
}

void tern_stream_deinit(struct tern_stream *stream)
{
  tern_stream_send_deinit(&stream->send);
  tern_stream_recv_deinit(&stream->recv);
}

/* ---- receiving ---- */

static bool wants_more(const struct tern_stream *stream)
{
  return stream->recv.state == TERN_RECV_RECV && !stream->recv.is_stopped;
}

static void count_consumed(struct tern_stream *stream, const struct tern_stream_flow *flow,
                           uint64_t bytes)
{
  tern_flow_recv_on_consumed(&stream->flow_recv, bytes, flow->now, flow->rtt_ns);
  tern_flow_recv_keep_above(flow->conn, stream->flow_recv.window_bytes);
  tern_flow_recv_on_consumed(flow->conn, bytes, flow->now, flow->rtt_ns);
}

/* [rfc9000-4.1], [rfc9000-4.5] Whether both levels allow bytes up to `end`. */
static bool is_within_limits(const struct tern_stream *stream, const struct tern_stream_flow *flow,
                             uint64_t end)
{
  uint64_t highest = stream->recv.highest;
  if (end <= highest)
    return true;
  return end <= stream->flow_recv.limit && end - highest <= tern_flow_recv_left(flow->conn);
}

/* Counts what a frame brought. What nobody will read is consumed at once, so that the connection's
 * window does not shrink for good [rfc9000-4.5]. */
static void count_received(struct tern_stream *stream, const struct tern_stream_flow *flow,
                           const struct tern_recv_facts *facts)
{
  struct tern_flow_recv *own = &stream->flow_recv;
  bool is_legal =
      tern_flow_recv_on_received(own, stream->recv.highest) &&
      tern_flow_recv_on_received(flow->conn, flow->conn->highest + facts->new_highest_bytes);
  TERN_ASSERT(is_legal);
  bool is_unread = stream->recv.is_stopped || stream->recv.state >= TERN_RECV_RESET_RECVD;
  if (is_unread && own->consumed < own->highest)
    count_consumed(stream, flow, own->highest - own->consumed);
  if (!wants_more(stream))
    tern_flow_recv_stop(own);
  if (facts->is_readable)
    stream->events |= TERN_STREAM_READABLE;
}

enum tern_recv_result tern_stream_on_data(struct tern_stream *stream,
                                          const struct tern_stream_flow *flow,
                                          const struct tern_recv_data *data,
                                          struct tern_piece_pool *pool)
{
  struct tern_recv_facts facts;
  if (!is_within_limits(stream, flow, data->offset + data->data.len))
    return TERN_RECV_TOO_MUCH;
  enum tern_recv_result result = tern_stream_recv_on_data(&stream->recv, data, pool, &facts);
  if (result == TERN_RECV_OK || result == TERN_RECV_NOMEM)
    count_received(stream, flow, &facts);
  return result;
}

enum tern_recv_result tern_stream_on_reset(struct tern_stream *stream,
                                           const struct tern_stream_flow *flow, uint64_t code,
                                           uint64_t final_size)
{
  struct tern_recv_facts facts;
  if (!is_within_limits(stream, flow, final_size))
    return TERN_RECV_TOO_MUCH;
  enum tern_recv_result result = tern_stream_recv_on_reset(&stream->recv, code, final_size, &facts);
  if (result != TERN_RECV_OK)
    return result;
  bool is_news = facts.is_readable;
  facts.is_readable = false;
  count_received(stream, flow, &facts);
  if (is_news)
    stream->events = (uint8_t)((stream->events & ~TERN_STREAM_READABLE) | TERN_STREAM_WAS_RESET);
  return TERN_RECV_OK;
}

void tern_stream_on_stop_sending(struct tern_stream *stream, uint64_t code)
{
  /* [rfc9000-3.5] MUST send RESET_STREAM in Ready or Send, and SHOULD copy the code; in Data Sent we
   * do not wait for what is outstanding */
  if (tern_stream_send_reset(&stream->send, code))
    stream->events |= TERN_STREAM_WAS_STOPPED;
}

bool tern_stream_on_max_data(struct tern_stream *stream, uint64_t limit)
{
  return tern_flow_send_on_max(&stream->flow_send, limit);
}

void tern_stream_on_consumed(struct tern_stream *stream, const struct tern_stream_flow *flow,
                             size_t len)
{
  tern_stream_recv_consume(&stream->recv, len);
  count_consumed(stream, flow, len);
  if (!wants_more(stream))
    tern_flow_recv_stop(&stream->flow_recv);
}

void tern_stream_stop_receiving(struct tern_stream *stream, const struct tern_stream_flow *flow,
                                uint64_t code)
{
  struct tern_recv_facts facts = {0};
  if (!tern_stream_recv_stop(&stream->recv, code))
    return;
  stream->events = (uint8_t)(stream->events & ~TERN_STREAM_READABLE);
  count_received(stream, flow, &facts);
}

/* ---- sending ---- */

bool tern_stream_wants_send(const struct tern_stream *stream, const struct tern_flow_send *conn)
{
  return tern_stream_send_wants(&stream->send, tern_stream_get_credit(stream, conn));
}

void tern_stream_rewind(struct tern_stream *stream)
{
  tern_stream_send_rewind(&stream->send);
  tern_flow_send_init(&stream->flow_send, 0);
}

void tern_stream_note_blocked(struct tern_stream *stream, struct tern_flow_send *conn)
{
  /* [rfc9000-4.1] a sender that is blocked SHOULD say so */
  if (tern_stream_send_is_starved(&stream->send, tern_flow_send_room(&stream->flow_send)))
    tern_flow_send_on_blocked(&stream->flow_send);
  if (tern_stream_send_is_starved(&stream->send, tern_flow_send_room(conn)))
    tern_flow_send_on_blocked(conn);
}

void tern_stream_on_sent(struct tern_stream *stream, struct tern_flow_send *conn,
                         const struct tern_send_range *range, bool is_fin,
                         struct tern_frame_record *record)
{
  if (!range->is_retransmit) {
    tern_flow_send_take(&stream->flow_send, range->len);
    tern_flow_send_take(conn, range->len);
  }
  record->slot = stream->slot;
  record->generation = stream->generation;
  tern_stream_send_on_sent(&stream->send, range, is_fin, record);
  tern_stream_note_blocked(stream, conn);
}

bool tern_stream_wants_control(const struct tern_stream *stream)
{
  return tern_stream_send_wants_reset(&stream->send) ||
         tern_stream_recv_wants_stop(&stream->recv) || tern_flow_recv_wants(&stream->flow_recv) ||
         (tern_flow_send_wants(&stream->flow_send) && stream->send.state <= TERN_SEND_SEND);
}

bool tern_stream_write_control(struct tern_stream *stream, struct tern_writer *writer,
                               struct tern_frame_record *record)
{
  struct tern_stream_name name = tern_stream_get_name(stream);
  if (tern_stream_send_write_reset(&stream->send, &name, writer, record))
    return true;
  if (tern_stream_recv_write_stop(&stream->recv, &name, writer, record))
    return true;
  if (tern_flow_recv_write(&stream->flow_recv, &name, writer, record))
    return true;
  return stream->send.state <= TERN_SEND_SEND &&
         tern_flow_send_write(&stream->flow_send, &name, writer, record);
}

/* ---- fates ---- */

/* on_writable follows a blocked write when half of what can block one is free again. */
static void check_writable(struct tern_stream *stream)
{
  const struct tern_stream_send *send = &stream->send;
  if (!stream->wants_writable || tern_stream_send_room(send) < send->copied_max_bytes / 2 ||
      send->count > TERN_SEND_SEGMENTS_MAX / 2)
    return;
  stream->wants_writable = false;
  stream->events |= TERN_STREAM_WRITABLE;
}

static tern_status on_send_acked(struct tern_stream *stream, const struct tern_frame_record *record)
{
  struct tern_send_facts facts;
  tern_status status = tern_stream_send_on_acked(&stream->send, record, &facts);
  if (status != TERN_OK)
    return status;
  if (facts.has_acked_to_moved) {
    stream->events |= TERN_STREAM_ACKED;
    check_writable(stream);
  }
  return TERN_OK;
}

tern_status tern_stream_on_record_acked(struct tern_stream *stream,
                                        const struct tern_frame_record *record)
{
  TERN_ASSERT(tern_record_has_stream(record));
  if (record->kind == TERN_RECORD_STOP_SENDING)
    tern_stream_recv_on_stop_acked(&stream->recv);
  else if (record->kind == TERN_RECORD_MAX_STREAM_DATA)
    tern_flow_recv_on_acked(&stream->flow_recv, record);
  else if (record->kind == TERN_RECORD_STREAM_DATA_BLOCKED)
    tern_flow_send_on_acked(&stream->flow_send, record);
  else
    return on_send_acked(stream, record);
  return TERN_OK;
}

tern_status tern_stream_on_record_lost(struct tern_stream *stream,
                                       const struct tern_frame_record *record)
{
  TERN_ASSERT(tern_record_has_stream(record));
  if (record->kind == TERN_RECORD_STOP_SENDING)
    tern_stream_recv_on_stop_lost(&stream->recv);
  else if (record->kind == TERN_RECORD_MAX_STREAM_DATA)
    tern_flow_recv_on_lost(&stream->flow_recv, record);
  else if (record->kind == TERN_RECORD_STREAM_DATA_BLOCKED)
    tern_flow_send_on_lost(&stream->flow_send, record);
  else
    return tern_stream_send_on_lost(&stream->send, record);
  return TERN_OK;
}
