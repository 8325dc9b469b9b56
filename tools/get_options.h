/* SPDX-License-Identifier: MIT */
/* The command line of `tern get`. */
#ifndef TERN_TOOLS_GET_OPTIONS_H
#define TERN_TOOLS_GET_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/h3.h>

#include "knobs.h"
#include "url.h"

#define TERN_GET_WHO "tern get"

/* --resolve HOST:PORT:ADDR */
struct tern_get_resolve {
  char *host;
  uint16_t port;
  tern_addr addr;
};

struct tern_get_options {
  struct tern_url *urls;
  size_t urls_count;
  tern_field *fields; /* of -H; names in lower case */
  size_t fields_count;
  struct tern_get_resolve *resolves;
  size_t resolves_count;
  struct tern_knobs knobs;
  const char *output; /* NULL = standard output */
  const char *method; /* NULL = GET, or PUT with `upload` */
  const char *upload; /* file to send */
  const char *cacert;
  const char *resume; /* file with the ticket of the last run */
  bool early_data;
  uint64_t repeat;      /* at least 1 */
  uint64_t max_time_ns; /* 0 = none */
  uint8_t family;       /* 0 = any, 4 or 6 */
  bool remote_name;     /* -O */
  bool verbose;
  bool summary;
  bool insecure;
  bool is_help; /* --help was asked for and given */
};

/* An exit code; says what is wrong. tern_get_options_deinit afterwards in any case. */
int tern_get_options_parse(struct tern_get_options *options, int argc, char **argv);
void tern_get_options_deinit(struct tern_get_options *options);

/* One -H: "name: value" into a field with a lower-case name. False if it has no colon or no name. */
bool tern_get_parse_field(tern_field *field, const char *text);

#endif
