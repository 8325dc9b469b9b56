/* SPDX-License-Identifier: MIT */
/* Frames, read again from their bytes: so each has all its members, whichever side wrote it, and the
 * transport shows a slice and no more. */
#include <inttypes.h>
#include <stdio.h>

#include "qlog/qlog.h"
#include "wire/frame_read.h"

#define RANGES_MAX 64 /* ranges of an ACK frame that are written; the newest */

/* ---- errors ---------------------------------------------------------------------------------- */

void tern_qlog_write_transport_error(struct tern_qjson *json, const char *name, uint64_t code)
{
  static const char *const names[] = {"no_error",
                                      "internal_error",
                                      "connection_refused",
                                      "flow_control_error",
                                      "stream_limit_error",
                                      "stream_state_error",
                                      "final_size_error",
                                      "frame_encoding_error",
                                      "transport_parameter_error",
                                      "connection_id_limit_error",
                                      "protocol_violation",
                                      "invalid_token",
                                      "application_error",
                                      "crypto_buffer_exceeded",
                                      "key_update_error",
                                      "aead_limit_reached",
                                      "no_viable_path"};
  char crypto[24];
  if (code < sizeof names / sizeof names[0]) {
    tern_qjson_string(json, name, names[code]);
    return;
  }
  if (code >= TERN_QUIC_CRYPTO_BASE && code < TERN_QUIC_CRYPTO_BASE + 0x100) {
    snprintf(crypto, sizeof crypto, "crypto_error_0x%" PRIx64, code);
    tern_qjson_string(json, name, crypto);
    return;
  }
  tern_qjson_string(json, name, "unknown");
  tern_qjson_u64(json, "error_code", code);
}

/* The names are HTTP/3's: it is what nearly all connections carry, and no other application's codes
 * begin at 0x100 by chance. */
void tern_qlog_write_application_error(struct tern_qjson *json, const char *name, uint64_t code)
{
  static const char *const names[] = {"http_no_error",
                                      "http_general_protocol_error",
                                      "http_internal_error",
                                      "http_stream_creation_error",
                                      "http_closed_critical_stream",
                                      "http_frame_unexpected",
                                      "http_frame_error",
                                      "http_excessive_load",
                                      "http_id_error",
                                      "http_settings_error",
                                      "http_missing_settings",
                                      "http_request_rejected",
                                      "http_request_cancelled",
                                      "http_request_incomplete",
                                      NULL, /* H3_MESSAGE_ERROR: the draft forgot it */
                                      "http_connect_error",
                                      "http_version_fallback"};
  uint64_t index = code - 0x100;
  if (code >= 0x100 && index < sizeof names / sizeof names[0] && names[index] != NULL) {
    tern_qjson_string(json, name, names[index]);
    return;
  }
  tern_qjson_string(json, name, "unknown");
  tern_qjson_u64(json, "error_code", code);
}

void tern_qlog_write_raw(struct tern_qjson *json, uint64_t bytes)
{
  tern_qjson_open(json, "raw", '{');
  tern_qjson_u64(json, "length", bytes);
  tern_qjson_close(json, '}');
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void write_payload(struct tern_qjson *json, uint64_t bytes, uint64_t payload_bytes)
{
  tern_qjson_open(json, "raw", '{');
  tern_qjson_u64(json, "length", bytes);
  tern_qjson_u64(json, "payload_length", payload_bytes);
  tern_qjson_close(json, '}');
}

static void write_ack(struct tern_qjson *json, const struct tern_frame *frame, uint8_t shift)
{
  struct tern_ack_iter iter;
  struct tern_range range;
  uint64_t raw = frame->u.ack.delay < UINT32_MAX ? frame->u.ack.delay : UINT32_MAX;
  tern_qjson_ms(json, "ack_delay", (raw << (shift & 31)) * 1000);
  tern_qjson_open(json, "acked_ranges", '[');
  tern_ack_iter_init(&iter, frame);
  for (size_t i = 0; i < RANGES_MAX && tern_ack_iter_next(&iter, &range); i++) {
    tern_qjson_open(json, NULL, '[');
    tern_qjson_u64(json, NULL, range.start);
    if (range.end - range.start > 1)
      tern_qjson_u64(json, NULL, range.end - 1);
    tern_qjson_close(json, ']');
  }
  tern_qjson_close(json, ']');
  if (!frame->u.ack.has_ecn)
    return;
  tern_qjson_u64(json, "ect1", frame->u.ack.ect1);
  tern_qjson_u64(json, "ect0", frame->u.ack.ect0);
  tern_qjson_u64(json, "ce", frame->u.ack.ce);
}

static void write_new_cid(struct tern_qjson *json, const struct tern_frame *frame)
{
  tern_qjson_u64(json, "sequence_number", frame->u.new_connection_id.sequence);
  tern_qjson_u64(json, "retire_prior_to", frame->u.new_connection_id.retire_prior_to);
  tern_qjson_u64(json, "connection_id_length", frame->u.new_connection_id.cid.len);
  tern_qjson_hex(json, "connection_id", tern_cid_slice(&frame->u.new_connection_id.cid));
}

static void write_close(struct tern_qjson *json, const struct tern_frame *frame)
{
  bool is_application = frame->u.connection_close.is_application;
  tern_qjson_string(json, "error_space", is_application ? "application" : "transport");
  if (is_application)
    tern_qlog_write_application_error(json, "error", frame->u.connection_close.code);
  else
    tern_qlog_write_transport_error(json, "error", frame->u.connection_close.code);
  tern_qjson_slice(json, "reason", frame->u.connection_close.reason);
  if (!is_application)
    tern_qjson_u64(json, "trigger_frame_type", frame->u.connection_close.frame_type);
}

static void write_stream(struct tern_qjson *json, const struct tern_frame *frame)
{
  tern_qjson_u64(json, "stream_id", frame->u.stream.stream_id);
  tern_qjson_u64(json, "offset", frame->u.stream.offset);
  if (frame->u.stream.is_fin)
    tern_qjson_bool(json, "fin", true);
}

static void write_stream_type(struct tern_qjson *json, bool is_bidi)
{
  tern_qjson_string(json, "stream_type", is_bidi ? "bidirectional" : "unidirectional");
}

static void write_token(struct tern_qjson *json, const struct tern_frame *frame)
{
  tern_qjson_open(json, "token", '{');
  tern_qjson_string(json, "type", "resumption");
  tern_qlog_write_raw(json, frame->u.new_token.token.len);
  tern_qjson_close(json, '}');
}

/* Frames about a stream. False if it is no such frame. */
static bool write_of_stream(struct tern_qjson *json, const struct tern_frame *frame)
{
  switch ((int)frame->kind) {
  case TERN_FRAME_RESET_STREAM:
    tern_qjson_u64(json, "stream_id", frame->u.reset_stream.stream_id);
    tern_qlog_write_application_error(json, "error", frame->u.reset_stream.code);
    tern_qjson_u64(json, "final_size", frame->u.reset_stream.final_size);
    return true;
  case TERN_FRAME_STOP_SENDING:
    tern_qjson_u64(json, "stream_id", frame->u.stop_sending.stream_id);
    tern_qlog_write_application_error(json, "error", frame->u.stop_sending.code);
    return true;
  case TERN_FRAME_STREAM:
    write_stream(json, frame);
    return true;
  case TERN_FRAME_MAX_STREAM_DATA:
    tern_qjson_u64(json, "stream_id", frame->u.max_stream_data.stream_id);
    tern_qjson_u64(json, "maximum", frame->u.max_stream_data.limit);
    return true;
  case TERN_FRAME_STREAM_DATA_BLOCKED:
    tern_qjson_u64(json, "stream_id", frame->u.stream_data_blocked.stream_id);
    tern_qjson_u64(json, "limit", frame->u.stream_data_blocked.limit);
    return true;
  case TERN_FRAME_MAX_STREAMS:
    write_stream_type(json, frame->u.max_streams.is_bidi);
    tern_qjson_u64(json, "maximum", frame->u.max_streams.limit);
    return true;
  case TERN_FRAME_STREAMS_BLOCKED:
    write_stream_type(json, frame->u.streams_blocked.is_bidi);
    tern_qjson_u64(json, "limit", frame->u.streams_blocked.limit);
    return true;
  }
  return false;
}

static void write_of_conn(struct tern_qjson *json, const struct tern_frame *frame)
{
  switch ((int)frame->kind) {
  case TERN_FRAME_CRYPTO:
    tern_qjson_u64(json, "offset", frame->u.crypto.offset);
    return;
  case TERN_FRAME_NEW_TOKEN:
    write_token(json, frame);
    return;
  case TERN_FRAME_MAX_DATA:
    tern_qjson_u64(json, "maximum", frame->u.max_data.limit);
    return;
  case TERN_FRAME_DATA_BLOCKED:
    tern_qjson_u64(json, "limit", frame->u.data_blocked.limit);
    return;
  case TERN_FRAME_NEW_CONNECTION_ID:
    write_new_cid(json, frame);
    return;
  case TERN_FRAME_RETIRE_CONNECTION_ID:
    tern_qjson_u64(json, "sequence_number", frame->u.retire_connection_id.sequence);
    return;
  case TERN_FRAME_PATH_CHALLENGE:
    tern_qjson_hex(json, "data", tern_slice_of(frame->u.path_challenge.data, 8));
    return;
  case TERN_FRAME_PATH_RESPONSE:
    tern_qjson_hex(json, "data", tern_slice_of(frame->u.path_response.data, 8));
    return;
  case TERN_FRAME_CONNECTION_CLOSE:
    write_close(json, frame);
    return;
  }
}

static uint64_t get_payload_bytes(const struct tern_frame *frame)
{
  switch ((int)frame->kind) {
  case TERN_FRAME_CRYPTO:
    return frame->u.crypto.data.len;
  case TERN_FRAME_STREAM:
    return frame->u.stream.data.len;
  case TERN_FRAME_DATAGRAM:
    return frame->u.datagram.data.len;
  }
  return 0;
}

/* "RESET_STREAM" as "reset_stream". */
static void write_type(struct tern_qjson *json, const char *name)
{
  char lower[32];
  size_t len = 0;
  for (; name[len] != '\0' && len < sizeof lower - 1; len++)
    lower[len] = name[len] >= 'A' && name[len] <= 'Z' ? (char)(name[len] | 0x20) : name[len];
  lower[len] = '\0';
  tern_qjson_string(json, "frame_type", lower);
}

static void write_unknown(struct tern_qjson *json, uint64_t type)
{
  tern_qjson_string(json, "frame_type", "unknown");
  tern_qjson_u64(json, "frame_type_bytes", type);
}

void tern_qlog_write_frame(struct tern_qjson *json, tern_slice wire, uint8_t delay_shift)
{
  struct tern_reader reader = tern_reader_of(wire.data, wire.len);
  struct tern_frame frame = {0};
  bool is_known = wire.len != 0 && tern_frame_read(&reader, &frame) == 0;
  tern_qjson_open(json, NULL, '{');
  if (!is_known) {
    write_unknown(json, frame.type);
  } else {
    write_type(json, tern_frame_name(frame.kind));
    if (frame.kind == TERN_FRAME_ACK)
      write_ack(json, &frame, delay_shift);
    else if (!write_of_stream(json, &frame))
      write_of_conn(json, &frame);
  }
  uint64_t payload_bytes = is_known ? get_payload_bytes(&frame) : 0;
  if (payload_bytes != 0 || frame.kind == TERN_FRAME_CRYPTO)
    write_payload(json, wire.len, payload_bytes);
  else
    tern_qlog_write_raw(json, wire.len);
  tern_qjson_close(json, '}');
}
