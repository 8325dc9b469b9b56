/* SPDX-License-Identifier: MIT */
/* Datagrams of no connection. Everything here costs a stranger more than it costs us: checks go from
 * cheap to dear, an answer is always smaller than what asked for it, and nothing is remembered.
 *
 *   version unknown, >= 1,200 bytes   -> Version Negotiation
 *   Initial that holds to the rules   -> a new connection
 *   id of another worker's            -> handed over to it
 *   short header                      -> a stateless reset of ours, or we read one of theirs
 *   anything else                     -> silence */
#include <string.h>

#include "crypto/token.h"
#include "transport/conn.h"
#include "transport/endpoint.h"
#include "transport/steer.h"
#include "wire/stateless.h"

static tern_conn *drop(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                       enum tern_drop_reason reason)
{
  tern_event_drop_datagram(&endpoint->events, stranger->len, reason, &stranger->meta->remote);
  return NULL;
}

static bool may_answer(tern_endpoint *endpoint)
{
  return tern_glitch_on_event(&endpoint->reply_meter, 1, endpoint->now);
}

/* An id that another worker made: the datagram lost its way when the peer's address changed, or nothing
 * steers. True: it was handed over or dropped, and nobody is told that the connection is unknown.
 * A first Initial is never among them, since its id is the client's: it belongs to whom it reaches. */
static bool forward(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  const tern_steer *steer = &endpoint->config.steer;
  tern_slice id = stranger->invariant->dcid;
  if (steer->workers <= 1 || steer->forward == NULL || id.len != endpoint->config.cid_bytes)
    return false;
  uint32_t worker = tern_steer_get_worker(steer, id.data);
  if (worker == steer->worker)
    return false;
  tern_datagram datagram = *stranger->meta;
  datagram.data = stranger->data;
  datagram.len = stranger->len;
  datagram.segment_bytes = 0;
  bool before = tern_endpoint_enter_hook(endpoint);
  bool is_taken = steer->forward(steer->arg, worker, &datagram);
  tern_endpoint_leave_hook(endpoint, before);
  if (!is_taken) {
    drop(endpoint, stranger, TERN_DROP_WORKER_BUSY);
    return true;
  }
  endpoint->stats.datagrams_forwarded++;
  TERN_EVENT(&endpoint->events, 0, datagram_forwarded, .bytes = stranger->len, .worker = worker,
             .remote = stranger->meta->remote);
  return true;
}

/* [rfc9000-6.1] a server answers a version it does not know, if the datagram is large enough to start
 * a connection of a version it does know [rfc9000-5.2.2]. */
static tern_conn *negotiate_version(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  static const uint32_t versions[] = {TERN_VERSION_1};
  const struct tern_invariant *invariant = stranger->invariant;
  const tern_random_ops *random = &endpoint->config.random;
  uint8_t bytes[TERN_REPLY_BYTES_MAX * 3];
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);
  struct tern_version_negotiation_args args = {
      .dcid = invariant->scid, .scid = invariant->dcid, .versions = versions, .versions_count = 1};

  if (stranger->len < TERN_INITIAL_DATAGRAM_MIN)
    return drop(endpoint, stranger, TERN_DROP_INITIAL_TOO_SMALL);
  if (!may_answer(endpoint))
    return drop(endpoint, stranger, TERN_DROP_LIMIT_RATE);
  random->fill(random->arg, (uint8_t *)&args.random, sizeof args.random);
  tern_version_negotiation_write(&writer, &args);
  size_t len = tern_writer_len(&writer);
  uint8_t *reply = writer.is_full ? NULL : tern_endpoint_reply(endpoint, stranger->meta, len);
  if (reply == NULL)
    return drop(endpoint, stranger, TERN_DROP_LIMIT_RATE);
  memcpy(reply, bytes, len);
  endpoint->stats.version_negotiations_sent++;
  TERN_EVENT(&endpoint->events, 0, version_negotiation_sent, .version = invariant->version,
             .remote = stranger->meta->remote);
  return NULL;
}

/* A short header that fits no id of ours: the peer resets a connection that we have, or we tell it
 * that we have lost one [rfc9000-10.3]. */
static tern_conn *on_short(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  const uint8_t *token = tern_reset_find_token(tern_slice_of(stranger->data, stranger->len));
  if (token != NULL) {
    tern_conn *conn =
        tern_map_find(&endpoint->resets, tern_slice_of(token, TERN_RESET_TOKEN_BYTES));
    if (conn != NULL) {
      tern_conn_on_reset(conn);
      return NULL;
    }
  }
  if (forward(endpoint, stranger))
    return NULL;
  size_t size = tern_reset_size(stranger->len);
  if (size == 0 || stranger->invariant->dcid.len != endpoint->config.cid_bytes)
    return drop(endpoint, stranger, TERN_DROP_UNKNOWN_CID);
  uint8_t *reply =
      may_answer(endpoint) ? tern_endpoint_reply(endpoint, stranger->meta, size) : NULL;
  if (reply == NULL)
    return drop(endpoint, stranger, TERN_DROP_LIMIT_RATE);
  uint8_t noise[TERN_REPLY_BYTES_MAX];
  uint8_t ours[TERN_RESET_TOKEN_BYTES];
  struct tern_cid cid = tern_cid_of(stranger->invariant->dcid);
  struct tern_writer writer = tern_writer_of(reply, size);
  endpoint->config.random.fill(endpoint->config.random.arg, noise, size - TERN_RESET_TOKEN_BYTES);
  tern_reset_token(endpoint->config.reset_key, &cid, ours);
  tern_reset_write(&writer, size, noise, ours);
  endpoint->stats.resets_sent++;
  TERN_EVENT(&endpoint->events, 0, reset_sent, .bytes = size, .remote = stranger->meta->remote);
  return drop(endpoint, stranger, TERN_DROP_UNKNOWN_CID);
}

static bool is_refused(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                       const struct tern_long_header *header, enum tern_drop_reason *reason)
{
  if (header->type != TERN_PACKET_INITIAL)
    *reason = TERN_DROP_NOT_INITIAL;
  else if (endpoint->server_tls == NULL)
    *reason = TERN_DROP_NO_SERVER_TLS;
  else if (stranger->len < TERN_INITIAL_DATAGRAM_MIN) /* [rfc9000-14.1] */
    *reason = TERN_DROP_INITIAL_TOO_SMALL;
  else if (header->dcid.len < TERN_INITIAL_DCID_MIN) /* [rfc9000-7.2] */
    *reason = TERN_DROP_DCID_TOO_SHORT;
  else if (endpoint->is_draining)
    *reason = TERN_DROP_ENDPOINT_DRAINING;
  else if (endpoint->stats.conns_now >= endpoint->config.conns_max)
    *reason = TERN_DROP_LIMIT_CONNS;
  else if (endpoint->half_open_bytes >= TERN_CAP_HALF_OPEN_BYTES)
    *reason = TERN_DROP_LIMIT_HALF_OPEN;
  else
    return false;
  return true;
}

static tern_conn *on_initial(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  struct tern_reader reader = tern_reader_of(stranger->data, stranger->len);
  struct tern_long_header header;
  enum tern_drop_reason reason;
  tern_conn *conn;

  if (tern_header_read_long(&reader, true, &header) != TERN_HEADER_OK)
    return drop(endpoint, stranger, TERN_DROP_HEADER_MALFORMED);
  if (header.type == TERN_PACKET_HANDSHAKE && forward(endpoint, stranger))
    return NULL;
  if (is_refused(endpoint, stranger, &header, &reason))
    return drop(endpoint, stranger, reason);
  struct tern_conn_args args = {.endpoint = endpoint,
                                .local = stranger->meta->local,
                                .remote = stranger->meta->remote,
                                .is_server = true,
                                .version = header.version,
                                .original_dcid = tern_cid_of(header.dcid),
                                .peer_cid = tern_cid_of(header.scid)};
  if (tern_conn_new(&args, &conn) != TERN_OK)
    return drop(endpoint, stranger, TERN_DROP_NO_MEMORY);
  return conn; /* TLS starts with the first CRYPTO data that is authentic */
}

tern_conn *tern_endpoint_on_stranger(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  const struct tern_invariant *invariant = stranger->invariant;

  if (!invariant->is_long)
    return on_short(endpoint, stranger);
  if (invariant->version == TERN_VERSION_NEGOTIATION)
    return drop(endpoint, stranger, TERN_DROP_STALE_VERSION_NEGOTIATION);
  if (invariant->version != TERN_VERSION_1) {
    if (endpoint->server_tls == NULL)
      return drop(endpoint, stranger, TERN_DROP_UNKNOWN_VERSION);
    return negotiate_version(endpoint, stranger);
  }
  return on_initial(endpoint, stranger);
}
