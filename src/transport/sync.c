/* SPDX-License-Identifier: MIT */
/* The transitions of sync.h. An acknowledgement wins over everything: a copy that was declared lost
 * and wanted again may still arrive. */
#include "transport/sync.h"

#define VALUE_MAX ((UINT64_C(1) << 62) - 1) /* values are varints */

void tern_sync_once_want(struct tern_sync_once *once)
{
  if (once->state == TERN_SYNC_IDLE)
    once->state = TERN_SYNC_WANTED;
}

void tern_sync_once_on_sent(struct tern_sync_once *once)
{
  if (once->state == TERN_SYNC_WANTED)
    once->state = TERN_SYNC_SENT;
}

void tern_sync_once_on_acked(struct tern_sync_once *once)
{
  if (once->state != TERN_SYNC_IDLE)
    once->state = TERN_SYNC_ACKED;
}

void tern_sync_once_on_lost(struct tern_sync_once *once)
{
  if (once->state == TERN_SYNC_SENT)
    once->state = TERN_SYNC_WANTED;
}

void tern_sync_once_cancel(struct tern_sync_once *once)
{
  if (once->state != TERN_SYNC_ACKED)
    once->state = TERN_SYNC_IDLE;
}

void tern_sync_newest_want(struct tern_sync_newest *newest)
{
  newest->state = TERN_SYNC_WANTED;
}

void tern_sync_newest_on_sent(struct tern_sync_newest *newest, uint64_t value)
{
  newest->sent = value & VALUE_MAX;
  newest->state = TERN_SYNC_SENT;
}

/* WANTED stays: a newer value is waiting, or the same one was declared lost; in the second case the
 * peer has it after all. */
void tern_sync_newest_on_acked(struct tern_sync_newest *newest, uint64_t value)
{
  if (newest->state == TERN_SYNC_SENT && value == newest->sent)
    newest->state = TERN_SYNC_ACKED;
}

void tern_sync_newest_on_lost(struct tern_sync_newest *newest, uint64_t value)
{
  if (newest->state == TERN_SYNC_SENT && value == newest->sent)
    newest->state = TERN_SYNC_WANTED;
}

void tern_sync_newest_cancel(struct tern_sync_newest *newest)
{
  newest->state = TERN_SYNC_IDLE;
}
