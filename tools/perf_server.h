/* SPDX-License-Identifier: MIT */
/* `tern perf server`, shared by its files: perf_server.c is the protocol, perf_server_report.c what it
 * tells. */
#ifndef TERN_TOOLS_PERF_SERVER_H
#define TERN_TOOLS_PERF_SERVER_H

#include <stdint.h>

#include <tern/io.h>

#include "base/list.h"
#include "cli.h"
#include "perf_body.h"
#include "perf_meter.h"
#include "perf_server_options.h"

tern_command tern_perf_server_main;

struct tern_perf_server {
  struct tern_perf_server_options options;
  tern_loop *loop;
  struct tern_list conns;
  int signal_fd;
  tern_time began_at;
  struct tern_perf_cpu cpu; /* when it began to listen */
  uint64_t conns_total;
  /* of connections that have ended */
  uint64_t streams, datagrams, datagrams_refused;
  uint64_t stream_bytes_sent, stream_bytes_received;
  uint64_t packets_sent, packets_received, packets_lost;
};

struct tern_perf_server_conn {
  struct tern_list_node node;
  struct tern_perf_server *server;
  tern_conn *quic;
  tern_time began_at;
  struct tern_perf_cpu cpu; /* of the process, when the connection came */
  uint64_t streams;         /* answered */
  uint64_t datagrams, datagrams_refused;
};

/* Adds an ending connection to the sums; reports it with --each. */
void tern_perf_server_report_conn(const struct tern_perf_server_conn *conn, const tern_conn *quic);
/* Everything up to now, running connections as well. */
void tern_perf_server_report(const struct tern_perf_server *server);

#endif
