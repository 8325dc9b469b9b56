/* SPDX-License-Identifier: MIT */
/* HTTP/3 (RFC 9114) with QPACK (RFC 9204): requests and responses on a tern_conn.
 *
 * A server makes one tern_h3 per connection in tern_endpoint_ops.on_conn and is then told of each
 * request; a client makes one on a fresh connection and submits requests, at once if it likes: they
 * leave when the handshake is complete.
 *
 *     server                                       client
 *     on_request(request, fields)                  tern_h3_submit(h3, args, &request)
 *       tern_request_set_ops, if it wants a body   tern_request_write ... tern_request_finish
 *     on_body*  on_trailers?  on_end               on_response+  on_body*  on_trailers?  on_end
 *     tern_request_respond, write, finish          on_closed
 *     on_closed
 *
 * on_end means that the whole message is here and valid: the stream ended between two frames and the
 * body is as long as content-length said. A message that was cut, reset or malformed gets on_reset
 * in its place, never both.
 *
 * Fields are lower-case names and values; control data comes as fields too (":method", ":path",
 * ":scheme", ":authority", first of all). Fields given to a callback are borrowed for the call; fields
 * given to tern are copied.
 *
 * Callbacks are notifications (see <tern/transport.h>): they may call anything here, also cancel the
 * request or close the connection. After on_closed the pointer is dead. */
#ifndef TERN_H3_H
#define TERN_H3_H

#include <string.h>

#include <tern/base.h>
#include <tern/config.h>
#include <tern/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tern_h3 tern_h3;
typedef struct tern_request tern_request;

/* ---- fields ------------------------------------------------------------------------------ */

/* One field line. `is_never_indexed`: the value is a secret that no hop may put into a compression
 * table (RFC 9204 7.1.3); set by the sender, kept on receipt so that a proxy can pass it on. The
 * library sets it by itself for authorization, proxy-authorization, set-cookie and cookies shorter
 * than 20 bytes. */
typedef struct tern_field {
  tern_slice name;
  tern_slice value;
  bool is_never_indexed;
} tern_field;

/* A field from two C strings, which are borrowed. */
static inline tern_field tern_field_of(const char *name, const char *value)
{
  tern_field field;
  field.name = tern_slice_of(name, strlen(name));
  field.value = tern_slice_of(value, strlen(value));
  field.is_never_indexed = false;
  return field;
}

/* The first field called `name` (lower case), or NULL. */
const tern_field *tern_field_find(const tern_field *fields, size_t count, const char *name);
/* Its value; an empty slice with data NULL if there is none. */
tern_slice tern_field_value(const tern_field *fields, size_t count, const char *name);

/* ---- error codes ------------------------------------------------------------------------- */

/* RFC 9114 8.1, RFC 9204 6, RFC 9297 5.2. */
typedef enum tern_h3_code {
  TERN_H3_DATAGRAM_ERROR = 0x33,
  TERN_H3_NO_ERROR = 0x100,
  TERN_H3_GENERAL_PROTOCOL_ERROR = 0x101,
  TERN_H3_INTERNAL_ERROR = 0x102,
  TERN_H3_STREAM_CREATION_ERROR = 0x103,
  TERN_H3_CLOSED_CRITICAL_STREAM = 0x104,
  TERN_H3_FRAME_UNEXPECTED = 0x105,
  TERN_H3_FRAME_ERROR = 0x106,
  TERN_H3_EXCESSIVE_LOAD = 0x107,
  TERN_H3_ID_ERROR = 0x108,
  TERN_H3_SETTINGS_ERROR = 0x109,
  TERN_H3_MISSING_SETTINGS = 0x10a,
  TERN_H3_REQUEST_REJECTED = 0x10b,
  TERN_H3_REQUEST_CANCELLED = 0x10c,
  TERN_H3_REQUEST_INCOMPLETE = 0x10d,
  TERN_H3_MESSAGE_ERROR = 0x10e,
  TERN_H3_CONNECT_ERROR = 0x10f,
  TERN_H3_VERSION_FALLBACK = 0x110,
  TERN_H3_QPACK_DECOMPRESSION_FAILED = 0x200,
  TERN_H3_QPACK_ENCODER_STREAM_ERROR = 0x201,
  TERN_H3_QPACK_DECODER_STREAM_ERROR = 0x202,
} tern_h3_code;

/* "H3_FRAME_ERROR", or NULL if the code has no name. */
const char *tern_h3_error_name(uint64_t code);

/* ---- configuration ----------------------------------------------------------------------- */

/* What may be done with requests that may have been copied (RFC 8470): early data of a client. */
typedef enum tern_h3_early {
  TERN_H3_EARLY_SAFE = 0, /* with safe methods only (RFC 9110 9.2.1) */
  TERN_H3_EARLY_ALWAYS,
  TERN_H3_EARLY_NEVER,
} tern_h3_early;

/* How an HTTP/3 connection behaves. Fill with tern_h3_config_init. Bounds are inclusive. */
typedef struct tern_h3_config {
  size_t size; /* set by tern_h3_config_init */
  uint64_t
      field_section_max_bytes;    /* decoded, RFC 9114 4.2.2 sum; default 32 KiB; 1 KiB to 1 MiB */
  uint64_t qpack_table_bytes;     /* dynamic table the peer may use; default 4,096; 0 to 65,536 */
  uint64_t qpack_blocked_streams; /* default 16; 0 to 128 */
  uint64_t qpack_encoder_bytes;   /* most we use of the peer's table; default 4,096; 0 to 65,536 */
  /* Servers: a request whose header section is not complete this long after its stream opened is
   * reset (H3_REQUEST_INCOMPLETE). Default 10,000; 0 = off, to 3,600,000. */
  uint64_t header_timeout_ms;
  /* A body that we wait for (server) or that the peer takes (both) must move by 256 bytes or end in
   * each such period, else the request is cancelled. Default 60,000; 0 = off, to 3,600,000. */
  uint64_t body_timeout_ms;
  bool grease; /* default true: a reserved setting and a reserved frame (RFC 9114 7.2.8) */
  /* Servers: which requests in early data reach on_request; the others are answered with 425, Too Early.
   * The application may answer so, too: tern_request_is_early. */
  tern_h3_early early;
} tern_h3_config;

void tern_h3_config_init(tern_h3_config *config, size_t size);

/* ---- connection -------------------------------------------------------------------------- */

/* Any member may be NULL. */
typedef struct tern_h3_ops {
  size_t size; /* sizeof(tern_h3_ops) */
  /* Servers: a complete, valid header section. Respond now or later. A body that nobody asked for
   * with tern_request_set_ops inside this call is read and dropped. */
  void (*on_request)(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                     void *app);
  /* Clients: the handshake is complete. */
  void (*on_connected)(tern_h3 *h3, void *app);
  /* The peer winds down. Clients: requests with a stream id of `id` or more were not processed; each
   * gets on_reset with H3_REQUEST_REJECTED and can be sent again elsewhere; tern_h3_submit answers
   * TERN_CLOSED from now on. */
  void (*on_goaway)(tern_h3 *h3, uint64_t id, void *app);
  /* The last callback; every request had its on_closed. */
  void (*on_closed)(tern_h3 *h3, const tern_error *error, void *app);
  /* Clients: see tern_conn_ops.on_ticket. The server's settings are in it. */
  void (*on_ticket)(tern_h3 *h3, tern_slice ticket, void *app);
} tern_h3_ops;

/* Makes the HTTP/3 side of `conn` and takes over its callbacks (tern_conn_set_ops). It ends by itself
 * after the connection did. `config` may be NULL (defaults) and is copied; `ops` must outlive the
 * connection. TERN_INVALID if a knob is out of bounds. */
TERN_MUST_CHECK tern_status tern_h3_new_server(tern_h3 **out, tern_conn *conn,
                                               const tern_h3_config *config, const tern_h3_ops *ops,
                                               void *app);
/* Right after tern_endpoint_connect, before the handshake, or later. */
TERN_MUST_CHECK tern_status tern_h3_new_client(tern_h3 **out, tern_conn *conn,
                                               const tern_h3_config *config, const tern_h3_ops *ops,
                                               void *app);

void tern_h3_set_app(tern_h3 *h3, void *app);
void *tern_h3_get_app(const tern_h3 *h3);
tern_conn *tern_h3_get_conn(const tern_h3 *h3);
/* Requests that have not had their on_closed. */
size_t tern_h3_get_request_count(const tern_h3 *h3);
/* True once the peer's SETTINGS are here. */
bool tern_h3_has_settings(const tern_h3 *h3);

/* Graceful end: servers refuse later requests with H3_REQUEST_REJECTED, clients submit no more; when
 * the running ones are done, the connection is closed with H3_NO_ERROR. */
void tern_h3_goaway(tern_h3 *h3);
/* Closes at once (RFC 9114 5.3). `reason` may be NULL. */
void tern_h3_close(tern_h3 *h3, uint64_t code, const char *reason);

typedef struct tern_h3_stats {
  uint64_t requests_total;    /* submitted or received */
  uint64_t requests_failed;   /* reset, malformed, refused */
  uint64_t fields_bytes_sent; /* sum of names and values */
  uint64_t fields_wire_sent;  /* what QPACK made of it, encoder stream included */
  uint64_t fields_bytes_received;
  uint64_t fields_wire_received;
  uint64_t sections_blocked; /* field sections that waited for the encoder stream */
  uint64_t glitches;         /* useless frames and resets counted against the peer */
} tern_h3_stats;
void tern_h3_get_stats(const tern_h3 *h3, tern_h3_stats *stats);

/* ---- requests ---------------------------------------------------------------------------- */

/* Any member may be NULL. */
typedef struct tern_request_ops {
  size_t size; /* sizeof(tern_request_ops) */
  /* Clients: a header section. Status 100 to 199 is an interim response and may come several times;
   * the final response comes once. `fields` has ":status" too. */
  void (*on_response)(tern_request *request, uint16_t status, const tern_field *fields,
                      size_t count, void *app);
  /* Body bytes are there: peek and consume, or read, until TERN_BLOCKED. What stays unread holds the
   * peer back. If NULL, bodies are dropped. */
  void (*on_body)(tern_request *request, void *app);
  void (*on_trailers)(tern_request *request, const tern_field *fields, size_t count, void *app);
  /* The peer's message is complete and valid, and its body was read to the end. */
  void (*on_end)(tern_request *request, void *app);
  /* After TERN_BLOCKED: write again. */
  void (*on_writable)(tern_request *request, void *app);
  /* The peer's message will not be complete: it reset the stream with `code`, rejected the request, or
   * sent something malformed (H3_MESSAGE_ERROR). What came so far must not be taken for the whole. */
  void (*on_reset)(tern_request *request, uint64_t code, void *app);
  /* The peer wants no more of our message (STOP_SENDING); its own message may still be good. */
  void (*on_stopped)(tern_request *request, uint64_t code, void *app);
  /* The last callback: both directions are done, or the connection is. */
  void (*on_closed)(tern_request *request, void *app);
} tern_request_ops;

typedef struct tern_submit_args {
  const tern_field *fields; /* ":method", ":scheme", ":authority", ":path" first */
  size_t count;
  bool has_body;               /* false: the request ends with its fields */
  const tern_request_ops *ops; /* must outlive the request; may be NULL */
  void *app;
  tern_h3_early
      early; /* may it go as early data, if the connection sends such? Default: if it is safe */
} tern_submit_args;

/* Sends a request. TERN_INVALID if the fields break RFC 9114 4.2 or 4.3; TERN_CLOSED after GOAWAY or
 * close; TERN_LIMIT if too many wait for the peer's stream limit or the header section is larger than
 * the peer takes. `out` may be NULL. */
TERN_MUST_CHECK tern_status tern_h3_submit(tern_h3 *h3, const tern_submit_args *args,
                                           tern_request **out);
/* The same for a GET of https://<authority><path>. */
TERN_MUST_CHECK tern_status tern_h3_get(tern_h3 *h3, const char *authority, const char *path,
                                        const tern_request_ops *ops, void *app);

/* `ops` NULL: no more callbacks, and a body is dropped. */
void tern_request_set_ops(tern_request *request, const tern_request_ops *ops, void *app);
void *tern_request_get_app(const tern_request *request);
tern_h3 *tern_request_get_h3(const tern_request *request);
tern_conn *tern_request_get_conn(const tern_request *request);
/* Why unsent bytes wait, and so on; see <tern/transport.h>. Do not read, write or end it. */
tern_stream *tern_request_get_stream(const tern_request *request);
uint64_t tern_request_get_stream_id(const tern_request *request);
/* Servers, in on_request: the handshake is not complete, so the request may be a copy of an earlier one. */
bool tern_request_is_early(const tern_request *request);
/* True after on_end. */
bool tern_request_is_ended(const tern_request *request);
/* Bytes of body received so far; those of the peer's content-length, UINT64_MAX if it gave none. */
uint64_t tern_request_get_body_bytes(const tern_request *request);
uint64_t tern_request_get_content_length(const tern_request *request);

/* Servers. `fields` without ":status". Status 100 to 199 (but 101): an interim response, any number of
 * times, `has_body` ignored. Otherwise the final one, once; without a body it ends here. TERN_INVALID,
 * TERN_STATE, TERN_LIMIT as above. */
TERN_MUST_CHECK tern_status tern_request_respond(tern_request *request, uint16_t status,
                                                 const tern_field *fields, size_t count,
                                                 bool has_body);
/* A whole response in one call: content-type, content-length, a copy of `body` (left out for HEAD).
 * If it cannot be sent, the request is cancelled. */
void tern_request_reply(tern_request *request, uint16_t status, const char *content_type,
                        tern_slice body);

/* Body bytes. Each call that takes something makes one DATA frame. TERN_BLOCKED: less than all was
 * taken, on_writable follows. TERN_LIMIT if it is more than our content-length said. TERN_RESET after
 * the peer stopped it. */
TERN_MUST_CHECK tern_status tern_request_write(tern_request *request, tern_slice data,
                                               size_t *taken);
/* By reference, all or nothing; `release` is called exactly once, except when the call fails. */
TERN_MUST_CHECK tern_status tern_request_write_ref(tern_request *request, tern_slice data,
                                                   tern_release *release, void *arg);
/* `len` bytes pulled from `source` (see tern_stream_write_source), all or nothing. */
TERN_MUST_CHECK tern_status tern_request_write_source(tern_request *request, uint64_t len,
                                                      const tern_source *source);
/* Bytes that tern_request_write would take now, about. To be told of room, write until
 * TERN_BLOCKED. */
size_t tern_request_get_room(const tern_request *request);
/* Ends the message. TERN_STATE if the body is shorter than our content-length. */
TERN_MUST_CHECK tern_status tern_request_finish(tern_request *request);
/* Trailers, which end the message too. */
TERN_MUST_CHECK tern_status tern_request_trailers(tern_request *request, const tern_field *fields,
                                                  size_t count);

/* Body of the peer, without a copy: the next bytes of the current DATA frame; valid until the callback
 * returns or tern_request_consume. 0 slices: nothing now. */
size_t tern_request_peek(const tern_request *request, tern_slice *slices, size_t max);
/* Gives bytes back, which gives the peer credit. Outside a callback of this request, it may call
 * on_body, on_trailers, on_end or on_reset before it returns. */
void tern_request_consume(tern_request *request, size_t len);
/* peek and consume into a buffer. TERN_OK with *got > 0, TERN_BLOCKED, TERN_EOF (the message is
 * complete and valid) or TERN_RESET. */
TERN_MUST_CHECK tern_status tern_request_read(tern_request *request, void *buffer, size_t capacity,
                                              size_t *got);

/* Ends both directions with `code`: H3_REQUEST_CANCELLED is usual, H3_NO_ERROR after a complete
 * response. Unsent bytes are dropped. No on_reset follows; on_closed does. */
void tern_request_cancel(tern_request *request, uint64_t code);
/* Asks the peer to send no more of its message; ours goes on (RFC 9114 4.1). */
void tern_request_stop(tern_request *request, uint64_t code);
/* See tern_stream_set_priority. */
void tern_request_set_priority(tern_request *request, uint8_t urgency, bool incremental);

#ifdef __cplusplus
}
#endif
#endif
