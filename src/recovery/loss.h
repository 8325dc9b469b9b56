/* SPDX-License-Identifier: MIT */
/* Which packets of one number space are lost (RFC 9002 6.1).
 *
 *   lost(n)  <=>  n < largest_acked, in flight, not acknowledged, and
 *                 largest_acked - n >= packet_threshold            (skipped numbers not counted)
 *              or sent(n) <= now - time_threshold * max(smoothed, latest)
 *
 * Numbers and send times both ascend, so both conditions are monotonic: the first packet that is
 * not lost ends the scan and gives loss_time. Everything below `floor` has been decided, so a
 * packet is looked at once, plus once per scan that stops at it.
 *
 *   tern_loss_on_acked(loss, largest)                 per ACK frame, when the ranges are processed
 *   scan = tern_loss_begin(loss, rtt, now);           after it, and when loss_time has come
 *   while ((packet = tern_loss_next(loss, sent, &scan)) != NULL) {
 *     number is scan.number; tell producers, tern_inflight_on_resolved, tern_rate_on_lost;
 *     tern_sent_resolve(sent, packet, TERN_SENT_LOST);        needed before the next call
 *   }
 *   if (tern_persistent_take(&loss->persistent, rtt, max_ack_delay_ns)) ...
 */
#ifndef TERN_RECOVERY_LOSS_H
#define TERN_RECOVERY_LOSS_H

#include <tern/base.h>

#include "recovery/persistent.h"
#include "recovery/rtt.h"
#include "recovery/sent.h"

#define TERN_LOSS_PACKET_THRESHOLD 3      /* packets, [rfc9002-6.1.1] kPacketThreshold */
#define TERN_LOSS_PACKET_THRESHOLD_MAX 64 /* adaptive up to here */
#define TERN_LOSS_TIME_EIGHTHS 9          /* [rfc9002-6.1.2] kTimeThreshold = 9/8 */
#define TERN_LOSS_TIME_EIGHTHS_MAX 16     /* adaptive up to twice the RTT */

struct tern_loss {
  uint64_t largest_acked; /* valid if has_acked */
  tern_time loss_time;    /* when the next packet is lost by time, or TERN_TIME_NEVER */
  uint64_t floor;         /* every number below is decided */
  struct tern_persistent persistent;
  uint32_t packet_threshold;
  uint32_t time_eighths;
  bool has_acked;
  /* The last loss episode: a packet that left after it began starts the next one. */
  tern_time episode_time; /* when its first loss was declared */
  uint64_t episode_first; /* number of its first lost packet */
  uint32_t episode_lost;  /* packets; 0 = none yet */
  uint32_t episode_spurious;
};

struct tern_loss_scan {
  uint64_t number;   /* of the packet last returned */
  uint64_t delay_ns; /* time threshold */
  tern_time now;
};

void tern_loss_init(struct tern_loss *loss);
/* `largest` of an ACK frame that was checked; smaller ones than before change nothing. */
void tern_loss_on_acked(struct tern_loss *loss, uint64_t largest);
/* Starts a scan; loss_time is NEVER until the scan sets it again. */
struct tern_loss_scan tern_loss_begin(struct tern_loss *loss, const struct tern_rtt *rtt,
                                      tern_time now);
/* The next packet to declare lost, in ascending order, or NULL. */
struct tern_sent_packet *tern_loss_next(struct tern_loss *loss, const struct tern_sent *sent,
                                        struct tern_loss_scan *scan);
/* A LOST packet was acknowledged after all: widens both thresholds within their bounds (each later
 * episode without such a packet narrows them by a step), and breaks a stretch of persistent
 * congestion. True if by now every packet of the last loss episode (a recovery
 * period of RFC 9002 7.3.2) proved to be delivered: tell the controller (on_spurious). */
bool tern_loss_on_spurious(struct tern_loss *loss, uint64_t number);
/* The route changed: thresholds go back to the RFC's values. */
void tern_loss_reset_thresholds(struct tern_loss *loss);

#endif
