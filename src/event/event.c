/* SPDX-License-Identifier: MIT */
/* Dispatch and counting. The bus's mask is the union of what subscribers want and of the rare levels;
 * each subscriber's own mask is looked at only after that. */
#include "event/event.h"

#include <string.h>

#include "event/event_table.h"

#define COUNTED_LEVEL TERN_EVENT_LEVEL_INFO

uint64_t tern_event_mask_of(tern_event_kind kind)
{
  return UINT64_C(1) << (unsigned)kind;
}

uint64_t tern_event_mask_of_level(tern_event_level level)
{
  uint64_t mask = 0;
  for (unsigned kind = 0; kind < TERN_EVENT_COUNT; kind++)
    if (tern_event_table[kind].level <= level)
      mask |= UINT64_C(1) << kind;
  return mask;
}

const char *tern_event_name(tern_event_kind kind)
{
  return (unsigned)kind < TERN_EVENT_COUNT ? tern_event_table[kind].name : "unknown";
}

const char *tern_event_category(tern_event_kind kind)
{
  return (unsigned)kind < TERN_EVENT_COUNT ? tern_event_table[kind].category : "unknown";
}

tern_event_level tern_event_get_level(tern_event_kind kind)
{
  return (unsigned)kind < TERN_EVENT_COUNT ? tern_event_table[kind].level : TERN_EVENT_LEVEL_TRACE;
}

const char *tern_event_level_name(tern_event_level level)
{
  switch (level) {
  case TERN_EVENT_LEVEL_ERROR:
    return "error";
  case TERN_EVENT_LEVEL_WARN:
    return "warn";
  case TERN_EVENT_LEVEL_INFO:
    return "info";
  case TERN_EVENT_LEVEL_DEBUG:
    return "debug";
  case TERN_EVENT_LEVEL_TRACE:
    return "trace";
  }
  return "unknown";
}

bool tern_event_level_parse(tern_event_level *level, const char *text)
{
  for (int i = TERN_EVENT_LEVEL_ERROR; i <= TERN_EVENT_LEVEL_TRACE; i++) {
    if (strcmp(text, tern_event_level_name((tern_event_level)i)) == 0) {
      *level = (tern_event_level)i;
      return true;
    }
  }
  return false;
}

const char *tern_drop_reason_name(enum tern_drop_reason reason)
{
  static const char *const names[] = {
#define TERN_DROP_REASON(name, text) #name,
#include "event/drops.def"
#undef TERN_DROP_REASON
  };
  return (unsigned)reason < TERN_DROP_COUNT ? names[reason] : "unknown";
}

const char *tern_drop_reason_text(enum tern_drop_reason reason)
{
  static const char *const texts[] = {
#define TERN_DROP_REASON(name, text) text,
#include "event/drops.def"
#undef TERN_DROP_REASON
  };
  return (unsigned)reason < TERN_DROP_COUNT ? texts[reason] : "unknown";
}

const char *tern_event_space_name(uint8_t space)
{
  static const char *const names[] = {"initial", "handshake", "data"};
  return space < sizeof names / sizeof names[0] ? names[space] : "?";
}

const char *tern_event_keys_name(uint8_t level)
{
  static const char *const names[] = {"initial", "early", "handshake", "data"};
  return level < sizeof names / sizeof names[0] ? names[level] : "?";
}

const char *tern_event_ecn_name(uint8_t ecn)
{
  static const char *const names[] = {"not-ect", "ect1", "ect0", "ce"};
  return ecn < sizeof names / sizeof names[0] ? names[ecn] : "?";
}

void tern_event_bus_init(struct tern_event_bus *bus, const tern_event_subscriber *subscribers,
                         size_t count)
{
  *bus = (struct tern_event_bus){.subscribers = subscribers, .count = count};
  bus->mask = tern_event_mask_of_level(COUNTED_LEVEL);
  for (size_t i = 0; i < count; i++)
    bus->mask |= subscribers[i].mask;
}

void tern_event_emit(struct tern_event_bus *bus, tern_event *event)
{
  event->time = bus->now;
  bus->counters[event->kind]++;
  for (size_t i = 0; i < bus->count; i++) {
    const tern_event_subscriber *subscriber = &bus->subscribers[i];
    if ((subscriber->mask & tern_event_mask_of(event->kind)) != 0)
      subscriber->on_event(subscriber->arg, event);
  }
}

void tern_event_drop_packet(struct tern_event_bus *bus, uint64_t conn_id, uint8_t space,
                            size_t bytes, enum tern_drop_reason reason)
{
  bus->drops[reason]++;
  TERN_EVENT(bus, conn_id, packet_dropped, .space = space, .bytes = bytes, .reason = reason);
}

void tern_event_drop_datagram(struct tern_event_bus *bus, size_t bytes,
                              enum tern_drop_reason reason, const tern_addr *remote)
{
  static const tern_addr unset;
  bus->drops[reason]++;
  TERN_EVENT(bus, 0, datagram_dropped, .bytes = bytes, .reason = reason,
             .remote = remote != NULL ? *remote : unset);
}

uint64_t tern_event_drops_total(const struct tern_event_bus *bus)
{
  uint64_t total = 0;
  for (size_t i = 0; i < TERN_DROP_COUNT; i++)
    total += bus->drops[i];
  return total;
}
