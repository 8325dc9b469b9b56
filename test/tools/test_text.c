/* SPDX-License-Identifier: MIT */
/* What the tools print of bytes that somebody else chose: pages, access log, progress, hashes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/access_log.c"
#include "../../tools/cli.c"
#include "../../tools/progress.c"
#include "../../tools/sha256.c"
#include "../../tools/text.c"
#include "../../tools/url.c"

static void test_html(void **state)
{
  struct tern_text text = {0};
  (void)state;
  tern_text_add_html(&text, "<a href=\"x\">&'\x1b");
  assert_string_equal(text.data, "&#60;a href=&#34;x&#34;&#62;&#38;&#39;?");
  tern_text_deinit(&text);
  tern_text_add_url(&text, "a b\"<?#/");
  assert_string_equal(text.data, "a%20b%22%3C%3F%23/");
  tern_text_deinit(&text);
}

static void test_growth(void **state)
{
  struct tern_text text = {0};
  (void)state;
  for (int i = 0; i < 10000; i++)
    tern_text_add(&text, "%d,", i % 10);
  assert_int_equal(text.len, 20000);
  assert_int_equal(strlen(text.data), 20000);
  assert_memory_equal(text.data + 19996, "8,9,", 5);
  tern_text_deinit(&text);
}

static void test_log_escape(void **state)
{
  static const char hostile[] = "a\"b\\c\n\xff\0z";
  char text[64], small[8];
  (void)state;
  tern_access_log_escape(tern_slice_of(hostile, sizeof hostile - 1), text, sizeof text);
  assert_string_equal(text, "a\\x22b\\x5cc\\x0a\\xff\\x00z");
  tern_access_log_escape(tern_slice_of("\n\n\n", 3), small, sizeof small);
  assert_string_equal(small, "\\x0a"); /* whole escapes only */
}

/* A request cannot make two lines, and the line has the combined format. */
static void test_log_line(void **state)
{
  char path[] = "/tmp/tern-test-log-XXXXXX", line[1024];
  tern_addr remote = {.family = 6, .ip = {0x20, 1, 0x0d, 0xb8}, .port = 9};
  const tern_field fields[] = {
      tern_field_of(":method", "GET"),
      tern_field_of(":path", "/a\" 200 1\n127.0.0.1"),
      tern_field_of("user-agent", "x"),
  };
  (void)state;
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  struct tern_access_log *log = tern_access_log_new(path);
  assert_non_null(log);
  struct tern_access_entry *entry = tern_access_entry_new(log, &remote, fields, 3, 784111777);
  tern_access_entry_end(log, entry, 200, 17, 1500 * TERN_MS);
  tern_access_log_free(log);
  FILE *file = fopen(path, "r");
  assert_non_null(fgets(line, sizeof line, file));
  assert_string_equal(line,
                      "2001:db8:: - - [06/Nov/1994:08:49:37 +0000] "
                      "\"GET /a\\x22 200 1\\x0a127.0.0.1 HTTP/3\" 200 17 \"-\" \"x\" 1.500\n");
  assert_null(fgets(line, sizeof line, file));
  fclose(file);
  remove(path);
  assert_null(tern_access_entry_new(NULL, &remote, fields, 3, 0));
}

static void test_progress(void **state)
{
  struct tern_progress progress = {
      .done_bytes = 50u << 20, .total_bytes = 100u << 20, .elapsed_ns = SECOND_NS, .columns = 80};
  char text[161];
  (void)state;
  tern_progress_format(&progress, text, sizeof text);
  assert_non_null(strstr(text, " 50%"));
  assert_non_null(strstr(text, "50.0 MiB  50.0 MiB/s  0:01 left"));
  assert_non_null(strstr(text, "=>"));
  progress.total_bytes = UINT64_MAX;
  tern_progress_format(&progress, text, sizeof text);
  assert_string_equal(text, "50.0 MiB  50.0 MiB/s");
}

/* Whatever the numbers, the line stays within the terminal. */
static void test_progress_fits(void **state)
{
  static const uint64_t numbers[] = {0, 1, 1023, 1024, 123456789, UINT64_MAX - 1, UINT64_MAX};
  char text[161];
  (void)state;
  for (size_t i = 0; i < 7 * 7 * 7; i++)
    for (size_t columns = 1; columns <= 160; columns += 3) {
      struct tern_progress progress = {numbers[i % 7], numbers[i / 7 % 7], numbers[i / 49],
                                       columns};
      tern_progress_format(&progress, text, sizeof text);
      assert_true(strlen(text) < columns);
    }
}

static void test_bytes(void **state)
{
  char text[32];
  (void)state;
  assert_string_equal(tern_progress_format_bytes(0, text, sizeof text), "0 B");
  assert_string_equal(tern_progress_format_bytes(1023, text, sizeof text), "1023 B");
  assert_string_equal(tern_progress_format_bytes(1536, text, sizeof text), "1.5 KiB");
  assert_string_equal(tern_progress_format_bytes(UINT64_C(300) << 30, text, sizeof text),
                      "300 GiB");
}

static void test_hash(void **state)
{
  uint8_t hash[TERN_SHA256_BYTES];
  char text[TERN_SHA256_HEX_SIZE];
  (void)state;
  struct tern_sha256 *sha = tern_sha256_new();
  tern_sha256_add(sha, "a", 1);
  tern_sha256_add(sha, "bc", 2);
  tern_sha256_end(sha, hash);
  tern_sha256_free(sha);
  assert_string_equal(tern_sha256_hex(hash, text), /* FIPS 180 */
                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4648 10 */
static void test_base64(void **state)
{
  static const char *const cases[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};
  char text[16];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t bytes[8];
    size_t len = strlen(cases[i][0]);
    memcpy(bytes, cases[i][0], len);
    assert_string_equal(tern_base64(bytes, len, text), cases[i][1]);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_html),       cmocka_unit_test(test_growth),
      cmocka_unit_test(test_log_escape), cmocka_unit_test(test_log_line),
      cmocka_unit_test(test_progress),   cmocka_unit_test(test_progress_fits),
      cmocka_unit_test(test_bytes),      cmocka_unit_test(test_hash),
      cmocka_unit_test(test_base64),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
