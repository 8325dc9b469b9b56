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
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "crypto/provider.h"
#include "tls/certs_awslc.h"
#include "tls/tls_backend.h"
#include "tls/tls_library.h"
#include "tls/tls_pem.h"
#include "wire/quic.h"

struct awslc_session {
  struct tern_tls_session base;
  SSL *ssl; /* NULL once released */
  tern_time now;
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

/* ---- tickets ------------------------------------------------------------------------------- */

static void fill_random(void *arg, uint8_t *data, size_t len)
{
  (void)arg;
  (void)RAND_bytes(data, len); /* ends the process rather than fail */
}

static size_t ticket_overhead(SSL *ssl)
{
  (void)ssl;
  return TERN_TICKET_OVERHEAD;
}

static int seal_ticket(SSL *ssl, uint8_t *out, size_t *out_len, size_t out_max, const uint8_t *in,
                       size_t in_len)
{
  static const tern_random_ops random = {fill_random, NULL};
  const struct awslc_session *session = (const struct awslc_session *)tern_tls_library_session(ssl);
  const struct tern_ticket_context context = {&random, session->now};
  if (in_len + TERN_TICKET_OVERHEAD > out_max)
    return 0;
  *out_len = in_len + TERN_TICKET_OVERHEAD;
  return tern_tickets_seal(session->base.tls->tickets, &context, tern_slice_of(in, in_len), out);
}

/* The library decides on early data after this call, so a replay is kept from it here. The tickets of such
 * a handshake bring no early data either; those of the next do. */
static enum ssl_ticket_aead_result_t open_ticket(SSL *ssl, uint8_t *out, size_t *out_len,
                                                 size_t out_max, const uint8_t *in, size_t in_len)
{
  const struct awslc_session *session = (const struct awslc_session *)tern_tls_library_session(ssl);
  struct tern_tickets *tickets = session->base.tls->tickets;
  tern_slice ticket = tern_slice_of(in, in_len);
  if (in_len < TERN_TICKET_OVERHEAD || in_len - TERN_TICKET_OVERHEAD > out_max ||
      !tern_tickets_open(tickets, ticket, out))
    return ssl_ticket_aead_ignore_ticket;
  *out_len = in_len - TERN_TICKET_OVERHEAD;
  if (session->base.tls->early_data && !tern_tickets_take_early(tickets, ticket, session->now))
    SSL_set_early_data_enabled(ssl, 0);
  return ssl_ticket_aead_success;
}

/* A client's new ticket. */
static int on_session(SSL *ssl, SSL_SESSION *ticket)
{
  uint8_t *bytes;
  size_t len;
  if (SSL_SESSION_to_bytes(ticket, &bytes, &len) == 1) {
    (void)tern_tls_push_ticket(tern_tls_library_session(ssl), tern_slice_of(bytes, len));
    OPENSSL_free(bytes);
  }
  return 0; /* the library keeps what is its own */
}

static void configure_tickets(SSL_CTX *ctx, const tern_tls_config *config)
{
  static const SSL_TICKET_AEAD_METHOD method = {ticket_overhead, seal_ticket, open_ticket};
  if (!config->is_server) {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    return;
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  if (config->tickets_count == 0) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return;
  }
  (void)SSL_CTX_set_num_tickets(ctx, config->tickets_count);
  SSL_CTX_set_ticket_aead_method(ctx, &method);
  SSL_CTX_set_early_data_enabled(ctx, config->early_data);
}

/* ---- configuration, continued --------------------------------------------------------------- */

static const SSL_QUIC_METHOD *quic_method(void);

static tern_status configure(struct tern_tls_library *tls, const tern_tls_config *config, char *why,
                             size_t why_size)
{
  SSL_CTX *ctx = tls->ctx;
  if (SSL_CTX_set_quic_method(ctx, quic_method()) != 1)
    return tern_tls_refuse(why, why_size, "TLS 1.3 for QUIC");
  if (!set_ciphers(ctx, config->ciphers))
    return tern_tls_refuse(why, why_size, "ciphers");
  if (SSL_CTX_set1_groups_list(ctx, config->groups != NULL ? config->groups
                                                           : TERN_TLS_GROUPS_DEFAULT) != 1)
    return tern_tls_refuse(why, why_size, "groups");
  configure_tickets(ctx, config);
  if (config->is_server)
    tern_tls_use_certs(&tls->base);
  return TERN_OK;
}

tern_status tern_tls_backend_new(struct tern_tls **out, const tern_tls_config *config, char *why,
                                 size_t why_size)
{
  const struct tern_tls_library_args args = {&awslc_ops, config, configure};
  return tern_tls_library_new(out, &args, why, why_size);
}

/* ---- callbacks: they only append facts ----------------------------------------------------- */

/* The peer's transport parameters, as soon as TLS has read them: before the secrets that follow. */
static bool note_params(const SSL *ssl)
{
  struct tern_tls_session *session = tern_tls_library_session(ssl);
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
  return note_params(ssl) && tern_tls_push_secret(tern_tls_library_session(ssl),
                                                  (enum tern_level)level, is_tx, aead, secret);
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
  return note_params(ssl) && tern_tls_push_crypto(tern_tls_library_session(ssl),
                                                  (enum tern_level)level, tern_slice_of(data, len));
}

static int on_flush(SSL *ssl)
{
  (void)ssl; /* the end of feed is our flush */
  return 1;
}

static int on_alert(SSL *ssl, enum ssl_encryption_level_t level, uint8_t alert)
{
  (void)level;
  tern_tls_push_alert(tern_tls_library_session(ssl), alert,
                      ""); /* the text follows when the call returns */
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

/* [rfc9001-4.6.3] early data depends on what QUIC and the application promised when the ticket was made. */
static bool set_early_context(const struct awslc_session *session,
                              const struct tern_tls_session_args *args)
{
  const uint8_t *owners = session->base.tls->early_context;
  uint8_t context[32];
  return tern_crypto_provider()->hmac(tern_slice_of(owners, 32), args->early_context, context) &&
         SSL_set_quic_early_data_context(session->ssl, context, sizeof context) == 1;
}

/* A ticket that cannot be read, of another library perhaps, is as good as none. */
static void set_ticket(const struct awslc_session *session,
                       const struct tern_tls_session_args *args)
{
  SSL_SESSION *ticket =
      SSL_SESSION_from_bytes(args->ticket.data, args->ticket.len, SSL_get_SSL_CTX(session->ssl));
  if (ticket != NULL && SSL_set_session(session->ssl, ticket) == 1)
    SSL_set_early_data_enabled(session->ssl, args->wants_early);
  SSL_SESSION_free(ticket);
  ERR_clear_error();
}

static tern_status start_ssl(struct awslc_session *session,
                             const struct tern_tls_session_args *args)
{
  const struct tern_tls_library *tls = (const struct tern_tls_library *)session->base.tls;
  session->ssl = SSL_new(tls->ctx);
  if (session->ssl == NULL)
    return TERN_NOMEM;
  if (SSL_set_app_data(session->ssl, &session->base) != 1 ||
      SSL_set_quic_transport_params(session->ssl, args->params.data, args->params.len) != 1)
    return TERN_NOMEM;
  session->now = args->now;
  if (args->is_server) {
    SSL_set_accept_state(session->ssl);
    return set_early_context(session, args) ? TERN_OK : TERN_NOMEM;
  }
  SSL_set_connect_state(session->ssl);
  if (args->ticket.len != 0)
    set_ticket(session, args);
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

/* SSL_do_handshake says 1 at the end, and with early data also before: a client may send then, a server
 * receive. */
static void on_pause(struct awslc_session *session)
{
  struct tern_tls_summary summary;
  bool is_over = !SSL_in_init(session->ssl);
  bool has_early = session->base.is_server && !is_over && !session->base.is_early &&
                   SSL_in_early_data(session->ssl);
  if ((!is_over && !has_early) ||
      !tern_tls_library_summarise(&session->base, session->ssl,
                                  SSL_get_group_name(SSL_get_group_id(session->ssl)), &summary))
    return;
  if (is_over)
    tern_tls_push_complete(&session->base, &summary);
  else
    tern_tls_push_early_accepted(&session->base, &summary);
}

/* [rfc9001-4.6.2] the handshake goes on without what was sent early. */
static int reject_early(struct awslc_session *session)
{
  tern_tls_push_early_rejected(&session->base);
  SSL_reset_early_data_reject(session->ssl);
  return SSL_do_handshake(session->ssl);
}

static enum tern_tls_result drive(struct awslc_session *session)
{
  SSL *ssl = session->ssl;
  int result = SSL_do_handshake(ssl);
  if (result != 1 && SSL_get_error(ssl, result) == SSL_ERROR_EARLY_DATA_REJECTED)
    result = reject_early(session);
  if (!session->base.is_failed)
    (void)note_params(ssl); /* out of memory: is_failed then, which the caller looks at */
  if (result == 1) {
    on_pause(session);
    return TERN_TLS_PROGRESS;
  }
  int error = SSL_get_error(ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    return TERN_TLS_PROGRESS;
  if (error == SSL_ERROR_PENDING_CERTIFICATE || error == SSL_ERROR_WANT_PRIVATE_KEY_OPERATION ||
      error == SSL_ERROR_WANT_CERTIFICATE_VERIFY || error == SSL_ERROR_WANT_X509_LOOKUP)
    return TERN_TLS_PENDING;
  tern_tls_library_explain(&session->base, session->ssl);
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
    tern_tls_library_explain(&session->base, session->ssl);
    result = TERN_TLS_FAILED;
  }
  ERR_clear_error();
  return result;
}

static const struct tern_tls_ops awslc_ops = {
    .free = tern_tls_library_free,
    .session_new = new_session,
    .session_free = free_session,
    .feed = feed,
    .release = release_session,
};
