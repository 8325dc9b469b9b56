/* SPDX-License-Identifier: MIT */
/* The bucket of glitch.h, in integers: credit is kept in units of 1 / TERN_SECOND, so a refill of
 * rate * elapsed nanoseconds is exact. burst and rate are below 2^31 and TERN_SECOND below 2^30, so a
 * full bucket is below 2^61; elapsed is cut where the bucket is full anyway. */
#include "transport/glitch.h"

#include "base/assert.h"

void tern_glitch_init(struct tern_glitch *glitch, uint32_t burst, uint32_t rate, tern_time now)
{
  TERN_ASSERT(burst <= UINT32_C(1) << 30 && rate <= UINT32_C(1) << 30);
  glitch->credit = burst * TERN_SECOND;
  glitch->burst = burst;
  glitch->rate = rate;
  glitch->updated_at = now;
}

static void refill(struct tern_glitch *glitch, tern_time now)
{
  uint64_t full = glitch->burst * TERN_SECOND;
  if (now <= glitch->updated_at)
    return;
  uint64_t elapsed = now - glitch->updated_at;
  glitch->updated_at = now;
  if (glitch->rate == 0)
    return;
  uint64_t missing = full - glitch->credit;
  if (elapsed > missing / glitch->rate)
    glitch->credit = full;
  else
    glitch->credit += elapsed * glitch->rate;
}

bool tern_glitch_on_event(struct tern_glitch *glitch, uint32_t weight, tern_time now)
{
  uint64_t cost = weight * TERN_SECOND;
  refill(glitch, now);
  if (glitch->credit < cost) {
    glitch->credit = 0;
    return false;
  }
  glitch->credit -= cost;
  return true;
}
