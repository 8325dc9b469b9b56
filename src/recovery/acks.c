/* SPDX-License-Identifier: MIT */
/* Received ranges and the ACK policy; the floors are drawn in the header. */
#include "recovery/acks.h"

#include <string.h>

#include "base/assert.h"

void tern_acks_init(struct tern_acks *acks, struct tern_alloc *alloc,
                    struct tern_acks_policy policy)
{
  memset(acks, 0, sizeof *acks);
  acks->alloc = alloc;
  tern_rangeset_init(&acks->received);
  acks->deadline = TERN_TIME_NEVER;
  tern_acks_set_policy(acks, policy);
}

void tern_acks_deinit(struct tern_acks *acks)
{
  tern_rangeset_deinit(&acks->received, acks->alloc);
}

void tern_acks_set_policy(struct tern_acks *acks, struct tern_acks_policy policy)
{
  TERN_ASSERT(policy.threshold > 0);
  acks->policy = policy;
}

bool tern_acks_is_duplicate(const struct tern_acks *acks, uint64_t number)
{
  const struct tern_rangeset *set = &acks->received;

  if (number < acks->dup_floor)
    return true;
  if (!acks->has_largest || number > acks->largest)
    return false;
  /* The history is full and this would only become the next range to be forgotten: what cannot be
   * remembered cannot be acknowledged either, so it is too old. */
  if (set->count >= TERN_CAP_ACK_RANGES && number + 1 < set->ranges[0].start)
    return true;
  return tern_rangeset_has(set, number);
}

/* [rfc9000-13.2.3] a minimum number that rises as ranges are discarded makes sure that their
 * packets are not accepted again. */
static void forget_oldest(struct tern_acks *acks)
{
  acks->dup_floor = acks->received.ranges[0].end;
  tern_rangeset_drop_first(&acks->received);
}

void tern_acks_trim(struct tern_acks *acks)
{
  while (acks->received.count > TERN_RANGESET_INLINE &&
         acks->received.ranges[0].end <= acks->report_floor)
    forget_oldest(acks);
  tern_rangeset_trim(&acks->received, acks->alloc);
}

static void remember(struct tern_acks *acks, uint64_t number)
{
  struct tern_range range = {number, number + 1};

  while (tern_rangeset_add_capped(&acks->received, acks->alloc, range, TERN_CAP_ACK_RANGES) !=
         TERN_OK) {
    if (acks->received.count == 0 || number < acks->received.ranges[0].start) {
      /* Itself the oldest, and there is no memory for it. */
      acks->dup_floor = number + 1;
      return;
    }
    forget_oldest(acks);
  }
}

/* [rfc9000-13.2.1] an ack-eliciting packet that arrives below another one, or above a gap, SHOULD
 * be acknowledged without delay. Call when `number` is in the set. */
static bool is_out_of_order(const struct tern_acks *acks, uint64_t number)
{
  const struct tern_rangeset *set = &acks->received;
  const struct tern_range *last = NULL;

  if (!acks->has_eliciting)
    return false;
  if (number < acks->largest_eliciting || set->count == 0)
    return true;
  last = &set->ranges[set->count - 1];
  if (number >= last->start)
    return last->start > acks->largest_eliciting;
  return !tern_rangeset_covers(set, acks->largest_eliciting, number + 1);
}

static void count_ecn(struct tern_acks *acks, tern_ecn ecn)
{
  switch (ecn) {
  case TERN_ECN_NOT:
    break;
  case TERN_ECN_ECT1:
    acks->ecn.ect1++;
    break;
  case TERN_ECN_ECT0:
    acks->ecn.ect0++;
    break;
  case TERN_ECN_CE:
    acks->ecn.ce++;
    break;
  }
}

static void on_eliciting(struct tern_acks *acks, uint64_t number, tern_ecn ecn, tern_time now)
{
  /* [rfc9000-13.2.1] CE SHOULD be acknowledged immediately, too. */
  if (is_out_of_order(acks, number) || ecn == TERN_ECN_CE)
    acks->is_urgent = true;
  if (!acks->has_eliciting || number > acks->largest_eliciting)
    acks->largest_eliciting = number;
  acks->has_eliciting = true;
  acks->pending++;
  /* [rfc9000-13.2.1] MUST be acknowledged within the advertised delay: the first one counts. */
  if (acks->pending == 1)
    acks->deadline = now + acks->policy.max_delay_ns;
  if ((acks->pending >= acks->policy.threshold || acks->is_urgent) && acks->deadline > now)
    acks->deadline = now;
}

void tern_acks_on_received(struct tern_acks *acks, uint64_t number, bool is_ack_eliciting,
                           tern_ecn ecn, tern_time now)
{
  remember(acks, number);
  if (!acks->has_largest || number > acks->largest) {
    acks->largest = number;
    acks->largest_time = now;
    acks->has_largest = true;
  }
  /* Late, below what the peer knows we have: report from there again. */
  if (number < acks->report_floor)
    acks->report_floor = number;
  acks->has_new = true;
  count_ecn(acks, ecn);
  if (is_ack_eliciting)
    on_eliciting(acks, number, ecn, now);
}

bool tern_acks_wants_now(const struct tern_acks *acks, tern_time now)
{
  /* [rfc9000-13.2.1] MUST NOT answer a non-ack-eliciting packet: only pending ones count. */
  return acks->pending > 0 && now >= acks->deadline;
}

void tern_acks_on_urgent(struct tern_acks *acks)
{
  acks->is_urgent = true;
  if (acks->pending > 0)
    acks->deadline = 0;
}

const struct tern_range *tern_acks_get_ranges(const struct tern_acks *acks, size_t *count)
{
  const struct tern_rangeset *set = &acks->received;
  uint32_t first = 0;

  if (set->count == 0) {
    *count = 0;
    return NULL;
  }
  first = tern_rangeset_find(set, acks->report_floor);
  /* [rfc9000-13.2.3] the largest received number SHOULD be in every ACK frame. */
  if (first >= set->count)
    first = set->count - 1;
  *count = set->count - first;
  return set->ranges + first;
}

uint64_t tern_acks_get_delay_ns(const struct tern_acks *acks, tern_time now)
{
  return acks->has_largest && now > acks->largest_time ? now - acks->largest_time : 0;
}

struct tern_acks_report tern_acks_on_sent(struct tern_acks *acks, tern_time now)
{
  struct tern_acks_report report;

  TERN_ASSERT(acks->has_largest);
  report.largest = acks->largest;
  report.delay_ns = tern_acks_get_delay_ns(acks, now);
  acks->pending = 0;
  acks->has_new = false;
  acks->is_urgent = false;
  acks->deadline = TERN_TIME_NEVER;
  return report;
}

void tern_acks_on_ack_acked(struct tern_acks *acks, uint64_t largest)
{
  uint32_t kept = 0;

  if (largest < acks->report_floor)
    return;
  acks->report_floor = largest + 1;
  /* [rfc9000-13.2.4] stop acknowledging what is at or below; a few ranges stay, so that packets in
   * the gaps between them are still welcome. */
  kept = tern_rangeset_find(&acks->received, acks->report_floor);
  for (; kept > TERN_ACKS_KEPT_MAX; kept--)
    forget_oldest(acks);
}
