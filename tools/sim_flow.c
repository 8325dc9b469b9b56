/* SPDX-License-Identifier: MIT */
/* Workloads over HTTP/3. The client asks for "/SIZE/URGENCY/INCREMENTAL" and the server answers with so
 * many bytes at that priority.
 *
 * A page is a document of 30 KiB, then all of its resources at once, in the shares that real pages have:
 * style sheets and scripts before fonts before images, which share what is left (RFC 9218). */
#include "sim_trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define DOCUMENT_BYTES 30720

/* One request; lives from submit to its on_closed. `link` is what points to it. */
struct tern_fetch {
  struct tern_fetch *next, **link;
  struct tern_flow *flow;
  tern_time asked_at;
  bool is_document;
};

static void fail(struct tern_flow *flow, const char *why)
{
  if (flow->is_done)
    return;
  if (flow->why[0] == '\0')
    snprintf(flow->why, sizeof flow->why, "%s", why);
  tern_flow_end(flow);
}

static void submit_next(struct tern_flow *flow);

static struct tern_fetch *add_fetch(struct tern_flow *flow)
{
  struct tern_fetch *fetch = tern_cli_take(1, sizeof *fetch);
  fetch->flow = flow;
  fetch->link = &flow->fetches;
  fetch->next = flow->fetches;
  if (fetch->next != NULL)
    fetch->next->link = &fetch->next;
  flow->fetches = fetch;
  return fetch;
}

static void free_fetch(struct tern_fetch *fetch)
{
  *fetch->link = fetch->next;
  if (fetch->next != NULL)
    fetch->next->link = fetch->link;
  free(fetch);
}

void tern_flow_forget(struct tern_flow *flow)
{
  struct tern_fetch *next;
  for (struct tern_fetch *fetch = flow->fetches; fetch != NULL; fetch = next) {
    next = fetch->next;
    free(fetch);
  }
  flow->fetches = NULL;
}

/* ---- server ------------------------------------------------------------------------------ */

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg, (void)offset;
  for (size_t i = 0; i < count; i++)
    memset(iov[i].data, 't', iov[i].len);
  return true;
}

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  static const tern_source source = {.fill = fill, .reset_code = TERN_H3_INTERNAL_ERROR};
  char path[64] = "", length[24];
  uint64_t bytes = 0;
  unsigned urgency = 3, incremental = 0;
  (void)h3, (void)app;
  tern_slice value = tern_field_value(fields, count, ":path");
  if (value.len < sizeof path)
    memcpy(path, value.data, value.len);
  if (sscanf(path, "/%" SCNu64 "/%u/%u", &bytes, &urgency, &incremental) != 3)
    bytes = 0;
  tern_request_set_priority(request, (uint8_t)urgency, incremental != 0);
  snprintf(length, sizeof length, "%" PRIu64, bytes);
  tern_field field = tern_field_of("content-length", length);
  if (tern_request_respond(request, 200, &field, 1, bytes != 0) != TERN_OK ||
      (bytes != 0 && (tern_request_write_source(request, bytes, &source) != TERN_OK ||
                      tern_request_finish(request) != TERN_OK)))
    tern_request_cancel(request, TERN_H3_INTERNAL_ERROR);
}

static void on_server_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  struct tern_flow *flow = app;
  (void)h3, (void)error;
  flow->server_conn = NULL;
}

static const tern_h3_ops server_ops = {
    .size = sizeof(tern_h3_ops), .on_request = on_request, .on_closed = on_server_closed};

static void on_conn(void *app, tern_conn *conn)
{
  struct tern_flow *flow = app;
  tern_h3 *h3;
  flow->server_conn = conn;
  if (flow->spec->workload == TERN_WORKLOAD_MEDIA) {
    tern_conn_set_ops(conn, &tern_media_server_ops, flow);
    tern_media_start(flow);
  } else if (tern_h3_new_server(&h3, conn, NULL, &server_ops, flow) != TERN_OK) {
    tern_conn_close(conn, 1, "no memory");
  }
}

const tern_endpoint_ops tern_flow_endpoint_ops = {.size = sizeof(tern_endpoint_ops),
                                                  .on_conn = on_conn};

/* ---- client: one request ----------------------------------------------------------------- */

static void on_body(tern_request *request, void *app)
{
  struct tern_fetch *fetch = app;
  tern_slice slices[16];
  size_t count;
  while ((count = tern_request_peek(request, slices, 16)) != 0) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
      len += slices[i].len;
    tern_flow_note_content(fetch->flow, len);
    tern_request_consume(request, len);
  }
}

static void on_end(tern_request *request, void *app)
{
  struct tern_fetch *fetch = app;
  struct tern_flow *flow = fetch->flow;
  (void)request;
  flow->answered++;
  tern_sim_samples_add(&flow->times,
                       (double)(tern_sim_now(flow->trial->sim) - fetch->asked_at) * 1e-6);
  submit_next(flow);
}

static void on_reset(tern_request *request, uint64_t code, void *app)
{
  struct tern_fetch *fetch = app;
  char why[64];
  (void)request;
  snprintf(why, sizeof why, "a response was reset, code 0x%" PRIx64, code);
  fail(fetch->flow, why);
}

static void on_request_closed(tern_request *request, void *app)
{
  (void)request;
  free_fetch(app);
}

static const tern_request_ops request_ops = {.size = sizeof(tern_request_ops),
                                             .on_body = on_body,
                                             .on_end = on_end,
                                             .on_reset = on_reset,
                                             .on_closed = on_request_closed};

static void submit(struct tern_flow *flow, uint64_t bytes, unsigned urgency, bool is_incremental)
{
  char path[64];
  struct tern_fetch *fetch = add_fetch(flow);
  fetch->asked_at = tern_sim_now(flow->trial->sim);
  snprintf(path, sizeof path, "/%" PRIu64 "/%u/%u", bytes, urgency, is_incremental ? 1 : 0);
  flow->requested++;
  flow->last_at = fetch->asked_at;
  if (flow->h3 != NULL && tern_h3_get(flow->h3, "server", path, &request_ops, fetch) == TERN_OK)
    return;
  free_fetch(fetch);
  fail(flow, "a request could not be sent");
}

/* ---- client: the order of requests ------------------------------------------------------- */

/* Of ten resources: two style sheets, two scripts, one font, five images. Sizes differ from one to the
 * next by up to four times, and `bytes` is their mean. */
static void submit_resources(struct tern_flow *flow)
{
  static const struct {
    uint8_t urgency;
    bool is_incremental;
    double size;
  } kinds[10] = {{1, false, 0.6}, {5, true, 2.0}, {2, false, 1.6}, {5, true, 0.5},  {5, true, 1.0},
                 {2, false, 0.8}, {5, true, 1.2}, {1, false, 0.4}, {3, false, 0.9}, {5, true, 1.0}};
  for (uint64_t i = 0; i < flow->spec->count.low && !flow->is_done; i++) {
    double bytes = (double)flow->spec->bytes.low * kinds[i % 10].size;
    submit(flow, (uint64_t)bytes, kinds[i % 10].urgency, kinds[i % 10].is_incremental);
  }
}

static void ask_again(void *arg, struct tern_sim *sim)
{
  struct tern_flow *flow = arg;
  (void)sim;
  if (!flow->is_done)
    submit(flow, flow->spec->bytes.low, 3, false);
}

static void finish(struct tern_flow *flow)
{
  tern_flow_end(flow);
  if (flow->h3 != NULL)
    tern_h3_close(flow->h3, TERN_H3_NO_ERROR, NULL);
}

/* A response is complete, or nothing was asked yet. */
static void submit_next(struct tern_flow *flow)
{
  const struct tern_flow_spec *spec = flow->spec;
  uint64_t wanted = spec->workload == TERN_WORKLOAD_BULK   ? 1
                    : spec->workload == TERN_WORKLOAD_PAGE ? spec->count.low + 1
                                                           : spec->count.low;
  if (flow->is_done)
    return;
  if (flow->answered >= wanted)
    finish(flow);
  else if (flow->requested == 0 && spec->workload == TERN_WORKLOAD_BULK)
    submit(flow, flow->is_open_ended ? UINT64_C(1) << 50 : spec->bytes.low, 3, false);
  else if (flow->requested == 0)
    submit(flow, spec->workload == TERN_WORKLOAD_PAGE ? DOCUMENT_BYTES : spec->bytes.low, 0, false);
  else if (spec->workload == TERN_WORKLOAD_PAGE && flow->requested == 1)
    submit_resources(flow);
  else if (spec->workload == TERN_WORKLOAD_REQUESTS && flow->answered == flow->requested &&
           tern_sim_at(flow->trial->sim, tern_sim_now(flow->trial->sim) + spec->gap.low, ask_again,
                       flow) != TERN_OK)
    fail(flow, "no memory");
}

static void on_connected(tern_h3 *h3, void *app)
{
  struct tern_flow *flow = app;
  tern_conn_stats stats;
  tern_conn_get_stats(tern_h3_get_conn(h3), &stats);
  flow->handshake_ns = stats.handshake_ns;
}

static void on_client_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  struct tern_flow *flow = app;
  char why[160];
  (void)h3;
  flow->h3 = NULL;
  flow->client_conn = NULL;
  if (!flow->is_done)
    fail(flow, tern_error_format(error, why, sizeof why));
}

static const tern_h3_ops client_ops = {
    .size = sizeof(tern_h3_ops), .on_connected = on_connected, .on_closed = on_client_closed};

/* ---- both -------------------------------------------------------------------------------- */

bool tern_flow_start(struct tern_flow *flow)
{
  struct tern_sim *sim = flow->trial->sim;
  bool is_media = flow->spec->workload == TERN_WORKLOAD_MEDIA;
  tern_connect_args args = {.remote = flow->server_addr, .server_name = "localhost"};
  if (is_media) {
    args.ops = &tern_media_client_ops;
    args.app = flow;
  }
  flow->started_at = flow->last_at = tern_sim_now(sim);
  if (tern_endpoint_connect(tern_sim_node_endpoint(flow->client), &args, tern_sim_now(sim),
                            &flow->client_conn) != TERN_OK)
    return false;
  if (is_media)
    return true;
  if (tern_h3_new_client(&flow->h3, flow->client_conn, NULL, &client_ops, flow) != TERN_OK)
    return false;
  submit_next(flow);
  return true;
}

void tern_flow_note_content(struct tern_flow *flow, uint64_t bytes)
{
  tern_time now = tern_sim_now(flow->trial->sim);
  if (now - flow->last_at > flow->silence_ns)
    flow->silence_ns = now - flow->last_at;
  flow->last_at = now;
  flow->content_bytes += bytes;
}

void tern_flow_look(struct tern_flow *flow)
{
  if (flow->server_conn != NULL)
    tern_conn_get_stats(flow->server_conn, &flow->sender);
}

void tern_flow_end(struct tern_flow *flow)
{
  if (flow->is_done)
    return;
  tern_flow_look(flow);
  flow->is_done = true;
  flow->done_at = tern_sim_now(flow->trial->sim);
  flow->trial->flows_open--;
}
