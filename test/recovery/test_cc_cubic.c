/* SPDX-License-Identifier: MIT */
/* CUBIC: integer curve against the formulas in doubles, the rules of RFC 9438 one by one, and a
 * trace of a lossy link that must not change. */
#include "recovery_test.h"

#include <tern/cc.h>

#include "recovery/cc_common.h"
#include "recovery/cubic.h"

#define DATAGRAM 1200
#define RTT_NS (100 * MS)

/* The model's arithmetic, without a need for the mathematics library. */
static double cube(double x)
{
  return x * x * x;
}

static double root3(double x)
{
  double low = 0;
  double high = x > 1 ? x : 1;
  for (int i = 0; i < 200; i++) {
    double middle = (low + high) / 2;
    if (cube(middle) < x)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static double distance(double a, double b)
{
  return a > b ? a - b : b - a;
}

/* ---- the curve ------------------------------------------------------------------------------ */

static void test_root(void **state)
{
  struct tern_random_seeded random;
  (void)state;
  tern_random_seeded_init(&random, 3);
  for (uint64_t i = 0; i < 3000; i++) {
    assert_int_equal(tern_cubic_root(i * i * i), i);
    if (i > 0)
      assert_int_equal(tern_cubic_root(i * i * i - 1), i - 1);
  }
  assert_int_equal(tern_cubic_root(UINT64_MAX), 2642245);
  for (int i = 0; i < 100000; i++) {
    uint64_t x = tern_random_seeded_next(&random) >> draw_below(&random, 64);
    uint64_t root = tern_cubic_root(x);
    assert_true(root * root * root <= x);
    assert_true(root == 2642245 || (root + 1) * (root + 1) * (root + 1) > x);
  }
}

static void test_ticks(void **state)
{
  (void)state;
  assert_int_equal(tern_cubic_ticks(0), 0);
  assert_int_equal(tern_cubic_ticks(TERN_SECOND), 1 << TERN_CUBIC_TICK_BITS);
  assert_int_equal(tern_cubic_ticks(TERN_SECOND / 2), 1 << (TERN_CUBIC_TICK_BITS - 1));
  assert_true(tern_cubic_ticks(UINT64_MAX) >> TERN_CUBIC_TICK_BITS >= 3600);
}

/* [rfc9438-4.2] W_cubic(t) = C (t - K)^3 + W_max and K = cbrt((W_max - cwnd_epoch) / C), C = 0.4 */
static void test_curve(void **state)
{
  static const uint64_t sizes[] = {1200, 1452, 9000, 65527};
  struct tern_random_seeded random;
  (void)state;
  tern_random_seeded_init(&random, 9438);
  print_message("seed 9438\n");
  for (int i = 0; i < 200000; i++) {
    uint64_t mss = sizes[i % 4];
    uint64_t max = 2 * mss + (tern_random_seeded_next(&random) >> (35 + draw_below(&random, 14)));
    uint64_t epoch = 0;
    uint64_t ticks = 0;
    double k = 0;
    double t = 0;
    double want = 0;
    double got = 0;

    if (max > TERN_CC_WINDOW_MAX)
      max = TERN_CC_WINDOW_MAX;
    epoch = max * 7 / 10;
    ticks = tern_cubic_k_ticks(max, epoch, mss);
    k = root3((double)(max - epoch) / (double)mss / 0.4);
    assert_true(distance((double)ticks / 1048576, k) <= 0.001 * k);

    t = (double)draw_below(&random, 1000000) / 1e6 * 3 * k;
    if (distance(t, k) > 127)
      continue;
    want = 0.4 * cube(t - k) * (double)mss + (double)max;
    got = (double)tern_cubic_window(tern_cubic_ticks((uint64_t)(t * 1e9)), ticks, max, mss);
    if (want > (double)TERN_CC_WINDOW_MAX)
      want = (double)TERN_CC_WINDOW_MAX;
    assert_true(distance(got, want) <= 0.01 * want + 2);
  }
}

static void test_curve_bounds(void **state)
{
  (void)state;
  assert_int_equal(tern_cubic_k_ticks(5000, 5000, 1200), 0);
  assert_int_equal(tern_cubic_k_ticks(5000, 9000, 1200), 0);
  assert_true(tern_cubic_k_ticks(TERN_CC_WINDOW_MAX, 0, 1200) < UINT64_C(1) << 28);
  assert_int_equal(tern_cubic_window(UINT64_C(1) << 40, 0, 12000, 65535), TERN_CC_WINDOW_MAX);
  assert_int_equal(tern_cubic_window(0, UINT64_C(1) << 28, 12000, 1200), 0);
}

/* ---- the controller ------------------------------------------------------------------------- */

struct world {
  union {
    uint8_t bytes[TERN_CC_STATE_BYTES];
    max_align_t align;
  } state;
  const tern_cc_ops *cc;
  tern_time now;
  uint64_t number;
};

static void begin(struct world *w)
{
  memset(w, 0xa5, sizeof *w);
  w->cc = &tern_cc_cubic;
  w->now = TERN_SECOND;
  w->number = 0;
  w->cc->init(&w->state, &(tern_cc_start){.now = w->now, .datagram_bytes = DATAGRAM});
}

static uint64_t window(const struct world *w)
{
  return w->cc->window_bytes(&w->state);
}
static uint64_t ssthresh(const struct world *w)
{
  return w->cc->ssthresh_bytes(&w->state);
}

static void acknowledge(struct world *w, uint64_t bytes, bool is_app_limited)
{
  tern_cc_ack ack;
  memset(&ack, 0, sizeof ack);
  ack.now = w->now;
  ack.acked_bytes = bytes;
  ack.newest_sent_time = w->now - RTT_NS + 1; /* after a loss that was seen at now - RTT */
  ack.largest_acked = w->number;
  ack.next_packet_number = w->number + window(w) / DATAGRAM;
  ack.is_app_limited = is_app_limited;
  ack.rtt.latest_ns = ack.rtt.smoothed_ns = ack.rtt.min_ns = RTT_NS;
  w->number += bytes / DATAGRAM;
  w->cc->on_acked(&w->state, &ack);
}

static void congest(struct world *w, bool is_ecn)
{
  tern_cc_congestion event;
  memset(&event, 0, sizeof event);
  event.now = w->now;
  event.sent_time = w->now - RTT_NS / 2;
  event.is_ecn = is_ecn;
  w->cc->on_congestion(&w->state, &event);
  w->now += RTT_NS;
}

/* One round trip in which the whole window is acknowledged, two datagrams at a time. */
static void play_round(struct world *w)
{
  uint64_t count = window(w) / (2 * DATAGRAM);
  for (uint64_t i = 0; i < count; i++) {
    w->now += RTT_NS / count;
    acknowledge(w, 2 * DATAGRAM, false);
  }
}

static void grow_to(struct world *w, uint64_t bytes)
{
  while (window(w) < bytes)
    acknowledge(w, bytes - window(w) < DATAGRAM ? bytes - window(w) : DATAGRAM, false);
}

static void test_reduction(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  assert_int_equal(window(&w), 12000);
  grow_to(&w, 1000000);
  congest(&w, false);
  /* [rfc9438-4.6] beta SHOULD be 0.7 */
  assert_int_equal(window(&w), 700000);
  assert_int_equal(ssthresh(&w), 700000);
  assert_false(w.cc->is_in_slow_start(&w.state));
  w.now -= RTT_NS;
  congest(&w, false); /* same recovery period */
  assert_int_equal(window(&w), 700000);
  for (int i = 0; i < 40; i++)
    congest(&w, true);
  assert_int_equal(window(&w), 2 * DATAGRAM);
}

/* After a loss the window follows the curve: concave up to W_max at K, flat there, then convex. */
static void test_shape(void **state)
{
  struct world w;
  double k = root3(0.3 * 1000 / 0.4); /* W_max = 1,000 segments: 9.08 s, far from Reno's region */
  tern_time start = 0;
  uint64_t before = 0;
  (void)state;
  begin(&w);
  grow_to(&w, 1000 * DATAGRAM);
  congest(&w, false);
  start = w.now;
  before = window(&w);
  while (w.now - start < 18 * TERN_SECOND) {
    double t = 0;
    double want = 0;
    play_round(&w);
    t = (double)(w.now - start) / 1e9;
    want = 0.4 * cube(t - k) + 1000;
    assert_true(window(&w) >= before); /* never falls without a loss */
    before = window(&w);
    /* the window aims at the curve one RTT ahead, so it may lead by that and lag by rounding */
    assert_true((double)window(&w) / DATAGRAM <= 1.01 * (0.4 * cube(t + 0.1 - k) + 1000) + 1);
    if (t > 1)
      assert_true((double)window(&w) / DATAGRAM >= 0.97 * want);
  }
  assert_true(window(&w) > 1200 * DATAGRAM);
}

/* [rfc9438-4.3] small windows grow like Reno with beta 0.7: alpha = 9/17 segment per round, then
 * 1. */
static void test_reno_friendly(void **state)
{
  struct world w;
  uint64_t start = 0;
  (void)state;
  begin(&w);
  grow_to(&w, 20 * DATAGRAM);
  congest(&w, false);
  start = window(&w);
  assert_int_equal(start, 14 * DATAGRAM);
  for (int i = 0; i < 10; i++)
    play_round(&w);
  /* about 10 * 9/17 = 5.3 segments (the window is not whole segments, so a round is a bit less) */
  assert_true(window(&w) - start > 4 * DATAGRAM);
  assert_true(window(&w) - start < 6 * DATAGRAM);
  while (window(&w) < 20 * DATAGRAM)
    play_round(&w);
  start = window(&w);
  for (int i = 0; i < 10; i++)
    play_round(&w);
  assert_true(window(&w) - start > 8 * DATAGRAM);
}

/* [rfc9438-4.2] target is at most 1.5 cwnd: never faster than half a window per round. */
static void test_target_bound(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  grow_to(&w, 20 * DATAGRAM);
  congest(&w, false);
  acknowledge(&w, DATAGRAM, false);
  for (int i = 0; i < 60; i++) {
    uint64_t before = window(&w);
    w.now += 10 * TERN_SECOND; /* long rounds: the curve runs away */
    acknowledge(&w, before, false);
    assert_true(window(&w) <= before + before / 2 + DATAGRAM);
  }
  assert_true(window(&w) <= TERN_CC_WINDOW_MAX);
}

/* [rfc9438-4.7] a loss below the last W_max lowers W_max to 0.85 cwnd: the plateau comes
 * earlier. */
static void test_fast_convergence(void **state)
{
  struct world w;
  uint64_t at_second = 0;
  tern_time start = 0;
  double k = root3((0.85 - 0.7) * 700 / 0.4);
  (void)state;
  begin(&w);
  grow_to(&w, 1000 * DATAGRAM);
  congest(&w, false); /* W_max 1,000; window 700 */
  acknowledge(&w, DATAGRAM, false);
  at_second = window(&w);
  congest(&w, false); /* 700 < 1,000: W_max = 0.85 * 700 = 595; window 490 */
  assert_true(is_near(window(&w), at_second * 7 / 10, 1000, 1));
  start = w.now;
  while ((double)(w.now - start) / 1e9 < k)
    play_round(&w);
  assert_true(is_near(window(&w), at_second * 85 / 100, 100, DATAGRAM));
}

/* [rfc9438-4.2] t MUST NOT include application-limited time, [rfc9438-5.8]. */
static void test_app_limited(void **state)
{
  struct world w;
  struct world idle;
  (void)state;
  begin(&w);
  grow_to(&w, 1000 * DATAGRAM);
  congest(&w, false);
  for (int i = 0; i < 10; i++)
    play_round(&w);
  idle = w;
  for (int i = 0; i < 100; i++) { /* ten seconds with little to send */
    idle.now += RTT_NS;
    acknowledge(&idle, DATAGRAM, true);
  }
  assert_int_equal(window(&idle), window(&w));
  for (int i = 0; i < 20; i++) {
    play_round(&w);
    play_round(&idle);
  }
  assert_true(is_near(window(&idle), window(&w), 200, 0)); /* as if they had not been */

  idle = w;
  idle.now += 60 * TERN_SECOND; /* silence, then a first packet */
  idle.cc->on_sent(&idle.state, idle.now, DATAGRAM, DATAGRAM, 1);
  for (int i = 0; i < 20; i++) {
    play_round(&w);
    play_round(&idle);
  }
  assert_true(is_near(window(&idle), window(&w), 200, 0));
}

static void test_persistent_congestion(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  grow_to(&w, 100 * DATAGRAM);
  congest(&w, false);
  w.cc->on_persistent_congestion(&w.state, w.now);
  assert_int_equal(window(&w), 2 * DATAGRAM);
  assert_int_equal(ssthresh(&w), 70 * DATAGRAM); /* reduced once */
  assert_true(w.cc->is_in_slow_start(&w.state));
  while (w.cc->is_in_slow_start(&w.state))
    play_round(&w);
  assert_true(window(&w) >= 70 * DATAGRAM);
  /* [rfc9438-4.8] K = 0, W_max = cwnd: the convex part begins at once */
  for (int i = 0; i < 50; i++)
    play_round(&w);
  assert_true(window(&w) > 100 * DATAGRAM);
}

static void test_spurious(void **state)
{
  struct world w;
  struct world calm;
  (void)state;
  begin(&w);
  grow_to(&w, 1000 * DATAGRAM);
  congest(&w, false);
  for (int i = 0; i < 5; i++)
    play_round(&w);
  calm = w;
  congest(&w, false);
  w.now = calm.now;
  w.cc->on_spurious(&w.state, w.now); /* [rfc9438-4.9.2] */
  assert_int_equal(window(&w), window(&calm));
  assert_int_equal(ssthresh(&w), ssthresh(&calm));
  for (int i = 0; i < 10; i++) {
    play_round(&w);
    play_round(&calm);
  }
  assert_true(is_near(window(&w), window(&calm), 1000, DATAGRAM));
  w.cc->on_spurious(&w.state, w.now); /* only once */
  assert_true(is_near(window(&w), window(&calm), 1000, DATAGRAM));

  congest(&w, true);
  calm = w;
  w.cc->on_spurious(&w.state, w.now); /* a mark is not undone */
  assert_int_equal(window(&w), window(&calm));
}

static void test_spurious_in_slow_start(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  grow_to(&w, 50 * DATAGRAM);
  congest(&w, false);
  w.cc->on_spurious(&w.state, w.now);
  assert_int_equal(window(&w), 50 * DATAGRAM);
  assert_true(w.cc->is_in_slow_start(&w.state));
  acknowledge(&w, 10 * DATAGRAM, false);
  assert_int_equal(window(&w), 60 * DATAGRAM);
}

/* [rfc9438-4.10] CUBIC SHOULD use HyStart++: a rising RTT ends slow start without a loss. */
static void test_hystart(void **state)
{
  struct world w;
  uint64_t round = 0;
  (void)state;
  begin(&w);
  while (w.cc->is_in_slow_start(&w.state) && round < 40) {
    uint64_t count = window(&w) / DATAGRAM;
    uint64_t end = w.number + count;
    for (; w.number < end; w.number++) {
      tern_cc_ack ack;
      memset(&ack, 0, sizeof ack);
      w.now += RTT_NS / count;
      ack.now = w.now;
      ack.acked_bytes = DATAGRAM;
      ack.newest_sent_time = w.now - RTT_NS;
      ack.largest_acked = w.number;
      ack.next_packet_number = end + count;
      ack.rtt.latest_ns = ack.rtt.smoothed_ns = RTT_NS + (round >= 4 ? (round - 3) * 14 * MS : 0);
      w.cc->on_acked(&w.state, &ack);
    }
    round++;
  }
  assert_true(round >= 8 && round <= 12);  /* the alarm, then five conservative rounds */
  assert_true(ssthresh(&w) <= window(&w)); /* the window of that moment */
  assert_true(is_near(ssthresh(&w), window(&w), 20, 0));
  assert_true(window(&w) < 100 * 12000);
}

static void test_datagram_bytes(void **state)
{
  struct world w;
  (void)state;
  begin(&w);
  w.cc->on_datagram_bytes(&w.state, 1452);
  assert_int_equal(window(&w), 14520);
  grow_to(&w, 145200);
  congest(&w, false);
  play_round(&w);
  w.cc->on_datagram_bytes(&w.state, 65527);
  assert_true(window(&w) >= 2 * 65527);
  for (int i = 0; i < 100; i++)
    play_round(&w);
  w.cc->on_datagram_bytes(&w.state, 1200);
  for (int i = 0; i < 100; i++)
    play_round(&w);
}

/* ---- a trace that must not change ------------------------------------------------------------ */

/* Loss when the window passes 250 datagrams; RTT 100 ms. Window in bytes after each 10 rounds. */
static const uint64_t golden[] = {
    294276, 232266, 247721, 255217, 257639, 257870, 258791, 263284, 274222, 294482,
    241163, 271025, 289240, 298686, 227867, 244111, 252161, 254901, 255206, 255958,
    260039, 270326, 289684, 235773, 266789, 285881, 295968, 299919, 231782, 246164,
    252918, 254936, 255099, 256289, 261383, 273263, 294793, 242973, 271365, 288418,
};

static void test_trace(void **state)
{
  struct world w;
  size_t at = 0;
  bool is_equal = true;
  (void)state;
  begin(&w);
  for (int round = 1; round <= 400; round++) {
    play_round(&w);
    if (window(&w) > 250 * DATAGRAM)
      congest(&w, false);
    if (round % 10 != 0)
      continue;
    if (at >= COUNT_OF(golden) || golden[at] != window(&w))
      is_equal = false;
    if (!is_equal)
      print_message("    %u,\n", (unsigned)window(&w));
    at++;
  }
  assert_true(is_equal && at == COUNT_OF(golden));
}

/* Whatever happens, the window stays within its bounds and nothing asserts. */
static void test_random_events(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 50; seed++) {
    struct tern_random_seeded random;
    struct world w;
    tern_random_seeded_init(&random, seed);
    begin(&w);
    for (int i = 0; i < 3000; i++) {
      w.now += tern_random_seeded_next(&random) >> (30 + draw_below(&random, 30));
      switch (draw_below(&random, 12)) {
      case 0:
        congest(&w, draw_one_in(&random, 2));
        break;
      case 1:
        if (draw_one_in(&random, 5))
          w.cc->on_persistent_congestion(&w.state, w.now);
        break;
      case 2:
        w.cc->on_spurious(&w.state, w.now);
        break;
      case 3:
        w.cc->on_datagram_bytes(&w.state, 1200 + draw_below(&random, 64000));
        break;
      case 4:
        w.cc->on_sent(&w.state, w.now, DATAGRAM, DATAGRAM, 1);
        break;
      default:
        acknowledge(&w, draw_below(&random, 2 * window(&w)), draw_one_in(&random, 6));
        break;
      }
      assert_true(window(&w) >= 2 * 1200 && window(&w) <= TERN_CC_WINDOW_MAX);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_root),
      cmocka_unit_test(test_ticks),
      cmocka_unit_test(test_curve),
      cmocka_unit_test(test_curve_bounds),
      cmocka_unit_test(test_reduction),
      cmocka_unit_test(test_shape),
      cmocka_unit_test(test_reno_friendly),
      cmocka_unit_test(test_target_bound),
      cmocka_unit_test(test_fast_convergence),
      cmocka_unit_test(test_app_limited),
      cmocka_unit_test(test_persistent_congestion),
      cmocka_unit_test(test_spurious),
      cmocka_unit_test(test_spurious_in_slow_start),
      cmocka_unit_test(test_hystart),
      cmocka_unit_test(test_datagram_bytes),
      cmocka_unit_test(test_trace),
      cmocka_unit_test(test_random_events),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
