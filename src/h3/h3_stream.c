/* SPDX-License-Identifier: MIT */
/* The receiving half of a request stream [rfc9114-4.1].
 *
 *   HEADERS --final section--> BODY --trailers--> END --FIN--> DONE
 *      ^  |                      `-------FIN------------------^
 *      1xx
 *
 * process() takes step after step until it needs more bytes, or the application to read. Nothing is
 * kept of a frame but its header: sections are decoded as they come, bodies are shown in place, unknown
 * frames are skipped by counting. A message is complete only when the stream ended between two frames
 * and the body has its length; everything else is told as a reset. */
#include "h3/h3_conn.h"
#include "h3/h3_events.h"

#include "base/conn_alloc.h"

static const tern_request_ops no_ops = {.size = sizeof(tern_request_ops)};

/* ---- life ---------------------------------------------------------------------------------- */

tern_request *tern_h3_request_new(tern_h3 *h3, tern_stream *stream)
{
  tern_request *request = tern_alloc_take_zero(h3->alloc, sizeof(*request));
  if (request == NULL)
    return NULL;
  request->h3 = h3;
  request->stream = stream;
  request->id = stream == NULL ? 0 : tern_stream_get_id(stream);
  request->ops = &no_ops;
  request->content_length = TERN_H3_LENGTH_NONE;
  request->body_in.expected = TERN_H3_LENGTH_NONE;
  request->body_out.expected = TERN_H3_LENGTH_NONE;
  request->opened_at = tern_conn_get_now(h3->conn);
  request->window_at = request->opened_at;
  tern_buf_init(&request->outbox, h3->alloc);
  tern_list_push_back(&h3->requests, &request->node);
  h3->requests_count++;
  if (h3->is_server && h3->config.header_timeout_ms != 0)
    tern_h3_wake_at(h3, request->opened_at + h3->config.header_timeout_ms * TERN_MS);
  if (h3->config.body_timeout_ms != 0)
    tern_h3_wake_at(h3, request->opened_at + h3->config.body_timeout_ms * TERN_MS);
  return request;
}

/* A reader for a section: the spare one, or a new one. */
static struct tern_qpack_reader *take_reader(tern_h3 *h3)
{
  struct tern_qpack_reader *reader = h3->spare;
  h3->spare = NULL;
  if (reader != NULL)
    return reader;
  reader = tern_alloc_take(h3->alloc, sizeof(*reader));
  if (reader != NULL)
    tern_qpack_reader_init(reader, h3->alloc);
  return reader;
}

static void give_reader(tern_h3 *h3, struct tern_qpack_reader *reader)
{
  tern_qpack_reader_cancel(reader, &h3->dec);
  if (h3->spare == NULL) {
    h3->spare = reader;
    return;
  }
  tern_qpack_reader_deinit(reader);
  tern_alloc_give(h3->alloc, reader, sizeof(*reader));
}

/* The section is over, complete or not. */
static void drop_section(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  tern_list_remove(&request->blocked_node);
  h3->blocked_bytes -= request->blocked_bytes;
  h3->held_bytes -= request->held_bytes;
  request->blocked_bytes = 0;
  request->held_bytes = 0;
  if (request->reader != NULL)
    give_reader(h3, request->reader);
  request->reader = NULL;
}

void tern_h3_request_free(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  if (request->is_told)
    tern_h3_show_closed(request);
  drop_section(request);
  tern_h3_request_drop_unsent(request);
  tern_list_remove(&request->node);
  h3->requests_count--;
  tern_alloc_give(h3->alloc, request, sizeof(*request));
}

void tern_h3_request_abandon(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  if (request->receiving == TERN_H3_RECEIVE_DONE)
    return;
  request->receiving = TERN_H3_RECEIVE_DONE;
  drop_section(request);
  /* [rfc9204-2.2.2.2] */
  if (!h3->is_closed && !tern_qpack_dec_cancel_stream(&h3->dec, request->id))
    tern_h3_fail(h3, TERN_H3_INTERNAL_ERROR, "no memory");
}

/* The peer's message will not be complete. The application hears it once, and only if it knows of the
 * request. */
static void tell_reset(tern_request *request, uint64_t code)
{
  request->h3->stats.requests_failed++;
  if (request->is_told && !request->is_ended && request->ops->on_reset != NULL)
    request->ops->on_reset(request, code, request->app);
}

void tern_h3_request_fail(tern_request *request, uint64_t code)
{
  bool was_receiving = request->receiving != TERN_H3_RECEIVE_DONE;
  tern_h3_request_abandon(request);
  tern_h3_request_drop_unsent(request);
  request->sending = TERN_H3_SEND_RESET;
  if (request->stream != NULL && !request->h3->is_closed) {
    tern_stream_reset(request->stream, code);
    tern_stream_stop(request->stream, code);
  }
  tern_h3_flush_qpack(request->h3);
  if (was_receiving)
    tell_reset(request, code);
}

/* ---- field sections ------------------------------------------------------------------------ */

/* Larger than we take [rfc9114-4.2.2]: a server says so with 431 and reads no further. */
static void refuse_section(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  tern_h3_add_glitch(h3);
  if (!h3->is_server || request->is_told || h3->is_closed) {
    tern_h3_request_fail(request, TERN_H3_EXCESSIVE_LOAD);
    return;
  }
  tern_h3_request_abandon(request);
  tern_stream_stop(request->stream, TERN_H3_EXCESSIVE_LOAD);
  h3->stats.requests_failed++;
  if (tern_request_respond(request, 431, NULL, 0, false) != TERN_OK)
    tern_h3_request_fail(request, TERN_H3_EXCESSIVE_LOAD);
}

static void on_request_fields(tern_request *request, const tern_field *fields, size_t count)
{
  tern_h3 *h3 = request->h3;
  struct tern_h3_head head;
  if (tern_h3_check_request(fields, count, &head) != NULL) {
    tern_h3_add_glitch(h3);
    tern_h3_request_fail(request, TERN_H3_MESSAGE_ERROR); /* [rfc9114-4.1.2] */
    return;
  }
  request->asked = (struct tern_h3_asked){head.is_connect, head.is_head};
  request->is_tunnel = head.is_connect;
  request->content_length = head.content_length;
  request->body_in.expected = head.content_length;
  request->receiving = TERN_H3_RECEIVE_BODY;
  request->window_at = tern_conn_get_now(h3->conn);
  request->is_told = true;
  tern_h3_show_request(request, fields, count, TERN_H3_PEERS);
  if (tern_conn_is_early(h3->conn) && !tern_h3_is_early_ok(fields, count, h3->config.early))
    tern_request_reply(request, 425, NULL, tern_slice_of(NULL, 0)); /* [rfc8470-5.2] */
  else if (h3->ops->on_request != NULL)
    h3->ops->on_request(h3, request, fields, count, h3->app);
  else
    tern_request_reply(request, 404, NULL, tern_slice_of(NULL, 0));
}

static void on_response_fields(tern_request *request, const tern_field *fields, size_t count)
{
  struct tern_h3_head head;
  if (tern_h3_check_response(fields, count, &head) != NULL) {
    tern_h3_request_fail(request, TERN_H3_MESSAGE_ERROR);
    return;
  }
  if (head.status >= 200) {
    request->receiving = TERN_H3_RECEIVE_BODY;
    request->content_length = head.content_length;
    request->body_in.expected = tern_h3_response_length(&head, request->asked);
    request->is_tunnel = request->asked.is_connect && head.status < 300;
  } else {
    tern_h3_add_glitch(request->h3); /* not for ever */
  }
  tern_h3_show_response(request, head.status, TERN_H3_PEERS);
  if (request->ops->on_response != NULL && !request->h3->is_closed)
    request->ops->on_response(request, head.status, fields, count, request->app);
}

static void on_trailer_fields(tern_request *request, const tern_field *fields, size_t count)
{
  if (tern_h3_check_trailers(fields, count) != NULL ||
      !tern_h3_body_is_complete(&request->body_in)) {
    tern_h3_request_fail(request, TERN_H3_MESSAGE_ERROR);
    return;
  }
  request->receiving = TERN_H3_RECEIVE_END;
  if (request->ops->on_trailers != NULL)
    request->ops->on_trailers(request, fields, count, request->app);
}

/* The whole section was decoded. The fields live in the reader, which another section may want while
 * the callback runs, so it is given back only afterwards. */
static void on_section(tern_request *request, const tern_field *fields, size_t count)
{
  tern_h3 *h3 = request->h3;
  struct tern_qpack_reader *reader = request->reader;
  h3->stats.fields_bytes_received += reader->size - 32 * (uint64_t)count;
  request->reader = NULL;
  drop_section(request);
  if (request->receiving == TERN_H3_RECEIVE_BODY)
    on_trailer_fields(request, fields, count);
  else if (h3->is_server)
    on_request_fields(request, fields, count);
  else
    on_response_fields(request, fields, count);
  give_reader(h3, reader);
}

static void fail_section(tern_request *request, enum tern_qpack_result result)
{
  switch (result) {
  case TERN_QPACK_TOO_LARGE:
    refuse_section(request);
    return;
  case TERN_QPACK_NO_MEMORY:
    tern_h3_request_fail(request, TERN_H3_INTERNAL_ERROR);
    return;
  case TERN_QPACK_OK:
  case TERN_QPACK_BLOCKED:
  case TERN_QPACK_ERROR:
    tern_h3_fail(request->h3, TERN_H3_QPACK_DECOMPRESSION_FAILED, "bad field section");
    return;
  }
}

/* [rfc9204-2.1.2] The rest of the section stays in the stream, so its declared length bounds what this
 * holds. */
static void block(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  if (tern_list_has_node(&request->blocked_node))
    return;
  request->blocked_bytes = request->frame.left;
  h3->blocked_bytes += request->blocked_bytes;
  tern_list_push_back(&h3->blocked, &request->blocked_node);
  h3->stats.sections_blocked++;
  if (h3->blocked_bytes > TERN_CAP_QPACK_BLOCKED_BYTES)
    tern_h3_fail(h3, TERN_H3_EXCESSIVE_LOAD, "blocked field sections are too long");
}

/* Charges what an incomplete section holds. */
static void hold(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  uint64_t held = request->reader->text.capacity + request->reader->lines.capacity;
  h3->held_bytes += held - request->held_bytes;
  request->held_bytes = held;
  if (h3->held_bytes > TERN_H3_SECTIONS_HELD_MAX)
    refuse_section(request);
}

/* Decodes what is there of the section. True: go on with the next step. */
static bool step_section(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  tern_slice slice = {NULL, 0};
  size_t consumed = 0;
  if (request->frame.left > 0)
    (void)tern_stream_peek(request->stream, &slice, 1);
  if (slice.len > request->frame.left)
    slice.len = (size_t)request->frame.left;
  if (slice.len == 0 && request->frame.left > 0 && !request->reader->is_blocked)
    return false;
  enum tern_qpack_result result =
      tern_qpack_reader_feed(request->reader, &h3->dec, slice, &consumed);
  if (consumed > 0)
    tern_stream_consume(request->stream, consumed);
  tern_h3_frame_take(&request->frame, consumed);
  h3->stats.fields_wire_received += consumed;
  if (result == TERN_QPACK_BLOCKED) {
    block(request);
    return false;
  }
  if (result != TERN_QPACK_OK) {
    fail_section(request, result);
    return false;
  }
  if (request->frame.left > 0) {
    hold(request);
    return slice.len > 0;
  }
  const tern_field *fields;
  size_t count;
  tern_h3_frame_close(&request->frame);
  result = tern_qpack_reader_finish(request->reader, &h3->dec, &fields, &count);
  if (result == TERN_QPACK_OK)
    on_section(request, fields, count);
  else
    fail_section(request, result);
  return result == TERN_QPACK_OK;
}

/* ---- frames -------------------------------------------------------------------------------- */

static void start_section(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  if (request->receiving == TERN_H3_RECEIVE_END ||                          /* [rfc9114-4.1] */
      (request->receiving == TERN_H3_RECEIVE_BODY && request->is_tunnel)) { /* [rfc9114-4.4] */
    tern_h3_fail(h3, TERN_H3_FRAME_UNEXPECTED, "HEADERS after the end of the message");
    return;
  }
  request->reader = take_reader(h3);
  if (request->reader == NULL) {
    tern_h3_request_fail(request, TERN_H3_INTERNAL_ERROR);
    return;
  }
  tern_qpack_reader_start(request->reader, request->id, h3->config.field_section_max_bytes);
}

/* A frame that says nothing; the first few of a message are within good manners. */
static void add_idle_frame(tern_request *request)
{
  if (++request->idle_frames > TERN_H3_IDLE_FRAMES_FREE)
    tern_h3_add_glitch(request->h3);
}

static void start_data(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  if (request->receiving != TERN_H3_RECEIVE_BODY) { /* [rfc9114-4.1] */
    tern_h3_fail(h3, TERN_H3_FRAME_UNEXPECTED, "DATA before HEADERS or after trailers");
    return;
  }
  if (request->frame.left == 0)
    add_idle_frame(request);
  /* [rfc9114-4.1.2] known to be too long as soon as the header says so */
  if (!tern_h3_body_add(&request->body_in, request->frame.left)) {
    tern_h3_add_glitch(h3);
    tern_h3_request_fail(request, TERN_H3_MESSAGE_ERROR);
  }
}

/* A frame header is complete: may the frame be here? [rfc9114-7.2], table 1 */
static void start_frame(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  uint64_t type = request->frame.type;
  tern_h3_show_frame(h3, request->id, &request->frame);
  if (type == TERN_H3_FRAME_HEADERS)
    start_section(request);
  else if (type == TERN_H3_FRAME_DATA)
    start_data(request);
  else if (type == TERN_H3_FRAME_PUSH_PROMISE && !h3->is_server) /* [rfc9114-7.2.5] */
    tern_h3_fail(h3, TERN_H3_ID_ERROR, "PUSH_PROMISE without a MAX_PUSH_ID");
  else if (tern_h3_frame_is_known(type) || tern_h3_frame_is_forbidden(type))
    tern_h3_fail(h3, TERN_H3_FRAME_UNEXPECTED, "frame not allowed on a request stream");
  else
    add_idle_frame(request); /* ignored [rfc9114-9], but not for ever */
}

static bool can_go_on(const tern_request *request)
{
  return !request->h3->is_closed && !request->is_dead && request->receiving != TERN_H3_RECEIVE_DONE;
}

/* Reads the next frame header, or a part of it. True: a frame is open now. */
static bool open_frame(tern_request *request)
{
  tern_slice slice;
  while (can_go_on(request) && tern_stream_peek(request->stream, &slice, 1) == 1) {
    const uint8_t *at = slice.data;
    bool is_open = tern_h3_frame_feed(&request->frame, &at, slice.data + slice.len);
    tern_stream_consume(request->stream, (size_t)(at - slice.data));
    if (is_open) {
      start_frame(request);
      return can_go_on(request);
    }
  }
  return false;
}

/* The stream ended cleanly; did the message? */
static void on_fin(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  if (!tern_h3_frame_is_between(&request->frame)) { /* [rfc9114-7.1] */
    tern_h3_fail(h3, TERN_H3_FRAME_ERROR, "stream ended inside a frame");
    return;
  }
  if (request->receiving == TERN_H3_RECEIVE_HEADERS) {
    /* [rfc9114-4.1] a request without HEADERS; a response without a final one is malformed */
    tern_h3_add_glitch(h3);
    tern_h3_request_fail(request,
                         h3->is_server ? TERN_H3_REQUEST_INCOMPLETE : TERN_H3_MESSAGE_ERROR);
    return;
  }
  if (!tern_h3_body_is_complete(&request->body_in)) { /* [rfc9114-4.1.2] */
    tern_h3_add_glitch(h3);
    tern_h3_request_fail(request, TERN_H3_MESSAGE_ERROR);
    return;
  }
  request->receiving = TERN_H3_RECEIVE_DONE;
  request->is_ended = true;
  if (request->ops->on_end != NULL)
    request->ops->on_end(request, request->app);
}

/* Drops payload that nobody wants. True: some was there. */
static bool skip(tern_request *request)
{
  tern_slice slice;
  bool has_skipped = false;
  while (request->frame.left > 0 && tern_stream_peek(request->stream, &slice, 1) == 1) {
    size_t len = slice.len < request->frame.left ? slice.len : (size_t)request->frame.left;
    tern_stream_consume(request->stream, len);
    tern_h3_frame_take(&request->frame, len);
    if (request->frame.type == TERN_H3_FRAME_DATA)
      request->body_consumed += len;
    has_skipped = true;
  }
  return has_skipped;
}

/* Shows the body to the application. True: it read the frame to its end. */
static bool step_data(tern_request *request)
{
  tern_slice slice;
  if (request->ops->on_body == NULL)
    return skip(request);
  if (tern_stream_peek(request->stream, &slice, 1) == 0)
    return false;
  request->ops->on_body(request, request->app);
  /* A DATA frame that is still open is one that the application did not want to read on. */
  return can_go_on(request) &&
         (!request->frame.is_open || request->frame.type != TERN_H3_FRAME_DATA);
}

static bool step(tern_request *request)
{
  if (!request->frame.is_open) {
    if (open_frame(request))
      return true;
    if (can_go_on(request) && tern_stream_is_eof(request->stream))
      on_fin(request);
    return false;
  }
  if (request->frame.type == TERN_H3_FRAME_HEADERS)
    return step_section(request);
  bool goes_on = true;
  if (request->frame.left > 0)
    goes_on = request->frame.type == TERN_H3_FRAME_DATA ? step_data(request) : skip(request);
  if (!can_go_on(request))
    return false;
  bool is_header = request->frame.type == TERN_H3_FRAME_HEADERS; /* of another frame than before */
  if (request->frame.is_open && request->frame.left == 0 && !is_header) {
    tern_h3_frame_close(&request->frame);
    return true;
  }
  return goes_on;
}

void tern_h3_request_process(tern_request *request)
{
  tern_h3 *h3 = request->h3;
  if (request->is_processing)
    return;
  request->is_processing = true;
  while (can_go_on(request) && step(request)) {
  }
  /* [rfc9114-7.1] the end inside a payload */
  if (can_go_on(request) && request->frame.is_open && request->frame.left > 0 &&
      tern_stream_is_eof(request->stream))
    on_fin(request);
  request->is_processing = false;
  if (request->is_dead) {
    tern_h3_request_free(request);
    tern_h3_on_request_gone(h3);
  }
  tern_h3_flush_qpack(h3);
}

void tern_h3_unblock(tern_h3 *h3)
{
  struct tern_list_node *node = tern_list_first(&h3->blocked);
  while (node != NULL && !h3->is_closed) {
    tern_request *request = TERN_CONTAINER_OF(node, tern_request, blocked_node);
    if (request->reader->required > h3->dec.table.inserts) {
      node = tern_list_next(&h3->blocked, node);
      continue;
    }
    tern_list_remove(&request->blocked_node);
    h3->blocked_bytes -= request->blocked_bytes;
    request->blocked_bytes = 0;
    tern_h3_request_process(request);
    node = tern_list_first(&h3->blocked); /* callbacks may have changed the list */
  }
}

/* ---- time ---------------------------------------------------------------------------------- */

/* The peer has to do something: send more of a body that we have read up, or take what we sent. A
 * tunnel may be silent. */
static bool waits_for_peer(const tern_request *request)
{
  tern_slice slice;
  if (request->written > request->acked)
    return true;
  return request->h3->is_server && !request->is_tunnel &&
         request->receiving != TERN_H3_RECEIVE_DONE &&
         request->receiving != TERN_H3_RECEIVE_HEADERS &&
         tern_stream_peek(request->stream, &slice, 1) == 0;
}

static tern_time check_progress(tern_request *request, tern_time now)
{
  uint64_t period = request->h3->config.body_timeout_ms * TERN_MS;
  uint64_t progress = request->body_consumed + request->acked;
  if (period == 0)
    return TERN_TIME_NEVER;
  if (now < request->window_at + period && waits_for_peer(request))
    return request->window_at + period;
  if (waits_for_peer(request) && progress < request->window_progress + TERN_H3_PROGRESS_BYTES) {
    tern_h3_request_fail(request, TERN_H3_REQUEST_CANCELLED);
    return TERN_TIME_NEVER;
  }
  request->window_at = now;
  request->window_progress = progress;
  return now + period;
}

tern_time tern_h3_request_check_time(tern_request *request, tern_time now)
{
  tern_h3 *h3 = request->h3;
  uint64_t header = h3->config.header_timeout_ms * TERN_MS;
  if (request->stream == NULL || request->sending == TERN_H3_SEND_RESET)
    return TERN_TIME_NEVER;
  if (h3->is_server && header != 0 && request->receiving == TERN_H3_RECEIVE_HEADERS) {
    if (now < request->opened_at + header)
      return request->opened_at + header;
    tern_h3_add_glitch(h3);
    tern_h3_request_fail(request, TERN_H3_REQUEST_INCOMPLETE);
    return TERN_TIME_NEVER;
  }
  return check_progress(request, now);
}

/* ---- the stream's callbacks ---------------------------------------------------------------- */

static void on_readable(tern_stream *stream, void *app)
{
  (void)stream;
  tern_h3_request_process(app);
}

static void on_writable(tern_stream *stream, void *app)
{
  (void)stream;
  tern_h3_request_flush(app);
}

static void on_acked(tern_stream *stream, uint64_t offset, void *app)
{
  tern_request *request = app;
  (void)stream;
  request->acked = offset;
}

/* The peer's message was cut off: never complete, whatever came. */
static void on_reset(tern_stream *stream, uint64_t code, void *app)
{
  tern_request *request = app;
  tern_h3 *h3 = request->h3;
  if (request->receiving == TERN_H3_RECEIVE_DONE || h3->is_closed)
    return;
  tern_h3_add_glitch(h3);
  tern_h3_request_abandon(request);
  if (!request->is_told && !h3->is_closed)
    tern_stream_reset(stream, TERN_H3_REQUEST_REJECTED); /* [rfc9114-4.1.1] nothing was processed */
  else if (request->ops->on_reset == NULL && !h3->is_closed)
    tern_h3_request_fail(request, TERN_H3_REQUEST_CANCELLED);
  tell_reset(request, code);
  tern_h3_flush_qpack(h3);
}

/* The sending half is reset by the transport; what the peer sends may still be good. */
static void on_stopped(tern_stream *stream, uint64_t code, void *app)
{
  tern_request *request = app;
  (void)stream;
  if (request->sending == TERN_H3_SEND_RESET)
    return;
  tern_h3_request_drop_unsent(request);
  request->sending = TERN_H3_SEND_RESET;
  if (request->is_told && request->ops->on_stopped != NULL)
    request->ops->on_stopped(request, code, request->app);
}

static void on_closed(tern_stream *stream, void *app)
{
  tern_request *request = app;
  tern_h3 *h3 = request->h3;
  (void)stream;
  request->stream = NULL; /* it is dead: nothing may touch it from here on */
  request->sending = TERN_H3_SEND_RESET;
  /* The connection may be the one that ended: then the message is cut here. */
  if (request->receiving != TERN_H3_RECEIVE_DONE) {
    request->receiving = TERN_H3_RECEIVE_DONE;
    tell_reset(request, TERN_H3_REQUEST_CANCELLED);
  }
  if (request->is_told && request->ops->on_closed != NULL)
    request->ops->on_closed(request, request->app);
  request->is_dead = true;
  if (request->is_processing)
    return;
  tern_h3_request_free(request);
  tern_h3_on_request_gone(h3);
}

const tern_stream_ops tern_h3_request_stream_ops = {
    .size = sizeof(tern_stream_ops),
    .on_readable = on_readable,
    .on_writable = on_writable,
    .on_acked = on_acked,
    .on_reset = on_reset,
    .on_stopped = on_stopped,
    .on_closed = on_closed,
};

/* ---- the body, for the application ---------------------------------------------------------- */

size_t tern_request_peek(const tern_request *request, tern_slice *slices, size_t max)
{
  const struct tern_h3_frame_reader *frame = &request->frame;
  if (!can_go_on(request) || !frame->is_open || frame->type != TERN_H3_FRAME_DATA)
    return 0;
  size_t count = tern_stream_peek(request->stream, slices, max);
  uint64_t left = frame->left;
  for (size_t i = 0; i < count; i++) {
    if (slices[i].len >= left) {
      slices[i].len = (size_t)left;
      return left == 0 ? i : i + 1;
    }
    left -= slices[i].len;
  }
  return count;
}

void tern_request_consume(tern_request *request, size_t len)
{
  struct tern_h3_frame_reader *frame = &request->frame;
  if (len == 0 || !can_go_on(request) || !frame->is_open || frame->type != TERN_H3_FRAME_DATA)
    return;
  tern_stream_consume(request->stream, len);
  tern_h3_frame_take(frame, len);
  request->body_consumed += len;
  if (frame->left > 0)
    return;
  tern_h3_frame_close(frame);
  if (!request->is_processing) {
    tern_h3_request_process(request);
    return;
  }
  /* Inside on_body: on to the next DATA frame, so that the application's loop sees it. Anything that
   * needs a callback waits until this one returns. */
  while (open_frame(request) && frame->type == TERN_H3_FRAME_DATA && frame->left == 0)
    tern_h3_frame_close(frame);
}

tern_status tern_request_read(tern_request *request, void *buffer, size_t capacity, size_t *got)
{
  tern_slice slice;
  *got = 0;
  while (*got < capacity && tern_request_peek(request, &slice, 1) == 1) {
    size_t len = slice.len < capacity - *got ? slice.len : capacity - *got;
    memcpy((uint8_t *)buffer + *got, slice.data, len);
    *got += len;
    tern_request_consume(request, len);
  }
  if (*got > 0)
    return TERN_OK;
  if (request->is_ended)
    return TERN_EOF;
  return request->receiving == TERN_H3_RECEIVE_DONE ? TERN_RESET : TERN_BLOCKED;
}
