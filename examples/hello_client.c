/* SPDX-License-Identifier: MIT */
/* The smallest HTTP/3 client: hello_client cert.pem, against hello_server */
#include <stdio.h>

#include <tern/easy.h>

static void on_body(void *app, tern_slice data)
{
  fwrite(data.data, 1, data.len, app);
}

int main(int argc, char **argv)
{
  char why[256];
  uint16_t status;
  tern_easy_get get = {.host = "localhost", .port = 4433, .on_body = on_body, .app = stdout};
  get.ca_file = argc > 1 ? argv[1] : NULL;
  if (tern_easy_fetch(&get, &status, why, sizeof why) == TERN_OK)
    return status == 200 ? 0 : 1;
  fprintf(stderr, "%s\n", why);
  return 1;
}
