/* SPDX-License-Identifier: MIT */
/* Packets, datagrams, and packets that no connection has. */
#include "qlog/qlog.h"

static const char *get_packet_type(uint8_t space)
{
  static const char *const names[] = {"initial", "handshake", "1RTT"};
  return space < sizeof names / sizeof names[0] ? names[space] : "unknown";
}

static void write_header(struct tern_qjson *json, const char *type, const uint64_t *number)
{
  tern_qjson_open(json, "header", '{');
  tern_qjson_string(json, "packet_type", type);
  if (number != NULL)
    tern_qjson_u64(json, "packet_number", *number);
  tern_qjson_close(json, '}');
}

static void on_packet_sent(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_packet_sent *sent = &event->data.packet_sent;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:packet_sent");
  write_header(&record.json, sent->is_early ? "0RTT" : get_packet_type(sent->space), &sent->number);
  tern_qlog_take_frames(&record, true);
  tern_qlog_write_raw(&record.json, sent->bytes);
  if (sent->is_mtu_probe)
    tern_qjson_bool(&record.json, "is_mtu_probe_packet", true);
  else if (sent->is_probe)
    tern_qjson_string(&record.json, "trigger", "pto_probe");
  tern_qlog_end(&record);
}

static void on_packet_received(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_packet_received *received = &event->data.packet_received;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:packet_received");
  write_header(&record.json, received->is_early ? "0RTT" : get_packet_type(received->space),
               &received->number);
  tern_qlog_take_frames(&record, false);
  tern_qlog_write_raw(&record.json, received->bytes);
  tern_qlog_end(&record);
}

/* Our reasons are finer than the schema's; ours are in `details`. */
static const char *get_drop_trigger(enum tern_drop_reason reason)
{
  switch ((int)reason) {
  case TERN_DROP_DUPLICATE:
  case TERN_DROP_REPLY_DUPLICATE:
    return "duplicate";
  case TERN_DROP_UNKNOWN_VERSION:
    return "unsupported";
  case TERN_DROP_UNKNOWN_CID:
  case TERN_DROP_NOT_INITIAL:
    return "connection_unknown";
  case TERN_DROP_NO_MEMORY:
    return "internal_error";
  case TERN_DROP_REFUSED:
  case TERN_DROP_LIMIT_CONNS:
  case TERN_DROP_ENDPOINT_DRAINING:
    return "rejected";
  case TERN_DROP_EMPTY:
  case TERN_DROP_TOO_SHORT:
  case TERN_DROP_NOT_QUIC:
  case TERN_DROP_HEADER_MALFORMED:
  case TERN_DROP_LENGTH_MALFORMED:
    return "invalid";
  }
  return "general";
}

static void on_packet_dropped(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_packet_dropped *dropped = &event->data.packet_dropped;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:packet_dropped");
  write_header(&record.json, get_packet_type(dropped->space), NULL);
  tern_qlog_write_raw(&record.json, dropped->bytes);
  tern_qjson_open(&record.json, "details", '{');
  tern_qjson_string(&record.json, "reason", tern_drop_reason_name(dropped->reason));
  tern_qjson_close(&record.json, '}');
  tern_qjson_string(&record.json, "trigger", get_drop_trigger(dropped->reason));
  tern_qlog_end(&record);
}

static void on_packet_buffered(tern_qlog *qlog, const tern_event *event)
{
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:packet_buffered");
  write_header(&record.json, get_packet_type(event->data.packet_buffered.space), NULL);
  tern_qlog_write_raw(&record.json, event->data.packet_buffered.bytes);
  tern_qjson_string(&record.json, "trigger", "keys_unavailable");
  tern_qlog_end(&record);
}

static void on_frame_sent(tern_qlog *qlog, const tern_event *event)
{
  tern_qlog_add_frame(qlog, event, event->data.frame_sent.wire, TERN_QLOG_OWN_DELAY_SHIFT);
}

static void on_frame_received(tern_qlog *qlog, const tern_event *event)
{
  tern_qlog_add_frame(qlog, event, event->data.frame_received.wire,
                      event->data.frame_received.delay_shift);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

struct datagram {
  const char *name;
  uint64_t bytes;
  uint8_t ecn;
};

static void write_datagram(tern_qlog *qlog, const tern_event *event,
                           const struct datagram *datagram)
{
  static const char *const marks[] = {"Not-ECT", "ECT(1)", "ECT(0)", "CE"};
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, datagram->name);
  tern_qjson_u64(&record.json, "count", 1);
  tern_qjson_open(&record.json, "raw", '[');
  tern_qjson_open(&record.json, NULL, '{');
  tern_qjson_u64(&record.json, "length", datagram->bytes);
  tern_qjson_close(&record.json, '}');
  tern_qjson_close(&record.json, ']');
  tern_qjson_open(&record.json, "ecn", '[');
  tern_qjson_string(&record.json, NULL, marks[datagram->ecn & 3]);
  tern_qjson_close(&record.json, ']');
  tern_qlog_end(&record);
}

static void on_datagram_sent(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_datagram_sent *sent = &event->data.datagram_sent;
  struct datagram datagram = {"quic:udp_datagrams_sent", sent->bytes, sent->ecn};
  write_datagram(qlog, event, &datagram);
}

static void on_datagram_received(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_datagram_received *received = &event->data.datagram_received;
  struct datagram datagram = {"quic:udp_datagrams_received", received->bytes, received->ecn};
  write_datagram(qlog, event, &datagram);
}

static void on_datagram_dropped(tern_qlog *qlog, const tern_event *event)
{
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:udp_datagram_dropped");
  tern_qlog_write_raw(&record.json, event->data.datagram_dropped.bytes);
  tern_qlog_end(&record);
}

/* ---- packets without protection ------------------------------------------------------------------ */

static void write_plain(tern_qlog *qlog, const tern_event *event, const char *name,
                        const char *type)
{
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, name);
  tern_qjson_open(&record.json, "header", '{');
  tern_qjson_string(&record.json, "packet_type", type);
  tern_qjson_close(&record.json, '}');
  tern_qlog_end(&record);
}

static void on_version_negotiation_sent(tern_qlog *qlog, const tern_event *event)
{
  write_plain(qlog, event, "quic:packet_sent", "version_negotiation");
}

static void on_version_negotiation_received(tern_qlog *qlog, const tern_event *event)
{
  write_plain(qlog, event, "quic:packet_received", "version_negotiation");
}

static void on_retry_sent(tern_qlog *qlog, const tern_event *event)
{
  write_plain(qlog, event, "quic:packet_sent", "retry");
}

static void on_retry_received(tern_qlog *qlog, const tern_event *event)
{
  write_plain(qlog, event, "quic:packet_received", "retry");
}

static void on_reset_sent(tern_qlog *qlog, const tern_event *event)
{
  write_plain(qlog, event, "quic:packet_sent", "stateless_reset");
}

static void on_reset_received(tern_qlog *qlog, const tern_event *event)
{
  write_plain(qlog, event, "quic:packet_received", "stateless_reset");
}

tern_qlog_writer *const tern_qlog_packet_writers[TERN_EVENT_COUNT] = {
    [TERN_EVENT_PACKET_SENT] = on_packet_sent,
    [TERN_EVENT_PACKET_RECEIVED] = on_packet_received,
    [TERN_EVENT_PACKET_DROPPED] = on_packet_dropped,
    [TERN_EVENT_PACKET_BUFFERED] = on_packet_buffered,
    [TERN_EVENT_FRAME_SENT] = on_frame_sent,
    [TERN_EVENT_FRAME_RECEIVED] = on_frame_received,
    [TERN_EVENT_DATAGRAM_SENT] = on_datagram_sent,
    [TERN_EVENT_DATAGRAM_RECEIVED] = on_datagram_received,
    [TERN_EVENT_DATAGRAM_DROPPED] = on_datagram_dropped,
    [TERN_EVENT_VERSION_NEGOTIATION_SENT] = on_version_negotiation_sent,
    [TERN_EVENT_VERSION_NEGOTIATION_RECEIVED] = on_version_negotiation_received,
    [TERN_EVENT_RETRY_SENT] = on_retry_sent,
    [TERN_EVENT_RETRY_RECEIVED] = on_retry_received,
    [TERN_EVENT_RESET_SENT] = on_reset_sent,
    [TERN_EVENT_RESET_RECEIVED] = on_reset_received,
};
