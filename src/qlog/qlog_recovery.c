/* SPDX-License-Identifier: MIT */
/* RTT, window, losses, timers, ECN. */
#include <string.h>

#include "qlog/qlog.h"

#define NOT_SET UINT64_MAX

static const char *get_space(uint8_t space)
{
  static const char *const names[] = {"initial", "handshake", "application_data"};
  return names[space < 3 ? space : 2];
}

static void on_rtt_updated(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_rtt_updated *rtt = &event->data.rtt_updated;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:recovery_metrics_updated");
  tern_qjson_ms(&record.json, "min_rtt", rtt->min_ns);
  tern_qjson_ms(&record.json, "smoothed_rtt", rtt->smoothed_ns);
  tern_qjson_ms(&record.json, "latest_rtt", rtt->latest_ns);
  tern_qjson_ms(&record.json, "rtt_variance", rtt->variation_ns);
  tern_qlog_end(&record);
}

/* The state is a controller's constant text: told once as long as it is the same. */
static void write_state(tern_qlog *qlog, const tern_event *event, const char *state)
{
  struct tern_qlog_record record;
  bool is_same = qlog->state_conn == event->conn && qlog->state == state;
  if (state == NULL || is_same)
    return;
  qlog->state_conn = event->conn;
  qlog->state = state;
  tern_qlog_begin(&record, qlog, event, "quic:congestion_state_updated");
  tern_qjson_string(&record.json, "new", state);
  tern_qlog_end(&record);
}

static void on_congestion_state(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_congestion_state *now = &event->data.congestion_state;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:recovery_metrics_updated");
  tern_qjson_u64(&record.json, "congestion_window", now->window_bytes);
  tern_qjson_u64(&record.json, "bytes_in_flight", now->in_flight_bytes);
  if (now->ssthresh_bytes != NOT_SET)
    tern_qjson_u64(&record.json, "ssthresh", now->ssthresh_bytes);
  if (now->pacing_rate != 0 && now->pacing_rate < UINT64_MAX / 8)
    tern_qjson_u64(&record.json, "pacing_rate", now->pacing_rate * 8);
  tern_qlog_end(&record);
  write_state(qlog, event, now->state);
}

static void on_packet_lost(tern_qlog *qlog, const tern_event *event)
{
  static const char *const types[] = {"initial", "handshake", "1RTT"};
  const tern_event_packet_lost *lost = &event->data.packet_lost;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:packet_lost");
  tern_qjson_open(&record.json, "header", '{');
  tern_qjson_string(&record.json, "packet_type", types[lost->space < 3 ? lost->space : 2]);
  tern_qjson_u64(&record.json, "packet_number", lost->number);
  tern_qjson_close(&record.json, '}');
  if (tern_qlog_is_text(lost->why, "mtu_probe"))
    tern_qjson_bool(&record.json, "is_mtu_probe_packet", true);
  if (tern_qlog_is_text(lost->why, "reordering"))
    tern_qjson_string(&record.json, "trigger", "reordering_threshold");
  if (tern_qlog_is_text(lost->why, "time"))
    tern_qjson_string(&record.json, "trigger", "time_threshold");
  tern_qlog_end(&record);
}

/* Which ones is in the ACK frame. */
static void on_packets_acked(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_packets_acked *acked = &event->data.packets_acked;
  struct tern_qlog_record record;
  if (acked->count == 0)
    return;
  tern_qlog_begin(&record, qlog, event, "quic:packets_acked");
  tern_qjson_string(&record.json, "packet_number_space", get_space(acked->space));
  if (acked->count == 1) {
    tern_qjson_open(&record.json, "packet_numbers", '[');
    tern_qjson_u64(&record.json, NULL, acked->largest);
    tern_qjson_close(&record.json, ']');
  }
  tern_qlog_end(&record);
}

static void on_pto_fired(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_pto_fired *fired = &event->data.pto_fired;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:timer_updated");
  tern_qjson_string(&record.json, "timer_type", "pto");
  tern_qjson_string(&record.json, "packet_number_space", get_space(fired->space));
  tern_qjson_string(&record.json, "event_type", "expired");
  tern_qlog_end(&record);
  tern_qlog_begin(&record, qlog, event, "quic:recovery_metrics_updated");
  tern_qjson_u64(&record.json, "pto_count", fired->count < UINT16_MAX ? fired->count : UINT16_MAX);
  tern_qlog_end(&record);
}

static void on_persistent_congestion(tern_qlog *qlog, const tern_event *event)
{
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:congestion_state_updated");
  tern_qjson_string(&record.json, "new", "persistent_congestion");
  tern_qjson_string(&record.json, "trigger", "persistent_congestion");
  tern_qlog_end(&record);
  qlog->state = NULL;
}

static void on_ecn_state(tern_qlog *qlog, const tern_event *event)
{
  static const char *const states[] = {"testing", "unknown", "failed", "capable"};
  struct tern_qlog_record record;
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
    if (!tern_qlog_is_text(event->data.ecn_state.state, states[i]))
      continue;
    tern_qlog_begin(&record, qlog, event, "quic:ecn_state_updated");
    tern_qjson_string(&record.json, "new", states[i]);
    tern_qlog_end(&record);
  }
}

tern_qlog_writer *const tern_qlog_recovery_writers[TERN_EVENT_COUNT] = {
    [TERN_EVENT_RTT_UPDATED] = on_rtt_updated,
    [TERN_EVENT_CONGESTION_STATE] = on_congestion_state,
    [TERN_EVENT_PACKET_LOST] = on_packet_lost,
    [TERN_EVENT_PACKETS_ACKED] = on_packets_acked,
    [TERN_EVENT_PTO_FIRED] = on_pto_fired,
    [TERN_EVENT_PERSISTENT_CONGESTION] = on_persistent_congestion,
    [TERN_EVENT_ECN_STATE] = on_ecn_state,
};
