/* SPDX-License-Identifier: MIT */
/* openat2(2) with RESOLVE_BENEATH: the kernel follows the path and refuses to leave, also when somebody
 * swaps a link meanwhile. Where it is missing (before Linux 5.6, some sandboxes), the path is walked part
 * by part and no symbolic link is followed at all. */
#define _GNU_SOURCE /* O_PATH, syscall */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* One part; the last one keeps its slash by O_DIRECTORY. */
static int open_part(int folder, const char *part, size_t len, bool is_last)
{
  char name[TERN_TARGET_MAX];
  memcpy(name, part, len);
  name[len] = '\0';
  return openat(folder, name,
                is_last ? FLAGS | O_NOFOLLOW : O_PATH | O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY);
}

static int walk(int root_fd, const char *path)
{
  int folder = openat(root_fd, ".", O_PATH | O_CLOEXEC | O_DIRECTORY);
  if (*path == '\0' && folder >= 0) {
    close(folder);
    return openat(root_fd, ".", FLAGS | O_DIRECTORY);
  }
  while (folder >= 0 && *path != '\0') {
    size_t len = strcspn(path, "/");
    const char *next = path[len] == '/' ? path + len + 1 : path + len;
    int fd = open_part(folder, path, len, *next == '\0');
    int error = errno;
    close(folder);
    errno = error;
    folder = fd;
    path = next;
  }
  return folder;
}

int tern_root_open(int root_fd, const char *path)
{
  if (strlen(path) >= TERN_TARGET_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  struct open_how how = {
      .flags = FLAGS,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  };
  int fd;
  do
    fd = (int)syscall(SYS_openat2, root_fd, *path == '\0' ? "." : path, &how, sizeof how);
  while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
    return fd;
  return walk(root_fd, path);
}
