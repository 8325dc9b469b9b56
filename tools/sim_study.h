/* SPDX-License-Identifier: MIT */
/* Many runs of a scenario with ranges, each with a seed of its own, and what they say together: how the
 * results are spread, which input moves which result, and which seeds are the worst. */
#ifndef TERN_TOOLS_SIM_STUDY_H
#define TERN_TOOLS_SIM_STUDY_H

#include "sim_options.h"
#include "sim_trial.h"

#define TERN_STUDY_INPUTS_MAX 24
#define TERN_STUDY_WORST 10

enum tern_study_result {
  TERN_STUDY_TIME,        /* s, of the slowest flow */
  TERN_STUDY_GOODPUT,     /* Mbit/s, of all flows */
  TERN_STUDY_UTILISATION, /* % of the first link with a rate */
  TERN_STUDY_LOST,        /* % of packets */
  TERN_STUDY_WAIT,        /* ms, 99th percentile in the worst queue */
  TERN_STUDY_SILENCE,     /* ms, the longest without content */
  TERN_STUDY_FAIRNESS,    /* Jain's index */
  TERN_STUDY_RESULTS,
};

struct tern_study_run {
  uint64_t seed;
  double inputs[TERN_STUDY_INPUTS_MAX];
  double results[TERN_STUDY_RESULTS]; /* NaN = does not apply */
  bool is_failed;
  char why[96];
};

struct tern_study_input {
  char name[2 * TERN_SCENARIO_NAME_MAX];
  enum tern_unit unit;
  size_t offset; /* of its value in a scenario */
};

struct tern_study {
  const struct tern_sim_options *options;
  struct tern_study_input inputs[TERN_STUDY_INPUTS_MAX];
  size_t inputs_count;
  struct tern_study_run *runs;
  size_t runs_count, failed;
  uint64_t wall_ns;
};

/* Runs all, `options->jobs` at a time. False: no process could be made. */
bool tern_study_run_all(struct tern_study *study, const struct tern_sim_options *options);
void tern_study_deinit(struct tern_study *study);

const char *tern_study_result_name(enum tern_study_result result);
/* Rank correlation of an input with a result over the runs where it applies. */
double tern_study_correlate(const struct tern_study *study, size_t input,
                            enum tern_study_result result);
/* Indices of the worst runs: failed ones, then by longest silence. Returns how many. */
size_t tern_study_worst(const struct tern_study *study, size_t worst[TERN_STUDY_WORST]);

void tern_study_text(struct tern_text *text, const struct tern_study *study);
void tern_study_csv(struct tern_text *text, const struct tern_study *study);
void tern_study_json(struct tern_text *text, const struct tern_study *study);
void tern_study_html(struct tern_text *text, const struct tern_study *study);

#endif
