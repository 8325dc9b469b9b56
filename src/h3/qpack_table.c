/* SPDX-License-Identifier: MIT */
/* The dynamic table; see the header for its shape. */
#include "h3/qpack_table.h"

#include <string.h>

#include "base/assert.h"

#define FIRST_ENTRIES 16
#define FIRST_BYTES 512

void tern_qpack_table_init(struct tern_qpack_table *table, struct tern_alloc *alloc)
{
  *table = (struct tern_qpack_table){.alloc = alloc};
}

void tern_qpack_table_deinit(struct tern_qpack_table *table)
{
  tern_alloc_give(table->alloc, table->entries,
                  table->entries_capacity * sizeof(struct tern_qpack_entry));
  tern_alloc_give(table->alloc, table->bytes, table->bytes_capacity);
  *table = (struct tern_qpack_table){.alloc = table->alloc};
}

static struct tern_qpack_entry *slot_of(const struct tern_qpack_table *table, uint64_t index)
{
  return &table->entries[index & (table->entries_capacity - 1)];
}

struct tern_qpack_entry *tern_qpack_table_get(const struct tern_qpack_table *table, uint64_t index)
{
  TERN_ASSERT(tern_qpack_table_has(table, index));
  return slot_of(table, index);
}

tern_slice tern_qpack_table_get_name(const struct tern_qpack_table *table, uint64_t index)
{
  const struct tern_qpack_entry *entry = tern_qpack_table_get(table, index);
  return tern_slice_of(table->bytes + (entry->position - table->bytes_start), entry->name_len);
}

tern_slice tern_qpack_table_get_value(const struct tern_qpack_table *table, uint64_t index)
{
  const struct tern_qpack_entry *entry = tern_qpack_table_get(table, index);
  uint64_t at = entry->position + entry->name_len - table->bytes_start;
  return tern_slice_of(table->bytes + at, entry->value_len);
}

static uint64_t size_of(const struct tern_qpack_entry *entry)
{
  return tern_qpack_entry_size(entry->name_len, entry->value_len);
}

/* [rfc9204-3.2.2] oldest first, until at most `size` bytes are left */
static void evict_to(struct tern_qpack_table *table, uint64_t size)
{
  while (table->size > size) {
    table->size -= size_of(slot_of(table, table->oldest));
    table->oldest++;
  }
}

void tern_qpack_table_set_capacity(struct tern_qpack_table *table, uint64_t capacity)
{
  table->capacity = capacity;
  evict_to(table, capacity);
}

bool tern_qpack_table_can_evict_to(const struct tern_qpack_table *table, uint64_t size,
                                   uint64_t known)
{
  uint64_t left = table->size;
  for (uint64_t index = table->oldest; left > size; index++) {
    const struct tern_qpack_entry *entry = slot_of(table, index);
    if (index >= known || entry->refs != 0)
      return false;
    left -= size_of(entry);
  }
  return true;
}

/* Makes the ring larger when it is full. */
static tern_status reserve_entry(struct tern_qpack_table *table)
{
  if (table->inserts - table->oldest < table->entries_capacity)
    return TERN_OK;
  uint32_t capacity = table->entries_capacity == 0 ? FIRST_ENTRIES : table->entries_capacity * 2;
  struct tern_qpack_entry *entries =
      tern_alloc_take(table->alloc, capacity * sizeof(struct tern_qpack_entry));
  if (entries == NULL)
    return TERN_NOMEM;
  for (uint64_t index = table->oldest; index < table->inserts; index++)
    entries[index & (capacity - 1)] = *slot_of(table, index);
  tern_alloc_give(table->alloc, table->entries,
                  table->entries_capacity * sizeof(struct tern_qpack_entry));
  table->entries = entries;
  table->entries_capacity = capacity;
  return TERN_OK;
}

/* Where the live bytes start. */
static uint64_t live_start(const struct tern_qpack_table *table)
{
  if (table->oldest == table->inserts)
    return table->bytes_end;
  return slot_of(table, table->oldest)->position;
}

/* `slice` after the live bytes moved down by `shift`: it moves along if it lies inside the table. */
static tern_slice moved(const struct tern_qpack_table *table, tern_slice slice, size_t shift)
{
  uintptr_t start = (uintptr_t)table->bytes;
  uintptr_t at = (uintptr_t)slice.data;
  if (slice.len != 0 && at >= start && at - start < table->bytes_capacity)
    slice.data -= shift;
  return slice;
}

struct room {
  tern_slice name;
  tern_slice value;
  tern_iov old; /* a replaced block, to be given back when name and value were copied */
};

/* Room for the name and value behind bytes_end: by moving the live bytes to the front of the block if
 * that frees half of it, else in a larger block. */
static tern_status reserve_bytes(struct tern_qpack_table *table, struct room *room)
{
  size_t len = room->name.len + room->value.len;
  if (table->bytes != NULL && table->bytes_end - table->bytes_start + len <= table->bytes_capacity)
    return TERN_OK;
  uint64_t start = live_start(table);
  size_t live = (size_t)(table->bytes_end - start);
  size_t shift = (size_t)(start - table->bytes_start);
  if (table->bytes != NULL && 2 * (live + len) <= table->bytes_capacity) {
    if (live != 0)
      memmove(table->bytes, table->bytes + shift, live);
    table->bytes_start = start;
    room->name = moved(table, room->name, shift);
    room->value = moved(table, room->value, shift);
    return TERN_OK;
  }
  size_t capacity = table->bytes_capacity == 0 ? FIRST_BYTES : table->bytes_capacity;
  while (capacity < 2 * (live + len))
    capacity *= 2;
  uint8_t *bytes = tern_alloc_take(table->alloc, capacity);
  if (bytes == NULL)
    return TERN_NOMEM;
  if (table->bytes != NULL && live != 0)
    memcpy(bytes, table->bytes + shift, live);
  room->old = (tern_iov){table->bytes, table->bytes_capacity};
  table->bytes = bytes;
  table->bytes_capacity = capacity;
  table->bytes_start = start;
  return TERN_OK;
}

tern_status tern_qpack_table_insert(struct tern_qpack_table *table, tern_slice name,
                                    tern_slice value)
{
  uint64_t size = tern_qpack_entry_size(name.len, value.len);
  if (size > table->capacity)
    return TERN_LIMIT;
  struct room room = {name, value, {NULL, 0}};
  if (reserve_entry(table) != TERN_OK || reserve_bytes(table, &room) != TERN_OK)
    return TERN_NOMEM;
  if (name.len != 0)
    memcpy(table->bytes + (table->bytes_end - table->bytes_start), room.name.data, name.len);
  if (value.len != 0)
    memcpy(table->bytes + (table->bytes_end - table->bytes_start) + name.len, room.value.data,
           value.len);
  tern_alloc_give(table->alloc, room.old.data, room.old.len);
  evict_to(table, table->capacity - size);
  *slot_of(table, table->inserts) = (struct tern_qpack_entry){
      .position = table->bytes_end,
      .name_len = (uint32_t)name.len,
      .value_len = (uint32_t)value.len,
  };
  table->bytes_end += name.len + value.len;
  table->size += size;
  table->inserts++;
  return TERN_OK;
}
