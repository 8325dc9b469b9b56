/* SPDX-License-Identifier: MIT */
/* Every frame as a shape: type, varints, tail bytes. From the shapes come all encodings (each varint at
 * each width), all truncations, and the 2^16 type codes against table 3 of RFC 9000. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/frame_read.h"
#include "wire/frame_write.h"
#include "wire/varint.h"

#define BIG TERN_VARINT_MAX

/* `type`, then `count` varints, then `tail_len` bytes of `tail`. An open one ends with the packet, so
 * it can lose its tail and still be well formed. */
struct shape {
  enum tern_frame_kind kind;
  uint8_t type;
  size_t count;
  uint64_t values[12];
  const char *tail;
  size_t tail_len;
  bool is_open;
};

#define TOKEN16 "0123456789abcdef"

static const struct shape shapes[] = {
    {TERN_FRAME_PADDING, 0x00, 0, {0}, "", 0, false},
    {TERN_FRAME_PING, 0x01, 0, {0}, "", 0, false},
    {TERN_FRAME_ACK, 0x02, 4, {0, 0, 0, 0}, "", 0, false},
    {TERN_FRAME_ACK, 0x02, 4, {9, 5, 0, 9}, "", 0, false},
    {TERN_FRAME_ACK, 0x02, 4, {BIG, BIG, 0, BIG}, "", 0, false},
    {TERN_FRAME_ACK, 0x02, 8, {100, 3, 2, 10, 0, 7, 70, 8}, "", 0, false},
    {TERN_FRAME_ACK, 0x02, 6, {2, 0, 1, 0, 0, 0}, "", 0, false},
    {TERN_FRAME_ACK, 0x03, 7, {9, 5, 0, 9, 1, 2, 3}, "", 0, false},
    {TERN_FRAME_ACK, 0x03, 11, {100, 3, 2, 10, 0, 7, 70, 8, BIG, 0, 9}, "", 0, false},
    {TERN_FRAME_RESET_STREAM, 0x04, 3, {4, 0x101, 70000}, "", 0, false},
    {TERN_FRAME_STOP_SENDING, 0x05, 2, {BIG, 7}, "", 0, false},
    {TERN_FRAME_CRYPTO, 0x06, 2, {0, 5}, "hello", 5, false},
    {TERN_FRAME_CRYPTO, 0x06, 2, {BIG - 5, 5}, "hello", 5, false},
    {TERN_FRAME_CRYPTO, 0x06, 2, {17, 0}, "", 0, false},
    {TERN_FRAME_NEW_TOKEN, 0x07, 1, {3}, "tok", 3, false},
    {TERN_FRAME_STREAM, 0x08, 1, {4}, "data", 4, true},
    {TERN_FRAME_STREAM, 0x09, 1, {8}, "data", 4, true},
    {TERN_FRAME_STREAM, 0x0a, 2, {BIG, 4}, "data", 4, false},
    {TERN_FRAME_STREAM, 0x0b, 2, {4, 0}, "", 0, false},
    {TERN_FRAME_STREAM, 0x0c, 2, {4, 1000}, "data", 4, true},
    {TERN_FRAME_STREAM, 0x0d, 2, {4, BIG - 5}, "data", 4, true},
    {TERN_FRAME_STREAM, 0x0e, 3, {4, BIG - 4, 4}, "data", 4, false},
    {TERN_FRAME_STREAM, 0x0f, 3, {4, 65536, 4}, "data", 4, false},
    {TERN_FRAME_MAX_DATA, 0x10, 1, {BIG}, "", 0, false},
    {TERN_FRAME_MAX_STREAM_DATA, 0x11, 2, {3, BIG}, "", 0, false},
    {TERN_FRAME_MAX_STREAMS, 0x12, 1, {UINT64_C(1) << 60}, "", 0, false},
    {TERN_FRAME_MAX_STREAMS, 0x13, 1, {0}, "", 0, false},
    {TERN_FRAME_DATA_BLOCKED, 0x14, 1, {5}, "", 0, false},
    {TERN_FRAME_STREAM_DATA_BLOCKED, 0x15, 2, {1, 6}, "", 0, false},
    {TERN_FRAME_STREAMS_BLOCKED, 0x16, 1, {100}, "", 0, false},
    {TERN_FRAME_STREAMS_BLOCKED, 0x17, 1, {UINT64_C(1) << 60}, "", 0, false},
    {TERN_FRAME_NEW_CONNECTION_ID, 0x18, 2, {2, 2}, "\x01z" TOKEN16, 18, false},
    {TERN_FRAME_NEW_CONNECTION_ID, 0x18, 2, {BIG, 0}, "\x14" TOKEN16 "wxyz" TOKEN16, 37, false},
    {TERN_FRAME_RETIRE_CONNECTION_ID, 0x19, 1, {1}, "", 0, false},
    {TERN_FRAME_PATH_CHALLENGE, 0x1a, 0, {0}, "12345678", 8, false},
    {TERN_FRAME_PATH_RESPONSE, 0x1b, 0, {0}, "12345678", 8, false},
    {TERN_FRAME_CONNECTION_CLOSE, 0x1c, 3, {0x0a, 0x18, 3}, "why", 3, false},
    {TERN_FRAME_CONNECTION_CLOSE, 0x1c, 3, {BIG, BIG, 0}, "", 0, false},
    {TERN_FRAME_CONNECTION_CLOSE, 0x1d, 2, {0x100, 3}, "why", 3, false},
    {TERN_FRAME_HANDSHAKE_DONE, 0x1e, 0, {0}, "", 0, false},
    {TERN_FRAME_DATAGRAM, 0x30, 0, {0}, "dgram", 5, true},
    {TERN_FRAME_DATAGRAM, 0x31, 1, {5}, "dgram", 5, false},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* Encodes with varint number `wide` in at least `width` bytes; SIZE_MAX = all of them. Returns the
 * length, and in *body where the tail begins. */
static size_t encode(const struct shape *shape, size_t wide, size_t width, uint8_t *bytes,
                     size_t *body)
{
  struct tern_writer writer = tern_writer_of(bytes, 256);
  tern_write_u8(&writer, shape->type);
  for (size_t i = 0; i < shape->count; i++) {
    size_t size = tern_varint_size(shape->values[i]);
    if ((i == wide || wide == SIZE_MAX) && size < width)
      size = width;
    tern_write_varint_sized(&writer, shape->values[i], size);
  }
  *body = tern_writer_len(&writer);
  tern_write_bytes(&writer, shape->tail, shape->tail_len);
  assert_false(writer.is_full);
  return tern_writer_len(&writer);
}

static uint64_t read_one(const uint8_t *bytes, size_t len, struct tern_frame *frame, size_t *left)
{
  struct tern_reader reader = tern_reader_of(bytes, len);
  uint64_t code = tern_frame_read(&reader, frame);
  *left = tern_reader_left(&reader);
  return code;
}

static void check_slice(tern_slice slice, const struct shape *shape)
{
  assert_int_equal(slice.len, shape->tail_len);
  if (slice.len != 0)
    assert_memory_equal(slice.data, shape->tail, slice.len);
}

static void check_ack(const struct tern_frame *frame, const struct shape *shape)
{
  const uint64_t *v = shape->values;
  assert_int_equal(frame->u.ack.largest, v[0]);
  assert_int_equal(frame->u.ack.delay, v[1]);
  assert_int_equal(frame->u.ack.range_count, v[2]);
  assert_int_equal(frame->u.ack.first_range, v[3]);
  assert_int_equal(frame->u.ack.has_ecn, shape->type == 0x03);
  const uint64_t *ecn = v + 4 + 2 * v[2];
  assert_int_equal(frame->u.ack.ect0, shape->type == 0x03 ? ecn[0] : 0);
  assert_int_equal(frame->u.ack.ect1, shape->type == 0x03 ? ecn[1] : 0);
  assert_int_equal(frame->u.ack.ce, shape->type == 0x03 ? ecn[2] : 0);

  struct tern_ack_iter iter;
  struct tern_range range;
  uint64_t largest = v[0];
  uint64_t len = v[3];
  tern_ack_iter_init(&iter, frame);
  for (size_t i = 0; i <= v[2]; i++) {
    assert_true(tern_ack_iter_next(&iter, &range));
    assert_int_equal(range.start, largest - len);
    assert_int_equal(range.end, largest + 1);
    if (i < v[2]) {
      largest = range.start - v[4 + 2 * i] - 2;
      len = v[5 + 2 * i];
    }
  }
  assert_false(tern_ack_iter_next(&iter, &range));
  assert_false(tern_ack_iter_next(&iter, &range));
}

static void check_stream(const struct tern_frame *frame, const struct shape *shape)
{
  assert_int_equal(frame->u.stream.stream_id, shape->values[0]);
  assert_int_equal(frame->u.stream.offset, (shape->type & 4) != 0 ? shape->values[1] : 0);
  assert_int_equal(frame->u.stream.is_fin, (shape->type & 1) != 0);
  check_slice(frame->u.stream.data, shape);
}

static void check_new_connection_id(const struct tern_frame *frame, const struct shape *shape)
{
  uint8_t len = (uint8_t)shape->tail[0];
  assert_int_equal(frame->u.new_connection_id.sequence, shape->values[0]);
  assert_int_equal(frame->u.new_connection_id.retire_prior_to, shape->values[1]);
  assert_int_equal(frame->u.new_connection_id.cid.len, len);
  assert_memory_equal(frame->u.new_connection_id.cid.bytes, shape->tail + 1, len);
  assert_memory_equal(frame->u.new_connection_id.reset_token, shape->tail + 1 + len, 16);
}

static void check_close(const struct tern_frame *frame, const struct shape *shape)
{
  bool is_application = shape->type == 0x1d;
  assert_int_equal(frame->u.connection_close.is_application, is_application);
  assert_int_equal(frame->u.connection_close.code, shape->values[0]);
  assert_int_equal(frame->u.connection_close.frame_type, is_application ? 0 : shape->values[1]);
  check_slice(frame->u.connection_close.reason, shape);
}

static void check_streams_limit(const struct tern_frame *frame, const struct shape *shape)
{
  bool is_max = frame->kind == TERN_FRAME_MAX_STREAMS;
  bool is_bidi = is_max ? frame->u.max_streams.is_bidi : frame->u.streams_blocked.is_bidi;
  assert_int_equal(is_max ? frame->u.max_streams.limit : frame->u.streams_blocked.limit,
                   shape->values[0]);
  assert_int_equal(is_bidi, (shape->type & 1) == 0);
}

static void check_reset(const struct tern_frame *frame, const struct shape *shape)
{
  assert_int_equal(frame->u.reset_stream.stream_id, shape->values[0]);
  assert_int_equal(frame->u.reset_stream.code, shape->values[1]);
  assert_int_equal(frame->u.reset_stream.final_size, shape->values[2]);
}

/* The members of a frame are those of its shape. */
static void check_frame(const struct tern_frame *frame, const struct shape *shape)
{
  const uint64_t *v = shape->values;
  assert_int_equal(frame->kind, shape->kind);
  assert_int_equal(frame->type, shape->type);
  switch (frame->kind) {
  case TERN_FRAME_PADDING:
    assert_int_equal(frame->u.padding.len, 1);
    break;
  case TERN_FRAME_PING:
  case TERN_FRAME_HANDSHAKE_DONE:
    break;
  case TERN_FRAME_ACK:
    check_ack(frame, shape);
    break;
  case TERN_FRAME_RESET_STREAM:
    check_reset(frame, shape);
    break;
  case TERN_FRAME_STOP_SENDING:
    assert_int_equal(frame->u.stop_sending.stream_id, v[0]);
    assert_int_equal(frame->u.stop_sending.code, v[1]);
    break;
  case TERN_FRAME_CRYPTO:
    assert_int_equal(frame->u.crypto.offset, v[0]);
    check_slice(frame->u.crypto.data, shape);
    break;
  case TERN_FRAME_NEW_TOKEN:
    check_slice(frame->u.new_token.token, shape);
    break;
  case TERN_FRAME_STREAM:
    check_stream(frame, shape);
    break;
  case TERN_FRAME_MAX_DATA:
    assert_int_equal(frame->u.max_data.limit, v[0]);
    break;
  case TERN_FRAME_MAX_STREAM_DATA:
    assert_int_equal(frame->u.max_stream_data.stream_id, v[0]);
    assert_int_equal(frame->u.max_stream_data.limit, v[1]);
    break;
  case TERN_FRAME_MAX_STREAMS:
  case TERN_FRAME_STREAMS_BLOCKED:
    check_streams_limit(frame, shape);
    break;
  case TERN_FRAME_DATA_BLOCKED:
    assert_int_equal(frame->u.data_blocked.limit, v[0]);
    break;
  case TERN_FRAME_STREAM_DATA_BLOCKED:
    assert_int_equal(frame->u.stream_data_blocked.stream_id, v[0]);
    assert_int_equal(frame->u.stream_data_blocked.limit, v[1]);
    break;
  case TERN_FRAME_NEW_CONNECTION_ID:
    check_new_connection_id(frame, shape);
    break;
  case TERN_FRAME_RETIRE_CONNECTION_ID:
    assert_int_equal(frame->u.retire_connection_id.sequence, v[0]);
    break;
  case TERN_FRAME_PATH_CHALLENGE:
    assert_memory_equal(frame->u.path_challenge.data, shape->tail, 8);
    break;
  case TERN_FRAME_PATH_RESPONSE:
    assert_memory_equal(frame->u.path_response.data, shape->tail, 8);
    break;
  case TERN_FRAME_CONNECTION_CLOSE:
    check_close(frame, shape);
    break;
  case TERN_FRAME_DATAGRAM:
    check_slice(frame->u.datagram.data, shape);
    break;
  }
}

/* One encoding: reads as the shape says, and at no truncation point as anything. */
static void check_encoding(const struct shape *shape, const uint8_t *bytes, size_t len, size_t body)
{
  struct tern_frame frame;
  size_t left;
  assert_int_equal(read_one(bytes, len, &frame, &left), 0);
  assert_int_equal(left, 0);
  check_frame(&frame, shape);
  for (size_t cut = 1; cut < len; cut++) {
    /* A copy of exactly this size, so that a sanitizer sees a read past it. */
    uint8_t exact[256];
    uint8_t *start = exact + sizeof(exact) - cut;
    memcpy(start, bytes, cut);
    uint64_t code = read_one(start, cut, &frame, &left);
    if (shape->is_open && cut >= body)
      assert_int_equal(code, 0);
    else
      assert_int_equal(code, TERN_QUIC_FRAME_ENCODING_ERROR);
    assert_int_equal(frame.type, shape->type);
  }
}

/* [rfc9000-19] */
static void every_frame_width_and_truncation(void **state)
{
  (void)state;
  for (size_t i = 0; i < SHAPES; i++) {
    for (size_t wide = 0; wide <= shapes[i].count; wide++) {
      for (size_t width = 1; width <= 8; width *= 2) {
        uint8_t bytes[256];
        size_t body;
        size_t which = wide == shapes[i].count ? SIZE_MAX : wide;
        size_t len = encode(&shapes[i], which, width, bytes, &body);
        check_encoding(&shapes[i], bytes, len, body);
      }
    }
  }
}

/* A frame leaves what follows it alone, unless it is open. */
static void frames_follow_each_other(void **state)
{
  (void)state;
  for (size_t i = 0; i < SHAPES; i++) {
    uint8_t bytes[256];
    size_t body;
    size_t len = encode(&shapes[i], 0, 1, bytes, &body);
    struct tern_frame frame;
    size_t left;
    bytes[len] = 0x01;
    assert_int_equal(read_one(bytes, len + 1, &frame, &left), 0);
    assert_int_equal(left, shapes[i].is_open ? 0 : 1);
  }
}

static void padding_is_read_as_a_run(void **state)
{
  (void)state;
  for (size_t len = 1; len < 100; len++) {
    uint8_t bytes[128] = {0};
    struct tern_frame frame;
    size_t left;
    bytes[len] = 0x01;
    assert_int_equal(read_one(bytes, len + 1, &frame, &left), 0);
    assert_int_equal(frame.kind, TERN_FRAME_PADDING);
    assert_int_equal(frame.u.padding.len, len);
    assert_int_equal(left, 1);
    assert_int_equal(read_one(bytes, len, &frame, &left), 0);
    assert_int_equal(frame.u.padding.len, len);
    assert_int_equal(left, 0);
  }
}

static void refuses_what_a_frame_alone_shows_wrong(void **state)
{
#define BYTES(text) text, sizeof(text) - 1
  static const struct {
    const char *why;
    const char *bytes;
    size_t len;
  } cases[] = {
      {"[rfc9000-19.3.1] first range below 0", BYTES("\x02\x05\x00\x00\x06")},
      {"gap below 0", BYTES("\x02\x05\x00\x01\x03\x01\x00")},
      {"gap to exactly -1", BYTES("\x02\x05\x00\x01\x04\x00\x00")},
      {"range below 0", BYTES("\x02\x09\x00\x01\x01\x02\x05")},
      {"gap of 2^62 - 1", BYTES("\x02\x09\x00\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00")},
      {"range of 2^62 - 1", BYTES("\x02\x09\x00\x01\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff")},
      {"count of 2^62 - 1", BYTES("\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00")},
      {"count one too many", BYTES("\x02\x32\x00\x02\x00\x00\x00")},
      {"ECN counts missing", BYTES("\x03\x09\x00\x00\x01")},
      {"[rfc9000-19.6] CRYPTO past 2^62 - 1", BYTES("\x06\xff\xff\xff\xff\xff\xff\xff\xff\x01x")},
      {"[rfc9000-19.8] STREAM past 2^62 - 1",
       BYTES("\x0e\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01x")},
      {"STREAM without length past 2^62 - 1", BYTES("\x0c\x00\xff\xff\xff\xff\xff\xff\xff\xffx")},
      {"STREAM length of 2^62 - 1", BYTES("\x0a\x00\xff\xff\xff\xff\xff\xff\xff\xffx")},
      {"CRYPTO length of 2^62 - 1", BYTES("\x06\x00\xff\xff\xff\xff\xff\xff\xff\xffx")},
      {"[rfc9000-19.7] empty token", BYTES("\x07\x00")},
      {"[rfc9000-19.11] MAX_STREAMS above 2^60", BYTES("\x12\xd0\x00\x00\x00\x00\x00\x00\x01")},
      {"the same, unidirectional", BYTES("\x13\xff\xff\xff\xff\xff\xff\xff\xff")},
      {"[rfc9000-19.14] STREAMS_BLOCKED above 2^60", BYTES("\x16\xd0\x00\x00\x00\x00\x00\x00\x01")},
      {"the same, unidirectional", BYTES("\x17\xd0\x00\x00\x00\x00\x00\x00\x01")},
      {"[rfc9000-19.15] connection id of 0 bytes", BYTES("\x18\x01\x00\x00" TOKEN16)},
      {"of 21 bytes", BYTES("\x18\x01\x00\x15" TOKEN16 TOKEN16 TOKEN16)},
      {"of 255 bytes", BYTES("\x18\x01\x00\xff" TOKEN16 TOKEN16 TOKEN16)},
      {"Retire Prior To above the Sequence Number", BYTES("\x18\x01\x02\x01z" TOKEN16)},
      {"reason longer than the packet", BYTES("\x1c\x00\x00\x04why")},
      {"[rfc9221-4] datagram longer than the packet", BYTES("\x31\x06"
                                                            "dgram")},
  };
#undef BYTES
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct tern_frame frame;
    size_t left;
    uint64_t code = read_one((const uint8_t *)cases[i].bytes, cases[i].len, &frame, &left);
    if (code != TERN_QUIC_FRAME_ENCODING_ERROR)
      fail_msg("%s: code %llu", cases[i].why, (unsigned long long)code);
    assert_int_equal(frame.type, (uint8_t)cases[i].bytes[0]);
  }
}

/* [rfc9000-12.4] Table 3 typed in once more, with RFC 9221: columns Pkts and Spec. */
static const struct {
  uint64_t first;
  uint64_t last;
  const char *packets; /* I H 0 1; h in place 0, 1 = not for type 0x1d */
  const char *spec;
} rfc_table[] = {
    {0x00, 0x00, "IH01", "NP"}, {0x01, 0x01, "IH01", ""},  {0x02, 0x03, "IH_1", "NC"},
    {0x04, 0x04, "__01", ""},   {0x05, 0x05, "__01", ""},  {0x06, 0x06, "IH_1", ""},
    {0x07, 0x07, "___1", ""},   {0x08, 0x0f, "__01", "F"}, {0x10, 0x10, "__01", ""},
    {0x11, 0x11, "__01", ""},   {0x12, 0x13, "__01", ""},  {0x14, 0x14, "__01", ""},
    {0x15, 0x15, "__01", ""},   {0x16, 0x17, "__01", ""},  {0x18, 0x18, "__01", "P"},
    {0x19, 0x19, "__01", ""},   {0x1a, 0x1a, "__01", "P"}, {0x1b, 0x1b, "___1", "P"},
    {0x1c, 0x1c, "IH01", "N"},  {0x1d, 0x1d, "__01", "N"}, {0x1e, 0x1e, "___1", ""},
    {0x30, 0x31, "__01", ""},
};
#define ROWS (sizeof(rfc_table) / sizeof(rfc_table[0]))

static size_t row_of(uint64_t type)
{
  for (size_t i = 0; i < ROWS; i++) {
    if (type >= rfc_table[i].first && type <= rfc_table[i].last)
      return i;
  }
  return ROWS;
}

static void check_row(const struct tern_frame *frame, size_t row)
{
  static const enum tern_packet_type types[4] = {TERN_PACKET_INITIAL, TERN_PACKET_HANDSHAKE,
                                                 TERN_PACKET_EARLY, TERN_PACKET_APP};
  const char *spec = rfc_table[row].spec;
  bool elicits = strchr(spec, 'N') == NULL;
  /* CONNECTION_CLOSE has no C in the table, but only what elicits or is PADDING counts as in flight
   * [rfc9002-2]. */
  bool in_flight = elicits || frame->kind == TERN_FRAME_PADDING;
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(tern_frame_is_allowed(frame->kind, frame->type, types[i]),
                     rfc_table[row].packets[i] != '_');
  assert_false(tern_frame_is_allowed(frame->kind, frame->type, TERN_PACKET_RETRY));
  assert_false(tern_frame_is_allowed(frame->kind, frame->type, TERN_PACKET_VERSION_NEGOTIATION));
  assert_int_equal(tern_frame_is_ack_eliciting(frame->kind), elicits);
  assert_int_equal(tern_frame_is_in_flight(frame->kind), in_flight);
  assert_int_equal(tern_frame_is_probing(frame->kind), strchr(spec, 'P') != NULL);
}

/* Writes `type` and, for a known one, a body that is well formed. */
static size_t encode_type(uint64_t type, uint8_t *bytes)
{
  for (size_t i = 0; i < SHAPES; i++) {
    size_t body;
    if (shapes[i].type == type)
      return encode(&shapes[i], 0, 1, bytes, &body);
  }
  struct tern_writer writer = tern_writer_of(bytes, 256);
  tern_write_varint(&writer, type);
  tern_frame_write_padding(&writer, 64);
  return tern_writer_len(&writer);
}

/* 2^16 type codes: known ones as the table says, others FRAME_ENCODING_ERROR [rfc9000-12.4]. */
static void every_type_code_against_the_table(void **state)
{
  (void)state;
  for (uint64_t type = 0; type < 65536; type++) {
    uint8_t bytes[256];
    struct tern_frame frame;
    enum tern_frame_kind kind;
    size_t left;
    size_t len = encode_type(type, bytes);
    uint64_t code = read_one(bytes, len, &frame, &left);
    size_t row = row_of(type);
    assert_int_equal(frame.type, type);
    assert_int_equal(code, row == ROWS ? TERN_QUIC_FRAME_ENCODING_ERROR : 0);
    assert_int_equal(tern_frame_kind_find(type, &kind), row != ROWS);
    if (row == ROWS)
      continue;
    assert_int_equal(kind, frame.kind);
    check_row(&frame, row);
  }
}

/* [rfc9000-12.4] A type in more bytes than it needs: PROTOCOL_VIOLATION. */
static void refuses_longer_types(void **state)
{
  (void)state;
  for (uint64_t type = 0; type < 65536; type++) {
    for (size_t width = 2 * tern_varint_size(type); width <= 8; width *= 2) {
      uint8_t bytes[64] = {0};
      struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
      tern_write_varint_sized(&writer, type, width);
      struct tern_frame frame;
      size_t left;
      assert_int_equal(read_one(bytes, sizeof(bytes), &frame, &left), TERN_QUIC_PROTOCOL_VIOLATION);
      assert_int_equal(frame.type, type);
      for (size_t cut = 1; cut < width; cut++)
        assert_int_equal(read_one(bytes, cut, &frame, &left), TERN_QUIC_FRAME_ENCODING_ERROR);
    }
  }
}

/* An ACK with as many ranges as a packet can hold is read in one go and walked to the end. */
static void reads_many_ack_ranges(void **state)
{
  uint8_t bytes[1300];
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  (void)state;
  tern_write_u8(&writer, 0x02);
  tern_write_varint(&writer, 2000);
  tern_write_varint(&writer, 0);
  tern_write_varint(&writer, 600);
  tern_write_varint(&writer, 0);
  for (int i = 0; i < 600; i++)
    tern_write_u16(&writer, 0x0000);
  struct tern_frame frame;
  size_t left;
  assert_int_equal(read_one(bytes, tern_writer_len(&writer), &frame, &left), 0);
  struct tern_ack_iter iter;
  struct tern_range range;
  uint64_t expected = 2000;
  tern_ack_iter_init(&iter, &frame);
  while (tern_ack_iter_next(&iter, &range)) {
    assert_int_equal(range.start, expected);
    assert_int_equal(range.end, expected + 1);
    expected -= 2;
  }
  assert_int_equal(expected, 2000 - 2 * 601);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_frame_width_and_truncation),
      cmocka_unit_test(frames_follow_each_other),
      cmocka_unit_test(padding_is_read_as_a_run),
      cmocka_unit_test(refuses_what_a_frame_alone_shows_wrong),
      cmocka_unit_test(every_type_code_against_the_table),
      cmocka_unit_test(refuses_longer_types),
      cmocka_unit_test(reads_many_ack_ranges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
