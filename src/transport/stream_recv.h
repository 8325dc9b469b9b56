/* SPDX-License-Identifier: MIT */
/* The receiving half of a stream (RFC 9000 3.2), and of CRYPTO data.
 *
 *   consumed .......... in_order .......... highest
 *   | readable pieces   |  gap [run] gap [run] ...
 *
 *   readable  pieces in stream order. Those of the current batch are borrowed: they point into the
 *             datagrams and are not copied unless they outlive the batch (keep).
 *   runs      data beyond a gap, sorted, at most TERN_CAP_STREAM_GAPS of them, one gap before each.
 *             Always owned. Only the two ends of a run are ever touched, so a run is a list of blocks
 *             and finding a place is a binary search over few runs, however much data they hold.
 *
 * Memory: a block is never more than a quarter of its run's bytes too large, and small neighbours are
 * joined, so owned bytes stay below 1.5 * held + 32 KiB whatever the peer sends ([HOSTILE T8, T9]).
 * The first copy of a byte wins. */
#ifndef TERN_TRANSPORT_STREAM_RECV_H
#define TERN_TRANSPORT_STREAM_RECV_H

#include <tern/base.h>
#include <tern/config.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "transport/record.h"
#include "transport/sync.h"

/* Largest owned block; about 13 packets share one. */
#define TERN_RECV_BLOCK_MAX 16384
/* Neighbours that together are not larger than this are joined. */
#define TERN_RECV_JOIN_MAX 512

/* A stretch of stream bytes, borrowed (capacity 0) or owned (bytes behind the struct). */
struct tern_recv_piece {
  struct tern_recv_piece *prev;
  struct tern_recv_piece *next;
  const uint8_t *data;
  uint32_t len;
  uint32_t capacity; /* bytes behind the struct; 0 = borrowed, from a piece pool */
};

struct tern_recv_list {
  struct tern_recv_piece *head;
  struct tern_recv_piece *tail;
};

/* Pieces of one batch: taken one by one, given back all together. */
struct tern_piece_page;
struct tern_piece_pool {
  struct tern_alloc *alloc;
  struct tern_piece_page *pages;   /* all */
  struct tern_piece_page *current; /* being filled */
  uint32_t used;                   /* of current */
};

void tern_piece_pool_init(struct tern_piece_pool *pool, struct tern_alloc *alloc);
void tern_piece_pool_deinit(struct tern_piece_pool *pool);
/* At the end of a batch, after tern_stream_recv_keep of every stream that was touched. Keeps its
 * memory. */
void tern_piece_pool_reset(struct tern_piece_pool *pool);

/* RFC 9000 figure 3. */
enum tern_stream_recv_state {
  TERN_RECV_RECV,
  TERN_RECV_SIZE_KNOWN,
  TERN_RECV_DATA_RECVD,  /* all data is here */
  TERN_RECV_DATA_READ,   /* and was consumed: done */
  TERN_RECV_RESET_RECVD, /* RESET_STREAM came */
  TERN_RECV_RESET_READ,  /* and the application was told: done */
};

#define TERN_FINAL_SIZE_UNKNOWN UINT64_MAX

struct tern_recv_run {
  uint64_t start;
  uint64_t end;
  struct tern_recv_list blocks;
};

struct tern_stream_recv {
  struct tern_alloc *alloc;
  struct tern_recv_list readable;
  struct tern_recv_piece *kept; /* readable up to here is owned and joined; NULL = nothing is */
  struct tern_recv_run *runs;
  uint16_t runs_count;
  uint16_t runs_capacity;
  uint32_t held_bytes; /* in runs; windows are at most 1 GiB */
  uint64_t consumed;
  uint64_t in_order;          /* end of what is readable */
  uint64_t highest;           /* end of the highest byte received */
  uint64_t final_size;        /* TERN_FINAL_SIZE_UNKNOWN until known */
  uint64_t code;              /* of RESET_STREAM, or of our STOP_SENDING */
  uint8_t state;              /* enum tern_stream_recv_state */
  bool is_stopped;            /* unwanted: data is counted and dropped */
  struct tern_sync_once stop; /* STOP_SENDING */
};

void tern_stream_recv_init(struct tern_stream_recv *recv, struct tern_alloc *alloc);
void tern_stream_recv_deinit(struct tern_stream_recv *recv);
/* Gives back what only the next gap would use. */
void tern_stream_recv_trim(struct tern_stream_recv *recv);

enum tern_recv_result {
  TERN_RECV_OK,
  TERN_RECV_GAPS,  /* one gap too many: drop the packet unacknowledged; nothing is changed */
  TERN_RECV_NOMEM, /* the same, for want of memory; part of the data may be kept, not borrowed */
  TERN_RECV_FINAL_SIZE, /* FINAL_SIZE_ERROR [rfc9000-4.5]; nothing is changed */
  TERN_RECV_TOO_MUCH,   /* CRYPTO_BUFFER_EXCEEDED (tern_crypto_recv_on_data) or FLOW_CONTROL_ERROR
                           (tern_stream_on_data); nothing is changed */
};

struct tern_recv_data {
  uint64_t offset;
  tern_slice data; /* lives until the batch ends */
  bool is_fin;
};

struct tern_recv_facts {
  uint64_t new_highest_bytes; /* how far `highest` moved: what flow control counts */
  bool is_readable;           /* there is more to read than before, or the end became visible */
};

/* `pool` NULL: everything is copied. Data of a stream that is stopped, reset or complete only counts.
 * Check flow control first with tern_stream_recv_check: this one does not. */
TERN_MUST_CHECK enum tern_recv_result tern_stream_recv_on_data(struct tern_stream_recv *recv,
                                                               const struct tern_recv_data *data,
                                                               struct tern_piece_pool *pool,
                                                               struct tern_recv_facts *facts);
/* RESET_STREAM. Buffered data is dropped, unless everything is here already: then it is ignored, as
 * figure 3 allows. `facts->is_readable` if the application has to be told. */
TERN_MUST_CHECK enum tern_recv_result tern_stream_recv_on_reset(struct tern_stream_recv *recv,
                                                                uint64_t code, uint64_t final_size,
                                                                struct tern_recv_facts *facts);

/* Up to `max` slices from the first unread byte on; returns how many. */
size_t tern_stream_recv_peek(const struct tern_stream_recv *recv, tern_slice *slices, size_t max);
static inline uint64_t tern_stream_recv_readable(const struct tern_stream_recv *recv)
{
  return recv->in_order - recv->consumed;
}
/* The first `max` readable bytes, or as many as there are, for one who has to see them in one piece. They
 * stay readable. Returns how many. */
size_t tern_stream_recv_copy(const struct tern_stream_recv *recv, uint8_t *out, size_t max);
/* `len` at most what is readable. */
void tern_stream_recv_consume(struct tern_stream_recv *recv, size_t len);
/* The batch ends: copies what is still borrowed. TERN_NOMEM: the data is lost and the half unusable;
 * close the connection. */
TERN_MUST_CHECK tern_status tern_stream_recv_keep(struct tern_stream_recv *recv);

/* The application does not want the rest: drops what is buffered; STOP_SENDING wants to be sent unless
 * all is here. False if the half is done, reset or stopped already. From here on everything received
 * counts as consumed (tern_stream_stop_receiving does the flow control). */
bool tern_stream_recv_stop(struct tern_stream_recv *recv, uint64_t code);
static inline bool tern_stream_recv_wants_stop(const struct tern_stream_recv *recv)
{
  return tern_sync_once_wants(&recv->stop);
}
bool tern_stream_recv_write_stop(struct tern_stream_recv *recv, const struct tern_stream_name *name,
                                 struct tern_writer *writer, struct tern_frame_record *record);
void tern_stream_recv_on_stop_acked(struct tern_stream_recv *recv);
void tern_stream_recv_on_stop_lost(struct tern_stream_recv *recv);

/* The application was told of the reset: RESET_RECVD -> RESET_READ. */
void tern_stream_recv_on_reset_told(struct tern_stream_recv *recv);

/* Everything up to the FIN was consumed. */
static inline bool tern_stream_recv_is_eof(const struct tern_stream_recv *recv)
{
  return recv->state == TERN_RECV_DATA_READ && !recv->is_stopped;
}
/* The final size is known, so no more credit is needed. */
static inline bool tern_stream_recv_is_size_known(const struct tern_stream_recv *recv)
{
  return recv->final_size != TERN_FINAL_SIZE_UNKNOWN;
}
/* Terminal states of figure 3. */
static inline bool tern_stream_recv_is_done(const struct tern_stream_recv *recv)
{
  return recv->state == TERN_RECV_DATA_READ || recv->state == TERN_RECV_RESET_READ;
}

/* CRYPTO data whose bytes below `offset` were read. */
void tern_crypto_recv_init(struct tern_stream_recv *recv, struct tern_alloc *alloc,
                           uint64_t offset);
/* CRYPTO data: the same half with the bounds of RFC 9000 7.5. TERN_RECV_TOO_MUCH =
 * CRYPTO_BUFFER_EXCEEDED. `is_validated`: the peer's address is, which allows more. */
TERN_MUST_CHECK enum tern_recv_result tern_crypto_recv_on_data(struct tern_stream_recv *recv,
                                                               const struct tern_recv_data *data,
                                                               bool is_validated,
                                                               struct tern_piece_pool *pool);

#endif
