/* SPDX-License-Identifier: MIT */
/* Flow control: each limit at v and v + 1, credit that follows consumption, tuning, and a sender and a
 * receiver that must never get stuck, whatever is lost. */
#include "parts_test.h"

#include "transport/flow.h"
#include "wire/frame_read.h"

static const struct tern_stream_name NAME = {12, 5, 3};

static struct tern_frame read_frame(const uint8_t *data, size_t len)
{
  struct tern_reader reader = tern_reader_of(data, len);
  struct tern_frame frame;
  assert_int_equal(tern_frame_read(&reader, &frame), 0);
  assert_int_equal(tern_reader_left(&reader), 0);
  return frame;
}

/* [rfc9000-4.1] a sender MUST NOT exceed the limit and ignores smaller ones */
static void test_send_limit(void **state)
{
  (void)state;
  struct tern_flow_send flow;
  tern_flow_send_init(&flow, 100);
  tern_flow_send_take(&flow, 99);
  assert_int_equal(tern_flow_send_room(&flow), 1);
  tern_flow_send_on_blocked(&flow);
  assert_false(tern_flow_send_wants(&flow));
  tern_flow_send_take(&flow, 1);
  assert_int_equal(tern_flow_send_room(&flow), 0);
  assert_false(tern_flow_send_on_max(&flow, 100));
  assert_false(tern_flow_send_on_max(&flow, 50));
  assert_true(tern_flow_send_on_max(&flow, 101));
  assert_int_equal(tern_flow_send_room(&flow), 1);
  tern_flow_send_give_back(&flow, 100);
  assert_int_equal(tern_flow_send_room(&flow), 101);
}

/* [rfc9000-4.1] a blocked sender SHOULD say so: once per limit, again if that was lost */
static void test_blocked_frames(void **state)
{
  (void)state;
  for (int is_stream = 0; is_stream < 2; is_stream++) {
    const struct tern_stream_name *name = is_stream ? &NAME : NULL;
    struct tern_flow_send flow;
    struct tern_frame_record record;
    uint8_t out[32];
    tern_flow_send_init(&flow, 0);
    assert_false(tern_flow_send_wants(&flow));
    tern_flow_send_on_blocked(&flow);
    assert_true(tern_flow_send_wants(&flow));
    struct tern_writer small = tern_writer_of(out, 1);
    assert_false(tern_flow_send_write(&flow, name, &small, &record));
    assert_false(small.is_full);
    struct tern_writer writer = tern_writer_of(out, sizeof out);
    assert_true(tern_flow_send_write(&flow, name, &writer, &record));
    struct tern_frame frame = read_frame(out, tern_writer_len(&writer));
    assert_int_equal(frame.kind,
                     is_stream ? TERN_FRAME_STREAM_DATA_BLOCKED : TERN_FRAME_DATA_BLOCKED);
    assert_int_equal(record.kind,
                     is_stream ? TERN_RECORD_STREAM_DATA_BLOCKED : TERN_RECORD_DATA_BLOCKED);
    assert_int_equal(record.slot, is_stream ? 5 : 0);
    tern_flow_send_on_blocked(&flow);
    assert_false(tern_flow_send_wants(&flow));
    tern_flow_send_on_lost(&flow, &record);
    assert_true(tern_flow_send_wants(&flow));
    tern_flow_send_write(&flow, name, &writer, &record);
    /* New credit: a loss of the old complaint is of no interest. */
    assert_true(tern_flow_send_on_max(&flow, 10));
    tern_flow_send_on_lost(&flow, &record);
    assert_false(tern_flow_send_wants(&flow));
    tern_flow_send_take(&flow, 10);
    tern_flow_send_on_blocked(&flow);
    assert_true(tern_flow_send_wants(&flow));
  }
}

/* [rfc9000-4.1] MUST close with FLOW_CONTROL_ERROR: at v fine, at v + 1 not ([HOSTILE T11]) */
static void test_receive_limit(void **state)
{
  (void)state;
  static const uint64_t limits[] = {0, 1, 1024, 262144, 1 << 30};
  for (size_t i = 0; i < COUNT_OF(limits); i++) {
    struct tern_flow_recv flow;
    tern_flow_recv_init(&flow, limits[i], UINT64_C(1) << 30);
    assert_true(tern_flow_recv_on_received(&flow, limits[i]));
    assert_int_equal(tern_flow_recv_left(&flow), 0);
    assert_false(tern_flow_recv_on_received(&flow, limits[i] + 1));
    assert_int_equal(flow.highest, limits[i]);
    assert_true(tern_flow_recv_on_received(&flow, 0));
    assert_int_equal(flow.highest, limits[i]);
  }
}

/* [HOSTILE T10] what arrives opens nothing, what is consumed does */
static void test_credit_follows_consumption(void **state)
{
  (void)state;
  struct tern_flow_recv flow;
  struct tern_frame_record record;
  uint8_t out[32];
  tern_flow_recv_init(&flow, 1000, 1000);
  assert_true(tern_flow_recv_on_received(&flow, 1000));
  assert_false(tern_flow_recv_wants(&flow));
  tern_flow_recv_on_consumed(&flow, 125, 1, 0); /* an eighth */
  assert_false(tern_flow_recv_wants(&flow));
  tern_flow_recv_on_consumed(&flow, 1, 1, 0);
  assert_true(tern_flow_recv_wants(&flow));
  tern_flow_recv_on_consumed(&flow, 375, 1, 0);
  struct tern_writer small = tern_writer_of(out, 2);
  assert_false(tern_flow_recv_write(&flow, NULL, &small, &record));
  assert_int_equal(flow.limit, 1000);
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  assert_true(tern_flow_recv_write(&flow, NULL, &writer, &record));
  struct tern_frame frame = read_frame(out, tern_writer_len(&writer));
  assert_int_equal(frame.kind, TERN_FRAME_MAX_DATA);
  assert_int_equal(frame.u.max_data.limit, 1501);
  assert_int_equal(record.kind, TERN_RECORD_MAX_DATA);
  /* Only the newest copy matters, and what is sent again is newer still. */
  tern_flow_recv_on_lost(&flow, &record);
  assert_true(tern_flow_recv_wants(&flow));
  tern_flow_recv_on_consumed(&flow, 99, 2, 0);
  writer = tern_writer_of(out, sizeof out);
  assert_true(tern_flow_recv_write(&flow, &NAME, &writer, &record));
  frame = read_frame(out, tern_writer_len(&writer));
  assert_int_equal(frame.kind, TERN_FRAME_MAX_STREAM_DATA);
  assert_int_equal(frame.u.max_stream_data.stream_id, 12);
  assert_int_equal(frame.u.max_stream_data.limit, 1600);
  assert_int_equal(record.generation, 3);
  tern_flow_recv_on_acked(&flow, &record);
  tern_flow_recv_on_lost(&flow, &record);
  assert_false(tern_flow_recv_wants(&flow));
}

static void test_stop_is_quiet(void **state)
{
  (void)state;
  struct tern_flow_recv flow;
  tern_flow_recv_init(&flow, 100, 100);
  assert_true(tern_flow_recv_on_received(&flow, 100));
  tern_flow_recv_on_consumed(&flow, 100, 1, 0);
  assert_true(tern_flow_recv_wants(&flow));
  tern_flow_recv_stop(&flow);
  assert_false(tern_flow_recv_wants(&flow));
}

#define RTT (50 * TERN_MS)

/* A sender at `rate` bytes per millisecond, read at once, credit half a round trip late. */
static uint64_t run_transfer(struct tern_flow_recv *flow, uint64_t rate, uint32_t ms)
{
  uint64_t sent = 0, credit = flow->limit, coming = 0;
  uint32_t coming_at = 0;
  struct tern_frame_record record;
  uint8_t out[32];
  for (uint32_t t = 1; t <= ms; t++) {
    if (coming != 0 && t >= coming_at) {
      credit = coming;
      coming = 0;
    }
    uint64_t len = credit - sent < rate ? credit - sent : rate;
    sent += len;
    assert_true(tern_flow_recv_on_received(flow, sent));
    tern_flow_recv_on_consumed(flow, len, t * TERN_MS, RTT);
    if (coming == 0 && tern_flow_recv_wants(flow)) {
      struct tern_writer writer = tern_writer_of(out, sizeof out);
      assert_true(tern_flow_recv_write(flow, NULL, &writer, &record));
      tern_flow_recv_on_acked(flow, &record);
      coming = flow->limit;
      coming_at = t + 50;
    }
  }
  return sent;
}

static void test_window_tunes_itself(void **state)
{
  (void)state;
  struct tern_flow_recv flow;
  /* 10 MB/s at 50 ms: 500 kB under way. The window grows past twice that, then stays. */
  tern_flow_recv_init(&flow, 65536, 16 << 20);
  run_transfer(&flow, 10000, 3000);
  assert_true(flow.window_bytes >= 1000000 && flow.window_bytes <= 4194304);
  /* Never above its bound. */
  tern_flow_recv_init(&flow, 65536, 100000);
  run_transfer(&flow, 10000, 1000);
  assert_int_equal(flow.window_bytes, 100000);
  /* A slow one needs no more than it has. */
  tern_flow_recv_init(&flow, 65536, 16 << 20);
  assert_int_equal(run_transfer(&flow, 100, 3000), 300000);
  assert_int_equal(flow.window_bytes, 65536);
}

static void test_connection_window_stays_above(void **state)
{
  (void)state;
  struct tern_flow_recv flow;
  tern_flow_recv_init(&flow, 1000, 10000);
  tern_flow_recv_keep_above(&flow, 600);
  assert_int_equal(flow.window_bytes, 1000);
  tern_flow_recv_keep_above(&flow, 4000);
  assert_int_equal(flow.window_bytes, 6000);
  tern_flow_recv_keep_above(&flow, 40000);
  assert_int_equal(flow.window_bytes, 10000);
}

/* A sender, a receiver, and the credit that is under way between them. */
struct exchange {
  struct tern_random_seeded random;
  struct tern_flow_send send;
  struct tern_flow_recv recv;
  struct tern_frame_record flight[8];
  uint32_t count;
  uint64_t window;
};

static void begin_exchange(struct exchange *x, uint64_t seed)
{
  tern_random_seeded_init(&x->random, seed);
  x->count = 0;
  x->window = 1 + draw_below(&x->random, 5000);
  tern_flow_send_init(&x->send, x->window);
  tern_flow_recv_init(&x->recv, x->window, x->window * 4);
}

static void move_data(struct exchange *x, tern_time now)
{
  uint8_t out[32];
  uint64_t room = tern_flow_send_room(&x->send);
  uint64_t len = draw_below(&x->random, room + 1);
  tern_flow_send_take(&x->send, len);
  assert_true(tern_flow_recv_on_received(&x->recv, x->send.used));
  uint64_t unread = x->recv.highest - x->recv.consumed;
  tern_flow_recv_on_consumed(&x->recv, draw_below(&x->random, unread + 1), now, RTT);
  if (tern_flow_recv_wants(&x->recv) && x->count < 8) {
    struct tern_writer writer = tern_writer_of(out, sizeof out);
    assert_true(tern_flow_recv_write(&x->recv, NULL, &writer, &x->flight[x->count++]));
  }
}

/* One of the credits under way arrives, or is lost. */
static void settle_credit(struct exchange *x)
{
  uint32_t i = (uint32_t)draw_below(&x->random, x->count);
  if (draw_one_in(&x->random, 2)) {
    tern_flow_recv_on_lost(&x->recv, &x->flight[i]);
  } else {
    tern_flow_send_on_max(&x->send, x->flight[i].offset);
    tern_flow_recv_on_acked(&x->recv, &x->flight[i]);
  }
  x->flight[i] = x->flight[--x->count];
}

/* Random reads, losses and late credit: the receiver's books hold, and the sender never waits for
 * credit while there is room and nothing is under way. */
static void test_never_stuck(void **state)
{
  struct exchange x;
  const struct tern_flow_recv *recv = &x.recv;
  (void)state;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    begin_exchange(&x, seed);
    for (uint32_t step = 0; step < 2000; step++) {
      move_data(&x, step * TERN_MS);
      assert_true(recv->limit <= recv->consumed + recv->window_bytes || recv->limit == x.window);
      if (x.count != 0 && draw_one_in(&x.random, 2))
        settle_credit(&x);
      if (recv->consumed == x.send.limit)
        assert_true(tern_flow_recv_wants(recv) || x.count != 0);
    }
  }
  print_message("seeds 1 to 200\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_send_limit),
      cmocka_unit_test(test_blocked_frames),
      cmocka_unit_test(test_receive_limit),
      cmocka_unit_test(test_credit_follows_consumption),
      cmocka_unit_test(test_stop_is_quiet),
      cmocka_unit_test(test_window_tunes_itself),
      cmocka_unit_test(test_connection_window_stays_above),
      cmocka_unit_test(test_never_stuck),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
