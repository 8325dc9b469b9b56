/* SPDX-License-Identifier: MIT */
/* Any bytes on the encoder stream: refused or taken, the same whether they come at once or one by one,
 * and the table stays within its capacity. First byte: the capacity we allow, in units of 64. */
#include <stdlib.h>

#include "base/alloc.h"
#include "h3/qpack_dec.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition))                                                                              \
      abort();                                                                                     \
  } while (0)

static void check_table(const struct tern_qpack_dec *dec)
{
  const struct tern_qpack_table *table = &dec->table;
  uint64_t size = 0;
  for (uint64_t index = table->oldest; index < table->inserts; index++)
    size += tern_qpack_entry_size(tern_qpack_table_get_name(table, index).len,
                                  tern_qpack_table_get_value(table, index).len);
  CHECK(size == table->size);
  CHECK(size <= table->capacity);
  CHECK(table->capacity <= dec->capacity_max);
}

static void check_equal(const struct tern_qpack_dec *a, const struct tern_qpack_dec *b)
{
  CHECK(a->table.inserts == b->table.inserts);
  CHECK(a->table.oldest == b->table.oldest);
  CHECK(a->table.capacity == b->table.capacity);
  for (uint64_t index = a->table.oldest; index < a->table.inserts; index++) {
    tern_slice x = tern_qpack_table_get_value(&a->table, index);
    tern_slice y = tern_qpack_table_get_value(&b->table, index);
    CHECK(x.len == y.len && (x.len == 0 || memcmp(x.data, y.data, x.len) == 0));
    x = tern_qpack_table_get_name(&a->table, index);
    y = tern_qpack_table_get_name(&b->table, index);
    CHECK(x.len == y.len && (x.len == 0 || memcmp(x.data, y.data, x.len) == 0));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  struct tern_alloc account;
  struct tern_qpack_dec whole;
  struct tern_qpack_dec pieces;
  uint64_t capacity = data[0] * UINT64_C(64);
  tern_alloc_init(&account, &tern_alloc_system, NULL, UINT64_MAX);
  tern_qpack_dec_init(&whole, &account, capacity, 0);
  tern_qpack_dec_init(&pieces, &account, capacity, 0);
  uint64_t error = tern_qpack_dec_receive(&whole, data + 1, size - 1);
  uint64_t other = 0;
  for (size_t i = 1; i < size && other == 0; i++)
    other = tern_qpack_dec_receive(&pieces, data + i, 1);
  CHECK(error == other);
  CHECK(error == 0 || error == TERN_H3_QPACK_ENCODER_STREAM_ERROR);
  check_table(&whole);
  check_equal(&whole, &pieces);
  /* Two tables, each with its bytes (up to 4 times the capacity) and entries. */
  CHECK(account.used_bytes <= 2 * (6 * capacity + capacity / 32 * 96 + 4096));
  CHECK(tern_qpack_dec_increment(&whole));
  tern_qpack_dec_deinit(&whole);
  tern_qpack_dec_deinit(&pieces);
  tern_alloc_deinit(&account);
  return 0;
}
