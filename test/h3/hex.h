/* SPDX-License-Identifier: MIT */
/* Bytes written as hex, with blanks where they help. For tests only. */
#ifndef TERN_TEST_HEX_H
#define TERN_TEST_HEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Returns how many bytes. */
static inline size_t from_hex(const char *hex, uint8_t *out)
{
  size_t len = 0;
  unsigned byte;
  while (*hex != 0) {
    if (*hex == ' ') {
      hex++;
      continue;
    }
    if (sscanf(hex, "%2x", &byte) != 1)
      break;
    out[len++] = (uint8_t)byte;
    hex += 2;
  }
  return len;
}

#endif
