/* SPDX-License-Identifier: MIT */
/* How a loop waits, receives and sends: by epoll and recvmmsg, or by io_uring. An engine that cannot
 * begin, or cannot go on, says so in an io_feature event, and epoll takes its place.
 *
 *            wait                          receive                    send
 *   epoll    epoll_pwait2                  recvmmsg, GRO              sendmmsg, GSO
 *   uring    one io_uring_enter, which     none: multishot recvmsg    a chain of sendmsg;
 *            also receives                 filled lent buffers        one alone by sendmmsg
 *
 * The application's descriptors and the wake-up are in an epoll in both: the ring polls it. */
#ifndef TERN_IO_ENGINE_H
#define TERN_IO_ENGINE_H

#include <sys/epoll.h>

#include <tern/io.h>

#include "io/udp.h"

#ifndef TERN_HAS_URING
#define TERN_HAS_URING 0 /* set by the build where there is a liburing */
#endif

#define TERN_ENGINE_EVENTS 64 /* per wait */

struct tern_engine_ops {
  const char *name;
  uint32_t socket_events; /* what epoll is asked of a socket */
  /* TERN_IO with errno set if the system has no such thing, or TERN_NOMEM; nothing is left open. */
  tern_status (*open)(tern_loop *loop);
  void (*close)(tern_loop *loop);
  /* What becomes readable when there is something to do. */
  int (*get_fd)(const tern_loop *loop);
  /* A socket was opened; is about to be closed. */
  void (*on_udp_open)(tern_loop *loop, struct tern_udp *udp);
  void (*on_udp_close)(tern_loop *loop, struct tern_udp *udp);
  /* Like epoll_wait: events as of tern_loop_tag, at most TERN_ENGINE_EVENTS; -1 with errno set. */
  int (*wait)(tern_loop *loop, struct epoll_event *events, uint64_t max_ns);
  /* Like tern_udp_receive. */
  size_t (*receive)(tern_loop *loop, struct tern_udp *udp, tern_datagram batch[TERN_UDP_BATCH],
                    bool *is_drained);
};

extern const struct tern_engine_ops tern_engine_epoll;
#if TERN_HAS_URING
extern const struct tern_engine_ops tern_engine_uring;
#endif

/* Opens what the configuration asks for, or epoll. */
tern_status tern_engine_open(tern_loop *loop);
/* The engine does not work: epoll from now on. */
void tern_engine_fall_back(tern_loop *loop, int error);

#endif
