/* SPDX-License-Identifier: MIT */
/* See admission.h. */
#include "transport/admission.h"

#include <string.h>

tern_status tern_admission_init(struct tern_admission *admission,
                                const struct tern_admission_args *args)
{
  memset(admission, 0, sizeof *admission);
  admission->alloc = args->alloc;
  memcpy(admission->key, args->key, sizeof admission->key);
  admission->retry_half_open = args->config->retry_half_open;
  admission->source_rate = args->config->source_rate;
  admission->source_conns_max = args->config->source_conns_max;
  tern_map_init(&admission->sources, args->alloc, args->key);
  admission->throttled = tern_meter_of(TERN_CAP_REFLECT_RATE, TERN_CAP_REFLECT_RATE);
  if (args->config->server_tls == NULL)
    return TERN_OK;
  admission->meters =
      tern_alloc_take_zero(args->alloc, TERN_SOURCES_METERS * sizeof *admission->meters);
  return admission->meters != NULL ? TERN_OK : TERN_NOMEM;
}

void tern_admission_deinit(struct tern_admission *admission)
{
  if (admission->alloc == NULL)
    return;
  tern_map_deinit(&admission->sources);
  tern_alloc_give(admission->alloc, admission->meters,
                  TERN_SOURCES_METERS * sizeof *admission->meters);
}

/* ---- who is never answered ------------------------------------------------------------------- */

static bool is_in(uint16_t port, const uint16_t *ports, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (ports[i] == port)
      return true;
  return false;
}

/* 224.0.0.0/4, the broadcast address, ff00::/8. */
static bool is_group(const tern_addr *addr)
{
  if (addr->family == 6)
    return addr->ip[0] == 0xff;
  return addr->family == 4 && addr->ip[0] >= 224;
}

bool tern_admission_may_answer(struct tern_admission *admission, const tern_addr *local,
                               const tern_addr *remote, tern_time now)
{
  /* echo's kin: 0, qotd, chargen, dns, portmap, ntp, netbios, snmp, ldap, isakmp ... */
  static const uint16_t blocked[] = {0, 17, 19, 53, 111, 123, 137, 138, 161, 389, 500};
  /* ssdp, ws-discovery, mdns, llmnr, memcached: clients may have these ports by chance */
  static const uint16_t throttled[] = {1900, 3702, 5353, 5355, 11211};

  if (is_group(local) || is_group(remote) ||
      is_in(remote->port, blocked, sizeof blocked / sizeof blocked[0]))
    return false;
  if (remote->port < throttled[0] ||
      !is_in(remote->port, throttled, sizeof throttled / sizeof throttled[0]))
    return true;
  return tern_meter_take(&admission->throttled, now);
}

/* ---- networks -------------------------------------------------------------------------------- */

/* 127.0.0.0/8 and ::1, also as IPv4-mapped. */
static bool is_own(const tern_addr *addr)
{
  static const uint8_t loopback6[16] = {[15] = 1};

  return addr->family == 4 ? addr->ip[0] == 127 : memcmp(addr->ip, loopback6, 16) == 0;
}

uint64_t tern_admission_source(const struct tern_admission *admission, const tern_addr *remote)
{
  uint8_t prefix[7] = {remote->family};

  if (is_own(remote))
    return 0;
  memcpy(prefix + 1, remote->ip, remote->family == 4 ? 3 : 6);
  return tern_siphash(admission->key, tern_slice_of(prefix, sizeof prefix)) | 1;
}

static bool is_within_rate(struct tern_admission *admission, const tern_addr *remote, tern_time now)
{
  uint64_t source = tern_admission_source(admission, remote);
  if (source == 0 || admission->source_rate == 0 || admission->meters == NULL)
    return true;
  tern_time *full_at = &admission->meters[(source >> 1) & (TERN_SOURCES_METERS - 1)];
  struct tern_meter meter = tern_meter_of(admission->source_rate, admission->source_rate);
  meter.full_at = *full_at;
  bool is_within = tern_meter_take(&meter, now);
  *full_at = meter.full_at;
  return is_within;
}

tern_verdict tern_admission_judge(struct tern_admission *admission, const tern_applicant *applicant,
                                  tern_time now)
{
  bool is_calm = applicant->half_open < admission->retry_half_open &&
                 applicant->half_open_bytes < TERN_CAP_HALF_OPEN_BYTES / 2;

  if (is_calm || admission->retry_half_open == UINT32_MAX)
    return TERN_VERDICT_ADMIT;
  if (!applicant->is_validated)
    return TERN_VERDICT_RETRY;
  return is_within_rate(admission, &applicant->remote, now) ? TERN_VERDICT_ADMIT
                                                            : TERN_VERDICT_DROP;
}

/* ---- connections of a network ---------------------------------------------------------------- */

/* A count is kept as the map's value itself. */
static bool set_count(struct tern_admission *admission, uint64_t source, uintptr_t count)
{
  tern_slice key = tern_slice_of(&source, sizeof source);

  (void)tern_map_remove(&admission->sources, key);
  return count == 0 || tern_map_insert(&admission->sources, key, (void *)count) == TERN_OK;
}

static uintptr_t get_count(const struct tern_admission *admission, uint64_t source)
{
  return (uintptr_t)tern_map_find(&admission->sources, tern_slice_of(&source, sizeof source));
}

bool tern_admission_enter(struct tern_admission *admission, uint64_t source)
{
  if (admission->source_conns_max == 0 || source == 0)
    return true;
  uintptr_t count = get_count(admission, source);
  return count < admission->source_conns_max && set_count(admission, source, count + 1);
}

void tern_admission_leave(struct tern_admission *admission, uint64_t source)
{
  if (admission->source_conns_max == 0 || source == 0)
    return;
  uintptr_t count = get_count(admission, source);
  if (count != 0 && !set_count(admission, source, count - 1))
    return; /* no memory to keep the rest: the network may have more for a while */
}
