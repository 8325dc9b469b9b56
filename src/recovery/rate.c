/* SPDX-License-Identifier: MIT */
/* The three hooks of draft-ietf-ccwg-bbr 4.1.2: snapshot at sending, choice of the newest packet at
 * acknowledgment, one sample per ACK frame. Names of the draft: C is struct tern_rate, P the
 * packet's snapshot, RS struct tern_rate_sample. */
#include "recovery/rate.h"

#include <string.h>

#include "recovery/sent.h"

void tern_rate_init(struct tern_rate *rate)
{
  memset(rate, 0, sizeof *rate);
}

struct tern_rate_snapshot tern_rate_on_sent(struct tern_rate *rate, tern_time now, uint64_t bytes,
                                            uint64_t in_flight_bytes)
{
  uint64_t tx_in_flight = in_flight_bytes + bytes;

  /* Nothing in flight: the flight begins now, and silence before it is not the network's. */
  if (in_flight_bytes == 0) {
    rate->first_sent_time = now;
    rate->delivered_time = now;
  }
  return (struct tern_rate_snapshot){
      .first_sent_time = rate->first_sent_time,
      .delivered_time = rate->delivered_time,
      .delivered_bytes = rate->delivered_bytes,
      .lost_bytes = rate->lost_bytes,
      .is_app_limited = rate->app_limited_until_bytes != 0,
      .tx_in_flight_bytes = tx_in_flight < UINT32_MAX ? (uint32_t)tx_in_flight : UINT32_MAX};
}

void tern_rate_begin(struct tern_rate_sample *sample)
{
  memset(sample, 0, sizeof *sample);
}

static bool is_newest(const struct tern_rate *rate, const struct tern_rate_sample *sample,
                      const struct tern_sent_packet *packet, uint64_t number)
{
  return packet->sent_time > rate->first_sent_time ||
         (packet->sent_time == rate->first_sent_time && number > sample->newest_number);
}

void tern_rate_on_acked(struct tern_rate *rate, struct tern_rate_sample *sample,
                        const struct tern_sent_packet *packet, uint64_t number, tern_time now)
{
  rate->delivered_bytes += packet->bytes;
  rate->delivered_time = now;
  if (sample->has_data && !is_newest(rate, sample, packet, number))
    return;
  sample->has_data = true;
  sample->newest_number = number;
  sample->newest_sent_time = packet->sent_time;
  sample->prior = packet->rate;
  rate->first_sent_time = packet->sent_time;
}

void tern_rate_on_lost(struct tern_rate *rate, uint64_t bytes)
{
  rate->lost_bytes += bytes;
}

static uint64_t elapsed_ns(tern_time since, tern_time now)
{
  return now > since ? now - since : 0;
}

void tern_rate_generate(struct tern_rate *rate, const struct tern_rate_sample *sample,
                        uint64_t min_rtt_ns, tern_time now, tern_cc_rate *out)
{
  uint64_t send_ns = 0;
  uint64_t ack_ns = 0;
  uint64_t interval_ns = 0;

  memset(out, 0, sizeof *out);
  out->total_delivered_bytes = rate->delivered_bytes;
  /* The bubble was acknowledged and is gone. */
  if (rate->app_limited_until_bytes != 0 && rate->delivered_bytes > rate->app_limited_until_bytes)
    rate->app_limited_until_bytes = 0;
  if (!sample->has_data)
    return;

  send_ns = elapsed_ns(sample->prior.first_sent_time, sample->newest_sent_time);
  ack_ns = elapsed_ns(sample->prior.delivered_time, rate->delivered_time);
  interval_ns = send_ns > ack_ns ? send_ns : ack_ns;
  out->delivered_bytes = rate->delivered_bytes - sample->prior.delivered_bytes;
  out->prior_delivered_bytes = sample->prior.delivered_bytes;
  out->tx_in_flight_bytes = sample->prior.tx_in_flight_bytes;
  out->lost_bytes = rate->lost_bytes - sample->prior.lost_bytes;
  out->rtt_ns = elapsed_ns(sample->newest_sent_time, now);
  out->is_app_limited = sample->prior.is_app_limited;
  /* Shorter than any round trip: an ACK of something retransmitted spuriously, not a rate. */
  if (interval_ns >= min_rtt_ns)
    out->interval_ns = interval_ns;
}

void tern_rate_on_app_limited(struct tern_rate *rate, uint64_t in_flight_bytes)
{
  uint64_t until = rate->delivered_bytes + in_flight_bytes;
  rate->app_limited_until_bytes = until > 0 ? until : 1;
}
