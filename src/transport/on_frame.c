/* SPDX-License-Identifier: MIT */
/* Frames in: one short handler for each kind that tells one part. What the frame alone could show wrong
 * was refused by frame_read; what is refused here needs the connection's state. The application is not
 * called: parts note what it has to hear, and settle tells it after the batch. */
#include <string.h>

#include "transport/conn.h"

/* Credit in smaller steps than this is no progress worth a frame. */
#define CREDIT_WORTH_BYTES 1024

/* The frame being handled, in the packet that brought it. */
struct on_frame {
  tern_conn *conn;
  const struct tern_on_frame_args *packet;
  const struct tern_frame *frame;
  tern_slice wire; /* the frame, type and length included */
};

static enum tern_packet_fate fail(const struct on_frame *on, uint64_t code, const char *reason)
{
  tern_conn_fail(on->conn, code, on->frame->type, reason);
  return TERN_PACKET_FATAL;
}

/* Counts a frame that made no progress [rfc9000-21.9]. */
static enum tern_packet_fate glitch(const struct on_frame *on)
{
  if (tern_glitch_on_event(&on->conn->glitches, 1, on->conn->endpoint->now))
    return TERN_PACKET_KEEP;
  return fail(on, TERN_QUIC_PROTOCOL_VIOLATION, "too many frames without progress");
}

/* ---- CRYPTO ---------------------------------------------------------------------------------- */

static enum tern_packet_fate on_crypto(const struct on_frame *on)
{
  tern_conn *conn = on->conn;
  struct tern_recv_data data = {.offset = on->frame->u.crypto.offset,
                                .data = on->frame->u.crypto.data};

  if (!tern_conn_wake_crypto(conn, on->packet->space))
    return TERN_PACKET_IGNORE;
  struct tern_stream_recv *recv = &on->packet->space->crypto->recv;
  uint64_t before = recv->in_order + recv->held_bytes;
  switch (tern_crypto_recv_on_data(recv, &data, conn->is_validated, &conn->endpoint->pieces)) {
  case TERN_RECV_OK:
    return recv->in_order + recv->held_bytes != before ? TERN_PACKET_KEEP : glitch(on);
  case TERN_RECV_TOO_MUCH: /* [rfc9000-7.5] */
    return fail(on, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED, "too much handshake data out of order");
  case TERN_RECV_GAPS:
  case TERN_RECV_NOMEM:
  case TERN_RECV_FINAL_SIZE:
    return TERN_PACKET_IGNORE;
  }
  return TERN_PACKET_IGNORE;
}

/* ---- streams --------------------------------------------------------------------------------- */

/* NULL: `*fate` says how to go on. */
static struct tern_stream *get_stream(const struct on_frame *on, uint64_t id,
                                      enum tern_packet_fate *fate)
{
  struct tern_stream *stream = NULL;

  *fate = TERN_PACKET_KEEP;
  switch (tern_stream_set_get_or_open(&on->conn->body->streams, id, on->frame->kind, &stream)) {
  case TERN_STREAM_FOUND:
    return stream;
  case TERN_STREAM_NEW:
    TERN_EVENT(&on->conn->endpoint->events, on->conn->id, stream_opened, .stream = id,
               .by_peer = true);
    tern_stream_touch(stream);
    return stream;
  case TERN_STREAM_GONE:
    *fate = glitch(on);
    return NULL;
  case TERN_STREAM_BAD_LIMIT: /* [rfc9000-4.6] */
    *fate = fail(on, TERN_QUIC_STREAM_LIMIT_ERROR, "stream id beyond the limit");
    return NULL;
  case TERN_STREAM_BAD_STATE: /* [rfc9000-19.8] and the like */
    *fate = fail(on, TERN_QUIC_STREAM_STATE_ERROR, "frame is not for this kind of stream");
    return NULL;
  case TERN_STREAM_NO_MEMORY:
    *fate = TERN_PACKET_IGNORE;
    return NULL;
  }
  return NULL;
}

static struct tern_stream_flow get_flow(tern_conn *conn)
{
  struct tern_stream_flow flow = {&conn->body->flow_recv, conn->endpoint->now,
                                  tern_conn_route(conn)->rtt.smoothed_ns};
  return flow;
}

static enum tern_packet_fate judge(const struct on_frame *on, struct tern_stream *stream,
                                   enum tern_recv_result result)
{
  switch (result) {
  case TERN_RECV_OK:
    if (stream->events != 0 || tern_stream_is_done(stream))
      tern_stream_touch(stream);
    tern_stream_update_places(stream);
    return TERN_PACKET_KEEP;
  case TERN_RECV_GAPS:
  case TERN_RECV_NOMEM:
    return TERN_PACKET_IGNORE;
  case TERN_RECV_FINAL_SIZE: /* [rfc9000-4.5] */
    return fail(on, TERN_QUIC_FINAL_SIZE_ERROR, "final size changed");
  case TERN_RECV_TOO_MUCH: /* [rfc9000-4.1] */
    return fail(on, TERN_QUIC_FLOW_CONTROL_ERROR, "more data than flow control allows");
  }
  return TERN_PACKET_KEEP;
}

static enum tern_packet_fate on_stream(const struct on_frame *on)
{
  tern_conn *conn = on->conn;
  const struct tern_frame *frame = on->frame;
  enum tern_packet_fate fate;
  struct tern_stream *stream = get_stream(on, frame->u.stream.stream_id, &fate);

  if (stream == NULL)
    return fate;
  bool is_news = frame->u.stream.is_fin && !tern_stream_recv_is_size_known(&stream->in->recv);
  if (frame->u.stream.data.len == 0 && !is_news && (fate = glitch(on)) != TERN_PACKET_KEEP)
    return fate;
  struct tern_stream_flow flow = get_flow(conn);
  struct tern_recv_data data = {frame->u.stream.offset, frame->u.stream.data,
                                frame->u.stream.is_fin};
  return judge(on, stream, tern_stream_on_data(stream, &flow, &data, &conn->endpoint->pieces));
}

static enum tern_packet_fate on_reset_stream(const struct on_frame *on)
{
  const struct tern_frame *frame = on->frame;
  enum tern_packet_fate fate;
  struct tern_stream *stream = get_stream(on, frame->u.reset_stream.stream_id, &fate);

  if (stream == NULL)
    return fate;
  if (stream->in->recv.state >= TERN_RECV_RESET_RECVD && (fate = glitch(on)) != TERN_PACKET_KEEP)
    return fate;
  struct tern_stream_flow flow = get_flow(on->conn);
  return judge(on, stream,
               tern_stream_on_reset(stream, &flow, frame->u.reset_stream.code,
                                    frame->u.reset_stream.final_size));
}

static enum tern_packet_fate on_stop_sending(const struct on_frame *on)
{
  enum tern_packet_fate fate;
  struct tern_stream *stream = get_stream(on, on->frame->u.stop_sending.stream_id, &fate);

  if (stream == NULL)
    return fate;
  if (stream->out->send.state >= TERN_SEND_DATA_RECVD)
    return glitch(on);
  bool before = tern_endpoint_enter_hook(on->conn->endpoint);
  tern_stream_on_stop_sending(stream, on->frame->u.stop_sending.code);
  tern_endpoint_leave_hook(on->conn->endpoint, before);
  tern_stream_touch(stream);
  tern_stream_update_places(stream);
  return TERN_PACKET_KEEP;
}

static enum tern_packet_fate on_max_stream_data(const struct on_frame *on)
{
  enum tern_packet_fate fate;
  struct tern_stream *stream = get_stream(on, on->frame->u.max_stream_data.stream_id, &fate);

  if (stream == NULL)
    return fate;
  uint64_t before = stream->out->flow.limit;
  if (tern_stream_on_max_data(stream, on->frame->u.max_stream_data.limit))
    tern_stream_update_places(stream);
  return stream->out->flow.limit - before >= CREDIT_WORTH_BYTES ? TERN_PACKET_KEEP : glitch(on);
}

static enum tern_packet_fate on_stream_data_blocked(const struct on_frame *on)
{
  enum tern_packet_fate fate;
  struct tern_stream *stream = get_stream(on, on->frame->u.stream_data_blocked.stream_id, &fate);

  return stream == NULL ? fate : glitch(on);
}

/* ---- the connection's limits ------------------------------------------------------------------ */

static enum tern_packet_fate on_max_data(const struct on_frame *on)
{
  struct tern_conn_body *body = on->conn->body;

  uint64_t before = body->flow_send.limit;
  if (tern_flow_send_on_max(&body->flow_send, on->frame->u.max_data.limit))
    tern_scheduler_unpark_all(&body->scheduler);
  return body->flow_send.limit - before >= CREDIT_WORTH_BYTES ? TERN_PACKET_KEEP : glitch(on);
}

static enum tern_packet_fate on_max_streams(const struct on_frame *on)
{
  tern_conn *conn = on->conn;
  bool is_bidi = on->frame->u.max_streams.is_bidi;
  enum tern_stream_dir dir = is_bidi ? TERN_DIR_BIDI : TERN_DIR_UNI;
  struct tern_stream_set *streams = &conn->body->streams;
  struct tern_range opened;

  if (!tern_stream_set_on_max_streams(streams, dir, on->frame->u.max_streams.limit, &opened))
    return tern_stream_set_excuse_max_streams(streams, dir) ? TERN_PACKET_KEEP : glitch(on);
  if (is_bidi)
    conn->news.streams_bidi = true;
  else
    conn->news.streams_uni = true;
  tern_conn_offer_streams(conn);
  return TERN_PACKET_KEEP;
}

/* ---- connection ids --------------------------------------------------------------------------- */

static enum tern_packet_fate judge_cid(const struct on_frame *on, enum tern_cid_result result)
{
  switch (result) {
  case TERN_CID_OK:
    return TERN_PACKET_KEEP;
  case TERN_CID_NOTHING:
    return glitch(on);
  case TERN_CID_VIOLATION: /* [rfc9000-19.15] [rfc9000-19.16] */
    return fail(on, TERN_QUIC_PROTOCOL_VIOLATION, "connection ids do not fit those before");
  case TERN_CID_LIMIT: /* [rfc9000-5.1.1] [rfc9000-5.1.2] */
    return fail(on, TERN_QUIC_CONNECTION_ID_LIMIT_ERROR, "too many connection ids");
  case TERN_CID_ENCODING:
    return fail(on, TERN_QUIC_FRAME_ENCODING_ERROR, "malformed connection id");
  }
  return TERN_PACKET_KEEP;
}

/* The ids' reset tokens are known to the endpoint from the moment they are used. */
void tern_conn_use_fresh_id(tern_conn *conn, uint8_t route_index)
{
  const struct tern_cid_remote_entry *entry =
      tern_cid_remote_assign(&conn->path.remote_ids, route_index);

  if (entry != NULL && entry->has_token)
    tern_endpoint_add_reset(conn->endpoint, entry->reset_token, conn);
}

/* [rfc9000-10.3.1] tokens of retired ids no longer count: all out, those still in use in again. */
static void renew_tokens(tern_conn *conn, const struct tern_cid_remote *before)
{
  for (size_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (before->entries[i].is_valid && before->entries[i].has_token)
      tern_endpoint_remove_reset(conn->endpoint, before->entries[i].reset_token, conn);
  for (size_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++) {
    const struct tern_cid_remote_entry *entry = &conn->path.remote_ids.entries[i];
    if (entry->is_valid && entry->was_used && entry->has_token)
      tern_endpoint_add_reset(conn->endpoint, entry->reset_token, conn);
  }
}

static enum tern_packet_fate on_new_connection_id(const struct on_frame *on)
{
  tern_conn *conn = on->conn;
  const struct tern_frame *frame = on->frame;
  struct tern_cid_new args = {.sequence = frame->u.new_connection_id.sequence,
                              .retire_prior_to = frame->u.new_connection_id.retire_prior_to,
                              .cid = frame->u.new_connection_id.cid};
  struct tern_cid_remote before = conn->path.remote_ids;
  uint32_t routes_lost = 0;

  memcpy(args.reset_token, frame->u.new_connection_id.reset_token, sizeof args.reset_token);
  enum tern_cid_result result = tern_cid_remote_on_new(&conn->path.remote_ids, &args, &routes_lost);
  if (result == TERN_CID_OK)
    TERN_EVENT(&conn->endpoint->events, conn->id, cid_issued, .by_peer = true,
               .sequence = args.sequence, .cid = tern_cid_slice(&frame->u.new_connection_id.cid));
  if (routes_lost != 0)
    renew_tokens(conn, &before);
  /* The active route first: there may be one id for several. */
  if ((routes_lost >> conn->path.active & 1) != 0)
    tern_conn_use_fresh_id(conn, conn->path.active);
  for (uint8_t i = 0; i < conn->path.routes_count; i++)
    if (i != conn->path.active && (routes_lost >> i & 1) != 0)
      tern_conn_use_fresh_id(conn, i);
  return judge_cid(on, result);
}

static enum tern_packet_fate on_retire_connection_id(const struct on_frame *on)
{
  tern_conn *conn = on->conn;
  uint64_t sequence = on->frame->u.retire_connection_id.sequence;
  struct tern_cid removed = {0};
  enum tern_cid_result result =
      tern_cid_local_on_retire(&conn->path.local_ids, sequence, on->packet->dcid, &removed);

  if (result == TERN_CID_OK) {
    tern_endpoint_remove_id(conn->endpoint, &removed, conn);
    tern_conn_issue_ids(conn);
    TERN_EVENT(&conn->endpoint->events, conn->id, cid_retired, .sequence = sequence,
               .cid = tern_cid_slice(&removed));
  }
  return judge_cid(on, result);
}

/* ---- path, handshake, close, datagram ---------------------------------------------------------- */

static enum tern_packet_fate on_path_challenge(const struct on_frame *on)
{
  tern_route_on_challenge(on->packet->route, on->frame->u.path_challenge.data);
  return glitch(on);
}

static enum tern_packet_fate on_path_response(const struct on_frame *on)
{
  tern_conn *conn = on->conn;

  for (uint8_t i = 0; i < conn->path.routes_count; i++)
    if (tern_route_on_response(conn->path.routes[i], on->frame->u.path_response.data,
                               conn->endpoint->now)) {
      tern_conn_on_route_validated(conn, i);
      return TERN_PACKET_KEEP;
    }
  return glitch(on);
}

static enum tern_packet_fate on_handshake_done(const struct on_frame *on)
{
  if (on->conn->is_server) /* [rfc9000-19.20] */
    return fail(on, TERN_QUIC_PROTOCOL_VIOLATION, "HANDSHAKE_DONE from a client");
  if (on->conn->is_confirmed)
    return glitch(on);
  tern_conn_on_confirmed(on->conn);
  return TERN_PACKET_KEEP;
}

static enum tern_packet_fate on_new_token(const struct on_frame *on)
{
  if (on->conn->is_server) /* [rfc9000-19.7] */
    return fail(on, TERN_QUIC_PROTOCOL_VIOLATION, "NEW_TOKEN from a client");
  /* [rfc9000-8.1.3] the newest counts. In place of the one that went into the Initials, which are over. */
  if (on->frame->u.new_token.token.len <= TERN_TOKEN_BYTES_MAX &&
      tern_conn_set_token(on->conn, on->frame->u.new_token.token) == TERN_OK)
    on->conn->news.token = true;
  return glitch(on);
}

static enum tern_packet_fate on_connection_close(const struct on_frame *on)
{
  tern_conn_on_peer_close(on->conn, on->packet->space, on->frame);
  return TERN_PACKET_KEEP;
}

static enum tern_packet_fate on_datagram(const struct on_frame *on)
{
  tern_conn *conn = on->conn;
  tern_slice data = on->frame->u.datagram.data;

  /* [rfc9221-3] what we did not offer, or more of it. */
  if (on->wire.len > conn->endpoint->config.datagram_frame_max_bytes)
    return fail(on, TERN_QUIC_PROTOCOL_VIOLATION, "DATAGRAM larger than we take");
  if (tern_dgram_on_received(&conn->body->dgram, data) != TERN_OK)
    return TERN_PACKET_IGNORE;
  return TERN_PACKET_KEEP;
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static void show(const struct on_frame *on)
{
  const struct tern_frame *frame = on->frame;
  bool is_stream = frame->kind == TERN_FRAME_STREAM;

  TERN_EVENT(&on->conn->endpoint->events, on->conn->id, frame_received,
             .space = (uint8_t)on->packet->space->id, .name = tern_frame_name(frame->kind),
             .type = frame->type, .bytes = on->wire.len,
             .stream = is_stream ? frame->u.stream.stream_id : 0,
             .offset = is_stream ? frame->u.stream.offset : 0, .wire = on->wire,
             .delay_shift = (uint8_t)on->conn->peer_params.ack_delay_exponent);
}

static enum tern_packet_fate dispatch(const struct on_frame *on)
{
  switch (on->frame->kind) {
  case TERN_FRAME_PADDING:
  case TERN_FRAME_PING: /* judged with the rest of the packet */
    return TERN_PACKET_KEEP;
  case TERN_FRAME_ACK:
    return tern_conn_on_ack(on->conn, on->packet, on->frame) ? TERN_PACKET_KEEP : TERN_PACKET_FATAL;
  case TERN_FRAME_RESET_STREAM:
    return on_reset_stream(on);
  case TERN_FRAME_STOP_SENDING:
    return on_stop_sending(on);
  case TERN_FRAME_CRYPTO:
    return on_crypto(on);
  case TERN_FRAME_NEW_TOKEN:
    return on_new_token(on);
  case TERN_FRAME_STREAM:
    return on_stream(on);
  case TERN_FRAME_MAX_DATA:
    return on_max_data(on);
  case TERN_FRAME_MAX_STREAM_DATA:
    return on_max_stream_data(on);
  case TERN_FRAME_MAX_STREAMS:
    return on_max_streams(on);
  case TERN_FRAME_STREAM_DATA_BLOCKED:
    return on_stream_data_blocked(on);
  case TERN_FRAME_DATA_BLOCKED:
  case TERN_FRAME_STREAMS_BLOCKED:
    return glitch(on);
  case TERN_FRAME_NEW_CONNECTION_ID:
    return on_new_connection_id(on);
  case TERN_FRAME_RETIRE_CONNECTION_ID:
    return on_retire_connection_id(on);
  case TERN_FRAME_PATH_CHALLENGE:
    return on_path_challenge(on);
  case TERN_FRAME_PATH_RESPONSE:
    return on_path_response(on);
  case TERN_FRAME_CONNECTION_CLOSE:
    return on_connection_close(on);
  case TERN_FRAME_HANDSHAKE_DONE:
    return on_handshake_done(on);
  case TERN_FRAME_DATAGRAM:
    return on_datagram(on);
  }
  return TERN_PACKET_KEEP;
}

/* A PING with an ACK of something new is how receivers ask for an ACK of their own; alone, or again and
 * again, it is no progress. */
static enum tern_packet_fate judge_pings(const struct on_frame *on, uint32_t pings,
                                         uint64_t acked_before)
{
  bool has_acked = on->conn->stats.packets_acked != acked_before;

  if (pings <= (has_acked ? 1u : 0u) ||
      tern_glitch_on_event(&on->conn->glitches, pings, on->conn->endpoint->now))
    return TERN_PACKET_KEEP;
  return fail(on, TERN_QUIC_PROTOCOL_VIOLATION, "too many frames without progress");
}

enum tern_packet_fate tern_conn_on_frames(tern_conn *conn, const struct tern_on_frame_args *args,
                                          tern_slice payload, struct tern_packet_facts *facts)
{
  struct tern_reader reader = tern_reader_of(payload.data, payload.len);
  struct tern_frame frame;
  struct on_frame on = {.conn = conn, .packet = args, .frame = &frame};
  uint64_t acked_before = conn->stats.packets_acked;
  uint32_t pings = 0;

  frame.type = 0;
  if (payload.len == 0) /* [rfc9000-12.4] */
    return fail(&on, TERN_QUIC_PROTOCOL_VIOLATION, "packet without frames");
  while (tern_reader_left(&reader) != 0 && tern_conn_is_open(conn)) {
    const uint8_t *start = reader.at;
    uint64_t code = tern_frame_read(&reader, &frame);
    if (code != 0)
      return fail(&on, code, "malformed frame");
    if (!tern_frame_is_allowed(frame.kind, frame.type, args->packet_type)) /* [rfc9000-12.4] */
      return fail(&on, TERN_QUIC_PROTOCOL_VIOLATION, "frame is not for this packet type");
    facts->is_eliciting |= tern_frame_is_ack_eliciting(frame.kind);
    facts->is_probing &= tern_frame_is_probing(frame.kind);
    facts->has_crypto |= frame.kind == TERN_FRAME_CRYPTO;
    pings += frame.kind == TERN_FRAME_PING;
    on.wire = tern_slice_of(start, (size_t)(reader.at - start));
    show(&on);
    enum tern_packet_fate fate = dispatch(&on);
    if (fate != TERN_PACKET_KEEP)
      return fate;
  }
  return pings == 0 ? TERN_PACKET_KEEP : judge_pings(&on, pings, acked_before);
}
