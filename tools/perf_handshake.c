/* SPDX-License-Identifier: MIT */
/* A job is a handshake: a connection that is closed as soon as it is complete. There are as many at a
 * time as --connections says. */
#include "perf.h"

#include "perf_body.h"

#define ERROR_TEXT_MAX 256
#define CODE_DONE 0

/* A close would overtake the Finished that the server waits for: it follows in the next turn. */
static void on_connected(tern_conn *quic, void *app)
{
  struct tern_perf_slot *slot = app;
  struct tern_perf_run *run = slot->conn->run;
  tern_conn_stats stats;
  if (run->phase != TERN_PERF_RUNNING)
    return;
  tern_conn_get_stats(quic, &stats);
  tern_samples_add(&run->meter.handshake, stats.handshake_ns);
  run->meter.conns_opened++;
  tern_list_push_back(&run->closing, &slot->idle);
  tern_loop_set_timer(run->close_timer, tern_perf_clock());
}

static void let_go(struct tern_perf_slot *slot)
{
  tern_conn *quic = slot->conn->quic;
  tern_perf_meter_add_conn(&slot->conn->run->meter, quic);
  slot->conn->quic = NULL;
  tern_conn_set_ops(quic, NULL, NULL);
  tern_conn_close(quic, CODE_DONE, "");
  tern_perf_on_done(slot);
}

void tern_perf_close_handshakes(struct tern_perf_run *run)
{
  struct tern_list closing;
  struct tern_list_node *node;
  tern_list_init(&closing);
  tern_list_append(&closing, &run->closing);
  while ((node = tern_list_pop_front(&closing)) != NULL)
    let_go(TERN_CONTAINER_OF(node, struct tern_perf_slot, idle));
}

static void on_closed(tern_conn *quic, const tern_error *error, void *app)
{
  struct tern_perf_slot *slot = app;
  char text[ERROR_TEXT_MAX];
  (void)quic;
  slot->conn->quic = NULL;
  if (tern_list_has_node(&slot->idle)) { /* it was complete, and the server was quicker to close */
    tern_list_remove(&slot->idle);
    tern_perf_on_done(slot);
    return;
  }
  slot->conn->run->meter.conns_failed++;
  tern_perf_on_failed(slot, tern_error_format(error, text, sizeof text));
}

static const tern_conn_ops conn_ops = {
    .size = sizeof(tern_conn_ops),
    .on_connected = on_connected,
    .on_closed = on_closed,
};

static bool start(struct tern_perf_slot *slot)
{
  struct tern_perf_conn *conn = slot->conn;
  if (tern_perf_connect(conn->run, &conn_ops, slot, &conn->quic) == TERN_OK)
    return true;
  conn->quic = NULL;
  return false;
}

static void close_conn(struct tern_perf_conn *conn)
{
  tern_list_remove(&conn->slots[0].idle);
  tern_conn_set_ops(conn->quic, NULL, NULL);
  tern_conn_close(conn->quic, CODE_DONE, "");
}

const struct tern_perf_ops tern_perf_handshake_ops = {
    .alpn = TERN_PERF_ALPN,
    .start = start,
    .close = close_conn,
};
