/* SPDX-License-Identifier: MIT */
/* The ring of sent packets: transactions, records, ranges, bounds; a plain array as a model. */
#include "recovery_test.h"

#include "recovery/sent.h"

struct world {
  struct tern_alloc alloc;
  struct tern_sent sent;
};

static void begin(struct world *w, uint32_t capacity_max)
{
  tern_alloc_init(&w->alloc, &tern_alloc_system, NULL, UINT64_MAX);
  tern_sent_init(&w->sent, &w->alloc, capacity_max);
}

static void end(struct world *w)
{
  tern_sent_deinit(&w->sent);
  assert_int_equal(w->alloc.used_bytes, 0);
  tern_alloc_deinit(&w->alloc);
}

#define DATA (TERN_SENT_ACK_ELICITING | TERN_SENT_IN_FLIGHT)

static struct tern_sent_packet *send_packet(struct world *w, tern_time now, uint8_t flags,
                                            int records)
{
  struct tern_sent_args args = {now, 1200, flags, 0, w->sent.next};
  struct tern_sent_packet *packet = tern_sent_open(&w->sent);

  if (!packet)
    return NULL;
  for (int i = 0; i < records; i++) {
    struct tern_frame_record *record = tern_sent_add_record(&w->sent, packet);
    assert_non_null(record);
    record->kind = 1;
    record->offset = w->sent.next;
    record->len = (uint64_t)i;
  }
  tern_sent_commit(&w->sent, packet, &args);
  return packet;
}

static void acknowledge(struct world *w, uint64_t start, uint64_t end_)
{
  struct tern_range range = {start, end_};
  struct tern_sent_cursor cursor = tern_sent_range_begin(&w->sent, range);
  struct tern_sent_packet *packet = NULL;
  while ((packet = tern_sent_range_next(&w->sent, &cursor)) != NULL)
    tern_sent_resolve(&w->sent, packet, TERN_SENT_ACKED);
}

static void test_transaction(void **state)
{
  struct world w;
  struct tern_sent_packet *packet = NULL;
  (void)state;
  begin(&w, 0);
  assert_int_equal(w.alloc.takes, 0); /* nothing until something is sent */
  assert_null(tern_sent_find(&w.sent, 0));

  packet = tern_sent_open(&w.sent);
  assert_non_null(packet);
  assert_null(tern_sent_find(&w.sent, 0)); /* open is not sent */
  for (int i = 0; i < 30; i++)
    assert_non_null(tern_sent_add_record(&w.sent, packet));
  tern_sent_abort(&w.sent, packet);
  assert_int_equal(w.sent.next, 0);
  assert_int_equal(w.sent.ack_eliciting_in_flight, 0);
  assert_int_equal(w.sent.last_ack_eliciting_time, 0);

  packet = send_packet(&w, 7, DATA, 3);
  assert_ptr_equal(packet, tern_sent_find(&w.sent, 0));
  assert_int_equal(packet->record_count, 3); /* none of the aborted ones */
  assert_int_equal(packet->state, TERN_SENT_OUTSTANDING);
  assert_int_equal(w.sent.next, 1);
  assert_int_equal(w.sent.ack_eliciting_in_flight, 1);
  assert_int_equal(w.sent.last_ack_eliciting_time, 7);
  acknowledge(&w, 0, 1);
  assert_int_equal(w.sent.base, 1);
  assert_int_equal(w.sent.ack_eliciting_in_flight, 0);
  end(&w);
}

static void test_many_records(void **state)
{
  struct world w;
  struct tern_sent_packet *packet = NULL;
  (void)state;
  begin(&w, 0);
  packet = send_packet(&w, 1, DATA, TERN_SENT_RECORDS_MAX);
  assert_int_equal(packet->record_count, TERN_SENT_RECORDS_MAX);
  for (int i = 0; i < TERN_SENT_RECORDS_MAX; i++)
    assert_int_equal(tern_sent_record(&w.sent, packet, (uint8_t)i)->len, i);
  packet = tern_sent_open(&w.sent);
  for (int i = 0; i < TERN_SENT_RECORDS_MAX; i++)
    assert_non_null(tern_sent_add_record(&w.sent, packet));
  assert_null(tern_sent_add_record(&w.sent, packet)); /* cap TERN_SENT_RECORDS_MAX */
  tern_sent_abort(&w.sent, packet);
  end(&w);
}

static void test_skip(void **state)
{
  struct world w;
  (void)state;
  begin(&w, 0);
  send_packet(&w, 1, DATA, 1);
  assert_int_equal(tern_sent_skip(&w.sent), TERN_OK);
  send_packet(&w, 2, DATA, 1);
  assert_int_equal(tern_sent_find(&w.sent, 1)->state, TERN_SENT_SKIPPED);
  assert_int_equal(w.sent.next, 3);
  /* [rfc9000-13.1] ACK of a packet that was not sent; [rfc9000-21.4] of one left out on purpose */
  assert_int_equal(tern_sent_check_range(&w.sent, (struct tern_range){0, 1}), TERN_SENT_ACK_VALID);
  assert_int_equal(tern_sent_check_range(&w.sent, (struct tern_range){2, 3}), TERN_SENT_ACK_VALID);
  assert_int_equal(tern_sent_check_range(&w.sent, (struct tern_range){2, 4}),
                   TERN_SENT_ACK_NEVER_SENT);
  assert_int_equal(tern_sent_check_range(&w.sent, (struct tern_range){0, 3}),
                   TERN_SENT_ACK_SKIPPED);
  assert_int_equal(tern_sent_check_range(&w.sent, (struct tern_range){1, 2}),
                   TERN_SENT_ACK_SKIPPED);
  acknowledge(&w, 0, 1);
  acknowledge(&w, 2, 3);
  assert_int_equal(w.sent.base, 3);
  /* Still known when the window has moved on. */
  assert_int_equal(tern_sent_check_range(&w.sent, (struct tern_range){0, 3}),
                   TERN_SENT_ACK_SKIPPED);
  for (int i = 0; i < TERN_SENT_SKIPPED_MAX; i++)
    assert_int_equal(tern_sent_skip(&w.sent), TERN_OK);
  assert_int_equal(tern_sent_count_skipped(&w.sent, 0, 100), TERN_SENT_SKIPPED_MAX);
  assert_int_equal(tern_sent_check_range(&w.sent, (struct tern_range){0, 3}), TERN_SENT_ACK_VALID);
  end(&w);
}

static void test_bound(void **state)
{
  struct world w;
  (void)state;
  begin(&w, 100); /* rounded down to 64 */
  for (int i = 0; i < 64; i++)
    assert_non_null(send_packet(&w, 1, DATA, 0));
  assert_null(tern_sent_open(&w.sent));
  assert_int_equal(tern_sent_skip(&w.sent), TERN_LIMIT);
  /* A lost packet at the base gives way. */
  tern_sent_resolve(&w.sent, tern_sent_find(&w.sent, 0), TERN_SENT_LOST);
  assert_int_equal(w.sent.base, 0);
  assert_non_null(send_packet(&w, 1, DATA, 0));
  assert_int_equal(w.sent.base, 1);
  end(&w);
}

static void test_lost_then_acked(void **state)
{
  struct world w;
  (void)state;
  begin(&w, 0);
  for (int i = 0; i < 4; i++)
    send_packet(&w, (tern_time)(10 + i), DATA, 2);
  tern_sent_resolve(&w.sent, tern_sent_find(&w.sent, 0), TERN_SENT_LOST);
  tern_sent_resolve(&w.sent, tern_sent_find(&w.sent, 1), TERN_SENT_LOST);
  assert_int_equal(w.sent.ack_eliciting_in_flight, 2);
  acknowledge(&w, 1, 4);
  assert_int_equal(tern_sent_find(&w.sent, 1)->state, TERN_SENT_ACKED);
  assert_int_equal(w.sent.base, 0);
  tern_sent_forget_lost(&w.sent, 10);
  assert_int_equal(w.sent.base, 0); /* not old enough */
  tern_sent_forget_lost(&w.sent, 11);
  assert_int_equal(w.sent.base, 4);
  assert_int_equal(w.sent.ack_eliciting_in_flight, 0);
  end(&w);
}

/* Packets that only carry ACKs are never acknowledged by a silent peer [rfc9000-13.2.4]. */
static void test_ack_only(void **state)
{
  struct world w;
  (void)state;
  begin(&w, 0);
  for (int i = 0; i < 100000; i++)
    assert_non_null(send_packet(&w, (tern_time)i, TERN_SENT_HAS_ACK, 0));
  assert_true(w.sent.next - w.sent.base <= TERN_SENT_ACK_ONLY_MAX);
  assert_true(w.sent.capacity <= 2 * TERN_SENT_ACK_ONLY_MAX);
  assert_int_equal(w.sent.since_ack_eliciting, 100000);
  assert_int_equal(tern_sent_find(&w.sent, 99999)->largest_acked, 99999);
  end(&w);
}

/* Old losses do not make the ring grow: what is in flight does. */
static void test_losses_hold_little(void **state)
{
  struct world w;
  (void)state;
  begin(&w, 0);
  for (uint64_t i = 0; i < 50000; i++) {
    assert_non_null(send_packet(&w, i, DATA, 0));
    if (i < 8)
      continue;
    if (i % 100 == 0)
      tern_sent_resolve(&w.sent, tern_sent_find(&w.sent, i - 8), TERN_SENT_LOST);
    else
      acknowledge(&w, i - 8, i - 7);
  }
  assert_true(w.sent.capacity <= 512);
  end(&w);
}

static void test_trim_and_clear(void **state)
{
  struct world w;
  (void)state;
  begin(&w, 0);
  for (int i = 0; i < 1000; i++)
    send_packet(&w, 1, DATA, 8);
  tern_sent_trim(&w.sent);
  assert_true(w.sent.capacity >= 1000); /* in use */
  acknowledge(&w, 0, 1000);
  tern_sent_trim(&w.sent);
  assert_int_equal(w.alloc.used_bytes, 0);
  send_packet(&w, 1, DATA, 8);
  assert_int_equal(tern_sent_record(&w.sent, tern_sent_find(&w.sent, 1000), 7)->len, 7);
  tern_sent_clear(&w.sent);
  assert_int_equal(w.sent.base, 1001);
  assert_int_equal(w.sent.ack_eliciting_in_flight, 0);
  send_packet(&w, 1, DATA, 8);
  end(&w);
}

/* A hole at the base and ACKs of growing ranges above it: each packet is visited once. */
static void test_runs_are_jumped(void **state)
{
  struct world w;
  uint64_t steps = 0;
  (void)state;
  begin(&w, 0);
  send_packet(&w, 1, DATA, 0);
  for (uint64_t i = 1; i <= 20000; i += 2) {
    struct tern_sent_cursor cursor;
    struct tern_sent_packet *packet = NULL;
    send_packet(&w, 1, DATA, 0);
    send_packet(&w, 1, DATA, 0);
    cursor = tern_sent_range_begin(&w.sent, (struct tern_range){1, w.sent.next});
    while ((packet = tern_sent_range_next(&w.sent, &cursor)) != NULL) {
      assert_true(cursor.number >= i);
      tern_sent_resolve(&w.sent, packet, TERN_SENT_ACKED);
      steps++;
    }
    /* The first slot knows the whole run, so the next walk starts behind it. */
    assert_true(tern_sent_find(&w.sent, 1)->run_end == w.sent.next);
  }
  assert_int_equal(steps, 20000);
  acknowledge(&w, 0, 1);
  assert_int_equal(w.sent.base, w.sent.next);
  end(&w);
}

/* A walk that only looks leaves no run behind: what it passed is still found by the next. */
static void test_looking_resolves_nothing(void **state)
{
  struct world w;
  struct tern_sent_cursor cursor;
  int count = 0;
  (void)state;
  begin(&w, 0);
  for (int i = 0; i < 10; i++)
    send_packet(&w, 1, DATA, 0);
  acknowledge(&w, 3, 4);
  for (int i = 0; i < 2; i++) {
    cursor = tern_sent_range_begin(&w.sent, (struct tern_range){3, 10});
    for (count = 0; tern_sent_range_next(&w.sent, &cursor) != NULL;)
      count++;
    assert_int_equal(count, 6);
  }
  end(&w);
}

/* A run committed at once is what its packets are one by one. */
static void test_run_at_once(void **state)
{
  struct world one, all;
  struct tern_sent_args args = {77, 1200, DATA, 2, 0};
  struct tern_frame_record first = {
      .kind = 3, .generation = 4, .slot = 5, .offset = 9000, .len = 1100};
  struct tern_rate_snapshot rate = {.delivered_bytes = 6, .tx_in_flight_bytes = 5000};
  (void)state;
  begin(&one, 0);
  begin(&all, 0);
  send_packet(&one, 1, DATA, 1);
  send_packet(&all, 1, DATA, 1);
  assert_int_equal(tern_sent_reserve(&all.sent, 10), 10);
  tern_sent_commit_run(&all.sent, &args, 10, &first, &rate);
  for (uint32_t i = 0; i < 10; i++) {
    struct tern_sent_packet *packet = tern_sent_open(&one.sent);
    assert_non_null(packet);
    *tern_sent_add_record(&one.sent, packet) = first;
    packet->rate = rate;
    first.offset += first.len;
    rate.tx_in_flight_bytes += 1200;
    tern_sent_commit(&one.sent, packet, &args);
  }
  assert_int_equal(one.sent.next, all.sent.next);
  assert_int_equal(one.sent.ack_eliciting_in_flight, all.sent.ack_eliciting_in_flight);
  assert_int_equal(one.sent.last_ack_eliciting_time, all.sent.last_ack_eliciting_time);
  assert_int_equal(one.sent.since_ack_eliciting, all.sent.since_ack_eliciting);
  for (uint64_t number = 1; number < 11; number++)
    assert_memory_equal(tern_sent_find(&one.sent, number), tern_sent_find(&all.sent, number),
                        sizeof(struct tern_sent_packet));
  end(&one);
  end(&all);
}

/* A full ring grows once it has no room at all; until then, a run takes what there is. */
static void test_reserve(void **state)
{
  struct world w;
  (void)state;
  begin(&w, 32);
  assert_int_equal(tern_sent_reserve(&w.sent, 20), 16); /* the first ring */
  for (int i = 0; i < 14; i++)
    send_packet(&w, 1, DATA, 1);
  assert_int_equal(tern_sent_reserve(&w.sent, 20), 2);
  send_packet(&w, 1, DATA, 1);
  send_packet(&w, 1, DATA, 1);
  assert_int_equal(tern_sent_reserve(&w.sent, 20), 16);
  for (int i = 0; i < 16; i++)
    send_packet(&w, 1, DATA, 1);
  assert_int_equal(tern_sent_reserve(&w.sent, 1), 0); /* the bound */
  acknowledge(&w, 0, 5);
  assert_int_equal(tern_sent_reserve(&w.sent, 20), 5);
  end(&w);
}

/* No allocation per packet in the steady state. */
static void test_steady_state(void **state)
{
  struct world w;
  uint64_t takes = 0;
  (void)state;
  begin(&w, 0);
  for (uint64_t i = 0; i < 200000; i++) {
    send_packet(&w, i, DATA, 1 + (int)(i % 12));
    if (i >= 500)
      acknowledge(&w, i - 500, i - 499);
    if (i == 2000)
      takes = w.alloc.takes;
  }
  assert_int_equal(w.alloc.takes, takes);
  end(&w);
}

static void test_no_memory(void **state)
{
  struct world w;
  struct tern_sent_packet *packet = NULL;
  (void)state;
  begin(&w, 0);
  w.alloc.cap_bytes = 0;
  assert_null(tern_sent_open(&w.sent));
  assert_int_equal(tern_sent_skip(&w.sent), TERN_NOMEM);
  w.alloc.cap_bytes = TERN_SENT_PACKETS_MIN * sizeof(struct tern_sent_packet);
  packet = tern_sent_open(&w.sent);
  assert_non_null(packet);
  assert_non_null(tern_sent_add_record(&w.sent, packet));
  assert_null(tern_sent_add_record(&w.sent, packet)); /* no room for the arena */
  assert_int_equal(packet->record_count, 1);
  tern_sent_abort(&w.sent, packet);
  for (int i = 0; i < TERN_SENT_PACKETS_MIN; i++)
    assert_non_null(send_packet(&w, 1, DATA, 1));
  assert_null(tern_sent_open(&w.sent));
  acknowledge(&w, 0, 1);
  assert_non_null(send_packet(&w, 1, DATA, 1));
  end(&w);
}

/* ---- model ---------------------------------------------------------------------------------- */

#define MODEL_MAX 6000

struct model {
  uint8_t state[MODEL_MAX];
  uint8_t flags[MODEL_MAX];
  int records[MODEL_MAX];
  uint64_t next;
};

static void compare(struct world *w, const struct model *m)
{
  uint64_t eliciting = 0;

  assert_int_equal(w->sent.next, m->next);
  assert_true(w->sent.base <= m->next);
  for (uint64_t n = 0; n < m->next; n++) {
    struct tern_sent_packet *packet = tern_sent_find(&w->sent, n);
    if (m->state[n] == TERN_SENT_OUTSTANDING && (m->flags[n] & TERN_SENT_ACK_ELICITING))
      eliciting++;
    if (!packet) { /* settled, evicted as an old loss, or ACK-only */
      assert_true(m->state[n] != TERN_SENT_OUTSTANDING || !(m->flags[n] & TERN_SENT_IN_FLIGHT));
      continue;
    }
    assert_int_equal(packet->state, m->state[n]);
    if (m->state[n] != TERN_SENT_OUTSTANDING)
      continue;
    assert_int_equal(packet->record_count, m->records[n]);
    for (int i = 0; i < m->records[n]; i++) {
      struct tern_frame_record *record = tern_sent_record(&w->sent, packet, (uint8_t)i);
      assert_int_equal(record->offset, n);
      assert_int_equal(record->len, i);
    }
  }
  assert_int_equal(w->sent.ack_eliciting_in_flight, eliciting);
}

static void model_send(struct world *w, struct model *m, struct tern_random_seeded *random)
{
  int records = draw_one_in(random, 4) ? (int)draw_below(random, 40) : 1;

  m->flags[m->next] = draw_one_in(random, 5) ? TERN_SENT_HAS_ACK : DATA;
  m->state[m->next] = TERN_SENT_OUTSTANDING;
  m->records[m->next] = records;
  if (draw_one_in(random, 6)) {
    struct tern_sent_packet *packet = tern_sent_open(&w->sent);
    for (int i = 0; i < records; i++)
      assert_non_null(tern_sent_add_record(&w->sent, packet));
    tern_sent_abort(&w->sent, packet);
  }
  send_packet(w, m->next, m->flags[m->next], records);
  m->next++;
}

/* ACK-only packets forgotten at the base are the one thing the model does not follow by itself. */
static void forget_ack_only(struct world *w, struct model *m)
{
  for (uint64_t n = 0; n < w->sent.next; n++) {
    struct tern_sent_packet *packet = tern_sent_find(&w->sent, n);
    if (m->state[n] == TERN_SENT_OUTSTANDING && !(m->flags[n] & TERN_SENT_IN_FLIGHT) &&
        (!packet || packet->state == TERN_SENT_FREE))
      m->state[n] = TERN_SENT_FREE;
  }
}

/* Walks a random range; each packet it gives must be the one the model expects next. */
static void model_walk(struct world *w, struct model *m, struct tern_random_seeded *random)
{
  uint64_t low = draw_below(random, m->next + 1);
  uint64_t high = low + draw_below(random, 60);
  struct tern_sent_cursor cursor = tern_sent_range_begin(&w->sent, (struct tern_range){low, high});
  uint64_t expected = cursor.start;
  struct tern_sent_packet *packet = NULL;

  while ((packet = tern_sent_range_next(&w->sent, &cursor)) != NULL) {
    forget_ack_only(w, m); /* resolving moves the base, also in the middle of a walk */
    while (m->state[expected] != TERN_SENT_OUTSTANDING && m->state[expected] != TERN_SENT_LOST)
      expected++;
    assert_int_equal(cursor.number, expected);
    tern_sent_resolve(&w->sent, packet, TERN_SENT_ACKED);
    m->state[expected++] = TERN_SENT_ACKED;
  }
  forget_ack_only(w, m);
  for (; expected < high && expected < m->next; expected++)
    assert_true(m->state[expected] != TERN_SENT_OUTSTANDING &&
                m->state[expected] != TERN_SENT_LOST);
}

static void model_settle_one(struct world *w, struct model *m, struct tern_random_seeded *random,
                             enum tern_sent_state to)
{
  uint64_t n = w->sent.base + draw_below(random, m->next - w->sent.base + 1);
  struct tern_sent_packet *packet = tern_sent_find(&w->sent, n);

  if (!packet || packet->state != TERN_SENT_OUTSTANDING || !(packet->flags & TERN_SENT_IN_FLIGHT))
    return;
  tern_sent_resolve(&w->sent, packet, to);
  m->state[n] = (uint8_t)to;
}

static void model_step(struct world *w, struct model *m, struct tern_random_seeded *random)
{
  switch (draw_below(random, 8)) {
  case 0:
    model_walk(w, m, random);
    return;
  case 1:
    model_settle_one(w, m, random, TERN_SENT_LOST);
    return;
  case 2:
    if (draw_one_in(random, 10)) {
      assert_int_equal(tern_sent_skip(&w->sent), TERN_OK);
      m->state[m->next++] = TERN_SENT_SKIPPED;
    } else if (draw_one_in(random, 10)) {
      model_settle_one(w, m, random, TERN_SENT_FREE);
    }
    return;
  default:
    model_send(w, m, random);
    return;
  }
}

static void test_against_model(void **state)
{
  static struct model m;
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    struct tern_random_seeded random;
    struct world w;
    print_message("seed %u\n", (unsigned)seed);
    tern_random_seeded_init(&random, seed);
    memset(&m, 0, sizeof m);
    begin(&w, 0);
    for (int i = 0; i < 3000; i++) {
      model_step(&w, &m, &random);
      forget_ack_only(&w, &m);
      if (i % 50 == 0)
        compare(&w, &m);
    }
    end(&w);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_transaction),
      cmocka_unit_test(test_many_records),
      cmocka_unit_test(test_skip),
      cmocka_unit_test(test_bound),
      cmocka_unit_test(test_lost_then_acked),
      cmocka_unit_test(test_ack_only),
      cmocka_unit_test(test_losses_hold_little),
      cmocka_unit_test(test_trim_and_clear),
      cmocka_unit_test(test_runs_are_jumped),
      cmocka_unit_test(test_looking_resolves_nothing),
      cmocka_unit_test(test_run_at_once),
      cmocka_unit_test(test_reserve),
      cmocka_unit_test(test_steady_state),
      cmocka_unit_test(test_no_memory),
      cmocka_unit_test(test_against_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
