/* SPDX-License-Identifier: MIT */
/* Runs: see stream_recv.h.
 *
 *   in_order    gap     run 0    gap     run 1
 *      |---------------[=====]---------[=======]
 *
 * Invariants: starts and ends ascend; runs neither overlap nor touch; run 0 starts above in_order. So
 * each run has one gap before it, and a frame that touches a run or in_order never needs another. */
#include "transport/recv_runs.h"

#include <string.h>

#include "base/assert.h"
#include "transport/recv_piece.h"

#define RUNS_MIN 4

/* Index of the first run that ends at or above `offset`: the first that [offset, ...) touches. */
static uint32_t find_run(const struct tern_stream_recv *recv, uint64_t offset)
{
  uint32_t low = 0, high = recv->runs_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (recv->runs[middle].end < offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool tern_recv_runs_have_room(const struct tern_stream_recv *recv, uint64_t start, uint64_t end)
{
  if (recv->runs_count < TERN_CAP_STREAM_GAPS || start <= recv->in_order || start == end)
    return true;
  uint32_t i = find_run(recv, start);
  return i < recv->runs_count && recv->runs[i].start <= end;
}

uint64_t tern_recv_runs_count_new(const struct tern_stream_recv *recv, uint64_t start, uint64_t end)
{
  uint64_t bytes = end - start;
  for (uint32_t i = find_run(recv, start); i < recv->runs_count; i++) {
    const struct tern_recv_run *run = &recv->runs[i];
    uint64_t from = run->start > start ? run->start : start;
    uint64_t to = run->end < end ? run->end : end;
    if (run->start >= end)
      break;
    if (from < to)
      bytes -= to - from;
  }
  return bytes;
}

void tern_recv_runs_drop(struct tern_stream_recv *recv)
{
  for (uint32_t i = 0; i < recv->runs_count; i++)
    tern_recv_list_drop(&recv->runs[i].blocks, recv->alloc);
  tern_alloc_give(recv->alloc, recv->runs, recv->runs_capacity * sizeof *recv->runs);
  recv->runs = NULL;
  recv->runs_count = 0;
  recv->runs_capacity = 0;
  recv->held_bytes = 0;
}

static bool grow_runs(struct tern_stream_recv *recv)
{
  uint32_t capacity = recv->runs_capacity == 0 ? RUNS_MIN : recv->runs_capacity * 2u;
  if (capacity > TERN_CAP_STREAM_GAPS)
    capacity = TERN_CAP_STREAM_GAPS;
  TERN_ASSERT(capacity > recv->runs_capacity);
  struct tern_recv_run *runs = tern_alloc_resize(
      recv->alloc, recv->runs, recv->runs_capacity * sizeof *runs, capacity * sizeof *runs);
  if (runs == NULL)
    return false;
  recv->runs = runs;
  recv->runs_capacity = (uint16_t)capacity;
  return true;
}

/* Takes the runs [from, to) out of the array; their blocks have moved elsewhere. */
static void erase_runs(struct tern_stream_recv *recv, uint32_t from, uint32_t to)
{
  if (from == to)
    return;
  memmove(&recv->runs[from], &recv->runs[to], (recv->runs_count - to) * sizeof *recv->runs);
  recv->runs_count = (uint16_t)(recv->runs_count - (to - from));
}

static bool insert_run(struct tern_stream_recv *recv, uint32_t at, uint64_t start, tern_slice data)
{
  struct tern_recv_run run = {start, start + data.len, {NULL, NULL}};
  if (recv->runs_count == recv->runs_capacity && !grow_runs(recv))
    return false;
  if (!tern_recv_list_append(&run.blocks, recv->alloc, data, 0))
    return false;
  memmove(&recv->runs[at + 1], &recv->runs[at], (recv->runs_count - at) * sizeof run);
  recv->runs[at] = run;
  recv->runs_count++;
  recv->held_bytes += (uint32_t)data.len;
  return true;
}

/* Adds [start, end), start > in_order, where it touches run `i` or a later one. */
static bool extend_run(struct tern_stream_recv *recv, uint32_t i, uint64_t start, tern_slice data)
{
  struct tern_recv_run *run = &recv->runs[i];
  uint64_t end = start + data.len;
  uint32_t joined = i + 1;
  bool is_ok = true;

  if (start < run->start) {
    size_t len = (size_t)(run->start - start);
    if (!tern_recv_list_prepend(&run->blocks, recv->alloc, tern_slice_of(data.data, len)))
      return false;
    run->start = start;
    recv->held_bytes += (uint32_t)len;
  }
  /* Bytes between run->end and the next run, then that run, until the frame ends. */
  while (is_ok && run->end < end) {
    bool has_next = joined < recv->runs_count && recv->runs[joined].start <= end;
    uint64_t stop = has_next ? recv->runs[joined].start : end;
    size_t len = (size_t)(stop - run->end);
    is_ok = tern_recv_list_append(&run->blocks, recv->alloc,
                                  tern_slice_of(data.data + (run->end - start), len),
                                  (run->end - run->start) / 4);
    if (!is_ok)
      break;
    run->end = stop;
    recv->held_bytes += (uint32_t)len;
    if (has_next) {
      run->end = recv->runs[joined].end;
      tern_recv_list_join(&run->blocks, &recv->runs[joined].blocks, recv->alloc);
      joined++;
    }
  }
  erase_runs(recv, i + 1, joined);
  return is_ok;
}

static bool add_beyond_gap(struct tern_stream_recv *recv, uint64_t start, tern_slice data)
{
  uint32_t i = find_run(recv, start);
  if (i == recv->runs_count || recv->runs[i].start > start + data.len)
    return insert_run(recv, i, start, data);
  return extend_run(recv, i, start, data);
}

/* Bytes at in_order become readable: borrowed if there is a pool, where room is reserved. */
static bool add_readable(struct tern_stream_recv *recv, struct tern_piece_pool *pool,
                         tern_slice data)
{
  if (pool != NULL) {
    tern_recv_list_push(&recv->readable, tern_piece_pool_take(pool, data));
  } else {
    bool is_last_kept = recv->kept != NULL && recv->kept == recv->readable.tail;
    if (!tern_recv_list_append(&recv->readable, recv->alloc, data,
                               tern_stream_recv_readable(recv) / 4))
      return false;
    if (is_last_kept)
      recv->kept = recv->readable.tail;
  }
  recv->in_order += data.len;
  return true;
}

/* Data at in_order: up to the first run, then that run, until the frame ends. */
static bool add_in_order(struct tern_stream_recv *recv, struct tern_piece_pool *pool,
                         tern_slice data)
{
  uint64_t start = recv->in_order;
  uint64_t end = start + data.len;
  uint32_t joined = 0;
  bool is_ok = true;

  /* Borrowed bytes must not be left behind by a frame that is refused: nobody would keep them. */
  if (pool != NULL && !tern_piece_pool_reserve(pool, recv->runs_count + (size_t)1))
    return false;
  while (recv->in_order < end) {
    bool has_next = joined < recv->runs_count && recv->runs[joined].start <= end;
    uint64_t stop = has_next ? recv->runs[joined].start : end;
    const uint8_t *from = data.data + (recv->in_order - start);
    is_ok = add_readable(recv, pool, tern_slice_of(from, (size_t)(stop - recv->in_order)));
    if (!is_ok)
      break;
    if (has_next) {
      struct tern_recv_run *run = &recv->runs[joined++];
      recv->in_order = run->end;
      recv->held_bytes -= (uint32_t)(run->end - run->start);
      tern_recv_list_move(&recv->readable, &run->blocks);
    }
  }
  erase_runs(recv, 0, joined);
  if (recv->runs_count == 0)
    tern_recv_runs_drop(recv);
  return is_ok;
}

bool tern_recv_runs_add(struct tern_stream_recv *recv, const struct tern_recv_data *data,
                        struct tern_piece_pool *pool)
{
  uint64_t start = data->offset;
  tern_slice slice = data->data;
  uint64_t end = start + slice.len;
  if (end <= recv->in_order || slice.len == 0)
    return true;
  if (start > recv->in_order)
    return add_beyond_gap(recv, start, slice);
  size_t known = (size_t)(recv->in_order - start);
  return add_in_order(recv, pool, tern_slice_of(slice.data + known, slice.len - known));
}
