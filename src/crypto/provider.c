/* SPDX-License-Identifier: MIT */
/* What every provider shares: sizes by AEAD, and the null provider of simulation and fuzzing. */
#include "crypto/provider.h"

#include <string.h>

const struct tern_crypto_ops *tern_crypto_get(enum tern_aead_id id)
{
  return id == TERN_AEAD_NULL ? tern_crypto_null() : tern_crypto_provider();
}

size_t tern_aead_key_bytes(enum tern_aead_id id)
{
  switch (id) {
  case TERN_AEAD_AES128:
  case TERN_AEAD_NULL:
    return 16;
  case TERN_AEAD_AES256:
  case TERN_AEAD_CHACHA20:
    return 32;
  }
  return 0;
}

enum tern_hash_id tern_aead_hash(enum tern_aead_id id)
{
  return id == TERN_AEAD_AES256 ? TERN_HASH_SHA384 : TERN_HASH_SHA256;
}

size_t tern_hash_bytes(enum tern_hash_id hash)
{
  return hash == TERN_HASH_SHA384 ? 48 : 32;
}

/* ---- the null provider --------------------------------------------------------------------- */

/* The "key" is 8 bytes of the real one, so that packets of another phase or direction fail. */
struct null_aead {
  uint64_t key;
};

#define MIX UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix_word(uint64_t sum, const uint8_t *data)
{
  uint64_t word;
  memcpy(&word, data, sizeof word);
  sum = (sum ^ word) * MIX;
  return sum ^ (sum >> 29);
}

/* Four sums side by side, since one alone waits for its multiplications. */
static uint64_t mix_bytes(uint64_t sum, const uint8_t *data, size_t len)
{
  uint64_t lanes[4] = {sum, sum + 1, sum + 2, sum + 3};
  for (; len >= 32; data += 32, len -= 32) {
    for (size_t i = 0; i < 4; i++)
      lanes[i] = mix_word(lanes[i], data + 8 * i);
  }
  sum = lanes[0];
  for (size_t i = 1; i < 4; i++)
    sum = (sum ^ lanes[i]) * MIX;
  for (; len >= 8; data += 8, len -= 8)
    sum = mix_word(sum, data);
  for (size_t i = 0; i < len; i++)
    sum = (sum ^ data[i]) * MIX;
  return sum ^ (sum >> 32);
}

static void sum_text(const struct null_aead *aead, const struct tern_aead_text *text,
                     uint8_t tag[TERN_AEAD_TAG_BYTES])
{
  uint64_t sum = mix_bytes(aead->key, text->nonce, TERN_AEAD_NONCE_BYTES);
  sum = mix_bytes(sum, text->aad, text->aad_len);
  sum = mix_bytes(sum + text->aad_len, text->text, text->text_len);
  memcpy(tag, &sum, sizeof sum);
  memset(tag + sizeof sum, 0, TERN_AEAD_TAG_BYTES - sizeof sum);
}

static bool init_null_aead(void *context, enum tern_aead_id id, const uint8_t *key, bool is_seal)
{
  struct null_aead *aead = context;
  (void)id;
  (void)is_seal;
  memcpy(&aead->key, key, sizeof aead->key);
  return true;
}

static void deinit_null_aead(void *context)
{
  memset(context, 0, sizeof(struct null_aead));
}

static bool seal_null(void *context, const struct tern_aead_text *text)
{
  sum_text(context, text, text->text + text->text_len);
  return true;
}

static bool open_null(void *context, const struct tern_aead_text *text)
{
  uint8_t tag[TERN_AEAD_TAG_BYTES];
  sum_text(context, text, tag);
  return memcmp(tag, text->text + text->text_len, sizeof tag) == 0;
}

static bool init_null_hp(void *context, enum tern_aead_id id, const uint8_t *key)
{
  (void)id;
  *(uint8_t *)context = key[0];
  return true;
}

static void deinit_null_hp(void *context)
{
  *(uint8_t *)context = 0;
}

static bool mask_null(void *context, uint8_t *samples, size_t count)
{
  (void)context;
  memset(samples, 0, count * TERN_HP_SAMPLE_BYTES);
  return true;
}

static bool extract_null(enum tern_hash_id hash, tern_slice salt, tern_slice input, uint8_t *out)
{
  return tern_crypto_provider()->hkdf_extract(hash, salt, input, out);
}

static bool expand_null(enum tern_hash_id hash, tern_slice secret, tern_slice info, uint8_t *out,
                        size_t out_len)
{
  return tern_crypto_provider()->hkdf_expand(hash, secret, info, out, out_len);
}

static bool hmac_null(tern_slice key, tern_slice data, uint8_t out[32])
{
  return tern_crypto_provider()->hmac(key, data, out);
}

const struct tern_crypto_ops *tern_crypto_null(void)
{
  static const struct tern_crypto_ops ops = {
      .name = "null (no security)",
      .aead_bytes = sizeof(struct null_aead),
      .hp_bytes = 1,
      .aead_init = init_null_aead,
      .aead_deinit = deinit_null_aead,
      .aead_seal = seal_null,
      .aead_open = open_null,
      .hp_init = init_null_hp,
      .hp_deinit = deinit_null_hp,
      .hp_masks = mask_null,
      .hkdf_extract = extract_null,
      .hkdf_expand = expand_null,
      .hmac = hmac_null,
  };
  return &ops;
}
