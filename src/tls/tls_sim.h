/* SPDX-License-Identifier: MIT */
/* A pretended TLS for tests, simulation and fuzzing. NO SECURITY: the randoms cross the wire in clear
 * and the "key exchange" is a hash of them, so anyone who sees the handshake has the keys.
 *
 * What is real: the shape. Messages have TLS's types and lengths and travel at TLS's levels, flights
 * have realistic sizes, transport parameters, ALPN and SNI are carried, secrets appear in the order in
 * which AWS-LC gives them, and the Finished messages are checked. Everything is a function of the
 * arguments and of args->random, so a run repeats byte for byte.
 *
 *   client                                   server
 *   INITIAL   ClientHello      ------------>
 *             <------------ ServerHello      INITIAL
 *             <------------ EE, Cert, CV, Fin HANDSHAKE   (half-RTT from here)
 *   HANDSHAKE Finished         ------------>  complete
 *   complete   <-- NewSessionTicket  APP
 *
 * Tickets are real ones (tickets.h); with one the certificate is left out, and early data may go. */
#ifndef TERN_TLS_TLS_SIM_H
#define TERN_TLS_TLS_SIM_H

#include <tern/base.h>
#include <tern/transport.h>

#include "crypto/provider.h"
#include "tls/tls.h"

struct tern_tls_sim_options {
  const char *const *alpn; /* NULL = { "tern-sim" } */
  size_t alpn_count;
  uint32_t
      hello_bytes;     /* least size of ClientHello; 0 = 300. It grows if its contents need more. */
  uint32_t cert_bytes; /* size of the Certificate message; 0 = 2,400 */
  uint32_t tickets;    /* NewSessionTicket messages of the server at APP, 0 to 4 */
  tern_tickets *tickets_keys; /* NULL = its own */
  bool early_data;            /* the server takes it */
  enum tern_aead_id aead;     /* AES128 (0), AES256, CHACHA20, or NULL for speed */

  /* Failures to inject. */
  bool bad_certificate;  /* a client with this answers the certificate with alert 42 */
  bool bad_finished;     /* this side sends a wrong Finished: decrypt_error 51 at the other */
  uint8_t pending_steps; /* the server answers PENDING this many times before its flight */
};

/* One object serves clients and servers. `options` is copied; NULL = all defaults. NULL: no memory.
 * Sessions need args->random. */
TERN_MUST_CHECK tern_tls *tern_tls_sim_new(const tern_alloc_ops *alloc,
                                           const struct tern_tls_sim_options *options);

#endif
