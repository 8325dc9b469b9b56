/* SPDX-License-Identifier: MIT */
/* Conditional requests. Lists of entity tags: 1#( [ W/ ] DQUOTE *etagc DQUOTE ), or "*". */
#include "conditional.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http_date.h"

void tern_validators_init(struct tern_validators *validators, uint64_t size, int64_t seconds,
                          uint32_t nanoseconds)
{
  snprintf(validators->etag, sizeof validators->etag, "\"%" PRIx64 "-%" PRIx64 "\"",
           (uint64_t)seconds * UINT64_C(1000000000) + nanoseconds, size);
  validators->modified = seconds;
  validators->now = seconds;
}

static bool is_blank(char c)
{
  return c == ' ' || c == '\t' || c == ',';
}

static bool is_star(tern_slice list)
{
  return list.len == 1 && list.data[0] == '*';
}

/* Is `etag` in the list? Weak tags count unless `is_strong` [rfc9110-8.8.3.2]. */
static bool has_etag(tern_slice list, const char *etag, bool is_strong)
{
  const char *at = (const char *)list.data, *end = at + list.len;
  size_t len = strlen(etag);
  while (at < end) {
    while (at < end && is_blank(*at))
      at++;
    bool is_weak = end - at >= 2 && at[0] == 'W' && at[1] == '/';
    if (is_weak)
      at += 2;
    if (at == end || *at != '"')
      return false;
    const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
    if (close == NULL)
      return false;
    bool is_same = (size_t)(close + 1 - at) == len && memcmp(at, etag, len) == 0;
    if (is_same && !(is_strong && is_weak))
      return true;
    at = close + 1;
  }
  return false;
}

static bool parse_date(tern_slice text, const struct tern_validators *validators, int64_t *seconds)
{
  return text.data != NULL &&
         tern_http_date_parse((const char *)text.data, text.len, validators->now, seconds);
}

enum tern_condition_result tern_conditions_check(const struct tern_conditions *conditions,
                                                 const struct tern_validators *validators)
{
  int64_t date;
  if (conditions->if_match.data != NULL) {
    /* [rfc9110-13.1.1] MUST: strong comparison */
    if (!is_star(conditions->if_match) && !has_etag(conditions->if_match, validators->etag, true))
      return TERN_CONDITION_FAILED;
  } else if (parse_date(conditions->if_unmodified_since, validators, &date) &&
             validators->modified > date) {
    return TERN_CONDITION_FAILED;
  }
  if (conditions->if_none_match.data != NULL) {
    bool is_same = is_star(conditions->if_none_match) ||
                   has_etag(conditions->if_none_match, validators->etag, false);
    return is_same ? TERN_CONDITION_304 : TERN_CONDITION_NONE;
  }
  /* [rfc9110-13.1.3] MUST: ignored beside If-None-Match, and if it is no date */
  if (parse_date(conditions->if_modified_since, validators, &date) && validators->modified <= date)
    return TERN_CONDITION_304;
  return TERN_CONDITION_NONE;
}

bool tern_conditions_allow_range(const struct tern_conditions *conditions,
                                 const struct tern_validators *validators)
{
  tern_slice text = conditions->if_range;
  int64_t date;
  if (text.data == NULL)
    return true;
  /* [rfc9110-13.1.5] MUST: strong comparison, or the exact date */
  if (parse_date(text, validators, &date))
    return date == validators->modified;
  return has_etag(text, validators->etag, true);
}
