/* SPDX-License-Identifier: MIT */
/* What AWS-LC and OpenSSL do by calls of the same name around a handshake: the object behind tern_tls,
 * ALPN, key logging, what a failure or a complete handshake is told as. Compiled against the chosen
 * library; its types are named here without its headers. What differs is in tls_<library>.c. */
#ifndef TERN_TLS_TLS_LIBRARY_H
#define TERN_TLS_TLS_LIBRARY_H

#include "tls/tls_backend.h"

struct ssl_ctx_st;
struct ssl_st;

struct tern_tls_library {
  struct tern_tls base;
  struct ssl_ctx_st *ctx;
  bool verifies_peer;
  void (*keylog)(void *arg, const char *line);
  void *keylog_arg;
};

struct tern_tls_library_args {
  const struct tern_tls_ops *ops;
  const tern_tls_config *config;
  /* Protocol versions, ciphers, groups, tickets: after the rest. */
  tern_status (*configure)(struct tern_tls_library *tls, const tern_tls_config *config, char *why,
                           size_t why_size);
};

TERN_MUST_CHECK tern_status tern_tls_library_new(struct tern_tls **out,
                                                 const struct tern_tls_library_args *args,
                                                 char *why, size_t why_size);
void tern_tls_library_free(struct tern_tls *tls);

/* The session that an SSL belongs to: its app data, which the backend sets. */
struct tern_tls_session *tern_tls_library_session(const struct ssl_st *ssl);

/* The library has failed: keeps its alert, or makes one, and adds why. */
void tern_tls_library_explain(struct tern_tls_session *session, const struct ssl_st *ssl);

/* What COMPLETE and EARLY_ACCEPTED tell. Points into `ssl`. False: an alert was raised. */
TERN_MUST_CHECK bool tern_tls_library_summarise(struct tern_tls_session *session,
                                                struct ssl_st *ssl, const char *group,
                                                struct tern_tls_summary *summary);

#endif
