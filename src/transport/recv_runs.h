/* SPDX-License-Identifier: MIT */
/* Where received bytes go: to the readable ones, or to a run beyond a gap. Only stream_recv uses it. */
#ifndef TERN_TRANSPORT_RECV_RUNS_H
#define TERN_TRANSPORT_RECV_RUNS_H

#include "transport/stream_recv.h"

/* False: [start, end) would need one gap more than TERN_CAP_STREAM_GAPS. */
bool tern_recv_runs_have_room(const struct tern_stream_recv *recv, uint64_t start, uint64_t end);
/* Takes what is new of `data`; moves in_order. False without memory: part of it may be in. */
TERN_MUST_CHECK bool tern_recv_runs_add(struct tern_stream_recv *recv,
                                        const struct tern_recv_data *data,
                                        struct tern_piece_pool *pool);
/* Bytes of [start, end), start >= in_order, that no run has. */
uint64_t tern_recv_runs_count_new(const struct tern_stream_recv *recv, uint64_t start,
                                  uint64_t end);
void tern_recv_runs_drop(struct tern_stream_recv *recv);

#endif
