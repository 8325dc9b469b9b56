/* SPDX-License-Identifier: MIT */
/* What scripts read. Names say the unit; what does not apply to a mode is left out. */
#include "perf.h"

#include <stdio.h>

#include "perf_json.h"

#define GIB (1024.0 * 1024 * 1024)
#define US 1e3 /* nanoseconds */

static const char *name_of(enum tern_perf_mode mode)
{
  switch (mode) {
  case TERN_PERF_BULK:
    return "bulk";
  case TERN_PERF_REQUESTS:
    return "requests";
  case TERN_PERF_HANDSHAKES:
    return "handshakes";
  case TERN_PERF_IDLE:
    return "idle";
  case TERN_PERF_DATAGRAMS:
    return "datagrams";
  case TERN_PERF_H3:
    return "h3";
  }
  return "";
}

static void put_samples(struct tern_json *json, const char *name, struct tern_samples *samples)
{
  static const struct {
    const char *name;
    double q;
  } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
  if (samples->seen == 0)
    return;
  tern_json_open(json, name);
  tern_json_count(json, "count", samples->seen);
  tern_json_number(json, "mean", tern_samples_get_mean(samples) / US);
  tern_json_number(json, "min", (double)samples->least / US);
  for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
    tern_json_number(json, quantiles[i].name,
                     (double)tern_samples_get_quantile(samples, quantiles[i].q) / US);
  tern_json_number(json, "max", (double)samples->most / US);
  tern_json_close(json);
}

void tern_perf_put_cpu(struct tern_json *json, struct tern_perf_cpu cpu, uint64_t bytes,
                       uint64_t done)
{
  double gib = (double)bytes / GIB, each = (double)done / 1e6;
  tern_json_open(json, "cpu");
  tern_json_number(json, "user_seconds", cpu.user);
  tern_json_number(json, "system_seconds", cpu.system);
  if (bytes > 0) {
    tern_json_number(json, "seconds_per_gib", (cpu.user + cpu.system) / gib);
    tern_json_number(json, "user_seconds_per_gib", cpu.user / gib);
    tern_json_number(json, "system_seconds_per_gib", cpu.system / gib);
  }
  if (done > 0) {
    tern_json_number(json, "us_each", (cpu.user + cpu.system) / each);
    tern_json_number(json, "user_us_each", cpu.user / each);
    tern_json_number(json, "system_us_each", cpu.system / each);
  }
  tern_json_close(json);
}

static void put_counts(struct tern_json *json, const struct tern_perf_meter *meter)
{
  const struct tern_perf_count *count = &meter->count;
  tern_json_count(json, "received_bytes", count->received_bytes);
  tern_json_count(json, "sent_bytes", count->sent_bytes);
  tern_json_number(json, "down_bits_per_second",
                   (double)count->received_bytes * 8 / meter->seconds);
  tern_json_number(json, "up_bits_per_second", (double)count->sent_bytes * 8 / meter->seconds);
  tern_json_count(json, "done", count->done);
  tern_json_count(json, "failed", count->failed);
  tern_json_count(json, "unfinished", count->unfinished);
  tern_json_count(json, "sent_again", count->rejected);
  tern_json_number(json, "done_per_second", (double)count->done / meter->seconds);
}

static void put_errors(struct tern_json *json, const struct tern_perf_meter *meter)
{
  char status[8];
  tern_json_open(json, "statuses");
  for (unsigned i = 0; i < TERN_PERF_STATUS_END; i++) {
    if (meter->statuses[i] == 0)
      continue;
    snprintf(status, sizeof status, "%u", i);
    tern_json_count(json, status, meter->statuses[i]);
  }
  tern_json_close(json);
  tern_json_open(json, "errors");
  for (size_t i = 0; i < meter->kinds_count; i++)
    tern_json_count(json, meter->kinds[i].text, meter->kinds[i].count);
  tern_json_close(json);
}

static void put_transport(struct tern_json *json, const struct tern_perf_transport *sum)
{
  tern_json_open(json, "transport");
  tern_json_text(json, "cipher", sum->cipher);
  tern_json_text(json, "group", sum->group);
  tern_json_count(json, "packets_sent", sum->packets_sent);
  tern_json_count(json, "packets_received", sum->packets_received);
  tern_json_count(json, "packets_lost", sum->packets_lost);
  tern_json_count(json, "bytes_sent", sum->bytes_sent);
  tern_json_count(json, "bytes_received", sum->bytes_received);
  tern_json_count(json, "congestion_events", sum->congestion_events);
  tern_json_count(json, "probe_timeouts", sum->pto_count);
  tern_json_number(json, "rtt_us", (double)sum->rtt_ns / US);
  tern_json_number(json, "rtt_min_us", (double)sum->rtt_min_ns / US);
  tern_json_count(json, "mtu_bytes", sum->mtu_bytes);
  tern_json_close(json);
}

static void put_connections(struct tern_json *json, const struct tern_perf_meter *meter)
{
  tern_json_open(json, "connections");
  tern_json_count(json, "opened", meter->conns_opened);
  tern_json_count(json, "open_at_end", meter->conns_open);
  tern_json_count(json, "failed", meter->conns_failed);
  tern_json_count(json, "lost", meter->conns_lost);
  tern_json_count(json, "replaced", meter->conns_replaced);
  if (meter->fairness > 0)
    tern_json_number(json, "fairness", meter->fairness);
  tern_json_count(json, "heap_bytes", meter->heap_bytes);
  tern_json_count(json, "resident_bytes", meter->resident_bytes);
  tern_json_close(json);
}

void tern_perf_report_json(struct tern_perf_run *run, FILE *file)
{
  struct tern_perf_meter *meter = &run->meter;
  struct tern_json json;
  char text[TERN_ADDR_TEXT_MAX];
  tern_json_begin(&json, file);
  tern_json_text(&json, "tool", run->options.who);
  tern_json_text(&json, "version", TERN_CLI_VERSION);
  tern_json_text(&json, "mode", name_of(run->options.mode));
  tern_json_text(&json, "remote", tern_addr_format(&run->remote, text, sizeof text));
  tern_json_count(&json, "connections_asked", run->options.connections);
  tern_json_count(&json, "streams_asked", run->options.streams);
  tern_json_number(&json, "seconds", meter->seconds);
  put_counts(&json, meter);
  put_samples(&json, "latency_us", &meter->latency);
  put_samples(&json, "first_byte_us", &meter->first_byte);
  put_samples(&json, "handshake_us", &meter->handshake);
  tern_perf_put_cpu(&json, meter->cpu, meter->count.received_bytes + meter->count.sent_bytes,
                    meter->count.done);
  put_connections(&json, meter);
  put_transport(&json, &meter->transport);
  put_errors(&json, meter);
  tern_json_end(&json);
}
