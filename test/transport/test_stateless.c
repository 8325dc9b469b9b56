/* SPDX-License-Identifier: MIT */
/* Datagrams that need no connection, or that a connection must not believe: stateless resets, Version
 * Negotiation, Retry. */
#include "support/pair.h"

#include "crypto/protect.h"
#include "crypto/token.h"
#include "transport/conn.h"
#include "wire/header.h"
#include "wire/params.h"
#include "wire/stateless.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 6);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

static uint8_t saved[PAIR_DATAGRAM_MAX];
static size_t saved_len;

/* Keeps the newest datagram to the server. */
static bool save_newest(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (datagram->to == PAIR_SERVER) {
    memcpy(saved, datagram->data, datagram->len);
    saved_len = datagram->len;
  }
  return true;
}

/* ---- stateless reset --------------------------------------------------------------------------------- */

static void lose_state_of_server(void)
{
  memset(pair.config[PAIR_SERVER].reset_key, 0x5a, 32);
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  pair_free_endpoint(&pair, PAIR_SERVER);
  pair_make_endpoint(&pair, PAIR_SERVER);
}

/* [rfc9000-10.3] the server that comes back without its state tells the client so. */
static void test_reset_after_lost_state(void **state)
{
  tern_endpoint_stats stats;

  (void)state;
  lose_state_of_server();
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 1000);
  pair_run_for(&pair, 3 * pair.delay_ns);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_STATELESS_RESET);
  assert_true(pair.error[PAIR_CLIENT].by_peer);
  assert_int_equal(stream->closed_count, 1);
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  assert_int_equal(stats.resets_sent, 1);
  /* [rfc9000-10.3.1] MUST enter the draining period and send no more */
  uint64_t before = pair.sent_count[PAIR_CLIENT];
  pair_run_for(&pair, 5 * TERN_SECOND);
  assert_int_equal(pair.sent_count[PAIR_CLIENT], before);
  assert_true(pair_are_gone(&pair));
}

/* With another key the tokens are others: the client does not believe it, and idles out. */
static void test_reset_of_another_key(void **state)
{
  (void)state;
  pair.config[PAIR_CLIENT].idle_timeout_ms = 3000;
  lose_state_of_server();
  pair_free_endpoint(&pair, PAIR_SERVER);
  memset(pair.config[PAIR_SERVER].reset_key, 0x5b, 32);
  pair_make_endpoint(&pair, PAIR_SERVER);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 1000);
  pair_run_for(&pair, 20 * TERN_SECOND);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_IDLE);
  assert_true(pair.sent_count[PAIR_SERVER] > 3);
}

/* The same for a client that lost its state: its own ids carry tokens, too. */
static void test_reset_by_client(void **state)
{
  (void)state;
  memset(pair.config[PAIR_CLIENT].reset_key, 0x77, 32);
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  /* sequence 0 has no token: the server must use one that has */
  pair.addr[PAIR_CLIENT].port++;
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, true);
  pair_send_all(stream, 100);
  pair_run_for(&pair, TERN_SECOND);
  struct pair_stream *peer = pair_peer_of(&pair, stream);
  pair_free_endpoint(&pair, PAIR_CLIENT);
  pair_make_endpoint(&pair, PAIR_CLIENT);
  pair_send_all(peer, 100);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_SERVER], 1);
  assert_int_equal(pair.error[PAIR_SERVER].kind, TERN_ERROR_STATELESS_RESET);
}

/* [rfc9000-10.3.3] two endpoints without state do not answer each other for ever. */
static void test_resets_do_not_loop(void **state)
{
  (void)state;
  pair.filter = save_newest;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  struct pair_stream *stream = pair_open(&pair, PAIR_CLIENT, false);
  pair_send_all(stream, 20);
  pair_flush(&pair, PAIR_CLIENT);
  for (int i = 0; i < 2; i++) {
    pair_free_endpoint(&pair, i);
    pair_make_endpoint(&pair, i);
  }
  pair.sent_count[0] = pair.sent_count[1] = 0;
  pair_run_for(&pair, 10 * TERN_SECOND); /* the datagram that was under way */
  assert_true(pair.sent_count[1] >= 1);
  assert_true(pair.sent_count[0] + pair.sent_count[1] <= 43 - 21 + 1);
  assert_null(pair.queue);
}

/* Each reset is shorter than what it answers, at least 21 bytes, and looks like a short packet. */
static bool check_reset(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (datagram->to == PAIR_CLIENT) {
    assert_true(datagram->len < saved_len);
    assert_true(datagram->len >= TERN_RESET_BYTES_MIN);
    assert_int_equal(datagram->data[0] & 0xc0, 0x40);
  }
  return true;
}

static void test_reset_sizes(void **state)
{
  (void)state;
  pair_make_endpoint(&pair, PAIR_SERVER);
  pair.filter = check_reset;
  for (saved_len = 1; saved_len <= 1500; saved_len += saved_len < 50 ? 1 : 97) {
    uint64_t before = pair.sent_count[PAIR_SERVER];
    memset(saved, 0x41, saved_len);
    pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(saved, saved_len), 0);
    pair_run_for(&pair, 20 * TERN_MS);
    assert_int_equal(pair.sent_count[PAIR_SERVER] - before, saved_len > TERN_RESET_BYTES_MIN);
  }
}

/* [rfc9000-10.3.3] answers to strangers are limited in rate. */
static void test_reset_rate(void **state)
{
  (void)state;
  pair_make_endpoint(&pair, PAIR_SERVER);
  memset(saved, 0x41, 100);
  for (unsigned i = 0; i < 2000; i++) {
    pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(saved, 100), 0);
    pair_run_for(&pair, TERN_MS / 100);
  }
  assert_true(pair.sent_count[PAIR_SERVER] >= 256);
  assert_true(pair.sent_count[PAIR_SERVER] <= 256 + 1000 / 40);
  assert_true(pair.drops[PAIR_SERVER][TERN_DROP_LIMIT_RATE] > 1500);
}

/* A token in a datagram that carries one of our ids counts as well [rfc9000-10.3.1]. */
static void test_reset_with_known_id(void **state)
{
  uint8_t packet[60];

  (void)state;
  pair_connect(&pair);
  pair_run_for(&pair, TERN_SECOND);
  tern_conn *client = pair.conn[PAIR_CLIENT];
  memset(packet, 0x41, sizeof packet);
  memcpy(packet + 1, client->first_scid.bytes, client->first_scid.len);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(packet, sizeof packet), 0);
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_DECRYPT_FAILED], 1);
  memcpy(packet + sizeof packet - 16, client->path.remote_ids.entries[0].reset_token, 16);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(packet, sizeof packet), 0);
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_STATELESS_RESET);
}

/* ---- Version Negotiation ------------------------------------------------------------------------------- */

static uint32_t version_to_ask;

static bool ask_for_version(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (datagram->to == PAIR_SERVER && (datagram->data[0] & 0x80) != 0)
    for (int i = 0; i < 4; i++)
      datagram->data[1 + i] = (uint8_t)(version_to_ask >> (24 - 8 * i));
  return true;
}

static bool keep_negotiation(struct pair *with, struct pair_datagram *datagram)
{
  if (datagram->to == PAIR_CLIENT) {
    memcpy(saved, datagram->data, datagram->len);
    saved_len = datagram->len;
  }
  return ask_for_version(with, datagram);
}

/* [rfc9000-6.1] a server answers what it does not speak with what it does; ids are echoed
 * [rfc9000-17.2.1]. The client of the test hears that its own version is offered, and goes on
 * [rfc9000-6.2]. */
static void test_server_negotiates(void **state)
{
  struct tern_invariant invariant;
  tern_slice versions;

  (void)state;
  version_to_ask = 0x1a2a3a4a;
  pair.filter = keep_negotiation;
  pair_start(&pair);
  struct tern_cid dcid = pair.conn[PAIR_CLIENT]->original_dcid;
  struct tern_cid scid = pair.conn[PAIR_CLIENT]->first_scid;
  pair_run_for(&pair, pair.delay_ns + TERN_MS);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 1);
  struct tern_reader reader = tern_reader_of(saved, saved_len);
  assert_true(tern_header_read_invariant(&reader, 8, &invariant));
  assert_int_equal(invariant.version, TERN_VERSION_NEGOTIATION);
  assert_true(tern_cid_is_slice(&scid, invariant.dcid));
  assert_true(tern_cid_is_slice(&dcid, invariant.scid));
  assert_true(tern_version_negotiation_read(&reader, &versions));
  assert_true(tern_version_negotiation_has(versions, TERN_VERSION_1));
  assert_false(tern_version_negotiation_has(versions, version_to_ask));
  pair.filter = NULL;
  pair_run_for(&pair, 3 * TERN_SECOND);
  assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_STALE_VERSION_NEGOTIATION], 1);
  assert_true(pair.is_connected[PAIR_CLIENT]);
}

/* [rfc9000-5.2.2] not to datagrams too small to begin a connection; [rfc9000-6.1] not by clients. */
static void test_no_negotiation(void **state)
{
  (void)state;
  memset(saved, 0, sizeof saved);
  saved[0] = 0xc0;
  memset(saved + 1, 0x1a, 4);
  saved[5] = 8;
  pair_make_endpoint(&pair, PAIR_SERVER);
  pair_make_endpoint(&pair, PAIR_CLIENT);
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(saved, 1199), 0);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(saved, 1200), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.sent_count[0] + pair.sent_count[1], 0);
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(saved, 1200), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 1);
  /* an answer to an answer: never */
  memset(saved + 1, 0, 4);
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(saved, 1200), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 1);
}

static size_t make_negotiation(uint8_t *out, const struct tern_cid *dcid,
                               const struct tern_cid *scid, uint32_t version)
{
  struct tern_writer writer = tern_writer_of(out, PAIR_DATAGRAM_MAX);
  struct tern_version_negotiation_args args = {.dcid = tern_cid_slice(dcid),
                                               .scid = tern_cid_slice(scid),
                                               .versions = &version,
                                               .versions_count = 1,
                                               .random = 0x12345678};

  tern_version_negotiation_write(&writer, &args);
  return tern_writer_len(&writer);
}

static bool lose_all(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  (void)datagram;
  return false;
}

static void test_client_gives_up(void **state)
{
  (void)state;
  pair.filter = lose_all;
  pair_start(&pair);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  pair_flush(&pair, PAIR_CLIENT);
  /* [rfc9000-17.2.1] someone who has not seen the Initial */
  struct tern_cid other = conn->original_dcid;
  other.bytes[0] ^= 1;
  size_t len = make_negotiation(saved, &conn->first_scid, &other, 0x709a50c4);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(saved, len), 0);
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  len = make_negotiation(saved, &conn->first_scid, &conn->original_dcid, 0x709a50c4);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(saved, len), 0);
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_VERSION);
  assert_true(pair_are_gone(&pair)); /* [rfc9000-6.2] abandons, without a word */
}

/* [rfc9000-6.2] MUST discard it once any packet was processed. */
static void test_client_ignores_late_negotiation(void **state)
{
  (void)state;
  pair_connect(&pair);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  size_t len = make_negotiation(saved, &conn->first_scid, &conn->peer_scid, 0x709a50c4);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(saved, len), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_STALE_VERSION_NEGOTIATION], 1);
}

/* ---- Retry ----------------------------------------------------------------------------------------------- */

static const uint8_t retry_token[] = "a token that the test made up";
static const struct tern_cid retry_scid = {8, {1, 2, 3, 4, 5, 6, 7, 8}};

struct retry_case {
  struct tern_cid scid;
  tern_slice token;
  bool has_bad_tag;
};

static size_t make_retry(uint8_t *out, const tern_conn *conn, const struct retry_case *how)
{
  struct tern_writer writer = tern_writer_of(out, PAIR_DATAGRAM_MAX);
  struct tern_cid scid = how->scid;

  /* By hand, since tern_retry_write would not write an empty token. */
  tern_write_u8(&writer, 0xf5);
  tern_write_u32(&writer, TERN_VERSION_1);
  tern_write_u8(&writer, conn->first_scid.len);
  tern_write_slice(&writer, tern_cid_slice(&conn->first_scid));
  tern_write_u8(&writer, scid.len);
  tern_write_slice(&writer, tern_cid_slice(&scid));
  tern_write_slice(&writer, how->token);
  size_t len = tern_writer_len(&writer);
  assert_true(
      tern_retry_tag(TERN_VERSION_1, &conn->original_dcid, tern_slice_of(out, len), out + len));
  out[len] ^= how->has_bad_tag;
  return len + TERN_RETRY_TAG_BYTES;
}

/* The newest Initial to the server. */
static void read_saved(struct tern_long_header *header)
{
  struct tern_reader reader = tern_reader_of(saved, saved_len);
  assert_int_equal(tern_header_read_long(&reader, true, header), TERN_HEADER_OK);
  assert_int_equal(header->type, TERN_PACKET_INITIAL);
}

static bool save_and_lose(struct pair *with, struct pair_datagram *datagram)
{
  (void)save_newest(with, datagram);
  return false;
}

static void test_client_follows_retry(void **state)
{
  struct retry_case how = {retry_scid, {retry_token, sizeof retry_token}, false};
  struct tern_long_header header;
  uint8_t retry[PAIR_DATAGRAM_MAX];

  (void)state;
  pair.filter = save_and_lose;
  pair_start(&pair);
  tern_conn *conn = pair.conn[PAIR_CLIENT];
  pair_flush(&pair, PAIR_CLIENT);
  read_saved(&header);
  assert_int_equal(header.token.len, 0);
  uint64_t next = conn->initial->sent.next;
  size_t len = make_retry(retry, conn, &how);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(retry, len), 0);
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.counts[PAIR_CLIENT][TERN_EVENT_RETRY_RECEIVED], 1);
  /* [rfc9000-17.2.5.2] the token and the new id, in every Initial from now on; [rfc9000-17.2.5.3] numbers
   * are not reset */
  read_saved(&header);
  assert_int_equal(header.token.len, sizeof retry_token);
  assert_memory_equal(header.token.data, retry_token, sizeof retry_token);
  assert_true(tern_cid_is_slice(&retry_scid, header.dcid));
  assert_int_equal(saved_len, 1200);
  assert_true(conn->initial->sent.next > next);
  /* [rfc9000-17.2.5.2] a second one MUST be discarded */
  uint64_t sent = pair.sent_count[PAIR_CLIENT];
  how.scid.bytes[0] = 99;
  len = make_retry(retry, conn, &how);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(retry, len), 0);
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.counts[PAIR_CLIENT][TERN_EVENT_RETRY_RECEIVED], 1);
  assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_BAD_RETRY], 1);
  assert_int_equal(pair.sent_count[PAIR_CLIENT], sent);
  /* [rfc9000-6.2] and Version Negotiation, too, since a Retry was processed */
  len = make_negotiation(retry, &conn->first_scid, &conn->peer_scid, 0x709a50c4);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(retry, len), 0);
  pair_run_for(&pair, TERN_MS);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 0);
  /* The server of the test did not send the Retry, so its parameters do not speak of it: the client must
   * not go on [rfc9000-7.3]. */
  pair.filter = NULL;
  pair_run_for(&pair, 3 * TERN_SECOND);
  assert_int_equal(pair.closed_count[PAIR_CLIENT], 1);
  assert_int_equal(pair.error[PAIR_CLIENT].code, TERN_QUIC_TRANSPORT_PARAMETER_ERROR);
}

static void test_client_ignores_bad_retry(void **state)
{
  struct retry_case cases[] = {
      {retry_scid, {retry_token, sizeof retry_token}, true}, /* [rfc9001-5.8] */
      {retry_scid, {retry_token, 0}, false},                 /* [rfc9000-17.2.5.2] no token */
      {{0},
       {retry_token, sizeof retry_token},
       false}, /* the client's own choice [rfc9000-17.2.5.1] */
  };

  (void)state;
  pair_start(&pair);
  pair.filter = lose_all;
  pair_flush(&pair, PAIR_CLIENT);
  cases[2].scid = pair.conn[PAIR_CLIENT]->original_dcid;
  for (size_t i = 0; i < PAIR_COUNT_OF(cases); i++) {
    size_t len = make_retry(saved, pair.conn[PAIR_CLIENT], &cases[i]);
    pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(saved, len), 0);
    pair_run_for(&pair, TERN_MS);
    assert_int_equal(pair.drops[PAIR_CLIENT][TERN_DROP_BAD_RETRY], i + 1);
  }
  pair.filter = NULL;
  pair_run_for(&pair, 3 * TERN_SECOND);
  assert_true(pair.is_connected[PAIR_CLIENT]);
}

/* [rfc9000-17.2.5.2] not after any other packet of the server. */
static void test_client_ignores_late_retry(void **state)
{
  struct retry_case how = {retry_scid, {retry_token, sizeof retry_token}, false};

  (void)state;
  pair_start(&pair);
  while (!pair.conn[PAIR_CLIENT]->has_received)
    assert_true(pair_step(&pair, TERN_TIME_NEVER));
  size_t len = make_retry(saved, pair.conn[PAIR_CLIENT], &how);
  pair_inject(&pair, PAIR_CLIENT, NULL, tern_slice_of(saved, len), 0);
  pair_run_for(&pair, TERN_SECOND);
  assert_int_equal(pair.counts[PAIR_CLIENT][TERN_EVENT_RETRY_RECEIVED], 0);
  assert_true(pair.is_connected[PAIR_CLIENT] && pair.is_connected[PAIR_SERVER]);
}

/* ---- who may begin a connection ------------------------------------------------------------------------- */

static size_t cut_to;

static bool cut_initial(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  if (datagram->to == PAIR_SERVER && datagram->len > cut_to)
    datagram->len = cut_to;
  return true;
}

/* [rfc9000-14.1] a server MUST discard an Initial in a datagram of less than 1,200 bytes. */
static void test_small_initial(void **state)
{
  (void)state;
  cut_to = 1199;
  pair.filter = cut_initial;
  pair_start(&pair);
  pair_run_for(&pair, 3 * TERN_SECOND);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 0);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_CONN_STARTED], 0);
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  assert_int_equal(stats.conns_total, 0);
}

/* An Initial that does not authenticate leaves no connection behind. */
static bool spoil(struct pair *with, struct pair_datagram *datagram)
{
  (void)with;
  datagram->data[datagram->len - 1] ^= 1;
  return true;
}

static void test_forged_initial(void **state)
{
  tern_endpoint_stats before, after;

  (void)state;
  pair.filter = spoil;
  pair_start(&pair);
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &before);
  pair_run_for(&pair, 5 * TERN_SECOND);
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &after);
  assert_true(after.datagrams_received > 2);
  assert_int_equal(after.conns_now, 0);
  assert_int_equal(after.conns_half_open, 0);
  assert_int_equal(after.bytes_sent, 0);
  assert_int_equal(pair.endpoint[PAIR_SERVER]->half_open_bytes, 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CASE(test_reset_after_lost_state),
      CASE(test_reset_of_another_key),
      CASE(test_reset_by_client),
      CASE(test_resets_do_not_loop),
      CASE(test_reset_sizes),
      CASE(test_reset_rate),
      CASE(test_reset_with_known_id),
      CASE(test_server_negotiates),
      CASE(test_no_negotiation),
      CASE(test_client_gives_up),
      CASE(test_client_ignores_late_negotiation),
      CASE(test_client_follows_retry),
      CASE(test_client_ignores_bad_retry),
      CASE(test_client_ignores_late_retry),
      CASE(test_small_initial),
      CASE(test_forged_initial),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
