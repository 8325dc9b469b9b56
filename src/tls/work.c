/* SPDX-License-Identifier: MIT */
/* See work.h. Memory is the system's, not an endpoint's: a work may outlive it, in another thread. */
#include "tls/work.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/list.h"
#include "tls/tls.h"

struct tern_tls_inbox {
  atomic_flag lock;
  tern_wake_ops wake;
  bool is_closed;
  struct tern_list done;
  atomic_bool has_any; /* `done` is not empty: read without the lock */
  atomic_uint refs;    /* the endpoint's and the works' */
};

enum work_state { WORK_OUT, WORK_FINISHED, WORK_CANCELLED };

struct tern_tls_work {
  struct tern_tls_inbox *inbox;
  struct tern_list_node node; /* in inbox->done */
  void *owner;
  enum work_state state;
  atomic_uint refs;
  uint16_t scheme;
  size_t input_bytes;
  size_t name_bytes;
  tern_tls *choice; /* a reference, or NULL */
  size_t signature_bytes;
  uint8_t signature[TERN_SIGNATURE_MAX];
  uint8_t bytes[]; /* input, name */
};

/* ---- the inbox ----------------------------------------------------------------------------- */

static void lock(struct tern_tls_inbox *inbox)
{
  while (atomic_flag_test_and_set_explicit(&inbox->lock, memory_order_acquire))
    ; /* held for a copy, and a wake-up that does not wait */
}

static void unlock(struct tern_tls_inbox *inbox)
{
  atomic_flag_clear_explicit(&inbox->lock, memory_order_release);
}

struct tern_tls_inbox *tern_tls_inbox_new(const tern_wake_ops *wake)
{
  struct tern_tls_inbox *inbox = tern_alloc_system.take(tern_alloc_system.arg, sizeof *inbox);
  if (inbox == NULL)
    return NULL;
  memset(inbox, 0, sizeof *inbox);
  atomic_flag_clear(&inbox->lock);
  inbox->wake = *wake;
  tern_list_init(&inbox->done);
  atomic_init(&inbox->has_any, false);
  atomic_init(&inbox->refs, 1);
  return inbox;
}

static void unref_inbox(struct tern_tls_inbox *inbox)
{
  if (atomic_fetch_sub_explicit(&inbox->refs, 1, memory_order_acq_rel) != 1)
    return;
  tern_alloc_system.give(tern_alloc_system.arg, inbox, sizeof *inbox);
}

void tern_tls_inbox_close(struct tern_tls_inbox *inbox)
{
  if (inbox == NULL)
    return;
  lock(inbox);
  inbox->is_closed = true;
  unlock(inbox);
  unref_inbox(inbox);
}

bool tern_tls_inbox_has_any(const struct tern_tls_inbox *inbox)
{
  return atomic_load_explicit(&inbox->has_any, memory_order_acquire);
}

static void note_any(struct tern_tls_inbox *inbox)
{
  atomic_store_explicit(&inbox->has_any, !tern_list_is_empty(&inbox->done), memory_order_release);
}

void *tern_tls_inbox_take(struct tern_tls_inbox *inbox)
{
  void *owner = NULL;
  if (!tern_tls_inbox_has_any(inbox))
    return NULL;
  lock(inbox);
  struct tern_list_node *node = tern_list_pop_front(&inbox->done);
  if (node != NULL)
    owner = TERN_CONTAINER_OF(node, struct tern_tls_work, node)->owner;
  note_any(inbox);
  unlock(inbox);
  return owner;
}

/* ---- work: the session's side -------------------------------------------------------------- */

struct tern_tls_work *tern_tls_work_new(const struct tern_tls_work_args *args)
{
  size_t size = sizeof(struct tern_tls_work) + args->input.len + args->server_name.len;
  struct tern_tls_work *work = tern_alloc_system.take(tern_alloc_system.arg, size);
  if (work == NULL)
    return NULL;
  memset(work, 0, sizeof *work);
  work->inbox = args->inbox;
  work->owner = args->owner;
  work->scheme = args->scheme;
  work->input_bytes = args->input.len;
  if (args->input.len != 0)
    memcpy(work->bytes, args->input.data, args->input.len);
  work->name_bytes = args->server_name.len;
  if (args->server_name.len != 0)
    memcpy(work->bytes + args->input.len, args->server_name.data, args->server_name.len);
  atomic_init(&work->refs, 2);
  atomic_fetch_add_explicit(&args->inbox->refs, 1, memory_order_relaxed);
  return work;
}

static void unref(struct tern_tls_work *work)
{
  struct tern_tls_inbox *inbox = work->inbox;
  if (atomic_fetch_sub_explicit(&work->refs, 1, memory_order_acq_rel) != 1)
    return;
  tern_tls_unref(work->choice);
  tern_alloc_system.give(tern_alloc_system.arg, work,
                         sizeof *work + work->input_bytes + work->name_bytes);
  unref_inbox(inbox);
}

static enum work_state get_state(const struct tern_tls_work *work)
{
  lock(work->inbox);
  enum work_state state = work->state;
  unlock(work->inbox);
  return state;
}

bool tern_tls_work_is_finished(const struct tern_tls_work *work)
{
  return get_state(work) == WORK_FINISHED;
}

tern_slice tern_tls_work_get_signature(const struct tern_tls_work *work)
{
  return tern_slice_of(work->signature, work->signature_bytes);
}

tern_tls *tern_tls_work_find_choice(const struct tern_tls_work *work)
{
  return work->choice;
}

void tern_tls_work_drop(struct tern_tls_work *work)
{
  if (work == NULL)
    return;
  lock(work->inbox);
  if (work->state == WORK_OUT)
    work->state = WORK_CANCELLED;
  tern_list_remove(&work->node);
  note_any(work->inbox);
  unlock(work->inbox);
  unref(work);
}

/* ---- work: the application's side ---------------------------------------------------------- */

bool tern_tls_work_is_cancelled(const tern_tls_work *work)
{
  return get_state(work) == WORK_CANCELLED;
}

uint16_t tern_tls_work_get_scheme(const tern_tls_work *work)
{
  return work->scheme;
}

tern_slice tern_tls_work_get_input(const tern_tls_work *work)
{
  return tern_slice_of(work->bytes, work->input_bytes);
}

tern_slice tern_tls_work_get_server_name(const tern_tls_work *work)
{
  return tern_slice_of(work->bytes + work->input_bytes, work->name_bytes);
}

/* With the lock held. */
static void hand_in(struct tern_tls_work *work)
{
  struct tern_tls_inbox *inbox = work->inbox;
  bool was_empty = tern_list_is_empty(&inbox->done);
  work->state = WORK_FINISHED;
  tern_list_push_back(&inbox->done, &work->node);
  note_any(inbox);
  if (was_empty && !inbox->is_closed && inbox->wake.wake != NULL)
    inbox->wake.wake(inbox->wake.arg);
}

void tern_tls_work_finish_signature(tern_tls_work *work, tern_slice signature)
{
  lock(work->inbox);
  TERN_ASSERT(work->state != WORK_FINISHED);
  if (signature.len != 0 && signature.len <= sizeof work->signature) {
    memcpy(work->signature, signature.data, signature.len);
    work->signature_bytes = signature.len;
  }
  if (work->state == WORK_OUT)
    hand_in(work);
  unlock(work->inbox);
  unref(work);
}

void tern_tls_work_finish_choice(tern_tls_work *work, tern_tls *tls)
{
  lock(work->inbox);
  TERN_ASSERT(work->state != WORK_FINISHED);
  work->choice = tls != NULL ? tern_tls_ref(tls) : NULL;
  if (work->state == WORK_OUT)
    hand_in(work);
  unlock(work->inbox);
  unref(work);
}
