/* SPDX-License-Identifier: MIT */
/* Packet headers of versions 1 and 2, invariants, and packet numbers against RFC 9000 A.2 and A.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "wire/header.h"
#include "wire/varint.h"

static const uint32_t versions[2] = {TERN_VERSION_1, TERN_VERSION_2};
static const uint8_t id_bytes[256] = "connection ids are made of these bytes, whatever they may be";
static const uint8_t token_bytes[] = "token of a server";

static tern_slice id_of(size_t len)
{
  return tern_slice_of(id_bytes, len);
}

/* [rfc9000-A.2], and both sides of each boundary: more than twice the range [rfc9000-17.1]. */
static void packet_number_sizes(void **state)
{
  (void)state;
  assert_int_equal(tern_packet_number_size(0xac5c02, 0xabe8b3), 2);
  assert_int_equal(tern_packet_number_size(0xace8fe, 0xabe8b3), 3);
  static const struct {
    uint64_t distance;
    size_t size;
  } cases[] = {{1, 1},     {127, 1},     {128, 2},     {32767, 2},
               {32768, 3}, {8388607, 3}, {8388608, 4}, {UINT64_C(1) << 40, 4}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    assert_int_equal(tern_packet_number_size(1000 + cases[i].distance, 1000), cases[i].size);
    /* Nothing acknowledged: the distance is from -1. */
    assert_int_equal(tern_packet_number_size(cases[i].distance - 1, TERN_PACKET_NUMBER_NONE),
                     cases[i].size);
  }
}

/* [rfc9000-A.3] */
static void packet_number_decoding(void **state)
{
  static const struct {
    uint64_t largest;
    uint64_t truncated;
    unsigned bits;
    uint64_t expected;
  } cases[] = {
      {0xa82f30ea, 0x9b32, 16, 0xa82f9b32},
      {TERN_PACKET_NUMBER_NONE, 0, 8, 0},
      {TERN_PACKET_NUMBER_NONE, 255, 8, 255},
      {0, 0, 8, 0},
      {254, 0, 8, 256},
      {300, 0xff, 8, 255},
      {300, 0x2d, 8, 301},
      {127, 0xff, 8, 255},
      {126, 0xff, 8, 255},
      {TERN_VARINT_MAX - 1, 0xff, 8, TERN_VARINT_MAX},
      {TERN_VARINT_MAX - 1, 0x00, 8, TERN_VARINT_MAX - 255},
      {TERN_VARINT_MAX - 1, 0x00000000, 32, TERN_VARINT_MAX - UINT32_MAX},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    assert_int_equal(tern_packet_number_decode(cases[i].largest, cases[i].truncated, cases[i].bits),
                     cases[i].expected);
}

/* Whatever the receiver has got between the acknowledged one and this, the number comes back. */
static void packet_numbers_come_back(void **state)
{
  const uint64_t seed = 0x9e;
  struct tern_random_seeded random;
  (void)state;
  print_message("seed %llu\n", (unsigned long long)seed);
  tern_random_seeded_init(&random, seed);
  for (int i = 0; i < 100000; i++) {
    uint64_t acked =
        tern_random_seeded_next(&random) >> (3 + tern_random_seeded_next(&random) % 60);
    uint64_t distance = 1 + (tern_random_seeded_next(&random) >> (33 + i % 31));
    uint64_t pn = acked + distance;
    size_t size = tern_packet_number_size(pn, acked);
    uint8_t bytes[4];
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    tern_write_packet_number(&writer, pn, size);
    assert_int_equal(tern_writer_len(&writer), size);
    uint64_t truncated = 0;
    for (size_t j = 0; j < size; j++)
      truncated = truncated << 8 | bytes[j];
    uint64_t largest = acked + tern_random_seeded_next(&random) % distance;
    assert_int_equal(tern_packet_number_decode(largest, truncated, (unsigned)size * 8), pn);
  }
}

/* ---- long headers ------------------------------------------------------------------------ */

static size_t write_packet(const struct tern_long_header_args *args, size_t payload, uint8_t *bytes,
                           size_t room)
{
  struct tern_writer writer = tern_writer_of(bytes, room);
  size_t length_at;
  tern_header_write_long(&writer, args, &length_at);
  assert_int_equal(tern_writer_len(&writer), tern_header_size_long(args));
  uint8_t *at = tern_write_room(&writer, payload);
  assert_non_null(at);
  memset(at, 0xee, payload);
  tern_header_patch_length(&writer, length_at, 16);
  at = tern_write_room(&writer, 16);
  assert_non_null(at);
  memset(at, 0xaa, 16);
  return tern_writer_len(&writer);
}

static void check_long(const struct tern_long_header_args *args, size_t payload)
{
  uint8_t bytes[512];
  size_t len = write_packet(args, payload, bytes, sizeof(bytes) - 7);
  memset(bytes + len, 0, 7);
  struct tern_long_header header;
  struct tern_reader reader = tern_reader_of(bytes, len + 7);
  assert_int_equal(tern_header_read_long(&reader, true, &header), TERN_HEADER_OK);
  assert_int_equal(tern_reader_left(&reader), 7); /* the next coalesced packet */
  assert_int_equal(header.type, args->type);
  assert_int_equal(header.version, args->version);
  assert_true(header.dcid.len == args->dcid.len && header.scid.len == args->scid.len);
  assert_memory_equal(header.dcid.data, args->dcid.data, args->dcid.len);
  assert_memory_equal(header.scid.data, args->scid.data, args->scid.len);
  size_t token_len = args->type == TERN_PACKET_INITIAL ? args->token.len : 0;
  assert_int_equal(header.token.len, token_len);
  assert_int_equal(header.packet_len, len);
  assert_int_equal(header.length, args->pn_len + payload + 16);
  assert_int_equal(header.pn_offset + header.length, len);
  assert_int_equal(tern_header_pn_len(header.first), args->pn_len);
  assert_false(tern_header_has_reserved_bits(header.first));

  /* No truncation of the packet can be read. */
  for (size_t cut = 0; cut < len; cut++) {
    uint8_t exact[512];
    uint8_t *start = exact + sizeof(exact) - cut;
    memcpy(start, bytes, cut);
    reader = tern_reader_of(start, cut);
    assert_int_not_equal(tern_header_read_long(&reader, true, &header), TERN_HEADER_OK);
  }
}

/* [rfc9000-17.2] [rfc9369-3.2] */
static void long_headers_come_back(void **state)
{
  static const enum tern_packet_type types[3] = {TERN_PACKET_INITIAL, TERN_PACKET_EARLY,
                                                 TERN_PACKET_HANDSHAKE};
  (void)state;
  for (size_t i = 0; i < 2 * 3 * 4 * 3; i++) {
    struct tern_long_header_args args = {0};
    args.version = versions[i % 2];
    args.type = types[i / 2 % 3];
    args.pn_len = 1 + i / 6 % 4;
    args.pn = 0x01020304;
    args.dcid = id_of(i / 24 * 10);
    args.scid = id_of(20 - i / 24 * 10);
    args.token = tern_slice_of(token_bytes, i / 24 * 8);
    check_long(&args, 20);
  }
}

/* Bytes 0 on the wire, from the figures: version 1 numbers the types 0 to 3 [rfc9000-17.2, table 5],
 * version 2 Initial 1, 0-RTT 2, Handshake 3, Retry 0 [rfc9369-3.2]. */
static void type_bits_by_version(void **state)
{
  static const struct {
    uint32_t version;
    uint8_t first;
    enum tern_packet_type type;
  } cases[] = {
      {TERN_VERSION_1, 0xc0, TERN_PACKET_INITIAL},   {TERN_VERSION_1, 0xd0, TERN_PACKET_EARLY},
      {TERN_VERSION_1, 0xe0, TERN_PACKET_HANDSHAKE}, {TERN_VERSION_1, 0xf0, TERN_PACKET_RETRY},
      {TERN_VERSION_2, 0xd0, TERN_PACKET_INITIAL},   {TERN_VERSION_2, 0xe0, TERN_PACKET_EARLY},
      {TERN_VERSION_2, 0xf0, TERN_PACKET_HANDSHAKE}, {TERN_VERSION_2, 0xc0, TERN_PACKET_RETRY},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint8_t bytes[64] = {0};
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    tern_write_u8(&writer, cases[i].first);
    tern_write_u32(&writer, cases[i].version);
    tern_write_u16(&writer, 0); /* no connection ids */
    tern_write_u8(&writer, 0);  /* Token Length, or the first of Length */
    bytes[7] = cases[i].type == TERN_PACKET_INITIAL ? 0 : 20;
    bytes[8] = 20;
    struct tern_reader reader = tern_reader_of(bytes, sizeof(bytes));
    struct tern_long_header header;
    assert_int_equal(tern_header_read_long(&reader, true, &header), TERN_HEADER_OK);
    assert_int_equal(header.type, cases[i].type);
    if (cases[i].type == TERN_PACKET_RETRY)
      continue;
    struct tern_long_header_args args = {0};
    args.version = cases[i].version;
    args.type = cases[i].type;
    args.pn_len = 1;
    writer = tern_writer_of(bytes, sizeof(bytes));
    size_t length_at;
    tern_header_write_long(&writer, &args, &length_at);
    assert_int_equal(bytes[0], cases[i].first);
  }
}

/* All pairs of connection id lengths [rfc8999-5.1] [rfc9000-17.2]. */
static void connection_id_lengths(void **state)
{
  (void)state;
  for (size_t dcid = 0; dcid < 256; dcid++) {
    for (size_t scid = 0; scid < 256; scid++) {
      uint8_t bytes[600] = {0xc3, 0, 0, 0, 1};
      struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
      writer.at += 5;
      tern_write_u8(&writer, (uint8_t)dcid);
      tern_write_bytes(&writer, id_bytes, dcid);
      tern_write_u8(&writer, (uint8_t)scid);
      tern_write_bytes(&writer, id_bytes, scid);
      tern_write_u8(&writer, 0);
      tern_write_u8(&writer, 30);
      size_t len = tern_writer_len(&writer) + 30;

      struct tern_reader reader = tern_reader_of(bytes, len);
      struct tern_invariant invariant;
      assert_true(tern_header_read_invariant(&reader, 8, &invariant));
      assert_true(invariant.is_long && invariant.version == 1);
      assert_true(invariant.dcid.len == dcid && invariant.scid.len == scid);
      reader = tern_reader_of(bytes, 7 + dcid + scid - 1);
      assert_false(tern_header_read_invariant(&reader, 8, &invariant));

      reader = tern_reader_of(bytes, len);
      struct tern_long_header header;
      assert_int_equal(tern_header_read_long(&reader, true, &header),
                       dcid > 20 || scid > 20 ? TERN_HEADER_CID_LENGTH : TERN_HEADER_OK);
    }
  }
}

static enum tern_header_fault read_hex(const char *bytes, size_t len, bool needs_fixed_bit)
{
  struct tern_reader reader = tern_reader_of(bytes, len);
  struct tern_long_header header;
  return tern_header_read_long(&reader, needs_fixed_bit, &header);
}

static void faults_have_their_names(void **state)
{
#define BYTES(text) text, sizeof(text) - 1
#define P20 "aaaabbbbccccddddeeee"
  static const struct {
    const char *bytes;
    size_t len;
    enum tern_header_fault fault;
  } cases[] = {
      {BYTES(""), TERN_HEADER_TRUNCATED},
      {BYTES("\xc0\x00\x00\x00\x01"), TERN_HEADER_TRUNCATED},
      {BYTES("\x40\x00\x00\x00\x01\x00\x00\x00\x14" P20), TERN_HEADER_FORM},
      {BYTES("\xc0\x00\x00\x00\x00\x00\x00\x00\x14" P20), TERN_HEADER_VERSION},
      {BYTES("\xc0\x1a\x2a\x3a\x4a\xff"), TERN_HEADER_TRUNCATED},
      {BYTES("\x80\x00\x00\x00\x01\x00\x00\x00\x14" P20), TERN_HEADER_FIXED_BIT},
      /* Token Length and Length past the end, each width */
      {BYTES("\xc0\x00\x00\x00\x01\x00\x00\x3f\x14" P20), TERN_HEADER_LENGTH},
      {BYTES("\xc0\x00\x00\x00\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff" P20),
       TERN_HEADER_LENGTH},
      {BYTES("\xc0\x00\x00\x00\x01\x00\x00\x00\x15" P20), TERN_HEADER_LENGTH},
      {BYTES("\xe0\x00\x00\x00\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff" P20),
       TERN_HEADER_LENGTH},
      {BYTES("\xc0\x00\x00\x00\x01\x00\x00\x00\x13" P20), TERN_HEADER_TOO_SHORT},
      {BYTES("\xc0\x00\x00\x00\x01\x00\x00\x00\x00" P20), TERN_HEADER_TOO_SHORT},
      {BYTES("\xc0\x00\x00\x00\x01\x00\x00\x00\x14" P20), TERN_HEADER_OK},
      {BYTES("\xf0\x00\x00\x00\x01\x00\x00"
             "0123456789abcde"),
       TERN_HEADER_TRUNCATED},
      {BYTES("\xf0\x00\x00\x00\x01\x00\x00"
             "0123456789abcdef"),
       TERN_HEADER_OK},
  };
#undef BYTES
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    assert_string_equal(tern_header_fault_name(read_hex(cases[i].bytes, cases[i].len, true)),
                        tern_header_fault_name(cases[i].fault));
  /* [rfc9287-3.1] */
  assert_int_equal(read_hex(cases[5].bytes, cases[5].len, false), TERN_HEADER_OK);
}

/* Token and tag of a Retry; it takes the whole datagram [rfc9000-17.2.5]. */
static void reads_retry(void **state)
{
  static const char bytes[] = "\xff\x00\x00\x00\x01\x00\x02id"
                              "the token"
                              "0123456789abcdef";
  struct tern_reader reader = tern_reader_of(bytes, sizeof(bytes) - 1);
  struct tern_long_header header;
  (void)state;
  assert_int_equal(tern_header_read_long(&reader, true, &header), TERN_HEADER_OK);
  assert_int_equal(header.type, TERN_PACKET_RETRY);
  assert_int_equal(header.token.len, 9);
  assert_memory_equal(header.token.data, "the token", 9);
  assert_memory_equal(bytes + header.pn_offset, "0123456789abcdef", 16);
  assert_int_equal(header.packet_len, sizeof(bytes) - 1);
  assert_int_equal(tern_reader_left(&reader), 0);
}

/* ---- short headers ----------------------------------------------------------------------- */

/* [rfc9000-17.3.1] */
static void short_headers_come_back(void **state)
{
  (void)state;
  for (size_t i = 0; i < 21 * 4 * 8; i++) {
    struct tern_short_header_args args;
    args.dcid = id_of(i % 21);
    args.pn = 0x04030201;
    args.pn_len = 1 + i / 21 % 4;
    args.spin = (i / 84 & 1) != 0;
    args.key_phase = (i / 84 & 2) != 0;
    args.clear_fixed_bit = (i / 84 & 4) != 0;
    uint8_t bytes[64] = {0};
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    tern_header_write_short(&writer, &args);
    assert_int_equal(tern_writer_len(&writer), tern_header_size_short(args.dcid.len, args.pn_len));
    assert_int_equal(bytes[0] & 0x98, 0); /* form and reserved bits */
    assert_int_equal(bytes[1 + args.dcid.len + args.pn_len - 1], 0x01);

    struct tern_short_header header;
    struct tern_reader reader = tern_reader_of(bytes, 1 + args.dcid.len + 20);
    assert_int_equal(tern_header_read_short(&reader, args.dcid.len, true, &header),
                     args.clear_fixed_bit ? TERN_HEADER_FIXED_BIT : TERN_HEADER_OK);
    reader = tern_reader_of(bytes, 1 + args.dcid.len + 20);
    assert_int_equal(tern_header_read_short(&reader, args.dcid.len, false, &header),
                     TERN_HEADER_OK);
    assert_int_equal(header.pn_offset, 1 + args.dcid.len);
    assert_int_equal(header.packet_len, 1 + args.dcid.len + 20);
    assert_memory_equal(header.dcid.data, args.dcid.data, args.dcid.len);
    assert_int_equal(tern_header_pn_len(header.first), args.pn_len);
    assert_int_equal(tern_header_has_spin(header.first), args.spin);
    assert_int_equal(tern_header_has_key_phase(header.first), args.key_phase);
    assert_int_equal(tern_reader_left(&reader), 0);

    for (size_t cut = 0; cut < 1 + args.dcid.len + 20; cut++) {
      reader = tern_reader_of(bytes, cut);
      assert_int_equal(tern_header_read_short(&reader, args.dcid.len, false, &header),
                       cut < 1 + args.dcid.len ? TERN_HEADER_TRUNCATED : TERN_HEADER_TOO_SHORT);
    }
  }
  uint8_t bytes[64] = {0xc0};
  struct tern_reader reader = tern_reader_of(bytes, sizeof(bytes));
  struct tern_short_header header;
  assert_int_equal(tern_header_read_short(&reader, 8, true, &header), TERN_HEADER_FORM);
}

static void short_invariants(void **state)
{
  uint8_t bytes[16] = {0x41, 'a', 'b', 'c'};
  struct tern_invariant invariant;
  (void)state;
  struct tern_reader reader = tern_reader_of(bytes, sizeof(bytes));
  assert_true(tern_header_read_invariant(&reader, 3, &invariant));
  assert_false(invariant.is_long);
  assert_int_equal(invariant.dcid.len, 3);
  assert_memory_equal(invariant.dcid.data, "abc", 3);
  assert_int_equal(invariant.scid.len, 0);
  reader = tern_reader_of(bytes, sizeof(bytes));
  assert_false(tern_header_read_invariant(&reader, 16, &invariant));
  reader = tern_reader_of(bytes, 0);
  assert_false(tern_header_read_invariant(&reader, 0, &invariant));
}

/* [rfc9000-17.2] [rfc9000-17.3.1] Masks 0x0c and 0x18. */
static void reserved_bits(void **state)
{
  (void)state;
  for (unsigned first = 0; first < 256; first++) {
    unsigned mask = (first & 0x80) != 0 ? 0x0c : 0x18;
    assert_int_equal(tern_header_has_reserved_bits((uint8_t)first), (first & mask) != 0);
  }
}

/* A header that does not fit leaves no patch behind. */
static void a_full_writer_is_safe(void **state)
{
  (void)state;
  struct tern_long_header_args args = {0};
  args.version = TERN_VERSION_1;
  args.type = TERN_PACKET_INITIAL;
  args.dcid = id_of(8);
  args.token = tern_slice_of(token_bytes, 10);
  args.pn_len = 2;
  for (size_t room = 0; room < tern_header_size_long(&args); room++) {
    uint8_t bytes[64];
    struct tern_writer writer = tern_writer_of(bytes, room);
    size_t length_at;
    tern_header_write_long(&writer, &args, &length_at);
    assert_true(writer.is_full);
    tern_header_patch_length(&writer, length_at, 16);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packet_number_sizes),
      cmocka_unit_test(packet_number_decoding),
      cmocka_unit_test(packet_numbers_come_back),
      cmocka_unit_test(long_headers_come_back),
      cmocka_unit_test(type_bits_by_version),
      cmocka_unit_test(connection_id_lengths),
      cmocka_unit_test(faults_have_their_names),
      cmocka_unit_test(reads_retry),
      cmocka_unit_test(short_headers_come_back),
      cmocka_unit_test(short_invariants),
      cmocka_unit_test(reserved_bits),
      cmocka_unit_test(a_full_writer_is_safe),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
