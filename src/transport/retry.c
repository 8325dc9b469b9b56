/* SPDX-License-Identifier: MIT */
/* A client and the tokens that prove its address. One that is sent a Retry (RFC 9000 17.2.5.2) says the
 * same ClientHello again, to the new connection id, under the keys that go with it, with the token. Packet
 * numbers go on where they were. */
#include <string.h>

#include "crypto/protect.h"
#include "transport/conn.h"

/* [rfc9000-17.2.5.2] only the first, only before any other packet, only with a token, and only if its
 * tag shows that the sender has seen our Initial. */
static bool is_acceptable(const tern_conn *conn, const struct tern_long_header *header,
                          tern_slice packet)
{
  return !conn->is_server && !conn->has_retry && !conn->has_received &&
         conn->state == TERN_CONN_HANDSHAKE && header->token.len != 0 &&
         !tern_cid_is_slice(&conn->original_dcid, header->scid) &&
         tern_retry_verify(conn->version, &conn->original_dcid, packet);
}

tern_status tern_conn_set_token(tern_conn *conn, tern_slice token)
{
  if (token.len == 0)
    return TERN_OK;
  uint8_t *copy = tern_alloc_take(&conn->alloc, token.len);
  if (copy == NULL)
    return TERN_NOMEM;
  memcpy(copy, token.data, token.len);
  tern_alloc_give(&conn->alloc, conn->token, conn->token_bytes);
  conn->token = copy;
  conn->token_bytes = token.len;
  return TERN_OK;
}

bool tern_conn_on_retry(tern_conn *conn, const struct tern_long_header *header, tern_slice packet)
{
  struct tern_pn_space *space = conn->initial;

  if (space == NULL || !is_acceptable(conn, header, packet))
    return false;
  struct tern_cid new_cid = tern_cid_of(header->scid);
  struct tern_keys *keys =
      tern_keys_new_initial(&conn->alloc, conn->version, &new_cid, conn->is_server);
  if (keys == NULL || tern_conn_set_token(conn, header->token) != TERN_OK) {
    tern_keys_free(keys);
    return false;
  }
  tern_keys_free(space->keys);
  space->keys = keys;
  conn->has_retry = true;
  conn->retry_scid = conn->peer_scid = new_cid;
  tern_cid_remote_set_first(&conn->path.remote_ids, &new_cid);
  tern_conn_forget_in_flight(conn, space);
  tern_sent_clear(&space->sent);
  tern_stream_send_rewind(&space->crypto->send);
  tern_conn_resend_early(
      conn); /* [rfc9000-17.2.5.3] under the same keys, with new packet numbers */
  tern_conn_make_due(conn);
  tern_conn_touch(conn);
  TERN_EVENT(&conn->endpoint->events, conn->id, retry_received,
             .new_cid = tern_cid_slice(&conn->retry_scid), .token_bytes = conn->token_bytes);
  return true;
}
