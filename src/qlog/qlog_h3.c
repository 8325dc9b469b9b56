/* SPDX-License-Identifier: MIT */
/* HTTP/3. Header and SETTINGS frames are written from the events that know what is in them; of the
 * others the frame events know enough. */
#include <inttypes.h>
#include <stdio.h>

#include "qlog/qlog.h"

#define H3_DATA 0x00
#define NOT_SET UINT64_MAX

/* [rfc9114-7.2.8] */
static bool is_reserved(uint64_t type)
{
  return type >= 0x21 && (type - 0x21) % 0x1f == 0;
}

static bool is_known(uint64_t type)
{
  return type <= 0x0d || type == 0xf0700 ||
         type == 0xf0701; /* HEADERS to MAX_PUSH_ID, PRIORITY_UPDATE */
}

struct h3_frame {
  bool by_peer;
  uint64_t stream;
  const char *type;
};

static void begin_frame(struct tern_qlog_record *record, tern_qlog *qlog, const tern_event *event,
                        const struct h3_frame *frame)
{
  tern_qlog_begin(record, qlog, event,
                  frame->by_peer ? "http3:frame_parsed" : "http3:frame_created");
  tern_qjson_u64(&record->json, "stream_id", frame->stream);
  tern_qjson_open(&record->json, "frame", '{');
  tern_qjson_string(&record->json, "frame_type", frame->type);
}

static void end_frame(struct tern_qlog_record *record)
{
  tern_qjson_close(&record->json, '}');
  tern_qlog_end(record);
}

static void write_field(struct tern_qjson *json, const char *name, tern_slice value)
{
  if (value.len == 0)
    return;
  tern_qjson_open(json, NULL, '{');
  tern_qjson_string(json, "name", name);
  tern_qjson_slice(json, "value", value);
  tern_qjson_close(json, '}');
}

struct plain_frame {
  struct h3_frame frame;
  uint64_t type, bytes;
};

static void write_plain(tern_qlog *qlog, const tern_event *event, const struct plain_frame *plain)
{
  struct tern_qlog_record record;
  struct h3_frame frame = plain->frame;
  if (plain->type != H3_DATA && is_known(plain->type))
    return;
  frame.type = plain->type == H3_DATA ? "data" : is_reserved(plain->type) ? "reserved" : "unknown";
  begin_frame(&record, qlog, event, &frame);
  if (plain->type != H3_DATA)
    tern_qjson_u64(&record.json, "frame_type_bytes", plain->type);
  tern_qjson_open(&record.json, "raw", '{');
  tern_qjson_u64(&record.json, "payload_length", plain->bytes);
  tern_qjson_close(&record.json, '}');
  end_frame(&record);
}

static void on_frame_received(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_h3_frame_received *received = &event->data.h3_frame_received;
  struct plain_frame plain = {{true, received->stream, NULL}, received->type, received->bytes};
  write_plain(qlog, event, &plain);
}

static void on_frame_sent(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_h3_frame_sent *sent = &event->data.h3_frame_sent;
  struct plain_frame plain = {{false, sent->stream, NULL}, sent->type, sent->bytes};
  write_plain(qlog, event, &plain);
}

/* [rfc9114-6.2] [rfc9204-4.2] */
static void on_stream_type(tern_qlog *qlog, const tern_event *event)
{
  static const char *const names[] = {"control", "push", "qpack_encode", "qpack_decode"};
  const tern_event_h3_stream_type *set = &event->data.h3_stream_type;
  struct tern_qlog_record record;
  bool is_ours = set->type < sizeof names / sizeof names[0];
  tern_qlog_begin(&record, qlog, event, "http3:stream_type_set");
  tern_qjson_string(&record.json, "initiator", set->by_peer ? "remote" : "local");
  tern_qjson_u64(&record.json, "stream_id", set->stream);
  tern_qjson_string(&record.json, "stream_type",
                    is_ours                  ? names[set->type]
                    : is_reserved(set->type) ? "reserved"
                                             : "unknown");
  if (!is_ours && !is_reserved(set->type))
    tern_qjson_u64(&record.json, "stream_type_bytes", set->type);
  tern_qlog_end(&record);
}

static void on_settings(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_h3_settings *settings = &event->data.h3_settings;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "http3:parameters_set");
  tern_qjson_string(&record.json, "initiator", settings->by_peer ? "remote" : "local");
  if (settings->field_section_max != NOT_SET)
    tern_qjson_u64(&record.json, "max_field_section_size", settings->field_section_max);
  tern_qjson_u64(&record.json, "max_table_capacity", settings->table_capacity);
  tern_qjson_u64(&record.json, "blocked_streams_count", settings->blocked_streams);
  tern_qjson_u64(&record.json, "extended_connect", settings->extended_connect);
  tern_qjson_u64(&record.json, "h3_datagram", settings->datagrams);
  tern_qlog_end(&record);
}

static void on_request(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_h3_request *request = &event->data.h3_request;
  struct h3_frame frame = {request->by_peer, request->stream, "headers"};
  struct tern_qlog_record record;
  begin_frame(&record, qlog, event, &frame);
  tern_qjson_open(&record.json, "headers", '[');
  write_field(&record.json, ":method", request->method);
  write_field(&record.json, ":scheme", request->scheme);
  write_field(&record.json, ":authority", request->authority);
  write_field(&record.json, ":path", request->path);
  tern_qjson_close(&record.json, ']');
  end_frame(&record);
}

static void on_response(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_h3_response *response = &event->data.h3_response;
  struct h3_frame frame = {response->by_peer, response->stream, "headers"};
  struct tern_qlog_record record;
  char status[8];
  int len = snprintf(status, sizeof status, "%" PRIu16, response->status);
  begin_frame(&record, qlog, event, &frame);
  tern_qjson_open(&record.json, "headers", '[');
  write_field(&record.json, ":status", tern_slice_of(status, (size_t)len));
  tern_qjson_close(&record.json, ']');
  end_frame(&record);
}

tern_qlog_writer *const tern_qlog_h3_writers[TERN_EVENT_COUNT] = {
    [TERN_EVENT_H3_FRAME_RECEIVED] = on_frame_received,
    [TERN_EVENT_H3_FRAME_SENT] = on_frame_sent,
    [TERN_EVENT_H3_STREAM_TYPE] = on_stream_type,
    [TERN_EVENT_H3_SETTINGS] = on_settings,
    [TERN_EVENT_H3_REQUEST] = on_request,
    [TERN_EVENT_H3_RESPONSE] = on_response,
};
