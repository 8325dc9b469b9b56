/* SPDX-License-Identifier: MIT */
/* A growing block: capacity doubles from 256 bytes, so appending n bytes copies at most 2n. */
#include "h3/buf.h"

#include <string.h>

#define FIRST_CAPACITY 256

void tern_buf_init(struct tern_buf *buf, struct tern_alloc *alloc)
{
  *buf = (struct tern_buf){.alloc = alloc};
}

void tern_buf_deinit(struct tern_buf *buf)
{
  tern_alloc_give(buf->alloc, buf->data, buf->capacity);
  *buf = (struct tern_buf){.alloc = buf->alloc};
}

uint8_t *tern_buf_reserve(struct tern_buf *buf, size_t len)
{
  if (len <= buf->capacity - buf->len && buf->data != NULL)
    return buf->data + buf->len;
  if (len > UINT32_MAX / 4 || buf->len > UINT32_MAX / 4)
    return NULL;
  size_t capacity = buf->capacity == 0 ? FIRST_CAPACITY : buf->capacity;
  while (capacity < buf->len + len)
    capacity *= 2;
  uint8_t *data = buf->data == NULL
                      ? tern_alloc_take(buf->alloc, capacity)
                      : tern_alloc_resize(buf->alloc, buf->data, buf->capacity, capacity);
  if (data == NULL)
    return NULL;
  buf->data = data;
  buf->capacity = (uint32_t)capacity;
  return data + buf->len;
}

bool tern_buf_append(struct tern_buf *buf, const void *data, size_t len)
{
  uint8_t *room = tern_buf_reserve(buf, len);
  if (room == NULL)
    return false;
  if (len != 0)
    memcpy(room, data, len);
  buf->len += (uint32_t)len;
  return true;
}

void tern_buf_drop_front(struct tern_buf *buf, size_t len)
{
  buf->len -= (uint32_t)len;
  if (buf->len != 0 && len != 0)
    memmove(buf->data, buf->data + len, buf->len);
}

void tern_buf_clear(struct tern_buf *buf, size_t keep_bytes)
{
  buf->len = 0;
  if (buf->capacity > keep_bytes)
    tern_buf_deinit(buf);
}
