/* SPDX-License-Identifier: MIT */
/* How the perf server is started. */
#include "perf_server_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define LISTEN_DEFAULT "[::]:4433"

enum option_code { OPTION_CERT = 256, OPTION_KEY, OPTION_JSON, OPTION_EACH };

static const struct option long_options[] = {
    {"cert", required_argument, NULL, OPTION_CERT},
    {"key", required_argument, NULL, OPTION_KEY},
    {"json", no_argument, NULL, OPTION_JSON},
    {"each", no_argument, NULL, OPTION_EACH},
    {"help", no_argument, NULL, 'h'},
    TERN_KNOB_OPTIONS,
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
  puts("usage: tern perf server [OPTION]... [ADDR:PORT]\n\n"
       "Answers the QUIC performance protocol at ADDR:PORT, default " LISTEN_DEFAULT
       ", that is everywhere.\n"
       "Whoever reaches it can make it send without end: do not leave it on an open network.\n\n"
       "      --cert FILE          certificate chain, PEM\n"
       "      --key FILE           its private key, PEM; without both a self-signed pair is made\n"
       "      --each               a report when a connection has ended, not only at the end\n"
       "      --json               reports are JSON objects, one a line\n" TERN_KNOB_HELP
       "  -h, --help               this text\n\n"
       "SIGTERM and SIGINT end it with a report: connections, streams, bytes, processor time.\n"
       "SIGUSR1 gives one and goes on.");
}

static int take_option(struct tern_perf_server_options *options, int code)
{
  if (code >= TERN_KNOB_FIRST && code < TERN_KNOB_LAST)
    return tern_knobs_take(&options->knobs, TERN_PERF_SERVER_WHO, code, optarg);
  switch (code) {
  case OPTION_CERT:
    options->cert = optarg;
    return TERN_EXIT_OK;
  case OPTION_KEY:
    options->key = optarg;
    return TERN_EXIT_OK;
  case OPTION_JSON:
    options->json = true;
    return TERN_EXIT_OK;
  case OPTION_EACH:
    options->each = true;
    return TERN_EXIT_OK;
  case 'h':
    print_help();
    options->is_help = true;
    return TERN_EXIT_OK;
  default: /* an int of getopt_long, no enum */
    fputs("Try `" TERN_PERF_SERVER_WHO " --help`.\n", stderr);
    return TERN_EXIT_USAGE;
  }
}

int tern_perf_server_options_parse(struct tern_perf_server_options *options, int argc, char **argv)
{
  char name[] = TERN_PERF_SERVER_WHO;
  const char *listen = LISTEN_DEFAULT;
  memset(options, 0, sizeof *options);
  tern_knobs_init(&options->knobs);
  argv[0] = name; /* getopt_long begins its complaints with it */
  int code;
  while ((code = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
    int result = take_option(options, code);
    if (result != TERN_EXIT_OK || options->is_help)
      return result;
  }
  if (argc - optind > 1)
    return tern_cli_refuse(TERN_PERF_SERVER_WHO, "one ADDR:PORT at a time");
  if (optind < argc)
    listen = argv[optind];
  if (!tern_cli_parse_listen(listen, &options->listen))
    return tern_cli_refuse(TERN_PERF_SERVER_WHO,
                           "%s: write ADDRESS:PORT with a numeric address, such as 127.0.0.1:4433 "
                           "or [::]:4433",
                           listen);
  if ((options->cert == NULL) != (options->key == NULL))
    return tern_cli_refuse(TERN_PERF_SERVER_WHO, "--cert and --key go together");
  return tern_knobs_open(&options->knobs, TERN_PERF_SERVER_WHO);
}

void tern_perf_server_options_deinit(struct tern_perf_server_options *options)
{
  tern_knobs_deinit(&options->knobs);
}
