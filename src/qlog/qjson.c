/* SPDX-License-Identifier: MIT */
#include "qlog/qjson.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tern/qlog.h>

void tern_qjson_raw(struct tern_qjson *json, const char *text, size_t len)
{
  if (json->is_cut || len > json->capacity - json->len) {
    json->is_cut = true;
    return;
  }
  memcpy(json->text + json->len, text, len);
  json->len += len;
}

static void put(struct tern_qjson *json, const char *text)
{
  tern_qjson_raw(json, text, strlen(text));
}

static void begin_value(struct tern_qjson *json, const char *name)
{
  char last = json->len == 0 ? '[' : json->text[json->len - 1];
  if (last != '{' && last != '[')
    put(json, ",");
  if (name == NULL)
    return;
  put(json, "\"");
  put(json, name);
  put(json, "\":");
}

void tern_qjson_open(struct tern_qjson *json, const char *name, char bracket)
{
  begin_value(json, name);
  tern_qjson_raw(json, &bracket, 1);
}

void tern_qjson_close(struct tern_qjson *json, char bracket)
{
  tern_qjson_raw(json, &bracket, 1);
}

void tern_qjson_u64(struct tern_qjson *json, const char *name, uint64_t value)
{
  char digits[24];
  begin_value(json, name);
  snprintf(digits, sizeof digits, "%" PRIu64, value);
  put(json, digits);
}

void tern_qjson_bool(struct tern_qjson *json, const char *name, bool value)
{
  begin_value(json, name);
  put(json, value ? "true" : "false");
}

void tern_qjson_ms(struct tern_qjson *json, const char *name, uint64_t ns)
{
  char digits[32];
  begin_value(json, name);
  snprintf(digits, sizeof digits, "%" PRIu64 ".%06" PRIu64, ns / TERN_MS, ns % TERN_MS);
  put(json, digits);
}

/* [rfc8259-7] */
static void put_byte(struct tern_qjson *json, uint8_t byte)
{
  char escape[8];
  if (byte == '"' || byte == '\\')
    snprintf(escape, sizeof escape, "\\%c", byte);
  else if (byte < 0x20 || byte >= 0x7f)
    snprintf(escape, sizeof escape, "\\u%04x", byte);
  else
    snprintf(escape, sizeof escape, "%c", byte);
  put(json, escape);
}

void tern_qjson_slice(struct tern_qjson *json, const char *name, tern_slice value)
{
  begin_value(json, name);
  put(json, "\"");
  for (size_t i = 0; i < value.len && i < TERN_QLOG_TEXT_MAX && !json->is_cut; i++)
    put_byte(json, value.data[i]);
  put(json, "\"");
}

void tern_qjson_string(struct tern_qjson *json, const char *name, const char *value)
{
  tern_qjson_slice(json, name, tern_slice_of(value, value != NULL ? strlen(value) : 0));
}

void tern_qjson_hex(struct tern_qjson *json, const char *name, tern_slice value)
{
  static const char digits[] = "0123456789abcdef";
  begin_value(json, name);
  put(json, "\"");
  for (size_t i = 0; i < value.len && i < TERN_QLOG_TEXT_MAX && !json->is_cut; i++) {
    char pair[2] = {digits[value.data[i] >> 4], digits[value.data[i] & 15]};
    tern_qjson_raw(json, pair, sizeof pair);
  }
  put(json, "\"");
}
