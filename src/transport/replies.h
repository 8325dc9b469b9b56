/* SPDX-License-Identifier: MIT */
/* Answers without a connection: one bounded queue for all of them, so that no stranger can make us say
 * more than the socket takes, or more than is good for whoever really has its address.
 *
 *   may?  too often / the same is under way / full  -> dropped, before anything dear is computed
 *   room  the answer's bytes, behind those that wait
 *   next  to the socket, in order
 *
 * Version Negotiation, stateless resets and refusals share a rate; Retry, which costs a seal and a tag,
 * has a budget of its own. */
#ifndef TERN_TRANSPORT_REPLIES_H
#define TERN_TRANSPORT_REPLIES_H

#include <tern/config.h>

#include "base/alloc.h"
#include "transport/meter.h"

/* The longest: a Version Negotiation with both ids of 255 bytes. */
#define TERN_REPLY_BYTES_MAX 576
/* Room for the average answer, a Retry. */
#define TERN_REPLY_BYTES_USUAL 160

enum tern_reply_kind {
  TERN_REPLY_VERSION_NEGOTIATION,
  TERN_REPLY_RESET,
  TERN_REPLY_REFUSAL,
  TERN_REPLY_RETRY,
};

struct tern_reply {
  uint64_t print; /* who is answered, and how */
  uint32_t at;    /* in bytes */
  uint16_t len;
  tern_addr local;
  tern_addr remote;
};

struct tern_replies {
  struct tern_alloc *alloc;
  struct tern_reply *ring;
  uint8_t *bytes;    /* of all that wait, one behind the other; begun anew when none does */
  uint16_t *index;   /* by print: place in the ring, +1 */
  uint32_t capacity; /* power of two */
  uint32_t first, count;
  uint32_t bytes_max, bytes_used;
  uint64_t key[2];
  struct tern_meter answers, retries;
};

struct tern_replies_args {
  struct tern_alloc *alloc;
  uint32_t capacity; /* power of two */
  uint32_t retries_per_second;
  uint8_t key[16]; /* random */
};
/* TERN_NOMEM: deinit all the same. */
TERN_MUST_CHECK tern_status tern_replies_init(struct tern_replies *replies,
                                              const struct tern_replies_args *args);
void tern_replies_deinit(struct tern_replies *replies);

struct tern_reply_to {
  enum tern_reply_kind kind;
  tern_addr local;
  tern_addr remote;
  tern_slice dcid; /* of what is answered: resets for two connections are two answers */
};

enum tern_reply_permit {
  TERN_REPLY_ALLOWED,
  TERN_REPLY_TOO_OFTEN,
  TERN_REPLY_DUPLICATE,
  TERN_REPLY_FULL,
};
/* Counts against the rate if it is allowed. */
TERN_MUST_CHECK enum tern_reply_permit
tern_replies_ask(struct tern_replies *replies, const struct tern_reply_to *to, tern_time now);
/* After an allowed ask: room for an answer of `len` bytes, to be filled at once. NULL: the bytes are used
 * up, or it is longer than any. */
uint8_t *tern_replies_take_room(struct tern_replies *replies, const struct tern_reply_to *to,
                                size_t len);
/* The oldest, or NULL; its bytes are at replies->bytes + at until the next call of any. */
const struct tern_reply *tern_replies_pop(struct tern_replies *replies);

#endif
