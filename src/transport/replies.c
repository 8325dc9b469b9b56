/* SPDX-License-Identifier: MIT */
/* See replies.h. The index only helps to find a duplicate: a collision overwrites, and then one duplicate
 * is missed. */
#include "transport/replies.h"

#include <string.h>

#include "base/cursor.h"
#include "base/map.h"

tern_status tern_replies_init(struct tern_replies *replies, const struct tern_replies_args *args)
{
  memset(replies, 0, sizeof *replies);
  replies->alloc = args->alloc;
  replies->capacity = args->capacity;
  replies->bytes_max = args->capacity * TERN_REPLY_BYTES_USUAL;
  memcpy(replies->key, args->key, sizeof replies->key);
  replies->answers = tern_meter_of(TERN_CAP_REPLY_RATE, TERN_CAP_REPLY_BURST);
  uint32_t burst = args->retries_per_second / 4 + 1; /* a quarter of a second's */
  replies->retries = tern_meter_of(args->retries_per_second, burst);
  replies->ring = tern_alloc_take(replies->alloc, replies->capacity * sizeof *replies->ring);
  replies->bytes = tern_alloc_take(replies->alloc, replies->bytes_max);
  replies->index = tern_alloc_take_zero(replies->alloc, replies->capacity * sizeof *replies->index);
  bool is_done = replies->ring != NULL && replies->bytes != NULL && replies->index != NULL;
  return is_done ? TERN_OK : TERN_NOMEM;
}

void tern_replies_deinit(struct tern_replies *replies)
{
  if (replies->alloc == NULL)
    return;
  tern_alloc_give(replies->alloc, replies->ring, replies->capacity * sizeof *replies->ring);
  tern_alloc_give(replies->alloc, replies->bytes, replies->bytes_max);
  tern_alloc_give(replies->alloc, replies->index, replies->capacity * sizeof *replies->index);
}

static uint64_t get_print(const struct tern_replies *replies, const struct tern_reply_to *to)
{
  uint8_t bytes[1 + 16 + 2 + 20];
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);
  size_t dcid_len = to->kind == TERN_REPLY_RESET && to->dcid.len <= 20 ? to->dcid.len : 0;

  tern_write_u8(&writer, (uint8_t)to->kind);
  tern_write_bytes(&writer, to->remote.ip, sizeof to->remote.ip);
  tern_write_u16(&writer, to->remote.port);
  tern_write_slice(&writer, tern_slice_of(to->dcid.data, dcid_len));
  return tern_siphash(replies->key, tern_slice_of(bytes, tern_writer_len(&writer)));
}

static bool is_waiting(const struct tern_replies *replies, uint64_t print)
{
  uint32_t place = replies->index[print & (replies->capacity - 1)];
  if (place == 0)
    return false;
  uint32_t behind = (place - 1 - replies->first) & (replies->capacity - 1);
  return behind < replies->count && replies->ring[place - 1].print == print;
}

enum tern_reply_permit tern_replies_ask(struct tern_replies *replies,
                                        const struct tern_reply_to *to, tern_time now)
{
  struct tern_meter *meter = to->kind == TERN_REPLY_RETRY ? &replies->retries : &replies->answers;

  if (replies->count == replies->capacity)
    return TERN_REPLY_FULL;
  if (is_waiting(replies, get_print(replies, to)))
    return TERN_REPLY_DUPLICATE;
  return tern_meter_take(meter, now) ? TERN_REPLY_ALLOWED : TERN_REPLY_TOO_OFTEN;
}

uint8_t *tern_replies_take_room(struct tern_replies *replies, const struct tern_reply_to *to,
                                size_t len)
{
  if (replies->count == replies->capacity || len > TERN_REPLY_BYTES_MAX ||
      len > replies->bytes_max - replies->bytes_used)
    return NULL;
  uint32_t place = (replies->first + replies->count++) & (replies->capacity - 1);
  struct tern_reply *reply = &replies->ring[place];
  reply->print = get_print(replies, to);
  reply->at = replies->bytes_used;
  reply->len = (uint16_t)len;
  reply->local = to->local;
  reply->remote = to->remote;
  replies->bytes_used += (uint32_t)len;
  replies->index[reply->print & (replies->capacity - 1)] = (uint16_t)(place + 1);
  return replies->bytes + reply->at;
}

const struct tern_reply *tern_replies_pop(struct tern_replies *replies)
{
  if (replies->count == 0)
    return NULL;
  const struct tern_reply *reply = &replies->ring[replies->first];
  replies->first = (replies->first + 1) & (replies->capacity - 1);
  if (--replies->count == 0)
    replies->bytes_used = 0;
  return reply;
}
