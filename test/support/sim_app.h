/* SPDX-License-Identifier: MIT */
/* Applications that move data and check every byte of it. What a stream carries is a function of who
 * sends, the stream's id and the offset, so the receiver knows each byte without being told:
 *
 *   client  opens `bidi_streams` and `uni_streams`, sends up_bytes on each, FIN
 *   server  answers each bidirectional one with down_bytes, FIN (at once, or after the client's FIN)
 *
 * What is wrong is kept in `fault` (the first thing), not asserted on the spot: callbacks run inside
 * the library. */
#ifndef TERN_SUPPORT_SIM_APP_H
#define TERN_SUPPORT_SIM_APP_H

#include <tern/transport.h>

enum sim_app_way {
  SIM_APP_COPY,   /* tern_stream_write */
  SIM_APP_REF,    /* tern_stream_write_ref */
  SIM_APP_SOURCE, /* tern_stream_write_source */
};

struct sim_app_plan {
  unsigned bidi_streams;
  unsigned uni_streams;
  unsigned server_bidi_streams; /* opened by the server */
  unsigned server_uni_streams;
  uint64_t up_bytes;   /* from whoever opened the stream */
  uint64_t down_bytes; /* the answer on a bidirectional one */
  enum sim_app_way way;
  bool peeks;              /* receives by peek and consume, else by read */
  bool answers_after_fin;  /* who answers waits for the opener's FIN */
  unsigned datagrams;      /* DATAGRAM frames that the client sends at the start; each is echoed */
  uint64_t read_max_bytes; /* per on_readable: a slow reader takes more later; 0 = all */
  bool is_early;           /* the client opens its streams before it is connected */
  bool stays_open;         /* the client does not close when all is done */
  uint64_t close_code;
};

/* One side of one connection. */
struct sim_app {
  const struct sim_app_plan *plan;
  bool is_server;
  tern_conn *conn; /* NULL before and after */
  bool is_connected;
  bool is_closed;
  tern_error error; /* if is_closed */
  unsigned streams_opened;
  unsigned streams_complete; /* everything received that is to come, and everything sent */
  unsigned streams_closed;
  unsigned streams_live;           /* state objects: 0 at the end */
  unsigned releases_owed;          /* write_ref and write_source: 0 at the end */
  uint8_t ticket[TERN_CAP_TICKET]; /* client: the newest */
  size_t ticket_len;
  unsigned datagrams_received;
  uint64_t bytes_received;
  uint64_t bytes_sent;
  tern_time connected_at;
  tern_time complete_at; /* when the last stream was */
  tern_time closed_at;
  char fault[160];           /* "" = none */
  struct sim_stream *states; /* of the streams that live */
};

extern const tern_conn_ops sim_app_conn_ops;

void sim_app_init(struct sim_app *app, const struct sim_app_plan *plan, bool is_server);
/* The server's side of a connection that on_conn brought. */
void sim_app_take_conn(struct sim_app *app, tern_conn *conn);
/* The connection was freed without callbacks: frees what belongs to its streams. */
void sim_app_abandon(struct sim_app *app);
/* A client's streams, before it is connected (plan.is_early). */
void sim_app_start_early(struct sim_app *app, tern_conn *conn);
/* Streams of the plan. */
unsigned sim_app_count_streams(const struct sim_app_plan *plan);
/* Every one of them is done. */
bool sim_app_is_complete(const struct sim_app *app);
void sim_app_fail(struct sim_app *app, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes `offset` to `offset + len` of a stream. */
void sim_app_fill(uint64_t stream_id, bool by_server, uint64_t offset, uint8_t *out, size_t len);
/* The first byte that differs, or `len`. */
size_t sim_app_compare(uint64_t stream_id, bool by_server, uint64_t offset, const uint8_t *data,
                       size_t len);

#endif
