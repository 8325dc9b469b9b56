/* SPDX-License-Identifier: MIT */
/* A half's bytes: tern_datagram and payload, one behind the other, each begun at a multiple of 8. */
#include "io/mailbox.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static size_t round_up(size_t bytes)
{
  return (bytes + 7) & ~(size_t)7;
}

void tern_mailbox_init(struct tern_mailbox *mailbox, int wake_fd)
{
  memset(mailbox, 0, sizeof *mailbox);
  pthread_mutex_init(&mailbox->lock, NULL);
  mailbox->filling = &mailbox->halves[0];
  mailbox->wake_fd = wake_fd;
}

void tern_mailbox_deinit(struct tern_mailbox *mailbox, struct tern_alloc *alloc)
{
  for (size_t i = 0; i < 2; i++)
    tern_alloc_give(alloc, mailbox->halves[i].bytes, TERN_CAP_MAILBOX_BYTES);
  pthread_mutex_destroy(&mailbox->lock);
}

tern_status tern_mailbox_open(struct tern_mailbox *mailbox, struct tern_alloc *alloc)
{
  for (size_t i = 0; i < 2; i++) {
    if (mailbox->halves[i].bytes == NULL)
      mailbox->halves[i].bytes = tern_alloc_take(alloc, TERN_CAP_MAILBOX_BYTES);
    if (mailbox->halves[i].bytes == NULL)
      return TERN_NOMEM;
  }
  return TERN_OK;
}

static bool is_empty(const struct tern_mailbox_half *half)
{
  return half->calls_count == 0 && half->used == 0;
}

void tern_mailbox_wake(const struct tern_mailbox *mailbox)
{
  const uint64_t one = 1;
  int error = errno;
  ssize_t put = write(mailbox->wake_fd, &one, sizeof one);
  (void)put; /* EAGAIN: it is readable already */
  errno = error;
}

bool tern_mailbox_put_call(struct tern_mailbox *mailbox, tern_loop_on_post *on_post, void *arg)
{
  pthread_mutex_lock(&mailbox->lock);
  struct tern_mailbox_half *half = mailbox->filling;
  bool was_empty = is_empty(half), has_room = half->calls_count < TERN_MAILBOX_CALLS_MAX;
  if (has_room)
    half->calls[half->calls_count++] = (struct tern_mailbox_call){on_post, arg};
  pthread_mutex_unlock(&mailbox->lock);
  if (was_empty && has_room)
    tern_mailbox_wake(mailbox);
  return has_room;
}

bool tern_mailbox_put_datagram(struct tern_mailbox *mailbox, const tern_datagram *datagram)
{
  size_t size = sizeof *datagram + round_up(datagram->len);
  pthread_mutex_lock(&mailbox->lock);
  struct tern_mailbox_half *half = mailbox->filling;
  bool was_empty = is_empty(half);
  bool has_room = half->bytes != NULL && size <= TERN_CAP_MAILBOX_BYTES - half->used;
  if (has_room) {
    memcpy(half->bytes + half->used, datagram, sizeof *datagram);
    memcpy(half->bytes + half->used + sizeof *datagram, datagram->data, datagram->len);
    half->used += size;
  }
  mailbox->taken += has_room;
  mailbox->refused += !has_room;
  pthread_mutex_unlock(&mailbox->lock);
  if (was_empty && has_room)
    tern_mailbox_wake(mailbox);
  return has_room;
}

struct tern_mailbox_half *tern_mailbox_swap(struct tern_mailbox *mailbox)
{
  pthread_mutex_lock(&mailbox->lock);
  struct tern_mailbox_half *full = mailbox->filling;
  struct tern_mailbox_half *other = &mailbox->halves[full == &mailbox->halves[0]];
  other->calls_count = 0;
  other->used = 0;
  mailbox->filling = other;
  pthread_mutex_unlock(&mailbox->lock);
  return full;
}

size_t tern_mailbox_read(struct tern_mailbox_half *half, size_t *at, tern_datagram *out, size_t max)
{
  size_t count = 0;
  for (; count < max && *at < half->used; count++) {
    memcpy(&out[count], half->bytes + *at, sizeof out[count]);
    out[count].data = half->bytes + *at + sizeof out[count];
    *at += sizeof out[count] + round_up(out[count].len);
  }
  return count;
}

void tern_mailbox_count(struct tern_mailbox *mailbox, uint64_t *taken, uint64_t *refused)
{
  pthread_mutex_lock(&mailbox->lock);
  *taken = mailbox->taken;
  *refused = mailbox->refused;
  pthread_mutex_unlock(&mailbox->lock);
}
