/* SPDX-License-Identifier: MIT */
/* A plot is 400 units wide: marks left and below, the data in between.
 *
 *   (LEFT, TOP) ─────────── (RIGHT, TOP)
 *        |      data             |
 *   (LEFT, BOTTOM) ──────── (RIGHT, BOTTOM) */
#include "sim_plot.h"

#include <math.h>
#include <stdio.h>

#define WIDTH 400
#define HEIGHT 220
#define LEFT 46.0
#define RIGHT 392.0
#define TOP 12.0
#define BOTTOM 188.0

struct scale {
  double low, high, step;
  double from, to; /* in the picture */
  bool is_log;
};

double tern_plot_step(double span, unsigned marks)
{
  double rough = span / marks;
  if (!(rough > 0))
    return 1;
  double power = pow(10, floor(log10(rough)));
  double part = rough / power;
  return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static double place(const struct scale *scale, double value)
{
  double low = scale->low, high = scale->high;
  if (scale->is_log) {
    low = log10(low);
    high = log10(high);
    value = log10(value);
  }
  return scale->from + (value - low) / (high - low) * (scale->to - scale->from);
}

/* ---- scales ------------------------------------------------------------------------------ */

static void find_range(const struct tern_plot *plot, bool is_x, double *low, double *high)
{
  *low = INFINITY;
  *high = -INFINITY;
  for (size_t i = 0; i < plot->lines_count; i++) {
    const struct tern_plot_line *line = &plot->lines[i];
    for (size_t j = 0; j < line->count; j++) {
      double value = is_x ? line->points[j].x : line->points[j].y;
      if (isnan(value) || isnan(line->points[j].y))
        continue;
      *low = value < *low ? value : *low;
      *high = value > *high ? value : *high;
    }
  }
  if (*low > *high)
    *low = *high = 0;
}

static struct scale make_x(const struct tern_plot *plot)
{
  struct scale scale = {0, 0, 0, LEFT, RIGHT, false};
  find_range(plot, true, &scale.low, &scale.high);
  scale.is_log = plot->is_x_log && scale.low > 0 && scale.high > scale.low;
  if (!plot->from_data)
    scale.low = 0;
  if (plot->x_max > 0)
    scale.high = plot->x_max;
  if (!(scale.high > scale.low))
    scale.high = scale.low + 1;
  scale.step = tern_plot_step(scale.high - scale.low, 6);
  return scale;
}

static struct scale make_y(const struct tern_plot *plot)
{
  struct scale scale = {0, 0, 0, BOTTOM, TOP, false};
  find_range(plot, false, &scale.low, &scale.high);
  if (!plot->from_data || scale.low > 0.5 * scale.high)
    scale.low = plot->from_data ? scale.low : 0;
  if (scale.high < plot->y_min_top)
    scale.high = plot->y_min_top;
  if (!(scale.high > scale.low))
    scale.high = scale.low + 1;
  scale.step = tern_plot_step(scale.high - scale.low, 5);
  scale.low = floor(scale.low / scale.step) * scale.step;
  scale.high = ceil(scale.high / scale.step - 1e-9) * scale.step;
  return scale;
}

/* ---- marks ------------------------------------------------------------------------------- */

static void format_mark(double value, char *mark, size_t size)
{
  double magnitude = fabs(value);
  if (magnitude >= 9999.5 && magnitude < 1e6)
    snprintf(mark, size, "%.3gk", value * 1e-3);
  else if (magnitude >= 1e6)
    snprintf(mark, size, "%.3gM", value * 1e-6);
  else
    snprintf(mark, size, "%.4g", magnitude < 1e-12 ? 0 : value);
}

static void write_x_mark(struct tern_text *text, const struct scale *x, double value)
{
  char mark[32];
  double at = place(x, value);
  format_mark(value, mark, sizeof mark);
  tern_text_add(text, "<path class=\"grid\" d=\"M%.1f %.0fV%.0f\"/>", at, TOP, BOTTOM);
  tern_text_add(text, "<text class=\"mx\" x=\"%.1f\" y=\"%.0f\">%s</text>\n", at, BOTTOM + 14,
                mark);
}

static void write_x(struct tern_text *text, const struct scale *x)
{
  static const double parts[] = {1, 2, 5};
  if (!x->is_log) {
    int first = (int)ceil(x->low / x->step - 1e-9), last = (int)floor(x->high / x->step + 1e-9);
    for (int i = first; i <= last; i++)
      write_x_mark(text, x, i * x->step);
    return;
  }
  int per_decade = x->high > 100 * x->low ? 1 : 3;
  int first = (int)floor(log10(x->low)), last = (int)floor(log10(x->high));
  for (int i = 0; i < (last - first + 1) * per_decade; i++) {
    int decade = i / per_decade;
    double value = pow(10, (double)first + decade) * parts[i % per_decade];
    if (value >= x->low && value <= x->high)
      write_x_mark(text, x, value);
  }
}

static void write_y(struct tern_text *text, const struct scale *y)
{
  char mark[32];
  int count = (int)floor((y->high - y->low) / y->step + 0.5);
  for (int i = 0; i <= count; i++) {
    double value = y->low + i * y->step;
    double at = place(y, value);
    format_mark(value, mark, sizeof mark);
    tern_text_add(text, "<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/>", LEFT, at, RIGHT);
    tern_text_add(text, "<text class=\"my\" x=\"%.0f\" y=\"%.1f\">%s</text>\n", LEFT - 5, at + 4,
                  mark);
  }
}

/* ---- data -------------------------------------------------------------------------------- */

static void write_scatter(struct tern_text *text, const struct tern_plot_line *line,
                          const struct scale *x, const struct scale *y)
{
  tern_text_add(text, "<path class=\"dots c%u\" d=\"", line->color);
  for (size_t i = 0; i < line->count; i++)
    if (!isnan(line->points[i].y))
      tern_text_add(text, "M%.1f %.1fh0", place(x, line->points[i].x), place(y, line->points[i].y));
  tern_text_add(text, "\"/>\n");
}

/* What falls into one column of the picture is drawn as first, least, greatest and last: no peak is
 * missing and the file stays small. */
struct column {
  double at, first, low, high, last;
  bool is_used;
};

static void flush_column(struct tern_text *text, struct column *column, bool *is_joined)
{
  if (!column->is_used)
    return;
  tern_text_add(text, "%c%.1f %.1f", *is_joined ? 'L' : 'M', column->at, column->first);
  if (column->low < column->high)
    tern_text_add(text, "V%.1fV%.1fV%.1f", column->high, column->low, column->last);
  *is_joined = true;
  column->is_used = false;
}

static void add_to_column(struct column *column, double at, double y)
{
  if (!column->is_used) {
    column->at = at;
    column->first = column->low = column->high = y;
    column->is_used = true;
  }
  column->low = y < column->low ? y : column->low;
  column->high = y > column->high ? y : column->high;
  column->last = y;
}

static void write_line(struct tern_text *text, const struct tern_plot_line *line,
                       const struct scale *x, const struct scale *y)
{
  struct column column = {0};
  bool is_joined = false;
  tern_text_add(text, "<path class=\"line%s c%u\" d=\"", line->is_thin ? " thin" : "", line->color);
  for (size_t i = 0; i < line->count; i++) {
    const struct tern_plot_point *point = &line->points[i];
    if (isnan(point->y)) {
      flush_column(text, &column, &is_joined);
      is_joined = false;
      continue;
    }
    double at = floor(place(x, point->x) * 2) / 2;
    if (column.is_used && at > column.at)
      flush_column(text, &column, &is_joined);
    add_to_column(&column, at, place(y, point->y));
  }
  flush_column(text, &column, &is_joined);
  tern_text_add(text, "\"/>\n");
}

static void write_legend(struct tern_text *text, const struct tern_plot *plot)
{
  tern_text_add(text, "<p class=\"legend\">");
  for (size_t i = 0; i < plot->lines_count; i++) {
    const struct tern_plot_line *line = &plot->lines[i];
    if (line->name == NULL)
      continue;
    tern_text_add(
        text, "<span><svg viewBox=\"0 0 22 8\"><path class=\"line%s c%u\" d=\"M1 4H21\"/></svg>",
        line->is_thin ? " thin" : "", line->color);
    tern_text_add_html(text, line->name);
    tern_text_add(text, "</span> ");
  }
  tern_text_add(text, "</p>\n");
}

void tern_plot_write(struct tern_text *text, const struct tern_plot *plot)
{
  struct scale x = make_x(plot), y = make_y(plot);
  tern_text_add(text, "<figure>\n<h3>");
  tern_text_add_html(text, plot->title);
  tern_text_add(text, " <small>");
  tern_text_add_html(text, plot->y_unit);
  tern_text_add(text, "</small></h3>\n");
  write_legend(text, plot);
  tern_text_add(text, "<svg class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
                HEIGHT);
  tern_text_add_html(text, plot->title);
  tern_text_add(text, "\">\n");
  write_x(text, &x);
  write_y(text, &y);
  for (size_t i = 0; i < plot->lines_count; i++) {
    if (plot->lines[i].is_points)
      write_scatter(text, &plot->lines[i], &x, &y);
    else
      write_line(text, &plot->lines[i], &x, &y);
  }
  tern_text_add(text, "<text class=\"mx\" x=\"%.0f\" y=\"%d\">", (LEFT + RIGHT) / 2, HEIGHT - 4);
  tern_text_add_html(text, plot->x_unit);
  tern_text_add(text, "</text>\n</svg>\n<figcaption>");
  tern_text_add_html(text, plot->caption);
  tern_text_add(text, "</figcaption>\n</figure>\n");
}
