/* SPDX-License-Identifier: MIT */
/* BBR version 3: its calls, and what it answers (5.6 of the draft).
 *
 *   pacing_rate = pacing_gain * bw * 0.99
 *   cwnd        -> cwnd_gain * bw * min_rtt + extra_acked, grown by what is acknowledged, within the
 *                  bounds that losses set
 *
 * What differs from the pseudocode: rounds without any rate sample do not count as a plateau; CE marks
 * act as losses (the draft leaves the response open); a restart from idle is seen by ACKs that left
 * nothing in flight; persistent congestion falls to the minimum window of RFC 9002. */
#include <string.h>

#include "recovery/cc_bbr.h"
#include "recovery/cc_common.h"

_Static_assert(sizeof(struct tern_bbr) <= TERN_CC_STATE_BYTES, "fits the controller's state");

/* xorshift64*: draws spread the probes of many connections; they need not be unpredictable. */
uint64_t tern_bbr_draw(struct tern_bbr *bbr, uint64_t bound)
{
  bbr->random ^= bbr->random >> 12;
  bbr->random ^= bbr->random << 25;
  bbr->random ^= bbr->random >> 27;
  return (bbr->random * UINT64_C(2685821657736338717) >> 16) % bound;
}

/* ---- volumes -------------------------------------------------------------------------------- */

uint64_t tern_bbr_min_pipe_cwnd(const struct tern_bbr *bbr)
{
  return TERN_BBR_MIN_PIPE_DATAGRAMS * bbr->smss;
}

uint64_t tern_bbr_bdp_multiple(const struct tern_bbr *bbr, uint64_t bw, uint64_t gain)
{
  uint64_t seconds = bbr->min_rtt_ns / TERN_SECOND;
  uint64_t bdp = 0;

  if (bbr->min_rtt_ns == TERN_BBR_INFINITY)
    return tern_cc_initial_window(bbr->smss);
  if (seconds > 3600)
    seconds = 3600;
  bdp = bw * seconds + bw * (bbr->min_rtt_ns % TERN_SECOND) / TERN_SECOND;
  return tern_bbr_min(bdp, TERN_CC_WINDOW_MAX) * gain / 100;
}

/* QuantizationBudget; the offload budget is one quantum, as in SetSendQuantum. */
static uint64_t quantize(const struct tern_bbr *bbr, uint64_t inflight_cap)
{
  uint64_t quantum = tern_bbr_min(bbr->pacing_rate / 1000, 65536);

  quantum = tern_bbr_max(quantum, 2 * bbr->smss);
  inflight_cap = tern_bbr_max(inflight_cap, quantum);
  inflight_cap = tern_bbr_max(inflight_cap, tern_bbr_min_pipe_cwnd(bbr));
  if (bbr->state == TERN_BBR_PROBE_BW_UP)
    inflight_cap += 2 * bbr->smss;
  return inflight_cap;
}

uint64_t tern_bbr_inflight(const struct tern_bbr *bbr, uint64_t bw, uint64_t gain)
{
  return quantize(bbr, tern_bbr_bdp_multiple(bbr, bw, gain));
}

uint64_t tern_bbr_inflight_with_headroom(const struct tern_bbr *bbr)
{
  uint64_t headroom = 0;

  if (bbr->inflight_longterm == TERN_BBR_INFINITY)
    return TERN_BBR_INFINITY;
  headroom = tern_bbr_max(bbr->smss, tern_bbr_share(bbr->inflight_longterm, TERN_BBR_HEADROOM));
  if (bbr->inflight_longterm < headroom)
    return tern_bbr_min_pipe_cwnd(bbr);
  return tern_bbr_max(bbr->inflight_longterm - headroom, tern_bbr_min_pipe_cwnd(bbr));
}

uint64_t tern_bbr_target_inflight(const struct tern_bbr *bbr)
{
  return tern_bbr_min(tern_bbr_bdp_multiple(bbr, bbr->bw, 100), bbr->cwnd);
}

uint64_t tern_bbr_probe_rtt_cwnd(const struct tern_bbr *bbr)
{
  return tern_bbr_max(tern_bbr_bdp_multiple(bbr, bbr->bw, TERN_BBR_PROBE_RTT_CWND_GAIN),
                      tern_bbr_min_pipe_cwnd(bbr));
}

void tern_bbr_save_cwnd(struct tern_bbr *bbr)
{
  if (!bbr->has_recovery && bbr->state != TERN_BBR_PROBE_RTT)
    bbr->prior_cwnd = bbr->cwnd;
  else
    bbr->prior_cwnd = tern_bbr_max(bbr->prior_cwnd, bbr->cwnd);
}

void tern_bbr_restore_cwnd(struct tern_bbr *bbr)
{
  bbr->cwnd = tern_bbr_max(bbr->cwnd, bbr->prior_cwnd);
}

/* ---- control parameters --------------------------------------------------------------------- */

static void init_pacing_rate(struct tern_bbr *bbr, uint64_t rtt_ns)
{
  uint64_t window = tern_cc_initial_window(bbr->smss);

  if (rtt_ns == 0)
    rtt_ns = TERN_MS;
  bbr->pacing_rate = window * TERN_SECOND / rtt_ns * TERN_BBR_STARTUP_PACING_GAIN / 100;
  bbr->pacing_rate = tern_bbr_max(tern_bbr_min(bbr->pacing_rate, TERN_BBR_BW_MAX), 1);
}

static void set_pacing_rate_with_gain(struct tern_bbr *bbr, uint64_t pacing_gain)
{
  uint64_t rate = bbr->bw * pacing_gain / 100 * (100 - TERN_BBR_PACING_MARGIN_PERCENT) / 100;

  if (bbr->bw == 0) /* nothing was measured yet */
    return;
  if (bbr->full_bw_reached || rate > bbr->pacing_rate)
    bbr->pacing_rate = tern_bbr_max(tern_bbr_min(rate, TERN_BBR_BW_MAX), 1);
}

static void bound_cwnd_for_model(struct tern_bbr *bbr)
{
  uint64_t cap = TERN_BBR_INFINITY;

  if (tern_bbr_is_in_probe_bw(bbr) && bbr->state != TERN_BBR_PROBE_BW_CRUISE)
    cap = bbr->inflight_longterm;
  else if (bbr->state == TERN_BBR_PROBE_RTT || bbr->state == TERN_BBR_PROBE_BW_CRUISE)
    cap = tern_bbr_inflight_with_headroom(bbr);
  cap = tern_bbr_min(cap, bbr->inflight_shortterm);
  cap = tern_bbr_max(cap, tern_bbr_min_pipe_cwnd(bbr));
  bbr->cwnd = tern_bbr_min(bbr->cwnd, cap);
}

static void set_cwnd(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  uint64_t max_inflight = tern_bbr_bdp_multiple(bbr, bbr->bw, bbr->cwnd_gain);

  max_inflight = quantize(bbr, max_inflight + bbr->extra_acked);
  if (bbr->full_bw_reached)
    bbr->cwnd = tern_bbr_min(bbr->cwnd + rs->newly_acked, max_inflight);
  else if (bbr->cwnd < max_inflight || bbr->delivered < tern_cc_initial_window(bbr->smss))
    bbr->cwnd += rs->newly_acked;
  bbr->cwnd = tern_bbr_max(bbr->cwnd, tern_bbr_min_pipe_cwnd(bbr));
  if (bbr->state == TERN_BBR_PROBE_RTT)
    bbr->cwnd = tern_bbr_min(bbr->cwnd, tern_bbr_probe_rtt_cwnd(bbr));
  bound_cwnd_for_model(bbr);
  bbr->cwnd = tern_bbr_min(bbr->cwnd, TERN_CC_WINDOW_MAX);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void init_state(void *state, const tern_cc_start *start)
{
  struct tern_bbr *bbr = state;

  memset(bbr, 0, sizeof *bbr);
  bbr->now = start->now;
  bbr->smss = start->datagram_bytes;
  bbr->random = start->seed != 0 ? start->seed : 1;
  bbr->cwnd = tern_cc_initial_window(bbr->smss);
  tern_bbr_init_model(bbr);
  init_pacing_rate(bbr, 0);
  tern_bbr_enter_startup(bbr);
}

/* HandleRestartFromIdle */
static void restart_from_idle(struct tern_bbr *bbr)
{
  bbr->idle_restart = true;
  bbr->extra_acked_interval_start = bbr->now;
  if (tern_bbr_is_in_probe_bw(bbr))
    set_pacing_rate_with_gain(bbr, 100);
  else if (bbr->state == TERN_BBR_PROBE_RTT)
    tern_bbr_check_probe_rtt_done(bbr);
}

static void on_sent(void *state, tern_time now, uint64_t bytes, uint64_t in_flight_bytes,
                    uint64_t packet_number)
{
  struct tern_bbr *bbr = state;

  (void)packet_number;
  bbr->is_cwnd_limited |= in_flight_bytes + bbr->smss > bbr->cwnd;
  if (!bbr->is_inflight_zero || in_flight_bytes > bytes)
    return;
  bbr->is_inflight_zero = false;
  bbr->now = now;
  restart_from_idle(bbr);
}

static void take_sample(struct tern_bbr_sample *rs, const tern_cc_ack *ack)
{
  const tern_cc_rate *rate = &ack->rate;

  *rs = (struct tern_bbr_sample){.delivered = rate->delivered_bytes,
                                 .prior_delivered = rate->prior_delivered_bytes,
                                 .newly_acked = ack->acked_bytes,
                                 .tx_in_flight = rate->tx_in_flight_bytes,
                                 .lost = rate->lost_bytes,
                                 .rtt_ns = rate->rtt_ns,
                                 .is_app_limited = rate->is_app_limited};
  if (rate->interval_ns == 0)
    return;
  rs->delivery_rate = rate->delivered_bytes < UINT64_MAX / TERN_SECOND
                          ? rate->delivered_bytes * TERN_SECOND / rate->interval_ns
                          : TERN_BBR_BW_MAX;
  rs->delivery_rate = tern_bbr_min(rs->delivery_rate, TERN_BBR_BW_MAX);
}

static void leave_recovery(struct tern_bbr *bbr, tern_time newest_sent_time)
{
  if (!bbr->has_recovery || newest_sent_time <= bbr->recovery_time)
    return;
  bbr->has_recovery = false;
  tern_bbr_restore_cwnd(bbr);
}

static void on_acked(void *state, const tern_cc_ack *ack)
{
  struct tern_bbr *bbr = state;
  struct tern_bbr_sample rs;

  take_sample(&rs, ack);
  bbr->now = ack->now;
  bbr->delivered = ack->rate.total_delivered_bytes;
  bbr->inflight = ack->in_flight_bytes;
  bbr->is_inflight_zero = ack->in_flight_bytes == 0;
  if (!bbr->has_rtt && ack->rtt.smoothed_ns != 0) {
    bbr->has_rtt = true;
    init_pacing_rate(bbr, ack->rtt.smoothed_ns);
  }
  leave_recovery(bbr, ack->newest_sent_time);
  if (ack->ecn_ce_count != 0)
    tern_bbr_handle_ecn(bbr, &rs, ack->ecn_ce_count);
  tern_bbr_update_model(bbr, &rs);
  tern_bbr_update_state(bbr, &rs);
  tern_bbr_update_min_rtt(bbr, &rs);
  tern_bbr_check_probe_rtt(bbr, &rs);
  tern_bbr_finish_model(bbr, &rs);
  set_pacing_rate_with_gain(bbr, bbr->pacing_gain);
  set_cwnd(bbr, &rs);
}

static void on_lost(void *state, const tern_cc_lost *lost)
{
  struct tern_bbr *bbr = state;

  bbr->now = lost->now;
  bbr->delivered = lost->total_delivered_bytes;
  tern_bbr_handle_lost_packet(bbr, lost);
}

/* Losses came one by one, marks come with the ACK: here only recovery begins. */
static void on_congestion(void *state, const tern_cc_congestion *event)
{
  struct tern_bbr *bbr = state;

  if (event->is_ecn || (bbr->has_recovery && event->sent_time <= bbr->recovery_time))
    return;
  tern_bbr_save_cwnd(bbr);
  bbr->has_recovery = true;
  bbr->recovery_time = event->now;
}

static void on_persistent_congestion(void *state, tern_time now)
{
  struct tern_bbr *bbr = state;

  bbr->now = now;
  tern_bbr_save_cwnd(bbr);
  tern_bbr_save_state_upon_loss(bbr);
  /* [rfc9002-7.6.2] MUST be reduced to the minimum window. */
  bbr->cwnd = tern_cc_minimum_window(bbr->smss);
  bbr->has_recovery = true;
  bbr->recovery_time = now;
}

static void on_spurious(void *state, tern_time now)
{
  struct tern_bbr *bbr = state;

  bbr->now = now;
  tern_bbr_handle_spurious_loss(bbr);
}

static void on_datagram_bytes(void *state, uint64_t bytes)
{
  struct tern_bbr *bbr = state;

  bbr->cwnd = tern_cc_resized_window(bbr->cwnd, bbr->smss, bytes);
  bbr->smss = bytes;
}

static uint64_t window_bytes(const void *state)
{
  return ((const struct tern_bbr *)state)->cwnd;
}

static uint64_t pacing_rate(const void *state, const tern_cc_rtt *rtt)
{
  (void)rtt;
  return ((const struct tern_bbr *)state)->pacing_rate;
}

static bool is_in_slow_start(const void *state)
{
  return ((const struct tern_bbr *)state)->state == TERN_BBR_STARTUP;
}

/* MarkConnectionAppLimited: low rates in ProbeRTT say nothing about the path. */
static bool wants_app_limited(const void *state)
{
  return ((const struct tern_bbr *)state)->state == TERN_BBR_PROBE_RTT;
}

static const char *state_name(const void *state)
{
  static const char *const names[] = {"startup",         "drain",           "probe_bw_down",
                                      "probe_bw_cruise", "probe_bw_refill", "probe_bw_up",
                                      "probe_rtt"};
  return names[((const struct tern_bbr *)state)->state];
}

const tern_cc_ops tern_cc_bbr = {
    .size = sizeof(tern_cc_ops),
    .version = TERN_CC_VERSION,
    .name = "bbr",
    .init = init_state,
    .on_sent = on_sent,
    .on_acked = on_acked,
    .on_congestion = on_congestion,
    .on_persistent_congestion = on_persistent_congestion,
    .window_bytes = window_bytes,
    .pacing_rate = pacing_rate,
    .on_lost = on_lost,
    .on_spurious = on_spurious,
    .on_datagram_bytes = on_datagram_bytes,
    .is_in_slow_start = is_in_slow_start,
    .wants_app_limited = wants_app_limited,
    .state_name = state_name,
    .state_bytes = sizeof(struct tern_bbr),
};
