/* SPDX-License-Identifier: MIT */
/* The library asks `sign` once, and then `complete` whenever the session is fed, until that does not
 * answer "retry". */
#include "tls/certs_awslc.h"

#include <string.h>

#include <openssl/ssl.h>

#include "tls/tls_backend.h"
#include "tls/work.h"

static enum ssl_private_key_result_t complete(SSL *ssl, uint8_t *out, size_t *out_len,
                                              size_t out_max)
{
  struct tern_tls_session *session = SSL_get_app_data(ssl);
  enum ssl_private_key_result_t result = ssl_private_key_failure;
  tern_slice signature;
  if (!tern_tls_work_find_signature(session->work, &signature))
    return ssl_private_key_retry;
  if (signature.len != 0 && signature.len <= out_max) {
    memcpy(out, signature.data, signature.len);
    *out_len = signature.len;
    result = ssl_private_key_success;
  }
  tern_tls_work_drop(session->work);
  session->work = NULL;
  return result;
}

static enum ssl_private_key_result_t sign(SSL *ssl, uint8_t *out, size_t *out_len, size_t out_max,
                                          uint16_t scheme, const uint8_t *in, size_t in_len)
{
  struct tern_tls_session *session = SSL_get_app_data(ssl);
  const tern_certs_ops *certs = &session->tls->certs;
  const struct tern_tls_work_args args = {
      .inbox = session->inbox,
      .owner = session->owner,
      .scheme = scheme,
      .input = tern_slice_of(in, in_len),
  };
  session->work = args.inbox != NULL ? tern_tls_work_new(&args) : NULL;
  if (session->work == NULL)
    return ssl_private_key_failure;
  certs->sign(certs->arg, session->work);
  return complete(ssl, out, out_len, out_max);
}

/* RSA key exchange, which TLS 1.3 has not. */
static enum ssl_private_key_result_t decrypt(SSL *ssl, uint8_t *out, size_t *out_len,
                                             size_t out_max, const uint8_t *in, size_t in_len)
{
  (void)ssl, (void)out, (void)out_len, (void)out_max, (void)in, (void)in_len;
  return ssl_private_key_failure;
}

void tern_tls_sign_elsewhere(SSL_CTX *ctx)
{
  static const SSL_PRIVATE_KEY_METHOD method = {
      .sign = sign, .decrypt = decrypt, .complete = complete};
  SSL_CTX_set_private_key_method(ctx, &method);
}
