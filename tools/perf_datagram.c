/* SPDX-License-Identifier: MIT */
/* A job is a DATAGRAM frame (RFC 9221) that tern's perf server sends back. It carries the time when it
 * was due, so nothing has to be remembered of it:
 *
 *   due, 8 bytes   zeroes
 *
 * It is done when it is back; what is not back some time after the last one left is lost, on one way or
 * the other. Nobody is told when there is room for another, so they leave at a rate. */
#include "perf.h"

#include <string.h>

#include "perf_body.h"

#define CODE_DONE 0

static bool start(struct tern_perf_slot *slot)
{
  static uint8_t payload[TERN_PERF_DATAGRAM_MAX];
  memcpy(payload, &slot->due_at, sizeof slot->due_at);
  tern_slice data = tern_slice_of(payload, slot->up_bytes);
  if (tern_conn_send_datagram(slot->conn->quic, data) != TERN_OK)
    return false;
  tern_perf_on_sent(slot, data.len);
  tern_perf_on_issued(slot);
  return true;
}

static void on_datagram(tern_conn *quic, tern_slice data, void *app)
{
  struct tern_perf_conn *conn = app;
  tern_time due_at;
  (void)quic;
  if (data.len != conn->slots[0].up_bytes)
    return;
  memcpy(&due_at, data.data, sizeof due_at);
  tern_perf_on_back(&conn->slots[0], due_at, data.len);
}

/* The queue must not be asked for more than the peer takes. */
static void on_connected(tern_conn *quic, void *app)
{
  struct tern_perf_conn *conn = app;
  struct tern_perf_run *run = conn->run;
  size_t max = tern_conn_get_datagram_max(quic);
  if (max >= run->options.request_bytes) {
    tern_perf_on_open(conn);
    return;
  }
  if (!run->is_told)
    tern_cli_say(run->options.who,
                 "--datagram-bytes: %llu is above %llu, the most that fits here%s",
                 (unsigned long long)run->options.request_bytes, (unsigned long long)max,
                 max == 0 ? ": the server takes no datagrams" : "");
  run->is_told = true;
  tern_perf_fail(run, TERN_EXIT_CONNECT);
  tern_conn_close(quic, CODE_DONE, "");
}

static void on_closed(tern_conn *quic, const tern_error *error, void *app)
{
  (void)quic;
  tern_perf_on_lost(app, error);
}

static const tern_conn_ops conn_ops = {
    .size = sizeof(tern_conn_ops),
    .on_connected = on_connected,
    .on_datagram = on_datagram,
    .on_closed = on_closed,
};

static bool attach(struct tern_perf_conn *conn)
{
  tern_conn_set_ops(conn->quic, &conn_ops, conn);
  return true;
}

static void close_conn(struct tern_perf_conn *conn)
{
  tern_conn_close(conn->quic, CODE_DONE, "");
}

const struct tern_perf_ops tern_perf_datagram_ops = {
    .alpn = TERN_PERF_ALPN,
    .attach = attach,
    .start = start,
    .close = close_conn,
};
