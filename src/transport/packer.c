/* SPDX-License-Identifier: MIT */
/* Packets are written in place in the run buffer, frame by frame, and sealed in place at the end. */
#include "transport/packer.h"

#include <string.h>

#include "recovery/ecn.h"
#include "wire/frame_write.h"
#include "wire/header.h"

/* Without memory for a packet, what is owed waits so long before it is tried again. */
#define RETRY_NS (10 * TERN_MS)

/* ---- open ---------------------------------------------------------------------------------- */

static void write_header(struct tern_packer *packer, size_t pn_len)
{
  tern_conn *conn = packer->conn;
  uint64_t number = packer->space->sent.next;
  tern_slice dcid = tern_cid_slice(tern_conn_peer_id(conn, packer->route_index));

  if (packer->type == TERN_PACKET_APP) {
    struct tern_short_header_args args = {.dcid = dcid,
                                          .pn = number,
                                          .pn_len = pn_len,
                                          .key_phase = tern_keys_phase(packer->space->keys) != 0};
    tern_header_write_short(&packer->writer, &args);
    return;
  }
  struct tern_long_header_args args = {.type = packer->type,
                                       .version = conn->version,
                                       .dcid = dcid,
                                       .scid = tern_cid_slice(&conn->first_scid),
                                       .token = {conn->token, conn->token_bytes},
                                       .pn = number,
                                       .pn_len = pn_len};
  if (packer->type != TERN_PACKET_INITIAL)
    args.token.len = 0;
  tern_header_write_long(&packer->writer, &args, &packer->length_at);
}

bool tern_packer_open(struct tern_packer *packer, const struct tern_packer_args *args)
{
  struct tern_out *out = &args->conn->endpoint->out;
  struct tern_pn_space *space = args->space;

  if (args->room < TERN_PACKER_ROOM_MIN || out->seals_count == TERN_RUN_PACKETS_MAX)
    return false;
  /* [rfc9000-21.4] now and then a number is left out; who acknowledges it has not seen it. */
  if (space->sent.next == space->next_skip && !tern_conn_skip_number(args->conn, space))
    return false;
  tern_conn_bound_span(args->conn, space);
  packer->conn = args->conn;
  packer->space = space;
  packer->route_index = args->route_index;
  packer->route = args->conn->path.routes[args->route_index];
  packer->type = args->type;
  packer->flags = 0;
  bool is_awake = tern_keys_is_tx_awake(space->keys) || tern_keys_wake_tx(space->keys) == TERN_OK;
  packer->packet = is_awake ? tern_sent_open(&space->sent) : NULL;
  if (packer->packet == NULL) {
    args->conn->retry_at = args->conn->endpoint->now + RETRY_NS;
    return false;
  }
  packer->writer = tern_writer_of(args->data, args->room - TERN_AEAD_TAG_BYTES);
  uint64_t largest = space->loss.has_acked ? space->loss.largest_acked : TERN_PACKET_NUMBER_NONE;
  packer->pn_len = (uint8_t)tern_packet_number_size(space->sent.next, largest);
  write_header(packer, packer->pn_len);
  packer->header_bytes = tern_writer_len(&packer->writer);
  packer->pn_at = (uint16_t)(packer->header_bytes - packer->pn_len);
  packer->frames_at = packer->header_bytes;
  if (packer->writer.is_full) {
    tern_packer_abort(packer);
    return false;
  }
  return true;
}

void tern_packer_abort(struct tern_packer *packer)
{
  tern_sent_abort(&packer->space->sent, packer->packet);
}

bool tern_packer_is_empty(const struct tern_packer *packer)
{
  return tern_writer_len(&packer->writer) == packer->header_bytes;
}

/* ---- frames -------------------------------------------------------------------------------- */

static void show_frame(struct tern_packer *packer, enum tern_frame_kind kind,
                       const struct tern_frame_record *record)
{
  size_t at = packer->frames_at;
  size_t len = tern_writer_len(&packer->writer) - at;

  TERN_EVENT(&packer->conn->endpoint->events, packer->conn->id, frame_sent,
             .space = (uint8_t)packer->space->id, .name = tern_frame_name(kind),
             .type = packer->writer.start[at], .bytes = len, .offset = record->offset,
             .wire = tern_slice_of(packer->writer.start + at, len));
}

void tern_packer_note(struct tern_packer *packer, enum tern_frame_kind kind,
                      const struct tern_frame_record *record)
{
  if (tern_frame_is_ack_eliciting(kind))
    packer->flags |= TERN_SENT_ACK_ELICITING;
  if (tern_frame_is_in_flight(kind))
    packer->flags |= TERN_SENT_IN_FLIGHT;
  show_frame(packer, kind, record);
  packer->frames_at = tern_writer_len(&packer->writer);
  if (record->kind == TERN_RECORD_NONE)
    return;
  struct tern_frame_record *kept = tern_sent_add_record(&packer->space->sent, packer->packet);
  if (kept == NULL) {
    /* No memory to remember it: its producer sends it again, which is always allowed. */
    tern_conn_on_record_lost(packer->conn, packer->space, record);
    return;
  }
  *kept = *record;
  if (tern_record_has_stream(record))
    tern_stream_set_hold(
        tern_stream_set_find_slot(&packer->conn->body->streams, record->slot, record->generation),
        1);
}

/* ---- close --------------------------------------------------------------------------------- */

/* [rfc9001-5.4.2] the sample starts 4 bytes after the packet number's first. */
static void pad_for_sample(struct tern_packer *packer)
{
  size_t payload = tern_writer_len(&packer->writer) - packer->header_bytes;

  if (packer->pn_len + payload < TERN_PACKET_NUMBER_LEN_MAX)
    tern_frame_write_padding(&packer->writer,
                             TERN_PACKET_NUMBER_LEN_MAX - packer->pn_len - payload);
}

static void note_activity(tern_conn *conn)
{
  if (conn->idle_sent)
    return;
  conn->idle_sent = true; /* [rfc9000-10.1] */
  conn->idle_from = conn->endpoint->now;
}

static void count_sent(struct tern_packer *packer, uint64_t number)
{
  tern_conn *conn = packer->conn;
  struct tern_route *route = packer->route;
  struct tern_sent_packet *packet = packer->packet;
  tern_time now = conn->endpoint->now;

  conn->stats.packets_sent++;
  conn->stats.bytes_sent += packet->bytes;
  if (packet->flags & TERN_SENT_IN_FLIGHT) {
    packet->rate = tern_rate_on_sent(&route->rate, now, packet->bytes, route->in_flight.bytes);
    tern_inflight_on_sent(&route->in_flight, packet->bytes, 1);
    tern_pacer_on_sent(&route->pacer, now, packet->bytes);
    route->cc->on_sent(route->cc_state, now, packet->bytes, route->in_flight.bytes, number);
  }
  if (packet->flags & (TERN_SENT_ECT0 | TERN_SENT_ECT1))
    tern_ecn_on_sent(&route->ecn, &packer->space->ecn, (tern_ecn)conn->endpoint->out.ecn, 1);
  if (packet->flags & TERN_SENT_ACK_ELICITING)
    note_activity(conn);
  TERN_EVENT(&conn->endpoint->events, conn->id, packet_sent, .space = (uint8_t)packer->space->id,
             .number = number, .bytes = packet->bytes,
             .ack_eliciting = (packet->flags & TERN_SENT_ACK_ELICITING) != 0,
             .in_flight = (packet->flags & TERN_SENT_IN_FLIGHT) != 0,
             .is_probe = (packet->flags & (TERN_SENT_PTO_PROBE | TERN_SENT_MTU_PROBE)) != 0,
             .is_early = packer->type == TERN_PACKET_EARLY,
             .is_mtu_probe = (packet->flags & TERN_SENT_MTU_PROBE) != 0);
}

/* How the run being built is marked, as a packet remembers it. */
static uint8_t get_mark_flag(const struct tern_out *out)
{
  if (out->ecn == TERN_ECN_NOT)
    return 0;
  return out->ecn == TERN_ECN_ECT1 ? TERN_SENT_ECT1 : TERN_SENT_ECT0;
}

size_t tern_packer_close(struct tern_packer *packer)
{
  struct tern_out *out = &packer->conn->endpoint->out;
  struct tern_pn_space *space = packer->space;
  struct tern_sent_args args = {.now = packer->conn->endpoint->now, .route = packer->route_index};

  pad_for_sample(packer);
  if (packer->type != TERN_PACKET_APP)
    tern_header_patch_length(&packer->writer, packer->length_at, TERN_AEAD_TAG_BYTES);
  size_t len = tern_writer_len(&packer->writer) + TERN_AEAD_TAG_BYTES;
  packer->flags |= get_mark_flag(out);
  if (packer->flags & TERN_SENT_HAS_ACK)
    args.largest_acked = tern_acks_on_sent(&space->acks, args.now).largest;
  args.bytes = (uint16_t)len;
  args.flags = packer->flags;
  uint64_t number = space->sent.next;
  tern_sent_commit(&space->sent, packer->packet, &args);
  count_sent(packer, number);

  struct tern_seal_item *item = &out->seals[out->seals_count];
  *item = (struct tern_seal_item){packer->writer.start, packer->pn_at, packer->pn_len,
                                  (uint16_t)len, number};
  out->seal_keys[out->seals_count++] = space->keys;
  return len;
}

void tern_packer_count_run(tern_conn *conn, const struct tern_packer_sent *sent)
{
  struct tern_pn_space *space = conn->path.data;
  struct tern_route *route = sent->route;
  tern_time now = conn->endpoint->now;
  uint64_t bytes = (uint64_t)sent->bytes * sent->packets;
  uint8_t mark = get_mark_flag(&conn->endpoint->out);
  struct tern_sent_args args = {
      .now = now, .bytes = sent->bytes, .flags = sent->flags | mark, .route = sent->route_index};

  struct tern_rate_snapshot rate =
      tern_rate_on_sent(&route->rate, now, sent->bytes, route->in_flight.bytes);
  tern_sent_commit_run(&space->sent, &args, sent->packets, &sent->record, &rate);
  conn->stats.packets_sent += sent->packets;
  conn->stats.bytes_sent += bytes;
  tern_inflight_on_sent(&route->in_flight, bytes, sent->packets);
  tern_pacer_on_sent(&route->pacer, now, bytes);
  route->cc->on_sent(route->cc_state, now, bytes, route->in_flight.bytes, space->sent.next - 1);
  if (mark != 0)
    tern_ecn_on_sent(&route->ecn, &space->ecn, (tern_ecn)conn->endpoint->out.ecn, sent->packets);
  note_activity(conn);
}

void tern_packer_pad(struct tern_packer *packer, size_t bytes)
{
  struct tern_out *out = &packer->conn->endpoint->out;
  struct tern_seal_item *item = &out->seals[out->seals_count - 1];
  struct tern_sent_packet *packet = packer->packet;
  struct tern_route *route = packer->route;

  packer->writer.end += bytes; /* the datagram has room: the caller asked within it */
  tern_frame_write_padding(&packer->writer, bytes);
  if (packer->type != TERN_PACKET_APP)
    tern_header_patch_length(&packer->writer, packer->length_at, TERN_AEAD_TAG_BYTES);
  item->len = (uint16_t)(item->len + bytes);
  packer->conn->stats.bytes_sent += bytes;
  /* [rfc9002-2] PADDING puts a packet in flight. */
  if (packet->flags & TERN_SENT_IN_FLIGHT) {
    route->in_flight.bytes += bytes;
    packet->bytes = (uint16_t)(packet->bytes + bytes);
  } else {
    packet->bytes = (uint16_t)(packet->bytes + bytes);
    packet->flags |= TERN_SENT_IN_FLIGHT;
    packet->rate =
        tern_rate_on_sent(&route->rate, packet->sent_time, packet->bytes, route->in_flight.bytes);
    tern_inflight_on_sent(&route->in_flight, packet->bytes, 1);
  }
}

/* ---- finish -------------------------------------------------------------------------------- */

/* Frames with a room that could not be filled become PADDING, whoever filled their other rooms. */
static void blank_failed(tern_conn *conn)
{
  struct tern_out *out = &conn->endpoint->out;

  for (size_t i = 0; i < out->fills_count; i++) {
    const struct tern_out_fill *fill = &out->fills[i];
    for (size_t j = 0; fill->source == NULL && j < fill->rooms; j++)
      memset(fill->frame + j * fill->frame_stride, 0, fill->frame_bytes);
  }
}

/* Where the rooms of `fill`, the first of which is `room`, end in the source. */
static uint64_t get_end(const struct tern_out_fill *fill, const tern_iov *room)
{
  return fill->offset + (fill->rooms - 1) * room->len + room[fill->rooms - 1].len;
}

/* Adjoining rooms of one source are filled by one call, however many packets they are spread over. */
static void fill_rooms(tern_conn *conn)
{
  struct tern_out *out = &conn->endpoint->out;
  const tern_iov *room = out->fill_rooms;
  size_t to;

  for (size_t from = 0; from < out->fills_count; from = to) {
    const struct tern_out_fill *first = &out->fills[from];
    uint64_t end = get_end(first, room);
    size_t rooms = first->rooms;
    for (to = from + 1; to < out->fills_count && out->fills[to].source == first->source &&
                        out->fills[to].offset == end;
         to++) {
      end = get_end(&out->fills[to], room + rooms);
      rooms += out->fills[to].rooms;
    }
    bool before = tern_endpoint_enter_hook(conn->endpoint);
    bool is_filled = first->source->fill(first->source->arg, first->offset, room, rooms);
    tern_endpoint_leave_hook(conn->endpoint, before);
    room += rooms;
    for (size_t i = from; i < to && !is_filled; i++)
      out->fills[i].source = NULL;
  }
  blank_failed(conn);
}

/* A source that failed takes its stream with it; done last, since it frees the source. */
static void reset_failed(tern_conn *conn)
{
  struct tern_out *out = &conn->endpoint->out;

  for (size_t i = 0; i < out->fills_count; i++) {
    struct tern_out_fill *fill = &out->fills[i];
    if (fill->source == NULL)
      tern_stream_reset(fill->stream, fill->reset_code);
  }
  out->fills_count = out->rooms_count = 0;
}

bool tern_packer_finish(tern_conn *conn)
{
  struct tern_out *out = &conn->endpoint->out;
  bool is_sealed = true;
  size_t to;

  if (out->fills_count != 0)
    fill_rooms(conn);
  for (size_t from = 0; from < out->seals_count && is_sealed; from = to) {
    struct tern_keys *keys = out->seal_keys[from];
    for (to = from + 1; to < out->seals_count && out->seal_keys[to] == keys;)
      to++;
    is_sealed = tern_protect_seal_run(keys, conn->path.id, &out->seals[from], to - from) == TERN_OK;
  }
  out->seals_count = 0;
  if (out->fills_count != 0)
    reset_failed(conn);
  return is_sealed;
}
