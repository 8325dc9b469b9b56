/* SPDX-License-Identifier: MIT */
/* Two generations of open-addressed tables, at most half full. */
#include "base/seen.h"

#include <string.h>

#define CAPACITY_MIN 64

void tern_seen_init(struct tern_seen *seen, struct tern_alloc *alloc, uint32_t entries_max,
                    uint64_t life_ns)
{
  memset(seen, 0, sizeof *seen);
  seen->alloc = alloc;
  seen->entries_max = entries_max;
  seen->life_ns = life_ns;
}

static void drop_half(struct tern_seen *seen, struct tern_seen_half *half)
{
  tern_alloc_give(seen->alloc, half->slots, half->capacity * sizeof *half->slots);
  memset(half, 0, sizeof *half);
}

void tern_seen_deinit(struct tern_seen *seen)
{
  drop_half(seen, &seen->young);
  drop_half(seen, &seen->old);
}

void tern_seen_turn(struct tern_seen *seen, tern_time now)
{
  drop_half(seen, &seen->old);
  seen->old = seen->young;
  memset(&seen->young, 0, sizeof seen->young);
  seen->turned_at = now;
}

static void turn_if_due(struct tern_seen *seen, tern_time now)
{
  if (now < seen->turned_at || now - seen->turned_at < seen->life_ns)
    return;
  bool is_long_ago = (now - seen->turned_at) / 2 >= seen->life_ns;
  tern_seen_turn(seen, now);
  if (is_long_ago)
    drop_half(seen, &seen->old);
}

/* Where `print` is, or the free slot where it belongs. */
static uint64_t *find_slot(const struct tern_seen_half *half, uint64_t print)
{
  uint32_t at = (uint32_t)(print ^ print >> 32) & (half->capacity - 1);
  while (half->slots[at] != 0 && half->slots[at] != print)
    at = (at + 1) & (half->capacity - 1);
  return &half->slots[at];
}

static bool has(const struct tern_seen_half *half, uint64_t print)
{
  return half->slots != NULL && *find_slot(half, print) == print;
}

static bool grow(struct tern_seen *seen, struct tern_seen_half *half)
{
  struct tern_seen_half more = {.count = half->count};
  more.capacity = half->capacity != 0 ? half->capacity * 2 : CAPACITY_MIN;
  more.slots = tern_alloc_take_zero(seen->alloc, more.capacity * sizeof *more.slots);
  if (more.slots == NULL)
    return false;
  for (uint32_t i = 0; i < half->capacity; i++)
    if (half->slots[i] != 0)
      *find_slot(&more, half->slots[i]) = half->slots[i];
  drop_half(seen, half);
  *half = more;
  return true;
}

/* 0 stands for a free slot. */
static uint64_t normalise(uint64_t print)
{
  return print != 0 ? print : 1;
}

bool tern_seen_has(struct tern_seen *seen, uint64_t print, tern_time now)
{
  print = normalise(print);
  turn_if_due(seen, now);
  return has(&seen->young, print) || has(&seen->old, print);
}

tern_status tern_seen_add(struct tern_seen *seen, uint64_t print, tern_time now)
{
  struct tern_seen_half *half = &seen->young;
  print = normalise(print);
  turn_if_due(seen, now);
  if (has(half, print))
    return TERN_OK;
  if (half->count >= seen->entries_max)
    return TERN_LIMIT;
  if (half->count >= half->capacity / 2 && !grow(seen, half))
    return TERN_NOMEM;
  *find_slot(half, print) = print;
  half->count++;
  return TERN_OK;
}
