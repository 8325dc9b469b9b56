/* SPDX-License-Identifier: MIT */
/* Datagrams that wait, in order: what every queue of a link is made of. A packet is embedded in whatever
 * the owner keeps of a datagram. */
#ifndef TERN_SIM_FIFO_H
#define TERN_SIM_FIFO_H

#include <tern/base.h>

#include "base/list.h"

struct tern_sim_packet {
  struct tern_list_node node;
  tern_time queued_at;
  size_t len;
  uint32_t flow; /* hash of addresses and ports */
  uint8_t ecn;
};

struct tern_sim_fifo {
  struct tern_list packets;
  uint64_t bytes;
  uint64_t count;
};

static inline void tern_sim_fifo_init(struct tern_sim_fifo *fifo)
{
  tern_list_init(&fifo->packets);
  fifo->bytes = 0;
  fifo->count = 0;
}

static inline void tern_sim_fifo_add(struct tern_sim_fifo *fifo, struct tern_sim_packet *packet)
{
  tern_list_push_back(&fifo->packets, &packet->node);
  fifo->bytes += packet->len;
  fifo->count++;
}

/* The first, or NULL. */
static inline struct tern_sim_packet *tern_sim_fifo_first(const struct tern_sim_fifo *fifo)
{
  struct tern_list_node *node = tern_list_first(&fifo->packets);
  return node == NULL ? NULL : TERN_CONTAINER_OF(node, struct tern_sim_packet, node);
}

static inline struct tern_sim_packet *tern_sim_fifo_take(struct tern_sim_fifo *fifo)
{
  struct tern_sim_packet *packet = tern_sim_fifo_first(fifo);
  if (packet == NULL)
    return NULL;
  tern_list_remove(&packet->node);
  fifo->bytes -= packet->len;
  fifo->count--;
  return packet;
}

/* How long the first one has waited. */
static inline uint64_t tern_sim_fifo_wait(const struct tern_sim_fifo *fifo, tern_time now)
{
  const struct tern_sim_packet *packet = tern_sim_fifo_first(fifo);
  return packet == NULL ? 0 : now - packet->queued_at;
}

/* [rfc3168-5] ECT becomes CE; false if the sender does not speak ECN. */
static inline bool tern_sim_packet_mark(struct tern_sim_packet *packet)
{
  if (packet->ecn == TERN_ECN_NOT)
    return false;
  packet->ecn = TERN_ECN_CE;
  return true;
}

#endif
