/* SPDX-License-Identifier: MIT */
/* The streams of a connection (RFC 9000 2.1, 3, 4.6).
 *
 *   slots   index -> stream, generation     frame records name streams this way; a slot is reused only
 *                                           after the last record of its stream is resolved
 *   hash    id -> stream                    multiply-shift with a secret odd factor
 *   sides   per direction and opener:       0 ..... opened ..... limit
 *
 * A stream of the peer below `opened` is live (in the hash), unseen (opened implicitly by a higher id,
 * [rfc9000-2.1], no frame of its own yet: only a range of numbers), or closed (everything else). So
 * opening the last allowed stream costs O(1), and closed streams cost nothing.
 *
 * Ours beyond the peer's limit are live but may not send yet: index >= limit. */
#ifndef TERN_TRANSPORT_STREAM_SET_H
#define TERN_TRANSPORT_STREAM_SET_H

#include <tern/transport.h>

#include "base/rangeset.h"
#include "transport/stream.h"
#include "wire/frame.h"

enum tern_stream_dir { TERN_DIR_BIDI = 0, TERN_DIR_UNI = 1 };

struct tern_stream_slot {
  struct tern_stream *stream; /* NULL = free */
  uint32_t next_free;
  uint16_t generation;
};

/* Streams of one direction that we open. */
struct tern_streams_ours {
  uint64_t opened;  /* next index */
  uint64_t limit;   /* the peer's */
  uint64_t excused; /* MAX_STREAMS that raised nothing */
  struct tern_sync_newest blocked;
};

/* Streams of one direction that the peer opens. */
struct tern_streams_peers {
  uint64_t opened;
  uint64_t limit;              /* advertised */
  uint64_t closed;             /* freed: each lets the peer open another */
  uint64_t concurrent;         /* how many at a time (config) */
  struct tern_rangeset unseen; /* indexes below `opened` without a frame so far */
  struct tern_sync_newest update;
};

struct tern_stream_set {
  struct tern_alloc *alloc;
  tern_conn *conn;
  struct tern_pool pool;
  struct tern_stream_slot *slots;
  uint32_t slots_count; /* used once or more */
  uint32_t slots_capacity;
  uint32_t first_free; /* UINT32_MAX = none */
  uint32_t live;
  struct tern_stream **buckets;
  uint32_t buckets_bits; /* 2^bits buckets; 0 = none yet */
  uint64_t seed;
  struct tern_streams_ours ours[2]; /* by enum tern_stream_dir */
  struct tern_streams_peers peers[2];
  bool is_server;
  uint32_t window_bytes; /* at most 1 GiB (config.h) */
  uint32_t window_max_bytes;
  uint64_t send_buffer_bytes;
  uint64_t send_limit_bidi_local_bytes;  /* the peer's parameters: bidi streams it opens */
  uint64_t send_limit_bidi_remote_bytes; /* bidi streams we open */
  uint64_t send_limit_uni_bytes;         /* uni streams we open */
};

struct tern_stream_set_args {
  struct tern_alloc *alloc;
  tern_conn *conn;
  bool is_server;
  uint64_t seed;             /* random */
  uint64_t streams_bidi_max; /* as advertised in our parameters */
  uint64_t streams_uni_max;
  uint64_t window_bytes;
  uint64_t window_max_bytes;
  uint64_t send_buffer_bytes;
};

void tern_stream_set_init(struct tern_stream_set *set, const struct tern_stream_set_args *args);
/* Frees all streams, whatever their state. */
void tern_stream_set_deinit(struct tern_stream_set *set);

/* The peer's transport parameters, as they say ("local" = opened by the peer). */
struct tern_stream_limits {
  uint64_t streams_bidi;            /* initial_max_streams_bidi */
  uint64_t streams_uni;             /* initial_max_streams_uni */
  uint64_t stream_data_bidi_local;  /* initial_max_stream_data_bidi_local */
  uint64_t stream_data_bidi_remote; /* initial_max_stream_data_bidi_remote */
  uint64_t stream_data_uni;         /* initial_max_stream_data_uni */
};
/* Also raises the limits of streams that were opened before. */
void tern_stream_set_on_peer_limits(struct tern_stream_set *set,
                                    const struct tern_stream_limits *limits);

/* The peer has no limits yet, after all: early data was rejected. The caller has taken all streams out of
 * the scheduler. */
void tern_stream_set_forget_limits(struct tern_stream_set *set);

struct tern_stream *tern_stream_set_find(const struct tern_stream_set *set, uint64_t id);
/* The stream a record names, or NULL if the slot has another one. */
struct tern_stream *tern_stream_set_find_slot(const struct tern_stream_set *set, uint32_t slot,
                                              uint16_t generation);
/* All streams, in slot order: start with *at = 0; NULL at the end. The one returned may be freed. */
struct tern_stream *tern_stream_set_next(const struct tern_stream_set *set, uint32_t *at);

/* TERN_LIMIT: TERN_CAP_STREAMS_QUEUED wait already, or no ids are left. TERN_NOMEM. */
TERN_MUST_CHECK tern_status tern_stream_set_open(struct tern_stream_set *set,
                                                 enum tern_stream_dir dir,
                                                 struct tern_stream **out);
/* False for streams of ours that wait for MAX_STREAMS: nothing may be sent on them. */
static inline bool tern_stream_set_can_send(const struct tern_stream_set *set,
                                            const struct tern_stream *stream)
{
  return !stream->is_ours || (stream->id >> 2) < set->ours[tern_stream_id_is_uni(stream->id)].limit;
}

enum tern_stream_found {
  TERN_STREAM_FOUND,     /* *out is live */
  TERN_STREAM_NEW,       /* *out was just opened by the peer; event OPENED is set */
  TERN_STREAM_GONE,      /* closed: ignore the frame */
  TERN_STREAM_BAD_LIMIT, /* STREAM_LIMIT_ERROR [rfc9000-4.6] */
  TERN_STREAM_BAD_STATE, /* STREAM_STATE_ERROR [rfc9000-19.4, 19.5, 19.8, 19.10, 19.13] */
  TERN_STREAM_NO_MEMORY, /* drop the packet unacknowledged */
};
/* A frame of `kind` (STREAM, RESET_STREAM, STOP_SENDING, MAX_STREAM_DATA or STREAM_DATA_BLOCKED)
 * names stream `id`. */
TERN_MUST_CHECK enum tern_stream_found tern_stream_set_get_or_open(struct tern_stream_set *set,
                                                                   uint64_t id,
                                                                   enum tern_frame_kind kind,
                                                                   struct tern_stream **out);

/* MAX_STREAMS. True if the limit grew: then streams with an index in `opened` may send; find
 * them with tern_stream_set_find (some may be gone). Smaller values are ignored [rfc9000-4.6]. */
bool tern_stream_set_on_max_streams(struct tern_stream_set *set, enum tern_stream_dir dir,
                                    uint64_t limit, struct tern_range *opened);
/* A MAX_STREAMS raised nothing. True if it is no wonder: a peer may raise the limit once for every stream
 * and write the frames of a packet in any order, so there are as many of them as streams were opened. */
bool tern_stream_set_excuse_max_streams(struct tern_stream_set *set, enum tern_stream_dir dir);
static inline uint64_t tern_stream_set_id(const struct tern_stream_set *set,
                                          enum tern_stream_dir dir, uint64_t index)
{
  return index << 2 | (uint64_t)dir << 1 | (set->is_server ? 1u : 0u);
}

/* Gives back what streams at rest do not need. */
void tern_stream_set_trim(struct tern_stream_set *set);

/* A record that names the stream was committed; resolved. */
static inline void tern_stream_set_hold(struct tern_stream *stream, uint32_t records)
{
  stream->records += records;
}
void tern_stream_set_unhold(struct tern_stream *stream, uint32_t records);
/* Frees the stream if is_over and no record names it; the caller has taken it out of its lists and of
 * the scheduler. True if freed. Call after setting is_over and after unhold. */
bool tern_stream_set_try_free(struct tern_stream_set *set, struct tern_stream *stream);

/* MAX_STREAMS and STREAMS_BLOCKED, both directions. */
bool tern_stream_set_wants(const struct tern_stream_set *set);
bool tern_stream_set_write(struct tern_stream_set *set, struct tern_writer *writer,
                           struct tern_frame_record *record);
void tern_stream_set_on_acked(struct tern_stream_set *set, const struct tern_frame_record *record);
void tern_stream_set_on_lost(struct tern_stream_set *set, const struct tern_frame_record *record);

#endif
