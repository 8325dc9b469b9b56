/* SPDX-License-Identifier: MIT */
/* The streams of a connection: every frame type that names a stream at every limit ([HOSTILE T12]), the
 * cost of the last allowed stream, credit as streams close, and churn against a naive model. */
#include "parts_test.h"

#include <tern/config.h>

#include "transport/stream_set.h"
#include "wire/frame_read.h"

struct fixture {
  struct tern_alloc alloc;
  struct tern_stream_set set;
};

static struct fixture *new_fixture(bool is_server, uint64_t streams_max)
{
  struct fixture *fixture = calloc(1, sizeof(*fixture));
  fixture->alloc = make_account();
  struct tern_stream_set_args args = {.alloc = &fixture->alloc,
                                      .is_server = is_server,
                                      .seed = 0x9e3779b97f4a7c15,
                                      .streams_bidi_max = streams_max,
                                      .streams_uni_max = streams_max,
                                      .window_bytes = 65536,
                                      .window_max_bytes = 65536,
                                      .send_buffer_bytes = 65536};
  tern_stream_set_init(&fixture->set, &args);
  return fixture;
}

static void free_fixture(struct fixture *fixture)
{
  tern_stream_set_deinit(&fixture->set);
  tern_alloc_deinit(&fixture->alloc);
  free(fixture);
}

static void set_peer_limits(struct fixture *fixture, uint64_t streams)
{
  struct tern_stream_limits limits = {streams, streams, 111, 222, 333};
  tern_stream_set_on_peer_limits(&fixture->set, &limits);
}

static void end_stream(struct fixture *fixture, struct tern_stream *stream)
{
  stream->is_over = true;
  assert_true(tern_stream_set_try_free(&fixture->set, stream));
}

static enum tern_stream_found get(struct fixture *fixture, uint64_t id, enum tern_frame_kind kind)
{
  struct tern_stream *stream;
  return tern_stream_set_get_or_open(&fixture->set, id, kind, &stream);
}

/* A frame of `kind` names stream `index` of `type`, where 10 of the peer's may be and 11 of ours are. */
static void check_limit(bool is_server, enum tern_frame_kind kind, uint64_t type, uint64_t index)
{
  struct fixture *fixture = new_fixture(is_server, 10);
  struct tern_stream *stream;
  bool is_own = (type & 1) == (unsigned)is_server;
  bool is_for_sender = kind == TERN_FRAME_STOP_SENDING || kind == TERN_FRAME_MAX_STREAM_DATA;
  set_peer_limits(fixture, 20);
  for (int n = 0; n < 11; n++) {
    assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_BIDI, &stream), TERN_OK);
    assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_UNI, &stream), TERN_OK);
  }
  enum tern_stream_found want;
  if ((type & 2) != 0 && is_own != is_for_sender)
    want = TERN_STREAM_BAD_STATE; /* the wrong half of a unidirectional stream */
  else if (is_own)
    want = index < 11 ? TERN_STREAM_FOUND : TERN_STREAM_BAD_STATE;
  else
    want = index < 10 ? TERN_STREAM_NEW : TERN_STREAM_BAD_LIMIT;
  assert_int_equal(get(fixture, index << 2 | type, kind), want);
  free_fixture(fixture);
}

/* [rfc9000-4.6], [rfc9000-19.4, 19.5, 19.8, 19.10, 19.13] */
static void test_each_frame_at_each_limit(void **state)
{
  (void)state;
  static const enum tern_frame_kind kinds[] = {TERN_FRAME_STREAM, TERN_FRAME_RESET_STREAM,
                                               TERN_FRAME_STREAM_DATA_BLOCKED,
                                               TERN_FRAME_STOP_SENDING, TERN_FRAME_MAX_STREAM_DATA};
  static const uint64_t indexes[] = {0, 9, 10, 11, 99, 100, (UINT64_C(1) << 60) - 1};
  for (unsigned side_and_type = 0; side_and_type < 8; side_and_type++) {
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
      for (size_t i = 0; i < COUNT_OF(indexes); i++)
        check_limit(side_and_type >= 4, kinds[k], side_and_type & 3, indexes[i]);
    }
  }
}

/* [rfc9000-2.1] opening a stream opens all lower ones, which costs nothing */
static void test_last_allowed_stream_is_cheap(void **state)
{
  (void)state;
  struct fixture *fixture = new_fixture(true, 65536);
  struct tern_stream *stream;
  uint64_t before = fixture->alloc.used_bytes;
  assert_int_equal(get(fixture, 65535 << 2, TERN_FRAME_STREAM), TERN_STREAM_NEW);
  assert_true(fixture->alloc.used_bytes - before <= 8192);
  assert_int_equal(fixture->set.live, 1);
  assert_int_equal(get(fixture, 65536 << 2, TERN_FRAME_STREAM), TERN_STREAM_BAD_LIMIT);
  /* The lower ones are open, and appear when they are named. */
  assert_int_equal(
      tern_stream_set_get_or_open(&fixture->set, 7 << 2, TERN_FRAME_STOP_SENDING, &stream),
      TERN_STREAM_NEW);
  assert_int_equal(stream->id, 28);
  assert_true(stream->events & TERN_STREAM_OPENED);
  assert_int_equal(get(fixture, 7 << 2, TERN_FRAME_STREAM), TERN_STREAM_FOUND);
  end_stream(fixture, stream);
  assert_int_equal(get(fixture, 7 << 2, TERN_FRAME_STREAM), TERN_STREAM_GONE);
  assert_int_equal(get(fixture, 6 << 2, TERN_FRAME_STREAM), TERN_STREAM_NEW);
  free_fixture(fixture);
}

/* Every second stream named, the others not: the unseen ones are as many ranges as there may be streams,
 * never more. */
static void test_unseen_is_bounded(void **state)
{
  (void)state;
  struct fixture *fixture = new_fixture(true, 100);
  struct tern_frame_record record;
  uint8_t out[32];
  uint64_t peak = 0;
  for (uint64_t index = 1; index < 20000; index += 2) {
    struct tern_stream *stream;
    struct tern_writer writer = tern_writer_of(out, sizeof out);
    if (tern_stream_set_get_or_open(&fixture->set, index << 2, TERN_FRAME_STREAM, &stream) ==
        TERN_STREAM_NEW)
      end_stream(fixture, stream);
    if (tern_stream_set_wants(&fixture->set))
      assert_true(tern_stream_set_write(&fixture->set, &writer, &record));
    if (fixture->set.peers[0].unseen.count > peak)
      peak = fixture->set.peers[0].unseen.count;
  }
  assert_true(peak <= 100);
  assert_true(fixture->alloc.peak_bytes <= 16384);
  free_fixture(fixture);
}

static struct tern_frame write_frame(struct fixture *fixture, struct tern_frame_record *record)
{
  uint8_t out[32];
  struct tern_frame frame;
  struct tern_writer small = tern_writer_of(out, 1);
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  assert_true(tern_stream_set_wants(&fixture->set));
  assert_false(tern_stream_set_write(&fixture->set, &small, record));
  assert_true(tern_stream_set_write(&fixture->set, &writer, record));
  struct tern_reader reader = tern_reader_of(out, tern_writer_len(&writer));
  assert_int_equal(tern_frame_read(&reader, &frame), 0);
  return frame;
}

/* [rfc9000-4.6] the limit grows as streams close; [HOSTILE T13] only when their slots are free */
static void test_limit_grows(void **state)
{
  (void)state;
  struct fixture *fixture = new_fixture(true, 10);
  struct tern_stream *streams[10];
  struct tern_frame_record record;
  for (uint64_t i = 0; i < 10; i++)
    assert_int_equal(
        tern_stream_set_get_or_open(&fixture->set, 2 + 4 * i, TERN_FRAME_RESET_STREAM, &streams[i]),
        TERN_STREAM_NEW);
  assert_int_equal(get(fixture, 42, TERN_FRAME_STREAM), TERN_STREAM_BAD_LIMIT);
  for (uint64_t i = 0; i < 4; i++)
    end_stream(fixture, streams[i]);
  assert_false(tern_stream_set_wants(&fixture->set));
  /* A record still names it: no credit yet. */
  tern_stream_set_hold(streams[4], 1);
  streams[4]->is_over = true;
  assert_false(tern_stream_set_try_free(&fixture->set, streams[4]));
  assert_false(tern_stream_set_wants(&fixture->set));
  tern_stream_set_unhold(streams[4], 1);
  assert_true(tern_stream_set_try_free(&fixture->set, streams[4]));
  struct tern_frame frame = write_frame(fixture, &record);
  assert_int_equal(frame.kind, TERN_FRAME_MAX_STREAMS);
  assert_false(frame.u.max_streams.is_bidi);
  assert_int_equal(frame.u.max_streams.limit, 15);
  assert_int_equal(record.kind, TERN_RECORD_MAX_STREAMS_UNI);
  assert_int_equal(get(fixture, 2 + 4 * 14, TERN_FRAME_STREAM), TERN_STREAM_NEW);
  assert_int_equal(get(fixture, 2 + 4 * 15, TERN_FRAME_STREAM), TERN_STREAM_BAD_LIMIT);
  /* Lost: again, with what is true by then. */
  end_stream(fixture, streams[5]);
  tern_stream_set_on_lost(&fixture->set, &record);
  frame = write_frame(fixture, &record);
  assert_int_equal(frame.u.max_streams.limit, 16);
  tern_stream_set_on_acked(&fixture->set, &record);
  assert_false(tern_stream_set_wants(&fixture->set));
  free_fixture(fixture);
}

/* Ours: ids in order, beyond the peer's limit they wait; [rfc9000-4.6] STREAMS_BLOCKED says so. */
static void test_ours_wait_for_credit(void **state)
{
  (void)state;
  struct fixture *fixture = new_fixture(false, 10);
  struct tern_stream *streams[6];
  struct tern_frame_record record;
  struct tern_range opened;
  for (uint64_t i = 0; i < 3; i++)
    assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_BIDI, &streams[i]), TERN_OK);
  assert_false(tern_stream_set_can_send(&fixture->set, streams[0]));
  assert_int_equal(tern_flow_send_room(&streams[0]->out->flow), 0);
  set_peer_limits(fixture, 2);
  assert_true(tern_stream_set_can_send(&fixture->set, streams[1]));
  assert_false(tern_stream_set_can_send(&fixture->set, streams[2]));
  assert_int_equal(tern_flow_send_room(&streams[0]->out->flow), 222);
  /* The peer cannot know of the one that waits. */
  assert_int_equal(get(fixture, streams[2]->id, TERN_FRAME_MAX_STREAM_DATA), TERN_STREAM_BAD_STATE);
  assert_int_equal(get(fixture, streams[1]->id, TERN_FRAME_MAX_STREAM_DATA), TERN_STREAM_FOUND);
  struct tern_frame frame = write_frame(fixture, &record);
  assert_int_equal(frame.kind, TERN_FRAME_STREAMS_BLOCKED);
  assert_true(frame.u.streams_blocked.is_bidi);
  assert_int_equal(frame.u.streams_blocked.limit, 2);
  assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_BIDI, &streams[3]), TERN_OK);
  assert_false(tern_stream_set_wants(&fixture->set));
  tern_stream_set_on_lost(&fixture->set, &record);
  assert_true(tern_stream_set_wants(&fixture->set));
  /* [rfc9000-4.6] smaller limits MUST be ignored */
  assert_false(tern_stream_set_on_max_streams(&fixture->set, TERN_DIR_BIDI, 1, &opened));
  assert_false(tern_stream_set_on_max_streams(&fixture->set, TERN_DIR_BIDI, 2, &opened));
  assert_true(tern_stream_set_on_max_streams(&fixture->set, TERN_DIR_BIDI, 3, &opened));
  assert_int_equal(opened.start, 2);
  assert_int_equal(opened.end, 3);
  assert_ptr_equal(
      tern_stream_set_find(&fixture->set, tern_stream_set_id(&fixture->set, TERN_DIR_BIDI, 2)),
      streams[2]);
  assert_true(tern_stream_set_wants(&fixture->set));
  assert_true(
      tern_stream_set_on_max_streams(&fixture->set, TERN_DIR_BIDI, TERN_STREAMS_MAX, &opened));
  assert_int_equal(opened.start, 3);
  assert_int_equal(opened.end, 4);
  assert_false(tern_stream_set_wants(&fixture->set));
  tern_stream_set_on_lost(&fixture->set, &record);
  assert_false(tern_stream_set_wants(&fixture->set));
  /* Ids of a client: 0, 4, 8 and 2, 6, 10. */
  assert_int_equal(streams[3]->id, 12);
  assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_UNI, &streams[4]), TERN_OK);
  assert_int_equal(streams[4]->id, 2);
  assert_int_equal(tern_flow_send_room(&streams[4]->out->flow), 333);
  free_fixture(fixture);
}

/* A peer that raises the limit with every stream that ends, and writes the frames of a packet last first,
 * makes no trouble; one that says nothing new more often than that does. */
static void test_stale_limits_are_excused(void **state)
{
  (void)state;
  struct fixture *fixture = new_fixture(false, 10);
  struct tern_stream *stream;
  assert_false(tern_stream_set_excuse_max_streams(&fixture->set, TERN_DIR_BIDI));
  for (uint32_t i = 0; i < 3; i++)
    assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_BIDI, &stream), TERN_OK);
  for (uint32_t i = 0; i < 3; i++)
    assert_true(tern_stream_set_excuse_max_streams(&fixture->set, TERN_DIR_BIDI));
  assert_false(tern_stream_set_excuse_max_streams(&fixture->set, TERN_DIR_BIDI));
  assert_false(tern_stream_set_excuse_max_streams(&fixture->set, TERN_DIR_UNI));
  free_fixture(fixture);
}

static void test_queue_is_bounded(void **state)
{
  (void)state;
  struct fixture *fixture = new_fixture(false, 10);
  struct tern_stream *stream;
  for (uint32_t i = 0; i < TERN_CAP_STREAMS_QUEUED; i++)
    assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_UNI, &stream), TERN_OK);
  assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_UNI, &stream), TERN_LIMIT);
  assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_BIDI, &stream), TERN_OK);
  free_fixture(fixture);
}

static void test_slots_and_generations(void **state)
{
  (void)state;
  struct fixture *fixture = new_fixture(false, 10);
  struct tern_stream *first, *second;
  set_peer_limits(fixture, 100);
  assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_BIDI, &first), TERN_OK);
  struct tern_stream_name name = tern_stream_get_name(first);
  assert_ptr_equal(tern_stream_set_find_slot(&fixture->set, name.slot, name.generation), first);
  end_stream(fixture, first);
  assert_null(tern_stream_set_find_slot(&fixture->set, name.slot, name.generation));
  assert_int_equal(tern_stream_set_open(&fixture->set, TERN_DIR_BIDI, &second), TERN_OK);
  assert_int_equal(second->slot, name.slot);
  assert_int_not_equal(second->generation, name.generation);
  assert_null(tern_stream_set_find_slot(&fixture->set, name.slot, name.generation));
  assert_null(tern_stream_set_find_slot(&fixture->set, 1000, 0));
  assert_int_equal(get(fixture, 0, TERN_FRAME_STREAM), TERN_STREAM_GONE);
  free_fixture(fixture);
}

/* Model: per id one of unopened, open, closed. */
enum fate { UNOPENED, OPEN, CLOSED };

struct model {
  struct tern_random_seeded random;
  struct fixture *fixture;
  uint8_t fate[4][4000]; /* by type, then index; types 1 and 3 are ours */
  uint64_t limit[4];
  uint64_t opened[4];
  uint32_t live;
};

static void begin_model(struct model *model, uint64_t seed)
{
  static const uint64_t limit[4] = {50, 20, 50, 20};
  memset(model, 0, sizeof *model);
  memcpy(model->limit, limit, sizeof limit);
  model->fixture = new_fixture(true, 50);
  tern_random_seeded_init(&model->random, seed);
  set_peer_limits(model->fixture, 20);
}

static void churn_end(struct model *model, uint64_t type, uint64_t index)
{
  struct tern_stream *stream = tern_stream_set_find(&model->fixture->set, index << 2 | type);
  assert_int_equal(stream != NULL, model->fate[type][index] == OPEN);
  if (stream == NULL)
    return;
  end_stream(model->fixture, stream);
  model->fate[type][index] = CLOSED;
  model->live--;
}

static bool churn_open(struct model *model, uint64_t type)
{
  enum tern_stream_dir dir = type == 3 ? TERN_DIR_UNI : TERN_DIR_BIDI;
  struct tern_stream *stream;
  if (model->opened[type] >= COUNT_OF(model->fate[0]) - 10)
    return false;
  assert_int_equal(tern_stream_set_open(&model->fixture->set, dir, &stream), TERN_OK);
  assert_int_equal(stream->id, model->opened[type] << 2 | type);
  model->fate[type][model->opened[type]++] = OPEN;
  model->live++;
  return true;
}

static bool churn_name(struct model *model, uint64_t type, uint64_t index)
{
  enum tern_stream_found found = get(model->fixture, index << 2 | type, TERN_FRAME_STREAM);
  uint8_t *fate = &model->fate[type][index];
  if (index >= model->limit[type]) {
    assert_int_equal(found, TERN_STREAM_BAD_LIMIT);
    return false;
  }
  assert_int_equal(found, *fate == OPEN     ? TERN_STREAM_FOUND
                          : *fate == CLOSED ? TERN_STREAM_GONE
                                            : TERN_STREAM_NEW);
  model->live += found == TERN_STREAM_NEW;
  if (found == TERN_STREAM_NEW)
    *fate = OPEN;
  if (index >= model->opened[type])
    model->opened[type] = index + 1;
  return true;
}

static void churn_credit(struct model *model)
{
  uint8_t out[64];
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  struct tern_frame_record record;
  while (tern_stream_set_write(&model->fixture->set, &writer, &record)) {
    if (record.kind == TERN_RECORD_MAX_STREAMS_BIDI)
      model->limit[0] = record.offset;
    if (record.kind == TERN_RECORD_MAX_STREAMS_UNI)
      model->limit[2] = record.offset;
  }
}

static void churn_step(struct model *model)
{
  uint64_t type = draw_below(&model->random, 4);
  uint64_t index = draw_below(&model->random, model->opened[type] + 5);
  bool is_done = true;
  if (draw_one_in(&model->random, 3))
    churn_end(model, type, index);
  else if (type & 1)
    is_done = churn_open(model, type);
  else
    is_done = churn_name(model, type, index);
  if (!is_done)
    return;
  assert_int_equal(model->fixture->set.live, model->live);
  churn_credit(model);
}

static void test_churn(void **state)
{
  static struct model model;
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    begin_model(&model, seed);
    for (uint32_t step = 0; step < 4000; step++)
      churn_step(&model);
    uint32_t at = 0, count = 0;
    while (tern_stream_set_next(&model.fixture->set, &at) != NULL)
      count++;
    assert_int_equal(count, model.live);
    free_fixture(model.fixture);
  }
  print_message("seeds 1 to 40\n");
}

/* [HOSTILE T13] open and reset for ever: memory stays where it was after the first few. */
static void test_open_and_reset_churn(void **state)
{
  (void)state;
  struct fixture *fixture = new_fixture(true, 100);
  struct tern_frame_record record;
  uint8_t out[32];
  uint64_t takes = 0, used = 0;
  for (uint64_t index = 0; index < 200000; index++) {
    struct tern_stream *stream;
    struct tern_writer writer = tern_writer_of(out, sizeof out);
    assert_int_equal(
        tern_stream_set_get_or_open(&fixture->set, index << 2, TERN_FRAME_RESET_STREAM, &stream),
        TERN_STREAM_NEW);
    end_stream(fixture, stream);
    if (tern_stream_set_wants(&fixture->set))
      assert_true(tern_stream_set_write(&fixture->set, &writer, &record));
    if (index == 1000) {
      takes = fixture->alloc.takes;
      used = fixture->alloc.used_bytes;
    }
  }
  assert_int_equal(fixture->alloc.used_bytes, used);
  print_message("199,000 streams: %u allocations\n", (unsigned)(fixture->alloc.takes - takes));
  assert_int_equal(fixture->alloc.takes, takes);
  free_fixture(fixture);
}

static void test_no_memory(void **state)
{
  (void)state;
  for (uint64_t budget = 0; budget < 6000; budget += 64) {
    struct fixture *fixture = new_fixture(true, 100);
    struct tern_stream *stream;
    set_peer_limits(fixture, 100);
    fixture->alloc.cap_bytes = budget;
    for (uint64_t i = 0; i < 20; i++) {
      uint64_t live = fixture->set.live;
      enum tern_stream_found found =
          tern_stream_set_get_or_open(&fixture->set, (1 + 3 * i) << 2, TERN_FRAME_STREAM, &stream);
      assert_true(found == TERN_STREAM_NEW || found == TERN_STREAM_NO_MEMORY);
      assert_int_equal(fixture->set.live, live + (found == TERN_STREAM_NEW));
      tern_status status = tern_stream_set_open(&fixture->set, TERN_DIR_BIDI, &stream);
      assert_true(status == TERN_OK || status == TERN_NOMEM);
    }
    /* With memory again, everything that was refused can be opened. */
    fixture->alloc.cap_bytes = UINT64_MAX;
    for (uint64_t i = 0; i < 60; i++) {
      enum tern_stream_found found = get(fixture, i << 2, TERN_FRAME_STREAM);
      assert_true(found == TERN_STREAM_NEW || found == TERN_STREAM_FOUND);
    }
    free_fixture(fixture);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_frame_at_each_limit),
      cmocka_unit_test(test_last_allowed_stream_is_cheap),
      cmocka_unit_test(test_unseen_is_bounded),
      cmocka_unit_test(test_limit_grows),
      cmocka_unit_test(test_ours_wait_for_credit),
      cmocka_unit_test(test_stale_limits_are_excused),
      cmocka_unit_test(test_queue_is_bounded),
      cmocka_unit_test(test_slots_and_generations),
      cmocka_unit_test(test_churn),
      cmocka_unit_test(test_open_and_reset_churn),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
