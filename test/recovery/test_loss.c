/* SPDX-License-Identifier: MIT */
/* Loss detection: thresholds, timer, spurious losses, persistent congestion; and A.10 taken
 * literally as a model over random acknowledgments. */
#include "recovery_test.h"

#include "recovery/loss.h"

#define DATA (TERN_SENT_ACK_ELICITING | TERN_SENT_IN_FLIGHT)

struct world {
  struct tern_alloc alloc;
  struct tern_sent sent;
  struct tern_loss loss;
  struct tern_rtt rtt;
};

static void begin(struct world *w)
{
  tern_alloc_init(&w->alloc, &tern_alloc_system, NULL, UINT64_MAX);
  tern_sent_init(&w->sent, &w->alloc, 0);
  tern_loss_init(&w->loss);
  w->rtt = (struct tern_rtt){80 * MS, 80 * MS, 10 * MS, 80 * MS, true};
  tern_persistent_on_rtt_sample(&w->loss.persistent, 0);
}

static void end(struct world *w)
{
  tern_sent_deinit(&w->sent);
  tern_alloc_deinit(&w->alloc);
}

static void send_packet(struct world *w, tern_time now, uint8_t flags)
{
  struct tern_sent_args args = {now, 1200, flags, 0, 0};
  struct tern_sent_packet *packet = tern_sent_open(&w->sent);
  assert_non_null(packet);
  tern_sent_commit(&w->sent, packet, &args);
}

static void send_many(struct world *w, int count, tern_time start, uint64_t gap_ns)
{
  for (int i = 0; i < count; i++)
    send_packet(w, start + (tern_time)i * gap_ns, DATA);
}

/* Returns the number of losses that turned out spurious completely. */
static int acknowledge(struct world *w, uint64_t start, uint64_t end_)
{
  struct tern_sent_cursor cursor =
      tern_sent_range_begin(&w->sent, (struct tern_range){start, end_});
  struct tern_sent_packet *packet = NULL;
  int undone = 0;

  while ((packet = tern_sent_range_next(&w->sent, &cursor)) != NULL) {
    if (packet->state == TERN_SENT_LOST)
      undone += tern_loss_on_spurious(&w->loss, cursor.number);
    tern_sent_resolve(&w->sent, packet, TERN_SENT_ACKED);
  }
  tern_loss_on_acked(&w->loss, end_ - 1);
  return undone;
}

/* Declares losses at `now` and writes their numbers as "1 2 3". */
static const char *detect(struct world *w, tern_time now)
{
  static char text[256];
  struct tern_loss_scan scan = tern_loss_begin(&w->loss, &w->rtt, now);
  struct tern_sent_packet *packet = NULL;
  size_t len = 0;

  text[0] = 0;
  while ((packet = tern_loss_next(&w->loss, &w->sent, &scan)) != NULL) {
    assert_ptr_equal(packet, tern_sent_find(&w->sent, scan.number));
    tern_sent_resolve(&w->sent, packet, TERN_SENT_LOST);
    if (len < sizeof text - 16)
      len += (size_t)snprintf(text + len, sizeof text - len, len ? " %u" : "%u",
                              (unsigned)scan.number);
  }
  return text;
}

static void test_packet_threshold(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  send_many(&w, 10, 1000, 1);
  assert_string_equal(detect(&w, 2000), ""); /* nothing acknowledged yet */
  acknowledge(&w, 2, 3);
  assert_string_equal(detect(&w, 2000), "");
  assert_int_equal(w.loss.loss_time, 1000 + 90 * MS); /* 9/8 of 80 ms after packet 0 */
  acknowledge(&w, 3, 4);
  /* [rfc9002-6.1.1] sent kPacketThreshold before an acknowledged packet */
  assert_string_equal(detect(&w, 2000), "0");
  acknowledge(&w, 9, 10);
  assert_string_equal(detect(&w, 2000), "1 4 5 6");
  assert_int_equal(w.loss.loss_time, 1007 + 90 * MS);
  end(&w);
}

static void test_time_threshold(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  send_many(&w, 3, 10 * MS, 5 * MS);
  acknowledge(&w, 2, 3);
  assert_string_equal(detect(&w, 99 * MS), "");
  assert_int_equal(w.loss.loss_time, 100 * MS);
  assert_string_equal(detect(&w, 100 * MS - 1), "");
  assert_string_equal(detect(&w, 100 * MS), "0");
  assert_int_equal(w.loss.loss_time, 105 * MS);
  /* [rfc9002-6.1.2] the larger of latest and smoothed counts */
  w.rtt.latest_ns = 160 * MS;
  assert_string_equal(detect(&w, 105 * MS), "");
  assert_int_equal(w.loss.loss_time, (15 + 180) * MS);
  assert_string_equal(detect(&w, 195 * MS), "1");
  assert_true(w.loss.loss_time == TERN_TIME_NEVER);
  end(&w);
}

static void test_granularity(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  w.rtt.latest_ns = w.rtt.smoothed_ns = 50000;
  send_many(&w, 2, 1000, 10);
  acknowledge(&w, 1, 2);
  /* [rfc9002-6.1.2] MUST be at least kGranularity */
  assert_string_equal(detect(&w, 1000 + 60000), "");
  assert_int_equal(w.loss.loss_time, 1000 + MS);
  assert_string_equal(detect(&w, 1000 + MS), "0");
  end(&w);
}

static void test_not_in_flight(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  send_packet(&w, 1, TERN_SENT_HAS_ACK);
  send_many(&w, 1, 2, 0);
  send_packet(&w, 3, TERN_SENT_HAS_ACK);
  send_many(&w, 4, 4, 1);
  acknowledge(&w, 6, 7);
  assert_string_equal(detect(&w, 10), "1 3"); /* only what was in flight */
  end(&w);
}

static void test_skipped_numbers(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  send_many(&w, 1, 1, 0);
  assert_int_equal(tern_sent_skip(&w.sent), TERN_OK);
  send_many(&w, 4, 2, 1);
  acknowledge(&w, 3, 4);
  assert_string_equal(detect(&w, 10), ""); /* 3 - 0 = 3, but one of them was never sent */
  acknowledge(&w, 4, 5);
  assert_string_equal(detect(&w, 10), "0");
  end(&w);
}

static void test_spurious(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  send_many(&w, 20, 1000, 1);
  acknowledge(&w, 5, 6);
  assert_string_equal(detect(&w, 2000), "0 1 2");
  assert_int_equal(acknowledge(&w, 0, 2), 0);
  assert_int_equal(acknowledge(&w, 2, 3), 1); /* all three arrived: the episode was none */
  assert_true(w.loss.packet_threshold > 3);
  assert_true(w.loss.time_eighths > 9);
  /* The wider threshold counts from now on. */
  acknowledge(&w, 8, 9);
  assert_string_equal(detect(&w, 2000), w.loss.packet_threshold > 5 ? "" : "3");
  for (int i = 0; i < 100; i++) {
    tern_loss_on_spurious(&w.loss, 0);
    tern_loss_on_acked(&w.loss, (uint64_t)(i * 100));
  }
  assert_int_equal(w.loss.packet_threshold, TERN_LOSS_PACKET_THRESHOLD_MAX);
  assert_int_equal(w.loss.time_eighths, TERN_LOSS_TIME_EIGHTHS_MAX);
  tern_loss_reset_thresholds(&w.loss);
  assert_int_equal(w.loss.packet_threshold, 3);
  end(&w);
}

static void test_partly_spurious(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  send_many(&w, 20, 1000, 1);
  acknowledge(&w, 5, 6);
  assert_string_equal(detect(&w, 2000), "0 1 2");
  assert_int_equal(acknowledge(&w, 0, 1), 0);
  acknowledge(&w, 15, 16); /* more losses of the same period */
  assert_string_not_equal(detect(&w, 2001), "");
  assert_int_equal(acknowledge(&w, 1, 3), 0);
  end(&w);
}

static void test_thresholds_narrow(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  send_many(&w, 1000, 1000, 1);
  w.loss.packet_threshold = 20;
  w.loss.time_eighths = 12;
  for (uint64_t i = 1; i <= 40; i++) { /* real losses, one episode each */
    tern_time now = i * TERN_SECOND;
    send_many(&w, 50, now, 1);
    acknowledge(&w, w.sent.next - 1, w.sent.next);
    detect(&w, now + 100);
  }
  assert_int_equal(w.loss.packet_threshold, TERN_LOSS_PACKET_THRESHOLD);
  assert_int_equal(w.loss.time_eighths, TERN_LOSS_TIME_EIGHTHS);
  end(&w);
}

/* ---- persistent congestion ------------------------------------------------------------------ */

/* smoothed + max(4 * variation, 1 ms) + max_ack_delay = 2 s; threshold 3: 6 s */
static struct tern_rtt two_seconds(void)
{
  struct tern_rtt rtt = {200 * MS, 975 * MS, 250 * MS, 200 * MS, true};
  return rtt;
}

#define DELAY_NS (25 * MS)

static void test_rfc_example(void **state)
{
  struct world w;
  (void)state;
  /* [rfc9002-7.6.3] Table 1; packet n has number n - 1 */
  begin(&w);
  w.rtt = two_seconds();
  tern_persistent_init(&w.loss.persistent);
  send_packet(&w, 1 * TERN_SECOND, DATA); /* t = 0 of the example is 1 s here */
  tern_persistent_on_rtt_sample(&w.loss.persistent, 1500 * MS);
  send_packet(&w, 2 * TERN_SECOND, DATA); /* #2, t = 1 */
  acknowledge(&w, 0, 1);
  assert_string_equal(detect(&w, 2200 * MS), "");
  for (uint64_t t = 3; t <= 7; t++)
    send_packet(&w, t * TERN_SECOND, DATA); /* #3 to #7 */
  send_packet(&w, 9 * TERN_SECOND, DATA);   /* #8, PTO 1 */
  send_packet(&w, 13 * TERN_SECOND, DATA);  /* #9, PTO 2 */
  acknowledge(&w, 8, 9);
  assert_string_equal(detect(&w, 13200 * MS), "1 2 3 4 5 6 7");
  assert_int_equal(w.loss.persistent.span_ns, 7 * TERN_SECOND); /* 8 - 1 */
  assert_true(tern_persistent_take(&w.loss.persistent, &w.rtt, DELAY_NS));
  assert_false(tern_persistent_take(&w.loss.persistent, &w.rtt, DELAY_NS)); /* once */
  end(&w);
}

/* The example with changes, each of which prevents it. */
static void test_no_persistent_congestion(void **state)
{
  static const struct {
    const char *name;
    uint64_t sample_at_ms; /* first RTT sample */
    int also_acked;        /* number acknowledged before, or -1 */
    int not_eliciting;     /* first and last, or no */
    int last_sent_s;       /* of packet #8 */
    bool is_persistent;
  } cases[] = {
      {"as in the RFC", 500, -1, 0, 9, true},
      {"no RTT sample before #2", 2000, -1, 0, 9, false}, /* #3 to #8: 6 s, not above */
      {"one acknowledged in between", 500, 4, 0, 9, false},
      {"exactly the duration", 500, -1, 0, 8, false},
      {"first and last elicit no ACK", 500, -1, 1, 9, false},
  };
  (void)state;
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct world w;
    print_message("%s\n", cases[i].name);
    begin(&w);
    w.rtt = two_seconds();
    tern_persistent_init(&w.loss.persistent);
    tern_persistent_on_rtt_sample(&w.loss.persistent, cases[i].sample_at_ms * MS);
    send_packet(&w, 1 * TERN_SECOND, DATA);
    acknowledge(&w, 0, 1);
    send_packet(&w, 2 * TERN_SECOND, cases[i].not_eliciting ? TERN_SENT_IN_FLIGHT : DATA);
    for (uint64_t t = 3; t <= 7; t++)
      send_packet(&w, t * TERN_SECOND, DATA);
    if (cases[i].also_acked >= 0)
      acknowledge(&w, (uint64_t)cases[i].also_acked, (uint64_t)cases[i].also_acked + 1);
    detect(&w, 8 * TERN_SECOND);
    send_packet(&w, (uint64_t)cases[i].last_sent_s * TERN_SECOND,
                cases[i].not_eliciting ? TERN_SENT_IN_FLIGHT : DATA);
    send_packet(&w, 13 * TERN_SECOND, DATA);
    acknowledge(&w, 8, 9);
    detect(&w, 13200 * MS);
    assert_int_equal(tern_persistent_take(&w.loss.persistent, &w.rtt, DELAY_NS),
                     cases[i].is_persistent);
    end(&w);
  }
}

static void test_stretch_ends(void **state)
{
  struct tern_persistent p;
  struct tern_rtt rtt = two_seconds();
  (void)state;
  tern_persistent_init(&p);
  tern_persistent_on_lost(&p, 5, 0); /* before any sample */
  assert_true(p.start == TERN_TIME_NEVER);
  tern_persistent_on_rtt_sample(&p, 10);
  tern_persistent_on_rtt_sample(&p, 10 * TERN_SECOND); /* only the first counts */
  tern_persistent_on_lost(&p, 1 * TERN_SECOND, 0);
  tern_persistent_on_lost(&p, 9 * TERN_SECOND, 1); /* another route */
  assert_false(tern_persistent_take(&p, &rtt, DELAY_NS));
  tern_persistent_on_lost(&p, 14 * TERN_SECOND, 1);
  tern_persistent_on_acked(&p);
  tern_persistent_on_lost(&p, 16 * TERN_SECOND, 1);
  assert_false(tern_persistent_take(&p, &rtt, DELAY_NS));
  tern_persistent_on_lost(&p, 16 * TERN_SECOND + 6 * TERN_SECOND + 1, 1);
  assert_true(tern_persistent_take(&p, &rtt, DELAY_NS));
}

/* ---- A.10 word for word --------------------------------------------------------------------- */

#define MODEL_MAX 2500

struct model {
  uint64_t sent_time[MODEL_MAX];
  uint8_t state[MODEL_MAX]; /* OUTSTANDING, ACKED, LOST; SKIPPED for what is not in flight */
  uint64_t next;
  uint64_t largest;
  tern_time loss_time;
  bool has_acked;
};

static int model_detect(struct model *m, const struct tern_rtt *rtt, tern_time now)
{
  uint64_t rtt_ns = rtt->latest_ns > rtt->smoothed_ns ? rtt->latest_ns : rtt->smoothed_ns;
  uint64_t delay_ns = rtt_ns * 9 / 8 > MS ? rtt_ns * 9 / 8 : MS;
  int count = 0;

  m->loss_time = TERN_TIME_NEVER;
  for (uint64_t n = 0; m->has_acked && n < m->next; n++) {
    if (m->state[n] != TERN_SENT_OUTSTANDING || n > m->largest)
      continue;
    if (m->sent_time[n] + delay_ns <= now || m->largest >= n + 3) {
      m->state[n] = TERN_SENT_LOST;
      count++;
    } else if (m->sent_time[n] + delay_ns < m->loss_time) {
      m->loss_time = m->sent_time[n] + delay_ns;
    }
  }
  return count;
}

static int count_losses(struct world *w, tern_time now)
{
  struct tern_loss_scan scan = tern_loss_begin(&w->loss, &w->rtt, now);
  struct tern_sent_packet *packet = NULL;
  int count = 0;

  while ((packet = tern_loss_next(&w->loss, &w->sent, &scan)) != NULL) {
    tern_sent_resolve(&w->sent, packet, TERN_SENT_LOST);
    count++;
  }
  return count;
}

static void model_ack(struct world *w, struct model *m, struct tern_random_seeded *random)
{
  uint64_t low = m->next - draw_below(random, m->next < 40 ? m->next : 40) - 1;
  uint64_t high = low + 1 + draw_below(random, m->next - low);

  for (uint64_t n = low; n < high; n++) {
    if (m->state[n] != TERN_SENT_SKIPPED)
      m->state[n] = TERN_SENT_ACKED;
  }
  if (!m->has_acked || high - 1 > m->largest)
    m->largest = high - 1;
  m->has_acked = true;
  acknowledge(w, low, high);
  tern_loss_reset_thresholds(&w->loss); /* the model does not adapt */
}

static void compare(struct world *w, const struct model *m)
{
  assert_true(w->loss.loss_time == m->loss_time);
  for (uint64_t n = w->sent.base; n < m->next; n++) {
    if (m->state[n] != TERN_SENT_SKIPPED)
      assert_int_equal(tern_sent_find(&w->sent, n)->state, m->state[n]);
  }
}

static void run_model(uint64_t seed)
{
  static struct model m;
  struct tern_random_seeded random;
  struct world w;
  tern_time now = 1000;

  tern_random_seeded_init(&random, seed);
  memset(&m, 0, sizeof m);
  begin(&w);
  for (int i = 0; i < 2000; i++) {
    bool in_flight = !draw_one_in(&random, 8);
    now += draw_below(&random, 8 * MS);
    m.sent_time[m.next] = now;
    m.state[m.next++] = in_flight ? TERN_SENT_OUTSTANDING : TERN_SENT_SKIPPED;
    send_packet(&w, now, in_flight ? DATA : TERN_SENT_HAS_ACK);
    w.rtt.latest_ns = MS + draw_below(&random, 40 * MS);
    w.rtt.smoothed_ns = MS + draw_below(&random, 40 * MS);
    if (draw_one_in(&random, 3))
      model_ack(&w, &m, &random);
    if (draw_one_in(&random, 2)) {
      int want = model_detect(&m, &w.rtt, now);
      assert_int_equal(count_losses(&w, now), want);
      compare(&w, &m);
    }
  }
  end(&w);
}

static void test_against_pseudocode(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    print_message("seed %u\n", (unsigned)seed);
    run_model(seed);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_packet_threshold), cmocka_unit_test(test_time_threshold),
      cmocka_unit_test(test_granularity),      cmocka_unit_test(test_not_in_flight),
      cmocka_unit_test(test_skipped_numbers),  cmocka_unit_test(test_spurious),
      cmocka_unit_test(test_partly_spurious),  cmocka_unit_test(test_thresholds_narrow),
      cmocka_unit_test(test_rfc_example),      cmocka_unit_test(test_no_persistent_congestion),
      cmocka_unit_test(test_stretch_ends),     cmocka_unit_test(test_against_pseudocode),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
