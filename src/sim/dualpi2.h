/* SPDX-License-Identifier: MIT */
/* DualPI2 (RFC 9332 appendix A): two queues before one link. ECT(1) and CE go to the L queue, which is
 * marked from a wait of 800 us on; the rest goes to the C queue, whose wait is held at 15 ms by a PI
 * controller. Its output p' couples both:
 *
 *   classic drop or mark   p_C  = p'^2
 *   L4S mark               p_L  = max(native ramp, 2 p')
 *
 * so a scalable flow and a classic one get about the same rate. The scheduler prefers L and gives C one
 * sixteenth [rfc9332-A.2]. Names are those of the pseudocode. */
#ifndef TERN_SIM_DUALPI2_H
#define TERN_SIM_DUALPI2_H

#include "sim/fifo.h"

struct tern_sim_dualpi2 {
  struct tern_sim_fifo lq, cq;
  uint64_t limit_bytes; /* 0 = none */
  double p;             /* p', the base probability */
  double p_CL, p_C;
  double l_count, c_count; /* of recur() */
  uint64_t prevq_ns;
  tern_time next_update;
  int64_t c_credit; /* bytes that the C queue is behind its share */
  uint64_t marked;
};

void tern_sim_dualpi2_init(struct tern_sim_dualpi2 *pi2);
void tern_sim_dualpi2_add(struct tern_sim_dualpi2 *pi2, struct tern_sim_packet *packet,
                          struct tern_list *dropped);
struct tern_sim_packet *tern_sim_dualpi2_next(struct tern_sim_dualpi2 *pi2, tern_time now,
                                              struct tern_list *dropped);
/* Figure 8, every Tupdate; tern_sim_dualpi2_next calls it when it is due. */
void tern_sim_dualpi2_update(struct tern_sim_dualpi2 *pi2, tern_time now);
/* Figure 5: the native ramp of the L queue. */
double tern_sim_dualpi2_laqm(uint64_t qdelay_ns);

#endif
