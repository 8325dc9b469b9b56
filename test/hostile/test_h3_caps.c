/* SPDX-License-Identifier: MIT */
/* Guards of HTTP/3's caps in config.h: each at the bound and one past it. The figures are written out,
 * so that a lifted cap is noticed (scripts/check_caps.py). */
#include "h3/victim.h"

#include "base/cursor.h"
#include "wire/varint.h"

static void assert_close(const struct victim *victim, bool is_closed, uint64_t code)
{
  assert_int_equal(close_code(victim), is_closed ? code : 0);
}

/* 1,000 useless frames at once. */
static void test_glitch_burst(void **state)
{
  (void)state;
  struct victim victim;

  victim_init(&victim, true);
  give_settings(&victim);
  for (int i = 0; i < 1000; i++)
    give(&victim, uni(&victim, 0), "21 00", false, 100);
  assert_close(&victim, false, 0);
  give(&victim, uni(&victim, 0), "21 00", false, 100);
  assert_close(&victim, true, TERN_H3_EXCESSIVE_LOAD);
  victim_deinit(&victim);
}

/* 43 a second: 10 more than are forgiven. */
static void test_glitch_rate(void **state)
{
  (void)state;
  struct victim victim;
  int second = 0;

  victim_init(&victim, true);
  give_settings(&victim);
  for (; second < 300 && close_code(&victim) == 0; second++) {
    for (int i = 0; i < 43 && close_code(&victim) == 0; i++)
      give(&victim, uni(&victim, 0), "21 00", false, 100);
    fake_advance(victim.conn, victim.conn->now + TERN_SECOND);
  }
  assert_close(&victim, true, TERN_H3_EXCESSIVE_LOAD);
  assert_in_range(second, 94, 99);
  victim_deinit(&victim);
}

/* A prefix integer of QPACK behind the bits in `first`. */
static void write_integer(struct tern_writer *writer, uint8_t first, unsigned bits, uint64_t value)
{
  uint64_t most = (UINT64_C(1) << bits) - 1;

  if (value < most) {
    tern_write_u8(writer, (uint8_t)(first | value));
    return;
  }
  tern_write_u8(writer, (uint8_t)(first | most));
  for (value -= most; value >= 128; value /= 128)
    tern_write_u8(writer, (uint8_t)(value % 128 | 128));
  tern_write_u8(writer, (uint8_t)value);
}

/* GET https://a/ (167 bytes by the count of RFC 9114 4.2.2) with one more field. */
static void send_get(struct victim *victim, size_t name_len, size_t value_len)
{
  static uint8_t bytes[80000], section[80000];
  struct tern_writer body = tern_writer_of(section, sizeof section);
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);

  tern_write_bytes(&body, "\0\0\xd1\xd7\x50\x01\x61\xc1", 8);
  write_integer(&body, 0x20, 3, name_len);
  memset(tern_write_room(&body, name_len), 'n', name_len);
  write_integer(&body, 0, 7, value_len);
  memset(tern_write_room(&body, value_len), 'v', value_len);
  tern_write_u8(&writer, 0x01);
  tern_write_varint(&writer, tern_writer_len(&body));
  tern_write_bytes(&writer, section, tern_writer_len(&body));
  fake_send(victim->conn, 0, bytes, tern_writer_len(&writer), true);
  fake_settle(victim->conn);
}

/* Whether the application is told of a request with a field of this size. */
static bool takes_field(uint64_t section_max, size_t name_len, size_t value_len)
{
  struct victim victim = {.conn = fake_conn_new(true)};
  tern_h3_config config;

  tern_h3_config_init(&config, sizeof config);
  if (section_max != 0)
    config.field_section_max_bytes = section_max;
  assert_int_equal(tern_h3_new_server(&victim.h3, victim.conn, &config, &h3_ops, &victim), TERN_OK);
  give_settings(&victim);
  send_get(&victim, name_len, value_len);
  bool is_taken = victim.told == 1;
  assert_true(is_taken || close_code(&victim) == TERN_H3_EXCESSIVE_LOAD ||
              fake_find(victim.conn, 0)->in_stopped);
  victim_deinit(&victim);
  return is_taken;
}

static void test_field_section(void **state)
{
  (void)state;
  assert_true(takes_field(0, 1, 32768 - 167 - 32 - 1));
  assert_false(takes_field(0, 1, 32768 - 167 - 32));
}

static void test_field_name(void **state)
{
  (void)state;
  assert_true(takes_field(0, 256, 10));
  assert_false(takes_field(0, 257, 10));
}

static void test_field_value(void **state)
{
  (void)state;
  assert_true(takes_field(1 << 20, 1, 65536));
  assert_false(takes_field(1 << 20, 1, 65537));
}

/* Sections that wait for an insertion, of 28,670 + 28,670 + `third` bytes behind their first part. */
static void test_qpack_blocked_bytes(void **state)
{
  (void)state;
  static const char *const thirds[] = {"01 6006 0200 8080", "01 6007 0200 8080"};

  for (int more = 0; more < 2; more++) {
    struct victim victim;
    victim_init(&victim, true);
    give_settings(&victim);
    give(&victim, 0, "01 8000 7000 0200 8080", false, 100);
    give(&victim, 4, "01 8000 7000 0200 8080", false, 100);
    assert_close(&victim, false, 0);
    give(&victim, 8, thirds[more], false, 100);
    assert_close(&victim, more != 0, TERN_H3_EXCESSIVE_LOAD);
    victim_deinit(&victim);
  }
}

/* A SETTINGS frame of 256 bytes, all of it unknown settings, and one of 257. */
static void test_h3_settings(void **state)
{
  (void)state;

  for (size_t more = 0; more < 2; more++) {
    uint8_t bytes[300];
    struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);
    struct victim victim;
    victim_init(&victim, true);
    tern_write_bytes(&writer, "\0\4", 2);
    tern_write_varint(&writer, 256 + more);
    for (uint64_t i = 0; i < 84 - more; i++) {
      tern_write_varint_sized(&writer, 0x1000 + i, 2);
      tern_write_varint(&writer, 1);
    }
    for (uint64_t i = 0; i <= more; i++) { /* 4 bytes each: 252 + 4, 249 + 8 */
      tern_write_varint_sized(&writer, 0x2000 + i, 2);
      tern_write_varint_sized(&writer, 1, 2);
    }
    fake_send(victim.conn, uni(&victim, 0), bytes, tern_writer_len(&writer), false);
    fake_settle(victim.conn);
    assert_close(&victim, more != 0, TERN_H3_EXCESSIVE_LOAD);
    victim_deinit(&victim);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_glitch_burst),  cmocka_unit_test(test_glitch_rate),
      cmocka_unit_test(test_field_section), cmocka_unit_test(test_field_name),
      cmocka_unit_test(test_field_value),   cmocka_unit_test(test_qpack_blocked_bytes),
      cmocka_unit_test(test_h3_settings),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
