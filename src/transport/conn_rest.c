/* SPDX-License-Identifier: MIT */
/* Rest: most connections of a server are silent most of the time, so what can be made anew from little is
 * given back when one has been silent for a while.
 *
 *   silent since idle_from --REST_AFTER_NS--> rest --next packet--> each thing is made anew by its user
 *
 * AEAD contexts go and keys stay, the ring of sent packets goes and its numbers stay, buffers and spare
 * parts go. Nothing of it costs the busy connection anything: its timer is earlier anyway, and whoever
 * needs a thing that is gone makes it where it would have grown it. */
#include "transport/conn.h"

/* Longer than pauses within a page load; short beside any idle timeout. */
#define REST_AFTER_NS TERN_SECOND

tern_time tern_conn_rest_deadline(const tern_conn *conn)
{
  if (!conn->is_confirmed || conn->rested_from == conn->idle_from)
    return TERN_TIME_NEVER;
  return conn->idle_from + REST_AFTER_NS;
}

static bool has_in_flight(const tern_conn *conn)
{
  for (uint8_t i = 0; i < conn->path.routes_count; i++)
    if (conn->path.routes[i]->in_flight.packets != 0)
      return true;
  return false;
}

void tern_conn_rest(tern_conn *conn)
{
  struct tern_pn_space *space = conn->path.data;

  conn->rested_from = conn->idle_from;
  if (space == NULL || conn->body == NULL || has_in_flight(conn))
    return; /* the ACK, or what a timeout sends, begins another silence */
  tern_sent_trim(&space->sent);
  tern_keys_rest(space->keys);
  tern_acks_trim(&space->acks);
  tern_conn_rest_crypto(conn, space);
  tern_stream_set_trim(&conn->body->streams);
  tern_scheduler_trim(&conn->body->scheduler);
  tern_dgram_trim(&conn->body->dgram);
  if (conn->layer.rest != NULL)
    conn->layer.rest(conn->layer.rest_arg);
}
