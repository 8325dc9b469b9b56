#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the event headers and tables from src/event/events.def and src/event/drops.def.

    scripts/gen_events.py           write include/tern/event.h, src/event/event_kinds.h and
                                    src/event/event_table.c
    scripts/gen_events.py --check   exit 1 if one of them is not what would be written
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEVELS = ["error", "warn", "info", "debug", "trace"]
KINDS_MAX = 64  # a subscriber's mask is a uint64_t
WIDTH = 100

# type in events.def -> (type in C, constant in enum tern_event_type)
TYPES = {
    "u8": ("uint8_t ", "U8"),
    "u16": ("uint16_t ", "U16"),
    "u32": ("uint32_t ", "U32"),
    "u64": ("uint64_t ", "U64"),
    "hex64": ("uint64_t ", "HEX64"),
    "size": ("uint64_t ", "SIZE"),
    "bytes": ("uint64_t ", "BYTES"),
    "number": ("uint64_t ", "NUMBER"),
    "ns": ("uint64_t ", "NS"),
    "bool": ("bool ", "BOOL"),
    "space": ("uint8_t ", "SPACE"),
    "level": ("uint8_t ", "LEVEL"),
    "ecn": ("uint8_t ", "ECN"),
    "text": ("const char *", "TEXT"),
    "ntext": ("const char *", "NTEXT"),
    "string": ("tern_slice ", "STRING"),
    "cid": ("tern_slice ", "CID"),
    "addr": ("tern_addr ", "ADDR"),
    "drop": ("enum tern_drop_reason ", "DROP"),
    "wire": ("tern_slice ", "WIRE"),
    "shift": ("uint8_t ", "SHIFT"),
}

BANNER = "/* SPDX-License-Identifier: MIT */\n"
MADE_BY = "Made by scripts/gen_events.py from src/event/events.def and src/event/drops.def: do not edit."


def read_events(path):
    """[{name, category, level, doc, fields: [(name, type, doc)]}], in order."""
    events = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2 if line[0] == " " else 3)
        if line[0] == " ":
            if len(words) != 3 or words[1] not in TYPES or not events:
                sys.exit(f"{path}:{number}: want '  field type what it is'")
            events[-1]["fields"].append(tuple(words))
        else:
            if len(words) != 4 or words[2] not in LEVELS:
                sys.exit(f"{path}:{number}: want 'name category level What happened.'")
            name, category, level, doc = words
            events.append({"name": name, "category": category, "level": level, "doc": doc,
                           "fields": []})
    check(path, events)
    return events


def check(path, events):
    names = [event["name"] for event in events]
    if len(set(names)) != len(names):
        sys.exit(f"{path}: an event is there twice")
    if len(names) > KINDS_MAX:
        sys.exit(f"{path}: more than {KINDS_MAX} events")
    for event in events:
        fields = [field[0] for field in event["fields"]]
        if not fields or len(set(fields)) != len(fields):
            sys.exit(f"{path}: {event['name']}: wants fields, each once")


def read_drops(path):
    return re.findall(r'^TERN_DROP_REASON\((\w+), "([^"]*)"\)$', path.read_text(), re.M)


def with_comments(rows):
    """Code and comment in two columns, as clang-format has it."""
    column = max(len(code) for code, _ in rows) + 1
    lines = [f"{code:<{column}}/* {doc} */" for code, doc in rows]
    for line in lines:
        if len(line) > WIDTH:
            sys.exit(f"line of more than {WIDTH} columns: {line}")
    return "\n".join(lines) + "\n"


def enum_of_drops(drops):
    rows = [(f"  TERN_DROP_{name.upper()},", doc) for name, doc in drops]
    return "enum tern_drop_reason {\n" + with_comments(rows) + "  TERN_DROP_COUNT,\n};\n"


def enum_of_kinds(events):
    rows = [(f"  TERN_EVENT_{event['name'].upper()},", event["level"]) for event in events]
    return ("typedef enum tern_event_kind {\n" + with_comments(rows) + "  TERN_EVENT_COUNT,\n"
            "} tern_event_kind;\n")


def struct_of(event):
    name = f"tern_event_{event['name']}"
    rows = [(f"  {TYPES[kind][0]}{field};", doc) for field, kind, doc in event["fields"]]
    return (f"/* {event['doc']} */\ntypedef struct {name} {{\n" + with_comments(rows)
            + f"}} {name};\n")


def union_of(events):
    return "".join(f"    tern_event_{event['name']} {event['name']};\n" for event in events)


PUBLIC = BANNER + """\
/* What happens inside, as a stream of events: for logs, qlog, metrics and tests. A subscriber names
 * the kinds it wants by a mask; with none, an event costs one branch.
 *
 * Subscribers are hooks: they run inside, must not call back into tern, and what they are shown
 * (slices, texts) is valid for the call only. New kinds and new members may come in any version, so
 * use the names, not the numbers.
 *
 * {made_by} */
#ifndef TERN_EVENT_H
#define TERN_EVENT_H

#include <tern/base.h>
#include <tern/config.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tern_event_level {
  TERN_EVENT_LEVEL_ERROR,
  TERN_EVENT_LEVEL_WARN,  /* works, but worse than it should */
  TERN_EVENT_LEVEL_INFO,  /* a few per connection */
  TERN_EVENT_LEVEL_DEBUG, /* one or a few per packet */
  TERN_EVENT_LEVEL_TRACE, /* one or more per frame */
} tern_event_level;

/* ---- why something was ignored ----------------------------------------------------------- */

{drops}
/* A name such as "unknown_cid", and a sentence part for people; never NULL. */
const char *tern_drop_reason_name(enum tern_drop_reason reason);
const char *tern_drop_reason_text(enum tern_drop_reason reason);

/* ---- the events -------------------------------------------------------------------------- */

{kinds}
{structs}
typedef struct tern_event {
  tern_time time;
  uint64_t conn; /* tern_conn_get_id, 0 = the endpoint's or the socket's */
  tern_event_kind kind;
  union {
{union}  } data; /* the member named like `kind` */
} tern_event;

/* A name such as "packet_sent", and a qlog-like category; never NULL. */
const char *tern_event_name(tern_event_kind kind);
const char *tern_event_category(tern_event_kind kind);
tern_event_level tern_event_get_level(tern_event_kind kind);
/* "error" to "trace"; the inverse answers false for other words. */
const char *tern_event_level_name(tern_event_level level);
bool tern_event_level_parse(tern_event_level *level, const char *text);

/* ---- subscribing ------------------------------------------------------------------------- */

struct tern_event_subscriber {
  void (*on_event)(void *arg, const tern_event *event);
  void *arg;
  uint64_t mask; /* sum of tern_event_mask_of over the kinds it wants */
};

uint64_t tern_event_mask_of(tern_event_kind kind);
/* All kinds of this level and of those above it. */
uint64_t tern_event_mask_of_level(tern_event_level level);

/* ---- text log ---------------------------------------------------------------------------- */

#define TERN_LOG_LINE_MAX 512

/* Writes one event as text without a newline, always with a final NUL, cut at `size`; bytes that a
 * peer chose are escaped. Returns the length written. */
size_t tern_event_format(const tern_event *event, char *text, size_t size);

/* A subscriber that writes a line per event:
 *
 *     0.001234 c1 packet_sent initial #0 1200B ack_eliciting in_flight
 *
 * seconds since the first event, the connection, the event. */
typedef struct tern_log {
  /* `line` ends with a newline and a NUL; `len` counts the newline only. */
  void (*write)(void *arg, const char *line, size_t len);
  void *arg;
  uint64_t conn;   /* only events of this connection; default 0 = all */
  tern_time start; /* time zero; default: that of the first event */
  bool is_started;
} tern_log;

void tern_log_init(tern_log *log, void (*write)(void *arg, const char *line, size_t len),
                   void *arg);
/* `log` must outlive the endpoint that the subscriber is given to. */
tern_event_subscriber tern_log_subscriber(tern_log *log, tern_event_level level);

#ifdef __cplusplus
}
#endif
#endif
"""

KINDS = BANNER + """\
/* Lower-case names of the kinds, for the macro TERN_EVENT of event.h.
 *
 * {made_by} */
#ifndef TERN_EVENT_EVENT_KINDS_H
#define TERN_EVENT_EVENT_KINDS_H

#include <tern/event.h>

enum {
{rows}};

#endif
"""

TABLE = BANNER + """\
/* What an event's struct looks like, for everything that shows events: log, qlog, metrics.
 *
 * {made_by} */
#include "event/event_table.h"

#include <stddef.h>

/* clang-format off */

{fields}
const struct tern_event_info tern_event_table[TERN_EVENT_COUNT] = {
{rows}};
"""


def fill(template, parts):
    for key, value in parts.items():
        template = template.replace("{" + key + "}", value)
    return template


def public_header(events, drops):
    return fill(PUBLIC, {
        "made_by": MADE_BY,
        "drops": enum_of_drops(drops),
        "kinds": enum_of_kinds(events),
        "structs": "\n".join(struct_of(event) for event in events),
        "union": union_of(events),
    })


def kinds_header(events):
    rows = "".join(f"  TERN_EVENT_KIND_{event['name']} = TERN_EVENT_{event['name'].upper()},\n"
                   for event in events)
    return fill(KINDS, {"made_by": MADE_BY, "rows": rows})


def fields_of(event):
    name = event["name"]
    rows = "".join(
        f'    {{"{field}", TERN_EVENT_TYPE_{TYPES[kind][1]}, offsetof(tern_event, data.{name}.{field})}},\n'
        for field, kind, _ in event["fields"])
    return f"static const struct tern_event_field {name}[] = {{\n{rows}}};\n"


def table_source(events):
    rows = "".join(
        f'    {{"{event["name"]}", "{event["category"]}", TERN_EVENT_LEVEL_{event["level"].upper()},\n'
        f'     {event["name"]}, {len(event["fields"])}}},\n'
        for event in events)
    fields = "\n".join(fields_of(event) for event in events)
    return fill(TABLE, {"made_by": MADE_BY, "fields": fields, "rows": rows})


def main():
    folder = ROOT / "src" / "event"
    events = read_events(folder / "events.def")
    drops = read_drops(folder / "drops.def")
    outputs = {
        ROOT / "include" / "tern" / "event.h": public_header(events, drops),
        folder / "event_kinds.h": kinds_header(events),
        folder / "event_table.c": table_source(events),
    }
    stale = [path for path, text in outputs.items()
             if not path.exists() or path.read_text() != text]
    if sys.argv[1:] == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)}: not what scripts/gen_events.py writes")
        sys.exit(1 if stale else 0)
    for path in stale:
        path.write_text(outputs[path])


if __name__ == "__main__":
    main()
