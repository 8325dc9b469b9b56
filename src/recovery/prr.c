/* SPDX-License-Identifier: MIT */
/* The algorithm of RFC 6937 3, in bytes. */
#include "recovery/prr.h"

void tern_prr_begin(struct tern_prr *prr, const struct tern_prr_loss *loss)
{
  prr->is_active = loss->in_flight_bytes + loss->lost_bytes > loss->target_bytes;
  prr->recovery_time = loss->now;
  prr->flight_bytes = loss->in_flight_bytes + loss->lost_bytes;
  prr->target_bytes = loss->target_bytes;
  prr->delivered_bytes = 0;
  prr->out_bytes = 0;
  prr->in_flight_bytes = loss->in_flight_bytes;
  prr->window_bytes = loss->in_flight_bytes + loss->datagram_bytes;
}

/* delivered * target / flight, rounded up, less what went out. Windows stay below 2^31 and what is
 * delivered in a round or two of recovery near them, so the product fits. */
static uint64_t count_sendable(const struct tern_prr *prr)
{
  uint64_t share =
      (prr->delivered_bytes * prr->target_bytes + prr->flight_bytes - 1) / prr->flight_bytes;

  return share > prr->out_bytes ? share - prr->out_bytes : 0;
}

void tern_prr_on_acked(struct tern_prr *prr, const struct tern_prr_ack *ack)
{
  uint64_t known = ack->in_flight_bytes + ack->acked_bytes + ack->lost_bytes;
  uint64_t minimum = 2 * ack->datagram_bytes;

  if (!prr->is_active)
    return;
  if (ack->newest_sent_time > prr->recovery_time || ack->in_flight_bytes <= prr->target_bytes) {
    prr->is_active = false;
    return;
  }
  prr->delivered_bytes += ack->acked_bytes;
  prr->out_bytes += known > prr->in_flight_bytes ? known - prr->in_flight_bytes : 0;
  prr->in_flight_bytes = ack->in_flight_bytes;
  prr->window_bytes = ack->in_flight_bytes + count_sendable(prr);
  if (prr->window_bytes < minimum)
    prr->window_bytes = minimum;
}
