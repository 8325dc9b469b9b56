/* SPDX-License-Identifier: MIT */
/* Datagrams of no connection. Everything here costs a stranger more than it costs us: checks go from
 * cheap to dear, an answer is always smaller than what asked for it, and nothing is remembered.
 *
 *   from a port that might reflect    -> silence
 *   version unknown, >= 1,200 bytes   -> Version Negotiation
 *   Initial that holds to the rules   -> what does its token prove? whom does admission let in?
 *                                        a new connection, a Retry, a refusal, silence
 *   id of another worker's            -> handed over to it
 *   short header                      -> a stateless reset of ours, or we read one of theirs
 *   anything else                     -> silence */
#include <string.h>

#include "transport/conn.h"
#include "transport/endpoint.h"
#include "transport/steer.h"
#include "wire/stateless.h"

tern_conn *tern_stranger_drop(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                              enum tern_drop_reason reason)
{
  tern_event_drop_datagram(&endpoint->events, stranger->len, reason, &stranger->meta->remote);
  return NULL;
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
    tern_stranger_drop(endpoint, stranger, TERN_DROP_WORKER_BUSY);
    return true;
  }
  endpoint->stats.datagrams_forwarded++;
  TERN_EVENT(&endpoint->events, 0, datagram_forwarded, .bytes = stranger->len, .worker = worker,
             .remote = stranger->meta->remote);
  return true;
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
  if (tern_endpoint_is_closed_id(endpoint, stranger->invariant->dcid))
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_CONN_CLOSED);
  if (tern_stranger_reset(endpoint, stranger))
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_UNKNOWN_CID);
  return NULL;
}

/* What is wrong with it whoever sent it; TERN_DROP_EMPTY = nothing. */
static enum tern_drop_reason find_fault(tern_endpoint *endpoint,
                                        const struct tern_stranger *stranger,
                                        const struct tern_long_header *header)
{
  if (header->type != TERN_PACKET_INITIAL)
    return TERN_DROP_NOT_INITIAL;
  if (endpoint->server_tls == NULL)
    return TERN_DROP_NO_SERVER_TLS;
  if (stranger->len < TERN_INITIAL_DATAGRAM_MIN) /* [rfc9000-14.1] */
    return TERN_DROP_INITIAL_TOO_SMALL;
  if (header->dcid.len < TERN_INITIAL_DCID_MIN) /* [rfc9000-7.2]; so are the ids of our Retry */
    return TERN_DROP_DCID_TOO_SHORT;
  if (tern_endpoint_is_closed_id(endpoint, header->dcid))
    return TERN_DROP_CONN_CLOSED;
  if (endpoint->is_draining)
    return TERN_DROP_ENDPOINT_DRAINING;
  if (endpoint->stats.conns_now >= endpoint->config.conns_max)
    return TERN_DROP_LIMIT_CONNS;
  return TERN_DROP_EMPTY;
}

/* ---- admission ------------------------------------------------------------------------------- */

/* Asks the built-in policy, then the application's if it has one. */
static tern_verdict judge(tern_endpoint *endpoint, tern_applicant *applicant)
{
  const tern_admission_ops *ops = &endpoint->config.admission;

  applicant->builtin = tern_admission_judge(&endpoint->admission, applicant, endpoint->now);
  if (ops->judge == NULL)
    return applicant->builtin;
  bool before = tern_endpoint_enter_hook(endpoint);
  tern_verdict verdict = ops->judge(ops->arg, applicant);
  tern_endpoint_leave_hook(endpoint, before);
  return verdict;
}

static tern_conn *admit(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                        const struct tern_long_header *header)
{
  const struct tern_proof *proof = &endpoint->proof;
  struct tern_conn_args args = {.endpoint = endpoint,
                                .local = stranger->meta->local,
                                .remote = stranger->meta->remote,
                                .is_server = true,
                                .is_validated = proof->is_validated,
                                .has_retry = proof->is_retry,
                                .version = header->version,
                                .original_dcid = tern_cid_of(header->dcid),
                                .peer_cid = tern_cid_of(header->scid)};
  uint64_t source = tern_admission_source(&endpoint->admission, &args.remote);
  tern_conn *conn;

  if (!proof->is_validated && endpoint->half_open_bytes >= TERN_CAP_HALF_OPEN_BYTES)
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_LIMIT_HALF_OPEN);
  if (!tern_admission_enter(&endpoint->admission, source))
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_LIMIT_SOURCE);
  if (proof->is_retry) {
    args.retry_scid = args.original_dcid;
    args.original_dcid = proof->odcid;
  }
  if (tern_conn_new(&args, &conn) != TERN_OK) {
    tern_admission_leave(&endpoint->admission, source);
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_NO_MEMORY);
  }
  conn->source = source;
  tern_conn_count_half_open(conn);
  return conn; /* TLS starts with the first CRYPTO data that is authentic */
}

static tern_conn *apply(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                        const struct tern_long_header *header)
{
  const struct tern_proof *proof = &endpoint->proof;
  tern_applicant applicant = {.local = stranger->meta->local,
                              .remote = stranger->meta->remote,
                              .version = header->version,
                              .is_validated = proof->is_validated,
                              .has_token = header->token.len != 0,
                              .half_open = endpoint->stats.conns_half_open,
                              .half_open_bytes = endpoint->half_open_bytes,
                              .conns = endpoint->stats.conns_now,
                              .code = TERN_QUIC_CONNECTION_REFUSED};

  switch (judge(endpoint, &applicant)) {
  case TERN_VERDICT_ADMIT:
    break;
  case TERN_VERDICT_RETRY:
    if (proof->is_validated)
      break;
    (void)tern_stranger_retry(endpoint, stranger, header);
    return NULL;
  case TERN_VERDICT_CLOSE:
    if (!tern_stranger_refuse(endpoint, stranger, header, applicant.code))
      return NULL;
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_REFUSED);
  case TERN_VERDICT_DROP:
    return tern_stranger_drop(endpoint, stranger,
                              applicant.builtin == TERN_VERDICT_DROP ? TERN_DROP_LIMIT_SOURCE
                                                                     : TERN_DROP_REFUSED);
  }
  return admit(endpoint, stranger, header);
}

static tern_conn *on_initial(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  struct tern_reader reader = tern_reader_of(stranger->data, stranger->len);
  struct tern_proof *proof = &endpoint->proof;
  struct tern_long_header header;

  if (tern_header_read_long(&reader, true, &header) != TERN_HEADER_OK)
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_HEADER_MALFORMED);
  if (header.type == TERN_PACKET_HANDSHAKE && forward(endpoint, stranger))
    return NULL;
  enum tern_drop_reason fault = find_fault(endpoint, stranger, &header);
  if (fault != TERN_DROP_EMPTY)
    return tern_stranger_drop(endpoint, stranger, fault);
  struct tern_proof_args proof_args = {
      .token = header.token, .dcid = header.dcid, .remote = &stranger->meta->remote};
  *proof = tern_validation_check(&endpoint->validation, &proof_args, endpoint->now);
  /* [rfc9000-8.1.3] it takes no other Retry: SHOULD close with INVALID_TOKEN */
  if (proof->is_invalid) {
    if (tern_stranger_refuse(endpoint, stranger, &header, TERN_QUIC_INVALID_TOKEN))
      return tern_stranger_drop(endpoint, stranger, TERN_DROP_BAD_TOKEN);
    return NULL;
  }
  return apply(endpoint, stranger, &header);
}

/* Google's versions before the RFC: "Q046", "T051". */
static bool is_gquic(uint32_t version)
{
  uint8_t letter = (uint8_t)(version >> 24);
  uint8_t digit = (uint8_t)(version >> 16);
  return (letter == 'Q' || letter == 'T') && digit == '0';
}

static tern_conn *on_unknown_version(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  if (endpoint->server_tls == NULL)
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_UNKNOWN_VERSION);
  endpoint->stats.gquic_seen += is_gquic(stranger->invariant->version);
  (void)tern_stranger_negotiate_version(endpoint, stranger);
  return NULL;
}

tern_conn *tern_endpoint_on_stranger(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  const struct tern_invariant *invariant = stranger->invariant;

  if (!invariant->is_long)
    return on_short(endpoint, stranger);
  if (invariant->version == TERN_VERSION_NEGOTIATION)
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_STALE_VERSION_NEGOTIATION);
  if (!tern_admission_may_answer(&endpoint->admission, &stranger->meta->local,
                                 &stranger->meta->remote, endpoint->now))
    return tern_stranger_drop(endpoint, stranger, TERN_DROP_SOURCE_PORT);
  if (!tern_config_has_version(&endpoint->config, invariant->version))
    return on_unknown_version(endpoint, stranger);
  return on_initial(endpoint, stranger);
}
