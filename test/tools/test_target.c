/* SPDX-License-Identifier: MIT */
/* Paths of requests, what may be opened below a folder, and content types. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../tools/cli.c"
#include "../../tools/mime.c"
#include "../../tools/root.c"
#include "../../tools/target.c"
#include "../../tools/url.c"

static tern_slice slice_of(const char *text)
{
  return tern_slice_of(text, strlen(text));
}

static void test_decode(void **state)
{
  static const struct {
    const char *target, *path;
  } cases[] = {
      {"/", ""},
      {"/a", "a"},
      {"/a/b", "a/b"},
      {"/a/", "a/"},
      {"//a//b//", "a/b/"},
      {"/./a/./b", "a/b"},
      {"/a/.", "a/"},
      {"/.", ""},
      {"/a?x=/../y", "a"},
      {"/?", ""},
      {"/%61%2Fb", "a/b"},
      {"/a%20b", "a b"},
      {"/..a/b..", "..a/b.."},
      {"/...", "..."},
      {"/%C3%A4", "\xc3\xa4"},
      {"/.well-known/x", ".well-known/x"},
  };
  char path[TERN_TARGET_MAX];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    if (!tern_target_decode(slice_of(cases[i].target), path))
      fail_msg("%s was refused", cases[i].target);
    assert_string_equal(path, cases[i].path);
  }
}

static void test_refused(void **state)
{
  static const char *const cases[] = {
      "",        "a",       "*",           "/..",         "/../",         "/a/..",
      "/a/../b", "/%2e%2e", "/%2E./x",     "/a%2f..%2fb", "/a/%2e%2e/b",  "/a%00b",
      "/%",      "/%2",     "/%zz",        "/a\\b",       "/..%5c..%5cx", "/a%0ab",
      "/%7f",    "/./../x", "/a//../../x", "/%2e%2e%2f",
  };
  char path[TERN_TARGET_MAX];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (tern_target_decode(slice_of(cases[i]), path))
      fail_msg("%s became %s", cases[i], path);
}

static void test_too_long(void **state)
{
  static char target[TERN_TARGET_MAX + 2], path[TERN_TARGET_MAX];
  (void)state;
  memset(target, 'a', sizeof target);
  target[0] = '/';
  assert_false(tern_target_decode(tern_slice_of(target, sizeof target), path));
  assert_true(tern_target_decode(tern_slice_of(target, TERN_TARGET_MAX - 2), path));
}

/* Random targets from the characters that matter: what is let through has no way up. */
static void test_never_up(void **state)
{
  static const char alphabet[] = "../%2ef5cA\\?a";
  uint64_t seed = 0x7465726e;
  char target[24], path[TERN_TARGET_MAX];
  size_t taken = 0;
  (void)state;
  print_message("seed 0x%llx\n", (unsigned long long)seed);
  for (int round = 0; round < 200000; round++) {
    target[0] = '/';
    for (size_t i = 1; i < sizeof target - 1; i++) {
      seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      target[i] = alphabet[(seed >> 33) % (sizeof alphabet - 1)];
    }
    target[sizeof target - 1] = '\0';
    if (!tern_target_decode(slice_of(target), path))
      continue;
    taken++;
    assert_true(path[0] != '/');
    assert_true(strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0);
    assert_true(strstr(path, "/../") == NULL && strchr(path, '\\') == NULL);
    size_t len = strlen(path);
    assert_true(len < 3 || strcmp(path + len - 3, "/..") != 0);
  }
  assert_true(taken > 100);
}

static void test_upload_names(void **state)
{
  char longest[202];
  (void)state;
  memset(longest, 'a', sizeof longest);
  longest[201] = '\0';
  assert_false(tern_target_is_upload_name(longest));
  longest[200] = '\0';
  assert_true(tern_target_is_upload_name(longest));
  assert_true(tern_target_is_upload_name("a b.bin"));
  assert_false(tern_target_is_upload_name(""));
  assert_false(tern_target_is_upload_name(".hidden"));
  assert_false(tern_target_is_upload_name("a/b"));
  assert_false(tern_target_is_upload_name("a/"));
  assert_false(tern_target_is_upload_name("a\nb"));
}

static void make_file(const char *folder, const char *name)
{
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0);
  close(fd);
}

static bool opens(int (*open_in)(int, const char *), int root, const char *path)
{
  int fd = open_in(root, path);
  if (fd >= 0)
    close(fd);
  return fd >= 0;
}

/* A folder "in" beside a file "secret", with links that stay inside and links that lead out. */
static void test_root(void **state)
{
  char base[] = "/tmp/tern-test-root-XXXXXX", in[128], path[256];
  (void)state;
  assert_non_null(mkdtemp(base));
  snprintf(in, sizeof in, "%s/in", base);
  assert_int_equal(mkdir(in, 0700), 0);
  make_file(base, "secret");
  make_file(in, "plain");
  snprintf(path, sizeof path, "%s/sub", in);
  assert_int_equal(mkdir(path, 0700), 0);
  make_file(path, "deep");
  static const char *const links[][2] = {
      {"out", "../secret"}, {"absolute", "/etc/passwd"}, {"up", ".."}, {"inside", "sub/deep"}};
  for (size_t i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "%s/%s", in, links[i][0]);
    assert_int_equal(symlink(links[i][1], path), 0);
  }
  int root = open(in, O_RDONLY | O_DIRECTORY);
  assert_true(root >= 0);
  int (*const ways[])(int, const char *) = {tern_root_open, walk};
  for (size_t i = 0; i < 2; i++) {
    assert_true(opens(ways[i], root, "plain"));
    assert_true(opens(ways[i], root, ""));
    assert_true(opens(ways[i], root, "sub/"));
    assert_true(opens(ways[i], root, "sub/deep"));
    assert_false(opens(ways[i], root, "missing"));
    assert_false(opens(ways[i], root, "plain/x"));
    assert_false(opens(ways[i], root, "out"));
    assert_false(opens(ways[i], root, "absolute"));
    assert_false(opens(ways[i], root, "up/secret"));
  }
  assert_false(opens(walk, root, "inside")); /* the plain way follows no links at all */
  close(root);
  static const char *const names[] = {"in/out",      "in/absolute", "in/up", "in/inside",
                                      "in/sub/deep", "in/plain",    "secret"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    snprintf(path, sizeof path, "%s/%s", base, names[i]);
    unlink(path);
  }
  snprintf(path, sizeof path, "%s/sub", in);
  rmdir(path);
  rmdir(in);
  rmdir(base);
}

static void test_mime(void **state)
{
  (void)state;
  for (size_t i = 1; i < sizeof types / sizeof types[0]; i++)
    assert_true(strcmp(types[i - 1].extension, types[i].extension) < 0);
  assert_string_equal(tern_mime_get("index.html"), "text/html; charset=utf-8");
  assert_string_equal(tern_mime_get("a/B.PNG"), "image/png");
  assert_string_equal(tern_mime_get("x.tar.gz"), "application/gzip");
  assert_string_equal(tern_mime_get("a.html/README"), "application/octet-stream");
  assert_string_equal(tern_mime_get("none"), "application/octet-stream");
  assert_string_equal(tern_mime_get("a."), "application/octet-stream");
  assert_string_equal(tern_mime_get("a.averyveryverylongextension"), "application/octet-stream");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_decode),       cmocka_unit_test(test_refused),
      cmocka_unit_test(test_too_long),     cmocka_unit_test(test_never_up),
      cmocka_unit_test(test_upload_names), cmocka_unit_test(test_root),
      cmocka_unit_test(test_mime),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
