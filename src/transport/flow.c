/* SPDX-License-Identifier: MIT */
/* Flow control: see flow.h for the picture. All sums stay below 2^62 + 2^31: limits come from varints,
 * windows are at most 1 GiB. */
#include "transport/flow.h"

#include "base/assert.h"
#include "wire/frame_write.h"
#include "wire/varint.h"

/* Half a window consumed in less than this many round trips asks for a larger one. */
#define TUNE_ROUND_TRIPS 2
/* An update is due when this part of the window was consumed since the last one. */
#define UPDATE_PARTS 8

/* ---- send ---- */

void tern_flow_send_init(struct tern_flow_send *flow, uint64_t limit)
{
  flow->limit = limit;
  flow->used = 0;
  flow->blocked = (struct tern_sync_newest){0, TERN_SYNC_IDLE};
}

void tern_flow_send_take(struct tern_flow_send *flow, uint64_t bytes)
{
  /* [rfc9000-4.1] senders MUST NOT send data in excess of either limit */
  TERN_ASSERT(bytes <= tern_flow_send_room(flow));
  flow->used += bytes;
}

void tern_flow_send_give_back(struct tern_flow_send *flow, uint64_t bytes)
{
  TERN_ASSERT(bytes <= flow->used);
  flow->used -= bytes;
}

bool tern_flow_send_on_max(struct tern_flow_send *flow, uint64_t limit)
{
  /* [rfc9000-4.1] MUST ignore frames that do not increase the limit */
  if (limit <= flow->limit)
    return false;
  flow->limit = limit;
  /* [rfc9000-13.3] a new BLOCKED frame only matters while blocked at the newest limit */
  tern_sync_newest_cancel(&flow->blocked);
  return true;
}

void tern_flow_send_on_blocked(struct tern_flow_send *flow)
{
  if (tern_flow_send_room(flow) == 0 && flow->blocked.state == TERN_SYNC_IDLE)
    tern_sync_newest_want(&flow->blocked);
}

bool tern_flow_send_write(struct tern_flow_send *flow, const struct tern_stream_name *name,
                          struct tern_writer *writer, struct tern_frame_record *record)
{
  size_t size;
  if (!tern_flow_send_wants(flow))
    return false;
  if (name == NULL)
    size = tern_frame_size_data_blocked(flow->limit);
  else
    size = tern_frame_size_stream_data_blocked(name->id, flow->limit);
  if (size > tern_writer_left(writer))
    return false;
  if (name == NULL)
    tern_frame_write_data_blocked(writer, flow->limit);
  else
    tern_frame_write_stream_data_blocked(writer, name->id, flow->limit);
  tern_record_fill(record,
                   name == NULL ? TERN_RECORD_DATA_BLOCKED : TERN_RECORD_STREAM_DATA_BLOCKED, name);
  record->offset = flow->limit;
  tern_sync_newest_on_sent(&flow->blocked, flow->limit);
  return true;
}

void tern_flow_send_on_acked(struct tern_flow_send *flow, const struct tern_frame_record *record)
{
  tern_sync_newest_on_acked(&flow->blocked, record->offset);
}

void tern_flow_send_on_lost(struct tern_flow_send *flow, const struct tern_frame_record *record)
{
  /* Still blocked at the limit that the lost frame named, or it is of no interest. */
  if (record->offset == flow->limit && tern_flow_send_room(flow) == 0)
    tern_sync_newest_on_lost(&flow->blocked, record->offset);
}

/* ---- receive ---- */

static uint32_t cut_window(uint64_t bytes)
{
  return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

void tern_flow_recv_init(struct tern_flow_recv *flow, uint64_t window_bytes,
                         uint64_t window_max_bytes)
{
  flow->limit = window_bytes;
  flow->highest = 0;
  flow->consumed = 0;
  flow->tuned_from = 0;
  flow->tuned_at = 0;
  flow->window_bytes = cut_window(window_bytes);
  flow->window_max_bytes = cut_window(window_max_bytes);
  if (flow->window_max_bytes < flow->window_bytes)
    flow->window_max_bytes = flow->window_bytes;
  flow->update = (struct tern_sync_newest){0, TERN_SYNC_IDLE};
}

bool tern_flow_recv_on_received(struct tern_flow_recv *flow, uint64_t highest)
{
  /* [rfc9000-4.1] MUST close with FLOW_CONTROL_ERROR if the limit is violated */
  if (highest > flow->limit)
    return false;
  if (highest > flow->highest)
    flow->highest = highest;
  return true;
}

/* What would be advertised now. */
static uint64_t next_limit(const struct tern_flow_recv *flow)
{
  uint64_t limit = flow->consumed + flow->window_bytes;
  if (limit > TERN_VARINT_MAX)
    limit = TERN_VARINT_MAX;
  return limit > flow->limit ? limit : flow->limit;
}

/* Measures how long half a window takes, and doubles the window if that was short. */
static void tune(struct tern_flow_recv *flow, tern_time now, uint64_t rtt_ns)
{
  if (flow->tuned_at == 0) {
    flow->tuned_at = now;
    flow->tuned_from = flow->consumed;
    return;
  }
  if (flow->consumed - flow->tuned_from < flow->window_bytes / 2)
    return;
  if (now - flow->tuned_at < TUNE_ROUND_TRIPS * rtt_ns) {
    uint64_t doubled = (uint64_t)flow->window_bytes * 2;
    flow->window_bytes =
        doubled < flow->window_max_bytes ? (uint32_t)doubled : flow->window_max_bytes;
  }
  flow->tuned_at = now;
  flow->tuned_from = flow->consumed;
}

void tern_flow_recv_on_consumed(struct tern_flow_recv *flow, uint64_t bytes, tern_time now,
                                uint64_t rtt_ns)
{
  TERN_ASSERT(bytes <= flow->highest - flow->consumed);
  if (flow->tuned_at == 0)
    tune(flow, now, rtt_ns);
  flow->consumed += bytes;
  tune(flow, now, rtt_ns);
  if (next_limit(flow) - flow->limit > flow->window_bytes / UPDATE_PARTS)
    tern_sync_newest_want(&flow->update);
}

void tern_flow_recv_keep_above(struct tern_flow_recv *flow, uint64_t stream_window_bytes)
{
  uint64_t wanted = stream_window_bytes + stream_window_bytes / 2;
  if (wanted > flow->window_max_bytes)
    wanted = flow->window_max_bytes;
  if (wanted > flow->window_bytes)
    flow->window_bytes = (uint32_t)wanted;
}

void tern_flow_recv_stop(struct tern_flow_recv *flow)
{
  tern_sync_newest_cancel(&flow->update);
}

bool tern_flow_recv_write(struct tern_flow_recv *flow, const struct tern_stream_name *name,
                          struct tern_writer *writer, struct tern_frame_record *record)
{
  uint64_t limit = next_limit(flow);
  size_t size;
  if (!tern_flow_recv_wants(flow))
    return false;
  if (name == NULL)
    size = tern_frame_size_max_data(limit);
  else
    size = tern_frame_size_max_stream_data(name->id, limit);
  if (size > tern_writer_left(writer))
    return false;
  if (name == NULL)
    tern_frame_write_max_data(writer, limit);
  else
    tern_frame_write_max_stream_data(writer, name->id, limit);
  tern_record_fill(record, name == NULL ? TERN_RECORD_MAX_DATA : TERN_RECORD_MAX_STREAM_DATA, name);
  record->offset = limit;
  flow->limit = limit;
  tern_sync_newest_on_sent(&flow->update, limit);
  return true;
}

void tern_flow_recv_on_acked(struct tern_flow_recv *flow, const struct tern_frame_record *record)
{
  tern_sync_newest_on_acked(&flow->update, record->offset);
}

void tern_flow_recv_on_lost(struct tern_flow_recv *flow, const struct tern_frame_record *record)
{
  tern_sync_newest_on_lost(&flow->update, record->offset);
}
