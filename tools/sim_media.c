/* SPDX-License-Identifier: MIT */
/* Media in datagrams (RFC 9221): the server sends one of a fixed size at equal distances, with its number
 * and the time in front; the client takes each one's delay. Nothing is sent again, so loss shows as
 * missing ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "sim_trial.h"

/* After the last one: late ones may still come. */
#define LINGER_NS (2 * TERN_SECOND)
#define MEDIA_BYTES_MIN 16

static void finish(void *arg, struct tern_sim *sim)
{
  struct tern_flow *flow = arg;
  (void)sim;
  tern_flow_end(flow);
  if (flow->client_conn != NULL)
    tern_conn_close(flow->client_conn, 0, "done");
}

static void send_one(struct tern_flow *flow, tern_time now)
{
  uint8_t bytes[1500] = {0};
  size_t len = flow->spec->bytes.low;
  size_t max = tern_conn_get_datagram_max(flow->server_conn);
  len = len < MEDIA_BYTES_MIN ? MEDIA_BYTES_MIN : len;
  len = len > max ? max : len;
  len = len > sizeof bytes ? sizeof bytes : len;
  if (len < MEDIA_BYTES_MIN)
    return;
  memcpy(bytes, &now, sizeof now);
  memcpy(bytes + sizeof now, &flow->requested, sizeof flow->requested);
  (void)!tern_conn_send_datagram(flow->server_conn, tern_slice_of(bytes, len));
}

static void send_next(void *arg, struct tern_sim *sim)
{
  struct tern_flow *flow = arg;
  tern_time now = tern_sim_now(sim);
  if (flow->is_done || flow->server_conn == NULL)
    return;
  if (flow->requested < flow->spec->count.low) {
    send_one(flow, now);
    flow->requested++;
    now += flow->spec->gap.low == 0 ? TERN_MS : flow->spec->gap.low;
    (void)!tern_sim_at(sim, now, send_next, flow);
  } else {
    (void)!tern_sim_at(sim, now + LINGER_NS, finish, flow);
  }
}

void tern_media_start(struct tern_flow *flow)
{
  (void)!tern_sim_at(flow->trial->sim, tern_sim_now(flow->trial->sim), send_next, flow);
}

static void on_datagram(tern_conn *conn, tern_slice data, void *app)
{
  struct tern_flow *flow = app;
  tern_time sent_at;
  (void)conn;
  if (data.len < MEDIA_BYTES_MIN)
    return;
  memcpy(&sent_at, data.data, sizeof sent_at);
  flow->answered++;
  tern_flow_note_content(flow, data.len);
  tern_sim_samples_add(&flow->times, (double)(tern_sim_now(flow->trial->sim) - sent_at) * 1e-6);
}

static void on_connected(tern_conn *conn, void *app)
{
  struct tern_flow *flow = app;
  tern_conn_stats stats;
  tern_conn_get_stats(conn, &stats);
  flow->handshake_ns = stats.handshake_ns;
  flow->last_at = tern_sim_now(flow->trial->sim);
}

static void on_client_closed(tern_conn *conn, const tern_error *error, void *app)
{
  struct tern_flow *flow = app;
  (void)conn;
  flow->client_conn = NULL;
  if (!flow->is_done)
    tern_error_format(error, flow->why, sizeof flow->why);
  tern_flow_end(flow);
}

static void on_server_closed(tern_conn *conn, const tern_error *error, void *app)
{
  struct tern_flow *flow = app;
  (void)conn, (void)error;
  flow->server_conn = NULL;
}

const tern_conn_ops tern_media_client_ops = {.size = sizeof(tern_conn_ops),
                                             .on_connected = on_connected,
                                             .on_datagram = on_datagram,
                                             .on_closed = on_client_closed};
const tern_conn_ops tern_media_server_ops = {.size = sizeof(tern_conn_ops),
                                             .on_closed = on_server_closed};
