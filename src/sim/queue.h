/* SPDX-License-Identifier: MIT */
/* A queue with active management before a link: one of three algorithms behind the same three calls.
 * (Plain drop-tail needs no list of packets and lives in link.c.) */
#ifndef TERN_SIM_QUEUE_H
#define TERN_SIM_QUEUE_H

#include "sim/codel.h"
#include "sim/dualpi2.h"
#include "sim/fq_codel.h"

enum tern_sim_aqm {
  TERN_SIM_AQM_NONE, /* drop-tail */
  TERN_SIM_AQM_CODEL,
  TERN_SIM_AQM_FQ_CODEL,
  TERN_SIM_AQM_DUALPI2,
};

struct tern_sim_queue {
  enum tern_sim_aqm aqm;
  struct tern_alloc *alloc;
  uint64_t limit_bytes;      /* 0 = as the algorithm says */
  struct tern_list dropped;  /* packets that the owner has to take back */
  struct tern_sim_fifo fifo; /* CODEL */
  struct tern_sim_codel codel;
  struct tern_sim_fq_codel fq;
  struct tern_sim_dualpi2 pi2;
};

/* `aqm` is not NONE. */
TERN_MUST_CHECK tern_status tern_sim_queue_init(struct tern_sim_queue *queue, enum tern_sim_aqm aqm,
                                                uint64_t limit_bytes, struct tern_alloc *alloc);
/* The packets that are still in are the owner's to forget. */
void tern_sim_queue_deinit(struct tern_sim_queue *queue);
/* Takes `packet` in, with now as its time of arrival. This or another one may go to `dropped`. */
void tern_sim_queue_add(struct tern_sim_queue *queue, struct tern_sim_packet *packet,
                        tern_time now);
/* The packet to send next, perhaps marked, or NULL. */
struct tern_sim_packet *tern_sim_queue_next(struct tern_sim_queue *queue, tern_time now);
struct tern_sim_packet *tern_sim_queue_take_dropped(struct tern_sim_queue *queue);
uint64_t tern_sim_queue_bytes(const struct tern_sim_queue *queue);
uint64_t tern_sim_queue_marked(const struct tern_sim_queue *queue);

#endif
