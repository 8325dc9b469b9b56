/* SPDX-License-Identifier: MIT */
/* The Huffman code against RFC 7541: table, example strings, padding rules, any split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "h3/huffman.h"
#include "h3/huffman_table.h"

#define TEXT_MAX 4096

static size_t from_hex(const char *hex, uint8_t *out)
{
  size_t len = 0;
  unsigned byte;
  while (sscanf(hex + 2 * len, "%2x", &byte) == 1)
    out[len++] = (uint8_t)byte;
  return len;
}

/* Decodes in pieces of `piece` bytes. False: refused. */
static bool decode(const uint8_t *in, size_t len, size_t piece, uint8_t *out, size_t *out_len)
{
  struct tern_huffman_decoder decoder;
  tern_huffman_decoder_init(&decoder);
  *out_len = 0;
  for (size_t at = 0; at < len; at += piece) {
    size_t n = len - at < piece ? len - at : piece;
    struct tern_huffman_io io = {in + at, n, out + *out_len, TEXT_MAX - *out_len, 0};
    if (tern_huffman_decode(&decoder, &io) != TERN_HUFFMAN_OK)
      return false;
    *out_len += io.out_len;
  }
  return tern_huffman_decoder_is_done(&decoder);
}

/* [rfc7541-C.4] and [rfc7541-C.6] */
static const struct {
  const char *hex;
  const char *text;
} examples[] = {
    {"f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"},
    {"a8eb10649cbf", "no-cache"},
    {"25a849e95ba97d7f", "custom-key"},
    {"25a849e95bb8e8b4bf", "custom-value"},
    {"6402", "302"},
    {"aec3771a4b", "private"},
    {"d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"},
    {"9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"},
    {"640eff", "307"},
    {"d07abe941054d444a8200595040b8166e084a62d1bff", "Mon, 21 Oct 2013 20:13:22 GMT"},
    {"9bd9ab", "gzip"},
    {"94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
     "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"},
};

static void test_examples(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
    uint8_t wire[128];
    uint8_t out[TEXT_MAX];
    size_t out_len;
    size_t wire_len = from_hex(examples[i].hex, wire);
    size_t len = strlen(examples[i].text);
    const uint8_t *text = (const uint8_t *)examples[i].text;
    assert_int_equal(tern_huffman_size(text, len), wire_len);
    assert_ptr_equal(tern_huffman_encode(out, text, len), out + wire_len);
    assert_memory_equal(out, wire, wire_len);
    for (size_t piece = 1; piece <= wire_len; piece++) {
      assert_true(decode(wire, wire_len, piece, out, &out_len));
      assert_int_equal(out_len, len);
      assert_memory_equal(out, text, len);
    }
  }
}

/* Every code of [rfc7541-B], and that the derived tables agree with it. */
static void test_table(void **state)
{
  (void)state;
  const char *spec = getenv("TERN_SPEC");
  if (spec == NULL) {
    print_message("skipped: TERN_SPEC is not set\n");
    skip();
  }
  char path[1024];
  (void)snprintf(path, sizeof(path), "%s/vectors/tables/hpack-huffman.tsv", spec);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char line[256];
  unsigned symbols = 0;
  while (fgets(line, sizeof(line), file) != NULL) {
    unsigned symbol;
    unsigned code;
    unsigned bits;
    if (sscanf(line, "%u\t%x\t%u", &symbol, &code, &bits) != 3)
      continue;
    assert_int_equal(tern_huffman_codes[symbol].code, code);
    assert_int_equal(tern_huffman_codes[symbol].bits, bits);
    symbols++;
  }
  (void)fclose(file);
  assert_int_equal(symbols, 257);
}

static void test_each_symbol(void **state)
{
  (void)state;
  for (unsigned a = 0; a < 256; a++) {
    for (unsigned b = 0; b < 256; b++) {
      uint8_t text[5] = {(uint8_t)a, (uint8_t)b, (uint8_t)a, (uint8_t)b, (uint8_t)b};
      uint8_t wire[32];
      uint8_t out[TEXT_MAX];
      size_t out_len;
      size_t len = (size_t)(tern_huffman_encode(wire, text, 5) - wire);
      assert_int_equal(len, tern_huffman_size(text, 5));
      assert_true(decode(wire, len, 1 + b % 7, out, &out_len));
      assert_int_equal(out_len, 5);
      assert_memory_equal(out, text, 5);
    }
  }
}

/* [rfc7541-5.2] padding of more than 7 bits, of other bits than ones, and EOS are errors. */
static void test_refused(void **state)
{
  (void)state;
  static const struct {
    const char *hex;
    bool is_good;
  } cases[] = {
      {"", true},
      {"07", true},          /* '0' and 111 */
      {"00", false},         /* '0' and 000 */
      {"06", false},         /* one wrong bit */
      {"07ff", false},       /* a byte of padding */
      {"ff", false},         /* nothing but padding */
      {"ffffffff", false},   /* EOS and 11 */
      {"fffffffc", false},   /* EOS and 00 */
      {"07fffffffe", false}, /* EOS after a symbol */
      {"3fffffffff", false}, /* and elsewhere */
      {"1f", true},          /* 'a' */
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint8_t wire[16];
    uint8_t out[TEXT_MAX];
    size_t out_len;
    size_t len = from_hex(cases[i].hex, wire);
    for (size_t piece = 1; piece <= 8; piece++)
      assert_int_equal(decode(wire, len, piece, out, &out_len), cases[i].is_good);
  }
}

/* A plain decoder that tries every code at every bit. */
static bool decode_slowly(const uint8_t *in, size_t len, uint8_t *out, size_t *out_len)
{
  size_t bits = len * 8;
  size_t at = 0;
  *out_len = 0;
  while (at < bits) {
    uint32_t code = 0;
    unsigned symbol = 257;
    for (unsigned width = 1; width <= 30 && at + width <= bits && symbol == 257; width++) {
      size_t bit = at + width - 1;
      code = code << 1 | ((in[bit / 8] >> (7 - bit % 8)) & 1);
      for (unsigned s = 0; s < 257; s++) {
        if (tern_huffman_codes[s].bits == width && tern_huffman_codes[s].code == code)
          symbol = s;
      }
    }
    if (symbol == 256)
      return false;
    if (symbol == 257) {
      for (size_t bit = at; bit < bits; bit++) {
        if (((in[bit / 8] >> (7 - bit % 8)) & 1) == 0)
          return false;
      }
      return bits - at <= 7;
    }
    out[(*out_len)++] = (uint8_t)symbol;
    at += tern_huffman_codes[symbol].bits;
  }
  return true;
}

static void test_against_plain_decoder(void **state)
{
  (void)state;
  uint64_t seed = 20260101;
  print_message("seed %llu\n", (unsigned long long)seed);
  for (int round = 0; round < 3000; round++) {
    uint8_t wire[24];
    uint8_t a[TEXT_MAX];
    uint8_t b[TEXT_MAX];
    size_t a_len;
    size_t b_len;
    seed = seed * UINT64_C(6364136223846793005) + 1;
    size_t len = (size_t)(seed >> 40) % sizeof(wire);
    for (size_t i = 0; i < len; i++) {
      seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
      wire[i] = (seed >> 61) < 3 ? 0xff : (uint8_t)(seed >> 33);
    }
    bool is_good = decode_slowly(wire, len, a, &a_len);
    assert_int_equal(decode(wire, len, 1 + (size_t)round % 9, b, &b_len), is_good);
    if (is_good) {
      assert_int_equal(a_len, b_len);
      assert_memory_equal(a, b, a_len);
    }
  }
}

static void test_room(void **state)
{
  (void)state;
  uint8_t wire[16];
  uint8_t out[16];
  size_t len = from_hex("f1e3c2e5f23a6ba0ab90f4ff", wire);
  for (size_t room = 0; room <= 15; room++) {
    struct tern_huffman_decoder decoder;
    tern_huffman_decoder_init(&decoder);
    struct tern_huffman_io io = {wire, len, out, room, 0};
    assert_int_equal(tern_huffman_decode(&decoder, &io),
                     room < 15 ? TERN_HUFFMAN_FULL : TERN_HUFFMAN_OK);
    assert_int_equal(io.out_len, room);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_examples),
      cmocka_unit_test(test_table),
      cmocka_unit_test(test_each_symbol),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_against_plain_decoder),
      cmocka_unit_test(test_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
