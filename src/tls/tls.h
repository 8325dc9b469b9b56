/* SPDX-License-Identifier: MIT */
/* TLS 1.3 as QUIC sees it [rfc9001-4]: handshake bytes in, facts out.
 *
 *   CRYPTO bytes of a level --feed--> session --next_fact--> CRYPTO to send, SECRETs, PARAMS, ...
 *
 * The TLS library's callbacks only append to the session's queue of facts; the connection drains it
 * after each feed, in the order in which TLS produced them. That order matters: a key must be installed
 * before what follows it is sent. Nothing here knows a connection, so nothing can be called back into
 * one that is gone.
 *
 * The shape serves push-style libraries (they call us with data and secrets) and pull-style ones (they
 * ask for bytes): both fill the same queue from inside `feed`. */
#ifndef TERN_TLS_TLS_H
#define TERN_TLS_TLS_H

#include <tern/base.h>
#include <tern/transport.h>

#include "base/alloc.h"
#include "crypto/secrets.h"
#include "tls/client_hello.h"

/* [rfc8446-6] the alerts that we raise ourselves. */
enum tern_tls_alert {
  TERN_ALERT_UNEXPECTED_MESSAGE = 10,
  TERN_ALERT_HANDSHAKE_FAILURE = 40,
  TERN_ALERT_BAD_CERTIFICATE = 42,
  TERN_ALERT_ILLEGAL_PARAMETER = 47,
  TERN_ALERT_DECODE_ERROR = 50,
  TERN_ALERT_DECRYPT_ERROR = 51,
  TERN_ALERT_INTERNAL_ERROR = 80,
  TERN_ALERT_MISSING_EXTENSION = 109,
  TERN_ALERT_NO_APPLICATION_PROTOCOL = 120,
};

struct tern_tls_session; /* made by a backend; see tls_backend.h */

struct tern_tls_session_args {
  struct tern_alloc *alloc;
  bool is_server;
  const char *server_name;  /* client: SNI and the name or IP address to verify; NULL on a server */
  tern_slice params;        /* our encoded transport parameters; copied */
  uint32_t version;         /* QUIC version */
  tern_time now;            /* for the replay set */
  tern_slice ticket;        /* client: data of a TICKET fact; one that cannot be read is ignored */
  bool wants_early;         /* client: send early data if the ticket allows it */
  tern_slice early_context; /* server: what early data depends on [rfc9001-4.6.3]; hashed */
  const tern_random_ops *random; /* used by tls_sim only; must outlive the session */
  struct tern_tls_inbox *inbox;  /* for works of others; NULL: a session that needs one fails */
  void *inbox_owner;             /* given back by tern_tls_inbox_take: feed this handshake then */
};

enum tern_tls_result {
  TERN_TLS_PROGRESS, /* go on: drain the facts, feed what comes */
  TERN_TLS_PENDING, /* waits for a certificate or signature; feed an empty slice when it is there */
  TERN_TLS_FAILED,  /* over: an ALERT fact is queued. Feeding again answers the same. */
};

enum tern_tls_fact_kind {
  TERN_TLS_FACT_CRYPTO,   /* level, data: append to the CRYPTO stream of that level */
  TERN_TLS_FACT_SECRET,   /* level, is_tx, aead, data: the traffic secret */
  TERN_TLS_FACT_PARAMS,   /* data: the peer's encoded transport parameters; before any SECRET of
                                   APP. Trusted when COMPLETE [rfc9001-8.2] */
  TERN_TLS_FACT_COMPLETE, /* the handshake is complete [rfc9001-4.1.1]: getters are valid */
  TERN_TLS_FACT_ALERT,    /* code, alert, text: close with `code` */
  TERN_TLS_FACT_TICKET,   /* client. data: a session to resume by tern_tls_session_args.ticket */
  TERN_TLS_FACT_EARLY_ACCEPTED, /* server: the SECRET of EARLY was or will be given in this feed;
                                   ALPN and server name are known */
  TERN_TLS_FACT_EARLY_REJECTED, /* client: forget what was sent under the SECRET of EARLY. Comes before
                                   PARAMS; if it has not come by COMPLETE, early data was taken */
};

struct tern_tls_fact {
  enum tern_tls_fact_kind kind;
  enum tern_level level;
  bool is_tx;
  enum tern_aead_id aead;
  uint8_t alert;   /* ALERT: TLS alert description, if `code` is 0x100 + alert */
  uint64_t code;   /* ALERT: QUIC error: 0x100 + alert [rfc9001-4.8], or PROTOCOL_VIOLATION */
  tern_slice data; /* valid until the next call on the session; ALERT: short text, not terminated */
};

/* A session keeps a reference on `tls`. TERN_NOMEM, TERN_INVALID (role or server name), TERN_TLS. */
TERN_MUST_CHECK tern_status tern_tls_session_new(struct tern_tls *tls,
                                                 const struct tern_tls_session_args *args,
                                                 struct tern_tls_session **out);
/* Wipes what is queued; NULL is fine. */
void tern_tls_session_free(struct tern_tls_session *session);

/* Hands over CRYPTO bytes, in order, of one level. An empty slice starts a client or resumes after
 * PENDING. Bytes of a level that TLS has left, or not reached, fail with PROTOCOL_VIOLATION
 * [rfc9001-4.1.3]. */
TERN_MUST_CHECK enum tern_tls_result
tern_tls_session_feed(struct tern_tls_session *session, enum tern_level level, tern_slice crypto);
/* False: the queue is empty. */
TERN_MUST_CHECK bool tern_tls_session_next_fact(struct tern_tls_session *session,
                                                struct tern_tls_fact *fact);

bool tern_tls_session_is_complete(const struct tern_tls_session *session);

/* True when TLS has nothing more to do for this connection: a server after COMPLETE, which has given its
 * tickets by then. A client keeps its object: tickets may come at any time. */
bool tern_tls_session_can_release(const struct tern_tls_session *session);
/* Frees the TLS library's object and keeps queued facts and getters. CRYPTO bytes fed afterwards fail
 * with unexpected_message. Quiet if can_release is false. */
void tern_tls_session_release(struct tern_tls_session *session);

/* Valid once COMPLETE (server: EARLY_ACCEPTED) was produced, until free. Before: empty. */
tern_slice tern_tls_session_get_alpn(const struct tern_tls_session *session);
/* Server: SNI as the client sent it. Client: the name it asked for. Empty if none. */
tern_slice tern_tls_session_get_server_name(const struct tern_tls_session *session);
const char *
tern_tls_session_get_cipher(const struct tern_tls_session *session); /* "TLS_AES_128_..." */
const char *
tern_tls_session_get_group(const struct tern_tls_session *session); /* "X25519MLKEM768" */
/* The handshake went on with an earlier session. */
bool tern_tls_session_is_resumed(const struct tern_tls_session *session);
/* The peer's certificate chain and name were checked. */
bool tern_tls_session_is_peer_verified(const struct tern_tls_session *session);

bool tern_tls_is_server(const struct tern_tls *tls); /* tls_sim: both; false */
/* Server: early data may be taken. */
bool tern_tls_takes_early(const struct tern_tls *tls);
/* Server: what a whole ClientHello asks for, without a session; slices point into it. Answers 0, or the TLS
 * alert for what is wrong with it. */
uint8_t tern_tls_read_hello(const struct tern_tls *tls, tern_slice message,
                            struct tern_client_hello *hello);
/* The first of our protocols that is in `offered` (wire form), or an empty slice: the server's order
 * decides [rfc7301-3.2]. */
tern_slice tern_tls_choose_alpn(const struct tern_tls *tls, tern_slice offered);

#endif
