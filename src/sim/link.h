/* SPDX-License-Identifier: MIT */
/* One direction of a network path, as a function: a datagram goes in at a time, out comes when it
 * arrives, how often, and what happened to it on the way.
 *
 *   in -> MTU -> loss -> drop-tail queue -> transmitter (rate) -> delay, jitter, reordering -> out
 *
 * The queue needs no list: what waits is (free_at - now) * rate bytes, where `free_at` is when the
 * transmitter has sent all that came before. So a send is O(1), whatever the queue holds. Datagrams
 * keep their order, but for those picked to be late.
 *
 * It holds no datagrams and knows no simulator: a live relay can use it with a real clock. */
#ifndef TERN_SIM_LINK_H
#define TERN_SIM_LINK_H

#include <tern/base.h>

#include "base/random.h"

/* Probabilities are in millionths: exact, and the same on every machine. */
#define TERN_SIM_PPM 1000000

/* All zero = a perfect wire: no delay, no limit, no loss. */
struct tern_sim_link_config {
  uint64_t delay_ns;    /* one way */
  uint64_t jitter_ns;   /* uniform addition from 0 to this; keeps the order */
  uint64_t rate;        /* bytes per second; 0 = infinite */
  uint64_t queue_bytes; /* may wait for the transmitter; 0 = any number */
  uint32_t mtu_bytes;   /* longer UDP payloads vanish; 0 = none do */
  uint32_t loss_ppm;    /* each datagram by itself */
  uint32_t burst_ppm;   /* given that the previous one was lost; 0 = losses are independent */
  uint32_t reorder_ppm; /* takes reorder_ns longer than its neighbours */
  uint64_t reorder_ns;
  uint32_t duplicate_ppm; /* arrives twice, the second time duplicate_ns later */
  uint64_t duplicate_ns;
  uint32_t corrupt_ppm;    /* one byte is changed */
  uint32_t ce_ppm;         /* ECT is marked CE */
  uint64_t ce_queue_bytes; /* ECT is marked CE when so much waits; 0 = never */
  bool bleaches;           /* ECN codepoint is cleared */
  bool is_down;            /* outage: nothing passes */
};

enum tern_sim_drop {
  TERN_SIM_DROP_NONE,
  TERN_SIM_DROP_LOSS,
  TERN_SIM_DROP_QUEUE,
  TERN_SIM_DROP_MTU,
  TERN_SIM_DROP_OUTAGE,
};

/* "none", "loss", "queue", "mtu", "outage". */
const char *tern_sim_drop_name(enum tern_sim_drop drop);

struct tern_sim_link_stats {
  uint64_t datagrams_in, bytes_in;
  uint64_t datagrams_out, bytes_out; /* with duplicates */
  uint64_t lost, dropped_queue, dropped_mtu, dropped_outage;
  uint64_t duplicated, reordered, corrupted, marked_ce;
  uint64_t queue_peak_bytes;
};

struct tern_sim_link {
  struct tern_sim_link_config config; /* may be changed at any time: applies to what comes later */
  struct tern_sim_link_stats stats;
  struct tern_random_seeded random;
  tern_time free_at;      /* the transmitter is busy until then */
  tern_time last_arrival; /* of those in order */
  bool lost_previous;
};

void tern_sim_link_init(struct tern_sim_link *link, const struct tern_sim_link_config *config,
                        uint64_t seed);

/* What becomes of a datagram. */
struct tern_sim_fate {
  enum tern_sim_drop drop; /* if not NONE: copies = 0 */
  unsigned copies;         /* 0, 1 or 2 */
  tern_time arrive_at[2];
  uint8_t ecn;     /* with what mark it arrives */
  bool is_corrupt; /* then byte `corrupt_at` is to be XORed with `corrupt_mask` */
  size_t corrupt_at;
  uint8_t corrupt_mask;
};

/* `now` must not go back between calls. */
void tern_sim_link_send(struct tern_sim_link *link, tern_time now, size_t len, uint8_t ecn,
                        struct tern_sim_fate *fate);

/* Bytes that wait for the transmitter. */
uint64_t tern_sim_link_queue_bytes(const struct tern_sim_link *link, tern_time now);

#endif
