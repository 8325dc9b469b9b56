/* SPDX-License-Identifier: MIT */
/* What an endpoint says without a connection: Version Negotiation, Retry, Stateless Reset. Each is the
 * only packet of its datagram. */
#ifndef TERN_WIRE_STATELESS_H
#define TERN_WIRE_STATELESS_H

#include <tern/base.h>

#include "base/cursor.h"
#include "wire/header.h"
#include "wire/quic.h"

/* ---- Version Negotiation [rfc9000-17.2.1] ------------------------------------------------ */

struct tern_version_negotiation_args {
  tern_slice dcid; /* the Source Connection ID of the packet that is answered, 0 to 255 bytes */
  tern_slice scid; /* its Destination Connection ID */
  const uint32_t *versions; /* that we speak */
  size_t versions_count;
  uint32_t random; /* for the unused bits and a reserved version in front (grease, [rfc9000-6.3]) */
};

void tern_version_negotiation_write(struct tern_writer *writer,
                                    const struct tern_version_negotiation_args *args);

/* Given the datagram after its invariant header: true if `versions` is a list of at least one whole
 * version. Then tern_version_negotiation_has says what is in it. */
bool tern_version_negotiation_read(struct tern_reader *reader, tern_slice *versions);
bool tern_version_negotiation_has(tern_slice versions, uint32_t version);
/* The first of `ours` (our order of preference) that is in the list, or 0. */
uint32_t tern_version_negotiation_choose(tern_slice versions, const uint32_t *ours, size_t count);

/* ---- Retry [rfc9000-17.2.5] -------------------------------------------------------------- */

#define TERN_RETRY_TAG_BYTES 16

struct tern_retry_args {
  uint32_t version; /* 1 or 2 */
  tern_slice dcid;  /* the Source Connection ID of the client's Initial */
  tern_slice scid;  /* one of our choice, different from the client's Destination Connection ID */
  tern_slice token; /* not empty */
  uint8_t random;   /* its low four bits fill the unused ones */
};

/* Writes everything but the integrity tag, which crypto computes over these bytes and appends. */
void tern_retry_write(struct tern_writer *writer, const struct tern_retry_args *args);

/* Reading: tern_header_read_long gives type TERN_PACKET_RETRY, the token, and in pn_offset the place of
 * the tag; the tag covers the bytes before it, preceded by the pseudo-header [rfc9001-5.8] made from the
 * client's first Destination Connection ID: */
void tern_retry_write_pseudo_header(struct tern_writer *writer, tern_slice original_dcid);

/* ---- Stateless Reset [rfc9000-10.3] ------------------------------------------------------ */

/* One byte of header and 4 of what looks like the least packet, and the token. */
#define TERN_RESET_BYTES_MIN 21
/* What we send at most: longer makes it no harder to tell from other packets. */
#define TERN_RESET_BYTES_USUAL 43

/* How long the answer to a datagram of `trigger_bytes` may be, or 0 = send none: always shorter than the
 * trigger so that loops die out [rfc9000-10.3.3], never below the minimum, never above three times the
 * trigger (which follows). */
size_t tern_reset_size(size_t trigger_bytes);

/* Writes `size` (from tern_reset_size) bytes: `random` has at least size - 16 unpredictable ones. */
void tern_reset_write(struct tern_writer *writer, size_t size, const uint8_t *random,
                      const uint8_t token[TERN_RESET_TOKEN_BYTES]);

/* The last 16 bytes if the datagram may be a Stateless Reset (at least 21 bytes), else NULL. Compare
 * with tern_reset_token_equal. [rfc9000-10.3] Whatever its header form: other versions may use a long
 * one. */
const uint8_t *tern_reset_find_token(tern_slice datagram);

/* In a time that does not depend on where they differ [rfc9000-10.3.1]. */
bool tern_reset_token_equal(const uint8_t a[TERN_RESET_TOKEN_BYTES],
                            const uint8_t b[TERN_RESET_TOKEN_BYTES]);

#endif
