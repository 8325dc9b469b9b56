/* SPDX-License-Identifier: MIT */
/* A text that grows, and the two escapes that a page needs. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "url.h"

static void reserve(struct tern_text *text, size_t more)
{
  size_t needed = text->len + more + 1;
  if (needed <= text->capacity)
    return;
  text->capacity = needed + needed / 2 + 256;
  text->data = tern_cli_grow(text->data, text->capacity, 1);
  text->data[text->len] = '\0';
}

void tern_text_deinit(struct tern_text *text)
{
  free(text->data);
  memset(text, 0, sizeof *text);
}

void tern_text_add(struct tern_text *text, const char *format, ...)
{
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (len > 0) {
    reserve(text, (size_t)len);
    vsnprintf(text->data + text->len, (size_t)len + 1, format, again);
    text->len += (size_t)len;
  }
  va_end(again);
}

static void add_plain(struct tern_text *text, const char *plain, size_t len)
{
  reserve(text, len);
  memcpy(text->data + text->len, plain, len);
  text->len += len;
  text->data[text->len] = '\0';
}

void tern_text_add_html(struct tern_text *text, const char *plain)
{
  for (; *plain != '\0'; plain++) {
    unsigned char c = (unsigned char)*plain;
    if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
      tern_text_add(text, "&#%u;", (unsigned)c);
    else
      add_plain(text, c < 0x20 || c == 0x7f ? "?" : plain, 1);
  }
}

void tern_text_add_url(struct tern_text *text, const char *plain)
{
  size_t room = 3 * strlen(plain) + 4;
  reserve(text, room);
  tern_url_encode(plain, text->data + text->len, room);
  text->len += strlen(text->data + text->len);
}
