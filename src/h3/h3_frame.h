/* SPDX-License-Identifier: MIT */
/* HTTP/3 frames [rfc9114-7]: type, length, payload.
 *
 *   | type (varint) | length (varint) | payload: `left` bytes still to come |
 *    `----- header, any split -------'
 *
 * The reader keeps the header and a count, never the payload: who knows the type takes the payload
 * from the stream, and what nobody knows is skipped by counting, whatever its length. */
#ifndef TERN_H3_H3_FRAME_H
#define TERN_H3_H3_FRAME_H

#include <tern/h3.h>

enum tern_h3_frame_type {
  TERN_H3_FRAME_DATA = 0x00,
  TERN_H3_FRAME_HEADERS = 0x01,
  TERN_H3_FRAME_CANCEL_PUSH = 0x03,
  TERN_H3_FRAME_SETTINGS = 0x04,
  TERN_H3_FRAME_PUSH_PROMISE = 0x05,
  TERN_H3_FRAME_GOAWAY = 0x07,
  TERN_H3_FRAME_MAX_PUSH_ID = 0x0d,
};

enum tern_h3_stream_type {
  TERN_H3_STREAM_CONTROL = 0x00,
  TERN_H3_STREAM_PUSH = 0x01,
  TERN_H3_STREAM_QPACK_ENCODER = 0x02,
  TERN_H3_STREAM_QPACK_DECODER = 0x03,
};

/* Identifiers of this form mean nothing and must be ignored [rfc9114-7.2.8]. */
#define TERN_H3_GREASE(n) (UINT64_C(0x1f) * (n) + 0x21)

#define TERN_H3_FRAME_HEADER_MAX 16

/* ---- reading ------------------------------------------------------------------------------- */

/* A varint that may be cut anywhere. */
struct tern_h3_varint {
  uint64_t value;
  uint8_t have; /* bytes so far */
  uint8_t need; /* width, known from the first byte */
};

/* Takes bytes from `*at`; true when the integer is complete, and the struct is ready for another. */
bool tern_h3_varint_feed(struct tern_h3_varint *varint, const uint8_t **at, const uint8_t *end,
                         uint64_t *out);

struct tern_h3_frame_reader {
  struct tern_h3_varint varint;
  bool has_type;
  bool is_open; /* header complete, payload not yet */
  uint64_t type;
  uint64_t left; /* payload bytes still to come */
};

/* Takes header bytes while no frame is open; true when the frame is open. */
bool tern_h3_frame_feed(struct tern_h3_frame_reader *reader, const uint8_t **at,
                        const uint8_t *end);
/* `len` payload bytes (at most `left`) were taken. */
void tern_h3_frame_take(struct tern_h3_frame_reader *reader, uint64_t len);
/* The payload is complete. */
void tern_h3_frame_close(struct tern_h3_frame_reader *reader);
/* True between two frames: the only place where a stream may end [rfc9114-7.1]. */
bool tern_h3_frame_is_between(const struct tern_h3_frame_reader *reader);

/* HTTP/2 frame types that HTTP/3 forbids [rfc9114-7.2.8]. */
bool tern_h3_frame_is_forbidden(uint64_t type);
/* One of enum tern_h3_frame_type. */
bool tern_h3_frame_is_known(uint64_t type);
/* "HEADERS", "unknown" */
const char *tern_h3_frame_name(uint64_t type);

/* ---- writing ------------------------------------------------------------------------------- */

/* Writes a frame header to `out`, which has TERN_H3_FRAME_HEADER_MAX bytes; returns its length. */
size_t tern_h3_frame_write(uint8_t *out, uint64_t type, uint64_t len);
/* The length that tern_h3_frame_write would return. */
size_t tern_h3_frame_header_size(uint64_t type, uint64_t len);

/* ---- settings ------------------------------------------------------------------------------ */

/* The ones we understand [rfc9114-7.2.4.1] [rfc9204-5] [rfc9220-3] [rfc9297-2.1.1]. */
struct tern_h3_settings {
  uint64_t table_bytes;       /* QPACK_MAX_TABLE_CAPACITY 0x01, default 0 */
  uint64_t field_section_max; /* MAX_FIELD_SECTION_SIZE 0x06, default UINT64_MAX = unlimited */
  uint64_t blocked_streams;   /* QPACK_BLOCKED_STREAMS 0x07, default 0 */
  bool extended_connect;      /* ENABLE_CONNECT_PROTOCOL 0x08 */
  bool datagrams;             /* H3_DATAGRAM 0x33 */
};

void tern_h3_settings_init(struct tern_h3_settings *settings);
/* A complete SETTINGS payload. 0, TERN_H3_SETTINGS_ERROR (identifier twice, reserved, bad value) or
 * TERN_H3_FRAME_ERROR (cut). */
uint64_t tern_h3_settings_read(struct tern_h3_settings *settings, tern_slice payload);
/* A whole SETTINGS frame; `grease` adds a reserved identifier made from it, 0 = none. `out` has
 * TERN_H3_SETTINGS_FRAME_MAX bytes. Returns the length. */
#define TERN_H3_SETTINGS_FRAME_MAX 80
size_t tern_h3_settings_write(uint8_t *out, const struct tern_h3_settings *settings,
                              uint64_t grease);

#endif
