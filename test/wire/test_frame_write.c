/* SPDX-License-Identifier: MIT */
/* Write, read, compare: random values of every frame, in every room from too small to ample. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "wire/frame_read.h"
#include "wire/frame_write.h"
#include "wire/varint.h"

#define SEED UINT64_C(0xf7a3e)

static struct tern_random_seeded random_state;

static int seed(void **state)
{
  (void)state;
  tern_random_seeded_init(&random_state, SEED);
  return 0;
}

static uint64_t draw(void)
{
  return tern_random_seeded_next(&random_state);
}

/* A value of any size up to 2^62 - 1. */
static uint64_t draw_value(void)
{
  return draw() >> (2 + draw() % 62);
}

static uint64_t read_one(struct tern_reader *reader, struct tern_frame *frame)
{
  return tern_frame_read(reader, frame);
}

/* ---- plain frames ------------------------------------------------------------------------ */

/* Makes a random frame of a kind that is a row of values. */
static void draw_frame(enum tern_frame_kind kind, struct tern_frame *frame)
{
  memset(frame, 0, sizeof(*frame));
  frame->kind = kind;
  frame->type = tern_frame_table[kind].first;
  /* The members of all these are uint64_t in a row. */
  frame->u.reset_stream.stream_id = draw_value();
  frame->u.reset_stream.code = draw_value();
  frame->u.reset_stream.final_size = draw_value();
  if (kind == TERN_FRAME_MAX_STREAMS || kind == TERN_FRAME_STREAMS_BLOCKED) {
    bool is_bidi = (draw() & 1) != 0;
    uint64_t limit = draw_value() >> 2;
    frame->type += is_bidi ? 0 : 1;
    memset(&frame->u, 0, sizeof(frame->u));
    frame->u.max_streams.limit = limit;
    frame->u.max_streams.is_bidi = is_bidi;
  }
  if (kind == TERN_FRAME_NEW_CONNECTION_ID) {
    memset(&frame->u, 0, sizeof(frame->u));
    frame->u.new_connection_id.sequence = draw_value();
    frame->u.new_connection_id.retire_prior_to = draw() % (frame->u.new_connection_id.sequence + 1);
    frame->u.new_connection_id.cid.len = (uint8_t)(1 + draw() % 20);
    for (size_t i = 0; i < frame->u.new_connection_id.cid.len; i++)
      frame->u.new_connection_id.cid.bytes[i] = (uint8_t)draw();
    for (size_t i = 0; i < 16; i++)
      frame->u.new_connection_id.reset_token[i] = (uint8_t)draw();
  }
}

static size_t size_of_new_connection_id(const struct tern_frame *frame)
{
  struct tern_new_connection_id_args args = {frame->u.new_connection_id.sequence,
                                             frame->u.new_connection_id.retire_prior_to,
                                             frame->u.new_connection_id.cid,
                                             {0}};
  return tern_frame_size_new_connection_id(&args);
}

static size_t size_of(const struct tern_frame *frame)
{
  uint64_t a = frame->u.reset_stream.stream_id;
  uint64_t b = frame->u.reset_stream.code;
  uint64_t c = frame->u.reset_stream.final_size;
  switch (frame->kind) {
  case TERN_FRAME_PING:
  case TERN_FRAME_HANDSHAKE_DONE:
    return 1;
  case TERN_FRAME_RESET_STREAM:
    return tern_frame_size_reset_stream(a, b, c);
  case TERN_FRAME_STOP_SENDING:
    return tern_frame_size_stop_sending(a, b);
  case TERN_FRAME_MAX_DATA:
    return tern_frame_size_max_data(a);
  case TERN_FRAME_MAX_STREAM_DATA:
    return tern_frame_size_max_stream_data(a, b);
  case TERN_FRAME_MAX_STREAMS:
    return tern_frame_size_max_streams(a);
  case TERN_FRAME_DATA_BLOCKED:
    return tern_frame_size_data_blocked(a);
  case TERN_FRAME_STREAM_DATA_BLOCKED:
    return tern_frame_size_stream_data_blocked(a, b);
  case TERN_FRAME_STREAMS_BLOCKED:
    return tern_frame_size_streams_blocked(a);
  case TERN_FRAME_NEW_CONNECTION_ID:
    return size_of_new_connection_id(frame);
  case TERN_FRAME_RETIRE_CONNECTION_ID:
    return tern_frame_size_retire_connection_id(a);
  case TERN_FRAME_PATH_CHALLENGE:
    return TERN_FRAME_SIZE_PATH_CHALLENGE;
  case TERN_FRAME_PATH_RESPONSE:
    return TERN_FRAME_SIZE_PATH_RESPONSE;
  case TERN_FRAME_PADDING:
  case TERN_FRAME_ACK:
  case TERN_FRAME_CRYPTO:
  case TERN_FRAME_NEW_TOKEN:
  case TERN_FRAME_STREAM:
  case TERN_FRAME_CONNECTION_CLOSE:
  case TERN_FRAME_DATAGRAM:
    break;
  }
  fail();
  return 0;
}

/* With the writer that connections use where tern_frame_write has a path of its own. */
static void write_frame(struct tern_writer *writer, const struct tern_frame *frame)
{
  uint64_t limit = frame->u.max_data.limit;
  if (frame->kind == TERN_FRAME_MAX_DATA)
    tern_frame_write_max_data(writer, limit);
  else if (frame->kind == TERN_FRAME_MAX_STREAMS)
    tern_frame_write_max_streams(writer, frame->u.max_streams.is_bidi, limit);
  else if (frame->kind == TERN_FRAME_DATA_BLOCKED)
    tern_frame_write_data_blocked(writer, limit);
  else if (frame->kind == TERN_FRAME_STREAMS_BLOCKED)
    tern_frame_write_streams_blocked(writer, frame->u.streams_blocked.is_bidi, limit);
  else
    (void)tern_frame_write(writer, frame);
}

static void check_plain(const struct tern_frame *frame)
{
  uint8_t bytes[64];
  size_t size = size_of(frame);
  for (size_t room = 0; room < size; room++) {
    struct tern_writer writer = tern_writer_of(bytes, room);
    write_frame(&writer, frame);
    assert_true(writer.is_full);
    assert_int_equal(tern_writer_len(&writer), 0);
  }
  struct tern_writer writer = tern_writer_of(bytes, size);
  write_frame(&writer, frame);
  assert_false(writer.is_full);
  assert_int_equal(tern_writer_len(&writer), size);

  struct tern_frame back;
  memset(&back, 0, sizeof(back));
  struct tern_reader reader = tern_reader_of(bytes, size);
  assert_int_equal(read_one(&reader, &back), 0);
  assert_int_equal(tern_reader_left(&reader), 0);
  assert_int_equal(back.kind, frame->kind);
  assert_int_equal(back.type, frame->type);

  uint8_t again[64];
  writer = tern_writer_of(again, sizeof(again));
  assert_true(tern_frame_write(&writer, &back));
  assert_int_equal(tern_writer_len(&writer), size);
  assert_memory_equal(again, bytes, size);
}

static void plain_frames_come_back(void **state)
{
  static const enum tern_frame_kind kinds[] = {
      TERN_FRAME_PING,
      TERN_FRAME_RESET_STREAM,
      TERN_FRAME_STOP_SENDING,
      TERN_FRAME_MAX_DATA,
      TERN_FRAME_MAX_STREAM_DATA,
      TERN_FRAME_MAX_STREAMS,
      TERN_FRAME_DATA_BLOCKED,
      TERN_FRAME_STREAM_DATA_BLOCKED,
      TERN_FRAME_STREAMS_BLOCKED,
      TERN_FRAME_NEW_CONNECTION_ID,
      TERN_FRAME_RETIRE_CONNECTION_ID,
      TERN_FRAME_PATH_CHALLENGE,
      TERN_FRAME_PATH_RESPONSE,
      TERN_FRAME_HANDSHAKE_DONE,
  };
  (void)state;
  print_message("seed %llu\n", (unsigned long long)SEED);
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    for (int round = 0; round < 500; round++) {
      struct tern_frame frame;
      draw_frame(kinds[i], &frame);
      check_plain(&frame);
    }
  }
}

static void new_token_comes_back(void **state)
{
  uint8_t bytes[128];
  uint8_t token[100];
  (void)state;
  memset(token, 't', sizeof(token));
  for (size_t len = 1; len <= sizeof(token); len++) {
    tern_slice slice = tern_slice_of(token, len);
    size_t size = tern_frame_size_new_token(slice);
    struct tern_writer writer = tern_writer_of(bytes, size - 1);
    tern_frame_write_new_token(&writer, slice);
    assert_true(writer.is_full);
    assert_int_equal(tern_writer_len(&writer), 0);
    writer = tern_writer_of(bytes, size);
    tern_frame_write_new_token(&writer, slice);
    assert_int_equal(tern_writer_len(&writer), size);
    struct tern_reader reader = tern_reader_of(bytes, size);
    struct tern_frame frame;
    assert_int_equal(read_one(&reader, &frame), 0);
    assert_int_equal(frame.u.new_token.token.len, len);
  }
}

/* ---- frames that adapt to their room ----------------------------------------------------- */

/* Reads back a payload of one STREAM frame and perhaps PADDING in front. */
static void read_stream_payload(const uint8_t *bytes, size_t len, struct tern_frame *frame,
                                size_t *padding)
{
  struct tern_reader reader = tern_reader_of(bytes, len);
  *padding = 0;
  assert_int_equal(read_one(&reader, frame), 0);
  if (frame->kind == TERN_FRAME_PADDING) {
    *padding = (size_t)frame->u.padding.len;
    assert_int_equal(read_one(&reader, frame), 0);
  }
  assert_int_equal(tern_reader_left(&reader), 0);
}

static void check_stream_in_room(const struct tern_stream_chunk *chunk, size_t room)
{
  static uint8_t bytes[70000];
  struct tern_writer writer = tern_writer_of(bytes, room);
  struct tern_stream_fit fit;
  size_t head = tern_frame_size_stream_header(chunk);
  bool wrote = tern_frame_write_stream_header(&writer, chunk, &fit);
  assert_false(writer.is_full);
  if (!wrote) {
    assert_int_equal(tern_writer_len(&writer), 0);
    assert_true(room < head || (room == head && chunk->len != 0));
    return;
  }
  uint8_t *data = tern_write_room(&writer, fit.len);
  assert_non_null(data);
  memset(data, 0xdd, fit.len);

  /* As much as fits; all and the FIN if it fits at all, even without Length. */
  assert_int_equal(fit.len, chunk->len <= room - head ? chunk->len : room - head);
  assert_int_equal(fit.is_fin, chunk->is_fin && fit.len == chunk->len);
  struct tern_frame frame;
  size_t padding;
  read_stream_payload(bytes, tern_writer_len(&writer), &frame, &padding);
  assert_int_equal(frame.kind, TERN_FRAME_STREAM);
  assert_int_equal(frame.u.stream.stream_id, chunk->stream_id);
  assert_int_equal(frame.u.stream.offset, chunk->offset);
  assert_int_equal(frame.u.stream.data.len, fit.len);
  assert_int_equal(frame.u.stream.is_fin, fit.is_fin);
  /* [rfc9000-19.8] Without Length the data extend to the end of the packet, which is full then. */
  bool has_length = (frame.type & 0x02) != 0;
  assert_true(has_length || tern_writer_left(&writer) == 0);
  assert_true(padding < 4 && (padding == 0 || !has_length));
}

static void stream_fits_every_room(void **state)
{
  static const struct tern_stream_chunk heads[] = {{0, 0, 0, false},
                                                   {4, 1, 0, false},
                                                   {100, 70000, 0, false},
                                                   {TERN_VARINT_MAX, 1 << 30, 0, false}};
  (void)state;
  for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
    for (size_t room = 0; room < 160; room++) {
      for (size_t len = 0; len < 160; len++) {
        struct tern_stream_chunk chunk = heads[i];
        chunk.len = len;
        chunk.is_fin = true;
        check_stream_in_room(&chunk, room);
        chunk.is_fin = false;
        if (len != 0)
          check_stream_in_room(&chunk, room);
      }
    }
    for (size_t room = 16370; room < 16420; room++) {
      for (size_t len = 16350; len < 16420; len++) {
        struct tern_stream_chunk chunk = heads[i];
        chunk.len = len;
        check_stream_in_room(&chunk, room);
      }
    }
  }
}

static void crypto_fits_every_room(void **state)
{
  static uint8_t bytes[17000];
  (void)state;
  for (size_t room = 0; room < 16400; room += room < 200 ? 1 : 67) {
    for (size_t wanted = 0; wanted < 17000; wanted += wanted < 200 ? 1 : 131) {
      struct tern_writer writer = tern_writer_of(bytes, room);
      size_t len = tern_frame_write_crypto_header(&writer, 1000, wanted);
      size_t best = 0; /* the naive answer */
      for (size_t width = 1; width <= 4; width *= 2) {
        size_t max = width == 1 ? 63 : width == 2 ? 16383 : SIZE_MAX;
        size_t fits = room < 3 + width ? 0 : room - 3 - width;
        fits = fits < max ? fits : max;
        best = fits > best ? fits : best;
      }
      assert_int_equal(len, wanted < best ? wanted : best);
      if (len == 0) {
        assert_int_equal(tern_writer_len(&writer), 0);
        continue;
      }
      assert_non_null(tern_write_room(&writer, len));
      struct tern_frame frame;
      struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
      assert_int_equal(read_one(&reader, &frame), 0);
      assert_int_equal(frame.u.crypto.offset, 1000);
      assert_int_equal(frame.u.crypto.data.len, len);
      assert_int_equal(tern_reader_left(&reader), 0);
    }
  }
}

/* [rfc9221-4] */
static void datagram_fits_or_not(void **state)
{
  uint8_t bytes[256];
  uint8_t data[200];
  (void)state;
  memset(data, 0xdd, sizeof(data));
  for (size_t room = 0; room <= sizeof(bytes); room++) {
    for (size_t len = 0; len <= sizeof(data); len++) {
      struct tern_writer writer = tern_writer_of(bytes, room);
      bool wrote = tern_frame_write_datagram(&writer, tern_slice_of(data, len));
      assert_int_equal(wrote, room > len);
      assert_false(writer.is_full);
      if (!wrote) {
        assert_int_equal(tern_writer_len(&writer), 0);
        continue;
      }
      struct tern_frame frame;
      struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
      assert_int_equal(read_one(&reader, &frame), 0);
      if (frame.kind == TERN_FRAME_PADDING)
        assert_int_equal(read_one(&reader, &frame), 0);
      assert_int_equal(frame.u.datagram.data.len, len);
      assert_true(frame.type == 0x31 || tern_writer_left(&writer) == 0);
      assert_int_equal(tern_reader_left(&reader), 0);
      if (room >= tern_frame_size_datagram(len))
        assert_int_equal(tern_writer_len(&writer),
                         frame.type == 0x31 ? tern_frame_size_datagram(len) : room);
    }
  }
}

static void close_cuts_its_reason(void **state)
{
  uint8_t bytes[300];
  char reason[200];
  (void)state;
  memset(reason, 'r', sizeof(reason));
  for (size_t room = 0; room < sizeof(bytes); room++) {
    for (int application = 0; application < 2; application++) {
      struct tern_writer writer = tern_writer_of(bytes, room);
      tern_slice slice = tern_slice_of(reason, sizeof(reason));
      size_t head = application ? 3 : 4;
      bool wrote = application ? tern_frame_write_application_close(&writer, 0x100, slice)
                               : tern_frame_write_connection_close(&writer, 0x100, 0x06, slice);
      assert_int_equal(wrote, room > head);
      assert_false(writer.is_full);
      if (!wrote)
        continue;
      struct tern_frame frame;
      struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
      assert_int_equal(read_one(&reader, &frame), 0);
      assert_int_equal(frame.u.connection_close.is_application, application);
      assert_int_equal(frame.u.connection_close.code, 0x100);
      assert_int_equal(frame.u.connection_close.frame_type, application ? 0 : 0x06);
      size_t reason_len = frame.u.connection_close.reason.len;
      assert_true(reason_len == sizeof(reason) || tern_writer_left(&writer) <= 1);
    }
  }
}

/* ---- ACK --------------------------------------------------------------------------------- */

#define RANGES 40

/* Ascending, disjoint, not touching. */
static size_t draw_ranges(struct tern_range *ranges)
{
  size_t count = 1 + draw() % RANGES;
  uint64_t at = draw() % 3;
  for (size_t i = 0; i < count; i++) {
    ranges[i].start = at;
    ranges[i].end = at + 1 + (draw_value() >> (draw() % 2 == 0 ? 60 : 10)) % 20000;
    at = ranges[i].end + 1 + (draw() % 4 == 0 ? draw() % 20000 : draw() % 3);
  }
  return count;
}

static void check_ack_in_room(const struct tern_range *ranges, size_t count,
                              const struct tern_ecn_counts *ecn, size_t room)
{
  uint8_t bytes[512];
  struct tern_writer writer = tern_writer_of(bytes, room);
  uint64_t delay = draw_value();
  size_t written = tern_frame_write_ack(&writer, ranges, count, delay, ecn);
  assert_false(writer.is_full);
  assert_true(written <= count);
  if (written == 0) {
    assert_int_equal(tern_writer_len(&writer), 0);
    return;
  }
  struct tern_frame frame;
  struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
  assert_int_equal(read_one(&reader, &frame), 0);
  assert_int_equal(tern_reader_left(&reader), 0);
  assert_int_equal(frame.u.ack.delay, delay);
  assert_int_equal(frame.u.ack.has_ecn, ecn != NULL);
  if (ecn != NULL) {
    assert_int_equal(frame.u.ack.ect0, ecn->ect0);
    assert_int_equal(frame.u.ack.ect1, ecn->ect1);
    assert_int_equal(frame.u.ack.ce, ecn->ce);
  }
  struct tern_ack_iter iter;
  struct tern_range range;
  tern_ack_iter_init(&iter, &frame);
  for (size_t i = 0; i < written; i++) {
    assert_true(tern_ack_iter_next(&iter, &range));
    assert_int_equal(range.start, ranges[count - 1 - i].start);
    assert_int_equal(range.end, ranges[count - 1 - i].end);
  }
  assert_false(tern_ack_iter_next(&iter, &range));
  if (written < count)
    assert_true(tern_writer_left(&writer) < 16);
}

static void ack_writes_the_newest_that_fit(void **state)
{
  (void)state;
  for (int round = 0; round < 300; round++) {
    struct tern_range ranges[RANGES];
    size_t count = draw_ranges(ranges);
    struct tern_ecn_counts ecn = {draw_value(), draw_value(), draw_value()};
    const struct tern_ecn_counts *given = draw() % 2 == 0 ? &ecn : NULL;
    for (size_t room = 0; room <= 512; room += 1 + draw() % 7)
      check_ack_in_room(ranges, count, given, room);
    uint8_t bytes[512];
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    assert_int_equal(tern_frame_write_ack(&writer, ranges, count, 0, given), count);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_frames_come_back),         cmocka_unit_test(new_token_comes_back),
      cmocka_unit_test(stream_fits_every_room),         cmocka_unit_test(crypto_fits_every_room),
      cmocka_unit_test(datagram_fits_or_not),           cmocka_unit_test(close_cuts_its_reason),
      cmocka_unit_test(ack_writes_the_newest_that_fit),
  };
  return cmocka_run_group_tests(tests, seed, NULL);
}
