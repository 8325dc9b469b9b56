/* SPDX-License-Identifier: MIT */
/* The engine that every Linux has, and the choice between engines. */
#define _GNU_SOURCE /* syscall */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/time_types.h>

#include "io/engine.h"
#include "io/loop.h"

/* ---- epoll ------------------------------------------------------------------------------------- */

static tern_status open_epoll(tern_loop *loop)
{
  (void)loop; /* the loop has one in any case */
  return TERN_OK;
}

static void close_epoll(tern_loop *loop)
{
  (void)loop;
}

static int get_epoll_fd(const tern_loop *loop)
{
  return loop->epoll_fd;
}

static void on_udp_open(tern_loop *loop, struct tern_udp *udp)
{
  (void)loop, (void)udp;
}

/* In milliseconds, for old kernels: rounded up, since waking early would spin. */
static int wait_ms(const tern_loop *loop, struct epoll_event *events, uint64_t max_ns)
{
  int timeout = -1;
  if (max_ns != TERN_TIME_NEVER) {
    uint64_t ms = max_ns / TERN_MS + (max_ns % TERN_MS != 0);
    timeout = ms > INT_MAX ? INT_MAX : (int)ms;
  }
  return epoll_wait(loop->epoll_fd, events, TERN_ENGINE_EVENTS, timeout);
}

static int wait_epoll(tern_loop *loop, struct epoll_event *events, uint64_t max_ns)
{
#ifdef SYS_epoll_pwait2
  if (loop->has_pwait2 && max_ns != 0) {
    struct __kernel_timespec timeout = {.tv_sec = (long long)(max_ns / TERN_SECOND),
                                        .tv_nsec = (long long)(max_ns % TERN_SECOND)};
    long count = syscall(SYS_epoll_pwait2, loop->epoll_fd, events, TERN_ENGINE_EVENTS,
                         max_ns == TERN_TIME_NEVER ? NULL : &timeout, NULL, 0);
    /* EPERM: a sandbox that does not know the call. */
    if (count >= 0 || (errno != ENOSYS && errno != EPERM))
      return (int)count;
    loop->has_pwait2 = false;
  }
#endif
  return wait_ms(loop, events, max_ns);
}

static size_t receive_epoll(tern_loop *loop, struct tern_udp *udp,
                            tern_datagram batch[TERN_UDP_BATCH], bool *is_drained)
{
  (void)loop;
  return tern_udp_receive(udp, batch, is_drained);
}

const struct tern_engine_ops tern_engine_epoll = {
    .name = "epoll",
    .socket_events = EPOLLIN,
    .open = open_epoll,
    .close = close_epoll,
    .get_fd = get_epoll_fd,
    .on_udp_open = on_udp_open,
    .on_udp_close = on_udp_open,
    .wait = wait_epoll,
    .receive = receive_epoll,
};

/* ---- the choice -------------------------------------------------------------------------------- */

static void show_uring(tern_loop *loop, bool is_on, const char *reason)
{
  tern_event event = {.kind = TERN_EVENT_IO_FEATURE,
                      .data = {.io_feature = {"uring", is_on, is_on ? NULL : reason}}};
  loop->notice.now = tern_loop_now(loop);
  tern_notice_emit(&loop->notice, &event);
}

/* TERN_ENGINE_AUTO is epoll: on Linux 6.18 it needed 4 % less CPU time per GiB than the ring and 1 % less
 * per request (bench/variants.py --both "--io uring" "--io epoll"). A burst is one call in both, and
 * where bursts are long the calls are few. */
tern_status tern_engine_open(tern_loop *loop)
{
  loop->engine = &tern_engine_epoll;
  if (loop->config.engine != TERN_ENGINE_URING)
    return TERN_OK;
#if TERN_HAS_URING
  tern_status status = tern_engine_uring.open(loop);
  if (status == TERN_NOMEM)
    return status;
  if (status == TERN_OK)
    loop->engine = &tern_engine_uring;
  show_uring(loop, status == TERN_OK, strerror(errno));
#else
  show_uring(loop, false, "not built in");
#endif
  return TERN_OK;
}

void tern_engine_fall_back(tern_loop *loop, int error)
{
  loop->engine->close(loop);
  loop->engine = &tern_engine_epoll;
  tern_loop_poll_sockets(loop, loop->is_blocked);
  show_uring(loop, false, strerror(error));
}
