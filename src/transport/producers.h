/* SPDX-License-Identifier: MIT */
/* The producers of a packet's frames, in their order. Spine only. */
#ifndef TERN_TRANSPORT_PRODUCERS_H
#define TERN_TRANSPORT_PRODUCERS_H

#include "transport/packer.h"

struct tern_say {
  bool can_elicit;       /* in: window and pacer allow what the peer must acknowledge */
  size_t datagram_bytes; /* in: a full datagram */
  bool has_challenge;    /* out: a PATH_CHALLENGE was written */
  bool wants_expansion;  /* out: a path frame was written; the datagram should be full-size */
};

/* Writes what the packet's space has to say. */
void tern_write_frames(struct tern_packer *packer, struct tern_say *say);
/* Only PATH_RESPONSE and PATH_CHALLENGE of the packet's route. */
void tern_write_path(struct tern_packer *packer, struct tern_say *say);
void tern_write_ping(struct tern_packer *packer);

#endif
