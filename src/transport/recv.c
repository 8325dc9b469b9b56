/* SPDX-License-Identifier: MIT */
/* Packets in: from a datagram to frames.
 *
 *   datagram -> packet -> space -> keys -> open -> duplicate? -> frames -> noted for an ACK
 *
 * Whatever fails on the way is a drop: counted, shown, without effect. A packet that is opened but
 * cannot be kept (too many gaps, no memory) is not acknowledged, so the peer sends its content again. */
#include <string.h>

#include "transport/conn.h"
#include "wire/header.h"
#include "wire/stateless.h"

/* A packet on its way through this file. */
struct in_packet {
  struct tern_open_item *item;
  struct tern_pn_space *space;
  struct tern_keys *keys;
  const tern_datagram *meta;
  enum tern_packet_type type;
  uint8_t route_index; /* TERN_ROUTE_NONE: from an address without a route */
};

static void drop(tern_conn *conn, enum tern_space_id space, size_t bytes,
                 enum tern_drop_reason reason)
{
  conn->stats.packets_dropped++;
  tern_event_drop_packet(&conn->endpoint->events, conn->id, (uint8_t)space, bytes, reason);
}

/* ---- before the keys ------------------------------------------------------------------------ */

/* [rfc9001-5.7] a packet that overtook the one which makes its keys is kept for a moment. */
static void keep_early(tern_conn *conn, const struct in_packet *in)
{
  const struct tern_open_item *item = in->item;
  struct tern_early_packet **end = &conn->early;

  uint8_t kept_max =
      conn->is_validated ? TERN_CAP_PACKETS_BEFORE_KEYS : TERN_CAP_PACKETS_BEFORE_KEYS_EARLY;

  if (conn->early_count >= kept_max || item->len > conn->endpoint->config.mtu_max_bytes) {
    drop(conn, tern_space_of(in->type), item->len, TERN_DROP_BUFFER_FULL);
    return;
  }
  struct tern_early_packet *packet = tern_alloc_take(&conn->alloc, sizeof *packet + item->len);
  if (packet == NULL) {
    drop(conn, tern_space_of(in->type), item->len, TERN_DROP_NO_MEMORY);
    return;
  }
  packet->next = NULL;
  packet->len = item->len;
  packet->type = (uint8_t)in->type;
  packet->meta = *in->meta;
  memcpy(packet->bytes, item->packet, item->len);
  while (*end != NULL)
    end = &(*end)->next;
  *end = packet;
  conn->early_count++;
  TERN_EVENT(&conn->endpoint->events, conn->id, packet_buffered,
             .space = (uint8_t)tern_space_of(in->type), .bytes = item->len);
}

/* [rfc9001-5.7] a server must not process 1-RTT packets before the handshake is complete. */
static bool can_open(const tern_conn *conn, const struct in_packet *in)
{
  if (in->type == TERN_PACKET_EARLY)
    return in->keys != NULL;
  return in->space != NULL && in->space->can_receive &&
         (in->type != TERN_PACKET_APP || conn->state != TERN_CONN_HANDSHAKE);
}

/* TLS decides on early data before it answers. */
static bool may_accept_early(const tern_conn *conn)
{
  return conn->is_server && conn->handshake == NULL && !conn->is_confirmed &&
         conn->endpoint->server_tls != NULL && tern_tls_takes_early(conn->endpoint->server_tls);
}

static void on_no_keys(tern_conn *conn, const struct in_packet *in)
{
  bool is_over = (in->type == TERN_PACKET_INITIAL && conn->initial == NULL) ||
                 (in->type == TERN_PACKET_HANDSHAKE && conn->is_confirmed);

  if (is_over)
    drop(conn, tern_space_of(in->type), in->item->len, TERN_DROP_KEYS_DISCARDED);
  else if (in->type == TERN_PACKET_EARLY && !may_accept_early(conn))
    drop(conn, TERN_SPACE_APP, in->item->len, TERN_DROP_EARLY_REJECTED);
  else
    keep_early(conn, in);
}

/* ---- opening -------------------------------------------------------------------------------- */

static bool is_reset(tern_conn *conn, const struct in_packet *in)
{
  const struct tern_open_item *item = in->item;

  /* The tag's place is never written while opening, so the token is still there [rfc9000-10.3.1]. */
  return in->type == TERN_PACKET_APP && item->len >= TERN_RESET_BYTES_MIN &&
         tern_cid_remote_has_token(&conn->path.remote_ids,
                                   item->packet + item->len - TERN_RESET_TOKEN_BYTES);
}

static void on_not_opened(tern_conn *conn, const struct in_packet *in, enum tern_open_result result)
{
  switch (result) {
  case TERN_OPEN_FAILED:
    if (is_reset(conn, in))
      tern_conn_on_reset(conn);
    else
      drop(conn, in->space->id, in->item->len, TERN_DROP_DECRYPT_FAILED);
    break;
  case TERN_OPEN_LIMIT: /* [rfc9001-6.6] */
    tern_conn_fail(conn, TERN_QUIC_AEAD_LIMIT_REACHED, 0, "too many forged packets");
    break;
  case TERN_OPEN_RESERVED_BITS: /* [rfc9000-17.2] [rfc9000-17.3.1] */
    tern_conn_fail(conn, TERN_QUIC_PROTOCOL_VIOLATION, 0, "reserved header bits are set");
    break;
  case TERN_OPEN_KEY_UPDATE_ERROR: /* [rfc9001-6.4] */
    tern_conn_fail(conn, TERN_QUIC_KEY_UPDATE_ERROR, 0, "old key used after a newer one");
    break;
  case TERN_OPEN_NOMEM:
    drop(conn, in->space->id, in->item->len, TERN_DROP_NO_MEMORY);
    break;
  case TERN_OPEN_OK:
  case TERN_OPEN_KEY_UPDATED:
    break;
  }
}

static void on_key_updated(tern_conn *conn, struct tern_pn_space *space)
{
  /* [rfc9001-6.2] an update before the handshake is confirmed is not allowed. */
  if (!conn->is_confirmed && conn->is_server) {
    tern_conn_fail(conn, TERN_QUIC_KEY_UPDATE_ERROR, 0, "key update before confirmation");
    return;
  }
  conn->keys_drop_at = conn->endpoint->now + 3 * tern_conn_pto_ns(conn); /* [rfc9001-6.5] */
  TERN_EVENT(&conn->endpoint->events, conn->id, key_updated, .by_peer = true,
             .phase = space->keys->tx.generation);
}

/* True if the packet is authentic and new. */
static bool open_packet(tern_conn *conn, const struct in_packet *in)
{
  struct tern_pn_space *space = in->space;
  struct tern_open_item *item = in->item;

  if (item->is_bad) {
    drop(conn, space->id, item->len, TERN_DROP_SAMPLE_TOO_SHORT);
    return false;
  }
  uint64_t largest = space->acks.has_largest ? space->acks.largest : TERN_PACKET_NUMBER_NONE;
  enum tern_open_result result = tern_protect_open(in->keys, conn->path.id, item, largest);
  if (result != TERN_OPEN_OK && result != TERN_OPEN_KEY_UPDATED) {
    on_not_opened(conn, in, result);
    return false;
  }
  conn->has_received = true;
  if (result == TERN_OPEN_KEY_UPDATED)
    on_key_updated(conn, space);
  if (tern_acks_is_duplicate(&space->acks, item->number)) { /* [rfc9000-12.3] */
    drop(conn, space->id, item->len, TERN_DROP_DUPLICATE);
    return false;
  }
  return tern_conn_is_open(conn);
}

/* ---- after opening -------------------------------------------------------------------------- */

static void note_received(tern_conn *conn, const struct in_packet *in, bool is_eliciting)
{
  struct tern_pn_space *space = in->space;
  tern_time now = conn->endpoint->now;

  conn->idle_from = now; /* [rfc9000-10.1] */
  conn->idle_sent = false;
  conn->stats.packets_received++;
  conn->stats.bytes_received += in->item->len;
  tern_acks_on_received(&space->acks, in->item->number, is_eliciting, (tern_ecn)in->meta->ecn, now);
  tern_conn_touch(conn);
  TERN_EVENT(&conn->endpoint->events, conn->id, packet_received, .space = (uint8_t)space->id,
             .number = in->item->number, .bytes = in->item->len,
             .is_early = in->type == TERN_PACKET_EARLY);
}

/* What a packet means for the handshake, beyond its frames. */
static void advance_handshake(tern_conn *conn, const struct in_packet *in)
{
  if (conn->is_server && in->type == TERN_PACKET_HANDSHAKE) {
    tern_conn_on_validated(conn);                   /* [rfc9000-8.1] */
    tern_conn_drop_space(conn, TERN_SPACE_INITIAL); /* [rfc9001-4.9.1] */
  }
  if (conn->is_server && conn->state == TERN_CONN_CONNECTED && !conn->is_confirmed)
    tern_conn_on_confirmed(conn);
}

/* [rfc9000-9] only an authentic packet makes a route, only a client may come from another address, and
 * only once the handshake is confirmed. */
static bool find_route(tern_conn *conn, struct in_packet *in)
{
  if (in->route_index != TERN_ROUTE_NONE)
    return true;
  if (conn->is_server && conn->is_confirmed)
    in->route_index = tern_conn_add_route(conn, in->meta);
  if (in->route_index == TERN_ROUTE_NONE) {
    drop(conn, in->space->id, in->item->len, TERN_DROP_ADDRESS);
    return false;
  }
  tern_route_on_datagram_received(conn->path.routes[in->route_index], in->item->len);
  return true;
}

static void process(tern_conn *conn, struct in_packet *in)
{
  struct tern_open_item *item = in->item;
  struct tern_packet_facts facts = {.is_probing = true};

  if (!open_packet(conn, in) || !find_route(conn, in))
    return;
  struct tern_on_frame_args args = {.space = in->space,
                                    .packet_type = in->type,
                                    .number = item->number,
                                    .route = conn->path.routes[in->route_index],
                                    .route_index = in->route_index,
                                    .dcid = {item->packet + 1, conn->endpoint->config.cid_bytes}};
  switch (
      tern_conn_on_frames(conn, &args, tern_slice_of(item->payload, item->payload_len), &facts)) {
  case TERN_PACKET_KEEP:
    note_received(conn, in, facts.is_eliciting);
    tern_conn_on_route_packet(conn, in->route_index, in->space->acks.largest == item->number,
                              facts.is_probing);
    break;
  case TERN_PACKET_IGNORE:
    drop(conn, in->space->id, item->len, TERN_DROP_GAPS);
    return;
  case TERN_PACKET_FATAL:
    return;
  }
  if (facts.has_crypto)
    tern_conn_drive_tls(conn, in->space);
  if (tern_conn_is_open(conn))
    advance_handshake(conn, in);
}

/* ---- long headers --------------------------------------------------------------------------- */

/* [rfc9000-7.2] the peer's first Source Connection ID is the one to send to, and stays. */
static bool check_scid(tern_conn *conn, const struct tern_long_header *header)
{
  if (conn->has_received || conn->is_server)
    return tern_cid_is_slice(&conn->peer_scid, header->scid);
  return true;
}

static void learn_scid(tern_conn *conn, const struct tern_long_header *header)
{
  if (conn->is_server || tern_cid_is_slice(&conn->peer_scid, header->scid))
    return;
  conn->peer_scid = tern_cid_of(header->scid);
  tern_cid_remote_set_first(&conn->path.remote_ids, &conn->peer_scid);
}

/* [rfc9369-4.1] a server that went over to another version still reads the client's Initials in the first
 * one, until the Initial space is over. */
static bool is_original(const tern_conn *conn, const struct tern_long_header *header)
{
  return header->type == TERN_PACKET_INITIAL && header->version == conn->original_version &&
         conn->initial != NULL && conn->initial->original_keys != NULL;
}

/* What the header alone shows to be wrong; TERN_DROP_EMPTY = nothing. */
static enum tern_drop_reason find_fault(tern_conn *conn, const struct tern_long_header *header,
                                        size_t datagram_bytes)
{
  bool is_initial = header->type == TERN_PACKET_INITIAL;

  if (header->version != conn->version && !tern_conn_can_follow_version(conn, header) &&
      !is_original(conn, header))
    return TERN_DROP_VERSION_MISMATCH;
  if (header->type != TERN_PACKET_RETRY && !check_scid(conn, header))
    return TERN_DROP_SCID_MISMATCH;
  /* [rfc9000-14.1] a server ignores Initials in datagrams that are too small. */
  if (is_initial && conn->is_server && datagram_bytes < TERN_INITIAL_DATAGRAM_MIN)
    return TERN_DROP_INITIAL_TOO_SMALL;
  /* [rfc9000-17.2.2] servers put no token into theirs. */
  if (is_initial && !conn->is_server && header->token.len != 0)
    return TERN_DROP_BAD_TOKEN;
  return TERN_DROP_EMPTY;
}

static void receive_numbered(tern_conn *conn, struct in_packet *in,
                             const struct tern_long_header *header)
{
  struct tern_open_item *item = in->item;
  bool was_received = conn->has_received;

  in->space = tern_conn_space(conn, tern_space_of(header->type));
  if (header->type == TERN_PACKET_EARLY)
    in->keys = conn->early_keys;
  else if (in->space != NULL)
    in->keys = header->version == conn->version ? in->space->keys : in->space->original_keys;
  if (!can_open(conn, in)) {
    on_no_keys(conn, in);
    return;
  }
  struct tern_cid before = conn->peer_scid;
  learn_scid(conn, header); /* before TLS compares it with the parameters ... */
  tern_protect_unmask_run(in->keys, item, 1);
  process(conn, in);
  if (!was_received && !conn->has_received && tern_conn_is_open(conn)) {
    conn->peer_scid = before; /* ... and taken back if the packet was not authentic */
    tern_cid_remote_set_first(&conn->path.remote_ids, &before);
  }
}

static void receive_long(tern_conn *conn, const tern_datagram *meta,
                         const struct tern_long_header *header, uint8_t *packet,
                         size_t datagram_bytes)
{
  struct tern_open_item item = {
      .packet = packet, .pn_at = (uint16_t)header->pn_offset, .len = (uint16_t)header->packet_len};
  struct in_packet in = {&item, NULL, NULL, meta, header->type, conn->path.active};
  struct tern_version_before before;

  enum tern_drop_reason fault = find_fault(conn, header, datagram_bytes);
  if (fault != TERN_DROP_EMPTY) {
    drop(conn, TERN_SPACE_INITIAL, item.len, fault);
    return;
  }
  if (header->type == TERN_PACKET_RETRY) {
    if (!tern_conn_on_retry(conn, header, tern_slice_of(packet, header->packet_len)))
      drop(conn, TERN_SPACE_INITIAL, header->packet_len, TERN_DROP_BAD_RETRY);
    return;
  }
  if (header->version == conn->version || is_original(conn, header))
    receive_numbered(conn, &in, header);
  else if (header->type == TERN_PACKET_HANDSHAKE) /* overtook the Initial that shows the version */
    keep_early(conn, &in);
  else if (tern_conn_follow_version(conn, header->version, &before)) {
    receive_numbered(conn, &in, header);
    tern_conn_end_follow(conn, &before);
  } else
    drop(conn, TERN_SPACE_INITIAL, item.len, TERN_DROP_NO_MEMORY);
}

/* [rfc9000-6.2] only as the very first answer, and only if it does not name our version. */
static void on_version_negotiation(tern_conn *conn, const struct tern_invariant *invariant,
                                   struct tern_reader *reader, size_t len)
{
  tern_slice versions;

  if (conn->is_server || conn->has_received || conn->has_retry || conn->has_negotiated_version ||
      !tern_cid_is_slice(&conn->peer_scid, invariant->scid) ||
      !tern_version_negotiation_read(reader, &versions) ||
      tern_version_negotiation_has(versions, conn->version)) {
    drop(conn, TERN_SPACE_INITIAL, len, TERN_DROP_STALE_VERSION_NEGOTIATION);
    return;
  }
  TERN_EVENT(&conn->endpoint->events, conn->id, version_negotiation_received,
             .versions = (uint32_t)(versions.len / 4));
  if (!tern_conn_restart_version(conn, versions))
    tern_conn_on_timeout_end(conn, TERN_ERROR_VERSION);
}

static enum tern_drop_reason get_reason(enum tern_header_fault fault)
{
  switch (fault) {
  case TERN_HEADER_OK:
  case TERN_HEADER_TRUNCATED:
  case TERN_HEADER_FORM:
    return TERN_DROP_HEADER_MALFORMED;
  case TERN_HEADER_FIXED_BIT:
    return TERN_DROP_NOT_QUIC;
  case TERN_HEADER_VERSION:
    return TERN_DROP_VERSION_MISMATCH;
  case TERN_HEADER_CID_LENGTH:
    return TERN_DROP_CID_TOO_LONG;
  case TERN_HEADER_LENGTH:
    return TERN_DROP_LENGTH_MALFORMED;
  case TERN_HEADER_TOO_SHORT:
    return TERN_DROP_SAMPLE_TOO_SHORT;
  }
  return TERN_DROP_HEADER_MALFORMED;
}

/* ---- a datagram ------------------------------------------------------------------------------ */

static void receive_one_short(tern_conn *conn, const tern_datagram *meta, uint8_t *data, size_t len)
{
  struct tern_open_item item = {.packet = data,
                                .pn_at = (uint16_t)(1 + conn->endpoint->config.cid_bytes),
                                .len = (uint16_t)len};
  struct tern_pn_space *space = conn->path.data;
  struct in_packet in = {&item, space,           space != NULL ? space->keys : NULL,
                         meta,  TERN_PACKET_APP, conn->path.active};

  if (!can_open(conn, &in)) {
    keep_early(conn, &in);
    return;
  }
  tern_protect_unmask_run(in.keys, &item, 1);
  process(conn, &in);
}

/* Packets that wait may have keys by now. */
static void replay_early(tern_conn *conn)
{
  struct tern_early_packet *list = conn->early;

  conn->early = NULL;
  conn->early_count = 0;
  while (list != NULL) {
    struct tern_early_packet *packet = list;
    list = packet->next;
    if (tern_conn_is_open(conn))
      tern_conn_receive_packets(conn, &packet->meta, packet->bytes, packet->len);
    /* Slices of it are lent to streams until the batch is settled. */
    packet->next = conn->replayed;
    conn->replayed = packet;
  }
}

static bool has_keys_for(const tern_conn *conn, const struct tern_early_packet *packet)
{
  if (packet->type == TERN_PACKET_EARLY)
    return conn->early_keys != NULL || !may_accept_early(conn);
  if (packet->type == TERN_PACKET_HANDSHAKE)
    return conn->handshake != NULL && conn->handshake->can_receive;
  return conn->state == TERN_CONN_CONNECTED && conn->path.data != NULL &&
         conn->path.data->can_receive;
}

static bool has_keys_for_early(const tern_conn *conn)
{
  for (const struct tern_early_packet *packet = conn->early; packet != NULL; packet = packet->next)
    if (tern_conn_is_open(conn) && has_keys_for(conn, packet))
      return true;
  return false;
}

/* The coalesced packets of a datagram [rfc9000-12.2]. */
void tern_conn_receive_packets(tern_conn *conn, const tern_datagram *meta, uint8_t *data,
                               size_t len)
{
  struct tern_reader reader = tern_reader_of(data, len);
  size_t cid_len = conn->endpoint->config.cid_bytes;
  struct tern_invariant first = {0};

  while (tern_reader_left(&reader) != 0 && tern_conn_is_open(conn)) {
    uint8_t *packet = data + (len - tern_reader_left(&reader));
    size_t left = tern_reader_left(&reader);
    struct tern_reader peek = reader;
    struct tern_invariant invariant;
    struct tern_long_header header;

    if (!tern_header_read_invariant(&peek, cid_len, &invariant)) {
      drop(conn, TERN_SPACE_APP, left, TERN_DROP_TOO_SHORT);
      return;
    }
    if (first.dcid.data == NULL)
      first = invariant;
    /* [rfc9000-12.2] later packets for another connection are ignored. */
    if (invariant.dcid.len != first.dcid.len ||
        memcmp(invariant.dcid.data, first.dcid.data, first.dcid.len) != 0) {
      drop(conn, TERN_SPACE_APP, left, TERN_DROP_DCID_MISMATCH);
      return;
    }
    if (!invariant.is_long) {
      receive_one_short(conn, meta, packet, left);
      return;
    }
    if (invariant.version == TERN_VERSION_NEGOTIATION) {
      on_version_negotiation(conn, &invariant, &peek, left);
      return;
    }
    enum tern_header_fault fault = tern_header_read_long(&reader, true, &header);
    if (fault != TERN_HEADER_OK) {
      drop(conn, TERN_SPACE_INITIAL, left, get_reason(fault));
      return;
    }
    receive_long(conn, meta, &header, packet, len);
  }
}

/* True if the datagram may be looked at: it counts for its route, and the connection lives. */
static bool admit(tern_conn *conn, uint8_t route_index, size_t len)
{
  if (route_index != TERN_ROUTE_NONE)
    tern_route_on_datagram_received(conn->path.routes[route_index], len);
  if (tern_conn_is_open(conn))
    return true;
  if (conn->state == TERN_CONN_CLOSING)
    tern_conn_on_closing_packet(conn);
  drop(conn, TERN_SPACE_APP, len,
       conn->state == TERN_CONN_CLOSING ? TERN_DROP_CONN_CLOSING : TERN_DROP_CONN_DRAINING);
  return false;
}

void tern_conn_receive(tern_conn *conn, const struct tern_in_datagram *datagram)
{
  uint8_t route_index = tern_conn_find_route(conn, &datagram->meta->remote);

  /* [rfc9000-9] nobody moves before the handshake is confirmed. */
  if (route_index != conn->path.active) {
    drop(conn, TERN_SPACE_APP, datagram->len, TERN_DROP_ADDRESS);
    return;
  }
  if (!admit(conn, route_index, datagram->len))
    return;
  tern_conn_receive_packets(conn, datagram->meta, datagram->data, datagram->len);
  while (has_keys_for_early(conn))
    replay_early(conn);
  tern_conn_make_due(conn); /* more may be sent now: the amplification bound has moved */
  tern_conn_touch(conn);
}

void tern_conn_receive_short(tern_conn *conn, struct tern_in *in)
{
  struct tern_pn_space *space = conn->path.data;
  struct in_packet packet = {NULL, space,           space != NULL ? space->keys : NULL,
                             NULL, TERN_PACKET_APP, TERN_ROUTE_NONE};

  if (can_open(conn, &packet) && tern_conn_is_open(conn))
    tern_protect_unmask_run(space->keys, in->open, in->count);
  for (size_t i = 0; i < in->count; i++) {
    packet.item = &in->open[i];
    packet.meta = in->metas[i];
    packet.route_index = tern_conn_find_route(conn, &packet.meta->remote);
    if (!admit(conn, packet.route_index, packet.item->len))
      continue;
    if (can_open(conn, &packet))
      process(conn, &packet);
    else
      keep_early(conn, &packet);
  }
  tern_conn_make_due(conn);
  tern_conn_touch(conn);
}
