/* SPDX-License-Identifier: MIT */
/* Transport parameters [rfc9000-18] with those of RFC 9221 (datagrams), RFC 9287 (grease_quic_bit),
 * RFC 9368 (version information) and the multipath draft.
 *
 * A parameter is id, length, value. Each may come once, in any order; unknown ones are skipped. A
 * struct filled by tern_params_init says what an endpoint that sends nothing means. */
#ifndef TERN_WIRE_PARAMS_H
#define TERN_WIRE_PARAMS_H

#include <tern/base.h>

#include "base/cursor.h"
#include "wire/quic.h"

enum tern_param_id {
  TERN_PARAM_ORIGINAL_DESTINATION_CONNECTION_ID = 0x00, /* server only */
  TERN_PARAM_MAX_IDLE_TIMEOUT = 0x01,
  TERN_PARAM_STATELESS_RESET_TOKEN = 0x02, /* server only */
  TERN_PARAM_MAX_UDP_PAYLOAD_SIZE = 0x03,
  TERN_PARAM_INITIAL_MAX_DATA = 0x04,
  TERN_PARAM_INITIAL_MAX_STREAM_DATA_BIDI_LOCAL = 0x05,
  TERN_PARAM_INITIAL_MAX_STREAM_DATA_BIDI_REMOTE = 0x06,
  TERN_PARAM_INITIAL_MAX_STREAM_DATA_UNI = 0x07,
  TERN_PARAM_INITIAL_MAX_STREAMS_BIDI = 0x08,
  TERN_PARAM_INITIAL_MAX_STREAMS_UNI = 0x09,
  TERN_PARAM_ACK_DELAY_EXPONENT = 0x0a,
  TERN_PARAM_MAX_ACK_DELAY = 0x0b,
  TERN_PARAM_DISABLE_ACTIVE_MIGRATION = 0x0c,
  TERN_PARAM_PREFERRED_ADDRESS = 0x0d, /* server only */
  TERN_PARAM_ACTIVE_CONNECTION_ID_LIMIT = 0x0e,
  TERN_PARAM_INITIAL_SOURCE_CONNECTION_ID = 0x0f,
  TERN_PARAM_RETRY_SOURCE_CONNECTION_ID = 0x10, /* server only */
  TERN_PARAM_VERSION_INFORMATION = 0x11,        /* RFC 9368 */
  TERN_PARAM_MAX_DATAGRAM_FRAME_SIZE = 0x20,    /* RFC 9221 */
  TERN_PARAM_INITIAL_MAX_PATH_ID = 0x3e,        /* draft-ietf-quic-multipath */
  TERN_PARAM_GREASE_QUIC_BIT = 0x2ab2,          /* RFC 9287 */
};

/* [rfc9000-18.2] */
#define TERN_ACK_DELAY_EXPONENT_DEFAULT 3
#define TERN_ACK_DELAY_EXPONENT_MAX 20
#define TERN_MAX_ACK_DELAY_DEFAULT_MS 25
#define TERN_MAX_ACK_DELAY_MAX_MS 16383
#define TERN_ACTIVE_CID_LIMIT_MIN 2
/* Available versions of RFC 9368 that are kept; a peer may name more, which are checked and forgotten. */
#define TERN_PARAMS_VERSIONS_MAX 16
/* Unknown parameters whose repetition is noticed. [rfc9000-7.4] says that an endpoint SHOULD treat
 * duplicates as an error; beyond this many unknown ones a duplicate of those passes. */
#define TERN_PARAMS_UNKNOWN_MAX 64
/* Room that is enough for tern_params_write of anything, with grease. */
#define TERN_PARAMS_SIZE_MAX 512

struct tern_preferred_address {
  tern_addr v4; /* family 0 = not given */
  tern_addr v6;
  struct tern_cid cid; /* sequence number 1; 1 to 20 bytes */
  uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
};

struct tern_params {
  /* Connection ids that authenticate the handshake [rfc9000-7.3]. */
  bool has_original_dcid;
  bool has_initial_scid;
  bool has_retry_scid;
  struct tern_cid original_dcid;
  struct tern_cid initial_scid;
  struct tern_cid retry_scid;

  bool has_reset_token;
  uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
  bool has_preferred_address;
  struct tern_preferred_address preferred_address;

  uint64_t max_idle_timeout_ms;   /* default 0 = none */
  uint64_t max_udp_payload_bytes; /* default 65,527; at least 1,200 */
  uint64_t initial_max_data;
  uint64_t initial_max_stream_data_bidi_local;  /* streams that the sender of the parameter opens */
  uint64_t initial_max_stream_data_bidi_remote; /* streams that its receiver opens */
  uint64_t initial_max_stream_data_uni;
  uint64_t initial_max_streams_bidi; /* at most 2^60 */
  uint64_t initial_max_streams_uni;
  uint64_t ack_delay_exponent;         /* default 3; at most 20 */
  uint64_t max_ack_delay_ms;           /* default 25; below 2^14 */
  uint64_t active_connection_id_limit; /* default and least 2 */
  bool disable_active_migration;

  uint64_t max_datagram_frame_bytes; /* RFC 9221; 0 = no datagrams */
  bool grease_quic_bit;              /* RFC 9287 */

  bool has_initial_max_path_id; /* multipath */
  uint64_t initial_max_path_id; /* below 2^32 */

  bool has_version_information; /* RFC 9368 */
  uint32_t chosen_version;
  uint32_t available_versions[TERN_PARAMS_VERSIONS_MAX]; /* the peer's order of preference */
  size_t available_versions_count;
};

/* What is still of use once the handshake is over; the names as above. */
struct tern_params_kept {
  uint64_t initial_max_data;
  uint64_t initial_max_stream_data_bidi_local;
  uint64_t initial_max_stream_data_bidi_remote;
  uint64_t initial_max_stream_data_uni;
  uint64_t initial_max_streams_bidi;
  uint64_t initial_max_streams_uni;
  uint64_t max_idle_timeout_ms;
  uint64_t max_datagram_frame_bytes;
  uint64_t max_udp_payload_bytes;
  uint64_t active_connection_id_limit;
  uint16_t max_ack_delay_ms;
  uint8_t ack_delay_exponent;
  bool disable_active_migration;
};

/* The defaults: what a peer that sends no parameter means. */
void tern_params_init(struct tern_params *params);

/* Reads the extension's body into `out` (initialised here). 0 or TRANSPORT_PARAMETER_ERROR: malformed,
 * repeated, out of a bound of 18.2, or a server-only one when `is_from_server` is false. Which ones must
 * be present and match (7.3) is the handshake's business. Nothing in `out` borrows from `bytes`. */
TERN_MUST_CHECK uint64_t tern_params_read(tern_slice bytes, bool is_from_server,
                                          struct tern_params *out);

struct tern_params_kept tern_params_keep(const struct tern_params *params);
/* The rest gets its default. */
void tern_params_restore(const struct tern_params_kept *kept, struct tern_params *out);

/* Writes those that differ from their default; server-only ones only if `is_server`. */
void tern_params_write(struct tern_writer *writer, const struct tern_params *params,
                       bool is_server);

/* [rfc9000-18.1] One reserved parameter (id 31 * N + 27) with 0 to 16 bytes of noise, chosen by the 24
 * random bytes given. */
void tern_params_write_grease(struct tern_writer *writer, const uint8_t random[24]);

#endif
