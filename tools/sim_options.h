/* SPDX-License-Identifier: MIT */
/* The command line of `tern sim`. */
#ifndef TERN_TOOLS_SIM_OPTIONS_H
#define TERN_TOOLS_SIM_OPTIONS_H

#include "sim_scenario.h"
#include "text.h"

#define TERN_SIM_RUNS_MAX 10000000

struct tern_sim_options {
  struct tern_scenario scenario;
  const char *file; /* NULL = all from flags */
  const char *csv, *json, *html, *qlog;
  uint64_t runs, jobs;
  bool is_quiet;
  bool is_help;             /* --help was asked for and given */
  struct tern_text command; /* as it was given, without output files, runs and seed */
};

/* An exit code; says what is wrong. tern_sim_options_deinit afterwards in any case. */
int tern_sim_options_parse(struct tern_sim_options *options, int argc, char **argv);
void tern_sim_options_deinit(struct tern_sim_options *options);

#endif
