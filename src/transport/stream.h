/* SPDX-License-Identifier: MIT */
/* A stream: two halves, the flow control of each, and its places in lists. What crosses the halves or
 * the stream's and the connection's flow control is done here; the connection itself is only a pointer
 * that is kept for the application.
 *
 * How a frame's bytes are counted ([rfc9000-4.1], [rfc9000-4.5]):
 *
 *   highest rises      stream.highest and conn.highest rise by the same
 *   app consumes       stream.consumed and conn.consumed rise by the same
 *   reset or stopped   what will never be read counts as consumed, up to highest (or the final size)
 *
 * so conn.consumed always reaches conn.highest when the streams are done.
 *
 * In memory the halves that exist follow the stream; in place of the other one stands a shared one that is
 * done, which nobody writes to:
 *
 *   bidirectional | stream | out | in |      ours, one way | stream | out |      the peer's | stream | in | */
#ifndef TERN_TRANSPORT_STREAM_H
#define TERN_TRANSPORT_STREAM_H

#include <tern/transport.h>

#include "base/list.h"
#include "transport/flow.h"
#include "transport/record.h"
#include "transport/scheduler.h"
#include "transport/stream_recv.h"
#include "transport/stream_send.h"

/* Bits of tern_stream.events: what the application has yet to be told. */
enum tern_stream_event {
  TERN_STREAM_READABLE = 1,
  TERN_STREAM_WRITABLE = 2,
  TERN_STREAM_ACKED = 4,
  TERN_STREAM_WAS_RESET = 8,
  TERN_STREAM_WAS_STOPPED = 16,
  TERN_STREAM_OPENED = 32, /* opened by the peer, on_stream not called yet */
};

/* The half that sends. */
struct tern_stream_out {
  struct tern_flow_send flow;
  struct tern_stream_send send;
};

/* The half that receives. */
struct tern_stream_in {
  struct tern_flow_recv flow;
  struct tern_stream_recv recv;
};

struct tern_stream {
  struct tern_stream_out *out; /* see above */
  struct tern_stream_in *in;
  uint64_t id;
  tern_conn *conn; /* opaque here */
  const tern_stream_ops *ops;
  void *app;
  struct tern_stream *hash_next; /* stream_set's */
  uint32_t slot;
  uint32_t records; /* frame records that name this stream: the slot lives until it is 0 */
  uint16_t generation;
  uint8_t events;           /* enum tern_stream_event */
  bool is_ours;             /* opened by this endpoint */
  bool is_released;         /* no more callbacks */
  bool is_over;             /* on_closed was called, or needs not be: free when records is 0 */
  bool waits_for_handshake; /* not in early data */
  bool wants_writable; /* a write answered TERN_BLOCKED: tell when half of the buffer is free */
  struct tern_sched_node sched;
  struct tern_list_node touched; /* spine: streams with events */
  struct tern_list_node control; /* spine: streams with wants_control */
};

/* Room for both halves. */
struct tern_stream_whole {
  struct tern_stream stream;
  struct tern_stream_out out;
  struct tern_stream_in in;
};

struct tern_stream_args {
  uint64_t id;
  tern_conn *conn;
  struct tern_alloc *alloc;
  bool is_server;            /* this endpoint */
  uint64_t send_limit_bytes; /* the peer's initial_max_stream_data of this kind */
  uint64_t window_bytes;     /* ours */
  uint64_t window_max_bytes;
  uint64_t send_buffer_bytes;
};

/* Of a stream and the halves that it has. */
size_t tern_stream_get_bytes(uint64_t id, bool is_server);
/* `stream` has tern_stream_get_bytes; slot and generation are stream_set's. */
void tern_stream_init(struct tern_stream *stream, const struct tern_stream_args *args);
/* Releases both halves' data. */
void tern_stream_deinit(struct tern_stream *stream);
/* Gives back what a stream at rest does not need. */
void tern_stream_trim(struct tern_stream *stream);
/* [rfc9001-4.6.2] early data was rejected: nothing was sent, and there is no credit yet. */
void tern_stream_rewind(struct tern_stream *stream);

/* [rfc9000-2.1] the two low bits of an id. */
static inline bool tern_stream_id_is_uni(uint64_t id)
{
  return (id & 2) != 0;
}
static inline bool tern_stream_id_is_server(uint64_t id)
{
  return (id & 1) != 0;
}
static inline bool tern_stream_has_send(const struct tern_stream *stream)
{
  return stream->is_ours || !tern_stream_id_is_uni(stream->id);
}
static inline bool tern_stream_has_recv(const struct tern_stream *stream)
{
  return !stream->is_ours || !tern_stream_id_is_uni(stream->id);
}
static inline struct tern_stream_name tern_stream_get_name(const struct tern_stream *stream)
{
  struct tern_stream_name name = {stream->id, stream->slot, stream->generation};
  return name;
}
/* Both halves are in a terminal state. */
static inline bool tern_stream_is_done(const struct tern_stream *stream)
{
  return tern_stream_send_is_done(&stream->out->send) &&
         tern_stream_recv_is_done(&stream->in->recv);
}

/* ---- receiving: frames ---- */

/* What flow control needs from the connection. */
struct tern_stream_flow {
  struct tern_flow_recv *conn;
  tern_time now;
  uint64_t rtt_ns;
};

/* STREAM. Counts on both levels, keeps the data, sets events. TERN_RECV_TOO_MUCH =
 * FLOW_CONTROL_ERROR on either level. `pool` as in tern_stream_recv_on_data. Only for has_recv. */
TERN_MUST_CHECK enum tern_recv_result tern_stream_on_data(struct tern_stream *stream,
                                                          const struct tern_stream_flow *flow,
                                                          const struct tern_recv_data *data,
                                                          struct tern_piece_pool *pool);
/* RESET_STREAM. [rfc9000-4.5] the final size counts against both limits. Only for has_recv. */
TERN_MUST_CHECK enum tern_recv_result tern_stream_on_reset(struct tern_stream *stream,
                                                           const struct tern_stream_flow *flow,
                                                           uint64_t code, uint64_t final_size);
/* STOP_SENDING: [rfc9000-3.5] the sending half is reset with the same code, if it is not done. Only
 * for has_send. */
void tern_stream_on_stop_sending(struct tern_stream *stream, uint64_t code);
/* MAX_STREAM_DATA. True if the limit grew. Only for has_send. */
bool tern_stream_on_max_data(struct tern_stream *stream, uint64_t limit);

/* ---- receiving: the application ---- */

/* The application consumed `len` readable bytes. */
void tern_stream_on_consumed(struct tern_stream *stream, const struct tern_stream_flow *flow,
                             size_t len);
/* tern_stream_stop of the application. */
void tern_stream_stop_receiving(struct tern_stream *stream, const struct tern_stream_flow *flow,
                                uint64_t code);

/* ---- sending ---- */

/* Bytes of new data that both levels allow. */
static inline uint64_t tern_stream_get_credit(const struct tern_stream *stream,
                                              const struct tern_flow_send *conn)
{
  uint64_t own = tern_flow_send_room(&stream->out->flow);
  uint64_t all = tern_flow_send_room(conn);
  return own < all ? own : all;
}
/* Stream data or a FIN could be written now: the stream belongs into the scheduler. */
bool tern_stream_wants_send(const struct tern_stream *stream, const struct tern_flow_send *conn);
/* There may be unsent data without credit: then STREAM_DATA_BLOCKED or DATA_BLOCKED wants to be sent.
 * Call after a write, and when the stream is served for want of credit only; on_sent does it itself. */
void tern_stream_note_blocked(struct tern_stream *stream, struct tern_flow_send *conn);
/* A STREAM frame goes out: counts new bytes on both levels and fills the record (flag FIN if `is_fin`).
 * `range` is what next answered, with `len` cut to what went out. */
void tern_stream_on_sent(struct tern_stream *stream, struct tern_flow_send *conn,
                         const struct tern_send_range *range, bool is_fin,
                         struct tern_frame_record *record);

/* RESET_STREAM, STOP_SENDING, MAX_STREAM_DATA, STREAM_DATA_BLOCKED. */
bool tern_stream_wants_control(const struct tern_stream *stream);
/* Writes one of them. Call until false. */
bool tern_stream_write_control(struct tern_stream *stream, struct tern_writer *writer,
                               struct tern_frame_record *record);

/* Fate of any record that names this stream; sets events. Does not count `records`: see
 * tern_stream_set_unhold. TERN_NOMEM: close the connection. */
TERN_MUST_CHECK tern_status tern_stream_on_record_acked(struct tern_stream *stream,
                                                        const struct tern_frame_record *record);
TERN_MUST_CHECK tern_status tern_stream_on_record_lost(struct tern_stream *stream,
                                                       const struct tern_frame_record *record);

#endif
