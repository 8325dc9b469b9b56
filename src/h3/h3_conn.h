/* SPDX-License-Identifier: MIT */
/* The spine of HTTP/3: what a connection and its requests share. Nobody outside src/h3 sees this.
 *
 *   tern_h3 --- control, encoder, decoder streams out    (h3_uni)
 *      |    --- peer's uni streams                       (h3_uni)
 *      |    --- QPACK encoder and decoder
 *      '---- requests: list of tern_request
 *                receiving: frames -> fields, body       (h3_stream)
 *                sending:   fields, body -> frames       (h3_send)
 *
 * Lifetime: a tern_h3 lives until the connection's cleanup hook; a tern_request until its stream's
 * on_closed, or the cleanup. Application callbacks may end anything, so after each one the code asks
 * again whether it may go on (tern_h3.is_closed, the request's states) and never touches memory that a
 * callback could have freed: a request that is being processed is freed when that returns. */
#ifndef TERN_H3_H3_CONN_H
#define TERN_H3_H3_CONN_H

#include <tern/h3.h>

#include "base/alloc.h"
#include "base/list.h"
#include "h3/buf.h"
#include "h3/h3_frame.h"
#include "h3/h3_message.h"
#include "h3/qpack_dec.h"
#include "h3/qpack_enc.h"

/* Unacknowledged bytes of our decoder stream: a peer that never reads it is up to something. */
#define TERN_H3_DECODER_UNSENT_MAX 65536
/* The same of our encoder stream: beyond it nothing is inserted [rfc9204-2.1.3]. */
#define TERN_H3_ENCODER_UNSENT_MAX 16384
/* Decoded bytes held in field sections that are not complete, per connection; the stream that would
 * pass it is reset with H3_EXCESSIVE_LOAD. */
#define TERN_H3_SECTIONS_HELD_MAX 131072
/* Less movement than this in tern_h3_config.body_timeout_ms counts as none. */
#define TERN_H3_PROGRESS_BYTES 256

/* One of our three unidirectional streams. */
struct tern_h3_out {
  tern_stream *stream; /* NULL until it is needed, and after its end */
  uint64_t written;    /* bytes ever put in */
  uint64_t acked;
  struct tern_buf waiting; /* what the transport did not take yet */
};

/* A unidirectional stream of the peer. */
enum tern_h3_in_kind {
  TERN_H3_IN_TYPE, /* its type is not complete yet */
  TERN_H3_IN_CONTROL,
  TERN_H3_IN_ENCODER,
  TERN_H3_IN_DECODER,
  TERN_H3_IN_PUSH,
};

struct tern_h3_in {
  struct tern_list_node node;
  tern_h3 *h3;
  tern_stream *stream;
  enum tern_h3_in_kind kind;
  struct tern_h3_varint varint;
};

/* A tern_h3_config that was checked: no value of it is large. */
struct tern_h3_kept {
  uint32_t field_section_max_bytes;
  uint32_t qpack_table_bytes;
  uint32_t qpack_blocked_streams;
  uint32_t qpack_encoder_bytes;
  uint32_t header_timeout_ms;
  uint32_t body_timeout_ms;
  bool grease;
  uint8_t early; /* tern_h3_early */
};

struct tern_h3 {
  tern_conn *conn;
  struct tern_alloc *alloc;
  const tern_h3_ops *ops;
  void *app;
  struct tern_h3_kept config;
  bool is_server;
  bool is_closed; /* we closed, or the connection is gone: process nothing more */

  struct tern_h3_out control_out;
  struct tern_h3_out encoder_out;
  struct tern_h3_out decoder_out;
  struct tern_list ins; /* struct tern_h3_in */
  uint8_t ins_seen;     /* bit per enum tern_h3_in_kind of a critical stream */

  /* The peer's control stream. */
  struct tern_h3_frame_reader control;
  struct tern_buf control_payload; /* of the frame being read; at most TERN_CAP_H3_SETTINGS */
  bool has_settings;
  struct tern_h3_settings peer;
  struct tern_h3_settings
      remembered; /* client: of the ticket, in force until the peer's are here */
  bool has_remembered;
  struct tern_buf ticket;   /* client: the newest, which waits for the settings */
  uint64_t max_push_id;     /* server: the client's, UINT64_MAX = none */
  uint64_t goaway_received; /* UINT64_MAX = none */
  uint64_t goaway_sent;     /* UINT64_MAX = none */
  uint64_t next_id;         /* server: above every request stream seen */

  struct tern_qpack_enc enc;
  struct tern_qpack_dec dec;
  struct tern_buf section;         /* being encoded */
  struct tern_buf fields;          /* tern_field[] being put together */
  struct tern_qpack_reader *spare; /* a reader without a section, or NULL */
  uint64_t held_bytes;             /* in incomplete sections */
  uint64_t blocked_bytes;          /* encoded bytes that blocked streams may hold */

  struct tern_list requests; /* tern_request.node */
  struct tern_list blocked;  /* tern_request.blocked_node */
  size_t requests_count;

  uint64_t glitch_level; /* in 1/1000 */
  tern_time glitch_at;
  tern_time alarm_at;
  tern_h3_stats stats;
};

enum tern_h3_receiving {
  TERN_H3_RECEIVE_HEADERS, /* header section, or a further response */
  TERN_H3_RECEIVE_BODY,
  TERN_H3_RECEIVE_END,  /* trailers came: only the end may */
  TERN_H3_RECEIVE_DONE, /* complete, or given up */
};

enum tern_h3_sending {
  TERN_H3_SEND_HEADERS,
  TERN_H3_SEND_BODY,
  TERN_H3_SEND_DONE, /* FIN is written or will be */
  TERN_H3_SEND_RESET,
};

/* Body bytes that wait for the transport, behind the bytes of `outbox`. */
enum tern_h3_pending_kind { TERN_H3_PENDING_NONE, TERN_H3_PENDING_REF, TERN_H3_PENDING_SOURCE };

struct tern_h3_pending {
  enum tern_h3_pending_kind kind;
  tern_slice ref;
  uint64_t len;       /* of the source */
  tern_source source; /* its release and arg serve the reference, too */
};

/* Frames of unknown type and empty DATA frames on each request that are not held against the peer:
 * several stacks send one as grease with every request [rfc9114-7.2.8], or end each body with an
 * empty DATA frame. */
#define TERN_H3_IDLE_FRAMES_FREE 4

struct tern_request {
  struct tern_list_node node;
  struct tern_list_node blocked_node;
  tern_h3 *h3;
  tern_stream *stream;
  uint64_t id;
  const tern_request_ops *ops; /* never NULL */
  void *app;

  enum tern_h3_receiving receiving;
  struct tern_h3_frame_reader frame;
  struct tern_qpack_reader *reader; /* while a field section is read */
  uint64_t held_bytes;              /* by it, as charged to the connection */
  uint64_t blocked_bytes;           /* charged while blocked */
  struct tern_h3_body body_in;
  uint64_t body_consumed;
  uint64_t content_length;
  struct tern_h3_asked asked;
  uint32_t idle_frames; /* unknown types, DATA without bytes */
  bool is_told;         /* the application knows this request */
  bool is_ended;        /* on_end was called */
  bool is_processing;   /* frames are being read: the outer call goes on by itself */
  bool is_dead;         /* to be freed when processing returns */
  bool is_tunnel;       /* CONNECT: only DATA frames from here on [rfc9114-4.4] */

  enum tern_h3_sending sending;
  struct tern_buf outbox; /* bytes the transport did not take yet */
  struct tern_h3_pending pending;
  struct tern_h3_body body_out;
  bool wants_fin;      /* when the outbox is empty */
  bool wants_writable; /* the application was told TERN_BLOCKED */
  uint64_t written;    /* stream bytes handed to the transport */
  uint64_t acked;

  tern_time opened_at;
  tern_time window_at; /* start of the progress window */
  uint64_t window_progress;
};

/* ---- h3_conn ------------------------------------------------------------------------------- */

/* A connection error: closes with `code`, once. `why` is for people. */
void tern_h3_fail(tern_h3 *h3, uint64_t code, const char *why);
/* The peer did something legal and useless; enough of it is H3_EXCESSIVE_LOAD [rfc9114-10.5]. */
void tern_h3_add_glitch(tern_h3 *h3);
/* The peer's SETTINGS or GOAWAY are here. */
void tern_h3_on_settings(tern_h3 *h3);
void tern_h3_on_goaway(tern_h3 *h3, uint64_t id);
/* A request ended: closes the connection if it winds down and this was the last. */
void tern_h3_on_request_gone(tern_h3 *h3);
/* Among those, as RFC 8470 has it, that may be processed twice. */
bool tern_h3_is_early_ok(const tern_field *fields, size_t count, tern_h3_early early);
/* Makes sure that the alarm fires by `at`. */
void tern_h3_wake_at(tern_h3 *h3, tern_time at);

/* ---- h3_uni -------------------------------------------------------------------------------- */

/* Opens the control stream and writes SETTINGS. */
TERN_MUST_CHECK tern_status tern_h3_open_control(tern_h3 *h3);
void tern_h3_send_goaway(tern_h3 *h3, uint64_t id);
/* Moves QPACK instructions that were written to their streams. */
void tern_h3_flush_qpack(tern_h3 *h3);
/* Our encoder stream has room for insertions. */
bool tern_h3_can_insert(const tern_h3 *h3);
void tern_h3_on_uni_stream(tern_h3 *h3, tern_stream *stream);
void tern_h3_free_uni(tern_h3 *h3);

/* ---- h3_stream ----------------------------------------------------------------------------- */

extern const tern_stream_ops tern_h3_request_stream_ops;

/* For a stream that exists, or (client, stream NULL) is about to be opened. NULL: no memory. */
tern_request *tern_h3_request_new(tern_h3 *h3, tern_stream *stream);
void tern_h3_request_free(tern_request *request);
/* Reads what is there. The request may be gone afterwards. */
void tern_h3_request_process(tern_request *request);
/* A stream error: ends both directions with `code` and tells the application, if it knows of the
 * request and was not told an end. */
void tern_h3_request_fail(tern_request *request, uint64_t code);
/* No more reading: gives up an incomplete field section and tells the peer's encoder. */
void tern_h3_request_abandon(tern_request *request);
/* Field sections that wait for at most the current number of insertions go on. */
void tern_h3_unblock(tern_h3 *h3);
/* Ends the request if its peer does not move. Returns when to look again. */
tern_time tern_h3_request_check_time(tern_request *request, tern_time now);

/* ---- h3_send ------------------------------------------------------------------------------- */

/* Encodes and writes a HEADERS frame. TERN_LIMIT: larger than the peer takes. */
TERN_MUST_CHECK tern_status tern_h3_send_fields(tern_request *request, const tern_field *fields,
                                                size_t count);
/* The transport has room again. */
void tern_h3_request_flush(tern_request *request);
/* Forgets what is unsent, and releases it. */
void tern_h3_request_drop_unsent(tern_request *request);

#endif
