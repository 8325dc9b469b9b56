/* SPDX-License-Identifier: MIT */
/* The sending half of a stream (RFC 9000 3.1), and of CRYPTO data.
 *
 *   0 ...... acked_to ...... unsent ...... written
 *   |released|  in flight,   | not sent yet |
 *            |  lost, acked  |
 *
 *   segments  what the bytes are: copied chunks, references, sources; sorted, contiguous,
 *             from somewhere at or below acked_to up to written
 *   acked     ranges above acked_to that were acknowledged out of order
 *   lost      ranges in [acked_to, unsent) to be sent again; disjoint from acked
 *
 * Everything else below `unsent` is in flight. A segment is released when acked_to has passed its end;
 * a gigabyte from one source is one segment. Lookups are binary. */
#ifndef TERN_TRANSPORT_STREAM_SEND_H
#define TERN_TRANSPORT_STREAM_SEND_H

#include <tern/transport.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/rangeset.h"
#include "transport/record.h"
#include "transport/sync.h"

/* Copied bytes are kept in chunks of the power of two that fits the write, within these bounds; long
 * streams use the largest. */
#define TERN_SEND_CHUNK_MIN 512
#define TERN_SEND_CHUNK_MAX 16384
/* Segments of one stream. A write beyond answers TERN_BLOCKED. */
#define TERN_SEND_SEGMENTS_MAX 65536

/* RFC 9000 figure 2. */
enum tern_stream_send_state {
  TERN_SEND_READY,       /* nothing was sent */
  TERN_SEND_SEND,        /* sending */
  TERN_SEND_DATA_SENT,   /* FIN was sent */
  TERN_SEND_DATA_RECVD,  /* all of it and the FIN acknowledged: done */
  TERN_SEND_RESET_SENT,  /* RESET_STREAM is to be sent or was */
  TERN_SEND_RESET_RECVD, /* and acknowledged: done */
};

struct tern_send_segment;

struct tern_stream_send {
  struct tern_alloc *alloc;
  struct tern_send_segment *segments; /* ring of `capacity`, a power of two or 0 */
  uint32_t first;
  uint32_t count;
  uint32_t capacity;
  uint32_t copied_bytes;     /* copied and not below acked_to */
  uint32_t copied_max_bytes; /* room for copies; at most 4 GiB - 1 */
  uint32_t spare_bytes;      /* of `spare` */
  uint8_t *spare;            /* a chunk kept for the next write, or NULL */
  uint64_t written;
  uint64_t unsent;
  uint64_t acked_to;
  uint64_t reset_code;
  struct tern_rangeset acked;
  struct tern_rangeset lost;
  uint8_t state;    /* enum tern_stream_send_state */
  bool is_finished; /* no more writes: `written` is the final size */
  bool is_fin_acked;
  bool is_fin_sent;
  bool is_fin_lost;
  bool is_crypto; /* no FIN, no reset */
  struct tern_sync_once reset;
};

/* `copied_max_bytes` bounds what tern_stream_send_write takes. `alloc` must outlive it. */
void tern_stream_send_init(struct tern_stream_send *send, struct tern_alloc *alloc,
                           uint64_t copied_max_bytes);
/* For CRYPTO data: no bound on copies, no FIN, no reset. What is below `offset` was acknowledged. */
void tern_stream_send_init_crypto(struct tern_stream_send *send, struct tern_alloc *alloc,
                                  uint64_t offset);
/* Releases what is held. */
void tern_stream_send_deinit(struct tern_stream_send *send);
/* Gives back what only the next write would use. */
void tern_stream_send_trim(struct tern_stream_send *send);

/* ---- the application's side ---- */

/* Bytes that tern_stream_send_write would take. */
uint64_t tern_stream_send_room(const struct tern_stream_send *send);
/* Copies as much as there is room for. TERN_OK: all. TERN_BLOCKED: `*taken` of them (maybe 0).
 * TERN_STATE after finish, TERN_RESET after reset, TERN_LIMIT past 2^62 - 1, TERN_NOMEM (`*taken` may
 * be > 0). */
TERN_MUST_CHECK tern_status tern_stream_send_write(struct tern_stream_send *send, tern_slice data,
                                                   size_t *taken);
/* By reference, all or nothing. `release` may be NULL; on any answer but TERN_OK it is not called. An
 * empty `data` is released at once. */
TERN_MUST_CHECK tern_status tern_stream_send_write_ref(struct tern_stream_send *send,
                                                       tern_slice data, tern_release *release,
                                                       void *arg);
TERN_MUST_CHECK tern_status tern_stream_send_write_source(struct tern_stream_send *send,
                                                          uint64_t len, const tern_source *source);
/* TERN_STATE if finished already, TERN_RESET after reset. */
TERN_MUST_CHECK tern_status tern_stream_send_finish(struct tern_stream_send *send);
/* Releases all data; RESET_STREAM wants to be sent. False if the half is done or reset already, or
 * everything incl. the FIN is acknowledged. The final size is what was sent so far. */
bool tern_stream_send_reset(struct tern_stream_send *send, uint64_t code);

/* ---- the packer's side ---- */

/* Stream bytes: lost data, unsent data within `credit_bytes` (flow control), or a FIN is due.
 * RESET_STREAM is asked for apart. */
bool tern_stream_send_wants(const struct tern_stream_send *send, uint64_t credit_bytes);
/* Unsent data is there, but no credit at all (for ..._BLOCKED and get_blocked_by). */
static inline bool tern_stream_send_is_starved(const struct tern_stream_send *send,
                                               uint64_t credit_bytes)
{
  return credit_bytes == 0 && send->unsent < send->written && send->state < TERN_SEND_RESET_SENT;
}

struct tern_send_range {
  uint64_t offset;
  uint64_t len;         /* 0 only for a FIN without data */
  bool is_retransmit;   /* needs no flow control credit */
  bool is_fin_possible; /* if all of `len` goes out, the FIN bit goes with it */
};

/* The next range to send, lost data first. False: nothing. Nothing is changed: what is really sent is
 * told by on_sent. */
bool tern_stream_send_next(const struct tern_stream_send *send, uint64_t credit_bytes,
                           struct tern_send_range *out);

/* A contiguous part of a range. */
struct tern_send_piece {
  const uint8_t *data;       /* or NULL: */
  const tern_source *source; /* pull it; valid until the next write, acknowledgement or reset */
  uint64_t source_offset;    /* for fill */
  uint64_t len;              /* > 0 */
};

/* The first piece of [offset, offset + len), which must lie in [acked_to, written), `len` > 0. */
void tern_stream_send_locate(const struct tern_stream_send *send, uint64_t offset, uint64_t len,
                             struct tern_send_piece *piece);
/* Copies the bytes, calling fill for those from a source. False if a fill refused; `*reset_code` is
 * then its source's (may be NULL). */
TERN_MUST_CHECK bool tern_stream_send_copy(const struct tern_stream_send *send, uint64_t offset,
                                           size_t len, uint8_t *out, uint64_t *reset_code);

/* The range goes out: what next answered, with `len` cut to what fitted. Fills kind, flags, offset and
 * len of `record`; slot and generation are the caller's. If the packet is aborted after all, tell
 * on_lost. */
void tern_stream_send_on_sent(struct tern_stream_send *send, const struct tern_send_range *range,
                              bool is_fin, struct tern_frame_record *record);

static inline bool tern_stream_send_wants_reset(const struct tern_stream_send *send)
{
  return tern_sync_once_wants(&send->reset);
}

/* RESET_STREAM with the final size. */
bool tern_stream_send_write_reset(struct tern_stream_send *send,
                                  const struct tern_stream_name *name, struct tern_writer *writer,
                                  struct tern_frame_record *record);

/* ---- fate of records: CRYPTO, STREAM, RESET_STREAM ---- */

struct tern_send_facts {
  uint64_t acked_to; /* everything below is acknowledged */
  bool has_acked_to_moved;
  bool has_freed_room; /* copied bytes were released */
  bool is_done;        /* the half is in a terminal state now, and was not before */
};

/* TERN_NOMEM: the acknowledgement could not be noted; close the connection. */
TERN_MUST_CHECK tern_status tern_stream_send_on_acked(struct tern_stream_send *send,
                                                      const struct tern_frame_record *record,
                                                      struct tern_send_facts *facts);
TERN_MUST_CHECK tern_status tern_stream_send_on_lost(struct tern_stream_send *send,
                                                     const struct tern_frame_record *record);
/* Everything in flight is lost at once: Retry, or 0-RTT was rejected. Flow control starts again: the
 * caller sets used = 0. */
void tern_stream_send_rewind(struct tern_stream_send *send);

/* Terminal states of figure 2. */
static inline bool tern_stream_send_is_done(const struct tern_stream_send *send)
{
  return send->state == TERN_SEND_DATA_RECVD || send->state == TERN_SEND_RESET_RECVD;
}

#endif
