/* SPDX-License-Identifier: MIT */
/* The certificates of `tern serve`. They are read again at SIGHUP; session tickets outlast that. */
#ifndef TERN_TOOLS_SERVE_TLS_H
#define TERN_TOOLS_SERVE_TLS_H

#include <tern/transport.h>

#include "self_signed.h"
#include "serve_options.h"

struct tern_serve_tls {
  tern_tickets *tickets;
  struct tern_self_signed pair; /* if no other was given */
};

/* An exit code; says what is wrong. `*out` is the caller's. Again for each reload. */
int tern_serve_tls_load(struct tern_serve_tls *tls, struct tern_serve_options *options,
                        tern_tls **out);
void tern_serve_tls_deinit(struct tern_serve_tls *tls);

#endif
