/* SPDX-License-Identifier: MIT */
/* A file that cannot be opened (too many, say) costs its trace, never the connection. */
#define _GNU_SOURCE /* "e" of fopen */
#include "qlog_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"

#define NAME_MAX_BYTES (2 * 20 + sizeof "_server." TERN_QLOG_EXTENSION)

struct tern_qlog_file {
  struct tern_qlog_file *next;
  uint64_t conn;
  FILE *stream;
};

/* Records come in runs of one connection: the one found moves to the front. */
static struct tern_qlog_file *find(struct tern_qlog_files *files, uint64_t conn)
{
  for (struct tern_qlog_file **at = &files->open; *at != NULL; at = &(*at)->next) {
    struct tern_qlog_file *file = *at;
    if (file->conn != conn)
      continue;
    *at = file->next;
    file->next = files->open;
    files->open = file;
    return file;
  }
  return NULL;
}

static void close_front(struct tern_qlog_files *files)
{
  struct tern_qlog_file *file = files->open;
  files->open = file->next;
  if (fclose(file->stream) != 0)
    tern_cli_say("qlog", "cannot write to %s: %s", files->folder, strerror(errno));
  free(file);
}

static void on_begin(void *arg, uint64_t conn, tern_slice odcid, bool is_server)
{
  struct tern_qlog_files *files = arg;
  size_t size = strlen(files->folder) + 1 + NAME_MAX_BYTES;
  struct tern_qlog_file *file = tern_cli_take(1, sizeof *file);
  char *path = tern_cli_take(size, 1);
  char id[2 * 20 + 1] = "";
  for (size_t i = 0; i < odcid.len && i < 20; i++)
    snprintf(id + 2 * i, 3, "%02x", odcid.data[i]);
  snprintf(path, size, "%s/%s_%s." TERN_QLOG_EXTENSION, files->folder, id,
           is_server ? "server" : "client");
  *file = (struct tern_qlog_file){.next = files->open, .conn = conn, .stream = fopen(path, "we")};
  if (file->stream != NULL) {
    files->open = file;
  } else {
    tern_cli_say("qlog", "cannot write %s: %s", path, strerror(errno));
    free(file);
  }
  free(path);
}

static void on_write(void *arg, uint64_t conn, const char *record, size_t len)
{
  struct tern_qlog_file *file = find(arg, conn);
  if (file != NULL)
    fwrite(record, 1, len, file->stream);
}

static void on_end(void *arg, uint64_t conn)
{
  if (find(arg, conn) != NULL)
    close_front(arg);
}

static void note_clock(struct tern_qlog_files *files)
{
  struct timespec now;
  struct tm utc;
  char seconds[24];
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(files->wall_clock, sizeof files->wall_clock, "%s.%03ldZ", seconds,
           now.tv_nsec / 1000000);
  files->qlog.wall_clock = files->wall_clock;
}

bool tern_qlog_files_make_folder(const char *folder)
{
  return mkdir(folder, 0777) == 0 || errno == EEXIST;
}

struct tern_qlog_files *tern_qlog_files_new(const char *folder, bool has_clock)
{
  static const tern_qlog_ops ops = {on_begin, on_write, on_end};
  struct tern_qlog_files *files = tern_cli_take(1, sizeof *files);
  tern_qlog_init(&files->qlog, &ops, files);
  files->qlog.is_split = true;
  files->folder = folder;
  files->open = NULL;
  if (has_clock)
    note_clock(files);
  return files;
}

void tern_qlog_files_free(struct tern_qlog_files *files)
{
  if (files == NULL)
    return;
  while (files->open != NULL)
    close_front(files);
  free(files);
}
