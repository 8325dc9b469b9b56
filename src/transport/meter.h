/* SPDX-License-Identifier: MIT */
/* So many in a second, and what a burst allows: a leaky bucket in its virtual scheduling form. What comes
 * too early is refused and costs nothing, so under a flood the rate stays what it is.
 *
 *   full_at = max(full_at, now) + step        allowed while full_at - now <= burst */
#ifndef TERN_TRANSPORT_METER_H
#define TERN_TRANSPORT_METER_H

#include <tern/base.h>

struct tern_meter {
  tern_time full_at; /* when the credit would be whole again */
  uint64_t step_ns;
  uint64_t burst_ns;
};

/* `rate` per second, `burst` at once; both at least 1. */
static inline struct tern_meter tern_meter_of(uint32_t rate, uint32_t burst)
{
  uint64_t step_ns = TERN_SECOND / rate;
  struct tern_meter meter = {0, step_ns, step_ns * burst};
  return meter;
}

/* One more at `now`: false if that is too many. */
static inline bool tern_meter_take(struct tern_meter *meter, tern_time now)
{
  tern_time full_at = (meter->full_at > now ? meter->full_at : now) + meter->step_ns;
  if (full_at - now > meter->burst_ns)
    return false;
  meter->full_at = full_at;
  return true;
}

#endif
