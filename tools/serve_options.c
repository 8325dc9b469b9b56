/* SPDX-License-Identifier: MIT */
/* The command line of `tern serve`. */
#include "serve_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define LISTEN_DEFAULT "[::]:4433"
#define UPLOAD_MAX_DEFAULT (UINT64_C(16) << 30)

enum option_code {
  OPTION_CERT = 256,
  OPTION_KEY,
  OPTION_UPLOAD,
  OPTION_UPLOAD_MAX,
  OPTION_ACCESS_LOG,
  OPTION_NO_LISTING,
  OPTION_CONNS_MAX,
  OPTION_EARLY_DATA,
  OPTION_WORKERS,
  OPTION_RETRY,
  OPTION_SECRET,
};

static const char short_options[] = "l:h";
static const struct option long_options[] = {
    {"listen", required_argument, NULL, 'l'},
    {"cert", required_argument, NULL, OPTION_CERT},
    {"key", required_argument, NULL, OPTION_KEY},
    {"upload", required_argument, NULL, OPTION_UPLOAD},
    {"upload-max", required_argument, NULL, OPTION_UPLOAD_MAX},
    {"access-log", required_argument, NULL, OPTION_ACCESS_LOG},
    {"no-listing", no_argument, NULL, OPTION_NO_LISTING},
    {"conns-max", required_argument, NULL, OPTION_CONNS_MAX},
    {"workers", required_argument, NULL, OPTION_WORKERS},
    {"retry", no_argument, NULL, OPTION_RETRY},
    {"secret", required_argument, NULL, OPTION_SECRET},
    {"early-data", no_argument, NULL, OPTION_EARLY_DATA},
    {"0rtt", no_argument, NULL, OPTION_EARLY_DATA},
    {"help", no_argument, NULL, 'h'},
    TERN_KNOB_OPTIONS,
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
  puts(
      "usage: tern serve [OPTION]... [DIR]\n\n"
      "Serves the files of DIR (default: this folder) over HTTP/3.\n\n"
      "  -l, --listen ADDR:PORT   where to listen; default " LISTEN_DEFAULT ", that is everywhere\n"
      "      --cert FILE          certificate chain, PEM\n"
      "      --key FILE           its private key, PEM; without both a self-signed pair is made;\n"
      "                           several pairs: by the name that is asked for, else the first\n"
      "      --upload DIR         store the bodies of PUT and POST /name as DIR/name\n"
      "      --upload-max BYTES   refuse larger ones; default 16G\n"
      "      --access-log FILE    a line per request; - is standard output\n"
      "      --no-listing         do not list folders that have no index.html\n"
      "      --early-data         answer GET and HEAD in a returning client's first flight "
      "(0-RTT)\n"
      "      --conns-max N        connections at a time, per worker\n"
      "      --workers N          threads that serve, each on a socket of its own; auto = one for\n"
      "                           each core; default 1\n"
      "      --retry              have every client prove its address first\n"
      "      --secret FILE        32 bytes or more, from which address tokens and stateless\n"
      "                           resets are made; with the same, a restarted server goes "
      "on\n" TERN_KNOB_HELP "  -h, --help               this text\n\n"
      "SIGTERM and SIGINT let running requests finish, for at most 5 seconds; a second one\n"
      "stops at once. SIGHUP has certificates and keys read again, for new connections.");
}

static int take_workers(struct tern_serve_options *options)
{
  uint64_t number = 0;
  if (strcmp(optarg, "auto") != 0 &&
      (!tern_cli_parse_number(optarg, TERN_WORKERS_MAX, &number) || number == 0))
    return tern_cli_refuse(TERN_SERVE_WHO, "--workers %s: give a number of 1 to %d, or auto",
                           optarg, TERN_WORKERS_MAX);
  options->workers = (uint32_t)number;
  return TERN_EXIT_OK;
}

static int take_pair(struct tern_serve_options *options, size_t *count, bool is_cert)
{
  if (*count == TERN_SERVE_CERTS_MAX)
    return tern_cli_refuse(TERN_SERVE_WHO, "at most %d certificates", TERN_SERVE_CERTS_MAX);
  tern_cert_pair *pair = &options->pairs[(*count)++];
  *(is_cert ? &pair->cert_file : &pair->key_file) = optarg;
  return TERN_EXIT_OK;
}

static int take_value(struct tern_serve_options *options, int code)
{
  uint64_t number;
  if (code == 'l' && !tern_cli_parse_listen(optarg, &options->listen))
    return tern_cli_refuse(TERN_SERVE_WHO,
                           "--listen %s: write ADDRESS:PORT with a numeric address, such as "
                           "127.0.0.1:4433 or [::]:4433",
                           optarg);
  if (code == OPTION_UPLOAD_MAX &&
      !tern_cli_parse_bytes(optarg, UINT64_MAX, &options->upload_max_bytes))
    return tern_cli_refuse(TERN_SERVE_WHO, "--upload-max %s: give bytes, such as 500M", optarg);
  if (code == OPTION_CONNS_MAX) {
    if (!tern_cli_parse_number(optarg, UINT32_MAX, &number) || number == 0)
      return tern_cli_refuse(TERN_SERVE_WHO, "--conns-max %s: give a number of 1 or more", optarg);
    options->conns_max = (uint32_t)number;
  }
  if (code == OPTION_WORKERS)
    return take_workers(options);
  return TERN_EXIT_OK;
}

static int take_option(struct tern_serve_options *options, int code)
{
  if (code >= TERN_KNOB_FIRST && code < TERN_KNOB_LAST)
    return tern_knobs_take(&options->knobs, TERN_SERVE_WHO, code, optarg);
  switch (code) {
  case OPTION_CERT:
    return take_pair(options, &options->certs_count, true);
  case OPTION_KEY:
    return take_pair(options, &options->keys_count, false);
  case OPTION_UPLOAD:
    options->upload = optarg;
    return TERN_EXIT_OK;
  case OPTION_ACCESS_LOG:
    options->access_log = optarg;
    return TERN_EXIT_OK;
  case OPTION_RETRY:
    options->retry = true;
    return TERN_EXIT_OK;
  case OPTION_SECRET:
    options->secret = optarg;
    return TERN_EXIT_OK;
  case OPTION_EARLY_DATA:
    options->early_data = true;
    return TERN_EXIT_OK;
  case OPTION_NO_LISTING:
    options->no_listing = true;
    return TERN_EXIT_OK;
  case 'h':
    print_help();
    options->is_help = true;
    return TERN_EXIT_OK;
  case '?':
    fputs("Try `" TERN_SERVE_WHO " --help`.\n", stderr);
    return TERN_EXIT_USAGE;
  default: /* an int of getopt_long, no enum */
    return take_value(options, code);
  }
}

int tern_serve_options_parse(struct tern_serve_options *options, int argc, char **argv)
{
  char name[] = TERN_SERVE_WHO;
  memset(options, 0, sizeof *options);
  options->folder = ".";
  options->upload_max_bytes = UPLOAD_MAX_DEFAULT;
  options->workers = 1;
  (void)tern_cli_parse_listen(LISTEN_DEFAULT, &options->listen);
  tern_knobs_init(&options->knobs);
  argv[0] = name; /* getopt_long begins its complaints with it */
  int code;
  while ((code = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
    int result = take_option(options, code);
    if (result != TERN_EXIT_OK || options->is_help)
      return result;
  }
  if (argc - optind > 1)
    return tern_cli_refuse(TERN_SERVE_WHO, "one folder at a time");
  if (optind < argc)
    options->folder = argv[optind];
  if (options->certs_count != options->keys_count)
    return tern_cli_refuse(TERN_SERVE_WHO, "--cert and --key go together");
  return tern_knobs_open(&options->knobs, TERN_SERVE_WHO);
}

void tern_serve_options_deinit(struct tern_serve_options *options)
{
  tern_knobs_deinit(&options->knobs);
}
