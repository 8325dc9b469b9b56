/* SPDX-License-Identifier: MIT */
/* What a run of `tern perf` measures. */
#ifndef TERN_TOOLS_PERF_METER_H
#define TERN_TOOLS_PERF_METER_H

#include <stddef.h>
#include <stdint.h>

#include <tern/transport.h>

#include "samples.h"

#define TERN_PERF_KINDS_MAX 16
#define TERN_PERF_KIND_TEXT 96
#define TERN_PERF_STATUS_END 600

/* Processor seconds of this process. */
struct tern_perf_cpu {
  double user, system;
};
struct tern_perf_cpu tern_perf_cpu_now(void);
struct tern_perf_cpu tern_perf_cpu_since(struct tern_perf_cpu before);
/* Resident memory of this process in bytes; 0 if the system does not say. */
uint64_t tern_perf_resident_bytes(void);

/* What grows during a run. */
struct tern_perf_count {
  uint64_t received_bytes, sent_bytes; /* of bodies; sent means acknowledged */
  uint64_t done, failed, unfinished, rejected;
};

/* One kind of error and how often it came. */
struct tern_perf_kind {
  char text[TERN_PERF_KIND_TEXT];
  uint64_t count;
};

/* Sums over the connections of a run. */
struct tern_perf_transport {
  uint64_t packets_sent, packets_received, packets_lost, bytes_sent, bytes_received;
  uint64_t congestion_events, pto_count;
  uint64_t rtt_min_ns; /* least of all */
  uint64_t rtt_ns;     /* smoothed, of the connection that was added last */
  uint16_t mtu_bytes;
  char cipher[64], group[64];
};

struct tern_perf_meter {
  struct tern_perf_count count;
  struct tern_samples latency, first_byte, handshake;
  struct tern_perf_kind kinds[TERN_PERF_KINDS_MAX];
  size_t kinds_count;
  uint64_t statuses[TERN_PERF_STATUS_END];
  struct tern_perf_transport transport;
  struct tern_perf_cpu cpu; /* at the beginning, then what was used */
  uint64_t conns_opened, conns_failed, conns_lost, conns_replaced;
  uint64_t conns_open;     /* when the run stopped */
  uint64_t heap_bytes;     /* of tern in this process, when the run stopped */
  uint64_t resident_bytes; /* of this process, then */
  double seconds;
  double fairness; /* Jain's index of the connections' rates; 0 = fewer than two */
};

void tern_perf_meter_init(struct tern_perf_meter *meter);
void tern_perf_meter_deinit(struct tern_perf_meter *meter);
/* Counts one error; beyond TERN_PERF_KINDS_MAX kinds they are "other". */
void tern_perf_meter_add_error(struct tern_perf_meter *meter, const char *kind);
void tern_perf_meter_add_conn(struct tern_perf_meter *meter, const tern_conn *conn);

/* (sum x)^2 / (n sum x^2): 1 if all are equal, 1/n if one has everything (Jain, Chiu, Hawe). 0 without
 * values. */
double tern_perf_jain(const double *values, size_t count);

#endif
