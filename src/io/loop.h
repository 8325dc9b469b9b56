/* SPDX-License-Identifier: MIT */
/* Inside of the event loop. One turn:
 *
 *   wait -> clock -> descriptors, mailbox -> receive (bounded) -> timeout -> timers -> send (bounded)
 *
 * Work is bounded per turn, and epoll is level-triggered, so what is left comes again at once:
 * receiving cannot starve sending nor the other way round. */
#ifndef TERN_IO_LOOP_H
#define TERN_IO_LOOP_H

#include <stdatomic.h>

#include <tern/io.h>

#include "base/alloc.h"
#include "base/heap.h"
#include "io/engine.h"
#include "io/entropy.h"
#include "io/mailbox.h"
#include "io/notice.h"
#include "io/udp.h"

/* A descriptor of the application. */
struct tern_loop_fd {
  tern_loop_on_fd *on_fd; /* NULL = not added */
  void *arg;
  uint32_t generation; /* changes with each use: an event that waited for an earlier one is stale */
  bool is_polled;      /* epoll knows it */
};

struct tern_loop_timer {
  struct tern_heap_node node; /* always in the heap; TERN_TIME_NEVER = off */
  tern_loop *loop;
  tern_loop_on_timer *on_timer;
  void *arg;
};

struct tern_loop {
  tern_alloc_ops ops;
  struct tern_alloc alloc;
  struct tern_notice notice;
  struct tern_entropy entropy;
  tern_loop_config config; /* `endpoint` is not kept */
  tern_endpoint *endpoint;
  struct tern_udp udp[2]; /* for IPv4, for IPv6; a server has one, IPv6 serving both */
  tern_addr local;
  struct tern_mailbox mailbox;
  const struct tern_engine_ops *engine;
  struct tern_uring *uring; /* of engine_uring.c */
  int epoll_fd;
  int wake_fd;
  bool has_pwait2; /* epoll with nanoseconds */
  atomic_bool is_stopping;

  tern_time now;
  bool is_in_turn;
  bool needs_turn;     /* the engine does not look at all sockets yet */
  bool was_woken;      /* this turn, by another thread or a stop */
  bool wants_rebind;   /* at the end of the turn */
  bool is_blocked;     /* the sockets took no more */
  tern_time retry_at;  /* when blocked: try again then even without a word from epoll */
  tern_time active_at; /* last turn that had something to do: busy polling counts from it */

  struct tern_loop_fd *fds; /* indexed by descriptor */
  size_t fds_capacity;
  struct tern_heap timers;
};

/* What epoll gives back for a descriptor; generation 0 is the loop's own. */
static inline uint64_t tern_loop_tag(int fd, uint32_t generation)
{
  return (uint64_t)generation << 32 | (uint32_t)fd;
}

tern_time tern_loop_read_clock(void);
/* The socket for a remote of this family, or NULL. */
struct tern_udp *tern_loop_find_udp(tern_loop *loop, uint8_t family);
/* New sockets for a client's old ones. */
tern_status tern_loop_do_rebind(tern_loop *loop);
/* Asks epoll for EPOLLIN, and EPOLLOUT if `wants_write`, on the sockets. */
void tern_loop_poll_sockets(tern_loop *loop, bool wants_write);
/* An event of a descriptor of the application. */
void tern_loop_on_fd_event(tern_loop *loop, uint64_t tag, uint32_t epoll_events);
/* Calls the timers that are due, each once. */
void tern_loop_run_timers(tern_loop *loop);
/* Frees what tern_loop_add_fd and tern_loop_add_timer made. */
void tern_loop_free_app(tern_loop *loop);

#endif
