/* SPDX-License-Identifier: MIT */
/* What happens when nothing happens: idle timeout, keep-alive, handshake timeout; and that no deadline is
 * ever in the past for long. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/frame_write.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 5);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static tern_time closed_at[2];

static void note_time(struct pair *with, int side)
{
  closed_at[side] = with->now;
}

/* ---- idle ------------------------------------------------------------------------------------------ */

struct idle_case {
  uint64_t client_ms, server_ms;
  uint64_t expected_ms; /* 0 = never */
};

/* [rfc9000-10.1] the smaller of both values; 0 is none. */
static void test_idle_timeout(void **state)
{
  static const struct idle_case cases[] = {
      {5000, 30000, 5000}, {30000, 5000, 5000}, {0, 7000, 7000},
      {7000, 0, 7000},     {9000, 9000, 9000},  {0, 0, 0},
  };

  (void)state;
  pair_deinit(&pair);
  for (size_t i = 0; i < PAIR_COUNT_OF(cases); i++) {
    pair_init(&pair, 60 + i);
    pair.config[PAIR_CLIENT].idle_timeout_ms = cases[i].client_ms;
    pair.config[PAIR_SERVER].idle_timeout_ms = cases[i].server_ms;
    pair.on_closed = note_time;
    pair_connect(&pair);
    pair_run_for(&pair, TERN_SECOND);
    tern_time last[2] = {pair.conn[0]->idle_from, pair.conn[1]->idle_from};
    uint64_t sent = pair.sent_count[0] + pair.sent_count[1];
    pair_run_for(&pair, 100 * TERN_SECOND);
    for (int side = 0; side < 2; side++) {
      if (cases[i].expected_ms == 0) {
        assert_int_equal(pair.closed_count[side], 0);
        continue;
      }
      assert_int_equal(pair.closed_count[side], 1);
      assert_int_equal(pair.error[side].kind, TERN_ERROR_IDLE);
      assert_int_equal(closed_at[side] - last[side], cases[i].expected_ms * TERN_MS);
    }
    /* [rfc9000-10.1] silently closed */
    assert_int_equal(pair.sent_count[0] + pair.sent_count[1], sent);
    assert_int_equal(pair_are_gone(&pair), cases[i].expected_ms != 0);
    pair_deinit(&pair);
  }
  pair_init(&pair, 5);
}

/* [rfc9000-10.1] never below three PTOs, so that there is time to retransmit. */
static void test_idle_is_at_least_three_ptos(void **state)
{
  (void)state;
  pair.config[PAIR_CLIENT].idle_timeout_ms = 10;
  pair.on_closed = note_time;
  pair_connect(&pair);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  pair_run_for(&pair, 25 * TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  tern_time last = conn->idle_from;
  uint64_t least = 3 * tern_conn_pto_ns(conn);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(closed_at[PAIR_CLIENT] - last, least);
}

static bool lose_all(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  (void)datagram;
  return false;
}

/* [rfc9000-10.1] only the first ack-eliciting packet after the last one received restarts the timer: probes
 * into the void do not keep a connection alive. */
static void test_probes_do_not_keep_alive(void **state)
{
  (void)state;
  pair.config[PAIR_CLIENT].idle_timeout_ms = 5000;
  pair.on_closed = note_time;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  pair.filter = lose_all;
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  (void)pair_write(stream, 0, 100);
  tern_time sent_at = pair.now;
  pair_run_for(&pair, 60 * TERN_SECOND);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_IDLE);
  assert_int_equal(closed_at[PAIR_CLIENT] - sent_at, 5 * TERN_SECOND);
  assert_true(pair.stats[PAIR_CLIENT].pto_count >= 4);
  assert_int_equal(stream->closed_count, 1);
}

static void test_keep_alive(void **state)
{
  (void)state;
  pair.config[PAIR_CLIENT].keep_alive_ms = 2000;
  pair.config[PAIR_SERVER].idle_timeout_ms = 3000;
  pair_connect(&pair);
  pair_run_for(&pair, 60 * TERN_SECOND);
  assert_int_equal(pair.closed_count[0] + pair.closed_count[1], 0);
  /* a PING and an ACK every two seconds, not more */
  assert_true(pair.sent_count[PAIR_CLIENT] <= 40);
  assert_true(pair.sent_count[PAIR_SERVER] <= 40);
  pair.filter = lose_all;
  pair_run_for(&pair, 10 * TERN_SECOND);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_IDLE);
}

/* ---- handshake --------------------------------------------------------------------------------------- */

static void test_handshake_timeout_of_client(void **state)
{
  (void)state;
  pair.config[PAIR_CLIENT].handshake_timeout_ms = 2000;
  pair.filter = lose_all;
  pair.on_closed = note_time;
  pair_start(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  (void)pair_write(stream, 0, 100);
  pair_run_for(&pair, 60 * TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_HANDSHAKE_TIMEOUT);
  assert_int_equal(closed_at[PAIR_CLIENT] - PAIR_START, 2 * TERN_SECOND);
  assert_int_equal(stream->closed_count, 1);
  assert_true(pair_are_gone(&pair));
  /* the first flight, and two probes after 999 ms [rfc9002-6.2.2]; the next would be 1998 ms later */
  assert_int_equal(pair.sent_count[PAIR_CLIENT], 3);
}

static bool lose_to_server_later(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  return datagram->to == PAIR_CLIENT || datagram->number == 0;
}

static void test_handshake_timeout_of_server(void **state)
{
  tern_endpoint_stats stats;

  (void)state;
  pair.config[PAIR_SERVER].handshake_timeout_ms = 1000;
  pair.filter = lose_to_server_later;
  pair_start(&pair);
  pair_run_for(&pair, 500 * TERN_MS);
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  assert_int_equal(stats.conns_half_open, 1);
  pair_run_for(&pair, TERN_SECOND);
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  assert_int_equal(stats.conns_half_open, 0);
  assert_int_equal(stats.conns_now, 0);
  assert_int_equal(pair.endpoint[PAIR_SERVER]->half_open_bytes, 0);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 0); /* nobody had heard of it */
}

/* ---- no deadline in the past ---------------------------------------------------------------------------- */

static bool lose_some(struct pair *with, struct pair_datagram *datagram)
{
  (void)datagram;
  return tern_random_seeded_next(&with->random) % 8 != 0;
}

/* After a turn with send until NULL, nothing is due at the very same time: the loop may sleep. */
static void test_turn_leaves_nothing_due(void **state)
{
  (void)state;
  pair.filter = lose_some;
  pair.has_echo = true;
  pair.config[PAIR_CLIENT].keep_alive_ms = 300;
  pair_start(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 200000);
  for (unsigned i = 0; i < 3000 && pair.now < 20 * TERN_SECOND; i++) {
    if (!pair_step(&pair, TERN_TIME_NEVER))
      break;
    pair_flush(&pair, PAIR_CLIENT);
    pair_flush(&pair, PAIR_SERVER);
    for (int side = 0; side < 2; side++)
      assert_true(tern_endpoint_deadline(pair.endpoint[side]) > pair.now);
  }
  assert_true(stream->is_eof);
}

/* Waking up too often or much too late is harmless. */
static void test_odd_wake_ups(void **state)
{
  (void)state;
  pair.has_echo = true;
  pair_start(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 50000);
  for (unsigned i = 0; i < 400; i++) {
    uint64_t pause = i % 10 == 9 ? 700 * TERN_MS : TERN_MS / 4;
    pair.now += pause; /* deadlines go by unseen */
    for (int side = 0; side < 2; side++)
      assert_int_equal(tern_endpoint_timeout(pair.endpoint[side], pair.now), TERN_OK);
    (void)pair_step(&pair, pair.now);
  }
  pair_run_for(&pair, TERN_SECOND);
  assert_true(stream->is_eof && !stream->is_bad);
  assert_int_equal(stream->received, 50000);
}

/* A clock that goes back is taken for one that stands still. */
static void test_clock_goes_back(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_flush(&pair, PAIR_CLIENT);
  tern_time now = tern_conn_get_now(pair.conn[PAIR_CLIENT]);
  assert_int_equal(tern_endpoint_timeout(pair.endpoint[PAIR_CLIENT], 1), TERN_OK);
  assert_int_equal(tern_endpoint_receive(pair.endpoint[PAIR_CLIENT], NULL, 0, 2), TERN_OK);
  assert_int_equal(tern_conn_get_now(pair.conn[PAIR_CLIENT]), now);
  assert_null(tern_endpoint_send(pair.endpoint[PAIR_CLIENT], 3));
}

/* [rfc9002-6.2.4] a PTO sends one or two probes, whatever the window says; data goes with them. */
static void test_probe_carries_data(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair.filter = lose_all;
  pair_send_all(stream, 1000);
  pair_flush(&pair, PAIR_CLIENT);
  uint64_t before = pair.sent_count[PAIR_CLIENT];
  while (pair.counts[PAIR_CLIENT][TERN_EVENT_PTO_FIRED] == 0)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  pair.filter = NULL;
  pair_run_for(&pair, pair.delay_ns);
  assert_in_range(pair.sent_count[PAIR_CLIENT] - before, 1, 2);
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_non_null(peer);
  assert_true(peer->is_eof && !peer->is_bad);
  /* [rfc9002-6.2.1] it must not be taken for a loss by itself */
  assert_int_equal(pair.counts[PAIR_CLIENT][TERN_EVENT_PACKET_LOST], 0);
}

/* [rfc9002-6.2.1] backoff: each PTO waits twice as long as the one before. */
static tern_time pto_at[16];
static unsigned ptos;

static void note_pto(struct pair *with, int side, const tern_event *event)
{
  if (side == PAIR_CLIENT && event->kind == TERN_EVENT_PTO_FIRED && ptos < 16)
    pto_at[ptos++] = with->now;
}

static void test_pto_backoff(void **state)
{
  (void)state;
  ptos = 0;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  pair.on_event = note_pto;
  pair.filter = lose_all;
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 1000);
  pair_flush(&pair, PAIR_CLIENT);
  tern_time sent_at = pair.now;
  uint64_t pto = tern_conn_pto_ns(pair.conn[PAIR_CLIENT]);
  pair_run_for(&pair, 25 * TERN_SECOND);
  assert_true(ptos >= 7);
  for (unsigned i = 0; i < 7; i++) {
    assert_int_equal(pto_at[i] - sent_at, pto << i);
    sent_at = pto_at[i];
  }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_idle_timeout),
      CASE(test_idle_is_at_least_three_ptos),
      CASE(test_probes_do_not_keep_alive),
      CASE(test_keep_alive),
      CASE(test_handshake_timeout_of_client),
      CASE(test_handshake_timeout_of_server),
      CASE(test_turn_leaves_nothing_due),
      CASE(test_odd_wake_ups),
      CASE(test_clock_goes_back),
      CASE(test_probe_carries_data),
      CASE(test_pto_backoff),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
