/* SPDX-License-Identifier: MIT */
/* qlog: what a connection does, as a sequence of JSON texts (RFC 7464) that tools such as qvis draw.
 * Schemas: draft-ietf-quic-qlog-main-schema, -quic-events and -h3-events.
 *
 *     tern_qlog qlog;
 *     tern_qlog_init(&qlog, &ops, arg);
 *     config.subscribers[n] = tern_qlog_subscriber(&qlog);
 *
 * A subscriber like the text log of <tern/event.h>: it runs inside, takes no memory, and nothing is
 * paid without it. Every record handed to `write` is whole: record separator, JSON, newline. A qlog
 * serves one endpoint, and must outlive it. Strings that a peer chose are escaped, and cut after
 * TERN_QLOG_TEXT_MAX bytes; keys and payloads are never written. */
#ifndef TERN_QLOG_H
#define TERN_QLOG_H

#include <tern/base.h>
#include <tern/config.h>
#include <tern/event.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERN_QLOG_TEXT_MAX 512 /* bytes of a string, before escaping */
#define TERN_QLOG_FRAMES_MAX                                                                       \
  8192 /* characters of a packet's frames; more are records of their own */
#define TERN_QLOG_RECORD_MAX 24576  /* characters of a record */
#define TERN_QLOG_EXTENSION "sqlog" /* of a file's name */

typedef struct tern_qlog_ops {
  /* With `is_split`: connection `conn` begins a trace of its own. `odcid` is the first Destination
   * Connection ID of the client, which names the trace. May be NULL. */
  void (*begin)(void *arg, uint64_t conn, tern_slice odcid, bool is_server);
  /* One record, valid for the call. `conn` is 0 without `is_split`. */
  void (*write)(void *arg, uint64_t conn, const char *record, size_t len);
  /* With `is_split`: the trace of `conn` got its last record. May be NULL. */
  void (*end)(void *arg, uint64_t conn);
} tern_qlog_ops;

typedef struct tern_qlog {
  const tern_qlog_ops *ops;
  void *arg;
  /* A trace per connection; what belongs to none is left out. Default: one trace for all, where each
   * event says its connection by group_id. */
  bool is_split;
  const char *title;      /* NULL = none */
  const char *wall_clock; /* time of the first event as RFC 3339 has it; NULL = unknown */
  tern_time start;        /* time zero; default: that of the first event */
  uint64_t records_cut;   /* records that were longer than TERN_QLOG_RECORD_MAX, and left out */
  /* Private. */
  bool is_started, has_header;
  uint64_t frames_conn; /* whose frames wait for their packet */
  bool frames_are_sent;
  size_t frames_len;
  uint64_t state_conn; /* whose congestion state was written last */
  const char *state;
  char frames[TERN_QLOG_FRAMES_MAX];
  char record[TERN_QLOG_RECORD_MAX];
} tern_qlog;

/* `ops` is borrowed; `write` is required. */
void tern_qlog_init(tern_qlog *qlog, const tern_qlog_ops *ops, void *arg);
/* `qlog` must outlive the endpoint that the subscriber is given to. */
tern_event_subscriber tern_qlog_subscriber(tern_qlog *qlog);

#ifdef __cplusplus
}
#endif
#endif
