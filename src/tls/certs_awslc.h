/* SPDX-License-Identifier: MIT */
/* Private keys that are elsewhere, by AWS-LC's SSL_PRIVATE_KEY_METHOD. */
#ifndef TERN_TLS_CERTS_AWSLC_H
#define TERN_TLS_CERTS_AWSLC_H

struct ssl_ctx_st;

/* Has the application sign for the certificate that `ctx` has. The app data of its SSL objects is their
 * struct tern_tls_session. */
void tern_tls_sign_elsewhere(struct ssl_ctx_st *ctx);

#endif
