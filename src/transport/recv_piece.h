/* SPDX-License-Identifier: MIT */
/* Lists of pieces of a receiving stream: how bytes are held. Only stream_recv and recv_runs use it.
 *
 * Owned pieces ("blocks") grow by these rules, which bound their overhead: a block of up to
 * TERN_RECV_JOIN_MAX bytes is made larger when it is full; beyond, the next block is as large as its
 * caller's hint (a quarter of what the list holds, or what is known to come). */
#ifndef TERN_TRANSPORT_RECV_PIECE_H
#define TERN_TRANSPORT_RECV_PIECE_H

#include "transport/stream_recv.h"

/* Sees to it that the next `count` takes succeed. False without memory. */
TERN_MUST_CHECK bool tern_piece_pool_reserve(struct tern_piece_pool *pool, size_t count);
/* A borrowed piece, one of those reserved. */
struct tern_recv_piece *tern_piece_pool_take(struct tern_piece_pool *pool, tern_slice data);
/* Gives an owned piece back; a borrowed one belongs to its pool. */
void tern_recv_piece_drop(struct tern_recv_piece *piece, struct tern_alloc *alloc);
/* `piece` and everything after it. */
void tern_recv_pieces_drop(struct tern_recv_piece *piece, struct tern_alloc *alloc);

void tern_recv_list_push(struct tern_recv_list *list, struct tern_recv_piece *piece);
/* Drops the first piece. */
void tern_recv_list_pop(struct tern_recv_list *list, struct tern_alloc *alloc);
void tern_recv_list_drop(struct tern_recv_list *list, struct tern_alloc *alloc);
/* Cuts the list after `last` (NULL = before everything); returns the first piece cut off, or NULL. */
struct tern_recv_piece *tern_recv_list_split(struct tern_recv_list *list,
                                             struct tern_recv_piece *last);
/* Copies `data` to the end. `hint` bytes are a good size for a new block. All or nothing. */
TERN_MUST_CHECK bool tern_recv_list_append(struct tern_recv_list *list, struct tern_alloc *alloc,
                                           tern_slice data, uint64_t hint);
/* Copies `data` to the front; not for lists that were consumed from. */
TERN_MUST_CHECK bool tern_recv_list_prepend(struct tern_recv_list *list, struct tern_alloc *alloc,
                                            tern_slice data);
/* Moves all of `from` behind `to`. The blocks at the seam are joined if small, else the one that can no
 * longer grow gives its spare bytes back; want of memory only costs bytes. */
void tern_recv_list_join(struct tern_recv_list *to, struct tern_recv_list *from,
                         struct tern_alloc *alloc);
/* Moves all of `from` behind `to`, as it is. */
void tern_recv_list_move(struct tern_recv_list *to, struct tern_recv_list *from);

#endif
