/* SPDX-License-Identifier: MIT */
/* The application's descriptors and timers. Both may be added, changed and removed from inside any of
 * their callbacks: events that epoll had already handed out for a removed descriptor are known by their
 * old generation, and a timer is switched off before its callback runs. */
#include <string.h>

#include <sys/epoll.h>

#include "io/loop.h"

#define FDS_MIN 16

static struct tern_loop_fd *find_fd(const tern_loop *loop, int fd)
{
  if (fd < 0 || (size_t)fd >= loop->fds_capacity || loop->fds[fd].on_fd == NULL)
    return NULL;
  return &loop->fds[fd];
}

/* Room for `fd` in the table. Descriptors are small numbers: the system gives the lowest free one. */
static bool reserve_fd(tern_loop *loop, int fd)
{
  size_t capacity = loop->fds_capacity == 0 ? FDS_MIN : loop->fds_capacity;
  while (capacity <= (size_t)fd)
    capacity *= 2;
  if (capacity == loop->fds_capacity)
    return true;
  struct tern_loop_fd *fds = tern_alloc_resize(
      &loop->alloc, loop->fds, loop->fds_capacity * sizeof *fds, capacity * sizeof *fds);
  if (fds == NULL)
    return false;
  memset(fds + loop->fds_capacity, 0, (capacity - loop->fds_capacity) * sizeof *fds);
  loop->fds = fds;
  loop->fds_capacity = capacity;
  return true;
}

/* A descriptor that nothing is wanted of is taken out of epoll: hang-ups would come in any case. */
static int poll_fd(tern_loop *loop, int fd, unsigned events)
{
  struct tern_loop_fd *entry = &loop->fds[fd];
  struct epoll_event event = {.data.u64 = tern_loop_tag(fd, entry->generation)};
  if (events == 0 && !entry->is_polled)
    return 0;
  if ((events & TERN_LOOP_READABLE) != 0)
    event.events |= EPOLLIN | EPOLLRDHUP;
  if ((events & TERN_LOOP_WRITABLE) != 0)
    event.events |= EPOLLOUT;
  int operation = events == 0 ? EPOLL_CTL_DEL : entry->is_polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  int result = epoll_ctl(loop->epoll_fd, operation, fd, &event);
  entry->is_polled = operation == EPOLL_CTL_DEL ? false : entry->is_polled || result == 0;
  return result;
}

tern_status tern_loop_add_fd(tern_loop *loop, int fd, unsigned events, tern_loop_on_fd *on_fd,
                             void *arg)
{
  if (fd < 0 || on_fd == NULL || (events & ~(TERN_LOOP_READABLE | TERN_LOOP_WRITABLE)) != 0)
    return TERN_INVALID;
  if (find_fd(loop, fd) != NULL)
    return TERN_STATE;
  if (!reserve_fd(loop, fd))
    return TERN_NOMEM;
  struct tern_loop_fd *entry = &loop->fds[fd];
  uint32_t generation = entry->generation == UINT32_MAX ? 1 : entry->generation + 1;
  *entry = (struct tern_loop_fd){.on_fd = on_fd, .arg = arg, .generation = generation};
  if (poll_fd(loop, fd, events) == 0)
    return TERN_OK;
  entry->on_fd = NULL;
  return TERN_IO;
}

void tern_loop_set_fd(tern_loop *loop, int fd, unsigned events)
{
  if (find_fd(loop, fd) != NULL)
    (void)poll_fd(loop, fd, events);
}

void tern_loop_remove_fd(tern_loop *loop, int fd)
{
  struct tern_loop_fd *entry = find_fd(loop, fd);
  if (entry == NULL)
    return;
  (void)poll_fd(loop, fd, 0);
  entry->on_fd = NULL;
}

void tern_loop_on_fd_event(tern_loop *loop, uint64_t tag, uint32_t epoll_events)
{
  int fd = (int)(uint32_t)tag;
  const struct tern_loop_fd *entry = find_fd(loop, fd);
  if (entry == NULL || tern_loop_tag(fd, entry->generation) != tag || !entry->is_polled)
    return;
  unsigned events = 0;
  if ((epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
    events |= TERN_LOOP_READABLE;
  if ((epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
    events |= TERN_LOOP_WRITABLE;
  entry->on_fd(entry->arg, fd, events);
}

tern_status tern_loop_add_timer(tern_loop *loop, tern_loop_on_timer *on_timer, void *arg,
                                tern_loop_timer **out)
{
  tern_loop_timer *timer = tern_alloc_take_zero(&loop->alloc, sizeof *timer);
  if (timer == NULL)
    return TERN_NOMEM;
  timer->loop = loop;
  timer->on_timer = on_timer;
  timer->arg = arg;
  tern_status status = tern_heap_insert(&loop->timers, &timer->node, TERN_TIME_NEVER);
  if (status != TERN_OK) {
    tern_alloc_give(&loop->alloc, timer, sizeof *timer);
    return status;
  }
  *out = timer;
  return TERN_OK;
}

/* Inside a turn a time that has come already means the next turn, so that a timer which sets itself to
 * now cannot keep its turn from ending. */
void tern_loop_set_timer(tern_loop_timer *timer, tern_time at)
{
  const tern_loop *loop = timer->loop;
  if (loop->is_in_turn && at <= loop->now)
    at = loop->now + 1;
  tern_heap_update(&timer->loop->timers, &timer->node, at);
}

void tern_loop_remove_timer(tern_loop_timer *timer)
{
  if (timer == NULL)
    return;
  tern_heap_remove(&timer->loop->timers, &timer->node);
  tern_alloc_give(&timer->loop->alloc, timer, sizeof *timer);
}

void tern_loop_run_timers(tern_loop *loop)
{
  while (tern_heap_first_key(&loop->timers) <= loop->now) {
    struct tern_heap_node *node = tern_heap_first(&loop->timers);
    tern_loop_timer *timer = TERN_CONTAINER_OF(node, tern_loop_timer, node);
    tern_heap_update(&loop->timers, node, TERN_TIME_NEVER);
    timer->on_timer(timer->arg, loop->now);
  }
}

void tern_loop_free_app(tern_loop *loop)
{
  struct tern_heap_node *node;
  while ((node = tern_heap_first(&loop->timers)) != NULL)
    tern_loop_remove_timer(TERN_CONTAINER_OF(node, tern_loop_timer, node));
  tern_heap_deinit(&loop->timers);
  tern_alloc_give(&loop->alloc, loop->fds, loop->fds_capacity * sizeof *loop->fds);
  loop->fds = NULL;
  loop->fds_capacity = 0;
}
