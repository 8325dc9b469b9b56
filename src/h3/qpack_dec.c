/* SPDX-License-Identifier: MIT */
/* The peer's encoder stream [rfc9204-4.3]. A state per thing that can be cut in two:
 *
 *   START -> INTEGER ------------------------------------> act (capacity, duplicate)
 *                  \-> VALUE_START -> VALUE_LEN -> VALUE -> insert
 *                  \-> NAME -> VALUE_START ...
 */
#include "h3/qpack_dec.h"

enum state { START, INTEGER, NAME, VALUE_START, VALUE_LEN, VALUE };

enum opcode {
  INSERT_STATIC,
  INSERT_DYNAMIC,
  INSERT_LITERAL,
  INSERT_LITERAL_HUFFMAN,
  CAPACITY,
  DUPLICATE
};

#define KEEP_BYTES 1024

void tern_qpack_dec_init(struct tern_qpack_dec *dec, struct tern_alloc *alloc,
                         uint64_t capacity_max, uint64_t blocked_max)
{
  *dec = (struct tern_qpack_dec){.capacity_max = capacity_max, .blocked_max = blocked_max};
  tern_qpack_table_init(&dec->table, alloc);
  tern_buf_init(&dec->instructions, alloc);
  tern_buf_init(&dec->text, alloc);
}

void tern_qpack_dec_deinit(struct tern_qpack_dec *dec)
{
  tern_qpack_table_deinit(&dec->table);
  tern_buf_deinit(&dec->instructions);
  tern_buf_deinit(&dec->text);
}

/* Most decoded bytes of a string so that the entry fits: [rfc9204-3.2.2] a larger one is an error, and
 * it is known to be one when the length is. */
static bool start_string(struct tern_qpack_dec *dec, bool is_huffman, size_t other_len)
{
  uint64_t used = tern_qpack_entry_size(other_len, 0);
  uint64_t capacity = dec->table.capacity;
  if (used > capacity)
    return false;
  return tern_qpack_string_start(&dec->string, is_huffman, dec->integer.value,
                                 (size_t)(capacity - used));
}

static uint64_t status_error(tern_status status)
{
  if (status == TERN_OK)
    return 0;
  return status == TERN_NOMEM ? TERN_H3_INTERNAL_ERROR : TERN_H3_QPACK_ENCODER_STREAM_ERROR;
}

/* [rfc9204-3.2.5] relative to the insertion point; false if evicted or never there */
static bool find_absolute(const struct tern_qpack_dec *dec, uint64_t relative, uint64_t *index)
{
  if (relative >= dec->table.inserts)
    return false;
  *index = dec->table.inserts - 1 - relative;
  return tern_qpack_table_has(&dec->table, *index);
}

static uint64_t duplicate(struct tern_qpack_dec *dec)
{
  uint64_t index;
  if (!find_absolute(dec, dec->integer.value, &index))
    return TERN_H3_QPACK_ENCODER_STREAM_ERROR; /* [rfc9204-2.2.3] */
  return status_error(tern_qpack_table_insert(&dec->table,
                                              tern_qpack_table_get_name(&dec->table, index),
                                              tern_qpack_table_get_value(&dec->table, index)));
}

/* The name's length, so that the value can be measured against the rest. */
static bool resolve_name(struct tern_qpack_dec *dec)
{
  struct tern_qpack_static line;
  if (dec->opcode == INSERT_STATIC) {
    dec->name_index = dec->integer.value;
    if (!tern_qpack_static_find(dec->name_index, &line))
      return false; /* [rfc9204-3.1] */
    dec->name_len = line.name.len;
    return true;
  }
  if (!find_absolute(dec, dec->integer.value, &dec->name_index))
    return false;
  dec->name_len = tern_qpack_table_get_name(&dec->table, dec->name_index).len;
  return true;
}

/* The integer after the opcode is complete. */
static uint64_t on_integer(struct tern_qpack_dec *dec)
{
  dec->state = START;
  switch ((enum opcode)dec->opcode) {
  case CAPACITY:
    if (dec->integer.value > dec->capacity_max)
      return TERN_H3_QPACK_ENCODER_STREAM_ERROR; /* [rfc9204-4.3.1] */
    tern_qpack_table_set_capacity(&dec->table, dec->integer.value);
    return 0;
  case DUPLICATE:
    return duplicate(dec);
  case INSERT_STATIC:
  case INSERT_DYNAMIC:
    dec->state = VALUE_START;
    return resolve_name(dec) ? 0 : TERN_H3_QPACK_ENCODER_STREAM_ERROR;
  case INSERT_LITERAL:
  case INSERT_LITERAL_HUFFMAN:
    dec->state = NAME;
    return start_string(dec, dec->opcode == INSERT_LITERAL_HUFFMAN, 0)
               ? 0
               : TERN_H3_QPACK_ENCODER_STREAM_ERROR;
  }
  return TERN_H3_INTERNAL_ERROR;
}

static enum tern_qpack_int_result start(struct tern_qpack_dec *dec, uint8_t byte)
{
  static const struct {
    uint8_t from; /* smallest first byte */
    uint8_t opcode;
    uint8_t prefix_bits;
  } forms[] = {
      {0xc0, INSERT_STATIC, 6},  {0x80, INSERT_DYNAMIC, 6}, {0x60, INSERT_LITERAL_HUFFMAN, 5},
      {0x40, INSERT_LITERAL, 5}, {0x20, CAPACITY, 5},       {0x00, DUPLICATE, 5},
  };
  size_t i = 0;
  while (byte < forms[i].from)
    i++;
  dec->opcode = forms[i].opcode;
  dec->state = INTEGER;
  dec->text.len = 0;
  return tern_qpack_int_start(&dec->integer, byte, forms[i].prefix_bits);
}

/* The value is complete: the entry goes in. The capacity was checked before; it cannot change inside
 * an instruction, and neither can the entry that the name refers to. */
static uint64_t insert(struct tern_qpack_dec *dec)
{
  struct tern_qpack_static line;
  tern_slice name = tern_slice_of(dec->text.data, dec->name_len);
  tern_slice value = tern_slice_of(dec->text.data, dec->text.len);
  if (dec->opcode == INSERT_STATIC && tern_qpack_static_find(dec->name_index, &line))
    name = line.name;
  else if (dec->opcode == INSERT_DYNAMIC)
    name = tern_qpack_table_get_name(&dec->table, dec->name_index);
  else if (dec->name_len != 0)
    value = tern_slice_of(dec->text.data + dec->name_len, dec->text.len - dec->name_len);
  tern_status status = tern_qpack_table_insert(&dec->table, name, value);
  tern_buf_clear(&dec->text, KEEP_BYTES);
  dec->state = START;
  return status_error(status);
}

static uint64_t on_string(struct tern_qpack_dec *dec, enum tern_qpack_string_result result)
{
  switch (result) {
  case TERN_QPACK_STRING_MORE:
    return 0;
  case TERN_QPACK_STRING_DONE:
    if (dec->state == VALUE)
      return insert(dec);
    dec->name_len = dec->text.len;
    dec->state = VALUE_START;
    return 0;
  case TERN_QPACK_STRING_NO_MEMORY:
    return TERN_H3_INTERNAL_ERROR;
  case TERN_QPACK_STRING_TOO_LONG:
  case TERN_QPACK_STRING_ERROR:
    break;
  }
  return TERN_H3_QPACK_ENCODER_STREAM_ERROR;
}

static uint64_t on_value_len(struct tern_qpack_dec *dec)
{
  dec->state = VALUE;
  if (!start_string(dec, dec->string.is_huffman, dec->name_len))
    return TERN_H3_QPACK_ENCODER_STREAM_ERROR;
  return 0;
}

/* One byte of an integer. */
static uint64_t read_byte(struct tern_qpack_dec *dec, uint8_t byte)
{
  enum tern_qpack_int_result result;
  if (dec->state == START) {
    result = start(dec, byte);
  } else if (dec->state == VALUE_START) {
    dec->string.is_huffman = (byte & 0x80) != 0;
    dec->state = VALUE_LEN;
    result = tern_qpack_int_start(&dec->integer, byte, 7);
  } else {
    result = tern_qpack_int_next(&dec->integer, byte);
  }
  if (result == TERN_QPACK_INT_ERROR)
    return TERN_H3_QPACK_ENCODER_STREAM_ERROR;
  if (result == TERN_QPACK_INT_MORE)
    return 0;
  return dec->state == INTEGER ? on_integer(dec) : on_value_len(dec);
}

uint64_t tern_qpack_dec_receive(struct tern_qpack_dec *dec, const uint8_t *data, size_t len)
{
  const uint8_t *at = data;
  const uint8_t *end = data + len;
  uint64_t error = 0;
  while (error == 0) {
    bool is_string = dec->state == NAME || dec->state == VALUE;
    /* An empty string is complete without a further byte. */
    if (at == end && !(is_string && dec->string.left == 0))
      break;
    if (is_string)
      error = on_string(dec, tern_qpack_string_feed(&dec->string, &dec->text, &at, end));
    else
      error = read_byte(dec, *at++);
  }
  return error;
}

bool tern_qpack_dec_increment(struct tern_qpack_dec *dec)
{
  uint64_t increment = dec->table.inserts - dec->known;
  if (increment == 0)
    return true;
  uint8_t *room = tern_buf_reserve(&dec->instructions, TERN_QPACK_INT_BYTES_MAX);
  if (room == NULL)
    return false;
  dec->instructions.len += (uint32_t)(tern_qpack_int_write(room, 0x00, 6, increment) - room);
  dec->known = dec->table.inserts;
  return true;
}

bool tern_qpack_dec_cancel_stream(struct tern_qpack_dec *dec, uint64_t stream_id)
{
  if (dec->capacity_max == 0)
    return true; /* [rfc9204-2.2.2.2] there can be no references */
  uint8_t *room = tern_buf_reserve(&dec->instructions, TERN_QPACK_INT_BYTES_MAX);
  if (room == NULL)
    return false;
  dec->instructions.len += (uint32_t)(tern_qpack_int_write(room, 0x40, 6, stream_id) - room);
  return true;
}
