/* SPDX-License-Identifier: MIT */
/* Accounts charge all the way up and respect every cap; pools reuse, give pages back, and leave
 * nothing behind when the allocator fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"
#include "support/fail_alloc.h"

static void test_accounts(void **state)
{
  struct tern_fail_alloc fail;
  struct tern_alloc parent, child;
  (void)state;
  tern_fail_alloc_init(&fail, 0);
  tern_alloc_ops ops = tern_fail_alloc_ops(&fail);
  tern_alloc_init(&parent, &ops, NULL, 1000);
  tern_alloc_init(&child, &ops, &parent, 600);

  void *a = tern_alloc_take(&child, 400);
  assert_non_null(a);
  assert_int_equal(child.used_bytes, 400);
  assert_int_equal(parent.used_bytes, 400);
  assert_null(tern_alloc_take(&child, 201)); /* the child's cap */
  void *b = tern_alloc_take(&parent, 500);
  assert_non_null(b);
  assert_null(tern_alloc_take(&child, 101)); /* the parent's cap */
  assert_int_equal(fail.takes, 2);           /* refused without asking */
  void *c = tern_alloc_take_zero(&child, 100);
  assert_non_null(c);
  for (size_t i = 0; i < 100; i++)
    assert_int_equal(((uint8_t *)c)[i], 0);
  assert_int_equal(parent.used_bytes, 1000);
  assert_int_equal(parent.takes, 3);
  assert_int_equal(child.takes, 2);

  tern_alloc_give(&child, NULL, 12345);
  tern_alloc_give(&child, a, 400);
  tern_alloc_give(&child, c, 100);
  tern_alloc_give(&parent, b, 500);
  assert_int_equal(child.peak_bytes, 500);
  assert_int_equal(parent.peak_bytes, 1000);
  tern_alloc_deinit(&child);
  tern_alloc_deinit(&parent);
  assert_int_equal(fail.live_bytes, 0);
}

static void test_resize_and_move(void **state)
{
  struct tern_fail_alloc fail;
  struct tern_alloc parent, from, to;
  (void)state;
  tern_fail_alloc_init(&fail, 0);
  tern_alloc_ops ops = tern_fail_alloc_ops(&fail);
  tern_alloc_init(&parent, &ops, NULL, UINT64_MAX);
  tern_alloc_init(&from, &ops, &parent, UINT64_MAX);
  tern_alloc_init(&to, &ops, &parent, UINT64_MAX);

  char *block = tern_alloc_resize(&from, NULL, 0, 4);
  assert_non_null(block);
  memcpy(block, "tern", 4);
  block = tern_alloc_resize(&from, block, 4, 100);
  assert_non_null(block);
  assert_memory_equal(block, "tern", 4);
  fail.fail_at = fail.takes + 1;
  assert_null(tern_alloc_resize(&from, block, 100, 200));
  assert_memory_equal(block, "tern", 4);
  assert_int_equal(from.used_bytes, 100);
  block = tern_alloc_resize(&from, block, 100, 2);
  assert_non_null(block);
  assert_memory_equal(block, "te", 2);

  tern_alloc_move(&from, &to, 2);
  assert_int_equal(from.used_bytes, 0);
  assert_int_equal(to.used_bytes, 2);
  assert_int_equal(parent.used_bytes, 2);
  tern_alloc_give(&to, block, 2);
  assert_int_equal(parent.used_bytes, 0);
  assert_int_equal(fail.live_blocks, 0);
}

static void test_system(void **state)
{
  struct tern_alloc alloc;
  (void)state;
  tern_alloc_init(&alloc, &tern_alloc_system, NULL, UINT64_MAX);
  void *block = tern_alloc_take_zero(&alloc, 100000);
  assert_non_null(block);
  tern_alloc_give(&alloc, block, 100000);
  tern_alloc_deinit(&alloc);
}

#define OBJECTS 600

struct pool_model {
  struct tern_pool pool;
  uint8_t *objects[OBJECTS];
  size_t live;
  size_t size;
};

static void give_one(struct pool_model *model, size_t i)
{
  for (size_t j = 0; j < model->size; j++)
    assert_int_equal(model->objects[i][j], (uint8_t)i);
  tern_pool_give(&model->pool, model->objects[i]);
  model->objects[i] = NULL;
  model->live--;
}

static void take_one(struct pool_model *model, size_t i)
{
  uint8_t *object = tern_pool_take(&model->pool);
  if (object == NULL)
    return;
  assert_int_equal((uintptr_t)object % 8, 0);
  for (size_t j = 0; j < model->size; j++)
    assert_int_equal(object[j], 0);
  memset(object, (int)i, model->size);
  model->objects[i] = object;
  model->live++;
}

/* Random takes and gives; every object keeps its bytes, so no two overlap. */
static void run_pool(size_t size, uint64_t seed, bool fails)
{
  struct pool_model model = {.size = size};
  struct tern_random_seeded seeded;
  struct tern_fail_alloc fail;
  struct tern_alloc alloc;
  tern_random_seeded_init(&seeded, seed);
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  tern_fail_alloc_init(&fail, 0);
  tern_alloc_ops ops = tern_fail_alloc_ops(&fail);
  tern_alloc_init(&alloc, &ops, NULL, UINT64_MAX);
  tern_pool_init(&model.pool, &alloc, size);
  for (int step = 0; step < 20000; step++) {
    /* Wander between empty and full. */
    size_t range = 1 + tern_random_below(&random, step / 2000 % 2 ? 5 : OBJECTS);
    size_t i = (size_t)tern_random_below(&random, range);
    fail.fail_at = fails && step % 3 == 0 ? fail.takes + 1 : 0;
    if (model.objects[i] != NULL)
      give_one(&model, i);
    else
      take_one(&model, i);
    assert_int_equal(model.pool.live, model.live);
    assert_true(alloc.used_bytes >= model.live * size);
  }
  for (size_t i = 0; i < OBJECTS; i++)
    if (model.objects[i] != NULL)
      give_one(&model, i);
  assert_true(fail.live_blocks <= 1); /* one empty page may stay */
  tern_pool_give(&model.pool, NULL);
  tern_pool_deinit(&model.pool);
  tern_alloc_deinit(&alloc);
  assert_int_equal(fail.live_blocks, 0);
}

static void test_pool(void **state)
{
  static const size_t sizes[] = {1, 8, 24, 200, 1000, 4096, 9000};
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    run_pool(sizes[i], 1 + i, false);
    run_pool(sizes[i], 100 + i, true);
  }
}

#define STEADY_OBJECTS 12 /* pages of two, all full */

/* In the steady state a pool never asks the allocator, even at a page's border. */
static void test_pool_is_steady(void **state)
{
  struct tern_alloc alloc;
  struct tern_pool pool;
  void *objects[200];
  (void)state;
  tern_alloc_init(&alloc, &tern_alloc_system, NULL, UINT64_MAX);
  tern_pool_init(&pool, &alloc, 64);
  for (size_t i = 0; i < STEADY_OBJECTS; i++)
    assert_non_null(objects[i] = tern_pool_take(&pool));
  void *extra = tern_pool_take(&pool);
  tern_pool_give(&pool, extra);
  uint64_t takes = alloc.takes;
  for (int i = 0; i < 1000; i++) {
    extra = tern_pool_take(&pool);
    assert_non_null(extra);
    tern_pool_give(&pool, extra);
  }
  assert_int_equal(alloc.takes, takes);
  for (size_t i = 0; i < STEADY_OBJECTS; i++)
    tern_pool_give(&pool, objects[i]);
  tern_pool_deinit(&pool);
  tern_alloc_deinit(&alloc);
}

static void test_wipe(void **state)
{
  uint8_t secret[32];
  (void)state;
  memset(secret, 0x5a, sizeof secret);
  tern_wipe(secret + 1, 30);
  assert_int_equal(secret[0], 0x5a);
  assert_int_equal(secret[31], 0x5a);
  for (size_t i = 1; i < 31; i++)
    assert_int_equal(secret[i], 0);
  tern_wipe(NULL, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_accounts),       cmocka_unit_test(test_resize_and_move),
      cmocka_unit_test(test_system),         cmocka_unit_test(test_pool),
      cmocka_unit_test(test_pool_is_steady), cmocka_unit_test(test_wipe),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
