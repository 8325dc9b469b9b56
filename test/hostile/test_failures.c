/* SPDX-License-Identifier: MIT */
/* When this side fails: memory, sockets, clocks. The peer is honest. */
#include "support/hostile_test.h"

#include <errno.h>

#include "base/random.h"

/* ---- T24: the n-th allocation fails -------------------------------------------------------------- */

/* A connection with something of everything. Nothing is asserted on the way: any step may fail. */
static void play(bool is_server)
{
  struct hostile_peer *peer = hostile_peer_add(&rig, is_server);

  if (is_server)
    peer->params.has_reset_token = true;
  if (!hostile_peer_connect(peer))
    return;
  uint64_t id = is_server ? 1 : 0;
  send_stream(peer, id, 0, 3000, false);
  send_stream(peer, id, 5000, 1000, false); /* beyond gaps */
  send_stream(peer, id, 8000, 1000, false);
  send_stream(peer, id, 3000, 6000, true);
  tern_stream *stream = hostile_app_open(&rig, true);
  if (stream != NULL) {
    hostile_app_write(&rig, stream, 20000);
    if (tern_stream_finish(stream) != TERN_OK)
      tern_stream_reset(stream, 1);
  }
  stream = hostile_app_open(&rig, false);
  if (stream != NULL)
    tern_stream_reset(stream, 2);
  if (rig.app.conn != NULL &&
      tern_conn_send_datagram(rig.app.conn, tern_slice_of("hello", 5)) != TERN_OK)
    rig.oracle.app_takes++;
  hostile_rig_advance(&rig, 200 * TERN_MS);
  peer->acks = false; /* losses, too */
  hostile_rig_advance(&rig, TERN_SECOND);
  peer->acks = true;
  struct tern_new_connection_id_args args = {.sequence = 1, .retire_prior_to = 1, .cid = {8, {9}}};
  tern_frame_write_new_connection_id(hostile_frames(peer), &args);
  hostile_send(peer, TERN_PACKET_APP);
  if (rig.app.conn != NULL)
    tern_conn_shutdown(rig.app.conn, 0, rig.oracle.now + TERN_SECOND);
  hostile_rig_advance(&rig, 2 * TERN_SECOND);
}

/* Returns how many allocations the play took. */
static uint64_t play_with_failure(bool is_server, uint64_t fail_at, bool from_then)
{
  prepare();
  rig.app.serves_bytes = 30000;
  rig.heap.fail_at = fail_at;
  rig.heap.fails_from_then = from_then;
  bool is_started = hostile_rig_start(&rig);
  if (is_started)
    play(is_server);
  uint64_t takes = rig.heap.takes;
  rig.heap.fail_at = 0;
  rig.heap.fails_from_then = false;
  if (!is_started) {
    hostile_rig_free(&rig);
    return takes;
  }
  /* The endpoint lives: another client is served. */
  struct hostile_peer *other = hostile_peer_add(&rig, false);
  assert_true(hostile_peer_connect(other));
  uint64_t before = rig.app.read_bytes;
  rig.app.serves_bytes = 0;
  send_stream(other, 0, 0, 100, true);
  assert_int_equal(rig.app.read_bytes, before + 100);
  end();
  return takes;
}

static void test_T24_each_allocation_fails(void **state)
{
  (void)state;

  for (int is_server = 0; is_server < 2; is_server++) {
    uint64_t takes = play_with_failure(is_server != 0, 0, false);
    assert_true(takes > 50);
    for (uint64_t n = 1; n <= takes; n++)
      play_with_failure(is_server != 0, n, false);
  }
}

static void test_T24_all_allocations_fail_from_one_on(void **state)
{
  (void)state;

  for (int is_server = 0; is_server < 2; is_server++) {
    uint64_t takes = play_with_failure(is_server != 0, 0, false);
    for (uint64_t n = 1; n <= takes; n++)
      play_with_failure(is_server != 0, n, true);
  }
}

/* ---- T25: the socket ----------------------------------------------------------------------------- */

struct socket_plan {
  struct tern_random_seeded seeded;
  int error;
  unsigned percent; /* of runs that fail */
  uint64_t refused;
};

static size_t refuse_some(void *arg, const tern_run *run, size_t count, int *error)
{
  struct socket_plan *plan = arg;
  tern_random_ops random = tern_random_seeded_ops(&plan->seeded);

  (void)run;
  if (tern_random_below(&random, 100) >= plan->percent)
    return count;
  plan->refused++;
  *error = plan->error;
  return (size_t)tern_random_below(&random, count);
}

static void download_with_errors(int error, unsigned percent, uint64_t seed)
{
  struct socket_plan plan = {.error = error, .percent = percent};

  tern_random_seeded_init(&plan.seeded, seed);
  prepare();
  rig.app.serves_bytes = 100000;
  start();
  struct hostile_peer *peer = connect_client();
  rig.oracle.socket = refuse_some;
  rig.oracle.socket_arg = &plan;
  send_stream(peer, 0, 0, 10, true);
  for (int i = 0; i < 3000 && peer->highest_stream_end < 100000; i++)
    hostile_rig_advance(&rig, 10 * TERN_MS);
  if (peer->highest_stream_end < 100000)
    print_message("errno %d, %u %%: %llu bytes\n", error, percent,
                  (unsigned long long)peer->highest_stream_end);
  assert_int_equal(peer->highest_stream_end, 100000);
  assert_true(plan.refused != 0);
  rig.oracle.socket = NULL;
  end();
}

static void test_T25_socket_errors(void **state)
{
  (void)state;
  static const int errors[] = {EAGAIN,      ENOBUFS,      EINTR, EMSGSIZE, ECONNREFUSED, EPERM,
                               ENETUNREACH, EHOSTUNREACH, EIO,   EINVAL,   EWOULDBLOCK};

  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    for (uint64_t seed = 1; seed <= 6; seed++)
      download_with_errors(errors[i], seed % 2 == 0 ? 50 : 25, seed);
  }
}

static size_t refuse_all(void *arg, const tern_run *run, size_t count, int *error)
{
  (void)run, (void)count;
  *error = *(const int *)arg;
  return 0;
}

/* A socket that takes nothing for ever: the connection times out, the endpoint stays idle meanwhile. */
static void test_T25_dead_socket(void **state)
{
  (void)state;
  static int errors[] = {EAGAIN, ECONNREFUSED, EMSGSIZE};

  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    prepare();
    rig.app.serves_bytes = 100000;
    start();
    struct hostile_peer *peer = connect_client();
    rig.oracle.socket = refuse_all;
    rig.oracle.socket_arg = &errors[i];
    send_stream(peer, 0, 0, 10, true);
    hostile_rig_advance(&rig, 100 * TERN_SECOND);
    assert_int_equal(rig.app.closed, 1);
    assert_int_equal(rig.app.error.kind, TERN_ERROR_IDLE);
    rig.oracle.socket = NULL;
    end();
  }
}

/* ---- T23: the clock --------------------------------------------------------------------------------- */

/* Each call with a clock that jumps about, back and forth: what is read is right, nothing aborts. */
static void test_T23_clock_jumps(void **state)
{
  (void)state;

  for (uint64_t seed = 1; seed <= 200; seed++) {
    struct tern_random_seeded seeded;
    tern_random_ops random = tern_random_seeded_ops(&seeded);
    tern_random_seeded_init(&seeded, seed);
    prepare();
    rig.app.checks_content = true;
    start();
    struct hostile_peer *peer = connect_client();
    tern_time newest = rig.oracle.now;
    for (uint64_t i = 0; i < 60 && !peer->is_closed; i++) {
      uint64_t kind = tern_random_below(&random, 10);
      uint64_t back = tern_random_below(&random, 10 * TERN_SECOND);
      rig.oracle.now = kind < 4 ? newest : kind < 7 ? newest - back : newest + back / 100;
      if (rig.oracle.now > newest)
        newest = rig.oracle.now;
      hostile_write_stream(hostile_frames(peer), 0, i * 10, 10, i == 59);
      hostile_post(peer, TERN_PACKET_APP);
      rig.oracle.now = newest;
      hostile_rig_turn(&rig);
    }
    if (!peer->is_closed)
      assert_int_equal(rig.app.read_bytes, 600);
    end();
  }
}

/* Far into the future at once, and to the end of time: everything times out. */
static void test_T23_clock_leaps(void **state)
{
  (void)state;
  static const tern_time leaps[] = {TERN_SECOND * 3600, TERN_SECOND * 1000000000, UINT64_C(1) << 62,
                                    UINT64_C(1) << 63};

  for (size_t i = 0; i < sizeof leaps / sizeof leaps[0]; i++) {
    prepare();
    start();
    struct hostile_peer *peer = connect_client();
    rig.oracle.now += leaps[i];
    send_stream(peer, 0, 0, 10, false);
    hostile_rig_turn(&rig);
    end();
  }
}

/* A clock that stands still: a whole transfer in no time. */
static void test_T23_clock_stands(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  for (uint64_t i = 0; i < 1000; i++)
    send_stream(peer, 0, i * 100, 100, i == 999);
  assert_int_equal(rig.app.read_bytes, 100000);
  end();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_T24_each_allocation_fails),
      cmocka_unit_test(test_T24_all_allocations_fail_from_one_on),
      cmocka_unit_test(test_T25_socket_errors),
      cmocka_unit_test(test_T25_dead_socket),
      cmocka_unit_test(test_T23_clock_jumps),
      cmocka_unit_test(test_T23_clock_leaps),
      cmocka_unit_test(test_T23_clock_stands),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
