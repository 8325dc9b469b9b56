/* SPDX-License-Identifier: MIT */
/* Where events are sent from. The endpoint owns one bus; everything that emits is given it.
 *
 *   TERN_EVENT(bus, conn_id, packet_sent, .space = 0, .number = 7, .bytes = 1200);
 *
 * costs a load and a branch if nobody wants packet_sent: the fields are not even evaluated. Events of
 * level info and above are rare, so they always go through and are always counted; of the others only
 * those with a subscriber are. Drops are counted in any case. */
#ifndef TERN_EVENT_EVENT_H
#define TERN_EVENT_EVENT_H

#include <tern/event.h>

#include "base/assert.h"
#include "event/event_kinds.h"

struct tern_event_bus {
  const tern_event_subscriber *subscribers;
  size_t count;
  uint64_t mask; /* kinds that are dispatched */
  tern_time now; /* set by the owner on entry; the time of events */
  uint64_t counters[TERN_EVENT_COUNT];
  uint64_t drops[TERN_DROP_COUNT];
};

/* `subscribers` is borrowed and must outlive the bus; may be NULL if `count` is 0. */
void tern_event_bus_init(struct tern_event_bus *bus, const tern_event_subscriber *subscribers,
                         size_t count);

/* Stamps `event` with the time, counts it and shows it to who wants it. Use TERN_EVENT. */
void tern_event_emit(struct tern_event_bus *bus, tern_event *event);

static inline bool tern_event_is_wanted(const struct tern_event_bus *bus, tern_event_kind kind)
{
  return ((bus->mask >> (unsigned)kind) & 1) != 0;
}

/* `name` as in events.def, then designated initializers of its fields, at least one. */
#define TERN_EVENT(bus, conn_id, name, ...)                                                        \
  do {                                                                                             \
    struct tern_event_bus *event_bus_ = (bus);                                                     \
    if (TERN_UNLIKELY(tern_event_is_wanted(event_bus_, (tern_event_kind)TERN_EVENT_KIND_##name)))  \
      tern_event_emit(event_bus_, &(tern_event){.conn = (conn_id),                                 \
                                                .kind = (tern_event_kind)TERN_EVENT_KIND_##name,   \
                                                .data = {.name = {__VA_ARGS__}}});                 \
  } while (0)

/* Counts a drop and emits packet_dropped or datagram_dropped. `remote` may be NULL. */
void tern_event_drop_packet(struct tern_event_bus *bus, uint64_t conn_id, uint8_t space,
                            size_t bytes, enum tern_drop_reason reason);
void tern_event_drop_datagram(struct tern_event_bus *bus, size_t bytes,
                              enum tern_drop_reason reason, const tern_addr *remote);
/* All drops together. */
uint64_t tern_event_drops_total(const struct tern_event_bus *bus);

#endif
