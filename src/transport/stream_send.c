/* SPDX-License-Identifier: MIT */
/* The sending half. A segment is popped before its release is called, so whatever the application
 * does in there finds a consistent half. */
#include "transport/stream_send.h"

#include <string.h>

#include "base/assert.h"
#include "wire/frame_write.h"
#include "wire/varint.h"

enum segment_kind { SEGMENT_COPY, SEGMENT_REF, SEGMENT_SOURCE };

struct tern_send_segment {
  uint64_t offset; /* in the stream */
  uint64_t len;
  uint8_t *chunk;      /* COPY */
  const uint8_t *data; /* COPY, REF */
  tern_source source;  /* SOURCE; REF uses release and arg */
  uint32_t capacity;   /* COPY: bytes of chunk */
  enum segment_kind kind;
};

#define SEGMENTS_MIN 4

void tern_stream_send_init(struct tern_stream_send *send, struct tern_alloc *alloc,
                           uint64_t copied_max_bytes)
{
  memset(send, 0, sizeof(*send));
  send->alloc = alloc;
  send->copied_max_bytes = copied_max_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)copied_max_bytes;
  tern_rangeset_init(&send->acked);
  tern_rangeset_init(&send->lost);
}

void tern_stream_send_init_crypto(struct tern_stream_send *send, struct tern_alloc *alloc,
                                  uint64_t offset)
{
  tern_stream_send_init(send, alloc, UINT32_MAX);
  send->written = send->unsent = send->acked_to = offset;
  send->state = offset == 0 ? TERN_SEND_READY : TERN_SEND_SEND;
  send->is_crypto = true;
}

/* ---- segments ---- */

static struct tern_send_segment *segment_at(const struct tern_stream_send *send, uint32_t i)
{
  return &send->segments[(send->first + i) & (send->capacity - 1)];
}

static void drop_spare(struct tern_stream_send *send)
{
  tern_alloc_give(send->alloc, send->spare, send->spare_bytes);
  send->spare = NULL;
  send->spare_bytes = 0;
}

/* Keeps the larger chunk for the next write while there is a stream of writes. */
static void recycle_chunk(struct tern_stream_send *send, uint8_t *chunk, uint32_t bytes)
{
  if (bytes <= send->spare_bytes) {
    tern_alloc_give(send->alloc, chunk, bytes);
    return;
  }
  drop_spare(send);
  send->spare = chunk;
  send->spare_bytes = bytes;
}

static void pop_segment(struct tern_stream_send *send)
{
  struct tern_send_segment segment = *segment_at(send, 0);
  send->first = (send->first + 1) & (send->capacity - 1);
  send->count--;
  if (segment.kind == SEGMENT_COPY)
    recycle_chunk(send, segment.chunk, segment.capacity);
  else if (segment.source.release != NULL)
    segment.source.release(segment.source.arg);
}

static void drop_ring(struct tern_stream_send *send)
{
  tern_alloc_give(send->alloc, send->segments, send->capacity * sizeof *send->segments);
  send->segments = NULL;
  send->capacity = 0;
  send->first = 0;
}

/* No more data will be written or sent: gives everything back. */
static void drop_storage(struct tern_stream_send *send)
{
  while (send->count != 0)
    pop_segment(send);
  drop_spare(send);
  drop_ring(send);
  send->copied_bytes = 0;
  tern_rangeset_deinit(&send->acked, send->alloc);
  tern_rangeset_deinit(&send->lost, send->alloc);
}

void tern_stream_send_deinit(struct tern_stream_send *send)
{
  drop_storage(send);
}

void tern_stream_send_trim(struct tern_stream_send *send)
{
  drop_spare(send);
  if (send->count == 0)
    drop_ring(send);
  tern_rangeset_trim(&send->acked, send->alloc);
  tern_rangeset_trim(&send->lost, send->alloc);
}

static tern_status grow_ring(struct tern_stream_send *send)
{
  uint32_t capacity = send->capacity == 0 ? SEGMENTS_MIN : send->capacity * 2;
  if (capacity > TERN_SEND_SEGMENTS_MAX)
    return TERN_BLOCKED;
  struct tern_send_segment *segments =
      tern_alloc_take(send->alloc, capacity * sizeof *send->segments);
  if (segments == NULL)
    return TERN_NOMEM;
  for (uint32_t i = 0; i < send->count; i++)
    segments[i] = *segment_at(send, i);
  tern_alloc_give(send->alloc, send->segments, send->capacity * sizeof *send->segments);
  send->segments = segments;
  send->capacity = capacity;
  send->first = 0;
  return TERN_OK;
}

/* A zeroed segment at the end, of no bytes yet. */
static tern_status push_segment(struct tern_stream_send *send, enum segment_kind kind,
                                struct tern_send_segment **out)
{
  if (send->count == send->capacity) {
    tern_status status = grow_ring(send);
    if (status != TERN_OK)
      return status;
  }
  struct tern_send_segment *segment = segment_at(send, send->count);
  memset(segment, 0, sizeof(*segment));
  segment->offset = send->written;
  segment->kind = kind;
  send->count++;
  *out = segment;
  return TERN_OK;
}

/* The segment that has byte `offset`. */
static const struct tern_send_segment *get_segment(const struct tern_stream_send *send,
                                                   uint64_t offset)
{
  uint32_t low = 0, high = send->count;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (segment_at(send, middle)->offset <= offset)
      low = middle;
    else
      high = middle;
  }
  const struct tern_send_segment *segment = segment_at(send, low);
  TERN_ASSERT(send->count != 0 && offset >= segment->offset &&
              offset - segment->offset < segment->len);
  return segment;
}

/* ---- writing ---- */

/* [rfc9000-3.1] data is taken in the states Ready and Send only; [rfc9000-4.5] stream offsets stay
 * below 2^62. */
static tern_status check_write(const struct tern_stream_send *send, uint64_t len)
{
  if (send->state >= TERN_SEND_RESET_SENT)
    return TERN_RESET;
  if (send->is_finished)
    return TERN_STATE;
  if (len > TERN_VARINT_MAX - send->written)
    return TERN_LIMIT;
  return TERN_OK;
}

uint64_t tern_stream_send_room(const struct tern_stream_send *send)
{
  if (send->is_finished || send->state >= TERN_SEND_RESET_SENT)
    return 0;
  return send->copied_max_bytes - send->copied_bytes;
}

/* Small streams get small chunks, and each chunk about doubles what there is. */
static uint32_t choose_capacity(const struct tern_stream_send *send, size_t len)
{
  uint64_t wanted = len > send->written ? len : send->written;
  uint32_t capacity = TERN_SEND_CHUNK_MIN;
  while (capacity < wanted && capacity < TERN_SEND_CHUNK_MAX)
    capacity *= 2;
  return capacity;
}

static tern_status push_chunk(struct tern_stream_send *send, size_t len)
{
  struct tern_send_segment *segment;
  uint32_t capacity = choose_capacity(send, len);
  uint8_t *chunk = send->spare;
  if (chunk != NULL && send->spare_bytes >= capacity) {
    capacity = send->spare_bytes;
    send->spare = NULL;
    send->spare_bytes = 0;
  } else {
    chunk = tern_alloc_take(send->alloc, capacity);
    if (chunk == NULL)
      return TERN_NOMEM;
  }
  tern_status status = push_segment(send, SEGMENT_COPY, &segment);
  if (status != TERN_OK) {
    recycle_chunk(send, chunk, capacity);
    return status;
  }
  segment->chunk = chunk;
  segment->data = chunk;
  segment->capacity = capacity;
  return TERN_OK;
}

/* Appends to the last chunk; returns how much went in. */
static size_t fill_chunk(struct tern_stream_send *send, tern_slice data)
{
  if (send->count == 0)
    return 0;
  struct tern_send_segment *last = segment_at(send, send->count - 1);
  if (last->kind != SEGMENT_COPY)
    return 0;
  size_t room = last->capacity - (size_t)last->len;
  size_t len = data.len < room ? data.len : room;
  if (len == 0)
    return 0;
  memcpy(last->chunk + last->len, data.data, len);
  last->len += len;
  send->written += len;
  send->copied_bytes += (uint32_t)len;
  return len;
}

tern_status tern_stream_send_write(struct tern_stream_send *send, tern_slice data, size_t *taken)
{
  *taken = 0;
  tern_status status = check_write(send, data.len);
  if (status != TERN_OK)
    return status;
  uint64_t room = tern_stream_send_room(send);
  tern_slice left = tern_slice_of(data.data, data.len < room ? data.len : (size_t)room);
  while (left.len != 0) {
    size_t len = fill_chunk(send, left);
    *taken += len;
    left = tern_slice_of(left.data + len, left.len - len);
    if (left.len == 0)
      break;
    status = push_chunk(send, left.len);
    if (status != TERN_OK)
      return status;
  }
  return *taken == data.len ? TERN_OK : TERN_BLOCKED;
}

tern_status tern_stream_send_write_ref(struct tern_stream_send *send, tern_slice data,
                                       tern_release *release, void *arg)
{
  struct tern_send_segment *segment;
  tern_status status = check_write(send, data.len);
  if (status != TERN_OK)
    return status;
  if (data.len == 0) {
    if (release != NULL)
      release(arg);
    return TERN_OK;
  }
  status = push_segment(send, SEGMENT_REF, &segment);
  if (status != TERN_OK)
    return status;
  segment->data = data.data;
  segment->len = data.len;
  segment->source.release = release;
  segment->source.arg = arg;
  send->written += data.len;
  return TERN_OK;
}

tern_status tern_stream_send_write_source(struct tern_stream_send *send, uint64_t len,
                                          const tern_source *source)
{
  struct tern_send_segment *segment;
  tern_status status = check_write(send, len);
  if (status != TERN_OK)
    return status;
  if (len == 0) {
    if (source->release != NULL)
      source->release(source->arg);
    return TERN_OK;
  }
  status = push_segment(send, SEGMENT_SOURCE, &segment);
  if (status != TERN_OK)
    return status;
  segment->len = len;
  segment->source = *source;
  send->written += len;
  return TERN_OK;
}

tern_status tern_stream_send_finish(struct tern_stream_send *send)
{
  TERN_ASSERT(!send->is_crypto);
  tern_status status = check_write(send, 0);
  if (status == TERN_OK)
    send->is_finished = true;
  return status;
}

bool tern_stream_send_reset(struct tern_stream_send *send, uint64_t code)
{
  TERN_ASSERT(!send->is_crypto);
  /* [rfc9000-3.1] from Ready, Send or Data Sent; terminal states stay */
  if (send->state >= TERN_SEND_DATA_RECVD)
    return false;
  send->state = TERN_SEND_RESET_SENT;
  send->reset_code = code;
  tern_sync_once_want(&send->reset);
  drop_storage(send);
  return true;
}

/* ---- sending ---- */

/* All data was sent once, and a FIN has to go after it. */
static bool wants_fin(const struct tern_stream_send *send)
{
  return send->is_finished && send->unsent == send->written &&
         (!send->is_fin_sent || send->is_fin_lost);
}

bool tern_stream_send_wants(const struct tern_stream_send *send, uint64_t credit_bytes)
{
  if (send->state >= TERN_SEND_DATA_RECVD)
    return false;
  if (!tern_rangeset_is_empty(&send->lost))
    return true;
  return (send->unsent < send->written && credit_bytes != 0) || wants_fin(send);
}

bool tern_stream_send_next(const struct tern_stream_send *send, uint64_t credit_bytes,
                           struct tern_send_range *out)
{
  if (!tern_stream_send_wants(send, credit_bytes))
    return false;
  out->is_retransmit = !tern_rangeset_is_empty(&send->lost);
  if (out->is_retransmit) {
    out->offset = send->lost.ranges[0].start;
    out->len = send->lost.ranges[0].end - out->offset;
  } else {
    uint64_t left = send->written - send->unsent;
    out->offset = send->unsent;
    out->len = left < credit_bytes ? left : credit_bytes;
  }
  out->is_fin_possible = send->is_finished && out->offset + out->len == send->written;
  return true;
}

void tern_stream_send_locate(const struct tern_stream_send *send, uint64_t offset, uint64_t len,
                             struct tern_send_piece *piece)
{
  const struct tern_send_segment *segment = get_segment(send, offset);
  uint64_t within = offset - segment->offset;
  uint64_t left = segment->len - within;
  piece->data = NULL;
  piece->source = NULL;
  piece->source_offset = within;
  piece->len = len < left ? len : left;
  if (segment->kind == SEGMENT_SOURCE)
    piece->source = &segment->source;
  else
    piece->data = segment->data + within;
}

bool tern_stream_send_copy(const struct tern_stream_send *send, uint64_t offset, size_t len,
                           uint8_t *out, uint64_t *reset_code)
{
  while (len != 0) {
    struct tern_send_piece piece;
    tern_stream_send_locate(send, offset, len, &piece);
    tern_iov iov = {out, (size_t)piece.len};
    if (piece.source == NULL) {
      memcpy(out, piece.data, (size_t)piece.len);
    } else if (!piece.source->fill(piece.source->arg, piece.source_offset, &iov, 1)) {
      if (reset_code != NULL)
        *reset_code = piece.source->reset_code;
      return false;
    }
    offset += piece.len;
    out += piece.len;
    len -= (size_t)piece.len;
  }
  return true;
}

void tern_stream_send_on_sent(struct tern_stream_send *send, const struct tern_send_range *range,
                              bool is_fin, struct tern_frame_record *record)
{
  uint64_t end = range->offset + range->len;
  if (range->is_retransmit) {
    /* The start of the first lost range: cutting it off takes no memory. */
    tern_rangeset_remove_below(&send->lost, end);
  } else {
    TERN_ASSERT(range->offset == send->unsent && end <= send->written);
    send->unsent = end;
  }
  if (send->state == TERN_SEND_READY)
    send->state = TERN_SEND_SEND;
  if (is_fin) {
    TERN_ASSERT(send->is_finished && end == send->written);
    send->is_fin_sent = true;
    send->is_fin_lost = false;
    send->state = TERN_SEND_DATA_SENT;
  }
  record->kind = send->is_crypto ? TERN_RECORD_CRYPTO : TERN_RECORD_STREAM;
  record->flags = is_fin ? TERN_RECORD_FIN : 0;
  record->offset = range->offset;
  record->len = range->len;
}

bool tern_stream_send_write_reset(struct tern_stream_send *send,
                                  const struct tern_stream_name *name, struct tern_writer *writer,
                                  struct tern_frame_record *record)
{
  if (!tern_stream_send_wants_reset(send))
    return false;
  /* [rfc9000-4.5] the final size is one above the highest offset sent */
  if (tern_frame_size_reset_stream(name->id, send->reset_code, send->unsent) >
      tern_writer_left(writer))
    return false;
  tern_frame_write_reset_stream(writer, name->id, send->reset_code, send->unsent);
  tern_record_fill(record, TERN_RECORD_RESET_STREAM, name);
  record->offset = send->unsent;
  tern_sync_once_on_sent(&send->reset);
  return true;
}

/* ---- fates ---- */

/* Counts the copied bytes in [from, acked_to) as free and releases segments that end there. */
static void release_acked(struct tern_stream_send *send, uint64_t from)
{
  while (send->count != 0) {
    const struct tern_send_segment *segment = segment_at(send, 0);
    uint64_t segment_end = segment->offset + segment->len;
    uint64_t end = segment_end < send->acked_to ? segment_end : send->acked_to;
    if (from < segment->offset)
      from = segment->offset;
    if (segment->kind == SEGMENT_COPY && from < end)
      send->copied_bytes -= (uint32_t)(end - from);
    if (send->acked_to < segment_end)
      return;
    pop_segment(send);
  }
  drop_spare(send);
}

/* Everything below `end` is acknowledged; takes in ranges that join on. */
static void advance(struct tern_stream_send *send, uint64_t end)
{
  send->acked_to = end;
  tern_rangeset_remove_below(&send->acked, end);
  if (!tern_rangeset_is_empty(&send->acked) && send->acked.ranges[0].start == end) {
    send->acked_to = send->acked.ranges[0].end;
    tern_rangeset_drop_first(&send->acked);
  }
}

static tern_status note_acked(struct tern_stream_send *send, uint64_t start, uint64_t end)
{
  if (start < send->acked_to)
    start = send->acked_to;
  if (end > send->unsent)
    end = send->unsent;
  if (start >= end)
    return TERN_OK;
  tern_status status = tern_rangeset_remove(&send->lost, send->alloc, start, end);
  if (status != TERN_OK)
    return status;
  if (start > send->acked_to)
    return tern_rangeset_add(&send->acked, send->alloc, start, end);
  advance(send, end);
  return TERN_OK;
}

/* [rfc9000-3.1] Data Sent -> Data Recvd when everything and the FIN is acknowledged. */
static void check_done(struct tern_stream_send *send, struct tern_send_facts *facts)
{
  if (!send->is_fin_acked || send->acked_to != send->written)
    return;
  send->state = TERN_SEND_DATA_RECVD;
  facts->is_done = true;
  drop_storage(send);
}

static void on_reset_acked(struct tern_stream_send *send, struct tern_send_facts *facts)
{
  tern_sync_once_on_acked(&send->reset);
  if (send->state != TERN_SEND_RESET_SENT)
    return;
  send->state = TERN_SEND_RESET_RECVD;
  facts->is_done = true;
}

tern_status tern_stream_send_on_acked(struct tern_stream_send *send,
                                      const struct tern_frame_record *record,
                                      struct tern_send_facts *facts)
{
  uint64_t acked_before = send->acked_to;
  uint32_t copied_before = send->copied_bytes;
  *facts = (struct tern_send_facts){0};
  if (record->kind == TERN_RECORD_RESET_STREAM) {
    on_reset_acked(send, facts);
  } else if (send->state < TERN_SEND_DATA_RECVD) {
    tern_status status = note_acked(send, record->offset, record->offset + record->len);
    if (status != TERN_OK)
      return status;
    if (record->flags & TERN_RECORD_FIN) {
      send->is_fin_acked = true;
      send->is_fin_lost = false;
    }
    if (send->acked_to != acked_before)
      release_acked(send, acked_before);
    facts->has_freed_room = send->copied_bytes < copied_before;
    check_done(send, facts);
  }
  facts->acked_to = send->acked_to;
  facts->has_acked_to_moved = send->acked_to != acked_before;
  return TERN_OK;
}

/* Adds [start, end) without what was acknowledged meanwhile. */
static tern_status note_lost(struct tern_stream_send *send, uint64_t start, uint64_t end)
{
  if (start < send->acked_to)
    start = send->acked_to;
  if (end > send->unsent)
    end = send->unsent;
  uint32_t i = tern_rangeset_find(&send->acked, start);
  while (start < end) {
    struct tern_range acked = {end, end};
    if (i < send->acked.count)
      acked = send->acked.ranges[i++];
    uint64_t stop = acked.start < end ? acked.start : end;
    if (start < stop) {
      tern_status status = tern_rangeset_add(&send->lost, send->alloc, start, stop);
      if (status != TERN_OK)
        return status;
    }
    start = acked.end;
  }
  return TERN_OK;
}

tern_status tern_stream_send_on_lost(struct tern_stream_send *send,
                                     const struct tern_frame_record *record)
{
  if (record->kind == TERN_RECORD_RESET_STREAM) {
    tern_sync_once_on_lost(&send->reset);
    return TERN_OK;
  }
  /* [rfc9000-3.1] after a reset there is no need to retransmit stream data */
  if (send->state >= TERN_SEND_DATA_RECVD)
    return TERN_OK;
  if ((record->flags & TERN_RECORD_FIN) && !send->is_fin_acked)
    send->is_fin_lost = true;
  return note_lost(send, record->offset, record->offset + record->len);
}

void tern_stream_send_rewind(struct tern_stream_send *send)
{
  if (send->state == TERN_SEND_RESET_SENT)
    send->unsent = 0; /* the final size: the peer has seen nothing */
  if (send->state >= TERN_SEND_DATA_RECVD)
    return;
  send->unsent = send->acked_to;
  send->is_fin_sent = false;
  send->is_fin_lost = false;
  send->state = send->unsent == 0 ? TERN_SEND_READY : TERN_SEND_SEND;
  tern_rangeset_remove_below(&send->lost, UINT64_MAX);
  tern_rangeset_remove_below(&send->acked, UINT64_MAX);
}
