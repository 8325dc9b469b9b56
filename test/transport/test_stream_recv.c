/* SPDX-License-Identifier: MIT */
/* The receiving half against a byte array: in whatever order, overlapping and repeated, bytes come, the
 * application reads the stream's bytes once each; the number of gaps and the memory stay bounded. */
#include "parts_test.h"

#include "transport/recv_runs.h"
#include "transport/stream_recv.h"
#include "wire/frame_read.h"

#define ROUNDS 300
#define STREAM_MAX 60000

struct model {
  struct tern_stream_recv recv;
  struct tern_piece_pool pool;
  struct tern_alloc alloc;
  struct tern_alloc pool_alloc;
  struct tern_random_seeded random;
  uint8_t have[STREAM_MAX];
  uint8_t bytes[STREAM_MAX]; /* the datagrams of a batch: scribbled over when it ends */
  uint64_t in_order;
  uint64_t highest;
  uint64_t size;
};

static struct model *new_model(uint64_t seed)
{
  struct model *model = calloc(1, sizeof(*model));
  model->alloc = make_account();
  model->pool_alloc = make_account();
  tern_random_seeded_init(&model->random, seed);
  tern_piece_pool_init(&model->pool, &model->pool_alloc);
  tern_stream_recv_init(&model->recv, &model->alloc);
  return model;
}

static void free_model(struct model *model)
{
  tern_stream_recv_deinit(&model->recv);
  tern_piece_pool_deinit(&model->pool);
  tern_alloc_deinit(&model->alloc);
  tern_alloc_deinit(&model->pool_alloc);
  free(model);
}

static enum tern_recv_result give(struct model *model, uint64_t offset, size_t len, bool is_fin,
                                  struct tern_recv_facts *facts)
{
  /* Each frame has its own place in the batch's datagrams. */
  struct tern_recv_data data = {offset, tern_slice_of(model->bytes + offset, len), is_fin};
  fill_bytes(model->bytes + offset, offset, len);
  return tern_stream_recv_on_data(&model->recv, &data, &model->pool, facts);
}

static uint32_t count_gaps(const struct model *model)
{
  uint32_t gaps = 0;
  for (uint64_t i = model->in_order; i < model->highest; i++)
    gaps += !model->have[i] && i + 1 < STREAM_MAX && model->have[i + 1];
  return gaps;
}

static void check_shape(const struct model *model)
{
  const struct tern_stream_recv *recv = &model->recv;
  uint64_t end = recv->in_order, held = 0;
  assert_int_equal(recv->in_order, model->in_order);
  assert_int_equal(recv->highest, model->highest);
  assert_int_equal(recv->runs_count, count_gaps(model));
  for (uint32_t i = 0; i < recv->runs_count; i++) {
    assert_true(recv->runs[i].start > end && recv->runs[i].end > recv->runs[i].start);
    end = recv->runs[i].end;
    held += end - recv->runs[i].start;
  }
  assert_int_equal(held, recv->held_bytes);
}

static void receive_something(struct model *model)
{
  struct tern_recv_facts facts;
  uint64_t offset = draw_below(&model->random, model->size + 1);
  /* Near the front in most cases, or nothing would ever be in order. */
  if (!draw_one_in(&model->random, 3))
    offset = model->in_order > 300 ? model->in_order - draw_below(&model->random, 300)
                                   : draw_below(&model->random, model->in_order + 400);
  if (offset > model->size)
    offset = model->size;
  size_t len = (size_t)draw_below(&model->random, draw_one_in(&model->random, 2) ? 1400 : 20);
  if (offset + len > model->size)
    len = (size_t)(model->size - offset);
  uint64_t end = offset + len;
  bool is_fin = end == model->size && draw_one_in(&model->random, 2);
  assert_int_equal(give(model, offset, len, is_fin, &facts), TERN_RECV_OK);
  assert_int_equal(facts.new_highest_bytes, end > model->highest ? end - model->highest : 0);
  memset(model->have + offset, 1, len);
  if (end > model->highest)
    model->highest = end;
  uint64_t before = model->in_order;
  while (model->in_order < model->size && model->have[model->in_order])
    model->in_order++;
  if (model->in_order != before)
    assert_true(facts.is_readable);
  check_shape(model);
}

static void read_something(struct model *model)
{
  tern_slice slices[5];
  size_t count = tern_stream_recv_peek(&model->recv, slices, 5);
  uint64_t at = model->recv.consumed;
  uint64_t shown = 0;
  for (size_t i = 0; i < count; i++) {
    assert_true(slices[i].len > 0);
    assert_true(are_bytes(slices[i].data, at + shown, slices[i].len));
    shown += slices[i].len;
  }
  assert_true(shown <= tern_stream_recv_readable(&model->recv));
  assert_true(count == 5 || shown == tern_stream_recv_readable(&model->recv));
  size_t len = (size_t)draw_below(&model->random, shown + 1);
  tern_stream_recv_consume(&model->recv, len);
  assert_int_equal(model->recv.consumed, at + len);
}

/* The bound of stream_recv.h, on what the stream owns between batches. */
static void check_memory(const struct model *model)
{
  uint64_t held = model->recv.held_bytes + tern_stream_recv_readable(&model->recv);
  assert_true(model->alloc.used_bytes <= held + held / 2 + 32768);
}

static void end_batch(struct model *model)
{
  assert_int_equal(tern_stream_recv_keep(&model->recv), TERN_OK);
  tern_piece_pool_reset(&model->pool);
  memset(model->bytes, 0xee, sizeof model->bytes);
  check_memory(model);
}

static void test_any_order_overlap_and_repetition(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
    struct model *model = new_model(seed);
    model->size = 1 + draw_below(&model->random, STREAM_MAX - 1);
    uint32_t left = 100000;
    while (!tern_stream_recv_is_eof(&model->recv)) {
      assert_true(--left > 0);
      uint64_t frames = draw_below(&model->random, 12);
      for (uint64_t i = 0; i < frames; i++)
        receive_something(model);
      if (draw_one_in(&model->random, 2))
        read_something(model);
      end_batch(model);
      if (draw_one_in(&model->random, 4))
        read_something(model);
    }
    assert_true(tern_stream_recv_is_done(&model->recv));
    assert_int_equal(model->recv.consumed, model->size);
    assert_int_equal(model->alloc.used_bytes, 0);
    if (seed == 1)
      print_message("seeds 1 to %d\n", ROUNDS);
    free_model(model);
  }
}

/* In order and read at once: nothing is copied, nothing is allocated. */
static void test_steady_state_takes_no_memory(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  uint64_t takes = 0;
  static uint8_t packet[1200];
  for (uint64_t batch = 0; batch < 1000; batch++) {
    if (batch == 1)
      takes = model->pool_alloc.takes;
    for (uint64_t i = 0; i < 64; i++) {
      struct tern_recv_data data = {(batch * 64 + i) * 1200, tern_slice_of(packet, 1200), false};
      assert_int_equal(tern_stream_recv_on_data(&model->recv, &data, &model->pool, &facts),
                       TERN_RECV_OK);
    }
    tern_slice slices[64];
    assert_int_equal(tern_stream_recv_peek(&model->recv, slices, 64), 64);
    assert_ptr_equal(slices[5].data, packet);
    tern_stream_recv_consume(&model->recv, 64 * 1200);
    assert_int_equal(tern_stream_recv_keep(&model->recv), TERN_OK);
    tern_piece_pool_reset(&model->pool);
  }
  print_message("63,936 packets: %u allocations\n",
                (unsigned)(model->alloc.takes + model->pool_alloc.takes - takes));
  assert_int_equal(model->alloc.takes, 0);
  assert_int_equal(model->pool_alloc.takes, takes);
  free_model(model);
}

/* A burst that the application leaves unread shares blocks: far fewer allocations than packets. */
static void test_unread_data_shares_blocks(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  for (uint64_t i = 0; i < 40; i++) {
    assert_int_equal(give(model, i * 1200, 1200, false, &facts), TERN_RECV_OK);
    if (i % 20 == 19)
      assert_int_equal(tern_stream_recv_keep(&model->recv), TERN_OK);
  }
  assert_true(model->alloc.takes <= 5);
  assert_true(model->alloc.used_bytes <= 48000 + 48000 / 2 + 1000);
  free_model(model);
}

static void test_gap_cap(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  /* TERN_CAP_STREAM_GAPS single bytes, each beyond a gap. */
  for (uint64_t i = 0; i < TERN_CAP_STREAM_GAPS; i++)
    assert_int_equal(give(model, 1 + 4 * i, 1, false, &facts), TERN_RECV_OK);
  assert_int_equal(model->recv.runs_count, 256);
  uint64_t beyond = 1 + 4 * TERN_CAP_STREAM_GAPS;
  uint64_t highest = model->recv.highest, used = model->alloc.used_bytes;
  /* One more: refused, and nothing is changed, not even by a FIN. */
  assert_int_equal(give(model, beyond, 1, true, &facts), TERN_RECV_GAPS);
  assert_int_equal(give(model, 3, 1, false, &facts), TERN_RECV_GAPS);
  assert_int_equal(model->recv.highest, highest);
  assert_int_equal(model->alloc.used_bytes, used);
  assert_false(tern_stream_recv_is_size_known(&model->recv));
  /* What touches a run opens no gap: above, below, bridging. */
  assert_int_equal(give(model, 2, 1, false, &facts), TERN_RECV_OK);
  assert_int_equal(give(model, 4, 1, false, &facts), TERN_RECV_OK);
  assert_int_equal(model->recv.runs_count, 256);
  assert_int_equal(give(model, 3, 1, false, &facts), TERN_RECV_OK);
  assert_int_equal(model->recv.runs_count, 255);
  assert_int_equal(give(model, beyond, 1, false, &facts), TERN_RECV_OK);
  assert_int_equal(give(model, beyond + 2, 1, false, &facts), TERN_RECV_GAPS);
  /* In order is always welcome. */
  assert_int_equal(give(model, 0, 1, false, &facts), TERN_RECV_OK);
  assert_true(facts.is_readable);
  assert_int_equal(tern_stream_recv_readable(&model->recv), 6);
  free_model(model);
}

/* [HOSTILE T8] one byte at every second offset: gaps, memory and time stay flat. */
static void test_every_second_byte(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  static uint8_t byte[1];
  uint32_t taken = 0;
  for (uint64_t offset = 1; offset < (UINT64_C(16) << 20); offset += 2) {
    struct tern_recv_data data = {offset, tern_slice_of(byte, 1), false};
    taken += tern_stream_recv_on_data(&model->recv, &data, &model->pool, &facts) == TERN_RECV_OK;
  }
  assert_int_equal(taken, 256);
  assert_int_equal(model->recv.runs_count, 256);
  assert_true(model->alloc.peak_bytes <= 256 + 128 + 32768);
  print_message("256 bytes behind gaps: %u bytes of memory\n", (unsigned)model->alloc.peak_bytes);
  free_model(model);
}

/* The same, with the holes filled, over and over: small blocks are joined, in every order. */
static void test_small_pieces_are_joined(void **state)
{
  (void)state;
  for (uint64_t order = 0; order < 3; order++) {
    struct model *model = new_model(order + 1);
    struct tern_recv_facts facts;
    for (uint64_t base = 1; base + 512 < 50000; base += 512) {
      for (uint64_t i = 0; i < 256; i++)
        assert_int_equal(give(model, base + 2 * i, 1, false, &facts), TERN_RECV_OK);
      for (uint64_t i = 0; i < 256; i++) {
        uint64_t k = order == 0 ? i : order == 1 ? 255 - i : (i * 37) % 256;
        assert_int_equal(give(model, base + 2 * k + 1, 1, false, &facts), TERN_RECV_OK);
        assert_true(model->alloc.used_bytes <= model->recv.held_bytes * 3 / 2 + 32768);
      }
      assert_int_equal(model->recv.runs_count, 1);
    }
    /* One run of nearly 50,000 bytes now. */
    assert_true(model->alloc.used_bytes <= model->recv.held_bytes * 3 / 2);
    assert_int_equal(give(model, 0, 1, false, &facts), TERN_RECV_OK);
    end_batch(model);
    assert_int_equal(model->recv.held_bytes, 0);
    while (tern_stream_recv_readable(&model->recv) != 0)
      read_something(model);
    free_model(model);
  }
}

/* Pieces of 1 to 600 bytes in random places of a window, never read: the bound at every step. */
static void test_memory_bound_holds_for_random_pieces(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    struct model *model = new_model(seed);
    struct tern_recv_facts facts;
    for (uint32_t i = 0; i < 3000; i++) {
      uint64_t most = draw_one_in(&model->random, 3) ? 600 : 3;
      size_t len = 1 + (size_t)draw_below(&model->random, most);
      uint64_t offset = 1 + draw_below(&model->random, STREAM_MAX - len - 1);
      enum tern_recv_result result = give(model, offset, len, false, &facts);
      assert_true(result == TERN_RECV_OK || result == TERN_RECV_GAPS);
      check_memory(model);
    }
    free_model(model);
  }
}

/* [HOSTILE T9] one byte per datagram, unread. */
static void test_tiny_frames_pin_little(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  for (uint64_t offset = 0; offset < 50000; offset++) {
    assert_int_equal(give(model, offset, 1, false, &facts), TERN_RECV_OK);
    end_batch(model);
  }
  /* And the other shape: a byte beyond a gap, then the one before it. */
  for (uint64_t offset = 50000; offset + 1 < STREAM_MAX; offset += 2) {
    assert_int_equal(give(model, offset + 1, 1, false, &facts), TERN_RECV_OK);
    assert_int_equal(give(model, offset, 1, false, &facts), TERN_RECV_OK);
    end_batch(model);
  }
  while (tern_stream_recv_readable(&model->recv) != 0) {
    read_something(model);
    check_memory(model);
  }
  free_model(model);
}

/* [HOSTILE T10] one byte at the far end of the largest window costs a block, not a window. */
static void test_far_byte_costs_little(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  struct tern_recv_data data = {(UINT64_C(1) << 30) - 1, tern_slice_of("x", 1), false};
  assert_int_equal(tern_stream_recv_on_data(&model->recv, &data, &model->pool, &facts),
                   TERN_RECV_OK);
  assert_int_equal(facts.new_highest_bytes, UINT64_C(1) << 30);
  assert_true(model->alloc.used_bytes <= 256);
  free_model(model);
}

/* [rfc9000-4.5] a final size is one: every order of data, FIN and RESET_STREAM around size 10 */
static void test_final_size(void **state)
{
  (void)state;
  enum { DATA, FIN, RESET };
  static const struct {
    int first_kind;
    uint64_t first_end;
    int then_kind;
    uint64_t then_end;
    enum tern_recv_result want;
  } cases[] = {
      {DATA, 10, FIN, 9, TERN_RECV_FINAL_SIZE},    {DATA, 10, FIN, 10, TERN_RECV_OK},
      {DATA, 10, FIN, 11, TERN_RECV_OK},           {DATA, 10, RESET, 9, TERN_RECV_FINAL_SIZE},
      {DATA, 10, RESET, 10, TERN_RECV_OK},         {DATA, 10, RESET, 11, TERN_RECV_OK},
      {FIN, 10, DATA, 10, TERN_RECV_OK},           {FIN, 10, DATA, 11, TERN_RECV_FINAL_SIZE},
      {FIN, 10, FIN, 9, TERN_RECV_FINAL_SIZE},     {FIN, 10, FIN, 10, TERN_RECV_OK},
      {FIN, 10, FIN, 11, TERN_RECV_FINAL_SIZE},    {FIN, 10, RESET, 9, TERN_RECV_FINAL_SIZE},
      {FIN, 10, RESET, 10, TERN_RECV_OK},          {FIN, 10, RESET, 11, TERN_RECV_FINAL_SIZE},
      {RESET, 10, DATA, 10, TERN_RECV_OK},         {RESET, 10, DATA, 11, TERN_RECV_FINAL_SIZE},
      {RESET, 10, FIN, 9, TERN_RECV_FINAL_SIZE},   {RESET, 10, FIN, 10, TERN_RECV_OK},
      {RESET, 10, RESET, 9, TERN_RECV_FINAL_SIZE}, {RESET, 10, RESET, 10, TERN_RECV_OK},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    for (int is_stopped = 0; is_stopped < 2; is_stopped++) {
      struct model *model = new_model(1);
      struct tern_recv_facts facts;
      enum tern_recv_result result = TERN_RECV_OK;
      if (is_stopped)
        assert_true(tern_stream_recv_stop(&model->recv, 1));
      for (int step = 0; step < 2; step++) {
        int kind = step == 0 ? cases[i].first_kind : cases[i].then_kind;
        uint64_t end = step == 0 ? cases[i].first_end : cases[i].then_end;
        result = kind == RESET ? tern_stream_recv_on_reset(&model->recv, 7, end, &facts)
                               : give(model, end - 4, 4, kind == FIN, &facts);
        if (step == 0)
          assert_int_equal(result, TERN_RECV_OK);
      }
      assert_int_equal(result, cases[i].want);
      free_model(model);
    }
  }
}

static void test_reset(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  tern_slice slice;
  assert_int_equal(give(model, 0, 10, false, &facts), TERN_RECV_OK);
  assert_int_equal(give(model, 20, 10, false, &facts), TERN_RECV_OK);
  assert_int_equal(tern_stream_recv_on_reset(&model->recv, 7, 100, &facts), TERN_RECV_OK);
  assert_true(facts.is_readable);
  assert_int_equal(facts.new_highest_bytes, 70);
  assert_int_equal(model->recv.code, 7);
  assert_int_equal(model->alloc.used_bytes, 0);
  assert_int_equal(tern_stream_recv_peek(&model->recv, &slice, 1), 0);
  assert_int_equal(tern_stream_recv_readable(&model->recv), 0);
  /* Again: no news. */
  assert_int_equal(tern_stream_recv_on_reset(&model->recv, 8, 100, &facts), TERN_RECV_OK);
  assert_false(facts.is_readable);
  assert_int_equal(model->recv.code, 7);
  assert_false(tern_stream_recv_is_done(&model->recv));
  tern_stream_recv_on_reset_told(&model->recv);
  assert_true(tern_stream_recv_is_done(&model->recv));
  assert_false(tern_stream_recv_is_eof(&model->recv));
  free_model(model);
}

/* [rfc9000-3.2] once all data is here, RESET_STREAM may be ignored: the application reads on. */
static void test_reset_after_all_data(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  assert_int_equal(give(model, 0, 10, true, &facts), TERN_RECV_OK);
  assert_true(facts.is_readable);
  assert_int_equal(tern_stream_recv_on_reset(&model->recv, 7, 10, &facts), TERN_RECV_OK);
  assert_false(facts.is_readable);
  assert_int_equal(tern_stream_recv_readable(&model->recv), 10);
  tern_stream_recv_consume(&model->recv, 10);
  assert_true(tern_stream_recv_is_eof(&model->recv));
  free_model(model);
}

static void test_end_alone_is_readable(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  assert_int_equal(give(model, 0, 10, false, &facts), TERN_RECV_OK);
  tern_stream_recv_consume(&model->recv, 10);
  assert_false(tern_stream_recv_is_eof(&model->recv));
  assert_int_equal(give(model, 10, 0, true, &facts), TERN_RECV_OK);
  assert_true(facts.is_readable);
  assert_true(tern_stream_recv_is_eof(&model->recv));
  assert_int_equal(give(model, 10, 0, true, &facts), TERN_RECV_OK);
  assert_false(facts.is_readable);
  free_model(model);
}

/* [rfc9000-3.5] data after STOP_SENDING is counted and dropped; the frame is repeated when lost, and
 * no more once the end is known */
static void test_stop(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  struct tern_frame_record record;
  struct tern_stream_name name = {4, 9, 2};
  struct tern_frame frame;
  uint8_t out[32];
  assert_int_equal(give(model, 0, 10, false, &facts), TERN_RECV_OK);
  assert_true(tern_stream_recv_stop(&model->recv, 55));
  assert_false(tern_stream_recv_stop(&model->recv, 56));
  assert_int_equal(tern_stream_recv_readable(&model->recv), 0);
  for (int copy = 0; copy < 2; copy++) {
    struct tern_writer writer = tern_writer_of(out, sizeof out);
    assert_true(tern_stream_recv_write_stop(&model->recv, &name, &writer, &record));
    struct tern_reader reader = tern_reader_of(out, tern_writer_len(&writer));
    assert_int_equal(tern_frame_read(&reader, &frame), 0);
    assert_int_equal(frame.kind, TERN_FRAME_STOP_SENDING);
    assert_int_equal(frame.u.stop_sending.code, 55);
    assert_int_equal(record.slot, 9);
    if (copy == 0)
      tern_stream_recv_on_stop_lost(&model->recv);
  }
  tern_stream_recv_on_stop_acked(&model->recv);
  assert_int_equal(give(model, 100, 50, false, &facts), TERN_RECV_OK);
  assert_int_equal(facts.new_highest_bytes, 140);
  assert_false(facts.is_readable);
  assert_int_equal(model->alloc.used_bytes, 0);
  assert_int_equal(give(model, 150, 0, true, &facts), TERN_RECV_OK);
  assert_true(tern_stream_recv_is_done(&model->recv));
  assert_false(tern_stream_recv_is_eof(&model->recv));
  tern_stream_recv_on_stop_lost(&model->recv);
  assert_false(tern_stream_recv_wants_stop(&model->recv));
  free_model(model);
}

/* First copy of a byte wins: a peer cannot change what was received. */
static void test_first_copy_wins(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  tern_slice slices[8];
  uint8_t got[8];
  struct tern_recv_data middle = {2, tern_slice_of("cd", 2), false};
  struct tern_recv_data whole = {0, tern_slice_of("ABCDEF", 6), false};
  assert_int_equal(tern_stream_recv_on_data(&model->recv, &middle, &model->pool, &facts),
                   TERN_RECV_OK);
  assert_int_equal(tern_stream_recv_on_data(&model->recv, &whole, &model->pool, &facts),
                   TERN_RECV_OK);
  size_t count = tern_stream_recv_peek(&model->recv, slices, 8);
  size_t len = 0;
  for (size_t i = 0; i < count; i++) {
    memcpy(got + len, slices[i].data, slices[i].len);
    len += slices[i].len;
  }
  assert_int_equal(len, 6);
  assert_memory_equal(got, "ABcdEF", 6);
  free_model(model);
}

static void test_no_memory_is_survived(void **state)
{
  (void)state;
  /* Every allocation of a sequence fails once; the peer repeats, and the bytes are right. */
  for (uint64_t budget = 0; budget < 12000; budget += 97) {
    struct model *model = new_model(1);
    struct tern_recv_facts facts;
    model->size = 9000;
    model->alloc.cap_bytes = budget;
    for (uint64_t i = 9; i-- > 1;) {
      enum tern_recv_result result = give(model, i * 1000, 600, false, &facts);
      assert_true(result == TERN_RECV_OK || result == TERN_RECV_NOMEM);
      assert_true(model->recv.highest >= model->recv.in_order);
    }
    model->alloc.cap_bytes = UINT64_MAX;
    assert_int_equal(give(model, 500, 8500, true, &facts), TERN_RECV_OK);
    assert_int_equal(give(model, 0, 500, false, &facts), TERN_RECV_OK);
    while (tern_stream_recv_readable(&model->recv) != 0)
      read_something(model);
    assert_true(tern_stream_recv_is_eof(&model->recv));
    free_model(model);
  }
}

/* Memory comes and goes at random, with and without a pool: what was refused is repeated, and in the end
 * every byte is read once and right. */
static void test_random_want_of_memory(void **state)
{
  (void)state;
  uint32_t refused = 0;
  for (uint64_t seed = 1; seed <= 300; seed++) {
    struct model *model = new_model(seed);
    struct tern_recv_facts facts;
    struct tern_piece_pool *pool = seed % 2 == 0 ? &model->pool : NULL;
    model->size = 20000;
    for (uint32_t i = 0; i < 400; i++) {
      uint64_t offset = draw_below(&model->random, 19000);
      size_t len = 1 + (size_t)draw_below(&model->random, i % 3 == 0 ? 1000 : 20);
      struct tern_recv_data data = {offset, tern_slice_of(model->bytes + offset, len), false};
      bool is_scarce = draw_one_in(&model->random, 2);
      uint64_t more = draw_below(&model->random, 200);
      fill_bytes(model->bytes + offset, offset, len);
      model->alloc.cap_bytes = is_scarce ? model->alloc.used_bytes + more : UINT64_MAX;
      model->pool_alloc.cap_bytes = is_scarce ? 0 : UINT64_MAX;
      enum tern_recv_result result = tern_stream_recv_on_data(&model->recv, &data, pool, &facts);
      refused += result == TERN_RECV_NOMEM;
      model->alloc.cap_bytes = UINT64_MAX;
      if (draw_one_in(&model->random, 8))
        read_something(model);
      if (draw_one_in(&model->random, 4))
        end_batch(model);
    }
    model->pool_alloc.cap_bytes = UINT64_MAX;
    assert_int_equal(give(model, 0, 20000, true, &facts), TERN_RECV_OK);
    while (tern_stream_recv_readable(&model->recv) != 0)
      read_something(model);
    assert_true(tern_stream_recv_is_eof(&model->recv));
    assert_int_equal(model->alloc.used_bytes, 0);
    free_model(model);
  }
  assert_true(refused > 1000);
  print_message("seeds 1 to 300, %u frames refused\n", refused);
}

static void test_keep_without_memory(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_facts facts;
  assert_int_equal(give(model, 0, 600, false, &facts), TERN_RECV_OK);
  model->alloc.cap_bytes = 0;
  assert_int_equal(tern_stream_recv_keep(&model->recv), TERN_NOMEM);
  tern_slice slice;
  assert_int_equal(tern_stream_recv_peek(&model->recv, &slice, 1), 0);
  free_model(model);
}

/* [rfc9000-7.5] CRYPTO: at least 4,096 bytes out of order, then CRYPTO_BUFFER_EXCEEDED ([HOSTILE P5,
 * P6]) */
static void test_crypto_bounds(void **state)
{
  (void)state;
  static uint8_t bytes[70000];
  for (int is_validated = 0; is_validated < 2; is_validated++) {
    uint64_t held_max = is_validated ? TERN_CAP_CRYPTO_BUFFER : TERN_CAP_CRYPTO_BUFFER_EARLY;
    struct model *model = new_model(1);
    struct tern_recv_data data = {1, tern_slice_of(bytes, held_max + 1), false};
    assert_true(held_max >= 4096);
    assert_int_equal(tern_crypto_recv_on_data(&model->recv, &data, is_validated == 1, &model->pool),
                     TERN_RECV_TOO_MUCH);
    assert_int_equal(model->alloc.used_bytes, 0);
    data.data.len--;
    assert_int_equal(tern_crypto_recv_on_data(&model->recv, &data, is_validated == 1, &model->pool),
                     TERN_RECV_OK);
    /* A repetition holds nothing new; one byte beyond does. */
    assert_int_equal(tern_crypto_recv_on_data(&model->recv, &data, is_validated == 1, &model->pool),
                     TERN_RECV_OK);
    data.offset = 2;
    assert_int_equal(tern_crypto_recv_on_data(&model->recv, &data, is_validated == 1, &model->pool),
                     TERN_RECV_TOO_MUCH);
    data.offset = 0;
    assert_int_equal(tern_crypto_recv_on_data(&model->recv, &data, is_validated == 1, &model->pool),
                     TERN_RECV_OK);
    assert_int_equal(tern_stream_recv_readable(&model->recv), held_max + 1);
    free_model(model);
  }
}

static void test_crypto_total(void **state)
{
  (void)state;
  struct model *model = new_model(1);
  struct tern_recv_data data = {0, tern_slice_of("x", 1), false};
  for (; data.offset < TERN_CAP_CRYPTO_TOTAL; data.offset++) {
    assert_int_equal(tern_crypto_recv_on_data(&model->recv, &data, true, NULL), TERN_RECV_OK);
    tern_stream_recv_consume(&model->recv, 1);
  }
  assert_int_equal(tern_crypto_recv_on_data(&model->recv, &data, true, NULL), TERN_RECV_TOO_MUCH);
  for (int bit = 0; bit < 62; bit++) {
    data.offset = UINT64_C(1) << bit;
    (void)!tern_crypto_recv_on_data(&model->recv, &data, true, NULL);
    assert_true(model->alloc.peak_bytes <= 4096);
  }
  free_model(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_any_order_overlap_and_repetition),
      cmocka_unit_test(test_steady_state_takes_no_memory),
      cmocka_unit_test(test_unread_data_shares_blocks),
      cmocka_unit_test(test_gap_cap),
      cmocka_unit_test(test_every_second_byte),
      cmocka_unit_test(test_small_pieces_are_joined),
      cmocka_unit_test(test_memory_bound_holds_for_random_pieces),
      cmocka_unit_test(test_tiny_frames_pin_little),
      cmocka_unit_test(test_far_byte_costs_little),
      cmocka_unit_test(test_final_size),
      cmocka_unit_test(test_reset),
      cmocka_unit_test(test_reset_after_all_data),
      cmocka_unit_test(test_end_alone_is_readable),
      cmocka_unit_test(test_stop),
      cmocka_unit_test(test_first_copy_wins),
      cmocka_unit_test(test_no_memory_is_survived),
      cmocka_unit_test(test_random_want_of_memory),
      cmocka_unit_test(test_keep_without_memory),
      cmocka_unit_test(test_crypto_bounds),
      cmocka_unit_test(test_crypto_total),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
