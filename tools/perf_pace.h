/* SPDX-License-Identifier: MIT */
/* When jobs are due.
 *
 * With a rate, job i is due at start + i / rate whatever became of the jobs before it (an open loop),
 * and its latency counts from then: a server that stalls is charged for every request that should have
 * been on its way meanwhile. Without a rate a job is due when somebody is free to do it. */
#ifndef TERN_TOOLS_PERF_PACE_H
#define TERN_TOOLS_PERF_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/base.h>

struct tern_perf_pace {
  uint64_t total; /* UINT64_MAX = no end */
  double rate;    /* jobs per second; 0 = as fast as they are done */
  tern_time start_at;
  uint64_t issued;
};

/* Takes the next job if there is one and it is due; `*due_at` is from when its latency counts. */
bool tern_perf_pace_take(struct tern_perf_pace *pace, tern_time now, tern_time *due_at);
bool tern_perf_pace_is_over(const struct tern_perf_pace *pace);
/* When the next one is due; TERN_TIME_NEVER if there is none, 0 without a rate. */
tern_time tern_perf_pace_next_at(const struct tern_perf_pace *pace);

#endif
