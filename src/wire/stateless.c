/* SPDX-License-Identifier: MIT */
/* Datagrams that need no connection. */
#include "wire/stateless.h"

#include <string.h>

#include "base/assert.h"

static void write_long_cid(struct tern_writer *writer, tern_slice cid)
{
  TERN_ASSERT(cid.len <= 255);
  tern_write_u8(writer, (uint8_t)cid.len);
  tern_write_slice(writer, cid);
}

/* ---- Version Negotiation ----------------------------------------------------------------- */

void tern_version_negotiation_write(struct tern_writer *writer,
                                    const struct tern_version_negotiation_args *args)
{
  /* [rfc9000-17.2.1] The unused bits are arbitrary, but 0x40 SHOULD be set, so that it is not taken for
   * another protocol [rfc7983]. */
  tern_write_u8(writer, (uint8_t)(0xc0u | (args->random >> 24 & 0x3fu)));
  tern_write_u32(writer, TERN_VERSION_NEGOTIATION);
  /* [rfc9000-17.2.1] The client's ids, exchanged. */
  write_long_cid(writer, args->dcid);
  write_long_cid(writer, args->scid);
  /* [rfc9000-6.3] A reserved version keeps clients from ignoring the list's content. */
  tern_write_u32(writer, (args->random & 0xf0f0f0f0u) | 0x0a0a0a0au);
  for (size_t i = 0; i < args->versions_count; i++)
    tern_write_u32(writer, args->versions[i]);
}

bool tern_version_negotiation_read(struct tern_reader *reader, tern_slice *versions)
{
  size_t left = tern_reader_left(reader);
  return left >= 4 && left % 4 == 0 && tern_read_slice(reader, left, versions);
}

bool tern_version_negotiation_has(tern_slice versions, uint32_t version)
{
  struct tern_reader reader = tern_reader_of(versions.data, versions.len);
  uint32_t offered;
  while (tern_read_u32(&reader, &offered)) {
    if (offered == version)
      return true;
  }
  return false;
}

uint32_t tern_version_negotiation_choose(tern_slice versions, const uint32_t *ours, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (tern_version_negotiation_has(versions, ours[i]))
      return ours[i];
  }
  return 0;
}

/* ---- Retry ------------------------------------------------------------------------------- */

void tern_retry_write(struct tern_writer *writer, const struct tern_retry_args *args)
{
  TERN_ASSERT(args->token.len != 0 && tern_version_is_known(args->version));
  /* The type is 3 in version 1 [rfc9000-17.2.5] and 0 in version 2 [rfc9369-3.2]. */
  unsigned type = args->version == TERN_VERSION_2 ? 0x00u : 0x30u;
  tern_write_u8(writer, (uint8_t)(0xc0u | type | (args->random & 0x0fu)));
  tern_write_u32(writer, args->version);
  write_long_cid(writer, args->dcid);
  write_long_cid(writer, args->scid);
  tern_write_slice(writer, args->token);
}

void tern_retry_write_pseudo_header(struct tern_writer *writer, tern_slice original_dcid)
{
  write_long_cid(writer, original_dcid);
}

/* ---- Stateless Reset --------------------------------------------------------------------- */

size_t tern_reset_size(size_t trigger_bytes)
{
  /* [rfc9000-10.3.3] Every Stateless Reset MUST be smaller than the packet that triggered it. */
  if (trigger_bytes <= TERN_RESET_BYTES_MIN)
    return 0;
  /* [rfc9000-10.3] To a packet of 43 bytes or shorter, one that is one byte shorter. */
  if (trigger_bytes <= TERN_RESET_BYTES_USUAL)
    return trigger_bytes - 1;
  return TERN_RESET_BYTES_USUAL;
}

void tern_reset_write(struct tern_writer *writer, size_t size, const uint8_t *random,
                      const uint8_t token[TERN_RESET_TOKEN_BYTES])
{
  TERN_ASSERT(size >= TERN_RESET_BYTES_MIN);
  uint8_t *room = tern_write_room(writer, size);
  if (room == NULL)
    return;
  memcpy(room, random, size - TERN_RESET_TOKEN_BYTES);
  /* [rfc9000-10.3] Fixed bits 01: a short header. */
  room[0] = (uint8_t)((room[0] & 0x3fu) | 0x40u);
  memcpy(room + size - TERN_RESET_TOKEN_BYTES, token, TERN_RESET_TOKEN_BYTES);
}

const uint8_t *tern_reset_find_token(tern_slice datagram)
{
  if (datagram.len < TERN_RESET_BYTES_MIN)
    return NULL;
  return datagram.data + datagram.len - TERN_RESET_TOKEN_BYTES;
}

bool tern_reset_token_equal(const uint8_t a[TERN_RESET_TOKEN_BYTES],
                            const uint8_t b[TERN_RESET_TOKEN_BYTES])
{
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < TERN_RESET_TOKEN_BYTES; i++)
    difference = (uint8_t)(difference | (a[i] ^ b[i]));
  return difference == 0;
}
