/* SPDX-License-Identifier: MIT */
/* The checks of RFC 9000 13.4.2.1, in its order. */
#include "recovery/ecn.h"

#include <string.h>

#define TERN_ECN_TESTING_PTOS 2 /* expiries: 1 + 2 PTO periods have gone by */

void tern_ecn_route_init(struct tern_ecn_route *route, bool is_enabled)
{
  memset(route, 0, sizeof *route);
  route->state = is_enabled ? TERN_ECN_TESTING : TERN_ECN_FAILED;
}

void tern_ecn_space_init(struct tern_ecn_space *space)
{
  memset(space, 0, sizeof *space);
}

void tern_ecn_on_sent(struct tern_ecn_route *route, struct tern_ecn_space *space, tern_ecn mark,
                      uint32_t packets)
{
  if (mark == TERN_ECN_ECT1)
    space->sent_ect1 += packets;
  else
    space->sent_ect0 += packets;
  if (route->state != TERN_ECN_TESTING)
    return;
  route->testing_sent += packets;
  if (route->testing_sent >= TERN_ECN_TESTING_PACKETS)
    route->state = TERN_ECN_UNKNOWN;
}

void tern_ecn_on_lost(struct tern_ecn_route *route)
{
  if (route->has_acked)
    return;
  route->testing_lost++;
  /* [rfc9000-13.4.2] all marked packets were lost: the marks are taken to be the cause. */
  if (route->state == TERN_ECN_UNKNOWN && route->testing_lost >= route->testing_sent)
    route->state = TERN_ECN_FAILED;
}

void tern_ecn_on_pto(struct tern_ecn_route *route)
{
  if (route->state != TERN_ECN_TESTING || route->has_acked)
    return;
  route->testing_ptos++;
  if (route->testing_ptos >= TERN_ECN_TESTING_PTOS)
    route->state = TERN_ECN_UNKNOWN;
}

static bool is_honest(const struct tern_ecn_space *space, const struct tern_ecn_ack *ack)
{
  uint64_t ect0 = ack->ect0 - space->ect0;
  uint64_t ect1 = ack->ect1 - space->ect1;
  uint64_t ce = ack->ce - space->ce;

  /* Counts of a newer frame never fall. */
  if (ack->ect0 < space->ect0 || ack->ect1 < space->ect1 || ack->ce < space->ce)
    return false;
  /* [rfc9000-13.4.2.1] more of a codepoint arrived than was applied: made up on the way. */
  if (ack->ect0 > space->sent_ect0 || ack->ect1 > space->sent_ect1)
    return false;
  if (ack->ce > space->sent_ect0 - ack->ect0 + (space->sent_ect1 - ack->ect1))
    return false;
  /* The increase of each codepoint and CE covers at least what is newly acknowledged. All are at most
   * what was sent by now, so the sums fit. */
  return ect0 + ce >= ack->newly_acked_ect0 && ect1 + ce >= ack->newly_acked_ect1 &&
         ect0 + ect1 + ce >= ack->newly_acked_ect0 + ack->newly_acked_ect1;
}

uint64_t tern_ecn_on_ack(struct tern_ecn_route *route, struct tern_ecn_space *space,
                         const struct tern_ecn_ack *ack)
{
  uint64_t newly_acked = ack->newly_acked_ect0 + ack->newly_acked_ect1;
  uint64_t ce_delta = 0;

  /* [rfc9000-13.4.2.1] MUST NOT fail validation because of a reordered ACK frame. */
  if (!ack->is_largest_new)
    return 0;
  if (!ack->has_counts) {
    /* Marks were acknowledged without counts: bleached, or a peer that does not report. */
    if (newly_acked > 0)
      route->state = TERN_ECN_FAILED;
    return 0;
  }
  if (!is_honest(space, ack)) {
    route->state = TERN_ECN_FAILED; /* [rfc9000-13.4.2.2] MUST disable ECN */
  } else if (route->state != TERN_ECN_FAILED) {
    ce_delta = ack->ce - space->ce;
    if (newly_acked > 0) {
      route->has_acked = true;
      route->state = TERN_ECN_CAPABLE;
    }
  }
  space->ect0 = ack->ect0;
  space->ect1 = ack->ect1;
  space->ce = ack->ce;
  return ce_delta;
}
