/* SPDX-License-Identifier: MIT */
/* HTTP dates (RFC 9110 5.6.7), without the locale. */
#ifndef TERN_TOOLS_HTTP_DATE_H
#define TERN_TOOLS_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERN_HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */

/* Seconds since 1970 as IMF-fixdate. Returns `text`. */
char *tern_http_date_format(int64_t seconds, char text[TERN_HTTP_DATE_SIZE]);

/* Any of the three forms. `now` decides the century of the two-digit year of RFC 850. */
bool tern_http_date_parse(const char *text, size_t len, int64_t now, int64_t *seconds);

#endif
