/* SPDX-License-Identifier: MIT */
/* Prague: a scalable controller for L4S queues (RFC 9331 4.3), which mark early and often and expect a
 * response in proportion.
 *
 *   alpha   += (F - alpha) / 16        once per round; F = share of marked packets in it [rfc8257-3.3]
 *   window  -= window * alpha / 2      once per round with marks
 *   window  += gain * datagram         per round without; gain = (rtt / 25 ms)^2 below 25 ms, so that
 *                                      short paths do not starve long ones [rfc9331-4.3]
 *   loss                               window / 2, as Reno: the queue was no L4S one [rfc9331-4.3]
 *
 * Not here: windows below two datagrams, and finding out that a classic queue marks like RFC 3168. */
#include <string.h>

#include <tern/base.h>
#include <tern/cc.h>

#include "recovery/cc_common.h"

#define ALPHA_ONE (UINT64_C(1) << 20)
#define ALPHA_SHIFT 4 /* g = 1/16 [rfc8257-4.2] */
#define RTT_VIRTUAL_NS (25 * TERN_MS)

struct prague {
  uint64_t window_bytes;
  uint64_t ssthresh_bytes;
  uint64_t datagram_bytes;
  uint64_t credit_bytes; /* acknowledged, weighted, not yet a datagram of growth */
  uint64_t alpha;        /* of ALPHA_ONE */
  uint64_t round_end;    /* packet number */
  uint64_t marked;       /* in this round */
  uint64_t acked;        /* packets that could be */
  uint64_t undo_window_bytes;
  uint64_t undo_ssthresh_bytes;
  tern_time recovery_time;
  bool has_recovery;
  bool has_reduced; /* for marks, in this round */
  bool has_undo;
};

_Static_assert(sizeof(struct prague) <= TERN_CC_STATE_BYTES, "fits the controller's state");

static void init_state(void *state, const tern_cc_start *start)
{
  struct prague *prague = state;

  memset(prague, 0, sizeof *prague);
  prague->datagram_bytes = start->datagram_bytes;
  prague->window_bytes = tern_cc_initial_window(start->datagram_bytes);
  prague->ssthresh_bytes = UINT64_MAX;
  prague->alpha = ALPHA_ONE; /* [rfc8257-4.2] the first mark halves */
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

static void set_window(struct prague *prague, uint64_t window_bytes)
{
  uint64_t minimum = tern_cc_minimum_window(prague->datagram_bytes);

  if (window_bytes > TERN_CC_WINDOW_MAX)
    window_bytes = TERN_CC_WINDOW_MAX;
  prague->window_bytes = window_bytes > minimum ? window_bytes : minimum;
}

/* ---- marks ---------------------------------------------------------------------------------- */

static void end_round(struct prague *prague, uint64_t next_packet_number)
{
  uint64_t acked = prague->acked > prague->marked ? prague->acked : prague->marked;
  uint64_t share = acked != 0 ? prague->marked * ALPHA_ONE / acked : 0;

  /* [rfc8257-3.3] alpha = (1 - g) * alpha + g * M */
  if (acked != 0)
    prague->alpha += (share >> ALPHA_SHIFT) - (prague->alpha >> ALPHA_SHIFT);
  if (share == 0 && prague->alpha < 1 << ALPHA_SHIFT)
    prague->alpha = 0;
  prague->round_end = next_packet_number;
  prague->marked = 0;
  prague->acked = 0;
  prague->has_reduced = false;
}

/* [rfc8257-3.3] cwnd = cwnd * (1 - alpha / 2), once per window of data. */
static void reduce_for_marks(struct prague *prague)
{
  uint64_t cut = 0;

  if (prague->has_reduced)
    return;
  cut = (prague->window_bytes >> 10) * (prague->alpha >> 1) / (ALPHA_ONE >> 10);
  prague->has_reduced = true;
  prague->has_undo = false;
  set_window(prague, prague->window_bytes - cut);
  prague->ssthresh_bytes = prague->window_bytes;
  prague->credit_bytes = 0;
}

/* ---- growth --------------------------------------------------------------------------------- */

static uint64_t weigh(uint64_t acked_bytes, uint64_t smoothed_ns)
{
  uint64_t share = 0;

  if (smoothed_ns == 0 || smoothed_ns >= RTT_VIRTUAL_NS)
    return acked_bytes;
  share = smoothed_ns * 1024 / RTT_VIRTUAL_NS;
  return acked_bytes * share / 1024 * share / 1024;
}

static void grow(struct prague *prague, const tern_cc_ack *ack)
{
  uint64_t acked = ack->acked_bytes;

  if (prague->window_bytes < prague->ssthresh_bytes) {
    set_window(prague, prague->window_bytes + acked);
    return;
  }
  prague->credit_bytes += weigh(acked, ack->rtt.smoothed_ns);
  while (prague->credit_bytes >= prague->window_bytes) {
    prague->credit_bytes -= prague->window_bytes;
    set_window(prague, prague->window_bytes + prague->datagram_bytes);
  }
}

static void on_acked(void *state, const tern_cc_ack *ack)
{
  struct prague *prague = state;

  prague->marked += ack->ecn_ce_count;
  prague->acked += ack->ecn_marked_count;
  if (ack->ecn_ce_count != 0)
    reduce_for_marks(prague);
  if (ack->largest_acked >= prague->round_end)
    end_round(prague, ack->next_packet_number);
  if (ack->is_app_limited || ack->ecn_ce_count != 0)
    return;
  if (prague->has_recovery && ack->newest_sent_time <= prague->recovery_time)
    return;
  grow(prague, ack);
}

/* ---- losses --------------------------------------------------------------------------------- */

static void on_congestion(void *state, const tern_cc_congestion *event)
{
  struct prague *prague = state;

  if (event->is_ecn) /* comes again with the ACK, in full */
    return;
  if (prague->has_recovery && event->sent_time <= prague->recovery_time)
    return;
  prague->has_recovery = true;
  prague->recovery_time = event->now;
  prague->has_undo = true;
  prague->undo_window_bytes = prague->window_bytes;
  prague->undo_ssthresh_bytes = prague->ssthresh_bytes;
  set_window(prague, prague->window_bytes / 2);
  prague->ssthresh_bytes = prague->window_bytes;
  prague->credit_bytes = 0;
}

static void on_persistent_congestion(void *state, tern_time now)
{
  struct prague *prague = state;

  (void)now;
  prague->window_bytes = tern_cc_minimum_window(prague->datagram_bytes);
  prague->has_recovery = false;
  prague->has_undo = false;
  prague->credit_bytes = 0;
}

static void on_spurious(void *state, tern_time now)
{
  struct prague *prague = state;

  (void)now;
  if (!prague->has_undo || prague->window_bytes >= prague->undo_window_bytes)
    return;
  set_window(prague, prague->undo_window_bytes);
  prague->ssthresh_bytes = prague->undo_ssthresh_bytes;
  prague->has_undo = false;
  prague->has_recovery = false;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static uint64_t window_bytes(const void *state)
{
  return ((const struct prague *)state)->window_bytes;
}

static uint64_t ssthresh_bytes(const void *state)
{
  return ((const struct prague *)state)->ssthresh_bytes;
}

static bool is_in_slow_start(const void *state)
{
  const struct prague *prague = state;
  return prague->window_bytes < prague->ssthresh_bytes;
}

/* Even spacing: a queue that marks from a millisecond on sees every burst. */
static uint64_t pacing_rate(const void *state, const tern_cc_rtt *rtt)
{
  const struct prague *prague = state;
  uint64_t rate = 0;

  if (rtt->smoothed_ns == 0)
    return 0;
  rate = prague->window_bytes * TERN_SECOND / rtt->smoothed_ns;
  return is_in_slow_start(state) ? 2 * rate : rate;
}

static void on_datagram_bytes(void *state, uint64_t bytes)
{
  struct prague *prague = state;

  prague->window_bytes =
      tern_cc_resized_window(prague->window_bytes, prague->datagram_bytes, bytes);
  prague->datagram_bytes = bytes;
}

static bool wants_ect1(const void *state)
{
  (void)state;
  return true;
}

const tern_cc_ops tern_cc_prague = {
    .size = sizeof(tern_cc_ops),
    .version = TERN_CC_VERSION,
    .name = "prague",
    .init = init_state,
    .on_sent = on_sent,
    .on_acked = on_acked,
    .on_congestion = on_congestion,
    .on_persistent_congestion = on_persistent_congestion,
    .window_bytes = window_bytes,
    .pacing_rate = pacing_rate,
    .on_spurious = on_spurious,
    .on_datagram_bytes = on_datagram_bytes,
    .ssthresh_bytes = ssthresh_bytes,
    .is_in_slow_start = is_in_slow_start,
    .wants_ect1 = wants_ect1,
    .state_bytes = sizeof(struct prague),
};
