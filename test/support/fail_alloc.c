/* SPDX-License-Identifier: MIT */
/* The size is kept in front of each block, so that a wrong one on the way back is seen. */
#include "support/fail_alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define HEADER_BYTES 16

static void *take(void *arg, size_t size)
{
  struct tern_fail_alloc *fail = arg;
  fail->takes++;
  bool is_due = fail->fail_at != 0 && (fail->takes == fail->fail_at ||
                                       (fail->fails_from_then && fail->takes > fail->fail_at));
  if (is_due)
    return NULL;
  char *block = malloc(HEADER_BYTES + size);
  TERN_ASSERT(block != NULL);
  memcpy(block, &size, sizeof size);
  memset(block + HEADER_BYTES, 0xa5, size);
  fail->live_blocks++;
  fail->live_bytes += size;
  return block + HEADER_BYTES;
}

static void give(void *arg, void *block, size_t size)
{
  struct tern_fail_alloc *fail = arg;
  char *start = (char *)block - HEADER_BYTES;
  size_t taken;
  memcpy(&taken, start, sizeof taken);
  TERN_ASSERT(taken == size);
  fail->live_blocks--;
  fail->live_bytes -= size;
  free(start);
}

void tern_fail_alloc_init(struct tern_fail_alloc *fail, uint64_t fail_at)
{
  *fail = (struct tern_fail_alloc){.fail_at = fail_at};
}

tern_alloc_ops tern_fail_alloc_ops(struct tern_fail_alloc *fail)
{
  tern_alloc_ops ops = {take, give, fail};
  return ops;
}
