/* SPDX-License-Identifier: MIT */
/* Congestion controllers: the interface that built-in and custom ones share.
 *
 * A controller is told what happened on one route (one 4-tuple) and answers with two numbers: a
 * window in bytes and a pacing rate. It holds its state, at most TERN_CC_STATE_BYTES, inside the
 * connection and allocates nothing. It must be deterministic: same calls, same answers.
 *
 * Order of calls: init; then any of the others; then nothing (no deinit). For what one batch of ACK
 * frames told: on_lost for each lost packet, on_congestion (and on_persistent_congestion) if any of
 * them, or a CE mark, signals congestion, on_acked once. Losses by time come without on_acked. The
 * state may be copied by the bytes when the peer's port changes, so it must hold no pointer into
 * itself. All calls are hooks: calling into tern answers TERN_REENTRY. */
#ifndef TERN_CC_H
#define TERN_CC_H

#include <tern/base.h>
#include <tern/config.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERN_CC_STATE_BYTES 576
#define TERN_CC_VERSION 2

typedef struct tern_cc_start {
  tern_time now;
  uint64_t datagram_bytes; /* largest that is sent now: 1,200 to 65,535 */
  uint64_t seed; /* for what should differ between connections; the only entropy there is */
} tern_cc_start;

/* Round-trip times of the route (RFC 9002 5). 0 = no sample yet. */
typedef struct tern_cc_rtt {
  uint64_t latest_ns;
  uint64_t smoothed_ns;
  uint64_t variation_ns;
  uint64_t min_ns;
} tern_cc_rtt;

/* A delivery-rate sample (draft-ietf-ccwg-bbr 4.1.2). `interval_ns` 0 = no valid sample. */
typedef struct tern_cc_rate {
  uint64_t delivered_bytes; /* over `interval_ns` */
  uint64_t interval_ns;
  uint64_t prior_delivered_bytes; /* connection's delivered count when the sampled packet left */
  uint64_t total_delivered_bytes; /* now */
  uint64_t tx_in_flight_bytes;    /* in flight when the newest acknowledged packet left */
  uint64_t lost_bytes;            /* lost since that packet left */
  uint64_t rtt_ns;                /* of the newest acknowledged packet */
  bool is_app_limited;
} tern_cc_rate;

typedef struct tern_cc_ack {
  tern_time now;
  uint64_t acked_bytes;           /* newly acknowledged, in flight before */
  uint64_t lost_bytes;            /* newly declared lost while this ACK was processed */
  uint64_t in_flight_bytes;       /* after acked and lost were subtracted */
  uint64_t prior_in_flight_bytes; /* before */
  tern_time newest_sent_time;     /* when the newest newly acknowledged packet left */
  uint64_t largest_acked;         /* its packet number */
  uint64_t next_packet_number;    /* next number to be sent: the end of the current round */
  uint64_t ecn_ce_count;          /* newly reported CE marks */
  uint64_t ecn_marked_count;      /* newly acknowledged packets that left with ECT(0) or ECT(1) */
  bool is_app_limited;            /* the sender did not use the window it had */
  tern_cc_rtt rtt;
  tern_cc_rate rate;
} tern_cc_ack;

typedef struct tern_cc_congestion {
  tern_time now;
  tern_time sent_time;      /* of the newest packet lost or marked: starts a recovery period only */
  uint64_t lost_bytes;      /* if it left after the current period began (RFC 9002 7.3.1) */
  uint64_t in_flight_bytes; /* after the loss */
  uint64_t largest_lost;    /* packet number */
  bool is_ecn;
} tern_cc_congestion;

/* One packet that was declared lost, with what was true when it left. */
typedef struct tern_cc_lost {
  tern_time now;
  tern_time sent_time;
  uint64_t packet_number;
  uint64_t bytes;
  uint64_t tx_in_flight_bytes;    /* in flight when it left, with itself */
  uint64_t lost_bytes;            /* lost since it left, with itself */
  uint64_t total_delivered_bytes; /* now */
  bool is_app_limited;            /* it left while the sender was */
} tern_cc_lost;

struct tern_cc_ops {
  size_t size;      /* sizeof(tern_cc_ops) */
  uint32_t version; /* TERN_CC_VERSION */
  const char *name; /* "cubic" */

  /* required */
  void (*init)(void *state, const tern_cc_start *start);
  /* A packet left; `in_flight_bytes` has it counted. */
  void (*on_sent)(void *state, tern_time now, uint64_t bytes, uint64_t in_flight_bytes,
                  uint64_t packet_number);
  void (*on_acked)(void *state, const tern_cc_ack *ack);
  void (*on_congestion)(void *state, const tern_cc_congestion *event);
  void (*on_persistent_congestion)(void *state, tern_time now);
  uint64_t (*window_bytes)(const void *state);

  /* optional, may be NULL */
  uint64_t (*pacing_rate)(const void *state, const tern_cc_rtt *rtt); /* bytes/s; 0 = derive */
  void (*on_lost)(void *state, const tern_cc_lost *lost);
  void (*on_spurious)(void *state, tern_time now); /* the last congestion event was no loss */
  void (*on_datagram_bytes)(void *state, uint64_t bytes); /* path MTU changed */
  uint64_t (*ssthresh_bytes)(const void *state);          /* for traces; UINT64_MAX = none yet */
  bool (*is_in_slow_start)(const void *state);
  /* Packets leave with ECT(1): its response to CE marks is scalable [rfc9331-4.3]. */
  bool (*wants_ect1)(const void *state);
  /* It holds the rate down on purpose: rate samples count as application-limited. */
  bool (*wants_app_limited)(const void *state);
  const char *(*state_name)(const void *state); /* for traces: a constant */
  /* After a loss that lowered its window, tern goes down to it over a round [rfc6937]. */
  bool uses_prr;
  size_t state_bytes; /* of its state; 0 = TERN_CC_STATE_BYTES */
};

/* RFC 9438. The default. */
extern const tern_cc_ops tern_cc_cubic;
/* RFC 9002 appendix B. */
extern const tern_cc_ops tern_cc_newreno;
/* BBR version 3, draft-ietf-ccwg-bbr. */
extern const tern_cc_ops tern_cc_bbr;
/* Prague: ECT(1), RFC 9331, with the estimator of RFC 8257. For paths with L4S queues. */
extern const tern_cc_ops tern_cc_prague;
/* CUBIC or BBR, whichever the end of slow start speaks for. */
extern const tern_cc_ops tern_cc_adaptive;

/* By name ("cubic", "bbr", "prague", "adaptive", "newreno"), or NULL. */
const tern_cc_ops *tern_cc_find(const char *name);
/* The names in order of preference: the n-th from 0, or NULL. */
const char *tern_cc_name(size_t n);

#ifdef __cplusplus
}
#endif
#endif
