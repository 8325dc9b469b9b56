/* SPDX-License-Identifier: MIT */
/* BBR version 3 (draft-ietf-ccwg-bbr): what its three files share. Members and functions have the names
 * of the draft; C is the connection, RS the rate sample of the ACK at hand.
 *
 *   cc_bbr.c         the calls of tern/cc.h, and the two answers: pacing rate and window (5.6)
 *   cc_bbr_model.c   what is known of the path: bandwidth, RTT, bounds, aggregation (5.5)
 *   cc_bbr_state.c   Startup -> Drain -> ProbeBW (DOWN, CRUISE, REFILL, UP) <-> ProbeRTT (5.3)
 *
 * Volumes are bytes, rates bytes per second cut to TERN_BBR_BW_MAX, times nanoseconds, gains hundredths. */
#ifndef TERN_RECOVERY_CC_BBR_H
#define TERN_RECOVERY_CC_BBR_H

#include <tern/base.h>
#include <tern/cc.h>

#define TERN_BBR_INFINITY UINT64_MAX
/* 128 Gbit/s, as the pacer: a rate times a second in nanoseconds fits 64 bits. */
#define TERN_BBR_BW_MAX UINT64_C(16000000000)

/* Constants of section 2; gains and shares in hundredths. */
#define TERN_BBR_STARTUP_PACING_GAIN 277
#define TERN_BBR_DRAIN_PACING_GAIN 50
#define TERN_BBR_DEFAULT_CWND_GAIN 200
#define TERN_BBR_PROBE_UP_CWND_GAIN 225
#define TERN_BBR_PROBE_RTT_CWND_GAIN 50
#define TERN_BBR_PACING_MARGIN_PERCENT 1
#define TERN_BBR_LOSS_THRESH 2
#define TERN_BBR_BETA 70
#define TERN_BBR_HEADROOM 15
#define TERN_BBR_MIN_PIPE_DATAGRAMS 4
#define TERN_BBR_STARTUP_FULL_LOSS_COUNT 6
#define TERN_BBR_STARTUP_FULL_ECN_COUNT                                                            \
  2 /* rounds with CE marks: ours, the draft leaves ECN open */
#define TERN_BBR_EXTRA_ACKED_FILTER_ROUNDS 10
#define TERN_BBR_MIN_RTT_FILTER_NS (10 * TERN_SECOND)
#define TERN_BBR_PROBE_RTT_INTERVAL_NS (5 * TERN_SECOND)
#define TERN_BBR_PROBE_RTT_DURATION_NS (200 * TERN_MS)

enum tern_bbr_state {
  TERN_BBR_STARTUP,
  TERN_BBR_DRAIN,
  TERN_BBR_PROBE_BW_DOWN,
  TERN_BBR_PROBE_BW_CRUISE,
  TERN_BBR_PROBE_BW_REFILL,
  TERN_BBR_PROBE_BW_UP,
  TERN_BBR_PROBE_RTT,
  TERN_BBR_STATE_NONE, /* undo_state only */
};

enum tern_bbr_ack_phase {
  TERN_BBR_ACKS_INIT,
  TERN_BBR_ACKS_REFILLING,
  TERN_BBR_ACKS_PROBE_STARTING,
  TERN_BBR_ACKS_PROBE_FEEDBACK,
  TERN_BBR_ACKS_PROBE_STOPPING,
};

/* Windowed maximum over rounds, by Nichols' algorithm: the best, the best since it, and the best since
 * that one. */
struct tern_bbr_max_filter {
  uint64_t value[3];
  uint32_t round[3];
};

/* RS: what one ACK told. */
struct tern_bbr_sample {
  uint64_t delivery_rate; /* 0 = not known */
  uint64_t delivered;
  uint64_t prior_delivered;
  uint64_t newly_acked;
  uint64_t tx_in_flight;
  uint64_t lost;
  uint64_t rtt_ns;
  bool is_app_limited;
};

struct tern_bbr {
  /* connection: C */
  tern_time now;
  uint64_t delivered;
  uint64_t inflight;
  uint64_t cwnd;
  uint64_t pacing_rate;
  uint64_t smss;
  uint64_t random;
  tern_time recovery_time;
  bool has_recovery;
  bool has_rtt;          /* InitPacingRate saw an RTT */
  bool is_inflight_zero; /* the last ACK left nothing in flight */
  bool is_cwnd_limited;  /* in this round so far ... */
  bool was_cwnd_limited; /* ... or in the one before */
  bool probe_rtt_expired;
  bool idle_restart;
  bool round_start;
  bool loss_round_start;
  bool full_bw_reached;
  bool full_bw_now;
  bool is_loss_in_round;
  bool is_ecn_in_round;
  bool is_bw_probe_sample;
  bool prev_probe_too_high;
  bool prev_probe_precautionary;
  bool probe_rtt_round_done;
  uint8_t state;      /* enum tern_bbr_state */
  uint8_t undo_state; /* enum tern_bbr_state */
  uint8_t ack_phase;  /* enum tern_bbr_ack_phase */
  uint8_t full_bw_count;
  uint8_t ecn_rounds;         /* in a row with CE marks, in Startup */
  uint8_t loss_events;        /* discontiguous ranges lost in this loss round; saturates */
  uint8_t bw_probe_up_rounds; /* at most 30 */
  uint16_t pacing_gain;
  uint16_t cwnd_gain;
  uint32_t round_count;
  uint32_t drain_start_round;
  uint32_t rounds_since_probe_up;

  /* rate model */
  uint64_t max_bw;
  uint64_t max_bw_filter[2]; /* of the previous ProbeBW cycle, of this one */
  uint64_t bw_shortterm;
  uint64_t bw;
  uint64_t bw_latest;
  uint64_t full_bw;

  /* volume model */
  uint64_t min_rtt_ns; /* TERN_BBR_INFINITY = none yet */
  tern_time min_rtt_stamp;
  uint64_t extra_acked;
  struct tern_bbr_max_filter extra_acked_filter;
  tern_time extra_acked_interval_start;
  uint64_t extra_acked_delivered;
  uint64_t max_inflight;
  uint64_t inflight_longterm;
  uint64_t inflight_shortterm;
  uint64_t inflight_latest;

  uint64_t next_round_delivered;
  uint64_t loss_round_delivered;
  uint64_t last_lost_number;
  uint64_t ce_bytes; /* marked in this round, about */

  /* ProbeBW and ProbeRTT */
  uint64_t bw_probe_up_acked;
  uint64_t probe_up_acked_per_inc;
  uint64_t bw_probe_wait_ns;
  tern_time cycle_stamp;
  uint64_t probe_rtt_min_delay_ns;
  tern_time probe_rtt_min_stamp;
  tern_time probe_rtt_done_stamp; /* 0 = not yet */
  uint64_t prior_cwnd;

  uint64_t undo_bw_shortterm;
  uint64_t undo_inflight_shortterm;
  uint64_t undo_inflight_longterm;
};

static inline bool tern_bbr_is_in_probe_bw(const struct tern_bbr *bbr)
{
  return bbr->state >= TERN_BBR_PROBE_BW_DOWN && bbr->state <= TERN_BBR_PROBE_BW_UP;
}

/* C.is_cwnd_limited: at some moment of the last round. */
static inline bool tern_bbr_is_cwnd_limited(const struct tern_bbr *bbr)
{
  return bbr->is_cwnd_limited || bbr->was_cwnd_limited;
}

static inline uint64_t tern_bbr_min(uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

static inline uint64_t tern_bbr_max(uint64_t a, uint64_t b)
{
  return a > b ? a : b;
}

/* `value` times hundredths; infinity stays. */
static inline uint64_t tern_bbr_share(uint64_t value, uint64_t hundredths)
{
  return value == TERN_BBR_INFINITY ? value : value * hundredths / 100;
}

/* A uniform draw below `bound`. */
uint64_t tern_bbr_draw(struct tern_bbr *bbr, uint64_t bound);

/* ---- cc_bbr.c: control parameters ---- */
uint64_t tern_bbr_min_pipe_cwnd(const struct tern_bbr *bbr);
/* gain * bw * min_rtt; the initial window while there is no RTT. */
uint64_t tern_bbr_bdp_multiple(const struct tern_bbr *bbr, uint64_t bw, uint64_t gain);
uint64_t tern_bbr_inflight(const struct tern_bbr *bbr, uint64_t bw, uint64_t gain);
uint64_t tern_bbr_inflight_with_headroom(const struct tern_bbr *bbr);
uint64_t tern_bbr_target_inflight(const struct tern_bbr *bbr);
uint64_t tern_bbr_probe_rtt_cwnd(const struct tern_bbr *bbr);
void tern_bbr_save_cwnd(struct tern_bbr *bbr);
void tern_bbr_restore_cwnd(struct tern_bbr *bbr);

/* ---- cc_bbr_model.c ---- */
void tern_bbr_init_model(struct tern_bbr *bbr);
/* UpdateLatestDeliverySignals, UpdateCongestionSignals, UpdateACKAggregation, CheckFullBWReached */
void tern_bbr_update_model(struct tern_bbr *bbr, const struct tern_bbr_sample *rs);
void tern_bbr_update_min_rtt(struct tern_bbr *bbr, const struct tern_bbr_sample *rs);
/* AdvanceLatestDeliverySignals, BoundBWForModel */
void tern_bbr_finish_model(struct tern_bbr *bbr, const struct tern_bbr_sample *rs);
void tern_bbr_start_round(struct tern_bbr *bbr);
void tern_bbr_advance_max_bw_filter(struct tern_bbr *bbr);
void tern_bbr_reset_full_bw(struct tern_bbr *bbr);
void tern_bbr_reset_congestion_signals(struct tern_bbr *bbr);
void tern_bbr_reset_short_term_model(struct tern_bbr *bbr);
bool tern_bbr_is_inflight_too_high(const struct tern_bbr_sample *rs);
void tern_bbr_handle_lost_packet(struct tern_bbr *bbr, const tern_cc_lost *lost);
void tern_bbr_handle_ecn(struct tern_bbr *bbr, const struct tern_bbr_sample *rs, uint64_t ce_count);
void tern_bbr_save_state_upon_loss(struct tern_bbr *bbr);
void tern_bbr_handle_spurious_loss(struct tern_bbr *bbr);

/* ---- cc_bbr_state.c ---- */
void tern_bbr_enter_startup(struct tern_bbr *bbr);
/* CheckStartupDone, CheckDrainDone, UpdateProbeBWCyclePhase */
void tern_bbr_update_state(struct tern_bbr *bbr, const struct tern_bbr_sample *rs);
void tern_bbr_check_probe_rtt(struct tern_bbr *bbr, const struct tern_bbr_sample *rs);
void tern_bbr_check_probe_rtt_done(struct tern_bbr *bbr);
void tern_bbr_start_probe_bw_down(struct tern_bbr *bbr);
void tern_bbr_start_probe_bw_refill(struct tern_bbr *bbr);

#endif
