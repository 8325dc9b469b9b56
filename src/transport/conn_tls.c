/* SPDX-License-Identifier: MIT */
/* The handshake: CRYPTO bytes to TLS, and what TLS says to the connection.
 *
 *   CRYPTO in  --drive--> session --facts-->  CRYPTO out | keys | peer's parameters | complete | alert
 */
#include <string.h>

#include "transport/conn.h"
#include "transport/ticket.h"

/* [rfc9000-7.4.1] and HTTP's needs aside, what we say of ourselves. */
static void describe_us(const tern_conn *conn, struct tern_params *params)
{
  const tern_config *config = &conn->endpoint->config;

  tern_params_init(params);
  params->has_initial_scid = true; /* [rfc9000-7.3] */
  params->initial_scid = conn->first_scid;
  params->max_idle_timeout_ms = config->idle_timeout_ms;
  params->initial_max_data = config->conn_window_bytes;
  params->initial_max_stream_data_bidi_local = config->stream_window_bytes;
  params->initial_max_stream_data_bidi_remote = config->stream_window_bytes;
  params->initial_max_stream_data_uni = config->stream_window_bytes;
  params->initial_max_streams_bidi = config->streams_bidi_max;
  params->initial_max_streams_uni = config->streams_uni_max;
  params->max_ack_delay_ms = config->ack_delay_max_ms;
  params->active_connection_id_limit = TERN_CAP_ACTIVE_CIDS;
  params->max_datagram_frame_bytes = config->datagram_frame_max_bytes;
  tern_conn_describe_versions(conn, params);
  if (!conn->is_server)
    return;
  params->has_retry_scid = conn->has_retry;
  params->retry_scid = conn->retry_scid;
  params->has_original_dcid = true;
  params->original_dcid = conn->original_dcid;
  params->has_reset_token = true;
  memcpy(params->reset_token, conn->path.local_ids.entries[0].reset_token, TERN_RESET_TOKEN_BYTES);
}

static size_t write_params(const tern_conn *conn, uint8_t bytes[TERN_PARAMS_SIZE_MAX])
{
  struct tern_writer writer = tern_writer_of(bytes, TERN_PARAMS_SIZE_MAX);
  const tern_config *config = &conn->endpoint->config;
  struct tern_params params;
  uint8_t noise[24];

  describe_us(conn, &params);
  tern_params_write(&writer, &params, conn->is_server);
  if (config->grease) {
    config->random.fill(config->random.arg, noise, sizeof noise);
    tern_params_write_grease(&writer, noise);
  }
  return tern_writer_len(&writer);
}

/* [rfc9000-7.4.1] a server whose limits have changed since the ticket takes no early data. */
static size_t write_early_context(const tern_conn *conn, uint8_t bytes[TERN_PARAMS_SIZE_MAX])
{
  struct tern_writer writer = tern_writer_of(bytes, TERN_PARAMS_SIZE_MAX);
  struct tern_params params, remembered;

  describe_us(conn, &params);
  tern_ticket_remember(&params, &remembered);
  tern_write_u32(&writer, conn->version);
  tern_params_write(&writer, &remembered, true);
  return tern_writer_len(&writer);
}

/* ---- facts --------------------------------------------------------------------------------- */

static enum tern_space_id get_space_id(enum tern_level level)
{
  switch (level) {
  case TERN_LEVEL_INITIAL:
    return TERN_SPACE_INITIAL;
  case TERN_LEVEL_HANDSHAKE:
    return TERN_SPACE_HANDSHAKE;
  case TERN_LEVEL_EARLY:
  case TERN_LEVEL_APP:
    return TERN_SPACE_APP;
  }
  return TERN_SPACE_APP;
}

static void on_crypto(tern_conn *conn, const struct tern_tls_fact *fact)
{
  struct tern_pn_space *space = tern_conn_space(conn, get_space_id(fact->level));
  size_t taken;

  if (space == NULL)
    return; /* of a level that is over: nobody could read it */
  if (!tern_conn_wake_crypto(conn, space) ||
      tern_stream_send_write(&space->crypto->send, fact->data, &taken) != TERN_OK)
    tern_conn_fail_local(conn, "no memory for handshake data");
}

static bool install(tern_conn *conn, struct tern_keys **keys, const struct tern_tls_fact *fact)
{
  if (*keys == NULL)
    *keys = tern_keys_new(&conn->alloc);
  if (*keys == NULL)
    return false;
  return (fact->is_tx ? tern_keys_set_tx : tern_keys_set_rx)(*keys, fact->aead, conn->version,
                                                             fact->data) == TERN_OK;
}

static void on_secret(tern_conn *conn, const struct tern_tls_fact *fact)
{
  struct tern_pn_space *space = tern_conn_make_space(conn, get_space_id(fact->level));
  bool is_early = fact->level == TERN_LEVEL_EARLY;

  if (space != NULL && fact->level == TERN_LEVEL_APP && conn->is_early && !conn->is_server)
    tern_conn_drop_early_tx(conn);
  if (space == NULL ||
      !install(conn, is_early && !fact->is_tx ? &conn->early_keys : &space->keys, fact)) {
    tern_conn_fail_local(conn, "keys could not be installed");
    return;
  }
  if (fact->is_tx)
    space->can_send = true;
  else if (!is_early)
    space->can_receive = true;
  if (fact->level == TERN_LEVEL_APP)
    space->keys->update_packets = conn->endpoint->config.key_update_packets;
  if (is_early && fact->is_tx)
    tern_conn_start_early(conn);
  TERN_EVENT(&conn->endpoint->events, conn->id, keys_installed, .level = (uint8_t)fact->level,
             .is_tx = fact->is_tx, .is_server = conn->is_server);
}

/* [rfc9000-7.3] the ids that the peer saw must be the ones that were sent. */
static bool are_ids_true(const tern_conn *conn, const struct tern_params *params)
{
  if (!params->has_initial_scid || !tern_cid_equal(&params->initial_scid, &conn->peer_scid))
    return false;
  if (conn->is_server)
    return true;
  if (params->has_retry_scid != conn->has_retry ||
      (conn->has_retry && !tern_cid_equal(&params->retry_scid, &conn->retry_scid)))
    return false;
  return params->has_original_dcid && tern_cid_equal(&params->original_dcid, &conn->original_dcid);
}

static void show_params(tern_conn *conn, const struct tern_params *params)
{
  TERN_EVENT(&conn->endpoint->events, conn->id, params_received,
             .idle_timeout_ms = params->max_idle_timeout_ms,
             .udp_payload_max = params->max_udp_payload_bytes, .data_max = params->initial_max_data,
             .stream_bidi_local = params->initial_max_stream_data_bidi_local,
             .stream_bidi_remote = params->initial_max_stream_data_bidi_remote,
             .stream_uni = params->initial_max_stream_data_uni,
             .streams_bidi = params->initial_max_streams_bidi,
             .streams_uni = params->initial_max_streams_uni,
             .ack_delay_exponent = params->ack_delay_exponent,
             .ack_delay_max_ms = params->max_ack_delay_ms,
             .cids_max = params->active_connection_id_limit,
             .datagram_max = params->max_datagram_frame_bytes,
             .migration_off = params->disable_active_migration,
             .preferred_address = params->has_preferred_address);
}

static void on_params(tern_conn *conn, tern_slice bytes)
{
  struct tern_params given, remembered;
  const struct tern_params *params = &given;
  uint64_t code = tern_params_read(bytes, !conn->is_server, &given);

  if (code != 0) {
    tern_conn_fail(conn, code, 0, "malformed transport parameters");
    return;
  }
  tern_params_restore(&conn->peer_params, &remembered);
  conn->peer_params = tern_params_keep(params);
  /* [rfc9000-7.4.1] a server that takes early data MUST NOT set smaller values. */
  if (conn->early_status == TERN_EARLY_PENDING && !tern_ticket_is_kept(&remembered, params)) {
    tern_conn_fail(conn, TERN_QUIC_PROTOCOL_VIOLATION, 0,
                   "early data was accepted with smaller limits than were remembered");
    return;
  }
  if (!are_ids_true(conn, params)) {
    tern_conn_fail(conn, TERN_QUIC_TRANSPORT_PARAMETER_ERROR, 0,
                   "connection ids in the transport parameters are not those of the handshake");
    return;
  }
  if (!tern_conn_are_versions_true(conn, params)) {
    tern_conn_fail(conn, TERN_QUIC_VERSION_NEGOTIATION_ERROR, 0,
                   "the versions in the transport parameters are not those of the handshake");
    return;
  }
  conn->has_peer_params = true;
  show_params(conn, params);
  uint64_t udp_max = params->max_udp_payload_bytes;
  tern_pmtud_set_max(&tern_conn_route(conn)->pmtud,
                     (uint16_t)(udp_max < UINT16_MAX ? udp_max : UINT16_MAX));
  tern_cid_local_on_peer_limit(&conn->path.local_ids, params->active_connection_id_limit);
  if (params->has_reset_token) {
    tern_cid_remote_set_first_token(&conn->path.remote_ids, params->reset_token);
    tern_endpoint_add_reset(conn->endpoint, params->reset_token, conn);
  }
  if (conn->body != NULL)
    tern_conn_apply_peer_limits(conn);
}

static void on_complete(tern_conn *conn)
{
  conn->state = TERN_CONN_CONNECTED;
  conn->connected_at = conn->endpoint->now;
  conn->stats.handshake_ns = conn->connected_at - conn->started_at;
  conn->news.connected = true;
  conn->is_early = false;
  if (conn->early_status == TERN_EARLY_PENDING)
    conn->early_status = TERN_EARLY_ACCEPTED;
  TERN_EVENT(
      &conn->endpoint->events, conn->id, tls_complete, .alpn = tern_tls_session_get_alpn(conn->tls),
      .server_name = tern_tls_session_get_server_name(conn->tls),
      .cipher = tern_tls_session_get_cipher(conn->tls),
      .group = tern_tls_session_get_group(conn->tls), .handshake_ns = conn->stats.handshake_ns);
  if (conn->is_server) {
    /* [rfc9001-4.1.2] the server's handshake is confirmed when it is complete. */
    conn->wants_handshake_done = true;
    conn->wants_new_token = conn->endpoint->config.new_tokens;
    tern_tls_session_release(conn->tls);
  }
  tern_conn_offer_streams(conn);
}

static void on_alert(tern_conn *conn, const struct tern_tls_fact *fact)
{
  char text[TERN_REASON_MAX];
  size_t len = fact->data.len < sizeof text - 1 ? fact->data.len : sizeof text - 1;

  if (len != 0)
    memcpy(text, fact->data.data, len);
  text[len] = '\0';
  if (fact->code >= TERN_QUIC_CRYPTO_BASE)
    tern_conn_fail_tls(conn, fact->alert, text);
  else
    tern_conn_fail(conn, fact->code, 0, text);
}

static void take_facts(tern_conn *conn)
{
  struct tern_tls_fact fact;

  while (tern_conn_is_open(conn) && tern_tls_session_next_fact(conn->tls, &fact)) {
    switch (fact.kind) {
    case TERN_TLS_FACT_CRYPTO:
      on_crypto(conn, &fact);
      break;
    case TERN_TLS_FACT_SECRET:
      on_secret(conn, &fact);
      break;
    case TERN_TLS_FACT_PARAMS:
      on_params(conn, fact.data);
      break;
    case TERN_TLS_FACT_COMPLETE:
      on_complete(conn);
      break;
    case TERN_TLS_FACT_ALERT:
      on_alert(conn, &fact);
      break;
    case TERN_TLS_FACT_TICKET:
      tern_conn_on_ticket(conn, fact.data);
      break;
    case TERN_TLS_FACT_EARLY_ACCEPTED:
      tern_conn_on_early_accepted(conn);
      break;
    case TERN_TLS_FACT_EARLY_REJECTED:
      tern_conn_on_early_rejected(conn);
      break;
    }
  }
  tern_conn_make_due(conn);
}

/* ---- driving ------------------------------------------------------------------------------- */

static enum tern_level get_level(enum tern_space_id id)
{
  switch (id) {
  case TERN_SPACE_INITIAL:
    return TERN_LEVEL_INITIAL;
  case TERN_SPACE_HANDSHAKE:
    return TERN_LEVEL_HANDSHAKE;
  case TERN_SPACE_APP:
    return TERN_LEVEL_APP;
  }
  return TERN_LEVEL_APP;
}

static void feed(tern_conn *conn, enum tern_level level, tern_slice crypto)
{
  bool before = tern_endpoint_enter_hook(conn->endpoint); /* TLS may ask the application to sign */
  enum tern_tls_result result = tern_tls_session_feed(conn->tls, level, crypto);

  tern_endpoint_leave_hook(conn->endpoint, before);
  switch (result) {
  case TERN_TLS_PROGRESS:
  case TERN_TLS_PENDING: /* tern_conn_resume_tls follows */
  case TERN_TLS_FAILED:  /* the reason is the last fact */
    take_facts(conn);
  }
}

void tern_conn_start_tls(tern_conn *conn, const struct tern_conn_resume *resume)
{
  tern_endpoint *endpoint = conn->endpoint;
  uint8_t params[TERN_PARAMS_SIZE_MAX], context[TERN_PARAMS_SIZE_MAX];

  conn->has_fixed_version = resume != NULL && resume->ticket.len != 0;
  struct tern_tls_session_args args = {.alloc = &conn->alloc,
                                       .is_server = conn->is_server,
                                       .server_name = conn->server_name,
                                       .params = {params, write_params(conn, params)},
                                       .version = conn->version,
                                       .now = endpoint->now,
                                       .random = &endpoint->config.random,
                                       .inbox = endpoint->inbox,
                                       .inbox_owner = conn};
  tern_tls *tls = conn->is_server ? endpoint->server_tls : endpoint->client_tls;

  if (conn->is_server)
    args.early_context = tern_slice_of(context, write_early_context(conn, context));
  else if (resume != NULL && resume->ticket.len != 0)
    args.wants_early =
        tern_conn_use_ticket(conn, resume->ticket, &args.ticket) && resume->wants_early;
  if (tern_tls_session_new(tls, &args, &conn->tls) != TERN_OK) {
    tern_conn_fail_local(conn, "TLS could not start: is the server name usable?");
    return;
  }
  if (conn->is_server)
    return;
  feed(conn, TERN_LEVEL_INITIAL, tern_slice_of(NULL, 0));
}

void tern_conn_drive_tls(tern_conn *conn, struct tern_pn_space *space)
{
  enum tern_level level = get_level(space->id);
  tern_slice slice;

  if (space->crypto == NULL)
    return;
  if (conn->tls == NULL) {
    if (!tern_conn_may_start_tls(conn, space))
      return;
    tern_conn_start_tls(conn, NULL);
  }
  while (tern_conn_is_open(conn) && tern_stream_recv_peek(&space->crypto->recv, &slice, 1) != 0) {
    feed(conn, level, slice);
    tern_stream_recv_consume(&space->crypto->recv, slice.len);
  }
}

/* The level does not matter: nothing is handed over. */
void tern_conn_resume_tls(tern_conn *conn)
{
  if (!tern_conn_is_open(conn))
    return;
  feed(conn, TERN_LEVEL_INITIAL, tern_slice_of(NULL, 0));
  tern_conn_touch(conn);
}

void tern_conn_on_confirmed(tern_conn *conn)
{
  if (conn->is_confirmed)
    return;
  conn->is_confirmed = true;
  tern_conn_drop_early_rx(conn);
  tern_conn_drop_space(conn, TERN_SPACE_INITIAL);
  tern_conn_drop_space(conn, TERN_SPACE_HANDSHAKE); /* [rfc9001-4.9.2] */
  tern_pmtud_start(&tern_conn_route(conn)->pmtud);
  tern_conn_issue_ids(conn);
  TERN_EVENT(&conn->endpoint->events, conn->id, conn_state, .state = "confirmed");
}
