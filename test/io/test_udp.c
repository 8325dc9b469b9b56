/* SPDX-License-Identifier: MIT */
/* Real sockets on the loopback interface: bursts, marks, addresses, sizes, and what happens when the
 * system says no. A machine without IPv6 skips its half. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <tern/event.h>

#include "io/udp.h"
#include "support/fail_alloc.h"

#define EVENTS_MAX 64

struct events {
  tern_event list[EVENTS_MAX];
  size_t count;
};

struct pair {
  struct events events;
  tern_event_subscriber subscriber;
  struct tern_notice notice;
  struct tern_fail_alloc fail;
  tern_alloc_ops ops;
  struct tern_alloc alloc;
  struct tern_udp a, b;
  tern_addr to_b;
};

static void on_event(void *arg, const tern_event *event)
{
  struct events *events = arg;
  if (events->count < EVENTS_MAX)
    events->list[events->count++] = *event;
}

/* The last event of this kind, or NULL. */
static const tern_event *find_event(const struct pair *p, tern_event_kind kind)
{
  for (size_t i = p->events.count; i-- > 0;)
    if (p->events.list[i].kind == kind)
      return &p->events.list[i];
  return NULL;
}

static tern_addr parse(const char *text)
{
  tern_addr addr;
  assert_int_equal(tern_addr_parse(&addr, text), TERN_OK);
  return addr;
}

/* `a` sends to `b` at the address `remote`. False if the machine has no such addresses. */
static bool open_pair(struct pair *p, const char *local_a, const char *local_b, const char *remote)
{
  struct tern_udp_args args = {.buffer_bytes = 1 << 18, .gso = true, .gro = true};
  memset(p, 0, sizeof *p);
  p->subscriber = (tern_event_subscriber){on_event, &p->events, UINT64_MAX};
  p->notice = (struct tern_notice){.subscribers = &p->subscriber, .count = 1};
  tern_fail_alloc_init(&p->fail, 0);
  p->ops = tern_fail_alloc_ops(&p->fail);
  tern_alloc_init(&p->alloc, &p->ops, NULL, UINT64_MAX);
  args.local = parse(local_a);
  if (tern_udp_init(&p->a, &args, &p->alloc, &p->notice) != TERN_OK) {
    print_message("no socket at %s: skipped\n", local_a);
    tern_alloc_deinit(&p->alloc);
    return false;
  }
  args.local = parse(local_b);
  assert_int_equal(tern_udp_init(&p->b, &args, &p->alloc, &p->notice), TERN_OK);
  assert_int_not_equal(p->a.local.port, 0);
  p->to_b = parse(remote);
  p->to_b.port = p->b.local.port;
  return true;
}

static void close_pair(struct pair *p)
{
  tern_udp_deinit(&p->a);
  tern_udp_deinit(&p->b);
  tern_alloc_deinit(&p->alloc);
  assert_int_equal(p->fail.live_blocks, 0);
}

static bool wait_readable(const struct tern_udp *udp)
{
  struct pollfd poll_fd = {.fd = udp->fd, .events = POLLIN};
  return poll(&poll_fd, 1, 1000) == 1;
}

#define DATA_MAX 400000
static uint8_t data[DATA_MAX];
static uint8_t received[DATA_MAX];

static void fill_data(void)
{
  for (size_t i = 0; i < DATA_MAX; i++)
    data[i] = (uint8_t)(i * 7 + i / 251);
}

struct total {
  size_t bytes, datagrams;
  tern_datagram last;
};

/* Takes what `udp` has until `bytes` have come, appending to `received`; every datagram must have
 * `segment` bytes, but for shorter ones at the end of a run. */
static struct total receive_all(struct tern_udp *udp, size_t bytes, size_t segment)
{
  struct total total = {.bytes = 0};
  while (total.bytes < bytes && wait_readable(udp)) {
    tern_datagram batch[TERN_UDP_BATCH];
    bool is_drained;
    size_t count = tern_udp_receive(udp, batch, &is_drained);
    for (size_t i = 0; i < count; i++) {
      size_t step = batch[i].segment_bytes != 0 ? batch[i].segment_bytes : batch[i].len;
      assert_true(step <= segment);
      assert_true(total.bytes + batch[i].len <= DATA_MAX);
      memcpy(received + total.bytes, batch[i].data, batch[i].len);
      total.bytes += batch[i].len;
      total.datagrams += (batch[i].len + step - 1) / step;
      total.last = batch[i];
    }
  }
  return total;
}

static tern_run make_run(const struct pair *p, size_t offset, size_t len, uint16_t segment)
{
  tern_run run = {.data = data + offset, .len = len, .segment_bytes = segment, .remote = p->to_b};
  return run;
}

static size_t count_datagrams(size_t len, size_t segment)
{
  return (len + segment - 1) / segment;
}

/* Sends one run and checks that it arrives as it was. */
static void pass_run(struct pair *p, const tern_run *run)
{
  struct tern_udp_result result;
  size_t datagrams = count_datagrams(run->len, run->segment_bytes);
  tern_udp_send(&p->a, &run, 1, &result);
  assert_int_equal(result.error, 0);
  assert_int_equal(result.datagrams, datagrams);
  struct total total = receive_all(&p->b, run->len, run->segment_bytes);
  assert_int_equal(total.bytes, run->len);
  assert_int_equal(total.datagrams, datagrams);
  assert_memory_equal(received, run->data, run->len);
  assert_int_equal(total.last.ecn, run->ecn);
  assert_true(tern_addr_equal(&total.last.local, &p->to_b));
  assert_int_equal(total.last.remote.family, run->remote.family);
  assert_int_equal(total.last.remote.port, p->a.local.port);
}

static void pass_many(struct pair *p)
{
  static const struct {
    size_t len;
    uint16_t segment;
  } sizes[] = {{1, 1},        {1200, 1200},  {1452, 1452},      {12000, 1200},  {12001, 1200},
               {11999, 1200}, {64000, 1000}, {64001, 1000},     {90000, 1200},  {640, 10},
               {641, 10},     {650, 10},     {1452 * 46, 1452}, {65000, 65000}, {1300, 1200}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    for (uint8_t ecn = 0; ecn < 4; ecn++) {
      tern_run run = make_run(p, i * 100, sizes[i].len, sizes[i].segment);
      run.ecn = ecn;
      pass_run(p, &run);
    }
  }
}

static void run_pair(const char *local_a, const char *local_b, const char *remote)
{
  struct pair p;
  if (!open_pair(&p, local_a, local_b, remote))
    return;
  pass_many(&p);
  /* The plain path gives the same. */
  p.a.has_gso = false;
  pass_many(&p);
  assert_null(find_event(&p, TERN_EVENT_IO_ERROR));
  close_pair(&p);
}

static void test_ipv4(void **state)
{
  (void)state;
  run_pair("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0");
  run_pair("0.0.0.0:0", "0.0.0.0:0", "127.0.0.1:0");
}

static void test_ipv6(void **state)
{
  (void)state;
  run_pair("[::1]:0", "[::1]:0", "[::1]:0");
  run_pair("[::]:0", "[::]:0", "[::1]:0");
}

/* One socket for both families shows IPv4 peers as IPv4, and answers them. */
static void test_dual_stack(void **state)
{
  (void)state;
  run_pair("[::]:0", "[::]:0", "127.0.0.1:0");
  run_pair("127.0.0.1:0", "[::]:0", "127.0.0.1:0");
  run_pair("[::]:0", "127.0.0.1:0", "127.0.0.1:0");
}

/* The address a datagram came to is the one that an answer leaves from, though the socket is bound to
 * none: 127.0.0.2 is not what the system would choose. */
static void source_address(const char *local, const char *answering)
{
  struct pair p;
  struct tern_udp_result result;
  if (!open_pair(&p, "0.0.0.0:0", local, answering))
    return;
  tern_run run = make_run(&p, 0, 100, 100);
  pass_run(&p, &run);
  struct tern_udp_result again;
  const tern_run *runs = &run;
  tern_udp_send(&p.a, &runs, 1, &again);
  struct total seen = receive_all(&p.b, 100, 100);
  tern_run answer = make_run(&p, 0, 2400, 1200);
  answer.local = seen.last.local;
  answer.remote = seen.last.remote;
  runs = &answer;
  tern_udp_send(&p.b, &runs, 1, &result);
  assert_int_equal(result.error, 0);
  struct total total = receive_all(&p.a, 2400, 1200);
  assert_int_equal(total.bytes, 2400);
  assert_true(tern_addr_equal(&total.last.remote, &p.to_b));
  close_pair(&p);
}

static void test_source_address(void **state)
{
  (void)state;
  source_address("0.0.0.0:0", "127.0.0.2:0");
  source_address("[::]:0", "127.0.0.2:0");
}

/* Many runs, few calls. */
static void test_runs_share_calls(void **state)
{
  struct pair p;
  tern_run runs[TERN_UDP_RUNS_MAX];
  const tern_run *list[TERN_UDP_RUNS_MAX];
  struct tern_udp_result results[TERN_UDP_RUNS_MAX];
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  for (size_t i = 0; i < TERN_UDP_RUNS_MAX; i++) {
    runs[i] = make_run(&p, 3600 * i, i % 3 == 2 ? 0 : 3600, 1200);
    list[i] = &runs[i];
  }
  tern_udp_send(&p.a, list, TERN_UDP_RUNS_MAX, results);
  if (p.a.has_gso)
    assert_int_equal(p.a.send_calls, 1);
  size_t bytes = 0;
  for (size_t i = 0; i < TERN_UDP_RUNS_MAX; i++) {
    assert_int_equal(results[i].error, 0);
    assert_int_equal(results[i].datagrams, runs[i].len / 1200);
    bytes += runs[i].len;
  }
  struct total total = receive_all(&p.b, bytes, 1200);
  assert_int_equal(total.bytes, bytes);
  assert_int_equal(total.datagrams, bytes / 1200);
  close_pair(&p);
}

/* A socket without checksums cannot do GSO (EINVAL): the burst goes out all the same, once, in order,
 * and later ones go out plain. */
static void test_gso_refused(void **state)
{
  struct pair p;
  int no_check = 1;
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  if (!p.a.has_gso) {
    print_message("no GSO here: skipped\n");
    close_pair(&p);
    skip();
  }
  assert_int_equal(setsockopt(p.a.fd, SOL_SOCKET, SO_NO_CHECK, &no_check, sizeof no_check), 0);
  p.events.count = 0;
  tern_run run = make_run(&p, 5, 30001, 1200);
  pass_run(&p, &run);
  assert_false(p.a.has_gso);
  const tern_event *event = find_event(&p, TERN_EVENT_IO_FEATURE);
  assert_non_null(event);
  assert_string_equal(event->data.io_feature.feature, "gso");
  assert_false(event->data.io_feature.is_on);
  assert_int_equal(p.events.count, 1);
  pass_run(&p, &run);
  assert_int_equal(p.events.count, 1);
  close_pair(&p);
}

/* A refused run says how far it got and does not stop the next one; the log is told once. */
static void test_refused_run(void **state)
{
  struct pair p;
  struct tern_udp_result results[3];
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  p.events.count = 0;
  tern_run good = make_run(&p, 0, 2400, 1200), bad = good, last = make_run(&p, 2400, 1200, 1200);
  bad.remote = parse("255.255.255.255:9"); /* broadcast is not allowed */
  const tern_run *list[] = {&good, &bad, &last};
  tern_udp_send(&p.a, list, 3, results);
  assert_int_equal(results[0].error, 0);
  assert_int_equal(results[0].datagrams, 2);
  assert_int_not_equal(results[1].error, 0);
  assert_int_equal(results[1].datagrams, 0);
  assert_int_equal(results[2].error, 0);
  assert_int_equal(results[2].datagrams, 1);
  struct total total = receive_all(&p.b, 3600, 1200);
  assert_int_equal(total.bytes, 3600);
  assert_memory_equal(received, data, 3600);
  const tern_run *again = &bad;
  tern_udp_send(&p.a, &again, 1, results);
  assert_int_equal(p.events.count, 1);
  assert_int_equal(p.events.list[0].kind, TERN_EVENT_IO_ERROR);
  assert_int_equal(p.events.list[0].data.io_error.error, results[0].error);
  close_pair(&p);
}

/* A sendmmsg that takes a number of messages, then answers an error, then goes on. */
static struct {
  unsigned takes_left;
  int error;
  unsigned errors_left;
  bool only_segmented; /* what a system without GSO does */
} refusal;

static int send_refusing(struct tern_udp *udp, struct mmsghdr *messages, unsigned count)
{
  bool is_segmented = false;
  for (struct cmsghdr *control = CMSG_FIRSTHDR(&messages[0].msg_hdr); control != NULL;
       control = CMSG_NXTHDR(&messages[0].msg_hdr, control))
    is_segmented = is_segmented || control->cmsg_level == SOL_UDP;
  if (refusal.takes_left > 0) {
    count = count < refusal.takes_left ? count : refusal.takes_left;
    refusal.takes_left -= count;
  } else if (refusal.errors_left > 0 && (!refusal.only_segmented || is_segmented)) {
    refusal.errors_left--;
    errno = refusal.error;
    return -1;
  }
  return sendmmsg(udp->fd, messages, count, MSG_DONTWAIT);
}

/* Three runs of 50 datagrams, GSO off; the socket is full after `taken` of them. */
static void full_after(struct pair *p, unsigned taken, int error, int reported)
{
  struct tern_udp_result results[3];
  tern_run runs[3];
  const tern_run *list[3];
  for (size_t i = 0; i < 3; i++) {
    runs[i] = make_run(p, i * 5000, 5000, 100);
    list[i] = &runs[i];
  }
  refusal.takes_left = taken;
  refusal.error = error;
  refusal.errors_left = 1;
  refusal.only_segmented = false;
  tern_udp_send(&p->a, list, 3, results);
  size_t sent = 0;
  for (size_t i = 0; i < 3; i++) {
    size_t expected = taken <= 50 * i ? 0 : taken - 50 * i < 50 ? taken - 50 * i : 50;
    assert_int_equal(results[i].datagrams, expected);
    assert_int_equal(results[i].error, expected == 50 ? 0 : reported);
    sent += expected;
  }
  struct total total = receive_all(&p->b, sent * 100, 100);
  assert_int_equal(total.bytes, sent * 100);
  assert_memory_equal(received, data, total.bytes);
}

/* A full socket keeps the rest of all runs, to the datagram. */
static void test_full_socket(void **state)
{
  struct pair p;
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  p.a.send_messages = send_refusing;
  p.a.has_gso = false;
  p.events.count = 0;
  for (unsigned taken = 0; taken < 150; taken += 7)
    full_after(&p, taken, EAGAIN, EAGAIN);
  full_after(&p, 50, EAGAIN, EAGAIN);
  full_after(&p, 100, ENOBUFS, ENOBUFS);
  full_after(&p, 32, ENOMEM, ENOBUFS);
  assert_int_equal(p.events.count, 0);
  close_pair(&p);
}

/* Every answer that may mean "no GSO": the burst goes out whole, and GSO is off. If even one datagram
 * does not go, it was not GSO. */
static void test_gso_errors(void **state)
{
  static const int errors[] = {EIO, EINVAL, ENOPROTOOPT, EOPNOTSUPP, EMSGSIZE};
  (void)state;
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    struct pair p;
    struct tern_udp_result results[2];
    assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
    p.a.has_gso = true;
    p.a.send_messages = send_refusing;
    refusal.takes_left = 1;
    refusal.error = errors[i];
    refusal.errors_left = 1;
    refusal.only_segmented = true;
    tern_run one = make_run(&p, 0, 3600, 1200), two = make_run(&p, 3600, 6001, 1200);
    const tern_run *list[] = {&one, &two};
    tern_udp_send(&p.a, list, 2, results);
    assert_int_equal(results[0].datagrams, 3);
    assert_int_equal(results[1].datagrams, 6);
    assert_int_equal(results[0].error | results[1].error, 0);
    assert_false(p.a.has_gso);
    struct total total = receive_all(&p.b, 9601, 1200);
    assert_int_equal(total.bytes, 9601);
    assert_memory_equal(received, data, 9601);

    p.a.has_gso = true;
    refusal.errors_left = 2;
    refusal.only_segmented = false;
    tern_udp_send(&p.a, list, 1, results);
    assert_int_equal(results[0].error, errors[i]);
    assert_int_equal(results[0].datagrams, 0);
    assert_true(p.a.has_gso);
    close_pair(&p);
  }
}

/* An interrupted call is made again. */
static void test_interrupted(void **state)
{
  struct pair p;
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  p.a.send_messages = send_refusing;
  refusal.takes_left = 0;
  refusal.error = EINTR;
  refusal.errors_left = 3;
  refusal.only_segmented = false;
  tern_run run = make_run(&p, 0, 3600, 1200);
  pass_run(&p, &run);
  close_pair(&p);
}

/* [rfc9000-14] no fragments: what is larger than the interface takes is EMSGSIZE, alone or in a burst,
 * and that does not cost GSO. */
static void test_too_large(void **state)
{
  struct pair p;
  struct tern_udp_result result;
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  bool had_gso = p.a.has_gso;
  tern_run run = make_run(&p, 0, 65520, 65520);
  const tern_run *list = &run;
  tern_udp_send(&p.a, &list, 1, &result);
  assert_int_equal(result.error, EMSGSIZE);
  run.len = 131040;
  tern_udp_send(&p.a, &list, 1, &result);
  assert_int_equal(result.error, EMSGSIZE);
  assert_int_equal(result.datagrams, 0);
  assert_int_equal(p.a.has_gso, had_gso);
  close_pair(&p);
}

/* An overrun receive buffer is told, with the right count, by the next datagram that comes through. */
static void test_kernel_drops(void **state)
{
  struct pair p;
  struct tern_udp_result result;
  size_t sent = 0, got = 0;
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  p.a.has_gso = false;
  tern_run run = make_run(&p, 0, 12000, 1200);
  const tern_run *list = &run;
  for (int i = 0; i < 200; i++) {
    tern_udp_send(&p.a, &list, 1, &result);
    sent += result.datagrams;
  }
  while (wait_readable(&p.b) && got < sent) {
    struct total total = receive_all(&p.b, 1, 1200);
    got += total.datagrams;
    struct pollfd poll_fd = {.fd = p.b.fd, .events = POLLIN};
    if (poll(&poll_fd, 1, 0) == 0)
      break;
  }
  assert_true(got < sent);
  run.len = 1200;
  pass_run(&p, &run);
  const tern_event *event = find_event(&p, TERN_EVENT_IO_DROPS);
  assert_non_null(event);
  assert_int_equal(event->data.io_drops.total, sent - got);
  close_pair(&p);
}

/* What was asked for and not given is said, with the setting that helps. */
static void test_features_are_told(void **state)
{
  static const char *const features[] = {"dont_fragment", "pktinfo", "ecn", "gso", "gro"};
  struct pair p;
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
    assert_int_equal(p.events.list[i].kind, TERN_EVENT_IO_FEATURE);
    assert_string_equal(p.events.list[i].data.io_feature.feature, features[i]);
    if (!p.events.list[i].data.io_feature.is_on)
      print_message("%s is off: %s\n", features[i], p.events.list[i].data.io_feature.reason);
  }
  tern_udp_deinit(&p.a);
  p.events.count = 0;
  struct tern_udp_args args = {.local = parse("127.0.0.1:0"), .buffer_bytes = 1 << 30};
  assert_int_equal(tern_udp_init(&p.a, &args, &p.alloc, &p.notice), TERN_OK);
  assert_false(p.a.has_gso);
  const tern_event *event = find_event(&p, TERN_EVENT_IO_BUFFER_SMALL);
  if (event != NULL) {
    assert_string_equal(event->data.io_buffer_small.sysctl, "net.core.wmem_max");
    assert_true(event->data.io_buffer_small.got_bytes < 1 << 30);
  }
  close_pair(&p);
}

static void test_open_fails_cleanly(void **state)
{
  struct pair p;
  struct tern_udp_args args = {.buffer_bytes = 1 << 18};
  struct tern_udp udp;
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  args.local = p.a.local; /* taken */
  assert_int_equal(tern_udp_init(&udp, &args, &p.alloc, &p.notice), TERN_IO);
  assert_int_equal(errno, EADDRINUSE);
  assert_int_equal(udp.fd, -1);
  args.local = parse("192.0.2.77:0"); /* not ours */
  assert_int_equal(tern_udp_init(&udp, &args, &p.alloc, &p.notice), TERN_IO);
  p.fail.fail_at = p.fail.takes + 1;
  args.local = parse("127.0.0.1:0");
  assert_int_equal(tern_udp_init(&udp, &args, &p.alloc, &p.notice), TERN_NOMEM);
  close_pair(&p);
}

static void test_nothing_to_receive(void **state)
{
  struct pair p;
  tern_datagram batch[TERN_UDP_BATCH];
  bool is_drained = false;
  (void)state;
  assert_true(open_pair(&p, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"));
  assert_int_equal(tern_udp_receive(&p.b, batch, &is_drained), 0);
  assert_true(is_drained);
  close_pair(&p);
}

static int set_up(void **state)
{
  (void)state;
  fill_data();
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ipv4),
      cmocka_unit_test(test_ipv6),
      cmocka_unit_test(test_dual_stack),
      cmocka_unit_test(test_source_address),
      cmocka_unit_test(test_runs_share_calls),
      cmocka_unit_test(test_gso_refused),
      cmocka_unit_test(test_refused_run),
      cmocka_unit_test(test_full_socket),
      cmocka_unit_test(test_gso_errors),
      cmocka_unit_test(test_interrupted),
      cmocka_unit_test(test_too_large),
      cmocka_unit_test(test_kernel_drops),
      cmocka_unit_test(test_features_are_told),
      cmocka_unit_test(test_open_fails_cleanly),
      cmocka_unit_test(test_nothing_to_receive),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
