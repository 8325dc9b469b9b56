/* SPDX-License-Identifier: MIT */
/* URLs of `tern get`, percent-encoding, and the numbers of the command line. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/cli.c"
#include "../../tools/url.c"

static void test_good_urls(void **state)
{
  static const struct {
    const char *text, *host, *authority, *target;
    uint16_t port;
  } cases[] = {
      {"https://example.com", "example.com", "example.com", "/", 443},
      {"https://example.com/", "example.com", "example.com", "/", 443},
      {"HTTPS://Example.COM:443/a/b?c=d", "example.com", "example.com", "/a/b?c=d", 443},
      {"example.com:4433/x", "example.com", "example.com:4433", "/x", 4433},
      {"https://localhost:1", "localhost", "localhost:1", "/", 1},
      {"https://127.0.0.1:65535/%20", "127.0.0.1", "127.0.0.1:65535", "/%20", 65535},
      {"https://[::1]:4433/", "::1", "[::1]:4433", "/", 4433},
      {"https://[2001:DB8::1]/", "2001:db8::1", "[2001:db8::1]", "/", 443},
      {"https://a?q", "a", "a", "/?q", 443},
      {"https://a/b#part", "a", "a", "/b", 443},
      {"https://a#part", "a", "a", "/", 443},
      {"https://a:/b", "a", "a", "/b", 443},
      {"https://a/b@c:d", "a", "a", "/b@c:d", 443},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tern_url url;
    const char *why = tern_url_parse(&url, cases[i].text);
    if (why != NULL)
      fail_msg("%s: %s", cases[i].text, why);
    assert_string_equal(url.host, cases[i].host);
    assert_string_equal(url.authority, cases[i].authority);
    assert_string_equal(url.target, cases[i].target);
    assert_int_equal(url.port, cases[i].port);
    tern_url_deinit(&url);
  }
}

static void test_bad_urls(void **state)
{
  static const char *const cases[] = {
      "",
      "https://",
      "https://:1/",
      "http://a/",
      "ftp://a",
      "https://a:0/",
      "https://a:65536/",
      "https://a:x/",
      "https://a b",
      "https://user@a/",
      "https://[::1/",
      "https://[::1]x/",
      "https://[g]",
      "https://a\nb",
      "https://a\\b",
      "https://a/\x80",
      "https://a\"b",
      "https://a:123456789/",
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tern_url url;
    if (tern_url_parse(&url, cases[i]) == NULL)
      fail_msg("\"%s\" was taken", cases[i]);
  }
}

static void test_names(void **state)
{
  static const struct {
    const char *url, *name;
  } cases[] = {
      {"https://a/b/c.txt", "c.txt"},
      {"https://a/c%20d?x=/y", "c d"},
      {"https://a/", NULL},
      {"https://a/b/", NULL},
      {"https://a/..", NULL},
      {"https://a/b/.", NULL},
      {"https://a/%2fetc%2fpasswd", NULL},
      {"https://a/%00", NULL},
      {"https://a/%2", NULL},
      {"https://a/%2e%2e", NULL},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tern_url url;
    assert_null(tern_url_parse(&url, cases[i].url));
    char *name = tern_url_take_name(&url);
    if (cases[i].name == NULL)
      assert_null(name);
    else
      assert_string_equal(name, cases[i].name);
    free(name);
    tern_url_deinit(&url);
  }
}

/* Every string of bytes survives encoding and decoding. */
static void test_round_trip(void **state)
{
  (void)state;
  for (unsigned c = 1; c < 256; c++) {
    char plain[4] = {'a', (char)c, 'z', 0}, encoded[16] = "", decoded[16];
    tern_url_encode(plain, encoded, sizeof encoded);
    assert_true(tern_url_decode(encoded, encoded + strlen(encoded), decoded));
    assert_string_equal(decoded, plain);
    for (const char *at = encoded; *at != '\0'; at++)
      assert_true(strchr("?#<>\"& ", *at) == NULL);
  }
}

static void test_encode_is_bounded(void **state)
{
  char out[8] = "";
  (void)state;
  tern_url_encode("    ", out, sizeof out);
  assert_string_equal(out, "%20%20"); /* whole escapes only */
}

static void test_numbers(void **state)
{
  uint64_t value = 0;
  (void)state;
  assert_true(tern_cli_parse_number("0", 10, &value) && value == 0);
  assert_true(tern_cli_parse_number("18446744073709551615", UINT64_MAX, &value));
  assert_true(value == UINT64_MAX);
  static const char *const bad[] = {"",   "-1",  "+1", " 1",
                                    "1 ", "0x1", "11", "18446744073709551616"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(tern_cli_parse_number(bad[i], 10, &value));
  assert_true(tern_cli_parse_bytes("16G", UINT64_MAX, &value) && value == UINT64_C(16) << 30);
  assert_true(tern_cli_parse_bytes("1K", UINT64_MAX, &value) && value == 1024);
  assert_true(tern_cli_parse_bytes("7", UINT64_MAX, &value) && value == 7);
  assert_false(tern_cli_parse_bytes("1k", UINT64_MAX, &value));
  assert_false(tern_cli_parse_bytes("1KB", UINT64_MAX, &value));
  assert_false(tern_cli_parse_bytes("17179869184G", UINT64_MAX, &value));
  assert_true(tern_cli_parse_seconds("2.5", &value) && value == 2500 * TERN_MS);
  assert_true(tern_cli_parse_seconds("0.001", &value) && value == TERN_MS);
  assert_true(tern_cli_parse_seconds("3", &value) && value == 3 * TERN_SECOND);
  static const char *const bad_seconds[] = {"", ".5", "1.", "1.x", "-1", "99999999999"};
  for (size_t i = 0; i < sizeof bad_seconds / sizeof bad_seconds[0]; i++)
    assert_false(tern_cli_parse_seconds(bad_seconds[i], &value));
}

static void test_listen(void **state)
{
  tern_addr addr;
  (void)state;
  assert_true(tern_cli_parse_listen("127.0.0.1:80", &addr));
  assert_true(addr.family == 4 && addr.port == 80);
  assert_true(tern_cli_parse_listen("[::]:4433", &addr));
  assert_true(addr.family == 6 && addr.port == 4433);
  assert_true(tern_cli_parse_listen(":443", &addr));
  assert_true(addr.family == 6 && addr.port == 443);
  assert_true(tern_cli_parse_listen("443", &addr));
  assert_true(addr.family == 6 && addr.port == 443);
  assert_false(tern_cli_parse_listen("localhost:80", &addr));
  assert_false(tern_cli_parse_listen("1.2.3.4", &addr));
  assert_false(tern_cli_parse_listen(":65536", &addr));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_good_urls),
      cmocka_unit_test(test_bad_urls),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_encode_is_bounded),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_listen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
