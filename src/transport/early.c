/* SPDX-License-Identifier: MIT */
/* Resumption and 0-RTT: what a connection takes over from the one before, and how it lets go of it.
 *
 *   client   ticket --connect--> remembered limits, 0-RTT keys: streams go out in 0-RTT packets
 *              accepted: 1-RTT keys take over, the new limits are at least the remembered ones
 *              rejected: everything sent is unsent again, under the limits of the handshake
 *   server   0-RTT keys: the body is made before the address is validated, the application is told of the
 *            connection, and answers in 1-RTT packets within three times what came
 *
 * A client's 0-RTT keys stand in the data space's place of keys until 1-RTT keys do; a server has both at a
 * time, so its 0-RTT keys are apart. */
#include <string.h>

#include "transport/conn.h"
#include "transport/ticket.h"

/* Tickets of one batch that wait for the application; more are dropped. */
#define TICKETS_WAITING_MAX 8

struct tern_ticket_note {
  struct tern_ticket_note *next;
  size_t len;
  uint8_t bytes[];
};

/* ---- client: from a ticket ----------------------------------------------------------------------- */

static bool keep_extra(tern_conn *conn, tern_slice extra)
{
  uint8_t *bytes;

  if (extra.len == 0)
    return true;
  bytes = tern_alloc_take(&conn->alloc, extra.len);
  if (bytes == NULL)
    return false;
  memcpy(bytes, extra.data, extra.len);
  conn->body->ticket_extra = tern_slice_of(bytes, extra.len);
  return true;
}

bool tern_conn_use_ticket(tern_conn *conn, tern_slice bytes, tern_slice *session)
{
  struct tern_ticket ticket;
  size_t name_len = strlen(conn->server_name);

  /* [rfc9369-5] not across versions; [rfc8446-4.6.1] for the name that the certificate was for. */
  if (bytes.len > TERN_CAP_TICKET || !tern_ticket_read(bytes, &ticket) ||
      ticket.version != conn->version || ticket.server_name.len != name_len ||
      memcmp(ticket.server_name.data, conn->server_name, name_len) != 0 ||
      !keep_extra(conn, ticket.extra))
    return false;
  *session = ticket.session;
  conn->peer_params = tern_params_keep(&ticket.params);
  return true;
}

void tern_conn_start_early(tern_conn *conn)
{
  conn->is_early = true;
  conn->early_status = TERN_EARLY_PENDING;
  tern_conn_apply_peer_limits(conn);
  TERN_EVENT(&conn->endpoint->events, conn->id, conn_state, .state = "early");
}

/* [rfc9001-4.9.3] SHOULD discard 0-RTT keys as soon as it installs 1-RTT keys. */
void tern_conn_drop_early_tx(tern_conn *conn)
{
  struct tern_pn_space *space = conn->path.data;

  conn->is_early = false;
  tern_keys_free(space->keys);
  space->keys = NULL;
  space->can_send = false;
}

/* What left in 0-RTT packets wants to be sent again. */
void tern_conn_resend_early(tern_conn *conn)
{
  struct tern_pn_space *space = conn->path.data;
  struct tern_sent_packet *packet;

  if (space == NULL)
    return;
  struct tern_range all = {space->sent.base, space->sent.next};
  struct tern_sent_cursor cursor = tern_sent_range_begin(&space->sent, all);
  while ((packet = tern_sent_range_next(&space->sent, &cursor)) != NULL)
    if (packet->state == TERN_SENT_OUTSTANDING)
      tern_conn_abandon_packet(conn, space, packet);
}

/* [rfc9001-4.6.2] MUST reset the state of all streams, and the remembered parameters do not count. */
void tern_conn_on_early_rejected(tern_conn *conn)
{
  struct tern_conn_body *body = conn->body;
  struct tern_stream *stream;
  uint32_t at = 0;

  if (conn->early_status != TERN_EARLY_PENDING)
    return;
  conn->early_status = TERN_EARLY_REJECTED;
  tern_conn_resend_early(conn);
  tern_conn_drop_early_tx(conn);
  tern_conn_forget_params(conn);
  tern_flow_send_init(&body->flow_send, 0);
  while ((stream = tern_stream_set_next(&body->streams, &at)) != NULL) {
    tern_scheduler_remove(&body->scheduler, stream);
    tern_list_remove(&stream->control);
    tern_stream_rewind(stream);
  }
  tern_stream_set_forget_limits(&body->streams);
  TERN_EVENT(&conn->endpoint->events, conn->id, conn_state, .state = "early data rejected");
}

/* ---- client: to a ticket ------------------------------------------------------------------------- */

/* Of two sessions the newer is as good: what finds no room or no memory is left out. */
void tern_conn_on_ticket(tern_conn *conn, tern_slice session)
{
  struct tern_ticket ticket = {.version = conn->version, .session = session};
  struct tern_ticket_note **end;
  size_t count = 0;

  if (conn->ops == NULL || conn->ops->on_ticket == NULL || conn->body == NULL)
    return;
  for (end = &conn->body->tickets; *end != NULL; end = &(*end)->next)
    count++;
  ticket.server_name = tern_slice_of(conn->server_name, strlen(conn->server_name));
  size_t size = TERN_TICKET_FRAME_BYTES + ticket.server_name.len + session.len;
  struct tern_ticket_note *note = count < TICKETS_WAITING_MAX && size <= TERN_CAP_TICKET
                                      ? tern_alloc_take(&conn->alloc, sizeof *note + size)
                                      : NULL;
  if (note == NULL)
    return;
  struct tern_writer writer = tern_writer_of(note->bytes, size);
  struct tern_params params;
  tern_params_restore(&conn->peer_params, &params);
  tern_ticket_remember(&params, &ticket.params);
  tern_ticket_write(&writer, &ticket);
  note->next = NULL;
  note->len = tern_writer_len(&writer);
  *end = tern_alloc_resize(&conn->alloc, note, sizeof *note + size, sizeof *note + note->len);
  if (*end == NULL)
    tern_alloc_give(&conn->alloc, note, sizeof *note + size);
}

void tern_conn_tell_tickets(tern_conn *conn)
{
  struct tern_ticket_note *note;

  while ((note = conn->body->tickets) != NULL) {
    conn->body->tickets = note->next;
    if (conn->ops != NULL && conn->ops->on_ticket != NULL && tern_conn_is_open(conn))
      conn->ops->on_ticket(conn, tern_slice_of(note->bytes, note->len), conn->app);
    tern_alloc_give(&conn->alloc, note, sizeof *note + note->len);
  }
}

void tern_conn_free_tickets(tern_conn *conn)
{
  struct tern_ticket_note *note;
  tern_slice extra = conn->body->ticket_extra;
  union {
    const uint8_t *borrowed;
    void *own;
  } bytes = {extra.data};

  tern_alloc_give(&conn->alloc, bytes.own, extra.len);
  while ((note = conn->body->tickets) != NULL) {
    conn->body->tickets = note->next;
    tern_alloc_give(&conn->alloc, note, sizeof *note + note->len);
  }
}

/* ---- server -------------------------------------------------------------------------------------- */

void tern_conn_on_early_accepted(tern_conn *conn)
{
  conn->early_status = TERN_EARLY_ACCEPTED;
  conn->is_early = true;
  conn->news.connected = true; /* the application hears of it now */
  if (tern_conn_make_body(conn) != TERN_OK)
    tern_conn_fail_local(conn, "no memory for the connection's streams");
  TERN_EVENT(&conn->endpoint->events, conn->id, conn_state, .state = "early");
}

/* [rfc9001-4.9.3] MUST discard 0-RTT keys within a short time after a 1-RTT packet. */
void tern_conn_drop_early_rx(tern_conn *conn)
{
  tern_keys_free(conn->early_keys);
  conn->early_keys = NULL;
}

/* ---- the public face ----------------------------------------------------------------------------- */

tern_early tern_conn_get_early(const tern_conn *conn)
{
  return (tern_early)conn->early_status;
}

bool tern_conn_is_early(const tern_conn *conn)
{
  return conn->is_early;
}

bool tern_conn_is_resumed(const tern_conn *conn)
{
  return conn->tls != NULL && tern_tls_session_is_resumed(conn->tls);
}

tern_slice tern_conn_get_ticket_extra(const tern_conn *conn)
{
  return conn->body != NULL ? conn->body->ticket_extra : tern_slice_of(NULL, 0);
}
