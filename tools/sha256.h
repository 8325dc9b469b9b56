/* SPDX-License-Identifier: MIT */
/* SHA-256 by the TLS library's crypto. */
#ifndef TERN_TOOLS_SHA256_H
#define TERN_TOOLS_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define TERN_SHA256_BYTES 32
#define TERN_SHA256_HEX_SIZE 65

struct tern_sha256; /* one running hash */

struct tern_sha256 *tern_sha256_new(void);
void tern_sha256_free(struct tern_sha256 *sha); /* NULL is fine */
void tern_sha256_add(struct tern_sha256 *sha, const void *data, size_t len);
void tern_sha256_end(struct tern_sha256 *sha, uint8_t out[TERN_SHA256_BYTES]);

/* Lower-case hexadecimal with a NUL. Returns `text`. */
char *tern_sha256_hex(const uint8_t hash[TERN_SHA256_BYTES], char text[TERN_SHA256_HEX_SIZE]);
/* Base64 with padding and a NUL; `text` has room for 4 * (len + 2) / 3 + 1. Returns `text`. */
char *tern_base64(const uint8_t *data, size_t len, char *text);

#endif
