/* SPDX-License-Identifier: MIT */
/* An HTTP/3 client on its own loop: gets one resource and prints it.
 *
 *     h3_client 127.0.0.1:4433 localhost /        name and path default to these
 *
 * It trusts any certificate, so that it can talk to h3_server; a real client leaves
 * insecure_no_verify alone. */
#include <stdio.h>

#include <tern/h3.h>
#include <tern/io.h>

static void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                        size_t count, void *app)
{
  tern_slice type = tern_field_value(fields, count, "content-type");
  fprintf(stderr, "%d %.*s\n", status, (int)type.len, (const char *)type.data);
  (void)request;
  (void)app;
}

static void on_body(tern_request *request, void *app)
{
  tern_slice slice;
  while (tern_request_peek(request, &slice, 1) == 1) {
    fwrite(slice.data, 1, slice.len, stdout);
    tern_request_consume(request, slice.len);
  }
  (void)app;
}

static void on_request_closed(tern_request *request, void *app)
{
  (void)app;
  if (!tern_request_is_ended(request))
    fprintf(stderr, "the response is not complete\n");
  tern_h3_close(tern_request_get_h3(request), TERN_H3_NO_ERROR, "");
}

static const tern_request_ops request_ops = {
    .size = sizeof request_ops,
    .on_response = on_response,
    .on_body = on_body,
    .on_closed = on_request_closed,
};

static void on_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  char text[256];
  if (error->kind != TERN_ERROR_APPLICATION || error->code != TERN_H3_NO_ERROR)
    fprintf(stderr, "%s\n", tern_error_format(error, text, sizeof text));
  tern_loop_stop(app);
  (void)h3;
}

static const tern_h3_ops h3_ops = {.size = sizeof h3_ops, .on_closed = on_closed};

static int fail(const char *why)
{
  fprintf(stderr, "%s\n", why);
  return 1;
}

int main(int argc, char **argv)
{
  static const char *const alpn[] = {"h3"};
  char why[256] = "usage: h3_client address [name [path]]";
  const char *name = argc > 2 ? argv[2] : "localhost";
  const char *path = argc > 3 ? argv[3] : "/";
  tern_connect_args to = {.server_name = name};
  if (argc < 2 || tern_addr_parse(&to.remote, argv[1]) != TERN_OK)
    return fail(why);

  tern_tls_config tls;
  tern_tls_config_init(&tls, sizeof tls);
  tls.insecure_no_verify = true;
  tls.alpn = alpn;
  tls.alpn_count = 1;

  tern_config endpoint;
  tern_config_init(&endpoint, sizeof endpoint);
  if (tern_tls_new(&endpoint.client_tls, &tls, why, sizeof why) != TERN_OK)
    return fail(why);

  tern_loop_config config;
  tern_loop_config_init(&config, sizeof config);
  config.endpoint = &endpoint;
  tern_loop *loop;
  if (tern_loop_new(&loop, &config, why, sizeof why) != TERN_OK)
    return fail(why);

  tern_conn *conn;
  tern_h3 *h3;
  tern_status status = tern_loop_connect(loop, &to, &conn);
  if (status == TERN_OK)
    status = tern_h3_new_client(&h3, conn, NULL, &h3_ops, loop);
  if (status == TERN_OK)
    status = tern_h3_get(h3, name, path, &request_ops, NULL);
  if (status == TERN_OK)
    status = tern_loop_run(loop);
  tern_loop_free(loop);
  tern_tls_unref(endpoint.client_tls);
  return status == TERN_OK ? 0 : fail(tern_status_name(status));
}
