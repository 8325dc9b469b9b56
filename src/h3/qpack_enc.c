/* SPDX-License-Identifier: MIT */
/* The decisions of the encoder, line by line, in one pass [rfc9204-C]: Base is the insert count at the
 * start, so what is inserted on the way is referred to by post-Base indices. */
#include "h3/qpack_enc.h"

#include <string.h>

#include "base/assert.h"

#define PREFIX_ROOM (2 * TERN_QPACK_INT_BYTES_MAX)
#define LINE_ROOM (2 * TERN_QPACK_INT_BYTES_MAX)
#define COOKIE_SECRET_MAX 20 /* shorter cookies can be guessed as a whole [rfc9204-7.1.3] */
#define KEEP_BYTES 8192

enum opcode { NONE, SECTION_ACK, CANCEL, INCREMENT };

/* How a name's values behave. */
enum habit { REPEATS, VARIES, SECRET, UNKNOWN };

/* What is known while one section is encoded. */
struct section {
  struct tern_qpack_enc *enc;
  const struct tern_qpack_enc_args *args;
  struct tern_buf *out;
  uint64_t base;
  uint64_t required;
  uint64_t lowest; /* TERN_QPACK_NONE: no reference yet */
  bool can_refer;  /* the section can be tracked */
  bool can_block;
};

/* One line and what the tables say about it. */
struct line {
  tern_slice name;
  tern_slice value;
  uint32_t name_hash;
  uint32_t full_hash;
  bool is_never_indexed;
  struct tern_qpack_match fixed; /* in the static table */
  enum habit habit;
};

void tern_qpack_enc_init(struct tern_qpack_enc *enc, struct tern_alloc *alloc, uint64_t use_max)
{
  *enc = (struct tern_qpack_enc){.alloc = alloc, .use_max = use_max};
  tern_qpack_table_init(&enc->table, alloc);
  tern_buf_init(&enc->instructions, alloc);
}

static void drop_sections(struct tern_qpack_enc *enc)
{
  tern_alloc_give(enc->alloc, enc->sections,
                  enc->sections_capacity * sizeof(struct tern_qpack_section));
  enc->sections = NULL;
  enc->sections_capacity = 0;
}

static void drop_index(struct tern_qpack_enc *enc)
{
  tern_alloc_give(enc->alloc, enc->index, sizeof(*enc->index));
  enc->index = NULL;
}

void tern_qpack_enc_deinit(struct tern_qpack_enc *enc)
{
  tern_qpack_table_deinit(&enc->table);
  tern_buf_deinit(&enc->instructions);
  drop_sections(enc);
  drop_index(enc);
}

void tern_qpack_enc_trim(struct tern_qpack_enc *enc)
{
  drop_index(enc);
  if (enc->sections_count == 0)
    drop_sections(enc);
  if (enc->instructions.len == 0)
    tern_buf_deinit(&enc->instructions);
}

tern_status tern_qpack_enc_set_peer(struct tern_qpack_enc *enc, uint64_t capacity_max,
                                    uint64_t blocked_max)
{
  uint64_t capacity = capacity_max < enc->use_max ? capacity_max : enc->use_max;
  enc->capacity_max = capacity_max;
  enc->blocked_max = blocked_max < TERN_QPACK_RISK_MAX ? blocked_max : TERN_QPACK_RISK_MAX;
  if (capacity == 0)
    return TERN_OK; /* [rfc9204-3.2.3] no instructions at all */
  uint8_t *room = tern_buf_reserve(&enc->instructions, TERN_QPACK_INT_BYTES_MAX);
  if (room == NULL)
    return TERN_NOMEM;
  enc->instructions.len += (uint32_t)(tern_qpack_int_write(room, 0x20, 5, capacity) - room);
  tern_qpack_table_set_capacity(&enc->table, capacity);
  return TERN_OK;
}

/* ---- looking up -------------------------------------------------------------------------- */

/* Multiply and fold, eight bytes at a time. Collisions cost compression, never correctness, and the
 * table has few entries, so a key is not needed. */
static uint64_t hash_bytes(uint64_t hash, tern_slice text)
{
  const uint8_t *at = text.data;
  size_t left = text.len;
  while (left >= 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
    at += 8;
    left -= 8;
  }
  uint64_t word = left;
  for (size_t i = 0; i < left; i++)
    word = word << 8 | at[i];
  hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 29;
}

static bool is_equal(tern_slice a, tern_slice b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_name(tern_slice name, const char *text)
{
  return is_equal(name, tern_slice_of(text, strlen(text)));
}

/* True if the section may refer to the entry: acknowledged, or the risk is allowed. */
static bool can_use(const struct section *section, uint64_t index)
{
  return section->can_refer && (index < section->enc->known || section->can_block);
}

/* The newest usable entry with this name and value; `*newest` gets the newest of all. */
static uint64_t find_full(const struct section *section, const struct line *line, uint64_t *newest)
{
  const struct tern_qpack_table *table = &section->enc->table;
  *newest = TERN_QPACK_NONE;
  uint64_t link = section->enc->index->fulls[line->full_hash % TERN_QPACK_BUCKETS];
  while (link > table->oldest) {
    uint64_t index = link - 1;
    const struct tern_qpack_entry *entry = tern_qpack_table_get(table, index);
    if (entry->full_hash == line->full_hash &&
        is_equal(tern_qpack_table_get_name(table, index), line->name) &&
        is_equal(tern_qpack_table_get_value(table, index), line->value)) {
      if (*newest == TERN_QPACK_NONE)
        *newest = index;
      if (can_use(section, index))
        return index;
    }
    link = entry->next_full;
  }
  return TERN_QPACK_NONE;
}

/* The newest entry with this name, usable in the section if `for_section`. */
static uint64_t find_name(const struct section *section, const struct line *line, bool for_section)
{
  const struct tern_qpack_table *table = &section->enc->table;
  const struct tern_qpack_index *heads = section->enc->index;
  uint64_t link = heads == NULL ? 0 : heads->names[line->name_hash % TERN_QPACK_BUCKETS];
  while (link > table->oldest) {
    uint64_t index = link - 1;
    if ((!for_section || can_use(section, index)) &&
        is_equal(tern_qpack_table_get_name(table, index), line->name))
      return index;
    link = tern_qpack_table_get(table, index)->next_name;
  }
  return TERN_QPACK_NONE;
}

/* ---- inserting --------------------------------------------------------------------------- */

static enum habit habit_of(tern_slice name, tern_slice value, uint64_t static_name)
{
  switch (static_name) {
  case 84: /* authorization */
  case 14: /* set-cookie */
    return SECRET;
  case 5: /* cookie */
    return value.len < COOKIE_SECRET_MAX ? SECRET : REPEATS;
  case 2: /* age */
  case 4: /* content-length */
  case 6: /* date */
    return VARIES;
  case 0:  /* :authority */
  case 15: /* :method */
  case 22: /* :scheme */
  case 29: /* accept */
  case 31: /* accept-encoding */
  case 36: /* cache-control */
  case 42: /* content-encoding */
  case 44: /* content-type */
  case 56: /* strict-transport-security */
  case 59: /* vary */
  case 72: /* accept-language */
  case 83: /* alt-svc */
  case 85: /* content-security-policy */
  case 90: /* origin */
  case 92: /* server */
  case 95: /* user-agent */
    return REPEATS;
  default:
    return is_name(name, "proxy-authorization") ? SECRET : UNKNOWN;
  }
}

/* Was this line passed by before? If not, remembers it in place of the oldest one. */
static bool is_seen(struct tern_qpack_index *heads, uint32_t hash)
{
  for (size_t i = 0; i < TERN_QPACK_HISTORY; i++) {
    if (heads->history[i] == hash)
      return true;
  }
  heads->history[heads->history_at++ % TERN_QPACK_HISTORY] = hash;
  return false;
}

/* Room for an entry of `size` without evicting what is unacknowledged, referred to, or used by the
 * section itself [rfc9204-2.1.1]. */
static bool has_room(const struct section *section, uint64_t size)
{
  const struct tern_qpack_enc *enc = section->enc;
  uint64_t capacity = enc->table.capacity;
  /* An entry that drives out nearly everything else does not pay. */
  if (!section->args->can_insert || size > capacity - capacity / 4)
    return false;
  uint64_t keep = section->lowest < enc->known ? section->lowest : enc->known;
  return tern_qpack_table_can_evict_to(&enc->table, capacity - size, keep);
}

/* The newest of its chains. */
static void link_entry(struct tern_qpack_enc *enc, uint64_t index, uint32_t name_hash)
{
  struct tern_qpack_entry *entry = tern_qpack_table_get(&enc->table, index);
  uint64_t *names = &enc->index->names[name_hash % TERN_QPACK_BUCKETS];
  uint64_t *fulls = &enc->index->fulls[entry->full_hash % TERN_QPACK_BUCKETS];
  entry->next_name = *names;
  entry->next_full = *fulls;
  *names = index + 1;
  *fulls = index + 1;
}

/* Made of what the table holds; a connection that rested had none. */
static bool reserve_index(struct tern_qpack_enc *enc)
{
  if (enc->index != NULL)
    return true;
  enc->index = tern_alloc_take_zero(enc->alloc, sizeof(*enc->index));
  if (enc->index == NULL)
    return false;
  for (uint64_t i = enc->table.oldest; i < enc->table.inserts; i++)
    link_entry(enc, i, (uint32_t)hash_bytes(0, tern_qpack_table_get_name(&enc->table, i)));
  return true;
}

/* Puts the entry into our table and its index. The instruction is written already. */
static bool add_entry(struct section *section, const struct line *line)
{
  struct tern_qpack_enc *enc = section->enc;
  if (tern_qpack_table_insert(&enc->table, line->name, line->value) != TERN_OK)
    return false;
  uint64_t index = enc->table.inserts - 1;
  tern_qpack_table_get(&enc->table, index)->full_hash = line->full_hash;
  link_entry(enc, index, line->name_hash);
  return true;
}

/* [rfc9204-4.3.2], [rfc9204-4.3.3]. False: nothing happened. */
static bool insert(struct section *section, const struct line *line)
{
  struct tern_qpack_enc *enc = section->enc;
  if (!has_room(section, tern_qpack_entry_size(line->name.len, line->value.len)))
    return false;
  uint8_t *room =
      tern_buf_reserve(&enc->instructions, line->name.len + line->value.len + LINE_ROOM);
  if (room == NULL)
    return false;
  uint64_t name =
      line->fixed.name != TERN_QPACK_NONE ? TERN_QPACK_NONE : find_name(section, line, false);
  uint8_t *end;
  if (line->fixed.name != TERN_QPACK_NONE)
    end = tern_qpack_int_write(room, 0xc0, 6, line->fixed.name);
  else if (name != TERN_QPACK_NONE)
    end = tern_qpack_int_write(room, 0x80, 6, enc->table.inserts - 1 - name);
  else
    end = tern_qpack_string_write(room, 0x40, 6, line->name);
  end = tern_qpack_string_write(end, 0, 8, line->value);
  if (!add_entry(section, line))
    return false;
  enc->instructions.len += (uint32_t)(end - room);
  return true;
}

/* [rfc9204-4.3.4] */
static bool duplicate(struct section *section, const struct line *line, uint64_t index)
{
  struct tern_qpack_enc *enc = section->enc;
  uint8_t *room = tern_buf_reserve(&enc->instructions, TERN_QPACK_INT_BYTES_MAX);
  if (room == NULL || !has_room(section, tern_qpack_entry_size(line->name.len, line->value.len)))
    return false;
  uint8_t *end = tern_qpack_int_write(room, 0x00, 5, enc->table.inserts - 1 - index);
  if (!add_entry(section, line))
    return false;
  enc->instructions.len += (uint32_t)(end - room);
  return true;
}

/* [rfc9204-2.1.1.1] among the oldest quarter of a table that is nearly full: about to be evicted */
static bool is_draining(const struct tern_qpack_table *table, uint64_t index)
{
  return index - table->oldest < (table->inserts - table->oldest) / 4 &&
         table->size > table->capacity - table->capacity / 4;
}

/* ---- writing lines ----------------------------------------------------------------------- */

static void refer(struct section *section, uint64_t index)
{
  if (index < section->lowest)
    section->lowest = index;
  if (index + 1 > section->required)
    section->required = index + 1;
}

/* [rfc9204-4.5.2], [rfc9204-4.5.3] */
static uint8_t *write_indexed(struct section *section, uint8_t *out, uint64_t index)
{
  refer(section, index);
  if (index < section->base)
    return tern_qpack_int_write(out, 0x80, 6, section->base - 1 - index);
  return tern_qpack_int_write(out, 0x10, 4, index - section->base);
}

/* [rfc9204-4.5.4] to [rfc9204-4.5.6] */
static uint8_t *write_literal(struct section *section, uint8_t *out, const struct line *line)
{
  bool never = line->is_never_indexed;
  uint64_t name = TERN_QPACK_NONE;
  if (line->fixed.name != TERN_QPACK_NONE) {
    out = tern_qpack_int_write(out, never ? 0x70 : 0x50, 4, line->fixed.name);
    return tern_qpack_string_write(out, 0, 8, line->value);
  }
  if (section->can_refer)
    name = find_name(section, line, true);
  if (name == TERN_QPACK_NONE) {
    out = tern_qpack_string_write(out, never ? 0x30 : 0x20, 4, line->name);
  } else {
    refer(section, name);
    if (name < section->base)
      out = tern_qpack_int_write(out, never ? 0x60 : 0x40, 4, section->base - 1 - name);
    else
      out = tern_qpack_int_write(out, never ? 0x08 : 0x00, 3, name - section->base);
  }
  return tern_qpack_string_write(out, 0, 8, line->value);
}

/* The dynamic entry to refer to for this line, inserting one if it pays; TERN_QPACK_NONE: none. */
static uint64_t choose_entry(struct section *section, const struct line *line)
{
  struct tern_qpack_enc *enc = section->enc;
  uint64_t newest;
  uint64_t index = find_full(section, line, &newest);
  uint64_t inserts = enc->table.inserts;
  if (index == newest && index != TERN_QPACK_NONE && is_draining(&enc->table, index))
    (void)duplicate(section, line, index);
  else if (newest == TERN_QPACK_NONE && line->habit != VARIES &&
           (line->habit == REPEATS || is_seen(enc->index, line->full_hash)))
    (void)insert(section, line);
  if (enc->table.inserts > inserts && can_use(section, inserts))
    return inserts;
  /* A duplicate may have driven out the original. */
  return index != TERN_QPACK_NONE && tern_qpack_table_has(&enc->table, index) ? index
                                                                              : TERN_QPACK_NONE;
}

static void describe(const tern_field *field, struct line *line)
{
  line->name = field->name;
  line->value = field->value;
  line->fixed = tern_qpack_static_match(field->name, field->value);
  line->habit = habit_of(field->name, field->value, line->fixed.name);
  line->is_never_indexed = field->is_never_indexed || line->habit == SECRET;
  if (line->is_never_indexed)
    line->fixed.full = TERN_QPACK_NONE; /* a literal, whatever the value [rfc9204-4.5.4] */
}

static tern_status encode_line(struct section *section, const tern_field *field)
{
  struct line line;
  describe(field, &line);
  uint8_t *room = tern_buf_reserve(section->out, field->name.len + field->value.len + LINE_ROOM);
  if (room == NULL)
    return TERN_NOMEM;
  bool is_static = line.fixed.full != TERN_QPACK_NONE;
  uint64_t name_hash = is_static ? 0 : hash_bytes(0, line.name);
  line.name_hash = (uint32_t)name_hash;
  line.full_hash = 0;
  uint64_t index = TERN_QPACK_NONE;
  if (!is_static && !line.is_never_indexed && section->enc->table.capacity != 0 &&
      reserve_index(section->enc)) {
    line.full_hash = (uint32_t)hash_bytes(name_hash, line.value);
    index = choose_entry(section, &line);
  }
  uint8_t *end;
  if (is_static)
    end = tern_qpack_int_write(room, 0xc0, 6, line.fixed.full);
  else if (index != TERN_QPACK_NONE)
    end = write_indexed(section, room, index);
  else
    end = write_literal(section, room, &line);
  section->out->len += (uint32_t)(end - room);
  return TERN_OK;
}

/* ---- sections ---------------------------------------------------------------------------- */

/* Streams with a section that the peer may not be able to decode yet. `*has_stream` says if
 * `stream_id` is one of them. */
static uint64_t count_at_risk(const struct tern_qpack_enc *enc, uint64_t stream_id,
                              bool *has_stream)
{
  uint64_t streams[TERN_QPACK_RISK_MAX];
  size_t count = 0;
  *has_stream = false;
  for (uint32_t i = 0; i < enc->sections_count; i++) {
    const struct tern_qpack_section *section = &enc->sections[i];
    if (section->required <= enc->known)
      continue;
    size_t at = 0;
    while (at < count && streams[at] != section->stream_id)
      at++;
    if (at == count && count < TERN_QPACK_RISK_MAX)
      streams[count++] = section->stream_id;
    if (section->stream_id == stream_id)
      *has_stream = true;
  }
  return count;
}

uint64_t tern_qpack_enc_get_blocked(const struct tern_qpack_enc *enc)
{
  bool has_stream;
  return count_at_risk(enc, 0, &has_stream);
}

/* A place in the list of unacknowledged sections, before a reference is made. */
static bool reserve_section(struct tern_qpack_enc *enc)
{
  if (enc->sections_count < enc->sections_capacity)
    return true;
  if (enc->sections_capacity >= TERN_QPACK_SECTIONS_MAX)
    return false;
  uint32_t capacity = enc->sections_capacity == 0 ? 8 : enc->sections_capacity * 2;
  size_t old_size = enc->sections_capacity * sizeof(struct tern_qpack_section);
  size_t new_size = capacity * sizeof(struct tern_qpack_section);
  struct tern_qpack_section *sections =
      enc->sections == NULL ? tern_alloc_take(enc->alloc, new_size)
                            : tern_alloc_resize(enc->alloc, enc->sections, old_size, new_size);
  if (sections == NULL)
    return false;
  enc->sections = sections;
  enc->sections_capacity = capacity;
  return true;
}

/* [rfc9204-4.5.1] right-aligned before the lines; returns where it starts */
static size_t write_prefix(const struct section *section)
{
  uint8_t prefix[PREFIX_ROOM];
  uint8_t *end = prefix;
  if (section->required == 0) {
    *end++ = 0;
    *end++ = 0;
  } else {
    uint64_t entries_max = section->enc->capacity_max / TERN_QPACK_ENTRY_OVERHEAD;
    end = tern_qpack_int_write(end, 0, 8, section->required % (2 * entries_max) + 1);
    if (section->base >= section->required)
      end = tern_qpack_int_write(end, 0, 7, section->base - section->required);
    else
      end = tern_qpack_int_write(end, 0x80, 7, section->required - section->base - 1);
  }
  size_t len = (size_t)(end - prefix);
  size_t start = TERN_QPACK_FRAME_ROOM + PREFIX_ROOM - len;
  memcpy(section->out->data + start, prefix, len);
  return start;
}

/* Remembers what the section refers to until it is acknowledged. */
static void track(const struct section *section)
{
  struct tern_qpack_enc *enc = section->enc;
  if (section->required == 0)
    return;
  TERN_ASSERT(enc->sections_count < enc->sections_capacity);
  enc->sections[enc->sections_count++] =
      (struct tern_qpack_section){section->args->stream_id, section->required, section->lowest};
  tern_qpack_table_get(&enc->table, section->lowest)->refs++;
}

tern_status tern_qpack_enc_section(struct tern_qpack_enc *enc,
                                   const struct tern_qpack_enc_args *args, struct tern_buf *out,
                                   size_t *start)
{
  struct section section = {
      .enc = enc, .args = args, .out = out, .base = enc->table.inserts, .lowest = TERN_QPACK_NONE};
  if (enc->table.capacity != 0) {
    bool is_at_risk;
    uint64_t at_risk = count_at_risk(enc, args->stream_id, &is_at_risk);
    section.can_refer = reserve_section(enc);
    section.can_block = is_at_risk || at_risk < enc->blocked_max; /* [rfc9204-2.1.2] */
  }
  tern_buf_clear(out, KEEP_BYTES);
  if (tern_buf_reserve(out, TERN_QPACK_FRAME_ROOM + PREFIX_ROOM) == NULL)
    return TERN_NOMEM;
  out->len = TERN_QPACK_FRAME_ROOM + PREFIX_ROOM;
  for (size_t i = 0; i < args->count; i++) {
    if (encode_line(&section, &args->fields[i]) != TERN_OK)
      return TERN_NOMEM;
    enc->plain_bytes += args->fields[i].name.len + args->fields[i].value.len;
  }
  *start = write_prefix(&section);
  track(&section);
  return TERN_OK;
}

/* ---- decoder stream ---------------------------------------------------------------------- */

static void drop_section(struct tern_qpack_enc *enc, uint32_t at)
{
  tern_qpack_table_get(&enc->table, enc->sections[at].lowest)->refs--;
  enc->sections_count--;
  memmove(&enc->sections[at], &enc->sections[at + 1],
          (enc->sections_count - at) * sizeof(struct tern_qpack_section));
}

/* [rfc9204-4.4.1] the earliest unacknowledged section of the stream */
static bool on_section_ack(struct tern_qpack_enc *enc, uint64_t stream_id)
{
  for (uint32_t i = 0; i < enc->sections_count; i++) {
    if (enc->sections[i].stream_id != stream_id)
      continue;
    if (enc->sections[i].required > enc->known)
      enc->known = enc->sections[i].required;
    drop_section(enc, i);
    return true;
  }
  return false;
}

/* [rfc9204-4.4.2] all references of the stream go; nothing is acknowledged */
static void on_cancel(struct tern_qpack_enc *enc, uint64_t stream_id)
{
  for (uint32_t i = enc->sections_count; i-- > 0;) {
    if (enc->sections[i].stream_id == stream_id)
      drop_section(enc, i);
  }
}

static bool on_instruction(struct tern_qpack_enc *enc)
{
  uint64_t value = enc->integer.value;
  enum opcode opcode = (enum opcode)enc->opcode;
  enc->opcode = NONE;
  switch (opcode) {
  case SECTION_ACK:
    return on_section_ack(enc, value);
  case CANCEL:
    on_cancel(enc, value);
    return true;
  case INCREMENT:
    /* [rfc9204-4.4.3] zero, or beyond what was sent, is an error */
    if (value == 0 || value > enc->table.inserts - enc->known)
      return false;
    enc->known += value;
    return true;
  case NONE:
    break;
  }
  return false;
}

uint64_t tern_qpack_enc_receive(struct tern_qpack_enc *enc, const uint8_t *data, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    enum tern_qpack_int_result result;
    if (enc->opcode != NONE) {
      result = tern_qpack_int_next(&enc->integer, data[i]);
    } else {
      enc->opcode = (data[i] & 0x80) != 0   ? SECTION_ACK
                    : (data[i] & 0x40) != 0 ? CANCEL
                                            : INCREMENT;
      result = tern_qpack_int_start(&enc->integer, data[i], enc->opcode == SECTION_ACK ? 7 : 6);
    }
    if (result == TERN_QPACK_INT_ERROR || (result == TERN_QPACK_INT_DONE && !on_instruction(enc)))
      return TERN_H3_QPACK_DECODER_STREAM_ERROR;
  }
  return 0;
}
