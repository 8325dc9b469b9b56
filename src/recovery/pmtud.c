/* SPDX-License-Identifier: MIT */
/* The search of RFC 8899 5.3, with its interval (plpmtu, failed) drawn in the header. */
#include "recovery/pmtud.h"

void tern_pmtud_init(struct tern_pmtud *pmtud, uint16_t initial_bytes, uint16_t max_bytes)
{
  if (max_bytes < TERN_PMTUD_BASE_BYTES)
    max_bytes = TERN_PMTUD_BASE_BYTES;
  if (initial_bytes < TERN_PMTUD_BASE_BYTES)
    initial_bytes = TERN_PMTUD_BASE_BYTES;
  if (initial_bytes > max_bytes)
    initial_bytes = max_bytes;
  pmtud->state = TERN_PMTUD_DISABLED;
  pmtud->plpmtu_bytes = initial_bytes;
  pmtud->base_bytes = TERN_PMTUD_BASE_BYTES;
  pmtud->max_bytes = max_bytes;
  pmtud->failed_bytes = max_bytes + 1u;
  pmtud->probe_bytes = 0;
  pmtud->probe_losses = 0;
  pmtud->full_losses = 0;
  pmtud->is_probe_in_flight = false;
  pmtud->raise_time = TERN_TIME_NEVER;
}

static bool has_failed(const struct tern_pmtud *pmtud)
{
  return pmtud->failed_bytes <= pmtud->max_bytes;
}

/* Nothing more to gain; the maximum itself is always worth a try while it has not failed. */
static bool is_found(const struct tern_pmtud *pmtud)
{
  if (pmtud->plpmtu_bytes >= pmtud->max_bytes)
    return true;
  return has_failed(pmtud) &&
         pmtud->failed_bytes < pmtud->plpmtu_bytes + 1u + TERN_PMTUD_STEP_BYTES;
}

static void settle(struct tern_pmtud *pmtud, tern_time now)
{
  if (pmtud->state != TERN_PMTUD_SEARCHING || !is_found(pmtud))
    return;
  pmtud->state = TERN_PMTUD_COMPLETE;
  pmtud->probe_bytes = 0;
  pmtud->probe_losses = 0;
  /* At the maximum there is nothing to raise. */
  pmtud->raise_time =
      pmtud->plpmtu_bytes < pmtud->max_bytes ? now + TERN_PMTUD_RAISE_NS : TERN_TIME_NEVER;
}

static void search(struct tern_pmtud *pmtud, tern_time now)
{
  pmtud->state = TERN_PMTUD_SEARCHING;
  pmtud->failed_bytes = pmtud->max_bytes + 1u;
  pmtud->probe_bytes = 0;
  pmtud->probe_losses = 0;
  pmtud->raise_time = TERN_TIME_NEVER;
  settle(pmtud, now);
}

void tern_pmtud_start(struct tern_pmtud *pmtud)
{
  if (pmtud->state == TERN_PMTUD_DISABLED)
    search(pmtud, 0); /* nothing has failed yet, so no time is needed */
}

void tern_pmtud_set_max(struct tern_pmtud *pmtud, uint16_t max_bytes)
{
  if (max_bytes < TERN_PMTUD_BASE_BYTES)
    max_bytes = TERN_PMTUD_BASE_BYTES;
  if (max_bytes >= pmtud->max_bytes)
    return;
  pmtud->max_bytes = max_bytes;
  if (pmtud->plpmtu_bytes > max_bytes)
    pmtud->plpmtu_bytes = max_bytes;
  if (pmtud->state != TERN_PMTUD_DISABLED)
    search(pmtud, 0);
  else
    pmtud->failed_bytes = max_bytes + 1u;
}

uint16_t tern_pmtud_wants_probe(struct tern_pmtud *pmtud, tern_time now)
{
  if (pmtud->state == TERN_PMTUD_COMPLETE && now >= pmtud->raise_time)
    search(pmtud, now);
  if (pmtud->state != TERN_PMTUD_SEARCHING || pmtud->is_probe_in_flight)
    return 0;
  if (pmtud->probe_bytes == 0) {
    pmtud->probe_bytes = has_failed(pmtud)
                             ? (uint16_t)((pmtud->plpmtu_bytes + pmtud->failed_bytes) / 2)
                             : pmtud->max_bytes;
  }
  return pmtud->probe_bytes;
}

void tern_pmtud_on_probe_sent(struct tern_pmtud *pmtud, uint16_t bytes)
{
  if (bytes == pmtud->probe_bytes)
    pmtud->is_probe_in_flight = true;
}

bool tern_pmtud_on_probe_acked(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now)
{
  bool has_grown = false;

  pmtud->is_probe_in_flight = false;
  pmtud->full_losses = 0;
  if (bytes > pmtud->max_bytes || pmtud->state == TERN_PMTUD_DISABLED)
    return false;
  if (bytes > pmtud->plpmtu_bytes) {
    pmtud->plpmtu_bytes = bytes;
    has_grown = true;
  }
  /* A size that was given up came through after all. */
  if (pmtud->failed_bytes <= pmtud->plpmtu_bytes)
    pmtud->failed_bytes = pmtud->max_bytes + 1u;
  if (pmtud->probe_bytes <= pmtud->plpmtu_bytes) {
    pmtud->probe_bytes = 0;
    pmtud->probe_losses = 0;
  }
  settle(pmtud, now);
  return has_grown;
}

static void give_up(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now)
{
  pmtud->failed_bytes = bytes;
  pmtud->probe_bytes = 0;
  pmtud->probe_losses = 0;
  settle(pmtud, now);
}

void tern_pmtud_on_probe_lost(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now)
{
  pmtud->is_probe_in_flight = false;
  if (pmtud->state != TERN_PMTUD_SEARCHING || bytes != pmtud->probe_bytes)
    return;
  pmtud->probe_losses++;
  if (pmtud->probe_losses >= TERN_PMTUD_PROBES)
    give_up(pmtud, bytes, now);
}

void tern_pmtud_on_probe_refused(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now)
{
  pmtud->is_probe_in_flight = false;
  if (pmtud->state == TERN_PMTUD_SEARCHING && bytes == pmtud->probe_bytes)
    give_up(pmtud, bytes, now);
}

void tern_pmtud_on_acked(struct tern_pmtud *pmtud, uint16_t bytes)
{
  if (bytes > pmtud->base_bytes)
    pmtud->full_losses = 0;
}

/* [rfc8899-4.3] black hole: the path no longer carries what it did. The new search begins with the
 * maximum, so a path that only lost everything for a moment recovers with one probe. */
static void fall(struct tern_pmtud *pmtud, tern_time now)
{
  pmtud->full_losses = 0;
  pmtud->plpmtu_bytes = pmtud->base_bytes;
  if (pmtud->state != TERN_PMTUD_DISABLED)
    search(pmtud, now);
}

bool tern_pmtud_on_lost(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now)
{
  if (bytes <= pmtud->base_bytes || pmtud->plpmtu_bytes <= pmtud->base_bytes)
    return false;
  pmtud->full_losses++;
  if (pmtud->full_losses < TERN_PMTUD_BLACK_HOLE)
    return false;
  fall(pmtud, now);
  return true;
}

bool tern_pmtud_on_pto(struct tern_pmtud *pmtud, uint32_t count, tern_time now)
{
  if (count < TERN_PMTUD_PTOS || pmtud->plpmtu_bytes <= pmtud->base_bytes)
    return false;
  fall(pmtud, now);
  return true;
}
