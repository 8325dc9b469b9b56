/* SPDX-License-Identifier: MIT */
/* The peer: a QUIC speaker without recovery, flow control or manners. See hostile_peer.h. */
#include "support/hostile_peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/protect.h"
#include "wire/frame_read.h"
#include "wire/frame_write.h"
#include "wire/header.h"
#include "wire/varint.h"

/* Bytes that the header of a packet may have at most, with a token apart. */
#define HEADER_ROOM 80
#define DATAGRAM_BYTES 1200

/* For hostile_rig.c only. */
void hostile_peer_take(struct hostile_peer *peer, uint8_t *data, size_t len);
void hostile_peer_free(struct hostile_peer *peer);

static struct hostile_space *space_of(struct hostile_peer *peer, enum tern_packet_type type)
{
  return &peer->spaces[tern_space_of(type)];
}

/* ---- life ----------------------------------------------------------------------------------- */

static void make_cid(struct hostile_peer *peer, struct tern_cid *cid)
{
  const tern_random_ops *random = &peer->rig->peer_random;

  cid->len = 8;
  random->fill(random->arg, cid->bytes, cid->len);
}

struct hostile_peer *hostile_peer_add(struct hostile_rig *rig, bool is_server)
{
  struct hostile_peer *peer = calloc(1, sizeof *peer);

  TERN_ASSERT(peer != NULL && rig->peers_count < HOSTILE_PEERS_MAX);
  peer->rig = rig;
  peer->is_server = is_server;
  peer->addr = hostile_addr((uint8_t)(100 + rig->peers_count), 5000);
  peer->acks = peer->speaks_tls = true;
  tern_params_init(&peer->params);
  peer->params.max_idle_timeout_ms = 30000;
  peer->params.initial_max_data = 1 << 20;
  peer->params.initial_max_stream_data_bidi_local = 1 << 20;
  peer->params.initial_max_stream_data_bidi_remote = 1 << 20;
  peer->params.initial_max_stream_data_uni = 1 << 20;
  peer->params.initial_max_streams_bidi = 100;
  peer->params.initial_max_streams_uni = 100;
  peer->params.active_connection_id_limit = 4;
  peer->params.max_datagram_frame_bytes = 65535;
  make_cid(peer, &peer->scid);
  make_cid(peer, &peer->original_dcid);
  peer->dcid = peer->original_dcid;
  for (int i = 0; i < TERN_SPACES; i++)
    tern_rangeset_init(&peer->spaces[i].received);
  rig->peers[rig->peers_count++] = peer;
  return peer;
}

void hostile_peer_free(struct hostile_peer *peer)
{
  for (int i = 0; i < TERN_SPACES; i++) {
    tern_keys_free(peer->spaces[i].keys);
    tern_rangeset_deinit(&peer->spaces[i].received, &peer->rig->peer_alloc);
  }
  tern_tls_session_free(peer->tls);
  free(peer);
}

void hostile_peer_drop(struct hostile_rig *rig)
{
  TERN_ASSERT(rig->peers_count != 0 && rig->inbox_count == 0);
  hostile_peer_free(rig->peers[--rig->peers_count]);
}

/* ---- TLS ------------------------------------------------------------------------------------ */

static enum tern_space_id get_space_id(enum tern_level level)
{
  if (level == TERN_LEVEL_INITIAL)
    return TERN_SPACE_INITIAL;
  return level == TERN_LEVEL_HANDSHAKE ? TERN_SPACE_HANDSHAKE : TERN_SPACE_APP;
}

static void on_secret(struct hostile_peer *peer, const struct tern_tls_fact *fact)
{
  struct hostile_space *space = &peer->spaces[get_space_id(fact->level)];

  if (space->keys == NULL)
    space->keys = tern_keys_new(&peer->rig->peer_alloc);
  TERN_ASSERT(space->keys != NULL);
  tern_status status = fact->is_tx
                           ? tern_keys_set_tx(space->keys, fact->aead, TERN_VERSION_1, fact->data)
                           : tern_keys_set_rx(space->keys, fact->aead, TERN_VERSION_1, fact->data);
  TERN_ASSERT(status == TERN_OK);
}

static void take_facts(struct hostile_peer *peer)
{
  struct tern_tls_fact fact;

  while (tern_tls_session_next_fact(peer->tls, &fact)) {
    struct hostile_space *space = &peer->spaces[get_space_id(fact.level)];
    if (fact.kind == TERN_TLS_FACT_CRYPTO &&
        space->crypto_len + fact.data.len <= HOSTILE_CRYPTO_MAX) {
      memcpy(space->crypto + space->crypto_len, fact.data.data, fact.data.len);
      space->crypto_len += fact.data.len;
    } else if (fact.kind == TERN_TLS_FACT_SECRET && fact.level != TERN_LEVEL_EARLY) {
      on_secret(peer, &fact);
    } else if (fact.kind == TERN_TLS_FACT_PARAMS) {
      if (tern_params_read(fact.data, peer->is_server ? false : true, &peer->their_params) == 0)
        peer->max_data = peer->their_params.initial_max_data;
    } else if (fact.kind == TERN_TLS_FACT_COMPLETE) {
      peer->is_complete = true;
    } else if (fact.kind == TERN_TLS_FACT_ALERT) {
      peer->tls_alert = fact.alert;
    }
  }
}

static void feed(struct hostile_peer *peer, enum tern_space_id id, tern_slice data)
{
  static const enum tern_level levels[TERN_SPACES] = {TERN_LEVEL_INITIAL, TERN_LEVEL_HANDSHAKE,
                                                      TERN_LEVEL_APP};

  if (tern_tls_session_feed(peer->tls, levels[id], data) != TERN_TLS_PENDING)
    take_facts(peer);
}

void hostile_peer_start(struct hostile_peer *peer)
{
  uint8_t bytes[TERN_PARAMS_SIZE_MAX];
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);
  struct tern_params *params = &peer->params;

  params->has_initial_scid = true;
  params->initial_scid = peer->scid;
  if (peer->is_server) {
    params->has_original_dcid = true;
    params->original_dcid = peer->original_dcid;
  }
  tern_params_write(&writer, params, peer->is_server);
  tern_write_slice(&writer, peer->more_params);
  struct tern_tls_session_args args = {.alloc = &peer->rig->peer_alloc,
                                       .is_server = peer->is_server,
                                       .server_name = peer->is_server ? NULL : "hostile.test",
                                       .params = {bytes, tern_writer_len(&writer)},
                                       .version = TERN_VERSION_1,
                                       .random = &peer->rig->peer_random};
  tern_status status = tern_tls_session_new(peer->rig->tls, &args, &peer->tls);
  TERN_ASSERT(status == TERN_OK && !writer.is_full);
  peer->spaces[0].keys = tern_keys_new_initial(&peer->rig->peer_alloc, TERN_VERSION_1,
                                               &peer->original_dcid, peer->is_server);
  TERN_ASSERT(peer->spaces[0].keys != NULL);
  peer->is_started = true;
  if (!peer->is_server)
    feed(peer, TERN_SPACE_INITIAL, tern_slice_of(NULL, 0));
}

bool hostile_peer_connect(struct hostile_peer *peer)
{
  struct hostile_rig *rig = peer->rig;
  const enum tern_frame_kind last = TERN_FRAME_HANDSHAKE_DONE;

  if (!peer->is_server) {
    hostile_peer_start(peer);
    hostile_peer_flush(peer);
  } else if (!hostile_rig_connect(rig, &peer->addr)) {
    return false;
  }
  hostile_rig_turn(rig);
  if (peer->is_server && peer->is_complete) {
    tern_frame_write_handshake_done(hostile_frames(peer));
    hostile_send(peer, TERN_PACKET_APP);
    return true;
  }
  return peer->is_complete && peer->seen[last] != 0;
}

/* ---- out ------------------------------------------------------------------------------------ */

struct tern_writer *hostile_frames(struct hostile_peer *peer)
{
  peer->writer = tern_writer_of(peer->payload, sizeof peer->payload);
  return &peer->writer;
}

static size_t write_header(struct hostile_peer *peer, const struct hostile_packet *packet,
                           struct tern_writer *writer, uint64_t number, size_t *length_at)
{
  const struct tern_cid *dcid = packet->dcid != NULL ? packet->dcid : &peer->dcid;
  const struct tern_cid *scid = packet->scid != NULL ? packet->scid : &peer->scid;
  struct hostile_space *space = space_of(peer, packet->type);

  if (packet->type == TERN_PACKET_APP) {
    struct tern_short_header_args args = {.dcid = tern_cid_slice(dcid),
                                          .pn = number,
                                          .pn_len = 4,
                                          .key_phase = tern_keys_phase(space->keys) != 0};
    tern_header_write_short(writer, &args);
  } else {
    struct tern_long_header_args args = {.type = packet->type,
                                         .version = packet->version != 0 ? packet->version
                                                                         : TERN_VERSION_1,
                                         .dcid = tern_cid_slice(dcid),
                                         .scid = tern_cid_slice(scid),
                                         .token = packet->token,
                                         .pn = number,
                                         .pn_len = 4};
    tern_header_write_long(writer, &args, length_at);
  }
  return tern_writer_len(writer);
}

size_t hostile_seal(struct hostile_peer *peer, const struct hostile_packet *packet, uint8_t *out,
                    size_t room)
{
  struct hostile_space *space = space_of(peer, packet->type);
  struct tern_writer writer = tern_writer_of(out, room);
  uint64_t number = packet->has_number ? packet->number : space->next;
  size_t length_at = 0;

  if (!tern_keys_has_tx(space->keys) ||
      packet->payload.len + packet->token.len + HEADER_ROOM + TERN_AEAD_TAG_BYTES > room)
    return 0;
  size_t header_bytes = write_header(peer, packet, &writer, number, &length_at);
  tern_write_slice(&writer, packet->payload);
  size_t len = tern_writer_len(&writer) + TERN_AEAD_TAG_BYTES;
  if (len < packet->pad_to && packet->pad_to <= room) {
    tern_frame_write_padding(&writer, packet->pad_to - len);
    len = packet->pad_to;
  }
  if (packet->type != TERN_PACKET_APP)
    tern_header_patch_length(&writer, length_at, TERN_AEAD_TAG_BYTES);
  out[0] ^= packet->flip;
  struct tern_seal_item item = {.packet = out,
                                .pn_at = (uint16_t)(header_bytes - 4),
                                .pn_len = 4,
                                .len = (uint16_t)len,
                                .number = number};
  if (tern_protect_seal_run(space->keys, 0, &item, 1) != TERN_OK)
    return 0;
  if (!packet->has_number)
    space->next++;
  return len;
}

void hostile_deliver(struct hostile_peer *peer, tern_slice datagram)
{
  struct oracle_in in = {
      .data = datagram, .local = peer->rig->addr, .remote = peer->addr, .ecn = peer->ecn};

  oracle_receive(&peer->rig->oracle, &in, 1);
}

bool hostile_post(struct hostile_peer *peer, enum tern_packet_type type)
{
  static uint8_t bytes[HOSTILE_FRAMES_MAX + 200];
  struct hostile_packet packet = {.type = type,
                                  .payload = {peer->payload, tern_writer_len(&peer->writer)}};

  if (type == TERN_PACKET_INITIAL)
    packet.pad_to = DATAGRAM_BYTES;
  TERN_ASSERT(!peer->writer.is_full);
  size_t len = hostile_seal(peer, &packet, bytes, sizeof bytes);
  if (len == 0)
    return false;
  hostile_deliver(peer, tern_slice_of(bytes, len));
  return true;
}

bool hostile_hold(struct hostile_peer *peer, enum tern_packet_type type)
{
  static uint8_t bytes[HOSTILE_FRAMES_MAX + 200];
  struct hostile_packet packet = {.type = type,
                                  .payload = {peer->payload, tern_writer_len(&peer->writer)}};

  if (type == TERN_PACKET_INITIAL)
    packet.pad_to = DATAGRAM_BYTES;
  size_t len = hostile_seal(peer, &packet, bytes, sizeof bytes);
  if (len != 0)
    hostile_rig_hold(peer->rig, &peer->addr, tern_slice_of(bytes, len));
  return len != 0;
}

bool hostile_send(struct hostile_peer *peer, enum tern_packet_type type)
{
  bool is_sent = hostile_post(peer, type);

  hostile_rig_turn(peer->rig);
  return is_sent;
}

void hostile_write_ack(struct hostile_peer *peer, enum tern_space_id id, struct tern_writer *writer)
{
  const struct tern_rangeset *received = &peer->spaces[id].received;
  size_t room = tern_writer_left(writer);
  struct tern_writer small = tern_writer_of(writer->at, room < 600 ? room : 600);

  if (received->count == 0)
    return;
  (void)tern_frame_write_ack(&small, received->ranges, received->count, 0, NULL);
  writer->at = small.at;
}

void hostile_write_stream(struct tern_writer *writer, uint64_t id, uint64_t offset, size_t len,
                          bool is_fin)
{
  tern_write_u8(writer, (uint8_t)(0x0e | (is_fin ? 1 : 0)));
  tern_write_varint(writer, id);
  tern_write_varint(writer, offset);
  tern_write_varint(writer, len);
  uint8_t *room = tern_write_room(writer, len);
  if (room != NULL)
    oracle_bytes(id, offset, room, len);
}

void hostile_write_crypto(struct tern_writer *writer, uint64_t offset, tern_slice data)
{
  tern_write_u8(writer, 0x06);
  tern_write_varint(writer, offset);
  tern_write_varint(writer, data.len);
  tern_write_slice(writer, data);
}

static bool flush_space(struct hostile_peer *peer, enum tern_space_id id)
{
  static const enum tern_packet_type types[TERN_SPACES] = {TERN_PACKET_INITIAL,
                                                           TERN_PACKET_HANDSHAKE, TERN_PACKET_APP};
  struct hostile_space *space = &peer->spaces[id];
  size_t left = space->crypto_len - space->crypto_sent;
  bool wants_crypto = peer->speaks_tls && left != 0;

  if (!tern_keys_has_tx(space->keys) || (!wants_crypto && !(peer->acks && space->owes_ack)))
    return false;
  struct tern_writer *writer = hostile_frames(peer);
  if (peer->acks && space->owes_ack)
    hostile_write_ack(peer, id, writer);
  space->owes_ack = false;
  if (wants_crypto) {
    size_t len = left < 1000 ? left : 1000;
    hostile_write_crypto(writer, space->crypto_sent,
                         tern_slice_of(space->crypto + space->crypto_sent, len));
    space->crypto_sent += len;
  }
  return hostile_post(peer, types[id]);
}

bool hostile_peer_flush(struct hostile_peer *peer)
{
  bool has_moved = false;

  if (!peer->is_started || peer->is_closed)
    return false;
  for (int i = 0; i < TERN_SPACES; i++)
    while (flush_space(peer, (enum tern_space_id)i))
      has_moved = true;
  return has_moved;
}

/* ---- in ------------------------------------------------------------------------------------- */

static void on_crypto(struct hostile_peer *peer, enum tern_space_id id,
                      const struct tern_frame *frame)
{
  struct hostile_space *space = &peer->spaces[id];
  uint64_t offset = frame->u.crypto.offset;
  tern_slice data = frame->u.crypto.data;

  if (offset > space->crypto_in || offset + data.len <= space->crypto_in)
    return;
  size_t known = (size_t)(space->crypto_in - offset);
  space->crypto_in = offset + data.len;
  feed(peer, id, tern_slice_of(data.data + known, data.len - known));
}

static void on_new_cid(struct hostile_peer *peer, const struct tern_frame *frame)
{
  uint64_t sequence = frame->u.new_connection_id.sequence;

  if (sequence < HOSTILE_CIDS_MAX)
    peer->cids[sequence] = frame->u.new_connection_id.cid;
  if (sequence >= peer->cids_end)
    peer->cids_end = sequence + 1;
}

static void on_close(struct hostile_peer *peer, const struct tern_frame *frame)
{
  if (peer->closes < 255)
    peer->closes++;
  if (peer->is_closed)
    return;
  peer->is_closed = true;
  peer->close_is_app = frame->u.connection_close.is_application;
  peer->close_code = frame->u.connection_close.code;
  peer->close_frame_type = frame->u.connection_close.frame_type;
}

static void on_stream(struct hostile_peer *peer, const struct tern_frame *frame)
{
  uint64_t end = frame->u.stream.offset + frame->u.stream.data.len;

  peer->stream_bytes += frame->u.stream.data.len;
  if (end > peer->highest_stream_end)
    peer->highest_stream_end = end;
  if (peer->rig->app.serves_bytes != 0 &&
      !oracle_is_stream(frame->u.stream.stream_id, frame->u.stream.offset, frame->u.stream.data))
    oracle_fail(&peer->rig->oracle, "O5", "the endpoint sent other bytes at offset",
                frame->u.stream.offset, 0);
}

static void note_frame(struct hostile_peer *peer, enum tern_space_id id,
                       const struct tern_frame *frame)
{
  peer->seen[frame->kind]++;
  if (frame->kind == TERN_FRAME_CRYPTO)
    on_crypto(peer, id, frame);
  else if (frame->kind == TERN_FRAME_CONNECTION_CLOSE)
    on_close(peer, frame);
  else if (frame->kind == TERN_FRAME_STREAM)
    on_stream(peer, frame);
  else if (frame->kind == TERN_FRAME_NEW_CONNECTION_ID)
    on_new_cid(peer, frame);
  else if (frame->kind == TERN_FRAME_MAX_DATA)
    peer->max_data = frame->u.max_data.limit;
  else if (frame->kind == TERN_FRAME_MAX_STREAMS && frame->u.max_streams.is_bidi)
    peer->max_streams_bidi = frame->u.max_streams.limit;
  else if (frame->kind == TERN_FRAME_RETIRE_CONNECTION_ID)
    peer->retired_highest = frame->u.retire_connection_id.sequence;
  else if (frame->kind == TERN_FRAME_PATH_CHALLENGE)
    memcpy(peer->challenge, frame->u.path_challenge.data, sizeof peer->challenge);
  else if (frame->kind == TERN_FRAME_PATH_RESPONSE)
    memcpy(peer->response, frame->u.path_response.data, sizeof peer->response);
}

static void take_frames(struct hostile_peer *peer, enum tern_packet_type type, tern_slice payload)
{
  struct tern_reader reader = tern_reader_of(payload.data, payload.len);
  struct tern_frame frame;
  bool is_eliciting = false;

  while (tern_reader_left(&reader) != 0) {
    if (tern_frame_read(&reader, &frame) != 0) {
      oracle_fail(&peer->rig->oracle, "O5", "the endpoint sent a malformed frame", frame.type, 0);
      return;
    }
    if (!tern_frame_is_allowed(frame.kind, frame.type, type))
      oracle_fail(&peer->rig->oracle, "O5", "the endpoint sent a frame that may not be there",
                  frame.type, 0);
    is_eliciting |= tern_frame_is_ack_eliciting(frame.kind);
    note_frame(peer, tern_space_of(type), &frame);
  }
  if (is_eliciting)
    space_of(peer, type)->owes_ack = true;
}

static void take_packet(struct hostile_peer *peer, enum tern_packet_type type, uint8_t *packet,
                        size_t pn_at, size_t len)
{
  struct hostile_space *space = space_of(peer, type);
  struct tern_open_item item = {.packet = packet, .pn_at = (uint16_t)pn_at, .len = (uint16_t)len};

  if (!tern_keys_has_rx(space->keys)) {
    peer->unopened++;
    return;
  }
  tern_protect_unmask_run(space->keys, &item, 1);
  enum tern_open_result result =
      item.is_bad
          ? TERN_OPEN_FAILED
          : tern_protect_open(space->keys, 0, &item,
                              space->has_largest ? space->largest : TERN_PACKET_NUMBER_NONE);
  if (result != TERN_OPEN_OK && result != TERN_OPEN_KEY_UPDATED) {
    peer->unopened++;
    return;
  }
  peer->packets++;
  if (tern_rangeset_has(&space->received, item.number))
    oracle_fail(&peer->rig->oracle, "O5", "the endpoint used a packet number twice", item.number,
                0);
  if (!space->has_largest || item.number > space->largest)
    space->largest = item.number;
  space->has_largest = true;
  tern_status status =
      tern_rangeset_add(&space->received, &peer->rig->peer_alloc, item.number, item.number + 1);
  TERN_ASSERT(status == TERN_OK);
  take_frames(peer, type, tern_slice_of(item.payload, item.payload_len));
}

/* As a server: the endpoint's first Initial says which ids it is to be. */
static void meet_client(struct hostile_peer *peer, const struct tern_long_header *header)
{
  peer->original_dcid = tern_cid_of(header->dcid);
  peer->dcid = tern_cid_of(header->scid);
  hostile_peer_start(peer);
}

static void take_long(struct hostile_peer *peer, const struct tern_long_header *header,
                      uint8_t *packet)
{
  if (header->type == TERN_PACKET_RETRY) {
    peer->stateless++;
    return;
  }
  if (peer->is_server && !peer->is_started && header->type == TERN_PACKET_INITIAL)
    meet_client(peer, header);
  if (!peer->is_server && !peer->spaces[TERN_SPACE_INITIAL].has_largest)
    peer->dcid = tern_cid_of(header->scid);
  take_packet(peer, header->type, packet, header->pn_offset, header->packet_len);
}

void hostile_peer_take(struct hostile_peer *peer, uint8_t *data, size_t len)
{
  struct tern_reader reader = tern_reader_of(data, len);
  struct tern_long_header header;

  peer->datagrams++;
  peer->bytes += len;
  peer->last_len = len;
  if (peer->is_deaf)
    return;
  while (tern_reader_left(&reader) != 0) {
    uint8_t *packet = data + (len - tern_reader_left(&reader));
    size_t left = tern_reader_left(&reader);
    if (!tern_header_is_long(packet[0])) {
      /* All ids that tests issue are as long as the first. */
      if (left > 1u + peer->scid.len)
        take_packet(peer, TERN_PACKET_APP, packet, 1u + peer->scid.len, left);
      else
        peer->stateless++;
      return;
    }
    if (tern_header_read_long(&reader, true, &header) != TERN_HEADER_OK) {
      peer->stateless++;
      return;
    }
    take_long(peer, &header, packet);
  }
}
