/* SPDX-License-Identifier: MIT */
/* tern_easy_serve: workers, each a loop and an endpoint, HTTP/3 on each connection. */
#include <stdio.h>

#include <tern/easy.h>

/* A worker's. */
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

static void on_config(void *arg, uint32_t worker, tern_loop_config *loop, tern_config *endpoint)
{
  struct server *servers = arg;
  (void)endpoint;
  loop->app = &servers[worker];
}

static tern_status serve(struct server *servers, const tern_workers_config *config, char *why,
                         size_t why_size)
{
  tern_workers *workers;
  const tern_easy_server *args = servers[0].args;
  tern_status status = tern_workers_new(&workers, config, why, why_size);
  if (status != TERN_OK)
    return status;
  for (uint32_t i = 0; i < config->count; i++)
    servers[i].loop = tern_workers_get_loop(workers, i);
  if (args->on_ready != NULL)
    args->on_ready(servers[0].loop, args->app);
  status = tern_workers_run(workers);
  tern_workers_free(workers);
  return status;
}

static uint32_t count_workers(const tern_easy_server *args)
{
  if (args->workers == TERN_EASY_ALL_CORES)
    return tern_workers_count_cores();
  return args->workers != 0 ? args->workers : 1;
}

static tern_status run(const tern_easy_server *args, tern_tls *tls, char *why, size_t why_size)
{
  struct server servers[TERN_WORKERS_MAX];
  tern_config endpoint;
  tern_loop_config loop;
  tern_workers_config workers;
  tern_config_init(&endpoint, sizeof endpoint);
  tern_loop_config_init(&loop, sizeof loop);
  tern_workers_config_init(&workers, sizeof workers);
  endpoint.server_tls = tls;
  loop.endpoint = &endpoint;
  loop.ops = &endpoint_ops;
  workers.loop = &loop;
  workers.count = count_workers(args);
  workers.stop_together = true;
  workers.on_config = on_config;
  workers.arg = servers;
  if (tern_addr_parse(&loop.listen, args->listen) != TERN_OK) {
    snprintf(why, why_size, "\"%s\" is no address with a port", args->listen);
    return TERN_INVALID;
  }
  for (uint32_t i = 0; i < TERN_WORKERS_MAX; i++)
    servers[i] = (struct server){.args = args};
  return serve(servers, &workers, why, why_size);
}

tern_status tern_easy_serve(const tern_easy_server *args, char *why, size_t why_size)
{
  static const char *const alpn[] = {"h3"};
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
  status = run(args, tls, why, why_size);
  tern_tls_unref(tls);
  return status;
}
