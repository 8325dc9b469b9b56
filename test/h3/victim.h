/* SPDX-License-Identifier: MIT */
/* An endpoint whose peer is the test, and what its application saw. Included once, by hostile tests. */
#ifndef TERN_TEST_VICTIM_H
#define TERN_TEST_VICTIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tern/h3.h>

#include "h3/h3_frame.h"
#include "hex.h"
#include "support/fake_transport.c"

struct victim {
  tern_conn *conn;
  tern_h3 *h3;
  tern_request *request;
  unsigned told, responses, ended, resets, closed, conn_closed;
  uint64_t reset_code;
  uint64_t body_bytes;
  bool answers; /* 200 at once */
};

static inline void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                               size_t count, void *app)
{
  struct victim *victim = app;
  (void)request;
  (void)fields;
  (void)count;
  victim->responses += status >= 200;
}

static inline void on_body(tern_request *request, void *app)
{
  struct victim *victim = app;
  uint8_t bytes[100];
  size_t got;
  while (tern_request_read(request, bytes, sizeof(bytes), &got) == TERN_OK)
    victim->body_bytes += got;
}

static inline void on_end(tern_request *request, void *app)
{
  struct victim *victim = app;
  (void)request;
  victim->ended++;
}

static inline void on_reset(tern_request *request, uint64_t code, void *app)
{
  struct victim *victim = app;
  (void)request;
  victim->resets++;
  victim->reset_code = code;
}

static inline void on_closed(tern_request *request, void *app)
{
  struct victim *victim = app;
  victim->closed++;
  if (victim->request == request)
    victim->request = NULL;
}

static const tern_request_ops request_ops = {
    .size = sizeof(tern_request_ops),
    .on_response = on_response,
    .on_body = on_body,
    .on_end = on_end,
    .on_reset = on_reset,
    .on_closed = on_closed,
};

static inline void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields,
                              size_t count, void *app)
{
  struct victim *victim = app;
  (void)h3;
  (void)fields;
  (void)count;
  victim->told++;
  victim->request = request;
  tern_request_set_ops(request, &request_ops, victim);
  if (victim->answers)
    tern_request_reply(request, 200, NULL, tern_slice_of(NULL, 0));
}

static inline void on_conn_closed(tern_h3 *h3, const tern_error *error, void *app)
{
  struct victim *victim = app;
  (void)h3;
  (void)error;
  victim->conn_closed++;
}

static const tern_h3_ops h3_ops = {
    .size = sizeof(tern_h3_ops),
    .on_request = on_request,
    .on_closed = on_conn_closed,
};

static inline void victim_init(struct victim *victim, bool is_server)
{
  *victim = (struct victim){.conn = fake_conn_new(is_server)};
  tern_status status = is_server
                           ? tern_h3_new_server(&victim->h3, victim->conn, NULL, &h3_ops, victim)
                           : tern_h3_new_client(&victim->h3, victim->conn, NULL, &h3_ops, victim);
  assert_int_equal(status, TERN_OK);
}

static inline void victim_deinit(struct victim *victim)
{
  fake_settle(victim->conn);
  fake_conn_free(victim->conn);
}

/* The n-th unidirectional stream of the peer. */
static inline uint64_t uni(const struct victim *victim, uint64_t n)
{
  return n * 4 + (victim->conn->is_server ? 2 : 3);
}

/* Hex bytes, `chunk` at a time. */
static inline void give(struct victim *victim, uint64_t id, const char *hex, bool fin, size_t chunk)
{
  uint8_t bytes[4096];
  size_t len = from_hex(hex, bytes);
  size_t at = 0;
  do {
    size_t piece = len - at < chunk ? len - at : chunk;
    fake_send(victim->conn, id, bytes + at, piece, fin && at + piece == len);
    fake_settle(victim->conn);
    at += piece;
  } while (at < len);
}

static inline void give_settings(struct victim *victim)
{
  give(victim, uni(victim, 0), "00 04 00", false, 100);
}

/* The code the connection was closed with, 0 if it was not. */
static inline uint64_t close_code(const struct victim *victim)
{
  return victim->conn->is_closed ? victim->conn->close_code : 0;
}

/* GET https://a/ and the same as POST with content-length 5, and without; static table only. */
#define GET "01 08 0000 d1 d7 5001 61 c1"
#define POST "01 08 0000 d4 d7 5001 61 c1"
#define POST_5 "01 0b 0000 d4 d7 5001 61 c1 5401 35"
#define STATUS_200 "01 03 0000 d9"
#define STATUS_200_5 "01 06 0000 d9 5401 35"
#define STATUS_103 "01 03 0000 d8"

#endif
