/* SPDX-License-Identifier: MIT */
/* Runs out. They are built one behind the other in one buffer and lent in order:
 *
 *   runs:   [reported][ lent ... ][ built, or given back by EAGAIN ]
 *            ^ gone    ^ runs_first
 *
 * The buffer starts anew whenever nothing is lent or kept, which is after every report of a loop that
 * sends run by run, so the same bytes stay warm in the cache. */
#include <errno.h>
#include <string.h>

#include "recovery/cc_common.h"
#include "transport/conn.h"
#include "transport/endpoint.h"

static struct tern_out_run *get_run(struct tern_out *out, size_t i)
{
  return &out->runs[(out->runs_first + i) % TERN_RUNS_MAX];
}

bool tern_endpoint_has_output(const tern_endpoint *endpoint)
{
  const struct tern_out *out = &endpoint->out;

  /* Runs that the socket did not take wait for the socket, not for a timer. */
  if (out->runs_count != 0)
    return false;
  return endpoint->replies.count != 0 || !tern_list_is_empty(&endpoint->due);
}

static bool build_reply(tern_endpoint *endpoint, struct tern_out_run *run)
{
  const struct tern_reply *reply = tern_replies_pop(&endpoint->replies);

  if (reply == NULL)
    return false;
  memcpy(endpoint->out.buffer + endpoint->out.used, endpoint->replies.bytes + reply->at,
         reply->len);
  run->run.len = reply->len;
  run->run.segment_bytes = (uint16_t)reply->len;
  run->run.local = reply->local;
  run->run.remote = reply->remote;
  return true;
}

/* ---- the cache ------------------------------------------------------------------------------ */

/* With a thousand connections each is out of the cache when its turn comes, and what it needs hangs on
 * three levels of pointers. While one builds its run, one level of each of the next three is fetched:
 *
 *   third in line: the connection    second: its space, route, body    first: packet slot, keys, streams */
#define LINE_BYTES 64

static inline void fetch(const void *data, size_t bytes)
{
  for (size_t at = 0; at < bytes; at += LINE_BYTES)
    __builtin_prefetch((const char *)data + at, 1);
}

static void fetch_first(const tern_conn *conn)
{
  const struct tern_pn_space *space = conn->path.data;
  const struct tern_sent *sent;

  if (space == NULL || conn->body == NULL)
    return;
  sent = &space->sent;
  if (sent->capacity != 0)
    fetch(&sent->packets[sent->next & (sent->capacity - 1)], 2 * sizeof *sent->packets);
  fetch(space->keys, sizeof *space->keys);
  const struct tern_stream *stream = tern_scheduler_next(&conn->body->scheduler);
  if (stream != NULL)
    fetch(stream, sizeof *stream + sizeof *stream->out);
}

static void fetch_second(const tern_conn *conn)
{
  if (conn->path.data == NULL || conn->body == NULL)
    return;
  fetch(conn->path.data, sizeof *conn->path.data);
  fetch(tern_conn_route(conn), sizeof(struct tern_route) + tern_cc_get_state_bytes(conn->cc));
  fetch(conn->body, sizeof *conn->body);
}

static void fetch_ahead(const tern_endpoint *endpoint)
{
  struct tern_list_node *node = tern_list_first(&endpoint->due);

  for (int ahead = 1; node != NULL && ahead <= 3; ahead++) {
    const tern_conn *conn = TERN_CONTAINER_OF(node, tern_conn, due_node);
    if (ahead == 1)
      fetch_first(conn);
    else if (ahead == 2)
      fetch_second(conn);
    else
      fetch(conn, sizeof *conn);
    node = tern_list_next(&endpoint->due, node);
  }
}

/* Serves the connections in turn, one run each. */
static bool build_conn_run(tern_endpoint *endpoint, struct tern_out_run *run)
{
  struct tern_list_node *node;

  while ((node = tern_list_pop_front(&endpoint->due)) != NULL) {
    tern_conn *conn = TERN_CONTAINER_OF(node, tern_conn, due_node);
    fetch_ahead(endpoint);
    if (!tern_conn_send_run(conn, run))
      continue;
    run->conn = conn;
    tern_conn_make_due(conn);
    return true;
  }
  return false;
}

static struct tern_out_run *build(tern_endpoint *endpoint)
{
  struct tern_out *out = &endpoint->out;

  if (out->runs_count == 0)
    out->used = 0;
  if (out->runs_count == TERN_RUNS_MAX || out->used + TERN_RUN_BYTES_MAX > TERN_OUT_BYTES)
    return NULL;
  struct tern_out_run *run = get_run(out, out->runs_count);
  memset(run, 0, sizeof *run);
  run->run.data = out->buffer + out->used;
  if (!build_reply(endpoint, run) && !build_conn_run(endpoint, run))
    return NULL;
  out->used += run->run.len;
  out->runs_count++;
  return run;
}

const tern_run *tern_endpoint_send(tern_endpoint *endpoint, tern_time now)
{
  struct tern_out *out = &endpoint->out;

  if (endpoint->is_busy)
    return NULL;
  if (now > endpoint->now)
    endpoint->now = now;
  endpoint->events.now = endpoint->now;
  endpoint->is_busy = true;
  struct tern_out_run *run =
      out->runs_lent < out->runs_count ? get_run(out, out->runs_lent) : build(endpoint);
  endpoint->is_busy = false;
  if (run == NULL)
    return NULL;
  out->runs_lent++;
  return &run->run;
}

static bool is_would_block(int error)
{
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == EINTR;
}

/* The socket refused the rest of `run`, which begins at `datagram`. */
static void on_refused(tern_endpoint *endpoint, const struct tern_out_run *run, size_t datagram,
                       int error)
{
  if (run->conn == NULL || !run->has_numbers)
    return; /* handshake packets come again by PTO */
  size_t total = (run->run.len + run->run.segment_bytes - 1) / run->run.segment_bytes;
  struct tern_range numbers = {run->first_number + datagram, run->first_number + total};
  (void)endpoint;
  tern_conn_on_unsent(run->conn, numbers, error == EMSGSIZE);
}

void tern_endpoint_sent(tern_endpoint *endpoint, const tern_run *lent, size_t datagrams, int error,
                        tern_time now)
{
  struct tern_out *out = &endpoint->out;

  if (endpoint->is_busy || out->runs_lent == 0)
    return;
  struct tern_out_run *run = get_run(out, 0);
  if (&run->run != lent)
    return; /* out of order: a loop's mistake, and nothing to do about it here */
  if (now > endpoint->now)
    endpoint->now = now;
  size_t total = (run->run.len + run->run.segment_bytes - 1) / run->run.segment_bytes;
  size_t taken = datagrams < total ? datagrams * run->run.segment_bytes : run->run.len;
  endpoint->stats.datagrams_sent += datagrams < total ? datagrams : total;
  endpoint->stats.bytes_sent += taken;
  out->runs_lent--;
  if (datagrams < total && is_would_block(error)) {
    run->run.data += taken;
    run->run.len -= taken;
    run->first_number += datagrams;
    out->runs_lent = 0; /* what was lent behind it comes again, too, in order */
    return;
  }
  if (datagrams < total)
    on_refused(endpoint, run, datagrams, error);
  out->runs_first = (out->runs_first + 1) % TERN_RUNS_MAX;
  out->runs_count--;
}

void tern_endpoint_forget_runs(tern_endpoint *endpoint, const tern_conn *conn)
{
  struct tern_out *out = &endpoint->out;

  for (size_t i = 0; i < out->runs_count; i++)
    if (get_run(out, i)->conn == conn)
      get_run(out, i)->conn = NULL;
}
