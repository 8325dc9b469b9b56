/* SPDX-License-Identifier: MIT */
/* The command lines of `tern perf client` and `tern perf h3`. */
#ifndef TERN_TOOLS_PERF_OPTIONS_H
#define TERN_TOOLS_PERF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/h3.h>

#include "knobs.h"
#include "url.h"

#define TERN_PERF_WHO "tern perf"
#define TERN_PERF_CLIENT_WHO "tern perf client"
#define TERN_PERF_H3_WHO "tern perf h3"
#define TERN_PERF_PORT 4433
#define TERN_PERF_DATAGRAM_MAX 65535
#define TERN_PERF_FIELDS_MAX 32

enum tern_perf_mode {
  TERN_PERF_BULK,
  TERN_PERF_REQUESTS,
  TERN_PERF_HANDSHAKES,
  TERN_PERF_IDLE,
  TERN_PERF_DATAGRAMS,
  TERN_PERF_H3,
};

struct tern_perf_options {
  const char *who;
  enum tern_perf_mode mode;
  bool has_mode;
  bool is_help, json, insecure;
  const char *cacert;
  int family;          /* 4, 6, or 0 for both */
  struct tern_url url; /* host and port, and the rest for h3 */
  uint64_t connections;
  uint64_t streams;        /* at a time on each connection */
  uint64_t down_bytes;     /* bulk: of each stream */
  uint64_t up_bytes;       /* bulk: of each stream */
  uint64_t request_bytes;  /* of each request, or datagram */
  uint64_t response_bytes; /* of each response */
  uint64_t datagram_bytes;
  uint64_t requests;    /* jobs in all; UINT64_MAX = until the time is over; 0 = not said */
  uint64_t rate;        /* jobs per second; 0 = as fast as they are done */
  uint64_t duration_ns; /* 0 = until all is done */
  const char *method;
  const char *fields[TERN_PERF_FIELDS_MAX]; /* "name: value" */
  size_t fields_count;
  struct tern_knobs knobs;
};

/* An exit code; says what is wrong. */
int tern_perf_options_parse_client(struct tern_perf_options *options, int argc, char **argv);
int tern_perf_options_parse_h3(struct tern_perf_options *options, int argc, char **argv);
void tern_perf_options_deinit(struct tern_perf_options *options);

#endif
