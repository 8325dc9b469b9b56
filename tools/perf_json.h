/* SPDX-License-Identifier: MIT */
/* Members that the reports of client and server share. */
#ifndef TERN_TOOLS_PERF_JSON_H
#define TERN_TOOLS_PERF_JSON_H

#include <stdint.h>

#include "json.h"
#include "perf_meter.h"

/* "cpu": seconds, and of them per GiB and per job. */
void tern_perf_put_cpu(struct tern_json *json, struct tern_perf_cpu cpu, uint64_t bytes,
                       uint64_t done);

#endif
