/* SPDX-License-Identifier: MIT */
/* Address validation of a server [rfc9000-8.1]: what a token proves, and tokens to prove it with later.
 *
 *   Initial without a token   -> nothing is proven
 *           Retry token       -> proven, once, for ten seconds; ours but not good here -> INVALID_TOKEN
 *           NEW_TOKEN token   -> proven, once, for a day; anything wrong with it = as if there were none
 *
 * Tokens carry Unix time, so that they outlive the process and serve a fleet. Used ones are remembered by
 * their nonce, exactly, in a bounded set. When it is full, NEW_TOKEN tokens prove nothing until the day is
 * over; of Retry tokens, which are good for seconds only, the oldest are forgotten. */
#ifndef TERN_TRANSPORT_VALIDATION_H
#define TERN_TRANSPORT_VALIDATION_H

#include <tern/config.h>

#include "base/seen.h"
#include "crypto/token.h"

struct tern_validation {
  struct tern_token_keys retry_keys, new_keys;
  struct tern_seen retries, news; /* used ones */
  uint64_t unix_offset_ns;
};

/* `secret`: of config.h. */
void tern_validation_init(struct tern_validation *validation, struct tern_alloc *alloc,
                          const tern_random_ops *random, const uint8_t secret[TERN_SECRET_BYTES],
                          uint64_t unix_offset_ns);
void tern_validation_deinit(struct tern_validation *validation);

/* Writes a Retry token: of this first Initial, from this address, to come back to `retry_scid`. */
struct tern_retry_token_args {
  const tern_addr *remote;
  struct tern_cid odcid;
  struct tern_cid retry_scid;
};
TERN_MUST_CHECK tern_status tern_validation_make_retry(struct tern_validation *validation,
                                                       const struct tern_retry_token_args *args,
                                                       tern_time now, uint8_t out[TERN_TOKEN_MAX],
                                                       size_t *len);
/* Writes a token for a later connection from this address. */
TERN_MUST_CHECK tern_status tern_validation_make_new(struct tern_validation *validation,
                                                     const tern_addr *remote, tern_time now,
                                                     uint8_t out[TERN_TOKEN_MAX], size_t *len);

struct tern_proof {
  bool is_validated;
  bool is_retry;   /* by a Retry: the connection began with `odcid` */
  bool is_invalid; /* a Retry token of ours that is not good here [rfc9000-8.1.3] */
  struct tern_cid odcid;
  uint64_t print; /* of the token that proved it */
};

struct tern_proof_args {
  tern_slice token; /* of an Initial */
  tern_slice dcid;  /* its Destination Connection ID */
  const tern_addr *remote;
};
/* What it proves. Does not use the token up. */
struct tern_proof tern_validation_check(struct tern_validation *validation,
                                        const struct tern_proof_args *args, tern_time now);
/* A connection came of it: the token is used up. */
void tern_validation_use(struct tern_validation *validation, const struct tern_proof *proof,
                         tern_time now);

#endif
