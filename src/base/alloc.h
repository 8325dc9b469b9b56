/* SPDX-License-Identifier: MIT */
/* Every byte of heap is charged to an account: a connection's or the endpoint's.
 *
 *   account ---parent---> account ---> ops (malloc, or what the application gave)
 *
 * A charge goes to the account and to each parent, so the endpoint knows the sum and a connection
 * that ends with a charge other than zero has leaked. Taking can fail in two ways, and callers treat
 * them alike: the allocator said no, or the account's cap would be passed. */
#ifndef TERN_BASE_ALLOC_H
#define TERN_BASE_ALLOC_H

#include <tern/base.h>

struct tern_alloc {
  const tern_alloc_ops *ops;
  struct tern_alloc *parent; /* may be NULL */
  uint64_t used_bytes;       /* charged now */
  uint64_t peak_bytes;
  uint64_t cap_bytes; /* UINT64_MAX = none */
  uint64_t takes;     /* calls that succeeded: tests count allocations per packet by it */
};

/* malloc and free. */
extern const tern_alloc_ops tern_alloc_system;

void tern_alloc_init(struct tern_alloc *alloc, const tern_alloc_ops *ops, struct tern_alloc *parent,
                     uint64_t cap_bytes);
/* Asserts that everything was given back. */
void tern_alloc_deinit(struct tern_alloc *alloc);

/* Uninitialised memory, or NULL. `size` > 0. */
TERN_MUST_CHECK void *tern_alloc_take(struct tern_alloc *alloc, size_t size);
/* The same, zeroed. */
TERN_MUST_CHECK void *tern_alloc_take_zero(struct tern_alloc *alloc, size_t size);
/* Moves a block to a new size, contents kept up to the smaller one; on NULL the old block stays. */
TERN_MUST_CHECK void *tern_alloc_resize(struct tern_alloc *alloc, void *block, size_t old_size,
                                        size_t new_size);
/* `block` may be NULL. `size` is what was taken. */
void tern_alloc_give(struct tern_alloc *alloc, void *block, size_t size);
/* Moves the charge of a block between accounts, for example when a chunk changes owner. */
void tern_alloc_move(struct tern_alloc *from, struct tern_alloc *to, size_t size);

/* Fixed-size objects in pages: of one object each while there are few, later of a quarter of what lives
 * already, up to about 4 KiB; free pages but one go back to `alloc`. */
struct tern_pool_page;
struct tern_pool {
  struct tern_alloc *alloc;
  struct tern_pool_page *partial; /* pages with a free slot */
  struct tern_pool_page *full;
  size_t object_bytes;
  size_t page_objects_max;
  size_t live;
};

void tern_pool_init(struct tern_pool *pool, struct tern_alloc *alloc, size_t object_bytes);
/* Every object must be back. */
void tern_pool_deinit(struct tern_pool *pool);
/* Zeroed, or NULL. */
TERN_MUST_CHECK void *tern_pool_take(struct tern_pool *pool);
void tern_pool_give(struct tern_pool *pool, void *object);
/* Gives the free page back, too. */
void tern_pool_trim(struct tern_pool *pool);

/* Overwrites secrets in a way that the compiler may not drop. */
void tern_wipe(void *data, size_t len);

#endif
