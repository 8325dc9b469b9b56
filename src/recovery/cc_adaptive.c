/* SPDX-License-Identifier: MIT */
/* Chooses by path: begins as CUBIC, and at the end of slow start either stays so or goes on as BBR.
 *
 *   queue = largest RTT so far - smallest
 *
 *   RTT below 5 ms                     CUBIC: whatever queue there is, it is quickly gone
 *   queue of 1/16 to 1/4 of the RTT    CUBIC: the buffer is shallow, and probing would overflow it
 *   less                               BBR: what was lost was not lost to a queue of ours
 *   more                               BBR: the buffer is deep, and CUBIC would keep it full
 *
 * The choice is made once. An application that knows better calls tern_conn_set_cc when it likes. */
#include <stdalign.h>
#include <string.h>

#include <tern/base.h>
#include <tern/cc.h>

#include "recovery/cc_bbr.h"

#define NEAR_RTT_NS (5 * TERN_MS)
#define SAMPLES_MIN 16 /* ACKs before anything is decided */

struct adaptive {
  const tern_cc_ops *inner; /* a constant: copies of the state share it */
  uint64_t datagram_bytes;
  uint64_t seed;
  uint64_t rtt_max_ns;
  uint32_t samples;
  bool is_decided;
  alignas(16) uint8_t state[TERN_CC_STATE_BYTES - 64];
};

_Static_assert(sizeof(struct adaptive) <= TERN_CC_STATE_BYTES, "fits the controller's state");
_Static_assert(sizeof(struct tern_bbr) <= TERN_CC_STATE_BYTES - 64, "the inner one fits, too");

static void init_state(void *state, const tern_cc_start *start)
{
  struct adaptive *adaptive = state;

  memset(adaptive, 0, sizeof *adaptive);
  adaptive->inner = &tern_cc_cubic;
  adaptive->datagram_bytes = start->datagram_bytes;
  adaptive->seed = start->seed;
  adaptive->inner->init(adaptive->state, start);
}

/* ---- the choice ----------------------------------------------------------------------------- */

static bool prefers_bbr(const struct adaptive *adaptive, uint64_t min_rtt_ns)
{
  uint64_t queue_ns = adaptive->rtt_max_ns > min_rtt_ns ? adaptive->rtt_max_ns - min_rtt_ns : 0;

  if (min_rtt_ns < NEAR_RTT_NS)
    return false;
  return queue_ns < min_rtt_ns / 16 || queue_ns > min_rtt_ns / 4;
}

/* BBR learns the rate anew, but keeps the window, and the RTT of the time before there was a queue. */
static void become_bbr(struct adaptive *adaptive, const tern_cc_ack *ack)
{
  struct tern_bbr *bbr = (struct tern_bbr *)adaptive->state;
  uint64_t window = adaptive->inner->window_bytes(adaptive->state);
  tern_cc_start start = {
      .now = ack->now, .datagram_bytes = adaptive->datagram_bytes, .seed = adaptive->seed};

  adaptive->inner = &tern_cc_bbr;
  adaptive->inner->init(bbr, &start);
  bbr->cwnd = window;
  bbr->min_rtt_ns = bbr->probe_rtt_min_delay_ns = ack->rtt.min_ns;
}

static void decide(struct adaptive *adaptive, const tern_cc_ack *ack)
{
  if (ack->rtt.latest_ns > adaptive->rtt_max_ns)
    adaptive->rtt_max_ns = ack->rtt.latest_ns;
  adaptive->samples++;
  if (adaptive->samples < SAMPLES_MIN || adaptive->inner->is_in_slow_start(adaptive->state))
    return;
  adaptive->is_decided = true;
  if (prefers_bbr(adaptive, ack->rtt.min_ns))
    become_bbr(adaptive, ack);
}

/* ---- handed on ------------------------------------------------------------------------------ */

static void on_sent(void *state, tern_time now, uint64_t bytes, uint64_t in_flight_bytes,
                    uint64_t packet_number)
{
  struct adaptive *adaptive = state;
  adaptive->inner->on_sent(adaptive->state, now, bytes, in_flight_bytes, packet_number);
}

static void on_acked(void *state, const tern_cc_ack *ack)
{
  struct adaptive *adaptive = state;

  adaptive->inner->on_acked(adaptive->state, ack);
  if (!adaptive->is_decided)
    decide(adaptive, ack);
}

static void on_congestion(void *state, const tern_cc_congestion *event)
{
  struct adaptive *adaptive = state;
  adaptive->inner->on_congestion(adaptive->state, event);
}

static void on_persistent_congestion(void *state, tern_time now)
{
  struct adaptive *adaptive = state;
  adaptive->inner->on_persistent_congestion(adaptive->state, now);
}

static uint64_t window_bytes(const void *state)
{
  const struct adaptive *adaptive = state;
  return adaptive->inner->window_bytes(adaptive->state);
}

static uint64_t pacing_rate(const void *state, const tern_cc_rtt *rtt)
{
  const struct adaptive *adaptive = state;

  if (adaptive->inner->pacing_rate == NULL)
    return 0;
  return adaptive->inner->pacing_rate(adaptive->state, rtt);
}

static void on_lost(void *state, const tern_cc_lost *lost)
{
  struct adaptive *adaptive = state;

  if (adaptive->inner->on_lost != NULL)
    adaptive->inner->on_lost(adaptive->state, lost);
}

static void on_spurious(void *state, tern_time now)
{
  struct adaptive *adaptive = state;
  adaptive->inner->on_spurious(adaptive->state, now);
}

static void on_datagram_bytes(void *state, uint64_t bytes)
{
  struct adaptive *adaptive = state;

  adaptive->datagram_bytes = bytes;
  adaptive->inner->on_datagram_bytes(adaptive->state, bytes);
}

static uint64_t ssthresh_bytes(const void *state)
{
  const struct adaptive *adaptive = state;

  if (adaptive->inner->ssthresh_bytes == NULL)
    return UINT64_MAX;
  return adaptive->inner->ssthresh_bytes(adaptive->state);
}

static bool is_in_slow_start(const void *state)
{
  const struct adaptive *adaptive = state;
  return adaptive->inner->is_in_slow_start(adaptive->state);
}

static bool wants_app_limited(const void *state)
{
  const struct adaptive *adaptive = state;
  return adaptive->inner->wants_app_limited != NULL &&
         adaptive->inner->wants_app_limited(adaptive->state);
}

static const char *state_name(const void *state)
{
  const struct adaptive *adaptive = state;

  if (adaptive->inner->state_name != NULL)
    return adaptive->inner->state_name(adaptive->state);
  return is_in_slow_start(state) ? "slow_start" : "avoidance";
}

const tern_cc_ops tern_cc_adaptive = {
    .size = sizeof(tern_cc_ops),
    .version = TERN_CC_VERSION,
    .name = "adaptive",
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
    .ssthresh_bytes = ssthresh_bytes,
    .is_in_slow_start = is_in_slow_start,
    .wants_app_limited = wants_app_limited,
    .state_name = state_name,
    .state_bytes = sizeof(struct adaptive),
};
