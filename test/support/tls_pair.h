/* SPDX-License-Identifier: MIT */
/* Two TLS sessions that talk in memory. What a session says is collected per level and handed to the
 * other in pieces of a chosen size; on the way the order of facts is asserted. */
#ifndef TERN_SUPPORT_TLS_PAIR_H
#define TERN_SUPPORT_TLS_PAIR_H

#include <tern/base.h>

#include "base/alloc.h"
#include "tls/tls.h"

#define TLS_SIDE_BUFFER 65536

struct tls_side {
  struct tern_tls_session *session;
  uint8_t out[TERN_LEVEL_COUNT][TLS_SIDE_BUFFER];
  size_t out_len[TERN_LEVEL_COUNT];
  size_t out_sent[TERN_LEVEL_COUNT];                  /* handed to the other side */
  uint8_t secret[TERN_LEVEL_COUNT][2][TERN_HASH_MAX]; /* [level][is_tx] */
  size_t secret_len[TERN_LEVEL_COUNT][2];
  enum tern_aead_id aead[TERN_LEVEL_COUNT];
  uint8_t params[256];
  size_t params_len;
  int completes, pendings, tickets;
  uint8_t ticket[TERN_CAP_TICKET]; /* the newest */
  size_t ticket_len;
  char trace[128]; /* "C0 T2 C2 ...": C(rypto) T(x secret) R(x secret) by level, P(arams), D(one),
                         early data A(ccepted), X (refused) */
  int alerts;
  uint8_t alert;
  uint64_t alert_code;
  char alert_text[128];
};

struct tls_pair {
  struct tern_alloc alloc;
  struct tls_side client, server;
  size_t piece; /* bytes per feed; 0 = as many as there are */
};

struct tls_pair_args {
  struct tern_tls *client, *server;
  const char *server_name;
  tern_time now;
  tern_slice ticket;
  bool wants_early;
  tern_slice early_context;
  const tern_random_ops *client_random, *server_random; /* for tls_sim */
};

#define TLS_PAIR_CLIENT_PARAMS "client's parameters"
#define TLS_PAIR_SERVER_PARAMS "parameters of the server"

/* The order of facts of AWS-LC, which tls_sim follows. */
#define TLS_PAIR_CLIENT_TRACE "C0 T2 R2 P0 C2 T3 R3 D0 "
#define TLS_PAIR_SERVER_TRACE "P0 C0 T2 C2 T3 R2 R3 D0 "
#define TLS_PAIR_SERVER_TRACE_OPENSSL "P0 C0 T2 R2 C2 T3 R3 D0 "

void tls_pair_init(struct tls_pair *pair, const struct tls_pair_args *args);
/* Asserts that nothing is left allocated. */
void tls_pair_deinit(struct tls_pair *pair);
/* Takes the facts of one side. */
void tls_side_drain(struct tls_side *side);
/* Until both are silent. The client must not have been fed before. */
void tls_pair_run(struct tls_pair *pair);
/* Both complete, no alerts, secrets agree, parameters arrived. */
void tls_pair_assert_connected(const struct tls_pair *pair);

#endif
