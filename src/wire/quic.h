/* SPDX-License-Identifier: MIT */
/* The names of QUIC itself that every layer above the bytes uses: versions, packet types, packet
 * number spaces, connection ids and transport error codes. */
#ifndef TERN_WIRE_QUIC_H
#define TERN_WIRE_QUIC_H

#include <string.h>

#include <tern/base.h>
#include <tern/config.h>

#include "base/assert.h"

#define TERN_VERSION_NEGOTIATION 0x00000000u

/* [rfc9000-15] Versions of the form 0x?a?a?a?a are reserved to exercise version negotiation. */
static inline bool tern_version_is_reserved(uint32_t version)
{
  return (version & 0x0f0f0f0fu) == 0x0a0a0a0au;
}

/* A version whose packets this library can read. */
static inline bool tern_version_is_known(uint32_t version)
{
  return version == TERN_VERSION_1 || version == TERN_VERSION_2;
}

static inline bool tern_config_has_version(const tern_config *config, uint32_t version)
{
  for (uint32_t i = 0; i < config->versions_count; i++)
    if (config->versions[i] == version)
      return true;
  return false;
}

/* [rfc9000-14.1] The smallest UDP payload that an Initial may travel in. */
#define TERN_INITIAL_DATAGRAM_MIN 1200
/* [rfc9000-18.2] The largest UDP payload. */
#define TERN_DATAGRAM_MAX 65527
/* [rfc9000-17.2] Of a connection id in version 1 and 2. */
#define TERN_CID_MAX 20
/* [rfc9000-7.2] Of the Destination Connection ID of a client's first Initial. */
#define TERN_INITIAL_DCID_MIN 8
/* [rfc9000-10.3] */
#define TERN_RESET_TOKEN_BYTES 16
/* [rfc9000-4.6] No more streams of a type than this can be numbered. */
#define TERN_STREAMS_MAX (UINT64_C(1) << 60)
/* Bytes that a packet has after the start of its packet number field at least: 4 for the longest
 * packet number and 16 for the sample [rfc9001-5.4.2]. */
#define TERN_SAMPLE_BYTES 16
#define TERN_PACKET_NUMBER_LEN_MAX 4

enum tern_packet_type {
  TERN_PACKET_INITIAL,
  TERN_PACKET_EARLY, /* 0-RTT */
  TERN_PACKET_HANDSHAKE,
  TERN_PACKET_RETRY,
  TERN_PACKET_APP, /* 1-RTT, the only one with a short header */
  TERN_PACKET_VERSION_NEGOTIATION,
};

/* "Initial", "0-RTT", "Handshake", "Retry", "1-RTT", "Version Negotiation". */
const char *tern_packet_type_name(enum tern_packet_type type);

/* Packet number spaces [rfc9000-12.3]. 0-RTT and 1-RTT packets share the last. */
enum tern_space_id {
  TERN_SPACE_INITIAL = 0,
  TERN_SPACE_HANDSHAKE = 1,
  TERN_SPACE_APP = 2,
};
#define TERN_SPACES 3

/* The space of a packet type that has a packet number; not for Retry and Version Negotiation. */
enum tern_space_id tern_space_of(enum tern_packet_type type);

struct tern_cid {
  uint8_t len;
  uint8_t bytes[TERN_CID_MAX];
};

static inline bool tern_cid_equal(const struct tern_cid *a, const struct tern_cid *b)
{
  return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* `slice.len` at most TERN_CID_MAX: whoever reads the wire has checked it. */
static inline struct tern_cid tern_cid_of(tern_slice slice)
{
  struct tern_cid cid = {0};
  TERN_ASSERT(slice.len <= TERN_CID_MAX);
  cid.len = (uint8_t)slice.len;
  if (slice.len != 0)
    memcpy(cid.bytes, slice.data, slice.len);
  return cid;
}

/* A view of `cid`'s own bytes. */
static inline tern_slice tern_cid_slice(const struct tern_cid *cid)
{
  return tern_slice_of(cid->bytes, cid->len);
}

static inline bool tern_cid_is_slice(const struct tern_cid *cid, tern_slice slice)
{
  return cid->len == slice.len &&
         (slice.len == 0 || memcmp(cid->bytes, slice.data, slice.len) == 0);
}

/* [rfc9000-20.1] Values on the wire; wire codes are kept in uint64_t. */
enum tern_quic_error {
  TERN_QUIC_NO_ERROR = 0x00,
  TERN_QUIC_INTERNAL_ERROR = 0x01,
  TERN_QUIC_CONNECTION_REFUSED = 0x02,
  TERN_QUIC_FLOW_CONTROL_ERROR = 0x03,
  TERN_QUIC_STREAM_LIMIT_ERROR = 0x04,
  TERN_QUIC_STREAM_STATE_ERROR = 0x05,
  TERN_QUIC_FINAL_SIZE_ERROR = 0x06,
  TERN_QUIC_FRAME_ENCODING_ERROR = 0x07,
  TERN_QUIC_TRANSPORT_PARAMETER_ERROR = 0x08,
  TERN_QUIC_CONNECTION_ID_LIMIT_ERROR = 0x09,
  TERN_QUIC_PROTOCOL_VIOLATION = 0x0a,
  TERN_QUIC_INVALID_TOKEN = 0x0b,
  TERN_QUIC_APPLICATION_ERROR = 0x0c,
  TERN_QUIC_CRYPTO_BUFFER_EXCEEDED = 0x0d,
  TERN_QUIC_KEY_UPDATE_ERROR = 0x0e,
  TERN_QUIC_AEAD_LIMIT_REACHED = 0x0f,
  TERN_QUIC_NO_VIABLE_PATH = 0x10,
  TERN_QUIC_VERSION_NEGOTIATION_ERROR = 0x11, /* RFC 9368 */
  TERN_QUIC_CRYPTO_BASE = 0x100,              /* + TLS alert, to 0x1ff (RFC 9001 4.8) */
};

/* tern_transport_error_name of <tern/transport.h> is implemented in quic.c. */

#endif
