/* SPDX-License-Identifier: MIT */
/* A job is an HTTP/3 request. It is done when the whole response is here and valid, whatever its
 * status, which is counted; a response of 400 or more makes the run fail all the same. */
#include "perf.h"

#include <stdio.h>
#include <string.h>

#include "perf_body.h"

#define SLICES_MAX 64
#define FIELDS_OURS 6

static void let_go(tern_request *request)
{
  tern_request_set_ops(request, NULL, NULL);
}

static void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                        size_t count, void *app)
{
  struct tern_perf_slot *slot = app;
  struct tern_perf_run *run = slot->conn->run;
  (void)request, (void)fields, (void)count;
  if (status < 200 || run->phase != TERN_PERF_RUNNING)
    return;
  slot->first_at = tern_perf_clock();
  if (status < TERN_PERF_STATUS_END)
    run->meter.statuses[status]++;
  if (status >= 400)
    tern_perf_fail(run, TERN_EXIT_STATUS);
}

static void on_body(tern_request *request, void *app)
{
  tern_slice slices[SLICES_MAX];
  size_t count;
  while ((count = tern_request_peek(request, slices, SLICES_MAX)) > 0) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
      len += slices[i].len;
    tern_request_consume(request, len);
    tern_perf_on_received(app, len);
  }
}

static void on_end(tern_request *request, void *app)
{
  struct tern_perf_slot *slot = app;
  let_go(request);
  tern_perf_on_sent(slot, slot->up_bytes);
  tern_perf_on_done(slot);
}

static void on_reset(tern_request *request, uint64_t code, void *app)
{
  char text[64];
  const char *name = tern_h3_error_name(code);
  let_go(request);
  tern_request_cancel(request, TERN_H3_REQUEST_CANCELLED);
  if (code == TERN_H3_REQUEST_REJECTED) {
    tern_perf_on_rejected(app);
    return;
  }
  snprintf(text, sizeof text, "reset, 0x%llx", (unsigned long long)code);
  if (name != NULL)
    snprintf(text, sizeof text, "reset, %s", name);
  tern_perf_on_failed(app, text);
}

static void on_request_closed(tern_request *request, void *app)
{
  (void)request;
  tern_perf_on_failed(app, "connection ended");
}

static const tern_request_ops request_ops = {
    .size = sizeof(tern_request_ops),
    .on_response = on_response,
    .on_body = on_body,
    .on_end = on_end,
    .on_reset = on_reset,
    .on_closed = on_request_closed,
};

static bool start(struct tern_perf_slot *slot)
{
  const struct tern_perf_options *options = &slot->conn->run->options;
  char length[24];
  snprintf(length, sizeof length, "%llu", (unsigned long long)slot->up_bytes);
  tern_field fields[FIELDS_OURS] = {
      tern_field_of(":method", options->method),
      tern_field_of(":scheme", "https"),
      tern_field_of(":authority", options->url.authority),
      tern_field_of(":path", options->url.target),
      tern_field_of("user-agent", "tern/" TERN_CLI_VERSION),
      tern_field_of("content-length", length),
  };
  bool has_body = slot->up_bytes > 0;
  tern_submit_args args = {
      .fields = fields,
      .count = has_body ? FIELDS_OURS : FIELDS_OURS - 1,
      .has_body = has_body,
      .ops = &request_ops,
      .app = slot,
  };
  tern_request *request;
  if (tern_h3_submit(slot->conn->h3, &args, &request) != TERN_OK)
    return false;
  if (!has_body ||
      (tern_request_write_source(request, slot->up_bytes, &tern_perf_body) == TERN_OK &&
       tern_request_finish(request) == TERN_OK))
    return true;
  let_go(request);
  tern_request_cancel(request, TERN_H3_INTERNAL_ERROR);
  return false;
}

static void on_connected(tern_h3 *h3, void *app)
{
  (void)h3;
  tern_perf_on_open(app);
}

static void on_goaway(tern_h3 *h3, uint64_t id, void *app)
{
  (void)h3, (void)id;
  tern_perf_on_leaving(app);
}

static void on_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  (void)h3;
  tern_perf_on_lost(app, error);
}

static const tern_h3_ops h3_ops = {
    .size = sizeof(tern_h3_ops),
    .on_connected = on_connected,
    .on_goaway = on_goaway,
    .on_closed = on_closed,
};

static bool attach(struct tern_perf_conn *conn)
{
  return tern_h3_new_client(&conn->h3, conn->quic, NULL, &h3_ops, conn) == TERN_OK;
}

static void close_conn(struct tern_perf_conn *conn)
{
  tern_h3_close(conn->h3, TERN_H3_NO_ERROR, "");
}

const struct tern_perf_ops tern_perf_h3_ops = {
    .alpn = "h3",
    .attach = attach,
    .start = start,
    .close = close_conn,
};
