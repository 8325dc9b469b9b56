/* SPDX-License-Identifier: MIT */
/* Bytes that mean nothing, to send and to drop. */
#include "perf_body.h"

#include <string.h>

#define BLOCK_BYTES 65536 /* a whole run of packets: one memcpy per packet, and it stays in cache */
#define SLICES_MAX 64

static uint8_t block[BLOCK_BYTES];

/* The same byte at every offset, so a piece may come from anywhere in the block. */
static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg, (void)offset;
  for (size_t i = 0; i < count; i++) {
    uint8_t *to = iov[i].data;
    for (size_t at = 0; at < iov[i].len; at += BLOCK_BYTES) {
      size_t left = iov[i].len - at;
      memcpy(to + at, block, left < BLOCK_BYTES ? left : BLOCK_BYTES);
    }
  }
  return true;
}

const tern_source tern_perf_body = {.fill = fill};

uint64_t tern_perf_drain(tern_stream *stream)
{
  tern_slice slices[SLICES_MAX];
  uint64_t drained = 0;
  size_t count;
  while ((count = tern_stream_peek(stream, slices, SLICES_MAX)) > 0) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
      len += slices[i].len;
    tern_stream_consume(stream, len);
    drained += len;
  }
  return drained;
}
