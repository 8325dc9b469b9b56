/* SPDX-License-Identifier: MIT */
/* Traces and records. An event goes to the one writer of its kind; kinds that no schema knows become
 * loglevel events with the text of the log.
 *
 *   frame_sent, frame_sent, packet_sent   ->   quic:packet_sent {frames: [.., ..]}
 *
 * Frames come before their packet in both directions, and packets are built and read one at a time, so
 * one buffer holds the frames of the packet under way. */
#include "qlog/qlog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILE_SCHEMA "urn:ietf:params:qlog:file:sequential"
#define FORMAT "application/qlog+json-seq"
#define RECORD_SEPARATOR "\x1e" /* [rfc7464-2.2] */
#define FRAME_TEXT_MAX 4096     /* more than any one frame */

/* ---- records --------------------------------------------------------------------------------- */

static struct tern_qjson open_text(tern_qlog *qlog)
{
  struct tern_qjson json = {.text = qlog->record, .capacity = sizeof qlog->record - 1};
  tern_qjson_raw(&json, RECORD_SEPARATOR "{", 2);
  return json;
}

static void write_text(tern_qlog *qlog, uint64_t conn, struct tern_qjson *json)
{
  if (json->is_cut) {
    qlog->records_cut++;
    return;
  }
  json->text[json->len++] = '\n';
  qlog->ops->write(qlog->arg, qlog->is_split ? conn : 0, json->text, json->len);
}

static void write_trace(const tern_qlog *qlog, struct tern_qjson *json, const char *vantage)
{
  static const char *const schemas[] = {
      "urn:ietf:params:qlog:events:quic", "urn:ietf:params:qlog:events:http3",
      "urn:ietf:params:qlog:events:loglevel", "urn:ietf:params:qlog:events:simulation"};
  tern_qjson_open(json, "common_fields", '{');
  tern_qjson_string(json, "time_format", "relative_to_epoch");
  tern_qjson_open(json, "reference_time", '{');
  tern_qjson_string(json, "clock_type", "monotonic");
  tern_qjson_string(json, "epoch", "unknown");
  if (qlog->wall_clock != NULL)
    tern_qjson_string(json, "wall_clock_time", qlog->wall_clock);
  tern_qjson_close(json, '}');
  tern_qjson_close(json, '}');
  tern_qjson_open(json, "vantage_point", '{');
  tern_qjson_string(json, "name", "tern");
  tern_qjson_string(json, "type", vantage);
  tern_qjson_close(json, '}');
  tern_qjson_open(json, "event_schemas", '[');
  for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++)
    tern_qjson_string(json, NULL, schemas[i]);
  tern_qjson_close(json, ']');
}

static void write_header(tern_qlog *qlog, uint64_t conn, const char *vantage)
{
  struct tern_qjson json = open_text(qlog);
  tern_qjson_string(&json, "file_schema", FILE_SCHEMA);
  tern_qjson_string(&json, "serialization_format", FORMAT);
  if (qlog->title != NULL)
    tern_qjson_string(&json, "title", qlog->title);
  tern_qjson_open(&json, "trace", '{');
  write_trace(qlog, &json, vantage);
  tern_qjson_close(&json, '}');
  tern_qjson_close(&json, '}');
  write_text(qlog, conn, &json);
}

void tern_qlog_begin(struct tern_qlog_record *record, tern_qlog *qlog, const tern_event *event,
                     const char *name)
{
  tern_time since = event->time > qlog->start ? event->time - qlog->start : 0;
  record->qlog = qlog;
  record->event = event;
  record->json = open_text(qlog);
  tern_qjson_ms(&record->json, "time", since);
  tern_qjson_string(&record->json, "name", name);
  if (!qlog->is_split && event->conn != 0) {
    char group[24];
    snprintf(group, sizeof group, "%" PRIu64, event->conn);
    tern_qjson_string(&record->json, "group_id", group);
  }
  tern_qjson_open(&record->json, "data", '{');
}

void tern_qlog_end(struct tern_qlog_record *record)
{
  tern_qjson_close(&record->json, '}');
  tern_qjson_close(&record->json, '}');
  write_text(record->qlog, record->event->conn, &record->json);
}

/* ---- frames that wait for their packet ------------------------------------------------------- */

void tern_qlog_flush_frames(tern_qlog *qlog, const tern_event *event)
{
  struct tern_qlog_record record;
  tern_event owner = {.time = event->time, .conn = qlog->frames_conn};
  if (qlog->frames_len == 0)
    return;
  tern_qlog_begin(&record, qlog, &owner,
                  qlog->frames_are_sent ? "quic:frames_created" : "quic:frames_parsed");
  tern_qlog_take_frames(&record, qlog->frames_are_sent);
  tern_qlog_end(&record);
}

void tern_qlog_add_frame(tern_qlog *qlog, const tern_event *event, tern_slice wire,
                         uint8_t delay_shift)
{
  bool is_sent = event->kind == TERN_EVENT_FRAME_SENT;
  if (event->conn != qlog->frames_conn || is_sent != qlog->frames_are_sent ||
      qlog->frames_len > sizeof qlog->frames - FRAME_TEXT_MAX)
    tern_qlog_flush_frames(qlog, event);
  qlog->frames_conn = event->conn;
  qlog->frames_are_sent = is_sent;
  struct tern_qjson json = {
      .text = qlog->frames, .len = qlog->frames_len, .capacity = sizeof qlog->frames};
  tern_qlog_write_frame(&json, wire, delay_shift);
  if (!json.is_cut)
    qlog->frames_len = json.len;
}

void tern_qlog_take_frames(struct tern_qlog_record *record, bool is_sent)
{
  tern_qlog *qlog = record->qlog;
  bool is_theirs = qlog->frames_conn == record->event->conn && qlog->frames_are_sent == is_sent;
  tern_qjson_open(&record->json, "frames", '[');
  if (is_theirs) {
    tern_qjson_raw(&record->json, qlog->frames, qlog->frames_len);
    qlog->frames_len = 0;
  }
  tern_qjson_close(&record->json, ']');
}

/* ---- events ---------------------------------------------------------------------------------- */

static void log_event(tern_qlog *qlog, const tern_event *event)
{
  static const char *const names[] = {"loglevel:error", "loglevel:warning", "loglevel:info",
                                      "loglevel:debug", "loglevel:verbose"};
  struct tern_qlog_record record;
  char text[TERN_LOG_LINE_MAX];
  size_t len = tern_event_format(event, text, sizeof text);
  tern_qlog_begin(&record, qlog, event, names[tern_event_get_level(event->kind)]);
  tern_qjson_slice(&record.json, "message", tern_slice_of(text, len));
  tern_qlog_end(&record);
}

static tern_qlog_writer *find_writer(tern_event_kind kind)
{
  if (tern_qlog_packet_writers[kind] != NULL)
    return tern_qlog_packet_writers[kind];
  if (tern_qlog_conn_writers[kind] != NULL)
    return tern_qlog_conn_writers[kind];
  if (tern_qlog_recovery_writers[kind] != NULL)
    return tern_qlog_recovery_writers[kind];
  if (tern_qlog_h3_writers[kind] != NULL)
    return tern_qlog_h3_writers[kind];
  return log_event;
}

static bool is_last(const tern_event *event)
{
  return event->kind == TERN_EVENT_CONN_STATE &&
         tern_qlog_is_text(event->data.conn_state.state, "closed");
}

/* True if the event has a trace to go to. */
static bool find_trace(tern_qlog *qlog, const tern_event *event)
{
  if (qlog->is_split && event->kind == TERN_EVENT_CONN_STARTED) {
    const tern_event_conn_started *started = &event->data.conn_started;
    if (qlog->ops->begin != NULL)
      qlog->ops->begin(qlog->arg, event->conn, started->remote_cid, started->is_server);
    write_header(qlog, event->conn, started->is_server ? "server" : "client");
  }
  if (!qlog->is_split && !qlog->has_header) {
    qlog->has_header = true;
    write_header(qlog, 0, "unknown");
  }
  return !qlog->is_split || event->conn != 0;
}

static void on_event(void *arg, const tern_event *event)
{
  tern_qlog *qlog = arg;
  /* An endpoint is made before it is told a time: its first events carry none. */
  if (!qlog->is_started && event->time != 0) {
    qlog->is_started = true;
    qlog->start = event->time;
  }
  if (!find_trace(qlog, event))
    return;
  find_writer(event->kind)(qlog, event);
  if (qlog->is_split && is_last(event) && qlog->ops->end != NULL)
    qlog->ops->end(qlog->arg, event->conn);
}

void tern_qlog_init(tern_qlog *qlog, const tern_qlog_ops *ops, void *arg)
{
  memset(qlog, 0, sizeof *qlog);
  qlog->ops = ops;
  qlog->arg = arg;
}

tern_event_subscriber tern_qlog_subscriber(tern_qlog *qlog)
{
  uint64_t mask = tern_event_mask_of_level(TERN_EVENT_LEVEL_TRACE);
  return (tern_event_subscriber){on_event, qlog, mask};
}
