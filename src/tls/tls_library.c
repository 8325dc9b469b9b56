/* SPDX-License-Identifier: MIT */
/* What the two TLS libraries share. See tls_library.h. */
#include "tls/tls_library.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/tls_pem.h"

/* ---- configuration ------------------------------------------------------------------------- */

static int select_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                       unsigned in_len, void *arg)
{
  tern_slice name = tern_tls_choose_alpn(arg, tern_slice_of(in, in_len));
  (void)ssl;
  if (name.len == 0)
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* [rfc9001-8.1] no_application_protocol */
  *out = name.data;
  *out_len = (uint8_t)name.len;
  return SSL_TLSEXT_ERR_OK;
}

static void log_key(const SSL *ssl, const char *line)
{
  const struct tern_tls_library *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  tls->keylog(tls->keylog_arg, line);
}

static tern_status configure(struct tern_tls_library *tls, const tern_tls_config *config, char *why,
                             size_t why_size)
{
  SSL_CTX *ctx = tls->ctx;
  /* [rfc9001-4.2] MUST NOT use TLS versions older than 1.3. */
  if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1)
    return tern_tls_refuse(why, why_size, "TLS 1.3 for QUIC");
  SSL_CTX_set_app_data(ctx, tls);
  if (config->keylog != NULL)
    SSL_CTX_set_keylog_callback(ctx, log_key);
  if (config->is_server) {
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, &tls->base);
    return tern_tls_load_server(&tls->base, ctx, config, why, why_size);
  }
  if (SSL_CTX_set_alpn_protos(ctx, tls->base.alpn, (unsigned)tls->base.alpn_len) != 0)
    return tern_tls_refuse(why, why_size, "alpn");
  return tern_tls_load_client(ctx, config, why, why_size);
}

tern_status tern_tls_library_new(struct tern_tls **out, const struct tern_tls_library_args *args,
                                 char *why, size_t why_size)
{
  const tern_tls_config *config = args->config;
  struct tern_tls_library *tls = tern_alloc_system.take(tern_alloc_system.arg, sizeof *tls);
  if (tls == NULL)
    return TERN_NOMEM;
  memset(tls, 0, sizeof *tls);
  ERR_clear_error();
  tls->verifies_peer = !config->is_server && !config->insecure_no_verify;
  tls->keylog = config->keylog;
  tls->keylog_arg = config->keylog_arg;
  tls->ctx = SSL_CTX_new(TLS_method());
  tern_status status = tls->ctx != NULL ? TERN_OK : TERN_NOMEM;
  if (status == TERN_OK)
    status = tern_tls_init(&tls->base, args->ops, config, why, why_size);
  if (status == TERN_OK)
    status = configure(tls, config, why, why_size);
  if (status == TERN_OK)
    status = args->configure(tls, config, why, why_size);
  if (status != TERN_OK) {
    tern_tls_library_free(&tls->base);
    return status;
  }
  *out = &tls->base;
  return TERN_OK;
}

void tern_tls_library_free(struct tern_tls *base)
{
  struct tern_tls_library *tls = (struct tern_tls_library *)base;
  SSL_CTX_free(tls->ctx);
  tern_tls_deinit(base);
  tern_alloc_system.give(tern_alloc_system.arg, tls, sizeof *tls);
}

/* ---- sessions ------------------------------------------------------------------------------ */

struct tern_tls_session *tern_tls_library_session(const SSL *ssl)
{
  return SSL_get_app_data(ssl);
}

void tern_tls_library_explain(struct tern_tls_session *session, const SSL *ssl)
{
  long verdict = SSL_get_verify_result(ssl);
  const char *text = tern_tls_take_library_error();
  if (verdict != X509_V_OK)
    text = X509_verify_cert_error_string(verdict);
  tern_tls_push_alert(session, TERN_ALERT_INTERNAL_ERROR, text);
}

bool tern_tls_library_summarise(struct tern_tls_session *session, SSL *ssl, const char *group,
                                struct tern_tls_summary *summary)
{
  const struct tern_tls_library *tls = (const struct tern_tls_library *)session->tls;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  enum tern_aead_id aead;
  const uint8_t *alpn;
  unsigned alpn_len;

  SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
  if (alpn_len == 0) { /* [rfc9001-8.1] a library may leave this to us */
    tern_tls_push_alert(session, TERN_ALERT_NO_APPLICATION_PROTOCOL, "no protocol chosen");
    return false;
  }
  if (!session->has_params ||
      !tern_tls_find_aead(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)), &aead)) {
    tern_tls_push_alert(session, TERN_ALERT_MISSING_EXTENSION, "no transport parameters");
    return false;
  }
  if (tls->verifies_peer && SSL_get_verify_result(ssl) != X509_V_OK) {
    tern_tls_push_alert(session, TERN_ALERT_BAD_CERTIFICATE, "certificate not verified");
    return false;
  }
  *summary = (struct tern_tls_summary){
      .alpn = tern_slice_of(alpn, alpn_len),
      .server_name = tern_slice_of(name, name != NULL ? strlen(name) : 0),
      .cipher = tern_tls_suite_name(aead),
      .group = group,
      .is_peer_verified = tls->verifies_peer,
      .is_resumed = SSL_session_reused(ssl),
  };
  return true;
}
