/* SPDX-License-Identifier: MIT */
/* Datagrams of a bulk transfer: each one packet, each packet one STREAM frame that reaches to its end,
 * all of the same size, one behind the other in the stream.
 *
 *   | short header, number n   | type id offset o         | bytes of the stream | tag |
 *   | short header, number n+1 | type id offset o + len   | ...
 *
 * Nearly all packets of a busy connection look like that, so they are made together: one question to
 * the scheduler, one header written and then copied, one entry in every account. Whatever is not so
 * plain (an ACK rides along, a frame of another kind, the end of the stream) is left to the packer.
 * Spine only. */
#ifndef TERN_TRANSPORT_BULK_H
#define TERN_TRANSPORT_BULK_H

#include "transport/conn.h"

/* Fewer are not worth it. */
#define TERN_BULK_PACKETS_MIN 2

struct tern_bulk {
  tern_conn *conn;
  struct tern_route *route;
  uint8_t route_index;
  uint8_t *data;        /* where the first datagram goes */
  size_t segment_bytes; /* size of each */
  size_t packets_max;   /* what room, window, pacer and anti-amplification allow */
};

/* Builds datagrams as the picture shows; returns how many, 0 if what is due is not as plain. The caller
 * has made sure that nothing but streams has anything to say. */
size_t tern_bulk_build(const struct tern_bulk *bulk);

#endif
