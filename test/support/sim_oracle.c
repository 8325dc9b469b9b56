/* SPDX-License-Identifier: MIT */
/* See sim_oracle.h. */
#include "support/sim_oracle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/header.h"

/* O2: per datagram in or out, and a fixed part for the start. */
#define TAKES_FIXED 4000
#define TAKES_PER_DATAGRAM 8
#define TURNS_FIXED 1000
#define TURNS_PER_DATAGRAM 12
/* What an endpoint may keep for itself after its connections: pools, maps that grew. */
#define OWN_SLACK_BYTES 262144

static void fail_with(struct sim_oracle *oracle, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail_with(struct sim_oracle *oracle, const char *format, ...)
{
  va_list args;
  if (oracle->fault[0] != 0)
    return;
  va_start(args, format);
  vsnprintf(oracle->fault, sizeof(oracle->fault), format, args);
  va_end(args);
}

static struct sim_oracle_node *find_node(struct sim_oracle *oracle,
                                         const struct tern_sim_node *node)
{
  for (size_t i = 0; i < oracle->nodes_count; i++) {
    if (oracle->nodes[i].node == node)
      return &oracle->nodes[i];
  }
  return NULL;
}

/* NULL if there are too many to watch. */
static struct sim_oracle_route *get_route(struct sim_oracle_node *node, const tern_addr *remote)
{
  for (size_t i = 0; i < node->routes_count; i++) {
    if (tern_addr_equal(&node->routes[i].remote, remote))
      return &node->routes[i];
  }
  if (node->routes_count == SIM_ORACLE_ROUTES_MAX)
    return NULL;
  struct sim_oracle_route *route = &node->routes[node->routes_count++];
  memset(route, 0, sizeof(*route));
  route->remote = *remote;
  return route;
}

/* ---- O3 ---------------------------------------------------------------------------------- */

/* Does a datagram of the client show that its address is its own? [rfc9000-8.1] A Handshake packet does,
 * and a token; a short header at least says that the handshake went that far. */
static bool shows_validation(const tern_datagram *datagram)
{
  struct tern_reader reader = tern_reader_of(datagram->data, datagram->len);
  while (tern_reader_left(&reader) != 0) {
    struct tern_long_header header;
    if (!tern_header_is_long(*reader.at))
      return true;
    if (tern_header_read_long(&reader, false, &header) != TERN_HEADER_OK)
      return false;
    if (header.type == TERN_PACKET_HANDSHAKE || header.token.len != 0)
      return true;
  }
  return false;
}

static void on_delivered(void *arg, const struct tern_sim_node *to, const tern_datagram *datagram,
                         tern_time now)
{
  struct sim_oracle *oracle = arg;
  struct sim_oracle_node *node = find_node(oracle, to);
  (void)now;
  if (node == NULL || !node->is_server)
    return;
  struct sim_oracle_route *route = get_route(node, &datagram->remote);
  if (route == NULL)
    return;
  route->received_bytes += datagram->len;
  route->is_validated = route->is_validated || shows_validation(datagram);
}

static bool on_sent(void *arg, struct tern_sim_datagram *datagram)
{
  struct sim_oracle *oracle = arg;
  struct sim_oracle_node *node = find_node(oracle, datagram->from);
  if (node != NULL && node->is_server) {
    struct sim_oracle_route *route = get_route(node, &datagram->target);
    if (route != NULL && !route->is_validated) {
      route->sent_bytes += datagram->len;
      if (route->sent_bytes > 3 * route->received_bytes)
        fail_with(oracle, "O3: %" PRIu64 " bytes sent for %" PRIu64 " received", route->sent_bytes,
                  route->received_bytes);
    }
  }
  return oracle->filter == NULL || oracle->filter(oracle->filter_arg, datagram);
}

/* ---- set-up ------------------------------------------------------------------------------ */

void sim_oracle_init(struct sim_oracle *oracle, struct tern_sim *sim)
{
  memset(oracle, 0, sizeof(*oracle));
  oracle->sim = sim;
  tern_sim_set_filter(sim, on_sent, oracle);
  tern_sim_set_tap(sim, on_delivered, oracle);
}

void sim_oracle_set_filter(struct sim_oracle *oracle, tern_sim_filter *filter, void *arg)
{
  oracle->filter = filter;
  oracle->filter_arg = arg;
}

void sim_oracle_add(struct sim_oracle *oracle, struct tern_sim_node *node,
                    const tern_config *config, bool is_server, uint64_t send_cap_bytes)
{
  tern_endpoint_stats stats;
  if (oracle->nodes_count == SIM_ORACLE_NODES_MAX) {
    fail_with(oracle, "too many nodes");
    return;
  }
  struct sim_oracle_node *entry = &oracle->nodes[oracle->nodes_count++];
  memset(entry, 0, sizeof(*entry));
  entry->node = node;
  entry->is_server = is_server;
  entry->conn_max_bytes = config->conn_window_max_bytes + send_cap_bytes + TERN_CAP_CONN_OVERHEAD;
  tern_endpoint_get_stats(tern_sim_node_endpoint(node), &stats);
  entry->own_bytes = stats.heap_bytes_now;
}

/* ---- checks ------------------------------------------------------------------------------ */

void sim_oracle_check_conn(struct sim_oracle *oracle, struct tern_sim_node *node,
                           const tern_conn *conn)
{
  struct sim_oracle_node *entry = find_node(oracle, node);
  tern_conn_stats stats;
  if (entry == NULL)
    return;
  tern_conn_get_stats(conn, &stats);
  if (stats.heap_bytes > entry->peak_conn_bytes)
    entry->peak_conn_bytes = stats.heap_bytes;
  if (stats.heap_bytes > entry->conn_max_bytes)
    fail_with(oracle, "O1: %s has a connection of %" PRIu64 " bytes, more than %" PRIu64,
              tern_sim_node_name(node), stats.heap_bytes, entry->conn_max_bytes);
}

static void check_work(struct sim_oracle *oracle, const struct sim_oracle_node *entry,
                       const tern_endpoint_stats *stats)
{
  uint64_t datagrams = stats->datagrams_received + stats->datagrams_sent;
  struct tern_sim_node_stats turns = tern_sim_node_get_stats(entry->node);
  if (stats->heap_takes > TAKES_FIXED + TAKES_PER_DATAGRAM * datagrams)
    fail_with(oracle, "O2: %s allocated %" PRIu64 " times for %" PRIu64 " datagrams",
              tern_sim_node_name(entry->node), stats->heap_takes, datagrams);
  if (turns.turns > TURNS_FIXED + TURNS_PER_DATAGRAM * datagrams)
    fail_with(oracle, "O2: %s woke %" PRIu64 " times for %" PRIu64 " datagrams",
              tern_sim_node_name(entry->node), turns.turns, datagrams);
}

static void check_node(struct sim_oracle *oracle, const struct sim_oracle_node *entry)
{
  tern_endpoint_stats stats;
  const tern_endpoint *endpoint = tern_sim_node_endpoint(entry->node);
  if (endpoint == NULL)
    return;
  tern_endpoint_get_stats(endpoint, &stats);
  uint64_t held = stats.heap_bytes_now - entry->own_bytes;
  if (entry->is_server && stats.conns_now != 0 && stats.conns_now == stats.conns_half_open &&
      stats.heap_bytes_now > entry->own_bytes &&
      held > stats.conns_now * SIM_ORACLE_HALF_OPEN_BYTES + OWN_SLACK_BYTES)
    fail_with(oracle, "O1: %" PRIu64 " bytes in %" PRIu64 " half-open connections", held,
              stats.conns_now);
  check_work(oracle, entry, &stats);
}

void sim_oracle_check(struct sim_oracle *oracle)
{
  oracle->checks++;
  for (size_t i = 0; i < oracle->nodes_count; i++)
    check_node(oracle, &oracle->nodes[i]);
  if (tern_sim_get_fault(oracle->sim) != NULL)
    fail_with(oracle, "O6: %s", tern_sim_get_fault(oracle->sim));
}

static void check_node_end(struct sim_oracle *oracle, const struct sim_oracle_node *entry)
{
  tern_endpoint_stats stats;
  const tern_endpoint *endpoint = tern_sim_node_endpoint(entry->node);
  const char *name = tern_sim_node_name(entry->node);
  if (endpoint == NULL)
    return;
  tern_endpoint_get_stats(endpoint, &stats);
  if (stats.conns_now != 0)
    fail_with(oracle, "O6: %s still has %" PRIu64 " connections", name, stats.conns_now);
  else if (stats.heap_bytes_now > entry->own_bytes + OWN_SLACK_BYTES)
    fail_with(oracle, "O1: %s keeps %" PRIu64 " bytes without a connection, had %" PRIu64, name,
              stats.heap_bytes_now, entry->own_bytes);
  else if (tern_endpoint_deadline(endpoint) != TERN_TIME_NEVER)
    fail_with(oracle, "O6: %s has a timer without a connection", name);
}

void sim_oracle_check_end(struct sim_oracle *oracle)
{
  sim_oracle_check(oracle);
  for (size_t i = 0; i < oracle->nodes_count; i++)
    check_node_end(oracle, &oracle->nodes[i]);
}
