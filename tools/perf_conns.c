/* SPDX-License-Identifier: MIT */
/* The connections of a run. They are opened some at a time, so that a thousand handshakes do not time
 * each other out. A connection that worked and then ended (many servers count requests and say GOAWAY)
 * is replaced; one that never came about is not tried again. */
#include "perf.h"

#include <stdio.h>
#include <string.h>

#define OPENING_MAX 64
#define ERROR_TEXT_MAX 256
#define ALERT_NO_ALPN 120

static bool is_about_certificate(const tern_error *error)
{
  return error->kind == TERN_ERROR_TLS && !error->by_peer && error->tls_alert >= 42 &&
         error->tls_alert <= 48;
}

static const char *advice_for(const struct tern_perf_run *run, const tern_error *error)
{
  if (is_about_certificate(error))
    return "; if you know the server, use --cacert FILE or --insecure";
  if (error->kind == TERN_ERROR_TLS && error->tls_alert == ALERT_NO_ALPN)
    return run->options.mode == TERN_PERF_H3 ? "; it speaks QUIC, but not HTTP/3"
                                             : "; it speaks QUIC, but not the perf protocol";
  if (error->kind == TERN_ERROR_IDLE || error->kind == TERN_ERROR_HANDSHAKE_TIMEOUT)
    return "; check host and port, and that UDP is let through";
  return "";
}

void tern_perf_tell_error(struct tern_perf_run *run, const tern_error *error)
{
  char text[ERROR_TEXT_MAX], addr[TERN_ADDR_TEXT_MAX];
  if (error->kind == TERN_ERROR_LOCAL && error->reason[0] != '\0')
    snprintf(text, sizeof text, "%s", error->reason);
  else
    tern_error_format(error, text, sizeof text);
  if (!run->is_told)
    tern_cli_say(run->options.who, "cannot connect to %s (%s): %s%s", run->options.url.host,
                 tern_addr_format(&run->remote, addr, sizeof addr), text, advice_for(run, error));
  run->is_told = true;
  tern_perf_fail(run, error->kind == TERN_ERROR_TLS ? TERN_EXIT_TLS : TERN_EXIT_CONNECT);
}

tern_status tern_perf_connect(struct tern_perf_run *run, const tern_conn_ops *ops, void *app,
                              tern_conn **out)
{
  tern_connect_args args = {
      .remote = run->remote, .server_name = run->options.url.host, .ops = ops, .app = app};
  return tern_loop_connect(run->loop, &args, out);
}

static bool open_conn(struct tern_perf_conn *conn)
{
  struct tern_perf_run *run = conn->run;
  conn->is_open = conn->is_leaving = false;
  conn->done = 0;
  if (tern_perf_connect(run, NULL, NULL, &conn->quic) != TERN_OK) {
    conn->quic = NULL;
  } else if (!run->ops->attach(conn)) {
    tern_conn_close(conn->quic, 0, "");
    conn->quic = NULL;
  }
  if (conn->quic != NULL) {
    run->conns_opening++;
    return true;
  }
  tern_error error = {.kind = TERN_ERROR_LOCAL, .reason = "not enough memory, or no socket"};
  tern_perf_tell_error(run, &error);
  run->meter.conns_failed++;
  return false;
}

/* After a connection came or failed: on to the next, to the beginning, or to the end. */
static void go_on(struct tern_perf_run *run)
{
  if (run->phase == TERN_PERF_CONNECTING)
    tern_perf_open_conns(run);
  else if (run->phase == TERN_PERF_RUNNING && run->conns_open + run->conns_opening == 0)
    tern_perf_stop(run);
}

/* Its slots can have jobs; what was rejected before goes first. */
static void offer_slots(struct tern_perf_conn *conn)
{
  struct tern_list *idle = &conn->run->idle;
  for (size_t i = 0; i < conn->slots_count; i++) {
    struct tern_perf_slot *slot = &conn->slots[i];
    if (slot->is_again)
      tern_list_push_front(idle, &slot->idle);
    else
      tern_list_push_back(idle, &slot->idle);
  }
}

/* Jobs that are connections themselves need places only. */
static void open_places(struct tern_perf_run *run)
{
  for (size_t i = 0; i < run->options.connections; i++) {
    run->conns[i].is_open = true;
    offer_slots(&run->conns[i]);
  }
  run->conns_open = run->options.connections;
  tern_perf_begin(run);
}

void tern_perf_open_conns(struct tern_perf_run *run)
{
  if (run->ops->attach == NULL) {
    open_places(run);
    return;
  }
  while (run->conns_asked < run->options.connections && run->conns_opening < OPENING_MAX)
    (void)open_conn(&run->conns[run->conns_asked++]);
  if (run->conns_opening > 0 || run->conns_asked < run->options.connections)
    return;
  if (run->conns_open > 0)
    tern_perf_begin(run);
  else
    tern_perf_stop(run);
}

static void withdraw_slots(struct tern_perf_conn *conn)
{
  for (size_t i = 0; i < conn->slots_count; i++)
    tern_list_remove(&conn->slots[i].idle);
}

void tern_perf_on_open(struct tern_perf_conn *conn)
{
  struct tern_perf_run *run = conn->run;
  tern_conn_stats stats;
  if (run->phase == TERN_PERF_STOPPED)
    return;
  tern_conn_get_stats(conn->quic, &stats);
  tern_samples_add(&run->meter.handshake, stats.handshake_ns);
  run->meter.conns_opened++;
  run->conns_opening--;
  run->conns_open++;
  conn->is_open = true;
  offer_slots(conn);
  if (run->phase == TERN_PERF_RUNNING)
    tern_perf_pump(run);
  else
    go_on(run);
}

void tern_perf_on_leaving(struct tern_perf_conn *conn)
{
  if (conn->run->phase == TERN_PERF_STOPPED || !conn->is_open || conn->is_leaving)
    return;
  conn->is_leaving = true;
  withdraw_slots(conn);
  tern_perf_leave_if_done(conn);
}

void tern_perf_leave_if_done(struct tern_perf_conn *conn)
{
  if (conn->busy > 0 || !conn->is_leaving || conn->quic == NULL)
    return;
  withdraw_slots(conn);
  conn->run->ops->close(conn);
}

static void count_loss(struct tern_perf_conn *conn, const tern_error *error)
{
  struct tern_perf_run *run = conn->run;
  char text[ERROR_TEXT_MAX];
  if (!conn->is_open) {
    run->conns_opening--;
    run->meter.conns_failed++;
    tern_perf_tell_error(run, error);
    return;
  }
  run->conns_open--;
  withdraw_slots(conn);
  tern_perf_meter_add_conn(&run->meter, conn->quic);
  if (conn->is_leaving)
    return;
  run->meter.conns_lost++;
  tern_perf_fail(run, TERN_EXIT_TRANSFER);
  tern_perf_meter_add_error(&run->meter, tern_error_format(error, text, sizeof text));
}

void tern_perf_on_lost(struct tern_perf_conn *conn, const tern_error *error)
{
  struct tern_perf_run *run = conn->run;
  bool is_useful = conn->is_open && conn->done > 0 && run->options.mode != TERN_PERF_BULK;
  if (run->phase != TERN_PERF_STOPPED)
    count_loss(conn, error);
  conn->quic = NULL;
  conn->h3 = NULL;
  conn->is_open = false;
  if (run->phase == TERN_PERF_STOPPED)
    return;
  if (run->phase == TERN_PERF_RUNNING && is_useful && open_conn(conn))
    run->meter.conns_replaced++;
  go_on(run);
}
