/* SPDX-License-Identifier: MIT */
/* The live link: the link model of src/sim with a real clock and real datagrams.
 *
 *   clients ──▶ listening socket ──▶ up ──▶ a connected socket per client ──▶ server
 *           ◀──                  ◀── down ◀──                             ◀──
 *
 * A datagram enters the model at the time at which the kernel got it, not when we came to look, and is
 * on the agenda from then on until it is due. So lateness does not add up: what counts is only how late
 * we are at the end, and that is measured for each one. */
#ifndef TERN_TOOLS_LINK_RELAY_H
#define TERN_TOOLS_LINK_RELAY_H

#include "base/alloc.h"
#include "link_options.h"
#include "link_socket.h"
#include "sim/agenda.h"

/* Datagrams on their way at a time, of both directions; more are dropped and counted. */
#define TERN_RELAY_HELD_MAX 262144

struct tern_relay_client {
  tern_addr addr;
  int fd; /* -1 = free */
  tern_time used_at;
};

struct tern_relay_way {
  struct tern_sim_link link;
  struct tern_sim_queue queue;
  struct tern_sim_rates rates;
  struct tern_sim_rate_step *steps;
  tern_time offered_at; /* newest packet for the queue */
};

struct tern_relay_figures {
  uint64_t sent, refused; /* by the socket */
  uint64_t late, overflow, no_client;
  uint64_t late_worst_ns;
  double late_sum_ns;
};

struct tern_relay {
  const struct tern_link_options *options;
  tern_alloc_ops ops;
  struct tern_alloc alloc;
  struct tern_agenda agenda;
  struct tern_relay_way up, down;
  struct tern_relay_client *clients;
  size_t clients_count; /* slots that were used */
  int listen_fd, epoll_fd, timer_fd;
  uint64_t held;
  struct tern_relay_packet *spare;
  tern_time last_at;      /* of the newest arrival: time does not go back */
  int64_t real_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
  struct tern_relay_figures figures;
  uint64_t late_told;
  tern_time told_at;
  uint8_t room[TERN_LINK_DATAGRAM_MAX];
};

/* False: says why. */
bool tern_relay_open(struct tern_relay *relay, const struct tern_link_options *options);
/* Until *stop is set. */
void tern_relay_run(struct tern_relay *relay, const volatile int *stop);
void tern_relay_close(struct tern_relay *relay);

#endif
