/* SPDX-License-Identifier: MIT */
/* Packet protection against the samples of RFC 9001 and RFC 9369, runs against single packets, and
 * damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "crypto/protect.h"
#include "crypto/rfc_vectors.h"
#include "wire/header.h"
#include "wire/quic.h"

#define VECTORS (sizeof rfc_vectors / sizeof rfc_vectors[0])

static struct tern_alloc heap;

static size_t unhex(const char *hex, uint8_t *out)
{
  size_t len = strlen(hex) / 2;
  for (size_t i = 0; i < len; i++) {
    char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
    out[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  return len;
}

static void assert_hex(const uint8_t *data, const char *hex)
{
  uint8_t expected[2048];
  size_t len = unhex(hex, expected);
  assert_memory_equal(data, expected, len);
}

static struct tern_cid cid_of(const char *hex)
{
  struct tern_cid cid = {0};
  cid.len = (uint8_t)unhex(hex, cid.bytes);
  return cid;
}

static tern_status seal_one(struct tern_keys *keys, uint8_t *packet, size_t pn_at, uint8_t pn_len,
                            size_t len, uint64_t number)
{
  struct tern_seal_item item = {.packet = packet,
                                .pn_at = (uint16_t)pn_at,
                                .pn_len = pn_len,
                                .len = (uint16_t)len,
                                .number = number};
  return tern_protect_seal_run(keys, 0, &item, 1);
}

static enum tern_open_result open_one(struct tern_keys *keys, uint8_t *packet, size_t pn_at,
                                      size_t len, uint64_t largest, struct tern_open_item *item)
{
  *item = (struct tern_open_item){.packet = packet, .pn_at = (uint16_t)pn_at, .len = (uint16_t)len};
  tern_protect_unmask_run(keys, item, 1);
  return item->is_bad ? TERN_OPEN_FAILED : tern_protect_open(keys, 0, item, largest);
}

/* [rfc9001-A.1], [rfc9369-A.1] */
static void initial_keys(void **state)
{
  (void)state;
  for (size_t i = 0; i < VECTORS; i++) {
    const struct rfc_vector *v = &rfc_vectors[i];
    struct tern_cid dcid = cid_of(v->dcid);
    struct tern_keys *keys = tern_keys_new_initial(&heap, v->version, &dcid, false);
    assert_hex(keys->tx.secret, v->client_secret);
    assert_hex(keys->tx.key.iv, v->client_iv);
    assert_hex(keys->rx.secret, v->server_secret);
    assert_hex(keys->rx.current.iv, v->server_iv);
    const struct tern_version_secrets *labels = tern_version_secrets_find(v->version);
    uint8_t out[32];
    tern_slice secret = tern_slice_of(keys->tx.secret, 32);
    assert_true(tern_expand_label(TERN_HASH_SHA256, secret, labels->label_key, out, 16));
    assert_hex(out, v->client_key);
    assert_true(tern_expand_label(TERN_HASH_SHA256, secret, labels->label_hp, out, 16));
    assert_hex(out, v->client_hp);
    tern_keys_free(keys);
  }
}

/* [rfc9001-A.2], [rfc9369-A.2] */
static void client_initial(void **state)
{
  (void)state;
  for (size_t i = 0; i < VECTORS; i++) {
    const struct rfc_vector *v = &rfc_vectors[i];
    struct tern_cid dcid = cid_of(v->dcid);
    struct tern_keys *client = tern_keys_new_initial(&heap, v->version, &dcid, false);
    struct tern_keys *server = tern_keys_new_initial(&heap, v->version, &dcid, true);
    uint8_t packet[1200] = {0}, crypto[512];
    size_t header_len = unhex(v->client_header, packet);
    size_t crypto_len = unhex(v->client_crypto, crypto);
    memcpy(packet + header_len, crypto, crypto_len);
    size_t pn_at = header_len - 4;
    assert_int_equal(seal_one(client, packet, pn_at, 4, sizeof packet, 2), TERN_OK);
    assert_hex(packet, v->client_packet);

    struct tern_open_item item;
    assert_int_equal(open_one(server, packet, pn_at, sizeof packet, TERN_PACKET_NUMBER_NONE, &item),
                     TERN_OPEN_OK);
    assert_int_equal(item.number, 2);
    assert_int_equal(item.pn_len, 4);
    assert_int_equal(item.payload_len, 1162);
    assert_memory_equal(item.payload, crypto, crypto_len);
    assert_hex(packet, v->client_header); /* unmasked in place */
    tern_keys_free(client);
    tern_keys_free(server);
  }
}

/* [rfc9001-A.3], [rfc9369-A.3] */
static void server_initial(void **state)
{
  (void)state;
  for (size_t i = 0; i < VECTORS; i++) {
    const struct rfc_vector *v = &rfc_vectors[i];
    struct tern_cid dcid = cid_of(v->dcid);
    struct tern_keys *client = tern_keys_new_initial(&heap, v->version, &dcid, false);
    struct tern_keys *server = tern_keys_new_initial(&heap, v->version, &dcid, true);
    uint8_t packet[256], payload[256];
    size_t header_len = unhex(v->server_header, packet);
    size_t payload_len = unhex(v->server_payload, payload);
    memcpy(packet + header_len, payload, payload_len);
    size_t len = header_len + payload_len + 16, pn_at = header_len - 2;
    assert_int_equal(seal_one(server, packet, pn_at, 2, len, 1), TERN_OK);
    assert_int_equal(len, strlen(v->server_packet) / 2);
    assert_hex(packet, v->server_packet);

    struct tern_open_item item;
    assert_int_equal(open_one(client, packet, pn_at, len, TERN_PACKET_NUMBER_NONE, &item),
                     TERN_OPEN_OK);
    assert_int_equal(item.number, 1);
    assert_int_equal(item.payload_len, payload_len);
    assert_memory_equal(item.payload, payload, payload_len);
    tern_keys_free(client);
    tern_keys_free(server);
  }
}

/* [rfc9001-A.4], [rfc9369-A.4] */
static void retry(void **state)
{
  (void)state;
  for (size_t i = 0; i < VECTORS; i++) {
    const struct rfc_vector *v = &rfc_vectors[i];
    struct tern_cid odcid = cid_of(v->dcid), other = cid_of("8394c8f03e515709");
    uint8_t packet[64], tag[16];
    size_t len = unhex(v->retry_packet, packet);
    assert_true(tern_retry_tag(v->version, &odcid, tern_slice_of(packet, len - 16), tag));
    assert_memory_equal(tag, packet + len - 16, 16);
    assert_true(tern_retry_verify(v->version, &odcid, tern_slice_of(packet, len)));
    assert_false(tern_retry_verify(v->version, &other, tern_slice_of(packet, len)));
    assert_false(tern_retry_verify(rfc_vectors[1 - i].version, &odcid, tern_slice_of(packet, len)));
    for (size_t at = 0; at < len; at++) {
      packet[at] ^= 1;
      assert_false(tern_retry_verify(v->version, &odcid, tern_slice_of(packet, len)));
      packet[at] ^= 1;
      assert_false(tern_retry_verify(v->version, &odcid, tern_slice_of(packet, at)));
    }
  }
  struct tern_cid empty = {0};
  uint8_t tag[16];
  static const uint8_t long_packet[TERN_RETRY_MAX + 1];
  assert_false(tern_retry_tag(0x12345678, &empty, tern_slice_of("x", 1), tag));
  assert_false(
      tern_retry_tag(TERN_VERSION_1, &empty, tern_slice_of(long_packet, sizeof long_packet), tag));
}

/* [rfc9001-A.5], [rfc9369-A.5] ChaCha20-Poly1305, short header, and the next key phase's secret */
static void chacha_short_header(void **state)
{
  (void)state;
  for (size_t i = 0; i < VECTORS; i++) {
    const struct rfc_vector *v = &rfc_vectors[i];
    struct tern_keys *keys = tern_keys_new(&heap);
    uint8_t secret[32], packet[64];
    assert_int_equal(unhex(v->chacha_secret, secret), 32);
    tern_slice slice = tern_slice_of(secret, 32);
    assert_int_equal(tern_keys_set_tx(keys, TERN_AEAD_CHACHA20, v->version, slice), TERN_OK);
    assert_int_equal(tern_keys_set_rx(keys, TERN_AEAD_CHACHA20, v->version, slice), TERN_OK);
    assert_hex(keys->tx.key.iv, v->chacha_iv);
    size_t header_len = unhex(v->chacha_header, packet);
    size_t plain_len = unhex(v->chacha_plaintext, packet + header_len);
    size_t len = header_len + plain_len + 16;
    assert_int_equal(seal_one(keys, packet, 1, 3, len, v->chacha_number), TERN_OK);
    assert_int_equal(len, strlen(v->chacha_packet) / 2);
    assert_hex(packet, v->chacha_packet);

    struct tern_open_item item;
    assert_int_equal(open_one(keys, packet, 1, len, v->chacha_number - 1, &item), TERN_OPEN_OK);
    assert_int_equal(item.number, v->chacha_number);
    assert_int_equal(item.payload_len, 1);
    assert_int_equal(item.payload[0], 0x01);
    assert_int_equal(tern_keys_update_tx(keys), TERN_OK);
    assert_hex(keys->tx.secret, v->chacha_ku);
    tern_keys_free(keys);
  }
}

/* draft-ietf-quic-multipath 2.4, figure 3 */
static void path_id_in_nonce(void **state)
{
  static const uint8_t iv[12] = {0x6b, 0x26, 0x11, 0x4b, 0x9c, 0xba,
                                 0x2b, 0x63, 0xa9, 0xe8, 0xdd, 0x4f};
  static const uint8_t nonce[12] = {0x6b, 0x26, 0x11, 0x48, 0x9c, 0xba,
                                    0x2b, 0x63, 0xa9, 0xe8, 0x09, 0x7e};
  struct tern_keys *keys = tern_keys_new(&heap);
  uint8_t secret[32] = {1, 2, 3}, with_path[64], plain[64];
  (void)state;
  assert_int_equal(
      tern_keys_set_tx(keys, TERN_AEAD_AES128, TERN_VERSION_1, tern_slice_of(secret, 32)), TERN_OK);
  for (size_t i = 0; i < sizeof plain; i++)
    plain[i] = with_path[i] = (uint8_t)(i | 0x40);
  struct tern_seal_item item = {
      .packet = with_path, .pn_at = 1, .pn_len = 4, .len = sizeof with_path, .number = 54321};
  memcpy(keys->tx.key.iv, iv, sizeof iv);
  assert_int_equal(tern_protect_seal_run(keys, 3, &item, 1), TERN_OK);
  /* The nonce of the figure as the IV, and path 0, number 0, give the same packet. */
  memcpy(keys->tx.key.iv, nonce, sizeof nonce);
  item.packet = plain;
  item.number = 0;
  assert_int_equal(tern_protect_seal_run(keys, 0, &item, 1), TERN_OK);
  assert_memory_equal(plain, with_path, sizeof plain);
  tern_keys_free(keys);
}

static struct tern_keys *keys_of(enum tern_aead_id aead, uint8_t tx_fill, uint8_t rx_fill)
{
  struct tern_keys *keys = tern_keys_new(&heap);
  size_t len = tern_hash_bytes(tern_aead_hash(aead));
  uint8_t secret[TERN_HASH_MAX];
  memset(secret, tx_fill, len);
  assert_int_equal(tern_keys_set_tx(keys, aead, TERN_VERSION_1, tern_slice_of(secret, len)),
                   TERN_OK);
  memset(secret, rx_fill, len);
  assert_int_equal(tern_keys_set_rx(keys, aead, TERN_VERSION_1, tern_slice_of(secret, len)),
                   TERN_OK);
  return keys;
}

#define RUN_MAX 150
static uint8_t run_bytes[RUN_MAX][256], single_bytes[RUN_MAX][256];

/* Fills packet `i` with a random header and payload; long headers for some. */
static struct tern_seal_item make_item(uint8_t *packet, size_t i, struct tern_random_seeded *seeded)
{
  struct tern_seal_item item = {.packet = packet};
  uint64_t draw = tern_random_seeded_next(seeded);
  tern_random_ops random = tern_random_seeded_ops(seeded);
  random.fill(random.arg, packet, 256);
  item.pn_len = (uint8_t)(1 + draw % 4);
  bool is_long = (draw >> 8) % 3 == 0;
  item.pn_at = (uint16_t)(is_long ? 20 + (draw >> 16) % 20 : 1 + (draw >> 16) % 21);
  item.len = (uint16_t)(item.pn_at + 20 + (draw >> 24) % 180);
  item.number = i;
  packet[0] = (uint8_t)((is_long ? 0xc0 : 0x40) | (item.pn_len - 1));
  for (size_t j = 0; j < item.pn_len; j++)
    packet[item.pn_at + j] = (uint8_t)(i >> (8 * (item.pn_len - 1U - j)));
  return item;
}

/* The fast path, a run with one call for all masks, and the plain one, packet by packet, agree; and
 * what was sealed opens. */
static void run_equals_singles(void **state)
{
  static const enum tern_aead_id aeads[] = {TERN_AEAD_AES128, TERN_AEAD_AES256, TERN_AEAD_CHACHA20,
                                            TERN_AEAD_NULL};
  static const size_t counts[] = {1, 2, 45, 64, 65, RUN_MAX};
  struct tern_random_seeded seeded;
  (void)state;
  tern_random_seeded_init(&seeded, 20);
  for (size_t a = 0; a < 4; a++) {
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
      struct tern_keys *run_keys = keys_of(aeads[a], 1, 2), *keys = keys_of(aeads[a], 1, 2);
      struct tern_keys *peer = keys_of(aeads[a], 2, 1);
      struct tern_seal_item items[RUN_MAX];
      struct tern_open_item opens[RUN_MAX] = {0};
      size_t count = counts[c];
      for (size_t i = 0; i < count; i++) {
        items[i] = make_item(run_bytes[i], i, &seeded);
        memcpy(single_bytes[i], run_bytes[i], 256);
        opens[i].packet = run_bytes[i];
        opens[i].pn_at = items[i].pn_at;
        opens[i].len = items[i].len;
      }
      uint8_t plain[RUN_MAX][256];
      memcpy(plain, run_bytes, sizeof plain);
      assert_int_equal(tern_protect_seal_run(run_keys, 0, items, count), TERN_OK);
      assert_int_equal(run_keys->tx.sealed, count);
      for (size_t i = 0; i < count; i++) {
        assert_int_equal(seal_one(keys, single_bytes[i], items[i].pn_at, items[i].pn_len,
                                  items[i].len, items[i].number),
                         TERN_OK);
        assert_memory_equal(run_bytes[i], single_bytes[i], 256);
      }
      tern_protect_unmask_run(peer, opens, count);
      for (size_t i = 0; i < count; i++) {
        uint64_t largest = i == 0 ? TERN_PACKET_NUMBER_NONE : i - 1;
        assert_false(opens[i].is_bad);
        assert_int_equal(tern_protect_open(peer, 0, &opens[i], largest), TERN_OPEN_OK);
        assert_int_equal(opens[i].number, i);
        assert_int_equal(opens[i].pn_len, items[i].pn_len);
        assert_memory_equal(run_bytes[i], plain[i], items[i].len - 16U);
      }
      tern_keys_free(run_keys);
      tern_keys_free(keys);
      tern_keys_free(peer);
    }
  }
}

/* Every bit of a packet matters: changed, it does not open (the null AEAD included). Only the phase and
 * packet number bits change which key and nonce are tried. */
static void tamper_every_bit(void **state)
{
  static const enum tern_aead_id aeads[] = {TERN_AEAD_AES128, TERN_AEAD_AES256, TERN_AEAD_CHACHA20,
                                            TERN_AEAD_NULL};
  (void)state;
  for (size_t a = 0; a < 4; a++) {
    for (int is_long = 0; is_long < 2; is_long++) {
      struct tern_keys *keys = keys_of(aeads[a], 1, 2), *peer = keys_of(aeads[a], 2, 1);
      uint8_t sealed[60], copy[60];
      for (size_t i = 0; i < sizeof sealed; i++)
        sealed[i] = (uint8_t)i;
      sealed[0] = is_long ? 0xc1 : 0x41;
      sealed[9] = 0;
      sealed[10] = 7;
      assert_int_equal(seal_one(keys, sealed, 9, 2, sizeof sealed, 7), TERN_OK);
      struct tern_open_item item;
      uint64_t failures = 0;
      for (size_t bit = 0; bit < sizeof sealed * 8; bit++) {
        if (bit == 7)
          continue; /* the header form: the wire layer never brings it here changed */
        memcpy(copy, sealed, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_equal(open_one(peer, copy, 9, sizeof copy, TERN_PACKET_NUMBER_NONE, &item),
                         TERN_OPEN_FAILED);
        assert_int_equal(peer->rx.failed, ++failures); /* [rfc9001-6.6] */
      }
      for (size_t len = 0; len < sizeof sealed; len++) {
        memcpy(copy, sealed, sizeof copy);
        assert_int_equal(open_one(peer, copy, 9, len, TERN_PACKET_NUMBER_NONE, &item),
                         TERN_OPEN_FAILED);
        /* [rfc9001-5.4.2] too short for a sample: not even tried */
        assert_int_equal(item.is_bad, len < 9 + 4 + 16);
      }
      memcpy(copy, sealed, sizeof copy);
      assert_int_equal(open_one(peer, copy, 9, sizeof copy, TERN_PACKET_NUMBER_NONE, &item),
                       TERN_OPEN_OK);
      /* The same packet on another path, or under a wrong number, is another packet. */
      memcpy(copy, sealed, sizeof copy);
      item = (struct tern_open_item){.packet = copy, .pn_at = 9, .len = sizeof copy};
      tern_protect_unmask_run(peer, &item, 1);
      assert_int_equal(tern_protect_open(peer, 1, &item, TERN_PACKET_NUMBER_NONE),
                       TERN_OPEN_FAILED);
      memcpy(copy, sealed, sizeof copy);
      assert_int_equal(open_one(peer, copy, 9, sizeof copy, 100000, &item), TERN_OPEN_FAILED);
      tern_keys_free(keys);
      tern_keys_free(peer);
    }
  }
}

/* [rfc9000-17.2] reserved bits are judged after opening, and only if it succeeds. */
static void reserved_bits(void **state)
{
  static const uint8_t first[] = {0xc4, 0xc8, 0xcc, 0x48, 0x50, 0x58};
  (void)state;
  for (size_t i = 0; i < sizeof first; i++) {
    struct tern_keys *keys = keys_of(TERN_AEAD_AES128, 1, 2);
    struct tern_keys *peer = keys_of(TERN_AEAD_AES128, 2, 1);
    uint8_t packet[60] = {first[i]}, copy[60];
    struct tern_open_item item;
    assert_int_equal(seal_one(keys, packet, 9, 1, sizeof packet, 0), TERN_OK);
    memcpy(copy, packet, sizeof copy);
    copy[50] ^= 1;
    assert_int_equal(open_one(peer, copy, 9, sizeof copy, TERN_PACKET_NUMBER_NONE, &item),
                     TERN_OPEN_FAILED);
    assert_int_equal(open_one(peer, packet, 9, sizeof packet, TERN_PACKET_NUMBER_NONE, &item),
                     TERN_OPEN_RESERVED_BITS);
    tern_keys_free(keys);
    tern_keys_free(peer);
  }
}

static int set_up(void **state)
{
  (void)state;
  tern_alloc_init(&heap, &tern_alloc_system, NULL, UINT64_MAX);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  tern_alloc_deinit(&heap); /* asserts that all came back */
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(initial_keys, set_up, tear_down),
      cmocka_unit_test_setup_teardown(client_initial, set_up, tear_down),
      cmocka_unit_test_setup_teardown(server_initial, set_up, tear_down),
      cmocka_unit_test_setup_teardown(retry, set_up, tear_down),
      cmocka_unit_test_setup_teardown(chacha_short_header, set_up, tear_down),
      cmocka_unit_test_setup_teardown(path_id_in_nonce, set_up, tear_down),
      cmocka_unit_test_setup_teardown(run_equals_singles, set_up, tear_down),
      cmocka_unit_test_setup_teardown(tamper_every_bit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(reserved_bits, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
