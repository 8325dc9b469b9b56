/* SPDX-License-Identifier: MIT */
/* Integers in network order. Bytes are put together by shifts, so alignment and the machine's byte
 * order do not matter; compilers make one load and swap of it. */
#include "base/cursor.h"

/* The next `len` bytes, at most 8, as a number. */
static bool read_number(struct tern_reader *reader, size_t len, uint64_t *out)
{
  uint64_t value = 0;
  if (tern_reader_left(reader) < len)
    return false;
  for (size_t i = 0; i < len; i++)
    value = value << 8 | reader->at[i];
  reader->at += len;
  *out = value;
  return true;
}

bool tern_read_u16(struct tern_reader *reader, uint16_t *out)
{
  uint64_t value;
  if (!read_number(reader, 2, &value))
    return false;
  *out = (uint16_t)value;
  return true;
}

bool tern_read_u24(struct tern_reader *reader, uint32_t *out)
{
  uint64_t value;
  if (!read_number(reader, 3, &value))
    return false;
  *out = (uint32_t)value;
  return true;
}

bool tern_read_u32(struct tern_reader *reader, uint32_t *out)
{
  uint64_t value;
  if (!read_number(reader, 4, &value))
    return false;
  *out = (uint32_t)value;
  return true;
}

bool tern_read_u64(struct tern_reader *reader, uint64_t *out)
{
  return read_number(reader, 8, out);
}

bool tern_read_bytes(struct tern_reader *reader, void *out, size_t len)
{
  tern_slice slice;
  if (!tern_read_slice(reader, len, &slice))
    return false;
  if (len != 0)
    memcpy(out, slice.data, len);
  return true;
}

static void write_number(struct tern_writer *writer, size_t len, uint64_t value)
{
  uint8_t *room = tern_write_room(writer, len);
  if (room == NULL)
    return;
  for (size_t i = len; i-- > 0; value >>= 8)
    room[i] = (uint8_t)value;
}

void tern_write_u16(struct tern_writer *writer, uint16_t value)
{
  write_number(writer, 2, value);
}

void tern_write_u24(struct tern_writer *writer, uint32_t value)
{
  write_number(writer, 3, value);
}

void tern_write_u32(struct tern_writer *writer, uint32_t value)
{
  write_number(writer, 4, value);
}

void tern_write_u64(struct tern_writer *writer, uint64_t value)
{
  write_number(writer, 8, value);
}
