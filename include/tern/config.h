/* SPDX-License-Identifier: MIT */
/* Every knob and every bound of tern, in one place.
 *
 * Two kinds. A *cap* (TERN_CAP_...) is a compile-time bound on something a peer could make grow: its
 * comment says the unit, what happens when it is reached, and where the figure comes from. Each has
 * a test that fails when the cap is lifted. A *knob* is a member of tern_config: a default, a lower
 * and an upper bound, checked when an endpoint is made. */
#ifndef TERN_CONFIG_H
#define TERN_CONFIG_H

#include <tern/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- caps: name, value, then: unit | when reached | source -------------------------------- */

#ifndef TERN_CAP_AMPLIFICATION
#define TERN_CAP_AMPLIFICATION 3 /* times bytes received | send waits | RFC 9000 8.1 */
#endif
#ifndef TERN_CAP_CRYPTO_BUFFER_EARLY
#define TERN_CAP_CRYPTO_BUFFER_EARLY                                                               \
  8192 /* bytes held out of order per level before address \
                                           validation | CRYPTO_BUFFER_EXCEEDED | RFC 9000 7.5 */
#endif
#ifndef TERN_CAP_CRYPTO_BUFFER
#define TERN_CAP_CRYPTO_BUFFER 65536 /* the same after it | CRYPTO_BUFFER_EXCEEDED | RFC 9000 7.5 */
#endif
#ifndef TERN_CAP_CRYPTO_TOTAL_EARLY
#define TERN_CAP_CRYPTO_TOTAL_EARLY                                                                \
  16384 /* highest CRYPTO offset per level before address validation: a ClientHello with ML-KEM has \
           2 KiB | CRYPTO_BUFFER_EXCEEDED | RFC 9000 7.5 */
#endif
#ifndef TERN_CAP_CLIENT_HELLO
#define TERN_CAP_CLIENT_HELLO                                                                      \
  4096 /* bytes of a ClientHello that is read before TLS is started | it goes to TLS unread | ours */
#endif
#ifndef TERN_CAP_SENT_SPAN
#define TERN_CAP_SENT_SPAN                                                                         \
  2048 /* packet numbers remembered while less than 1 in 8 elicit ACKs | the oldest are given up | \
          RFC 9000 13.2.4 */
#endif
#ifndef TERN_CAP_CRYPTO_TOTAL
#define TERN_CAP_CRYPTO_TOTAL                                                                      \
  262144 /* highest CRYPTO offset per level, for life | \
                                      CRYPTO_BUFFER_EXCEEDED | RFC 9000 7.5 */
#endif
#ifndef TERN_CAP_PACKETS_BEFORE_KEYS
#define TERN_CAP_PACKETS_BEFORE_KEYS 8 /* packets kept until keys come | dropped | RFC 9001 5.7 */
#endif
#ifndef TERN_CAP_PACKETS_BEFORE_KEYS_EARLY
#define TERN_CAP_PACKETS_BEFORE_KEYS_EARLY                                                         \
  2 /* the same on a server before address validation | dropped | RFC 9001 5.7 */
#endif
#ifndef TERN_CAP_EARLY_REPLAYS
#define TERN_CAP_EARLY_REPLAYS                                                                     \
  8192 /* tickets remembered per 130 s whose early data was taken, a power of two | early data \
          refused | RFC 8446 8.2 */
#endif
#ifndef TERN_CAP_TICKET
#define TERN_CAP_TICKET 16384 /* bytes of a ticket that a client is given | ignored | ours */
#endif
#ifndef TERN_CAP_ACK_RANGES
#define TERN_CAP_ACK_RANGES                                                                        \
  64 /* received ranges remembered per space | oldest forgotten | \
                                RFC 9000 13.2.3 */
#endif
#ifndef TERN_CAP_STREAM_GAPS
#define TERN_CAP_STREAM_GAPS                                                                       \
  256 /* gaps per receiving stream | packet dropped unacknowledged | \
                                  RFC 9000 21.6 */
#endif
#ifndef TERN_CAP_PATH_RESPONSES
#define TERN_CAP_PATH_RESPONSES 4 /* PATH_RESPONSE queued | oldest dropped | RFC 9000 8.2.2 */
#endif
#ifndef TERN_CAP_ROUTES
#define TERN_CAP_ROUTES 4 /* 4-tuples per connection | packet on a new one ignored | RFC 9000 9.3 */
#endif
#ifndef TERN_CAP_ACTIVE_CIDS
#define TERN_CAP_ACTIVE_CIDS                                                                       \
  4 /* active_connection_id_limit we advertise and most we issue | \
                                CONNECTION_ID_LIMIT_ERROR | RFC 9000 5.1.1 */
#endif
#ifndef TERN_CAP_RETIRING_CIDS
#define TERN_CAP_RETIRING_CIDS                                                                     \
  12 /* RETIRE_CONNECTION_ID not yet acknowledged | \
                                   CONNECTION_ID_LIMIT_ERROR | RFC 9000 5.1.2 */
#endif
#ifndef TERN_CAP_GLITCH_BURST
#define TERN_CAP_GLITCH_BURST                                                                      \
  10000 /* frames without progress in a burst | PROTOCOL_VIOLATION | \
                                     RFC 9000 21.9 */
#endif
#ifndef TERN_CAP_GLITCH_RATE
#define TERN_CAP_GLITCH_RATE 330 /* glitches forgiven per second | as above | RFC 9000 21.9 */
#endif
#ifndef TERN_CAP_H3_GLITCH_BURST
#define TERN_CAP_H3_GLITCH_BURST                                                                   \
  1000 /* useless HTTP/3 frames | H3_EXCESSIVE_LOAD | RFC 9114 10.5 \
                                       */
#endif
#ifndef TERN_CAP_H3_GLITCH_RATE
#define TERN_CAP_H3_GLITCH_RATE 33 /* forgiven per second | as above | RFC 9114 10.5 */
#endif
#ifndef TERN_CAP_FIELD_SECTION
#define TERN_CAP_FIELD_SECTION                                                                     \
  32768 /* decoded bytes of one field section, RFC 9114 4.2.2 sum | \
                                      431 or H3_EXCESSIVE_LOAD | RFC 9114 10.5.1 */
#endif
#ifndef TERN_CAP_FIELD_NAME
#define TERN_CAP_FIELD_NAME 256 /* bytes | H3_EXCESSIVE_LOAD | RFC 9204 7.4 */
#endif
#ifndef TERN_CAP_FIELD_VALUE
#define TERN_CAP_FIELD_VALUE                                                                       \
  65536 /* bytes, never allocated ahead | H3_EXCESSIVE_LOAD | RFC 9204 \
                                    7.4 */
#endif
#ifndef TERN_CAP_QPACK_BLOCKED_BYTES
#define TERN_CAP_QPACK_BLOCKED_BYTES                                                               \
  65536 /* bytes held for blocked streams per connection | \
                                            H3_EXCESSIVE_LOAD | RFC 9204 2.1.2 */
#endif
#ifndef TERN_CAP_H3_SETTINGS
#define TERN_CAP_H3_SETTINGS 256 /* bytes of a SETTINGS frame | H3_EXCESSIVE_LOAD | RFC 9114 10.5 */
#endif
#ifndef TERN_CAP_DATAGRAM_QUEUE
#define TERN_CAP_DATAGRAM_QUEUE                                                                    \
  64 /* DATAGRAM frames queued to send or to the application | oldest \
                                    dropped | RFC 9221 5 */
#endif
#ifndef TERN_CAP_STREAMS_QUEUED
#define TERN_CAP_STREAMS_QUEUED 4096 /* our streams beyond the peer's limit | TERN_LIMIT | ours */
#endif
#ifndef TERN_CAP_HALF_OPEN_BYTES
#define TERN_CAP_HALF_OPEN_BYTES                                                                   \
  8388608 /* charged bytes of all unvalidated connections | Initial \
                                          dropped | RFC 9000 8.1 */
#endif
#ifndef TERN_CAP_TOKENS_SEEN
#define TERN_CAP_TOKENS_SEEN                                                                       \
  16384 /* used tokens remembered, of Retry and of NEW_TOKEN each, in a token's life | NEW_TOKEN     \
           tokens prove nothing, the oldest Retry tokens are forgotten | RFC 9000 8.1.4 */
#endif
#ifndef TERN_CAP_CLOSED_IDS
#define TERN_CAP_CLOSED_IDS                                                                        \
  8192 /* ids of closed connections remembered, in 30 s | the oldest are forgotten | RFC 9000 10.2 */
#endif
#ifndef TERN_CAP_REPLIES
#define TERN_CAP_REPLIES                                                                           \
  1024 /* answers without a connection that wait for the socket | dropped | RFC 9000 21.13 */
#endif
#ifndef TERN_CAP_REPLY_BURST
#define TERN_CAP_REPLY_BURST                                                                       \
  256 /* Version Negotiation, stateless resets and refusals in a burst | dropped | RFC 9000 10.3.3 */
#endif
#ifndef TERN_CAP_REPLY_RATE
#define TERN_CAP_REPLY_RATE 1000 /* the same per second | dropped | RFC 9000 10.3.3 */
#endif
#ifndef TERN_CAP_REFLECT_RATE
#define TERN_CAP_REFLECT_RATE                                                                      \
  10 /* datagrams per second from ports that might reflect that are looked at | dropped | RFC 9308 8.1 */
#endif
#ifndef TERN_CAP_CONN_OVERHEAD
#define TERN_CAP_CONN_OVERHEAD                                                                     \
  262144 /* charged bytes of a connection beyond its windows and send \
                                       buffers | PROTOCOL_VIOLATION in tests | ours */
#endif

#ifndef TERN_CAP_MAILBOX_BYTES
#define TERN_CAP_MAILBOX_BYTES                                                                     \
  262144 /* bytes of datagrams that wait to be taken over by a worker | dropped | ours */
#endif

#define TERN_SUBSCRIBERS_MAX 8
#define TERN_WORKERS_MAX 256
#define TERN_TOKEN_BYTES_MAX 1024 /* of an address token of another's make that a client keeps */

/* ---- knobs ------------------------------------------------------------------------------- */

typedef struct tern_tls tern_tls;
typedef struct tern_cc_ops tern_cc_ops;
typedef struct tern_event_subscriber tern_event_subscriber;
typedef struct tern_datagram tern_datagram;

/* Several endpoints behind one address, the workers: which of them is this? tern_workers of <tern/io.h>
 * fills it in; a loop of your own can do the same.
 *
 * An id of 8 bytes or more names its worker in its first six bytes b0 ... b5, so that whoever knows the
 * key, also a filter in the kernel, finds it without a table, and nobody else sees more than noise:
 *
 *     x      = ((b2 ... b5, big-endian) ^ key[0]) * (key[1] | 1)     all in 32 bits
 *     y      = (x ^ x >> 15) * (key[2] | 1)
 *     worker = ((b0 b1, big-endian) ^ y >> 16) * workers >> 16
 *
 * This hides, it does not encrypt: who breaks it learns the worker, one of `workers`, and no more. */
typedef struct tern_steer {
  uint32_t workers; /* default 1 = alone; to TERN_WORKERS_MAX */
  uint32_t worker;  /* this one, below `workers` */
  uint32_t key[3];  /* the same for all of them; random */
  /* A hook: hands a datagram of an id that another worker made over to it, which calls
   * tern_endpoint_receive. The bytes are borrowed for the call. False if it cannot: dropped. */
  bool (*forward)(void *arg, uint32_t worker, const tern_datagram *datagram);
  void *arg;
} tern_steer;

/* ---- versions ----------------------------------------------------------------------------- */

#define TERN_VERSION_1 0x00000001u /* RFC 9000 */
#define TERN_VERSION_2 0x6b3343cfu /* RFC 9369 */
#define TERN_VERSIONS_MAX 4        /* entries of tern_config.versions */

/* ---- admission ---------------------------------------------------------------------------- */

/* What becomes of a client that asks for a connection. */
typedef enum tern_verdict {
  TERN_VERDICT_ADMIT = 0,
  TERN_VERDICT_RETRY, /* it has to prove its address first (RFC 9000 8.1.2); ADMIT if it has */
  TERN_VERDICT_DROP,  /* silence */
  TERN_VERDICT_CLOSE, /* CONNECTION_CLOSE with the applicant's `code` */
} tern_verdict;

/* What is known of it. Slices are good for the call. */
typedef struct tern_applicant {
  tern_addr local;
  tern_addr remote; /* may be forged unless is_validated */
  uint32_t version;
  bool is_validated;        /* a token proved the address */
  bool has_token;           /* it brought one, good or not */
  uint64_t half_open;       /* connections now whose peer's address is not validated ... */
  uint64_t half_open_bytes; /* ... and their memory without the TLS library's */
  uint64_t conns;           /* all */
  tern_verdict builtin;     /* what the built-in policy says */
  uint64_t code;            /* for CLOSE; CONNECTION_REFUSED unless changed */
  /* judge_hello only. Empty if the hello has no name, or more than TERN_CAP_CLIENT_HELLO bytes. */
  tern_slice server_name; /* SNI as the client sent it: compare without regard to case */
  tern_slice alpn;        /* the protocol that would be spoken */
} tern_applicant;

/* Decides for each client, twice. Both are hooks.
 *   judge        at each first Initial that holds to the rules, before there is any state
 *   judge_hello  when the whole ClientHello is here, in one packet or several, and has a protocol of ours:
 *                before there is any state of TLS. Others were refused with no_application_protocol by then.
 *                RETRY counts as ADMIT; has_token tells only of tokens that were good. */
typedef struct tern_admission_ops {
  tern_verdict (*judge)(void *arg, tern_applicant *applicant); /* NULL = the built-in policy */
  tern_verdict (*judge_hello)(void *arg, tern_applicant *applicant); /* NULL = ADMIT */
  void *arg;
} tern_admission_ops;

/* Makes connection ids; default: random bytes. A hook. `id` has `len` bytes, which is
 * `cid_bytes`; with several workers tern marks its first six afterwards. They must be unpredictable to outsiders and not link connections (RFC 9000 5.1). An id
 * that is in use is asked for again, a few times. */
typedef struct tern_cid_ops {
  void (*make)(void *arg, uint8_t *id, size_t len);
  void *arg;
} tern_cid_ops;

/* What a peer may be told of why we close: `reason` is what the library or the application would say, at
 * most `size` bytes of `text` are what goes out; answers how many. A hook; default: the reason as it is. */
typedef struct tern_close_ops {
  size_t (*format)(void *arg, uint64_t code, bool is_application, const char *reason, char *text,
                   size_t size);
  void *arg;
} tern_close_ops;

/* Wakes the thread of an endpoint: it is to call tern_endpoint_timeout soon. A hook that any thread calls,
 * when work for a handshake is finished (<tern/certs.h>): it must not wait. None comes after
 * tern_endpoint_free. */
typedef struct tern_wake_ops {
  void (*wake)(void *arg); /* NULL: tern_endpoint_deadline says so, to those who ask */
  void *arg;
} tern_wake_ops;

/* How an endpoint behaves. Fill with tern_config_init, change what you want, hand it to
 * tern_endpoint_new, which checks it and copies it. Bounds are inclusive. */
typedef struct tern_config {
  size_t size; /* set by tern_config_init; lets later versions add members at the end */

  /* What the application may replace. */
  tern_alloc_ops alloc;                     /* default: malloc and free */
  tern_random_ops random;                   /* no default in the core; the ready loop sets it */
  tern_tls *server_tls;                     /* needed to accept connections, else NULL */
  tern_tls *client_tls;                     /* needed to open connections, else NULL */
  const tern_cc_ops *cc;                    /* default: CUBIC, RFC 9438 */
  const tern_event_subscriber *subscribers; /* array, may be NULL; must outlive the endpoint */
  size_t subscribers_count;                 /* 0 to TERN_SUBSCRIBERS_MAX */
  tern_admission_ops admission;             /* default: the built-in policy */
  tern_cid_ops cids;                        /* default: random bytes */
  tern_close_ops closes;                    /* default: reasons are told as they are */

  /* Transport parameters we advertise (RFC 9000 18.2). */
  uint64_t idle_timeout_ms;     /* default 30,000; 0 = none, to 600,000 */
  uint64_t stream_window_bytes; /* first window of a stream; default 256 KiB; 1 KiB to 64 MiB */
  uint64_t
      stream_window_max_bytes; /* windows tune themselves up to this; default 32 MiB; to 1 GiB */
  uint64_t conn_window_bytes;  /* first window of a connection; default 512 KiB; 1 KiB to 64 MiB */
  uint64_t conn_window_max_bytes; /* default 48 MiB; to 1 GiB */
  uint64_t streams_bidi_max; /* peer's concurrent bidirectional streams; default 100; 0 to 2^16 */
  uint64_t streams_uni_max;  /* default 100; 0 to 2^16 */
  uint64_t ack_delay_max_ms; /* default 25; 1 to 250 (RFC 9000 18.2 allows 2^14 - 1) */
  uint64_t datagram_frame_max_bytes; /* RFC 9221; default 65,535; 0 = datagrams refused */

  /* Times and limits. */
  uint64_t handshake_timeout_ms; /* default 10,000; 100 to 600,000 */
  uint64_t keep_alive_ms;        /* PING after this silence; default 0 = never; to 600,000 */
  uint64_t initial_rtt_ms;       /* default 333 (RFC 9002 6.2.2); 1 to 5,000 */
  uint64_t send_buffer_bytes; /* copied, unacknowledged bytes per stream; default 1 MiB; 4 KiB up */
  uint64_t pacing_rate_max;   /* bytes per second and connection; default 0 = no cap */
  uint32_t conns_max;         /* default 1,000,000; 1 up */
  uint16_t mtu_initial_bytes; /* UDP payload; default 1,200; 1,200 to mtu_max_bytes */
  uint16_t mtu_max_bytes;     /* probed up to this; default 1,452; 1,200 to 65,527 */
  uint8_t cid_bytes;          /* length of the ids we issue; default 8; 4 to 20 */
  bool pacing;                /* default true */
  bool ecn;                   /* default true: mark ECT(0) and validate (RFC 9000 13.4) */
  bool grease;                /* default true: reserved versions, frames and parameters */
  uint8_t reset_key[32];      /* stateless reset key (RFC 9000 10.3.2); all zero = from `secret` */
  tern_steer steer;           /* one of several workers; cid_bytes is 8 or more then */

  /* Address validation and admission. */
  uint8_t
      secret[32]; /* keys of address tokens and of stateless resets come from it: who has the same,
                         later or elsewhere, takes these tokens and resets those connections (RFC 9000
                         8.1, 10.3.2); all zero = random */
  uint64_t
      unix_offset_ns; /* Unix time less your clock, for tokens; the ready loop sets it; default 0 */
  uint32_t
      retry_half_open;  /* half-open connections from which clients are sent a Retry; 0 = always,
                                2^32 - 1 = never; default 256 (RFC 9000 8.1.2) */
  uint32_t retry_rate;  /* Retry packets per second at most; default 100,000; 1 to 2^20 */
  uint32_t source_rate; /* connections per second from one network (/24, /48) under load; default
                                1,000; 0 = no limit, to 2^20 */
  uint32_t source_conns_max; /* connections of one network at a time; default 0 = no limit */
  uint64_t
      half_open_timeout_ms; /* until the address is validated; default 10,000; 100 to 600,000 */
  bool
      new_tokens; /* default true: clients get a token for their next connection (RFC 9000 8.1.3) */

  /* Versions of QUIC that are spoken, the preferred one first: a client begins with it, and a
   * server answers in it if the client lists it (RFC 9368).
   * Default: TERN_VERSION_1, TERN_VERSION_2. */
  uint32_t versions[TERN_VERSIONS_MAX];
  uint32_t versions_count;     /* 1 to TERN_VERSIONS_MAX; default 2 */
  uint64_t key_update_packets; /* a new 1-RTT key after so many packets under one; default 0 = long
                                  before the AEAD's limit only (RFC 9001 6.6) */

  tern_wake_ops wake; /* the ready loop sets it */
} tern_config;

/* Fills `config` with the defaults. `size` is sizeof(tern_config) of the caller. */
void tern_config_init(tern_config *config, size_t size);

/* TERN_OK, or TERN_INVALID with a sentence in `why` that names the knob, its value and its bounds.
 * `why` may be NULL if `why_size` is 0. */
TERN_MUST_CHECK tern_status tern_config_check(const tern_config *config, char *why,
                                              size_t why_size);

#ifdef __cplusplus
}
#endif
#endif
