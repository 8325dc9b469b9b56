/* SPDX-License-Identifier: MIT */
/* Ring and record arena; the invariants are in the header.
 *
 * The arena is one array of chunks, linked by index, so that growing it moves no pointer that
 * anyone keeps. Free chunks form a list through `next`. */
#include "recovery/sent.h"

#include <string.h>

#include "base/assert.h"

#define TERN_SENT_CHUNKS_MIN 8
#define TERN_SENT_EVICT_MIN 256         /* slots; smaller rings rather grow */
#define TERN_SENT_CHUNKS_MAX (1u << 18) /* add_record answers NULL */

static struct tern_sent_packet *get_slot(const struct tern_sent *sent, uint64_t number)
{
  return &sent->packets[number & (sent->capacity - 1)];
}

void tern_sent_init(struct tern_sent *sent, struct tern_alloc *alloc, uint32_t capacity_max)
{
  uint32_t bound = TERN_SENT_PACKETS_MIN;

  if (capacity_max == 0 || capacity_max > TERN_SENT_PACKETS_MAX)
    capacity_max = TERN_SENT_PACKETS_MAX;
  while (bound * 2 <= capacity_max)
    bound *= 2;
  memset(sent, 0, sizeof *sent);
  sent->alloc = alloc;
  sent->capacity_max = bound;
  sent->chunks_free = TERN_SENT_NO_CHUNK;
}

/* ---- records ------------------------------------------------------------------------------ */

static void link_free(struct tern_sent *sent, uint32_t start, uint32_t end)
{
  for (uint32_t i = end; i > start; i--) {
    sent->chunks[i - 1].next = sent->chunks_free;
    sent->chunks_free = i - 1;
  }
}

static bool grow_chunks(struct tern_sent *sent)
{
  uint32_t old_count = sent->chunks_capacity;
  uint32_t new_count = old_count ? old_count * 2 : TERN_SENT_CHUNKS_MIN;
  struct tern_sent_chunk *chunks = NULL;

  if (new_count > TERN_SENT_CHUNKS_MAX)
    return false;
  if (old_count == 0)
    chunks = tern_alloc_take(sent->alloc, new_count * sizeof *chunks);
  else
    chunks = tern_alloc_resize(sent->alloc, sent->chunks, old_count * sizeof *chunks,
                               new_count * sizeof *chunks);
  if (!chunks)
    return false;
  sent->chunks = chunks;
  sent->chunks_capacity = new_count;
  link_free(sent, old_count, new_count);
  return true;
}

static uint32_t take_chunk(struct tern_sent *sent)
{
  uint32_t index = TERN_SENT_NO_CHUNK;

  if (sent->chunks_free == TERN_SENT_NO_CHUNK && !grow_chunks(sent))
    return TERN_SENT_NO_CHUNK;
  index = sent->chunks_free;
  sent->chunks_free = sent->chunks[index].next;
  sent->chunks[index].next = TERN_SENT_NO_CHUNK;
  return index;
}

static void give_records(struct tern_sent *sent, struct tern_sent_packet *packet)
{
  uint32_t index = packet->overflow;

  while (index != TERN_SENT_NO_CHUNK) {
    uint32_t next = sent->chunks[index].next;
    sent->chunks[index].next = sent->chunks_free;
    sent->chunks_free = index;
    index = next;
  }
  packet->overflow = TERN_SENT_NO_CHUNK;
  packet->record_count = 0;
}

/* The chunk that holds record `i` > 0. */
static struct tern_sent_chunk *find_chunk(const struct tern_sent *sent,
                                          const struct tern_sent_packet *packet, uint32_t i)
{
  uint32_t index = packet->overflow;

  for (uint32_t hops = (i - 1) / TERN_SENT_CHUNK_RECORDS; hops > 0; hops--)
    index = sent->chunks[index].next;
  return &sent->chunks[index];
}

struct tern_frame_record *tern_sent_record(const struct tern_sent *sent,
                                           struct tern_sent_packet *packet, uint8_t i)
{
  TERN_ASSERT(i < packet->record_count);
  if (i == 0)
    return &packet->first;
  return &find_chunk(sent, packet, i)->records[(i - 1u) % TERN_SENT_CHUNK_RECORDS];
}

/* Appends a chunk to the chain of the open packet. */
static bool extend(struct tern_sent *sent, struct tern_sent_packet *packet)
{
  uint32_t index = take_chunk(sent);

  if (index == TERN_SENT_NO_CHUNK)
    return false;
  if (packet->overflow == TERN_SENT_NO_CHUNK)
    packet->overflow = index;
  else
    find_chunk(sent, packet, packet->record_count - 1u)->next = index;
  return true;
}

struct tern_frame_record *tern_sent_add_record(struct tern_sent *sent,
                                               struct tern_sent_packet *packet)
{
  struct tern_frame_record *record = NULL;

  TERN_ASSERT(sent->is_open && packet == get_slot(sent, sent->next));
  if (packet->record_count == TERN_SENT_RECORDS_MAX)
    return NULL;
  if (packet->record_count > 0 && (packet->record_count - 1) % TERN_SENT_CHUNK_RECORDS == 0 &&
      !extend(sent, packet))
    return NULL;
  packet->record_count++;
  record = tern_sent_record(sent, packet, (uint8_t)(packet->record_count - 1));
  memset(record, 0, sizeof *record);
  return record;
}

/* ---- ring --------------------------------------------------------------------------------- */

/* A slot at the base that nobody will ask for again. */
static bool is_passable(struct tern_sent *sent, struct tern_sent_packet *packet)
{
  switch ((enum tern_sent_state)packet->state) {
  case TERN_SENT_FREE:
  case TERN_SENT_SKIPPED:
  case TERN_SENT_ACKED:
    return true;
  case TERN_SENT_LOST:
    return false;
  case TERN_SENT_OUTSTANDING:
    break;
  }
  /* [rfc9000-13.2.4] packets with only ACKs may never be acknowledged: remember the newest. */
  if ((packet->flags & TERN_SENT_IN_FLIGHT) || sent->next - sent->base <= TERN_SENT_ACK_ONLY_MAX)
    return false;
  give_records(sent, packet);
  packet->state = TERN_SENT_FREE;
  return true;
}

static void advance(struct tern_sent *sent)
{
  while (sent->base < sent->next) {
    struct tern_sent_packet *packet = get_slot(sent, sent->base);

    if (!is_passable(sent, packet))
      return;
    if (packet->state == TERN_SENT_ACKED && packet->run_end > sent->base)
      sent->base = packet->run_end;
    else
      sent->base++;
  }
}

static bool resize(struct tern_sent *sent, uint32_t capacity)
{
  struct tern_sent_packet *packets = tern_alloc_take(sent->alloc, capacity * sizeof *packets);

  if (!packets)
    return false;
  for (uint64_t number = sent->base; number < sent->next; number++)
    packets[number & (capacity - 1)] = *get_slot(sent, number);
  if (sent->capacity > 0)
    tern_alloc_give(sent->alloc, sent->packets, sent->capacity * sizeof *packets);
  sent->packets = packets;
  sent->capacity = capacity;
  return true;
}

/* Gives up one lost packet that holds the base. */
static void evict_lost(struct tern_sent *sent)
{
  struct tern_sent_packet *packet = get_slot(sent, sent->base);

  if (packet->state == TERN_SENT_LOST)
    packet->state = TERN_SENT_FREE;
  advance(sent);
}

/* Room for number sent->next. */
static tern_status make_room(struct tern_sent *sent)
{
  if (sent->next - sent->base < sent->capacity)
    return TERN_OK;
  if (sent->capacity == 0)
    return resize(sent, TERN_SENT_PACKETS_MIN) ? TERN_OK : TERN_NOMEM;
  advance(sent);
  if (sent->next - sent->base < sent->capacity)
    return TERN_OK;
  /* A ring much larger than what is in flight is held open by old losses: do not grow for them. */
  if (sent->capacity >= TERN_SENT_EVICT_MIN && sent->ack_eliciting_in_flight < sent->capacity / 4)
    evict_lost(sent);
  if (sent->next - sent->base < sent->capacity)
    return TERN_OK;
  if (sent->capacity < sent->capacity_max && resize(sent, sent->capacity * 2))
    return TERN_OK;
  evict_lost(sent);
  if (sent->next - sent->base < sent->capacity)
    return TERN_OK;
  return sent->capacity < sent->capacity_max ? TERN_NOMEM : TERN_LIMIT;
}

static struct tern_sent_packet *prepare_slot(struct tern_sent *sent)
{
  struct tern_sent_packet *packet = get_slot(sent, sent->next);

  memset(packet, 0, sizeof *packet);
  packet->overflow = TERN_SENT_NO_CHUNK;
  return packet;
}

uint32_t tern_sent_reserve(struct tern_sent *sent, uint32_t count)
{
  TERN_ASSERT(!sent->is_open);
  if (sent->capacity - (sent->next - sent->base) < count && make_room(sent) != TERN_OK)
    return 0;
  uint64_t room = sent->capacity - (sent->next - sent->base);
  return room < count ? (uint32_t)room : count;
}

struct tern_sent_packet *tern_sent_open(struct tern_sent *sent)
{
  TERN_ASSERT(!sent->is_open);
  if (make_room(sent) != TERN_OK)
    return NULL;
  sent->is_open = true;
  return prepare_slot(sent);
}

/* Only ack-eliciting packets run timers, and those are always in flight [rfc9002-2]. */
static bool are_flags_sane(uint8_t flags)
{
  return !(flags & TERN_SENT_ACK_ELICITING) || (flags & TERN_SENT_IN_FLIGHT);
}

void tern_sent_commit_run(struct tern_sent *sent, const struct tern_sent_args *args, uint32_t count,
                          const struct tern_frame_record *first,
                          const struct tern_rate_snapshot *rate)
{
  struct tern_sent_packet packet = {.sent_time = args->now,
                                    .rate = *rate,
                                    .overflow = TERN_SENT_NO_CHUNK,
                                    .bytes = args->bytes,
                                    .state = TERN_SENT_OUTSTANDING,
                                    .flags = args->flags,
                                    .route = args->route,
                                    .record_count = 1,
                                    .first = *first};

  TERN_ASSERT(are_flags_sane(args->flags) && (args->flags & TERN_SENT_ACK_ELICITING));
  for (uint32_t i = 0; i < count; i++) {
    *get_slot(sent, sent->next++) = packet;
    packet.first.offset += packet.first.len;
    packet.rate.tx_in_flight_bytes += args->bytes;
  }
  sent->ack_eliciting_in_flight += count;
  sent->last_ack_eliciting_time = args->now;
  sent->since_ack_eliciting = 0;
}

void tern_sent_commit(struct tern_sent *sent, struct tern_sent_packet *packet,
                      const struct tern_sent_args *args)
{
  TERN_ASSERT(sent->is_open && packet == get_slot(sent, sent->next));
  TERN_ASSERT(are_flags_sane(args->flags));
  packet->sent_time = args->now;
  packet->bytes = args->bytes;
  packet->flags = args->flags;
  packet->route = args->route;
  packet->largest_acked = (args->flags & TERN_SENT_HAS_ACK) ? args->largest_acked : 0;
  packet->state = TERN_SENT_OUTSTANDING;
  if (args->flags & TERN_SENT_ACK_ELICITING) {
    sent->ack_eliciting_in_flight++;
    sent->last_ack_eliciting_time = args->now;
    sent->since_ack_eliciting = 0;
  } else {
    sent->since_ack_eliciting++;
  }
  sent->next++;
  sent->is_open = false;
  advance(sent);
}

void tern_sent_abort(struct tern_sent *sent, struct tern_sent_packet *packet)
{
  TERN_ASSERT(sent->is_open && packet == get_slot(sent, sent->next));
  give_records(sent, packet);
  sent->is_open = false;
}

tern_status tern_sent_skip(struct tern_sent *sent)
{
  tern_status status = TERN_OK;

  TERN_ASSERT(!sent->is_open);
  status = make_room(sent);
  if (status != TERN_OK)
    return status;
  prepare_slot(sent)->state = TERN_SENT_SKIPPED;
  memmove(&sent->skipped[1], &sent->skipped[0],
          (TERN_SENT_SKIPPED_MAX - 1) * sizeof sent->skipped[0]);
  sent->skipped[0] = sent->next++;
  if (sent->skipped_count < TERN_SENT_SKIPPED_MAX)
    sent->skipped_count++;
  return TERN_OK;
}

void tern_sent_resolve(struct tern_sent *sent, struct tern_sent_packet *packet,
                       enum tern_sent_state state)
{
  TERN_ASSERT(packet->state == TERN_SENT_OUTSTANDING || packet->state == TERN_SENT_LOST);
  TERN_ASSERT(state != TERN_SENT_OUTSTANDING && state != TERN_SENT_SKIPPED);
  if (packet->state == TERN_SENT_OUTSTANDING && (packet->flags & TERN_SENT_ACK_ELICITING))
    sent->ack_eliciting_in_flight--;
  give_records(sent, packet);
  packet->state = (uint8_t)state;
  if (state == TERN_SENT_ACKED)
    packet->run_end = 0;
  if (packet == get_slot(sent, sent->base))
    advance(sent);
}

void tern_sent_forget_lost(struct tern_sent *sent, tern_time cutoff)
{
  while (sent->base < sent->next) {
    struct tern_sent_packet *packet = get_slot(sent, sent->base);

    if (packet->state == TERN_SENT_LOST && packet->sent_time < cutoff)
      packet->state = TERN_SENT_FREE;
    else if (packet->state == TERN_SENT_LOST || !is_passable(sent, packet))
      return;
    advance(sent);
  }
}

/* ---- acknowledgments ---------------------------------------------------------------------- */

uint32_t tern_sent_count_skipped(const struct tern_sent *sent, uint64_t start, uint64_t end)
{
  uint32_t count = 0;

  for (uint8_t i = 0; i < sent->skipped_count && sent->skipped[i] >= start; i++)
    count += sent->skipped[i] < end;
  return count;
}

enum tern_sent_ack tern_sent_check_range(const struct tern_sent *sent, struct tern_range range)
{
  if (range.end > sent->next)
    return TERN_SENT_ACK_NEVER_SENT;
  if (tern_sent_count_skipped(sent, range.start, range.end) > 0)
    return TERN_SENT_ACK_SKIPPED;
  return TERN_SENT_ACK_VALID;
}

struct tern_sent_cursor tern_sent_range_begin(const struct tern_sent *sent, struct tern_range range)
{
  struct tern_sent_cursor cursor;

  cursor.start = range.start > sent->base ? range.start : sent->base;
  cursor.end = range.end < sent->next ? range.end : sent->next;
  cursor.at = cursor.start;
  cursor.number = cursor.start;
  cursor.has_given = false;
  cursor.is_partial = false;
  return cursor;
}

/* ---- memory ------------------------------------------------------------------------------- */

void tern_sent_clear(struct tern_sent *sent)
{
  TERN_ASSERT(!sent->is_open);
  sent->base = sent->next;
  sent->chunks_free = TERN_SENT_NO_CHUNK;
  link_free(sent, 0, sent->chunks_capacity);
  sent->ack_eliciting_in_flight = 0;
  sent->last_ack_eliciting_time = 0;
  sent->since_ack_eliciting = 0;
}

static void give_memory(struct tern_sent *sent)
{
  if (sent->capacity > 0)
    tern_alloc_give(sent->alloc, sent->packets, sent->capacity * sizeof *sent->packets);
  if (sent->chunks_capacity > 0)
    tern_alloc_give(sent->alloc, sent->chunks, sent->chunks_capacity * sizeof *sent->chunks);
  sent->packets = NULL;
  sent->capacity = 0;
  sent->chunks = NULL;
  sent->chunks_capacity = 0;
  sent->chunks_free = TERN_SENT_NO_CHUNK;
}

void tern_sent_deinit(struct tern_sent *sent)
{
  sent->is_open = false; /* a connection may end with a packet half built */
  tern_sent_clear(sent);
  give_memory(sent);
}

void tern_sent_trim(struct tern_sent *sent)
{
  if (sent->is_open)
    return;
  for (uint64_t number = sent->base; number < sent->next; number++) {
    const struct tern_sent_packet *packet = get_slot(sent, number);
    if (packet->state == TERN_SENT_OUTSTANDING && (packet->flags & TERN_SENT_IN_FLIGHT))
      return;
  }
  sent->base = sent->next;
  give_memory(sent);
}
