/* SPDX-License-Identifier: MIT */
/* The token bucket. */
#include "sim/policer.h"

/* Whole bytes are filled in, and `at` moves by exactly their time, so nothing is lost to rounding. */
static void fill(struct tern_sim_policer *policer, uint64_t rate, uint64_t burst_bytes,
                 tern_time now)
{
  uint64_t passed_ns = now - policer->at;
  if (!policer->is_started || passed_ns >= 3600 * TERN_SECOND) {
    policer->is_started = true;
    policer->tokens = burst_bytes;
    policer->at = now;
    return;
  }
  uint64_t whole = passed_ns / TERN_SECOND * rate;
  uint64_t part_ns = passed_ns % TERN_SECOND;
  uint64_t part = (uint64_t)((double)part_ns * 1e-9 * (double)rate);
  if (policer->tokens + whole + part >= burst_bytes) {
    policer->tokens = burst_bytes;
    policer->at = now;
    return;
  }
  policer->tokens += whole + part;
  policer->at +=
      passed_ns / TERN_SECOND * TERN_SECOND + (uint64_t)((double)part * 1e9 / (double)rate);
}

bool tern_sim_policer_pass(struct tern_sim_policer *policer, uint64_t rate, uint64_t burst_bytes,
                           tern_time now, size_t len)
{
  fill(policer, rate, burst_bytes, now);
  if (policer->tokens < len)
    return false;
  policer->tokens -= len;
  return true;
}
