/* SPDX-License-Identifier: MIT */
/* The access log. What a client sent is escaped, so that no request can forge a line. */
#define _GNU_SOURCE /* gmtime_r */
#include "access_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define TEXT_MAX 512

struct tern_access_log {
  FILE *file;
  bool is_own;
};

struct tern_access_entry {
  char host[TERN_ADDR_TEXT_MAX];
  char time[40];
  char method[24];
  char target[TEXT_MAX];
  char referer[TEXT_MAX];
  char agent[TEXT_MAX];
};

struct tern_access_log *tern_access_log_new(const char *path)
{
  bool is_own = strcmp(path, "-") != 0;
  FILE *file = is_own ? fopen(path, "ae") : stdout;
  if (file == NULL)
    return NULL;
  setvbuf(file, NULL, _IOLBF, 0);
  struct tern_access_log *log = tern_cli_take(1, sizeof *log);
  log->file = file;
  log->is_own = is_own;
  return log;
}

void tern_access_log_free(struct tern_access_log *log)
{
  if (log == NULL)
    return;
  if (log->is_own)
    fclose(log->file);
  free(log);
}

void tern_access_log_escape(tern_slice data, char *text, size_t size)
{
  size_t at = 0;
  for (size_t i = 0; i < data.len && at + 5 <= size; i++) {
    unsigned char c = data.data[i];
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
      text[at++] = (char)c;
    else
      at += (size_t)snprintf(text + at, 5, "\\x%02x", c);
  }
  text[at] = '\0';
}

static void keep(char *text, size_t size, const tern_field *fields, size_t count, const char *name)
{
  tern_slice value = tern_field_value(fields, count, name);
  if (value.data == NULL)
    value = tern_slice_of("-", 1);
  tern_access_log_escape(value, text, size);
}

/* The address without its port. */
static void keep_host(struct tern_access_entry *entry, const tern_addr *remote)
{
  tern_addr_format(remote, entry->host, sizeof entry->host);
  char *colon = strrchr(entry->host, ':');
  if (colon != NULL)
    *colon = '\0';
  size_t len = strlen(entry->host);
  if (entry->host[0] == '[' && len > 2) {
    memmove(entry->host, entry->host + 1, len - 2);
    entry->host[len - 2] = '\0';
  }
}

struct tern_access_entry *tern_access_entry_new(const struct tern_access_log *log,
                                                const tern_addr *remote, const tern_field *fields,
                                                size_t count, int64_t seconds)
{
  static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct tm parts;
  time_t when = (time_t)seconds;
  if (log == NULL || gmtime_r(&when, &parts) == NULL)
    return NULL;
  struct tern_access_entry *entry = tern_cli_take(1, sizeof *entry);
  keep_host(entry, remote);
  snprintf(entry->time, sizeof entry->time, "%02d/%s/%04d:%02d:%02d:%02d +0000",
           parts.tm_mday % 100, months[parts.tm_mon % 12], (parts.tm_year + 1900) % 10000,
           parts.tm_hour % 100, parts.tm_min % 100, parts.tm_sec % 100);
  keep(entry->method, sizeof entry->method, fields, count, ":method");
  keep(entry->target, sizeof entry->target, fields, count, ":path");
  keep(entry->referer, sizeof entry->referer, fields, count, "referer");
  keep(entry->agent, sizeof entry->agent, fields, count, "user-agent");
  return entry;
}

void tern_access_entry_end(struct tern_access_log *log, struct tern_access_entry *entry,
                           uint16_t status, uint64_t bytes, uint64_t took_ns)
{
  if (log == NULL || entry == NULL)
    return;
  fprintf(log->file,
          "%s - - [%s] \"%s %s HTTP/3\" %03u %" PRIu64 " \"%s\" \"%s\" %" PRIu64 ".%03u\n",
          entry->host, entry->time, entry->method, entry->target, (unsigned)status, bytes,
          entry->referer, entry->agent, took_ns / TERN_SECOND,
          (unsigned)(took_ns % TERN_SECOND / TERN_MS));
  free(entry);
}
