/* SPDX-License-Identifier: MIT */
/* A table of numbers over time that does not outgrow TERN_SERIES_ROWS_MAX: when it is full, the caller
 * thins all of its tables, every second row, and samples half as often. */
#ifndef TERN_TOOLS_SIM_SERIES_H
#define TERN_TOOLS_SIM_SERIES_H

#include <stddef.h>
#include <stdint.h>

#define TERN_SERIES_ROWS_MAX 2048
#define TERN_SERIES_COLUMNS_MAX 8

struct tern_series {
  double (*rows)[TERN_SERIES_COLUMNS_MAX]; /* column 0 is the time in seconds */
  size_t count;
};

void tern_series_deinit(struct tern_series *series);
/* A row of zeros to fill in. The table is not full. */
double *tern_series_add(struct tern_series *series);
/* Keeps rows 0, 2, 4 ... */
void tern_series_thin(struct tern_series *series);

#endif
