/* SPDX-License-Identifier: MIT */
/* The knobs of tern_config: one row a knob, read by the defaults and by the check alike, so that a
 * default outside its own bounds cannot be written. */
#include <tern/config.h>

#include <stdio.h>
#include <string.h>

#include <tern/cc.h>

#include "base/alloc.h"
#include "recovery/cc_common.h"
#include "transport/steer.h"
#include "wire/quic.h"

enum knob_type { KNOB_U64, KNOB_U32, KNOB_U16, KNOB_U8 };

struct knob {
  const char *name;
  size_t offset;
  enum knob_type type;
  uint64_t normal; /* the default */
  uint64_t min;
  uint64_t max;
  const char *unit;
};

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define KNOB(name, type, normal, min, max, unit)                                                   \
  {                                                                                                \
#name, offsetof(tern_config, name), type, normal, min, max, unit                               \
  }

static const struct knob knobs[] = {
    KNOB(idle_timeout_ms, KNOB_U64, 30000, 0, 600000, "ms"),
    KNOB(stream_window_bytes, KNOB_U64, 256 * KIB, KIB, 64 * MIB, "bytes"),
    KNOB(stream_window_max_bytes, KNOB_U64, 32 * MIB, KIB, GIB, "bytes"),
    KNOB(conn_window_bytes, KNOB_U64, 512 * KIB, KIB, 64 * MIB, "bytes"),
    KNOB(conn_window_max_bytes, KNOB_U64, 48 * MIB, KIB, GIB, "bytes"),
    KNOB(streams_bidi_max, KNOB_U64, 100, 0, 65536, "streams"),
    KNOB(streams_uni_max, KNOB_U64, 100, 0, 65536, "streams"),
    KNOB(ack_delay_max_ms, KNOB_U64, 25, 1, 250, "ms"),
    KNOB(datagram_frame_max_bytes, KNOB_U64, 65535, 0, 65535, "bytes"),
    KNOB(handshake_timeout_ms, KNOB_U64, 10000, 100, 600000, "ms"),
    KNOB(keep_alive_ms, KNOB_U64, 0, 0, 600000, "ms"),
    KNOB(initial_rtt_ms, KNOB_U64, 333, 1, 5000, "ms"),
    KNOB(send_buffer_bytes, KNOB_U64, MIB, 4 * KIB, GIB, "bytes"),
    KNOB(pacing_rate_max, KNOB_U64, 0, 0, UINT64_MAX, "bytes per second"),
    KNOB(conns_max, KNOB_U32, 1000000, 1, UINT32_MAX, "connections"),
    KNOB(mtu_initial_bytes, KNOB_U16, 1200, 1200, 65527, "bytes"),
    KNOB(mtu_max_bytes, KNOB_U16, 1452, 1200, 65527, "bytes"),
    KNOB(retry_half_open, KNOB_U32, 256, 0, UINT32_MAX, "connections"),
    KNOB(retry_rate, KNOB_U32, 100000, 1, 1 << 20, "packets per second"),
    KNOB(source_rate, KNOB_U32, 1000, 0, 1 << 20, "connections per second"),
    KNOB(source_conns_max, KNOB_U32, 0, 0, UINT32_MAX, "connections"),
    KNOB(half_open_timeout_ms, KNOB_U64, 10000, 100, 600000, "ms"),
    KNOB(key_update_packets, KNOB_U64, 0, 0, UINT64_MAX, "packets"),
    KNOB(cid_bytes, KNOB_U8, 8, 4, 20, "bytes"),
};
#define KNOBS_COUNT (sizeof(knobs) / sizeof(knobs[0]))

static uint64_t knob_get(const tern_config *config, const struct knob *knob)
{
  const uint8_t *at = (const uint8_t *)config + knob->offset;
  uint64_t wide;
  uint32_t word;
  uint16_t half;
  switch (knob->type) {
  case KNOB_U64:
    memcpy(&wide, at, sizeof wide);
    return wide;
  case KNOB_U32:
    memcpy(&word, at, sizeof word);
    return word;
  case KNOB_U16:
    memcpy(&half, at, sizeof half);
    return half;
  case KNOB_U8:
    return *at;
  }
  return 0;
}

static void knob_set(tern_config *config, const struct knob *knob, uint64_t value)
{
  uint8_t *at = (uint8_t *)config + knob->offset;
  uint32_t word = (uint32_t)value;
  uint16_t half = (uint16_t)value;
  switch (knob->type) {
  case KNOB_U64:
    memcpy(at, &value, sizeof value);
    return;
  case KNOB_U32:
    memcpy(at, &word, sizeof word);
    return;
  case KNOB_U16:
    memcpy(at, &half, sizeof half);
    return;
  case KNOB_U8:
    *at = (uint8_t)value;
    return;
  }
}

void tern_config_init(tern_config *config, size_t size)
{
  tern_config full;
  memset(&full, 0, sizeof full);
  full.alloc = tern_alloc_system;
  full.cc = &tern_cc_cubic;
  for (size_t i = 0; i < KNOBS_COUNT; i++)
    knob_set(&full, &knobs[i], knobs[i].normal);
  full.pacing = true;
  full.ecn = true;
  full.grease = true;
  full.steer.workers = 1;
  full.new_tokens = true;
  full.versions[0] = TERN_VERSION_1;
  full.versions[1] = TERN_VERSION_2;
  full.versions_count = 2;
  if (size > sizeof full)
    size = sizeof full;
  full.size = size;
  memcpy(config, &full, size);
}

static tern_status refuse(char *why, size_t why_size, const char *sentence)
{
  if (why_size != 0)
    snprintf(why, why_size, "%s", sentence);
  return TERN_INVALID;
}

static tern_status check_pairs(const tern_config *config, char *why, size_t why_size)
{
  if (config->mtu_initial_bytes > config->mtu_max_bytes)
    return refuse(why, why_size, "mtu_initial_bytes must not be above mtu_max_bytes");
  if (config->stream_window_bytes > config->stream_window_max_bytes)
    return refuse(why, why_size, "stream_window_bytes must not be above stream_window_max_bytes");
  if (config->conn_window_bytes > config->conn_window_max_bytes)
    return refuse(why, why_size, "conn_window_bytes must not be above conn_window_max_bytes");
  return TERN_OK;
}

static tern_status check_steer(const tern_config *config, char *why, size_t why_size)
{
  const tern_steer *steer = &config->steer;
  if (steer->workers < 1 || steer->workers > TERN_WORKERS_MAX)
    return refuse(why, why_size, "steer.workers must be 1 to 256");
  if (steer->worker >= steer->workers)
    return refuse(why, why_size, "steer.worker must be below steer.workers");
  if (steer->workers > 1 && config->cid_bytes < TERN_STEER_CID_BYTES_MIN)
    return refuse(why, why_size, "cid_bytes must be 8 or more with several workers");
  return TERN_OK;
}

static tern_status check_versions(const tern_config *config, char *why, size_t why_size)
{
  if (config->versions_count < 1 || config->versions_count > TERN_VERSIONS_MAX)
    return refuse(why, why_size, "versions_count must be 1 to 4");
  for (uint32_t i = 0; i < config->versions_count; i++)
    if (!tern_version_is_known(config->versions[i]))
      return refuse(why, why_size, "versions must be TERN_VERSION_1 or TERN_VERSION_2");
  return TERN_OK;
}

tern_status tern_config_check(const tern_config *config, char *why, size_t why_size)
{
  if (config->size != sizeof(tern_config))
    return refuse(why, why_size, "size is not sizeof(tern_config): call tern_config_init first");
  if (config->random.fill == NULL)
    return refuse(why, why_size, "random.fill is NULL: the core draws no entropy by itself");
  if (config->alloc.take == NULL || config->alloc.give == NULL)
    return refuse(why, why_size, "alloc.take and alloc.give must both be set");
  if (config->cc == NULL || config->cc->version != TERN_CC_VERSION ||
      tern_cc_get_state_bytes(config->cc) > TERN_CC_STATE_BYTES)
    return refuse(why, why_size, "cc is NULL, too large, or made for another TERN_CC_VERSION");
  if (config->subscribers_count > TERN_SUBSCRIBERS_MAX)
    return refuse(why, why_size, "subscribers_count is above 8");
  for (size_t i = 0; i < KNOBS_COUNT; i++) {
    const struct knob *knob = &knobs[i];
    uint64_t value = knob_get(config, knob);
    if (value >= knob->min && value <= knob->max)
      continue;
    if (why_size != 0)
      snprintf(why, why_size, "%s is %llu, but must be %llu to %llu %s", knob->name,
               (unsigned long long)value, (unsigned long long)knob->min,
               (unsigned long long)knob->max, knob->unit);
    return TERN_INVALID;
  }
  tern_status status = check_versions(config, why, why_size);
  if (status == TERN_OK)
    status = check_steer(config, why, why_size);
  return status != TERN_OK ? status : check_pairs(config, why, why_size);
}
