/* SPDX-License-Identifier: MIT */
/* FQ-CoDel (RFC 8290): datagrams are spread by a hash of their addresses over many queues with a CoDel
 * each. Queues take turns of `quantum` bytes; one that just got its first datagram has its turn before
 * those that already had theirs, so sparse flows hardly wait.
 *
 *   new queues ──▶ turn ──▶ credit used up: end of the old ones
 *   old queues ──▶ turn ──▶ empty: leaves (a new one becomes old first)
 *
 * When all together hold too much, the fattest one loses from its head [rfc8290-4.1]. */
#ifndef TERN_SIM_FQ_CODEL_H
#define TERN_SIM_FQ_CODEL_H

#include "base/alloc.h"
#include "sim/codel.h"

#define TERN_SIM_FQ_FLOWS 1024        /* [rfc8290-5.2.4] */
#define TERN_SIM_FQ_QUANTUM 1514      /* [rfc8290-5.2.3] */
#define TERN_SIM_FQ_PACKETS_MAX 10240 /* [rfc8290-5.2.2] */
#define TERN_SIM_FQ_DROP_BATCH 64     /* [rfc8290-4.1.1] */

struct tern_sim_fq_flow {
  struct tern_list_node node;
  struct tern_sim_fifo fifo;
  struct tern_sim_codel codel;
  int64_t credit;
};

struct tern_sim_fq_codel {
  struct tern_sim_fq_flow *flows; /* TERN_SIM_FQ_FLOWS */
  struct tern_list new_flows, old_flows;
  uint64_t bytes, packets;
  uint64_t limit_bytes; /* 0 = only TERN_SIM_FQ_PACKETS_MAX */
  uint64_t marked;
};

TERN_MUST_CHECK tern_status tern_sim_fq_codel_init(struct tern_sim_fq_codel *fq,
                                                   struct tern_alloc *alloc);
void tern_sim_fq_codel_deinit(struct tern_sim_fq_codel *fq, struct tern_alloc *alloc);
void tern_sim_fq_codel_add(struct tern_sim_fq_codel *fq, struct tern_sim_packet *packet,
                           struct tern_list *dropped);
struct tern_sim_packet *tern_sim_fq_codel_next(struct tern_sim_fq_codel *fq, tern_time now,
                                               struct tern_list *dropped);

#endif
