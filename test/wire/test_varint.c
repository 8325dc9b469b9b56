/* SPDX-License-Identifier: MIT */
/* Variable-length integers against the vectors of RFC 9000 A.1, every boundary, width and truncation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "wire/varint.h"

static const uint64_t edges[] = {0,
                                 1,
                                 0x3e,
                                 0x3f,
                                 0x40,
                                 0x3ffe,
                                 0x3fff,
                                 0x4000,
                                 0x3ffffffe,
                                 0x3fffffff,
                                 0x40000000,
                                 TERN_VARINT_MAX - 1,
                                 TERN_VARINT_MAX};
#define EDGES (sizeof(edges) / sizeof(edges[0]))

/* [rfc9000-A.1] */
static void reads_the_vectors(void **state)
{
  static const struct {
    uint8_t bytes[8];
    size_t len;
    uint64_t value;
  } vectors[] = {
      {{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}, 8, UINT64_C(151288809941952652)},
      {{0x9d, 0x7f, 0x3e, 0x7d}, 4, 494878333},
      {{0x7b, 0xbd}, 2, 15293},
      {{0x25}, 1, 37},
      {{0x40, 0x25}, 2, 37},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    struct tern_reader reader = tern_reader_of(vectors[i].bytes, vectors[i].len);
    uint64_t value = 0;
    assert_true(tern_read_varint(&reader, &value));
    assert_int_equal(value, vectors[i].value);
    assert_int_equal(tern_reader_left(&reader), 0);

    uint8_t bytes[8];
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    tern_write_varint_sized(&writer, value, vectors[i].len);
    assert_int_equal(tern_writer_len(&writer), vectors[i].len);
    assert_memory_equal(bytes, vectors[i].bytes, vectors[i].len);
  }
}

/* [rfc9000-16] Table 4: the ranges of the four widths. */
static void sizes_are_those_of_the_table(void **state)
{
  static const size_t sizes[EDGES] = {1, 1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8};
  (void)state;
  for (size_t i = 0; i < EDGES; i++)
    assert_int_equal(tern_varint_size(edges[i]), sizes[i]);
}

static void every_width_and_truncation(void **state)
{
  (void)state;
  for (size_t i = 0; i < EDGES; i++) {
    for (size_t width = tern_varint_size(edges[i]); width <= 8; width *= 2) {
      uint8_t bytes[8];
      struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
      tern_write_varint_sized(&writer, edges[i], width);
      assert_int_equal(tern_writer_len(&writer), width);
      uint64_t value = 77;
      for (size_t len = 0; len < width; len++) {
        struct tern_reader reader = tern_reader_of(bytes, len);
        assert_false(tern_read_varint(&reader, &value));
        assert_int_equal(tern_reader_left(&reader), len);
        assert_int_equal(value, 77);
      }
      struct tern_reader reader = tern_reader_of(bytes, width);
      assert_true(tern_read_varint(&reader, &value));
      assert_int_equal(value, edges[i]);
      assert_int_equal(tern_reader_left(&reader), 0);
    }
  }
}

static void a_full_writer_stays_as_it_is(void **state)
{
  (void)state;
  for (size_t i = 0; i < EDGES; i++) {
    size_t size = tern_varint_size(edges[i]);
    uint8_t bytes[8];
    struct tern_writer writer = tern_writer_of(bytes, size - 1);
    tern_write_varint(&writer, edges[i]);
    assert_true(writer.is_full);
    assert_int_equal(tern_writer_len(&writer), 0);
    writer = tern_writer_of(bytes, size);
    tern_write_varint(&writer, edges[i]);
    assert_false(writer.is_full);
    assert_int_equal(tern_writer_len(&writer), size);
  }
}

static void random_values_come_back(void **state)
{
  const uint64_t seed = 0x7e51;
  struct tern_random_seeded random;
  (void)state;
  print_message("seed %llu\n", (unsigned long long)seed);
  tern_random_seeded_init(&random, seed);
  for (int i = 0; i < 200000; i++) {
    uint64_t value =
        tern_random_seeded_next(&random) >> (2 + tern_random_seeded_next(&random) % 62);
    uint8_t bytes[8];
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    tern_write_varint(&writer, value);
    assert_int_equal(tern_writer_len(&writer), tern_varint_size(value));
    struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
    uint64_t back;
    assert_true(tern_read_varint(&reader, &back));
    assert_int_equal(back, value);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_the_vectors),          cmocka_unit_test(sizes_are_those_of_the_table),
      cmocka_unit_test(every_width_and_truncation), cmocka_unit_test(a_full_writer_stays_as_it_is),
      cmocka_unit_test(random_values_come_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
