/* SPDX-License-Identifier: MIT */
/* Version Negotiation, Retry layout, Stateless Reset; and the names in quic.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <tern/transport.h>

#include "wire/stateless.h"

static const uint32_t ours[2] = {TERN_VERSION_2, TERN_VERSION_1};
static const uint8_t ids[255] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

/* [rfc9000-17.2.1] Ids of any length come back exchanged, our versions and a reserved one are listed. */
static void version_negotiation_comes_back(void **state)
{
  (void)state;
  for (size_t i = 0; i < 256; i += 5) {
    uint8_t bytes[600];
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    struct tern_version_negotiation_args args = {tern_slice_of(ids, i), tern_slice_of(ids, 255 - i),
                                                 ours, 2, (uint32_t)i * 0x01234567u};
    tern_version_negotiation_write(&writer, &args);
    assert_false(writer.is_full);
    assert_int_equal(bytes[0] & 0xc0, 0xc0);

    struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
    struct tern_invariant invariant;
    assert_true(tern_header_read_invariant(&reader, 0, &invariant));
    assert_int_equal(invariant.version, TERN_VERSION_NEGOTIATION);
    assert_true(invariant.dcid.len == i && invariant.scid.len == 255 - i);
    tern_slice list;
    assert_true(tern_version_negotiation_read(&reader, &list));
    assert_int_equal(list.len, 12);
    assert_true(tern_version_negotiation_has(list, TERN_VERSION_1));
    assert_true(tern_version_negotiation_has(list, TERN_VERSION_2));
    assert_false(tern_version_negotiation_has(list, 3));
    struct tern_reader first = tern_reader_of(list.data, 4);
    uint32_t grease;
    assert_true(tern_read_u32(&first, &grease));
    assert_true(tern_version_is_reserved(grease)); /* [rfc9000-6.3] */
    assert_int_equal(tern_version_negotiation_choose(list, ours, 2), TERN_VERSION_2);
    assert_int_equal(tern_version_negotiation_choose(list, ours + 1, 1), TERN_VERSION_1);
    static const uint32_t unknown = 0x7fffffff;
    assert_int_equal(tern_version_negotiation_choose(list, &unknown, 1), 0);
  }
}

static void version_lists_are_whole(void **state)
{
  uint8_t bytes[16] = {0, 0, 0, 1};
  (void)state;
  for (size_t len = 0; len <= sizeof(bytes); len++) {
    struct tern_reader reader = tern_reader_of(bytes, len);
    tern_slice list;
    assert_int_equal(tern_version_negotiation_read(&reader, &list), len != 0 && len % 4 == 0);
  }
}

/* [rfc9000-17.2.5] [rfc9369-3.2] */
static void retry_comes_back(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 32; i++) {
    uint8_t bytes[128];
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    struct tern_retry_args args = {(i & 1) != 0 ? TERN_VERSION_1 : TERN_VERSION_2,
                                   tern_slice_of(ids, i % 21), tern_slice_of(ids, 20 - i % 21),
                                   tern_slice_of("token", 5), (uint8_t)(i * 9)};
    tern_retry_write(&writer, &args);
    size_t tag_at = tern_writer_len(&writer);
    tern_write_bytes(&writer, "0123456789abcdef", 16);

    struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
    struct tern_long_header header;
    assert_int_equal(tern_header_read_long(&reader, true, &header), TERN_HEADER_OK);
    assert_int_equal(header.type, TERN_PACKET_RETRY);
    assert_int_equal(header.version, args.version);
    assert_true(header.dcid.len == args.dcid.len && header.scid.len == args.scid.len);
    assert_int_equal(header.token.len, 5);
    assert_memory_equal(header.token.data, "token", 5);
    assert_int_equal(header.pn_offset, tag_at);
  }
}

/* [rfc9001-5.8] ODCID Length and ODCID come before the packet. */
static void retry_pseudo_header(void **state)
{
  uint8_t bytes[32];
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  (void)state;
  tern_retry_write_pseudo_header(&writer, tern_slice_of(ids, 9));
  assert_int_equal(tern_writer_len(&writer), 10);
  assert_int_equal(bytes[0], 9);
  assert_memory_equal(bytes + 1, ids, 9);
}

/* [rfc9000-10.3] [rfc9000-10.3.3] */
static void reset_sizes(void **state)
{
  (void)state;
  for (size_t trigger = 0; trigger <= 70000; trigger++) {
    size_t size = tern_reset_size(trigger);
    if (trigger <= 21) {
      assert_int_equal(size, 0);
      continue;
    }
    assert_true(size >= TERN_RESET_BYTES_MIN && size < trigger);
    assert_true(size < 3 * trigger);
    if (trigger <= 43)
      assert_int_equal(size, trigger - 1);
  }
  /* Two endpoints that reset each other stop. */
  int rounds = 0;
  for (size_t size = 1500; size != 0; rounds++)
    size = tern_reset_size(size);
  assert_true(rounds <= 40);
}

static void reset_comes_back(void **state)
{
  static const uint8_t token[16] = "sixteen byte tok";
  uint8_t noise[64];
  (void)state;
  memset(noise, 0xff, sizeof(noise));
  for (size_t size = TERN_RESET_BYTES_MIN; size <= TERN_RESET_BYTES_USUAL; size++) {
    uint8_t bytes[64];
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    tern_reset_write(&writer, size, noise, token);
    assert_int_equal(tern_writer_len(&writer), size);
    assert_int_equal(bytes[0] & 0xc0, 0x40); /* looks like a short header */
    const uint8_t *found = tern_reset_find_token(tern_slice_of(bytes, size));
    assert_non_null(found);
    assert_true(tern_reset_token_equal(found, token));
    for (size_t i = 0; i < 16; i++) {
      bytes[size - 16 + i] ^= 0x80;
      assert_false(tern_reset_token_equal(found, token));
      bytes[size - 16 + i] ^= 0x80;
    }
    /* [rfc9000-10.3] Also behind a long header. */
    bytes[0] = 0xff;
    assert_non_null(tern_reset_find_token(tern_slice_of(bytes, size)));
  }
  assert_null(tern_reset_find_token(tern_slice_of(noise, TERN_RESET_BYTES_MIN - 1)));
  assert_null(tern_reset_find_token(tern_slice_of(NULL, 0)));
}

/* [rfc9000-20.1] [rfc9001-4.8] */
static void error_names(void **state)
{
  (void)state;
  assert_string_equal(tern_transport_error_name(0x00), "NO_ERROR");
  assert_string_equal(tern_transport_error_name(0x07), "FRAME_ENCODING_ERROR");
  assert_string_equal(tern_transport_error_name(0x0a), "PROTOCOL_VIOLATION");
  assert_string_equal(tern_transport_error_name(0x10), "NO_VIABLE_PATH");
  assert_string_equal(tern_transport_error_name(0x11), "VERSION_NEGOTIATION_ERROR");
  assert_string_equal(tern_transport_error_name(0x100), "CRYPTO_ERROR");
  assert_string_equal(tern_transport_error_name(0x1ff), "CRYPTO_ERROR");
  assert_null(tern_transport_error_name(0x12));
  assert_null(tern_transport_error_name(0xff));
  assert_null(tern_transport_error_name(0x200));
  assert_null(tern_transport_error_name(UINT64_MAX));
}

static void names_and_spaces_of_types(void **state)
{
  (void)state;
  assert_string_equal(tern_packet_type_name(TERN_PACKET_EARLY), "0-RTT");
  assert_string_equal(tern_packet_type_name(TERN_PACKET_APP), "1-RTT");
  assert_int_equal(tern_space_of(TERN_PACKET_INITIAL), TERN_SPACE_INITIAL);
  assert_int_equal(tern_space_of(TERN_PACKET_HANDSHAKE), TERN_SPACE_HANDSHAKE);
  assert_int_equal(tern_space_of(TERN_PACKET_EARLY), TERN_SPACE_APP);
  assert_int_equal(tern_space_of(TERN_PACKET_APP), TERN_SPACE_APP);
}

static void connection_ids_compare(void **state)
{
  struct tern_cid a = tern_cid_of(tern_slice_of("abcd", 4));
  struct tern_cid b = tern_cid_of(tern_slice_of("abce", 4));
  struct tern_cid empty = tern_cid_of(tern_slice_of(NULL, 0));
  (void)state;
  assert_true(tern_cid_equal(&a, &a));
  assert_false(tern_cid_equal(&a, &b));
  assert_false(tern_cid_equal(&a, &empty));
  assert_true(tern_cid_equal(&empty, &empty));
  assert_true(tern_cid_is_slice(&a, tern_cid_slice(&a)));
  assert_false(tern_cid_is_slice(&a, tern_slice_of("abc", 3)));
  assert_true(tern_cid_is_slice(&empty, tern_slice_of(NULL, 0)));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(version_negotiation_comes_back),
      cmocka_unit_test(version_lists_are_whole),
      cmocka_unit_test(retry_comes_back),
      cmocka_unit_test(retry_pseudo_header),
      cmocka_unit_test(reset_sizes),
      cmocka_unit_test(reset_comes_back),
      cmocka_unit_test(error_names),
      cmocka_unit_test(names_and_spaces_of_types),
      cmocka_unit_test(connection_ids_compare),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
