/* SPDX-License-Identifier: MIT */
/* tern_easy_fetch: resolve, connect to the first address, one request, wait for its end. */
#define _GNU_SOURCE
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include <tern/easy.h>

#include "io/sockaddr.h"

#define TIMEOUT_MS 30000

struct fetch {
  const tern_easy_get *args;
  tern_loop *loop;
  tern_h3 *h3; /* NULL once closed */
  uint16_t status;
  bool is_complete;
  bool is_late;
  tern_error error;
};

/* ---- what comes back ------------------------------------------------------------------------- */

static void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                        size_t count, void *app)
{
  struct fetch *fetch = app;
  (void)request;
  (void)fields;
  (void)count;
  fetch->status = status;
}

static void on_body(tern_request *request, void *app)
{
  struct fetch *fetch = app;
  tern_slice slice;
  while (tern_request_peek(request, &slice, 1) == 1) {
    if (fetch->args->on_body != NULL)
      fetch->args->on_body(fetch->args->app, slice);
    tern_request_consume(request, slice.len);
  }
}

static void on_request_closed(tern_request *request, void *app)
{
  struct fetch *fetch = app;
  fetch->is_complete = tern_request_is_ended(request);
  tern_h3_close(tern_request_get_h3(request), TERN_H3_NO_ERROR, NULL);
}

static void on_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  struct fetch *fetch = app;
  (void)h3;
  fetch->h3 = NULL;
  fetch->error = *error;
  tern_loop_stop(fetch->loop);
}

static void on_timeout(void *app, tern_time now)
{
  struct fetch *fetch = app;
  (void)now;
  fetch->is_late = true;
  tern_loop_stop(fetch->loop);
}

static const tern_request_ops request_ops = {.size = sizeof request_ops,
                                             .on_response = on_response,
                                             .on_body = on_body,
                                             .on_closed = on_request_closed};
static const tern_h3_ops h3_ops = {.size = sizeof h3_ops, .on_closed = on_closed};

/* ---- the way there --------------------------------------------------------------------------- */

static tern_status resolve(const tern_easy_get *get, tern_addr *out, char *why, size_t why_size)
{
  struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
  struct addrinfo *found;
  char port[8];

  snprintf(port, sizeof port, "%u", get->port != 0 ? get->port : 443u);
  int error = getaddrinfo(get->host, port, &hints, &found);
  if (error != 0) {
    snprintf(why, why_size, "%s cannot be resolved: %s", get->host, gai_strerror(error));
    return TERN_IO;
  }
  union tern_sockaddr address = {0};
  if (found->ai_addrlen <= sizeof address)
    memcpy(&address, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  *out = tern_sockaddr_read(&address);
  return out->family != 0 ? TERN_OK : TERN_UNSUPPORTED;
}

static tern_status submit(struct fetch *fetch, const tern_addr *remote)
{
  const tern_easy_get *get = fetch->args;
  tern_connect_args args = {.remote = *remote, .server_name = get->host};
  tern_loop_timer *timer;
  char authority[300];
  tern_conn *conn;

  snprintf(authority, sizeof authority, "%s:%u", get->host, get->port != 0 ? get->port : 443u);
  tern_status status = tern_loop_connect(fetch->loop, &args, &conn);
  if (status == TERN_OK)
    status = tern_h3_new_client(&fetch->h3, conn, NULL, &h3_ops, fetch);
  if (status == TERN_OK)
    status =
        tern_h3_get(fetch->h3, authority, get->path != NULL ? get->path : "/", &request_ops, fetch);
  if (status == TERN_OK)
    status = tern_loop_add_timer(fetch->loop, on_timeout, fetch, &timer);
  if (status == TERN_OK)
    tern_loop_set_timer(timer, tern_loop_now(fetch->loop) +
                                   (get->timeout_ms != 0 ? get->timeout_ms : TIMEOUT_MS) * TERN_MS);
  return status;
}

static tern_status explain(const struct fetch *fetch, char *why, size_t why_size)
{
  if (fetch->is_complete)
    return TERN_OK;
  if (fetch->is_late)
    snprintf(why, why_size, "no complete response within the time allowed");
  else
    tern_error_format(&fetch->error, why, why_size);
  return fetch->error.kind == TERN_ERROR_TLS ? TERN_TLS : TERN_CLOSED;
}

static tern_status run(struct fetch *fetch, tern_tls *tls, char *why, size_t why_size)
{
  tern_addr remote;
  tern_config endpoint;
  tern_loop_config config;

  tern_status status = resolve(fetch->args, &remote, why, why_size);
  if (status != TERN_OK)
    return status;
  tern_config_init(&endpoint, sizeof endpoint);
  tern_loop_config_init(&config, sizeof config);
  endpoint.client_tls = tls;
  config.endpoint = &endpoint;
  status = tern_loop_new(&fetch->loop, &config, why, why_size);
  if (status != TERN_OK)
    return status;
  status = submit(fetch, &remote);
  if (status == TERN_OK)
    status = tern_loop_run(fetch->loop);
  if (status != TERN_OK)
    snprintf(why, why_size, "the request could not be sent: %s", tern_status_name(status));
  else
    status = explain(fetch, why, why_size);
  tern_loop_free(fetch->loop);
  return status;
}

tern_status tern_easy_fetch(const tern_easy_get *get, uint16_t *status_code, char *why,
                            size_t why_size)
{
  static const char *const alpn[] = {"h3"};
  struct fetch fetch = {.args = get};
  tern_tls_config config;
  tern_tls *tls;

  *status_code = 0;
  tern_tls_config_init(&config, sizeof config);
  config.ca_file = get->ca_file;
  config.insecure_no_verify = get->insecure;
  config.alpn = alpn;
  config.alpn_count = 1;
  tern_status status = tern_tls_new(&tls, &config, why, why_size);
  if (status != TERN_OK)
    return status;
  status = run(&fetch, tls, why, why_size);
  tern_tls_unref(tls);
  *status_code = fetch.status;
  return status;
}
