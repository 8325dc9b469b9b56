/* SPDX-License-Identifier: MIT */
/* Frames, from bytes. One call reads one frame:
 *
 *   while (tern_reader_left(&reader) != 0) {
 *     uint64_t code = tern_frame_read(&reader, &frame);
 *     if (code != 0)
 *       close with `code` and `frame.type`;
 *     if (!tern_frame_is_allowed(frame.kind, frame.type, packet_type))
 *       close with PROTOCOL_VIOLATION and `frame.type`;
 *     ...
 *   }
 *
 * Everything that the frame alone can show wrong is refused here; what needs the connection's state
 * (stream limits, roles, limits we gave) is the caller's. Slices in a frame point into the payload. */
#ifndef TERN_WIRE_FRAME_READ_H
#define TERN_WIRE_FRAME_READ_H

#include <tern/base.h>

#include "base/cursor.h"
#include "base/rangeset.h"
#include "wire/frame.h"
#include "wire/quic.h"

struct tern_frame {
  enum tern_frame_kind kind;
  uint64_t type; /* as on the wire; also set when the frame is refused, 0 if there was no type */
  union {
    struct {
      uint64_t len; /* bytes of the whole run: adjacent PADDING frames are read as one */
    } padding;
    struct {
      uint64_t largest;
      uint64_t delay;       /* the raw field: times 2^ack_delay_exponent is microseconds */
      uint64_t first_range; /* packets below `largest` in the first range */
      uint64_t range_count; /* further ranges, all of them present in `ranges` */
      tern_slice ranges;    /* checked: walk them with tern_ack_iter */
      bool has_ecn;         /* else the three counts are 0 */
      uint64_t ect0;
      uint64_t ect1;
      uint64_t ce;
    } ack;
    struct {
      uint64_t stream_id;
      uint64_t code;
      uint64_t final_size;
    } reset_stream;
    struct {
      uint64_t stream_id;
      uint64_t code;
    } stop_sending;
    struct {
      uint64_t offset;
      tern_slice data;
    } crypto;
    struct {
      tern_slice token;
    } new_token;
    struct {
      uint64_t stream_id;
      uint64_t offset;
      tern_slice data;
      bool is_fin;
    } stream;
    struct {
      uint64_t limit;
    } max_data;
    struct {
      uint64_t stream_id;
      uint64_t limit;
    } max_stream_data;
    struct {
      uint64_t limit;
      bool is_bidi;
    } max_streams;
    struct {
      uint64_t limit;
    } data_blocked;
    struct {
      uint64_t stream_id;
      uint64_t limit;
    } stream_data_blocked;
    struct {
      uint64_t limit;
      bool is_bidi;
    } streams_blocked;
    struct {
      uint64_t sequence;
      uint64_t retire_prior_to;
      struct tern_cid cid;
      uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
    } new_connection_id;
    struct {
      uint64_t sequence;
    } retire_connection_id;
    struct {
      uint8_t data[8];
    } path_challenge;
    struct {
      uint8_t data[8];
    } path_response;
    struct {
      bool is_application; /* type 0x1d */
      uint64_t code;
      uint64_t frame_type; /* 0 if unknown or is_application */
      tern_slice reason;   /* should be UTF-8; may be anything */
    } connection_close;
    struct {
      tern_slice data;
    } datagram;
  } u;
};

/* Reads the next frame. 0, or the transport error code to close with: FRAME_ENCODING_ERROR for an
 * unknown type or a malformed frame, PROTOCOL_VIOLATION for a frame type not in its shortest encoding
 * [rfc9000-12.4]. Progress is made on 0; on an error the reader's place is undefined. The reader must
 * not be empty (an empty payload is the caller's PROTOCOL_VIOLATION). */
TERN_MUST_CHECK uint64_t tern_frame_read(struct tern_reader *reader, struct tern_frame *frame);

/* Walks the ranges of an ACK frame, newest (highest) first, as half-open ranges. Valid while the
 * payload is. */
struct tern_ack_iter {
  struct tern_reader reader;
  uint64_t left; /* ranges not yet read */
  struct tern_range next;
  bool has_next;
};

void tern_ack_iter_init(struct tern_ack_iter *iter, const struct tern_frame *frame);
/* False after the last. */
bool tern_ack_iter_next(struct tern_ack_iter *iter, struct tern_range *out);

#endif
