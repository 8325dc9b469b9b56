/* SPDX-License-Identifier: MIT */
/* The access log: a line per request, like the combined format of other servers.
 *
 *   192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /a HTTP/3" 200 1234 "referer" "agent" 0.012
 *
 * The last number is the time in seconds until the peer had everything. */
#ifndef TERN_TOOLS_ACCESS_LOG_H
#define TERN_TOOLS_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/h3.h>

struct tern_access_log;

/* What is known when a request comes; copied, since the line is written when it ends. */
struct tern_access_entry;

/* `path` "-" is standard output. NULL with errno set. Appends. */
struct tern_access_log *tern_access_log_new(const char *path);
void tern_access_log_free(struct tern_access_log *log);

/* `seconds` since 1970. NULL if `log` is NULL. */
struct tern_access_entry *tern_access_entry_new(const struct tern_access_log *log,
                                                const tern_addr *remote, const tern_field *fields,
                                                size_t count, int64_t seconds);
/* Writes the line and frees the entry. `status` 0 = nothing was answered. NULL is fine. */
void tern_access_entry_end(struct tern_access_log *log, struct tern_access_entry *entry,
                           uint16_t status, uint64_t bytes, uint64_t took_ns);

/* `data` with quotes, backslashes and everything unprintable as \xNN; cut so that it fits. */
void tern_access_log_escape(tern_slice data, char *text, size_t size);

#endif
