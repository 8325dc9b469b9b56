/* SPDX-License-Identifier: MIT */
/* Certificates and private keys from elsewhere, by AWS-LC's callbacks that may answer "later". */
#ifndef TERN_TLS_CERTS_AWSLC_H
#define TERN_TLS_CERTS_AWSLC_H

struct tern_tls;

/* Has the library ask tls->certs, as far as it is set. The certificate is loaded; the app data of the SSL
 * objects of tls->ctx is their struct tern_tls_session. */
void tern_tls_use_certs(struct tern_tls *tls);

#endif
