/* SPDX-License-Identifier: MIT */
/* After a batch: what was acknowledged is worked off, the application is told, one timer is set. Nothing
 * here runs while a packet is being parsed, so callbacks may change anything. */
#include "transport/conn.h"

/* [rfc9000-10.2] closing and draining last so many PTOs. */
#define END_PTOS 3
/* A peer may say up to 2^62 ms; what is longer than a year is never. */
#define IDLE_MAX_MS (UINT64_C(366) * 24 * 3600 * 1000)

/* ---- streams and their places ------------------------------------------------------------------ */

void tern_stream_touch(tern_stream *stream)
{
  tern_conn *conn = stream->conn;

  if (stream->is_over)
    return;
  if (!tern_list_has_node(&stream->touched))
    tern_list_push_back(&conn->body->touched, &stream->touched);
  tern_conn_touch(conn);
}

static void place_in_scheduler(tern_conn *conn, tern_stream *stream)
{
  struct tern_conn_body *body = conn->body;

  if (tern_stream_wants_send(stream, &body->flow_send)) {
    tern_scheduler_insert(&body->scheduler, stream);
    return;
  }
  if (tern_stream_send_is_starved(&stream->out->send, tern_flow_send_room(&stream->out->flow))) {
    tern_flow_send_on_blocked(&stream->out->flow);
    tern_scheduler_remove(&body->scheduler, stream);
  } else if (tern_stream_send_is_starved(&stream->out->send,
                                         tern_flow_send_room(&body->flow_send))) {
    tern_flow_send_on_blocked(&body->flow_send);
    tern_scheduler_insert(&body->scheduler, stream);
    tern_scheduler_park(&body->scheduler, stream);
  } else {
    tern_scheduler_remove(&body->scheduler, stream);
  }
}

void tern_stream_update_places(tern_stream *stream)
{
  tern_conn *conn = stream->conn;

  if (stream->is_over || !tern_stream_set_can_send(&conn->body->streams, stream) ||
      (stream->waits_for_handshake && conn->state == TERN_CONN_HANDSHAKE))
    return;
  place_in_scheduler(conn, stream);
  if (!tern_stream_wants_control(stream))
    tern_list_remove(&stream->control);
  else if (!tern_list_has_node(&stream->control))
    tern_list_push_back(&conn->body->control, &stream->control);
  tern_conn_make_due(conn);
}

void tern_conn_offer_streams(tern_conn *conn)
{
  struct tern_stream *stream;
  uint32_t at = 0;

  while (conn->body != NULL && (stream = tern_stream_set_next(&conn->body->streams, &at)) != NULL)
    tern_stream_update_places(stream);
}

/* ---- telling the application -------------------------------------------------------------------- */

static void tell_opened(tern_conn *conn, tern_stream *stream)
{
  if (conn->ops != NULL && conn->ops->on_stream != NULL && !conn->is_shutting_down) {
    conn->ops->on_stream(conn, stream, conn->app);
    return;
  }
  /* Nobody wants it. */
  if (tern_stream_has_recv(stream))
    tern_stream_stop(stream, 0);
  if (tern_stream_has_send(stream))
    tern_stream_reset(stream, 0);
}

/* A released stream has no reader: what comes is dropped, so that the peer is not held up. */
static void drain_released(tern_conn *conn, tern_stream *stream)
{
  struct tern_stream_flow flow = {&conn->body->flow_recv, conn->endpoint->now,
                                  tern_conn_route(conn)->rtt.smoothed_ns};
  uint64_t readable = tern_stream_recv_readable(&stream->in->recv);

  if (tern_stream_has_recv(stream) && readable != 0)
    tern_stream_on_consumed(stream, &flow, (size_t)readable);
}

static void tell_one(tern_stream *stream, enum tern_stream_event event)
{
  const tern_stream_ops *ops = stream->is_released ? NULL : stream->ops;

  switch (event) {
  case TERN_STREAM_READABLE:
    if (ops != NULL && ops->on_readable != NULL)
      ops->on_readable(stream, stream->app);
    return;
  case TERN_STREAM_WAS_RESET:
    tern_stream_recv_on_reset_told(&stream->in->recv);
    if (ops != NULL && ops->on_reset != NULL)
      ops->on_reset(stream, stream->in->recv.code, stream->app);
    return;
  case TERN_STREAM_WAS_STOPPED:
    if (ops != NULL && ops->on_stopped != NULL)
      ops->on_stopped(stream, stream->out->send.reset_code, stream->app);
    return;
  case TERN_STREAM_ACKED:
    if (ops != NULL && ops->on_acked != NULL)
      ops->on_acked(stream, stream->out->send.acked_to, stream->app);
    return;
  case TERN_STREAM_WRITABLE:
    if (ops != NULL && ops->on_writable != NULL)
      ops->on_writable(stream, stream->app);
    return;
  case TERN_STREAM_OPENED:
    tell_opened(stream->conn, stream);
    return;
  }
}

static void tell_events(tern_stream *stream)
{
  static const enum tern_stream_event order[] = {
      TERN_STREAM_OPENED,      TERN_STREAM_READABLE, TERN_STREAM_WAS_RESET,
      TERN_STREAM_WAS_STOPPED, TERN_STREAM_ACKED,    TERN_STREAM_WRITABLE,
  };

  for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
    if ((stream->events & order[i]) == 0)
      continue;
    stream->events &= (uint8_t)~order[i];
    tell_one(stream, order[i]);
  }
}

/* The last callback of a stream; its slot lives on until its last record is resolved. */
static void end_stream(tern_conn *conn, tern_stream *stream)
{
  TERN_EVENT(&conn->endpoint->events, conn->id, stream_closed, .stream = stream->id,
             .sent_bytes = stream->out->send.unsent, .received_bytes = stream->in->recv.consumed);
  if (!stream->is_released && stream->ops != NULL && stream->ops->on_closed != NULL)
    stream->ops->on_closed(stream, stream->app);
  stream->is_over = true;
  tern_list_remove(&stream->touched);
  tern_list_remove(&stream->control);
  tern_scheduler_remove(&conn->body->scheduler, stream);
  (void)tern_stream_set_try_free(&conn->body->streams, stream);
}

static void settle_stream(tern_conn *conn, tern_stream *stream)
{
  tell_events(stream);
  if (stream->is_released)
    drain_released(conn, stream);
  if (tern_stream_has_recv(stream) && tern_stream_recv_keep(&stream->in->recv) != TERN_OK)
    tern_conn_fail_local(conn, "no memory for stream data that was not read");
  if (tern_stream_is_done(stream) && stream->events == 0)
    end_stream(conn, stream);
  else
    tern_stream_update_places(stream);
}

static void tell_connected(tern_conn *conn)
{
  tern_endpoint *endpoint = conn->endpoint;

  conn->news.connected = false;
  if (conn->is_told && conn->early_status != TERN_EARLY_ACCEPTED)
    return;
  bool is_new = !conn->is_told;
  conn->is_told = true;
  if (conn->is_server && is_new)
    endpoint->ops->on_conn(endpoint->app, conn);
  else if (conn->ops != NULL && conn->ops->on_connected != NULL)
    conn->ops->on_connected(conn, conn->app);
}

static void tell_token(tern_conn *conn)
{
  tern_endpoint *endpoint = conn->endpoint;

  conn->news.token = false;
  TERN_EVENT(&endpoint->events, conn->id, token_received, .bytes = conn->token_bytes);
  if (endpoint->ops != NULL && endpoint->ops->on_token != NULL)
    endpoint->ops->on_token(endpoint->app, conn, tern_slice_of(conn->token, conn->token_bytes));
}

static void tell_datagrams(tern_conn *conn)
{
  struct tern_dgram *dgram = &conn->body->dgram;
  tern_slice data;

  if (!conn->is_told)
    return;
  while (tern_dgram_next_received(dgram, &data)) {
    if (conn->ops != NULL && conn->ops->on_datagram != NULL)
      conn->ops->on_datagram(conn, data, conn->app);
    tern_dgram_pop_received(dgram);
  }
}

static void tell_limits(tern_conn *conn)
{
  struct tern_conn_news news = conn->news;
  const struct tern_streams_ours *ours = conn->body->streams.ours;

  conn->news.streams_bidi = conn->news.streams_uni = false;
  if (conn->ops == NULL || conn->ops->on_streams == NULL)
    return;
  if (news.streams_bidi)
    conn->ops->on_streams(conn, true, ours[TERN_DIR_BIDI].limit, conn->app);
  if (news.streams_uni)
    conn->ops->on_streams(conn, false, ours[TERN_DIR_UNI].limit, conn->app);
}

static void tell_body(tern_conn *conn)
{
  struct tern_conn_body *body = conn->body;
  struct tern_list_node *node;

  tern_conn_tell_tickets(conn); /* before what may make the application close */
  if (conn->is_told || !conn->is_server)
    while ((node = tern_list_pop_front(&body->touched)) != NULL)
      settle_stream(conn, TERN_CONTAINER_OF(node, tern_stream, touched));
  tell_limits(conn);
  tell_datagrams(conn);
  tern_dgram_keep(&body->dgram);
}

/* ---- the end ------------------------------------------------------------------------------------ */

static void tell_closed(tern_conn *conn)
{
  tern_error error = tern_conn_get_error(conn);
  struct tern_stream *stream;
  uint32_t at = 0;

  conn->is_closed_told = true;
  conn->end_at = conn->endpoint->now + END_PTOS * tern_conn_pto_ns(conn);
  while (conn->body != NULL && (stream = tern_stream_set_next(&conn->body->streams, &at)) != NULL)
    if (!stream->is_over)
      end_stream(conn, stream);
  if (conn->ops != NULL && conn->ops->on_closed != NULL && (conn->is_told || !conn->is_server))
    conn->ops->on_closed(conn, &error, conn->app);
  conn->ops = NULL;
  tern_conn_shed(conn);
}

/* The alarm of the layer above. */
static void ring(tern_conn *conn)
{
  struct tern_conn_layer *layer = &conn->layer;

  if (conn->endpoint->now < layer->alarm_at)
    return;
  layer->alarm_at = TERN_TIME_NEVER;
  layer->alarm(layer->alarm_arg, conn->endpoint->now);
}

static void keep_crypto(tern_conn *conn)
{
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    if (space != NULL && space->crypto != NULL &&
        tern_stream_recv_keep(&space->crypto->recv) != TERN_OK)
      tern_conn_fail_local(conn, "no memory for handshake data");
  }
}

void tern_conn_count_half_open(tern_conn *conn)
{
  tern_endpoint *endpoint = conn->endpoint;

  if (!conn->is_half_open)
    return;
  endpoint->half_open_bytes -= conn->half_open_bytes;
  conn->half_open_bytes = sizeof *conn + conn->alloc.used_bytes;
  endpoint->half_open_bytes += conn->half_open_bytes;
}

void tern_conn_settle(tern_conn *conn)
{
  if (tern_conn_is_open(conn))
    tern_conn_settle_acks(conn);
  if (conn->news.connected)
    tell_connected(conn);
  if (conn->news.token)
    tell_token(conn);
  if (conn->body != NULL && !conn->is_closed_told)
    tell_body(conn);
  if (tern_conn_is_open(conn))
    ring(conn);
  keep_crypto(conn);
  tern_conn_free_replayed(conn);
  tern_conn_check_shutdown(conn);
  if (!tern_conn_is_open(conn) && !conn->is_closed_told)
    tell_closed(conn);
  if (conn->state == TERN_CONN_DEAD) {
    tern_conn_free(conn);
    return;
  }
  tern_conn_update_live(conn);
  tern_conn_count_half_open(conn);
  if (tern_conn_wants_send(conn))
    tern_conn_make_due(conn);
  tern_conn_update_timer(conn);
}

/* ---- the timer ----------------------------------------------------------------------------------- */

static tern_time earlier(tern_time a, tern_time b)
{
  return a < b ? a : b;
}

/* [rfc9000-10.1] the smaller of both sides' values, but never below three PTOs. */
static tern_time get_idle_deadline(const tern_conn *conn)
{
  uint64_t ours = conn->endpoint->config.idle_timeout_ms;
  uint64_t theirs = conn->peer_params.max_idle_timeout_ms;
  uint64_t ms = ours == 0 || (theirs != 0 && theirs < ours) ? theirs : ours;
  uint64_t least = 3 * tern_conn_pto_ns(conn);

  if (ms == 0 || ms > IDLE_MAX_MS)
    return TERN_TIME_NEVER;
  return conn->idle_from + (ms * TERN_MS > least ? ms * TERN_MS : least);
}

/* An address that proves nothing has less time. */
static tern_time get_handshake_deadline(const tern_conn *conn)
{
  const tern_config *config = &conn->endpoint->config;
  uint64_t ms = config->handshake_timeout_ms;

  if (conn->state != TERN_CONN_HANDSHAKE)
    return TERN_TIME_NEVER;
  if (!conn->is_validated && config->half_open_timeout_ms < ms)
    ms = config->half_open_timeout_ms;
  return conn->started_at + ms * TERN_MS;
}

static tern_time get_keep_alive(const tern_conn *conn)
{
  uint64_t ms = conn->endpoint->config.keep_alive_ms;

  if (ms == 0 || conn->state != TERN_CONN_CONNECTED || conn->idle_sent || conn->path.data == NULL ||
      conn->path.data->wants_ping)
    return TERN_TIME_NEVER;
  return conn->idle_from + ms * TERN_MS;
}

static tern_time get_acks_deadline(const tern_conn *conn)
{
  const struct tern_pn_space *spaces[] = {conn->initial, conn->handshake, conn->path.data};
  tern_time deadline = TERN_TIME_NEVER;

  for (int i = 0; i < TERN_SPACES && !tern_conn_is_out_of_budget(conn); i++)
    if (spaces[i] != NULL && spaces[i]->can_send)
      deadline = earlier(deadline, tern_acks_deadline(&spaces[i]->acks));
  return deadline > conn->retry_at ? deadline : conn->retry_at;
}

void tern_conn_update_timer(tern_conn *conn)
{
  tern_time deadline = conn->end_at;

  if (tern_conn_is_open(conn)) {
    const struct tern_route *route = tern_conn_route(conn);
    deadline = earlier(get_idle_deadline(conn), get_handshake_deadline(conn));
    deadline = earlier(deadline, get_keep_alive(conn));
    deadline = earlier(deadline, tern_conn_loss_deadline(conn));
    deadline = earlier(deadline, get_acks_deadline(conn));
    deadline = earlier(deadline, conn->pace_at);
    deadline = earlier(deadline, tern_conn_routes_deadline(conn));
    deadline = earlier(deadline, tern_pmtud_deadline(&route->pmtud));
    deadline = earlier(deadline, conn->keys_drop_at);
    deadline = earlier(deadline, conn->shutdown_at);
    deadline = earlier(deadline, conn->layer.alarm_at);
    deadline = earlier(deadline, tern_conn_rest_deadline(conn));
    if (conn->retry_at > conn->endpoint->now)
      deadline = earlier(deadline, conn->retry_at);
  }
  if (tern_conn_is_open(conn) && conn->hold_until > conn->endpoint->now)
    deadline = conn->hold_until;
  if (deadline != conn->timer.key)
    tern_heap_update(&conn->endpoint->timers, &conn->timer, deadline);
}

void tern_conn_on_timer(tern_conn *conn)
{
  tern_time now = conn->endpoint->now;

  tern_conn_touch(conn);
  if (!tern_conn_is_open(conn)) {
    if (now >= conn->end_at)
      conn->state = TERN_CONN_DEAD;
    return;
  }
  if (now >= get_handshake_deadline(conn)) {
    tern_conn_on_timeout_end(conn, TERN_ERROR_HANDSHAKE_TIMEOUT);
    return;
  }
  if (now >= get_idle_deadline(conn)) {
    tern_conn_on_timeout_end(conn, TERN_ERROR_IDLE);
    return;
  }
  if (now >= tern_conn_rest_deadline(conn))
    tern_conn_rest(conn);
  if (now >= get_keep_alive(conn))
    conn->path.data->wants_ping = true;
  if (now >= conn->keys_drop_at && conn->path.data != NULL) {
    tern_keys_drop_previous(conn->path.data->keys);
    conn->keys_drop_at = TERN_TIME_NEVER;
  }
  tern_conn_on_routes_timer(conn);
  (void)tern_pmtud_wants_probe(&tern_conn_route(conn)->pmtud, now); /* a new search begins */
  if (now >= conn->pace_at)
    conn->pace_at = TERN_TIME_NEVER;
  tern_conn_on_loss_timer(conn);
  tern_conn_make_due(conn);
}
