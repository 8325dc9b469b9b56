/* SPDX-License-Identifier: MIT */
/* The loop around a stand-in for the endpoint, defined here in place of the library's: it echoes
 * datagrams, and its deadline and answers are what a test sets. Sockets are real, on loopback. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/event.h>

#include "base/alloc.h"
#include "io/loop.h"
#include "support/fail_alloc.h"

/* ---- the stand-in -------------------------------------------------------------------------- */

#define ECHOES_MAX 4096
#define ECHO_BYTES 64

struct echo {
  tern_run run;
  uint8_t data[ECHO_BYTES];
};

struct tern_endpoint {
  tern_config config;
  void *app;
  tern_time deadline;
  struct echo echoes[ECHOES_MAX];
  size_t echoes_count, echoes_out, echoes_reported, echoes_sent;
  size_t received, receive_calls, send_calls, timeouts;
  size_t received_before_send; /* most between two calls of send */
  size_t received_since_send;
  tern_time last_now;
  int last_error;
  tern_connect_args connected;
  void (*on_receive)(tern_endpoint *endpoint);
};

tern_status tern_endpoint_new(tern_endpoint **out, const tern_config *config,
                              const tern_endpoint_ops *ops, void *app, char *why, size_t why_size)
{
  tern_endpoint *endpoint = config->alloc.take(config->alloc.arg, sizeof *endpoint);
  (void)ops;
  (void)why;
  (void)why_size;
  if (endpoint == NULL)
    return TERN_NOMEM;
  memset(endpoint, 0, sizeof *endpoint);
  endpoint->config = *config;
  endpoint->app = app;
  endpoint->deadline = TERN_TIME_NEVER;
  *out = endpoint;
  return TERN_OK;
}

void tern_endpoint_free(tern_endpoint *endpoint)
{
  if (endpoint != NULL)
    endpoint->config.alloc.give(endpoint->config.alloc.arg, endpoint, sizeof *endpoint);
}

static void see_now(tern_endpoint *endpoint, tern_time now)
{
  assert_true(now >= endpoint->last_now);
  endpoint->last_now = now;
}

static void echo(tern_endpoint *endpoint, const tern_datagram *datagram, size_t offset, size_t len)
{
  if (endpoint->echoes_count == ECHOES_MAX)
    return;
  struct echo *e = &endpoint->echoes[endpoint->echoes_count++];
  len = len > ECHO_BYTES ? ECHO_BYTES : len;
  memcpy(e->data, datagram->data + offset, len);
  e->run = (tern_run){.data = e->data,
                      .len = len,
                      .segment_bytes = (uint16_t)len,
                      .ecn = datagram->ecn,
                      .local = datagram->local,
                      .remote = datagram->remote};
}

tern_status tern_endpoint_receive(tern_endpoint *endpoint, tern_datagram *batch, size_t count,
                                  tern_time now)
{
  see_now(endpoint, now);
  endpoint->receive_calls++;
  for (size_t i = 0; i < count; i++) {
    size_t step = batch[i].segment_bytes != 0 ? batch[i].segment_bytes : batch[i].len;
    for (size_t at = 0; at < batch[i].len; at += step) {
      echo(endpoint, &batch[i], at, batch[i].len - at < step ? batch[i].len - at : step);
      endpoint->received++;
      endpoint->received_since_send++;
    }
  }
  if (endpoint->on_receive != NULL)
    endpoint->on_receive(endpoint);
  return TERN_OK;
}

const tern_run *tern_endpoint_send(tern_endpoint *endpoint, tern_time now)
{
  see_now(endpoint, now);
  endpoint->send_calls++;
  if (endpoint->received_since_send > endpoint->received_before_send)
    endpoint->received_before_send = endpoint->received_since_send;
  endpoint->received_since_send = 0;
  if (endpoint->echoes_out == endpoint->echoes_count)
    return NULL;
  return &endpoint->echoes[endpoint->echoes_out++].run;
}

/* Reports must come in the order of the runs; what EAGAIN gives back goes out again. */
void tern_endpoint_sent(tern_endpoint *endpoint, const tern_run *run, size_t datagrams, int error,
                        tern_time now)
{
  see_now(endpoint, now);
  assert_ptr_equal(run, &endpoint->echoes[endpoint->echoes_reported++].run);
  endpoint->last_error = error;
  assert_int_equal(datagrams, error == 0);
  if (error != EAGAIN)
    endpoint->echoes_sent++;
  if (endpoint->echoes_reported == endpoint->echoes_out)
    endpoint->echoes_reported = endpoint->echoes_out = endpoint->echoes_sent;
}

tern_time tern_endpoint_deadline(const tern_endpoint *endpoint)
{
  return endpoint->echoes_out < endpoint->echoes_count ? 0 : endpoint->deadline;
}

tern_status tern_endpoint_timeout(tern_endpoint *endpoint, tern_time now)
{
  see_now(endpoint, now);
  if (now >= endpoint->deadline) {
    endpoint->timeouts++;
    endpoint->deadline = TERN_TIME_NEVER;
  }
  return TERN_OK;
}

tern_status tern_endpoint_connect(tern_endpoint *endpoint, const tern_connect_args *args,
                                  tern_time now, tern_conn **out)
{
  see_now(endpoint, now);
  endpoint->connected = *args;
  *out = NULL;
  return TERN_OK;
}

/* ---- helpers ------------------------------------------------------------------------------- */

static tern_addr parse(const char *text)
{
  tern_addr addr;
  assert_int_equal(tern_addr_parse(&addr, text), TERN_OK);
  return addr;
}

struct setup {
  struct tern_fail_alloc fail;
  tern_config endpoint;
  tern_loop_config config;
};

static void init_setup(struct setup *s, const char *listen)
{
  tern_fail_alloc_init(&s->fail, 0);
  tern_config_init(&s->endpoint, sizeof s->endpoint);
  s->endpoint.alloc = tern_fail_alloc_ops(&s->fail);
  tern_loop_config_init(&s->config, sizeof s->config);
  s->config.endpoint = &s->endpoint;
  s->config.socket_buffer_bytes = 1 << 20;
  if (listen != NULL)
    s->config.listen = parse(listen);
}

static tern_loop *make_loop(struct setup *s)
{
  char why[200] = "";
  tern_loop *loop;
  if (tern_loop_new(&loop, &s->config, why, sizeof why) != TERN_OK)
    fail_msg("%s", why);
  return loop;
}

static void free_loop(struct setup *s, tern_loop *loop)
{
  tern_loop_free(loop);
  assert_int_equal(s->fail.live_blocks, 0);
}

static void turn(tern_loop *loop, uint64_t max_wait_ns)
{
  assert_int_equal(tern_loop_run_once(loop, max_wait_ns), TERN_OK);
}

/* A plain socket that sends to `loop`. */
static struct tern_udp open_peer(struct setup *s, struct tern_alloc *alloc,
                                 struct tern_notice *notice)
{
  struct tern_udp udp;
  struct tern_udp_args args = {.local = parse("127.0.0.1:0"), .buffer_bytes = 1 << 20};
  *notice = (struct tern_notice){.count = 0};
  tern_alloc_init(alloc, &s->endpoint.alloc, NULL, UINT64_MAX);
  assert_int_equal(tern_udp_init(&udp, &args, alloc, notice), TERN_OK);
  return udp;
}

static void send_many(struct tern_udp *peer, tern_addr to, size_t count)
{
  static const uint8_t data[] = "0123456789";
  tern_run run = {.data = data, .len = 10, .segment_bytes = 10, .remote = to};
  const tern_run *list = &run;
  struct tern_udp_result result;
  for (size_t i = 0; i < count; i++) {
    tern_udp_send(peer, &list, 1, &result);
    assert_int_equal(result.datagrams, 1);
  }
}

static size_t receive_many(struct tern_udp *peer)
{
  tern_datagram batch[TERN_UDP_BATCH];
  bool is_drained = false;
  size_t total = 0;
  while (!is_drained) {
    size_t count = tern_udp_receive(peer, batch, &is_drained);
    for (size_t i = 0; i < count; i++) {
      assert_int_equal(batch[i].len, 10);
      assert_memory_equal(batch[i].data, "0123456789", 10);
    }
    total += count;
  }
  return total;
}

/* ---- datagrams ----------------------------------------------------------------------------- */

static void test_echo(void **state)
{
  struct setup s;
  struct tern_alloc alloc;
  struct tern_notice notice;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  tern_loop *loop = make_loop(&s);
  tern_addr local = tern_loop_get_local(loop);
  assert_int_not_equal(local.port, 0);
  struct tern_udp peer = open_peer(&s, &alloc, &notice);
  send_many(&peer, local, 100);
  turn(loop, TERN_SECOND);
  tern_endpoint *endpoint = tern_loop_get_endpoint(loop);
  assert_int_equal(endpoint->received, 100);
  assert_int_equal(endpoint->echoes_sent, 100);
  assert_int_equal(receive_many(&peer), 100);
  /* Small runs go out together: 32 in a call. */
  assert_int_equal(loop->udp[0].send_calls, 4);
  tern_udp_deinit(&peer);
  free_loop(&s, loop);
}

/* More waits than a turn may take: sending gets its turn in between, and nothing is lost. */
static void test_turn_is_bounded(void **state)
{
  struct setup s;
  struct tern_alloc alloc;
  struct tern_notice notice;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  s.config.datagrams_per_turn = 16;
  tern_loop *loop = make_loop(&s);
  tern_endpoint *endpoint = tern_loop_get_endpoint(loop);
  struct tern_udp peer = open_peer(&s, &alloc, &notice);
  send_many(&peer, tern_loop_get_local(loop), 200);
  turn(loop, TERN_SECOND);
  assert_int_equal(endpoint->received, 16);
  assert_int_equal(endpoint->echoes_sent, 16);
  while (endpoint->received < 200)
    turn(loop, 0);
  assert_int_equal(endpoint->received_before_send, 16);
  assert_int_equal(receive_many(&peer), 200);
  tern_udp_deinit(&peer);
  free_loop(&s, loop);
}

static unsigned refusals;
static int refusal_error;

static int send_refusing(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
  if (refusals > 0) {
    refusals--;
    errno = refusal_error;
    return -1;
  }
  return sendmmsg(fd, messages, count, flags);
}

/* A full socket: the endpoint keeps its runs, and they go when there is room again; meanwhile the loop
 * sleeps instead of spinning. */
static void full_socket(int error)
{
  struct setup s;
  struct tern_alloc alloc;
  struct tern_notice notice;
  init_setup(&s, "127.0.0.1:0");
  tern_loop *loop = make_loop(&s);
  tern_endpoint *endpoint = tern_loop_get_endpoint(loop);
  struct tern_udp peer = open_peer(&s, &alloc, &notice);
  send_many(&peer, tern_loop_get_local(loop), 50);
  loop->udp[0].send_messages = send_refusing;
  refusals = 1;
  refusal_error = error;
  turn(loop, TERN_SECOND);
  assert_int_equal(endpoint->last_error, EAGAIN);
  assert_int_equal(endpoint->echoes_sent, 0);
  assert_true(loop->is_blocked);
  assert_true(tern_loop_deadline(loop) > loop->now);
  turn(loop, TERN_SECOND); /* EPOLLOUT, or the deadline */
  assert_false(loop->is_blocked);
  assert_int_equal(endpoint->echoes_sent, 50);
  assert_int_equal(receive_many(&peer), 50);
  assert_true(tern_loop_deadline(loop) == TERN_TIME_NEVER);
  tern_udp_deinit(&peer);
  free_loop(&s, loop);
}

static void test_full_socket(void **state)
{
  (void)state;
  full_socket(EAGAIN);
  full_socket(ENOBUFS);
}

static void test_no_socket_for_family(void **state)
{
  struct setup s;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  tern_loop *loop = make_loop(&s);
  tern_endpoint *endpoint = tern_loop_get_endpoint(loop);
  const tern_datagram datagram = {.data = (uint8_t[1]){0}, .len = 1, .remote = parse("[::1]:1")};
  echo(endpoint, &datagram, 0, 1);
  turn(loop, 0);
  assert_int_equal(endpoint->last_error, EAFNOSUPPORT);
  assert_int_equal(endpoint->echoes_sent, 1);
  free_loop(&s, loop);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void test_deadline(void **state)
{
  struct setup s;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  tern_loop *loop = make_loop(&s);
  tern_endpoint *endpoint = tern_loop_get_endpoint(loop);
  tern_time before = tern_loop_now(loop);
  endpoint->deadline = before + 2 * TERN_MS;
  assert_true(tern_loop_deadline(loop) == endpoint->deadline);
  turn(loop, TERN_TIME_NEVER);
  while (endpoint->timeouts == 0)
    turn(loop, TERN_TIME_NEVER);
  assert_true(tern_loop_now(loop) >= before + 2 * TERN_MS);
  /* In the past, and far away: neither waits longer than it may. */
  endpoint->deadline = 1;
  turn(loop, TERN_TIME_NEVER);
  assert_int_equal(endpoint->timeouts, 2);
  endpoint->deadline = TERN_TIME_NEVER - 1;
  turn(loop, 0);
  turn(loop, TERN_MS);
  assert_int_equal(endpoint->timeouts, 2);
  free_loop(&s, loop);
}

/* The same with what older kernels have: milliseconds, rounded up, so never early. */
static void test_deadline_in_milliseconds(void **state)
{
  struct setup s;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  tern_loop *loop = make_loop(&s);
  tern_endpoint *endpoint = tern_loop_get_endpoint(loop);
  loop->has_pwait2 = false;
  endpoint->deadline = tern_loop_now(loop) + 1500000;
  turn(loop, TERN_TIME_NEVER);
  assert_int_equal(endpoint->timeouts, 1);
  free_loop(&s, loop);
}

static void test_busy_poll(void **state)
{
  struct setup s;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  s.config.busy_poll_ns = TERN_MS;
  tern_loop *loop = make_loop(&s);
  tern_endpoint *endpoint = tern_loop_get_endpoint(loop);
  loop->active_at = tern_loop_now(loop);
  endpoint->deadline = loop->active_at + 2 * TERN_MS;
  while (endpoint->timeouts == 0)
    turn(loop, TERN_TIME_NEVER);
  endpoint->deadline = tern_loop_now(loop) + TERN_MS / 10;
  loop->active_at = tern_loop_now(loop);
  while (endpoint->timeouts == 1)
    turn(loop, TERN_TIME_NEVER);
  free_loop(&s, loop);
}

struct timer_log {
  tern_loop *loop;
  tern_loop_timer *timers[4];
  int order[16];
  size_t count;
};

static void note(struct timer_log *log, int what)
{
  if (log->count < 16)
    log->order[log->count++] = what;
}

static void on_timer_0(void *arg, tern_time now)
{
  struct timer_log *log = arg;
  note(log, 0);
  tern_loop_set_timer(log->timers[0], now); /* due again, but not in this turn */
}

static void on_timer_1(void *arg, tern_time now)
{
  struct timer_log *log = arg;
  assert_true(now == tern_loop_now(log->loop));
  note(log, 1);
  tern_loop_remove_timer(log->timers[1]);
  tern_loop_remove_timer(log->timers[2]); /* due, too, but gone */
}

static void on_timer_2(void *arg, tern_time now)
{
  (void)now;
  note(arg, 2);
}

static void test_timers(void **state)
{
  struct setup s;
  struct timer_log log = {.count = 0};
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  log.loop = make_loop(&s);
  tern_loop_on_timer *const callbacks[] = {on_timer_0, on_timer_1, on_timer_2, on_timer_2};
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(tern_loop_add_timer(log.loop, callbacks[i], &log, &log.timers[i]), TERN_OK);
  assert_true(tern_loop_deadline(log.loop) == TERN_TIME_NEVER);
  tern_time now = tern_loop_now(log.loop);
  tern_loop_set_timer(log.timers[0], now - 3);
  tern_loop_set_timer(log.timers[1], now - 2);
  tern_loop_set_timer(log.timers[2], now - 1);
  tern_loop_set_timer(log.timers[3], now + TERN_SECOND * 1000);
  assert_true(tern_loop_deadline(log.loop) == now - 3);
  turn(log.loop, TERN_TIME_NEVER);
  assert_int_equal(log.count, 2);
  assert_int_equal(log.order[0], 0);
  assert_int_equal(log.order[1], 1);
  turn(log.loop, TERN_TIME_NEVER);
  assert_int_equal(log.count, 3);
  assert_int_equal(log.order[2], 0);
  tern_loop_remove_timer(NULL);
  free_loop(&s, log.loop); /* two timers are left */
}

static void on_stop_timer(void *arg, tern_time now)
{
  (void)now;
  tern_loop_stop(arg);
}

/* A timer is not early, and wakes a loop that has nothing else. */
static void test_timer_wakes(void **state)
{
  struct setup s;
  tern_loop_timer *timer;
  (void)state;
  init_setup(&s, NULL);
  tern_loop *loop = make_loop(&s);
  assert_int_equal(tern_loop_add_timer(loop, on_stop_timer, loop, &timer), TERN_OK);
  tern_time at = tern_loop_now(loop) + 3 * TERN_MS;
  tern_loop_set_timer(timer, at);
  assert_int_equal(tern_loop_run(loop), TERN_OK);
  assert_true(tern_loop_now(loop) >= at);
  tern_loop_remove_timer(timer);
  free_loop(&s, loop);
}

/* ---- descriptors --------------------------------------------------------------------------- */

struct fd_log {
  tern_loop *loop;
  int pipes[2][2];
  size_t calls[2];
  unsigned events;
};

static void open_pipes(struct fd_log *log)
{
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(pipe(log->pipes[i]), 0);
}

static void close_pipes(struct fd_log *log)
{
  for (size_t i = 0; i < 4; i++)
    close(log->pipes[i / 2][i % 2]);
}

static void on_fd(void *arg, int fd, unsigned events)
{
  struct fd_log *log = arg;
  log->events = events;
  log->calls[fd == log->pipes[1][0] || fd == log->pipes[1][1]]++;
}

static void test_fds(void **state)
{
  struct setup s;
  struct fd_log log = {.events = 0};
  (void)state;
  init_setup(&s, NULL);
  log.loop = make_loop(&s);
  open_pipes(&log);
  int in = log.pipes[0][0], out = log.pipes[1][1];
  assert_int_equal(tern_loop_add_fd(log.loop, -1, 0, on_fd, &log), TERN_INVALID);
  assert_int_equal(tern_loop_add_fd(log.loop, in, 4, on_fd, &log), TERN_INVALID);
  assert_int_equal(tern_loop_add_fd(log.loop, in, 1, NULL, &log), TERN_INVALID);
  assert_int_equal(tern_loop_add_fd(log.loop, in, TERN_LOOP_READABLE, on_fd, &log), TERN_OK);
  assert_int_equal(tern_loop_add_fd(log.loop, in, TERN_LOOP_READABLE, on_fd, &log), TERN_STATE);
  turn(log.loop, 0);
  assert_int_equal(log.calls[0], 0);
  assert_int_equal(write(log.pipes[0][1], "x", 1), 1);
  turn(log.loop, TERN_SECOND);
  turn(log.loop, TERN_SECOND); /* still readable */
  assert_int_equal(log.calls[0], 2);
  assert_int_equal(log.events, TERN_LOOP_READABLE);
  tern_loop_set_fd(log.loop, in, 0);
  turn(log.loop, 0);
  assert_int_equal(log.calls[0], 2);
  tern_loop_set_fd(log.loop, in, TERN_LOOP_READABLE);
  turn(log.loop, 0);
  assert_int_equal(log.calls[0], 3);
  tern_loop_remove_fd(log.loop, in);
  tern_loop_remove_fd(log.loop, in);
  tern_loop_set_fd(log.loop, in, TERN_LOOP_READABLE);
  turn(log.loop, 0);
  assert_int_equal(log.calls[0], 3);
  assert_int_equal(tern_loop_add_fd(log.loop, out, TERN_LOOP_WRITABLE, on_fd, &log), TERN_OK);
  turn(log.loop, TERN_SECOND);
  assert_int_equal(log.calls[1], 1);
  assert_int_equal(log.events, TERN_LOOP_WRITABLE);
  close_pipes(&log);
  free_loop(&s, log.loop);
}

/* The first of two ready descriptors takes the other out and puts it in again: the event that epoll
 * had already handed out belongs to the old one and must not be delivered. */
static void on_fd_replacing(void *arg, int fd, unsigned events)
{
  struct fd_log *log = arg;
  int other = fd == log->pipes[0][0] ? log->pipes[1][0] : log->pipes[0][0];
  on_fd(arg, fd, events);
  tern_loop_remove_fd(log->loop, other);
  assert_int_equal(tern_loop_add_fd(log->loop, other, TERN_LOOP_READABLE, on_fd_replacing, log),
                   TERN_OK);
}

static void test_stale_fd_event(void **state)
{
  struct setup s;
  struct fd_log log = {.events = 0};
  (void)state;
  init_setup(&s, NULL);
  log.loop = make_loop(&s);
  open_pipes(&log);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(write(log.pipes[i][1], "x", 1), 1);
    assert_int_equal(
        tern_loop_add_fd(log.loop, log.pipes[i][0], TERN_LOOP_READABLE, on_fd_replacing, &log),
        TERN_OK);
  }
  turn(log.loop, TERN_SECOND);
  assert_int_equal(log.calls[0] + log.calls[1], 1);
  close_pipes(&log);
  free_loop(&s, log.loop);
}

/* ---- stopping and reentry ------------------------------------------------------------------ */

static void *stop_from_thread(void *arg)
{
  tern_loop_stop(arg);
  return NULL;
}

static void test_stop(void **state)
{
  struct setup s;
  pthread_t thread;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  tern_loop *loop = make_loop(&s);
  tern_loop_stop(loop); /* before it runs */
  assert_int_equal(tern_loop_run(loop), TERN_OK);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, loop), 0);
    assert_int_equal(tern_loop_run(loop), TERN_OK);
    pthread_join(thread, NULL);
  }
  free_loop(&s, loop);
}

static void on_receive_reenter(tern_endpoint *endpoint)
{
  tern_loop *loop = *(tern_loop **)endpoint->app;
  assert_int_equal(tern_loop_run_once(loop, 0), TERN_REENTRY);
  assert_int_equal(tern_loop_run(loop), TERN_REENTRY);
  tern_loop_stop(loop);
}

static void test_reentry(void **state)
{
  struct setup s;
  struct tern_alloc alloc;
  struct tern_notice notice;
  tern_loop *loop;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  s.config.app = &loop;
  loop = make_loop(&s);
  tern_loop_get_endpoint(loop)->on_receive = on_receive_reenter;
  struct tern_udp peer = open_peer(&s, &alloc, &notice);
  send_many(&peer, tern_loop_get_local(loop), 1);
  assert_int_equal(tern_loop_run(loop), TERN_OK);
  assert_int_equal(tern_loop_get_endpoint(loop)->echoes_sent, 1);
  tern_udp_deinit(&peer);
  free_loop(&s, loop);
}

/* Inside another loop: the descriptor is readable when there is something to do. */
static void test_inside_another_loop(void **state)
{
  struct setup s;
  struct tern_alloc alloc;
  struct tern_notice notice;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  tern_loop *loop = make_loop(&s);
  struct pollfd poll_fd = {.fd = tern_loop_get_fd(loop), .events = POLLIN};
  assert_int_equal(poll(&poll_fd, 1, 0), 0);
  struct tern_udp peer = open_peer(&s, &alloc, &notice);
  send_many(&peer, tern_loop_get_local(loop), 1);
  assert_int_equal(poll(&poll_fd, 1, 1000), 1);
  turn(loop, 0);
  assert_int_equal(tern_loop_get_endpoint(loop)->received, 1);
  assert_int_equal(poll(&poll_fd, 1, 0), 0);
  tern_udp_deinit(&peer);
  free_loop(&s, loop);
}

/* ---- clients ------------------------------------------------------------------------------- */

static void test_connect_opens_sockets(void **state)
{
  struct setup s;
  tern_conn *conn;
  (void)state;
  init_setup(&s, NULL);
  tern_loop *loop = make_loop(&s);
  assert_int_equal(tern_loop_get_local(loop).family, 0);
  tern_connect_args args = {.remote = {.family = 0}};
  assert_int_equal(tern_loop_connect(loop, &args, &conn), TERN_INVALID);
  args.remote = parse("127.0.0.1:4433");
  assert_int_equal(tern_loop_connect(loop, &args, &conn), TERN_OK);
  assert_int_equal(tern_loop_get_local(loop).family, 4);
  uint16_t port = tern_loop_get_local(loop).port;
  assert_int_equal(tern_loop_connect(loop, &args, &conn), TERN_OK);
  assert_int_equal(tern_loop_get_local(loop).port, port);
  args.remote = parse("[::1]:4433");
  tern_status status = tern_loop_connect(loop, &args, &conn);
  if (status == TERN_IO)
    print_message("no IPv6 here: skipped\n");
  else
    assert_int_equal(tern_loop_get_local(loop).family, 6);
  free_loop(&s, loop);
}

static void on_receive_rebind(tern_endpoint *endpoint)
{
  tern_loop *loop = *(tern_loop **)endpoint->app;
  uint16_t port = loop->udp[0].local.port;
  assert_int_equal(tern_loop_rebind(loop), TERN_OK);
  assert_int_equal(loop->udp[0].local.port, port); /* later: the buffers are in use */
}

/* New port; answers to what comes there leave from there; nothing reads the closed socket's memory. */
static void test_rebind(void **state)
{
  struct setup s;
  struct tern_alloc alloc;
  struct tern_notice notice;
  tern_conn *conn;
  tern_loop *loop;
  (void)state;
  init_setup(&s, NULL);
  s.config.app = &loop;
  loop = make_loop(&s);
  struct tern_udp peer = open_peer(&s, &alloc, &notice);
  tern_connect_args args = {.remote = peer.local, .local = parse("127.0.0.1:0")};
  assert_int_equal(tern_loop_connect(loop, &args, &conn), TERN_OK);
  uint16_t port = tern_loop_get_local(loop).port;
  assert_int_equal(tern_loop_rebind(loop), TERN_OK);
  tern_addr local = tern_loop_get_local(loop);
  assert_int_not_equal(local.port, port);
  tern_loop_get_endpoint(loop)->on_receive = on_receive_rebind;
  send_many(&peer, local, 3);
  turn(loop, TERN_SECOND);
  assert_int_not_equal(tern_loop_get_local(loop).port, local.port);
  assert_int_equal(receive_many(&peer), 3);
  tern_loop_get_endpoint(loop)->on_receive = NULL;
  send_many(&peer, tern_loop_get_local(loop), 3);
  turn(loop, TERN_SECOND);
  assert_int_equal(receive_many(&peer), 3);
  tern_udp_deinit(&peer);
  free_loop(&s, loop);

  init_setup(&s, "127.0.0.1:0");
  loop = make_loop(&s);
  assert_int_equal(tern_loop_rebind(loop), TERN_STATE);
  free_loop(&s, loop);
}

/* ---- making one ---------------------------------------------------------------------------- */

static void refuse(struct setup *s, tern_status status, const char *words)
{
  char why[200] = "";
  tern_loop *loop;
  assert_int_equal(tern_loop_new(&loop, &s->config, why, sizeof why), status);
  if (strstr(why, words) == NULL)
    fail_msg("\"%s\" lacks \"%s\"", why, words);
  assert_int_equal(s->fail.live_blocks, 0);
}

static void test_config(void **state)
{
  struct setup s;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  s.config.datagrams_per_turn = 15;
  refuse(&s, TERN_INVALID, "datagrams_per_turn is 15, must be 16 to 1048576");
  s.config.datagrams_per_turn = 16;
  s.config.busy_poll_ns = TERN_SECOND + 1;
  refuse(&s, TERN_INVALID, "busy_poll_ns");
  s.config.busy_poll_ns = 0;
  s.config.socket_buffer_bytes = 1;
  refuse(&s, TERN_INVALID, "socket_buffer_bytes");
  s.config.socket_buffer_bytes = 1 << 20;
  tern_loop *loop = make_loop(&s);
  assert_true(tern_loop_get_endpoint(loop)->config.random.fill != NULL);
  struct setup again;
  init_setup(&again, "127.0.0.1:0");
  again.config.listen = tern_loop_get_local(loop);
  refuse(&again, TERN_IO, "cannot listen at 127.0.0.1:");
  again.config.endpoint = NULL;
  refuse(&again, TERN_INVALID, "endpoint");
  free_loop(&s, loop);
  tern_loop_free(NULL);
}

/* Two loops may share a port if both say so. */
static void test_reuse_port(void **state)
{
  struct setup s, again;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  init_setup(&again, NULL);
  s.config.reuse_port = again.config.reuse_port = true;
  tern_loop *first = make_loop(&s);
  again.config.listen = tern_loop_get_local(first);
  tern_loop *second = make_loop(&again);
  free_loop(&again, second);
  free_loop(&s, first);
}

/* A caller that was built with a shorter struct gets the defaults for the rest. */
static void test_older_config(void **state)
{
  struct setup s;
  (void)state;
  init_setup(&s, "127.0.0.1:0");
  s.config.size = offsetof(tern_loop_config, socket_buffer_bytes);
  s.config.socket_buffer_bytes = 1;
  s.config.gso = false;
  tern_loop *loop = make_loop(&s);
  assert_int_equal(loop->config.socket_buffer_bytes, 4 << 20);
  assert_true(loop->config.gso);
  free_loop(&s, loop);
}

static void test_no_memory(void **state)
{
  struct setup s;
  char why[200];
  tern_loop *loop;
  uint64_t fail_at = 1;
  (void)state;
  for (;; fail_at++) {
    init_setup(&s, "127.0.0.1:0");
    s.fail.fail_at = fail_at;
    tern_status status = tern_loop_new(&loop, &s.config, why, sizeof why);
    if (status == TERN_OK)
      break;
    assert_int_equal(status, TERN_NOMEM);
    assert_int_equal(s.fail.live_blocks, 0);
  }
  assert_true(fail_at > 3);
  tern_loop_timer *timer;
  s.fail.fail_at = s.fail.takes + 1;
  assert_int_equal(tern_loop_add_timer(loop, on_stop_timer, NULL, &timer), TERN_NOMEM);
  s.fail.fail_at = s.fail.takes + 2;
  assert_int_equal(tern_loop_add_timer(loop, on_stop_timer, NULL, &timer), TERN_NOMEM);
  s.fail.fail_at = s.fail.takes + 1;
  assert_int_equal(tern_loop_add_fd(loop, 0, TERN_LOOP_READABLE, on_fd, NULL), TERN_NOMEM);
  free_loop(&s, loop);
}

/* The system's random numbers: two draws differ, whatever their size, and long ones are whole. */
static void test_entropy(void **state)
{
  struct tern_entropy entropy;
  uint8_t a[700], b[700];
  (void)state;
  tern_entropy_init(&entropy);
  tern_random_ops ops = tern_entropy_ops(&entropy);
  for (size_t len = 16; len <= sizeof a; len += 19) {
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    ops.fill(ops.arg, a, len);
    ops.fill(ops.arg, b, len);
    assert_memory_not_equal(a, b, len);
    assert_memory_not_equal(a + len - 16, b + len - 16, 16);
    for (size_t i = len; i < sizeof a; i++)
      assert_int_equal(a[i], 0);
  }
  ops.fill(ops.arg, a, 0);
  tern_entropy_deinit(&entropy);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_echo),
      cmocka_unit_test(test_turn_is_bounded),
      cmocka_unit_test(test_full_socket),
      cmocka_unit_test(test_no_socket_for_family),
      cmocka_unit_test(test_deadline),
      cmocka_unit_test(test_deadline_in_milliseconds),
      cmocka_unit_test(test_busy_poll),
      cmocka_unit_test(test_timers),
      cmocka_unit_test(test_timer_wakes),
      cmocka_unit_test(test_fds),
      cmocka_unit_test(test_stale_fd_event),
      cmocka_unit_test(test_stop),
      cmocka_unit_test(test_reentry),
      cmocka_unit_test(test_inside_another_loop),
      cmocka_unit_test(test_connect_opens_sockets),
      cmocka_unit_test(test_rebind),
      cmocka_unit_test(test_config),
      cmocka_unit_test(test_reuse_port),
      cmocka_unit_test(test_older_config),
      cmocka_unit_test(test_no_memory),
      cmocka_unit_test(test_entropy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
