/* SPDX-License-Identifier: MIT */
/* Packets in and out of protection [rfc9001-5.3, 5.4]. The hot path.
 *
 *   | first byte | ... | packet number (1-4) | payload ............................ | tag (16) |
 *                      ^ pn_at               ^ pn_at + pn_len                        ^ len - 16
 *     sample = 16 bytes at pn_at + 4; mask[0] goes over the low bits of the first byte, mask[1..] over
 *     the packet number
 *   nonce = iv XOR (path id (32 bits) | 00 | packet number (62 bits))
 *
 * A run of packets shares one key: payloads are sealed one by one, then all header masks come from one
 * call. Opening goes the other way: masks for a batch in one call, then one packet at a time, since the
 * number of each depends on those before. */
#ifndef TERN_CRYPTO_PROTECT_H
#define TERN_CRYPTO_PROTECT_H

#include <tern/base.h>

#include "crypto/secrets.h"

struct tern_cid;

struct tern_seal_item {
  uint8_t *packet; /* complete header with the plain packet number, then the plaintext */
  uint16_t pn_at;  /* offset of the packet number */
  uint8_t pn_len;  /* 1 to 4, as the first byte says */
  uint16_t len;    /* header + payload + 16 bytes of room for the tag */
  uint64_t number; /* full packet number */
};

/* Seals each item in place: payload encrypted, tag in the last 16 bytes, header masked. Long and short
 * headers. Each must hold pn_len + payload >= 4 bytes, so that there is something to sample
 * [rfc9001-5.4.2]: the packer pads. TERN_LIMIT: the confidentiality limit of this key would be passed,
 * nothing was sealed; update keys or close with AEAD_LIMIT_REACHED [rfc9001-6.6]. TERN_NOMEM: the keys
 * rest and could not be woken, which tern_keys_wake_tx tells beforehand. */
TERN_MUST_CHECK tern_status tern_protect_seal_run(struct tern_keys *keys, uint32_t path_id,
                                                  struct tern_seal_item *items, size_t count);

struct tern_open_item {
  uint8_t *packet; /* in: this packet only, writable */
  uint16_t pn_at;  /* in: offset of the packet number */
  uint16_t len;    /* in: of this packet, tag included */

  bool is_bad;           /* out of unmask: too short to be sampled (or no memory to wake the keys);
                                 do not open */
  uint8_t first_byte;    /* out of unmask: without protection, also written to packet[0] */
  uint8_t pn_len;        /* out of unmask */
  uint32_t pn_truncated; /* out of unmask */

  uint64_t number;     /* out of open: valid for every result but FAILED and LIMIT */
  uint64_t generation; /* out of open: key generation it was sealed with */
  uint8_t *payload;    /* out of open: plaintext */
  uint16_t payload_len;
};

/* Removes header protection of several packets of one level with one masks call. */
void tern_protect_unmask_run(struct tern_keys *keys, struct tern_open_item *items, size_t count);

enum tern_open_result {
  TERN_OPEN_OK,
  TERN_OPEN_KEY_UPDATED,   /* OK, and the first packet of the peer's next phase. The sending key has
                                 followed already [rfc9001-6.2]. Call tern_keys_drop_previous in 3 PTO. */
  TERN_OPEN_FAILED,        /* not authentic: drop. Counted. */
  TERN_OPEN_LIMIT,         /* not authentic, and one too many: close, AEAD_LIMIT_REACHED */
  TERN_OPEN_RESERVED_BITS, /* authentic, reserved bits set: PROTOCOL_VIOLATION [rfc9000-17.2] */
  TERN_OPEN_KEY_UPDATE_ERROR, /* authentic, old key after a newer one [rfc9001-6.4] */
  TERN_OPEN_NOMEM,            /* authentic, but no memory for the keys of the next phase */
};

/* Opens one unmasked packet in place. `largest_received` = largest number opened so far in this space,
 * TERN_PACKET_NUMBER_NONE if none [rfc9000-A.3]. Duplicates are the caller's to drop. */
TERN_MUST_CHECK enum tern_open_result tern_protect_open(struct tern_keys *keys, uint32_t path_id,
                                                        struct tern_open_item *item,
                                                        uint64_t largest_received);

/* Retry Integrity Tag [rfc9001-5.8], [rfc9369-3.3.3]. `retry` is the Retry packet without its tag.
 * False: unknown version, or a packet longer than TERN_RETRY_MAX. */
#define TERN_RETRY_MAX 1500
TERN_MUST_CHECK bool tern_retry_tag(uint32_t version, const struct tern_cid *odcid,
                                    tern_slice retry, uint8_t out[TERN_AEAD_TAG_BYTES]);
/* `packet` with its tag; `odcid` = Destination Connection ID of the client's first Initial. */
TERN_MUST_CHECK bool tern_retry_verify(uint32_t version, const struct tern_cid *odcid,
                                       tern_slice packet);

#endif
