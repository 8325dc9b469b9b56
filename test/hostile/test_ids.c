/* SPDX-License-Identifier: MIT */
/* Attacks through connection ids and stateless resets. */
#include "support/hostile_test.h"

#include "base/random.h"
#include "crypto/token.h"

static void write_new_id(struct tern_writer *writer, uint64_t sequence, uint64_t retire_prior_to)
{
  struct tern_new_connection_id_args args = {
      .sequence = sequence, .retire_prior_to = retire_prior_to, .cid = {8, {0xc1}}};

  for (int i = 0; i < 7; i++)
    args.cid.bytes[1 + i] = (uint8_t)(sequence >> (8 * i));
  for (int i = 0; i < TERN_RESET_TOKEN_BYTES; i++)
    args.reset_token[i] = (uint8_t)(sequence + 100u + (unsigned)i);
  tern_frame_write_new_connection_id(writer, &args);
}

static void send_new_id(struct hostile_peer *peer, uint64_t sequence, uint64_t retire_prior_to)
{
  write_new_id(hostile_frames(peer), sequence, retire_prior_to);
  hostile_send(peer, TERN_PACKET_APP);
}

/* [rfc9000-5.1.2] Retire Prior To grows, our RETIRE_CONNECTION_ID are not acknowledged: 12 may wait. */
static void test_T2_retire_without_acks(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();
  uint64_t sequence = 0;

  peer->acks = false;
  while (!peer->is_closed && sequence < 10000) {
    sequence++;
    send_new_id(peer, sequence, sequence);
    if (sequence <= 12)
      assert_alive(peer);
  }
  assert_closed(peer, TERN_QUIC_CONNECTION_ID_LIMIT_ERROR);
  assert_int_equal(sequence, 13);
  end();
}

/* With ACKs it goes on for ever, and nothing grows. */
static void test_T2_retire_with_acks(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  send_new_id(peer, 1, 1);
  hostile_rig_advance(&rig, TERN_SECOND);
  uint64_t heap = get_stats().heap_bytes_now;
  for (uint64_t sequence = 2; sequence < 3000; sequence++) {
    send_new_id(peer, sequence, sequence);
    hostile_rig_advance(&rig, 30 * TERN_MS);
  }
  assert_alive(peer);
  assert_true(get_stats().heap_bytes_now <= heap + 4096);
  end();
}

/* [rfc9000-5.1.1] active_connection_id_limit is 4: sequence numbers 0 to 3, and no more. */
static void test_T2_active_ids_bound(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  for (uint64_t sequence = 1; sequence <= 3; sequence++)
    send_new_id(peer, sequence, 0);
  assert_alive(peer);
  send_new_id(peer, 4, 0);
  assert_closed(peer, TERN_QUIC_CONNECTION_ID_LIMIT_ERROR);
  end();
}

/* Nor do we issue more than 4, whatever the peer's limit. */
static void test_T2_ids_that_we_issue(void **state)
{
  (void)state;
  prepare();
  start();
  struct hostile_peer *peer = hostile_peer_add(&rig, false);
  peer->params.active_connection_id_limit = TERN_VARINT_MAX;
  assert_true(hostile_peer_connect(peer));
  hostile_rig_advance(&rig, TERN_SECOND);
  assert_int_equal(peer->cids_end, 4);
  end();
}

/* [rfc9000-19.15] the same frame again is nothing; with other contents it is a violation. */
static void test_T3_repeated_new_id(void **state)
{
  (void)state;
  uint8_t bytes[64];
  struct hostile_peer *peer = begin();

  send_new_id(peer, 1, 0);
  send_new_id(peer, 1, 0);
  send_new_id(peer, 1, 1);
  assert_alive(peer);
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);
  write_new_id(&writer, 1, 1);
  bytes[10] ^= 1; /* in the id */
  send_bytes(peer, TERN_PACKET_APP, bytes, tern_writer_len(&writer));
  assert_closed(peer, TERN_QUIC_PROTOCOL_VIOLATION);
  end();
}

/* [rfc9000-19.16] MUST NOT name the id of the packet it is in, nor one that was never issued. */
static void test_T3_retire_ids(void **state)
{
  (void)state;
  static const struct {
    uint64_t sequence;
    bool is_legal;
  } cases[] = {{0, false}, {1, true}, {3, true}, {4, false}, {TERN_VARINT_MAX, false}};

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hostile_peer *peer = begin();
    tern_frame_write_retire_connection_id(hostile_frames(peer), cases[i].sequence);
    hostile_send(peer, TERN_PACKET_APP);
    if (cases[i].is_legal)
      assert_alive(peer);
    else
      assert_closed(peer, TERN_QUIC_PROTOCOL_VIOLATION);
    end();
  }
}

static void do_random_id_event(struct hostile_peer *peer, const tern_random_ops *random)
{
  uint64_t a = tern_random_below(random, 8);
  uint64_t b = tern_random_below(random, 8);
  struct tern_writer *writer = hostile_frames(peer);

  switch (tern_random_below(random, 6)) {
  case 0:
  case 1:
    write_new_id(writer, a, b < a ? b : a);
    break;
  case 2:
    tern_frame_write_retire_connection_id(writer, a);
    break;
  case 3: /* sends to another of our ids from now on */
    if (a < peer->cids_end && a != 0)
      peer->dcid = peer->cids[a];
    tern_frame_write_ping(writer);
    break;
  case 4: /* the previous packet once more */
    tern_frame_write_ping(writer);
    if (peer->spaces[TERN_SPACE_APP].next != 0)
      peer->spaces[TERN_SPACE_APP].next--;
    break;
  default:
    peer->acks = !peer->acks;
    tern_frame_write_ping(writer);
    break;
  }
  hostile_send(peer, TERN_PACKET_APP);
}

/* All kinds of orders of ids issued, retired, used, repeated and lost: it ends, and every oracle holds. */
static void test_T3_random_orders(void **state)
{
  (void)state;

  for (uint64_t seed = 1; seed <= 600; seed++) {
    struct tern_random_seeded seeded;
    tern_random_ops random = tern_random_seeded_ops(&seeded);
    tern_random_seeded_init(&seeded, seed);
    struct hostile_peer *peer = begin();
    for (int i = 0; i < 12 && !peer->is_closed; i++)
      do_random_id_event(peer, &random);
    if (rig.oracle.fault != NULL)
      print_message("seed %llu\n", (unsigned long long)seed);
    end();
  }
}

/* ---- stateless reset ---------------------------------------------------------------------------- */

/* A server's token for the client that the endpoint is. */
static struct hostile_peer *begin_with_token(uint8_t token[16])
{
  prepare();
  start();
  struct hostile_peer *peer = hostile_peer_add(&rig, true);
  for (int i = 0; i < 16; i++)
    token[i] = (uint8_t)(0x70 + i);
  peer->params.has_reset_token = true;
  memcpy(peer->params.reset_token, token, 16);
  assert_true(hostile_peer_connect(peer));
  return peer;
}

static void send_reset(struct hostile_peer *peer, const uint8_t token[16], size_t len,
                       bool is_for_our_id)
{
  uint8_t bytes[100];

  memset(bytes, 0x5a, sizeof bytes);
  bytes[0] = 0x45;
  if (is_for_our_id)
    memcpy(bytes + 1, peer->dcid.bytes, peer->dcid.len);
  memcpy(bytes + len - 16, token, 16);
  hostile_deliver(peer, tern_slice_of(bytes, len));
}

/* [rfc9000-10.3.1] the token ends the connection, at every length that a reset can have. */
static void test_T18_true_reset(void **state)
{
  (void)state;
  uint8_t token[16];

  for (size_t len = 21; len < 100; len += 13) {
    struct hostile_peer *peer = begin_with_token(token);
    send_reset(peer, token, len, false);
    assert_int_equal(rig.app.closed, 1);
    assert_int_equal(rig.app.error.kind, TERN_ERROR_STATELESS_RESET);
    end();
  }
}

/* A connection that is closing ends by itself, and soon, reset or not. */
static void test_T18_reset_while_closing(void **state)
{
  (void)state;
  uint8_t token[16];
  struct hostile_peer *peer = begin_with_token(token);

  tern_conn_close(rig.app.conn, 1, "over");
  hostile_rig_turn(&rig);
  send_reset(peer, token, 40, false);
  hostile_rig_advance(&rig, 10 * TERN_SECOND);
  assert_int_equal(get_stats().conns_now, 0);
  assert_int_equal(rig.app.closed, 1);
  assert_int_equal(rig.app.error.kind, TERN_ERROR_APPLICATION);
  end();
}

/* Guessed ones, and all constant patterns, do not; nor does a datagram too short to be one. */
static void test_T18_forged_resets(void **state)
{
  (void)state;
  struct tern_random_seeded seeded;
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  uint8_t token[16], guess[16];
  struct hostile_peer *peer = begin_with_token(token);

  tern_random_seeded_init(&seeded, 5);
  for (int i = 0; i < 256; i++) {
    memset(guess, i, sizeof guess);
    send_reset(peer, guess, 40, i % 2 == 0);
  }
  for (int i = 0; i < 20000; i++) {
    random.fill(random.arg, guess, sizeof guess);
    send_reset(peer, guess, 40, i % 2 == 0);
  }
  for (size_t i = 0; i < 128; i++) { /* each bit but one */
    memcpy(guess, token, sizeof guess);
    guess[i / 8] ^= (uint8_t)(1 << i % 8);
    send_reset(peer, guess, 40, true);
  }
  hostile_deliver(peer, tern_slice_of(token, 16));
  hostile_rig_turn(&rig);
  assert_int_equal(rig.app.closed, 0);
  end();
}

/* [rfc9000-10.3.1] MUST NOT: a token of an id that was retired, or never used. */
static void test_T18_tokens_of_other_ids(void **state)
{
  (void)state;
  uint8_t token[16], second[16];
  struct hostile_peer *peer = begin_with_token(token);

  for (int i = 0; i < 16; i++)
    second[i] = (uint8_t)(101 + i); /* of sequence number 1, see write_new_id */
  send_new_id(peer, 1, 0);
  send_reset(peer, second, 40, true);
  assert_int_equal(rig.app.closed, 0); /* not used yet */
  send_new_id(peer, 1, 1);
  send_reset(peer, token, 40, true);
  assert_int_equal(rig.app.closed, 0); /* retired */
  send_reset(peer, second, 40, false);
  assert_int_equal(rig.app.closed, 1);
  end();
}

static void keep_last(void *arg, const tern_datagram *datagram)
{
  struct hostile_message *last = arg;

  last->len = datagram->len;
  memcpy(last->bytes, datagram->data, datagram->len);
}

/* [rfc9000-10.3.3] an endpoint that is sent its own resets: each is smaller, so it ends soon. */
static void test_T18_resets_die_out(void **state)
{
  (void)state;
  static struct hostile_message last;
  tern_addr addr = hostile_addr(9, 999);
  uint8_t bytes[1400];
  size_t len = sizeof bytes;
  int rounds = 0;

  prepare();
  start();
  rig.oracle.output = keep_last;
  rig.oracle.output_arg = &last;
  memset(bytes, 0x41, sizeof bytes);
  for (; len != 0 && rounds < 100; rounds++) {
    last.len = 0;
    hostile_rig_inject(&rig, &addr, tern_slice_of(bytes, len));
    assert_true(last.len < len);
    memcpy(bytes, last.bytes, last.len);
    len = last.len;
  }
  assert_true(rounds > 1 && rounds <= 40);
  rig.oracle.output = NULL;
  end();
}

/* [rfc9000-10.3.2] never for an id that is in use. */
static void test_T18_no_reset_for_a_live_id(void **state)
{
  (void)state;
  uint8_t bytes[100];
  struct hostile_peer *peer = begin();

  memset(bytes, 0x42, sizeof bytes);
  memcpy(bytes + 1, peer->dcid.bytes, peer->dcid.len);
  for (size_t len = 9; len <= sizeof bytes; len++)
    hostile_rig_inject(&rig, &peer->addr, tern_slice_of(bytes, len));
  assert_int_equal(get_stats().resets_sent, 0);
  assert_alive(peer);
  end();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_T2_retire_without_acks),
      cmocka_unit_test(test_T2_retire_with_acks),
      cmocka_unit_test(test_T2_active_ids_bound),
      cmocka_unit_test(test_T2_ids_that_we_issue),
      cmocka_unit_test(test_T3_repeated_new_id),
      cmocka_unit_test(test_T3_retire_ids),
      cmocka_unit_test(test_T3_random_orders),
      cmocka_unit_test(test_T18_true_reset),
      cmocka_unit_test(test_T18_reset_while_closing),
      cmocka_unit_test(test_T18_forged_resets),
      cmocka_unit_test(test_T18_tokens_of_other_ids),
      cmocka_unit_test(test_T18_resets_die_out),
      cmocka_unit_test(test_T18_no_reset_for_a_live_id),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
