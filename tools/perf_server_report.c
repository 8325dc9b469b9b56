/* SPDX-License-Identifier: MIT */
/* What the perf server has done and what it cost. With several connections at a time the processor
 * time of one of them is that of the whole process meanwhile. */
#include "perf_server.h"

#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "perf_json.h"

#define GIB (1024.0 * 1024 * 1024)

struct figures {
  const char *what;
  double seconds;
  struct tern_perf_cpu cpu;
  uint64_t conns, conns_open, streams, datagrams, datagrams_refused;
  uint64_t bytes_sent, bytes_received, packets_sent, packets_received, packets_lost;
  uint64_t heap_bytes, resident_bytes;
};

static void add_conn(struct tern_perf_server *sums, const struct tern_perf_server_conn *conn,
                     const tern_conn *quic)
{
  tern_conn_stats stats;
  tern_conn_get_stats(quic, &stats);
  sums->streams += conn->streams;
  sums->datagrams += conn->datagrams;
  sums->datagrams_refused += conn->datagrams_refused;
  sums->stream_bytes_sent += stats.stream_bytes_sent;
  sums->stream_bytes_received += stats.stream_bytes_received;
  sums->packets_sent += stats.packets_sent;
  sums->packets_received += stats.packets_received;
  sums->packets_lost += stats.packets_lost;
}

static void put_json(const struct figures *figures)
{
  struct tern_json json;
  tern_json_begin(&json, stdout);
  tern_json_text(&json, "tool", TERN_PERF_SERVER_WHO);
  tern_json_text(&json, "version", TERN_CLI_VERSION);
  tern_json_text(&json, "report", figures->what);
  tern_json_number(&json, "seconds", figures->seconds);
  tern_json_count(&json, "connections", figures->conns);
  tern_json_count(&json, "connections_open", figures->conns_open);
  tern_json_count(&json, "streams", figures->streams);
  tern_json_count(&json, "datagrams", figures->datagrams);
  tern_json_count(&json, "datagrams_refused", figures->datagrams_refused);
  tern_json_count(&json, "sent_bytes", figures->bytes_sent);
  tern_json_count(&json, "received_bytes", figures->bytes_received);
  tern_perf_put_cpu(&json, figures->cpu, figures->bytes_sent + figures->bytes_received,
                    figures->streams);
  tern_json_count(&json, "packets_sent", figures->packets_sent);
  tern_json_count(&json, "packets_received", figures->packets_received);
  tern_json_count(&json, "packets_lost", figures->packets_lost);
  tern_json_count(&json, "heap_bytes", figures->heap_bytes);
  tern_json_count(&json, "resident_bytes", figures->resident_bytes);
  tern_json_end(&json);
}

static void put_text(const struct figures *figures)
{
  struct tern_perf_cpu cpu = figures->cpu;
  double all = cpu.user + cpu.system;
  double gib = (double)(figures->bytes_sent + figures->bytes_received) / GIB;
  printf("%s: %.1f s, %" PRIu64 " connections, %" PRIu64 " open, %" PRIu64 " streams, %" PRIu64
         " datagrams, %.3f GiB sent, %.3f received\n",
         figures->what, figures->seconds, figures->conns, figures->conns_open, figures->streams,
         figures->datagrams, (double)figures->bytes_sent / GIB,
         (double)figures->bytes_received / GIB);
  printf("  cpu %.3f s (%.3f user, %.3f system)", all, cpu.user, cpu.system);
  if (gib >= 0.001)
    printf(", %.3f s/GiB", all / gib);
  if (figures->streams > 0)
    printf(", %.2f us a stream", all / (double)figures->streams * 1e6);
  printf("; packets %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " lost; heap %" PRIu64
         " B, resident %" PRIu64 " B\n",
         figures->packets_sent, figures->packets_received, figures->packets_lost,
         figures->heap_bytes, figures->resident_bytes);
}

static void report(const struct tern_perf_server *server, const struct tern_perf_server *sums,
                   struct figures *figures)
{
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(tern_loop_get_endpoint(server->loop), &stats);
  figures->streams = sums->streams;
  figures->datagrams = sums->datagrams;
  figures->datagrams_refused = sums->datagrams_refused;
  figures->bytes_sent = sums->stream_bytes_sent;
  figures->bytes_received = sums->stream_bytes_received;
  figures->packets_sent = sums->packets_sent;
  figures->packets_received = sums->packets_received;
  figures->packets_lost = sums->packets_lost;
  figures->heap_bytes = stats.heap_bytes_now;
  figures->resident_bytes = tern_perf_resident_bytes();
  if (server->options.json)
    put_json(figures);
  else
    put_text(figures);
  fflush(stdout);
}

void tern_perf_server_report_conn(const struct tern_perf_server_conn *conn, const tern_conn *quic)
{
  struct tern_perf_server *server = conn->server;
  struct tern_perf_server sums = {.streams = 0};
  add_conn(server, conn, quic);
  if (!server->options.each)
    return;
  add_conn(&sums, conn, quic);
  struct figures figures = {
      .what = "connection",
      .seconds = (double)(tern_loop_now(server->loop) - conn->began_at) / 1e9,
      .cpu = tern_perf_cpu_since(conn->cpu),
      .conns = 1,
  };
  report(server, &sums, &figures);
}

void tern_perf_server_report(const struct tern_perf_server *server)
{
  struct tern_perf_server sums = *server;
  struct figures figures = {
      .what = "total",
      .seconds = (double)(tern_loop_now(server->loop) - server->began_at) / 1e9,
      .cpu = tern_perf_cpu_since(server->cpu),
      .conns = server->conns_total,
  };
  struct tern_list_node *node = server->conns.head.next;
  for (; node != &server->conns.head; node = node->next) {
    const struct tern_perf_server_conn *conn =
        TERN_CONTAINER_OF(node, struct tern_perf_server_conn, node);
    add_conn(&sums, conn, conn->quic);
    figures.conns_open++;
  }
  report(server, &sums, &figures);
}
