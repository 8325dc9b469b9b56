/* SPDX-License-Identifier: MIT */
/* Packet headers: the invariant view that an endpoint needs to find a connection, the long and short
 * headers of versions 1 and 2 up to the protected packet number, and packet numbers.
 *
 *   long   1 1 TT pppp | version | dcid len, dcid | scid len, scid | [token len, token] | length | pn...
 *   short  0 1 S RR K pp | dcid | pn...
 *
 * Reading stops before the packet number, which header protection hides together with the low bits of
 * the first byte; crypto removes it and then tern_header_pn_len and the like apply. */
#ifndef TERN_WIRE_HEADER_H
#define TERN_WIRE_HEADER_H

#include <tern/base.h>

#include "base/cursor.h"
#include "wire/quic.h"

/* Why a packet cannot be read: it is to be dropped, which is no error of the connection. */
enum tern_header_fault {
  TERN_HEADER_OK = 0,
  TERN_HEADER_TRUNCATED,  /* ends before the header does */
  TERN_HEADER_FORM,       /* a long header where a short one is asked for, or the reverse */
  TERN_HEADER_FIXED_BIT,  /* [rfc9000-17.2] 0 where the peer has no leave to send 0 */
  TERN_HEADER_VERSION,    /* not version 1 or 2; Version Negotiation too */
  TERN_HEADER_CID_LENGTH, /* [rfc9000-17.2] a connection id of more than 20 bytes */
  TERN_HEADER_LENGTH,     /* the Length or Token Length field points beyond the datagram */
  TERN_HEADER_TOO_SHORT,  /* [rfc9001-5.4.2] no room for the sample of header protection */
};

/* "truncated", ...; never NULL. */
const char *tern_header_fault_name(enum tern_header_fault fault);

/* What every version of QUIC has [rfc8999-5]. The slices point into the datagram. */
struct tern_invariant {
  uint8_t first; /* byte 0, still protected */
  bool is_long;
  uint32_t version; /* 0 = Version Negotiation; 0 for short headers, too */
  tern_slice dcid;  /* up to 255 bytes [rfc8999-5.1]; `short_cid_len` bytes for short headers */
  tern_slice scid;  /* empty for short headers */
};

/* Reads it from the start of a datagram or of a coalesced packet, and leaves the reader after it. False
 * if the bytes end before; the reader is then undefined. */
bool tern_header_read_invariant(struct tern_reader *reader, size_t short_cid_len,
                                struct tern_invariant *out);

/* A long header of version 1 or 2. Offsets count from the packet's first byte. */
struct tern_long_header {
  enum tern_packet_type type;
  uint8_t first; /* byte 0, still protected */
  uint32_t version;
  tern_slice dcid; /* at most TERN_CID_MAX bytes */
  tern_slice scid;
  tern_slice token;  /* of Initial and Retry, else empty */
  uint64_t length;   /* the field: packet number, payload and tag; 0 for Retry */
  size_t pn_offset;  /* where the packet number is; for Retry where its integrity tag is */
  size_t packet_len; /* this packet; what follows in the datagram is another */
};

/* Reads one packet's long header and leaves the reader after that *packet*, at the next coalesced one
 * if any. `needs_fixed_bit`: false where we have advertised grease_quic_bit [rfc9287-3.1]. With a fault
 * the reader is undefined and the rest of the datagram is to be dropped; `out` holds what was read until
 * then only for TERN_HEADER_OK. A Retry with an empty token is read [rfc9000-17.2.5.2: the client drops
 * it]. */
enum tern_header_fault tern_header_read_long(struct tern_reader *reader, bool needs_fixed_bit,
                                             struct tern_long_header *out);

struct tern_short_header {
  uint8_t first; /* byte 0, still protected but for its upper three bits */
  tern_slice dcid;
  size_t pn_offset;
  size_t packet_len; /* to the end of the datagram */
};

/* Reads a short header whose connection id has `cid_len` bytes; the reader is at its end after. */
enum tern_header_fault tern_header_read_short(struct tern_reader *reader, size_t cid_len,
                                              bool needs_fixed_bit, struct tern_short_header *out);

/* Bits of byte 0. The first three are valid only after header protection was removed. */
static inline size_t tern_header_pn_len(uint8_t first)
{
  return (size_t)(first & 0x03) + 1;
}

/* [rfc9000-17.2] [rfc9000-17.3.1] Not zero after opening: PROTOCOL_VIOLATION. */
static inline bool tern_header_has_reserved_bits(uint8_t first)
{
  return (first & ((first & 0x80) != 0 ? 0x0c : 0x18)) != 0;
}

/* Short headers only. */
static inline bool tern_header_has_key_phase(uint8_t first)
{
  return (first & 0x04) != 0;
}
static inline bool tern_header_has_spin(uint8_t first)
{
  return (first & 0x20) != 0;
}
static inline bool tern_header_is_long(uint8_t first)
{
  return (first & 0x80) != 0;
}

/* ---- packet numbers ---------------------------------------------------------------------- */

/* "Nothing acknowledged yet", "nothing received yet". */
#define TERN_PACKET_NUMBER_NONE UINT64_MAX

/* Bytes (1 to 4) that packet number `next` needs so that the peer decodes it, when `largest_acked` is
 * the largest one acknowledged in its space, or TERN_PACKET_NUMBER_NONE [rfc9000-17.1, A.2]. */
size_t tern_packet_number_size(uint64_t next, uint64_t largest_acked);

/* The full packet number closest to the one expected: `largest` is the largest received and opened in
 * the space or TERN_PACKET_NUMBER_NONE; `truncated` has `bits` (8, 16, 24, 32) bits [rfc9000-A.3]. */
uint64_t tern_packet_number_decode(uint64_t largest, uint64_t truncated, unsigned bits);

/* The low `len` bytes of `pn`. */
void tern_write_packet_number(struct tern_writer *writer, uint64_t pn, size_t len);

/* ---- writing ----------------------------------------------------------------------------- */

/* How many bytes the Length field of a long header is written in: enough for 16,383. */
#define TERN_HEADER_LENGTH_BYTES 2
#define TERN_HEADER_LENGTH_MAX 16383

struct tern_long_header_args {
  enum tern_packet_type type; /* Initial, 0-RTT or Handshake */
  uint32_t version;           /* 1 or 2 */
  tern_slice dcid;
  tern_slice scid;
  tern_slice token; /* Initial only */
  uint64_t pn;
  size_t pn_len;        /* 1 to 4 */
  bool clear_fixed_bit; /* [rfc9287-3.1] only if the peer advertised grease_quic_bit */
};

/* Writes the header with its packet number; the Length field is left 0 and its place (from the
 * writer's start) put in *length_at. */
void tern_header_write_long(struct tern_writer *writer, const struct tern_long_header_args *args,
                            size_t *length_at);
/* Bytes that tern_header_write_long writes. */
size_t tern_header_size_long(const struct tern_long_header_args *args);
/* Sets the Length field to what was written after it plus `more` bytes (the AEAD tag). */
void tern_header_patch_length(struct tern_writer *writer, size_t length_at, size_t more);

struct tern_short_header_args {
  tern_slice dcid;
  uint64_t pn;
  size_t pn_len; /* 1 to 4 */
  bool spin;
  bool key_phase;
  bool clear_fixed_bit; /* as above */
};

void tern_header_write_short(struct tern_writer *writer, const struct tern_short_header_args *args);
static inline size_t tern_header_size_short(size_t cid_len, size_t pn_len)
{
  return 1 + cid_len + pn_len;
}

#endif
