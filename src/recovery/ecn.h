/* SPDX-License-Identifier: MIT */
/* Whether a route carries ECN marks honestly (RFC 9000 13.4.2 and A.4).
 *
 *   TESTING --10 marks or 3 PTOs--> UNKNOWN --counts right--> CAPABLE
 *      |  \--counts right-------------------------------------------^ |
 *      +-- all marked packets lost, or counts missing or wrong --> FAILED <-+
 *
 * TESTING and CAPABLE mark packets with ECT(0), or ECT(1) for a controller that answers as L4S demands
 * [rfc9331-4.3]; UNKNOWN and FAILED do not. Counts arrive per number space, marks are judged per route,
 * hence two structs. */
#ifndef TERN_RECOVERY_ECN_H
#define TERN_RECOVERY_ECN_H

#include <tern/base.h>

#define TERN_ECN_TESTING_PACKETS 10 /* [rfc9000-13.4.2] */

enum tern_ecn_state {
  TERN_ECN_TESTING,
  TERN_ECN_UNKNOWN,
  TERN_ECN_CAPABLE,
  TERN_ECN_FAILED, /* or switched off */
};

/* Per route. */
struct tern_ecn_route {
  enum tern_ecn_state state;
  uint32_t testing_sent;
  uint32_t testing_lost;
  uint32_t testing_ptos;
  bool has_acked; /* at least one marked packet arrived */
};

/* Per number space: last counts processed, and what we sent. */
struct tern_ecn_space {
  uint64_t ect0;
  uint64_t ect1;
  uint64_t ce;
  uint64_t sent_ect0;
  uint64_t sent_ect1;
};

void tern_ecn_route_init(struct tern_ecn_route *route, bool is_enabled);
void tern_ecn_space_init(struct tern_ecn_space *space);

/* The mark of the next datagram. */
static inline tern_ecn tern_ecn_get_mark(const struct tern_ecn_route *route, bool wants_ect1)
{
  if (route->state != TERN_ECN_TESTING && route->state != TERN_ECN_CAPABLE)
    return TERN_ECN_NOT;
  return wants_ect1 ? TERN_ECN_ECT1 : TERN_ECN_ECT0;
}

/* Packets with ECT(0) or ECT(1) were committed (packets, not datagrams: coalesced ones share the mark). */
void tern_ecn_on_sent(struct tern_ecn_route *route, struct tern_ecn_space *space, tern_ecn mark,
                      uint32_t packets);
/* A packet that was sent with a mark was declared lost. */
void tern_ecn_on_lost(struct tern_ecn_route *route);
/* A PTO expired: after two of them (three PTO periods, [rfc9000-13.4.2]) without an acknowledged
 * mark, marking stops, in case the marks are why nothing arrives. */
void tern_ecn_on_pto(struct tern_ecn_route *route);

struct tern_ecn_ack {
  uint64_t newly_acked_ect0; /* packets of the frame, newly acknowledged, that left with ECT(0) */
  uint64_t ect0;             /* counts of the frame; 0 if !has_counts */
  uint64_t ect1;
  uint64_t ce;
  bool has_counts;
  bool is_largest_new; /* the frame raised the largest acknowledged number */
  uint64_t newly_acked_ect1;
};

/* Judges an ACK frame; call for each frame that newly acknowledges something. Returns how much
 * the CE count grew (0 when failed or stale): a congestion signal. [rfc9000-13.4.2.1] frames that
 * do not raise the largest acknowledged number never fail validation and are not used. */
uint64_t tern_ecn_on_ack(struct tern_ecn_route *route, struct tern_ecn_space *space,
                         const struct tern_ecn_ack *ack);

#endif
