/* SPDX-License-Identifier: MIT */
/* Flow control (RFC 9000 4.1), the same two structs for a stream and for the connection.
 *
 *   send   0 ......... used ......... limit          room = limit - used
 *   recv   0 .. consumed .. highest .. limit         limit <= consumed + window
 *
 * The receiving window slides with what the application consumed, never with what merely arrived, so
 * bytes held are bounded by the window and one byte at the end of it opens nothing ([HOSTILE T10]).
 * An update is due when an eighth of the window was consumed since the last one, so a window of 8/7
 * bandwidth-delay products holds nobody up: 7/8 are there for what is under way while it travels. If half
 * a window was consumed in less than two round trips, the window was probably what held the sender up: it
 * doubles, up to its bound. For a steady rate r that stops at window >= 4 * r * rtt, four products.
 *
 * In the connection's structs `highest`, `used` and `consumed` are sums over all streams. */
#ifndef TERN_TRANSPORT_FLOW_H
#define TERN_TRANSPORT_FLOW_H

#include <tern/base.h>

#include "base/cursor.h"
#include "transport/record.h"
#include "transport/sync.h"

/* ---- what the peer lets us send ---- */

struct tern_flow_send {
  uint64_t limit;
  uint64_t used;
  struct tern_sync_newest blocked; /* value: the limit we are blocked at */
};

void tern_flow_send_init(struct tern_flow_send *flow, uint64_t limit);

static inline uint64_t tern_flow_send_room(const struct tern_flow_send *flow)
{
  return flow->limit - flow->used;
}

/* `bytes` new bytes (never retransmissions) go out; at most the room. */
void tern_flow_send_take(struct tern_flow_send *flow, uint64_t bytes);
/* Undoes a take whose packet was aborted. */
void tern_flow_send_give_back(struct tern_flow_send *flow, uint64_t bytes);
/* MAX_DATA or MAX_STREAM_DATA, or the peer's transport parameter. True if the limit grew.
 * [rfc9000-4.1] smaller values are ignored. */
bool tern_flow_send_on_max(struct tern_flow_send *flow, uint64_t limit);
/* There is data, and no room: say so to the peer, once per limit. Quiet if there is room. */
void tern_flow_send_on_blocked(struct tern_flow_send *flow);

static inline bool tern_flow_send_wants(const struct tern_flow_send *flow)
{
  return tern_sync_newest_wants(&flow->blocked);
}

/* DATA_BLOCKED if `name` is NULL, else STREAM_DATA_BLOCKED. */
bool tern_flow_send_write(struct tern_flow_send *flow, const struct tern_stream_name *name,
                          struct tern_writer *writer, struct tern_frame_record *record);
void tern_flow_send_on_acked(struct tern_flow_send *flow, const struct tern_frame_record *record);
void tern_flow_send_on_lost(struct tern_flow_send *flow, const struct tern_frame_record *record);

/* ---- what we let the peer send ---- */

struct tern_flow_recv {
  uint64_t limit;        /* advertised: the largest that left, or was in the parameters */
  uint64_t highest;      /* received */
  uint64_t consumed;     /* by the application, or dropped */
  uint64_t tuned_from;   /* consumed when the current measurement began ... */
  tern_time tuned_at;    /* ... and when that was; 0 = not begun */
  uint32_t window_bytes; /* at most 1 GiB (config.h) */
  uint32_t window_max_bytes;
  struct tern_sync_newest update; /* value: limit */
};

/* `window_bytes` is also the limit advertised so far. */
void tern_flow_recv_init(struct tern_flow_recv *flow, uint64_t window_bytes,
                         uint64_t window_max_bytes);

/* What the peer may still add above `highest`. */
static inline uint64_t tern_flow_recv_left(const struct tern_flow_recv *flow)
{
  return flow->limit - flow->highest;
}

/* The highest offset received (or the sum of them) is now `highest`; smaller than before is fine.
 * False: FLOW_CONTROL_ERROR [rfc9000-4.1], and nothing is changed. */
TERN_MUST_CHECK bool tern_flow_recv_on_received(struct tern_flow_recv *flow, uint64_t highest);
/* `bytes` were consumed, at most highest - consumed. `rtt_ns` is the smoothed RTT. */
void tern_flow_recv_on_consumed(struct tern_flow_recv *flow, uint64_t bytes, tern_time now,
                                uint64_t rtt_ns);
/* The connection's window stays at least 1.5 times the largest window of a stream, within its own
 * bound, so that one stream can use what it was given. */
void tern_flow_recv_keep_above(struct tern_flow_recv *flow, uint64_t stream_window_bytes);
/* No more updates: the final size is known, or the data is unwanted [rfc9000-13.3]. */
void tern_flow_recv_stop(struct tern_flow_recv *flow);

static inline bool tern_flow_recv_wants(const struct tern_flow_recv *flow)
{
  return tern_sync_newest_wants(&flow->update);
}

/* MAX_DATA if `name` is NULL, else MAX_STREAM_DATA. */
bool tern_flow_recv_write(struct tern_flow_recv *flow, const struct tern_stream_name *name,
                          struct tern_writer *writer, struct tern_frame_record *record);
void tern_flow_recv_on_acked(struct tern_flow_recv *flow, const struct tern_frame_record *record);
void tern_flow_recv_on_lost(struct tern_flow_recv *flow, const struct tern_frame_record *record);

#endif
