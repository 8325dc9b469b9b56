/* SPDX-License-Identifier: MIT */
/* Encoder: a 64-bit accumulator that is written out 32 bits at a time. Decoder: a 64-bit window that
 * is refilled a byte (or, far from the end of the input, eight bytes) at a time. */
#include "h3/huffman.h"

#include "h3/huffman_table.h"

#define SYMBOL_EOS 256

size_t tern_huffman_size(const uint8_t *data, size_t len)
{
  uint64_t bits = 0;
  for (size_t i = 0; i < len; i++)
    bits += tern_huffman_codes[data[i]].bits;
  return (size_t)((bits + 7) / 8);
}

uint8_t *tern_huffman_encode(uint8_t *out, const uint8_t *data, size_t len)
{
  uint64_t bits = 0; /* the low `count` bits wait */
  uint32_t count = 0;
  for (size_t i = 0; i < len; i++) {
    const struct tern_huffman_code *code = &tern_huffman_codes[data[i]];
    bits = (bits << code->bits) | code->code;
    count += code->bits;
    while (count >= 32) {
      count -= 32;
      uint32_t word = (uint32_t)(bits >> count);
      *out++ = (uint8_t)(word >> 24);
      *out++ = (uint8_t)(word >> 16);
      *out++ = (uint8_t)(word >> 8);
      *out++ = (uint8_t)word;
    }
  }
  while (count >= 8) {
    count -= 8;
    *out++ = (uint8_t)(bits >> count);
  }
  if (count > 0) /* [rfc7541-5.2] the rest of the byte is the start of EOS: ones */
    *out++ = (uint8_t)((bits << (8 - count)) | (0xffU >> count));
  return out;
}

/* The code at the front of a window of 32 bits: its length, and its symbol in `*symbol`. */
static uint32_t find_long(uint32_t window, uint32_t *symbol)
{
  const struct tern_huffman_rank *rank = tern_huffman_ranks;
  while (window >= rank->limit)
    rank++;
  uint32_t distance = (window - rank->first) >> (32 - rank->bits);
  *symbol = tern_huffman_order[rank->rank + distance];
  return rank->bits;
}

/* Fills the window from the input, as far as there is some. Far from the end it takes eight bytes at
 * once and counts the whole ones; the rest of them is put in again, to the same value, by the next
 * refill. */
static const uint8_t *refill(struct tern_huffman_decoder *decoder, const uint8_t *in,
                             const uint8_t *end)
{
  if (end - in >= 8) {
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) /* one load and a swap */
      word = word << 8 | in[i];
    decoder->bits |= word >> decoder->count;
    in += (63 - decoder->count) >> 3;
    decoder->count |= 56;
    return in;
  }
  while (decoder->count <= 56 && in < end) {
    decoder->bits |= (uint64_t)*in++ << (56 - decoder->count);
    decoder->count += 8;
  }
  return in;
}

/* Decodes from the window until fewer bits than the next code are left. */
static enum tern_huffman_result decode_window(struct tern_huffman_decoder *decoder, uint8_t **out,
                                              const uint8_t *out_end)
{
  uint64_t bits = decoder->bits;
  uint32_t count = decoder->count;
  uint8_t *at = *out;
  enum tern_huffman_result result = TERN_HUFFMAN_OK;
  while (count >= TERN_HUFFMAN_BITS_MIN) {
    struct tern_huffman_short entry = tern_huffman_shorts[bits >> 56];
    uint32_t symbol = entry.symbol;
    uint32_t used = entry.bits;
    if (used == 0)
      used = find_long((uint32_t)(bits >> 32), &symbol);
    if (used > count)
      break;
    if (symbol == SYMBOL_EOS || at == out_end) {
      /* [rfc7541-5.2] a string that contains EOS is an error */
      result = symbol == SYMBOL_EOS ? TERN_HUFFMAN_ERROR : TERN_HUFFMAN_FULL;
      break;
    }
    *at++ = (uint8_t)symbol;
    bits <<= used;
    count -= used;
  }
  decoder->bits = bits;
  decoder->count = count;
  *out = at;
  return result;
}

enum tern_huffman_result tern_huffman_decode(struct tern_huffman_decoder *decoder,
                                             struct tern_huffman_io *io)
{
  const uint8_t *in = io->in;
  const uint8_t *end = in + io->in_len;
  uint8_t *out = io->out;
  const uint8_t *out_end = out + io->out_capacity;
  enum tern_huffman_result result = TERN_HUFFMAN_OK;
  while (result == TERN_HUFFMAN_OK && in < end) {
    in = refill(decoder, in, end);
    result = decode_window(decoder, &out, out_end);
  }
  io->out_len = (size_t)(out - io->out);
  return result;
}

bool tern_huffman_decoder_is_done(const struct tern_huffman_decoder *decoder)
{
  /* [rfc7541-5.2] padding longer than 7 bits, or that is not the start of EOS, is an error */
  if (decoder->count > 7)
    return false;
  uint64_t ones = decoder->count == 0 ? 0 : UINT64_MAX << (64 - decoder->count);
  return (decoder->bits & ones) == ones;
}
