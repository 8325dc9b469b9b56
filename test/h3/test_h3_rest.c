/* SPDX-License-Identifier: MIT */
/* HTTP/3 at rest: what an idle connection keeps, and that requests after a rest find QPACK's table as it
 * was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tern/h3.h>

#include "h3/h3_conn.h"
#include "support/fake_transport.c"

#define IDLE_BYTES_MAX                                                                             \
  1280 /* HTTP/3's own, before any request: the connection, the peer's stream */

struct side {
  tern_conn *conn;
  tern_h3 *h3;
  unsigned requests, ends;
};

static void on_end(tern_request *request, void *app)
{
  struct side *side = app;
  (void)request;
  side->ends++;
}

static const tern_request_ops request_ops = {.size = sizeof(tern_request_ops), .on_end = on_end};

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  struct side *side = app;
  (void)h3;
  assert_int_equal(count, 5);
  assert_int_equal(fields[4].value.len, 33);
  side->requests++;
  tern_request_reply(request, 200, "text/plain", tern_slice_of("hello", 5));
}

static const tern_h3_ops h3_ops = {.size = sizeof(tern_h3_ops), .on_request = on_request};

static struct side client, server;

static int set_up(void **state)
{
  (void)state;
  client = (struct side){.conn = fake_conn_new(false)};
  server = (struct side){.conn = fake_conn_new(true)};
  client.conn->peer = server.conn;
  server.conn->peer = client.conn;
  assert_int_equal(tern_h3_new_client(&client.h3, client.conn, NULL, &h3_ops, &client), TERN_OK);
  assert_int_equal(tern_h3_new_server(&server.h3, server.conn, NULL, &h3_ops, &server), TERN_OK);
  fake_pump(client.conn, server.conn, 100, NULL);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  fake_conn_free(client.conn);
  fake_conn_free(server.conn);
  return 0;
}

static void rest(void)
{
  client.conn->rest(client.conn->rest_arg);
  server.conn->rest(server.conn->rest_arg);
}

/* One request with a field that is worth keeping; returns its bytes on the wire. */
static uint64_t request(void)
{
  tern_field fields[] = {
      tern_field_of(":method", "GET"),
      tern_field_of(":scheme", "https"),
      tern_field_of(":authority", "rest.example"),
      tern_field_of(":path", "/"),
      tern_field_of("user-agent", "a name that is thirty-three bytes"),
  };
  tern_submit_args args = {fields, 5, false, &request_ops, &client, TERN_H3_EARLY_SAFE};
  tern_h3_stats before, after;
  tern_h3_get_stats(client.h3, &before);
  assert_int_equal(tern_h3_submit(client.h3, &args, NULL), TERN_OK);
  fake_pump(client.conn, server.conn, 100, NULL);
  tern_h3_get_stats(client.h3, &after);
  return after.fields_wire_sent - before.fields_wire_sent;
}

static void test_idle_bytes(void **state)
{
  (void)state;
  rest();
  print_message("HTTP/3 idle: client %zu bytes, server %zu\n",
                (size_t)client.conn->alloc.used_bytes, (size_t)server.conn->alloc.used_bytes);
  assert_null(server.h3->enc.index);
  assert_true(server.conn->alloc.used_bytes <= IDLE_BYTES_MAX);
}

static void test_table_survives(void **state)
{
  (void)state;
  uint64_t first = request();
  uint64_t again = request();
  assert_true(again < first);
  rest();
  uint64_t resting = client.conn->alloc.used_bytes;
  assert_null(client.h3->enc.index);
  assert_null(server.h3->spare);
  for (int i = 0; i < 5; i++) {
    assert_true(request() <= again); /* found in the table, not sent anew */
    assert_non_null(client.h3->enc.index);
    rest();
    rest();
    assert_int_equal(client.conn->alloc.used_bytes, resting);
  }
  assert_int_equal(server.requests, 7);
  assert_int_equal(client.ends, 7);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_idle_bytes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_table_survives, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
