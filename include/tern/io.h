/* SPDX-License-Identifier: MIT */
/* A ready event loop: one endpoint, its UDP sockets, the clock and entropy. One thread per loop; for
 * more cores there are tern_workers, below.
 *
 *     tern_loop_config config;
 *     tern_loop_config_init(&config, sizeof config);
 *     config.endpoint = &endpoint_config;
 *     config.ops = &endpoint_ops;
 *     config.listen = address;                   // a server; a client leaves it unset
 *     tern_loop_new(&loop, &config, why, sizeof why);
 *     tern_loop_run(loop);                       // until tern_loop_stop
 *     tern_loop_free(loop);
 *
 * The loop uses what the system has: whole bursts in and out per system call (GRO, GSO, recvmmsg,
 * sendmmsg), ECN marks, the address a datagram came to, no fragmentation. What is missing is gone
 * without, and said in an io_feature event. */
#ifndef TERN_IO_H
#define TERN_IO_H

#include <tern/base.h>
#include <tern/config.h>
#include <tern/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tern_loop tern_loop;
typedef struct tern_loop_timer tern_loop_timer;

/* How the loop waits, receives and sends. One that the system, or this build, does not have is said so
 * in an io_feature event, and epoll takes its place. */
typedef enum tern_engine {
  TERN_ENGINE_AUTO, /* the faster one, by measurement: epoll */
  TERN_ENGINE_EPOLL,
  TERN_ENGINE_URING, /* io_uring, Linux 6.1 */
} tern_engine;

/* Fill with tern_loop_config_init, set `endpoint`, and `ops` for a server. Bounds are inclusive. */
typedef struct tern_loop_config {
  size_t size;
  /* Copied. `random` may be left unset: the loop draws from the system then. */
  const tern_config *endpoint;
  const tern_endpoint_ops *ops; /* must outlive the loop; a client's may be NULL */
  void *app;                    /* for `ops` */
  /* A server listens here; port 0 = any free one, see tern_loop_get_local. [::] takes IPv4, too.
   * Family 0, the default: a client, whose sockets are opened when it connects. */
  tern_addr listen;
  uint32_t socket_buffer_bytes; /* asked for, each way; default 4 MiB; 64 KiB to 1 GiB */
  uint32_t
      datagrams_per_turn; /* received before sending gets its turn; default 1,024; 16 to 2^20 */
  uint64_t busy_poll_ns;  /* look again this long before sleeping; default 0; to 1 s */
  bool gso;               /* send bursts in one call; default true */
  bool gro;               /* receive bursts in one call; default true */
  bool txtime;            /* let the fq queueing discipline pace runs; default false */
  bool reuse_port;        /* share the address with other loops; default false */
  tern_engine engine;     /* default TERN_ENGINE_AUTO */
} tern_loop_config;

/* Fills `config` with the defaults. `size` is sizeof(tern_loop_config) of the caller. */
void tern_loop_config_init(tern_loop_config *config, size_t size);

/* Makes the endpoint and, for a server, binds its socket. On failure `why` says what to change. */
TERN_MUST_CHECK tern_status tern_loop_new(tern_loop **out, const tern_loop_config *config,
                                          char *why, size_t why_size);
/* Frees the endpoint as tern_endpoint_free does, then the rest. Not from inside a callback. NULL is
 * fine. Timers that are left are freed, descriptors that were added stay open. */
void tern_loop_free(tern_loop *loop);

tern_endpoint *tern_loop_get_endpoint(const tern_loop *loop);
/* Where the server listens, or a client's last opened socket; family 0 if none is open. */
tern_addr tern_loop_get_local(const tern_loop *loop);

/* tern_endpoint_connect at the loop's time, on a socket for the address family of `args->remote`,
 * which is opened if there is none yet. */
TERN_MUST_CHECK tern_status tern_loop_connect(tern_loop *loop, const tern_connect_args *args,
                                              tern_conn **out);
/* A client goes on from new ports: opens new sockets and closes the old ones, as if a NAT had
 * forgotten it. From inside a callback it happens at the end of the turn. A socket that cannot be
 * opened anew stays as it was. TERN_STATE for a server. */
TERN_MUST_CHECK tern_status tern_loop_rebind(tern_loop *loop);

/* Turns until tern_loop_stop. TERN_IO if the system fails in a way that waiting does not mend, see
 * errno; TERN_REENTRY from inside a callback. */
TERN_MUST_CHECK tern_status tern_loop_run(tern_loop *loop);
/* One turn: waits for something to do, at most `max_wait_ns` (0 = not at all, TERN_TIME_NEVER = as
 * long as it takes), does it and returns. */
TERN_MUST_CHECK tern_status tern_loop_run_once(tern_loop *loop, uint64_t max_wait_ns);
/* Makes tern_loop_run return after its turn; if none runs, the next one returns at once. May be
 * called from callbacks, other threads and signal handlers. */
void tern_loop_stop(tern_loop *loop);

/* CLOCK_MONOTONIC: inside a turn the time at which it began, outside the time now. */
tern_time tern_loop_now(const tern_loop *loop);

/* "epoll" or "uring": what is in use. */
const char *tern_loop_get_engine(const tern_loop *loop);

/* To run inside another loop: when the descriptor is readable or the deadline has come, call
 * tern_loop_run_once(loop, 0). Ask for the deadline again after any call into tern. */
int tern_loop_get_fd(const tern_loop *loop);
tern_time tern_loop_deadline(const tern_loop *loop);

/* ---- the application's own descriptors and timers ------------------------------------------ */

#define TERN_LOOP_READABLE 1u
#define TERN_LOOP_WRITABLE 2u

/* `events` says what happened; errors and hang-ups count as both. */
typedef void tern_loop_on_fd(void *arg, int fd, unsigned events);
/* Called as long as the condition holds. TERN_STATE if `fd` is there already. */
TERN_MUST_CHECK tern_status tern_loop_add_fd(tern_loop *loop, int fd, unsigned events,
                                             tern_loop_on_fd *on_fd, void *arg);
/* Changes `events`; 0 = none for now. Quiet if `fd` is not there. */
void tern_loop_set_fd(tern_loop *loop, int fd, unsigned events);
/* Before the descriptor is closed. No callback for it afterwards. Quiet if it is not there. */
void tern_loop_remove_fd(tern_loop *loop, int fd);

typedef void tern_loop_on_timer(void *arg, tern_time now);
/* A timer that is off. It is the caller's until tern_loop_remove_timer. */
TERN_MUST_CHECK tern_status tern_loop_add_timer(tern_loop *loop, tern_loop_on_timer *on_timer,
                                                void *arg, tern_loop_timer **out);
/* Calls once, at or soon after `at`; TERN_TIME_NEVER = off. Replaces an earlier time. */
void tern_loop_set_timer(tern_loop_timer *timer, tern_time at);
/* Also from inside its own callback. NULL is fine. */
void tern_loop_remove_timer(tern_loop_timer *timer);

/* ---- other threads --------------------------------------------------------------------------- */

typedef void tern_loop_on_post(void *arg);
/* Calls once, in the loop's thread, at its next turn, in the order of the posts. May be called from any
 * thread; a loop that is gone by then makes no call. TERN_LIMIT if 64 calls wait already. */
TERN_MUST_CHECK tern_status tern_loop_post(tern_loop *loop, tern_loop_on_post *on_post, void *arg);

/* A server on several cores: a loop, an endpoint and a thread per worker, all listening at one address.
 * They share nothing while they work: the kernel steers packets to the worker that the connection id
 * names (a SO_REUSEPORT group with a filter), new connections by their addresses. What comes to the
 * wrong one, since a filter cannot be had or in a moment of change, is handed over to the right one.
 *
 *     tern_workers_config config;
 *     tern_workers_config_init(&config, sizeof config);
 *     config.loop = &loop_config;            // as for tern_loop_new
 *     config.count = 0;                      // one for each core
 *     config.on_config = on_config;          // gives each worker its own `app`
 *     tern_workers_new(&workers, &config, why, sizeof why);
 *     tern_workers_run(workers);             // until all were stopped
 *     tern_workers_free(workers); */
typedef struct tern_workers tern_workers;

typedef struct tern_workers_config {
  size_t size;
  const tern_loop_config *loop; /* of a server; borrowed for tern_workers_new */
  uint32_t count;               /* default 1; to TERN_WORKERS_MAX; 0 = the cores we may run on */
  bool steering;                /* by a filter in the kernel, default true */
  bool stop_together;           /* a loop that stops stops all; default false */
  /* Called for each worker before its loop is made, in this thread: what a worker must have for itself
   * (loop->app, endpoint->subscribers) is put in here. The allocator, if it is not the default, must be
   * the worker's own or good for several threads. May be NULL: all have the same then. */
  void (*on_config)(void *arg, uint32_t worker, tern_loop_config *loop, tern_config *endpoint);
  void *arg;
} tern_workers_config;

void tern_workers_config_init(tern_workers_config *config, size_t size);

/* Makes the loops and binds their sockets. On failure `why` says what to change. */
TERN_MUST_CHECK tern_status tern_workers_new(tern_workers **out, const tern_workers_config *config,
                                             char *why, size_t why_size);
/* Not while it runs. NULL is fine. */
void tern_workers_free(tern_workers *workers);

/* The cores this process may run on, at least 1, at most TERN_WORKERS_MAX. */
uint32_t tern_workers_count_cores(void);
uint32_t tern_workers_get_count(const tern_workers *workers);
/* `worker` below the count. While it runs only tern_loop_post and tern_loop_stop may be called from
 * other threads. */
tern_loop *tern_workers_get_loop(const tern_workers *workers, uint32_t worker);

/* Runs the first worker in this thread and the others in threads of their own. Returns when all have
 * stopped, with TERN_OK or what the first to fail said (it stops the others). */
TERN_MUST_CHECK tern_status tern_workers_run(tern_workers *workers);
/* Stops all loops, as tern_loop_stop does. */
void tern_workers_stop(tern_workers *workers);

typedef struct tern_workers_stats {
  uint64_t datagrams_forwarded; /* came to the wrong worker and were handed over */
  uint64_t datagrams_refused;   /* the right one had too many waiting: dropped */
  bool is_steered;              /* the kernel has the filter */
} tern_workers_stats;
/* From any thread. */
void tern_workers_get_stats(tern_workers *workers, tern_workers_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
