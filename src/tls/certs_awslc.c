/* SPDX-License-Identifier: MIT */
/* The library asks `sign` once, and then `complete` whenever the session is fed, until that does not
 * answer "retry". Its `select` is asked again each time. */
#include "tls/certs_awslc.h"

#include <string.h>

#include <openssl/ssl.h>

#include "tls/tls_backend.h"
#include "tls/work.h"

/* [rfc6066-3] */
#define ALERT_UNRECOGNIZED_NAME 112

static struct tern_tls_work *start(struct tern_tls_session *session, const SSL *ssl,
                                   uint16_t scheme, tern_slice input)
{
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const struct tern_tls_work_args args = {
      .inbox = session->inbox,
      .owner = session->owner,
      .server_name = tern_slice_of(name, name != NULL ? strlen(name) : 0),
      .scheme = scheme,
      .input = input,
  };
  return args.inbox != NULL ? tern_tls_work_new(&args) : NULL;
}

static void end(struct tern_tls_session *session)
{
  tern_tls_work_drop(session->work);
  session->work = NULL;
}

/* ---- certificates ---------------------------------------------------------------------------- */

/* The library keeps its ticket keys, and takes over whether early data is welcome: not if we would not
 * look for replays. */
static bool take_choice(SSL *ssl, struct tern_tls_session *session, tern_tls *choice)
{
  if (choice == NULL || choice->ops != session->tls->ops || !choice->is_server ||
      SSL_set_SSL_CTX(ssl, choice->ctx) == NULL)
    return false;
  session->choice = tern_tls_ref(choice);
  if (!session->tls->early_data)
    SSL_set_early_data_enabled(ssl, 0);
  return true;
}

static enum ssl_select_cert_result_t select_cert(const SSL_CLIENT_HELLO *hello)
{
  struct tern_tls_session *session = SSL_get_app_data(hello->ssl);
  const tern_certs_ops *certs = &session->tls->certs;
  if (session->work == NULL) {
    session->work = start(session, hello->ssl, 0, tern_slice_of(NULL, 0));
    if (session->work == NULL)
      return ssl_select_cert_error;
    certs->choose(certs->arg, session->work);
  }
  if (!tern_tls_work_is_finished(session->work))
    return ssl_select_cert_retry;
  bool is_ok = take_choice(hello->ssl, session, tern_tls_work_find_choice(session->work));
  end(session);
  if (is_ok)
    return ssl_select_cert_success;
  tern_tls_push_alert(session, ALERT_UNRECOGNIZED_NAME, "no certificate for this name");
  return ssl_select_cert_error;
}

/* ---- signatures ------------------------------------------------------------------------------ */

static enum ssl_private_key_result_t complete(SSL *ssl, uint8_t *out, size_t *out_len,
                                              size_t out_max)
{
  struct tern_tls_session *session = SSL_get_app_data(ssl);
  enum ssl_private_key_result_t result = ssl_private_key_failure;
  if (!tern_tls_work_is_finished(session->work))
    return ssl_private_key_retry;
  tern_slice signature = tern_tls_work_get_signature(session->work);
  if (signature.len != 0 && signature.len <= out_max) {
    memcpy(out, signature.data, signature.len);
    *out_len = signature.len;
    result = ssl_private_key_success;
  }
  end(session);
  return result;
}

static enum ssl_private_key_result_t sign(SSL *ssl, uint8_t *out, size_t *out_len, size_t out_max,
                                          uint16_t scheme, const uint8_t *in, size_t in_len)
{
  struct tern_tls_session *session = SSL_get_app_data(ssl);
  const struct tern_tls *tls = session->choice != NULL ? session->choice : session->tls;
  session->work = start(session, ssl, scheme, tern_slice_of(in, in_len));
  if (session->work == NULL)
    return ssl_private_key_failure;
  tls->certs.sign(tls->certs.arg, session->work);
  return complete(ssl, out, out_len, out_max);
}

/* RSA key exchange, which TLS 1.3 has not. */
static enum ssl_private_key_result_t decrypt(SSL *ssl, uint8_t *out, size_t *out_len,
                                             size_t out_max, const uint8_t *in, size_t in_len)
{
  (void)ssl, (void)out, (void)out_len, (void)out_max, (void)in, (void)in_len;
  return ssl_private_key_failure;
}

void tern_tls_use_certs(struct tern_tls *tls)
{
  static const SSL_PRIVATE_KEY_METHOD method = {
      .sign = sign, .decrypt = decrypt, .complete = complete};
  if (tls->certs.choose != NULL)
    SSL_CTX_set_select_certificate_cb(tls->ctx, select_cert);
  if (tls->certs.sign != NULL)
    SSL_CTX_set_private_key_method(tls->ctx, &method);
}
