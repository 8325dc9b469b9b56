/* SPDX-License-Identifier: MIT */
/* FQ-CoDel's enqueue and dequeue, after RFC 8290 section 4. */
#include "sim/fq_codel.h"

#include <string.h>

tern_status tern_sim_fq_codel_init(struct tern_sim_fq_codel *fq, struct tern_alloc *alloc)
{
  memset(fq, 0, sizeof(*fq));
  tern_list_init(&fq->new_flows);
  tern_list_init(&fq->old_flows);
  fq->flows = tern_alloc_take_zero(alloc, TERN_SIM_FQ_FLOWS * sizeof(*fq->flows));
  if (fq->flows == NULL)
    return TERN_NOMEM;
  for (size_t i = 0; i < TERN_SIM_FQ_FLOWS; i++) {
    tern_sim_fifo_init(&fq->flows[i].fifo);
    tern_sim_codel_init(&fq->flows[i].codel);
  }
  return TERN_OK;
}

void tern_sim_fq_codel_deinit(struct tern_sim_fq_codel *fq, struct tern_alloc *alloc)
{
  tern_alloc_give(alloc, fq->flows, TERN_SIM_FQ_FLOWS * sizeof(*fq->flows));
}

/* [rfc8290-4.1.1] The fattest queue loses half of what it has, up to a batch, from its head. */
static void drop_from_fattest(struct tern_sim_fq_codel *fq, struct tern_list *dropped)
{
  struct tern_sim_fq_flow *fattest = &fq->flows[0];
  for (size_t i = 1; i < TERN_SIM_FQ_FLOWS; i++)
    if (fq->flows[i].fifo.bytes > fattest->fifo.bytes)
      fattest = &fq->flows[i];
  uint64_t enough = fattest->fifo.bytes / 2;
  for (unsigned i = 0; i < TERN_SIM_FQ_DROP_BATCH && fattest->fifo.bytes > enough; i++) {
    struct tern_sim_packet *packet = tern_sim_fifo_take(&fattest->fifo);
    fq->bytes -= packet->len;
    fq->packets--;
    tern_list_push_back(dropped, &packet->node);
  }
}

void tern_sim_fq_codel_add(struct tern_sim_fq_codel *fq, struct tern_sim_packet *packet,
                           struct tern_list *dropped)
{
  struct tern_sim_fq_flow *flow = &fq->flows[packet->flow % TERN_SIM_FQ_FLOWS];
  tern_sim_fifo_add(&flow->fifo, packet);
  fq->bytes += packet->len;
  fq->packets++;
  if (!tern_list_has_node(&flow->node)) {
    flow->credit = TERN_SIM_FQ_QUANTUM;
    tern_list_push_back(&fq->new_flows, &flow->node);
  }
  if (fq->packets > TERN_SIM_FQ_PACKETS_MAX ||
      (fq->limit_bytes != 0 && fq->bytes > fq->limit_bytes && fq->packets > 1))
    drop_from_fattest(fq, dropped);
}

/* What CoDel dropped behind `last`, the newest of `dropped` before it, is no longer held. */
static void forget(struct tern_sim_fq_codel *fq, struct tern_list *dropped,
                   struct tern_list_node *last)
{
  struct tern_list_node *node =
      last == NULL ? tern_list_first(dropped) : tern_list_next(dropped, last);
  for (; node != NULL; node = tern_list_next(dropped, node)) {
    fq->bytes -= TERN_CONTAINER_OF(node, struct tern_sim_packet, node)->len;
    fq->packets--;
  }
}

/* [rfc8290-4.2] */
struct tern_sim_packet *tern_sim_fq_codel_next(struct tern_sim_fq_codel *fq, tern_time now,
                                               struct tern_list *dropped)
{
  for (;;) {
    bool is_new = !tern_list_is_empty(&fq->new_flows);
    struct tern_list_node *node = tern_list_first(is_new ? &fq->new_flows : &fq->old_flows);
    if (node == NULL)
      return NULL;
    struct tern_sim_fq_flow *flow = TERN_CONTAINER_OF(node, struct tern_sim_fq_flow, node);
    if (flow->credit <= 0) {
      flow->credit += TERN_SIM_FQ_QUANTUM;
      tern_list_remove(node);
      tern_list_push_back(&fq->old_flows, node);
      continue;
    }
    struct tern_list_node *last = tern_list_last(dropped);
    fq->marked -= flow->codel.marked;
    struct tern_sim_packet *packet = tern_sim_codel_next(&flow->codel, &flow->fifo, now, dropped);
    fq->marked += flow->codel.marked;
    forget(fq, dropped, last);
    if (packet != NULL) {
      fq->bytes -= packet->len;
      fq->packets--;
      flow->credit -= (int64_t)packet->len;
      return packet;
    }
    /* [rfc8290-4.2] An empty new queue becomes an old one, so that it cannot starve the old ones by
     * coming back as new again and again. */
    tern_list_remove(node);
    if (is_new && !tern_list_is_empty(&fq->old_flows))
      tern_list_push_back(&fq->old_flows, node);
  }
}
