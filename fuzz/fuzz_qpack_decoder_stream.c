/* SPDX-License-Identifier: MIT */
/* Any bytes on the decoder stream, between sections that we encode: refused or taken, never more
 * acknowledged than was sent, nothing evicted that is referred to. Input: pairs of a count and that
 * many bytes; after each piece a section is encoded. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "h3/qpack_enc.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition))                                                                              \
      abort();                                                                                     \
  } while (0)

static void check(const struct tern_qpack_enc *enc)
{
  CHECK(enc->known <= enc->table.inserts);
  CHECK(enc->table.size <= enc->table.capacity);
  for (uint32_t i = 0; i < enc->sections_count; i++) {
    CHECK(enc->sections[i].lowest >= enc->table.oldest);
    CHECK(enc->sections[i].required <= enc->table.inserts);
  }
  CHECK(tern_qpack_enc_get_blocked(enc) <= enc->blocked_max);
}

static void encode(struct tern_qpack_enc *enc, struct tern_buf *out, uint64_t stream_id,
                   uint8_t seed)
{
  char value[32];
  (void)snprintf(value, sizeof(value), "value %u", seed % 16u);
  tern_field fields[] = {
      tern_field_of("user-agent", value),
      tern_field_of("x-custom", value),
      tern_field_of(":path", "/"),
  };
  struct tern_qpack_enc_args args = {stream_id, fields, 3, seed % 5 != 0};
  size_t start;
  CHECK(tern_qpack_enc_section(enc, &args, out, &start) == TERN_OK);
  CHECK(start >= TERN_QPACK_FRAME_ROOM && start < out->len);
  enc->instructions.len = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct tern_alloc account;
  struct tern_qpack_enc enc;
  struct tern_buf out;
  if (size < 2)
    return 0;
  tern_alloc_init(&account, &tern_alloc_system, NULL, UINT64_MAX);
  tern_qpack_enc_init(&enc, &account, 4096);
  tern_buf_init(&out, &account);
  CHECK(tern_qpack_enc_set_peer(&enc, data[0] * UINT64_C(32), data[1]) == TERN_OK);
  uint64_t error = 0;
  uint64_t stream_id = 0;
  for (size_t at = 2; at < size && error == 0;) {
    uint8_t head = data[at++];
    size_t len = head % 8u;
    if (len > size - at)
      len = size - at;
    encode(&enc, &out, stream_id, head);
    stream_id += head % 3u * 4u; /* sometimes several sections on one stream */
    check(&enc);
    error = tern_qpack_enc_receive(&enc, data + at, len);
    at += len;
    check(&enc);
  }
  CHECK(error == 0 || error == TERN_H3_QPACK_DECODER_STREAM_ERROR);
  tern_qpack_enc_deinit(&enc);
  tern_buf_deinit(&out);
  tern_alloc_deinit(&account);
  return 0;
}
