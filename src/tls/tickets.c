/* SPDX-License-Identifier: MIT */
/* Session ticket keys and the replay set. See tickets.h. */
#include "tls/tickets.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "crypto/provider.h"

/* The set is at most half full. */
#define SLOTS (2 * TERN_CAP_EARLY_REPLAYS)

_Static_assert((SLOTS & (SLOTS - 1)) == 0, "slots are found by mask");

struct generation {
  uint64_t slots[SLOTS]; /* 0 = free */
  uint32_t count;
};

struct tern_tickets {
  atomic_uint refs;
  atomic_flag lock;
  bool is_given; /* the keys are the owner's: no rotation by age */
  bool has_begun;
  tern_ticket_key keys[TERN_TICKET_KEYS_MAX];
  size_t keys_count;
  tern_time rotated_at;
  tern_time begun_at; /* first look at the replay set */
  tern_time turned_at;
  struct generation *newer, *older; /* NULL until early data is taken */
};

static void lock(struct tern_tickets *tickets)
{
  while (atomic_flag_test_and_set_explicit(&tickets->lock, memory_order_acquire))
    continue; /* held for a microsecond */
}

static void unlock(struct tern_tickets *tickets)
{
  atomic_flag_clear_explicit(&tickets->lock, memory_order_release);
}

/* ---- life ---------------------------------------------------------------------------------- */

tern_status tern_tickets_new(tern_tickets **out)
{
  struct tern_tickets *tickets = tern_alloc_system.take(tern_alloc_system.arg, sizeof *tickets);
  if (tickets == NULL)
    return TERN_NOMEM;
  memset(tickets, 0, sizeof *tickets);
  atomic_init(&tickets->refs, 1);
  atomic_flag_clear(&tickets->lock);
  *out = tickets;
  return TERN_OK;
}

struct tern_tickets *tern_tickets_ref(struct tern_tickets *tickets)
{
  atomic_fetch_add_explicit(&tickets->refs, 1, memory_order_relaxed);
  return tickets;
}

static void free_generation(struct generation *generation)
{
  if (generation != NULL)
    tern_alloc_system.give(tern_alloc_system.arg, generation, sizeof *generation);
}

void tern_tickets_unref(tern_tickets *tickets)
{
  if (tickets == NULL || atomic_fetch_sub_explicit(&tickets->refs, 1, memory_order_acq_rel) != 1)
    return;
  free_generation(tickets->newer);
  free_generation(tickets->older);
  tern_wipe(tickets, sizeof *tickets);
  tern_alloc_system.give(tern_alloc_system.arg, tickets, sizeof *tickets);
}

/* ---- keys ---------------------------------------------------------------------------------- */

tern_status tern_tickets_set_keys(tern_tickets *tickets, const tern_ticket_key *keys, size_t count)
{
  if (count == 0 || count > TERN_TICKET_KEYS_MAX)
    return TERN_INVALID;
  lock(tickets);
  tern_wipe(tickets->keys, sizeof tickets->keys);
  memcpy(tickets->keys, keys, count * sizeof *keys);
  tickets->keys_count = count;
  tickets->is_given = true;
  unlock(tickets);
  return TERN_OK;
}

/* Keys of our own: one that seals, one that only opens. */
static void rotate(struct tern_tickets *tickets, const struct tern_ticket_context *context)
{
  bool is_first = tickets->keys_count == 0;
  if (tickets->is_given ||
      (!is_first && context->now < tickets->rotated_at + TERN_TICKET_ROTATE_NS))
    return;
  tickets->keys[1] = tickets->keys[0];
  tickets->keys_count = is_first ? 1 : 2;
  context->random->fill(context->random->arg, tickets->keys[0].name, sizeof tickets->keys[0].name);
  context->random->fill(context->random->arg, tickets->keys[0].secret,
                        sizeof tickets->keys[0].secret);
  tickets->rotated_at = context->now;
}

static const tern_ticket_key *find_key(const struct tern_tickets *tickets, const uint8_t *name)
{
  for (size_t i = 0; i < tickets->keys_count; i++)
    if (memcmp(tickets->keys[i].name, name, TERN_TICKET_NAME_BYTES) == 0)
      return &tickets->keys[i];
  return NULL;
}

bool tern_tickets_find_key(struct tern_tickets *tickets, const struct tern_ticket_context *context,
                           tern_slice name, tern_ticket_key *out)
{
  lock(tickets);
  if (name.len == 0)
    rotate(tickets, context);
  const tern_ticket_key *key = name.len == 0                        ? &tickets->keys[0]
                               : name.len == TERN_TICKET_NAME_BYTES ? find_key(tickets, name.data)
                                                                    : NULL;
  if (key != NULL)
    *out = *key;
  unlock(tickets);
  return key != NULL;
}

/* ---- tickets ------------------------------------------------------------------------------- */

/* One seal or open with a context of its own: tickets are rare, contexts are not shared by threads. */
static bool run_aead(const tern_ticket_key *key, const struct tern_aead_text *text, bool is_seal)
{
  const struct tern_crypto_ops *ops = tern_crypto_provider();
  void *aead = tern_alloc_system.take(tern_alloc_system.arg, ops->aead_bytes);
  if (aead == NULL)
    return false;
  memset(aead, 0, ops->aead_bytes);
  bool is_done = ops->aead_init(aead, TERN_AEAD_AES256, key->secret, is_seal);
  if (is_done) {
    is_done = is_seal ? ops->aead_seal(aead, text) : ops->aead_open(aead, text);
    ops->aead_deinit(aead);
  }
  tern_wipe(aead, ops->aead_bytes);
  tern_alloc_system.give(tern_alloc_system.arg, aead, ops->aead_bytes);
  return is_done;
}

bool tern_tickets_seal(struct tern_tickets *tickets, const struct tern_ticket_context *context,
                       tern_slice session, uint8_t *out)
{
  uint8_t *nonce = out + TERN_TICKET_NAME_BYTES;
  tern_ticket_key key;
  if (!tern_tickets_find_key(tickets, context, tern_slice_of(NULL, 0), &key))
    return false;
  struct tern_aead_text text = {.nonce = nonce,
                                .aad = out,
                                .aad_len = TERN_TICKET_NAME_BYTES,
                                .text = nonce + TERN_AEAD_NONCE_BYTES,
                                .text_len = session.len};
  memmove(text.text, session.data, session.len);
  memcpy(out, key.name, sizeof key.name);
  context->random->fill(context->random->arg, nonce, TERN_AEAD_NONCE_BYTES);
  bool is_sealed = run_aead(&key, &text, true);
  tern_wipe(&key, sizeof key);
  return is_sealed;
}

bool tern_tickets_open(struct tern_tickets *tickets, tern_slice ticket, uint8_t *out)
{
  static const struct tern_ticket_context none = {NULL,
                                                  0}; /* looked up by name: nothing is drawn */
  uint8_t head[TERN_TICKET_NAME_BYTES + TERN_AEAD_NONCE_BYTES];
  tern_ticket_key key;
  if (ticket.len < TERN_TICKET_OVERHEAD ||
      !tern_tickets_find_key(tickets, &none, tern_slice_of(ticket.data, TERN_TICKET_NAME_BYTES),
                             &key))
    return false;
  size_t len = ticket.len - TERN_TICKET_OVERHEAD;
  uint8_t *copy = tern_alloc_system.take(tern_alloc_system.arg, ticket.len);
  bool is_open = false;
  if (copy != NULL) {
    memcpy(copy, ticket.data, ticket.len);
    memcpy(head, ticket.data, sizeof head);
    struct tern_aead_text text = {.nonce = head + TERN_TICKET_NAME_BYTES,
                                  .aad = head,
                                  .aad_len = TERN_TICKET_NAME_BYTES,
                                  .text = copy + sizeof head,
                                  .text_len = len};
    is_open = run_aead(&key, &text, false);
    if (is_open)
      memcpy(out, text.text, len);
    tern_wipe(copy, ticket.len);
    tern_alloc_system.give(tern_alloc_system.arg, copy, ticket.len);
  }
  tern_wipe(&key, sizeof key);
  return is_open;
}

/* ---- replays ------------------------------------------------------------------------------- */

static uint64_t *find_slot(struct generation *generation, uint64_t id)
{
  size_t at = id & (SLOTS - 1);
  while (generation->slots[at] != 0 && generation->slots[at] != id)
    at = (at + 1) & (SLOTS - 1);
  return &generation->slots[at];
}

/* What is older than two windows is forgotten. False: no memory. */
static bool turn(struct tern_tickets *tickets, tern_time now)
{
  if (!tickets->has_begun) {
    tickets->has_begun = true;
    tickets->begun_at = tickets->turned_at = now;
  }
  if (tickets->newer == NULL) {
    struct generation *both[2];
    for (int i = 0; i < 2; i++) {
      both[i] = tern_alloc_system.take(tern_alloc_system.arg, sizeof *both[i]);
      if (both[i] != NULL)
        memset(both[i], 0, sizeof *both[i]);
    }
    if (both[0] == NULL || both[1] == NULL) {
      free_generation(both[0]);
      free_generation(both[1]);
      return false;
    }
    tickets->newer = both[0];
    tickets->older = both[1];
  }
  for (int i = 0; i < 2 && now >= tickets->turned_at + TERN_REPLAY_WINDOW_NS; i++) {
    struct generation *oldest = tickets->older;
    tickets->older = tickets->newer;
    tickets->newer = oldest;
    memset(oldest, 0, sizeof *oldest);
    tickets->turned_at += TERN_REPLAY_WINDOW_NS;
  }
  if (now >= tickets->turned_at + TERN_REPLAY_WINDOW_NS)
    tickets->turned_at = now; /* both are empty */
  return true;
}

static bool take_id(struct tern_tickets *tickets, uint64_t id, tern_time now)
{
  if (!turn(tickets, now))
    return false;
  /* [rfc8446-8.2] what was taken before we started is not known: SHOULD reject for a window. */
  if (tickets->is_given && now < tickets->begun_at + TERN_REPLAY_WINDOW_NS)
    return false;
  if (*find_slot(tickets->older, id) != 0 || tickets->newer->count == TERN_CAP_EARLY_REPLAYS)
    return false;
  uint64_t *slot = find_slot(tickets->newer, id);
  if (*slot != 0)
    return false;
  *slot = id;
  tickets->newer->count++;
  return true;
}

bool tern_tickets_take_early_id(struct tern_tickets *tickets, uint64_t id, tern_time now)
{
  lock(tickets);
  bool is_first = take_id(tickets, id | 1, now);
  unlock(tickets);
  return is_first;
}

bool tern_tickets_take_early(struct tern_tickets *tickets, tern_slice ticket, tern_time now)
{
  uint64_t id;
  if (ticket.len < TERN_TICKET_OVERHEAD)
    return false;
  memcpy(&id, ticket.data + TERN_TICKET_NAME_BYTES, sizeof id);
  return tern_tickets_take_early_id(tickets, id, now);
}
