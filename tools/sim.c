/* SPDX-License-Identifier: MIT */
/* `tern sim`: one run or many of a scenario. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "sim_options.h"
#include "sim_report.h"
#include "sim_study.h"

static uint64_t clock_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * TERN_SECOND + (uint64_t)now.tv_nsec;
}

static bool save(const char *path, struct tern_text *text)
{
  bool is_good = path == NULL || tern_report_save(path, text);
  tern_text_deinit(text);
  return is_good;
}

static bool report(const struct tern_sim_options *options, struct tern_trial *trial,
                   uint64_t wall_ns)
{
  struct tern_text summary = {0}, csv = {0}, json = {0}, html = {0};
  if (!options->is_quiet)
    tern_report_text(&summary, trial, wall_ns);
  if (options->csv != NULL)
    tern_report_csv(&csv, trial);
  if (options->json != NULL)
    tern_report_json(&json, trial);
  if (options->html != NULL)
    tern_report_html(&html, trial, options->command.data);
  bool is_good = save(options->is_quiet ? NULL : "-", &summary);
  is_good = save(options->csv, &csv) && is_good;
  is_good = save(options->json, &json) && is_good;
  return save(options->html, &html) && is_good;
}

static int run_once(const struct tern_sim_options *options)
{
  struct tern_scenario drawn;
  struct tern_trial trial;
  int result = TERN_EXIT_OK;
  bool wants_series = options->csv != NULL || options->html != NULL;
  if (options->qlog != NULL && !tern_qlog_files_make_folder(options->qlog)) {
    tern_cli_say(TERN_SIM_WHO, "cannot write qlog into %s: %s", options->qlog, strerror(errno));
    return TERN_EXIT_LOCAL;
  }
  tern_scenario_draw(&options->scenario, options->scenario.seed, &drawn);
  uint64_t started = clock_ns();
  if (!tern_trial_run(&trial, &drawn, wants_series, options->qlog)) {
    tern_cli_say(TERN_SIM_WHO, "%s", trial.fault);
    result = TERN_EXIT_LOCAL;
  } else if (!report(options, &trial, clock_ns() - started)) {
    result = TERN_EXIT_LOCAL;
  }
  for (size_t i = 0; result == TERN_EXIT_OK && i < trial.flows_count; i++)
    if (trial.flows[i].why[0] != '\0')
      result = TERN_EXIT_TRANSFER;
  tern_trial_deinit(&trial);
  return result;
}

static int run_many(const struct tern_sim_options *options)
{
  struct tern_text summary = {0}, csv = {0}, json = {0}, html = {0};
  struct tern_study study;
  uint64_t started = clock_ns();
  bool is_good = tern_study_run_all(&study, options);
  study.wall_ns = clock_ns() - started;
  if (is_good) {
    tern_study_text(&summary, &study);
    tern_study_csv(&csv, &study);
    tern_study_json(&json, &study);
    tern_study_html(&html, &study);
    is_good = save(options->is_quiet ? NULL : "-", &summary);
    is_good = save(options->csv, &csv) && is_good;
    is_good = save(options->json, &json) && is_good;
    is_good = save(options->html, &html) && is_good;
  } else {
    tern_cli_say(TERN_SIM_WHO, "the jobs could not be started");
  }
  bool has_failed = study.failed != 0;
  tern_study_deinit(&study);
  return !is_good ? TERN_EXIT_LOCAL : has_failed ? TERN_EXIT_TRANSFER : TERN_EXIT_OK;
}

int tern_sim_main(int argc, char **argv)
{
  struct tern_sim_options options;
  int result = tern_sim_options_parse(&options, argc, argv);
  if (result == TERN_EXIT_OK && !options.is_help)
    result = options.runs > 1 ? run_many(&options) : run_once(&options);
  tern_sim_options_deinit(&options);
  return result;
}
