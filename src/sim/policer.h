/* SPDX-License-Identifier: MIT */
/* A token bucket that drops what exceeds it, at once: no queue, no delay. It fills at `rate` up to
 * `burst_bytes`; a datagram passes if the bucket holds as many tokens as it has bytes. */
#ifndef TERN_SIM_POLICER_H
#define TERN_SIM_POLICER_H

#include <tern/base.h>

struct tern_sim_policer {
  uint64_t tokens; /* whole bytes; parts of one are in `at` */
  tern_time at;    /* up to when it was filled */
  bool is_started;
};

/* False: dropped. `rate` in bytes per second, not 0. */
bool tern_sim_policer_pass(struct tern_sim_policer *policer, uint64_t rate, uint64_t burst_bytes,
                           tern_time now, size_t len);

#endif
