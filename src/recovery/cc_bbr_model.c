/* SPDX-License-Identifier: MIT */
/* BBR's model of the path, 5.5 of the draft:
 *
 *   bw = min(max_bw, bw_shortterm)      max_bw        maximum over this and the previous ProbeBW cycle
 *                                       bw_shortterm  since losses in this cycle, at most * 0.7 a round
 *   min_rtt                             minimum of 10 s, refreshed by ProbeRTT
 *   inflight_longterm, _shortterm       bounds that losses set, probing up and cruising
 *   extra_acked                         how much more than bw comes at once: aggregation */
#include <string.h>

#include "recovery/cc_bbr.h"

/* ---- windowed maximum ----------------------------------------------------------------------- */

static void set_filter(struct tern_bbr_max_filter *filter, int first, uint64_t value,
                       uint32_t round)
{
  for (int i = first; i < 3; i++) {
    filter->value[i] = value;
    filter->round[i] = round;
  }
}

static void drop_oldest(struct tern_bbr_max_filter *filter, uint64_t value, uint32_t round)
{
  for (int i = 0; i < 2; i++) {
    filter->value[i] = filter->value[i + 1];
    filter->round[i] = filter->round[i + 1];
  }
  set_filter(filter, 2, value, round);
}

/* UpdateWindowedMaxFilter. The second and third places are refreshed after a quarter and a half of the
 * window, so that there is a successor when the best one is too old. */
static uint64_t update_filter(struct tern_bbr_max_filter *filter, uint64_t value, uint32_t round,
                              uint32_t length)
{
  uint32_t age = round - filter->round[0];

  if (value >= filter->value[0] || round - filter->round[2] > length) {
    set_filter(filter, 0, value, round);
    return value;
  }
  if (value >= filter->value[1])
    set_filter(filter, 1, value, round);
  else if (value >= filter->value[2])
    set_filter(filter, 2, value, round);
  if (age > length) {
    drop_oldest(filter, value, round);
    if (round - filter->round[0] > length)
      drop_oldest(filter, value, round);
  } else if (filter->round[1] == filter->round[0] && age > length / 4) {
    set_filter(filter, 1, value, round);
  } else if (filter->round[2] == filter->round[1] && age > length / 2) {
    set_filter(filter, 2, value, round);
  }
  return filter->value[0];
}

/* ---- rounds, bandwidth ---------------------------------------------------------------------- */

void tern_bbr_start_round(struct tern_bbr *bbr)
{
  bbr->next_round_delivered = bbr->delivered;
}

static void update_round(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  bbr->round_start = rs->prior_delivered >= bbr->next_round_delivered;
  if (!bbr->round_start)
    return;
  tern_bbr_start_round(bbr);
  bbr->round_count++;
  bbr->rounds_since_probe_up++;
  bbr->was_cwnd_limited = bbr->is_cwnd_limited;
  bbr->is_cwnd_limited = false;
}

static void update_max_bw(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  update_round(bbr, rs);
  if (rs->delivery_rate == 0 || (rs->delivery_rate < bbr->max_bw && rs->is_app_limited))
    return;
  bbr->max_bw_filter[1] = tern_bbr_max(bbr->max_bw_filter[1], rs->delivery_rate);
  bbr->max_bw = tern_bbr_max(bbr->max_bw_filter[0], bbr->max_bw_filter[1]);
}

void tern_bbr_advance_max_bw_filter(struct tern_bbr *bbr)
{
  if (bbr->max_bw_filter[1] == 0)
    return; /* nothing was measured in this cycle: what is known stays */
  bbr->max_bw_filter[0] = bbr->max_bw_filter[1];
  bbr->max_bw_filter[1] = 0;
}

void tern_bbr_reset_full_bw(struct tern_bbr *bbr)
{
  bbr->full_bw = 0;
  bbr->full_bw_count = 0;
  bbr->full_bw_now = false;
}

/* Also called without a rate: an unreliable sample says nothing about growth. */
static void check_full_bw_reached(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  if (bbr->full_bw_now || !bbr->round_start || rs->is_app_limited || rs->delivery_rate == 0)
    return;
  if (rs->delivery_rate >= bbr->full_bw + bbr->full_bw / 4) {
    tern_bbr_reset_full_bw(bbr);
    bbr->full_bw = rs->delivery_rate;
    return;
  }
  bbr->full_bw_count++;
  bbr->full_bw_now = bbr->full_bw_count >= 3;
  if (bbr->full_bw_now)
    bbr->full_bw_reached = true;
}

/* ---- aggregation ---------------------------------------------------------------------------- */

/* rate * duration; both in range, see TERN_BBR_BW_MAX. */
static uint64_t expect_delivered(uint64_t bw, uint64_t interval_ns)
{
  uint64_t seconds = interval_ns / TERN_SECOND;

  if (seconds > 3600)
    seconds = 3600;
  return bw * seconds + bw * (interval_ns % TERN_SECOND) / TERN_SECOND;
}

static void update_ack_aggregation(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  uint64_t interval_ns =
      bbr->now > bbr->extra_acked_interval_start ? bbr->now - bbr->extra_acked_interval_start : 0;
  uint64_t expected = expect_delivered(bbr->bw, interval_ns);
  uint64_t extra = 0;

  if (bbr->extra_acked_delivered <= expected) {
    bbr->extra_acked_delivered = 0;
    bbr->extra_acked_interval_start = bbr->now;
    expected = 0;
  }
  bbr->extra_acked_delivered += rs->newly_acked;
  extra = tern_bbr_min(bbr->extra_acked_delivered - expected, bbr->cwnd);
  bbr->extra_acked = update_filter(&bbr->extra_acked_filter, extra, bbr->round_count,
                                   bbr->full_bw_reached ? TERN_BBR_EXTRA_ACKED_FILTER_ROUNDS : 1);
}

/* ---- congestion ----------------------------------------------------------------------------- */

void tern_bbr_reset_congestion_signals(struct tern_bbr *bbr)
{
  bbr->is_loss_in_round = false;
  bbr->bw_latest = 0;
  bbr->inflight_latest = 0;
}

void tern_bbr_reset_short_term_model(struct tern_bbr *bbr)
{
  bbr->bw_shortterm = TERN_BBR_INFINITY;
  bbr->inflight_shortterm = TERN_BBR_INFINITY;
}

static void update_latest_delivery_signals(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  bbr->loss_round_start = false;
  bbr->bw_latest = tern_bbr_max(bbr->bw_latest, rs->delivery_rate);
  bbr->inflight_latest = tern_bbr_max(bbr->inflight_latest, rs->delivered);
  if (rs->prior_delivered >= bbr->loss_round_delivered) {
    bbr->loss_round_delivered = bbr->delivered;
    bbr->loss_round_start = true;
  }
}

static void advance_latest_delivery_signals(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  if (!bbr->loss_round_start)
    return;
  bbr->bw_latest = rs->delivery_rate;
  bbr->inflight_latest = rs->delivered;
}

static bool is_probing_bw(const struct tern_bbr *bbr)
{
  return bbr->state == TERN_BBR_STARTUP || bbr->state == TERN_BBR_PROBE_BW_REFILL ||
         bbr->state == TERN_BBR_PROBE_BW_UP;
}

static void adapt_lower_bounds(struct tern_bbr *bbr)
{
  if (is_probing_bw(bbr) || !bbr->is_loss_in_round)
    return;
  if (bbr->bw_shortterm == TERN_BBR_INFINITY) /* InitLowerBounds */
    bbr->bw_shortterm = bbr->max_bw;
  if (bbr->inflight_shortterm == TERN_BBR_INFINITY)
    bbr->inflight_shortterm = bbr->cwnd;
  bbr->bw_shortterm =
      tern_bbr_max(bbr->bw_latest, tern_bbr_share(bbr->bw_shortterm, TERN_BBR_BETA));
  bbr->inflight_shortterm =
      tern_bbr_max(bbr->inflight_latest, tern_bbr_share(bbr->inflight_shortterm, TERN_BBR_BETA));
}

static void update_congestion_signals(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  update_max_bw(bbr, rs);
  if (!bbr->loss_round_start)
    return;
  adapt_lower_bounds(bbr);
  bbr->is_loss_in_round = false;
}

bool tern_bbr_is_inflight_too_high(const struct tern_bbr_sample *rs)
{
  return rs->lost > tern_bbr_share(rs->tx_in_flight, TERN_BBR_LOSS_THRESH);
}

static void handle_inflight_too_high(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  bbr->prev_probe_too_high = true;
  bbr->is_bw_probe_sample = false; /* only react once per probe */
  if (!rs->is_app_limited)
    bbr->inflight_longterm = tern_bbr_max(
        rs->tx_in_flight, tern_bbr_share(tern_bbr_target_inflight(bbr), TERN_BBR_BETA));
  if (bbr->state != TERN_BBR_PROBE_BW_UP)
    return;
  bbr->undo_state = TERN_BBR_PROBE_BW_UP;
  tern_bbr_start_probe_bw_down(bbr);
}

static void note_loss(struct tern_bbr *bbr)
{
  if (!bbr->is_loss_in_round) {
    bbr->loss_round_delivered = bbr->delivered;
    tern_bbr_save_state_upon_loss(bbr);
  }
  bbr->is_loss_in_round = true;
}

/* InflightAtLoss: (lost_prev + prefix) / (inflight_prev + prefix) = LossThresh, solved for prefix. */
static uint64_t get_inflight_at_loss(const struct tern_bbr_sample *rs, uint64_t size)
{
  uint64_t inflight_prev = rs->tx_in_flight > size ? rs->tx_in_flight - size : 0;
  uint64_t lost_prev = rs->lost > size ? rs->lost - size : 0;
  uint64_t allowed = tern_bbr_share(inflight_prev, TERN_BBR_LOSS_THRESH);
  uint64_t prefix =
      allowed > lost_prev ? (allowed - lost_prev) * 100 / (100 - TERN_BBR_LOSS_THRESH) : 0;

  return inflight_prev + prefix;
}

void tern_bbr_handle_lost_packet(struct tern_bbr *bbr, const tern_cc_lost *lost)
{
  struct tern_bbr_sample rs = {.tx_in_flight = lost->tx_in_flight_bytes,
                               .lost = lost->lost_bytes,
                               .is_app_limited = lost->is_app_limited};

  note_loss(bbr);
  if (lost->packet_number != bbr->last_lost_number + 1 && bbr->loss_events < UINT8_MAX)
    bbr->loss_events++;
  bbr->last_lost_number = lost->packet_number;
  if (!bbr->is_bw_probe_sample || !tern_bbr_is_inflight_too_high(&rs))
    return;
  rs.tx_in_flight = get_inflight_at_loss(&rs, lost->bytes);
  handle_inflight_too_high(bbr, &rs);
}

/* 3.7: the response MUST treat CE marks as congestion, and leaves open how: here each mark stands for a
 * lost datagram. */
void tern_bbr_handle_ecn(struct tern_bbr *bbr, const struct tern_bbr_sample *rs, uint64_t ce_count)
{
  struct tern_bbr_sample marked = *rs;

  note_loss(bbr);
  bbr->is_ecn_in_round = true;
  if (ce_count > UINT16_MAX)
    ce_count = UINT16_MAX;
  bbr->ce_bytes += ce_count * bbr->smss;
  marked.lost += bbr->ce_bytes;
  if (bbr->is_bw_probe_sample && tern_bbr_is_inflight_too_high(&marked))
    handle_inflight_too_high(bbr, &marked);
}

/* ---- undo ----------------------------------------------------------------------------------- */

void tern_bbr_save_state_upon_loss(struct tern_bbr *bbr)
{
  tern_bbr_save_cwnd(bbr);
  bbr->undo_state = TERN_BBR_STATE_NONE;
  bbr->undo_bw_shortterm = bbr->bw_shortterm;
  bbr->undo_inflight_shortterm = bbr->inflight_shortterm;
  bbr->undo_inflight_longterm = bbr->inflight_longterm;
}

static void return_to_probing(struct tern_bbr *bbr)
{
  if (bbr->undo_state == TERN_BBR_STARTUP && bbr->state != TERN_BBR_STARTUP) {
    bbr->full_bw_reached = false;
    if (bbr->state != TERN_BBR_PROBE_RTT)
      tern_bbr_enter_startup(bbr);
  } else if (bbr->undo_state == TERN_BBR_PROBE_BW_UP && bbr->state != TERN_BBR_PROBE_BW_UP &&
             bbr->state != TERN_BBR_PROBE_RTT) {
    tern_bbr_start_probe_bw_refill(bbr);
  }
}

void tern_bbr_handle_spurious_loss(struct tern_bbr *bbr)
{
  tern_bbr_restore_cwnd(bbr);
  bbr->is_loss_in_round = false;
  tern_bbr_reset_full_bw(bbr);
  bbr->bw_shortterm = tern_bbr_max(bbr->bw_shortterm, bbr->undo_bw_shortterm);
  bbr->inflight_shortterm = tern_bbr_max(bbr->inflight_shortterm, bbr->undo_inflight_shortterm);
  bbr->inflight_longterm = tern_bbr_max(bbr->inflight_longterm, bbr->undo_inflight_longterm);
  return_to_probing(bbr);
  bbr->undo_state = TERN_BBR_STATE_NONE;
}

/* ---- the whole ------------------------------------------------------------------------------ */

void tern_bbr_update_min_rtt(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  bbr->probe_rtt_expired = bbr->now > bbr->probe_rtt_min_stamp + TERN_BBR_PROBE_RTT_INTERVAL_NS;
  if (rs->rtt_ns < bbr->probe_rtt_min_delay_ns || bbr->probe_rtt_expired) {
    bbr->probe_rtt_min_delay_ns = rs->rtt_ns;
    bbr->probe_rtt_min_stamp = bbr->now;
  }
  if (bbr->probe_rtt_min_delay_ns < bbr->min_rtt_ns ||
      bbr->now > bbr->min_rtt_stamp + TERN_BBR_MIN_RTT_FILTER_NS) {
    bbr->min_rtt_ns = bbr->probe_rtt_min_delay_ns;
    bbr->min_rtt_stamp = bbr->probe_rtt_min_stamp;
  }
}

void tern_bbr_update_model(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  update_latest_delivery_signals(bbr, rs);
  update_congestion_signals(bbr, rs);
  update_ack_aggregation(bbr, rs);
  check_full_bw_reached(bbr, rs);
}

void tern_bbr_finish_model(struct tern_bbr *bbr, const struct tern_bbr_sample *rs)
{
  advance_latest_delivery_signals(bbr, rs);
  bbr->bw = tern_bbr_min(bbr->max_bw, bbr->bw_shortterm);
}

void tern_bbr_init_model(struct tern_bbr *bbr)
{
  bbr->min_rtt_ns = TERN_BBR_INFINITY;
  bbr->min_rtt_stamp = bbr->now;
  bbr->probe_rtt_min_delay_ns = TERN_BBR_INFINITY;
  bbr->probe_rtt_min_stamp = bbr->now;
  bbr->extra_acked_interval_start = bbr->now;
  bbr->inflight_longterm = TERN_BBR_INFINITY;
  bbr->probe_up_acked_per_inc = TERN_BBR_INFINITY;
  bbr->ack_phase = TERN_BBR_ACKS_INIT;
  bbr->undo_state = TERN_BBR_STATE_NONE;
  tern_bbr_reset_congestion_signals(bbr);
  tern_bbr_reset_short_term_model(bbr);
  tern_bbr_reset_full_bw(bbr);
}
