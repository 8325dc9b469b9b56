/* SPDX-License-Identifier: MIT */
/* Steps of rate. */
#include "sim/rates.h"

tern_status tern_sim_rates_init(struct tern_sim_rates *rates,
                                const struct tern_sim_rate_step *steps, size_t count)
{
  uint64_t before = 0;
  bool has_rate = false;
  for (size_t i = 0; i < count; i++) {
    if (steps[i].until_ns <= before)
      return TERN_INVALID;
    before = steps[i].until_ns;
    has_rate |= steps[i].rate != 0;
  }
  if (!has_rate)
    return TERN_INVALID;
  rates->steps = steps;
  rates->count = count;
  rates->period_ns = before;
  return TERN_OK;
}

/* The step that holds at `at`, counted from the beginning of the list. */
static size_t find(const struct tern_sim_rates *rates, uint64_t at)
{
  size_t low = 0, high = rates->count - 1;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (rates->steps[middle].until_ns <= at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const struct tern_sim_rate_step *tern_sim_rates_get(const struct tern_sim_rates *rates,
                                                    tern_time now)
{
  return &rates->steps[find(rates, now % rates->period_ns)];
}

tern_time tern_sim_rates_finish(const struct tern_sim_rates *rates, tern_time from, uint64_t bytes)
{
  uint64_t at = from % rates->period_ns;
  size_t index = find(rates, at);
  double left = (double)bytes;
  for (;;) {
    const struct tern_sim_rate_step *step = &rates->steps[index];
    uint64_t span = step->until_ns - at;
    double room = (double)span * 1e-9 * (double)step->rate;
    if (room >= left)
      return from + (uint64_t)(left * 1e9 / (double)step->rate);
    left -= room;
    from += span;
    at = step->until_ns == rates->period_ns ? 0 : step->until_ns;
    index = (index + 1) % rates->count;
  }
}

uint64_t tern_sim_rates_bytes(const struct tern_sim_rates *rates, tern_time from, tern_time to)
{
  uint64_t at = from % rates->period_ns;
  size_t index = find(rates, at);
  double bytes = 0;
  while (from < to) {
    const struct tern_sim_rate_step *step = &rates->steps[index];
    uint64_t span = step->until_ns - at;
    if (span > to - from)
      span = to - from;
    bytes += (double)span * 1e-9 * (double)step->rate;
    from += span;
    at = step->until_ns == rates->period_ns ? 0 : step->until_ns;
    index = (index + 1) % rates->count;
  }
  return (uint64_t)(bytes + 0.5);
}
