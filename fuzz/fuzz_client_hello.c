/* SPDX-License-Identifier: MIT */
/* A ClientHello read for its names: they lie within it, and the list of protocols is well formed. */
#include <stdint.h>

#include "base/assert.h"
#include "tls/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(tern_slice slice, const uint8_t *data, size_t size)
{
  if (slice.len != 0)
    TERN_ASSERT(slice.data > data && slice.len < size && slice.data + slice.len <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct tern_client_hello hello;
  uint8_t alert = tern_client_hello_read(tern_slice_of(data, size), &hello);

  TERN_ASSERT(alert == 0 || alert == TERN_ALERT_DECODE_ERROR ||
              alert == TERN_ALERT_ILLEGAL_PARAMETER || alert == TERN_ALERT_UNEXPECTED_MESSAGE);
  check_within(hello.server_name, data, size);
  check_within(hello.alpn, data, size);
  check_within(hello.params, data, size);
  if (alert != 0)
    return 0;
  TERN_ASSERT(tern_client_hello_size(data) == size);
  for (size_t at = 0; at < hello.alpn.len; at += 1 + (size_t)hello.alpn.data[at])
    TERN_ASSERT(hello.alpn.data[at] != 0 && at + hello.alpn.data[at] < hello.alpn.len);
  return 0;
}
