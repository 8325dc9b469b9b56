/* SPDX-License-Identifier: MIT */
/* The QPACK decoder piece by piece: integers, the static table, the worked examples of RFC 9204 appendix
 * B with their table states, errors and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "h3/qpack_dec.h"
#include "hex.h"

static struct tern_alloc account;

/* ---- integers ------------------------------------------------------------------------------- */

static enum tern_qpack_int_result read_int(const uint8_t *bytes, size_t len, uint8_t prefix,
                                           uint64_t *value)
{
  struct tern_qpack_int integer;
  enum tern_qpack_int_result result = tern_qpack_int_start(&integer, bytes[0], prefix);
  for (size_t i = 1; i < len && result == TERN_QPACK_INT_MORE; i++)
    result = tern_qpack_int_next(&integer, bytes[i]);
  *value = integer.value;
  return result;
}

/* [rfc7541-C.1] */
static void test_integer_examples(void **state)
{
  (void)state;
  static const struct {
    uint64_t value;
    uint8_t prefix;
    const char *hex;
  } cases[] = {{10, 5, "0a"}, {1337, 5, "1f9a0a"}, {42, 8, "2a"}};
  for (size_t i = 0; i < 3; i++) {
    uint8_t expected[8];
    uint8_t out[TERN_QPACK_INT_BYTES_MAX];
    uint64_t value;
    size_t len = from_hex(cases[i].hex, expected);
    assert_ptr_equal(tern_qpack_int_write(out, 0, cases[i].prefix, cases[i].value), out + len);
    assert_memory_equal(out, expected, len);
    assert_int_equal(read_int(out, len, cases[i].prefix, &value), TERN_QPACK_INT_DONE);
    assert_int_equal(value, cases[i].value);
  }
}

/* [rfc9204-4.1.1] [rfc7541-5.1] up to 62 bits, with each prefix */
static void test_integer_range(void **state)
{
  (void)state;
  for (uint8_t prefix = 3; prefix <= 8; prefix++) {
    for (unsigned bits = 0; bits <= 62; bits++) {
      for (int delta = -1; delta <= 1; delta++) {
        uint64_t value = (UINT64_C(1) << bits) + (uint64_t)(int64_t)delta;
        if (value > TERN_QPACK_INT_MAX)
          continue;
        uint8_t out[TERN_QPACK_INT_BYTES_MAX];
        uint64_t again;
        size_t len = (size_t)(tern_qpack_int_write(out, 0, prefix, value) - out);
        assert_int_equal(read_int(out, len, prefix, &again), TERN_QPACK_INT_DONE);
        assert_int_equal(again, value);
        if (len > 1)
          assert_int_equal(read_int(out, len - 1, prefix, &again), TERN_QPACK_INT_MORE);
      }
    }
  }
}

/* [rfc9204-7.4] too large, too long */
static void test_integer_refused(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "ff81feffffffffffff3f80", /* padding without an end */
      "ff80808080808080808080", /* the same, of zero */
      "ffffffffffffffffffff7f", /* 70 bits */
      "ff8180ffffffffffff40",   /* 2^62 + ... */
      "ffffffffffffffffff7f",
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint8_t bytes[16] = {0};
    uint64_t value;
    size_t len = from_hex(cases[i], bytes);
    if (read_int(bytes, len, 8, &value) != TERN_QPACK_INT_ERROR)
      fail_msg("%s", cases[i]);
  }
}

/* ---- static table --------------------------------------------------------------------------- */

/* [rfc9204-A] */
static void test_static_table(void **state)
{
  (void)state;
  const char *spec = getenv("TERN_SPEC");
  if (spec == NULL) {
    print_message("skipped: TERN_SPEC is not set\n");
    skip();
  }
  char path[1024];
  (void)snprintf(path, sizeof(path), "%s/vectors/tables/qpack-static.tsv", spec);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char line[512];
  unsigned count = 0;
  while (fgets(line, sizeof(line), file) != NULL) {
    if (line[0] == '#')
      continue;
    line[strcspn(line, "\n")] = 0;
    char *name = strchr(line, '\t') + 1;
    char *value = strchr(name, '\t');
    *value++ = 0;
    struct tern_qpack_static entry;
    assert_true(tern_qpack_static_find(count, &entry));
    assert_int_equal(entry.name.len, strlen(name));
    assert_memory_equal(entry.name.data, name, entry.name.len);
    assert_int_equal(entry.value.len, strlen(value));
    assert_memory_equal(entry.value.data, value, entry.value.len);
    struct tern_qpack_match match = tern_qpack_static_match(entry.name, entry.value);
    assert_int_equal(match.full, count);
    assert_true(match.name <= count);
    match = tern_qpack_static_match(entry.name, tern_slice_of("no such value", 13));
    assert_int_equal(match.full, TERN_QPACK_NONE);
    assert_true(match.name <= count);
    count++;
  }
  (void)fclose(file);
  assert_int_equal(count, TERN_QPACK_STATIC_COUNT);
  struct tern_qpack_static none;
  assert_false(tern_qpack_static_find(99, &none));
  struct tern_qpack_match match =
      tern_qpack_static_match(tern_slice_of("x-unknown", 9), tern_slice_of("", 0));
  assert_int_equal(match.name, TERN_QPACK_NONE);
}

/* ---- appendix B ----------------------------------------------------------------------------- */

struct expected_entry {
  uint64_t index;
  const char *name;
  const char *value;
};

static void check_table(const struct tern_qpack_dec *dec, uint64_t size,
                        const struct expected_entry *entries, size_t count)
{
  assert_int_equal(dec->table.size, size);
  assert_int_equal(dec->table.inserts - dec->table.oldest, count);
  for (size_t i = 0; i < count; i++) {
    tern_slice name = tern_qpack_table_get_name(&dec->table, entries[i].index);
    tern_slice value = tern_qpack_table_get_value(&dec->table, entries[i].index);
    assert_int_equal(name.len, strlen(entries[i].name));
    assert_memory_equal(name.data, entries[i].name, name.len);
    assert_int_equal(value.len, strlen(entries[i].value));
    assert_memory_equal(value.data, entries[i].value, value.len);
  }
}

static void check_instructions(struct tern_qpack_dec *dec, const char *hex)
{
  uint8_t expected[64];
  size_t len = from_hex(hex, expected);
  assert_int_equal(dec->instructions.len, len);
  if (len > 0)
    assert_memory_equal(dec->instructions.data, expected, len);
  tern_buf_clear(&dec->instructions, SIZE_MAX);
}

static void give_instructions(struct tern_qpack_dec *dec, const char *hex)
{
  uint8_t bytes[256];
  size_t len = from_hex(hex, bytes);
  for (size_t i = 0; i < len; i++)
    assert_int_equal(tern_qpack_dec_receive(dec, bytes + i, 1), 0);
}

/* Decodes a section of one or more known fields, "name: value\n" each. */
static void check_section(struct tern_qpack_dec *dec, uint64_t stream_id, const char *hex,
                          const char *expected)
{
  uint8_t bytes[256];
  size_t len = from_hex(hex, bytes);
  struct tern_qpack_reader reader;
  tern_qpack_reader_init(&reader, &account);
  tern_qpack_reader_start(&reader, stream_id, 10000);
  size_t consumed;
  assert_int_equal(tern_qpack_reader_feed(&reader, dec, tern_slice_of(bytes, len), &consumed),
                   TERN_QPACK_OK);
  const tern_field *fields;
  size_t count;
  assert_int_equal(tern_qpack_reader_finish(&reader, dec, &fields, &count), TERN_QPACK_OK);
  char text[512] = "";
  for (size_t i = 0; i < count; i++) {
    size_t at = strlen(text);
    (void)snprintf(text + at, sizeof(text) - at, "%.*s: %.*s\n", (int)fields[i].name.len,
                   (const char *)fields[i].name.data, (int)fields[i].value.len,
                   (const char *)fields[i].value.data);
  }
  assert_string_equal(text, expected);
  tern_qpack_reader_deinit(&reader);
}

/* Each kind of instruction and line: [rfc9204-4.3.2] [rfc9204-4.3.3] [rfc9204-4.3.4] [rfc9204-4.4.2]
 * [rfc9204-4.5.1] [rfc9204-4.5.2] [rfc9204-4.5.3] [rfc9204-4.5.4], with relative [rfc9204-3.2.5] and
 * post-Base [rfc9204-3.2.6] indices, and the sizes of [rfc9204-3.2.1]. */
static void test_appendix_b(void **state)
{
  (void)state;
  struct tern_qpack_dec dec;
  tern_qpack_dec_init(&dec, &account, 220, 100);
  /* B.1 */
  check_section(&dec, 0, "0000 510b 2f69 6e64 6578 2e68 746d 6c", ":path: /index.html\n");
  check_instructions(&dec, "");
  check_table(&dec, 0, NULL, 0);
  /* B.2 */
  give_instructions(&dec,
                    "3fbd01 c00f 7777772e6578616d706c652e636f6d c10c 2f73616d706c652f70617468");
  static const struct expected_entry b2[] = {{0, ":authority", "www.example.com"},
                                             {1, ":path", "/sample/path"}};
  check_table(&dec, 106, b2, 2);
  check_section(&dec, 4, "0381 10 11", ":authority: www.example.com\n:path: /sample/path\n");
  check_instructions(&dec, "84");
  /* B.3 */
  give_instructions(&dec, "4a637573746f6d2d6b6579 0c637573746f6d2d76616c7565");
  static const struct expected_entry b3[] = {{0, ":authority", "www.example.com"},
                                             {1, ":path", "/sample/path"},
                                             {2, "custom-key", "custom-value"}};
  check_table(&dec, 160, b3, 3);
  assert_true(tern_qpack_dec_increment(&dec));
  check_instructions(&dec, "01");
  /* B.4 */
  give_instructions(&dec, "02");
  static const struct expected_entry b4[] = {{0, ":authority", "www.example.com"},
                                             {1, ":path", "/sample/path"},
                                             {2, "custom-key", "custom-value"},
                                             {3, ":authority", "www.example.com"}};
  check_table(&dec, 217, b4, 4);
  assert_true(tern_qpack_dec_cancel_stream(&dec, 8));
  check_instructions(&dec, "48");
  check_section(&dec, 8, "0500 80 c1 81",
                ":authority: www.example.com\n:path: /\ncustom-key: custom-value\n");
  check_instructions(&dec, "88");
  /* B.5 */
  give_instructions(&dec, "810d 637573746f6d2d76616c756532");
  static const struct expected_entry b5[] = {{1, ":path", "/sample/path"},
                                             {2, "custom-key", "custom-value"},
                                             {3, ":authority", "www.example.com"},
                                             {4, "custom-key", "custom-value2"}};
  check_table(&dec, 215, b5, 4);
  tern_qpack_dec_deinit(&dec);
}

/* ---- encoder stream errors ------------------------------------------------------------------ */

static void test_encoder_stream_errors(void **state)
{
  (void)state;
  static const struct {
    const char *what;
    const char *hex;
  } cases[] = {
      {"capacity above the limit [rfc9204-4.3.1]", "3fbe01"},
      {"static name index 99 [rfc9204-3.1]", "3fbd01 ff24"},
      {"dynamic name that is not there [rfc9204-2.2.3]", "3fbd01 80"},
      {"duplicate of nothing [rfc9204-2.2.3]", "3fbd01 00"},
      {"entry without capacity [rfc9204-3.2.2]", "c000"},
      {"value one byte too long [rfc9204-3.2.2]", "3fbd01 c1 7f39"},
      {"name one byte too long", "3fbd01 5f9e01"},
      {"giant value (HOSTILE H4)", "3fbd01 c1 7f80ffffffffffffff3f"},
      {"giant Huffman name (HOSTILE H4)", "3fbd01 7f80ffffffffffffff3f"},
      {"bad Huffman padding", "3fbd01 c1 8100"},
      {"evicted by less capacity", "3fbd01 c10161 20 00"},
      {"integer beyond 62 bits", "3fffffffffffffffffff"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint8_t bytes[64];
    size_t len = from_hex(cases[i].hex, bytes);
    struct tern_qpack_dec dec;
    tern_qpack_dec_init(&dec, &account, 220, 100);
    for (size_t k = 0; k < len; k++) {
      uint64_t error = tern_qpack_dec_receive(&dec, bytes + k, 1);
      if (error != (k + 1 < len ? 0 : TERN_H3_QPACK_ENCODER_STREAM_ERROR))
        fail_msg("%s, byte %zu: %llx", cases[i].what, k, (unsigned long long)error);
    }
    assert_true(account.used_bytes <= 4096); /* nothing is allocated ahead */
    tern_qpack_dec_deinit(&dec);
  }
}

/* The largest entry fits exactly, alone. */
static void test_largest_entry(void **state)
{
  (void)state;
  struct tern_qpack_dec dec;
  tern_qpack_dec_init(&dec, &account, 100, 0);
  give_instructions(&dec, "3f45 c10161 416102 6162");
  assert_int_equal(dec.table.inserts, 2);
  uint8_t bytes[128];
  size_t len = from_hex("c13f", bytes); /* :path (5) + 63 + 32 = 100 */
  memset(bytes + len, 'x', 63);
  assert_int_equal(tern_qpack_dec_receive(&dec, bytes, len + 63), 0);
  assert_int_equal(dec.table.inserts, 3);
  assert_int_equal(dec.table.oldest, 2);
  assert_int_equal(dec.table.size, 100);
  /* [rfc9204-3.2.2] an entry made from the one it evicts */
  bytes[0] = 0x80;
  bytes[1] = 0x3f;
  assert_int_equal(tern_qpack_dec_receive(&dec, bytes, 65), 0);
  static const struct expected_entry entries[] = {
      {3, ":path", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}};
  check_table(&dec, 100, entries, 1);
  give_instructions(&dec, "00");
  assert_int_equal(dec.table.inserts, 5);
  assert_int_equal(dec.table.size, 100);
  tern_qpack_dec_deinit(&dec);
}

/* ---- section errors and limits --------------------------------------------------------------- */

static enum tern_qpack_result feed_hex(struct tern_qpack_dec *dec, const char *hex,
                                       uint64_t size_max)
{
  uint8_t bytes[256];
  size_t len = from_hex(hex, bytes);
  struct tern_qpack_reader reader;
  tern_qpack_reader_init(&reader, &account);
  tern_qpack_reader_start(&reader, 0, size_max);
  size_t consumed;
  enum tern_qpack_result result =
      tern_qpack_reader_feed(&reader, dec, tern_slice_of(bytes, len), &consumed);
  const tern_field *fields;
  size_t count;
  if (result == TERN_QPACK_OK)
    result = tern_qpack_reader_finish(&reader, dec, &fields, &count);
  if (result != TERN_QPACK_OK)
    tern_qpack_reader_cancel(&reader, dec);
  tern_qpack_reader_deinit(&reader);
  return result;
}

static void test_section_errors(void **state)
{
  (void)state;
  static const struct {
    const char *what;
    const char *hex;
    enum tern_qpack_result result;
  } cases[] = {
      {"nothing", "", TERN_QPACK_ERROR},
      {"half a prefix", "00", TERN_QPACK_ERROR},
      {"only a prefix", "0000", TERN_QPACK_OK},
      {"insert count beyond 2 * entries [rfc9204-4.5.1.1]", "0d00", TERN_QPACK_ERROR},
      {"insert count that is zero after unwrapping", "0b00", TERN_QPACK_ERROR},
      {"negative base [rfc9204-4.5.1.2]", "0080", TERN_QPACK_ERROR},
      {"negative base by one", "0382", TERN_QPACK_ERROR},
      {"static index 99 [rfc9204-3.1]", "0000 ff24", TERN_QPACK_ERROR},
      {"static name 99", "0000 5f54 00", TERN_QPACK_ERROR},
      {"dynamic entry without insert count", "0000 80", TERN_QPACK_ERROR},
      {"post-base entry without insert count", "0000 10", TERN_QPACK_ERROR},
      {"entry above the insert count [rfc9204-2.2.3]", "0200 10", TERN_QPACK_ERROR},
      {"entry at the insert count, good", "0200 80", TERN_QPACK_OK},
      {"relative index below zero", "0200 81", TERN_QPACK_ERROR},
      {"cut in an index", "0000 ff", TERN_QPACK_ERROR},
      {"cut in a name", "0000 2361", TERN_QPACK_ERROR},
      {"cut before a value", "0000 2161", TERN_QPACK_ERROR},
      {"cut in a value", "0000 216102 61", TERN_QPACK_ERROR},
      {"empty value", "0000 216100", TERN_QPACK_OK},
      {"empty name, for the message to refuse", "0000 200161", TERN_QPACK_OK},
      {"bad padding in a name", "0000 2900 00", TERN_QPACK_ERROR},
      {"bad padding in a value", "0000 2161 8100", TERN_QPACK_ERROR},
      {"EOS in a value", "0000 2161 84ffffffff", TERN_QPACK_ERROR},
      {"name of 257 bytes", "0000 27fa01", TERN_QPACK_TOO_LARGE},
      {"giant name", "0000 27ffffffffffffffff1f", TERN_QPACK_TOO_LARGE},
      {"giant value", "0000 2161 7fffffffffffffffff1f", TERN_QPACK_TOO_LARGE},
      {"giant Huffman value", "0000 2161 ffffffffffffffffff1f", TERN_QPACK_TOO_LARGE},
      {"index beyond 62 bits", "0000 ffffffffffffffffff7f", TERN_QPACK_ERROR},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct tern_qpack_dec dec;
    tern_qpack_dec_init(&dec, &account, 220, 100);
    give_instructions(&dec, "3fbd01 c10161 c10162");
    enum tern_qpack_result result = feed_hex(&dec, cases[i].hex, 32768);
    if (result != cases[i].result)
      fail_msg("%s: %d", cases[i].what, (int)result);
    tern_qpack_dec_deinit(&dec);
  }
}

/* A reference to what was evicted [rfc9204-2.2.3]. */
static void test_evicted_reference(void **state)
{
  (void)state;
  struct tern_qpack_dec dec;
  tern_qpack_dec_init(&dec, &account, 220, 100);
  give_instructions(&dec, "3fbd01 c10161 c10162");
  assert_int_equal(feed_hex(&dec, "0300 81", 32768), TERN_QPACK_OK);
  give_instructions(&dec, "3f07"); /* capacity 38: the newer one stays */
  assert_int_equal(feed_hex(&dec, "0300 80", 32768), TERN_QPACK_OK);
  assert_int_equal(feed_hex(&dec, "0300 81", 32768), TERN_QPACK_ERROR);
  tern_qpack_dec_deinit(&dec);
}

/* HOSTILE H1: one-byte references to a large entry stop at the decoded limit, and memory stays
 * bounded. */
static void test_decoded_size_limit(void **state)
{
  (void)state;
  struct tern_qpack_dec dec;
  tern_qpack_dec_init(&dec, &account, 4096, 0);
  uint8_t bytes[8192];
  size_t len = from_hex("3fe11f c17fda1e", bytes); /* capacity 4096, :path of 4,057 bytes */
  memset(bytes + len, 'x', 4057);
  assert_int_equal(tern_qpack_dec_receive(&dec, bytes, len + 4057), 0);
  assert_int_equal(dec.table.inserts, 1);
  len = from_hex("0200", bytes);
  memset(bytes + len, 0x80, 4000);
  struct tern_qpack_reader reader;
  tern_qpack_reader_init(&reader, &account);
  tern_qpack_reader_start(&reader, 0, TERN_CAP_FIELD_SECTION);
  size_t consumed;
  uint64_t before = account.used_bytes;
  assert_int_equal(tern_qpack_reader_feed(&reader, &dec, tern_slice_of(bytes, 4002), &consumed),
                   TERN_QPACK_TOO_LARGE);
  assert_int_equal(consumed, 2 + 8 + 1); /* 8 of 4,094 fit into 32,768 */
  assert_true(account.used_bytes - before <= 2 * TERN_CAP_FIELD_SECTION);
  tern_qpack_reader_deinit(&reader);
  tern_qpack_dec_deinit(&dec);
}

/* The sum of RFC 9114 4.2.2, to the byte: 32 + name + value. */
static void test_size_is_exact(void **state)
{
  (void)state;
  struct tern_qpack_dec dec;
  tern_qpack_dec_init(&dec, &account, 0, 0);
  assert_int_equal(feed_hex(&dec, "0000 2161 03616263 d1", 36 + 42), TERN_QPACK_OK);
  assert_int_equal(feed_hex(&dec, "0000 2161 03616263 d1", 36 + 41), TERN_QPACK_TOO_LARGE);
  assert_int_equal(feed_hex(&dec, "0000 2161 03616263", 36), TERN_QPACK_OK);
  assert_int_equal(feed_hex(&dec, "0000 2161 03616263", 35), TERN_QPACK_TOO_LARGE);
  tern_qpack_dec_deinit(&dec);
}

/* [rfc9204-2.1.2] one more blocked section than we allowed is an error; cancelled ones do not count */
static void test_blocked_limit(void **state)
{
  (void)state;
  struct tern_qpack_dec dec;
  struct tern_qpack_reader readers[4];
  uint8_t bytes[4] = {2, 0, 0x80, 0};
  size_t consumed;
  tern_qpack_dec_init(&dec, &account, 220, 2);
  for (size_t i = 0; i < 4; i++) {
    tern_qpack_reader_init(&readers[i], &account);
    tern_qpack_reader_start(&readers[i], i * 4, 1000);
  }
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(tern_qpack_reader_feed(&readers[i], &dec, tern_slice_of(bytes, 3), &consumed),
                     TERN_QPACK_BLOCKED);
    assert_int_equal(consumed, 2); /* the rest stays in the stream [rfc9204-2.2.1] */
    assert_int_equal(readers[i].required, 1);
  }
  tern_qpack_reader_cancel(&readers[1], &dec);
  assert_int_equal(tern_qpack_reader_feed(&readers[2], &dec, tern_slice_of(bytes, 3), &consumed),
                   TERN_QPACK_BLOCKED);
  assert_int_equal(tern_qpack_reader_feed(&readers[3], &dec, tern_slice_of(bytes, 3), &consumed),
                   TERN_QPACK_ERROR);
  give_instructions(&dec, "3fbd01 c10161");
  assert_int_equal(
      tern_qpack_reader_feed(&readers[0], &dec, tern_slice_of(bytes + 2, 1), &consumed),
      TERN_QPACK_OK);
  assert_int_equal(dec.blocked, 1);
  for (size_t i = 0; i < 4; i++) {
    tern_qpack_reader_cancel(&readers[i], &dec);
    tern_qpack_reader_deinit(&readers[i]);
  }
  assert_int_equal(dec.blocked, 0);
  tern_qpack_dec_deinit(&dec);
}

static int set_up(void **state)
{
  (void)state;
  tern_alloc_init(&account, &tern_alloc_system, NULL, UINT64_MAX);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  tern_alloc_deinit(&account);
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_integer_examples),  cmocka_unit_test(test_integer_range),
      cmocka_unit_test(test_integer_refused),   cmocka_unit_test(test_static_table),
      cmocka_unit_test(test_appendix_b),        cmocka_unit_test(test_encoder_stream_errors),
      cmocka_unit_test(test_largest_entry),     cmocka_unit_test(test_section_errors),
      cmocka_unit_test(test_evicted_reference), cmocka_unit_test(test_decoded_size_limit),
      cmocka_unit_test(test_size_is_exact),     cmocka_unit_test(test_blocked_limit),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
