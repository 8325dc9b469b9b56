/* SPDX-License-Identifier: MIT */
/* Sealing and opening packets in place. See protect.h for the picture. */
#include "crypto/protect.h"

#include <string.h>

#include "base/assert.h"
#include "wire/header.h"
#include "wire/quic.h"

/* Packets whose masks are made by one call; longer runs take several. */
#define MASKS_MAX 64

/* [rfc9001-5.4.2] the sample starts where the payload would with the longest packet number. */
#define SAMPLE_OFFSET 4

/* [rfc9001-5.3] the packet number, left-padded to the IV's length, XOR the IV; for multipath the 32-bit
 * path id comes before it (draft-ietf-quic-multipath 2.4). With path id 0 both are the same. */
static void make_nonce(const struct tern_key *key, uint32_t path_id, uint64_t number,
                       uint8_t nonce[TERN_AEAD_NONCE_BYTES])
{
  memcpy(nonce, key->iv, TERN_AEAD_NONCE_BYTES);
  for (size_t i = 0; i < 4; i++)
    nonce[i] ^= (uint8_t)(path_id >> (24 - 8 * i));
  for (size_t i = 0; i < 8; i++)
    nonce[4 + i] ^= (uint8_t)(number >> (56 - 8 * i));
}

/* [rfc9001-5.4.1] the low 4 bits of the first byte of a long header, 5 of a short one. */
static uint8_t first_byte_mask(uint8_t first)
{
  return tern_header_is_long(first) ? 0x0f : 0x1f;
}

static void seal_payload(struct tern_keys *keys, uint32_t path_id,
                         const struct tern_seal_item *item)
{
  size_t header_len = (size_t)item->pn_at + item->pn_len;
  uint8_t nonce[TERN_AEAD_NONCE_BYTES];
  TERN_ASSERT(item->pn_len >= 1 && item->pn_len <= 4);
  TERN_ASSERT(item->len >= item->pn_at + SAMPLE_OFFSET + TERN_HP_SAMPLE_BYTES);
  make_nonce(&keys->tx.key, path_id, item->number, nonce);
  struct tern_aead_text text = {
      .nonce = nonce,
      .aad = item->packet,
      .aad_len = header_len,
      .text = item->packet + header_len,
      .text_len = item->len - header_len - TERN_AEAD_TAG_BYTES,
  };
  bool is_sealed = keys->ops->aead_seal(keys->tx.key.aead, &text);
  TERN_ASSERT(is_sealed); /* the library refuses lengths only, and ours are bounded */
}

static void mask_headers(struct tern_keys *keys, const struct tern_seal_item *items, size_t count)
{
  uint8_t masks[MASKS_MAX * TERN_HP_SAMPLE_BYTES];
  for (size_t i = 0; i < count; i++)
    memcpy(masks + i * TERN_HP_SAMPLE_BYTES, items[i].packet + items[i].pn_at + SAMPLE_OFFSET,
           TERN_HP_SAMPLE_BYTES);
  bool is_masked = keys->ops->hp_masks(keys->tx.hp.hp, masks, count);
  TERN_ASSERT(is_masked);
  for (size_t i = 0; i < count; i++) {
    const uint8_t *mask = masks + i * TERN_HP_SAMPLE_BYTES;
    uint8_t *packet = items[i].packet;
    packet[0] ^= mask[0] & first_byte_mask(packet[0]);
    for (size_t j = 0; j < items[i].pn_len; j++)
      packet[items[i].pn_at + j] ^= mask[1 + j];
  }
}

tern_status tern_protect_seal_run(struct tern_keys *keys, uint32_t path_id,
                                  struct tern_seal_item *items, size_t count)
{
  if (!tern_keys_is_tx_awake(keys) && tern_keys_wake_tx(keys) != TERN_OK)
    return TERN_NOMEM;
  /* [rfc9001-6.6] MUST NOT seal more packets with one key than its confidentiality limit. */
  if (count > keys->sealed_max - keys->tx.sealed)
    return TERN_LIMIT;
  for (size_t i = 0; i < count; i++) {
    seal_payload(keys, path_id, &items[i]);
    if (items[i].number < keys->tx.first_number)
      keys->tx.first_number = items[i].number;
  }
  keys->tx.sealed += count;
  for (size_t done = 0; done < count; done += MASKS_MAX) {
    size_t left = count - done;
    mask_headers(keys, items + done, left < MASKS_MAX ? left : MASKS_MAX);
  }
  return TERN_OK;
}

/* ---- opening ------------------------------------------------------------------------------- */

static void unmask_header(struct tern_open_item *item, const uint8_t *mask)
{
  uint8_t *packet = item->packet;
  packet[0] ^= mask[0] & first_byte_mask(packet[0]);
  item->first_byte = packet[0];
  item->pn_len = (uint8_t)((packet[0] & 0x03) + 1);
  item->pn_truncated = 0;
  for (size_t i = 0; i < item->pn_len; i++) {
    packet[item->pn_at + i] ^= mask[1 + i];
    item->pn_truncated = item->pn_truncated << 8 | packet[item->pn_at + i];
  }
}

static void unmask_some(struct tern_keys *keys, struct tern_open_item *items, size_t count)
{
  uint8_t masks[MASKS_MAX * TERN_HP_SAMPLE_BYTES];
  for (size_t i = 0; i < count; i++) {
    size_t sample_at = (size_t)items[i].pn_at + SAMPLE_OFFSET;
    uint8_t *mask = masks + i * TERN_HP_SAMPLE_BYTES;
    /* [rfc9001-5.4.2] MUST discard packets that are not long enough to contain a complete sample. */
    items[i].is_bad = items[i].len < sample_at + TERN_HP_SAMPLE_BYTES;
    if (items[i].is_bad)
      memset(mask, 0, TERN_HP_SAMPLE_BYTES);
    else
      memcpy(mask, items[i].packet + sample_at, TERN_HP_SAMPLE_BYTES);
  }
  bool is_masked = keys->ops->hp_masks(keys->rx.hp.hp, masks, count);
  TERN_ASSERT(is_masked);
  for (size_t i = 0; i < count; i++) {
    if (!items[i].is_bad)
      unmask_header(&items[i], masks + i * TERN_HP_SAMPLE_BYTES);
  }
}

void tern_protect_unmask_run(struct tern_keys *keys, struct tern_open_item *items, size_t count)
{
  if (!tern_keys_is_rx_awake(keys) && tern_keys_wake_rx(keys) != TERN_OK) {
    for (size_t i = 0; i < count; i++)
      items[i].is_bad = true;
    return;
  }
  for (size_t done = 0; done < count; done += MASKS_MAX) {
    size_t left = count - done;
    unmask_some(keys, items + done, left < MASKS_MAX ? left : MASKS_MAX);
  }
}

/* Which of the three receiving keys a short header asks for: 0 current, +1 next, -1 previous. The
 * phase bit alone cannot tell next from previous, the number can [rfc9001-6.5]. A choice of previous
 * without a previous key becomes next, which then fails like any forgery and in the same time. */
static int choose_phase(const struct tern_keys_rx *rx, const struct tern_open_item *item)
{
  uint8_t phase = (item->first_byte >> 2) & 1;
  if (phase == (rx->generation & 1))
    return 0;
  return rx->previous.aead != NULL && item->number < rx->first_number ? -1 : 1;
}

static enum tern_open_result on_failed(struct tern_keys *keys)
{
  /* [rfc9001-6.6] MUST count packets that fail authentication, across all keys, and close at the
   * limit. */
  keys->rx.failed++;
  return keys->rx.failed > keys->failed_max ? TERN_OPEN_LIMIT : TERN_OPEN_FAILED;
}

static bool open_payload(struct tern_keys *keys, const struct tern_key *key, uint32_t path_id,
                         struct tern_open_item *item)
{
  size_t header_len = (size_t)item->pn_at + item->pn_len;
  uint8_t nonce[TERN_AEAD_NONCE_BYTES];
  make_nonce(key, path_id, item->number, nonce);
  item->payload = item->packet + header_len;
  item->payload_len = (uint16_t)(item->len - header_len - TERN_AEAD_TAG_BYTES);
  struct tern_aead_text text = {
      .nonce = nonce,
      .aad = item->packet,
      .aad_len = header_len,
      .text = item->payload,
      .text_len = item->payload_len,
  };
  return keys->ops->aead_open(key->aead, &text);
}

/* [rfc9001-6.4] MUST treat as KEY_UPDATE_ERROR: a higher number with an older key than a lower number.
 * True if `item`, opened with the key `phase` away from the current one, breaks that order. */
static bool is_out_of_order(const struct tern_keys_rx *rx, const struct tern_open_item *item,
                            int phase)
{
  if (phase > 0)
    return item->number < rx->end_number;
  return phase == 0 && item->number < rx->previous_end_number;
}

static void note_number(struct tern_keys_rx *rx, uint64_t number, int phase)
{
  if (phase < 0) {
    if (number >= rx->previous_end_number)
      rx->previous_end_number = number + 1;
    return;
  }
  if (number < rx->first_number)
    rx->first_number = number;
  if (number >= rx->end_number)
    rx->end_number = number + 1;
}

/* What an authentic packet means for the key phases. */
static enum tern_open_result settle_phase(struct tern_keys *keys, const struct tern_open_item *item,
                                          int phase)
{
  if (is_out_of_order(&keys->rx, item, phase))
    return TERN_OPEN_KEY_UPDATE_ERROR;
  if (phase <= 0) {
    note_number(&keys->rx, item->number, phase);
    return TERN_OPEN_OK;
  }
  tern_keys_promote_next(keys, item->number);
  /* [rfc9001-6.2] MUST update the send keys to the same phase before acknowledging this packet. If we
   * began, they are there already. */
  if (keys->tx.is_set && keys->tx.generation < keys->rx.generation &&
      tern_keys_update_tx(keys) != TERN_OK)
    return TERN_OPEN_NOMEM;
  return TERN_OPEN_KEY_UPDATED;
}

static uint8_t reserved_bits(uint8_t first)
{
  return tern_header_is_long(first) ? first & 0x0c : first & 0x18;
}

enum tern_open_result tern_protect_open(struct tern_keys *keys, uint32_t path_id,
                                        struct tern_open_item *item, uint64_t largest_received)
{
  struct tern_keys_rx *rx = &keys->rx;
  bool is_short = !tern_header_is_long(item->first_byte);
  int phase = 0;

  TERN_ASSERT(rx->current.aead != NULL && !item->is_bad);
  item->number = tern_packet_number_decode(largest_received, item->pn_truncated, 8U * item->pn_len);
  if (is_short) {
    /* [rfc9001-6.3] the next key is there before anyone looks at the phase bit: no timing signal. */
    if (rx->next.aead == NULL && tern_keys_prepare_next(keys) != TERN_OK)
      return TERN_OPEN_FAILED; /* no memory: as if the packet were lost */
    phase = choose_phase(rx, item);
  }
  const struct tern_key *key = phase == 0 ? &rx->current : phase > 0 ? &rx->next : &rx->previous;
  if (!open_payload(keys, key, path_id, item))
    return on_failed(keys);
  item->generation = phase < 0 ? rx->generation - 1 : rx->generation + (uint64_t)phase;

  /* [rfc9000-17.2], [rfc9000-17.3.1] reserved bits are looked at after both protections are removed,
   * since doing so earlier would tell an observer about them [rfc9001-9.5]. */
  if (reserved_bits(item->first_byte) != 0)
    return TERN_OPEN_RESERVED_BITS;
  return is_short ? settle_phase(keys, item, phase) : TERN_OPEN_OK;
}

/* ---- Retry --------------------------------------------------------------------------------- */

/* [rfc9001-5.8] AES-128-GCM with a fixed key and nonce over nothing; the associated data is the Retry
 * Pseudo-Packet: ODCID Length (8), Original Destination Connection ID, the packet without its tag. */
bool tern_retry_tag(uint32_t version, const struct tern_cid *odcid, tern_slice retry,
                    uint8_t out[TERN_AEAD_TAG_BYTES])
{
  const struct tern_crypto_ops *ops = tern_crypto_provider();
  const struct tern_version_secrets *constants = tern_version_secrets_find(version);
  uint8_t pseudo[1 + TERN_CID_MAX + TERN_RETRY_MAX];
  union {
    max_align_t align;
    uint8_t bytes[1024];
  } aead;
  TERN_ASSERT(ops->aead_bytes <= sizeof aead);
  if (constants == NULL || retry.len > TERN_RETRY_MAX)
    return false;

  pseudo[0] = odcid->len;
  memcpy(pseudo + 1, odcid->bytes, odcid->len);
  if (retry.len != 0)
    memcpy(pseudo + 1 + odcid->len, retry.data, retry.len);
  struct tern_aead_text text = {
      .nonce = constants->retry_nonce,
      .aad = pseudo,
      .aad_len = 1 + (size_t)odcid->len + retry.len,
      .text = out,
      .text_len = 0,
  };
  bool is_ok = ops->aead_init(&aead, TERN_AEAD_AES128, constants->retry_key, true) &&
               ops->aead_seal(&aead, &text);
  ops->aead_deinit(&aead);
  return is_ok;
}

bool tern_retry_verify(uint32_t version, const struct tern_cid *odcid, tern_slice packet)
{
  uint8_t tag[TERN_AEAD_TAG_BYTES];
  if (packet.len < sizeof tag)
    return false;
  size_t len = packet.len - sizeof tag;
  return tern_retry_tag(version, odcid, tern_slice_of(packet.data, len), tag) &&
         tern_crypto_equal(tag, packet.data + len, sizeof tag);
}
