/* SPDX-License-Identifier: MIT */
/* The progress line. */
#include "progress.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BAR_MAX 40
#define BAR_MIN 10
#define NUMBERS_MAX 96
#define SECOND_NS UINT64_C(1000000000)
#define RATE_MAX 1e18 /* so that it fits */

char *tern_progress_format_bytes(uint64_t bytes, char *text, size_t size)
{
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  double value = (double)bytes;
  while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
    value /= 1024;
    unit++;
  }
  snprintf(text, size, unit > 0 && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

static uint64_t rate_of(const struct tern_progress *progress)
{
  double seconds = (double)progress->elapsed_ns / (double)SECOND_NS;
  double rate = seconds > 0 ? (double)progress->done_bytes / seconds : 0;
  return rate < RATE_MAX ? (uint64_t)rate : (uint64_t)RATE_MAX;
}

static void format_numbers(const struct tern_progress *progress, char *text, size_t size)
{
  char done[32], speed[32], left[48] = "";
  uint64_t rate = rate_of(progress);
  tern_progress_format_bytes(progress->done_bytes, done, sizeof done);
  tern_progress_format_bytes(rate, speed, sizeof speed);
  if (progress->total_bytes != UINT64_MAX && rate > 0 &&
      progress->total_bytes >= progress->done_bytes) {
    uint64_t seconds = (progress->total_bytes - progress->done_bytes) / rate;
    snprintf(left, sizeof left, "  %" PRIu64 ":%02u left", seconds / 60, (unsigned)(seconds % 60));
  }
  snprintf(text, size, "%s  %s/s%s", done, speed, left);
}

/* "[====>   ]" with `width` characters between the brackets. */
static void format_bar(char *text, size_t width, double share)
{
  size_t full = (size_t)(share * (double)width);
  text[0] = '[';
  memset(text + 1, ' ', width);
  memset(text + 1, '=', full);
  if (full < width)
    text[1 + full] = '>';
  text[1 + width] = ']';
  text[2 + width] = '\0';
}

void tern_progress_format(const struct tern_progress *progress, char *text, size_t size)
{
  char numbers[NUMBERS_MAX], bar[BAR_MAX + 3] = "";
  size_t columns = progress->columns < size ? progress->columns : size;
  format_numbers(progress, numbers, sizeof numbers);
  bool has_share = progress->total_bytes != UINT64_MAX && progress->total_bytes > 0;
  double share = has_share ? (double)progress->done_bytes / (double)progress->total_bytes : 0;
  if (share > 1)
    share = 1;
  size_t used = strlen(numbers) + sizeof "[] 100%  ";
  if (!has_share || columns < used + BAR_MIN) {
    snprintf(text, columns, "%s", numbers);
    return;
  }
  size_t width = columns - used < BAR_MAX ? columns - used : BAR_MAX;
  format_bar(bar, width, share);
  snprintf(text, columns, "%s %3.0f%%  %s", bar, share * 100, numbers);
}
