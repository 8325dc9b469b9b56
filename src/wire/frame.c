/* SPDX-License-Identifier: MIT */
/* frames.def as an array. */
#include "wire/frame.h"

#include "base/assert.h"

#define I TERN_FRAME_IN_INITIAL
#define H TERN_FRAME_IN_HANDSHAKE
#define E TERN_FRAME_IN_EARLY
#define A TERN_FRAME_IN_APP

const struct tern_frame_info tern_frame_table[TERN_FRAME_KINDS] = {
#define FRAME(name, first, last, packets, elicits, flight, probing)                                \
  {#name, first, last, (uint8_t)(packets), elicits, flight, probing},
#include "wire/frames.def"
#undef FRAME
};

#undef I
#undef H
#undef E
#undef A

bool tern_frame_kind_find(uint64_t type, enum tern_frame_kind *out)
{
  for (int kind = 0; kind < TERN_FRAME_KINDS; kind++) {
    if (type >= tern_frame_table[kind].first && type <= tern_frame_table[kind].last) {
      *out = (enum tern_frame_kind)kind;
      return true;
    }
  }
  return false;
}
