/* SPDX-License-Identifier: MIT */
/* The command line of `tern perf server`. */
#ifndef TERN_TOOLS_PERF_SERVER_OPTIONS_H
#define TERN_TOOLS_PERF_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "knobs.h"

#define TERN_PERF_SERVER_WHO "tern perf server"

struct tern_perf_server_options {
  bool is_help, json;
  bool each; /* a report per connection, too */
  tern_addr listen;
  const char *cert, *key;
  struct tern_knobs knobs;
};

/* An exit code; says what is wrong. */
int tern_perf_server_options_parse(struct tern_perf_server_options *options, int argc, char **argv);
void tern_perf_server_options_deinit(struct tern_perf_server_options *options);

#endif
