/* SPDX-License-Identifier: MIT */
/* The report of one run: what happened in a sentence or two, tables, then plots over time. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "sim_page.h"
#include "sim_plot.h"
#include "sim_report.h"

/* A rate over time is taken over this share of the run, so that single packets do not show. */
#define RATE_WINDOWS 100.0

/* ---- lines ------------------------------------------------------------------------------- */

static struct tern_plot_line *add_line(struct tern_plot *plot, const char *name, unsigned color,
                                       size_t count)
{
  struct tern_plot_line *line = &plot->lines[plot->lines_count++];
  memset(line, 0, sizeof *line);
  line->name = name;
  line->color = color;
  line->points = tern_cli_take(count, sizeof *line->points);
  return line;
}

struct source {
  const struct tern_series *series;
  const char *name;
  size_t column;
  double factor;
  unsigned color;
};

static void add_values(struct tern_plot *plot, const struct source *source)
{
  if (plot->lines_count == TERN_PLOT_LINES_MAX)
    return;
  const struct tern_series *series = source->series;
  struct tern_plot_line *line = add_line(plot, source->name, source->color, series->count);
  for (size_t i = 0; i < series->count; i++) {
    line->points[i].x = series->rows[i][0];
    line->points[i].y = series->rows[i][source->column] * source->factor;
  }
  line->count = series->count;
}

/* The slope of a column that counts up; flat ends are left out. */
static void add_rates(struct tern_plot *plot, const struct source *source, double window_s)
{
  const struct tern_series *series = source->series;
  if (plot->lines_count == TERN_PLOT_LINES_MAX || series->count == 0)
    return;
  struct tern_plot_line *line = add_line(plot, source->name, source->color, series->count);
  double end = series->rows[series->count - 1][source->column];
  for (size_t i = 0, from = 0; i < series->count; i++) {
    double now = series->rows[i][0];
    while (now - series->rows[from][0] > window_s)
      from++;
    double span = now - series->rows[from][0];
    double slope = (series->rows[i][source->column] - series->rows[from][source->column]) / span;
    bool is_over = series->rows[from][source->column] >= end;
    line->points[line->count].x = now;
    line->points[line->count++].y = is_over || !(span > 0) ? NAN : slope * source->factor;
  }
}

static void finish_plot(struct tern_text *text, struct tern_plot *plot)
{
  tern_plot_write(text, plot);
  for (size_t i = 0; i < plot->lines_count; i++)
    free(plot->lines[i].points);
}

static struct tern_plot begin_plot(const struct tern_trial *trial, const char *title,
                                   const char *unit, const char *caption)
{
  struct tern_plot plot = {.title = title, .y_unit = unit, .caption = caption, .x_unit = "seconds"};
  plot.x_max = tern_trial_seconds(trial);
  return plot;
}

static unsigned color_of(size_t index)
{
  return index < TERN_PLOT_COLORS - 1 ? (unsigned)index : TERN_PLOT_COLORS - 1;
}

/* ---- plots ------------------------------------------------------------------------------- */

static void plot_flows(struct tern_text *text, const struct tern_trial *trial,
                       struct tern_plot plot, size_t column, double factor)
{
  for (size_t i = 0; i < trial->flows_count; i++) {
    const struct tern_flow *flow = &trial->flows[i];
    struct source source = {&flow->series, flow->spec->name, column, factor, color_of(i)};
    add_values(&plot, &source);
  }
  finish_plot(text, &plot);
}

static void plot_goodput(struct tern_text *text, const struct tern_trial *trial)
{
  struct tern_plot plot = begin_plot(
      trial, "Goodput", "Mbit/s",
      "Content that arrived for the application, per second. The dashed line is what the "
      "slowest link could carry with no headers at all; peaks above it are data that had waited "
      "for a "
      "lost packet.");
  double seconds = tern_trial_seconds(trial);
  uint64_t rate = 0;
  for (size_t i = 0; i < trial->flows_count; i++) {
    const struct tern_flow *flow = &trial->flows[i];
    struct source source = {&flow->series, flow->spec->name, TERN_FLOW_DELIVERED, 8e-6,
                            color_of(i)};
    add_rates(&plot, &source, seconds / RATE_WINDOWS);
  }
  for (size_t i = 0; i < trial->scenario->links_count; i++) {
    uint64_t of_link = trial->scenario->links[i].rate.low;
    rate = of_link != 0 && (rate == 0 || of_link < rate) ? of_link : rate;
  }
  if (rate != 0 && plot.lines_count < TERN_PLOT_LINES_MAX) {
    struct tern_plot_line *line = add_line(&plot, "link", TERN_PLOT_COLORS - 1, 2);
    line->points[0].x = 0;
    line->points[1].x = seconds;
    line->points[0].y = line->points[1].y = (double)rate * 8e-6;
    line->count = 2;
    line->is_thin = true;
  }
  finish_plot(text, &plot);
}

/* With one flow, window and what is in flight share a plot. */
static void plot_windows(struct tern_text *text, const struct tern_trial *trial)
{
  struct tern_plot window = begin_plot(
      trial, "Congestion window", "KiB",
      "How much the sender allows itself to have on the way, unacknowledged. It grows while things "
      "go well and is cut when the network shows that it is full.");
  struct tern_plot flight = begin_plot(
      trial, "In flight", "KiB",
      "What was really on the way: below the window when the sender had nothing to send or "
      "waited for its pacer.");
  plot_flows(text, trial, window, TERN_FLOW_WINDOW, 1.0 / 1024);
  plot_flows(text, trial, flight, TERN_FLOW_IN_FLIGHT, 1.0 / 1024);
}

static void plot_rtt(struct tern_text *text, const struct tern_trial *trial)
{
  struct tern_plot plot =
      begin_plot(trial, "Round trip", "ms",
                 "From sending a packet to hearing that it arrived. What exceeds the flat floor is "
                 "time spent waiting in queues.");
  plot_flows(text, trial, plot, TERN_FLOW_RTT, 1);
}

static void plot_losses(struct tern_text *text, const struct tern_trial *trial)
{
  struct tern_plot plot = begin_plot(trial, "Retransmissions", "packets so far",
                                     "Packets that the sender took for lost; what they carried was "
                                     "sent again. Steps are bursts of "
                                     "loss.");
  plot_flows(text, trial, plot, TERN_FLOW_LOST, 1);
}

static void plot_links(struct tern_text *text, const struct tern_trial *trial,
                       struct tern_plot plot, size_t column, double factor)
{
  unsigned color = 0;
  for (size_t i = 0; i < trial->scenario->links_count; i++) {
    const struct tern_trial_link *entry = &trial->links[i];
    double most = 0;
    for (size_t j = 0; j < entry->series.count; j++)
      most = fmax(most, entry->series.rows[j][column]);
    if (!(most > 0))
      continue;
    struct source source = {&entry->series, trial->scenario->links[i].name, column, factor,
                            color_of(color++)};
    add_values(&plot, &source);
  }
  finish_plot(text, &plot);
}

static void write_plots(struct tern_text *text, const struct tern_trial *trial)
{
  tern_text_add(text, "<h2>Over time</h2>\n<div class=\"cards\">\n");
  plot_goodput(text, trial);
  plot_windows(text, trial);
  plot_rtt(text, trial);
  plot_links(text, trial,
             begin_plot(trial, "Queue", "ms of waiting",
                        "How long a datagram that comes now waits before the link sends it. A link "
                        "that never queues is left out."),
             TERN_LINK_WAIT, 1);
  plot_losses(text, trial);
  plot_links(text, trial,
             begin_plot(trial, "Dropped by the network", "datagrams so far",
                        "What the links threw away: random loss, full queues, outages."),
             TERN_LINK_DROPS, 1);
  for (size_t i = 0; i < trial->scenario->links_count; i++) {
    if (trial->links[i].link->stats.marked_ce == 0)
      continue;
    plot_links(
        text, trial,
        begin_plot(trial, "Congestion marks", "datagrams so far",
                   "Datagrams that a link marked (ECN) to say that it is full, in place of a "
                   "drop."),
        TERN_LINK_MARKS, 1);
    break;
  }
  tern_text_add(text, "</div>\n");
}

/* ---- tables ------------------------------------------------------------------------------ */

static void add_cell(struct tern_text *text, void (*write)(struct tern_text *, double),
                     double value)
{
  tern_text_add(text, "<td>");
  write(text, value);
  tern_text_add(text, "</td>");
}

static void write_count(struct tern_text *text, double value)
{
  tern_text_add(text, "%.0f", value);
}

static void write_percent(struct tern_text *text, double value)
{
  if (isnan(value))
    tern_text_add(text, "-");
  else
    tern_text_add(text, "%.2f %%", value * 100);
}

static void write_flow(struct tern_text *text, struct tern_flow *flow)
{
  const tern_conn_stats *stats = &flow->sender;
  tern_text_add(text, "<tr><td>");
  tern_text_add_html(text, flow->spec->name);
  if (flow->why[0] != '\0') {
    tern_text_add(text, " <span class=\"bad\">");
    tern_text_add_html(text, flow->why);
    tern_text_add(text, "</span>");
  }
  tern_text_add(text, "</td><td>%s</td>", tern_workload_name(flow->spec->workload));
  add_cell(text, tern_report_bytes, (double)flow->content_bytes);
  tern_text_add(text, "<td>%.3f s</td>", tern_flow_seconds(flow));
  add_cell(text, tern_report_rate, tern_flow_goodput(flow));
  add_cell(text, tern_report_ms, (double)flow->handshake_ns * 1e-6);
  add_cell(text, write_count, (double)stats->packets_sent);
  add_cell(text, write_percent,
           stats->packets_sent == 0 ? 0
                                    : (double)stats->packets_lost / (double)stats->packets_sent);
  add_cell(text, tern_report_ms, (double)stats->rtt_min_ns * 1e-6);
  add_cell(text, tern_report_ms, tern_sim_samples_quantile(&flow->times, 0.5));
  add_cell(text, tern_report_ms, tern_sim_samples_quantile(&flow->times, 0.99));
  add_cell(text, tern_report_ms, (double)flow->silence_ns * 1e-6);
  tern_text_add(text, "</tr>\n");
}

static void write_flows(struct tern_text *text, struct tern_trial *trial)
{
  static const char *const heads[] = {
      "Flow", "Workload",  "Content", "Time",        "Goodput",         "Handshake", "Packets",
      "Lost", "Least RTT", "Median",  "99 % within", "Longest silence", NULL};
  tern_text_add(text, "<h2>Flows</h2>\n");
  tern_page_table(text, heads);
  for (size_t i = 0; i < trial->flows_count; i++)
    write_flow(text, &trial->flows[i]);
  tern_page_table_end(text);
  tern_text_add(text, "<p><small>Median and 99 %%: time of a response, or delay of a datagram. "
                      "Silence: time without new content for the application.</small></p>\n");
}

static void write_settings(struct tern_text *text, struct tern_link_spec spec)
{
  char value[TERN_VALUE_TEXT_MAX];
  bool is_first = true;
  for (const struct tern_setting *setting = tern_link_settings; setting->name != NULL; setting++) {
    const struct tern_value *it = tern_setting_value(setting, &spec);
    if (it->low == 0)
      continue;
    tern_text_add(text, "%s%s %s", is_first ? "" : ", ", setting->name,
                  tern_setting_format(setting, it, value, sizeof value));
    is_first = false;
  }
}

static void write_link(struct tern_text *text, struct tern_trial *trial, size_t index)
{
  struct tern_trial_link *entry = &trial->links[index];
  const struct tern_sim_link_stats *stats = &entry->link->stats;
  tern_text_add(text, "<tr><td>");
  tern_text_add_html(text, trial->scenario->links[index].name);
  tern_text_add(text, "</td>");
  add_cell(text, write_percent, tern_trial_utilisation(trial, index));
  add_cell(text, tern_report_ms, tern_sim_samples_quantile(&entry->waits, 0.5));
  add_cell(text, tern_report_ms, tern_sim_samples_quantile(&entry->waits, 0.99));
  add_cell(text, write_count, (double)stats->datagrams_in);
  add_cell(text, write_count, (double)stats->lost);
  add_cell(text, write_count, (double)stats->dropped_queue);
  add_cell(text, write_count,
           (double)(stats->dropped_mtu + stats->dropped_outage + stats->dropped_policer));
  add_cell(text, write_count, (double)stats->marked_ce);
  tern_text_add(text, "</tr>\n<tr><td class=\"text\" colspan=\"9\"><small>");
  write_settings(text, trial->scenario->links[index]);
  tern_text_add(text, "</small></td></tr>\n");
}

static void write_links(struct tern_text *text, struct tern_trial *trial)
{
  static const char *const heads[] = {"Link",      "Used", "Median wait", "99 % within",
                                      "Datagrams", "Lost", "Queue full",  "Policer, size, outage",
                                      "Marked",    NULL};
  tern_text_add(text, "<h2>Links</h2>\n");
  tern_page_table(text, heads);
  for (size_t i = 0; i < trial->scenario->links_count; i++)
    write_link(text, trial, i);
  tern_page_table_end(text);
}

/* ---- page -------------------------------------------------------------------------------- */

static void write_intro(struct tern_text *text, const struct tern_trial *trial)
{
  double shares[TERN_SCENARIO_FLOWS_MAX], bytes = 0;
  size_t failed = 0;
  for (size_t i = 0; i < trial->flows_count; i++) {
    shares[i] = tern_flow_goodput(&trial->flows[i]);
    bytes += (double)trial->flows[i].content_bytes;
    failed += trial->flows[i].why[0] != '\0';
  }
  tern_text_add(text, "<p>%zu connection%s brought ", trial->flows_count,
                trial->flows_count == 1 ? "" : "s");
  tern_report_bytes(text, bytes);
  tern_text_add(text, " in %.3f s of simulated time.", tern_trial_seconds(trial));
  if (failed != 0)
    tern_text_add(text, " <span class=\"bad\">%zu did not complete.</span>", failed);
  if (trial->flows_count > 1)
    tern_text_add(text, " Shares were fair to %.3f (Jain's index; 1 means that all got the same).",
                  tern_jain_index(shares, trial->flows_count));
  tern_text_add(text, "</p>\n");
}

void tern_report_html(struct tern_text *text, struct tern_trial *trial, const char *command)
{
  struct tern_text replay = {0};
  tern_text_add(&replay, "%s --seed %" PRIu64, command, trial->scenario->seed);
  tern_page_begin(text, trial->scenario->name);
  write_intro(text, trial);
  tern_page_command(text, "The same run again:", replay.data);
  write_flows(text, trial);
  write_links(text, trial);
  write_plots(text, trial);
  tern_page_end(text);
  tern_text_deinit(&replay);
}
