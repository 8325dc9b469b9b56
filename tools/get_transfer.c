/* SPDX-License-Identifier: MIT */
/* One request and its body.
 *
 *   received slices --writev--> file          no buffer of ours between the packets and the file
 *   file --pread--> packets                   an upload is pulled when its packets are built
 *
 * A transfer counts as done when the message is complete and valid (on_end). Anything else is said and
 * leaves what was written so far, so that nobody takes a part for the whole. */
#define _GNU_SOURCE /* preadv, O_CLOEXEC */
#include "get.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "file_source.h"

#define SLICES_MAX 64
#define FIELDS_MAX 64 /* of -H, and ours */

struct transfer {
  struct tern_get_origin *origin;
  const struct tern_url *url;
  struct tern_file_source *upload; /* until it is handed over */
  uint64_t upload_bytes;
  char *path; /* of the output; NULL = standard output */
  int fd;     /* -1 = not open */
  uint16_t status;
  bool is_ended;
  bool is_late; /* not as early data */
  bool is_told; /* what went wrong was said */
};

static const struct tern_get_options *options_of(const struct transfer *transfer)
{
  return &transfer->origin->get->options;
}

static void give_up(struct transfer *transfer, tern_request *request, int exit_code)
{
  transfer->is_told = true;
  tern_get_fail(transfer->origin->get, exit_code);
  if (request != NULL)
    tern_request_cancel(request, TERN_H3_REQUEST_CANCELLED);
}

/* ---- output ------------------------------------------------------------------------------ */

static bool open_output(struct transfer *transfer)
{
  const struct tern_get *get = transfer->origin->get;
  if (tern_get_is_to_stdout(get)) {
    transfer->fd = STDOUT_FILENO;
    return true;
  }
  if (tern_get_is_discarding(get))
    return true;
  transfer->path = get->options.remote_name
                       ? tern_url_take_name(transfer->url)
                       : tern_cli_copy(get->options.output, strlen(get->options.output));
  transfer->fd = open(transfer->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return transfer->fd >= 0;
}

static void tell_output_error(struct transfer *transfer, tern_request *request)
{
  tern_cli_say(TERN_GET_WHO, "cannot write %s: %s",
               transfer->path == NULL ? "to standard output" : transfer->path, strerror(errno));
  give_up(transfer, request, TERN_EXIT_LOCAL);
}

/* False with errno set. */
static bool close_output(struct transfer *transfer)
{
  int fd = transfer->fd;
  transfer->fd = -1;
  return fd < 0 || fd == STDOUT_FILENO || close(fd) == 0;
}

/* Writes the slices; `*wrote` bytes went out. False with errno set. */
static bool write_slices(int fd, const tern_slice *slices, size_t count, size_t *wrote)
{
  struct iovec iov[SLICES_MAX];
  union {
    const uint8_t *in;
    void *out;
  } data; /* writev does not write to it, its type does not say so */
  for (size_t i = 0; i < count; i++) {
    data.in = slices[i].data;
    iov[i] = (struct iovec){data.out, slices[i].len};
  }
  ssize_t done;
  do
    done = writev(fd, iov, (int)count);
  while (done < 0 && errno == EINTR);
  *wrote = done < 0 ? 0 : (size_t)done;
  return done >= 0;
}

static size_t sum_of(const tern_slice *slices, size_t count)
{
  size_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += slices[i].len;
  return sum;
}

static void on_body(tern_request *request, void *app)
{
  struct transfer *transfer = app;
  struct tern_get *get = transfer->origin->get;
  tern_slice slices[SLICES_MAX];
  size_t count;
  while ((count = tern_request_peek(request, slices, SLICES_MAX)) > 0) {
    size_t len = sum_of(slices, count);
    if (transfer->fd >= 0 && !write_slices(transfer->fd, slices, count, &len)) {
      tell_output_error(transfer, request);
      return;
    }
    transfer->origin->figures.body_bytes += len;
    get->progress_bytes += len;
    tern_request_consume(request, len);
  }
}

/* ---- the message ------------------------------------------------------------------------- */

static bool start(struct tern_get_origin *origin, const struct tern_url *url, bool is_late);

/* [rfc8470-5.2] 425, Too Early: once more, after the handshake. */
static void try_later(struct transfer *transfer, tern_request *request)
{
  struct tern_get_origin *origin = transfer->origin;
  transfer->is_told = true;
  origin->jobs_started++;
  origin->jobs_total++;
  if (!start(origin, transfer->url, true))
    origin->jobs_done++;
  tern_request_cancel(request, TERN_H3_NO_ERROR);
}

static void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                        size_t count, void *app)
{
  struct transfer *transfer = app;
  struct tern_get *get = transfer->origin->get;
  tern_get_explain_fields(get, '<', fields, count);
  if (status < 200)
    return;
  transfer->status = status;
  if (status == 425 && !transfer->is_late) {
    try_later(transfer, request);
    return;
  }
  if (get->progress_total == UINT64_MAX && transfer->upload_bytes == 0)
    get->progress_total = tern_request_get_content_length(request);
  if (!open_output(transfer))
    tell_output_error(transfer, request);
}

static void on_trailers(tern_request *request, const tern_field *fields, size_t count, void *app)
{
  const struct transfer *transfer = app;
  (void)request;
  tern_get_explain_fields(transfer->origin->get, '<', fields, count);
}

static void on_end(tern_request *request, void *app)
{
  struct transfer *transfer = app;
  if (transfer->is_told)
    return;
  if (!close_output(transfer)) {
    tell_output_error(transfer, request);
    return;
  }
  transfer->is_ended = true;
  transfer->origin->figures.requests++;
  transfer->origin->figures.body_bytes += transfer->upload_bytes;
  if (transfer->status >= 400) {
    if (!tern_get_is_discarding(transfer->origin->get))
      tern_cli_say(TERN_GET_WHO, "https://%s%s: status %u", transfer->url->authority,
                   transfer->url->target, (unsigned)transfer->status);
    tern_get_fail(transfer->origin->get, TERN_EXIT_STATUS);
    /* It may have refused an upload half-way: the rest has no reader. */
    if (transfer->upload_bytes > 0)
      tern_request_cancel(request, TERN_H3_NO_ERROR);
  }
}

static void on_reset(tern_request *request, uint64_t code, void *app)
{
  struct transfer *transfer = app;
  const char *name = tern_h3_error_name(code);
  char number[32];
  snprintf(number, sizeof number, "error 0x%" PRIx64, code);
  /* Without its stream the connection has ended: that is said once for all its transfers. */
  if (transfer->is_told || transfer->origin->phase == TERN_GET_ENDED ||
      tern_request_get_stream(request) == NULL)
    return;
  const char *why = "the response is not complete";
  if (code == TERN_H3_REQUEST_REJECTED)
    why = "the server did not take the request: try again";
  else if (code == TERN_H3_MESSAGE_ERROR)
    why = "the response is malformed";
  tern_cli_say(TERN_GET_WHO, "https://%s%s: %s (%s)%s%s", transfer->url->authority,
               transfer->url->target, why, name != NULL ? name : number,
               transfer->path != NULL ? "; a part of it is in " : "",
               transfer->path != NULL ? transfer->path : "");
  give_up(transfer, request, TERN_EXIT_TRANSFER);
}

static void on_closed(tern_request *request, void *app)
{
  struct transfer *transfer = app;
  struct tern_get_origin *origin = transfer->origin;
  (void)request;
  (void)close_output(transfer);
  if (!transfer->is_ended && !transfer->is_told) {
    origin->jobs_broken++;
    tern_get_fail(origin->get, TERN_EXIT_TRANSFER);
  }
  tern_file_source_unref(transfer->upload);
  free(transfer->path);
  free(transfer);
  tern_get_origin_on_job_done(origin);
}

/* ---- upload ------------------------------------------------------------------------------ */

static void send_upload(struct transfer *transfer, tern_request *request)
{
  if (transfer->upload == NULL)
    return;
  tern_status status = TERN_OK;
  if (transfer->upload_bytes > 0) {
    tern_source source = tern_file_source_of(transfer->upload, TERN_H3_INTERNAL_ERROR);
    status = tern_request_write_source(request, transfer->upload_bytes, &source);
    if (status == TERN_BLOCKED)
      return; /* on_writable */
  }
  if (status == TERN_OK && transfer->upload_bytes > 0)
    transfer->upload = NULL; /* handed over */
  if (status == TERN_OK)
    status = tern_request_finish(request);
  if (status != TERN_OK && status != TERN_RESET && status != TERN_CLOSED)
    give_up(transfer, request, TERN_EXIT_LOCAL);
}

static void on_writable(tern_request *request, void *app)
{
  send_upload(app, request);
}

static bool open_upload(struct transfer *transfer)
{
  const char *path = options_of(transfer)->upload;
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &info) != 0) {
    tern_cli_say(TERN_GET_WHO, "cannot read %s: %s", path, strerror(errno));
  } else if (!S_ISREG(info.st_mode)) {
    tern_cli_say(TERN_GET_WHO, "cannot send %s: it is no plain file", path);
  } else {
    transfer->upload = tern_file_source_new(fd, 0);
    transfer->upload_bytes = (uint64_t)info.st_size;
    return true;
  }
  if (fd >= 0)
    close(fd);
  return false;
}

/* ---- the request ------------------------------------------------------------------------- */

static const tern_request_ops request_ops = {
    .size = sizeof(tern_request_ops),
    .on_response = on_response,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_reset = on_reset,
    .on_closed = on_closed,
};

static void add_default(tern_field *fields, size_t *count, const char *name, const char *value)
{
  if (tern_field_find(fields, *count, name) == NULL)
    fields[(*count)++] = tern_field_of(name, value);
}

/* Control data, the caller's fields, and ours where the caller has none of that name. */
static size_t make_fields(const struct transfer *transfer, tern_field *fields, const char *length)
{
  const struct tern_get_options *options = options_of(transfer);
  const char *method = options->method != NULL   ? options->method
                       : options->upload != NULL ? "PUT"
                                                 : "GET";
  size_t count = 0;
  fields[count++] = tern_field_of(":method", method);
  fields[count++] = tern_field_of(":scheme", "https");
  fields[count++] = tern_field_of(":authority", transfer->url->authority);
  fields[count++] = tern_field_of(":path", transfer->url->target);
  for (size_t i = 0; i < options->fields_count && count < FIELDS_MAX - 4; i++) {
    if (tern_field_find(&options->fields[i], 1, "host") != NULL)
      fields[2].value = options->fields[i].value;
    else
      fields[count++] = options->fields[i];
  }
  add_default(fields, &count, "user-agent", "tern/" TERN_CLI_VERSION);
  add_default(fields, &count, "accept", "*/*");
  if (transfer->upload != NULL)
    add_default(fields, &count, "content-length", length);
  return count;
}

static void tell_submit_error(const struct transfer *transfer, tern_status status)
{
  struct tern_get *get = transfer->origin->get;
  bool is_fields = status == TERN_INVALID || status == TERN_LIMIT;
  tern_cli_say(TERN_GET_WHO, "cannot ask for https://%s%s: %s", transfer->url->authority,
               transfer->url->target,
               status == TERN_INVALID
                   ? "HTTP/3 does not allow that method or one of the fields of -H"
               : status == TERN_LIMIT ? "the fields are more than the server takes"
                                      : tern_status_name(status));
  tern_get_fail(get, is_fields ? TERN_EXIT_USAGE : TERN_EXIT_TRANSFER);
}

bool tern_get_transfer_start(struct tern_get_origin *origin, const struct tern_url *url)
{
  return start(origin, url, false);
}

static bool start(struct tern_get_origin *origin, const struct tern_url *url, bool is_late)
{
  tern_field fields[FIELDS_MAX];
  char length[24];
  tern_request *request;
  struct transfer *transfer = tern_cli_take(1, sizeof *transfer);
  transfer->origin = origin;
  transfer->url = url;
  transfer->fd = -1;
  transfer->is_late = is_late;
  tern_status status = TERN_OK;
  if (origin->get->options.upload != NULL && !open_upload(transfer)) {
    tern_get_fail(origin->get, TERN_EXIT_LOCAL);
    free(transfer);
    return false;
  }
  snprintf(length, sizeof length, "%" PRIu64, transfer->upload_bytes);
  tern_submit_args args = {
      .fields = fields,
      .count = make_fields(transfer, fields, length),
      .has_body = transfer->upload != NULL,
      .ops = &request_ops,
      .app = transfer,
      .early = is_late ? TERN_H3_EARLY_NEVER : TERN_H3_EARLY_SAFE,
  };
  status = tern_h3_submit(origin->winner->h3, &args, &request);
  if (status != TERN_OK) {
    tell_submit_error(transfer, status);
    tern_file_source_unref(transfer->upload);
    free(transfer);
    return false;
  }
  tern_get_explain_fields(origin->get, '>', fields, args.count);
  send_upload(transfer, request);
  return true;
}
