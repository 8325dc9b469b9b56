/* SPDX-License-Identifier: MIT */
/* Addresses to text and back: tables from RFC 5952 and RFC 4291, and a round trip over random ones
 * against the system's inet_ntop. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tern/base.h>

#include "base/random.h"

static void test_status_names(void **state)
{
  (void)state;
  for (int i = TERN_OK; i <= TERN_UNSUPPORTED; i++) {
    assert_string_not_equal(tern_status_name((tern_status)i), "unknown");
    for (int j = TERN_OK; j < i; j++)
      assert_string_not_equal(tern_status_name((tern_status)i), tern_status_name((tern_status)j));
  }
  assert_string_equal(tern_status_name(TERN_OK), "ok");
  assert_string_equal(tern_status_name((tern_status)99), "unknown");
}

/* What is parsed, and how it is written again [rfc5952-4]. */
static void test_parse_and_format(void **state)
{
  static const struct {
    const char *in, *out;
  } cases[] = {
      {"127.0.0.1:443", "127.0.0.1:443"},
      {"255.255.255.255:65535", "255.255.255.255:65535"},
      {"0.0.0.0:0", "0.0.0.0:0"},
      {"[::]:0", "[::]:0"},
      {"[::1]:443", "[::1]:443"},
      {"[1::]:443", "[1::]:443"},
      {"[2001:db8::1]:1", "[2001:db8::1]:1"},
      {"[2001:0DB8:0000:0000:0001:0000:0000:0001]:1", "[2001:db8::1:0:0:1]:1"},
      {"[2001:db8:0:1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"},
      {"[2001:0:0:1:0:0:0:1]:1", "[2001:0:0:1::1]:1"},
      {"[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:8]:1"},
      {"[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1"},
      {"[::2:3:4:5:6:7:8]:1", "[0:2:3:4:5:6:7:8]:1"},
      {"[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]:80"},
      {"[::ffff:c000:201]:80", "[::ffff:192.0.2.1]:80"},
      {"[64:ff9b::192.0.2.33]:80", "[64:ff9b::c000:221]:80"},
      {"[1:2:3:4:5:6:192.0.2.33]:80", "[1:2:3:4:5:6:c000:221]:80"},
      {"[fe80::1%3]:443", "[fe80::1%3]:443"},
      {"[fe80::1%4294967295]:443", "[fe80::1%4294967295]:443"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tern_addr addr, again;
    char text[TERN_ADDR_TEXT_MAX];
    if (tern_addr_parse(&addr, cases[i].in) != TERN_OK)
      fail_msg("%s", cases[i].in);
    assert_string_equal(tern_addr_format(&addr, text, sizeof text), cases[i].out);
    assert_int_equal(tern_addr_parse(&again, text), TERN_OK);
    assert_true(tern_addr_equal(&addr, &again));
  }
}

static void test_parse_refuses(void **state)
{
  static const char *const cases[] = {
      "",
      "127.0.0.1",
      "127.0.0.1:",
      "127.0.0.1:65536",
      "127.0.0.1:-1",
      "127.0.0:1",
      "127.0.0.1.1:1",
      "256.0.0.1:1",
      "127.0.0.01:1",
      "127.0.0.1:1 ",
      " 1.2.3.4:1",
      "localhost:443",
      "::1:443",
      "[::1]",
      "[::1]443",
      "[::1:443",
      "[]:1",
      "[:]:1",
      "[:::]:1",
      "[1::2::3]:1",
      "[1:2]:1",
      "[12345::]:1",
      "[1:2:3:4:5:6:7:8:9]:1",
      "[g::]:1",
      "[::1%]:1",
      "[::1%x]:1",
      "[::1%4294967296]:1",
      "[1.2.3.4::]:1",
      "[1:1.2.3.4::1]:1",
      "[::1.2.3.4:1]:1",
      "[::1.2.3]:1",
      "[1.2.3.4]:1",
      "[1:2:3:4:5:6:7:1.2.3.4]:1",
      "[:1::]:1",
      "[1:]:1",
      "[1:2:3:4:5:6:7:]:1",
      "[::1]:01",
      "99999999999999999999.0.0.1:1",
      "[1:2:3:4:5:6:7:8::]:1",
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tern_addr addr = {.family = 99};
    if (tern_addr_parse(&addr, cases[i]) != TERN_INVALID)
      fail_msg("took %s", cases[i]);
    assert_int_equal(addr.family, 99);
  }
}

static void test_format_never_overruns(void **state)
{
  tern_addr addr;
  char text[TERN_ADDR_TEXT_MAX];
  (void)state;
  assert_int_equal(
      tern_addr_parse(&addr, "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535"),
      TERN_OK);
  for (size_t size = 0; size <= sizeof text; size++) {
    memset(text, '#', sizeof text);
    assert_ptr_equal(tern_addr_format(&addr, text, size), text);
    if (size > 0)
      assert_true(strlen(text) < size);
    for (size_t i = size; i < sizeof text; i++)
      assert_int_equal(text[i], '#');
  }
  memset(&addr, 0, sizeof addr);
  assert_string_equal(tern_addr_format(&addr, text, sizeof text), "unset");
}

static void test_equal(void **state)
{
  tern_addr a, b;
  (void)state;
  memset(&a, 0x00, sizeof a);
  memset(&b, 0xff, sizeof b); /* padding must not count */
  assert_int_equal(tern_addr_parse(&a, "[fe80::1%3]:443"), TERN_OK);
  b.family = a.family;
  b.port = a.port;
  b.scope = a.scope;
  memcpy(b.ip, a.ip, sizeof b.ip);
  assert_true(tern_addr_equal(&a, &b));
  b.port++;
  assert_false(tern_addr_equal(&a, &b));
  b.port--;
  b.scope++;
  assert_false(tern_addr_equal(&a, &b));
  b.scope--;
  b.ip[15]++;
  assert_false(tern_addr_equal(&a, &b));
  b.ip[15]--;
  b.family = 4;
  assert_false(tern_addr_equal(&a, &b));
}

/* Sparse random addresses, so that runs of zeros of all kinds occur. */
static void test_round_trip(void **state)
{
  struct tern_random_seeded seeded;
  const uint64_t seed = 0x6164647265737365;
  (void)state;
  print_message("seed %llu\n", (unsigned long long)seed);
  tern_random_seeded_init(&seeded, seed);
  for (int i = 0; i < 20000; i++) {
    tern_addr addr = {.family = 6, .port = (uint16_t)tern_random_seeded_next(&seeded)}, again;
    char text[TERN_ADDR_TEXT_MAX], system[INET6_ADDRSTRLEN], expected[INET6_ADDRSTRLEN + 10];
    uint64_t zero_groups = tern_random_seeded_next(&seeded);
    for (size_t j = 0; j < 16; j++)
      addr.ip[j] = (uint8_t)((zero_groups >> j / 2 & 1) ? 0 : tern_random_seeded_next(&seeded));
    addr.ip[0] |= 1; /* the system writes ::1.2.3.4, which RFC 5952 does not ask for */
    tern_addr_format(&addr, text, sizeof text);
    assert_non_null(inet_ntop(AF_INET6, addr.ip, system, sizeof system));
    snprintf(expected, sizeof expected, "[%s]:%u", system, addr.port);
    assert_string_equal(text, expected);
    assert_int_equal(tern_addr_parse(&again, text), TERN_OK);
    assert_true(tern_addr_equal(&addr, &again));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_status_names),  cmocka_unit_test(test_parse_and_format),
      cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_format_never_overruns),
      cmocka_unit_test(test_equal),         cmocka_unit_test(test_round_trip),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
