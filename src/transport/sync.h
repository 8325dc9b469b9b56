/* SPDX-License-Identifier: MIT */
/* Two ways to bring control information to the peer, of which every small producer is made.
 *
 *   once     something to deliver at least once:   idle -> wanted -> sent -> acked
 *                                                            ^--------' lost
 *   newest   a value that only grows, where only the newest matters. Loss of an older copy does not
 *            matter; loss of the newest makes it wanted again; the value written is the one of then.
 *
 * [rfc9000-13.3] says for each frame which of the two it is. A flag that is delivered once, such as
 * HANDSHAKE_DONE, is a `once` without a value. */
#ifndef TERN_TRANSPORT_SYNC_H
#define TERN_TRANSPORT_SYNC_H

#include <tern/base.h>

enum tern_sync_state {
  TERN_SYNC_IDLE = 0, /* nothing to say (a zeroed struct) */
  TERN_SYNC_WANTED,   /* to be written */
  TERN_SYNC_SENT,     /* on its way */
  TERN_SYNC_ACKED,    /* the peer has it */
};

struct tern_sync_once {
  uint8_t state; /* enum tern_sync_state */
};

/* Quiet unless idle. */
void tern_sync_once_want(struct tern_sync_once *once);
void tern_sync_once_on_sent(struct tern_sync_once *once);
/* Every acknowledged copy counts, also one that was declared lost. */
void tern_sync_once_on_acked(struct tern_sync_once *once);
void tern_sync_once_on_lost(struct tern_sync_once *once);
/* It is not worth sending any more: back to idle, unless it was acknowledged. */
void tern_sync_once_cancel(struct tern_sync_once *once);

static inline bool tern_sync_once_wants(const struct tern_sync_once *once)
{
  return once->state == TERN_SYNC_WANTED;
}

static inline bool tern_sync_once_is_acked(const struct tern_sync_once *once)
{
  return once->state == TERN_SYNC_ACKED;
}

struct tern_sync_newest {
  uint64_t sent : 62; /* value of the newest copy, a varint; valid from SENT on */
  uint64_t state : 2; /* enum tern_sync_state */
};

/* The current value should reach the peer. */
void tern_sync_newest_want(struct tern_sync_newest *newest);
void tern_sync_newest_on_sent(struct tern_sync_newest *newest, uint64_t value);
void tern_sync_newest_on_acked(struct tern_sync_newest *newest, uint64_t value);
void tern_sync_newest_on_lost(struct tern_sync_newest *newest, uint64_t value);
void tern_sync_newest_cancel(struct tern_sync_newest *newest);

static inline bool tern_sync_newest_wants(const struct tern_sync_newest *newest)
{
  return newest->state == TERN_SYNC_WANTED;
}

#endif
