/* SPDX-License-Identifier: MIT */
/* One stretch at a time is enough: see the header for why numbers arrive in order. */
#include "recovery/persistent.h"

void tern_persistent_init(struct tern_persistent *persistent)
{
  persistent->first_sample_time = TERN_TIME_NEVER;
  persistent->start = TERN_TIME_NEVER;
  persistent->span_ns = 0;
  persistent->route = 0;
}

void tern_persistent_on_rtt_sample(struct tern_persistent *persistent, tern_time now)
{
  if (persistent->first_sample_time == TERN_TIME_NEVER)
    persistent->first_sample_time = now;
}

void tern_persistent_on_lost(struct tern_persistent *persistent, tern_time sent_time, uint8_t route)
{
  uint64_t span_ns = 0;

  /* [rfc9002-7.6.2] a prior RTT sample existed when both packets were sent. */
  if (sent_time <= persistent->first_sample_time)
    return;
  if (persistent->start == TERN_TIME_NEVER || persistent->route != route) {
    persistent->start = sent_time;
    persistent->route = route;
    return;
  }
  span_ns = sent_time > persistent->start ? sent_time - persistent->start : 0;
  if (span_ns > persistent->span_ns)
    persistent->span_ns = span_ns;
}

void tern_persistent_on_acked(struct tern_persistent *persistent)
{
  persistent->start = TERN_TIME_NEVER;
}

bool tern_persistent_take(struct tern_persistent *persistent, const struct tern_rtt *rtt,
                          uint64_t max_ack_delay_ns)
{
  /* [rfc9002-7.6.1] includes max_ack_delay in every number space. */
  uint64_t duration_ns = (tern_rtt_pto_ns(rtt) + max_ack_delay_ns) * TERN_PERSISTENT_THRESHOLD;
  bool is_persistent = persistent->span_ns > duration_ns;

  persistent->span_ns = 0;
  if (is_persistent)
    persistent->start = TERN_TIME_NEVER;
  return is_persistent;
}
