/* SPDX-License-Identifier: MIT */
/* The scan of RFC 9002 A.10, cut to the packets whose fate is open. */
#include "recovery/loss.h"

void tern_loss_init(struct tern_loss *loss)
{
  loss->largest_acked = 0;
  loss->loss_time = TERN_TIME_NEVER;
  loss->floor = 0;
  tern_persistent_init(&loss->persistent);
  tern_loss_reset_thresholds(loss);
  loss->has_acked = false;
  loss->episode_time = 0;
  loss->episode_first = 0;
  loss->episode_lost = 0;
  loss->episode_spurious = 0;
}

void tern_loss_reset_thresholds(struct tern_loss *loss)
{
  loss->packet_threshold = TERN_LOSS_PACKET_THRESHOLD;
  loss->time_eighths = TERN_LOSS_TIME_EIGHTHS;
}

void tern_loss_on_acked(struct tern_loss *loss, uint64_t largest)
{
  if (!loss->has_acked || largest > loss->largest_acked)
    loss->largest_acked = largest;
  loss->has_acked = true;
}

struct tern_loss_scan tern_loss_begin(struct tern_loss *loss, const struct tern_rtt *rtt,
                                      tern_time now)
{
  struct tern_loss_scan scan;
  uint64_t rtt_ns = rtt->latest_ns > rtt->smoothed_ns ? rtt->latest_ns : rtt->smoothed_ns;

  /* [rfc9002-6.1.2] max(kTimeThreshold * max(smoothed, latest), kGranularity) */
  scan.delay_ns = rtt_ns / 8 * loss->time_eighths + rtt_ns % 8 * loss->time_eighths / 8;
  if (scan.delay_ns < TERN_RTT_GRANULARITY_NS)
    scan.delay_ns = TERN_RTT_GRANULARITY_NS;
  scan.now = now;
  scan.number = 0;
  loss->loss_time = TERN_TIME_NEVER;
  return scan;
}

/* [rfc9002-6.1.1] sent packet_threshold packets before an acknowledged one. Numbers that were
 * skipped on purpose are no packets: A.10 notes that the comparison assumes there are none. */
static bool is_beyond_packets(const struct tern_loss *loss, const struct tern_sent *sent)
{
  uint64_t distance = loss->largest_acked - loss->floor;

  if (distance < loss->packet_threshold)
    return false;
  distance -= tern_sent_count_skipped(sent, loss->floor, loss->largest_acked);
  return distance >= loss->packet_threshold;
}

/* An episode that stayed a loss takes one step of widening back. */
static void narrow(struct tern_loss *loss)
{
  if (loss->episode_lost == 0 || loss->episode_spurious > 0)
    return;
  if (loss->packet_threshold > TERN_LOSS_PACKET_THRESHOLD)
    loss->packet_threshold--;
  if (loss->time_eighths > TERN_LOSS_TIME_EIGHTHS)
    loss->time_eighths--;
}

static void declare(struct tern_loss *loss, const struct tern_sent_packet *packet, tern_time now)
{
  if (packet->flags & TERN_SENT_ACK_ELICITING)
    tern_persistent_on_lost(&loss->persistent, packet->sent_time, packet->route);
  if (loss->episode_lost == 0 || packet->sent_time > loss->episode_time) {
    narrow(loss);
    loss->episode_time = now;
    loss->episode_first = loss->floor;
    loss->episode_lost = 0;
    loss->episode_spurious = 0;
  }
  loss->episode_lost++;
}

static bool is_candidate(const struct tern_sent_packet *packet)
{
  return packet->state == TERN_SENT_OUTSTANDING && (packet->flags & TERN_SENT_IN_FLIGHT);
}

/* Moves floor up to the next packet in flight below largest_acked. */
static struct tern_sent_packet *seek(struct tern_loss *loss, const struct tern_sent *sent)
{
  struct tern_sent_packet *packet = NULL;

  /* What left the ring unseen was acknowledged: losses stay in it until they were declared. */
  if (loss->floor < sent->base) {
    loss->floor = sent->base;
    tern_persistent_on_acked(&loss->persistent);
  }
  while (loss->floor < loss->largest_acked) {
    packet = tern_sent_find(sent, loss->floor);
    if (!packet || is_candidate(packet))
      return packet;
    if (packet->state == TERN_SENT_ACKED) {
      tern_persistent_on_acked(&loss->persistent);
      loss->floor = packet->run_end > loss->floor ? packet->run_end : loss->floor + 1;
    } else {
      loss->floor++;
    }
  }
  return NULL;
}

struct tern_sent_packet *tern_loss_next(struct tern_loss *loss, const struct tern_sent *sent,
                                        struct tern_loss_scan *scan)
{
  struct tern_sent_packet *packet = NULL;

  if (!loss->has_acked)
    return NULL;
  packet = seek(loss, sent);
  if (!packet)
    return NULL;
  if (!is_beyond_packets(loss, sent) && packet->sent_time + scan->delay_ns > scan->now) {
    /* [rfc9002-6.1.2] a timer SHOULD be set for the remaining time; later packets left later. */
    loss->loss_time = packet->sent_time + scan->delay_ns;
    return NULL;
  }
  declare(loss, packet, scan->now);
  scan->number = loss->floor++;
  return packet;
}

bool tern_loss_on_spurious(struct tern_loss *loss, uint64_t number)
{
  uint64_t wanted = loss->largest_acked > number ? loss->largest_acked - number + 1 : 0;

  /* At most doubled by one late packet: far below, the distance says how long the ACK took rather
   * than how far the network reorders. */
  if (wanted > 2 * (uint64_t)loss->packet_threshold)
    wanted = 2 * (uint64_t)loss->packet_threshold;
  if (wanted > TERN_LOSS_PACKET_THRESHOLD_MAX)
    wanted = TERN_LOSS_PACKET_THRESHOLD_MAX;
  if (wanted > loss->packet_threshold)
    loss->packet_threshold = (uint32_t)wanted;
  if (loss->time_eighths < TERN_LOSS_TIME_EIGHTHS_MAX)
    loss->time_eighths++;
  tern_persistent_on_acked(&loss->persistent);

  if (loss->episode_lost == 0 || number < loss->episode_first)
    return false;
  loss->episode_spurious++;
  return loss->episode_spurious == loss->episode_lost;
}
