/* SPDX-License-Identifier: MIT */
/* The endpoint: who a datagram belongs to, who may send next, and what is said without a connection.
 *
 *   ids     connection id -> connection (ours; also the client's first choice until it is replaced)
 *   resets  stateless reset token -> connection (those the peers gave us)
 *   timers  one deadline per connection
 *   touched connections that a batch reached: visited once each by settle
 *   due     connections that may have something to send, served in turn, one run each
 *   out     the run buffer: runs are built one behind the other, lent to the loop, reported back
 *
 * Spine only. */
#ifndef TERN_TRANSPORT_ENDPOINT_H
#define TERN_TRANSPORT_ENDPOINT_H

#include <tern/transport.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "crypto/protect.h"
#include "event/event.h"
#include "recovery/rate.h"
#include "transport/admission.h"
#include "transport/replies.h"
#include "transport/stream_recv.h"
#include "transport/validation.h"
#include "wire/header.h"
#include "wire/quic.h"

/* Runs lent to the loop at a time, and the bytes they share. One UDP_SEGMENT send is at most 64 KiB,
 * so the buffer holds one full bulk run and a crowd of small ones. */
#define TERN_RUNS_MAX 32
#define TERN_RUN_BYTES_MAX 65507
#define TERN_OUT_BYTES (2 * 65536)
/* Packets sealed together; UDP_MAX_SEGMENTS of older kernels is 64. */
#define TERN_RUN_PACKETS_MAX 64
/* Pieces from sources in a run; a packet that finds no room here ends the run. */
#define TERN_RUN_FILLS_MAX 160
/* 1-RTT packets of one connection opened together. */
#define TERN_OPEN_PACKETS_MAX 64
/* Answers without a connection of an endpoint that accepts none: stateless resets. */
#define TERN_REPLIES_OF_CLIENT 32

/* Bytes of a run that a source still has to fill in, in one or more rooms of fill_rooms, which are in
 * the order of the fills and adjoin in the source. */
struct tern_out_fill {
  const tern_source *source;
  tern_stream *stream;
  uint64_t offset;     /* within the source */
  size_t rooms;        /* each in a STREAM frame of its own: the first is ... */
  uint8_t *frame;      /* ... here, to blank it if the source fails: zeros are PADDING */
  size_t frame_bytes;  /* size of each frame */
  size_t frame_stride; /* from one to the next */
  uint64_t reset_code;
};

struct tern_out_run {
  tern_run run;
  tern_conn *conn;       /* NULL for replies and for connections gone meanwhile */
  uint64_t first_number; /* data space: one packet a datagram, numbered from here ... */
  bool has_numbers;      /* ... if this is set; skipped numbers end a run */
  uint8_t route;
};

struct tern_out {
  uint8_t *buffer; /* TERN_OUT_BYTES */
  size_t used;
  struct tern_out_run runs[TERN_RUNS_MAX];
  size_t runs_first; /* oldest not reported */
  size_t runs_count; /* built */
  size_t runs_lent;  /* of them handed out */
  /* Of the run being built: its ECN mark, packets to seal and rooms to fill, worked off together by
   * finish. */
  uint8_t ecn;
  struct tern_seal_item seals[TERN_RUN_PACKETS_MAX];
  struct tern_keys *seal_keys[TERN_RUN_PACKETS_MAX];
  size_t seals_count;
  struct tern_out_fill fills[TERN_RUN_FILLS_MAX];
  tern_iov fill_rooms[TERN_RUN_FILLS_MAX];
  size_t fills_count;
  size_t rooms_count;
};

/* 1-RTT packets in a row for one connection, waiting to be opened together. */
struct tern_in {
  tern_conn *conn;
  struct tern_open_item open[TERN_OPEN_PACKETS_MAX];
  const tern_datagram *metas[TERN_OPEN_PACKETS_MAX];
  size_t count;
};

/* What the ACK frames of a batch said of a connection's active route, merged; settle_acks works it off, at
 * the latest when another connection's ACK frame comes: there is one for all. */
struct tern_ack_news {
  tern_conn *conn; /* whose they are, or NULL */
  uint64_t acked_bytes;
  uint64_t prior_in_flight_bytes;
  uint64_t newest_number; /* newly acknowledged */
  tern_time newest_sent_time;
  uint64_t ecn_ce;
  uint64_t ecn_marked; /* newly acknowledged packets that left with a mark */
  struct tern_rate_sample rate;
  struct tern_pn_space *space; /* of the newest */
  bool has_acked;
};

struct tern_endpoint {
  tern_config config;
  const tern_endpoint_ops *ops;
  void *app;
  struct tern_alloc alloc;
  struct tern_event_bus events;
  tern_tls *server_tls;
  tern_tls *client_tls;
  struct tern_tls_inbox *inbox; /* finished work for handshakes, from any thread */

  struct tern_map ids;
  struct tern_map resets;
  struct tern_heap timers;
  struct tern_list conns;
  struct tern_list touched;
  struct tern_list due;
  struct tern_piece_pool pieces;
  struct tern_ack_news ack_news;
  struct tern_in in;
  struct tern_out out;
  struct tern_replies replies;
  struct tern_admission admission;
  struct tern_validation validation;
  struct tern_proof proof; /* of the stranger who is looked at */
  struct tern_seen closed; /* ids of connections that are over: late packets are theirs */
  uint64_t closed_key[2];

  tern_time now;
  uint64_t next_conn_id;
  uint64_t conns_live;      /* open, or still owing the peer a CONNECTION_CLOSE */
  uint64_t half_open_bytes; /* charged to connections whose peer's address is not validated */
  tern_endpoint_stats stats;
  bool is_draining;
  bool is_drained_told;
  bool is_busy;    /* inside receive, timeout, send or sent */
  bool is_in_hook; /* inside a hook: nothing of the public face may be called */
  bool is_free_pending;
};

/* A part may call the application's hooks from here on (release, fill): what they call on tern is
 * refused. Returns what leave_hook needs; they nest. */
static inline bool tern_endpoint_enter_hook(tern_endpoint *endpoint)
{
  bool before = endpoint->is_in_hook;
  endpoint->is_in_hook = true;
  return before;
}
static inline void tern_endpoint_leave_hook(tern_endpoint *endpoint, bool before)
{
  endpoint->is_in_hook = before;
}

/* ---- endpoint.c ---- */
TERN_MUST_CHECK tern_status tern_endpoint_add_id(tern_endpoint *endpoint,
                                                 const struct tern_cid *cid, tern_conn *conn);
/* Quiet if the id is not this connection's. */
void tern_endpoint_remove_id(tern_endpoint *endpoint, const struct tern_cid *cid,
                             const tern_conn *conn);
/* A stateless reset token that the peer gave us for an id that we use. */
void tern_endpoint_add_reset(tern_endpoint *endpoint, const uint8_t token[TERN_RESET_TOKEN_BYTES],
                             tern_conn *conn);
/* Quiet if the token is not this connection's. */
void tern_endpoint_remove_reset(tern_endpoint *endpoint,
                                const uint8_t token[TERN_RESET_TOKEN_BYTES], const tern_conn *conn);
/* Packets to this id are of a connection that is over; is it one? */
void tern_endpoint_close_id(tern_endpoint *endpoint, const struct tern_cid *cid);
bool tern_endpoint_is_closed_id(tern_endpoint *endpoint, tern_slice cid);
/* An id of our making that no connection has. */
void tern_endpoint_draw_id(tern_endpoint *endpoint, struct tern_cid *cid);
/* A fresh id of ours and its stateless reset token [rfc9000-10.3.2]. */
void tern_endpoint_make_id(tern_endpoint *endpoint, struct tern_cid *cid,
                           uint8_t reset_token[TERN_RESET_TOKEN_BYTES]);

/* ---- stranger.c: datagrams that belong to no connection ---- */
struct tern_stranger {
  const tern_datagram *meta;
  uint8_t *data;
  size_t len;
  const struct tern_invariant *invariant;
};
/* A new connection to hand the datagram to, or NULL: it was answered or dropped. */
tern_conn *tern_endpoint_on_stranger(tern_endpoint *endpoint, const struct tern_stranger *stranger);

/* ---- stranger_reply.c: what is said without a connection ---- */
/* Each answers false if it did not: the datagram was dropped with a reason. */
bool tern_stranger_negotiate_version(tern_endpoint *endpoint, const struct tern_stranger *stranger);
bool tern_stranger_reset(tern_endpoint *endpoint, const struct tern_stranger *stranger);
bool tern_stranger_retry(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                         const struct tern_long_header *header);
bool tern_stranger_refuse(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                          const struct tern_long_header *header, uint64_t code);
tern_conn *tern_stranger_drop(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                              enum tern_drop_reason reason);

/* ---- endpoint_out.c ---- */
bool tern_endpoint_has_output(const tern_endpoint *endpoint);
/* A connection is going away: runs of its that wait for the socket go out, but report to nobody. */
void tern_endpoint_forget_runs(tern_endpoint *endpoint, const tern_conn *conn);

#endif
