/* SPDX-License-Identifier: MIT */
/* Events as lines of text. Everything goes through one bounded writer that cannot overrun: what does
 * not fit ends in "...". Bytes that a peer chose are shown as printable ASCII or as \xNN, so a log can
 * neither be forged by a newline nor be made to drive a terminal. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tern/event.h>

#include "event/event_table.h"

#define CUT_MARK "..."

struct line {
  char *text;
  size_t len;
  size_t capacity; /* without the final NUL */
  bool is_cut;
};

static void put_bytes(struct line *line, const char *text, size_t len)
{
  if (line->is_cut)
    return;
  size_t room = line->capacity - line->len;
  if (len > room) {
    len = room;
    line->is_cut = true;
  }
  memcpy(line->text + line->len, text, len);
  line->len += len;
}

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
  char piece[128];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(piece, sizeof piece, format, args);
  va_end(args);
  if (len > 0)
    put_bytes(line, piece, (size_t)len < sizeof piece ? (size_t)len : sizeof piece - 1);
}

static void put_escaped(struct line *line, const char *text, size_t len)
{
  for (size_t i = 0; i < len && !line->is_cut; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\')
      put(line, "\\%c", c);
    else if (c >= 0x20 && c < 0x7f)
      put_bytes(line, text + i, 1);
    else
      put(line, "\\x%02x", c);
  }
}

static void put_hex(struct line *line, tern_slice slice)
{
  if (slice.len == 0)
    put(line, "-");
  for (size_t i = 0; i < slice.len && !line->is_cut; i++)
    put(line, "%02x", slice.data[i]);
}

/* 1234567 ns as "1.235ms", rounded to microseconds without floating point. */
static void put_duration(struct line *line, uint64_t ns)
{
  uint64_t us = ns / 1000 + (ns % 1000 >= 500);
  put(line, "%" PRIu64 ".%03ums", us / 1000, (unsigned)(us % 1000));
}

/* The unit is in the value, so it goes from the name. */
static void put_name(struct line *line, const char *name)
{
  size_t len = strlen(name);
  if (len > 6 && strcmp(name + len - 6, "_bytes") == 0)
    len -= 6;
  else if (len > 3 && strcmp(name + len - 3, "_ns") == 0)
    len -= 3;
  put_bytes(line, " ", 1);
  put_bytes(line, name, len);
  put_bytes(line, "=", 1);
}

static uint64_t load_number(const void *at, enum tern_event_type type)
{
  if (type == TERN_EVENT_TYPE_U8)
    return *(const uint8_t *)at;
  if (type == TERN_EVENT_TYPE_U16)
    return *(const uint16_t *)at;
  if (type == TERN_EVENT_TYPE_U32)
    return *(const uint32_t *)at;
  return *(const uint64_t *)at;
}

static void put_number(struct line *line, const struct tern_event_field *field, const void *at)
{
  uint64_t value = load_number(at, field->type);
  put_name(line, field->name);
  if (value == UINT64_MAX)
    put(line, "none");
  else
    put(line, field->type == TERN_EVENT_TYPE_HEX64 ? "0x%" PRIx64 : "%" PRIu64, value);
}

static void put_text(struct line *line, const struct tern_event_field *field, const void *at)
{
  const char *text = *(const char *const *)at;
  if (text == NULL || text[0] == '\0')
    return;
  if (field->type == TERN_EVENT_TYPE_NTEXT)
    put_name(line, field->name);
  else
    put_bytes(line, " ", 1);
  put_escaped(line, text, strlen(text));
}

static void put_slice(struct line *line, const struct tern_event_field *field, const void *at)
{
  const tern_slice *slice = at;
  put_name(line, field->name);
  if (field->type == TERN_EVENT_TYPE_CID) {
    put_hex(line, *slice);
    return;
  }
  put_bytes(line, "\"", 1);
  if (slice->len != 0)
    put_escaped(line, (const char *)slice->data, slice->len);
  put_bytes(line, "\"", 1);
}

static void put_addr(struct line *line, const struct tern_event_field *field, const void *at)
{
  char text[TERN_ADDR_TEXT_MAX];
  const tern_addr *addr = at;
  if (addr->family == 0)
    return;
  put_name(line, field->name);
  put(line, "%s", tern_addr_format(addr, text, sizeof text));
}

static void put_ecn(struct line *line, uint8_t ecn)
{
  if (ecn != TERN_ECN_NOT)
    put(line, " ecn=%s", tern_event_ecn_name(ecn));
}

static void put_field(struct line *line, const struct tern_event_field *field, const void *at)
{
  switch (field->type) {
  case TERN_EVENT_TYPE_U8:
  case TERN_EVENT_TYPE_U16:
  case TERN_EVENT_TYPE_U32:
  case TERN_EVENT_TYPE_U64:
  case TERN_EVENT_TYPE_HEX64:
    put_number(line, field, at);
    return;
  case TERN_EVENT_TYPE_BYTES:
    put_number(line, field, at);
    if (*(const uint64_t *)at != UINT64_MAX)
      put_bytes(line, "B", 1);
    return;
  case TERN_EVENT_TYPE_SIZE:
    put(line, " %" PRIu64 "B", *(const uint64_t *)at);
    return;
  case TERN_EVENT_TYPE_NUMBER:
    put(line, " #%" PRIu64, *(const uint64_t *)at);
    return;
  case TERN_EVENT_TYPE_NS:
    put_name(line, field->name);
    put_duration(line, *(const uint64_t *)at);
    return;
  case TERN_EVENT_TYPE_BOOL:
    if (*(const bool *)at)
      put(line, " %s", field->name);
    return;
  case TERN_EVENT_TYPE_SPACE:
    put(line, " %s", tern_event_space_name(*(const uint8_t *)at));
    return;
  case TERN_EVENT_TYPE_LEVEL:
    put(line, " %s", tern_event_keys_name(*(const uint8_t *)at));
    return;
  case TERN_EVENT_TYPE_ECN:
    put_ecn(line, *(const uint8_t *)at);
    return;
  case TERN_EVENT_TYPE_TEXT:
  case TERN_EVENT_TYPE_NTEXT:
    put_text(line, field, at);
    return;
  case TERN_EVENT_TYPE_STRING:
  case TERN_EVENT_TYPE_CID:
    put_slice(line, field, at);
    return;
  case TERN_EVENT_TYPE_ADDR:
    put_addr(line, field, at);
    return;
  case TERN_EVENT_TYPE_DROP:
    put(line, " %s", tern_drop_reason_name(*(const enum tern_drop_reason *)at));
    return;
  case TERN_EVENT_TYPE_WIRE:
  case TERN_EVENT_TYPE_SHIFT:
    return;
  }
}

static void put_event(struct line *line, const tern_event *event)
{
  put(line, "%s", tern_event_name(event->kind));
  if ((unsigned)event->kind >= TERN_EVENT_COUNT)
    return;
  const struct tern_event_info *info = &tern_event_table[event->kind];
  for (size_t i = 0; i < info->fields_count; i++)
    put_field(line, &info->fields[i], (const char *)event + info->fields[i].offset);
}

/* Marks a cut and sets the final NUL. */
static size_t finish(struct line *line)
{
  size_t mark = sizeof CUT_MARK - 1;
  if (line->is_cut && line->capacity >= mark) {
    if (line->len > line->capacity - mark)
      line->len = line->capacity - mark;
    memcpy(line->text + line->len, CUT_MARK, mark);
    line->len += mark;
  }
  line->text[line->len] = '\0';
  return line->len;
}

size_t tern_event_format(const tern_event *event, char *text, size_t size)
{
  if (size == 0)
    return 0;
  struct line line = {.text = text, .capacity = size - 1};
  put_event(&line, event);
  return finish(&line);
}

static void put_prefix(struct line *line, const tern_log *log, const tern_event *event)
{
  tern_time since = event->time > log->start ? event->time - log->start : 0;
  uint64_t us = since / 1000;
  put(line, "%3" PRIu64 ".%06u ", us / 1000000, (unsigned)(us % 1000000));
  if (event->conn != 0)
    put(line, "c%" PRIu64 " ", event->conn);
  else
    put(line, "- ");
}

static void on_event(void *arg, const tern_event *event)
{
  tern_log *log = arg;
  char text[TERN_LOG_LINE_MAX];
  struct line line = {.text = text, .capacity = sizeof text - 2};
  if (log->conn != 0 && event->conn != log->conn)
    return;
  /* An endpoint is made before it is told a time: its first events carry none. */
  if (!log->is_started && event->time != 0) {
    log->is_started = true;
    log->start = event->time;
  }
  put_prefix(&line, log, event);
  put_event(&line, event);
  size_t len = finish(&line);
  text[len++] = '\n';
  text[len] = '\0';
  log->write(log->arg, text, len);
}

void tern_log_init(tern_log *log, void (*write)(void *arg, const char *line, size_t len), void *arg)
{
  *log = (tern_log){.write = write, .arg = arg};
}

tern_event_subscriber tern_log_subscriber(tern_log *log, tern_event_level level)
{
  tern_event_subscriber subscriber = {on_event, log, tern_event_mask_of_level(level)};
  return subscriber;
}
