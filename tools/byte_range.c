/* SPDX-License-Identifier: MIT */
/* bytes=0-499, bytes=500-, bytes=-500. A server MAY ignore Range [rfc9110-14.2], and that is what it does
 * with several ranges, other units and bad syntax. */
#include "byte_range.h"

#include <stdbool.h>

#define UNIT "bytes="

/* Digits, if any; numbers beyond 64 bits stay at the largest one. */
static bool take_number(const char **at, const char *end, uint64_t *value)
{
  const char *start = *at;
  uint64_t sum = 0;
  for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
    uint64_t digit = (uint64_t)(**at - '0');
    sum = sum > (UINT64_MAX - digit) / 10 ? UINT64_MAX : sum * 10 + digit;
  }
  *value = sum;
  return *at > start;
}

static char lower(char c)
{
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool has_unit(const char *text, size_t len)
{
  if (len < sizeof UNIT - 1)
    return false;
  for (size_t i = 0; i < sizeof UNIT - 1; i++)
    if (lower(text[i]) != UNIT[i]) /* [rfc9110-14.1] range units are case-insensitive */
      return false;
  return true;
}

enum tern_byte_range_result tern_byte_range_parse(const char *text, size_t len, uint64_t size,
                                                  struct tern_byte_range *range)
{
  uint64_t first, last;
  if (!has_unit(text, len))
    return TERN_BYTE_RANGE_IGNORED;
  const char *at = text + sizeof UNIT - 1, *end = text + len;
  bool has_first = take_number(&at, end, &first);
  if (at == end || *at++ != '-')
    return TERN_BYTE_RANGE_IGNORED;
  bool has_last = take_number(&at, end, &last);
  if (at != end || (!has_first && !has_last) || (has_first && has_last && last < first))
    return TERN_BYTE_RANGE_IGNORED;
  if (!has_first) { /* the last bytes */
    if (last == 0 || size == 0)
      return TERN_BYTE_RANGE_UNSATISFIABLE;
    range->from = last < size ? size - last : 0;
    range->to = size;
    return TERN_BYTE_RANGE_GOOD;
  }
  if (first >= size)
    return TERN_BYTE_RANGE_UNSATISFIABLE;
  range->from = first;
  range->to = has_last && last < size - 1 ? last + 1 : size;
  return TERN_BYTE_RANGE_GOOD;
}
