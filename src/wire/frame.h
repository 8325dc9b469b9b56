/* SPDX-License-Identifier: MIT */
/* What frames.def says about a kind of frame, as code. */
#ifndef TERN_WIRE_FRAME_H
#define TERN_WIRE_FRAME_H

#include <tern/base.h>

#include "wire/quic.h"

enum tern_frame_kind {
#define FRAME(name, first, last, packets, elicits, flight, probing) TERN_FRAME_##name,
#include "wire/frames.def"
#undef FRAME
};

/* How many kinds there are. */
enum {
  TERN_FRAME_KINDS = 0
#define FRAME(name, first, last, packets, elicits, flight, probing) +1
#include "wire/frames.def"
#undef FRAME
};

/* One bit per packet type, as in the grid. */
enum {
  TERN_FRAME_IN_INITIAL = 1 << TERN_PACKET_INITIAL,
  TERN_FRAME_IN_EARLY = 1 << TERN_PACKET_EARLY,
  TERN_FRAME_IN_HANDSHAKE = 1 << TERN_PACKET_HANDSHAKE,
  TERN_FRAME_IN_APP = 1 << TERN_PACKET_APP,
};

struct tern_frame_info {
  const char *name; /* "RESET_STREAM" */
  uint8_t first;    /* frame types of this kind */
  uint8_t last;
  uint8_t packets; /* TERN_FRAME_IN_... */
  bool is_ack_eliciting;
  bool is_in_flight;
  bool is_probing;
};

/* Indexed by kind. */
extern const struct tern_frame_info tern_frame_table[TERN_FRAME_KINDS];

static inline const char *tern_frame_name(enum tern_frame_kind kind)
{
  return tern_frame_table[kind].name;
}

/* True if a frame of this kind and type may be in a packet of this type. If not, it is a
 * PROTOCOL_VIOLATION [rfc9000-12.4]. */
static inline bool tern_frame_is_allowed(enum tern_frame_kind kind, uint64_t type,
                                         enum tern_packet_type packet)
{
  /* [rfc9000-12.5] The application's CONNECTION_CLOSE only where the application has keys. */
  unsigned packets = tern_frame_table[kind].packets;
  if (type == 0x1d)
    packets &= (unsigned)TERN_FRAME_IN_EARLY | (unsigned)TERN_FRAME_IN_APP;
  return (packets >> packet & 1u) != 0;
}

/* [rfc9000-13.2] */
static inline bool tern_frame_is_ack_eliciting(enum tern_frame_kind kind)
{
  return tern_frame_table[kind].is_ack_eliciting;
}

/* [rfc9002-2] */
static inline bool tern_frame_is_in_flight(enum tern_frame_kind kind)
{
  return tern_frame_table[kind].is_in_flight;
}

/* [rfc9000-9.1] A packet of probing frames only does not migrate the connection. */
static inline bool tern_frame_is_probing(enum tern_frame_kind kind)
{
  return tern_frame_table[kind].is_probing;
}

/* The kind that a frame type belongs to; false if the type is not in the table. */
bool tern_frame_kind_find(uint64_t type, enum tern_frame_kind *out);

#endif
