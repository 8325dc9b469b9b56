/* SPDX-License-Identifier: MIT */
/* The runs of a study. Each job is a process that does every J-th run and writes what came of it to a
 * pipe: runs cannot disturb each other, and one that crashes is a failed run and not the end. */
#define _POSIX_C_SOURCE 200809L
#include "sim_study.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

#define JOBS_MAX 256

const char *tern_study_result_name(enum tern_study_result result)
{
  static const char *const names[] = {"time s",  "goodput Mbit/s", "utilisation %",
                                      "lost %",  "queue p99 ms",   "longest silence ms",
                                      "fairness"};
  return names[result];
}

/* ---- inputs ------------------------------------------------------------------------------ */

struct collector {
  struct tern_study *study;
  const struct tern_scenario *scenario;
};

static void collect(void *arg, const char *name, enum tern_unit unit, struct tern_value *value)
{
  struct collector *collector = arg;
  struct tern_study *study = collector->study;
  if (study->inputs_count == TERN_STUDY_INPUTS_MAX)
    return;
  struct tern_study_input *input = &study->inputs[study->inputs_count++];
  snprintf(input->name, sizeof input->name, "%s", name);
  input->unit = unit;
  input->offset = (size_t)((const char *)value - (const char *)collector->scenario);
}

/* As people count them: Mbit/s, ms, %, KiB. */
static double read_input(const struct tern_study_input *input, const struct tern_scenario *drawn)
{
  struct tern_value value;
  memcpy(&value, (const char *)drawn + input->offset, sizeof value);
  double number = (double)value.low;
  switch (input->unit) {
  case TERN_UNIT_COUNT:
    return number;
  case TERN_UNIT_BYTES:
    return number / 1024;
  case TERN_UNIT_RATE:
    return number * 8e-6;
  case TERN_UNIT_TIME:
    return number * 1e-6;
  case TERN_UNIT_SHARE:
    return number * 1e-4;
  case TERN_UNIT_QUEUE:
    return value.form == TERN_VALUE_PLAIN ? number / 1024
           : value.form == TERN_VALUE_BDP ? number * 1e-3
                                          : number * 1e-6;
  }
  return number;
}

/* ---- one run ----------------------------------------------------------------------------- */

static void read_flows(struct tern_study_run *run, struct tern_trial *trial)
{
  double shares[TERN_SCENARIO_FLOWS_MAX], sent = 0, lost = 0, goodput = 0;
  for (size_t i = 0; i < trial->flows_count; i++) {
    struct tern_flow *flow = &trial->flows[i];
    shares[i] = tern_flow_goodput(flow);
    goodput += shares[i];
    sent += (double)flow->sender.packets_sent;
    lost += (double)flow->sender.packets_lost;
    run->results[TERN_STUDY_TIME] = fmax(run->results[TERN_STUDY_TIME], tern_flow_seconds(flow));
    run->results[TERN_STUDY_SILENCE] =
        fmax(run->results[TERN_STUDY_SILENCE], (double)flow->silence_ns * 1e-6);
    if (flow->why[0] != '\0' && !run->is_failed) {
      run->is_failed = true;
      snprintf(run->why, sizeof run->why, "%.40s: %.50s", flow->spec->name, flow->why);
    }
  }
  run->results[TERN_STUDY_GOODPUT] = goodput * 1e-6;
  run->results[TERN_STUDY_LOST] = sent > 0 ? 100 * lost / sent : 0;
  run->results[TERN_STUDY_FAIRNESS] =
      trial->flows_count > 1 ? tern_jain_index(shares, trial->flows_count) : NAN;
}

static void read_links(struct tern_study_run *run, struct tern_trial *trial)
{
  run->results[TERN_STUDY_UTILISATION] = NAN;
  for (size_t i = trial->scenario->links_count; i-- > 0;) {
    double used = tern_trial_utilisation(trial, i);
    if (!isnan(used))
      run->results[TERN_STUDY_UTILISATION] = 100 * used;
    run->results[TERN_STUDY_WAIT] = fmax(run->results[TERN_STUDY_WAIT],
                                         tern_sim_samples_quantile(&trial->links[i].waits, 0.99));
  }
}

static void do_run(const struct tern_study *study, uint64_t seed, struct tern_study_run *run)
{
  struct tern_scenario drawn;
  struct tern_trial trial;
  memset(run, 0, sizeof *run);
  run->seed = seed;
  tern_scenario_draw(&study->options->scenario, seed, &drawn);
  for (size_t i = 0; i < study->inputs_count; i++)
    run->inputs[i] = read_input(&study->inputs[i], &drawn);
  if (tern_trial_run(&trial, &drawn, false, NULL)) {
    read_flows(run, &trial);
    read_links(run, &trial);
  } else {
    run->is_failed = true;
    snprintf(run->why, sizeof run->why, "%.90s", trial.fault);
  }
  tern_trial_deinit(&trial);
}

/* ---- jobs -------------------------------------------------------------------------------- */

static void do_job(const struct tern_study *study, size_t job, int fd)
{
  struct tern_study_run run;
  for (size_t i = job; i < study->runs_count; i += study->options->jobs) {
    do_run(study, study->options->scenario.seed + i, &run);
    if (!tern_cli_write_all(fd, &run, sizeof run))
      _exit(1);
  }
  _exit(0);
}

static int start_job(const struct tern_study *study, size_t job)
{
  int ends[2];
  if (pipe(ends) != 0)
    return -1;
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    do_job(study, job, ends[1]);
  }
  close(ends[1]);
  if (child > 0)
    return ends[0];
  close(ends[0]);
  return -1;
}

static bool read_run(int fd, struct tern_study_run *run)
{
  size_t have = 0;
  while (have < sizeof *run) {
    ssize_t got = read(fd, (char *)run + have, sizeof *run - have);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    have += (size_t)got;
  }
  return true;
}

/* Run i belongs to job i mod J, and each job writes its own in order. */
static void gather(struct tern_study *study, const int *fds)
{
  for (size_t i = 0; i < study->runs_count; i++) {
    struct tern_study_run *run = &study->runs[i];
    if (!read_run(fds[i % study->options->jobs], run)) {
      memset(run, 0, sizeof *run);
      run->seed = study->options->scenario.seed + i;
      run->is_failed = true;
      snprintf(run->why, sizeof run->why,
               "the simulator ended here or in an earlier run of its job");
    }
    study->failed += run->is_failed;
  }
}

bool tern_study_run_all(struct tern_study *study, const struct tern_sim_options *options)
{
  struct tern_scenario copy = options->scenario;
  struct collector collector = {study, &copy};
  int fds[JOBS_MAX] = {0};
  bool is_good = true;
  memset(study, 0, sizeof *study);
  study->options = options;
  study->runs_count = options->runs;
  study->runs = tern_cli_take(study->runs_count, sizeof *study->runs);
  tern_scenario_each(&copy, collect, &collector);
  for (size_t i = 0; i < options->jobs; i++) {
    fds[i] = is_good ? start_job(study, i) : -1;
    is_good = is_good && fds[i] >= 0;
  }
  if (is_good)
    gather(study, fds);
  for (size_t i = 0; i < options->jobs; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  while (wait(NULL) > 0)
    ;
  return is_good;
}

void tern_study_deinit(struct tern_study *study)
{
  free(study->runs);
  memset(study, 0, sizeof *study);
}

/* ---- what they say ----------------------------------------------------------------------- */

double tern_study_correlate(const struct tern_study *study, size_t input,
                            enum tern_study_result result)
{
  double *a = tern_cli_take(study->runs_count, sizeof *a);
  double *b = tern_cli_take(study->runs_count, sizeof *b);
  size_t count = 0;
  for (size_t i = 0; i < study->runs_count; i++) {
    const struct tern_study_run *run = &study->runs[i];
    if (run->is_failed || isnan(run->results[result]))
      continue;
    a[count] = run->inputs[input];
    b[count++] = run->results[result];
  }
  double correlation = tern_rank_correlation(a, b, count);
  free(a);
  free(b);
  return correlation;
}

static bool is_worse(const struct tern_study_run *a, const struct tern_study_run *b)
{
  if (a->is_failed != b->is_failed)
    return a->is_failed;
  return a->results[TERN_STUDY_SILENCE] > b->results[TERN_STUDY_SILENCE];
}

size_t tern_study_worst(const struct tern_study *study, size_t worst[TERN_STUDY_WORST])
{
  size_t count = 0;
  for (size_t i = 0; i < study->runs_count; i++) {
    size_t at = count;
    while (at > 0 && is_worse(&study->runs[i], &study->runs[worst[at - 1]]))
      at--;
    if (at == TERN_STUDY_WORST)
      continue;
    count += count < TERN_STUDY_WORST;
    memmove(&worst[at + 1], &worst[at], (count - 1 - at) * sizeof *worst);
    worst[at] = i;
  }
  return count;
}
