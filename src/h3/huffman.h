/* SPDX-License-Identifier: MIT */
/* The static Huffman code of RFC 7541 appendix B, which QPACK uses unchanged [rfc9204-4.1.2].
 *
 * The code is canonical: codes grow with their length, and with the symbol inside one length. So a
 * code is found by comparing the next 30 bits, left-aligned, with the first code of each length; the
 * lengths 5 to 8, nearly everything in practice, come from one 256-entry table. */
#ifndef TERN_H3_HUFFMAN_H
#define TERN_H3_HUFFMAN_H

#include <tern/base.h>

/* Shortest and longest code in bits: n encoded bytes are at most 8n/5 and at least (8n-7)/30
 * symbols. */
#define TERN_HUFFMAN_BITS_MIN 5
#define TERN_HUFFMAN_BITS_MAX 30

/* Bytes that `data` takes when encoded, padding included. */
size_t tern_huffman_size(const uint8_t *data, size_t len);
/* Writes exactly tern_huffman_size bytes and returns the end. */
uint8_t *tern_huffman_encode(uint8_t *out, const uint8_t *data, size_t len);

/* Decodes in pieces of any size. */
struct tern_huffman_decoder {
  uint64_t bits; /* the next bits, left-aligned; zero below `count` */
  uint32_t count;
};

static inline void tern_huffman_decoder_init(struct tern_huffman_decoder *decoder)
{
  decoder->bits = 0;
  decoder->count = 0;
}

enum tern_huffman_result {
  TERN_HUFFMAN_OK,    /* all of `in` was taken */
  TERN_HUFFMAN_FULL,  /* `out` is full with symbols left to write */
  TERN_HUFFMAN_ERROR, /* EOS, or no code */
};

struct tern_huffman_io {
  const uint8_t *in;
  size_t in_len;
  uint8_t *out;
  size_t out_capacity;
  size_t out_len; /* written by the call */
};

/* Takes `io->in`, writes what is decided. After FULL the result is useless but safe. */
enum tern_huffman_result tern_huffman_decode(struct tern_huffman_decoder *decoder,
                                             struct tern_huffman_io *io);
/* At the end of the string: the rest is padding, shorter than 8 bits and all ones
 * [rfc7541-5.2]. */
bool tern_huffman_decoder_is_done(const struct tern_huffman_decoder *decoder);

#endif
