/* SPDX-License-Identifier: MIT */
/* The command line of `tern link`: the settings of a link, for both directions or for one. */
#include "link_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define OPTIONS_MAX 128
#define NAME_MAX_BYTES 32

enum option_code {
  OPTION_LISTEN = 256,
  OPTION_TO,
  OPTION_SEED,
  OPTION_CLIENTS,
  OPTION_LATE,
  OPTION_SPIN,
  OPTION_BOTH = 1000, /* + index in the table */
  OPTION_UP = 1100,
  OPTION_DOWN = 1200,
};

static const struct option plain_options[] = {
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"to", required_argument, NULL, OPTION_TO},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"late", required_argument, NULL, OPTION_LATE},
    {"spin", required_argument, NULL, OPTION_SPIN},
    {"help", no_argument, NULL, 'h'},
};

struct table {
  struct option options[OPTIONS_MAX];
  char names[OPTIONS_MAX][NAME_MAX_BYTES];
  size_t count;
};

static void print_help(void)
{
  puts(
      "usage: tern link --listen ADDR:PORT --to ADDR:PORT [OPTION]...\n\n"
      "Relays UDP in both directions and makes the way as bad as you say, in real time. Clients "
      "talk to\n"
      "--listen as if it were the server at --to; all of them share one link in each direction.\n\n"
      "  tern link --listen 127.0.0.1:5000 --to 127.0.0.1:4433 --rate 10M --delay 25ms --loss "
      "1%\n\n"
      "the link, both ways alike; with --up-... (from clients) or --down-... for one way:");
  for (const struct tern_setting *it = tern_link_settings; it->name != NULL; it++)
    printf("      --%-14s %s\n", it->name, it->text);
  puts("\nthe relay:\n"
       "      --listen ADDR:PORT   where clients send to\n"
       "      --to ADDR:PORT       the server\n"
       "      --seed N             of losses, jitter and so on; default 1\n"
       "      --clients N          at most so many; the idlest makes room; default 256\n"
       "      --late TIME          a datagram sent later than due by this is counted; default "
       "200us\n"
       "      --spin TIME          watch the clock so long before one is due; default 60us\n"
       "  -h, --help               this text\n\n"
       "Ends at SIGINT or SIGTERM, with a summary.");
}

static void add_option(struct table *table, const char *prefix, const char *name, int code)
{
  struct option *option = &table->options[table->count];
  snprintf(table->names[table->count], NAME_MAX_BYTES, "%s%s", prefix, name);
  option->name = table->names[table->count++];
  option->has_arg = required_argument;
  option->val = code;
}

static void make_table(struct table *table)
{
  memset(table, 0, sizeof *table);
  for (size_t i = 0; i < sizeof plain_options / sizeof plain_options[0]; i++)
    table->options[table->count++] = plain_options[i];
  for (int i = 0; tern_link_settings[i].name != NULL; i++) {
    add_option(table, "", tern_link_settings[i].name, OPTION_BOTH + i);
    add_option(table, "up-", tern_link_settings[i].name, OPTION_UP + i);
    add_option(table, "down-", tern_link_settings[i].name, OPTION_DOWN + i);
  }
}

static int set_one(struct tern_link_spec *spec, const struct tern_setting *setting,
                   const char *value)
{
  char why[256];
  if (!tern_setting_set(setting, spec, value, why, sizeof why))
    return tern_cli_refuse(TERN_LINK_WHO, "--%s", why);
  if (tern_value_is_range(tern_setting_value(setting, spec)))
    return tern_cli_refuse(TERN_LINK_WHO, "--%s %s: a live link takes no range", setting->name,
                           value);
  return TERN_EXIT_OK;
}

static int take_setting(struct tern_link_options *options, int code, const char *value)
{
  int result = TERN_EXIT_OK;
  bool is_up = code < OPTION_DOWN, is_down = code < OPTION_UP || code >= OPTION_DOWN;
  int first = code >= OPTION_DOWN ? OPTION_DOWN : code >= OPTION_UP ? OPTION_UP : OPTION_BOTH;
  const struct tern_setting *setting = &tern_link_settings[code - first];
  if (is_up)
    result = set_one(&options->up, setting, value);
  if (is_down && result == TERN_EXIT_OK)
    result = set_one(&options->down, setting, value);
  return result;
}

static int take_time(uint64_t *ns, const char *name, const char *value)
{
  struct tern_value parsed;
  if (!tern_value_parse(&parsed, TERN_UNIT_TIME, value) || tern_value_is_range(&parsed))
    return tern_cli_refuse(TERN_LINK_WHO, "--%s %s: give a time, such as 200us", name, value);
  *ns = parsed.low;
  return TERN_EXIT_OK;
}

static int take_option(struct tern_link_options *options, int code)
{
  switch (code) {
  case 'h':
    print_help();
    options->is_help = true;
    return TERN_EXIT_OK;
  case OPTION_LISTEN:
    if (tern_addr_parse(&options->listen, optarg) != TERN_OK)
      return tern_cli_refuse(TERN_LINK_WHO, "--listen %s: write it as 127.0.0.1:5000", optarg);
    return TERN_EXIT_OK;
  case OPTION_TO:
    if (tern_addr_parse(&options->to, optarg) != TERN_OK || options->to.port == 0)
      return tern_cli_refuse(TERN_LINK_WHO, "--to %s: write it as 127.0.0.1:4433", optarg);
    return TERN_EXIT_OK;
  case OPTION_SEED:
    if (!tern_cli_parse_number(optarg, UINT64_MAX, &options->seed))
      return tern_cli_refuse(TERN_LINK_WHO, "--seed %s: give a number", optarg);
    return TERN_EXIT_OK;
  case OPTION_CLIENTS:
    if (!tern_cli_parse_number(optarg, TERN_LINK_CLIENTS_MAX, &options->clients_max) ||
        options->clients_max == 0)
      return tern_cli_refuse(TERN_LINK_WHO, "--clients %s: choose 1 to %d", optarg,
                             TERN_LINK_CLIENTS_MAX);
    return TERN_EXIT_OK;
  case OPTION_LATE:
    return take_time(&options->late_ns, "late", optarg);
  case OPTION_SPIN:
    return take_time(&options->spin_ns, "spin", optarg);
  case '?':
    fputs("Try `" TERN_LINK_WHO " --help`.\n", stderr);
    return TERN_EXIT_USAGE;
  default: /* an int of getopt_long, no enum */
    return take_setting(options, code, optarg);
  }
}

int tern_link_options_parse(struct tern_link_options *options, int argc, char **argv)
{
  struct table table;
  char name[] = TERN_LINK_WHO;
  int code;
  memset(options, 0, sizeof *options);
  options->seed = 1;
  options->clients_max = 256;
  options->late_ns = 200000;
  options->spin_ns = 60000;
  tern_link_spec_init(&options->up, "up");
  tern_link_spec_init(&options->down, "down");
  make_table(&table);
  argv[0] = name;
  while ((code = getopt_long(argc, argv, "h", table.options, NULL)) != -1) {
    int result = take_option(options, code);
    if (result != TERN_EXIT_OK || options->is_help)
      return result;
  }
  if (optind < argc)
    return tern_cli_refuse(TERN_LINK_WHO, "\"%s\" is no option", argv[optind]);
  if (options->listen.family == 0 || options->to.family == 0)
    return tern_cli_refuse(TERN_LINK_WHO, "--listen and --to are needed");
  return TERN_EXIT_OK;
}
