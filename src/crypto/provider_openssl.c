/* SPDX-License-Identifier: MIT */
/* The provider table on OpenSSL 3: the build takes this file instead of
 * provider_awslc.c.
 *
 * Contexts are made once per key with the cipher and key set; a packet sets only its nonce, which
 * allocates nothing. */
#include "crypto/provider.h"

#include <limits.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

struct aead {
  EVP_CIPHER_CTX *ctx;
};

static const EVP_CIPHER *find_aead(enum tern_aead_id id)
{
  switch (id) {
  case TERN_AEAD_AES128:
    return EVP_aes_128_gcm();
  case TERN_AEAD_AES256:
    return EVP_aes_256_gcm();
  case TERN_AEAD_CHACHA20:
    return EVP_chacha20_poly1305();
  case TERN_AEAD_NULL:
    break;
  }
  return NULL;
}

static bool init_aead(void *context, enum tern_aead_id id, const uint8_t *key, bool is_seal)
{
  struct aead *aead = context;
  const EVP_CIPHER *cipher = find_aead(id);
  aead->ctx = EVP_CIPHER_CTX_new();
  return aead->ctx != NULL && cipher != NULL &&
         EVP_CipherInit_ex2(aead->ctx, cipher, key, NULL, is_seal ? 1 : 0, NULL) == 1;
}

static void deinit_aead(void *context)
{
  struct aead *aead = context;
  EVP_CIPHER_CTX_free(aead->ctx); /* wipes the key */
  aead->ctx = NULL;
}

static bool run_cipher(EVP_CIPHER_CTX *ctx, const struct tern_aead_text *text)
{
  int len;
  if (text->aad_len > INT_MAX || text->text_len > INT_MAX)
    return false;
  return EVP_CipherInit_ex2(ctx, NULL, NULL, text->nonce, -1, NULL) == 1 &&
         EVP_CipherUpdate(ctx, NULL, &len, text->aad, (int)text->aad_len) == 1 &&
         (text->text_len == 0 ||
          EVP_CipherUpdate(ctx, text->text, &len, text->text, (int)text->text_len) == 1);
}

static bool seal_text(void *context, const struct tern_aead_text *text)
{
  EVP_CIPHER_CTX *ctx = ((struct aead *)context)->ctx;
  uint8_t *tag = text->text + text->text_len;
  int len;
  return run_cipher(ctx, text) && EVP_CipherFinal_ex(ctx, tag, &len) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TERN_AEAD_TAG_BYTES, tag) == 1;
}

static bool open_text(void *context, const struct tern_aead_text *text)
{
  EVP_CIPHER_CTX *ctx = ((struct aead *)context)->ctx;
  uint8_t *tag = text->text + text->text_len;
  uint8_t none[EVP_MAX_BLOCK_LENGTH];
  int len;
  /* The nonce first: setting it forgets a tag that was set before. */
  bool is_ok = run_cipher(ctx, text) &&
               EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TERN_AEAD_TAG_BYTES, tag) == 1 &&
               EVP_CipherFinal_ex(ctx, none, &len) == 1;
  if (!is_ok) {
    OPENSSL_cleanse(text->text, text->text_len); /* nobody may look at unauthenticated plaintext */
    ERR_clear_error();
  }
  return is_ok;
}

struct hp_key {
  EVP_CIPHER_CTX *ctx;
  bool is_chacha;
};

static bool init_hp(void *context, enum tern_aead_id id, const uint8_t *key)
{
  struct hp_key *hp = context;
  const EVP_CIPHER *cipher = id == TERN_AEAD_CHACHA20 ? EVP_chacha20()
                             : id == TERN_AEAD_AES256 ? EVP_aes_256_ecb()
                                                      : EVP_aes_128_ecb();
  hp->is_chacha = id == TERN_AEAD_CHACHA20;
  hp->ctx = EVP_CIPHER_CTX_new();
  return hp->ctx != NULL && EVP_EncryptInit_ex2(hp->ctx, cipher, key, NULL, NULL) == 1 &&
         EVP_CIPHER_CTX_set_padding(hp->ctx, 0) == 1;
}

static void deinit_hp(void *context)
{
  struct hp_key *hp = context;
  EVP_CIPHER_CTX_free(hp->ctx);
  hp->ctx = NULL;
}

/* [rfc9001-5.4.4] OpenSSL's 16-byte ChaCha20 IV is counter and nonce, which is the sample itself. */
static bool mask_chacha(EVP_CIPHER_CTX *ctx, uint8_t *sample)
{
  static const uint8_t zeros[TERN_HP_MASK_BYTES];
  uint8_t iv[TERN_HP_SAMPLE_BYTES];
  int len;
  memcpy(iv, sample, sizeof iv);
  return EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) == 1 &&
         EVP_EncryptUpdate(ctx, sample, &len, zeros, (int)sizeof zeros) == 1;
}

/* [rfc9001-5.4.3] AES: mask = AES-ECB(hp_key, sample). */
static bool mask_samples(void *context, uint8_t *samples, size_t count)
{
  struct hp_key *hp = context;
  int len;
  if (count > INT_MAX / TERN_HP_SAMPLE_BYTES)
    return false;
  if (!hp->is_chacha)
    return EVP_EncryptUpdate(hp->ctx, samples, &len, samples,
                             (int)(count * TERN_HP_SAMPLE_BYTES)) == 1;
  for (size_t i = 0; i < count; i++) {
    if (!mask_chacha(hp->ctx, samples + i * TERN_HP_SAMPLE_BYTES))
      return false;
  }
  return true;
}

/* OSSL_PARAM wants pointers without const, and reads only. */
static OSSL_PARAM make_octets(const char *name, tern_slice slice)
{
  static uint8_t empty;
  union {
    const uint8_t *in;
    uint8_t *out;
  } bytes = {slice.data};
  return OSSL_PARAM_construct_octet_string(name, slice.data != NULL ? bytes.out : &empty,
                                           slice.len);
}

static bool derive(OSSL_PARAM *params, uint8_t *out, size_t out_len)
{
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
  EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
  bool is_ok = ctx != NULL && EVP_KDF_derive(ctx, out, out_len, params) == 1;
  EVP_KDF_CTX_free(ctx);
  EVP_KDF_free(kdf);
  if (!is_ok)
    ERR_clear_error();
  return is_ok;
}

static OSSL_PARAM make_digest(enum tern_hash_id hash)
{
  static char sha256[] = "SHA256", sha384[] = "SHA384";
  return OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                          hash == TERN_HASH_SHA384 ? sha384 : sha256, 0);
}

static bool extract(enum tern_hash_id hash, tern_slice salt, tern_slice input, uint8_t *out)
{
  int mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
  OSSL_PARAM params[5] = {
      make_digest(hash),
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      make_octets(OSSL_KDF_PARAM_KEY, input),
      make_octets(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_end(),
  };
  return derive(params, out, tern_hash_bytes(hash));
}

static bool expand(enum tern_hash_id hash, tern_slice secret, tern_slice info, uint8_t *out,
                   size_t out_len)
{
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  OSSL_PARAM params[5] = {
      make_digest(hash),
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      make_octets(OSSL_KDF_PARAM_KEY, secret),
      make_octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end(),
  };
  return derive(params, out, out_len);
}

static bool hmac_sha256(tern_slice key, tern_slice data, uint8_t out[32])
{
  unsigned len;
  return key.len <= INT_MAX &&
         HMAC(EVP_sha256(), key.data, (int)key.len, data.data, data.len, out, &len) != NULL;
}

const struct tern_crypto_ops *tern_crypto_provider(void)
{
  static const struct tern_crypto_ops ops = {
      .name = "openssl",
      .aead_bytes = sizeof(struct aead),
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
