/* SPDX-License-Identifier: MIT */
/* A server and its clients on a simulated network, with applications and oracles: a run in few lines.
 *
 *   struct sim_world_args args = sim_world_defaults(seed);
 *   args.link.loss_ppm = 20000;
 *   args.plan.down_bytes = 1000000;
 *   struct sim_world *world = sim_world_new(&args);
 *   sim_world_run(world, 60 * TERN_SECOND);
 *   sim_world_assert_complete(world);
 *   sim_world_free(world);                 asserts the oracles, the leaks, the ends
 *
 * The TLS is tls_sim unless `real_tls`; with it the same seed gives the same bytes. */
#ifndef TERN_SUPPORT_SIM_WORLD_H
#define TERN_SUPPORT_SIM_WORLD_H

#include <tern/transport.h>

#include "sim/sim.h"
#include "support/fail_alloc.h"
#include "support/sim_app.h"
#include "support/sim_oracle.h"
#include "tls/tls_sim.h"

#define SIM_WORLD_CLIENTS_MAX 16

struct sim_world_args {
  uint64_t seed;
  unsigned clients;                 /* one connection each */
  struct tern_sim_link_config link; /* both directions, each client its own */
  struct tern_sim_link_config *up;  /* NULL = link; client to server */
  struct sim_app_plan plan;
  tern_config client; /* `alloc`, `random` and TLS are filled in */
  tern_config server;
  struct tern_tls_sim_options tls;
  bool real_tls;
  bool early_data;   /* the server takes it */
  tern_slice ticket; /* of the clients; with plan.is_early they ask for early data */
  tern_sim_filter *filter;
  void *filter_arg;
  uint64_t fail_at;    /* the n-th allocation of the endpoints fails; 0 = none */
  bool may_lose_close; /* the test makes datagrams vanish in its own way: the server may idle out */
};

struct sim_world {
  struct sim_world_args args;
  struct tern_sim *sim;
  struct sim_oracle oracle;
  struct tern_fail_alloc heap; /* of the endpoints and of tls_sim */
  tern_alloc_ops heap_ops;
  tern_tls *server_tls;
  tern_tls *client_tls;
  struct tern_sim_node *server_node;
  struct tern_sim_node *client_nodes[SIM_WORLD_CLIENTS_MAX];
  struct sim_app clients[SIM_WORLD_CLIENTS_MAX];
  struct sim_app servers[SIM_WORLD_CLIENTS_MAX]; /* in the order of on_conn */
  unsigned servers_count;
  unsigned steps;
};

/* One client, a link of 10 Mbit/s and 50 ms round trip with a queue of one bandwidth-delay product, one
 * bidirectional stream of 1,000 bytes each way. */
struct sim_world_args sim_world_defaults(uint64_t seed);
/* Asserts that it can be made, unless args->fail_at is set: then NULL if it cannot. */
struct sim_world *sim_world_new(const struct sim_world_args *args);
/* Until every client's connection is closed and the network is silent, or so long. True if it was. */
bool sim_world_run(struct sim_world *world, tern_time limit_ns);
/* All clients connect once more, at the world's time, with what is in world->args; their connections before
 * must be over. */
void sim_world_reconnect(struct sim_world *world);
/* The server crashes and another endpoint, which knows nothing but the configuration, takes its place. */
void sim_world_restart_server(struct sim_world *world);
/* Closes what is open and lets it end; asserts oracles, applications' faults, leaks. */
void sim_world_free(struct sim_world *world);
/* Every stream of every client is complete, on both sides, and all ended by the client's close. */
void sim_world_assert_complete(struct sim_world *world);

#endif
