/* SPDX-License-Identifier: MIT */
/* The connection's public face: getters, datagrams, statistics. Closing is in close.c. */
#include "base/conn_alloc.h"
#include "base/random.h"
#include "recovery/cc_common.h"
#include "transport/conn.h"
#include "wire/frame_write.h"
#include "wire/header.h"

void tern_conn_set_ops(tern_conn *conn, const tern_conn_ops *ops, void *app)
{
  conn->ops = ops;
  conn->app = app;
}

void *tern_conn_get_app(const tern_conn *conn)
{
  return conn->app;
}

tern_endpoint *tern_conn_get_endpoint(const tern_conn *conn)
{
  return conn->endpoint;
}

struct tern_alloc *tern_conn_alloc(tern_conn *conn)
{
  return &conn->alloc;
}

struct tern_event_bus *tern_conn_events(tern_conn *conn)
{
  return &conn->endpoint->events;
}

void tern_conn_set_cleanup(tern_conn *conn, void (*cleanup)(void *arg), void *arg)
{
  conn->layer.cleanup = cleanup;
  conn->layer.cleanup_arg = arg;
}

void tern_conn_set_rest(tern_conn *conn, void (*rest)(void *arg), void *arg)
{
  conn->layer.rest = rest;
  conn->layer.rest_arg = arg;
}

void tern_conn_set_alarm(tern_conn *conn, tern_time at, void (*fire)(void *arg, tern_time now),
                         void *arg)
{
  conn->layer.alarm = fire;
  conn->layer.alarm_arg = arg;
  conn->layer.alarm_at = at;
  tern_conn_update_timer(conn);
}

bool tern_conn_is_server(const tern_conn *conn)
{
  return conn->is_server;
}

bool tern_conn_is_connected(const tern_conn *conn)
{
  return conn->state == TERN_CONN_CONNECTED;
}

tern_slice tern_conn_get_alpn(const tern_conn *conn)
{
  return conn->tls != NULL ? tern_tls_session_get_alpn(conn->tls) : tern_slice_of(NULL, 0);
}

tern_slice tern_conn_get_server_name(const tern_conn *conn)
{
  return conn->tls != NULL ? tern_tls_session_get_server_name(conn->tls) : tern_slice_of(NULL, 0);
}

const char *tern_conn_get_cipher(const tern_conn *conn)
{
  return conn->tls != NULL ? tern_tls_session_get_cipher(conn->tls) : "";
}

const char *tern_conn_get_group(const tern_conn *conn)
{
  return conn->tls != NULL ? tern_tls_session_get_group(conn->tls) : "";
}

tern_addr tern_conn_get_remote(const tern_conn *conn)
{
  return tern_conn_route(conn)->remote;
}

tern_time tern_conn_get_now(const tern_conn *conn)
{
  return conn->endpoint->now;
}

uint64_t tern_conn_get_id(const tern_conn *conn)
{
  return conn->id;
}

/* ---- datagrams --------------------------------------------------------------------------------- */

size_t tern_conn_get_datagram_max(const tern_conn *conn)
{
  uint64_t theirs = conn->peer_params.max_datagram_frame_bytes;
  size_t header = tern_header_size_short(tern_conn_peer_id(conn, conn->path.active)->len,
                                         TERN_PACKET_NUMBER_LEN_MAX);
  size_t packet = tern_conn_route(conn)->pmtud.plpmtu_bytes;
  /* [rfc9221-3] the peer's figure includes the frame's type and length. */
  size_t frame = tern_frame_size_datagram(0) + 2;

  if (!conn->has_peer_params || theirs <= frame)
    return 0;
  size_t fits = packet - header - TERN_AEAD_TAG_BYTES - frame;
  return theirs - frame < fits ? (size_t)(theirs - frame) : fits;
}

tern_status tern_conn_send_datagram(tern_conn *conn, tern_slice data)
{
  if (conn->endpoint->is_in_hook)
    return TERN_REENTRY;
  if (!tern_conn_is_open(conn))
    return TERN_CLOSED;
  if (conn->has_peer_params && conn->peer_params.max_datagram_frame_bytes == 0)
    return TERN_UNSUPPORTED;
  if (conn->body == NULL || !conn->has_peer_params)
    return TERN_STATE;
  if (data.len > tern_conn_get_datagram_max(conn))
    return TERN_LIMIT;
  tern_status status = tern_dgram_push(&conn->body->dgram, data);
  tern_conn_make_due(conn);
  return status;
}

/* ---- congestion -------------------------------------------------------------------------------- */

/* Room in each route for the state of another controller. */
static tern_status make_cc_room(tern_conn *conn, const tern_cc_ops *cc)
{
  size_t room = tern_cc_get_state_bytes(cc);

  for (uint8_t i = 0; i < conn->path.routes_count; i++) {
    struct tern_route *route = conn->path.routes[i];
    if (room <= route->cc_room_bytes)
      continue;
    size_t before = sizeof *route + route->cc_room_bytes;
    route = tern_alloc_resize(&conn->alloc, route, before, sizeof *route + room);
    if (route == NULL)
      return TERN_NOMEM;
    route->cc_room_bytes = room;
    conn->path.routes[i] = route;
  }
  return TERN_OK;
}

tern_status tern_conn_set_cc(tern_conn *conn, const tern_cc_ops *cc)
{
  tern_endpoint *endpoint = conn->endpoint;

  if (endpoint->is_in_hook)
    return TERN_REENTRY;
  if (cc == NULL || cc->version != TERN_CC_VERSION ||
      tern_cc_get_state_bytes(cc) > TERN_CC_STATE_BYTES)
    return TERN_INVALID;
  tern_status status = make_cc_room(conn, cc);
  if (status != TERN_OK)
    return status;
  conn->cc = cc;
  for (uint8_t i = 0; i < conn->path.routes_count; i++) {
    struct tern_route *route = conn->path.routes[i];
    tern_cc_start start = {.now = endpoint->now,
                           .datagram_bytes = route->pmtud.plpmtu_bytes,
                           .seed = tern_random_u64(&endpoint->config.random)};
    tern_route_set_cc(route, cc, &start);
  }
  return TERN_OK;
}

void tern_conn_set_pacing_rate_max(tern_conn *conn, uint64_t rate)
{
  conn->pacing_rate_max = rate;
}

uint32_t tern_conn_get_version(const tern_conn *conn)
{
  return conn->version;
}

/* ---- statistics -------------------------------------------------------------------------------- */

void tern_conn_get_stats(const tern_conn *conn, tern_conn_stats *stats)
{
  const struct tern_route *route = tern_conn_route(conn);
  const tern_cc_ops *cc = route->cc;
  const struct tern_conn_counts *counts = &conn->stats;

  *stats = (tern_conn_stats){.packets_sent = counts->packets_sent,
                             .packets_received = counts->packets_received,
                             .packets_acked = counts->packets_acked,
                             .packets_lost = counts->packets_lost,
                             .packets_dropped = counts->packets_dropped,
                             .bytes_sent = counts->bytes_sent,
                             .bytes_received = counts->bytes_received,
                             .bytes_lost = counts->bytes_lost,
                             .stream_bytes_sent = counts->stream_bytes_sent,
                             .pacing_rate = counts->pacing_rate,
                             .pto_count = counts->pto_count,
                             .congestion_events = counts->congestion_events,
                             .spurious_losses = counts->spurious_losses,
                             .handshake_ns = counts->handshake_ns};
  stats->rtt_latest_ns = route->rtt.latest_ns;
  stats->rtt_smoothed_ns = route->rtt.smoothed_ns;
  stats->rtt_variation_ns = route->rtt.variation_ns;
  stats->rtt_min_ns = route->rtt.min_ns;
  stats->window_bytes = cc->window_bytes(route->cc_state);
  stats->in_flight_bytes = route->in_flight.bytes;
  stats->ssthresh_bytes =
      cc->ssthresh_bytes != NULL ? cc->ssthresh_bytes(route->cc_state) : UINT64_MAX;
  stats->stream_bytes_received = conn->body != NULL ? conn->body->flow_recv.consumed : 0;
  stats->heap_bytes = sizeof *conn + conn->alloc.used_bytes;
  stats->mtu_bytes = route->pmtud.plpmtu_bytes;
  stats->ecn_state = route->ecn.state == TERN_ECN_CAPABLE  ? 1
                     : route->ecn.state == TERN_ECN_FAILED ? 2
                                                           : 0;
}
