/* SPDX-License-Identifier: MIT */
/* The Range field (RFC 9110 14.2): a table, and every small range against its meaning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/byte_range.c"

static void test_table(void **state)
{
  static const struct {
    const char *text;
    uint64_t size;
    enum tern_byte_range_result result;
    uint64_t from, to;
  } cases[] = {
      {"bytes=0-499", 10000, TERN_BYTE_RANGE_GOOD, 0, 500}, /* [rfc9110-14.1.2] its examples */
      {"bytes=500-999", 10000, TERN_BYTE_RANGE_GOOD, 500, 1000},
      {"bytes=-500", 10000, TERN_BYTE_RANGE_GOOD, 9500, 10000},
      {"bytes=9500-", 10000, TERN_BYTE_RANGE_GOOD, 9500, 10000},
      {"Bytes=0-0", 1, TERN_BYTE_RANGE_GOOD, 0, 1},
      {"bytes=0-99999999999999999999999999", 5, TERN_BYTE_RANGE_GOOD, 0, 5},
      {"bytes=-99999999999999999999999999", 5, TERN_BYTE_RANGE_GOOD, 0, 5},
      {"bytes=5-", 5, TERN_BYTE_RANGE_UNSATISFIABLE, 0, 0},
      {"bytes=5-9", 5, TERN_BYTE_RANGE_UNSATISFIABLE, 0, 0},
      {"bytes=99999999999999999999999999-", 5, TERN_BYTE_RANGE_UNSATISFIABLE, 0, 0},
      {"bytes=-0", 5, TERN_BYTE_RANGE_UNSATISFIABLE, 0, 0},
      {"bytes=0-", 0, TERN_BYTE_RANGE_UNSATISFIABLE, 0, 0},
      {"bytes=-1", 0, TERN_BYTE_RANGE_UNSATISFIABLE, 0, 0},
      {"bytes=2-1", 5, TERN_BYTE_RANGE_IGNORED, 0, 0}, /* [rfc9110-14.1.1] invalid */
      {"bytes=0-1,3-4", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
      {"bytes=", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
      {"bytes=-", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
      {"bytes=1", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
      {"bytes=a-b", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
      {"bytes=1-2 ", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
      {"bytes 1-2", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
      {"lines=1-2", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
      {"", 5, TERN_BYTE_RANGE_IGNORED, 0, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tern_byte_range range = {0, 0};
    enum tern_byte_range_result result =
        tern_byte_range_parse(cases[i].text, strlen(cases[i].text), cases[i].size, &range);
    if (result != cases[i].result || range.from != cases[i].from || range.to != cases[i].to)
      fail_msg("\"%s\" of %llu", cases[i].text, (unsigned long long)cases[i].size);
  }
}

/* Bytes of a body of `size` that "first-last" asks for, counted one by one. */
static void check_small(unsigned size, unsigned first, unsigned last)
{
  struct tern_byte_range range;
  char text[32];
  unsigned count = 0;
  snprintf(text, sizeof text, "bytes=%u-%u", first, last);
  for (unsigned i = 0; i < size; i++)
    count += i >= first && i <= last;
  enum tern_byte_range_result result = tern_byte_range_parse(text, strlen(text), size, &range);
  if (last < first) {
    assert_int_equal(result, TERN_BYTE_RANGE_IGNORED);
  } else if (count == 0) {
    assert_int_equal(result, TERN_BYTE_RANGE_UNSATISFIABLE);
  } else {
    assert_int_equal(result, TERN_BYTE_RANGE_GOOD);
    assert_true(range.from == first && range.to == first + count && range.to <= size);
  }
}

static void test_all_small(void **state)
{
  (void)state;
  for (unsigned size = 0; size < 8; size++)
    for (unsigned pair = 0; pair < 100; pair++)
      check_small(size, pair / 10, pair % 10);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_table),
      cmocka_unit_test(test_all_small),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
