/* SPDX-License-Identifier: MIT */
/* The qlog writer: known records character for character, bounds, and every kind of event with plain,
 * empty and hostile fields. Where TERN_SPEC has the drafts, all that is written here is checked against
 * their CDDL, too. */
#define _POSIX_C_SOURCE 200809L /* popen */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include <tern/qlog.h>

#include "event/event.h"
#include "event/event_table.h"

#define TEXT_MAX (4u << 20)

struct sink {
  char text[TEXT_MAX];
  size_t len;
  size_t last; /* where the last record begins */
  size_t records;
  char begun[200];
  uint64_t ended;
  uint64_t conn;
};

struct rig {
  struct sink sink;
  tern_qlog qlog;
  tern_event_subscriber subscriber;
  struct tern_event_bus bus;
};

static void on_begin(void *arg, uint64_t conn, tern_slice odcid, bool is_server)
{
  struct sink *sink = arg;
  snprintf(sink->begun, sizeof sink->begun, "%u %u %02x %s", (unsigned)conn, (unsigned)odcid.len,
           odcid.data[0], is_server ? "server" : "client");
}

static void on_write(void *arg, uint64_t conn, const char *record, size_t len)
{
  struct sink *sink = arg;
  assert_true(sink->len + len < TEXT_MAX);
  assert_int_equal(record[0], 0x1e);
  assert_int_equal(record[len - 1], '\n');
  for (size_t i = 1; i + 1 < len; i++)
    assert_in_range(record[i], 0x20, 0x7e);
  memcpy(sink->text + sink->len, record, len);
  sink->last = sink->len;
  sink->len += len;
  sink->text[sink->len] = '\0';
  sink->records++;
  sink->conn = conn;
}

static void on_end(void *arg, uint64_t conn)
{
  struct sink *sink = arg;
  sink->ended = conn;
}

static int set_up(void **state)
{
  static const tern_qlog_ops ops = {on_begin, on_write, on_end};
  struct rig *rig = calloc(1, sizeof *rig);
  tern_qlog_init(&rig->qlog, &ops, &rig->sink);
  rig->subscriber = tern_qlog_subscriber(&rig->qlog);
  tern_event_bus_init(&rig->bus, &rig->subscriber, 1);
  rig->bus.now = 5 * TERN_SECOND;
  *state = rig;
  return rig != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
  free(*state);
  return 0;
}

/* The last record, without its frame of RFC 7464. */
static const char *take_last(struct rig *rig)
{
  rig->sink.text[rig->sink.len - 1] = '\0';
  return rig->sink.text + rig->sink.last + 1;
}

static void check_schema(const struct rig *rig)
{
  if (getenv("TERN_SPEC") == NULL)
    return;
  FILE *checker = popen("python3 scripts/check_qlog.py /dev/stdin", "w");
  assert_non_null(checker);
  assert_int_equal(fwrite(rig->sink.text, 1, rig->sink.len, checker), rig->sink.len);
  int status = pclose(checker);
  assert_true(WIFEXITED(status));
  assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}

/* ---- known records ----------------------------------------------------------------------------- */

/* draft-ietf-quic-qlog-main-schema section 5: the header of a sequence. */
static void test_header(void **state)
{
  struct rig *rig = *state;
  rig->qlog.title = "a \"title\"";
  rig->qlog.wall_clock = "2026-01-02T03:04:05.678Z";
  TERN_EVENT(&rig->bus, 7, mtu_changed, .old_bytes = 1200, .new_bytes = 1452);
  assert_int_equal(rig->sink.records, 2);
  assert_string_equal(take_last(rig), "{\"time\":0.000000,\"name\":\"quic:mtu_updated\","
                                      "\"group_id\":\"7\",\"data\":{\"old\":1200,\"new\":1452}}");
  rig->sink.text[rig->sink.last - 1] = '\0';
  assert_string_equal(
      rig->sink.text + 1,
      "{\"file_schema\":\"urn:ietf:params:qlog:file:sequential\","
      "\"serialization_format\":\"application/qlog+json-seq\",\"title\":\"a \\\"title\\\"\","
      "\"trace\":{\"common_fields\":{\"time_format\":\"relative_to_epoch\",\"reference_time\":{"
      "\"clock_type\":\"monotonic\",\"epoch\":\"unknown\","
      "\"wall_clock_time\":\"2026-01-02T03:04:05.678Z\"}},"
      "\"vantage_point\":{\"name\":\"tern\",\"type\":\"unknown\"},"
      "\"event_schemas\":[\"urn:ietf:params:qlog:events:quic\","
      "\"urn:ietf:params:qlog:events:http3\",\"urn:ietf:params:qlog:events:loglevel\","
      "\"urn:ietf:params:qlog:events:simulation\"]}}");
}

static void send_frame(struct rig *rig, uint64_t conn, tern_slice wire)
{
  TERN_EVENT(&rig->bus, conn, frame_sent, .space = 2, .wire = wire);
}

/* Frames wait for their packet; another connection's packet does not take them. */
static void test_packet(void **state)
{
  struct rig *rig = *state;
  rig->qlog.is_split = true;
  /* ACK of 5 to 9 and 2, after 8 << 3 us; STREAM 4 from 16 on, 3 bytes, the last. */
  send_frame(rig, 1, tern_slice_of("\x02\x09\x08\x01\x04\x01\x00", 7));
  send_frame(rig, 1, tern_slice_of("\x0f\x04\x10\x03xyz", 7));
  assert_int_equal(rig->sink.records, 0);
  rig->bus.now += 1234567;
  TERN_EVENT(&rig->bus, 2, packet_sent, .space = 0, .number = 1, .bytes = 1200, .is_probe = true);
  assert_string_equal(take_last(rig),
                      "{\"time\":1.234567,\"name\":\"quic:packet_sent\",\"data\":{\"header\":{"
                      "\"packet_type\":\"initial\",\"packet_number\":1},\"frames\":[],"
                      "\"raw\":{\"length\":1200},\"trigger\":\"pto_probe\"}}");
  TERN_EVENT(&rig->bus, 1, packet_sent, .space = 2, .number = 77, .bytes = 50);
  assert_string_equal(take_last(rig),
                      "{\"time\":1.234567,\"name\":\"quic:packet_sent\",\"data\":{\"header\":{"
                      "\"packet_type\":\"1RTT\",\"packet_number\":77},\"frames\":[{"
                      "\"frame_type\":\"ack\",\"ack_delay\":0.064000,\"acked_ranges\":[[5,9],[2]],"
                      "\"raw\":{\"length\":7}},{\"frame_type\":\"stream\",\"stream_id\":4,"
                      "\"offset\":16,\"fin\":true,\"raw\":{\"length\":7,\"payload_length\":3}}],"
                      "\"raw\":{\"length\":50}}}");
  TERN_EVENT(&rig->bus, 1, packet_sent, .space = 2, .number = 78, .bytes = 50);
  assert_non_null(strstr(take_last(rig), "\"frames\":[]"));
}

/* What a peer says cannot leave its string. */
static void test_escapes(void **state)
{
  struct rig *rig = *state;
  TERN_EVENT(&rig->bus, 1, conn_closed, .kind = "application", .by_peer = true, .code = 0x102,
             .reason = tern_slice_of("\"},\x1e\n\\\xff", 7));
  assert_string_equal(take_last(rig),
                      "{\"time\":0.000000,\"name\":\"quic:connection_closed\",\"group_id\":\"1\","
                      "\"data\":{\"initiator\":\"remote\","
                      "\"application_error\":\"http_internal_error\","
                      "\"reason\":\"\\\"},\\u001e\\u000a\\\\\\u00ff\","
                      "\"trigger\":\"application\"}}");
  TERN_EVENT(&rig->bus, 1, conn_closed, .kind = "tls", .code = 0x128);
  assert_non_null(strstr(take_last(rig), "\"connection_error\":\"crypto_error_0x128\""));
}

/* A trace per connection begins, ends, and has nothing of the endpoint. */
static void test_split(void **state)
{
  struct rig *rig = *state;
  rig->qlog.is_split = true;
  TERN_EVENT(&rig->bus, 0, io_feature, .feature = "gso");
  assert_int_equal(rig->sink.records, 0);
  TERN_EVENT(&rig->bus, 3, conn_started, .is_server = true,
             .remote_cid = tern_slice_of("\xab\xcd", 2), .version = 1,
             .local = {.family = 4, .ip = {127, 0, 0, 1}, .port = 443},
             .remote = {.family = 6, .ip = {[15] = 1}, .port = 9});
  assert_string_equal(rig->sink.begun, "3 2 ab server");
  assert_int_equal(rig->sink.conn, 3);
  assert_non_null(strstr(rig->sink.text, "\"type\":\"server\""));
  assert_non_null(strstr(rig->sink.text, "\"local\":{\"ip_v4\":\"127.0.0.1\",\"port_v4\":443,"));
  assert_non_null(strstr(rig->sink.text, "\"remote\":{\"ip_v6\":\"::1\",\"port_v6\":9,"));
  check_schema(rig);
  TERN_EVENT(&rig->bus, 3, conn_state, .state = "closed");
  assert_int_equal(rig->sink.ended, 3);
}

/* ---- bounds ---------------------------------------------------------------------------------------- */

/* A packet of a thousand PINGs: no frame is lost, no record is too long. */
static void test_many_frames(void **state)
{
  struct rig *rig = *state;
  size_t pings = 0;
  for (int i = 0; i < 1000; i++)
    TERN_EVENT(&rig->bus, 1, frame_received, .wire = tern_slice_of("\x01", 1));
  TERN_EVENT(&rig->bus, 1, packet_received, .space = 2, .number = 1, .bytes = 1200);
  for (const char *at = rig->sink.text; (at = strstr(at, "\"ping\"")) != NULL; at++)
    pings++;
  assert_int_equal(pings, 1000);
  assert_int_equal(rig->qlog.records_cut, 0);
  assert_in_range(rig->sink.records, 3, 20);
  check_schema(rig);
}

/* ---- every kind ------------------------------------------------------------------------------------ */

enum fill { FILL_ZERO, FILL_PLAIN, FILL_EXTREME };

static uint8_t hostile[3000];

static void set_slice(void *at, enum tern_event_type type, enum fill fill)
{
  /* Ids are at most 20 bytes, whoever made them. */
  size_t most = type == TERN_EVENT_TYPE_CID ? 20 : sizeof hostile;
  tern_slice slice = {0};
  if (fill == FILL_PLAIN)
    slice = tern_slice_of("h3-test", 7);
  if (fill == FILL_EXTREME)
    slice = tern_slice_of(hostile, most);
  memcpy(at, &slice, sizeof slice);
}

static void set_field(void *at, const struct tern_event_field *field, enum fill fill)
{
  static const size_t sizes[] = {
      [TERN_EVENT_TYPE_U8] = 1,    [TERN_EVENT_TYPE_U16] = 2,    [TERN_EVENT_TYPE_U32] = 4,
      [TERN_EVENT_TYPE_U64] = 8,   [TERN_EVENT_TYPE_HEX64] = 8,  [TERN_EVENT_TYPE_SIZE] = 8,
      [TERN_EVENT_TYPE_BYTES] = 8, [TERN_EVENT_TYPE_NUMBER] = 8, [TERN_EVENT_TYPE_NS] = 8,
      [TERN_EVENT_TYPE_SPACE] = 1, [TERN_EVENT_TYPE_LEVEL] = 1,  [TERN_EVENT_TYPE_ECN] = 1,
      [TERN_EVENT_TYPE_SHIFT] = 1, [TERN_EVENT_TYPE_DROP] = 4};
  const char *words = fill == FILL_PLAIN ? "testing" : NULL;
  uint64_t value = fill == FILL_PLAIN ? 2 : UINT64_MAX >> (fill == FILL_EXTREME ? 0 : 63);
  tern_addr addr = {.family = 6, .port = 443};
  bool yes = true;
  if (fill == FILL_ZERO)
    return;
  if (field->type == TERN_EVENT_TYPE_TEXT || field->type == TERN_EVENT_TYPE_NTEXT)
    memcpy(at, &words, sizeof words);
  else if (field->type == TERN_EVENT_TYPE_STRING || field->type == TERN_EVENT_TYPE_CID ||
           field->type == TERN_EVENT_TYPE_WIRE)
    set_slice(at, field->type, fill);
  else if (field->type == TERN_EVENT_TYPE_ADDR)
    memcpy(at, &addr, sizeof addr);
  else if (field->type == TERN_EVENT_TYPE_BOOL)
    memcpy(at, &yes, sizeof yes);
  else
    memcpy(at, &value, sizes[field->type]);
}

static void test_every_kind(void **state)
{
  struct rig *rig = *state;
  for (size_t i = 0; i < sizeof hostile; i++)
    hostile[i] = (uint8_t)(i * 7 + 0x30);
  for (int fill = FILL_ZERO; fill <= FILL_EXTREME; fill++)
    for (unsigned kind = 0; kind < TERN_EVENT_COUNT; kind++) {
      const struct tern_event_info *info = &tern_event_table[kind];
      tern_event event = {.conn = 1, .kind = (tern_event_kind)kind};
      for (size_t i = 0; i < info->fields_count; i++)
        set_field((char *)&event + info->fields[i].offset, &info->fields[i], (enum fill)fill);
      if (fill != FILL_EXTREME || kind != TERN_EVENT_MTU_CHANGED) /* the schema has 32 bits */
        tern_event_emit(&rig->bus, &event);
    }
  assert_int_equal(rig->qlog.records_cut, 0);
  assert_in_range(rig->sink.records, 3 * 45, 3 * 90);
  check_schema(rig);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_header, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_packet, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_escapes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_split, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_many_frames, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_every_kind, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
