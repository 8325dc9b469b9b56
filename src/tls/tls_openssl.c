/* SPDX-License-Identifier: MIT */
/* TLS by OpenSSL 3.5 or newer: the build takes this file instead of tls_awslc.c.
 *
 * Pull style: SSL_do_handshake asks for bytes (crypto_recv_rcd), says how many it is done with
 * (crypto_release_rcd), gives bytes to send (crypto_send) and secrets (yield_secret). It does not name
 * levels with its bytes: they belong to the level of the last secret of that direction, which we keep.
 * Fed bytes are copied, because OpenSSL may hold on to them until it releases them.
 *
 * Tickets: OpenSSL seals them itself (AES-256-CBC and HMAC-SHA256) and asks for keys by name, so those of
 * tern_tickets are expanded. A ticket of this backend cannot be read by the other one, and the reverse:
 * the sessions in them are written differently.
 *
 *   key of a ticket: HMAC(secret, "cipher") encrypts, HMAC(secret, "mac") authenticates
 *   id of a ticket:  the first 8 bytes of its IV; OpenSSL asks whether early data may be taken after
 *                    the ticket was authenticated, which is when the id is marked as used
 *
 * No private-key method: asynchronous signing needs ASYNC_JOB or a provider, later. */
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "crypto/provider.h"
#include "tls/tls_backend.h"
#include "tls/tls_library.h"
#include "tls/tls_pem.h"
#include "wire/quic.h"

/* Both groups that we prefer get a key share at once, as AWS-LC does. */
#define GROUPS_DEFAULT "*X25519MLKEM768:*X25519:P-256"

struct openssl_session {
  struct tern_tls_session base;
  SSL *ssl; /* NULL once released */
  enum tern_level tx_level, rx_level;
  uint8_t *params; /* ours: OpenSSL keeps the pointer */
  size_t params_len;
  uint8_t *in; /* fed, not released yet */
  size_t in_at, in_len, in_capacity;
  enum tern_level in_level;
  tern_time now;
  uint8_t early_context[32];
  uint64_t ticket_id; /* of the ticket that was looked at last */
};

static const struct tern_tls_ops openssl_ops;

const char *tern_tls_library(void)
{
  return OpenSSL_version(OPENSSL_VERSION_STRING) != NULL ? OpenSSL_version(OPENSSL_VERSION)
                                                         : "OpenSSL";
}

/* ---- configuration ------------------------------------------------------------------------- */

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

/* ---- tickets ------------------------------------------------------------------------------- */

#define TICKET_IV_BYTES 16

static void fill_random(void *arg, uint8_t *data, size_t len)
{
  (void)arg;
  if (RAND_bytes(data, (int)len) != 1)
    OPENSSL_die("no entropy", __FILE__, __LINE__); /* rather than a key that others know */
}

static bool expand_key(const tern_ticket_key *key, const char *label, uint8_t out[32])
{
  return tern_crypto_provider()->hmac(tern_slice_of(key->secret, sizeof key->secret),
                                      tern_slice_of(label, strlen(label)), out);
}

struct ticket_seal {
  const uint8_t *iv;
  EVP_CIPHER_CTX *cipher;
  EVP_MAC_CTX *mac;
  bool is_sealing;
};

static bool init_seal(const struct ticket_seal *seal, const tern_ticket_key *key)
{
  uint8_t cipher_key[32], mac_key[32];
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof mac_key),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  bool is_done = expand_key(key, "tern ticket cipher", cipher_key) &&
                 expand_key(key, "tern ticket mac", mac_key) &&
                 EVP_CipherInit_ex2(seal->cipher, EVP_aes_256_cbc(), cipher_key, seal->iv,
                                    seal->is_sealing, NULL) == 1 &&
                 EVP_MAC_CTX_set_params(seal->mac, params) == 1;
  tern_wipe(cipher_key, sizeof cipher_key);
  tern_wipe(mac_key, sizeof mac_key);
  return is_done;
}

/* OpenSSL's contract: 1 = go on, 0 = unknown key (no ticket is made, or a full handshake follows). */
static int find_ticket_key(SSL *ssl, unsigned char name[TERN_TICKET_NAME_BYTES], unsigned char *iv,
                           EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing)
{
  static const tern_random_ops random = {fill_random, NULL};
  struct openssl_session *session = (struct openssl_session *)tern_tls_library_session(ssl);
  const struct tern_ticket_context context = {&random, session->now};
  const struct ticket_seal seal = {iv, cipher, mac, is_sealing != 0};
  tern_slice wanted = tern_slice_of(name, is_sealing ? 0 : TERN_TICKET_NAME_BYTES);
  tern_ticket_key key;
  if (!tern_tickets_find_key(session->base.tls->tickets, &context, wanted, &key))
    return 0;
  if (is_sealing) {
    memcpy(name, key.name, sizeof key.name);
    fill_random(NULL, iv, TICKET_IV_BYTES);
  } else {
    memcpy(&session->ticket_id, iv, sizeof session->ticket_id);
  }
  bool is_ready = init_seal(&seal, &key);
  tern_wipe(&key, sizeof key);
  return is_ready ? 1 : -1;
}

/* [rfc9001-4.6.3] a ticket carries what was promised when it was made. */
static int add_context(SSL *ssl, void *arg)
{
  const struct openssl_session *session =
      (const struct openssl_session *)tern_tls_library_session(ssl);
  (void)arg;
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), session->early_context,
                                         sizeof session->early_context);
}

/* 1: this ticket's early data is taken, now and never again. */
static int allow_early(SSL *ssl, void *arg)
{
  const struct openssl_session *session =
      (const struct openssl_session *)tern_tls_library_session(ssl);
  void *context;
  size_t len;
  (void)arg;
  return SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &context, &len) == 1 &&
         len == sizeof session->early_context &&
         memcmp(context, session->early_context, len) == 0 &&
         tern_tickets_take_early_id(session->base.tls->tickets, session->ticket_id, session->now);
}

/* A client's new ticket. */
static int on_session(SSL *ssl, SSL_SESSION *ticket)
{
  struct tern_tls_session *session = tern_tls_library_session(ssl);
  uint32_t early_max = SSL_SESSION_get_max_early_data(ticket);
  uint8_t *bytes = NULL;
  if (early_max != 0 && early_max != UINT32_MAX) { /* [rfc9001-4.6.1] MUST treat as an error */
    tern_tls_push_error(session, TERN_QUIC_PROTOCOL_VIOLATION, "max_early_data_size of a ticket");
    return 0;
  }
  int len = i2d_SSL_SESSION(ticket, &bytes);
  if (len > 0) {
    (void)tern_tls_push_ticket(session, tern_slice_of(bytes, (size_t)len));
    OPENSSL_clear_free(bytes, (size_t)len);
  }
  return 0; /* the library keeps what is its own */
}

static bool configure_tickets(SSL_CTX *ctx, const tern_tls_config *config)
{
  if (!config->is_server) {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    return true;
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  if (config->tickets_count == 0)
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  /* OpenSSL's own defence against replays keeps every session in memory; ours is the set of tickets. */
  SSL_CTX_set_options(ctx, SSL_OP_NO_ANTI_REPLAY);
  SSL_CTX_set_allow_early_data_cb(ctx, allow_early, NULL);
  return SSL_CTX_set_num_tickets(ctx, config->tickets_count) == 1 &&
         SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, find_ticket_key) == 1 &&
         SSL_CTX_set_session_ticket_cb(ctx, add_context, NULL, NULL) == 1;
}

/* ---- configuration, continued --------------------------------------------------------------- */

static tern_status configure(struct tern_tls_library *tls, const tern_tls_config *config, char *why,
                             size_t why_size)
{
  SSL_CTX *ctx = tls->ctx;
  char ciphers[TERN_TLS_CIPHERS_MAX];
  if (!tern_tls_expand_ciphers(config->ciphers, ciphers) ||
      SSL_CTX_set_ciphersuites(ctx, ciphers) != 1)
    return tern_tls_refuse(why, why_size, "ciphers");
  if (!set_groups(ctx, config->groups != NULL ? config->groups : GROUPS_DEFAULT))
    return tern_tls_refuse(why, why_size, "groups");
  /* [rfc9001-8.4] MUST NOT use the middlebox compatibility mode. */
  SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  return configure_tickets(ctx, config) ? TERN_OK : tern_tls_refuse(why, why_size, "tickets");
}

tern_status tern_tls_backend_new(struct tern_tls **out, const tern_tls_config *config, char *why,
                                 size_t why_size)
{
  const struct tern_tls_library_args args = {&openssl_ops, config, configure};
  return tern_tls_library_new(out, &args, why, why_size);
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

/* A server has the early secret only if it takes what is sent under it. */
static bool accept_early(struct openssl_session *session)
{
  struct tern_tls_summary summary;
  return tern_tls_library_summarise(&session->base, session->ssl, name_group(session->ssl),
                                    &summary) &&
         tern_tls_push_early_accepted(&session->base, &summary);
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
  /* No CRYPTO bytes are of the early level [rfc9001-8.3]: after a HelloRetryRequest Initial goes on. */
  if (level != TERN_LEVEL_EARLY && is_tx)
    session->tx_level = level;
  else if (level != TERN_LEVEL_EARLY)
    session->rx_level = level;
  if (!tern_tls_push_secret(&session->base, level, is_tx, aead, tern_slice_of(secret, len)))
    return 0;
  return level != TERN_LEVEL_EARLY || is_tx || accept_early(session);
}

static int on_params(SSL *ssl, const unsigned char *params, size_t len, void *arg)
{
  struct openssl_session *session = arg;
  if (session->base.has_params)
    return 1; /* the ClientHello came twice, after HelloRetryRequest */
  /* [rfc9001-4.6.2] EncryptedExtensions has said by now whether early data was taken. */
  if (!session->base.is_server && SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_REJECTED &&
      !tern_tls_push_early_rejected(&session->base))
    return 0;
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

static tern_status start_server(struct openssl_session *session,
                                const struct tern_tls_session_args *args)
{
  const struct tern_tls *tls = session->base.tls;
  tern_slice owners = tern_slice_of(tls->early_context, sizeof tls->early_context);
  SSL_set_accept_state(session->ssl);
  if (!tern_crypto_provider()->hmac(owners, args->early_context, session->early_context) ||
      SSL_set_quic_tls_early_data_enabled(session->ssl, tls->early_data) != 1)
    return TERN_NOMEM;
  return TERN_OK;
}

/* A ticket that cannot be read, of another library perhaps, is as good as none. */
static void set_ticket(const struct openssl_session *session,
                       const struct tern_tls_session_args *args)
{
  const uint8_t *at = args->ticket.data;
  SSL_SESSION *ticket = d2i_SSL_SESSION(NULL, &at, (long)args->ticket.len);
  if (ticket != NULL && SSL_set_session(session->ssl, ticket) == 1 && args->wants_early)
    (void)SSL_set_quic_tls_early_data_enabled(session->ssl, 1); /* unless the ticket forbids it */
  SSL_SESSION_free(ticket);
  ERR_clear_error();
}

static tern_status start_ssl(struct openssl_session *session,
                             const struct tern_tls_session_args *args)
{
  const struct tern_tls_library *tls = (const struct tern_tls_library *)session->base.tls;
  session->ssl = SSL_new(tls->ctx);
  if (session->ssl == NULL || !keep_params(session, args->params))
    return TERN_NOMEM;
  if (SSL_set_app_data(session->ssl, &session->base) != 1 ||
      SSL_set_quic_tls_cbs(session->ssl, callbacks, session) != 1 ||
      SSL_set_quic_tls_transport_params(session->ssl, session->params, session->params_len) != 1)
    return TERN_NOMEM;
  session->now = args->now;
  if (args->is_server)
    return start_server(session, args);
  SSL_set_connect_state(session->ssl);
  if (args->ticket.len != 0)
    set_ticket(session, args);
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

/* OpenSSL gives tickets after a full handshake only by itself. */
static bool give_tickets(const struct openssl_session *session)
{
  uint8_t count = session->base.tls->tickets_count;
  if (!session->base.is_server || !SSL_session_reused(session->ssl))
    return true;
  for (uint8_t i = 0; i < count; i++)
    if (SSL_new_session_ticket(session->ssl) != 1)
      return false;
  return count == 0 || SSL_do_handshake(session->ssl) == 1;
}

static void complete(struct openssl_session *session)
{
  struct tern_tls_summary summary;
  if (!give_tickets(session))
    tern_tls_library_explain(&session->base, session->ssl);
  else if (tern_tls_library_summarise(&session->base, session->ssl, name_group(session->ssl),
                                      &summary))
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
    tern_tls_library_explain(&session->base, session->ssl);
    return TERN_TLS_FAILED;
  }
}

static enum tern_tls_result drive(struct openssl_session *session)
{
  if (!session->base.is_complete) {
    int result = SSL_do_handshake(session->ssl);
    /* It stops with 1, and not in init, where early data could be read or written: QUIC carries that. */
    if (result == 1 && !SSL_is_init_finished(session->ssl))
      result = SSL_do_handshake(session->ssl);
    if (result != 1)
      return judge(session, result);
    if (SSL_is_init_finished(session->ssl))
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
    .free = tern_tls_library_free,
    .session_new = new_session,
    .session_free = free_session,
    .feed = feed,
    .release = release_session,
};
