/* SPDX-License-Identifier: MIT */
/* Address validation and stateless reset tokens. See token.h. */
#include "crypto/token.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"

/* kind, key id, nonce: in clear, and authenticated as associated data but for the nonce */
#define CLEAR_BYTES (1 + 1 + TERN_AEAD_NONCE_BYTES)
#define ADDRESS_BYTES (1 + 16 + 2)
#define CID_BYTES (1 + TERN_CID_MAX)
/* The length says nothing about what is inside: ids are padded. */
#define NEW_TEXT_BYTES (8 + ADDRESS_BYTES)
#define RETRY_TEXT_BYTES (NEW_TEXT_BYTES + 2 * CID_BYTES)

_Static_assert(CLEAR_BYTES + RETRY_TEXT_BYTES + TERN_AEAD_TAG_BYTES <= TERN_TOKEN_MAX,
               "TERN_TOKEN_MAX is too small");

void tern_token_keys_init(struct tern_token_keys *keys, struct tern_alloc *alloc,
                          const tern_random_ops *random, const uint8_t *secret, uint64_t period_ns)
{
  memset(keys, 0, sizeof *keys);
  keys->alloc = alloc;
  keys->random = *random;
  keys->period_ns = period_ns;
  if (secret != NULL)
    memcpy(keys->secret, secret, sizeof keys->secret);
  else
    random->fill(random->arg, keys->secret, sizeof keys->secret);
}

static void drop_context(struct tern_token_keys *keys, void **context)
{
  const struct tern_crypto_ops *ops = tern_crypto_provider();
  if (*context == NULL)
    return;
  ops->aead_deinit(*context);
  tern_wipe(*context, ops->aead_bytes);
  tern_alloc_give(keys->alloc, *context, ops->aead_bytes);
  *context = NULL;
}

static void drop_key(struct tern_token_keys *keys, struct tern_token_key *key)
{
  drop_context(keys, &key->seal);
  drop_context(keys, &key->open);
  memset(key, 0, sizeof *key);
}

void tern_token_keys_deinit(struct tern_token_keys *keys)
{
  for (size_t i = 0; i < TERN_TOKEN_EPOCHS; i++)
    drop_key(keys, &keys->slots[i]);
  tern_wipe(keys->secret, sizeof keys->secret);
}

static void *make_context(struct tern_token_keys *keys, const uint8_t *secret, bool is_seal)
{
  const struct tern_crypto_ops *ops = tern_crypto_provider();
  void *context = tern_alloc_take_zero(keys->alloc, ops->aead_bytes);
  if (context != NULL && !ops->aead_init(context, TERN_AEAD_AES256, secret, is_seal))
    drop_context(keys, &context);
  return context;
}

static void derive_key(const struct tern_token_keys *keys, uint64_t epoch, uint8_t out[32])
{
  static const char label[] = "tern address token";
  uint8_t data[sizeof label + 8];
  struct tern_writer writer = tern_writer_of(data, sizeof data);
  tern_write_bytes(&writer, label, sizeof label);
  tern_write_u64(&writer, epoch);
  bool is_done = tern_crypto_provider()->hmac(tern_slice_of(keys->secret, sizeof keys->secret),
                                              tern_slice_of(data, tern_writer_len(&writer)), out);
  TERN_ASSERT(is_done);
}

/* The key of an epoch, derived if it is not at hand; NULL without memory. */
static struct tern_token_key *get_key(struct tern_token_keys *keys, uint64_t epoch)
{
  struct tern_token_key *key = &keys->slots[epoch % TERN_TOKEN_EPOCHS];
  uint8_t secret[TERN_AEAD_KEY_MAX];
  if (key->seal != NULL && key->epoch == epoch)
    return key;
  drop_key(keys, key);
  derive_key(keys, epoch, secret);
  key->seal = make_context(keys, secret, true);
  key->open = make_context(keys, secret, false);
  key->epoch = epoch;
  tern_wipe(secret, sizeof secret);
  if (key->seal != NULL && key->open != NULL)
    return key;
  drop_key(keys, key);
  return NULL;
}

static uint64_t age_of(tern_time then, tern_time now)
{
  return now > then ? now - then : 0;
}

static void write_cid(struct tern_writer *writer, const struct tern_cid *cid)
{
  uint8_t bytes[TERN_CID_MAX] = {0};
  memcpy(bytes, cid->bytes, cid->len);
  tern_write_u8(writer, cid->len);
  tern_write_bytes(writer, bytes, sizeof bytes);
}

static void write_text(struct tern_writer *writer, const struct tern_token *token)
{
  tern_write_u64(writer, token->issued_at);
  tern_write_u8(writer, token->remote.family);
  tern_write_bytes(writer, token->remote.ip, sizeof token->remote.ip);
  tern_write_u16(writer, token->remote.port);
  if (token->kind == TERN_TOKEN_RETRY) {
    write_cid(writer, &token->odcid);
    write_cid(writer, &token->retry_scid);
  }
}

tern_status tern_token_seal(struct tern_token_keys *keys, const struct tern_token *token,
                            tern_time now, uint8_t out[TERN_TOKEN_MAX], size_t *len)
{
  struct tern_token_key *key = get_key(keys, now / keys->period_ns);
  if (key == NULL)
    return TERN_NOMEM;
  if (key->sealed >= TERN_TOKEN_SEALS_MAX)
    return TERN_LIMIT;
  struct tern_writer writer = tern_writer_of(out, TERN_TOKEN_MAX - TERN_AEAD_TAG_BYTES);
  tern_write_u8(&writer, (uint8_t)token->kind);
  tern_write_u8(&writer, (uint8_t)key->epoch);
  uint8_t *nonce = tern_write_room(&writer, TERN_AEAD_NONCE_BYTES);
  keys->random.fill(keys->random.arg, nonce, TERN_AEAD_NONCE_BYTES);
  write_text(&writer, token);
  TERN_ASSERT(!writer.is_full);

  struct tern_aead_text text = {
      .nonce = nonce,
      .aad = out,
      .aad_len = 2,
      .text = out + CLEAR_BYTES,
      .text_len = tern_writer_len(&writer) - CLEAR_BYTES,
  };
  bool is_sealed = tern_crypto_provider()->aead_seal(key->seal, &text);
  TERN_ASSERT(is_sealed);
  key->sealed++;
  *len = tern_writer_len(&writer) + TERN_AEAD_TAG_BYTES;
  return TERN_OK;
}

/* ---- opening ------------------------------------------------------------------------------- */

bool tern_token_is_retry(tern_slice token)
{
  return token.len != 0 && token.data[0] == TERN_TOKEN_RETRY;
}

static bool read_cid(struct tern_reader *reader, struct tern_cid *cid)
{
  return tern_read_u8(reader, &cid->len) && cid->len <= TERN_CID_MAX &&
         tern_read_bytes(reader, cid->bytes, sizeof cid->bytes);
}

static bool read_text(struct tern_reader *reader, struct tern_token *out)
{
  if (!tern_read_u64(reader, &out->issued_at) || !tern_read_u8(reader, &out->remote.family) ||
      !tern_read_bytes(reader, out->remote.ip, sizeof out->remote.ip) ||
      !tern_read_u16(reader, &out->remote.port))
    return false;
  if (out->kind == TERN_TOKEN_RETRY &&
      (!read_cid(reader, &out->odcid) || !read_cid(reader, &out->retry_scid)))
    return false;
  return tern_reader_left(reader) == 0;
}

/* The key that `id` names, if it may open at `now`. */
static void *find_open_context(struct tern_token_keys *keys, uint8_t id, tern_time now)
{
  uint64_t epoch = now / keys->period_ns;
  const uint64_t candidates[] = {epoch, epoch - 1, epoch + 1};
  for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
    if ((uint8_t)candidates[i] != id)
      continue;
    const struct tern_token_key *key = get_key(keys, candidates[i]);
    return key != NULL ? key->open : NULL;
  }
  return NULL;
}

/* Copies, authenticates and reads; what is not exactly of our shape is not ours. */
static bool open_token(struct tern_token_keys *keys, tern_slice token, tern_time now,
                       struct tern_token *out)
{
  uint8_t copy[TERN_TOKEN_MAX];
  size_t text_len;
  if (token.len < 2)
    return false;
  if (token.data[0] == TERN_TOKEN_RETRY)
    text_len = RETRY_TEXT_BYTES;
  else if (token.data[0] == TERN_TOKEN_NEW)
    text_len = NEW_TEXT_BYTES;
  else
    return false;
  if (token.len != CLEAR_BYTES + text_len + TERN_AEAD_TAG_BYTES)
    return false;
  void *context = find_open_context(keys, token.data[1], now);
  if (context == NULL)
    return false;

  memcpy(copy, token.data, token.len);
  struct tern_aead_text text = {
      .nonce = copy + 2,
      .aad = copy,
      .aad_len = 2,
      .text = copy + CLEAR_BYTES,
      .text_len = text_len,
  };
  if (!tern_crypto_provider()->aead_open(context, &text))
    return false;
  struct tern_reader reader = tern_reader_of(text.text, text.text_len);
  out->kind = token.data[0] == TERN_TOKEN_RETRY ? TERN_TOKEN_RETRY : TERN_TOKEN_NEW;
  return read_text(&reader, out);
}

/* [rfc9000-8.1.4] a token is bound to the address it was sent to. The port counts only for Retry, which
 * is answered at once; later a NAT may have chosen another [rfc9000-8.1.3]. */
static bool is_same_address(const struct tern_token *token, const tern_addr *remote)
{
  return token->remote.family == remote->family &&
         memcmp(token->remote.ip, remote->ip, sizeof remote->ip) == 0 &&
         (token->kind == TERN_TOKEN_NEW || token->remote.port == remote->port);
}

enum tern_token_result tern_token_open(struct tern_token_keys *keys, tern_slice token,
                                       const tern_addr *remote, tern_time now,
                                       struct tern_token *out)
{
  memset(out, 0, sizeof *out);
  if (!open_token(keys, token, now, out)) {
    memset(out, 0, sizeof *out);
    return TERN_TOKEN_UNKNOWN;
  }
  if (!is_same_address(out, remote))
    return TERN_TOKEN_WRONG_ADDRESS;
  /* [rfc9000-8.1.3] a short time for Retry, longer for NEW_TOKEN. */
  uint64_t lifetime_ns =
      out->kind == TERN_TOKEN_RETRY ? TERN_TOKEN_RETRY_LIFETIME_NS : TERN_TOKEN_NEW_LIFETIME_NS;
  if (age_of(now, out->issued_at) > TERN_TOKEN_SKEW_NS)
    return TERN_TOKEN_EXPIRED;
  return age_of(out->issued_at, now) > lifetime_ns ? TERN_TOKEN_EXPIRED : TERN_TOKEN_VALID;
}

/* ---- other secrets -----------------------------------------------------------------------------*/

void tern_secret_derive(const uint8_t secret[TERN_SECRET_BYTES], const char *label,
                        uint8_t out[TERN_SECRET_BYTES])
{
  bool is_done = tern_crypto_provider()->hmac(tern_slice_of(secret, TERN_SECRET_BYTES),
                                              tern_slice_of(label, strlen(label)), out);
  TERN_ASSERT(is_done);
}

/* ---- stateless reset ----------------------------------------------------------------------- */

void tern_reset_token(const uint8_t key[32], const struct tern_cid *cid,
                      uint8_t out[TERN_RESET_TOKEN_BYTES])
{
  static const char label[] = "tern stateless reset";
  uint8_t data[sizeof label + TERN_CID_MAX];
  uint8_t mac[32];
  memcpy(data, label, sizeof label);
  memcpy(data + sizeof label, cid->bytes, cid->len);
  /* [rfc9000-10.3.2] a keyed one-way function of the connection id: cannot be guessed, needs no state. */
  bool is_done = tern_crypto_provider()->hmac(tern_slice_of(key, 32),
                                              tern_slice_of(data, sizeof label + cid->len), mac);
  TERN_ASSERT(is_done);
  memcpy(out, mac, TERN_RESET_TOKEN_BYTES);
  tern_wipe(mac, sizeof mac);
}
