/* SPDX-License-Identifier: MIT */
/* One packet on its way out. A packet is a transaction:
 *
 *   open    header and room; the number is reserved
 *   note    one frame written and, if its producer wants it back, recorded
 *   close   the packet counts: sent, in flight, paced. Not sealed yet, so that it can still grow (pad)
 *   abort   as if nothing had been
 *
 * and a run of packets is finished at once: sources fill their rooms with one call for adjoining
 * bytes, then everything is sealed, then all header masks come from one call. Spine only. */
#ifndef TERN_TRANSPORT_PACKER_H
#define TERN_TRANSPORT_PACKER_H

#include "base/cursor.h"
#include "transport/conn.h"

struct tern_packer_args {
  tern_conn *conn;
  struct tern_pn_space *space;
  enum tern_packet_type type;
  uint8_t route_index;
  uint8_t *data;
  size_t room; /* bytes left in the datagram */
};

struct tern_packer {
  tern_conn *conn;
  struct tern_pn_space *space;
  struct tern_route *route;
  enum tern_packet_type type;
  uint8_t route_index;
  struct tern_writer writer; /* payload's end, the tag is beyond */
  struct tern_sent_packet *packet;
  size_t length_at;
  uint16_t pn_at;
  uint8_t pn_len;
  uint8_t flags; /* TERN_SENT_* */
  size_t header_bytes;
  size_t frames_at; /* writer length at which the frame being written starts, for events */
};

/* Less than this is not worth opening a packet for: header, tag and a small frame. */
#define TERN_PACKER_ROOM_MIN 64

/* False if there is no room, no memory, or too much in flight to remember. */
bool tern_packer_open(struct tern_packer *packer, const struct tern_packer_args *args);
/* A frame of `kind` was written; `record` is kept if its kind is not NONE. */
void tern_packer_note(struct tern_packer *packer, enum tern_frame_kind kind,
                      const struct tern_frame_record *record);
bool tern_packer_is_empty(const struct tern_packer *packer);
/* Returns the bytes of the packet with its tag. */
size_t tern_packer_close(struct tern_packer *packer);
void tern_packer_abort(struct tern_packer *packer);

/* Grows the packet closed last, the last of its datagram, by `bytes` of PADDING. */
void tern_packer_pad(struct tern_packer *packer, size_t bytes);

/* Equal packets that were built without a packer (bulk.c), each with one record. */
struct tern_packer_sent {
  struct tern_route *route;
  uint8_t route_index;
  uint8_t flags;  /* TERN_SENT_* */
  uint16_t bytes; /* of each */
  uint32_t packets;
  struct tern_frame_record record; /* of the first; see tern_sent_commit_run */
};
/* They count, as packets do after tern_packer_close. */
void tern_packer_count_run(tern_conn *conn, const struct tern_packer_sent *sent);

/* Fills and seals everything since the last finish. False: a key has reached its limit and nothing may
 * leave. */
bool tern_packer_finish(tern_conn *conn);

#endif
