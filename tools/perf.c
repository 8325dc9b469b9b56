/* SPDX-License-Identifier: MIT */
/* tern perf: which of its three. */
#include "perf.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "perf_server.h"

static void print_help(void)
{
  puts("usage: tern perf server [OPTION]... [ADDR:PORT]\n"
       "       tern perf client [MODE] [OPTION]... HOST[:PORT]\n"
       "       tern perf h3 [OPTION]... URL\n\n"
       "Measures QUIC and HTTP/3: throughput, requests, latency, processor time.\n\n"
       "  server  answers the QUIC performance protocol (draft-banks-quic-performance)\n"
       "  client  drives such a server, tern's or another\n"
       "  h3      loads any HTTP/3 server with requests\n\n"
       "Each has a --help of its own. To begin with:\n\n"
       "  tern perf server 127.0.0.1:4433\n"
       "  tern perf client -k --down 10G 127.0.0.1:4433");
}

static const struct tern_perf_ops *ops_of(enum tern_perf_mode mode)
{
  switch (mode) {
  case TERN_PERF_HANDSHAKES:
    return &tern_perf_handshake_ops;
  case TERN_PERF_DATAGRAMS:
    return &tern_perf_datagram_ops;
  case TERN_PERF_H3:
    return &tern_perf_h3_ops;
  case TERN_PERF_BULK:
  case TERN_PERF_REQUESTS:
  case TERN_PERF_IDLE:
    break;
  }
  return &tern_perf_stream_ops;
}

typedef int parse_options(struct tern_perf_options *options, int argc, char **argv);

static int run_client(parse_options *parse, int argc, char **argv)
{
  struct tern_perf_run run;
  memset(&run, 0, sizeof run);
  int result = parse(&run.options, argc, argv);
  if (result == TERN_EXIT_OK && !run.options.is_help)
    result = tern_perf_run(&run, ops_of(run.options.mode));
  tern_perf_options_deinit(&run.options);
  return result;
}

int tern_perf_main(int argc, char **argv)
{
  signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(2) */
  if (argc < 2)
    return tern_cli_refuse(TERN_PERF_WHO, "say server, client or h3");
  if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
    print_help();
    return TERN_EXIT_OK;
  }
  if (strcmp(argv[1], "server") == 0)
    return tern_perf_server_main(argc - 1, argv + 1);
  if (strcmp(argv[1], "client") == 0)
    return run_client(tern_perf_options_parse_client, argc - 1, argv + 1);
  if (strcmp(argv[1], "h3") == 0)
    return run_client(tern_perf_options_parse_h3, argc - 1, argv + 1);
  return tern_cli_refuse(TERN_PERF_WHO, "there is server, client and h3, but no \"%s\"", argv[1]);
}
