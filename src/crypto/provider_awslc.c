/* SPDX-License-Identifier: MIT */
/* The provider table on AWS-LC (and BoringSSL, whose calls these are).
 *
 * An EVP_AEAD_CTX holds everything inside itself, so a context is one block of the caller's memory and
 * sealing touches no heap. Header protection keeps an EVP_CIPHER_CTX in ECB mode: one call over n
 * samples runs the AES units in parallel, several times faster per mask than n single blocks. */
#include "crypto/provider.h"

#include <limits.h>
#include <string.h>

#include <openssl/aead.h>
#include <openssl/chacha.h>
#include <openssl/cipher.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hkdf.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>

static const EVP_AEAD *find_aead(enum tern_aead_id id)
{
  switch (id) {
  case TERN_AEAD_AES128:
    return EVP_aead_aes_128_gcm();
  case TERN_AEAD_AES256:
    return EVP_aead_aes_256_gcm();
  case TERN_AEAD_CHACHA20:
    return EVP_aead_chacha20_poly1305();
  case TERN_AEAD_NULL:
    break;
  }
  return NULL;
}

static const EVP_MD *find_digest(enum tern_hash_id hash)
{
  return hash == TERN_HASH_SHA384 ? EVP_sha384() : EVP_sha256();
}

static bool init_aead(void *context, enum tern_aead_id id, const uint8_t *key, bool is_seal)
{
  const EVP_AEAD *aead = find_aead(id);
  (void)is_seal;
  EVP_AEAD_CTX_zero(context);
  return aead != NULL && EVP_AEAD_CTX_init(context, aead, key, tern_aead_key_bytes(id),
                                           TERN_AEAD_TAG_BYTES, NULL) == 1;
}

static void deinit_aead(void *context)
{
  EVP_AEAD_CTX_cleanup(context);
  OPENSSL_cleanse(context, sizeof(EVP_AEAD_CTX));
}

static bool seal_text(void *context, const struct tern_aead_text *text)
{
  size_t len;
  return EVP_AEAD_CTX_seal(context, text->text, &len, text->text_len + TERN_AEAD_TAG_BYTES,
                           text->nonce, TERN_AEAD_NONCE_BYTES, text->text, text->text_len,
                           text->aad, text->aad_len) == 1;
}

static bool open_text(void *context, const struct tern_aead_text *text)
{
  size_t len;
  if (EVP_AEAD_CTX_open(context, text->text, &len, text->text_len, text->nonce,
                        TERN_AEAD_NONCE_BYTES, text->text, text->text_len + TERN_AEAD_TAG_BYTES,
                        text->aad, text->aad_len) == 1)
    return true;
  ERR_clear_error(); /* a forged packet is no error of the library's user */
  return false;
}

struct hp_key {
  bool is_chacha;
  uint8_t key[TERN_AEAD_KEY_MAX]; /* ChaCha20 */
  EVP_CIPHER_CTX ecb;             /* AES */
};

static bool init_hp(void *context, enum tern_aead_id id, const uint8_t *key)
{
  struct hp_key *hp = context;
  hp->is_chacha = id == TERN_AEAD_CHACHA20;
  EVP_CIPHER_CTX_init(&hp->ecb);
  if (hp->is_chacha) {
    memcpy(hp->key, key, sizeof hp->key);
    return true;
  }
  const EVP_CIPHER *cipher = id == TERN_AEAD_AES256 ? EVP_aes_256_ecb() : EVP_aes_128_ecb();
  return EVP_EncryptInit_ex(&hp->ecb, cipher, NULL, key, NULL) == 1 &&
         EVP_CIPHER_CTX_set_padding(&hp->ecb, 0) == 1;
}

static void deinit_hp(void *context)
{
  struct hp_key *hp = context;
  EVP_CIPHER_CTX_cleanup(&hp->ecb);
  OPENSSL_cleanse(hp, sizeof *hp);
}

/* [rfc9001-5.4.4] the first 4 bytes of the sample are the block counter, little-endian; the other 12
 * the nonce. */
static void mask_chacha(const struct hp_key *hp, uint8_t *sample)
{
  static const uint8_t zeros[TERN_HP_MASK_BYTES];
  uint8_t nonce[12];
  uint32_t counter = (uint32_t)sample[0] | (uint32_t)sample[1] << 8 | (uint32_t)sample[2] << 16 |
                     (uint32_t)sample[3] << 24;
  memcpy(nonce, sample + 4, sizeof nonce);
  CRYPTO_chacha_20(sample, zeros, sizeof zeros, hp->key, nonce, counter);
}

/* [rfc9001-5.4.3] AES: mask = AES-ECB(hp_key, sample). */
static bool mask_samples(void *context, uint8_t *samples, size_t count)
{
  struct hp_key *hp = context;
  if (count > INT_MAX / TERN_HP_SAMPLE_BYTES)
    return false;
  if (!hp->is_chacha)
    return EVP_Cipher(&hp->ecb, samples, samples, count * TERN_HP_SAMPLE_BYTES) == 1;
  for (size_t i = 0; i < count; i++)
    mask_chacha(hp, samples + i * TERN_HP_SAMPLE_BYTES);
  return true;
}

static bool extract(enum tern_hash_id hash, tern_slice salt, tern_slice input, uint8_t *out)
{
  size_t len;
  return HKDF_extract(out, &len, find_digest(hash), input.data, input.len, salt.data, salt.len) ==
         1;
}

static bool expand(enum tern_hash_id hash, tern_slice secret, tern_slice info, uint8_t *out,
                   size_t out_len)
{
  return HKDF_expand(out, out_len, find_digest(hash), secret.data, secret.len, info.data,
                     info.len) == 1;
}

static bool hmac_sha256(tern_slice key, tern_slice data, uint8_t out[32])
{
  unsigned len;
  return HMAC(EVP_sha256(), key.data, key.len, data.data, data.len, out, &len) != NULL;
}

const struct tern_crypto_ops *tern_crypto_provider(void)
{
  static const struct tern_crypto_ops ops = {
      .name = "aws-lc",
      .aead_bytes = sizeof(EVP_AEAD_CTX),
      .hp_bytes = sizeof(struct hp_key),
      .aead_init = init_aead,
      .aead_deinit = deinit_aead,
      .aead_seal = seal_text,
      .aead_open = open_text,
      .hp_init = init_hp,
      .hp_deinit = deinit_hp,
      .hp_masks = mask_samples,
      .hkdf_extract = extract,
      .hkdf_expand = expand,
      .hmac = hmac_sha256,
  };
  return &ops;
}

bool tern_crypto_equal(const void *a, const void *b, size_t len)
{
  return CRYPTO_memcmp(a, b, len) == 0;
}
