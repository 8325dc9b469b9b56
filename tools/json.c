/* SPDX-License-Identifier: MIT */
/* Members, commas and escapes. */
#include "json.h"

#include <inttypes.h>
#include <math.h>

/* [rfc8259-7] quotation mark, reverse solidus and control characters are escaped; what is not ASCII is
 * too, so that the output is valid whatever a peer has said. */
static void put_string(FILE *file, const char *text)
{
  fputc('"', file);
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\')
      fprintf(file, "\\%c", c);
    else if (c < 0x20 || c >= 0x7f)
      fprintf(file, "\\u%04x", c);
    else
      fputc(c, file);
  }
  fputc('"', file);
}

static void put_name(struct tern_json *json, const char *name)
{
  if (json->wants_comma)
    fputc(',', json->file);
  put_string(json->file, name);
  fputc(':', json->file);
  json->wants_comma = true;
}

void tern_json_begin(struct tern_json *json, FILE *file)
{
  json->file = file;
  json->wants_comma = false;
  fputc('{', file);
}

void tern_json_end(struct tern_json *json)
{
  fputs("}\n", json->file);
  fflush(json->file);
}

void tern_json_open(struct tern_json *json, const char *name)
{
  put_name(json, name);
  fputc('{', json->file);
  json->wants_comma = false;
}

void tern_json_close(struct tern_json *json)
{
  fputc('}', json->file);
  json->wants_comma = true;
}

void tern_json_text(struct tern_json *json, const char *name, const char *value)
{
  put_name(json, name);
  put_string(json->file, value);
}

void tern_json_count(struct tern_json *json, const char *name, uint64_t value)
{
  put_name(json, name);
  fprintf(json->file, "%" PRIu64, value);
}

void tern_json_number(struct tern_json *json, const char *name, double value)
{
  put_name(json, name);
  if (isfinite(value))
    fprintf(json->file, "%.6g", value);
  else
    fputs("null", json->file);
}
