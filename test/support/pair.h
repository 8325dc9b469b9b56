/* SPDX-License-Identifier: MIT */
/* A client and a server endpoint back to back, in virtual time: the least that a test of the spine needs.
 *
 *   client (0) --datagrams, delay_ns--> server (1)      filter: drop, change, delay, inject
 *          <-------------------------
 *
 *     pair_init(&pair, seed);               change pair.config[], pair.tls, hooks
 *     pair_connect(&pair);                  both handshakes are confirmed when it returns
 *     ... the public API on pair.conn[], pair_run_for, pair_run_until ...
 *     pair_deinit(&pair);
 *
 * An application is built in: it counts what every stream got and checks the bytes against pair_byte; a
 * test that wants more sets the hooks. A pump that turns without time going on fails the test. */
#ifndef TERN_TEST_PAIR_H
#define TERN_TEST_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/event.h>
#include <tern/transport.h>

#include "base/cursor.h"
#include "base/random.h"
#include "tls/tls_sim.h"
#include "wire/quic.h"

enum { PAIR_CLIENT = 0, PAIR_SERVER = 1 };

#define PAIR_STREAMS_MAX 512
#define PAIR_DATAGRAM_MAX 1600
#define PAIR_START TERN_SECOND
#define PAIR_COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* A datagram on its way; a filter may change it. */
struct pair_datagram {
  struct pair_datagram *next;
  tern_time at;    /* it arrives */
  uint64_t number; /* per direction, from 0 */
  int to;          /* side */
  uint8_t ecn;
  tern_addr remote; /* the receiver sees it come from */
  tern_addr dest;   /* the sender sent it to */
  size_t len;
  uint8_t data[PAIR_DATAGRAM_MAX];
};

struct pair;

/* What the built-in application knows of a stream; its `app`. */
struct pair_stream {
  struct pair *pair;
  int side;
  tern_stream *stream; /* NULL after on_closed */
  uint64_t id;
  uint64_t received;
  uint64_t acked_to;
  uint64_t reset_code, stop_code;
  unsigned readable_count, writable_count, reset_count, stopped_count, closed_count;
  bool is_eof;
  bool is_bad;    /* a byte was not pair_byte's */
  bool is_paused; /* test: do not read */
};

struct pair {
  /* Before pair_start. */
  struct tern_random_seeded random;
  tern_config config[2];
  struct tern_tls_sim_options tls;
  bool has_awslc;       /* the real TLS with the test certificates instead */
  bool has_echo;        /* the server sends back what it gets on bidirectional streams */
  tern_time delay_ns;   /* one way */
  tern_slice use_token; /* of the connections that are opened */

  tern_endpoint *endpoint[2];
  tern_tls *tls_object[2];
  tern_conn *conn[2]; /* NULL before and after */
  tern_addr addr[2];
  tern_time now;
  struct pair_datagram *queue; /* by time, then by order of sending */
  uint64_t sent_count[2];      /* datagrams, by sender */
  uint64_t sent_bytes[2];
  unsigned turns_at_now;

  /* What happened. */
  bool is_connected[2];
  unsigned closed_count[2];
  tern_error error[2];
  tern_conn_stats stats[2]; /* at the end */
  struct pair_stream streams[PAIR_STREAMS_MAX];
  size_t streams_count;
  uint64_t counts[2][TERN_EVENT_COUNT]; /* events */
  uint64_t drops[2][TERN_DROP_COUNT];
  unsigned limits_count[2]; /* on_streams */
  unsigned tokens_count;    /* on_token */
  uint8_t token[256];       /* the newest */
  size_t token_len;
  unsigned datagrams_count[2];
  uint8_t datagram[2][2048];
  size_t datagram_len[2];

  /* Hooks; may be NULL. */
  bool (*filter)(struct pair *pair, struct pair_datagram *datagram); /* false: lost */
  void (*on_event)(struct pair *pair, int side, const tern_event *event);
  void (*on_conn)(struct pair *pair, int side);
  void (*on_stream)(struct pair *pair, struct pair_stream *stream);
  void (*on_readable)(struct pair *pair, struct pair_stream *stream); /* after reading */
  void (*on_writable)(struct pair *pair, struct pair_stream *stream);
  void (*on_acked)(struct pair *pair, struct pair_stream *stream);
  void (*on_reset)(struct pair *pair, struct pair_stream *stream);
  void (*on_stopped)(struct pair *pair, struct pair_stream *stream);
  void (*on_stream_closed)(struct pair *pair, struct pair_stream *stream);
  void (*on_datagram)(struct pair *pair, int side);
  void (*on_closed)(struct pair *pair, int side);
  void *test; /* the test's own */

  struct pair_side {
    struct pair *pair;
    int side;
    tern_event_subscriber subscriber[2];
    tern_log log;
  } sides[2];
};

/* Sets everything to its default. With PAIR_LOG in the environment, events go to stderr. */
void pair_init(struct pair *pair, uint64_t seed);
/* Makes both endpoints and starts the client's connection. */
void pair_start(struct pair *pair);
/* pair_start, and runs until both sides are connected and the client's handshake is confirmed. */
void pair_connect(struct pair *pair);
/* Frees both endpoints, and checks that no heap is left. */
void pair_deinit(struct pair *pair);
/* One endpoint: another in the place of one that lost its state, or of a side before pair_start. */
void pair_make_endpoint(struct pair *pair, int side);
void pair_free_endpoint(struct pair *pair, int side);
/* The client connects once more; pair.conn[PAIR_CLIENT] is the new connection. */
void pair_open_conn(struct pair *pair);

/* One turn: sends, then goes to the next moment at which something happens, not after `until`. False if
 * nothing is left to happen before it. */
bool pair_step(struct pair *pair, tern_time until);
/* Only sends; what was sent is in the queue. */
void pair_flush(struct pair *pair, int side);
void pair_run_for(struct pair *pair, tern_time duration_ns);
/* Until `is_done`, or 60 s have gone by: false. */
bool pair_run_until(struct pair *pair, bool (*is_done)(struct pair *pair));
bool pair_are_closed(struct pair *pair);
/* Both connections are over in every way: nothing is kept for late packets either. */
bool pair_are_gone(struct pair *pair);
/* Everything that one can wait for: all streams closed. */
bool pair_are_streams_closed(struct pair *pair);

/* Puts a datagram on the way to `to`, after `delay_ns`, as if from `remote`. */
void pair_inject(struct pair *pair, int to, const tern_addr *remote, tern_slice data,
                 tern_time delay_ns);
/* A packet that `side`'s connection never built, sealed with its keys and numbered like its own, with the
 * frames that were written. It is injected at once. */
void pair_send_frames(struct pair *pair, int side, enum tern_space_id space, tern_slice frames);

/* ---- streams ---- */

/* The byte that every stream has at `offset`. */
static inline uint8_t pair_byte(uint64_t offset)
{
  return (uint8_t)(offset * 131 + (offset >> 8) * 17 + (offset >> 16) * 101);
}
/* Opens a stream with the built-in application. */
struct pair_stream *pair_open(struct pair *pair, int side, bool is_bidi);
/* Writes as much of [offset, offset + len) as there is room for; returns how much. */
uint64_t pair_write(struct pair_stream *stream, uint64_t offset, uint64_t len);
/* Queues `len` bytes from a source that gives pair_byte, then a FIN. */
void pair_send_all(struct pair_stream *stream, uint64_t len);
/* The other end of a stream, or NULL. */
struct pair_stream *pair_peer_of(struct pair *pair, const struct pair_stream *stream);
struct pair_stream *pair_find(struct pair *pair, int side, uint64_t id);
tern_source pair_source(void);

#endif
