/* SPDX-License-Identifier: MIT */
/* Draws over whatever source the application gave, and a seeded source for simulator and tests. */
#ifndef TERN_BASE_RANDOM_H
#define TERN_BASE_RANDOM_H

#include <tern/base.h>

/* 64 uniform bits. */
uint64_t tern_random_u64(const tern_random_ops *random);
/* Uniform in [0, bound), without the bias of a plain remainder. `bound` > 0. */
uint64_t tern_random_below(const tern_random_ops *random, uint64_t bound);

/* xoshiro256** seeded by SplitMix64 (Blackman and Vigna). Its output can be predicted from a few
 * draws: NOT for production, where connection ids and tokens must be unpredictable. */
struct tern_random_seeded {
  uint64_t state[4];
};

void tern_random_seeded_init(struct tern_random_seeded *seeded, uint64_t seed);
uint64_t tern_random_seeded_next(struct tern_random_seeded *seeded);
/* The source as ops; `seeded` must outlive them. */
tern_random_ops tern_random_seeded_ops(struct tern_random_seeded *seeded);

#endif
