/* SPDX-License-Identifier: MIT */
/* A bounded memory of what was seen lately, as 64-bit fingerprints: exact, for at least `life_ns` and at
 * most twice that.
 *
 *   young [ added since the last turn ]   --turn, every life_ns-->   old [ only looked up ]   --> gone
 *
 * Each half is an open-addressed table that grows as it fills, up to `entries_max`; what to do when it
 * is full is the caller's: nothing, or `tern_seen_turn` early and so forget the oldest. Fingerprints
 * are not for outsiders to choose: they come from a keyed hash or are our own random bytes. */
#ifndef TERN_BASE_SEEN_H
#define TERN_BASE_SEEN_H

#include <tern/base.h>

#include "base/alloc.h"

struct tern_seen_half {
  uint64_t *slots; /* 0 = free; NULL until the first is added */
  uint32_t count;
  uint32_t capacity; /* power of two */
};

struct tern_seen {
  struct tern_alloc *alloc;
  struct tern_seen_half young, old;
  uint32_t entries_max; /* of a half */
  uint64_t life_ns;
  tern_time turned_at;
};

void tern_seen_init(struct tern_seen *seen, struct tern_alloc *alloc, uint32_t entries_max,
                    uint64_t life_ns);
void tern_seen_deinit(struct tern_seen *seen);

bool tern_seen_has(struct tern_seen *seen, uint64_t print, tern_time now);
/* TERN_OK also if it was there; TERN_LIMIT: this half is full; TERN_NOMEM. */
TERN_MUST_CHECK tern_status tern_seen_add(struct tern_seen *seen, uint64_t print, tern_time now);
/* Forgets the old half, and begins a new one. */
void tern_seen_turn(struct tern_seen *seen, tern_time now);

#endif
