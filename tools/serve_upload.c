/* SPDX-License-Identifier: MIT */
/* PUT and POST: the body goes to a file of a hidden name, which gets its own name only when the message
 * was complete, so that nobody meets half an upload. The answer is the SHA-256 of what was stored. */
#define _GNU_SOURCE /* O_TMPFILE and the *at calls */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sha256.h"

#define SLICES_MAX 64
#define NAME_MAX_BYTES 256

struct tern_serve_upload {
  int folder; /* borrowed */
  int fd;
  char name[NAME_MAX_BYTES];    /* in the end */
  char partial[NAME_MAX_BYTES]; /* meanwhile */
  uint64_t bytes;
  struct tern_sha256 *sha;
};

static void close_file(struct tern_serve_upload *upload)
{
  if (upload->fd >= 0)
    close(upload->fd);
  upload->fd = -1;
}

void tern_serve_upload_free(struct tern_serve_upload *upload)
{
  if (upload == NULL)
    return;
  close_file(upload);
  if (upload->partial[0] != '\0')
    unlinkat(upload->folder, upload->partial, 0);
  tern_sha256_free(upload->sha);
  free(upload);
}

/* Answers with an error and wants no more of the body. */
static void refuse(struct tern_serve_request *self, uint16_t status)
{
  tern_serve_upload_free(self->upload);
  self->upload = NULL;
  tern_serve_reply_status(self, status);
  tern_request_stop(self->request, TERN_H3_NO_ERROR);
}

static uint16_t status_of(int error)
{
  return error == ENOSPC || error == EDQUOT || error == EFBIG ? 507 : 500;
}

bool tern_serve_upload(struct tern_serve_request *self, const char *path)
{
  struct tern_serve *serve = self->serve;
  uint64_t length = tern_request_get_content_length(self->request);
  if (!tern_target_is_upload_name(path)) {
    refuse(self, 400);
    return false;
  }
  if (length != UINT64_MAX && length > serve->options.upload_max_bytes) {
    refuse(self, 413);
    return false;
  }
  struct tern_serve_upload *upload = tern_cli_take(1, sizeof *upload);
  upload->folder = serve->upload_fd;
  snprintf(upload->name, sizeof upload->name, "%s", path);
  /* process, time and number: nobody else's, not even of a server that was killed */
  snprintf(upload->partial, sizeof upload->partial, ".%.180s.%ld.%" PRIx64 ".%" PRIu64, path,
           (long)getpid(), self->started_at, serve->uploads_total++);
  upload->fd =
      openat(upload->folder, upload->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (upload->fd < 0) {
    uint16_t status = status_of(errno);
    upload->partial[0] = '\0';
    self->upload = upload;
    refuse(self, status);
    return false;
  }
  upload->sha = tern_sha256_new();
  self->upload = upload;
  return true;
}

/* Writes and hashes the slices; false with errno set. */
static bool store(struct tern_serve_upload *upload, const tern_slice *slices, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (!tern_cli_write_all(upload->fd, slices[i].data, slices[i].len))
      return false;
    tern_sha256_add(upload->sha, slices[i].data, slices[i].len);
    upload->bytes += slices[i].len;
  }
  return true;
}

void tern_serve_upload_on_body(struct tern_serve_request *self)
{
  tern_slice slices[SLICES_MAX];
  size_t count;
  while ((count = tern_request_peek(self->request, slices, SLICES_MAX)) > 0) {
    struct tern_serve_upload *upload = self->upload;
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
      len += slices[i].len;
    if (upload != NULL && len > self->serve->options.upload_max_bytes - upload->bytes) {
      refuse(self, 413);
      return;
    }
    if (upload != NULL && !store(upload, slices, count)) {
      refuse(self, status_of(errno));
      return;
    }
    tern_request_consume(self->request, len);
  }
}

void tern_serve_upload_on_end(struct tern_serve_request *self)
{
  struct tern_serve_upload *upload = self->upload;
  uint8_t hash[TERN_SHA256_BYTES];
  char text[TERN_SHA256_HEX_SIZE + 1];
  if (upload == NULL)
    return;
  bool is_stored = close(upload->fd) == 0;
  upload->fd = -1;
  if (!is_stored || renameat(upload->folder, upload->partial, upload->folder, upload->name) != 0) {
    refuse(self, status_of(errno));
    return;
  }
  upload->partial[0] = '\0';
  tern_sha256_end(upload->sha, hash);
  tern_sha256_hex(hash, text);
  strcat(text, "\n");
  tern_serve_reply(self, 201, "text/plain", tern_slice_of(text, strlen(text)));
}
