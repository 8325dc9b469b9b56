/* SPDX-License-Identifier: MIT */
/* NewReno as in RFC 9002 7 and its appendix B.
 *
 *   window < ssthresh   slow start: grows by what is acknowledged
 *   window >= ssthresh  avoidance: grows by one datagram per window acknowledged
 *   loss or CE          once per recovery period: ssthresh = window = window / 2 */
#include <tern/base.h>
#include <tern/cc.h>

#include "base/assert.h"
#include "recovery/cc_common.h"

struct newreno {
  uint64_t window_bytes;
  uint64_t ssthresh_bytes;
  uint64_t datagram_bytes;
  uint64_t credit_bytes; /* acknowledged in avoidance, not yet turned into a datagram */
  tern_time recovery_time;
  bool has_recovery;
};

_Static_assert(sizeof(struct newreno) <= TERN_CC_STATE_BYTES, "fits the controller's state");

static void init_state(void *state, const tern_cc_start *start)
{
  struct newreno *reno = state;
  uint64_t datagram_bytes = start->datagram_bytes;

  reno->window_bytes = tern_cc_initial_window(datagram_bytes);
  reno->ssthresh_bytes = UINT64_MAX;
  reno->datagram_bytes = datagram_bytes;
  reno->credit_bytes = 0;
  reno->recovery_time = 0;
  reno->has_recovery = false;
}

static void on_sent(void *state, tern_time now, uint64_t bytes, uint64_t in_flight_bytes,
                    uint64_t packet_number)
{
  (void)state;
  (void)now;
  (void)bytes;
  (void)in_flight_bytes;
  (void)packet_number;
}

static bool is_in_recovery(const struct newreno *reno, tern_time sent_time)
{
  return reno->has_recovery && sent_time <= reno->recovery_time;
}

static void grow_in_avoidance(struct newreno *reno, uint64_t acked_bytes)
{
  /* [rfc9002-7.3.3] MUST limit the increase to one datagram per window acknowledged. */
  reno->credit_bytes += acked_bytes;
  while (reno->credit_bytes >= reno->window_bytes) {
    reno->credit_bytes -= reno->window_bytes;
    reno->window_bytes += reno->datagram_bytes;
  }
}

static void on_acked(void *state, const tern_cc_ack *ack)
{
  struct newreno *reno = state;

  /* [rfc9002-7.8] an underused window SHOULD NOT grow; [rfc9002-7.3.2] nor does it in recovery. */
  if (ack->is_app_limited || is_in_recovery(reno, ack->newest_sent_time))
    return;
  if (reno->window_bytes < reno->ssthresh_bytes)
    reno->window_bytes += ack->acked_bytes;
  else
    grow_in_avoidance(reno, ack->acked_bytes);
  if (reno->window_bytes > TERN_CC_WINDOW_MAX)
    reno->window_bytes = TERN_CC_WINDOW_MAX;
}

static void on_congestion(void *state, const tern_cc_congestion *event)
{
  struct newreno *reno = state;
  uint64_t minimum = tern_cc_minimum_window(reno->datagram_bytes);

  if (is_in_recovery(reno, event->sent_time))
    return;
  /* [rfc9002-7.3.2] MUST set the threshold to half of the window. */
  reno->has_recovery = true;
  reno->recovery_time = event->now;
  reno->ssthresh_bytes = reno->window_bytes / 2;
  reno->window_bytes = reno->ssthresh_bytes > minimum ? reno->ssthresh_bytes : minimum;
  reno->credit_bytes = 0;
}

static void on_persistent_congestion(void *state, tern_time now)
{
  struct newreno *reno = state;

  (void)now;
  /* [rfc9002-7.6.2] MUST be reduced to the minimum window. */
  reno->window_bytes = tern_cc_minimum_window(reno->datagram_bytes);
  reno->has_recovery = false;
  reno->credit_bytes = 0;
}

static uint64_t window_bytes(const void *state)
{
  return ((const struct newreno *)state)->window_bytes;
}

static uint64_t ssthresh_bytes(const void *state)
{
  return ((const struct newreno *)state)->ssthresh_bytes;
}

static bool is_in_slow_start(const void *state)
{
  const struct newreno *reno = state;
  return reno->window_bytes < reno->ssthresh_bytes;
}

static void on_datagram_bytes(void *state, uint64_t bytes)
{
  struct newreno *reno = state;

  reno->window_bytes = tern_cc_resized_window(reno->window_bytes, reno->datagram_bytes, bytes);
  reno->datagram_bytes = bytes;
}

const tern_cc_ops tern_cc_newreno = {
    .size = sizeof(tern_cc_ops),
    .version = TERN_CC_VERSION,
    .name = "newreno",
    .init = init_state,
    .on_sent = on_sent,
    .on_acked = on_acked,
    .on_congestion = on_congestion,
    .on_persistent_congestion = on_persistent_congestion,
    .window_bytes = window_bytes,
    .on_datagram_bytes = on_datagram_bytes,
    .ssthresh_bytes = ssthresh_bytes,
    .is_in_slow_start = is_in_slow_start,
    .uses_prr = true,
    .state_bytes = sizeof(struct newreno),
};
