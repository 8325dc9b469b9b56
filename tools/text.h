/* SPDX-License-Identifier: MIT */
/* A text that grows. */
#ifndef TERN_TOOLS_TEXT_H
#define TERN_TOOLS_TEXT_H

#include <stddef.h>

struct tern_text {
  char *data; /* with a final NUL; NULL while empty */
  size_t len;
  size_t capacity;
};

void tern_text_deinit(struct tern_text *text);
__attribute__((format(printf, 2, 3))) void tern_text_add(struct tern_text *text, const char *format,
                                                         ...);
/* With & < > " ' as HTML entities and control characters as '?'. */
void tern_text_add_html(struct tern_text *text, const char *plain);
/* With everything but unreserved characters and '/' as %xx. */
void tern_text_add_url(struct tern_text *text, const char *plain);

#endif
