/* SPDX-License-Identifier: MIT */
/* Counting, and asking the system what it took. */
#define _GNU_SOURCE /* RUSAGE_SELF */
#include "perf_meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds_of(struct timeval time)
{
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

struct tern_perf_cpu tern_perf_cpu_now(void)
{
  struct tern_perf_cpu cpu = {0, 0};
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    cpu = (struct tern_perf_cpu){seconds_of(usage.ru_utime), seconds_of(usage.ru_stime)};
  return cpu;
}

struct tern_perf_cpu tern_perf_cpu_since(struct tern_perf_cpu before)
{
  struct tern_perf_cpu now = tern_perf_cpu_now();
  return (struct tern_perf_cpu){now.user - before.user, now.system - before.system};
}

uint64_t tern_perf_resident_bytes(void)
{
  uint64_t pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL)
    return 0;
  if (fscanf(file, "%" SCNu64 " %" SCNu64, &pages, &resident) != 2)
    resident = 0;
  fclose(file);
  return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void tern_perf_meter_init(struct tern_perf_meter *meter)
{
  memset(meter, 0, sizeof *meter);
  tern_samples_init(&meter->latency, TERN_SAMPLES_MAX);
  tern_samples_init(&meter->first_byte, TERN_SAMPLES_MAX);
  tern_samples_init(&meter->handshake, TERN_SAMPLES_MAX);
}

void tern_perf_meter_deinit(struct tern_perf_meter *meter)
{
  tern_samples_deinit(&meter->latency);
  tern_samples_deinit(&meter->first_byte);
  tern_samples_deinit(&meter->handshake);
}

void tern_perf_meter_add_error(struct tern_perf_meter *meter, const char *text)
{
  size_t i = 0;
  if (meter->kinds_count + 1 >= TERN_PERF_KINDS_MAX) {
    while (i < meter->kinds_count && strcmp(meter->kinds[i].text, text) != 0)
      i++;
    if (i == meter->kinds_count)
      text = "other";
  }
  for (i = 0; i < meter->kinds_count; i++)
    if (strncmp(meter->kinds[i].text, text, TERN_PERF_KIND_TEXT - 1) == 0)
      break;
  struct tern_perf_kind *kind = &meter->kinds[i];
  if (i == meter->kinds_count) {
    meter->kinds_count++;
    strncat(kind->text, text, sizeof kind->text - 1); /* empty before */
  }
  kind->count++;
}

void tern_perf_meter_add_conn(struct tern_perf_meter *meter, const tern_conn *conn)
{
  struct tern_perf_transport *sum = &meter->transport;
  tern_conn_stats stats;
  tern_conn_get_stats(conn, &stats);
  sum->packets_sent += stats.packets_sent;
  sum->packets_received += stats.packets_received;
  sum->packets_lost += stats.packets_lost;
  sum->bytes_sent += stats.bytes_sent;
  sum->bytes_received += stats.bytes_received;
  sum->congestion_events += stats.congestion_events;
  sum->pto_count += stats.pto_count;
  if (stats.rtt_min_ns != 0 && (sum->rtt_min_ns == 0 || stats.rtt_min_ns < sum->rtt_min_ns))
    sum->rtt_min_ns = stats.rtt_min_ns;
  sum->rtt_ns = stats.rtt_smoothed_ns;
  sum->mtu_bytes = stats.mtu_bytes;
  snprintf(sum->cipher, sizeof sum->cipher, "%s", tern_conn_get_cipher(conn));
  snprintf(sum->group, sizeof sum->group, "%s", tern_conn_get_group(conn));
}

double tern_perf_jain(const double *values, size_t count)
{
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) {
    sum += values[i];
    squares += values[i] * values[i];
  }
  return squares > 0 ? sum * sum / ((double)count * squares) : 0;
}
