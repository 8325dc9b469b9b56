/* SPDX-License-Identifier: MIT */
/* One turn of the endpoint: who is this datagram for, then one visit to each connection it touched. */
#include "transport/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "crypto/token.h"
#include "tls/work.h"
#include "transport/conn.h"
#include "transport/steer.h"

/* How long ids of closed connections are known at least: packets do not live longer in the network. */
#define CLOSED_LIFE_NS (30 * TERN_SECOND)
/* Ids drawn before one is found that is free; with 4 bytes and a million in use, one draw in 4,000 fails. */
#define ID_DRAWS_MAX 8

/* ---- life --------------------------------------------------------------------------------- */

static void announce(tern_endpoint *endpoint)
{
  const tern_config *config = &endpoint->config;

  TERN_EVENT(&endpoint->events, 0, endpoint_started, .tls_library = tern_tls_library(),
             .is_server = config->server_tls != NULL, .is_client = config->client_tls != NULL,
             .congestion = config->cc->name, .idle_timeout_ms = config->idle_timeout_ms,
             .stream_window_bytes = config->stream_window_bytes,
             .conn_window_bytes = config->conn_window_bytes, .conns_max = config->conns_max,
             .mtu_initial_bytes = config->mtu_initial_bytes, .mtu_max_bytes = config->mtu_max_bytes,
             .cid_bytes = config->cid_bytes, .pacing = config->pacing, .ecn = config->ecn);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
  uint8_t any = 0;
  for (size_t i = 0; i < len; i++)
    any |= bytes[i];
  return any == 0;
}

/* What was not given is drawn, and then lasts as long as the endpoint. */
static void init_secrets(tern_endpoint *endpoint)
{
  tern_config *config = &endpoint->config;

  if (is_zero(config->secret, sizeof config->secret))
    config->random.fill(config->random.arg, config->secret, sizeof config->secret);
  if (is_zero(config->reset_key, sizeof config->reset_key))
    tern_secret_derive(config->secret, "tern stateless reset key", config->reset_key);
  tern_validation_init(&endpoint->validation, &endpoint->alloc, &config->random, config->secret,
                       config->unix_offset_ns);
}

/* What stands before the connections. */
static tern_status init_front(tern_endpoint *endpoint)
{
  const tern_config *config = &endpoint->config;
  struct tern_admission_args admission = {.alloc = &endpoint->alloc, .config = config};
  struct tern_replies_args replies = {
      .alloc = &endpoint->alloc,
      .capacity = config->server_tls != NULL ? TERN_CAP_REPLIES : TERN_REPLIES_OF_CLIENT,
      .retries_per_second = config->retry_rate};

  config->random.fill(config->random.arg, admission.key, sizeof admission.key);
  config->random.fill(config->random.arg, replies.key, sizeof replies.key);
  config->random.fill(config->random.arg, (uint8_t *)endpoint->closed_key,
                      sizeof endpoint->closed_key);
  tern_seen_init(&endpoint->closed, &endpoint->alloc, TERN_CAP_CLOSED_IDS, CLOSED_LIFE_NS);
  tern_status status = tern_admission_init(&endpoint->admission, &admission);
  return status == TERN_OK ? tern_replies_init(&endpoint->replies, &replies) : status;
}

static void init_members(tern_endpoint *endpoint, const tern_config *config)
{
  const tern_random_ops *random = &config->random;
  uint8_t map_key[16];

  endpoint->config = *config;
  tern_alloc_init(&endpoint->alloc, &endpoint->config.alloc, NULL, UINT64_MAX);
  tern_event_bus_init(&endpoint->events, config->subscribers, config->subscribers_count);
  random->fill(random->arg, map_key, sizeof map_key);
  tern_map_init(&endpoint->ids, &endpoint->alloc, map_key);
  random->fill(random->arg, map_key, sizeof map_key);
  tern_map_init(&endpoint->resets, &endpoint->alloc, map_key);
  tern_heap_init(&endpoint->timers, &endpoint->alloc);
  tern_list_init(&endpoint->conns);
  tern_list_init(&endpoint->touched);
  tern_list_init(&endpoint->due);
  tern_piece_pool_init(&endpoint->pieces, &endpoint->alloc);
  init_secrets(endpoint);
  if (config->server_tls != NULL)
    endpoint->server_tls = tern_tls_ref(config->server_tls);
  if (config->client_tls != NULL)
    endpoint->client_tls = tern_tls_ref(config->client_tls);
  endpoint->next_conn_id = 1 + config->steer.worker; /* no two workers give one number */
}

tern_status tern_endpoint_new(tern_endpoint **out, const tern_config *config,
                              const tern_endpoint_ops *ops, void *app, char *why, size_t why_size)
{
  tern_status status = tern_config_check(config, why, why_size);
  if (status != TERN_OK)
    return status;
  if (config->server_tls != NULL && (ops == NULL || ops->on_conn == NULL)) {
    if (why_size != 0)
      snprintf(why, why_size, "server_tls is set, but ops.on_conn is not");
    return TERN_INVALID;
  }
  tern_endpoint *endpoint = config->alloc.take(config->alloc.arg, sizeof *endpoint);
  if (endpoint == NULL)
    return TERN_NOMEM;
  memset(endpoint, 0, sizeof *endpoint);
  init_members(endpoint, config);
  endpoint->ops = ops;
  endpoint->app = app;
  endpoint->out.buffer = tern_alloc_take(&endpoint->alloc, TERN_OUT_BYTES);
  endpoint->inbox = tern_tls_inbox_new(&config->wake);
  if (endpoint->out.buffer == NULL || endpoint->inbox == NULL || init_front(endpoint) != TERN_OK) {
    tern_endpoint_free(endpoint);
    return TERN_NOMEM;
  }
  announce(endpoint);
  *out = endpoint;
  return TERN_OK;
}

void tern_endpoint_free(tern_endpoint *endpoint)
{
  if (endpoint == NULL)
    return;
  if (endpoint->is_busy) {
    endpoint->is_free_pending = true;
    return;
  }
  struct tern_list_node *node;
  while ((node = tern_list_first(&endpoint->conns)) != NULL)
    tern_conn_free(TERN_CONTAINER_OF(node, tern_conn, all_node));
  tern_tls_inbox_close(endpoint->inbox);
  tern_piece_pool_deinit(&endpoint->pieces);
  tern_map_deinit(&endpoint->ids);
  tern_map_deinit(&endpoint->resets);
  tern_heap_deinit(&endpoint->timers);
  tern_alloc_give(&endpoint->alloc, endpoint->out.buffer, TERN_OUT_BYTES);
  tern_replies_deinit(&endpoint->replies);
  tern_admission_deinit(&endpoint->admission);
  tern_validation_deinit(&endpoint->validation);
  tern_seen_deinit(&endpoint->closed);
  tern_tls_unref(endpoint->server_tls);
  tern_tls_unref(endpoint->client_tls);
  tern_alloc_deinit(&endpoint->alloc);
  tern_wipe(endpoint->config.reset_key, sizeof endpoint->config.reset_key);
  tern_wipe(endpoint->config.secret, sizeof endpoint->config.secret);
  tern_alloc_ops ops = endpoint->config.alloc;
  ops.give(ops.arg, endpoint, sizeof *endpoint);
}

/* ---- connection ids ----------------------------------------------------------------------- */

tern_status tern_endpoint_add_id(tern_endpoint *endpoint, const struct tern_cid *cid,
                                 tern_conn *conn)
{
  return tern_map_insert(&endpoint->ids, tern_cid_slice(cid), conn);
}

void tern_endpoint_remove_id(tern_endpoint *endpoint, const struct tern_cid *cid,
                             const tern_conn *conn)
{
  if (tern_map_find(&endpoint->ids, tern_cid_slice(cid)) == conn)
    (void)tern_map_remove(&endpoint->ids, tern_cid_slice(cid));
}

void tern_endpoint_add_reset(tern_endpoint *endpoint, const uint8_t token[TERN_RESET_TOKEN_BYTES],
                             tern_conn *conn)
{
  if (tern_map_insert(&endpoint->resets, tern_slice_of(token, TERN_RESET_TOKEN_BYTES), conn) !=
      TERN_OK)
    return; /* then a reset is not recognised, and the idle timeout ends the connection */
}

void tern_endpoint_remove_reset(tern_endpoint *endpoint,
                                const uint8_t token[TERN_RESET_TOKEN_BYTES], const tern_conn *conn)
{
  tern_slice key = tern_slice_of(token, TERN_RESET_TOKEN_BYTES);

  if (tern_map_find(&endpoint->resets, key) == conn)
    (void)tern_map_remove(&endpoint->resets, key);
}

static uint64_t get_print(const tern_endpoint *endpoint, tern_slice cid)
{
  return tern_siphash(endpoint->closed_key, cid);
}

void tern_endpoint_close_id(tern_endpoint *endpoint, const struct tern_cid *cid)
{
  uint64_t print = get_print(endpoint, tern_cid_slice(cid));

  if (tern_seen_add(&endpoint->closed, print, endpoint->now) != TERN_LIMIT)
    return; /* without memory, late packets are strangers */
  tern_seen_turn(&endpoint->closed, endpoint->now);
  if (tern_seen_add(&endpoint->closed, print, endpoint->now) != TERN_OK)
    return;
}

bool tern_endpoint_is_closed_id(tern_endpoint *endpoint, tern_slice cid)
{
  return tern_seen_has(&endpoint->closed, get_print(endpoint, cid), endpoint->now);
}

static void fill_id(const tern_config *config, uint8_t *id, size_t len)
{
  if (config->cids.make != NULL)
    config->cids.make(config->cids.arg, id, len);
  else
    config->random.fill(config->random.arg, id, len);
}

void tern_endpoint_draw_id(tern_endpoint *endpoint, struct tern_cid *cid)
{
  const tern_config *config = &endpoint->config;
  bool before = tern_endpoint_enter_hook(endpoint);

  memset(cid, 0, sizeof *cid);
  cid->len = config->cid_bytes;
  for (int i = 0; i < ID_DRAWS_MAX; i++) {
    fill_id(config, cid->bytes, cid->len);
    tern_steer_mark(&config->steer, cid->bytes);
    if (tern_map_find(&endpoint->ids, tern_cid_slice(cid)) == NULL)
      break;
  }
  tern_endpoint_leave_hook(endpoint, before);
}

void tern_endpoint_make_id(tern_endpoint *endpoint, struct tern_cid *cid,
                           uint8_t reset_token[TERN_RESET_TOKEN_BYTES])
{
  tern_endpoint_draw_id(endpoint, cid);
  tern_reset_token(endpoint->config.reset_key, cid, reset_token);
}

/* ---- a turn ------------------------------------------------------------------------------- */

static void enter(tern_endpoint *endpoint, tern_time now)
{
  if (now > endpoint->now)
    endpoint->now = now;
  endpoint->events.now = endpoint->now;
  endpoint->is_busy = true;
}

/* Visits each connection that the batch reached. What the application does meanwhile may touch more. */
static void settle(tern_endpoint *endpoint)
{
  struct tern_list_node *node;

  while ((node = tern_list_pop_front(&endpoint->touched)) != NULL)
    tern_conn_settle(TERN_CONTAINER_OF(node, tern_conn, touched_node));
  tern_piece_pool_reset(&endpoint->pieces);
  if (endpoint->is_draining && !endpoint->is_drained_told && endpoint->conns_live == 0) {
    endpoint->is_drained_told = true;
    TERN_EVENT(&endpoint->events, 0, endpoint_drained, .conns_total = endpoint->stats.conns_total);
    if (endpoint->ops != NULL && endpoint->ops->on_drained != NULL)
      endpoint->ops->on_drained(endpoint->app, endpoint);
  }
}

static void leave(tern_endpoint *endpoint)
{
  endpoint->is_busy = false;
  if (endpoint->is_free_pending)
    tern_endpoint_free(endpoint);
}

/* Hands over the 1-RTT packets gathered so far. */
static void flush_short(tern_endpoint *endpoint)
{
  struct tern_in *in = &endpoint->in;

  if (in->count == 0)
    return;
  tern_conn_receive_short(in->conn, in);
  in->count = 0;
  in->conn = NULL;
}

static void gather_short(tern_endpoint *endpoint, tern_conn *conn,
                         const struct tern_in_datagram *datagram)
{
  struct tern_in *in = &endpoint->in;

  if (in->conn != conn || in->count == TERN_OPEN_PACKETS_MAX)
    flush_short(endpoint);
  in->conn = conn;
  struct tern_open_item *item = &in->open[in->count];
  item->packet = datagram->data;
  item->pn_at = (uint16_t)(1 + endpoint->config.cid_bytes);
  item->len = (uint16_t)datagram->len;
  in->metas[in->count++] = datagram->meta;
}

/* Most packets are for the connection that the packet before was for: no need to hash the id again. */
static tern_conn *find_conn(const tern_endpoint *endpoint, const struct tern_invariant *invariant)
{
  const struct tern_in *in = &endpoint->in;

  if (in->count != 0 && !invariant->is_long &&
      memcmp(in->open[in->count - 1].packet + 1, invariant->dcid.data, invariant->dcid.len) == 0)
    return in->conn;
  return tern_map_find(&endpoint->ids, invariant->dcid);
}

/* A first packet that was not authentic leaves nothing behind ([HOSTILE P4]), and does not use up the
 * token that it carries. */
static void judge_first(tern_conn *conn)
{
  tern_endpoint *endpoint = conn->endpoint;

  if (conn->has_received)
    tern_validation_use(&endpoint->validation, &endpoint->proof, endpoint->now);
  else if (tern_conn_is_open(conn))
    conn->state = TERN_CONN_DEAD;
}

static void receive_datagram(tern_endpoint *endpoint, const struct tern_in_datagram *datagram)
{
  struct tern_reader reader = tern_reader_of(datagram->data, datagram->len);
  struct tern_invariant invariant;

  endpoint->stats.datagrams_received++;
  endpoint->stats.bytes_received += datagram->len;
  if (datagram->len > UINT16_MAX ||
      !tern_header_read_invariant(&reader, endpoint->config.cid_bytes, &invariant)) {
    tern_event_drop_datagram(&endpoint->events, datagram->len,
                             datagram->len == 0 ? TERN_DROP_EMPTY : TERN_DROP_TOO_SHORT,
                             &datagram->meta->remote);
    return;
  }
  tern_conn *conn = find_conn(endpoint, &invariant);
  TERN_EVENT(&endpoint->events, conn != NULL ? conn->id : 0, datagram_received,
             .bytes = datagram->len, .ecn = datagram->meta->ecn, .local = datagram->meta->local,
             .remote = datagram->meta->remote);
  if (conn != NULL && !invariant.is_long) {
    gather_short(endpoint, conn, datagram);
    return;
  }
  flush_short(endpoint);
  bool is_new = conn == NULL;
  if (is_new) {
    struct tern_stranger stranger = {datagram->meta, datagram->data, datagram->len, &invariant};
    conn = tern_endpoint_on_stranger(endpoint, &stranger);
  }
  if (conn != NULL)
    tern_conn_receive(conn, datagram);
  if (conn != NULL && is_new)
    judge_first(conn);
}

static void receive_item(tern_endpoint *endpoint, tern_datagram *item)
{
  size_t step = item->segment_bytes != 0 ? item->segment_bytes : item->len;
  struct tern_in_datagram datagram = {item, item->data, item->len};

  if (item->len == 0) {
    receive_datagram(endpoint, &datagram);
    return;
  }
  for (size_t at = 0; at < item->len; at += step) {
    datagram.data = item->data + at;
    datagram.len = item->len - at < step ? item->len - at : step;
    receive_datagram(endpoint, &datagram);
  }
}

tern_status tern_endpoint_receive(tern_endpoint *endpoint, tern_datagram *batch, size_t count,
                                  tern_time now)
{
  if (endpoint->is_busy)
    return TERN_REENTRY;
  enter(endpoint, now);
  for (size_t i = 0; i < count; i++)
    receive_item(endpoint, &batch[i]);
  flush_short(endpoint);
  settle(endpoint);
  leave(endpoint);
  return TERN_OK;
}

/* Handshakes whose work others have finished. */
static void resume_handshakes(tern_endpoint *endpoint)
{
  tern_conn *conn;

  while ((conn = tern_tls_inbox_take(endpoint->inbox)) != NULL)
    tern_conn_resume_tls(conn);
}

tern_status tern_endpoint_timeout(tern_endpoint *endpoint, tern_time now)
{
  if (endpoint->is_busy)
    return TERN_REENTRY;
  enter(endpoint, now);
  resume_handshakes(endpoint);
  /* Each connection at most once per call: its timer is set anew, later than now, by settle. */
  while (tern_heap_first_key(&endpoint->timers) <= endpoint->now) {
    struct tern_heap_node *node = tern_heap_first(&endpoint->timers);
    tern_heap_update(&endpoint->timers, node, TERN_TIME_NEVER);
    tern_conn_on_timer(TERN_CONTAINER_OF(node, tern_conn, timer));
  }
  settle(endpoint);
  leave(endpoint);
  return TERN_OK;
}

void tern_endpoint_unreachable(tern_endpoint *endpoint, const tern_addr *remote, tern_time now)
{
  if (endpoint->is_busy)
    return;
  enter(endpoint, now);
  for (struct tern_list_node *node = endpoint->conns.head.next; node != &endpoint->conns.head;
       node = node->next) {
    tern_conn *conn = TERN_CONTAINER_OF(node, tern_conn, all_node);
    if (!conn->is_server && tern_addr_equal(&tern_conn_route(conn)->remote, remote))
      tern_conn_on_unreachable(conn);
  }
  settle(endpoint);
  leave(endpoint);
}

tern_time tern_endpoint_deadline(const tern_endpoint *endpoint)
{
  if (!tern_list_is_empty(&endpoint->touched) || tern_endpoint_has_output(endpoint) ||
      tern_tls_inbox_has_any(endpoint->inbox))
    return endpoint->now;
  if (endpoint->is_draining && !endpoint->is_drained_told && endpoint->conns_live == 0)
    return endpoint->now;
  return tern_heap_first_key(&endpoint->timers);
}

/* ---- the rest of the public face ----------------------------------------------------------- */

void tern_endpoint_drain(tern_endpoint *endpoint)
{
  endpoint->is_draining = true;
}

void tern_endpoint_set_server_tls(tern_endpoint *endpoint, tern_tls *tls)
{
  tern_tls *old = endpoint->server_tls;
  endpoint->server_tls = tls != NULL ? tern_tls_ref(tls) : NULL;
  tern_tls_unref(old);
}

void tern_endpoint_get_stats(const tern_endpoint *endpoint, tern_endpoint_stats *stats)
{
  *stats = endpoint->stats;
  stats->packets_dropped = tern_event_drops_total(&endpoint->events);
  stats->heap_bytes_now = endpoint->alloc.used_bytes;
  stats->heap_takes = endpoint->alloc.takes;
}

tern_status tern_endpoint_connect(tern_endpoint *endpoint, const tern_connect_args *args,
                                  tern_time now, tern_conn **out)
{
  struct tern_conn_args conn_args = {.endpoint = endpoint,
                                     .local = args->local,
                                     .remote = args->remote,
                                     .version = endpoint->config.versions[0],
                                     .server_name = args->server_name,
                                     .token = args->token};
  const struct tern_conn_resume resume = {args->ticket, args->early_data};
  const tern_random_ops *random = &endpoint->config.random;
  tern_conn *conn;

  if (endpoint->is_in_hook)
    return TERN_REENTRY;
  if (args->remote.family == 0 || args->server_name == NULL || endpoint->client_tls == NULL ||
      args->token.len > TERN_TOKEN_BYTES_MAX)
    return TERN_INVALID;
  if (now > endpoint->now)
    endpoint->now = now;
  endpoint->events.now = endpoint->now;
  /* [rfc9000-7.2] at least 8 unpredictable bytes; 18 spread well over any server's hash. */
  conn_args.original_dcid.len = 18;
  random->fill(random->arg, conn_args.original_dcid.bytes, conn_args.original_dcid.len);
  conn_args.peer_cid = conn_args.original_dcid;
  tern_status status = tern_conn_new(&conn_args, &conn);
  if (status != TERN_OK)
    return status;
  conn->ops = args->ops;
  conn->app = args->app;
  *out = conn;
  tern_conn_start_tls(conn, &resume);
  tern_conn_make_due(conn);
  return TERN_OK;
}
