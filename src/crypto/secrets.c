/* SPDX-License-Identifier: MIT */
/* From secrets to keys, and from one key phase to the next. See secrets.h. */
#include "crypto/secrets.h"

#include <string.h>

#include "base/assert.h"
#include "wire/quic.h"

static const struct tern_version_secrets versions[] = {
    {
        /* [rfc9001-5.2], [rfc9001-5.8], [rfc9001-5.1] */
        .version = TERN_VERSION_1,
        .initial_salt = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                         0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a},
        .retry_key = {0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3,
                      0x68, 0xc8, 0x4e},
        .retry_nonce = {0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb},
        .label_key = "quic key",
        .label_iv = "quic iv",
        .label_hp = "quic hp",
        .label_ku = "quic ku",
    },
    {
        /* [rfc9369-3.3.1], [rfc9369-3.3.3], [rfc9369-3.3.2] */
        .version = TERN_VERSION_2,
        .initial_salt = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
                         0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9},
        .retry_key = {0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad,
                      0x7c, 0xcc, 0x92},
        .retry_nonce = {0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a},
        .label_key = "quicv2 key",
        .label_iv = "quicv2 iv",
        .label_hp = "quicv2 hp",
        .label_ku = "quicv2 ku",
    },
};

const struct tern_version_secrets *tern_version_secrets_find(uint32_t version)
{
  for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
    if (versions[i].version == version)
      return &versions[i];
  }
  return NULL;
}

/* [rfc8446-7.1] struct { uint16 length; opaque label<7..255> = "tls13 " + label; opaque context<0> }. */
bool tern_expand_label(enum tern_hash_id hash, tern_slice secret, const char *label, uint8_t *out,
                       size_t out_len)
{
  static const char prefix[6] = {'t', 'l', 's', '1', '3', ' '};
  uint8_t info[2 + 1 + sizeof prefix + 32 + 1];
  size_t label_len = strlen(label);
  TERN_ASSERT(label_len <= 32 && out_len <= UINT16_MAX);
  info[0] = (uint8_t)(out_len >> 8);
  info[1] = (uint8_t)out_len;
  info[2] = (uint8_t)(sizeof prefix + label_len);
  memcpy(info + 3, prefix, sizeof prefix);
  memcpy(info + 3 + sizeof prefix, label, label_len);
  info[3 + sizeof prefix + label_len] = 0;
  return tern_crypto_provider()->hkdf_expand(
      hash, secret, tern_slice_of(info, 4 + sizeof prefix + label_len), out, out_len);
}

struct tern_keys *tern_keys_new(struct tern_alloc *alloc)
{
  struct tern_keys *keys = tern_alloc_take_zero(alloc, sizeof *keys);
  if (keys == NULL)
    return NULL;
  keys->alloc = alloc;
  keys->tx.first_number = UINT64_MAX;
  keys->rx.first_number = UINT64_MAX;
  return keys;
}

static void stop_key(struct tern_keys *keys, struct tern_key *key)
{
  if (key->aead == NULL)
    return;
  keys->ops->aead_deinit(key->aead);
  tern_wipe(key->aead, keys->ops->aead_bytes);
  tern_alloc_give(keys->alloc, key->aead, keys->ops->aead_bytes);
  key->aead = NULL;
}

static void stop_hp(struct tern_keys *keys, struct tern_hp_key *hp)
{
  if (hp->hp == NULL)
    return;
  keys->ops->hp_deinit(hp->hp);
  tern_wipe(hp->hp, keys->ops->hp_bytes);
  tern_alloc_give(keys->alloc, hp->hp, keys->ops->hp_bytes);
  hp->hp = NULL;
}

static void drop_key(struct tern_keys *keys, struct tern_key *key)
{
  stop_key(keys, key);
  tern_wipe(key, sizeof *key);
}

static void drop_hp(struct tern_keys *keys, struct tern_hp_key *hp)
{
  stop_hp(keys, hp);
  tern_wipe(hp, sizeof *hp);
}

void tern_keys_free(struct tern_keys *keys)
{
  if (keys == NULL)
    return;
  struct tern_alloc *alloc = keys->alloc;
  drop_key(keys, &keys->tx.key);
  drop_hp(keys, &keys->tx.hp);
  drop_key(keys, &keys->rx.current);
  drop_key(keys, &keys->rx.next);
  drop_key(keys, &keys->rx.previous);
  drop_hp(keys, &keys->rx.hp);
  tern_wipe(keys, sizeof *keys);
  tern_alloc_give(alloc, keys, sizeof *keys);
}

static tern_slice secret_slice(const struct tern_keys *keys, const uint8_t *secret)
{
  return tern_slice_of(secret, tern_hash_bytes(tern_aead_hash(keys->aead)));
}

/* The context of a key whose bytes are there. */
static tern_status start_key(struct tern_keys *keys, struct tern_key *key, bool is_seal)
{
  key->aead = tern_alloc_take_zero(keys->alloc, keys->ops->aead_bytes);
  if (key->aead != NULL && keys->ops->aead_init(key->aead, keys->aead, key->bytes, is_seal))
    return TERN_OK;
  stop_key(keys, key);
  return TERN_NOMEM;
}

static tern_status start_hp(struct tern_keys *keys, struct tern_hp_key *hp)
{
  hp->hp = tern_alloc_take_zero(keys->alloc, keys->ops->hp_bytes);
  if (hp->hp != NULL && keys->ops->hp_init(hp->hp, keys->aead, hp->bytes))
    return TERN_OK;
  stop_hp(keys, hp);
  return TERN_NOMEM;
}

/* [rfc9001-5.1] key and IV from a secret. */
static tern_status make_key(struct tern_keys *keys, const uint8_t *secret, bool is_seal,
                            struct tern_key *out)
{
  const struct tern_version_secrets *labels = tern_version_secrets_find(keys->version);
  enum tern_hash_id hash = tern_aead_hash(keys->aead);
  tern_slice from = secret_slice(keys, secret);
  struct tern_key key = {0};

  if (!tern_expand_label(hash, from, labels->label_key, key.bytes,
                         tern_aead_key_bytes(keys->aead)) ||
      !tern_expand_label(hash, from, labels->label_iv, key.iv, sizeof key.iv) ||
      start_key(keys, &key, is_seal) != TERN_OK) {
    drop_key(keys, &key);
    return TERN_NOMEM;
  }
  *out = key;
  tern_wipe(&key, sizeof key);
  return TERN_OK;
}

/* [rfc9001-5.4] the header protection key, made once from the first secret. */
static tern_status make_hp(struct tern_keys *keys, const uint8_t *secret, struct tern_hp_key *hp)
{
  const struct tern_version_secrets *labels = tern_version_secrets_find(keys->version);

  if (tern_expand_label(tern_aead_hash(keys->aead), secret_slice(keys, secret), labels->label_hp,
                        hp->bytes, tern_aead_key_bytes(keys->aead)) &&
      start_hp(keys, hp) == TERN_OK)
    return TERN_OK;
  drop_hp(keys, hp);
  return TERN_NOMEM;
}

/* The second direction must agree with the first; the first one decides. */
static tern_status settle_suite(struct tern_keys *keys, enum tern_aead_id aead, uint32_t version,
                                tern_slice secret)
{
  if (tern_version_secrets_find(version) == NULL ||
      secret.len != tern_hash_bytes(tern_aead_hash(aead)))
    return TERN_INVALID;
  if (keys->ops != NULL)
    return keys->aead == aead && keys->version == version ? TERN_OK : TERN_INVALID;
  bool is_chacha = aead == TERN_AEAD_CHACHA20 || aead == TERN_AEAD_NULL;
  keys->ops = tern_crypto_get(aead);
  keys->aead = aead;
  keys->version = version;
  keys->sealed_max = is_chacha ? TERN_AEAD_SEALED_MAX_CHACHA20 : TERN_AEAD_SEALED_MAX_GCM;
  keys->failed_max = is_chacha ? TERN_AEAD_FAILED_MAX_CHACHA20 : TERN_AEAD_FAILED_MAX_GCM;
  return TERN_OK;
}

tern_status tern_keys_set_tx(struct tern_keys *keys, enum tern_aead_id aead, uint32_t version,
                             tern_slice secret)
{
  if (keys->tx.is_set)
    return TERN_STATE;
  tern_status status = settle_suite(keys, aead, version, secret);
  if (status != TERN_OK)
    return status;
  memcpy(keys->tx.secret, secret.data, secret.len);
  status = make_hp(keys, keys->tx.secret, &keys->tx.hp);
  if (status == TERN_OK)
    status = make_key(keys, keys->tx.secret, true, &keys->tx.key);
  if (status != TERN_OK) {
    drop_hp(keys, &keys->tx.hp);
    tern_wipe(keys->tx.secret, sizeof keys->tx.secret);
  }
  keys->tx.is_set = status == TERN_OK;
  return status;
}

tern_status tern_keys_set_rx(struct tern_keys *keys, enum tern_aead_id aead, uint32_t version,
                             tern_slice secret)
{
  if (keys->rx.is_set)
    return TERN_STATE;
  tern_status status = settle_suite(keys, aead, version, secret);
  if (status != TERN_OK)
    return status;
  memcpy(keys->rx.secret, secret.data, secret.len);
  status = make_hp(keys, keys->rx.secret, &keys->rx.hp);
  if (status == TERN_OK)
    status = make_key(keys, keys->rx.secret, false, &keys->rx.current);
  if (status != TERN_OK) {
    drop_hp(keys, &keys->rx.hp);
    tern_wipe(keys->rx.secret, sizeof keys->rx.secret);
  }
  keys->rx.is_set = status == TERN_OK;
  return status;
}

/* [rfc9001-5.2] Initial secrets come from the client's first Destination Connection ID and a salt that
 * is the version's: they protect against accidents, not against anyone who reads this. */
static bool derive_initial(const struct tern_version_secrets *version, const struct tern_cid *dcid,
                           uint8_t client[32], uint8_t server[32])
{
  uint8_t initial[32];
  tern_slice salt = tern_slice_of(version->initial_salt, sizeof version->initial_salt);
  tern_slice from = tern_slice_of(initial, sizeof initial);
  return tern_crypto_provider()->hkdf_extract(TERN_HASH_SHA256, salt, tern_cid_slice(dcid),
                                              initial) &&
         tern_expand_label(TERN_HASH_SHA256, from, "client in", client, 32) &&
         tern_expand_label(TERN_HASH_SHA256, from, "server in", server, 32);
}

struct tern_keys *tern_keys_new_initial(struct tern_alloc *alloc, uint32_t version,
                                        const struct tern_cid *dcid, bool is_server)
{
  const struct tern_version_secrets *constants = tern_version_secrets_find(version);
  uint8_t client[32], server[32];
  if (constants == NULL || !derive_initial(constants, dcid, client, server))
    return NULL;
  struct tern_keys *keys = tern_keys_new(alloc);
  if (keys == NULL)
    return NULL;
  /* [rfc9001-5.2] Initial packets use AEAD_AES_128_GCM whatever is negotiated. */
  tern_slice tx = tern_slice_of(is_server ? server : client, 32);
  tern_slice rx = tern_slice_of(is_server ? client : server, 32);
  if (tern_keys_set_tx(keys, TERN_AEAD_AES128, version, tx) != TERN_OK ||
      tern_keys_set_rx(keys, TERN_AEAD_AES128, version, rx) != TERN_OK) {
    tern_keys_free(keys);
    return NULL;
  }
  return keys;
}

/* ---- key update ---------------------------------------------------------------------------- */

/* [rfc9001-6.1] secret_n+1 = HKDF-Expand-Label(secret_n, "quic ku", "", Hash.length). */
static tern_status make_next(struct tern_keys *keys, uint8_t *secret, bool is_seal,
                             struct tern_key *out)
{
  const struct tern_version_secrets *labels = tern_version_secrets_find(keys->version);
  uint8_t next[TERN_HASH_MAX];
  tern_slice from = secret_slice(keys, secret);
  if (!tern_expand_label(tern_aead_hash(keys->aead), from, labels->label_ku, next, from.len))
    return TERN_NOMEM;
  tern_status status = make_key(keys, next, is_seal, out);
  if (status == TERN_OK)
    memcpy(secret, next, from.len);
  tern_wipe(next, sizeof next);
  return status;
}

bool tern_keys_can_update_tx(const struct tern_keys *keys, uint64_t largest_acked)
{
  if (keys->tx.generation > keys->rx.generation)
    return false;
  if (keys->tx.generation == 0)
    return true;
  /* [rfc9001-6.1] MUST NOT start another before a packet of the current phase is acknowledged. */
  return keys->tx.first_number != UINT64_MAX && largest_acked != UINT64_MAX &&
         largest_acked >= keys->tx.first_number;
}

bool tern_keys_wants_update(const struct tern_keys *keys)
{
  return keys->tx.sealed >= keys->sealed_max - keys->sealed_max / 8 ||
         (keys->update_packets != 0 && keys->tx.sealed >= keys->update_packets);
}

tern_status tern_keys_update_tx(struct tern_keys *keys)
{
  struct tern_key next;
  if (!keys->tx.is_set || keys->tx.generation > keys->rx.generation)
    return TERN_STATE;
  tern_status status = make_next(keys, keys->tx.secret, true, &next);
  if (status != TERN_OK)
    return status;
  /* [rfc9001-6.4] never sends with old keys again, so they go at once. */
  drop_key(keys, &keys->tx.key);
  keys->tx.key = next;
  keys->tx.generation++;
  keys->tx.sealed = 0;
  keys->tx.first_number = UINT64_MAX;
  tern_wipe(&next, sizeof next);
  return TERN_OK;
}

tern_status tern_keys_prepare_next(struct tern_keys *keys)
{
  struct tern_keys_rx *rx = &keys->rx;
  if (rx->next.aead != NULL)
    return TERN_OK;
  if (rx->is_next_derived)
    return make_key(keys, rx->secret, false, &rx->next);
  tern_status status = make_next(keys, rx->secret, false, &rx->next);
  rx->is_next_derived = status == TERN_OK;
  return status;
}

void tern_keys_promote_next(struct tern_keys *keys, uint64_t number)
{
  struct tern_keys_rx *rx = &keys->rx;
  TERN_ASSERT(rx->next.aead != NULL);
  drop_key(keys, &rx->previous);
  rx->previous = rx->current;
  rx->current = rx->next;
  tern_wipe(&rx->next, sizeof rx->next);
  rx->is_next_derived = false;
  rx->generation++;
  rx->previous_end_number = rx->end_number;
  rx->first_number = number;
  rx->end_number = number + 1;
}

void tern_keys_drop_previous(struct tern_keys *keys)
{
  drop_key(keys, &keys->rx.previous);
}

/* ---- rest ---------------------------------------------------------------------------------- */

void tern_keys_rest(struct tern_keys *keys)
{
  stop_key(keys, &keys->tx.key);
  stop_hp(keys, &keys->tx.hp);
  stop_key(keys, &keys->rx.current);
  stop_hp(keys, &keys->rx.hp);
  drop_key(keys, &keys->rx.previous);
  drop_key(keys, &keys->rx.next); /* its secret stays, and makes it anew */
}

tern_status tern_keys_wake_tx(struct tern_keys *keys)
{
  TERN_ASSERT(keys->tx.is_set);
  if (keys->tx.key.aead == NULL && start_key(keys, &keys->tx.key, true) != TERN_OK)
    return TERN_NOMEM;
  return keys->tx.hp.hp != NULL ? TERN_OK : start_hp(keys, &keys->tx.hp);
}

tern_status tern_keys_wake_rx(struct tern_keys *keys)
{
  TERN_ASSERT(keys->rx.is_set);
  if (keys->rx.current.aead == NULL && start_key(keys, &keys->rx.current, false) != TERN_OK)
    return TERN_NOMEM;
  return keys->rx.hp.hp != NULL ? TERN_OK : start_hp(keys, &keys->rx.hp);
}
