/* SPDX-License-Identifier: MIT */
/* HOSTILE T24 for HTTP/3: the n-th allocation fails, for every n, on each side. Nothing crashes, nothing
 * leaks, every request hears one end, and what is reported complete is complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tern/h3.h>

#include "support/fail_alloc.h"
#include "support/fake_transport.c"

#define REQUESTS 6
#define BODY_BYTES 3000

struct side {
  tern_conn *conn;
  tern_h3 *h3;
  struct tern_fail_alloc fail;
  tern_alloc_ops ops;
  unsigned told, ended, resets, closed;
  size_t bodies[REQUESTS]; /* client: by stream id */
};

static void on_body(tern_request *request, void *app)
{
  struct side *side = app;
  uint8_t bytes[500];
  size_t got;
  while (tern_request_read(request, bytes, sizeof(bytes), &got) == TERN_OK)
    side->bodies[tern_request_get_stream_id(request) / 4] += got;
}

static void on_end(tern_request *request, void *app)
{
  struct side *side = app;
  side->ended++;
  /* The last one is a 404 or 200 with the same body. */
  if (!tern_conn_is_server(side->conn))
    assert_int_equal(side->bodies[tern_request_get_stream_id(request) / 4], BODY_BYTES);
}

static void on_reset(tern_request *request, uint64_t code, void *app)
{
  struct side *side = app;
  (void)request;
  (void)code;
  side->resets++;
}

static void on_closed(tern_request *request, void *app)
{
  struct side *side = app;
  (void)request;
  side->closed++;
}

static const tern_request_ops request_ops = {
    .size = sizeof(tern_request_ops),
    .on_body = on_body,
    .on_end = on_end,
    .on_reset = on_reset,
    .on_closed = on_closed,
};

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  static const uint8_t body[BODY_BYTES];
  struct side *side = app;
  (void)h3;
  (void)fields;
  (void)count;
  side->told++;
  tern_request_set_ops(request, &request_ops, side);
  tern_request_reply(request, 200, "text/plain", tern_slice_of(body, sizeof(body)));
}

static const tern_h3_ops h3_ops = {.size = sizeof(tern_h3_ops), .on_request = on_request};

static void side_init(struct side *side, bool is_server)
{
  *side = (struct side){.conn = fake_conn_new(is_server)};
  tern_fail_alloc_init(&side->fail, 0);
  side->ops = tern_fail_alloc_ops(&side->fail);
  side->conn->alloc.ops = &side->ops;
  side->conn->room_max = 1000;
}

static void submit(struct side *side, int i)
{
  char agent[64];
  (void)snprintf(agent, sizeof(agent), "agent %d with some length", i);
  tern_field fields[] = {
      tern_field_of(":method", "GET"),    tern_field_of(":scheme", "https"),
      tern_field_of(":authority", "a"),   tern_field_of(":path", "/"),
      tern_field_of("user-agent", agent),
  };
  tern_submit_args args = {fields, 5, false, &request_ops, side, TERN_H3_EARLY_SAFE};
  if (tern_h3_submit(side->h3, &args, NULL) == TERN_OK)
    side->told++;
}

/* One scripted run; returns true if nothing was refused. */
static bool run(uint64_t fail_at, bool on_client, bool for_ever)
{
  struct side client;
  struct side server;
  side_init(&client, false);
  side_init(&server, true);
  client.conn->peer = server.conn;
  server.conn->peer = client.conn;
  struct tern_fail_alloc *fail = on_client ? &client.fail : &server.fail;
  fail->fail_at = fail_at;
  fail->fails_from_then = for_ever;
  uint64_t seed = fail_at;
  bool is_made = tern_h3_new_client(&client.h3, client.conn, NULL, &h3_ops, &client) == TERN_OK &&
                 tern_h3_new_server(&server.h3, server.conn, NULL, &h3_ops, &server) == TERN_OK;
  for (int i = 0; i < REQUESTS && is_made; i++) {
    submit(&client, i);
    (void)fake_pump_once(client.conn, 100, &seed);
    (void)fake_pump_once(server.conn, 100, &seed);
  }
  fake_pump(client.conn, server.conn, 100, &seed);
  fake_close(client.conn, 0);
  fake_pump(client.conn, server.conn, 100, NULL);
  assert_int_equal(client.told, client.closed);
  assert_int_equal(server.told, server.closed);
  assert_true(client.ended + client.resets <= client.told);
  bool is_complete = client.ended == REQUESTS;
  bool was_refused = fail->takes >= fail_at;
  fake_conn_free(client.conn);
  fake_conn_free(server.conn);
  assert_int_equal(client.fail.live_bytes, 0);
  assert_int_equal(server.fail.live_bytes, 0);
  if (!was_refused)
    assert_true(is_complete);
  return !was_refused;
}

static void test_every_allocation_fails(void **state)
{
  (void)state;
  for (int how = 0; how < 4; how++) {
    uint64_t n = 1;
    while (!run(n, (how & 1) != 0, (how & 2) != 0))
      n++;
    print_message("%s, %s: %llu allocations\n", (how & 1) != 0 ? "client" : "server",
                  (how & 2) != 0 ? "from then on" : "once", (unsigned long long)n - 1);
    assert_true(n > 10);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
