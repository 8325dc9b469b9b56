/* SPDX-License-Identifier: MIT */
/* Packets out: one run of datagrams at a time, all of the same size but the last.
 *
 *   budget = min(window, pacer), for what elicits ACKs; amplification bounds everything
 *   per datagram:  Initial, Handshake and data packets as far as they have something to say
 *   per packet:    ACK, handshake, path, control, then datagrams and streams as the scheduler decides
 *
 * A run ends when nothing is left to say, a budget is used up, a datagram comes out short, or the
 * run is as long as one call to the socket may be. */
#include <string.h>

#include "transport/conn.h"
#include "transport/packer.h"
#include "wire/frame_write.h"

/* Nothing but ACKs for so many packets: a PING asks the peer for one [rfc9000-13.2.4]. */
#define ACK_ONLY_PACKETS_MAX 20

struct send_round {
  tern_conn *conn;
  struct tern_route *route;
  uint64_t window_bytes; /* what may elicit ACKs, from the controller */
  uint64_t pacer_bytes;  /* and from the pacer */
  uint64_t budget_bytes; /* of anything: anti-amplification */
  size_t datagram_bytes; /* what a full one has */
  bool has_initial;      /* the datagram being built has an Initial packet that must be padded */
  bool wants_expansion;  /* or a path frame that should be */
  bool dropped_initial;  /* client: Initial keys are over once the run is sealed */
};

/* ---- what there is to say ------------------------------------------------------------------------ */

static bool wants_control(const tern_conn *conn)
{
  const struct tern_conn_body *body = conn->body;
  const struct tern_path *path = &conn->path;
  const struct tern_route *route = tern_conn_route(conn);

  return conn->wants_handshake_done || tern_route_wants_challenge(route) ||
         tern_route_wants_response(route) || tern_cid_local_wants(&path->local_ids) ||
         tern_cid_remote_wants(&path->remote_ids) || tern_flow_recv_wants(&body->flow_recv) ||
         tern_flow_send_wants(&body->flow_send) || tern_stream_set_wants(&body->streams) ||
         !tern_list_is_empty(&body->control);
}

/* Something that elicits ACKs, other than probes. */
static bool wants_elicit(const tern_conn *conn, const struct tern_pn_space *space)
{
  if (tern_stream_send_wants(&space->crypto_send, UINT64_MAX))
    return true;
  if (space->id != TERN_SPACE_APP)
    return false;
  if (conn->body == NULL)
    return conn->wants_handshake_done;
  return space->wants_ping || wants_control(conn) || tern_dgram_wants(&conn->body->dgram) ||
         !tern_scheduler_is_empty(&conn->body->scheduler);
}

/* Data packets wait for the end of the handshake: until then, only the server could send any. */
static bool can_send(const tern_conn *conn, const struct tern_pn_space *space)
{
  if (space == NULL || !space->can_send)
    return false;
  return space->id != TERN_SPACE_APP || conn->state == TERN_CONN_CONNECTED;
}

static bool can_elicit(const struct send_round *round)
{
  return round->window_bytes >= round->datagram_bytes && round->pacer_bytes != 0;
}

static bool wants_packet(const struct send_round *round, const struct tern_pn_space *space)
{
  if (!can_send(round->conn, space))
    return false;
  if (space->probes != 0 || tern_acks_wants_now(&space->acks, round->conn->endpoint->now))
    return true;
  return can_elicit(round) && wants_elicit(round->conn, space);
}

bool tern_conn_wants_send(tern_conn *conn)
{
  if (!tern_conn_is_open(conn))
    return conn->wants_close;
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    if (!can_send(conn, space))
      continue;
    if (space->probes != 0 || tern_acks_wants_now(&space->acks, conn->endpoint->now) ||
        wants_elicit(conn, space))
      return true;
  }
  return tern_pmtud_wants_probe(&tern_conn_route(conn)->pmtud, conn->endpoint->now) != 0;
}

/* ---- producers, in their order ------------------------------------------------------------------- */

static void write_ack(struct tern_packer *packer)
{
  struct tern_pn_space *space = packer->space;
  struct tern_frame_record none = {0};
  size_t count;

  if (!tern_acks_wants_ride(&space->acks))
    return;
  const struct tern_range *ranges = tern_acks_get_ranges(&space->acks, &count);
  const struct tern_acks_ecn *seen = tern_acks_get_ecn(&space->acks);
  struct tern_ecn_counts ecn = {seen->ect0, seen->ect1, seen->ce};
  uint64_t delay_us = tern_acks_get_delay_ns(&space->acks, packer->conn->endpoint->now) / 1000;
  if (count == 0 ||
      tern_frame_write_ack(&packer->writer, ranges, count,
                           delay_us >> TERN_ACK_DELAY_EXPONENT_DEFAULT,
                           tern_acks_has_ecn(&space->acks) ? &ecn : NULL) == 0)
    return;
  packer->flags |= TERN_SENT_HAS_ACK;
  tern_packer_note(packer, TERN_FRAME_ACK, &none);
}

static void write_crypto(struct tern_packer *packer)
{
  struct tern_stream_send *send = &packer->space->crypto_send;
  struct tern_frame_record record;
  struct tern_send_range range;

  while (tern_stream_send_next(send, UINT64_MAX, &range)) {
    size_t len = tern_frame_write_crypto_header(&packer->writer, range.offset, (size_t)range.len);
    if (len == 0)
      return;
    uint8_t *room = tern_write_room(&packer->writer, len);
    range.len = len;
    if (!tern_stream_send_copy(send, range.offset, len, room, NULL))
      return; /* cannot be: CRYPTO data has no source that could refuse */
    tern_stream_send_on_sent(send, &range, false, &record);
    tern_packer_note(packer, TERN_FRAME_CRYPTO, &record);
  }
}

static void write_ping(struct tern_packer *packer)
{
  struct tern_frame_record none = {0};

  if (tern_writer_left(&packer->writer) == 0)
    return;
  packer->space->wants_ping = false;
  tern_frame_write_ping(&packer->writer);
  tern_packer_note(packer, TERN_FRAME_PING, &none);
}

static void write_path(struct tern_packer *packer, struct send_round *round)
{
  const tern_random_ops *random = &packer->conn->endpoint->config.random;
  struct tern_route *route = packer->route;
  struct tern_frame_record record = {0};
  uint8_t data[TERN_PATH_DATA_BYTES];

  while (tern_route_wants_response(route) &&
         tern_route_write_response(route, &packer->writer, &record)) {
    tern_packer_note(packer, TERN_FRAME_PATH_RESPONSE, &record);
    round->wants_expansion = true;
  }
  if (!tern_route_wants_challenge(route))
    return;
  random->fill(random->arg, data, sizeof data);
  if (!tern_route_write_challenge(route, data, &packer->writer, &record))
    return;
  record.slot = packer->route_index;
  tern_packer_note(packer, TERN_FRAME_PATH_CHALLENGE, &record);
  round->wants_expansion = true;
}

static void write_handshake_done(struct tern_packer *packer)
{
  struct tern_frame_record record = {.kind = TERN_RECORD_HANDSHAKE_DONE};

  if (!packer->conn->wants_handshake_done || tern_writer_left(&packer->writer) == 0)
    return;
  tern_frame_write_handshake_done(&packer->writer);
  packer->conn->wants_handshake_done = false;
  tern_packer_note(packer, TERN_FRAME_HANDSHAKE_DONE, &record);
}

static enum tern_frame_kind get_frame_kind(const struct tern_frame_record *record)
{
  switch ((enum tern_record_kind)record->kind) {
  case TERN_RECORD_RESET_STREAM:
    return TERN_FRAME_RESET_STREAM;
  case TERN_RECORD_STOP_SENDING:
    return TERN_FRAME_STOP_SENDING;
  case TERN_RECORD_MAX_STREAM_DATA:
    return TERN_FRAME_MAX_STREAM_DATA;
  case TERN_RECORD_STREAM_DATA_BLOCKED:
    return TERN_FRAME_STREAM_DATA_BLOCKED;
  case TERN_RECORD_MAX_STREAMS_BIDI:
  case TERN_RECORD_MAX_STREAMS_UNI:
    return TERN_FRAME_MAX_STREAMS;
  case TERN_RECORD_STREAMS_BLOCKED_BIDI:
  case TERN_RECORD_STREAMS_BLOCKED_UNI:
    return TERN_FRAME_STREAMS_BLOCKED;
  case TERN_RECORD_NONE:
  case TERN_RECORD_ACK:
  case TERN_RECORD_PING:
  case TERN_RECORD_CRYPTO:
  case TERN_RECORD_STREAM:
  case TERN_RECORD_MAX_DATA:
  case TERN_RECORD_DATA_BLOCKED:
  case TERN_RECORD_NEW_CONNECTION_ID:
  case TERN_RECORD_RETIRE_CONNECTION_ID:
  case TERN_RECORD_NEW_TOKEN:
  case TERN_RECORD_PATH_CHALLENGE:
  case TERN_RECORD_PATH_RESPONSE:
  case TERN_RECORD_HANDSHAKE_DONE:
  case TERN_RECORD_CLOSE:
  case TERN_RECORD_DATAGRAM:
    break;
  }
  return TERN_FRAME_PING;
}

static void write_ids_and_limits(struct tern_packer *packer)
{
  struct tern_path *path = &packer->conn->path;
  struct tern_conn_body *body = packer->conn->body;
  struct tern_writer *writer = &packer->writer;
  struct tern_frame_record record;

  while (tern_cid_local_write(&path->local_ids, writer, &record))
    tern_packer_note(packer, TERN_FRAME_NEW_CONNECTION_ID, &record);
  while (tern_cid_remote_write(&path->remote_ids, writer, &record))
    tern_packer_note(packer, TERN_FRAME_RETIRE_CONNECTION_ID, &record);
  if (tern_flow_recv_write(&body->flow_recv, NULL, writer, &record))
    tern_packer_note(packer, TERN_FRAME_MAX_DATA, &record);
  if (tern_flow_send_write(&body->flow_send, NULL, writer, &record))
    tern_packer_note(packer, TERN_FRAME_DATA_BLOCKED, &record);
  while (tern_stream_set_write(&body->streams, writer, &record))
    tern_packer_note(packer, get_frame_kind(&record), &record);
}

static void write_stream_control(struct tern_packer *packer)
{
  struct tern_conn_body *body = packer->conn->body;
  struct tern_list_node *node;
  struct tern_frame_record record;

  while ((node = tern_list_first(&body->control)) != NULL) {
    struct tern_stream *stream = TERN_CONTAINER_OF(node, tern_stream, control);
    while (tern_stream_write_control(stream, &packer->writer, &record))
      tern_packer_note(packer, get_frame_kind(&record), &record);
    if (tern_stream_wants_control(stream))
      return; /* no room: the next packet has */
    tern_list_remove(node);
  }
}

static void write_datagrams(struct tern_packer *packer, size_t datagram_bytes)
{
  struct tern_dgram *dgram = &packer->conn->body->dgram;
  struct tern_frame_record record;

  while (tern_dgram_wants(dgram)) {
    if (tern_dgram_write(dgram, &packer->writer, &record)) {
      tern_packer_note(packer, TERN_FRAME_DATAGRAM, &record);
      continue;
    }
    /* It waits for a packet of its own, unless even that is too small now. */
    size_t most = datagram_bytes - packer->header_bytes - TERN_AEAD_TAG_BYTES;
    if (tern_frame_size_datagram(tern_dgram_next_len(dgram)) <= most)
      return;
    tern_dgram_drop_next(dgram);
  }
}

/* ---- streams ------------------------------------------------------------------------------------- */

/* The bytes of a STREAM frame: copied, or a room for a source to fill when the run is finished. False:
 * no place to note another room. */
static bool place_bytes(struct tern_packer *packer, struct tern_stream *stream,
                        const struct tern_send_range *range, uint8_t *frame)
{
  struct tern_out *out = &packer->conn->endpoint->out;
  uint64_t offset = range->offset;
  uint64_t left = range->len;
  struct tern_send_piece piece;

  while (left != 0) {
    tern_stream_send_locate(&stream->send, offset, left, &piece);
    uint8_t *room = tern_write_room(&packer->writer, (size_t)piece.len);
    if (piece.data != NULL) {
      memcpy(room, piece.data, (size_t)piece.len);
    } else {
      if (out->fills_count == TERN_RUN_FILLS_MAX)
        return false;
      out->fill_rooms[out->fills_count] = (tern_iov){room, (size_t)piece.len};
      out->fills[out->fills_count++] =
          (struct tern_out_fill){.source = piece.source,
                                 .stream = stream,
                                 .offset = piece.source_offset,
                                 .frame = frame,
                                 .frame_bytes = (size_t)(room + piece.len - frame),
                                 .reset_code = piece.source->reset_code};
    }
    offset += piece.len;
    left -= piece.len;
  }
  return true;
}

enum stream_step { STREAM_WROTE, STREAM_IDLE, STREAM_NO_ROOM };

/* One STREAM frame of the stream whose turn it is. */
static enum stream_step write_stream(struct tern_packer *packer, struct tern_stream *stream)
{
  struct tern_conn_body *body = packer->conn->body;
  uint64_t credit = tern_stream_get_credit(stream, &body->flow_send);
  struct tern_writer before = packer->writer;
  struct tern_send_range range;
  struct tern_frame_record record;
  struct tern_stream_fit fit;

  if (!tern_stream_send_next(&stream->send, credit, &range))
    return STREAM_IDLE;
  struct tern_stream_chunk chunk = {stream->id, range.offset, (size_t)range.len,
                                    range.is_fin_possible};
  if (!tern_frame_write_stream_header(&packer->writer, &chunk, &fit))
    return STREAM_NO_ROOM;
  range.len = fit.len;
  if (!place_bytes(packer, stream, &range, before.at)) {
    packer->writer = before;
    return STREAM_NO_ROOM;
  }
  tern_stream_on_sent(stream, &body->flow_send, &range, fit.is_fin, &record);
  record.slot = stream->slot;
  record.generation = stream->generation;
  if (!range.is_retransmit)
    packer->conn->stats.stream_bytes_sent += range.len;
  tern_packer_note(packer, TERN_FRAME_STREAM, &record);
  tern_scheduler_on_served(&body->scheduler, stream, range.len);
  return STREAM_WROTE;
}

static void write_streams(struct tern_packer *packer)
{
  struct tern_conn_body *body = packer->conn->body;
  struct tern_stream *stream;

  while ((stream = tern_scheduler_next(&body->scheduler)) != NULL) {
    switch (write_stream(packer, stream)) {
    case STREAM_WROTE:
      if (!tern_stream_wants_send(stream, &body->flow_send))
        tern_stream_update_places(stream);
      break;
    case STREAM_IDLE:
      tern_scheduler_remove(&body->scheduler, stream);
      tern_stream_update_places(stream);
      break;
    case STREAM_NO_ROOM:
      return;
    }
  }
}

/* ---- a packet ------------------------------------------------------------------------------------ */

static void write_data_frames(struct tern_packer *packer, struct send_round *round)
{
  write_path(packer, round);
  write_handshake_done(packer);
  if (packer->conn->body == NULL)
    return;
  write_ids_and_limits(packer);
  write_stream_control(packer);
  write_datagrams(packer, round->datagram_bytes);
  write_streams(packer);
}

static void write_frames(struct tern_packer *packer, struct send_round *round)
{
  struct tern_pn_space *space = packer->space;
  bool is_probe = space->probes != 0;

  write_ack(packer);
  if (!is_probe && !can_elicit(round))
    return;
  write_crypto(packer);
  if (space->id == TERN_SPACE_APP)
    write_data_frames(packer, round);
  bool elicits = (packer->flags & TERN_SENT_ACK_ELICITING) != 0;
  bool is_asking = space->sent.since_ack_eliciting >= ACK_ONLY_PACKETS_MAX;
  if (!elicits && (is_probe || space->wants_ping || is_asking))
    write_ping(packer);
  if (!is_probe)
    return;
  packer->flags |= TERN_SENT_PTO_PROBE;
  space->probes--;
  space->wants_ping = false;
}

/* Returns the bytes of the packet, 0 if there was nothing to say. */
static size_t build_packet(struct tern_packer *packer, struct send_round *round,
                           struct tern_pn_space *space, uint8_t *data, size_t room)
{
  static const enum tern_packet_type types[TERN_SPACES] = {TERN_PACKET_INITIAL,
                                                           TERN_PACKET_HANDSHAKE, TERN_PACKET_APP};
  struct tern_packer_args args = {.conn = round->conn,
                                  .space = space,
                                  .type = types[space->id],
                                  .route_index = round->conn->path.active,
                                  .data = data,
                                  .room = room};

  if (!tern_packer_open(packer, &args))
    return 0;
  write_frames(packer, round);
  if (tern_packer_is_empty(packer)) {
    tern_packer_abort(packer);
    return 0;
  }
  size_t len = tern_packer_close(packer);
  /* [rfc9000-14.1] clients pad every Initial, servers those that elicit ACKs. */
  if (space->id == TERN_SPACE_INITIAL &&
      (!round->conn->is_server || (packer->flags & TERN_SENT_ACK_ELICITING) != 0))
    round->has_initial = true;
  if (space->id == TERN_SPACE_HANDSHAKE && !round->conn->is_server)
    round->dropped_initial = true; /* [rfc9001-4.9.1] */
  return len;
}

static void charge(struct send_round *round, const struct tern_packer *packer, size_t bytes)
{
  if (packer->flags & TERN_SENT_IN_FLIGHT) {
    round->window_bytes -= bytes < round->window_bytes ? bytes : round->window_bytes;
    round->pacer_bytes -= bytes < round->pacer_bytes ? bytes : round->pacer_bytes;
  }
}

/* Returns the bytes of the datagram, 0 if there was nothing to say. */
static size_t build_datagram(struct send_round *round, uint8_t *data, size_t room)
{
  tern_conn *conn = round->conn;
  struct tern_packer packer = {0};
  size_t len = 0;

  round->has_initial = round->wants_expansion = false;
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    if (!wants_packet(round, space))
      continue;
    struct tern_packer next;
    size_t added = build_packet(&next, round, space, data + len, room - len);
    if (added == 0)
      continue;
    packer = next;
    charge(round, &packer, added);
    len += added;
  }
  bool is_short = len != 0 && len < TERN_INITIAL_DATAGRAM_MIN && room >= TERN_INITIAL_DATAGRAM_MIN;
  if (is_short && (round->has_initial || round->wants_expansion)) {
    tern_packer_pad(&packer, TERN_INITIAL_DATAGRAM_MIN - len);
    len = TERN_INITIAL_DATAGRAM_MIN;
  }
  if (round->wants_expansion)
    tern_route_on_challenge_sent(round->route, len, conn->endpoint->now);
  return len;
}

/* ---- special runs -------------------------------------------------------------------------------- */

static bool write_close(tern_conn *conn, struct tern_packer *packer)
{
  const tern_error *error = &conn->error;
  struct tern_frame_record none = {0};
  tern_slice reason = tern_slice_of(error->reason, strlen(error->reason));
  bool is_app = error->kind == TERN_ERROR_APPLICATION;

  if (is_app && packer->type == TERN_PACKET_APP) {
    if (!tern_frame_write_application_close(&packer->writer, error->code, reason))
      return false;
  } else {
    /* [rfc9000-10.2.3] what the application says is not for Initial and Handshake packets. */
    if (is_app)
      reason.len = 0;
    if (!tern_frame_write_connection_close(
            &packer->writer, is_app ? TERN_QUIC_APPLICATION_ERROR : error->code,
            error->frame_type, reason))
      return false;
  }
  tern_packer_note(packer, TERN_FRAME_CONNECTION_CLOSE, &none);
  return true;
}

/* [rfc9000-10.2.3] CONNECTION_CLOSE in every space that the peer might be able to read. */
static size_t build_close(struct send_round *round, uint8_t *data, size_t room)
{
  static const enum tern_packet_type types[TERN_SPACES] = {TERN_PACKET_INITIAL,
                                                           TERN_PACKET_HANDSHAKE, TERN_PACKET_APP};
  tern_conn *conn = round->conn;
  struct tern_packer packer = {0};
  bool has_initial = false;
  size_t len = 0;

  conn->wants_close = false;
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    if (space == NULL || !space->can_send || (i == TERN_SPACE_APP && conn->connected_at == 0))
      continue;
    struct tern_packer_args args = {conn, space, types[i], conn->path.active, data + len,
                                    room - len};
    struct tern_packer next;
    if (!tern_packer_open(&next, &args))
      continue;
    if (!write_close(conn, &next)) {
      tern_packer_abort(&next);
      continue;
    }
    packer = next;
    len += tern_packer_close(&packer);
    has_initial |= i == TERN_SPACE_INITIAL;
  }
  if (has_initial && len < TERN_INITIAL_DATAGRAM_MIN && room >= TERN_INITIAL_DATAGRAM_MIN) {
    tern_packer_pad(&packer, TERN_INITIAL_DATAGRAM_MIN - len);
    len = TERN_INITIAL_DATAGRAM_MIN;
  }
  return len;
}

/* A PING with as much PADDING as the size in question [rfc9000-14.4]. */
static size_t build_mtu_probe(struct send_round *round, uint8_t *data, size_t bytes)
{
  tern_conn *conn = round->conn;
  struct tern_packer packer;
  struct tern_packer_args args = {conn,  conn->path.data, TERN_PACKET_APP, conn->path.active,
                                  data, bytes};

  if (!tern_packer_open(&packer, &args))
    return 0;
  packer.flags |= TERN_SENT_MTU_PROBE;
  write_ping(&packer);
  tern_frame_write_padding(&packer.writer, tern_writer_left(&packer.writer));
  size_t len = tern_packer_close(&packer);
  tern_pmtud_on_probe_sent(&round->route->pmtud, (uint16_t)len);
  return len;
}

/* ---- a run --------------------------------------------------------------------------------------- */

static void open_round(struct send_round *round, tern_conn *conn)
{
  struct tern_route *route = tern_conn_route(conn);
  tern_time now = conn->endpoint->now;
  uint64_t window = route->cc->window_bytes(route->cc_state);
  uint64_t in_flight = route->in_flight.bytes;
  tern_cc_rtt rtt = tern_rtt_get_cc(&route->rtt);
  uint64_t rate = 0;

  *round = (struct send_round){.conn = conn, .route = route};
  round->datagram_bytes = route->pmtud.plpmtu_bytes;
  round->window_bytes = window > in_flight ? window - in_flight : 0;
  round->budget_bytes = tern_route_budget(route);
  if (conn->endpoint->config.pacing && route->rtt.has_sample) {
    if (route->cc->pacing_rate != NULL)
      rate = route->cc->pacing_rate(route->cc_state, &rtt);
    if (rate == 0)
      rate = tern_pacer_rate(window, route->rtt.smoothed_ns,
                             route->cc->is_in_slow_start != NULL &&
                                 route->cc->is_in_slow_start(route->cc_state));
  }
  conn->stats.pacing_rate = rate;
  round->pacer_bytes = tern_pacer_budget(&route->pacer, now, rate,
                                         tern_pacer_burst_bytes(rate, round->datagram_bytes));
}

/* What the round leaves behind: who holds us back, and when to look again. */
static void close_round(struct send_round *round)
{
  tern_conn *conn = round->conn;
  struct tern_route *route = round->route;
  uint64_t rate = conn->stats.pacing_rate;
  tern_time now = conn->endpoint->now;
  bool wants_more = false;

  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    wants_more |= can_send(conn, space) && wants_elicit(conn, space);
  }
  conn->pace_at = TERN_TIME_NEVER;
  conn->is_app_limited = !wants_more && can_elicit(round);
  if (conn->is_app_limited)
    tern_rate_on_app_limited(&route->rate, route->in_flight.bytes);
  if (!wants_more)
    return;
  if (round->window_bytes >= round->datagram_bytes && round->pacer_bytes == 0) {
    uint64_t burst = tern_pacer_burst_bytes(rate, round->datagram_bytes);
    conn->pace_at = tern_pacer_next(&route->pacer, now, rate, burst / 2);
  }
}

static size_t build_datagrams(struct send_round *round, struct tern_out_run *run, uint8_t *data,
                              size_t room)
{
  struct tern_out *out = &round->conn->endpoint->out;
  size_t segment = 0;
  size_t used = 0;

  while (out->seals_count + TERN_SPACES <= TERN_RUN_PACKETS_MAX) {
    size_t limit = segment != 0 ? segment : round->datagram_bytes;
    if (limit > room - used || limit > round->budget_bytes)
      break;
    size_t len = build_datagram(round, data + used, limit);
    if (len == 0)
      break;
    round->budget_bytes -= len;
    tern_route_on_datagram_sent(round->route, len);
    used += len;
    if (segment == 0)
      segment = len;
    if (len < segment || len < round->datagram_bytes)
      break;
  }
  run->run.segment_bytes = (uint16_t)segment;
  return used;
}

/* The data space's packets of this run, if it has nothing else: then a socket error can name them. */
static void note_numbers(tern_conn *conn, struct tern_out_run *run)
{
  const struct tern_out *out = &conn->endpoint->out;
  const struct tern_pn_space *space = conn->path.data;

  if (space == NULL || out->seals_count == 0 || out->seal_keys[0] != space->keys)
    return;
  run->has_numbers = true;
  run->first_number = out->seals[0].number;
  for (size_t i = 0; i < out->seals_count; i++)
    if (out->seals[i].number != run->first_number + i)
      run->has_numbers = false;
}

static void update_keys(tern_conn *conn)
{
  struct tern_pn_space *space = conn->path.data;

  if (!conn->is_confirmed || space == NULL || !tern_keys_wants_update(space->keys))
    return;
  uint64_t largest = space->loss.has_acked ? space->loss.largest_acked : UINT64_MAX;
  if (!tern_keys_can_update_tx(space->keys, largest) ||
      tern_keys_update_tx(space->keys) != TERN_OK)
    return;
  TERN_EVENT(&conn->endpoint->events, conn->id, key_updated, .phase = space->keys->tx.generation);
}

static size_t build_run(struct send_round *round, struct tern_out_run *run, uint8_t *data,
                        size_t room)
{
  tern_conn *conn = round->conn;
  size_t len = 0;

  if (!tern_conn_is_open(conn)) {
    if (conn->wants_close && round->budget_bytes >= TERN_INITIAL_DATAGRAM_MIN)
      len = build_close(round, data, round->datagram_bytes);
    run->run.segment_bytes = (uint16_t)len;
    return len;
  }
  uint16_t probe = can_send(conn, conn->path.data) && can_elicit(round)
                       ? tern_pmtud_wants_probe(&round->route->pmtud, conn->endpoint->now)
                       : 0;
  if (probe != 0 && probe <= room)
    len = build_mtu_probe(round, data, probe);
  run->run.segment_bytes = (uint16_t)len;
  return len != 0 ? len : build_datagrams(round, run, data, room);
}

bool tern_conn_send_run(tern_conn *conn, struct tern_out_run *run)
{
  struct tern_out *out = &conn->endpoint->out;
  struct send_round round;

  update_keys(conn);
  open_round(&round, conn);
  run->run.ecn = (uint8_t)tern_ecn_get_mark(&round.route->ecn);
  size_t len = build_run(&round, run, out->buffer + out->used, TERN_RUN_BYTES_MAX);
  note_numbers(conn, run);
  if (!tern_packer_finish(conn)) {
    tern_conn_fail(conn, TERN_QUIC_AEAD_LIMIT_REACHED, 0, "too many packets under one key");
    len = 0;
  }
  if (tern_conn_is_open(conn))
    close_round(&round);
  if (round.dropped_initial)
    tern_conn_drop_space(conn, TERN_SPACE_INITIAL);
  tern_conn_update_timer(conn);
  run->run.len = len;
  run->run.local = round.route->local;
  run->run.remote = round.route->remote;
  run->route = conn->path.active;
  return len != 0;
}
