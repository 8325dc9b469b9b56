/* SPDX-License-Identifier: MIT */
/* A peer that comes from another address (RFC 9000 9): a client behind a NAT that forgot it, or one that
 * moved. The path stays, with its ids and number space; its route changes.
 *
 *   packet from a new 4-tuple, authentic   -> a route for it, which may send three times what it received
 *   ... newest so far, not only probing    -> data goes there, and a PATH_CHALLENGE first of all
 *   validated                              -> the id of the old route is retired
 *   not validated within 3 PTO             -> back to the last route that was
 */
#include <string.h>

#include "base/random.h"
#include "recovery/cc_common.h"
#include "transport/conn.h"

static uint8_t find_slot(const tern_conn *conn)
{
  const struct tern_path *path = &conn->path;

  if (path->routes_count < TERN_CAP_ROUTES)
    return path->routes_count;
  for (uint8_t i = 0; i < TERN_CAP_ROUTES; i++)
    /* Sent packets name their route by index: only one that has none may be replaced. */
    if (i != path->active && i != path->fallback && path->routes[i]->in_flight.packets == 0)
      return i;
  return TERN_ROUTE_NONE;
}

static bool is_port_change(const tern_addr *a, const tern_addr *b)
{
  tern_addr moved = *a;

  moved.port = b->port;
  return tern_addr_equal(&moved, b);
}

/* [rfc9000-9.4] a new network means a new estimate; another port of the same host most likely does
 * not. */
static void inherit(struct tern_route *route, const struct tern_route *from)
{
  if (!is_port_change(&from->remote, &route->remote))
    return;
  route->rtt = from->rtt;
  route->pmtud = from->pmtud;
  memcpy(route->cc_state, from->cc_state, tern_cc_get_state_bytes(route->cc));
}

uint8_t tern_conn_find_route(const tern_conn *conn, const tern_addr *remote)
{
  const struct tern_path *path = &conn->path;

  for (uint8_t i = 0; i < path->routes_count; i++)
    if (tern_addr_equal(&path->routes[i]->remote, remote))
      return i;
  return TERN_ROUTE_NONE;
}

uint8_t tern_conn_add_route(tern_conn *conn, const tern_datagram *meta)
{
  const tern_config *config = &conn->endpoint->config;
  struct tern_path *path = &conn->path;
  uint8_t slot = find_slot(conn);
  struct tern_route_args args = {.local = meta->local,
                                 .remote = meta->remote,
                                 .initial_rtt_ns = config->initial_rtt_ms * TERN_MS,
                                 .mtu_initial_bytes = config->mtu_initial_bytes,
                                 .mtu_max_bytes = config->mtu_max_bytes,
                                 .has_ecn = config->ecn,
                                 .cc = conn->cc,
                                 .cc_seed = tern_random_u64(&config->random),
                                 .now = conn->endpoint->now};

  if (slot == TERN_ROUTE_NONE)
    return slot;
  struct tern_route *route = tern_route_new(&conn->alloc, &args);
  if (route == NULL)
    return TERN_ROUTE_NONE;
  if (slot == path->routes_count)
    path->routes_count++;
  else
    tern_route_free(path->routes[slot], &conn->alloc);
  path->routes[slot] = route;
  inherit(route, path->routes[path->active]);
  TERN_EVENT(&conn->endpoint->events, conn->id, route_state, .state = "new", .local = meta->local,
             .remote = meta->remote);
  return slot;
}

/* [rfc9000-9.5] another id on another route, as long as the peer has given us some. */
static void take_id(tern_conn *conn, uint8_t route_index)
{
  struct tern_cid_remote *remote = &conn->path.remote_ids;

  if (tern_cid_remote_find(remote, route_index) != NULL)
    return;
  if (tern_cid_remote_has_fresh(remote)) {
    tern_conn_use_fresh_id(conn, route_index);
    return;
  }
  for (size_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (remote->entries[i].is_valid && remote->entries[i].route == conn->path.active)
      remote->entries[i].route = route_index;
}

static void switch_to(tern_conn *conn, uint8_t route_index, const char *why)
{
  struct tern_route *route = conn->path.routes[route_index];
  uint8_t left = conn->path.active;

  take_id(conn, route_index);
  conn->path.active = route_index;
  if (!route->is_address_validated) {
    uint64_t pto_ns = tern_conn_pto_ns(conn);
    tern_route_start_validation(route, pto_ns, conn->endpoint->now);
    /* [rfc9000-9.3.3] MUST: if somebody only copied the packet, the peer answers on the old path. */
    if (conn->path.routes[left]->is_address_validated &&
        tern_cid_remote_find(&conn->path.remote_ids, left) != NULL)
      tern_route_start_validation(conn->path.routes[left], pto_ns, conn->endpoint->now);
  } else {
    conn->path.fallback = route_index; /* back where it was before */
  }
  tern_conn_make_due(conn);
  TERN_EVENT(&conn->endpoint->events, conn->id, route_state, .state = why, .local = route->local,
             .remote = route->remote);
}

void tern_conn_on_route_packet(tern_conn *conn, uint8_t route_index, bool is_newest,
                               bool is_probing)
{
  if (route_index == conn->path.active || is_probing || !is_newest)
    return;
  /* [rfc9000-9.3] */
  switch_to(conn, route_index, "migrated");
}

void tern_conn_on_route_validated(tern_conn *conn, uint8_t route_index)
{
  struct tern_path *path = &conn->path;

  TERN_EVENT(&conn->endpoint->events, conn->id, route_state, .state = "validated",
             .local = path->routes[route_index]->local,
             .remote = path->routes[route_index]->remote);
  if (route_index != path->active || path->fallback == route_index)
    return;
  TERN_EVENT(&conn->endpoint->events, conn->id, route_state, .state = "complete",
             .local = path->routes[route_index]->local,
             .remote = path->routes[route_index]->remote);
  uint8_t before = path->fallback;
  path->fallback = route_index;
  conn->wants_new_token = conn->is_server && conn->endpoint->config.new_tokens;
  tern_route_abandon_validation(path->routes[before]);
  const struct tern_cid_remote_entry *entry = tern_cid_remote_find(&path->remote_ids, before);
  if (entry == NULL || path->remote_ids.is_empty_id)
    return;
  if (entry->has_token) /* [rfc9000-10.3.1] a retired id's token counts no more */
    tern_endpoint_remove_reset(conn->endpoint, entry->reset_token, conn);
  if (tern_cid_remote_retire(&path->remote_ids, before) != TERN_CID_OK)
    tern_conn_fail_local(conn, "too many connection ids wait to be retired");
}

void tern_conn_on_routes_timer(tern_conn *conn)
{
  struct tern_path *path = &conn->path;

  for (uint8_t i = 0; i < path->routes_count; i++) {
    if (!tern_route_on_timeout(path->routes[i], conn->endpoint->now) || i != path->active)
      continue;
    TERN_EVENT(&conn->endpoint->events, conn->id, route_state, .state = "failed",
               .remote = path->routes[i]->remote);
    if (path->fallback != i) /* [rfc9000-9.3.2] */
      switch_to(conn, path->fallback, "abandoned");
  }
}

tern_time tern_conn_routes_deadline(const tern_conn *conn)
{
  tern_time deadline = TERN_TIME_NEVER;

  for (uint8_t i = 0; i < conn->path.routes_count; i++) {
    tern_time own = tern_route_deadline(conn->path.routes[i]);
    if (own < deadline)
      deadline = own;
  }
  return deadline;
}
