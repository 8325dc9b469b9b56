/* SPDX-License-Identifier: MIT */
/* The sending half of a request stream.
 *
 *   HEADERS frame | DATA header, bytes | DATA header, reference | ... | HEADERS frame (trailers) | FIN
 *
 * Everything leaves in order through two stages: `outbox`, bytes that the transport did not take, and
 * behind it at most one `pending` reference or source whose DATA header is written already. While one
 * of them is occupied the application is told TERN_BLOCKED. A copied DATA frame is made as long as what
 * is taken of the application's bytes, so its header never promises what is not there; a frame that
 * overfills the send buffer by a few bytes makes the transport say when there is room again. */
#include "h3/h3_conn.h"
#include "h3/h3_events.h"
#include "wire/varint.h"

/* Copied bytes beyond the transport's room that a DATA frame may have: they wait in the outbox. */
#define SURPLUS_BYTES 64

/* ---- to the transport ---------------------------------------------------------------------- */

static tern_status write_bytes(tern_request *request, const uint8_t *data, size_t len)
{
  size_t taken = 0;
  if (request->outbox.len == 0) {
    tern_status status = tern_stream_write(request->stream, tern_slice_of(data, len), &taken);
    if (status != TERN_OK && status != TERN_BLOCKED)
      return status;
    request->written += taken;
  }
  if (taken < len && !tern_buf_append(&request->outbox, data + taken, len - taken))
    return TERN_NOMEM;
  return TERN_OK;
}

/* Hands the pending reference or source over. TERN_BLOCKED: not yet. */
static tern_status write_pending(tern_request *request)
{
  struct tern_h3_pending *pending = &request->pending;
  tern_status status = TERN_OK;
  uint64_t len = 0;
  switch (pending->kind) {
  case TERN_H3_PENDING_NONE:
    return TERN_OK;
  case TERN_H3_PENDING_REF:
    len = pending->ref.len;
    status = tern_stream_write_ref(request->stream, pending->ref, pending->source.release,
                                   pending->source.arg);
    break;
  case TERN_H3_PENDING_SOURCE:
    len = pending->len;
    status = tern_stream_write_source(request->stream, len, &pending->source);
    break;
  }
  if (status != TERN_OK)
    return status;
  request->written += len;
  pending->kind = TERN_H3_PENDING_NONE;
  return TERN_OK;
}

static bool has_unsent(const tern_request *request)
{
  return request->outbox.len > 0 || request->pending.kind != TERN_H3_PENDING_NONE;
}

/* FIN, once nothing waits before it. */
static void finish_if_empty(tern_request *request)
{
  if (!request->wants_fin || has_unsent(request))
    return;
  request->wants_fin = false;
  if (tern_stream_finish(request->stream) != TERN_OK && !request->h3->is_closed)
    tern_stream_reset(request->stream, TERN_H3_INTERNAL_ERROR);
}

void tern_h3_request_flush(tern_request *request)
{
  if (request->sending == TERN_H3_SEND_RESET || request->stream == NULL || request->h3->is_closed)
    return;
  if (request->outbox.len > 0) {
    size_t taken = 0;
    tern_status status = tern_stream_write(
        request->stream, tern_slice_of(request->outbox.data, request->outbox.len), &taken);
    (void)status; /* blocked again, or ending: its callback follows */
    request->written += taken;
    tern_buf_drop_front(&request->outbox, taken);
  }
  if (request->outbox.len == 0) {
    tern_status status = write_pending(request);
    if (status != TERN_OK && status != TERN_BLOCKED)
      tern_h3_request_fail(request, TERN_H3_INTERNAL_ERROR);
  }
  finish_if_empty(request);
  if (request->wants_writable && !has_unsent(request)) {
    request->wants_writable = false;
    if (request->ops->on_writable != NULL)
      request->ops->on_writable(request, request->app);
  }
}

void tern_h3_request_drop_unsent(tern_request *request)
{
  struct tern_h3_pending *pending = &request->pending;
  tern_buf_deinit(&request->outbox);
  request->wants_fin = false;
  if (pending->kind == TERN_H3_PENDING_NONE)
    return;
  pending->kind = TERN_H3_PENDING_NONE;
  if (pending->source.release != NULL)
    pending->source.release(pending->source.arg);
}

/* ---- fields -------------------------------------------------------------------------------- */

tern_status tern_h3_send_fields(tern_request *request, const tern_field *fields, size_t count)
{
  tern_h3 *h3 = request->h3;
  if (tern_h3_fields_size(fields, count) > h3->peer.field_section_max)
    return TERN_LIMIT; /* [rfc9114-4.2.2] SHOULD NOT: the peer would refuse it */
  struct tern_qpack_enc_args args = {
      .stream_id = request->id,
      .fields = fields,
      .count = count,
      .can_insert = tern_h3_can_insert(h3),
  };
  size_t start;
  tern_status status = tern_qpack_enc_section(&h3->enc, &args, &h3->section, &start);
  if (status != TERN_OK)
    return status;
  tern_h3_flush_qpack(h3); /* what the section refers to leaves before it */
  if (h3->is_closed)
    return TERN_CLOSED;
  size_t len = h3->section.len - start;
  size_t header = tern_h3_frame_header_size(TERN_H3_FRAME_HEADERS, len);
  uint8_t bytes[TERN_H3_FRAME_HEADER_MAX];
  (void)tern_h3_frame_write(bytes, TERN_H3_FRAME_HEADERS, len);
  memcpy(h3->section.data + start - header, bytes, header);
  h3->stats.fields_wire_sent += len;
  tern_h3_show_sent(h3, request->id, TERN_H3_FRAME_HEADERS, len);
  return write_bytes(request, h3->section.data + start - header, header + len);
}

/* `first` before the application's fields, in the connection's scratch array. */
static const tern_field *join(tern_h3 *h3, tern_field first, const tern_field *fields, size_t count)
{
  h3->fields.len = 0;
  void *room = tern_buf_reserve(&h3->fields, (count + 1) * sizeof(tern_field));
  if (room == NULL)
    return NULL;
  tern_field *all = room;
  all[0] = first;
  if (count > 0)
    memcpy(all + 1, fields, count * sizeof(tern_field));
  return all;
}

/* A call that an ended half cannot take. */
static tern_status check_sending(const tern_request *request, enum tern_h3_sending wanted)
{
  if (request->h3->is_closed || request->stream == NULL)
    return TERN_CLOSED;
  if (request->sending == TERN_H3_SEND_RESET)
    return TERN_RESET;
  return request->sending == wanted ? TERN_OK : TERN_STATE;
}

static void finish(tern_request *request)
{
  request->sending = TERN_H3_SEND_DONE;
  request->wants_fin = true;
  finish_if_empty(request);
}

tern_status tern_request_respond(tern_request *request, uint16_t status, const tern_field *fields,
                                 size_t count, bool has_body)
{
  tern_h3 *h3 = request->h3;
  tern_status result = check_sending(request, TERN_H3_SEND_HEADERS);
  if (result != TERN_OK)
    return result;
  if (!h3->is_server)
    return TERN_STATE;
  if (status < 100 || status > 999)
    return TERN_INVALID;
  char digits[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                    (char)('0' + status % 10), 0};
  const tern_field *all = join(h3, tern_field_of(":status", digits), fields, count);
  struct tern_h3_head head;
  if (all == NULL)
    return TERN_NOMEM;
  if (tern_h3_check_response(all, count + 1, &head) != NULL)
    return TERN_INVALID;
  uint64_t expected = tern_h3_response_length(&head, request->asked);
  bool is_final = status >= 200;
  if (is_final && !has_body && expected != TERN_H3_LENGTH_NONE && expected != 0)
    return TERN_INVALID; /* it would be malformed [rfc9114-4.1.2] */
  result = tern_h3_send_fields(request, all, count + 1);
  if (result == TERN_OK)
    tern_h3_show_response(request, status, TERN_H3_OURS);
  if (result != TERN_OK || !is_final)
    return result;
  request->body_out.expected = expected;
  request->sending = TERN_H3_SEND_BODY;
  if (!has_body)
    finish(request);
  return TERN_OK;
}

/* Decimal digits of `value`, NUL-terminated. */
static void format_number(char text[24], uint64_t value)
{
  char digits[24];
  size_t count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  for (size_t i = 0; i < count; i++)
    text[i] = digits[count - 1 - i];
  text[count] = 0;
}

void tern_request_reply(tern_request *request, uint16_t status, const char *content_type,
                        tern_slice body)
{
  char length[24];
  tern_field fields[2];
  size_t count = 0;
  format_number(length, body.len);
  fields[count++] = tern_field_of("content-length", length);
  if (content_type != NULL)
    fields[count++] = tern_field_of("content-type", content_type);
  bool has_body = body.len > 0 && !request->asked.is_head;
  tern_status result = tern_request_respond(request, status, fields, count, has_body);
  if (result == TERN_OK && has_body) {
    uint8_t header[TERN_H3_FRAME_HEADER_MAX];
    size_t len = tern_h3_frame_write(header, TERN_H3_FRAME_DATA, body.len);
    request->body_out.seen = body.len;
    result = write_bytes(request, header, len);
    if (result == TERN_OK)
      result = write_bytes(request, body.data, body.len);
    if (result == TERN_OK)
      finish(request);
  }
  if (result != TERN_OK)
    tern_request_cancel(request, TERN_H3_INTERNAL_ERROR);
}

tern_status tern_h3_submit(tern_h3 *h3, const tern_submit_args *args, tern_request **out)
{
  struct tern_h3_head head;
  if (h3->is_server)
    return TERN_STATE;
  if (h3->is_closed || h3->goaway_received != UINT64_MAX || h3->goaway_sent != UINT64_MAX)
    return TERN_CLOSED; /* [rfc9114-5.2] */
  if (tern_h3_check_request(args->fields, args->count, &head) != NULL)
    return TERN_INVALID;
  if (!args->has_body && head.content_length != TERN_H3_LENGTH_NONE && head.content_length != 0)
    return TERN_INVALID;
  tern_request *request = tern_h3_request_new(h3, NULL);
  if (request == NULL)
    return TERN_NOMEM;
  tern_request_set_ops(request, args->ops, args->app);
  request->asked = (struct tern_h3_asked){head.is_connect, head.is_head};
  request->body_out.expected = head.content_length;
  tern_status status =
      tern_conn_open_stream(h3->conn, true, &tern_h3_request_stream_ops, request, &request->stream);
  if (status != TERN_OK) {
    tern_h3_request_free(request);
    return status;
  }
  request->id = tern_stream_get_id(request->stream);
  if (!tern_h3_is_early_ok(args->fields, args->count, args->early))
    tern_stream_wait_for_handshake(request->stream);
  status = tern_h3_send_fields(request, args->fields, args->count);
  if (status != TERN_OK) {
    tern_request_cancel(request, TERN_H3_REQUEST_CANCELLED); /* not told: no callback */
    tern_request_set_ops(request, NULL, NULL);
    return status;
  }
  request->is_told = true;
  request->sending = TERN_H3_SEND_BODY;
  h3->stats.requests_total++;
  tern_h3_show_request(request, args->fields, args->count, TERN_H3_OURS);
  if (!args->has_body && !head.is_connect)
    finish(request);
  if (out != NULL)
    *out = request;
  return TERN_OK;
}

tern_status tern_h3_get(tern_h3 *h3, const char *authority, const char *path,
                        const tern_request_ops *ops, void *app)
{
  tern_field fields[] = {
      tern_field_of(":method", "GET"),
      tern_field_of(":scheme", "https"),
      tern_field_of(":authority", authority),
      tern_field_of(":path", path),
  };
  tern_submit_args args = {.fields = fields, .count = 4, .ops = ops, .app = app};
  return tern_h3_submit(h3, &args, NULL);
}

tern_status tern_request_trailers(tern_request *request, const tern_field *fields, size_t count)
{
  tern_status status = check_sending(request, TERN_H3_SEND_BODY);
  if (status != TERN_OK)
    return status;
  if (!tern_h3_body_is_complete(&request->body_out) || request->asked.is_connect)
    return TERN_STATE;
  if (tern_h3_check_trailers(fields, count) != NULL)
    return TERN_INVALID;
  if (request->pending.kind != TERN_H3_PENDING_NONE) {
    request->wants_writable = true;
    return TERN_BLOCKED; /* they would overtake the reference */
  }
  status = tern_h3_send_fields(request, fields, count);
  if (status == TERN_OK)
    finish(request);
  return status;
}

/* ---- body ---------------------------------------------------------------------------------- */

size_t tern_request_get_room(const tern_request *request)
{
  if (check_sending(request, TERN_H3_SEND_BODY) != TERN_OK || has_unsent(request))
    return 0;
  size_t room = tern_stream_get_room(request->stream);
  return room > TERN_H3_FRAME_HEADER_MAX ? room - TERN_H3_FRAME_HEADER_MAX : 0;
}

/* May `len` more bytes be written now? Counts them if so. */
static tern_status start_data(tern_request *request, uint64_t len)
{
  tern_status status = check_sending(request, TERN_H3_SEND_BODY);
  if (status != TERN_OK)
    return status;
  const struct tern_h3_body *body = &request->body_out;
  if (body->expected != TERN_H3_LENGTH_NONE && len > body->expected - body->seen)
    return TERN_LIMIT; /* [rfc9114-4.1.2] it would be malformed */
  if (has_unsent(request)) {
    request->wants_writable = true;
    return TERN_BLOCKED;
  }
  return TERN_OK;
}

static tern_status write_header(tern_request *request, uint64_t len)
{
  uint8_t header[TERN_H3_FRAME_HEADER_MAX];
  tern_h3_show_sent(request->h3, request->id, TERN_H3_FRAME_DATA, len);
  return write_bytes(request, header, tern_h3_frame_write(header, TERN_H3_FRAME_DATA, len));
}

tern_status tern_request_write(tern_request *request, tern_slice data, size_t *taken)
{
  *taken = 0;
  tern_status status = start_data(request, data.len);
  if (status != TERN_OK || data.len == 0)
    return status;
  size_t room = tern_stream_get_room(request->stream);
  size_t len = data.len < room + SURPLUS_BYTES ? data.len : room + SURPLUS_BYTES;
  status = write_header(request, len);
  if (status == TERN_OK)
    status = write_bytes(request, data.data, len);
  if (status != TERN_OK) {
    /* The header may be out without its bytes: nothing good can follow. */
    tern_request_cancel(request, TERN_H3_INTERNAL_ERROR);
    return status;
  }
  request->body_out.seen += len;
  *taken = len;
  if (len == data.len)
    return TERN_OK;
  request->wants_writable = true;
  return TERN_BLOCKED;
}

/* The header is written, the reference or source waits or leaves. */
static tern_status write_frame(tern_request *request, const struct tern_h3_pending *pending,
                               uint64_t len)
{
  tern_status status = start_data(request, len);
  if (status != TERN_OK)
    return status;
  status = write_header(request, len);
  if (status != TERN_OK)
    return status;
  request->pending = *pending;
  if (request->outbox.len == 0)
    status = write_pending(request);
  if (status != TERN_OK && status != TERN_BLOCKED) {
    request->pending.kind = TERN_H3_PENDING_NONE; /* the caller keeps it */
    tern_request_cancel(request, TERN_H3_INTERNAL_ERROR);
    return status;
  }
  request->body_out.seen += len;
  return TERN_OK;
}

tern_status tern_request_write_ref(tern_request *request, tern_slice data, tern_release *release,
                                   void *arg)
{
  if (data.len == 0)
    return TERN_INVALID;
  struct tern_h3_pending pending = {
      .kind = TERN_H3_PENDING_REF,
      .ref = data,
      .source = {.release = release, .arg = arg},
  };
  return write_frame(request, &pending, data.len);
}

tern_status tern_request_write_source(tern_request *request, uint64_t len,
                                      const tern_source *source)
{
  if (len == 0 || len > TERN_VARINT_MAX)
    return TERN_INVALID;
  struct tern_h3_pending pending = {
      .kind = TERN_H3_PENDING_SOURCE,
      .len = len,
      .source = *source,
  };
  return write_frame(request, &pending, len);
}

tern_status tern_request_finish(tern_request *request)
{
  tern_status status = check_sending(request, TERN_H3_SEND_BODY);
  if (status != TERN_OK)
    return status;
  if (!tern_h3_body_is_complete(&request->body_out))
    return TERN_STATE;
  finish(request);
  return TERN_OK;
}

/* ---- ending -------------------------------------------------------------------------------- */

void tern_request_cancel(tern_request *request, uint64_t code)
{
  tern_h3 *h3 = request->h3;
  tern_h3_request_abandon(request);
  tern_h3_request_drop_unsent(request);
  request->sending = TERN_H3_SEND_RESET;
  if (request->stream == NULL || h3->is_closed)
    return;
  tern_stream_reset(request->stream, code);
  tern_stream_stop(request->stream, code);
  tern_h3_flush_qpack(h3);
}

void tern_request_stop(tern_request *request, uint64_t code)
{
  if (request->stream == NULL || request->h3->is_closed ||
      request->receiving == TERN_H3_RECEIVE_DONE)
    return;
  tern_h3_request_abandon(request);
  tern_stream_stop(request->stream, code);
  tern_h3_flush_qpack(request->h3);
}
