/* SPDX-License-Identifier: MIT */
/* Packets out: one run of datagrams at a time, all of the same size but the last.
 *
 *   budget = min(window, pacer), for what elicits ACKs; amplification bounds everything
 *   per datagram:  Initial, Handshake and data packets as far as they have something to say
 *   per packet:    ACK, handshake, path, control, then datagrams and streams as the scheduler decides
 *
 * A run ends when nothing is left to say, a budget is used up, a datagram comes out short, or the
 * run is as long as one call to the socket may be. */
#include <string.h>

#include "transport/bulk.h"
#include "transport/conn.h"
#include "transport/packer.h"
#include "transport/producers.h"
#include "wire/frame_write.h"

struct send_round {
  tern_conn *conn;
  struct tern_route *route;
  uint8_t route_index;
  uint64_t window_bytes; /* what may elicit ACKs, from the controller */
  uint64_t pacer_bytes;  /* and from the pacer */
  uint64_t burst_bytes;  /* what the pacer lets go at once */
  uint64_t budget_bytes; /* of anything: anti-amplification */
  size_t datagram_bytes; /* what a full one has */
  bool has_initial;      /* the datagram being built has an Initial packet that must be padded */
  bool wants_expansion;  /* or a path frame that should be */
  bool has_challenge;    /* one that the peer has to answer */
  bool dropped_initial;  /* client: Initial keys are over once the run is sealed */
};

static uint8_t choose_route(const tern_conn *conn);

/* ---- what there is to say ------------------------------------------------------------------------ */

static bool wants_control(const tern_conn *conn)
{
  const struct tern_conn_body *body = conn->body;
  const struct tern_path *path = &conn->path;
  const struct tern_route *route = tern_conn_route(conn);

  return conn->wants_handshake_done || conn->wants_new_token || tern_route_wants_challenge(route) ||
         tern_route_wants_response(route) || tern_cid_local_wants(&path->local_ids) ||
         tern_cid_remote_wants(&path->remote_ids) || tern_flow_recv_wants(&body->flow_recv) ||
         tern_flow_send_wants(&body->flow_send) || tern_stream_set_wants(&body->streams) ||
         !tern_list_is_empty(&body->control);
}

/* Something that elicits ACKs, other than probes. */
static bool wants_elicit(const tern_conn *conn, const struct tern_pn_space *space)
{
  if (tern_pn_space_wants_crypto(space))
    return true;
  if (space->id != TERN_SPACE_APP)
    return false;
  if (conn->body == NULL)
    return conn->wants_handshake_done;
  return space->wants_ping || wants_control(conn) || tern_dgram_wants(&conn->body->dgram) ||
         !tern_scheduler_is_empty(&conn->body->scheduler);
}

/* Data packets wait for the end of the handshake, but for those of early data and the answers to it. */
static bool can_send(const tern_conn *conn, const struct tern_pn_space *space)
{
  if (space == NULL || !space->can_send)
    return false;
  return space->id != TERN_SPACE_APP || conn->state == TERN_CONN_CONNECTED || conn->is_early;
}

static bool can_elicit(const struct send_round *round)
{
  return round->window_bytes >= round->datagram_bytes && round->pacer_bytes != 0;
}

static bool wants_packet(const struct send_round *round, const struct tern_pn_space *space)
{
  if (!can_send(round->conn, space))
    return false;
  if (space->probes != 0 || tern_acks_wants_now(&space->acks, round->conn->endpoint->now))
    return true;
  return can_elicit(round) && wants_elicit(round->conn, space);
}

bool tern_conn_wants_send(tern_conn *conn)
{
  if (!tern_conn_is_open(conn))
    return conn->wants_close;
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    if (!can_send(conn, space))
      continue;
    if (space->probes != 0 || tern_acks_wants_now(&space->acks, conn->endpoint->now) ||
        wants_elicit(conn, space))
      return true;
  }
  return choose_route(conn) != conn->path.active ||
         tern_pmtud_wants_probe(&tern_conn_route(conn)->pmtud, conn->endpoint->now) != 0;
}

/* ---- a packet ------------------------------------------------------------------------------------ */

/* Returns the bytes of the packet, 0 if there was nothing to say. */
static size_t build_packet(struct tern_packer *packer, struct send_round *round,
                           struct tern_pn_space *space, uint8_t *data, size_t room)
{
  static const enum tern_packet_type types[TERN_SPACES] = {TERN_PACKET_INITIAL,
                                                           TERN_PACKET_HANDSHAKE, TERN_PACKET_APP};
  bool is_early = space->id == TERN_SPACE_APP && round->conn->is_early && !round->conn->is_server;
  struct tern_packer_args args = {.conn = round->conn,
                                  .space = space,
                                  .type = is_early ? TERN_PACKET_EARLY : types[space->id],
                                  .route_index = round->route_index,
                                  .data = data,
                                  .room = room};

  struct tern_say say = {.can_elicit = can_elicit(round), .datagram_bytes = round->datagram_bytes};
  if (!tern_packer_open(packer, &args))
    return 0;
  tern_write_frames(packer, &say);
  round->wants_expansion |= say.wants_expansion;
  round->has_challenge |= say.has_challenge;
  if (tern_packer_is_empty(packer)) {
    tern_packer_abort(packer);
    return 0;
  }
  size_t len = tern_packer_close(packer);
  /* [rfc9000-14.1] clients pad every Initial, servers those that elicit ACKs. */
  if (space->id == TERN_SPACE_INITIAL &&
      (!round->conn->is_server || (packer->flags & TERN_SENT_ACK_ELICITING) != 0))
    round->has_initial = true;
  if (space->id == TERN_SPACE_HANDSHAKE && !round->conn->is_server)
    round->dropped_initial = true; /* [rfc9001-4.9.1] */
  return len;
}

static void charge(struct send_round *round, const struct tern_packer *packer, size_t bytes)
{
  if (packer->flags & TERN_SENT_IN_FLIGHT) {
    round->window_bytes -= bytes < round->window_bytes ? bytes : round->window_bytes;
    round->pacer_bytes -= bytes < round->pacer_bytes ? bytes : round->pacer_bytes;
  }
}

/* Returns the bytes of the datagram, 0 if there was nothing to say. */
static size_t build_datagram(struct send_round *round, uint8_t *data, size_t room)
{
  tern_conn *conn = round->conn;
  struct tern_packer packer = {0};
  size_t len = 0;

  round->has_initial = round->wants_expansion = round->has_challenge = false;
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    if (!wants_packet(round, space))
      continue;
    struct tern_packer next;
    size_t added = build_packet(&next, round, space, data + len, room - len);
    if (added == 0)
      continue;
    packer = next;
    charge(round, &packer, added);
    len += added;
  }
  bool is_short = len != 0 && len < TERN_INITIAL_DATAGRAM_MIN && room >= TERN_INITIAL_DATAGRAM_MIN;
  if (is_short && (round->has_initial || round->wants_expansion)) {
    tern_packer_pad(&packer, TERN_INITIAL_DATAGRAM_MIN - len);
    len = TERN_INITIAL_DATAGRAM_MIN;
  }
  if (round->has_challenge)
    tern_route_on_challenge_sent(round->route, len, conn->endpoint->now);
  return len;
}

/* ---- special runs -------------------------------------------------------------------------------- */

/* What the peer is told of it. */
static tern_slice get_reason(tern_conn *conn, char text[TERN_REASON_MAX])
{
  const tern_close_ops *ops = &conn->endpoint->config.closes;
  const struct tern_conn_end *end = &conn->end;
  const char *reason = end->reason != NULL ? end->reason : "";

  if (ops->format == NULL)
    return tern_slice_of(reason, strlen(reason));
  bool before = tern_endpoint_enter_hook(conn->endpoint);
  size_t len = ops->format(ops->arg, end->code, end->kind == TERN_ERROR_APPLICATION, reason, text,
                           TERN_REASON_MAX);
  tern_endpoint_leave_hook(conn->endpoint, before);
  return tern_slice_of(text, len < TERN_REASON_MAX ? len : TERN_REASON_MAX);
}

static bool write_close(tern_conn *conn, struct tern_packer *packer)
{
  const struct tern_conn_end *error = &conn->end;
  struct tern_frame_record none = {0};
  char text[TERN_REASON_MAX];
  tern_slice reason = get_reason(conn, text);
  bool is_app = error->kind == TERN_ERROR_APPLICATION;

  if (is_app && packer->type == TERN_PACKET_APP) {
    if (!tern_frame_write_application_close(&packer->writer, error->code, reason))
      return false;
  } else {
    /* [rfc9000-10.2.3] what the application says is not for Initial and Handshake packets. */
    if (is_app)
      reason.len = 0;
    if (!tern_frame_write_connection_close(&packer->writer,
                                           is_app ? TERN_QUIC_APPLICATION_ERROR : error->code,
                                           error->frame_type, reason))
      return false;
  }
  tern_packer_note(packer, TERN_FRAME_CONNECTION_CLOSE, &none);
  return true;
}

/* [rfc9000-10.2.3] CONNECTION_CLOSE in every space that the peer might be able to read. */
static size_t build_close(struct send_round *round, uint8_t *data, size_t room)
{
  static const enum tern_packet_type types[TERN_SPACES] = {TERN_PACKET_INITIAL,
                                                           TERN_PACKET_HANDSHAKE, TERN_PACKET_APP};
  tern_conn *conn = round->conn;
  struct tern_packer packer = {0};
  bool has_initial = false;
  size_t len = 0;

  conn->wants_close = false;
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    if (space == NULL || !space->can_send || (i == TERN_SPACE_APP && conn->connected_at == 0))
      continue;
    struct tern_packer_args args = {conn,       space,     types[i], conn->path.active,
                                    data + len, room - len};
    struct tern_packer next;
    if (!tern_packer_open(&next, &args))
      continue;
    if (!write_close(conn, &next)) {
      tern_packer_abort(&next);
      continue;
    }
    packer = next;
    len += tern_packer_close(&packer);
    has_initial |= i == TERN_SPACE_INITIAL;
  }
  if (has_initial && len < TERN_INITIAL_DATAGRAM_MIN && room >= TERN_INITIAL_DATAGRAM_MIN) {
    tern_packer_pad(&packer, TERN_INITIAL_DATAGRAM_MIN - len);
    len = TERN_INITIAL_DATAGRAM_MIN;
  }
  return len;
}

/* A PING with as much PADDING as the size in question [rfc9000-14.4]. */
static size_t build_mtu_probe(struct send_round *round, uint8_t *data, size_t bytes)
{
  tern_conn *conn = round->conn;
  struct tern_packer packer;
  struct tern_packer_args args = {conn, conn->path.data, TERN_PACKET_APP, conn->path.active, data,
                                  bytes};

  if (!tern_packer_open(&packer, &args))
    return 0;
  packer.flags |= TERN_SENT_MTU_PROBE;
  tern_write_ping(&packer);
  tern_frame_write_padding(&packer.writer, tern_writer_left(&packer.writer));
  size_t len = tern_packer_close(&packer);
  tern_pmtud_on_probe_sent(&round->route->pmtud, (uint16_t)len);
  return len;
}

/* A route that is not the active one only proves itself, or lets the peer prove itself. */
static bool wants_path_packet(const tern_conn *conn, uint8_t route_index)
{
  const struct tern_route *route = conn->path.routes[route_index];

  return route_index != conn->path.active && can_send(conn, conn->path.data) &&
         (tern_route_wants_challenge(route) || tern_route_wants_response(route)) &&
         tern_route_budget(route) >= TERN_PACKER_ROOM_MIN;
}

static uint8_t choose_route(const tern_conn *conn)
{
  for (uint8_t i = 0; i < conn->path.routes_count && tern_conn_is_open(conn); i++)
    if (wants_path_packet(conn, i))
      return i;
  return conn->path.active;
}

static size_t build_path_packet(struct send_round *round, uint8_t *data)
{
  tern_conn *conn = round->conn;
  uint64_t budget = round->budget_bytes;
  struct tern_packer packer;
  struct tern_packer_args args = {
      .conn = conn,
      .space = conn->path.data,
      .type = TERN_PACKET_APP,
      .route_index = round->route_index,
      .data = data,
      .room = budget < TERN_INITIAL_DATAGRAM_MIN ? (size_t)budget : TERN_INITIAL_DATAGRAM_MIN};

  if (!tern_packer_open(&packer, &args))
    return 0;
  struct tern_say say = {.datagram_bytes = round->datagram_bytes};
  tern_write_path(&packer, &say);
  /* [rfc9000-8.2.1] expanded if it may be, so that the path is known to carry QUIC's smallest datagram. */
  tern_frame_write_padding(&packer.writer, tern_writer_left(&packer.writer));
  size_t len = tern_packer_close(&packer);
  if (say.has_challenge)
    tern_route_on_challenge_sent(round->route, len, conn->endpoint->now);
  tern_route_on_datagram_sent(round->route, len);
  return len;
}

/* ---- a run --------------------------------------------------------------------------------------- */

/* Bytes per second; 0 = not paced. */
static uint64_t choose_rate(const tern_conn *conn, const struct tern_route *route, uint64_t window)
{
  const tern_cc_ops *cc = route->cc;
  uint64_t rate_max = conn->pacing_rate_max;
  uint64_t rate = 0;

  if (conn->endpoint->config.pacing && route->rtt.has_sample) {
    tern_cc_rtt rtt = tern_rtt_get_cc(&route->rtt);
    if (cc->pacing_rate != NULL)
      rate = cc->pacing_rate(route->cc_state, &rtt);
    if (rate == 0)
      rate = tern_pacer_rate(window, route->rtt.smoothed_ns,
                             cc->is_in_slow_start != NULL && cc->is_in_slow_start(route->cc_state));
  }
  return rate_max != 0 && (rate == 0 || rate > rate_max) ? rate_max : rate;
}

static void open_round(struct send_round *round, tern_conn *conn, uint8_t route_index)
{
  struct tern_route *route = conn->path.routes[route_index];
  tern_time now = conn->endpoint->now;
  uint64_t window = route->cc->window_bytes(route->cc_state);
  uint64_t in_flight = route->in_flight.bytes;
  uint64_t rate = choose_rate(conn, route, window);

  *round = (struct send_round){.conn = conn, .route = route, .route_index = route_index};
  round->datagram_bytes = route->pmtud.plpmtu_bytes;
  window = tern_prr_window(&route->prr, window);
  round->window_bytes = window > in_flight ? window - in_flight : 0;
  round->budget_bytes = tern_route_budget(route);
  conn->stats.pacing_rate = rate;
  round->burst_bytes =
      tern_pacer_burst_bytes(rate, window, round->datagram_bytes, route->rtt.min_ns);
  round->pacer_bytes = tern_pacer_budget(&route->pacer, now, rate, round->burst_bytes);
}

/* What the round leaves behind: who holds us back, and when to look again. */
static void close_round(struct send_round *round)
{
  tern_conn *conn = round->conn;
  struct tern_route *route = round->route;
  uint64_t rate = conn->stats.pacing_rate;
  tern_time now = conn->endpoint->now;
  bool wants_more = false;

  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    wants_more |= can_send(conn, space) && wants_elicit(conn, space);
  }
  conn->pace_at = TERN_TIME_NEVER;
  conn->is_app_limited = !wants_more && can_elicit(round);
  if (conn->is_app_limited)
    tern_rate_on_app_limited(&route->rate, route->in_flight.bytes);
  if (!wants_more)
    return;
  if (round->window_bytes >= round->datagram_bytes && round->pacer_bytes == 0) {
    conn->pace_at = tern_pacer_next(&route->pacer, now, rate, round->burst_bytes / 2);
  }
}

/* [rfc9000-14.1] in the handshake a datagram may need its 1,200 bytes. Later, a client at a new address
 * that sends little is answered with little [rfc9000-8.2.1], or nothing would ever validate it. */
static uint64_t get_least_budget(const tern_conn *conn)
{
  return conn->is_confirmed ? TERN_PACKER_ROOM_MIN : TERN_INITIAL_DATAGRAM_MIN;
}

bool tern_conn_is_out_of_budget(const tern_conn *conn)
{
  return tern_route_budget(tern_conn_route(conn)) < get_least_budget(conn);
}

/* Nothing but streams has anything to say: every datagram can be like the next (bulk.h). */
static bool is_only_streams(const struct send_round *round)
{
  const tern_conn *conn = round->conn;
  const struct tern_pn_space *space = conn->path.data;

  return conn->is_confirmed && conn->initial == NULL && conn->handshake == NULL &&
         conn->body != NULL && round->route->is_address_validated && space->probes == 0 &&
         !space->wants_ping && !tern_acks_wants_ride(&space->acks) && !wants_control(conn) &&
         !tern_dgram_wants(&conn->body->dgram) && !tern_pn_space_wants_crypto(space);
}

/* Returns the bytes of the datagrams. */
static size_t build_bulk(struct send_round *round, uint8_t *data, size_t room)
{
  const struct tern_out *out = &round->conn->endpoint->out;
  size_t segment = round->datagram_bytes;
  uint64_t allowed = room < round->window_bytes ? room : round->window_bytes;

  if (!is_only_streams(round))
    return 0;
  struct tern_bulk bulk = {.conn = round->conn,
                           .route = round->route,
                           .route_index = round->route_index,
                           .data = data,
                           .segment_bytes = segment,
                           .packets_max = (size_t)(allowed / segment)};
  uint64_t paced = round->pacer_bytes / segment + (round->pacer_bytes % segment != 0);
  if (bulk.packets_max > paced)
    bulk.packets_max = (size_t)paced;
  if (bulk.packets_max > TERN_RUN_PACKETS_MAX - out->seals_count)
    bulk.packets_max = TERN_RUN_PACKETS_MAX - out->seals_count;
  size_t bytes = tern_bulk_build(&bulk) * segment;
  round->window_bytes -= bytes;
  round->pacer_bytes -= bytes < round->pacer_bytes ? bytes : round->pacer_bytes;
  return bytes;
}

static size_t build_datagrams(struct send_round *round, struct tern_out_run *run, uint8_t *data,
                              size_t room)
{
  struct tern_out *out = &round->conn->endpoint->out;
  size_t segment = 0;
  size_t used = 0;

  while (out->seals_count + TERN_SPACES <= TERN_RUN_PACKETS_MAX) {
    size_t bulk = build_bulk(round, data + used, room - used);
    if (bulk != 0) {
      segment = round->datagram_bytes;
      used += bulk;
      continue;
    }
    size_t limit = segment != 0 ? segment : round->datagram_bytes;
    if (limit > round->budget_bytes && round->budget_bytes >= get_least_budget(round->conn))
      limit = (size_t)round->budget_bytes;
    if (limit > room - used || limit > round->budget_bytes)
      break;
    size_t len = build_datagram(round, data + used, limit);
    if (len == 0)
      break;
    round->budget_bytes -= len;
    tern_route_on_datagram_sent(round->route, len);
    used += len;
    if (segment == 0)
      segment = len;
    if (len < segment || len < round->datagram_bytes)
      break;
  }
  run->run.segment_bytes = (uint16_t)segment;
  return used;
}

/* The data space's packets of this run, if it has nothing else: then a socket error can name them. */
static void note_numbers(tern_conn *conn, struct tern_out_run *run)
{
  const struct tern_out *out = &conn->endpoint->out;
  const struct tern_pn_space *space = conn->path.data;

  if (space == NULL || out->seals_count == 0 || out->seal_keys[0] != space->keys)
    return;
  run->has_numbers = true;
  run->first_number = out->seals[0].number;
  for (size_t i = 0; i < out->seals_count; i++)
    if (out->seals[i].number != run->first_number + i)
      run->has_numbers = false;
}

/* [rfc9001-6.1] only after confirmation, and only one at a time. */
tern_status tern_conn_update_keys(tern_conn *conn)
{
  struct tern_pn_space *space = conn->path.data;

  if (conn->endpoint->is_in_hook)
    return TERN_REENTRY;
  if (!tern_conn_is_open(conn) || !conn->is_confirmed || space == NULL)
    return TERN_STATE;
  uint64_t largest = space->loss.has_acked ? space->loss.largest_acked : UINT64_MAX;
  if (!tern_keys_can_update_tx(space->keys, largest))
    return TERN_STATE;
  tern_status status = tern_keys_update_tx(space->keys);
  if (status == TERN_OK)
    TERN_EVENT(&conn->endpoint->events, conn->id, key_updated, .phase = space->keys->tx.generation);
  return status;
}

static void update_keys(tern_conn *conn)
{
  const struct tern_pn_space *space = conn->path.data;

  if (!conn->is_confirmed || space == NULL || !tern_keys_wants_update(space->keys))
    return;
  if (tern_conn_update_keys(conn) != TERN_OK)
    return; /* the last one is not answered yet; the key's limit is far */
}

static size_t build_run(struct send_round *round, struct tern_out_run *run, uint8_t *data,
                        size_t room)
{
  tern_conn *conn = round->conn;
  size_t len = 0;

  if (!tern_conn_is_open(conn)) {
    if (conn->wants_close && round->budget_bytes >= TERN_INITIAL_DATAGRAM_MIN)
      len = build_close(round, data, round->datagram_bytes);
    tern_route_on_datagram_sent(round->route, len); /* [rfc9000-8.1] */
    run->run.segment_bytes = (uint16_t)len;
    return len;
  }
  if (round->route_index != conn->path.active) {
    len = build_path_packet(round, data);
    run->run.segment_bytes = (uint16_t)len;
    return len;
  }
  /* [rfc9000-14.4] the size of a path is probed, so it has to be one: an address that proved nothing
   * may only be sent three times what came from it. */
  uint16_t probe =
      round->route->is_address_validated && can_send(conn, conn->path.data) && can_elicit(round)
          ? tern_pmtud_wants_probe(&round->route->pmtud, conn->endpoint->now)
          : 0;
  if (probe != 0 && probe <= room)
    len = build_mtu_probe(round, data, probe);
  run->run.segment_bytes = (uint16_t)len;
  return len != 0 ? len : build_datagrams(round, run, data, room);
}

static void show_datagrams(tern_conn *conn, const struct tern_out_run *run)
{
  struct tern_event_bus *events = &conn->endpoint->events;

  if (!tern_event_is_wanted(events, TERN_EVENT_DATAGRAM_SENT) || run->run.segment_bytes == 0)
    return;
  for (size_t at = 0; at < run->run.len; at += run->run.segment_bytes) {
    size_t left = run->run.len - at;
    TERN_EVENT(events, conn->id, datagram_sent, .ecn = run->run.ecn, .remote = run->run.remote,
               .bytes = left < run->run.segment_bytes ? left : run->run.segment_bytes);
  }
}

bool tern_conn_send_run(tern_conn *conn, struct tern_out_run *run)
{
  struct tern_out *out = &conn->endpoint->out;
  struct send_round round;

  if (tern_conn_is_open(conn) && conn->hold_until > conn->endpoint->now)
    return false;
  update_keys(conn);
  open_round(&round, conn, choose_route(conn));
  const tern_cc_ops *cc = round.route->cc;
  bool wants_ect1 = cc->wants_ect1 != NULL && cc->wants_ect1(round.route->cc_state);
  run->run.ecn = out->ecn = (uint8_t)tern_ecn_get_mark(&round.route->ecn, wants_ect1);
  size_t len = build_run(&round, run, out->buffer + out->used, TERN_RUN_BYTES_MAX);
  note_numbers(conn, run);
  if (!tern_packer_finish(conn)) {
    tern_conn_fail(conn, TERN_QUIC_AEAD_LIMIT_REACHED, 0, "too many packets under one key");
    len = 0;
  }
  if (tern_conn_is_open(conn) && round.route_index == conn->path.active)
    close_round(&round);
  if (round.dropped_initial)
    tern_conn_drop_space(conn, TERN_SPACE_INITIAL);
  tern_conn_update_live(conn);
  tern_conn_update_timer(conn);
  run->run.len = len;
  run->run.local = round.route->local;
  run->run.remote = round.route->remote;
  run->route = round.route_index;
  show_datagrams(conn, run);
  return len != 0;
}
