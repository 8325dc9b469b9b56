/* SPDX-License-Identifier: MIT */
/* HTTP dates against the C library, and conditional requests (RFC 9110 13). */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../tools/conditional.c"
#include "../../tools/http_date.c"

#define EXAMPLE INT64_C(784111777) /* RFC 9110 5.6.7 */
#define YEAR_2026 INT64_C(1767225600)

static bool parse(const char *text, int64_t *seconds)
{
  return tern_http_date_parse(text, strlen(text), YEAR_2026, seconds);
}

/* [rfc9110-5.6.7] its three examples mean the same moment; MUST: all three are taken */
static void test_three_forms(void **state)
{
  static const char *const forms[] = {
      "Sun, 06 Nov 1994 08:49:37 GMT",
      "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994",
  };
  char text[TERN_HTTP_DATE_SIZE];
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    int64_t seconds = 0;
    assert_true(parse(forms[i], &seconds));
    assert_true(seconds == EXAMPLE);
  }
  assert_string_equal(tern_http_date_format(EXAMPLE, text), forms[0]);
}

/* [rfc9110-5.6.7] a two-digit year more than 50 years ahead lies in the past */
static void test_century(void **state)
{
  int64_t seconds;
  struct tm parts;
  (void)state;
  assert_true(parse("Monday, 01-Jan-76 00:00:00 GMT", &seconds));
  time_t when = seconds;
  gmtime_r(&when, &parts);
  assert_int_equal(parts.tm_year + 1900, 2076);
  assert_true(parse("Monday, 01-Jan-77 00:00:00 GMT", &seconds));
  when = seconds;
  gmtime_r(&when, &parts);
  assert_int_equal(parts.tm_year + 1900, 1977);
}

static void test_bad_dates(void **state)
{
  static const char *const cases[] = {
      "",
      "Sun",
      "Sun, 06 Nov 1994 08:49:37",
      "Sun, 06 Nov 1994 08:49:37 GMT ",
      "Sun, 06 Nov 1994 08:49:37 CET",
      "Sun, 6 Nov 1994 08:49:37 GMT",
      "Sun, 31 Feb 1994 08:49:37 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:00 GMT",
      "Sun, 06 Foo 1994 08:49:37 GMT",
      "Xyz, 06 Nov 1994 08:49:37 GMT",
      "Sunday 06-Nov-94 08:49:37 GMT",
      "Sun Nov 6 08:49:37 1994",
      "784111777",
  };
  int64_t seconds;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (parse(cases[i], &seconds))
      fail_msg("\"%s\" was taken", cases[i]);
}

/* Every day from 1970 to 2120, at a moving time of day, is the same as the C library's. */
static void test_against_library(void **state)
{
  (void)state;
  for (int64_t day = 0; day < 150 * 366; day++) {
    int64_t seconds = day * 86400 + day % 86400, back = -1;
    char ours[TERN_HTTP_DATE_SIZE], theirs[TERN_HTTP_DATE_SIZE];
    struct tm parts;
    time_t when = seconds;
    gmtime_r(&when, &parts);
    strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    assert_string_equal(tern_http_date_format(seconds, ours), theirs);
    assert_true(parse(ours, &back));
    assert_true(back == seconds);
  }
}

static void test_extremes(void **state)
{
  char text[TERN_HTTP_DATE_SIZE];
  (void)state;
  assert_string_equal(tern_http_date_format(-5, text), "Thu, 01 Jan 1970 00:00:00 GMT");
  assert_string_equal(tern_http_date_format(INT64_MAX, text), "Fri, 31 Dec 9999 23:59:59 GMT");
}

/* ---- conditions ---- */

static struct tern_validators validators;

static int setup(void **state)
{
  (void)state;
  tern_validators_init(&validators, 0x7b, EXAMPLE, 0);
  validators.now = YEAR_2026;
  return 0;
}

static tern_slice slice_of(const char *text)
{
  return text == NULL ? tern_slice_of(NULL, 0) : tern_slice_of(text, strlen(text));
}

static void test_conditions(void **state)
{
  char list[3 * TERN_ETAG_SIZE], weak[TERN_ETAG_SIZE + 2];
  (void)state;
  snprintf(list, sizeof list, "\"x\" , W/\"y\",, %s", validators.etag);
  snprintf(weak, sizeof weak, "W/%s", validators.etag);
  const char *same = "Sun, 06 Nov 1994 08:49:37 GMT", *before = "Sun, 06 Nov 1994 08:49:36 GMT";
  const struct {
    const char *if_match, *if_none_match, *if_modified, *if_unmodified;
    enum tern_condition_result result;
  } cases[] = {
      {NULL, NULL, NULL, NULL, TERN_CONDITION_NONE},
      {NULL, validators.etag, NULL, NULL, TERN_CONDITION_304},
      {NULL, weak, NULL, NULL, TERN_CONDITION_304}, /* [rfc9110-13.1.2] weak comparison */
      {NULL, list, NULL, NULL, TERN_CONDITION_304},
      {NULL, "*", NULL, NULL, TERN_CONDITION_304},
      {NULL, "\"other\"", NULL, NULL, TERN_CONDITION_NONE},
      {NULL, "broken", NULL, NULL, TERN_CONDITION_NONE},
      {NULL, "\"broken", NULL, NULL, TERN_CONDITION_NONE},
      {NULL, NULL, same, NULL, TERN_CONDITION_304},
      {NULL, NULL, before, NULL, TERN_CONDITION_NONE},
      {NULL, NULL, "nonsense", NULL, TERN_CONDITION_NONE},
      {NULL, "\"other\"", same, NULL, TERN_CONDITION_NONE}, /* [rfc9110-13.1.3] ignored beside it */
      {validators.etag, NULL, NULL, NULL, TERN_CONDITION_NONE},
      {weak, NULL, NULL, NULL, TERN_CONDITION_FAILED}, /* [rfc9110-13.1.1] strong comparison */
      {"*", NULL, NULL, NULL, TERN_CONDITION_NONE},
      {"\"other\"", NULL, NULL, NULL, TERN_CONDITION_FAILED},
      {NULL, NULL, NULL, same, TERN_CONDITION_NONE},
      {NULL, NULL, NULL, before, TERN_CONDITION_FAILED},
      {validators.etag, NULL, NULL, before, TERN_CONDITION_NONE}, /* [rfc9110-13.1.4] ignored */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tern_conditions conditions = {
        .if_match = slice_of(cases[i].if_match),
        .if_none_match = slice_of(cases[i].if_none_match),
        .if_modified_since = slice_of(cases[i].if_modified),
        .if_unmodified_since = slice_of(cases[i].if_unmodified),
    };
    if (tern_conditions_check(&conditions, &validators) != cases[i].result)
      fail_msg("case %zu", i);
  }
}

/* [rfc9110-13.1.5] If-Range: the same strong tag, or exactly the same date */
static void test_if_range(void **state)
{
  char weak[TERN_ETAG_SIZE + 2];
  (void)state;
  snprintf(weak, sizeof weak, "W/%s", validators.etag);
  const struct {
    const char *text;
    bool is_allowed;
  } cases[] = {
      {NULL, true},
      {validators.etag, true},
      {weak, false},
      {"\"other\"", false},
      {"Sun, 06 Nov 1994 08:49:37 GMT", true},
      {"Sun, 06 Nov 1994 08:49:38 GMT", false},
      {"nonsense", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tern_conditions conditions = {.if_range = slice_of(cases[i].text)};
    assert_int_equal(tern_conditions_allow_range(&conditions, &validators), cases[i].is_allowed);
  }
}

static void test_etag_differs(void **state)
{
  struct tern_validators other;
  (void)state;
  tern_validators_init(&other, 0x7c, EXAMPLE, 0);
  assert_string_not_equal(other.etag, validators.etag);
  tern_validators_init(&other, 0x7b, EXAMPLE, 1);
  assert_string_not_equal(other.etag, validators.etag);
  tern_validators_init(&other, UINT64_MAX, INT64_MAX, 999999999);
  assert_int_equal(other.etag[strlen(other.etag) - 1], '"');
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_three_forms), cmocka_unit_test(test_century),
      cmocka_unit_test(test_bad_dates),   cmocka_unit_test(test_against_library),
      cmocka_unit_test(test_extremes),    cmocka_unit_test(test_conditions),
      cmocka_unit_test(test_if_range),    cmocka_unit_test(test_etag_differs),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
