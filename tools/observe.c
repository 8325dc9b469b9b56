/* SPDX-License-Identifier: MIT */
/* Event log, qlog and key log. Lines go out whole, by one write each, so that several programs can append to
 * one file. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "observe.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define KEYLOG_LINE_MAX 512

void tern_observe_init(struct tern_observe *observe)
{
  memset(observe, 0, sizeof *observe);
  observe->keylog_fd = -1;
}

void tern_observe_deinit(struct tern_observe *observe)
{
  if (observe->keylog_fd >= 0)
    close(observe->keylog_fd);
  observe->keylog_fd = -1;
  tern_observe_close_qlog(observe);
}

bool tern_observe_set_level(struct tern_observe *observe, const char *level)
{
  observe->has_log = tern_event_level_parse(&observe->level, level);
  return observe->has_log;
}

bool tern_observe_open_keylog(struct tern_observe *observe, const char *path)
{
  if (path == NULL)
    path = getenv("SSLKEYLOGFILE");
  if (path == NULL || path[0] == '\0')
    return true;
  observe->keylog_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  return observe->keylog_fd >= 0;
}

bool tern_observe_open_qlog(struct tern_observe *observe, const char *folder)
{
  if (folder == NULL)
    folder = getenv("QLOGDIR");
  if (folder == NULL || folder[0] == '\0')
    return true;
  observe->qlog_folder = folder;
  return tern_qlog_files_make_folder(folder);
}

void tern_observe_close_qlog(struct tern_observe *observe)
{
  tern_qlog_files_free(observe->qlog);
  observe->qlog = NULL;
}

static void write_log(void *arg, const char *line, size_t len)
{
  (void)arg;
  fwrite(line, 1, len, stderr);
}

static void write_key(void *arg, const char *line)
{
  const struct tern_observe *observe = arg;
  char text[KEYLOG_LINE_MAX];
  int len = snprintf(text, sizeof text, "%s\n", line);
  if (len > 0 && (size_t)len < sizeof text)
    (void)tern_cli_write_all(observe->keylog_fd, text, (size_t)len);
}

void tern_observe_apply(struct tern_observe *observe, tern_config *config)
{
  size_t count = 0;
  if (observe->has_log) {
    tern_log_init(&observe->log, write_log, NULL);
    observe->subscribers[count++] = tern_log_subscriber(&observe->log, observe->level);
  }
  if (observe->qlog_folder != NULL)
    observe->qlog = tern_qlog_files_new(observe->qlog_folder, true);
  if (observe->qlog != NULL)
    observe->subscribers[count++] = tern_qlog_subscriber(&observe->qlog->qlog);
  config->subscribers = observe->subscribers;
  config->subscribers_count = count;
}

void tern_observe_apply_tls(struct tern_observe *observe, tern_tls_config *config)
{
  if (observe->keylog_fd < 0)
    return;
  config->keylog = write_key;
  config->keylog_arg = observe;
}
