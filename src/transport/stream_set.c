/* SPDX-License-Identifier: MIT */
/* The streams of a connection: see stream_set.h. */
#include "transport/stream_set.h"

#include <string.h>

#include "base/assert.h"
#include "wire/frame_write.h"

#define NO_SLOT UINT32_MAX
#define SLOTS_MIN 4
#define BUCKET_BITS_MIN 2

void tern_stream_set_init(struct tern_stream_set *set, const struct tern_stream_set_args *args)
{
  memset(set, 0, sizeof(*set));
  set->alloc = args->alloc;
  set->conn = args->conn;
  set->is_server = args->is_server;
  set->seed = args->seed | 1;
  set->first_free = NO_SLOT;
  set->window_bytes = (uint32_t)args->window_bytes;
  set->window_max_bytes = (uint32_t)args->window_max_bytes;
  set->send_buffer_bytes = args->send_buffer_bytes;
  tern_pool_init(&set->pool, args->alloc, sizeof(struct tern_stream_whole));
  set->peers[TERN_DIR_BIDI].concurrent = args->streams_bidi_max;
  set->peers[TERN_DIR_UNI].concurrent = args->streams_uni_max;
  for (int dir = TERN_DIR_BIDI; dir <= TERN_DIR_UNI; dir++) {
    set->peers[dir].limit = set->peers[dir].concurrent;
    tern_rangeset_init(&set->peers[dir].unseen);
  }
}

static void free_stream(struct tern_stream_set *set, struct tern_stream *stream);

void tern_stream_set_deinit(struct tern_stream_set *set)
{
  for (uint32_t i = 0; i < set->slots_count; i++)
    if (set->slots[i].stream != NULL)
      free_stream(set, set->slots[i].stream);
  tern_pool_deinit(&set->pool);
  tern_alloc_give(set->alloc, set->slots, set->slots_capacity * sizeof *set->slots);
  if (set->buckets != NULL)
    tern_alloc_give(set->alloc, set->buckets, sizeof(*set->buckets) << set->buckets_bits);
  for (int dir = TERN_DIR_BIDI; dir <= TERN_DIR_UNI; dir++)
    tern_rangeset_deinit(&set->peers[dir].unseen, set->alloc);
  set->slots = NULL;
  set->buckets = NULL;
}

void tern_stream_set_trim(struct tern_stream_set *set)
{
  struct tern_stream *stream;
  uint32_t at = 0;

  while ((stream = tern_stream_set_next(set, &at)) != NULL)
    tern_stream_trim(stream);
  tern_pool_trim(&set->pool);
}

/* ---- hash: id -> stream ---- */

/* Multiply-shift: for a random odd factor two ids meet with probability 2 / buckets at most, whoever
 * chose them. */
static struct tern_stream **bucket_of(const struct tern_stream_set *set, uint64_t id)
{
  return &set->buckets[(id * set->seed) >> (64 - set->buckets_bits)];
}

static void hash_insert(struct tern_stream_set *set, struct tern_stream *stream)
{
  struct tern_stream **bucket = bucket_of(set, stream->id);
  stream->hash_next = *bucket;
  *bucket = stream;
}

static void hash_remove(struct tern_stream_set *set, struct tern_stream *stream)
{
  struct tern_stream **link = bucket_of(set, stream->id);
  while (*link != stream)
    link = &(*link)->hash_next;
  *link = stream->hash_next;
}

/* As many buckets as streams, at least. */
static tern_status reserve_bucket(struct tern_stream_set *set)
{
  if (set->buckets != NULL && set->live < UINT32_C(1) << set->buckets_bits)
    return TERN_OK;
  uint32_t old_bits = set->buckets_bits;
  uint32_t bits = set->buckets == NULL ? BUCKET_BITS_MIN : old_bits + 1;
  struct tern_stream **old = set->buckets;
  struct tern_stream **buckets =
      tern_alloc_take_zero(set->alloc, sizeof(struct tern_stream *) << bits);
  if (buckets == NULL)
    return TERN_NOMEM;
  set->buckets = buckets;
  set->buckets_bits = bits;
  for (uint32_t i = 0; i < set->slots_count; i++)
    if (set->slots[i].stream != NULL)
      hash_insert(set, set->slots[i].stream);
  tern_alloc_give(set->alloc, old, sizeof(struct tern_stream *) << old_bits);
  return TERN_OK;
}

struct tern_stream *tern_stream_set_find(const struct tern_stream_set *set, uint64_t id)
{
  if (set->buckets == NULL)
    return NULL;
  struct tern_stream *stream = *bucket_of(set, id);
  while (stream != NULL && stream->id != id)
    stream = stream->hash_next;
  return stream;
}

/* ---- slots ---- */

static tern_status reserve_slot(struct tern_stream_set *set)
{
  if (set->first_free != NO_SLOT || set->slots_count < set->slots_capacity)
    return TERN_OK;
  uint32_t capacity = set->slots_capacity == 0 ? SLOTS_MIN : set->slots_capacity * 2;
  struct tern_stream_slot *slots = tern_alloc_resize(
      set->alloc, set->slots, set->slots_capacity * sizeof *slots, capacity * sizeof *slots);
  if (slots == NULL)
    return TERN_NOMEM;
  set->slots = slots;
  set->slots_capacity = capacity;
  return TERN_OK;
}

static void put_in_slot(struct tern_stream_set *set, struct tern_stream *stream)
{
  uint32_t i = set->first_free;
  if (i != NO_SLOT) {
    set->first_free = set->slots[i].next_free;
  } else {
    i = set->slots_count++;
    set->slots[i].generation = 0;
  }
  set->slots[i].stream = stream;
  stream->slot = i;
  stream->generation = set->slots[i].generation;
}

struct tern_stream *tern_stream_set_find_slot(const struct tern_stream_set *set, uint32_t slot,
                                              uint16_t generation)
{
  if (slot >= set->slots_count || set->slots[slot].generation != generation)
    return NULL;
  return set->slots[slot].stream;
}

struct tern_stream *tern_stream_set_next(const struct tern_stream_set *set, uint32_t *at)
{
  while (*at < set->slots_count) {
    struct tern_stream *stream = set->slots[(*at)++].stream;
    if (stream != NULL)
      return stream;
  }
  return NULL;
}

/* ---- birth and death ---- */

static bool is_ours(const struct tern_stream_set *set, uint64_t id)
{
  return tern_stream_id_is_server(id) == set->is_server;
}

static uint64_t get_send_limit(const struct tern_stream_set *set, uint64_t id)
{
  if (tern_stream_id_is_uni(id))
    return is_ours(set, id) ? set->send_limit_uni_bytes : 0;
  return is_ours(set, id) ? set->send_limit_bidi_remote_bytes : set->send_limit_bidi_local_bytes;
}

/* Streams of both directions come and go with requests; the others are few and have one half. */
static struct tern_stream *take_stream(struct tern_stream_set *set, uint64_t id)
{
  if (!tern_stream_id_is_uni(id))
    return tern_pool_take(&set->pool);
  return tern_alloc_take(set->alloc, tern_stream_get_bytes(id, set->is_server));
}

static void give_stream(struct tern_stream_set *set, struct tern_stream *stream)
{
  if (!tern_stream_id_is_uni(stream->id))
    tern_pool_give(&set->pool, stream);
  else
    tern_alloc_give(set->alloc, stream, tern_stream_get_bytes(stream->id, set->is_server));
}

static tern_status make_stream(struct tern_stream_set *set, uint64_t id, struct tern_stream **out)
{
  struct tern_stream_args args = {.id = id,
                                  .conn = set->conn,
                                  .alloc = set->alloc,
                                  .is_server = set->is_server,
                                  .send_limit_bytes = get_send_limit(set, id),
                                  .window_bytes = set->window_bytes,
                                  .window_max_bytes = set->window_max_bytes,
                                  .send_buffer_bytes = set->send_buffer_bytes};
  if (reserve_slot(set) != TERN_OK || reserve_bucket(set) != TERN_OK)
    return TERN_NOMEM;
  struct tern_stream *stream = take_stream(set, id);
  if (stream == NULL)
    return TERN_NOMEM;
  tern_stream_init(stream, &args);
  put_in_slot(set, stream);
  hash_insert(set, stream);
  set->live++;
  *out = stream;
  return TERN_OK;
}

static void free_stream(struct tern_stream_set *set, struct tern_stream *stream)
{
  struct tern_stream_slot *slot = &set->slots[stream->slot];
  hash_remove(set, stream);
  slot->stream = NULL;
  slot->generation++;
  slot->next_free = set->first_free;
  set->first_free = stream->slot;
  set->live--;
  tern_stream_deinit(stream);
  give_stream(set, stream);
}

/* [rfc9000-4.6] as streams close, the peer may open others. The limit is raised when half of it can be,
 * so that a frame pays for many streams. */
static void on_peer_stream_freed(struct tern_stream_set *set, uint64_t id)
{
  struct tern_streams_peers *side = &set->peers[tern_stream_id_is_uni(id)];
  side->closed++;
  uint64_t limit = side->closed + side->concurrent;
  if (limit > TERN_STREAMS_MAX)
    limit = TERN_STREAMS_MAX;
  if (limit > side->limit && (limit - side->limit) * 2 >= side->concurrent)
    tern_sync_newest_want(&side->update);
}

void tern_stream_set_unhold(struct tern_stream *stream, uint32_t records)
{
  TERN_ASSERT(stream->records >= records);
  stream->records -= records;
}

bool tern_stream_set_try_free(struct tern_stream_set *set, struct tern_stream *stream)
{
  if (!stream->is_over || stream->records != 0)
    return false;
  TERN_ASSERT(stream->sched.place == TERN_SCHED_OUT && !tern_list_has_node(&stream->touched) &&
              !tern_list_has_node(&stream->control));
  uint64_t id = stream->id;
  bool was_ours = stream->is_ours;
  free_stream(set, stream);
  /* [HOSTILE T13] credit goes back only now that the memory is free */
  if (!was_ours)
    on_peer_stream_freed(set, id);
  return true;
}

tern_status tern_stream_set_open(struct tern_stream_set *set, enum tern_stream_dir dir,
                                 struct tern_stream **out)
{
  struct tern_streams_ours *side = &set->ours[dir];
  uint64_t index = side->opened;
  if (index >= TERN_STREAMS_MAX)
    return TERN_LIMIT;
  if (index >= side->limit && index - side->limit >= TERN_CAP_STREAMS_QUEUED)
    return TERN_LIMIT;
  tern_status status = make_stream(set, tern_stream_set_id(set, dir, index), out);
  if (status != TERN_OK)
    return status;
  side->opened++;
  /* [rfc9000-4.6] SHOULD say that it is blocked, once per limit */
  if (index >= side->limit && side->blocked.state == TERN_SYNC_IDLE)
    tern_sync_newest_want(&side->blocked);
  return TERN_OK;
}

/* ---- frames that name a stream ---- */

/* Whether the frame is for the half that sends here. */
static bool is_for_sender(enum tern_frame_kind kind)
{
  return kind == TERN_FRAME_STOP_SENDING || kind == TERN_FRAME_MAX_STREAM_DATA;
}

/* A stream that the peer opens, implicitly with all lower ones of its kind [rfc9000-2.1], or one that
 * was opened so and is named for the first time. */
static enum tern_stream_found open_peers(struct tern_stream_set *set, uint64_t id,
                                         struct tern_stream **out)
{
  struct tern_streams_peers *side = &set->peers[tern_stream_id_is_uni(id)];
  uint64_t index = id >> 2;
  bool is_unseen = index < side->opened;
  if (is_unseen && !tern_rangeset_has(&side->unseen, index))
    return TERN_STREAM_GONE;
  if (make_stream(set, id, out) != TERN_OK)
    return TERN_STREAM_NO_MEMORY;
  tern_status status = TERN_OK;
  if (is_unseen)
    status = tern_rangeset_remove(&side->unseen, set->alloc, index, index + 1);
  else if (side->opened < index)
    status = tern_rangeset_add(&side->unseen, set->alloc, side->opened, index);
  if (status != TERN_OK) {
    free_stream(set, *out);
    *out = NULL;
    return TERN_STREAM_NO_MEMORY;
  }
  if (!is_unseen)
    side->opened = index + 1;
  (*out)->events = TERN_STREAM_OPENED;
  return TERN_STREAM_NEW;
}

enum tern_stream_found tern_stream_set_get_or_open(struct tern_stream_set *set, uint64_t id,
                                                   enum tern_frame_kind kind,
                                                   struct tern_stream **out)
{
  bool is_own = is_ours(set, id);
  uint64_t index = id >> 2;
  *out = NULL;
  /* [rfc9000-19.4, 19.8, 19.13] a send-only stream has nothing to receive; [rfc9000-19.5, 19.10] a
   * receive-only stream nothing to send: MUST be STREAM_STATE_ERROR */
  if (tern_stream_id_is_uni(id) && is_own != is_for_sender(kind))
    return TERN_STREAM_BAD_STATE;
  /* ... and so for one of ours that is not created yet. One that still waits for credit was never
   * named to the peer. */
  if (is_own && (index >= set->ours[tern_stream_id_is_uni(id)].opened ||
                 index >= set->ours[tern_stream_id_is_uni(id)].limit))
    return TERN_STREAM_BAD_STATE;
  /* [rfc9000-4.6] MUST be STREAM_LIMIT_ERROR, whatever the frame ([HOSTILE T12]) */
  if (!is_own && index >= set->peers[tern_stream_id_is_uni(id)].limit)
    return TERN_STREAM_BAD_LIMIT;
  *out = tern_stream_set_find(set, id);
  if (*out != NULL)
    return TERN_STREAM_FOUND;
  return is_own ? TERN_STREAM_GONE : open_peers(set, id, out);
}

/* ---- limits of the peer ---- */

bool tern_stream_set_on_max_streams(struct tern_stream_set *set, enum tern_stream_dir dir,
                                    uint64_t limit, struct tern_range *opened)
{
  struct tern_streams_ours *side = &set->ours[dir];
  /* [rfc9000-4.6] frames that do not increase the limit MUST be ignored */
  if (limit <= side->limit)
    return false;
  opened->start = side->limit < side->opened ? side->limit : side->opened;
  opened->end = limit < side->opened ? limit : side->opened;
  side->limit = limit;
  tern_sync_newest_cancel(&side->blocked);
  if (side->opened > limit)
    tern_sync_newest_want(&side->blocked);
  return true;
}

bool tern_stream_set_excuse_max_streams(struct tern_stream_set *set, enum tern_stream_dir dir)
{
  struct tern_streams_ours *side = &set->ours[dir];
  if (side->excused >= side->opened)
    return false;
  side->excused++;
  return true;
}

void tern_stream_set_on_peer_limits(struct tern_stream_set *set,
                                    const struct tern_stream_limits *limits)
{
  struct tern_range opened;
  uint32_t at = 0;
  struct tern_stream *stream;
  set->send_limit_bidi_local_bytes = limits->stream_data_bidi_local;
  set->send_limit_bidi_remote_bytes = limits->stream_data_bidi_remote;
  set->send_limit_uni_bytes = limits->stream_data_uni;
  while ((stream = tern_stream_set_next(set, &at)) != NULL)
    (void)tern_stream_on_max_data(stream, get_send_limit(set, stream->id));
  (void)tern_stream_set_on_max_streams(set, TERN_DIR_BIDI, limits->streams_bidi, &opened);
  (void)tern_stream_set_on_max_streams(set, TERN_DIR_UNI, limits->streams_uni, &opened);
}

void tern_stream_set_forget_limits(struct tern_stream_set *set)
{
  set->send_limit_bidi_local_bytes = set->send_limit_bidi_remote_bytes = 0;
  set->send_limit_uni_bytes = 0;
  for (int dir = TERN_DIR_BIDI; dir <= TERN_DIR_UNI; dir++) {
    set->ours[dir].limit = 0;
    tern_sync_newest_cancel(&set->ours[dir].blocked);
  }
}

/* ---- MAX_STREAMS, STREAMS_BLOCKED ---- */

static bool is_blocked(const struct tern_streams_ours *side)
{
  return side->opened > side->limit;
}

bool tern_stream_set_wants(const struct tern_stream_set *set)
{
  for (int dir = TERN_DIR_BIDI; dir <= TERN_DIR_UNI; dir++)
    if (tern_sync_newest_wants(&set->peers[dir].update) ||
        tern_sync_newest_wants(&set->ours[dir].blocked))
      return true;
  return false;
}

static bool write_max(struct tern_stream_set *set, int dir, struct tern_writer *writer,
                      struct tern_frame_record *record)
{
  struct tern_streams_peers *side = &set->peers[dir];
  uint64_t limit = side->closed + side->concurrent;
  if (limit > TERN_STREAMS_MAX)
    limit = TERN_STREAMS_MAX;
  if (!tern_sync_newest_wants(&side->update) ||
      tern_frame_size_max_streams(limit) > tern_writer_left(writer))
    return false;
  tern_frame_write_max_streams(writer, dir == TERN_DIR_BIDI, limit);
  tern_record_fill(
      record, dir == TERN_DIR_BIDI ? TERN_RECORD_MAX_STREAMS_BIDI : TERN_RECORD_MAX_STREAMS_UNI,
      NULL);
  record->offset = limit;
  side->limit = limit;
  tern_sync_newest_on_sent(&side->update, limit);
  return true;
}

static bool write_blocked(struct tern_stream_set *set, int dir, struct tern_writer *writer,
                          struct tern_frame_record *record)
{
  struct tern_streams_ours *side = &set->ours[dir];
  if (!tern_sync_newest_wants(&side->blocked) ||
      tern_frame_size_streams_blocked(side->limit) > tern_writer_left(writer))
    return false;
  tern_frame_write_streams_blocked(writer, dir == TERN_DIR_BIDI, side->limit);
  tern_record_fill(record,
                   dir == TERN_DIR_BIDI ? TERN_RECORD_STREAMS_BLOCKED_BIDI
                                        : TERN_RECORD_STREAMS_BLOCKED_UNI,
                   NULL);
  record->offset = side->limit;
  tern_sync_newest_on_sent(&side->blocked, side->limit);
  return true;
}

bool tern_stream_set_write(struct tern_stream_set *set, struct tern_writer *writer,
                           struct tern_frame_record *record)
{
  for (int dir = TERN_DIR_BIDI; dir <= TERN_DIR_UNI; dir++)
    if (write_max(set, dir, writer, record) || write_blocked(set, dir, writer, record))
      return true;
  return false;
}

static bool is_max(const struct tern_frame_record *record)
{
  return record->kind == TERN_RECORD_MAX_STREAMS_BIDI ||
         record->kind == TERN_RECORD_MAX_STREAMS_UNI;
}

static int dir_of(const struct tern_frame_record *record)
{
  return record->kind == TERN_RECORD_MAX_STREAMS_BIDI ||
                 record->kind == TERN_RECORD_STREAMS_BLOCKED_BIDI
             ? TERN_DIR_BIDI
             : TERN_DIR_UNI;
}

void tern_stream_set_on_acked(struct tern_stream_set *set, const struct tern_frame_record *record)
{
  int dir = dir_of(record);
  if (is_max(record))
    tern_sync_newest_on_acked(&set->peers[dir].update, record->offset);
  else
    tern_sync_newest_on_acked(&set->ours[dir].blocked, record->offset);
}

void tern_stream_set_on_lost(struct tern_stream_set *set, const struct tern_frame_record *record)
{
  int dir = dir_of(record);
  if (is_max(record))
    tern_sync_newest_on_lost(&set->peers[dir].update, record->offset);
  else if (is_blocked(&set->ours[dir]) && record->offset == set->ours[dir].limit)
    tern_sync_newest_on_lost(&set->ours[dir].blocked, record->offset);
}
