/* SPDX-License-Identifier: MIT */
/* One static function per frame, each reads what follows the type and answers whether it is well
 * formed. STREAM and ACK are most of what a connection reads, so they come first in the dispatch. */
#include "wire/frame_read.h"

#include <string.h>

#include "base/assert.h"
#include "wire/varint.h"

static bool read_two(struct tern_reader *reader, uint64_t *a, uint64_t *b)
{
  return tern_read_varint(reader, a) && tern_read_varint(reader, b);
}

/* A length and as many bytes. */
static bool read_counted(struct tern_reader *reader, tern_slice *out)
{
  uint64_t len;
  return tern_read_varint(reader, &len) && tern_read_slice(reader, len, out);
}

static bool read_rest(struct tern_reader *reader, tern_slice *out)
{
  return tern_read_slice(reader, tern_reader_left(reader), out);
}

/* [rfc9000-19.8] [rfc9000-19.6] offset + length cannot exceed 2^62 - 1; both are below 2^62, so the sum
 * does not wrap. */
static bool is_within_stream(uint64_t offset, size_t len)
{
  return offset + len <= TERN_VARINT_MAX;
}

/* [rfc9000-19.8] */
static bool read_stream(struct tern_reader *reader, struct tern_frame *frame)
{
  uint64_t type = frame->type;
  frame->kind = TERN_FRAME_STREAM;
  frame->u.stream.is_fin = (type & 0x01) != 0;
  frame->u.stream.offset = 0;
  if (!tern_read_varint(reader, &frame->u.stream.stream_id))
    return false;
  if ((type & 0x04) != 0 && !tern_read_varint(reader, &frame->u.stream.offset))
    return false;
  if (!((type & 0x02) != 0 ? read_counted(reader, &frame->u.stream.data)
                           : read_rest(reader, &frame->u.stream.data)))
    return false;
  return is_within_stream(frame->u.stream.offset, frame->u.stream.data.len);
}

/* Reads and checks the further ranges. Each takes two bytes at least, so a count that the bytes cannot
 * hold is refused before the loop: work follows bytes present, not the count. */
static bool skip_ack_ranges(struct tern_reader *reader, uint64_t count, uint64_t smallest)
{
  if (count > tern_reader_left(reader) / 2)
    return false;
  for (; count > 0; count--) {
    uint64_t gap;
    uint64_t len;
    if (!read_two(reader, &gap, &len))
      return false;
    /* [rfc9000-19.3.1] A computed packet number that is negative: FRAME_ENCODING_ERROR.
     *   largest = smallest - gap - 2,  next smallest = largest - len */
    if (smallest < gap + 2 || smallest - gap - 2 < len)
      return false;
    smallest -= gap + 2 + len;
  }
  return true;
}

/* [rfc9000-19.3.2] */
static bool read_ecn_counts(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->u.ack.has_ecn = frame->type == 0x03;
  frame->u.ack.ect0 = 0;
  frame->u.ack.ect1 = 0;
  frame->u.ack.ce = 0;
  return !frame->u.ack.has_ecn || (read_two(reader, &frame->u.ack.ect0, &frame->u.ack.ect1) &&
                                   tern_read_varint(reader, &frame->u.ack.ce));
}

/* [rfc9000-19.3] */
static bool read_ack(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_ACK;
  if (!read_two(reader, &frame->u.ack.largest, &frame->u.ack.delay) ||
      !read_two(reader, &frame->u.ack.range_count, &frame->u.ack.first_range))
    return false;
  if (frame->u.ack.first_range > frame->u.ack.largest)
    return false;
  const uint8_t *start = reader->at;
  if (!skip_ack_ranges(reader, frame->u.ack.range_count,
                       frame->u.ack.largest - frame->u.ack.first_range))
    return false;
  frame->u.ack.ranges = tern_slice_of(start, (size_t)(reader->at - start));
  return read_ecn_counts(reader, frame);
}

/* The type byte is read already. */
static bool read_padding(struct tern_reader *reader, struct tern_frame *frame)
{
  static const uint8_t zeros[16];
  const uint8_t *at = reader->at;
  while ((size_t)(reader->end - at) >= sizeof(zeros) && memcmp(at, zeros, sizeof(zeros)) == 0)
    at += sizeof(zeros);
  while (at != reader->end && *at == 0)
    at++;
  frame->kind = TERN_FRAME_PADDING;
  frame->u.padding.len = (uint64_t)(at - reader->at) + 1;
  reader->at = at;
  return true;
}

static bool read_reset_stream(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_RESET_STREAM;
  return read_two(reader, &frame->u.reset_stream.stream_id, &frame->u.reset_stream.code) &&
         tern_read_varint(reader, &frame->u.reset_stream.final_size);
}

static bool read_stop_sending(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_STOP_SENDING;
  return read_two(reader, &frame->u.stop_sending.stream_id, &frame->u.stop_sending.code);
}

static bool read_crypto(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_CRYPTO;
  return tern_read_varint(reader, &frame->u.crypto.offset) &&
         read_counted(reader, &frame->u.crypto.data) &&
         is_within_stream(frame->u.crypto.offset, frame->u.crypto.data.len);
}

/* [rfc9000-19.7] The token MUST NOT be empty. */
static bool read_new_token(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_NEW_TOKEN;
  return read_counted(reader, &frame->u.new_token.token) && frame->u.new_token.token.len != 0;
}

static bool read_max_data(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_MAX_DATA;
  return tern_read_varint(reader, &frame->u.max_data.limit);
}

static bool read_max_stream_data(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_MAX_STREAM_DATA;
  return read_two(reader, &frame->u.max_stream_data.stream_id, &frame->u.max_stream_data.limit);
}

/* [rfc9000-19.11] A limit above 2^60 permits a stream id that cannot be encoded. */
static bool read_max_streams(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_MAX_STREAMS;
  frame->u.max_streams.is_bidi = frame->type == 0x12;
  return tern_read_varint(reader, &frame->u.max_streams.limit) &&
         frame->u.max_streams.limit <= TERN_STREAMS_MAX;
}

static bool read_data_blocked(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_DATA_BLOCKED;
  return tern_read_varint(reader, &frame->u.data_blocked.limit);
}

static bool read_stream_data_blocked(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_STREAM_DATA_BLOCKED;
  return read_two(reader, &frame->u.stream_data_blocked.stream_id,
                  &frame->u.stream_data_blocked.limit);
}

/* [rfc9000-19.14] The same bound as MAX_STREAMS. */
static bool read_streams_blocked(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_STREAMS_BLOCKED;
  frame->u.streams_blocked.is_bidi = frame->type == 0x16;
  return tern_read_varint(reader, &frame->u.streams_blocked.limit) &&
         frame->u.streams_blocked.limit <= TERN_STREAMS_MAX;
}

/* [rfc9000-19.15] Connection ids of 1 to 20 bytes; Retire Prior To at most the Sequence Number. */
static bool read_new_connection_id(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_NEW_CONNECTION_ID;
  uint8_t len;
  tern_slice cid;
  if (!read_two(reader, &frame->u.new_connection_id.sequence,
                &frame->u.new_connection_id.retire_prior_to) ||
      frame->u.new_connection_id.retire_prior_to > frame->u.new_connection_id.sequence)
    return false;
  if (!tern_read_u8(reader, &len) || len < 1 || len > TERN_CID_MAX ||
      !tern_read_slice(reader, len, &cid))
    return false;
  frame->u.new_connection_id.cid = tern_cid_of(cid);
  return tern_read_bytes(reader, frame->u.new_connection_id.reset_token, TERN_RESET_TOKEN_BYTES);
}

static bool read_retire_connection_id(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_RETIRE_CONNECTION_ID;
  return tern_read_varint(reader, &frame->u.retire_connection_id.sequence);
}

static bool read_path_challenge(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_PATH_CHALLENGE;
  return tern_read_bytes(reader, frame->u.path_challenge.data, 8);
}

static bool read_path_response(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_PATH_RESPONSE;
  return tern_read_bytes(reader, frame->u.path_response.data, 8);
}

/* [rfc9000-19.19] Only the transport's variant names a frame type. */
static bool read_connection_close(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_CONNECTION_CLOSE;
  frame->u.connection_close.is_application = frame->type == 0x1d;
  frame->u.connection_close.frame_type = 0;
  if (!tern_read_varint(reader, &frame->u.connection_close.code))
    return false;
  if (frame->type == 0x1c && !tern_read_varint(reader, &frame->u.connection_close.frame_type))
    return false;
  return read_counted(reader, &frame->u.connection_close.reason);
}

/* [rfc9221-4] Type 0x31 has a length, 0x30 extends to the end of the packet. */
static bool read_datagram(struct tern_reader *reader, struct tern_frame *frame)
{
  frame->kind = TERN_FRAME_DATAGRAM;
  return frame->type == 0x31 ? read_counted(reader, &frame->u.datagram.data)
                             : read_rest(reader, &frame->u.datagram.data);
}

static bool take_kind(struct tern_frame *frame, enum tern_frame_kind kind)
{
  frame->kind = kind;
  return true;
}

/* Reads the body of the frame whose type is in `frame->type`. */
static bool read_body(struct tern_reader *reader, struct tern_frame *frame)
{
  switch (frame->type) {
  case 0x00:
    return read_padding(reader, frame);
  case 0x01:
    return take_kind(frame, TERN_FRAME_PING);
  case 0x02:
  case 0x03:
    return read_ack(reader, frame);
  case 0x04:
    return read_reset_stream(reader, frame);
  case 0x05:
    return read_stop_sending(reader, frame);
  case 0x06:
    return read_crypto(reader, frame);
  case 0x07:
    return read_new_token(reader, frame);
  case 0x10:
    return read_max_data(reader, frame);
  case 0x11:
    return read_max_stream_data(reader, frame);
  case 0x12:
  case 0x13:
    return read_max_streams(reader, frame);
  case 0x14:
    return read_data_blocked(reader, frame);
  case 0x15:
    return read_stream_data_blocked(reader, frame);
  case 0x16:
  case 0x17:
    return read_streams_blocked(reader, frame);
  case 0x18:
    return read_new_connection_id(reader, frame);
  case 0x19:
    return read_retire_connection_id(reader, frame);
  case 0x1a:
    return read_path_challenge(reader, frame);
  case 0x1b:
    return read_path_response(reader, frame);
  case 0x1c:
  case 0x1d:
    return read_connection_close(reader, frame);
  case 0x1e:
    return take_kind(frame, TERN_FRAME_HANDSHAKE_DONE);
  case 0x30:
  case 0x31:
    return read_datagram(reader, frame);
  default: /* [rfc9000-12.4] A frame of unknown type: FRAME_ENCODING_ERROR. */
    return false;
  }
}

/* Types of two bytes and more: none is known to us. */
static uint64_t refuse_wide_type(struct tern_reader *reader, struct tern_frame *frame)
{
  size_t width = (size_t)1 << (reader->at[0] >> 6);
  if (!tern_read_varint(reader, &frame->type))
    return TERN_QUIC_FRAME_ENCODING_ERROR;
  /* [rfc9000-12.4] A frame type MUST use the shortest encoding; an endpoint MAY treat a longer one as a
   * PROTOCOL_VIOLATION. */
  if (width != tern_varint_size(frame->type))
    return TERN_QUIC_PROTOCOL_VIOLATION;
  return TERN_QUIC_FRAME_ENCODING_ERROR;
}

uint64_t tern_frame_read(struct tern_reader *reader, struct tern_frame *frame)
{
  TERN_ASSERT(reader->at != reader->end);
  frame->kind = TERN_FRAME_PADDING;
  frame->type = 0;
  uint8_t first = *reader->at;
  if (TERN_UNLIKELY(first >= 0x40))
    return refuse_wide_type(reader, frame);
  reader->at++;
  frame->type = first;
  bool is_good = (first & 0xf8) == 0x08 ? read_stream(reader, frame) : read_body(reader, frame);
  return TERN_LIKELY(is_good) ? 0 : (uint64_t)TERN_QUIC_FRAME_ENCODING_ERROR;
}

void tern_ack_iter_init(struct tern_ack_iter *iter, const struct tern_frame *frame)
{
  TERN_ASSERT(frame->kind == TERN_FRAME_ACK);
  iter->reader = tern_reader_of(frame->u.ack.ranges.data, frame->u.ack.ranges.len);
  iter->left = frame->u.ack.range_count;
  iter->next.start = frame->u.ack.largest - frame->u.ack.first_range;
  iter->next.end = frame->u.ack.largest + 1;
  iter->has_next = true;
}

bool tern_ack_iter_next(struct tern_ack_iter *iter, struct tern_range *out)
{
  uint64_t gap;
  uint64_t len;
  if (!iter->has_next)
    return false;
  *out = iter->next;
  iter->has_next = iter->left > 0 && read_two(&iter->reader, &gap, &len);
  if (!iter->has_next)
    return true;
  iter->left--;
  /* tern_frame_read has checked that neither goes below 0. */
  iter->next.end = out->start - gap - 1;
  iter->next.start = iter->next.end - 1 - len;
  return true;
}
