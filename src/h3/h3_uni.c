/* SPDX-License-Identifier: MIT */
/* Unidirectional streams [rfc9114-6.2]: our control, encoder and decoder streams, and the peer's. All
 * six are critical: the end of one ends the connection. */
#include "h3/h3_conn.h"
#include "h3/h3_events.h"
#include "wire/varint.h"

/* ---- ours ---------------------------------------------------------------------------------- */

static void on_out_writable(tern_stream *stream, void *app)
{
  struct tern_h3_out *out = app;
  (void)stream;
  size_t taken = 0;
  if (out->stream == NULL || out->waiting.len == 0)
    return;
  tern_status status =
      tern_stream_write(out->stream, tern_slice_of(out->waiting.data, out->waiting.len), &taken);
  (void)status; /* blocked again: the next call goes on */
  tern_buf_drop_front(&out->waiting, taken);
  if (out->waiting.len == 0)
    tern_buf_clear(&out->waiting, 0);
}

static void on_out_acked(tern_stream *stream, uint64_t offset, void *app)
{
  struct tern_h3_out *out = app;
  (void)stream;
  out->acked = offset;
}

/* [rfc9114-6.2.1] [rfc9204-4.2] the receiver MUST NOT ask us to close it */
static void on_out_stopped(tern_stream *stream, uint64_t code, void *app)
{
  (void)code;
  (void)app;
  tern_h3 *h3 = tern_conn_get_app(tern_stream_get_conn(stream));
  tern_h3_fail(h3, TERN_H3_CLOSED_CRITICAL_STREAM, "STOP_SENDING on a critical stream");
}

static void on_out_closed(tern_stream *stream, void *app)
{
  struct tern_h3_out *out = app;
  (void)stream;
  out->stream = NULL;
}

static const tern_stream_ops out_ops = {
    .size = sizeof(tern_stream_ops),
    .on_writable = on_out_writable,
    .on_acked = on_out_acked,
    .on_stopped = on_out_stopped,
    .on_closed = on_out_closed,
};

static bool write_out(tern_h3 *h3, struct tern_h3_out *out, const uint8_t *data, size_t len)
{
  size_t taken = 0;
  if (out->stream == NULL)
    return h3->is_closed;
  if (out->waiting.len == 0) {
    tern_status status = tern_stream_write(out->stream, tern_slice_of(data, len), &taken);
    if (status != TERN_OK && status != TERN_BLOCKED)
      return h3->is_closed;
  }
  out->written += len;
  return taken == len || tern_buf_append(&out->waiting, data + taken, len - taken);
}

static tern_status open_out(tern_h3 *h3, struct tern_h3_out *out, uint8_t type)
{
  tern_status status = tern_conn_open_stream(h3->conn, false, &out_ops, out, &out->stream);
  if (status != TERN_OK)
    return status;
  tern_h3_show_stream_type(h3, out->stream, type, TERN_H3_OURS);
  /* Nothing works without these three. */
  tern_stream_set_priority(out->stream, 0, false);
  return write_out(h3, out, &type, 1) ? TERN_OK : TERN_NOMEM;
}

tern_status tern_h3_open_control(tern_h3 *h3)
{
  uint8_t bytes[TERN_H3_SETTINGS_FRAME_MAX + TERN_H3_FRAME_HEADER_MAX];
  struct tern_h3_settings ours = {
      .table_bytes = h3->config.qpack_table_bytes,
      .blocked_streams = h3->config.qpack_blocked_streams,
      .field_section_max = h3->config.field_section_max_bytes,
  };
  uint64_t grease = h3->config.grease ? tern_conn_get_id(h3->conn) + 1 : 0;
  size_t len = tern_h3_settings_write(bytes, &ours, grease);
  tern_h3_show_settings(h3, &ours, TERN_H3_OURS);
  if (h3->config.grease) /* [rfc9114-7.2.8] a reserved frame without payload */
    len += tern_h3_frame_write(bytes + len, TERN_H3_GREASE(grease % 1000 + 1), 0);
  tern_status status = open_out(h3, &h3->control_out, TERN_H3_STREAM_CONTROL);
  if (status == TERN_OK && !write_out(h3, &h3->control_out, bytes, len))
    status = TERN_NOMEM;
  if (status != TERN_OK && h3->control_out.stream != NULL) {
    tern_stream_release(h3->control_out.stream);
    h3->control_out.stream = NULL;
  }
  return status;
}

void tern_h3_send_goaway(tern_h3 *h3, uint64_t id)
{
  uint8_t bytes[TERN_H3_FRAME_HEADER_MAX + 8];
  size_t len = tern_h3_frame_write(bytes, TERN_H3_FRAME_GOAWAY, tern_varint_size(id));
  struct tern_writer writer = tern_writer_of(bytes + len, 8);
  tern_write_varint(&writer, id);
  if (!write_out(h3, &h3->control_out, bytes, len + tern_writer_len(&writer)))
    tern_h3_fail(h3, TERN_H3_INTERNAL_ERROR, "no memory");
}

/* Opened when there is something to say [rfc9204-4.2]. */
static void flush(tern_h3 *h3, struct tern_h3_out *out, struct tern_buf *instructions, uint8_t type)
{
  if (instructions->len == 0 || h3->is_closed)
    return;
  if (out->stream == NULL && open_out(h3, out, type) != TERN_OK) {
    tern_h3_fail(h3, TERN_H3_INTERNAL_ERROR, "cannot open a QPACK stream");
    return;
  }
  if (!write_out(h3, out, instructions->data, instructions->len))
    tern_h3_fail(h3, TERN_H3_INTERNAL_ERROR, "no memory");
  tern_buf_clear(instructions, 4096);
}

void tern_h3_flush_qpack(tern_h3 *h3)
{
  h3->stats.fields_wire_sent += h3->enc.instructions.len;
  flush(h3, &h3->encoder_out, &h3->enc.instructions, TERN_H3_STREAM_QPACK_ENCODER);
  flush(h3, &h3->decoder_out, &h3->dec.instructions, TERN_H3_STREAM_QPACK_DECODER);
  if (h3->decoder_out.written - h3->decoder_out.acked > TERN_H3_DECODER_UNSENT_MAX)
    tern_h3_fail(h3, TERN_H3_EXCESSIVE_LOAD, "the decoder stream is not read");
}

bool tern_h3_can_insert(const tern_h3 *h3)
{
  const struct tern_h3_out *out = &h3->encoder_out;
  return out->waiting.len == 0 && out->written - out->acked < TERN_H3_ENCODER_UNSENT_MAX;
}

/* ---- the peer's control stream ------------------------------------------------------------- */

/* A payload of exactly one varint. */
static bool read_id(const tern_h3 *h3, uint64_t *id)
{
  struct tern_reader reader = tern_reader_of(h3->control_payload.data, h3->control_payload.len);
  return tern_read_varint(&reader, id) && tern_reader_left(&reader) == 0;
}

static void on_goaway(tern_h3 *h3, uint64_t id)
{
  if (!h3->is_server && id % 4 != 0) /* [rfc9114-7.2.6] a request stream's id */
    tern_h3_fail(h3, TERN_H3_ID_ERROR, "GOAWAY with the id of another kind of stream");
  else if (id > h3->goaway_received) /* [rfc9114-5.2] */
    tern_h3_fail(h3, TERN_H3_ID_ERROR, "GOAWAY with a larger id than before");
  else
    tern_h3_on_goaway(h3, id);
}

/* [rfc9114-7.2.7] cannot go down */
static void on_max_push_id(tern_h3 *h3, uint64_t id)
{
  if (h3->max_push_id != UINT64_MAX && id < h3->max_push_id)
    tern_h3_fail(h3, TERN_H3_ID_ERROR, "MAX_PUSH_ID went down");
  h3->max_push_id = id;
}

/* The frame is complete in control_payload. */
static void on_control_frame(tern_h3 *h3, uint64_t type)
{
  uint64_t id;
  uint64_t error;
  if (type == TERN_H3_FRAME_SETTINGS) {
    tern_h3_settings_init(&h3->peer); /* what was remembered is over */
    error = tern_h3_settings_read(&h3->peer,
                                  tern_slice_of(h3->control_payload.data, h3->control_payload.len));
    if (error != 0)
      tern_h3_fail(h3, error, "bad SETTINGS");
    else
      tern_h3_on_settings(h3);
    return;
  }
  tern_h3_add_glitch(h3);
  if (!read_id(h3, &id)) /* [rfc9114-7.1] */
    tern_h3_fail(h3, TERN_H3_FRAME_ERROR, "frame with too few or too many bytes");
  else if (type == TERN_H3_FRAME_GOAWAY)
    on_goaway(h3, id);
  else if (type == TERN_H3_FRAME_MAX_PUSH_ID)
    on_max_push_id(h3, id);
  else /* CANCEL_PUSH [rfc9114-7.2.3]: nothing was promised, so no id is right */
    tern_h3_fail(h3, TERN_H3_ID_ERROR, "CANCEL_PUSH of an id that was not promised");
}

static bool is_collected(uint64_t type)
{
  return type == TERN_H3_FRAME_SETTINGS || type == TERN_H3_FRAME_GOAWAY ||
         type == TERN_H3_FRAME_MAX_PUSH_ID || type == TERN_H3_FRAME_CANCEL_PUSH;
}

/* May this frame be here? [rfc9114-7.2], table 1 */
static void check_control_frame(tern_h3 *h3)
{
  uint64_t type = h3->control.type;
  if (!h3->has_settings && type != TERN_H3_FRAME_SETTINGS) /* [rfc9114-6.2.1] */
    tern_h3_fail(h3, TERN_H3_MISSING_SETTINGS, "SETTINGS is not the first frame");
  else if (h3->has_settings && type == TERN_H3_FRAME_SETTINGS) /* [rfc9114-7.2.4] */
    tern_h3_fail(h3, TERN_H3_FRAME_UNEXPECTED, "second SETTINGS");
  else if (tern_h3_frame_is_forbidden(type) ||
           (tern_h3_frame_is_known(type) && !is_collected(type)) ||
           (type == TERN_H3_FRAME_MAX_PUSH_ID && !h3->is_server))
    tern_h3_fail(h3, TERN_H3_FRAME_UNEXPECTED, "frame not allowed on the control stream");
  else if (type == TERN_H3_FRAME_SETTINGS && h3->control.left > TERN_CAP_H3_SETTINGS)
    tern_h3_fail(h3, TERN_H3_EXCESSIVE_LOAD, "SETTINGS too long");
  else if (type != TERN_H3_FRAME_SETTINGS && is_collected(type) && h3->control.left > 8)
    tern_h3_fail(h3, TERN_H3_FRAME_ERROR, "frame with too many bytes");
  else if (!is_collected(type))
    tern_h3_add_glitch(h3); /* ignored [rfc9114-9], but not for ever */
}

static void feed_control(tern_h3 *h3, const uint8_t *at, const uint8_t *end)
{
  while (!h3->is_closed) {
    if (!h3->control.is_open) {
      if (!tern_h3_frame_feed(&h3->control, &at, end))
        return;
      check_control_frame(h3);
    }
    size_t len = (size_t)(end - at);
    if (len > h3->control.left)
      len = (size_t)h3->control.left;
    if (!h3->is_closed && is_collected(h3->control.type) &&
        !tern_buf_append(&h3->control_payload, at, len))
      tern_h3_fail(h3, TERN_H3_INTERNAL_ERROR, "no memory");
    at += len;
    tern_h3_frame_take(&h3->control, len);
    if (h3->control.left > 0)
      return;
    tern_h3_frame_close(&h3->control);
    if (!h3->is_closed && is_collected(h3->control.type))
      on_control_frame(h3, h3->control.type);
    tern_buf_deinit(&h3->control_payload);
  }
}

/* ---- the peer's streams --------------------------------------------------------------------- */

static void free_in(struct tern_h3_in *in)
{
  tern_list_remove(&in->node);
  tern_alloc_give(in->h3->alloc, in, sizeof(*in));
}

/* [rfc9114-6.2] a stream type that nobody knows is no error; we do not read it */
static void refuse(struct tern_h3_in *in)
{
  tern_h3 *h3 = in->h3;
  tern_stream_stop(in->stream, TERN_H3_STREAM_CREATION_ERROR);
  tern_stream_release(in->stream);
  free_in(in);
  tern_h3_add_glitch(h3);
}

static void become(struct tern_h3_in *in, enum tern_h3_in_kind kind)
{
  uint8_t bit = (uint8_t)(1U << kind);
  if ((in->h3->ins_seen & bit) != 0) /* [rfc9114-6.2.1] [rfc9204-4.2] */
    tern_h3_fail(in->h3, TERN_H3_STREAM_CREATION_ERROR, "second stream of a critical type");
  in->h3->ins_seen |= bit;
  in->kind = kind;
}

/* The stream's type is known. False: the stream is gone. */
static bool on_type(struct tern_h3_in *in, uint64_t type)
{
  tern_h3_show_stream_type(in->h3, in->stream, type, TERN_H3_PEERS);
  switch (type) {
  case TERN_H3_STREAM_CONTROL:
    become(in, TERN_H3_IN_CONTROL);
    return true;
  case TERN_H3_STREAM_QPACK_ENCODER:
    become(in, TERN_H3_IN_ENCODER);
    return true;
  case TERN_H3_STREAM_QPACK_DECODER:
    become(in, TERN_H3_IN_DECODER);
    return true;
  case TERN_H3_STREAM_PUSH:
    in->kind = TERN_H3_IN_PUSH;
    if (in->h3->is_server) /* [rfc9114-6.2.2] */
      tern_h3_fail(in->h3, TERN_H3_STREAM_CREATION_ERROR, "push stream from a client");
    else /* [rfc9114-4.6] we never sent MAX_PUSH_ID */
      tern_h3_fail(in->h3, TERN_H3_ID_ERROR, "push stream without a MAX_PUSH_ID");
    return true;
  default:
    refuse(in);
    return false;
  }
}

static void feed_encoder(tern_h3 *h3, tern_slice bytes)
{
  uint64_t error = tern_qpack_dec_receive(&h3->dec, bytes.data, bytes.len);
  h3->stats.fields_wire_received += bytes.len;
  if (error != 0)
    tern_h3_fail(h3, error, "bad instruction on the encoder stream");
}

static void feed_decoder(tern_h3 *h3, tern_slice bytes)
{
  uint64_t error = tern_qpack_enc_receive(&h3->enc, bytes.data, bytes.len);
  if (error != 0)
    tern_h3_fail(h3, error, "bad instruction on the decoder stream");
}

/* Bytes behind the type. */
static void feed(struct tern_h3_in *in, tern_slice bytes)
{
  switch (in->kind) {
  case TERN_H3_IN_CONTROL:
    feed_control(in->h3, bytes.data, bytes.data + bytes.len);
    return;
  case TERN_H3_IN_ENCODER:
    feed_encoder(in->h3, bytes);
    return;
  case TERN_H3_IN_DECODER:
    feed_decoder(in->h3, bytes);
    return;
  case TERN_H3_IN_TYPE:
  case TERN_H3_IN_PUSH:
    return;
  }
}

/* Takes one slice. False: the stream is gone. */
static bool take(struct tern_h3_in *in, tern_slice bytes)
{
  const uint8_t *at = bytes.data;
  const uint8_t *end = at + bytes.len;
  uint64_t type;
  if (in->kind == TERN_H3_IN_TYPE) {
    bool is_known = tern_h3_varint_feed(&in->varint, &at, end, &type);
    if (is_known && !on_type(in, type))
      return false;
  }
  if (!in->h3->is_closed && at < end)
    feed(in, tern_slice_of(at, (size_t)(end - at)));
  if (!in->h3->is_closed)
    tern_stream_consume(in->stream, bytes.len);
  return true;
}

static void on_in_readable(tern_stream *stream, void *app)
{
  struct tern_h3_in *in = app;
  tern_h3 *h3 = in->h3;
  tern_slice slice;
  while (!h3->is_closed && tern_stream_peek(stream, &slice, 1) == 1) {
    if (!take(in, slice))
      return;
  }
  /* [rfc9114-6.2.1] [rfc9204-4.2] critical; others may end, even before their type */
  if (!h3->is_closed && in->kind != TERN_H3_IN_TYPE && tern_stream_is_eof(stream))
    tern_h3_fail(h3, TERN_H3_CLOSED_CRITICAL_STREAM, "a critical stream ended");
  if (h3->is_closed)
    return;
  if (in->kind == TERN_H3_IN_ENCODER) {
    tern_h3_unblock(h3); /* acknowledges by its sections first, then the rest */
    if (!tern_qpack_dec_increment(&h3->dec))
      tern_h3_fail(h3, TERN_H3_INTERNAL_ERROR, "no memory");
  }
  tern_h3_flush_qpack(h3);
}

static void on_in_reset(tern_stream *stream, uint64_t code, void *app)
{
  struct tern_h3_in *in = app;
  (void)stream;
  (void)code;
  if (in->kind != TERN_H3_IN_TYPE)
    tern_h3_fail(in->h3, TERN_H3_CLOSED_CRITICAL_STREAM, "a critical stream was reset");
  else
    tern_h3_add_glitch(in->h3);
}

static void on_in_closed(tern_stream *stream, void *app)
{
  (void)stream;
  free_in(app);
}

static const tern_stream_ops in_ops = {
    .size = sizeof(tern_stream_ops),
    .on_readable = on_in_readable,
    .on_reset = on_in_reset,
    .on_closed = on_in_closed,
};

void tern_h3_on_uni_stream(tern_h3 *h3, tern_stream *stream)
{
  struct tern_h3_in *in = tern_alloc_take_zero(h3->alloc, sizeof(*in));
  if (in == NULL) {
    tern_h3_fail(h3, TERN_H3_INTERNAL_ERROR, "no memory");
    return;
  }
  in->h3 = h3;
  in->stream = stream;
  tern_list_push_back(&h3->ins, &in->node);
  tern_stream_set_ops(stream, &in_ops, in);
}

void tern_h3_free_uni(tern_h3 *h3)
{
  while (!tern_list_is_empty(&h3->ins))
    free_in(TERN_CONTAINER_OF(tern_list_first(&h3->ins), struct tern_h3_in, node));
  tern_buf_deinit(&h3->control_out.waiting);
  tern_buf_deinit(&h3->encoder_out.waiting);
  tern_buf_deinit(&h3->decoder_out.waiting);
}
