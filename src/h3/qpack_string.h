/* SPDX-License-Identifier: MIT */
/* A string literal read in pieces: raw bytes or Huffman code go decoded to the end of a buffer. A
 * string that cannot fit is refused when its length is known, before its bytes come [rfc9204-7.4]. */
#ifndef TERN_H3_QPACK_STRING_H
#define TERN_H3_QPACK_STRING_H

#include <tern/base.h>

#include "h3/buf.h"
#include "h3/huffman.h"

struct tern_qpack_string {
  struct tern_huffman_decoder huffman;
  uint64_t left; /* encoded bytes still to come */
  size_t max;    /* decoded bytes that may still be written */
  bool is_huffman;
};

enum tern_qpack_string_result {
  TERN_QPACK_STRING_MORE,
  TERN_QPACK_STRING_DONE,
  TERN_QPACK_STRING_TOO_LONG,
  TERN_QPACK_STRING_ERROR, /* no Huffman code, or bad padding */
  TERN_QPACK_STRING_NO_MEMORY,
};

/* `len` is the encoded length, `max` the most decoded bytes. False: it cannot fit. */
bool tern_qpack_string_start(struct tern_qpack_string *string, bool is_huffman, uint64_t len,
                             size_t max);
/* Takes what belongs to the string from `*at` on and appends it to `text`. Right after start it may be
 * called without bytes: an empty string is done at once. */
enum tern_qpack_string_result tern_qpack_string_feed(struct tern_qpack_string *string,
                                                     struct tern_buf *text, const uint8_t **at,
                                                     const uint8_t *end);

#endif
