/* SPDX-License-Identifier: MIT */
/* A study on the terminal, as CSV, as JSON and as a page. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "cli.h"
#include "sim_page.h"
#include "sim_plot.h"
#include "sim_report.h"
#include "sim_study.h"

/* Weaker relations are not worth a line; scatter plots are for the clear ones. */
#define RELATION_MIN 0.1
#define SCATTER_MIN 0.25
#define SCATTERS_MAX 18
#define SCATTER_POINTS 800

static const double shares[] = {0, 0.05, 0.5, 0.95, 1};

static struct tern_sim_samples take_samples(const struct tern_study *study,
                                            enum tern_study_result result)
{
  struct tern_sim_samples samples = {0};
  for (size_t i = 0; i < study->runs_count; i++)
    if (!study->runs[i].is_failed && !isnan(study->runs[i].results[result]))
      tern_sim_samples_add(&samples, study->runs[i].results[result]);
  return samples;
}

/* ---- terminal ---------------------------------------------------------------------------- */

static void add_spread(struct tern_text *text, const struct tern_study *study)
{
  tern_text_add(text, "%-20s %12s %12s %12s %12s %12s\n", "", "least", "5 %", "median", "95 %",
                "most");
  for (int result = 0; result < TERN_STUDY_RESULTS; result++) {
    struct tern_sim_samples samples = take_samples(study, (enum tern_study_result)result);
    if (samples.count != 0) {
      tern_text_add(text, "%-20s", tern_study_result_name((enum tern_study_result)result));
      for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        tern_text_add(text, " %12.4g", tern_sim_samples_quantile(&samples, shares[i]));
      tern_text_add(text, "\n");
    }
    tern_sim_samples_deinit(&samples);
  }
}

static void add_relations(struct tern_text *text, const struct tern_study *study)
{
  if (study->inputs_count != 0)
    tern_text_add(text,
                  "\nrank correlation (1: both rise together, -1: one falls as the other "
                  "rises), where above %.1f:\n",
                  RELATION_MIN);
  for (int result = 0; result < TERN_STUDY_RESULTS; result++) {
    for (size_t i = 0; i < study->inputs_count; i++) {
      double rho = tern_study_correlate(study, i, (enum tern_study_result)result);
      if (fabs(rho) >= RELATION_MIN)
        tern_text_add(text, "  %-20s %-28s %+.2f\n",
                      tern_study_result_name((enum tern_study_result)result), study->inputs[i].name,
                      rho);
    }
  }
}

void tern_study_text(struct tern_text *text, const struct tern_study *study)
{
  size_t worst[TERN_STUDY_WORST];
  size_t count = tern_study_worst(study, worst);
  tern_text_add(text, "%zu runs, %zu failed, in %.1f s\n\n", study->runs_count, study->failed,
                (double)study->wall_ns * 1e-9);
  add_spread(text, study);
  add_relations(text, study);
  tern_text_add(text, "\nworst, by failure and by longest silence:\n");
  for (size_t i = 0; i < count; i++) {
    const struct tern_study_run *run = &study->runs[worst[i]];
    tern_text_add(text, "  %s --seed %" PRIu64 "   # ", study->options->command.data, run->seed);
    if (run->is_failed)
      tern_text_add(text, "%s\n", run->why);
    else
      tern_text_add(text, "silent for %.0f ms\n", run->results[TERN_STUDY_SILENCE]);
  }
}

/* ---- for programs ------------------------------------------------------------------------ */

void tern_study_csv(struct tern_text *text, const struct tern_study *study)
{
  tern_text_add(text, "seed,failed");
  for (size_t i = 0; i < study->inputs_count; i++)
    tern_text_add(text, ",%s", study->inputs[i].name);
  for (int i = 0; i < TERN_STUDY_RESULTS; i++)
    tern_text_add(text, ",%s", tern_study_result_name((enum tern_study_result)i));
  for (size_t i = 0; i < study->runs_count; i++) {
    const struct tern_study_run *run = &study->runs[i];
    tern_text_add(text, "\n%" PRIu64 ",%d", run->seed, run->is_failed);
    for (size_t j = 0; j < study->inputs_count; j++)
      tern_text_add(text, ",%.10g", run->inputs[j]);
    for (size_t j = 0; j < TERN_STUDY_RESULTS; j++)
      tern_text_add(text, isnan(run->results[j]) ? "," : ",%.10g", run->results[j]);
  }
  tern_text_add(text, "\n");
}

void tern_study_json(struct tern_text *text, const struct tern_study *study)
{
  static const char *const names[] = {"least", "p5", "median", "p95", "most"};
  tern_text_add(text, "{\"runs\": %zu, \"failed\": %zu, \"results\": {", study->runs_count,
                study->failed);
  for (int result = 0; result < TERN_STUDY_RESULTS; result++) {
    struct tern_sim_samples samples = take_samples(study, (enum tern_study_result)result);
    tern_text_add(text, "%s\n ", result == 0 ? "" : ",");
    tern_report_json_string(text, tern_study_result_name((enum tern_study_result)result));
    tern_text_add(text, ": {");
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
      tern_text_add(text, i == 0 ? "" : ", ");
      tern_report_json_number(text, names[i], tern_sim_samples_quantile(&samples, shares[i]));
    }
    for (size_t i = 0; i < study->inputs_count; i++) {
      tern_text_add(text, i == 0 ? ", \"rank_correlation\": {" : ", ");
      tern_report_json_number(text, study->inputs[i].name,
                              tern_study_correlate(study, i, (enum tern_study_result)result));
    }
    tern_text_add(text, study->inputs_count == 0 ? "}" : "}}");
    tern_sim_samples_deinit(&samples);
  }
  tern_text_add(text, "}}\n");
}

/* ---- page -------------------------------------------------------------------------------- */

static void plot_spread(struct tern_text *text, const struct tern_study *study,
                        enum tern_study_result result)
{
  struct tern_sim_samples samples = take_samples(study, result);
  struct tern_plot plot = {.title = tern_study_result_name(result),
                           .y_unit = "% of the runs",
                           .x_unit = tern_study_result_name(result),
                           .from_data = true,
                           .caption = "So many of the runs stayed at or below the value."};
  struct tern_plot_point points[201];
  for (int i = 0; samples.count != 0 && i <= 200; i++) {
    points[i].x = tern_sim_samples_quantile(&samples, i / 200.0);
    points[i].y = i / 2.0;
  }
  if (samples.count != 0) {
    plot.lines[0].points = points;
    plot.lines[0].count = 201;
    plot.lines_count = 1;
    tern_plot_write(text, &plot);
  }
  tern_sim_samples_deinit(&samples);
}

static void plot_relation(struct tern_text *text, const struct tern_study *study, size_t input,
                          enum tern_study_result result)
{
  struct tern_text caption = {0};
  struct tern_plot plot = {.title = tern_study_result_name(result),
                           .x_unit = study->inputs[input].name,
                           .y_unit = "",
                           .from_data = true,
                           .is_x_log = true};
  size_t step = study->runs_count / SCATTER_POINTS + 1;
  struct tern_plot_line *line = &plot.lines[plot.lines_count++];
  line->points = tern_cli_take(study->runs_count, sizeof *line->points);
  line->is_points = true;
  for (size_t i = 0; i < study->runs_count; i += step) {
    const struct tern_study_run *run = &study->runs[i];
    if (run->is_failed || isnan(run->results[result]))
      continue;
    line->points[line->count].x = run->inputs[input];
    line->points[line->count++].y = run->results[result];
  }
  tern_text_add(&caption, "Against %s; rank correlation %+.2f.", study->inputs[input].name,
                tern_study_correlate(study, input, result));
  plot.caption = caption.data;
  tern_plot_write(text, &plot);
  free(line->points);
  tern_text_deinit(&caption);
}

static void write_relations(struct tern_text *text, const struct tern_study *study)
{
  unsigned written = 0;
  tern_text_add(text,
                "<h2>What moves what</h2>\n<p>One dot per run, for the relations whose rank "
                "correlation is at least %.2f. +1 means that both always rise together, -1 that "
                "one falls when the other rises, 0 that they have nothing to do with each "
                "other.</p>\n<div class=\"cards\">\n",
                SCATTER_MIN);
  for (int result = 0; result < TERN_STUDY_RESULTS; result++)
    for (size_t i = 0; i < study->inputs_count && written < SCATTERS_MAX; i++)
      if (fabs(tern_study_correlate(study, i, (enum tern_study_result)result)) >= SCATTER_MIN) {
        plot_relation(text, study, i, (enum tern_study_result)result);
        written++;
      }
  tern_text_add(text, "</div>\n");
}

static void write_worst(struct tern_text *text, const struct tern_study *study)
{
  static const char *const heads[] = {"Seed", "Time", "Silence", "Goodput", "Again", NULL};
  size_t worst[TERN_STUDY_WORST];
  size_t count = tern_study_worst(study, worst);
  tern_text_add(text,
                "<h2>The worst runs</h2>\n<p>Failed ones first, then those that brought nothing "
                "for the longest time.</p>\n");
  tern_page_table(text, heads);
  for (size_t i = 0; i < count; i++) {
    const struct tern_study_run *run = &study->runs[worst[i]];
    tern_text_add(text,
                  "<tr><td>%" PRIu64 "</td><td>%.2f s</td><td>%.0f ms</td>"
                  "<td>%.2f Mbit/s</td><td class=\"text\"><code>",
                  run->seed, run->results[TERN_STUDY_TIME], run->results[TERN_STUDY_SILENCE],
                  run->results[TERN_STUDY_GOODPUT]);
    tern_text_add_html(text, study->options->command.data);
    tern_text_add(text, " --seed %" PRIu64 "</code> <span class=\"bad\">", run->seed);
    tern_text_add_html(text, run->why);
    tern_text_add(text, "</span></td></tr>\n");
  }
  tern_page_table_end(text);
}

void tern_study_html(struct tern_text *text, const struct tern_study *study)
{
  tern_page_begin(text, study->options->scenario.name);
  tern_text_add(text, "<p>%zu runs with seeds from %" PRIu64 " on; %s%zu failed%s.</p>\n",
                study->runs_count, study->options->scenario.seed,
                study->failed != 0 ? "<span class=\"bad\">" : "", study->failed,
                study->failed != 0 ? "</span>" : "");
  tern_page_command(text, "Each run:", study->options->command.data);
  tern_text_add(text, "<h2>How the results are spread</h2>\n<div class=\"cards\">\n");
  for (int i = 0; i < TERN_STUDY_RESULTS; i++)
    plot_spread(text, study, (enum tern_study_result)i);
  tern_text_add(text, "</div>\n");
  write_relations(text, study);
  write_worst(text, study);
  tern_page_end(text);
}
