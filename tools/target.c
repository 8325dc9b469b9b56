/* SPDX-License-Identifier: MIT */
/* Paths of requests. This is the first of two fences: what comes out has no way up; root.c then lets the
 * kernel see to it that no symbolic link leads out either. */
#include "target.h"

#include <string.h>

#include "url.h"

#define UPLOAD_NAME_MAX 200

static bool is_plain(const char *text)
{
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c < 0x20 || c == 0x7f || c == '\\')
      return false;
  }
  return true;
}

/* Copies the parts of `in` to `out`, at most as long; false if one is "..". */
static bool join_parts(const char *in, char *out)
{
  char *start = out;
  bool ends_in_slash = true;
  while (*in != '\0') {
    size_t len = strcspn(in, "/");
    bool is_dot = len == 1 && in[0] == '.';
    if (len == 2 && in[0] == '.' && in[1] == '.')
      return false;
    ends_in_slash = in[len] == '/' || is_dot;
    if (len > 0 && !is_dot) {
      memcpy(out, in, len);
      out += len;
      if (ends_in_slash)
        *out++ = '/';
    }
    in += len + (in[len] == '/' ? 1 : 0);
  }
  /* "a/." is "a/" */
  if (ends_in_slash && out > start && out[-1] != '/')
    *out++ = '/';
  *out = '\0';
  return true;
}

bool tern_target_decode(tern_slice target, char path[TERN_TARGET_MAX])
{
  char decoded[TERN_TARGET_MAX];
  if (target.len == 0 || target.data[0] != '/')
    return false;
  const char *start = (const char *)target.data + 1;
  const char *query = memchr(start, '?', target.len - 1);
  const char *end = query != NULL ? query : start + target.len - 1;
  if (end - start >= TERN_TARGET_MAX - 1)
    return false;
  return tern_url_decode(start, end, decoded) && is_plain(decoded) && join_parts(decoded, path);
}

bool tern_target_is_upload_name(const char *path)
{
  size_t len = strlen(path);
  return len > 0 && len <= UPLOAD_NAME_MAX && path[0] != '.' && strchr(path, '/') == NULL &&
         is_plain(path);
}
