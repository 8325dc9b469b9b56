/* SPDX-License-Identifier: MIT */
/* Lists of pieces: see recv_piece.h.
 *
 *   block: | struct tern_recv_piece | consumed | data, len | room |      capacity = the last three */
#include "transport/recv_piece.h"

#include <string.h>

#include "base/assert.h"

/* Capacities are multiples of it: a block of one byte takes 64. */
#define BLOCK_STEP 32
#define PAGE_PIECES 128

/* ---- pieces of a batch ---- */

struct tern_piece_page {
  struct tern_piece_page *next;
  struct tern_recv_piece pieces[PAGE_PIECES];
};

void tern_piece_pool_init(struct tern_piece_pool *pool, struct tern_alloc *alloc)
{
  *pool = (struct tern_piece_pool){.alloc = alloc};
}

void tern_piece_pool_deinit(struct tern_piece_pool *pool)
{
  while (pool->pages != NULL) {
    struct tern_piece_page *page = pool->pages;
    pool->pages = page->next;
    tern_alloc_give(pool->alloc, page, sizeof(*page));
  }
  pool->current = NULL;
  pool->used = 0;
}

void tern_piece_pool_reset(struct tern_piece_pool *pool)
{
  pool->current = pool->pages;
  pool->used = 0;
}

bool tern_piece_pool_reserve(struct tern_piece_pool *pool, size_t count)
{
  struct tern_piece_page **link = &pool->pages;
  size_t left = 0;
  if (pool->current != NULL) {
    left = PAGE_PIECES - pool->used;
    link = &pool->current->next;
  }
  for (; left < count; left += PAGE_PIECES, link = &(*link)->next) {
    if (*link != NULL)
      continue;
    *link = tern_alloc_take(pool->alloc, sizeof(struct tern_piece_page));
    if (*link == NULL)
      return false;
    (*link)->next = NULL;
  }
  if (pool->current == NULL)
    pool->current = pool->pages;
  return true;
}

struct tern_recv_piece *tern_piece_pool_take(struct tern_piece_pool *pool, tern_slice data)
{
  if (pool->used == PAGE_PIECES) {
    pool->current = pool->current->next;
    pool->used = 0;
  }
  struct tern_recv_piece *piece = &pool->current->pieces[pool->used++];
  *piece = (struct tern_recv_piece){.data = data.data, .len = (uint32_t)data.len};
  return piece;
}

/* ---- blocks ---- */

static uint8_t *base_of(struct tern_recv_piece *block)
{
  return (uint8_t *)(block + 1);
}

static size_t round_up(size_t bytes)
{
  return (bytes + BLOCK_STEP - 1) / BLOCK_STEP * BLOCK_STEP;
}

static struct tern_recv_piece *take_block(struct tern_alloc *alloc, size_t capacity)
{
  struct tern_recv_piece *block = tern_alloc_take(alloc, sizeof(*block) + capacity);
  if (block == NULL)
    return NULL;
  *block = (struct tern_recv_piece){.data = base_of(block), .capacity = (uint32_t)capacity};
  return block;
}

/* Bytes that could be appended. */
static size_t room_of(struct tern_recv_piece *piece)
{
  if (piece == NULL || piece->capacity == 0)
    return 0;
  return piece->capacity - (size_t)(piece->data - base_of(piece)) - piece->len;
}

static void append_bytes(struct tern_recv_piece *block, const uint8_t *data, size_t len)
{
  size_t at = (size_t)(block->data - base_of(block)) + block->len;
  TERN_ASSERT(len <= block->capacity - at);
  if (len != 0)
    memcpy(base_of(block) + at, data, len);
  block->len += (uint32_t)len;
}

void tern_recv_piece_drop(struct tern_recv_piece *piece, struct tern_alloc *alloc)
{
  if (piece->capacity != 0)
    tern_alloc_give(alloc, piece, sizeof(*piece) + piece->capacity);
}

void tern_recv_pieces_drop(struct tern_recv_piece *piece, struct tern_alloc *alloc)
{
  while (piece != NULL) {
    struct tern_recv_piece *next = piece->next;
    tern_recv_piece_drop(piece, alloc);
    piece = next;
  }
}

/* ---- lists ---- */

void tern_recv_list_push(struct tern_recv_list *list, struct tern_recv_piece *piece)
{
  piece->prev = list->tail;
  piece->next = NULL;
  if (list->tail != NULL)
    list->tail->next = piece;
  else
    list->head = piece;
  list->tail = piece;
}

static void push_front(struct tern_recv_list *list, struct tern_recv_piece *piece)
{
  piece->prev = NULL;
  piece->next = list->head;
  if (list->head != NULL)
    list->head->prev = piece;
  else
    list->tail = piece;
  list->head = piece;
}

void tern_recv_list_pop(struct tern_recv_list *list, struct tern_alloc *alloc)
{
  struct tern_recv_piece *piece = list->head;
  list->head = piece->next;
  if (list->head != NULL)
    list->head->prev = NULL;
  else
    list->tail = NULL;
  tern_recv_piece_drop(piece, alloc);
}

void tern_recv_list_drop(struct tern_recv_list *list, struct tern_alloc *alloc)
{
  tern_recv_pieces_drop(list->head, alloc);
  *list = (struct tern_recv_list){0};
}

struct tern_recv_piece *tern_recv_list_split(struct tern_recv_list *list,
                                             struct tern_recv_piece *last)
{
  struct tern_recv_piece *rest = last != NULL ? last->next : list->head;
  if (last != NULL)
    last->next = NULL;
  else
    list->head = NULL;
  list->tail = last;
  return rest;
}

void tern_recv_list_move(struct tern_recv_list *to, struct tern_recv_list *from)
{
  if (from->head == NULL)
    return;
  from->head->prev = to->tail;
  if (to->tail != NULL)
    to->tail->next = from->head;
  else
    to->head = from->head;
  to->tail = from->tail;
  *from = (struct tern_recv_list){0};
}

/* Puts a block with the same bytes and another capacity in the place of `block`. */
static bool resize_block(struct tern_recv_list *list, struct tern_alloc *alloc,
                         struct tern_recv_piece *block, size_t capacity)
{
  struct tern_recv_piece *resized = take_block(alloc, capacity);
  if (resized == NULL)
    return false;
  append_bytes(resized, block->data, block->len);
  resized->prev = block->prev;
  resized->next = block->next;
  if (block->prev != NULL)
    block->prev->next = resized;
  else
    list->head = resized;
  if (block->next != NULL)
    block->next->prev = resized;
  else
    list->tail = resized;
  tern_recv_piece_drop(block, alloc);
  return true;
}

/* Sees to it that the tail takes `len` more bytes, if it is small. */
static bool grow_tail(struct tern_recv_list *list, struct tern_alloc *alloc, size_t len)
{
  struct tern_recv_piece *tail = list->tail;
  if (tail == NULL || tail->capacity == 0 || tail->len + len > TERN_RECV_JOIN_MAX)
    return false;
  return resize_block(list, alloc, tail, round_up(tail->len + len));
}

bool tern_recv_list_append(struct tern_recv_list *list, struct tern_alloc *alloc, tern_slice data,
                           uint64_t hint)
{
  size_t room = room_of(list->tail);
  if (data.len <= room || grow_tail(list, alloc, data.len)) {
    append_bytes(list->tail, data.data, data.len);
    return true;
  }
  size_t rest = data.len - room;
  size_t capacity = hint < TERN_RECV_BLOCK_MAX ? (size_t)hint : TERN_RECV_BLOCK_MAX;
  struct tern_recv_piece *block = take_block(alloc, round_up(rest > capacity ? rest : capacity));
  if (block == NULL)
    return false;
  if (room != 0)
    append_bytes(list->tail, data.data, room);
  append_bytes(block, data.data + room, rest);
  tern_recv_list_push(list, block);
  return true;
}

bool tern_recv_list_prepend(struct tern_recv_list *list, struct tern_alloc *alloc, tern_slice data)
{
  struct tern_recv_piece *head = list->head;
  if (head == NULL || head->len + data.len > TERN_RECV_JOIN_MAX) {
    struct tern_recv_piece *block = take_block(alloc, round_up(data.len));
    if (block == NULL)
      return false;
    append_bytes(block, data.data, data.len);
    push_front(list, block);
    return true;
  }
  if (room_of(head) < data.len && !resize_block(list, alloc, head, round_up(head->len + data.len)))
    return false;
  head = list->head;
  memmove(base_of(head) + data.len, base_of(head), head->len);
  memcpy(base_of(head), data.data, data.len);
  head->len += (uint32_t)data.len;
  return true;
}

void tern_recv_list_join(struct tern_recv_list *to, struct tern_recv_list *from,
                         struct tern_alloc *alloc)
{
  struct tern_recv_piece *head = from->head;
  if (to->tail == NULL) {
    tern_recv_list_move(to, from);
    return;
  }
  if (head->len <= TERN_RECV_JOIN_MAX &&
      (head->len <= room_of(to->tail) || grow_tail(to, alloc, head->len))) {
    append_bytes(to->tail, head->data, head->len);
    tern_recv_list_pop(from, alloc);
  } else if (room_of(to->tail) >= BLOCK_STEP) {
    (void)resize_block(to, alloc, to->tail, round_up(to->tail->len));
  }
  tern_recv_list_move(to, from);
}
