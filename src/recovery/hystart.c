/* SPDX-License-Identifier: MIT */
/* RFC 9406 4.2 with the constants of 4.3. */
#include "recovery/hystart.h"

#define TERN_HYSTART_RTT_MIN_NS (4 * TERN_MS)  /* MIN_RTT_THRESH */
#define TERN_HYSTART_RTT_MAX_NS (16 * TERN_MS) /* MAX_RTT_THRESH */
#define TERN_HYSTART_RTT_DIVISOR 8             /* MIN_RTT_DIVISOR */
#define TERN_HYSTART_SAMPLES 8                 /* N_RTT_SAMPLE */
#define TERN_HYSTART_CSS_DIVISOR 4             /* CSS_GROWTH_DIVISOR */
#define TERN_HYSTART_CSS_ROUNDS 5              /* CSS_ROUNDS */

void tern_hystart_init(struct tern_hystart *hystart)
{
  hystart->phase = TERN_HYSTART_STANDARD;
  hystart->round_end = 0;
  hystart->last_min_ns = UINT64_MAX;
  hystart->current_min_ns = UINT64_MAX;
  hystart->baseline_min_ns = UINT64_MAX;
  hystart->samples = 0;
  hystart->css_rounds = 0;
}

static void start_round(struct tern_hystart *hystart, uint64_t next_packet_number)
{
  hystart->round_end = next_packet_number;
  hystart->last_min_ns = hystart->current_min_ns;
  hystart->current_min_ns = UINT64_MAX;
  hystart->samples = 0;
  if (hystart->phase != TERN_HYSTART_CONSERVATIVE)
    return;
  /* A transition in the middle of a round counts that round. */
  hystart->css_rounds++;
  if (hystart->css_rounds >= TERN_HYSTART_CSS_ROUNDS)
    hystart->phase = TERN_HYSTART_DONE;
}

static uint64_t get_threshold_ns(const struct tern_hystart *hystart)
{
  uint64_t threshold_ns = hystart->last_min_ns / TERN_HYSTART_RTT_DIVISOR;

  if (threshold_ns > TERN_HYSTART_RTT_MAX_NS)
    threshold_ns = TERN_HYSTART_RTT_MAX_NS;
  return threshold_ns > TERN_HYSTART_RTT_MIN_NS ? threshold_ns : TERN_HYSTART_RTT_MIN_NS;
}

static void check_standard(struct tern_hystart *hystart)
{
  if (hystart->last_min_ns == UINT64_MAX)
    return;
  if (hystart->current_min_ns < hystart->last_min_ns + get_threshold_ns(hystart))
    return;
  hystart->baseline_min_ns = hystart->current_min_ns;
  hystart->css_rounds = 0;
  hystart->phase = TERN_HYSTART_CONSERVATIVE;
}

static void check_conservative(struct tern_hystart *hystart)
{
  if (hystart->current_min_ns >= hystart->baseline_min_ns)
    return;
  hystart->baseline_min_ns = UINT64_MAX; /* the exit was spurious */
  hystart->phase = TERN_HYSTART_STANDARD;
}

void tern_hystart_on_sample(struct tern_hystart *hystart, uint64_t rtt_ns, uint64_t largest_acked,
                            uint64_t next_packet_number)
{
  if (hystart->phase == TERN_HYSTART_DONE)
    return;
  if (hystart->round_end == 0)
    hystart->round_end = next_packet_number;
  else if (largest_acked >= hystart->round_end)
    start_round(hystart, next_packet_number);
  if (rtt_ns < hystart->current_min_ns)
    hystart->current_min_ns = rtt_ns;
  hystart->samples++;
  if (hystart->samples < TERN_HYSTART_SAMPLES)
    return;
  if (hystart->phase == TERN_HYSTART_STANDARD)
    check_standard(hystart);
  else if (hystart->phase == TERN_HYSTART_CONSERVATIVE)
    check_conservative(hystart);
}

void tern_hystart_on_congestion(struct tern_hystart *hystart)
{
  hystart->phase = TERN_HYSTART_DONE;
}

uint64_t tern_hystart_growth_bytes(const struct tern_hystart *hystart, uint64_t acked_bytes)
{
  return hystart->phase == TERN_HYSTART_CONSERVATIVE ? acked_bytes / TERN_HYSTART_CSS_DIVISOR
                                                     : acked_bytes;
}
