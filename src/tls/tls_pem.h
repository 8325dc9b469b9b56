/* SPDX-License-Identifier: MIT */
/* What both TLS libraries do by the same calls: PEM in, trusted roots, the server's name. The library's
 * types are named here without its headers. */
#ifndef TERN_TLS_TLS_PEM_H
#define TERN_TLS_TLS_PEM_H

#include <tern/base.h>
#include <tern/transport.h>

struct ssl_ctx_st;
struct ssl_st;
struct evp_pkey_st;
struct x509_st;
struct stack_st_X509;

/* The library's last complaint; its queue is left empty. Never NULL. */
const char *tern_tls_take_library_error(void);
/* Says "<what>: <the library's complaint>" and answers TERN_TLS. */
tern_status tern_tls_refuse(char *why, size_t why_size, const char *what);

/* A parsed tern_cert_pair. */
struct tern_tls_cert {
  struct x509_st *leaf;
  struct stack_st_X509 *chain; /* without the leaf */
  struct evp_pkey_st *key;
};
/* `cert` is zero before, and to be deinit'ed also on failure. */
TERN_MUST_CHECK tern_status tern_tls_cert_init(struct tern_tls_cert *cert,
                                               const tern_cert_pair *pair, char *why,
                                               size_t why_size);
void tern_tls_cert_deinit(struct tern_tls_cert *cert);

/* NULL: the library says why. */
TERN_MUST_CHECK struct evp_pkey_st *tern_tls_read_key(tern_slice pem);

/* Certificates of a server, and the key unless others sign. */
TERN_MUST_CHECK tern_status tern_tls_load_server(struct tern_tls *tls, struct ssl_ctx_st *ctx,
                                                 const tern_tls_config *config, char *why,
                                                 size_t why_size);
/* Verification and the roots of a client. */
TERN_MUST_CHECK tern_status tern_tls_load_client(struct ssl_ctx_st *ctx,
                                                 const tern_tls_config *config, char *why,
                                                 size_t why_size);
/* What the server's certificate must name, and SNI. TERN_INVALID without a name if `verifies`. */
TERN_MUST_CHECK tern_status tern_tls_name_server(struct ssl_st *ssl, const char *name,
                                                 bool verifies);

#endif
