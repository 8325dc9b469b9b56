/* SPDX-License-Identifier: MIT */
/* Life of a connection, its keys, parameters, ids, addresses and streams. */
#include <stdio.h>
#include <string.h>

#include "qlog/qlog.h"

static const char *get_initiator(bool by_peer)
{
  return by_peer ? "remote" : "local";
}

static void write_tuple(struct tern_qjson *json, const char *name, const tern_addr *addr,
                        const tern_slice *cid)
{
  char text[TERN_ADDR_TEXT_MAX];
  tern_qjson_open(json, name, '{');
  if (addr->family == 4 || addr->family == 6) {
    tern_addr bare = *addr;
    char *port = tern_addr_format(&bare, text, sizeof text) + strlen(text);
    while (port > text && *port != ':')
      port--;
    size_t skip = addr->family == 6; /* [::1]:443 */
    tern_slice ip = tern_slice_of(text + skip, (size_t)(port - text) - 2 * skip);
    tern_qjson_slice(json, addr->family == 4 ? "ip_v4" : "ip_v6", ip);
    tern_qjson_u64(json, addr->family == 4 ? "port_v4" : "port_v6", addr->port);
  }
  if (cid != NULL) {
    tern_qjson_open(json, "connection_ids", '[');
    tern_qjson_hex(json, NULL, *cid);
    tern_qjson_close(json, ']');
  }
  tern_qjson_close(json, '}');
}

static void write_state(tern_qlog *qlog, const tern_event *event, const char *state)
{
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:connection_state_updated");
  tern_qjson_string(&record.json, "new", state);
  tern_qlog_end(&record);
}

static void write_version(tern_qlog *qlog, const tern_event *event, uint64_t version)
{
  struct tern_qlog_record record;
  uint8_t bytes[4] = {(uint8_t)(version >> 24), (uint8_t)(version >> 16), (uint8_t)(version >> 8),
                      (uint8_t)version};
  tern_qlog_begin(&record, qlog, event, "quic:version_information");
  tern_qjson_hex(&record.json, "chosen_version", tern_slice_of(bytes, sizeof bytes));
  tern_qlog_end(&record);
}

static void on_conn_started(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_conn_started *started = &event->data.conn_started;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:connection_started");
  write_tuple(&record.json, "local", &started->local, &started->local_cid);
  write_tuple(&record.json, "remote", &started->remote, &started->remote_cid);
  tern_qlog_end(&record);
  write_state(qlog, event, "attempted");
  write_version(qlog, event, started->version);
}

static void on_conn_state(tern_qlog *qlog, const tern_event *event)
{
  static const char *const names[][2] = {{"validated", "peer_validated"},
                                         {"confirmed", "handshake_confirmed"},
                                         {"closing", "closing"},
                                         {"draining", "draining"},
                                         {"closed", "closed"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (tern_qlog_is_text(event->data.conn_state.state, names[i][0]))
      write_state(qlog, event, names[i][1]);
}

static const char *get_close_trigger(const char *kind, bool by_peer)
{
  static const char *const triggers[][2] = {
      {"application", "application"}, {"transport", "error"}, {"tls", "error"},
      {"idle", "idle_timeout"},       {"local", "aborted"},   {"reset", "stateless_reset"},
      {"version", "version_mismatch"}};
  for (size_t i = 0; i < sizeof triggers / sizeof triggers[0]; i++)
    if (tern_qlog_is_text(kind, triggers[i][0]) && !(by_peer && i == 4))
      return triggers[i][1];
  return "unspecified";
}

static void on_conn_closed(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_conn_closed *closed = &event->data.conn_closed;
  struct tern_qlog_record record;
  tern_qlog_flush_frames(qlog, event); /* a bad packet's, up to the one that was wrong */
  tern_qlog_begin(&record, qlog, event, "quic:connection_closed");
  tern_qjson_string(&record.json, "initiator", get_initiator(closed->by_peer));
  if (tern_qlog_is_text(closed->kind, "application"))
    tern_qlog_write_application_error(&record.json, "application_error", closed->code);
  else if (tern_qlog_is_text(closed->kind, "transport") || tern_qlog_is_text(closed->kind, "tls"))
    tern_qlog_write_transport_error(&record.json, "connection_error", closed->code);
  tern_qjson_slice(&record.json, "reason", closed->reason);
  tern_qjson_string(&record.json, "trigger", get_close_trigger(closed->kind, closed->by_peer));
  tern_qlog_end(&record);
}

/* ---- parameters, TLS, keys ------------------------------------------------------------------- */

static void on_params_received(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_params_received *params = &event->data.params_received;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:parameters_set");
  struct tern_qjson *json = &record.json;
  tern_qjson_string(json, "initiator", "remote");
  tern_qjson_bool(json, "disable_active_migration", params->migration_off);
  tern_qjson_u64(json, "max_idle_timeout", params->idle_timeout_ms);
  tern_qjson_u64(json, "max_udp_payload_size", params->udp_payload_max);
  tern_qjson_u64(json, "ack_delay_exponent", params->ack_delay_exponent);
  tern_qjson_u64(json, "max_ack_delay", params->ack_delay_max_ms);
  tern_qjson_u64(json, "active_connection_id_limit", params->cids_max);
  tern_qjson_u64(json, "initial_max_data", params->data_max);
  tern_qjson_u64(json, "initial_max_stream_data_bidi_local", params->stream_bidi_local);
  tern_qjson_u64(json, "initial_max_stream_data_bidi_remote", params->stream_bidi_remote);
  tern_qjson_u64(json, "initial_max_stream_data_uni", params->stream_uni);
  tern_qjson_u64(json, "initial_max_streams_bidi", params->streams_bidi);
  tern_qjson_u64(json, "initial_max_streams_uni", params->streams_uni);
  tern_qjson_u64(json, "max_datagram_frame_size", params->datagram_max);
  tern_qlog_end(&record);
}

static void on_tls_complete(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_tls_complete *complete = &event->data.tls_complete;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:alpn_information");
  tern_qjson_open(&record.json, "chosen_alpn", '{');
  tern_qjson_hex(&record.json, "byte_value", complete->alpn);
  tern_qjson_slice(&record.json, "string_value", complete->alpn);
  tern_qjson_close(&record.json, '}');
  tern_qlog_end(&record);
  tern_qlog_begin(&record, qlog, event, "quic:parameters_set");
  tern_qjson_bool(&record.json, "early_data_enabled", complete->early_data);
  if (complete->cipher != NULL)
    tern_qjson_string(&record.json, "tls_cipher", complete->cipher);
  tern_qlog_end(&record);
  write_state(qlog, event, "handshake_complete");
}

static const char *get_key_type(uint8_t level, bool is_server)
{
  static const char *const names[][2] = {{"client_initial_secret", "server_initial_secret"},
                                         {"client_0rtt_secret", "server_0rtt_secret"},
                                         {"client_handshake_secret", "server_handshake_secret"},
                                         {"client_1rtt_secret", "server_1rtt_secret"}};
  return names[level & 3][is_server];
}

static void on_keys_installed(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_keys_installed *keys = &event->data.keys_installed;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:key_updated");
  tern_qjson_string(&record.json, "key_type",
                    get_key_type(keys->level, keys->is_server == keys->is_tx));
  tern_qjson_string(&record.json, "trigger", "tls");
  tern_qlog_end(&record);
}

static void on_keys_discarded(tern_qlog *qlog, const tern_event *event)
{
  struct tern_qlog_record record;
  for (int is_server = 0; is_server < 2; is_server++) {
    tern_qlog_begin(&record, qlog, event, "quic:key_discarded");
    tern_qjson_string(&record.json, "key_type",
                      get_key_type(event->data.keys_discarded.level, is_server != 0));
    tern_qjson_string(&record.json, "trigger", "tls");
    tern_qlog_end(&record);
  }
}

static void on_key_updated(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_key_updated *updated = &event->data.key_updated;
  struct tern_qlog_record record;
  for (int is_server = 0; is_server < 2; is_server++) {
    tern_qlog_begin(&record, qlog, event, "quic:key_updated");
    tern_qjson_string(&record.json, "key_type", get_key_type(3, is_server != 0));
    tern_qjson_u64(&record.json, "key_phase", updated->phase);
    tern_qjson_string(&record.json, "trigger", updated->by_peer ? "remote_update" : "local_update");
    tern_qlog_end(&record);
  }
}

/* ---- ids and addresses ----------------------------------------------------------------------- */

static void on_cid_issued(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_cid_issued *issued = &event->data.cid_issued;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:connection_id_updated");
  tern_qjson_string(&record.json, "initiator", get_initiator(issued->by_peer));
  tern_qjson_hex(&record.json, "new", issued->cid);
  tern_qlog_end(&record);
}

static void on_cid_retired(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_cid_retired *retired = &event->data.cid_retired;
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:connection_id_updated");
  tern_qjson_string(&record.json, "initiator", get_initiator(retired->by_peer));
  tern_qjson_hex(&record.json, "old", retired->cid);
  tern_qlog_end(&record);
}

static void on_route_state(tern_qlog *qlog, const tern_event *event)
{
  static const char *const names[][2] = {
      {"new", "probing_started"},         {"validated", "probing_successful"},
      {"failed", "probing_abandoned"},    {"migrated", "migration_started"},
      {"complete", "migration_complete"}, {"abandoned", "migration_abandoned"}};
  const tern_event_route_state *route = &event->data.route_state;
  struct tern_qlog_record record;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (!tern_qlog_is_text(route->state, names[i][0]))
      continue;
    tern_qlog_begin(&record, qlog, event, "quic:migration_state_updated");
    tern_qjson_string(&record.json, "new", names[i][1]);
    write_tuple(&record.json, "tuple_remote", &route->remote, NULL);
    write_tuple(&record.json, "tuple_local", &route->local, NULL);
    tern_qlog_end(&record);
  }
}

static void on_mtu_changed(tern_qlog *qlog, const tern_event *event)
{
  struct tern_qlog_record record;
  tern_qlog_begin(&record, qlog, event, "quic:mtu_updated");
  tern_qjson_u64(&record.json, "old", event->data.mtu_changed.old_bytes);
  tern_qjson_u64(&record.json, "new", event->data.mtu_changed.new_bytes);
  tern_qlog_end(&record);
}

/* ---- streams --------------------------------------------------------------------------------- */

struct stream_change {
  uint64_t id;
  const char *state;
  bool is_sending;
};

static void write_stream(tern_qlog *qlog, const tern_event *event,
                         const struct stream_change *change)
{
  struct tern_qlog_record record;
  bool is_uni = (change->id & 2) != 0; /* [rfc9000-2.1] */
  tern_qlog_begin(&record, qlog, event, "quic:stream_state_updated");
  tern_qjson_u64(&record.json, "stream_id", change->id);
  tern_qjson_string(&record.json, "stream_type", is_uni ? "unidirectional" : "bidirectional");
  tern_qjson_string(&record.json, "new", change->state);
  tern_qjson_string(&record.json, "stream_side", change->is_sending ? "sending" : "receiving");
  tern_qlog_end(&record);
}

static void on_stream_opened(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_stream_opened *opened = &event->data.stream_opened;
  struct stream_change change = {opened->stream, "open", !opened->by_peer};
  write_stream(qlog, event, &change);
  change.is_sending = !change.is_sending;
  if ((opened->stream & 2) == 0)
    write_stream(qlog, event, &change);
}

static void on_stream_closed(tern_qlog *qlog, const tern_event *event)
{
  const tern_event_stream_closed *closed = &event->data.stream_closed;
  struct stream_change change = {closed->stream, "closed", true};
  bool is_uni = (closed->stream & 2) != 0;
  if (!is_uni || closed->sent_bytes != 0)
    write_stream(qlog, event, &change);
  change.is_sending = false;
  if (!is_uni || closed->sent_bytes == 0)
    write_stream(qlog, event, &change);
}

tern_qlog_writer *const tern_qlog_conn_writers[TERN_EVENT_COUNT] = {
    [TERN_EVENT_CONN_STARTED] = on_conn_started,
    [TERN_EVENT_CONN_STATE] = on_conn_state,
    [TERN_EVENT_CONN_CLOSED] = on_conn_closed,
    [TERN_EVENT_PARAMS_RECEIVED] = on_params_received,
    [TERN_EVENT_TLS_COMPLETE] = on_tls_complete,
    [TERN_EVENT_KEYS_INSTALLED] = on_keys_installed,
    [TERN_EVENT_KEYS_DISCARDED] = on_keys_discarded,
    [TERN_EVENT_KEY_UPDATED] = on_key_updated,
    [TERN_EVENT_CID_ISSUED] = on_cid_issued,
    [TERN_EVENT_CID_RETIRED] = on_cid_retired,
    [TERN_EVENT_ROUTE_STATE] = on_route_state,
    [TERN_EVENT_MTU_CHANGED] = on_mtu_changed,
    [TERN_EVENT_STREAM_OPENED] = on_stream_opened,
    [TERN_EVENT_STREAM_CLOSED] = on_stream_closed,
};
