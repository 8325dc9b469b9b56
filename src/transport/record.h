/* SPDX-License-Identifier: MIT */
/* What a packet remembers of the frames in it, so that their producers can be told when it was
 * acknowledged or lost. A record is a note, not a copy: a lost frame is written anew with what is true
 * by then. What the members mean, per kind:
 *
 *   kind                  slot            offset                 len        who
 *   ACK                   -               largest in the frame   -          acks
 *   CRYPTO                -               stream offset          bytes      stream_send of the space
 *   STREAM                stream slot     stream offset          bytes      stream_send (flag FIN)
 *   RESET_STREAM          stream slot     final size             -          stream_send
 *   STOP_SENDING          stream slot     -                      -          stream_recv
 *   MAX_STREAM_DATA       stream slot     limit                  -          flow_recv of the stream
 *   STREAM_DATA_BLOCKED   stream slot     limit                  -          flow_send of the stream
 *   MAX_DATA              -               limit                  -          flow_recv
 *   DATA_BLOCKED          -               limit                  -          flow_send
 *   MAX_STREAMS_*         -               limit                  -          stream_set
 *   STREAMS_BLOCKED_*     -               limit                  -          stream_set
 *   NEW_CONNECTION_ID     path id         sequence               -          cid_local
 *   RETIRE_CONNECTION_ID  path id         sequence               -          cid_remote
 *   NEW_TOKEN             -               spine's own            -          spine
 *   PATH_CHALLENGE        route index     -                      -          route
 *   PATH_RESPONSE         route index     -                      -          nobody: never again
 *   DATAGRAM              -               -                      bytes      nobody: unreliable
 *   PING HANDSHAKE_DONE CLOSE             as the spine likes                spine
 *
 * Kinds that name a stream also carry the slot's generation (has_stream). `slot` of PATH_ kinds is
 * filled by whoever knows the route's index. */
#ifndef TERN_TRANSPORT_RECORD_H
#define TERN_TRANSPORT_RECORD_H

#include <tern/base.h>

#include "recovery/sent.h"

enum tern_record_kind {
  TERN_RECORD_NONE = 0,
  TERN_RECORD_ACK,
  TERN_RECORD_PING,
  TERN_RECORD_CRYPTO,
  TERN_RECORD_STREAM,
  TERN_RECORD_RESET_STREAM,
  TERN_RECORD_STOP_SENDING,
  TERN_RECORD_MAX_DATA,
  TERN_RECORD_MAX_STREAM_DATA,
  TERN_RECORD_MAX_STREAMS_BIDI,
  TERN_RECORD_MAX_STREAMS_UNI,
  TERN_RECORD_DATA_BLOCKED,
  TERN_RECORD_STREAM_DATA_BLOCKED,
  TERN_RECORD_STREAMS_BLOCKED_BIDI,
  TERN_RECORD_STREAMS_BLOCKED_UNI,
  TERN_RECORD_NEW_CONNECTION_ID,
  TERN_RECORD_RETIRE_CONNECTION_ID,
  TERN_RECORD_NEW_TOKEN,
  TERN_RECORD_PATH_CHALLENGE,
  TERN_RECORD_PATH_RESPONSE,
  TERN_RECORD_HANDSHAKE_DONE,
  TERN_RECORD_CLOSE,
  TERN_RECORD_DATAGRAM,
};

/* Bits of tern_frame_record.flags. */
enum tern_record_flag {
  TERN_RECORD_FIN = 1, /* STREAM: the frame had the FIN bit */
};

/* True if slot and generation name a stream, which must be held until the record is resolved. */
static inline bool tern_record_has_stream(const struct tern_frame_record *record)
{
  return record->kind == TERN_RECORD_STREAM || record->kind == TERN_RECORD_RESET_STREAM ||
         record->kind == TERN_RECORD_STOP_SENDING || record->kind == TERN_RECORD_MAX_STREAM_DATA ||
         record->kind == TERN_RECORD_STREAM_DATA_BLOCKED;
}

/* A stream as its frames and their records name it. */
struct tern_stream_name {
  uint64_t id;
  uint32_t slot;
  uint16_t generation;
};

/* Starts a record of `kind`; `name` NULL for frames that name no stream. */
static inline void tern_record_fill(struct tern_frame_record *record, enum tern_record_kind kind,
                                    const struct tern_stream_name *name)
{
  record->kind = (uint8_t)kind;
  record->flags = 0;
  record->generation = name != NULL ? name->generation : 0;
  record->slot = name != NULL ? name->slot : 0;
  record->offset = 0;
  record->len = 0;
}

#endif
