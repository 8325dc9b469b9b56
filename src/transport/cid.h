/* SPDX-License-Identifier: MIT */
/* Connection ids of one path (RFC 9000 5.1), in both directions.
 *
 *   local   those we issued, which the peer puts into its packets:
 *           empty -> issued -> told (NEW_CONNECTION_ID sent) -> empty (RETIRE_CONNECTION_ID received)
 *   remote  those the peer issued, which we put into ours:
 *           fresh -> used by a route -> retiring (RETIRE_CONNECTION_ID until acknowledged) -> gone
 *
 * Neither knows the endpoint's map nor makes up bytes: ids and tokens are handed in, and what has to
 * enter or leave the maps is answered. Sequence numbers belong to a path id (RFC 10069), which records
 * carry in `slot`; without multipath it is 0.
 *
 * Repeated frames must do nothing, whatever came between ([HOSTILE T2, T3]), so the sequence numbers
 * seen from the peer are remembered: all below `seen_below`, and a bitmap of 64 above it. Ids are issued
 * one by one and few at a time, so an honest peer never leaves that window. */
#ifndef TERN_TRANSPORT_CID_H
#define TERN_TRANSPORT_CID_H

#include <tern/base.h>
#include <tern/config.h>

#include "base/cursor.h"
#include "transport/record.h"
#include "transport/sync.h"
#include "wire/quic.h"

/* ---- ids we issued ---- */

struct tern_cid_local_entry {
  uint64_t sequence;
  struct tern_cid cid;
  uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
  bool is_used; /* the slot holds an id */
  struct tern_sync_once
      frame; /* NEW_CONNECTION_ID; ACKED from the start for those of the handshake */
};

struct tern_cid_local {
  struct tern_cid_local_entry entries[TERN_CAP_ACTIVE_CIDS];
  uint64_t next_sequence;
  uint64_t told_below; /* sequences below were sent to the peer */
  uint64_t active_max; /* min(peer's active_connection_id_limit, TERN_CAP_ACTIVE_CIDS) */
  uint32_t path_id;
  bool is_empty_id; /* our ids have no bytes: none can be issued */
};

/* `first` is the Source Connection ID of the handshake, sequence 0. `reset_token` is the one in our
 * transport parameters (server), or NULL. */
void tern_cid_local_init(struct tern_cid_local *local, uint32_t path_id,
                         const struct tern_cid *first, const uint8_t *reset_token);
/* The peer's transport parameter; 2 if it was absent [rfc9000-18.2]. */
void tern_cid_local_on_peer_limit(struct tern_cid_local *local, uint64_t active_limit);
/* Another id should be issued: make one and add it. Loop until false. */
bool tern_cid_local_wants_id(const struct tern_cid_local *local);
/* Issues `cid`: put it into the endpoint's map as well. Only if it wants one. Returns its sequence. */
uint64_t tern_cid_local_add(struct tern_cid_local *local, const struct tern_cid *cid,
                            const uint8_t reset_token[TERN_RESET_TOKEN_BYTES]);
/* All ids in use, for removal from the map: start with *at = 0; NULL at the end. */
const struct tern_cid_local_entry *tern_cid_local_next(const struct tern_cid_local *local,
                                                       uint32_t *at);
/* True if `cid` is one of ours. */
bool tern_cid_local_has(const struct tern_cid_local *local, tern_slice cid);

bool tern_cid_local_wants(const struct tern_cid_local *local);
/* One NEW_CONNECTION_ID. */
bool tern_cid_local_write(struct tern_cid_local *local, struct tern_writer *writer,
                          struct tern_frame_record *record);
void tern_cid_local_on_acked(struct tern_cid_local *local, const struct tern_frame_record *record);
void tern_cid_local_on_lost(struct tern_cid_local *local, const struct tern_frame_record *record);

enum tern_cid_result {
  TERN_CID_OK,
  TERN_CID_NOTHING,   /* seen before: no effect */
  TERN_CID_VIOLATION, /* PROTOCOL_VIOLATION */
  TERN_CID_LIMIT,     /* CONNECTION_ID_LIMIT_ERROR */
  TERN_CID_ENCODING,  /* FRAME_ENCODING_ERROR */
};

/* RETIRE_CONNECTION_ID in a packet whose Destination Connection ID was `dcid`. TERN_CID_OK: the id in
 * *removed is to be taken out of the endpoint's map; tern_cid_local_wants_id is true again. */
TERN_MUST_CHECK enum tern_cid_result tern_cid_local_on_retire(struct tern_cid_local *local,
                                                              uint64_t sequence, tern_slice dcid,
                                                              struct tern_cid *removed);

/* ---- ids the peer issued ---- */

#define TERN_CID_NO_ROUTE 0xff

struct tern_cid_remote_entry {
  uint64_t sequence;
  struct tern_cid cid;
  uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
  uint8_t route; /* index of the 4-tuple that uses it, or TERN_CID_NO_ROUTE */
  bool has_token : 1;
  bool is_valid : 1; /* the slot holds an id */
  bool was_used : 1; /* in a packet we sent: its token counts [rfc9000-10.3.1] */
};

struct tern_cid_remote {
  struct tern_cid_remote_entry entries[TERN_CAP_ACTIVE_CIDS];
  uint64_t retiring[TERN_CAP_RETIRING_CIDS];                     /* sequence numbers, and their */
  struct tern_sync_once retiring_frames[TERN_CAP_RETIRING_CIDS]; /* RETIRE_CONNECTION_ID */
  uint32_t retiring_count;
  uint32_t path_id;
  uint64_t retire_prior_to;
  uint64_t seen_below;
  uint64_t seen_bits; /* bit i: seen_below + i was seen */
  bool is_empty_id;   /* the peer's ids have no bytes */
};

/* `first` has sequence 0 and is used by route 0. */
void tern_cid_remote_init(struct tern_cid_remote *remote, uint32_t path_id,
                          const struct tern_cid *first);
/* During the handshake the first id changes: to the server's Source Connection ID, or a Retry's. */
void tern_cid_remote_set_first(struct tern_cid_remote *remote, const struct tern_cid *cid);
/* stateless_reset_token of the server's parameters: belongs to sequence 0. Quiet if that is retired. */
void tern_cid_remote_set_first_token(struct tern_cid_remote *remote,
                                     const uint8_t reset_token[TERN_RESET_TOKEN_BYTES]);

struct tern_cid_new {
  uint64_t sequence;
  uint64_t retire_prior_to;
  struct tern_cid cid;
  uint8_t reset_token[TERN_RESET_TOKEN_BYTES];
};

/* NEW_CONNECTION_ID, or the preferred address (sequence 1, retire_prior_to 0). On TERN_CID_OK or
 * TERN_CID_NOTHING, routes may have lost their id: `*routes_lost` has bit r set for route r; give each
 * another with tern_cid_remote_assign. On an error the connection ends. */
TERN_MUST_CHECK enum tern_cid_result tern_cid_remote_on_new(struct tern_cid_remote *remote,
                                                            const struct tern_cid_new *args,
                                                            uint32_t *routes_lost);

/* The id that route uses, or NULL. */
const struct tern_cid_remote_entry *tern_cid_remote_find(const struct tern_cid_remote *remote,
                                                         uint8_t route);
/* An id that no route uses or used is at hand. */
bool tern_cid_remote_has_fresh(const struct tern_cid_remote *remote);
/* Gives `route`, which has none, a fresh id: the one with the lowest sequence. With empty ids all
 * routes share. NULL if there is none. Its token enters the endpoint's map once it was used. */
const struct tern_cid_remote_entry *tern_cid_remote_assign(struct tern_cid_remote *remote,
                                                           uint8_t route);
/* The route does not need its id any more: retires it. TERN_CID_LIMIT if too many wait. Quiet if it has
 * none, or ids are empty. */
TERN_MUST_CHECK enum tern_cid_result tern_cid_remote_retire(struct tern_cid_remote *remote,
                                                            uint8_t route);

/* True if `token` is the stateless reset token of an id that we used and did not retire. Takes the same
 * time wherever tokens differ [rfc9000-10.3.1]. */
bool tern_cid_remote_has_token(const struct tern_cid_remote *remote,
                               const uint8_t token[TERN_RESET_TOKEN_BYTES]);

/* RETIRE_CONNECTION_ID. */
bool tern_cid_remote_wants(const struct tern_cid_remote *remote);
bool tern_cid_remote_write(struct tern_cid_remote *remote, struct tern_writer *writer,
                           struct tern_frame_record *record);
void tern_cid_remote_on_acked(struct tern_cid_remote *remote,
                              const struct tern_frame_record *record);
void tern_cid_remote_on_lost(struct tern_cid_remote *remote,
                             const struct tern_frame_record *record);

#endif
