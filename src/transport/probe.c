/* SPDX-License-Identifier: MIT */
/* When nobody says what became of packets: losses by time, probe timeouts, and what the sending side
 * itself knows about packets that never left or that it can no longer afford to remember. */
#include "base/random.h"
#include "transport/conn.h"

/* ---- timers --------------------------------------------------------------------------------- */

uint64_t tern_conn_pto_ns(const tern_conn *conn)
{
  return tern_rtt_pto_ns(&tern_conn_route(conn)->rtt) +
         conn->peer_params.max_ack_delay_ms * TERN_MS;
}

static struct tern_pto_deadline get_deadline(const tern_conn *conn)
{
  const struct tern_route *route = tern_conn_route(conn);
  struct tern_pto_args args = {
      .rtt = &route->rtt,
      .max_ack_delay_ns = conn->peer_params.max_ack_delay_ms * TERN_MS,
      .count = conn->pto_count,
      .anti_deadlock_since = conn->anti_deadlock_since,
      .is_confirmed = conn->is_confirmed,
      .has_handshake_keys = conn->handshake != NULL && conn->handshake->can_send,
      .is_peer_validated = conn->is_server || conn->has_handshake_ack || conn->is_confirmed,
      .is_amplification_blocked = tern_conn_is_out_of_budget(conn)};
  const struct tern_pn_space *spaces[TERN_SPACES] = {conn->initial, conn->handshake,
                                                     conn->path.data};

  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pto_space *fact = &args.spaces[i];
    fact->loss_time = TERN_TIME_NEVER;
    if (spaces[i] == NULL)
      continue;
    fact->loss_time = spaces[i]->loss.loss_time;
    fact->ack_eliciting_in_flight = spaces[i]->sent.ack_eliciting_in_flight;
    fact->last_ack_eliciting_time = spaces[i]->sent.last_ack_eliciting_time;
  }
  return tern_pto_deadline(&args);
}

tern_time tern_conn_loss_deadline(const tern_conn *conn)
{
  return get_deadline(conn).time;
}

/* A handshake's flight may be longer than two packets, and all ACKs of it may get lost: each timeout goes
 * on where the one before stopped. Later the oldest data is what the peer waits for. */
static uint64_t count_offered_before(const tern_conn *conn, const struct tern_pn_space *space)
{
  uint64_t in_flight = space->sent.ack_eliciting_in_flight;

  if (space->id == TERN_SPACE_APP || conn->pto_count == 0 || in_flight == 0)
    return 0;
  return 2 * (uint64_t)(conn->pto_count - 1) % in_flight;
}

/* [rfc9002-6.2.4] a probe carries new data if there is some; if not, what the oldest packets carried
 * is offered again, without declaring them lost. */
void tern_conn_offer_again(tern_conn *conn, struct tern_pn_space *space)
{
  uint64_t skip = count_offered_before(conn, space);
  struct tern_range all = {space->sent.base, space->sent.next};
  struct tern_sent_cursor cursor = tern_sent_range_begin(&space->sent, all);
  struct tern_sent_packet *packet;
  int offered = 0;

  while (offered < 2 && (packet = tern_sent_range_next(&space->sent, &cursor)) != NULL) {
    if (packet->state != TERN_SENT_OUTSTANDING || !(packet->flags & TERN_SENT_ACK_ELICITING))
      continue;
    if (skip != 0) {
      skip--;
      continue;
    }
    for (uint8_t i = 0; i < packet->record_count; i++)
      tern_conn_on_record_lost(conn, space, tern_sent_record(&space->sent, packet, i));
    offered++;
  }
}

static void on_pto(tern_conn *conn, const struct tern_pto_deadline *due)
{
  struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)due->space);
  struct tern_route *route = tern_conn_route(conn);

  if (space == NULL)
    return;
  conn->pto_count++;
  conn->stats.pto_count++;
  if (tern_pmtud_on_pto(&route->pmtud, conn->pto_count, conn->endpoint->now))
    tern_conn_on_mtu(conn, route);
  conn->anti_deadlock_since = conn->endpoint->now;
  space->probes = 2;
  space->wants_ping = true;
  tern_ecn_on_pto(&route->ecn);
  /* [rfc9002-6.2.4] other spaces with data in flight may use the chance. */
  for (int i = 0; i < TERN_SPACES; i++) {
    struct tern_pn_space *other = tern_conn_space(conn, (enum tern_space_id)i);
    if (other != NULL && other->sent.ack_eliciting_in_flight != 0)
      tern_conn_offer_again(conn, other);
    if (other != NULL && other != space && other->sent.ack_eliciting_in_flight != 0)
      other->probes = 1;
  }
  TERN_EVENT(&conn->endpoint->events, conn->id, pto_fired, .space = due->space,
             .count = conn->pto_count);
  tern_conn_make_due(conn);
}

void tern_conn_on_loss_timer(tern_conn *conn)
{
  struct tern_pto_deadline due = get_deadline(conn);

  if (due.time > conn->endpoint->now)
    return;
  if (!due.is_loss) {
    on_pto(conn, &due);
    return;
  }
  struct tern_pn_space *space = tern_conn_space(conn, (enum tern_space_id)due.space);
  if (space != NULL && tern_conn_detect_losses(conn, space) != 0)
    tern_conn_show_congestion(conn, tern_conn_route(conn));
  tern_conn_make_due(conn);
}

/* ---- the sending side's own facts ------------------------------------------------------------ */

void tern_conn_on_unsent(tern_conn *conn, struct tern_range numbers, bool is_too_large)
{
  struct tern_pn_space *space = conn->path.data;
  struct tern_sent_packet *packet;

  if (space == NULL)
    return;
  struct tern_sent_cursor cursor = tern_sent_range_begin(&space->sent, numbers);
  while ((packet = tern_sent_range_next(&space->sent, &cursor)) != NULL) {
    struct tern_route *route = conn->path.routes[packet->route];
    if (packet->state != TERN_SENT_OUTSTANDING)
      continue;
    if (!(packet->flags & TERN_SENT_MTU_PROBE)) {
      /* It may refuse them again and again: the loop must not turn on it. */
      conn->hold_until = conn->endpoint->now + tern_conn_pto_ns(conn) / 4;
    } else {
      if (is_too_large)
        tern_pmtud_on_probe_refused(&route->pmtud, packet->bytes, conn->endpoint->now);
      else
        tern_pmtud_on_probe_lost(&route->pmtud, packet->bytes, conn->endpoint->now);
    }
    tern_conn_abandon_packet(conn, space, packet);
  }
  tern_conn_make_due(conn);
  tern_conn_update_timer(conn);
}

bool tern_conn_skip_number(tern_conn *conn, struct tern_pn_space *space)
{
  uint64_t number = space->sent.next;

  /* The distance doubles with the connection's age: rare on long transfers, certain on each. */
  uint64_t distance = number < 256 ? 256 : number > 65536 ? 65536 : number;
  space->next_skip =
      number + 1 + distance / 2 + tern_random_below(&conn->endpoint->config.random, distance);
  return tern_sent_skip(&space->sent) == TERN_OK;
}

/* The ring remembers every number from the oldest packet that is outstanding. A peer that makes us send
 * ACK after ACK and acknowledges nothing could stretch it without end ([HOSTILE T6]); far fewer packets
 * that elicit ACKs than there are numbers means just that. The oldest are given up: what they carried
 * is sent again. A sender of data never gets here, since its packets all elicit ACKs. */
void tern_conn_bound_span(tern_conn *conn, struct tern_pn_space *space)
{
  struct tern_sent *sent = &space->sent;
  uint64_t span = sent->next - sent->base;
  struct tern_sent_packet *packet;

  if (span < TERN_CAP_SENT_SPAN || sent->ack_eliciting_in_flight * 8 > span)
    return;
  struct tern_range oldest = {sent->base, sent->next - TERN_CAP_SENT_SPAN / 2};
  struct tern_sent_cursor cursor = tern_sent_range_begin(sent, oldest);
  while ((packet = tern_sent_range_next(sent, &cursor)) != NULL)
    if (packet->state == TERN_SENT_OUTSTANDING)
      tern_conn_abandon_packet(conn, space, packet);
}
