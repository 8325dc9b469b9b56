/* SPDX-License-Identifier: MIT */
/* A run of `tern get`, shared by its files.
 *
 *   get          one loop, --max-time, the exit code
 *    `- origin   one host and port: addresses, the race to connect, one HTTP/3 connection
 *        `- transfer   one request and its body
 *
 * An origin has a list of URLs and does them `repeat` times over, with at most
 * TERN_GET_CONCURRENT_MAX transfers at a time. */
#ifndef TERN_TOOLS_GET_H
#define TERN_TOOLS_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/h3.h>
#include <tern/io.h>

#include "cli.h"
#include "get_options.h"
#include "resolve.h"

#define TERN_GET_CONCURRENT_MAX 100

struct tern_get;
struct tern_get_origin;

/* One connection attempt. */
struct tern_get_attempt {
  struct tern_get_origin *origin;
  tern_h3 *h3; /* NULL when it is over */
  tern_addr addr;
  bool is_connected;
};

enum tern_get_phase {
  TERN_GET_CONNECTING,
  TERN_GET_CONNECTED,
  TERN_GET_ENDED, /* nothing more is wanted of it */
};

/* What a connection came to; kept for the report. */
struct tern_get_figures {
  tern_conn_stats conn;
  uint64_t body_bytes; /* both ways */
  uint64_t requests;   /* complete */
  tern_time first_at;  /* first request */
  tern_time last_at;   /* last end */
};

struct tern_get_origin {
  struct tern_get *get;
  const struct tern_url *first; /* host and port */
  const struct tern_url **urls;
  size_t urls_count;
  struct tern_addrs addrs;
  struct tern_get_attempt attempts[TERN_ADDRS_MAX];
  size_t attempts_count; /* begun */
  size_t attempts_open;
  tern_loop_timer *next_timer; /* starts the next attempt */
  struct tern_get_attempt *winner;
  enum tern_get_phase phase;
  uint64_t jobs_total, jobs_started, jobs_done; /* urls_count times repeat */
  uint64_t jobs_broken;                         /* cut by the end of the connection */
  bool is_going_away;                           /* the server takes no more */
  bool is_counted_out;                          /* no longer in origins_open */
  struct tern_get_figures figures;
};

struct tern_get {
  struct tern_get_options options;
  tern_loop *loop;
  struct tern_get_origin *origins;
  size_t origins_count;
  size_t origins_started;
  size_t origins_open; /* with an address and not at their end */
  int exit_code;       /* of the first thing that went wrong */
  tern_loop_timer *max_timer;
  tern_loop_timer *progress_timer;
  tern_time started_at;
  uint64_t progress_bytes, progress_total; /* total UINT64_MAX = unknown */
  bool has_progress;
};

/* Keeps the first exit code that is not 0. */
void tern_get_fail(struct tern_get *get, int exit_code);
/* Starts those that did not start yet; with tern_get_is_serial the next one only. */
void tern_get_start_origins(struct tern_get *get);
/* Nobody wants the bodies. */
bool tern_get_is_discarding(const struct tern_get *get);
bool tern_get_is_to_stdout(const struct tern_get *get);
/* Several bodies go to standard output: one after the other. */
bool tern_get_is_serial(const struct tern_get *get);

/* ---- get_origin.c ------------------------------------------------------------------------ */

/* Resolves, with --resolve, -4 and -6. False after saying why. */
bool tern_get_origin_resolve(struct tern_get_origin *origin);
/* Begins the race. */
void tern_get_origin_start(struct tern_get_origin *origin);
/* Closes what is open; no more messages. */
void tern_get_origin_stop(struct tern_get_origin *origin, uint64_t code);
/* A transfer ended. */
void tern_get_origin_on_job_done(struct tern_get_origin *origin);

/* ---- get_transfer.c ---------------------------------------------------------------------- */

/* Sends the request for `url`. False if it cannot be sent at all: the exit code is set. */
bool tern_get_transfer_start(struct tern_get_origin *origin, const struct tern_url *url);

/* ---- get_report.c ------------------------------------------------------------------------ */

/* -v lines; quiet without it. */
void tern_get_explain_attempt(const struct tern_get *get, const tern_addr *addr);
void tern_get_explain_connected(const struct tern_get_origin *origin);
void tern_get_explain_fields(const struct tern_get *get, char mark, const tern_field *fields,
                             size_t count);
/* Why no connection came about, or why it ended, in a sentence that says what to try. Sets the exit
 * code. */
void tern_get_tell_connect_error(struct tern_get_origin *origin, const tern_error *error);
void tern_get_tell_broken(struct tern_get_origin *origin, const tern_error *error);
/* --summary */
void tern_get_print_summary(const struct tern_get *get);
/* The bar on stderr. */
void tern_get_draw_progress(struct tern_get *get, bool is_end);

#endif
