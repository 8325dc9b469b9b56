/* SPDX-License-Identifier: MIT */
/* A server that has addresses proven: Retry, tokens for later, and both across a restart. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/header.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 7);
  pair.config[PAIR_SERVER].retry_half_open = 0; /* always */
  memset(pair.config[PAIR_SERVER].secret, 0x5e, 32);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static uint64_t get_retries(void)
{
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  return stats.retries_sent;
}

static bool is_up(struct pair *with)
{
  return with->is_connected[0] && with->is_connected[1];
}

/* Closes what is open and connects once more with a token. Returns the Retry packets that it took. */
static uint64_t connect_again(tern_slice token)
{
  uint64_t before = get_retries();

  if (pair.conn[PAIR_CLIENT] != NULL)
    tern_conn_close(pair.conn[PAIR_CLIENT], 0, NULL);
  pair_run_for(&pair, 10 * TERN_SECOND);
  pair.use_token = token;
  pair_open_conn(&pair);
  assert_true(pair_run_until(&pair, is_up));
  return get_retries() - before;
}

static void restart_server(void)
{
  pair_free_endpoint(&pair, PAIR_SERVER);
  pair_make_endpoint(&pair, PAIR_SERVER);
}

/* [rfc9000-8.1.2] [rfc9000-7.3] the ids of both Initials are in the parameters, and the client checks. */
static void test_retry(void **state)
{
  (void)state;
  for (uint8_t cid_bytes = 4; cid_bytes <= 20; cid_bytes += 4) {
    pair.config[PAIR_SERVER].cid_bytes = cid_bytes;
    pair_connect(&pair);
    assert_int_equal(get_retries(), 1);
    assert_true(pair.conn[PAIR_CLIENT]->has_retry);
    /* what the client compares with the parameter */
    assert_int_equal(pair.conn[PAIR_CLIENT]->retry_scid.len, cid_bytes < 8 ? 8 : cid_bytes);
    assert_int_equal(pair.conn[PAIR_SERVER]->source != 0, 1);
    assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED], 1);
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
    pair_send_all(stream, 100000);
    assert_true(pair_run_until(&pair, pair_are_streams_closed) || stream->acked_to == 100000);
    tear_down(NULL);
    set_up(NULL);
  }
}

/* [rfc9000-8.1.3] one token for one connection; from anywhere in the same host; not twice. */
static void test_new_token(void **state)
{
  uint8_t token[256];

  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.tokens_count, 1);
  tern_slice slice = {token, pair.token_len};
  memcpy(token, pair.token, pair.token_len);
  pair.addr[PAIR_CLIENT].port++;
  assert_int_equal(connect_again(slice), 0);
  assert_true(pair.conn[PAIR_SERVER]->is_validated);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.tokens_count, 2);
  assert_int_equal(connect_again(slice), 1); /* used up */
  token[20] ^= 1;
  assert_int_equal(connect_again(slice), 1); /* not ours */
}

static void test_new_token_of_another_address(void **state)
{
  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  pair.addr[PAIR_CLIENT].ip[3]++;
  assert_int_equal(connect_again(tern_slice_of(pair.token, pair.token_len)), 1);
}

static void test_new_token_too_old(void **state)
{
  uint8_t token[256];

  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  memcpy(token, pair.token, sizeof token);
  tern_slice slice = {token, pair.token_len};
  pair.now += 24 * 3600 * TERN_SECOND;
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(connect_again(slice), 1);
}

/* None is given if that is not wanted. */
static void test_no_new_token(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].new_tokens = false;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.tokens_count, 0);
}

/* A server that comes back with its secret takes the tokens of before, and resets what it does not know
 * any more; one with another secret does neither. */
static void test_restart(void **state)
{
  (void)state;
  for (int is_other = 0; is_other < 2; is_other++) {
    uint8_t token[256];
    pair_connect(&pair);
    pair_run_for(&pair, TERN_SECOND);
    memcpy(token, pair.token, sizeof token);
    if (is_other)
      pair.config[PAIR_SERVER].secret[31] ^= 1;
    restart_server();
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
    pair_send_all(stream, 20);
    pair_run_for(&pair, 25 * TERN_MS); /* one round trip and a bit */
    assert_int_equal(pair.closed_count[PAIR_CLIENT], !is_other);
    if (!is_other)
      assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_STATELESS_RESET);
    assert_int_equal(connect_again(tern_slice_of(token, pair.token_len)), is_other);
    tear_down(NULL);
    set_up(NULL);
  }
}

/* The clock of the process began anew, the time of day did not. */
static void test_restart_of_the_machine(void **state)
{
  uint8_t token[256];

  (void)state;
  pair.config[PAIR_SERVER].unix_offset_ns = UINT64_C(1700000000) * TERN_SECOND;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  memcpy(token, pair.token, sizeof token);
  pair.config[PAIR_SERVER].unix_offset_ns += 3600 * TERN_SECOND;
  restart_server();
  assert_int_equal(connect_again(tern_slice_of(token, pair.token_len)), 0);
}

/* ---- Retry tokens that are not good ---------------------------------------------------------------------- */

static struct pair_datagram second; /* the Initial with the token */
static bool moves_second;

static bool catch_second(struct pair *with, struct pair_datagram *datagram)
{
  struct tern_reader reader = tern_reader_of(datagram->data, datagram->len);
  struct tern_long_header header;

  (void)with;
  if (datagram->to != PAIR_SERVER ||
      tern_header_read_long(&reader, true, &header) != TERN_HEADER_OK ||
      header.type != TERN_PACKET_INITIAL || header.token.len == 0)
    return true;
  if (second.len == 0)
    second = *datagram;
  if (moves_second)
    datagram->remote.port ^= 1;
  return true;
}

/* [rfc9000-8.1.4] bound to the address that it was sent to. The client hears INVALID_TOKEN at once. */
static void test_retry_token_from_elsewhere(void **state)
{
  (void)state;
  second.len = 0;
  moves_second = true;
  pair.filter = catch_second;
  pair_start(&pair);
  pair_run_for(&pair, 100 * TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_TRANSPORT);
  assert_int_equal(pair.error[PAIR_CLIENT].code, TERN_QUIC_INVALID_TOKEN);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED], 0);
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_BAD_TOKEN], 1);
}

/* [rfc9000-8.1.4] nor is it good a second time, or for another id, or too late. */
static void test_retry_token_replayed(void **state)
{
  (void)state;
  second.len = 0;
  moves_second = false;
  pair.filter = catch_second;
  pair_connect(&pair);
  assert_int_not_equal(second.len, 0);
  tern_conn_close(pair.conn[PAIR_CLIENT], 0, NULL);
  pair_run_for(&pair, 5 * TERN_SECOND);
  uint64_t started = pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED];
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(second.data, second.len), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_CONN_CLOSED], 1); /* its id says enough */
  second.data[6] ^= 1;                                                 /* the destination id */
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(second.data, second.len), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_BAD_TOKEN], 1);
  second.data[6] ^= 1;
  pair_run_for(&pair, 70 * TERN_SECOND); /* id and token are forgotten, but it is too old */
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(second.data, second.len), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_BAD_TOKEN], 2);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED], started);
}

/* A copy of the Initial that was damaged on the way does not use the token up. */
static bool damage_first_copy(struct pair *with, struct pair_datagram *datagram)
{
  bool was_caught = second.len != 0;

  catch_second(with, datagram);
  if (!was_caught && second.len != 0)
    datagram->data[600] ^= 1;
  return true;
}

static void test_damaged_packet_uses_no_token(void **state)
{
  (void)state;
  second.len = 0;
  moves_second = false;
  pair.filter = damage_first_copy;
  pair_connect(&pair);
  assert_int_equal(get_retries(), 1);
  assert_true(pair.drops[PAIR_SERVER][TERN_DROP_DECRYPT_FAILED] != 0);
}

/* ---- admission -------------------------------------------------------------------------------------------- */

static tern_applicant seen;
static tern_verdict wanted;
static unsigned asked;

static tern_verdict judge(void *arg, tern_applicant *applicant)
{
  tern_conn *conn;
  tern_connect_args args = {0};

  (void)arg;
  asked++;
  seen = *applicant;
  applicant->code = 0x123;
  /* a hook: nothing of the endpoint may be called */
  assert_int_equal(tern_endpoint_connect(pair.endpoint[PAIR_SERVER], &args, 0, &conn),
                   TERN_REENTRY);
  return wanted;
}

static void start_judged(tern_verdict verdict)
{
  asked = 0;
  wanted = verdict;
  pair.config[PAIR_SERVER].admission.judge = judge;
  pair_start(&pair);
  pair_run_for(&pair, 500 * TERN_MS);
}

static void test_judge_admits(void **state)
{
  (void)state;
  start_judged(TERN_VERDICT_ADMIT);
  assert_true(is_up(&pair));
  assert_int_equal(asked, 1);
  assert_int_equal(seen.builtin, TERN_VERDICT_RETRY);
  assert_false(seen.is_validated);
  assert_int_equal(seen.version, TERN_VERSION_1);
  assert_true(tern_addr_equal(&seen.remote, &pair.addr[PAIR_CLIENT]));
  assert_int_equal(seen.conns, 0);
}

static void test_judge_retries(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].retry_half_open = UINT32_MAX;
  start_judged(TERN_VERDICT_RETRY);
  assert_true(is_up(&pair));
  assert_int_equal(asked, 2);
  assert_int_equal(seen.builtin, TERN_VERDICT_ADMIT);
  assert_true(seen.is_validated && seen.has_token);
}

static void test_judge_drops(void **state)
{
  (void)state;
  start_judged(TERN_VERDICT_DROP);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 0);
  assert_int_not_equal(pair.drops[PAIR_SERVER][TERN_DROP_REFUSED], 0);
}

static void test_judge_closes(void **state)
{
  (void)state;
  start_judged(TERN_VERDICT_CLOSE);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_true(pair.error[PAIR_CLIENT].by_peer);
  assert_int_equal(pair.error[PAIR_CLIENT].code, 0x123);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 1);
  assert_true(pair.sent_bytes[PAIR_SERVER] < 100);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      CASE(test_retry),
      CASE(test_new_token),
      CASE(test_new_token_of_another_address),
      CASE(test_new_token_too_old),
      CASE(test_no_new_token),
      CASE(test_restart),
      CASE(test_restart_of_the_machine),
      CASE(test_retry_token_from_elsewhere),
      CASE(test_retry_token_replayed),
      CASE(test_damaged_packet_uses_no_token),
      CASE(test_judge_admits),
      CASE(test_judge_retries),
      CASE(test_judge_drops),
      CASE(test_judge_closes),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
