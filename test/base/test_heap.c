/* SPDX-License-Identifier: MIT */
/* The heap against a model that searches all nodes, with allocation failures in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/random.h"
#include "support/fail_alloc.h"

#define NODES 500

struct owner {
  uint64_t before;
  struct tern_heap_node node;
  bool is_in;
};

static tern_time find_least(const struct owner *owners)
{
  tern_time least = TERN_TIME_NEVER;
  for (size_t i = 0; i < NODES; i++)
    if (owners[i].is_in && owners[i].node.key < least)
      least = owners[i].node.key;
  return least;
}

static void check(const struct tern_heap *heap, const struct owner *owners)
{
  uint32_t count = 0;
  for (size_t i = 0; i < NODES; i++) {
    assert_int_equal(tern_heap_has_node(&owners[i].node), owners[i].is_in);
    if (!owners[i].is_in)
      continue;
    const struct tern_heap_entry *entry = &heap->entries[owners[i].node.index - 1];
    assert_ptr_equal(entry->node, &owners[i].node);
    assert_true(entry->key == owners[i].node.key);
    count++;
  }
  assert_int_equal(heap->count, count);
  assert_true(tern_heap_first_key(heap) == find_least(owners));
  assert_int_equal(tern_heap_first(heap) == NULL, count == 0);
}

static void step_random(struct tern_heap *heap, struct owner *owner, const tern_random_ops *random,
                        bool fails)
{
  /* Few different keys, so that equal ones are common; sometimes the extremes. */
  tern_time key = tern_random_below(random, 60);
  key = key == 59 ? TERN_TIME_NEVER : key;
  if (!owner->is_in) {
    tern_status status = tern_heap_insert(heap, &owner->node, key);
    owner->is_in = status == TERN_OK;
    assert_true(owner->is_in || (fails && status == TERN_NOMEM));
  } else if (tern_random_below(random, 3) == 0) {
    tern_heap_remove(heap, &owner->node);
    owner->is_in = false;
  } else {
    tern_heap_update(heap, &owner->node, key);
    assert_true(owner->node.key == key);
  }
}

static void run_model(uint64_t seed, bool fails)
{
  static struct owner owners[NODES];
  struct tern_random_seeded seeded;
  struct tern_fail_alloc fail;
  struct tern_alloc alloc;
  struct tern_heap heap;
  memset(owners, 0, sizeof owners);
  tern_random_seeded_init(&seeded, seed);
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  tern_fail_alloc_init(&fail, 0);
  tern_alloc_ops ops = tern_fail_alloc_ops(&fail);
  tern_alloc_init(&alloc, &ops, NULL, UINT64_MAX);
  tern_heap_init(&heap, &alloc);
  for (int step = 0; step < 6000; step++) {
    size_t range = step / 1000 % 2 ? 10 : NODES;
    struct owner *owner = &owners[tern_random_below(&random, range)];
    fail.fail_at = fails && step % 3 == 0 ? fail.takes + 1 : 0;
    step_random(&heap, owner, &random, fails);
    check(&heap, owners);
  }
  tern_heap_deinit(&heap);
  tern_alloc_deinit(&alloc);
}

static void test_model(void **state)
{
  (void)state;
  print_message("seeds 1, 2\n");
  run_model(1, false);
  run_model(2, true);
}

/* Taken out one by one they come in order; the array shrinks on the way. */
static void test_sorts_and_shrinks(void **state)
{
  static struct owner owners[NODES];
  struct tern_alloc alloc;
  struct tern_heap heap;
  (void)state;
  memset(owners, 0, sizeof owners);
  tern_alloc_init(&alloc, &tern_alloc_system, NULL, UINT64_MAX);
  tern_heap_init(&heap, &alloc);
  for (size_t i = 0; i < NODES; i++)
    assert_int_equal(tern_heap_insert(&heap, &owners[i].node, i * 7919 % NODES), TERN_OK);
  for (tern_time key = 0; key < NODES; key++) {
    struct owner *owner = TERN_CONTAINER_OF(tern_heap_first(&heap), struct owner, node);
    assert_true(owner >= owners && owner < owners + NODES);
    assert_true(owner->node.key == key);
    tern_heap_remove(&heap, &owner->node);
    tern_heap_remove(&heap, &owner->node);
  }
  assert_true(heap.capacity <= 16);
  tern_heap_deinit(&heap);
  tern_alloc_deinit(&alloc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_model),
      cmocka_unit_test(test_sorts_and_shrinks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
