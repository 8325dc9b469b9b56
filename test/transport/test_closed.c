/* SPDX-License-Identifier: MIT */
/* Connections that are over, and what still comes for them; ids and words of the application's choice. */
#include "support/pair.h"

#include "transport/conn.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 9);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static struct pair_datagram first, last; /* of the client's */

static bool copy_ends(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (datagram->to != PAIR_SERVER)
    return true;
  if (first.len == 0)
    first = *datagram;
  if ((datagram->data[0] & 0x80) == 0)
    last = *datagram;
  return true;
}

static void send_late(const struct pair_datagram *datagram)
{
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(datagram->data, datagram->len), 0);
  pair_run_for(&pair, 100 * TERN_MS);
}

/* [rfc9000-10.2] late packets of a connection that the client closed: no connection, no answer, no memory. */
static void test_late_packets(void **state)
{
  (void)state;
  first.len = last.len = 0;
  pair.filter = copy_ends;
  pair_connect(&pair);
  tern_conn_close(pair.conn[PAIR_CLIENT], 0, NULL);
  assert_true(pair_run_until(&pair, pair_are_gone));
  pair_free_endpoint(&pair, PAIR_CLIENT); /* it would reset resets */
  uint64_t started = pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED];
  uint64_t sent = pair.sent_count[PAIR_SERVER];
  tern_endpoint_stats before, after;
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &before);
  for (int i = 0; i < 100; i++) {
    send_late(&first);
    send_late(&last);
  }
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &after);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED], started);
  assert_int_equal(pair.sent_count[PAIR_SERVER], sent);
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_CONN_CLOSED], 200);
  assert_int_equal(after.heap_takes, before.heap_takes);
  pair_run_for(&pair, 60 * TERN_SECOND); /* then it is a stranger like any */
  send_late(&last);
  assert_int_equal(pair.sent_count[PAIR_SERVER], sent + 1);
}

/* If we closed, the client may not know: its Initial makes no connection, but its data is answered. */
static void test_late_packets_after_our_close(void **state)
{
  (void)state;
  first.len = last.len = 0;
  pair.filter = copy_ends;
  pair_connect(&pair);
  tern_conn_close(pair.conn[PAIR_SERVER], 0, NULL);
  assert_true(pair_run_until(&pair, pair_are_gone));
  pair_free_endpoint(&pair, PAIR_CLIENT); /* it would reset resets */
  uint64_t started = pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED];
  uint64_t sent = pair.sent_count[PAIR_SERVER];
  send_late(&first);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED], started);
  assert_int_equal(pair.sent_count[PAIR_SERVER], sent);
  send_late(&last);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_RESET_SENT], 1);
}

/* 8,192 ids in each half of the memory, and the oldest go first. */
static void test_bound(void **state)
{
  struct tern_cid cid = {8, {0}};
  unsigned known = 0;

  (void)state;
  pair_make_endpoint(&pair, PAIR_SERVER);
  tern_endpoint *endpoint = pair.endpoint[PAIR_SERVER];
  tern_endpoint_stats before, after;
  tern_endpoint_get_stats(endpoint, &before);
  for (uint32_t i = 0; i < 50000; i++) {
    memcpy(cid.bytes, &i, sizeof i);
    tern_endpoint_close_id(endpoint, &cid);
    assert_true(tern_endpoint_is_closed_id(endpoint, tern_cid_slice(&cid)));
  }
  for (uint32_t i = 0; i < 50000; i++) {
    memcpy(cid.bytes, &i, sizeof i);
    known += tern_endpoint_is_closed_id(endpoint, tern_cid_slice(&cid));
  }
  assert_in_range(known, 8192, 16384);
  tern_endpoint_get_stats(endpoint, &after);
  assert_true(after.heap_bytes_now - before.heap_bytes_now <= 2 * 2 * 8192 * 8);
}

/* ---- ids ------------------------------------------------------------------------------------------------- */

static uint8_t next_id;

/* Each one twice in a row. */
static void make_id(void *arg, uint8_t *id, size_t len)
{
  (void)arg;
  memset(id, 0xc1, len);
  id[len - 1] = next_id++ / 2;
}

static void test_ids_of_the_application(void **state)
{
  (void)state;
  for (uint8_t len = 4; len <= 20; len += 4) {
    next_id = 0;
    pair.config[PAIR_SERVER].cid_bytes = len;
    pair.config[PAIR_SERVER].cids.make = make_id;
    pair_connect(&pair);
    pair_run_for(&pair, TERN_SECOND);
    const struct tern_cid_local_entry *entry;
    uint32_t at = 0, count = 0;
    while ((entry = tern_cid_local_next(&pair.conn[PAIR_SERVER]->path.local_ids, &at)) != NULL) {
      assert_int_equal(entry->cid.len, len);
      assert_int_equal(entry->cid.bytes[0], 0xc1);
      assert_int_equal(entry->cid.bytes[len - 1], count++);
    }
    assert_int_equal(count, 4);
    tear_down(NULL);
    set_up(NULL);
  }
}

/* ---- what a peer is told ---------------------------------------------------------------------------------- */

static size_t say_little(void *arg, uint64_t code, bool is_application, const char *reason,
                         char *text, size_t size)
{
  (void)arg;
  assert_int_equal(code, 77);
  assert_true(is_application);
  assert_string_equal(reason, "table users has no row 12");
  return (size_t)snprintf(text, size, "sorry");
}

static void test_close_reason(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].closes.format = say_little;
  pair_connect(&pair);
  tern_conn_close(pair.conn[PAIR_SERVER], 77, "table users has no row 12");
  assert_true(pair_run_until(&pair, pair_are_closed));
  assert_string_equal(pair.error[PAIR_CLIENT].reason, "sorry");
  assert_string_equal(pair.error[PAIR_SERVER].reason, "table users has no row 12");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      CASE(test_late_packets), CASE(test_late_packets_after_our_close),
      CASE(test_bound),        CASE(test_ids_of_the_application),
      CASE(test_close_reason),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
