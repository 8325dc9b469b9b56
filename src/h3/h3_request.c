/* SPDX-License-Identifier: MIT */
/* Getters and setters of requests. */
#include "h3/h3_conn.h"

void tern_request_set_ops(tern_request *request, const tern_request_ops *ops, void *app)
{
  static const tern_request_ops no_ops = {.size = sizeof(tern_request_ops)};
  request->ops = ops == NULL ? &no_ops : ops;
  request->app = app;
}

void *tern_request_get_app(const tern_request *request)
{
  return request->app;
}

tern_h3 *tern_request_get_h3(const tern_request *request)
{
  return request->h3;
}

tern_conn *tern_request_get_conn(const tern_request *request)
{
  return request->h3->conn;
}

tern_stream *tern_request_get_stream(const tern_request *request)
{
  return request->stream;
}

uint64_t tern_request_get_stream_id(const tern_request *request)
{
  return request->id;
}

bool tern_request_is_early(const tern_request *request)
{
  return tern_conn_is_early(request->h3->conn);
}

bool tern_request_is_ended(const tern_request *request)
{
  return request->is_ended;
}

uint64_t tern_request_get_body_bytes(const tern_request *request)
{
  return request->body_consumed;
}

uint64_t tern_request_get_content_length(const tern_request *request)
{
  return request->content_length;
}

void tern_request_set_priority(tern_request *request, uint8_t urgency, bool incremental)
{
  if (request->stream != NULL)
    tern_stream_set_priority(request->stream, urgency, incremental);
}
