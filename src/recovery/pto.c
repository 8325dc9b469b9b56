/* SPDX-License-Identifier: MIT */
/* SetLossDetectionTimer and GetPtoTimeAndSpace of RFC 9002 A.8. */
#include "recovery/pto.h"

uint64_t tern_pto_backoff_ns(uint64_t base_ns, uint32_t count)
{
  if (base_ns == 0)
    return 0;
  if (count >= 62 || base_ns > (UINT64_C(1) << 62 >> count))
    return UINT64_C(1) << 62;
  return base_ns << count;
}

static tern_time later(tern_time time, uint64_t delay_ns)
{
  return time > TERN_TIME_NEVER - delay_ns ? TERN_TIME_NEVER : time + delay_ns;
}

static struct tern_pto_deadline find_loss_time(const struct tern_pto_args *args)
{
  struct tern_pto_deadline deadline = {TERN_TIME_NEVER, TERN_PTO_INITIAL, false, false};

  for (uint8_t space = 0; space < TERN_PTO_SPACES; space++) {
    if (args->spaces[space].loss_time < deadline.time) {
      deadline.time = args->spaces[space].loss_time;
      deadline.space = space;
      deadline.is_loss = true;
    }
  }
  return deadline;
}

static bool has_in_flight(const struct tern_pto_args *args, int spaces_count)
{
  for (int space = 0; space < spaces_count; space++) {
    if (args->spaces[space].ack_eliciting_in_flight > 0)
      return true;
  }
  return false;
}

/* [rfc9002-6.2.2.1] the client MUST set the timer until it knows that the server validated its
 * address, even with nothing in flight. 0-RTT packets do not count as in flight here: they run no
 * timer before confirmation, so counting them, as A.8 does, would leave a client without any. */
static bool wants_anti_deadlock(const struct tern_pto_args *args)
{
  int spaces_count = args->is_confirmed ? TERN_PTO_SPACES : TERN_PTO_APPLICATION;
  return !args->is_peer_validated && !has_in_flight(args, spaces_count);
}

static struct tern_pto_deadline find_pto(const struct tern_pto_args *args)
{
  struct tern_pto_deadline deadline = {TERN_TIME_NEVER, TERN_PTO_INITIAL, false, false};
  uint64_t base_ns = tern_rtt_pto_ns(args->rtt);

  for (uint8_t space = 0; space < TERN_PTO_SPACES; space++) {
    const struct tern_pto_space *facts = &args->spaces[space];
    tern_time time = 0;

    if (facts->ack_eliciting_in_flight == 0)
      continue;
    if (space == TERN_PTO_APPLICATION) {
      /* [rfc9002-6.2.1] MUST NOT set the timer for application data before confirmation. */
      if (!args->is_confirmed)
        break;
      base_ns += args->max_ack_delay_ns; /* 0 for the others [rfc9002-6.2.1] */
    }
    time = later(facts->last_ack_eliciting_time, tern_pto_backoff_ns(base_ns, args->count));
    if (time < deadline.time) {
      deadline.time = time;
      deadline.space = space;
    }
  }
  return deadline;
}

struct tern_pto_deadline tern_pto_deadline(const struct tern_pto_args *args)
{
  struct tern_pto_deadline deadline = find_loss_time(args);

  /* [rfc9002-6.2.1] the PTO timer MUST NOT be set if one for time-threshold detection is. */
  if (deadline.is_loss)
    return deadline;
  /* [rfc9002-6.2.2.1] a server that can send nothing MUST NOT arm it. */
  if (args->is_amplification_blocked)
    return deadline;
  if (wants_anti_deadlock(args)) {
    deadline.time = later(args->anti_deadlock_since,
                          tern_pto_backoff_ns(tern_rtt_pto_ns(args->rtt), args->count));
    deadline.space = args->has_handshake_keys ? TERN_PTO_HANDSHAKE : TERN_PTO_INITIAL;
    deadline.is_anti_deadlock = true;
    return deadline;
  }
  return find_pto(args);
}
