/* SPDX-License-Identifier: MIT */
/* The bus: who is told what, what is counted, and that an unwanted event costs nothing. The tables:
 * complete and unique. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "event/event.h"
#include "event/event_table.h"

struct seen {
  uint64_t count;
  tern_event last;
};

static void on_event(void *arg, const tern_event *event)
{
  struct seen *seen = arg;
  seen->count++;
  seen->last = *event;
}

static int evaluations;

static uint64_t evaluate(uint64_t value)
{
  evaluations++;
  return value;
}

static void test_nobody_listens(void **state)
{
  struct tern_event_bus bus;
  (void)state;
  tern_event_bus_init(&bus, NULL, 0);
  evaluations = 0;
  TERN_EVENT(&bus, 1, packet_sent, .space = 0, .number = evaluate(7));
  TERN_EVENT(&bus, 1, frame_sent, .type = evaluate(7));
  assert_int_equal(evaluations, 0);
  assert_int_equal(bus.counters[TERN_EVENT_PACKET_SENT], 0);
  /* Rare kinds are counted all the same. */
  TERN_EVENT(&bus, 1, conn_closed, .code = evaluate(7));
  assert_int_equal(evaluations, 1);
  assert_int_equal(bus.counters[TERN_EVENT_CONN_CLOSED], 1);
}

static void test_dispatch(void **state)
{
  struct tern_event_bus bus;
  struct seen packets = {0}, all = {0};
  const tern_event_subscriber subscribers[] = {
      {on_event, &packets,
       tern_event_mask_of(TERN_EVENT_PACKET_SENT) | tern_event_mask_of(TERN_EVENT_PACKET_LOST)},
      {on_event, &all, UINT64_MAX},
  };
  (void)state;
  tern_event_bus_init(&bus, subscribers, 2);
  bus.now = 12345;
  TERN_EVENT(&bus, 3, packet_sent, .space = 2, .number = 9, .bytes = 1200, .ack_eliciting = true);
  assert_int_equal(packets.count, 1);
  assert_int_equal(packets.last.time, 12345);
  assert_int_equal(packets.last.conn, 3);
  assert_int_equal(packets.last.kind, TERN_EVENT_PACKET_SENT);
  assert_int_equal(packets.last.data.packet_sent.space, 2);
  assert_int_equal(packets.last.data.packet_sent.number, 9);
  assert_int_equal(packets.last.data.packet_sent.bytes, 1200);
  assert_true(packets.last.data.packet_sent.ack_eliciting);
  assert_false(packets.last.data.packet_sent.in_flight);
  bus.now = 12346;
  TERN_EVENT(&bus, 0, glitch, .what = "ping");
  assert_int_equal(packets.count, 1);
  assert_int_equal(all.count, 2);
  assert_int_equal(all.last.time, 12346);
  assert_string_equal(all.last.data.glitch.what, "ping");
  assert_int_equal(bus.counters[TERN_EVENT_PACKET_SENT], 1);
  assert_int_equal(bus.counters[TERN_EVENT_GLITCH], 1);
}

/* A statement like any other, so that it can stand in an if without braces. */
static void test_macro_is_a_statement(void **state)
{
  struct tern_event_bus bus;
  (void)state;
  tern_event_bus_init(&bus, NULL, 0);
  if (bus.count == 0)
    TERN_EVENT(&bus, 1, conn_state, .state = "closed");
  else
    TERN_EVENT(&bus, 1, key_updated, .phase = 1);
  assert_int_equal(bus.counters[TERN_EVENT_CONN_STATE], 1);
  assert_int_equal(bus.counters[TERN_EVENT_KEY_UPDATED], 0);
}

static void test_drops(void **state)
{
  struct tern_event_bus bus;
  struct seen seen = {0};
  const tern_event_subscriber subscriber = {on_event, &seen, UINT64_MAX};
  const tern_addr remote = {.family = 4, .ip = {192, 0, 2, 1}, .port = 4433};
  (void)state;
  tern_event_bus_init(&bus, NULL, 0);
  tern_event_drop_packet(&bus, 1, 2, 50, TERN_DROP_DUPLICATE);
  tern_event_drop_datagram(&bus, 20, TERN_DROP_TOO_SHORT, NULL);
  assert_int_equal(bus.drops[TERN_DROP_DUPLICATE], 1);
  assert_int_equal(bus.drops[TERN_DROP_TOO_SHORT], 1);
  assert_int_equal(tern_event_drops_total(&bus), 2);

  tern_event_bus_init(&bus, &subscriber, 1);
  tern_event_drop_packet(&bus, 1, 2, 50, TERN_DROP_DUPLICATE);
  assert_int_equal(seen.last.kind, TERN_EVENT_PACKET_DROPPED);
  assert_int_equal(seen.last.data.packet_dropped.reason, TERN_DROP_DUPLICATE);
  tern_event_drop_datagram(&bus, 20, TERN_DROP_TOO_SHORT, &remote);
  assert_int_equal(seen.last.conn, 0);
  assert_int_equal(seen.last.data.datagram_dropped.bytes, 20);
  assert_true(tern_addr_equal(&seen.last.data.datagram_dropped.remote, &remote));
}

static void test_levels(void **state)
{
  tern_event_level level;
  uint64_t above = 0;
  (void)state;
  for (int i = TERN_EVENT_LEVEL_ERROR; i <= TERN_EVENT_LEVEL_TRACE; i++) {
    uint64_t mask = tern_event_mask_of_level((tern_event_level)i);
    assert_true((mask & above) == above);
    above = mask;
    assert_true(tern_event_level_parse(&level, tern_event_level_name((tern_event_level)i)));
    assert_int_equal(level, i);
  }
  assert_true(above == UINT64_MAX >> (64 - TERN_EVENT_COUNT));
  assert_false(tern_event_level_parse(&level, "loud"));
  assert_false(tern_event_level_parse(&level, ""));
  assert_true(tern_event_mask_of_level(TERN_EVENT_LEVEL_INFO) &
              tern_event_mask_of(TERN_EVENT_CONN_CLOSED));
  assert_false(tern_event_mask_of_level(TERN_EVENT_LEVEL_INFO) &
               tern_event_mask_of(TERN_EVENT_PACKET_SENT));
  assert_string_equal(tern_event_level_name((tern_event_level)77), "unknown");
}

static void test_tables(void **state)
{
  (void)state;
  assert_true(TERN_EVENT_COUNT <= 64);
  for (int i = 0; i < TERN_EVENT_COUNT; i++) {
    const struct tern_event_info *info = &tern_event_table[i];
    assert_string_equal(tern_event_name((tern_event_kind)i), info->name);
    assert_string_equal(tern_event_category((tern_event_kind)i), info->category);
    assert_int_equal(tern_event_get_level((tern_event_kind)i), info->level);
    assert_true(info->fields_count > 0);
    for (size_t j = 0; j < info->fields_count; j++)
      assert_in_range(info->fields[j].offset, offsetof(tern_event, data), sizeof(tern_event) - 1);
    for (int j = 0; j < i; j++)
      assert_string_not_equal(info->name, tern_event_table[j].name);
  }
  assert_string_equal(tern_event_name(TERN_EVENT_PACKET_SENT), "packet_sent");
  assert_string_equal(tern_event_name(TERN_EVENT_COUNT), "unknown");
  assert_string_equal(tern_event_category(TERN_EVENT_COUNT), "unknown");
}

static void test_drop_names(void **state)
{
  (void)state;
  for (int i = 0; i < TERN_DROP_COUNT; i++) {
    const char *name = tern_drop_reason_name((enum tern_drop_reason)i);
    assert_string_not_equal(name, "unknown");
    assert_true(strlen(tern_drop_reason_text((enum tern_drop_reason)i)) > 0);
    for (int j = 0; j < i; j++)
      assert_string_not_equal(name, tern_drop_reason_name((enum tern_drop_reason)j));
  }
  assert_string_equal(tern_drop_reason_name(TERN_DROP_UNKNOWN_CID), "unknown_cid");
  assert_string_equal(tern_drop_reason_name(TERN_DROP_TRUNCATED), "truncated");
  assert_string_equal(tern_drop_reason_name(TERN_DROP_COUNT), "unknown");
  assert_string_equal(tern_drop_reason_text(TERN_DROP_COUNT), "unknown");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nobody_listens),
      cmocka_unit_test(test_dispatch),
      cmocka_unit_test(test_macro_is_a_statement),
      cmocka_unit_test(test_drops),
      cmocka_unit_test(test_levels),
      cmocka_unit_test(test_tables),
      cmocka_unit_test(test_drop_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
