/* SPDX-License-Identifier: MIT */
/* What was sent in one number space of one path: a ring indexed by packet number.
 *
 *      base                                   next
 *       v                                      v
 *   ... [LOST][acked][acked][OUT][skipped][OUT] (open)
 *
 * Slot of number n is n & (capacity - 1); the window [base, next) never exceeds the capacity, which
 * doubles up to TERN_SENT_PACKETS_MAX. `base` moves up lazily over slots that no longer matter.
 *
 * A packet is a transaction. Between open and commit it does not exist for anyone else:
 *
 *   packet = tern_sent_open(sent)                 room for sent->next, or NULL
 *   record = tern_sent_add_record(sent, packet)   once per frame that somebody wants back
 *   tern_sent_commit(sent, packet, &args)         next moves on; or
 *   tern_sent_abort(sent, packet)                 no trace, the number is used by the next open
 *
 * One frame record lives in the packet (the common case: one STREAM frame); more go to chunks of an
 * arena that the ring owns, so a packet never costs an allocation of its own.
 *
 * On an ACK, the caller checks every range, then walks it:
 *
 *   if (tern_sent_check_range(sent, range) != TERN_SENT_ACK_VALID) -> PROTOCOL_VIOLATION
 *   cursor = tern_sent_range_begin(sent, range);
 *   while ((packet = tern_sent_range_next(sent, &cursor)) != NULL) {
 *     number is cursor.number; packet->state says OUTSTANDING (newly acknowledged) or LOST
 *     (spurious)
 *     ... tell the producers of its records ...
 *     tern_sent_resolve(sent, packet, TERN_SENT_ACKED);
 *   }
 *
 * A run of acknowledged packets above a hole is remembered in its first slot and jumped over, so an
 * ACK costs what it newly acknowledges, not the length of the window. */
#ifndef TERN_RECOVERY_SENT_H
#define TERN_RECOVERY_SENT_H

#include <tern/base.h>

#include "base/alloc.h"
#include "base/rangeset.h"
#include "recovery/rate.h"

#define TERN_SENT_PACKETS_MIN 16         /* slots when the ring first allocates */
#define TERN_SENT_PACKETS_MAX (1u << 18) /* slots | open answers NULL | 30 Gbit/s x 100 ms */
#define TERN_SENT_RECORDS_MAX 255        /* records per packet | add_record answers NULL */
/* Unacknowledged packets that do not count in flight, kept at the lower end | oldest forgotten. */
#define TERN_SENT_ACK_ONLY_MAX 64
#define TERN_SENT_SKIPPED_MAX 4 /* skipped numbers remembered | oldest forgotten */

/* One frame in a packet. The transport defines the kinds; 0 = none. */
struct tern_frame_record {
  uint8_t kind;
  uint8_t flags;
  uint16_t generation;
  uint32_t slot;
  uint64_t offset;
  uint64_t len;
};

enum tern_sent_state {
  TERN_SENT_FREE = 0,    /* nothing here: open, aborted, forgotten or abandoned */
  TERN_SENT_SKIPPED,     /* number never used on purpose [rfc9000-21.4] */
  TERN_SENT_OUTSTANDING, /* sent, fate unknown */
  TERN_SENT_ACKED,
  TERN_SENT_LOST, /* declared lost; kept so that a late ACK shows a spurious loss */
};

enum {
  TERN_SENT_ACK_ELICITING = 1 << 0,
  TERN_SENT_IN_FLIGHT = 1 << 1, /* counts for congestion control: ack-eliciting or PADDING */
  TERN_SENT_MTU_PROBE = 1 << 2, /* its loss is no congestion [rfc9000-14.4] */
  TERN_SENT_ECT0 = 1 << 3,
  TERN_SENT_PTO_PROBE = 1 << 4,
  TERN_SENT_HAS_ACK = 1 << 5, /* largest_acked is valid */
  TERN_SENT_ECT1 = 1 << 6,
};

struct tern_sent_packet {
  tern_time sent_time;
  struct tern_rate_snapshot rate;
  union {
    uint64_t largest_acked; /* OUTSTANDING, LOST: largest number that its ACK frame covered */
    uint64_t run_end;       /* ACKED: every number from here to run_end is resolved (0 = unknown) */
  };
  uint32_t overflow; /* first chunk of further records, or TERN_SENT_NO_CHUNK */
  uint16_t bytes;    /* UDP payload bytes of the packet */
  uint8_t state;     /* enum tern_sent_state */
  uint8_t flags;     /* TERN_SENT_* bits */
  uint8_t route;     /* index of the 4-tuple it left by */
  uint8_t record_count;
  struct tern_frame_record first;
};

#define TERN_SENT_NO_CHUNK UINT32_MAX
#define TERN_SENT_CHUNK_RECORDS 5

struct tern_sent_chunk {
  struct tern_frame_record records[TERN_SENT_CHUNK_RECORDS];
  uint32_t next; /* chunk of the same packet, or of the free list */
};

struct tern_sent {
  struct tern_alloc *alloc;
  struct tern_sent_packet *packets; /* capacity slots, NULL if capacity is 0 */
  uint32_t capacity;                /* power of two or 0 */
  uint32_t capacity_max;
  uint64_t base; /* lowest number that may still matter */
  uint64_t next; /* number of the next packet */

  struct tern_sent_chunk *chunks;
  uint32_t chunks_capacity;
  uint32_t chunks_free; /* head of the free list */

  /* Facts for timers and policies. */
  uint64_t ack_eliciting_in_flight;  /* OUTSTANDING and ACK_ELICITING */
  tern_time last_ack_eliciting_time; /* send time of the newest ack-eliciting packet; 0 = none */
  uint64_t
      since_ack_eliciting; /* packets sent after it: add a PING now and then, [rfc9000-13.2.4] */

  uint64_t skipped[TERN_SENT_SKIPPED_MAX]; /* newest first */
  uint8_t skipped_count;
  bool is_open;
};

/* `capacity_max` is rounded down to a power of two; 0 = TERN_SENT_PACKETS_MAX. Takes no memory. */
void tern_sent_init(struct tern_sent *sent, struct tern_alloc *alloc, uint32_t capacity_max);
/* Drops everything; producers are not told. The numbering goes on where it was. */
void tern_sent_clear(struct tern_sent *sent);
/* clear, and gives the memory back. */
void tern_sent_deinit(struct tern_sent *sent);
/* Gives memory back if nothing is in flight; call when a connection falls idle. What is still known of
 * packets with ACKs only, and of lost ones, is forgotten with it. */
void tern_sent_trim(struct tern_sent *sent);

/* A zeroed slot for number sent->next, valid until the next open; NULL if the allocator says no or
 * the window has capacity_max packets. */
TERN_MUST_CHECK struct tern_sent_packet *tern_sent_open(struct tern_sent *sent);
/* A zeroed record at the end of the open packet, valid until the next add; NULL if the allocator
 * says no or the packet has TERN_SENT_RECORDS_MAX. */
TERN_MUST_CHECK struct tern_frame_record *tern_sent_add_record(struct tern_sent *sent,
                                                               struct tern_sent_packet *packet);

struct tern_sent_args {
  tern_time now;
  uint16_t bytes;
  uint8_t flags;
  uint8_t route;
  uint64_t largest_acked; /* read if flags has TERN_SENT_HAS_ACK */
};

/* Makes the open packet count; its number is sent->next - 1 afterwards. In-flight bytes of the
 * route are the caller's: tern_inflight_on_sent. */
void tern_sent_commit(struct tern_sent *sent, struct tern_sent_packet *packet,
                      const struct tern_sent_args *args);
void tern_sent_abort(struct tern_sent *sent, struct tern_sent_packet *packet);

/* How many of `count` packets in a row there is room for. */
uint32_t tern_sent_reserve(struct tern_sent *sent, uint32_t count);
/* A run of equal packets, opened and committed at once; room for `count` was reserved. Each has one
 * record: `first` is that of the first packet, and each next one begins where the one before ended. So
 * do the bytes in flight of `rate`. */
void tern_sent_commit_run(struct tern_sent *sent, const struct tern_sent_args *args, uint32_t count,
                          const struct tern_frame_record *first,
                          const struct tern_rate_snapshot *rate);
/* Uses up sent->next without sending it [rfc9000-21.4]. TERN_NOMEM or TERN_LIMIT: not skipped. */
TERN_MUST_CHECK tern_status tern_sent_skip(struct tern_sent *sent);

/* The slot of `number`, or NULL outside [base, next). */
static inline struct tern_sent_packet *tern_sent_find(const struct tern_sent *sent, uint64_t number)
{
  if (number < sent->base || number >= sent->next)
    return NULL;
  return &sent->packets[number & (sent->capacity - 1)];
}

/* Record `i` of `packet`, i < record_count, in the order of adding. */
struct tern_frame_record *tern_sent_record(const struct tern_sent *sent,
                                           struct tern_sent_packet *packet, uint8_t i);

/* OUTSTANDING -> ACKED, LOST or FREE (abandoned, for example never left the host); LOST -> ACKED
 * (spurious). Frees the records, so tell the producers first. Bytes in flight are the caller's. */
void tern_sent_resolve(struct tern_sent *sent, struct tern_sent_packet *packet,
                       enum tern_sent_state state);
/* LOST packets sent before `cutoff` (about 3 PTO ago) are forgotten as far as the base can move. */
void tern_sent_forget_lost(struct tern_sent *sent, tern_time cutoff);

enum tern_sent_ack {
  TERN_SENT_ACK_VALID,
  TERN_SENT_ACK_NEVER_SENT, /* [rfc9000-13.1] SHOULD be PROTOCOL_VIOLATION */
  TERN_SENT_ACK_SKIPPED,    /* [rfc9000-21.4] the peer acknowledges what it cannot have */
};

/* Whether a range that the peer acknowledges can be true. */
enum tern_sent_ack tern_sent_check_range(const struct tern_sent *sent, struct tern_range range);

struct tern_sent_cursor {
  uint64_t number; /* of the packet last returned */
  uint64_t start;
  uint64_t at;
  uint64_t end;
  bool has_given;  /* a packet was returned and not yet looked at again */
  bool is_partial; /* the caller left one of them unresolved: the range is no run */
};

/* Clamps `range` to the window. {sent->base, sent->next} walks everything. */
struct tern_sent_cursor tern_sent_range_begin(const struct tern_sent *sent,
                                              struct tern_range range);

static inline bool tern_sent_is_open_fate(const struct tern_sent_packet *packet)
{
  return packet->state == TERN_SENT_OUTSTANDING || packet->state == TERN_SENT_LOST;
}

/* Next OUTSTANDING or LOST packet of the range in ascending order, or NULL. Until NULL, the packet
 * just returned may be resolved or left as it is, but nothing may be opened. */
static inline struct tern_sent_packet *tern_sent_range_next(struct tern_sent *sent,
                                                            struct tern_sent_cursor *cursor)
{
  struct tern_sent_packet *packet;

  if (cursor->has_given)
    cursor->is_partial |=
        tern_sent_is_open_fate(&sent->packets[cursor->number & (sent->capacity - 1)]);
  cursor->has_given = false;
  while (cursor->at < cursor->end) {
    packet = &sent->packets[cursor->at & (sent->capacity - 1)];
    if (packet->state == TERN_SENT_ACKED && packet->run_end > cursor->at) {
      cursor->at = packet->run_end;
      continue;
    }
    cursor->number = cursor->at++;
    if (tern_sent_is_open_fate(packet)) {
      cursor->has_given = true;
      return packet;
    }
  }
  packet = cursor->is_partial ? NULL : tern_sent_find(sent, cursor->start);
  if (packet && packet->state == TERN_SENT_ACKED && packet->run_end < cursor->end)
    packet->run_end = cursor->end;
  return NULL;
}

/* How many remembered skipped numbers lie in [start, end). */
uint32_t tern_sent_count_skipped(const struct tern_sent *sent, uint64_t start, uint64_t end);

/* Bytes in flight on one route, over all number spaces. */
struct tern_inflight {
  uint64_t bytes;
  uint64_t packets;
};

/* Packets with TERN_SENT_IN_FLIGHT, `bytes` together. */
static inline void tern_inflight_on_sent(struct tern_inflight *inflight, uint64_t bytes,
                                         uint64_t packets)
{
  inflight->bytes += bytes;
  inflight->packets += packets;
}

/* Before tern_sent_resolve: takes an OUTSTANDING packet out; LOST ones are out already. */
static inline void tern_inflight_on_resolved(struct tern_inflight *inflight,
                                             const struct tern_sent_packet *packet)
{
  if (packet->state == TERN_SENT_OUTSTANDING && (packet->flags & TERN_SENT_IN_FLIGHT)) {
    inflight->bytes -= packet->bytes;
    inflight->packets--;
  }
}

#endif
