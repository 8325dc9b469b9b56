/* SPDX-License-Identifier: MIT */
/* One request: who answers it, its body, its end. */
#define _GNU_SOURCE /* strncasecmp */
#include "serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const struct {
  uint16_t status;
  const char *text;
} statuses[] = {
    {301, "301 Moved Permanently\n"},
    {400, "400 Bad Request\n"},
    {404, "404 Not Found\n"},
    {403, "403 Forbidden\n"},
    {405, "405 Method Not Allowed\n"},
    {411, "411 Length Required\n"},
    {412, "412 Precondition Failed\n"},
    {413, "413 Content Too Large\n"},
    {416, "416 Range Not Satisfiable\n"},
    {500, "500 Internal Server Error\n"},
    {503, "503 Service Unavailable\n"},
    {507, "507 Insufficient Storage\n"},
};

static const char plain_text[] = "text/plain; charset=utf-8";

static tern_slice text_of(uint16_t status)
{
  const char *text = "";
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
    if (statuses[i].status == status)
      text = statuses[i].text;
  return tern_slice_of(text, strlen(text));
}

/* ---- answering --------------------------------------------------------------------------- */

/* What cannot be answered is cut off; on_closed follows. */
static void check(const struct tern_serve_request *self, tern_status status)
{
  if (status != TERN_OK && status != TERN_CLOSED && status != TERN_RESET)
    tern_request_cancel(self->request, TERN_H3_INTERNAL_ERROR);
}

/* [rfc9110-6.6.1] MUST: a server with a clock says when it answered */
static const char *get_date(struct tern_serve *serve)
{
  int64_t now = time(NULL);
  if (now != serve->date_at || serve->date[0] == '\0')
    tern_http_date_format(now, serve->date);
  serve->date_at = now;
  return serve->date;
}

static tern_status respond(struct tern_serve_request *self, uint16_t status,
                           const tern_field *fields, size_t count, bool has_body)
{
  tern_field all[TERN_SERVE_FIELDS_MAX + 1];
  self->status = status;
  all[0] = tern_field_of("date", get_date(self->serve));
  memcpy(all + 1, fields, count * sizeof all[0]);
  return tern_request_respond(self->request, status, all, count + 1, has_body);
}

static void release_copy(void *arg)
{
  free(arg);
}

/* A copy that lives until it is acknowledged. */
static tern_status send_copy(struct tern_serve_request *self, tern_slice body)
{
  char *copy = tern_cli_copy((const char *)body.data, body.len);
  tern_status status =
      tern_request_write_ref(self->request, tern_slice_of(copy, body.len), release_copy, copy);
  if (status == TERN_OK)
    return tern_request_finish(self->request);
  free(copy);
  return status == TERN_BLOCKED ? TERN_LIMIT : status; /* the fields filled the send buffer */
}

void tern_serve_reply(struct tern_serve_request *self, uint16_t status, const char *type,
                      tern_slice body)
{
  char length[24];
  snprintf(length, sizeof length, "%zu", body.len);
  const tern_field fields[] = {
      tern_field_of("content-length", length),
      tern_field_of("content-type", type),
  };
  bool has_body = body.len > 0 && !self->is_head;
  tern_status result = respond(self, status, fields, 2, has_body);
  if (result == TERN_OK && has_body) {
    self->body_bytes = body.len;
    result = send_copy(self, body);
  }
  check(self, result);
}

void tern_serve_reply_status(struct tern_serve_request *self, uint16_t status)
{
  tern_serve_reply(self, status, plain_text, text_of(status));
}

void tern_serve_reply_fields(struct tern_serve_request *self, uint16_t status,
                             const tern_field *fields, size_t count)
{
  check(self, respond(self, status, fields, count, false));
}

/* Hands the file over; TERN_BLOCKED only while the fields are on their way. */
static void send_body(struct tern_serve_request *self)
{
  if (!self->wants_body)
    return;
  tern_source source = tern_file_source_of(self->source, TERN_H3_INTERNAL_ERROR);
  tern_file_source_ref(self->source);
  tern_status status = tern_request_write_source(self->request, self->body_bytes, &source);
  if (status != TERN_OK)
    tern_file_source_unref(self->source);
  if (status == TERN_BLOCKED)
    return;
  self->wants_body = false;
  if (status == TERN_OK)
    status = tern_request_finish(self->request);
  check(self, status);
}

void tern_serve_reply_file(struct tern_serve_request *self, const struct tern_serve_body *body)
{
  bool has_body = !self->is_head && body->to > body->from;
  self->source = tern_file_source_new(body->fd, body->from);
  tern_status status = respond(self, body->status, body->fields, body->count, has_body);
  if (status != TERN_OK || !has_body) {
    check(self, status);
    return;
  }
  self->body_bytes = body->to - body->from;
  self->wants_body = true;
  send_body(self);
}

/* ---- callbacks --------------------------------------------------------------------------- */

static void on_body(tern_request *request, void *app)
{
  (void)request;
  tern_serve_upload_on_body(app);
}

static void on_end(tern_request *request, void *app)
{
  (void)request;
  tern_serve_upload_on_end(app);
}

static void on_writable(tern_request *request, void *app)
{
  (void)request;
  send_body(app);
}

/* The client went away in the middle of its message: no answer is due. */
static void on_reset(tern_request *request, uint64_t code, void *app)
{
  struct tern_serve_request *self = app;
  (void)code;
  tern_serve_upload_free(self->upload);
  self->upload = NULL;
  tern_request_cancel(request, TERN_H3_REQUEST_INCOMPLETE);
}

static void on_closed(tern_request *request, void *app)
{
  struct tern_serve_request *self = app;
  struct tern_serve *serve = self->serve;
  (void)request;
  uint64_t bytes =
      self->source != NULL ? tern_file_source_get_sent(self->source) : self->body_bytes;
  tern_access_entry_end(serve->access_log, self->entry, self->status, bytes,
                        tern_loop_now(serve->loop) - self->started_at);
  tern_file_source_unref(self->source);
  tern_serve_upload_free(self->upload);
  free(self);
}

static const tern_request_ops download_ops = {
    .size = sizeof(tern_request_ops),
    .on_writable = on_writable,
    .on_closed = on_closed,
};

static const tern_request_ops upload_ops = {
    .size = sizeof(tern_request_ops),
    .on_body = on_body,
    .on_end = on_end,
    .on_reset = on_reset,
    .on_closed = on_closed,
};

/* ---- who answers ------------------------------------------------------------------------- */

static bool is_method(tern_slice method, const char *name)
{
  return method.len == strlen(name) && memcmp(method.data, name, method.len) == 0;
}

/* [rfc9110-10.1.1] MUST: a client that asks first is told to go on, or gets its final answer */
static void answer_expectation(struct tern_serve_request *self, const tern_field *fields,
                               size_t count)
{
  static const char wanted[] = "100-continue";
  tern_slice expect = tern_field_value(fields, count, "expect");
  if (expect.len != sizeof wanted - 1 ||
      strncasecmp((const char *)expect.data, wanted, expect.len) != 0)
    return;
  check(self, tern_request_respond(self->request, 100, NULL, 0, true));
}

static void refuse_method(struct tern_serve_request *self)
{
  const tern_field fields[] = {
      tern_field_of("allow", self->serve->upload_fd >= 0 ? "GET, HEAD, PUT, POST" : "GET, HEAD"),
      tern_field_of("content-length", "0"),
  };
  tern_serve_reply_fields(self, 405, fields, 2);
}

void tern_serve_on_request(tern_h3 *h3, tern_request *request, const tern_field *fields,
                           size_t count, void *app)
{
  struct tern_serve *serve = app;
  char path[TERN_TARGET_MAX];
  tern_slice method = tern_field_value(fields, count, ":method");
  tern_addr remote = tern_conn_get_remote(tern_h3_get_conn(h3));
  bool is_head = is_method(method, "HEAD");
  bool is_get = is_head || is_method(method, "GET");
  bool is_put = is_method(method, "PUT") || is_method(method, "POST");
  struct tern_serve_request *self = tern_cli_take(1, sizeof *self);
  self->serve = serve;
  self->request = request;
  self->is_head = is_head;
  self->started_at = tern_loop_now(serve->loop);
  self->entry = tern_access_entry_new(serve->access_log, &remote, fields, count, time(NULL));
  bool is_upload = is_put && serve->upload_fd >= 0;
  tern_request_set_ops(request, is_upload ? &upload_ops : &download_ops, self);
  if (!is_get && !is_upload)
    refuse_method(self);
  else if (!tern_target_decode(tern_field_value(fields, count, ":path"), path))
    tern_serve_reply_status(self, 400);
  else if (is_get)
    tern_serve_file(self, path, fields, count);
  else if (tern_serve_upload(self, path))
    answer_expectation(self, fields, count);
}
