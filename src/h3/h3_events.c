/* SPDX-License-Identifier: MIT */
#include "h3/h3_events.h"

#include "base/conn_alloc.h"
#include "event/event.h"

#define SHOW(h3, ...)                                                                              \
  TERN_EVENT(tern_conn_events((h3)->conn), tern_conn_get_id((h3)->conn), __VA_ARGS__)

void tern_h3_show_frame(const tern_h3 *h3, uint64_t stream_id,
                        const struct tern_h3_frame_reader *frame)
{
  SHOW(h3, h3_frame_received, .stream = stream_id, .name = tern_h3_frame_name(frame->type),
       .type = frame->type, .bytes = frame->left);
}

void tern_h3_show_sent(const tern_h3 *h3, uint64_t stream_id, uint64_t type, uint64_t len)
{
  SHOW(h3, h3_frame_sent, .stream = stream_id, .name = tern_h3_frame_name(type), .type = type,
       .bytes = len);
}

void tern_h3_show_stream_type(const tern_h3 *h3, const tern_stream *stream, uint64_t type,
                              enum tern_h3_side side)
{
  SHOW(h3, h3_stream_type, .stream = tern_stream_get_id(stream), .by_peer = side == TERN_H3_PEERS,
       .type = type);
}

void tern_h3_show_settings(const tern_h3 *h3, const struct tern_h3_settings *settings,
                           enum tern_h3_side side)
{
  SHOW(h3, h3_settings, .by_peer = side == TERN_H3_PEERS, .table_capacity = settings->table_bytes,
       .blocked_streams = settings->blocked_streams,
       .field_section_max = settings->field_section_max,
       .extended_connect = settings->extended_connect, .datagrams = settings->datagrams);
}

void tern_h3_show_request(const tern_request *request, const tern_field *fields, size_t count,
                          enum tern_h3_side side)
{
  SHOW(request->h3, h3_request, .by_peer = side == TERN_H3_PEERS, .stream = request->id,
       .method = tern_field_value(fields, count, ":method"),
       .scheme = tern_field_value(fields, count, ":scheme"),
       .authority = tern_field_value(fields, count, ":authority"),
       .path = tern_field_value(fields, count, ":path"));
}

void tern_h3_show_response(const tern_request *request, uint16_t status, enum tern_h3_side side)
{
  SHOW(request->h3, h3_response, .by_peer = side == TERN_H3_PEERS, .stream = request->id,
       .status = status);
}

void tern_h3_show_closed(const tern_request *request)
{
  SHOW(request->h3, h3_closed, .stream = request->id, .code = TERN_H3_NO_ERROR,
       .sent_bytes = request->written, .received_bytes = request->body_consumed);
}
