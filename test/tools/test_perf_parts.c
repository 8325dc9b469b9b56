/* SPDX-License-Identifier: MIT */
/* The parts of tern perf that need no network: samples, pace, fairness, error kinds, JSON. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/cli.c"
#include "../../tools/json.c"
#include "../../tools/perf_meter.c"
#include "../../tools/perf_pace.c"
#include "../../tools/samples.c"

/* ---- samples ----------------------------------------------------------------------------- */

static void test_quantiles(void **state)
{
  struct tern_samples samples;
  (void)state;
  tern_samples_init(&samples, TERN_SAMPLES_MAX);
  assert_int_equal(tern_samples_get_quantile(&samples, 0.5), 0);
  for (uint64_t i = 0; i < 1000; i++)
    tern_samples_add(&samples, 1 + (i * 7919) % 1000); /* 1 to 1000, shuffled */
  assert_int_equal(tern_samples_get_quantile(&samples, 0.5), 500);
  assert_int_equal(tern_samples_get_quantile(&samples, 0.9), 900);
  assert_int_equal(tern_samples_get_quantile(&samples, 0.99), 990);
  assert_int_equal(tern_samples_get_quantile(&samples, 0.999), 999);
  assert_int_equal(tern_samples_get_quantile(&samples, 0.9999), 1000);
  assert_int_equal(tern_samples_get_quantile(&samples, 1), 1000);
  assert_int_equal(tern_samples_get_quantile(&samples, 0.0001), 1);
  assert_int_equal(samples.least, 1);
  assert_int_equal(samples.most, 1000);
  assert_true(tern_samples_get_mean(&samples) == 500.5);
  tern_samples_add(&samples, 5000); /* after it was sorted */
  assert_int_equal(tern_samples_get_quantile(&samples, 0.9999), 5000);
  tern_samples_deinit(&samples);
}

/* At the bound every sample is there, one past it a choice is, and extremes stay exact. */
static void test_samples_bound(void **state)
{
  struct tern_samples samples;
  (void)state;
  tern_samples_init(&samples, 100);
  for (uint64_t i = 1; i <= 100; i++)
    tern_samples_add(&samples, i);
  assert_int_equal(samples.count, 100);
  assert_int_equal(tern_samples_get_quantile(&samples, 0.37), 37);
  tern_samples_add(&samples, 1000);
  assert_int_equal(samples.count, 100);
  assert_int_equal(samples.seen, 101);
  assert_int_equal(tern_samples_get_quantile(&samples, 1), 1000);
  for (uint64_t i = 0; i < 100000; i++)
    tern_samples_add(&samples, 100 + i % 100);
  assert_int_equal(samples.count, 100);
  uint64_t median = tern_samples_get_quantile(&samples, 0.5);
  assert_in_range(median, 130, 170); /* a fair choice: the last are no more likely than the first */
  assert_int_equal(samples.least, 1);
  tern_samples_deinit(&samples);
}

/* ---- pace -------------------------------------------------------------------------------- */

static void test_closed_loop(void **state)
{
  struct tern_perf_pace pace = {.total = 3, .start_at = 50};
  tern_time due_at;
  (void)state;
  for (tern_time now = 100; now < 103; now++) {
    assert_int_equal(tern_perf_pace_next_at(&pace), 0);
    assert_true(tern_perf_pace_take(&pace, now, &due_at));
    assert_int_equal(due_at, now);
  }
  assert_true(tern_perf_pace_is_over(&pace));
  assert_false(tern_perf_pace_take(&pace, 200, &due_at));
  assert_int_equal(tern_perf_pace_next_at(&pace), TERN_TIME_NEVER);
}

/* What comes late was due all the same: a stall counts against every job that fell into it. */
static void test_open_loop(void **state)
{
  struct tern_perf_pace pace = {.total = UINT64_MAX, .rate = 1000, .start_at = TERN_SECOND};
  tern_time due_at;
  (void)state;
  assert_false(tern_perf_pace_take(&pace, TERN_SECOND - 1, &due_at));
  assert_true(tern_perf_pace_take(&pace, TERN_SECOND, &due_at));
  assert_int_equal(tern_perf_pace_next_at(&pace), TERN_SECOND + TERN_MS);
  assert_false(tern_perf_pace_take(&pace, TERN_SECOND + TERN_MS - 1, &due_at));
  for (uint64_t i = 1; i <= 10; i++) {
    assert_true(tern_perf_pace_take(&pace, TERN_SECOND + 10 * TERN_MS, &due_at));
    assert_int_equal(due_at, TERN_SECOND + i * TERN_MS);
  }
  assert_false(tern_perf_pace_take(&pace, TERN_SECOND + 10 * TERN_MS, &due_at));
  assert_int_equal(pace.issued, 11);
}

/* ---- meter ------------------------------------------------------------------------------- */

static void test_jain(void **state)
{
  const double equal[] = {2, 2, 2, 2}, one[] = {0, 0, 5, 0}, mixed[] = {1, 3};
  (void)state;
  assert_true(tern_perf_jain(equal, 4) == 1);
  assert_true(tern_perf_jain(one, 4) == 0.25);
  assert_true(tern_perf_jain(mixed, 2) == 0.8);
  assert_true(tern_perf_jain(one, 2) == 0);
}

static void test_error_kinds(void **state)
{
  struct tern_perf_meter meter;
  char text[TERN_PERF_KIND_TEXT * 2];
  (void)state;
  tern_perf_meter_init(&meter);
  for (int i = 0; i < 100; i++) {
    snprintf(text, sizeof text, "kind %d", i);
    tern_perf_meter_add_error(&meter, text);
    tern_perf_meter_add_error(&meter, "kind 0");
  }
  assert_int_equal(meter.kinds_count, TERN_PERF_KINDS_MAX);
  assert_int_equal(meter.kinds[0].count, 101);
  assert_int_equal(meter.kinds[1].count, 1);
  assert_string_equal(meter.kinds[TERN_PERF_KINDS_MAX - 1].text, "other");
  assert_int_equal(meter.kinds[TERN_PERF_KINDS_MAX - 1].count, 100 - (TERN_PERF_KINDS_MAX - 1));
  tern_perf_meter_deinit(&meter);
  tern_perf_meter_init(&meter);
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  tern_perf_meter_add_error(&meter, text); /* too long to be kept whole, and still one kind */
  tern_perf_meter_add_error(&meter, text);
  assert_int_equal(meter.kinds_count, 1);
  tern_perf_meter_deinit(&meter);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static void test_json(void **state)
{
  struct tern_json json;
  char *text = NULL;
  size_t len;
  (void)state;
  FILE *file = open_memstream(&text, &len);
  tern_json_begin(&json, file);
  tern_json_open(&json, "empty");
  tern_json_close(&json);
  tern_json_text(&json, "a\"\\", "\n\x7f\xff");
  tern_json_open(&json, "in");
  tern_json_count(&json, "n", UINT64_MAX);
  tern_json_number(&json, "x", 1.5);
  tern_json_close(&json);
  tern_json_number(&json, "y", (double)INFINITY);
  tern_json_end(&json);
  fclose(file);
  assert_string_equal(text, "{\"empty\":{},\"a\\\"\\\\\":\"\\u000a\\u007f\\u00ff\","
                            "\"in\":{\"n\":18446744073709551615,\"x\":1.5},\"y\":null}\n");
  free(text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_quantiles),   cmocka_unit_test(test_samples_bound),
      cmocka_unit_test(test_closed_loop), cmocka_unit_test(test_open_loop),
      cmocka_unit_test(test_jain),        cmocka_unit_test(test_error_kinds),
      cmocka_unit_test(test_json),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
