/* SPDX-License-Identifier: MIT */
/* A turn of the loop. */
#define _GNU_SOURCE /* clock_gettime */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/loop.h"

#define SEND_ROUNDS_MAX 64 /* of SEND_ROUND_BYTES: about 4 MiB a turn */
#define SEND_ROUND_BYTES                                                                           \
  65536 /* small runs are gathered up to this; a full one goes at once, while
                                  * it is in the cache */
#define BLOCKED_RETRY_NS (10 * TERN_MS) /* EPOLLOUT comes sooner */
#define NO_BUFFERS_RETRY_NS TERN_MS     /* a full queue below the socket has no event */

tern_time tern_loop_read_clock(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (tern_time)now.tv_sec * TERN_SECOND + (tern_time)now.tv_nsec;
}

tern_time tern_loop_now(const tern_loop *loop)
{
  return loop->is_in_turn ? loop->now : tern_loop_read_clock();
}

tern_time tern_loop_deadline(const tern_loop *loop)
{
  tern_time endpoint = tern_endpoint_deadline(loop->endpoint);
  tern_time timer = loop->needs_turn ? 0 : tern_heap_first_key(&loop->timers);
  /* While the sockets are full, sending is what the endpoint wants and cannot have. */
  if (loop->is_blocked && endpoint < loop->retry_at)
    endpoint = loop->retry_at;
  return endpoint < timer ? endpoint : timer;
}

/* Looks again and again for a while after the last work, since going to sleep and waking up costs some
 * ten microseconds. */
static int spin(tern_loop *loop, struct epoll_event *events, tern_time until)
{
  int count;
  do
    count = loop->engine->wait(loop, events, 0);
  while (count == 0 && tern_loop_read_clock() < until);
  return count;
}

/* Waits for events, at most `max_ns` and until the next deadline; returns how many, or -1. */
static int wait_for_events(tern_loop *loop, struct epoll_event *events, uint64_t max_ns)
{
  tern_time now = tern_loop_read_clock(), deadline = tern_loop_deadline(loop);
  uint64_t left = deadline == TERN_TIME_NEVER ? TERN_TIME_NEVER
                  : deadline > now            ? deadline - now
                                              : 0;
  if (left > max_ns)
    left = max_ns;
  tern_time spin_end = loop->active_at + loop->config.busy_poll_ns;
  if (left != 0 && spin_end > now) {
    tern_time until = spin_end - now > left ? now + left : spin_end;
    int count = spin(loop, events, until);
    if (count != 0 || until != spin_end)
      return count;
    tern_time spun = tern_loop_read_clock() - now;
    left = left == TERN_TIME_NEVER ? left : spun < left ? left - spun : 0;
  }
  return loop->engine->wait(loop, events, left);
}

static size_t count_datagrams(const tern_datagram *batch, size_t count)
{
  size_t datagrams = 0;
  for (size_t i = 0; i < count; i++) {
    size_t segment = batch[i].segment_bytes;
    datagrams += segment == 0 ? 1 : (batch[i].len + segment - 1) / segment;
  }
  return datagrams;
}

/* Takes from one socket until it is empty or `budget` datagrams have come. */
static tern_status receive_from(tern_loop *loop, struct tern_udp *udp, size_t *budget)
{
  bool is_drained = false;
  while (!is_drained && *budget > 0) {
    tern_datagram batch[TERN_UDP_BATCH];
    size_t count = loop->engine->receive(loop, udp, batch, &is_drained);
    if (count == 0)
      break;
    size_t datagrams = count_datagrams(batch, count);
    *budget -= datagrams < *budget ? datagrams : *budget;
    tern_status status = tern_endpoint_receive(loop->endpoint, batch, count, loop->now);
    if (status != TERN_OK)
      return status;
  }
  return TERN_OK;
}

static tern_status receive(tern_loop *loop, const bool is_readable[2])
{
  size_t budget = loop->config.datagrams_per_turn;
  for (size_t i = 0; i < 2; i++) {
    if (!is_readable[i] || loop->udp[i].fd < 0)
      continue;
    tern_status status = receive_from(loop, &loop->udp[i], &budget);
    if (status != TERN_OK)
      return status;
  }
  return TERN_OK;
}

static bool is_full(int error)
{
  return error == EAGAIN || error == ENOBUFS;
}

static void on_blocked(tern_loop *loop, int error)
{
  bool is_socket = error == EAGAIN;
  if (!loop->is_blocked && is_socket)
    tern_loop_poll_sockets(loop, true);
  loop->is_blocked = true;
  loop->retry_at = loop->now + (is_socket ? BLOCKED_RETRY_NS : NO_BUFFERS_RETRY_NS);
}

/* Runs from the endpoint, up to a number and an amount. */
static size_t collect_runs(tern_loop *loop, const tern_run *runs[TERN_UDP_RUNS_MAX])
{
  size_t count = 0, bytes = 0;
  while (count < TERN_UDP_RUNS_MAX && bytes < SEND_ROUND_BYTES) {
    const tern_run *run = tern_endpoint_send(loop->endpoint, loop->now);
    if (run == NULL)
      break;
    runs[count++] = run;
    bytes += run->len;
  }
  return count;
}

/* Sends the first runs that go through the same socket; returns how many those are. */
static size_t send_same_socket(tern_loop *loop, const tern_run *const *runs, size_t count,
                               struct tern_udp_result *results)
{
  struct tern_udp *udp = tern_loop_find_udp(loop, runs[0]->remote.family);
  size_t same = 1;
  if (udp == NULL) {
    results[0] = (struct tern_udp_result){0, EAFNOSUPPORT};
    return 1;
  }
  while (same < count && tern_loop_find_udp(loop, runs[same]->remote.family) == udp)
    same++;
  tern_udp_send(udp, runs, same, results);
  return same;
}

/* One round of sending; false if there was nothing or no more goes. */
static bool send_round(tern_loop *loop)
{
  const tern_run *runs[TERN_UDP_RUNS_MAX];
  struct tern_udp_result results[TERN_UDP_RUNS_MAX];
  size_t count = collect_runs(loop, runs);
  for (size_t i = 0; i < count;) {
    /* The endpoint takes everything behind a full socket back, so another socket must not send it. */
    if (i > 0 && is_full(results[i - 1].error)) {
      results[i] = (struct tern_udp_result){0, results[i - 1].error};
      i++;
      continue;
    }
    i += send_same_socket(loop, runs + i, count - i, results + i);
  }
  for (size_t i = 0; i < count; i++) {
    int error = results[i].error;
    if (is_full(error)) {
      on_blocked(loop, error);
      error = EAGAIN;
    }
    tern_endpoint_sent(loop->endpoint, runs[i], results[i].datagrams, error, loop->now);
  }
  return count > 0 && !loop->is_blocked;
}

static void send_all(tern_loop *loop)
{
  if (loop->is_blocked) {
    if (loop->now < loop->retry_at)
      return;
    loop->is_blocked = false;
    tern_loop_poll_sockets(loop, false);
  }
  for (int round = 0; round < SEND_ROUNDS_MAX; round++)
    if (!send_round(loop))
      return;
}

static void drain_wake(const tern_loop *loop)
{
  uint64_t value;
  ssize_t got = read(loop->wake_fd, &value, sizeof value);
  (void)got; /* EAGAIN if it was read before */
}

/* What other threads brought. */
static tern_status empty_mailbox(tern_loop *loop)
{
  struct tern_mailbox_half *half = tern_mailbox_swap(&loop->mailbox);
  tern_datagram batch[TERN_UDP_BATCH];
  tern_status status = TERN_OK;
  size_t count, at = 0;
  for (size_t i = 0; i < half->calls_count; i++)
    half->calls[i].on_post(half->calls[i].arg);
  while (status == TERN_OK && (count = tern_mailbox_read(half, &at, batch, TERN_UDP_BATCH)) != 0)
    status = tern_endpoint_receive(loop->endpoint, batch, count, loop->now);
  return status;
}

/* A client is told at once that nobody listens. */
static void read_errors(tern_loop *loop, struct tern_udp *udp)
{
  tern_addr remote;
  int error;
  if (!udp->has_errors)
    return;
  while ((error = tern_udp_next_error(udp, &remote)) != 0)
    if (error == ECONNREFUSED)
      tern_endpoint_unreachable(loop->endpoint, &remote, loop->now);
}

/* Of a socket of ours. */
static void on_socket_event(tern_loop *loop, size_t i, uint32_t events, bool is_readable[2])
{
  if ((events & EPOLLERR) != 0)
    read_errors(loop, &loop->udp[i]);
  is_readable[i] = is_readable[i] || (events & (EPOLLIN | EPOLLERR)) != 0;
}

/* Sorts the events: what the sockets have is taken later, the rest is done here. */
static void dispatch(tern_loop *loop, const struct epoll_event *events, int count,
                     bool is_readable[2])
{
  for (int i = 0; i < count; i++) {
    uint64_t tag = events[i].data.u64;
    if (tag == tern_loop_tag(loop->wake_fd, 0)) {
      drain_wake(loop);
      loop->was_woken = true;
      continue;
    }
    if (tag >> 32 != 0) {
      tern_loop_on_fd_event(loop, tag, events[i].events);
      continue;
    }
    for (size_t j = 0; j < 2; j++)
      if (loop->udp[j].fd >= 0 && tag == tern_loop_tag(loop->udp[j].fd, 0))
        on_socket_event(loop, j, events[i].events, is_readable);
    if ((events[i].events & EPOLLOUT) != 0)
      loop->retry_at = 0;
  }
}

static tern_status work(tern_loop *loop, const struct epoll_event *events, int count)
{
  bool is_readable[2] = {false, false};
  loop->was_woken = false;
  dispatch(loop, events, count, is_readable);
  tern_status status = loop->was_woken ? empty_mailbox(loop) : TERN_OK;
  if (status == TERN_OK)
    status = receive(loop, is_readable);
  if (status == TERN_OK && loop->now >= tern_endpoint_deadline(loop->endpoint))
    status = tern_endpoint_timeout(loop->endpoint, loop->now);
  tern_loop_run_timers(loop);
  send_all(loop);
  return status;
}

tern_status tern_loop_run_once(tern_loop *loop, uint64_t max_wait_ns)
{
  struct epoll_event events[TERN_ENGINE_EVENTS];
  if (loop->is_in_turn)
    return TERN_REENTRY;
  int count = wait_for_events(loop, events, max_wait_ns);
  if (count < 0 && errno != EINTR)
    return TERN_IO;
  loop->is_in_turn = true;
  loop->now = tern_loop_read_clock();
  loop->notice.now = loop->now;
  if (count > 0)
    loop->active_at = loop->now;
  tern_status status = work(loop, events, count);
  loop->is_in_turn = false;
  if (loop->wants_rebind && status == TERN_OK)
    status = tern_loop_do_rebind(loop);
  return status;
}

tern_status tern_loop_run(tern_loop *loop)
{
  tern_status status = TERN_OK;
  if (loop->is_in_turn)
    return TERN_REENTRY;
  /* A stop between the check and the wait has made wake_fd readable, so the wait does not last. */
  while (status == TERN_OK && !atomic_load(&loop->is_stopping))
    status = tern_loop_run_once(loop, TERN_TIME_NEVER);
  atomic_store(&loop->is_stopping, false);
  return status;
}

tern_status tern_loop_post(tern_loop *loop, tern_loop_on_post *on_post, void *arg)
{
  return tern_mailbox_put_call(&loop->mailbox, on_post, arg) ? TERN_OK : TERN_LIMIT;
}

void tern_loop_stop(tern_loop *loop)
{
  const uint64_t one = 1;
  int error = errno; /* for signal handlers */
  atomic_store(&loop->is_stopping, true);
  ssize_t put = write(loop->wake_fd, &one, sizeof one);
  (void)put; /* EAGAIN: it is readable already */
  errno = error;
}
