/* SPDX-License-Identifier: MIT */
/* A run of a `tern perf` client, shared by its files.
 *
 *   perf.c            the command: server, client or h3
 *   perf_run.c        one loop: connections, jobs, time, the end
 *   perf_conns.c      connections: opened, lost, replaced
 *   perf_reach.c      which of the host's addresses answers
 *   perf_stream.c     jobs of the perf protocol    \
 *   perf_handshake.c  a job is a handshake          >  struct tern_perf_ops
 *   perf_datagram.c   a job is a datagram          |
 *   perf_h3.c         a job is an HTTP/3 request   /
 *   perf_report.c     text, perf_json.c JSON, perf_meter.c what both are made of
 *
 * A run opens its connections, and when all are there it begins: every slot, which is the place of one
 * job at a time, takes jobs from the pace until there are none or the time is over. What is under way
 * by then is given up and counted as unfinished, neither done nor failed. */
#ifndef TERN_TOOLS_PERF_H
#define TERN_TOOLS_PERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <tern/h3.h>
#include <tern/io.h>

#include "base/list.h"
#include "cli.h"
#include "perf_meter.h"
#include "perf_options.h"
#include "perf_pace.h"
#include "resolve.h"
#include "samples.h"

struct tern_perf_run;

/* The place of a connection: when one ends early, the next takes it. */
struct tern_perf_conn {
  struct tern_perf_run *run;
  tern_conn *quic; /* NULL = none now */
  tern_h3 *h3;     /* of it, in `tern perf h3` */
  struct tern_perf_slot *slots;
  size_t slots_count;
  size_t busy;            /* slots with a job */
  uint64_t done;          /* jobs, of this connection */
  bool is_open;           /* handshake done */
  bool is_leaving;        /* takes no more jobs, ends when the running ones are done */
  uint64_t bytes;         /* both ways, of jobs */
  tern_time last_byte_at; /* for the fairness between connections */
};

struct tern_perf_slot {
  struct tern_list_node idle; /* in run->idle when it is free and its connection is open */
  struct tern_perf_conn *conn;
  tern_time due_at;
  tern_time first_at; /* first byte of the answer; 0 = not yet */
  uint64_t received, sent;
  uint64_t down_bytes, up_bytes; /* what its jobs move */
  bool is_again;                 /* its job was rejected unprocessed and keeps its due_at */
};

/* How jobs are done. */
struct tern_perf_ops {
  const char *alpn;
  /* Puts callbacks on a fresh connection; they end in tern_perf_on_open, tern_perf_on_lost and the like.
   * NULL: the run has no connections of its own. */
  bool (*attach)(struct tern_perf_conn *conn);
  /* Begins the job of a slot; tern_perf_on_done follows, or on_failed. False if it cannot be begun on
   * this connection now. */
  bool (*start)(struct tern_perf_slot *slot);
  /* Ends a connection at once; tern_perf_on_lost follows. */
  void (*close)(struct tern_perf_conn *conn);
};

enum tern_perf_phase {
  TERN_PERF_CONNECTING,
  TERN_PERF_RUNNING,
  TERN_PERF_STOPPED,
};

struct tern_perf_run {
  struct tern_perf_options options;
  const struct tern_perf_ops *ops;
  tern_loop *loop;
  struct tern_addrs addrs;
  tern_addr remote; /* the one that answers */
  enum tern_perf_phase phase;
  int exit_code;
  struct tern_perf_conn *conns;
  struct tern_perf_slot *slots; /* of all connections */
  size_t slots_count;
  size_t conns_asked, conns_opening, conns_open;
  bool is_told; /* why a connection failed was said */
  struct tern_list idle;
  struct tern_list closing; /* slots whose handshake is done and whose connection is closed next */
  size_t busy;
  size_t again; /* jobs to be done again */
  struct tern_perf_pace pace;
  struct tern_perf_meter meter;
  tern_loop_timer *pace_timer, *end_timer, *tick_timer, *close_timer;
  tern_time began_at, ended_at, tick_at;
  tern_time issued_at; /* datagrams: when the last one left; 0 = not yet */
  struct tern_perf_count last_tick;
  bool shows_progress;
};

/* Runs to the end and reports. An exit code. */
int tern_perf_run(struct tern_perf_run *run, const struct tern_perf_ops *ops);
/* The first thing that went wrong becomes the exit code. */
void tern_perf_fail(struct tern_perf_run *run, int exit_code);
/* The clock itself: latencies are not rounded to the turns of the loop. */
tern_time tern_perf_clock(void);
/* The bytes of answers are counted and dropped. */
void tern_perf_on_received(struct tern_perf_slot *slot, uint64_t bytes);
void tern_perf_on_sent(struct tern_perf_slot *slot, uint64_t bytes);

/* What becomes of a job. After each of these the slot may have the next one already. */
void tern_perf_on_done(struct tern_perf_slot *slot);
void tern_perf_on_failed(struct tern_perf_slot *slot, const char *kind);
/* The server did not look at it: it is done again, with the same due time. */
void tern_perf_on_rejected(struct tern_perf_slot *slot);
/* A datagram left, or is back; the slot is free for the next meanwhile. */
void tern_perf_on_issued(struct tern_perf_slot *slot);
void tern_perf_on_back(struct tern_perf_slot *slot, tern_time due_at, uint64_t bytes);
/* Gives jobs that are due to slots that are free. */
void tern_perf_pump(struct tern_perf_run *run);
/* All connections that there will be are there. */
void tern_perf_begin(struct tern_perf_run *run);
void tern_perf_stop(struct tern_perf_run *run);

/* ---- perf_conns.c ------------------------------------------------------------------------ */

/* Opens as many connections as are still missing and may be in their handshake at once. */
void tern_perf_open_conns(struct tern_perf_run *run);
/* tern_loop_connect to the run's server. */
tern_status tern_perf_connect(struct tern_perf_run *run, const tern_conn_ops *ops, void *app,
                              tern_conn **out);
void tern_perf_on_open(struct tern_perf_conn *conn);
void tern_perf_on_leaving(struct tern_perf_conn *conn);
/* Its last callback; jobs that were under way have failed before. */
void tern_perf_on_lost(struct tern_perf_conn *conn, const tern_error *error);
void tern_perf_leave_if_done(struct tern_perf_conn *conn);
/* Says, the first time, why no connection came about, and sets the exit code. */
void tern_perf_tell_error(struct tern_perf_run *run, const tern_error *error);

/* ---- perf_reach.c ------------------------------------------------------------------------ */

/* Finds the address that answers; sets run->remote. An exit code. */
int tern_perf_reach(struct tern_perf_run *run);

/* ---- perf_stream.c and so on ------------------------------------------------------------- */

extern const struct tern_perf_ops tern_perf_stream_ops;
extern const struct tern_perf_ops tern_perf_handshake_ops;
void tern_perf_close_handshakes(struct tern_perf_run *run);
extern const struct tern_perf_ops tern_perf_datagram_ops;
extern const struct tern_perf_ops tern_perf_h3_ops;

/* ---- perf_report.c ----------------------------------------------------------------------- */

void tern_perf_print_tick(struct tern_perf_run *run, tern_time now);
void tern_perf_report(struct tern_perf_run *run);
void tern_perf_report_json(struct tern_perf_run *run, FILE *file);

#endif
