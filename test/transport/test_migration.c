/* SPDX-License-Identifier: MIT */
/* Clients that come from another address, spoofers that only seem to, and connection ids. */
#include "support/pair.h"

#include "transport/conn.h"
#include "wire/frame_write.h"
#include "wire/header.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 10);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static tern_addr other_address(void)
{
  tern_addr addr = pair.addr[PAIR_CLIENT];
  addr.ip[3] = 77;
  addr.port = 1234;
  return addr;
}

/* Frames of the server that the client received, by name. */
static struct {
  unsigned challenges, responses, retires;
} seen;

static void note(struct pair *with, int side, const tern_event *event)
{
  (void)with;
  if (side != PAIR_CLIENT || event->kind != TERN_EVENT_FRAME_RECEIVED)
    return;
  const char *name = event->data.frame_received.name;
  seen.challenges += strcmp(name, "PATH_CHALLENGE") == 0;
  seen.responses += strcmp(name, "PATH_RESPONSE") == 0;
  seen.retires += strcmp(name, "RETIRE_CONNECTION_ID") == 0;
}

/* What goes to an address that nobody is behind is lost. */
static bool deliver_known(struct pair *with, struct pair_datagram *datagram)
{
  return datagram->to != PAIR_CLIENT || tern_addr_equal(&datagram->dest, &with->addr[PAIR_CLIENT]);
}

static void start(void)
{
  memset(&seen, 0, sizeof seen);
  pair.on_event = note;
  pair.filter = deliver_known;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
}

/* ---- NAT rebinding ------------------------------------------------------------------------------------ */

struct rebinding_case {
  bool is_upload;
  bool has_new_ip;
  tern_time silence_ns; /* before the client speaks from its new address */
};

/* [rfc9000-9] data goes on from and to the new address, which is validated [rfc9000-9.3]. */
static void test_rebinding(void **state)
{
  static const struct rebinding_case cases[] = {
      {true, false, 0}, {true, true, 0},           {false, false, 0},
      {false, true, 0}, {true, true, TERN_SECOND}, {false, true, 50 * TERN_MS},
  };

  (void)state;
  for (size_t i = 0; i < PAIR_COUNT_OF(cases); i++) {
    pair_deinit(&pair);
    pair_init(&pair, 100 + i);
    start();
    struct pair_stream *stream =
        pair_open(&pair, cases[i].is_upload ? PAIR_CLIENT : PAIR_SERVER, false);
    pair_send_all(stream, 1000000);
    while (stream->acked_to < 200000)
      assert_true(pair_step(&pair, TERN_TIME_NEVER));
    pair.addr[PAIR_CLIENT].port++;
    if (cases[i].has_new_ip)
      pair.addr[PAIR_CLIENT].ip[3]++;
    tern_time start_at = pair.now;
    if (!pair_run_until(&pair, pair_are_streams_closed))
      fail_msg("case %u: %u bytes", (unsigned)i, (unsigned)stream->acked_to);
    struct pair_stream *peer = pair_peer_of(&pair, stream);
    assert_int_equal(peer->received, 1000000);
    assert_true(peer->is_eof && !peer->is_bad);
    assert_true(pair.now - start_at < 5 * TERN_SECOND);
    pair_run_for(&pair, TERN_SECOND);
    tern_addr remote = tern_conn_get_remote(pair.conn[PAIR_SERVER]);
    assert_true(tern_addr_equal(&remote, &pair.addr[PAIR_CLIENT]));
    assert_true(seen.challenges >= 1);
    const struct tern_route *route = tern_conn_route(pair.conn[PAIR_SERVER]);
    assert_true(route->is_address_validated);
    assert_int_equal(route->state, TERN_ROUTE_VALIDATED);
    assert_int_equal(route->in_flight.bytes, 0);
    assert_int_equal(pair.closed_count[0] + pair.closed_count[1], 0);
  }
}

/* An idle client's address changes; the first small packet from there, an ACK or a PING, is all that the
 * server may build on [rfc9000-8.1]. */
static bool check_amplification(struct pair *with, struct pair_datagram *datagram)
{
  uint64_t *sums = with->test; /* received from, sent to the new address */

  if (datagram->to == PAIR_SERVER)
    sums[0] += datagram->len;
  else if (tern_addr_equal(&datagram->dest, &with->addr[PAIR_CLIENT]))
    sums[1] += datagram->len;
  if (with->conn[PAIR_SERVER] != NULL &&
      !tern_conn_route(with->conn[PAIR_SERVER])->is_address_validated)
    assert_true(sums[1] <= 3 * sums[0]);
  return deliver_known(with, datagram);
}

static void test_small_packet_from_new_address(void **state)
{
  uint64_t sums[2] = {0, 0};
  uint8_t ping = 1;

  (void)state;
  start();
  struct pair_stream *stream = pair_open(&pair, PAIR_SERVER, false);
  pair_send_all(stream, 3000000);
  while (stream->acked_to < 500000)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  /* everything under way is lost with the old address */
  while (pair.queue != NULL) {
    struct pair_datagram *datagram = pair.queue;
    pair.queue = datagram->next;
    free(datagram);
  }
  pair.addr[PAIR_CLIENT] = other_address();
  pair.test = sums;
  pair.filter = check_amplification;
  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP, tern_slice_of(&ping, 1));
  sums[0] += pair.queue->len;
  assert_true(pair.queue->len < 40);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(pair_peer_of(&pair, stream)->received, 3000000);
  assert_true(seen.challenges >= 2); /* the first was too small to prove that 1,200 bytes pass */
}

/* [rfc9000-9.3] packets that only probe do not move the connection; they are answered there. */
static void test_probing_does_not_move(void **state)
{
  static const uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  uint8_t frames[1300] = {0};
  struct tern_writer writer = tern_writer_of(frames, sizeof frames);
  tern_addr other = other_address();
  uint64_t sums[2];

  (void)state;
  start();
  for (int is_padded = 0; is_padded < 2; is_padded++) {
    uint64_t sent = pair.sent_count[PAIR_SERVER];
    writer = tern_writer_of(frames, sizeof frames);
    tern_frame_write_path_challenge(&writer, data);
    memset(frames + 9, 0, sizeof frames - 9);
    pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP,
                     tern_slice_of(frames, is_padded ? 1200 : 20));
    pair.queue->remote = other;
    sums[0] = pair.queue->len;
    sums[1] = pair.sent_bytes[PAIR_SERVER];
    pair_run_for(&pair, TERN_MS);
    tern_addr remote = tern_conn_get_remote(pair.conn[PAIR_SERVER]);
    assert_true(tern_addr_equal(&remote, &pair.addr[PAIR_CLIENT]));
    assert_int_equal(pair.conn[PAIR_SERVER]->path.active, 0);
    /* [rfc9000-8.2.2] answered at once, on the same path; expanded only as far as the bound allows */
    assert_true(pair.sent_count[PAIR_SERVER] > sent);
    assert_true(pair.sent_bytes[PAIR_SERVER] - sums[1] <= 3 * sums[0]);
    pair_run_for(&pair, TERN_SECOND);
  }
  assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
}

/* [rfc9000-9.3.2] an attacker who only copies a packet gets at most three times what it sent, and the
 * connection goes back to the address that answers. */
static uint64_t sent_to_victim;

static bool count_victim(struct pair *with, struct pair_datagram *datagram)
{
  if (datagram->to == PAIR_CLIENT && !tern_addr_equal(&datagram->dest, &with->addr[PAIR_CLIENT]))
    sent_to_victim += datagram->len;
  return deliver_known(with, datagram);
}

static void test_spoofed_address(void **state)
{
  tern_addr victim;

  (void)state;
  start();
  victim = other_address();
  sent_to_victim = 0;
  pair.filter = count_victim;
  struct pair_stream *stream = pair_open(&pair, PAIR_SERVER, false);
  pair_send_all(stream, 2000000);
  while (stream->acked_to < 200000)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  /* the client's newest packets come by way of the attacker, once */
  uint64_t stolen = 0;
  while (stolen == 0) {
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
    for (struct pair_datagram *datagram = pair.queue; datagram != NULL; datagram = datagram->next)
      if (datagram->to == PAIR_SERVER) {
        datagram->remote = victim;
        stolen += datagram->len;
      }
  }
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_true(sent_to_victim > 0);
  assert_true(sent_to_victim <= 3 * stolen);
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  assert_int_equal(peer->received, 2000000);
  assert_false(peer->is_bad);
  tern_addr remote = tern_conn_get_remote(pair.conn[PAIR_SERVER]);
  assert_true(tern_addr_equal(&remote, &pair.addr[PAIR_CLIENT]));
}

/* The same with an idle client: it hears of it, since the path that was left MUST be validated
 * [rfc9000-9.3.3], and its answer brings the connection back. */
static void spoof_ping(void)
{
  uint8_t ping = 1;

  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP, tern_slice_of(&ping, 1));
  pair.queue->remote = other_address();
}

static void test_spoofed_while_idle(void **state)
{
  (void)state;
  start();
  sent_to_victim = 0;
  pair.filter = count_victim;
  spoof_ping();
  size_t stolen = pair.queue->len;
  pair_run_for(&pair, 5 * TERN_MS);
  assert_int_equal(pair.conn[PAIR_SERVER]->path.active, 1);
  pair_run_for(&pair, 3 * pair.delay_ns);
  assert_true(seen.challenges >= 1);
  assert_int_equal(pair.conn[PAIR_SERVER]->path.active, 0);
  pair_run_for(&pair, 5 * TERN_SECOND);
  assert_int_equal(pair.conn[PAIR_SERVER]->path.active, 0);
  assert_true(sent_to_victim <= 3 * stolen);
  struct pair_stream *stream = pair_open(&pair, PAIR_SERVER, false);
  pair_send_all(stream, 50000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
}

/* If the client cannot answer either, the failed validation does it [rfc9000-9.3.2]. */
static bool lose_all(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  (void)datagram;
  return false;
}

static void test_validation_fails(void **state)
{
  (void)state;
  start();
  pair.filter = lose_all;
  spoof_ping();
  pair_run_for(&pair, 100 * TERN_MS);
  assert_int_equal(pair.conn[PAIR_SERVER]->path.active, 1);
  pair_run_for(&pair, 5 * TERN_SECOND);
  assert_int_equal(pair.conn[PAIR_SERVER]->path.active, 0);
  assert_int_equal(pair.conn[PAIR_SERVER]->path.routes[1]->state, TERN_ROUTE_FAILED);
}

/* [rfc9000-9] nobody moves before the handshake is confirmed. */
static bool move_first_flight(struct pair *with, struct pair_datagram *datagram)
{
  if (datagram->to == PAIR_SERVER && datagram->number == 1)
    datagram->remote = *(tern_addr *)with->test;
  return true;
}

static void test_no_move_in_handshake(void **state)
{
  tern_addr other = other_address();

  (void)state;
  pair.test = &other;
  pair.filter = move_first_flight;
  pair_connect(&pair);
  assert_true(pair.drops[PAIR_SERVER][TERN_DROP_ADDRESS] >= 1);
  assert_int_equal(pair.conn[PAIR_SERVER]->path.routes_count, 1);
}

/* [rfc9000-9] a client MUST discard packets from addresses that are not the server's. */
static void test_server_cannot_move(void **state)
{
  uint8_t ping = 1;

  (void)state;
  start();
  pair_send_frames(&pair, PAIR_SERVER, TERN_SPACE_APP, tern_slice_of(&ping, 1));
  pair.queue->remote.port++;
  uint64_t sent = pair.sent_count[PAIR_CLIENT];
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_ADDRESS], 1);
  assert_int_equal(pair.sent_count[PAIR_CLIENT], sent);
}

/* Many addresses one after the other: routes are reused, ids replaced, and nothing is left over. */
static void test_restless_client(void **state)
{
  (void)state;
  start();
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  uint64_t offset = 0;
  for (unsigned i = 0; i < 30; i++) {
    pair.addr[PAIR_CLIENT].port++;
    if (i % 3 == 0)
      pair.addr[PAIR_CLIENT].ip[3]++;
    offset += pair_write(stream, offset, 5000);
    pair_run_for(&pair, i % 4 == 0 ? 15 * TERN_MS : 300 * TERN_MS);
  }
  pair_run_for(&pair, 3 * TERN_SECOND);
  assert_int_equal(stream->acked_to, offset);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
  assert_true(pair.conn[PAIR_SERVER]->path.routes_count <= TERN_CAP_ROUTES);
  tern_addr remote = tern_conn_get_remote(pair.conn[PAIR_SERVER]);
  assert_true(tern_addr_equal(&remote, &pair.addr[PAIR_CLIENT]));
  assert_true(pair.endpoint[PAIR_SERVER]->resets.count <= TERN_CAP_ACTIVE_CIDS);
  pair_free_endpoint(&pair, PAIR_CLIENT);
}

/* A token that the peer gave for an id that is retired must not lead to its connection any more, least of
 * all to one that is gone [rfc9000-10.3.1]. */
static void test_retired_token_is_forgotten(void **state)
{
  uint8_t packet[40];
  uint8_t tokens[8][TERN_RESET_TOKEN_BYTES];
  unsigned count = 0;

  (void)state;
  start();
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  for (unsigned i = 0; i < 4; i++) {
    pair.addr[PAIR_CLIENT].port++;
    (void)pair_write(stream, 100 * i, 100);
    pair_run_for(&pair, TERN_SECOND);
    const struct tern_path *path = &pair.conn[PAIR_SERVER]->path;
    const struct tern_cid_remote_entry *entry =
        tern_cid_remote_find(&path->remote_ids, path->active);
    assert_non_null(entry);
    assert_true(entry->has_token);
    memcpy(tokens[count++], entry->reset_token, TERN_RESET_TOKEN_BYTES);
  }
  memset(packet, 0x41, sizeof packet);
  memcpy(packet + 24, tokens[0], TERN_RESET_TOKEN_BYTES);
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(packet, sizeof packet), 0);
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
  tern_conn_close(pair.conn[PAIR_CLIENT], 0, NULL);
  pair_run_for(&pair, 5 * TERN_SECOND);
  assert_true(pair_are_gone(&pair));
  assert_int_equal(pair.endpoint[PAIR_SERVER]->resets.count, 0);
  assert_int_equal(pair.endpoint[PAIR_SERVER]->ids.count, 0);
  for (unsigned i = 0; i < count; i++) {
    memcpy(packet + 24, tokens[i], TERN_RESET_TOKEN_BYTES);
    pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(packet, sizeof packet), 0);
  }
  pair_run_for(&pair, TERN_MS);
}

/* ---- connection ids ------------------------------------------------------------------------------------- */

/* [rfc9000-5.1.1] each side has as many ids as the other takes. */
static void test_ids_are_issued(void **state)
{
  (void)state;
  start();
  for (int side = 0; side < 2; side++) {
    unsigned valid = 0;
    const struct tern_cid_remote *remote = &pair.conn[side]->path.remote_ids;
    for (unsigned i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
      valid += remote->entries[i].is_valid;
    assert_int_equal(valid, TERN_CAP_ACTIVE_CIDS);
    assert_int_equal(pair.conn[side]->path.local_ids.next_sequence, TERN_CAP_ACTIVE_CIDS);
  }
}

/* [rfc9000-5.1.2] an id that is retired is replaced; [rfc9000-19.16] one that the frame's own packet uses
 * must not be, nor one that was never issued. */
static void test_retire(void **state)
{
  uint8_t frames[16];
  struct tern_writer writer = tern_writer_of(frames, sizeof frames);

  (void)state;
  start();
  struct tern_cid_local *ids = &pair.conn[PAIR_SERVER]->path.local_ids;
  struct tern_cid_remote *remote = &pair.conn[PAIR_CLIENT]->path.remote_ids;
  for (unsigned i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (remote->entries[i].sequence == 2)
      remote->entries[i] = (struct tern_cid_remote_entry){.route = TERN_CID_NO_ROUTE};
  tern_frame_write_retire_connection_id(&writer, 2);
  for (unsigned i = 0; i < 2; i++) { /* the second time it is nothing new */
    pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP,
                     tern_slice_of(frames, tern_writer_len(&writer)));
    pair_run_for(&pair, 100 * TERN_MS);
    assert_int_equal(ids->next_sequence, TERN_CAP_ACTIVE_CIDS + 1);
    assert_int_equal(pair.closed_count[PAIR_SERVER], 0);
  }
  assert_int_equal(pair.endpoint[PAIR_SERVER]->ids.count,
                   TERN_CAP_ACTIVE_CIDS + 1); /* first choice */
}

static void test_retire_own(void **state)
{
  uint8_t frames[16];
  struct tern_writer writer = tern_writer_of(frames, sizeof frames);

  (void)state;
  start();
  tern_frame_write_retire_connection_id(&writer, 0);
  pair_send_frames(&pair, PAIR_CLIENT, TERN_SPACE_APP,
                   tern_slice_of(frames, tern_writer_len(&writer)));
  pair_run_for(&pair, 100 * TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 1);
  assert_int_equal(pair.error[PAIR_SERVER].code, TERN_QUIC_PROTOCOL_VIOLATION);
}

/* [rfc9000-5.1.2] Retire Prior To: the client changes over at once, and says so. */
static void test_retire_prior_to(void **state)
{
  uint8_t frames[64];
  struct tern_writer writer = tern_writer_of(frames, sizeof frames);
  struct tern_new_connection_id_args args = {.sequence = 4, .retire_prior_to = 4};

  (void)state;
  start();
  tern_conn *server = pair.conn[PAIR_SERVER];
  struct tern_cid_local *ids = &server->path.local_ids;
  /* the server of the test knows the new id, as if it had issued it */
  for (unsigned i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (ids->entries[i].sequence == 1)
      memset(&ids->entries[i], 0, sizeof ids->entries[i]);
  tern_conn_issue_ids(server);
  for (unsigned i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (ids->entries[i].sequence == 4) {
      args.cid = ids->entries[i].cid;
      memcpy(args.reset_token, ids->entries[i].reset_token, sizeof args.reset_token);
      ids->entries[i].frame.state = TERN_SYNC_ACKED;
    }
  ids->told_below = 5;
  tern_frame_write_new_connection_id(&writer, &args);
  pair_send_frames(&pair, PAIR_SERVER, TERN_SPACE_APP,
                   tern_slice_of(frames, tern_writer_len(&writer)));
  pair_run_for(&pair, 200 * TERN_MS);
  const struct tern_path *path = &pair.conn[PAIR_CLIENT]->path;
  const struct tern_cid_remote_entry *entry = tern_cid_remote_find(&path->remote_ids, 0);
  assert_non_null(entry);
  assert_true(entry->sequence >= 4);
  /* the old ones were given back and replaced */
  assert_int_equal(ids->next_sequence, 8);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 1000);
  assert_true(pair_run_until(&pair, pair_are_streams_closed));
  assert_int_equal(pair.endpoint[PAIR_CLIENT]->resets.count, 1);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_rebinding),
      CASE(test_small_packet_from_new_address),
      CASE(test_probing_does_not_move),
      CASE(test_spoofed_address),
      CASE(test_spoofed_while_idle),
      CASE(test_validation_fails),
      CASE(test_no_move_in_handshake),
      CASE(test_server_cannot_move),
      CASE(test_restless_client),
      CASE(test_retired_token_is_forgotten),
      CASE(test_ids_are_issued),
      CASE(test_retire),
      CASE(test_retire_own),
      CASE(test_retire_prior_to),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
