/* SPDX-License-Identifier: MIT */
/* Round-trip time of one route (RFC 9002 5).
 *
 *   smoothed  <- 7/8 smoothed + 1/8 adjusted        adjusted = sample - ack_delay, but
 *   variation <- 3/4 variation + 1/4 |smoothed - adjusted|     never below min
 *
 * The first sample replaces the initial guess completely. Everything is integer nanoseconds, so the
 * same samples give the same estimate on every compiler. */
#ifndef TERN_RECOVERY_RTT_H
#define TERN_RECOVERY_RTT_H

#include <tern/base.h>
#include <tern/cc.h>

#define TERN_RTT_INITIAL_NS (333 * TERN_MS) /* [rfc9002-6.2.2] kInitialRtt */
#define TERN_RTT_GRANULARITY_NS TERN_MS     /* [rfc9002-6.1.2] kGranularity */
/* Samples are cut here, so that sums and products of them stay far from overflow: one hour. */
#define TERN_RTT_SAMPLE_MAX_NS (UINT64_C(3600) * TERN_SECOND)

struct tern_rtt {
  uint64_t latest_ns;
  uint64_t smoothed_ns;
  uint64_t variation_ns;
  uint64_t min_ns; /* 0 until has_sample */
  bool has_sample;
};

/* `initial_ns` is the guess used until the first sample; 0 = TERN_RTT_INITIAL_NS. */
void tern_rtt_init(struct tern_rtt *rtt, uint64_t initial_ns);

/* One sample: now minus the send time of the largest newly acknowledged packet. The caller keeps
 * [rfc9002-5.1]: only if the largest acknowledged is newly acknowledged and at least one newly
 * acknowledged packet elicits ACKs. `ack_delay_ns` is decoded from the frame (0 for Initial), and
 * is cut to `max_ack_delay_ns` once the handshake is confirmed. */
void tern_rtt_on_sample(struct tern_rtt *rtt, uint64_t sample_ns, uint64_t ack_delay_ns,
                        uint64_t max_ack_delay_ns, bool is_confirmed);

/* [rfc9002-5.2] after persistent congestion min becomes the newest sample. */
void tern_rtt_on_persistent_congestion(struct tern_rtt *rtt);

/* smoothed + max(4 * variation, 1 ms): a PTO without the peer's ACK delay [rfc9002-6.2.1]. */
static inline uint64_t tern_rtt_pto_ns(const struct tern_rtt *rtt)
{
  uint64_t spread = 4 * rtt->variation_ns;
  return rtt->smoothed_ns + (spread > TERN_RTT_GRANULARITY_NS ? spread : TERN_RTT_GRANULARITY_NS);
}

/* The view a congestion controller gets: zeros until the first sample. */
static inline tern_cc_rtt tern_rtt_get_cc(const struct tern_rtt *rtt)
{
  tern_cc_rtt view = {0, 0, 0, 0};
  if (rtt->has_sample) {
    view.latest_ns = rtt->latest_ns;
    view.smoothed_ns = rtt->smoothed_ns;
    view.variation_ns = rtt->variation_ns;
    view.min_ns = rtt->min_ns;
  }
  return view;
}

#endif
