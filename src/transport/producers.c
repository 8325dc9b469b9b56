/* SPDX-License-Identifier: MIT */
/* What a packet says, in a fixed order: ACK, CRYPTO, path, handshake, ids and limits, stream control,
 * datagrams, streams as the scheduler decides. Each producer is a part with `wants` and `write`; here
 * they are asked in turn. A new frame gets its line here, in the order in which it should win. */
#include "transport/producers.h"

#include <string.h>

#include "wire/frame_write.h"

/* Nothing but ACKs for so many packets: a PING asks the peer for one [rfc9000-13.2.4]. */
#define ACK_ONLY_PACKETS_MAX 20

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
  if (count == 0 || tern_frame_write_ack(&packer->writer, ranges, count,
                                         delay_us >> TERN_ACK_DELAY_EXPONENT_DEFAULT,
                                         tern_acks_has_ecn(&space->acks) ? &ecn : NULL) == 0)
    return;
  packer->flags |= TERN_SENT_HAS_ACK;
  tern_packer_note(packer, TERN_FRAME_ACK, &none);
}

static void write_crypto(struct tern_packer *packer)
{
  struct tern_frame_record record;
  struct tern_send_range range;

  if (packer->space->crypto == NULL)
    return;
  struct tern_stream_send *send = &packer->space->crypto->send;
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

void tern_write_ping(struct tern_packer *packer)
{
  struct tern_frame_record none = {0};

  if (tern_writer_left(&packer->writer) == 0)
    return;
  packer->space->wants_ping = false;
  tern_frame_write_ping(&packer->writer);
  tern_packer_note(packer, TERN_FRAME_PING, &none);
}

void tern_write_path(struct tern_packer *packer, struct tern_say *say)
{
  const tern_random_ops *random = &packer->conn->endpoint->config.random;
  struct tern_route *route = packer->route;
  struct tern_frame_record record = {0};
  uint8_t data[TERN_PATH_DATA_BYTES];

  while (tern_route_wants_response(route) &&
         tern_route_write_response(route, &packer->writer, &record)) {
    tern_packer_note(packer, TERN_FRAME_PATH_RESPONSE, &record);
    say->wants_expansion = true;
  }
  if (!tern_route_wants_challenge(route))
    return;
  random->fill(random->arg, data, sizeof data);
  if (!tern_route_write_challenge(route, data, &packer->writer, &record))
    return;
  record.slot = packer->route_index;
  tern_packer_note(packer, TERN_FRAME_PATH_CHALLENGE, &record);
  say->wants_expansion = say->has_challenge = true;
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

/* [rfc9000-8.1.3] a proof of this address for the client's next connection. */
static void write_new_token(struct tern_packer *packer)
{
  tern_conn *conn = packer->conn;
  tern_endpoint *endpoint = conn->endpoint;
  struct tern_frame_record record = {.kind = TERN_RECORD_NEW_TOKEN};
  uint8_t token[TERN_TOKEN_MAX];
  size_t len;

  if (!conn->wants_new_token || tern_writer_left(&packer->writer) <
                                    tern_frame_size_new_token((tern_slice){token, sizeof token}))
    return;
  conn->wants_new_token = false;
  if (tern_validation_make_new(&endpoint->validation, &packer->route->remote, endpoint->now, token,
                               &len) != TERN_OK)
    return; /* the client does without */
  tern_frame_write_new_token(&packer->writer, tern_slice_of(token, len));
  tern_packer_note(packer, TERN_FRAME_NEW_TOKEN, &record);
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
  size_t fills_before = out->fills_count;
  size_t rooms_before = out->rooms_count;
  uint64_t offset = range->offset;
  uint64_t left = range->len;
  struct tern_send_piece piece;

  while (left != 0) {
    tern_stream_send_locate(&stream->out->send, offset, left, &piece);
    uint8_t *room = tern_write_room(&packer->writer, (size_t)piece.len);
    if (piece.data != NULL) {
      memcpy(room, piece.data, (size_t)piece.len);
    } else {
      if (out->rooms_count == TERN_RUN_FILLS_MAX) {
        out->fills_count = fills_before;
        out->rooms_count = rooms_before;
        return false;
      }
      out->fill_rooms[out->rooms_count++] = (tern_iov){room, (size_t)piece.len};
      out->fills[out->fills_count++] =
          (struct tern_out_fill){.source = piece.source,
                                 .stream = stream,
                                 .offset = piece.source_offset,
                                 .rooms = 1,
                                 .frame = frame,
                                 .reset_code = piece.source->reset_code};
    }
    offset += piece.len;
    left -= piece.len;
  }
  for (size_t i = fills_before; i < out->fills_count; i++)
    out->fills[i].frame_bytes = (size_t)(packer->writer.at - frame);
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

  if (!tern_stream_send_next(&stream->out->send, credit, &range))
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

static void write_data_frames(struct tern_packer *packer, struct tern_say *say)
{
  tern_write_path(packer, say);
  write_handshake_done(packer);
  write_new_token(packer);
  if (packer->conn->body == NULL)
    return;
  write_ids_and_limits(packer);
  write_stream_control(packer);
  write_datagrams(packer, say->datagram_bytes);
  write_streams(packer);
}

void tern_write_frames(struct tern_packer *packer, struct tern_say *say)
{
  struct tern_pn_space *space = packer->space;
  bool is_probe = space->probes != 0;

  write_ack(packer);
  if (!is_probe && !say->can_elicit)
    return;
  write_crypto(packer);
  if (space->id == TERN_SPACE_APP)
    write_data_frames(packer, say);
  bool elicits = (packer->flags & TERN_SENT_ACK_ELICITING) != 0;
  bool is_asking = space->sent.since_ack_eliciting >= ACK_ONLY_PACKETS_MAX;
  if (!elicits && (is_probe || space->wants_ping || is_asking))
    tern_write_ping(packer);
  if (!is_probe)
    return;
  packer->flags |= TERN_SENT_PTO_PROBE;
  space->probes--;
  space->wants_ping = false;
  /* [rfc9002-6.2.4] the second probe of a handshake says the same rather than nothing: either may be the
   * one that arrives. */
  if (space->probes != 0 && space->id != TERN_SPACE_APP && !tern_pn_space_wants_crypto(space))
    tern_conn_offer_again(packer->conn, space);
}
