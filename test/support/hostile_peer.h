/* SPDX-License-Identifier: MIT */
/* A peer under the test's control, and an endpoint of tern that it talks to in virtual time.
 *
 *   struct hostile_rig    one endpoint with its oracle and an application, and up to a few peers
 *   struct hostile_peer   a client or server of wire and crypto parts: it does a handshake over tls_sim,
 *                         then sends whatever frames, packets and datagrams the test makes up
 *
 *     hostile_rig_init(&rig);
 *     rig.config.... = ...;
 *     hostile_rig_start(&rig);
 *     struct hostile_peer *peer = hostile_peer_add(&rig, false);
 *     hostile_peer_connect(peer);                       handshake, both sides confirmed
 *     writer = hostile_frames(peer); tern_frame_write_...; hostile_send(peer, TERN_PACKET_APP);
 *     peer->close_code ...
 *     hostile_rig_deinit(&rig);                         quiesces; rig.oracle.fault tells
 *
 * The peer is honest where a test does not want otherwise: it acknowledges what it gets while `acks` is
 * set. Nothing is lost on the way, so it needs no loss recovery. */
#ifndef TERN_TEST_HOSTILE_PEER_H
#define TERN_TEST_HOSTILE_PEER_H

#include <tern/transport.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/random.h"
#include "base/rangeset.h"
#include "crypto/secrets.h"
#include "support/fail_alloc.h"
#include "support/oracle.h"
#include "tls/tls_sim.h"
#include "wire/frame.h"
#include "wire/params.h"
#include "wire/quic.h"

#define HOSTILE_START (10 * TERN_SECOND)
#define HOSTILE_PEERS_MAX 4
#define HOSTILE_INBOX_MAX 1024
#define HOSTILE_FRAMES_MAX 65000
#define HOSTILE_CRYPTO_MAX 16384
#define HOSTILE_CIDS_MAX 64
#define HOSTILE_HELD_BYTES (ORACLE_BATCH_MAX * 2048)

struct hostile_space {
  struct tern_keys *keys; /* NULL before and after */
  uint64_t next;          /* number of the next packet */
  uint64_t largest;       /* received; if has_largest */
  bool has_largest;
  bool owes_ack;
  struct tern_rangeset received;
  uint64_t crypto_in;                 /* CRYPTO bytes taken in order */
  uint8_t crypto[HOSTILE_CRYPTO_MAX]; /* what TLS wants to say ... */
  size_t crypto_len, crypto_sent;     /* ... and how far it went */
  uint64_t crypto_out;                /* offset behind what went out in all */
};

struct hostile_rig;

struct hostile_peer {
  struct hostile_rig *rig;
  bool is_server;
  tern_addr addr;
  struct tern_tls_session *tls;
  struct tern_params params; /* what it says of itself; ids are filled in by the start */
  tern_slice more_params;    /* goes behind them as it is */
  struct tern_cid original_dcid;
  struct tern_cid scid; /* ours */
  struct tern_cid dcid; /* theirs */
  struct hostile_space spaces[TERN_SPACES];
  bool is_started, is_complete;
  uint8_t tls_alert;

  /* Habits. */
  bool acks;       /* acknowledge eliciting packets at once */
  bool speaks_tls; /* send what TLS says by itself */
  bool is_deaf;    /* datagrams are counted, not opened */
  uint8_t ecn;     /* of what it sends */

  /* What the endpoint said. */
  struct tern_params their_params;
  uint64_t datagrams, bytes, packets, unopened, stateless;
  size_t last_len; /* of the newest datagram */
  uint64_t seen[TERN_FRAME_KINDS];
  uint64_t max_data, max_streams_bidi;
  uint64_t stream_bytes, highest_stream_end;
  uint64_t retired_highest;
  uint8_t challenge[8], response[8];
  struct tern_cid cids[HOSTILE_CIDS_MAX]; /* from NEW_CONNECTION_ID, by sequence number; 0 = dcid */
  uint64_t cids_end;
  bool is_closed, close_is_app;
  uint64_t close_code, close_frame_type;
  uint8_t closes; /* CONNECTION_CLOSE frames seen, cut at 255 */

  /* The payload being written. */
  uint8_t payload[HOSTILE_FRAMES_MAX];
  struct tern_writer writer;
};

/* The application on the endpoint. Checks oracle_byte content when a test says that it is that. */
struct hostile_app {
  bool reads; /* reads streams as data comes; else never */
  bool checks_content;
  uint64_t serves_bytes; /* to each bidirectional stream that the peer opens, from a source */
  uint64_t conns, closed, streams_opened, streams_closed, streams_reset, streams_ended;
  uint64_t read_bytes, datagrams, datagram_bytes;
  uint64_t source_offset_max;
  tern_conn *conn; /* the newest that is open */
  tern_error error;
};

struct hostile_message {
  struct hostile_peer *peer;
  size_t len;
  uint8_t bytes[2048];
};

struct hostile_rig {
  tern_config config;
  struct tern_fail_alloc heap;
  struct tern_random_seeded seeded;
  struct tern_tls_sim_options tls_options;
  tern_tls *tls;
  tern_endpoint *endpoint;
  struct oracle oracle;
  struct hostile_app app;
  tern_addr addr; /* the endpoint's */
  struct tern_alloc peer_alloc;
  struct tern_random_seeded peer_seeded;
  tern_random_ops peer_random;
  struct hostile_peer *peers[HOSTILE_PEERS_MAX];
  size_t peers_count;
  struct hostile_message *inbox; /* ring */
  size_t inbox_first, inbox_count;
  uint64_t inbox_dropped;
  struct oracle_in held[ORACLE_BATCH_MAX]; /* to be received in one call */
  size_t held_count, held_len;
  uint8_t *held_bytes;
};

/* ---- rig ---- */
void hostile_rig_init(struct hostile_rig *rig);
/* Makes the endpoint, a server and a client in one. False: no memory (then deinit). */
bool hostile_rig_start(struct hostile_rig *rig);
/* The endpoint sends and waits for nothing more at this instant, the peers have answered. */
void hostile_rig_turn(struct hostile_rig *rig);
void hostile_rig_advance(struct hostile_rig *rig, uint64_t ns);
/* Waits until the endpoint has no connection, peers stay silent, frees all. Returns the first fault of
 * the oracles, or NULL. */
const char *hostile_rig_deinit(struct hostile_rig *rig);
/* Without waiting. */
void hostile_rig_free(struct hostile_rig *rig);
/* Datagrams as they are, from `remote`; then a turn. */
void hostile_rig_inject(struct hostile_rig *rig, const tern_addr *remote, tern_slice data);
/* The connection that talks to `peer`, or NULL: for looking into it. */
tern_conn *hostile_find_conn(const struct hostile_rig *rig, const struct hostile_peer *peer);
tern_addr hostile_addr(uint8_t last, uint16_t port);
/* The endpoint connects to `remote`. */
bool hostile_rig_connect(struct hostile_rig *rig, const tern_addr *remote);
/* The application writes `len` bytes of oracle_byte content to `stream`, which it opened. */
void hostile_app_write(struct hostile_rig *rig, tern_stream *stream, size_t len);
/* A stream of the application with the rig's callbacks, or NULL. */
tern_stream *hostile_app_open(struct hostile_rig *rig, bool is_bidi);
/* Holds a datagram back; release hands all of them over in one call, without a turn. */
void hostile_rig_hold(struct hostile_rig *rig, const tern_addr *remote, tern_slice data);
void hostile_rig_release(struct hostile_rig *rig);

/* ---- peer ---- */
struct hostile_peer *hostile_peer_add(struct hostile_rig *rig, bool is_server);
/* Forgets the newest one; the endpoint is not told. */
void hostile_peer_drop(struct hostile_rig *rig);
/* Starts TLS and, as a client, says its first flight. Needs hostile_peer_connect only if that is all. */
void hostile_peer_start(struct hostile_peer *peer);
/* The whole handshake; as a server it lets the endpoint connect to it. False: it did not come about. */
bool hostile_peer_connect(struct hostile_peer *peer);
/* Sends what TLS has to say and ACKs that are owed. True if anything went. */
bool hostile_peer_flush(struct hostile_peer *peer);

/* Starts a payload; write frames into what it returns. */
struct tern_writer *hostile_frames(struct hostile_peer *peer);
/* Seals the payload as one packet in a datagram of its own (Initials padded to 1,200), delivers it, and
 * lets everybody answer. False: no keys. */
bool hostile_send(struct hostile_peer *peer, enum tern_packet_type type);
/* The same without the turn after it: the endpoint has it, nothing was sent or timed out yet. */
bool hostile_post(struct hostile_peer *peer, enum tern_packet_type type);

/* Seals the payload and holds it back (hostile_rig_hold). */
bool hostile_hold(struct hostile_peer *peer, enum tern_packet_type type);

/* A packet of any look. Members that are 0 mean the honest choice. */
struct hostile_packet {
  enum tern_packet_type type;
  tern_slice payload;
  size_t pad_to; /* bytes of the whole packet, by PADDING */
  tern_slice token;
  const struct tern_cid *dcid;
  const struct tern_cid *scid;
  bool has_number;
  uint64_t number; /* instead of the next */
  uint8_t flip;    /* bits of the first byte, before it is sealed */
  uint32_t version;
};
/* Bytes written, 0 if there are no keys or no room. */
size_t hostile_seal(struct hostile_peer *peer, const struct hostile_packet *packet, uint8_t *out,
                    size_t room);
/* Delivers a datagram from the peer's address; no turn. */
void hostile_deliver(struct hostile_peer *peer, tern_slice datagram);
/* Writes an ACK of everything received in a space, as an honest peer would. */
void hostile_write_ack(struct hostile_peer *peer, enum tern_space_id space,
                       struct tern_writer *writer);
/* A STREAM frame with oracle_byte content; offsets and lengths as they are asked for. */
void hostile_write_stream(struct tern_writer *writer, uint64_t id, uint64_t offset, size_t len,
                          bool is_fin);
void hostile_write_crypto(struct tern_writer *writer, uint64_t offset, tern_slice data);

#endif
