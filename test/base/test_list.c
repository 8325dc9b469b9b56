/* SPDX-License-Identifier: MIT */
/* The list against an array of the same order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/random.h"

#define NODES 12

struct owner {
  int value;
  struct tern_list_node node;
};

static void check(const struct tern_list *list, struct owner *const *order, size_t count)
{
  size_t i = 0;
  for (struct tern_list_node *node = tern_list_first(list); node != NULL;
       node = tern_list_next(list, node))
    assert_ptr_equal(TERN_CONTAINER_OF(node, struct owner, node), order[i++]);
  assert_int_equal(i, count);
  assert_int_equal(tern_list_is_empty(list), count == 0);
  assert_ptr_equal(tern_list_last(list), count == 0 ? NULL : &order[count - 1]->node);
}

static size_t find(struct owner *const *order, size_t count, const struct owner *owner)
{
  size_t i = 0;
  while (i < count && order[i] != owner)
    i++;
  return i;
}

static void test_model(void **state)
{
  struct tern_random_seeded seeded;
  struct tern_list list;
  struct owner owners[NODES], *order[NODES];
  size_t count = 0;
  (void)state;
  memset(owners, 0, sizeof owners);
  tern_random_seeded_init(&seeded, 9);
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  tern_list_init(&list);
  for (int step = 0; step < 5000; step++) {
    struct owner *owner = &owners[tern_random_below(&random, NODES)];
    size_t at = find(order, count, owner);
    assert_int_equal(tern_list_has_node(&owner->node), at < count);
    if (at < count) {
      tern_list_remove(&owner->node);
      memmove(&order[at], &order[at + 1], (--count - at) * sizeof order[0]);
    } else if (tern_random_below(&random, 2) == 0) {
      tern_list_push_back(&list, &owner->node);
      order[count++] = owner;
    } else {
      tern_list_push_front(&list, &owner->node);
      memmove(&order[1], &order[0], count++ * sizeof order[0]);
      order[0] = owner;
    }
    check(&list, order, count);
  }
}

static void test_append_and_pop(void **state)
{
  struct tern_list a, b;
  struct owner owners[4], *order[4];
  (void)state;
  memset(owners, 0, sizeof owners);
  tern_list_init(&a);
  tern_list_init(&b);
  for (size_t i = 0; i < 4; i++) {
    order[i] = &owners[i];
    tern_list_push_back(i < 2 ? &a : &b, &owners[i].node);
  }
  tern_list_append(&a, &b);
  check(&a, order, 4);
  assert_true(tern_list_is_empty(&b));
  tern_list_append(&a, &b);
  check(&a, order, 4);
  tern_list_append(&b, &a);
  check(&b, order, 4);
  for (size_t i = 0; i < 4; i++)
    assert_ptr_equal(tern_list_pop_front(&b), &owners[i].node);
  assert_null(tern_list_pop_front(&b));
  tern_list_remove(&owners[0].node); /* in no list: quiet */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_model),
      cmocka_unit_test(test_append_and_pop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
