/* SPDX-License-Identifier: MIT */
/* A route is one 4-tuple: whether the peer is really there (RFC 9000 8), and what is known about the
 * way (RTT, congestion, MTU, ECN), which starts anew on each route [rfc9000-9.4].
 *
 *   address   unvalidated: at most 3 bytes out per byte in        validated: no bound
 *   path      IDLE -> VALIDATING -> VALIDATED
 *                        \-> FAILED (3 PTO without a response)
 *
 * Challenge data is handed in; each challenge has its own, and a response to any of the newest
 * TERN_ROUTE_CHALLENGES counts. They go out again after 1, 2, 4 ... PTO, never faster than an Initial
 * would [rfc9000-8.2.1]. Responses are sent once each and never again [rfc9000-13.3]. */
#ifndef TERN_TRANSPORT_ROUTE_H
#define TERN_TRANSPORT_ROUTE_H

#include <stdalign.h>

#include <tern/base.h>
#include <tern/cc.h>
#include <tern/config.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "recovery/ecn.h"
#include "recovery/pacer.h"
#include "recovery/pmtud.h"
#include "recovery/prr.h"
#include "recovery/rate.h"
#include "recovery/rtt.h"
#include "recovery/sent.h"
#include "transport/record.h"

#define TERN_ROUTE_CHALLENGES 4
#define TERN_PATH_DATA_BYTES 8

enum tern_route_state {
  TERN_ROUTE_IDLE, /* no path validation was begun (the handshake's route needs none) */
  TERN_ROUTE_VALIDATING,
  TERN_ROUTE_VALIDATED,
  TERN_ROUTE_FAILED,
};

struct tern_route_challenge {
  uint8_t data[TERN_PATH_DATA_BYTES];
  bool is_expanded; /* in a datagram of 1,200 bytes or more */
};

struct tern_route {
  tern_addr local;
  tern_addr remote;

  /* who is there */
  enum tern_route_state state;
  bool is_address_validated;
  bool is_mtu_validated; /* an expanded challenge was answered */
  bool wants_challenge;
  uint8_t challenges_count; /* of them valid */
  uint8_t challenges_next;  /* slot of the next */
  uint8_t responses_first;
  uint8_t responses_count;
  uint64_t received_bytes; /* UDP payload, each datagram once; until the address is validated */
  uint64_t sent_bytes;
  struct tern_route_challenge challenges[TERN_ROUTE_CHALLENGES];
  uint8_t responses[TERN_CAP_PATH_RESPONSES][TERN_PATH_DATA_BYTES];
  tern_time fail_at;      /* VALIDATING */
  tern_time challenge_at; /* VALIDATING: when the next challenge is due */
  uint64_t challenge_wait_ns;
  uint64_t patience_ns; /* 3 PTO */

  /* the way */
  struct tern_rtt rtt;
  struct tern_pacer pacer;
  struct tern_rate rate;
  struct tern_ecn_route ecn;
  struct tern_pmtud pmtud;
  struct tern_inflight in_flight;
  struct tern_prr prr;
  tern_time congestion_time; /* of the last congestion event; 0 = none yet */
  const tern_cc_ops *cc;
  size_t cc_room_bytes; /* for the controller's state */
  alignas(16) uint8_t cc_state[];
};

struct tern_route_args {
  tern_addr local;
  tern_addr remote;
  bool is_address_validated; /* clients' first route, valid token, ... */
  uint64_t initial_rtt_ns;
  uint16_t mtu_initial_bytes;
  uint16_t mtu_max_bytes;
  bool has_ecn;
  const tern_cc_ops *cc;
  uint64_t cc_seed;
  tern_time now;
};

/* NULL: no memory. */
TERN_MUST_CHECK struct tern_route *tern_route_new(struct tern_alloc *alloc,
                                                  const struct tern_route_args *args);
/* NULL is fine. */
void tern_route_free(struct tern_route *route, struct tern_alloc *alloc);
/* Another controller takes over; its state fits cc_room_bytes, and it starts anew. */
void tern_route_set_cc(struct tern_route *route, const tern_cc_ops *cc, const tern_cc_start *start);
bool tern_route_is(const struct tern_route *route, const tern_addr *local, const tern_addr *remote);

/* ---- anti-amplification [rfc9000-8.1] ---- */

/* Once per UDP datagram, not per packet in it. */
void tern_route_on_datagram_received(struct tern_route *route, uint64_t bytes);
void tern_route_on_datagram_sent(struct tern_route *route, uint64_t bytes);
/* A Handshake packet was opened, or a token was good: no bound any more. */
void tern_route_on_address_validated(struct tern_route *route);
/* Bytes that may be sent; UINT64_MAX once validated. */
static inline uint64_t tern_route_budget(const struct tern_route *route)
{
  if (route->is_address_validated)
    return UINT64_MAX;
  uint64_t allowed = TERN_CAP_AMPLIFICATION * route->received_bytes;
  return allowed > route->sent_bytes ? allowed - route->sent_bytes : 0;
}

/* ---- path validation [rfc9000-8.2] ---- */

/* Begins, unless it is under way. `pto_ns` is the larger of the current route's and a new one's
 * [rfc9000-8.2.4]. */
void tern_route_start_validation(struct tern_route *route, uint64_t pto_ns, tern_time now);
/* No longer needed [rfc9000-8.2.4]; back to IDLE or VALIDATED. */
void tern_route_abandon_validation(struct tern_route *route);

/* A PATH_CHALLENGE is due. At most one per packet [rfc9000-8.2.1]. */
static inline bool tern_route_wants_challenge(const struct tern_route *route)
{
  return route->wants_challenge;
}
/* `data` is unpredictable. The datagram should be expanded to 1,200 bytes. */
bool tern_route_write_challenge(struct tern_route *route, const uint8_t data[TERN_PATH_DATA_BYTES],
                                struct tern_writer *writer, struct tern_frame_record *record);
/* After the datagram with the challenge was finished; `bytes` is its size. */
void tern_route_on_challenge_sent(struct tern_route *route, uint64_t bytes, tern_time now);
/* An acknowledgement proves nothing [rfc9000-8.2.3]; on loss the next one goes out at once. */
void tern_route_on_challenge_lost(struct tern_route *route);

/* A PATH_RESPONSE, received on any route. True if it answers one of this route's challenges: the
 * address is validated and, if state is VALIDATED now, the path is; if the challenge was in a small
 * datagram, another validation for the MTU has begun by itself. */
bool tern_route_on_response(struct tern_route *route, const uint8_t data[TERN_PATH_DATA_BYTES],
                            tern_time now);

/* When tern_route_on_timeout wants to be called; TERN_TIME_NEVER if not. */
tern_time tern_route_deadline(const struct tern_route *route);
/* True if the validation failed just now. Otherwise a challenge may be due. */
bool tern_route_on_timeout(struct tern_route *route, tern_time now);

/* A PATH_CHALLENGE was received on this route: a response is due on it. The oldest is dropped when
 * TERN_CAP_PATH_RESPONSES wait. */
void tern_route_on_challenge(struct tern_route *route, const uint8_t data[TERN_PATH_DATA_BYTES]);
static inline bool tern_route_wants_response(const struct tern_route *route)
{
  return route->responses_count != 0;
}
/* One PATH_RESPONSE; never again, whatever becomes of the packet. Expand the datagram to 1,200 bytes if
 * the budget allows [rfc9000-8.2.2]. */
bool tern_route_write_response(struct tern_route *route, struct tern_writer *writer,
                               struct tern_frame_record *record);

#endif
