/* SPDX-License-Identifier: MIT */
/* The static table [rfc9204-A], and the way back from a name: names grouped by their length, at most
 * six of one length, each with the list of its entries. */
#include <string.h>

#include "h3/qpack_table.h"

struct line {
  const char *name;
  const char *value;
};

/* clang-format off */
static const struct line lines[TERN_QPACK_STATIC_COUNT] = {
  {":authority", ""}, /* 0 */
  {":path", "/"}, /* 1 */
  {"age", "0"}, /* 2 */
  {"content-disposition", ""}, /* 3 */
  {"content-length", "0"}, /* 4 */
  {"cookie", ""}, /* 5 */
  {"date", ""}, /* 6 */
  {"etag", ""}, /* 7 */
  {"if-modified-since", ""}, /* 8 */
  {"if-none-match", ""}, /* 9 */
  {"last-modified", ""}, /* 10 */
  {"link", ""}, /* 11 */
  {"location", ""}, /* 12 */
  {"referer", ""}, /* 13 */
  {"set-cookie", ""}, /* 14 */
  {":method", "CONNECT"}, /* 15 */
  {":method", "DELETE"}, /* 16 */
  {":method", "GET"}, /* 17 */
  {":method", "HEAD"}, /* 18 */
  {":method", "OPTIONS"}, /* 19 */
  {":method", "POST"}, /* 20 */
  {":method", "PUT"}, /* 21 */
  {":scheme", "http"}, /* 22 */
  {":scheme", "https"}, /* 23 */
  {":status", "103"}, /* 24 */
  {":status", "200"}, /* 25 */
  {":status", "304"}, /* 26 */
  {":status", "404"}, /* 27 */
  {":status", "503"}, /* 28 */
  {"accept", "*/*"}, /* 29 */
  {"accept", "application/dns-message"}, /* 30 */
  {"accept-encoding", "gzip, deflate, br"}, /* 31 */
  {"accept-ranges", "bytes"}, /* 32 */
  {"access-control-allow-headers", "cache-control"}, /* 33 */
  {"access-control-allow-headers", "content-type"}, /* 34 */
  {"access-control-allow-origin", "*"}, /* 35 */
  {"cache-control", "max-age=0"}, /* 36 */
  {"cache-control", "max-age=2592000"}, /* 37 */
  {"cache-control", "max-age=604800"}, /* 38 */
  {"cache-control", "no-cache"}, /* 39 */
  {"cache-control", "no-store"}, /* 40 */
  {"cache-control", "public, max-age=31536000"}, /* 41 */
  {"content-encoding", "br"}, /* 42 */
  {"content-encoding", "gzip"}, /* 43 */
  {"content-type", "application/dns-message"}, /* 44 */
  {"content-type", "application/javascript"}, /* 45 */
  {"content-type", "application/json"}, /* 46 */
  {"content-type", "application/x-www-form-urlencoded"}, /* 47 */
  {"content-type", "image/gif"}, /* 48 */
  {"content-type", "image/jpeg"}, /* 49 */
  {"content-type", "image/png"}, /* 50 */
  {"content-type", "text/css"}, /* 51 */
  {"content-type", "text/html; charset=utf-8"}, /* 52 */
  {"content-type", "text/plain"}, /* 53 */
  {"content-type", "text/plain;charset=utf-8"}, /* 54 */
  {"range", "bytes=0-"}, /* 55 */
  {"strict-transport-security", "max-age=31536000"}, /* 56 */
  {"strict-transport-security", "max-age=31536000; includesubdomains"}, /* 57 */
  {"strict-transport-security", "max-age=31536000; includesubdomains; preload"}, /* 58 */
  {"vary", "accept-encoding"}, /* 59 */
  {"vary", "origin"}, /* 60 */
  {"x-content-type-options", "nosniff"}, /* 61 */
  {"x-xss-protection", "1; mode=block"}, /* 62 */
  {":status", "100"}, /* 63 */
  {":status", "204"}, /* 64 */
  {":status", "206"}, /* 65 */
  {":status", "302"}, /* 66 */
  {":status", "400"}, /* 67 */
  {":status", "403"}, /* 68 */
  {":status", "421"}, /* 69 */
  {":status", "425"}, /* 70 */
  {":status", "500"}, /* 71 */
  {"accept-language", ""}, /* 72 */
  {"access-control-allow-credentials", "FALSE"}, /* 73 */
  {"access-control-allow-credentials", "TRUE"}, /* 74 */
  {"access-control-allow-headers", "*"}, /* 75 */
  {"access-control-allow-methods", "get"}, /* 76 */
  {"access-control-allow-methods", "get, post, options"}, /* 77 */
  {"access-control-allow-methods", "options"}, /* 78 */
  {"access-control-expose-headers", "content-length"}, /* 79 */
  {"access-control-request-headers", "content-type"}, /* 80 */
  {"access-control-request-method", "get"}, /* 81 */
  {"access-control-request-method", "post"}, /* 82 */
  {"alt-svc", "clear"}, /* 83 */
  {"authorization", ""}, /* 84 */
  {"content-security-policy", "script-src 'none'; object-src 'none'; base-uri 'none'"}, /* 85 */
  {"early-data", "1"}, /* 86 */
  {"expect-ct", ""}, /* 87 */
  {"forwarded", ""}, /* 88 */
  {"if-range", ""}, /* 89 */
  {"origin", ""}, /* 90 */
  {"purpose", "prefetch"}, /* 91 */
  {"server", ""}, /* 92 */
  {"timing-allow-origin", "*"}, /* 93 */
  {"upgrade-insecure-requests", "1"}, /* 94 */
  {"user-agent", ""}, /* 95 */
  {"x-forwarded-for", ""}, /* 96 */
  {"x-frame-options", "deny"}, /* 97 */
  {"x-frame-options", "sameorigin"}, /* 98 */
};

/* The distinct names by length, then alphabet; entries[first..] are theirs. */
struct group {
  const char *name;
  uint8_t first;
  uint8_t count;
};

static const struct group groups[52] = {
  {"age", 0, 1},
  {"date", 1, 1},
  {"etag", 2, 1},
  {"link", 3, 1},
  {"vary", 4, 2},
  {":path", 6, 1},
  {"range", 7, 1},
  {"accept", 8, 2},
  {"cookie", 10, 1},
  {"origin", 11, 1},
  {"server", 12, 1},
  {":method", 13, 7},
  {":scheme", 20, 2},
  {":status", 22, 14},
  {"alt-svc", 36, 1},
  {"purpose", 37, 1},
  {"referer", 38, 1},
  {"if-range", 39, 1},
  {"location", 40, 1},
  {"expect-ct", 41, 1},
  {"forwarded", 42, 1},
  {":authority", 43, 1},
  {"early-data", 44, 1},
  {"set-cookie", 45, 1},
  {"user-agent", 46, 1},
  {"content-type", 47, 11},
  {"accept-ranges", 58, 1},
  {"authorization", 59, 1},
  {"cache-control", 60, 6},
  {"if-none-match", 66, 1},
  {"last-modified", 67, 1},
  {"content-length", 68, 1},
  {"accept-encoding", 69, 1},
  {"accept-language", 70, 1},
  {"x-forwarded-for", 71, 1},
  {"x-frame-options", 72, 2},
  {"content-encoding", 74, 2},
  {"x-xss-protection", 76, 1},
  {"if-modified-since", 77, 1},
  {"content-disposition", 78, 1},
  {"timing-allow-origin", 79, 1},
  {"x-content-type-options", 80, 1},
  {"content-security-policy", 81, 1},
  {"strict-transport-security", 82, 3},
  {"upgrade-insecure-requests", 85, 1},
  {"access-control-allow-origin", 86, 1},
  {"access-control-allow-headers", 87, 3},
  {"access-control-allow-methods", 90, 3},
  {"access-control-expose-headers", 93, 1},
  {"access-control-request-method", 94, 2},
  {"access-control-request-headers", 96, 1},
  {"access-control-allow-credentials", 97, 2},
};

static const uint8_t entries[TERN_QPACK_STATIC_COUNT] = {
  2, 6, 7, 11, 59, 60, 1, 55, 29, 30, 5, 90, 92, 15, 16, 17,
  18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 63, 64, 65, 66, 67,
  68, 69, 70, 71, 83, 91, 13, 89, 12, 87, 88, 0, 86, 14, 95, 44,
  45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 32, 84, 36, 37, 38, 39,
  40, 41, 9, 10, 4, 31, 72, 96, 97, 98, 42, 43, 62, 8, 3, 93,
  61, 85, 56, 57, 58, 94, 35, 33, 34, 75, 76, 77, 78, 79, 81, 82,
  80, 73, 74,
};

/* Names of length n are groups[by_length[n]] to groups[by_length[n + 1]]. */
#define LENGTH_MAX 32
static const uint8_t by_length[LENGTH_MAX + 2] = {
  0, 0, 0, 0, 1, 5, 7, 11, 17, 19, 21, 25, 25, 26, 31, 32,
  36, 38, 39, 39, 41, 41, 41, 42, 43, 43, 45, 45, 46, 48, 50, 51,
  51, 52,
};
/* clang-format on */

static tern_slice slice_of(const char *text)
{
  return tern_slice_of(text, strlen(text));
}

bool tern_qpack_static_find(uint64_t index, struct tern_qpack_static *out)
{
  if (index >= TERN_QPACK_STATIC_COUNT)
    return false;
  out->name = slice_of(lines[index].name);
  out->value = slice_of(lines[index].value);
  return true;
}

static const struct group *find_group(tern_slice name)
{
  if (name.len > LENGTH_MAX)
    return NULL;
  for (size_t i = by_length[name.len]; i < by_length[name.len + 1]; i++) {
    const char *candidate = groups[i].name;
    if (candidate[0] == (char)name.data[0] && memcmp(candidate, name.data, name.len) == 0)
      return &groups[i];
  }
  return NULL;
}

static bool is_equal(const char *text, tern_slice slice)
{
  size_t len = strlen(text);
  return len == slice.len && (len == 0 || memcmp(text, slice.data, len) == 0);
}

struct tern_qpack_match tern_qpack_static_match(tern_slice name, tern_slice value)
{
  struct tern_qpack_match match = {TERN_QPACK_NONE, TERN_QPACK_NONE};
  const struct group *group = find_group(name);
  if (group == NULL)
    return match;
  match.name = entries[group->first];
  for (size_t i = 0; i < group->count && match.full == TERN_QPACK_NONE; i++) {
    uint8_t index = entries[group->first + i];
    if (is_equal(lines[index].value, value))
      match.full = index;
  }
  return match;
}
