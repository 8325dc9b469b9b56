/* SPDX-License-Identifier: MIT */
/* Persistent congestion (RFC 9002 7.6): the longest stretch of time over which every packet was
 * lost.
 *
 *   number:  1   2   3   4   5   6   7   8   9
 *   fate:    a   L   L   L   L   L   L   L   a        span = sent(8) - sent(2)
 *
 * The walk over a ring (loss.h) passes every number once, in order, so it is enough to remember
 * where the current stretch began: an acknowledged packet ends it, a lost ack-eliciting one
 * extends it. Persistent if the span exceeds 3 * (smoothed + max(4 * variation, 1 ms) +
 * max_ack_delay).
 *
 * Only one number space is looked at, which [rfc9002-7.6.2] allows. */
#ifndef TERN_RECOVERY_PERSISTENT_H
#define TERN_RECOVERY_PERSISTENT_H

#include <tern/base.h>

#include "recovery/rtt.h"

#define TERN_PERSISTENT_THRESHOLD 3 /* [rfc9002-7.6.1] kPersistentCongestionThreshold */

struct tern_persistent {
  tern_time first_sample_time; /* TERN_TIME_NEVER until the first RTT sample */
  tern_time start;             /* send time of the first lost packet of the stretch, or NEVER */
  uint64_t span_ns;            /* longest stretch since it was last asked */
  uint8_t route;
};

void tern_persistent_init(struct tern_persistent *persistent);
/* Call on every RTT sample; the first one counts. Packets sent before it never do. */
void tern_persistent_on_rtt_sample(struct tern_persistent *persistent, tern_time now);
/* A packet in flight and ack-eliciting was declared lost; ascending in number. */
void tern_persistent_on_lost(struct tern_persistent *persistent, tern_time sent_time,
                             uint8_t route);
/* The stretch is broken: an acknowledged packet, also one acknowledged after it was declared
 * lost. */
void tern_persistent_on_acked(struct tern_persistent *persistent);
/* Asks once: true if a stretch since the last call was long enough; it then starts anew. */
bool tern_persistent_take(struct tern_persistent *persistent, const struct tern_rtt *rtt,
                          uint64_t max_ack_delay_ns);

#endif
