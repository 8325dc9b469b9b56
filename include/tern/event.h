/* SPDX-License-Identifier: MIT */
/* What happens inside, as a stream of events: for logs, qlog, metrics and tests. A subscriber names
 * the kinds it wants by a mask; with none, an event costs one branch.
 *
 * Subscribers are hooks: they run inside, must not call back into tern, and what they are shown
 * (slices, texts) is valid for the call only. New kinds and new members may come in any version, so
 * use the names, not the numbers.
 *
 * Made by scripts/gen_events.py from src/event/events.def and src/event/drops.def: do not edit. */
#ifndef TERN_EVENT_H
#define TERN_EVENT_H

#include <tern/base.h>
#include <tern/config.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tern_event_level {
  TERN_EVENT_LEVEL_ERROR,
  TERN_EVENT_LEVEL_WARN,  /* works, but worse than it should */
  TERN_EVENT_LEVEL_INFO,  /* a few per connection */
  TERN_EVENT_LEVEL_DEBUG, /* one or a few per packet */
  TERN_EVENT_LEVEL_TRACE, /* one or more per frame */
} tern_event_level;

/* ---- why something was ignored ----------------------------------------------------------- */

enum tern_drop_reason {
  TERN_DROP_EMPTY,                     /* datagram without bytes */
  TERN_DROP_TOO_SHORT,                 /* too short for a QUIC packet */
  TERN_DROP_NOT_QUIC,                  /* fixed bit is 0 */
  TERN_DROP_UNKNOWN_VERSION,           /* version is not ours */
  TERN_DROP_UNKNOWN_CID,               /* no connection with this id */
  TERN_DROP_INITIAL_TOO_SMALL,         /* Initial in a datagram of less than 1,200 bytes */
  TERN_DROP_DCID_TOO_SHORT,            /* first Initial has a destination id of less than 8 bytes */
  TERN_DROP_CID_TOO_LONG,              /* connection id of more than 20 bytes */
  TERN_DROP_NO_SERVER_TLS,             /* endpoint takes no connections */
  TERN_DROP_ENDPOINT_DRAINING,         /* endpoint takes no new connections any more */
  TERN_DROP_LIMIT_HALF_OPEN,           /* too much memory in unvalidated connections */
  TERN_DROP_LIMIT_CONNS,               /* conns_max is reached */
  TERN_DROP_LIMIT_RATE,                /* answered too often lately */
  TERN_DROP_LIMIT_REPLIES,             /* too many answers wait for the socket */
  TERN_DROP_LIMIT_SOURCE,              /* its network has or wants too many connections */
  TERN_DROP_REPLY_DUPLICATE,           /* the same answer is under way */
  TERN_DROP_SOURCE_PORT,               /* a port that might reflect, or a group address */
  TERN_DROP_NOT_INITIAL,               /* no connection, and no Initial to start one */
  TERN_DROP_BAD_TOKEN,                 /* token is not ours or too old */
  TERN_DROP_NO_MEMORY,                 /* allocator said no */
  TERN_DROP_WORKER_BUSY,               /* of another worker, which took no more */
  TERN_DROP_REFUSED,                   /* application refused it */
  TERN_DROP_HEADER_MALFORMED,          /* header does not parse */
  TERN_DROP_LENGTH_MALFORMED,          /* Length goes past the datagram */
  TERN_DROP_DCID_MISMATCH,             /* coalesced packet is for another connection */
  TERN_DROP_SCID_MISMATCH,             /* source id changed */
  TERN_DROP_VERSION_MISMATCH,          /* version is not the connection's */
  TERN_DROP_TYPE_UNEXPECTED,           /* packet type is not for this role or state */
  TERN_DROP_STALE_VERSION_NEGOTIATION, /* Version Negotiation that we must ignore */
  TERN_DROP_BAD_RETRY,                 /* Retry that we must ignore */
  TERN_DROP_ADDRESS,                   /* address may not send to this connection */
  TERN_DROP_ROUTES_FULL,               /* too many addresses at once */
  TERN_DROP_KEYS_UNAVAILABLE,          /* keys are not there yet */
  TERN_DROP_KEYS_DISCARDED,            /* keys are gone already */
  TERN_DROP_KEYS_OLD_PHASE,            /* previous key phase is over */
  TERN_DROP_SAMPLE_TOO_SHORT,          /* too short for header protection */
  TERN_DROP_DECRYPT_FAILED,            /* authentication failed */
  TERN_DROP_DUPLICATE,                 /* packet number was seen */
  TERN_DROP_TOO_OLD,                   /* packet number is below what we remember */
  TERN_DROP_BUFFER_FULL,               /* too many packets wait for keys */
  TERN_DROP_EARLY_REJECTED,            /* 0-RTT was rejected */
  TERN_DROP_GAPS,                      /* too many gaps in a stream; not acknowledged */
  TERN_DROP_CRYPTO_GAPS,               /* too much CRYPTO data out of order; not acknowledged */
  TERN_DROP_AMPLIFICATION,             /* no budget to answer */
  TERN_DROP_CONN_CLOSING,              /* connection is closing */
  TERN_DROP_CONN_DRAINING,             /* connection is draining */
  TERN_DROP_CONN_CLOSED,               /* connection is closed */
  TERN_DROP_INTERCEPTED,               /* interceptor took it */
  TERN_DROP_TRUNCATED,                 /* longer than the receive buffer */
  TERN_DROP_COUNT,
};

/* A name such as "unknown_cid", and a sentence part for people; never NULL. */
const char *tern_drop_reason_name(enum tern_drop_reason reason);
const char *tern_drop_reason_text(enum tern_drop_reason reason);

/* ---- the events -------------------------------------------------------------------------- */

typedef enum tern_event_kind {
  TERN_EVENT_ENDPOINT_STARTED,             /* info */
  TERN_EVENT_ENDPOINT_DRAINED,             /* info */
  TERN_EVENT_IO_FEATURE,                   /* info */
  TERN_EVENT_IO_BUFFER_SMALL,              /* warn */
  TERN_EVENT_IO_DROPS,                     /* warn */
  TERN_EVENT_IO_ERROR,                     /* warn */
  TERN_EVENT_DATAGRAM_RECEIVED,            /* trace */
  TERN_EVENT_DATAGRAM_FORWARDED,           /* debug */
  TERN_EVENT_DATAGRAM_SENT,                /* trace */
  TERN_EVENT_DATAGRAM_DROPPED,             /* debug */
  TERN_EVENT_PACKET_RECEIVED,              /* debug */
  TERN_EVENT_PACKET_DROPPED,               /* debug */
  TERN_EVENT_PACKET_BUFFERED,              /* debug */
  TERN_EVENT_PACKET_SENT,                  /* debug */
  TERN_EVENT_PACKET_LOST,                  /* debug */
  TERN_EVENT_PACKETS_ACKED,                /* debug */
  TERN_EVENT_FRAME_RECEIVED,               /* trace */
  TERN_EVENT_FRAME_SENT,                   /* trace */
  TERN_EVENT_CONN_STARTED,                 /* info */
  TERN_EVENT_CONN_STATE,                   /* info */
  TERN_EVENT_PARAMS_RECEIVED,              /* debug */
  TERN_EVENT_TLS_COMPLETE,                 /* info */
  TERN_EVENT_KEYS_INSTALLED,               /* debug */
  TERN_EVENT_KEYS_DISCARDED,               /* debug */
  TERN_EVENT_KEY_UPDATED,                  /* info */
  TERN_EVENT_RTT_UPDATED,                  /* debug */
  TERN_EVENT_CONGESTION_STATE,             /* debug */
  TERN_EVENT_PTO_FIRED,                    /* debug */
  TERN_EVENT_PERSISTENT_CONGESTION,        /* info */
  TERN_EVENT_SPURIOUS_LOSS,                /* debug */
  TERN_EVENT_ECN_STATE,                    /* info */
  TERN_EVENT_MTU_CHANGED,                  /* info */
  TERN_EVENT_ROUTE_STATE,                  /* info */
  TERN_EVENT_CID_ISSUED,                   /* debug */
  TERN_EVENT_CID_RETIRED,                  /* debug */
  TERN_EVENT_STREAM_OPENED,                /* debug */
  TERN_EVENT_STREAM_CLOSED,                /* debug */
  TERN_EVENT_STREAM_BLOCKED,               /* debug */
  TERN_EVENT_CONN_CLOSED,                  /* info */
  TERN_EVENT_VERSION_NEGOTIATION_SENT,     /* debug */
  TERN_EVENT_VERSION_NEGOTIATION_RECEIVED, /* info */
  TERN_EVENT_RETRY_SENT,                   /* debug */
  TERN_EVENT_RETRY_RECEIVED,               /* info */
  TERN_EVENT_REFUSAL_SENT,                 /* debug */
  TERN_EVENT_TOKEN_RECEIVED,               /* debug */
  TERN_EVENT_RESET_SENT,                   /* debug */
  TERN_EVENT_RESET_RECEIVED,               /* info */
  TERN_EVENT_GLITCH,                       /* debug */
  TERN_EVENT_H3_FRAME_RECEIVED,            /* trace */
  TERN_EVENT_H3_FRAME_SENT,                /* trace */
  TERN_EVENT_H3_STREAM_TYPE,               /* debug */
  TERN_EVENT_H3_SETTINGS,                  /* debug */
  TERN_EVENT_H3_REQUEST,                   /* info */
  TERN_EVENT_H3_RESPONSE,                  /* info */
  TERN_EVENT_H3_CLOSED,                    /* info */
  TERN_EVENT_QPACK_STATE,                  /* trace */
  TERN_EVENT_COUNT,
} tern_event_kind;

/* An endpoint was made; its effective configuration. */
typedef struct tern_event_endpoint_started {
  const char *version;          /* version of tern */
  const char *tls_library;      /* TLS library and its version */
  bool is_server;               /* it accepts connections */
  bool is_client;               /* it may open connections */
  const char *congestion;       /* congestion controller */
  uint64_t idle_timeout_ms;     /* idle timeout we advertise */
  uint64_t stream_window_bytes; /* first window of a stream */
  uint64_t conn_window_bytes;   /* first window of a connection */
  uint64_t conns_max;           /* most connections at a time */
  uint64_t mtu_initial_bytes;   /* UDP payload to begin with */
  uint64_t mtu_max_bytes;       /* largest UDP payload probed for */
  uint8_t cid_bytes;            /* length of the ids we issue */
  bool pacing;                  /* sending is paced */
  bool ecn;                     /* ECN is tried */
} tern_event_endpoint_started;

/* The last connection of a draining endpoint is gone. */
typedef struct tern_event_endpoint_drained {
  uint64_t conns_total; /* connections in its life */
} tern_event_endpoint_drained;

/* A feature of the socket is used or is not. */
typedef struct tern_event_io_feature {
  const char *feature; /* of the socket (gso, gro, ecn ...) or of the loop (steering, uring ...) */
  bool is_on;          /* it is in use */
  const char *reason;  /* why it is not */
} tern_event_io_feature;

/* The system gave a smaller socket buffer than asked for. */
typedef struct tern_event_io_buffer_small {
  const char *buffer;    /* receive or send */
  uint64_t wanted_bytes; /* asked for */
  uint64_t got_bytes;    /* given */
  const char *sysctl;    /* the setting to raise */
} tern_event_io_buffer_small;

/* The kernel dropped datagrams because our receive buffer was full. */
typedef struct tern_event_io_drops {
  uint64_t count; /* since the last such event */
  uint64_t total; /* in the life of the socket */
} tern_event_io_drops;

/* The system refused to send or receive. */
typedef struct tern_event_io_error {
  const char *call; /* what was refused */
  uint32_t error;   /* errno */
  tern_addr remote; /* where to, unset if unknown */
} tern_event_io_error;

/* A UDP datagram came in. */
typedef struct tern_event_datagram_received {
  uint64_t bytes;   /* UDP payload */
  uint8_t ecn;      /* its codepoint */
  tern_addr local;  /* where it came to */
  tern_addr remote; /* where it came from */
} tern_event_datagram_received;

/* A datagram of another worker's connection was handed over to it. */
typedef struct tern_event_datagram_forwarded {
  uint64_t bytes;   /* UDP payload */
  uint32_t worker;  /* whose id it carries */
  tern_addr remote; /* where it came from */
} tern_event_datagram_forwarded;

/* A UDP datagram was handed to the loop. */
typedef struct tern_event_datagram_sent {
  uint64_t bytes;   /* UDP payload */
  uint8_t ecn;      /* its codepoint */
  tern_addr remote; /* where it goes */
} tern_event_datagram_sent;

/* A datagram, or the rest of one, was ignored. */
typedef struct tern_event_datagram_dropped {
  uint64_t bytes;               /* what was ignored */
  enum tern_drop_reason reason; /* why */
  tern_addr remote;             /* where it came from */
} tern_event_datagram_dropped;

/* A packet was opened. */
typedef struct tern_event_packet_received {
  uint8_t space;   /* packet number space */
  uint64_t number; /* packet number */
  uint64_t bytes;  /* the packet with header and tag */
  bool is_early;   /* 0-RTT */
} tern_event_packet_received;

/* A packet of a known connection was ignored. */
typedef struct tern_event_packet_dropped {
  uint8_t space;                /* packet number space */
  uint64_t bytes;               /* the packet */
  enum tern_drop_reason reason; /* why */
} tern_event_packet_dropped;

/* A packet waits for its keys. */
typedef struct tern_event_packet_buffered {
  uint8_t space;  /* packet number space */
  uint64_t bytes; /* the packet */
} tern_event_packet_buffered;

/* A packet was built and sealed. */
typedef struct tern_event_packet_sent {
  uint8_t space;      /* packet number space */
  uint64_t number;    /* packet number */
  uint64_t bytes;     /* the packet with header and tag */
  bool ack_eliciting; /* the peer must acknowledge it */
  bool in_flight;     /* it counts against the window */
  bool is_probe;      /* sent for a PTO or an MTU probe */
  bool is_early;      /* 0-RTT */
  bool is_mtu_probe;  /* sent for an MTU probe */
} tern_event_packet_sent;

/* A packet was declared lost. */
typedef struct tern_event_packet_lost {
  uint8_t space;   /* packet number space */
  uint64_t number; /* packet number */
  uint64_t bytes;  /* bytes in flight it counted for */
  const char *why; /* time, reordering, mtu_probe, key_discard, socket */
} tern_event_packet_lost;

/* Packets were newly acknowledged. */
typedef struct tern_event_packets_acked {
  uint8_t space;     /* packet number space */
  uint64_t largest;  /* largest acknowledged by the frame */
  uint32_t count;    /* newly acknowledged */
  uint64_t bytes;    /* bytes newly acknowledged */
  uint64_t delay_ns; /* ACK Delay as the peer said */
} tern_event_packets_acked;

/* A frame was read. */
typedef struct tern_event_frame_received {
  uint8_t space;       /* packet number space */
  const char *name;    /* name of the frame type */
  uint64_t type;       /* frame type */
  uint64_t bytes;      /* the frame with its type */
  uint64_t stream;     /* stream id if it has one, else 0 */
  uint64_t offset;     /* offset if it has one, else 0 */
  tern_slice wire;     /* the frame */
  uint8_t delay_shift; /* ack_delay_exponent, of an ACK frame */
} tern_event_frame_received;

/* A frame was written. */
typedef struct tern_event_frame_sent {
  uint8_t space;    /* packet number space */
  const char *name; /* name of the frame type */
  uint64_t type;    /* frame type */
  uint64_t bytes;   /* the frame with its type */
  uint64_t stream;  /* stream id if it has one, else 0 */
  uint64_t offset;  /* offset if it has one, else 0 */
  tern_slice wire;  /* the frame; what a source fills may be missing */
} tern_event_frame_sent;

/* A connection began. */
typedef struct tern_event_conn_started {
  bool is_server;        /* our role */
  tern_slice local_cid;  /* our first connection id */
  tern_slice remote_cid; /* the peer's, or the one we made up for it */
  tern_addr local;       /* our address, unset if unknown */
  tern_addr remote;      /* the peer's address */
  uint64_t version;      /* QUIC version */
} tern_event_conn_started;

/* A connection entered a state. */
typedef struct tern_event_conn_state {
  const char *state; /* validated (the peer's address), confirmed, closing, draining, closed */
} tern_event_conn_state;

/* The peer's transport parameters are in force. */
typedef struct tern_event_params_received {
  uint64_t idle_timeout_ms;    /* max_idle_timeout */
  uint64_t udp_payload_max;    /* max_udp_payload_size */
  uint64_t data_max;           /* initial_max_data */
  uint64_t stream_bidi_local;  /* initial_max_stream_data_bidi_local */
  uint64_t stream_bidi_remote; /* initial_max_stream_data_bidi_remote */
  uint64_t stream_uni;         /* initial_max_stream_data_uni */
  uint64_t streams_bidi;       /* initial_max_streams_bidi */
  uint64_t streams_uni;        /* initial_max_streams_uni */
  uint64_t ack_delay_exponent; /* ack_delay_exponent */
  uint64_t ack_delay_max_ms;   /* max_ack_delay */
  uint64_t cids_max;           /* active_connection_id_limit */
  uint64_t datagram_max;       /* max_datagram_frame_size */
  bool migration_off;          /* disable_active_migration */
  bool preferred_address;      /* a preferred address was given */
} tern_event_params_received;

/* The TLS handshake is complete. */
typedef struct tern_event_tls_complete {
  tern_slice alpn;        /* the protocol */
  tern_slice server_name; /* SNI */
  const char *cipher;     /* cipher suite */
  const char *group;      /* key exchange group */
  bool resumed;           /* by a ticket */
  bool early_data;        /* 0-RTT was accepted */
  uint64_t handshake_ns;  /* since the first packet */
} tern_event_tls_complete;

/* Keys became usable. */
typedef struct tern_event_keys_installed {
  uint8_t level;  /* encryption level */
  bool is_tx;     /* for sending; else for receiving */
  bool is_server; /* our role */
} tern_event_keys_installed;

/* Keys are gone. */
typedef struct tern_event_keys_discarded {
  uint8_t level; /* encryption level */
} tern_event_keys_discarded;

/* The key phase changed. */
typedef struct tern_event_key_updated {
  bool by_peer;   /* the peer began it */
  uint64_t phase; /* updates in this connection */
} tern_event_key_updated;

/* A round-trip sample was taken. */
typedef struct tern_event_rtt_updated {
  uint64_t latest_ns;    /* the sample */
  uint64_t smoothed_ns;  /* smoothed_rtt */
  uint64_t variation_ns; /* rttvar */
  uint64_t min_ns;       /* min_rtt */
} tern_event_rtt_updated;

/* Window or state of the congestion controller changed. */
typedef struct tern_event_congestion_state {
  const char *state;        /* slow_start, recovery, avoidance, or the controller's own */
  uint64_t window_bytes;    /* congestion window */
  uint64_t in_flight_bytes; /* bytes in flight */
  uint64_t ssthresh_bytes;  /* slow start threshold, all ones = not set */
  uint64_t pacing_rate;     /* bytes per second, 0 = not paced */
} tern_event_congestion_state;

/* The probe timeout ran out. */
typedef struct tern_event_pto_fired {
  uint8_t space;  /* packet number space that is probed */
  uint32_t count; /* in a row, this one counted */
} tern_event_pto_fired;

/* All packets of a long period were lost. */
typedef struct tern_event_persistent_congestion {
  uint64_t period_ns; /* between first and last of them */
} tern_event_persistent_congestion;

/* A packet declared lost was acknowledged. */
typedef struct tern_event_spurious_loss {
  uint8_t space;   /* packet number space */
  uint64_t number; /* packet number */
} tern_event_spurious_loss;

/* ECN validation of a path changed. */
typedef struct tern_event_ecn_state {
  const char *state;  /* testing, unknown, capable, failed */
  const char *reason; /* why */
} tern_event_ecn_state;

/* The datagram size of a path changed. */
typedef struct tern_event_mtu_changed {
  uint64_t old_bytes; /* before */
  uint64_t new_bytes; /* now */
  const char *reason; /* probe, black_hole, peer_limit */
} tern_event_mtu_changed;

/* A 4-tuple changed state. */
typedef struct tern_event_route_state {
  const char *state; /* new, challenge_sent, validated, failed, migrated, complete, abandoned */
  tern_addr local;   /* ours */
  tern_addr remote;  /* the peer's */
} tern_event_route_state;

/* A connection id can be used. */
typedef struct tern_event_cid_issued {
  bool by_peer;      /* the peer issued it */
  uint64_t sequence; /* its sequence number */
  tern_slice cid;    /* the id */
} tern_event_cid_issued;

/* A connection id is gone. */
typedef struct tern_event_cid_retired {
  bool by_peer;      /* the peer had issued it */
  uint64_t sequence; /* its sequence number */
  tern_slice cid;    /* the id */
} tern_event_cid_retired;

/* A stream began. */
typedef struct tern_event_stream_opened {
  uint64_t stream; /* stream id */
  bool by_peer;    /* the peer opened it */
} tern_event_stream_opened;

/* Both halves of a stream are done. */
typedef struct tern_event_stream_closed {
  uint64_t stream;         /* stream id */
  uint64_t sent_bytes;     /* stream bytes sent */
  uint64_t received_bytes; /* stream bytes received */
  bool is_reset;           /* one half was reset */
} tern_event_stream_closed;

/* Data waits for credit. */
typedef struct tern_event_stream_blocked {
  uint64_t stream; /* stream id; the first that waits if it is the connection's credit */
  const char *by;  /* stream_limit, stream, conn, congestion, handshake */
  uint64_t limit;  /* the limit that was hit */
} tern_event_stream_blocked;

/* A connection ended. */
typedef struct tern_event_conn_closed {
  const char *kind;      /* transport, application, tls, idle, reset, ... */
  bool by_peer;          /* the peer closed it */
  uint64_t code;         /* error code on the wire */
  const char *code_name; /* its name if it has one */
  uint64_t frame;        /* frame type that caused it */
  tern_slice reason;     /* what the closing side said */
} tern_event_conn_closed;

/* An unknown version was answered. */
typedef struct tern_event_version_negotiation_sent {
  uint64_t version; /* the version asked for */
  tern_addr remote; /* to whom */
} tern_event_version_negotiation_sent;

/* The server does not speak our version. */
typedef struct tern_event_version_negotiation_received {
  uint32_t versions; /* how many it offered */
  uint64_t chosen;   /* what we take of them, 0 = none */
} tern_event_version_negotiation_received;

/* An address was asked to prove itself. */
typedef struct tern_event_retry_sent {
  tern_addr remote;   /* to whom */
  tern_slice new_cid; /* the id to come back with */
} tern_event_retry_sent;

/* The server wants its address token back. */
typedef struct tern_event_retry_received {
  tern_slice new_cid;   /* the id it chose */
  uint64_t token_bytes; /* length of the token */
} tern_event_retry_received;

/* A client was refused without a connection. */
typedef struct tern_event_refusal_sent {
  uint64_t code;    /* transport error code */
  tern_addr remote; /* to whom */
} tern_event_refusal_sent;

/* The server gave a token for a later connection. */
typedef struct tern_event_token_received {
  uint64_t bytes; /* length of the token */
} tern_event_token_received;

/* A packet of no known connection was answered by a stateless reset. */
typedef struct tern_event_reset_sent {
  uint64_t bytes;   /* the reset */
  tern_addr remote; /* to whom */
} tern_event_reset_sent;

/* The peer has lost the connection's state. */
typedef struct tern_event_reset_received {
  uint64_t bytes; /* the reset */
} tern_event_reset_received;

/* The peer did something legal and useless. */
typedef struct tern_event_glitch {
  const char *what; /* which */
  uint64_t level;   /* the meter afterwards */
} tern_event_glitch;

/* An HTTP/3 frame header was read. */
typedef struct tern_event_h3_frame_received {
  uint64_t stream;  /* stream id */
  const char *name; /* name of the frame type */
  uint64_t type;    /* frame type */
  uint64_t bytes;   /* its length */
} tern_event_h3_frame_received;

/* An HTTP/3 frame was written. */
typedef struct tern_event_h3_frame_sent {
  uint64_t stream;  /* stream id */
  const char *name; /* name of the frame type */
  uint64_t type;    /* frame type */
  uint64_t bytes;   /* its length */
} tern_event_h3_frame_sent;

/* What a stream of HTTP/3 is for is known. */
typedef struct tern_event_h3_stream_type {
  uint64_t stream; /* stream id */
  bool by_peer;    /* the peer opened it */
  uint64_t type;   /* stream type */
} tern_event_h3_stream_type;

/* SETTINGS were exchanged. */
typedef struct tern_event_h3_settings {
  bool by_peer;               /* these are the peer's */
  uint64_t table_capacity;    /* QPACK_MAX_TABLE_CAPACITY */
  uint64_t blocked_streams;   /* QPACK_BLOCKED_STREAMS */
  uint64_t field_section_max; /* MAX_FIELD_SECTION_SIZE, all ones = none */
  bool extended_connect;      /* ENABLE_CONNECT_PROTOCOL */
  bool datagrams;             /* H3_DATAGRAM */
} tern_event_h3_settings;

/* A request's header is complete. */
typedef struct tern_event_h3_request {
  bool by_peer;         /* we serve it */
  uint64_t stream;      /* stream id */
  tern_slice method;    /* :method */
  tern_slice scheme;    /* :scheme */
  tern_slice authority; /* :authority */
  tern_slice path;      /* :path */
} tern_event_h3_request;

/* A response's header is complete. */
typedef struct tern_event_h3_response {
  bool by_peer;    /* the peer answers us */
  uint64_t stream; /* stream id */
  uint16_t status; /* :status */
} tern_event_h3_response;

/* A request and its response are done. */
typedef struct tern_event_h3_closed {
  uint64_t stream;         /* stream id */
  uint64_t code;           /* error code, 0x100 = none */
  uint64_t sent_bytes;     /* body bytes sent */
  uint64_t received_bytes; /* body bytes received */
} tern_event_h3_closed;

/* A dynamic table changed. */
typedef struct tern_event_qpack_state {
  bool is_encoder;         /* ours to write; else to read */
  uint64_t inserts;        /* insert count */
  uint64_t known;          /* known received count */
  uint32_t entries;        /* entries in it */
  uint64_t used_bytes;     /* sum of entry sizes */
  uint64_t capacity_bytes; /* of the table */
  uint32_t blocked;        /* streams that wait */
} tern_event_qpack_state;

typedef struct tern_event {
  tern_time time;
  uint64_t conn; /* tern_conn_get_id, 0 = the endpoint's or the socket's */
  tern_event_kind kind;
  union {
    tern_event_endpoint_started endpoint_started;
    tern_event_endpoint_drained endpoint_drained;
    tern_event_io_feature io_feature;
    tern_event_io_buffer_small io_buffer_small;
    tern_event_io_drops io_drops;
    tern_event_io_error io_error;
    tern_event_datagram_received datagram_received;
    tern_event_datagram_forwarded datagram_forwarded;
    tern_event_datagram_sent datagram_sent;
    tern_event_datagram_dropped datagram_dropped;
    tern_event_packet_received packet_received;
    tern_event_packet_dropped packet_dropped;
    tern_event_packet_buffered packet_buffered;
    tern_event_packet_sent packet_sent;
    tern_event_packet_lost packet_lost;
    tern_event_packets_acked packets_acked;
    tern_event_frame_received frame_received;
    tern_event_frame_sent frame_sent;
    tern_event_conn_started conn_started;
    tern_event_conn_state conn_state;
    tern_event_params_received params_received;
    tern_event_tls_complete tls_complete;
    tern_event_keys_installed keys_installed;
    tern_event_keys_discarded keys_discarded;
    tern_event_key_updated key_updated;
    tern_event_rtt_updated rtt_updated;
    tern_event_congestion_state congestion_state;
    tern_event_pto_fired pto_fired;
    tern_event_persistent_congestion persistent_congestion;
    tern_event_spurious_loss spurious_loss;
    tern_event_ecn_state ecn_state;
    tern_event_mtu_changed mtu_changed;
    tern_event_route_state route_state;
    tern_event_cid_issued cid_issued;
    tern_event_cid_retired cid_retired;
    tern_event_stream_opened stream_opened;
    tern_event_stream_closed stream_closed;
    tern_event_stream_blocked stream_blocked;
    tern_event_conn_closed conn_closed;
    tern_event_version_negotiation_sent version_negotiation_sent;
    tern_event_version_negotiation_received version_negotiation_received;
    tern_event_retry_sent retry_sent;
    tern_event_retry_received retry_received;
    tern_event_refusal_sent refusal_sent;
    tern_event_token_received token_received;
    tern_event_reset_sent reset_sent;
    tern_event_reset_received reset_received;
    tern_event_glitch glitch;
    tern_event_h3_frame_received h3_frame_received;
    tern_event_h3_frame_sent h3_frame_sent;
    tern_event_h3_stream_type h3_stream_type;
    tern_event_h3_settings h3_settings;
    tern_event_h3_request h3_request;
    tern_event_h3_response h3_response;
    tern_event_h3_closed h3_closed;
    tern_event_qpack_state qpack_state;
  } data; /* the member named like `kind` */
} tern_event;

/* A name such as "packet_sent", and a qlog-like category; never NULL. */
const char *tern_event_name(tern_event_kind kind);
const char *tern_event_category(tern_event_kind kind);
tern_event_level tern_event_get_level(tern_event_kind kind);
/* "error" to "trace"; the inverse answers false for other words. */
const char *tern_event_level_name(tern_event_level level);
bool tern_event_level_parse(tern_event_level *level, const char *text);

/* ---- subscribing ------------------------------------------------------------------------- */

struct tern_event_subscriber {
  void (*on_event)(void *arg, const tern_event *event);
  void *arg;
  uint64_t mask; /* sum of tern_event_mask_of over the kinds it wants */
};

uint64_t tern_event_mask_of(tern_event_kind kind);
/* All kinds of this level and of those above it. */
uint64_t tern_event_mask_of_level(tern_event_level level);

/* ---- text log ---------------------------------------------------------------------------- */

#define TERN_LOG_LINE_MAX 512

/* Writes one event as text without a newline, always with a final NUL, cut at `size`; bytes that a
 * peer chose are escaped. Returns the length written. */
size_t tern_event_format(const tern_event *event, char *text, size_t size);

/* A subscriber that writes a line per event:
 *
 *     0.001234 c1 packet_sent initial #0 1200B ack_eliciting in_flight
 *
 * seconds since the first event, the connection, the event. */
typedef struct tern_log {
  /* `line` ends with a newline and a NUL; `len` counts the newline only. */
  void (*write)(void *arg, const char *line, size_t len);
  void *arg;
  uint64_t conn;   /* only events of this connection; default 0 = all */
  tern_time start; /* time zero; default: that of the first event */
  bool is_started;
} tern_log;

void tern_log_init(tern_log *log, void (*write)(void *arg, const char *line, size_t len),
                   void *arg);
/* `log` must outlive the endpoint that the subscriber is given to. */
tern_event_subscriber tern_log_subscriber(tern_log *log, tern_event_level level);

#ifdef __cplusplus
}
#endif
#endif
