/* SPDX-License-Identifier: MIT */
/* RFC 9218 order: urgency first, by id or in turn within it; random churn against a naive model. */
#include "parts_test.h"

#include "transport/scheduler.h"
#include "transport/stream.h"

#define STREAMS 60

static struct tern_alloc account;

static struct tern_stream *new_streams(uint32_t count)
{
  struct tern_stream *streams = calloc(count, sizeof(*streams));
  for (uint32_t i = 0; i < count; i++) {
    streams[i].id = 4 * i;
    streams[i].sched.urgency = TERN_URGENCY_DEFAULT;
  }
  return streams;
}

static uint64_t serve(struct tern_scheduler *scheduler, uint64_t bytes)
{
  struct tern_stream *stream = tern_scheduler_next(scheduler);
  tern_scheduler_on_served(scheduler, stream, bytes);
  return stream->id;
}

/* [rfc9218-4.1] lower urgency values first */
static void test_urgency(void **state)
{
  (void)state;
  struct tern_scheduler scheduler;
  struct tern_stream *streams = new_streams(8);
  tern_scheduler_init(&scheduler, &account, 0);
  assert_null(tern_scheduler_next(&scheduler));
  for (uint32_t i = 0; i < 8; i++) {
    tern_scheduler_set_priority(&scheduler, &streams[i], (uint8_t)(7 - i), i % 2 == 0);
    tern_scheduler_insert(&scheduler, &streams[i]);
    tern_scheduler_insert(&scheduler, &streams[i]);
  }
  assert_int_equal(scheduler.count, 8);
  for (uint32_t i = 8; i-- > 0;) {
    assert_int_equal(serve(&scheduler, 100), 4 * i);
    assert_int_equal(serve(&scheduler, 100), 4 * i);
    tern_scheduler_remove(&scheduler, &streams[i]);
    tern_scheduler_remove(&scheduler, &streams[i]);
  }
  assert_true(tern_scheduler_is_empty(&scheduler));
  tern_scheduler_deinit(&scheduler);
  free(streams);
}

/* [rfc9218-4.2] not incremental: one after the other, lowest id first whenever it came */
static void test_by_id(void **state)
{
  (void)state;
  static const uint32_t order[] = {3, 1, 4, 0, 5, 2};
  struct tern_scheduler scheduler;
  struct tern_stream *streams = new_streams(6);
  tern_scheduler_init(&scheduler, &account, 1000);
  for (size_t i = 0; i < 6; i++)
    tern_scheduler_insert(&scheduler, &streams[order[i]]);
  for (uint32_t i = 0; i < 6; i++) {
    for (int k = 0; k < 5; k++)
      assert_int_equal(serve(&scheduler, 1200), 4 * i);
    tern_scheduler_remove(&scheduler, &streams[i]);
  }
  tern_scheduler_deinit(&scheduler);
  free(streams);
}

/* [rfc9218-4.2] incremental: in turn, a quantum each */
static void test_in_turn(void **state)
{
  (void)state;
  struct tern_scheduler scheduler;
  struct tern_stream *streams = new_streams(3);
  tern_scheduler_init(&scheduler, &account, 2400);
  for (uint32_t i = 0; i < 3; i++) {
    tern_scheduler_set_priority(&scheduler, &streams[i], 3, true);
    tern_scheduler_insert(&scheduler, &streams[i]);
  }
  assert_int_equal(tern_scheduler_turn_bytes(&scheduler), 2400);
  for (uint32_t round = 0; round < 4; round++)
    for (uint32_t i = 0; i < 3; i++)
      for (uint32_t packet = 0; packet < 2; packet++)
        assert_int_equal(serve(&scheduler, 1200), 4 * i);
  /* One leaves in its turn, another out of turn. */
  assert_int_equal(serve(&scheduler, 1200), 0);
  assert_int_equal(tern_scheduler_turn_bytes(&scheduler), 1200);
  tern_scheduler_remove(&scheduler, &streams[0]);
  assert_int_equal(serve(&scheduler, 2400), 4);
  assert_int_equal(serve(&scheduler, 2400), 8);
  tern_scheduler_insert(&scheduler, &streams[0]);
  tern_scheduler_remove(&scheduler, &streams[2]);
  assert_int_equal(serve(&scheduler, 2400), 4);
  assert_int_equal(serve(&scheduler, 2400), 0);
  assert_int_equal(serve(&scheduler, 2400), 4);
  /* Who is alone has as many turns as it likes. */
  tern_scheduler_remove(&scheduler, &streams[0]);
  assert_int_equal(tern_scheduler_turn_bytes(&scheduler), UINT64_MAX);
  tern_scheduler_remove(&scheduler, &streams[1]);
  assert_int_equal(tern_scheduler_turn_bytes(&scheduler), 0);
  tern_scheduler_deinit(&scheduler);
  free(streams);
}

/* Both kinds at one urgency: the first of the ordered ones counts as a member of the ring. */
static void test_mixed(void **state)
{
  (void)state;
  struct tern_scheduler scheduler;
  struct tern_stream *streams = new_streams(4);
  uint32_t served[4] = {0};
  tern_scheduler_init(&scheduler, &account, 0);
  for (uint32_t i = 0; i < 4; i++) {
    tern_scheduler_set_priority(&scheduler, &streams[i], 3, i >= 2);
    tern_scheduler_insert(&scheduler, &streams[i]);
  }
  for (uint32_t i = 0; i < 300; i++)
    served[serve(&scheduler, 1000) / 4]++;
  assert_int_equal(served[0], 100);
  assert_int_equal(served[1], 0);
  assert_int_equal(served[2], 100);
  assert_int_equal(served[3], 100);
  tern_scheduler_deinit(&scheduler);
  free(streams);
}

static void test_park(void **state)
{
  (void)state;
  struct tern_scheduler scheduler;
  struct tern_stream *streams = new_streams(4);
  tern_scheduler_init(&scheduler, &account, 0);
  for (uint32_t i = 0; i < 4; i++)
    tern_scheduler_insert(&scheduler, &streams[i]);
  for (uint32_t i = 0; i < 3; i++) {
    tern_scheduler_park(&scheduler, &streams[i]);
    tern_scheduler_park(&scheduler, &streams[i]);
  }
  assert_int_equal(scheduler.count, 1);
  assert_int_equal(serve(&scheduler, 1), 12);
  tern_scheduler_insert(&scheduler, &streams[1]);
  assert_int_equal(serve(&scheduler, 1), 4);
  tern_scheduler_remove(&scheduler, &streams[0]);
  tern_scheduler_set_priority(&scheduler, &streams[2], 0, true);
  assert_int_equal(scheduler.count, 2);
  tern_scheduler_unpark_all(&scheduler);
  assert_int_equal(scheduler.count, 3);
  assert_int_equal(serve(&scheduler, 1), 8);
  assert_null(scheduler.parked);
  tern_scheduler_deinit(&scheduler);
  free(streams);
}

/* ---- model: an array; next must be what RFC 9218 allows ---- */

static bool is_queued(const struct tern_stream *stream)
{
  return stream->sched.place == TERN_SCHED_HEAP || stream->sched.place == TERN_SCHED_RING;
}

static void check_next(const struct tern_scheduler *scheduler, const struct tern_stream *streams)
{
  const struct tern_stream *next = tern_scheduler_next(scheduler);
  uint32_t count = 0;
  for (uint32_t i = 0; i < STREAMS; i++) {
    const struct tern_stream *stream = &streams[i];
    if (!is_queued(stream))
      continue;
    count++;
    assert_true(next->sched.urgency <= stream->sched.urgency);
    if (!next->sched.is_incremental && !stream->sched.is_incremental &&
        next->sched.urgency == stream->sched.urgency)
      assert_true(next->id <= stream->id);
  }
  assert_int_equal(count, scheduler->count);
  assert_int_equal(next == NULL, count == 0);
}

static void test_random_churn(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    struct tern_random_seeded random;
    struct tern_scheduler scheduler;
    struct tern_stream *streams = new_streams(STREAMS);
    tern_random_seeded_init(&random, seed);
    tern_scheduler_init(&scheduler, &account, (uint32_t)draw_below(&random, 5000));
    for (uint32_t step = 0; step < 5000; step++) {
      struct tern_stream *stream = &streams[draw_below(&random, STREAMS)];
      switch (draw_below(&random, 7)) {
      case 0:
        tern_scheduler_remove(&scheduler, stream);
        break;
      case 1:
        tern_scheduler_park(&scheduler, stream);
        break;
      case 2:
        tern_scheduler_set_priority(&scheduler, stream, (uint8_t)draw_below(&random, 3),
                                    draw_one_in(&random, 2));
        break;
      case 3:
        if (draw_one_in(&random, 20))
          tern_scheduler_unpark_all(&scheduler);
        break;
      case 4:
      case 5:
        if (!tern_scheduler_is_empty(&scheduler))
          serve(&scheduler, draw_below(&random, 3000));
        break;
      default:
        tern_scheduler_insert(&scheduler, stream);
        break;
      }
      check_next(&scheduler, streams);
    }
    for (uint32_t i = 0; i < STREAMS; i++)
      tern_scheduler_remove(&scheduler, &streams[i]);
    assert_true(tern_scheduler_is_empty(&scheduler) && scheduler.parked == NULL &&
                scheduler.used == 0);
    tern_scheduler_deinit(&scheduler);
    free(streams);
  }
  print_message("seeds 1 to 60\n");
}

/* Nobody in the ring waits longer than everybody else's quantum. */
static void test_ring_is_fair(void **state)
{
  (void)state;
  struct tern_random_seeded random;
  struct tern_scheduler scheduler;
  struct tern_stream *streams = new_streams(STREAMS);
  uint32_t waited[STREAMS] = {0};
  tern_random_seeded_init(&random, 1);
  tern_scheduler_init(&scheduler, &account, 0);
  for (uint32_t i = 0; i < STREAMS; i++) {
    tern_scheduler_set_priority(&scheduler, &streams[i], 3, true);
    tern_scheduler_insert(&scheduler, &streams[i]);
  }
  for (uint32_t step = 0; step < 20000; step++) {
    uint64_t served = serve(&scheduler, 1) / 4;
    for (uint32_t i = 0; i < STREAMS; i++)
      waited[i] = is_queued(&streams[i]) && i != served ? waited[i] + 1 : 0;
    for (uint32_t i = 0; i < STREAMS; i++)
      assert_true(waited[i] < 2 * STREAMS);
    struct tern_stream *stream = &streams[draw_below(&random, STREAMS)];
    if (is_queued(stream) && scheduler.count > 1)
      tern_scheduler_remove(&scheduler, stream);
    else
      tern_scheduler_insert(&scheduler, stream);
  }
  tern_scheduler_deinit(&scheduler);
  free(streams);
}

/* Without memory for other urgencies a stream is served as if it had the default one, and leaves from where
 * it is. */
static void test_no_memory(void **state)
{
  (void)state;
  struct tern_scheduler scheduler;
  struct tern_stream *streams = new_streams(3);
  tern_scheduler_init(&scheduler, &account, 0);
  for (uint32_t i = 0; i < 3; i++)
    tern_scheduler_set_priority(&scheduler, &streams[i], (uint8_t)(5 - i), false);
  account.cap_bytes = account.used_bytes;
  for (uint32_t i = 0; i < 3; i++)
    tern_scheduler_insert(&scheduler, &streams[i]);
  assert_null(scheduler.others);
  assert_int_equal(serve(&scheduler, 1), 0); /* by id */
  account.cap_bytes = UINT64_MAX;
  tern_scheduler_remove(&scheduler, &streams[0]);
  tern_scheduler_insert(&scheduler, &streams[0]); /* urgency 5, now apart */
  assert_non_null(scheduler.others);
  assert_int_equal(serve(&scheduler, 1), 4);
  tern_scheduler_trim(&scheduler);
  assert_non_null(scheduler.others);
  for (uint32_t i = 0; i < 3; i++)
    tern_scheduler_remove(&scheduler, &streams[i]);
  assert_true(tern_scheduler_is_empty(&scheduler) && scheduler.used == 0);
  tern_scheduler_trim(&scheduler);
  assert_null(scheduler.others);
  assert_int_equal(account.used_bytes, 0);
  free(streams);
}

int main(void)
{
  account = make_account();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_urgency),      cmocka_unit_test(test_by_id),
      cmocka_unit_test(test_in_turn),      cmocka_unit_test(test_mixed),
      cmocka_unit_test(test_park),         cmocka_unit_test(test_no_memory),
      cmocka_unit_test(test_random_churn), cmocka_unit_test(test_ring_is_fair),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
