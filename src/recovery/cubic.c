/* SPDX-License-Identifier: MIT */
/* Fixed-point arithmetic of CUBIC; scales and bounds are in the header. */
#include "recovery/cubic.h"

#include "base/assert.h"
#include "recovery/cc_common.h"

#define DELTA_MAX (UINT64_C(1) << 27) /* ticks */
/* C = 2 / 5 segments per second^3. */
#define C_NUMERATOR 2
#define C_DENOMINATOR 5

uint64_t tern_cubic_root(uint64_t x)
{
  uint64_t root = 0;

  /* Digit by digit in base 8: root is 2 * root, or that plus one, at each step. */
  for (int shift = 63; shift >= 0; shift -= 3) {
    uint64_t step = 0;
    root *= 2;
    step = 3 * root * (root + 1) + 1; /* (root + 1)^3 - root^3 */
    if (x >> shift >= step) {
      x -= step << shift;
      root++;
    }
  }
  return root;
}

uint64_t tern_cubic_k_ticks(uint64_t max_bytes, uint64_t window_bytes, uint64_t datagram_bytes)
{
  uint64_t seconds3_q20 = 0;

  TERN_ASSERT(max_bytes <= TERN_CC_WINDOW_MAX && datagram_bytes >= 1200);
  if (window_bytes >= max_bytes)
    return 0;
  /* (W_max - W) / C: below 2^30 / 1200 * 2.5 < 2^22, so the shifts below stay under 2^64. */
  seconds3_q20 =
      ((max_bytes - window_bytes) * C_DENOMINATOR << 20) / (C_NUMERATOR * datagram_bytes);
  if (seconds3_q20 < UINT64_C(1) << 40)
    return tern_cubic_root(seconds3_q20 << 22) << (TERN_CUBIC_TICK_BITS - 14);
  return tern_cubic_root(seconds3_q20 << 19) << (TERN_CUBIC_TICK_BITS - 13);
}

uint64_t tern_cubic_ticks(uint64_t duration_ns)
{
  const uint64_t duration_max = UINT64_C(1) << 42; /* more than an hour: beyond DELTA_MAX anyway */

  if (duration_ns > duration_max)
    duration_ns = duration_max;
  return (duration_ns << TERN_CUBIC_TICK_BITS) / TERN_SECOND;
}

/* C * delta^3 in bytes. delta < 2^27: square >> 20 < 2^34, cube >> 20 < 2^41, * 65,535 * 2 <
 * 2^58. */
static uint64_t get_rise(uint64_t delta_ticks, uint64_t datagram_bytes)
{
  uint64_t square = 0;
  uint64_t cube = 0;

  if (delta_ticks > DELTA_MAX)
    delta_ticks = DELTA_MAX;
  square = delta_ticks * delta_ticks >> TERN_CUBIC_TICK_BITS;
  cube = square * delta_ticks >> TERN_CUBIC_TICK_BITS;
  return (cube * datagram_bytes * C_NUMERATOR / C_DENOMINATOR) >> TERN_CUBIC_TICK_BITS;
}

uint64_t tern_cubic_window(uint64_t time_ticks, uint64_t k_ticks, uint64_t max_bytes,
                           uint64_t datagram_bytes)
{
  uint64_t rise = 0;

  TERN_ASSERT(max_bytes <= TERN_CC_WINDOW_MAX && datagram_bytes <= UINT16_MAX);
  if (time_ticks < k_ticks) {
    rise = get_rise(k_ticks - time_ticks, datagram_bytes);
    return max_bytes > rise ? max_bytes - rise : 0;
  }
  rise = get_rise(time_ticks - k_ticks, datagram_bytes);
  return rise < TERN_CC_WINDOW_MAX - max_bytes ? max_bytes + rise : TERN_CC_WINDOW_MAX;
}
