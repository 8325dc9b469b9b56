/* SPDX-License-Identifier: MIT */
/* The command line of `tern serve`. */
#ifndef TERN_TOOLS_SERVE_OPTIONS_H
#define TERN_TOOLS_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/transport.h>

#include "knobs.h"

#define TERN_SERVE_WHO "tern serve"
#define TERN_SERVE_CERTS_MAX 64

struct tern_serve_options {
  const char *folder;
  tern_addr listen;
  tern_cert_pair pairs[TERN_SERVE_CERTS_MAX];
  size_t certs_count, keys_count; /* as many; none = a self-signed pair is made */
  const char *upload;             /* folder; NULL = no uploads */
  const char *access_log;         /* NULL = none */
  uint64_t upload_max_bytes;
  const char *secret; /* file; NULL = a random one */
  uint32_t conns_max; /* 0 = the default */
  uint32_t workers;   /* 0 = one for each core */
  struct tern_knobs knobs;
  bool early_data;
  bool no_listing;
  bool retry;   /* every client has to prove its address */
  bool is_help; /* --help was asked for and given */
};

/* An exit code; says what is wrong. tern_serve_options_deinit afterwards in any case. */
int tern_serve_options_parse(struct tern_serve_options *options, int argc, char **argv);
void tern_serve_options_deinit(struct tern_serve_options *options);

#endif
