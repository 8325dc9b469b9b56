/* SPDX-License-Identifier: MIT */
/* What the QPACK encoder may and may not do, and both sides against each other in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "h3/qpack_dec.h"
#include "h3/qpack_enc.h"
#include "hex.h"

static struct tern_alloc account;

/* ---- encoder --------------------------------------------------------------------------------- */

static tern_status encode(struct tern_qpack_enc *enc, uint64_t stream_id, const tern_field *fields,
                          size_t count, struct tern_buf *out)
{
  struct tern_qpack_enc_args args = {stream_id, fields, count, true};
  size_t start = 0;
  tern_status status = tern_qpack_enc_section(enc, &args, out, &start);
  if (status == TERN_OK)
    tern_buf_drop_front(out, start);
  return status;
}

/* [rfc9204-3.2.3] without capacity: no instruction, no reference */
static void test_encoder_without_table(void **state)
{
  (void)state;
  struct tern_qpack_enc enc;
  struct tern_buf out;
  tern_buf_init(&out, &account);
  tern_field field = tern_field_of("user-agent", "tern");
  tern_qpack_enc_init(&enc, &account, 4096);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(encode(&enc, 0, &field, 1, &out), TERN_OK);
    assert_int_equal(out.data[0], 0);
    assert_int_equal(enc.instructions.len, 0);
  }
  assert_int_equal(tern_qpack_enc_set_peer(&enc, 0, 100), TERN_OK);
  assert_int_equal(enc.instructions.len, 0);
  tern_qpack_enc_deinit(&enc);
  tern_buf_deinit(&out);
}

/* HOSTILE H17, [rfc9204-7.1.3]: secrets are never-indexed literals and never in the table. */
static void test_never_indexed(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    const char *value;
    bool flag;
    bool is_secret;
  } cases[] = {
      {"authorization", "Basic YTpi", false, true},
      {"proxy-authorization", "Basic YTpi", false, true},
      {"set-cookie", "id=1", false, true},
      {"cookie", "a=0123456789012345", false, true},     /* 19 bytes */
      {"cookie", "a=0123456789012345678", false, false}, /* 21 bytes */
      {"x-token", "abc", true, true},
      {"x-token", "abc", false, false},
      {":path", "/", true, true}, /* although it is in the static table */
      {"user-agent", "tern", false, false},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct tern_qpack_enc enc;
    struct tern_qpack_dec dec;
    struct tern_qpack_reader reader;
    struct tern_buf out;
    tern_buf_init(&out, &account);
    tern_qpack_enc_init(&enc, &account, 4096);
    tern_qpack_dec_init(&dec, &account, 4096, 100);
    tern_qpack_reader_init(&reader, &account);
    assert_int_equal(tern_qpack_enc_set_peer(&enc, 4096, 100), TERN_OK);
    tern_field field = tern_field_of(cases[i].name, cases[i].value);
    field.is_never_indexed = cases[i].flag;
    for (uint64_t k = 0; k < 5; k++) { /* repeating does not change it */
      assert_int_equal(encode(&enc, k * 4, &field, 1, &out), TERN_OK);
      assert_int_equal(tern_qpack_dec_receive(&dec, enc.instructions.data, enc.instructions.len),
                       0);
      enc.instructions.len = 0;
      tern_qpack_reader_start(&reader, k * 4, 10000);
      size_t consumed;
      const tern_field *fields;
      size_t count;
      assert_int_equal(
          tern_qpack_reader_feed(&reader, &dec, tern_slice_of(out.data, out.len), &consumed),
          TERN_QPACK_OK);
      assert_int_equal(tern_qpack_reader_finish(&reader, &dec, &fields, &count), TERN_QPACK_OK);
      assert_int_equal(fields[0].is_never_indexed, cases[i].is_secret);
    }
    assert_int_equal(enc.table.inserts, cases[i].is_secret ? 0 : 1);
    tern_qpack_reader_deinit(&reader);
    tern_qpack_dec_deinit(&dec);
    tern_qpack_enc_deinit(&enc);
    tern_buf_deinit(&out);
  }
}

/* [rfc9204-2.1.1] [rfc9204-2.1.4] what is unacknowledged or referred to is not evicted: without an answer from the
 * decoder the encoder stops inserting. */
static void test_no_eviction_without_ack(void **state)
{
  (void)state;
  struct tern_qpack_enc enc;
  struct tern_buf out;
  tern_buf_init(&out, &account);
  tern_qpack_enc_init(&enc, &account, 512);
  assert_int_equal(tern_qpack_enc_set_peer(&enc, 512, 100), TERN_OK);
  for (uint64_t i = 0; i < 50; i++) {
    char value[32];
    (void)snprintf(value, sizeof(value), "agent number %u", (unsigned)i);
    tern_field field = tern_field_of("user-agent", value);
    assert_int_equal(encode(&enc, i * 4, &field, 1, &out), TERN_OK);
    assert_int_equal(enc.table.oldest, 0);
    assert_true(enc.table.size <= 512);
  }
  assert_int_equal(enc.table.inserts, 9); /* 57 or 58 bytes each... the tenth does not fit */
  /* All received, one section done: the first nine are acknowledged, one reference is gone. */
  uint8_t ack = 0x80;
  assert_int_equal(tern_qpack_enc_receive(&enc, &ack, 1), 0);
  uint8_t increment = 8;
  assert_int_equal(tern_qpack_enc_receive(&enc, &increment, 1), 0);
  tern_field field = tern_field_of("user-agent", "another agent");
  assert_int_equal(encode(&enc, 400, &field, 1, &out), TERN_OK);
  assert_int_equal(enc.table.oldest, 1);
  assert_int_equal(enc.table.inserts, 10);
  tern_qpack_enc_deinit(&enc);
  tern_buf_deinit(&out);
}

/* [rfc9204-2.1.3] nothing is inserted while the encoder stream has no room */
static void test_no_room_on_encoder_stream(void **state)
{
  (void)state;
  struct tern_qpack_enc enc;
  struct tern_buf out;
  tern_buf_init(&out, &account);
  tern_qpack_enc_init(&enc, &account, 4096);
  assert_int_equal(tern_qpack_enc_set_peer(&enc, 4096, 100), TERN_OK);
  enc.instructions.len = 0;
  tern_field field = tern_field_of("user-agent", "tern");
  struct tern_qpack_enc_args args = {0, &field, 1, false};
  size_t start;
  assert_int_equal(tern_qpack_enc_section(&enc, &args, &out, &start), TERN_OK);
  assert_int_equal(enc.instructions.len, 0);
  assert_int_equal(enc.table.inserts, 0);
  tern_qpack_enc_deinit(&enc);
  tern_buf_deinit(&out);
}

/* [rfc9204-2.1.1.1] a line that is used but about to be evicted is duplicated, and stays cheap */
static void test_draining(void **state)
{
  (void)state;
  struct tern_qpack_enc enc;
  struct tern_buf out;
  tern_buf_init(&out, &account);
  tern_qpack_enc_init(&enc, &account, 512);
  assert_int_equal(tern_qpack_enc_set_peer(&enc, 512, 100), TERN_OK);
  bool was_duplicated = false;
  for (uint64_t i = 0; i < 60; i++) {
    char value[32];
    (void)snprintf(value, sizeof(value), "agent number %u", (unsigned)i);
    tern_field fields[] = {tern_field_of("server", "tern"), tern_field_of("user-agent", value)};
    enc.instructions.len = 0;
    assert_int_equal(encode(&enc, i * 4, fields, 2, &out), TERN_OK);
    /* Duplicate: 000 and the index, before the other insertion */
    was_duplicated =
        was_duplicated || (enc.instructions.len > 0 && enc.instructions.data[0] < 0x20);
    if (i > 0)
      assert_true(out.len <= 6); /* two references */
    uint8_t answer[2 * TERN_QPACK_INT_BYTES_MAX];
    uint8_t *end = tern_qpack_int_write(answer, 0x80, 7, i * 4);
    assert_int_equal(tern_qpack_enc_receive(&enc, answer, (size_t)(end - answer)), 0);
  }
  assert_true(was_duplicated);
  tern_qpack_enc_deinit(&enc);
  tern_buf_deinit(&out);
}

/* [rfc9204-2.1.2] */
static void test_encoder_respects_blocked_limit(void **state)
{
  (void)state;
  struct tern_qpack_enc enc;
  struct tern_buf out;
  tern_buf_init(&out, &account);
  tern_qpack_enc_init(&enc, &account, 4096);
  assert_int_equal(tern_qpack_enc_set_peer(&enc, 4096, 2), TERN_OK);
  for (uint64_t i = 0; i < 10; i++) {
    char value[32];
    (void)snprintf(value, sizeof(value), "agent %u", (unsigned)i);
    tern_field field = tern_field_of("user-agent", value);
    assert_int_equal(encode(&enc, i * 4, &field, 1, &out), TERN_OK);
    assert_int_equal(out.data[0] != 0, i < 2); /* refers to the table, or not */
    assert_int_equal(tern_qpack_enc_get_blocked(&enc), i < 2 ? i + 1 : 2);
  }
  /* A stream that is at risk already may go on taking it. */
  tern_field field = tern_field_of("user-agent", "agent 9");
  assert_int_equal(encode(&enc, 0, &field, 1, &out), TERN_OK);
  assert_true(out.data[0] != 0);
  tern_qpack_enc_deinit(&enc);
  tern_buf_deinit(&out);
}

static void test_decoder_stream_errors(void **state)
{
  (void)state;
  static const struct {
    const char *what;
    const char *hex;
    bool is_error;
  } cases[] = {
      {"increment of 0 [rfc9204-4.4.3]", "00", true},
      {"increment beyond what was sent [rfc9204-4.4.3]", "02", true},
      {"increment", "01", false},
      {"acknowledgment", "80", false},
      {"second acknowledgment [rfc9204-4.4.1]", "8080", true},
      {"acknowledgment of another stream", "84", true},
      {"increment after the acknowledgment of all", "8001", true},
      {"cancellation of an unknown stream", "44", false},
      {"acknowledgment after cancellation", "4080", true},
      {"increment beyond 62 bits", "3fffffffffffffffffff7f", true},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct tern_qpack_enc enc;
    struct tern_buf out;
    tern_buf_init(&out, &account);
    tern_qpack_enc_init(&enc, &account, 4096);
    assert_int_equal(tern_qpack_enc_set_peer(&enc, 4096, 100), TERN_OK);
    tern_field field = tern_field_of("user-agent", "tern");
    assert_int_equal(encode(&enc, 0, &field, 1, &out), TERN_OK);
    uint8_t bytes[16];
    size_t len = from_hex(cases[i].hex, bytes);
    uint64_t error = 0;
    for (size_t k = 0; k < len && error == 0; k++)
      error = tern_qpack_enc_receive(&enc, bytes + k, 1);
    if (error != (cases[i].is_error ? TERN_H3_QPACK_DECODER_STREAM_ERROR : 0))
      fail_msg("%s", cases[i].what);
    tern_qpack_enc_deinit(&enc);
    tern_buf_deinit(&out);
  }
}

/* ---- both against each other ------------------------------------------------------------------ */

struct world {
  struct tern_qpack_enc enc;
  struct tern_qpack_dec dec;
  struct tern_buf out;
  struct tern_buf to_decoder;
  struct tern_buf to_encoder;
  uint64_t seed;
};

static uint32_t roll(struct world *world, uint32_t below)
{
  world->seed = world->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(world->seed >> 33) % below;
}

#define OPEN_MAX 12
#define FIELDS_MAX 6

struct open_section {
  bool is_used;
  uint64_t stream_id;
  struct tern_qpack_reader reader;
  struct tern_buf bytes;
  size_t at;
  char names[FIELDS_MAX][24];
  char values[FIELDS_MAX][64];
  tern_field fields[FIELDS_MAX];
  size_t count;
};

static void make_fields(struct world *world, struct open_section *open)
{
  static const char *const names[] = {"user-agent", "x-one", "x-two", ":path", "cookie", "server"};
  open->count = 1 + roll(world, FIELDS_MAX);
  for (size_t i = 0; i < open->count; i++) {
    (void)snprintf(open->names[i], sizeof(open->names[i]), "%s", names[roll(world, 6)]);
    (void)snprintf(open->values[i], sizeof(open->values[i]), "%.*s%u", (int)roll(world, 30),
                   "the quick brown fox jumps over", (unsigned)roll(world, 20));
    open->fields[i] = tern_field_of(open->names[i], open->values[i]);
    open->fields[i].is_never_indexed = roll(world, 12) == 0;
  }
}

static void open_section(struct world *world, struct open_section *open, uint64_t stream_id)
{
  make_fields(world, open);
  open->is_used = true;
  open->stream_id = stream_id;
  open->at = 0;
  struct tern_qpack_enc_args args = {stream_id, open->fields, open->count, roll(world, 10) != 0};
  size_t start;
  assert_int_equal(tern_qpack_enc_section(&world->enc, &args, &open->bytes, &start), TERN_OK);
  tern_buf_drop_front(&open->bytes, start);
  assert_true(tern_buf_append(&world->to_decoder, world->enc.instructions.data,
                              world->enc.instructions.len));
  world->enc.instructions.len = 0;
  tern_qpack_reader_start(&open->reader, stream_id, 100000);
}

static void advance_section(struct world *world, struct open_section *open)
{
  size_t left = open->bytes.len - open->at;
  size_t len = left == 0 ? 0 : 1 + roll(world, (uint32_t)left);
  size_t consumed;
  enum tern_qpack_result result = tern_qpack_reader_feed(
      &open->reader, &world->dec, tern_slice_of(open->bytes.data + open->at, len), &consumed);
  open->at += consumed;
  if (result == TERN_QPACK_BLOCKED)
    return;
  assert_int_equal(result, TERN_QPACK_OK);
  if (open->at < open->bytes.len)
    return;
  const tern_field *fields;
  size_t count;
  assert_int_equal(tern_qpack_reader_finish(&open->reader, &world->dec, &fields, &count),
                   TERN_QPACK_OK);
  assert_int_equal(count, open->count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(fields[i].name.len, open->fields[i].name.len);
    assert_memory_equal(fields[i].name.data, open->fields[i].name.data, fields[i].name.len);
    assert_int_equal(fields[i].value.len, open->fields[i].value.len);
    assert_memory_equal(fields[i].value.data, open->fields[i].value.data, fields[i].value.len);
  }
  open->is_used = false;
}

/* Some bytes of the encoder stream, or of the decoder stream, arrive. */
static void move_streams(struct world *world, struct open_section *opens)
{
  if (world->to_decoder.len > 0 && roll(world, 2) == 0) {
    size_t len = 1 + roll(world, (uint32_t)world->to_decoder.len);
    assert_int_equal(tern_qpack_dec_receive(&world->dec, world->to_decoder.data, len), 0);
    tern_buf_drop_front(&world->to_decoder, len);
    for (size_t i = 0; i < OPEN_MAX; i++) {
      if (opens[i].is_used && opens[i].reader.is_blocked &&
          opens[i].reader.required <= world->dec.table.inserts)
        advance_section(world, &opens[i]);
    }
    if (roll(world, 2) == 0)
      assert_true(tern_qpack_dec_increment(&world->dec));
  }
  assert_true(tern_buf_append(&world->to_encoder, world->dec.instructions.data,
                              world->dec.instructions.len));
  world->dec.instructions.len = 0;
  if (world->to_encoder.len > 0 && roll(world, 2) == 0) {
    size_t len = 1 + roll(world, (uint32_t)world->to_encoder.len);
    assert_int_equal(tern_qpack_enc_receive(&world->enc, world->to_encoder.data, len), 0);
    tern_buf_drop_front(&world->to_encoder, len);
  }
}

static void run_world(uint64_t seed, uint64_t capacity, uint64_t blocked)
{
  struct world world = {.seed = seed};
  struct open_section *opens = calloc(OPEN_MAX, sizeof(*opens));
  tern_qpack_enc_init(&world.enc, &account, 65536);
  tern_qpack_dec_init(&world.dec, &account, capacity, blocked);
  tern_buf_init(&world.to_decoder, &account);
  tern_buf_init(&world.to_encoder, &account);
  assert_int_equal(tern_qpack_enc_set_peer(&world.enc, capacity, blocked), TERN_OK);
  for (size_t i = 0; i < OPEN_MAX; i++) {
    tern_qpack_reader_init(&opens[i].reader, &account);
    tern_buf_init(&opens[i].bytes, &account);
  }
  uint64_t next_id = 0;
  for (int step = 0; step < 1500; step++) {
    struct open_section *open = &opens[roll(&world, OPEN_MAX)];
    if (!open->is_used) {
      open_section(&world, open, next_id);
      next_id += 4;
    } else if (roll(&world, 25) == 0) {
      tern_qpack_reader_cancel(&open->reader, &world.dec);
      assert_true(tern_qpack_dec_cancel_stream(&world.dec, open->stream_id));
      open->is_used = false;
    } else {
      advance_section(&world, open);
    }
    move_streams(&world, opens);
    assert_true(tern_qpack_enc_get_blocked(&world.enc) <= blocked);
    assert_true(world.enc.known <= world.dec.table.inserts);
    assert_true(world.enc.table.oldest >= world.dec.table.oldest);
  }
  for (size_t i = 0; i < OPEN_MAX; i++) {
    tern_qpack_reader_deinit(&opens[i].reader);
    tern_buf_deinit(&opens[i].bytes);
  }
  free(opens);
  tern_qpack_enc_deinit(&world.enc);
  tern_qpack_dec_deinit(&world.dec);
  tern_buf_deinit(&world.to_decoder);
  tern_buf_deinit(&world.to_encoder);
}

/* Sections, encoder stream and decoder stream move in any order and any pieces; streams are cancelled
 * on the way; what comes out is what went in. */
static void test_random_orders(void **state)
{
  (void)state;
  static const uint64_t capacities[] = {0, 64, 200, 1000, 4096, 16384};
  static const uint64_t blocked[] = {0, 1, 3, 100};
  for (uint64_t seed = 1; seed <= 10; seed++) {
    for (size_t c = 0; c < 6; c++) {
      for (size_t b = 0; b < 4; b++)
        run_world(seed * 1000 + c * 10 + b, capacities[c], blocked[b]);
    }
  }
}

static int set_up(void **state)
{
  (void)state;
  tern_alloc_init(&account, &tern_alloc_system, NULL, UINT64_MAX);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  tern_alloc_deinit(&account);
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_encoder_without_table),
      cmocka_unit_test(test_never_indexed),
      cmocka_unit_test(test_no_eviction_without_ack),
      cmocka_unit_test(test_no_room_on_encoder_stream),
      cmocka_unit_test(test_draining),
      cmocka_unit_test(test_encoder_respects_blocked_limit),
      cmocka_unit_test(test_decoder_stream_errors),
      cmocka_unit_test(test_random_orders),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
