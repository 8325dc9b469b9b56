/* SPDX-License-Identifier: MIT */
/* Says where, and stops with a core. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void tern_assert_fail(const char *condition, const char *file, int line)
{
  fprintf(stderr, "%s:%d: tern: assertion failed: %s\n", file, line, condition);
  abort();
}
