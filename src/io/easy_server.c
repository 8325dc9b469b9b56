/* SPDX-License-Identifier: MIT */
/* tern_easy_serve: a loop, an endpoint, HTTP/3 on each connection. */
#include <stdio.h>

#include <tern/easy.h>

struct server {
  const tern_easy_server *args;
  tern_loop *loop;
};

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  struct server *server = app;
  (void)h3;
  server->args->on_request(server->loop, request, fields, count, server->args->app);
}

static const tern_h3_ops h3_ops = {.size = sizeof h3_ops, .on_request = on_request};

static void on_conn(void *app, tern_conn *conn)
{
  tern_h3 *h3;
  if (tern_h3_new_server(&h3, conn, NULL, &h3_ops, app) != TERN_OK)
    tern_conn_close(conn, TERN_H3_INTERNAL_ERROR, "no memory");
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof endpoint_ops, .on_conn = on_conn};

static tern_status run(struct server *server, tern_tls *tls, char *why, size_t why_size)
{
  tern_config endpoint;
  tern_loop_config config;
  tern_config_init(&endpoint, sizeof endpoint);
  tern_loop_config_init(&config, sizeof config);
  endpoint.server_tls = tls;
  config.endpoint = &endpoint;
  config.ops = &endpoint_ops;
  config.app = server;
  if (tern_addr_parse(&config.listen, server->args->listen) != TERN_OK) {
    snprintf(why, why_size, "\"%s\" is no address with a port", server->args->listen);
    return TERN_INVALID;
  }
  tern_status status = tern_loop_new(&server->loop, &config, why, why_size);
  if (status != TERN_OK)
    return status;
  if (server->args->on_ready != NULL)
    server->args->on_ready(server->loop, server->args->app);
  status = tern_loop_run(server->loop);
  tern_loop_free(server->loop);
  return status;
}

tern_status tern_easy_serve(const tern_easy_server *args, char *why, size_t why_size)
{
  static const char *const alpn[] = {"h3"};
  struct server server = {.args = args};
  tern_tls_config config;
  tern_tls *tls;

  tern_tls_config_init(&config, sizeof config);
  config.is_server = true;
  config.cert_file = args->cert_file;
  config.key_file = args->key_file;
  config.alpn = alpn;
  config.alpn_count = 1;
  tern_status status = tern_tls_new(&tls, &config, why, why_size);
  if (status != TERN_OK)
    return status;
  status = run(&server, tls, why, why_size);
  tern_tls_unref(tls);
  return status;
}
