/* SPDX-License-Identifier: MIT */
/* The search for the datagram size on paths of every MTU, black holes, and the raise timer. */
#include "recovery_test.h"

#include "recovery/pmtud.h"

/* Probes until the search is over, on a path that carries `path_bytes`. Returns the probes sent. */
static int probe(struct tern_pmtud *pmtud, uint16_t path_bytes, tern_time now)
{
  int count = 0;
  uint16_t bytes = 0;

  while ((bytes = tern_pmtud_wants_probe(pmtud, now)) != 0) {
    assert_true(bytes > pmtud->plpmtu_bytes && bytes <= pmtud->max_bytes);
    tern_pmtud_on_probe_sent(pmtud, bytes);
    assert_int_equal(tern_pmtud_wants_probe(pmtud, now), 0); /* one at a time */
    if (bytes <= path_bytes)
      assert_true(tern_pmtud_on_probe_acked(pmtud, bytes, now));
    else
      tern_pmtud_on_probe_lost(pmtud, bytes, now);
    count++;
    assert_true(count < 100);
  }
  return count;
}

static void test_maximum_first(void **state)
{
  struct tern_pmtud pmtud;
  (void)state;
  tern_pmtud_init(&pmtud, 1200, 1452);
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 0), 0); /* [rfc9000-14.3.1] after the handshake */
  tern_pmtud_start(&pmtud);
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 0), 1452);
  assert_int_equal(probe(&pmtud, 1500, 0), 1);
  assert_int_equal(pmtud.plpmtu_bytes, 1452);
  assert_true(tern_pmtud_deadline(&pmtud) == TERN_TIME_NEVER); /* nothing to raise to */
}

static void test_every_path(void **state)
{
  static const uint16_t maxima[] = {1452, 1472, 8952, 65527};
  (void)state;
  for (size_t i = 0; i < COUNT_OF(maxima); i++) {
    for (uint32_t path = 1200; path <= maxima[i]; path += 1 + path / 97) {
      struct tern_pmtud pmtud;
      tern_pmtud_init(&pmtud, 1200, maxima[i]);
      tern_pmtud_start(&pmtud);
      probe(&pmtud, (uint16_t)path, 5);
      assert_true(pmtud.plpmtu_bytes <= path); /* never more than the path carries */
      assert_true((uint32_t)pmtud.plpmtu_bytes + TERN_PMTUD_STEP_BYTES >= path);
      assert_int_equal(pmtud.state, TERN_PMTUD_COMPLETE);
    }
  }
}

static void test_bounds(void **state)
{
  struct tern_pmtud pmtud;
  (void)state;
  tern_pmtud_init(&pmtud, 100, 500);
  assert_int_equal(pmtud.plpmtu_bytes, 1200); /* [rfc9000-14.1] never below 1,200 */
  tern_pmtud_init(&pmtud, 1500, 1452);
  assert_int_equal(pmtud.plpmtu_bytes, 1452);
  tern_pmtud_init(&pmtud, 1200, 1200);
  tern_pmtud_start(&pmtud);
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 0), 0);
  tern_pmtud_init(&pmtud, 1400, 1452);
  tern_pmtud_set_max(&pmtud, 1300);
  assert_int_equal(pmtud.plpmtu_bytes, 1300);
  tern_pmtud_set_max(&pmtud, 9000); /* only lowers */
  assert_int_equal(pmtud.max_bytes, 1300);
  tern_pmtud_set_max(&pmtud, 10);
  assert_int_equal(pmtud.plpmtu_bytes, 1200);
}

static void test_one_loss_is_not_the_size(void **state)
{
  struct tern_pmtud pmtud;
  (void)state;
  tern_pmtud_init(&pmtud, 1200, 1452);
  tern_pmtud_start(&pmtud);
  for (int i = 0; i < TERN_PMTUD_PROBES - 1; i++) { /* [rfc8899-5.1.2] MAX_PROBES */
    assert_int_equal(tern_pmtud_wants_probe(&pmtud, 0), 1452);
    tern_pmtud_on_probe_sent(&pmtud, 1452);
    tern_pmtud_on_probe_lost(&pmtud, 1452, 0);
  }
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 0), 1452);
  tern_pmtud_on_probe_sent(&pmtud, 1452);
  tern_pmtud_on_probe_lost(&pmtud, 1452, 0);
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 0), (1200 + 1452) / 2);
  /* The third one was only late. */
  assert_true(tern_pmtud_on_probe_acked(&pmtud, 1452, 0));
  assert_int_equal(pmtud.plpmtu_bytes, 1452);
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 0), 0);
}

static void test_refused(void **state)
{
  struct tern_pmtud pmtud;
  (void)state;
  tern_pmtud_init(&pmtud, 1200, 65527);
  tern_pmtud_start(&pmtud);
  tern_pmtud_on_probe_sent(&pmtud, tern_pmtud_wants_probe(&pmtud, 0));
  tern_pmtud_on_probe_refused(&pmtud, 65527, 0); /* EMSGSIZE: no need to ask three times */
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 0), (1200 + 65527) / 2);
}

static void test_raise_timer(void **state)
{
  struct tern_pmtud pmtud;
  (void)state;
  tern_pmtud_init(&pmtud, 1200, 1452);
  tern_pmtud_start(&pmtud);
  probe(&pmtud, 1300, 7);
  assert_int_equal(tern_pmtud_deadline(&pmtud), 7 + TERN_PMTUD_RAISE_NS);
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 6 + TERN_PMTUD_RAISE_NS), 0);
  assert_int_equal(tern_pmtud_wants_probe(&pmtud, 7 + TERN_PMTUD_RAISE_NS), 1452);
  probe(&pmtud, 1452, 7 + TERN_PMTUD_RAISE_NS);
  assert_int_equal(pmtud.plpmtu_bytes, 1452);
}

static void test_black_hole(void **state)
{
  struct tern_pmtud pmtud;
  (void)state;
  tern_pmtud_init(&pmtud, 1200, 1452);
  tern_pmtud_start(&pmtud);
  probe(&pmtud, 1452, 0);
  for (int round = 0; round < 3; round++) { /* losses with deliveries between them are congestion */
    for (int i = 0; i < TERN_PMTUD_BLACK_HOLE - 1; i++)
      assert_false(tern_pmtud_on_lost(&pmtud, 1452, 0));
    tern_pmtud_on_acked(&pmtud, 1452);
  }
  for (int i = 0; i < TERN_PMTUD_BLACK_HOLE - 1; i++) {
    assert_false(tern_pmtud_on_lost(&pmtud, 1452, 0));
    assert_false(tern_pmtud_on_lost(&pmtud, 600, 0)); /* small ones say nothing */
    tern_pmtud_on_acked(&pmtud, 600);
  }
  assert_true(tern_pmtud_on_lost(&pmtud, 1452, 0));
  assert_int_equal(pmtud.plpmtu_bytes, 1200);
  assert_false(tern_pmtud_on_lost(&pmtud, 1452, 0)); /* stragglers */
  probe(&pmtud, 1280, 0);
  assert_true(pmtud.plpmtu_bytes <= 1280 && pmtud.plpmtu_bytes > 1280 - TERN_PMTUD_STEP_BYTES);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_maximum_first), cmocka_unit_test(test_every_path),
      cmocka_unit_test(test_bounds),        cmocka_unit_test(test_one_loss_is_not_the_size),
      cmocka_unit_test(test_refused),       cmocka_unit_test(test_raise_timer),
      cmocka_unit_test(test_black_hole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
