/* SPDX-License-Identifier: MIT */
/* What people read: a line a second on a terminal, and the summary. */
#include "perf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"

#define GIB (1024.0 * 1024 * 1024)
#define US 1e3 /* nanoseconds */

void tern_perf_print_tick(struct tern_perf_run *run, tern_time now)
{
  const struct tern_perf_count *count = &run->meter.count, *last = &run->last_tick;
  double seconds = (double)(now - run->tick_at) / 1e9;
  char text[160];
  int at = snprintf(text, sizeof text, "%6.1f s", (double)(now - run->began_at) / 1e9);
  double down = (double)(count->received_bytes - last->received_bytes) * 8 / seconds / 1e9;
  double up = (double)(count->sent_bytes - last->sent_bytes) * 8 / seconds / 1e9;
  at += snprintf(text + at, sizeof text - (size_t)at, "  %7.3f Gbit/s down  %7.3f up", down, up);
  if (run->options.mode != TERN_PERF_BULK)
    at += snprintf(text + at, sizeof text - (size_t)at, "  %9.0f/s",
                   (double)(count->done - last->done) / seconds);
  if (count->failed > 0)
    snprintf(text + at, sizeof text - (size_t)at, "  %" PRIu64 " failed", count->failed);
  fprintf(stderr, "%s\n", text);
  run->last_tick = *count;
  run->tick_at = now;
}

static const char *noun_of(enum tern_perf_mode mode)
{
  switch (mode) {
  case TERN_PERF_BULK:
    return "streams";
  case TERN_PERF_REQUESTS:
  case TERN_PERF_H3:
    return "requests";
  case TERN_PERF_HANDSHAKES:
    return "handshakes";
  case TERN_PERF_IDLE:
    return "idle";
  case TERN_PERF_DATAGRAMS:
    return "datagrams";
  }
  return "";
}

static void print_way(const char *name, uint64_t bytes, double seconds)
{
  char text[32];
  if (bytes > 0)
    printf("%-11s %.3f Gbit/s, %s\n", name, (double)bytes * 8 / seconds / 1e9,
           tern_progress_format_bytes(bytes, text, sizeof text));
}

/* "85.3 us", "12.0 ms", "1.94 s" */
static const char *format_time(uint64_t ns, char *text, size_t size)
{
  if (ns < TERN_MS)
    snprintf(text, size, "%.1f us", (double)ns / US);
  else if (ns < TERN_SECOND)
    snprintf(text, size, "%.2f ms", (double)ns / 1e6);
  else
    snprintf(text, size, "%.3f s", (double)ns / 1e9);
  return text;
}

static void print_samples(const char *name, struct tern_samples *samples)
{
  static const struct {
    const char *name;
    double q;
  } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
  char text[32];
  if (samples->seen == 0)
    return;
  printf("%-11s", name);
  for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
    printf(" %s %s%s", quantiles[i].name,
           format_time(tern_samples_get_quantile(samples, quantiles[i].q), text, sizeof text),
           quantiles[i].q < 1 ? " " : "\n");
}

/* What is not back has been lost on one of the two ways. */
static void print_datagrams(const struct tern_perf_meter *meter)
{
  uint64_t issued = meter->count.done + meter->count.unfinished + meter->count.failed;
  printf("datagrams   %" PRIu64 " sent, %.1f/s, %" PRIu64 " came back, %.3f %% lost\n", issued,
         (double)issued / meter->seconds, meter->count.done,
         issued == 0 ? 0 : 100 * (1 - (double)meter->count.done / (double)issued));
}

static void print_idle(const struct tern_perf_meter *meter)
{
  double conns = (double)(meter->conns_open == 0 ? 1 : meter->conns_open);
  printf("idle        %" PRIu64 " connections were open at the end; here each takes %.0f bytes of "
         "tern's heap, %.0f resident\n",
         meter->conns_open, (double)meter->heap_bytes / conns,
         (double)meter->resident_bytes / conns);
}

static void print_jobs(const struct tern_perf_run *run)
{
  const struct tern_perf_meter *meter = &run->meter;
  const struct tern_perf_count *count = &meter->count;
  if (run->options.mode == TERN_PERF_DATAGRAMS || run->options.mode == TERN_PERF_IDLE) {
    if (run->options.mode == TERN_PERF_IDLE)
      print_idle(meter);
    else
      print_datagrams(meter);
    return;
  }
  printf("%-11s %" PRIu64 " done, %.1f/s", noun_of(run->options.mode), count->done,
         (double)count->done / meter->seconds);
  if (count->failed > 0)
    printf(", %" PRIu64 " failed", count->failed);
  if (count->unfinished > 0)
    printf(", %" PRIu64 " unfinished", count->unfinished);
  if (count->rejected > 0)
    printf(", %" PRIu64 " sent again", count->rejected);
  putchar('\n');
}

static void print_errors(const struct tern_perf_meter *meter)
{
  bool has_status = false;
  for (unsigned i = 0; i < TERN_PERF_STATUS_END; i++) {
    if (meter->statuses[i] == 0)
      continue;
    printf(has_status ? ", %" PRIu64 " with %u" : "status      %" PRIu64 " with %u",
           meter->statuses[i], i);
    has_status = true;
  }
  if (has_status)
    putchar('\n');
  for (size_t i = 0; i < meter->kinds_count; i++)
    printf("error       %" PRIu64 " times: %s\n", meter->kinds[i].count, meter->kinds[i].text);
  if (meter->conns_failed + meter->conns_lost + meter->conns_replaced > 0)
    printf("connections %" PRIu64 " opened, %" PRIu64 " failed, %" PRIu64 " lost, %" PRIu64
           " replaced\n",
           meter->conns_opened, meter->conns_failed, meter->conns_lost, meter->conns_replaced);
}

static void print_cpu(const struct tern_perf_run *run)
{
  const struct tern_perf_meter *meter = &run->meter;
  struct tern_perf_cpu cpu = meter->cpu;
  double gib = (double)(meter->count.received_bytes + meter->count.sent_bytes) / GIB;
  double all = cpu.user + cpu.system;
  printf("cpu         %.3f s (%.3f user, %.3f system), %.0f %% of a core", all, cpu.user,
         cpu.system, all / meter->seconds * 100);
  if (run->options.mode == TERN_PERF_BULK && gib > 0)
    printf(", %.3f s/GiB (%.3f user, %.3f system)", all / gib, cpu.user / gib, cpu.system / gib);
  else if (meter->count.done > 0)
    printf(", %.2f us each (%.2f user, %.2f system)", all / (double)meter->count.done * 1e6,
           cpu.user / (double)meter->count.done * 1e6,
           cpu.system / (double)meter->count.done * 1e6);
  putchar('\n');
}

static void print_text(struct tern_perf_run *run)
{
  const struct tern_perf_options *options = &run->options;
  struct tern_perf_meter *meter = &run->meter;
  const struct tern_perf_transport *transport = &meter->transport;
  char text[TERN_ADDR_TEXT_MAX];
  printf("%s to %s, %" PRIu64 " x %" PRIu64 ", %.3f s; %s, %s\n", noun_of(options->mode),
         tern_addr_format(&run->remote, text, sizeof text), options->connections, options->streams,
         meter->seconds, transport->cipher, transport->group);
  print_way("down", meter->count.received_bytes, meter->seconds);
  print_way("up", meter->count.sent_bytes, meter->seconds);
  print_jobs(run);
  if (options->mode != TERN_PERF_HANDSHAKES)
    print_samples("latency", &meter->latency);
  if (options->mode == TERN_PERF_H3)
    print_samples("first byte", &meter->first_byte);
  print_samples("handshake", &meter->handshake);
  if (meter->fairness > 0)
    printf("fairness    %.4f (Jain, over connections)\n", meter->fairness);
  print_errors(meter);
  print_cpu(run);
  printf("packets     %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " lost; rtt %.1f us, least "
         "%.1f us; mtu %u\n",
         transport->packets_sent, transport->packets_received, transport->packets_lost,
         (double)transport->rtt_ns / US, (double)transport->rtt_min_ns / US,
         (unsigned)transport->mtu_bytes);
}

void tern_perf_report(struct tern_perf_run *run)
{
  const struct tern_perf_count *count = &run->meter.count;
  if (run->options.mode == TERN_PERF_BULK && count->received_bytes + count->sent_bytes == 0)
    tern_perf_fail(run, TERN_EXIT_TRANSFER);
  if (run->options.json)
    tern_perf_report_json(run, stdout);
  else
    print_text(run);
  fflush(stdout);
}
