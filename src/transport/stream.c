/* SPDX-License-Identifier: MIT */
/* What crosses the halves of a stream and the two levels of flow control: see stream.h. */
#include "transport/stream.h"

#include <string.h>

#include "base/assert.h"

static const struct tern_stream_out no_out = {.send.state = TERN_SEND_DATA_RECVD};
static const struct tern_stream_in no_in = {
    .recv = {.state = TERN_RECV_DATA_READ, .final_size = TERN_FINAL_SIZE_UNKNOWN}};

static bool is_ours(uint64_t id, bool is_server)
{
  return tern_stream_id_is_server(id) == is_server;
}

size_t tern_stream_get_bytes(uint64_t id, bool is_server)
{
  if (!tern_stream_id_is_uni(id))
    return sizeof(struct tern_stream_whole);
  return sizeof(struct tern_stream) +
         (is_ours(id, is_server) ? sizeof(struct tern_stream_out) : sizeof(struct tern_stream_in));
}

/* A half that does not exist is done. */
static void place_halves(struct tern_stream *stream)
{
  char *at = (char *)(stream + 1);
  stream->out = (struct tern_stream_out *)(uintptr_t)&no_out;
  stream->in = (struct tern_stream_in *)(uintptr_t)&no_in;
  if (tern_stream_has_send(stream)) {
    stream->out = (struct tern_stream_out *)(void *)at;
    at += sizeof(*stream->out);
  }
  if (tern_stream_has_recv(stream))
    stream->in = (struct tern_stream_in *)(void *)at;
}

void tern_stream_init(struct tern_stream *stream, const struct tern_stream_args *args)
{
  memset(stream, 0, tern_stream_get_bytes(args->id, args->is_server));
  stream->id = args->id;
  stream->conn = args->conn;
  stream->is_ours = is_ours(args->id, args->is_server);
  stream->sched.urgency = TERN_URGENCY_DEFAULT;
  place_halves(stream);
  if (tern_stream_has_send(stream)) {
    tern_flow_send_init(&stream->out->flow, args->send_limit_bytes);
    tern_stream_send_init(&stream->out->send, args->alloc, args->send_buffer_bytes);
  }
  if (tern_stream_has_recv(stream)) {
    tern_flow_recv_init(&stream->in->flow, args->window_bytes, args->window_max_bytes);
    tern_stream_recv_init(&stream->in->recv, args->alloc);
  }
}

void tern_stream_deinit(struct tern_stream *stream)
{
  if (tern_stream_has_send(stream))
    tern_stream_send_deinit(&stream->out->send);
  if (tern_stream_has_recv(stream))
    tern_stream_recv_deinit(&stream->in->recv);
}

void tern_stream_trim(struct tern_stream *stream)
{
  if (tern_stream_has_send(stream))
    tern_stream_send_trim(&stream->out->send);
  if (tern_stream_has_recv(stream))
    tern_stream_recv_trim(&stream->in->recv);
}

/* ---- receiving ---- */

static bool wants_more(const struct tern_stream *stream)
{
  return stream->in->recv.state == TERN_RECV_RECV && !stream->in->recv.is_stopped;
}

static void count_consumed(struct tern_stream *stream, const struct tern_stream_flow *flow,
                           uint64_t bytes)
{
  tern_flow_recv_on_consumed(&stream->in->flow, bytes, flow->now, flow->rtt_ns);
  tern_flow_recv_keep_above(flow->conn, stream->in->flow.window_bytes);
  tern_flow_recv_on_consumed(flow->conn, bytes, flow->now, flow->rtt_ns);
}

/* [rfc9000-4.1], [rfc9000-4.5] Whether both levels allow bytes up to `end`. */
static bool is_within_limits(const struct tern_stream *stream, const struct tern_stream_flow *flow,
                             uint64_t end)
{
  uint64_t highest = stream->in->recv.highest;
  if (end <= highest)
    return true;
  return end <= stream->in->flow.limit && end - highest <= tern_flow_recv_left(flow->conn);
}

/* Counts what a frame brought. What nobody will read is consumed at once, so that the connection's
 * window does not shrink for good [rfc9000-4.5]. */
static void count_received(struct tern_stream *stream, const struct tern_stream_flow *flow,
                           const struct tern_recv_facts *facts)
{
  struct tern_flow_recv *own = &stream->in->flow;
  bool is_legal =
      tern_flow_recv_on_received(own, stream->in->recv.highest) &&
      tern_flow_recv_on_received(flow->conn, flow->conn->highest + facts->new_highest_bytes);
  TERN_ASSERT(is_legal);
  bool is_unread = stream->in->recv.is_stopped || stream->in->recv.state >= TERN_RECV_RESET_RECVD;
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
  enum tern_recv_result result = tern_stream_recv_on_data(&stream->in->recv, data, pool, &facts);
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
  enum tern_recv_result result =
      tern_stream_recv_on_reset(&stream->in->recv, code, final_size, &facts);
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
  if (tern_stream_send_reset(&stream->out->send, code))
    stream->events |= TERN_STREAM_WAS_STOPPED;
}

bool tern_stream_on_max_data(struct tern_stream *stream, uint64_t limit)
{
  return tern_flow_send_on_max(&stream->out->flow, limit);
}

void tern_stream_on_consumed(struct tern_stream *stream, const struct tern_stream_flow *flow,
                             size_t len)
{
  tern_stream_recv_consume(&stream->in->recv, len);
  count_consumed(stream, flow, len);
  if (!wants_more(stream))
    tern_flow_recv_stop(&stream->in->flow);
}

void tern_stream_stop_receiving(struct tern_stream *stream, const struct tern_stream_flow *flow,
                                uint64_t code)
{
  struct tern_recv_facts facts = {0};
  if (!tern_stream_recv_stop(&stream->in->recv, code))
    return;
  stream->events = (uint8_t)(stream->events & ~TERN_STREAM_READABLE);
  count_received(stream, flow, &facts);
}

/* ---- sending ---- */

bool tern_stream_wants_send(const struct tern_stream *stream, const struct tern_flow_send *conn)
{
  return tern_stream_send_wants(&stream->out->send, tern_stream_get_credit(stream, conn));
}

void tern_stream_rewind(struct tern_stream *stream)
{
  if (!tern_stream_has_send(stream))
    return;
  tern_stream_send_rewind(&stream->out->send);
  tern_flow_send_init(&stream->out->flow, 0);
}

void tern_stream_note_blocked(struct tern_stream *stream, struct tern_flow_send *conn)
{
  /* [rfc9000-4.1] a sender that is blocked SHOULD say so */
  if (tern_stream_send_is_starved(&stream->out->send, tern_flow_send_room(&stream->out->flow)))
    tern_flow_send_on_blocked(&stream->out->flow);
  if (tern_stream_send_is_starved(&stream->out->send, tern_flow_send_room(conn)))
    tern_flow_send_on_blocked(conn);
}

void tern_stream_on_sent(struct tern_stream *stream, struct tern_flow_send *conn,
                         const struct tern_send_range *range, bool is_fin,
                         struct tern_frame_record *record)
{
  if (!range->is_retransmit) {
    tern_flow_send_take(&stream->out->flow, range->len);
    tern_flow_send_take(conn, range->len);
  }
  record->slot = stream->slot;
  record->generation = stream->generation;
  tern_stream_send_on_sent(&stream->out->send, range, is_fin, record);
  tern_stream_note_blocked(stream, conn);
}

bool tern_stream_wants_control(const struct tern_stream *stream)
{
  return tern_stream_send_wants_reset(&stream->out->send) ||
         tern_stream_recv_wants_stop(&stream->in->recv) ||
         tern_flow_recv_wants(&stream->in->flow) ||
         (tern_flow_send_wants(&stream->out->flow) && stream->out->send.state <= TERN_SEND_SEND);
}

bool tern_stream_write_control(struct tern_stream *stream, struct tern_writer *writer,
                               struct tern_frame_record *record)
{
  struct tern_stream_name name = tern_stream_get_name(stream);
  if (tern_stream_send_write_reset(&stream->out->send, &name, writer, record))
    return true;
  if (tern_stream_recv_write_stop(&stream->in->recv, &name, writer, record))
    return true;
  if (tern_flow_recv_write(&stream->in->flow, &name, writer, record))
    return true;
  return stream->out->send.state <= TERN_SEND_SEND &&
         tern_flow_send_write(&stream->out->flow, &name, writer, record);
}

/* ---- fates ---- */

/* on_writable follows a blocked write when half of what can block one is free again. */
static void check_writable(struct tern_stream *stream)
{
  const struct tern_stream_send *send = &stream->out->send;
  if (!stream->wants_writable || tern_stream_send_room(send) < send->copied_max_bytes / 2 ||
      send->count > TERN_SEND_SEGMENTS_MAX / 2)
    return;
  stream->wants_writable = false;
  stream->events |= TERN_STREAM_WRITABLE;
}

static tern_status on_send_acked(struct tern_stream *stream, const struct tern_frame_record *record)
{
  struct tern_send_facts facts;
  tern_status status = tern_stream_send_on_acked(&stream->out->send, record, &facts);
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
    tern_stream_recv_on_stop_acked(&stream->in->recv);
  else if (record->kind == TERN_RECORD_MAX_STREAM_DATA)
    tern_flow_recv_on_acked(&stream->in->flow, record);
  else if (record->kind == TERN_RECORD_STREAM_DATA_BLOCKED)
    tern_flow_send_on_acked(&stream->out->flow, record);
  else
    return on_send_acked(stream, record);
  return TERN_OK;
}

tern_status tern_stream_on_record_lost(struct tern_stream *stream,
                                       const struct tern_frame_record *record)
{
  TERN_ASSERT(tern_record_has_stream(record));
  if (record->kind == TERN_RECORD_STOP_SENDING)
    tern_stream_recv_on_stop_lost(&stream->in->recv);
  else if (record->kind == TERN_RECORD_MAX_STREAM_DATA)
    tern_flow_recv_on_lost(&stream->in->flow, record);
  else if (record->kind == TERN_RECORD_STREAM_DATA_BLOCKED)
    tern_flow_send_on_lost(&stream->out->flow, record);
  else
    return tern_stream_send_on_lost(&stream->out->send, record);
  return TERN_OK;
}
