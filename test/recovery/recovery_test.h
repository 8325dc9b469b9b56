/* SPDX-License-Identifier: MIT */
/* What the tests of src/recovery share: cmocka, a seeded draw, an account to count allocations. */
#ifndef TERN_TEST_RECOVERY_TEST_H
#define TERN_TEST_RECOVERY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/base.h>

#include "base/alloc.h"
#include "base/random.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define MS TERN_MS

static inline uint64_t draw_below(struct tern_random_seeded *random, uint64_t bound)
{
  return tern_random_seeded_next(random) % bound;
}

/* True with a chance of 1 in `n`. */
static inline bool draw_one_in(struct tern_random_seeded *random, uint64_t n)
{
  return draw_below(random, n) == 0;
}

/* |got - want| <= want / divisor + slack */
static inline bool is_near(uint64_t got, uint64_t want, uint64_t divisor, uint64_t slack)
{
  uint64_t difference = got > want ? got - want : want - got;
  return difference <= want / divisor + slack;
}

#endif
