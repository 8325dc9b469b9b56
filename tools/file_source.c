/* SPDX-License-Identifier: MIT */
/* A file as a source. A file that became shorter makes fill fail, which resets the message: better than
 * a body that is wrong. */
#define _GNU_SOURCE /* preadv */
#include "file_source.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli.h"

#define PIECES_MAX 16

struct tern_file_source {
  int fd;
  unsigned references;
  uint64_t start;
  uint64_t sent;
};

struct tern_file_source *tern_file_source_new(int fd, uint64_t start)
{
  struct tern_file_source *source = tern_cli_take(1, sizeof *source);
  source->fd = fd;
  source->references = 1;
  source->start = start;
  return source;
}

void tern_file_source_ref(struct tern_file_source *source)
{
  source->references++;
}

void tern_file_source_unref(struct tern_file_source *source)
{
  if (source == NULL || --source->references > 0)
    return;
  close(source->fd);
  free(source);
}

uint64_t tern_file_source_get_sent(const struct tern_file_source *source)
{
  return source->sent;
}

/* Drops `done` bytes from the front of the pieces. */
static void advance(struct iovec **iov, size_t *count, size_t done)
{
  while (*count > 0 && done >= (*iov)->iov_len) {
    done -= (*iov)->iov_len;
    (*iov)++;
    (*count)--;
  }
  if (*count > 0) {
    (*iov)->iov_base = (char *)(*iov)->iov_base + done;
    (*iov)->iov_len -= done;
  }
}

/* Up to PIECES_MAX pieces; `*offset` moves on. */
static bool fill_pieces(struct tern_file_source *source, uint64_t *offset, const tern_iov *pieces,
                        size_t count)
{
  struct iovec iov[PIECES_MAX], *at = iov;
  for (size_t i = 0; i < count; i++)
    iov[i] = (struct iovec){pieces[i].data, pieces[i].len};
  while (count > 0) {
    ssize_t got = preadv(source->fd, at, (int)count, (off_t)(source->start + *offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    *offset += (uint64_t)got;
    advance(&at, &count, (size_t)got);
  }
  return true;
}

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  struct tern_file_source *source = arg;
  while (count > 0) {
    size_t some = count < PIECES_MAX ? count : PIECES_MAX;
    if (!fill_pieces(source, &offset, iov, some))
      return false;
    iov += some;
    count -= some;
  }
  if (offset > source->sent)
    source->sent = offset;
  return true;
}

static void release(void *arg)
{
  tern_file_source_unref(arg);
}

tern_source tern_file_source_of(struct tern_file_source *source, uint64_t reset_code)
{
  tern_source made = {.fill = fill, .release = release, .arg = source, .reset_code = reset_code};
  return made;
}
