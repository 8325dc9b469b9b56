/* SPDX-License-Identifier: MIT */
/* The connection: what the spine shares. No part includes this.
 *
 *   tern_conn ── head: state, TLS, Initial and Handshake spaces, the path, one route
 *      ├─ path ── ids, data space, routes[]   (RFC 10069: number space and ids are a path's;
 *      │                                       congestion, RTT, MTU and ECN are a route's)
 *      └─ body ── streams, flow control, scheduler, datagrams   (from address validation on)
 *
 * Turn of a connection: recv opens packets and on_frame tells the parts; settle, once per batch,
 * works through what was acknowledged, calls the application, and sets one timer; send builds runs. */
#ifndef TERN_TRANSPORT_CONN_H
#define TERN_TRANSPORT_CONN_H

#include <stdalign.h>

#include <tern/transport.h>

#include "base/heap.h"
#include "base/list.h"
#include "crypto/secrets.h"
#include "recovery/acks.h"
#include "recovery/ecn.h"
#include "recovery/loss.h"
#include "recovery/pto.h"
#include "recovery/sent.h"
#include "tls/tls.h"
#include "transport/cid.h"
#include "transport/dgram.h"
#include "transport/endpoint.h"
#include "transport/flow.h"
#include "transport/glitch.h"
#include "transport/record.h"
#include "transport/route.h"
#include "transport/scheduler.h"
#include "transport/stream.h"
#include "transport/stream_set.h"
#include "wire/frame_read.h"
#include "wire/header.h"
#include "wire/params.h"
#include "wire/quic.h"

enum tern_conn_state {
  TERN_CONN_HANDSHAKE, /* keys are being agreed */
  TERN_CONN_CONNECTED, /* the handshake is complete [rfc9001-4.1.1] */
  TERN_CONN_CLOSING,   /* we sent CONNECTION_CLOSE and answer late packets [rfc9000-10.2.1] */
  TERN_CONN_DRAINING,  /* the peer did; silence [rfc9000-10.2.2] */
  TERN_CONN_DEAD,      /* nothing more; freed by the next settle */
};

/* CRYPTO data of a space, both ways. */
struct tern_crypto {
  struct tern_stream_send send;
  struct tern_stream_recv recv;
};

/* One packet number space: Initial, Handshake, or the data space of a path. */
struct tern_pn_space {
  enum tern_space_id id;
  struct tern_keys *keys; /* NULL until the first of its two directions is known */
  bool can_send;
  bool can_receive;
  struct tern_acks acks;
  struct tern_sent sent;
  struct tern_loss loss;
  struct tern_ecn_space ecn;
  struct tern_crypto *crypto;     /* NULL: put away; tern_conn_wake_crypto makes it anew */
  uint32_t crypto_sent_bytes;     /* of what was put away: where it goes on; */
  uint32_t crypto_received_bytes; /* at most TERN_CAP_CRYPTO_TOTAL, and what we send is less */
  bool has_ack_from;              /* an ACK frame was processed; its packet's number: */
  uint64_t ack_from;              /* ACKs in older packets are ignored */
  uint8_t probes;                 /* packets that a PTO still allows beyond the window */
  bool wants_ping;
  uint64_t next_skip;              /* packet number that is left out next [rfc9000-21.4] */
  struct tern_keys *original_keys; /* Initial, after a server's upgrade: of the first version */
};

struct tern_path {
  uint32_t id;
  struct tern_pn_space *data; /* NULL until the body is there */
  struct tern_cid_local local_ids;
  struct tern_cid_remote remote_ids;
  struct tern_route *routes[TERN_CAP_ROUTES]; /* [active] is where data goes */
  uint8_t routes_count;
  uint8_t active;
  uint8_t fallback; /* the last one that was validated */
};
#define TERN_ROUTE_NONE 0xff

/* The id that packets of a route carry to the peer: in conn.c. */
const struct tern_cid *tern_conn_peer_id(const tern_conn *conn, uint8_t route_index);

/* What the layer above asked for (base/conn_alloc.h). */
struct tern_conn_layer {
  void (*cleanup)(void *arg);
  void *cleanup_arg;
  void (*rest)(void *arg);
  void *rest_arg;
  void (*alarm)(void *arg, tern_time now);
  void *alarm_arg;
  tern_time alarm_at;
};

/* A packet that came before its keys. */
struct tern_early_packet {
  struct tern_early_packet *next;
  size_t len;
  uint8_t type;       /* enum tern_packet_type */
  tern_datagram meta; /* addresses and ECN; its data is gone */
  uint8_t bytes[];
};

struct tern_conn_body {
  struct tern_stream_set streams;
  struct tern_scheduler scheduler;
  struct tern_flow_send flow_send;
  struct tern_flow_recv flow_recv;
  struct tern_dgram dgram;
  struct tern_list touched;         /* streams with something to tell the application */
  struct tern_list control;         /* streams with a control frame to write */
  struct tern_ticket_note *tickets; /* client: to tell the application */
  tern_slice ticket_extra;          /* client: what followed the ticket, owned */
};

/* Work that settle owes the connection, gathered while a batch is parsed. */
struct tern_conn_news {
  bool connected;    /* tell the application */
  bool token;        /* the server gave one; it is in conn->token */
  bool streams_bidi; /* the peer raised a limit */
  bool streams_uni;
};

/* A tern_error, its text apart: most connections never have one. */
struct tern_conn_end {
  tern_error_kind kind;
  bool by_peer;
  uint8_t tls_alert;
  uint8_t space;
  uint64_t code;
  uint64_t frame_type;
  char *reason; /* owned; NULL if there is none, or no memory for it */
  size_t reason_bytes;
};

/* What tern_conn_get_stats cannot tell from elsewhere. */
struct tern_conn_counts {
  uint64_t packets_sent, packets_received, packets_acked, packets_lost, packets_dropped;
  uint64_t bytes_sent, bytes_received, bytes_lost;
  uint64_t stream_bytes_sent;
  uint64_t pacing_rate;
  uint64_t handshake_ns;
  uint32_t pto_count, congestion_events, spurious_losses;
  uint16_t mtu_bytes;
};

struct tern_conn {
  tern_endpoint *endpoint;
  struct tern_alloc alloc;
  struct tern_list_node all_node;
  struct tern_list_node touched_node;
  struct tern_list_node due_node;
  struct tern_heap_node timer;
  uint64_t id;
  const tern_conn_ops *ops;
  void *app;

  enum tern_conn_state state;
  bool is_server;
  bool is_confirmed; /* [rfc9001-4.1.2] */
  bool is_validated; /* the peer's address is [rfc9000-8.1] */
  bool is_told;      /* on_conn or on_connected was called */
  bool is_closed_told;
  bool wants_handshake_done;
  bool wants_new_token;   /* server: NEW_TOKEN is due */
  bool is_shutting_down;  /* graceful close: waits for the streams */
  bool is_early;          /* client: sends 0-RTT packets; server: took some, handshake under way */
  bool idle_sent;         /* an eliciting packet was sent since the last one received */
  uint8_t early_status;   /* tern_early */
  uint8_t early_count;    /* packets in `early` */
  bool has_handshake_ack; /* client: the server has validated our address */
  bool is_app_limited;    /* the last send round ran out of data before the window */
  bool has_peer_params;
  bool has_received; /* a packet of the peer was opened: Version Negotiation is no more */
  bool has_retry;    /* the connection began anew after a Retry; there is no second */
  bool wants_close;  /* a CONNECTION_CLOSE is due */
  bool is_live;      /* counted in the endpoint's conns_live */
  bool is_half_open; /* server: counted as such in the endpoint */

  bool has_fixed_version;      /* client: no other is offered; a ticket goes with one [rfc9369-5] */
  bool has_followed_version;   /* client: the server answered in another one [rfc9368-2.3] */
  bool has_negotiated_version; /* client: began anew after a Version Negotiation packet */
  uint32_t version;            /* in use; the negotiated one from the server's first CRYPTO on */
  uint32_t original_version;   /* of the client's first flight */
  struct tern_cid original_dcid; /* the client's first choice */
  struct tern_cid first_scid;    /* ours, as sent in the first packets */
  struct tern_cid peer_scid;     /* the peer's first, checked against its parameters */
  struct tern_cid retry_scid;    /* of the Retry; if has_retry */
  uint8_t *token;                /* client: goes into every Initial, or NULL */
  size_t token_bytes;
  char *server_name; /* client: owned copy */
  size_t server_name_bytes;

  struct tern_tls_session *tls;
  struct tern_keys *early_keys; /* server: of 0-RTT packets, until the handshake is confirmed */
  struct tern_params_kept peer_params;
  struct tern_pn_space *initial;
  struct tern_pn_space *handshake;
  struct tern_path path;
  struct tern_conn_body *body;
  struct tern_early_packet *early;
  struct tern_early_packet *replayed; /* opened in this batch; freed when it is settled */

  struct tern_conn_end end; /* why it ends; kind NONE while it lives */
  tern_time started_at;
  tern_time connected_at;
  tern_time idle_from;    /* last packet received, or first eliciting one sent since */
  tern_time rested_from;  /* idle_from when it rested last */
  tern_time keys_drop_at; /* the previous key phase is forgotten; TERN_TIME_NEVER = none */
  tern_time pace_at;      /* the pacer lets more out; TERN_TIME_NEVER = it holds nothing back */
  tern_time retry_at;     /* no memory for a packet: not before this */
  tern_time hold_until;   /* the socket refuses our packets: nothing is sent, no timer runs */
  tern_time end_at;       /* closing and draining end */
  tern_time shutdown_at;
  uint64_t shutdown_code;
  const tern_cc_ops *cc;         /* of its routes, also those to come */
  uint64_t pacing_rate_max;      /* bytes per second; 0 = no cap */
  tern_time anti_deadlock_since; /* see pto.h */
  uint32_t pto_count;
  uint32_t close_packets; /* received while closing: answers back off */
  uint32_t close_answer_at;

  uint64_t source;          /* the peer's network, if its connections are counted */
  uint64_t half_open_bytes; /* what this connection adds to the endpoint's sum */
  struct tern_glitch glitches;
  struct tern_conn_news news;
  struct tern_conn_layer layer;
  struct tern_conn_counts stats;
};

/* ---- conn.c: life ---- */
struct tern_conn_args {
  tern_endpoint *endpoint;
  tern_addr local;
  tern_addr remote;
  bool is_server;
  uint32_t version;
  const char *server_name;
  tern_slice token;              /* client: for its Initials */
  struct tern_cid original_dcid; /* of the client's very first Initial */
  struct tern_cid retry_scid;    /* server: of the Retry that the client followed; else empty */
  bool is_validated;             /* server: a token proved the peer's address */
  bool has_retry;
  struct tern_cid peer_cid; /* server: the client's source id; client: same as original_dcid */
};
TERN_MUST_CHECK tern_status tern_conn_new(const struct tern_conn_args *args, tern_conn **out);
/* Counts the connection in conns_live, or no longer. */
void tern_conn_update_live(tern_conn *conn);
/* Gives everything back; no callbacks. */
void tern_conn_free(tern_conn *conn);
/* Frees packets that had waited for their keys, once nothing points into them. */
void tern_conn_free_replayed(tern_conn *conn);
/* Gives back what a connection that has ended does not need: all but keys, ids and the route. */
void tern_conn_shed(tern_conn *conn);
TERN_MUST_CHECK tern_status tern_conn_make_body(tern_conn *conn);
/* What is in flight in a space leaves the route's account; its producers are not told. */
void tern_conn_forget_in_flight(tern_conn *conn, struct tern_pn_space *space);
/* Puts the connection on the list of those that settle visits. */
void tern_conn_touch(tern_conn *conn);
/* ... and on the list of those that may send. */
void tern_conn_make_due(tern_conn *conn);
/* NULL if it is not there yet or any more. */
struct tern_pn_space *tern_conn_space(tern_conn *conn, enum tern_space_id id);
/* The same, made if it is not there; NULL without memory. */
struct tern_pn_space *tern_conn_make_space(tern_conn *conn, enum tern_space_id id);
/* CRYPTO data may be written or read. False: no memory. */
TERN_MUST_CHECK bool tern_conn_wake_crypto(tern_conn *conn, struct tern_pn_space *space);
/* Puts it away, if all that was sent is acknowledged and all that came is read. */
void tern_conn_rest_crypto(tern_conn *conn, struct tern_pn_space *space);
static inline bool tern_pn_space_wants_crypto(const struct tern_pn_space *space)
{
  return space->crypto != NULL && tern_stream_send_wants(&space->crypto->send, UINT64_MAX);
}
/* Keys, CRYPTO data and everything in flight of a space that is over [rfc9001-4.9]. */
void tern_conn_drop_space(tern_conn *conn, enum tern_space_id id);
/* Measures again what a half-open connection holds. */
void tern_conn_count_half_open(tern_conn *conn);
/* The peer's address is validated [rfc9000-8.1]: bounds fall away, the body is made. */
void tern_conn_on_validated(tern_conn *conn);
/* The datagram size of a route changed. */
void tern_conn_on_mtu(tern_conn *conn, struct tern_route *route);
/* The peer's parameters are as if it had sent none. */
void tern_conn_forget_params(tern_conn *conn);
/* Takes the limits of the peer's parameters over into the body. */
void tern_conn_apply_peer_limits(tern_conn *conn);
/* Puts streams that may send now where the packer finds them. */
void tern_conn_offer_streams(tern_conn *conn);
/* Server: the destination of the client's Initials before it knows our id. */
const struct tern_cid *tern_conn_client_id(const tern_conn *conn);
/* The client's first choice of our id is no longer used. */
void tern_conn_remove_original_id(tern_conn *conn);
/* Issues connection ids until the peer has as many as it takes. */
void tern_conn_issue_ids(tern_conn *conn);
static inline struct tern_route *tern_conn_route(const tern_conn *conn)
{
  return conn->path.routes[conn->path.active];
}
static inline bool tern_conn_is_open(const tern_conn *conn)
{
  return conn->state <= TERN_CONN_CONNECTED;
}

/* ---- close.c: ends ---- */
/* A peer error, recorded once where it is seen. `reason` is a constant sentence. */
void tern_conn_fail(tern_conn *conn, uint64_t code, uint64_t frame_type, const char *reason);
void tern_conn_fail_tls(tern_conn *conn, uint8_t alert, const char *reason);
void tern_conn_fail_local(tern_conn *conn, const char *reason);
/* The peer's CONNECTION_CLOSE, a stateless reset, or a timeout. */
void tern_conn_on_peer_close(tern_conn *conn, const struct tern_pn_space *space,
                             const struct tern_frame *frame);
void tern_conn_on_reset(tern_conn *conn);
void tern_conn_on_unreachable(tern_conn *conn);
void tern_conn_on_timeout_end(tern_conn *conn, tern_error_kind kind);
/* As the application gets it. */
tern_error tern_conn_get_error(const tern_conn *conn);
void tern_conn_free_end(tern_conn *conn);
void tern_conn_check_shutdown(tern_conn *conn);
void tern_conn_on_closing_packet(tern_conn *conn);

/* ---- conn_tls.c: the handshake ---- */
struct tern_conn_resume {
  tern_slice ticket; /* empty = none */
  bool wants_early;
};
/* `resume` NULL: a server, or a client without a ticket. */
void tern_conn_start_tls(tern_conn *conn, const struct tern_conn_resume *resume);
/* Server: judges the ClientHello once it is whole. False: it is not yet, or the connection is over. */
bool tern_conn_may_start_tls(tern_conn *conn, const struct tern_pn_space *space);
/* Feeds the CRYPTO bytes that are in order and does what TLS says. */
void tern_conn_drive_tls(tern_conn *conn, struct tern_pn_space *space);
/* Work that TLS waited for is finished. */
void tern_conn_resume_tls(tern_conn *conn);
void tern_conn_on_confirmed(tern_conn *conn);

/* ---- conn_rest.c ---- */
/* When a silent connection gives memory back; TERN_TIME_NEVER: it did, or it cannot. */
tern_time tern_conn_rest_deadline(const tern_conn *conn);
void tern_conn_rest(tern_conn *conn);

/* ---- early.c: resumption and 0-RTT ---- */
/* Takes over what the ticket remembers. False: of no use. */
bool tern_conn_use_ticket(tern_conn *conn, tern_slice bytes, tern_slice *session);
/* Client: 0-RTT keys are installed. */
void tern_conn_start_early(tern_conn *conn);
void tern_conn_drop_early_tx(tern_conn *conn);
void tern_conn_on_early_rejected(tern_conn *conn);
/* Client, Retry: 0-RTT packets went to a connection id that is no more. */
void tern_conn_resend_early(tern_conn *conn);
void tern_conn_on_ticket(tern_conn *conn, tern_slice session);
void tern_conn_tell_tickets(tern_conn *conn);
void tern_conn_free_tickets(tern_conn *conn);
void tern_conn_on_early_accepted(tern_conn *conn);
void tern_conn_drop_early_rx(tern_conn *conn);

/* ---- migrate.c ---- */
/* By the peer's address; TERN_ROUTE_NONE if there is none, or no room for another. */
uint8_t tern_conn_find_route(const tern_conn *conn, const tern_addr *remote);
uint8_t tern_conn_add_route(tern_conn *conn, const tern_datagram *meta);
/* An authentic packet came by a route. */
void tern_conn_on_route_packet(tern_conn *conn, uint8_t route_index, bool is_newest,
                               bool is_probing);
void tern_conn_on_route_validated(tern_conn *conn, uint8_t route_index);
void tern_conn_on_routes_timer(tern_conn *conn);
tern_time tern_conn_routes_deadline(const tern_conn *conn);
/* Gives a route that has none a connection id of the peer's that was never used; in on_frame.c. */
void tern_conn_use_fresh_id(tern_conn *conn, uint8_t route_index);

/* ---- retry.c: tokens and Retry ---- */
/* What goes into the client's Initials from now on: copied. TERN_NOMEM. */
TERN_MUST_CHECK tern_status tern_conn_set_token(tern_conn *conn, tern_slice token);
/* The server wants its token back first. False: to be ignored. */
bool tern_conn_on_retry(tern_conn *conn, const struct tern_long_header *header, tern_slice packet);

/* ---- version.c: RFC 9368 ---- */
void tern_conn_describe_versions(const tern_conn *conn, struct tern_params *params);
/* False: VERSION_NEGOTIATION_ERROR, somebody has tampered. */
bool tern_conn_are_versions_true(const tern_conn *conn, const struct tern_params *params);
/* Client: begins anew in a version of a Version Negotiation packet's list. False: there is none. */
bool tern_conn_restart_version(tern_conn *conn, tern_slice versions);
/* Server, before there is TLS: goes over to the version it prefers among those of the client's parameters.
 * False: the connection is over. */
bool tern_conn_upgrade_version(tern_conn *conn, tern_slice params);
/* Client: an Initial or Handshake packet in another version than ours may be the server's choice. */
bool tern_conn_can_follow_version(const tern_conn *conn, const struct tern_long_header *header);
struct tern_version_before {
  uint32_t version;
  struct tern_keys *keys;
  uint64_t packets_received;
};
/* Takes the version on for one packet; end_follow keeps it if that packet was authentic. False: no
 * memory. */
TERN_MUST_CHECK bool tern_conn_follow_version(tern_conn *conn, uint32_t version,
                                              struct tern_version_before *before);
void tern_conn_end_follow(tern_conn *conn, const struct tern_version_before *before);

/* ---- recv.c ---- */
/* A datagram's long-header packets, in order; the last may be a short one. */
struct tern_in_datagram {
  const tern_datagram *meta;
  uint8_t *data;
  size_t len;
};
void tern_conn_receive(tern_conn *conn, const struct tern_in_datagram *datagram);
/* The same without what is done once per datagram: for packets that waited for their keys, too. */
void tern_conn_receive_packets(tern_conn *conn, const tern_datagram *meta, uint8_t *data,
                               size_t len);
/* 1-RTT packets in a row, one a datagram. */
void tern_conn_receive_short(tern_conn *conn, struct tern_in *in);

/* ---- on_frame.c ---- */
struct tern_on_frame_args {
  struct tern_pn_space *space;
  enum tern_packet_type packet_type;
  uint64_t number;
  struct tern_route *route; /* it came on */
  uint8_t route_index;
  tern_slice dcid;
};
enum tern_packet_fate { TERN_PACKET_KEEP, TERN_PACKET_IGNORE, TERN_PACKET_FATAL };
struct tern_packet_facts {
  bool is_eliciting;
  bool is_probing; /* only probing frames so far */
  bool has_crypto;
};
enum tern_packet_fate tern_conn_on_frames(tern_conn *conn, const struct tern_on_frame_args *args,
                                          tern_slice payload, struct tern_packet_facts *facts);

/* ---- on_ack.c: acknowledged, lost, probed ---- */
/* False: the connection was failed. */
bool tern_conn_on_ack(tern_conn *conn, const struct tern_on_frame_args *args,
                      const struct tern_frame *frame);
/* Once per batch: losses, then the controller. */
void tern_conn_settle_acks(tern_conn *conn);
/* What they said is of no use any more. */
void tern_conn_forget_acks(tern_conn *conn);
/* Declares what is lost by number and by time; returns the bytes. */
uint64_t tern_conn_detect_losses(tern_conn *conn, struct tern_pn_space *space);
void tern_conn_show_congestion(tern_conn *conn, struct tern_route *route);
/* Nothing is known of the packet and nothing will be: its content is sent again. */
void tern_conn_abandon_packet(tern_conn *conn, struct tern_pn_space *space,
                              struct tern_sent_packet *packet);

/* ---- probe.c ---- */
/* Keeps the ring of sent packets short when the peer acknowledges nothing. */
void tern_conn_bound_span(tern_conn *conn, struct tern_pn_space *space);
/* Losses by time, or a PTO; if it is due. */
void tern_conn_on_loss_timer(tern_conn *conn);
/* What the oldest packets in flight carried wants to be written again; they are not declared lost. */
void tern_conn_offer_again(tern_conn *conn, struct tern_pn_space *space);
tern_time tern_conn_loss_deadline(const tern_conn *conn);
/* Packets of the data space that never left this host. */
void tern_conn_on_unsent(tern_conn *conn, struct tern_range numbers, bool is_too_large);
/* Leaves out the next packet number. False: no memory to remember it. */
bool tern_conn_skip_number(tern_conn *conn, struct tern_pn_space *space);
/* The PTO of the active route, with the peer's ACK delay. */
uint64_t tern_conn_pto_ns(const tern_conn *conn);
void tern_conn_on_record_acked(tern_conn *conn, struct tern_pn_space *space,
                               const struct tern_frame_record *record);
void tern_conn_on_record_lost(tern_conn *conn, struct tern_pn_space *space,
                              const struct tern_frame_record *record);

/* ---- settle.c: after a batch ---- */
void tern_conn_settle(tern_conn *conn);
/* The stream has something to tell. */
void tern_stream_touch(tern_stream *stream);
/* Puts it into the scheduler and the control list, or takes it out, as it wants. */
void tern_stream_update_places(tern_stream *stream);
void tern_conn_update_timer(tern_conn *conn);
void tern_conn_on_timer(tern_conn *conn);

/* ---- send.c ---- */
/* Builds one run into the endpoint's out buffer. False if there was nothing to send. */
bool tern_conn_send_run(tern_conn *conn, struct tern_out_run *run);
bool tern_conn_wants_send(tern_conn *conn);
/* [rfc9000-8.1] the peer's address is not validated, and what it sent allows no further datagram. */
bool tern_conn_is_out_of_budget(const tern_conn *conn);

#endif
