/* SPDX-License-Identifier: MIT */
/* A route: three bytes for one, and validation with every loss, delay and size of datagram. */
#include "parts_test.h"

#include <tern/cc.h>

#include "transport/route.h"
#include "wire/frame_read.h"

#define PTO (100 * TERN_MS)

static struct tern_route *way;
static struct tern_alloc alloc;

static int free_route(void **state)
{
  (void)state;
  tern_route_free(way, &alloc);
  way = NULL;
  return 0;
}

static void make_route(bool is_validated)
{
  struct tern_route_args args = {.is_address_validated = is_validated,
                                 .initial_rtt_ns = 333 * TERN_MS,
                                 .mtu_initial_bytes = 1200,
                                 .mtu_max_bytes = 1452,
                                 .has_ecn = true,
                                 .cc = &tern_cc_newreno,
                                 .now = 1};
  (void)!tern_addr_parse(&args.local, "127.0.0.1:1");
  (void)!tern_addr_parse(&args.remote, "127.0.0.1:2");
  free_route(NULL);
  tern_alloc_init(&alloc, &tern_alloc_system, NULL, UINT64_MAX);
  way = tern_route_new(&alloc, &args);
  assert_non_null(way);
}

/* [rfc9000-8.1] at most three times what was received */
static void test_amplification(void **state)
{
  (void)state;
  make_route(false);
  assert_int_equal(tern_route_budget(way), 0);
  tern_route_on_datagram_received(way, 1200);
  assert_int_equal(tern_route_budget(way), 3600);
  tern_route_on_datagram_sent(way, 3599);
  assert_int_equal(tern_route_budget(way), 1);
  tern_route_on_datagram_sent(way, 1);
  assert_int_equal(tern_route_budget(way), 0);
  /* Probes may overshoot by what was decided before; the debt is paid. */
  tern_route_on_datagram_sent(way, 30);
  tern_route_on_datagram_received(way, 10);
  assert_int_equal(tern_route_budget(way), 0);
  tern_route_on_datagram_received(way, 1);
  assert_int_equal(tern_route_budget(way), 3);
  tern_route_on_address_validated(way);
  assert_int_equal(tern_route_budget(way), UINT64_MAX);
  tern_route_on_datagram_sent(way, UINT64_C(1) << 60);
  assert_int_equal(tern_route_budget(way), UINT64_MAX);
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
  make_route(false);
  assert_false(respond(way, 0, 0));
  tern_route_start_validation(way, PTO, 1000);
  assert_int_equal(way->state, TERN_ROUTE_VALIDATING);
  challenge(way, 1, 1200, 1000);
  assert_false(respond(way, 9, 2000));
  assert_true(respond(way, 1, 2000));
  assert_int_equal(way->state, TERN_ROUTE_VALIDATED);
  assert_true(way->is_address_validated && way->is_mtu_validated);
  assert_int_equal(tern_route_deadline(way), TERN_TIME_NEVER);
  assert_false(respond(way, 1, 3000));
}

/* [rfc9000-8.2.3] in a small datagram: the address is validated, the MTU MUST be in another round */
static void test_small_challenge(void **state)
{
  (void)state;
  make_route(false);
  tern_route_start_validation(way, PTO, 1000);
  challenge(way, 1, 1199, 1000);
  assert_true(respond(way, 1, 2000));
  assert_int_equal(way->state, TERN_ROUTE_VALIDATING);
  assert_true(way->is_address_validated);
  assert_false(way->is_mtu_validated);
  assert_int_equal(tern_route_deadline(way), 2000 + 3 * PTO);
  challenge(way, 2, 1200, 2500);
  assert_false(respond(way, 1, 3000));
  assert_true(respond(way, 2, 3000));
  assert_int_equal(way->state, TERN_ROUTE_VALIDATED);
}

/* [rfc9000-8.2.4] abandoned after three PTOs; [rfc9000-8.2.1] challenges as rarely as Initials */
static void test_timeouts(void **state)
{
  (void)state;
  make_route(false);
  tern_route_start_validation(way, PTO, 0);
  /* Amplification may hold the first one back; only the end is timed. */
  assert_int_equal(tern_route_deadline(way), 3 * PTO);
  challenge(way, 1, 1200, 0);
  assert_int_equal(tern_route_deadline(way), PTO);
  assert_false(tern_route_on_timeout(way, PTO - 1));
  assert_false(tern_route_wants_challenge(way));
  assert_false(tern_route_on_timeout(way, PTO));
  challenge(way, 2, 1200, PTO);
  assert_int_equal(tern_route_deadline(way), 3 * PTO);
  assert_false(tern_route_on_timeout(way, 3 * PTO - 1));
  assert_false(tern_route_wants_challenge(way));
  assert_true(tern_route_on_timeout(way, 3 * PTO));
  assert_int_equal(way->state, TERN_ROUTE_FAILED);
  assert_false(tern_route_on_timeout(way, 9 * PTO));
  assert_false(respond(way, 2, 9 * PTO));
  assert_int_equal(tern_route_deadline(way), TERN_TIME_NEVER);
}

/* A response to any of the newest challenges counts, whichever were lost. */
static void test_lost_challenges(void **state)
{
  (void)state;
  for (uint8_t answered = 1; answered <= 6; answered++) {
    make_route(false);
    tern_route_start_validation(way, PTO, 0);
    for (uint8_t i = 1; i <= 6; i++) {
      challenge(way, i, 1200, i);
      if (i < 6)
        tern_route_on_challenge_lost(way);
    }
    assert_int_equal(respond(way, answered, 10), answered > 6 - TERN_ROUTE_CHALLENGES);
  }
}

static void test_abandon(void **state)
{
  (void)state;
  make_route(true);
  tern_route_start_validation(way, PTO, 0);
  tern_route_start_validation(way, 5 * PTO, 7);
  assert_int_equal(tern_route_deadline(way), 3 * PTO);
  tern_route_abandon_validation(way);
  assert_false(tern_route_wants_challenge(way));
  tern_route_on_challenge_lost(way);
  assert_false(tern_route_wants_challenge(way));
  assert_int_equal(way->state, TERN_ROUTE_IDLE);
}

/* [HOSTILE T1] a flood of challenges: four answers, the newest; [rfc9000-8.2.2] one each */
static void test_responses(void **state)
{
  (void)state;
  make_route(true);
  struct tern_frame_record record;
  uint8_t out[64], data[8] = {0};
  for (uint32_t i = 0; i < 1000000; i++) {
    data[0] = (uint8_t)i;
    tern_route_on_challenge(way, data);
  }
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  for (uint32_t i = 0; i < TERN_CAP_PATH_RESPONSES; i++) {
    assert_true(tern_route_wants_response(way));
    struct tern_writer small = tern_writer_of(out, 8);
    assert_false(tern_route_write_response(way, &small, &record));
    assert_true(tern_route_write_response(way, &writer, &record));
    assert_int_equal(record.kind, TERN_RECORD_PATH_RESPONSE);
    assert_int_equal(out[9 * i], 0x1b);
    assert_int_equal(out[9 * i + 1], (uint8_t)(1000000 - TERN_CAP_PATH_RESPONSES + i));
  }
  assert_false(tern_route_wants_response(way));
  assert_false(tern_route_write_response(way, &writer, &record));
}

static void test_is(void **state)
{
  (void)state;
  make_route(true);
  tern_addr other = way->remote;
  assert_true(tern_route_is(way, &way->local, &way->remote));
  other.port++;
  assert_false(tern_route_is(way, &way->local, &other));
  assert_false(tern_route_is(way, &other, &way->remote));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_amplification),   cmocka_unit_test(test_validation),
      cmocka_unit_test(test_small_challenge), cmocka_unit_test(test_timeouts),
      cmocka_unit_test(test_lost_challenges), cmocka_unit_test(test_abandon),
      cmocka_unit_test(test_responses),       cmocka_unit_test(test_is),
  };
  return cmocka_run_group_tests(tests, NULL, free_route);
}
