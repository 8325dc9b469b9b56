/* SPDX-License-Identifier: MIT */
/* Accounts: a charge is checked against every cap on the way up before the allocator is asked, so a
 * refusal changes nothing. Pools: pages with a list of free slots.
 *
 *   page: | head | slot | slot | ...      slot: | link | object |
 *
 * The link of a live slot points to its page, so giving an object back is O(1); the link of a free one
 * points to the next free slot. An empty page stays only at the front of `partial`, so there is at
 * most one of them. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, len) ((void)(data), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(data, len) ((void)(data), (void)(len))
#endif

#define PAGE_BYTES 4096
#define PAGE_OBJECTS_MIN 1

static void *take_from_system(void *arg, size_t size)
{
  (void)arg;
  return malloc(size);
}

static void give_to_system(void *arg, void *block, size_t size)
{
  (void)arg;
  (void)size;
  free(block);
}

const tern_alloc_ops tern_alloc_system = {take_from_system, give_to_system, NULL};

void tern_alloc_init(struct tern_alloc *alloc, const tern_alloc_ops *ops, struct tern_alloc *parent,
                     uint64_t cap_bytes)
{
  *alloc = (struct tern_alloc){.ops = ops, .parent = parent, .cap_bytes = cap_bytes};
}

void tern_alloc_deinit(struct tern_alloc *alloc)
{
  TERN_ASSERT(alloc->used_bytes == 0);
  *alloc = (struct tern_alloc){0};
}

static bool has_room(const struct tern_alloc *alloc, size_t size)
{
  for (; alloc != NULL; alloc = alloc->parent)
    if (alloc->used_bytes > alloc->cap_bytes || size > alloc->cap_bytes - alloc->used_bytes)
      return false;
  return true;
}

static void charge(struct tern_alloc *alloc, size_t size)
{
  for (; alloc != NULL; alloc = alloc->parent) {
    alloc->used_bytes += size;
    if (alloc->used_bytes > alloc->peak_bytes)
      alloc->peak_bytes = alloc->used_bytes;
  }
}

static void discharge(struct tern_alloc *alloc, size_t size)
{
  for (; alloc != NULL; alloc = alloc->parent) {
    TERN_ASSERT(alloc->used_bytes >= size);
    alloc->used_bytes -= size;
  }
}

void *tern_alloc_take(struct tern_alloc *alloc, size_t size)
{
  TERN_ASSERT(size > 0);
  if (!has_room(alloc, size))
    return NULL;
  void *block = alloc->ops->take(alloc->ops->arg, size);
  if (block == NULL)
    return NULL;
  charge(alloc, size);
  for (; alloc != NULL; alloc = alloc->parent)
    alloc->takes++;
  return block;
}

void *tern_alloc_take_zero(struct tern_alloc *alloc, size_t size)
{
  void *block = tern_alloc_take(alloc, size);
  if (block != NULL)
    memset(block, 0, size);
  return block;
}

void *tern_alloc_resize(struct tern_alloc *alloc, void *block, size_t old_size, size_t new_size)
{
  void *moved = tern_alloc_take(alloc, new_size);
  if (moved == NULL || block == NULL)
    return moved;
  memcpy(moved, block, old_size < new_size ? old_size : new_size);
  tern_alloc_give(alloc, block, old_size);
  return moved;
}

void tern_alloc_give(struct tern_alloc *alloc, void *block, size_t size)
{
  if (block == NULL)
    return;
  discharge(alloc, size);
  alloc->ops->give(alloc->ops->arg, block, size);
}

/* The accounts may share parents: charging first would show a peak that never was. */
void tern_alloc_move(struct tern_alloc *from, struct tern_alloc *to, size_t size)
{
  discharge(from, size);
  charge(to, size);
}

union slot {
  struct tern_pool_page *page; /* live */
  union slot *next;            /* free */
};

struct tern_pool_page {
  struct tern_pool_page *prev;
  struct tern_pool_page *next;
  union slot *free;
  uint32_t objects;
  uint32_t live;
};

static size_t get_slot_bytes(const struct tern_pool *pool)
{
  return sizeof(union slot) + pool->object_bytes;
}

static size_t get_page_bytes(const struct tern_pool *pool, size_t objects)
{
  return sizeof(struct tern_pool_page) + objects * get_slot_bytes(pool);
}

/* Objects are aligned for pointers and 64-bit integers. */
void tern_pool_init(struct tern_pool *pool, struct tern_alloc *alloc, size_t object_bytes)
{
  TERN_ASSERT(object_bytes > 0);
  *pool = (struct tern_pool){.alloc = alloc, .object_bytes = (object_bytes + 7) / 8 * 8};
  size_t room = PAGE_BYTES - sizeof(struct tern_pool_page);
  pool->page_objects_max = room / get_slot_bytes(pool);
  if (pool->page_objects_max == 0)
    pool->page_objects_max = 1;
}

static void link_page(struct tern_pool_page **list, struct tern_pool_page *page)
{
  page->prev = NULL;
  page->next = *list;
  if (*list != NULL)
    (*list)->prev = page;
  *list = page;
}

static void unlink_page(struct tern_pool_page **list, struct tern_pool_page *page)
{
  if (page->prev != NULL)
    page->prev->next = page->next;
  else
    *list = page->next;
  if (page->next != NULL)
    page->next->prev = page->prev;
}

static void give_page(struct tern_pool *pool, struct tern_pool_page *page)
{
  size_t bytes = get_page_bytes(pool, page->objects);
  ASAN_UNPOISON_MEMORY_REGION(page, bytes);
  tern_alloc_give(pool->alloc, page, bytes);
}

void tern_pool_deinit(struct tern_pool *pool)
{
  TERN_ASSERT(pool->live == 0 && pool->full == NULL);
  while (pool->partial != NULL) {
    struct tern_pool_page *page = pool->partial;
    unlink_page(&pool->partial, page);
    give_page(pool, page);
  }
}

/* Few objects take little memory, many are taken in bulk. */
static size_t choose_objects(const struct tern_pool *pool)
{
  size_t objects = pool->live / 4 > PAGE_OBJECTS_MIN ? pool->live / 4 : PAGE_OBJECTS_MIN;
  return objects < pool->page_objects_max ? objects : pool->page_objects_max;
}

static bool add_page(struct tern_pool *pool)
{
  size_t objects = choose_objects(pool);
  struct tern_pool_page *page = tern_alloc_take(pool->alloc, get_page_bytes(pool, objects));
  if (page == NULL)
    return false;
  *page = (struct tern_pool_page){.objects = (uint32_t)objects};
  for (size_t i = objects; i-- > 0;) {
    union slot *slot = (union slot *)(void *)((char *)(page + 1) + i * get_slot_bytes(pool));
    slot->next = page->free;
    page->free = slot;
    ASAN_POISON_MEMORY_REGION(slot + 1, pool->object_bytes);
  }
  link_page(&pool->partial, page);
  return true;
}

/* The page behind an empty front page is used first: the empty one may soon go back. */
void *tern_pool_take(struct tern_pool *pool)
{
  if (pool->partial == NULL && !add_page(pool))
    return NULL;
  struct tern_pool_page *page = pool->partial;
  if (page->live == 0 && page->next != NULL)
    page = page->next;
  union slot *slot = page->free;
  TERN_ASSERT(slot != NULL); /* or the page would be in `full` */
  page->free = slot->next;
  slot->page = page;
  page->live++;
  pool->live++;
  if (page->free == NULL) {
    unlink_page(&pool->partial, page);
    link_page(&pool->full, page);
  }
  ASAN_UNPOISON_MEMORY_REGION(slot + 1, pool->object_bytes);
  memset(slot + 1, 0, pool->object_bytes);
  return slot + 1;
}

/* `page` has just got its last object back. */
static void on_page_empty(struct tern_pool *pool, struct tern_pool_page *page)
{
  struct tern_pool_page *front = pool->partial;
  if (front != page && front->live == 0) {
    unlink_page(&pool->partial, front);
    give_page(pool, front);
  }
  unlink_page(&pool->partial, page);
  link_page(&pool->partial, page);
}

/* A page that was full goes behind an empty front page, which has to stay in front. */
static void on_page_partial(struct tern_pool *pool, struct tern_pool_page *page)
{
  struct tern_pool_page *front = pool->partial;
  unlink_page(&pool->full, page);
  if (front == NULL || front->live != 0) {
    link_page(&pool->partial, page);
    return;
  }
  page->prev = front;
  page->next = front->next;
  if (front->next != NULL)
    front->next->prev = page;
  front->next = page;
}

void tern_pool_give(struct tern_pool *pool, void *object)
{
  if (object == NULL)
    return;
  union slot *slot = (union slot *)object - 1;
  struct tern_pool_page *page = slot->page;
  bool was_full = page->free == NULL;
  TERN_ASSERT(pool->live > 0 && page->live > 0);
  ASAN_POISON_MEMORY_REGION(object, pool->object_bytes);
  slot->next = page->free;
  page->free = slot;
  page->live--;
  pool->live--;
  if (was_full)
    on_page_partial(pool, page);
  if (page->live == 0)
    on_page_empty(pool, page);
}

void tern_pool_trim(struct tern_pool *pool)
{
  struct tern_pool_page *front = pool->partial;

  if (front == NULL || front->live != 0)
    return;
  unlink_page(&pool->partial, front);
  give_page(pool, front);
}

void tern_wipe(void *data, size_t len)
{
  if (len == 0)
    return;
  memset(data, 0, len);
  __asm__ volatile("" : : "r"(data) : "memory");
}
