/* SPDX-License-Identifier: MIT */
/* The loop around a stand-in for the endpoint, defined here in place of the library's: it echoes
 * datagrams, and its deadline and answers are what a test sets. Sockets are real, on loopback. */
#ifndef TERN_IO_LOOP_TEST_H
#define TERN_IO_LOOP_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
  tern_addr unreachable;
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

static inline void see_now(tern_endpoint *endpoint, tern_time now)
{
  assert_true(now >= endpoint->last_now);
  endpoint->last_now = now;
}

static inline void echo(tern_endpoint *endpoint, const tern_datagram *datagram, size_t offset,
                        size_t len)
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

void tern_endpoint_unreachable(tern_endpoint *endpoint, const tern_addr *remote, tern_time now)
{
  see_now(endpoint, now);
  endpoint->unreachable = *remote;
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

static inline tern_addr parse(const char *text)
{
  tern_addr addr;
  assert_int_equal(tern_addr_parse(&addr, text), TERN_OK);
  return addr;
}

static tern_engine test_engine = TERN_ENGINE_EPOLL;

struct setup {
  struct tern_fail_alloc fail;
  tern_config endpoint;
  tern_loop_config config;
};

static inline void init_setup(struct setup *s, const char *listen)
{
  tern_fail_alloc_init(&s->fail, 0);
  tern_config_init(&s->endpoint, sizeof s->endpoint);
  s->endpoint.alloc = tern_fail_alloc_ops(&s->fail);
  tern_loop_config_init(&s->config, sizeof s->config);
  s->config.endpoint = &s->endpoint;
  s->config.socket_buffer_bytes = 1 << 20;
  s->config.engine = test_engine;
  if (listen != NULL)
    s->config.listen = parse(listen);
}

static inline void turn(tern_loop *loop, uint64_t max_wait_ns)
{
  assert_int_equal(tern_loop_run_once(loop, max_wait_ns), TERN_OK);
}

static inline tern_loop *make_loop(struct setup *s)
{
  char why[200] = "";
  tern_loop *loop;
  if (tern_loop_new(&loop, &s->config, why, sizeof why) != TERN_OK)
    fail_msg("%s", why);
  while (loop->needs_turn)
    turn(loop, 0);
  return loop;
}

static inline void free_loop(struct setup *s, tern_loop *loop)
{
  tern_loop_free(loop);
  assert_int_equal(s->fail.live_blocks, 0);
}

/* The group once with each engine that the system has. */
static inline int run_with_engines(const struct CMUnitTest *tests, size_t count)
{
  static const char *const names[] = {"auto", "epoll", "uring"};
  int failed = 0;
  for (test_engine = TERN_ENGINE_EPOLL; test_engine <= TERN_ENGINE_URING; test_engine++) {
    struct setup s;
    init_setup(&s, NULL);
    tern_loop *loop = make_loop(&s);
    bool is_there = strcmp(tern_loop_get_engine(loop), names[test_engine]) == 0;
    free_loop(&s, loop);
    if (is_there)
      failed += _cmocka_run_group_tests(names[test_engine], tests, count, NULL, NULL);
    else
      print_message("engine %s: not on this system, skipped\n", names[test_engine]);
  }
  return failed;
}

/* A plain socket that sends to `loop`. */
static inline struct tern_udp open_peer(struct setup *s, struct tern_alloc *alloc,
                                        struct tern_notice *notice)
{
  struct tern_udp udp;
  struct tern_udp_args args = {.local = parse("127.0.0.1:0"), .buffer_bytes = 1 << 20};
  *notice = (struct tern_notice){.count = 0};
  tern_alloc_init(alloc, &s->endpoint.alloc, NULL, UINT64_MAX);
  assert_int_equal(tern_udp_init(&udp, &args, alloc, notice), TERN_OK);
  return udp;
}

static inline void send_many(struct tern_udp *peer, tern_addr to, size_t count)
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

static inline size_t receive_many(struct tern_udp *peer)
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

#endif
