/* SPDX-License-Identifier: MIT */
/* qlog into a folder, a file per connection: DIR/<original destination id>_client.sqlog, or _server. */
#ifndef TERN_TOOLS_QLOG_FILES_H
#define TERN_TOOLS_QLOG_FILES_H

#include <stdio.h>

#include <tern/qlog.h>

struct tern_qlog_file;

struct tern_qlog_files {
  tern_qlog qlog;
  const char *folder;
  char wall_clock[40];
  struct tern_qlog_file *open; /* the one last written to first */
};

/* Nothing to do if it is there. False with errno set. */
bool tern_qlog_files_make_folder(const char *folder);

/* For one endpoint, and must outlive it. `folder` is borrowed. `has_clock`: the trace says when it began;
 * a simulation has no such time. Never NULL. */
struct tern_qlog_files *tern_qlog_files_new(const char *folder, bool has_clock);
void tern_qlog_files_free(struct tern_qlog_files *files);

#endif
