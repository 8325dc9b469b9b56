/* SPDX-License-Identifier: MIT */
/* What the socket makes of runs: all of it, some of it, none; and what a steady transfer costs. */
#include "support/pair.h"

#include <errno.h>

#include "transport/conn.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 14);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static void start(void)
{
  pair.config[PAIR_CLIENT].pacing = false;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
}

static size_t count_datagrams(const tern_run *run)
{
  return (run->len + run->segment_bytes - 1) / run->segment_bytes;
}

/* Hands the first `count` datagrams of a run to the wire. */
static void deliver(const tern_run *run, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    size_t at = i * run->segment_bytes;
    size_t len = run->len - at < run->segment_bytes ? run->len - at : run->segment_bytes;
    pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(run->data + at, len), pair.delay_ns);
  }
}

static const tern_run *next_run(void)
{
  return tern_endpoint_send(pair.endpoint[PAIR_CLIENT], pair.now);
}

static void report(const tern_run *run, size_t count, int error)
{
  tern_endpoint_sent(pair.endpoint[PAIR_CLIENT], run, count, error, pair.now);
}

/* ---- runs ------------------------------------------------------------------------------------------------ */

/* All datagrams of a run have one size but the last, which may be shorter; and the numbers are counted. */
static void test_runs(void **state)
{
  tern_endpoint_stats before, after;
  size_t datagrams = 0, bytes = 0;
  const tern_run *run;

  (void)state;
  start();
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 1000000);
  tern_endpoint_get_stats(pair.endpoint[PAIR_CLIENT], &before);
  while ((run = next_run()) != NULL) {
    assert_true(run->len > 0 && run->len <= 65507);
    assert_true(run->segment_bytes > 0 && run->segment_bytes <= 1452);
    assert_true(tern_addr_equal(&run->remote, &pair.addr[PAIR_SERVER]));
    assert_int_equal(run->send_at, 0);
    size_t count = count_datagrams(run);
    deliver(run, count);
    datagrams += count;
    bytes += run->len;
    report(run, count, 0);
  }
  assert_true(datagrams >= 8);
  tern_endpoint_get_stats(pair.endpoint[PAIR_CLIENT], &after);
  assert_int_equal(after.datagrams_sent - before.datagrams_sent, datagrams);
  assert_int_equal(after.bytes_sent - before.bytes_sent, bytes);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
}

/* Several runs may be out at a time; reports come in order, one that does not is ignored. */
static void test_several_runs_out(void **state)
{
  const tern_run *runs[TERN_RUNS_MAX + 1];
  size_t count = 0;

  (void)state;
  start();
  tern_conn *first = pair.conn[PAIR_CLIENT];
  struct pair_stream *one = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(one, 3000);
  pair_open_conn(&pair);
  while ((runs[count] = next_run()) != NULL)
    count++;
  assert_true(count >= 2);
  report(runs[1], 1, 0); /* not its turn */
  for (size_t i = 0; i < count; i++) {
    deliver(runs[i], count_datagrams(runs[i]));
    report(runs[i], count_datagrams(runs[i]), 0);
  }
  report(runs[0], 1, 0); /* a second time */
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_true(tern_conn_is_connected(first));
  assert_true(pair.is_connected[PAIR_CLIENT]);
}

/* ---- EAGAIN ------------------------------------------------------------------------------------------------ */

/* What the socket did not take is kept, and comes first when it is writable again. */
static void test_would_block(void **state)
{
  static const int errors[] = {EAGAIN, ENOBUFS, EINTR};
  tern_conn_stats stats;

  (void)state;
  start();
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 300000);
  for (unsigned i = 0; i < 400 && stream->closed_count == 0; i++) {
    const tern_run *run = next_run();
    if (run == NULL) {
      if (!pair_step(&pair, pair.now + 50 * TERN_MS))
        pair.now += TERN_MS;
      continue;
    }
    size_t count = count_datagrams(run);
    size_t taken = i % (count + 1);
    const uint8_t *rest = run->data + taken * run->segment_bytes;
    deliver(run, taken);
    report(run, taken, taken == count ? 0 : errors[i % 3]);
    if (taken == count)
      continue;
    /* no deadline presses: the loop waits for the socket */
    assert_true(tern_endpoint_deadline(pair.endpoint[PAIR_CLIENT]) > pair.now);
    run = next_run();
    assert_non_null(run);
    assert_ptr_equal(run->data, rest);
    assert_int_equal(count_datagrams(run), count - taken);
    deliver(run, count_datagrams(run));
    report(run, count_datagrams(run), 0);
  }
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(pair_peer_of(&pair, stream)->received, 300000);
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  assert_int_equal(stats.packets_lost, 0);
}

/* The connection may end meanwhile; the run still goes out. */
static void test_blocked_run_outlives_conn(void **state)
{
  (void)state;
  start();
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 5000);
  const tern_run *run = next_run();
  assert_non_null(run);
  report(run, 0, EAGAIN);
  tern_conn_close(pair.conn[PAIR_CLIENT], 0, NULL);
  for (unsigned i = 0; i < 5; i++) {
    pair.now += TERN_SECOND;
    assert_int_equal(tern_endpoint_timeout(pair.endpoint[PAIR_CLIENT], pair.now), TERN_OK);
  }
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  run = next_run();
  assert_non_null(run);
  deliver(run, count_datagrams(run));
  report(run, count_datagrams(run), EMSGSIZE); /* nobody is left to be told */
  run = next_run();
  assert_true(run == NULL || run->len > 0);
}

/* ---- other errors ------------------------------------------------------------------------------------------- */

/* Another error: what was not taken counts as lost, comes again, and is no sign of congestion. */
static void test_error_is_loss_without_congestion(void **state)
{
  tern_conn_stats before, after;

  (void)state;
  start();
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &before);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 8000);
  const tern_run *run = next_run();
  assert_non_null(run);
  size_t count = count_datagrams(run);
  assert_true(count >= 4);
  deliver(run, 2);
  report(run, 2, EHOSTUNREACH);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(pair_peer_of(&pair, stream)->received, 8000);
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &after);
  assert_int_equal(after.congestion_events, before.congestion_events);
  assert_true(after.window_bytes >= before.window_bytes);
  assert_int_equal(after.in_flight_bytes, 0);
}

/* EMSGSIZE for a probe: that size is given up at once, and the search goes on below it. */
static void test_probe_too_large(void **state)
{
  tern_conn_stats stats;
  size_t refused = 0;

  (void)state;
  pair_start(&pair);
  for (unsigned i = 0; i < 200; i++) {
    const tern_run *run;
    while ((run = next_run()) != NULL) {
      if (run->segment_bytes > 1300) {
        refused++;
        report(run, 0, EMSGSIZE);
        continue;
      }
      deliver(run, count_datagrams(run));
      report(run, count_datagrams(run), 0);
    }
    if (!pair_step(&pair, pair.now + 20 * TERN_MS))
      continue;
  }
  assert_true(pair.is_connected[PAIR_CLIENT] && pair.is_connected[PAIR_SERVER]);
  assert_in_range(refused, 1, 6);
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  assert_in_range(stats.mtu_bytes, 1270, 1300);
  assert_int_equal(stats.congestion_events, 0);
  assert_int_equal(stats.in_flight_bytes, 0);
}

/* An error that stays must not keep the loop busy: send ends, and something wakes the loop later. */
static void test_lasting_error(void **state)
{
  (void)state;
  start();
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 100000);
  pair.conn[PAIR_CLIENT]->path.data->next_skip =
      UINT64_MAX; /* a skipped number hides a run's numbers */
  unsigned runs = 0;
  tern_time end = pair.now + TERN_SECOND;
  for (unsigned turns = 0; pair.now < end; turns++) {
    const tern_run *run;
    assert_true(turns < 500);
    while ((run = next_run()) != NULL) {
      runs++;
      assert_true(runs < 500);
      report(run, 0, ENETUNREACH);
    }
    tern_time deadline = tern_endpoint_deadline(pair.endpoint[PAIR_CLIENT]);
    assert_true(deadline > pair.now);
    pair.now = deadline < end ? deadline : end;
    assert_int_equal(tern_endpoint_timeout(pair.endpoint[PAIR_CLIENT], pair.now), TERN_OK);
  }
  assert_in_range(runs, 2, 80); /* a few per PTO */
  /* and when it is over, the transfer goes on */
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(pair_peer_of(&pair, stream)->received, 100000);
}

/* ---- what it costs -------------------------------------------------------------------------------------------- */

static uint64_t get_takes(int side)
{
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(pair.endpoint[side], &stats);
  return stats.heap_takes;
}

static bool fill_nothing(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg;
  (void)offset;
  for (size_t i = 0; i < count; i++)
    memset(iov[i].data, 0, iov[i].len);
  return true;
}

static void take_quickly(struct pair *with, struct pair_stream *stream)
{
  tern_slice slice;

  (void)with;
  while (tern_stream_peek(stream->stream, &slice, 1) != 0)
    tern_stream_consume(stream->stream, slice.len);
}

static void keep_unread(struct pair *with, struct pair_stream *stream)
{
  (void)with;
  stream->is_paused = true;
}

/* In the steady state of a transfer neither side asks the allocator for anything, however many packets. */
static void test_no_allocation_per_packet(void **state)
{
  tern_source source = {.fill = fill_nothing};
  uint64_t before[2];
  tern_conn_stats stats;

  (void)state;
  pair.on_stream = keep_unread;
  pair.on_readable = take_quickly;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(tern_stream_write_source(stream->stream, 40000000, &source), TERN_OK);
  while (stream->acked_to < 8000000)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  before[0] = get_takes(0);
  before[1] = get_takes(1);
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  uint64_t packets = stats.packets_sent;
  while (stats.packets_sent - packets < 10000) {
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
    tern_conn_get_stats(pair.conn[PAIR_CLIENT], &stats);
  }
  print_message("allocations in 10,000 packets: client %u, server %u\n",
                (unsigned)(get_takes(0) - before[0]), (unsigned)(get_takes(1) - before[1]));
  /* a ring that doubles with the window is no cost per packet */
  assert_true(get_takes(0) - before[0] <= 2);
  assert_true(get_takes(1) - before[1] <= 2);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_runs),
      CASE(test_several_runs_out),
      CASE(test_would_block),
      CASE(test_blocked_run_outlives_conn),
      CASE(test_error_is_loss_without_congestion),
      CASE(test_probe_too_large),
      CASE(test_lasting_error),
      CASE(test_no_allocation_per_packet),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
