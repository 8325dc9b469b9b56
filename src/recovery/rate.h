/* SPDX-License-Identifier: MIT */
/* Delivery rate of one route (draft-ietf-ccwg-bbr 4.1).
 *
 *   delivery_rate = data_acked / max(send_elapsed, ack_elapsed)
 *
 * Each packet carries a snapshot of what was delivered when it left. When it is acknowledged, the
 * difference between then and now is what the network delivered meanwhile; the longer of the two
 * intervals (first send to last send, ACK to ACK) keeps a burst of ACKs from looking like
 * bandwidth.
 *
 * Order per ACK frame: begin; on_acked for each newly acknowledged packet in flight; on_lost for
 * each lost one; generate once. */
#ifndef TERN_RECOVERY_RATE_H
#define TERN_RECOVERY_RATE_H

#include <tern/base.h>
#include <tern/cc.h>

struct tern_sent_packet;

/* Lives in each sent packet. */
struct tern_rate_snapshot {
  uint64_t delivered_bytes;
  uint64_t lost_bytes;
  tern_time delivered_time;
  tern_time first_sent_time;
  uint32_t tx_in_flight_bytes; /* with the packet itself; saturates */
  bool is_app_limited;
};

struct tern_rate {
  uint64_t delivered_bytes; /* acknowledged since the route began */
  uint64_t lost_bytes;      /* declared lost since the route began */
  tern_time delivered_time; /* when delivered_bytes last grew, or when the flight began */
  tern_time first_sent_time;
  uint64_t app_limited_until_bytes; /* samples are app-limited until delivered passes it; 0 = no */
};

/* What one ACK frame has told so far. */
struct tern_rate_sample {
  uint64_t newest_number;
  tern_time newest_sent_time;
  struct tern_rate_snapshot prior; /* of the newest packet */
  bool has_data;
};

void tern_rate_init(struct tern_rate *rate);

/* What a packet of `bytes` that leaves now is to remember; `in_flight_bytes` is what was in flight
 * before it. Call for packets in flight. */
struct tern_rate_snapshot tern_rate_on_sent(struct tern_rate *rate, tern_time now, uint64_t bytes,
                                            uint64_t in_flight_bytes);

void tern_rate_begin(struct tern_rate_sample *sample);
/* Before the packet is resolved in the ring. */
void tern_rate_on_acked(struct tern_rate *rate, struct tern_rate_sample *sample,
                        const struct tern_sent_packet *packet, uint64_t number, tern_time now);
void tern_rate_on_lost(struct tern_rate *rate, uint64_t bytes);
/* `min_rtt_ns` 0 = unknown. `out->interval_ns` is 0 if the sample is not reliable (shorter than
 * min_rtt) or nothing was delivered. */
void tern_rate_generate(struct tern_rate *rate, const struct tern_rate_sample *sample,
                        uint64_t min_rtt_ns, tern_time now, tern_cc_rate *out);

/* The sender had window and pacing credit left but nothing to send. */
void tern_rate_on_app_limited(struct tern_rate *rate, uint64_t in_flight_bytes);
static inline bool tern_rate_is_app_limited(const struct tern_rate *rate)
{
  return rate->app_limited_until_bytes != 0;
}

#endif
