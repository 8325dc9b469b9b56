/* SPDX-License-Identifier: MIT */
/* An HTTP/3 server whose every answer is as many bytes as the path asks for, from memory:
 * GET /1073741824. What is sent to it (PUT) is read and dropped, and answered when it is complete. So the
 * figure is the stack's and not the file system's.
 *
 *   memory_server ADDRESS:PORT CERT KEY [--no-gso] [--no-gro] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/h3.h>
#include <tern/io.h>

static uint8_t block[65536];
static tern_loop *running;

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg, (void)offset;
  for (size_t i = 0; i < count; i++)
    memcpy(iov[i].data, block, iov[i].len);
  return true;
}

static void answer(tern_request *request, uint64_t bytes)
{
  static const tern_source source = {.fill = fill, .reset_code = TERN_H3_INTERNAL_ERROR};
  if (tern_request_respond(request, 200, NULL, 0, true) != TERN_OK ||
      (bytes != 0 && tern_request_write_source(request, bytes, &source) != TERN_OK) ||
      tern_request_finish(request) != TERN_OK)
    tern_request_cancel(request, TERN_H3_INTERNAL_ERROR);
}

/* ---- uploads ------------------------------------------------------------------------------- */

static void on_body(tern_request *request, void *app)
{
  tern_slice slice;
  (void)app;
  while (tern_request_peek(request, &slice, 1) == 1)
    tern_request_consume(request, slice.len);
}

static void on_end(tern_request *request, void *app)
{
  (void)app;
  answer(request, 0);
}

static const tern_request_ops upload_ops = {
    .size = sizeof upload_ops, .on_body = on_body, .on_end = on_end};

/* ---- requests ------------------------------------------------------------------------------ */

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  tern_slice method = tern_field_value(fields, count, ":method");
  tern_slice path = tern_field_value(fields, count, ":path");
  char digits[24] = "";
  (void)h3, (void)app;

  if (method.len == 3 && memcmp(method.data, "PUT", 3) == 0) {
    tern_request_set_ops(request, &upload_ops, NULL);
    return;
  }
  if (path.len > 1 && path.len < sizeof digits)
    memcpy(digits, path.data + 1, path.len - 1);
  answer(request, strtoull(digits, NULL, 10));
}

static const tern_h3_ops h3_ops = {.size = sizeof h3_ops, .on_request = on_request};

static void on_conn(void *app, tern_conn *conn)
{
  tern_h3 *h3;
  (void)app;
  if (tern_h3_new_server(&h3, conn, NULL, &h3_ops, NULL) != TERN_OK)
    tern_conn_close(conn, TERN_H3_INTERNAL_ERROR, "no memory");
}

/* ---- set up -------------------------------------------------------------------------------- */

/* Ends in good order, so that profilers get their say. */
static void on_signal(int number)
{
  (void)number;
  tern_loop_stop(running);
}

static tern_status serve(tern_loop_config *loop_config, char *why, size_t why_size)
{
  char text[TERN_ADDR_TEXT_MAX];
  tern_loop *loop;
  tern_status status = tern_loop_new(&loop, loop_config, why, why_size);
  if (status != TERN_OK)
    return status;
  running = loop;
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);
  tern_addr local = tern_loop_get_local(loop);
  printf("listening on %s\n", tern_addr_format(&local, text, sizeof text));
  fflush(stdout);
  status = tern_loop_run(loop);
  tern_loop_free(loop);
  return status;
}

static tern_status run(char **argv, tern_loop_config *loop, char *why, size_t why_size)
{
  static const char *const alpn[] = {"h3"};
  tern_tls_config tls_config;
  tern_config endpoint;
  tern_tls *tls;
  tern_tls_config_init(&tls_config, sizeof tls_config);
  tls_config.is_server = true;
  tls_config.cert_file = argv[2];
  tls_config.key_file = argv[3];
  tls_config.alpn = alpn;
  tls_config.alpn_count = 1;
  tern_status status = tern_tls_new(&tls, &tls_config, why, why_size);
  if (status != TERN_OK)
    return status;
  tern_config_init(&endpoint, sizeof endpoint);
  endpoint.server_tls = tls;
  loop->endpoint = &endpoint;
  status = serve(loop, why, why_size);
  tern_tls_unref(tls);
  return status;
}

int main(int argc, char **argv)
{
  static const tern_endpoint_ops ops = {.size = sizeof ops, .on_conn = on_conn};
  char why[256] = "usage: memory_server ADDRESS:PORT CERT KEY [--no-gso] [--no-gro]";
  tern_loop_config loop;
  tern_loop_config_init(&loop, sizeof loop);
  loop.ops = &ops;
  bool is_usage = argc < 4 || tern_addr_parse(&loop.listen, argv[1]) != TERN_OK;
  for (int i = 4; i < argc; i++) {
    if (strcmp(argv[i], "--no-gso") == 0)
      loop.gso = false;
    else if (strcmp(argv[i], "--no-gro") == 0)
      loop.gro = false;
    else
      is_usage = true;
  }
  if (!is_usage && run(argv, &loop, why, sizeof why) == TERN_OK)
    return 0;
  fprintf(stderr, "%s\n", why);
  return is_usage ? 2 : 1;
}
