/* SPDX-License-Identifier: MIT */
/* Min-heap of deadlines with four children per node; nodes live inside their owners.
 *
 *   entry i: children 4i+1 .. 4i+4      key(parent) <= key(child)
 *
 * Keys are copied next to the pointers, so sifting touches the owners only to tell them their new
 * place. Four children halve the depth of a binary heap and share a cache line. Only insertion can
 * allocate: an update, the common case (each packet moves a connection's deadline), cannot fail, and
 * one that changes nothing costs a comparison. */
#ifndef TERN_BASE_HEAP_H
#define TERN_BASE_HEAP_H

#include <tern/base.h>

#include "base/alloc.h"
#include "base/container.h" /* IWYU pragma: export */

/* Zeroed = in no heap. */
struct tern_heap_node {
  tern_time key;
  uint32_t index; /* place in the heap + 1; 0 = in no heap */
};

struct tern_heap_entry {
  tern_time key;
  struct tern_heap_node *node;
};

struct tern_heap {
  struct tern_alloc *alloc;
  struct tern_heap_entry *entries;
  uint32_t count;
  uint32_t capacity;
};

void tern_heap_init(struct tern_heap *heap, struct tern_alloc *alloc);
/* Nodes that are still in are forgotten, not touched. */
void tern_heap_deinit(struct tern_heap *heap);

/* `node` must be in no heap. TERN_NOMEM, or TERN_LIMIT at 2^32 - 2 nodes, changes nothing. */
TERN_MUST_CHECK tern_status tern_heap_insert(struct tern_heap *heap, struct tern_heap_node *node,
                                             tern_time key);
/* Quiet if `node` is in no heap. */
void tern_heap_remove(struct tern_heap *heap, struct tern_heap_node *node);
/* Gives a node that is in the heap a new key. */
void tern_heap_update(struct tern_heap *heap, struct tern_heap_node *node, tern_time key);

static inline bool tern_heap_has_node(const struct tern_heap_node *node)
{
  return node->index != 0;
}

/* The node with the smallest key, or NULL. Among equal keys any. */
static inline struct tern_heap_node *tern_heap_first(const struct tern_heap *heap)
{
  return heap->count == 0 ? NULL : heap->entries[0].node;
}

/* The smallest key, TERN_TIME_NEVER if the heap is empty. */
static inline tern_time tern_heap_first_key(const struct tern_heap *heap)
{
  return heap->count == 0 ? TERN_TIME_NEVER : heap->entries[0].key;
}

#endif
