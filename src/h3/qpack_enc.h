/* SPDX-License-Identifier: MIT */
/* QPACK encoder: fields to an encoded field section plus instructions for the encoder stream.
 *
 *   fields --section--> | prefix | lines |     --> HEADERS frame
 *                   \--> instructions           --> encoder stream, before or with it
 *   decoder stream --receive--> acknowledgments, cancellations, increments
 *
 * Policy, per field line: exact static match; exact dynamic match that may be referred to; else,
 * for a line worth keeping, insert and refer to it (if this stream may block); else a literal, with a
 * name reference where there is one. A line is worth keeping if its name is known to repeat (user
 * agents, accept-*, server...) or if its hash was seen among the last 64 that were not kept; values
 * that hardly ever repeat (content-length, date) never are, secrets are sent never-indexed
 * [rfc9204-7.1.3].
 *
 * Blocking [rfc9204-2.1.2]: a stream is at risk while it has an unacknowledged section whose Required
 * Insert Count is above the Known Received Count; at most the peer's limit of streams are. */
#ifndef TERN_H3_QPACK_ENC_H
#define TERN_H3_QPACK_ENC_H

#include <tern/h3.h>

#include "h3/buf.h"
#include "h3/qpack_int.h"
#include "h3/qpack_table.h"

#define TERN_QPACK_BUCKETS 128
#define TERN_QPACK_HISTORY 64
/* Unacknowledged sections with dynamic references; beyond it sections make none. */
#define TERN_QPACK_SECTIONS_MAX 512
/* Most streams that we let risk blocking, whatever the peer allows. */
#define TERN_QPACK_RISK_MAX 64
/* Bytes in front of a section that the encoder leaves free for the caller's frame header. */
#define TERN_QPACK_FRAME_ROOM 16

struct tern_qpack_section {
  uint64_t stream_id;
  uint64_t required; /* Required Insert Count */
  uint64_t lowest;   /* lowest absolute index referred to */
};

/* Where entries are found, and lines that were not kept; made when the first line might be. */
struct tern_qpack_index {
  uint32_t history_at;
  uint32_t history[TERN_QPACK_HISTORY];
  uint64_t names[TERN_QPACK_BUCKETS]; /* heads of the table's chains, by hash of the name */
  uint64_t fulls[TERN_QPACK_BUCKETS]; /* and of name and value */
};

struct tern_qpack_enc {
  struct tern_alloc *alloc;
  struct tern_qpack_table table;
  struct tern_qpack_index *index;      /* NULL: not made; rebuilt from the table */
  uint64_t use_max;                    /* most of the peer's table we use */
  uint64_t capacity_max;               /* the peer's SETTINGS_QPACK_MAX_TABLE_CAPACITY */
  uint64_t blocked_max;                /* the peer's SETTINGS_QPACK_BLOCKED_STREAMS */
  uint64_t known;                      /* Known Received Count [rfc9204-2.1.4] */
  struct tern_qpack_section *sections; /* unacknowledged, oldest first */
  uint32_t sections_count;
  uint32_t sections_capacity;
  struct tern_buf instructions;  /* for the encoder stream; the caller sends and clears it */
  struct tern_qpack_int integer; /* of the decoder stream */
  uint8_t opcode;                /* 0 = between instructions */
  uint64_t plain_bytes;          /* names and values, for the statistics */
};

/* `use_max` 0: never uses the dynamic table. */
void tern_qpack_enc_init(struct tern_qpack_enc *enc, struct tern_alloc *alloc, uint64_t use_max);
void tern_qpack_enc_deinit(struct tern_qpack_enc *enc);
/* Gives back what can be made anew, for a connection that rests. */
void tern_qpack_enc_trim(struct tern_qpack_enc *enc);

/* The peer's SETTINGS are here. Writes Set Dynamic Table Capacity. */
TERN_MUST_CHECK tern_status tern_qpack_enc_set_peer(struct tern_qpack_enc *enc,
                                                    uint64_t capacity_max, uint64_t blocked_max);

struct tern_qpack_enc_args {
  uint64_t stream_id;
  const tern_field *fields;
  size_t count;
  bool can_insert; /* the encoder stream has room [rfc9204-2.1.3] */
};

/* Replaces the contents of `out`: first some room, then, from the offset `*start` (at least
 * TERN_QPACK_FRAME_ROOM) to the end, the section. TERN_NOMEM leaves the encoder consistent, perhaps
 * with insertions made. */
TERN_MUST_CHECK tern_status tern_qpack_enc_section(struct tern_qpack_enc *enc,
                                                   const struct tern_qpack_enc_args *args,
                                                   struct tern_buf *out, size_t *start);

/* Bytes of the peer's decoder stream. 0, or TERN_H3_QPACK_DECODER_STREAM_ERROR. */
uint64_t tern_qpack_enc_receive(struct tern_qpack_enc *enc, const uint8_t *data, size_t len);

/* Streams that could be blocked at the peer now. */
uint64_t tern_qpack_enc_get_blocked(const struct tern_qpack_enc *enc);

#endif
