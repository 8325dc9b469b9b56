/* SPDX-License-Identifier: MIT */
/* QPACK decoder: the peer's encoder stream fills the dynamic table; encoded field sections become
 * fields. Both are read in any split, byte by byte if need be.
 *
 *   encoder stream --receive--> table --+
 *   HEADERS payload --feed--> lines ----+--> fields     instructions --> decoder stream
 *
 * What is held is what is decoded: an encoded section is never buffered here, and a section that has
 * to wait (BLOCKED) takes no byte beyond its prefix, so the rest stays in the stream's window
 * [rfc9204-2.2.1]. A string is refused when its length is read, before its bytes come
 * [rfc9204-7.4]: one longer than the limits can never be decoded. */
#ifndef TERN_H3_QPACK_DEC_H
#define TERN_H3_QPACK_DEC_H

#include <tern/h3.h>

#include "h3/buf.h"
#include "h3/qpack_int.h"
#include "h3/qpack_string.h"
#include "h3/qpack_table.h"

struct tern_qpack_dec {
  struct tern_qpack_table table;
  uint64_t capacity_max;        /* our SETTINGS_QPACK_MAX_TABLE_CAPACITY */
  uint64_t blocked_max;         /* our SETTINGS_QPACK_BLOCKED_STREAMS */
  uint64_t blocked;             /* sections that wait now */
  uint64_t known;               /* insertions acknowledged so far */
  struct tern_buf instructions; /* for the decoder stream; the caller sends and clears it */
  /* The instruction on the encoder stream that is being read. */
  uint8_t state;
  uint8_t opcode;
  struct tern_qpack_int integer;
  struct tern_qpack_string string;
  uint64_t name_index; /* of Insert with Name Reference: absolute, or static */
  size_t name_len;
  struct tern_buf text; /* name and value of the entry being read */
};

void tern_qpack_dec_init(struct tern_qpack_dec *dec, struct tern_alloc *alloc,
                         uint64_t capacity_max, uint64_t blocked_max);
void tern_qpack_dec_deinit(struct tern_qpack_dec *dec);

/* Bytes of the peer's encoder stream. 0, TERN_H3_QPACK_ENCODER_STREAM_ERROR, or
 * TERN_H3_INTERNAL_ERROR without memory. Sections that wait for at most table.inserts can go on, and must be
 * fed before other ones are, or they would count as blocked still. */
uint64_t tern_qpack_dec_receive(struct tern_qpack_dec *dec, const uint8_t *data, size_t len);
/* Writes an Insert Count Increment if insertions were not acknowledged yet [rfc9204-4.4.3]. */
TERN_MUST_CHECK bool tern_qpack_dec_increment(struct tern_qpack_dec *dec);

/* ---- one field section ------------------------------------------------------------------- */

struct tern_qpack_line {
  uint32_t name_at; /* offsets into `text` */
  uint32_t name_len;
  uint32_t value_at;
  uint32_t value_len;
  bool is_never_indexed;
};

struct tern_qpack_reader {
  uint64_t stream_id;
  uint64_t size_max; /* RFC 9114 4.2.2 sum */
  uint64_t size;
  uint64_t required; /* Required Insert Count */
  uint64_t base;
  uint8_t state;
  uint8_t opcode;
  bool is_blocked;
  bool sign;
  struct tern_qpack_int integer;
  struct tern_qpack_string string;
  struct tern_qpack_line line; /* being read */
  struct tern_buf text;        /* names and values */
  struct tern_buf lines;       /* struct tern_qpack_line[] */
  struct tern_buf fields;      /* tern_field[], made at the end */
};

enum tern_qpack_result {
  TERN_QPACK_OK,        /* all bytes were taken */
  TERN_QPACK_BLOCKED,   /* waits for `required` insertions; `*consumed` says what was taken */
  TERN_QPACK_TOO_LARGE, /* a limit of ours: the section is abandoned, the connection lives */
  TERN_QPACK_NO_MEMORY,
  TERN_QPACK_ERROR, /* TERN_H3_QPACK_DECOMPRESSION_FAILED, for the connection */
};

void tern_qpack_reader_init(struct tern_qpack_reader *reader, struct tern_alloc *alloc);
void tern_qpack_reader_deinit(struct tern_qpack_reader *reader);
/* Ready for a new section; keeps small buffers. */
void tern_qpack_reader_start(struct tern_qpack_reader *reader, uint64_t stream_id,
                             uint64_t size_max);

/* The next bytes of the section. After BLOCKED call again with what was not consumed, once
 * dec->table.inserts reaches `required`. After any other result but OK only `cancel` is allowed. */
enum tern_qpack_result tern_qpack_reader_feed(struct tern_qpack_reader *reader,
                                              struct tern_qpack_dec *dec, tern_slice data,
                                              size_t *consumed);
/* All bytes of the section were fed: checks that it is complete, writes the Section Acknowledgment and
 * gives the fields, which stay good until `start`, `cancel` or `deinit`. */
enum tern_qpack_result tern_qpack_reader_finish(struct tern_qpack_reader *reader,
                                                struct tern_qpack_dec *dec,
                                                const tern_field **fields, size_t *count);
/* Gives up this section, if one is being read. Says nothing to the peer. */
void tern_qpack_reader_cancel(struct tern_qpack_reader *reader, struct tern_qpack_dec *dec);

/* Writes a Stream Cancellation: reading of `stream_id` was abandoned [rfc9204-2.2.2.2]. Quiet if our
 * table has no capacity. */
TERN_MUST_CHECK bool tern_qpack_dec_cancel_stream(struct tern_qpack_dec *dec, uint64_t stream_id);

#endif
