/* SPDX-License-Identifier: MIT */
/* The provider against Project Wycheproof's vectors ($TERN_SPEC/vectors/wycheproof), RFC 5869, RFC 4231
 * and FIPS 197 samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/provider.h"

/* ---- a reader that knows just enough JSON for these files ---------------------------------- */

/* Members of the innermost test object. Values are hexadecimal, words or numbers: no escapes that
 * matter. */
struct vector {
  char key[128], iv[4096], aad[8192], msg[8192], ct[8192], tag[128];
  char ikm[8192], salt[8192], info[8192], okm[40000];
  char result[32];
  long size, id;
};

static void keep(struct vector *vector, const char *name, const char *value)
{
  struct {
    const char *name;
    char *to;
    size_t size;
  } members[] = {
      {"key", vector->key, sizeof vector->key},
      {"iv", vector->iv, sizeof vector->iv},
      {"aad", vector->aad, sizeof vector->aad},
      {"msg", vector->msg, sizeof vector->msg},
      {"ct", vector->ct, sizeof vector->ct},
      {"tag", vector->tag, sizeof vector->tag},
      {"ikm", vector->ikm, sizeof vector->ikm},
      {"salt", vector->salt, sizeof vector->salt},
      {"info", vector->info, sizeof vector->info},
      {"okm", vector->okm, sizeof vector->okm},
      {"result", vector->result, sizeof vector->result},
  };
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
    if (strcmp(members[i].name, name) == 0)
      (void)snprintf(members[i].to, members[i].size, "%s", value);
  }
  if (strcmp(name, "size") == 0)
    vector->size = strtol(value, NULL, 10);
  if (strcmp(name, "tcId") == 0)
    vector->id = strtol(value, NULL, 10);
}

/* The text of a string that starts at `*at` (a quote), without escapes; moves behind it. */
static void read_string(const char **at, char *out, size_t size)
{
  size_t len = 0;
  for ((*at)++; **at != '\0' && **at != '"'; (*at)++) {
    if (**at == '\\')
      (*at)++;
    if (len + 1 < size)
      out[len++] = **at;
  }
  out[len] = '\0';
  if (**at == '"')
    (*at)++;
}

static void read_value(const char **at, char *out, size_t size)
{
  *at += strspn(*at, " \r\n\t");
  if (**at == '"') {
    read_string(at, out, size);
    return;
  }
  size_t len = strspn(*at, "-0123456789");
  (void)snprintf(out, size, "%.*s", (int)len, *at);
  *at += len;
}

/* Calls `run` for each object with a tcId. Returns how many. */
static int for_each_vector(const char *json, void (*run)(const struct vector *vector))
{
  static struct vector vector;
  static char value[40000];
  char name[64];
  int count = 0;
  const char *at = json;
  memset(&vector, 0, sizeof vector);
  while (*at != '\0') {
    if (*at == '}' && vector.id != 0) {
      run(&vector);
      count++;
      memset(&vector, 0, sizeof vector);
    }
    if (*at != '"') {
      at++;
      continue;
    }
    read_string(&at, name, sizeof name);
    at += strspn(at, " \r\n\t");
    if (*at != ':')
      continue;
    at++;
    read_value(&at, value, sizeof value);
    keep(&vector, name, value);
  }
  return count;
}

static char *read_file(const char *name)
{
  char path[1024];
  const char *spec = getenv("TERN_SPEC");
  if (spec == NULL) {
    print_message("skipped: TERN_SPEC is not set, no %s\n", name);
    return NULL;
  }
  (void)snprintf(path, sizeof path, "%s/vectors/wycheproof/%s", spec, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    print_message("skipped: no %s\n", path);
    return NULL;
  }
  static char text[4 << 20];
  size_t len = fread(text, 1, sizeof text - 1, file);
  assert_true(feof(file));
  text[len] = '\0';
  assert_int_equal(fclose(file), 0);
  return text;
}

static size_t unhex(const char *hex, uint8_t *out)
{
  size_t len = strlen(hex) / 2;
  for (size_t i = 0; i < len; i++) {
    char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
    out[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  return len;
}

/* ---- AEAD ---------------------------------------------------------------------------------- */

static int used;

struct bytes {
  uint8_t key[64], iv[2048], aad[4096], text[4096 + 16], msg[4096];
  size_t key_len, aad_len, ct_len, msg_len;
};

static void seal_and_compare(enum tern_aead_id id, const struct vector *vector, struct bytes *b)
{
  const struct tern_crypto_ops *ops = tern_crypto_get(id);
  void *aead = calloc(1, ops->aead_bytes);
  uint8_t sealed[4096 + 16];
  memcpy(sealed, b->msg, b->msg_len);
  struct tern_aead_text text = {b->iv, b->aad, b->aad_len, sealed, b->msg_len};
  assert_true(ops->aead_init(aead, id, b->key, true));
  assert_true(ops->aead_seal(aead, &text));
  ops->aead_deinit(aead);
  free(aead);
  bool is_same = memcmp(sealed, b->text, b->msg_len + 16) == 0;
  assert_int_equal(is_same, strcmp(vector->result, "valid") == 0);
}

static void open_and_compare(enum tern_aead_id id, const struct vector *vector, struct bytes *b)
{
  const struct tern_crypto_ops *ops = tern_crypto_get(id);
  void *aead = calloc(1, ops->aead_bytes);
  struct tern_aead_text text = {b->iv, b->aad, b->aad_len, b->text, b->ct_len};
  assert_true(ops->aead_init(aead, id, b->key, false));
  bool is_open = ops->aead_open(aead, &text);
  ops->aead_deinit(aead);
  free(aead);
  assert_int_equal(is_open, strcmp(vector->result, "valid") == 0);
  if (is_open)
    assert_memory_equal(b->text, b->msg, b->msg_len);
}

static void run_aead(const struct vector *vector, bool is_chacha)
{
  static struct bytes b;
  /* QUIC's nonces have 12 bytes and its tags 16; the other vectors are not for us. */
  if (strlen(vector->iv) != 24 || strlen(vector->tag) != 32)
    return;
  b.key_len = unhex(vector->key, b.key);
  if (b.key_len == 24)
    return;
  enum tern_aead_id id = is_chacha         ? TERN_AEAD_CHACHA20
                         : b.key_len == 16 ? TERN_AEAD_AES128
                                           : TERN_AEAD_AES256;
  (void)unhex(vector->iv, b.iv);
  b.aad_len = unhex(vector->aad, b.aad);
  b.msg_len = unhex(vector->msg, b.msg);
  b.ct_len = unhex(vector->ct, b.text);
  (void)unhex(vector->tag, b.text + b.ct_len);
  if (b.msg_len == b.ct_len)
    seal_and_compare(id, vector, &b);
  open_and_compare(id, vector, &b);
  used++;
}

static void run_gcm(const struct vector *vector)
{
  run_aead(vector, false);
}

static void run_chacha(const struct vector *vector)
{
  run_aead(vector, true);
}

static void wycheproof(const char *name, void (*run)(const struct vector *vector), int least)
{
  const char *json = read_file(name);
  if (json == NULL)
    skip();
  used = 0;
  int count = for_each_vector(json, run);
  print_message("%s: %d vectors, %d used\n", name, count, used);
  assert_true(used >= least);
}

static void aes_gcm(void **state)
{
  (void)state;
  wycheproof("aes_gcm_test.json", run_gcm, 100);
}

static void chacha20_poly1305(void **state)
{
  (void)state;
  wycheproof("chacha20_poly1305_test.json", run_chacha, 200);
}

/* ---- HKDF ---------------------------------------------------------------------------------- */

static void run_hkdf(const struct vector *vector, enum tern_hash_id hash)
{
  static uint8_t ikm[4096], salt[4096], info[4096], okm[20000], out[20000];
  const struct tern_crypto_ops *ops = tern_crypto_provider();
  uint8_t prk[TERN_HASH_MAX];
  size_t ikm_len = unhex(vector->ikm, ikm), salt_len = unhex(vector->salt, salt);
  size_t info_len = unhex(vector->info, info), okm_len = unhex(vector->okm, okm);
  assert_true(
      ops->hkdf_extract(hash, tern_slice_of(salt, salt_len), tern_slice_of(ikm, ikm_len), prk));
  bool is_made = ops->hkdf_expand(hash, tern_slice_of(prk, tern_hash_bytes(hash)),
                                  tern_slice_of(info, info_len), out, (size_t)vector->size);
  assert_int_equal(is_made, strcmp(vector->result, "valid") == 0);
  if (is_made) {
    assert_int_equal(okm_len, vector->size);
    assert_memory_equal(out, okm, okm_len);
  }
  used++;
}

static void run_hkdf256(const struct vector *vector)
{
  run_hkdf(vector, TERN_HASH_SHA256);
}

static void run_hkdf384(const struct vector *vector)
{
  run_hkdf(vector, TERN_HASH_SHA384);
}

static void hkdf_sha256(void **state)
{
  (void)state;
  wycheproof("hkdf_sha256_test.json", run_hkdf256, 50);
}

static void hkdf_sha384(void **state)
{
  (void)state;
  wycheproof("hkdf_sha384_test.json", run_hkdf384, 50);
}

/* RFC 5869 A.1: needs no file */
static void hkdf_sample(void **state)
{
  const struct tern_crypto_ops *ops = tern_crypto_provider();
  uint8_t ikm[22], salt[13], info[10], prk[32], okm[42], expected[42];
  (void)state;
  memset(ikm, 0x0b, sizeof ikm);
  (void)unhex("000102030405060708090a0b0c", salt);
  (void)unhex("f0f1f2f3f4f5f6f7f8f9", info);
  assert_true(
      ops->hkdf_extract(TERN_HASH_SHA256, tern_slice_of(salt, 13), tern_slice_of(ikm, 22), prk));
  (void)unhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", expected);
  assert_memory_equal(prk, expected, 32);
  assert_true(ops->hkdf_expand(TERN_HASH_SHA256, tern_slice_of(prk, 32), tern_slice_of(info, 10),
                               okm, sizeof okm));
  (void)unhex(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
      expected);
  assert_memory_equal(okm, expected, sizeof okm);
}

/* RFC 4231 4.3 */
static void hmac_sample(void **state)
{
  uint8_t mac[32], expected[32];
  (void)state;
  assert_true(tern_crypto_provider()->hmac(tern_slice_of("Jefe", 4),
                                           tern_slice_of("what do ya want for nothing?", 28), mac));
  (void)unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", expected);
  assert_memory_equal(mac, expected, sizeof mac);
}

/* FIPS 197 C.1 and C.3: header protection is plain AES; many samples in one call as each alone. */
static void header_masks(void **state)
{
  static const struct {
    enum tern_aead_id id;
    const char *mask;
  } cases[] = {
      {TERN_AEAD_AES128, "69c4e0d86a7b0430d8cdb78070b4c55a"},
      {TERN_AEAD_AES256, "8ea2b7ca516745bfeafc49904b496089"},
      {TERN_AEAD_CHACHA20, NULL},
  };
  const struct tern_crypto_ops *ops = tern_crypto_provider();
  uint8_t key[32], samples[50 * 16], masks[50 * 16], expected[16];
  (void)state;
  for (size_t i = 0; i < sizeof key; i++)
    key[i] = (uint8_t)i;
  for (size_t i = 0; i < sizeof samples; i++)
    samples[i] = (uint8_t)(i < 16 ? i * 0x11 : i * 37);
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    void *hp = calloc(1, ops->hp_bytes);
    assert_true(ops->hp_init(hp, cases[c].id, key));
    memcpy(masks, samples, sizeof masks);
    assert_true(ops->hp_masks(hp, masks, 50));
    if (cases[c].mask != NULL) {
      (void)unhex(cases[c].mask, expected);
      assert_memory_equal(masks, expected, 16);
    }
    for (size_t i = 0; i < 50; i++) {
      uint8_t one[16];
      memcpy(one, samples + 16 * i, 16);
      assert_true(ops->hp_masks(hp, one, 1));
      assert_memory_equal(one, masks + 16 * i, TERN_HP_MASK_BYTES);
    }
    ops->hp_deinit(hp);
    free(hp);
  }
}

static void equality(void **state)
{
  uint8_t a[16] = {1}, b[16] = {1};
  (void)state;
  assert_true(tern_crypto_equal(a, b, 16));
  assert_true(tern_crypto_equal(a, b, 0));
  for (size_t bit = 0; bit < 128; bit++) {
    b[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    assert_false(tern_crypto_equal(a, b, 16));
    b[bit / 8] ^= (uint8_t)(1U << (bit % 8));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(aes_gcm),      cmocka_unit_test(chacha20_poly1305),
      cmocka_unit_test(hkdf_sha256),  cmocka_unit_test(hkdf_sha384),
      cmocka_unit_test(hkdf_sample),  cmocka_unit_test(hmac_sample),
      cmocka_unit_test(header_masks), cmocka_unit_test(equality),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
