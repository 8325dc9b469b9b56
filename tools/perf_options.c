/* SPDX-License-Identifier: MIT */
/* What to measure, from the command line. */
#include "perf_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define CONNECTIONS_MAX 1000000
#define STREAMS_MAX 65536
#define JOBS_MAX UINT64_C(1000000000000)
#define RATE_MAX UINT64_C(1000000000)
#define BODY_MAX (UINT64_C(1) << 61)
#define DATAGRAM_RATE 10000
#define DATAGRAM_BYTES 1000
#define DATAGRAM_BYTES_MIN 8 /* the time in it */
#define SECONDS_DEFAULT 10

enum option_code {
  OPTION_DOWN = 256,
  OPTION_UP,
  OPTION_STREAMS,
  OPTION_CONNECTIONS,
  OPTION_REQUESTS,
  OPTION_REQUEST_BYTES,
  OPTION_RESPONSE_BYTES,
  OPTION_BODY_BYTES,
  OPTION_HANDSHAKES,
  OPTION_IDLE,
  OPTION_DATAGRAMS,
  OPTION_DATAGRAM_BYTES,
  OPTION_RATE,
  OPTION_DURATION,
  OPTION_JSON,
  OPTION_CACERT,
};

/* clang-format off */
#define SHARED_OPTIONS                                                                             \
  {"streams", required_argument, NULL, OPTION_STREAMS},                                            \
  {"connections", required_argument, NULL, OPTION_CONNECTIONS},                                    \
  {"rate", required_argument, NULL, OPTION_RATE},                                                  \
  {"duration", required_argument, NULL, OPTION_DURATION},                                          \
  {"json", no_argument, NULL, OPTION_JSON},                                                        \
  {"cacert", required_argument, NULL, OPTION_CACERT},                                              \
  {"insecure", no_argument, NULL, 'k'},                                                            \
  {"ipv4", no_argument, NULL, '4'},                                                                \
  {"ipv6", no_argument, NULL, '6'},                                                                \
  {"help", no_argument, NULL, 'h'},                                                                \
  TERN_KNOB_OPTIONS,                                                                               \
  {NULL, 0, NULL, 0}
/* clang-format on */

#define SHARED_HELP                                                                                \
  "      --duration SECONDS   stop after that; what is under way then is not counted\n"            \
  "      --rate N             begin N a second, whatever became of those before; latency counts\n" \
  "                           from when each should have begun\n"                                  \
  "      --json               one JSON object on standard output instead of text\n"                \
  "      --cacert FILE        trust the certificates in this PEM file\n"                           \
  "  -k, --insecure           trust any certificate\n"                                             \
  "  -4, --ipv4  -6, --ipv6   only such addresses\n" TERN_KNOB_HELP                                \
  "  -h, --help               this text\n"

static const struct option client_options[] = {
    {"down", required_argument, NULL, OPTION_DOWN},
    {"up", required_argument, NULL, OPTION_UP},
    {"requests", optional_argument, NULL, OPTION_REQUESTS},
    {"handshakes", optional_argument, NULL, OPTION_HANDSHAKES},
    {"idle", required_argument, NULL, OPTION_IDLE},
    {"datagrams", optional_argument, NULL, OPTION_DATAGRAMS},
    {"datagram-bytes", required_argument, NULL, OPTION_DATAGRAM_BYTES},
    {"request-bytes", required_argument, NULL, OPTION_REQUEST_BYTES},
    {"response-bytes", required_argument, NULL, OPTION_RESPONSE_BYTES},
    SHARED_OPTIONS,
};

static const struct option h3_options[] = {
    {"requests", required_argument, NULL, OPTION_REQUESTS},
    {"method", required_argument, NULL, 'X'},
    {"body-bytes", required_argument, NULL, OPTION_BODY_BYTES},
    SHARED_OPTIONS,
};

static void print_client_help(void)
{
  puts("usage: tern perf client [MODE] [OPTION]... HOST[:PORT]\n\n"
       "Measures a QUIC perf server, such as `tern perf server`, at HOST; port 4433 if none is\n"
       "given. SIZE is bytes, or with K, M, G or T powers of 1024.\n\n"
       "modes (one; the default is --down 1G):\n"
       "      --down SIZE          each stream downloads SIZE\n"
       "      --up SIZE            each stream uploads SIZE; with --down as many streams each way\n"
       "      --requests [N]       N requests in all, each a stream\n"
       "      --handshakes [N]     N connections, closed when their handshake is done; as many at "
       "a\n"
       "                           time as --connections says\n"
       "      --datagrams [N]      N DATAGRAM frames, which tern's server sends back\n"
       "      --idle N             N connections that are held and do nothing\n"
       "Without N they go on for --duration, by default 10 seconds.\n\n"
       "options:\n"
       "      --connections N      connections; default 1\n"
       "      --streams N          streams at a time on each connection; default 1\n"
       "      --request-bytes SIZE what a request carries beyond its 8 bytes; default 0\n"
       "      --response-bytes SIZE what the server answers; default 1\n"
       "      --datagram-bytes SIZE of each; default 1000\n" SHARED_HELP
       "\nexit codes: as of tern get; 6 if anything failed");
}

static void print_h3_help(void)
{
  puts(
      "usage: tern perf h3 [OPTION]... URL\n\n"
      "Loads any HTTP/3 server with requests for URL and tells how it answers. Bodies are counted\n"
      "and dropped.\n\n"
      "      --requests N         requests in all; default: as many as --duration allows\n"
      "      --connections N      connections; default 1\n"
      "      --streams N          requests at a time on each connection; default 1\n"
      "  -X, --method NAME        in place of GET\n"
      "      --body-bytes SIZE    send a body of that size; by POST if -X does not say "
      "otherwise\n" SHARED_HELP "\nWithout --requests and --duration it runs for 10 seconds.\n"
      "exit codes: as of tern get; 6 if a request failed, 7 if a status was 400 or more");
}

/* ---- values ------------------------------------------------------------------------------ */

/* "--streams: 0 is below 1" */
static int take_count(const struct tern_perf_options *options, const char *name, uint64_t max,
                      uint64_t *value)
{
  if (!tern_cli_parse_number(optarg, UINT64_MAX, value))
    return tern_cli_refuse(options->who, "--%s: \"%s\" is no whole number", name, optarg);
  if (*value == 0)
    return tern_cli_refuse(options->who, "--%s: 0 is below 1", name);
  if (*value > max)
    return tern_cli_refuse(options->who, "--%s: %s is above %llu", name, optarg,
                           (unsigned long long)max);
  return TERN_EXIT_OK;
}

static int take_size(const struct tern_perf_options *options, const char *name, uint64_t *value)
{
  if (!tern_cli_parse_bytes(optarg, BODY_MAX, value))
    return tern_cli_refuse(options->who, "--%s: \"%s\" is no size; write bytes, or 64K, 100M, 2G",
                           name, optarg);
  return TERN_EXIT_OK;
}

static int take_duration(struct tern_perf_options *options)
{
  if (!tern_cli_parse_seconds(optarg, &options->duration_ns))
    return tern_cli_refuse(options->who,
                           "--duration: \"%s\" is no time; write seconds, such as 2.5", optarg);
  if (options->duration_ns == 0)
    return tern_cli_refuse(options->who, "--duration: 0 seconds are too few");
  return TERN_EXIT_OK;
}

static int set_mode(struct tern_perf_options *options, enum tern_perf_mode mode)
{
  if (options->has_mode && options->mode != mode)
    return tern_cli_refuse(options->who, "one mode at a time; --down and --up are one");
  options->has_mode = true;
  options->mode = mode;
  return TERN_EXIT_OK;
}

struct counted_mode {
  int code;
  const char *name;
  enum tern_perf_mode mode;
};

static const struct counted_mode counted_modes[] = {
    {OPTION_REQUESTS, "requests", TERN_PERF_REQUESTS},
    {OPTION_HANDSHAKES, "handshakes", TERN_PERF_HANDSHAKES},
    {OPTION_DATAGRAMS, "datagrams", TERN_PERF_DATAGRAMS},
};

static const struct counted_mode *find_counted_mode(int code)
{
  for (size_t i = 0; i < sizeof counted_modes / sizeof counted_modes[0]; i++)
    if (counted_modes[i].code == code)
      return &counted_modes[i];
  return NULL;
}

/* "--requests 100" and "--requests=100"; a host is never digits alone. */
static int take_jobs(struct tern_perf_options *options, const struct counted_mode *mode, int argc,
                     char **argv)
{
  uint64_t number;
  int result = options->mode == TERN_PERF_H3 ? TERN_EXIT_OK : set_mode(options, mode->mode);
  if (optarg == NULL && optind < argc && tern_cli_parse_number(argv[optind], UINT64_MAX, &number))
    optarg = argv[optind++];
  options->requests = UINT64_MAX;
  if (result == TERN_EXIT_OK && optarg != NULL)
    result = take_count(options, mode->name, JOBS_MAX, &options->requests);
  return result;
}

static int take_idle(struct tern_perf_options *options)
{
  int result = set_mode(options, TERN_PERF_IDLE);
  options->requests = UINT64_MAX;
  if (result == TERN_EXIT_OK)
    result = take_count(options, "idle", CONNECTIONS_MAX, &options->connections);
  return result;
}

static int take_datagram_bytes(struct tern_perf_options *options)
{
  int result = take_size(options, "datagram-bytes", &options->datagram_bytes);
  if (result != TERN_EXIT_OK)
    return result;
  if (options->datagram_bytes < DATAGRAM_BYTES_MIN ||
      options->datagram_bytes > TERN_PERF_DATAGRAM_MAX)
    return tern_cli_refuse(options->who, "--datagram-bytes: choose %d to %d", DATAGRAM_BYTES_MIN,
                           TERN_PERF_DATAGRAM_MAX);
  return TERN_EXIT_OK;
}

static int take_bulk(struct tern_perf_options *options, const char *name, uint64_t *value)
{
  int result = set_mode(options, TERN_PERF_BULK);
  if (result == TERN_EXIT_OK)
    result = take_size(options, name, value);
  if (result == TERN_EXIT_OK && *value == 0)
    return tern_cli_refuse(options->who, "--%s: 0 is below 1", name);
  return result;
}

static int take_value(struct tern_perf_options *options, int code)
{
  switch (code) {
  case OPTION_DOWN:
    return take_bulk(options, "down", &options->down_bytes);
  case OPTION_UP:
    return take_bulk(options, "up", &options->up_bytes);
  case OPTION_STREAMS:
    return take_count(options, "streams", STREAMS_MAX, &options->streams);
  case OPTION_CONNECTIONS:
    return take_count(options, "connections", CONNECTIONS_MAX, &options->connections);
  case OPTION_REQUEST_BYTES:
    return take_size(options, "request-bytes", &options->request_bytes);
  case OPTION_RESPONSE_BYTES:
    return take_size(options, "response-bytes", &options->response_bytes);
  case OPTION_IDLE:
    return take_idle(options);
  case OPTION_DATAGRAM_BYTES:
    return take_datagram_bytes(options);
  case OPTION_BODY_BYTES:
    return take_size(options, "body-bytes", &options->request_bytes);
  case OPTION_RATE:
    return take_count(options, "rate", RATE_MAX, &options->rate);
  default: /* an int of getopt_long, no enum */
    return take_duration(options);
  }
}

static int take_option(struct tern_perf_options *options, int code)
{
  if (code >= TERN_KNOB_FIRST && code < TERN_KNOB_LAST)
    return tern_knobs_take(&options->knobs, options->who, code, optarg);
  switch (code) {
  case OPTION_JSON:
    options->json = true;
    return TERN_EXIT_OK;
  case OPTION_CACERT:
    options->cacert = optarg;
    return TERN_EXIT_OK;
  case 'k':
    options->insecure = true;
    return TERN_EXIT_OK;
  case 'X':
    options->method = optarg;
    return TERN_EXIT_OK;
  case '4':
  case '6':
    options->family = code - '0';
    return TERN_EXIT_OK;
  case 'h':
    options->is_help = true;
    return TERN_EXIT_OK;
  case '?':
    fprintf(stderr, "Try `%s --help`.\n", options->who);
    return TERN_EXIT_USAGE;
  default: /* an int of getopt_long, no enum */
    return take_value(options, code);
  }
}

/* ---- the whole --------------------------------------------------------------------------- */

static void init(struct tern_perf_options *options, const char *who)
{
  memset(options, 0, sizeof *options);
  options->who = who;
  options->connections = 1;
  options->streams = 1;
  options->response_bytes = 1;
  options->datagram_bytes = DATAGRAM_BYTES;
  tern_knobs_init(&options->knobs);
}

static int take_all(struct tern_perf_options *options, int argc, char **argv,
                    const struct option *table)
{
  int code;
  while ((code = getopt_long(argc, argv, "hk46X:", table, NULL)) != -1) {
    const struct counted_mode *mode = find_counted_mode(code);
    int result = mode != NULL ? take_jobs(options, mode, argc, argv) : take_option(options, code);
    if (result != TERN_EXIT_OK || options->is_help)
      return result;
  }
  if (options->cacert != NULL && options->insecure)
    return tern_cli_refuse(options->who, "--cacert and --insecure exclude each other");
  return TERN_EXIT_OK;
}

static int take_target(struct tern_perf_options *options, int argc, char **argv, const char *what)
{
  if (optind >= argc)
    return tern_cli_refuse(options->who, "no %s given", what);
  if (argc - optind > 1)
    return tern_cli_refuse(options->who, "one %s at a time, and \"%s\" is one more", what,
                           argv[optind + 1]);
  const char *why = tern_url_parse(&options->url, argv[optind]);
  if (why != NULL)
    return tern_cli_refuse(options->who, "\"%s\" cannot be used: %s", argv[optind], why);
  return TERN_EXIT_OK;
}

/* The port of a host that has none is 443 for the parser of URLs. */
static bool has_port(const char *text)
{
  size_t len = strlen(text);
  return len > 4 && strcmp(text + len - 4, ":443") == 0;
}

static void fill_in_client(struct tern_perf_options *options)
{
  if (!options->has_mode)
    options->down_bytes = UINT64_C(1) << 30;
  if (options->mode == TERN_PERF_IDLE)
    options->streams = 0;
  if (options->mode == TERN_PERF_HANDSHAKES || options->mode == TERN_PERF_DATAGRAMS)
    options->streams = 1;
  if (options->mode == TERN_PERF_DATAGRAMS) {
    options->request_bytes = options->datagram_bytes;
    if (options->rate == 0)
      options->rate = DATAGRAM_RATE;
  }
  if (options->requests == UINT64_MAX && options->duration_ns == 0)
    options->duration_ns = SECONDS_DEFAULT * TERN_SECOND;
}

int tern_perf_options_parse_client(struct tern_perf_options *options, int argc, char **argv)
{
  char name[] = TERN_PERF_CLIENT_WHO;
  argv[0] = name; /* getopt_long begins its complaints with it */
  init(options, TERN_PERF_CLIENT_WHO);
  int result = take_all(options, argc, argv, client_options);
  if (result == TERN_EXIT_OK && options->is_help)
    print_client_help();
  if (result != TERN_EXIT_OK || options->is_help)
    return result;
  result = take_target(options, argc, argv, "HOST:PORT");
  if (result != TERN_EXIT_OK)
    return result;
  if (strcmp(options->url.target, "/") != 0)
    return tern_cli_refuse(options->who, "\"%s\" cannot be used: write HOST or HOST:PORT",
                           argv[optind]);
  if (options->url.port == 443 && !has_port(argv[optind]))
    options->url.port = TERN_PERF_PORT;
  fill_in_client(options);
  return tern_knobs_open(&options->knobs, options->who);
}

int tern_perf_options_parse_h3(struct tern_perf_options *options, int argc, char **argv)
{
  char name[] = TERN_PERF_H3_WHO;
  argv[0] = name;
  init(options, TERN_PERF_H3_WHO);
  options->mode = TERN_PERF_H3;
  int result = take_all(options, argc, argv, h3_options);
  if (result == TERN_EXIT_OK && options->is_help)
    print_h3_help();
  if (result != TERN_EXIT_OK || options->is_help)
    return result;
  result = take_target(options, argc, argv, "URL");
  if (result != TERN_EXIT_OK)
    return result;
  if (options->requests == 0) {
    options->requests = UINT64_MAX;
    if (options->duration_ns == 0)
      options->duration_ns = SECONDS_DEFAULT * TERN_SECOND;
  }
  if (options->method == NULL)
    options->method = options->request_bytes > 0 ? "POST" : "GET";
  return tern_knobs_open(&options->knobs, options->who);
}

void tern_perf_options_deinit(struct tern_perf_options *options)
{
  tern_url_deinit(&options->url);
  tern_knobs_deinit(&options->knobs);
}
