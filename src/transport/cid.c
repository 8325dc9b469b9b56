/* SPDX-License-Identifier: MIT */
/* Connection ids: see cid.h. All tables are a handful of entries, so everything is a plain walk. */
#include "transport/cid.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/frame_write.h"

/* ---- local ---- */

void tern_cid_local_init(struct tern_cid_local *local, uint32_t path_id,
                         const struct tern_cid *first, const uint8_t *reset_token)
{
  struct tern_cid_local_entry *entry = &local->entries[0];
  *local = (struct tern_cid_local){0};
  entry->cid = *first;
  entry->is_used = true;
  entry->frame.state = TERN_SYNC_ACKED;
  if (reset_token != NULL)
    memcpy(entry->reset_token, reset_token, TERN_RESET_TOKEN_BYTES);
  local->next_sequence = 1;
  local->told_below = 1;
  local->active_max = 1;
  local->path_id = path_id;
  local->is_empty_id = first->len == 0;
}

void tern_cid_local_on_peer_limit(struct tern_cid_local *local, uint64_t active_limit)
{
  /* [rfc9000-5.1.1] MUST NOT provide more connection ids than the peer's limit */
  local->active_max = active_limit < TERN_CAP_ACTIVE_CIDS ? active_limit : TERN_CAP_ACTIVE_CIDS;
}

static struct tern_cid_local_entry *find_local(struct tern_cid_local *local, uint64_t sequence)
{
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (local->entries[i].is_used && local->entries[i].sequence == sequence)
      return &local->entries[i];
  return NULL;
}

bool tern_cid_local_wants_id(const struct tern_cid_local *local)
{
  uint64_t active = 0;
  /* [rfc9000-5.1.1] an endpoint with empty ids cannot issue a new one */
  if (local->is_empty_id)
    return false;
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    active += local->entries[i].is_used;
  return active < local->active_max;
}

uint64_t tern_cid_local_add(struct tern_cid_local *local, const struct tern_cid *cid,
                            const uint8_t reset_token[TERN_RESET_TOKEN_BYTES])
{
  struct tern_cid_local_entry *entry = local->entries;
  TERN_ASSERT(tern_cid_local_wants_id(local));
  while (entry->is_used)
    entry++;
  /* [rfc9000-5.1.1] sequence numbers MUST increase by 1 */
  entry->sequence = local->next_sequence++;
  entry->cid = *cid;
  memcpy(entry->reset_token, reset_token, TERN_RESET_TOKEN_BYTES);
  entry->is_used = true;
  entry->frame.state = TERN_SYNC_WANTED;
  return entry->sequence;
}

const struct tern_cid_local_entry *tern_cid_local_next(const struct tern_cid_local *local,
                                                       uint32_t *at)
{
  while (*at < TERN_CAP_ACTIVE_CIDS) {
    const struct tern_cid_local_entry *entry = &local->entries[(*at)++];
    if (entry->is_used)
      return entry;
  }
  return NULL;
}

bool tern_cid_local_has(const struct tern_cid_local *local, tern_slice cid)
{
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (local->entries[i].is_used && tern_cid_is_slice(&local->entries[i].cid, cid))
      return true;
  return false;
}

/* The oldest id that the peer has not been told of. */
static struct tern_cid_local_entry *next_untold(struct tern_cid_local *local)
{
  struct tern_cid_local_entry *best = NULL;
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++) {
    struct tern_cid_local_entry *entry = &local->entries[i];
    if (entry->is_used && tern_sync_once_wants(&entry->frame) &&
        (best == NULL || entry->sequence < best->sequence))
      best = entry;
  }
  return best;
}

bool tern_cid_local_wants(const struct tern_cid_local *local)
{
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (local->entries[i].is_used && tern_sync_once_wants(&local->entries[i].frame))
      return true;
  return false;
}

bool tern_cid_local_write(struct tern_cid_local *local, struct tern_writer *writer,
                          struct tern_frame_record *record)
{
  struct tern_cid_local_entry *entry = next_untold(local);
  struct tern_new_connection_id_args args = {0};
  if (entry == NULL)
    return false;
  args.sequence = entry->sequence;
  args.cid = entry->cid;
  memcpy(args.reset_token, entry->reset_token, TERN_RESET_TOKEN_BYTES);
  if (tern_frame_size_new_connection_id(&args) > tern_writer_left(writer))
    return false;
  tern_frame_write_new_connection_id(writer, &args);
  tern_record_fill(record, TERN_RECORD_NEW_CONNECTION_ID, NULL);
  record->slot = local->path_id;
  record->offset = entry->sequence;
  tern_sync_once_on_sent(&entry->frame);
  if (entry->sequence >= local->told_below)
    local->told_below = entry->sequence + 1;
  return true;
}

void tern_cid_local_on_acked(struct tern_cid_local *local, const struct tern_frame_record *record)
{
  struct tern_cid_local_entry *entry = find_local(local, record->offset);
  if (entry != NULL)
    tern_sync_once_on_acked(&entry->frame);
}

void tern_cid_local_on_lost(struct tern_cid_local *local, const struct tern_frame_record *record)
{
  struct tern_cid_local_entry *entry = find_local(local, record->offset);
  if (entry != NULL)
    tern_sync_once_on_lost(&entry->frame);
}

enum tern_cid_result tern_cid_local_on_retire(struct tern_cid_local *local, uint64_t sequence,
                                              tern_slice dcid, struct tern_cid *removed)
{
  /* [rfc9000-19.16] an endpoint that provides empty ids MUST treat the frame as PROTOCOL_VIOLATION,
   * and so a sequence number greater than any sent to the peer */
  if (local->is_empty_id || sequence >= local->told_below)
    return TERN_CID_VIOLATION;
  struct tern_cid_local_entry *entry = find_local(local, sequence);
  if (entry == NULL)
    return TERN_CID_NOTHING;
  /* [rfc9000-19.16] MUST NOT refer to the id of the packet that the frame is in */
  if (tern_cid_is_slice(&entry->cid, dcid))
    return TERN_CID_VIOLATION;
  *removed = entry->cid;
  tern_wipe(entry, sizeof(*entry));
  return TERN_CID_OK;
}

/* ---- remote ---- */

void tern_cid_remote_init(struct tern_cid_remote *remote, uint32_t path_id,
                          const struct tern_cid *first)
{
  *remote = (struct tern_cid_remote){0};
  remote->path_id = path_id;
  remote->seen_below = 1;
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    remote->entries[i].route = TERN_CID_NO_ROUTE;
  remote->entries[0].is_valid = true;
  remote->entries[0].was_used = true;
  remote->entries[0].route = 0;
  tern_cid_remote_set_first(remote, first);
}

static struct tern_cid_remote_entry *find_remote(struct tern_cid_remote *remote, uint64_t sequence)
{
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (remote->entries[i].is_valid && remote->entries[i].sequence == sequence)
      return &remote->entries[i];
  return NULL;
}

void tern_cid_remote_set_first(struct tern_cid_remote *remote, const struct tern_cid *cid)
{
  struct tern_cid_remote_entry *entry = find_remote(remote, 0);
  TERN_ASSERT(entry != NULL);
  entry->cid = *cid;
  remote->is_empty_id = cid->len == 0;
}

void tern_cid_remote_set_first_token(struct tern_cid_remote *remote,
                                     const uint8_t reset_token[TERN_RESET_TOKEN_BYTES])
{
  struct tern_cid_remote_entry *entry = find_remote(remote, 0);
  if (entry == NULL)
    return;
  memcpy(entry->reset_token, reset_token, TERN_RESET_TOKEN_BYTES);
  entry->has_token = true;
}

static bool is_seen(const struct tern_cid_remote *remote, uint64_t sequence)
{
  if (sequence < remote->seen_below)
    return true;
  uint64_t above = sequence - remote->seen_below;
  return above < 64 && (remote->seen_bits >> above & 1) != 0;
}

/* Moves the window up to `below`; what was not seen below it counts as seen. */
static void slide_seen(struct tern_cid_remote *remote, uint64_t below)
{
  uint64_t shift = below - remote->seen_below;
  remote->seen_bits = shift < 64 ? remote->seen_bits >> shift : 0;
  remote->seen_below = below;
}

/* False: too far ahead. Sequence numbers that the peer asked to retire before they ever came may be
 * left behind: such a frame, if it still comes, is taken for a repetition. */
static bool mark_seen(struct tern_cid_remote *remote, uint64_t sequence)
{
  if (sequence - remote->seen_below >= 64) {
    uint64_t below = sequence - 63;
    if (below > remote->retire_prior_to)
      below = remote->retire_prior_to;
    if (below > remote->seen_below)
      slide_seen(remote, below);
  }
  uint64_t above = sequence - remote->seen_below;
  if (above >= 64)
    return false;
  remote->seen_bits |= UINT64_C(1) << above;
  while (remote->seen_bits & 1)
    slide_seen(remote, remote->seen_below + 1);
  return true;
}

/* [rfc9000-5.1.2] SHOULD limit the ids whose retirement is not acknowledged, CONNECTION_ID_LIMIT_ERROR
 * beyond ([HOSTILE T2]). */
static bool push_retiring(struct tern_cid_remote *remote, uint64_t sequence)
{
  if (remote->retiring_count == TERN_CAP_RETIRING_CIDS)
    return false;
  remote->retiring[remote->retiring_count] = sequence;
  remote->retiring_frames[remote->retiring_count++].state = TERN_SYNC_WANTED;
  return true;
}

static bool retire_entry(struct tern_cid_remote *remote, struct tern_cid_remote_entry *entry)
{
  if (!push_retiring(remote, entry->sequence))
    return false;
  /* [rfc9000-10.3.1] a retired id's token MUST NOT be checked for any more */
  tern_wipe(entry, sizeof(*entry));
  entry->route = TERN_CID_NO_ROUTE;
  return true;
}

/* [rfc9000-19.15] a sequence number names one id and one token, an id has one sequence number. */
static bool is_consistent(const struct tern_cid_remote *remote, const struct tern_cid_new *args)
{
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++) {
    const struct tern_cid_remote_entry *entry = &remote->entries[i];
    if (!entry->is_valid)
      continue;
    bool is_same = entry->sequence == args->sequence;
    if (is_same != tern_cid_equal(&entry->cid, &args->cid))
      return false;
    if (is_same && entry->has_token &&
        memcmp(entry->reset_token, args->reset_token, TERN_RESET_TOKEN_BYTES) != 0)
      return false;
  }
  return true;
}

/* [rfc9000-5.1.2] retires everything below `retire_prior_to`. False: too many. */
static bool retire_below(struct tern_cid_remote *remote, uint64_t retire_prior_to,
                         uint32_t *routes_lost)
{
  /* [rfc9000-19.15] smaller values than before have no effect */
  if (retire_prior_to <= remote->retire_prior_to)
    return true;
  remote->retire_prior_to = retire_prior_to;
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++) {
    struct tern_cid_remote_entry *entry = &remote->entries[i];
    uint8_t route = entry->route;
    if (!entry->is_valid || entry->sequence >= retire_prior_to)
      continue;
    if (!retire_entry(remote, entry))
      return false;
    if (route != TERN_CID_NO_ROUTE)
      *routes_lost |= UINT32_C(1) << route;
  }
  return true;
}

/* Stores a new id. False: more than we allow [rfc9000-5.1.1]. */
static bool store(struct tern_cid_remote *remote, const struct tern_cid_new *args)
{
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++) {
    struct tern_cid_remote_entry *entry = &remote->entries[i];
    if (entry->is_valid)
      continue;
    entry->sequence = args->sequence;
    entry->cid = args->cid;
    memcpy(entry->reset_token, args->reset_token, TERN_RESET_TOKEN_BYTES);
    entry->has_token = true;
    entry->is_valid = true;
    entry->was_used = false;
    entry->route = TERN_CID_NO_ROUTE;
    return true;
  }
  return false;
}

enum tern_cid_result tern_cid_remote_on_new(struct tern_cid_remote *remote,
                                            const struct tern_cid_new *args, uint32_t *routes_lost)
{
  *routes_lost = 0;
  /* [rfc9000-19.15] MUST be PROTOCOL_VIOLATION if we send to an empty id; the length is 1 to 20, and
   * Retire Prior To at most the sequence number, else FRAME_ENCODING_ERROR */
  if (remote->is_empty_id)
    return TERN_CID_VIOLATION;
  if (args->cid.len < 1 || args->cid.len > TERN_CID_MAX || args->retire_prior_to > args->sequence)
    return TERN_CID_ENCODING;
  if (!is_consistent(remote, args))
    return TERN_CID_VIOLATION;
  if (!retire_below(remote, args->retire_prior_to, routes_lost))
    return TERN_CID_LIMIT;
  /* [rfc9000-19.15] receiving the same frame several times MUST NOT be an error */
  if (is_seen(remote, args->sequence))
    return TERN_CID_NOTHING;
  if (!mark_seen(remote, args->sequence))
    return TERN_CID_LIMIT;
  /* [rfc9000-19.15] below an earlier Retire Prior To: MUST be retired at once */
  if (args->sequence < remote->retire_prior_to)
    return push_retiring(remote, args->sequence) ? TERN_CID_OK : TERN_CID_LIMIT;
  return store(remote, args) ? TERN_CID_OK : TERN_CID_LIMIT;
}

static struct tern_cid_remote_entry *entry_of_route(struct tern_cid_remote *remote, uint8_t route)
{
  if (remote->is_empty_id)
    return &remote->entries[0];
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (remote->entries[i].is_valid && remote->entries[i].route == route)
      return &remote->entries[i];
  return NULL;
}

const struct tern_cid_remote_entry *tern_cid_remote_find(const struct tern_cid_remote *remote,
                                                         uint8_t route)
{
  if (remote->is_empty_id)
    return &remote->entries[0];
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (remote->entries[i].is_valid && remote->entries[i].route == route)
      return &remote->entries[i];
  return NULL;
}

static bool is_fresh(const struct tern_cid_remote_entry *entry)
{
  return entry->is_valid && !entry->was_used;
}

bool tern_cid_remote_has_fresh(const struct tern_cid_remote *remote)
{
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++)
    if (is_fresh(&remote->entries[i]))
      return true;
  return remote->is_empty_id;
}

const struct tern_cid_remote_entry *tern_cid_remote_assign(struct tern_cid_remote *remote,
                                                           uint8_t route)
{
  struct tern_cid_remote_entry *best = NULL;
  if (remote->is_empty_id)
    return &remote->entries[0];
  TERN_ASSERT(entry_of_route(remote, route) == NULL && route < 32);
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++) {
    struct tern_cid_remote_entry *entry = &remote->entries[i];
    if (is_fresh(entry) && (best == NULL || entry->sequence < best->sequence))
      best = entry;
  }
  if (best != NULL) {
    best->route = route;
    best->was_used = true;
  }
  return best;
}

enum tern_cid_result tern_cid_remote_retire(struct tern_cid_remote *remote, uint8_t route)
{
  struct tern_cid_remote_entry *entry = entry_of_route(remote, route);
  /* [rfc9000-19.16] cannot be sent if the peer provided an empty id */
  if (entry == NULL || remote->is_empty_id)
    return TERN_CID_NOTHING;
  return retire_entry(remote, entry) ? TERN_CID_OK : TERN_CID_LIMIT;
}

bool tern_cid_remote_has_token(const struct tern_cid_remote *remote,
                               const uint8_t token[TERN_RESET_TOKEN_BYTES])
{
  uint32_t found = 0;
  for (uint32_t i = 0; i < TERN_CAP_ACTIVE_CIDS; i++) {
    const struct tern_cid_remote_entry *entry = &remote->entries[i];
    uint32_t differs = 0;
    for (uint32_t k = 0; k < TERN_RESET_TOKEN_BYTES; k++)
      differs |= (uint32_t)(entry->reset_token[k] ^ token[k]);
    /* [rfc9000-10.3.1] MUST NOT check for tokens of ids that are unused or retired */
    uint32_t counts =
        (uint32_t)entry->is_valid & (uint32_t)entry->has_token & (uint32_t)entry->was_used;
    found |= counts & ((differs - 1) >> 31);
  }
  return found != 0;
}

bool tern_cid_remote_wants(const struct tern_cid_remote *remote)
{
  for (uint32_t i = 0; i < remote->retiring_count; i++)
    if (tern_sync_once_wants(&remote->retiring_frames[i]))
      return true;
  return false;
}

bool tern_cid_remote_write(struct tern_cid_remote *remote, struct tern_writer *writer,
                           struct tern_frame_record *record)
{
  for (uint32_t i = 0; i < remote->retiring_count; i++) {
    if (!tern_sync_once_wants(&remote->retiring_frames[i]))
      continue;
    if (tern_frame_size_retire_connection_id(remote->retiring[i]) > tern_writer_left(writer))
      return false;
    tern_frame_write_retire_connection_id(writer, remote->retiring[i]);
    tern_record_fill(record, TERN_RECORD_RETIRE_CONNECTION_ID, NULL);
    record->slot = remote->path_id;
    record->offset = remote->retiring[i];
    tern_sync_once_on_sent(&remote->retiring_frames[i]);
    return true;
  }
  return false;
}

/* Its index; retiring_count if it is not among them. */
static uint32_t find_retiring(const struct tern_cid_remote *remote, uint64_t sequence)
{
  uint32_t i = 0;

  while (i < remote->retiring_count && remote->retiring[i] != sequence)
    i++;
  return i;
}

void tern_cid_remote_on_acked(struct tern_cid_remote *remote,
                              const struct tern_frame_record *record)
{
  uint32_t i = find_retiring(remote, record->offset);
  if (i == remote->retiring_count)
    return;
  uint32_t last = --remote->retiring_count;
  remote->retiring[i] = remote->retiring[last];
  remote->retiring_frames[i] = remote->retiring_frames[last];
}

void tern_cid_remote_on_lost(struct tern_cid_remote *remote, const struct tern_frame_record *record)
{
  uint32_t i = find_retiring(remote, record->offset);
  if (i < remote->retiring_count)
    tern_sync_once_on_lost(&remote->retiring_frames[i]);
}
