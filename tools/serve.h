/* SPDX-License-Identifier: MIT */
/* A run of `tern serve`, shared by its files. There is one struct tern_serve per worker, used by that
 * worker's thread alone; what they share does not change while they run, but for the access log, whose
 * lines are written under the lock of its stream.
 *
 *   serve.c          options, loop, signals, connections
 *   serve_request.c  one request: who answers it, its body, its end
 *   serve_file.c     GET and HEAD of files and folders
 *   serve_list.c     the listing of a folder
 *   serve_upload.c   PUT and POST */
#ifndef TERN_TOOLS_SERVE_H
#define TERN_TOOLS_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/h3.h>
#include <tern/io.h>

#include "access_log.h"
#include "base/list.h"
#include "cli.h"
#include "file_source.h"
#include "http_date.h"
#include "serve_options.h"
#include "target.h"

struct tern_serve_group;

struct tern_serve {
  struct tern_serve_group *group;
  struct tern_serve_options options; /* a copy: the event log writes into it */
  tern_loop *loop;
  tern_loop_timer *stop_timer;
  struct tern_list conns; /* struct serve_conn of serve.c */
  struct tern_access_log *access_log;
  int root_fd;
  int upload_fd; /* -1 = no uploads */
  uint64_t uploads_total;
  bool is_stopping;
  int64_t date_at; /* the second that `date` says */
  char date[TERN_HTTP_DATE_SIZE];
};

struct tern_serve_upload;

/* A request from its fields to its last callback. */
struct tern_serve_request {
  struct tern_serve *serve;
  tern_request *request;
  struct tern_access_entry *entry; /* NULL without a log */
  struct tern_file_source *source; /* body of a file */
  struct tern_serve_upload *upload;
  uint64_t body_bytes; /* of the response, as announced */
  tern_time started_at;
  uint16_t status;
  bool is_head;
  bool wants_body; /* `source` is still to be handed over */
};

/* ---- serve_request.c --------------------------------------------------------------------- */

void tern_serve_on_request(tern_h3 *h3, tern_request *request, const tern_field *fields,
                           size_t count, void *app);
/* Answers with a text or page, which is copied; without it for HEAD. */
void tern_serve_reply(struct tern_serve_request *self, uint16_t status, const char *type,
                      tern_slice body);
/* "404 Not Found" and the like as text. */
void tern_serve_reply_status(struct tern_serve_request *self, uint16_t status);
/* Answers with fields of the caller's, at most TERN_SERVE_FIELDS_MAX, and no body. */
#define TERN_SERVE_FIELDS_MAX 8
void tern_serve_reply_fields(struct tern_serve_request *self, uint16_t status,
                             const tern_field *fields, size_t count);
/* Answers with fields and, for GET, with bytes [from, to) of the file, which is taken over. */
struct tern_serve_body {
  uint16_t status;
  const tern_field *fields;
  size_t count;
  int fd;
  uint64_t from, to;
};
void tern_serve_reply_file(struct tern_serve_request *self, const struct tern_serve_body *body);

/* ---- the answers ------------------------------------------------------------------------- */

void tern_serve_file(struct tern_serve_request *self, const char *path, const tern_field *fields,
                     size_t count);
/* Takes `fd`, the folder, over. `path` is the request's, decoded. */
void tern_serve_list(struct tern_serve_request *self, int fd, const char *path);

/* Begins an upload, or refuses it and answers false. */
bool tern_serve_upload(struct tern_serve_request *self, const char *path);
void tern_serve_upload_on_body(struct tern_serve_request *self);
void tern_serve_upload_on_end(struct tern_serve_request *self);
/* Throws away what is not complete. */
void tern_serve_upload_free(struct tern_serve_upload *upload);

#endif
