/* SPDX-License-Identifier: MIT */
/* The receiving side: policy table, floors, bounds, and a model with a bit per packet number. */
#include "recovery_test.h"

#include "recovery/acks.h"

struct world {
  struct tern_alloc alloc;
  struct tern_acks acks;
};

static const struct tern_acks_policy data_policy = {25 * MS, 2};
static const struct tern_acks_policy handshake_policy = {0, 1};

static void begin(struct world *w, struct tern_acks_policy policy)
{
  tern_alloc_init(&w->alloc, &tern_alloc_system, NULL, UINT64_MAX);
  tern_acks_init(&w->acks, &w->alloc, policy);
}

static void end(struct world *w)
{
  tern_acks_deinit(&w->acks);
  assert_int_equal(w->alloc.used_bytes, 0);
  tern_alloc_deinit(&w->alloc);
}

static void receive(struct world *w, uint64_t number, tern_time now)
{
  assert_false(tern_acks_is_duplicate(&w->acks, number));
  tern_acks_on_received(&w->acks, number, true, TERN_ECN_NOT, now);
  assert_true(tern_acks_is_duplicate(&w->acks, number));
}

static void test_handshake_is_immediate(void **state)
{
  struct world w;
  (void)state;
  begin(&w, handshake_policy);
  assert_false(tern_acks_wants_now(&w.acks, 5));
  receive(&w, 0, 5);
  /* [rfc9000-13.2.1] MUST acknowledge Initial and Handshake packets immediately */
  assert_true(tern_acks_wants_now(&w.acks, 5));
  assert_int_equal(tern_acks_deadline(&w.acks), 5);
  end(&w);
}

static void test_every_second(void **state)
{
  struct world w;
  struct tern_acks_report report;
  (void)state;
  begin(&w, data_policy);
  receive(&w, 0, 100 * MS);
  assert_false(tern_acks_wants_now(&w.acks, 100 * MS));
  assert_true(tern_acks_wants_ride(&w.acks));
  /* [rfc9000-13.2.1] MUST be acknowledged within max_ack_delay */
  assert_int_equal(tern_acks_deadline(&w.acks), 125 * MS);
  assert_true(tern_acks_wants_now(&w.acks, 125 * MS));
  receive(&w, 1, 103 * MS);
  /* [rfc9000-13.2.2] SHOULD send an ACK after at least two */
  assert_true(tern_acks_wants_now(&w.acks, 103 * MS));
  report = tern_acks_on_sent(&w.acks, 104 * MS);
  assert_int_equal(report.largest, 1);
  assert_int_equal(report.delay_ns, 1 * MS);
  assert_false(tern_acks_wants_now(&w.acks, 200 * MS));
  assert_false(tern_acks_wants_ride(&w.acks));
  assert_true(tern_acks_deadline(&w.acks) == TERN_TIME_NEVER);
  end(&w);
}

static void test_non_eliciting(void **state)
{
  struct world w;
  (void)state;
  begin(&w, handshake_policy);
  /* [rfc9000-13.2.1] MUST NOT answer non-ack-eliciting packets, gaps or not */
  for (uint64_t n = 0; n < 20; n += 3) {
    tern_acks_on_received(&w.acks, n, false, TERN_ECN_CE, n);
    assert_false(tern_acks_wants_now(&w.acks, 10 * TERN_SECOND));
    assert_true(tern_acks_deadline(&w.acks) == TERN_TIME_NEVER);
  }
  assert_true(w.acks.has_new);
  end(&w);
}

/* [rfc9000-13.2.1] which packet makes the ACK due at once, after those before were acknowledged. */
static void test_urgency(void **state)
{
  static const struct {
    const char *name;
    uint64_t before[4]; /* eliciting, ends with 99 */
    uint64_t quiet[3];  /* not eliciting */
    uint64_t number;
    tern_ecn ecn;
    bool is_urgent;
  } cases[] = {
      {"first of all", {99}, {99}, 7, TERN_ECN_NOT, false},
      {"in order", {0, 1, 99}, {99}, 2, TERN_ECN_NOT, false},
      {"above a gap", {0, 1, 99}, {99}, 3, TERN_ECN_NOT, true},
      {"below another", {0, 2, 99}, {99}, 1, TERN_ECN_NOT, true},
      {"old gap, in order above it", {0, 2, 3, 99}, {99}, 4, TERN_ECN_NOT, false},
      {"gap filled by quiet ones", {0, 99}, {1, 2, 99}, 3, TERN_ECN_NOT, false},
      {"gap partly filled", {0, 99}, {2, 99}, 3, TERN_ECN_NOT, true},
      {"below a quiet one only", {0, 99}, {3, 99}, 1, TERN_ECN_NOT, false},
      {"quiet one ahead, gap below", {0, 99}, {5, 99}, 2, TERN_ECN_NOT, true},
      {"CE", {0, 1, 99}, {99}, 2, TERN_ECN_CE, true},
      {"ECT(0)", {0, 1, 99}, {99}, 2, TERN_ECN_ECT0, false},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct world w;
    begin(&w, (struct tern_acks_policy){25 * MS, 10});
    for (int j = 0; cases[i].before[j] != 99; j++)
      receive(&w, cases[i].before[j], 1);
    for (int j = 0; cases[i].quiet[j] != 99; j++)
      tern_acks_on_received(&w.acks, cases[i].quiet[j], false, TERN_ECN_NOT, 1);
    if (w.acks.has_largest)
      tern_acks_on_sent(&w.acks, 1);
    print_message("%s\n", cases[i].name);
    tern_acks_on_received(&w.acks, cases[i].number, true, cases[i].ecn, 2);
    assert_int_equal(tern_acks_wants_now(&w.acks, 2), cases[i].is_urgent);
    end(&w);
  }
}

static void test_ecn_counts(void **state)
{
  static const tern_ecn marks[] = {TERN_ECN_ECT0, TERN_ECN_CE,   TERN_ECN_ECT0,
                                   TERN_ECN_NOT,  TERN_ECN_ECT1, TERN_ECN_ECT0};
  struct world w;
  (void)state;
  begin(&w, data_policy);
  assert_false(tern_acks_has_ecn(&w.acks));
  for (uint64_t i = 0; i < COUNT_OF(marks); i++)
    tern_acks_on_received(&w.acks, i, i % 2 == 0, marks[i], i);
  assert_true(tern_acks_has_ecn(&w.acks));
  assert_int_equal(tern_acks_get_ecn(&w.acks)->ect0, 3);
  assert_int_equal(tern_acks_get_ecn(&w.acks)->ect1, 1);
  assert_int_equal(tern_acks_get_ecn(&w.acks)->ce, 1);
  end(&w);
}

static void test_ack_of_ack(void **state)
{
  struct world w;
  const struct tern_range *ranges = NULL;
  size_t count = 0;
  (void)state;
  begin(&w, data_policy);
  for (uint64_t n = 0; n < 40; n += 2)
    receive(&w, n, n);
  ranges = tern_acks_get_ranges(&w.acks, &count);
  assert_int_equal(count, 20);
  assert_int_equal(ranges[19].end, 39);
  tern_acks_on_sent(&w.acks, 50);
  tern_acks_on_ack_acked(&w.acks, 30);
  /* [rfc9000-13.2.4] no need to acknowledge 30 and below again */
  ranges = tern_acks_get_ranges(&w.acks, &count);
  assert_int_equal(count, 4);
  assert_int_equal(ranges[0].start, 32);
  assert_true(tern_acks_is_duplicate(&w.acks, 28)); /* remembered */
  assert_false(tern_acks_is_duplicate(&w.acks, 29));
  assert_true(tern_acks_is_duplicate(&w.acks, 3)); /* too old to know */
  /* A late one is reported although it lies below. */
  receive(&w, 29, 60);
  ranges = tern_acks_get_ranges(&w.acks, &count);
  assert_int_equal(ranges[0].start, 28);
  assert_int_equal(ranges[0].end, 31);
  /* All is known: the largest stays in the frame. */
  tern_acks_on_ack_acked(&w.acks, 38);
  ranges = tern_acks_get_ranges(&w.acks, &count);
  assert_int_equal(count, 1);
  assert_int_equal(ranges[0].end, 39);
  tern_acks_on_ack_acked(&w.acks, 5); /* an older ACK changes nothing */
  tern_acks_get_ranges(&w.acks, &count);
  assert_int_equal(count, 1);
  end(&w);
}

/* Cap TERN_CAP_ACK_RANGES: the oldest range is forgotten and its packets count as duplicates. */
static void test_ranges_bound(void **state)
{
  struct world w;
  size_t count = 0;
  (void)state;
  begin(&w, data_policy);
  for (uint64_t n = 1000; n < 1000 + 4 * TERN_CAP_ACK_RANGES; n += 2)
    receive(&w, n, n);
  tern_acks_get_ranges(&w.acks, &count);
  assert_int_equal(count, TERN_CAP_ACK_RANGES);
  /* [rfc9000-13.2.3] MUST NOT accept again what it no longer remembers */
  assert_true(tern_acks_is_duplicate(&w.acks, 1000));
  assert_true(tern_acks_is_duplicate(&w.acks, 1001));
  assert_true(tern_acks_is_duplicate(&w.acks, 3));
  assert_true(w.alloc.used_bytes <= 2 * TERN_CAP_ACK_RANGES * sizeof(struct tern_range));
  end(&w);
}

static void test_no_memory(void **state)
{
  struct world w;
  size_t count = 0;
  (void)state;
  begin(&w, data_policy);
  w.alloc.cap_bytes = 0;
  for (uint64_t n = 0; n < 100; n += 2) {
    assert_false(tern_acks_is_duplicate(&w.acks, n));
    tern_acks_on_received(&w.acks, n, true, TERN_ECN_NOT, n);
    assert_true(tern_acks_is_duplicate(&w.acks, n));
    assert_int_equal(tern_acks_get_ranges(&w.acks, &count)[count - 1].end, n + 1);
  }
  end(&w);
}

static void test_batches_allocate_nothing(void **state)
{
  struct world w;
  (void)state;
  begin(&w, data_policy);
  for (uint64_t n = 0; n < 100000; n++) {
    receive(&w, n, n * 1000);
    if (n % 32 == 31) {
      assert_true(tern_acks_wants_now(&w.acks, n * 1000)); /* one per batch */
      tern_acks_on_sent(&w.acks, n * 1000);
    }
    if (n % 100 == 99)
      tern_acks_on_ack_acked(&w.acks, n - 40);
  }
  assert_int_equal(w.alloc.takes, 0);
  end(&w);
}

/* ---- model: a flag per number ---------------------------------------------------------------- */

#define MODEL_MAX 4000

struct model {
  bool received[MODEL_MAX];
  uint64_t largest;
};

static void check_ranges(const struct world *w, const struct model *m)
{
  size_t count = 0;
  const struct tern_range *ranges = tern_acks_get_ranges(&w->acks, &count);

  assert_true(count >= 1 && count <= TERN_CAP_ACK_RANGES);
  assert_int_equal(ranges[count - 1].end, m->largest + 1);
  for (size_t i = 0; i < count; i++) {
    if (i > 0)
      assert_true(ranges[i].start > ranges[i - 1].end);
    for (uint64_t n = ranges[i].start; n < ranges[i].end; n++)
      assert_true(m->received[n]); /* never acknowledge what did not come */
  }
}

static void run_model(uint64_t seed)
{
  static struct model m;
  struct tern_random_seeded random;
  struct world w;
  uint64_t highest_sent = 0;
  uint64_t at = 0;

  tern_random_seeded_init(&random, seed);
  memset(&m, 0, sizeof m);
  begin(&w, data_policy);
  for (int i = 0; i < 5000 && at < MODEL_MAX - 10; i++) {
    uint64_t number = draw_one_in(&random, 4) ? draw_below(&random, at + 1) : at++;
    at += draw_one_in(&random, 6) ? draw_below(&random, 4) : 0;
    if (m.received[number])
      assert_true(tern_acks_is_duplicate(&w.acks, number)); /* [rfc9000-12.3] MUST discard */
    if (tern_acks_is_duplicate(&w.acks, number))
      continue;
    m.received[number] = true;
    if (number > m.largest)
      m.largest = number;
    tern_acks_on_received(&w.acks, number, draw_one_in(&random, 2), TERN_ECN_NOT, (tern_time)i);
    check_ranges(&w, &m);
    if (tern_acks_wants_now(&w.acks, (tern_time)i)) {
      uint64_t largest = tern_acks_on_sent(&w.acks, (tern_time)i).largest;
      assert_true(largest >= highest_sent); /* never older than one already sent */
      highest_sent = largest;
    }
    if (draw_one_in(&random, 20))
      tern_acks_on_ack_acked(&w.acks, draw_below(&random, highest_sent + 1));
  }
  end(&w);
}

static void test_against_model(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    print_message("seed %u\n", (unsigned)seed);
    run_model(seed);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_handshake_is_immediate),
      cmocka_unit_test(test_every_second),
      cmocka_unit_test(test_non_eliciting),
      cmocka_unit_test(test_urgency),
      cmocka_unit_test(test_ecn_counts),
      cmocka_unit_test(test_ack_of_ack),
      cmocka_unit_test(test_ranges_bound),
      cmocka_unit_test(test_no_memory),
      cmocka_unit_test(test_batches_allocate_nothing),
      cmocka_unit_test(test_against_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
