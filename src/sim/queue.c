/* SPDX-License-Identifier: MIT */
/* Which algorithm. */
#include "sim/queue.h"

#include <string.h>

tern_status tern_sim_queue_init(struct tern_sim_queue *queue, enum tern_sim_aqm aqm,
                                uint64_t limit_bytes, struct tern_alloc *alloc)
{
  memset(queue, 0, sizeof(*queue));
  queue->aqm = aqm;
  queue->alloc = alloc;
  queue->limit_bytes = limit_bytes;
  tern_list_init(&queue->dropped);
  tern_sim_fifo_init(&queue->fifo);
  tern_sim_codel_init(&queue->codel);
  tern_sim_dualpi2_init(&queue->pi2);
  queue->pi2.limit_bytes = limit_bytes;
  if (aqm != TERN_SIM_AQM_FQ_CODEL)
    return TERN_OK;
  tern_status status = tern_sim_fq_codel_init(&queue->fq, alloc);
  queue->fq.limit_bytes = limit_bytes;
  return status;
}

void tern_sim_queue_deinit(struct tern_sim_queue *queue)
{
  if (queue->aqm == TERN_SIM_AQM_FQ_CODEL)
    tern_sim_fq_codel_deinit(&queue->fq, queue->alloc);
}

static void add_to_tail(struct tern_sim_queue *queue, struct tern_sim_packet *packet)
{
  uint64_t held = queue->fifo.bytes;
  if (queue->limit_bytes != 0 && held != 0 && held + packet->len > queue->limit_bytes)
    tern_list_push_back(&queue->dropped, &packet->node);
  else
    tern_sim_fifo_add(&queue->fifo, packet);
}

void tern_sim_queue_add(struct tern_sim_queue *queue, struct tern_sim_packet *packet, tern_time now)
{
  packet->queued_at = now;
  switch (queue->aqm) {
  case TERN_SIM_AQM_NONE:
  case TERN_SIM_AQM_CODEL:
    add_to_tail(queue, packet);
    return;
  case TERN_SIM_AQM_FQ_CODEL:
    tern_sim_fq_codel_add(&queue->fq, packet, &queue->dropped);
    return;
  case TERN_SIM_AQM_DUALPI2:
    tern_sim_dualpi2_add(&queue->pi2, packet, &queue->dropped);
    return;
  }
}

struct tern_sim_packet *tern_sim_queue_next(struct tern_sim_queue *queue, tern_time now)
{
  switch (queue->aqm) {
  case TERN_SIM_AQM_NONE:
    return tern_sim_fifo_take(&queue->fifo);
  case TERN_SIM_AQM_CODEL:
    return tern_sim_codel_next(&queue->codel, &queue->fifo, now, &queue->dropped);
  case TERN_SIM_AQM_FQ_CODEL:
    return tern_sim_fq_codel_next(&queue->fq, now, &queue->dropped);
  case TERN_SIM_AQM_DUALPI2:
    return tern_sim_dualpi2_next(&queue->pi2, now, &queue->dropped);
  }
  return NULL;
}

struct tern_sim_packet *tern_sim_queue_take_dropped(struct tern_sim_queue *queue)
{
  struct tern_list_node *node = tern_list_pop_front(&queue->dropped);
  return node == NULL ? NULL : TERN_CONTAINER_OF(node, struct tern_sim_packet, node);
}

uint64_t tern_sim_queue_bytes(const struct tern_sim_queue *queue)
{
  return queue->fifo.bytes + queue->fq.bytes + queue->pi2.lq.bytes + queue->pi2.cq.bytes;
}

uint64_t tern_sim_queue_marked(const struct tern_sim_queue *queue)
{
  return queue->codel.marked + queue->fq.marked + queue->pi2.marked;
}
