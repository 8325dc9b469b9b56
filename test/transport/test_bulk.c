/* SPDX-License-Identifier: MIT */
/* Packets that are built together: what they carry arrives, whoever gives the bytes, and each is what a
 * packet that was built alone would be. */
#include "support/pair.h"

#include "transport/conn.h"

static struct pair pair;
static size_t rooms_max;     /* of one call to the source */
static uint64_t refuse_from; /* the source fails from this offset on */
static unsigned released;

static int set_up(void **state)
{
  (void)state;
  rooms_max = 0;
  refuse_from = UINT64_MAX;
  released = 0;
  pair_init(&pair, 31);
  pair.config[PAIR_CLIENT].pacing = false;
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg;
  if (count > rooms_max)
    rooms_max = count;
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < iov[i].len; j++, offset++) {
      if (offset >= refuse_from)
        return false;
      ((uint8_t *)iov[i].data)[j] = pair_byte(offset);
    }
  return true;
}

static void on_release(void *arg)
{
  (void)arg;
  released++;
}

static const tern_source source = {.fill = fill, .release = on_release, .reset_code = 9};

static struct pair_stream *start(uint64_t len)
{
  pair_connect(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  assert_int_equal(tern_stream_write_source(stream->stream, len, &source), TERN_OK);
  assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
  return stream;
}

static void check_received(const struct pair_stream *stream, uint64_t len)
{
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  const struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_non_null(peer);
  assert_int_equal(peer->received, len);
  assert_true(peer->is_eof);
  assert_false(peer->is_bad);
}

/* One call fills the rooms of many packets, and every byte arrives where it belongs. */
static void test_source(void **state)
{
  (void)state;
  check_received(start(3000000), 3000000);
  assert_true(rooms_max >= 10);
  assert_int_equal(released, 1);
}

/* Lengths around the places where a bulk has to end: the size of the offset changes at 64 and 16,384, and
 * the packet with the FIN is another one. */
static void test_ends(void **state)
{
  static const uint64_t lens[] = {1,     63,    64,    65,    1400,  2800,
                                  16383, 16384, 16385, 30000, 65536, 100001};

  (void)state;
  pair_connect(&pair);
  for (size_t i = 0; i < PAIR_COUNT_OF(lens); i++) {
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
    assert_int_equal(tern_stream_write_source(stream->stream, lens[i], &source), TERN_OK);
    assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
    check_received(stream, lens[i]);
  }
}

static uint64_t next_number;
static uint64_t packets;
static uint64_t frames;
static uint64_t frame_bytes;

/* Packet numbers go up, and frames fill their packets: header, tag and frame are all there is. */
static void watch(struct pair *p, int side, const tern_event *event)
{
  (void)p;
  if (side != PAIR_CLIENT)
    return;
  if (event->kind == TERN_EVENT_FRAME_SENT) {
    frames++;
    frame_bytes += event->data.frame_sent.bytes;
  } else if (event->kind == TERN_EVENT_PACKET_SENT) {
    assert_true(event->data.packet_sent.number >= next_number);
    next_number = event->data.packet_sent.number + 1;
    packets++;
    assert_true(event->data.packet_sent.ack_eliciting && event->data.packet_sent.in_flight);
  }
}

/* Each packet is shown as if it were built alone. */
static void test_events(void **state)
{
  tern_conn_stats before, after;

  (void)state;
  pair.config[PAIR_CLIENT].mtu_max_bytes = TERN_INITIAL_DATAGRAM_MIN; /* no probes of the path */
  struct pair_stream *stream = start(1000000);
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &before);
  next_number = pair.conn[PAIR_CLIENT]->path.data->sent.next;
  packets = frames = frame_bytes = 0;
  pair.on_event = watch;
  while (packets < 20)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  pair.on_event = NULL;
  tern_conn_get_stats(pair.conn[PAIR_CLIENT], &after);
  assert_int_equal(after.packets_sent - before.packets_sent, packets);
  assert_true(frames >= packets);
  uint64_t overhead = after.bytes_sent - before.bytes_sent - frame_bytes;
  assert_true(overhead >= packets * (1 + 1 + TERN_AEAD_TAG_BYTES));
  assert_true(overhead <= packets * (1 + TERN_CID_MAX + 4 + TERN_AEAD_TAG_BYTES));
  check_received(stream, 1000000);
}

/* Two streams in turn: neither waits for the whole of the other. */
static void test_turns(void **state)
{
  struct pair_stream *streams[2];

  (void)state;
  pair_connect(&pair);
  for (int i = 0; i < 2; i++) {
    streams[i] = pair_open(&pair, PAIR_CLIENT, false);
    tern_stream_set_priority(streams[i]->stream, 3, true);
    assert_int_equal(tern_stream_write_source(streams[i]->stream, 2000000, &source), TERN_OK);
    assert_int_equal(tern_stream_finish(streams[i]->stream), TERN_OK);
  }
  while (streams[0]->acked_to < 1000000)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  assert_true(streams[1]->acked_to >= 900000);
  check_received(streams[0], 2000000);
  check_received(streams[1], 2000000);
}

/* A source that fails in the middle of a bulk: the stream is reset with its code, the packets leave with
 * PADDING, and the connection lives. */
static void test_source_fails(void **state)
{
  (void)state;
  refuse_from = 500000;
  struct pair_stream *stream = start(3000000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  const struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_int_equal(peer->reset_count, 1);
  assert_int_equal(peer->reset_code, 9);
  assert_false(peer->is_bad);
  assert_true(rooms_max >= 10);
  assert_int_equal(released, 1);
  refuse_from = UINT64_MAX;
  struct pair_stream *next = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(next, 100000);
  check_received(next, 100000);
}

static bool lose_some(struct pair *p, struct pair_datagram *datagram)
{
  (void)p;
  return datagram->to != PAIR_SERVER || datagram->number % 7 != 3;
}

/* What is lost of a bulk is sent again, by reference and by source. */
static void test_losses(void **state)
{
  (void)state;
  pair.filter = lose_some;
  check_received(start(1500000), 1500000);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_source), CASE(test_ends),   CASE(test_events),
      CASE(test_turns),  CASE(test_losses), CASE(test_source_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
