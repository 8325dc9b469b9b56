/* SPDX-License-Identifier: MIT */
/* What an event's struct looks like, for everything that shows events: log, qlog, metrics.
 *
 * Made by scripts/gen_events.py from src/event/events.def and src/event/drops.def: do not edit. */
#include "event/event_table.h"

#include <stddef.h>

/* clang-format off */

static const struct tern_event_field endpoint_started[] = {
    {"version", TERN_EVENT_TYPE_NTEXT, offsetof(tern_event, data.endpoint_started.version)},
    {"tls_library", TERN_EVENT_TYPE_NTEXT, offsetof(tern_event, data.endpoint_started.tls_library)},
    {"is_server", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.endpoint_started.is_server)},
    {"is_client", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.endpoint_started.is_client)},
    {"congestion", TERN_EVENT_TYPE_NTEXT, offsetof(tern_event, data.endpoint_started.congestion)},
    {"idle_timeout_ms", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.endpoint_started.idle_timeout_ms)},
    {"stream_window_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.endpoint_started.stream_window_bytes)},
    {"conn_window_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.endpoint_started.conn_window_bytes)},
    {"conns_max", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.endpoint_started.conns_max)},
    {"mtu_initial_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.endpoint_started.mtu_initial_bytes)},
    {"mtu_max_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.endpoint_started.mtu_max_bytes)},
    {"cid_bytes", TERN_EVENT_TYPE_U8, offsetof(tern_event, data.endpoint_started.cid_bytes)},
    {"pacing", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.endpoint_started.pacing)},
    {"ecn", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.endpoint_started.ecn)},
};

static const struct tern_event_field endpoint_drained[] = {
    {"conns_total", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.endpoint_drained.conns_total)},
};

static const struct tern_event_field io_feature[] = {
    {"feature", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.io_feature.feature)},
    {"is_on", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.io_feature.is_on)},
    {"reason", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.io_feature.reason)},
};

static const struct tern_event_field io_buffer_small[] = {
    {"buffer", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.io_buffer_small.buffer)},
    {"wanted_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.io_buffer_small.wanted_bytes)},
    {"got_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.io_buffer_small.got_bytes)},
    {"sysctl", TERN_EVENT_TYPE_NTEXT, offsetof(tern_event, data.io_buffer_small.sysctl)},
};

static const struct tern_event_field io_drops[] = {
    {"count", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.io_drops.count)},
    {"total", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.io_drops.total)},
};

static const struct tern_event_field io_error[] = {
    {"call", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.io_error.call)},
    {"error", TERN_EVENT_TYPE_U32, offsetof(tern_event, data.io_error.error)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.io_error.remote)},
};

static const struct tern_event_field datagram_received[] = {
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.datagram_received.bytes)},
    {"ecn", TERN_EVENT_TYPE_ECN, offsetof(tern_event, data.datagram_received.ecn)},
    {"local", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.datagram_received.local)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.datagram_received.remote)},
};

static const struct tern_event_field datagram_forwarded[] = {
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.datagram_forwarded.bytes)},
    {"worker", TERN_EVENT_TYPE_U32, offsetof(tern_event, data.datagram_forwarded.worker)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.datagram_forwarded.remote)},
};

static const struct tern_event_field datagram_sent[] = {
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.datagram_sent.bytes)},
    {"ecn", TERN_EVENT_TYPE_ECN, offsetof(tern_event, data.datagram_sent.ecn)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.datagram_sent.remote)},
};

static const struct tern_event_field datagram_dropped[] = {
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.datagram_dropped.bytes)},
    {"reason", TERN_EVENT_TYPE_DROP, offsetof(tern_event, data.datagram_dropped.reason)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.datagram_dropped.remote)},
};

static const struct tern_event_field packet_received[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.packet_received.space)},
    {"number", TERN_EVENT_TYPE_NUMBER, offsetof(tern_event, data.packet_received.number)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.packet_received.bytes)},
    {"is_early", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.packet_received.is_early)},
};

static const struct tern_event_field packet_dropped[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.packet_dropped.space)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.packet_dropped.bytes)},
    {"reason", TERN_EVENT_TYPE_DROP, offsetof(tern_event, data.packet_dropped.reason)},
};

static const struct tern_event_field packet_buffered[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.packet_buffered.space)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.packet_buffered.bytes)},
};

static const struct tern_event_field packet_sent[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.packet_sent.space)},
    {"number", TERN_EVENT_TYPE_NUMBER, offsetof(tern_event, data.packet_sent.number)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.packet_sent.bytes)},
    {"ack_eliciting", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.packet_sent.ack_eliciting)},
    {"in_flight", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.packet_sent.in_flight)},
    {"is_probe", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.packet_sent.is_probe)},
    {"is_early", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.packet_sent.is_early)},
    {"is_mtu_probe", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.packet_sent.is_mtu_probe)},
};

static const struct tern_event_field packet_lost[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.packet_lost.space)},
    {"number", TERN_EVENT_TYPE_NUMBER, offsetof(tern_event, data.packet_lost.number)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.packet_lost.bytes)},
    {"why", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.packet_lost.why)},
};

static const struct tern_event_field packets_acked[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.packets_acked.space)},
    {"largest", TERN_EVENT_TYPE_NUMBER, offsetof(tern_event, data.packets_acked.largest)},
    {"count", TERN_EVENT_TYPE_U32, offsetof(tern_event, data.packets_acked.count)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.packets_acked.bytes)},
    {"delay_ns", TERN_EVENT_TYPE_NS, offsetof(tern_event, data.packets_acked.delay_ns)},
};

static const struct tern_event_field frame_received[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.frame_received.space)},
    {"name", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.frame_received.name)},
    {"type", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.frame_received.type)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.frame_received.bytes)},
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.frame_received.stream)},
    {"offset", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.frame_received.offset)},
    {"wire", TERN_EVENT_TYPE_WIRE, offsetof(tern_event, data.frame_received.wire)},
    {"delay_shift", TERN_EVENT_TYPE_SHIFT, offsetof(tern_event, data.frame_received.delay_shift)},
};

static const struct tern_event_field frame_sent[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.frame_sent.space)},
    {"name", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.frame_sent.name)},
    {"type", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.frame_sent.type)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.frame_sent.bytes)},
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.frame_sent.stream)},
    {"offset", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.frame_sent.offset)},
    {"wire", TERN_EVENT_TYPE_WIRE, offsetof(tern_event, data.frame_sent.wire)},
};

static const struct tern_event_field conn_started[] = {
    {"is_server", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.conn_started.is_server)},
    {"local_cid", TERN_EVENT_TYPE_CID, offsetof(tern_event, data.conn_started.local_cid)},
    {"remote_cid", TERN_EVENT_TYPE_CID, offsetof(tern_event, data.conn_started.remote_cid)},
    {"local", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.conn_started.local)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.conn_started.remote)},
    {"version", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.conn_started.version)},
};

static const struct tern_event_field conn_state[] = {
    {"state", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.conn_state.state)},
};

static const struct tern_event_field params_received[] = {
    {"idle_timeout_ms", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.idle_timeout_ms)},
    {"udp_payload_max", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.udp_payload_max)},
    {"data_max", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.data_max)},
    {"stream_bidi_local", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.stream_bidi_local)},
    {"stream_bidi_remote", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.stream_bidi_remote)},
    {"stream_uni", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.stream_uni)},
    {"streams_bidi", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.streams_bidi)},
    {"streams_uni", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.streams_uni)},
    {"ack_delay_exponent", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.ack_delay_exponent)},
    {"ack_delay_max_ms", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.ack_delay_max_ms)},
    {"cids_max", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.cids_max)},
    {"datagram_max", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.params_received.datagram_max)},
    {"migration_off", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.params_received.migration_off)},
    {"preferred_address", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.params_received.preferred_address)},
};

static const struct tern_event_field tls_complete[] = {
    {"alpn", TERN_EVENT_TYPE_STRING, offsetof(tern_event, data.tls_complete.alpn)},
    {"server_name", TERN_EVENT_TYPE_STRING, offsetof(tern_event, data.tls_complete.server_name)},
    {"cipher", TERN_EVENT_TYPE_NTEXT, offsetof(tern_event, data.tls_complete.cipher)},
    {"group", TERN_EVENT_TYPE_NTEXT, offsetof(tern_event, data.tls_complete.group)},
    {"resumed", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.tls_complete.resumed)},
    {"early_data", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.tls_complete.early_data)},
    {"handshake_ns", TERN_EVENT_TYPE_NS, offsetof(tern_event, data.tls_complete.handshake_ns)},
};

static const struct tern_event_field keys_installed[] = {
    {"level", TERN_EVENT_TYPE_LEVEL, offsetof(tern_event, data.keys_installed.level)},
    {"is_tx", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.keys_installed.is_tx)},
    {"is_server", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.keys_installed.is_server)},
};

static const struct tern_event_field keys_discarded[] = {
    {"level", TERN_EVENT_TYPE_LEVEL, offsetof(tern_event, data.keys_discarded.level)},
};

static const struct tern_event_field key_updated[] = {
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.key_updated.by_peer)},
    {"phase", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.key_updated.phase)},
};

static const struct tern_event_field rtt_updated[] = {
    {"latest_ns", TERN_EVENT_TYPE_NS, offsetof(tern_event, data.rtt_updated.latest_ns)},
    {"smoothed_ns", TERN_EVENT_TYPE_NS, offsetof(tern_event, data.rtt_updated.smoothed_ns)},
    {"variation_ns", TERN_EVENT_TYPE_NS, offsetof(tern_event, data.rtt_updated.variation_ns)},
    {"min_ns", TERN_EVENT_TYPE_NS, offsetof(tern_event, data.rtt_updated.min_ns)},
};

static const struct tern_event_field congestion_state[] = {
    {"state", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.congestion_state.state)},
    {"window_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.congestion_state.window_bytes)},
    {"in_flight_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.congestion_state.in_flight_bytes)},
    {"ssthresh_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.congestion_state.ssthresh_bytes)},
    {"pacing_rate", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.congestion_state.pacing_rate)},
};

static const struct tern_event_field pto_fired[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.pto_fired.space)},
    {"count", TERN_EVENT_TYPE_U32, offsetof(tern_event, data.pto_fired.count)},
};

static const struct tern_event_field persistent_congestion[] = {
    {"period_ns", TERN_EVENT_TYPE_NS, offsetof(tern_event, data.persistent_congestion.period_ns)},
};

static const struct tern_event_field spurious_loss[] = {
    {"space", TERN_EVENT_TYPE_SPACE, offsetof(tern_event, data.spurious_loss.space)},
    {"number", TERN_EVENT_TYPE_NUMBER, offsetof(tern_event, data.spurious_loss.number)},
};

static const struct tern_event_field ecn_state[] = {
    {"state", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.ecn_state.state)},
    {"reason", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.ecn_state.reason)},
};

static const struct tern_event_field mtu_changed[] = {
    {"old_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.mtu_changed.old_bytes)},
    {"new_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.mtu_changed.new_bytes)},
    {"reason", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.mtu_changed.reason)},
};

static const struct tern_event_field route_state[] = {
    {"state", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.route_state.state)},
    {"local", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.route_state.local)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.route_state.remote)},
};

static const struct tern_event_field cid_issued[] = {
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.cid_issued.by_peer)},
    {"sequence", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.cid_issued.sequence)},
    {"cid", TERN_EVENT_TYPE_CID, offsetof(tern_event, data.cid_issued.cid)},
};

static const struct tern_event_field cid_retired[] = {
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.cid_retired.by_peer)},
    {"sequence", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.cid_retired.sequence)},
    {"cid", TERN_EVENT_TYPE_CID, offsetof(tern_event, data.cid_retired.cid)},
};

static const struct tern_event_field stream_opened[] = {
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.stream_opened.stream)},
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.stream_opened.by_peer)},
};

static const struct tern_event_field stream_closed[] = {
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.stream_closed.stream)},
    {"sent_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.stream_closed.sent_bytes)},
    {"received_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.stream_closed.received_bytes)},
    {"is_reset", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.stream_closed.is_reset)},
};

static const struct tern_event_field stream_blocked[] = {
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.stream_blocked.stream)},
    {"by", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.stream_blocked.by)},
    {"limit", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.stream_blocked.limit)},
};

static const struct tern_event_field conn_closed[] = {
    {"kind", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.conn_closed.kind)},
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.conn_closed.by_peer)},
    {"code", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.conn_closed.code)},
    {"code_name", TERN_EVENT_TYPE_NTEXT, offsetof(tern_event, data.conn_closed.code_name)},
    {"frame", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.conn_closed.frame)},
    {"reason", TERN_EVENT_TYPE_STRING, offsetof(tern_event, data.conn_closed.reason)},
};

static const struct tern_event_field version_negotiation_sent[] = {
    {"version", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.version_negotiation_sent.version)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.version_negotiation_sent.remote)},
};

static const struct tern_event_field version_negotiation_received[] = {
    {"versions", TERN_EVENT_TYPE_U32, offsetof(tern_event, data.version_negotiation_received.versions)},
    {"chosen", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.version_negotiation_received.chosen)},
};

static const struct tern_event_field retry_sent[] = {
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.retry_sent.remote)},
    {"new_cid", TERN_EVENT_TYPE_CID, offsetof(tern_event, data.retry_sent.new_cid)},
};

static const struct tern_event_field retry_received[] = {
    {"new_cid", TERN_EVENT_TYPE_CID, offsetof(tern_event, data.retry_received.new_cid)},
    {"token_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.retry_received.token_bytes)},
};

static const struct tern_event_field refusal_sent[] = {
    {"code", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.refusal_sent.code)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.refusal_sent.remote)},
};

static const struct tern_event_field token_received[] = {
    {"bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.token_received.bytes)},
};

static const struct tern_event_field reset_sent[] = {
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.reset_sent.bytes)},
    {"remote", TERN_EVENT_TYPE_ADDR, offsetof(tern_event, data.reset_sent.remote)},
};

static const struct tern_event_field reset_received[] = {
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.reset_received.bytes)},
};

static const struct tern_event_field glitch[] = {
    {"what", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.glitch.what)},
    {"level", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.glitch.level)},
};

static const struct tern_event_field h3_frame_received[] = {
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_frame_received.stream)},
    {"name", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.h3_frame_received.name)},
    {"type", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.h3_frame_received.type)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.h3_frame_received.bytes)},
};

static const struct tern_event_field h3_frame_sent[] = {
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_frame_sent.stream)},
    {"name", TERN_EVENT_TYPE_TEXT, offsetof(tern_event, data.h3_frame_sent.name)},
    {"type", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.h3_frame_sent.type)},
    {"bytes", TERN_EVENT_TYPE_SIZE, offsetof(tern_event, data.h3_frame_sent.bytes)},
};

static const struct tern_event_field h3_stream_type[] = {
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_stream_type.stream)},
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.h3_stream_type.by_peer)},
    {"type", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.h3_stream_type.type)},
};

static const struct tern_event_field h3_settings[] = {
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.h3_settings.by_peer)},
    {"table_capacity", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_settings.table_capacity)},
    {"blocked_streams", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_settings.blocked_streams)},
    {"field_section_max", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_settings.field_section_max)},
    {"extended_connect", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.h3_settings.extended_connect)},
    {"datagrams", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.h3_settings.datagrams)},
};

static const struct tern_event_field h3_request[] = {
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.h3_request.by_peer)},
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_request.stream)},
    {"method", TERN_EVENT_TYPE_STRING, offsetof(tern_event, data.h3_request.method)},
    {"scheme", TERN_EVENT_TYPE_STRING, offsetof(tern_event, data.h3_request.scheme)},
    {"authority", TERN_EVENT_TYPE_STRING, offsetof(tern_event, data.h3_request.authority)},
    {"path", TERN_EVENT_TYPE_STRING, offsetof(tern_event, data.h3_request.path)},
};

static const struct tern_event_field h3_response[] = {
    {"by_peer", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.h3_response.by_peer)},
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_response.stream)},
    {"status", TERN_EVENT_TYPE_U16, offsetof(tern_event, data.h3_response.status)},
};

static const struct tern_event_field h3_closed[] = {
    {"stream", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.h3_closed.stream)},
    {"code", TERN_EVENT_TYPE_HEX64, offsetof(tern_event, data.h3_closed.code)},
    {"sent_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.h3_closed.sent_bytes)},
    {"received_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.h3_closed.received_bytes)},
};

static const struct tern_event_field qpack_state[] = {
    {"is_encoder", TERN_EVENT_TYPE_BOOL, offsetof(tern_event, data.qpack_state.is_encoder)},
    {"inserts", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.qpack_state.inserts)},
    {"known", TERN_EVENT_TYPE_U64, offsetof(tern_event, data.qpack_state.known)},
    {"entries", TERN_EVENT_TYPE_U32, offsetof(tern_event, data.qpack_state.entries)},
    {"used_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.qpack_state.used_bytes)},
    {"capacity_bytes", TERN_EVENT_TYPE_BYTES, offsetof(tern_event, data.qpack_state.capacity_bytes)},
    {"blocked", TERN_EVENT_TYPE_U32, offsetof(tern_event, data.qpack_state.blocked)},
};

const struct tern_event_info tern_event_table[TERN_EVENT_COUNT] = {
    {"endpoint_started", "endpoint", TERN_EVENT_LEVEL_INFO,
     endpoint_started, 14},
    {"endpoint_drained", "endpoint", TERN_EVENT_LEVEL_INFO,
     endpoint_drained, 1},
    {"io_feature", "io", TERN_EVENT_LEVEL_INFO,
     io_feature, 3},
    {"io_buffer_small", "io", TERN_EVENT_LEVEL_WARN,
     io_buffer_small, 4},
    {"io_drops", "io", TERN_EVENT_LEVEL_WARN,
     io_drops, 2},
    {"io_error", "io", TERN_EVENT_LEVEL_WARN,
     io_error, 3},
    {"datagram_received", "transport", TERN_EVENT_LEVEL_TRACE,
     datagram_received, 4},
    {"datagram_forwarded", "transport", TERN_EVENT_LEVEL_DEBUG,
     datagram_forwarded, 3},
    {"datagram_sent", "transport", TERN_EVENT_LEVEL_TRACE,
     datagram_sent, 3},
    {"datagram_dropped", "transport", TERN_EVENT_LEVEL_DEBUG,
     datagram_dropped, 3},
    {"packet_received", "transport", TERN_EVENT_LEVEL_DEBUG,
     packet_received, 4},
    {"packet_dropped", "transport", TERN_EVENT_LEVEL_DEBUG,
     packet_dropped, 3},
    {"packet_buffered", "transport", TERN_EVENT_LEVEL_DEBUG,
     packet_buffered, 2},
    {"packet_sent", "transport", TERN_EVENT_LEVEL_DEBUG,
     packet_sent, 8},
    {"packet_lost", "recovery", TERN_EVENT_LEVEL_DEBUG,
     packet_lost, 4},
    {"packets_acked", "recovery", TERN_EVENT_LEVEL_DEBUG,
     packets_acked, 5},
    {"frame_received", "transport", TERN_EVENT_LEVEL_TRACE,
     frame_received, 8},
    {"frame_sent", "transport", TERN_EVENT_LEVEL_TRACE,
     frame_sent, 7},
    {"conn_started", "transport", TERN_EVENT_LEVEL_INFO,
     conn_started, 6},
    {"conn_state", "transport", TERN_EVENT_LEVEL_INFO,
     conn_state, 1},
    {"params_received", "transport", TERN_EVENT_LEVEL_DEBUG,
     params_received, 14},
    {"tls_complete", "security", TERN_EVENT_LEVEL_INFO,
     tls_complete, 7},
    {"keys_installed", "security", TERN_EVENT_LEVEL_DEBUG,
     keys_installed, 3},
    {"keys_discarded", "security", TERN_EVENT_LEVEL_DEBUG,
     keys_discarded, 1},
    {"key_updated", "security", TERN_EVENT_LEVEL_INFO,
     key_updated, 2},
    {"rtt_updated", "recovery", TERN_EVENT_LEVEL_DEBUG,
     rtt_updated, 4},
    {"congestion_state", "recovery", TERN_EVENT_LEVEL_DEBUG,
     congestion_state, 5},
    {"pto_fired", "recovery", TERN_EVENT_LEVEL_DEBUG,
     pto_fired, 2},
    {"persistent_congestion", "recovery", TERN_EVENT_LEVEL_INFO,
     persistent_congestion, 1},
    {"spurious_loss", "recovery", TERN_EVENT_LEVEL_DEBUG,
     spurious_loss, 2},
    {"ecn_state", "recovery", TERN_EVENT_LEVEL_INFO,
     ecn_state, 2},
    {"mtu_changed", "recovery", TERN_EVENT_LEVEL_INFO,
     mtu_changed, 3},
    {"route_state", "connectivity", TERN_EVENT_LEVEL_INFO,
     route_state, 3},
    {"cid_issued", "connectivity", TERN_EVENT_LEVEL_DEBUG,
     cid_issued, 3},
    {"cid_retired", "connectivity", TERN_EVENT_LEVEL_DEBUG,
     cid_retired, 3},
    {"stream_opened", "transport", TERN_EVENT_LEVEL_DEBUG,
     stream_opened, 2},
    {"stream_closed", "transport", TERN_EVENT_LEVEL_DEBUG,
     stream_closed, 4},
    {"stream_blocked", "transport", TERN_EVENT_LEVEL_DEBUG,
     stream_blocked, 3},
    {"conn_closed", "transport", TERN_EVENT_LEVEL_INFO,
     conn_closed, 6},
    {"version_negotiation_sent", "transport", TERN_EVENT_LEVEL_DEBUG,
     version_negotiation_sent, 2},
    {"version_negotiation_received", "transport", TERN_EVENT_LEVEL_INFO,
     version_negotiation_received, 2},
    {"retry_sent", "transport", TERN_EVENT_LEVEL_DEBUG,
     retry_sent, 2},
    {"retry_received", "transport", TERN_EVENT_LEVEL_INFO,
     retry_received, 2},
    {"refusal_sent", "transport", TERN_EVENT_LEVEL_DEBUG,
     refusal_sent, 2},
    {"token_received", "transport", TERN_EVENT_LEVEL_DEBUG,
     token_received, 1},
    {"reset_sent", "transport", TERN_EVENT_LEVEL_DEBUG,
     reset_sent, 2},
    {"reset_received", "transport", TERN_EVENT_LEVEL_INFO,
     reset_received, 1},
    {"glitch", "transport", TERN_EVENT_LEVEL_DEBUG,
     glitch, 2},
    {"h3_frame_received", "http", TERN_EVENT_LEVEL_TRACE,
     h3_frame_received, 4},
    {"h3_frame_sent", "http", TERN_EVENT_LEVEL_TRACE,
     h3_frame_sent, 4},
    {"h3_stream_type", "http", TERN_EVENT_LEVEL_DEBUG,
     h3_stream_type, 3},
    {"h3_settings", "http", TERN_EVENT_LEVEL_DEBUG,
     h3_settings, 6},
    {"h3_request", "http", TERN_EVENT_LEVEL_INFO,
     h3_request, 6},
    {"h3_response", "http", TERN_EVENT_LEVEL_INFO,
     h3_response, 3},
    {"h3_closed", "http", TERN_EVENT_LEVEL_INFO,
     h3_closed, 4},
    {"qpack_state", "http", TERN_EVENT_LEVEL_TRACE,
     qpack_state, 7},
};
