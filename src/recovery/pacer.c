/* SPDX-License-Identifier: MIT */
/* Integer arithmetic with a carried remainder, so that polling often loses no credit: the refill
 * of two halves of an interval is the refill of the whole. */
#include "recovery/pacer.h"

#define TERN_PACER_SECONDS_MAX                                                                     \
  (UINT64_C(1) << 20) /* of refill at once: keeps products in 64 bits */

void tern_pacer_init(struct tern_pacer *pacer, tern_time now, uint64_t burst_bytes)
{
  pacer->tokens_bytes = (int64_t)burst_bytes;
  pacer->burst_max_bytes = burst_bytes;
  pacer->remainder = 0;
  pacer->refilled_at = now;
  pacer->waiting_for = TERN_TIME_NEVER;
}

static uint64_t cut_rate(uint64_t rate)
{
  return rate < TERN_PACER_RATE_MAX ? rate : TERN_PACER_RATE_MAX;
}

/* Bucket size now: the burst, and what a late timer has cost. */
static int64_t get_cap(const struct tern_pacer *pacer, tern_time now, uint64_t rate)
{
  uint64_t late_ns = 0;

  if (pacer->waiting_for < now)
    late_ns = now - pacer->waiting_for;
  if (late_ns > TERN_PACER_LATE_MAX_NS)
    late_ns = TERN_PACER_LATE_MAX_NS;
  return (int64_t)(pacer->burst_max_bytes + rate * late_ns / TERN_SECOND);
}

static void refill(struct tern_pacer *pacer, tern_time now, uint64_t rate)
{
  uint64_t elapsed_ns = now > pacer->refilled_at ? now - pacer->refilled_at : 0;
  uint64_t seconds = elapsed_ns / TERN_SECOND;
  uint64_t part = (elapsed_ns % TERN_SECOND) * rate + pacer->remainder;
  int64_t cap = get_cap(pacer, now, rate);

  if (seconds > TERN_PACER_SECONDS_MAX)
    seconds = TERN_PACER_SECONDS_MAX;
  pacer->tokens_bytes += (int64_t)(seconds * rate + part / TERN_SECOND);
  pacer->remainder = part % TERN_SECOND;
  if (now > pacer->refilled_at)
    pacer->refilled_at = now;
  if (pacer->tokens_bytes > cap) {
    pacer->tokens_bytes = cap;
    pacer->remainder = 0;
  }
}

uint64_t tern_pacer_budget(struct tern_pacer *pacer, tern_time now, uint64_t rate,
                           uint64_t burst_max_bytes)
{
  pacer->burst_max_bytes = burst_max_bytes;
  if (rate == 0) {
    tern_pacer_init(pacer, now, burst_max_bytes);
    return UINT64_MAX;
  }
  refill(pacer, now, cut_rate(rate));
  return pacer->tokens_bytes > 0 ? (uint64_t)pacer->tokens_bytes : 0;
}

void tern_pacer_on_sent(struct tern_pacer *pacer, tern_time now, uint64_t bytes)
{
  (void)now; /* budget has refilled; what left without asking is a debt */
  pacer->tokens_bytes -= (int64_t)bytes;
  pacer->waiting_for = TERN_TIME_NEVER;
}

tern_time tern_pacer_next(struct tern_pacer *pacer, tern_time now, uint64_t rate, uint64_t bytes)
{
  uint64_t missing = 0;
  uint64_t part = 0;
  uint64_t wait_ns = 0;

  if (bytes > pacer->burst_max_bytes)
    bytes = pacer->burst_max_bytes;
  if (rate == 0 || pacer->tokens_bytes >= (int64_t)bytes)
    return now;
  rate = cut_rate(rate);
  missing = (uint64_t)((int64_t)bytes - pacer->tokens_bytes);
  part = (missing % rate) * TERN_SECOND;
  part = part > pacer->remainder ? part - pacer->remainder : 0;
  wait_ns = missing / rate * TERN_SECOND + (part + rate - 1) / rate;
  if (pacer->refilled_at + wait_ns <= now)
    return now;
  /* Asked again while it waits: lateness counts from the first promise. */
  if (pacer->waiting_for > pacer->refilled_at + wait_ns)
    pacer->waiting_for = pacer->refilled_at + wait_ns;
  return pacer->refilled_at + wait_ns;
}

/* What a burst may cost in queue is a matter of time: on a short path even a full run is gone within few
 * round trips, on a long one it would stand in somebody's way. */
static uint64_t get_near_bytes(uint64_t datagram_bytes, uint64_t min_rtt_ns)
{
  uint64_t halvings = min_rtt_ns / TERN_PACER_NEAR_NS;

  return halvings < 16 ? TERN_PACER_BURST_MAX * datagram_bytes >> halvings : 0;
}

uint64_t tern_pacer_burst_bytes(uint64_t rate, uint64_t window_bytes, uint64_t datagram_bytes,
                                uint64_t min_rtt_ns)
{
  uint64_t bytes = cut_rate(rate) / (TERN_SECOND / TERN_PACER_BURST_NS) +
                   get_near_bytes(datagram_bytes, min_rtt_ns);
  uint64_t low = window_bytes < TERN_PACER_SMALL_WINDOW * datagram_bytes
                     ? datagram_bytes
                     : TERN_PACER_BURST_MIN * datagram_bytes;
  uint64_t high = TERN_PACER_BURST_MAX * datagram_bytes;

  if (bytes < low)
    return low;
  return bytes < high ? bytes : high;
}

uint64_t tern_pacer_rate(uint64_t window_bytes, uint64_t smoothed_ns, bool is_in_slow_start)
{
  uint64_t rate = 0;

  if (smoothed_ns == 0)
    return 0;
  if (window_bytes > UINT32_MAX) /* keeps the product in 64 bits; 4 GiB in one RTT is enough */
    window_bytes = UINT32_MAX;
  if (is_in_slow_start)
    rate = window_bytes * 2 * TERN_SECOND / smoothed_ns;
  else
    rate = window_bytes * 5 / 4 * TERN_SECOND / smoothed_ns;
  return cut_rate(rate > 0 ? rate : 1);
}
