/* SPDX-License-Identifier: MIT */
/* Which address of the host answers. One is taken as it is; among several there is a race of
 * handshakes, a quarter of a second apart (RFC 8305 5), whose winner is used by all connections. The
 * connections of the race are closed before the run, so they disturb nothing but the server's count. */
#define _GNU_SOURCE /* gai_strerror */
#include "perf.h"

#include <netdb.h>
#include <string.h>

#define NEXT_ADDRESS_NS (250 * TERN_MS)

struct race;

struct attempt {
  struct race *race;
  tern_addr addr;
  tern_conn *conn; /* NULL = over */
};

struct race {
  struct tern_perf_run *run;
  struct attempt attempts[TERN_ADDRS_MAX];
  size_t begun, open;
  bool is_won;
  tern_error error; /* of the last that failed */
  tern_loop_timer *timer;
};

static void start_next(struct race *race);

/* Over when somebody won, or nobody can any more, and all are closed. */
static void go_on(struct race *race)
{
  bool is_hopeless = race->error.kind == TERN_ERROR_TLS; /* another address would not mend it */
  if (!race->is_won && !is_hopeless && race->begun < race->run->addrs.count) {
    start_next(race);
    return;
  }
  if (race->is_won || is_hopeless)
    for (size_t i = 0; i < race->begun; i++)
      if (race->attempts[i].conn != NULL)
        tern_conn_close(race->attempts[i].conn, 0, "");
  if (race->open == 0)
    tern_loop_stop(race->run->loop);
}

static void on_connected(tern_conn *conn, void *app)
{
  struct attempt *attempt = app;
  (void)conn;
  if (attempt->race->is_won)
    return;
  attempt->race->is_won = true;
  attempt->race->run->remote = attempt->addr;
  go_on(attempt->race);
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  struct attempt *attempt = app;
  struct race *race = attempt->race;
  (void)conn;
  attempt->conn = NULL;
  race->open--;
  if (!race->is_won) {
    race->error = *error;
    race->run->remote = attempt->addr;
  }
  go_on(race);
}

static const tern_conn_ops conn_ops = {
    .size = sizeof(tern_conn_ops),
    .on_connected = on_connected,
    .on_closed = on_closed,
};

static void start_next(struct race *race)
{
  struct tern_perf_run *run = race->run;
  while (race->begun < run->addrs.count) {
    struct attempt *attempt = &race->attempts[race->begun];
    attempt->race = race;
    attempt->addr = run->remote = run->addrs.list[race->begun++];
    if (tern_addr_has_route(&attempt->addr) &&
        tern_perf_connect(run, &conn_ops, attempt, &attempt->conn) == TERN_OK) {
      race->open++;
      tern_loop_set_timer(race->timer, tern_perf_clock() + NEXT_ADDRESS_NS);
      return;
    }
    attempt->conn = NULL;
  }
  if (race->open == 0)
    tern_loop_stop(run->loop);
}

static void on_timer(void *arg, tern_time now)
{
  struct race *race = arg;
  (void)now;
  if (!race->is_won && race->error.kind != TERN_ERROR_TLS)
    start_next(race);
}

static int hold_race(struct tern_perf_run *run)
{
  struct race race;
  memset(&race, 0, sizeof race);
  race.run = run;
  race.error = (tern_error){.kind = TERN_ERROR_LOCAL, .reason = "the system has no route to it"};
  if (tern_loop_add_timer(run->loop, on_timer, &race, &race.timer) != TERN_OK)
    return TERN_EXIT_LOCAL;
  start_next(&race);
  if (tern_loop_run(run->loop) != TERN_OK)
    return TERN_EXIT_LOCAL;
  tern_loop_remove_timer(race.timer);
  if (race.is_won)
    return TERN_EXIT_OK;
  tern_perf_tell_error(run, &race.error);
  return run->exit_code;
}

int tern_perf_reach(struct tern_perf_run *run)
{
  const struct tern_perf_options *options = &run->options;
  int error =
      tern_addrs_resolve(&run->addrs, options->url.host, options->url.port, options->family);
  if (error != 0) {
    tern_cli_say(options->who, "cannot find the address of %s: %s", options->url.host,
                 gai_strerror(error));
    return TERN_EXIT_RESOLVE;
  }
  if (run->addrs.count == 0) {
    tern_cli_say(options->who, "%s has no IPv%d address; try without -%d", options->url.host,
                 options->family, options->family);
    return TERN_EXIT_RESOLVE;
  }
  run->remote = run->addrs.list[0];
  return run->addrs.count == 1 ? TERN_EXIT_OK : hold_race(run);
}
