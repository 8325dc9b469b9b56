/* SPDX-License-Identifier: MIT */
/* Open or closed loop. */
#include "perf_pace.h"

bool tern_perf_pace_is_over(const struct tern_perf_pace *pace)
{
  return pace->issued >= pace->total;
}

tern_time tern_perf_pace_next_at(const struct tern_perf_pace *pace)
{
  if (tern_perf_pace_is_over(pace))
    return TERN_TIME_NEVER;
  if (pace->rate <= 0)
    return 0;
  return pace->start_at + (tern_time)((double)pace->issued * (double)TERN_SECOND / pace->rate);
}

bool tern_perf_pace_take(struct tern_perf_pace *pace, tern_time now, tern_time *due_at)
{
  tern_time next_at = tern_perf_pace_next_at(pace);
  if (next_at > now)
    return false;
  *due_at = next_at == 0 ? now : next_at;
  pace->issued++;
  return true;
}
