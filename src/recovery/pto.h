/* SPDX-License-Identifier: MIT */
/* The loss detection timer of a connection, as RFC 9002 A.8 sets it: the earliest loss time if
 * there is one, else the earliest probe timeout
 *
 *   pto(space) = last_ack_eliciting_time + (smoothed + max(4 * variation, 1 ms)
 *                + max_ack_delay for application data) * 2^count
 *
 * A pure function of facts that the spaces keep; nothing is armed or cancelled. */
#ifndef TERN_RECOVERY_PTO_H
#define TERN_RECOVERY_PTO_H

#include <tern/base.h>

#include "recovery/rtt.h"

enum { TERN_PTO_INITIAL, TERN_PTO_HANDSHAKE, TERN_PTO_APPLICATION, TERN_PTO_SPACES };

struct tern_pto_space {
  tern_time loss_time;               /* tern_loss.loss_time; TERN_TIME_NEVER = none */
  uint64_t ack_eliciting_in_flight;  /* tern_sent.ack_eliciting_in_flight; 0 if discarded */
  tern_time last_ack_eliciting_time; /* tern_sent.last_ack_eliciting_time */
};

struct tern_pto_args {
  struct tern_pto_space spaces[TERN_PTO_SPACES]; /* a discarded or unused space: NEVER, 0, 0 */
  const struct tern_rtt *rtt;
  uint64_t max_ack_delay_ns; /* the peer's */
  uint32_t count;            /* PTOs since an ACK last made progress */
  /* When the timer of a client with nothing in flight was last set: the latest of its last sent
   * packet, last processed ACK, last PTO. RFC 9002 says "now", which would never come if the
   * deadline is computed when it is asked for. */
  tern_time anti_deadlock_since;
  bool is_confirmed;
  bool has_handshake_keys;
  bool is_peer_validated; /* PeerCompletedAddressValidation: true for servers; for clients once
                                   a Handshake ACK came or the handshake is confirmed */
  bool is_amplification_blocked; /* server at its anti-amplification limit */
};

struct tern_pto_deadline {
  tern_time time;        /* TERN_TIME_NEVER = no timer */
  uint8_t space;         /* TERN_PTO_*: where to detect losses or send probes */
  bool is_loss;          /* time-threshold loss detection, not a probe timeout */
  bool is_anti_deadlock; /* probe without anything in flight: padded Initial or Handshake */
};

struct tern_pto_deadline tern_pto_deadline(const struct tern_pto_args *args);

/* (base_ns) * 2^count without overflow. */
uint64_t tern_pto_backoff_ns(uint64_t base_ns, uint32_t count);

#endif
