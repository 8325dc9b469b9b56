/* SPDX-License-Identifier: MIT */
/* The command line of `tern link`. */
#ifndef TERN_TOOLS_LINK_OPTIONS_H
#define TERN_TOOLS_LINK_OPTIONS_H

#include "sim_scenario.h"

#define TERN_LINK_WHO "tern link"
#define TERN_LINK_CLIENTS_MAX 65536

struct tern_link_options {
  tern_addr listen, to;
  struct tern_link_spec up, down; /* from clients; to clients */
  uint64_t seed, clients_max;
  uint64_t late_ns; /* later than this is counted */
  uint64_t spin_ns; /* looks at the clock so long before a datagram is due, in place of sleeping */
  bool is_help;     /* --help was asked for and given */
};

/* An exit code; says what is wrong. */
int tern_link_options_parse(struct tern_link_options *options, int argc, char **argv);

#endif
