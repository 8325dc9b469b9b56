/* SPDX-License-Identifier: MIT */
/* The static table of QPACK, and a dynamic table as both sides keep it [rfc9204-3].
 *
 *   entries   ring of descriptors by absolute index:  [oldest, inserts)
 *   bytes     names and values of the live entries, one after the other, in one block:
 *             | dead | entry oldest | ... | newest | free |
 *
 * New bytes go behind the newest; when the block ends, the live part moves to its front. A block of
 * twice the capacity makes that rare (once per `capacity` bytes inserted), and lets a new entry be
 * copied from one that its own insertion evicts [rfc9204-3.2.2]. Memory follows use: an empty table
 * has none. Slices into the table are good until the next insertion.
 *
 * An entry counts, in `refs`, the unacknowledged field sections whose *lowest* reference it is. The
 * oldest entry can be evicted iff that is 0 and it was acknowledged: a section that refers to it
 * cannot refer to anything lower. Only the encoder's table uses this. */
#ifndef TERN_H3_QPACK_TABLE_H
#define TERN_H3_QPACK_TABLE_H

#include <tern/base.h>

#include "base/alloc.h"

#define TERN_QPACK_STATIC_COUNT 99
#define TERN_QPACK_ENTRY_OVERHEAD 32 /* [rfc9204-3.2.1] */
#define TERN_QPACK_NONE UINT64_MAX

/* ---- static ------------------------------------------------------------------------------ */

struct tern_qpack_static {
  tern_slice name;
  tern_slice value;
};

/* False if there is no such index. */
bool tern_qpack_static_find(uint64_t index, struct tern_qpack_static *out);

struct tern_qpack_match {
  uint64_t full; /* index of an entry with this name and value, or TERN_QPACK_NONE */
  uint64_t name; /* of one with this name */
};

struct tern_qpack_match tern_qpack_static_match(tern_slice name, tern_slice value);

/* ---- dynamic ----------------------------------------------------------------------------- */

struct tern_qpack_entry {
  uint64_t position; /* of the name in the table's byte stream; the value follows it */
  uint32_t name_len;
  uint32_t value_len;
  uint32_t refs;
  /* The encoder's index: chains of entries with the same hash, from newer to older. Links are absolute
   * index + 1; one below the oldest entry ends the chain, so eviction need not unlink. */
  uint32_t full_hash;
  uint64_t next_name;
  uint64_t next_full;
};

struct tern_qpack_table {
  struct tern_alloc *alloc;
  uint64_t capacity; /* now */
  uint64_t size;     /* sum of the live entries [rfc9204-3.2.1] */
  uint64_t inserts;  /* Insert Count: absolute index of the next entry */
  uint64_t oldest;   /* absolute index of the oldest live entry */
  struct tern_qpack_entry *entries;
  uint32_t entries_capacity; /* power of two, or 0 */
  uint8_t *bytes;
  size_t bytes_capacity;
  uint64_t bytes_start; /* position of bytes[0] in the byte stream */
  uint64_t bytes_end;   /* position behind the newest entry */
};

void tern_qpack_table_init(struct tern_qpack_table *table, struct tern_alloc *alloc);
void tern_qpack_table_deinit(struct tern_qpack_table *table);

static inline uint64_t tern_qpack_entry_size(size_t name_len, size_t value_len)
{
  return (uint64_t)name_len + value_len + TERN_QPACK_ENTRY_OVERHEAD;
}

/* Sets the capacity and evicts what no longer fits. The encoder asks can_evict_to first. */
void tern_qpack_table_set_capacity(struct tern_qpack_table *table, uint64_t capacity);

/* True if every entry that must go to leave `size` bytes for live entries may go: acknowledged (below
 * `known`) and without references. */
bool tern_qpack_table_can_evict_to(const struct tern_qpack_table *table, uint64_t size,
                                   uint64_t known);

/* Inserts, evicting from the oldest end. The name and value may lie inside the table.
 * TERN_LIMIT if the entry is larger than the capacity; TERN_NOMEM. Both change nothing. */
TERN_MUST_CHECK tern_status tern_qpack_table_insert(struct tern_qpack_table *table, tern_slice name,
                                                    tern_slice value);

static inline bool tern_qpack_table_has(const struct tern_qpack_table *table, uint64_t index)
{
  return index >= table->oldest && index < table->inserts;
}

/* Of a live entry. */
struct tern_qpack_entry *tern_qpack_table_get(const struct tern_qpack_table *table, uint64_t index);
tern_slice tern_qpack_table_get_name(const struct tern_qpack_table *table, uint64_t index);
tern_slice tern_qpack_table_get_value(const struct tern_qpack_table *table, uint64_t index);

#endif
