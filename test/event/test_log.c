/* SPDX-License-Identifier: MIT */
/* Lines of the text log: known ones byte for byte; every event with empty, extreme and hostile fields
 * at every size of buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "event/event.h"
#include "event/event_table.h"

struct lines {
  char last[TERN_LOG_LINE_MAX];
  size_t count;
};

static void write_line(void *arg, const char *line, size_t len)
{
  struct lines *lines = arg;
  assert_true(len > 0 && len < TERN_LOG_LINE_MAX);
  assert_int_equal(line[len], '\0');
  assert_int_equal(line[len - 1], '\n');
  assert_ptr_equal(strchr(line, '\n'), line + len - 1);
  memcpy(lines->last, line, len + 1);
  lines->count++;
}

static void test_lines(void **state)
{
  struct tern_event_bus bus;
  struct lines lines = {.count = 0};
  tern_log log;
  (void)state;
  tern_log_init(&log, write_line, &lines);
  tern_event_subscriber subscriber = tern_log_subscriber(&log, TERN_EVENT_LEVEL_TRACE);
  tern_event_bus_init(&bus, &subscriber, 1);

  bus.now = 0; /* not told yet: does not start the clock */
  TERN_EVENT(&bus, 0, conn_state, .state = "new");
  assert_string_equal(lines.last, "  0.000000 - conn_state new\n");
  bus.now = 5 * TERN_SECOND;
  TERN_EVENT(&bus, 0, io_feature, .feature = "gso", .is_on = true);
  assert_string_equal(lines.last, "  0.000000 - io_feature gso is_on\n");
  bus.now += 1234567;
  TERN_EVENT(&bus, 1, packet_sent, .space = 0, .number = 0, .bytes = 1200, .ack_eliciting = true,
             .in_flight = true);
  assert_string_equal(lines.last, "  0.001234 c1 packet_sent initial #0 1200B ack_eliciting "
                                  "in_flight\n");
  bus.now += 1000 * TERN_SECOND;
  TERN_EVENT(&bus, 12, rtt_updated, .latest_ns = 10 * TERN_MS, .smoothed_ns = 1499,
             .variation_ns = 1500, .min_ns = 999999999);
  assert_string_equal(lines.last, "1000.001234 c12 rtt_updated latest=10.000ms smoothed=0.001ms "
                                  "variation=0.002ms min=1000.000ms\n");
  TERN_EVENT(&bus, 2, congestion_state, .state = "slow_start", .window_bytes = 12000,
             .ssthresh_bytes = UINT64_MAX, .pacing_rate = 5);
  assert_string_equal(lines.last, "1000.001234 c2 congestion_state slow_start window=12000B "
                                  "in_flight=0B ssthresh=none pacing_rate=5\n");
  tern_event_drop_datagram(&bus, 3, TERN_DROP_TOO_SHORT,
                           &(tern_addr){.family = 4, .ip = {127, 0, 0, 1}, .port = 9});
  assert_string_equal(lines.last,
                      "1000.001234 - datagram_dropped 3B too_short remote=127.0.0.1:9\n");
  TERN_EVENT(&bus, 2, keys_installed, .level = 2, .is_tx = true);
  assert_string_equal(lines.last, "1000.001234 c2 keys_installed handshake is_tx\n");
  TERN_EVENT(&bus, 2, datagram_received, .bytes = 5, .ecn = TERN_ECN_CE);
  assert_string_equal(lines.last, "1000.001234 c2 datagram_received 5B ecn=ce\n");
  TERN_EVENT(&bus, 2, cid_issued, .sequence = 1, .cid = tern_slice_of("\x01\xab", 2));
  assert_string_equal(lines.last, "1000.001234 c2 cid_issued sequence=1 cid=01ab\n");
  TERN_EVENT(&bus, 2, cid_issued, .by_peer = true, .sequence = 1);
  assert_string_equal(lines.last, "1000.001234 c2 cid_issued by_peer sequence=1 cid=-\n");
  TERN_EVENT(&bus, 2, conn_closed, .kind = "transport", .code = 0x0a, .frame = 0x1e,
             .code_name = "PROTOCOL_VIOLATION", .reason = tern_slice_of("no \"x\"", 6));
  assert_string_equal(lines.last,
                      "1000.001234 c2 conn_closed transport code=0xa "
                      "code_name=PROTOCOL_VIOLATION frame=0x1e reason=\"no \\\"x\\\"\"\n");
  /* A time before the first event is shown as zero, not as 500 years. */
  bus.now = 0;
  TERN_EVENT(&bus, 0, glitch, .what = "ping");
  assert_string_equal(lines.last, "  0.000000 - glitch ping level=0\n");
}

static void test_filters(void **state)
{
  struct tern_event_bus bus;
  struct lines lines = {.count = 0};
  tern_log log;
  (void)state;
  tern_log_init(&log, write_line, &lines);
  log.conn = 2;
  tern_event_subscriber subscriber = tern_log_subscriber(&log, TERN_EVENT_LEVEL_INFO);
  tern_event_bus_init(&bus, &subscriber, 1);
  TERN_EVENT(&bus, 1, conn_state, .state = "closed");
  TERN_EVENT(&bus, 0, io_drops, .count = 1);
  TERN_EVENT(&bus, 2, packet_sent, .number = 1);
  assert_int_equal(lines.count, 0);
  TERN_EVENT(&bus, 2, conn_state, .state = "closed");
  assert_int_equal(lines.count, 1);
}

/* A peer cannot forge a line or send control bytes to a terminal. */
static void test_escapes(void **state)
{
  struct tern_event_bus bus;
  struct lines lines = {.count = 0};
  tern_log log;
  uint8_t bytes[256];
  (void)state;
  tern_log_init(&log, write_line, &lines);
  tern_event_subscriber subscriber = tern_log_subscriber(&log, TERN_EVENT_LEVEL_TRACE);
  tern_event_bus_init(&bus, &subscriber, 1);
  TERN_EVENT(&bus, 1, h3_request, .method = tern_slice_of("GET", 3),
             .path = tern_slice_of("/a\n\x1b[31m\\\xff\0z", 12));
  assert_string_equal(lines.last,
                      "  0.000000 c1 h3_request stream=0 method=\"GET\" scheme=\"\" authority=\"\" "
                      "path=\"/a\\x0a\\x1b[31m\\\\\\xff\\x00z\"\n");
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t)i;
  TERN_EVENT(&bus, 1, tls_complete, .alpn = tern_slice_of(bytes, sizeof bytes));
  for (const char *c = lines.last; *c != '\n'; c++)
    assert_in_range(*c, 0x20, 0x7e);
  const char *end = strrchr(lines.last, '.');
  assert_string_equal(end - 2, "...\n");
}

static uint8_t hostile[3000];

/* Sets one field to zeros, to its largest value, or to something long and unprintable. */
static void set_field(void *at, enum tern_event_type type, bool is_extreme)
{
  static char text[sizeof hostile];
  uint64_t ones = is_extreme ? UINT64_MAX : 0;
  tern_slice slice = tern_slice_of(is_extreme ? hostile : NULL, is_extreme ? sizeof hostile : 0);
  tern_addr addr = {0};
  memset(text, 0xff, sizeof text - 1);
  const char *words = is_extreme ? text : NULL;
  bool flag = is_extreme;
  switch (type) {
  case TERN_EVENT_TYPE_U8:
  case TERN_EVENT_TYPE_SPACE:
  case TERN_EVENT_TYPE_LEVEL:
  case TERN_EVENT_TYPE_ECN:
  case TERN_EVENT_TYPE_SHIFT:
    memcpy(at, &ones, 1);
    return;
  case TERN_EVENT_TYPE_U16:
    memcpy(at, &ones, 2);
    return;
  case TERN_EVENT_TYPE_U32:
  case TERN_EVENT_TYPE_DROP:
    memcpy(at, &ones, 4);
    return;
  case TERN_EVENT_TYPE_U64:
  case TERN_EVENT_TYPE_HEX64:
  case TERN_EVENT_TYPE_SIZE:
  case TERN_EVENT_TYPE_BYTES:
  case TERN_EVENT_TYPE_NUMBER:
  case TERN_EVENT_TYPE_NS:
    memcpy(at, &ones, 8);
    return;
  case TERN_EVENT_TYPE_BOOL:
    memcpy(at, &flag, sizeof flag);
    return;
  case TERN_EVENT_TYPE_TEXT:
  case TERN_EVENT_TYPE_NTEXT:
    memcpy(at, &words, sizeof words);
    return;
  case TERN_EVENT_TYPE_STRING:
  case TERN_EVENT_TYPE_CID:
  case TERN_EVENT_TYPE_WIRE:
    memcpy(at, &slice, sizeof slice);
    return;
  case TERN_EVENT_TYPE_ADDR:
    if (is_extreme) {
      memset(&addr, 0xff, sizeof addr);
      addr.family = 6;
    }
    memcpy(at, &addr, sizeof addr);
    return;
  }
}

static void check_all_sizes(const tern_event *event)
{
  char text[700];
  for (size_t size = 0; size < sizeof text - 1; size += size < 40 ? 1 : 37) {
    memset(text, '#', sizeof text);
    size_t len = tern_event_format(event, text, size);
    if (size > 0) {
      assert_true(len < size);
      assert_int_equal(strlen(text), len);
    }
    for (size_t i = 0; i < len; i++)
      assert_in_range(text[i], 0x20, 0x7e);
    for (size_t i = size; i < sizeof text; i++)
      assert_int_equal(text[i], '#');
  }
}

static void format_all(bool is_extreme)
{
  struct lines lines = {.count = 0};
  tern_log log;
  tern_log_init(&log, write_line, &lines);
  tern_event_subscriber subscriber = tern_log_subscriber(&log, TERN_EVENT_LEVEL_TRACE);
  for (int kind = 0; kind < TERN_EVENT_COUNT; kind++) {
    tern_event event;
    memset(&event, is_extreme ? 0xff : 0, sizeof event);
    event.kind = (tern_event_kind)kind;
    const struct tern_event_info *info = &tern_event_table[kind];
    for (size_t i = 0; i < info->fields_count; i++)
      set_field((char *)&event + info->fields[i].offset, info->fields[i].type, is_extreme);
    subscriber.on_event(subscriber.arg, &event);
    assert_non_null(strstr(lines.last, tern_event_name((tern_event_kind)kind)));
    check_all_sizes(&event);
  }
  assert_int_equal(lines.count, TERN_EVENT_COUNT);
}

static void test_all_events(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof hostile; i++)
    hostile[i] = (uint8_t)(i * 31);
  format_all(false);
  format_all(true);
}

static void test_unknown_kind(void **state)
{
  tern_event event;
  char text[20];
  (void)state;
  memset(&event, 0, sizeof event);
  event.kind = TERN_EVENT_COUNT;
  assert_int_equal(tern_event_format(&event, text, sizeof text), 7);
  assert_string_equal(text, "unknown");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lines),        cmocka_unit_test(test_filters),
      cmocka_unit_test(test_escapes),      cmocka_unit_test(test_all_events),
      cmocka_unit_test(test_unknown_kind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
