/* SPDX-License-Identifier: MIT */
/* CUBIC (RFC 9438) with HyStart++ (RFC 9406) for the first slow start.
 *
 *   window
 *     |        W_max ........________.....      after a loss: window falls to 0.7, climbs back to
 *     |            |\    ___/        \___/      W_max along a cubic curve that is flat around it,
 *     |            | \__/                       then probes beyond; never slower than Reno (W_est)
 *     +--------------------------------- t
 *
 * The curve runs on the clock of an epoch. Time in which the window was not used
 * (application-limited or idle) is taken out of it by moving the epoch's start, [rfc9438-4.2]. */
#include <string.h>

#include <tern/base.h>
#include <tern/cc.h>

#include "base/assert.h"
#include "recovery/cc_common.h"
#include "recovery/cubic.h"
#include "recovery/hystart.h"

/* beta = 0.7 [rfc9438-4.6]; alpha = 3 (1 - beta) / (1 + beta) = 9 / 17 [rfc9438-4.3] */
#define BETA_NUMERATOR 7
#define BETA_DENOMINATOR 10
#define ALPHA_NUMERATOR 9
#define ALPHA_DENOMINATOR 17
/* W_est carries fractions of a byte: it grows by less than one per packet on large windows. */
#define ESTIMATE_BITS 14

/* What a congestion event changes, kept to undo it [rfc9438-4.9.2]. */
struct curve {
  uint64_t window_bytes;
  uint64_t ssthresh_bytes;
  uint64_t prior_bytes; /* cwnd_prior */
  uint64_t max_bytes;   /* W_max; 0 = undefined */
  uint64_t k_ticks;
  uint64_t estimate_q14; /* W_est << ESTIMATE_BITS */
  tern_time epoch_time;
  bool has_epoch;
};

struct cubic {
  struct curve now;
  struct curve undo;
  struct tern_hystart hystart;
  uint64_t datagram_bytes;
  uint64_t credit; /* part of a byte of growth: (target - window) * acked mod window */
  tern_time recovery_time;
  tern_time active_time; /* of the last ACK or first send: the end of the clock's last interval */
  bool has_recovery;
  bool has_undo;
  bool is_restart; /* after persistent congestion or HyStart++: W_max starts anew */
};

_Static_assert(sizeof(struct cubic) <= TERN_CC_STATE_BYTES, "fits the controller's state");

static void init_state(void *state, const tern_cc_start *start)
{
  struct cubic *cubic = state;
  uint64_t datagram_bytes = start->datagram_bytes;

  TERN_ASSERT(datagram_bytes >= 1200 && datagram_bytes <= UINT16_MAX);
  memset(cubic, 0, sizeof *cubic);
  cubic->now.window_bytes = tern_cc_initial_window(datagram_bytes);
  cubic->now.ssthresh_bytes = UINT64_MAX;
  cubic->datagram_bytes = datagram_bytes;
  cubic->active_time = start->now;
  cubic->is_restart = true;
  tern_hystart_init(&cubic->hystart);
}

static bool is_in_recovery(const struct cubic *cubic, tern_time sent_time)
{
  return cubic->has_recovery && sent_time <= cubic->recovery_time;
}

static bool is_slow(const struct cubic *cubic)
{
  return cubic->now.window_bytes < cubic->now.ssthresh_bytes;
}

/* [rfc9438-4.2] t MUST NOT include time in which the window was not updated. */
static void exclude_until(struct cubic *cubic, tern_time now)
{
  if (cubic->now.has_epoch && now > cubic->active_time)
    cubic->now.epoch_time += now - cubic->active_time;
  if (now > cubic->active_time)
    cubic->active_time = now;
}

static void on_sent(void *state, tern_time now, uint64_t bytes, uint64_t in_flight_bytes,
                    uint64_t packet_number)
{
  (void)packet_number;
  /* The first packet after silence: nothing was in flight but itself. */
  if (in_flight_bytes <= bytes)
    exclude_until(state, now);
}

/* ---- growth ------------------------------------------------------------------------------- */

static void leave_slow_start(struct cubic *cubic)
{
  cubic->now.ssthresh_bytes = cubic->now.window_bytes;
  cubic->now.prior_bytes = cubic->now.window_bytes;
  cubic->is_restart = true; /* [rfc9438-4.10] no loss, so W_max is undefined */
  cubic->now.has_epoch = false;
}

static void grow_slow(struct cubic *cubic, const tern_cc_ack *ack)
{
  struct tern_hystart *hystart = &cubic->hystart;

  /* [rfc9406-4.3] only for the initial slow start. */
  if (cubic->now.ssthresh_bytes != UINT64_MAX) {
    cubic->now.window_bytes += ack->acked_bytes;
    return;
  }
  cubic->now.window_bytes += tern_hystart_growth_bytes(hystart, ack->acked_bytes);
  if (ack->rtt.latest_ns > 0)
    tern_hystart_on_sample(hystart, ack->rtt.latest_ns, ack->largest_acked,
                           ack->next_packet_number);
  if (hystart->phase == TERN_HYSTART_DONE)
    leave_slow_start(cubic);
}

static void start_epoch(struct cubic *cubic, tern_time now)
{
  struct curve *curve = &cubic->now;

  curve->has_epoch = true;
  curve->epoch_time = now;
  curve->estimate_q14 = curve->window_bytes << ESTIMATE_BITS;
  cubic->credit = 0;
  /* [rfc9438-4.8] [rfc9438-4.10] the curve begins at its plateau: K = 0, W_max = cwnd. Also where
   * the minimum window keeps cwnd above W_max. */
  if (cubic->is_restart || curve->window_bytes > curve->max_bytes)
    curve->max_bytes = curve->window_bytes;
  cubic->is_restart = false;
  curve->k_ticks = tern_cubic_k_ticks(curve->max_bytes, curve->window_bytes, cubic->datagram_bytes);
}

/* [rfc9438-4.3] W_est += alpha * acked / cwnd, in segments. acked <= cwnd <= 2^30 and datagrams are
 * below 2^16, so the shifted product stays below 2^60. */
static void grow_estimate(struct cubic *cubic, uint64_t acked_bytes)
{
  struct curve *curve = &cubic->now;
  uint64_t numerator = ALPHA_NUMERATOR;
  uint64_t denominator = ALPHA_DENOMINATOR;
  uint64_t share_q14 = 0;

  /* Once W_est reached cwnd_prior, alpha SHOULD be 1. */
  if (curve->estimate_q14 >> ESTIMATE_BITS >= curve->prior_bytes) {
    numerator = 1;
    denominator = 1;
  }
  share_q14 = ((acked_bytes * cubic->datagram_bytes) << ESTIMATE_BITS) / curve->window_bytes;
  curve->estimate_q14 += share_q14 * numerator / denominator;
  if (curve->estimate_q14 > TERN_CC_WINDOW_MAX << ESTIMATE_BITS)
    curve->estimate_q14 = TERN_CC_WINDOW_MAX << ESTIMATE_BITS;
}

static uint64_t get_target(const struct cubic *cubic, uint64_t since_ns)
{
  const struct curve *curve = &cubic->now;
  uint64_t target = tern_cubic_window(tern_cubic_ticks(since_ns), curve->k_ticks, curve->max_bytes,
                                      cubic->datagram_bytes);
  uint64_t bound = curve->window_bytes + curve->window_bytes / 2;

  if (target < curve->window_bytes)
    return curve->window_bytes;
  return target < bound ? target : bound;
}

static void grow_in_avoidance(struct cubic *cubic, const tern_cc_ack *ack)
{
  struct curve *curve = &cubic->now;
  uint64_t acked = ack->acked_bytes < curve->window_bytes ? ack->acked_bytes : curve->window_bytes;
  uint64_t since_ns = 0;
  uint64_t estimate = 0;
  uint64_t growth = 0;

  if (!curve->has_epoch)
    start_epoch(cubic, ack->now);
  since_ns = ack->now > curve->epoch_time ? ack->now - curve->epoch_time : 0;
  grow_estimate(cubic, acked);
  estimate = curve->estimate_q14 >> ESTIMATE_BITS;
  /* [rfc9438-4.3] Reno-friendly region: W_cubic(t) < W_est, cwnd SHOULD be W_est. */
  if (tern_cubic_window(tern_cubic_ticks(since_ns), curve->k_ticks, curve->max_bytes,
                        cubic->datagram_bytes) < estimate) {
    if (estimate > curve->window_bytes)
      curve->window_bytes = estimate;
    return;
  }
  /* [rfc9438-4.4] [rfc9438-4.5] (target - cwnd) / cwnd per segment; 2^29 * 2^30 fits. */
  cubic->credit +=
      (get_target(cubic, since_ns + ack->rtt.smoothed_ns) - curve->window_bytes) * acked;
  growth = cubic->credit / curve->window_bytes;
  cubic->credit %= curve->window_bytes;
  curve->window_bytes += growth;
}

static void on_acked(void *state, const tern_cc_ack *ack)
{
  struct cubic *cubic = state;

  /* [rfc9438-5.8] [rfc9002-7.8] no growth while the window is not used. */
  if (ack->is_app_limited) {
    exclude_until(cubic, ack->now);
    return;
  }
  if (ack->now > cubic->active_time)
    cubic->active_time = ack->now;
  if (is_in_recovery(cubic, ack->newest_sent_time))
    return;
  if (is_slow(cubic))
    grow_slow(cubic, ack);
  else
    grow_in_avoidance(cubic, ack);
  if (cubic->now.window_bytes > TERN_CC_WINDOW_MAX)
    cubic->now.window_bytes = TERN_CC_WINDOW_MAX;
}

/* ---- reduction ---------------------------------------------------------------------------- */

static uint64_t reduce(uint64_t window_bytes)
{
  return window_bytes * BETA_NUMERATOR / BETA_DENOMINATOR;
}

static void on_congestion(void *state, const tern_cc_congestion *event)
{
  struct cubic *cubic = state;
  struct curve *curve = &cubic->now;
  uint64_t minimum = tern_cc_minimum_window(cubic->datagram_bytes);

  if (is_in_recovery(cubic, event->sent_time))
    return;
  cubic->undo = *curve;
  cubic->has_undo = !event->is_ecn; /* a mark is never spurious */
  cubic->has_recovery = true;
  cubic->recovery_time = event->now;
  tern_hystart_on_congestion(&cubic->hystart);

  /* [rfc9438-4.7] fast convergence: below the last W_max, release more. */
  if (curve->window_bytes < curve->max_bytes)
    curve->max_bytes =
        curve->window_bytes * (BETA_DENOMINATOR + BETA_NUMERATOR) / (2 * BETA_DENOMINATOR);
  else
    curve->max_bytes = curve->window_bytes;
  curve->prior_bytes = curve->window_bytes;
  /* [rfc9438-4.6] cwnd stands for flight_size: it did not grow while it was not used. */
  curve->ssthresh_bytes = reduce(curve->window_bytes);
  if (curve->ssthresh_bytes < minimum)
    curve->ssthresh_bytes = minimum;
  curve->window_bytes = curve->ssthresh_bytes;
  curve->has_epoch = false;
  cubic->is_restart = false;
}

static void on_persistent_congestion(void *state, tern_time now)
{
  struct cubic *cubic = state;
  struct curve *curve = &cubic->now;

  (void)now;
  /* [rfc9438-4.8] as Reno after a timeout, with ssthresh by beta: it is what the losses just set,
   * so it is not reduced twice. [rfc9002-7.6.2] MUST fall to the minimum window. */
  if (!cubic->has_recovery)
    curve->ssthresh_bytes = reduce(curve->window_bytes);
  curve->window_bytes = tern_cc_minimum_window(cubic->datagram_bytes);
  if (curve->ssthresh_bytes < curve->window_bytes)
    curve->ssthresh_bytes = curve->window_bytes;
  curve->has_epoch = false;
  cubic->is_restart = true;
  cubic->has_recovery = false;
  cubic->has_undo = false;
  tern_hystart_on_congestion(&cubic->hystart);
}

static void on_spurious(void *state, tern_time now)
{
  struct cubic *cubic = state;

  /* [rfc9438-4.9.2] only while the window has not recovered by itself. */
  if (!cubic->has_undo || cubic->now.window_bytes >= cubic->now.prior_bytes)
    return;
  cubic->now = cubic->undo;
  if (cubic->now.ssthresh_bytes == UINT64_MAX)
    tern_hystart_init(&cubic->hystart); /* the first slow start goes on */
  cubic->has_undo = false;
  cubic->has_recovery = false;
  cubic->active_time = now;
}

/* ---- the rest ----------------------------------------------------------------------------- */

static uint64_t window_bytes(const void *state)
{
  return ((const struct cubic *)state)->now.window_bytes;
}

static uint64_t ssthresh_bytes(const void *state)
{
  return ((const struct cubic *)state)->now.ssthresh_bytes;
}

static bool is_in_slow_start(const void *state)
{
  return is_slow(state);
}

static void on_datagram_bytes(void *state, uint64_t bytes)
{
  struct cubic *cubic = state;

  TERN_ASSERT(bytes >= 1200 && bytes <= UINT16_MAX);
  cubic->now.window_bytes =
      tern_cc_resized_window(cubic->now.window_bytes, cubic->datagram_bytes, bytes);
  cubic->datagram_bytes = bytes;
  /* Segments changed their size: the curve starts anew from where it is. */
  cubic->now.has_epoch = false;
  cubic->has_undo = false;
}

const tern_cc_ops tern_cc_cubic = {
    .size = sizeof(tern_cc_ops),
    .version = TERN_CC_VERSION,
    .name = "cubic",
    .init = init_state,
    .on_sent = on_sent,
    .on_acked = on_acked,
    .on_congestion = on_congestion,
    .on_persistent_congestion = on_persistent_congestion,
    .window_bytes = window_bytes,
    .on_spurious = on_spurious,
    .on_datagram_bytes = on_datagram_bytes,
    .ssthresh_bytes = ssthresh_bytes,
    .is_in_slow_start = is_in_slow_start,
    .uses_prr = true,
    .state_bytes = sizeof(struct cubic),
};
