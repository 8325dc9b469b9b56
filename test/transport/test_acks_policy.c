/* SPDX-License-Identifier: MIT */
/* When ACKs leave and what they say, as seen on the wire; and that what was sent comes to its end. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/frame_write.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 8);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

/* Events of the server's side, in the data space. */
static struct {
  tern_time received_at[256];
  uint64_t received[256];
  unsigned received_count;
  tern_time acked_at[256];
  unsigned acks_count;
  unsigned packets_sent; /* with or without an ACK */
} seen;

static void note(struct pair *with, int side, const tern_event *event)
{
  if (side != PAIR_SERVER)
    return;
  if (event->kind == TERN_EVENT_PACKET_RECEIVED && event->data.packet_received.space == 2 &&
      seen.received_count < 256) {
    seen.received_at[seen.received_count] = with->now;
    seen.received[seen.received_count++] = event->data.packet_received.number;
  }
  if (event->kind == TERN_EVENT_FRAME_SENT && event->data.frame_sent.space == 2 &&
      strcmp(event->data.frame_sent.name, "ACK") == 0 && seen.acks_count < 256)
    seen.acked_at[seen.acks_count++] = with->now;
  if (event->kind == TERN_EVENT_PACKET_SENT && event->data.packet_sent.space == 2)
    seen.packets_sent++;
}

static void start(void)
{
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  memset(&seen, 0, sizeof seen);
  pair.on_event = note;
}

static void send_ping(void)
{
  uint8_t ping = 0x01;
  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP, tern_slice_of(&ping, 1));
}

/* [rfc9000-13.2.1] one ack-eliciting packet is acknowledged within max_ack_delay, and not much sooner. */
static void test_delayed_ack(void **state)
{
  (void)state;
  for (uint64_t ms = 1; ms <= 50; ms += 7) {
    pair_deinit(&pair);
    pair_init(&pair, 80 + ms);
    pair.config[PAIR_SERVER].ack_delay_max_ms = ms;
    start();
    send_ping();
    pair_run_for(&pair, TERN_SECOND);
    assert_int_equal(seen.received_count, 1);
    assert_int_equal(seen.acks_count, 1);
    assert_true(seen.acked_at[0] - seen.received_at[0] <= ms * TERN_MS);
    assert_true(seen.acked_at[0] - seen.received_at[0] >= ms * TERN_MS - TERN_MS);
  }
}

/* [rfc9000-13.2.2] after two ack-eliciting packets at once. */
static void test_every_second(void **state)
{
  (void)state;
  start();
  for (unsigned i = 0; i < 10; i++) {
    send_ping();
    pair_run_for(&pair, TERN_MS);
  }
  assert_int_equal(seen.received_count, 10);
  assert_int_equal(seen.acks_count, 5);
  for (unsigned i = 0; i < 5; i++)
    assert_int_equal(seen.acked_at[i], seen.received_at[2 * i + 1]);
}

/* A batch of many packets costs one ACK. */
static void test_one_ack_for_a_batch(void **state)
{
  (void)state;
  start();
  for (unsigned i = 0; i < 30; i++)
    send_ping();
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(seen.received_count, 30);
  assert_int_equal(seen.acks_count, 1);
}

/* [rfc9000-13.2.1] a gap is reported at once, and so is what fills it. */
static void test_gap_and_reordering(void **state)
{
  (void)state;
  start();
  send_ping();
  pair_run_for(&pair, 100 * TERN_MS); /* in order, acknowledged */
  assert_int_equal(seen.acks_count, 1);
  send_ping(); /* late by 5 ms */
  pair.queue->at += 5 * TERN_MS;
  send_ping();
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(seen.received_count, 2);
  assert_int_equal(seen.acks_count, 2);
  assert_int_equal(seen.acked_at[1], seen.received_at[1]);
  pair_run_for(&pair, 5 * TERN_MS);
  assert_int_equal(seen.received_count, 3);
  assert_int_equal(seen.acks_count, 3);
  assert_int_equal(seen.acked_at[2], seen.received_at[2]);
}

/* [rfc9000-13.2.1] CE is reported at once. */
static void test_ce_at_once(void **state)
{
  (void)state;
  start();
  send_ping();
  pair.queue->ecn = TERN_ECN_CE;
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(seen.acks_count, 1);
  assert_int_equal(seen.acked_at[0], seen.received_at[0]);
}

/* [rfc9000-13.2.1] MUST NOT answer packets that elicit no ACK: neither ACKs nor PADDING, however many. */
static void test_no_acks_of_acks(void **state)
{
  static const uint8_t padding[40] = {0};

  (void)state;
  start();
  for (unsigned i = 0; i < 50; i++) {
    pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP, tern_slice_of(padding, sizeof padding));
    pair_run_for(&pair, 20 * TERN_MS);
  }
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(seen.received_count, 50);
  assert_int_equal(seen.packets_sent, 0);
}

static bool mix(struct pair *with, struct pair_datagram *datagram)
{
  uint64_t draw = tern_random_seeded_next(&with->random);

  datagram->at += (draw >> 8) % (30 * TERN_MS);
  if (draw % 5 == 0)
    pair_inject(with, datagram->to, NULL, tern_slice_of(datagram->data, datagram->len),
                (draw >> 16) % (200 * TERN_MS));
  return draw % 11 != 0;
}

/* The largest acknowledged, as the client knows it, never falls. */
static void test_under_reordering(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 6; seed++) {
    pair_deinit(&pair);
    pair_init(&pair, 850 + seed);
    pair_connect(&pair);
    pair.filter = mix;
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
    pair_send_all(stream, 300000);
    tern_conn *client = pair.conn[PAIR_CLIENT];
    uint64_t before = 0;
    while (stream->closed_count == 0) {
      assert_true(pair_step(&pair, TERN_TIME_NEVER));
      /* an ACK frame that was overtaken does not take anything back */
      assert_true(client->path.data->loss.largest_acked >= before);
      before = client->path.data->loss.largest_acked;
    }
    struct pair_stream *peer = pair_peer_of(&pair, stream);
    assert_int_equal(peer->received, 300000);
    assert_true(peer->is_eof && !peer->is_bad);
    assert_true(pair.drops[PAIR_SERVER][TERN_DROP_DUPLICATE] > 0);
    assert_int_equal(pair.closed_count[0] + pair.closed_count[1], 0);
    pair.filter = NULL;
    pair_run_for(&pair, 5 * TERN_SECOND);
    assert_int_equal(tern_conn_route(client)->in_flight.bytes, 0);
    assert_int_equal(client->path.data->sent.ack_eliciting_in_flight, 0);
  }
}

/* [rfc9000-13.2.4] a side that only receives asks for an ACK now and then, so that what it has to report
 * does not grow for ever. */
static void test_receiver_asks_for_acks(void **state)
{
  (void)state;
  start();
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 3000000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  const struct tern_acks *acks = &pair.conn[PAIR_SERVER]->path.data->acks;
  assert_true(acks->report_floor > 1000); /* most was confirmed */
  assert_true(acks->received.count <=
              2 * TERN_ACKS_KEPT_MAX); /* numbers are skipped now and then */
  const struct tern_sent *sent = &pair.conn[PAIR_SERVER]->path.data->sent;
  assert_true(sent->next - sent->base <= 2 * TERN_SENT_ACK_ONLY_MAX);
}

/* ---- ECN ------------------------------------------------------------------------------------------- */

/* [rfc9000-13.4.2] both ends find the path capable, and stay with it, whatever the sizes of runs. */
static void test_ecn(void **state)
{
  tern_conn_stats stats;

  (void)state;
  pair.has_echo = true;
  pair.config[PAIR_SERVER].send_buffer_bytes = 1 << 22;
  pair.config[PAIR_CLIENT].pacing = pair.config[PAIR_SERVER].pacing = false;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 400000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  for (int side = 0; side < 2; side++) {
    tern_conn_get_stats(pair.conn[side], &stats);
    assert_int_equal(stats.ecn_state, 1);
  }
}

static bool bleach(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  datagram->ecn = TERN_ECN_NOT;
  return true;
}

static void test_ecn_bleached(void **state)
{
  tern_conn_stats stats;

  (void)state;
  pair.filter = bleach;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 100000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  assert_int_equal(stats.ecn_state, 2); /* [rfc9000-13.4.2.2] */
  assert_int_equal(stats.packets_lost, 0);
}

static bool mark_some(struct pair *with, struct pair_datagram *datagram)
{
  if (datagram->ecn == TERN_ECN_ECT0 && datagram->to == PAIR_SERVER &&
      with->sent_count[PAIR_CLIENT] % 50 == 49)
    datagram->ecn = TERN_ECN_CE;
  return true;
}

/* CE is a congestion signal without a loss [rfc9002-7.1]. */
static void test_ecn_congestion(void **state)
{
  tern_conn_stats stats;

  (void)state;
  pair_connect(&pair);
  pair.filter = mark_some;
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 500000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  assert_int_equal(stats.ecn_state, 1);
  assert_true(stats.congestion_events >= 1);
  assert_int_equal(stats.packets_lost, 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_delayed_ack),
      CASE(test_every_second),
      CASE(test_one_ack_for_a_batch),
      CASE(test_gap_and_reordering),
      CASE(test_ce_at_once),
      CASE(test_no_acks_of_acks),
      CASE(test_under_reordering),
      CASE(test_receiver_asks_for_acks),
      CASE(test_ecn),
      CASE(test_ecn_bleached),
      CASE(test_ecn_congestion),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
