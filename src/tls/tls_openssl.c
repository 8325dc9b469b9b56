/* SPDX-License-Identifier: MIT */
/* TLS by OpenSSL 3.5 or newer: the build takes this file instead of tls_awslc.c.
 *
 * Pull style: SSL_do_handshake asks for bytes (crypto_recv_rcd), says how many it is done with
 * (crypto_release_rcd), gives bytes to send (crypto_send) and secrets (yield_secret). It does not name
 * levels with its bytes: they belong to the level of the last secret of that direction, which we keep.
 * Fed bytes are copied, because OpenSSL may hold on to them until it releases them.
 *
 * No private-key method: asynchronous signing needs ASYNC_JOB or a provider, later. */
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/tls_backend.h"
#include "tls/tls_pem.h"
#include "wire/quic.h"

/* Both groups that we prefer get a key share at once, as AWS-LC does. */
#define GROUPS_DEFAULT "*X25519MLKEM768:*X25519:P-256"

struct openssl_tls {
  struct tern_tls base;
  SSL_CTX *ctx;
  bool verifies_peer;
  void (*keylog)(void *arg, const char *line);
  void *keylog_arg;
};

struct openssl_session {
  struct tern_tls_session base;
  SSL *ssl; /* NULL once released */
  enum tern_level tx_level, rx_level;
  uint8_t *params; /* ours: OpenSSL keeps the pointer */
  size_t params_len;
  uint8_t *in; /* fed, not released yet */
  size_t in_at, in_len, in_capacity;
  enum tern_level in_level;
};

static const struct tern_tls_ops openssl_ops;

const char *tern_tls_library(void)
{
  return OpenSSL_version(OPENSSL_VERSION_STRING) != NULL ? OpenSSL_version(OPENSSL_VERSION)
                                                         : "OpenSSL";
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
  const struct openssl_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  tls->keylog(tls->keylog_arg, line);
}

/* The macro of OpenSSL's header casts const away, so the control is called with a copy. */
static bool set_groups(SSL_CTX *ctx, const char *groups)
{
  char copy[256];
  size_t len = strlen(groups);
  if (len >= sizeof copy)
    return false;
  memcpy(copy, groups, len + 1);
  return SSL_CTX_ctrl(ctx, SSL_CTRL_SET_GROUPS_LIST, 0, copy) == 1;
}

static tern_status configure(struct openssl_tls *tls, const tern_tls_config *config, char *why,
                             size_t why_size)
{
  SSL_CTX *ctx = tls->ctx;
  char ciphers[TERN_TLS_CIPHERS_MAX];
  /* [rfc9001-4.2] MUST NOT use TLS versions older than 1.3. */
  if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1)
    return tern_tls_refuse(why, why_size, "TLS 1.3 for QUIC");
  if (!tern_tls_expand_ciphers(config->ciphers, ciphers) ||
      SSL_CTX_set_ciphersuites(ctx, ciphers) != 1)
    return tern_tls_refuse(why, why_size, "ciphers");
  if (!set_groups(ctx, config->groups != NULL ? config->groups : GROUPS_DEFAULT))
    return tern_tls_refuse(why, why_size, "groups");
  /* [rfc9001-8.4] MUST NOT use the middlebox compatibility mode. No resumption yet. */
  SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  (void)SSL_CTX_set_num_tickets(ctx, 0);
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

static void free_tls(struct tern_tls *base)
{
  struct openssl_tls *tls = (struct openssl_tls *)base;
  SSL_CTX_free(tls->ctx);
  tern_alloc_system.give(tern_alloc_system.arg, tls, sizeof *tls);
}

tern_status tern_tls_backend_new(struct tern_tls **out, const tern_tls_config *config, char *why,
                                 size_t why_size)
{
  struct openssl_tls *tls = tern_alloc_system.take(tern_alloc_system.arg, sizeof *tls);
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
    status = tern_tls_init(&tls->base, &openssl_ops, config, why, why_size);
  if (status == TERN_OK)
    status = configure(tls, config, why, why_size);
  if (status != TERN_OK) {
    free_tls(&tls->base);
    return status;
  }
  *out = &tls->base;
  return TERN_OK;
}

/* ---- callbacks: they only append facts, and hand over what was fed ------------------------- */

static int on_send(SSL *ssl, const unsigned char *data, size_t len, size_t *consumed, void *arg)
{
  struct openssl_session *session = arg;
  (void)ssl;
  if (!tern_tls_push_crypto(&session->base, session->tx_level, tern_slice_of(data, len)))
    return 0;
  *consumed = len;
  return 1;
}

static int on_receive(SSL *ssl, const unsigned char **data, size_t *len, void *arg)
{
  struct openssl_session *session = arg;
  (void)ssl;
  *data = NULL;
  *len = 0;
  if (session->in_level != session->rx_level)
    return 1; /* bytes of a level that is over are never read under a newer key */
  *data = session->in + session->in_at;
  *len = session->in_len - session->in_at;
  return 1;
}

static int on_release(SSL *ssl, size_t len, void *arg)
{
  struct openssl_session *session = arg;
  (void)ssl;
  if (len > session->in_len - session->in_at)
    return 0;
  session->in_at += len;
  return 1;
}

static bool find_level(uint32_t protection, enum tern_level *level)
{
  switch (protection) {
  case OSSL_RECORD_PROTECTION_LEVEL_NONE:
    *level = TERN_LEVEL_INITIAL;
    return true;
  case OSSL_RECORD_PROTECTION_LEVEL_EARLY:
    *level = TERN_LEVEL_EARLY;
    return true;
  case OSSL_RECORD_PROTECTION_LEVEL_HANDSHAKE:
    *level = TERN_LEVEL_HANDSHAKE;
    return true;
  case OSSL_RECORD_PROTECTION_LEVEL_APPLICATION:
    *level = TERN_LEVEL_APP;
    return true;
  default: /* not an enum of ours */
    return false;
  }
}

static int on_secret(SSL *ssl, uint32_t protection, int direction, const unsigned char *secret,
                     size_t len, void *arg)
{
  struct openssl_session *session = arg;
  const SSL_CIPHER *cipher = SSL_get_pending_cipher(ssl);
  enum tern_level level;
  enum tern_aead_id aead;
  bool is_tx = direction == 1;
  if (cipher == NULL)
    cipher = SSL_get_current_cipher(ssl);
  if (cipher == NULL || !find_level(protection, &level) ||
      !tern_tls_find_aead(SSL_CIPHER_get_protocol_id(cipher), &aead))
    return 0;
  if (level == TERN_LEVEL_APP && !session->base.has_params) {
    /* [rfc9001-8.2] MUST close with missing_extension; OpenSSL leaves this to us */
    tern_tls_push_alert(&session->base, TERN_ALERT_MISSING_EXTENSION, "no transport parameters");
    return 0;
  }
  if (is_tx)
    session->tx_level = level;
  else
    session->rx_level = level;
  return tern_tls_push_secret(&session->base, level, is_tx, aead, tern_slice_of(secret, len));
}

static int on_params(SSL *ssl, const unsigned char *params, size_t len, void *arg)
{
  struct openssl_session *session = arg;
  (void)ssl;
  if (session->base.has_params)
    return 1; /* the ClientHello came twice, after HelloRetryRequest */
  return tern_tls_push_params(&session->base, tern_slice_of(params, len));
}

static int on_alert(SSL *ssl, unsigned char alert, void *arg)
{
  struct openssl_session *session = arg;
  (void)ssl;
  tern_tls_push_alert(&session->base, alert, ""); /* the text follows when the call returns */
  return 1;
}

static const OSSL_DISPATCH callbacks[] = {
    {OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_SEND, (void (*)(void))on_send},
    {OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RECV_RCD, (void (*)(void))on_receive},
    {OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RELEASE_RCD, (void (*)(void))on_release},
    {OSSL_FUNC_SSL_QUIC_TLS_YIELD_SECRET, (void (*)(void))on_secret},
    {OSSL_FUNC_SSL_QUIC_TLS_GOT_TRANSPORT_PARAMS, (void (*)(void))on_params},
    {OSSL_FUNC_SSL_QUIC_TLS_ALERT, (void (*)(void))on_alert},
    OSSL_DISPATCH_END,
};

/* ---- sessions ------------------------------------------------------------------------------ */

static void drop_input(struct openssl_session *session)
{
  tern_alloc_give(session->base.alloc, session->in, session->in_capacity);
  session->in = NULL;
  session->in_at = session->in_len = session->in_capacity = 0;
}

static void free_session(struct tern_tls_session *base)
{
  struct openssl_session *session = (struct openssl_session *)base;
  struct tern_alloc *alloc = base->alloc;
  SSL_free(session->ssl);
  drop_input(session);
  tern_alloc_give(alloc, session->params, session->params_len);
  tern_tls_session_deinit(base);
  tern_wipe(session, sizeof *session);
  tern_alloc_give(alloc, session, sizeof *session);
}

static bool keep_params(struct openssl_session *session, tern_slice params)
{
  session->params = tern_alloc_take(session->base.alloc, params.len);
  if (session->params == NULL)
    return false;
  memcpy(session->params, params.data, params.len);
  session->params_len = params.len;
  return true;
}

static tern_status start_ssl(struct openssl_session *session,
                             const struct tern_tls_session_args *args)
{
  const struct openssl_tls *tls = (const struct openssl_tls *)session->base.tls;
  session->ssl = SSL_new(tls->ctx);
  if (session->ssl == NULL || !keep_params(session, args->params))
    return TERN_NOMEM;
  if (SSL_set_quic_tls_cbs(session->ssl, callbacks, session) != 1 ||
      SSL_set_quic_tls_transport_params(session->ssl, session->params, session->params_len) != 1)
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
  if (args->params.len == 0)
    return TERN_INVALID;
  struct openssl_session *session = tern_alloc_take_zero(args->alloc, sizeof *session);
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
  struct openssl_session *session = (struct openssl_session *)base;
  SSL_free(session->ssl);
  session->ssl = NULL;
  drop_input(session);
}

/* The library has failed: keep its alert, or make one, and add why. */
static void explain_failure(struct openssl_session *session)
{
  long verdict = SSL_get_verify_result(session->ssl);
  const char *text = tern_tls_take_library_error();
  if (verdict != X509_V_OK)
    text = X509_verify_cert_error_string(verdict);
  tern_tls_push_alert(&session->base, TERN_ALERT_INTERNAL_ERROR, text);
}

/* One spelling for both libraries, and text that outlives the SSL object. */
static const char *name_group(SSL *ssl)
{
  static const struct {
    const char *theirs, *ours;
  } names[] = {
      {"X25519MLKEM768", "X25519MLKEM768"},
      {"x25519", "X25519"},
      {"secp256r1", "P-256"},
      {"P-256", "P-256"},
      {"prime256v1", "P-256"},
      {"secp384r1", "P-384"},
      {"secp521r1", "P-521"},
      {"SecP256r1MLKEM768", "SecP256r1MLKEM768"},
      {"SecP384r1MLKEM1024", "SecP384r1MLKEM1024"},
  };
  const char *group = SSL_get0_group_name(ssl);
  for (size_t i = 0; group != NULL && i < sizeof names / sizeof names[0]; i++) {
    if (OPENSSL_strcasecmp(group, names[i].theirs) == 0)
      return names[i].ours;
  }
  return "other";
}

static void complete(struct openssl_session *session)
{
  const struct openssl_tls *tls = (const struct openssl_tls *)session->base.tls;
  SSL *ssl = session->ssl;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  enum tern_aead_id aead;
  const uint8_t *alpn;
  unsigned alpn_len;

  SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
  if (alpn_len == 0) { /* [rfc9001-8.1] OpenSSL leaves this to us */
    tern_tls_push_alert(&session->base, TERN_ALERT_NO_APPLICATION_PROTOCOL, "no protocol chosen");
    return;
  }
  if (!tern_tls_find_aead(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)), &aead)) {
    tern_tls_push_alert(&session->base, TERN_ALERT_INTERNAL_ERROR, "unknown cipher suite");
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
      .group = name_group(ssl),
      .is_peer_verified = tls->verifies_peer,
  };
  tern_tls_push_complete(&session->base, &summary);
}

static enum tern_tls_result judge(struct openssl_session *session, int result)
{
  switch (SSL_get_error(session->ssl, result)) {
  case SSL_ERROR_WANT_READ:
  case SSL_ERROR_WANT_WRITE:
    return TERN_TLS_PROGRESS;
  case SSL_ERROR_WANT_X509_LOOKUP:
  case SSL_ERROR_WANT_ASYNC:
  case SSL_ERROR_WANT_CLIENT_HELLO_CB:
  case SSL_ERROR_WANT_RETRY_VERIFY:
    return TERN_TLS_PENDING;
  default: /* not an enum of ours */
    explain_failure(session);
    return TERN_TLS_FAILED;
  }
}

static enum tern_tls_result drive(struct openssl_session *session)
{
  if (!session->base.is_complete) {
    int result = SSL_do_handshake(session->ssl);
    if (result != 1)
      return judge(session, result);
    if (!SSL_in_init(session->ssl))
      complete(session);
    return TERN_TLS_PROGRESS;
  }
  /* Reading application data, of which there is none here, is what makes OpenSSL take messages that
   * come after the handshake. */
  uint8_t none;
  size_t len;
  int result = SSL_read_ex(session->ssl, &none, sizeof none, &len);
  return result == 1 ? TERN_TLS_PROGRESS : judge(session, result);
}

static bool keep_input(struct openssl_session *session, enum tern_level level, tern_slice crypto)
{
  size_t left = session->in_len - session->in_at;
  if (left == 0)
    session->in_at = session->in_len = 0;
  size_t need = session->in_len + crypto.len;
  if (need > session->in_capacity) {
    size_t capacity = need < 2048 ? 2048 : 2 * need;
    uint8_t *in = session->in == NULL ? tern_alloc_take(session->base.alloc, capacity)
                                      : tern_alloc_resize(session->base.alloc, session->in,
                                                          session->in_capacity, capacity);
    if (in == NULL)
      return false;
    session->in = in;
    session->in_capacity = capacity;
  }
  memcpy(session->in + session->in_len, crypto.data, crypto.len);
  session->in_len = need;
  session->in_level = level;
  return true;
}

static enum tern_tls_result feed(struct tern_tls_session *base, enum tern_level level,
                                 tern_slice crypto)
{
  struct openssl_session *session = (struct openssl_session *)base;
  ERR_clear_error();
  if (crypto.len != 0) {
    if (level != session->rx_level) { /* [rfc9001-4.1.3] */
      tern_tls_push_error(base, TERN_QUIC_PROTOCOL_VIOLATION, "data of a level not being read");
      return TERN_TLS_FAILED;
    }
    if (!keep_input(session, level, crypto)) {
      tern_tls_push_error(base, TERN_QUIC_INTERNAL_ERROR, "out of memory");
      return TERN_TLS_FAILED;
    }
  }
  enum tern_tls_result result = drive(session);
  /* [rfc8446-5.1] handshake messages MUST NOT span key changes. */
  if (session->in_at != session->in_len && session->in_level != session->rx_level)
    tern_tls_push_alert(base, TERN_ALERT_UNEXPECTED_MESSAGE, "message across a change of keys");
  ERR_clear_error();
  return result;
}

static const struct tern_tls_ops openssl_ops = {
    .free = free_tls,
    .session_new = new_session,
    .session_free = free_session,
    .feed = feed,
    .release = release_session,
};
