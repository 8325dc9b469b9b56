/* SPDX-License-Identifier: MIT */
/* One request: who answers it, its body, its end. */
#include "serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

void tern_serve_reply(struct tern_serve_request *self, uint16_t status, const char *type,
                      tern_slice body)
{
  self->status = status;
  self->body_bytes = body.len;
  tern_request_reply(self->request, status, type, body);
}

void tern_serve_reply_status(struct tern_serve_request *self, uint16_t status)
{
  tern_serve_reply(self, status, plain_text, text_of(status));
}

/* What cannot be answered is cut off; on_closed follows. */
static void check(const struct tern_serve_request *self, tern_status status)
{
  if (status != TERN_OK && status != TERN_CLOSED && status != TERN_RESET)
    tern_request_cancel(self->request, TERN_H3_INTERNAL_ERROR);
}

void tern_serve_reply_fields(struct tern_serve_request *self, uint16_t status,
                             const tern_field *fields, size_t count)
{
  self->status = status;
  check(self, tern_request_respond(self->request, status, fields, count, false));
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
  bool has_body = !body->is_head && body->to > body->from;
  self->status = body->status;
  self->source = tern_file_source_new(body->fd, body->from);
  tern_status status =
      tern_request_respond(self->request, body->status, body->fields, body->count, has_body);
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
  bool is_get = is_method(method, "GET") || is_method(method, "HEAD");
  bool is_put = is_method(method, "PUT") || is_method(method, "POST");
  struct tern_serve_request *self = tern_cli_take(1, sizeof *self);
  self->serve = serve;
  self->request = request;
  self->started_at = tern_loop_now(serve->loop);
  self->entry = tern_access_entry_new(serve->access_log, &remote, fields, count, time(NULL));
  bool is_upload = is_put && serve->upload_fd >= 0;
  tern_request_set_ops(request, is_upload ? &upload_ops : &download_ops, self);
  if (!is_get && !is_upload)
    refuse_method(self);
  else if (!tern_target_decode(tern_field_value(fields, count, ":path"), path))
    tern_serve_reply_status(self, 400);
  else if (is_upload)
    tern_serve_upload(self, path);
  else
    tern_serve_file(self, path, fields, count);
}
