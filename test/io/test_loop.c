/* SPDX-License-Identifier: MIT */
/* What the loop does with datagrams and sockets: bounded turns, full sockets, clients' sockets, and how
 * a loop is made. */
#define _GNU_SOURCE
#include "loop_test.h"

#include <sys/socket.h>

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

static int send_refusing(struct tern_udp *udp, struct mmsghdr *messages, unsigned count)
{
  if (refusals > 0) {
    refusals--;
    errno = refusal_error;
    return -1;
  }
  return sendmmsg(udp->fd, messages, count, MSG_DONTWAIT);
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

/* A client's datagram to a port where nobody listens: told at once, with the address. */
static void closed_port(const char *ip)
{
  struct setup s;
  struct tern_alloc alloc;
  struct tern_notice notice;
  tern_conn *conn;
  init_setup(&s, NULL);
  tern_loop *loop = make_loop(&s);
  tern_endpoint *endpoint = tern_loop_get_endpoint(loop);
  struct tern_udp peer = open_peer(&s, &alloc, &notice);
  tern_connect_args args = {.remote = parse(ip), .server_name = "localhost"};
  args.remote.port = peer.local.port;
  if (args.remote.family == 6)
    args.remote.port = 1; /* tcpmux: nobody speaks it */
  tern_udp_deinit(&peer);
  assert_int_equal(tern_loop_connect(loop, &args, &conn), TERN_OK);
  struct echo *e = &endpoint->echoes[endpoint->echoes_count++];
  e->run = (tern_run){.data = e->data, .len = 10, .segment_bytes = 10, .remote = args.remote};
  for (int i = 0; i < 4 && endpoint->unreachable.family == 0; i++)
    turn(loop, TERN_SECOND / 2);
  if (endpoint->last_error == EADDRNOTAVAIL || endpoint->last_error == ENETUNREACH)
    print_message("no way to %s: skipped\n", ip);
  else
    assert_true(tern_addr_equal(&endpoint->unreachable, &args.remote));
  free_loop(&s, loop);
}

static void test_closed_port(void **state)
{
  (void)state;
  closed_port("127.0.0.1:0");
  closed_port("[::1]:0");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_echo),
      cmocka_unit_test(test_turn_is_bounded),
      cmocka_unit_test(test_full_socket),
      cmocka_unit_test(test_no_socket_for_family),
      cmocka_unit_test(test_connect_opens_sockets),
      cmocka_unit_test(test_rebind),
      cmocka_unit_test(test_config),
      cmocka_unit_test(test_reuse_port),
      cmocka_unit_test(test_older_config),
      cmocka_unit_test(test_entropy),
      cmocka_unit_test(test_closed_port),
  };
  return run_with_engines(tests, sizeof tests / sizeof tests[0]);
}
