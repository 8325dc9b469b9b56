/* SPDX-License-Identifier: MIT */
/* Proportional rate reduction (RFC 6937): after a loss the window falls to the controller's target over one
 * round, in step with what is acknowledged, rather than at once. Without it a sender is silent for the
 * part of a round that the reduction takes, and then bursts.
 *
 *   in flight > target    may send  delivered * target / flight  in all, since recovery began
 *   in flight <= target   done: the controller's window holds
 *
 * The RFC's second part, a slow start back to the target from below, is left out: it is there against
 * bursts, which the pacer spreads, and after a large overshoot it costs: 1 Gbit/s x 100 ms with CUBIC has
 * 97 % without it and 85 % with it.
 *
 * The answer is a window for the time until the next ACK. What was sent since the last one follows from
 * the bytes in flight, so nothing is done per packet. */
#ifndef TERN_RECOVERY_PRR_H
#define TERN_RECOVERY_PRR_H

#include <tern/base.h>

struct tern_prr {
  bool is_active;
  tern_time recovery_time;  /* packets sent later end it */
  uint64_t flight_bytes;    /* RecoverFS: in flight when the loss was seen, with it */
  uint64_t target_bytes;    /* ssthresh */
  uint64_t delivered_bytes; /* prr_delivered */
  uint64_t out_bytes;       /* prr_out */
  uint64_t in_flight_bytes; /* when it was last told */
  uint64_t window_bytes;
};

struct tern_prr_ack {
  uint64_t acked_bytes;
  uint64_t lost_bytes;
  uint64_t in_flight_bytes; /* after both were taken out */
  tern_time newest_sent_time;
  uint64_t datagram_bytes;
};

struct tern_prr_loss {
  tern_time now;
  uint64_t target_bytes; /* what the controller's window is now */
  uint64_t lost_bytes;
  uint64_t in_flight_bytes; /* after the loss */
  uint64_t datagram_bytes;
};

/* A congestion event lowered the window. One datagram may leave at once [rfc9002-7.3.2]. A flight that was
 * not above the target has nothing to come down from: then it stays inactive. */
void tern_prr_begin(struct tern_prr *prr, const struct tern_prr_loss *loss);
void tern_prr_on_acked(struct tern_prr *prr, const struct tern_prr_ack *ack);
static inline void tern_prr_end(struct tern_prr *prr)
{
  prr->is_active = false;
}
/* The window to send by, given the controller's. */
static inline uint64_t tern_prr_window(const struct tern_prr *prr, uint64_t window_bytes)
{
  return prr->is_active ? prr->window_bytes : window_bytes;
}

#endif
