/* SPDX-License-Identifier: MIT */
/* Event log and key log. Lines go out whole, by one write each, so that several programs can append to
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
  if (!observe->has_log)
    return;
  tern_log_init(&observe->log, write_log, NULL);
  observe->subscriber = tern_log_subscriber(&observe->log, observe->level);
  config->subscribers = &observe->subscriber;
  config->subscribers_count = 1;
}

void tern_observe_apply_tls(struct tern_observe *observe, tern_tls_config *config)
{
  if (observe->keylog_fd < 0)
    return;
  config->keylog = write_key;
  config->keylog_arg = observe;
}
