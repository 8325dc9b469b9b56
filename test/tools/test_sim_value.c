/* SPDX-License-Identifier: MIT */
/* Quantities of `tern sim`: what is read, what is refused, what is drawn, what is written again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../tools/sim_value.c"

static void known_quantities(void **state)
{
  static const struct {
    enum tern_unit unit;
    const char *text;
    uint64_t low, high;
    enum tern_value_form form;
  } rows[] = {
      {TERN_UNIT_COUNT, "12", 12, 12, TERN_VALUE_PLAIN},
      {TERN_UNIT_BYTES, "64K", 65536, 65536, TERN_VALUE_PLAIN},
      {TERN_UNIT_BYTES, "1.5M", 1572864, 1572864, TERN_VALUE_PLAIN},
      {TERN_UNIT_RATE, "10M", 1250000, 1250000, TERN_VALUE_PLAIN},
      {TERN_UNIT_RATE, "2.5G", 312500000, 312500000, TERN_VALUE_PLAIN},
      {TERN_UNIT_TIME, "25ms", 25000000, 25000000, TERN_VALUE_PLAIN},
      {TERN_UNIT_TIME, "0", 0, 0, TERN_VALUE_PLAIN},
      {TERN_UNIT_TIME, "1us..2s", 1000, 2000000000, TERN_VALUE_PLAIN},
      {TERN_UNIT_SHARE, "1%", 10000, 10000, TERN_VALUE_PLAIN},
      {TERN_UNIT_SHARE, "0.01", 10000, 10000, TERN_VALUE_PLAIN},
      {TERN_UNIT_SHARE, "0..2.5%", 0, 25000, TERN_VALUE_PLAIN},
      {TERN_UNIT_QUEUE, "0.5bdp", 500, 500, TERN_VALUE_BDP},
      {TERN_UNIT_QUEUE, "0..2bdp", 0, 2000, TERN_VALUE_BDP},
      {TERN_UNIT_QUEUE, "100ms", 100000000, 100000000, TERN_VALUE_TIME},
      {TERN_UNIT_QUEUE, "64K", 65536, 65536, TERN_VALUE_PLAIN},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct tern_value value;
    print_message("%s\n", rows[i].text);
    assert_true(tern_value_parse(&value, rows[i].unit, rows[i].text));
    assert_int_equal(value.low, rows[i].low);
    assert_int_equal(value.high, rows[i].high);
    assert_int_equal(value.form, rows[i].form);
    /* What is written can be read again. */
    char text[TERN_VALUE_TEXT_MAX];
    struct tern_value again;
    tern_value_format(&value, rows[i].unit, text, sizeof text);
    assert_true(tern_value_parse(&again, rows[i].unit, text));
    assert_int_equal(again.low, value.low);
    assert_int_equal(again.high, value.high);
  }
}

static void what_is_no_quantity(void **state)
{
  static const struct {
    enum tern_unit unit;
    const char *text;
  } rows[] = {
      {TERN_UNIT_COUNT, ""},          {TERN_UNIT_COUNT, "-1"},
      {TERN_UNIT_COUNT, "1K"},        {TERN_UNIT_COUNT, "0x10"},
      {TERN_UNIT_TIME, "25"},         {TERN_UNIT_TIME, "25 ms"},
      {TERN_UNIT_TIME, "ms"},         {TERN_UNIT_RATE, "10m"},
      {TERN_UNIT_RATE, "nan"},        {TERN_UNIT_RATE, "1..2..3"},
      {TERN_UNIT_RATE, "5M..1M"},     {TERN_UNIT_BYTES, "1e3"},
      {TERN_UNIT_QUEUE, "1ms..1bdp"}, {TERN_UNIT_BYTES, "99999999999G"},
      {TERN_UNIT_RATE, "1M.."},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct tern_value value;
    print_message("%s\n", rows[i].text);
    assert_false(tern_value_parse(&value, rows[i].unit, rows[i].text));
  }
}

/* A narrow range is drawn evenly; a wide one so that each factor of ten is as likely as the next. */
static void draws(void **state)
{
  struct tern_random_seeded random;
  const struct tern_value narrow = {100, 200, TERN_VALUE_PLAIN};
  const struct tern_value wide = {1000, 100000, TERN_VALUE_PLAIN};
  unsigned below_half = 0, below_ten = 0;
  (void)state;
  tern_random_seeded_init(&random, 5);
  for (int i = 0; i < 10000; i++) {
    uint64_t a = tern_value_draw(&narrow, &random), b = tern_value_draw(&wide, &random);
    assert_in_range(a, 100, 200);
    assert_in_range(b, 1000, 100000);
    below_half += a < 150;
    below_ten += b < 10000;
  }
  assert_in_range(below_half, 4800, 5200);
  assert_in_range(below_ten, 4800, 5200);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_quantities),
      cmocka_unit_test(what_is_no_quantity),
      cmocka_unit_test(draws),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
