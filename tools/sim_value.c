/* SPDX-License-Identifier: MIT */
/* Reading, drawing and writing quantities. */
#include "sim_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct suffix {
  const char *text;
  double factor;
  enum tern_value_form form;
};

static const struct suffix counts[] = {{"", 1, TERN_VALUE_PLAIN}, {NULL, 0, TERN_VALUE_PLAIN}};
static const struct suffix sizes[] = {{"", 1, TERN_VALUE_PLAIN},
                                      {"K", 1024, TERN_VALUE_PLAIN},
                                      {"M", 1048576, TERN_VALUE_PLAIN},
                                      {"G", 1073741824, TERN_VALUE_PLAIN},
                                      {NULL, 0, TERN_VALUE_PLAIN}};
static const struct suffix rates[] = {{"", 0.125, TERN_VALUE_PLAIN},
                                      {"K", 125, TERN_VALUE_PLAIN},
                                      {"M", 125e3, TERN_VALUE_PLAIN},
                                      {"G", 125e6, TERN_VALUE_PLAIN},
                                      {NULL, 0, TERN_VALUE_PLAIN}};
static const struct suffix times[] = {{"ns", 1, TERN_VALUE_PLAIN},
                                      {"us", 1e3, TERN_VALUE_PLAIN},
                                      {"ms", 1e6, TERN_VALUE_PLAIN},
                                      {"s", 1e9, TERN_VALUE_PLAIN},
                                      {NULL, 0, TERN_VALUE_PLAIN}};
static const struct suffix shares[] = {
    {"%", 1e4, TERN_VALUE_PLAIN}, {"", 1e6, TERN_VALUE_PLAIN}, {NULL, 0, TERN_VALUE_PLAIN}};
static const struct suffix queues[] = {
    {"", 1, TERN_VALUE_PLAIN},    {"K", 1024, TERN_VALUE_PLAIN}, {"M", 1048576, TERN_VALUE_PLAIN},
    {"bdp", 1e3, TERN_VALUE_BDP}, {"us", 1e3, TERN_VALUE_TIME},  {"ms", 1e6, TERN_VALUE_TIME},
    {"s", 1e9, TERN_VALUE_TIME},  {NULL, 0, TERN_VALUE_PLAIN},
};

static const struct suffix *suffixes_of(enum tern_unit unit)
{
  switch (unit) {
  case TERN_UNIT_COUNT:
    return counts;
  case TERN_UNIT_BYTES:
    return sizes;
  case TERN_UNIT_RATE:
    return rates;
  case TERN_UNIT_TIME:
    return times;
  case TERN_UNIT_SHARE:
    return shares;
  case TERN_UNIT_QUEUE:
    return queues;
  }
  return counts;
}

/* One number with its suffix; a lone 0 needs none. */
static bool parse_one(const char *text, size_t len, enum tern_unit unit, struct tern_value *value)
{
  char copy[TERN_VALUE_TEXT_MAX];
  char *end;
  if (len == 0 || len >= sizeof copy || strcspn(text, "0123456789") != 0)
    return false;
  memcpy(copy, text, len);
  copy[len] = '\0';
  double number = strtod(copy, &end);
  size_t digits = strspn(copy, "0123456789.");
  if (end != copy + digits)
    return false;
  const struct suffix *suffix = suffixes_of(unit);
  while (suffix->text != NULL && strcmp(suffix->text, end) != 0)
    suffix++;
  if (suffix->text == NULL && !(number == 0 && *end == '\0'))
    return false;
  double scaled = suffix->text == NULL ? 0 : number * suffix->factor;
  if (!(scaled < 9e18))
    return false;
  value->low = value->high = (uint64_t)(scaled + 0.5);
  value->form = suffix->form;
  return true;
}

bool tern_value_parse(struct tern_value *value, enum tern_unit unit, const char *text)
{
  struct tern_value low, high;
  const char *dots = strstr(text, "..");
  if (dots == NULL)
    return parse_one(text, strlen(text), unit, value);
  if (!parse_one(text, (size_t)(dots - text), unit, &low) ||
      !parse_one(dots + 2, strlen(dots + 2), unit, &high))
    return false;
  if (low.low > high.low || (low.form != high.form && low.low != 0))
    return false;
  value->low = low.low;
  value->high = high.low;
  value->form = high.form;
  return true;
}

uint64_t tern_value_draw(const struct tern_value *value, struct tern_random_seeded *random)
{
  if (value->low == value->high)
    return value->low;
  double share = (double)(tern_random_seeded_next(random) >> 11) * 0x1p-53;
  double low = (double)value->low, high = (double)value->high;
  if (low > 0 && high >= 10 * low)
    return (uint64_t)(low * exp(share * log(high / low)) + 0.5);
  return value->low + (uint64_t)(share * (high - low) + 0.5);
}

/* The largest suffix that leaves at least 1. */
static void format_one(uint64_t number, enum tern_value_form form, enum tern_unit unit, char *text,
                       size_t size)
{
  const struct suffix *best = NULL;
  for (const struct suffix *s = suffixes_of(unit); s->text != NULL; s++)
    if (s->form == form && (best == NULL || (double)number >= s->factor) &&
        !(unit == TERN_UNIT_SHARE && best != NULL))
      best = s;
  if (best == NULL)
    best = counts;
  snprintf(text, size, "%.10g%s", (double)number / best->factor, best->text);
}

char *tern_value_format(const struct tern_value *value, enum tern_unit unit, char *text,
                        size_t size)
{
  char low[TERN_VALUE_TEXT_MAX], high[TERN_VALUE_TEXT_MAX];
  format_one(value->low, value->form, unit, low, sizeof low);
  format_one(value->high, value->form, unit, high, sizeof high);
  if (tern_value_is_range(value))
    snprintf(text, size, "%.28s..%.28s", low, high);
  else
    snprintf(text, size, "%s", low);
  return text;
}
