/* SPDX-License-Identifier: MIT */
/* Bounded reading and writing of bytes. A cursor never passes its end: a read that does not fit
 * answers false and leaves the reader where it was; a write that does not fit sets `is_full` and
 * writes nothing, so a writer can be checked once at the end. All integers are in network order.
 * The hot ones are inline. */
#ifndef TERN_BASE_CURSOR_H
#define TERN_BASE_CURSOR_H

#include <string.h>

#include <tern/base.h>

struct tern_reader {
  const uint8_t *at;
  const uint8_t *end;
};

static inline struct tern_reader tern_reader_of(const void *data, size_t len)
{
  const uint8_t *start = (const uint8_t *)data;
  struct tern_reader reader = {start, len == 0 ? start : start + len}; /* NULL + 0 is undefined */
  return reader;
}

static inline size_t tern_reader_left(const struct tern_reader *reader)
{
  return (size_t)(reader->end - reader->at);
}

static inline bool tern_read_u8(struct tern_reader *reader, uint8_t *out)
{
  if (reader->at == reader->end)
    return false;
  *out = *reader->at++;
  return true;
}

bool tern_read_u16(struct tern_reader *reader, uint16_t *out);
bool tern_read_u24(struct tern_reader *reader, uint32_t *out);
bool tern_read_u32(struct tern_reader *reader, uint32_t *out);
bool tern_read_u64(struct tern_reader *reader, uint64_t *out);

/* A view of the next `len` bytes. */
static inline bool tern_read_slice(struct tern_reader *reader, uint64_t len, tern_slice *out)
{
  if (len > tern_reader_left(reader))
    return false;
  out->data = reader->at;
  out->len = (size_t)len;
  reader->at += len;
  return true;
}

static inline bool tern_read_skip(struct tern_reader *reader, uint64_t len)
{
  tern_slice skipped;
  return tern_read_slice(reader, len, &skipped);
}

bool tern_read_bytes(struct tern_reader *reader, void *out, size_t len);

struct tern_writer {
  uint8_t *start;
  uint8_t *at;
  uint8_t *end;
  bool is_full; /* something did not fit */
};

static inline struct tern_writer tern_writer_of(void *data, size_t len)
{
  struct tern_writer writer = {(uint8_t *)data, (uint8_t *)data, (uint8_t *)data + len, false};
  return writer;
}

static inline size_t tern_writer_left(const struct tern_writer *writer)
{
  return (size_t)(writer->end - writer->at);
}

static inline size_t tern_writer_len(const struct tern_writer *writer)
{
  return (size_t)(writer->at - writer->start);
}

/* Room for `len` bytes that the caller fills, or NULL (and is_full). */
static inline uint8_t *tern_write_room(struct tern_writer *writer, size_t len)
{
  if (writer->is_full || len > tern_writer_left(writer)) {
    writer->is_full = true;
    return NULL;
  }
  uint8_t *room = writer->at;
  writer->at += len;
  return room;
}

static inline void tern_write_u8(struct tern_writer *writer, uint8_t value)
{
  uint8_t *room = tern_write_room(writer, 1);
  if (room != NULL)
    *room = value;
}

void tern_write_u16(struct tern_writer *writer, uint16_t value);
void tern_write_u24(struct tern_writer *writer, uint32_t value);
void tern_write_u32(struct tern_writer *writer, uint32_t value);
void tern_write_u64(struct tern_writer *writer, uint64_t value);

static inline void tern_write_bytes(struct tern_writer *writer, const void *data, size_t len)
{
  uint8_t *room = tern_write_room(writer, len);
  if (room != NULL && len != 0)
    memcpy(room, data, len);
}

static inline void tern_write_slice(struct tern_writer *writer, tern_slice slice)
{
  tern_write_bytes(writer, slice.data, slice.len);
}

#endif
