/* SPDX-License-Identifier: MIT */
/* What is said without a connection: each is written straight into the queue of replies, after that has
 * allowed it. */
#include <string.h>

#include "crypto/protect.h"
#include "transport/conn.h"
#include "transport/endpoint.h"
#include "wire/frame_write.h"
#include "wire/stateless.h"

static struct tern_reply_to reply_to(const struct tern_stranger *stranger,
                                     enum tern_reply_kind kind)
{
  return (struct tern_reply_to){.kind = kind,
                                .local = stranger->meta->local,
                                .remote = stranger->meta->remote,
                                .dcid = stranger->invariant->dcid};
}

/* False: dropped with the reason. */
static bool ask(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                enum tern_reply_kind kind)
{
  struct tern_reply_to to = reply_to(stranger, kind);

  switch (tern_replies_ask(&endpoint->replies, &to, endpoint->now)) {
  case TERN_REPLY_ALLOWED:
    return true;
  case TERN_REPLY_TOO_OFTEN:
    tern_stranger_drop(endpoint, stranger, TERN_DROP_LIMIT_RATE);
    return false;
  case TERN_REPLY_DUPLICATE:
    tern_stranger_drop(endpoint, stranger, TERN_DROP_REPLY_DUPLICATE);
    return false;
  case TERN_REPLY_FULL:
    tern_stranger_drop(endpoint, stranger, TERN_DROP_LIMIT_REPLIES);
    return false;
  }
  return false;
}

static bool put(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                enum tern_reply_kind kind, tern_slice answer)
{
  struct tern_reply_to to = reply_to(stranger, kind);
  uint8_t *room = tern_replies_take_room(&endpoint->replies, &to, answer.len);

  if (room == NULL) {
    tern_stranger_drop(endpoint, stranger, TERN_DROP_LIMIT_REPLIES);
    return false;
  }
  memcpy(room, answer.data, answer.len);
  return true;
}

/* [rfc9000-6.1] a server answers a version it does not know, if the datagram is large enough to start
 * a connection of a version it does know [rfc9000-5.2.2]. */
bool tern_stranger_negotiate_version(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  const struct tern_invariant *invariant = stranger->invariant;
  const tern_random_ops *random = &endpoint->config.random;
  uint8_t bytes[TERN_REPLY_BYTES_MAX];
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);
  struct tern_version_negotiation_args args = {.dcid = invariant->scid,
                                               .scid = invariant->dcid,
                                               .versions = endpoint->config.versions,
                                               .versions_count = endpoint->config.versions_count};

  if (stranger->len < TERN_INITIAL_DATAGRAM_MIN) {
    tern_stranger_drop(endpoint, stranger, TERN_DROP_INITIAL_TOO_SMALL);
    return false;
  }
  if (!ask(endpoint, stranger, TERN_REPLY_VERSION_NEGOTIATION))
    return false;
  random->fill(random->arg, (uint8_t *)&args.random, sizeof args.random);
  tern_version_negotiation_write(&writer, &args);
  if (!put(endpoint, stranger, TERN_REPLY_VERSION_NEGOTIATION,
           tern_slice_of(bytes, tern_writer_len(&writer))))
    return false;
  endpoint->stats.version_negotiations_sent++;
  TERN_EVENT(&endpoint->events, 0, version_negotiation_sent, .version = invariant->version,
             .remote = stranger->meta->remote);
  return true;
}

bool tern_stranger_reset(tern_endpoint *endpoint, const struct tern_stranger *stranger)
{
  size_t size = tern_reset_size(stranger->len);
  const tern_random_ops *random = &endpoint->config.random;
  uint8_t bytes[TERN_RESET_BYTES_USUAL], noise[TERN_RESET_BYTES_USUAL];
  uint8_t ours[TERN_RESET_TOKEN_BYTES];
  struct tern_cid cid = tern_cid_of(stranger->invariant->dcid);
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);

  if (size == 0) {
    tern_stranger_drop(endpoint, stranger, TERN_DROP_UNKNOWN_CID);
    return false;
  }
  if (!tern_admission_may_answer(&endpoint->admission, &stranger->meta->local,
                                 &stranger->meta->remote, endpoint->now)) {
    tern_stranger_drop(endpoint, stranger, TERN_DROP_SOURCE_PORT);
    return false;
  }
  if (!ask(endpoint, stranger, TERN_REPLY_RESET))
    return false;
  random->fill(random->arg, noise, size - TERN_RESET_TOKEN_BYTES);
  tern_reset_token(endpoint->config.reset_key, &cid, ours);
  tern_reset_write(&writer, size, noise, ours);
  if (!put(endpoint, stranger, TERN_REPLY_RESET, tern_slice_of(bytes, size)))
    return false;
  endpoint->stats.resets_sent++;
  TERN_EVENT(&endpoint->events, 0, reset_sent, .bytes = size, .remote = stranger->meta->remote);
  return true;
}

/* ---- Retry ----------------------------------------------------------------------------------- */

/* The id that the client is to come back with: one of ours, so that it comes back to this worker, and of
 * 8 bytes at least, as in every first Initial [rfc9000-7.2]. */
static struct tern_cid make_retry_id(tern_endpoint *endpoint)
{
  const tern_random_ops *random = &endpoint->config.random;
  struct tern_cid cid;

  tern_endpoint_draw_id(endpoint, &cid);
  if (cid.len < TERN_INITIAL_DCID_MIN) {
    random->fill(random->arg, cid.bytes + cid.len, (size_t)TERN_INITIAL_DCID_MIN - cid.len);
    cid.len = TERN_INITIAL_DCID_MIN;
  }
  return cid;
}

/* Header, token, tag; 0: no memory, or the key has sealed too many. */
static size_t write_retry(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                          const struct tern_long_header *header, struct tern_cid *new_cid,
                          uint8_t bytes[TERN_REPLY_BYTES_MAX])
{
  const tern_random_ops *random = &endpoint->config.random;
  struct tern_writer writer = tern_writer_of(bytes, TERN_REPLY_BYTES_MAX);
  struct tern_retry_token_args token_args = {.remote = &stranger->meta->remote,
                                             .odcid = tern_cid_of(header->dcid)};
  struct tern_retry_args args = {.version = header->version, .dcid = header->scid};
  uint8_t token[TERN_TOKEN_MAX], tag[TERN_AEAD_TAG_BYTES];
  size_t token_len;

  *new_cid = make_retry_id(endpoint);
  /* [rfc9000-17.2.5.1] MUST NOT be the Destination Connection ID of what is answered: a chance of none. */
  if (tern_cid_is_slice(new_cid, header->dcid))
    return 0;
  token_args.retry_scid = *new_cid;
  if (tern_validation_make_retry(&endpoint->validation, &token_args, endpoint->now, token,
                                 &token_len) != TERN_OK)
    return 0;
  args.scid = tern_cid_slice(new_cid);
  args.token = tern_slice_of(token, token_len);
  random->fill(random->arg, &args.random, sizeof args.random);
  tern_retry_write(&writer, &args);
  size_t len = tern_writer_len(&writer);
  if (!tern_retry_tag(header->version, &token_args.odcid, tern_slice_of(bytes, len), tag))
    return 0;
  memcpy(bytes + len, tag, sizeof tag);
  return len + sizeof tag;
}

bool tern_stranger_retry(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                         const struct tern_long_header *header)
{
  uint8_t bytes[TERN_REPLY_BYTES_MAX];
  struct tern_cid new_cid;

  if (!ask(endpoint, stranger, TERN_REPLY_RETRY))
    return false;
  size_t len = write_retry(endpoint, stranger, header, &new_cid, bytes);
  if (len == 0) {
    tern_stranger_drop(endpoint, stranger, TERN_DROP_NO_MEMORY);
    return false;
  }
  if (!put(endpoint, stranger, TERN_REPLY_RETRY, tern_slice_of(bytes, len)))
    return false;
  endpoint->stats.retries_sent++;
  TERN_EVENT(&endpoint->events, 0, retry_sent, .remote = stranger->meta->remote,
             .new_cid = tern_cid_slice(&new_cid));
  return true;
}

/* ---- refusal --------------------------------------------------------------------------------- */

/* An Initial with CONNECTION_CLOSE under the keys that follow from the client's own Initial; 0: no memory.
 * [rfc9000-10.2.3] */
static size_t write_refusal(tern_endpoint *endpoint, const struct tern_long_header *header,
                            uint64_t code, uint8_t bytes[TERN_REPLY_BYTES_MAX])
{
  struct tern_cid dcid = tern_cid_of(header->dcid), scid;
  struct tern_writer writer = tern_writer_of(bytes, TERN_REPLY_BYTES_MAX);
  struct tern_keys *keys = tern_keys_new_initial(&endpoint->alloc, header->version, &dcid, true);
  size_t length_at;

  if (keys == NULL)
    return 0;
  tern_endpoint_draw_id(endpoint, &scid);
  struct tern_long_header_args args = {.type = TERN_PACKET_INITIAL,
                                       .version = header->version,
                                       .dcid = header->scid,
                                       .scid = tern_cid_slice(&scid),
                                       .pn_len = 1};
  tern_header_write_long(&writer, &args, &length_at);
  size_t header_len = tern_writer_len(&writer);
  tern_frame_write_connection_close(&writer, code, 0, tern_slice_of(NULL, 0));
  tern_frame_write_padding(&writer, 4);
  tern_header_patch_length(&writer, length_at, TERN_AEAD_TAG_BYTES);
  struct tern_seal_item item = {.packet = bytes,
                                .pn_at = (uint16_t)(header_len - 1),
                                .pn_len = 1,
                                .len = (uint16_t)(tern_writer_len(&writer) + TERN_AEAD_TAG_BYTES)};
  bool is_sealed = tern_protect_seal_run(keys, 0, &item, 1) == TERN_OK;
  tern_keys_free(keys);
  return is_sealed ? item.len : 0;
}

bool tern_stranger_refuse(tern_endpoint *endpoint, const struct tern_stranger *stranger,
                          const struct tern_long_header *header, uint64_t code)
{
  uint8_t bytes[TERN_REPLY_BYTES_MAX];

  if (!ask(endpoint, stranger, TERN_REPLY_REFUSAL))
    return false;
  size_t len = write_refusal(endpoint, header, code, bytes);
  if (len == 0) {
    tern_stranger_drop(endpoint, stranger, TERN_DROP_NO_MEMORY);
    return false;
  }
  if (!put(endpoint, stranger, TERN_REPLY_REFUSAL, tern_slice_of(bytes, len)))
    return false;
  endpoint->stats.refusals_sent++;
  TERN_EVENT(&endpoint->events, 0, refusal_sent, .code = code, .remote = stranger->meta->remote);
  return true;
}
