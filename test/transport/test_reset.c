/* SPDX-License-Identifier: MIT */
/* RESET_STREAM and STOP_SENDING, from either side, in every order, before and after everything else. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/frame_write.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 3);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static void keep_unread(struct pair *with, struct pair_stream *stream)
{
  (void)with;
  stream->is_paused = true;
}

/* Both ends of a bidirectional stream, with data under way in both directions. */
static struct pair_stream *open_both(struct pair_stream **peer)
{
  struct pair_stream *ours = pair_open(&pair, PAIR_CLIENT, true);

  assert_int_equal(pair_write(ours, 0, 5000), 5000);
  pair_run_for(&pair, TERN_SECOND);
  *peer = pair_peer_of(&pair, ours);
  assert_non_null(*peer);
  assert_int_equal(pair_write(*peer, 0, 5000), 5000);
  pair_run_for(&pair, TERN_SECOND);
  return ours;
}

static void test_reset(void **state)
{
  struct pair_stream *peer;

  (void)state;
  pair_connect(&pair);
  struct pair_stream *ours = open_both(&peer);
  tern_stream_reset(ours->stream, 42);
  tern_stream_reset(ours->stream, 43); /* quiet */
  size_t taken;
  assert_int_equal(tern_stream_write(ours->stream, tern_slice_of("x", 1), &taken), TERN_RESET);
  assert_int_equal(tern_stream_finish(ours->stream), TERN_RESET);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(peer->reset_count, 1);
  assert_int_equal(peer->reset_code, 42);
  uint8_t byte;
  size_t got;
  assert_int_equal(tern_stream_read(peer->stream, &byte, 1, &got), TERN_RESET);
  assert_false(tern_stream_is_eof(peer->stream));
  /* the other half goes on */
  assert_int_equal(ours->closed_count + peer->closed_count, 0);
  assert_int_equal(pair_write(peer, 5000, 5000), 5000);
  assert_int_equal(tern_stream_finish(peer->stream), TERN_OK);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(ours->received, 10000);
  assert_true(ours->is_eof);
}

/* [rfc9000-3.5] STOP_SENDING is answered by RESET_STREAM with the same code. */
static void test_stop(void **state)
{
  struct pair_stream *peer;

  (void)state;
  pair_connect(&pair);
  struct pair_stream *ours = open_both(&peer);
  tern_stream_stop(peer->stream, 17);
  tern_stream_stop(peer->stream, 18); /* quiet */
  uint8_t byte;
  size_t got;
  assert_int_equal(tern_stream_read(peer->stream, &byte, 1, &got), TERN_RESET);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(ours->stopped_count, 1);
  assert_int_equal(ours->stop_code, 17);
  assert_int_equal(peer->reset_count, 0); /* its application said so itself */
  size_t taken;
  assert_int_equal(tern_stream_write(ours->stream, tern_slice_of("x", 1), &taken), TERN_RESET);
  assert_int_equal(ours->stream->out->send.state, TERN_SEND_RESET_RECVD);
  assert_int_equal(peer->stream->in->recv.state, TERN_RECV_RESET_READ);
  assert_int_equal(tern_stream_finish(peer->stream), TERN_OK);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
}

/* Unread data is gone with the reset, and its credit comes back [rfc9000-4.5]. */
static void test_reset_gives_credit_back(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].conn_window_bytes = 10000;
  pair.config[PAIR_SERVER].conn_window_max_bytes = 10000;
  pair.config[PAIR_SERVER].stream_window_bytes = 10000;
  pair.on_stream = keep_unread;
  pair_connect(&pair);
  for (unsigned i = 0; i < 20; i++) {
    struct pair_stream *ours = pair_open(&pair, PAIR_CLIENT, false);
    assert_int_equal(pair_write(ours, 0, 9000), 9000);
    pair_run_for(&pair, TERN_SECOND);
    assert_int_equal(ours->acked_to, 9000);
    if (i % 2 == 0)
      tern_stream_reset(ours->stream, 1);
    else
      tern_stream_stop(pair_peer_of(&pair, ours)->stream, 1);
    pair_run_for(&pair, TERN_SECOND);
    assert_int_equal(ours->closed_count, 1);
  }
  struct tern_flow_recv *flow = &pair.conn[PAIR_SERVER]->body->flow_recv;
  assert_int_equal(flow->consumed, flow->highest);
}

/* ---- every order ----------------------------------------------------------------------------------- */

enum action { FINISH, RESET, STOP, WAIT, ACTIONS };

static void act(struct pair_stream *stream, enum action action, uint64_t code)
{
  if (stream->stream == NULL)
    return;
  switch (action) {
  case FINISH:
    if (tern_stream_finish(stream->stream) != TERN_OK)
      return;
    break;
  case RESET:
    tern_stream_reset(stream->stream, code);
    break;
  case STOP:
    tern_stream_stop(stream->stream, code);
    break;
  case WAIT:
  case ACTIONS:
    break;
  }
}

static bool lose_some(struct pair *with, struct pair_datagram *datagram)
{
  (void)datagram;
  return tern_random_seeded_next(&with->random) % 4 != 0;
}

/* Four actions, two per side, all 4^4 orders, at once or one after the other, with and without loss: both
 * ends always come to their end, told once, and no record or byte of credit is left behind. */
static void run_order(unsigned order, tern_time gap, bool has_loss)
{
  struct pair_stream *peer;

  pair_init(&pair, 1000 + order);
  pair_connect(&pair);
  struct pair_stream *ours = open_both(&peer);
  pair.filter = has_loss ? lose_some : NULL;
  for (unsigned i = 0; i < 4; i++, order /= ACTIONS) {
    act(i % 2 == 0 ? ours : peer, (enum action)(order % ACTIONS), 100 + i);
    pair_run_for(&pair, gap);
  }
  for (unsigned i = 0; i < 2; i++) { /* whatever is left */
    act(i == 0 ? ours : peer, FINISH, 0);
    pair_run_for(&pair, gap);
  }
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  pair.filter = NULL;
  pair_run_for(&pair, 5 * TERN_SECOND); /* the last records, also those that were lost */
  assert_int_equal(ours->closed_count, 1);
  assert_int_equal(peer->closed_count, 1);
  for (int side = 0; side < 2; side++) {
    assert_int_equal(pair.closed_count[side], 0);
    assert_int_equal(pair.conn[side]->body->streams.live, 0);
    struct tern_flow_recv *flow = &pair.conn[side]->body->flow_recv;
    assert_int_equal(flow->consumed, flow->highest);
    assert_int_equal(pair.conn[side]->body->flow_send.used,
                     pair.conn[!side]->body->flow_recv.highest);
  }
  pair_deinit(&pair);
}

static void test_every_order(void **state)
{
  static const tern_time gaps[] = {0, 3 * TERN_MS, 11 * TERN_MS, 100 * TERN_MS};

  (void)state;
  pair_deinit(&pair);
  for (unsigned order = 0; order < ACTIONS * ACTIONS * ACTIONS * ACTIONS; order++)
    run_order(order, gaps[order % PAIR_COUNT_OF(gaps)], order % 3 == 0);
  pair_init(&pair, 3);
}

/* [rfc9000-3.3] frames for a stream that is long over are ignored. */
static void test_late_frames(void **state)
{
  uint8_t frames[64];
  struct tern_writer writer = tern_writer_of(frames, sizeof frames);

  (void)state;
  pair_connect(&pair);
  struct pair_stream *ours = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(ours, 10);
  pair_run_for(&pair, TERN_SECOND);
  pair_send_all(pair_peer_of(&pair, ours), 10);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  pair_run_for(&pair, TERN_SECOND);
  tern_frame_write_reset_stream(&writer, 0, 1, 10);
  tern_frame_write_stop_sending(&writer, 0, 1);
  tern_frame_write_max_stream_data(&writer, 0, 1 << 20);
  tern_frame_write_stream_data_blocked(&writer, 0, 10);
  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP,
                   tern_slice_of(frames, tern_writer_len(&writer)));
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
  assert_int_equal(pair.streams_count, 2);
}

/* ---- what a peer may not do -------------------------------------------------------------------------- */

struct bad_case {
  void (*write)(struct tern_writer *writer);
  uint64_t code;
};

static void write_shorter_reset(struct tern_writer *writer)
{
  tern_frame_write_reset_stream(writer, 0, 1, 4999);
}
static void write_reset_beyond_window(struct tern_writer *writer)
{
  tern_frame_write_reset_stream(writer, 0, 1, 1 << 24);
}
static void write_two_sizes(struct tern_writer *writer)
{
  tern_frame_write_reset_stream(writer, 0, 1, 6000);
  tern_frame_write_reset_stream(writer, 0, 1, 6001);
}
static void write_reset_of_servers(struct tern_writer *writer)
{
  tern_frame_write_reset_stream(writer, 3, 1, 0);
}
static void write_stop_of_clients(struct tern_writer *writer)
{
  tern_frame_write_stop_sending(writer, 2, 1);
}
static void write_stop_of_unopened(struct tern_writer *writer)
{
  tern_frame_write_stop_sending(writer, 1, 1);
}
static void write_beyond_limit(struct tern_writer *writer)
{
  tern_frame_write_reset_stream(writer, 4 * 100, 1, 0);
}

static void test_violations(void **state)
{
  static const struct bad_case cases[] = {
      {write_shorter_reset, TERN_QUIC_FINAL_SIZE_ERROR},         /* [rfc9000-4.5] */
      {write_reset_beyond_window, TERN_QUIC_FLOW_CONTROL_ERROR}, /* [rfc9000-4.5] */
      {write_two_sizes, TERN_QUIC_FINAL_SIZE_ERROR},             /* [rfc9000-4.5] */
      {write_reset_of_servers, TERN_QUIC_STREAM_STATE_ERROR},    /* [rfc9000-19.4] */
      {write_stop_of_clients, TERN_QUIC_STREAM_STATE_ERROR},     /* [rfc9000-19.5] */
      {write_stop_of_unopened, TERN_QUIC_STREAM_STATE_ERROR},    /* [rfc9000-19.5] */
      {write_beyond_limit, TERN_QUIC_STREAM_LIMIT_ERROR},        /* [rfc9000-4.6] */
  };

  (void)state;
  for (size_t i = 0; i < PAIR_COUNT_OF(cases); i++) {
    uint8_t frames[64];
    struct tern_writer writer = tern_writer_of(frames, sizeof frames);
    struct pair_stream *peer;
    pair_init(&pair, 50 + i);
    pair_connect(&pair);
    (void)open_both(&peer);
    cases[i].write(&writer);
    pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP,
                     tern_slice_of(frames, tern_writer_len(&writer)));
    assert_true(pair_run_until(&pair, pair_are_closed));
    assert_int_equal(pair.error[PAIR_SERVER].kind, TERN_ERROR_TRANSPORT);
    assert_int_equal(pair.error[PAIR_SERVER].code, cases[i].code);
    assert_false(pair.error[PAIR_SERVER].by_peer);
    assert_int_equal(pair.error[PAIR_CLIENT].code, cases[i].code);
    assert_true(pair.error[PAIR_CLIENT].by_peer);
    assert_int_equal(pair.error[PAIR_CLIENT].frame_type, frames[0]);
    pair_deinit(&pair);
  }
  pair_init(&pair, 3);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_reset),       CASE(test_stop),        CASE(test_reset_gives_credit_back),
      CASE(test_every_order), CASE(test_late_frames), CASE(test_violations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
