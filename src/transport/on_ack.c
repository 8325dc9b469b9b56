/* SPDX-License-Identifier: MIT */
/* What became of packets: acknowledged or lost.
 *
 *   ACK frame  ->  packets resolved, producers told, bytes and samples merged into ack_news
 *   settle     ->  losses by number and time, then one call to the controller for the whole batch
 *
 * Losses by time and probe timeouts are in probe.c. */
#include <string.h>

#include "transport/conn.h"
#include "wire/header.h"

/* A lost packet is remembered so long, in case it was only late. */
#define LOST_KEPT_PTOS 3

/* ---- records -------------------------------------------------------------------------------- */

static struct tern_stream *find_stream(tern_conn *conn, const struct tern_frame_record *record)
{
  if (conn->body == NULL)
    return NULL;
  return tern_stream_set_find_slot(&conn->body->streams, record->slot, record->generation);
}

static void on_stream_record(tern_conn *conn, const struct tern_frame_record *record, bool is_acked)
{
  struct tern_stream *stream = find_stream(conn, record);
  if (stream == NULL)
    return;
  bool before = tern_endpoint_enter_hook(conn->endpoint); /* release, of what is acknowledged */
  tern_status status = is_acked ? tern_stream_on_record_acked(stream, record)
                                : tern_stream_on_record_lost(stream, record);
  tern_endpoint_leave_hook(conn->endpoint, before);
  if (status != TERN_OK)
    tern_conn_fail_local(conn, "no memory to note what became of stream data");
  if (is_acked)
    tern_stream_touch(stream);
  else
    tern_stream_update_places(stream);
}

static void on_crypto_record(tern_conn *conn, struct tern_pn_space *space,
                             const struct tern_frame_record *record, bool is_acked)
{
  struct tern_send_facts facts;

  if (space->crypto == NULL)
    return; /* put away: all of it was acknowledged before */
  tern_status status = is_acked ? tern_stream_send_on_acked(&space->crypto->send, record, &facts)
                                : tern_stream_send_on_lost(&space->crypto->send, record);
  if (status != TERN_OK)
    tern_conn_fail_local(conn, "no memory to note what became of handshake data");
}

/* The kinds that name a stream, CRYPTO and ACK are the callers'. */
static void on_control_record(tern_conn *conn, const struct tern_frame_record *record,
                              bool is_acked)
{
  struct tern_conn_body *body = conn->body;
  struct tern_path *path = &conn->path;

  switch ((enum tern_record_kind)record->kind) {
  case TERN_RECORD_MAX_DATA:
    (is_acked ? tern_flow_recv_on_acked : tern_flow_recv_on_lost)(&body->flow_recv, record);
    break;
  case TERN_RECORD_DATA_BLOCKED:
    (is_acked ? tern_flow_send_on_acked : tern_flow_send_on_lost)(&body->flow_send, record);
    break;
  case TERN_RECORD_MAX_STREAMS_BIDI:
  case TERN_RECORD_MAX_STREAMS_UNI:
  case TERN_RECORD_STREAMS_BLOCKED_BIDI:
  case TERN_RECORD_STREAMS_BLOCKED_UNI:
    (is_acked ? tern_stream_set_on_acked : tern_stream_set_on_lost)(&body->streams, record);
    break;
  case TERN_RECORD_NEW_CONNECTION_ID:
    (is_acked ? tern_cid_local_on_acked : tern_cid_local_on_lost)(&path->local_ids, record);
    break;
  case TERN_RECORD_RETIRE_CONNECTION_ID:
    (is_acked ? tern_cid_remote_on_acked : tern_cid_remote_on_lost)(&path->remote_ids, record);
    break;
  case TERN_RECORD_PATH_CHALLENGE:
    if (!is_acked && record->slot < path->routes_count)
      tern_route_on_challenge_lost(path->routes[record->slot]);
    break;
  case TERN_RECORD_HANDSHAKE_DONE:
    if (!is_acked)
      conn->wants_handshake_done = true;
    break;
  case TERN_RECORD_NEW_TOKEN: /* it is made anew: the time and perhaps the address are others */
    if (!is_acked)
      conn->wants_new_token = true;
    break;
  case TERN_RECORD_NONE: /* nobody wants these back, or the caller did it */
  case TERN_RECORD_ACK:
  case TERN_RECORD_PING:
  case TERN_RECORD_CRYPTO:
  case TERN_RECORD_STREAM:
  case TERN_RECORD_RESET_STREAM:
  case TERN_RECORD_STOP_SENDING:
  case TERN_RECORD_MAX_STREAM_DATA:
  case TERN_RECORD_STREAM_DATA_BLOCKED:
  case TERN_RECORD_PATH_RESPONSE:
  case TERN_RECORD_CLOSE:
  case TERN_RECORD_DATAGRAM:
    break;
  }
}

static void on_record(tern_conn *conn, struct tern_pn_space *space,
                      const struct tern_frame_record *record, bool is_acked)
{
  if (tern_record_has_stream(record))
    on_stream_record(conn, record, is_acked);
  else if (record->kind == TERN_RECORD_CRYPTO)
    on_crypto_record(conn, space, record, is_acked);
  else
    on_control_record(conn, record, is_acked);
}

void tern_conn_on_record_lost(tern_conn *conn, struct tern_pn_space *space,
                              const struct tern_frame_record *record)
{
  on_record(conn, space, record, false);
}

/* A packet's fate is known: tell the producers, then let go of the streams that its records named. */
static void tell_producers(tern_conn *conn, struct tern_pn_space *space,
                           struct tern_sent_packet *packet, bool is_acked)
{
  for (uint8_t i = 0; i < packet->record_count; i++) {
    struct tern_frame_record *record = tern_sent_record(&space->sent, packet, i);
    on_record(conn, space, record, is_acked);
    struct tern_stream *stream = tern_record_has_stream(record) ? find_stream(conn, record) : NULL;
    if (stream == NULL)
      continue;
    tern_stream_set_unhold(stream, 1);
    (void)tern_stream_set_try_free(&conn->body->streams, stream);
  }
}

void tern_conn_abandon_packet(tern_conn *conn, struct tern_pn_space *space,
                              struct tern_sent_packet *packet)
{
  tern_inflight_on_resolved(&conn->path.routes[packet->route]->in_flight, packet);
  tell_producers(conn, space, packet, false);
  tern_sent_resolve(&space->sent, packet, TERN_SENT_FREE);
}

/* ---- stream data in a row ------------------------------------------------------------------- */

/* Packets of a bulk are acknowledged together, and what they carried adjoins: their records are told as
 * one. */
struct merged_records {
  struct tern_frame_record record;
  uint32_t packets;
};

static void tell_merged(tern_conn *conn, struct merged_records *merged)
{
  if (merged->packets == 0)
    return;
  on_stream_record(conn, &merged->record, true);
  struct tern_stream *stream = find_stream(conn, &merged->record);
  if (stream != NULL) {
    tern_stream_set_unhold(stream, merged->packets);
    (void)tern_stream_set_try_free(&conn->body->streams, stream);
  }
  merged->packets = 0;
}

static bool is_next_of(const struct merged_records *merged, const struct tern_frame_record *record)
{
  const struct tern_frame_record *before = &merged->record;

  return merged->packets != 0 && record->slot == before->slot &&
         record->generation == before->generation && before->flags == 0 &&
         record->offset == before->offset + before->len;
}

/* The packet was acknowledged: its producers are told, now or with the packets after it. */
static void tell_acked(tern_conn *conn, struct tern_pn_space *space,
                       struct tern_sent_packet *packet, struct merged_records *merged)
{
  const struct tern_frame_record *record = &packet->first;

  if (packet->record_count != 1 || record->kind != TERN_RECORD_STREAM) {
    tell_producers(conn, space, packet, true);
    return;
  }
  if (is_next_of(merged, record)) {
    merged->record.len += record->len;
    merged->record.flags = record->flags;
    merged->packets++;
    return;
  }
  tell_merged(conn, merged);
  *merged = (struct merged_records){.record = *record, .packets = 1};
}

/* ---- acknowledged --------------------------------------------------------------------------- */

/* What one frame newly acknowledged. */
struct frame_facts {
  uint64_t count;
  uint64_t bytes;
  uint64_t ect0_count;
  uint64_t ect1_count;
  uint64_t largest_number;
  tern_time largest_sent_time;
  uint8_t largest_route;
  bool has_largest; /* the largest acknowledged is among the newly acknowledged */
  bool has_eliciting;
};

static void on_spurious(tern_conn *conn, struct tern_pn_space *space,
                        struct tern_sent_packet *packet, uint64_t number)
{
  struct tern_route *route = conn->path.routes[packet->route];

  /* True when nothing of the last loss is left that was a loss. */
  bool is_undone = tern_loss_on_spurious(&space->loss, number);
  conn->stats.spurious_losses++;
  if (is_undone && route->cc->on_spurious != NULL) {
    route->cc->on_spurious(route->cc_state, conn->endpoint->now);
    tern_prr_end(&route->prr);
  }
  TERN_EVENT(&conn->endpoint->events, conn->id, spurious_loss, .space = (uint8_t)space->id,
             .number = number);
}

void tern_conn_forget_acks(tern_conn *conn)
{
  struct tern_ack_news *news = &conn->endpoint->ack_news;

  if (news->conn == conn)
    memset(news, 0, sizeof *news);
}

/* Those of another connection are settled first. */
static struct tern_ack_news *get_news(tern_conn *conn)
{
  struct tern_ack_news *news = &conn->endpoint->ack_news;

  if (news->conn == conn)
    return news;
  if (news->conn != NULL && tern_conn_is_open(news->conn))
    tern_conn_settle_acks(news->conn);
  memset(news, 0, sizeof *news);
  news->conn = conn;
  return news;
}

static void on_packet_acked(tern_conn *conn, struct tern_pn_space *space,
                            struct tern_sent_packet *packet, uint64_t number)
{
  struct tern_ack_news *news = get_news(conn);
  struct tern_route *route = conn->path.routes[packet->route];
  tern_time now = conn->endpoint->now;

  if (!news->has_acked) {
    news->has_acked = true;
    news->prior_in_flight_bytes = route->in_flight.bytes;
    tern_rate_begin(&news->rate);
  }
  /* [rfc9000-9.4] what left by an older route says nothing about this one. */
  if ((packet->flags & TERN_SENT_IN_FLIGHT) && packet->route == conn->path.active) {
    news->acked_bytes += packet->bytes;
    tern_rate_on_acked(&route->rate, &news->rate, packet, number, now);
  }
  if (packet->sent_time >= news->newest_sent_time) {
    news->newest_sent_time = packet->sent_time;
    news->newest_number = number;
    news->space = space;
  }
  if (packet->flags & TERN_SENT_MTU_PROBE) {
    if (tern_pmtud_on_probe_acked(&route->pmtud, packet->bytes, now))
      tern_conn_on_mtu(conn, route);
  } else {
    tern_pmtud_on_acked(&route->pmtud, packet->bytes);
  }
  if (packet->flags & TERN_SENT_HAS_ACK)
    tern_acks_on_ack_acked(&space->acks, packet->largest_acked);
  tern_inflight_on_resolved(&route->in_flight, packet);
}

static void walk_range(tern_conn *conn, struct tern_pn_space *space, struct tern_range range,
                       struct frame_facts *facts)
{
  struct tern_sent_cursor cursor = tern_sent_range_begin(&space->sent, range);
  struct merged_records merged = {.packets = 0};
  struct tern_sent_packet *packet;

  while ((packet = tern_sent_range_next(&space->sent, &cursor)) != NULL) {
    if (packet->state == TERN_SENT_LOST) {
      on_spurious(conn, space, packet, cursor.number);
      tern_sent_resolve(&space->sent, packet, TERN_SENT_ACKED);
      continue;
    }
    facts->count++;
    facts->bytes += packet->bytes;
    facts->ect0_count += (packet->flags & TERN_SENT_ECT0) != 0;
    facts->ect1_count += (packet->flags & TERN_SENT_ECT1) != 0;
    facts->has_eliciting |= (packet->flags & TERN_SENT_ACK_ELICITING) != 0;
    if (cursor.number == facts->largest_number) {
      facts->has_largest = true;
      facts->largest_sent_time = packet->sent_time;
      facts->largest_route = packet->route;
    }
    on_packet_acked(conn, space, packet, cursor.number);
    tell_acked(conn, space, packet, &merged);
    tern_sent_resolve(&space->sent, packet, TERN_SENT_ACKED);
  }
  tell_merged(conn, &merged);
}

static bool check_ranges(tern_conn *conn, struct tern_pn_space *space,
                         const struct tern_frame *frame)
{
  struct tern_ack_iter iter;
  struct tern_range range;

  tern_ack_iter_init(&iter, frame);
  while (tern_ack_iter_next(&iter, &range)) {
    enum tern_sent_ack answer = tern_sent_check_range(&space->sent, range);
    if (answer == TERN_SENT_ACK_VALID)
      continue;
    tern_conn_fail(conn, TERN_QUIC_PROTOCOL_VIOLATION, frame->type,
                   answer == TERN_SENT_ACK_SKIPPED ? "acknowledges a number that was left out"
                                                   : "acknowledges a packet that was never sent");
    return false;
  }
  return true;
}

/* [rfc9002-5.1] one sample per frame, from the largest if it is new and something elicited ACKs. */
static void take_rtt_sample(tern_conn *conn, struct tern_pn_space *space,
                            const struct tern_frame *frame, const struct frame_facts *facts)
{
  struct tern_route *route = conn->path.routes[facts->largest_route];
  tern_time now = conn->endpoint->now;
  uint64_t delay_ns = 0;

  if (!facts->has_largest || !facts->has_eliciting)
    return;
  /* [rfc9000-13.2.5] Initial and Handshake ACKs are immediate: their delay field means nothing. */
  if (space->id == TERN_SPACE_APP) {
    uint64_t shift = conn->peer_params.ack_delay_exponent;
    uint64_t cap = (TERN_RTT_SAMPLE_MAX_NS / 1000) >> shift;
    delay_ns = ((frame->u.ack.delay < cap ? frame->u.ack.delay : cap) << shift) * 1000;
  }
  tern_rtt_on_sample(&route->rtt, now - facts->largest_sent_time, delay_ns,
                     conn->peer_params.max_ack_delay_ms * TERN_MS, conn->is_confirmed);
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *other = tern_conn_space(conn, (enum tern_space_id)i);
    if (other != NULL)
      tern_persistent_on_rtt_sample(&other->loss.persistent, now);
  }
  TERN_EVENT(&conn->endpoint->events, conn->id, rtt_updated, .latest_ns = route->rtt.latest_ns,
             .smoothed_ns = route->rtt.smoothed_ns, .variation_ns = route->rtt.variation_ns,
             .min_ns = route->rtt.min_ns);
}

static void judge_ecn(tern_conn *conn, struct tern_pn_space *space, const struct tern_frame *frame,
                      const struct frame_facts *facts)
{
  struct tern_route *route = tern_conn_route(conn);
  enum tern_ecn_state before = route->ecn.state;
  struct tern_ecn_ack ack = {.newly_acked_ect0 = facts->ect0_count,
                             .newly_acked_ect1 = facts->ect1_count,
                             .ect0 = frame->u.ack.ect0,
                             .ect1 = frame->u.ack.ect1,
                             .ce = frame->u.ack.ce,
                             .has_counts = frame->u.ack.has_ecn,
                             .is_largest_new = !space->loss.has_acked ||
                                               frame->u.ack.largest > space->loss.largest_acked};

  struct tern_ack_news *news = get_news(conn);
  news->ecn_marked += facts->ect0_count + facts->ect1_count;
  news->ecn_ce += tern_ecn_on_ack(&route->ecn, &space->ecn, &ack);
  if (route->ecn.state != before)
    TERN_EVENT(&conn->endpoint->events, conn->id, ecn_state,
               .state = route->ecn.state == TERN_ECN_CAPABLE ? "capable" : "failed",
               .reason = "counts in an ACK frame");
}

/* [rfc9001-4.9.1] and RFC 9002 6.2.1: what a first ACK of a space tells beyond the packets. */
static void note_progress(tern_conn *conn, struct tern_pn_space *space)
{
  if (space->id == TERN_SPACE_HANDSHAKE)
    conn->has_handshake_ack = true;
  /* [rfc9002-6.2.1] a client may not reset the backoff until it knows that the server has validated
   * its address: the server might be unable to answer. */
  if (conn->is_server || conn->has_handshake_ack || conn->is_confirmed)
    conn->pto_count = 0;
  conn->anti_deadlock_since = conn->endpoint->now;
}

bool tern_conn_on_ack(tern_conn *conn, const struct tern_on_frame_args *args,
                      const struct tern_frame *frame)
{
  struct tern_pn_space *space = args->space;
  struct frame_facts facts = {.largest_number = frame->u.ack.largest};
  struct tern_ack_iter iter;
  struct tern_range range;

  if (!check_ranges(conn, space, frame))
    return false;
  if (space->has_ack_from && args->number < space->ack_from)
    return true; /* overtaken by a newer one, which said at least as much */
  space->has_ack_from = true;
  space->ack_from = args->number;
  tern_ack_iter_init(&iter, frame);
  while (tern_ack_iter_next(&iter, &range))
    walk_range(conn, space, range, &facts);
  conn->stats.packets_acked += facts.count;
  if (facts.count == 0)
    return true;
  take_rtt_sample(conn, space, frame, &facts);
  judge_ecn(conn, space, frame, &facts);
  tern_loss_on_acked(&space->loss, frame->u.ack.largest);
  note_progress(conn, space);
  TERN_EVENT(&conn->endpoint->events, conn->id, packets_acked, .space = (uint8_t)space->id,
             .largest = frame->u.ack.largest, .count = (uint32_t)facts.count, .bytes = facts.bytes,
             .delay_ns = frame->u.ack.delay * 1000);
  return true;
}

/* ---- lost ----------------------------------------------------------------------------------- */

/* What a scan for losses found, for the controller. */
struct loss_facts {
  uint64_t bytes;      /* that are a congestion signal */
  uint64_t lost_bytes; /* all */
  uint64_t largest;
  tern_time newest_sent_time;
};

/* For controllers that want to know what was in flight when each one left. */
static void tell_lost(tern_conn *conn, struct tern_route *route,
                      const struct tern_sent_packet *packet, uint64_t number)
{
  tern_cc_lost lost = {.now = conn->endpoint->now,
                       .sent_time = packet->sent_time,
                       .packet_number = number,
                       .bytes = packet->bytes,
                       .tx_in_flight_bytes = packet->rate.tx_in_flight_bytes,
                       .lost_bytes = route->rate.lost_bytes - packet->rate.lost_bytes,
                       .total_delivered_bytes = route->rate.delivered_bytes,
                       .is_app_limited = packet->rate.is_app_limited};

  route->cc->on_lost(route->cc_state, &lost);
}

/* [rfc9002-6.1] For people: a skipped number in between is not looked for. */
static const char *get_loss_cause(const struct tern_pn_space *space,
                                  const struct tern_sent_packet *packet, uint64_t number)
{
  if (packet->flags & TERN_SENT_MTU_PROBE)
    return "mtu_probe";
  return number + space->loss.packet_threshold <= space->loss.largest_acked ? "reordering" : "time";
}

static void on_packet_lost(tern_conn *conn, struct tern_pn_space *space,
                           struct tern_sent_packet *packet, uint64_t number,
                           struct loss_facts *facts)
{
  struct tern_route *route = conn->path.routes[packet->route];
  tern_time now = conn->endpoint->now;

  conn->stats.packets_lost++;
  conn->stats.bytes_lost += packet->bytes;
  TERN_EVENT(&conn->endpoint->events, conn->id, packet_lost, .space = (uint8_t)space->id,
             .number = number, .bytes = packet->bytes,
             .why = get_loss_cause(space, packet, number));
  if (packet->flags & (TERN_SENT_ECT0 | TERN_SENT_ECT1))
    tern_ecn_on_lost(&route->ecn);
  if (packet->flags & TERN_SENT_MTU_PROBE) {
    tern_pmtud_on_probe_lost(&route->pmtud, packet->bytes, now); /* [rfc9000-14.4] no congestion */
  } else if ((packet->flags & TERN_SENT_IN_FLIGHT) && packet->route == conn->path.active) {
    if (tern_pmtud_on_lost(&route->pmtud, packet->bytes, now))
      tern_conn_on_mtu(conn, route);
    tern_rate_on_lost(&route->rate, packet->bytes);
    if (route->cc->on_lost != NULL)
      tell_lost(conn, route, packet, number);
    facts->bytes += packet->bytes;
    facts->largest = number;
    facts->newest_sent_time = packet->sent_time;
  }
  facts->lost_bytes += packet->bytes;
  tern_inflight_on_resolved(&route->in_flight, packet);
  tell_producers(conn, space, packet, false);
}

/* What left before the last congestion event was seen belongs to it [rfc9002-7.3.2]. */
static void count_congestion(tern_conn *conn, struct tern_route *route, tern_time sent_time)
{
  if (sent_time <= route->congestion_time)
    return;
  route->congestion_time = conn->endpoint->now;
  conn->stats.congestion_events++;
}

/* One congestion event, and the way down to the window that the controller answers with. */
static void tell_event(tern_conn *conn, struct tern_route *route, const tern_cc_congestion *event)
{
  const tern_cc_ops *cc = route->cc;
  uint64_t before = cc->window_bytes(route->cc_state);

  count_congestion(conn, route, event->sent_time);
  cc->on_congestion(route->cc_state, event);
  /* A mark is told before the queue overflows: to fall at once is what drains it. */
  if (!cc->uses_prr || event->is_ecn || cc->window_bytes(route->cc_state) >= before)
    return;
  struct tern_prr_loss loss = {.now = event->now,
                               .target_bytes = cc->window_bytes(route->cc_state),
                               .lost_bytes = event->lost_bytes,
                               .in_flight_bytes = event->in_flight_bytes,
                               .datagram_bytes = route->pmtud.plpmtu_bytes};
  tern_prr_begin(&route->prr, &loss);
}

static void tell_congestion(tern_conn *conn, struct tern_pn_space *space,
                            const struct loss_facts *facts)
{
  struct tern_route *route = tern_conn_route(conn);
  tern_cc_congestion event = {.now = conn->endpoint->now,
                              .sent_time = facts->newest_sent_time,
                              .lost_bytes = facts->bytes,
                              .in_flight_bytes = route->in_flight.bytes,
                              .largest_lost = facts->largest};

  tell_event(conn, route, &event);
  uint64_t delay_ns = conn->peer_params.max_ack_delay_ms * TERN_MS;
  if (!tern_persistent_take(&space->loss.persistent, &route->rtt, delay_ns))
    return;
  route->cc->on_persistent_congestion(route->cc_state, event.now);
  tern_prr_end(&route->prr);
  tern_rtt_on_persistent_congestion(&route->rtt);
  TERN_EVENT(&conn->endpoint->events, conn->id, persistent_congestion, .period_ns = 0);
}

/* Returns the bytes that were lost. */
uint64_t tern_conn_detect_losses(tern_conn *conn, struct tern_pn_space *space)
{
  struct tern_route *route = tern_conn_route(conn);
  struct tern_loss_scan scan = tern_loss_begin(&space->loss, &route->rtt, conn->endpoint->now);
  struct loss_facts facts = {0};
  struct tern_sent_packet *packet;

  while ((packet = tern_loss_next(&space->loss, &space->sent, &scan)) != NULL) {
    on_packet_lost(conn, space, packet, scan.number, &facts);
    tern_sent_resolve(&space->sent, packet, TERN_SENT_LOST);
  }
  if (facts.bytes != 0)
    tell_congestion(conn, space, &facts);
  /* Data that the peer cannot acknowledge before the handshake is complete may fill the window, and
   * then nothing but what was lost here could ever empty it: let one packet pass [rfc9002-7.3.2]. */
  if (facts.bytes != 0 && space->id != TERN_SPACE_APP && space->probes == 0)
    space->probes = 1;
  return facts.lost_bytes;
}

static uint64_t detect_all_losses(tern_conn *conn)
{
  uint64_t keep_ns = LOST_KEPT_PTOS * tern_conn_pto_ns(conn);
  tern_time now = conn->endpoint->now;
  uint64_t lost_bytes = 0;

  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)i);
    if (space == NULL || !space->loss.has_acked)
      continue;
    lost_bytes += tern_conn_detect_losses(conn, space);
    if (now > keep_ns)
      tern_sent_forget_lost(&space->sent, now - keep_ns);
  }
  return lost_bytes;
}

/* ---- the controller, once per batch ---------------------------------------------------------- */

static const char *name_state(const struct tern_route *route)
{
  const tern_cc_ops *cc = route->cc;

  if (cc->state_name != NULL)
    return cc->state_name(route->cc_state);
  return cc->is_in_slow_start != NULL && cc->is_in_slow_start(route->cc_state) ? "slow_start"
                                                                               : "avoidance";
}

void tern_conn_show_congestion(tern_conn *conn, struct tern_route *route)
{
  const tern_cc_ops *cc = route->cc;
  TERN_EVENT(&conn->endpoint->events, conn->id, congestion_state, .state = name_state(route),
             .window_bytes = cc->window_bytes(route->cc_state),
             .in_flight_bytes = route->in_flight.bytes,
             .ssthresh_bytes =
                 cc->ssthresh_bytes != NULL ? cc->ssthresh_bytes(route->cc_state) : UINT64_MAX);
}

static void tell_ecn(tern_conn *conn, struct tern_route *route, const struct tern_ack_news *news)
{
  tern_cc_congestion event = {.now = conn->endpoint->now,
                              .sent_time = news->newest_sent_time,
                              .in_flight_bytes = route->in_flight.bytes,
                              .largest_lost = news->newest_number,
                              .is_ecn = true};
  tell_event(conn, route, &event);
}

/* [rfc9002-7.8] SHOULD NOT grow a window that is not used: there was nothing to send, or, where flow
 * control lets a burst go now and then, less than half of it was in flight. */
static bool is_window_unused(const tern_conn *conn, const struct tern_route *route)
{
  uint64_t window_bytes = route->cc->window_bytes(route->cc_state);

  return conn->is_app_limited || conn->endpoint->ack_news.prior_in_flight_bytes < window_bytes / 2;
}

static void update_prr(struct tern_route *route, const tern_cc_ack *ack)
{
  struct tern_prr_ack step = {.acked_bytes = ack->acked_bytes,
                              .lost_bytes = ack->lost_bytes,
                              .in_flight_bytes = ack->in_flight_bytes,
                              .newest_sent_time = ack->newest_sent_time,
                              .datagram_bytes = route->pmtud.plpmtu_bytes};
  tern_prr_on_acked(&route->prr, &step);
}

void tern_conn_settle_acks(tern_conn *conn)
{
  struct tern_ack_news *news = &conn->endpoint->ack_news;
  struct tern_route *route = tern_conn_route(conn);

  if (news->conn != conn || !news->has_acked)
    return;
  uint64_t lost_bytes = detect_all_losses(conn);
  tern_cc_ack ack = {.now = conn->endpoint->now,
                     .acked_bytes = news->acked_bytes,
                     .lost_bytes = lost_bytes,
                     .in_flight_bytes = route->in_flight.bytes,
                     .prior_in_flight_bytes = news->prior_in_flight_bytes,
                     .newest_sent_time = news->newest_sent_time,
                     .largest_acked = news->newest_number,
                     .next_packet_number = news->space->sent.next,
                     .ecn_ce_count = news->ecn_ce,
                     .ecn_marked_count = news->ecn_marked,
                     .is_app_limited = is_window_unused(conn, route),
                     .rtt = tern_rtt_get_cc(&route->rtt)};
  tern_rate_generate(&route->rate, &news->rate, route->rtt.min_ns, ack.now, &ack.rate);
  if (news->ecn_ce != 0)
    tell_ecn(conn, route, news);
  if (news->acked_bytes != 0)
    route->cc->on_acked(route->cc_state, &ack);
  if (route->prr.is_active)
    update_prr(route, &ack);
  if (route->cc->wants_app_limited != NULL && route->cc->wants_app_limited(route->cc_state))
    tern_rate_on_app_limited(&route->rate, route->in_flight.bytes);
  tern_conn_show_congestion(conn, route);
  memset(news, 0, sizeof *news);
}
