/* SPDX-License-Identifier: MIT */
/* The Range field (RFC 9110 14.2), for one range of bytes. */
#ifndef TERN_TOOLS_BYTE_RANGE_H
#define TERN_TOOLS_BYTE_RANGE_H

#include <stddef.h>
#include <stdint.h>

enum tern_byte_range_result {
  TERN_BYTE_RANGE_IGNORED, /* not there, not understood or several: send the whole */
  TERN_BYTE_RANGE_GOOD,
  TERN_BYTE_RANGE_UNSATISFIABLE, /* 416 */
};

/* Half-open. */
struct tern_byte_range {
  uint64_t from;
  uint64_t to;
};

/* Of a body of `size` bytes. `range` is set if the result is good. */
enum tern_byte_range_result tern_byte_range_parse(const char *text, size_t len, uint64_t size,
                                                  struct tern_byte_range *range);

#endif
