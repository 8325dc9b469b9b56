/* SPDX-License-Identifier: MIT */
/* Bytes that grow: where HTTP/3 puts together what it sends. One block of heap, doubled when full;
 * clearing keeps the block, so a buffer that is used again and again does not allocate. */
#ifndef TERN_H3_BUF_H
#define TERN_H3_BUF_H

#include <tern/base.h>

#include "base/alloc.h"

struct tern_buf {
  struct tern_alloc *alloc;
  uint8_t *data;
  uint32_t len; /* what is put together is bounded far below */
  uint32_t capacity;
};

void tern_buf_init(struct tern_buf *buf, struct tern_alloc *alloc);
void tern_buf_deinit(struct tern_buf *buf);

/* Room for `len` more bytes behind `data + len`, or NULL (no memory; nothing changed). The caller
 * writes there and adds to `len`. Earlier pointers into the buffer are dead. */
TERN_MUST_CHECK uint8_t *tern_buf_reserve(struct tern_buf *buf, size_t len);
/* False: no memory, nothing changed. */
TERN_MUST_CHECK bool tern_buf_append(struct tern_buf *buf, const void *data, size_t len);
/* Forgets the first `len` bytes. */
void tern_buf_drop_front(struct tern_buf *buf, size_t len);
/* Empties it, and gives the block back if it is larger than `keep_bytes`. */
void tern_buf_clear(struct tern_buf *buf, size_t keep_bytes);

#endif
