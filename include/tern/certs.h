/* SPDX-License-Identifier: MIT */
/* Certificates that are chosen, and private keys that are used, elsewhere: in another thread, another
 * process, a box of its own.
 *
 * A handshake that needs one hands out a piece of work and waits; whoever finishes the work, in whichever
 * thread and however much later, wakes the endpoint, and the handshake goes on:
 *
 *   endpoint's thread   choose(arg, work) ... other connections ...          handshake goes on
 *   yours                        \-- tern_tls_work_finish_choice(work, tls) --/
 *
 * A connection that ends meanwhile cancels its work; finish it all the same. */
#ifndef TERN_CERTS_H
#define TERN_CERTS_H

#include <tern/base.h>
#include <tern/config.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a handshake waits for. It is yours from the call that hands it out until you finish it, which you
 * must do exactly once, in any thread, also from inside that call. The functions that read it may be
 * called by any thread until then. */
typedef struct tern_tls_work tern_tls_work;

/* Who does what a handshake needs. Hooks, in the endpoint's thread: they must not take long. */
typedef struct tern_certs_ops {
  /* Choose what a client is answered with, by the name it asks for; called once per handshake, before
   * anything else of it is decided. NULL = the tern_tls that the endpoint has. */
  void (*choose)(void *arg, tern_tls_work *work);
  /* Sign by the key of the certificate. NULL = by tern_tls_config.key_file. */
  void (*sign)(void *arg, tern_tls_work *work);
  void *arg;
} tern_certs_ops;

/* The handshake is over without this work: its connection has ended. */
bool tern_tls_work_is_cancelled(const tern_tls_work *work);
/* SNI as the client sent it, in whichever case; empty if it sent none. */
tern_slice tern_tls_work_get_server_name(const tern_tls_work *work);

/* For `choose`: certificates, protocols and `certs.sign` of `tls`, which is a server's, hold for this
 * handshake; session tickets stay those of the endpoint's tern_tls, and early data needs the leave of both.
 * A reference is taken. NULL: there is none for this name, and the handshake fails with unrecognized_name
 * (RFC 6066 3). */
void tern_tls_work_finish_choice(tern_tls_work *work, tern_tls *tls);

/* For `sign`: SignatureScheme (RFC 8446 4.2.3), say 0x0403 for ecdsa_secp256r1_sha256. */
uint16_t tern_tls_work_get_scheme(const tern_tls_work *work);
/* What is to be signed, not hashed yet. */
tern_slice tern_tls_work_get_input(const tern_tls_work *work);
/* The signature as TLS wants it: ECDSA in DER, RSA-PSS with a salt as long as the hash. Copied. Empty, or
 * longer than TERN_SIGNATURE_MAX: it cannot be had, and the handshake fails with internal_error. */
void tern_tls_work_finish_signature(tern_tls_work *work, tern_slice signature);

/* ---- a private key in memory, for those who sign ---------------------------------------------- */

#define TERN_SIGNATURE_MAX 1024 /* bytes; RSA keys to 8,192 bits */

typedef struct tern_signing_key tern_signing_key;

/* From PEM without a password. On failure `why` has a sentence: TERN_TLS, TERN_NOMEM. */
TERN_MUST_CHECK tern_status tern_signing_key_new(tern_signing_key **out, tern_slice pem, char *why,
                                                 size_t why_size);
/* NULL is fine. */
void tern_signing_key_free(tern_signing_key *key);
/* Several threads may sign by one key. `*len` says how many bytes it wrote. TERN_INVALID: the scheme is not
 * one of TLS 1.3's, or the key cannot do it. */
TERN_MUST_CHECK tern_status tern_signing_key_sign(const tern_signing_key *key, uint16_t scheme,
                                                  tern_slice input,
                                                  uint8_t signature[TERN_SIGNATURE_MAX],
                                                  size_t *len);

#ifdef __cplusplus
}
#endif
#endif
