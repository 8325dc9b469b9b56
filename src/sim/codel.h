/* SPDX-License-Identifier: MIT */
/* CoDel (RFC 8289): as long as packets wait less than `target` at least once per `interval`, nothing
 * happens. When they do not, one is dropped, and then the next ones at shrinking distances,
 *
 *   interval / sqrt(count)                                             [rfc8289-3.3]
 *
 * until the wait is below the target again. ECN-capable packets are marked in place of dropped. */
#ifndef TERN_SIM_CODEL_H
#define TERN_SIM_CODEL_H

#include "sim/fifo.h"

#define TERN_SIM_CODEL_TARGET_NS (5 * TERN_MS)     /* [rfc8289-4.2] */
#define TERN_SIM_CODEL_INTERVAL_NS (100 * TERN_MS) /* [rfc8289-4.3] */
/* A queue of at most one packet of this size is never too long [rfc8289-5.6]. */
#define TERN_SIM_CODEL_PACKET_BYTES 1500

struct tern_sim_codel {
  uint64_t target_ns, interval_ns;
  tern_time first_above_time; /* when it will have been above the target for an interval; 0 = not */
  tern_time drop_next;
  uint32_t count, lastcount; /* drops since dropping began, this time and last time */
  bool is_dropping;
  uint64_t marked;
};

void tern_sim_codel_init(struct tern_sim_codel *codel);
/* The next packet of `fifo`, or NULL if it is empty; those that CoDel drops go to the end of
 * `dropped`. */
struct tern_sim_packet *tern_sim_codel_next(struct tern_sim_codel *codel,
                                            struct tern_sim_fifo *fifo, tern_time now,
                                            struct tern_list *dropped);
/* [rfc8289-5.4] control_law: t + interval / sqrt(count). */
tern_time tern_sim_codel_control_law(const struct tern_sim_codel *codel, tern_time t,
                                     uint32_t count);

#endif
