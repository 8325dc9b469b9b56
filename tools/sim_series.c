/* SPDX-License-Identifier: MIT */
/* Rows over time. */
#include "sim_series.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

void tern_series_deinit(struct tern_series *series)
{
  free(series->rows);
  memset(series, 0, sizeof *series);
}

double *tern_series_add(struct tern_series *series)
{
  if (series->rows == NULL)
    series->rows = tern_cli_take(TERN_SERIES_ROWS_MAX, sizeof *series->rows);
  return series->rows[series->count++];
}

void tern_series_thin(struct tern_series *series)
{
  size_t kept = (series->count + 1) / 2;
  for (size_t i = 1; i < kept; i++)
    memcpy(series->rows[i], series->rows[2 * i], sizeof *series->rows);
  if (series->rows != NULL)
    memset(series->rows[kept], 0, (TERN_SERIES_ROWS_MAX - kept) * sizeof *series->rows);
  series->count = kept;
}
