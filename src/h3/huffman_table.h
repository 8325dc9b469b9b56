/* SPDX-License-Identifier: MIT */
/* Tables of the Huffman code, derived from RFC 7541 appendix B. */
#ifndef TERN_H3_HUFFMAN_TABLE_H
#define TERN_H3_HUFFMAN_TABLE_H

#include <stdint.h>

/* By symbol, 256 is EOS. */
struct tern_huffman_code {
  uint32_t code; /* right-aligned */
  uint8_t bits;
};
extern const struct tern_huffman_code tern_huffman_codes[257];

/* Symbols ordered by code; `tern_huffman_ranks` finds the place of a code in it. */
extern const uint16_t tern_huffman_order[257];

/* One entry per code length that occurs, ascending: codes below `limit` (left-aligned in 32 bits,
 * exclusive) have at most `bits` bits; those of exactly `bits` start with
 * `first`, whose symbol is tern_huffman_order[rank]. */
struct tern_huffman_rank {
  uint64_t limit;
  uint32_t first;
  uint16_t rank;
  uint8_t bits;
};
#define TERN_HUFFMAN_RANKS 21
extern const struct tern_huffman_rank tern_huffman_ranks[TERN_HUFFMAN_RANKS];

/* By the next 8 bits: the symbol and its length, or length 0 if the code is longer than 8. */
struct tern_huffman_short {
  uint8_t symbol;
  uint8_t bits;
};
extern const struct tern_huffman_short tern_huffman_shorts[256];

#endif
