/* SPDX-License-Identifier: MIT */
/* Durations, kept to be asked for percentiles.
 *
 * Debian has no histogram library for C with the resolution that tails want (HdrHistogram is there for
 * Java and Go; GSL's histograms have bins of fixed edges, which latency does not respect). So the
 * samples themselves are kept and sorted once, at the end: percentiles are exact, and the cost while
 * measuring is a store. Memory is bounded: from TERN_SAMPLES_MAX on, what is kept is a uniform choice
 * of all that came (reservoir sampling, Vitter's algorithm R); least, most and mean stay exact. */
#ifndef TERN_TOOLS_SAMPLES_H
#define TERN_TOOLS_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

#define TERN_SAMPLES_MAX ((size_t)1 << 22) /* 32 MiB; 4,194 of them above the 99.9th percentile */

struct tern_samples {
  uint64_t *values;
  size_t count, capacity, max;
  uint64_t seen; /* all that were added */
  uint64_t least, most;
  double sum;
  bool is_sorted;
  struct tern_random_seeded random;
};

/* `max` is how many to keep, at least 1. */
void tern_samples_init(struct tern_samples *samples, size_t max);
void tern_samples_deinit(struct tern_samples *samples);
void tern_samples_add(struct tern_samples *samples, uint64_t value);

/* The smallest value that at least the share `q` of all, in (0, 1], is not above; 0 if there are none.
 * Sorts when something was added since. */
uint64_t tern_samples_get_quantile(struct tern_samples *samples, double q);
double tern_samples_get_mean(const struct tern_samples *samples);

#endif
