/* SPDX-License-Identifier: MIT */
/* Frame headers and SETTINGS; see the header. */
#include "h3/h3_frame.h"

#include "wire/varint.h"

bool tern_h3_varint_feed(struct tern_h3_varint *varint, const uint8_t **at, const uint8_t *end,
                         uint64_t *out)
{
  while (*at < end) {
    uint8_t byte = *(*at)++;
    if (varint->have == 0) {
      varint->need = (uint8_t)(1U << (byte >> 6));
      varint->value = byte & 0x3fU;
    } else {
      varint->value = varint->value << 8 | byte;
    }
    if (++varint->have == varint->need) {
      *out = varint->value;
      varint->have = 0;
      return true;
    }
  }
  return false;
}

bool tern_h3_frame_feed(struct tern_h3_frame_reader *reader, const uint8_t **at, const uint8_t *end)
{
  if (!reader->has_type) {
    if (!tern_h3_varint_feed(&reader->varint, at, end, &reader->type))
      return false;
    reader->has_type = true;
  }
  if (!tern_h3_varint_feed(&reader->varint, at, end, &reader->left))
    return false;
  reader->is_open = true;
  return true;
}

void tern_h3_frame_take(struct tern_h3_frame_reader *reader, uint64_t len)
{
  TERN_ASSERT(reader->is_open && len <= reader->left);
  reader->left -= len;
}

void tern_h3_frame_close(struct tern_h3_frame_reader *reader)
{
  TERN_ASSERT(reader->is_open && reader->left == 0);
  reader->is_open = false;
  reader->has_type = false;
}

bool tern_h3_frame_is_between(const struct tern_h3_frame_reader *reader)
{
  return !reader->is_open && !reader->has_type && reader->varint.have == 0;
}

bool tern_h3_frame_is_forbidden(uint64_t type)
{
  return type == 0x02 || type == 0x06 || type == 0x08 || type == 0x09;
}

const char *tern_h3_frame_name(uint64_t type)
{
  switch (type) {
  case TERN_H3_FRAME_DATA:
    return "DATA";
  case TERN_H3_FRAME_HEADERS:
    return "HEADERS";
  case TERN_H3_FRAME_CANCEL_PUSH:
    return "CANCEL_PUSH";
  case TERN_H3_FRAME_SETTINGS:
    return "SETTINGS";
  case TERN_H3_FRAME_PUSH_PROMISE:
    return "PUSH_PROMISE";
  case TERN_H3_FRAME_GOAWAY:
    return "GOAWAY";
  case TERN_H3_FRAME_MAX_PUSH_ID:
    return "MAX_PUSH_ID";
  default:
    return "unknown";
  }
}

bool tern_h3_frame_is_known(uint64_t type)
{
  return type <= TERN_H3_FRAME_MAX_PUSH_ID && tern_h3_frame_name(type)[0] != 'u';
}

size_t tern_h3_frame_write(uint8_t *out, uint64_t type, uint64_t len)
{
  struct tern_writer writer = tern_writer_of(out, TERN_H3_FRAME_HEADER_MAX);
  tern_write_varint(&writer, type);
  tern_write_varint(&writer, len);
  return tern_writer_len(&writer);
}

size_t tern_h3_frame_header_size(uint64_t type, uint64_t len)
{
  return tern_varint_size(type) + tern_varint_size(len);
}

/* ---- settings ------------------------------------------------------------------------------ */

enum setting {
  QPACK_MAX_TABLE_CAPACITY = 0x01,
  MAX_FIELD_SECTION_SIZE = 0x06,
  QPACK_BLOCKED_STREAMS = 0x07,
  ENABLE_CONNECT_PROTOCOL = 0x08,
  H3_DATAGRAM = 0x33,
};

void tern_h3_settings_init(struct tern_h3_settings *settings)
{
  *settings = (struct tern_h3_settings){.field_section_max = UINT64_MAX};
}

static bool read_flag(bool *flag, uint64_t value)
{
  *flag = value == 1;
  return value <= 1; /* [rfc8441-3] [rfc9297-2.1.1] other values are errors */
}

static bool read_setting(struct tern_h3_settings *settings, uint64_t id, uint64_t value)
{
  switch (id) {
  case QPACK_MAX_TABLE_CAPACITY:
    settings->table_bytes = value;
    return true;
  case MAX_FIELD_SECTION_SIZE:
    settings->field_section_max = value;
    return true;
  case QPACK_BLOCKED_STREAMS:
    settings->blocked_streams = value;
    return true;
  case ENABLE_CONNECT_PROTOCOL:
    return read_flag(&settings->extended_connect, value);
  case H3_DATAGRAM:
    return read_flag(&settings->datagrams, value);
  case 0x00:
  case 0x02:
  case 0x03:
  case 0x04:
  case 0x05:
    return false; /* [rfc9114-7.2.4.1] HTTP/2 settings are connection errors */
  default:
    return true; /* [rfc9114-7.2.4] unknown ones are ignored */
  }
}

/* [rfc9114-7.2.4] Did this identifier occur before `end`? The frame is at most TERN_CAP_H3_SETTINGS
 * bytes long, so looking back is cheap. */
static bool is_repeated(tern_slice payload, const uint8_t *end, uint64_t id)
{
  struct tern_reader reader = tern_reader_of(payload.data, (size_t)(end - payload.data));
  uint64_t other = 0;
  uint64_t value = 0;
  while (tern_read_varint(&reader, &other) && tern_read_varint(&reader, &value)) {
    if (other == id)
      return true;
  }
  return false;
}

uint64_t tern_h3_settings_read(struct tern_h3_settings *settings, tern_slice payload)
{
  struct tern_reader reader = tern_reader_of(payload.data, payload.len);
  while (tern_reader_left(&reader) > 0) {
    const uint8_t *start = reader.at;
    uint64_t id;
    uint64_t value;
    if (!tern_read_varint(&reader, &id) || !tern_read_varint(&reader, &value))
      return TERN_H3_FRAME_ERROR; /* [rfc9114-7.1] */
    if (is_repeated(payload, start, id) || !read_setting(settings, id, value))
      return TERN_H3_SETTINGS_ERROR;
  }
  return 0;
}

static void write_setting(struct tern_writer *writer, uint64_t id, uint64_t value)
{
  tern_write_varint(writer, id);
  tern_write_varint(writer, value);
}

size_t tern_h3_settings_write(uint8_t *out, const struct tern_h3_settings *settings,
                              uint64_t grease)
{
  uint8_t payload[64];
  struct tern_writer body = tern_writer_of(payload, sizeof(payload));
  if (settings->table_bytes != 0)
    write_setting(&body, QPACK_MAX_TABLE_CAPACITY, settings->table_bytes);
  if (settings->field_section_max != UINT64_MAX)
    write_setting(&body, MAX_FIELD_SECTION_SIZE, settings->field_section_max);
  if (settings->blocked_streams != 0)
    write_setting(&body, QPACK_BLOCKED_STREAMS, settings->blocked_streams);
  if (settings->extended_connect)
    write_setting(&body, ENABLE_CONNECT_PROTOCOL, 1);
  if (settings->datagrams)
    write_setting(&body, H3_DATAGRAM, 1);
  if (grease != 0) /* [rfc9114-7.2.4.1] SHOULD include at least one */
    write_setting(&body, TERN_H3_GREASE(grease % 1000), grease % 64);
  size_t len = tern_h3_frame_write(out, TERN_H3_FRAME_SETTINGS, tern_writer_len(&body));
  memcpy(out + len, payload, tern_writer_len(&body));
  return len + tern_writer_len(&body);
}
