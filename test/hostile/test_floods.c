/* SPDX-License-Identifier: MIT */
/* Floods: frames without progress, replays, chatter at a connection that has ended, datagrams. */
#include "support/hostile_test.h"

#include "base/random.h"

/* ---- T14: frames that move nothing ---------------------------------------------------------------- */

struct flood {
  const char *name;
  uint8_t bytes[40];
  size_t len;
  bool from_server;  /* the peer is one */
  size_t counter_at; /* not 0: a 4-byte varint that grows by one each time */
};

/* Not here, because honest peers do it at any rate: stream data that was received before, MAX_STREAMS
 * one higher, ACKs that say nothing new. Their cost is that of their bytes. */

/* Twice the burst of TERN_CAP_GLITCH_BURST frames must be enough for each. */
#define FLOOD_FRAMES 20000

static const struct flood floods[] = {
    {.name = "PING", .bytes = {0x01}, .len = 1},
    {.name = "empty CRYPTO", .bytes = {0x06, 0x00, 0x00}, .len = 3},
    {.name = "old CRYPTO", .bytes = {0x06, 0x00, 0x01, 4}, .len = 4, .from_server = true},
    {.name = "NEW_TOKEN", .bytes = {0x07, 0x01, 't'}, .len = 3, .from_server = true},
    {.name = "empty STREAM", .bytes = {0x0e, 0x00, 0x00, 0x00}, .len = 4},
    {.name = "a FIN again", .bytes = {0x0f, 0x08, 0x00, 0x00}, .len = 4},
    {.name = "RESET_STREAM again", .bytes = {0x04, 0x00, 0x00, 0x00}, .len = 4},
    {.name = "STOP_SENDING again", .bytes = {0x05, 0x00, 0x00}, .len = 3},
    {.name = "MAX_DATA, the same", .bytes = {0x10, 0x00}, .len = 2},
    {.name = "MAX_DATA + 1", .bytes = {0x10, 0x9f, 0, 0, 0}, .len = 5, .counter_at = 1},
    {.name = "MAX_STREAM_DATA, the same", .bytes = {0x11, 0x00, 0x00}, .len = 3},
    {.name = "MAX_STREAM_DATA + 1",
     .bytes = {0x11, 0x00, 0x9f, 0, 0, 0},
     .len = 6,
     .counter_at = 2},
    {.name = "MAX_STREAMS, the same", .bytes = {0x12, 0x00}, .len = 2},
    {.name = "DATA_BLOCKED", .bytes = {0x14, 0x00}, .len = 2},
    {.name = "STREAM_DATA_BLOCKED", .bytes = {0x15, 0x00, 0x00}, .len = 3},
    {.name = "STREAMS_BLOCKED", .bytes = {0x16, 0x00}, .len = 2},
    {.name = "NEW_CONNECTION_ID, the same",
     .bytes = {0x18, 1, 0, 4, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5},
     .len = 24},
    {.name = "RETIRE_CONNECTION_ID, the same", .bytes = {0x19, 1}, .len = 2},
    {.name = "PATH_CHALLENGE", .bytes = {0x1a, 1, 2, 3, 4, 5, 6, 7, 8}, .len = 9},
    {.name = "PATH_RESPONSE", .bytes = {0x1b, 1, 2, 3, 4, 5, 6, 7, 8}, .len = 9},
    {.name = "HANDSHAKE_DONE again", .bytes = {0x1e}, .len = 1, .from_server = true},
};

static void write_flood(struct tern_writer *writer, const struct flood *flood, uint32_t number)
{
  uint8_t bytes[40];

  memcpy(bytes, flood->bytes, flood->len);
  for (int i = 0; i < 3 && flood->counter_at != 0; i++)
    bytes[flood->counter_at + 1 + (size_t)i] = (uint8_t)(number >> (16 - 8 * i));
  tern_write_bytes(writer, bytes, flood->len);
}

/* [rfc9000-21.9] SHOULD: the connection ends within twice the burst. */
static bool run_flood(const struct flood *flood)
{
  struct hostile_peer *peer = flood->from_server ? begin_as_server() : begin();
  uint32_t frames = 0;

  if (!flood->from_server)
    send_stream(peer, 8, 0, 0, true);
  while (!peer->is_closed && frames < FLOOD_FRAMES) {
    struct tern_writer *writer = hostile_frames(peer);
    for (int i = 0; i < 40; i++, frames++)
      write_flood(writer, flood, frames);
    hostile_send(peer, TERN_PACKET_APP);
  }
  if (!peer->is_closed)
    print_message("%s: %u frames, and the connection lives\n", flood->name, frames);
  bool is_stopped = peer->is_closed && peer->close_code == TERN_QUIC_PROTOCOL_VIOLATION;
  assert_true(frames >= 9000);
  end();
  return is_stopped;
}

static void test_T14_floods(void **state)
{
  (void)state;

  size_t stopped = 0;
  for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++)
    stopped += run_flood(&floods[i]);
  assert_int_equal(stopped, sizeof floods / sizeof floods[0]);
}

/* What is forgiven per second comes back. */
static void test_T14_glitches_are_forgiven(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  for (int second = 0; second < 100; second++) {
    for (int packet = 0; packet < 8; packet++) {
      memset(tern_write_room(hostile_frames(peer), 40), 0x01, 40);
      hostile_send(peer, TERN_PACKET_APP);
    }
    hostile_rig_advance(&rig, TERN_SECOND);
  }
  assert_alive(peer); /* 32,000 in all, 320 a second */
  end();
}

/* 10,000 at once, and none more. */
static void test_T14_burst_bound(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  for (int packet = 0; packet < 250; packet++) {
    memset(tern_write_room(hostile_frames(peer), 40), 0x01, 40);
    hostile_send(peer, TERN_PACKET_APP);
  }
  assert_alive(peer);
  tern_frame_write_ping(hostile_frames(peer));
  hostile_send(peer, TERN_PACKET_APP);
  assert_closed(peer, TERN_QUIC_PROTOCOL_VIOLATION);
  end();
}

/* 340 a second for a minute is more than what is forgiven: 330. */
static void test_T14_rate_bound(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();
  int seconds = 0;

  for (; seconds < 200 && !peer->is_closed; seconds++) {
    for (int packet = 0; packet < 50; packet++) {
      memset(tern_write_room(hostile_frames(peer), 10), 0x01, 10);
      hostile_send(peer, TERN_PACKET_APP);
    }
    hostile_rig_advance(&rig, TERN_SECOND);
  }
  assert_closed(peer, TERN_QUIC_PROTOCOL_VIOLATION);
  assert_int_equal(seconds, (10000 - 500) / (500 - 330) + 2);
  end();
}

/* ---- T1: challenges ------------------------------------------------------------------------------- */

/* Answers wait in four places, whatever comes and whatever the window. */
static void test_T1_path_challenges(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  for (int batch = 0; batch < 50; batch++) {
    struct tern_writer *writer = hostile_frames(peer);
    for (uint8_t i = 0; i < 100; i++) {
      const uint8_t data[8] = {(uint8_t)batch, i};
      tern_frame_write_path_challenge(writer, data);
    }
    uint64_t before = peer->seen[TERN_FRAME_PATH_RESPONSE];
    hostile_send(peer, TERN_PACKET_APP);
    hostile_rig_advance(&rig, 50 * TERN_MS);
    assert_true(peer->seen[TERN_FRAME_PATH_RESPONSE] - before <= 4);
    assert_true(peer->seen[TERN_FRAME_PATH_RESPONSE] - before >= 1);
  }
  assert_alive(peer);
  end();
}

/* ---- T20: replay ---------------------------------------------------------------------------------- */

#define REPLAY_PACKETS 400

/* [rfc9000-12.3] each packet many times in any order: once is as good as often. */
static void test_T20_replay(void **state)
{
  (void)state;
  static uint8_t packets[REPLAY_PACKETS][300];
  static size_t lens[REPLAY_PACKETS];
  struct tern_random_seeded seeded;
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  struct hostile_peer *peer = begin();

  tern_random_seeded_init(&seeded, 3);
  rig.app.checks_content = true;
  /* An ACK of an ACK lets the endpoint forget lower numbers: late packets would be taken for old ones. */
  peer->acks = false;
  for (uint64_t i = 0; i < REPLAY_PACKETS; i++) {
    struct tern_writer *writer = hostile_frames(peer);
    hostile_write_stream(writer, 4 * (i % 50), i / 50 * 100, 100, i / 50 == 7);
    struct hostile_packet packet = {.type = TERN_PACKET_APP,
                                    .payload = {peer->payload, tern_writer_len(writer)}};
    lens[i] = hostile_seal(peer, &packet, packets[i], sizeof packets[i]);
  }
  /* Shuffled within windows, so that what is remembered of packet numbers suffices. */
  for (uint64_t window = 0; window < REPLAY_PACKETS; window += 50) {
    for (int i = 0; i < 2000; i++) {
      uint64_t n = i < 1000 ? tern_random_below(&random, window + 50)
                            : window + tern_random_below(&random, 50);
      hostile_deliver(peer, tern_slice_of(packets[n], lens[n]));
      if (i % 64 == 0)
        hostile_rig_turn(&rig);
    }
    for (uint64_t n = window; n < window + 50; n++)
      hostile_deliver(peer, tern_slice_of(packets[n], lens[n]));
  }
  for (size_t i = 0; i < REPLAY_PACKETS; i++)
    hostile_deliver(peer, tern_slice_of(packets[i], lens[i]));
  hostile_rig_turn(&rig);
  assert_int_equal(rig.app.read_bytes, REPLAY_PACKETS * 100);
  assert_int_equal(rig.app.streams_ended, 50);
  assert_alive(peer);
  end();
}

/* [rfc9000-13.2.3] what is remembered of received packets: 64 ranges. */
static void test_T20_ack_ranges_bound(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  peer->acks = false; /* or what it has seen acknowledged is forgotten sooner */
  for (int i = 0; i < 500; i++) {
    peer->spaces[TERN_SPACE_APP].next += 1;
    tern_frame_write_ping(hostile_frames(peer));
    hostile_send(peer, TERN_PACKET_APP);
  }
  size_t count;
  tern_acks_get_ranges(&hostile_find_conn(&rig, peer)->path.data->acks, &count);
  assert_int_equal(count, 64);
  assert_alive(peer);
  end();
}

/* ---- T21: a connection that has ended --------------------------------------------------------------- */

/* [rfc9000-10.2.1] SHOULD: answers become rare. */
static void test_T21_closing_chatter(void **state)
{
  (void)state;
  uint8_t bytes[100];
  struct hostile_peer *peer = begin();

  tern_conn_close(rig.app.conn, 5, "done");
  hostile_rig_turn(&rig);
  uint64_t before = peer->datagrams;
  struct hostile_packet packet = {.type = TERN_PACKET_APP,
                                  .payload = {(const uint8_t *)"\1\0\0", 3}};
  size_t len = hostile_seal(peer, &packet, bytes, sizeof bytes);
  for (int i = 0; i < 100000; i++) {
    hostile_deliver(peer, tern_slice_of(bytes, len));
    if (i < 100 || i % 100 == 0)
      hostile_rig_turn(&rig);
  }
  assert_true(peer->datagrams - before <= 20);
  end();
}

/* [rfc9000-10.2.2] MUST NOT: a draining connection is silent. */
static void test_T21_draining_is_silent(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  (void)tern_frame_write_connection_close(hostile_frames(peer), 0, 0, tern_slice_of("x", 1));
  hostile_send(peer, TERN_PACKET_APP);
  assert_int_equal(rig.app.closed, 1);
  assert_true(rig.app.error.by_peer);
  uint64_t before = peer->datagrams;
  for (int i = 0; i < 1000; i++)
    send_stream(peer, 0, (uint64_t)i, 1, false);
  assert_int_equal(peer->datagrams, before);
  end();
}

/* ---- T26: datagrams (RFC 9221) ------------------------------------------------------------------------ */

static void send_datagram_frames(struct hostile_peer *peer, int count, size_t len)
{
  static const uint8_t bytes[1200];
  struct tern_writer *writer = hostile_frames(peer);

  for (int i = 0; i < count; i++) {
    tern_write_u8(writer, 0x31);
    tern_write_varint(writer, len);
    tern_write_bytes(writer, bytes, len);
  }
  hostile_send(peer, TERN_PACKET_APP);
}

static void test_T26_datagram_flood(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  for (int i = 0; i < 500; i++)
    send_datagram_frames(peer, 100, 10);
  assert_true(rig.app.datagrams >= 500 * 64);
  send_stream(peer, 0, 0, 1000, true);
  assert_int_equal(rig.app.read_bytes, 1000);
  assert_alive(peer);
  end();
}

/* Of a batch the newest 64 are kept for the application. */
static void test_T26_datagram_queue_bound(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  send_datagram_frames(peer, 64, 10);
  assert_int_equal(rig.app.datagrams, 64);
  send_datagram_frames(peer, 65, 10);
  assert_int_equal(rig.app.datagrams, 128);
  end();
}

/* The same for those that the application sends while nothing can go out. */
static void test_T26_send_queue_bound(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();
  uint64_t before = peer->seen[TERN_FRAME_DATAGRAM];

  for (int i = 0; i < 70; i++)
    assert_int_equal(tern_conn_send_datagram(rig.app.conn, tern_slice_of("datagram", 8)), TERN_OK);
  hostile_rig_turn(&rig);
  assert_int_equal(peer->seen[TERN_FRAME_DATAGRAM] - before, 64);
  end();
}

/* [rfc9221-3] MUST: more than we take, or any if we take none. */
static void test_T26_datagram_size(void **state)
{
  (void)state;
  static const struct {
    uint64_t max;
    size_t len;
    bool is_legal;
  } cases[] = {{0, 1, false}, {0, 0, false}, {100, 97, true}, {100, 98, false}, {100, 99, false}};

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    prepare();
    rig.config.datagram_frame_max_bytes = cases[i].max;
    start();
    struct hostile_peer *peer = connect_client();
    send_datagram_frames(peer, 1, cases[i].len);
    if (peer->is_closed == cases[i].is_legal)
      print_message("%d bytes of %d\n", (int)cases[i].len, (int)cases[i].max);
    if (cases[i].is_legal)
      assert_alive(peer);
    else
      assert_closed(peer, TERN_QUIC_PROTOCOL_VIOLATION);
    end();
  }
}

/* [rfc9221-5] where the peer takes none, none is sent. */
static void test_T26_datagram_not_negotiated(void **state)
{
  (void)state;
  prepare();
  start();
  struct hostile_peer *peer = hostile_peer_add(&rig, false);
  peer->params.max_datagram_frame_bytes = 0;
  assert_true(hostile_peer_connect(peer));
  assert_int_equal(tern_conn_send_datagram(rig.app.conn, tern_slice_of("x", 1)), TERN_UNSUPPORTED);
  end();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_T14_floods),
      cmocka_unit_test(test_T14_glitches_are_forgiven),
      cmocka_unit_test(test_T14_burst_bound),
      cmocka_unit_test(test_T14_rate_bound),
      cmocka_unit_test(test_T1_path_challenges),
      cmocka_unit_test(test_T20_replay),
      cmocka_unit_test(test_T20_ack_ranges_bound),
      cmocka_unit_test(test_T21_closing_chatter),
      cmocka_unit_test(test_T21_draining_is_silent),
      cmocka_unit_test(test_T26_datagram_flood),
      cmocka_unit_test(test_T26_datagram_queue_bound),
      cmocka_unit_test(test_T26_send_queue_bound),
      cmocka_unit_test(test_T26_datagram_size),
      cmocka_unit_test(test_T26_datagram_not_negotiated),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
