/* SPDX-License-Identifier: MIT */
/* What a TLS backend fills in, and what it is given: the vtable, the common head of its objects, and
 * the queue of facts. Backends and tls.c include this; nobody else. */
#ifndef TERN_TLS_TLS_BACKEND_H
#define TERN_TLS_TLS_BACKEND_H

#include <stdatomic.h>

#include <tern/base.h>
#include <tern/transport.h>

#include "base/alloc.h"
#include "tls/tickets.h"
#include "tls/tls.h"

#define TERN_TLS_ALPN_MAX 255 /* bytes of our list in wire form */
#define TERN_TLS_ALERT_TEXT_MAX 96

struct tern_tls_ops {
  void (*free)(struct tern_tls *tls);
  tern_status (*session_new)(struct tern_tls *tls, const struct tern_tls_session_args *args,
                             struct tern_tls_session **out);
  void (*session_free)(struct tern_tls_session *session);
  enum tern_tls_result (*feed)(struct tern_tls_session *session, enum tern_level level,
                               tern_slice crypto);
  /* Frees the library's object, keeps the session. Called at most once. */
  void (*release)(struct tern_tls_session *session);
  /* NULL = tern_client_hello_read; tls_sim's messages look otherwise. */
  uint8_t (*read_hello)(tern_slice message, struct tern_client_hello *hello);
};

/* First member of a backend's object. */
struct tern_tls {
  const struct tern_tls_ops *ops;
  atomic_uint refs; /* endpoints of several threads may share one */
  tern_certs_ops certs;
  struct tern_tls_names *names; /* further certificates, by name; or NULL */
  struct ssl_ctx_st *ctx;       /* of the backend, borrowed */
  bool is_server;
  bool serves_both;                /* tls_sim */
  uint8_t alpn[TERN_TLS_ALPN_MAX]; /* [rfc7301-3.1] length-prefixed names, in order of preference */
  size_t alpn_len;
  struct tern_tickets *tickets; /* server */
  uint8_t tickets_count;
  bool early_data;
  uint8_t early_context[32]; /* hash of the owner's */
};

struct tern_tls_fact_node {
  struct tern_tls_fact_node *next;
  enum tern_tls_fact_kind kind;
  enum tern_level level;
  bool is_tx;
  enum tern_aead_id aead;
  size_t len;
  size_t capacity;
  uint8_t bytes[];
};

/* First member of a backend's session. */
struct tern_tls_session {
  struct tern_tls *tls;
  struct tern_alloc *alloc;
  struct tern_tls_inbox *inbox;
  void *owner;                /* of works, as the inbox gives it back */
  struct tern_tls_work *work; /* under way or finished, not used yet; or NULL */
  struct tern_tls *choice;    /* server: a reference; what is used in place of `tls`, or NULL */
  bool is_server;
  bool is_complete;
  bool is_failed;
  bool is_released;
  bool is_resumed;
  bool is_early; /* server: early data is taken, and it was said */
  bool is_peer_verified;
  bool has_params;      /* the PARAMS fact was pushed */
  bool is_alert_queued; /* comes after every other fact */

  struct tern_tls_fact_node *head, *tail;
  struct tern_tls_fact_node *lent; /* what next_fact gave last: freed by the next call */

  /* The ALERT fact needs no memory but for its text, so that running out of it can be told too. */
  uint64_t alert_code;
  uint8_t alert;
  uint8_t alert_text_len;
  char *alert_text; /* owned; NULL if there is none, or no memory for it */

  char *alpn, *server_name; /* copies */
  size_t alpn_len, server_name_len;
  const char *cipher, *group; /* constants of a library */
};

/* ---- for backends -------------------------------------------------------------------------- */

/* Fills the head: one reference. TERN_INVALID with a sentence if the ALPN list is unusable. */
TERN_MUST_CHECK tern_status tern_tls_init(struct tern_tls *tls, const struct tern_tls_ops *ops,
                                          const tern_tls_config *config, char *why,
                                          size_t why_size);
/* Gives back what tern_tls_init took. */
void tern_tls_deinit(struct tern_tls *tls);
/* Takes a reference on `tls`. */
void tern_tls_session_init(struct tern_tls_session *session, struct tern_tls *tls,
                           const struct tern_tls_session_args *args);
/* Gives back what the head holds, wiped; drops the reference. */
void tern_tls_session_deinit(struct tern_tls_session *session);

/* Each answers false when memory is gone; the session has failed then, and says so in an alert. */
bool tern_tls_push_crypto(struct tern_tls_session *session, enum tern_level level, tern_slice data);
bool tern_tls_push_secret(struct tern_tls_session *session, enum tern_level level, bool is_tx,
                          enum tern_aead_id aead, tern_slice secret);
bool tern_tls_push_params(struct tern_tls_session *session, tern_slice params);
/* Copies what the getters answer. */
struct tern_tls_summary {
  tern_slice alpn, server_name;
  const char *cipher, *group;
  bool is_peer_verified;
  bool is_resumed;
};
bool tern_tls_push_complete(struct tern_tls_session *session,
                            const struct tern_tls_summary *summary);
/* Server: early data is taken; the getters are valid from here on. Once. */
bool tern_tls_push_early_accepted(struct tern_tls_session *session,
                                  const struct tern_tls_summary *summary);
bool tern_tls_push_early_rejected(struct tern_tls_session *session);
/* Client: a session to go on with. Quiet if it is too long to keep. */
bool tern_tls_push_ticket(struct tern_tls_session *session, tern_slice ticket);
/* The session has failed. The first alert counts; a later call only adds a text if there is none. */
void tern_tls_push_alert(struct tern_tls_session *session, uint8_t alert, const char *text);
/* The same with a QUIC transport error instead of an alert. */
void tern_tls_push_error(struct tern_tls_session *session, uint64_t code, const char *text);

/* TLS 1.3 cipher suite number to AEAD. False: not one of ours. */
bool tern_tls_find_aead(uint16_t suite, enum tern_aead_id *aead);
const char *tern_tls_suite_name(enum tern_aead_id aead);

/* "aes128:chacha20" to "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"; NULL means all. False:
 * an unknown word. */
#define TERN_TLS_CIPHERS_MAX 128
bool tern_tls_expand_ciphers(const char *ciphers, char out[TERN_TLS_CIPHERS_MAX]);
#define TERN_TLS_GROUPS_DEFAULT "X25519MLKEM768:X25519:P-256"

/* Bundles of trusted roots where the systems we know keep them; NULL ends the list. */
extern const char *const tern_tls_root_files[];

/* Writes a sentence for the caller of tern_tls_new. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void tern_tls_explain(char *why, size_t why_size, const char *format, ...);

/* Implemented by the backend that the build chose. `config` is checked. */
TERN_MUST_CHECK tern_status tern_tls_backend_new(struct tern_tls **out,
                                                 const tern_tls_config *config, char *why,
                                                 size_t why_size);

#endif
