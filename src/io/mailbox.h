/* SPDX-License-Identifier: MIT */
/* What other threads bring to a loop: calls to make, and datagrams that reached the wrong worker.
 *
 *   other threads --put--> [ filling ]  --swap, by the loop, when it is woken--> [ reading ]
 *
 * Two halves, so that the lock is held for a copy or a swap and never while anything is worked off. The
 * loop looks in only after a wake-up: while nothing comes, it takes no lock and touches no atomic. The
 * halves' bytes are allocated with the first worker that may be handed datagrams. */
#ifndef TERN_IO_MAILBOX_H
#define TERN_IO_MAILBOX_H

#include <pthread.h>

#include <tern/io.h>

#include "base/alloc.h"

#define TERN_MAILBOX_CALLS_MAX 64

struct tern_mailbox_call {
  tern_loop_on_post *on_post;
  void *arg;
};

struct tern_mailbox_half {
  struct tern_mailbox_call calls[TERN_MAILBOX_CALLS_MAX];
  size_t calls_count;
  uint8_t *bytes; /* TERN_CAP_MAILBOX_BYTES, or NULL: takes no datagrams */
  size_t used;
};

struct tern_mailbox {
  pthread_mutex_t lock; /* for `filling`, which of the two it is, and the counters */
  struct tern_mailbox_half halves[2];
  struct tern_mailbox_half *filling;
  uint64_t taken, refused; /* datagrams */
  int wake_fd;             /* borrowed; written when the first thing comes */
};

void tern_mailbox_init(struct tern_mailbox *mailbox, int wake_fd);
/* `alloc` of open, or any if it was not called. */
void tern_mailbox_deinit(struct tern_mailbox *mailbox, struct tern_alloc *alloc);
/* From now on datagrams are taken. */
TERN_MUST_CHECK tern_status tern_mailbox_open(struct tern_mailbox *mailbox,
                                              struct tern_alloc *alloc);

/* Has the loop take a turn. From any thread. */
void tern_mailbox_wake(const struct tern_mailbox *mailbox);
/* From any thread. False if there is no room. */
bool tern_mailbox_put_call(struct tern_mailbox *mailbox, tern_loop_on_post *on_post, void *arg);
bool tern_mailbox_put_datagram(struct tern_mailbox *mailbox, const tern_datagram *datagram);

/* The loop's: all that has come. Good until the next call. */
struct tern_mailbox_half *tern_mailbox_swap(struct tern_mailbox *mailbox);
/* The next datagrams of a half from `*at` on; returns how many, 0 at the end. Their bytes stay. */
size_t tern_mailbox_read(struct tern_mailbox_half *half, size_t *at, tern_datagram *out,
                         size_t max);
void tern_mailbox_count(struct tern_mailbox *mailbox, uint64_t *taken, uint64_t *refused);

#endif
