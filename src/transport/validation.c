/* SPDX-License-Identifier: MIT */
/* See validation.h. */
#include "transport/validation.h"

#include <string.h>

void tern_validation_init(struct tern_validation *validation, struct tern_alloc *alloc,
                          const tern_random_ops *random, const uint8_t secret[TERN_SECRET_BYTES],
                          uint64_t unix_offset_ns)
{
  uint8_t own[TERN_SECRET_BYTES];

  tern_secret_derive(secret, "tern retry token", own);
  tern_token_keys_init(&validation->retry_keys, alloc, random, own, TERN_TOKEN_RETRY_PERIOD_NS);
  tern_secret_derive(secret, "tern new token", own);
  tern_token_keys_init(&validation->new_keys, alloc, random, own, TERN_TOKEN_NEW_PERIOD_NS);
  tern_wipe(own, sizeof own);
  tern_seen_init(&validation->retries, alloc, TERN_CAP_TOKENS_SEEN, TERN_TOKEN_RETRY_LIFETIME_NS);
  tern_seen_init(&validation->news, alloc, TERN_CAP_TOKENS_SEEN, TERN_TOKEN_NEW_LIFETIME_NS);
  validation->unix_offset_ns = unix_offset_ns;
}

void tern_validation_deinit(struct tern_validation *validation)
{
  tern_token_keys_deinit(&validation->retry_keys);
  tern_token_keys_deinit(&validation->new_keys);
  tern_seen_deinit(&validation->retries);
  tern_seen_deinit(&validation->news);
}

tern_status tern_validation_make_retry(struct tern_validation *validation,
                                       const struct tern_retry_token_args *args, tern_time now,
                                       uint8_t out[TERN_TOKEN_MAX], size_t *len)
{
  tern_time unix_now = now + validation->unix_offset_ns;
  struct tern_token token = {.kind = TERN_TOKEN_RETRY,
                             .remote = *args->remote,
                             .issued_at = unix_now,
                             .odcid = args->odcid,
                             .retry_scid = args->retry_scid};

  return tern_token_seal(&validation->retry_keys, &token, unix_now, out, len);
}

tern_status tern_validation_make_new(struct tern_validation *validation, const tern_addr *remote,
                                     tern_time now, uint8_t out[TERN_TOKEN_MAX], size_t *len)
{
  tern_time unix_now = now + validation->unix_offset_ns;
  struct tern_token token = {.kind = TERN_TOKEN_NEW, .remote = *remote, .issued_at = unix_now};

  return tern_token_seal(&validation->new_keys, &token, unix_now, out, len);
}

/* The nonce's first 8 bytes: random, ours, and authentic with the token. */
static uint64_t get_print(tern_slice token)
{
  uint64_t print;

  memcpy(&print, token.data + 2, sizeof print);
  return print;
}

static struct tern_proof check_retry(struct tern_validation *validation,
                                     const struct tern_proof_args *args, tern_time now)
{
  struct tern_proof proof = {0};
  struct tern_token token;
  enum tern_token_result result = tern_token_open(
      &validation->retry_keys, args->token, args->remote, now + validation->unix_offset_ns, &token);

  if (result == TERN_TOKEN_UNKNOWN)
    return proof; /* somebody else's: as if there were none */
  proof.print = get_print(args->token);
  proof.is_validated = result == TERN_TOKEN_VALID &&
                       tern_cid_is_slice(&token.retry_scid, args->dcid) &&
                       !tern_seen_has(&validation->retries, proof.print, now);
  proof.is_invalid = !proof.is_validated;
  proof.is_retry = proof.is_validated;
  proof.odcid = token.odcid;
  return proof;
}

static struct tern_proof check_new(struct tern_validation *validation,
                                   const struct tern_proof_args *args, tern_time now)
{
  struct tern_proof proof = {0};
  struct tern_token token;

  if (tern_token_open(&validation->new_keys, args->token, args->remote,
                      now + validation->unix_offset_ns, &token) != TERN_TOKEN_VALID)
    return proof;
  proof.print = get_print(args->token);
  proof.is_validated = !tern_seen_has(&validation->news, proof.print, now) &&
                       validation->news.young.count < validation->news.entries_max;
  return proof;
}

struct tern_proof tern_validation_check(struct tern_validation *validation,
                                        const struct tern_proof_args *args, tern_time now)
{
  if (args->token.len == 0)
    return (struct tern_proof){0};
  return tern_token_is_retry(args->token) ? check_retry(validation, args, now)
                                          : check_new(validation, args, now);
}

void tern_validation_use(struct tern_validation *validation, const struct tern_proof *proof,
                         tern_time now)
{
  struct tern_seen *seen = proof->is_retry ? &validation->retries : &validation->news;

  if (!proof->is_validated)
    return;
  tern_status status = tern_seen_add(seen, proof->print, now);
  if (status == TERN_OK || !proof->is_retry)
    return; /* full or no memory: check_new takes no more, or this one counts twice at worst */
  tern_seen_turn(seen, now);
  if (tern_seen_add(seen, proof->print, now) != TERN_OK)
    return; /* no memory: it can be used again while it lasts */
}
