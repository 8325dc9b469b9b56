/* SPDX-License-Identifier: MIT */
/* Transport parameters: round trips, every bound of RFC 9000 18.2 at v - 1, v, v + 1, duplicates,
 * roles, truncations, unknown ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "wire/params.h"
#include "wire/varint.h"

#define BAD TERN_QUIC_TRANSPORT_PARAMETER_ERROR

static const uint64_t integer_ids[] = {0x01, 0x03, 0x04, 0x05, 0x06, 0x07,
                                       0x08, 0x09, 0x0a, 0x0b, 0x0e, 0x20};
#define INTEGERS (sizeof(integer_ids) / sizeof(integer_ids[0]))

static void put(struct tern_writer *writer, uint64_t id, const void *value, size_t len)
{
  tern_write_varint(writer, id);
  tern_write_varint(writer, len);
  tern_write_bytes(writer, value, len);
}

static void put_integer(struct tern_writer *writer, uint64_t id, uint64_t value, size_t width)
{
  tern_write_varint(writer, id);
  tern_write_varint(writer, width);
  tern_write_varint_sized(writer, value, width);
}

static uint64_t read_written(const struct tern_writer *writer, bool is_from_server,
                             struct tern_params *params)
{
  return tern_params_read(tern_slice_of(writer->start, tern_writer_len(writer)), is_from_server,
                          params);
}

static uint64_t read_single(uint64_t id, const void *value, size_t len, bool is_from_server)
{
  uint8_t bytes[512];
  struct tern_params params;
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  put(&writer, id, value, len);
  return read_written(&writer, is_from_server, &params);
}

static uint64_t read_integer_single(uint64_t id, uint64_t value, struct tern_params *params)
{
  uint8_t bytes[32];
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  put_integer(&writer, id, value, tern_varint_size(value));
  return read_written(&writer, true, params);
}

/* [rfc9000-18.2] */
static void defaults(void **state)
{
  struct tern_params params;
  (void)state;
  assert_int_equal(tern_params_read(tern_slice_of("", 0), false, &params), 0);
  assert_int_equal(params.max_udp_payload_bytes, 65527);
  assert_int_equal(params.ack_delay_exponent, 3);
  assert_int_equal(params.max_ack_delay_ms, 25);
  assert_int_equal(params.active_connection_id_limit, 2);
  assert_int_equal(params.max_idle_timeout_ms, 0);
  assert_int_equal(params.initial_max_data, 0);
  assert_int_equal(params.initial_max_streams_bidi, 0);
  assert_int_equal(params.max_datagram_frame_bytes, 0);
  assert_false(params.has_initial_scid || params.has_original_dcid || params.has_retry_scid);
  assert_false(params.has_reset_token || params.has_preferred_address ||
               params.has_version_information || params.has_initial_max_path_id);
  assert_false(params.disable_active_migration || params.grease_quic_bit);
  uint8_t bytes[64];
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  tern_params_write(&writer, &params, true);
  assert_int_equal(tern_writer_len(&writer), 0);
}

/* [rfc9000-18.2] [rfc9000-4.6] [draft-ietf-quic-multipath-2.1] The first and last good value of each. */
static void bounds(void **state)
{
  static const struct {
    uint64_t id;
    uint64_t min;
    uint64_t max;
  } cases[] = {
      {0x01, 0, TERN_VARINT_MAX},
      {0x03, 1200, TERN_VARINT_MAX},
      {0x04, 0, TERN_VARINT_MAX},
      {0x05, 0, TERN_VARINT_MAX},
      {0x06, 0, TERN_VARINT_MAX},
      {0x07, 0, TERN_VARINT_MAX},
      {0x08, 0, UINT64_C(1) << 60},
      {0x09, 0, UINT64_C(1) << 60},
      {0x0a, 0, 20},
      {0x0b, 0, 16383},
      {0x0e, 2, TERN_VARINT_MAX},
      {0x20, 0, TERN_VARINT_MAX},
      {0x3e, 0, UINT32_MAX},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct tern_params params;
    assert_int_equal(read_integer_single(cases[i].id, cases[i].min, &params), 0);
    assert_int_equal(read_integer_single(cases[i].id, cases[i].min + 1, &params), 0);
    assert_int_equal(read_integer_single(cases[i].id, cases[i].max - 1, &params), 0);
    assert_int_equal(read_integer_single(cases[i].id, cases[i].max, &params), 0);
    if (cases[i].min > 0)
      assert_int_equal(read_integer_single(cases[i].id, cases[i].min - 1, &params), BAD);
    if (cases[i].max < TERN_VARINT_MAX)
      assert_int_equal(read_integer_single(cases[i].id, cases[i].max + 1, &params), BAD);
  }
}

/* The value of an integer parameter is one varint, of any width, and nothing more. */
static void integers_fill_their_length(void **state)
{
  (void)state;
  for (size_t i = 0; i < INTEGERS; i++) {
    uint64_t value = integer_ids[i] == 0x03 ? 1200 : 7;
    for (size_t width = tern_varint_size(value); width <= 8; width *= 2) {
      uint8_t number[9] = {0};
      struct tern_writer writer = tern_writer_of(number, sizeof(number));
      tern_write_varint_sized(&writer, value, width);
      for (size_t len = 0; len <= sizeof(number); len++)
        assert_int_equal(read_single(integer_ids[i], number, len, true), len == width ? 0 : BAD);
    }
  }
}

static void lengths_of_the_others(void **state)
{
  uint8_t zeros[300] = {0};
  (void)state;
  for (size_t len = 0; len < 80; len++) {
    uint64_t cid = len <= 20 ? 0 : BAD;
    assert_int_equal(read_single(0x00, zeros, len, true), cid);
    assert_int_equal(read_single(0x0f, zeros, len, true), cid);
    assert_int_equal(read_single(0x0f, zeros, len, false), cid);
    assert_int_equal(read_single(0x10, zeros, len, true), cid);
    assert_int_equal(read_single(0x02, zeros, len, true), len == 16 ? 0 : BAD);
    assert_int_equal(read_single(0x0c, zeros, len, true), len == 0 ? 0 : BAD);
    assert_int_equal(read_single(0x2ab2, zeros, len, true), len == 0 ? 0 : BAD);
    assert_int_equal(read_single(0x11, zeros, len, true), BAD); /* version 0 */
    assert_int_equal(read_single(0x40, zeros, len, true), 0);   /* unknown */
  }
}

/* [rfc9000-18.2] Connection ids of 1 to 20 bytes, and nothing after the token. */
static void preferred_address(void **state)
{
  uint8_t bytes[80] = {192, 0, 2, 1, 0x01, 0xbb};
  (void)state;
  for (unsigned cid = 0; cid < 256; cid++) {
    bytes[24] = (uint8_t)cid;
    for (size_t len = 0; len < sizeof(bytes); len++) {
      bool is_good = cid >= 1 && cid <= 20 && len == 24 + 1 + cid + 16;
      assert_int_equal(read_single(0x0d, bytes, len, true), is_good ? 0 : BAD);
    }
  }
  uint8_t body[128];
  struct tern_params params;
  struct tern_writer writer = tern_writer_of(body, sizeof(body));
  bytes[24] = 4;
  put(&writer, 0x0d, bytes, 24 + 1 + 4 + 16);
  assert_int_equal(read_written(&writer, true, &params), 0);
  assert_int_equal(params.preferred_address.v4.family, 4);
  assert_int_equal(params.preferred_address.v4.port, 443);
  assert_int_equal(params.preferred_address.v6.family, 0); /* all zero: not given */
  /* A server with a zero-length connection id MUST NOT provide one. */
  put(&writer, 0x0f, "", 0);
  assert_int_equal(read_written(&writer, true, &params), BAD);
}

/* [rfc9000-18.2] A client's server-only parameter. */
static void roles(void **state)
{
  static const uint64_t server_only[] = {0x00, 0x02, 0x0d, 0x10};
  uint8_t bytes[64] = {0};
  static const size_t lens[] = {8, 16, 45, 8};
  (void)state;
  bytes[24] = 4;
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(read_single(server_only[i], bytes, lens[i], true), 0);
    assert_int_equal(read_single(server_only[i], bytes, lens[i], false), BAD);
  }
}

/* [rfc9368-4] */
static void version_information(void **state)
{
#define V1 "\0\0\0\1"
#define V2 "\x6b\x33\x43\xcf"
  static const struct {
    const char *bytes;
    size_t len;
    uint64_t from_server;
    uint64_t from_client;
  } cases[] = {
      {"", 0, BAD, BAD},
      {V1, 3, BAD, BAD},
      {V1, 4, 0, BAD}, /* a client's list has its chosen version */
      {V1 V1, 8, 0, 0},
      {V1 V2 V1, 12, 0, 0},
      {V1 V2, 8, 0, BAD},
      {V1 V1 "\0", 9, BAD, BAD},
      {"\0\0\0\0" V1, 8, BAD, BAD},
      {V1 V1 "\0\0\0\0", 12, BAD, BAD},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    assert_int_equal(read_single(0x11, cases[i].bytes, cases[i].len, true), cases[i].from_server);
    assert_int_equal(read_single(0x11, cases[i].bytes, cases[i].len, false), cases[i].from_client);
  }
  /* More versions than are kept: the first ones stay. */
  uint8_t bytes[512];
  uint8_t list[200];
  struct tern_params params;
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  struct tern_writer versions = tern_writer_of(list, sizeof(list));
  for (uint32_t i = 0; i < 50; i++)
    tern_write_u32(&versions, i == 0 ? 7 : i);
  put(&writer, 0x11, list, 200);
  assert_int_equal(read_written(&writer, false, &params), 0);
  assert_int_equal(params.chosen_version, 7);
  assert_int_equal(params.available_versions_count, TERN_PARAMS_VERSIONS_MAX);
  assert_int_equal(params.available_versions[15], 16);
}

/* ---- many parameters --------------------------------------------------------------------- */

static const uint64_t all_ids[] = {
    0x00, 0x01, 0x02,   0x03, 0x04, 0x05,           0x06,       0x07,           0x08,
    0x09, 0x0a, 0x0b,   0x0c, 0x0d, 0x0e,           0x0f,       0x10,           0x11,
    0x20, 0x3e, 0x2ab2, 0x1b, 0x3a, 31 * 1000 + 27, 0x3fffffff, TERN_VARINT_MAX};
#define IDS (sizeof(all_ids) / sizeof(all_ids[0]))

/* A good value of parameter `id`. */
static void put_good(struct tern_writer *writer, uint64_t id)
{
  static const uint8_t preferred[45] = {[24] = 4};
  for (size_t i = 0; i < INTEGERS; i++) {
    if (integer_ids[i] == id) {
      put_integer(writer, id, id == 0x03 ? 1300 : 6, id == 0x03 ? 2 : 1);
      return;
    }
  }
  if (id == 0x00 || id == 0x0f || id == 0x10)
    put(writer, id, "12345678", 8);
  else if (id == 0x02)
    put(writer, id, "0123456789abcdef", 16);
  else if (id == 0x0d)
    put(writer, id, preferred, 45);
  else if (id == 0x11)
    put(writer, id, V1 V1, 8);
  else if (id == 0x3e)
    put(writer, id, "\1", 1);
  else
    put(writer, id, "", 0);
}

/* [rfc9000-7.4] All pairs: the same twice is refused, two different ones are not. */
static void duplicates(void **state)
{
  (void)state;
  for (size_t i = 0; i < IDS; i++) {
    for (size_t j = 0; j < IDS; j++) {
      uint8_t bytes[256];
      struct tern_params params;
      struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
      put_good(&writer, all_ids[i]);
      put_good(&writer, all_ids[j]);
      assert_int_equal(read_written(&writer, true, &params), i == j ? BAD : 0);
    }
  }
}

static void truncations(void **state)
{
  uint8_t bytes[512];
  struct tern_params params;
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  size_t ends[IDS + 1] = {0};
  (void)state;
  for (size_t i = 0; i < IDS; i++) {
    put_good(&writer, all_ids[i]);
    ends[i + 1] = tern_writer_len(&writer);
  }
  size_t next = 0;
  for (size_t len = 0; len <= tern_writer_len(&writer); len++) {
    bool is_end = len == ends[next];
    next += is_end ? 1 : 0;
    assert_int_equal(tern_params_read(tern_slice_of(bytes, len), true, &params), is_end ? 0 : BAD);
  }
}

/* [rfc9000-7.4.2] Unknown ones are ignored, however many. */
static void unknown_ones_are_ignored(void **state)
{
  static uint8_t bytes[60000];
  struct tern_params params;
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  (void)state;
  for (uint64_t id = 0x4000; tern_writer_left(&writer) > 20; id++)
    put(&writer, id, "", 0);
  put_integer(&writer, 0x04, 12345, 2);
  assert_int_equal(read_written(&writer, false, &params), 0);
  assert_int_equal(params.initial_max_data, 12345);
  put_integer(&writer, 0x04, 12345, 2);
  assert_int_equal(read_written(&writer, false, &params), BAD);
}

/* ---- round trip -------------------------------------------------------------------------- */

static void draw_cid(struct tern_random_seeded *random, struct tern_cid *cid, size_t min)
{
  memset(cid, 0, sizeof(*cid));
  cid->len = (uint8_t)(min + tern_random_seeded_next(random) % (21 - min));
  for (size_t i = 0; i < cid->len; i++)
    cid->bytes[i] = (uint8_t)tern_random_seeded_next(random);
}

static void draw_params(struct tern_random_seeded *random, struct tern_params *params,
                        bool is_server)
{
#define BIT ((tern_random_seeded_next(random) & 1) != 0)
#define VALUE (tern_random_seeded_next(random) >> (2 + tern_random_seeded_next(random) % 62))
  tern_params_init(params);
  params->max_idle_timeout_ms = VALUE;
  params->max_udp_payload_bytes = 1200 + VALUE / 2;
  params->initial_max_data = VALUE;
  params->initial_max_stream_data_bidi_local = VALUE;
  params->initial_max_stream_data_bidi_remote = VALUE;
  params->initial_max_stream_data_uni = VALUE;
  params->initial_max_streams_bidi = VALUE / 4;
  params->initial_max_streams_uni = VALUE / 4;
  params->ack_delay_exponent = VALUE % 21;
  params->max_ack_delay_ms = VALUE % 16384;
  params->active_connection_id_limit = 2 + VALUE / 2;
  params->max_datagram_frame_bytes = VALUE;
  params->disable_active_migration = BIT;
  params->grease_quic_bit = BIT;
  params->has_initial_scid = true;
  draw_cid(random, &params->initial_scid, 1);
  params->has_initial_max_path_id = BIT;
  if (params->has_initial_max_path_id)
    params->initial_max_path_id = VALUE % 1000;
  params->has_version_information = BIT;
  if (params->has_version_information) {
    params->chosen_version = TERN_VERSION_1;
    params->available_versions_count = 1 + VALUE % 16;
    for (size_t i = 0; i < params->available_versions_count; i++)
      params->available_versions[i] = TERN_VERSION_1 + (uint32_t)i;
  }
  if (!is_server)
    return;
  params->has_original_dcid = BIT;
  if (params->has_original_dcid)
    draw_cid(random, &params->original_dcid, 0);
  params->has_retry_scid = BIT;
  if (params->has_retry_scid)
    draw_cid(random, &params->retry_scid, 0);
  params->has_reset_token = BIT;
  if (params->has_reset_token)
    memset(params->reset_token, 0x55, 16);
  params->has_preferred_address = BIT;
  if (params->has_preferred_address) {
    params->preferred_address.v4.family = 4;
    params->preferred_address.v4.ip[3] = 9;
    params->preferred_address.v6.family = 6;
    params->preferred_address.v6.port = 4433;
    draw_cid(random, &params->preferred_address.cid, 1);
    memset(params->preferred_address.reset_token, 0x66, 16);
  }
#undef BIT
#undef VALUE
}

static void params_come_back(void **state)
{
  const uint64_t seed = 0x9a7a;
  struct tern_random_seeded random;
  (void)state;
  print_message("seed %llu\n", (unsigned long long)seed);
  tern_random_seeded_init(&random, seed);
  for (int round = 0; round < 5000; round++) {
    bool is_server = round % 2 == 0;
    uint8_t bytes[TERN_PARAMS_SIZE_MAX];
    uint8_t noise[24];
    struct tern_params params;
    struct tern_params back;
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    draw_params(&random, &params, is_server);
    tern_params_write(&writer, &params, is_server);
    for (size_t i = 0; i < sizeof(noise); i++)
      noise[i] = (uint8_t)tern_random_seeded_next(&random);
    tern_params_write_grease(&writer, noise);
    assert_false(writer.is_full);
    assert_int_equal(read_written(&writer, is_server, &back), 0);
    assert_memory_equal(&back, &params, sizeof(params));
  }
}

/* [rfc9000-18.1] */
static void grease_is_of_the_reserved_form(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 256; i++) {
    uint8_t bytes[64];
    uint8_t noise[24];
    memset(noise, (int)i, sizeof(noise));
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    tern_params_write_grease(&writer, noise);
    struct tern_reader reader = tern_reader_of(bytes, tern_writer_len(&writer));
    uint64_t id = 0;
    uint64_t len = 0;
    assert_true(tern_read_varint(&reader, &id));
    assert_int_equal(id % 31, 27);
    assert_true(tern_read_varint(&reader, &len));
    assert_int_equal(tern_reader_left(&reader), len);
    assert_true(len <= 16);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults),
      cmocka_unit_test(bounds),
      cmocka_unit_test(integers_fill_their_length),
      cmocka_unit_test(lengths_of_the_others),
      cmocka_unit_test(preferred_address),
      cmocka_unit_test(roles),
      cmocka_unit_test(version_information),
      cmocka_unit_test(duplicates),
      cmocka_unit_test(truncations),
      cmocka_unit_test(unknown_ones_are_ignored),
      cmocka_unit_test(params_come_back),
      cmocka_unit_test(grease_is_of_the_reserved_form),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
