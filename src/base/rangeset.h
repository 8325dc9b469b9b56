/* SPDX-License-Identifier: MIT */
/* A sorted set of half-open ranges of 62-bit numbers, merged where they touch.
 *
 *   [start, end) [start, end) ...   ascending, gaps of at least 1 between them
 *
 * The first range lives inside the struct, so the common case (everything in order) never touches the
 * heap. Lookups are binary; changes at the upper end, the usual place, are O(1). */
#ifndef TERN_BASE_RANGESET_H
#define TERN_BASE_RANGESET_H

#include <tern/base.h>

#include "base/alloc.h"

struct tern_range {
  uint64_t start;
  uint64_t end; /* exclusive */
};

#define TERN_RANGESET_INLINE 1

struct tern_rangeset {
  struct tern_range *ranges; /* `few` or heap */
  uint32_t count;
  uint32_t capacity;
  struct tern_range few[TERN_RANGESET_INLINE];
};

void tern_rangeset_init(struct tern_rangeset *set);
void tern_rangeset_deinit(struct tern_rangeset *set, struct tern_alloc *alloc);

static inline bool tern_rangeset_is_empty(const struct tern_rangeset *set)
{
  return set->count == 0;
}

/* Adds [start, end), merging. TERN_NOMEM changes nothing. `start` < `end`. */
TERN_MUST_CHECK tern_status tern_rangeset_add(struct tern_rangeset *set, struct tern_alloc *alloc,
                                              uint64_t start, uint64_t end);
/* The same with a bound on the number of ranges: TERN_LIMIT (unchanged) if it would be passed. */
TERN_MUST_CHECK tern_status tern_rangeset_add_capped(struct tern_rangeset *set,
                                                     struct tern_alloc *alloc,
                                                     struct tern_range range, uint32_t ranges_max);
/* Takes [start, end) out; may split a range. */
TERN_MUST_CHECK tern_status tern_rangeset_remove(struct tern_rangeset *set,
                                                 struct tern_alloc *alloc, uint64_t start,
                                                 uint64_t end);
/* Takes out everything below `end`; cannot fail. */
void tern_rangeset_remove_below(struct tern_rangeset *set, uint64_t end);
/* Drops the lowest range. */
void tern_rangeset_drop_first(struct tern_rangeset *set);
/* Gives the heap back if the ranges fit the struct. */
void tern_rangeset_trim(struct tern_rangeset *set, struct tern_alloc *alloc);
bool tern_rangeset_has(const struct tern_rangeset *set, uint64_t value);
/* True if all of [start, end) is in the set. */
bool tern_rangeset_covers(const struct tern_rangeset *set, uint64_t start, uint64_t end);
/* Index of the first range whose end is above `value`; `count` if none. */
uint32_t tern_rangeset_find(const struct tern_rangeset *set, uint64_t value);

#endif
