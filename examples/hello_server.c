/* SPDX-License-Identifier: MIT */
/* The smallest HTTP/3 server: hello_server cert.pem key.pem */
#include <stdio.h>

#include <tern/easy.h>

static void on_request(tern_loop *loop, tern_request *request, const tern_field *fields,
                       size_t count, void *app)
{
  (void)loop, (void)fields, (void)count, (void)app;
  tern_request_reply(request, 200, "text/plain", tern_slice_of("hello\n", 6));
}

int main(int argc, char **argv)
{
  char why[256] = "usage: hello_server cert.pem key.pem";
  tern_easy_server server = {.listen = "127.0.0.1:4433", .on_request = on_request};
  if (argc == 3) {
    server.cert_file = argv[1];
    server.key_file = argv[2];
    if (tern_easy_serve(&server, why, sizeof why) == TERN_OK)
      return 0;
  }
  fprintf(stderr, "%s\n", why);
  return 1;
}
