/* SPDX-License-Identifier: MIT */
/* The set against a model of one bool per number, and its failures against "nothing changed". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/rangeset.h"
#include "support/fail_alloc.h"

#define NUMBERS 200

struct fixture {
  struct tern_fail_alloc fail;
  tern_alloc_ops ops;
  struct tern_alloc alloc;
  struct tern_rangeset set;
  bool model[NUMBERS];
};

static void set_up(struct fixture *f)
{
  memset(f, 0, sizeof *f);
  tern_fail_alloc_init(&f->fail, 0);
  f->ops = tern_fail_alloc_ops(&f->fail);
  tern_alloc_init(&f->alloc, &f->ops, NULL, UINT64_MAX);
  tern_rangeset_init(&f->set);
}

static void tear_down(struct fixture *f)
{
  tern_rangeset_deinit(&f->set, &f->alloc);
  assert_true(tern_rangeset_is_empty(&f->set));
  tern_alloc_deinit(&f->alloc);
  assert_int_equal(f->fail.live_blocks, 0);
}

static uint32_t count_model_ranges(const bool *model)
{
  uint32_t count = 0;
  for (size_t i = 0; i < NUMBERS; i++)
    if (model[i] && (i == 0 || !model[i - 1]))
      count++;
  return count;
}

/* Same numbers; sorted, apart, not empty. */
static void check(const struct fixture *f)
{
  const struct tern_rangeset *set = &f->set;
  bool seen[NUMBERS] = {false};
  for (uint32_t i = 0; i < set->count; i++) {
    assert_true(set->ranges[i].start < set->ranges[i].end);
    if (i > 0)
      assert_true(set->ranges[i - 1].end < set->ranges[i].start);
    for (uint64_t j = set->ranges[i].start; j < set->ranges[i].end; j++)
      seen[j] = true;
  }
  assert_memory_equal(seen, f->model, sizeof seen);
  assert_int_equal(set->count, count_model_ranges(f->model));
}

static void check_lookups(const struct fixture *f, uint64_t a, uint64_t b)
{
  bool covers = true;
  for (uint64_t i = a; i < b; i++)
    covers = covers && f->model[i];
  assert_int_equal(tern_rangeset_covers(&f->set, a, b), covers);
  assert_int_equal(tern_rangeset_has(&f->set, a), f->model[a]);
  uint32_t at = tern_rangeset_find(&f->set, a);
  assert_true(at == f->set.count || f->set.ranges[at].end > a);
  assert_true(at == 0 || f->set.ranges[at - 1].end <= a);
}

static void fill_model(struct fixture *f, uint64_t start, uint64_t end, bool value)
{
  for (uint64_t i = start; i < end; i++)
    f->model[i] = value;
}

static void add_random(struct fixture *f, uint64_t start, uint64_t end, uint32_t ranges_max)
{
  bool saved[NUMBERS];
  memcpy(saved, f->model, sizeof saved);
  uint32_t before = f->set.count;
  fill_model(f, start, end, true);
  struct tern_range range = {start, end};
  tern_status status = tern_rangeset_add_capped(&f->set, &f->alloc, range, ranges_max);
  uint32_t after = count_model_ranges(f->model);
  bool is_over = after > before && after > ranges_max;
  if (status == TERN_NOMEM)
    assert_true(after > before && f->fail.fail_at != 0);
  else
    assert_int_equal(status, is_over ? TERN_LIMIT : TERN_OK);
  if (status != TERN_OK)
    memcpy(f->model, saved, sizeof saved);
}

static void remove_random(struct fixture *f, uint64_t start, uint64_t end)
{
  tern_status status = tern_rangeset_remove(&f->set, &f->alloc, start, end);
  if (status == TERN_OK)
    fill_model(f, start, end, false);
  else
    assert_true(status == TERN_NOMEM && f->fail.fail_at != 0);
}

static void drop_first(struct fixture *f)
{
  if (tern_rangeset_is_empty(&f->set))
    return;
  fill_model(f, f->set.ranges[0].start, f->set.ranges[0].end, false);
  tern_rangeset_drop_first(&f->set);
}

static void run_model(uint64_t seed, uint32_t ranges_max, bool fails)
{
  struct fixture f;
  struct tern_random_seeded seeded;
  set_up(&f);
  tern_random_seeded_init(&seeded, seed);
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  for (int step = 0; step < 20000; step++) {
    uint64_t start = tern_random_below(&random, NUMBERS);
    uint64_t length_max = step / 1000 % 2 ? 3 : NUMBERS / 4;
    uint64_t end = start + 1 + tern_random_below(&random, length_max);
    end = end > NUMBERS ? NUMBERS : end;
    f.fail.fail_at = fails && step % 2 ? f.fail.takes + 1 : 0;
    uint64_t what = tern_random_below(&random, 100);
    if (what < 60)
      add_random(&f, start, end, ranges_max);
    else if (what < 95)
      remove_random(&f, start, end);
    else if (what < 97)
      drop_first(&f);
    else {
      tern_rangeset_remove_below(&f.set, start / 4);
      fill_model(&f, 0, start / 4, false);
    }
    check(&f);
    check_lookups(&f, start, end);
  }
  tear_down(&f);
}

static void test_model(void **state)
{
  (void)state;
  print_message("seeds 1 to 4\n");
  run_model(1, UINT32_MAX, false);
  run_model(2, 8, false);
  run_model(3, UINT32_MAX, true);
  run_model(4, 1, false);
}

/* Everything in order: no heap. Holes: one block, which the next holes use again. */
static void test_common_cases_take_little(void **state)
{
  struct fixture f;
  (void)state;
  set_up(&f);
  for (uint64_t i = 0; i < 1000; i++)
    assert_int_equal(tern_rangeset_add(&f.set, &f.alloc, i, i + 1), TERN_OK);
  assert_int_equal(f.alloc.takes, 0);
  for (uint64_t at = 1000; at < 2000; at += 100) {
    assert_int_equal(tern_rangeset_add(&f.set, &f.alloc, at + 1, at + 100), TERN_OK);
    assert_int_equal(f.set.count, 2);
    assert_int_equal(tern_rangeset_add(&f.set, &f.alloc, at, at + 1), TERN_OK);
    assert_int_equal(f.set.count, 1);
    assert_int_equal(f.set.ranges[0].end, at + 100);
  }
  assert_int_equal(f.alloc.takes, 1);
  tern_rangeset_trim(&f.set, &f.alloc);
  assert_int_equal(f.alloc.used_bytes, 0);
  tear_down(&f);
}

static void test_ends_of_numbers(void **state)
{
  struct fixture f;
  (void)state;
  set_up(&f);
  assert_false(tern_rangeset_has(&f.set, 0));
  assert_true(tern_rangeset_covers(&f.set, 5, 5));
  assert_int_equal(tern_rangeset_remove(&f.set, &f.alloc, 0, UINT64_MAX), TERN_OK);
  assert_int_equal(tern_rangeset_add(&f.set, &f.alloc, UINT64_MAX - 1, UINT64_MAX), TERN_OK);
  assert_true(tern_rangeset_has(&f.set, UINT64_MAX - 1));
  assert_false(tern_rangeset_has(&f.set, UINT64_MAX));
  assert_int_equal(tern_rangeset_find(&f.set, UINT64_MAX), 1);
  assert_int_equal(tern_rangeset_add(&f.set, &f.alloc, 0, UINT64_MAX), TERN_OK);
  assert_int_equal(f.set.count, 1);
  tern_rangeset_remove_below(&f.set, UINT64_MAX);
  assert_true(tern_rangeset_is_empty(&f.set));
  tear_down(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_model),
      cmocka_unit_test(test_common_cases_take_little),
      cmocka_unit_test(test_ends_of_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
