/* SPDX-License-Identifier: MIT */
/* Streams that carry data: every kind, every way to write, credit in all its forms. */
#include "support/pair.h"

#include "transport/conn.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 2);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static void assert_got(const struct pair_stream *stream, uint64_t bytes)
{
  assert_non_null(stream);
  assert_int_equal(stream->received, bytes);
  assert_false(stream->is_bad);
  assert_true(stream->is_eof);
  assert_int_equal(stream->reset_count + stream->stopped_count, 0);
}

static void keep_unread(struct pair *with, struct pair_stream *stream)
{
  (void)with;
  stream->is_paused = true;
}

/* Reads what there is, as if the application came back to it. */
static void resume(struct pair_stream *stream)
{
  uint8_t data[512];
  size_t got;

  stream->is_paused = false;
  tern_status status;
  while ((status = tern_stream_read(stream->stream, data, sizeof data, &got)) == TERN_OK) {
    for (size_t i = 0; i < got; i++)
      stream->is_bad |= data[i] != pair_byte(stream->received + i);
    stream->received += got;
  }
  stream->is_eof |= status == TERN_EOF;
}

/* ---- kinds -------------------------------------------------------------------------------------- */

/* [rfc9000-2.1] the two low bits of an id say who opened it and whether it is unidirectional. */
static void test_four_kinds(void **state)
{
  struct pair_stream *ours[2][2][2];

  (void)state;
  pair.has_echo = false;
  pair_connect(&pair);
  for (int side = 0; side < 2; side++)
    for (int uni = 0; uni < 2; uni++)
      for (int i = 0; i < 2; i++) {
        struct pair_stream *stream = pair_open(&pair, side, uni == 0);
        ours[side][uni][i] = stream;
        assert_int_equal(stream->id, (uint64_t)(4 * i + 2 * uni + side));
        assert_int_equal(tern_stream_is_bidi(stream->stream), uni == 0);
        assert_true(tern_stream_is_ours(stream->stream));
        assert_true(tern_stream_get_conn(stream->stream) == pair.conn[side]);
        assert_true(tern_stream_get_app(stream->stream) == stream);
        pair_send_all(stream, 3000 + 100 * (uint64_t)stream->id);
      }
  pair_run_for(&pair, TERN_SECOND);
  for (int side = 0; side < 2; side++)
    for (int uni = 0; uni < 2; uni++)
      for (int i = 0; i < 2; i++) {
        struct pair_stream *stream = ours[side][uni][i];
        struct pair_stream *peer = pair_peer_of(&pair, stream);
        assert_got(peer, 3000 + 100 * stream->id);
        assert_int_equal(stream->acked_to, peer->received);
        assert_int_equal(stream->closed_count,
                         uni); /* a bidirectional one waits for the other half */
        assert_int_equal(peer->closed_count, uni);
        if (uni == 0)
          pair_send_all(peer, 5000);
      }
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  for (int side = 0; side < 2; side++)
    for (int i = 0; i < 2; i++)
      assert_got(ours[side][0][i], 5000);
}

/* Before the handshake is complete streams can be opened and written; the data goes out with the client's
 * last flight. */
static void test_early_open(void **state)
{
  (void)state;
  pair.has_echo = true;
  pair_start(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  assert_int_equal(pair_write(stream, 0, 700), 700);
  assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
  pair_run_for(&pair, 3 * pair.delay_ns); /* one round trip, and one way */
  assert_got(pair_peer_of(&pair, stream), 700);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_got(stream, 700);
}

static void test_empty_stream(void **state)
{
  (void)state;
  pair.has_echo = true;
  pair_connect(&pair);
  struct pair_stream *bidi = pair_open(&pair, PAIR_CLIENT, true);
  struct pair_stream *uni = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(bidi, 0);
  pair_send_all(uni, 0);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_got(bidi, 0);
  assert_got(pair_peer_of(&pair, uni), 0);
}

/* ---- ways to write -------------------------------------------------------------------------------- */

static void count_release(void *arg)
{
  ++*(unsigned *)arg;
}

static void fill_pattern(uint8_t *out, uint64_t offset, size_t len)
{
  for (size_t i = 0; i < len; i++)
    out[i] = pair_byte(offset + i);
}

struct counted_source {
  unsigned released;
  unsigned calls;
  size_t iov_max;     /* most pieces in one call */
  uint64_t shift;     /* stream offset of the source's first byte */
  uint64_t fail_from; /* fills at or above this fail */
};

static bool fill_counted(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  struct counted_source *source = arg;

  source->calls++;
  if (count > source->iov_max)
    source->iov_max = count;
  for (size_t i = 0; i < count; i++) {
    if (offset + iov[i].len > source->fail_from)
      return false;
    fill_pattern(iov[i].data, source->shift + offset, iov[i].len);
    offset += iov[i].len;
  }
  return true;
}

static void release_counted(void *arg)
{
  ((struct counted_source *)arg)->released++;
}

static tern_source make_source(struct counted_source *counted)
{
  return (tern_source){fill_counted, release_counted, counted, 99};
}

/* Copies, references and sources in turn on one stream. */
static void test_mixed_writes(void **state)
{
  static uint8_t refs[8][10000];
  struct counted_source sources[8];
  unsigned released[8] = {0};
  uint64_t offset = 0;

  (void)state;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  for (size_t i = 0; i < 8; i++) {
    size_t len = 1 + i * 1400;
    assert_int_equal(pair_write(stream, offset, len), len);
    offset += len;
    fill_pattern(refs[i], offset, len);
    assert_int_equal(tern_stream_write_ref(stream->stream, tern_slice_of(refs[i], len),
                                           count_release, &released[i]),
                     TERN_OK);
    offset += len;
    sources[i] = (struct counted_source){.shift = offset, .fail_from = UINT64_MAX};
    tern_source source = make_source(&sources[i]);
    assert_int_equal(tern_stream_write_source(stream->stream, len, &source), TERN_OK);
    offset += len;
  }
  assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_got(pair_peer_of(&pair, stream), offset);
  for (size_t i = 0; i < 8; i++) {
    assert_int_equal(released[i], 1);
    assert_int_equal(sources[i].released, 1);
  }
}

/* A source is asked once for a run of packets, not once for each. */
static void test_source_spans_packets(void **state)
{
  struct counted_source counted = {.fail_from = UINT64_MAX};
  tern_source source = make_source(&counted);

  (void)state;
  pair.config[PAIR_CLIENT].pacing = false; /* or runs are as short as a millisecond's worth */
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(tern_stream_write_source(stream->stream, 200000, &source), TERN_OK);
  assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
  assert_int_equal(counted.calls, 0); /* pulled when due, not before */
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_got(pair_peer_of(&pair, stream), 200000);
  assert_true(counted.iov_max >= 8);
  assert_true(counted.calls <= 60); /* 170 packets at least */
  assert_int_equal(counted.released, 1);
}

static void test_empty_writes(void **state)
{
  struct counted_source counted = {.fail_from = UINT64_MAX};
  tern_source source = make_source(&counted);
  unsigned released = 0;
  size_t taken = 1;

  (void)state;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(tern_stream_write(stream->stream, tern_slice_of(NULL, 0), &taken), TERN_OK);
  assert_int_equal(taken, 0);
  assert_int_equal(
      tern_stream_write_ref(stream->stream, tern_slice_of(NULL, 0), count_release, &released),
      TERN_OK);
  assert_int_equal(tern_stream_write_source(stream->stream, 0, &source), TERN_OK);
  assert_int_equal(released, 1);
  assert_int_equal(counted.released, 1);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair_find(&pair, PAIR_SERVER, 2) == NULL, 1); /* nothing was said of it */
}

/* ---- release, exactly once ------------------------------------------------------------------------ */

enum { BY_RESET, BY_STOP, BY_CLOSE, BY_PEER_CLOSE, BY_FREE, BY_WAYS };

static void test_release_once(void **state)
{
  static uint8_t bytes[100000];

  (void)state;
  fill_pattern(bytes, 0, sizeof bytes);
  for (int way = 0; way < BY_WAYS; way++) {
    struct counted_source counted = {.fail_from = UINT64_MAX, .shift = sizeof bytes};
    tern_source source = make_source(&counted);
    unsigned released = 0;
    pair_init(&pair, 20 + (uint64_t)way);
    pair.on_stream = keep_unread;
    pair_connect(&pair);
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
    assert_int_equal(tern_stream_write_ref(stream->stream, tern_slice_of(bytes, sizeof bytes),
                                           count_release, &released),
                     TERN_OK);
    assert_int_equal(tern_stream_write_source(stream->stream, 10000000, &source), TERN_OK);
    pair_run_for(&pair, 15 * TERN_MS); /* some are in flight, most are not */
    assert_int_equal(released + counted.released, 0);
    if (way == BY_RESET)
      tern_stream_reset(stream->stream, 5);
    else if (way == BY_STOP)
      tern_stream_stop(pair_peer_of(&pair, stream)->stream, 5);
    else if (way == BY_CLOSE)
      tern_conn_close(pair.conn[PAIR_CLIENT], 0, NULL);
    else if (way == BY_PEER_CLOSE)
      tern_conn_close(pair.conn[PAIR_SERVER], 0, NULL);
    else
      pair_free_endpoint(&pair, PAIR_CLIENT);
    pair_run_for(&pair, TERN_SECOND);
    assert_int_equal(released, 1);
    assert_int_equal(counted.released, 1);
    pair_deinit(&pair);
    assert_int_equal(released, 1);
    assert_int_equal(counted.released, 1);
  }
  pair_init(&pair, 2);
}

/* ---- a source that fails --------------------------------------------------------------------------- */

struct failing_case {
  uint64_t copied_before;
  uint64_t len;
  uint64_t fail_from;
  uint64_t copied_after;
  bool has_second; /* another source behind it, which would not fail */
};

/* The stream is reset with the source's code; what shares a frame or a packet with the bytes that never
 * came is not taken for frames, and the rest of the connection goes on. */
static void test_source_fails(void **state)
{
  static const struct failing_case cases[] = {
      {0, 100, 0, 0, false},          {10, 20, 0, 10, false},
      {10, 20, 0, 0, true},           {10, 20, 0, 10, true},
      {500, 50000, 20000, 0, false},  {500, 50000, 20000, 400, true},
      {5000, 100, 0, 5000, true},     {0, 1, 0, 1, true},
      {0, 200000, 150000, 10, false}, {100000, 1000, 0, 100000, true},
  };

  (void)state;
  for (size_t i = 0; i < PAIR_COUNT_OF(cases); i++) {
    struct counted_source bad = {.shift = cases[i].copied_before, .fail_from = cases[i].fail_from};
    struct counted_source good = {.shift = cases[i].copied_before + cases[i].len,
                                  .fail_from = UINT64_MAX};
    pair_init(&pair, 40 + i);
    pair_connect(&pair);
    struct pair_stream *other = pair_open(&pair, PAIR_CLIENT, false);
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
    uint64_t offset = pair_write(stream, 0, cases[i].copied_before);
    tern_source source = make_source(&bad);
    assert_int_equal(tern_stream_write_source(stream->stream, cases[i].len, &source), TERN_OK);
    offset += cases[i].len;
    source = make_source(&good);
    if (cases[i].has_second) {
      assert_int_equal(tern_stream_write_source(stream->stream, 300, &source), TERN_OK);
      offset += 300;
    }
    (void)pair_write(stream, offset, cases[i].copied_after);
    assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
    pair_send_all(other, 60000);
    pair_run_for(&pair, 2 * TERN_SECOND);
    assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
    assert_got(pair_peer_of(&pair, other), 60000);
    struct pair_stream *peer = pair_peer_of(&pair, stream);
    assert_non_null(peer);
    assert_false(peer->is_bad);
    assert_false(peer->is_eof);
    assert_int_equal(peer->reset_count, 1);
    assert_int_equal(peer->reset_code, 99);
    assert_true(peer->received <= cases[i].copied_before + cases[i].fail_from);
    assert_int_equal(bad.released, 1);
    assert_int_equal(good.released, cases[i].has_second);
    assert_true(pair_are_streams_closed(&pair));
    pair_deinit(&pair);
  }
  pair_init(&pair, 2);
}

/* ---- credit of the application ---------------------------------------------------------------------- */

static void write_on(struct pair *with, struct pair_stream *stream)
{
  uint64_t *offset = with->test;
  uint64_t room = tern_stream_get_room(stream->stream);

  /* half of the buffer is free again */
  assert_true(room >= with->config[PAIR_CLIENT].send_buffer_bytes / 2);
  uint64_t left = 200000 - *offset;
  *offset += pair_write(stream, *offset, left);
  if (*offset == 200000)
    assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
}

static void test_backpressure(void **state)
{
  uint64_t offset = 0;
  uint8_t byte = 0;
  size_t taken;

  (void)state;
  pair.config[PAIR_CLIENT].send_buffer_bytes = 16384;
  pair.on_writable = write_on;
  pair.test = &offset;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(tern_stream_get_room(stream->stream), 16384);
  offset = pair_write(stream, 0, 200000);
  assert_int_equal(offset, 16384);
  assert_int_equal(tern_stream_get_room(stream->stream), 0);
  assert_int_equal(tern_stream_write(stream->stream, tern_slice_of(&byte, 1), &taken),
                   TERN_BLOCKED);
  assert_int_equal(taken, 0);
  assert_int_equal(stream->writable_count, 0);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_got(pair_peer_of(&pair, stream), 200000);
  assert_true(stream->writable_count >= 11); /* 16 KiB, then at least 8 KiB each */
  assert_true(stream->writable_count <= 24);
}

/* Nobody is told who did not ask. */
static void test_no_writable_without_blocked(void **state)
{
  (void)state;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(pair_write(stream, 0, 100000), 100000);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(stream->acked_to, 100000);
  assert_int_equal(stream->writable_count, 0);
}

/* ---- reading --------------------------------------------------------------------------------------- */

static size_t seen;

static void peek_some(struct pair *with, struct pair_stream *stream)
{
  tern_slice slices[4];
  size_t count = tern_stream_peek(stream->stream, slices, 4);
  size_t bytes = 0;

  (void)with;
  for (size_t i = 0; i < count; i++) {
    assert_true(slices[i].len > 0);
    for (size_t k = 0; k < slices[i].len; k++)
      assert_int_equal(slices[i].data[k], pair_byte(seen + bytes + k));
    bytes += slices[i].len;
  }
  /* nothing is consumed by looking */
  tern_slice again;
  assert_int_equal(tern_stream_peek(stream->stream, &again, 1), count != 0);
  if (count != 0)
    assert_int_equal(again.data[0], pair_byte(seen));
  size_t half = bytes / 2; /* leave the rest for later */
  tern_stream_consume(stream->stream, half);
  seen += half;
}

static void test_peek_and_consume(void **state)
{
  uint8_t data[100];
  size_t got;

  (void)state;
  seen = 0;
  pair.on_stream = keep_unread;
  pair.on_readable = peek_some;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 30000);
  pair_run_for(&pair, TERN_SECOND);
  assert_true(seen > 10000);
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_false(tern_stream_is_eof(peer->stream));
  assert_int_equal(peer->closed_count, 0);
  assert_int_equal(tern_stream_read(peer->stream, data, sizeof data, &got), TERN_OK);
  assert_int_equal(got, sizeof data);
  assert_int_equal(data[0], pair_byte(seen));
  peer->received = seen + got;
  resume(peer);
  assert_true(peer->is_eof);
  assert_true(tern_stream_is_eof(peer->stream));
  assert_int_equal(peer->received, 30000);
  assert_false(peer->is_bad);
  assert_int_equal(tern_stream_read(peer->stream, data, sizeof data, &got), TERN_EOF);
  assert_int_equal(tern_stream_peek(peer->stream, NULL, 0), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(peer->closed_count, 1);
}

/* A released stream is drained without a word, so it does not hold up the connection. */
static void release(struct pair *with, struct pair_stream *stream)
{
  (void)with;
  tern_stream_release(stream->stream);
  stream->stream = NULL;
}

static void test_released_stream(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].conn_window_bytes = 20000;
  pair.config[PAIR_SERVER].conn_window_max_bytes = 20000;
  pair.config[PAIR_SERVER].stream_window_bytes = 10000;
  pair.config[PAIR_SERVER].stream_window_max_bytes = 10000;
  pair.on_stream = release;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 100000);
  pair_run_for(&pair, 5 * TERN_SECOND);
  assert_int_equal(stream->acked_to, 100000);
  assert_int_equal(stream->closed_count, 1);
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_int_equal(peer->readable_count + peer->closed_count, 0);
}

/* ---- credit of the peer ------------------------------------------------------------------------------ */

/* [rfc9000-4.1] senders stay within what was granted; reading gives it back. */
static void test_windows_hold(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].stream_window_bytes = 3000;
  pair.config[PAIR_SERVER].conn_window_bytes = 5000;
  pair.on_stream = keep_unread;
  pair_connect(&pair);
  struct pair_stream *one = pair_open(&pair, PAIR_CLIENT, false);
  struct pair_stream *two = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(one, 20000);
  pair_send_all(two, 20000);
  pair_run_for(&pair, TERN_SECOND);
  struct tern_flow_recv *flow = &pair.conn[PAIR_SERVER]->body->flow_recv;
  assert_int_equal(flow->highest, 5000);
  assert_true(one->acked_to <= 3000 && two->acked_to <= 3000);
  assert_int_equal(one->acked_to + two->acked_to, 5000);
  resume(pair_peer_of(&pair, one));
  resume(pair_peer_of(&pair, two));
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_got(pair_peer_of(&pair, one), 20000);
  assert_got(pair_peer_of(&pair, two), 20000);
}

/* Windows grow while they are what limits the transfer, and not above their knobs. */
static void test_windows_tune(void **state)
{
  (void)state;
  pair.config[PAIR_SERVER].stream_window_bytes = 8192;
  pair.config[PAIR_SERVER].stream_window_max_bytes = 100000;
  pair.config[PAIR_SERVER].conn_window_bytes = 8192;
  pair.config[PAIR_SERVER].conn_window_max_bytes = 200000;
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 3000000);
  tern_time start = pair.now;
  while (stream->acked_to < 1500000)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_int_equal(peer->stream->in->flow.window_bytes, 100000);
  uint32_t conn_window = pair.conn[PAIR_SERVER]->body->flow_recv.window_bytes;
  assert_true(conn_window >= 150000 && conn_window <= 200000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_got(peer, 3000000);
  /* 3 MB at 8 KiB per 20 ms would take 7 s; at 100 KB per 20 ms, 0.6 s */
  assert_true(pair.now - start < 2 * TERN_SECOND);
}

/* ---- stream limits ------------------------------------------------------------------------------------ */

/* Beyond the limit streams wait, and open in their order as others close. */
static void test_streams_beyond_limit(void **state)
{
  struct pair_stream *streams[20];

  (void)state;
  pair.has_echo = true;
  pair.config[PAIR_SERVER].streams_bidi_max = 4;
  pair_connect(&pair);
  for (size_t i = 0; i < 20; i++) {
    streams[i] = pair_open(&pair, PAIR_CLIENT, true);
    assert_int_equal(streams[i]->id, 4 * i);
    pair_send_all(streams[i], 1000);
  }
  assert_int_equal(tern_stream_get_blocked_by(streams[3]->stream), TERN_BLOCKED_BY_CONGESTION);
  assert_int_equal(tern_stream_get_blocked_by(streams[4]->stream), TERN_BLOCKED_BY_STREAM_LIMIT);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  for (size_t i = 0; i < 20; i++)
    assert_got(streams[i], 1000);
  assert_true(pair.limits_count[PAIR_CLIENT] >= 4); /* on_streams: credit came in steps */
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
}

static void test_stream_queue_is_bounded(void **state)
{
  static const tern_stream_ops none = {.size = sizeof none};
  tern_stream *stream;
  unsigned opened = 0;

  (void)state;
  pair.config[PAIR_SERVER].streams_uni_max = 3;
  pair_connect(&pair);
  while (tern_conn_open_stream(pair.conn[PAIR_CLIENT], false, &none, NULL, &stream) == TERN_OK)
    opened++;
  assert_int_equal(opened, 3 + TERN_CAP_STREAMS_QUEUED);
  assert_int_equal(tern_conn_open_stream(pair.conn[PAIR_CLIENT], false, &none, NULL, &stream),
                   TERN_LIMIT);
  /* the other kind has its own */
  assert_int_equal(tern_conn_open_stream(pair.conn[PAIR_CLIENT], true, &none, NULL, &stream),
                   TERN_OK);
}

/* A stream that nobody may open yet can be reset: it is never seen by the peer, or seen as reset. */
static void test_reset_while_queued(void **state)
{
  (void)state;
  pair.has_echo = true;
  pair.config[PAIR_SERVER].streams_bidi_max = 1;
  pair_connect(&pair);
  struct pair_stream *first = pair_open(&pair, PAIR_CLIENT, true);
  struct pair_stream *second = pair_open(&pair, PAIR_CLIENT, true);
  struct pair_stream *third = pair_open(&pair, PAIR_CLIENT, true);
  (void)pair_write(second, 0, 100);
  tern_stream_reset(second->stream, 6);
  tern_stream_stop(second->stream, 6);
  pair_send_all(third, 100);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(second->closed_count, 0);
  assert_int_equal(third->received, 0);
  pair_send_all(first, 100);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_got(first, 100);
  assert_got(third, 100);
}

/* ---- loss -------------------------------------------------------------------------------------------- */

static bool lose_some(struct pair *with, struct pair_datagram *datagram)
{
  (void)datagram;
  return tern_random_seeded_next(&with->random) % 5 != 0;
}

static void test_transfer_with_loss(void **state)
{
  (void)state;
  pair.has_echo = true;
  pair.filter = lose_some;
  pair.config[PAIR_SERVER].send_buffer_bytes = 1 << 22;
  pair_start(&pair);
  struct pair_stream *streams[4];
  for (size_t i = 0; i < 4; i++) {
    streams[i] = pair_open(&pair, PAIR_CLIENT, true);
    pair_send_all(streams[i], 50000);
  }
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  for (size_t i = 0; i < 4; i++)
    assert_got(streams[i], 50000);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_four_kinds),           CASE(test_early_open),
      CASE(test_empty_stream),         CASE(test_mixed_writes),
      CASE(test_source_spans_packets), CASE(test_empty_writes),
      CASE(test_release_once),         CASE(test_source_fails),
      CASE(test_backpressure),         CASE(test_no_writable_without_blocked),
      CASE(test_peek_and_consume),     CASE(test_released_stream),
      CASE(test_windows_hold),         CASE(test_windows_tune),
      CASE(test_streams_beyond_limit), CASE(test_stream_queue_is_bounded),
      CASE(test_reset_while_queued),   CASE(test_transfer_with_loss),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
