/* SPDX-License-Identifier: MIT */
/* What lets a person look inside: the event log on stderr, qlog and the TLS key log. */
#ifndef TERN_TOOLS_OBSERVE_H
#define TERN_TOOLS_OBSERVE_H

#include <stdbool.h>

#include <tern/config.h>
#include <tern/event.h>
#include <tern/transport.h>

#include "qlog_files.h"

/* Must stay where it is as long as the endpoint lives. */
struct tern_observe {
  tern_log log;
  const char *qlog_folder;      /* NULL = no qlog */
  struct tern_qlog_files *qlog; /* of the endpoint; NULL before tern_observe_apply */
  tern_event_subscriber subscribers[2];
  tern_event_level level;
  bool has_log;
  int keylog_fd; /* -1 = none */
};

void tern_observe_init(struct tern_observe *observe);
void tern_observe_deinit(struct tern_observe *observe);

/* For --log: "error" to "trace". False for other words. */
bool tern_observe_set_level(struct tern_observe *observe, const char *level);
/* Opens the key log: `path`, or $SSLKEYLOGFILE if `path` is NULL; with neither it does nothing.
 * Appends; the file is made for its owner only. False with errno set. */
bool tern_observe_open_keylog(struct tern_observe *observe, const char *path);

/* Writes qlog into a folder, which is made if it is not there: `folder`, or $QLOGDIR if `folder` is
 * NULL; with neither it does nothing. False with errno set. */
bool tern_observe_open_qlog(struct tern_observe *observe, const char *folder);
/* After the endpoint: its traces are complete. For a copy of which tern_observe_deinit is not called. */
void tern_observe_close_qlog(struct tern_observe *observe);

/* Puts all into the configurations. */
void tern_observe_apply(struct tern_observe *observe, tern_config *config);
void tern_observe_apply_tls(struct tern_observe *observe, tern_tls_config *config);

#endif
