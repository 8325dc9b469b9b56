/* SPDX-License-Identifier: MIT */
/* Transport parameters. The integers are rows of one table: id, place, default, bounds [rfc9000-18.2];
 * the others have a reader each. */
#include "wire/params.h"

#include <string.h>

#include "base/assert.h"
#include "wire/varint.h"

struct integer_param {
  uint64_t id;
  size_t at; /* in struct tern_params */
  uint64_t fallback;
  uint64_t min;
  uint64_t max;
};

#define AT(member) offsetof(struct tern_params, member)

static const struct integer_param integers[] = {
    {TERN_PARAM_MAX_IDLE_TIMEOUT, AT(max_idle_timeout_ms), 0, 0, TERN_VARINT_MAX},
    {TERN_PARAM_MAX_UDP_PAYLOAD_SIZE, AT(max_udp_payload_bytes), TERN_DATAGRAM_MAX,
     TERN_INITIAL_DATAGRAM_MIN, TERN_VARINT_MAX},
    {TERN_PARAM_INITIAL_MAX_DATA, AT(initial_max_data), 0, 0, TERN_VARINT_MAX},
    {TERN_PARAM_INITIAL_MAX_STREAM_DATA_BIDI_LOCAL, AT(initial_max_stream_data_bidi_local), 0, 0,
     TERN_VARINT_MAX},
    {TERN_PARAM_INITIAL_MAX_STREAM_DATA_BIDI_REMOTE, AT(initial_max_stream_data_bidi_remote), 0, 0,
     TERN_VARINT_MAX},
    {TERN_PARAM_INITIAL_MAX_STREAM_DATA_UNI, AT(initial_max_stream_data_uni), 0, 0,
     TERN_VARINT_MAX},
    /* [rfc9000-4.6] A value above 2^60: TRANSPORT_PARAMETER_ERROR. */
    {TERN_PARAM_INITIAL_MAX_STREAMS_BIDI, AT(initial_max_streams_bidi), 0, 0, TERN_STREAMS_MAX},
    {TERN_PARAM_INITIAL_MAX_STREAMS_UNI, AT(initial_max_streams_uni), 0, 0, TERN_STREAMS_MAX},
    {TERN_PARAM_ACK_DELAY_EXPONENT, AT(ack_delay_exponent), TERN_ACK_DELAY_EXPONENT_DEFAULT, 0,
     TERN_ACK_DELAY_EXPONENT_MAX},
    {TERN_PARAM_MAX_ACK_DELAY, AT(max_ack_delay_ms), TERN_MAX_ACK_DELAY_DEFAULT_MS, 0,
     TERN_MAX_ACK_DELAY_MAX_MS},
    {TERN_PARAM_ACTIVE_CONNECTION_ID_LIMIT, AT(active_connection_id_limit),
     TERN_ACTIVE_CID_LIMIT_MIN, TERN_ACTIVE_CID_LIMIT_MIN, TERN_VARINT_MAX},
    {TERN_PARAM_MAX_DATAGRAM_FRAME_SIZE, AT(max_datagram_frame_bytes), 0, 0, TERN_VARINT_MAX},
};

#undef AT

#define INTEGERS (sizeof(integers) / sizeof(integers[0]))

static uint64_t get_integer(const struct tern_params *params, const struct integer_param *param)
{
  uint64_t value;
  memcpy(&value, (const uint8_t *)params + param->at, sizeof(value));
  return value;
}

static void set_integer(struct tern_params *params, const struct integer_param *param,
                        uint64_t value)
{
  memcpy((uint8_t *)params + param->at, &value, sizeof(value));
}

void tern_params_init(struct tern_params *params)
{
  memset(params, 0, sizeof(*params));
  for (size_t i = 0; i < INTEGERS; i++)
    set_integer(params, &integers[i], integers[i].fallback);
}

/* ---- reading ----------------------------------------------------------------------------- */

/* [rfc9000-7.4] Which parameters were there already. */
struct seen {
  uint64_t low; /* bit per id below 64: all that we know but one */
  uint64_t others[TERN_PARAMS_UNKNOWN_MAX];
  size_t others_count;
};

/* False if `id` was seen. */
static bool mark_seen(struct seen *seen, uint64_t id)
{
  if (id < 64) {
    uint64_t bit = UINT64_C(1) << id;
    bool is_new = (seen->low & bit) == 0;
    seen->low |= bit;
    return is_new;
  }
  for (size_t i = 0; i < seen->others_count; i++) {
    if (seen->others[i] == id)
      return false;
  }
  if (seen->others_count < TERN_PARAMS_UNKNOWN_MAX)
    seen->others[seen->others_count++] = id;
  return true;
}

/* A varint that is the whole value. */
static bool read_integer(tern_slice value, uint64_t *out)
{
  struct tern_reader reader = tern_reader_of(value.data, value.len);
  return tern_read_varint(&reader, out) && tern_reader_left(&reader) == 0;
}

static bool read_bounded(tern_slice value, const struct integer_param *param,
                         struct tern_params *out)
{
  uint64_t number;
  if (!read_integer(value, &number) || number < param->min || number > param->max)
    return false;
  set_integer(out, param, number);
  return true;
}

static bool read_cid(tern_slice value, bool *has, struct tern_cid *out)
{
  if (value.len > TERN_CID_MAX)
    return false;
  *has = true;
  *out = tern_cid_of(value);
  return true;
}

static bool read_reset_token(tern_slice value, struct tern_params *out)
{
  if (value.len != TERN_RESET_TOKEN_BYTES)
    return false;
  out->has_reset_token = true;
  memcpy(out->reset_token, value.data, TERN_RESET_TOKEN_BYTES);
  return true;
}

/* [rfc9000-18.2] An all-zero address and port stands for none of that family. */
static bool read_address(struct tern_reader *reader, uint8_t family, tern_addr *out)
{
  static const uint8_t zeros[16];
  size_t len = family == 4 ? 4 : 16;
  memset(out, 0, sizeof(*out));
  if (!tern_read_bytes(reader, out->ip, len) || !tern_read_u16(reader, &out->port))
    return false;
  if (out->port != 0 || memcmp(out->ip, zeros, len) != 0)
    out->family = family;
  return true;
}

static bool read_preferred_address(tern_slice value, struct tern_params *out)
{
  struct tern_reader reader = tern_reader_of(value.data, value.len);
  struct tern_preferred_address *preferred = &out->preferred_address;
  uint8_t len;
  tern_slice cid;
  if (!read_address(&reader, 4, &preferred->v4) || !read_address(&reader, 6, &preferred->v6))
    return false;
  /* [rfc9000-18.2] A zero-length connection id here: TRANSPORT_PARAMETER_ERROR. */
  if (!tern_read_u8(&reader, &len) || len < 1 || len > TERN_CID_MAX ||
      !tern_read_slice(&reader, len, &cid))
    return false;
  preferred->cid = tern_cid_of(cid);
  out->has_preferred_address = true;
  return tern_read_bytes(&reader, preferred->reset_token, TERN_RESET_TOKEN_BYTES) &&
         tern_reader_left(&reader) == 0;
}

/* [rfc9368-4] A length that four does not divide, or a version 0, is a parsing failure; so is, in a
 * client's, a chosen version that is not among the available ones. */
static bool read_version_information(tern_slice value, bool is_from_server, struct tern_params *out)
{
  struct tern_reader reader = tern_reader_of(value.data, value.len);
  if (value.len % 4 != 0 || !tern_read_u32(&reader, &out->chosen_version) ||
      out->chosen_version == 0)
    return false;
  out->has_version_information = true;
  bool has_chosen = false;
  uint32_t version;
  while (tern_read_u32(&reader, &version)) {
    if (version == 0)
      return false;
    has_chosen = has_chosen || version == out->chosen_version;
    if (out->available_versions_count < TERN_PARAMS_VERSIONS_MAX)
      out->available_versions[out->available_versions_count++] = version;
  }
  return has_chosen || is_from_server;
}

static bool read_path_id(tern_slice value, struct tern_params *out)
{
  out->has_initial_max_path_id = true;
  return read_integer(value, &out->initial_max_path_id) && out->initial_max_path_id <= UINT32_MAX;
}

/* Parameters whose presence is all they say. */
static bool read_flag(tern_slice value, bool *out)
{
  bool is_new = !*out;
  *out = true;
  return is_new && value.len == 0;
}

static bool read_value(uint64_t id, tern_slice value, bool is_from_server, struct tern_params *out)
{
  for (size_t i = 0; i < INTEGERS; i++) {
    if (integers[i].id == id)
      return read_bounded(value, &integers[i], out);
  }
  switch (id) {
  case TERN_PARAM_ORIGINAL_DESTINATION_CONNECTION_ID:
    return read_cid(value, &out->has_original_dcid, &out->original_dcid);
  case TERN_PARAM_INITIAL_SOURCE_CONNECTION_ID:
    return read_cid(value, &out->has_initial_scid, &out->initial_scid);
  case TERN_PARAM_RETRY_SOURCE_CONNECTION_ID:
    return read_cid(value, &out->has_retry_scid, &out->retry_scid);
  case TERN_PARAM_STATELESS_RESET_TOKEN:
    return read_reset_token(value, out);
  case TERN_PARAM_PREFERRED_ADDRESS:
    return read_preferred_address(value, out);
  case TERN_PARAM_DISABLE_ACTIVE_MIGRATION:
    return read_flag(value, &out->disable_active_migration);
  case TERN_PARAM_GREASE_QUIC_BIT:
    return read_flag(value, &out->grease_quic_bit);
  case TERN_PARAM_VERSION_INFORMATION:
    return read_version_information(value, is_from_server, out);
  case TERN_PARAM_INITIAL_MAX_PATH_ID:
    return read_path_id(value, out);
  default: /* [rfc9000-7.4.2] An endpoint MUST ignore transport parameters that it does not support. */
    return true;
  }
}

static bool is_server_only(uint64_t id)
{
  return id == TERN_PARAM_ORIGINAL_DESTINATION_CONNECTION_ID ||
         id == TERN_PARAM_STATELESS_RESET_TOKEN || id == TERN_PARAM_PREFERRED_ADDRESS ||
         id == TERN_PARAM_RETRY_SOURCE_CONNECTION_ID;
}

uint64_t tern_params_read(tern_slice bytes, bool is_from_server, struct tern_params *out)
{
  struct tern_reader reader = tern_reader_of(bytes.data, bytes.len);
  struct seen seen;
  seen.low = 0;
  seen.others_count = 0;
  tern_params_init(out);
  while (tern_reader_left(&reader) != 0) {
    uint64_t id;
    uint64_t len;
    tern_slice value;
    if (!tern_read_varint(&reader, &id) || !tern_read_varint(&reader, &len) ||
        !tern_read_slice(&reader, len, &value))
      return TERN_QUIC_TRANSPORT_PARAMETER_ERROR;
    /* [rfc9000-7.4] Duplicates SHOULD be treated as TRANSPORT_PARAMETER_ERROR. */
    if (!mark_seen(&seen, id))
      return TERN_QUIC_TRANSPORT_PARAMETER_ERROR;
    /* [rfc9000-18.2] A server MUST treat a server-only parameter as TRANSPORT_PARAMETER_ERROR. */
    if (!is_from_server && is_server_only(id))
      return TERN_QUIC_TRANSPORT_PARAMETER_ERROR;
    if (!read_value(id, value, is_from_server, out))
      return TERN_QUIC_TRANSPORT_PARAMETER_ERROR;
  }
  /* [rfc9000-18.2] A server with a zero-length connection id MUST NOT provide a preferred address. */
  if (out->has_preferred_address && out->has_initial_scid && out->initial_scid.len == 0)
    return TERN_QUIC_TRANSPORT_PARAMETER_ERROR;
  return 0;
}

/* ---- writing ----------------------------------------------------------------------------- */

static void write_head(struct tern_writer *writer, uint64_t id, size_t len)
{
  tern_write_varint(writer, id);
  tern_write_varint(writer, len);
}

static void write_integer(struct tern_writer *writer, uint64_t id, uint64_t value)
{
  write_head(writer, id, tern_varint_size(value));
  tern_write_varint(writer, value);
}

static void write_cid(struct tern_writer *writer, uint64_t id, const struct tern_cid *cid)
{
  write_head(writer, id, cid->len);
  tern_write_bytes(writer, cid->bytes, cid->len);
}

static void write_preferred_address(struct tern_writer *writer,
                                    const struct tern_preferred_address *preferred)
{
  static const tern_addr none;
  const tern_addr *v4 = preferred->v4.family == 4 ? &preferred->v4 : &none;
  const tern_addr *v6 = preferred->v6.family == 6 ? &preferred->v6 : &none;
  TERN_ASSERT(preferred->cid.len >= 1);
  write_head(writer, TERN_PARAM_PREFERRED_ADDRESS,
             (size_t)(4 + 2 + 16 + 2 + 1 + TERN_RESET_TOKEN_BYTES) + preferred->cid.len);
  tern_write_bytes(writer, v4->ip, 4);
  tern_write_u16(writer, v4->port);
  tern_write_bytes(writer, v6->ip, 16);
  tern_write_u16(writer, v6->port);
  tern_write_u8(writer, preferred->cid.len);
  tern_write_bytes(writer, preferred->cid.bytes, preferred->cid.len);
  tern_write_bytes(writer, preferred->reset_token, TERN_RESET_TOKEN_BYTES);
}

static void write_server_only(struct tern_writer *writer, const struct tern_params *params)
{
  if (params->has_original_dcid)
    write_cid(writer, TERN_PARAM_ORIGINAL_DESTINATION_CONNECTION_ID, &params->original_dcid);
  if (params->has_retry_scid)
    write_cid(writer, TERN_PARAM_RETRY_SOURCE_CONNECTION_ID, &params->retry_scid);
  if (params->has_reset_token) {
    write_head(writer, TERN_PARAM_STATELESS_RESET_TOKEN, TERN_RESET_TOKEN_BYTES);
    tern_write_bytes(writer, params->reset_token, TERN_RESET_TOKEN_BYTES);
  }
  if (params->has_preferred_address)
    write_preferred_address(writer, &params->preferred_address);
}

static void write_version_information(struct tern_writer *writer, const struct tern_params *params)
{
  TERN_ASSERT(params->available_versions_count <= TERN_PARAMS_VERSIONS_MAX);
  write_head(writer, TERN_PARAM_VERSION_INFORMATION, 4 + 4 * params->available_versions_count);
  tern_write_u32(writer, params->chosen_version);
  for (size_t i = 0; i < params->available_versions_count; i++)
    tern_write_u32(writer, params->available_versions[i]);
}

void tern_params_write(struct tern_writer *writer, const struct tern_params *params, bool is_server)
{
  for (size_t i = 0; i < INTEGERS; i++) {
    uint64_t value = get_integer(params, &integers[i]);
    if (value != integers[i].fallback)
      write_integer(writer, integers[i].id, value);
  }
  if (is_server)
    write_server_only(writer, params);
  if (params->has_initial_scid)
    write_cid(writer, TERN_PARAM_INITIAL_SOURCE_CONNECTION_ID, &params->initial_scid);
  if (params->disable_active_migration)
    write_head(writer, TERN_PARAM_DISABLE_ACTIVE_MIGRATION, 0);
  if (params->grease_quic_bit)
    write_head(writer, TERN_PARAM_GREASE_QUIC_BIT, 0);
  if (params->has_initial_max_path_id)
    write_integer(writer, TERN_PARAM_INITIAL_MAX_PATH_ID, params->initial_max_path_id);
  if (params->has_version_information)
    write_version_information(writer, params);
}

void tern_params_write_grease(struct tern_writer *writer, const uint8_t random[24])
{
  /* N from 4 bytes, so that the id is far below 2^62; above every id that we know of this form. */
  uint64_t n = 0;
  for (size_t i = 0; i < 4; i++)
    n = n << 8 | random[i];
  write_head(writer, 31 * (n + 1024) + 27, random[4] % 17);
  tern_write_bytes(writer, random + 5, random[4] % 17);
}

struct tern_params_kept tern_params_keep(const struct tern_params *params)
{
  return (struct tern_params_kept){
      .initial_max_data = params->initial_max_data,
      .initial_max_stream_data_bidi_local = params->initial_max_stream_data_bidi_local,
      .initial_max_stream_data_bidi_remote = params->initial_max_stream_data_bidi_remote,
      .initial_max_stream_data_uni = params->initial_max_stream_data_uni,
      .initial_max_streams_bidi = params->initial_max_streams_bidi,
      .initial_max_streams_uni = params->initial_max_streams_uni,
      .max_idle_timeout_ms = params->max_idle_timeout_ms,
      .max_datagram_frame_bytes = params->max_datagram_frame_bytes,
      .max_udp_payload_bytes = params->max_udp_payload_bytes,
      .active_connection_id_limit = params->active_connection_id_limit,
      .max_ack_delay_ms = (uint16_t)params->max_ack_delay_ms,
      .ack_delay_exponent = (uint8_t)params->ack_delay_exponent,
      .disable_active_migration = params->disable_active_migration,
  };
}

void tern_params_restore(const struct tern_params_kept *kept, struct tern_params *out)
{
  tern_params_init(out);
  out->initial_max_data = kept->initial_max_data;
  out->initial_max_stream_data_bidi_local = kept->initial_max_stream_data_bidi_local;
  out->initial_max_stream_data_bidi_remote = kept->initial_max_stream_data_bidi_remote;
  out->initial_max_stream_data_uni = kept->initial_max_stream_data_uni;
  out->initial_max_streams_bidi = kept->initial_max_streams_bidi;
  out->initial_max_streams_uni = kept->initial_max_streams_uni;
  out->max_idle_timeout_ms = kept->max_idle_timeout_ms;
  out->max_datagram_frame_bytes = kept->max_datagram_frame_bytes;
  out->max_udp_payload_bytes = kept->max_udp_payload_bytes;
  out->active_connection_id_limit = kept->active_connection_id_limit;
  out->max_ack_delay_ms = kept->max_ack_delay_ms;
  out->ack_delay_exponent = kept->ack_delay_exponent;
  out->disable_active_migration = kept->disable_active_migration;
}
