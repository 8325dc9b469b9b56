/* SPDX-License-Identifier: MIT */
/* Which stream sends next (RFC 9218 4 and 10).
 *
 *   urgency 0 [ by id: 4 8 12 ]  [ ring: 0 -> 16 -> 20 ]     served first, until empty
 *   ...
 *   urgency 7 [ by id: ]         [ ring: ]
 *
 * Within an urgency, streams that are not incremental go one after the other by id, incremental ones in
 * turn, a quantum each; where there are both, the first of the former takes its turn in the ring.
 * A stream is in here exactly while it has something to send. One that only the connection's flow
 * control holds back is parked, so that the others are found without stepping over it.
 *
 * Most connections know one urgency: the other buckets are made by the first stream that has another one. If
 * there is no memory for them, it is served like one of the default urgency.
 *
 * Insertion, removal and parking are O(1), the by-id order is a pairing heap with O(log n) amortised
 * removal. The functions of this header are all that the spine uses: another scheduler replaces the
 * file. */
#ifndef TERN_TRANSPORT_SCHEDULER_H
#define TERN_TRANSPORT_SCHEDULER_H

#include <tern/base.h>

#include "base/alloc.h"

struct tern_stream;

#define TERN_URGENCIES 8
#define TERN_URGENCY_DEFAULT 3 /* [rfc9218-4.1] */

enum tern_sched_place {
  TERN_SCHED_OUT = 0, /* a zeroed node */
  TERN_SCHED_HEAP,
  TERN_SCHED_RING,
  TERN_SCHED_PARKED,
};

/* Lives in each stream. */
struct tern_sched_node {
  struct tern_sched_node *prev; /* heap: previous sibling, or parent of a first child */
  struct tern_sched_node *next; /* heap: next sibling */
  struct tern_sched_node *child;
  uint8_t place;   /* enum tern_sched_place */
  uint8_t bucket;  /* it is queued in; its urgency's but for want of memory */
  uint8_t urgency; /* 0 to 7; change with tern_scheduler_set_priority */
  bool is_incremental;
};

struct tern_sched_bucket {
  struct tern_sched_node *heap;
  struct tern_sched_node *ring;       /* whose turn it is; circular */
  struct tern_sched_node *ring_first; /* heap's turn comes when the ring is back here */
  uint32_t served_bytes;              /* of the current quantum; saturates */
  bool is_heap_turn;
};

struct tern_scheduler {
  struct tern_alloc *alloc;
  struct tern_sched_bucket usual;   /* of TERN_URGENCY_DEFAULT */
  struct tern_sched_bucket *others; /* by urgency, TERN_URGENCIES of them, or NULL */
  struct tern_sched_node *parked;   /* circular */
  uint32_t count;                   /* queued, without parked */
  uint32_t quantum_bytes;
  uint8_t used; /* bit u: bucket u is not empty */
};

/* `quantum_bytes`: how much an incremental stream sends before the next has its turn; 0 = one packet
 * each (every on_served ends the turn). */
void tern_scheduler_init(struct tern_scheduler *scheduler, struct tern_alloc *alloc,
                         uint32_t quantum_bytes);
/* Streams that are still in are forgotten. */
void tern_scheduler_deinit(struct tern_scheduler *scheduler);
/* Gives back what an empty scheduler does not need. */
void tern_scheduler_trim(struct tern_scheduler *scheduler);
static inline bool tern_scheduler_is_empty(const struct tern_scheduler *scheduler)
{
  return scheduler->count == 0;
}
/* Quiet if it is queued already; a parked stream is queued again. */
void tern_scheduler_insert(struct tern_scheduler *scheduler, struct tern_stream *stream);
/* Quiet if it is not in. */
void tern_scheduler_remove(struct tern_scheduler *scheduler, struct tern_stream *stream);
/* Whose turn it is, or NULL. Changes nothing. */
struct tern_stream *tern_scheduler_next(const struct tern_scheduler *scheduler);
/* How much that stream may write before it is another's turn; UINT64_MAX if there is no other. */
uint64_t tern_scheduler_turn_bytes(const struct tern_scheduler *scheduler);
/* `stream`, which next answered, wrote `bytes`. Does not remove it. */
void tern_scheduler_on_served(struct tern_scheduler *scheduler, struct tern_stream *stream,
                              uint64_t bytes);
/* Aside until tern_scheduler_unpark_all (MAX_DATA came) or insert (something was lost). */
void tern_scheduler_park(struct tern_scheduler *scheduler, struct tern_stream *stream);
void tern_scheduler_unpark_all(struct tern_scheduler *scheduler);
/* Works for streams in any place. */
void tern_scheduler_set_priority(struct tern_scheduler *scheduler, struct tern_stream *stream,
                                 uint8_t urgency, bool is_incremental);

#endif
