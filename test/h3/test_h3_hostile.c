/* SPDX-License-Identifier: MIT */
/* A peer that breaks the rules: every row of HOSTILE.md table 5 that HTTP/3 itself answers for. The
 * test is the peer; what counts is the exact error, bounded memory, that a message that was cut is
 * never reported as complete, and that nothing crashes or leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tern/h3.h>

#include "base/cursor.h"
#include "h3/h3_frame.h"
#include "support/fake_transport.c"

/* ---- the victim ----------------------------------------------------------------------------- */

struct victim {
  tern_conn *conn;
  tern_h3 *h3;
  tern_request *request;
  unsigned told, responses, ended, resets, closed, conn_closed;
  uint64_t reset_code;
  uint64_t body_bytes;
  bool answers; /* 200 at once */
};

static void on_response(tern_request *request, uint16_t status, const tern_field *fields,
                        size_t count, void *app)
{
  struct victim *victim = app;
  (void)request;
  (void)fields;
  (void)count;
  victim->responses += status >= 200;
}

static void on_body(tern_request *request, void *app)
{
  struct victim *victim = app;
  uint8_t bytes[100];
  size_t got;
  while (tern_request_read(request, bytes, sizeof(bytes), &got) == TERN_OK)
    victim->body_bytes += got;
}

static void on_end(tern_request *request, void *app)
{
  struct victim *victim = app;
  (void)request;
  victim->ended++;
}

static void on_reset(tern_request *request, uint64_t code, void *app)
{
  struct victim *victim = app;
  (void)request;
  victim->resets++;
  victim->reset_code = code;
}

static void on_closed(tern_request *request, void *app)
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

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
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

static void on_conn_closed(tern_h3 *h3, const tern_error *error, void *app)
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

static void victim_init(struct victim *victim, bool is_server)
{
  *victim = (struct victim){.conn = fake_conn_new(is_server)};
  tern_status status = is_server
                           ? tern_h3_new_server(&victim->h3, victim->conn, NULL, &h3_ops, victim)
                           : tern_h3_new_client(&victim->h3, victim->conn, NULL, &h3_ops, victim);
  assert_int_equal(status, TERN_OK);
}

static void victim_deinit(struct victim *victim)
{
  fake_settle(victim->conn);
  fake_conn_free(victim->conn);
}

/* The n-th unidirectional stream of the peer. */
static uint64_t uni(const struct victim *victim, uint64_t n)
{
  return n * 4 + (victim->conn->is_server ? 2 : 3);
}

static size_t from_hex(const char *hex, uint8_t *out)
{
  size_t len = 0;
  unsigned byte;
  while (*hex != 0) {
    if (*hex == ' ') {
      hex++;
      continue;
    }
    if (sscanf(hex, "%2x", &byte) != 1)
      break;
    out[len++] = (uint8_t)byte;
    hex += 2;
  }
  return len;
}

/* Hex bytes, `chunk` at a time. */
static void give(struct victim *victim, uint64_t id, const char *hex, bool fin, size_t chunk)
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

static void give_settings(struct victim *victim)
{
  give(victim, uni(victim, 0), "00 04 00", false, 100);
}

/* The code the connection was closed with, 0 if it was not. */
static uint64_t close_code(const struct victim *victim)
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

/* ---- the control stream ---------------------------------------------------------------------- */

enum who { SERVER = 1, CLIENT = 2, BOTH = 3 };

struct stream_case {
  const char *what;
  enum who who;
  const char *hex;
  bool fin;
  uint64_t code;
};

static const struct stream_case control_cases[] = {
    {"SETTINGS", BOTH, "00 04 00", false, 0},
    {"SETTINGS with values", BOTH, "00 04 04 01 05 07 03", false, 0},
    {"grease frame after SETTINGS", BOTH, "00 04 00 21 03 616263 4040 00", false, 0},
    {"DATA first [rfc9114-6.2.1]", BOTH, "00 00 00", false, TERN_H3_MISSING_SETTINGS},
    {"GOAWAY first", BOTH, "00 07 01 00", false, TERN_H3_MISSING_SETTINGS},
    {"grease first [rfc9114-9]", BOTH, "00 21 00", false, TERN_H3_MISSING_SETTINGS},
    {"second SETTINGS [rfc9114-7.2.4]", BOTH, "00 04 00 04 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"DATA [rfc9114-7.2.1]", BOTH, "00 04 00 00 01 61", false, TERN_H3_FRAME_UNEXPECTED},
    {"HEADERS [rfc9114-7.2.2]", BOTH, "00 04 00 01 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"PUSH_PROMISE [rfc9114-7.2.5]", BOTH, "00 04 00 05 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"HTTP/2 PRIORITY [rfc9114-7.2.8]", BOTH, "00 04 00 02 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"HTTP/2 PING", BOTH, "00 04 00 06 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"HTTP/2 WINDOW_UPDATE", BOTH, "00 04 00 08 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"HTTP/2 CONTINUATION", BOTH, "00 04 00 09 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"setting twice [rfc9114-7.2.4]", BOTH, "00 04 04 01 00 01 00", false, TERN_H3_SETTINGS_ERROR},
    {"HTTP/2 setting [rfc9114-7.2.4.1]", BOTH, "00 04 02 04 00", false, TERN_H3_SETTINGS_ERROR},
    {"cut setting [rfc9114-7.1]", BOTH, "00 04 01 01", false, TERN_H3_FRAME_ERROR},
    {"SETTINGS of 257 bytes (H8)", BOTH, "00 04 4101", false, TERN_H3_EXCESSIVE_LOAD},
    {"GOAWAY", SERVER, "00 04 00 07 01 00", false, 0},
    {"GOAWAY that rejects the only request [rfc9114-5.2]", CLIENT, "00 04 00 07 01 00", false,
     TERN_H3_NO_ERROR},
    {"GOAWAY of another stream type [rfc9114-7.2.6]", CLIENT, "00 04 00 07 01 02", false,
     TERN_H3_ID_ERROR},
    {"GOAWAY of a push id", SERVER, "00 04 00 07 01 03", false, 0},
    {"GOAWAY with a larger id [rfc9114-5.2]", BOTH, "00 04 00 07 01 04 07 01 08", false,
     TERN_H3_ID_ERROR},
    {"GOAWAY without id", BOTH, "00 04 00 07 00", false, TERN_H3_FRAME_ERROR},
    {"GOAWAY cut inside", BOTH, "00 04 00 07 01 40", false, TERN_H3_FRAME_ERROR},
    {"GOAWAY with more bytes", BOTH, "00 04 00 07 02 00 00", false, TERN_H3_FRAME_ERROR},
    {"GOAWAY with many bytes", BOTH, "00 04 00 07 09", false, TERN_H3_FRAME_ERROR},
    {"MAX_PUSH_ID", SERVER, "00 04 00 0d 01 05 0d 01 05", false, 0},
    {"MAX_PUSH_ID going down [rfc9114-7.2.7]", SERVER, "00 04 00 0d 01 05 0d 01 04", false,
     TERN_H3_ID_ERROR},
    {"MAX_PUSH_ID from a server [rfc9114-7.2.7]", CLIENT, "00 04 00 0d 01 05", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"CANCEL_PUSH [rfc9114-7.2.3]", BOTH, "00 04 00 03 01 00", false, TERN_H3_ID_ERROR},
    {"end [rfc9114-6.2.1]", BOTH, "00 04 00", true, TERN_H3_CLOSED_CRITICAL_STREAM},
    {"end before SETTINGS", BOTH, "00", true, TERN_H3_CLOSED_CRITICAL_STREAM},
    {"end of a stream without a type [rfc9114-6.2]", BOTH, "", true, 0},
    {"end inside a type", BOTH, "40", true, 0},
    {"end of the encoder stream [rfc9204-4.2]", BOTH, "02", true, TERN_H3_CLOSED_CRITICAL_STREAM},
    {"end of the decoder stream", BOTH, "03", true, TERN_H3_CLOSED_CRITICAL_STREAM},
    {"long form of the control type", BOTH, "4000 04 00", false, 0},
    {"unknown type [rfc9114-6.2]", BOTH, "21 616263", true, 0},
    {"unknown type, long", BOTH, "c000000000001234 6162", false, 0},
    {"push stream to a server [rfc9114-6.2.2]", SERVER, "01 00", false,
     TERN_H3_STREAM_CREATION_ERROR},
    {"push stream that was not allowed [rfc9114-4.6]", CLIENT, "01 00", false, TERN_H3_ID_ERROR},
    {"encoder stream: too much capacity", BOTH, "02 3fe21f", false,
     TERN_H3_QPACK_ENCODER_STREAM_ERROR},
    {"encoder stream: giant literal (H4)", BOTH, "02 3fe11f c1 7fffffffffffffffff1f", false,
     TERN_H3_QPACK_ENCODER_STREAM_ERROR},
    {"decoder stream: increment of 0", BOTH, "03 00", false, TERN_H3_QPACK_DECODER_STREAM_ERROR},
    {"decoder stream: increment too large", BOTH, "03 01", false,
     TERN_H3_QPACK_DECODER_STREAM_ERROR},
    {"decoder stream: acknowledgment of nothing", BOTH, "03 80", false,
     TERN_H3_QPACK_DECODER_STREAM_ERROR},
    {"decoder stream: cancellation of nothing", BOTH, "03 40", false, 0},
};

static void run_case(const struct stream_case *item, bool is_server, bool on_request, size_t chunk)
{
  struct victim victim;
  victim_init(&victim, is_server);
  uint64_t id = uni(&victim, 0);
  if (!is_server)
    assert_int_equal(tern_h3_get(victim.h3, "a", "/", &request_ops, &victim), TERN_OK);
  if (on_request) {
    give_settings(&victim);
    id = 0;
  }
  fake_drain(victim.conn);
  give(&victim, id, item->hex, item->fin, chunk);
  if (close_code(&victim) != item->code)
    fail_msg("%s, %s, chunks of %zu: %llx", item->what, is_server ? "server" : "client", chunk,
             (unsigned long long)close_code(&victim));
  victim_deinit(&victim);
}

static void run_cases(const struct stream_case *cases, size_t count, bool on_request)
{
  for (size_t i = 0; i < count; i++) {
    for (size_t chunk = 1; chunk <= 100; chunk = chunk == 1 ? 2 : chunk * 50) {
      if ((cases[i].who & SERVER) != 0)
        run_case(&cases[i], true, on_request, chunk);
      if ((cases[i].who & CLIENT) != 0)
        run_case(&cases[i], false, on_request, chunk);
    }
  }
}

static void test_unidirectional_streams(void **state)
{
  (void)state;
  run_cases(control_cases, sizeof(control_cases) / sizeof(control_cases[0]), false);
}

/* ---- request streams ------------------------------------------------------------------------- */

static const struct stream_case request_cases[] = {
    {"GET", SERVER, GET, true, 0},
    {"grease before, between and after", SERVER, "21 00 " POST " 21 02 6161 00 01 62 4040 00", true,
     0},
    {"DATA first [rfc9114-4.1]", BOTH, "00 01 61", false, TERN_H3_FRAME_UNEXPECTED},
    {"DATA after trailers [rfc9114-4.1]", SERVER, POST " 01 02 0000 00 01 61", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"HEADERS after trailers [rfc9114-4.1]", SERVER, POST " 01 02 0000 01 02 0000", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"DATA after a 103 [rfc9114-4.1]", CLIENT, STATUS_103 " 00 01 61", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"HEADERS after CONNECT [rfc9114-4.4]", SERVER, "01 06 0000 cf 5001 61 01 02 0000", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"SETTINGS [rfc9114-7.2.4]", BOTH, "04 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"GOAWAY [rfc9114-7.2.6]", BOTH, "07 01 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"MAX_PUSH_ID [rfc9114-7.2.7]", BOTH, "0d 01 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"CANCEL_PUSH [rfc9114-7.2.3]", BOTH, "03 01 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"PUSH_PROMISE to a server [rfc9114-7.2.5]", SERVER, "05 03 00 0000", false,
     TERN_H3_FRAME_UNEXPECTED},
    {"PUSH_PROMISE that was not allowed [rfc9114-7.2.5]", CLIENT, "05 03 00 0000", false,
     TERN_H3_ID_ERROR},
    {"HTTP/2 frame [rfc9114-7.2.8]", BOTH, "06 00", false, TERN_H3_FRAME_UNEXPECTED},
    {"end inside a type [rfc9114-7.1]", BOTH, "40", true, TERN_H3_FRAME_ERROR},
    {"end inside a length", BOTH, "01", true, TERN_H3_FRAME_ERROR},
    {"end inside HEADERS", BOTH, "01 08 0000", true, TERN_H3_FRAME_ERROR},
    {"end inside DATA (H9)", SERVER, POST " 00 05 6162", true, TERN_H3_FRAME_ERROR},
    {"end inside DATA with content-length (H9)", SERVER, POST_5 " 00 05 6162", true,
     TERN_H3_FRAME_ERROR},
    {"end inside grease", SERVER, POST " 21 05 6162", true, TERN_H3_FRAME_ERROR},
    {"field section with a bad index", BOTH, "01 04 0000 ff24", false,
     TERN_H3_QPACK_DECOMPRESSION_FAILED},
    {"field section cut by its frame", BOTH, "01 03 0000 ff", false,
     TERN_H3_QPACK_DECOMPRESSION_FAILED},
    {"empty HEADERS", BOTH, "01 00", false, TERN_H3_QPACK_DECOMPRESSION_FAILED},
};

static void test_request_streams(void **state)
{
  (void)state;
  run_cases(request_cases, sizeof(request_cases) / sizeof(request_cases[0]), true);
}

/* Stream errors: the stream ends with the code, the connection lives. */
struct message_case {
  const char *what;
  const char *hex;
  bool fin;
  uint64_t code; /* 0: complete */
};

static const struct message_case server_messages[] = {
    {"GET", GET, true, 0},
    {"POST", POST " 00 02 6162", true, 0},
    {"POST with trailers", POST " 00 02 6162 01 02 0000", true, 0},
    {"POST of 5", POST_5 " 00 05 6162636465", true, 0},
    {"POST of 5 in pieces", POST_5 " 00 02 6162 00 00 00 03 636465", true, 0},
    {"POST of 5 with 4 [rfc9114-4.1.2]", POST_5 " 00 04 61626364", true, TERN_H3_MESSAGE_ERROR},
    {"POST of 5 with 6", POST_5 " 00 06 616263646566", true, TERN_H3_MESSAGE_ERROR},
    {"POST of 5 with 6, not even all there", POST_5 " 00 06 61", false, TERN_H3_MESSAGE_ERROR},
    {"POST of 5 with nothing", POST_5, true, TERN_H3_MESSAGE_ERROR},
    {"POST of 5 with trailers early", POST_5 " 01 02 0000", false, TERN_H3_MESSAGE_ERROR},
    {"no HEADERS [rfc9114-4.1]", "", true, TERN_H3_REQUEST_INCOMPLETE},
    {"only grease", "21 01 61", true, TERN_H3_REQUEST_INCOMPLETE},
    {":method twice [rfc9114-4.1.2]", "01 09 0000 d1 d1 d7 5001 61 c1", true,
     TERN_H3_MESSAGE_ERROR},
    {"no :path", "01 07 0000 d1 d7 5001 61", true, TERN_H3_MESSAGE_ERROR},
    {":status in a request", "01 09 0000 d1 d7 5001 61 c1 d9", true, TERN_H3_MESSAGE_ERROR},
    {"pseudo after field", "01 09 0000 d1 d7 5001 61 dd c1", true, TERN_H3_MESSAGE_ERROR},
    {"no fields at all", "01 02 0000", true, TERN_H3_MESSAGE_ERROR},
    {"pseudo in trailers [rfc9114-4.3]", POST " 01 03 0000 d1", true, TERN_H3_MESSAGE_ERROR},
};

static void check_message(struct victim *victim, const struct message_case *item, size_t chunk)
{
  give(victim, 0, item->hex, item->fin, chunk);
  assert_int_equal(close_code(victim), 0);
  tern_stream *stream = fake_find(victim->conn, 0);
  if (item->code == 0) {
    if (victim->ended != 1 || victim->resets != 0)
      fail_msg("%s: not complete", item->what);
  } else {
    if (victim->ended != 0 || stream == NULL || !stream->out_reset ||
        stream->out_code != item->code)
      fail_msg("%s: ended %u, code %llx", item->what, victim->ended,
               stream == NULL ? 0 : (unsigned long long)stream->out_code);
    assert_int_equal(victim->resets, victim->told + (victim->conn->is_server ? 0u : 1u));
  }
}

static void test_requests(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof(server_messages) / sizeof(server_messages[0]); i++) {
    for (size_t chunk = 1; chunk <= 64; chunk *= 4) {
      struct victim victim;
      victim_init(&victim, true);
      give_settings(&victim);
      check_message(&victim, &server_messages[i], chunk);
      victim_deinit(&victim);
    }
  }
}

static const struct message_case client_messages[] = {
    {"200", STATUS_200, true, 0},
    {"103 and 200", STATUS_103 STATUS_200, true, 0},
    {"200 with a body of 5", STATUS_200_5 " 00 05 6162636465", true, 0},
    {"200 with 4 of 5 [rfc9114-4.1.2]", STATUS_200_5 " 00 04 61626364", true,
     TERN_H3_MESSAGE_ERROR},
    {"200 with 6 of 5", STATUS_200_5 " 00 06 616263646566", true, TERN_H3_MESSAGE_ERROR},
    {"nothing", "", true, TERN_H3_MESSAGE_ERROR},
    {"only a 103", STATUS_103, true, TERN_H3_MESSAGE_ERROR},
    {"no :status", "01 02 0000", true, TERN_H3_MESSAGE_ERROR},
    {":path in a response", "01 04 0000 d9 c1", true, TERN_H3_MESSAGE_ERROR},
};

static void test_responses(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof(client_messages) / sizeof(client_messages[0]); i++) {
    for (size_t chunk = 1; chunk <= 64; chunk *= 4) {
      struct victim victim;
      victim_init(&victim, false);
      give_settings(&victim);
      tern_field fields[] = {tern_field_of(":method", "GET"), tern_field_of(":scheme", "https"),
                             tern_field_of(":authority", "a"), tern_field_of(":path", "/")};
      tern_submit_args args = {fields, 4, true, &request_ops, &victim};
      assert_int_equal(tern_h3_submit(victim.h3, &args, NULL), TERN_OK);
      check_message(&victim, &client_messages[i], chunk);
      victim_deinit(&victim);
    }
  }
}

/* Would the first `len` bytes be a complete message? One-byte varints only; `length` is that of
 * content-length, or SIZE_MAX. */
static bool is_whole(const uint8_t *bytes, size_t len, size_t length)
{
  size_t body = 0;
  bool has_headers = false;
  size_t at = 0;
  while (at < len) {
    if (len - at < 2 || len - at - 2 < bytes[at + 1])
      return false;
    if (bytes[at] == 0)
      body += bytes[at + 1];
    has_headers = has_headers || bytes[at] == 1;
    at += 2u + bytes[at + 1];
  }
  return has_headers && (length == SIZE_MAX || body == length);
}

struct recorded {
  const char *hex;
  size_t length;
};

static void cut_at(const struct recorded *recorded, size_t cut, int how)
{
  uint8_t bytes[256];
  struct victim victim;
  (void)from_hex(recorded->hex, bytes);
  victim_init(&victim, true);
  give_settings(&victim);
  fake_send(victim.conn, 0, bytes, cut, how == 0);
  if (how != 3)
    fake_settle(victim.conn);
  if (how == 1) /* an end without data, later */
    fake_send(victim.conn, 0, NULL, 0, true);
  if (how >= 2)
    fake_reset(victim.conn, 0, TERN_H3_REQUEST_CANCELLED);
  fake_settle(victim.conn);
  bool is_complete = how < 2 && is_whole(bytes, cut, recorded->length);
  if (victim.ended != (is_complete ? 1u : 0u))
    fail_msg("%s, cut at %zu, how %d: ended %u", recorded->hex, cut, how, victim.ended);
  if (is_complete)
    assert_int_equal(close_code(&victim), 0);
  fake_close(victim.conn, TERN_H3_NO_ERROR);
  fake_settle(victim.conn);
  assert_int_equal(victim.ended + victim.resets, victim.told); /* one end, whatever it is */
  assert_int_equal(victim.closed, victim.told);
  victim_deinit(&victim);
}

/* HOSTILE H9: FIN and RESET at every byte of recorded requests. Complete only what is. */
static void test_cut_at_every_byte(void **state)
{
  (void)state;
  static const struct recorded recorded[] = {
      {GET, SIZE_MAX},
      {POST_5 " 00 05 6162636465", 5},
      {POST_5 " 00 02 6162 21 02 0000 00 03 636465 01 02 0000", 5},
      {POST " 00 05 6162636465 00 05 6162636465", SIZE_MAX},
      {"21 03 616161 " POST_5 " 00 01 61 00 01 61 00 03 616161 21 00", 5},
      {POST_5 " 00 05 6162636465 00 00 01 02 0000 21 02 0000", 5},
  };
  for (size_t i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
    uint8_t bytes[256];
    size_t len = from_hex(recorded[i].hex, bytes);
    for (size_t cut = 0; cut <= len; cut++) {
      for (int how = 0; how < 4; how++)
        cut_at(&recorded[i], cut, how);
    }
  }
}

/* ---- critical streams (H5) ------------------------------------------------------------------- */

static void test_second_critical_stream(void **state)
{
  (void)state;
  static const char *const types[] = {"00 04 00", "02", "03"};
  for (int role = 0; role < 2; role++) {
    for (size_t t = 0; t < 3; t++) {
      struct victim victim;
      victim_init(&victim, role == 0);
      give(&victim, uni(&victim, 0), types[t], false, 10);
      assert_int_equal(close_code(&victim), 0);
      give(&victim, uni(&victim, 1), types[t], false, 10);
      assert_int_equal(close_code(&victim), TERN_H3_STREAM_CREATION_ERROR);
      victim_deinit(&victim);
    }
  }
}

static void test_reset_critical_stream(void **state)
{
  (void)state;
  static const char *const types[] = {"00 04 00", "02", "03", "21"};
  for (int role = 0; role < 2; role++) {
    for (size_t t = 0; t < 4; t++) {
      for (int together = 0; together < 2; together++) {
        struct victim victim;
        victim_init(&victim, role == 0);
        uint8_t bytes[8];
        size_t len = from_hex(types[t], bytes);
        fake_send(victim.conn, uni(&victim, 0), bytes, len, false);
        if (together == 0)
          fake_settle(victim.conn);
        fake_reset(victim.conn, uni(&victim, 0), TERN_H3_NO_ERROR);
        fake_settle(victim.conn);
        bool is_known = together == 0 && t < 3; /* else the type was never seen */
        assert_int_equal(close_code(&victim), is_known ? TERN_H3_CLOSED_CRITICAL_STREAM : 0);
        victim_deinit(&victim);
      }
    }
  }
}

/* STOP_SENDING on each of our three [rfc9114-6.2.1] [rfc9204-4.2] */
static void test_stop_critical_stream(void **state)
{
  (void)state;
  for (int role = 0; role < 2; role++) {
    for (size_t n = 0; n < 3; n++) {
      struct victim victim;
      victim_init(&victim, role == 0);
      /* Capacity and an insertion make both QPACK streams appear. */
      give(&victim, uni(&victim, 0), "00 04 05 01 5000 07 10", false, 100);
      give(&victim, uni(&victim, 1), "02 3fe11f c10161", false, 100);
      fake_drain(victim.conn);
      assert_int_equal(victim.conn->streams_count, 5);
      fake_stop(victim.conn, n * 4 + (role == 0 ? 3 : 2), 0);
      fake_settle(victim.conn);
      assert_int_equal(close_code(&victim), TERN_H3_CLOSED_CRITICAL_STREAM);
      victim_deinit(&victim);
    }
  }
}

/* Any order of open, data, FIN, RESET and STOP_SENDING on the six: no crash, no leak, and nothing but
 * the codes that fit. */
static void test_critical_orders(void **state)
{
  (void)state;
  uint64_t seed = 4711;
  print_message("seed %llu\n", (unsigned long long)seed);
  static const char *const pieces[] = {"00 04 00", "02 3fe11f", "03", "04 00",
                                       "c10161",   "40",        "21", "07 01 04"};
  for (int round = 0; round < 4000; round++) {
    struct victim victim;
    victim_init(&victim, round % 2 == 0);
    for (int step = 0; step < 8; step++) {
      seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      uint64_t id = uni(&victim, (seed >> 40) % 4);
      unsigned what = (unsigned)(seed >> 50) % 10;
      uint8_t bytes[16];
      size_t len = from_hex(pieces[(seed >> 33) % 8], bytes);
      if (what < 6)
        fake_send(victim.conn, id, bytes, len, what == 5);
      else if (what < 8)
        fake_reset(victim.conn, id, 0x100);
      else
        fake_stop(victim.conn, (seed >> 60) % 3 * 4 + (round % 2 == 0 ? 3 : 2), 0x100);
      if ((seed >> 45) % 3 != 0)
        fake_settle(victim.conn);
      if ((seed >> 46) % 4 == 0)
        fake_drain(victim.conn);
    }
    fake_settle(victim.conn);
    uint64_t code = close_code(&victim);
    assert_true(code == 0 || (code >= 0x100 && code <= 0x110) || (code >= 0x200 && code <= 0x202));
    assert_true(code != TERN_H3_INTERNAL_ERROR);
    victim_deinit(&victim);
  }
}

/* [rfc9114-6.1] */
static void test_bidi_from_server(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, false);
  give(&victim, 1, GET, false, 100);
  assert_int_equal(close_code(&victim), TERN_H3_STREAM_CREATION_ERROR);
  victim_deinit(&victim);
}

/* ---- memory and work ------------------------------------------------------------------------- */

/* HOSTILE H7: unknown frames of any length are counted, never kept. */
static void test_huge_unknown_frames(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  static uint8_t bytes[10000];
  for (uint64_t s = 0; s < 100; s++)
    give(&victim, s * 4, "21 ffffffffffffffff", false, 100);
  uint64_t before = victim.conn->alloc.used_bytes;
  for (int round = 0; round < 20; round++) {
    for (uint64_t s = 0; s < 100; s++)
      fake_send(victim.conn, s * 4, bytes, sizeof(bytes), false);
    fake_settle(victim.conn);
  }
  assert_int_equal(victim.conn->alloc.used_bytes, before);
  assert_int_equal(close_code(&victim), 0);
  victim_deinit(&victim);
}

/* HOSTILE H8: useless things end the connection within the burst, and leave no state behind. */
static void test_floods(void **state)
{
  (void)state;
  static const struct {
    const char *what;
    const char *once;
    const char *again;
    bool on_request;
  } floods[] = {
      {"unknown frames on control", "00 04 00", "21 00", false},
      {"GOAWAY", "00 04 00 07 01 04", "07 01 04", false},
      {"MAX_PUSH_ID", "00 04 00", "0d 01 04", false},
      {"unknown frames on a request", "21 00", "21 00", true},
      {"empty DATA", POST, "00 00", true},
  };
  for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
    struct victim victim;
    victim_init(&victim, true);
    if (floods[i].on_request)
      give_settings(&victim);
    uint64_t id = floods[i].on_request ? 0 : uni(&victim, 0);
    give(&victim, id, floods[i].once, false, 100);
    uint64_t before = victim.conn->alloc.used_bytes;
    int count = 0;
    while (close_code(&victim) == 0 && count++ < 5000) {
      give(&victim, id, floods[i].again, false, 100);
      if (close_code(&victim) == 0)
        assert_true(victim.conn->alloc.used_bytes <= before + 16384);
    }
    if (close_code(&victim) != TERN_H3_EXCESSIVE_LOAD || count > TERN_CAP_H3_GLITCH_BURST + 2)
      fail_msg("%s: %d", floods[i].what, count);
    victim_deinit(&victim);
  }
}

static void test_unknown_streams_flood(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  uint64_t before = victim.conn->alloc.used_bytes;
  uint64_t n = 1;
  for (; close_code(&victim) == 0 && n < 5000; n++) {
    give(&victim, uni(&victim, n), "21 00", true, 100);
    if (close_code(&victim) == 0)
      assert_true(victim.conn->alloc.used_bytes <= before);
  }
  assert_int_equal(close_code(&victim), TERN_H3_EXCESSIVE_LOAD);
  assert_true(n <= TERN_CAP_H3_GLITCH_BURST + 2);
  victim_deinit(&victim);
}

/* What an honest peer does now and then is forgiven: 33 a second, for an hour. */
static void test_glitches_are_forgiven(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  for (int second = 0; second < 600; second++) {
    for (int i = 0; i < TERN_CAP_H3_GLITCH_RATE; i++)
      give(&victim, uni(&victim, 0), "21 00", false, 100);
    fake_advance(victim.conn, victim.conn->now + TERN_SECOND);
  }
  assert_int_equal(close_code(&victim), 0);
  victim_deinit(&victim);
}

/* HOSTILE H11: rapid reset, and requests that make the server reset. */
static void test_rapid_reset(void **state)
{
  (void)state;
  for (int kind = 0; kind < 3; kind++) {
    struct victim victim;
    victim_init(&victim, true);
    give_settings(&victim);
    uint64_t n = 0;
    for (; close_code(&victim) == 0 && n < 5000; n++) {
      give(&victim, n * 4, kind == 2 ? "01 02 0000" : kind == 1 ? POST : GET, kind != 1, 100);
      if (kind < 2) {
        fake_reset(victim.conn, n * 4, TERN_H3_REQUEST_CANCELLED);
        fake_stop(victim.conn, n * 4, TERN_H3_REQUEST_CANCELLED);
      }
      fake_drain(victim.conn);
      if (kind == 0 && n > 400)
        break; /* GET with FIN and a cancellation is a plain end for us */
    }
    if (kind > 0) {
      assert_int_equal(close_code(&victim), TERN_H3_EXCESSIVE_LOAD);
      assert_true(n <= TERN_CAP_H3_GLITCH_BURST + 2);
    }
    fake_drain(victim.conn);
    assert_int_equal(victim.told, victim.closed);
    victim_deinit(&victim);
  }
}

/* HOSTILE H3: sections that wait for insertions that never come. */
static void test_blocked_streams(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  for (uint64_t s = 0; s < 16; s++)
    give(&victim, s * 4, "01 08 0200 80 d1 d7 5001 61", false, 3);
  assert_int_equal(close_code(&victim), 0);
  assert_int_equal(victim.told, 0);
  /* Cancelled ones free their place. */
  fake_reset(victim.conn, 0, TERN_H3_REQUEST_CANCELLED);
  fake_settle(victim.conn);
  give(&victim, 64, "01 08 0200 80 d1 d7 5001 61", false, 3);
  assert_int_equal(close_code(&victim), 0);
  give(&victim, 68, "01 08 0200 80 d1 d7 5001 61", false, 3);
  assert_int_equal(close_code(&victim), TERN_H3_QPACK_DECOMPRESSION_FAILED); /* [rfc9204-2.1.2] */
  victim_deinit(&victim);
}

static void test_blocked_bytes(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  give(&victim, 0, "01 8000 7000 0200 8080", false, 100);
  give(&victim, 4, "01 8000 7000 0200 8080", false, 100);
  assert_int_equal(close_code(&victim), 0);
  give(&victim, 8, "01 8000 7000 0200 8080", false, 100);
  assert_int_equal(close_code(&victim), TERN_H3_EXCESSIVE_LOAD);
  victim_deinit(&victim);
}

/* When the insertions come, what waited goes on, in any order. */
static void test_unblocked(void **state)
{
  (void)state;
  for (size_t chunk = 1; chunk < 40; chunk += 3) {
    struct victim victim;
    victim_init(&victim, true);
    give_settings(&victim);
    victim.answers = true;
    /* :path /x is entry 0, :path /y entry 1; the trailers of stream 4 need an entry 2. */
    give(&victim, 0, "01 08 0200 80 d1 d7 5001 61", true, chunk);
    give(&victim, 4, "01 08 0300 80 d1 d7 5001 61 01 03 0400 80", true, chunk);
    give(&victim, 8, "01 03 0400 80", true, chunk);
    assert_int_equal(victim.told, 0);
    give(&victim, uni(&victim, 1), "02 3fe11f c1022f78", false, chunk);
    assert_int_equal(victim.ended, 1);
    give(&victim, uni(&victim, 1), "c1022f79", false, chunk);
    assert_int_equal(victim.told, 2);
    assert_int_equal(victim.ended, 1);
    give(&victim, uni(&victim, 1), "4378787801 61", false, chunk); /* xxx: a */
    assert_int_equal(victim.ended, 2);
    assert_int_equal(close_code(&victim), 0);
    /* Stream 8 has no pseudo-header fields. */
    assert_int_equal(fake_find(victim.conn, 8)->out_code, TERN_H3_MESSAGE_ERROR);
    victim_deinit(&victim);
  }
}

/* HOSTILE H1, H2: what incomplete sections hold together is bounded; each stops at its limit. */
static void test_section_bombs(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  uint8_t bytes[8192];
  size_t len = from_hex("02 3fe11f c17fda1e", bytes); /* an entry of 4,094 */
  memset(bytes + len, 'x', 4057);
  fake_send(victim.conn, uni(&victim, 1), bytes, len + 4057, false);
  fake_settle(victim.conn);
  uint64_t before = victim.conn->alloc.used_bytes;
  uint64_t peak = 0;
  for (uint64_t s = 0; s < 100; s++) {
    give(&victim, s * 4, "01 40ff 0200 80808080808080", false, 100); /* 28 KiB each, incomplete */
    if (victim.conn->alloc.used_bytes - before > peak)
      peak = victim.conn->alloc.used_bytes - before;
  }
  assert_true(peak <= 262144);
  assert_int_equal(close_code(&victim), 0);
  assert_int_equal(victim.told, 0);
  victim_deinit(&victim);
}

/* [rfc9114-4.2.2] a header section that is too large gets a 431 and the connection goes on. */
static void test_431(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  uint8_t bytes[40000];
  size_t len = from_hex("01 8000 9000 0000 d1 d7 5001 61 c1 2161 7f81ff01", bytes);
  memset(bytes + len, 'v', sizeof(bytes) - len);
  fake_send(victim.conn, 0, bytes, 33000, false);
  fake_settle(victim.conn);
  assert_int_equal(close_code(&victim), 0);
  assert_int_equal(victim.told, 0);
  tern_stream *stream = fake_find(victim.conn, 0);
  assert_non_null(stream);
  assert_true(stream->in_stopped);
  assert_true(stream->out_fin);
  assert_false(stream->out_reset);
  static const uint8_t status[] = {'4', '3', '1'};
  bool has_status = false;
  for (size_t i = 0; i + 3 <= stream->out_len; i++)
    has_status = has_status || memcmp(stream->out + i, status, 3) == 0;
  assert_true(has_status || stream->out_len > 4); /* Huffman may have coded it */
  fake_drain(victim.conn);
  give(&victim, 4, GET, true, 100);
  assert_int_equal(victim.ended, 1);
  victim_deinit(&victim);
}

/* A decoder stream that is never read. */
static void test_decoder_stream_not_read(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  give(&victim, uni(&victim, 1), "02 3fe11f c10161", false, 100);
  uint64_t n = 0;
  while (close_code(&victim) == 0 && n < 100000) {
    give(&victim, uni(&victim, 1), "00", false, 100); /* duplicates, each acknowledged */
    n++;
  }
  assert_int_equal(close_code(&victim), TERN_H3_EXCESSIVE_LOAD);
  assert_true(n <= 65537);
  victim_deinit(&victim);
}

/* HOSTILE H13 */
static void test_header_deadline(void **state)
{
  (void)state;
  struct victim victim;
  victim_init(&victim, true);
  give_settings(&victim);
  tern_time start = victim.conn->now;
  for (uint64_t s = 0; s < 100; s++)
    give(&victim, s * 4, "01", false, 100);
  static const char *const drip[] = {"20", "00", "00", "51", "1b", "61", "61", "61", "61"};
  for (int second = 1; second <= 9; second++) {
    for (uint64_t s = 0; s < 100; s++)
      give(&victim, s * 4, drip[second - 1], false, 100);
    fake_advance(victim.conn, start + (uint64_t)second * TERN_SECOND);
  }
  assert_int_equal(tern_h3_get_request_count(victim.h3), 100);
  fake_advance(victim.conn, start + 10 * TERN_SECOND);
  for (uint64_t s = 0; s < 100; s++)
    assert_int_equal(fake_find(victim.conn, s * 4)->out_code, TERN_H3_REQUEST_INCOMPLETE);
  fake_drain(victim.conn);
  assert_int_equal(tern_h3_get_request_count(victim.h3), 0);
  assert_int_equal(close_code(&victim), 0);
  victim_deinit(&victim);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_unidirectional_streams),
      cmocka_unit_test(test_request_streams),
      cmocka_unit_test(test_requests),
      cmocka_unit_test(test_responses),
      cmocka_unit_test(test_cut_at_every_byte),
      cmocka_unit_test(test_second_critical_stream),
      cmocka_unit_test(test_reset_critical_stream),
      cmocka_unit_test(test_stop_critical_stream),
      cmocka_unit_test(test_critical_orders),
      cmocka_unit_test(test_bidi_from_server),
      cmocka_unit_test(test_huge_unknown_frames),
      cmocka_unit_test(test_floods),
      cmocka_unit_test(test_unknown_streams_flood),
      cmocka_unit_test(test_glitches_are_forgiven),
      cmocka_unit_test(test_rapid_reset),
      cmocka_unit_test(test_blocked_streams),
      cmocka_unit_test(test_blocked_bytes),
      cmocka_unit_test(test_unblocked),
      cmocka_unit_test(test_section_bombs),
      cmocka_unit_test(test_431),
      cmocka_unit_test(test_decoder_stream_not_read),
      cmocka_unit_test(test_header_deadline),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
