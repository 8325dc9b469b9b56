/* SPDX-License-Identifier: MIT */
/* Variable-length integers [rfc9000-16]: the two top bits of the first byte say the width.
 *
 *   00 1 byte, to 2^6 - 1      01 2 bytes, to 2^14 - 1
 *   10 4 bytes, to 2^30 - 1    11 8 bytes, to 2^62 - 1
 *
 * A value may be written wider than needed, except where an RFC says otherwise (frame types). */
#ifndef TERN_WIRE_VARINT_H
#define TERN_WIRE_VARINT_H

#include <string.h>

#include <tern/base.h>

#include "base/assert.h"
#include "base/cursor.h"

#define TERN_VARINT_MAX ((UINT64_C(1) << 62) - 1)

/* Bytes of the shortest encoding: 1, 2, 4 or 8. `value` <= TERN_VARINT_MAX. */
static inline size_t tern_varint_size(uint64_t value)
{
  if (value < UINT64_C(1) << 6)
    return 1;
  if (value < UINT64_C(1) << 14)
    return 2;
  return value < UINT64_C(1) << 30 ? 4 : 8;
}

/* The part of tern_read_varint for 2, 4 and 8 bytes. */
static inline bool tern_read_varint_wide(struct tern_reader *reader, uint64_t *out)
{
  const uint8_t *at = reader->at;
  size_t width = (size_t)1 << (at[0] >> 6);
  if (width > tern_reader_left(reader))
    return false;
  uint64_t value = at[0] & 0x3fu;
  for (size_t i = 1; i < width; i++)
    value = value << 8 | at[i];
  reader->at = at + width;
  *out = value;
  return true;
}

/* False, and nothing read, if the bytes end before the integer does. */
static inline bool tern_read_varint(struct tern_reader *reader, uint64_t *out)
{
  if (TERN_UNLIKELY(reader->at == reader->end))
    return false;
  uint8_t first = reader->at[0];
  if (first < 0x40) {
    reader->at++;
    *out = first;
    return true;
  }
  return tern_read_varint_wide(reader, out);
}

/* Writes in exactly `width` bytes: 1, 2, 4 or 8, at least tern_varint_size(value). */
static inline void tern_write_varint_sized(struct tern_writer *writer, uint64_t value, size_t width)
{
  static const uint8_t prefixes[9] = {0, 0, 0x40, 0, 0x80, 0, 0, 0, 0xc0};
  TERN_ASSERT(value <= TERN_VARINT_MAX && width <= 8 && width >= tern_varint_size(value));
  uint8_t *room = tern_write_room(writer, width);
  if (TERN_UNLIKELY(room == NULL))
    return;
  for (size_t i = width; i-- > 0; value >>= 8)
    room[i] = (uint8_t)value;
  room[0] |= prefixes[width];
}

/* The shortest encoding. `value` <= TERN_VARINT_MAX. */
static inline void tern_write_varint(struct tern_writer *writer, uint64_t value)
{
  if (value < 0x40)
    tern_write_u8(writer, (uint8_t)value);
  else
    tern_write_varint_sized(writer, value, tern_varint_size(value));
}

#endif
