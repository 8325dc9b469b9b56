/* SPDX-License-Identifier: MIT */
/* A session of the pretended TLS, shared by its two files: messages in tls_sim.c, secrets in
 * tls_sim_keys.c. */
#ifndef TERN_TLS_TLS_SIM_SESSION_H
#define TERN_TLS_TLS_SIM_SESSION_H

#include "tls/tls_backend.h"
#include "tls/tls_sim.h"

/* What is waited for. */
enum sim_state {
  SIM_CLIENT_START,
  SIM_CLIENT_HELLO,    /* server */
  SIM_FLIGHT,          /* server, PENDING before its flight */
  SIM_CLIENT_FINISHED, /* server */
  SIM_SERVER_HELLO,    /* client, and so on */
  SIM_EXTENSIONS,
  SIM_CERTIFICATE,
  SIM_CERTIFICATE_VERIFY,
  SIM_SERVER_FINISHED,
  SIM_DONE,
};

struct sim_tls {
  struct tern_tls base;
  tern_alloc_ops alloc;
  struct tern_tls_sim_options options;
};

struct sim_session {
  struct tern_tls_session base;
  enum sim_state state;
  enum tern_aead_id aead;
  uint8_t pending_left;
  uint8_t client_random[32], server_random[32];
  uint8_t transcript[32], handshake_secret[32], app_secret[32];
  uint8_t *params; /* ours */
  size_t params_len;
  tern_time now;
  tern_random_ops random;
  uint8_t early_context[32]; /* server: of its own tickets */
  uint8_t psk[32];
  uint8_t *ticket; /* client: the one it was given, NULL = none */
  size_t ticket_len;
  bool is_resumed;
  bool wants_early; /* client: it asked */
  bool takes_early; /* server */
  char *name;       /* SNI: the client's own, or what the server was told */
  size_t name_len;
  uint8_t alpn[256];
  size_t alpn_len;
  uint8_t *in; /* the message that is not complete yet */
  size_t in_len, in_capacity;
};

const struct tern_tls_sim_options *tern_sim_options(const struct sim_session *session);
void tern_sim_hmac(const uint8_t key[32], tern_slice data, uint8_t out[32]);
void tern_sim_mix_randoms(struct sim_session *session);
void tern_sim_make_app_secret(struct sim_session *session);
void tern_sim_make_psk(struct sim_session *session, tern_slice ticket);
void tern_sim_push_secret(struct sim_session *session, enum tern_level level, bool is_tx);
void tern_sim_make_finished(const struct sim_session *session, bool of_server, uint8_t out[32]);
void tern_sim_add_to_transcript(struct sim_session *session, tern_slice message);

#endif
