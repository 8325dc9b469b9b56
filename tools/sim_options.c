/* SPDX-License-Identifier: MIT */
/* The command line of `tern sim`: settings of links and flows come from their tables.
 *
 * From flags alone there are two links: "bottleneck", which data takes and all link settings mean, and
 * "back" for acknowledgements, which has the same delay and no limits but those set with --back-... */
#include "sim_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "sim_yaml.h"

#define SETTINGS_MAX 64

enum option_code {
  OPTION_CC = 256,
  OPTION_WORKLOAD,
  OPTION_FLOWS,
  OPTION_TIME,
  OPTION_SEED,
  OPTION_RUNS,
  OPTION_JOBS,
  OPTION_TLS,
  OPTION_CSV,
  OPTION_JSON,
  OPTION_HTML,
  OPTION_QLOG,
  OPTION_REBIND,
  OPTION_OUTAGE,
  OPTION_LINK = 1000, /* + index in the table */
  OPTION_BACK = 1100,
  OPTION_FLOW = 1200,
};

static const struct option plain_options[] = {
    {"cc", required_argument, NULL, OPTION_CC},
    {"workload", required_argument, NULL, OPTION_WORKLOAD},
    {"flows", required_argument, NULL, OPTION_FLOWS},
    {"time", required_argument, NULL, OPTION_TIME},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"runs", required_argument, NULL, OPTION_RUNS},
    {"jobs", required_argument, NULL, OPTION_JOBS},
    {"tls", required_argument, NULL, OPTION_TLS},
    {"csv", required_argument, NULL, OPTION_CSV},
    {"json", required_argument, NULL, OPTION_JSON},
    {"html", required_argument, NULL, OPTION_HTML},
    {"qlog", required_argument, NULL, OPTION_QLOG},
    {"rebind", required_argument, NULL, OPTION_REBIND},
    {"outage", required_argument, NULL, OPTION_OUTAGE},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
};

/* What flags say, before it is put together. */
struct draft {
  struct tern_link_spec link, back;
  struct tern_flow_spec flow; /* settings that were given */
  bool is_flow_set[SETTINGS_MAX];
  bool has_back_delay, has_queue, has_settings, has_seed, has_time;
  enum tern_workload workload;
  const char *ccs;
  uint64_t flows;
};

static void print_settings(const struct tern_setting *table)
{
  for (; table->name != NULL; table++)
    printf("      --%-14s %s\n", table->name, table->text);
}

static void print_help(void)
{
  puts(
      "usage: tern sim [OPTION]... [SCENARIO.yaml]\n\n"
      "Runs tern over a simulated network, much faster than real time, and reports what happened. "
      "A\n"
      "server sends to a client over one bottleneck; acknowledgements come back without limits.\n\n"
      "  tern sim --rate 10M --delay 25ms --loss 1% --bytes 10M --html report.html\n"
      "  tern sim --rate 10M..100M --delay 5ms..100ms --runs 1000 --jobs 2\n\n"
      "the bottleneck (also with --back-... for the way back); A..B draws anew in each run:");
  print_settings(tern_link_settings);
  puts(
      "      --outage AT:FOR      the bottleneck is dead from AT on, FOR so long; may be repeated\n"
      "      --rebind AT          a NAT gives the first flow's client a new port; may be "
      "repeated\n\n"
      "flows:\n"
      "      --cc NAME[,NAME...]  congestion controller; several make one flow each\n"
      "      --flows N            flows; controllers are taken in turn\n"
      "      --workload WORD      bulk, requests, page or media");
  print_settings(tern_flow_settings);
  puts("\nthe run:\n"
       "      --time TIME          stop after this much simulated time; default 600s\n"
       "      --seed N             of everything drawn; default 1\n"
       "      --runs N --jobs J    so many runs with seeds from --seed on, J at a time\n"
       "      --tls sim|real       pretended TLS without encryption (default), or the real one\n"
       "\noutput:\n"
       "      --html FILE          a report with plots, complete in itself\n"
       "      --qlog DIR           a qlog trace per connection and side, for qvis\n"
       "      --csv FILE           what was sampled over time; with --runs: one line per run\n"
       "      --json FILE          results\n"
       "  -q, --quiet              no summary\n"
       "  -h, --help               this text\n\n"
       "exit codes: 0 all flows complete, 1 cannot write here, 2 usage, 6 a flow failed");
}

/* ---- the table of options ---------------------------------------------------------------- */

struct table {
  struct option options[4 * SETTINGS_MAX];
  char names[SETTINGS_MAX][32];
  size_t count, names_count;
};

static void add_option(struct table *table, const char *name, int has_arg, int code)
{
  struct option *option = &table->options[table->count++];
  option->name = name;
  option->has_arg = has_arg;
  option->flag = NULL;
  option->val = code;
}

static void make_table(struct table *table)
{
  memset(table, 0, sizeof *table);
  for (size_t i = 0; i < sizeof plain_options / sizeof plain_options[0]; i++)
    table->options[table->count++] = plain_options[i];
  for (int i = 0; tern_link_settings[i].name != NULL; i++) {
    char *name = table->names[table->names_count++];
    snprintf(name, sizeof table->names[0], "back-%s", tern_link_settings[i].name);
    add_option(table, tern_link_settings[i].name, required_argument, OPTION_LINK + i);
    add_option(table, name, required_argument, OPTION_BACK + i);
  }
  for (int i = 0; tern_flow_settings[i].name != NULL; i++)
    add_option(table, tern_flow_settings[i].name, required_argument, OPTION_FLOW + i);
}

/* ---- one option -------------------------------------------------------------------------- */

static int add_change(struct tern_scenario *scenario, const struct tern_change *change)
{
  if (scenario->changes_count == TERN_SCENARIO_CHANGES_MAX)
    return tern_cli_refuse(TERN_SIM_WHO, "at most %d outages and rebindings",
                           TERN_SCENARIO_CHANGES_MAX);
  scenario->changes[scenario->changes_count++] = *change;
  return TERN_EXIT_OK;
}

static int add_outage(struct tern_scenario *scenario, const char *text)
{
  struct tern_change change = {.kind = TERN_CHANGE_OUTAGE};
  char at[TERN_VALUE_TEXT_MAX];
  const char *colon = strchr(text, ':');
  if (colon != NULL && (size_t)(colon - text) < sizeof at) {
    snprintf(at, sizeof at, "%.*s", (int)(colon - text), text);
    if (tern_value_parse(&change.at, TERN_UNIT_TIME, at) &&
        tern_value_parse(&change.value, TERN_UNIT_TIME, colon + 1))
      return add_change(scenario, &change);
  }
  return tern_cli_refuse(TERN_SIM_WHO, "--outage %s: write it as AT:FOR, such as 2s:500ms", text);
}

static int take_rebind(struct tern_scenario *scenario, const char *text)
{
  struct tern_change change = {.kind = TERN_CHANGE_REBIND};
  if (!tern_value_parse(&change.at, TERN_UNIT_TIME, text))
    return tern_cli_refuse(TERN_SIM_WHO, "--rebind %s: give a time, such as 2s", text);
  return add_change(scenario, &change);
}

static int take_setting(struct draft *draft, int code, const char *value)
{
  const struct tern_setting *setting;
  void *spec;
  char why[256];
  draft->has_settings = true;
  if (code >= OPTION_FLOW) {
    setting = &tern_flow_settings[code - OPTION_FLOW];
    spec = &draft->flow;
    draft->is_flow_set[code - OPTION_FLOW] = true;
  } else {
    bool is_back = code >= OPTION_BACK;
    setting = &tern_link_settings[code - (is_back ? OPTION_BACK : OPTION_LINK)];
    spec = is_back ? &draft->back : &draft->link;
    draft->has_queue |= !is_back && strcmp(setting->name, "queue") == 0;
    draft->has_back_delay |= is_back && strcmp(setting->name, "delay") == 0;
  }
  if (tern_setting_set(setting, spec, value, why, sizeof why))
    return TERN_EXIT_OK;
  return tern_cli_refuse(TERN_SIM_WHO, "--%s%s", spec == &draft->back ? "back-" : "", why);
}

static int take_number(struct tern_sim_options *options, struct draft *draft, int code,
                       const char *value)
{
  uint64_t number, max = code == OPTION_RUNS    ? TERN_SIM_RUNS_MAX
                         : code == OPTION_FLOWS ? TERN_SCENARIO_FLOWS_MAX
                         : code == OPTION_JOBS  ? 256
                                                : UINT64_MAX;
  if (!tern_cli_parse_number(value, max, &number) || (number == 0 && code != OPTION_SEED))
    return tern_cli_refuse(TERN_SIM_WHO, "\"%s\" is not a number that this option takes", value);
  if (code == OPTION_RUNS)
    options->runs = number;
  if (code == OPTION_FLOWS)
    draft->flows = number;
  if (code == OPTION_JOBS)
    options->jobs = number;
  draft->has_seed |= code == OPTION_SEED;
  draft->has_settings |= code == OPTION_FLOWS;
  if (code == OPTION_SEED)
    options->scenario.seed = number;
  return TERN_EXIT_OK;
}

static int take_word(struct tern_sim_options *options, struct draft *draft, int code,
                     const char *value)
{
  draft->has_settings |= code == OPTION_CC || code == OPTION_WORKLOAD;
  draft->has_time |= code == OPTION_TIME;
  if (code == OPTION_CC)
    draft->ccs = value;
  if (code == OPTION_CSV)
    options->csv = value;
  if (code == OPTION_JSON)
    options->json = value;
  if (code == OPTION_HTML)
    options->html = value;
  if (code == OPTION_QLOG)
    options->qlog = value;
  if (code == OPTION_WORKLOAD && !tern_workload_parse(&draft->workload, value))
    return tern_cli_refuse(TERN_SIM_WHO, "--workload %s: choose bulk, requests, page or media",
                           value);
  if (code == OPTION_TIME && !tern_value_parse(&options->scenario.time, TERN_UNIT_TIME, value))
    return tern_cli_refuse(TERN_SIM_WHO, "--time %s: give a time, such as 60s", value);
  if (code == OPTION_TLS) {
    options->scenario.real_tls = strcmp(value, "real") == 0;
    if (!options->scenario.real_tls && strcmp(value, "sim") != 0)
      return tern_cli_refuse(TERN_SIM_WHO, "--tls %s: choose sim or real", value);
  }
  return TERN_EXIT_OK;
}

static int take_option(struct tern_sim_options *options, struct draft *draft, int code)
{
  switch (code) {
  case 'h':
    print_help();
    options->is_help = true;
    return TERN_EXIT_OK;
  case 'q':
    options->is_quiet = true;
    return TERN_EXIT_OK;
  case '?':
    fputs("Try `" TERN_SIM_WHO " --help`.\n", stderr);
    return TERN_EXIT_USAGE;
  case OPTION_FLOWS:
  case OPTION_SEED:
  case OPTION_RUNS:
  case OPTION_JOBS:
    return take_number(options, draft, code, optarg);
  case OPTION_OUTAGE:
    return add_outage(&options->scenario, optarg);
  case OPTION_REBIND:
    return take_rebind(&options->scenario, optarg);
  default: /* an int of getopt_long, no enum */
    return code >= OPTION_LINK ? take_setting(draft, code, optarg)
                               : take_word(options, draft, code, optarg);
  }
}

/* ---- flows ------------------------------------------------------------------------------- */

/* The n-th name of a list joined by ',', in turn. */
static int pick_cc(const char *ccs, size_t n, const tern_cc_ops **cc)
{
  char name[TERN_SCENARIO_NAME_MAX];
  size_t names = 1;
  for (const char *at = ccs; *at != '\0'; at++)
    names += *at == ',';
  for (n %= names; n > 0; n--)
    ccs = strchr(ccs, ',') + 1;
  snprintf(name, sizeof name, "%.*s", (int)strcspn(ccs, ","), ccs);
  *cc = tern_cc_find(name);
  if (*cc == NULL)
    return tern_cli_refuse(TERN_SIM_WHO, "--cc: there is no controller \"%s\"", name);
  return TERN_EXIT_OK;
}

static int add_flows(struct tern_scenario *scenario, struct draft *draft)
{
  size_t names = 1;
  for (const char *at = draft->ccs; *at != '\0'; at++)
    names += *at == ',';
  size_t flows = draft->flows != 0 ? draft->flows : names;
  if (flows > TERN_SCENARIO_FLOWS_MAX)
    return tern_cli_refuse(TERN_SIM_WHO, "at most %d flows", TERN_SCENARIO_FLOWS_MAX);
  for (size_t i = 0; i < flows; i++) {
    struct tern_flow_spec *flow = &scenario->flows[scenario->flows_count++];
    tern_flow_spec_init(flow, draft->workload);
    for (size_t j = 0; tern_flow_settings[j].name != NULL; j++)
      if (draft->is_flow_set[j])
        *tern_setting_value(&tern_flow_settings[j], flow) =
            *tern_setting_value(&tern_flow_settings[j], &draft->flow);
    if (pick_cc(draft->ccs, i, &flow->cc) != TERN_EXIT_OK)
      return TERN_EXIT_USAGE;
    if (flows == 1)
      snprintf(flow->name, sizeof flow->name, "%s", flow->cc->name);
    else
      snprintf(flow->name, sizeof flow->name, "%s %zu", flow->cc->name, i + 1);
    flow->path[0] = 0;
    flow->back[0] = 1;
    flow->path_count = flow->back_count = 1;
  }
  return TERN_EXIT_OK;
}

static int put_together(struct tern_sim_options *options, struct draft *draft)
{
  struct tern_scenario *scenario = &options->scenario;
  snprintf(scenario->name, sizeof scenario->name, "%s over one bottleneck",
           tern_workload_name(draft->workload));
  /* An algorithm that manages the queue needs room to do so. */
  if (!draft->has_queue && draft->link.aqm.low != TERN_SIM_AQM_NONE)
    draft->link.queue = tern_value_of(0);
  scenario->links[0] = draft->link;
  scenario->links[1] = draft->back;
  scenario->links[1].follows = !draft->has_back_delay;
  scenario->links_count = 2;
  return add_flows(scenario, draft);
}

/* ---- the command that repeats this one --------------------------------------------------- */

static bool is_dropped(const char *arg)
{
  static const char *const dropped[] = {"--csv",  "--json", "--html", "--qlog",
                                        "--runs", "--jobs", "--seed"};
  for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
    if (strncmp(arg, dropped[i], strlen(dropped[i])) == 0)
      return true;
  return false;
}

static void note_command(struct tern_text *command, int argc, char **argv)
{
  tern_text_add(command, "tern sim");
  for (int i = 1; i < argc; i++) {
    bool is_plain = strspn(argv[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "-_./:,%=") == strlen(argv[i]);
    if (is_dropped(argv[i]))
      i += strchr(argv[i], '=') == NULL;
    else if (strcmp(argv[i], "-q") != 0 && strcmp(argv[i], "--quiet") != 0)
      tern_text_add(command, is_plain ? " %s" : " '%s'", argv[i]);
  }
}

/* A file says what links and flows there are; of the flags only those of the run go with it. */
static int load(struct tern_sim_options *options, const struct draft *draft, const char *path)
{
  uint64_t seed = options->scenario.seed;
  struct tern_value time = options->scenario.time;
  char why[256];
  if (draft->has_settings || options->scenario.changes_count != 0)
    return tern_cli_refuse(TERN_SIM_WHO, "%s says what is simulated: no flags of links and flows",
                           path);
  if (!tern_scenario_load(&options->scenario, path, why, sizeof why))
    return tern_cli_refuse(TERN_SIM_WHO, "%s: %s", path, why);
  if (draft->has_seed)
    options->scenario.seed = seed;
  if (draft->has_time)
    options->scenario.time = time;
  return TERN_EXIT_OK;
}

int tern_sim_options_parse(struct tern_sim_options *options, int argc, char **argv)
{
  struct table table;
  struct draft draft = {.ccs = "cubic"};
  char name[] = TERN_SIM_WHO;
  int result, code;
  memset(options, 0, sizeof *options);
  options->runs = options->jobs = 1;
  tern_scenario_init(&options->scenario);
  tern_link_spec_init(&draft.link, "bottleneck");
  tern_link_spec_init(&draft.back, "back");
  draft.link.rate = tern_value_of(1250000);
  draft.link.delay = tern_value_of(25 * TERN_MS);
  draft.link.queue.low = draft.link.queue.high = 1000;
  draft.link.queue.form = TERN_VALUE_BDP;
  note_command(&options->command, argc, argv);
  make_table(&table);
  argv[0] = name;
  while ((code = getopt_long(argc, argv, "qh", table.options, NULL)) != -1) {
    result = take_option(options, &draft, code);
    if (result != TERN_EXIT_OK || options->is_help)
      return result;
  }
  if (optind == argc)
    return put_together(options, &draft);
  return load(options, &draft, argv[optind]);
}

void tern_sim_options_deinit(struct tern_sim_options *options)
{
  tern_text_deinit(&options->command);
}
