/* SPDX-License-Identifier: MIT */
/* Several certificates behind one address: which of them a server shows, by the name a client asks for.
 * Chains and keys are parsed once, when the table is made; a handshake borrows them. */
#ifndef TERN_TLS_NAMES_H
#define TERN_TLS_NAMES_H

#include <tern/transport.h>

struct ssl_ctx_st;
struct tern_tls_names;

/* Of config->more_certs. */
TERN_MUST_CHECK tern_status tern_tls_names_new(struct tern_tls_names **out,
                                               const tern_tls_config *config, char *why,
                                               size_t why_size);
/* NULL is fine. */
void tern_tls_names_free(struct tern_tls_names *names);
/* From now on sessions of `ctx` choose among them. */
void tern_tls_names_serve(struct tern_tls_names *names, struct ssl_ctx_st *ctx);

#endif
