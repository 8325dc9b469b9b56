/* SPDX-License-Identifier: MIT */
/* Frames to bytes. A plain writer is a row of varints: write_row does it in one bounds check when the
 * room is ample, which is nearly always. */
#include "wire/frame_write.h"

#include <string.h>

#include "base/assert.h"
#include "wire/frame_read.h"
#include "wire/varint.h"

static size_t min_size(size_t a, size_t b)
{
  return a < b ? a : b;
}

static size_t row_size(const uint64_t *values, size_t count)
{
  size_t size = 0;
  for (size_t i = 0; i < count; i++)
    size += tern_varint_size(values[i]);
  return size;
}

/* All of the row or, if it does not fit, nothing. */
static void write_row(struct tern_writer *writer, const uint64_t *values, size_t count)
{
  if (tern_writer_left(writer) < count * 8 && tern_writer_left(writer) < row_size(values, count))
    writer->is_full = true;
  for (size_t i = 0; i < count; i++)
    tern_write_varint(writer, values[i]);
}

#define WRITE_ROW(writer, ...)                                                                     \
  write_row(writer, (const uint64_t[]){__VA_ARGS__},                                               \
            sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))
#define ROW_SIZE(...)                                                                              \
  row_size((const uint64_t[]){__VA_ARGS__},                                                        \
           sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

void tern_frame_write_padding(struct tern_writer *writer, size_t len)
{
  uint8_t *room = tern_write_room(writer, len);
  if (room != NULL && len != 0)
    memset(room, 0, len);
}

void tern_frame_write_ping(struct tern_writer *writer)
{
  tern_write_u8(writer, 0x01);
}

/* ---- ACK --------------------------------------------------------------------------------- */

/* The two fields of `range` when it follows `above`, which is higher [rfc9000-19.3.1]:
 * gap = above.smallest - range.largest - 2. */
static uint64_t gap_between(const struct tern_range *range, const struct tern_range *above)
{
  return above->start - range->end - 1;
}

static uint64_t len_field(const struct tern_range *range)
{
  return range->end - range->start - 1;
}

/* How many ranges after the newest have room in `room` bytes. */
static size_t count_ranges(const struct tern_range *ranges, size_t count, size_t room)
{
  size_t taken = 0;
  for (size_t i = count - 1; i > 0; i--) {
    size_t size = tern_varint_size(gap_between(&ranges[i - 1], &ranges[i])) +
                  tern_varint_size(len_field(&ranges[i - 1]));
    if (size > room)
      break;
    room -= size;
    taken++;
  }
  return taken;
}

size_t tern_frame_write_ack(struct tern_writer *writer, const struct tern_range *ranges,
                            size_t count, uint64_t delay, const struct tern_ecn_counts *ecn)
{
  TERN_ASSERT(count > 0);
  const struct tern_range *newest = &ranges[count - 1];
  size_t fixed = ROW_SIZE(0x02, newest->end - 1, delay, count - 1, len_field(newest));
  if (ecn != NULL)
    fixed += ROW_SIZE(ecn->ect0, ecn->ect1, ecn->ce);
  if (writer->is_full || fixed > tern_writer_left(writer))
    return 0;
  size_t more = count_ranges(ranges, count, tern_writer_left(writer) - fixed);
  WRITE_ROW(writer, ecn != NULL ? 0x03 : 0x02, newest->end - 1, delay, more, len_field(newest));
  for (size_t i = count - 1; i > count - 1 - more; i--) {
    tern_write_varint(writer, gap_between(&ranges[i - 1], &ranges[i]));
    tern_write_varint(writer, len_field(&ranges[i - 1]));
  }
  if (ecn != NULL)
    WRITE_ROW(writer, ecn->ect0, ecn->ect1, ecn->ce);
  return more + 1;
}

/* ---- frames with data -------------------------------------------------------------------- */

/* The most data that has room in `room` bytes behind its own length field. */
static size_t data_room(size_t room)
{
  if (room <= 64)
    return room == 0 ? 0 : room - 1;
  if (room <= 16387)
    return min_size(room - 2, 16383);
  return room - 4;
}

size_t tern_frame_write_crypto_header(struct tern_writer *writer, uint64_t offset, size_t wanted)
{
  size_t head = 1 + tern_varint_size(offset);
  if (writer->is_full || tern_writer_left(writer) <= head)
    return 0;
  size_t len = min_size(wanted, data_room(tern_writer_left(writer) - head));
  if (len != 0)
    WRITE_ROW(writer, 0x06, offset, len);
  return len;
}

/* How a frame whose Length field may be left out lies in the room behind its header. */
struct layout {
  size_t padding; /* bytes of PADDING in front */
  size_t len;     /* of data */
  bool has_length;
};

static struct layout lay_out(size_t room, size_t wanted)
{
  struct layout layout = {0, wanted, false};
  if (wanted >= room)
    layout.len = room;
  else if (room - wanted >= tern_varint_size(wanted))
    layout.has_length = true;
  else
    layout.padding = room - wanted;
  return layout;
}

size_t tern_frame_size_stream_header(const struct tern_stream_chunk *chunk)
{
  size_t size = 1 + tern_varint_size(chunk->stream_id);
  return chunk->offset == 0 ? size : size + tern_varint_size(chunk->offset);
}

bool tern_frame_write_stream_header(struct tern_writer *writer,
                                    const struct tern_stream_chunk *chunk,
                                    struct tern_stream_fit *fit)
{
  size_t head = tern_frame_size_stream_header(chunk);
  if (writer->is_full || tern_writer_left(writer) < head)
    return false;
  struct layout layout = lay_out(tern_writer_left(writer) - head, chunk->len);
  fit->len = layout.len;
  fit->is_fin = chunk->is_fin && layout.len == chunk->len;
  if (fit->len == 0 && !fit->is_fin)
    return false;
  uint8_t type = 0x08;
  if (chunk->offset != 0)
    type |= 0x04;
  if (layout.has_length)
    type |= 0x02;
  if (fit->is_fin)
    type |= 0x01;
  tern_frame_write_padding(writer, layout.padding);
  tern_write_u8(writer, type);
  tern_write_varint(writer, chunk->stream_id);
  if (chunk->offset != 0)
    tern_write_varint(writer, chunk->offset);
  if (layout.has_length)
    tern_write_varint(writer, layout.len);
  return true;
}

bool tern_frame_write_datagram(struct tern_writer *writer, tern_slice data)
{
  if (writer->is_full || tern_writer_left(writer) < 1 + data.len)
    return false;
  struct layout layout = lay_out(tern_writer_left(writer) - 1, data.len);
  tern_frame_write_padding(writer, layout.padding);
  tern_write_u8(writer, layout.has_length ? 0x31 : 0x30);
  if (layout.has_length)
    tern_write_varint(writer, data.len);
  tern_write_slice(writer, data);
  return true;
}

size_t tern_frame_size_datagram(size_t len)
{
  return 1 + tern_varint_size(len) + len;
}

void tern_frame_write_new_token(struct tern_writer *writer, tern_slice token)
{
  if (tern_writer_left(writer) < tern_frame_size_new_token(token))
    writer->is_full = true;
  WRITE_ROW(writer, 0x07, token.len);
  tern_write_slice(writer, token);
}

size_t tern_frame_size_new_token(tern_slice token)
{
  return ROW_SIZE(0x07, token.len) + token.len;
}

/* ---- rows of integers -------------------------------------------------------------------- */

void tern_frame_write_reset_stream(struct tern_writer *writer, uint64_t stream_id, uint64_t code,
                                   uint64_t final_size)
{
  WRITE_ROW(writer, 0x04, stream_id, code, final_size);
}

size_t tern_frame_size_reset_stream(uint64_t stream_id, uint64_t code, uint64_t final_size)
{
  return ROW_SIZE(0x04, stream_id, code, final_size);
}

void tern_frame_write_stop_sending(struct tern_writer *writer, uint64_t stream_id, uint64_t code)
{
  WRITE_ROW(writer, 0x05, stream_id, code);
}

size_t tern_frame_size_stop_sending(uint64_t stream_id, uint64_t code)
{
  return ROW_SIZE(0x05, stream_id, code);
}

void tern_frame_write_max_data(struct tern_writer *writer, uint64_t limit)
{
  WRITE_ROW(writer, 0x10, limit);
}

size_t tern_frame_size_max_data(uint64_t limit)
{
  return ROW_SIZE(0x10, limit);
}

void tern_frame_write_max_stream_data(struct tern_writer *writer, uint64_t stream_id,
                                      uint64_t limit)
{
  WRITE_ROW(writer, 0x11, stream_id, limit);
}

size_t tern_frame_size_max_stream_data(uint64_t stream_id, uint64_t limit)
{
  return ROW_SIZE(0x11, stream_id, limit);
}

void tern_frame_write_max_streams(struct tern_writer *writer, bool is_bidi, uint64_t limit)
{
  WRITE_ROW(writer, is_bidi ? 0x12 : 0x13, limit);
}

size_t tern_frame_size_max_streams(uint64_t limit)
{
  return ROW_SIZE(0x12, limit);
}

void tern_frame_write_data_blocked(struct tern_writer *writer, uint64_t limit)
{
  WRITE_ROW(writer, 0x14, limit);
}

size_t tern_frame_size_data_blocked(uint64_t limit)
{
  return ROW_SIZE(0x14, limit);
}

void tern_frame_write_stream_data_blocked(struct tern_writer *writer, uint64_t stream_id,
                                          uint64_t limit)
{
  WRITE_ROW(writer, 0x15, stream_id, limit);
}

size_t tern_frame_size_stream_data_blocked(uint64_t stream_id, uint64_t limit)
{
  return ROW_SIZE(0x15, stream_id, limit);
}

void tern_frame_write_streams_blocked(struct tern_writer *writer, bool is_bidi, uint64_t limit)
{
  WRITE_ROW(writer, is_bidi ? 0x16 : 0x17, limit);
}

size_t tern_frame_size_streams_blocked(uint64_t limit)
{
  return ROW_SIZE(0x16, limit);
}

void tern_frame_write_retire_connection_id(struct tern_writer *writer, uint64_t sequence)
{
  WRITE_ROW(writer, 0x19, sequence);
}

size_t tern_frame_size_retire_connection_id(uint64_t sequence)
{
  return ROW_SIZE(0x19, sequence);
}

/* ---- the rest ---------------------------------------------------------------------------- */

size_t tern_frame_size_new_connection_id(const struct tern_new_connection_id_args *args)
{
  return ROW_SIZE(0x18, args->sequence, args->retire_prior_to) + 1 + args->cid.len +
         TERN_RESET_TOKEN_BYTES;
}

void tern_frame_write_new_connection_id(struct tern_writer *writer,
                                        const struct tern_new_connection_id_args *args)
{
  TERN_ASSERT(args->cid.len >= 1 && args->cid.len <= TERN_CID_MAX);
  if (tern_writer_left(writer) < tern_frame_size_new_connection_id(args))
    writer->is_full = true;
  WRITE_ROW(writer, 0x18, args->sequence, args->retire_prior_to);
  tern_write_u8(writer, args->cid.len);
  tern_write_bytes(writer, args->cid.bytes, args->cid.len);
  tern_write_bytes(writer, args->reset_token, TERN_RESET_TOKEN_BYTES);
}

static void write_path(struct tern_writer *writer, uint8_t type, const uint8_t data[8])
{
  uint8_t *room = tern_write_room(writer, 9);
  if (room == NULL)
    return;
  room[0] = type;
  memcpy(room + 1, data, 8);
}

void tern_frame_write_path_challenge(struct tern_writer *writer, const uint8_t data[8])
{
  write_path(writer, 0x1a, data);
}

void tern_frame_write_path_response(struct tern_writer *writer, const uint8_t data[8])
{
  write_path(writer, 0x1b, data);
}

/* The fields before the reason's length are in `row`. */
static bool write_close(struct tern_writer *writer, const uint64_t *row, size_t count,
                        tern_slice reason)
{
  size_t head = row_size(row, count);
  if (writer->is_full || tern_writer_left(writer) <= head)
    return false;
  size_t len = min_size(reason.len, data_room(tern_writer_left(writer) - head));
  write_row(writer, row, count);
  tern_write_varint(writer, len);
  tern_write_bytes(writer, reason.data, len);
  return true;
}

bool tern_frame_write_connection_close(struct tern_writer *writer, uint64_t code,
                                       uint64_t frame_type, tern_slice reason)
{
  const uint64_t row[] = {0x1c, code, frame_type};
  return write_close(writer, row, 3, reason);
}

bool tern_frame_write_application_close(struct tern_writer *writer, uint64_t code,
                                        tern_slice reason)
{
  const uint64_t row[] = {0x1d, code};
  return write_close(writer, row, 2, reason);
}

void tern_frame_write_handshake_done(struct tern_writer *writer)
{
  tern_write_u8(writer, 0x1e);
}
