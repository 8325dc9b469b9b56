/* SPDX-License-Identifier: MIT */
/* What happens next in simulated time: a min-heap of entries that keeps the order in which entries of
 * one instant were added, which base/heap.h does not. Without that, datagrams sent back to back would
 * arrive shuffled. */
#ifndef TERN_SIM_AGENDA_H
#define TERN_SIM_AGENDA_H

#include <tern/base.h>

#include "base/alloc.h"

struct tern_agenda_entry {
  tern_time at;
  uint64_t order; /* number of the entry: first in, first out within an instant */
  void *item;
};

struct tern_agenda {
  struct tern_alloc *alloc;
  struct tern_agenda_entry *entries;
  size_t count;
  size_t capacity;
  uint64_t next_order;
};

void tern_agenda_init(struct tern_agenda *agenda, struct tern_alloc *alloc);
/* Items that are still in are forgotten; take them out first if they are owned. */
void tern_agenda_deinit(struct tern_agenda *agenda);
TERN_MUST_CHECK tern_status tern_agenda_add(struct tern_agenda *agenda, tern_time at, void *item);
/* The earliest item, or NULL if there is none at or before `until`. */
void *tern_agenda_take(struct tern_agenda *agenda, tern_time until);

static inline tern_time tern_agenda_first_at(const struct tern_agenda *agenda)
{
  return agenda->count == 0 ? TERN_TIME_NEVER : agenda->entries[0].at;
}

#endif
