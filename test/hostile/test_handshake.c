/* SPDX-License-Identifier: MIT */
/* Attacks with the keys of a handshake: CRYPTO data, transport parameters, malformed frames. */
#include "support/hostile_test.h"

/* Bounds are written out here, so that a test notices when a TERN_CAP_ is lifted. */
#define CRYPTO_TOTAL 262144
#define CRYPTO_TOTAL_EARLY 16384

/* A client of which the endpoint has seen nothing yet. */
static struct hostile_peer *begin_silent(void)
{
  prepare();
  start();
  struct hostile_peer *peer = hostile_peer_add(&rig, false);
  peer->speaks_tls = false;
  hostile_peer_start(peer);
  return peer;
}

static void send_crypto(struct hostile_peer *peer, enum tern_packet_type type, uint64_t offset,
                        size_t len)
{
  uint8_t bytes[2000] = {0};

  hostile_write_crypto(hostile_frames(peer), offset, tern_slice_of(bytes, len));
  hostile_send(peer, type);
}

/* ---- CRYPTO ----------------------------------------------------------------------------------- */

/* [rfc9000-7.5] [rfc9000-19.6] far ahead: refused, or held within the bound. */
static void crypto_at(uint64_t offset, size_t len)
{
  struct hostile_peer *peer = begin_silent();

  tern_frame_write_ping(hostile_frames(peer));
  hostile_send(peer, TERN_PACKET_INITIAL);
  tern_conn *conn = hostile_find_conn(&rig, peer);
  assert_non_null(conn);
  uint64_t heap = conn->alloc.used_bytes;
  uint64_t received = rig.oracle.bytes_in;
  send_crypto(peer, TERN_PACKET_INITIAL, offset, len);
  conn = hostile_find_conn(&rig, peer);
  assert_true(conn == NULL ||
              conn->alloc.used_bytes <= heap + 2 * (rig.oracle.bytes_in - received) + 4096);
  if (offset + len > TERN_VARINT_MAX)
    assert_closed(peer, TERN_QUIC_FRAME_ENCODING_ERROR);
  else if (offset + len > CRYPTO_TOTAL_EARLY)
    assert_closed(peer, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED);
  else
    assert_alive(peer);
  end();
}

static void test_P5_crypto_far_ahead(void **state)
{
  (void)state;

  for (int k = 2; k <= 61; k++) {
    for (int d = -1; d <= 1; d++) {
      crypto_at((UINT64_C(1) << k) + (uint64_t)(int64_t)d, 1);
      if (k % 6 == 0)
        crypto_at((UINT64_C(1) << k) + (uint64_t)(int64_t)d, 1100);
    }
  }
  crypto_at(TERN_VARINT_MAX - 1100, 1100);
  crypto_at(TERN_VARINT_MAX, 1);
}

/* [rfc9000-7.5] 8,192 bytes out of order are held before validation, one more is refused. */
static void test_P5_crypto_early_bound(void **state)
{
  (void)state;

  for (int more = 0; more < 2; more++) {
    struct hostile_peer *peer = begin_silent();
    for (uint64_t at = 0; at < 8; at++)
      send_crypto(peer, TERN_PACKET_INITIAL, 1 + at * 1024, 1024);
    assert_alive(peer);
    if (more) {
      send_crypto(peer, TERN_PACKET_INITIAL, 1 + 8192, 1);
      assert_closed(peer, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED);
    }
    end();
  }
}

/* The same after validation: 65,536. The endpoint is a client, whose peer counts as validated. */
static void test_P5_crypto_late_bound(void **state)
{
  (void)state;

  for (int more = 0; more < 2; more++) {
    struct hostile_peer *peer = begin_as_server();
    for (uint64_t at = 0; at < 64; at++)
      send_crypto(peer, TERN_PACKET_APP, 1 + at * 1024, 1024);
    assert_alive(peer);
    if (more) {
      send_crypto(peer, TERN_PACKET_APP, 1 + 65536, 1);
      assert_closed(peer, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED);
    }
    end();
  }
}

/* A message of TLS that has to be ignored, `index`-th piece of 1,000 bytes. */
static void write_tickets(struct hostile_peer *peer, uint64_t offset, size_t len)
{
  static const uint8_t ticket[1000] = {4, 0, 0x03, 0xe4};
  uint8_t bytes[1200];

  for (size_t i = 0; i < len; i++)
    bytes[i] = ticket[(offset + i) % sizeof ticket];
  hostile_write_crypto(hostile_frames(peer), offset, tern_slice_of(bytes, len));
}

/* CRYPTO for ever, in order: the level's total ends it. */
static void test_P6_endless_crypto(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin_as_server();
  uint64_t offset = peer->spaces[TERN_SPACE_APP].crypto_sent;

  while (offset + 1000 <= CRYPTO_TOTAL) {
    write_tickets(peer, offset, 1000);
    hostile_send(peer, TERN_PACKET_APP);
    offset += 1000;
  }
  write_tickets(peer, offset, CRYPTO_TOTAL - offset);
  hostile_send(peer, TERN_PACKET_APP);
  assert_alive(peer);
  write_tickets(peer, CRYPTO_TOTAL, 1);
  hostile_send(peer, TERN_PACKET_APP);
  assert_closed(peer, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED);
  end();
}

/* In frames of one byte, each at the end of a packet's worth of them. */
static void test_P6_endless_crypto_bytes(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin_as_server();
  uint64_t offset = 0;

  while (!peer->is_closed && offset < 400000) {
    struct tern_writer *writer = hostile_frames(peer);
    for (int i = 0; i < 170; i++, offset++) {
      uint8_t byte = offset % 1000 == 0   ? 4
                     : offset % 1000 == 2 ? 3
                     : offset % 1000 == 3 ? 0xe4
                                          : 0;
      hostile_write_crypto(writer, offset, tern_slice_of(&byte, 1));
    }
    hostile_send(peer, TERN_PACKET_APP);
  }
  assert_true(offset < 300 * 1024);
  assert_closed(peer, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED);
  end();
}

/* Every second byte: gaps are bounded, packets beyond are not kept and not acknowledged. */
static void test_P6_sparse_crypto(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin_as_server();

  for (uint64_t offset = 1; offset < 40000 && !peer->is_closed; offset += 200) {
    struct tern_writer *writer = hostile_frames(peer);
    for (uint64_t i = 0; i < 200; i += 2)
      hostile_write_crypto(writer, offset + i, tern_slice_of("x", 1));
    hostile_send(peer, TERN_PACKET_APP);
    tern_conn *conn = hostile_find_conn(&rig, peer);
    assert_true(conn->path.data->crypto->recv.runs_count <= TERN_CAP_STREAM_GAPS);
  }
  end();
}

/* [rfc9001-6] [rfc9001-8.3] a client has nothing to say in CRYPTO after its Finished. */
static void test_P6_crypto_to_a_server_after_the_end(void **state)
{
  (void)state;
  struct hostile_peer *peer = begin();

  send_crypto(peer, TERN_PACKET_APP, 0, 8);
  assert_closed(peer, TERN_QUIC_CRYPTO_BASE + 10);
  assert_int_equal(rig.app.error.kind, TERN_ERROR_TLS);
  end();
}

/* A ClientHello that says that it is long and trickles in: 16,384 bytes are taken before validation. */
static void test_P6_long_client_hello(void **state)
{
  (void)state;
  uint8_t bytes[1024] = {1, 0, 0xff, 0x00};
  uint64_t offset = 0;
  struct hostile_peer *peer = begin_silent();

  for (; offset < CRYPTO_TOTAL_EARLY; offset += sizeof bytes) {
    hostile_write_crypto(hostile_frames(peer), offset, tern_slice_of(bytes, sizeof bytes));
    hostile_send(peer, TERN_PACKET_INITIAL);
    memset(bytes, 0, 4);
  }
  assert_alive(peer);
  hostile_write_crypto(hostile_frames(peer), offset, tern_slice_of(bytes, 1));
  hostile_send(peer, TERN_PACKET_INITIAL);
  assert_closed(peer, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED);
  end();
}

/* A hello for a protocol that nobody speaks costs no TLS object; one of more than 4,096 bytes does. */
static void test_P2_unwanted_hello(void **state)
{
  (void)state;
  for (size_t size = 4096; size <= 4097; size++) {
    struct hostile_peer *peer = begin_silent();
    uint8_t bytes[4097] = {1, 0, (uint8_t)((size - 4) >> 8), (uint8_t)(size - 4)};
    uint64_t peak = 0;
    size_t part;

    memcpy(bytes + 36, "\0\2\1x\0\1a\0\1y", 11); /* protocol, name, parameters of tls_sim */
    for (size_t at = 0; at < size; at += part) {
      part = size - at < 1000 ? size - at : 1000;
      hostile_write_crypto(hostile_frames(peer), at, tern_slice_of(bytes + at, part));
      hostile_send(peer, TERN_PACKET_INITIAL);
      tern_conn *conn = hostile_find_conn(&rig, peer);
      assert_non_null(conn);
      if (at + part == size) {
        /* nothing was made for it but the sentence that says why it ends */
        assert_in_range(conn->alloc.peak_bytes, peak, peak + conn->end.reason_bytes);
        break; /* closed, and TLS is gone if there was any */
      }
      assert_int_equal(conn->tls != NULL, size > 4096);
      peak = conn->alloc.peak_bytes;
    }
    assert_closed(peer, TERN_QUIC_CRYPTO_BASE + 120);
    end();
  }
}

/* ---- transport parameters ----------------------------------------------------------------------- */

struct param_case {
  const char *name;
  uint8_t bytes[40];
  size_t len;
  bool is_legal;
};

#define LEGAL true
#define ILLEGAL false
/* [rfc9000-18.2], each at its bound and one past it. */
static const struct param_case param_cases[] = {
    {"nothing", {0}, 0, LEGAL},
    {"cut id", {0x40}, 1, ILLEGAL},
    {"no length", {0x3f}, 1, ILLEGAL},
    {"length beyond the end", {0x3f, 2, 1}, 3, ILLEGAL},
    {"unknown", {0x3f, 1, 1}, 3, LEGAL},
    {"unknown twice", {0x3f, 1, 1, 0x3f, 1, 1}, 6, ILLEGAL},
    {"known twice", {0x01, 1, 1}, 3, ILLEGAL}, /* the peer has said it before */
    {"max_udp_payload_size 1,199", {0x03, 2, 0x44, 0xaf}, 4, ILLEGAL},
    {"max_udp_payload_size 1,200", {0x03, 2, 0x44, 0xb0}, 4, LEGAL},
    {"max_udp_payload_size 65,528", {0x03, 4, 0x80, 0, 0xff, 0xf8}, 6, LEGAL},
    {"integer too short for its length", {0x03, 3, 0x44, 0xb0, 0}, 5, ILLEGAL},
    {"ack_delay_exponent 20", {0x0a, 1, 20}, 3, LEGAL},
    {"ack_delay_exponent 21", {0x0a, 1, 21}, 3, ILLEGAL},
    {"max_ack_delay 2^14 - 1", {0x0b, 2, 0x7f, 0xff}, 4, LEGAL},
    {"max_ack_delay 2^14", {0x0b, 4, 0x80, 0, 0x40, 0}, 6, ILLEGAL},
    {"disable_active_migration", {0x0c, 0}, 2, LEGAL},
    {"disable_active_migration with a value", {0x0c, 1, 0}, 3, ILLEGAL},
    {"original_destination_connection_id from a client", {0x00, 1, 1}, 3, ILLEGAL},
    {"stateless_reset_token from a client",
     {0x02, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
     18,
     ILLEGAL},
    {"preferred_address from a client", {0x0d, 0}, 2, ILLEGAL},
    {"retry_source_connection_id from a client", {0x10, 0}, 2, ILLEGAL},
};

static void test_P14_transport_parameters(void **state)
{
  (void)state;

  for (size_t i = 0; i < sizeof param_cases / sizeof param_cases[0]; i++) {
    const struct param_case *row = &param_cases[i];
    prepare();
    start();
    struct hostile_peer *peer = hostile_peer_add(&rig, false);
    peer->more_params = tern_slice_of(row->bytes, row->len);
    bool is_connected = hostile_peer_connect(peer);
    if (is_connected != row->is_legal)
      print_message("%s\n", row->name);
    assert_int_equal(is_connected, row->is_legal);
    if (!row->is_legal)
      assert_closed(peer, TERN_QUIC_TRANSPORT_PARAMETER_ERROR);
    end();
  }
}

/* [rfc9000-7.4] MUST NOT: each parameter that the peer has said already, once more. */
static void test_P14_repeated_parameters(void **state)
{
  (void)state;
  static const uint8_t ids[] = {0x01, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0e, 0x0f, 0x20};

  for (size_t i = 0; i < sizeof ids; i++) {
    const uint8_t again[] = {ids[i], 1, 4};
    prepare();
    start();
    struct hostile_peer *peer = hostile_peer_add(&rig, false);
    peer->more_params = tern_slice_of(again, sizeof again);
    assert_false(hostile_peer_connect(peer));
    assert_closed(peer, TERN_QUIC_TRANSPORT_PARAMETER_ERROR);
    end();
  }
}

static void try_params(void (*change)(struct tern_params *params), bool is_legal)
{
  prepare();
  start();
  struct hostile_peer *peer = hostile_peer_add(&rig, false);
  change(&peer->params);
  assert_int_equal(hostile_peer_connect(peer), is_legal);
  if (!is_legal)
    assert_closed(peer, TERN_QUIC_TRANSPORT_PARAMETER_ERROR);
  end();
}

static void set_streams_max(struct tern_params *params)
{
  params->initial_max_streams_bidi = TERN_STREAMS_MAX;
}
static void set_streams_above(struct tern_params *params)
{
  params->initial_max_streams_bidi = TERN_STREAMS_MAX + 1;
}
static void set_cids_least(struct tern_params *params)
{
  params->active_connection_id_limit = 2;
}
static void set_cids_most(struct tern_params *params)
{
  params->active_connection_id_limit = TERN_VARINT_MAX;
}
static void set_everything_most(struct tern_params *params)
{
  params->max_idle_timeout_ms = TERN_VARINT_MAX;
  params->initial_max_data = TERN_VARINT_MAX;
  params->initial_max_stream_data_bidi_local = TERN_VARINT_MAX;
  params->initial_max_stream_data_bidi_remote = TERN_VARINT_MAX;
  params->initial_max_stream_data_uni = TERN_VARINT_MAX;
  params->max_datagram_frame_bytes = TERN_VARINT_MAX;
}

static void test_P14_limits(void **state)
{
  (void)state;
  try_params(set_streams_max, true);
  try_params(set_streams_above, false);
  try_params(set_cids_least, true);
  try_params(set_cids_most, true);
  try_params(set_everything_most, true);
}

/* The peer's idle timeout rules where we have none; the largest there is must not wrap around. */
static void test_P14_largest_idle_timeout(void **state)
{
  (void)state;
  static const uint64_t timeouts_ms[] = {TERN_VARINT_MAX, UINT64_C(18446744073710),
                                         UINT64_C(1) << 50};

  for (size_t i = 0; i < sizeof timeouts_ms / sizeof timeouts_ms[0]; i++) {
    prepare();
    rig.config.idle_timeout_ms = 0;
    start();
    struct hostile_peer *peer = hostile_peer_add(&rig, false);
    peer->params.max_idle_timeout_ms = timeouts_ms[i];
    assert_true(hostile_peer_connect(peer));
    hostile_rig_advance(&rig, 3600 * TERN_SECOND);
    assert_alive(peer);
    tern_conn_close(rig.app.conn, 0, NULL);
    end();
  }
}

/* ---- malformed frames ------------------------------------------------------------------------- */

struct sample {
  uint8_t bytes[40];
  size_t len;
  size_t fixed; /* leading bytes after which more bytes are data, not structure; 0 = none */
};

/* One of each kind, with a Length wherever there can be one. */
static const struct sample samples[] = {
    {{0x02, 0x00, 0x00, 0x00, 0x00}, 5, 0},
    {{0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}, 8, 0},
    {{0x04, 0x00, 0x01, 0x05}, 4, 0},
    {{0x05, 0x00, 0x01}, 3, 0},
    {{0x06, 0x00, 0x04, 'd', 'a', 't', 'a'}, 7, 0},
    {{0x07, 0x03, 't', 'o', 'k'}, 5, 0},
    {{0x0e, 0x00, 0x00, 0x03, 'a', 'b', 'c'}, 7, 0},
    {{0x0f, 0x00, 0x00, 0x03, 'a', 'b', 'c'}, 7, 0},
    {{0x0c, 0x00, 0x00, 'a'}, 4, 3},
    {{0x10, 0x40, 0xff}, 3, 0},
    {{0x11, 0x00, 0x40, 0xff}, 4, 0},
    {{0x12, 0x40, 0xff}, 3, 0},
    {{0x13, 0x40, 0xff}, 3, 0},
    {{0x14, 0x40, 0xff}, 3, 0},
    {{0x15, 0x00, 0x40, 0xff}, 4, 0},
    {{0x16, 0x40, 0xff}, 3, 0},
    {{0x17, 0x40, 0xff}, 3, 0},
    {{0x18, 0x01, 0x00, 0x04, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 24, 0},
    {{0x19, 0x40, 0x01}, 3, 0},
    {{0x1a, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 0},
    {{0x1b, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 0},
    {{0x1c, 0x0a, 0x00, 0x02, 'n', 'o'}, 6, 0},
    {{0x1d, 0x0a, 0x02, 'n', 'o'}, 5, 0},
    {{0x31, 0x02, 'd', 'g'}, 4, 0},
};

/* [rfc9000-12.4] cut anywhere, a frame is a FRAME_ENCODING_ERROR. */
static void test_P15_truncated_frames(void **state)
{
  (void)state;

  for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
    size_t most = samples[i].fixed != 0 ? samples[i].fixed : samples[i].len;
    for (size_t len = 1; len < most; len++) {
      struct hostile_peer *peer = begin();
      send_bytes(peer, TERN_PACKET_APP, samples[i].bytes, len);
      assert_closed(peer, TERN_QUIC_FRAME_ENCODING_ERROR);
      assert_int_equal(peer->close_frame_type, samples[i].bytes[0]);
      end();
    }
  }
}

/* [rfc9000-12.4] each type in each packet: unknown FRAME_ENCODING_ERROR, misplaced PROTOCOL_VIOLATION. */
static void send_type(uint64_t type, enum tern_packet_type packet)
{
  struct tern_writer *writer;
  enum tern_frame_kind kind;
  struct hostile_peer *peer;

  prepare();
  start();
  peer = hostile_peer_add(&rig, false);
  if (packet == TERN_PACKET_APP) {
    assert_true(hostile_peer_connect(peer));
  } else {
    hostile_peer_start(peer);
    if (packet == TERN_PACKET_HANDSHAKE) {
      hostile_peer_flush(peer);
      peer->speaks_tls = false;
      hostile_rig_turn(&rig);
    }
  }
  writer = hostile_frames(peer);
  tern_write_varint(writer, type);
  memset(tern_write_room(writer, 60), 0, 60);
  hostile_send(peer, packet);
  if (!tern_frame_kind_find(type, &kind)) {
    assert_closed(peer, TERN_QUIC_FRAME_ENCODING_ERROR);
    assert_int_equal(peer->close_frame_type, type);
  } else if (!tern_frame_is_allowed(kind, type, packet)) {
    if (!peer->is_closed || (peer->close_code != TERN_QUIC_PROTOCOL_VIOLATION &&
                             peer->close_code != TERN_QUIC_FRAME_ENCODING_ERROR))
      print_message("type %x in %s\n", (unsigned)type, tern_packet_type_name(packet));
    assert_true(peer->is_closed);
    assert_true(peer->close_code == TERN_QUIC_PROTOCOL_VIOLATION ||
                peer->close_code == TERN_QUIC_FRAME_ENCODING_ERROR);
  }
  end();
}

static void test_P15_frame_types(void **state)
{
  (void)state;
  static const uint64_t large[] = {0x40, 0x3fff, 0x4000, 0x3fffffff, 0x40000000, TERN_VARINT_MAX};
  static const enum tern_packet_type packets[] = {TERN_PACKET_INITIAL, TERN_PACKET_HANDSHAKE,
                                                  TERN_PACKET_APP};

  for (size_t p = 0; p < 3; p++) {
    for (uint64_t type = 0; type < 0x34; type++)
      send_type(type, packets[p]);
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
      send_type(large[i], packets[p]);
  }
}

/* [rfc9000-12.4] a type in more bytes than it needs MAY be a PROTOCOL_VIOLATION; here it is one. */
static void test_P15_wide_frame_type(void **state)
{
  (void)state;
  static const uint8_t widths[] = {2, 4, 8};

  for (size_t i = 0; i < sizeof widths; i++) {
    struct hostile_peer *peer = begin();
    tern_write_varint_sized(hostile_frames(peer), 0x01, widths[i]);
    hostile_send(peer, TERN_PACKET_APP);
    assert_closed(peer, TERN_QUIC_PROTOCOL_VIOLATION);
    end();
  }
}

/* [rfc9000-12.4] MUST: a packet without frames. [rfc9000-17.2] [rfc9000-17.3.1] MUST: reserved bits. */
static void test_P15_empty_packet_and_reserved_bits(void **state)
{
  (void)state;
  uint8_t bytes[100];
  struct hostile_peer *peer = begin();

  (void)hostile_frames(peer);
  hostile_send(peer, TERN_PACKET_APP);
  assert_closed(peer, TERN_QUIC_PROTOCOL_VIOLATION);
  end();
  for (uint8_t flip = 0x08; flip <= 0x18; flip = (uint8_t)(flip + 0x08)) {
    peer = begin();
    struct hostile_packet packet = {
        .type = TERN_PACKET_APP, .payload = {(const uint8_t *)"\1\0\0\0", 4}, .flip = flip};
    size_t len = hostile_seal(peer, &packet, bytes, sizeof bytes);
    hostile_deliver(peer, tern_slice_of(bytes, len));
    hostile_rig_turn(&rig);
    assert_closed(peer, TERN_QUIC_PROTOCOL_VIOLATION);
    end();
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_P5_crypto_far_ahead),
      cmocka_unit_test(test_P5_crypto_early_bound),
      cmocka_unit_test(test_P5_crypto_late_bound),
      cmocka_unit_test(test_P6_endless_crypto),
      cmocka_unit_test(test_P6_endless_crypto_bytes),
      cmocka_unit_test(test_P6_sparse_crypto),
      cmocka_unit_test(test_P6_crypto_to_a_server_after_the_end),
      cmocka_unit_test(test_P6_long_client_hello),
      cmocka_unit_test(test_P2_unwanted_hello),
      cmocka_unit_test(test_P14_transport_parameters),
      cmocka_unit_test(test_P14_repeated_parameters),
      cmocka_unit_test(test_P14_limits),
      cmocka_unit_test(test_P14_largest_idle_timeout),
      cmocka_unit_test(test_P15_truncated_frames),
      cmocka_unit_test(test_P15_frame_types),
      cmocka_unit_test(test_P15_wide_frame_type),
      cmocka_unit_test(test_P15_empty_packet_and_reserved_bits),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
