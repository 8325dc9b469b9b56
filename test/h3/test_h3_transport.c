/* SPDX-License-Identifier: MIT */
/* HTTP/3 on the real transport, in virtual time: with loss, reordering, small buffers, GOAWAY, deadlines
 * and endpoints that are freed in the middle. */
#include "support/pair.h"

#include <tern/h3.h>

#define REQUESTS 40
#define BODY_BYTES 20000

struct client {
  tern_h3 *h3;
  unsigned responses, ended, resets, closed, conn_closed;
  uint64_t close_code;
  size_t sent[REQUESTS];
  size_t got[REQUESTS];
};

struct server {
  tern_h3 *h3;
  unsigned requests, ended, resets, closed;
  bool is_silent; /* answers nothing */
  tern_request *last;
};

struct world {
  struct pair pair;
  struct client client;
  struct server server;
  uint64_t loss_seed; /* 0: none */
  tern_h3_config config;
};

static uint8_t pattern(size_t at)
{
  return (uint8_t)(at * 13 + at / 256);
}

/* ---- server: an echo ------------------------------------------------------------------------ */

/* As much as is taken is read: what stays waits for on_writable. */
static void echo(tern_request *request)
{
  tern_slice slice;
  while (tern_request_peek(request, &slice, 1) == 1) {
    size_t taken;
    tern_status status = tern_request_write(request, slice, &taken);
    tern_request_consume(request, taken);
    if (status == TERN_BLOCKED)
      return;
    assert_int_equal(status, TERN_OK);
  }
}

static void on_server_body(tern_request *request, void *app)
{
  (void)app;
  echo(request);
}

static void on_server_end(tern_request *request, void *app)
{
  struct world *world = app;
  world->server.ended++;
  if (!world->server.is_silent)
    assert_int_equal(tern_request_finish(request), TERN_OK);
}

static void on_server_reset(tern_request *request, uint64_t code, void *app)
{
  struct world *world = app;
  (void)code;
  world->server.resets++;
  tern_request_cancel(request, TERN_H3_REQUEST_CANCELLED);
}

static void on_server_closed(tern_request *request, void *app)
{
  struct world *world = app;
  world->server.closed++;
  if (world->server.last == request)
    world->server.last = NULL;
}

static const tern_request_ops server_request_ops = {
    .size = sizeof(tern_request_ops),
    .on_body = on_server_body,
    .on_end = on_server_end,
    .on_writable = on_server_body,
    .on_reset = on_server_reset,
    .on_closed = on_server_closed,
};

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  struct world *world = app;
  (void)h3;
  world->server.requests++;
  world->server.last = request;
  tern_request_set_ops(request, &server_request_ops, world);
  assert_int_equal(tern_field_value(fields, count, ":path").len, 1);
  if (!world->server.is_silent)
    assert_int_equal(tern_request_respond(request, 200, NULL, 0, true), TERN_OK);
}

static const tern_h3_ops server_ops = {.size = sizeof(tern_h3_ops), .on_request = on_request};

static void on_server_conn(struct pair *pair, int side)
{
  struct world *world = pair->test;
  if (side == PAIR_SERVER)
    assert_int_equal(tern_h3_new_server(&world->server.h3, pair->conn[PAIR_SERVER], &world->config,
                                        &server_ops, world),
                     TERN_OK);
}

/* ---- client ---------------------------------------------------------------------------------- */

static void send_more(struct client *client, tern_request *request)
{
  size_t n = (size_t)tern_request_get_stream_id(request) / 4;
  while (client->sent[n] < BODY_BYTES) {
    uint8_t bytes[3000];
    size_t len = BODY_BYTES - client->sent[n];
    if (len > sizeof(bytes))
      len = sizeof(bytes);
    for (size_t i = 0; i < len; i++)
      bytes[i] = pattern(client->sent[n] + i);
    size_t taken;
    tern_status status = tern_request_write(request, tern_slice_of(bytes, len), &taken);
    client->sent[n] += taken;
    if (status == TERN_BLOCKED)
      return;
    assert_int_equal(status, TERN_OK);
  }
  if (client->sent[n] == BODY_BYTES) {
    client->sent[n]++;
    assert_int_equal(tern_request_finish(request), TERN_OK);
  }
}

static void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                        size_t count, void *app)
{
  struct world *world = app;
  (void)request;
  (void)fields;
  (void)count;
  assert_int_equal(status, 200);
  world->client.responses++;
}

static void on_body(tern_request *request, void *app)
{
  struct world *world = app;
  size_t *got = &world->client.got[tern_request_get_stream_id(request) / 4];
  tern_slice slices[3];
  size_t count;
  while ((count = tern_request_peek(request, slices, 3)) > 0) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
      for (size_t k = 0; k < slices[i].len; k++)
        assert_int_equal(slices[i].data[k], pattern((*got)++));
      len += slices[i].len;
    }
    tern_request_consume(request, len);
  }
}

static void on_end(tern_request *request, void *app)
{
  struct world *world = app;
  world->client.ended++;
  assert_int_equal(world->client.got[tern_request_get_stream_id(request) / 4], BODY_BYTES);
}

static void on_writable(tern_request *request, void *app)
{
  struct world *world = app;
  send_more(&world->client, request);
}

static void on_reset(tern_request *request, uint64_t code, void *app)
{
  struct world *world = app;
  (void)request;
  (void)code;
  world->client.resets++;
}

static void on_closed(tern_request *request, void *app)
{
  struct world *world = app;
  (void)request;
  world->client.closed++;
}

static const tern_request_ops client_request_ops = {
    .size = sizeof(tern_request_ops),
    .on_response = on_response,
    .on_body = on_body,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_reset = on_reset,
    .on_closed = on_closed,
};

static void on_conn_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  struct world *world = app;
  (void)h3;
  world->client.conn_closed++;
  world->client.close_code = error->code;
}

static const tern_h3_ops client_ops = {.size = sizeof(tern_h3_ops), .on_closed = on_conn_closed};

static void submit(struct world *world)
{
  tern_field fields[] = {
      tern_field_of(":method", "POST"),       tern_field_of(":scheme", "https"),
      tern_field_of(":authority", "example"), tern_field_of(":path", "/"),
      tern_field_of("user-agent", "tern"),    tern_field_of("content-length", "20000"),
  };
  tern_submit_args args = {fields, 6, true, &client_request_ops, world, TERN_H3_EARLY_SAFE};
  tern_request *request;
  assert_int_equal(tern_h3_submit(world->client.h3, &args, &request), TERN_OK);
  send_more(&world->client, request);
}

/* ---- worlds ---------------------------------------------------------------------------------- */

static bool lose_some(struct pair *pair, struct pair_datagram *datagram)
{
  struct world *world = pair->test;
  if (world->loss_seed == 0)
    return true;
  world->loss_seed = world->loss_seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
  datagram->at += (world->loss_seed >> 40) % (5 * TERN_MS); /* reordered, too */
  return (world->loss_seed >> 33) % 12 != 0;
}

static struct world *world_new(uint64_t seed)
{
  struct world *world = calloc(1, sizeof(*world));
  pair_init(&world->pair, seed);
  tern_h3_config_init(&world->config, sizeof(world->config));
  world->pair.test = world;
  world->pair.on_conn = on_server_conn;
  world->pair.filter = lose_some;
  world->pair.delay_ns = 10 * TERN_MS;
  return world;
}

static void world_start(struct world *world)
{
  pair_start(&world->pair);
  assert_int_equal(tern_h3_new_client(&world->client.h3, world->pair.conn[PAIR_CLIENT],
                                      &world->config, &client_ops, world),
                   TERN_OK);
}

static void world_free(struct world *world)
{
  pair_deinit(&world->pair);
  free(world);
}

static bool are_all_closed(struct pair *pair)
{
  struct world *world = pair->test;
  return world->client.closed == REQUESTS && world->server.closed == world->server.requests;
}

/* Requests go out before the handshake is done, all at once, over a lossy path. */
static void test_echo(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 6; seed++) {
    struct world *world = world_new(seed);
    world->loss_seed = seed % 2 == 0 ? seed : 0;
    if (seed >= 3) {
      world->pair.config[PAIR_CLIENT].send_buffer_bytes = 4096;
      world->pair.config[PAIR_SERVER].send_buffer_bytes = 8192;
      world->pair.config[PAIR_SERVER].stream_window_bytes = 3000;
    }
    if (seed >= 5)
      world->config.qpack_table_bytes = 0;
    world_start(world);
    for (int i = 0; i < REQUESTS; i++)
      submit(world);
    assert_true(pair_run_until(&world->pair, are_all_closed));
    assert_int_equal(world->client.ended, REQUESTS);
    assert_int_equal(world->client.resets, 0);
    assert_int_equal(world->server.ended, REQUESTS);
    assert_int_equal(world->client.conn_closed, 0);
    world_free(world);
  }
}

static bool is_conn_closed(struct pair *pair)
{
  struct world *world = pair->test;
  return world->client.conn_closed == 1;
}

static void test_goaway(void **state)
{
  (void)state;
  struct world *world = world_new(9);
  world_start(world);
  for (int i = 0; i < 5; i++)
    submit(world);
  pair_run_for(&world->pair, 45 * TERN_MS); /* some requests are there */
  assert_true(world->server.requests > 0);
  tern_h3_goaway(world->server.h3);
  assert_true(pair_run_until(&world->pair, is_conn_closed));
  assert_int_equal(world->client.close_code, TERN_H3_NO_ERROR);
  /* What the server had not seen can be sent again elsewhere. */
  assert_int_equal(world->client.ended, world->server.requests);
  assert_int_equal(world->client.ended + world->client.resets, 5);
  world_free(world);
}

static void test_close(void **state)
{
  (void)state;
  struct world *world = world_new(10);
  world_start(world);
  for (int i = 0; i < 5; i++)
    submit(world);
  pair_run_for(&world->pair, 45 * TERN_MS);
  tern_h3_close(world->server.h3, TERN_H3_EXCESSIVE_LOAD, "test");
  assert_true(pair_run_until(&world->pair, is_conn_closed));
  assert_int_equal(world->client.close_code, TERN_H3_EXCESSIVE_LOAD);
  assert_int_equal(world->client.ended + world->client.resets, 5);
  assert_int_equal(world->client.closed, 5);
  world_free(world);
}

/* HOSTILE H13, with the transport's own timer. */
static void test_deadline(void **state)
{
  (void)state;
  struct world *world = world_new(11);
  world->config.body_timeout_ms = 2000;
  world_start(world);
  tern_field fields[] = {
      tern_field_of(":method", "POST"),
      tern_field_of(":scheme", "https"),
      tern_field_of(":authority", "example"),
      tern_field_of(":path", "/"),
  };
  tern_submit_args args = {fields, 4, true, &client_request_ops, world, TERN_H3_EARLY_SAFE};
  assert_int_equal(tern_h3_submit(world->client.h3, &args, NULL), TERN_OK);
  world->server.is_silent = true;
  pair_run_for(&world->pair, 1500 * TERN_MS);
  assert_int_equal(world->server.requests, 1);
  assert_int_equal(world->server.closed, 0);
  pair_run_for(&world->pair, 4000 * TERN_MS);
  assert_int_equal(world->server.resets, 1);
  assert_int_equal(world->server.closed, 1);
  assert_int_equal(world->client.resets, 1);
  assert_int_equal(world->client.conn_closed, 0);
  world_free(world);
}

/* Endpoints go without a word, at every stage: pair_deinit checks that no heap is left. */
static void test_free_in_the_middle(void **state)
{
  (void)state;
  for (uint64_t ms = 0; ms < 120; ms += 7) {
    struct world *world = world_new(100 + ms);
    world_start(world);
    for (int i = 0; i < 10; i++)
      submit(world);
    pair_run_for(&world->pair, ms * TERN_MS);
    world_free(world);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_echo),
      cmocka_unit_test(test_goaway),
      cmocka_unit_test(test_close),
      cmocka_unit_test(test_deadline),
      cmocka_unit_test(test_free_in_the_middle),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
