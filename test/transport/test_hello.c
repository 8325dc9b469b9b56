/* SPDX-License-Identifier: MIT */
/* A server's second look at a client: by name and protocol, before there is TLS. */
#include "support/pair.h"

#include "transport/conn.h"

static struct pair pair;
static tern_verdict wanted;
static unsigned asked;
static char name[64], protocol[64];
static bool is_validated;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 11);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static void keep(char text[64], tern_slice slice)
{
  assert_true(slice.len < 64);
  memset(text, 0, 64);
  if (slice.len != 0)
    memcpy(text, slice.data, slice.len);
}

static tern_verdict judge_hello(void *arg, tern_applicant *applicant)
{
  tern_conn *conn;
  tern_connect_args args = {0};

  (void)arg;
  asked++;
  keep(name, applicant->server_name);
  keep(protocol, applicant->alpn);
  is_validated = applicant->is_validated;
  assert_int_equal(applicant->half_open, applicant->is_validated ? 0 : 1);
  assert_true(tern_addr_equal(&applicant->remote, &pair.addr[PAIR_CLIENT]));
  applicant->code = 0x123;
  assert_int_equal(tern_endpoint_connect(pair.endpoint[PAIR_SERVER], &args, 0, &conn),
                   TERN_REENTRY);
  return wanted;
}

static void start(tern_verdict verdict)
{
  asked = 0;
  wanted = verdict;
  pair.config[PAIR_SERVER].admission.judge_hello = judge_hello;
  pair_start(&pair);
  pair_run_for(&pair, 500 * TERN_MS);
}

static void assert_asked_once(const char *alpn)
{
  assert_true(pair.is_connected[0] && pair.is_connected[1]);
  assert_int_equal(asked, 1);
  tern_slice said = tern_conn_get_server_name(pair.conn[PAIR_SERVER]);
  assert_int_not_equal(said.len, 0);
  assert_int_equal(strlen(name), said.len);
  assert_memory_equal(name, said.data, said.len);
  assert_string_equal(protocol, alpn);
}

/* A hello of one packet, of two and of four. */
static void test_admits(void **state)
{
  static const uint32_t sizes[] = {0, 1800, 4096};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    pair.tls.hello_bytes = sizes[i];
    start(TERN_VERDICT_ADMIT);
    assert_asked_once("tern-sim");
    assert_false(is_validated);
    tear_down(state);
    set_up(state);
  }
}

/* Too long to be held: admitted or not without names. */
static void test_long_hello(void **state)
{
  (void)state;
  pair.tls.hello_bytes = 4097;
  start(TERN_VERDICT_ADMIT);
  assert_true(pair.is_connected[PAIR_SERVER]);
  assert_int_equal(asked, 1);
  assert_string_equal(name, "");
  assert_string_equal(protocol, "");
}

/* The second half of the hello comes first. */
static bool delay_first(struct pair *with, struct pair_datagram *datagram)
{
  if (datagram->to == PAIR_SERVER && datagram->number == 0)
    datagram->at += 20 * TERN_MS;
  return with != NULL;
}

static void test_reordered_hello(void **state)
{
  (void)state;
  pair.tls.hello_bytes = 1800;
  pair.filter = delay_first;
  start(TERN_VERDICT_RETRY); /* too late for it */
  assert_asked_once("tern-sim");
}

static void test_after_retry(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].retry_half_open = 0;
  start(TERN_VERDICT_ADMIT);
  assert_asked_once("tern-sim");
  assert_true(is_validated);
}

/* [rfc9001-A.2]'s grammar, as TLS libraries speak it; X25519MLKEM768 makes it two packets. */
static void test_real_tls(void **state)
{
  (void)state;
  pair.has_awslc = true;
  start(TERN_VERDICT_ADMIT);
  assert_asked_once("tern-test");
}

static void test_closes(void **state)
{
  (void)state;
  start(TERN_VERDICT_CLOSE);
  assert_int_equal(asked, 1);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_true(pair.error[PAIR_CLIENT].by_peer);
  assert_int_equal(pair.error[PAIR_CLIENT].code, 0x123);
  assert_false(pair.is_connected[PAIR_SERVER]);
}

static void test_drops(void **state)
{
  (void)state;
  tern_endpoint_stats stats;
  start(TERN_VERDICT_DROP);
  assert_int_equal(asked, 1);
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_REFUSED], 1);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 0);
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  assert_int_equal(stats.conns_now, 0);
  assert_int_equal(stats.conns_half_open, 0);
}

/* [rfc9001-8.1] and the application is not even asked. */
static void test_no_protocol_in_common(void **state)
{
  static const char *const other[] = {"other"};
  struct tern_tls_sim_options options = {.alpn = other, .alpn_count = 1};
  (void)state;
  pair.tls_object[PAIR_SERVER] = tern_tls_sim_new(&tern_alloc_system, &options);
  assert_non_null(pair.tls_object[PAIR_SERVER]);
  start(TERN_VERDICT_ADMIT);
  assert_int_equal(asked, 0);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_TLS);
  assert_int_equal(pair.error[PAIR_CLIENT].tls_alert, 120);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      CASE(test_admits),          CASE(test_long_hello),
      CASE(test_reordered_hello), CASE(test_after_retry),
      CASE(test_real_tls),        CASE(test_closes),
      CASE(test_drops),           CASE(test_no_protocol_in_common),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
