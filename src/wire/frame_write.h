/* SPDX-License-Identifier: MIT */
/* Frames, to bytes. The plain writers put one frame in its shortest form; a frame that does not fit
 * marks the writer full, so ask tern_frame_size_... first where that matters, or compare
 * tern_writer_left. Values must be valid (at most TERN_VARINT_MAX and so on): they are ours.
 *
 * The three with a payload of open size (STREAM, CRYPTO, DATAGRAM) and ACK adapt to the room there is
 * and answer what they did; they never mark the writer full. For them the writer's end must be the end
 * of the packet's payload: the byte after it belongs to the AEAD tag. */
#ifndef TERN_WIRE_FRAME_WRITE_H
#define TERN_WIRE_FRAME_WRITE_H

#include <tern/base.h>

#include "base/cursor.h"
#include "base/rangeset.h"
#include "wire/frame.h"
#include "wire/quic.h"

/* `len` bytes of PADDING. */
void tern_frame_write_padding(struct tern_writer *writer, size_t len);
void tern_frame_write_ping(struct tern_writer *writer);

/* Received counts per codepoint in one packet number space [rfc9000-19.3.2]. */
struct tern_ecn_counts {
  uint64_t ect0;
  uint64_t ect1;
  uint64_t ce;
};

/* `ranges` ascending, disjoint and not touching, as in tern_rangeset; `count` > 0. `delay` is the raw
 * field. `ecn` NULL = type 0x02. Writes the newest range and as many older ones as fit, and returns how
 * many that was; 0 = not even the newest fits and nothing is written. */
size_t tern_frame_write_ack(struct tern_writer *writer, const struct tern_range *ranges,
                            size_t count, uint64_t delay, const struct tern_ecn_counts *ecn);

void tern_frame_write_reset_stream(struct tern_writer *writer, uint64_t stream_id, uint64_t code,
                                   uint64_t final_size);
size_t tern_frame_size_reset_stream(uint64_t stream_id, uint64_t code, uint64_t final_size);
void tern_frame_write_stop_sending(struct tern_writer *writer, uint64_t stream_id, uint64_t code);
size_t tern_frame_size_stop_sending(uint64_t stream_id, uint64_t code);

/* Begins a CRYPTO frame that carries the next `wanted` bytes or as many of them as fit. Returns that
 * number: exactly so many bytes must be written next. 0 = no byte fits and nothing is written (or
 * `wanted` is 0). */
size_t tern_frame_write_crypto_header(struct tern_writer *writer, uint64_t offset, size_t wanted);

void tern_frame_write_new_token(struct tern_writer *writer, tern_slice token);
size_t tern_frame_size_new_token(tern_slice token);

/* What a stream has to send. */
struct tern_stream_chunk {
  uint64_t stream_id;
  uint64_t offset;
  size_t len;  /* bytes from `offset` that may go out now; 0 only with is_fin */
  bool is_fin; /* the stream ends at offset + len */
};

/* What of it the frame takes. */
struct tern_stream_fit {
  size_t len;  /* exactly so many bytes must be written next */
  bool is_fin; /* the FIN bit is set: all of the chunk, and the end, is in this frame */
};

/* Begins a STREAM frame. False = nothing of use fits, nothing is written. The Length field is left
 * out exactly when the frame fills the writer to its end; where data would fit without the field but
 * not with it, the byte or two to spare become PADDING in front, so that the data are not split.
 *
 *   room >= header + length field + data     [type id offset LEN data]....
 *   room >= header + data                    [pad][type id offset data]|
 *   less                                     [type id offset da]|    no FIN, the rest later */
bool tern_frame_write_stream_header(struct tern_writer *writer,
                                    const struct tern_stream_chunk *chunk,
                                    struct tern_stream_fit *fit);
/* Bytes of the header without Length field: a writer with more room than this takes some data. */
size_t tern_frame_size_stream_header(const struct tern_stream_chunk *chunk);

void tern_frame_write_max_data(struct tern_writer *writer, uint64_t limit);
size_t tern_frame_size_max_data(uint64_t limit);
void tern_frame_write_max_stream_data(struct tern_writer *writer, uint64_t stream_id,
                                      uint64_t limit);
size_t tern_frame_size_max_stream_data(uint64_t stream_id, uint64_t limit);
void tern_frame_write_max_streams(struct tern_writer *writer, bool is_bidi, uint64_t limit);
size_t tern_frame_size_max_streams(uint64_t limit);
void tern_frame_write_data_blocked(struct tern_writer *writer, uint64_t limit);
size_t tern_frame_size_data_blocked(uint64_t limit);
void tern_frame_write_stream_data_blocked(struct tern_writer *writer, uint64_t stream_id,
                                          uint64_t limit);
size_t tern_frame_size_stream_data_blocked(uint64_t stream_id, uint64_t limit);
void tern_frame_write_streams_blocked(struct tern_writer *writer, bool is_bidi, uint64_t limit);
size_t tern_frame_size_streams_blocked(uint64_t limit);

struct tern_new_connection_id_args {
  uint64_t sequence;
  uint64_t retire_prior_to;
  struct tern_cid cid;
  uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
};
void tern_frame_write_new_connection_id(struct tern_writer *writer,
                                        const struct tern_new_connection_id_args *args);
size_t tern_frame_size_new_connection_id(const struct tern_new_connection_id_args *args);

void tern_frame_write_retire_connection_id(struct tern_writer *writer, uint64_t sequence);
size_t tern_frame_size_retire_connection_id(uint64_t sequence);

#define TERN_FRAME_SIZE_PATH_CHALLENGE 9
#define TERN_FRAME_SIZE_PATH_RESPONSE 9
void tern_frame_write_path_challenge(struct tern_writer *writer, const uint8_t data[8]);
void tern_frame_write_path_response(struct tern_writer *writer, const uint8_t data[8]);

/* CONNECTION_CLOSE 0x1c; `frame_type` 0 if unknown. The reason is cut to the room there is. False if
 * not even an empty one fits; nothing is written then. */
bool tern_frame_write_connection_close(struct tern_writer *writer, uint64_t code,
                                       uint64_t frame_type, tern_slice reason);
/* CONNECTION_CLOSE 0x1d, likewise. */
bool tern_frame_write_application_close(struct tern_writer *writer, uint64_t code,
                                        tern_slice reason);

void tern_frame_write_handshake_done(struct tern_writer *writer);

/* A whole DATAGRAM frame. False if it does not fit (a datagram is never split), nothing is written.
 * The Length field is left out as with STREAM. */
bool tern_frame_write_datagram(struct tern_writer *writer, tern_slice data);
/* Room that surely takes `len` bytes of data with a Length field (type 0x31). */
size_t tern_frame_size_datagram(size_t len);

struct tern_frame;
/* Writes any frame that was read, for tests and tools; false if it did not fit. PADDING keeps its
 * length; a STREAM or DATAGRAM frame keeps the form of its type. */
bool tern_frame_write(struct tern_writer *writer, const struct tern_frame *frame);

#endif
