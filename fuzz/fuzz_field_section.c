/* SPDX-License-Identifier: MIT */
/* Any encoded field section on any table: the result is the same in one piece and byte by byte; it
 * stays within the limits; and what was decoded, encoded again by our encoder and decoded, is the same
 * list. Input: length of the encoder stream (1 byte), encoder stream, section. */
#include <stdlib.h>

#include "base/alloc.h"
#include "h3/h3_message.h"
#include "h3/qpack_dec.h"
#include "h3/qpack_enc.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition))                                                                              \
      abort();                                                                                     \
  } while (0)

#define SIZE_LIMIT 8192

static enum tern_qpack_result decode(struct tern_qpack_reader *reader, struct tern_qpack_dec *dec,
                                     tern_slice bytes, size_t piece)
{
  tern_qpack_reader_start(reader, 4, SIZE_LIMIT);
  for (size_t at = 0; at < bytes.len;) {
    size_t len = bytes.len - at < piece ? bytes.len - at : piece;
    size_t consumed;
    enum tern_qpack_result result =
        tern_qpack_reader_feed(reader, dec, tern_slice_of(bytes.data + at, len), &consumed);
    if (result != TERN_QPACK_OK)
      return result;
    CHECK(consumed == len);
    at += len;
  }
  return TERN_QPACK_OK;
}

static void check_equal(const tern_field *a, const tern_field *b, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    CHECK(a[i].name.len == b[i].name.len && a[i].value.len == b[i].value.len);
    CHECK(memcmp(a[i].name.data, b[i].name.data, a[i].name.len) == 0);
    CHECK(memcmp(a[i].value.data, b[i].value.data, a[i].value.len) == 0);
    CHECK(!a[i].is_never_indexed || b[i].is_never_indexed);
  }
}

/* Through our encoder and a fresh decoder, twice, so that the second time uses the table. */
static void go_round(struct tern_alloc *account, const tern_field *fields, size_t count)
{
  struct tern_qpack_enc enc;
  struct tern_qpack_dec dec;
  struct tern_qpack_reader reader;
  struct tern_buf out;
  tern_qpack_enc_init(&enc, account, 1024);
  tern_qpack_dec_init(&dec, account, 1024, 8);
  tern_qpack_reader_init(&reader, account);
  tern_buf_init(&out, account);
  CHECK(tern_qpack_enc_set_peer(&enc, 1024, 8) == TERN_OK);
  for (uint64_t round = 0; round < 2; round++) {
    struct tern_qpack_enc_args args = {round * 4, fields, count, true};
    size_t start;
    CHECK(tern_qpack_enc_section(&enc, &args, &out, &start) == TERN_OK);
    CHECK(tern_qpack_dec_receive(&dec, enc.instructions.data, enc.instructions.len) == 0);
    enc.instructions.len = 0;
    tern_slice bytes = tern_slice_of(out.data + start, out.len - start);
    CHECK(decode(&reader, &dec, bytes, 7) == TERN_QPACK_OK);
    const tern_field *again;
    size_t again_count;
    CHECK(tern_qpack_reader_finish(&reader, &dec, &again, &again_count) == TERN_QPACK_OK);
    CHECK(again_count == count);
    check_equal(fields, again, count);
  }
  tern_qpack_enc_deinit(&enc);
  tern_qpack_dec_deinit(&dec);
  tern_qpack_reader_deinit(&reader);
  tern_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  size_t instructions = data[0] < size - 1 ? data[0] : size - 1;
  tern_slice section = tern_slice_of(data + 1 + instructions, size - 1 - instructions);
  struct tern_alloc account;
  struct tern_qpack_dec dec;
  struct tern_qpack_reader whole;
  struct tern_qpack_reader pieces;
  tern_alloc_init(&account, &tern_alloc_system, NULL, UINT64_MAX);
  tern_qpack_dec_init(&dec, &account, 4096, 8);
  tern_qpack_reader_init(&whole, &account);
  tern_qpack_reader_init(&pieces, &account);
  if (tern_qpack_dec_receive(&dec, data + 1, instructions) == 0) {
    enum tern_qpack_result result = decode(&whole, &dec, section, SIZE_MAX);
    enum tern_qpack_result other = decode(&pieces, &dec, section, 1);
    CHECK(result == other);
    CHECK(result != TERN_QPACK_NO_MEMORY);
    if (result == TERN_QPACK_OK) {
      const tern_field *a;
      const tern_field *b;
      size_t a_count = 0;
      size_t b_count = 0;
      result = tern_qpack_reader_finish(&whole, &dec, &a, &a_count);
      other = tern_qpack_reader_finish(&pieces, &dec, &b, &b_count);
      CHECK(result == other && a_count == b_count);
      if (result == TERN_QPACK_OK) {
        struct tern_h3_head head;
        check_equal(a, b, a_count);
        CHECK(tern_h3_fields_size(a, a_count) <= SIZE_LIMIT);
        (void)tern_h3_check_request(a, a_count, &head);
        (void)tern_h3_check_response(a, a_count, &head);
        (void)tern_h3_check_trailers(a, a_count);
        go_round(&account, a, a_count);
      }
    }
    tern_qpack_reader_cancel(&whole, &dec);
    tern_qpack_reader_cancel(&pieces, &dec);
    CHECK(dec.blocked == 0);
  }
  tern_qpack_reader_deinit(&whole);
  tern_qpack_reader_deinit(&pieces);
  tern_qpack_dec_deinit(&dec);
  tern_alloc_deinit(&account);
  return 0;
}
