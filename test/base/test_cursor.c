/* SPDX-License-Identifier: MIT */
/* Reading and writing never pass the end: every operation at every amount of room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"

static const uint8_t bytes[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x55};

static void test_read_values(void **state)
{
  struct tern_reader reader = tern_reader_of(bytes, sizeof bytes);
  uint8_t u8;
  uint16_t u16;
  uint32_t u24, u32;
  uint64_t u64;
  (void)state;
  assert_true(tern_read_u8(&reader, &u8));
  assert_int_equal(u8, 0x01);
  assert_true(tern_read_u16(&reader, &u16));
  assert_int_equal(u16, 0x2345);
  assert_true(tern_read_u24(&reader, &u24));
  assert_int_equal(u24, 0x6789ab);
  assert_int_equal(tern_reader_left(&reader), 3);
  assert_false(tern_read_u32(&reader, &u32));
  assert_int_equal(tern_reader_left(&reader), 3);
  reader = tern_reader_of(bytes, sizeof bytes);
  assert_true(tern_read_u32(&reader, &u32));
  assert_int_equal(u32, 0x01234567);
  reader = tern_reader_of(bytes, sizeof bytes);
  assert_true(tern_read_u64(&reader, &u64));
  assert_true(u64 == UINT64_C(0x0123456789abcdef));
}

/* Reads operation `op` of `width` bytes. */
static bool read_one(struct tern_reader *reader, int op)
{
  uint8_t u8, buffer[5];
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  tern_slice slice;
  switch (op) {
  case 0:
    return tern_read_u8(reader, &u8);
  case 1:
    return tern_read_u16(reader, &u16);
  case 2:
    return tern_read_u24(reader, &u32);
  case 3:
    return tern_read_u32(reader, &u32);
  case 4:
    return tern_read_u64(reader, &u64);
  case 5:
    return tern_read_slice(reader, 5, &slice) && slice.len == 5;
  case 6:
    return tern_read_bytes(reader, buffer, 5);
  case 7:
    return tern_read_skip(reader, 5);
  default:
    return tern_read_skip(reader, UINT64_MAX);
  }
}

static const size_t read_widths[] = {1, 2, 3, 4, 8, 5, 5, 5, SIZE_MAX};

/* The room is a block of exactly that size, so that ASan sees a byte too many. */
static void test_read_bounds(void **state)
{
  (void)state;
  for (int op = 0; op < 9; op++) {
    for (size_t room = 0; room < 12; room++) {
      uint8_t *data = calloc(1, room + 1);
      uint8_t *exact = realloc(data, room == 0 ? 1 : room);
      assert_non_null(exact);
      struct tern_reader reader = tern_reader_of(exact, room);
      bool fits = read_widths[op] <= room;
      assert_int_equal(read_one(&reader, op), fits);
      assert_int_equal(tern_reader_left(&reader), fits ? room - read_widths[op] : room);
      free(exact);
    }
  }
}

static void write_one(struct tern_writer *writer, int op)
{
  switch (op) {
  case 0:
    tern_write_u8(writer, 0x01);
    return;
  case 1:
    tern_write_u16(writer, 0x0123);
    return;
  case 2:
    tern_write_u24(writer, 0x012345);
    return;
  case 3:
    tern_write_u32(writer, 0x01234567);
    return;
  case 4:
    tern_write_u64(writer, UINT64_C(0x0123456789abcdef));
    return;
  case 5:
    tern_write_bytes(writer, bytes, 5);
    return;
  default:
    tern_write_slice(writer, tern_slice_of(bytes, 5));
    return;
  }
}

/* What does not fit writes nothing, and nothing is written after it. */
static void test_write_bounds(void **state)
{
  static const size_t widths[] = {1, 2, 3, 4, 8, 5, 5};
  (void)state;
  for (int op = 0; op < 7; op++) {
    for (size_t room = 0; room < 12; room++) {
      uint8_t buffer[16];
      memset(buffer, 0xee, sizeof buffer);
      struct tern_writer writer = tern_writer_of(buffer, room);
      bool fits = widths[op] <= room;
      write_one(&writer, op);
      assert_int_equal(writer.is_full, !fits);
      assert_int_equal(tern_writer_len(&writer), fits ? widths[op] : 0);
      assert_int_equal(tern_writer_left(&writer), fits ? room - widths[op] : room);
      if (fits)
        assert_memory_equal(buffer, bytes, widths[op]);
      for (size_t i = fits ? widths[op] : 0; i < sizeof buffer; i++)
        assert_int_equal(buffer[i], 0xee);
      if (!fits) {
        tern_write_bytes(&writer, bytes, 0);
        tern_write_u8(&writer, 1);
        assert_int_equal(tern_writer_len(&writer), 0);
      }
    }
  }
}

static void test_empty(void **state)
{
  struct tern_reader reader = tern_reader_of(bytes, 0);
  struct tern_writer writer;
  uint8_t buffer[1];
  tern_slice slice;
  (void)state;
  assert_true(tern_read_slice(&reader, 0, &slice));
  assert_int_equal(slice.len, 0);
  assert_true(tern_read_bytes(&reader, NULL, 0));
  writer = tern_writer_of(buffer, 0);
  tern_write_slice(&writer, tern_slice_of(NULL, 0));
  assert_false(writer.is_full);
  assert_null(tern_write_room(&writer, 1));
  assert_true(writer.is_full);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_read_values),
      cmocka_unit_test(test_read_bounds),
      cmocka_unit_test(test_write_bounds),
      cmocka_unit_test(test_empty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
