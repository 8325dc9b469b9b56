/* SPDX-License-Identifier: MIT */
/* The receiving half: what a frame means (RFC 9000 3.2, 4.5). Where its bytes go is in recv_runs.c; how
 * they are held is in recv_piece.c.
 *
 * A frame is cut into what is new. Whatever can fail for want of memory leaves the lists consistent;
 * the frame is then taken again when the peer repeats it. */
#include "transport/stream_recv.h"

#include <string.h>

#include "base/assert.h"
#include "transport/recv_piece.h"
#include "transport/recv_runs.h"
#include "wire/frame_write.h"

void tern_stream_recv_init(struct tern_stream_recv *recv, struct tern_alloc *alloc)
{
  memset(recv, 0, sizeof(*recv));
  recv->alloc = alloc;
  recv->final_size = TERN_FINAL_SIZE_UNKNOWN;
}

static void drop_data(struct tern_stream_recv *recv)
{
  tern_recv_list_drop(&recv->readable, recv->alloc);
  recv->kept = NULL;
  recv->in_order = recv->consumed;
  tern_recv_runs_drop(recv);
}

void tern_stream_recv_trim(struct tern_stream_recv *recv)
{
  if (recv->runs_count != 0)
    return;
  tern_alloc_give(recv->alloc, recv->runs, recv->runs_capacity * sizeof *recv->runs);
  recv->runs = NULL;
  recv->runs_capacity = 0;
}

void tern_stream_recv_deinit(struct tern_stream_recv *recv)
{
  drop_data(recv);
}

/* ---- frames ---- */

/* [rfc9000-4.5] a final size cannot change, nor be below or at what was received, and nothing comes at
 * or beyond it. */
static bool is_size_legal(const struct tern_stream_recv *recv, uint64_t end, bool is_final)
{
  if (tern_stream_recv_is_size_known(recv))
    return is_final ? end == recv->final_size : end <= recv->final_size;
  return !is_final || end >= recv->highest;
}

static void raise_highest(struct tern_stream_recv *recv, uint64_t end,
                          struct tern_recv_facts *facts)
{
  if (end <= recv->highest)
    return;
  facts->new_highest_bytes = end - recv->highest;
  recv->highest = end;
}

/* [rfc9000-3.2] Recv -> Size Known -> Data Recvd -> Data Read, as far as it goes. */
static void advance_state(struct tern_stream_recv *recv)
{
  if (!tern_stream_recv_is_size_known(recv))
    return;
  if (recv->state == TERN_RECV_RECV)
    recv->state = TERN_RECV_SIZE_KNOWN;
  /* Of data that is unwanted only the size mattered. */
  if (recv->state == TERN_RECV_SIZE_KNOWN &&
      (recv->in_order == recv->final_size || recv->is_stopped)) {
    recv->state = TERN_RECV_DATA_RECVD;
    /* [rfc9000-3.5] sending STOP_SENDING is unnecessary now */
    tern_sync_once_cancel(&recv->stop);
  }
  if (recv->state == TERN_RECV_DATA_RECVD &&
      (recv->consumed == recv->final_size || recv->is_stopped))
    recv->state = TERN_RECV_DATA_READ;
}

enum tern_recv_result tern_stream_recv_on_data(struct tern_stream_recv *recv,
                                               const struct tern_recv_data *data,
                                               struct tern_piece_pool *pool,
                                               struct tern_recv_facts *facts)
{
  uint64_t end = data->offset + data->data.len;
  *facts = (struct tern_recv_facts){0};
  if (!is_size_legal(recv, end, data->is_fin))
    return TERN_RECV_FINAL_SIZE;
  if (recv->state >= TERN_RECV_DATA_RECVD)
    return TERN_RECV_OK;
  if (!recv->is_stopped && !tern_recv_runs_have_room(recv, data->offset, end))
    return TERN_RECV_GAPS;

  uint64_t in_order_before = recv->in_order;
  raise_highest(recv, end, facts);
  if (data->is_fin)
    recv->final_size = end;
  if (!recv->is_stopped && !tern_recv_runs_add(recv, data, pool)) {
    facts->is_readable = recv->in_order != in_order_before;
    return TERN_RECV_NOMEM;
  }
  advance_state(recv);
  if (!recv->is_stopped)
    facts->is_readable = recv->in_order != in_order_before || recv->state >= TERN_RECV_DATA_RECVD;
  return TERN_RECV_OK;
}

enum tern_recv_result tern_stream_recv_on_reset(struct tern_stream_recv *recv, uint64_t code,
                                                uint64_t final_size, struct tern_recv_facts *facts)
{
  *facts = (struct tern_recv_facts){0};
  if (!is_size_legal(recv, final_size, true))
    return TERN_RECV_FINAL_SIZE;
  /* [rfc9000-3.2] may be ignored once all data is here */
  if (recv->state >= TERN_RECV_DATA_RECVD)
    return TERN_RECV_OK;
  raise_highest(recv, final_size, facts);
  recv->final_size = final_size;
  recv->code = code;
  recv->state = recv->is_stopped ? TERN_RECV_RESET_READ : TERN_RECV_RESET_RECVD;
  facts->is_readable = !recv->is_stopped;
  tern_sync_once_cancel(&recv->stop);
  drop_data(recv);
  return TERN_RECV_OK;
}

/* ---- the application ---- */

size_t tern_stream_recv_peek(const struct tern_stream_recv *recv, tern_slice *slices, size_t max)
{
  size_t count = 0;
  const struct tern_recv_piece *piece = recv->readable.head;
  for (; piece != NULL && count < max; piece = piece->next)
    slices[count++] = tern_slice_of(piece->data, piece->len);
  return count;
}

size_t tern_stream_recv_copy(const struct tern_stream_recv *recv, uint8_t *out, size_t max)
{
  size_t done = 0;
  const struct tern_recv_piece *piece = recv->readable.head;
  for (; piece != NULL && done < max; piece = piece->next) {
    size_t len = piece->len < max - done ? piece->len : max - done;
    memcpy(out + done, piece->data, len);
    done += len;
  }
  return done;
}

void tern_stream_recv_consume(struct tern_stream_recv *recv, size_t len)
{
  TERN_ASSERT(len <= tern_stream_recv_readable(recv));
  recv->consumed += len;
  while (len != 0) {
    struct tern_recv_piece *piece = recv->readable.head;
    if (len < piece->len) {
      piece->data += len;
      piece->len -= (uint32_t)len;
      break;
    }
    len -= piece->len;
    if (recv->kept == piece)
      recv->kept = NULL;
    tern_recv_list_pop(&recv->readable, recv->alloc);
  }
  advance_state(recv);
}

/* How many bytes one block could take in from `piece` on: the borrowed ones up to the next owned one. If
 * there is none, the next batch will probably go on here: some more. */
static uint64_t choose_hint(const struct tern_stream_recv *recv,
                            const struct tern_recv_piece *piece)
{
  uint64_t bytes = 0;
  for (; piece != NULL && piece->capacity == 0 && bytes < TERN_RECV_BLOCK_MAX; piece = piece->next)
    bytes += piece->len;
  uint64_t more = tern_stream_recv_readable(recv) / 4;
  return piece == NULL && bytes < more ? more : bytes;
}

/* A piece that the batch brought goes behind those that are kept already. */
static bool keep_piece(struct tern_stream_recv *recv, struct tern_recv_list *kept,
                       struct tern_recv_piece *piece, uint64_t hint)
{
  if (piece->capacity != 0) {
    struct tern_recv_list one = {piece, piece};
    piece->prev = NULL;
    piece->next = NULL;
    tern_recv_list_join(kept, &one, recv->alloc);
    return true;
  }
  return tern_recv_list_append(kept, recv->alloc, tern_slice_of(piece->data, piece->len), hint);
}

tern_status tern_stream_recv_keep(struct tern_stream_recv *recv)
{
  struct tern_recv_list kept = recv->readable;
  struct tern_recv_piece *piece = tern_recv_list_split(&kept, recv->kept);
  uint64_t hint = 0;
  while (piece != NULL) {
    struct tern_recv_piece *next = piece->next;
    uint64_t len = piece->len;
    if (hint < len)
      hint = choose_hint(recv, piece);
    if (!keep_piece(recv, &kept, piece, hint)) {
      tern_recv_pieces_drop(piece, recv->alloc);
      recv->readable = kept;
      recv->is_stopped = true;
      drop_data(recv);
      return TERN_NOMEM;
    }
    hint -= len < hint ? len : hint;
    piece = next;
  }
  recv->readable = kept;
  recv->kept = kept.tail;
  return TERN_OK;
}

bool tern_stream_recv_stop(struct tern_stream_recv *recv, uint64_t code)
{
  if (recv->is_stopped || recv->state >= TERN_RECV_DATA_READ)
    return false;
  recv->is_stopped = true;
  drop_data(recv);
  /* [rfc9000-3.5] STOP_SENDING helps while the peer may have something to send */
  if (recv->state == TERN_RECV_RECV) {
    recv->code = code;
    tern_sync_once_want(&recv->stop);
  }
  advance_state(recv);
  return true;
}

bool tern_stream_recv_write_stop(struct tern_stream_recv *recv, const struct tern_stream_name *name,
                                 struct tern_writer *writer, struct tern_frame_record *record)
{
  if (!tern_stream_recv_wants_stop(recv) ||
      tern_frame_size_stop_sending(name->id, recv->code) > tern_writer_left(writer))
    return false;
  tern_frame_write_stop_sending(writer, name->id, recv->code);
  tern_record_fill(record, TERN_RECORD_STOP_SENDING, name);
  tern_sync_once_on_sent(&recv->stop);
  return true;
}

void tern_stream_recv_on_stop_acked(struct tern_stream_recv *recv)
{
  tern_sync_once_on_acked(&recv->stop);
}

void tern_stream_recv_on_stop_lost(struct tern_stream_recv *recv)
{
  tern_sync_once_on_lost(&recv->stop);
}

void tern_stream_recv_on_reset_told(struct tern_stream_recv *recv)
{
  if (recv->state == TERN_RECV_RESET_RECVD)
    recv->state = TERN_RECV_RESET_READ;
}

/* ---- CRYPTO ---- */

void tern_crypto_recv_init(struct tern_stream_recv *recv, struct tern_alloc *alloc, uint64_t offset)
{
  tern_stream_recv_init(recv, alloc);
  recv->consumed = recv->in_order = recv->highest = offset;
}

enum tern_recv_result tern_crypto_recv_on_data(struct tern_stream_recv *recv,
                                               const struct tern_recv_data *data, bool is_validated,
                                               struct tern_piece_pool *pool)
{
  uint64_t end = data->offset + data->data.len;
  uint64_t held_max = is_validated ? TERN_CAP_CRYPTO_BUFFER : TERN_CAP_CRYPTO_BUFFER_EARLY;
  struct tern_recv_facts facts;
  /* [rfc9000-7.5] at least 4,096 bytes out of order; beyond what we hold, CRYPTO_BUFFER_EXCEEDED */
  if (end > (is_validated ? (uint64_t)TERN_CAP_CRYPTO_TOTAL : TERN_CAP_CRYPTO_TOTAL_EARLY))
    return TERN_RECV_TOO_MUCH;
  if (data->offset > recv->in_order &&
      recv->held_bytes + tern_recv_runs_count_new(recv, data->offset, end) > held_max)
    return TERN_RECV_TOO_MUCH;
  return tern_stream_recv_on_data(recv, data, pool, &facts);
}
