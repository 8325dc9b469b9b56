/* SPDX-License-Identifier: MIT */
/* The command line of `tern get`. */
#include "get_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define REPEAT_MAX UINT64_C(1000000000)

enum option_code {
  OPTION_SUMMARY = 256,
  OPTION_REPEAT,
  OPTION_CACERT,
  OPTION_MAX_TIME,
  OPTION_RESOLVE,
  OPTION_RESUME,
  OPTION_EARLY_DATA,
};

static const char short_options[] = "o:OH:X:T:Ivk46h";
static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"remote-name", no_argument, NULL, 'O'},
    {"header", required_argument, NULL, 'H'},
    {"method", required_argument, NULL, 'X'},
    {"upload", required_argument, NULL, 'T'},
    {"head", no_argument, NULL, 'I'},
    {"verbose", no_argument, NULL, 'v'},
    {"insecure", no_argument, NULL, 'k'},
    {"ipv4", no_argument, NULL, '4'},
    {"ipv6", no_argument, NULL, '6'},
    {"help", no_argument, NULL, 'h'},
    {"summary", no_argument, NULL, OPTION_SUMMARY},
    {"repeat", required_argument, NULL, OPTION_REPEAT},
    {"cacert", required_argument, NULL, OPTION_CACERT},
    {"max-time", required_argument, NULL, OPTION_MAX_TIME},
    {"resolve", required_argument, NULL, OPTION_RESOLVE},
    {"resume", required_argument, NULL, OPTION_RESUME},
    {"early-data", no_argument, NULL, OPTION_EARLY_DATA},
    {"0rtt", no_argument, NULL, OPTION_EARLY_DATA},
    TERN_KNOB_OPTIONS,
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
  puts("usage: tern get [OPTION]... URL...\n\n"
       "Fetches URLs over HTTP/3. Those of one host and port share a connection.\n\n"
       "  -o, --output FILE        write the body there (one URL); - is standard output\n"
       "  -O, --remote-name        write each body to a file named like the URL's last part\n"
       "  -H, --header LINE        send \"name: value\", too; may be repeated\n"
       "  -X, --method NAME        in place of GET\n"
       "  -I, --head               the same as -X HEAD\n"
       "  -T, --upload FILE        send the file, by PUT if -X does not say otherwise\n"
       "      --repeat N           fetch N times, at most 100 at once, and drop the bodies\n"
       "  -v, --verbose            explain on stderr: addresses, handshake, fields\n"
       "      --summary            protocol, handshake, goodput and loss at the end\n"
       "      --cacert FILE        trust the certificates in this PEM file\n"
       "  -k, --insecure           trust any certificate\n"
       "      --max-time SECONDS   stop after that\n"
       "      --resume FILE        go on with the session in FILE, and keep the new one there\n"
       "      --early-data         with --resume: send safe requests in the first flight (0-RTT)\n"
       "      --resolve HOST:PORT:ADDR  use this address for that host and port\n"
       "  -4, --ipv4  -6, --ipv6   only such addresses\n" TERN_KNOB_HELP
       "  -h, --help               this text\n\n"
       "exit codes: 0 done, 1 cannot read or write here, 2 usage, 3 host has no address,\n"
       "  4 certificate or TLS, 5 cannot connect, 6 broke in transfer, 7 status of 400 or more\n"
       "  (the body is written all the same), 8 --max-time");
}

bool tern_get_parse_field(tern_field *field, const char *text)
{
  const char *colon = strchr(text, ':');
  if (colon == NULL || colon == text)
    return false;
  size_t len = (size_t)(colon - text);
  char *name = tern_cli_copy(text, len);
  for (char *at = name; *at != '\0'; at++)
    if (*at >= 'A' && *at <= 'Z')
      *at = (char)(*at + ('a' - 'A'));
  const char *value = colon + 1 + strspn(colon + 1, " \t");
  size_t value_len = strlen(value);
  while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
    value_len--;
  *field = tern_field_of(name, "");
  field->value = tern_slice_of(value, value_len);
  return true;
}

static int add_field(struct tern_get_options *options, const char *text)
{
  tern_field field;
  if (!tern_get_parse_field(&field, text))
    return tern_cli_refuse(TERN_GET_WHO, "-H \"%s\": write it as \"name: value\"", text);
  options->fields =
      tern_cli_grow(options->fields, options->fields_count + 1, sizeof *options->fields);
  options->fields[options->fields_count++] = field;
  return TERN_EXIT_OK;
}

/* HOST:PORT:ADDR; an IPv6 ADDR may stand in brackets. */
static int add_resolve(struct tern_get_options *options, const char *text)
{
  struct tern_get_resolve resolve;
  char port[8] = "", numeric[TERN_ADDR_TEXT_MAX];
  uint64_t number;
  const char *first = strchr(text, ':');
  const char *second = first == NULL ? NULL : strchr(first + 1, ':');
  if (second == NULL || second - first > 6)
    return tern_cli_refuse(TERN_GET_WHO, "--resolve %s: write it as HOST:PORT:ADDR", text);
  memcpy(port, first + 1, (size_t)(second - first - 1));
  bool has_brackets = second[1] == '[';
  bool is_v6 = !has_brackets && strchr(second + 1, ':') != NULL;
  snprintf(numeric, sizeof numeric, is_v6 ? "[%s]:%s" : "%s:%s", second + 1, port);
  if (!tern_cli_parse_number(port, 65535, &number) || number == 0 ||
      tern_addr_parse(&resolve.addr, numeric) != TERN_OK)
    return tern_cli_refuse(TERN_GET_WHO, "--resolve %s: \"%s\" is no numeric address and port",
                           text, numeric);
  resolve.host = tern_cli_copy(text, (size_t)(first - text));
  resolve.port = (uint16_t)number;
  options->resolves =
      tern_cli_grow(options->resolves, options->resolves_count + 1, sizeof *options->resolves);
  options->resolves[options->resolves_count++] = resolve;
  return TERN_EXIT_OK;
}

static int take_number_option(struct tern_get_options *options, int code)
{
  if (code == OPTION_REPEAT &&
      (!tern_cli_parse_number(optarg, REPEAT_MAX, &options->repeat) || options->repeat == 0))
    return tern_cli_refuse(TERN_GET_WHO, "--repeat %s: choose 1 to 1000000000", optarg);
  if (code == OPTION_MAX_TIME &&
      (!tern_cli_parse_seconds(optarg, &options->max_time_ns) || options->max_time_ns == 0))
    return tern_cli_refuse(TERN_GET_WHO, "--max-time %s: give seconds, such as 2.5", optarg);
  return TERN_EXIT_OK;
}

static void take_flag(struct tern_get_options *options, int code)
{
  options->remote_name |= code == 'O';
  options->verbose |= code == 'v';
  options->insecure |= code == 'k';
  options->summary |= code == OPTION_SUMMARY;
  options->early_data |= code == OPTION_EARLY_DATA;
  if (code == '4' || code == '6')
    options->family = code == '4' ? 4 : 6;
  if (code == 'I')
    options->method = "HEAD";
}

static int take_option(struct tern_get_options *options, int code)
{
  if (code >= TERN_KNOB_FIRST && code < TERN_KNOB_LAST)
    return tern_knobs_take(&options->knobs, TERN_GET_WHO, code, optarg);
  switch (code) {
  case 'o':
    options->output = optarg;
    return TERN_EXIT_OK;
  case 'X':
    options->method = optarg;
    return TERN_EXIT_OK;
  case 'T':
    options->upload = optarg;
    return TERN_EXIT_OK;
  case OPTION_CACERT:
    options->cacert = optarg;
    return TERN_EXIT_OK;
  case OPTION_RESUME:
    options->resume = optarg;
    return TERN_EXIT_OK;
  case 'H':
    return add_field(options, optarg);
  case OPTION_RESOLVE:
    return add_resolve(options, optarg);
  case OPTION_REPEAT:
  case OPTION_MAX_TIME:
    return take_number_option(options, code);
  case 'h':
    print_help();
    options->is_help = true;
    return TERN_EXIT_OK;
  case '?':
    fputs("Try `" TERN_GET_WHO " --help`.\n", stderr);
    return TERN_EXIT_USAGE;
  default: /* an int of getopt_long, no enum */
    take_flag(options, code);
    return TERN_EXIT_OK;
  }
}

/* "DIR/" and -T FILE means DIR/FILE. */
static void name_upload(struct tern_url *url, const char *file)
{
  size_t len = strlen(url->target);
  if (strchr(url->target, '?') != NULL || url->target[len - 1] != '/')
    return;
  const char *slash = strrchr(file, '/');
  const char *name = slash == NULL ? file : slash + 1;
  size_t size = len + 3 * strlen(name) + 4;
  url->target = tern_cli_grow(url->target, size, 1);
  tern_url_encode(name, url->target, size);
}

static int add_url(struct tern_get_options *options, const char *text)
{
  struct tern_url url;
  const char *why = tern_url_parse(&url, text);
  if (why != NULL)
    return tern_cli_refuse(TERN_GET_WHO, "\"%s\" cannot be used: %s", text, why);
  if (options->upload != NULL)
    name_upload(&url, options->upload);
  options->urls = tern_cli_grow(options->urls, options->urls_count + 1, sizeof *options->urls);
  options->urls[options->urls_count++] = url;
  return TERN_EXIT_OK;
}

/* The first URL that -O has no file name for, or NULL. */
static const struct tern_url *find_nameless(const struct tern_get_options *options)
{
  for (size_t i = 0; i < options->urls_count; i++) {
    char *name = tern_url_take_name(&options->urls[i]);
    if (name == NULL)
      return &options->urls[i];
    free(name);
  }
  return NULL;
}

static int check(const struct tern_get_options *options)
{
  const struct tern_url *nameless = options->remote_name ? find_nameless(options) : NULL;
  if (options->urls_count == 0)
    return tern_cli_refuse(TERN_GET_WHO, "no URL given");
  if (options->output != NULL && options->urls_count > 1)
    return tern_cli_refuse(TERN_GET_WHO, "-o takes one URL; use -O for several");
  if (options->output != NULL && options->remote_name)
    return tern_cli_refuse(TERN_GET_WHO, "-o and -O exclude each other");
  if (nameless != NULL)
    return tern_cli_refuse(TERN_GET_WHO, "-O: https://%s%s does not end in a file name; use -o",
                           nameless->authority, nameless->target);
  if (options->early_data && options->resume == NULL)
    return tern_cli_refuse(TERN_GET_WHO, "--early-data needs --resume FILE");
  if (options->cacert != NULL && options->insecure)
    return tern_cli_refuse(TERN_GET_WHO, "--cacert and --insecure exclude each other");
  return TERN_EXIT_OK;
}

int tern_get_options_parse(struct tern_get_options *options, int argc, char **argv)
{
  memset(options, 0, sizeof *options);
  options->repeat = 1;
  tern_knobs_init(&options->knobs);
  char name[] = TERN_GET_WHO;
  argv[0] = name; /* getopt_long begins its complaints with it */
  int result, code;
  while ((code = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
    result = take_option(options, code);
    if (result != TERN_EXIT_OK || options->is_help)
      return result;
  }
  for (int i = optind; i < argc; i++) {
    result = add_url(options, argv[i]);
    if (result != TERN_EXIT_OK)
      return result;
  }
  result = check(options);
  return result == TERN_EXIT_OK ? tern_knobs_open(&options->knobs, TERN_GET_WHO) : result;
}

static void free_name(tern_field *field)
{
  union {
    const uint8_t *borrowed;
    void *own;
  } name = {field->name.data}; /* made by tern_get_parse_field */
  free(name.own);
}

void tern_get_options_deinit(struct tern_get_options *options)
{
  for (size_t i = 0; i < options->urls_count; i++)
    tern_url_deinit(&options->urls[i]);
  for (size_t i = 0; i < options->fields_count; i++)
    free_name(&options->fields[i]);
  for (size_t i = 0; i < options->resolves_count; i++)
    free(options->resolves[i].host);
  free(options->urls);
  free(options->fields);
  free(options->resolves);
  tern_knobs_deinit(&options->knobs);
}
