/* SPDX-License-Identifier: MIT */
/* Headers of versions 1 and 2, which differ only in the two type bits:
 *
 *              Initial  0-RTT  Handshake  Retry
 *   version 1     0       1        2        3     [rfc9000-17.2]
 *   version 2     1       2        3        0     [rfc9369-3.2] */
#include "wire/header.h"

#include <string.h>

#include "base/assert.h"
#include "wire/varint.h"

const char *tern_header_fault_name(enum tern_header_fault fault)
{
  switch (fault) {
  case TERN_HEADER_OK:
    return "ok";
  case TERN_HEADER_TRUNCATED:
    return "truncated";
  case TERN_HEADER_FORM:
    return "form";
  case TERN_HEADER_FIXED_BIT:
    return "fixed_bit";
  case TERN_HEADER_VERSION:
    return "version";
  case TERN_HEADER_CID_LENGTH:
    return "cid_length";
  case TERN_HEADER_LENGTH:
    return "length";
  case TERN_HEADER_TOO_SHORT:
    return "too_short";
  }
  return "unknown";
}

static enum tern_packet_type type_of_bits(uint32_t version, uint8_t first)
{
  static const enum tern_packet_type types[4] = {TERN_PACKET_INITIAL, TERN_PACKET_EARLY,
                                                 TERN_PACKET_HANDSHAKE, TERN_PACKET_RETRY};
  unsigned bits = (unsigned)first >> 4 & 3u;
  return types[version == TERN_VERSION_2 ? (bits + 3u) & 3u : bits];
}

static uint8_t bits_of_type(uint32_t version, enum tern_packet_type type)
{
  TERN_ASSERT(type <= TERN_PACKET_RETRY);
  unsigned bits = (unsigned)type;
  if (version == TERN_VERSION_2)
    bits = (bits + 1u) & 3u;
  return (uint8_t)(bits << 4);
}

/* One length byte and as many bytes. */
static bool read_cid(struct tern_reader *reader, tern_slice *cid)
{
  uint8_t len;
  return tern_read_u8(reader, &len) && tern_read_slice(reader, len, cid);
}

bool tern_header_read_invariant(struct tern_reader *reader, size_t short_cid_len,
                                struct tern_invariant *out)
{
  if (!tern_read_u8(reader, &out->first))
    return false;
  out->is_long = tern_header_is_long(out->first);
  out->version = 0;
  out->scid = tern_slice_of(NULL, 0);
  if (!out->is_long)
    return tern_read_slice(reader, short_cid_len, &out->dcid);
  return tern_read_u32(reader, &out->version) && read_cid(reader, &out->dcid) &&
         read_cid(reader, &out->scid);
}

/* Token and Length of a packet other than Retry. */
static enum tern_header_fault read_long_fields(struct tern_reader *reader,
                                               struct tern_long_header *out)
{
  uint64_t token_len;
  if (out->type == TERN_PACKET_INITIAL) {
    if (!tern_read_varint(reader, &token_len))
      return TERN_HEADER_TRUNCATED;
    if (!tern_read_slice(reader, token_len, &out->token))
      return TERN_HEADER_LENGTH;
  }
  if (!tern_read_varint(reader, &out->length))
    return TERN_HEADER_TRUNCATED;
  if (out->length > tern_reader_left(reader))
    return TERN_HEADER_LENGTH;
  /* [rfc9001-5.4.2] A packet that does not hold a complete sample MUST be discarded. */
  if (out->length < TERN_PACKET_NUMBER_LEN_MAX + TERN_SAMPLE_BYTES)
    return TERN_HEADER_TOO_SHORT;
  return TERN_HEADER_OK;
}

/* [rfc9000-17.2.5] The token is what is left before the tag. */
static enum tern_header_fault read_retry(struct tern_reader *reader, struct tern_long_header *out)
{
  size_t left = tern_reader_left(reader);
  if (left < TERN_SAMPLE_BYTES)
    return TERN_HEADER_TRUNCATED;
  return tern_read_slice(reader, left - TERN_SAMPLE_BYTES, &out->token) ? TERN_HEADER_OK
                                                                        : TERN_HEADER_TRUNCATED;
}

/* The part that is common to all long headers, checked for versions 1 and 2. */
static enum tern_header_fault read_long_common(struct tern_reader *reader, bool needs_fixed_bit,
                                               struct tern_long_header *out)
{
  struct tern_invariant invariant;
  if (!tern_header_read_invariant(reader, 0, &invariant))
    return TERN_HEADER_TRUNCATED;
  if (!invariant.is_long)
    return TERN_HEADER_FORM;
  if (!tern_version_is_known(invariant.version))
    return TERN_HEADER_VERSION;
  /* [rfc9000-17.2] A zero fixed bit is not valid and MUST be discarded, but for [rfc9287-3.1]. */
  if (needs_fixed_bit && (invariant.first & 0x40) == 0)
    return TERN_HEADER_FIXED_BIT;
  /* [rfc9000-17.2] More than 20 bytes: the packet MUST be dropped. */
  if (invariant.dcid.len > TERN_CID_MAX || invariant.scid.len > TERN_CID_MAX)
    return TERN_HEADER_CID_LENGTH;
  out->first = invariant.first;
  out->version = invariant.version;
  out->dcid = invariant.dcid;
  out->scid = invariant.scid;
  out->type = type_of_bits(invariant.version, invariant.first);
  out->token = tern_slice_of(NULL, 0);
  out->length = 0;
  return TERN_HEADER_OK;
}

enum tern_header_fault tern_header_read_long(struct tern_reader *reader, bool needs_fixed_bit,
                                             struct tern_long_header *out)
{
  const uint8_t *start = reader->at;
  enum tern_header_fault fault = read_long_common(reader, needs_fixed_bit, out);
  if (fault != TERN_HEADER_OK)
    return fault;
  bool is_retry = out->type == TERN_PACKET_RETRY;
  fault = is_retry ? read_retry(reader, out) : read_long_fields(reader, out);
  if (fault != TERN_HEADER_OK)
    return fault;
  out->pn_offset = (size_t)(reader->at - start);
  reader->at = is_retry ? reader->end : reader->at + out->length;
  out->packet_len = (size_t)(reader->at - start);
  return TERN_HEADER_OK;
}

enum tern_header_fault tern_header_read_short(struct tern_reader *reader, size_t cid_len,
                                              bool needs_fixed_bit, struct tern_short_header *out)
{
  out->packet_len = tern_reader_left(reader);
  out->pn_offset = 1 + cid_len;
  if (!tern_read_u8(reader, &out->first))
    return TERN_HEADER_TRUNCATED;
  if (tern_header_is_long(out->first))
    return TERN_HEADER_FORM;
  /* [rfc9000-17.3.1] A zero fixed bit: the packet MUST be discarded. */
  if (needs_fixed_bit && (out->first & 0x40) == 0)
    return TERN_HEADER_FIXED_BIT;
  if (!tern_read_slice(reader, cid_len, &out->dcid))
    return TERN_HEADER_TRUNCATED;
  if (tern_reader_left(reader) < TERN_PACKET_NUMBER_LEN_MAX + TERN_SAMPLE_BYTES)
    return TERN_HEADER_TOO_SHORT;
  reader->at = reader->end;
  return TERN_HEADER_OK;
}

/* ---- packet numbers ---------------------------------------------------------------------- */

size_t tern_packet_number_size(uint64_t next, uint64_t largest_acked)
{
  /* [rfc9000-17.1] More than twice the range between the largest acknowledged and this one. Before
   * anything is acknowledged the distance counts from -1, which also keeps the whole number. */
  uint64_t distance = largest_acked == TERN_PACKET_NUMBER_NONE ? next + 1 : next - largest_acked;
  if (distance < UINT64_C(1) << 7)
    return 1;
  if (distance < UINT64_C(1) << 15)
    return 2;
  return distance < UINT64_C(1) << 23 ? 3 : 4;
}

uint64_t tern_packet_number_decode(uint64_t largest, uint64_t truncated, unsigned bits)
{
  /* [rfc9000-A.3] The candidate within half a window of the expected number; the last two conditions
   * keep it in 0 to 2^62 - 1. TERN_PACKET_NUMBER_NONE + 1 is 0, as it should be. */
  uint64_t expected = largest + 1;
  uint64_t window = UINT64_C(1) << bits;
  uint64_t half = window / 2;
  uint64_t candidate = (expected & ~(window - 1)) | truncated;
  if (candidate + half <= expected && candidate < (UINT64_C(1) << 62) - window)
    return candidate + window;
  if (candidate > expected + half && candidate >= window)
    return candidate - window;
  return candidate;
}

void tern_write_packet_number(struct tern_writer *writer, uint64_t pn, size_t len)
{
  TERN_ASSERT(len >= 1 && len <= TERN_PACKET_NUMBER_LEN_MAX);
  uint8_t *room = tern_write_room(writer, len);
  if (room == NULL)
    return;
  for (size_t i = len; i-- > 0; pn >>= 8)
    room[i] = (uint8_t)pn;
}

/* ---- writing ----------------------------------------------------------------------------- */

static void write_cid(struct tern_writer *writer, tern_slice cid)
{
  TERN_ASSERT(cid.len <= TERN_CID_MAX);
  tern_write_u8(writer, (uint8_t)cid.len);
  tern_write_slice(writer, cid);
}

size_t tern_header_size_long(const struct tern_long_header_args *args)
{
  size_t size = 1 + 4 + 1 + args->dcid.len + 1 + args->scid.len;
  if (args->type == TERN_PACKET_INITIAL)
    size += tern_varint_size(args->token.len) + args->token.len;
  return size + TERN_HEADER_LENGTH_BYTES + args->pn_len;
}

void tern_header_write_long(struct tern_writer *writer, const struct tern_long_header_args *args,
                            size_t *length_at)
{
  TERN_ASSERT(args->type != TERN_PACKET_RETRY && tern_version_is_known(args->version));
  TERN_ASSERT(args->pn_len >= 1 && args->pn_len <= TERN_PACKET_NUMBER_LEN_MAX);
  unsigned first = 0x80u | bits_of_type(args->version, args->type) | (unsigned)(args->pn_len - 1);
  if (!args->clear_fixed_bit)
    first |= 0x40u;
  tern_write_u8(writer, (uint8_t)first);
  tern_write_u32(writer, args->version);
  write_cid(writer, args->dcid);
  write_cid(writer, args->scid);
  if (args->type == TERN_PACKET_INITIAL) {
    tern_write_varint(writer, args->token.len);
    tern_write_slice(writer, args->token);
  }
  *length_at = tern_writer_len(writer);
  tern_write_varint_sized(writer, 0, TERN_HEADER_LENGTH_BYTES);
  tern_write_packet_number(writer, args->pn, args->pn_len);
}

void tern_header_patch_length(struct tern_writer *writer, size_t length_at, size_t more)
{
  if (writer->is_full)
    return;
  TERN_ASSERT(length_at + TERN_HEADER_LENGTH_BYTES <= tern_writer_len(writer));
  size_t length = tern_writer_len(writer) - length_at - TERN_HEADER_LENGTH_BYTES + more;
  TERN_ASSERT(length <= TERN_HEADER_LENGTH_MAX);
  writer->start[length_at] = (uint8_t)(0x40u | (unsigned)(length >> 8));
  writer->start[length_at + 1] = (uint8_t)length;
}

void tern_header_write_short(struct tern_writer *writer, const struct tern_short_header_args *args)
{
  TERN_ASSERT(args->pn_len >= 1 && args->pn_len <= TERN_PACKET_NUMBER_LEN_MAX);
  unsigned first = (unsigned)(args->pn_len - 1);
  if (!args->clear_fixed_bit)
    first |= 0x40u;
  if (args->spin)
    first |= 0x20u;
  if (args->key_phase)
    first |= 0x04u;
  tern_write_u8(writer, (uint8_t)first);
  tern_write_slice(writer, args->dcid);
  tern_write_packet_number(writer, args->pn, args->pn_len);
}
