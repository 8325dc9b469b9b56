/* SPDX-License-Identifier: MIT */
/* A deterministic network: a virtual clock, nodes with addresses, links between them. The same seed,
 * the same nodes and the same calls give the same run, byte for byte; tern_sim_get_hash tells.
 *
 *   node ──link──▶ node        a node is a tern endpoint, or anything with the calls of one
 *        ◀──link──             (tern_sim_host): an attacker, a relay, a model
 *
 * Time jumps from event to event. At each instant the datagrams that arrive are handed over as one
 * batch per node, then nodes whose deadline came are told, then all of these send. What happens in one
 * instant is ordered by when it was put on the agenda.
 *
 * Test-only: nothing here is part of libtern. Failures of the simulated world (memory, a node that
 * re-arms its timer without end) stop the run and are named by tern_sim_get_fault. */
#ifndef TERN_SIM_SIM_H
#define TERN_SIM_SIM_H

#include <tern/transport.h>

#include "base/random.h"
#include "sim/link.h"

struct tern_sim;
struct tern_sim_node;

/* When a simulation begins: not 0, which some interfaces read as "unset". */
#define TERN_SIM_START TERN_SECOND
#define TERN_SIM_NODES_MAX 4096
/* Links in a row from one node to another. */
#define TERN_SIM_PATH_MAX 4
/* Addresses of one node. */
#define TERN_SIM_ADDRS_MAX 8
/* Datagrams per call of receive. */
#define TERN_SIM_BATCH_MAX 64
/* Times that a node may be due at one instant, and runs it may send then, before it counts as stuck. */
#define TERN_SIM_TURNS_MAX 10000

/* `alloc` NULL = malloc. */
TERN_MUST_CHECK tern_status tern_sim_new(struct tern_sim **out, uint64_t seed,
                                         const tern_alloc_ops *alloc);
/* Frees the endpoints it made, too. NULL is fine. */
void tern_sim_free(struct tern_sim *sim);

/* ---- nodes ------------------------------------------------------------------------------- */

/* What lives at a node. Only `receive` is needed. The meaning is that of the tern_endpoint calls. */
struct tern_sim_host {
  void (*receive)(void *arg, tern_datagram *batch, size_t count, tern_time now);
  tern_time (*deadline)(void *arg);
  void (*timeout)(void *arg, tern_time now);
  const tern_run *(*send)(void *arg, tern_time now);
  void (*sent)(void *arg, const tern_run *run, size_t datagrams, int error, tern_time now);
  void (*free)(void *arg); /* with the simulation */
};

/* `name` (for traces) and `host` must outlive the simulation; `arg` is the calls' first argument. */
struct tern_sim_host_args {
  const char *name;
  tern_addr addr;
  const struct tern_sim_host *host;
  void *arg;
};

TERN_MUST_CHECK tern_status tern_sim_add_host(struct tern_sim *sim,
                                              const struct tern_sim_host_args *args,
                                              struct tern_sim_node **out);

struct tern_sim_endpoint_args {
  const char *name;
  tern_addr addr;
  const tern_config *config; /* its `random` is replaced by one seeded from the simulation's seed */
  const tern_endpoint_ops *ops;
  void *app;
};

/* Makes a tern endpoint that lives at a node. `why` as in tern_endpoint_new. */
TERN_MUST_CHECK tern_status tern_sim_add_endpoint(struct tern_sim *sim,
                                                  const struct tern_sim_endpoint_args *args,
                                                  struct tern_sim_node **out, char *why,
                                                  size_t why_size);
/* NULL if the node is no tern endpoint. */
tern_endpoint *tern_sim_node_endpoint(const struct tern_sim_node *node);
/* Frees the node's endpoint now, as a crash would; datagrams to it vanish from then on. Another node
 * may take over its address: what comes after a restart. */
void tern_sim_node_crash(struct tern_sim *sim, struct tern_sim_node *node);

/* A further address, for migration. */
TERN_MUST_CHECK tern_status tern_sim_node_add_addr(struct tern_sim_node *node,
                                                   const tern_addr *addr);
/* A NAT between the node and the world gives its address `index` (0 = first) a new public one: it
 * sends from there, and what is sent to the old one vanishes. The node itself does not notice. */
void tern_sim_node_rebind(struct tern_sim_node *node, size_t index, const tern_addr *outer);
/* The node's clock runs `skew_ns` ahead (or behind): it may be set at any time, and so jump. */
void tern_sim_node_skew(struct tern_sim *sim, struct tern_sim_node *node, int64_t skew_ns);
/* What the node's socket does with a run of `count` datagrams: returns how many it takes and sets
 * *error (an errno) if that is not all. After EAGAIN the node may send again a millisecond later. */
typedef size_t tern_sim_socket(void *arg, const tern_run *run, size_t count, int *error);
void tern_sim_node_set_socket(struct tern_sim_node *node, tern_sim_socket *hook, void *arg);

/* ---- links ------------------------------------------------------------------------------- */

/* A link that belongs to the simulation; NULL = no memory. Several pairs of nodes may share one, which
 * makes it their common bottleneck. Change `link->config` at any time. */
struct tern_sim_link *tern_sim_add_link(struct tern_sim *sim,
                                        const struct tern_sim_link_config *config);
/* Puts a queue with active management before a link of this simulation, with config.queue_bytes as its
 * bound. Once, before the link is used. */
TERN_MUST_CHECK tern_status tern_sim_link_manage(struct tern_sim *sim, struct tern_sim_link *link,
                                                 enum tern_sim_aqm aqm);
/* What `from` sends to `to` takes this link. Replaces an earlier one. */
TERN_MUST_CHECK tern_status tern_sim_route(struct tern_sim *sim, struct tern_sim_node *from,
                                           struct tern_sim_node *to, struct tern_sim_link *link);
/* The same over several links in a row, with routers between them that only pass on: 1 to
 * TERN_SIM_PATH_MAX; TERN_INVALID otherwise. */
TERN_MUST_CHECK tern_status tern_sim_route_path(struct tern_sim *sim, struct tern_sim_node *from,
                                                struct tern_sim_node *to,
                                                struct tern_sim_link *const *links, size_t count);
/* Two links of one configuration between `a` and `b`. */
TERN_MUST_CHECK tern_status tern_sim_connect(struct tern_sim *sim, struct tern_sim_node *a,
                                             struct tern_sim_node *b,
                                             const struct tern_sim_link_config *config);
/* The first link that is used, or NULL. */
struct tern_sim_link *tern_sim_find_link(const struct tern_sim_node *from,
                                         const struct tern_sim_node *to);

/* ---- scripts ----------------------------------------------------------------------------- */

/* A datagram that is about to enter its link. */
struct tern_sim_datagram {
  uint8_t *data; /* may be changed */
  size_t len;    /* may be changed, up to `capacity` */
  size_t capacity;
  uint8_t ecn;        /* may be changed */
  tern_time delay_ns; /* 0; may be raised: enters the link so much later */
  const struct tern_sim_node *from;
  const struct tern_sim_node *to;
  tern_addr source; /* as the receiver will see it */
  tern_addr target; /* the receiver's public address */
  uint64_t index;   /* counts what `from` sent to `to`, from 0 */
  tern_time now;
};

/* False = it vanishes. */
typedef bool tern_sim_filter(void *arg, struct tern_sim_datagram *datagram);
/* One for the whole simulation; NULL = none. */
void tern_sim_set_filter(struct tern_sim *sim, tern_sim_filter *filter, void *arg);

/* Sees every datagram as it is delivered. Must not change it. */
typedef void tern_sim_tap(void *arg, const struct tern_sim_node *to, const tern_datagram *datagram,
                          tern_time now);
void tern_sim_set_tap(struct tern_sim *sim, tern_sim_tap *tap, void *arg);

/* One line of text per datagram, sent or delivered. */
typedef void tern_sim_trace(void *arg, const char *line);
void tern_sim_set_trace(struct tern_sim *sim, tern_sim_trace *trace, void *arg);

/* Sends from `node` as if its host had; `run->local` may be any address: a spoofed one is not checked.
 * TERN_NOMEM, or TERN_INVALID if the destination is nobody's. */
TERN_MUST_CHECK tern_status tern_sim_send(struct tern_sim *sim, struct tern_sim_node *node,
                                          const tern_run *run);

/* Calls `call` at `at` (now, if that is past). It may use the whole interface. */
typedef void tern_sim_call(void *arg, struct tern_sim *sim);
TERN_MUST_CHECK tern_status tern_sim_at(struct tern_sim *sim, tern_time at, tern_sim_call *call,
                                        void *arg);

/* ---- running ----------------------------------------------------------------------------- */

tern_time tern_sim_now(const struct tern_sim *sim);
/* The node's own clock: what its endpoint takes as `now`. */
tern_time tern_sim_node_now(const struct tern_sim *sim, const struct tern_sim_node *node);
/* Works through the next instant not after `until`. False if there was none, the clock is then at
 * `until`; also after a fault. */
bool tern_sim_step(struct tern_sim *sim, tern_time until);
/* To `until`, and everything that is due then. */
void tern_sim_run_until(struct tern_sim *sim, tern_time until);
/* Until `is_done` says so (it is asked after each instant), or nothing more happens, or `until`. */
typedef bool tern_sim_predicate(void *arg);
bool tern_sim_run_until_true(struct tern_sim *sim, tern_sim_predicate *is_done, void *arg,
                             tern_time until);

/* Over bytes, times, addresses and marks of all delivered datagrams. */
uint64_t tern_sim_get_hash(const struct tern_sim *sim);
uint64_t tern_sim_get_delivered(const struct tern_sim *sim);
/* NULL, or what made the simulation stop. */
const char *tern_sim_get_fault(const struct tern_sim *sim);
/* A seed of its own for whatever a test wants to draw; the n-th call gives the n-th. */
uint64_t tern_sim_next_seed(struct tern_sim *sim);

const char *tern_sim_node_name(const struct tern_sim_node *node);
/* The address (0 = first) as the world sees it. */
tern_addr tern_sim_node_addr(const struct tern_sim_node *node, size_t index);

struct tern_sim_node_stats {
  uint64_t datagrams_sent, bytes_sent; /* before any link */
  uint64_t datagrams_received, bytes_received;
  uint64_t unroutable; /* to an address or over a pair of nodes that does not exist */
  uint64_t turns;      /* instants in which the node did something */
};
struct tern_sim_node_stats tern_sim_node_get_stats(const struct tern_sim_node *node);

#endif
