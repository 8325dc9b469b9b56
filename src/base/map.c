/* SPDX-License-Identifier: MIT */
/* Robin Hood hashing: on the way to a free slot, whoever is further from home keeps the place. That
 * keeps all distances close to their mean, so a search for an unknown id, which is what strangers
 * send, stops as soon as it meets an entry closer to home than itself. */
#include "base/map.h"

#include <string.h>

#include "base/assert.h"

#define CAPACITY_MIN 16
#define DISTANCE_MAX 255

struct tern_map_slot {
  void *value;
  uint16_t tag;     /* 16 bits of the hash that the place does not use: most misses end here */
  uint8_t distance; /* from home, + 1; 0 = free */
  uint8_t len;
  uint8_t key[TERN_MAP_KEY_MAX];
};

static uint64_t load_le(const uint8_t *data, size_t len)
{
  uint64_t value = 0;
  for (size_t i = 0; i < len; i++)
    value |= (uint64_t)data[i] << 8 * i;
  return value;
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
  return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
  v[0] += v[1];
  v[2] += v[3];
  v[1] = rotate_left(v[1], 13) ^ v[0];
  v[3] = rotate_left(v[3], 16) ^ v[2];
  v[0] = rotate_left(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = rotate_left(v[1], 17) ^ v[2];
  v[3] = rotate_left(v[3], 21) ^ v[0];
  v[2] = rotate_left(v[2], 32);
}

static inline void sip_absorb(uint64_t v[4], uint64_t word)
{
  v[3] ^= word;
  sip_round(v);
  sip_round(v);
  v[0] ^= word;
}

/* The constants spell "somepseudorandomlygeneratedbytes"; the last word carries the length. */
uint64_t tern_siphash(const uint64_t key[2], tern_slice data)
{
  uint64_t v[4] = {
      key[0] ^ UINT64_C(0x736f6d6570736575),
      key[1] ^ UINT64_C(0x646f72616e646f6d),
      key[0] ^ UINT64_C(0x6c7967656e657261),
      key[1] ^ UINT64_C(0x7465646279746573),
  };
  size_t whole = data.len / 8 * 8;
  for (size_t i = 0; i < whole; i += 8)
    sip_absorb(v, load_le(data.data + i, 8));
  uint64_t last = (uint64_t)data.len << 56;
  if (whole != data.len)
    last |= load_le(data.data + whole, data.len - whole);
  sip_absorb(v, last);
  v[2] ^= 0xff;
  for (int i = 0; i < 4; i++)
    sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void tern_map_init(struct tern_map *map, struct tern_alloc *alloc, const uint8_t key[16])
{
  *map = (struct tern_map){.alloc = alloc, .key = {load_le(key, 8), load_le(key + 8, 8)}};
}

static size_t get_bytes(size_t capacity)
{
  return capacity * sizeof(struct tern_map_slot);
}

void tern_map_deinit(struct tern_map *map)
{
  tern_alloc_give(map->alloc, map->slots, get_bytes(map->capacity));
  tern_wipe(map, sizeof *map);
}

/* Where a search stands: the slot, and the distance that an entry with this home would have there. */
struct probe {
  size_t at;
  uint16_t tag;
  unsigned distance;
};

static struct probe start_probe(const struct tern_map *map, tern_slice key)
{
  uint64_t hash = tern_siphash(map->key, key);
  struct probe probe = {(size_t)hash & (map->capacity - 1), (uint16_t)(hash >> 48), 1};
  return probe;
}

static void advance(const struct tern_map *map, struct probe *probe)
{
  probe->at = (probe->at + 1) & (map->capacity - 1);
  probe->distance++;
}

static struct tern_map_slot *find_slot(const struct tern_map *map, tern_slice key)
{
  if (map->count == 0 || key.len == 0 || key.len > TERN_MAP_KEY_MAX)
    return NULL;
  for (struct probe probe = start_probe(map, key);; advance(map, &probe)) {
    struct tern_map_slot *slot = &map->slots[probe.at];
    if (slot->distance < probe.distance)
      return NULL;
    if (slot->tag == probe.tag && slot->len == key.len && memcmp(slot->key, key.data, key.len) == 0)
      return slot;
  }
}

void *tern_map_find(const struct tern_map *map, tern_slice key)
{
  const struct tern_map_slot *slot = find_slot(map, key);
  return slot == NULL ? NULL : slot->value;
}

/* Puts an entry that is not there into a table with room. False if a distance would not fit its byte;
 * the entry left over is then lost. With a keyed hash at a load of 3/4 that never happens: the longest
 * distance among a million entries is about 20, and its distribution falls off geometrically. */
static bool settle(struct tern_map *map, struct tern_map_slot entry)
{
  struct probe probe = start_probe(map, tern_slice_of(entry.key, entry.len));
  entry.tag = probe.tag;
  for (;; advance(map, &probe)) {
    struct tern_map_slot *slot = &map->slots[probe.at];
    if (probe.distance > DISTANCE_MAX)
      return false;
    if (slot->distance >= probe.distance)
      continue;
    struct tern_map_slot evicted = *slot;
    entry.distance = (uint8_t)probe.distance;
    *slot = entry;
    if (evicted.distance == 0)
      return true;
    entry = evicted;
    probe.distance = evicted.distance;
  }
}

/* Moves everything into a table of another size. */
static tern_status rehash(struct tern_map *map, size_t capacity)
{
  struct tern_map next = *map;
  next.capacity = capacity;
  next.slots = tern_alloc_take_zero(map->alloc, get_bytes(capacity));
  if (next.slots == NULL)
    return TERN_NOMEM;
  for (size_t i = 0; i < map->capacity; i++) {
    if (map->slots[i].distance != 0 && !settle(&next, map->slots[i])) {
      tern_alloc_give(map->alloc, next.slots, get_bytes(capacity));
      return TERN_LIMIT;
    }
  }
  tern_alloc_give(map->alloc, map->slots, get_bytes(map->capacity));
  *map = next;
  return TERN_OK;
}

/* The assertion holds unless the hash key is known to whoever chose the entries (see settle). */
tern_status tern_map_insert(struct tern_map *map, tern_slice key, void *value)
{
  TERN_ASSERT(value != NULL);
  if (key.len == 0 || key.len > TERN_MAP_KEY_MAX)
    return TERN_INVALID;
  if (find_slot(map, key) != NULL)
    return TERN_STATE;
  if (map->count >= map->capacity / 4 * 3) {
    tern_status status = rehash(map, map->capacity == 0 ? CAPACITY_MIN : map->capacity * 2);
    if (status != TERN_OK)
      return status;
  }
  struct tern_map_slot entry = {.value = value, .len = (uint8_t)key.len};
  memcpy(entry.key, key.data, key.len);
  bool is_settled = settle(map, entry);
  TERN_ASSERT(is_settled);
  map->count++;
  return TERN_OK;
}

/* Moves the rest of the cluster one slot towards home, up to an entry that is at home. */
static void close_gap(struct tern_map *map, size_t at)
{
  for (;;) {
    size_t next = (at + 1) & (map->capacity - 1);
    if (map->slots[next].distance <= 1)
      break;
    map->slots[at] = map->slots[next];
    map->slots[at].distance--;
    at = next;
  }
  memset(&map->slots[at], 0, sizeof map->slots[at]);
}

void *tern_map_remove(struct tern_map *map, tern_slice key)
{
  struct tern_map_slot *slot = find_slot(map, key);
  if (slot == NULL)
    return NULL;
  void *value = slot->value;
  close_gap(map, (size_t)(slot - map->slots));
  map->count--;
  /* Less than an eighth full: halve. If memory for that is short, the large table stays. */
  if (map->capacity > CAPACITY_MIN && map->count < map->capacity / 8)
    (void)!rehash(map, map->capacity / 2);
  return value;
}
