/* SPDX-License-Identifier: MIT */
/* See bulk.h. A bulk is planned first, so that nothing has to be taken back. */
#include "transport/bulk.h"

#include <string.h>

#include "transport/packer.h"
#include "wire/frame_write.h"
#include "wire/varint.h"

/* Header and frame header are copied with as many bytes, which is one or two instructions. */
#define HEAD_COPY_BYTES 48
/* [rfc9000-19.8] STREAM with an offset and without a length: it reaches to the end of the packet. */
#define STREAM_TO_END 0x0c

struct plan {
  struct tern_stream *stream;
  struct tern_send_range range; /* all of it */
  struct tern_send_piece piece; /* where its bytes are */
  size_t packets;
  size_t head_bytes;    /* packet header and frame header */
  size_t payload_bytes; /* of the stream, in each packet */
  uint8_t pn_len;
  uint8_t pn_at;
  uint8_t offset_at; /* of the frame's offset; it ends the head */
};

static uint64_t least(uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

/* ---- planning ------------------------------------------------------------------------------------ */

/* How many packets in a row have a frame offset of the same size as `offset`. */
static uint64_t count_same_size(uint64_t offset, size_t payload_bytes)
{
  uint64_t end = offset < 64 ? 64 : offset < 16384 ? 16384 : UINT64_C(1) << 30;

  if (offset >= end)
    return UINT64_MAX;
  return (end - offset + payload_bytes - 1) / payload_bytes;
}

static void plan_header(const struct tern_bulk *bulk, struct plan *plan)
{
  const struct tern_pn_space *space = bulk->conn->path.data;
  uint64_t largest = space->loss.has_acked ? space->loss.largest_acked : TERN_PACKET_NUMBER_NONE;
  uint64_t last = space->sent.next + bulk->packets_max - 1;

  plan->pn_len = (uint8_t)tern_packet_number_size(last, largest);
  plan->pn_at = (uint8_t)(1u + tern_conn_peer_id(bulk->conn, bulk->route_index)->len);
  plan->offset_at = (uint8_t)(1u + plan->pn_at + plan->pn_len + tern_varint_size(plan->stream->id));
  plan->head_bytes = (size_t)plan->offset_at + tern_varint_size(plan->range.offset);
  plan->payload_bytes = bulk->segment_bytes - plan->head_bytes - TERN_AEAD_TAG_BYTES;
}

/* [rfc9000-21.4] a number that is left out ends the bulk. */
static uint64_t count_numbers(const struct tern_pn_space *space)
{
  return space->next_skip > space->sent.next ? space->next_skip - space->sent.next : 0;
}

static void plan_packets(const struct tern_bulk *bulk, struct plan *plan)
{
  struct tern_conn_body *body = bulk->conn->body;
  struct tern_pn_space *space = bulk->conn->path.data;
  uint64_t bytes = least(plan->range.len, tern_scheduler_turn_bytes(&body->scheduler));

  /* The packet with the FIN is another one. */
  if (plan->range.is_fin_possible && bytes == plan->range.len)
    bytes--;
  if (bytes == 0)
    return;
  tern_stream_send_locate(&plan->stream->out->send, plan->range.offset, bytes, &plan->piece);
  uint64_t packets = least(bulk->packets_max, plan->piece.len / plan->payload_bytes);
  packets = least(packets, count_same_size(plan->range.offset, plan->payload_bytes));
  packets = least(packets, count_numbers(space));
  plan->packets = tern_sent_reserve(&space->sent, (uint32_t)packets);
  plan->range.len = plan->packets * plan->payload_bytes;
}

static bool make_plan(const struct tern_bulk *bulk, struct plan *plan)
{
  struct tern_conn_body *body = bulk->conn->body;
  struct tern_out *out = &bulk->conn->endpoint->out;

  *plan = (struct plan){.stream = tern_scheduler_next(&body->scheduler)};
  if (plan->stream == NULL || bulk->packets_max < TERN_BULK_PACKETS_MIN)
    return false;
  uint64_t credit = tern_stream_get_credit(plan->stream, &body->flow_send);
  if (!tern_stream_send_next(&plan->stream->out->send, credit, &plan->range) ||
      plan->range.is_retransmit || plan->range.offset == 0 || plan->range.len < bulk->segment_bytes)
    return false;
  plan_header(bulk, plan);
  plan_packets(bulk, plan);
  return plan->packets >= TERN_BULK_PACKETS_MIN &&
         (plan->piece.source == NULL || (out->fills_count < TERN_RUN_FILLS_MAX &&
                                         out->rooms_count + plan->packets <= TERN_RUN_FILLS_MAX));
}

/* ---- bytes --------------------------------------------------------------------------------------- */

/* The head of the first packet. */
static void write_head(const struct tern_bulk *bulk, const struct plan *plan, uint8_t *head)
{
  const struct tern_pn_space *space = bulk->conn->path.data;
  struct tern_short_header_args args = {
      .dcid = tern_cid_slice(tern_conn_peer_id(bulk->conn, bulk->route_index)),
      .pn = space->sent.next,
      .pn_len = plan->pn_len,
      .key_phase = tern_keys_phase(space->keys) != 0};
  struct tern_writer writer = tern_writer_of(head, HEAD_COPY_BYTES);

  tern_header_write_short(&writer, &args);
  tern_write_u8(&writer, STREAM_TO_END);
  tern_write_varint(&writer, plan->stream->id);
  tern_write_varint(&writer, plan->range.offset);
  TERN_ASSERT(tern_writer_len(&writer) == plan->head_bytes);
}

/* What changes from packet to packet: number and offset, both big-endian and of known size. */
static void patch(uint8_t *at, uint64_t value, size_t bytes)
{
  for (; bytes-- > 0; value >>= 8)
    at[bytes] = (uint8_t)value;
}

static void write_packets(const struct tern_bulk *bulk, const struct plan *plan)
{
  static const uint64_t prefixes[9] = {[1] = 0, [2] = 1, [4] = 2, [8] = 3};
  struct tern_out *out = &bulk->conn->endpoint->out;
  struct tern_pn_space *space = bulk->conn->path.data;
  uint8_t head[HEAD_COPY_BYTES] = {0};
  size_t offset_bytes = plan->head_bytes - plan->offset_at;
  uint64_t prefix = prefixes[offset_bytes] << (8 * offset_bytes - 2);
  uint64_t number = space->sent.next, offset = plan->range.offset;
  uint8_t *at = bulk->data;

  write_head(bulk, plan, head);
  for (size_t i = 0; i < plan->packets; i++) {
    memcpy(at, head, HEAD_COPY_BYTES);
    patch(at + plan->pn_at, number + i, plan->pn_len);
    patch(at + plan->offset_at, prefix | (offset + i * plan->payload_bytes), offset_bytes);
    out->seals[out->seals_count] = (struct tern_seal_item){
        at, plan->pn_at, plan->pn_len, (uint16_t)bulk->segment_bytes, number + i};
    out->seal_keys[out->seals_count++] = space->keys;
    at += bulk->segment_bytes;
  }
}

static void copy_bytes(const struct tern_bulk *bulk, const struct plan *plan)
{
  uint8_t *at = bulk->data + plan->head_bytes;

  for (size_t i = 0; i < plan->packets; i++, at += bulk->segment_bytes)
    memcpy(at, plan->piece.data + i * plan->payload_bytes, plan->payload_bytes);
}

static void note_rooms(const struct tern_bulk *bulk, const struct plan *plan)
{
  struct tern_out *out = &bulk->conn->endpoint->out;
  uint8_t *at = bulk->data + plan->head_bytes;

  out->fills[out->fills_count++] = (struct tern_out_fill){
      .source = plan->piece.source,
      .stream = plan->stream,
      .offset = plan->piece.source_offset,
      .frame = bulk->data + plan->pn_at + plan->pn_len,
      .frame_bytes = bulk->segment_bytes - TERN_AEAD_TAG_BYTES - (size_t)plan->pn_at - plan->pn_len,
      .frame_stride = bulk->segment_bytes,
      .rooms = plan->packets,
      .reset_code = plan->piece.source->reset_code};
  for (size_t i = 0; i < plan->packets; i++, at += bulk->segment_bytes)
    out->fill_rooms[out->rooms_count++] = (tern_iov){at, plan->payload_bytes};
}

/* ---- events -------------------------------------------------------------------------------------- */

static void show_packets(const struct tern_bulk *bulk, const struct plan *plan)
{
  struct tern_event_bus *events = &bulk->conn->endpoint->events;
  uint64_t number = bulk->conn->path.data->sent.next - plan->packets;
  size_t frame_at = (size_t)plan->pn_at + plan->pn_len;
  size_t frame_bytes = plan->head_bytes - frame_at + plan->payload_bytes;

  if (!tern_event_is_wanted(events, TERN_EVENT_FRAME_SENT) &&
      !tern_event_is_wanted(events, TERN_EVENT_PACKET_SENT))
    return;
  for (size_t i = 0; i < plan->packets; i++) {
    TERN_EVENT(events, bulk->conn->id, frame_sent, .space = TERN_SPACE_APP,
               .name = tern_frame_name(TERN_FRAME_STREAM), .type = STREAM_TO_END,
               .bytes = frame_bytes, .offset = plan->range.offset + i * plan->payload_bytes,
               .wire = tern_slice_of(bulk->data + i * bulk->segment_bytes + frame_at, frame_bytes));
    TERN_EVENT(events, bulk->conn->id, packet_sent, .space = TERN_SPACE_APP, .number = number + i,
               .bytes = bulk->segment_bytes, .ack_eliciting = true, .in_flight = true);
  }
}

/* ---- accounts ------------------------------------------------------------------------------------ */

static void account(const struct tern_bulk *bulk, const struct plan *plan)
{
  tern_conn *conn = bulk->conn;
  struct tern_conn_body *body = conn->body;
  struct tern_packer_sent sent = {.route = bulk->route,
                                  .route_index = bulk->route_index,
                                  .flags = TERN_SENT_ACK_ELICITING | TERN_SENT_IN_FLIGHT,
                                  .bytes = (uint16_t)bulk->segment_bytes,
                                  .packets = (uint32_t)plan->packets};

  tern_stream_on_sent(plan->stream, &body->flow_send, &plan->range, false, &sent.record);
  sent.record.len = plan->payload_bytes;
  tern_stream_set_hold(plan->stream, (uint32_t)plan->packets);
  tern_packer_count_run(conn, &sent);
  conn->stats.stream_bytes_sent += plan->range.len;
  tern_scheduler_on_served(&body->scheduler, plan->stream, plan->range.len);
  if (!tern_stream_wants_send(plan->stream, &body->flow_send))
    tern_stream_update_places(plan->stream);
}

size_t tern_bulk_build(const struct tern_bulk *bulk)
{
  struct plan plan;

  if (!make_plan(bulk, &plan))
    return 0;
  write_packets(bulk, &plan);
  if (plan.piece.source == NULL)
    copy_bytes(bulk, &plan);
  else
    note_rooms(bulk, &plan);
  account(bulk, &plan);
  show_packets(bulk, &plan);
  return plan.packets;
}
