/* SPDX-License-Identifier: MIT */
/* JSON (RFC 8259) into a bounded buffer, as it comes: members in order, objects and arrays inside. What
 * does not fit sets `is_cut`, to be looked at once at the end. The comma before a value follows from
 * the character before it, so there is no stack. A `name` of NULL is for elements of an array. */
#ifndef TERN_QLOG_QJSON_H
#define TERN_QLOG_QJSON_H

#include <tern/base.h>

struct tern_qjson {
  char *text;
  size_t len;
  size_t capacity;
  bool is_cut;
};

void tern_qjson_raw(struct tern_qjson *json, const char *text, size_t len);
void tern_qjson_open(struct tern_qjson *json, const char *name, char bracket);
void tern_qjson_close(struct tern_qjson *json, char bracket);
void tern_qjson_u64(struct tern_qjson *json, const char *name, uint64_t value);
void tern_qjson_bool(struct tern_qjson *json, const char *name, bool value);
/* Nanoseconds as milliseconds, exactly. */
void tern_qjson_ms(struct tern_qjson *json, const char *name, uint64_t ns);
void tern_qjson_string(struct tern_qjson *json, const char *name, const char *value);
/* Bytes that somebody else chose: what is no printable ASCII is escaped as the code point of the same
 * number; cut after TERN_QLOG_TEXT_MAX bytes. */
void tern_qjson_slice(struct tern_qjson *json, const char *name, tern_slice value);
void tern_qjson_hex(struct tern_qjson *json, const char *name, tern_slice value);

#endif
