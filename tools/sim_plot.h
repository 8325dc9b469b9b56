/* SPDX-License-Identifier: MIT */
/* Plots as inline SVG: lines over time, scatter plots, histograms. Sizes suit a card of 300 to 600 pixels
 * in width, which is what a phone has and what three columns of a laptop give. Colours are classes
 * (c0 to c7), so that the page's style sheet can have two themes. */
#ifndef TERN_TOOLS_SIM_PLOT_H
#define TERN_TOOLS_SIM_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

#define TERN_PLOT_LINES_MAX 12
#define TERN_PLOT_COLORS 8

/* `y` NaN = a gap. */
struct tern_plot_point {
  double x, y;
};

struct tern_plot_line {
  const char *name; /* NULL = not in the legend */
  struct tern_plot_point *points;
  size_t count;
  unsigned color;
  bool is_thin;   /* something to compare with */
  bool is_points; /* scattered, not joined */
};

struct tern_plot {
  const char *title;
  const char *caption; /* what it shows, for people who do not know the words */
  const char *x_unit, *y_unit;
  double x_max;     /* 0 = of the points */
  double y_min_top; /* the y axis goes at least so far */
  bool from_data;   /* axes begin at the least value, not at 0 */
  bool is_x_log;
  struct tern_plot_line lines[TERN_PLOT_LINES_MAX];
  size_t lines_count;
};

/* A <figure> with title, legend, plot and caption. */
void tern_plot_write(struct tern_text *text, const struct tern_plot *plot);

/* A distance between marks of 1, 2 or 5 times a power of ten, for about `marks` of them. */
double tern_plot_step(double span, unsigned marks);

#endif
