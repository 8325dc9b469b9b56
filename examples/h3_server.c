/* SPDX-License-Identifier: MIT */
/* An HTTP/3 server on its own loop: answers every request with "hello".
 *
 *     h3_server cert.pem key.pem [address]        address defaults to 127.0.0.1:4433 */
#include <stdio.h>

#include <tern/h3.h>
#include <tern/io.h>

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  tern_slice path = tern_field_value(fields, count, ":path");
  printf("%.*s\n", (int)path.len, (const char *)path.data);
  tern_request_reply(request, 200, "text/plain", tern_slice_of("hello\n", 6));
  (void)h3;
  (void)app;
}

static const tern_h3_ops h3_ops = {.size = sizeof h3_ops, .on_request = on_request};

static void on_conn(void *app, tern_conn *conn)
{
  tern_h3 *h3;
  if (tern_h3_new_server(&h3, conn, NULL, &h3_ops, app) != TERN_OK)
    tern_conn_close(conn, TERN_H3_INTERNAL_ERROR, "");
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof endpoint_ops, .on_conn = on_conn};

static int fail(const char *why)
{
  fprintf(stderr, "%s\n", why);
  return 1;
}

int main(int argc, char **argv)
{
  static const char *const alpn[] = {"h3"};
  char why[256] = "usage: h3_server cert.pem key.pem [address]";
  if (argc < 3)
    return fail(why);

  tern_tls_config tls;
  tern_tls_config_init(&tls, sizeof tls);
  tls.is_server = true;
  tls.cert_file = argv[1];
  tls.key_file = argv[2];
  tls.alpn = alpn;
  tls.alpn_count = 1;

  tern_config endpoint;
  tern_config_init(&endpoint, sizeof endpoint);
  if (tern_tls_new(&endpoint.server_tls, &tls, why, sizeof why) != TERN_OK)
    return fail(why);

  tern_loop_config config;
  tern_loop_config_init(&config, sizeof config);
  config.endpoint = &endpoint;
  config.ops = &endpoint_ops;
  if (tern_addr_parse(&config.listen, argc > 3 ? argv[3] : "127.0.0.1:4433") != TERN_OK)
    return fail("not an address");

  tern_loop *loop;
  if (tern_loop_new(&loop, &config, why, sizeof why) != TERN_OK)
    return fail(why);
  tern_status status = tern_loop_run(loop);
  tern_loop_free(loop);
  tern_tls_unref(endpoint.server_tls);
  return status == TERN_OK ? 0 : fail(tern_status_name(status));
}
