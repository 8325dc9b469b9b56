/* SPDX-License-Identifier: MIT */
/* An encoded field section [rfc9204-4.5], read in any split.
 *
 *   RIC -> BASE -> LINE -> INDEX -----------------------------> line complete
 *                       |       \-> VALUE_START -> VALUE_LEN -> VALUE -> line complete
 *                       \-> NAME_LEN -> NAME -> VALUE_START ...
 *
 * Names and values are copied, from the tables too: what the peer evicts meanwhile cannot change what
 * was decoded, and the copies are bounded by the limit on the decoded size. */
#include <string.h>

#include "h3/qpack_dec.h"

enum state { RIC, RIC_MORE, BASE, BASE_MORE, LINE, INDEX, NAME, VALUE_START, VALUE_LEN, VALUE };

enum opcode {
  INDEXED_STATIC,
  INDEXED_DYNAMIC,
  INDEXED_POST,
  REF_STATIC,
  REF_DYNAMIC,
  REF_POST,
  LITERAL,
  LITERAL_HUFFMAN
};

#define KEEP_BYTES 4096

void tern_qpack_reader_init(struct tern_qpack_reader *reader, struct tern_alloc *alloc)
{
  *reader = (struct tern_qpack_reader){0};
  tern_buf_init(&reader->text, alloc);
  tern_buf_init(&reader->lines, alloc);
  tern_buf_init(&reader->fields, alloc);
}

void tern_qpack_reader_deinit(struct tern_qpack_reader *reader)
{
  tern_buf_deinit(&reader->text);
  tern_buf_deinit(&reader->lines);
  tern_buf_deinit(&reader->fields);
}

void tern_qpack_reader_start(struct tern_qpack_reader *reader, uint64_t stream_id,
                             uint64_t size_max)
{
  tern_buf_clear(&reader->text, KEEP_BYTES);
  tern_buf_clear(&reader->lines, KEEP_BYTES);
  tern_buf_clear(&reader->fields, KEEP_BYTES);
  reader->stream_id = stream_id;
  reader->size_max = size_max;
  reader->size = 0;
  reader->required = 0;
  reader->base = 0;
  reader->state = RIC;
  reader->is_blocked = false;
}

void tern_qpack_reader_cancel(struct tern_qpack_reader *reader, struct tern_qpack_dec *dec)
{
  if (reader->is_blocked)
    dec->blocked--;
  tern_qpack_reader_start(reader, reader->stream_id, reader->size_max);
}

/* [rfc9204-4.5.1.1] False: no conformant encoder writes this. */
static bool restore_required(const struct tern_qpack_dec *dec, uint64_t encoded, uint64_t *required)
{
  uint64_t entries_max = dec->capacity_max / TERN_QPACK_ENTRY_OVERHEAD;
  uint64_t range = 2 * entries_max;
  *required = 0;
  if (encoded == 0)
    return true;
  if (encoded > range)
    return false;
  uint64_t max = dec->table.inserts + entries_max;
  uint64_t wrapped = max / range * range;
  *required = wrapped + encoded - 1;
  if (*required > max) {
    if (*required <= range)
      return false;
    *required -= range;
  }
  return *required != 0;
}

/* [rfc9204-4.5.1.2] */
static bool restore_base(struct tern_qpack_reader *reader)
{
  uint64_t delta = reader->integer.value;
  if (!reader->sign) {
    reader->base = reader->required + delta;
    return true;
  }
  if (reader->required <= delta)
    return false; /* Base MUST NOT be negative */
  reader->base = reader->required - delta - 1;
  return true;
}

/* Copies text to the end of the buffer. */
static enum tern_qpack_result copy(struct tern_qpack_reader *reader, tern_slice text)
{
  return tern_buf_append(&reader->text, text.data, text.len) ? TERN_QPACK_OK : TERN_QPACK_NO_MEMORY;
}

/* What the limits leave for the next string of the current line. */
static size_t room_for(const struct tern_qpack_reader *reader, size_t used, size_t cap)
{
  uint64_t size = reader->size + TERN_QPACK_ENTRY_OVERHEAD + used;
  uint64_t left = size >= reader->size_max ? 0 : reader->size_max - size;
  return left < cap ? (size_t)left : cap;
}

/* The line fits into what is left of the section's size [rfc9114-4.2.2]. */
static bool has_room(const struct tern_qpack_reader *reader, size_t name_len, size_t value_len)
{
  return name_len <= TERN_CAP_FIELD_NAME && value_len <= TERN_CAP_FIELD_VALUE &&
         reader->size + tern_qpack_entry_size(name_len, value_len) <= reader->size_max;
}

static enum tern_qpack_result finish_line(struct tern_qpack_reader *reader)
{
  struct tern_qpack_line *line = &reader->line;
  line->value_len = (uint32_t)reader->text.len - line->value_at;
  if (!has_room(reader, line->name_len, line->value_len))
    return TERN_QPACK_TOO_LARGE;
  reader->size += tern_qpack_entry_size(line->name_len, line->value_len);
  reader->state = LINE;
  return tern_buf_append(&reader->lines, line, sizeof(*line)) ? TERN_QPACK_OK
                                                              : TERN_QPACK_NO_MEMORY;
}

static enum tern_qpack_result finish_name(struct tern_qpack_reader *reader)
{
  struct tern_qpack_line *line = &reader->line;
  line->name_len = (uint32_t)reader->text.len - line->name_at;
  line->value_at = (uint32_t)reader->text.len;
  reader->state = VALUE_START;
  return has_room(reader, line->name_len, 0) ? TERN_QPACK_OK : TERN_QPACK_TOO_LARGE;
}

/* The entry that the index means, in slices that are good until the next insertion. */
static bool resolve(const struct tern_qpack_reader *reader, const struct tern_qpack_dec *dec,
                    struct tern_qpack_static *out)
{
  uint64_t index = reader->integer.value;
  enum opcode opcode = (enum opcode)reader->opcode;
  if (opcode == INDEXED_STATIC || opcode == REF_STATIC)
    return tern_qpack_static_find(index, out); /* [rfc9204-3.1] */
  if (opcode == INDEXED_POST || opcode == REF_POST)
    index += reader->base; /* [rfc9204-3.2.6] */
  else if (index < reader->base)
    index = reader->base - 1 - index; /* [rfc9204-3.2.5] */
  else
    return false;
  /* [rfc9204-2.2.3] evicted, or not covered by the Required Insert Count */
  if (index >= reader->required || !tern_qpack_table_has(&dec->table, index))
    return false;
  out->name = tern_qpack_table_get_name(&dec->table, index);
  out->value = tern_qpack_table_get_value(&dec->table, index);
  return true;
}

static enum tern_qpack_result on_index(struct tern_qpack_reader *reader, struct tern_qpack_dec *dec)
{
  struct tern_qpack_static entry;
  if (!resolve(reader, dec, &entry))
    return TERN_QPACK_ERROR;
  bool is_whole = reader->opcode <= INDEXED_POST;
  if (!has_room(reader, entry.name.len, is_whole ? entry.value.len : 0))
    return TERN_QPACK_TOO_LARGE; /* before the copy */
  enum tern_qpack_result result = copy(reader, entry.name);
  if (result == TERN_QPACK_OK)
    result = finish_name(reader);
  if (result != TERN_QPACK_OK || !is_whole)
    return result;
  result = copy(reader, entry.value);
  return result == TERN_QPACK_OK ? finish_line(reader) : result;
}

/* The first byte of a line [rfc9204-4.5.2] to [rfc9204-4.5.6]. */
static enum tern_qpack_int_result start_line(struct tern_qpack_reader *reader, uint8_t byte)
{
  static const struct {
    uint8_t from; /* smallest first byte */
    uint8_t opcode;
    uint8_t prefix_bits;
    uint8_t never; /* bit that says never-indexed */
  } forms[] = {
      {0xc0, INDEXED_STATIC, 6, 0},     {0x80, INDEXED_DYNAMIC, 6, 0},
      {0x70, REF_STATIC, 4, 0x20},      {0x60, REF_DYNAMIC, 4, 0x20},
      {0x50, REF_STATIC, 4, 0x20},      {0x40, REF_DYNAMIC, 4, 0x20},
      {0x38, LITERAL_HUFFMAN, 3, 0x10}, {0x30, LITERAL, 3, 0x10},
      {0x28, LITERAL_HUFFMAN, 3, 0x10}, {0x20, LITERAL, 3, 0x10},
      {0x10, INDEXED_POST, 4, 0},       {0x00, REF_POST, 3, 0x08},
  };
  size_t i = 0;
  while (byte < forms[i].from)
    i++;
  reader->opcode = forms[i].opcode;
  reader->state = INDEX;
  reader->line.is_never_indexed = (byte & forms[i].never) != 0;
  reader->line.name_at = (uint32_t)reader->text.len;
  return tern_qpack_int_start(&reader->integer, byte, forms[i].prefix_bits);
}

static enum tern_qpack_result start_string(struct tern_qpack_reader *reader, bool is_huffman,
                                           size_t max)
{
  return tern_qpack_string_start(&reader->string, is_huffman, reader->integer.value, max)
             ? TERN_QPACK_OK
             : TERN_QPACK_TOO_LARGE;
}

/* An integer is complete; what it was depends on the state. */
static enum tern_qpack_result on_integer(struct tern_qpack_reader *reader,
                                         struct tern_qpack_dec *dec)
{
  if (reader->state == RIC_MORE) {
    reader->state = BASE;
    return restore_required(dec, reader->integer.value, &reader->required) ? TERN_QPACK_OK
                                                                           : TERN_QPACK_ERROR;
  }
  if (reader->state == BASE_MORE) {
    reader->state = LINE;
    return restore_base(reader) ? TERN_QPACK_OK : TERN_QPACK_ERROR;
  }
  if (reader->state == VALUE_LEN) {
    reader->state = VALUE;
    return start_string(reader, reader->string.is_huffman,
                        room_for(reader, reader->line.name_len, TERN_CAP_FIELD_VALUE));
  }
  if (reader->opcode < LITERAL)
    return on_index(reader, dec);
  reader->state = NAME;
  return start_string(reader, reader->opcode == LITERAL_HUFFMAN,
                      room_for(reader, 0, TERN_CAP_FIELD_NAME));
}

/* One byte of an integer. */
static enum tern_qpack_result read_byte(struct tern_qpack_reader *reader,
                                        struct tern_qpack_dec *dec, uint8_t byte)
{
  enum tern_qpack_int_result result = TERN_QPACK_INT_ERROR;
  switch ((enum state)reader->state) {
  case RIC:
    reader->state = RIC_MORE;
    result = tern_qpack_int_start(&reader->integer, byte, 8);
    break;
  case BASE:
    reader->state = BASE_MORE;
    reader->sign = (byte & 0x80) != 0;
    result = tern_qpack_int_start(&reader->integer, byte, 7);
    break;
  case LINE:
    result = start_line(reader, byte);
    break;
  case VALUE_START:
    reader->state = VALUE_LEN;
    reader->string.is_huffman = (byte & 0x80) != 0;
    result = tern_qpack_int_start(&reader->integer, byte, 7);
    break;
  case RIC_MORE:
  case BASE_MORE:
  case INDEX:
  case VALUE_LEN:
    result = tern_qpack_int_next(&reader->integer, byte);
    break;
  case NAME:
  case VALUE:
    break; /* strings are not read here */
  }
  if (result == TERN_QPACK_INT_DONE)
    return on_integer(reader, dec);
  return result == TERN_QPACK_INT_MORE ? TERN_QPACK_OK : TERN_QPACK_ERROR;
}

static enum tern_qpack_result read_string(struct tern_qpack_reader *reader, const uint8_t **at,
                                          const uint8_t *end)
{
  switch (tern_qpack_string_feed(&reader->string, &reader->text, at, end)) {
  case TERN_QPACK_STRING_MORE:
    return TERN_QPACK_OK;
  case TERN_QPACK_STRING_DONE:
    return reader->state == NAME ? finish_name(reader) : finish_line(reader);
  case TERN_QPACK_STRING_TOO_LONG:
    return TERN_QPACK_TOO_LARGE;
  case TERN_QPACK_STRING_NO_MEMORY:
    return TERN_QPACK_NO_MEMORY;
  case TERN_QPACK_STRING_ERROR:
    break;
  }
  return TERN_QPACK_ERROR;
}

/* [rfc9204-2.1.2] Waits if insertions are missing; more waiting sections than we allowed is an
 * error. */
static enum tern_qpack_result check_blocked(struct tern_qpack_reader *reader,
                                            struct tern_qpack_dec *dec)
{
  if (reader->state != LINE || reader->required <= dec->table.inserts) {
    if (reader->is_blocked) {
      reader->is_blocked = false;
      dec->blocked--;
    }
    return TERN_QPACK_OK;
  }
  if (reader->is_blocked)
    return TERN_QPACK_BLOCKED;
  if (dec->blocked >= dec->blocked_max)
    return TERN_QPACK_ERROR;
  reader->is_blocked = true;
  dec->blocked++;
  return TERN_QPACK_BLOCKED;
}

enum tern_qpack_result tern_qpack_reader_feed(struct tern_qpack_reader *reader,
                                              struct tern_qpack_dec *dec, tern_slice data,
                                              size_t *consumed)
{
  static const uint8_t nothing[1];
  const uint8_t *at = data.len == 0 ? nothing : data.data;
  const uint8_t *begin = at;
  const uint8_t *end = at + data.len;
  enum tern_qpack_result result = check_blocked(reader, dec);
  while (result == TERN_QPACK_OK) {
    bool is_string = reader->state == NAME || reader->state == VALUE;
    if (at == end && !(is_string && reader->string.left == 0))
      break;
    bool is_prefix = reader->state < LINE;
    if (is_string)
      result = read_string(reader, &at, end);
    else
      result = read_byte(reader, dec, *at++);
    if (is_prefix && result == TERN_QPACK_OK)
      result = check_blocked(reader, dec);
  }
  *consumed = (size_t)(at - begin);
  return result;
}

static enum tern_qpack_result make_fields(struct tern_qpack_reader *reader, size_t *count)
{
  *count = reader->lines.len / sizeof(struct tern_qpack_line);
  reader->fields.len = 0;
  void *room = tern_buf_reserve(&reader->fields, *count * sizeof(tern_field));
  if (room == NULL || tern_buf_reserve(&reader->text, 0) == NULL) /* never NULL, even if empty */
    return TERN_QPACK_NO_MEMORY;
  tern_field *field = room;
  const struct tern_qpack_line *line = (const void *)reader->lines.data;
  for (size_t i = 0; i < *count; i++, field++, line++) {
    field->name = tern_slice_of(reader->text.data + line->name_at, line->name_len);
    field->value = tern_slice_of(reader->text.data + line->value_at, line->value_len);
    field->is_never_indexed = line->is_never_indexed;
  }
  return TERN_QPACK_OK;
}

enum tern_qpack_result tern_qpack_reader_finish(struct tern_qpack_reader *reader,
                                                struct tern_qpack_dec *dec,
                                                const tern_field **fields, size_t *count)
{
  if (reader->state != LINE || reader->is_blocked)
    return TERN_QPACK_ERROR; /* cut inside a line, or shorter than its prefix */
  enum tern_qpack_result result = make_fields(reader, count);
  if (result != TERN_QPACK_OK)
    return result;
  *fields = (const void *)reader->fields.data;
  if (reader->required == 0)
    return TERN_QPACK_OK;
  /* [rfc9204-4.4.1] which also acknowledges the insertions it needed */
  uint8_t *room = tern_buf_reserve(&dec->instructions, TERN_QPACK_INT_BYTES_MAX);
  if (room == NULL)
    return TERN_QPACK_NO_MEMORY;
  dec->instructions.len +=
      (uint32_t)(tern_qpack_int_write(room, 0x80, 7, reader->stream_id) - room);
  if (dec->known < reader->required)
    dec->known = reader->required;
  return TERN_QPACK_OK;
}
