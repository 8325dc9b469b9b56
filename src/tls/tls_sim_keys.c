/* SPDX-License-Identifier: MIT */
/* Transcript and secrets of the pretended TLS. NO SECURITY; the formulas are in tls_sim.c. */
#include <string.h>

#include "base/assert.h"
#include "tls/tls_sim_session.h"

const struct tern_tls_sim_options *tern_sim_options(const struct sim_session *session)
{
  return &((const struct sim_tls *)session->base.tls)->options;
}

void tern_sim_hmac(const uint8_t key[32], tern_slice data, uint8_t out[32])
{
  bool is_done = tern_crypto_provider()->hmac(tern_slice_of(key, 32), data, out);
  TERN_ASSERT(is_done);
}

/* ---- secrets ------------------------------------------------------------------------------- */

void tern_sim_mix_randoms(struct sim_session *session)
{
  static const uint8_t label[32] = "tern sim, no security";
  uint8_t both[64];
  memcpy(both, session->client_random, 32);
  memcpy(both + 32, session->server_random, 32);
  tern_sim_hmac(session->is_resumed ? session->psk : label, tern_slice_of(both, sizeof both),
                session->handshake_secret);
}

void tern_sim_make_app_secret(struct sim_session *session)
{
  tern_sim_hmac(session->handshake_secret, tern_slice_of(session->transcript, 32),
                session->app_secret);
}

void tern_sim_make_psk(struct sim_session *session, tern_slice ticket)
{
  static const uint8_t label[32] = "tern sim psk, no security";
  tern_sim_hmac(label, ticket, session->psk);
}

void tern_sim_push_secret(struct sim_session *session, enum tern_level level, bool is_tx)
{
  uint8_t early[32];
  enum tern_hash_id hash = tern_aead_hash(session->aead);
  size_t len = tern_hash_bytes(hash);
  uint8_t out[TERN_HASH_MAX];
  bool is_client = session->base.is_server != is_tx;
  const uint8_t *from = level == TERN_LEVEL_APP ? session->app_secret : session->handshake_secret;
  if (level == TERN_LEVEL_EARLY) {
    tern_sim_hmac(session->psk, tern_slice_of(session->client_random, 32), early);
    from = early;
  }
  bool is_done = tern_expand_label(hash, tern_slice_of(from, 32),
                                   is_client ? "c traffic" : "s traffic", out, len);
  TERN_ASSERT(is_done);
  tern_tls_push_secret(&session->base, level, is_tx, session->aead, tern_slice_of(out, len));
  tern_wipe(out, sizeof out);
}

void tern_sim_make_finished(const struct sim_session *session, bool of_server, uint8_t out[32])
{
  uint8_t data[33];
  memcpy(data, session->transcript, 32);
  data[32] = of_server;
  tern_sim_hmac(session->handshake_secret, tern_slice_of(data, sizeof data), out);
}

void tern_sim_add_to_transcript(struct sim_session *session, tern_slice message)
{
  uint8_t next[32];
  tern_sim_hmac(session->transcript, message, next);
  memcpy(session->transcript, next, sizeof next);
}
