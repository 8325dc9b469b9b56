/* SPDX-License-Identifier: MIT */
/* A datagram: byte 0 is the length of our connection ids, the rest is walked as an endpoint does:
 * invariant header, coalesced long headers, a short header, Version Negotiation, Retry, Stateless
 * Reset. What is read is written again and read back. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "wire/header.h"
#include "wire/stateless.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(tern_slice slice, const uint8_t *data, size_t size)
{
  return slice.len == 0 || (slice.data >= data && slice.data + slice.len <= data + size);
}

static bool is_same(tern_slice a, tern_slice b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void check_long(const struct tern_long_header *header)
{
  static uint8_t bytes[70000];
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  struct tern_long_header_args args = {0};
  size_t length_at;
  args.type = header->type;
  args.version = header->version;
  args.dcid = header->dcid;
  args.scid = header->scid;
  args.token = header->token;
  args.pn_len = tern_header_pn_len(header->first);
  tern_header_write_long(&writer, &args, &length_at);
  TERN_ASSERT(tern_write_room(&writer, 32) != NULL);
  tern_header_patch_length(&writer, length_at, 0);
  struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
  struct tern_long_header back;
  TERN_ASSERT(tern_header_read_long(&reader, true, &back) == TERN_HEADER_OK);
  TERN_ASSERT(back.type == header->type && back.version == header->version);
  TERN_ASSERT(is_same(back.dcid, header->dcid) && is_same(back.scid, header->scid));
  TERN_ASSERT(is_same(back.token, header->token));
  TERN_ASSERT(back.length == args.pn_len + 32);
}

/* Walks long headers as far as they go. */
static void walk(const uint8_t *data, size_t size, bool needs_fixed_bit)
{
  struct tern_reader reader = tern_reader_of(data, size);
  while (tern_reader_left(&reader) != 0) {
    const uint8_t *start = reader.at;
    struct tern_long_header header;
    if (tern_header_read_long(&reader, needs_fixed_bit, &header) != TERN_HEADER_OK)
      return;
    TERN_ASSERT(reader.at > start && reader.at <= reader.end);
    TERN_ASSERT(start + header.packet_len == reader.at);
    TERN_ASSERT(header.dcid.len <= TERN_CID_MAX && header.scid.len <= TERN_CID_MAX);
    TERN_ASSERT(is_within(header.dcid, data, size) && is_within(header.token, data, size));
    TERN_ASSERT(header.pn_offset + TERN_SAMPLE_BYTES <= header.packet_len);
    if (header.type != TERN_PACKET_RETRY) {
      TERN_ASSERT(header.pn_offset + 20 <= header.packet_len);
      check_long(&header);
    }
  }
}

static void check_short(const uint8_t *data, size_t size, size_t cid_len)
{
  struct tern_reader reader = tern_reader_of(data, size);
  struct tern_short_header header;
  if (tern_header_read_short(&reader, cid_len, false, &header) != TERN_HEADER_OK)
    return;
  TERN_ASSERT(header.packet_len == size && header.pn_offset + 20 <= size);
  TERN_ASSERT(is_within(header.dcid, data, size) && header.dcid.len == cid_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1 || size > 65536)
    return 0;
  size_t cid_len = data[0] % 21;
  bool needs_fixed_bit = data[0] < 128;
  data++;
  size--;
  struct tern_reader reader = tern_reader_of(data, size);
  struct tern_invariant invariant;
  tern_slice list;
  if (tern_header_read_invariant(&reader, cid_len, &invariant)) {
    TERN_ASSERT(is_within(invariant.dcid, data, size) && is_within(invariant.scid, data, size));
    if (invariant.is_long && invariant.version == 0 &&
        tern_version_negotiation_read(&reader, &list))
      TERN_ASSERT(list.len % 4 == 0 && is_within(list, data, size));
  }
  walk(data, size, needs_fixed_bit);
  check_short(data, size, cid_len);
  const uint8_t *token = tern_reset_find_token(tern_slice_of(data, size));
  TERN_ASSERT(token == NULL || token + TERN_RESET_TOKEN_BYTES == data + size);
  return 0;
}
