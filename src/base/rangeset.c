/* SPDX-License-Identifier: MIT */
/* An array kept sorted. Changes in the middle move what is above them: at most a few hundred ranges of
 * 16 bytes, since every user caps the count; a tree would cost more in pointers than it saves. */
#include "base/rangeset.h"

#include <string.h>

#include "base/assert.h"

void tern_rangeset_init(struct tern_rangeset *set)
{
  *set = (struct tern_rangeset){.capacity = TERN_RANGESET_INLINE};
  set->ranges = set->few;
}

void tern_rangeset_deinit(struct tern_rangeset *set, struct tern_alloc *alloc)
{
  if (set->ranges != set->few)
    tern_alloc_give(alloc, set->ranges, set->capacity * sizeof *set->ranges);
  tern_rangeset_init(set);
}

void tern_rangeset_trim(struct tern_rangeset *set, struct tern_alloc *alloc)
{
  struct tern_range *ranges = set->ranges;

  if (ranges == set->few || set->count > TERN_RANGESET_INLINE)
    return;
  memcpy(set->few, ranges, set->count * sizeof *ranges);
  tern_alloc_give(alloc, ranges, set->capacity * sizeof *ranges);
  set->ranges = set->few;
  set->capacity = TERN_RANGESET_INLINE;
}

/* First index whose end is at or above `value`: the first range that [value, ...) touches. The upper
 * end is looked at before searching. */
static uint32_t find_touching(const struct tern_rangeset *set, uint64_t value)
{
  uint32_t low = 0, high = set->count;
  if (high == 0 || set->ranges[high - 1].end < value)
    return high;
  if (high == 1 || set->ranges[high - 2].end < value)
    return high - 1;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (set->ranges[middle].end < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

uint32_t tern_rangeset_find(const struct tern_rangeset *set, uint64_t value)
{
  return value == UINT64_MAX ? set->count : find_touching(set, value + 1);
}

static bool reserve_one(struct tern_rangeset *set, struct tern_alloc *alloc)
{
  if (set->count < set->capacity)
    return true;
  if (set->capacity > UINT32_MAX / 2)
    return false;
  uint32_t capacity = set->capacity * 4;
  struct tern_range *ranges;
  if (set->ranges == set->few) {
    ranges = tern_alloc_take(alloc, capacity * sizeof *ranges);
    if (ranges != NULL)
      memcpy(ranges, set->few, sizeof set->few);
  } else {
    capacity = set->capacity * 2;
    ranges = tern_alloc_resize(alloc, set->ranges, set->capacity * sizeof *ranges,
                               capacity * sizeof *ranges);
  }
  if (ranges == NULL)
    return false;
  set->ranges = ranges;
  set->capacity = capacity;
  return true;
}

static tern_status insert_at(struct tern_rangeset *set, struct tern_alloc *alloc, uint32_t at,
                             struct tern_range range)
{
  if (!reserve_one(set, alloc))
    return TERN_NOMEM;
  memmove(&set->ranges[at + 1], &set->ranges[at], (set->count - at) * sizeof range);
  set->ranges[at] = range;
  set->count++;
  return TERN_OK;
}

/* Takes out the ranges [from, to). */
static void erase(struct tern_rangeset *set, uint32_t from, uint32_t to)
{
  if (from == to)
    return;
  memmove(&set->ranges[from], &set->ranges[to], (set->count - to) * sizeof *set->ranges);
  set->count -= to - from;
}

tern_status tern_rangeset_add_capped(struct tern_rangeset *set, struct tern_alloc *alloc,
                                     struct tern_range range, uint32_t ranges_max)
{
  TERN_ASSERT(range.start < range.end);
  uint32_t from = find_touching(set, range.start);
  if (from == set->count || set->ranges[from].start > range.end) {
    if (set->count >= ranges_max)
      return TERN_LIMIT;
    return insert_at(set, alloc, from, range);
  }
  uint32_t to = from + 1;
  while (to < set->count && set->ranges[to].start <= range.end)
    to++;
  struct tern_range *merged = &set->ranges[from];
  if (range.start < merged->start)
    merged->start = range.start;
  merged->end = set->ranges[to - 1].end;
  if (range.end > merged->end)
    merged->end = range.end;
  erase(set, from + 1, to);
  return TERN_OK;
}

tern_status tern_rangeset_add(struct tern_rangeset *set, struct tern_alloc *alloc, uint64_t start,
                              uint64_t end)
{
  struct tern_range range = {start, end};
  return tern_rangeset_add_capped(set, alloc, range, UINT32_MAX);
}

tern_status tern_rangeset_remove(struct tern_rangeset *set, struct tern_alloc *alloc,
                                 uint64_t start, uint64_t end)
{
  if (start >= end)
    return TERN_OK;
  uint32_t from = tern_rangeset_find(set, start);
  if (from == set->count)
    return TERN_OK;
  struct tern_range *first = &set->ranges[from];
  if (first->start < start && first->end > end) {
    struct tern_range rest = {end, first->end};
    tern_status status = insert_at(set, alloc, from + 1, rest);
    if (status == TERN_OK)
      set->ranges[from].end = start;
    return status;
  }
  if (first->start < start) {
    first->end = start;
    from++;
  }
  uint32_t to = from;
  while (to < set->count && set->ranges[to].end <= end)
    to++;
  if (to < set->count && set->ranges[to].start < end)
    set->ranges[to].start = end;
  erase(set, from, to);
  return TERN_OK;
}

void tern_rangeset_remove_below(struct tern_rangeset *set, uint64_t end)
{
  uint32_t to = tern_rangeset_find(set, end);
  if (to < set->count && set->ranges[to].start < end)
    set->ranges[to].start = end;
  erase(set, 0, to);
}

void tern_rangeset_drop_first(struct tern_rangeset *set)
{
  TERN_ASSERT(set->count > 0);
  erase(set, 0, 1);
}

bool tern_rangeset_has(const struct tern_rangeset *set, uint64_t value)
{
  uint32_t at = tern_rangeset_find(set, value);
  return at < set->count && set->ranges[at].start <= value;
}

bool tern_rangeset_covers(const struct tern_rangeset *set, uint64_t start, uint64_t end)
{
  if (start >= end)
    return true;
  uint32_t at = tern_rangeset_find(set, start);
  return at < set->count && set->ranges[at].start <= start && set->ranges[at].end >= end;
}
