/* SPDX-License-Identifier: MIT */
/* Exact samples up to a bound, a fair choice of them beyond it. */
#include "samples.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define FIRST_CAPACITY 1024
#define SEED 1

void tern_samples_init(struct tern_samples *samples, size_t max)
{
  memset(samples, 0, sizeof *samples);
  samples->max = max;
  tern_random_seeded_init(&samples->random, SEED);
}

void tern_samples_deinit(struct tern_samples *samples)
{
  free(samples->values);
  samples->values = NULL;
}

static void grow(struct tern_samples *samples)
{
  size_t capacity = samples->capacity == 0 ? FIRST_CAPACITY : samples->capacity * 2;
  samples->capacity = capacity < samples->max ? capacity : samples->max;
  samples->values = tern_cli_grow(samples->values, samples->capacity, sizeof *samples->values);
}

void tern_samples_add(struct tern_samples *samples, uint64_t value)
{
  if (samples->seen == 0 || value < samples->least)
    samples->least = value;
  if (value > samples->most)
    samples->most = value;
  samples->sum += (double)value;
  samples->seen++;
  samples->is_sorted = false;
  if (samples->count == samples->capacity && samples->count < samples->max)
    grow(samples);
  if (samples->count < samples->capacity) {
    samples->values[samples->count++] = value;
    return;
  }
  tern_random_ops random = tern_random_seeded_ops(&samples->random);
  uint64_t place = tern_random_below(&random, samples->seen);
  if (place < samples->count)
    samples->values[place] = value;
}

static int compare(const void *a, const void *b)
{
  const uint64_t *left = a, *right = b;
  return *left < *right ? -1 : *left > *right;
}

uint64_t tern_samples_get_quantile(struct tern_samples *samples, double q)
{
  if (samples->count == 0)
    return 0;
  if (!samples->is_sorted)
    qsort(samples->values, samples->count, sizeof *samples->values, compare);
  samples->is_sorted = true;
  if (q >= 1)
    return samples->most;
  double rank = q * (double)samples->count;
  size_t above = (size_t)rank;
  size_t index = (double)above < rank ? above : above == 0 ? 0 : above - 1;
  return samples->values[index];
}

double tern_samples_get_mean(const struct tern_samples *samples)
{
  return samples->seen == 0 ? 0 : samples->sum / (double)samples->seen;
}
