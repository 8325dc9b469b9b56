/* SPDX-License-Identifier: MIT */
/* A client's ticket as bytes. See ticket.h. */
#include "transport/ticket.h"

static const uint8_t magic[3] = {'Q', 'T', 1};

static void write_blob(struct tern_writer *writer, tern_slice blob)
{
  tern_write_u16(writer, (uint16_t)blob.len);
  if (blob.len != 0)
    tern_write_bytes(writer, blob.data, blob.len);
}

static bool read_blob(struct tern_reader *reader, tern_slice *blob)
{
  uint16_t len;
  return tern_read_u16(reader, &len) && tern_read_slice(reader, len, blob);
}

void tern_ticket_write(struct tern_writer *writer, const struct tern_ticket *ticket)
{
  uint8_t bytes[TERN_PARAMS_SIZE_MAX];
  struct tern_writer params = tern_writer_of(bytes, sizeof bytes);

  tern_params_write(&params, &ticket->params, true);
  size_t len = tern_writer_len(&params);
  tern_write_bytes(writer, magic, sizeof magic);
  tern_write_u32(writer,
                 (uint32_t)(4 + 3 * 2 + ticket->server_name.len + len + ticket->session.len));
  tern_write_u32(writer, ticket->version);
  write_blob(writer, ticket->server_name);
  write_blob(writer, tern_slice_of(bytes, len));
  write_blob(writer, ticket->session);
}

bool tern_ticket_read(tern_slice bytes, struct tern_ticket *ticket)
{
  struct tern_reader reader = tern_reader_of(bytes.data, bytes.len);
  struct tern_params params;
  tern_slice head, body, blob;
  uint32_t len;

  if (!tern_read_slice(&reader, sizeof magic, &head) ||
      memcmp(head.data, magic, sizeof magic) != 0 || !tern_read_u32(&reader, &len) ||
      !tern_read_slice(&reader, len, &body))
    return false;
  ticket->extra = tern_slice_of(body.data + body.len, tern_reader_left(&reader));
  reader = tern_reader_of(body.data, body.len);
  if (!tern_read_u32(&reader, &ticket->version) || !read_blob(&reader, &ticket->server_name) ||
      !read_blob(&reader, &blob) || !read_blob(&reader, &ticket->session) ||
      tern_reader_left(&reader) != 0 || tern_params_read(blob, true, &params) != 0)
    return false;
  tern_ticket_remember(&params, &ticket->params);
  return true;
}

void tern_ticket_remember(const struct tern_params *params, struct tern_params *out)
{
  tern_params_init(out);
  out->max_idle_timeout_ms = params->max_idle_timeout_ms;
  out->max_udp_payload_bytes = params->max_udp_payload_bytes;
  out->initial_max_data = params->initial_max_data;
  out->initial_max_stream_data_bidi_local = params->initial_max_stream_data_bidi_local;
  out->initial_max_stream_data_bidi_remote = params->initial_max_stream_data_bidi_remote;
  out->initial_max_stream_data_uni = params->initial_max_stream_data_uni;
  out->initial_max_streams_bidi = params->initial_max_streams_bidi;
  out->initial_max_streams_uni = params->initial_max_streams_uni;
  out->active_connection_id_limit = params->active_connection_id_limit;
  out->disable_active_migration = params->disable_active_migration;
  out->max_datagram_frame_bytes = params->max_datagram_frame_bytes; /* [rfc9221-3] */
}

bool tern_ticket_is_kept(const struct tern_params *remembered, const struct tern_params *now)
{
  return now->active_connection_id_limit >= remembered->active_connection_id_limit &&
         now->initial_max_data >= remembered->initial_max_data &&
         now->initial_max_stream_data_bidi_local >=
             remembered->initial_max_stream_data_bidi_local &&
         now->initial_max_stream_data_bidi_remote >=
             remembered->initial_max_stream_data_bidi_remote &&
         now->initial_max_stream_data_uni >= remembered->initial_max_stream_data_uni &&
         now->initial_max_streams_bidi >= remembered->initial_max_streams_bidi &&
         now->initial_max_streams_uni >= remembered->initial_max_streams_uni &&
         now->max_datagram_frame_bytes >= remembered->max_datagram_frame_bytes;
}
