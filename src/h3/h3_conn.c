/* SPDX-License-Identifier: MIT */
/* An HTTP/3 connection: start, end, and what concerns all its streams. */
#include "h3/h3_conn.h"
#include "h3/h3_events.h"

#include "base/conn_alloc.h"

/* Requests below this id may be processed: the largest is the identifier after all streams. */
#define NO_ID UINT64_MAX

void tern_h3_config_init(tern_h3_config *config, size_t size)
{
  tern_h3_config defaults = {
      .size = size,
      .field_section_max_bytes = TERN_CAP_FIELD_SECTION,
      .qpack_table_bytes = 4096,
      .qpack_blocked_streams = 16,
      .qpack_encoder_bytes = 4096,
      .header_timeout_ms = 10000,
      .body_timeout_ms = 60000,
      .grease = true,
  };
  memset(config, 0, size);
  memcpy(config, &defaults, size < sizeof(defaults) ? size : sizeof(defaults));
}

static bool is_config_good(const tern_h3_config *config)
{
  return config->field_section_max_bytes >= 1024 &&
         config->field_section_max_bytes <= (UINT64_C(1) << 20) &&
         config->qpack_table_bytes <= 65536 && config->qpack_blocked_streams <= 128 &&
         config->qpack_encoder_bytes <= 65536 && config->header_timeout_ms <= 3600000 &&
         config->body_timeout_ms <= 3600000;
}

/* ---- errors -------------------------------------------------------------------------------- */

void tern_h3_fail(tern_h3 *h3, uint64_t code, const char *why)
{
  if (h3->is_closed)
    return;
  h3->is_closed = true;
  tern_conn_close(h3->conn, code, why == NULL ? "" : why);
}

void tern_h3_close(tern_h3 *h3, uint64_t code, const char *reason)
{
  tern_h3_fail(h3, code, reason);
}

/* A bucket that leaks TERN_CAP_H3_GLITCH_RATE per second. */
void tern_h3_add_glitch(tern_h3 *h3)
{
  tern_time now = tern_conn_get_now(h3->conn);
  uint64_t passed_ms = now > h3->glitch_at ? (now - h3->glitch_at) / TERN_MS : 0;
  uint64_t most_ms = UINT64_C(1000) * TERN_CAP_H3_GLITCH_BURST / TERN_CAP_H3_GLITCH_RATE + 1;
  if (passed_ms > 0) {
    uint64_t leaked = (passed_ms < most_ms ? passed_ms : most_ms) * TERN_CAP_H3_GLITCH_RATE;
    h3->glitch_level = h3->glitch_level > leaked ? h3->glitch_level - leaked : 0;
    h3->glitch_at = now;
  }
  h3->stats.glitches++;
  h3->glitch_level += 1000;
  if (h3->glitch_level > UINT64_C(1000) * TERN_CAP_H3_GLITCH_BURST)
    tern_h3_fail(h3, TERN_H3_EXCESSIVE_LOAD, "too many useless frames, streams or resets");
}

/* ---- the connection's callbacks ------------------------------------------------------------ */

static void on_connected(tern_conn *conn, void *app)
{
  tern_h3 *h3 = app;
  (void)conn;
  if (h3->ops->on_connected != NULL && !h3->is_closed)
    h3->ops->on_connected(h3, h3->app);
}

/* [rfc9114-4.1.1] not processed at all: the client may send it again elsewhere */
static void reject(tern_stream *stream, uint64_t code)
{
  tern_stream_reset(stream, code);
  tern_stream_stop(stream, code);
  tern_stream_release(stream);
}

static void on_request_stream(tern_h3 *h3, tern_stream *stream)
{
  uint64_t id = tern_stream_get_id(stream);
  if (id >= h3->goaway_sent) { /* [rfc9114-5.2] */
    reject(stream, TERN_H3_REQUEST_REJECTED);
    return;
  }
  if (id >= h3->next_id)
    h3->next_id = id + 4;
  tern_request *request = tern_h3_request_new(h3, stream);
  if (request == NULL) {
    reject(stream, TERN_H3_REQUEST_REJECTED);
    return;
  }
  h3->stats.requests_total++;
  tern_stream_set_ops(stream, &tern_h3_request_stream_ops, request);
}

static void on_stream(tern_conn *conn, tern_stream *stream, void *app)
{
  tern_h3 *h3 = app;
  (void)conn;
  if (h3->is_closed)
    return;
  if (!tern_stream_is_bidi(stream))
    tern_h3_on_uni_stream(h3, stream);
  else if (h3->is_server)
    on_request_stream(h3, stream);
  else /* [rfc9114-6.1] */
    tern_h3_fail(h3, TERN_H3_STREAM_CREATION_ERROR, "bidirectional stream from the server");
}

/* ---- tickets and early data ----------------------------------------------------------------- */

/* [rfc9114-7.2.4.2] the settings are remembered with the ticket: its last bytes. */
static void give_ticket(tern_h3 *h3, tern_slice ticket)
{
  uint8_t frame[TERN_H3_SETTINGS_FRAME_MAX];
  size_t len = tern_h3_settings_write(frame, &h3->peer, 0);
  struct tern_buf whole;
  tern_buf_init(&whole, h3->alloc);
  /* The frame's type and length have a byte each: only the payload is kept. */
  if (tern_buf_append(&whole, ticket.data, ticket.len) &&
      tern_buf_append(&whole, frame + 2, len - 2))
    h3->ops->on_ticket(h3, tern_slice_of(whole.data, whole.len), h3->app);
  tern_buf_deinit(&whole);
}

static void on_ticket(tern_conn *conn, tern_slice ticket, void *app)
{
  tern_h3 *h3 = app;
  (void)conn;
  if (h3->ops->on_ticket == NULL || h3->is_closed)
    return;
  if (h3->has_settings) {
    give_ticket(h3, ticket);
    return;
  }
  tern_buf_clear(&h3->ticket, 0);
  if (!tern_buf_append(&h3->ticket, ticket.data, ticket.len))
    tern_buf_clear(&h3->ticket, 0); /* without memory there is none */
}

static void recall_settings(tern_h3 *h3)
{
  tern_h3_settings_init(&h3->remembered);
  h3->has_remembered =
      !h3->is_server && tern_conn_is_early(h3->conn) &&
      tern_h3_settings_read(&h3->remembered, tern_conn_get_ticket_extra(h3->conn)) == 0;
  /* [rfc9204-3.2.3] the dynamic table waits for the settings themselves: if early data is refused, what the
   * encoder has said would have to fit others. */
  if (h3->has_remembered)
    h3->peer.field_section_max = h3->remembered.field_section_max;
}

/* [rfc9114-7.2.4.2] a server that takes early data MUST NOT reduce limits that the client may have used;
 * [rfc9204-3.2.3] nor change the table's size. */
static bool are_settings_kept(const tern_h3 *h3)
{
  const struct tern_h3_settings *old = &h3->remembered, *now = &h3->peer;
  if (!h3->has_remembered || tern_conn_get_early(h3->conn) == TERN_EARLY_REJECTED)
    return true;
  return now->field_section_max >= old->field_section_max &&
         now->blocked_streams >= old->blocked_streams &&
         (old->table_bytes == 0 || now->table_bytes == old->table_bytes) &&
         now->extended_connect >= old->extended_connect && now->datagrams >= old->datagrams;
}

bool tern_h3_is_early_ok(const tern_field *fields, size_t count, tern_h3_early early)
{
  static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"}; /* [rfc9110-9.2.1] */
  tern_slice method = tern_field_value(fields, count, ":method");
  bool is_safe = false;
  for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
    is_safe |= method.len == strlen(safe[i]) && memcmp(method.data, safe[i], method.len) == 0;
  return early == TERN_H3_EARLY_ALWAYS || (early == TERN_H3_EARLY_SAFE && is_safe);
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  tern_h3 *h3 = app;
  (void)conn;
  h3->is_closed = true;
  if (h3->ticket.len != 0) /* the settings have not come: to be remembered as the defaults */
    give_ticket(h3, tern_slice_of(h3->ticket.data, h3->ticket.len));
  if (h3->ops->on_closed != NULL)
    h3->ops->on_closed(h3, error, h3->app);
}

static const tern_conn_ops conn_ops = {
    .size = sizeof(tern_conn_ops),
    .on_connected = on_connected,
    .on_stream = on_stream,
    .on_closed = on_closed,
    .on_ticket = on_ticket,
};

/* ---- life ---------------------------------------------------------------------------------- */

static void trim(struct tern_buf *buf)
{
  if (buf->len == 0)
    tern_buf_deinit(buf);
}

static void drop_spare(tern_h3 *h3)
{
  if (h3->spare == NULL)
    return;
  tern_qpack_reader_deinit(h3->spare);
  tern_alloc_give(h3->alloc, h3->spare, sizeof(*h3->spare));
  h3->spare = NULL;
}

/* The connection rests: buffers that were kept for the next request go. */
static void rest(void *arg)
{
  tern_h3 *h3 = arg;
  drop_spare(h3);
  tern_qpack_enc_trim(&h3->enc);
  trim(&h3->dec.instructions);
  trim(&h3->dec.text);
  tern_buf_deinit(&h3->section);
  tern_buf_deinit(&h3->fields);
  trim(&h3->control_out.waiting);
  trim(&h3->encoder_out.waiting);
  trim(&h3->decoder_out.waiting);
}

/* Whatever is left goes without a word: the connection's memory is about to. */
static void clean_up(void *arg)
{
  tern_h3 *h3 = arg;
  h3->is_closed = true;
  while (!tern_list_is_empty(&h3->requests)) {
    tern_request *request = TERN_CONTAINER_OF(tern_list_first(&h3->requests), tern_request, node);
    tern_h3_request_free(request);
  }
  tern_h3_free_uni(h3);
  drop_spare(h3);
  tern_qpack_enc_deinit(&h3->enc);
  tern_qpack_dec_deinit(&h3->dec);
  tern_buf_deinit(&h3->control_payload);
  tern_buf_deinit(&h3->section);
  tern_buf_deinit(&h3->fields);
  tern_buf_deinit(&h3->ticket);
  tern_alloc_give(h3->alloc, h3, sizeof(*h3));
}

/* `config` is good. */
static struct tern_h3_kept keep_config(const tern_h3_config *config)
{
  struct tern_h3_kept kept = {
      .field_section_max_bytes = (uint32_t)config->field_section_max_bytes,
      .qpack_table_bytes = (uint32_t)config->qpack_table_bytes,
      .qpack_blocked_streams = (uint32_t)config->qpack_blocked_streams,
      .qpack_encoder_bytes = (uint32_t)config->qpack_encoder_bytes,
      .header_timeout_ms = (uint32_t)config->header_timeout_ms,
      .body_timeout_ms = (uint32_t)config->body_timeout_ms,
      .grease = config->grease,
      .early = (uint8_t)config->early,
  };
  return kept;
}

static void init(tern_h3 *h3, tern_conn *conn, const tern_h3_config *config)
{
  struct tern_alloc *alloc = tern_conn_alloc(conn);
  h3->conn = conn;
  h3->alloc = alloc;
  h3->config = keep_config(config);
  h3->is_server = tern_conn_is_server(conn);
  h3->max_push_id = NO_ID;
  h3->goaway_received = NO_ID;
  h3->goaway_sent = NO_ID;
  h3->alarm_at = TERN_TIME_NEVER;
  h3->glitch_at = tern_conn_get_now(conn);
  tern_h3_settings_init(&h3->peer);
  tern_list_init(&h3->ins);
  tern_list_init(&h3->requests);
  tern_list_init(&h3->blocked);
  tern_qpack_enc_init(&h3->enc, alloc, config->qpack_encoder_bytes);
  tern_qpack_dec_init(&h3->dec, alloc, config->qpack_table_bytes, config->qpack_blocked_streams);
  tern_buf_init(&h3->control_payload, alloc);
  tern_buf_init(&h3->section, alloc);
  tern_buf_init(&h3->fields, alloc);
  tern_buf_init(&h3->ticket, alloc);
  tern_buf_init(&h3->control_out.waiting, alloc);
  tern_buf_init(&h3->encoder_out.waiting, alloc);
  tern_buf_init(&h3->decoder_out.waiting, alloc);
}

static tern_status make(tern_h3 **out, tern_conn *conn, const tern_h3_config *config,
                        const tern_h3_ops *ops, void *app)
{
  static const tern_h3_ops no_ops = {.size = sizeof(tern_h3_ops)};
  tern_h3_config copy;
  tern_h3_config_init(&copy, sizeof(copy));
  if (config != NULL)
    memcpy(&copy, config, config->size < sizeof(copy) ? config->size : sizeof(copy));
  if (!is_config_good(&copy))
    return TERN_INVALID;
  tern_h3 *h3 = tern_alloc_take_zero(tern_conn_alloc(conn), sizeof(*h3));
  if (h3 == NULL)
    return TERN_NOMEM;
  init(h3, conn, &copy);
  h3->ops = ops == NULL ? &no_ops : ops;
  h3->app = app;
  recall_settings(h3);
  tern_status status = tern_h3_open_control(h3);
  if (status != TERN_OK) {
    clean_up(h3);
    return status;
  }
  tern_conn_set_cleanup(conn, clean_up, h3);
  tern_conn_set_rest(conn, rest, h3);
  tern_conn_set_ops(conn, &conn_ops, h3);
  *out = h3;
  return TERN_OK;
}

tern_status tern_h3_new_server(tern_h3 **out, tern_conn *conn, const tern_h3_config *config,
                               const tern_h3_ops *ops, void *app)
{
  return tern_conn_is_server(conn) ? make(out, conn, config, ops, app) : TERN_STATE;
}

tern_status tern_h3_new_client(tern_h3 **out, tern_conn *conn, const tern_h3_config *config,
                               const tern_h3_ops *ops, void *app)
{
  return tern_conn_is_server(conn) ? TERN_STATE : make(out, conn, config, ops, app);
}

/* ---- settings and shutdown ------------------------------------------------------------------ */

void tern_h3_on_settings(tern_h3 *h3)
{
  h3->has_settings = true;
  if (!are_settings_kept(h3)) {
    tern_h3_fail(h3, TERN_H3_SETTINGS_ERROR, "settings are smaller than early data relied on");
    return;
  }
  tern_h3_show_settings(h3, &h3->peer, TERN_H3_PEERS);
  if (tern_qpack_enc_set_peer(&h3->enc, h3->peer.table_bytes, h3->peer.blocked_streams) != TERN_OK)
    tern_h3_fail(h3, TERN_H3_INTERNAL_ERROR, "no memory");
  tern_h3_flush_qpack(h3);
  if (h3->ticket.len != 0 && !h3->is_closed)
    give_ticket(h3, tern_slice_of(h3->ticket.data, h3->ticket.len));
  tern_buf_clear(&h3->ticket, 0);
}

/* Both sides of a shutdown: nothing new starts, and with the last request the connection ends. A
 * client's GOAWAY is about pushes, so a server goes on. */
static bool is_winding_down(const tern_h3 *h3)
{
  return h3->goaway_sent != NO_ID || (!h3->is_server && h3->goaway_received != NO_ID);
}

void tern_h3_on_request_gone(tern_h3 *h3)
{
  if (is_winding_down(h3) && h3->requests_count == 0)
    tern_h3_fail(h3, TERN_H3_NO_ERROR, "");
}

/* [rfc9114-5.2] Requests at `id` and above were not processed. */
static void reject_from(tern_h3 *h3, uint64_t id)
{
  struct tern_list_node *node = tern_list_first(&h3->requests);
  while (node != NULL && !h3->is_closed) {
    tern_request *request = TERN_CONTAINER_OF(node, tern_request, node);
    node = tern_list_next(&h3->requests, node);
    if (request->id >= id && !request->is_ended)
      tern_h3_request_fail(request, TERN_H3_REQUEST_REJECTED);
  }
}

void tern_h3_on_goaway(tern_h3 *h3, uint64_t id)
{
  h3->goaway_received = id;
  if (!h3->is_server)
    reject_from(h3, id);
  if (h3->ops->on_goaway != NULL && !h3->is_closed)
    h3->ops->on_goaway(h3, id, h3->app);
  tern_h3_on_request_gone(h3);
}

void tern_h3_goaway(tern_h3 *h3)
{
  if (h3->is_closed || h3->goaway_sent != NO_ID)
    return;
  /* Servers name the first request they have not seen; clients the first push: none. */
  h3->goaway_sent = h3->is_server ? h3->next_id : 0;
  tern_h3_send_goaway(h3, h3->goaway_sent);
  tern_h3_on_request_gone(h3);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void on_alarm(void *arg, tern_time now)
{
  tern_h3 *h3 = arg;
  tern_time next = TERN_TIME_NEVER;
  h3->alarm_at = TERN_TIME_NEVER;
  struct tern_list_node *node = tern_list_first(&h3->requests);
  while (node != NULL && !h3->is_closed) {
    tern_request *request = TERN_CONTAINER_OF(node, tern_request, node);
    node = tern_list_next(&h3->requests, node);
    tern_time at = tern_h3_request_check_time(request, now);
    if (at < next)
      next = at;
  }
  if (!h3->is_closed)
    tern_h3_wake_at(h3, next);
}

void tern_h3_wake_at(tern_h3 *h3, tern_time at)
{
  if (at >= h3->alarm_at)
    return;
  h3->alarm_at = at;
  tern_conn_set_alarm(h3->conn, at, on_alarm, h3);
}

/* ---- getters -------------------------------------------------------------------------------- */

void tern_h3_set_app(tern_h3 *h3, void *app)
{
  h3->app = app;
}

void *tern_h3_get_app(const tern_h3 *h3)
{
  return h3->app;
}

tern_conn *tern_h3_get_conn(const tern_h3 *h3)
{
  return h3->conn;
}

size_t tern_h3_get_request_count(const tern_h3 *h3)
{
  return h3->requests_count;
}

bool tern_h3_has_settings(const tern_h3 *h3)
{
  return h3->has_settings;
}

void tern_h3_get_stats(const tern_h3 *h3, tern_h3_stats *stats)
{
  *stats = h3->stats;
  stats->fields_bytes_sent = h3->enc.plain_bytes;
}
