/* SPDX-License-Identifier: MIT */
/* A ClientHello read for three of its extensions, before TLS spends anything on it. Whether the rest makes
 * sense is left to TLS. */
#ifndef TERN_TLS_CLIENT_HELLO_H
#define TERN_TLS_CLIENT_HELLO_H

#include <tern/base.h>

/* Type and length of a handshake message [rfc8446-4]. */
#define TERN_TLS_MESSAGE_HEAD_BYTES 4

struct tern_client_hello {
  tern_slice server_name; /* host_name as it was sent; empty if none [rfc6066-3] */
  tern_slice alpn;        /* names, each behind a byte of length; empty if none [rfc7301-3.1] */
  tern_slice params;      /* transport parameters as they were sent; empty if none [rfc9001-8.2] */
};

/* Bytes of the whole message that begins with `head`; 0 if it is not a ClientHello. */
size_t tern_client_hello_size(const uint8_t head[TERN_TLS_MESSAGE_HEAD_BYTES]);
/* Reads a whole message; slices point into it. Answers 0, or the TLS alert for what is wrong with it. */
uint8_t tern_client_hello_read(tern_slice message, struct tern_client_hello *hello);

#endif
