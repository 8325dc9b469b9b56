/* SPDX-License-Identifier: MIT */
/* See pair.h. The queue is a plain list: tests are short. */
#include "support/pair.h"

#include "crypto/protect.h"
#include "support/test_certs.h"
#include "transport/conn.h"
#include "wire/frame_write.h"
#include "wire/header.h"

#define TURNS_MAX 2000
#define PATIENCE_NS (60 * TERN_SECOND)

/* ---- the application ---------------------------------------------------------------------------- */

static struct pair_stream *add_stream(struct pair *pair, int side, tern_stream *stream)
{
  assert_true(pair->streams_count < PAIR_STREAMS_MAX);
  struct pair_stream *added = &pair->streams[pair->streams_count++];
  *added = (struct pair_stream){
      .pair = pair, .side = side, .stream = stream, .id = tern_stream_get_id(stream)};
  return added;
}

static void check_bytes(struct pair_stream *stream, const uint8_t *data, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if (data[i] != pair_byte(stream->received + i))
      stream->is_bad = true;
  stream->received += len;
}

static void echo(struct pair_stream *stream, const uint8_t *data, size_t len)
{
  size_t taken;

  if (!stream->pair->has_echo || stream->side != PAIR_SERVER ||
      !tern_stream_is_bidi(stream->stream))
    return;
  if (len != 0)
    assert_int_equal(tern_stream_write(stream->stream, tern_slice_of(data, len), &taken), TERN_OK);
  else
    assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
}

static void on_readable(tern_stream *handle, void *app)
{
  struct pair_stream *stream = app;
  uint8_t data[4096];
  size_t got = 0;
  tern_status status = TERN_BLOCKED;

  stream->readable_count++;
  while (!stream->is_paused &&
         (status = tern_stream_read(handle, data, sizeof data, &got)) == TERN_OK) {
    check_bytes(stream, data, got);
    echo(stream, data, got);
  }
  if (status == TERN_EOF) {
    stream->is_eof = true;
    echo(stream, NULL, 0);
  }
  if (stream->pair->on_readable != NULL)
    stream->pair->on_readable(stream->pair, stream);
}

static void on_writable(tern_stream *handle, void *app)
{
  struct pair_stream *stream = app;

  (void)handle;
  stream->writable_count++;
  if (stream->pair->on_writable != NULL)
    stream->pair->on_writable(stream->pair, stream);
}

static void on_acked(tern_stream *handle, uint64_t offset, void *app)
{
  struct pair_stream *stream = app;

  (void)handle;
  assert_true(offset > stream->acked_to); /* never goes back, never says the same twice */
  stream->acked_to = offset;
  if (stream->pair->on_acked != NULL)
    stream->pair->on_acked(stream->pair, stream);
}

static void on_reset(tern_stream *handle, uint64_t code, void *app)
{
  struct pair_stream *stream = app;

  (void)handle;
  stream->reset_count++;
  stream->reset_code = code;
  if (stream->pair->on_reset != NULL)
    stream->pair->on_reset(stream->pair, stream);
}

static void on_stopped(tern_stream *handle, uint64_t code, void *app)
{
  struct pair_stream *stream = app;

  (void)handle;
  stream->stopped_count++;
  stream->stop_code = code;
  if (stream->pair->on_stopped != NULL)
    stream->pair->on_stopped(stream->pair, stream);
}

static void on_stream_closed(tern_stream *handle, void *app)
{
  struct pair_stream *stream = app;

  (void)handle;
  stream->closed_count++;
  if (stream->pair->on_stream_closed != NULL)
    stream->pair->on_stream_closed(stream->pair, stream);
  stream->stream = NULL;
}

static const tern_stream_ops stream_ops = {
    sizeof stream_ops, on_readable, on_writable, on_acked, on_reset, on_stopped, on_stream_closed};

static void on_connected(tern_conn *conn, void *app)
{
  struct pair_side *side = app;

  side->pair->conn[side->side] = conn;
  side->pair->is_connected[side->side] = true;
  if (side->pair->on_conn != NULL)
    side->pair->on_conn(side->pair, side->side);
}

static void on_stream(tern_conn *conn, tern_stream *handle, void *app)
{
  struct pair_side *side = app;
  struct pair_stream *stream = add_stream(side->pair, side->side, handle);

  (void)conn;
  tern_stream_set_ops(handle, &stream_ops, stream);
  if (side->pair->on_stream != NULL)
    side->pair->on_stream(side->pair, stream);
}

static void on_streams(tern_conn *conn, bool is_bidi, uint64_t limit, void *app)
{
  struct pair_side *side = app;

  (void)conn;
  (void)is_bidi;
  (void)limit;
  side->pair->limits_count[side->side]++;
}

static void on_datagram(tern_conn *conn, tern_slice data, void *app)
{
  struct pair_side *side = app;
  struct pair *pair = side->pair;

  (void)conn;
  pair->datagrams_count[side->side]++;
  pair->datagram_len[side->side] = data.len;
  if (data.len != 0 && data.len <= sizeof pair->datagram[0])
    memcpy(pair->datagram[side->side], data.data, data.len);
  if (pair->on_datagram != NULL)
    pair->on_datagram(pair, side->side);
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  struct pair_side *side = app;
  struct pair *pair = side->pair;

  pair->closed_count[side->side]++;
  pair->error[side->side] = *error;
  tern_conn_get_stats(conn, &pair->stats[side->side]);
  if (pair->on_closed != NULL)
    pair->on_closed(pair, side->side);
  pair->conn[side->side] = NULL;
}

static const tern_conn_ops conn_ops = {.size = sizeof conn_ops,
                                       .on_connected = on_connected,
                                       .on_stream = on_stream,
                                       .on_streams = on_streams,
                                       .on_datagram = on_datagram,
                                       .on_closed = on_closed};

static void on_server_conn(void *app, tern_conn *conn)
{
  tern_conn_set_ops(conn, &conn_ops, app);
  on_connected(conn, app);
}

static void on_token(void *app, tern_conn *conn, tern_slice token)
{
  struct pair *pair = ((struct pair_side *)app)->pair;

  (void)conn;
  pair->tokens_count++;
  assert_in_range(token.len, 1, sizeof pair->token);
  memcpy(pair->token, token.data, token.len);
  pair->token_len = token.len;
}

static const tern_endpoint_ops endpoint_ops = {
    .size = sizeof endpoint_ops, .on_conn = on_server_conn, .on_token = on_token};

/* ---- events ------------------------------------------------------------------------------------- */

static void count_event(void *arg, const tern_event *event)
{
  struct pair_side *side = arg;
  struct pair *pair = side->pair;

  pair->counts[side->side][event->kind]++;
  if (event->kind == TERN_EVENT_PACKET_DROPPED)
    pair->drops[side->side][event->data.packet_dropped.reason]++;
  if (event->kind == TERN_EVENT_DATAGRAM_DROPPED)
    pair->drops[side->side][event->data.datagram_dropped.reason]++;
  if (pair->on_event != NULL)
    pair->on_event(pair, side->side, event);
}

static void write_line(void *arg, const char *line, size_t len)
{
  fprintf(stderr, "%c %.*s", ((struct pair_side *)arg)->side == PAIR_CLIENT ? 'C' : 'S', (int)len,
          line);
}

/* ---- life --------------------------------------------------------------------------------------- */

void pair_init(struct pair *pair, uint64_t seed)
{
  memset(pair, 0, sizeof *pair);
  tern_random_seeded_init(&pair->random, seed);
  pair->delay_ns = 10 * TERN_MS;
  pair->now = PAIR_START;
  assert_int_equal(tern_addr_parse(&pair->addr[PAIR_CLIENT], "10.0.0.1:5555"), TERN_OK);
  assert_int_equal(tern_addr_parse(&pair->addr[PAIR_SERVER], "10.0.0.2:443"), TERN_OK);
  for (int i = 0; i < 2; i++) {
    struct pair_side *side = &pair->sides[i];
    *side = (struct pair_side){.pair = pair, .side = i};
    side->subscriber[0] = (tern_event_subscriber){count_event, side,
                                                  tern_event_mask_of_level(TERN_EVENT_LEVEL_TRACE)};
    tern_log_init(&side->log, write_line, side);
    side->log.start = PAIR_START;
    side->log.is_started = true;
    side->subscriber[1] = tern_log_subscriber(&side->log, TERN_EVENT_LEVEL_TRACE);
    tern_config_init(&pair->config[i], sizeof pair->config[i]);
    pair->config[i].random = tern_random_seeded_ops(&pair->random);
    pair->config[i].subscribers = side->subscriber;
    pair->config[i].subscribers_count = getenv("PAIR_LOG") != NULL ? 2 : 1;
  }
}

static tern_tls *make_awslc(bool is_server)
{
  static const char *const alpn[] = {"tern-test"};
  tern_tls_config config;
  tern_tls *tls = NULL;
  char why[200];

  tern_tls_config_init(&config, sizeof config);
  config.is_server = is_server;
  config.alpn = alpn;
  config.alpn_count = 1;
  config.ca_pem = tern_slice_of(tern_test_ca_pem, strlen(tern_test_ca_pem));
  if (is_server) {
    config.cert_pem = tern_slice_of(tern_test_leaf_pem, strlen(tern_test_leaf_pem));
    config.key_pem = tern_slice_of(tern_test_leaf_key_pem, strlen(tern_test_leaf_key_pem));
  }
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_OK);
  return tls;
}

void pair_make_endpoint(struct pair *pair, int side)
{
  tern_config config = pair->config[side];
  char why[200] = "";

  if (pair->tls_object[side] == NULL && config.server_tls == NULL && config.client_tls == NULL)
    pair->tls_object[side] = pair->has_awslc ? make_awslc(side == PAIR_SERVER)
                                             : tern_tls_sim_new(&tern_alloc_system, &pair->tls);
  if (side == PAIR_SERVER)
    config.server_tls = pair->tls_object[side];
  else
    config.client_tls = pair->tls_object[side];
  tern_status status = tern_endpoint_new(&pair->endpoint[side], &config, &endpoint_ops,
                                         &pair->sides[side], why, sizeof why);
  if (status != TERN_OK)
    fail_msg("endpoint: %s", why);
}

void pair_free_endpoint(struct pair *pair, int side)
{
  tern_endpoint_free(pair->endpoint[side]);
  pair->endpoint[side] = NULL;
  pair->conn[side] = NULL;
}

void pair_open_conn(struct pair *pair)
{
  tern_connect_args args = {.remote = pair->addr[PAIR_SERVER],
                            .server_name = "localhost",
                            .ops = &conn_ops,
                            .app = &pair->sides[PAIR_CLIENT],
                            .token = pair->use_token};

  pair->is_connected[PAIR_CLIENT] = pair->is_connected[PAIR_SERVER] = false;
  assert_int_equal(tern_endpoint_connect(pair->endpoint[PAIR_CLIENT], &args, pair->now,
                                         &pair->conn[PAIR_CLIENT]),
                   TERN_OK);
}

void pair_start(struct pair *pair)
{
  pair_make_endpoint(pair, PAIR_CLIENT);
  pair_make_endpoint(pair, PAIR_SERVER);
  pair_open_conn(pair);
}

static bool is_up(struct pair *pair)
{
  return pair->is_connected[0] && pair->is_connected[1] && pair->conn[0] != NULL &&
         pair->conn[0]->is_confirmed;
}

void pair_connect(struct pair *pair)
{
  pair_start(pair);
  assert_true(pair_run_until(pair, is_up));
}

static void drop_queue(struct pair *pair)
{
  while (pair->queue != NULL) {
    struct pair_datagram *datagram = pair->queue;
    pair->queue = datagram->next;
    free(datagram);
  }
}

void pair_deinit(struct pair *pair)
{
  drop_queue(pair);
  for (int i = 0; i < 2; i++) {
    pair_free_endpoint(pair, i);
    tern_tls_unref(pair->tls_object[i]);
    pair->tls_object[i] = NULL;
  }
}

/* ---- the wire ----------------------------------------------------------------------------------- */

static void enqueue(struct pair *pair, struct pair_datagram *datagram)
{
  struct pair_datagram **link = &pair->queue;

  while (*link != NULL && (*link)->at <= datagram->at)
    link = &(*link)->next;
  datagram->next = *link;
  *link = datagram;
}

static struct pair_datagram *make_datagram(struct pair *pair, int to, tern_slice data,
                                           tern_time delay_ns)
{
  struct pair_datagram *datagram = calloc(1, sizeof *datagram);

  assert_non_null(datagram);
  assert_true(data.len <= sizeof datagram->data);
  datagram->at = pair->now + delay_ns;
  datagram->to = to;
  datagram->remote = pair->addr[!to];
  datagram->dest = pair->addr[to];
  datagram->len = data.len;
  memcpy(datagram->data, data.data, data.len);
  return datagram;
}

void pair_inject(struct pair *pair, int to, const tern_addr *remote, tern_slice data,
                 tern_time delay_ns)
{
  struct pair_datagram *datagram = make_datagram(pair, to, data, delay_ns);

  if (remote != NULL)
    datagram->remote = *remote;
  enqueue(pair, datagram);
}

static void send_one(struct pair *pair, int side, const tern_run *run, tern_slice data)
{
  struct pair_datagram *datagram = make_datagram(pair, !side, data, pair->delay_ns);

  datagram->ecn = run->ecn;
  datagram->dest = run->remote;
  datagram->number = pair->sent_count[side]++;
  pair->sent_bytes[side] += data.len;
  if (pair->filter != NULL && !pair->filter(pair, datagram))
    free(datagram);
  else
    enqueue(pair, datagram);
}

void pair_flush(struct pair *pair, int side)
{
  const tern_run *run;

  if (pair->endpoint[side] == NULL)
    return;
  while ((run = tern_endpoint_send(pair->endpoint[side], pair->now)) != NULL) {
    size_t count = 0;
    for (size_t at = 0; at < run->len; at += run->segment_bytes, count++) {
      size_t len = run->len - at < run->segment_bytes ? run->len - at : run->segment_bytes;
      send_one(pair, side, run, tern_slice_of(run->data + at, len));
    }
    tern_endpoint_sent(pair->endpoint[side], run, count, 0, pair->now);
    if (++pair->turns_at_now > TURNS_MAX)
      fail_msg("side %d sends without end at %llu ns", side, (unsigned long long)pair->now);
  }
}

static void deliver(struct pair *pair, int to)
{
  struct pair_datagram *taken[64];
  tern_datagram batch[64];
  size_t count = 0;

  for (struct pair_datagram **link = &pair->queue; *link != NULL && count < 64;) {
    struct pair_datagram *datagram = *link;
    if (datagram->at > pair->now)
      break;
    if (datagram->to != to) {
      link = &datagram->next;
      continue;
    }
    *link = datagram->next;
    batch[count] = (tern_datagram){.data = datagram->data,
                                   .len = datagram->len,
                                   .ecn = datagram->ecn,
                                   .local = pair->addr[to],
                                   .remote = datagram->remote};
    taken[count++] = datagram;
  }
  if (count != 0 && pair->endpoint[to] != NULL)
    assert_int_equal(tern_endpoint_receive(pair->endpoint[to], batch, count, pair->now), TERN_OK);
  for (size_t i = 0; i < count; i++)
    free(taken[i]);
}

static tern_time get_next(const struct pair *pair)
{
  tern_time next = pair->queue != NULL ? pair->queue->at : TERN_TIME_NEVER;

  for (int i = 0; i < 2; i++) {
    tern_time own =
        pair->endpoint[i] != NULL ? tern_endpoint_deadline(pair->endpoint[i]) : TERN_TIME_NEVER;
    if (own < next)
      next = own;
  }
  return next;
}

bool pair_step(struct pair *pair, tern_time until)
{
  pair_flush(pair, PAIR_CLIENT);
  pair_flush(pair, PAIR_SERVER);
  tern_time next = get_next(pair);
  if (next > until) {
    pair->now = until > pair->now && until != TERN_TIME_NEVER ? until : pair->now;
    return false;
  }
  if (next > pair->now) {
    pair->now = next;
    pair->turns_at_now = 0;
  } else if (++pair->turns_at_now > TURNS_MAX) {
    fail_msg("the pump turns without end at %llu ns", (unsigned long long)pair->now);
  }
  deliver(pair, PAIR_CLIENT);
  deliver(pair, PAIR_SERVER);
  for (int i = 0; i < 2; i++)
    if (pair->endpoint[i] != NULL && tern_endpoint_deadline(pair->endpoint[i]) <= pair->now)
      assert_int_equal(tern_endpoint_timeout(pair->endpoint[i], pair->now), TERN_OK);
  return true;
}

void pair_run_for(struct pair *pair, tern_time duration_ns)
{
  tern_time until = pair->now + duration_ns;

  while (pair_step(pair, until))
    ;
}

bool pair_run_until(struct pair *pair, bool (*is_done)(struct pair *pair))
{
  tern_time until = pair->now + PATIENCE_NS;

  while (!is_done(pair))
    if (!pair_step(pair, until))
      return is_done(pair);
  return true;
}

bool pair_are_closed(struct pair *pair)
{
  return pair->closed_count[0] != 0 && pair->closed_count[1] != 0;
}

bool pair_are_gone(struct pair *pair)
{
  for (int i = 0; i < 2; i++) {
    tern_endpoint_stats stats = {0};
    if (pair->endpoint[i] != NULL)
      tern_endpoint_get_stats(pair->endpoint[i], &stats);
    if (stats.conns_now != 0)
      return false;
  }
  return true;
}

bool pair_are_streams_closed(struct pair *pair)
{
  for (size_t i = 0; i < pair->streams_count; i++)
    if (pair->streams[i].closed_count == 0)
      return false;
  return true;
}

/* ---- packets that a connection never built -------------------------------------------------------- */

static size_t write_header(const tern_conn *conn, const struct tern_pn_space *space,
                           struct tern_writer *writer, size_t *length_at)
{
  tern_slice dcid = tern_cid_slice(tern_conn_peer_id(conn, conn->path.active));

  if (space->id == TERN_SPACE_APP) {
    struct tern_short_header_args args = {.dcid = dcid,
                                          .pn = space->sent.next,
                                          .pn_len = 4,
                                          .key_phase = tern_keys_phase(space->keys) != 0};
    tern_header_write_short(writer, &args);
  } else {
    struct tern_long_header_args args = {
        .type = space->id == TERN_SPACE_INITIAL ? TERN_PACKET_INITIAL : TERN_PACKET_HANDSHAKE,
        .version = conn->version,
        .dcid = dcid,
        .scid = tern_cid_slice(&conn->first_scid),
        .pn = space->sent.next,
        .pn_len = 4};
    tern_header_write_long(writer, &args, length_at);
  }
  return tern_writer_len(writer) - 4;
}

void pair_send_frames(struct pair *pair, int side, enum tern_space_id id, tern_slice frames)
{
  tern_conn *conn = pair->conn[side];
  struct tern_pn_space *space = tern_conn_space(conn, id);
  uint8_t packet[PAIR_DATAGRAM_MAX];
  struct tern_writer writer = tern_writer_of(packet, sizeof packet - TERN_AEAD_TAG_BYTES);
  size_t length_at = 0;

  assert_non_null(space);
  assert_true(space->sent.next != space->next_skip);
  size_t pn_at = write_header(conn, space, &writer, &length_at);
  tern_write_slice(&writer, frames);
  size_t least = id == TERN_SPACE_INITIAL ? TERN_INITIAL_DATAGRAM_MIN - TERN_AEAD_TAG_BYTES : 0;
  if (tern_writer_len(&writer) < least)
    tern_frame_write_padding(&writer, least - tern_writer_len(&writer));
  if (id != TERN_SPACE_APP)
    tern_header_patch_length(&writer, length_at, TERN_AEAD_TAG_BYTES);
  size_t len = tern_writer_len(&writer) + TERN_AEAD_TAG_BYTES;
  struct tern_seal_item item = {packet, (uint16_t)pn_at, 4, (uint16_t)len, space->sent.next};
  struct tern_sent_args args = {
      .now = pair->now, .bytes = (uint16_t)len, .route = conn->path.active};
  struct tern_sent_packet *sent = tern_sent_open(&space->sent);
  assert_non_null(sent);
  tern_sent_commit(&space->sent, sent, &args);
  assert_int_equal(tern_protect_seal_run(space->keys, conn->path.id, &item, 1), TERN_OK);
  pair_inject(pair, !side, NULL, tern_slice_of(packet, len), 0);
}

/* ---- streams ------------------------------------------------------------------------------------- */

struct pair_stream *pair_open(struct pair *pair, int side, bool is_bidi)
{
  tern_stream *handle = NULL;

  assert_int_equal(tern_conn_open_stream(pair->conn[side], is_bidi, &stream_ops, NULL, &handle),
                   TERN_OK);
  struct pair_stream *stream = add_stream(pair, side, handle);
  tern_stream_set_ops(handle, &stream_ops, stream);
  return stream;
}

uint64_t pair_write(struct pair_stream *stream, uint64_t offset, uint64_t len)
{
  uint64_t done = 0;

  while (done < len) {
    uint8_t data[4096];
    size_t taken = 0;
    size_t part = len - done < sizeof data ? (size_t)(len - done) : sizeof data;
    for (size_t i = 0; i < part; i++)
      data[i] = pair_byte(offset + done + i);
    tern_status status = tern_stream_write(stream->stream, tern_slice_of(data, part), &taken);
    done += taken;
    if (status != TERN_OK)
      break;
  }
  return done;
}

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg;
  for (size_t i = 0; i < count; i++) {
    uint8_t *out = iov[i].data;
    for (size_t k = 0; k < iov[i].len; k++)
      out[k] = pair_byte(offset++);
  }
  return true;
}

tern_source pair_source(void)
{
  return (tern_source){.fill = fill};
}

void pair_send_all(struct pair_stream *stream, uint64_t len)
{
  tern_source source = pair_source();

  if (len != 0)
    assert_int_equal(tern_stream_write_source(stream->stream, len, &source), TERN_OK);
  assert_int_equal(tern_stream_finish(stream->stream), TERN_OK);
}

struct pair_stream *pair_find(struct pair *pair, int side, uint64_t id)
{
  for (size_t i = 0; i < pair->streams_count; i++)
    if (pair->streams[i].side == side && pair->streams[i].id == id)
      return &pair->streams[i];
  return NULL;
}

struct pair_stream *pair_peer_of(struct pair *pair, const struct pair_stream *stream)
{
  return pair_find(pair, !stream->side, stream->id);
}
