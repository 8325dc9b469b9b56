/* SPDX-License-Identifier: MIT */
/* A binary heap ordered by (at, order). */
#include "sim/agenda.h"

void tern_agenda_init(struct tern_agenda *agenda, struct tern_alloc *alloc)
{
  agenda->alloc = alloc;
  agenda->entries = NULL;
  agenda->count = 0;
  agenda->capacity = 0;
  agenda->next_order = 0;
}

void tern_agenda_deinit(struct tern_agenda *agenda)
{
  tern_alloc_give(agenda->alloc, agenda->entries,
                  agenda->capacity * sizeof(struct tern_agenda_entry));
  tern_agenda_init(agenda, agenda->alloc);
}

static bool is_before(const struct tern_agenda_entry *a, const struct tern_agenda_entry *b)
{
  return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static bool grow(struct tern_agenda *agenda)
{
  size_t capacity = agenda->capacity == 0 ? 64 : agenda->capacity * 2;
  size_t size = sizeof(struct tern_agenda_entry);
  void *entries = agenda->capacity == 0
                      ? tern_alloc_take(agenda->alloc, capacity * size)
                      : tern_alloc_resize(agenda->alloc, agenda->entries, agenda->capacity * size,
                                          capacity * size);
  if (entries == NULL)
    return false;
  agenda->entries = entries;
  agenda->capacity = capacity;
  return true;
}

tern_status tern_agenda_add(struct tern_agenda *agenda, tern_time at, void *item)
{
  if (agenda->count == agenda->capacity && !grow(agenda))
    return TERN_NOMEM;
  struct tern_agenda_entry entry = {at, agenda->next_order++, item};
  size_t i = agenda->count++;
  while (i > 0 && is_before(&entry, &agenda->entries[(i - 1) / 2])) {
    agenda->entries[i] = agenda->entries[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  agenda->entries[i] = entry;
  return TERN_OK;
}

void *tern_agenda_take(struct tern_agenda *agenda, tern_time until)
{
  if (agenda->count == 0 || agenda->entries[0].at > until)
    return NULL;
  void *item = agenda->entries[0].item;
  struct tern_agenda_entry last = agenda->entries[--agenda->count];
  size_t i = 0;
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= agenda->count)
      break;
    if (child + 1 < agenda->count &&
        is_before(&agenda->entries[child + 1], &agenda->entries[child]))
      child++;
    if (!is_before(&agenda->entries[child], &last))
      break;
    agenda->entries[i] = agenda->entries[child];
    i = child;
  }
  agenda->entries[i] = last;
  return item;
}
