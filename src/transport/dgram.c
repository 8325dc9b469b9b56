/* SPDX-License-Identifier: MIT */
/* The two rings of dgram.h. */
#include "transport/dgram.h"

#include <string.h>

#include "base/assert.h"
#include "wire/frame_write.h"

#define ENTRIES_BYTES (TERN_CAP_DATAGRAM_QUEUE * sizeof(struct tern_dgram_entry))

void tern_dgram_init(struct tern_dgram *dgram, struct tern_alloc *alloc)
{
  *dgram = (struct tern_dgram){0};
  dgram->alloc = alloc;
}

static struct tern_dgram_entry *entry_at(const struct tern_dgram_queue *queue, uint32_t i)
{
  return &queue->entries[(queue->first + i) % TERN_CAP_DATAGRAM_QUEUE];
}

static void drop_bytes(struct tern_alloc *alloc, struct tern_dgram_entry *entry)
{
  if (!entry->is_owned)
    return;
  union {
    const uint8_t *borrowed;
    uint8_t *owned;
  } data = {entry->data};
  tern_alloc_give(alloc, data.owned, entry->len);
}

static void pop(struct tern_alloc *alloc, struct tern_dgram_queue *queue)
{
  TERN_ASSERT(queue->count != 0);
  drop_bytes(alloc, entry_at(queue, 0));
  queue->first = (queue->first + 1) % TERN_CAP_DATAGRAM_QUEUE;
  queue->count--;
}

static void clear(struct tern_alloc *alloc, struct tern_dgram_queue *queue)
{
  while (queue->count != 0)
    pop(alloc, queue);
  tern_alloc_give(alloc, queue->entries, ENTRIES_BYTES);
  queue->entries = NULL;
}

void tern_dgram_deinit(struct tern_dgram *dgram)
{
  clear(dgram->alloc, &dgram->send);
  clear(dgram->alloc, &dgram->recv);
}

void tern_dgram_trim(struct tern_dgram *dgram)
{
  if (dgram->send.count == 0)
    clear(dgram->alloc, &dgram->send);
  if (dgram->recv.count == 0)
    clear(dgram->alloc, &dgram->recv);
}

/* [rfc9221-5] room for one more; the oldest gives way. */
static tern_status make_room(struct tern_alloc *alloc, struct tern_dgram_queue *queue)
{
  if (queue->entries == NULL)
    queue->entries = tern_alloc_take(alloc, ENTRIES_BYTES);
  if (queue->entries == NULL)
    return TERN_NOMEM;
  if (queue->count == TERN_CAP_DATAGRAM_QUEUE) {
    pop(alloc, queue);
    queue->dropped++;
  }
  return TERN_OK;
}

static void append(struct tern_dgram_queue *queue, const uint8_t *data, size_t len, bool is_owned)
{
  struct tern_dgram_entry *entry = entry_at(queue, queue->count);
  entry->data = data;
  entry->len = (uint32_t)len;
  entry->is_owned = is_owned;
  queue->count++;
}

tern_status tern_dgram_push(struct tern_dgram *dgram, tern_slice data)
{
  uint8_t *copy = NULL;
  TERN_ASSERT(data.len <= UINT16_MAX);
  if (data.len != 0) {
    copy = tern_alloc_take(dgram->alloc, data.len);
    if (copy == NULL)
      return TERN_NOMEM;
    memcpy(copy, data.data, data.len);
  }
  if (make_room(dgram->alloc, &dgram->send) != TERN_OK) {
    tern_alloc_give(dgram->alloc, copy, data.len);
    return TERN_NOMEM;
  }
  append(&dgram->send, copy, data.len, copy != NULL);
  return TERN_OK;
}

size_t tern_dgram_next_len(const struct tern_dgram *dgram)
{
  TERN_ASSERT(dgram->send.count != 0);
  return entry_at(&dgram->send, 0)->len;
}

void tern_dgram_drop_next(struct tern_dgram *dgram)
{
  pop(dgram->alloc, &dgram->send);
  dgram->send.dropped++;
}

bool tern_dgram_write(struct tern_dgram *dgram, struct tern_writer *writer,
                      struct tern_frame_record *record)
{
  if (dgram->send.count == 0)
    return false;
  struct tern_dgram_entry *entry = entry_at(&dgram->send, 0);
  if (!tern_frame_write_datagram(writer, tern_slice_of(entry->data, entry->len)))
    return false;
  tern_record_fill(record, TERN_RECORD_DATAGRAM, NULL);
  record->len = entry->len;
  /* [rfc9221-5.2] DATAGRAM frames are not retransmitted */
  pop(dgram->alloc, &dgram->send);
  return true;
}

tern_status tern_dgram_on_received(struct tern_dgram *dgram, tern_slice data)
{
  if (make_room(dgram->alloc, &dgram->recv) != TERN_OK)
    return TERN_NOMEM;
  append(&dgram->recv, data.data, data.len, false);
  return TERN_OK;
}

bool tern_dgram_next_received(const struct tern_dgram *dgram, tern_slice *out)
{
  if (dgram->recv.count == 0)
    return false;
  *out = tern_slice_of(entry_at(&dgram->recv, 0)->data, entry_at(&dgram->recv, 0)->len);
  return true;
}

void tern_dgram_pop_received(struct tern_dgram *dgram)
{
  pop(dgram->alloc, &dgram->recv);
}

/* Copies the entry's bytes; false without memory. */
static bool own(struct tern_alloc *alloc, struct tern_dgram_entry *entry)
{
  if (entry->is_owned || entry->len == 0)
    return true;
  uint8_t *copy = tern_alloc_take(alloc, entry->len);
  if (copy == NULL)
    return false;
  memcpy(copy, entry->data, entry->len);
  entry->data = copy;
  entry->is_owned = true;
  return true;
}

void tern_dgram_keep(struct tern_dgram *dgram)
{
  struct tern_dgram_queue *queue = &dgram->recv;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < queue->count; i++) {
    struct tern_dgram_entry *entry = entry_at(queue, i);
    if (own(dgram->alloc, entry))
      *entry_at(queue, kept++) = *entry;
    else
      queue->dropped++;
  }
  queue->count = kept;
}
