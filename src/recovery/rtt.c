/* SPDX-License-Identifier: MIT */
/* RFC 9002 5.3 with the order of its appendix A.7: the variation uses the smoothed value from
 * before the sample. */
#include "recovery/rtt.h"

void tern_rtt_init(struct tern_rtt *rtt, uint64_t initial_ns)
{
  if (initial_ns == 0)
    initial_ns = TERN_RTT_INITIAL_NS;
  rtt->latest_ns = 0;
  rtt->smoothed_ns = initial_ns;
  rtt->variation_ns = initial_ns / 2;
  rtt->min_ns = 0;
  rtt->has_sample = false;
}

static void take_first(struct tern_rtt *rtt, uint64_t sample_ns)
{
  rtt->latest_ns = sample_ns;
  rtt->min_ns = sample_ns; /* [rfc9002-5.2] MUST be latest_rtt on the first sample */
  rtt->smoothed_ns = sample_ns;
  rtt->variation_ns = sample_ns / 2;
  rtt->has_sample = true;
}

void tern_rtt_on_sample(struct tern_rtt *rtt, uint64_t sample_ns, uint64_t ack_delay_ns,
                        uint64_t max_ack_delay_ns, bool is_confirmed)
{
  uint64_t adjusted_ns = 0;
  uint64_t deviation_ns = 0;

  /* A clock that stood still gives 0; 1 keeps divisions by the estimate defined. */
  if (sample_ns == 0)
    sample_ns = 1;
  if (sample_ns > TERN_RTT_SAMPLE_MAX_NS)
    sample_ns = TERN_RTT_SAMPLE_MAX_NS;
  if (!rtt->has_sample) {
    take_first(rtt, sample_ns);
    return;
  }
  rtt->latest_ns = sample_ns;
  if (sample_ns < rtt->min_ns)
    rtt->min_ns = sample_ns; /* [rfc9002-5.2] the lesser, delays of the peer ignored */

  /* [rfc9002-5.3] MUST use the lesser of both delays once the handshake is confirmed. */
  if (is_confirmed && ack_delay_ns > max_ack_delay_ns)
    ack_delay_ns = max_ack_delay_ns;
  /* [rfc9002-5.3] MUST NOT subtract it if the result is smaller than min_rtt. */
  adjusted_ns = sample_ns;
  if (ack_delay_ns <= sample_ns - rtt->min_ns)
    adjusted_ns = sample_ns - ack_delay_ns;

  deviation_ns = rtt->smoothed_ns > adjusted_ns ? rtt->smoothed_ns - adjusted_ns
                                                : adjusted_ns - rtt->smoothed_ns;
  rtt->variation_ns = (3 * rtt->variation_ns + deviation_ns) / 4;
  rtt->smoothed_ns = (7 * rtt->smoothed_ns + adjusted_ns) / 8;
}

void tern_rtt_on_persistent_congestion(struct tern_rtt *rtt)
{
  if (rtt->has_sample)
    rtt->min_ns = rtt->latest_ns;
}
