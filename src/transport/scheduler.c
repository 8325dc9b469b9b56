/* SPDX-License-Identifier: MIT */
/* Urgency buckets, each a pairing heap by id and a ring: see scheduler.h.
 *
 * Pairing heap: a node's children form a list child -> next -> next; `prev` leads back to the previous
 * sibling or, from the first child, to the parent. Melding makes the larger root the first child of the
 * smaller. Removing a root melds its children in pairs, then the pairs from the last to the first.
 *
 * Ring: `ring` has the turn. Where a bucket has both, one round is heap, ring_first, ..., back to
 * ring_first. */
#include "transport/scheduler.h"

#include "base/assert.h"
#include "base/container.h"
#include "transport/stream.h"

static struct tern_stream *stream_of(struct tern_sched_node *node)
{
  return TERN_CONTAINER_OF(node, struct tern_stream, sched);
}

/* ---- pairing heap ---- */

static struct tern_sched_node *meld(struct tern_sched_node *a, struct tern_sched_node *b)
{
  if (a == NULL || b == NULL)
    return a != NULL ? a : b;
  if (stream_of(b)->id < stream_of(a)->id) {
    struct tern_sched_node *swap = a;
    a = b;
    b = swap;
  }
  b->prev = a;
  b->next = a->child;
  if (b->next != NULL)
    b->next->prev = b;
  a->child = b;
  return a;
}

/* One heap of a list of siblings. */
static struct tern_sched_node *meld_siblings(struct tern_sched_node *first)
{
  struct tern_sched_node *pairs = NULL;
  struct tern_sched_node *root = NULL;
  while (first != NULL) {
    struct tern_sched_node *a = first;
    struct tern_sched_node *b = a->next;
    first = b != NULL ? b->next : NULL;
    a->next = NULL;
    if (b != NULL)
      b->next = NULL;
    a = meld(a, b);
    a->next = pairs;
    pairs = a;
  }
  while (pairs != NULL) {
    struct tern_sched_node *rest = pairs->next;
    pairs->next = NULL;
    root = meld(root, pairs);
    pairs = rest;
  }
  if (root != NULL)
    root->prev = NULL;
  return root;
}

static void heap_insert(struct tern_sched_bucket *bucket, struct tern_sched_node *node)
{
  node->prev = NULL;
  node->next = NULL;
  node->child = NULL;
  bucket->heap = meld(bucket->heap, node);
}

static void heap_remove(struct tern_sched_bucket *bucket, struct tern_sched_node *node)
{
  struct tern_sched_node *below = meld_siblings(node->child);
  if (bucket->heap == node) {
    bucket->heap = below;
    bucket->served_bytes = 0;
    return;
  }
  if (node->prev->child == node)
    node->prev->child = node->next;
  else
    node->prev->next = node->next;
  if (node->next != NULL)
    node->next->prev = node->prev;
  bucket->heap = meld(bucket->heap, below);
}

/* ---- circular lists ---- */

/* Before `at`; alone if `at` is NULL. */
static void circle_insert(struct tern_sched_node *at, struct tern_sched_node *node)
{
  if (at == NULL)
    at = node->prev = node;
  node->next = at;
  node->prev = at->prev;
  at->prev->next = node;
  at->prev = node;
}

/* The node after it, or NULL if it was alone. */
static struct tern_sched_node *circle_remove(struct tern_sched_node *node)
{
  struct tern_sched_node *next = node->next;
  node->prev->next = next;
  next->prev = node->prev;
  return next == node ? NULL : next;
}

static void ring_insert(struct tern_sched_bucket *bucket, struct tern_sched_node *node)
{
  /* Before the one whose turn it is: last in line. */
  circle_insert(bucket->ring, node);
  if (bucket->ring == NULL) {
    bucket->ring = node;
    bucket->ring_first = node;
  }
}

/* The turn goes from `ring` to the next; a round ends where it began. */
static void end_ring_turn(struct tern_sched_bucket *bucket, struct tern_sched_node *next)
{
  bucket->ring = next;
  bucket->served_bytes = 0;
  if (next == bucket->ring_first)
    bucket->is_heap_turn = true;
}

static void ring_remove(struct tern_sched_bucket *bucket, struct tern_sched_node *node)
{
  struct tern_sched_node *next = circle_remove(node);
  bool had_turn = bucket->ring == node;
  if (next == NULL) {
    bucket->ring = NULL;
    bucket->ring_first = NULL;
    bucket->served_bytes = 0;
    return;
  }
  if (had_turn)
    end_ring_turn(bucket, next);
  if (bucket->ring_first == node)
    bucket->ring_first = next;
}

/* ---- buckets ---- */

#define OTHERS_BYTES (TERN_URGENCIES * sizeof(struct tern_sched_bucket))

void tern_scheduler_init(struct tern_scheduler *scheduler, struct tern_alloc *alloc,
                         uint32_t quantum_bytes)
{
  *scheduler = (struct tern_scheduler){.alloc = alloc, .quantum_bytes = quantum_bytes};
  scheduler->usual.is_heap_turn = true;
}

void tern_scheduler_deinit(struct tern_scheduler *scheduler)
{
  tern_alloc_give(scheduler->alloc, scheduler->others, OTHERS_BYTES);
  scheduler->others = NULL;
}

void tern_scheduler_trim(struct tern_scheduler *scheduler)
{
  if (scheduler->used == 0)
    tern_scheduler_deinit(scheduler);
}

static struct tern_sched_bucket *bucket_at(struct tern_scheduler *scheduler, uint32_t index)
{
  return index == TERN_URGENCY_DEFAULT ? &scheduler->usual : &scheduler->others[index];
}

/* The first that has something; only if used. */
static const struct tern_sched_bucket *first_bucket(const struct tern_scheduler *scheduler)
{
  /* [rfc9218-4.1] the lowest urgency value first */
  uint32_t index = (uint32_t)__builtin_ctz(scheduler->used);
  return index == TERN_URGENCY_DEFAULT ? &scheduler->usual : &scheduler->others[index];
}

static bool make_others(struct tern_scheduler *scheduler)
{
  if (scheduler->others != NULL)
    return true;
  scheduler->others = tern_alloc_take_zero(scheduler->alloc, OTHERS_BYTES);
  if (scheduler->others == NULL)
    return false;
  for (uint32_t i = 0; i < TERN_URGENCIES; i++)
    scheduler->others[i].is_heap_turn = true;
  return true;
}

static void take_out(struct tern_scheduler *scheduler, struct tern_sched_node *node)
{
  if (node->place == TERN_SCHED_PARKED) {
    struct tern_sched_node *next = circle_remove(node);
    if (scheduler->parked == node)
      scheduler->parked = next;
  } else {
    struct tern_sched_bucket *bucket = bucket_at(scheduler, node->bucket);
    if (node->place == TERN_SCHED_HEAP)
      heap_remove(bucket, node);
    else
      ring_remove(bucket, node);
    scheduler->count--;
    if (bucket->heap == NULL && bucket->ring == NULL)
      scheduler->used = (uint8_t)(scheduler->used & ~(1u << node->bucket));
  }
  node->place = TERN_SCHED_OUT;
  node->prev = NULL;
  node->next = NULL;
  node->child = NULL;
}

static void put_in(struct tern_scheduler *scheduler, struct tern_sched_node *node)
{
  bool is_usual = node->urgency == TERN_URGENCY_DEFAULT || !make_others(scheduler);
  node->bucket = is_usual ? TERN_URGENCY_DEFAULT : node->urgency;
  struct tern_sched_bucket *bucket = bucket_at(scheduler, node->bucket);
  if (node->is_incremental) {
    ring_insert(bucket, node);
    node->place = TERN_SCHED_RING;
  } else {
    heap_insert(bucket, node);
    node->place = TERN_SCHED_HEAP;
  }
  scheduler->used = (uint8_t)(scheduler->used | 1u << node->bucket);
  scheduler->count++;
}

void tern_scheduler_insert(struct tern_scheduler *scheduler, struct tern_stream *stream)
{
  struct tern_sched_node *node = &stream->sched;
  if (node->place == TERN_SCHED_PARKED)
    take_out(scheduler, node);
  if (node->place == TERN_SCHED_OUT)
    put_in(scheduler, node);
}

void tern_scheduler_remove(struct tern_scheduler *scheduler, struct tern_stream *stream)
{
  if (stream->sched.place != TERN_SCHED_OUT)
    take_out(scheduler, &stream->sched);
}

static bool is_turn_of_heap(const struct tern_sched_bucket *bucket)
{
  return bucket->heap != NULL && (bucket->ring == NULL || bucket->is_heap_turn);
}

struct tern_stream *tern_scheduler_next(const struct tern_scheduler *scheduler)
{
  if (scheduler->used == 0)
    return NULL;
  const struct tern_sched_bucket *bucket = first_bucket(scheduler);
  return stream_of(is_turn_of_heap(bucket) ? bucket->heap : bucket->ring);
}

uint64_t tern_scheduler_turn_bytes(const struct tern_scheduler *scheduler)
{
  if (scheduler->used == 0)
    return 0;
  const struct tern_sched_bucket *bucket = first_bucket(scheduler);
  bool is_alone =
      bucket->ring == NULL || (bucket->heap == NULL && bucket->ring->next == bucket->ring);
  if (is_alone)
    return UINT64_MAX;
  /* Always something: a turn of one packet has no quantum. */
  return scheduler->quantum_bytes > bucket->served_bytes
             ? scheduler->quantum_bytes - bucket->served_bytes
             : 1;
}

void tern_scheduler_on_served(struct tern_scheduler *scheduler, struct tern_stream *stream,
                              uint64_t bytes)
{
  struct tern_sched_node *node = &stream->sched;
  if (node->place != TERN_SCHED_HEAP && node->place != TERN_SCHED_RING)
    return;
  struct tern_sched_bucket *bucket = bucket_at(scheduler, node->bucket);
  bucket->served_bytes = bytes < UINT32_MAX - bucket->served_bytes
                             ? bucket->served_bytes + (uint32_t)bytes
                             : UINT32_MAX;
  if (bucket->served_bytes < scheduler->quantum_bytes)
    return;
  if (node->place == TERN_SCHED_RING) {
    if (bucket->ring == node)
      end_ring_turn(bucket, node->next);
    return;
  }
  bucket->served_bytes = 0;
  bucket->is_heap_turn = false;
}

void tern_scheduler_park(struct tern_scheduler *scheduler, struct tern_stream *stream)
{
  struct tern_sched_node *node = &stream->sched;
  if (node->place == TERN_SCHED_PARKED)
    return;
  tern_scheduler_remove(scheduler, stream);
  circle_insert(scheduler->parked, node);
  if (scheduler->parked == NULL)
    scheduler->parked = node;
  node->place = TERN_SCHED_PARKED;
}

void tern_scheduler_unpark_all(struct tern_scheduler *scheduler)
{
  while (scheduler->parked != NULL) {
    struct tern_sched_node *node = scheduler->parked;
    take_out(scheduler, node);
    put_in(scheduler, node);
  }
}

void tern_scheduler_set_priority(struct tern_scheduler *scheduler, struct tern_stream *stream,
                                 uint8_t urgency, bool is_incremental)
{
  struct tern_sched_node *node = &stream->sched;
  TERN_ASSERT(urgency < TERN_URGENCIES);
  if (node->urgency == urgency && node->is_incremental == is_incremental)
    return;
  bool was_queued = node->place == TERN_SCHED_HEAP || node->place == TERN_SCHED_RING;
  if (was_queued)
    take_out(scheduler, node);
  node->urgency = urgency;
  node->is_incremental = is_incremental;
  if (was_queued)
    put_in(scheduler, node);
}
