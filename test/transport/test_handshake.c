/* SPDX-License-Identifier: MIT */
/* The handshake over a bad network: flights of several packets, each lost, doubled, late, in every order,
 * and what comes before its keys. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/frame_write.h"
#include "wire/header.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 7);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

/* What a filter does to the first datagrams of one direction. */
struct plan {
  int to;
  uint64_t lost;     /* bit n: datagram n of the direction is lost */
  uint64_t doubled;  /* ... comes twice */
  unsigned order[4]; /* of the first `count`: datagram order[i] comes as i-th */
  unsigned count;
  tern_time step_ns; /* between those */
};

static struct plan plan;

static bool follow_plan(struct pair *with, struct pair_datagram *datagram)
{
  uint64_t n = datagram->number;

  if (datagram->to != plan.to || n >= 64)
    return true;
  if (plan.doubled >> n & 1)
    pair_inject(with, datagram->to, NULL, tern_slice_of(datagram->data, datagram->len),
                2 * with->delay_ns);
  for (unsigned i = 0; i < plan.count; i++)
    if (plan.order[i] == n)
      datagram->at += i * plan.step_ns;
  return (plan.lost >> n & 1) == 0;
}

/* A ClientHello of three packets, and a server's flight of four. */
static void make_large_flights(void)
{
  pair.tls.hello_bytes = 3300;
  pair.tls.cert_bytes = 3300;
}

/* Runs a connection with a request and its answer; returns how long it took. */
static tern_time run(uint64_t seed, const struct plan *with)
{
  pair_deinit(&pair);
  pair_init(&pair, seed);
  make_large_flights();
  pair.has_echo = true;
  if (with != NULL) {
    plan = *with;
    pair.filter = follow_plan;
  }
  pair_start(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 3000);
  tern_time start = pair.now;
  if (!pair_run_until(&pair, pair_are_streams_closed) || !stream->is_eof)
    fail_msg("seed %u: no answer; lost %x of direction %d", (unsigned)seed, (unsigned)plan.lost,
             plan.to);
  assert_true(stream->is_eof && !stream->is_bad);
  assert_int_equal(stream->received, 3000);
  tern_time took = pair.now - start;
  pair_run_for(&pair, TERN_SECOND);
  for (int side = 0; side < 2; side++) {
    assert_int_equal(pair.closed_count[side], 0);
    assert_true(pair.conn[side]->is_confirmed);
    assert_null(pair.conn[side]->initial);   /* [rfc9001-4.9.1] */
    assert_null(pair.conn[side]->handshake); /* [rfc9001-4.9.2] */
    assert_null(pair.conn[side]->early);
    assert_int_equal(tern_conn_route(pair.conn[side])->in_flight.bytes, 0);
  }
  return took;
}

static void test_large_flights(void **state)
{
  (void)state;
  /* the handshake's round trip and the request's; a further one may go on credit, none on timers */
  assert_true(run(700, NULL) <= 8 * 10 * TERN_MS);
  assert_int_equal(pair.counts[0][TERN_EVENT_PTO_FIRED] + pair.counts[1][TERN_EVENT_PTO_FIRED], 0);
}

/* Each of the first datagrams lost in turn, in either direction; pairs of them, too. */
static void test_each_lost(void **state)
{
  (void)state;
  for (int to = 0; to < 2; to++)
    for (unsigned i = 0; i < 8; i++)
      for (unsigned k = i; k < 8; k++) {
        struct plan lost = {.to = to, .lost = UINT64_C(1) << i | UINT64_C(1) << k};
        (void)run(710 + 8 * i + k, &lost);
      }
}

/* A run of the first n lost. */
static void test_first_lost(void **state)
{
  (void)state;
  for (int to = 0; to < 2; to++)
    for (unsigned i = 1; i <= 6; i++) {
      struct plan lost = {.to = to, .lost = (UINT64_C(1) << i) - 1};
      (void)run(780 + i, &lost);
    }
}

static void test_every_order(void **state)
{
  static const tern_time steps[] = {TERN_MS, 8 * TERN_MS, 40 * TERN_MS};

  (void)state;
  for (int to = 0; to < 2; to++)
    for (size_t s = 0; s < PAIR_COUNT_OF(steps); s++)
      for (unsigned code = 0; code < 24; code++) {
        struct plan order = {.to = to, .count = 4, .step_ns = steps[s]};
        unsigned left[4] = {0, 1, 2, 3};
        unsigned rest = code;
        for (unsigned i = 0; i < 4; i++) { /* the code-th permutation */
          unsigned pick = rest % (4 - i);
          rest /= 4 - i;
          order.order[i] = left[pick];
          for (unsigned k = pick; k < 3; k++)
            left[k] = left[k + 1];
        }
        (void)run(800 + code, &order);
      }
}

static void test_doubled(void **state)
{
  (void)state;
  for (int to = 0; to < 2; to++) {
    struct plan doubled = {.to = to, .doubled = UINT64_MAX};
    (void)run(900, &doubled);
    /* [rfc9000-12.3] a number that was seen MUST be discarded */
    assert_true(pair.drops[to][TERN_DROP_DUPLICATE] > 0);
  }
}

/* Anything at all, many times over. */
static unsigned chance;

static bool mistreat(struct pair *with, struct pair_datagram *datagram)
{
  uint64_t draw = tern_random_seeded_next(&with->random);

  datagram->at += draw % 7 == 0 ? (draw >> 8) % (50 * TERN_MS) : 0;
  if ((draw >> 32) % 9 == 0)
    pair_inject(with, datagram->to, NULL, tern_slice_of(datagram->data, datagram->len),
                (draw >> 40) % (100 * TERN_MS));
  return (draw >> 16) % chance != 0;
}

static void test_mistreated(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 60; seed++) {
    pair_deinit(&pair);
    pair_init(&pair, 9000 + seed);
    make_large_flights();
    chance = 3 + (unsigned)(seed % 4);
    pair.config[PAIR_SERVER].half_open_timeout_ms = pair.config[0].handshake_timeout_ms =
        pair.config[1].handshake_timeout_ms = 60000;
    pair.filter = mistreat;
    pair.has_echo = true;
    pair_start(&pair);
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
    pair_send_all(stream, 2000);
    if (!pair_run_until(&pair, pair_are_streams_closed) || stream->received != 2000)
      fail_msg("seed %u: %u bytes came back", (unsigned)seed, (unsigned)stream->received);
    assert_true(stream->is_eof && !stream->is_bad);
  }
}

/* ---- sizes ------------------------------------------------------------------------------------------- */

/* The server's connection, which its application has not heard of yet; NULL if there is none. */
static const tern_conn *get_server_conn(void)
{
  struct tern_list_node *node = tern_list_first(&pair.endpoint[PAIR_SERVER]->conns);

  return node != NULL ? TERN_CONTAINER_OF(node, tern_conn, all_node) : NULL;
}

static bool check_sizes(struct pair *with, struct pair_datagram *datagram)
{
  struct tern_reader reader = tern_reader_of(datagram->data, datagram->len);
  struct tern_long_header header;
  bool has_initial = false;

  while (tern_reader_left(&reader) != 0 && tern_header_is_long(*reader.at)) {
    if (tern_header_read_long(&reader, true, &header) != TERN_HEADER_OK)
      break;
    has_initial |= header.type == TERN_PACKET_INITIAL;
  }
  /* [rfc9000-14.1] a client expands every datagram with an Initial; so does a server if it elicits an
   * ACK, which in a handshake without loss it always does */
  if (has_initial)
    assert_true(datagram->len >= TERN_INITIAL_DATAGRAM_MIN);
  /* [rfc9000-8.1] three times what came, until the address is validated */
  if (datagram->to == PAIR_CLIENT && !get_server_conn()->is_validated)
    assert_true(with->sent_bytes[PAIR_SERVER] <= 3 * with->sent_bytes[PAIR_CLIENT]);
  return true;
}

static void test_sizes(void **state)
{
  (void)state;
  for (uint32_t cert = 500; cert <= 15000; cert += 2900) {
    pair_deinit(&pair);
    pair_init(&pair, cert);
    pair.tls.cert_bytes = cert;
    pair.filter = check_sizes;
    pair_connect(&pair);
  }
}

/* A flight of more than three times what the client sent: the server stops, and the client's ACKs and
 * probes give it leave to go on, though each of them may be lost [rfc9002-6.2.2.1]. */
static void test_flight_beyond_amplification(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 8; i++) {
    struct plan lost = {.to = PAIR_SERVER, .lost = i == 0 ? 0 : UINT64_C(1) << i};
    pair_deinit(&pair);
    pair_init(&pair, 950 + i);
    pair.tls.cert_bytes = 14000;
    plan = lost;
    pair.filter = follow_plan;
    pair_connect(&pair);
  }
}

/* [rfc9002-6.2.2.1] the client that has nothing to send MUST probe, or both would wait for ever. */
static bool lose_flight(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  return datagram->to != PAIR_CLIENT || datagram->number >= 3;
}

static void test_anti_deadlock(void **state)
{
  (void)state;
  pair.tls.cert_bytes = 14000;
  pair.filter = lose_flight;
  pair_connect(&pair);
  assert_true(pair.counts[PAIR_CLIENT][TERN_EVENT_PTO_FIRED] >= 1);
}

/* ---- before the keys --------------------------------------------------------------------------------- */

static bool hold_first(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (datagram->to == plan.to && datagram->number == 0)
    datagram->at += 15 * TERN_MS;
  return true;
}

/* [rfc9001-5.7] what comes before its keys is kept and replayed: no retransmission is needed. */
static void test_packets_before_keys(void **state)
{
  (void)state;
  for (int to = 0; to < 2; to++) {
    pair_deinit(&pair);
    pair_init(&pair, 960);
    plan.to = to;
    pair.tls.cert_bytes = to == PAIR_CLIENT ? 2500 : 300;
    pair.filter = hold_first;
    pair.has_echo = true;
    pair_start(&pair);
    struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
    pair_send_all(stream, 6000);
    assert_true(pair_run_until(&pair, pair_are_streams_closed));
    assert_true(stream->is_eof);
    if (to == PAIR_CLIENT)
      assert_true(pair.counts[to][TERN_EVENT_PACKET_BUFFERED] >= 1);
    assert_int_equal(pair.drops[to][TERN_DROP_KEYS_UNAVAILABLE], 0);
  }
}

static bool has_handshake(const struct pair_datagram *datagram)
{
  struct tern_reader reader = tern_reader_of(datagram->data, datagram->len);
  struct tern_long_header header;

  while (tern_reader_left(&reader) != 0 && tern_header_is_long(*reader.at) &&
         tern_header_read_long(&reader, true, &header) == TERN_HEADER_OK)
    if (header.type == TERN_PACKET_HANDSHAKE)
      return true;
  return false;
}

static bool hold_finished(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (datagram->to == PAIR_SERVER && has_handshake(datagram))
    datagram->at += 12 * TERN_MS;
  return true;
}

/* The client's 1-RTT packets overtake its Finished: before its address is validated at most 2 are kept
 * (TERN_CAP_PACKETS_BEFORE_KEYS_EARLY), the others come again. */
static void test_data_before_finished(void **state)
{
  (void)state;
  pair.filter = hold_finished;
  pair.has_echo = true;
  pair_start(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 40000);
  uint8_t most = 0;
  while (!stream->is_eof) {
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
    const tern_conn *conn = get_server_conn();
    if (conn != NULL && conn->early_count > most)
      most = conn->early_count;
  }
  assert_int_equal(most, 2);
  assert_true(pair.drops[PAIR_SERVER][TERN_DROP_BUFFER_FULL] > 0);
  assert_int_equal(stream->received, 40000);
  assert_false(stream->is_bad);
}

/* [rfc9001-5.7] a server MUST NOT process 1-RTT packets before its handshake is complete. */
static bool lose_finished(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  return datagram->to != PAIR_SERVER || !has_handshake(datagram);
}

static void test_no_data_before_finished(void **state)
{
  (void)state;
  pair.filter = lose_finished;
  pair_start(&pair);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 1000);
  pair_run_for(&pair, TERN_SECOND);
  assert_true(pair.is_connected[PAIR_CLIENT]);
  assert_false(pair.is_connected[PAIR_SERVER]);
  assert_null(pair_peer_of(&pair, stream));
  assert_int_equal(stream->acked_to, 0);
}

/* ---- coalesced packets ----------------------------------------------------------------------------------- */

/* [rfc9000-12.2] noise behind a good packet does not harm it; a packet for another connection is not
 * looked at. */
static uint8_t tail[64];
static size_t tail_len;

static bool append_tail(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (tern_header_is_long(datagram->data[0]) && datagram->len + tail_len <= PAIR_DATAGRAM_MAX) {
    memcpy(datagram->data + datagram->len, tail, tail_len);
    datagram->len += tail_len;
  }
  return true;
}

static void test_noise_behind_packets(void **state)
{
  static const uint8_t tails[][6] = {
      {0}, {0x40, 1, 2}, {0xc0, 0, 0, 0, 1, 20}, {0xe0, 0, 0, 0, 1, 8}};

  (void)state;
  for (size_t i = 0; i < PAIR_COUNT_OF(tails); i++) {
    pair_deinit(&pair);
    pair_init(&pair, 970 + i);
    memset(tail, 0, sizeof tail);
    memcpy(tail, tails[i], sizeof tails[i]);
    tail_len = 40;
    pair.filter = append_tail;
    pair_connect(&pair);
    assert_true(pair.drops[0][TERN_DROP_DCID_MISMATCH] + pair.drops[0][TERN_DROP_TOO_SHORT] +
                    pair.drops[0][TERN_DROP_HEADER_MALFORMED] +
                    pair.drops[0][TERN_DROP_LENGTH_MALFORMED] + pair.drops[0][TERN_DROP_NOT_QUIC] +
                    pair.drops[0][TERN_DROP_CID_TOO_LONG] >
                0);
  }
}

/* [rfc9000-12.2] the server's first flight is coalesced: Initial and Handshake share a datagram. */
static unsigned coalesced;

static bool count_coalesced(struct pair *with, struct pair_datagram *datagram)
{
  struct tern_reader reader = tern_reader_of(datagram->data, datagram->len);
  struct tern_long_header header;

  (void)with;
  if (tern_header_is_long(datagram->data[0]) &&
      tern_header_read_long(&reader, true, &header) == TERN_HEADER_OK &&
      tern_reader_left(&reader) != 0)
    coalesced++;
  return true;
}

static void test_flights_are_coalesced(void **state)
{
  (void)state;
  coalesced = 0;
  pair.filter = count_coalesced;
  pair_connect(&pair);
  assert_in_range(coalesced, 1, 4);
}

/* ---- rules of the first packets --------------------------------------------------------------------------- */

static bool change_scid(struct pair *with, struct pair_datagram *datagram)
{
  struct tern_reader reader = tern_reader_of(datagram->data, datagram->len);
  struct tern_long_header header;

  if (datagram->to == PAIR_CLIENT && datagram->number == 1 &&
      tern_header_is_long(datagram->data[0]) &&
      tern_header_read_long(&reader, true, &header) == TERN_HEADER_OK)
    datagram->data[header.scid.data - datagram->data] ^= 1;
  (void)with;
  return true;
}

/* [rfc9000-7.2] a client MUST discard packets with another Source Connection ID than the first. */
static void test_scid_stays(void **state)
{
  (void)state;
  pair.tls.cert_bytes = 5000;
  pair.filter = change_scid;
  pair_connect(&pair);
  assert_true(pair.drops[PAIR_CLIENT][TERN_DROP_SCID_MISMATCH] >= 1);
}

/* [rfc9000-7.5] more CRYPTO data out of order than we hold. */
static void test_crypto_far_ahead(void **state)
{
  uint8_t frames[80];
  uint8_t bytes[32] = {0};
  struct tern_writer writer = tern_writer_of(frames, sizeof frames);

  (void)state;
  pair_start(&pair);
  size_t len = tern_frame_write_crypto_header(&writer, TERN_CAP_CRYPTO_TOTAL, sizeof bytes);
  tern_write_bytes(&writer, bytes, len);
  pair_flush(&pair, PAIR_CLIENT);
  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_INITIAL,
                   tern_slice_of(frames, tern_writer_len(&writer)));
  pair_run_for(&pair, 100 * TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].code, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED);
  assert_true(pair.error[PAIR_CLIENT].by_peer);
}

/* [rfc9000-12.4] frames that do not belong into Initial packets. */
static void test_frames_in_initial(void **state)
{
  static const uint8_t kinds[][4] = {{0x08, 0}, {0x10, 1}, {0x1e}, {0x05, 0, 0}, {0x1d, 0, 0}};
  static const size_t lens[] = {2, 2, 1, 3, 3};

  (void)state;
  for (size_t i = 0; i < PAIR_COUNT_OF(kinds); i++) {
    pair_deinit(&pair);
    pair_init(&pair, 990 + i);
    pair_start(&pair);
    pair_flush(&pair, PAIR_CLIENT);
    pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_INITIAL, tern_slice_of(kinds[i], lens[i]));
    pair_run_for(&pair, 100 * TERN_MS);
    assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
    assert_int_equal(pair.error[PAIR_CLIENT].code, TERN_QUIC_PROTOCOL_VIOLATION);
  }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_large_flights),
      CASE(test_each_lost),
      CASE(test_first_lost),
      CASE(test_every_order),
      CASE(test_doubled),
      CASE(test_mistreated),
      CASE(test_sizes),
      CASE(test_flight_beyond_amplification),
      CASE(test_anti_deadlock),
      CASE(test_packets_before_keys),
      CASE(test_data_before_finished),
      CASE(test_no_data_before_finished),
      CASE(test_noise_behind_packets),
      CASE(test_flights_are_coalesced),
      CASE(test_scid_stays),
      CASE(test_crypto_far_ahead),
      CASE(test_frames_in_initial),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
