/* SPDX-License-Identifier: MIT */
/* From a node that is embedded in a struct back to the struct: heap and list nodes live inside their
 * owners, so that being in a heap or a list never allocates. */
#ifndef TERN_BASE_CONTAINER_H
#define TERN_BASE_CONTAINER_H

#include <stddef.h>

/* The `type` whose `member` is at `pointer`; `pointer` must not be NULL. */
#define TERN_CONTAINER_OF(pointer, type, member)                                                   \
  ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
