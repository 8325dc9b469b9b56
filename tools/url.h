/* SPDX-License-Identifier: MIT */
/* https URLs as `tern get` takes them. */
#ifndef TERN_TOOLS_URL_H
#define TERN_TOOLS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The parts, each in memory of its own, until tern_url_deinit. */
struct tern_url {
  char *host;      /* without brackets, lower case: for the resolver and the certificate */
  char *authority; /* host and port as sent: the port is left out if it is 443 */
  char *target;    /* path and query, never empty */
  uint16_t port;
};

/* NULL, or a sentence part that says what is wrong. A missing scheme means https; another one, a user
 * part, blanks and control characters are refused; a fragment is cut off. */
const char *tern_url_parse(struct tern_url *url, const char *text);
void tern_url_deinit(struct tern_url *url);

/* The last part of the path, decoded, for -O; NULL if there is none that is a plain file name. To be
 * freed. */
char *tern_url_take_name(const struct tern_url *url);

/* Decodes %xx in [text, end) into `out`, which has room for as many bytes and a NUL. False for a broken
 * escape or a NUL. */
bool tern_url_decode(const char *text, const char *end, char *out);
/* Appends `text` to `out` with everything but unreserved characters and '/' as %xx; cut at `size`. */
void tern_url_encode(const char *text, char *out, size_t size);

#endif
