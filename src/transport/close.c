/* SPDX-License-Identifier: MIT */
/* How a connection ends (RFC 9000 10).
 *
 *   we close       CLOSING: CONNECTION_CLOSE, and again, ever more rarely, when packets still come
 *   peer closes    DRAINING: silence
 *   both for 3 PTO, so that late packets find somebody who knows them; then DEAD
 *   idle, no common version, ...   DEAD at once, without a word
 *
 * The cause is recorded once, where it is seen; later ones do not replace it. */
#include <string.h>

#include "transport/conn.h"

static const char *const kind_names[] = {
    "none",  "transport", "application", "tls",  "idle", "handshake_timeout",
    "reset", "version",   "refused",     "local"};

static void set_reason(tern_error *error, tern_slice reason)
{
  size_t len = reason.len < TERN_REASON_MAX - 1 ? reason.len : TERN_REASON_MAX - 1;

  for (size_t i = 0; i < len; i++) {
    uint8_t byte = reason.data[i];
    error->reason[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
  }
  error->reason[len] = '\0';
}

static void set_end(tern_conn *conn, const tern_error *error)
{
  struct tern_conn_end *end = &conn->end;
  size_t len = strlen(error->reason);

  *end = (struct tern_conn_end){.kind = error->kind,
                                .by_peer = error->by_peer,
                                .tls_alert = error->tls_alert,
                                .space = error->space,
                                .code = error->code,
                                .frame_type = error->frame_type};
  if (len != 0)
    end->reason = tern_alloc_take(&conn->alloc, len + 1);
  if (end->reason == NULL)
    return;
  end->reason_bytes = len + 1;
  memcpy(end->reason, error->reason, len + 1);
}

tern_error tern_conn_get_error(const tern_conn *conn)
{
  const struct tern_conn_end *end = &conn->end;
  tern_error error = {.kind = end->kind,
                      .by_peer = end->by_peer,
                      .tls_alert = end->tls_alert,
                      .space = end->space,
                      .code = end->code,
                      .frame_type = end->frame_type};

  if (end->reason != NULL)
    memcpy(error.reason, end->reason, end->reason_bytes);
  return error;
}

void tern_conn_free_end(tern_conn *conn)
{
  tern_alloc_give(&conn->alloc, conn->end.reason, conn->end.reason_bytes);
  conn->end = (struct tern_conn_end){.kind = TERN_ERROR_NONE};
}

static void enter(tern_conn *conn, enum tern_conn_state state, const tern_error *error)
{
  set_end(conn, error);
  conn->state = state;
  conn->wants_close = state == TERN_CONN_CLOSING;
  conn->end_at = TERN_TIME_NEVER; /* counted from settle: an application's call brings no time */
  conn->close_answer_at = 1;
  tern_conn_touch(conn);
  tern_conn_make_due(conn);
  if (state != TERN_CONN_DEAD)
    TERN_EVENT(&conn->endpoint->events, conn->id, conn_state,
               .state = state == TERN_CONN_CLOSING ? "closing" : "draining");
  TERN_EVENT(
      &conn->endpoint->events, conn->id, conn_closed, .kind = kind_names[error->kind],
      .by_peer = error->by_peer, .code = error->code,
      .code_name =
          error->kind == TERN_ERROR_TRANSPORT ? tern_transport_error_name(error->code) : NULL,
      .frame = error->frame_type, .reason = tern_slice_of(error->reason, strlen(error->reason)));
}

static tern_error make_error(tern_error_kind kind, uint64_t code, const char *reason)
{
  tern_error error = {.kind = kind, .code = code, .space = TERN_SPACE_APP};

  if (reason != NULL)
    set_reason(&error, tern_slice_of(reason, strlen(reason)));
  return error;
}

/* Where the connection is in its handshake: good enough to say where an error was seen. */
static uint8_t get_space(const tern_conn *conn)
{
  if (conn->state != TERN_CONN_HANDSHAKE)
    return TERN_SPACE_APP;
  return conn->handshake != NULL ? TERN_SPACE_HANDSHAKE : TERN_SPACE_INITIAL;
}

void tern_conn_fail(tern_conn *conn, uint64_t code, uint64_t frame_type, const char *reason)
{
  tern_error error = make_error(TERN_ERROR_TRANSPORT, code, reason);

  if (!tern_conn_is_open(conn))
    return;
  error.frame_type = frame_type;
  error.space = get_space(conn);
  enter(conn, TERN_CONN_CLOSING, &error);
}

void tern_conn_fail_tls(tern_conn *conn, uint8_t alert, const char *reason)
{
  tern_error error = make_error(TERN_ERROR_TLS, (uint64_t)TERN_QUIC_CRYPTO_BASE + alert, reason);

  if (!tern_conn_is_open(conn))
    return;
  error.tls_alert = alert;
  error.frame_type = 0x06;
  error.space = get_space(conn);
  enter(conn, TERN_CONN_CLOSING, &error);
}

void tern_conn_fail_local(tern_conn *conn, const char *reason)
{
  tern_error error = make_error(TERN_ERROR_LOCAL, TERN_QUIC_INTERNAL_ERROR, reason);

  if (!tern_conn_is_open(conn))
    return;
  enter(conn, TERN_CONN_CLOSING, &error);
}

void tern_conn_close(tern_conn *conn, uint64_t code, const char *reason)
{
  tern_error error = make_error(TERN_ERROR_APPLICATION, code, reason);

  if (conn->endpoint->is_in_hook || !tern_conn_is_open(conn))
    return;
  enter(conn, TERN_CONN_CLOSING, &error);
}

/* ---- the peer's doing ------------------------------------------------------------------------- */

void tern_conn_on_peer_close(tern_conn *conn, const struct tern_pn_space *space,
                             const struct tern_frame *frame)
{
  tern_error error = {.by_peer = true, .space = (uint8_t)space->id};

  error.code = frame->u.connection_close.code;
  error.frame_type = frame->u.connection_close.frame_type;
  if (frame->u.connection_close.is_application) {
    error.kind = TERN_ERROR_APPLICATION;
  } else if (error.code >= TERN_QUIC_CRYPTO_BASE && error.code < TERN_QUIC_CRYPTO_BASE + 256) {
    error.kind = TERN_ERROR_TLS; /* [rfc9001-4.8] */
    error.tls_alert = (uint8_t)(error.code - TERN_QUIC_CRYPTO_BASE);
  } else {
    error.kind = TERN_ERROR_TRANSPORT;
  }
  set_reason(&error, frame->u.connection_close.reason);
  enter(conn, TERN_CONN_DRAINING, &error);
}

void tern_conn_on_reset(tern_conn *conn)
{
  tern_error error = make_error(TERN_ERROR_STATELESS_RESET, 0, NULL);

  if (!tern_conn_is_open(conn))
    return; /* it ends by itself, and the first cause stands */
  error.by_peer = true;
  TERN_EVENT(&conn->endpoint->events, conn->id, reset_received, .bytes = 0);
  enter(conn, TERN_CONN_DRAINING, &error);
}

/* Before anything was heard there is nothing to lose; later, a forged ICMP message must not end what
 * works. */
void tern_conn_on_unreachable(tern_conn *conn)
{
  tern_error error = make_error(TERN_ERROR_REFUSED, 0, "nothing listens at that port");

  if (!tern_conn_is_open(conn) || conn->has_received)
    return;
  error.by_peer = true;
  tern_conn_touch(conn);
  enter(conn, TERN_CONN_DEAD, &error);
}

void tern_conn_on_timeout_end(tern_conn *conn, tern_error_kind kind)
{
  tern_error error = make_error(kind, 0, NULL);

  if (!tern_conn_is_open(conn))
    return;
  enter(conn, TERN_CONN_DEAD, &error);
}

/* [rfc9000-10.2.1] answers to late packets become ever rarer: to the 1st, 2nd, 4th, 8th ... */
void tern_conn_on_closing_packet(tern_conn *conn)
{
  if (++conn->close_packets != conn->close_answer_at)
    return;
  conn->close_answer_at *= 2;
  conn->wants_close = true;
  tern_conn_make_due(conn);
}

/* ---- without loss ------------------------------------------------------------------------------ */

void tern_conn_shutdown(tern_conn *conn, uint64_t code, tern_time deadline)
{
  struct tern_stream *stream;
  uint32_t at = 0;

  if (conn->endpoint->is_in_hook || !tern_conn_is_open(conn) || conn->is_shutting_down)
    return;
  conn->is_shutting_down = true;
  conn->shutdown_code = code;
  conn->shutdown_at = deadline;
  while (conn->body != NULL && (stream = tern_stream_set_next(&conn->body->streams, &at)) != NULL)
    if (tern_stream_has_send(stream) && tern_stream_finish(stream) != TERN_OK)
      continue; /* finished or reset already */
  tern_conn_touch(conn);
}

void tern_conn_check_shutdown(tern_conn *conn)
{
  struct tern_stream *stream;
  uint32_t at = 0;

  if (!conn->is_shutting_down || !tern_conn_is_open(conn))
    return;
  bool is_over = conn->endpoint->now >= conn->shutdown_at;
  while (!is_over && conn->body != NULL &&
         (stream = tern_stream_set_next(&conn->body->streams, &at)) != NULL)
    if (tern_stream_has_send(stream) && !tern_stream_send_is_done(&stream->out->send))
      return;
  tern_conn_close(conn, conn->shutdown_code, NULL);
}
