/* SPDX-License-Identifier: MIT */
/* [rfc7541-5.1] and [rfc7541-5.2]; see the header. */
#include "h3/qpack_int.h"

#include <string.h>

#include "h3/huffman.h"

enum tern_qpack_int_result tern_qpack_int_start(struct tern_qpack_int *integer, uint8_t byte,
                                                uint8_t prefix_bits)
{
  uint8_t ones = (uint8_t)((1U << prefix_bits) - 1);
  integer->value = byte & ones;
  integer->shift = 0;
  integer->bytes = 1;
  return integer->value < ones ? TERN_QPACK_INT_DONE : TERN_QPACK_INT_MORE;
}

enum tern_qpack_int_result tern_qpack_int_next(struct tern_qpack_int *integer, uint8_t byte)
{
  uint64_t group = byte & 0x7fU;
  /* After nine groups 63 bits are full: a tenth may only be zero padding. */
  if (integer->shift > 56 && group != 0)
    return TERN_QPACK_INT_ERROR;
  if (group != 0)
    integer->value += group << integer->shift;
  if (integer->value > TERN_QPACK_INT_MAX)
    return TERN_QPACK_INT_ERROR;
  integer->shift = (uint8_t)(integer->shift + 7);
  integer->bytes++;
  if ((byte & 0x80) == 0)
    return TERN_QPACK_INT_DONE;
  return integer->bytes < TERN_QPACK_INT_BYTES_MAX ? TERN_QPACK_INT_MORE : TERN_QPACK_INT_ERROR;
}

uint8_t *tern_qpack_int_write(uint8_t *out, uint8_t pattern, uint8_t prefix_bits, uint64_t value)
{
  uint8_t ones = (uint8_t)((1U << prefix_bits) - 1);
  if (value < ones) {
    *out++ = (uint8_t)(pattern | value);
    return out;
  }
  *out++ = (uint8_t)(pattern | ones);
  value -= ones;
  while (value >= 128) {
    *out++ = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  *out++ = (uint8_t)value;
  return out;
}

uint8_t *tern_qpack_string_write(uint8_t *out, uint8_t pattern, uint8_t prefix_bits,
                                 tern_slice text)
{
  uint8_t length_bits = (uint8_t)(prefix_bits - 1);
  size_t size = tern_huffman_size(text.data, text.len);
  if (size < text.len) {
    out = tern_qpack_int_write(out, (uint8_t)(pattern | (1U << length_bits)), length_bits, size);
    return tern_huffman_encode(out, text.data, text.len);
  }
  out = tern_qpack_int_write(out, pattern, length_bits, text.len);
  if (text.len != 0)
    memcpy(out, text.data, text.len);
  return out + text.len;
}
