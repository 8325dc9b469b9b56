/* SPDX-License-Identifier: MIT */
/* `tern link`: a bad network between two programs, without help of the kernel. */
#define _POSIX_C_SOURCE 200809L /* sigaction */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "link_relay.h"

static volatile int stop;

static void on_signal(int number)
{
  (void)number;
  stop = 1;
}

static void catch_signals(void)
{
  struct sigaction action = {.sa_handler = on_signal};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

static void print_way(const char *name, const struct tern_sim_link_stats *stats)
{
  printf("%-5s %" PRIu64 " datagrams, %" PRIu64 " bytes in; %" PRIu64 " lost, %" PRIu64
         " dropped by the queue, %" PRIu64 " by the policer, %" PRIu64 " by size, %" PRIu64
         " marked CE\n",
         name, stats->datagrams_in, stats->bytes_in, stats->lost, stats->dropped_queue,
         stats->dropped_policer, stats->dropped_mtu, stats->marked_ce);
}

static void print_summary(const struct tern_relay *relay)
{
  const struct tern_relay_figures *figures = &relay->figures;
  uint64_t all = figures->sent + figures->refused;
  print_way("up", &relay->up.link.stats);
  print_way("down", &relay->down.link.stats);
  printf("%" PRIu64
         " datagrams sent, %.1f us after they were due on average, %.1f us at worst; %" PRIu64
         " later than %.0f us\n",
         figures->sent, all == 0 ? 0.0 : figures->late_sum_ns * 1e-3 / (double)all,
         (double)figures->late_worst_ns * 1e-3, figures->late,
         (double)relay->options->late_ns * 1e-3);
  if (figures->refused + figures->overflow + figures->no_client != 0)
    printf("%" PRIu64 " refused by the system, %" PRIu64 " beyond what is held, %" PRIu64
           " of clients without a socket\n",
           figures->refused, figures->overflow, figures->no_client);
}

int tern_link_main(int argc, char **argv)
{
  struct tern_link_options options;
  char listen[TERN_ADDR_TEXT_MAX], to[TERN_ADDR_TEXT_MAX];
  int result = tern_link_options_parse(&options, argc, argv);
  if (result != TERN_EXIT_OK || options.is_help)
    return result;
  struct tern_relay *relay = tern_cli_take(1, sizeof *relay);
  if (tern_relay_open(relay, &options)) {
    tern_addr local = tern_link_socket_addr(relay->listen_fd);
    catch_signals();
    printf("relaying to %s, listening on %s\n", tern_addr_format(&options.to, to, sizeof to),
           tern_addr_format(&local, listen, sizeof listen));
    fflush(stdout);
    tern_relay_run(relay, &stop);
    print_summary(relay);
  } else {
    result = TERN_EXIT_LOCAL;
  }
  tern_relay_close(relay);
  free(relay);
  return result;
}
