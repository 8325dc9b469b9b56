/* SPDX-License-Identifier: MIT */
/* What may be called from inside: notifications may call anything but the four calls of the loop, hooks
 * nothing; and ending things from any callback is safe. */
#include "support/pair.h"

#include "transport/conn.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 13);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

/* ---- every callback -------------------------------------------------------------------------------------- */

enum place {
  ON_CONN,
  ON_STREAM,
  ON_READABLE,
  ON_WRITABLE,
  ON_ACKED,
  ON_RESET,
  ON_STOPPED,
  ON_STREAM_CLOSED,
  ON_DATAGRAM,
  ON_CLOSED,
  PLACES
};

static struct {
  enum place place;
  int side;
  unsigned visits;
  void (*act)(int side, struct pair_stream *stream);
} trap;

static void visit(enum place place, int side, struct pair_stream *stream)
{
  if (place != trap.place || side != trap.side)
    return;
  trap.visits++;
  trap.act(side, stream);
}

static void visit_conn(struct pair *with, int side)
{
  (void)with;
  visit(ON_CONN, side, NULL);
}
static void visit_datagram(struct pair *with, int side)
{
  (void)with;
  visit(ON_DATAGRAM, side, NULL);
}
static void visit_closed(struct pair *with, int side)
{
  (void)with;
  visit(ON_CLOSED, side, NULL);
}
#define VISIT_STREAM(name, place)                                                                  \
  static void name(struct pair *with, struct pair_stream *stream)                                  \
  {                                                                                                \
    (void)with;                                                                                    \
    visit(place, stream->side, stream);                                                            \
  }
VISIT_STREAM(visit_stream, ON_STREAM)
VISIT_STREAM(visit_readable, ON_READABLE)
VISIT_STREAM(visit_writable, ON_WRITABLE)
VISIT_STREAM(visit_acked, ON_ACKED)
VISIT_STREAM(visit_reset, ON_RESET)
VISIT_STREAM(visit_stopped, ON_STOPPED)
VISIT_STREAM(visit_stream_closed, ON_STREAM_CLOSED)

static void set_traps(uint64_t seed, enum place place, int side,
                      void (*act)(int side, struct pair_stream *stream))
{
  pair_init(&pair, seed);
  pair.config[0].send_buffer_bytes = pair.config[1].send_buffer_bytes = 8192;
  pair.on_conn = visit_conn;
  pair.on_datagram = visit_datagram;
  pair.on_closed = visit_closed;
  pair.on_stream = visit_stream;
  pair.on_readable = visit_readable;
  pair.on_writable = visit_writable;
  pair.on_acked = visit_acked;
  pair.on_reset = visit_reset;
  pair.on_stopped = visit_stopped;
  pair.on_stream_closed = visit_stream_closed;
  trap.place = place;
  trap.side = side;
  trap.visits = 0;
  trap.act = act;
}

static bool is_live(int side)
{
  return pair.endpoint[side] != NULL && pair.conn[side] != NULL &&
         tern_conn_is_connected(pair.conn[side]);
}

static struct pair_stream *open_live(int side, bool is_bidi)
{
  if (!is_live(side))
    return NULL;
  tern_stream *handle;
  static const tern_stream_ops none = {.size = sizeof none};
  if (tern_conn_open_stream(pair.conn[side], is_bidi, &none, NULL, &handle) != TERN_OK)
    return NULL; /* shutting down */
  tern_stream_reset(handle, 0);
  tern_stream_release(handle);
  struct pair_stream *stream = pair_open(&pair, side, is_bidi);
  (void)pair_write(stream, 0, 20000); /* blocks: on_writable will come */
  return stream;
}

/* A stream that data flows on in both directions is reset by one side, and stopped. */
static void end_both_halves(int side, struct pair_stream *stream)
{
  struct pair_stream *peer = pair_peer_of(&pair, stream);

  if (stream->stream == NULL || !is_live(side))
    return;
  (void)!tern_conn_send_datagram(pair.conn[side], tern_slice_of("hello", 5));
  tern_stream_reset(stream->stream, 3);
  if (peer != NULL && peer->stream != NULL && is_live(!side))
    (void)pair_write(peer, 0, 3000);
  pair_run_for(&pair, 15 * TERN_MS);
  if (stream->stream != NULL && is_live(side))
    tern_stream_stop(stream->stream, 4);
}

/* Does everything once that leads to a callback on either side. */
static void run_play(void)
{
  pair_start(&pair);
  pair_run_for(&pair, 200 * TERN_MS);
  for (int side = 0; side < 2; side++) {
    struct pair_stream *stream = open_live(side, true);
    (void)open_live(side, false);
    pair_run_for(&pair, 100 * TERN_MS);
    if (stream != NULL)
      end_both_halves(side, stream);
    pair_run_for(&pair, 100 * TERN_MS);
  }
  if (is_live(PAIR_CLIENT))
    tern_conn_close(pair.conn[PAIR_CLIENT], 0, NULL);
  pair_run_for(&pair, 3 * TERN_SECOND);
}

/* Runs the play with `act` at every callback of both sides; every callback must have been reached. */
static void act_everywhere(void (*act)(int side, struct pair_stream *stream))
{
  pair_deinit(&pair);
  for (enum place place = 0; place < PLACES; place++)
    for (int side = 0; side < 2; side++) {
      set_traps(1300 + place, place, side, act);
      run_play();
      if (trap.visits == 0)
        fail_msg("place %d of side %d was not reached", (int)place, side);
      for (size_t i = 0; i < pair.streams_count; i++)
        assert_true(pair.streams[i].closed_count <= 1);
      assert_true(pair.closed_count[0] <= 1 && pair.closed_count[1] <= 1);
      pair_deinit(&pair);
    }
  pair_init(&pair, 13);
}

/* ---- the calls of the loop --------------------------------------------------------------------------------- */

static void call_loop(int side, struct pair_stream *stream)
{
  tern_endpoint *endpoint = pair.endpoint[side];
  static tern_run run;

  (void)stream;
  assert_int_equal(tern_endpoint_receive(endpoint, NULL, 0, pair.now), TERN_REENTRY);
  assert_int_equal(tern_endpoint_timeout(endpoint, pair.now), TERN_REENTRY);
  assert_null(tern_endpoint_send(endpoint, pair.now));
  tern_endpoint_sent(endpoint, &run, 1, 0, pair.now); /* quiet */
}

static void test_loop_calls(void **state)
{
  (void)state;
  act_everywhere(call_loop);
  assert_true(pair_are_gone(&pair));
}

/* ---- ending things ----------------------------------------------------------------------------------------- */

static void close_conn(int side, struct pair_stream *stream)
{
  (void)stream;
  tern_conn_close(pair.conn[side], 11, "from inside");
}
static void test_close(void **state)
{
  (void)state;
  act_everywhere(close_conn);
}

static void shut_down(int side, struct pair_stream *stream)
{
  (void)stream;
  tern_conn_shutdown(pair.conn[side], 12, pair.now + TERN_SECOND);
}
static void test_shutdown(void **state)
{
  (void)state;
  act_everywhere(shut_down);
}

static void free_endpoint(int side, struct pair_stream *stream)
{
  (void)stream;
  tern_endpoint_free(pair.endpoint[side]);
  pair.endpoint[side] = NULL; /* the pump goes on without it */
}
static void test_endpoint_free(void **state)
{
  (void)state;
  act_everywhere(free_endpoint);
}

static void end_stream(int side, struct pair_stream *stream)
{
  (void)side;
  if (stream == NULL || stream->stream == NULL)
    return;
  tern_stream_reset(stream->stream, 21);
  tern_stream_stop(stream->stream, 22);
}
static void test_reset_and_stop(void **state)
{
  (void)state;
  act_everywhere(end_stream);
}

static void release_stream(int side, struct pair_stream *stream)
{
  (void)side;
  if (stream == NULL || stream->stream == NULL)
    return;
  tern_stream_release(stream->stream);
  stream->stream = NULL;
}
static void test_release(void **state)
{
  (void)state;
  act_everywhere(release_stream);
}

static void end_everything(int side, struct pair_stream *stream)
{
  end_stream(side, stream);
  release_stream(side, stream);
  close_conn(side, NULL);
  free_endpoint(side, NULL);
}
static void test_everything_at_once(void **state)
{
  (void)state;
  act_everywhere(end_everything);
}

/* ---- making things ------------------------------------------------------------------------------------------ */

static void open_more(int side, struct pair_stream *stream)
{
  tern_stream *other;
  size_t taken;

  (void)stream;
  if (trap.visits > 5 ||
      tern_conn_open_stream(pair.conn[side], false, NULL, NULL, &other) != TERN_OK)
    return;
  assert_int_equal(tern_stream_write(other, tern_slice_of("abc", 3), &taken), TERN_OK);
  assert_int_equal(tern_stream_finish(other), TERN_OK);
}
static void test_open_stream(void **state)
{
  (void)state;
  act_everywhere(open_more);
}

static void connect_again(int side, struct pair_stream *stream)
{
  tern_connect_args args = {.remote = pair.addr[PAIR_SERVER], .server_name = "localhost"};
  tern_conn *conn;

  (void)stream;
  if (side != PAIR_CLIENT || trap.visits > 3)
    return;
  assert_int_equal(tern_endpoint_connect(pair.endpoint[PAIR_CLIENT], &args, pair.now, &conn),
                   TERN_OK);
  tern_conn_close(conn, 0, NULL);
}
static void test_connect(void **state)
{
  (void)state;
  act_everywhere(connect_again);
}

/* ---- hooks ------------------------------------------------------------------------------------------------- */

static unsigned fills, releases;

static void call_everything(tern_stream *stream)
{
  tern_conn *conn = tern_stream_get_conn(stream);
  tern_stream *other;
  uint8_t byte = 0;
  size_t count;

  assert_int_equal(tern_stream_write(stream, tern_slice_of(&byte, 1), &count), TERN_REENTRY);
  assert_int_equal(tern_stream_write_ref(stream, tern_slice_of(&byte, 1), NULL, NULL),
                   TERN_REENTRY);
  assert_int_equal(tern_stream_finish(stream), TERN_REENTRY);
  assert_int_equal(tern_stream_read(stream, &byte, 1, &count), TERN_REENTRY);
  assert_int_equal(tern_conn_open_stream(conn, true, NULL, NULL, &other), TERN_REENTRY);
  assert_int_equal(tern_conn_send_datagram(conn, tern_slice_of(&byte, 1)), TERN_REENTRY);
  tern_stream_reset(stream, 1);
  tern_stream_stop(stream, 1);
  tern_conn_close(conn, 1, NULL);
  tern_conn_shutdown(conn, 1, 0);
  assert_null(tern_endpoint_send(tern_conn_get_endpoint(conn), pair.now));
}

static bool fill_and_call(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  struct pair_stream *stream = arg;

  fills++;
  call_everything(stream->stream);
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < iov[i].len; k++)
      ((uint8_t *)iov[i].data)[k] = pair_byte(offset++);
  return true;
}

static void release_and_call(void *arg)
{
  struct pair_stream *stream = arg;

  releases++;
  if (stream->stream != NULL)
    call_everything(stream->stream);
}

static void test_hooks(void **state)
{
  (void)state;
  fills = releases = 0;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  tern_source source = {fill_and_call, release_and_call, stream, 1};
  assert_int_equal(tern_stream_write_source(stream->stream, 50000, &source), TERN_OK);
  assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
  pair_run_for(&pair, TERN_SECOND);
  assert_true(fills > 0);
  assert_int_equal(releases, 1);
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_int_equal(peer->received, 50000);
  assert_true(peer->is_eof && !peer->is_bad);
  assert_int_equal(peer->reset_count + stream->stopped_count, 0);
  assert_int_equal(pair.closed_count[0] + pair.closed_count[1], 0);
  /* the same in a reset, and when the connection goes */
  for (unsigned i = 0; i < 2; i++) {
    struct pair_stream *more = pair_open(&pair, PAIR_CLIENT, false);
    source.arg = more;
    assert_int_equal(tern_stream_write_source(more->stream, 10000000, &source), TERN_OK);
    pair_run_for(&pair, 50 * TERN_MS);
    if (i == 0)
      tern_stream_reset(more->stream, 9);
    else
      pair_free_endpoint(&pair, PAIR_CLIENT);
    assert_int_equal(releases, 2 + i);
  }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_loop_calls),
      CASE(test_close),
      CASE(test_shutdown),
      CASE(test_endpoint_free),
      CASE(test_reset_and_stop),
      CASE(test_release),
      CASE(test_everything_at_once),
      CASE(test_open_stream),
      CASE(test_connect),
      CASE(test_hooks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
