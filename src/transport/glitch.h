/* SPDX-License-Identifier: MIT */
/* Counts what costs work without making progress ([rfc9000-21.9], [HOSTILE T14]): a token bucket that
 * starts full. An honest peer is below the rate for ever; one that is not empties the bucket.
 *
 *   credit = min(burst, credit + rate * elapsed) - weight */
#ifndef TERN_TRANSPORT_GLITCH_H
#define TERN_TRANSPORT_GLITCH_H

#include <tern/base.h>

struct tern_glitch {
  uint64_t credit; /* in 1 / TERN_SECOND of a glitch */
  uint32_t burst;  /* glitches */
  uint32_t rate;   /* per second */
  tern_time updated_at;
};

/* `burst` and `rate` at most 2^30. */
void tern_glitch_init(struct tern_glitch *glitch, uint32_t burst, uint32_t rate, tern_time now);
/* False: too many; close the connection. `weight` is usually 1. */
TERN_MUST_CHECK bool tern_glitch_on_event(struct tern_glitch *glitch, uint32_t weight,
                                          tern_time now);

#endif
