/* SPDX-License-Identifier: MIT */
/* A connection's life: made, given its spaces and its body, freed. */
#include "transport/conn.h"

#include <string.h>

#include "base/random.h"

/* The first skipped packet number; later ones follow at growing distances. */
#define FIRST_SKIP_MIN 64
#define FIRST_SKIP_SPREAD 192
/* An incremental stream sends this much before the next has its turn: one run of full datagrams. */
#define STREAM_QUANTUM_BYTES 65536

/* ---- spaces -------------------------------------------------------------------------------- */

static struct tern_pn_space **get_place(tern_conn *conn, enum tern_space_id id)
{
  switch (id) {
  case TERN_SPACE_INITIAL:
    return &conn->initial;
  case TERN_SPACE_HANDSHAKE:
    return &conn->handshake;
  case TERN_SPACE_APP:
    return &conn->path.data;
  }
  return NULL;
}

struct tern_pn_space *tern_conn_space(tern_conn *conn, enum tern_space_id id)
{
  return *get_place(conn, id);
}

bool tern_conn_wake_crypto(tern_conn *conn, struct tern_pn_space *space)
{
  if (space->crypto != NULL)
    return true;
  struct tern_crypto *crypto = tern_alloc_take(&conn->alloc, sizeof *crypto);
  if (crypto == NULL)
    return false;
  tern_stream_send_init_crypto(&crypto->send, &conn->alloc, space->crypto_sent_bytes);
  tern_crypto_recv_init(&crypto->recv, &conn->alloc, space->crypto_received_bytes);
  space->crypto = crypto;
  return true;
}

static void free_crypto(tern_conn *conn, struct tern_pn_space *space)
{
  if (space->crypto == NULL)
    return;
  tern_stream_send_deinit(&space->crypto->send);
  tern_stream_recv_deinit(&space->crypto->recv);
  tern_alloc_give(&conn->alloc, space->crypto, sizeof *space->crypto);
  space->crypto = NULL;
}

void tern_conn_rest_crypto(tern_conn *conn, struct tern_pn_space *space)
{
  const struct tern_crypto *crypto = space->crypto;

  if (crypto == NULL || crypto->send.acked_to != crypto->send.written ||
      crypto->recv.consumed != crypto->recv.highest || crypto->send.written > UINT32_MAX)
    return;
  space->crypto_sent_bytes = (uint32_t)crypto->send.written;
  space->crypto_received_bytes = (uint32_t)crypto->recv.consumed;
  free_crypto(conn, space);
}

static void free_space(tern_conn *conn, struct tern_pn_space *space)
{
  if (space == NULL)
    return;
  tern_keys_free(space->keys);
  tern_keys_free(space->original_keys);
  tern_acks_deinit(&space->acks);
  tern_sent_deinit(&space->sent);
  free_crypto(conn, space);
  tern_alloc_give(&conn->alloc, space, sizeof *space);
}

struct tern_pn_space *tern_conn_make_space(tern_conn *conn, enum tern_space_id id)
{
  struct tern_pn_space **place = get_place(conn, id);
  const tern_config *config = &conn->endpoint->config;
  /* [rfc9000-13.2.1] Initial and Handshake packets are acknowledged at once. */
  struct tern_acks_policy policy = {0, 1};

  if (*place != NULL)
    return *place;
  struct tern_pn_space *space = tern_alloc_take_zero(&conn->alloc, sizeof *space);
  if (space == NULL)
    return NULL;
  if (id == TERN_SPACE_APP)
    policy = (struct tern_acks_policy){config->ack_delay_max_ms * TERN_MS, 2};
  space->id = id;
  tern_acks_init(&space->acks, &conn->alloc, policy);
  tern_sent_init(&space->sent, &conn->alloc, 0);
  tern_loss_init(&space->loss);
  tern_ecn_space_init(&space->ecn);
  space->next_skip = FIRST_SKIP_MIN + tern_random_below(&config->random, FIRST_SKIP_SPREAD);
  if (!tern_conn_wake_crypto(conn, space)) {
    free_space(conn, space);
    return NULL;
  }
  *place = space;
  return space;
}

/* What is still in flight leaves the route's account; nobody is told, nobody waits for it. */
void tern_conn_forget_in_flight(tern_conn *conn, struct tern_pn_space *space)
{
  struct tern_range all = {space->sent.base, space->sent.next};
  struct tern_sent_cursor cursor = tern_sent_range_begin(&space->sent, all);
  struct tern_sent_packet *packet;

  while ((packet = tern_sent_range_next(&space->sent, &cursor)) != NULL)
    tern_inflight_on_resolved(&conn->path.routes[packet->route]->in_flight, packet);
}

void tern_conn_drop_space(tern_conn *conn, enum tern_space_id id)
{
  struct tern_pn_space **place = get_place(conn, id);

  if (*place == NULL)
    return;
  tern_conn_forget_in_flight(conn, *place);
  if (conn->endpoint->ack_news.space == *place)
    tern_conn_forget_acks(conn);
  free_space(conn, *place);
  *place = NULL;
  /* [rfc9002-6.2.2] the backoff starts anew when keys are discarded. */
  conn->pto_count = 0;
  conn->anti_deadlock_since = conn->endpoint->now;
  TERN_EVENT(&conn->endpoint->events, conn->id, keys_discarded,
             .level = id == TERN_SPACE_INITIAL ? TERN_LEVEL_INITIAL : TERN_LEVEL_HANDSHAKE);
}

/* ---- body ---------------------------------------------------------------------------------- */

tern_status tern_conn_make_body(tern_conn *conn)
{
  const tern_config *config = &conn->endpoint->config;

  if (conn->body != NULL)
    return TERN_OK;
  struct tern_conn_body *body = tern_alloc_take_zero(&conn->alloc, sizeof *body);
  if (body == NULL)
    return TERN_NOMEM;
  struct tern_stream_set_args args = {.alloc = &conn->alloc,
                                      .conn = conn,
                                      .is_server = conn->is_server,
                                      .seed = tern_random_u64(&config->random),
                                      .streams_bidi_max = config->streams_bidi_max,
                                      .streams_uni_max = config->streams_uni_max,
                                      .window_bytes = config->stream_window_bytes,
                                      .window_max_bytes = config->stream_window_max_bytes,
                                      .send_buffer_bytes = config->send_buffer_bytes};
  tern_stream_set_init(&body->streams, &args);
  tern_scheduler_init(&body->scheduler, &conn->alloc, STREAM_QUANTUM_BYTES);
  tern_flow_send_init(&body->flow_send, 0);
  tern_flow_recv_init(&body->flow_recv, config->conn_window_bytes, config->conn_window_max_bytes);
  tern_dgram_init(&body->dgram, &conn->alloc);
  tern_list_init(&body->touched);
  tern_list_init(&body->control);
  conn->body = body;
  if (conn->has_peer_params)
    tern_conn_apply_peer_limits(conn);
  return TERN_OK;
}

void tern_conn_forget_params(tern_conn *conn)
{
  struct tern_params none;

  tern_params_init(&none);
  conn->peer_params = tern_params_keep(&none);
}

void tern_conn_apply_peer_limits(tern_conn *conn)
{
  const struct tern_params_kept *params = &conn->peer_params;
  struct tern_stream_limits limits = {
      .streams_bidi = params->initial_max_streams_bidi,
      .streams_uni = params->initial_max_streams_uni,
      .stream_data_bidi_local = params->initial_max_stream_data_bidi_local,
      .stream_data_bidi_remote = params->initial_max_stream_data_bidi_remote,
      .stream_data_uni = params->initial_max_stream_data_uni};

  tern_flow_send_on_max(&conn->body->flow_send, params->initial_max_data);
  tern_stream_set_on_peer_limits(&conn->body->streams, &limits);
  tern_conn_offer_streams(conn);
}

static void free_body(tern_conn *conn)
{
  struct tern_conn_body *body = conn->body;

  if (body == NULL)
    return;
  bool before = tern_endpoint_enter_hook(conn->endpoint);
  tern_stream_set_deinit(&body->streams);
  tern_endpoint_leave_hook(conn->endpoint, before);
  tern_scheduler_deinit(&body->scheduler);
  tern_dgram_deinit(&body->dgram);
  tern_conn_free_tickets(conn);
  tern_alloc_give(&conn->alloc, body, sizeof *body);
  conn->body = NULL;
}

/* ---- new ----------------------------------------------------------------------------------- */

static tern_status add_route(tern_conn *conn, const struct tern_conn_args *args)
{
  const tern_config *config = &conn->endpoint->config;
  struct tern_route_args route_args = {.local = args->local,
                                       .remote = args->remote,
                                       .is_address_validated =
                                           !args->is_server || args->is_validated,
                                       .initial_rtt_ns = config->initial_rtt_ms * TERN_MS,
                                       .mtu_initial_bytes = config->mtu_initial_bytes,
                                       .mtu_max_bytes = config->mtu_max_bytes,
                                       .has_ecn = config->ecn,
                                       .cc = conn->cc,
                                       .cc_seed = tern_random_u64(&config->random),
                                       .now = conn->endpoint->now};
  struct tern_route *route = tern_route_new(&conn->alloc, &route_args);

  if (route == NULL)
    return TERN_NOMEM;
  conn->path.routes[conn->path.routes_count++] = route;
  return TERN_OK;
}

static tern_status copy_server_name(tern_conn *conn, const char *server_name)
{
  if (server_name == NULL)
    return TERN_OK;
  conn->server_name_bytes = strlen(server_name) + 1;
  conn->server_name = tern_alloc_take(&conn->alloc, conn->server_name_bytes);
  if (conn->server_name == NULL)
    return TERN_NOMEM;
  memcpy(conn->server_name, server_name, conn->server_name_bytes);
  return TERN_OK;
}

const struct tern_cid *tern_conn_client_id(const tern_conn *conn)
{
  return conn->is_server && conn->has_retry ? &conn->retry_scid : &conn->original_dcid;
}

static tern_status add_ids(tern_conn *conn, const struct tern_conn_args *args)
{
  uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
  tern_status status;

  tern_endpoint_make_id(conn->endpoint, &conn->first_scid, reset_token);
  tern_cid_local_init(&conn->path.local_ids, conn->path.id, &conn->first_scid,
                      args->is_server ? reset_token : NULL);
  tern_cid_remote_init(&conn->path.remote_ids, conn->path.id, &args->peer_cid);
  status = tern_endpoint_add_id(conn->endpoint, &conn->first_scid, conn);
  if (status == TERN_OK && args->is_server)
    status = tern_endpoint_add_id(conn->endpoint, tern_conn_client_id(conn), conn);
  return status;
}

static void count_new(tern_conn *conn)
{
  tern_endpoint_stats *stats = &conn->endpoint->stats;

  stats->conns_now++;
  stats->conns_total++;
  conn->is_half_open = conn->is_server && !conn->is_validated;
  stats->conns_half_open += conn->is_half_open;
  tern_conn_update_live(conn);
}

static tern_status fill_members(tern_conn *conn, const struct tern_conn_args *args)
{
  conn->cc = conn->endpoint->config.cc;
  conn->pacing_rate_max = conn->endpoint->config.pacing_rate_max;
  tern_status status = add_route(conn, args);
  if (status == TERN_OK)
    status = copy_server_name(conn, args->server_name);
  if (status == TERN_OK)
    status = tern_conn_set_token(conn, args->token);
  if (status == TERN_OK)
    status = add_ids(conn, args);
  if (status == TERN_OK && !args->is_server)
    status = tern_conn_make_body(conn);
  if (status != TERN_OK)
    return status;
  struct tern_pn_space *initial = tern_conn_make_space(conn, TERN_SPACE_INITIAL);
  if (initial == NULL)
    return TERN_NOMEM;
  initial->keys = tern_keys_new_initial(&conn->alloc, args->version, tern_conn_client_id(conn),
                                        args->is_server);
  initial->can_send = initial->can_receive = initial->keys != NULL;
  return initial->keys != NULL ? TERN_OK : TERN_NOMEM;
}

tern_status tern_conn_new(const struct tern_conn_args *args, tern_conn **out)
{
  tern_endpoint *endpoint = args->endpoint;
  tern_conn *conn = tern_alloc_take_zero(&endpoint->alloc, sizeof *conn);

  if (conn == NULL)
    return TERN_NOMEM;
  conn->endpoint = endpoint;
  tern_alloc_init(&conn->alloc, &endpoint->config.alloc, &endpoint->alloc, UINT64_MAX);
  conn->id = endpoint->next_conn_id;
  endpoint->next_conn_id += endpoint->config.steer.workers;
  conn->is_server = args->is_server;
  conn->is_validated = !args->is_server || args->is_validated;
  conn->has_retry = args->has_retry;
  conn->retry_scid = args->retry_scid;
  conn->version = conn->original_version = args->version;
  conn->original_dcid = args->original_dcid;
  conn->peer_scid = args->peer_cid;
  conn->started_at = conn->idle_from = conn->anti_deadlock_since = endpoint->now;
  conn->shutdown_at = conn->end_at = conn->keys_drop_at = TERN_TIME_NEVER;
  conn->pace_at = conn->layer.alarm_at = TERN_TIME_NEVER;
  tern_conn_forget_params(conn);
  tern_glitch_init(&conn->glitches, TERN_CAP_GLITCH_BURST, TERN_CAP_GLITCH_RATE, endpoint->now);
  tern_list_push_back(&endpoint->conns, &conn->all_node);
  tern_status status = tern_heap_insert(&endpoint->timers, &conn->timer, TERN_TIME_NEVER);
  if (status == TERN_OK)
    status = fill_members(conn, args);
  count_new(conn);
  if (status != TERN_OK) {
    tern_conn_free(conn);
    return status;
  }
  TERN_EVENT(&endpoint->events, conn->id, conn_started, .is_server = conn->is_server,
             .local_cid = tern_cid_slice(&conn->first_scid),
             .remote_cid = tern_cid_slice(&conn->original_dcid), .local = args->local,
             .remote = args->remote, .version = conn->version);
  tern_conn_touch(conn);
  *out = conn;
  return TERN_OK;
}

/* ---- free ---------------------------------------------------------------------------------- */

/* [rfc9000-10.2] what still comes for it makes no new connection, and gets no reset if the peer knows that it
 * is over. Else a reset tells it. */
static void remember_ids(tern_conn *conn)
{
  const struct tern_cid_local_entry *entry;
  bool does_peer_know = conn->end.by_peer && conn->end.kind != TERN_ERROR_STATELESS_RESET;
  uint32_t at = 0;

  if (!conn->is_server || !conn->is_validated || !conn->has_received)
    return;
  tern_endpoint_close_id(conn->endpoint, tern_conn_client_id(conn));
  while (does_peer_know && (entry = tern_cid_local_next(&conn->path.local_ids, &at)) != NULL)
    tern_endpoint_close_id(conn->endpoint, &entry->cid);
}

static void remove_ids(tern_conn *conn)
{
  const struct tern_cid_local_entry *entry;
  uint32_t at = 0;

  remember_ids(conn);
  while ((entry = tern_cid_local_next(&conn->path.local_ids, &at)) != NULL)
    tern_endpoint_remove_id(conn->endpoint, &entry->cid, conn);
  tern_conn_remove_original_id(conn);
  for (size_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++) {
    const struct tern_cid_remote_entry *remote = &conn->path.remote_ids.entries[i];
    if (remote->is_valid && remote->has_token)
      tern_endpoint_remove_reset(conn->endpoint, remote->reset_token, conn);
  }
}

void tern_conn_remove_original_id(tern_conn *conn)
{
  if (conn->is_server)
    tern_endpoint_remove_id(conn->endpoint, tern_conn_client_id(conn), conn);
}

static void free_packets(tern_conn *conn, struct tern_early_packet **list)
{
  struct tern_early_packet *packet;

  while ((packet = *list) != NULL) {
    *list = packet->next;
    tern_alloc_give(&conn->alloc, packet, sizeof *packet + packet->len);
  }
}

void tern_conn_free_replayed(tern_conn *conn)
{
  free_packets(conn, &conn->replayed);
}

void tern_conn_update_live(tern_conn *conn)
{
  bool is_live = tern_conn_is_open(conn) || (conn->wants_close && conn->state != TERN_CONN_DEAD);

  if (is_live == conn->is_live)
    return;
  conn->is_live = is_live;
  conn->endpoint->conns_live += is_live ? 1 : UINT64_MAX;
}

static void leave_half_open(tern_conn *conn)
{
  tern_endpoint *endpoint = conn->endpoint;

  if (!conn->is_half_open)
    return;
  conn->is_half_open = false;
  endpoint->stats.conns_half_open--;
  endpoint->half_open_bytes -= conn->half_open_bytes;
  conn->half_open_bytes = 0;
}

static void clear_sent(tern_conn *conn, struct tern_pn_space *space)
{
  if (space == NULL)
    return;
  tern_sent_deinit(&space->sent);
  free_crypto(conn, space);
}

static void clean_up_layer(tern_conn *conn)
{
  void (*cleanup)(void *arg) = conn->layer.cleanup;

  conn->layer.cleanup = NULL;
  conn->layer.rest = NULL;
  conn->layer.alarm_at = TERN_TIME_NEVER;
  if (cleanup != NULL)
    cleanup(conn->layer.cleanup_arg);
}

void tern_conn_shed(tern_conn *conn)
{
  clean_up_layer(conn);
  clear_sent(conn, conn->initial);
  clear_sent(conn, conn->handshake);
  clear_sent(conn, conn->path.data);
  free_packets(conn, &conn->early);
  free_packets(conn, &conn->replayed);
  free_body(conn);
  tern_tls_session_free(conn->tls);
  conn->tls = NULL;
}

void tern_conn_free(tern_conn *conn)
{
  tern_endpoint *endpoint = conn->endpoint;

  clean_up_layer(conn);
  TERN_EVENT(&endpoint->events, conn->id, conn_state, .state = "closed");
  conn->state = TERN_CONN_DEAD;
  tern_conn_update_live(conn);
  leave_half_open(conn);
  tern_admission_leave(&endpoint->admission, conn->source);
  tern_endpoint_forget_runs(endpoint, conn);
  tern_list_remove(&conn->all_node);
  tern_list_remove(&conn->touched_node);
  tern_list_remove(&conn->due_node);
  tern_heap_remove(&endpoint->timers, &conn->timer);
  tern_conn_forget_acks(conn);
  remove_ids(conn);
  free_packets(conn, &conn->early);
  free_packets(conn, &conn->replayed);
  free_body(conn);
  free_space(conn, conn->initial);
  free_space(conn, conn->handshake);
  free_space(conn, conn->path.data);
  tern_conn_drop_early_rx(conn);
  tern_tls_session_free(conn->tls);
  for (uint8_t i = 0; i < conn->path.routes_count; i++)
    tern_route_free(conn->path.routes[i], &conn->alloc);
  tern_conn_free_end(conn);
  tern_alloc_give(&conn->alloc, conn->server_name, conn->server_name_bytes);
  tern_alloc_give(&conn->alloc, conn->token, conn->token_bytes);
  tern_alloc_deinit(&conn->alloc);
  tern_alloc_give(&endpoint->alloc, conn, sizeof *conn);
  endpoint->stats.conns_now--;
}

/* ---- small things that several files of the spine need --------------------------------------- */

void tern_conn_touch(tern_conn *conn)
{
  if (!tern_list_has_node(&conn->touched_node))
    tern_list_push_back(&conn->endpoint->touched, &conn->touched_node);
}

void tern_conn_make_due(tern_conn *conn)
{
  if (!tern_list_has_node(&conn->due_node))
    tern_list_push_back(&conn->endpoint->due, &conn->due_node);
}

const struct tern_cid *tern_conn_peer_id(const tern_conn *conn, uint8_t route_index)
{
  const struct tern_cid_remote_entry *entry =
      tern_cid_remote_find(&conn->path.remote_ids, route_index);

  return entry != NULL ? &entry->cid : &conn->peer_scid;
}

void tern_conn_on_validated(tern_conn *conn)
{
  if (conn->is_validated && conn->body != NULL)
    return;
  conn->is_validated = true;
  TERN_EVENT(&conn->endpoint->events, conn->id, conn_state, .state = "validated");
  leave_half_open(conn);
  tern_route_on_address_validated(tern_conn_route(conn));
  if (tern_conn_make_body(conn) != TERN_OK)
    tern_conn_fail_local(conn, "no memory for the connection's streams");
}

void tern_conn_on_mtu(tern_conn *conn, struct tern_route *route)
{
  const tern_cc_ops *cc = route->cc;

  if (cc->on_datagram_bytes != NULL)
    cc->on_datagram_bytes(route->cc_state, route->pmtud.plpmtu_bytes);
  TERN_EVENT(&conn->endpoint->events, conn->id, mtu_changed, .old_bytes = conn->stats.mtu_bytes,
             .new_bytes = route->pmtud.plpmtu_bytes);
  conn->stats.mtu_bytes = route->pmtud.plpmtu_bytes;
}

void tern_conn_issue_ids(tern_conn *conn)
{
  struct tern_cid_local *local = &conn->path.local_ids;

  while (tern_cid_local_wants_id(local)) {
    struct tern_cid cid;
    uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
    tern_endpoint_make_id(conn->endpoint, &cid, reset_token);
    if (tern_endpoint_add_id(conn->endpoint, &cid, conn) != TERN_OK)
      return;
    uint64_t sequence = tern_cid_local_add(local, &cid, reset_token);
    TERN_EVENT(&conn->endpoint->events, conn->id, cid_issued, .sequence = sequence,
               .cid = tern_cid_slice(&cid));
  }
}
