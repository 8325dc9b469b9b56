/* SPDX-License-Identifier: MIT */
/* The link model: see link.h. */
#include "sim/link.h"

#include <string.h>

const char *tern_sim_drop_name(enum tern_sim_drop drop)
{
  switch (drop) {
  case TERN_SIM_DROP_NONE:
    return "none";
  case TERN_SIM_DROP_LOSS:
    return "loss";
  case TERN_SIM_DROP_QUEUE:
    return "queue";
  case TERN_SIM_DROP_MTU:
    return "mtu";
  case TERN_SIM_DROP_OUTAGE:
    return "outage";
  case TERN_SIM_DROP_POLICER:
    return "policer";
  }
  return "unknown";
}

void tern_sim_link_init(struct tern_sim_link *link, const struct tern_sim_link_config *config,
                        uint64_t seed)
{
  memset(link, 0, sizeof(*link));
  link->config = *config;
  tern_random_seeded_init(&link->random, seed);
}

/* A number below `bound`, which is less than 2^32; the bias is below 2^-12 of a millionth. */
static uint64_t draw_below(struct tern_sim_link *link, uint64_t bound)
{
  return (tern_random_seeded_next(&link->random) >> 32) * bound >> 32;
}

static bool draw_chance(struct tern_sim_link *link, uint32_t ppm)
{
  return ppm != 0 && draw_below(link, TERN_SIM_PPM) < ppm;
}

/* bytes * 1 s / rate without overflow for anything up to 2^34 bytes. */
static uint64_t transmit_ns(uint64_t bytes, uint64_t rate)
{
  return rate == 0 ? 0 : bytes * TERN_SECOND / rate;
}

uint64_t tern_sim_link_rate(const struct tern_sim_link *link, tern_time now)
{
  const struct tern_sim_rates *rates = link->config.rates;
  return rates == NULL ? link->config.rate : tern_sim_rates_get(rates, now)->rate;
}

uint64_t tern_sim_link_queue_bytes(const struct tern_sim_link *link, tern_time now)
{
  if (link->queue != NULL)
    return tern_sim_queue_bytes(link->queue);
  if (link->free_at <= now)
    return 0;
  if (link->config.rates != NULL)
    return tern_sim_rates_bytes(link->config.rates, now, link->free_at);
  uint64_t wait_ns = link->free_at - now;
  uint64_t rate = link->config.rate;
  return wait_ns / TERN_SECOND * rate +
         (uint64_t)((double)(wait_ns % TERN_SECOND) * 1e-9 * (double)rate + 0.5);
}

static bool is_lost(struct tern_sim_link *link)
{
  const struct tern_sim_link_config *config = &link->config;
  bool is_burst = link->lost_previous && config->burst_ppm != 0;
  uint32_t loss_ppm = is_burst ? config->burst_ppm : config->loss_ppm;
  if (config->bad_enter_ppm != 0) {
    if (draw_chance(link, link->is_bad ? config->bad_leave_ppm : config->bad_enter_ppm))
      link->is_bad = !link->is_bad;
    loss_ppm = link->is_bad ? config->bad_loss_ppm : loss_ppm;
  }
  link->lost_previous = draw_chance(link, loss_ppm);
  return link->lost_previous;
}

/* What drops a datagram before it reaches the queue. */
static enum tern_sim_drop pass_gate(struct tern_sim_link *link, tern_time now, size_t len)
{
  const struct tern_sim_link_config *config = &link->config;
  struct tern_sim_link_stats *stats = &link->stats;
  stats->datagrams_in++;
  stats->bytes_in += len;
  if (config->is_down) {
    stats->dropped_outage++;
    return TERN_SIM_DROP_OUTAGE;
  }
  if (config->mtu_bytes != 0 && len > config->mtu_bytes) {
    stats->dropped_mtu++;
    return TERN_SIM_DROP_MTU;
  }
  if (config->police_rate != 0 &&
      !tern_sim_policer_pass(&link->policer, config->police_rate, config->police_bytes, now, len)) {
    stats->dropped_policer++;
    return TERN_SIM_DROP_POLICER;
  }
  if (is_lost(link)) {
    stats->lost++;
    return TERN_SIM_DROP_LOSS;
  }
  return TERN_SIM_DROP_NONE;
}

/* [rfc3168-5] Routers mark what is ECN-capable. */
static uint8_t pick_ecn(struct tern_sim_link *link, uint8_t ecn, uint64_t queue_bytes)
{
  const struct tern_sim_link_config *config = &link->config;
  if (config->bleaches)
    return TERN_ECN_NOT;
  if (ecn != TERN_ECN_ECT0 && ecn != TERN_ECN_ECT1)
    return ecn;
  bool is_marked = draw_chance(link, config->ce_ppm);
  if (config->ce_queue_bytes != 0 && queue_bytes >= config->ce_queue_bytes)
    is_marked = true;
  link->stats.marked_ce += is_marked ? 1 : 0;
  return is_marked ? TERN_ECN_CE : ecn;
}

static tern_time pick_arrival(struct tern_sim_link *link)
{
  const struct tern_sim_link_config *config = &link->config;
  tern_time at = link->free_at + config->delay_ns;
  if (config->rates != NULL)
    at += tern_sim_rates_get(config->rates, link->free_at)->delay_ns;
  if (config->jitter_ns != 0)
    at += tern_random_seeded_next(&link->random) % (config->jitter_ns + 1);
  if (draw_chance(link, config->reorder_ppm)) {
    link->stats.reordered++;
    return at + config->reorder_ns;
  }
  if (at < link->last_arrival)
    at = link->last_arrival;
  link->last_arrival = at;
  return at;
}

static void pick_damage(struct tern_sim_link *link, size_t len, struct tern_sim_fate *fate)
{
  if (len == 0 || !draw_chance(link, link->config.corrupt_ppm))
    return;
  link->stats.corrupted++;
  fate->is_corrupt = true;
  fate->corrupt_at = (size_t)draw_below(link, len);
  fate->corrupt_mask = (uint8_t)(1 + draw_below(link, 255));
}

/* From the transmitter on: it begins at `now` or when it has sent what came before. */
static void transmit(struct tern_sim_link *link, tern_time now, size_t len,
                     struct tern_sim_fate *fate)
{
  struct tern_sim_link_stats *stats = &link->stats;
  const struct tern_sim_rates *rates = link->config.rates;
  if (link->free_at < now)
    link->free_at = now;
  if (rates != NULL)
    link->free_at = tern_sim_rates_finish(rates, link->free_at, len);
  else
    link->free_at += transmit_ns(len, link->config.rate);
  fate->copies = 1;
  fate->arrive_at[0] = pick_arrival(link);
  if (draw_chance(link, link->config.duplicate_ppm)) {
    stats->duplicated++;
    fate->copies = 2;
    fate->arrive_at[1] = fate->arrive_at[0] + link->config.duplicate_ns;
  }
  pick_damage(link, len, fate);
  stats->datagrams_out += fate->copies;
  stats->bytes_out += fate->copies * len;
}

static void note_queue(struct tern_sim_link *link, uint64_t queue_bytes)
{
  if (queue_bytes > link->stats.queue_peak_bytes)
    link->stats.queue_peak_bytes = queue_bytes;
}

void tern_sim_link_send(struct tern_sim_link *link, tern_time now, size_t len, uint8_t ecn,
                        struct tern_sim_fate *fate)
{
  const struct tern_sim_link_config *config = &link->config;
  uint64_t queue_bytes = tern_sim_link_queue_bytes(link, now);
  memset(fate, 0, sizeof(*fate));
  fate->drop = pass_gate(link, now, len);
  if (fate->drop != TERN_SIM_DROP_NONE)
    return;
  if (config->queue_bytes != 0 && queue_bytes != 0 && queue_bytes + len > config->queue_bytes) {
    link->stats.dropped_queue++;
    fate->drop = TERN_SIM_DROP_QUEUE;
    return;
  }
  note_queue(link, queue_bytes + len);
  fate->ecn = pick_ecn(link, ecn, queue_bytes);
  transmit(link, now, len, fate);
}

/* ---- with a queue ------------------------------------------------------------------------ */

enum tern_sim_drop tern_sim_link_offer(struct tern_sim_link *link, struct tern_sim_packet *packet,
                                       tern_time now)
{
  enum tern_sim_drop drop = pass_gate(link, now, packet->len);
  if (drop != TERN_SIM_DROP_NONE)
    return drop;
  tern_sim_queue_add(link->queue, packet, now);
  note_queue(link, tern_sim_queue_bytes(link->queue));
  return TERN_SIM_DROP_NONE;
}

struct tern_sim_packet *tern_sim_link_take(struct tern_sim_link *link, tern_time now,
                                           struct tern_sim_fate *fate)
{
  memset(fate, 0, sizeof(*fate));
  if (link->free_at > now)
    return NULL;
  struct tern_sim_packet *packet = tern_sim_queue_next(link->queue, now);
  if (packet == NULL)
    return NULL;
  uint64_t marked = tern_sim_queue_marked(link->queue);
  link->stats.marked_ce += marked - link->marked_before;
  link->marked_before = marked;
  fate->ecn = pick_ecn(link, packet->ecn, 0);
  transmit(link, now, packet->len, fate);
  return packet;
}

struct tern_sim_packet *tern_sim_link_take_dropped(struct tern_sim_link *link)
{
  struct tern_sim_packet *packet = tern_sim_queue_take_dropped(link->queue);
  link->stats.dropped_queue += packet != NULL;
  return packet;
}

tern_time tern_sim_link_ready_at(const struct tern_sim_link *link)
{
  return tern_sim_queue_bytes(link->queue) == 0 ? TERN_TIME_NEVER : link->free_at;
}
