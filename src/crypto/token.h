/* SPDX-License-Identifier: MIT */
/* Address validation tokens [rfc9000-8.1] and stateless reset tokens [rfc9000-10.3].
 *
 *   token = kind (1) | key id (1) | nonce (12) | sealed { time, address, odcid, retry scid } | tag (16)
 *
 *   key(epoch) = HMAC-SHA256(secret, label | epoch)      epoch = time / period      key id = epoch mod 256
 *
 * AES-256-GCM; kind and key id are authenticated with the rest. Keys follow from a secret and the time,
 * so servers that share the secret open each other's tokens, and one that is restarted with it opens its
 * own from before. The epoch before still opens, and the one after, for clocks that are ahead. A nonce is
 * random, so a key seals at most 2^32 tokens. What the server must remember between Initial and Initial
 * travels in the token; the server keeps nothing. */
#ifndef TERN_CRYPTO_TOKEN_H
#define TERN_CRYPTO_TOKEN_H

#include <tern/base.h>

#include "base/alloc.h"
#include "crypto/provider.h"
#include "wire/quic.h"

/* [rfc9000-8.1.1] tokens of Retry and of NEW_TOKEN must be told apart. Values on the wire. */
enum tern_token_kind {
  TERN_TOKEN_RETRY = 0x72,
  TERN_TOKEN_NEW = 0x6e,
};

#define TERN_TOKEN_MAX 128 /* bytes of a token we make */
#define TERN_TOKEN_RETRY_LIFETIME_NS (10 * TERN_SECOND)
#define TERN_TOKEN_NEW_LIFETIME_NS (24 * 3600 * TERN_SECOND)
#define TERN_TOKEN_RETRY_PERIOD_NS (3600 * TERN_SECOND) /* 2^32 in it: 1.2 million a second */
#define TERN_TOKEN_NEW_PERIOD_NS TERN_TOKEN_NEW_LIFETIME_NS
#define TERN_TOKEN_SKEW_NS (60 * TERN_SECOND) /* how far the clocks of a fleet may be apart */
#define TERN_SECRET_BYTES 32
#define TERN_TOKEN_SEALS_MAX                                                                       \
  (UINT64_C(1) << 32) /* per key, random 96-bit nonces: NIST SP 800-38D */

struct tern_token {
  enum tern_token_kind kind;
  tern_addr remote; /* NEW: only the IP counts, the port may change [rfc9000-8.1.3] */
  tern_time issued_at;
  struct tern_cid odcid;      /* RETRY: of the first Initial, else empty */
  struct tern_cid retry_scid; /* RETRY: what the client must now use as destination, else empty */
};

#define TERN_TOKEN_EPOCHS 3 /* the one before, this one, the one after */

struct tern_token_keys {
  struct tern_alloc *alloc;
  tern_random_ops random;
  uint8_t secret[TERN_SECRET_BYTES];
  uint64_t period_ns; /* an epoch */
  struct tern_token_key {
    void *seal, *open; /* AEAD contexts; NULL = none */
    uint64_t epoch;
    uint64_t sealed;
  } slots[TERN_TOKEN_EPOCHS]; /* [epoch mod TERN_TOKEN_EPOCHS] */
};

/* Keys are derived when they are first needed. `period_ns` at least the lifetime of a token. `secret` is
 * copied; NULL = a random one. */
void tern_token_keys_init(struct tern_token_keys *keys, struct tern_alloc *alloc,
                          const tern_random_ops *random, const uint8_t *secret, uint64_t period_ns);
void tern_token_keys_deinit(struct tern_token_keys *keys);

/* Writes a token and its length. TERN_NOMEM; TERN_LIMIT: 2^32 tokens were sealed in this epoch. */
TERN_MUST_CHECK tern_status tern_token_seal(struct tern_token_keys *keys,
                                            const struct tern_token *token, tern_time now,
                                            uint8_t out[TERN_TOKEN_MAX], size_t *len);

enum tern_token_result {
  TERN_TOKEN_VALID,         /* `out` filled; the address is validated */
  TERN_TOKEN_UNKNOWN,       /* not ours, damaged, or of a key that is gone */
  TERN_TOKEN_EXPIRED,       /* ours, but too old, or from a future that no clock explains */
  TERN_TOKEN_WRONG_ADDRESS, /* ours, from someone else's address */
};

/* The first byte says which kind a token claims to be, before any check: a bad Retry token may be
 * answered with INVALID_TOKEN, a bad NEW_TOKEN one is as good as none [rfc9000-8.1.3]. */
bool tern_token_is_retry(tern_slice token);
/* `remote` = where the Initial came from. `out` is filled also for EXPIRED and WRONG_ADDRESS. For a
 * RETRY token the caller compares out->retry_scid with the Initial's destination id. A token can be
 * opened any number of times: remembering used ones is the endpoint's. */
TERN_MUST_CHECK enum tern_token_result tern_token_open(struct tern_token_keys *keys,
                                                       tern_slice token, const tern_addr *remote,
                                                       tern_time now, struct tern_token *out);

/* A secret for one purpose from another: HMAC-SHA256(secret, label). */
void tern_secret_derive(const uint8_t secret[TERN_SECRET_BYTES], const char *label,
                        uint8_t out[TERN_SECRET_BYTES]);

/* Stateless reset token of a connection id: HMAC-SHA256(key, label | id) cut to 16 bytes
 * [rfc9000-10.3.2]. Compare with tern_crypto_equal [rfc9000-10.3.1]. */
void tern_reset_token(const uint8_t key[32], const struct tern_cid *cid,
                      uint8_t out[TERN_RESET_TOKEN_BYTES]);

#endif
