/* SPDX-License-Identifier: MIT */
/* BBR's state machine, 5.3 of the draft:
 *
 *   Startup --bandwidth or losses say full--> Drain --one BDP in flight--> ProbeBW
 *   ProbeBW:  DOWN 0.9 -> CRUISE 1.0 -> REFILL 1.0 -> UP 1.25 -> DOWN ...       (pacing gains)
 *   any state, no lower RTT for 5 s -> ProbeRTT, half a BDP for 200 ms -> back */
#include "recovery/cc_bbr.h"

#define PROBE_WAIT_BASE_NS (2 * TERN_SECOND)
#define PROBE_WAIT_RANDOM_NS TERN_SECOND
#define RENO_ROUNDS_MAX 63

/* ---- Startup and Drain ---------------------------------------------------------------------- */

void tern_bbr_enter_startup(struct tern_bbr *bbr)
{
  bbr->state = TERN_BBR_STARTUP;
  bbr->pacing_gain = TERN_BBR_STARTUP_PACING_GAIN;
  bbr->cwnd_gain = TERN_BBR_DEFAULT_CWND_GAIN;
}

static void enter_drain(struct tern_bbr *bbr)
{
  bbr->state = TERN_BBR_DRAIN;
  bbr->pacing_gain = TERN_BBR_DRAIN_PACING_GAIN;
  bbr->cwnd_gain = TERN_BBR_DEFAULT_CWND_GAIN;
  bbr->drain_start_round = bbr->round_count;
}

/* Marks in two rounds in a row say that a queue stands. */
static bool is_ecn_high(struct tern_bbr *bbr)
{
  if (!bbr->loss_round_start)
    return false;
  bbr->ecn_rounds = bbr->is_ecn_in_round ? bbr->ecn_rounds + 1 : 0;
  bbr->is_ecn_in_round = false;
  bbr->ce_bytes = 0;
  return bbr->ecn_rounds >= TERN_BBR_STARTUP_FULL_ECN_COUNT;
}

/* The loss round began with the first loss, so at its end recovery has lasted one full round. */
static bool is_loss_high(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  bool is_high =
      bbr->loss_events >= TERN_BBR_STARTUP_FULL_LOSS_COUNT && tern_bbr_is_inflight_too_high(rs);

  if (!bbr->loss_round_start)
    return false;
  bbr->loss_events = 0;
  return is_high;
}

static void check_startup_high_loss(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  bool is_high = is_loss_high(bbr, rs);

  is_high |= is_ecn_high(bbr);
  if (!is_high || bbr->full_bw_reached || bbr->state != TERN_BBR_STARTUP)
    return;
  bbr->undo_state = TERN_BBR_STARTUP;
  bbr->full_bw_reached = true;
  bbr->inflight_longterm =
      tern_bbr_max(tern_bbr_bdp_multiple(bbr, bbr->bw, 100), bbr->inflight_latest);
}

static void check_startup_done(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  check_startup_high_loss(bbr, rs);
  if (bbr->state == TERN_BBR_STARTUP && bbr->full_bw_reached)
    enter_drain(bbr);
}

static void check_drain_done(struct tern_bbr *bbr)
{
  if (bbr->state != TERN_BBR_DRAIN)
    return;
  if (bbr->inflight > tern_bbr_inflight(bbr, bbr->bw, 100) &&
      bbr->round_count <= bbr->drain_start_round + 3)
    return;
  bbr->cwnd_gain = TERN_BBR_DEFAULT_CWND_GAIN; /* EnterProbeBW */
  tern_bbr_start_probe_bw_down(bbr);
}

/* ---- ProbeBW: entering the phases ----------------------------------------------------------- */

static void enter_phase(struct tern_bbr *bbr, enum tern_bbr_state state, uint16_t pacing_gain)
{
  bbr->state = (uint8_t)state;
  bbr->pacing_gain = pacing_gain;
  bbr->cwnd_gain =
      state == TERN_BBR_PROBE_BW_UP ? TERN_BBR_PROBE_UP_CWND_GAIN : TERN_BBR_DEFAULT_CWND_GAIN;
}

static void pick_probe_wait(struct tern_bbr *bbr)
{
  bbr->rounds_since_probe_up = (uint32_t)tern_bbr_draw(bbr, 2);
  bbr->bw_probe_wait_ns = PROBE_WAIT_BASE_NS + tern_bbr_draw(bbr, PROBE_WAIT_RANDOM_NS + 1);
}

void tern_bbr_start_probe_bw_down(struct tern_bbr *bbr)
{
  tern_bbr_reset_congestion_signals(bbr);
  bbr->probe_up_acked_per_inc = TERN_BBR_INFINITY;
  pick_probe_wait(bbr);
  bbr->cycle_stamp = bbr->now;
  bbr->ack_phase = TERN_BBR_ACKS_PROBE_STOPPING;
  tern_bbr_start_round(bbr);
  enter_phase(bbr, TERN_BBR_PROBE_BW_DOWN, 90);
}

static void start_probe_bw_cruise(struct tern_bbr *bbr)
{
  enter_phase(bbr, TERN_BBR_PROBE_BW_CRUISE, 100);
}

void tern_bbr_start_probe_bw_refill(struct tern_bbr *bbr)
{
  tern_bbr_reset_short_term_model(bbr);
  bbr->bw_probe_up_rounds = 0;
  bbr->bw_probe_up_acked = 0;
  bbr->prev_probe_precautionary = false;
  bbr->ack_phase = TERN_BBR_ACKS_REFILLING;
  tern_bbr_start_round(bbr);
  enter_phase(bbr, TERN_BBR_PROBE_BW_REFILL, 100);
}

static void raise_inflight_longterm_slope(struct tern_bbr *bbr)
{
  uint64_t growth_this_round = UINT64_C(1) << bbr->bw_probe_up_rounds;

  if (bbr->bw_probe_up_rounds < 30)
    bbr->bw_probe_up_rounds++;
  bbr->probe_up_acked_per_inc = tern_bbr_max(bbr->cwnd / growth_this_round, bbr->smss);
}

static void start_probe_bw_up(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  bbr->ack_phase = TERN_BBR_ACKS_PROBE_STARTING;
  tern_bbr_start_round(bbr);
  tern_bbr_reset_full_bw(bbr);
  bbr->full_bw = rs->delivery_rate;
  enter_phase(bbr, TERN_BBR_PROBE_BW_UP, 125);
  raise_inflight_longterm_slope(bbr);
}

/* ---- ProbeBW: deciding ---------------------------------------------------------------------- */

/* Reno of the same window would probe again by now. */
static bool is_reno_coexistence_probe_time(const struct tern_bbr *bbr)
{
  uint64_t reno_rounds = tern_bbr_target_inflight(bbr) / bbr->smss;

  return bbr->rounds_since_probe_up >= tern_bbr_min(reno_rounds, RENO_ROUNDS_MAX);
}

static bool is_time_to_probe_bw(struct tern_bbr *bbr)
{
  if (bbr->now <= bbr->cycle_stamp + bbr->bw_probe_wait_ns && !is_reno_coexistence_probe_time(bbr))
    return false;
  tern_bbr_start_probe_bw_refill(bbr);
  return true;
}

static bool is_time_to_cruise(const struct tern_bbr *bbr)
{
  return bbr->inflight <= tern_bbr_inflight_with_headroom(bbr) &&
         bbr->inflight <= tern_bbr_inflight(bbr, bbr->max_bw, 100);
}

static bool is_time_to_go_down(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  if (bbr->prev_probe_too_high && bbr->inflight >= bbr->inflight_longterm) {
    bbr->prev_probe_precautionary = true;
    return true;
  }
  if (tern_bbr_is_cwnd_limited(bbr) && bbr->cwnd >= bbr->inflight_longterm) {
    tern_bbr_reset_full_bw(bbr); /* the bound is in the way, not the path */
    bbr->full_bw = rs->delivery_rate;
    return false;
  }
  return bbr->full_bw_now;
}

static void probe_inflight_longterm_upward(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  if (!tern_bbr_is_cwnd_limited(bbr) || bbr->cwnd < bbr->inflight_longterm)
    return;
  bbr->bw_probe_up_acked += rs->newly_acked;
  if (bbr->bw_probe_up_acked >= bbr->probe_up_acked_per_inc) {
    uint64_t delta = bbr->bw_probe_up_acked / bbr->probe_up_acked_per_inc;
    bbr->bw_probe_up_acked -= delta * bbr->probe_up_acked_per_inc;
    bbr->inflight_longterm += delta * bbr->smss;
  }
  if (bbr->round_start)
    raise_inflight_longterm_slope(bbr);
}

/* True if it decided for a state. */
static bool end_probe_feedback(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  bbr->is_bw_probe_sample = false;
  bbr->ack_phase = TERN_BBR_ACKS_INIT;
  if (!tern_bbr_is_in_probe_bw(bbr))
    return false;
  if (!rs->is_app_limited)
    tern_bbr_advance_max_bw_filter(bbr);
  if (!bbr->prev_probe_precautionary || bbr->prev_probe_too_high)
    return false;
  tern_bbr_start_probe_bw_refill(bbr);
  return true;
}

/* AdaptLongTermModel. True if it decided for a state. */
static bool adapt_long_term_model(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  if (bbr->ack_phase == TERN_BBR_ACKS_PROBE_STARTING && bbr->round_start)
    bbr->ack_phase = TERN_BBR_ACKS_PROBE_FEEDBACK;
  if (bbr->ack_phase == TERN_BBR_ACKS_PROBE_STOPPING && bbr->round_start &&
      end_probe_feedback(bbr, rs))
    return true;
  if (tern_bbr_is_inflight_too_high(rs) || bbr->inflight_longterm == TERN_BBR_INFINITY)
    return false;
  bbr->inflight_longterm = tern_bbr_max(bbr->inflight_longterm, rs->tx_in_flight);
  if (bbr->state == TERN_BBR_PROBE_BW_UP)
    probe_inflight_longterm_upward(bbr, rs);
  return false;
}

static void update_probe_bw_cycle_phase(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  if (!bbr->full_bw_reached || adapt_long_term_model(bbr, rs))
    return;
  switch ((enum tern_bbr_state)bbr->state) {
  case TERN_BBR_PROBE_BW_DOWN:
    if (!is_time_to_probe_bw(bbr) && is_time_to_cruise(bbr))
      start_probe_bw_cruise(bbr);
    break;
  case TERN_BBR_PROBE_BW_CRUISE:
    (void)is_time_to_probe_bw(bbr);
    break;
  case TERN_BBR_PROBE_BW_REFILL:
    if (!bbr->round_start)
      break;
    bbr->is_bw_probe_sample = true;
    start_probe_bw_up(bbr, rs);
    break;
  case TERN_BBR_PROBE_BW_UP:
    if (!is_time_to_go_down(bbr, rs))
      break;
    bbr->prev_probe_too_high = false;
    tern_bbr_start_probe_bw_down(bbr);
    break;
  case TERN_BBR_STARTUP:
  case TERN_BBR_DRAIN:
  case TERN_BBR_PROBE_RTT:
  case TERN_BBR_STATE_NONE:
    break;
  }
}

void tern_bbr_update_state(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  check_startup_done(bbr, rs);
  check_drain_done(bbr);
  update_probe_bw_cycle_phase(bbr, rs);
}

/* ---- ProbeRTT ------------------------------------------------------------------------------- */

static void enter_probe_rtt(struct tern_bbr *bbr)
{
  tern_bbr_save_cwnd(bbr);
  bbr->state = TERN_BBR_PROBE_RTT;
  bbr->pacing_gain = 100;
  bbr->cwnd_gain = TERN_BBR_PROBE_RTT_CWND_GAIN;
  bbr->probe_rtt_done_stamp = 0;
  bbr->ack_phase = TERN_BBR_ACKS_PROBE_STOPPING;
  tern_bbr_start_round(bbr);
}

static void exit_probe_rtt(struct tern_bbr *bbr)
{
  tern_bbr_reset_short_term_model(bbr);
  if (!bbr->full_bw_reached) {
    tern_bbr_enter_startup(bbr);
    return;
  }
  tern_bbr_start_probe_bw_down(bbr);
  start_probe_bw_cruise(bbr);
}

void tern_bbr_check_probe_rtt_done(struct tern_bbr *bbr)
{
  if (bbr->probe_rtt_done_stamp == 0 || bbr->now <= bbr->probe_rtt_done_stamp)
    return;
  bbr->probe_rtt_min_stamp = bbr->now; /* the next one is due in 5 s */
  tern_bbr_restore_cwnd(bbr);
  exit_probe_rtt(bbr);
}

static void handle_probe_rtt(struct tern_bbr *bbr)
{
  if (bbr->probe_rtt_done_stamp == 0) {
    if (bbr->inflight > tern_bbr_probe_rtt_cwnd(bbr))
      return;
    bbr->probe_rtt_done_stamp = bbr->now + TERN_BBR_PROBE_RTT_DURATION_NS;
    bbr->probe_rtt_round_done = false;
    tern_bbr_start_round(bbr);
    return;
  }
  if (bbr->round_start)
    bbr->probe_rtt_round_done = true;
  if (bbr->probe_rtt_round_done)
    tern_bbr_check_probe_rtt_done(bbr);
}

void tern_bbr_check_probe_rtt(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  if (bbr->state != TERN_BBR_PROBE_RTT && bbr->probe_rtt_expired && !bbr->idle_restart)
    enter_probe_rtt(bbr);
  if (bbr->state == TERN_BBR_PROBE_RTT)
    handle_probe_rtt(bbr);
  if (rs->delivered > 0)
    bbr->idle_restart = false;
}
