/* SPDX-License-Identifier: MIT */
/* One host and port: its addresses, the race to connect, and the jobs over the connection.
 *
 * The addresses are tried in the resolver's order, each a quarter of a second after the one before (RFC
 * 8305 5), because an address where nobody listens mostly says nothing. The first finished handshake
 * wins and the others are closed. A TLS failure ends the race: another address would not mend it. */
#define _GNU_SOURCE /* gai_strerror */
#include "get.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NEXT_ADDRESS_NS (250 * TERN_MS)

/* ---- addresses --------------------------------------------------------------------------- */

static void add_given(struct tern_get_origin *origin)
{
  const struct tern_get_options *options = &origin->get->options;
  for (size_t i = 0; i < options->resolves_count; i++) {
    const struct tern_get_resolve *given = &options->resolves[i];
    if (given->port == origin->first->port && strcmp(given->host, origin->first->host) == 0)
      tern_addrs_add(&origin->addrs, &given->addr, options->family);
  }
}

bool tern_get_origin_resolve(struct tern_get_origin *origin)
{
  const char *host = origin->first->host;
  add_given(origin);
  int error = 0, family = origin->get->options.family;
  if (origin->addrs.count == 0)
    error = tern_addrs_resolve(&origin->addrs, host, origin->first->port, family);
  if (error != 0) {
    tern_cli_say(TERN_GET_WHO,
                 "cannot find the address of %s: %s; check the name, or give it with --resolve",
                 host, gai_strerror(error));
  } else if (origin->addrs.count == 0) {
    tern_cli_say(TERN_GET_WHO, "%s has no IPv%d address; try without -%d", host, family, family);
  }
  if (origin->addrs.count > 0)
    return true;
  tern_get_fail(origin->get, TERN_EXIT_RESOLVE);
  return false;
}

/* ---- jobs -------------------------------------------------------------------------------- */

static void end_if_closed(struct tern_get_origin *origin)
{
  struct tern_get *get = origin->get;
  if (origin->phase != TERN_GET_ENDED || origin->attempts_open > 0 || origin->is_counted_out)
    return;
  origin->is_counted_out = true;
  if (--get->origins_open == 0)
    tern_loop_stop(get->loop);
  else if (tern_get_is_serial(get))
    tern_get_start_origins(get);
}

static void keep_figures(struct tern_get_origin *origin)
{
  if (origin->winner != NULL && origin->winner->h3 != NULL)
    tern_conn_get_stats(tern_h3_get_conn(origin->winner->h3), &origin->figures.conn);
}

void tern_get_origin_stop(struct tern_get_origin *origin, uint64_t code)
{
  if (origin->phase == TERN_GET_ENDED)
    return;
  keep_figures(origin);
  origin->phase = TERN_GET_ENDED;
  tern_loop_set_timer(origin->next_timer, TERN_TIME_NEVER);
  for (size_t i = 0; i < origin->attempts_count; i++)
    if (origin->attempts[i].h3 != NULL)
      tern_h3_close(origin->attempts[i].h3, code, "");
}

/* Starts jobs as long as there are some and room for them. */
static void start_jobs(struct tern_get_origin *origin)
{
  uint64_t concurrent_max = tern_get_is_serial(origin->get) ? 1 : TERN_GET_CONCURRENT_MAX;
  while (origin->phase == TERN_GET_CONNECTED && !origin->is_going_away &&
         origin->jobs_started < origin->jobs_total &&
         origin->jobs_started - origin->jobs_done < concurrent_max) {
    const struct tern_url *url = origin->urls[origin->jobs_started % origin->urls_count];
    origin->jobs_started++;
    if (tern_get_transfer_start(origin, url))
      continue;
    origin->jobs_done++;
    origin->jobs_total = origin->jobs_started; /* the next one would fare no better */
  }
}

static void go_on(struct tern_get_origin *origin)
{
  if (origin->jobs_broken > 0)
    return; /* the connection has ended: its on_closed follows and says why */
  start_jobs(origin);
  if (origin->phase != TERN_GET_CONNECTED || origin->jobs_done < origin->jobs_started)
    return;
  if (origin->jobs_started < origin->jobs_total) {
    tern_cli_say(TERN_GET_WHO,
                 "%s takes no more requests on this connection; run it again for the rest",
                 origin->first->authority);
    tern_get_fail(origin->get, TERN_EXIT_TRANSFER);
  }
  tern_get_origin_stop(origin, TERN_H3_NO_ERROR);
}

void tern_get_origin_on_job_done(struct tern_get_origin *origin)
{
  origin->jobs_done++;
  origin->figures.last_at = tern_loop_now(origin->get->loop);
  if (origin->phase == TERN_GET_CONNECTED)
    go_on(origin);
}

/* ---- the race ---------------------------------------------------------------------------- */

static void start_next(struct tern_get_origin *origin);

/* This attempt is the one: the others end. */
static void begin(struct tern_get_attempt *attempt)
{
  struct tern_get_origin *origin = attempt->origin;
  origin->phase = TERN_GET_CONNECTED;
  origin->winner = attempt;
  tern_loop_set_timer(origin->next_timer, TERN_TIME_NEVER);
  for (size_t i = 0; i < origin->attempts_count; i++) {
    tern_h3 *other = origin->attempts[i].h3;
    if (other != NULL && other != attempt->h3)
      tern_h3_close(other, TERN_H3_NO_ERROR, "");
  }
  if (attempt->is_connected)
    tern_get_explain_connected(origin);
  origin->figures.first_at = tern_loop_now(origin->get->loop);
  go_on(origin);
}

static void on_connected(tern_h3 *h3, void *app)
{
  struct tern_get_attempt *attempt = app;
  struct tern_get_origin *origin = attempt->origin;
  (void)h3;
  attempt->is_connected = true;
  if (origin->phase == TERN_GET_CONNECTED && origin->winner == attempt)
    tern_get_explain_connected(origin); /* it sends already */
  else if (origin->phase == TERN_GET_CONNECTING)
    begin(attempt);
}

/* ---- tickets ----------------------------------------------------------------------------- */

/* The file's name is the user's; what is in it is a secret. A ticket that cannot be kept is said and is no
 * failure. */
static void on_ticket(tern_h3 *h3, tern_slice ticket, void *app)
{
  const struct tern_get_attempt *attempt = app;
  const char *path = attempt->origin->get->options.resume;
  (void)h3;
  if (path == NULL)
    return;
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool is_kept = fd >= 0 && write(fd, ticket.data, ticket.len) == (ssize_t)ticket.len;
  if ((fd >= 0 && close(fd) != 0) || !is_kept)
    tern_cli_say(TERN_GET_WHO, "cannot keep the session in %s: %s", path, strerror(errno));
}

/* Nothing there, or of another server: a full handshake. */
static tern_slice read_ticket(const struct tern_get *get, uint8_t bytes[TERN_CAP_TICKET])
{
  int fd = get->options.resume != NULL ? open(get->options.resume, O_RDONLY | O_CLOEXEC) : -1;
  ssize_t len = fd >= 0 ? read(fd, bytes, TERN_CAP_TICKET) : 0;
  if (fd >= 0)
    close(fd);
  return tern_slice_of(bytes, len > 0 ? (size_t)len : 0);
}

static void on_goaway(tern_h3 *h3, uint64_t id, void *app)
{
  struct tern_get_attempt *attempt = app;
  (void)h3;
  (void)id;
  attempt->origin->is_going_away = true;
}

/* While connecting: others may still succeed, unless it was TLS. */
static void on_attempt_failed(struct tern_get_origin *origin, const tern_error *error)
{
  bool is_last = origin->attempts_open == 0 && origin->attempts_count == origin->addrs.count;
  if (is_last || error->kind == TERN_ERROR_TLS) {
    tern_get_tell_connect_error(origin, error);
    tern_get_origin_stop(origin, TERN_H3_NO_ERROR);
  } else {
    start_next(origin);
  }
}

static void on_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  struct tern_get_attempt *attempt = app;
  struct tern_get_origin *origin = attempt->origin;
  if (origin->winner == attempt && origin->phase == TERN_GET_CONNECTED)
    keep_figures(origin);
  (void)h3;
  attempt->h3 = NULL;
  origin->attempts_open--;
  if (origin->phase == TERN_GET_CONNECTING) {
    on_attempt_failed(origin, error);
  } else if (origin->phase == TERN_GET_CONNECTED && origin->winner == attempt) {
    tern_get_tell_broken(origin, error);
    origin->phase = TERN_GET_ENDED;
  }
  end_if_closed(origin);
}

static const tern_h3_ops h3_ops = {
    .size = sizeof(tern_h3_ops),
    .on_connected = on_connected,
    .on_goaway = on_goaway,
    .on_closed = on_closed,
    .on_ticket = on_ticket,
};

/* False if the system has no way to that address. */
static bool start_attempt(struct tern_get_origin *origin, const tern_addr *addr)
{
  struct tern_get *get = origin->get;
  struct tern_get_attempt *attempt = &origin->attempts[origin->attempts_count++];
  uint8_t ticket[TERN_CAP_TICKET];
  tern_connect_args args = {.remote = *addr,
                            .server_name = origin->first->host,
                            .ticket = read_ticket(get, ticket),
                            .early_data = get->options.early_data};
  tern_conn *conn;
  attempt->origin = origin;
  attempt->addr = *addr;
  tern_get_explain_attempt(get, addr);
  if (!tern_addr_has_route(addr) || tern_loop_connect(get->loop, &args, &conn) != TERN_OK)
    return false;
  if (tern_h3_new_client(&attempt->h3, conn, NULL, &h3_ops, attempt) != TERN_OK) {
    attempt->h3 = NULL;
    tern_conn_close(conn, TERN_H3_INTERNAL_ERROR, "");
    return false;
  }
  origin->attempts_open++;
  /* With early data the first address is taken without waiting for an answer. */
  if (tern_conn_is_early(conn))
    begin(attempt);
  return true;
}

static void start_next(struct tern_get_origin *origin)
{
  struct tern_get *get = origin->get;
  bool has_begun = false;
  while (!has_begun && origin->attempts_count < origin->addrs.count)
    has_begun = start_attempt(origin, &origin->addrs.list[origin->attempts_count]);
  if (origin->attempts_count < origin->addrs.count)
    tern_loop_set_timer(origin->next_timer, tern_loop_now(get->loop) + NEXT_ADDRESS_NS);
  if (has_begun || origin->attempts_open > 0)
    return;
  tern_error error = {.kind = TERN_ERROR_LOCAL, .reason = "the system has no route to it"};
  tern_get_tell_connect_error(origin, &error);
  tern_get_origin_stop(origin, TERN_H3_NO_ERROR);
}

static void on_next_timer(void *arg, tern_time now)
{
  struct tern_get_origin *origin = arg;
  (void)now;
  if (origin->phase != TERN_GET_CONNECTING)
    return;
  start_next(origin);
  end_if_closed(origin);
}

void tern_get_origin_start(struct tern_get_origin *origin)
{
  if (tern_loop_add_timer(origin->get->loop, on_next_timer, origin, &origin->next_timer) !=
      TERN_OK) {
    tern_cli_say(TERN_GET_WHO, "not enough memory");
    tern_get_fail(origin->get, TERN_EXIT_LOCAL);
    origin->phase = TERN_GET_ENDED;
  } else {
    start_next(origin);
  }
  end_if_closed(origin);
}
