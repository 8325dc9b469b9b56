/* SPDX-License-Identifier: MIT */
/* Packet protection keys [rfc9001-5] and their updates [rfc9001-6].
 *
 *   secret_0 --"quic key/iv"--> key 0      secret_n+1 = Expand(secret_n, "quic ku")
 *      |
 *      +------"quic hp"-------> header protection, the same for every phase
 *
 * One struct tern_keys holds both directions of one level. At the 1-RTT level the receiving side keeps
 * up to three generations; the Key Phase bit is the lowest bit of the generation:
 *
 *     previous <-- lower packet numbers | current | other phase, not lower --> next
 *
 * `next` is made by the first packet that arrives while it is missing, whatever that packet's phase
 * bit says, so its cost tells an observer nothing about the bit [rfc9001-6.3]. */
#ifndef TERN_CRYPTO_SECRETS_H
#define TERN_CRYPTO_SECRETS_H

#include <tern/base.h>

#include "base/alloc.h"
#include "crypto/provider.h"

struct tern_cid;

/* Encryption levels of TLS over QUIC [rfc9001-4]. Not packet number spaces: EARLY and APP share one. */
enum tern_level {
  TERN_LEVEL_INITIAL,
  TERN_LEVEL_EARLY,
  TERN_LEVEL_HANDSHAKE,
  TERN_LEVEL_APP,
};
#define TERN_LEVEL_COUNT 4

/* [rfc9001-6.6] packets sealed with one key. ChaCha20's is above the number of packets there can be. */
#define TERN_AEAD_SEALED_MAX_GCM (UINT64_C(1) << 23)
#define TERN_AEAD_SEALED_MAX_CHACHA20 (UINT64_C(1) << 62)
/* [rfc9001-6.6] packets that failed to open, over all keys of a level. */
#define TERN_AEAD_FAILED_MAX_GCM (UINT64_C(1) << 52)
#define TERN_AEAD_FAILED_MAX_CHACHA20 (UINT64_C(1) << 36)

/* One direction, one generation: an AEAD context, its IV, and the key that it is made from. */
struct tern_key {
  void *aead; /* NULL = none, or it rests; ops->aead_bytes */
  uint8_t iv[TERN_AEAD_NONCE_BYTES];
  uint8_t bytes[TERN_AEAD_KEY_MAX];
};

/* Header protection of one direction. */
struct tern_hp_key {
  void *hp; /* NULL = none, or it rests; ops->hp_bytes */
  uint8_t bytes[TERN_AEAD_KEY_MAX];
};

struct tern_keys_tx {
  bool is_set;
  struct tern_key key;
  struct tern_hp_key hp;
  uint8_t secret[TERN_HASH_MAX]; /* of `generation` */
  uint64_t generation;           /* lowest bit = Key Phase */
  uint64_t sealed;               /* packets sealed with this generation */
  uint64_t first_number; /* lowest packet number of this generation; UINT64_MAX = none yet */
};

struct tern_keys_rx {
  bool is_set;
  struct tern_key current, next, previous;
  struct tern_hp_key hp;
  uint8_t secret[TERN_HASH_MAX]; /* of `next` if is_next_derived, else of `current` */
  bool is_next_derived;
  uint64_t generation;          /* of `current` */
  uint64_t first_number;        /* lowest number opened with `current`; UINT64_MAX = none yet */
  uint64_t end_number;          /* highest number opened with `current`, plus 1; 0 = none yet */
  uint64_t previous_end_number; /* the same with `previous` */
  uint64_t failed;              /* packets that did not open, over all generations */
};

struct tern_keys {
  struct tern_alloc *alloc;
  const struct tern_crypto_ops *ops;
  uint32_t version;
  enum tern_aead_id aead;
  uint64_t sealed_max; /* limits of this AEAD; tests make them small */
  uint64_t failed_max;
  uint64_t update_packets; /* wants an update after so many; 0 = near sealed_max only */
  struct tern_keys_tx tx;
  struct tern_keys_rx rx;
};

/* No keys yet. NULL: no memory. */
TERN_MUST_CHECK struct tern_keys *tern_keys_new(struct tern_alloc *alloc);
/* Initial keys of both directions from the client's first Destination Connection ID
 * [rfc9001-5.2], [rfc9369-3.3.1]. NULL: no memory, or a version without a salt here. */
TERN_MUST_CHECK struct tern_keys *tern_keys_new_initial(struct tern_alloc *alloc, uint32_t version,
                                                        const struct tern_cid *dcid,
                                                        bool is_server);
/* Wipes and frees; NULL is fine. */
void tern_keys_free(struct tern_keys *keys);

/* Installs one direction, from a secret that TLS gave. Once per direction: TERN_STATE after.
 * TERN_INVALID: unknown version, a secret of the wrong length, or an AEAD other than that of the
 * other direction. TERN_NOMEM. */
TERN_MUST_CHECK tern_status tern_keys_set_tx(struct tern_keys *keys, enum tern_aead_id aead,
                                             uint32_t version, tern_slice secret);
TERN_MUST_CHECK tern_status tern_keys_set_rx(struct tern_keys *keys, enum tern_aead_id aead,
                                             uint32_t version, tern_slice secret);
static inline bool tern_keys_has_tx(const struct tern_keys *keys)
{
  return keys != NULL && keys->tx.is_set;
}
static inline bool tern_keys_has_rx(const struct tern_keys *keys)
{
  return keys != NULL && keys->rx.is_set;
}

/* The Key Phase bit (0 or 1) that short headers sealed now must carry. */
static inline uint8_t tern_keys_phase(const struct tern_keys *keys)
{
  return (uint8_t)(keys->tx.generation & 1);
}

/* ---- key update, 1-RTT only [rfc9001-6] ---------------------------------------------------- */

/* May we start one? The crypto side of the rule: no update is under way, and `largest_acked` (of the
 * application space; UINT64_MAX = none) is at or above the first number of the current phase
 * [rfc9001-6.1]. The caller adds: handshake confirmed. */
bool tern_keys_can_update_tx(const struct tern_keys *keys, uint64_t largest_acked);
/* Should we? True from 7/8 of the confidentiality limit on. */
bool tern_keys_wants_update(const struct tern_keys *keys);
/* The next sending generation. TERN_STATE if the peer has not followed the last one yet. The first
 * update has no such wait. A peer's update is answered by tern_protect_open itself. */
TERN_MUST_CHECK tern_status tern_keys_update_tx(struct tern_keys *keys);
/* Forgets the previous receiving generation: 3 PTO after KEY_UPDATED [rfc9001-6.5]. */
void tern_keys_drop_previous(struct tern_keys *keys);

/* ---- rest ---------------------------------------------------------------------------------- */

/* A connection that idles keeps its keys as bytes and gives the library's contexts back, which are ten
 * times as large. The previous receiving generation is forgotten. */
void tern_keys_rest(struct tern_keys *keys);
/* Makes the contexts of a direction anew if they rest; the direction must be set. tern_protect_unmask_run
 * wakes the receiving one by itself. TERN_NOMEM: as it was. */
TERN_MUST_CHECK tern_status tern_keys_wake_tx(struct tern_keys *keys);
TERN_MUST_CHECK tern_status tern_keys_wake_rx(struct tern_keys *keys);
/* Header protection is woken last. */
static inline bool tern_keys_is_tx_awake(const struct tern_keys *keys)
{
  return keys->tx.hp.hp != NULL;
}
static inline bool tern_keys_is_rx_awake(const struct tern_keys *keys)
{
  return keys->rx.hp.hp != NULL;
}

/* ---- derivation, for protect.c and tests --------------------------------------------------- */

/* HKDF-Expand-Label with an empty context [rfc8446-7.1]; `label` without "tls13 ". */
TERN_MUST_CHECK bool tern_expand_label(enum tern_hash_id hash, tern_slice secret, const char *label,
                                       uint8_t *out, size_t out_len);
/* Makes rx.next if it is missing. */
TERN_MUST_CHECK tern_status tern_keys_prepare_next(struct tern_keys *keys);
/* previous = current, current = next; `next` is made anew by a later packet. */
void tern_keys_promote_next(struct tern_keys *keys, uint64_t number);

/* What differs between versions [rfc9001-5.2, 5.8], [rfc9369-3.3]. NULL = unknown version. */
struct tern_version_secrets {
  uint32_t version;
  uint8_t initial_salt[20];
  uint8_t retry_key[16];
  uint8_t retry_nonce[12];
  const char *label_key, *label_iv, *label_hp, *label_ku;
};
const struct tern_version_secrets *tern_version_secrets_find(uint32_t version);

#endif
