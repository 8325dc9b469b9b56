/* SPDX-License-Identifier: MIT */
/* One direction of a network path, as a function: a datagram goes in at a time, out comes when it
 * arrives, how often, and what happened to it on the way.
 *
 *   in -> MTU -> policer -> loss -> queue -> transmitter (rate) -> delay, jitter, reordering -> out
 *
 * A drop-tail queue needs no list: what waits is (free_at - now) * rate bytes, where `free_at` is when
 * the transmitter has sent all that came before. So a send is O(1), whatever the queue holds. Datagrams
 * keep their order, but for those picked to be late.
 *
 * A queue with active management decides when a datagram leaves it, so those really wait: give the link
 * a tern_sim_queue, offer it packets, and take one whenever tern_sim_link_ready_at has come.
 *
 * But for that it holds no datagrams and knows no simulator: a live relay can use it with a real clock. */
#ifndef TERN_SIM_LINK_H
#define TERN_SIM_LINK_H

#include <tern/base.h>

#include "base/random.h"
#include "sim/policer.h"
#include "sim/queue.h"
#include "sim/rates.h"

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
  /* Gilbert and Elliott: a hidden state that is good or bad. Entered and left once per datagram; in the
   * bad one so many are lost, in the good one loss_ppm. enter 0 = off. */
  uint32_t bad_enter_ppm, bad_leave_ppm, bad_loss_ppm;
  uint32_t reorder_ppm; /* takes reorder_ns longer than its neighbours */
  uint64_t reorder_ns;
  uint32_t duplicate_ppm; /* arrives twice, the second time duplicate_ns later */
  uint64_t duplicate_ns;
  uint32_t corrupt_ppm;               /* one byte is changed */
  uint32_t ce_ppm;                    /* ECT is marked CE */
  uint64_t ce_queue_bytes;            /* ECT is marked CE when so much waits; 0 = never */
  uint64_t police_rate;               /* bytes per second; more is dropped at once; 0 = any */
  uint64_t police_bytes;              /* burst that the policer lets pass */
  const struct tern_sim_rates *rates; /* takes the place of `rate`; borrowed; NULL = none */
  bool bleaches;                      /* ECN codepoint is cleared */
  bool is_down;                       /* outage: nothing passes */
};

enum tern_sim_drop {
  TERN_SIM_DROP_NONE,
  TERN_SIM_DROP_LOSS,
  TERN_SIM_DROP_QUEUE,
  TERN_SIM_DROP_MTU,
  TERN_SIM_DROP_OUTAGE,
  TERN_SIM_DROP_POLICER,
};

/* "none", "loss", "queue", "mtu", "outage", "policer". */
const char *tern_sim_drop_name(enum tern_sim_drop drop);

struct tern_sim_link_stats {
  uint64_t datagrams_in, bytes_in;
  uint64_t datagrams_out, bytes_out; /* with duplicates */
  uint64_t lost, dropped_queue, dropped_mtu, dropped_outage, dropped_policer;
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
  bool is_bad; /* Gilbert and Elliott */
  struct tern_sim_policer policer;
  struct tern_sim_queue *queue; /* NULL = drop-tail; the owner's */
  uint64_t marked_before;       /* by the queue, when last looked at */
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

/* For a link with a queue, in place of tern_sim_link_send. If not NONE, the packet did not even reach the
 * queue. Afterwards, and after a take, fetch what the queue gave up: tern_sim_link_take_dropped. */
enum tern_sim_drop tern_sim_link_offer(struct tern_sim_link *link, struct tern_sim_packet *packet,
                                       tern_time now);
/* The packet that the transmitter begins with now, and its fate; NULL if it is busy or nothing waits. */
struct tern_sim_packet *tern_sim_link_take(struct tern_sim_link *link, tern_time now,
                                           struct tern_sim_fate *fate);
struct tern_sim_packet *tern_sim_link_take_dropped(struct tern_sim_link *link);
/* When tern_sim_link_take is due; TERN_TIME_NEVER if nothing waits. */
tern_time tern_sim_link_ready_at(const struct tern_sim_link *link);

/* Bytes per second at `now`; 0 = without limit. */
uint64_t tern_sim_link_rate(const struct tern_sim_link *link, tern_time now);
/* Bytes that wait for the transmitter. */
uint64_t tern_sim_link_queue_bytes(const struct tern_sim_link *link, tern_time now);

#endif
