/* SPDX-License-Identifier: MIT */
/* An allocator for tests: counts, checks that blocks come back with the size they were taken with,
 * and refuses the n-th take, so that a test can walk through every failure of an operation:
 *
 *   for (fail.fail_at = 1;; fail.fail_at++) {
 *     fail.takes = 0;
 *     if (operation() == TERN_OK) break;
 *     assert_int_equal(fail.live_bytes, before);
 *   }
 */
#ifndef TERN_TEST_FAIL_ALLOC_H
#define TERN_TEST_FAIL_ALLOC_H

#include <tern/base.h>

struct tern_fail_alloc {
  uint64_t takes;       /* asked for, refused ones included */
  uint64_t fail_at;     /* the take to refuse, counted from 1; 0 = none */
  bool fails_from_then; /* refuse all later ones, too */
  uint64_t live_blocks;
  uint64_t live_bytes;
};

void tern_fail_alloc_init(struct tern_fail_alloc *fail, uint64_t fail_at);
/* `fail` must outlive the ops. */
tern_alloc_ops tern_fail_alloc_ops(struct tern_fail_alloc *fail);

#endif
