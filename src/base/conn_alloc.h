/* SPDX-License-Identifier: MIT */
/* What a layer above the transport (HTTP/3) needs of a connection beyond the public calls, and no
 * application does: its account, its event bus, an end-of-life hook and one alarm.
 * The transport implements these. */
#ifndef TERN_BASE_CONN_ALLOC_H
#define TERN_BASE_CONN_ALLOC_H

#include <tern/base.h>
#include <tern/transport.h>

#include "base/alloc.h"

/* The connection's account. Everything taken from it must be back when the cleanup hook returns. */
struct tern_alloc *tern_conn_alloc(tern_conn *conn);

/* Where the layer shows its events. */
struct tern_event_bus *tern_conn_events(tern_conn *conn);

/* `cleanup(arg)` runs exactly once, when the memory of the connection and its streams is about to go:
 * after on_closed if there is one, and also when the endpoint is freed without callbacks. It must not
 * call the transport. */
void tern_conn_set_cleanup(tern_conn *conn, void (*cleanup)(void *arg), void *arg);

/* `rest(arg)` runs when the connection has been silent for a while: memory that can be had anew by the
 * next use should go back. It must not call the transport. */
void tern_conn_set_rest(tern_conn *conn, void (*rest)(void *arg), void *arg);

/* `fire(arg, now)` runs once, as a notification, when `now` reaches `at` (tern_endpoint_timeout);
 * setting it again moves it; TERN_TIME_NEVER takes it back. */
void tern_conn_set_alarm(tern_conn *conn, tern_time at, void (*fire)(void *arg, tern_time now),
                         void *arg);

#endif
