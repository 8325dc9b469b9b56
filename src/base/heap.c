/* SPDX-License-Identifier: MIT */
/* Sifting moves a hole, not the entry: each level is one store and one index update. */
#include "base/heap.h"

#include "base/assert.h"

#define CHILDREN 4
#define CAPACITY_MIN 16

void tern_heap_init(struct tern_heap *heap, struct tern_alloc *alloc)
{
  *heap = (struct tern_heap){.alloc = alloc};
}

void tern_heap_deinit(struct tern_heap *heap)
{
  tern_alloc_give(heap->alloc, heap->entries, heap->capacity * sizeof *heap->entries);
  *heap = (struct tern_heap){.alloc = heap->alloc};
}

static void place(struct tern_heap *heap, uint32_t at, struct tern_heap_entry entry)
{
  heap->entries[at] = entry;
  entry.node->index = at + 1;
}

/* Moves the hole at `at` up until `entry` fits into it. */
static void sift_up(struct tern_heap *heap, uint32_t at, struct tern_heap_entry entry)
{
  while (at > 0) {
    uint32_t parent = (at - 1) / CHILDREN;
    if (heap->entries[parent].key <= entry.key)
      break;
    place(heap, at, heap->entries[parent]);
    at = parent;
  }
  place(heap, at, entry);
}

/* The child of `at` with the smallest key; `count` if it has none. 64 bits, since 4i + 4 may pass
 * 2^32. */
static uint32_t find_least_child(const struct tern_heap *heap, uint32_t at)
{
  uint64_t first = (uint64_t)at * CHILDREN + 1;
  if (first >= heap->count)
    return heap->count;
  uint64_t end = first + CHILDREN < heap->count ? first + CHILDREN : heap->count;
  uint32_t least = (uint32_t)first;
  for (uint32_t i = least + 1; i < end; i++)
    if (heap->entries[i].key < heap->entries[least].key)
      least = i;
  return least;
}

static void sift_down(struct tern_heap *heap, uint32_t at, struct tern_heap_entry entry)
{
  for (;;) {
    uint32_t child = find_least_child(heap, at);
    if (child == heap->count || heap->entries[child].key >= entry.key)
      break;
    place(heap, at, heap->entries[child]);
    at = child;
  }
  place(heap, at, entry);
}

static void sift(struct tern_heap *heap, uint32_t at, struct tern_heap_entry entry)
{
  if (at > 0 && entry.key < heap->entries[(at - 1) / CHILDREN].key)
    sift_up(heap, at, entry);
  else
    sift_down(heap, at, entry);
}

static bool resize(struct tern_heap *heap, uint32_t capacity)
{
  size_t entry_bytes = sizeof *heap->entries;
  void *entries = tern_alloc_resize(heap->alloc, heap->entries, heap->capacity * entry_bytes,
                                    capacity * entry_bytes);
  if (entries == NULL)
    return false;
  heap->entries = entries;
  heap->capacity = capacity;
  return true;
}

tern_status tern_heap_insert(struct tern_heap *heap, struct tern_heap_node *node, tern_time key)
{
  TERN_ASSERT(node->index == 0);
  if (heap->count == heap->capacity) {
    if (heap->capacity > UINT32_MAX / 2)
      return TERN_LIMIT;
    if (!resize(heap, heap->capacity == 0 ? CAPACITY_MIN : heap->capacity * 2))
      return TERN_NOMEM;
  }
  node->key = key;
  sift_up(heap, heap->count++, (struct tern_heap_entry){key, node});
  return TERN_OK;
}

void tern_heap_remove(struct tern_heap *heap, struct tern_heap_node *node)
{
  if (node->index == 0)
    return;
  uint32_t at = node->index - 1;
  TERN_ASSERT(at < heap->count && heap->entries[at].node == node);
  node->index = 0;
  heap->count--;
  if (at != heap->count)
    sift(heap, at, heap->entries[heap->count]);
  /* A quarter full: give half back, so that a rush of connections is not paid for ever. If even that
   * fails, the old array stays. */
  if (heap->capacity > CAPACITY_MIN && heap->count <= heap->capacity / 4)
    (void)!resize(heap, heap->capacity / 2);
}

void tern_heap_update(struct tern_heap *heap, struct tern_heap_node *node, tern_time key)
{
  TERN_ASSERT(node->index != 0);
  if (node->key == key)
    return;
  uint32_t at = node->index - 1;
  TERN_ASSERT(at < heap->count && heap->entries[at].node == node);
  node->key = key;
  sift(heap, at, (struct tern_heap_entry){key, node});
}
