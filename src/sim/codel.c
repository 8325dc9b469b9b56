/* SPDX-License-Identifier: MIT */
/* CoDel's dequeue, after the pseudocode of RFC 8289 section 5. */
#include "sim/codel.h"

#include <string.h>

void tern_sim_codel_init(struct tern_sim_codel *codel)
{
  memset(codel, 0, sizeof(*codel));
  codel->target_ns = TERN_SIM_CODEL_TARGET_NS;
  codel->interval_ns = TERN_SIM_CODEL_INTERVAL_NS;
}

/* The largest integer whose square is at most `value`; Newton's steps from above. */
static uint64_t square_root(uint64_t value)
{
  uint64_t root = value, next = value / 2 + 1;
  while (next < root) {
    root = next;
    next = (root + value / root) / 2;
  }
  return root;
}

/* interval / sqrt(count) = sqrt(interval^2 / count), in integers: the same on every machine. */
tern_time tern_sim_codel_control_law(const struct tern_sim_codel *codel, tern_time t,
                                     uint32_t count)
{
  return t + square_root(codel->interval_ns * codel->interval_ns / (count == 0 ? 1 : count));
}

/* [rfc8289-5.6] Takes a packet and says whether the queue has been bad for a whole interval. */
static struct tern_sim_packet *take(struct tern_sim_codel *codel, struct tern_sim_fifo *fifo,
                                    tern_time now, bool *ok_to_drop)
{
  struct tern_sim_packet *packet = tern_sim_fifo_take(fifo);
  *ok_to_drop = false;
  if (packet == NULL) {
    codel->first_above_time = 0;
    return NULL;
  }
  if (now - packet->queued_at < codel->target_ns || fifo->bytes <= TERN_SIM_CODEL_PACKET_BYTES)
    codel->first_above_time = 0;
  else if (codel->first_above_time == 0)
    codel->first_above_time = now + codel->interval_ns;
  else
    *ok_to_drop = now >= codel->first_above_time;
  return packet;
}

/* Marks the packet, which then is the one to send, or drops it. */
static bool mark_or_drop(struct tern_sim_codel *codel, struct tern_sim_packet *packet,
                         struct tern_list *dropped)
{
  if (tern_sim_packet_mark(packet)) {
    codel->marked++;
    return true;
  }
  tern_list_push_back(dropped, &packet->node);
  return false;
}

struct tern_sim_packet *tern_sim_codel_next(struct tern_sim_codel *codel,
                                            struct tern_sim_fifo *fifo, tern_time now,
                                            struct tern_list *dropped)
{
  bool ok_to_drop;
  struct tern_sim_packet *packet = take(codel, fifo, now, &ok_to_drop);
  if (codel->is_dropping) {
    codel->is_dropping = ok_to_drop;
    while (codel->is_dropping && now >= codel->drop_next && packet != NULL) {
      if (!mark_or_drop(codel, packet, dropped))
        packet = take(codel, fifo, now, &ok_to_drop);
      codel->count++;
      codel->is_dropping = ok_to_drop;
      if (codel->is_dropping)
        codel->drop_next = tern_sim_codel_control_law(codel, codel->drop_next, codel->count);
    }
    return packet;
  }
  if (!ok_to_drop)
    return packet;
  if (!mark_or_drop(codel, packet, dropped))
    packet = take(codel, fifo, now, &ok_to_drop);
  codel->is_dropping = true;
  /* [rfc8289-5.5] Dropped not long ago: go on at about the rate that held the queue then. */
  uint32_t delta = codel->count - codel->lastcount;
  bool is_recent = now < codel->drop_next || now - codel->drop_next < 16 * codel->interval_ns;
  codel->count = delta > 1 && is_recent ? delta : 1;
  codel->drop_next = tern_sim_codel_control_law(codel, now, codel->count);
  codel->lastcount = codel->count;
  return packet;
}
