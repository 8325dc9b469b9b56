/* SPDX-License-Identifier: MIT */
/* TLS by AWS-LC (the calls are BoringSSL's, but for the choice of TLS 1.3 ciphers).
 *
 * Push style: SSL_provide_quic_data puts bytes in, SSL_do_handshake runs, and the five callbacks of
 * SSL_QUIC_METHOD append facts to the session. SSL_do_handshake() == 1 is not yet the end: with early
 * data a server says so while SSL_in_init() still holds.
 *
 * The library's memory is the process's, not the endpoint's: it has no allocator per object. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/tls_backend.h"
#include "tls/tls_pem.h"
#include "wire/quic.h"

struct awslc_tls {
  struct tern_tls base;
  SSL_CTX *ctx;
  bool verifies_peer;
  void (*keylog)(void *arg, const char *line);
  void *keylog_arg;
};

struct awslc_session {
  struct tern_tls_session base;
  SSL *ssl; /* NULL once released */
};

static const struct tern_tls_ops awslc_ops;

const char *tern_tls_library(void)
{
#if defined(OPENSSL_IS_AWSLC)
  return "AWS-LC " AWSLC_VERSION_NUMBER_STRING;
#else
  return "BoringSSL";
#endif
}

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
  const struct awslc_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  tls->keylog(tls->keylog_arg, line);
}

static bool set_ciphers(SSL_CTX *ctx, const char *ciphers)
{
#if defined(OPENSSL_IS_AWSLC)
  char names[TERN_TLS_CIPHERS_MAX];
  return ciphers == NULL ||
         (tern_tls_expand_ciphers(ciphers, names) && SSL_CTX_set_ciphersuites(ctx, names) == 1);
#else
  (void)ctx;
  return ciphers == NULL; /* BoringSSL chooses among the three by itself */
#endif
}

static const SSL_QUIC_METHOD *quic_method(void);

static tern_status configure(struct awslc_tls *tls, const tern_tls_config *config, char *why,
                             size_t why_size)
{
  SSL_CTX *ctx = tls->ctx;
  /* [rfc9001-4.2] MUST NOT use TLS versions older than 1.3. */
  if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_quic_method(ctx, quic_method()) != 1)
    return tern_tls_refuse(why, why_size, "TLS 1.3 for QUIC");
  if (!set_ciphers(ctx, config->ciphers))
    return tern_tls_refuse(why, why_size, "ciphers");
  if (SSL_CTX_set1_groups_list(ctx, config->groups != NULL ? config->groups
                                                           : TERN_TLS_GROUPS_DEFAULT) != 1)
    return tern_tls_refuse(why, why_size, "groups");
  /* No resumption yet: a ticket without a place to keep it is only bytes. */
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_app_data(ctx, tls);
  if (config->keylog != NULL)
    SSL_CTX_set_keylog_callback(ctx, log_key);
  if (config->is_server) {
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, &tls->base);
    return tern_tls_load_server(ctx, config, why, why_size);
  }
  if (SSL_CTX_set_alpn_protos(ctx, tls->base.alpn, (unsigned)tls->base.alpn_len) != 0)
    return tern_tls_refuse(why, why_size, "alpn");
  return tern_tls_load_client(ctx, config, why, why_size);
}

static void free_tls(struct tern_tls *base)
{
  struct awslc_tls *tls = (struct awslc_tls *)base;
  SSL_CTX_free(tls->ctx);
  tern_alloc_system.give(tern_alloc_system.arg, tls, sizeof *tls);
}

tern_status tern_tls_backend_new(struct tern_tls **out, const tern_tls_config *config, char *why,
                                 size_t why_size)
{
  struct awslc_tls *tls = tern_alloc_system.take(tern_alloc_system.arg, sizeof *tls);
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
    status = tern_tls_init(&tls->base, &awslc_ops, config, why, why_size);
  if (status == TERN_OK)
    status = configure(tls, config, why, why_size);
  if (status != TERN_OK) {
    free_tls(&tls->base);
    return status;
  }
  *out = &tls->base;
  return TERN_OK;
}

/* ---- callbacks: they only append facts ----------------------------------------------------- */

static struct tern_tls_session *session_of(const SSL *ssl)
{
  return SSL_get_app_data(ssl);
}

/* The peer's transport parameters, as soon as TLS has read them: before the secrets that follow. */
static bool note_params(const SSL *ssl)
{
  struct tern_tls_session *session = session_of(ssl);
  const uint8_t *params;
  size_t len;
  if (session->has_params)
    return true;
  SSL_get_peer_quic_transport_params(ssl, &params, &len);
  return len == 0 || tern_tls_push_params(session, tern_slice_of(params, len));
}

static int push_secret(SSL *ssl, enum ssl_encryption_level_t level, bool is_tx,
                       const SSL_CIPHER *cipher, tern_slice secret)
{
  enum tern_aead_id aead;
  if (!tern_tls_find_aead(SSL_CIPHER_get_protocol_id(cipher), &aead))
    return 0;
  return note_params(ssl) &&
         tern_tls_push_secret(session_of(ssl), (enum tern_level)level, is_tx, aead, secret);
}

static int on_read_secret(SSL *ssl, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
                          const uint8_t *secret, size_t len)
{
  return push_secret(ssl, level, false, cipher, tern_slice_of(secret, len));
}

static int on_write_secret(SSL *ssl, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
                           const uint8_t *secret, size_t len)
{
  return push_secret(ssl, level, true, cipher, tern_slice_of(secret, len));
}

static int on_handshake_data(SSL *ssl, enum ssl_encryption_level_t level, const uint8_t *data,
                             size_t len)
{
  return note_params(ssl) &&
         tern_tls_push_crypto(session_of(ssl), (enum tern_level)level, tern_slice_of(data, len));
}

static int on_flush(SSL *ssl)
{
  (void)ssl; /* the end of feed is our flush */
  return 1;
}

static int on_alert(SSL *ssl, enum ssl_encryption_level_t level, uint8_t alert)
{
  (void)level;
  tern_tls_push_alert(session_of(ssl), alert, ""); /* the text follows when the call returns */
  return 1;
}

static const SSL_QUIC_METHOD *quic_method(void)
{
  static const SSL_QUIC_METHOD method = {
      .set_read_secret = on_read_secret,
      .set_write_secret = on_write_secret,
      .add_handshake_data = on_handshake_data,
      .flush_flight = on_flush,
      .send_alert = on_alert,
  };
  return &method;
}

_Static_assert((int)ssl_encryption_initial == (int)TERN_LEVEL_INITIAL &&
                   (int)ssl_encryption_early_data == (int)TERN_LEVEL_EARLY &&
                   (int)ssl_encryption_handshake == (int)TERN_LEVEL_HANDSHAKE &&
                   (int)ssl_encryption_application == (int)TERN_LEVEL_APP,
               "levels are cast both ways");

/* ---- sessions ------------------------------------------------------------------------------ */

static void free_session(struct tern_tls_session *base)
{
  struct awslc_session *session = (struct awslc_session *)base;
  struct tern_alloc *alloc = base->alloc;
  SSL_free(session->ssl);
  tern_tls_session_deinit(base);
  tern_wipe(session, sizeof *session);
  tern_alloc_give(alloc, session, sizeof *session);
}

static tern_status start_ssl(struct awslc_session *session,
                             const struct tern_tls_session_args *args)
{
  const struct awslc_tls *tls = (const struct awslc_tls *)session->base.tls;
  session->ssl = SSL_new(tls->ctx);
  if (session->ssl == NULL)
    return TERN_NOMEM;
  if (SSL_set_app_data(session->ssl, &session->base) != 1 ||
      SSL_set_quic_transport_params(session->ssl, args->params.data, args->params.len) != 1)
    return TERN_NOMEM;
  if (args->is_server) {
    SSL_set_accept_state(session->ssl);
    return TERN_OK;
  }
  SSL_set_connect_state(session->ssl);
  return tern_tls_name_server(session->ssl, args->server_name, tls->verifies_peer);
}

static tern_status new_session(struct tern_tls *tls, const struct tern_tls_session_args *args,
                               struct tern_tls_session **out)
{
  struct awslc_session *session = tern_alloc_take_zero(args->alloc, sizeof *session);
  if (session == NULL)
    return TERN_NOMEM;
  tern_tls_session_init(&session->base, tls, args);
  tern_status status = start_ssl(session, args);
  if (status != TERN_OK) {
    free_session(&session->base);
    return status;
  }
  *out = &session->base;
  return TERN_OK;
}

static void release_session(struct tern_tls_session *base)
{
  struct awslc_session *session = (struct awslc_session *)base;
  SSL_free(session->ssl);
  session->ssl = NULL;
}

/* The library has failed: keep its alert, or make one, and add why. */
static void explain_failure(struct awslc_session *session)
{
  long verdict = SSL_get_verify_result(session->ssl);
  const char *text = tern_tls_take_library_error();
  if (verdict != X509_V_OK)
    text = X509_verify_cert_error_string(verdict);
  tern_tls_push_alert(&session->base, TERN_ALERT_INTERNAL_ERROR, text);
}

static void complete(struct awslc_session *session)
{
  const struct awslc_tls *tls = (const struct awslc_tls *)session->base.tls;
  SSL *ssl = session->ssl;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const char *group = SSL_get_group_name(SSL_get_group_id(ssl));
  enum tern_aead_id aead;
  const uint8_t *alpn;
  unsigned alpn_len;

  SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
  if (alpn_len == 0) {
    tern_tls_push_alert(&session->base, TERN_ALERT_NO_APPLICATION_PROTOCOL, "no protocol chosen");
    return;
  }
  if (!session->base.has_params ||
      !tern_tls_find_aead(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)), &aead)) {
    tern_tls_push_alert(&session->base, TERN_ALERT_MISSING_EXTENSION, "no transport parameters");
    return;
  }
  if (tls->verifies_peer && SSL_get_verify_result(ssl) != X509_V_OK) {
    tern_tls_push_alert(&session->base, TERN_ALERT_BAD_CERTIFICATE, "certificate not verified");
    return;
  }
  struct tern_tls_summary summary = {
      .alpn = tern_slice_of(alpn, alpn_len),
      .server_name = tern_slice_of(name, name != NULL ? strlen(name) : 0),
      .cipher = tern_tls_suite_name(aead),
      .group = group,
      .is_peer_verified = tls->verifies_peer,
  };
  tern_tls_push_complete(&session->base, &summary);
}

static enum tern_tls_result drive(struct awslc_session *session)
{
  int result = SSL_do_handshake(session->ssl);
  if (!session->base.is_failed)
    (void)note_params(session->ssl); /* out of memory: is_failed then, which the caller looks at */
  if (result == 1) {
    if (!SSL_in_init(session->ssl))
      complete(session);
    return TERN_TLS_PROGRESS;
  }
  int error = SSL_get_error(session->ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    return TERN_TLS_PROGRESS;
  if (error == SSL_ERROR_PENDING_CERTIFICATE || error == SSL_ERROR_WANT_PRIVATE_KEY_OPERATION ||
      error == SSL_ERROR_WANT_CERTIFICATE_VERIFY || error == SSL_ERROR_WANT_X509_LOOKUP)
    return TERN_TLS_PENDING;
  explain_failure(session);
  return TERN_TLS_FAILED;
}

/* [rfc9001-4.1.3] data of a level that TLS is not reading is a PROTOCOL_VIOLATION. */
static enum tern_tls_result refuse_data(struct awslc_session *session)
{
  uint32_t error = ERR_peek_last_error();
  bool is_excess =
      ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_EXCESSIVE_MESSAGE_SIZE;
  tern_tls_push_error(&session->base,
                      is_excess ? TERN_QUIC_CRYPTO_BUFFER_EXCEEDED : TERN_QUIC_PROTOCOL_VIOLATION,
                      tern_tls_take_library_error());
  return TERN_TLS_FAILED;
}

static enum tern_tls_result feed(struct tern_tls_session *base, enum tern_level level,
                                 tern_slice crypto)
{
  struct awslc_session *session = (struct awslc_session *)base;
  enum tern_tls_result result = TERN_TLS_PROGRESS;
  ERR_clear_error();
  if (crypto.len != 0 && SSL_provide_quic_data(session->ssl, (enum ssl_encryption_level_t)level,
                                               crypto.data, crypto.len) != 1)
    return refuse_data(session);
  if (!base->is_complete)
    result = drive(session);
  if (base->is_complete && !base->is_failed && SSL_process_quic_post_handshake(session->ssl) != 1) {
    explain_failure(session);
    result = TERN_TLS_FAILED;
  }
  ERR_clear_error();
  return result;
}

static const struct tern_tls_ops awslc_ops = {
    .free = free_tls,
    .session_new = new_session,
    .session_free = free_session,
    .feed = feed,
    .release = release_session,
};
