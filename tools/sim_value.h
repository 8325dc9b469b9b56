/* SPDX-License-Identifier: MIT */
/* Quantities as people write them: "10M", "25ms", "1.5%", "2bdp", and ranges of them, "1M..100M", from
 * which each run of a study draws. */
#ifndef TERN_TOOLS_SIM_VALUE_H
#define TERN_TOOLS_SIM_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

enum tern_unit {
  TERN_UNIT_COUNT, /* 12 */
  TERN_UNIT_BYTES, /* 64K: powers of 1,024 */
  TERN_UNIT_RATE,  /* 10M: bits per second, powers of 1,000; kept as bytes per second */
  TERN_UNIT_TIME,  /* 25ms: ns, us, ms, s; kept as nanoseconds */
  TERN_UNIT_SHARE, /* 1.5%: kept as millionths */
  TERN_UNIT_QUEUE, /* bytes, "1bdp" or a time: see tern_value_form */
};

/* What a value of TERN_UNIT_QUEUE counts. */
enum tern_value_form {
  TERN_VALUE_PLAIN, /* bytes */
  TERN_VALUE_BDP,   /* thousandths of rate times round trip */
  TERN_VALUE_TIME,  /* nanoseconds at the link's rate */
};

/* low <= high; a plain value has both the same. */
struct tern_value {
  uint64_t low, high;
  enum tern_value_form form;
};

/* False: not such a quantity. */
bool tern_value_parse(struct tern_value *value, enum tern_unit unit, const char *text);
/* Uniform, or, when high is ten times low or more, uniform in the logarithm. */
uint64_t tern_value_draw(const struct tern_value *value, struct tern_random_seeded *random);
/* For people and for the command line: what parse would read again. Returns `text`. */
#define TERN_VALUE_TEXT_MAX 64
char *tern_value_format(const struct tern_value *value, enum tern_unit unit, char *text,
                        size_t size);

static inline bool tern_value_is_range(const struct tern_value *value)
{
  return value->low != value->high;
}

static inline struct tern_value tern_value_of(uint64_t number)
{
  struct tern_value value = {number, number, TERN_VALUE_PLAIN};
  return value;
}

#endif
