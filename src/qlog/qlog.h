/* SPDX-License-Identifier: MIT */
/* How the files of qlog/ share the work: qlog.c keeps traces and records; each group of events has a
 * file with one writer per kind; frame.c writes frames. */
#ifndef TERN_QLOG_QLOG_H
#define TERN_QLOG_QLOG_H

#include <string.h>

#include <tern/qlog.h>

#include "qlog/qjson.h"

/* Texts of events may be NULL. */
static inline bool tern_qlog_is_text(const char *text, const char *word)
{
  return text != NULL && strcmp(text, word) == 0;
}

/* Writes nothing, one record or several. */
typedef void tern_qlog_writer(tern_qlog *qlog, const tern_event *event);

/* Our ack_delay_exponent, the default [rfc9000-18.2]. */
#define TERN_QLOG_OWN_DELAY_SHIFT 3

/* A record: begin, members of `data`, end. */
struct tern_qlog_record {
  tern_qlog *qlog;
  const tern_event *event;
  struct tern_qjson json;
};

void tern_qlog_begin(struct tern_qlog_record *record, tern_qlog *qlog, const tern_event *event,
                     const char *name);
void tern_qlog_end(struct tern_qlog_record *record);

/* Frames wait here until their packet is known. */
void tern_qlog_add_frame(tern_qlog *qlog, const tern_event *event, tern_slice wire,
                         uint8_t delay_shift);
/* Member "frames" of the packet's record. */
void tern_qlog_take_frames(struct tern_qlog_record *record, bool is_sent);
/* Frames that never got a packet, as a record of their own. */
void tern_qlog_flush_frames(tern_qlog *qlog, const tern_event *event);

/* One frame as an object; the frame is a valid one. */
void tern_qlog_write_frame(struct tern_qjson *json, tern_slice wire, uint8_t delay_shift);
/* "error" and, if it has no name, "error_code": of a transport or a TLS error. */
void tern_qlog_write_transport_error(struct tern_qjson *json, const char *name, uint64_t code);
void tern_qlog_write_application_error(struct tern_qjson *json, const char *name, uint64_t code);
/* "raw", of an entity of `bytes`. */
void tern_qlog_write_raw(struct tern_qjson *json, uint64_t bytes);

/* Indexed by kind; NULL = not this group's. */
extern tern_qlog_writer *const tern_qlog_packet_writers[TERN_EVENT_COUNT];
extern tern_qlog_writer *const tern_qlog_conn_writers[TERN_EVENT_COUNT];
extern tern_qlog_writer *const tern_qlog_recovery_writers[TERN_EVENT_COUNT];
extern tern_qlog_writer *const tern_qlog_h3_writers[TERN_EVENT_COUNT];

#endif
