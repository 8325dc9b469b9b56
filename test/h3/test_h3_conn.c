/* SPDX-License-Identifier: MIT */
/* Two HTTP/3 endpoints back to back on byte pipes, with every chunking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tern/h3.h>

#include "support/fake_transport.c"

#define BODY_BYTES 50000

/* ---- an application on each side ------------------------------------------------------------ */

struct side {
  char log[4096]; /* what was called, in order */
  uint8_t body[BODY_BYTES * 2];
  size_t body_len;
  size_t body_to_send;
  size_t body_sent;
  int releases;
  tern_h3 *h3;
  tern_request *request;
};

static void note(struct side *side, const char *text)
{
  size_t len = strlen(side->log);
  (void)snprintf(side->log + len, sizeof(side->log) - len, "%s ", text);
}

static void note_number(struct side *side, const char *text, uint64_t number)
{
  char line[64];
  (void)snprintf(line, sizeof(line), "%s:%llu", text, (unsigned long long)number);
  note(side, line);
}

static uint8_t pattern(size_t at)
{
  return (uint8_t)(at * 7 + at / 251);
}

static void send_body(struct side *side, tern_request *request)
{
  while (side->body_sent < side->body_to_send) {
    uint8_t piece[3000];
    size_t len = side->body_to_send - side->body_sent;
    if (len > sizeof(piece))
      len = sizeof(piece);
    for (size_t i = 0; i < len; i++)
      piece[i] = pattern(side->body_sent + i);
    size_t taken;
    tern_status status = tern_request_write(request, tern_slice_of(piece, len), &taken);
    side->body_sent += taken;
    if (status == TERN_BLOCKED)
      return;
    assert_int_equal(status, TERN_OK);
  }
  assert_int_equal(tern_request_finish(request), TERN_OK);
}

static void read_body(struct side *side, tern_request *request)
{
  size_t got;
  while (tern_request_read(request, side->body + side->body_len, 1000, &got) == TERN_OK)
    side->body_len += got;
}

static void check_body(const struct side *side, size_t len)
{
  assert_int_equal(side->body_len, len);
  for (size_t i = 0; i < len; i++)
    assert_int_equal(side->body[i], pattern(i));
}

static void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                        size_t count, void *app)
{
  (void)request;
  note_number(app, "response", status);
  assert_int_equal(tern_field_value(fields, count, ":status").len, 3);
}

static void on_body(tern_request *request, void *app)
{
  read_body(app, request);
}

static void on_trailers(tern_request *request, const tern_field *fields, size_t count, void *app)
{
  (void)request;
  (void)fields;
  note_number(app, "trailers", count);
}

static void on_end(tern_request *request, void *app)
{
  note(app, "end");
  assert_true(tern_request_is_ended(request));
}

static void on_writable(tern_request *request, void *app)
{
  struct side *side = app;
  if (side->body_sent < side->body_to_send)
    send_body(side, request);
}

static void on_reset(tern_request *request, uint64_t code, void *app)
{
  (void)request;
  note_number(app, "reset", code);
}

static void on_stopped(tern_request *request, uint64_t code, void *app)
{
  (void)request;
  note_number(app, "stopped", code);
}

static void on_closed(tern_request *request, void *app)
{
  (void)request;
  note(app, "closed");
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

/* The server answers by path. */
static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  struct side *side = app;
  (void)h3;
  tern_slice path = tern_field_value(fields, count, ":path");
  char line[64];
  (void)snprintf(line, sizeof(line), "request:%.*s", (int)path.len, (const char *)path.data);
  note(side, line);
  side->request = request;
  tern_request_set_ops(request, &request_ops, side);
  if (path.len >= 5 && memcmp(path.data, "/body", 5) == 0) {
    tern_field length = tern_field_of("content-length", "50000");
    side->body_to_send = BODY_BYTES;
    assert_int_equal(tern_request_respond(request, 200, &length, 1, true), TERN_OK);
    send_body(side, request);
  } else if (path.len >= 6 && memcmp(path.data, "/hints", 6) == 0) {
    tern_field trailer = tern_field_of("x-sum", "1");
    assert_int_equal(tern_request_respond(request, 103, NULL, 0, true), TERN_OK);
    assert_int_equal(tern_request_respond(request, 100, NULL, 0, true), TERN_OK);
    assert_int_equal(tern_request_respond(request, 200, NULL, 0, true), TERN_OK);
    assert_int_equal(tern_request_respond(request, 200, NULL, 0, true), TERN_STATE);
    assert_int_equal(tern_request_trailers(request, &trailer, 1), TERN_OK);
  } else if (path.len >= 5 && memcmp(path.data, "/wait", 5) == 0) {
    note(side, "waiting");
  } else {
    tern_request_reply(request, 200, "text/plain", tern_slice_of("hello", 5));
  }
}

static void on_goaway(tern_h3 *h3, uint64_t id, void *app)
{
  (void)h3;
  note_number(app, "goaway", id);
}

static void on_conn_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  (void)h3;
  note_number(app, "conn", error->code);
}

static const tern_h3_ops h3_ops = {
    .size = sizeof(tern_h3_ops),
    .on_request = on_request,
    .on_goaway = on_goaway,
    .on_closed = on_conn_closed,
};

struct pair {
  struct side client;
  struct side server;
  tern_conn *client_conn;
  tern_conn *server_conn;
};

static struct pair *pair_new(const tern_h3_config *config)
{
  struct pair *pair = calloc(1, sizeof(*pair));
  pair->client_conn = fake_conn_new(false);
  pair->server_conn = fake_conn_new(true);
  pair->client_conn->peer = pair->server_conn;
  pair->server_conn->peer = pair->client_conn;
  assert_int_equal(
      tern_h3_new_client(&pair->client.h3, pair->client_conn, config, &h3_ops, &pair->client),
      TERN_OK);
  assert_int_equal(
      tern_h3_new_server(&pair->server.h3, pair->server_conn, config, &h3_ops, &pair->server),
      TERN_OK);
  return pair;
}

static void pair_pump(struct pair *pair, size_t chunk, uint64_t *seed)
{
  fake_pump(pair->client_conn, pair->server_conn, chunk, seed);
}

static void pair_free(struct pair *pair)
{
  fake_conn_free(pair->client_conn);
  fake_conn_free(pair->server_conn);
  free(pair);
}

static tern_request *submit(struct side *side, const char *method, const char *path, bool has_body)
{
  tern_field fields[] = {
      tern_field_of(":method", method),         tern_field_of(":scheme", "https"),
      tern_field_of(":authority", "example"),   tern_field_of(":path", path),
      tern_field_of("user-agent", "tern test"),
  };
  tern_submit_args args = {fields, 5, has_body, &request_ops, side, TERN_H3_EARLY_SAFE};
  tern_request *request = NULL;
  assert_int_equal(tern_h3_submit(side->h3, &args, &request), TERN_OK);
  return request;
}

/* ---- exchanges ------------------------------------------------------------------------------ */

static void test_get(void **state)
{
  (void)state;
  static const size_t chunks[] = {1, 2, 7, 100, 100000};
  for (size_t i = 0; i < 5; i++) {
    struct pair *pair = pair_new(NULL);
    (void)submit(&pair->client, "GET", "/", false);
    pair_pump(pair, chunks[i], NULL);
    assert_string_equal(pair->client.log, "response:200 end closed ");
    assert_string_equal(pair->server.log, "request:/ end closed ");
    assert_memory_equal(pair->client.body, "hello", 5);
    assert_int_equal(pair->client.body_len, 5);
    assert_true(tern_h3_has_settings(pair->client.h3));
    assert_int_equal(tern_h3_get_request_count(pair->client.h3), 0);
    pair_free(pair);
  }
}

static void test_bodies_both_ways(void **state)
{
  (void)state;
  for (uint64_t round = 1; round <= 60; round++) {
    struct pair *pair = pair_new(NULL);
    uint64_t seed = round;
    pair->client_conn->room_max = 40 + round * 100;
    pair->server_conn->room_max = 5000 - round * 80;
    pair->client_conn->slice_bytes = round % 3 == 0 ? 5 : 1000;
    pair->server_conn->slice_bytes = round % 5 == 0 ? 1 : 700;
    tern_request *request = submit(&pair->client, "POST", "/body", true);
    pair->client.body_to_send = BODY_BYTES;
    send_body(&pair->client, request);
    pair_pump(pair, 1 + round * 50, &seed);
    check_body(&pair->client, BODY_BYTES);
    check_body(&pair->server, BODY_BYTES);
    assert_string_equal(pair->client.log, "response:200 end closed ");
    assert_string_equal(pair->server.log, "request:/body end closed ");
    pair_free(pair);
  }
}

static void test_interim_and_trailers(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  (void)submit(&pair->client, "GET", "/hints", false);
  pair_pump(pair, 3, NULL);
  assert_string_equal(pair->client.log,
                      "response:103 response:100 response:200 trailers:1 end closed ");
  pair_free(pair);
}

/* Many requests: the dynamic tables are in use, and streams block when the encoder stream is late. */
static void test_many_requests(void **state)
{
  (void)state;
  for (uint64_t round = 1; round <= 30; round++) {
    struct pair *pair = pair_new(NULL);
    uint64_t seed = round * 77;
    for (int i = 0; i < 60; i++) {
      char path[32];
      (void)snprintf(path, sizeof(path), "/%d", i);
      (void)submit(&pair->client, "GET", path, false);
      if (i % 3 == 0)
        (void)fake_pump_once(pair->client_conn, 40, &seed);
      if (i % 5 == 0)
        (void)fake_pump_once(pair->server_conn, 40, &seed);
    }
    pair_pump(pair, 60, &seed);
    tern_h3_stats stats;
    tern_h3_get_stats(pair->client.h3, &stats);
    assert_int_equal(stats.requests_total, 60);
    assert_int_equal(stats.requests_failed, 0);
    assert_int_equal(pair->client.body_len, 300);
    assert_int_equal(tern_h3_get_request_count(pair->client.h3), 0);
    assert_int_equal(tern_h3_get_request_count(pair->server.h3), 0);
    assert_true(stats.fields_wire_sent < stats.fields_bytes_sent / 2);
    pair_free(pair);
  }
}

static void count_release(void *arg)
{
  (*(int *)arg)++;
}

static bool fill(void *arg, uint64_t offset, const tern_iov *iov, size_t count)
{
  (void)arg;
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < iov[i].len; k++)
      ((uint8_t *)iov[i].data)[k] = pattern((size_t)offset++);
  }
  return true;
}

static void test_references_and_sources(void **state)
{
  (void)state;
  static uint8_t bytes[BODY_BYTES];
  for (size_t i = 0; i < BODY_BYTES; i++)
    bytes[i] = pattern(i);
  struct pair *pair = pair_new(NULL);
  pair->client_conn->room_max = 10;
  int releases = 0;
  tern_request *request = submit(&pair->client, "POST", "/", true);
  assert_int_equal(
      tern_request_write_ref(request, tern_slice_of(bytes, BODY_BYTES), count_release, &releases),
      TERN_BLOCKED); /* the header section fills the buffer */
  pair_pump(pair, 50, NULL);
  assert_int_equal(
      tern_request_write_ref(request, tern_slice_of(bytes, BODY_BYTES), count_release, &releases),
      TERN_OK);
  pair_pump(pair, 1000, NULL);
  assert_int_equal(releases, 1);
  check_body(&pair->server, BODY_BYTES);
  pair->server.body_len = 0;
  tern_source source = {fill, count_release, &releases, TERN_H3_INTERNAL_ERROR};
  assert_int_equal(tern_request_write_source(request, BODY_BYTES, &source), TERN_OK);
  assert_int_equal(tern_request_finish(request), TERN_OK);
  pair_pump(pair, 1000, NULL);
  assert_int_equal(releases, 2);
  check_body(&pair->server, BODY_BYTES);
  assert_string_equal(pair->server.log, "request:/ end closed ");
  pair_free(pair);
}

/* A reference that the transport never took is released all the same. */
static void test_release_on_cancel(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  int releases = 0;
  tern_request *request = submit(&pair->client, "POST", "/wait", true);
  pair_pump(pair, 50, NULL);
  pair->client_conn->room_max = 1;
  assert_int_equal(
      tern_request_write_ref(request, tern_slice_of("abc", 3), count_release, &releases), TERN_OK);
  tern_request_cancel(request, TERN_H3_REQUEST_CANCELLED);
  assert_int_equal(releases, 1);
  pair_pump(pair, 50, NULL);
  assert_string_equal(pair->client.log, "closed ");
  assert_string_equal(pair->server.log, "request:/wait waiting stopped:268 reset:268 closed ");
  pair_free(pair);
}

static void test_head(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  (void)submit(&pair->client, "HEAD", "/", false);
  pair_pump(pair, 50, NULL);
  assert_string_equal(pair->client.log, "response:200 end closed ");
  assert_int_equal(pair->client.body_len, 0);
  pair_free(pair);
}

/* [rfc9114-4.1.2] our own messages keep their content-length */
static void test_content_length_of_ours(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  (void)submit(&pair->client, "GET", "/wait", false);
  pair_pump(pair, 500, NULL);
  tern_field length = tern_field_of("content-length", "3");
  tern_request *request = pair->server.request;
  size_t taken;
  assert_int_equal(tern_request_respond(request, 200, &length, 1, false), TERN_INVALID);
  assert_int_equal(tern_request_respond(request, 200, &length, 1, true), TERN_OK);
  assert_int_equal(tern_request_write(request, tern_slice_of("abcd", 4), &taken), TERN_LIMIT);
  assert_int_equal(tern_request_write(request, tern_slice_of("ab", 2), &taken), TERN_OK);
  assert_int_equal(tern_request_finish(request), TERN_STATE);
  assert_int_equal(tern_request_write(request, tern_slice_of("c", 1), &taken), TERN_OK);
  assert_int_equal(tern_request_finish(request), TERN_OK);
  pair_pump(pair, 500, NULL);
  assert_string_equal(pair->client.log, "response:200 end closed ");
  pair_free(pair);
}

static void test_fields_of_ours(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  tern_field fields[] = {
      tern_field_of(":method", "GET"),  tern_field_of(":scheme", "https"),
      tern_field_of(":authority", "a"), tern_field_of(":path", "/"),
      tern_field_of("Upper", "case"),
  };
  tern_submit_args args = {fields, 5, false, &request_ops, &pair->client, TERN_H3_EARLY_SAFE};
  assert_int_equal(tern_h3_submit(pair->client.h3, &args, NULL), TERN_INVALID);
  fields[4] = tern_field_of("connection", "close");
  assert_int_equal(tern_h3_submit(pair->client.h3, &args, NULL), TERN_INVALID);
  args.count = 3;
  assert_int_equal(tern_h3_submit(pair->client.h3, &args, NULL), TERN_INVALID);
  assert_int_equal(tern_h3_get_request_count(pair->client.h3), 0);
  pair_free(pair);
}

/* ---- endings -------------------------------------------------------------------------------- */

static void test_client_cancels(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  tern_request *request = submit(&pair->client, "GET", "/wait", false);
  pair_pump(pair, 500, NULL);
  tern_request_cancel(request, TERN_H3_REQUEST_CANCELLED);
  pair_pump(pair, 500, NULL);
  assert_string_equal(pair->client.log, "closed ");
  assert_string_equal(pair->server.log, "request:/wait waiting end stopped:268 closed ");
  pair_free(pair);
}

/* [rfc9114-4.1] the response is good although the server reads no further */
static void test_server_stops_reading(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  (void)submit(&pair->client, "POST", "/wait", true);
  pair_pump(pair, 500, NULL);
  tern_request_stop(pair->server.request, TERN_H3_NO_ERROR);
  tern_request_reply(pair->server.request, 413, "text/plain", tern_slice_of("too much", 8));
  pair_pump(pair, 500, NULL);
  assert_string_equal(pair->client.log, "stopped:256 response:413 end closed ");
  assert_string_equal(pair->server.log, "request:/wait waiting closed ");
  pair_free(pair);
}

static void test_goaway_by_server(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  (void)submit(&pair->client, "GET", "/wait", false);
  pair_pump(pair, 500, NULL);
  tern_h3_goaway(pair->server.h3);
  /* Crosses the GOAWAY on its way. */
  struct side late = {.h3 = pair->client.h3};
  (void)submit(&late, "GET", "/late", false);
  pair_pump(pair, 500, NULL);
  assert_string_equal(late.log,
                      "reset:267 closed "); /* H3_REQUEST_REJECTED [rfc9114-5.2] [rfc9114-4.1.1] */
  tern_submit_args args = {NULL, 0, false, NULL, NULL, TERN_H3_EARLY_SAFE};
  assert_int_equal(tern_h3_submit(pair->client.h3, &args, NULL), TERN_CLOSED);
  tern_request_reply(pair->server.request, 200, NULL, tern_slice_of(NULL, 0));
  pair_pump(pair, 500, NULL);
  assert_string_equal(pair->client.log, "goaway:4 response:200 end closed conn:256 ");
  assert_string_equal(pair->server.log, "request:/wait waiting end closed conn:256 ");
  pair_free(pair);
}

static void test_goaway_by_client(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  (void)submit(&pair->client, "GET", "/", false);
  tern_h3_goaway(pair->client.h3);
  pair_pump(pair, 500, NULL);
  assert_string_equal(pair->client.log, "response:200 end closed conn:256 ");
  assert_string_equal(pair->server.log, "goaway:0 request:/ end closed conn:256 ");
  pair_free(pair);
}

static void test_close_with_requests(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  (void)submit(&pair->client, "GET", "/wait", false);
  pair_pump(pair, 500, NULL);
  tern_h3_close(pair->server.h3, TERN_H3_INTERNAL_ERROR, "bye");
  pair_pump(pair, 500, NULL);
  assert_string_equal(pair->client.log, "reset:268 closed conn:258 ");
  pair_free(pair);
}

/* Freed without a word: nothing leaks, nothing is called. */
static void test_free_in_the_middle(void **state)
{
  (void)state;
  for (size_t steps = 0; steps < 40; steps++) {
    struct pair *pair = pair_new(NULL);
    uint64_t seed = steps;
    (void)submit(&pair->client, "POST", "/body", true);
    for (size_t i = 0; i < steps; i++) {
      (void)fake_pump_once(pair->client_conn, 30, &seed);
      (void)fake_pump_once(pair->server_conn, 30, &seed);
    }
    pair_free(pair);
  }
}

/* ---- time ----------------------------------------------------------------------------------- */

/* HOSTILE H13: a body that stalls, or drips, ends at the deadline; one that moves does not. */
static void test_body_deadline(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  tern_request *request = submit(&pair->client, "POST", "/wait", true);
  pair_pump(pair, 500, NULL);
  tern_time now = pair->server_conn->now;
  for (int i = 0; i < 10; i++) {
    uint8_t piece[300] = {0};
    size_t taken;
    assert_int_equal(tern_request_write(request, tern_slice_of(piece, 300), &taken), TERN_OK);
    pair_pump(pair, 500, NULL);
    now += 50 * TERN_SECOND;
    fake_advance(pair->server_conn, now);
  }
  assert_string_equal(pair->server.log, "request:/wait waiting ");
  for (int i = 0; i < 4 && tern_h3_get_request_count(pair->client.h3) > 0; i++) {
    size_t taken;
    assert_int_equal(tern_request_write(request, tern_slice_of("x", 1), &taken), TERN_OK);
    pair_pump(pair, 500, NULL);
    now += 40 * TERN_SECOND;
    fake_advance(pair->server_conn, now);
    pair_pump(pair, 500, NULL);
  }
  assert_string_equal(pair->server.log, "request:/wait waiting reset:268 closed ");
  assert_string_equal(pair->client.log, "stopped:268 reset:268 closed ");
  pair_free(pair);
}

/* ---- allocations ---------------------------------------------------------------------------- */

/* Bodies cost no heap per DATA frame. */
static void test_no_allocation_per_chunk(void **state)
{
  (void)state;
  struct pair *pair = pair_new(NULL);
  pair->client_conn->room_max = 2000;
  tern_request *request = submit(&pair->client, "POST", "/wait", true);
  pair_pump(pair, 700, NULL);
  uint64_t takes[2] = {0, 0};
  uint8_t piece[1000] = {0};
  for (int i = 0; i < 1000; i++) {
    size_t taken;
    tern_status status = tern_request_write(request, tern_slice_of(piece, 1000), &taken);
    assert_true(status == TERN_OK || status == TERN_BLOCKED);
    while (fake_move(tern_request_get_stream(request), 700))
      fake_settle(pair->server_conn);
    pair->server.body_len = 0;
    if (i == 10) {
      takes[0] = pair->client_conn->alloc.takes;
      takes[1] = pair->server_conn->alloc.takes;
    }
  }
  assert_int_equal(pair->client_conn->alloc.takes, takes[0]);
  assert_int_equal(pair->server_conn->alloc.takes, takes[1]);
  pair_free(pair);
}

static void test_config(void **state)
{
  (void)state;
  tern_conn *conn = fake_conn_new(true);
  tern_h3 *h3;
  tern_h3_config config;
  tern_h3_config_init(&config, sizeof(config));
  config.field_section_max_bytes = 1;
  assert_int_equal(tern_h3_new_server(&h3, conn, &config, &h3_ops, NULL), TERN_INVALID);
  tern_h3_config_init(&config, sizeof(config));
  config.qpack_table_bytes = 65537;
  assert_int_equal(tern_h3_new_server(&h3, conn, &config, &h3_ops, NULL), TERN_INVALID);
  assert_int_equal(tern_h3_new_client(&h3, conn, NULL, &h3_ops, NULL), TERN_STATE);
  fake_conn_free(conn);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_get),
      cmocka_unit_test(test_bodies_both_ways),
      cmocka_unit_test(test_interim_and_trailers),
      cmocka_unit_test(test_many_requests),
      cmocka_unit_test(test_references_and_sources),
      cmocka_unit_test(test_release_on_cancel),
      cmocka_unit_test(test_head),
      cmocka_unit_test(test_content_length_of_ours),
      cmocka_unit_test(test_fields_of_ours),
      cmocka_unit_test(test_client_cancels),
      cmocka_unit_test(test_server_stops_reading),
      cmocka_unit_test(test_goaway_by_server),
      cmocka_unit_test(test_goaway_by_client),
      cmocka_unit_test(test_close_with_requests),
      cmocka_unit_test(test_free_in_the_middle),
      cmocka_unit_test(test_body_deadline),
      cmocka_unit_test(test_no_allocation_per_chunk),
      cmocka_unit_test(test_config),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
