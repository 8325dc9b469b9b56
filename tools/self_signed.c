/* SPDX-License-Identifier: MIT */
/* A self-signed pair: ECDSA on P-256 and 13 days, which is what browsers take by its hash (14 days are
 * the most that WebTransport allows). Kept between runs, so that the hash stays the same for some days.
 *
 * The folder must be ours alone; a lock in it keeps two servers from making the pair at once. */
#define _GNU_SOURCE /* environ, O_CLOEXEC */
#include "self_signed.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sha256.h"

#define DAYS "13"
#define LEFT_SECONDS "86400" /* a pair with less than a day left is made anew */
#define DER_MAX 4096

/* Runs openssl with its output to nowhere. Its exit code, or -1 with errno set if it does not start. */
static int run_openssl(char *const *arguments)
{
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int status, error;
  if (posix_spawn_file_actions_init(&actions) != 0)
    return -1;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  error = posix_spawnp(&pid, "openssl", &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    errno = error;
    return -1;
  }
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static bool is_ours(const char *folder)
{
  struct stat info;
  return lstat(folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
         (info.st_mode & 077) == 0;
}

static bool make_folder(char *folder, size_t size, char *why, size_t why_size)
{
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  const char *temporary = getenv("TMPDIR");
  if (runtime != NULL && runtime[0] == '/')
    snprintf(folder, size, "%s/tern", runtime);
  else
    snprintf(folder, size, "%s/tern-%u", temporary != NULL ? temporary : "/tmp",
             (unsigned)geteuid());
  if (mkdir(folder, 0700) == 0 || (errno == EEXIST && is_ours(folder)))
    return true;
  snprintf(why, why_size, "cannot keep a self-signed certificate in %s (%s): give --cert and --key",
           folder, errno == EEXIST ? "it belongs to somebody else" : strerror(errno));
  return false;
}

/* "localhost", or the address without its port in a form that a file name can have. */
static void name_pair(const tern_addr *listen, char ip[TERN_ADDR_TEXT_MAX])
{
  static const uint8_t any[16];
  char text[TERN_ADDR_TEXT_MAX];
  size_t len = 0;
  ip[0] = '\0';
  bool is_loopback = listen->family == 4 && listen->ip[0] == 127;
  if (is_loopback || memcmp(listen->ip, any, sizeof any) == 0)
    return;
  tern_addr_format(listen, text, sizeof text);
  char *colon = strrchr(text, ':');
  if (colon != NULL)
    *colon = '\0';
  for (const char *at = text; *at != '\0' && *at != '%'; at++)
    if (*at != '[' && *at != ']')
      ip[len++] = *at;
  ip[len] = '\0';
}

static bool is_good(const struct tern_self_signed *pair)
{
  char cert[TERN_SELF_SIGNED_PATH_MAX];
  char openssl[] = "openssl", x509[] = "x509", in[] = "-in", noout[] = "-noout";
  char checkend[] = "-checkend", seconds[] = LEFT_SECONDS;
  memcpy(cert, pair->cert, sizeof cert);
  char *arguments[] = {openssl, x509, in, cert, noout, checkend, seconds, NULL};
  return access(pair->cert, R_OK) == 0 && access(pair->key, R_OK) == 0 &&
         run_openssl(arguments) == 0;
}

static int make_pair(const struct tern_self_signed *pair, const char *ip)
{
  char cert[TERN_SELF_SIGNED_PATH_MAX], key[TERN_SELF_SIGNED_PATH_MAX];
  char host[80] = "", names[320];
  char openssl[] = "openssl", req[] = "req", x509[] = "-x509", newkey[] = "-newkey", ec[] = "ec";
  char pkeyopt[] = "-pkeyopt", curve[] = "ec_paramgen_curve:prime256v1", nodes[] = "-nodes";
  char days[] = "-days", count[] = DAYS, subj[] = "-subj", subject[] = "/CN=tern serve";
  char addext[] = "-addext", keyout[] = "-keyout", out[] = "-out";
  memcpy(cert, pair->cert, sizeof cert);
  memcpy(key, pair->key, sizeof key);
  bool has_host =
      gethostname(host, sizeof host - 1) == 0 && host[0] != '\0' &&
      strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
          strlen(host);
  snprintf(names, sizeof names, "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1%s%s%s%s",
           has_host ? ",DNS:" : "", has_host ? host : "", ip[0] != '\0' ? ",IP:" : "", ip);
  char *arguments[] = {openssl, req,     x509,   newkey, ec,     pkeyopt, curve, nodes, days, count,
                       subj,    subject, addext, names,  keyout, key,     out,   cert,  NULL};
  return run_openssl(arguments);
}

/* The hash that browsers know a key by. */
static bool hash_key(struct tern_self_signed *pair, const char *folder)
{
  char der[TERN_SELF_SIGNED_PATH_MAX], key[TERN_SELF_SIGNED_PATH_MAX];
  uint8_t bytes[DER_MAX], hash[TERN_SHA256_BYTES];
  char openssl[] = "openssl", pkey[] = "pkey", in[] = "-in", pubout[] = "-pubout";
  char outform[] = "-outform", form[] = "der", out[] = "-out";
  if (snprintf(der, sizeof der, "%s/public.der", folder) >= (int)sizeof der)
    return false;
  memcpy(key, pair->key, sizeof key);
  char *arguments[] = {openssl, pkey, in, key, pubout, outform, form, out, der, NULL};
  if (run_openssl(arguments) != 0)
    return false;
  int fd = open(der, O_RDONLY | O_CLOEXEC);
  ssize_t len = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
  if (fd >= 0)
    close(fd);
  unlink(der);
  if (len <= 0)
    return false;
  struct tern_sha256 *sha = tern_sha256_new();
  tern_sha256_add(sha, bytes, (size_t)len);
  tern_sha256_end(sha, hash);
  tern_sha256_free(sha);
  tern_base64(hash, sizeof hash, pair->spki_hash);
  return true;
}

static bool make(struct tern_self_signed *pair, const char *folder, const char *ip, char *why,
                 size_t why_size)
{
  int code = is_good(pair) ? 0 : make_pair(pair, ip);
  if (code == 0 && hash_key(pair, folder))
    return true;
  if (code < 0 && errno == ENOENT)
    snprintf(why, why_size,
             "there is no program openssl to make a self-signed certificate: install it, or give "
             "--cert and --key");
  else
    snprintf(why, why_size,
             "openssl could not make a self-signed certificate in %s: give --cert and --key",
             folder);
  return false;
}

bool tern_self_signed_make(struct tern_self_signed *pair, const tern_addr *listen, char *why,
                           size_t why_size)
{
  char folder[160], lock[200], ip[TERN_ADDR_TEXT_MAX];
  memset(pair, 0, sizeof *pair);
  if (!make_folder(folder, sizeof folder, why, why_size))
    return false;
  name_pair(listen, ip);
  const char *name = ip[0] != '\0' ? ip : "localhost";
  snprintf(pair->cert, sizeof pair->cert, "%s/%s.cert.pem", folder, name);
  snprintf(pair->key, sizeof pair->key, "%s/%s.key.pem", folder, name);
  snprintf(lock, sizeof lock, "%s/lock", folder);
  int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0)
    (void)flock(fd, LOCK_EX);
  bool is_made = make(pair, folder, ip, why, why_size);
  if (fd >= 0)
    close(fd);
  return is_made;
}
