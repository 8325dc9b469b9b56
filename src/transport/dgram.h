/* SPDX-License-Identifier: MIT */
/* Unreliable datagrams (RFC 9221): two short queues.
 *
 *   application --copy--> [ .... TERN_CAP_DATAGRAM_QUEUE .... ] --> packets, once
 *   packets --borrowed--> [ .... the same bound ............. ] --> application, after the batch
 *
 * In both, a full queue drops its oldest entry: a newer datagram is worth more ([HOSTILE T26]). */
#ifndef TERN_TRANSPORT_DGRAM_H
#define TERN_TRANSPORT_DGRAM_H

#include <tern/base.h>
#include <tern/config.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "transport/record.h"

struct tern_dgram_entry {
  const uint8_t *data;
  uint32_t len;
  bool is_owned;
};

struct tern_dgram_queue {
  struct tern_dgram_entry *entries; /* TERN_CAP_DATAGRAM_QUEUE of them, NULL until the first */
  uint32_t first;
  uint32_t count;
  uint64_t dropped;
};

struct tern_dgram {
  struct tern_alloc *alloc;
  struct tern_dgram_queue send;
  struct tern_dgram_queue recv;
};

void tern_dgram_init(struct tern_dgram *dgram, struct tern_alloc *alloc);
void tern_dgram_deinit(struct tern_dgram *dgram);
/* Gives empty queues back. */
void tern_dgram_trim(struct tern_dgram *dgram);

/* Copies `data`, which the caller found to fit a packet. TERN_NOMEM. */
TERN_MUST_CHECK tern_status tern_dgram_push(struct tern_dgram *dgram, tern_slice data);
static inline bool tern_dgram_wants(const struct tern_dgram *dgram)
{
  return dgram->send.count != 0;
}
/* Length of the next one to send; only if it wants. */
size_t tern_dgram_next_len(const struct tern_dgram *dgram);
/* Forgets the next one: it no longer fits any packet. */
void tern_dgram_drop_next(struct tern_dgram *dgram);
/* Writes one DATAGRAM frame. It is never sent again [rfc9221-5.2]: the record only counts. */
bool tern_dgram_write(struct tern_dgram *dgram, struct tern_writer *writer,
                      struct tern_frame_record *record);

/* A DATAGRAM frame; `data` is borrowed until tern_dgram_keep. TERN_NOMEM (first one only). */
TERN_MUST_CHECK tern_status tern_dgram_on_received(struct tern_dgram *dgram, tern_slice data);
/* The oldest one received; false if there is none. Valid until popped. */
bool tern_dgram_next_received(const struct tern_dgram *dgram, tern_slice *out);
void tern_dgram_pop_received(struct tern_dgram *dgram);
/* The batch ends: copies what could not be delivered; drops it if there is no memory. */
void tern_dgram_keep(struct tern_dgram *dgram);

#endif
