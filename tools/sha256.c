/* SPDX-License-Identifier: MIT */
/* SHA-256: the one place of the tools that meets the crypto library; and two ways to print a hash. */
#include "sha256.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "cli.h"

struct tern_sha256 {
  EVP_MD_CTX *context;
};

struct tern_sha256 *tern_sha256_new(void)
{
  struct tern_sha256 *sha = tern_cli_take(1, sizeof *sha);
  sha->context = EVP_MD_CTX_new();
  if (sha->context == NULL || EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL) != 1)
    abort(); /* no memory */
  return sha;
}

void tern_sha256_free(struct tern_sha256 *sha)
{
  if (sha == NULL)
    return;
  EVP_MD_CTX_free(sha->context);
  free(sha);
}

void tern_sha256_add(struct tern_sha256 *sha, const void *data, size_t len)
{
  (void)EVP_DigestUpdate(sha->context, data, len);
}

void tern_sha256_end(struct tern_sha256 *sha, uint8_t out[TERN_SHA256_BYTES])
{
  (void)EVP_DigestFinal_ex(sha->context, out, NULL);
}

char *tern_sha256_hex(const uint8_t hash[TERN_SHA256_BYTES], char text[TERN_SHA256_HEX_SIZE])
{
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < TERN_SHA256_BYTES; i++) {
    text[2 * i] = digits[hash[i] >> 4];
    text[2 * i + 1] = digits[hash[i] & 15];
  }
  text[TERN_SHA256_HEX_SIZE - 1] = '\0';
  return text;
}

char *tern_base64(const uint8_t *data, size_t len, char *text)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *out = text;
  for (size_t i = 0; i < len; i += 3) {
    size_t left = len - i;
    uint32_t bits = (uint32_t)data[i] << 16;
    if (left > 1)
      bits |= (uint32_t)data[i + 1] << 8;
    if (left > 2)
      bits |= data[i + 2];
    *out++ = digits[bits >> 18];
    *out++ = digits[bits >> 12 & 63];
    *out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
    *out++ = left > 2 ? digits[bits & 63] : '=';
  }
  *out = '\0';
  return text;
}
