/* SPDX-License-Identifier: MIT */
/* Keyed hash map from 1 to 20 bytes, the size of connection ids, to a pointer.
 *
 *   slot = siphash(key, bytes) mod capacity, then the next free one (linear probing)
 *
 * Peers choose some of the connection ids, so the hash is keyed with secret bytes: nobody outside can
 * make ids collide. Removal moves later slots of the cluster back instead of
 * leaving tombstones, so a table that sees millions of ids come and go stays as fast as a new one.
 * A slot is 32 bytes, two to a cache line; the table is at most 3/4 full and shrinks again. */
#ifndef TERN_BASE_MAP_H
#define TERN_BASE_MAP_H

#include <tern/base.h>

#include "base/alloc.h"

#define TERN_MAP_KEY_MAX 20

struct tern_map_slot;

struct tern_map {
  struct tern_alloc *alloc;
  struct tern_map_slot *slots; /* NULL until the first insertion */
  size_t count;
  size_t capacity; /* power of two, or 0 */
  uint64_t key[2];
};

/* `key` should be random and secret. */
void tern_map_init(struct tern_map *map, struct tern_alloc *alloc, const uint8_t key[16]);
/* Entries that are still in are forgotten. */
void tern_map_deinit(struct tern_map *map);

/* The value stored under `key`, or NULL. Keys that are empty or too long are never found. */
void *tern_map_find(const struct tern_map *map, tern_slice key);
/* `value` is not NULL. TERN_STATE if the key is there already, TERN_INVALID if its length is not 1 to
 * TERN_MAP_KEY_MAX, TERN_NOMEM; all of these change nothing. */
TERN_MUST_CHECK tern_status tern_map_insert(struct tern_map *map, tern_slice key, void *value);
/* Takes the entry out and returns its value, or NULL if there was none. */
void *tern_map_remove(struct tern_map *map, tern_slice key);

/* SipHash-2-4 of `data` (Aumasson and Bernstein, 2012), `key` as two little-endian words. */
uint64_t tern_siphash(const uint64_t key[2], tern_slice data);

#endif
