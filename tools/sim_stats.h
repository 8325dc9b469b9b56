/* SPDX-License-Identifier: MIT */
/* Samples and what they say: quantiles, and whether two of them rise together. */
#ifndef TERN_TOOLS_SIM_STATS_H
#define TERN_TOOLS_SIM_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tern_sim_samples {
  double *values;
  size_t count, capacity;
  bool is_sorted;
};

void tern_sim_samples_deinit(struct tern_sim_samples *samples);
void tern_sim_samples_add(struct tern_sim_samples *samples, double value);
/* The value below which `share` (0 to 1) of the samples are, between neighbours in proportion. NaN if
 * there is none. Sorts. */
double tern_sim_samples_quantile(struct tern_sim_samples *samples, double share);
double tern_sim_samples_mean(const struct tern_sim_samples *samples);

/* Spearman's rank correlation of `count` pairs, -1 to 1, ties by their mean rank; 0 if one of both does
 * not vary. */
double tern_rank_correlation(const double *a, const double *b, size_t count);
/* Jain's index of fairness, 1 = all the same. */
double tern_jain_index(const double *shares, size_t count);

#endif
