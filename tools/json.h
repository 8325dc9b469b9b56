/* SPDX-License-Identifier: MIT */
/* One JSON object (RFC 8259) on one line, written as it comes: members in order, objects inside. A
 * library would build a tree to print it at once; scripts that read the figures must find them in every
 * build. */
#ifndef TERN_TOOLS_JSON_H
#define TERN_TOOLS_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct tern_json {
  FILE *file;
  bool wants_comma;
};

/* The outermost object. */
void tern_json_begin(struct tern_json *json, FILE *file);
/* Its end, and a newline. */
void tern_json_end(struct tern_json *json);

void tern_json_open(struct tern_json *json, const char *name);
void tern_json_close(struct tern_json *json);
void tern_json_text(struct tern_json *json, const char *name, const char *value);
void tern_json_count(struct tern_json *json, const char *name, uint64_t value);
/* Six significant digits; null if it is no finite number. */
void tern_json_number(struct tern_json *json, const char *name, double value);

#endif
