/* SPDX-License-Identifier: MIT */
/* A route: three bytes for one, and validation with every loss, delay and size of datagram. */
#include "parts_test.h"

#include <tern/cc.h>

#include "transport/route.h"
#include "wire/frame_read.h"

#define PTO (100 * TERN_MS)

static struct tern_route make_route(bool is_validated)
{
  static struct tern_route route;
  struct tern_route_args args = {.is_address_validated = is_validated,
                                 .initial_rtt_ns = 333 * TERN_MS,
                                 .mtu_initial_bytes = 1200,
                                 .mtu_max_bytes = 1452,
                                 .has_ecn = true,
                                 .cc = &tern_cc_newreno,
                                 .now = 1};
  (void)!tern_addr_parse(&args.local, "127.0.0.1:1");
  (void)!tern_addr_parse(&args.remote, "127.0.0.1:2");
  tern_route_init(&route, &args);
  return route;
}

/* [rfc9000-8.1] at most three times what was received */
static void test_amplification(void **state)
{
  (void)state;
  struct tern_route route = make_route(false);
  assert_int_equal(tern_route_budget(&route), 0);
  tern_route_on_datagram_received(&route, 1200);
  assert_int_equal(tern_route_budget(&route), 3600);
  tern_route_on_datagram_sent(&route, 3599);
  assert_int_equal(tern_route_budget(&route), 1);
  tern_route_on_datagram_sent(&route, 1);
  assert_int_equal(tern_route_budget(&route), 0);
  /* Probes may overshoot by what was decided before; the debt is paid. */
  tern_route_on_datagram_sent(&route, 30);
  tern_route_on_datagram_received(&route, 10);
  assert_int_equal(tern_route_budget(&route), 0);
  tern_route_on_datagram_received(&route, 1);
  assert_int_equal(tern_route_budget(&route), 3);
  tern_route_on_address_validated(&route);
  assert_int_equal(tern_route_budget(&route), UINT64_MAX);
  tern_route_on_datagram_sent(&route, UINT64_C(1) << 60);
  assert_int_equal(tern_route_budget(&route), UINT64_MAX);
}

static void challenge(struct tern_route *route, uint8_t number, uint64_t bytes, tern_time now)
{
  struct tern_frame_record record;
  uint8_t out[16], data[8] = {number};
  struct tern_writer small = tern_writer_of(out, 8);
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  assert_true(tern_route_wants_challenge(route));
  assert_false(tern_route_write_challenge(route, data, &small, &record));
  assert_true(tern_route_write_challenge(route, data, &writer, &record));
  assert_int_equal(tern_writer_len(&writer), 9);
  assert_int_equal(out[0], 0x1a);
  assert_int_equal(out[1], number);
  /* [rfc9000-8.2.1] one per packet */
  assert_false(tern_route_write_challenge(route, data, &writer, &record));
  tern_route_on_challenge_sent(route, bytes, now);
}

static bool respond(struct tern_route *route, uint8_t number, tern_time now)
{
  uint8_t data[8] = {number};
  return tern_route_on_response(route, data, now);
}

static void test_validation(void **state)
{
  (void)state;
  struct tern_route route = make_route(false);
  assert_false(respond(&route, 0, 0));
  tern_route_start_validation(&route, PTO, 1000);
  assert_int_equal(route.state, TERN_ROUTE_VALIDATING);
  challenge(&route, 1, 1200, 1000);
  assert_false(respond(&route, 9, 2000));
  assert_true(respond(&route, 1, 2000));
  assert_int_equal(route.state, TERN_ROUTE_VALIDATED);
  assert_true(route.is_address_validated && route.is_mtu_validated);
  assert_int_equal(tern_route_deadline(&route), TERN_TIME_NEVER);
  assert_false(respond(&route, 1, 3000));
}

/* [rfc9000-8.2.3] in a small datagram: the address is validated, the MTU MUST be in another round */
static void test_small_challenge(void **state)
{
  (void)state;
  struct tern_route route = make_route(false);
  tern_route_start_validation(&route, PTO, 1000);
  challenge(&route, 1, 1199, 1000);
  assert_true(respond(&route, 1, 2000));
  assert_int_equal(route.state, TERN_ROUTE_VALIDATING);
  assert_true(route.is_address_validated);
  assert_false(route.is_mtu_validated);
  assert_int_equal(tern_route_deadline(&route), 2000 + 3 * PTO);
  challenge(&route, 2, 1200, 2500);
  assert_false(respond(&route, 1, 3000));
  assert_true(respond(&route, 2, 3000));
  assert_int_equal(route.state, TERN_ROUTE_VALIDATED);
}

/* [rfc9000-8.2.4] abandoned after three PTOs; [rfc9000-8.2.1] challenges as rarely as Initials */
static void test_timeouts(void **state)
{
  (void)state;
  struct tern_route route = make_route(false);
  tern_route_start_validation(&route, PTO, 0);
  /* Amplification may hold the first one back; only the end is timed. */
  assert_int_equal(tern_route_deadline(&route), 3 * PTO);
  challenge(&route, 1, 1200, 0);
  assert_int_equal(tern_route_deadline(&route), PTO);
  assert_false(tern_route_on_timeout(&route, PTO - 1));
  assert_false(tern_route_wants_challenge(&route));
  assert_false(tern_route_on_timeout(&route, PTO));
  challenge(&route, 2, 1200, PTO);
  assert_int_equal(tern_route_deadline(&route), 3 * PTO);
  assert_false(tern_route_on_timeout(&route, 3 * PTO - 1));
  assert_false(tern_route_wants_challenge(&route));
  assert_true(tern_route_on_timeout(&route, 3 * PTO));
  assert_int_equal(route.state, TERN_ROUTE_FAILED);
  assert_false(tern_route_on_timeout(&route, 9 * PTO));
  assert_false(respond(&route, 2, 9 * PTO));
  assert_int_equal(tern_route_deadline(&route), TERN_TIME_NEVER);
}

/* A response to any of the newest challenges counts, whichever were lost. */
static void test_lost_challenges(void **state)
{
  (void)state;
  for (uint8_t answered = 1; answered <= 6; answered++) {
    struct tern_route route = make_route(false);
    tern_route_start_validation(&route, PTO, 0);
    for (uint8_t i = 1; i <= 6; i++) {
      challenge(&route, i, 1200, i);
      if (i < 6)
        tern_route_on_challenge_lost(&route);
    }
    assert_int_equal(respond(&route, answered, 10), answered > 6 - TERN_ROUTE_CHALLENGES);
  }
}

static void test_abandon(void **state)
{
  (void)state;
  struct tern_route route = make_route(true);
  tern_route_start_validation(&route, PTO, 0);
  tern_route_start_validation(&route, 5 * PTO, 7);
  assert_int_equal(tern_route_deadline(&route), 3 * PTO);
  tern_route_abandon_validation(&route);
  assert_false(tern_route_wants_challenge(&route));
  tern_route_on_challenge_lost(&route);
  assert_false(tern_route_wants_challenge(&route));
  assert_int_equal(route.state, TERN_ROUTE_IDLE);
}

/* [HOSTILE T1] a flood of challenges: four answers, the newest; [rfc9000-8.2.2] one each */
static void test_responses(void **state)
{
  (void)state;
  struct tern_route route = make_route(true);
  struct tern_frame_record record;
  uint8_t out[64], data[8] = {0};
  for (uint32_t i = 0; i < 1000000; i++) {
    data[0] = (uint8_t)i;
    tern_route_on_challenge(&route, data);
  }
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  for (uint32_t i = 0; i < TERN_CAP_PATH_RESPONSES; i++) {
    assert_true(tern_route_wants_response(&route));
    struct tern_writer small = tern_writer_of(out, 8);
    assert_false(tern_route_write_response(&route, &small, &record));
    assert_true(tern_route_write_response(&route, &writer, &record));
    assert_int_equal(record.kind, TERN_RECORD_PATH_RESPONSE);
    assert_int_equal(out[9 * i], 0x1b);
    assert_int_equal(out[9 * i + 1], (uint8_t)(1000000 - TERN_CAP_PATH_RESPONSES + i));
  }
  assert_false(tern_route_wants_response(&route));
  assert_false(tern_route_write_response(&route, &writer, &record));
}

static void test_is(void **state)
{
  (void)state;
  struct tern_route route = make_route(true);
  tern_addr other = route.remote;
  assert_true(tern_route_is(&route, &route.local, &route.remote));
  other.port++;
  assert_false(tern_route_is(&route, &route.local, &other));
  assert_false(tern_route_is(&route, &other, &route.remote));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_amplification),   cmocka_unit_test(test_validation),
      cmocka_unit_test(test_small_challenge), cmocka_unit_test(test_timeouts),
      cmocka_unit_test(test_lost_challenges), cmocka_unit_test(test_abandon),
      cmocka_unit_test(test_responses),       cmocka_unit_test(test_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
