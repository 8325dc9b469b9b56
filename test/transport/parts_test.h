/* SPDX-License-Identifier: MIT */
/* What the tests of the transport's parts share: cmocka, seeded draws, bytes that a stream has at an
 * offset, an account that counts. */
#ifndef TERN_TEST_PARTS_TEST_H
#define TERN_TEST_PARTS_TEST_H

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
#include "base/cursor.h"
#include "base/random.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static inline uint64_t draw_below(struct tern_random_seeded *random, uint64_t bound)
{
  return tern_random_seeded_next(random) % bound;
}

/* True with a chance of 1 in `n`. */
static inline bool draw_one_in(struct tern_random_seeded *random, uint64_t n)
{
  return draw_below(random, n) == 0;
}

/* The byte that every test stream has at `offset`; differs between neighbours and over long distances. */
static inline uint8_t byte_at(uint64_t offset)
{
  return (uint8_t)(offset * 131 + (offset >> 8) * 17 + (offset >> 16) * 101);
}

static inline void fill_bytes(uint8_t *out, uint64_t offset, size_t len)
{
  for (size_t i = 0; i < len; i++)
    out[i] = byte_at(offset + i);
}

static inline bool are_bytes(const uint8_t *data, uint64_t offset, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if (data[i] != byte_at(offset + i))
      return false;
  return true;
}

static inline struct tern_alloc make_account(void)
{
  struct tern_alloc alloc;
  tern_alloc_init(&alloc, &tern_alloc_system, NULL, UINT64_MAX);
  return alloc;
}

#endif
