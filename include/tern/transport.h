/* SPDX-License-Identifier: MIT */
/* QUIC: endpoints, connections, streams. Sans-IO: datagrams, a time and entropy come in; datagrams,
 * one deadline and callbacks come out. <tern/io.h> has a ready loop on top of it.
 *
 * Turn of an embedder's loop:
 *
 *     tern_endpoint_receive(endpoint, datagrams, count, now);
 *     if (now >= tern_endpoint_deadline(endpoint)) tern_endpoint_timeout(endpoint, now);
 *     while ((run = tern_endpoint_send(endpoint, now)) != NULL)
 *       tern_endpoint_sent(endpoint, run, datagrams_the_socket_took, error, now);
 *     sleep until tern_endpoint_deadline(endpoint) or the next datagram;
 *
 * Callbacks are of two kinds. Notifications (every on_... below) run after a batch was parsed; they
 * may call anything but receive, send, sent and timeout, also close or release the object they were
 * given. Hooks (fill, the controller, random, the allocator, subscribers) run inside; what they call
 * on tern answers TERN_REENTRY. After an object's on_closed there is no further callback for it, and
 * its pointer is dead when on_closed returns.
 *
 * One thread per endpoint; endpoints share nothing. */
#ifndef TERN_TRANSPORT_H
#define TERN_TRANSPORT_H

#include <tern/base.h>
#include <tern/certs.h>
#include <tern/config.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tern_endpoint tern_endpoint;
typedef struct tern_conn tern_conn;
typedef struct tern_stream tern_stream;

/* ---- errors ------------------------------------------------------------------------------ */

typedef enum tern_error_kind {
  TERN_ERROR_NONE = 0,
  TERN_ERROR_TRANSPORT,         /* CONNECTION_CLOSE 0x1c; code is a QUIC transport error */
  TERN_ERROR_APPLICATION,       /* CONNECTION_CLOSE 0x1d; code is the application's */
  TERN_ERROR_TLS,               /* code 0x100 + alert (RFC 9001 4.8) */
  TERN_ERROR_IDLE,              /* the idle timeout ran out */
  TERN_ERROR_HANDSHAKE_TIMEOUT, /* the handshake took too long */
  TERN_ERROR_STATELESS_RESET,   /* the peer has lost the connection's state */
  TERN_ERROR_VERSION,           /* no version in common */
  TERN_ERROR_REFUSED,           /* nobody listens there */
  TERN_ERROR_LOCAL,             /* memory or another local cause */
} tern_error_kind;

#define TERN_REASON_MAX 128

/* Why a connection ended: who, in which space, by which frame. */
typedef struct tern_error {
  tern_error_kind kind;
  bool by_peer;
  uint8_t tls_alert;   /* kind TLS */
  uint8_t space;       /* packet number space it was seen in: 0 Initial, 1 Handshake, 2 data */
  uint64_t code;       /* on the wire */
  uint64_t frame_type; /* 0 if unknown */
  char reason[TERN_REASON_MAX]; /* what the closing side said, printable, NUL-terminated */
} tern_error;

/* Writes one sentence for people, with a final NUL. Returns `text`. */
char *tern_error_format(const tern_error *error, char *text, size_t size);
/* "PROTOCOL_VIOLATION", or NULL if the code has no name (RFC 9000 20.1). */
const char *tern_transport_error_name(uint64_t code);

/* ---- TLS --------------------------------------------------------------------------------- */

/* Keys of session tickets, and the memory of those whose early data was taken. Share one among the
 * tern_tls of one service: of several threads, or before and after a change of certificates. */
typedef struct tern_tickets tern_tickets;

#define TERN_TICKET_KEYS_MAX 4

typedef struct tern_ticket_key {
  uint8_t name[16];   /* travels with each ticket; unique among the keys */
  uint8_t secret[32]; /* random */
} tern_ticket_key;

/* Without keys it draws its own. TERN_NOMEM. */
TERN_MUST_CHECK tern_status tern_tickets_new(tern_tickets **out);
void tern_tickets_unref(tern_tickets *tickets);
/* `keys[0]` seals from now on; all of them open (RFC 5077 5.5). The machines of a fleet that have the same
 * keys resume each other's sessions; give a new key to all of them as a later one before any of them
 * seals with it. For two minutes after the first use, early data is refused: it could be a replay from
 * before. Each machine notices replays of its own only (RFC 8446 8). May be called by any thread at any
 * time. TERN_INVALID: not 1 to TERN_TICKET_KEYS_MAX. */
TERN_MUST_CHECK tern_status tern_tickets_set_keys(tern_tickets *tickets,
                                                  const tern_ticket_key *keys, size_t count);

/* A certificate chain, leaf first, and its key; PEM, a blob wins over a file. */
typedef struct tern_cert_pair {
  const char *cert_file, *key_file;
  tern_slice cert_pem, key_pem;
} tern_cert_pair;

/* What a tern_tls is made from. Set the members you need after tern_tls_config_init. Everything is
 * copied. Files are PEM; a blob in memory wins over a file. */
typedef struct tern_tls_config {
  size_t size;
  bool is_server;
  const char *cert_file; /* server: chain, leaf first */
  const char *key_file;
  tern_slice cert_pem;
  tern_slice key_pem;
  const char *ca_file; /* client: trusted roots; NULL = the system's */
  tern_slice ca_pem;
  bool insecure_no_verify; /* client: accept any certificate. For tests. */
  const char *const *alpn; /* in order of preference; at least one */
  size_t alpn_count;
  const char *ciphers; /* NULL = all; or "aes128", "aes256", "chacha20", joined by ':' */
  const char *groups;  /* NULL = "X25519MLKEM768:X25519:P-256" */
  /* Server: session tickets (RFC 8446 4.6.1). `tickets` NULL = keys of its own, replaced twice a day;
   * a reference is taken. */
  tern_tickets *tickets;
  uint8_t tickets_count; /* issued per handshake; default 2; 0 to 4, 0 = no resumption */
  /* Server: take requests in a client's first flight. Who can copy datagrams can send them once more, so
   * the application must look at tern_conn_is_early. Default false. */
  bool early_data;
  /* Server: what early data depends on beyond QUIC's own limits, such as settings of the application:
   * tickets of another context resume, but bring no early data (RFC 9001 4.6.3). Copied. */
  tern_slice early_context;
  /* One line of RFC 9850 (SSLKEYLOGFILE) without the newline. A hook. NULL = off. */
  void (*keylog)(void *arg, const char *line);
  void *keylog_arg;
  /* Server: who chooses certificates and signs, if not these files. Copied; `arg` must outlive the
   * tern_tls. With OpenSSL: TERN_UNSUPPORTED. */
  tern_certs_ops certs;
  /* Server: further certificates, for the names that they carry (RFC 6125 6.4: as they are, or with * for
   * one whole label; names of the first win). Who asks for another name, or none, gets cert_file. Parsed
   * once, here. Not together with certs.sign. Borrowed for the call. */
  const tern_cert_pair *more_certs;
  size_t more_certs_count;
} tern_tls_config;

void tern_tls_config_init(tern_tls_config *config, size_t size);
/* Reference counted: endpoints and connections hold it, so it can be unref'd after
 * tern_endpoint_new. On failure `why` has a sentence that names the file or option. */
TERN_MUST_CHECK tern_status tern_tls_new(tern_tls **out, const tern_tls_config *config, char *why,
                                         size_t why_size);
/* One more reference, from any thread; returns `tls`. */
tern_tls *tern_tls_ref(tern_tls *tls);
void tern_tls_unref(tern_tls *tls);
/* "AWS-LC 1.2.3" */
const char *tern_tls_library(void);

/* ---- endpoint ---------------------------------------------------------------------------- */

/* Bytes from the wire. `data` is writable and lent until tern_endpoint_receive returns: packets are
 * opened in place. With GRO one item holds several datagrams of `segment_bytes` each, the last may
 * be shorter; 0 = one datagram. */
typedef struct tern_datagram {
  uint8_t *data;
  size_t len;
  uint16_t segment_bytes;
  uint8_t ecn; /* tern_ecn */
  tern_addr local;
  tern_addr remote;
} tern_datagram;

/* Datagrams to the wire: `len` bytes at `data`, cut every `segment_bytes` (UDP_SEGMENT), the last
 * may be shorter. Belongs to the endpoint until it was reported to tern_endpoint_sent. */
typedef struct tern_run {
  const uint8_t *data;
  size_t len;
  uint16_t segment_bytes;
  uint8_t ecn;
  tern_addr local; /* family 0: let the system choose */
  tern_addr remote;
  tern_time send_at; /* not before; 0 = now (SO_TXTIME) */
} tern_run;

typedef struct tern_endpoint_ops {
  size_t size;
  /* A client's handshake is complete, or it has sent early data that was taken: tern_conn_is_early. Give the connection its callbacks with tern_conn_set_ops, or
   * close it. */
  void (*on_conn)(void *app, tern_conn *conn);
  /* Client: the server gave a token that proves this host's address to it in a later connection: put
   * it into tern_connect_args.token then, once (RFC 9000 8.1.3). May be NULL. */
  void (*on_token)(void *app, tern_conn *conn, tern_slice token);
  /* tern_endpoint_drain was called and no connection is open any more; closed ones may still wait for
   * late packets. May be NULL. */
  void (*on_drained)(void *app, tern_endpoint *endpoint);
} tern_endpoint_ops;

/* `config` is copied. `ops` must outlive the endpoint. On failure `why` says what to change. */
TERN_MUST_CHECK tern_status tern_endpoint_new(tern_endpoint **out, const tern_config *config,
                                              const tern_endpoint_ops *ops, void *app, char *why,
                                              size_t why_size);
/* Forgets every connection without a word to the peers and without callbacks. From inside a callback
 * it takes effect when the outer call returns. NULL is fine. */
void tern_endpoint_free(tern_endpoint *endpoint);

TERN_MUST_CHECK tern_status tern_endpoint_receive(tern_endpoint *endpoint, tern_datagram *batch,
                                                  size_t count, tern_time now);
/* The next run to hand to the socket, or NULL. Several may be out at a time; report each, in order. */
const tern_run *tern_endpoint_send(tern_endpoint *endpoint, tern_time now);
/* The socket took the first `datagrams` of `run`. `error` is 0 or an errno: EAGAIN and the like keep
 * the rest for the next tern_endpoint_send; EMSGSIZE loses MTU probes; others count the rest as
 * lost without a congestion signal. */
void tern_endpoint_sent(tern_endpoint *endpoint, const tern_run *run, size_t datagrams, int error,
                        tern_time now);
/* When tern_endpoint_timeout or tern_endpoint_send wants to be called; TERN_TIME_NEVER if not. */
tern_time tern_endpoint_deadline(const tern_endpoint *endpoint);
TERN_MUST_CHECK tern_status tern_endpoint_timeout(tern_endpoint *endpoint, tern_time now);

/* The system says that nobody listens at `remote` (an ICMP message that fits a datagram of ours). Ends
 * the client connections to it that have heard nothing yet, with TERN_ERROR_REFUSED; others live on,
 * because such messages can be forged. */
void tern_endpoint_unreachable(tern_endpoint *endpoint, const tern_addr *remote, tern_time now);

/* The worker that made an id of ours, see tern_steer; `id` has at least 6 bytes. */
uint32_t tern_steer_get_worker(const tern_steer *steer, const uint8_t *id);

/* No new connections; GOAWAY-like work is the application's. on_drained follows. */
void tern_endpoint_drain(tern_endpoint *endpoint);
/* Changes the certificates for new connections: those under way keep theirs. Give both the same
 * `tickets`, and sessions resume as before. In the endpoint's thread. */
void tern_endpoint_set_server_tls(tern_endpoint *endpoint, tern_tls *tls);

typedef struct tern_endpoint_stats {
  uint64_t datagrams_received, datagrams_sent, bytes_received, bytes_sent;
  uint64_t packets_dropped; /* all drop reasons together */
  uint64_t conns_now, conns_half_open, conns_total;
  uint64_t version_negotiations_sent, retries_sent, resets_sent, refusals_sent;
  uint64_t gquic_seen; /* Initials of the versions before RFC 9000, answered like any unknown one */
  uint64_t datagrams_forwarded; /* to the worker whose id they carry */
  uint64_t heap_bytes_now;      /* charged to the endpoint and its connections */
  uint64_t heap_takes;          /* calls to the allocator */
} tern_endpoint_stats;
void tern_endpoint_get_stats(const tern_endpoint *endpoint, tern_endpoint_stats *stats);

/* ---- connection -------------------------------------------------------------------------- */

/* Any member may be NULL. */
typedef struct tern_conn_ops {
  size_t size;
  /* Handshake complete: ALPN and certificate are settled; streams may be opened (they may be before,
   * too, and wait). Servers are told by tern_endpoint_ops.on_conn, and by this if that came early. */
  void (*on_connected)(tern_conn *conn, void *app);
  /* The peer opened a stream. Give it callbacks with tern_stream_set_ops, or reset it. */
  void (*on_stream)(tern_conn *conn, tern_stream *stream, void *app);
  /* The peer raised a stream limit. */
  void (*on_streams)(tern_conn *conn, bool is_bidi, uint64_t limit, void *app);
  /* RFC 9221. Bytes valid for the call. */
  void (*on_datagram)(tern_conn *conn, tern_slice data, void *app);
  /* The last callback. `error->kind` NONE never occurs here: a clean end is APPLICATION, code of the
   * closing side. All stream on_closed came before. */
  void (*on_closed)(tern_conn *conn, const tern_error *error, void *app);
  /* Clients: a ticket to resume with, see tern_connect_args. Several may come; the newest is the best, and
   * each is good for one connection (RFC 8446 C.4). Keep a copy, and keep it secret. */
  void (*on_ticket)(tern_conn *conn, tern_slice ticket, void *app);
} tern_conn_ops;

typedef struct tern_connect_args {
  tern_addr remote;
  tern_addr local;          /* family 0 = the system's choice */
  const char *server_name;  /* SNI and the name that the certificate must carry */
  const tern_conn_ops *ops; /* must outlive the connection; NULL = set later */
  void *app;
  tern_slice token; /* of on_token, from this server; copied; empty = none; to 1,024 bytes */
  /* What on_ticket of an earlier connection to the same server name gave; empty = none. Bytes that were put
   * behind it come back from tern_conn_get_ticket_extra. A ticket that is of no use is ignored. */
  tern_slice ticket;
  /* Send streams at once, in 0-RTT packets, if the ticket allows it. Whoever can copy these packets can have
   * the server process them again (RFC 9001 9.2): for what is safe to do twice, or see
   * tern_stream_wait_for_handshake. What the server does not take is sent again by itself. */
  bool early_data;
} tern_connect_args;

TERN_MUST_CHECK tern_status tern_endpoint_connect(tern_endpoint *endpoint,
                                                  const tern_connect_args *args, tern_time now,
                                                  tern_conn **out);
void tern_conn_set_ops(tern_conn *conn, const tern_conn_ops *ops, void *app);
void *tern_conn_get_app(const tern_conn *conn);
tern_endpoint *tern_conn_get_endpoint(const tern_conn *conn);
bool tern_conn_is_server(const tern_conn *conn);
bool tern_conn_is_connected(const tern_conn *conn);
/* The handshake is not complete, and data goes (client) or comes (server) all the same: it could be copied
 * from another connection. */
bool tern_conn_is_early(const tern_conn *conn);
typedef enum tern_early {
  TERN_EARLY_NONE,     /* none was sent */
  TERN_EARLY_PENDING,  /* client: no answer yet */
  TERN_EARLY_ACCEPTED, /* client: certain once the handshake is complete */
  TERN_EARLY_REJECTED, /* client: everything was sent again */
} tern_early;
tern_early tern_conn_get_early(const tern_conn *conn);
/* The handshake went on with a ticket. */
bool tern_conn_is_resumed(const tern_conn *conn);
/* Client: the bytes that followed the ticket this connection was opened with. */
tern_slice tern_conn_get_ticket_extra(const tern_conn *conn);
/* The negotiated protocol; empty before the handshake is complete. */
tern_slice tern_conn_get_alpn(const tern_conn *conn);
/* SNI as the client sent it; empty if none. */
tern_slice tern_conn_get_server_name(const tern_conn *conn);
tern_addr tern_conn_get_remote(const tern_conn *conn);
/* The `now` of the latest call that reached the endpoint: for deadlines of layers above. */
tern_time tern_conn_get_now(const tern_conn *conn);
/* A small number, unique in the life of the endpoint and its fellow workers, that logs and events
 * carry. */
uint64_t tern_conn_get_id(const tern_conn *conn);

/* Closes at once: CONNECTION_CLOSE 0x1d with `code`; unsent data is dropped. on_closed follows.
 * `reason` is cut at TERN_REASON_MAX - 1. */
void tern_conn_close(tern_conn *conn, uint64_t code, const char *reason);
/* Closes without loss: takes no new streams, waits until every open stream has sent what it was
 * given and it is acknowledged (an unfinished stream is finished as it is), then closes with `code`;
 * at `deadline` it closes anyway. */
void tern_conn_shutdown(tern_conn *conn, uint64_t code, tern_time deadline);

/* Seals under a new 1-RTT key from now on; the peer follows (RFC 9001 6). TERN_STATE before the handshake
 * is confirmed, after the end, and while the last update is not acknowledged; TERN_NOMEM. */
TERN_MUST_CHECK tern_status tern_conn_update_keys(tern_conn *conn);
/* TERN_VERSION_1 or TERN_VERSION_2: final once connected. */
uint32_t tern_conn_get_version(const tern_conn *conn);

/* RFC 9221. Copied. TERN_UNSUPPORTED if the peer takes none, TERN_LIMIT if longer than
 * tern_conn_get_datagram_max; when the queue is full the oldest is dropped. */
TERN_MUST_CHECK tern_status tern_conn_send_datagram(tern_conn *conn, tern_slice data);
size_t tern_conn_get_datagram_max(const tern_conn *conn);

/* ---- congestion ---- */

/* This connection's controller instead of the configuration's; `cc` must outlive it. At any time: the
 * new one starts anew with the initial window. TERN_INVALID for another TERN_CC_VERSION or too
 * large a state, TERN_NOMEM if the new state needs more room, TERN_REENTRY inside a hook. */
TERN_MUST_CHECK tern_status tern_conn_set_cc(tern_conn *conn, const tern_cc_ops *cc);
/* Bytes per second that this connection sends at most, ACKs aside; 0 = no cap. */
void tern_conn_set_pacing_rate_max(tern_conn *conn, uint64_t rate);

typedef struct tern_conn_stats {
  uint64_t packets_sent, packets_received, packets_acked, packets_lost, packets_dropped;
  uint64_t bytes_sent, bytes_received, bytes_lost;   /* UDP payload */
  uint64_t stream_bytes_sent, stream_bytes_received; /* without retransmissions; as delivered */
  uint64_t rtt_latest_ns, rtt_smoothed_ns, rtt_variation_ns, rtt_min_ns;
  uint64_t window_bytes, in_flight_bytes, ssthresh_bytes, pacing_rate; /* rate: bytes/s */
  uint64_t pto_count, congestion_events, spurious_losses;
  uint64_t handshake_ns; /* first packet to completion; 0 before */
  uint64_t heap_bytes;   /* charged to this connection */
  uint16_t mtu_bytes;
  uint8_t ecn_state; /* 0 testing, 1 capable, 2 failed or off */
} tern_conn_stats;
void tern_conn_get_stats(const tern_conn *conn, tern_conn_stats *stats);
/* "TLS_AES_128_GCM_SHA256"; "X25519MLKEM768". Empty before the keys are there. */
const char *tern_conn_get_cipher(const tern_conn *conn);
const char *tern_conn_get_group(const tern_conn *conn);

/* ---- streams ----------------------------------------------------------------------------- */

/* Any member may be NULL. */
typedef struct tern_stream_ops {
  size_t size;
  /* New data in order, or the end: read until TERN_BLOCKED, TERN_EOF or TERN_RESET. Called once per
   * batch that brought something, so what is left unread waits for the next call of yours. */
  void (*on_readable)(tern_stream *stream, void *app);
  /* After a write that answered TERN_BLOCKED: half of the send buffer is free again. */
  void (*on_writable)(tern_stream *stream, void *app);
  /* Everything below `offset` is acknowledged. */
  void (*on_acked)(tern_stream *stream, uint64_t offset, void *app);
  /* RESET_STREAM from the peer. Buffered data is gone. */
  void (*on_reset)(tern_stream *stream, uint64_t code, void *app);
  /* STOP_SENDING from the peer; the sending half is reset with the same code (RFC 9000 3.5). */
  void (*on_stopped)(tern_stream *stream, uint64_t code, void *app);
  /* Both halves are done, or the connection is. The last callback. */
  void (*on_closed)(tern_stream *stream, void *app);
} tern_stream_ops;

/* Opens a stream of ours. Beyond the peer's limit it is queued and goes out when credit comes; it can
 * be written meanwhile. TERN_LIMIT when too many are queued. `ops` must outlive the stream. */
TERN_MUST_CHECK tern_status tern_conn_open_stream(tern_conn *conn, bool is_bidi,
                                                  const tern_stream_ops *ops, void *app,
                                                  tern_stream **out);
void tern_stream_set_ops(tern_stream *stream, const tern_stream_ops *ops, void *app);
void *tern_stream_get_app(const tern_stream *stream);
/* Nothing of this stream goes out as early data. Call it before the first write. */
void tern_stream_wait_for_handshake(tern_stream *stream);
tern_conn *tern_stream_get_conn(const tern_stream *stream);
/* RFC 9000 2.1. */
uint64_t tern_stream_get_id(const tern_stream *stream);
bool tern_stream_is_bidi(const tern_stream *stream);
bool tern_stream_is_ours(const tern_stream *stream);
/* Urgency 0 (first) to 7, default 3; equal ones share in turn if `incremental`, else one after the
 * other by id (RFC 9218 4). */
void tern_stream_set_priority(tern_stream *stream, uint8_t urgency, bool incremental);

/* Copies as much of `data` as the send buffer has room for; `*taken` says how much. TERN_BLOCKED if
 * that was not all: on_writable follows. */
TERN_MUST_CHECK tern_status tern_stream_write(tern_stream *stream, tern_slice data, size_t *taken);

/* By reference: `data` must stay as it is until `release` is called, which is exactly once, when it
 * was acknowledged or the stream ended. Takes all or nothing (TERN_BLOCKED). `release` may be NULL. */
typedef void tern_release(void *arg);
TERN_MUST_CHECK tern_status tern_stream_write_ref(tern_stream *stream, tern_slice data,
                                                  tern_release *release, void *arg);

/* From a source: the next `len` bytes of the stream are pulled by `fill` straight into packets, when
 * they are due, and again if a packet is lost, so `fill` must give the same bytes for the same
 * offset until they are acknowledged. `offset` counts from this call's first byte. The pieces of
 * `iov` are consecutive. Returns false if it cannot: the stream is then reset with `reset_code`. */
typedef struct tern_source {
  bool (*fill)(void *arg, uint64_t offset, const tern_iov *iov, size_t count);
  tern_release *release; /* may be NULL; exactly once */
  void *arg;
  uint64_t reset_code;
} tern_source;
TERN_MUST_CHECK tern_status tern_stream_write_source(tern_stream *stream, uint64_t len,
                                                     const tern_source *source);

/* No more data after what was written (FIN). */
TERN_MUST_CHECK tern_status tern_stream_finish(tern_stream *stream);
/* RESET_STREAM: drops what is unsent. Quiet if the sending half is done. */
void tern_stream_reset(tern_stream *stream, uint64_t code);
/* STOP_SENDING: we do not want the rest. Buffered data is dropped; quiet if the receiving half is
 * done. */
void tern_stream_stop(tern_stream *stream, uint64_t code);
/* No more callbacks for this stream; it lives on until both halves are done. Does not reset. */
void tern_stream_release(tern_stream *stream);

/* The next bytes in order, without a copy: fills up to `max` slices and returns how many; they are
 * valid until the callback returns or tern_stream_consume. Nothing is consumed by looking. */
size_t tern_stream_peek(const tern_stream *stream, tern_slice *slices, size_t max);
/* Gives `len` bytes back, which also gives the peer credit. `len` at most what peek showed. */
void tern_stream_consume(tern_stream *stream, size_t len);
/* peek and consume into a buffer. TERN_OK with *got > 0, TERN_BLOCKED, TERN_EOF or TERN_RESET. */
TERN_MUST_CHECK tern_status tern_stream_read(tern_stream *stream, void *buffer, size_t capacity,
                                             size_t *got);
/* True when everything up to the FIN was consumed. */
bool tern_stream_is_eof(const tern_stream *stream);
/* Bytes that could be written by copy now. */
size_t tern_stream_get_room(const tern_stream *stream);

typedef enum tern_blocked_by {
  TERN_BLOCKED_BY_NOTHING = 0,
  TERN_BLOCKED_BY_STREAM_LIMIT, /* MAX_STREAMS */
  TERN_BLOCKED_BY_STREAM,       /* MAX_STREAM_DATA */
  TERN_BLOCKED_BY_CONN,         /* MAX_DATA */
  TERN_BLOCKED_BY_CONGESTION,   /* window or pacer */
  TERN_BLOCKED_BY_HANDSHAKE,    /* no keys yet */
} tern_blocked_by;
/* Why unsent data of this stream is not going out. */
tern_blocked_by tern_stream_get_blocked_by(const tern_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
