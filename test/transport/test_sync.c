/* SPDX-License-Identifier: MIT */
/* Both state machines, exhaustively: every sequence of events up to a length against the rule that
 * [rfc9000-13.3] gives: what is wanted reaches the peer at least once, and nothing is sent in vain. */
#include "parts_test.h"

#include "transport/sync.h"

static void test_once(void **state)
{
  (void)state;
  struct tern_sync_once once = {0};
  assert_false(tern_sync_once_wants(&once));
  tern_sync_once_on_lost(&once);
  tern_sync_once_on_acked(&once);
  assert_false(tern_sync_once_wants(&once) || tern_sync_once_is_acked(&once));
  tern_sync_once_want(&once);
  assert_true(tern_sync_once_wants(&once));
  tern_sync_once_on_sent(&once);
  tern_sync_once_want(&once);
  assert_false(tern_sync_once_wants(&once));
  tern_sync_once_on_lost(&once);
  assert_true(tern_sync_once_wants(&once));
  /* The copy that was declared lost arrives after all. */
  tern_sync_once_on_acked(&once);
  assert_true(tern_sync_once_is_acked(&once));
  tern_sync_once_want(&once);
  tern_sync_once_on_lost(&once);
  tern_sync_once_cancel(&once);
  assert_true(tern_sync_once_is_acked(&once) && !tern_sync_once_wants(&once));
}

static void test_once_cancelled(void **state)
{
  (void)state;
  struct tern_sync_once once = {0};
  tern_sync_once_want(&once);
  tern_sync_once_cancel(&once);
  assert_false(tern_sync_once_wants(&once));
  tern_sync_once_want(&once);
  tern_sync_once_on_sent(&once);
  tern_sync_once_cancel(&once);
  tern_sync_once_on_lost(&once);
  assert_false(tern_sync_once_wants(&once));
}

/* Model: the peer must end up with the newest value if every copy in flight is resolved and everything
 * wanted is sent. All 5^8 sequences of raise, send, ack oldest, lose oldest, lose newest. */
static void test_newest_always_arrives(void **state)
{
  (void)state;
  for (uint32_t code = 0; code < 390625; code++) {
    struct tern_sync_newest newest = {0, TERN_SYNC_IDLE};
    uint64_t value = 0, arrived = 0, flight[16];
    uint32_t count = 0;
    uint32_t rest = code;
    for (int step = 0; step < 8; step++, rest /= 5) {
      uint32_t what = rest % 5;
      if (what == 0) {
        value++;
        tern_sync_newest_want(&newest);
      } else if (what == 1 && tern_sync_newest_wants(&newest)) {
        flight[count++] = value;
        tern_sync_newest_on_sent(&newest, value);
      } else if (what == 2 && count != 0) {
        tern_sync_newest_on_acked(&newest, flight[0]);
        arrived = flight[0] > arrived ? flight[0] : arrived;
        memmove(flight, flight + 1, --count * sizeof flight[0]);
      } else if (what == 3 && count != 0) {
        tern_sync_newest_on_lost(&newest, flight[0]);
        memmove(flight, flight + 1, --count * sizeof flight[0]);
      } else if (what == 4 && count != 0) {
        tern_sync_newest_on_lost(&newest, flight[--count]);
      }
      /* Nothing in flight and not there yet: it must be wanted. */
      bool is_coming = count != 0 && flight[count - 1] == value;
      if (arrived != value && !is_coming)
        assert_true(tern_sync_newest_wants(&newest));
    }
  }
}

static void test_newest_ignores_older_losses(void **state)
{
  (void)state;
  struct tern_sync_newest newest = {0, TERN_SYNC_IDLE};
  tern_sync_newest_want(&newest);
  tern_sync_newest_on_sent(&newest, 10);
  tern_sync_newest_want(&newest);
  tern_sync_newest_on_sent(&newest, 20);
  tern_sync_newest_on_lost(&newest, 10);
  assert_false(tern_sync_newest_wants(&newest));
  tern_sync_newest_on_lost(&newest, 20);
  assert_true(tern_sync_newest_wants(&newest));
  tern_sync_newest_cancel(&newest);
  assert_false(tern_sync_newest_wants(&newest));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_once),
      cmocka_unit_test(test_once_cancelled),
      cmocka_unit_test(test_newest_always_arrives),
      cmocka_unit_test(test_newest_ignores_older_losses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
