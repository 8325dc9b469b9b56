/* SPDX-License-Identifier: MIT */
/* ECN validation, RFC 9000 13.4.2: every outcome of 13.4.2.1 as a row. */
#include "recovery_test.h"

#include "recovery/ecn.h"

struct pair {
  struct tern_ecn_route route;
  struct tern_ecn_space space;
};

static struct pair start(int sent)
{
  struct pair p;
  tern_ecn_route_init(&p.route, true);
  tern_ecn_space_init(&p.space);
  for (int i = 0; i < sent; i++)
    tern_ecn_on_sent(&p.route, &p.space, TERN_ECN_ECT0, 1);
  return p;
}

static uint64_t ack(struct pair *p, uint64_t newly, uint64_t ect0, uint64_t ect1, uint64_t ce)
{
  struct tern_ecn_ack frame = {newly, ect0, ect1, ce, true, true, 0};
  return tern_ecn_on_ack(&p->route, &p->space, &frame);
}

static void test_testing_period(void **state)
{
  struct pair p = start(0);
  (void)state;
  for (int i = 0; i < TERN_ECN_TESTING_PACKETS; i++) {
    assert_int_equal(tern_ecn_get_mark(&p.route, false), TERN_ECN_ECT0);
    tern_ecn_on_sent(&p.route, &p.space, TERN_ECN_ECT0, 1);
  }
  assert_int_equal(p.route.state, TERN_ECN_UNKNOWN);
  assert_int_equal(tern_ecn_get_mark(&p.route, false), TERN_ECN_NOT);
  assert_int_equal(ack(&p, 2, 2, 0, 0), 0);
  assert_int_equal(p.route.state, TERN_ECN_CAPABLE);
  assert_int_equal(tern_ecn_get_mark(&p.route, false), TERN_ECN_ECT0);
}

static void test_disabled(void **state)
{
  struct tern_ecn_route route;
  (void)state;
  tern_ecn_route_init(&route, false);
  assert_int_equal(tern_ecn_get_mark(&route, false), TERN_ECN_NOT);
}

/* After 8 marked packets of which 4 were acknowledged with ECT(0) 3 and CE 1. */
static void test_second_frame(void **state)
{
  static const struct {
    const char *name;
    struct tern_ecn_ack ack; /* newly, ect0, ect1, ce, has_counts, is_largest_new */
    bool is_capable;
    uint64_t ce_delta;
  } cases[] = {
      {"all arrived", {4, 7, 0, 1, true, true, 0}, true, 0},
      {"one marked", {4, 6, 0, 2, true, true, 0}, true, 1},
      {"all marked", {4, 3, 0, 5, true, true, 0}, true, 4},
      {"more than acknowledged here: an ACK was lost", {2, 7, 0, 1, true, true, 0}, true, 0},
      {"unmarked packets only", {0, 3, 0, 1, true, true, 0}, true, 0},
      {"counts missing", {1, 0, 0, 0, false, true, 0}, false, 0},
      {"counts missing, nothing marked", {0, 0, 0, 0, false, true, 0}, true, 0},
      {"increase too small", {4, 5, 0, 2, true, true, 0}, false, 0},
      {"bleached", {4, 3, 0, 1, true, true, 0}, false, 0},
      {"ECT(0) goes back", {0, 2, 0, 2, true, true, 0}, false, 0},
      {"CE goes back", {0, 4, 0, 0, true, true, 0}, false, 0},
      {"ECT(1) never sent", {4, 7, 1, 1, true, true, 0}, false, 0},
      {"remarked to ECT(1)", {1, 3, 1, 1, true, true, 0}, false, 0},
      {"more than was sent", {4, 9, 0, 0, true, true, 0}, false, 0},
      {"invented CE", {4, 7, 0, 2, true, true, 0}, false, 0},
      {"huge CE", {4, 7, 0, UINT64_MAX, true, true, 0}, false, 0},
      {"reordered frame without counts", {1, 0, 0, 0, false, false, 0}, true, 0},
      {"reordered frame, old counts", {1, 1, 0, 0, true, false, 0}, true, 0},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct pair p = start(8);
    uint64_t delta = 0;

    assert_int_equal(ack(&p, 4, 3, 0, 1), 1);
    assert_int_equal(p.route.state, TERN_ECN_CAPABLE);
    print_message("%s\n", cases[i].name);
    delta = tern_ecn_on_ack(&p.route, &p.space, &cases[i].ack);
    assert_int_equal(p.route.state, cases[i].is_capable ? TERN_ECN_CAPABLE : TERN_ECN_FAILED);
    assert_int_equal(delta, cases[i].ce_delta);
    /* [rfc9000-13.4.2.2] MUST disable ECN if validation fails */
    assert_int_equal(tern_ecn_get_mark(&p.route, false),
                     cases[i].is_capable ? TERN_ECN_ECT0 : TERN_ECN_NOT);
  }
}

static void test_failed_stays_failed(void **state)
{
  struct pair p = start(10);
  struct tern_ecn_ack none = {4, 0, 0, 0, false, true, 0};
  (void)state;
  tern_ecn_on_ack(&p.route, &p.space, &none);
  assert_int_equal(p.route.state, TERN_ECN_FAILED);
  assert_int_equal(ack(&p, 4, 4, 0, 4), 0); /* CE is no signal on a failed route */
  assert_int_equal(p.route.state, TERN_ECN_FAILED);
}

static void test_all_lost(void **state)
{
  struct pair p = start(10);
  (void)state;
  for (int i = 0; i < 9; i++)
    tern_ecn_on_lost(&p.route);
  assert_int_equal(p.route.state, TERN_ECN_UNKNOWN);
  tern_ecn_on_lost(&p.route);
  assert_int_equal(p.route.state, TERN_ECN_FAILED);

  p = start(10);
  ack(&p, 1, 1, 0, 0);
  for (int i = 0; i < 9; i++)
    tern_ecn_on_lost(&p.route);
  assert_int_equal(p.route.state, TERN_ECN_CAPABLE); /* one came through: losses are losses */
}

static void test_three_ptos(void **state)
{
  struct pair p = start(3);
  (void)state;
  tern_ecn_on_pto(&p.route);
  assert_int_equal(tern_ecn_get_mark(&p.route, false), TERN_ECN_ECT0);
  tern_ecn_on_pto(&p.route);
  assert_int_equal(tern_ecn_get_mark(&p.route, false), TERN_ECN_NOT);
  ack(&p, 3, 3, 0, 0); /* they did arrive */
  assert_int_equal(tern_ecn_get_mark(&p.route, false), TERN_ECN_ECT0);
}

/* A second route of the same space begins with the counts of the first as its baseline. */
static void test_new_route(void **state)
{
  struct pair p = start(10);
  (void)state;
  ack(&p, 10, 9, 0, 1);
  tern_ecn_route_init(&p.route, true);
  for (int i = 0; i < 4; i++)
    tern_ecn_on_sent(&p.route, &p.space, TERN_ECN_ECT0, 1);
  assert_int_equal(ack(&p, 4, 12, 0, 2), 1);
  assert_int_equal(p.route.state, TERN_ECN_CAPABLE);
}

/* [rfc9331-4.3] ECT(1) for a controller that asks for it: judged alike. */
static void test_ect1(void **state)
{
  static const struct {
    struct tern_ecn_ack ack;
    bool is_capable;
  } cases[] = {
      {{0, 0, 8, 0, true, true, 8}, true},   {{0, 0, 3, 5, true, true, 8}, true},
      {{0, 8, 0, 0, true, true, 8}, false}, /* remarked to ECT(0) */
      {{0, 0, 7, 0, true, true, 8}, false}, /* one bleached */
      {{0, 0, 9, 0, true, true, 8}, false}, /* one made up */
      {{0, 0, 0, 0, false, true, 8}, false},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct pair p = start(0);
    for (int n = 0; n < 8; n++) {
      assert_int_equal(tern_ecn_get_mark(&p.route, true), TERN_ECN_ECT1);
      tern_ecn_on_sent(&p.route, &p.space, TERN_ECN_ECT1, 1);
    }
    assert_int_equal(tern_ecn_on_ack(&p.route, &p.space, &cases[i].ack),
                     cases[i].is_capable ? cases[i].ack.ce : 0);
    assert_int_equal(p.route.state, cases[i].is_capable ? TERN_ECN_CAPABLE : TERN_ECN_FAILED);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ect1),
      cmocka_unit_test(test_testing_period),
      cmocka_unit_test(test_disabled),
      cmocka_unit_test(test_second_frame),
      cmocka_unit_test(test_failed_stays_failed),
      cmocka_unit_test(test_all_lost),
      cmocka_unit_test(test_three_ptos),
      cmocka_unit_test(test_new_route),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
