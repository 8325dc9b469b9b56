/* SPDX-License-Identifier: MIT */
/* GET and HEAD: a file, a folder's index.html, or its listing.
 *
 *   conditions (304, 412)  ->  Range (206, 416)  ->  200 */
#define _GNU_SOURCE /* st_mtim */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "byte_range.h"
#include "conditional.h"
#include "http_date.h"
#include "mime.h"
#include "root.h"
#include "url.h"

#define INDEX "index.html"

/* A file that is there, and the request for it. */
struct answer {
  struct tern_serve_request *self;
  const char *path; /* for its type */
  int fd;
  struct stat info;
  struct tern_conditions conditions;
  struct tern_validators validators;
  tern_slice range;
};

static void refuse(struct tern_serve_request *self, int error)
{
  bool is_missing = error == ENOENT || error == ENOTDIR || error == EXDEV || error == ELOOP ||
                    error == ENAMETOOLONG;
  bool is_full = error == EMFILE || error == ENFILE || error == ENOMEM;
  tern_serve_reply_status(self, error == EACCES ? 403 : is_missing ? 404 : is_full ? 503 : 500);
}

/* A folder that was asked for without its slash: links in its index would go wrong. */
static void redirect(struct tern_serve_request *self, const char *path)
{
  char location[3 * TERN_TARGET_MAX + 4] = "/";
  tern_url_encode(path, location, sizeof location - 1);
  strcat(location, "/");
  const tern_field fields[] = {
      tern_field_of("location", location),
      tern_field_of("content-length", "0"),
  };
  tern_serve_reply_fields(self, 301, fields, 2);
}

/* ---- a file ------------------------------------------------------------------------------ */

static void send_unsatisfiable(const struct answer *answer)
{
  char range[48];
  snprintf(range, sizeof range, "bytes */%" PRIu64, (uint64_t)answer->info.st_size);
  const tern_field fields[] = {
      tern_field_of("content-range", range),
      tern_field_of("content-length", "0"),
  };
  close(answer->fd);
  tern_serve_reply_fields(answer->self, 416, fields, 2);
}

static void send_unchanged(const struct answer *answer, const char *date)
{
  const tern_field fields[] = {
      tern_field_of("etag", answer->validators.etag),
      tern_field_of("last-modified", date),
  };
  close(answer->fd);
  tern_serve_reply_fields(answer->self, 304, fields, 2);
}

static void send_range(const struct answer *answer, const char *date,
                       const struct tern_byte_range *range, bool is_part)
{
  tern_field fields[TERN_SERVE_FIELDS_MAX];
  char length[24], content_range[80];
  size_t count = 0;
  snprintf(length, sizeof length, "%" PRIu64, range->to - range->from);
  fields[count++] = tern_field_of("content-length", length);
  fields[count++] = tern_field_of("content-type", tern_mime_get(answer->path));
  fields[count++] = tern_field_of("last-modified", date);
  fields[count++] = tern_field_of("etag", answer->validators.etag);
  fields[count++] = tern_field_of("accept-ranges", "bytes");
  if (is_part) {
    snprintf(content_range, sizeof content_range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
             range->from, range->to - 1, (uint64_t)answer->info.st_size);
    fields[count++] = tern_field_of("content-range", content_range);
  }
  struct tern_serve_body body = {
      .status = is_part ? 206 : 200,
      .fields = fields,
      .count = count,
      .fd = answer->fd,
      .from = range->from,
      .to = range->to,
  };
  tern_serve_reply_file(answer->self, &body);
}

static void send_file(struct answer *answer)
{
  uint64_t size = (uint64_t)answer->info.st_size;
  struct tern_byte_range range = {0, size};
  enum tern_byte_range_result result = TERN_BYTE_RANGE_IGNORED;
  char date[TERN_HTTP_DATE_SIZE];
  tern_validators_init(&answer->validators, size, answer->info.st_mtim.tv_sec,
                       (uint32_t)answer->info.st_mtim.tv_nsec);
  answer->validators.now = time(NULL);
  tern_http_date_format(answer->validators.modified, date);
  switch (tern_conditions_check(&answer->conditions, &answer->validators)) {
  case TERN_CONDITION_304:
    send_unchanged(answer, date);
    return;
  case TERN_CONDITION_FAILED:
    close(answer->fd);
    tern_serve_reply_status(answer->self, 412);
    return;
  case TERN_CONDITION_NONE:
    break;
  }
  /* [rfc9110-14.2] Range is for GET alone */
  if (answer->range.data != NULL && !answer->self->is_head &&
      tern_conditions_allow_range(&answer->conditions, &answer->validators))
    result =
        tern_byte_range_parse((const char *)answer->range.data, answer->range.len, size, &range);
  if (result == TERN_BYTE_RANGE_UNSATISFIABLE)
    send_unsatisfiable(answer);
  else
    send_range(answer, date, &range, result == TERN_BYTE_RANGE_GOOD);
}

/* ---- which file -------------------------------------------------------------------------- */

/* A folder: its index, its listing, or nothing. `fd` is taken over. */
static void answer_folder(struct answer *answer, const char *path)
{
  struct tern_serve_request *self = answer->self;
  char index[TERN_TARGET_MAX + sizeof INDEX];
  struct stat info;
  int folder = answer->fd;
  snprintf(index, sizeof index, "%s" INDEX, path);
  int fd = tern_root_open(self->serve->root_fd, index);
  if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    close(folder);
    answer->fd = fd;
    answer->info = info;
    answer->path = INDEX;
    send_file(answer);
    return;
  }
  if (fd >= 0)
    close(fd);
  if (!self->serve->options.no_listing) {
    tern_serve_list(self, folder, path);
    return;
  }
  close(folder);
  tern_serve_reply_status(self, 404);
}

static void read_conditions(struct answer *answer, const tern_field *fields, size_t count)
{
  answer->range = tern_field_value(fields, count, "range");
  answer->conditions = (struct tern_conditions){
      .if_match = tern_field_value(fields, count, "if-match"),
      .if_none_match = tern_field_value(fields, count, "if-none-match"),
      .if_modified_since = tern_field_value(fields, count, "if-modified-since"),
      .if_unmodified_since = tern_field_value(fields, count, "if-unmodified-since"),
      .if_range = tern_field_value(fields, count, "if-range"),
  };
}

void tern_serve_file(struct tern_serve_request *self, const char *path, const tern_field *fields,
                     size_t count)
{
  struct answer answer = {.self = self, .path = path};
  size_t len = strlen(path);
  bool is_folder_path = len == 0 || path[len - 1] == '/';
  answer.fd = tern_root_open(self->serve->root_fd, path);
  if (answer.fd < 0) {
    refuse(self, errno);
    return;
  }
  if (fstat(answer.fd, &answer.info) != 0) {
    int error = errno;
    close(answer.fd);
    refuse(self, error);
    return;
  }
  read_conditions(&answer, fields, count);
  if (S_ISDIR(answer.info.st_mode) && is_folder_path) {
    answer_folder(&answer, path);
  } else if (S_ISDIR(answer.info.st_mode)) {
    close(answer.fd);
    redirect(self, path);
  } else if (S_ISREG(answer.info.st_mode) && !is_folder_path) {
    send_file(&answer);
  } else {
    close(answer.fd);
    tern_serve_reply_status(self, 404);
  }
}
