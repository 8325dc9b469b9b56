/* SPDX-License-Identifier: MIT */
/* tern_frame_write: a frame that was read, written again in the form of its type. Tests, fuzz targets
 * and tools use it to go from struct to bytes for all kinds alike; connections use the writers of
 * frame_write.c, which choose the form. */
#include "wire/frame_read.h"
#include "wire/frame_write.h"

#include "wire/varint.h"

static void echo_ack(struct tern_writer *writer, const struct tern_frame *frame)
{
  tern_write_varint(writer, frame->type);
  tern_write_varint(writer, frame->u.ack.largest);
  tern_write_varint(writer, frame->u.ack.delay);
  tern_write_varint(writer, frame->u.ack.range_count);
  tern_write_varint(writer, frame->u.ack.first_range);
  tern_write_slice(writer, frame->u.ack.ranges);
  if (!frame->u.ack.has_ecn)
    return;
  tern_write_varint(writer, frame->u.ack.ect0);
  tern_write_varint(writer, frame->u.ack.ect1);
  tern_write_varint(writer, frame->u.ack.ce);
}

static void echo_stream(struct tern_writer *writer, const struct tern_frame *frame)
{
  tern_write_varint(writer, frame->type);
  tern_write_varint(writer, frame->u.stream.stream_id);
  if ((frame->type & 0x04) != 0)
    tern_write_varint(writer, frame->u.stream.offset);
  if ((frame->type & 0x02) != 0)
    tern_write_varint(writer, frame->u.stream.data.len);
  tern_write_slice(writer, frame->u.stream.data);
}

static void echo_crypto(struct tern_writer *writer, const struct tern_frame *frame)
{
  tern_write_varint(writer, frame->type);
  tern_write_varint(writer, frame->u.crypto.offset);
  tern_write_varint(writer, frame->u.crypto.data.len);
  tern_write_slice(writer, frame->u.crypto.data);
}

static void echo_datagram(struct tern_writer *writer, const struct tern_frame *frame)
{
  tern_write_varint(writer, frame->type);
  if (frame->type == 0x31)
    tern_write_varint(writer, frame->u.datagram.data.len);
  tern_write_slice(writer, frame->u.datagram.data);
}

static void echo_new_connection_id(struct tern_writer *writer, const struct tern_frame *frame)
{
  struct tern_new_connection_id_args args;
  args.sequence = frame->u.new_connection_id.sequence;
  args.retire_prior_to = frame->u.new_connection_id.retire_prior_to;
  args.cid = frame->u.new_connection_id.cid;
  memcpy(args.reset_token, frame->u.new_connection_id.reset_token, sizeof(args.reset_token));
  tern_frame_write_new_connection_id(writer, &args);
}

static void echo_close(struct tern_writer *writer, const struct tern_frame *frame)
{
  tern_write_varint(writer, frame->type);
  tern_write_varint(writer, frame->u.connection_close.code);
  if (!frame->u.connection_close.is_application)
    tern_write_varint(writer, frame->u.connection_close.frame_type);
  tern_write_varint(writer, frame->u.connection_close.reason.len);
  tern_write_slice(writer, frame->u.connection_close.reason);
}

static void echo_limits(struct tern_writer *writer, const struct tern_frame *frame)
{
  tern_write_varint(writer, frame->type);
  if (frame->kind == TERN_FRAME_MAX_DATA)
    tern_write_varint(writer, frame->u.max_data.limit);
  else if (frame->kind == TERN_FRAME_MAX_STREAMS)
    tern_write_varint(writer, frame->u.max_streams.limit);
  else if (frame->kind == TERN_FRAME_DATA_BLOCKED)
    tern_write_varint(writer, frame->u.data_blocked.limit);
  else
    tern_write_varint(writer, frame->u.streams_blocked.limit);
}

bool tern_frame_write(struct tern_writer *writer, const struct tern_frame *frame)
{
  switch (frame->kind) {
  case TERN_FRAME_PADDING:
    tern_frame_write_padding(writer, (size_t)frame->u.padding.len);
    break;
  case TERN_FRAME_PING:
    tern_frame_write_ping(writer);
    break;
  case TERN_FRAME_ACK:
    echo_ack(writer, frame);
    break;
  case TERN_FRAME_RESET_STREAM:
    tern_frame_write_reset_stream(writer, frame->u.reset_stream.stream_id,
                                  frame->u.reset_stream.code, frame->u.reset_stream.final_size);
    break;
  case TERN_FRAME_STOP_SENDING:
    tern_frame_write_stop_sending(writer, frame->u.stop_sending.stream_id,
                                  frame->u.stop_sending.code);
    break;
  case TERN_FRAME_CRYPTO:
    echo_crypto(writer, frame);
    break;
  case TERN_FRAME_NEW_TOKEN:
    tern_frame_write_new_token(writer, frame->u.new_token.token);
    break;
  case TERN_FRAME_STREAM:
    echo_stream(writer, frame);
    break;
  case TERN_FRAME_MAX_STREAM_DATA:
    tern_frame_write_max_stream_data(writer, frame->u.max_stream_data.stream_id,
                                     frame->u.max_stream_data.limit);
    break;
  case TERN_FRAME_STREAM_DATA_BLOCKED:
    tern_frame_write_stream_data_blocked(writer, frame->u.stream_data_blocked.stream_id,
                                         frame->u.stream_data_blocked.limit);
    break;
  case TERN_FRAME_MAX_DATA:
  case TERN_FRAME_MAX_STREAMS:
  case TERN_FRAME_DATA_BLOCKED:
  case TERN_FRAME_STREAMS_BLOCKED:
    echo_limits(writer, frame);
    break;
  case TERN_FRAME_NEW_CONNECTION_ID:
    echo_new_connection_id(writer, frame);
    break;
  case TERN_FRAME_RETIRE_CONNECTION_ID:
    tern_frame_write_retire_connection_id(writer, frame->u.retire_connection_id.sequence);
    break;
  case TERN_FRAME_PATH_CHALLENGE:
    tern_frame_write_path_challenge(writer, frame->u.path_challenge.data);
    break;
  case TERN_FRAME_PATH_RESPONSE:
    tern_frame_write_path_response(writer, frame->u.path_response.data);
    break;
  case TERN_FRAME_CONNECTION_CLOSE:
    echo_close(writer, frame);
    break;
  case TERN_FRAME_HANDSHAKE_DONE:
    tern_frame_write_handshake_done(writer);
    break;
  case TERN_FRAME_DATAGRAM:
    echo_datagram(writer, frame);
    break;
  }
  return !writer->is_full;
}
