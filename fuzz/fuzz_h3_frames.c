/* SPDX-License-Identifier: MIT */
/* An HTTP/3 endpoint against a peer that does anything: opens, writes, ends, resets and stops streams
 * in any order, while the application answers, reads, cancels and closes inside its callbacks.
 *
 * Input: one byte of setup, then steps | what and which stream | length | bytes |. Oracles: no crash or
 * leak, bounded memory, a request ends once, nothing after its end, errors only from the RFCs' list. */
#include "support/fake_transport.c"

#include <tern/h3.h>

#define REQUESTS_MAX 128

/* A request as the application saw it. */
struct seen {
  tern_request *request;
  bool ended, was_reset, is_closed;
};

struct app {
  tern_h3 *h3;
  struct seen seen[REQUESTS_MAX];
  size_t seen_count;
  const uint8_t *moods; /* what the application does, in turn */
  size_t moods_len, moods_at;
  bool is_closed;
};

static uint8_t next_mood(struct app *app)
{
  return app->moods_len == 0 ? 0 : app->moods[app->moods_at++ % app->moods_len];
}

static struct seen *find(struct app *app, const tern_request *request)
{
  for (size_t i = app->seen_count; i-- > 0;) {
    if (app->seen[i].request == request && !app->seen[i].is_closed)
      return &app->seen[i];
  }
  return NULL;
}

static tern_request *any_request(struct app *app, uint8_t which)
{
  for (size_t i = 0; i < app->seen_count; i++) {
    struct seen *seen = &app->seen[(i + which) % app->seen_count];
    if (!seen->is_closed)
      return seen->request;
  }
  return NULL;
}

/* HOSTILE H12: in any callback the application may do anything to any object. */
static void act(struct app *app)
{
  uint8_t mood = next_mood(app);
  tern_request *request = any_request(app, next_mood(app));
  uint8_t bytes[200] = {0};
  size_t got;
  tern_status status = TERN_OK;
  if (mood == 255)
    tern_h3_close(app->h3, TERN_H3_NO_ERROR, "mood");
  else if (mood == 254)
    tern_h3_goaway(app->h3);
  if (request == NULL)
    return;
  switch (mood % 16) {
  case 1:
    tern_request_cancel(request, TERN_H3_REQUEST_CANCELLED);
    break;
  case 2:
    tern_request_stop(request, TERN_H3_NO_ERROR);
    break;
  case 3:
    status = tern_request_respond(request, 103, NULL, 0, false);
    break;
  case 4:
    status = tern_request_respond(request, 200, NULL, 0, true);
    break;
  case 5:
    status = tern_request_write(request, tern_slice_of(bytes, sizeof(bytes)), &got);
    break;
  case 6:
    status = tern_request_finish(request);
    break;
  case 7:
    status = tern_request_trailers(request, NULL, 0);
    break;
  case 8:
    status = tern_request_read(request, bytes, mood, &got);
    break;
  case 9:
    find(app, request)->is_closed = true; /* its end is not told any more */
    tern_request_set_ops(request, NULL, NULL);
    break;
  case 10:
  case 11:
    tern_request_reply(request, 200, "text/plain", tern_slice_of(bytes, sizeof(bytes)));
    break;
  default:
    break;
  }
  (void)status;
}

static void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                        size_t count, void *app)
{
  FAKE_CHECK(find(app, request) != NULL && status >= 100 && status != 101);
  FAKE_CHECK(tern_field_find(fields, count, ":status") != NULL);
  act(app);
}

static void on_body(tern_request *request, void *app)
{
  FAKE_CHECK(find(app, request) != NULL);
  act(app);
}

static void on_trailers(tern_request *request, const tern_field *fields, size_t count, void *app)
{
  (void)fields;
  (void)count;
  FAKE_CHECK(find(app, request) != NULL);
  act(app);
}

static void on_end(tern_request *request, void *app)
{
  struct seen *seen = find(app, request);
  FAKE_CHECK(seen != NULL && !seen->ended && !seen->was_reset);
  seen->ended = true;
  uint64_t length = tern_request_get_content_length(request);
  FAKE_CHECK(length == UINT64_MAX || tern_conn_is_server(tern_request_get_conn(request)) == false ||
             tern_request_get_body_bytes(request) == length);
  act(app);
}

static void on_writable(tern_request *request, void *app)
{
  FAKE_CHECK(find(app, request) != NULL);
  act(app);
}

static void on_reset(tern_request *request, uint64_t code, void *app)
{
  struct seen *seen = find(app, request);
  (void)code;
  FAKE_CHECK(seen != NULL && !seen->ended && !seen->was_reset);
  seen->was_reset = true;
  act(app);
}

static void on_stopped(tern_request *request, uint64_t code, void *app)
{
  (void)code;
  FAKE_CHECK(find(app, request) != NULL);
  act(app);
}

static void on_closed(tern_request *request, void *app)
{
  struct seen *seen = find(app, request);
  FAKE_CHECK(seen != NULL);
  act(app);
  seen->is_closed = true;
}

static const tern_request_ops request_ops = {
    .size = sizeof(tern_request_ops),
    .on_response = on_response,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_reset = on_reset,
    .on_stopped = on_stopped,
    .on_closed = on_closed,
};

static void remember(struct app *app, tern_request *request)
{
  if (app->seen_count == REQUESTS_MAX) {
    tern_request_cancel(request, TERN_H3_REQUEST_REJECTED);
    return;
  }
  tern_request_set_ops(request, &request_ops, app);
  app->seen[app->seen_count++] = (struct seen){.request = request};
}

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *arg)
{
  struct app *app = arg;
  FAKE_CHECK(h3 == app->h3 && !app->is_closed);
  FAKE_CHECK(tern_field_find(fields, count, ":method") != NULL);
  remember(app, request);
  act(app);
}

static void on_goaway(tern_h3 *h3, uint64_t id, void *app)
{
  (void)h3;
  (void)id;
  act(app);
}

static void on_conn_closed(tern_h3 *h3, const tern_error *error, void *arg)
{
  struct app *app = arg;
  (void)h3;
  (void)error;
  for (size_t i = 0; i < app->seen_count; i++)
    app->seen[i].is_closed = true;
  app->is_closed = true;
}

static const tern_h3_ops h3_ops = {
    .size = sizeof(tern_h3_ops),
    .on_request = on_request,
    .on_goaway = on_goaway,
    .on_closed = on_conn_closed,
};

static void submit(struct app *app, bool has_body)
{
  tern_field fields[] = {tern_field_of(":method", "POST"), tern_field_of(":scheme", "https"),
                         tern_field_of(":authority", "a"), tern_field_of(":path", "/")};
  tern_submit_args args = {fields, 4, has_body, NULL, NULL, TERN_H3_EARLY_SAFE};
  tern_request *request;
  if (tern_h3_submit(app->h3, &args, &request) == TERN_OK)
    remember(app, request);
}

/* Low six bits: the stream; high two: what happens to it. */
static void step(tern_conn *conn, uint8_t head, tern_slice bytes)
{
  uint64_t n = head & 0x0f;
  bool is_uni = (head & 0x10) != 0;
  uint64_t mine = conn->is_server ? 1 : 0; /* the endpoint's own kind */
  uint64_t id = is_uni ? n % 8 * 4 + 2 + (1 - mine) : n * 4;
  if ((head & 0x30) == 0x30) /* now and then a stream of the wrong kind, or one of the endpoint's */
    id = n * 4 + 2 + (n % 2 == 0 ? mine : 1 - mine);
  switch (head >> 6) {
  case 0:
  case 1:
    fake_send(conn, id, bytes.data, bytes.len, (head & 0x40) != 0);
    break;
  case 2:
    fake_reset(conn, id, TERN_H3_REQUEST_CANCELLED);
    break;
  default:
    fake_stop(conn, id, TERN_H3_NO_ERROR);
    break;
  }
}

static bool is_known_code(uint64_t code)
{
  return tern_h3_error_name(code) != NULL && code != TERN_H3_INTERNAL_ERROR;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 10)
    return 0;
  uint8_t setup = data[0];
  bool is_server = (setup & 1) != 0;
  struct app app = {.moods = data + 1, .moods_len = (setup & 2) != 0 ? 8 : 0};
  tern_conn *conn = fake_conn_new(is_server);
  conn->room_max = (setup & 4) != 0 ? 50 : 100000;
  conn->slice_bytes = (setup & 8) != 0 ? 3 : SIZE_MAX;
  tern_status status = is_server ? tern_h3_new_server(&app.h3, conn, NULL, &h3_ops, &app)
                                 : tern_h3_new_client(&app.h3, conn, NULL, &h3_ops, &app);
  FAKE_CHECK(status == TERN_OK);
  for (int i = 0; i < 5 && !is_server; i++)
    submit(&app, i % 2 == 0);
  uint64_t given = 0;
  for (size_t at = 9; at + 2 <= size && !app.is_closed && conn->streams_count < 200;) {
    uint8_t head = data[at];
    size_t len = data[at + 1];
    at += 2;
    len = len < size - at ? len : size - at;
    step(conn, head, tern_slice_of(data + at, len));
    at += len;
    given += len;
    fake_settle(conn);
    if ((head & 0x05) == 0x05)
      fake_drain(conn);
    if (len == 0)
      fake_advance(conn, conn->now + TERN_SECOND);
    FAKE_CHECK(conn->alloc.used_bytes <= 262144 + 8 * given);
  }
  if (conn->is_closed && !conn->by_peer)
    FAKE_CHECK(is_known_code(conn->close_code));
  fake_close(conn, TERN_H3_NO_ERROR);
  fake_settle(conn);
  FAKE_CHECK(app.is_closed);
  fake_conn_free(conn);
  return 0;
}
