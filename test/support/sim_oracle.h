/* SPDX-License-Identifier: MIT */
/* What must hold in every simulated run, whatever the peer and the network do.
 *
 *   O1 memory     a connection's charge <= windows + send cap + TERN_CAP_CONN_OVERHEAD, at every step;
 *                 24 KiB each while none is validated; back to the endpoint's own when all are gone
 *   O2 work       allocations and turns of an endpoint <= a + b x datagrams
 *   O3 emission   bytes to an unvalidated address <= 3 x bytes from it [rfc9000-8.1]
 *   O4 no abort   is the sanitizers' and the assertions' business
 *   O5 integrity  the applications compare (sim_app)
 *   O6 liveness   the simulation has no fault; all connections end; then no timer is left
 *
 * The oracle takes the simulation's filter and tap; give it yours. */
#ifndef TERN_SUPPORT_SIM_ORACLE_H
#define TERN_SUPPORT_SIM_ORACLE_H

#include <tern/transport.h>

#include "sim/sim.h"

#define SIM_ORACLE_ROUTES_MAX 256
#define SIM_ORACLE_NODES_MAX 32
#define SIM_ORACLE_HALF_OPEN_BYTES 24576

/* One remote address as a server sees it. */
struct sim_oracle_route {
  tern_addr remote;
  uint64_t received_bytes;
  uint64_t sent_bytes;
  bool is_validated; /* a Handshake or 1-RTT packet, or a token, came from it */
};

struct sim_oracle_node {
  struct tern_sim_node *node;
  bool is_server;
  uint64_t own_bytes; /* charged to the endpoint alone, without connections */
  uint64_t conn_max_bytes;
  uint64_t peak_conn_bytes;
  struct sim_oracle_route routes[SIM_ORACLE_ROUTES_MAX];
  size_t routes_count;
};

struct sim_oracle {
  struct tern_sim *sim;
  struct sim_oracle_node nodes[SIM_ORACLE_NODES_MAX];
  size_t nodes_count;
  tern_sim_filter *filter;
  void *filter_arg;
  uint64_t checks;
  char fault[200]; /* the first thing that did not hold; "" = none */
};

void sim_oracle_init(struct sim_oracle *oracle, struct tern_sim *sim);
/* Call it before anything happens on the endpoint. `send_cap_bytes`: what the test lets the application
 * put into send buffers. */
void sim_oracle_add(struct sim_oracle *oracle, struct tern_sim_node *node,
                    const tern_config *config, bool is_server, uint64_t send_cap_bytes);
void sim_oracle_set_filter(struct sim_oracle *oracle, tern_sim_filter *filter, void *arg);
/* Now and then, and for each connection that a test knows. */
void sim_oracle_check_conn(struct sim_oracle *oracle, struct tern_sim_node *node,
                           const tern_conn *conn);
void sim_oracle_check(struct sim_oracle *oracle);
/* When the run is over: every connection is to be gone. */
void sim_oracle_check_end(struct sim_oracle *oracle);

#endif
