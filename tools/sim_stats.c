/* SPDX-License-Identifier: MIT */
/* Quantiles, ranks, fairness. */
#include "sim_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

void tern_sim_samples_deinit(struct tern_sim_samples *samples)
{
  free(samples->values);
  memset(samples, 0, sizeof *samples);
}

void tern_sim_samples_add(struct tern_sim_samples *samples, double value)
{
  if (samples->count == samples->capacity) {
    samples->capacity = samples->capacity == 0 ? 64 : samples->capacity * 2;
    samples->values = tern_cli_grow(samples->values, samples->capacity, sizeof *samples->values);
  }
  samples->values[samples->count++] = value;
  samples->is_sorted = false;
}

static int compare(const void *a, const void *b)
{
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

double tern_sim_samples_quantile(struct tern_sim_samples *samples, double share)
{
  if (samples->count == 0)
    return NAN;
  if (!samples->is_sorted)
    qsort(samples->values, samples->count, sizeof *samples->values, compare);
  samples->is_sorted = true;
  double at = share * (double)(samples->count - 1);
  size_t below = (size_t)at;
  if (below + 1 >= samples->count)
    return samples->values[samples->count - 1];
  double part = at - (double)below;
  return samples->values[below] * (1 - part) + samples->values[below + 1] * part;
}

double tern_sim_samples_mean(const struct tern_sim_samples *samples)
{
  double sum = 0;
  for (size_t i = 0; i < samples->count; i++)
    sum += samples->values[i];
  return samples->count == 0 ? NAN : sum / (double)samples->count;
}

struct ranked {
  double value;
  size_t index;
};

static int compare_ranked(const void *a, const void *b)
{
  return compare(&((const struct ranked *)a)->value, &((const struct ranked *)b)->value);
}

/* Ranks from 0; equal values get the mean of theirs. */
static double *rank(const double *values, size_t count)
{
  struct ranked *order = tern_cli_take(count, sizeof *order);
  double *ranks = tern_cli_take(count, sizeof *ranks);
  for (size_t i = 0; i < count; i++) {
    order[i].value = values[i];
    order[i].index = i;
  }
  qsort(order, count, sizeof *order, compare_ranked);
  for (size_t i = 0, end; i < count; i = end) {
    for (end = i + 1; end < count && !(order[end].value > order[i].value); end++)
      ;
    for (size_t j = i; j < end; j++)
      ranks[order[j].index] = (double)(i + end - 1) / 2;
  }
  free(order);
  return ranks;
}

double tern_rank_correlation(const double *a, const double *b, size_t count)
{
  if (count < 2)
    return 0;
  double *ranks_a = rank(a, count), *ranks_b = rank(b, count);
  double mean = (double)(count - 1) / 2, both = 0, only_a = 0, only_b = 0;
  for (size_t i = 0; i < count; i++) {
    double x = ranks_a[i] - mean, y = ranks_b[i] - mean;
    both += x * y;
    only_a += x * x;
    only_b += y * y;
  }
  free(ranks_a);
  free(ranks_b);
  return only_a > 0 && only_b > 0 ? both / sqrt(only_a * only_b) : 0;
}

double tern_jain_index(const double *shares, size_t count)
{
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) {
    sum += shares[i];
    squares += shares[i] * shares[i];
  }
  return squares > 0 ? sum * sum / ((double)count * squares) : 0;
}
