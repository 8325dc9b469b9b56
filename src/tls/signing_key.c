/* SPDX-License-Identifier: MIT */
/* A private key outside of a tern_tls, by the calls that AWS-LC and OpenSSL share. */
#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <tern/certs.h>

#include "base/alloc.h"
#include "tls/tls_backend.h"
#include "tls/tls_pem.h"

struct tern_signing_key {
  EVP_PKEY *pkey;
};

/* [rfc8446-4.2.3] what TLS 1.3 signs its handshake with. */
static const struct scheme {
  uint16_t number;
  int key_type;
  const EVP_MD *(*hash)(void); /* NULL: the key hashes by itself */
} schemes[] = {
    {0x0403, EVP_PKEY_EC, EVP_sha256},  {0x0503, EVP_PKEY_EC, EVP_sha384},
    {0x0603, EVP_PKEY_EC, EVP_sha512},  {0x0804, EVP_PKEY_RSA, EVP_sha256},
    {0x0805, EVP_PKEY_RSA, EVP_sha384}, {0x0806, EVP_PKEY_RSA, EVP_sha512},
    {0x0807, EVP_PKEY_ED25519, NULL},
};

tern_status tern_signing_key_new(tern_signing_key **out, tern_slice pem, char *why, size_t why_size)
{
  tern_signing_key *key = tern_alloc_system.take(tern_alloc_system.arg, sizeof *key);
  *out = NULL;
  if (key == NULL)
    return TERN_NOMEM;
  key->pkey = tern_tls_read_key(pem);
  if (key->pkey == NULL) {
    tern_alloc_system.give(tern_alloc_system.arg, key, sizeof *key);
    return tern_tls_refuse(why, why_size, "private key in PEM");
  }
  *out = key;
  return TERN_OK;
}

void tern_signing_key_free(tern_signing_key *key)
{
  if (key == NULL)
    return;
  EVP_PKEY_free(key->pkey);
  tern_alloc_system.give(tern_alloc_system.arg, key, sizeof *key);
}

static const struct scheme *find_scheme(const tern_signing_key *key, uint16_t number)
{
  for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
    if (schemes[i].number == number && schemes[i].key_type == EVP_PKEY_id(key->pkey))
      return &schemes[i];
  return NULL;
}

/* [rfc8446-4.2.3] RSASSA-PSS: the salt is as long as the hash. */
static bool choose_padding(EVP_PKEY_CTX *pkey_ctx, const struct scheme *scheme)
{
  return scheme->key_type != EVP_PKEY_RSA ||
         (EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
          EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, -1) == 1);
}

tern_status tern_signing_key_sign(const tern_signing_key *key, uint16_t scheme_number,
                                  tern_slice input, uint8_t signature[TERN_SIGNATURE_MAX],
                                  size_t *len)
{
  const struct scheme *scheme = find_scheme(key, scheme_number);
  EVP_PKEY_CTX *pkey_ctx; /* the digest context's */
  *len = 0;
  if (scheme == NULL)
    return TERN_INVALID;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  if (ctx == NULL)
    return TERN_NOMEM;
  const EVP_MD *hash = scheme->hash != NULL ? scheme->hash() : NULL;
  size_t room = TERN_SIGNATURE_MAX;
  bool is_ok = EVP_DigestSignInit(ctx, &pkey_ctx, hash, NULL, key->pkey) == 1 &&
               choose_padding(pkey_ctx, scheme) &&
               EVP_DigestSign(ctx, signature, &room, input.data, input.len) == 1;
  EVP_MD_CTX_free(ctx);
  ERR_clear_error();
  if (!is_ok)
    return TERN_INVALID;
  *len = room;
  return TERN_OK;
}
