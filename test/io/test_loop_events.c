/* SPDX-License-Identifier: MIT */
/* What the loop waits for: the endpoint's deadline, timers, descriptors, and a call to stop. */
#define _GNU_SOURCE
#include "loop_test.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_deadline),       cmocka_unit_test(test_deadline_in_milliseconds),
      cmocka_unit_test(test_busy_poll),      cmocka_unit_test(test_timers),
      cmocka_unit_test(test_timer_wakes),    cmocka_unit_test(test_fds),
      cmocka_unit_test(test_stale_fd_event), cmocka_unit_test(test_stop),
      cmocka_unit_test(test_reentry),        cmocka_unit_test(test_inside_another_loop),
      cmocka_unit_test(test_no_memory),
  };
  return run_with_engines(tests, sizeof tests / sizeof tests[0]);
}
