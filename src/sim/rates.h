/* SPDX-License-Identifier: MIT */
/* A rate that changes with time: a list of steps that repeats. Each step has a rate and a delay that is
 * added to the link's. Steps are written by a scenario or made by a seeded model of a kind of radio link:
 *
 *   lte        slow fading and fast fading around a mean, a hand-over of up to 300 ms now and then
 *   satellite  low orbit: every 15 s another satellite, with its own rate and delay, after a short gap
 *   wifi       a few fixed speeds, a share of the air that others leave, times when the air is taken
 *
 * The models are ours and simple; they have the shape of such links, not the figures of any one. */
#ifndef TERN_SIM_RATES_H
#define TERN_SIM_RATES_H

#include <tern/base.h>

#include "base/random.h"

#define TERN_SIM_RATES_STEPS_MAX 16384

struct tern_sim_rate_step {
  uint64_t until_ns; /* end of the step, counted from the beginning of the list */
  uint64_t rate;     /* bytes per second; 0 = nothing passes */
  uint64_t delay_ns;
};

struct tern_sim_rates {
  const struct tern_sim_rate_step *steps; /* borrowed */
  size_t count;
  uint64_t period_ns;
};

/* TERN_INVALID: no steps, times that do not grow, or no rate in any. */
TERN_MUST_CHECK tern_status tern_sim_rates_init(struct tern_sim_rates *rates,
                                                const struct tern_sim_rate_step *steps,
                                                size_t count);
const struct tern_sim_rate_step *tern_sim_rates_get(const struct tern_sim_rates *rates,
                                                    tern_time now);
/* When `bytes` that begin at `from` are sent. */
tern_time tern_sim_rates_finish(const struct tern_sim_rates *rates, tern_time from, uint64_t bytes);
/* Bytes that can be sent in between. */
uint64_t tern_sim_rates_bytes(const struct tern_sim_rates *rates, tern_time from, tern_time to);

enum tern_sim_radio {
  TERN_SIM_RADIO_NONE,
  TERN_SIM_RADIO_LTE,
  TERN_SIM_RADIO_SATELLITE,
  TERN_SIM_RADIO_WIFI,
};

/* Makes a minute of steps whose mean is `rate`. `steps` has room for TERN_SIM_RATES_STEPS_MAX; returns
 * how many there are. */
size_t tern_sim_radio_make(enum tern_sim_radio radio, uint64_t seed, uint64_t rate,
                           struct tern_sim_rate_step *steps);

#endif
