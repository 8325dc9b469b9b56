/* SPDX-License-Identifier: MIT */
/* Making a loop, and its sockets. */
#define _GNU_SOURCE /* clock_gettime */
#include "io/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

void tern_loop_config_init(tern_loop_config *config, size_t size)
{
  tern_loop_config defaults = {
      .size = size,
      .socket_buffer_bytes = 4 << 20,
      .datagrams_per_turn = 1024,
      .gso = true,
      .gro = true,
  };
  memset(config, 0, size);
  memcpy(config, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

static size_t get_least(size_t a, size_t b)
{
  return a < b ? a : b;
}

struct bound {
  const char *name;
  uint64_t value, min, max;
};

static tern_status check_config(const tern_loop_config *config, char *why, size_t why_size)
{
  const struct bound bounds[] = {
      {"socket_buffer_bytes", config->socket_buffer_bytes, 65536, 1 << 30},
      {"datagrams_per_turn", config->datagrams_per_turn, 16, 1 << 20},
      {"busy_poll_ns", config->busy_poll_ns, 0, TERN_SECOND},
  };
  if (config->endpoint == NULL || config->engine > TERN_ENGINE_URING) {
    snprintf(why, why_size, config->endpoint == NULL ? "endpoint is not set" : "no such engine");
    return TERN_INVALID;
  }
  for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
    const struct bound *bound = &bounds[i];
    if (bound->value >= bound->min && bound->value <= bound->max)
      continue;
    snprintf(why, why_size, "%s is %llu, must be %llu to %llu", bound->name,
             (unsigned long long)bound->value, (unsigned long long)bound->min,
             (unsigned long long)bound->max);
    return TERN_INVALID;
  }
  return TERN_OK;
}

static int poll_own(const tern_loop *loop, int operation, int fd, uint32_t events)
{
  struct epoll_event event = {.events = events, .data.u64 = tern_loop_tag(fd, 0)};
  return epoll_ctl(loop->epoll_fd, operation, fd, &event);
}

void tern_loop_poll_sockets(tern_loop *loop, bool wants_write)
{
  for (size_t i = 0; i < 2; i++)
    if (loop->udp[i].fd >= 0)
      poll_own(loop, EPOLL_CTL_MOD, loop->udp[i].fd,
               loop->engine->socket_events | (wants_write ? EPOLLOUT : 0u));
}

struct tern_udp *tern_loop_find_udp(tern_loop *loop, uint8_t family)
{
  struct tern_udp *ipv4 = &loop->udp[0], *ipv6 = &loop->udp[1];
  if (family == 4 && ipv4->fd >= 0)
    return ipv4;
  return (family == 4 || family == 6) && ipv6->fd >= 0 ? ipv6 : NULL;
}

static void close_udp(tern_loop *loop, struct tern_udp *udp)
{
  if (udp->fd < 0)
    return;
  loop->engine->on_udp_close(loop, udp);
  tern_udp_deinit(udp);
}

/* Opens a socket and makes it the one for its family. */
static tern_status open_udp(tern_loop *loop, const tern_addr *local)
{
  struct tern_udp *place = &loop->udp[local->family == 6];
  const tern_loop_config *config = &loop->config;
  struct tern_udp udp;
  struct tern_udp_args args = {
      .local = *local,
      .buffer_bytes = config->socket_buffer_bytes,
      .gso = config->gso,
      .gro = config->gro,
      .txtime = config->txtime,
      .reuse_port = config->reuse_port,
      .batch_max = config->datagrams_per_turn,
      .errors = config->listen.family == 0,
      .busy_poll_ns = config->busy_poll_ns,
  };
  loop->notice.now = tern_loop_now(loop);
  tern_status status = tern_udp_init(&udp, &args, &loop->alloc, &loop->notice);
  if (status != TERN_OK)
    return status;
  if (poll_own(loop, EPOLL_CTL_ADD, udp.fd, loop->engine->socket_events) != 0) {
    int error = errno;
    tern_udp_deinit(&udp);
    errno = error;
    return TERN_IO;
  }
  close_udp(loop, place);
  *place = udp;
  loop->engine->on_udp_open(loop, place);
  loop->local = udp.local;
  return TERN_OK;
}

static tern_status open_system(tern_loop *loop)
{
  loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
      poll_own(loop, EPOLL_CTL_ADD, loop->wake_fd, EPOLLIN) != 0)
    return TERN_IO;
  loop->mailbox.wake_fd = loop->wake_fd;
  return tern_engine_open(loop);
}

/* Unix time less the loop's clock: what outlives the process carries the time of day. */
static uint64_t get_unix_offset_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * TERN_SECOND + (uint64_t)now.tv_nsec - tern_loop_read_clock();
}

/* From any thread. */
static void wake(void *arg)
{
  tern_mailbox_wake(&((const tern_loop *)arg)->mailbox);
}

/* The socket comes first: that a port is taken is the likelier trouble. */
static tern_status start(tern_loop *loop, const tern_loop_config *config, char *why,
                         size_t why_size)
{
  tern_config endpoint_config;
  tern_config_init(&endpoint_config, sizeof endpoint_config);
  memcpy(&endpoint_config, config->endpoint,
         get_least(config->endpoint->size, sizeof endpoint_config));
  endpoint_config.size = sizeof endpoint_config;
  tern_status status = open_system(loop);
  if (status != TERN_OK) {
    snprintf(why, why_size, "cannot make an epoll: %s", strerror(errno));
    return status;
  }
  if (config->listen.family != 0) {
    status = open_udp(loop, &config->listen);
    if (status != TERN_OK) {
      char text[TERN_ADDR_TEXT_MAX];
      snprintf(why, why_size, "cannot listen at %s: %s",
               tern_addr_format(&config->listen, text, sizeof text),
               status == TERN_IO ? strerror(errno) : tern_status_name(status));
      return status;
    }
  }
  if (endpoint_config.random.fill == NULL)
    endpoint_config.random = tern_entropy_ops(&loop->entropy);
  if (endpoint_config.wake.wake == NULL)
    endpoint_config.wake = (tern_wake_ops){wake, loop};
  if (endpoint_config.unix_offset_ns == 0)
    endpoint_config.unix_offset_ns = get_unix_offset_ns();
  return tern_endpoint_new(&loop->endpoint, &endpoint_config, config->ops, config->app, why,
                           why_size);
}

tern_status tern_loop_new(tern_loop **out, const tern_loop_config *caller_config, char *why,
                          size_t why_size)
{
  /* The caller may know an older, shorter struct: what it lacks has its default. */
  tern_loop_config own;
  const tern_loop_config *config = &own;
  tern_loop_config_init(&own, sizeof own);
  memcpy(&own, caller_config, get_least(caller_config->size, sizeof own));
  own.size = sizeof own;
  tern_status status = check_config(config, why, why_size);
  if (status != TERN_OK)
    return status;
  const tern_config *endpoint = config->endpoint;
  tern_loop *loop = endpoint->alloc.take(endpoint->alloc.arg, sizeof *loop);
  if (loop == NULL)
    return TERN_NOMEM;
  memset(loop, 0, sizeof *loop);
  loop->ops = endpoint->alloc;
  loop->config = *config;
  loop->config.endpoint = NULL;
  loop->epoll_fd = loop->wake_fd = loop->udp[0].fd = loop->udp[1].fd = -1;
  loop->has_pwait2 = true;
  loop->engine = &tern_engine_epoll;
  loop->notice.subscribers = endpoint->subscribers;
  loop->notice.count = endpoint->subscribers_count;
  atomic_init(&loop->is_stopping, false);
  tern_alloc_init(&loop->alloc, &loop->ops, NULL, UINT64_MAX);
  tern_heap_init(&loop->timers, &loop->alloc);
  tern_entropy_init(&loop->entropy);
  tern_mailbox_init(&loop->mailbox, -1);
  status = start(loop, config, why, why_size);
  if (status != TERN_OK) {
    tern_loop_free(loop);
    return status;
  }
  *out = loop;
  return TERN_OK;
}

void tern_loop_free(tern_loop *loop)
{
  if (loop == NULL)
    return;
  TERN_ASSERT(!loop->is_in_turn);
  tern_endpoint_free(loop->endpoint);
  for (size_t i = 0; i < 2; i++)
    close_udp(loop, &loop->udp[i]);
  loop->engine->close(loop);
  tern_loop_free_app(loop);
  tern_mailbox_deinit(&loop->mailbox, &loop->alloc);
  tern_entropy_deinit(&loop->entropy);
  if (loop->wake_fd >= 0)
    close(loop->wake_fd);
  if (loop->epoll_fd >= 0)
    close(loop->epoll_fd);
  tern_alloc_deinit(&loop->alloc);
  tern_alloc_ops ops = loop->ops;
  ops.give(ops.arg, loop, sizeof *loop);
}

tern_endpoint *tern_loop_get_endpoint(const tern_loop *loop)
{
  return loop->endpoint;
}

tern_addr tern_loop_get_local(const tern_loop *loop)
{
  return loop->local;
}

int tern_loop_get_fd(const tern_loop *loop)
{
  return loop->engine->get_fd(loop);
}

const char *tern_loop_get_engine(const tern_loop *loop)
{
  return loop->engine->name;
}

tern_status tern_loop_connect(tern_loop *loop, const tern_connect_args *args, tern_conn **out)
{
  uint8_t family = args->remote.family;
  if (family != 4 && family != 6)
    return TERN_INVALID;
  if (tern_loop_find_udp(loop, family) == NULL) {
    tern_addr any = {.family = family};
    bool has_local = args->local.family == family;
    tern_status status = open_udp(loop, has_local ? &args->local : &any);
    if (status != TERN_OK)
      return status;
  }
  return tern_endpoint_connect(loop->endpoint, args, tern_loop_now(loop), out);
}

tern_status tern_loop_do_rebind(tern_loop *loop)
{
  loop->wants_rebind = false;
  for (size_t i = 0; i < 2; i++) {
    tern_addr local = loop->udp[i].local;
    if (loop->udp[i].fd < 0)
      continue;
    local.port = 0;
    tern_status status = open_udp(loop, &local);
    if (status != TERN_OK)
      return status;
  }
  return TERN_OK;
}

/* Inside a turn the buffers of the old sockets are in use: what was received points into them. */
tern_status tern_loop_rebind(tern_loop *loop)
{
  if (loop->config.listen.family != 0)
    return TERN_STATE;
  if (!loop->is_in_turn)
    return tern_loop_do_rebind(loop);
  loop->wants_rebind = true;
  return TERN_OK;
}
