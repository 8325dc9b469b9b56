/* SPDX-License-Identifier: MIT */
/* A description of each event's struct: name, type and place of its fields. Whatever shows events
 * (log, qlog, metrics) walks this table, so a new event needs a line in events.def and nothing else. */
#ifndef TERN_EVENT_EVENT_TABLE_H
#define TERN_EVENT_EVENT_TABLE_H

#include <tern/event.h>

/* How a field is stored and shown; events.def explains each. */
enum tern_event_type {
  TERN_EVENT_TYPE_U8,
  TERN_EVENT_TYPE_U16,
  TERN_EVENT_TYPE_U32,
  TERN_EVENT_TYPE_U64,
  TERN_EVENT_TYPE_HEX64,
  TERN_EVENT_TYPE_SIZE,
  TERN_EVENT_TYPE_BYTES,
  TERN_EVENT_TYPE_NUMBER,
  TERN_EVENT_TYPE_NS,
  TERN_EVENT_TYPE_BOOL,
  TERN_EVENT_TYPE_SPACE,
  TERN_EVENT_TYPE_LEVEL,
  TERN_EVENT_TYPE_ECN,
  TERN_EVENT_TYPE_TEXT,
  TERN_EVENT_TYPE_NTEXT,
  TERN_EVENT_TYPE_STRING,
  TERN_EVENT_TYPE_CID,
  TERN_EVENT_TYPE_ADDR,
  TERN_EVENT_TYPE_DROP,
  TERN_EVENT_TYPE_WIRE,
  TERN_EVENT_TYPE_SHIFT,
};

struct tern_event_field {
  const char *name;
  enum tern_event_type type;
  size_t offset; /* in tern_event */
};

struct tern_event_info {
  const char *name;
  const char *category;
  tern_event_level level;
  const struct tern_event_field *fields;
  size_t fields_count;
};

extern const struct tern_event_info tern_event_table[TERN_EVENT_COUNT];

/* Names of the values of types SPACE, LEVEL and ECN; "?" outside. */
const char *tern_event_space_name(uint8_t space);
const char *tern_event_keys_name(uint8_t level);
const char *tern_event_ecn_name(uint8_t ecn);

#endif
