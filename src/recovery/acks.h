/* SPDX-License-Identifier: MIT */
/* The receiving side of one number space: what came, and when to say so.
 *
 *   dup_floor      report_floor           largest
 *      v                v                    v
 *   ...[ kept ]  [ kept ][ reported ]  [ reported )
 *
 * Numbers below dup_floor count as duplicates, because what was below was forgotten. Ranges below
 * report_floor are kept only to tell late packets from duplicates: the peer has seen our ACK of
 * them.
 *
 * A received packet is processed if it is no duplicate, and then told here exactly once; the caller
 * asks wants_now after each batch, so a batch of many packets costs one ACK. */
#ifndef TERN_RECOVERY_ACKS_H
#define TERN_RECOVERY_ACKS_H

#include <tern/base.h>
#include <tern/config.h>

#include "base/alloc.h"
#include "base/rangeset.h"

#define TERN_ACKS_KEPT_MAX 8 /* ranges kept below report_floor | oldest forgotten */

struct tern_acks_policy {
  uint64_t max_delay_ns; /* what we advertise; 0 = every ACK at once (Initial, Handshake) */
  uint32_t threshold;    /* ack-eliciting packets that make an ACK due; 2 [rfc9000-13.2.2] */
};

struct tern_acks_ecn {
  uint64_t ect0;
  uint64_t ect1;
  uint64_t ce;
};

struct tern_acks {
  struct tern_alloc *alloc;
  struct tern_rangeset received;
  struct tern_acks_policy policy;
  struct tern_acks_ecn ecn;
  uint64_t dup_floor;
  uint64_t report_floor;
  uint64_t largest;           /* valid if has_largest; outlives the ranges */
  tern_time largest_time;     /* when it came */
  uint64_t largest_eliciting; /* valid if has_eliciting */
  tern_time deadline;         /* latest moment for the next ACK, or TERN_TIME_NEVER */
  uint32_t pending;           /* ack-eliciting packets since the last ACK was sent */
  bool has_largest;
  bool has_eliciting;
  bool has_new;   /* something came since the last ACK was sent */
  bool is_urgent; /* gap, reordering or CE: do not wait for the threshold */
};

void tern_acks_init(struct tern_acks *acks, struct tern_alloc *alloc,
                    struct tern_acks_policy policy);
void tern_acks_deinit(struct tern_acks *acks);
/* Gives memory back that is not needed now; what was kept only to know late packets is forgotten. */
void tern_acks_trim(struct tern_acks *acks);
void tern_acks_set_policy(struct tern_acks *acks, struct tern_acks_policy policy);

/* [rfc9000-12.3] true if `number` was received before or is too old to know. */
bool tern_acks_is_duplicate(const struct tern_acks *acks, uint64_t number);

/* A packet that authenticated and is no duplicate was processed. Never fails: without memory or
 * beyond TERN_CAP_ACK_RANGES the oldest range is forgotten. */
void tern_acks_on_received(struct tern_acks *acks, uint64_t number, bool is_ack_eliciting,
                           tern_ecn ecn, tern_time now);

/* An ACK frame must leave now, alone if need be. False while only non-ack-eliciting packets came
 * [rfc9000-13.2.1]. */
bool tern_acks_wants_now(const struct tern_acks *acks, tern_time now);
/* An ACK frame would say something new: add it to a packet that leaves anyway. */
static inline bool tern_acks_wants_ride(const struct tern_acks *acks)
{
  return acks->pending > 0;
}
/* When wants_now becomes true by itself; TERN_TIME_NEVER = not. */
static inline tern_time tern_acks_deadline(const struct tern_acks *acks)
{
  return acks->deadline;
}
/* Makes the next ACK due at once, for example for a peer's IMMEDIATE_ACK or when closing. */
void tern_acks_on_urgent(struct tern_acks *acks);

/* Ranges to report, ascending; the last one holds the largest number received. `*count` may be 0.
 * Valid until the next call that is not const. */
const struct tern_range *tern_acks_get_ranges(const struct tern_acks *acks, size_t *count);
static inline const struct tern_acks_ecn *tern_acks_get_ecn(const struct tern_acks *acks)
{
  return &acks->ecn;
}
/* Any ECN mark was ever seen: the ACK frame carries counts. */
static inline bool tern_acks_has_ecn(const struct tern_acks *acks)
{
  return (acks->ecn.ect0 | acks->ecn.ect1 | acks->ecn.ce) != 0;
}
/* The ACK Delay to report at `now`: since the largest number came [rfc9000-13.2.5]. */
uint64_t tern_acks_get_delay_ns(const struct tern_acks *acks, tern_time now);

struct tern_acks_report {
  uint64_t largest; /* store it with the packet (tern_sent_args.largest_acked) */
  uint64_t delay_ns;
};

/* A packet with an ACK frame of the current ranges was committed. Call at commit, not at write, so
 * that an aborted packet leaves the ACK due. Something must have been received. */
struct tern_acks_report tern_acks_on_sent(struct tern_acks *acks, tern_time now);

/* A packet whose ACK frame had `largest` was acknowledged: numbers up to it need no more reports
 * [rfc9000-13.2.4]. */
void tern_acks_on_ack_acked(struct tern_acks *acks, uint64_t largest);

#endif
