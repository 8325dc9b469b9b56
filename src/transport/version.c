/* SPDX-License-Identifier: MIT */
/* Which version of QUIC a connection speaks (RFC 9368), and how both sides know that nobody in between
 * has chosen for them.
 *
 *   client  first flight in its preferred version --> server knows it:   goes on, or answers in another
 *                                                     that the client lists; the client follows
 *                                                 --> server does not:   Version Negotiation; the client
 *                                                     begins anew, once, and checks the answer afterwards
 *
 * Both say in the handshake what they chose from; what does not fit is VERSION_NEGOTIATION_ERROR. */
#include <string.h>

#include "transport/conn.h"
#include "wire/stateless.h"

void tern_conn_describe_versions(const tern_conn *conn, struct tern_params *params)
{
  const tern_config *config = &conn->endpoint->config;
  uint32_t noise;

  params->has_version_information = true;
  params->chosen_version = conn->version;
  params->available_versions_count = 0;
  if (conn->has_fixed_version)
    params->available_versions[params->available_versions_count++] = conn->version;
  else
    for (uint32_t i = 0; i < config->versions_count; i++)
      params->available_versions[params->available_versions_count++] = config->versions[i];
  if (!config->grease)
    return;
  config->random.fill(config->random.arg, (uint8_t *)&noise, sizeof noise);
  params->available_versions[params->available_versions_count++] =
      (noise & 0xf0f0f0f0u) | 0x0a0a0a0au; /* [rfc9368-10] [rfc9000-15] */
}

/* ---- downgrades [rfc9368-4] ------------------------------------------------------------------- */

static bool has_version(const uint32_t *versions, size_t count, uint32_t version)
{
  for (size_t i = 0; i < count; i++)
    if (versions[i] == version)
      return true;
  return false;
}

/* The most preferred of our versions that the peer has, too; 0 = none. */
static uint32_t choose_common(const tern_conn *conn, const struct tern_params *params)
{
  const tern_config *config = &conn->endpoint->config;

  for (uint32_t i = 0; i < config->versions_count; i++)
    if (has_version(params->available_versions, params->available_versions_count,
                    config->versions[i]))
      return config->versions[i];
  return 0;
}

bool tern_conn_are_versions_true(const tern_conn *conn, const struct tern_params *params)
{
  /* [rfc9368-8] its absence says: version 1 and no other */
  if (!params->has_version_information)
    return !conn->has_followed_version &&
           (!conn->has_negotiated_version || conn->version == TERN_VERSION_1);
  /* [rfc9368-4] the client's is that of its first flight, the server's the one in use. */
  if (params->chosen_version != (conn->is_server ? conn->original_version : conn->version))
    return false;
  /* [rfc9368-4] a Version Negotiation packet was believed: the same list, authentic, must lead to the
   * same first flight. */
  return !conn->has_negotiated_version || choose_common(conn, params) == conn->original_version;
}

/* ---- server: another version [rfc9368-2.3] ---------------------------------------------------- */

/* [rfc9369-4] versions 1 and 2, which are all that a config may list, are compatible both ways. */
static uint32_t choose_version(const tern_conn *conn, tern_slice bytes)
{
  struct tern_params params;

  if (tern_params_read(bytes, false, &params) != 0 || !params.has_version_information ||
      params.chosen_version != conn->version)
    return conn->version; /* what is wrong with it is said when TLS has read it, too */
  uint32_t version = choose_common(conn, &params);
  return version != 0 ? version : conn->version;
}

bool tern_conn_upgrade_version(tern_conn *conn, tern_slice params)
{
  uint32_t version = choose_version(conn, params);

  if (version == conn->version)
    return true;
  struct tern_keys *keys =
      tern_keys_new_initial(&conn->alloc, version, tern_conn_client_id(conn), true);
  if (keys == NULL) {
    tern_conn_fail_local(conn, "no memory for another version");
    return false;
  }
  conn->initial->original_keys = conn->initial->keys;
  conn->initial->keys = keys;
  conn->version = version;
  return true;
}

/* ---- client: another version ------------------------------------------------------------------ */

bool tern_conn_restart_version(tern_conn *conn, tern_slice versions)
{
  const tern_config *config = &conn->endpoint->config;
  uint32_t version =
      tern_version_negotiation_choose(versions, config->versions, config->versions_count);

  if (version == 0 || conn->has_negotiated_version || conn->early_status != TERN_EARLY_NONE)
    return false;
  tern_conn_drop_space(conn, TERN_SPACE_INITIAL);
  tern_tls_session_free(conn->tls);
  conn->tls = NULL;
  conn->version = conn->original_version = version;
  conn->has_negotiated_version = true;
  config->random.fill(config->random.arg, conn->original_dcid.bytes, conn->original_dcid.len);
  conn->peer_scid = conn->original_dcid;
  tern_cid_remote_set_first(&conn->path.remote_ids, &conn->peer_scid);
  struct tern_pn_space *space = tern_conn_make_space(conn, TERN_SPACE_INITIAL);
  if (space != NULL)
    space->keys = tern_keys_new_initial(&conn->alloc, version, &conn->original_dcid, false);
  if (space == NULL || space->keys == NULL) {
    tern_conn_fail_local(conn, "no memory for another version");
    return true;
  }
  space->can_send = space->can_receive = true;
  tern_conn_start_tls(conn, NULL);
  tern_conn_make_due(conn);
  return true;
}

bool tern_conn_can_follow_version(const tern_conn *conn, const struct tern_long_header *header)
{
  const tern_config *config = &conn->endpoint->config;
  bool is_handshake = header->type == TERN_PACKET_INITIAL || header->type == TERN_PACKET_HANDSHAKE;

  return !conn->is_server && !conn->has_fixed_version && !conn->has_followed_version &&
         conn->handshake == NULL && conn->initial != NULL && is_handshake &&
         has_version(config->versions, config->versions_count, header->version);
}

bool tern_conn_follow_version(tern_conn *conn, uint32_t version, struct tern_version_before *before)
{
  const struct tern_cid *dcid = conn->has_retry ? &conn->retry_scid : &conn->original_dcid;
  struct tern_keys *keys = tern_keys_new_initial(&conn->alloc, version, dcid, false);

  if (keys == NULL)
    return false;
  *before = (struct tern_version_before){conn->version, conn->initial->keys,
                                         conn->stats.packets_received};
  conn->initial->keys = keys;
  conn->version = version;
  conn->has_followed_version = true;
  return true;
}

void tern_conn_end_follow(tern_conn *conn, const struct tern_version_before *before)
{
  bool was_kept = conn->stats.packets_received != before->packets_received;

  if (was_kept || conn->initial == NULL || !tern_conn_is_open(conn)) {
    tern_keys_free(before->keys);
    return;
  }
  tern_keys_free(conn->initial->keys);
  conn->initial->keys = before->keys;
  conn->version = before->version;
  conn->has_followed_version = false;
}
