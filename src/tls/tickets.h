/* SPDX-License-Identifier: MIT */
/* What a server needs for resumption [rfc8446-4.6.1] and early data [rfc8446-8]: keys that seal session
 * tickets, and a memory of the tickets whose early data was taken.
 *
 *   ticket = key name (16) | nonce (12) | sealed session | tag (16)        AES-256-GCM
 *
 * The newest key seals, all of them open. Keys are the owner's, or, if it gives none, drawn here and
 * replaced by age. Early data is taken once per ticket: the nonce, which nobody can change without
 * breaking the tag, goes into a set of two generations. TLS itself refuses early data of a ticket whose
 * age is off by more than a minute, so a replay that the set has forgotten is too late anyway.
 *
 *   full set            -> no early data until the next generation; resumption goes on
 *   keys given, just up -> no early data for one generation [rfc8446-8.2]: what was taken before the start
 *                          is not known
 *
 * One object may serve several tern_tls and threads; a spin lock guards it, held for one seal at most. */
#ifndef TERN_TLS_TICKETS_H
#define TERN_TLS_TICKETS_H

#include <tern/base.h>
#include <tern/transport.h>

#define TERN_TICKET_NAME_BYTES 16
#define TERN_TICKET_OVERHEAD (TERN_TICKET_NAME_BYTES + 12 + 16)
/* A generation of the replay set: longer than the two minutes by which the ages of a ticket's first and
 * second use may be off. */
#define TERN_REPLAY_WINDOW_NS (130 * TERN_SECOND)
/* Keys of our own seal so long, and open as long again. */
#define TERN_TICKET_ROTATE_NS (UINT64_C(12) * 3600 * TERN_SECOND)

struct tern_tickets *tern_tickets_ref(struct tern_tickets *tickets);

struct tern_ticket_context {
  const tern_random_ops *random; /* for nonces, and keys of our own */
  tern_time now;
};
/* Writes the ticket of `len` + TERN_TICKET_OVERHEAD bytes. False: no memory. */
TERN_MUST_CHECK bool tern_tickets_seal(struct tern_tickets *tickets,
                                       const struct tern_ticket_context *context,
                                       tern_slice session, uint8_t *out);
/* Writes the session of len - TERN_TICKET_OVERHEAD bytes. False: not of our keys, or damaged; `out` is
 * garbage then. `ticket` and `out` may be the same place. */
TERN_MUST_CHECK bool tern_tickets_open(struct tern_tickets *tickets, tern_slice ticket,
                                       uint8_t *out);
/* False: early data of this ticket, which was opened, must not be taken. Answers true once. */
TERN_MUST_CHECK bool tern_tickets_take_early(struct tern_tickets *tickets, tern_slice ticket,
                                             tern_time now);
/* For a library that seals by itself: the key of that name, or the newest one if `name` is empty. */
TERN_MUST_CHECK bool tern_tickets_find_key(struct tern_tickets *tickets,
                                           const struct tern_ticket_context *context,
                                           tern_slice name, tern_ticket_key *out);
/* The same as take_early, by 8 bytes that no other ticket has. */
TERN_MUST_CHECK bool tern_tickets_take_early_id(struct tern_tickets *tickets, uint64_t id,
                                                tern_time now);

#endif
