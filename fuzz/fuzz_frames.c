/* SPDX-License-Identifier: MIT */
/* A packet's payload. Byte 0 picks the packet type, the rest is read frame by frame. Each frame that is
 * read is written again and read back: the same frame, and the same bytes when written once more.
 * Walking an ACK's ranges stays below `largest` and descends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "wire/frame_read.h"
#include "wire/frame_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ack(const struct tern_frame *frame)
{
  struct tern_ack_iter iter;
  struct tern_range range;
  uint64_t above = frame->u.ack.largest + 2;
  uint64_t count = 0;
  tern_ack_iter_init(&iter, frame);
  while (tern_ack_iter_next(&iter, &range)) {
    TERN_ASSERT(range.start < range.end && range.end < above);
    above = range.start;
    count++;
  }
  TERN_ASSERT(count == frame->u.ack.range_count + 1);
}

/* Writes `frame`; the bytes are the shortest form, so reading and writing them changes nothing. */
static void check_echo(const struct tern_frame *frame, uint8_t *once, uint8_t *twice, size_t room)
{
  struct tern_writer writer = tern_writer_of(once, room);
  TERN_ASSERT(tern_frame_write(&writer, frame));
  size_t len = tern_writer_len(&writer);
  struct tern_reader reader = tern_reader_of(once, len);
  struct tern_frame back;
  TERN_ASSERT(tern_frame_read(&reader, &back) == 0);
  TERN_ASSERT(tern_reader_left(&reader) == 0);
  TERN_ASSERT(back.kind == frame->kind && back.type == frame->type);
  writer = tern_writer_of(twice, room);
  TERN_ASSERT(tern_frame_write(&writer, &back));
  TERN_ASSERT(tern_writer_len(&writer) == len && memcmp(once, twice, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 2 || size > 65536)
    return 0;
  enum tern_packet_type type = (enum tern_packet_type)(data[0] % 6);
  struct tern_reader reader = tern_reader_of(data + 1, size - 1);
  uint8_t *once = malloc(2 * size);
  uint8_t *twice = malloc(2 * size);
  TERN_ASSERT(once != NULL && twice != NULL);
  while (tern_reader_left(&reader) != 0) {
    const uint8_t *before = reader.at;
    struct tern_frame frame;
    uint64_t code = tern_frame_read(&reader, &frame);
    TERN_ASSERT(code == 0 || code == TERN_QUIC_FRAME_ENCODING_ERROR ||
                code == TERN_QUIC_PROTOCOL_VIOLATION);
    if (code != 0)
      break;
    TERN_ASSERT(reader.at > before && reader.at <= reader.end);
    enum tern_frame_kind kind;
    TERN_ASSERT(tern_frame_kind_find(frame.type, &kind) && kind == frame.kind);
    (void)tern_frame_is_allowed(frame.kind, frame.type, type);
    if (frame.kind == TERN_FRAME_ACK)
      check_ack(&frame);
    check_echo(&frame, once, twice, 2 * size);
  }
  free(once);
  free(twice);
  return 0;
}
