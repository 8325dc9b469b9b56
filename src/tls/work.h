/* SPDX-License-Identifier: MIT */
/* Work that a handshake waits for, and the inbox through which it comes back to an endpoint.
 *
 *   session --new--> work --hook--> application ... any thread --finish--> inbox --take--> endpoint
 *      |                                                                                     |
 *      '---- result? <------------------------ resume <---------------------------------------'
 *
 * Two hold a work: its session, until the session ends (that cancels it), and the application, until it
 * finishes it. Works hold their inbox, so one that is finished after its endpoint is gone finds a lock to
 * take and nobody to wake. The lock of the inbox guards states, results and the list; it is a spin lock, held for a
 * copy, and for the wake-up, so that none comes after tern_tls_inbox_close. */
#ifndef TERN_TLS_WORK_H
#define TERN_TLS_WORK_H

#include <tern/certs.h>
#include <tern/config.h>

struct tern_tls_inbox;

/* NULL without memory. */
struct tern_tls_inbox *tern_tls_inbox_new(const tern_wake_ops *wake);
/* The end: wakes nobody from here on, and drops the owner's reference. NULL is fine. */
void tern_tls_inbox_close(struct tern_tls_inbox *inbox);
/* Without the lock: something came, or may have. */
bool tern_tls_inbox_has_any(const struct tern_tls_inbox *inbox);
/* The owner of the next finished work, whose session is to be fed; NULL: none is left. */
void *tern_tls_inbox_take(struct tern_tls_inbox *inbox);

struct tern_tls_work_args {
  struct tern_tls_inbox *inbox;
  void *owner;            /* what tern_tls_inbox_take gives back */
  tern_slice server_name; /* copied */
  uint16_t scheme;
  tern_slice input; /* copied */
};

/* One reference each for the session and the application. NULL without memory. */
struct tern_tls_work *tern_tls_work_new(const struct tern_tls_work_args *args);
/* The session's look. Once it is finished, the results hold until drop. */
bool tern_tls_work_is_finished(const struct tern_tls_work *work);
/* Empty: it failed. */
tern_slice tern_tls_work_get_signature(const struct tern_tls_work *work);
/* Borrowed; NULL: none. */
tern_tls *tern_tls_work_find_choice(const struct tern_tls_work *work);
/* The session's end of it: cancels what is not finished. NULL is fine. */
void tern_tls_work_drop(struct tern_tls_work *work);

#endif
