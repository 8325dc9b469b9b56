/* SPDX-License-Identifier: MIT */
/* The sending half against a byte array: whatever is written, split, lost, acknowledged late or twice,
 * the bytes on the wire are those that were written, everything is acknowledged in the end, and each
 * release comes exactly once. */
#include "parts_test.h"

#include "transport/stream_send.h"
#include "wire/frame_read.h"

#define ROUNDS 300
#define FLIGHT_MAX 64

/* ---- model ---- */

struct writer_state {
  uint64_t start; /* of the write, in the stream */
  uint64_t len;
  uint32_t released;
  struct model *model;
  uint8_t *data; /* refs: owned by the test */
};

struct model {
  struct tern_stream_send send;
  struct tern_alloc alloc;
  struct tern_random_seeded random;
  uint64_t written;
  bool is_finished;
  struct writer_state writes[4096];
  uint32_t writes_count;
  struct tern_frame_record flight[FLIGHT_MAX];
  uint32_t flight_count;
  uint8_t *acked; /* one byte per stream byte, 1 = the peer has it */
  bool fin_acked;
  uint64_t prefix;
};

#define STREAM_MAX 400000

static bool fill_source(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  struct writer_state *write = arg;
  for (size_t i = 0; i < count; i++) {
    assert_true(offset + iov[i].len <= write->len);
    fill_bytes(iov[i].data, write->start + offset, iov[i].len);
    offset += iov[i].len;
  }
  return true;
}

static void on_release(void *arg)
{
  struct writer_state *write = arg;
  /* Only after everything of it is acknowledged. */
  for (uint64_t i = 0; write->model != NULL && i < write->len; i++)
    assert_int_equal(write->model->acked[write->start + i], 1);
  write->released++;
}

static void write_something(struct model *model)
{
  static uint8_t bytes[20000];
  size_t len = (size_t)draw_below(&model->random, draw_one_in(&model->random, 4) ? 20000 : 900);
  if (model->written + len > STREAM_MAX || model->writes_count == COUNT_OF(model->writes))
    return;
  struct writer_state *write = &model->writes[model->writes_count];
  *write = (struct writer_state){model->written, len, 0, model, NULL};
  tern_source source = {fill_source, on_release, write, 77};
  size_t taken = len;
  switch (draw_below(&model->random, 3)) {
  case 0:
    fill_bytes(bytes, model->written, len);
    uint64_t room = tern_stream_send_room(&model->send);
    tern_status status = tern_stream_send_write(&model->send, tern_slice_of(bytes, len), &taken);
    assert_int_equal(status, taken == len ? TERN_OK : TERN_BLOCKED);
    assert_int_equal(taken, len < room ? len : room);
    write->len = taken;
    write->released = 1;
    break;
  case 1:
    write->data = malloc(len + 1);
    fill_bytes(write->data, model->written, len);
    assert_int_equal(tern_stream_send_write_ref(&model->send, tern_slice_of(write->data, len),
                                                on_release, write),
                     TERN_OK);
    break;
  default:
    assert_int_equal(tern_stream_send_write_source(&model->send, len, &source), TERN_OK);
    break;
  }
  model->writes_count++;
  model->written += taken;
}

static void check_pieces(const struct model *model, uint64_t offset, uint64_t len)
{
  while (len != 0) {
    struct tern_send_piece piece;
    tern_stream_send_locate(&model->send, offset, len, &piece);
    assert_true(piece.len > 0 && piece.len <= len);
    assert_true((piece.data == NULL) != (piece.source == NULL));
    if (piece.data != NULL)
      assert_true(are_bytes(piece.data, offset, (size_t)piece.len));
    offset += piece.len;
    len -= piece.len;
  }
}

static void send_something(struct model *model)
{
  static uint8_t bytes[1500];
  struct tern_send_range range;
  uint64_t credit = draw_below(&model->random, 3000);
  if (model->flight_count == FLIGHT_MAX)
    return;
  bool wants = tern_stream_send_wants(&model->send, credit);
  assert_int_equal(tern_stream_send_next(&model->send, credit, &range), wants);
  if (!wants)
    return;
  assert_true(range.is_retransmit || range.len <= credit);
  assert_true(range.offset + range.len <= model->written);
  uint64_t room = 1 + draw_below(&model->random, 1400);
  uint64_t whole = range.len;
  if (range.len > room)
    range.len = room;
  assert_true(tern_stream_send_copy(&model->send, range.offset, (size_t)range.len, bytes, NULL));
  assert_true(are_bytes(bytes, range.offset, (size_t)range.len));
  check_pieces(model, range.offset, range.len);
  bool is_fin = range.is_fin_possible && range.len == whole;
  if (is_fin)
    assert_true(model->is_finished && range.offset + range.len == model->written);
  struct tern_frame_record *record = &model->flight[model->flight_count++];
  memset(record, 0, sizeof(*record));
  tern_stream_send_on_sent(&model->send, &range, is_fin, record);
  assert_int_equal(record->kind, TERN_RECORD_STREAM);
  assert_int_equal((record->flags & TERN_RECORD_FIN) != 0, is_fin);
}

/* Takes a record out of the flight, or copies it: a late, spurious fate. */
static struct tern_frame_record take_record(struct model *model)
{
  uint32_t i = (uint32_t)draw_below(&model->random, model->flight_count);
  struct tern_frame_record record = model->flight[i];
  model->flight[i] = model->flight[--model->flight_count];
  return record;
}

static void ack_record(struct model *model, const struct tern_frame_record *record)
{
  struct tern_send_facts facts;
  uint64_t before = model->prefix;
  memset(model->acked + record->offset, 1, record->len);
  model->fin_acked |= (record->flags & TERN_RECORD_FIN) != 0;
  while (model->prefix < model->written && model->acked[model->prefix])
    model->prefix++;
  assert_int_equal(tern_stream_send_on_acked(&model->send, record, &facts), TERN_OK);
  assert_int_equal(facts.acked_to, model->prefix);
  assert_int_equal(facts.has_acked_to_moved, model->prefix != before);
}

static void resolve_something(struct model *model)
{
  if (model->flight_count == 0)
    return;
  struct tern_frame_record record = take_record(model);
  if (draw_one_in(&model->random, 3)) {
    assert_int_equal(tern_stream_send_on_lost(&model->send, &record), TERN_OK);
    /* Now and then it was not lost after all. */
    if (draw_one_in(&model->random, 6))
      ack_record(model, &record);
  } else {
    ack_record(model, &record);
  }
}

static void check_releases(const struct model *model)
{
  for (uint32_t i = 0; i < model->writes_count; i++) {
    const struct writer_state *write = &model->writes[i];
    bool is_acked = write->start + write->len <= model->prefix;
    if (write->len == 0 || is_acked)
      assert_int_equal(write->released, 1);
    else if (write->data != NULL)
      assert_int_equal(write->released, 0);
  }
}

static struct model *new_model(uint64_t seed)
{
  struct model *model = calloc(1, sizeof(*model));
  model->alloc = make_account();
  tern_random_seeded_init(&model->random, seed);
  tern_stream_send_init(&model->send, &model->alloc, 1 + draw_below(&model->random, 60000));
  model->acked = calloc(1, STREAM_MAX + 1);
  return model;
}

static void free_model(struct model *model)
{
  tern_stream_send_deinit(&model->send);
  for (uint32_t i = 0; i < model->writes_count; i++) {
    assert_int_equal(model->writes[i].released, 1);
    free(model->writes[i].data);
  }
  tern_alloc_deinit(&model->alloc);
  free(model->acked);
  free(model);
}

static void test_random_writes_losses_acks(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
    struct model *model = new_model(seed);
    uint64_t steps = 50 + draw_below(&model->random, 800);
    for (uint64_t step = 0; step < steps; step++) {
      uint64_t what = draw_below(&model->random, 10);
      if (what < 2)
        write_something(model);
      else if (what < 6)
        send_something(model);
      else
        resolve_something(model);
      check_releases(model);
    }
    assert_int_equal(tern_stream_send_finish(&model->send), TERN_OK);
    model->is_finished = true;
    for (uint32_t left = 200000; !tern_stream_send_is_done(&model->send); left--) {
      assert_true(left > 0);
      send_something(model);
      if (draw_one_in(&model->random, 2))
        resolve_something(model);
    }
    assert_int_equal(model->prefix, model->written);
    assert_true(model->fin_acked);
    assert_int_equal(model->alloc.used_bytes, 0);
    if (seed == 1)
      print_message("seeds 1 to %d\n", ROUNDS);
    free_model(model);
  }
}

/* ---- single facts ---- */

static void send_all(struct tern_stream_send *send, uint64_t packet_bytes,
                     struct tern_frame_record *records, uint32_t *count)
{
  struct tern_send_range range;
  while (tern_stream_send_next(send, UINT64_MAX, &range)) {
    uint64_t whole = range.len;
    if (range.len > packet_bytes)
      range.len = packet_bytes;
    tern_stream_send_on_sent(send, &range, range.is_fin_possible && range.len == whole,
                             &records[(*count)++]);
  }
}

static void test_steady_state_takes_no_memory_per_packet(void **state)
{
  (void)state;
  static uint8_t bytes[1200];
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  uint64_t takes_before = 0;
  tern_stream_send_init(&send, &alloc, 1 << 20);
  for (uint32_t packet = 0; packet < 20000; packet++) {
    struct tern_send_range range;
    struct tern_frame_record record = {0};
    size_t taken;
    if (packet == 1000)
      takes_before = alloc.takes;
    assert_int_equal(tern_stream_send_write(&send, tern_slice_of(bytes, sizeof bytes), &taken),
                     TERN_OK);
    assert_true(tern_stream_send_next(&send, UINT64_MAX, &range));
    tern_stream_send_on_sent(&send, &range, false, &record);
    /* Sixty packets behind, like an ACK, in order with some exchanged. */
    if (packet >= 60) {
      struct tern_send_facts facts;
      record.offset = (uint64_t)(packet - 60) / 2 * 2 * 1200 + (packet % 2 == 0 ? 1200 : 0);
      record.len = 1200;
      assert_int_equal(tern_stream_send_on_acked(&send, &record, &facts), TERN_OK);
    }
  }
  print_message("19000 packets: %u allocations\n", (unsigned)(alloc.takes - takes_before));
  assert_int_equal(alloc.takes - takes_before, 0);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

static void test_gigabyte_source_costs_little(void **state)
{
  (void)state;
  struct writer_state write = {0, UINT64_C(1) << 30, 0, NULL, NULL};
  tern_source source = {fill_source, on_release, &write, 0};
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  struct tern_send_facts facts;
  tern_stream_send_init(&send, &alloc, 4096);
  assert_int_equal(tern_stream_send_write_source(&send, write.len, &source), TERN_OK);
  assert_int_equal(tern_stream_send_finish(&send), TERN_OK);
  assert_int_equal(tern_stream_send_room(&send), 0);
  struct tern_send_range range;
  while (tern_stream_send_next(&send, UINT64_MAX, &range)) {
    struct tern_frame_record record = {0};
    bool is_last = range.len <= 14000;
    if (!is_last)
      range.len = 14000;
    tern_stream_send_on_sent(&send, &range, is_last, &record);
    assert_int_equal(tern_stream_send_on_acked(&send, &record, &facts), TERN_OK);
    assert_int_equal(facts.is_done, is_last);
    assert_int_equal(write.released, is_last);
  }
  assert_true(alloc.peak_bytes <= 1024);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

static void test_room_is_what_is_not_acknowledged(void **state)
{
  (void)state;
  static uint8_t bytes[10000];
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  struct tern_send_facts facts;
  struct tern_frame_record records[10];
  uint32_t count = 0;
  size_t taken;
  tern_stream_send_init(&send, &alloc, 4000);
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of(bytes, 4001), &taken), TERN_BLOCKED);
  assert_int_equal(taken, 4000);
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of(bytes, 1), &taken), TERN_BLOCKED);
  assert_int_equal(taken, 0);
  send_all(&send, 1000, records, &count);
  assert_int_equal(count, 4);
  /* Out of order: nothing is free before the prefix is. */
  assert_int_equal(tern_stream_send_on_acked(&send, &records[1], &facts), TERN_OK);
  assert_false(facts.has_freed_room);
  assert_int_equal(tern_stream_send_room(&send), 0);
  assert_int_equal(tern_stream_send_on_acked(&send, &records[0], &facts), TERN_OK);
  assert_true(facts.has_freed_room);
  assert_int_equal(facts.acked_to, 2000);
  assert_int_equal(tern_stream_send_room(&send), 2000);
  assert_int_equal(tern_stream_send_on_acked(&send, &records[0], &facts), TERN_OK);
  assert_false(facts.has_freed_room || facts.has_acked_to_moved);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

/* [rfc9000-3.1] the states of figure 2 and what they allow */
static void test_states(void **state)
{
  (void)state;
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  struct tern_send_facts facts;
  struct tern_frame_record records[4] = {{0}};
  uint32_t count = 0;
  size_t taken;
  tern_stream_send_init(&send, &alloc, 4000);
  assert_int_equal(send.state, TERN_SEND_READY);
  assert_false(tern_stream_send_wants(&send, 100));
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of("abc", 3), &taken), TERN_OK);
  assert_false(tern_stream_send_wants(&send, 0));
  assert_true(tern_stream_send_is_starved(&send, 0));
  send_all(&send, 100, records, &count);
  assert_int_equal(send.state, TERN_SEND_SEND);
  assert_int_equal(tern_stream_send_finish(&send), TERN_OK);
  assert_int_equal(tern_stream_send_finish(&send), TERN_STATE);
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of("d", 1), &taken), TERN_STATE);
  /* A FIN alone needs no credit. */
  assert_true(tern_stream_send_wants(&send, 0));
  send_all(&send, 100, records, &count);
  assert_int_equal(count, 2);
  assert_int_equal(records[1].len, 0);
  assert_int_equal(send.state, TERN_SEND_DATA_SENT);
  assert_int_equal(tern_stream_send_on_lost(&send, &records[1]), TERN_OK);
  assert_true(tern_stream_send_wants(&send, 0));
  send_all(&send, 100, records, &count);
  assert_int_equal(tern_stream_send_on_acked(&send, &records[2], &facts), TERN_OK);
  assert_false(facts.is_done);
  assert_int_equal(tern_stream_send_on_acked(&send, &records[0], &facts), TERN_OK);
  assert_true(facts.is_done);
  assert_int_equal(send.state, TERN_SEND_DATA_RECVD);
  /* Terminal: a reset changes nothing, late fates neither. */
  assert_false(tern_stream_send_reset(&send, 5));
  assert_int_equal(tern_stream_send_on_lost(&send, &records[0]), TERN_OK);
  assert_false(tern_stream_send_wants(&send, 100));
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

/* [rfc9000-4.5] RESET_STREAM carries the final size: what was sent, not what was written.
 * [rfc9000-13.3] it is sent until acknowledged. */
static void test_reset(void **state)
{
  (void)state;
  static uint8_t bytes[3000];
  uint8_t out[32];
  struct writer_state write = {0, 3000, 0, NULL, NULL};
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  struct tern_send_facts facts;
  struct tern_send_range range;
  struct tern_frame_record data = {0}, reset = {0};
  struct tern_stream_name name = {8, 3, 1};
  struct tern_frame frame;
  size_t taken;
  tern_stream_send_init(&send, &alloc, 4000);
  assert_int_equal(
      tern_stream_send_write_ref(&send, tern_slice_of(bytes, sizeof bytes), on_release, &write),
      TERN_OK);
  assert_true(tern_stream_send_next(&send, 1000, &range));
  tern_stream_send_on_sent(&send, &range, false, &data);
  assert_true(tern_stream_send_reset(&send, 42));
  assert_int_equal(write.released, 1);
  assert_false(tern_stream_send_reset(&send, 43));
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of("d", 1), &taken), TERN_RESET);
  assert_int_equal(tern_stream_send_on_lost(&send, &data), TERN_OK);
  assert_false(tern_stream_send_wants(&send, 1000));
  for (int copy = 0; copy < 2; copy++) {
    struct tern_writer small = tern_writer_of(out, 4);
    assert_false(tern_stream_send_write_reset(&send, &name, &small, &reset));
    assert_int_equal(tern_writer_len(&small), 0);
    struct tern_writer writer = tern_writer_of(out, sizeof out);
    assert_true(tern_stream_send_write_reset(&send, &name, &writer, &reset));
    struct tern_reader reader = tern_reader_of(out, tern_writer_len(&writer));
    assert_int_equal(tern_frame_read(&reader, &frame), 0);
    assert_int_equal(frame.kind, TERN_FRAME_RESET_STREAM);
    assert_int_equal(frame.u.reset_stream.stream_id, 8);
    assert_int_equal(frame.u.reset_stream.code, 42);
    assert_int_equal(frame.u.reset_stream.final_size, 1000);
    assert_int_equal(reset.slot, 3);
    assert_int_equal(reset.generation, 1);
    assert_false(tern_stream_send_wants_reset(&send));
    if (copy == 0)
      assert_int_equal(tern_stream_send_on_lost(&send, &reset), TERN_OK);
  }
  assert_int_equal(tern_stream_send_on_acked(&send, &reset, &facts), TERN_OK);
  assert_true(facts.is_done);
  assert_int_equal(send.state, TERN_SEND_RESET_RECVD);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

static bool refuse(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg, (void)offset, (void)iov, (void)count;
  return false;
}

static void test_source_that_refuses(void **state)
{
  (void)state;
  uint8_t out[10];
  uint64_t code = 0;
  tern_source source = {refuse, NULL, NULL, 99};
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  tern_stream_send_init(&send, &alloc, 4000);
  assert_int_equal(tern_stream_send_write_source(&send, 10, &source), TERN_OK);
  assert_false(tern_stream_send_copy(&send, 0, 10, out, &code));
  assert_int_equal(code, 99);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

static void test_bounds(void **state)
{
  (void)state;
  struct writer_state write = {0, 0, 0, NULL, NULL};
  tern_source source = {fill_source, on_release, &write, 0};
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  tern_stream_send_init(&send, &alloc, 4000);
  /* Empty writes are released at once. */
  assert_int_equal(tern_stream_send_write_source(&send, 0, &source), TERN_OK);
  assert_int_equal(write.released, 1);
  assert_int_equal(tern_stream_send_write_ref(&send, tern_slice_of(NULL, 0), on_release, &write),
                   TERN_OK);
  assert_int_equal(write.released, 2);
  /* [rfc9000-4.5] no stream byte beyond 2^62 - 1 */
  assert_int_equal(tern_stream_send_write_source(&send, UINT64_C(1) << 62, &source), TERN_LIMIT);
  assert_int_equal(write.released, 2);
  assert_int_equal(tern_stream_send_write_source(&send, (UINT64_C(1) << 62) - 1, &source), TERN_OK);
  assert_int_equal(tern_stream_send_write_source(&send, 1, &source), TERN_LIMIT);
  tern_stream_send_deinit(&send);
  assert_int_equal(write.released, 3);
  tern_alloc_deinit(&alloc);
}

static void test_segments_are_bounded(void **state)
{
  (void)state;
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  tern_stream_send_init(&send, &alloc, 4000);
  for (uint32_t i = 0; i < TERN_SEND_SEGMENTS_MAX; i++)
    assert_int_equal(tern_stream_send_write_ref(&send, tern_slice_of("x", 1), NULL, NULL), TERN_OK);
  assert_int_equal(tern_stream_send_write_ref(&send, tern_slice_of("x", 1), NULL, NULL),
                   TERN_BLOCKED);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

static void test_no_memory_changes_nothing(void **state)
{
  (void)state;
  static uint8_t bytes[5000];
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  size_t taken;
  tern_stream_send_init(&send, &alloc, 100000);
  alloc.cap_bytes = 0;
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of(bytes, 5000), &taken), TERN_NOMEM);
  assert_int_equal(taken, 0);
  alloc.cap_bytes = 8192;
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of(bytes, 5000), &taken), TERN_NOMEM);
  alloc.cap_bytes = UINT64_MAX;
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of(bytes, 5000), &taken), TERN_OK);
  assert_int_equal(send.written, 5000);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

/* Scattered acknowledgements and losses need memory; what could not be noted can be told again. */
static void test_no_memory_for_fates(void **state)
{
  (void)state;
  static uint8_t bytes[20000];
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  struct tern_send_facts facts;
  struct tern_frame_record records[200] = {{0}};
  uint32_t count = 0, refused = 0;
  tern_stream_send_init(&send, &alloc, 4000);
  assert_int_equal(
      tern_stream_send_write_ref(&send, tern_slice_of(bytes, sizeof bytes), NULL, NULL), TERN_OK);
  send_all(&send, 100, records, &count);
  assert_int_equal(count, 200);
  for (uint32_t i = 1; i < 200; i += 2) {
    bool is_lost = i % 4 == 1;
    alloc.cap_bytes = alloc.used_bytes;
    tern_status status = is_lost ? tern_stream_send_on_lost(&send, &records[i])
                                 : tern_stream_send_on_acked(&send, &records[i], &facts);
    alloc.cap_bytes = UINT64_MAX;
    if (status == TERN_OK)
      continue;
    assert_int_equal(status, TERN_NOMEM);
    refused++;
    status = is_lost ? tern_stream_send_on_lost(&send, &records[i])
                     : tern_stream_send_on_acked(&send, &records[i], &facts);
    assert_int_equal(status, TERN_OK);
  }
  assert_true(refused >= 4);
  assert_int_equal(send.lost.count, 50);
  assert_int_equal(send.acked.count, 50);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

static void test_crypto_and_rewind(void **state)
{
  (void)state;
  static uint8_t bytes[5000], out[5000];
  struct tern_alloc alloc = make_account();
  struct tern_stream_send send;
  struct tern_frame_record records[16] = {{0}};
  uint32_t count = 0;
  size_t taken;
  fill_bytes(bytes, 0, sizeof bytes);
  tern_stream_send_init_crypto(&send, &alloc, 0);
  assert_int_equal(tern_stream_send_write(&send, tern_slice_of(bytes, 5000), &taken), TERN_OK);
  send_all(&send, 1100, records, &count);
  assert_int_equal(count, 5);
  assert_int_equal(records[4].kind, TERN_RECORD_CRYPTO);
  assert_false(tern_stream_send_wants(&send, UINT64_MAX));
  /* Retry: all of it goes again. */
  tern_stream_send_rewind(&send);
  assert_true(tern_stream_send_wants(&send, UINT64_MAX));
  assert_true(tern_stream_send_copy(&send, 0, 5000, out, NULL));
  assert_memory_equal(out, bytes, 5000);
  /* Records from before do no harm. */
  assert_int_equal(tern_stream_send_on_lost(&send, &records[3]), TERN_OK);
  count = 0;
  send_all(&send, 1100, records, &count);
  assert_int_equal(count, 5);
  tern_stream_send_deinit(&send);
  tern_alloc_deinit(&alloc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_writes_losses_acks),
      cmocka_unit_test(test_steady_state_takes_no_memory_per_packet),
      cmocka_unit_test(test_gigabyte_source_costs_little),
      cmocka_unit_test(test_room_is_what_is_not_acknowledged),
      cmocka_unit_test(test_states),
      cmocka_unit_test(test_reset),
      cmocka_unit_test(test_source_that_refuses),
      cmocka_unit_test(test_bounds),
      cmocka_unit_test(test_segments_are_bounded),
      cmocka_unit_test(test_no_memory_changes_nothing),
      cmocka_unit_test(test_no_memory_for_fates),
      cmocka_unit_test(test_crypto_and_rewind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
