/* SPDX-License-Identifier: MIT */
/* An HTTP/3 server whose every answer is as many bytes as the path asks for, from memory:
 * GET /1073741824. So the figure is the stack's and not the file system's.
 *
 *   memory_server ADDRESS:PORT CERT KEY */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/easy.h>

static uint8_t block[65536];

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg, (void)offset;
  for (size_t i = 0; i < count; i++)
    memcpy(iov[i].data, block, iov[i].len);
  return true;
}

static void on_request(tern_loop *loop, tern_request *request, const tern_field *fields,
                       size_t count, void *app)
{
  static const tern_source source = {.fill = fill, .reset_code = TERN_H3_INTERNAL_ERROR};
  tern_slice path = tern_field_value(fields, count, ":path");
  char digits[24] = "";
  (void)loop, (void)app;

  if (path.len > 1 && path.len < sizeof digits)
    memcpy(digits, path.data + 1, path.len - 1);
  uint64_t bytes = strtoull(digits, NULL, 10);
  if (tern_request_respond(request, 200, NULL, 0, true) != TERN_OK ||
      (bytes != 0 && tern_request_write_source(request, bytes, &source) != TERN_OK) ||
      tern_request_finish(request) != TERN_OK)
    tern_request_cancel(request, TERN_H3_INTERNAL_ERROR);
}

static void on_ready(tern_loop *loop, void *app)
{
  char text[TERN_ADDR_TEXT_MAX];
  tern_addr local = tern_loop_get_local(loop);
  (void)app;
  printf("listening on %s\n", tern_addr_format(&local, text, sizeof text));
  fflush(stdout);
}

int main(int argc, char **argv)
{
  char why[256] = "usage: memory_server ADDRESS:PORT CERT KEY";
  tern_easy_server server = {.on_request = on_request, .on_ready = on_ready};

  if (argc == 4) {
    server.listen = argv[1];
    server.cert_file = argv[2];
    server.key_file = argv[3];
    if (tern_easy_serve(&server, why, sizeof why) == TERN_OK)
      return 0;
  }
  fprintf(stderr, "%s\n", why);
  return 1;
}
