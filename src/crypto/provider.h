/* SPDX-License-Identifier: MIT */
/* The cryptography tern needs, as one table that a library fills.
 *
 *   keys   : HKDF-Extract, HKDF-Expand, HMAC           once per level or key phase
 *   packets: AEAD seal and open, in place              once per packet, no allocation
 *            header-protection masks for many samples  once per run of packets
 *
 * Contexts live in memory that the caller takes (`aead_bytes`, `hp_bytes`), are made once per key,
 * and are then used for every packet. Nothing here is home-made: each entry is a call of a library.
 * The one exception is the null provider at the end, for simulation and fuzzing only. */
#ifndef TERN_CRYPTO_PROVIDER_H
#define TERN_CRYPTO_PROVIDER_H

#include <tern/base.h>

/* [rfc9001-5.3] every cipher suite of TLS 1.3 but CCM_8; CCM is not offered. */
enum tern_aead_id {
  TERN_AEAD_AES128,   /* TLS_AES_128_GCM_SHA256 */
  TERN_AEAD_AES256,   /* TLS_AES_256_GCM_SHA384 */
  TERN_AEAD_CHACHA20, /* TLS_CHACHA20_POLY1305_SHA256 */
  TERN_AEAD_NULL,     /* tls_sim only: no secrecy, a checksum for a tag */
};

enum tern_hash_id {
  TERN_HASH_SHA256,
  TERN_HASH_SHA384,
};

#define TERN_AEAD_TAG_BYTES 16
#define TERN_AEAD_NONCE_BYTES 12
#define TERN_AEAD_KEY_MAX 32
#define TERN_HASH_MAX 48        /* SHA-384; also the longest secret */
#define TERN_HP_SAMPLE_BYTES 16 /* [rfc9001-5.4.2] */
#define TERN_HP_MASK_BYTES 5    /* [rfc9001-5.4.1] bytes of a mask that are used */

/* One seal or open, in place. Seal: `text_len` bytes of plaintext at `text`, with room for the tag
 * behind them. Open: `text_len` counts the ciphertext without its tag, which follows it. */
struct tern_aead_text {
  const uint8_t *nonce; /* TERN_AEAD_NONCE_BYTES */
  const uint8_t *aad;
  size_t aad_len;
  uint8_t *text;
  size_t text_len;
};

struct tern_crypto_ops {
  const char *name;
  size_t aead_bytes; /* memory for one AEAD context, aligned as by malloc */
  size_t hp_bytes;   /* the same for one header-protection key */

  /* False: out of memory inside the library. deinit wipes. One context serves one direction. */
  bool (*aead_init)(void *aead, enum tern_aead_id id, const uint8_t *key, bool is_seal);
  void (*aead_deinit)(void *aead);
  bool (*aead_seal)(void *aead, const struct tern_aead_text *text);
  /* False: the tag is wrong; the text is then garbage. */
  bool (*aead_open)(void *aead, const struct tern_aead_text *text);

  bool (*hp_init)(void *hp, enum tern_aead_id id, const uint8_t *key);
  void (*hp_deinit)(void *hp);
  /* In place: `count` samples of TERN_HP_SAMPLE_BYTES each become masks, of which the first
   * TERN_HP_MASK_BYTES are meaningful. One library call for AES [rfc9001-5.4.3], one per sample for
   * ChaCha20 [rfc9001-5.4.4]. */
  bool (*hp_masks)(void *hp, uint8_t *samples, size_t count);

  /* Output: the hash's length. */
  bool (*hkdf_extract)(enum tern_hash_id hash, tern_slice salt, tern_slice input, uint8_t *out);
  bool (*hkdf_expand)(enum tern_hash_id hash, tern_slice secret, tern_slice info, uint8_t *out,
                      size_t out_len);
  /* HMAC-SHA256, 32 bytes out. */
  bool (*hmac)(tern_slice key, tern_slice data, uint8_t out[32]);
};

/* The backend that the build chose. */
const struct tern_crypto_ops *tern_crypto_provider(void);
/* The one that serves `id`: the provider, or for TERN_AEAD_NULL the null provider. */
const struct tern_crypto_ops *tern_crypto_get(enum tern_aead_id id);

/* NO SECURITY. Copies, tags with a checksum over nonce, header and text (so that damage is noticed),
 * masks with zeros. Only tls_sim asks for it. Its HKDF and HMAC are the provider's. */
const struct tern_crypto_ops *tern_crypto_null(void);

/* Key bytes of an AEAD and of its header protection (the same number). */
size_t tern_aead_key_bytes(enum tern_aead_id id);
enum tern_hash_id tern_aead_hash(enum tern_aead_id id);
size_t tern_hash_bytes(enum tern_hash_id hash);

/* In time that does not depend on the contents. */
bool tern_crypto_equal(const void *a, const void *b, size_t len);

#endif
