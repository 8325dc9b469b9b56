/* SPDX-License-Identifier: MIT */
/* What the files of the simulator share. */
#ifndef TERN_SIM_SIM_INTERNAL_H
#define TERN_SIM_SIM_INTERNAL_H

#include "base/alloc.h"
#include "base/heap.h"
#include "base/list.h"
#include "sim/agenda.h"
#include "sim/sim.h"

/* Room of a packet that is kept for reuse: more than an Ethernet frame. */
#define TERN_SIM_PACKET_ROOM 2048

/* On the agenda: a datagram on its way, or a call. */
struct tern_sim_event {
  struct tern_sim_event *next_free;
  tern_sim_call *call; /* not NULL = a call */
  void *call_arg;
  struct tern_sim_link *path[TERN_SIM_PATH_MAX]; /* links that the datagram is still to enter */
  size_t path_count;
  struct tern_sim_link *serves;  /* not NULL = this link's transmitter is free */
  struct tern_sim_packet packet; /* while it waits in a link's queue */
  struct tern_sim_node *to;
  size_t to_addr;         /* which of the node's addresses */
  tern_addr target;       /* that one as it was when the datagram was sent */
  tern_datagram datagram; /* data = bytes */
  size_t capacity;
  uint8_t bytes[];
};

struct tern_sim_addr {
  tern_addr inner; /* what the node thinks */
  tern_addr outer; /* what the world sees */
};

/* The links towards one other node. */
struct tern_sim_hop {
  struct tern_sim_node *to;
  struct tern_sim_link *path[TERN_SIM_PATH_MAX];
  size_t path_count;
  uint64_t sent;
};

struct tern_sim_node {
  struct tern_sim *sim;
  const char *name;
  const struct tern_sim_host *host;
  void *arg;
  tern_endpoint *endpoint; /* if the host is one */
  struct tern_random_seeded random;
  struct tern_sim_addr addrs[TERN_SIM_ADDRS_MAX];
  size_t addrs_count;
  struct tern_sim_hop *hops;
  size_t hops_count;
  size_t hops_capacity;
  int64_t skew_ns;
  tern_sim_socket *socket;
  void *socket_arg;
  tern_time blocked_until; /* the socket said EAGAIN */
  bool is_dead;

  struct tern_heap_node timer;
  struct tern_list_node touched_node;
  struct tern_sim_event *inbox[TERN_SIM_BATCH_MAX];
  size_t inbox_count;
  tern_time last_turn;
  unsigned turns_at_once;
  struct tern_sim_node_stats stats;
};

struct tern_sim_link_slot {
  struct tern_sim_link_slot *next;
  struct tern_sim_link link;
  struct tern_sim_queue queue; /* if link.queue */
  bool is_served;              /* an event for its transmitter is on the agenda */
};

struct tern_sim {
  tern_alloc_ops ops;
  struct tern_alloc alloc;
  struct tern_random_seeded seeds;
  tern_time now;
  struct tern_agenda agenda;
  struct tern_heap timers;
  struct tern_list touched;
  struct tern_sim_node **nodes;
  size_t nodes_count;
  size_t nodes_capacity;
  struct tern_sim_link_slot *links;
  struct tern_sim_event *free_events;
  tern_sim_filter *filter;
  void *filter_arg;
  tern_sim_tap *tap;
  void *tap_arg;
  tern_sim_trace *trace;
  void *trace_arg;
  uint64_t hash;
  uint64_t delivered;
  const char *fault;
};

/* NULL and a fault if there is no memory. */
struct tern_sim_event *tern_sim_take_event(struct tern_sim *sim, size_t len);
void tern_sim_give_event(struct tern_sim *sim, struct tern_sim_event *event);
/* Cuts `run` into datagrams and puts them on their way; the first `count` of them. */
void tern_sim_transmit(struct tern_sim *sim, struct tern_sim_node *node, const tern_run *run,
                       size_t count);
size_t tern_sim_run_count(const tern_run *run);
/* Lets a datagram whose time to leave has come enter its link. Owns `event`. */
void tern_sim_depart(struct tern_sim *sim, struct tern_sim_event *event);
/* The transmitter of a link with a queue takes what it can, and is due again when it is free. */
void tern_sim_serve(struct tern_sim *sim, struct tern_sim_link *link);
/* Hands the inbox over. */
void tern_sim_deliver(struct tern_sim *sim, struct tern_sim_node *node);
/* The node is to have a turn in this instant. */
void tern_sim_touch(struct tern_sim *sim, struct tern_sim_node *node);
void tern_sim_fail(struct tern_sim *sim, const char *fault);

#endif
