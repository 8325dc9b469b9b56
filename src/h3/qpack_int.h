/* SPDX-License-Identifier: MIT */
/* Prefix integers and string literals, the two primitives of QPACK [rfc9204-4.1].
 *
 *   +-------------------------+      value < 2^n - 1: in the prefix itself
 *   | pattern |  n-bit prefix |      otherwise: prefix all ones, then value - (2^n - 1) in groups
 *   +-------------------------+      of 7 bits, least significant first, top bit = more follows
 *
 * Reading is incremental: a byte at a time, in any split. Values up to 2^62 - 1 are taken
 * [rfc9204-4.1.1]; longer ones, and encodings padded beyond ten bytes, are refused [rfc9204-7.4]. */
#ifndef TERN_H3_QPACK_INT_H
#define TERN_H3_QPACK_INT_H

#include <tern/base.h>

#define TERN_QPACK_INT_MAX ((UINT64_C(1) << 62) - 1)
/* Longest encoding of a value up to TERN_QPACK_INT_MAX with any prefix, and what we accept. */
#define TERN_QPACK_INT_BYTES_MAX 11

struct tern_qpack_int {
  uint64_t value;
  uint8_t shift;
  uint8_t bytes;
};

enum tern_qpack_int_result { TERN_QPACK_INT_MORE, TERN_QPACK_INT_DONE, TERN_QPACK_INT_ERROR };

/* With the first byte, of which the low `prefix_bits` (1 to 8) count. */
enum tern_qpack_int_result tern_qpack_int_start(struct tern_qpack_int *integer, uint8_t byte,
                                                uint8_t prefix_bits);
/* With each further byte, after MORE. */
enum tern_qpack_int_result tern_qpack_int_next(struct tern_qpack_int *integer, uint8_t byte);

/* Writes `value`; `pattern` gives the bits above the prefix. Needs at most TERN_QPACK_INT_BYTES_MAX
 * bytes; returns the end. */
uint8_t *tern_qpack_int_write(uint8_t *out, uint8_t pattern, uint8_t prefix_bits, uint64_t value);

/* Writes a string literal, Huffman-coded if that is shorter. The H bit is bit `prefix_bits - 1`, the
 * length has the bits below. Needs at most `text.len` + TERN_QPACK_INT_BYTES_MAX bytes. */
uint8_t *tern_qpack_string_write(uint8_t *out, uint8_t pattern, uint8_t prefix_bits,
                                 tern_slice text);

#endif
