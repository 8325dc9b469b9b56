/* SPDX-License-Identifier: MIT */
/* The timer of RFC 9002 A.8: a table of situations, and the pseudocode itself as a model over
 * random facts. */
#include "recovery_test.h"

#include "recovery/pto.h"

#define NEVER TERN_TIME_NEVER

/* smoothed 100, variation 10: 140 ms without the ACK delay of 25 ms */
static struct tern_rtt make_rtt(void)
{
  struct tern_rtt rtt = {100 * MS, 100 * MS, 10 * MS, 90 * MS, true};
  return rtt;
}

struct situation {
  const char *name;
  struct tern_pto_space spaces[3]; /* loss time, in flight, last sent; times in ms */
  uint32_t count;
  bool is_confirmed, has_handshake_keys, is_peer_validated, is_blocked;
  uint64_t time_ms; /* UINT64_MAX = none */
  int space;
  bool is_loss, is_anti_deadlock;
};

#define NOTHING                                                                                    \
  {                                                                                                \
    NEVER, 0, 0                                                                                    \
  }

static const struct situation situations[] = {
    {"nothing in flight, server",
     {NOTHING, NOTHING, NOTHING},
     0,
     false,
     true,
     true,
     false,
     NEVER,
     0,
     false,
     false},
    {"initial in flight",
     {{NEVER, 1, 1000}, NOTHING, NOTHING},
     0,
     false,
     false,
     true,
     false,
     1140,
     0,
     false,
     false},
    {"one expiry doubles",
     {{NEVER, 1, 1000}, NOTHING, NOTHING},
     1,
     false,
     false,
     true,
     false,
     1280,
     0,
     false,
     false},
    {"five double 32 times",
     {{NEVER, 1, 1000}, NOTHING, NOTHING},
     5,
     false,
     false,
     true,
     false,
     1000 + 32 * 140,
     0,
     false,
     false},
    {"earlier of initial and handshake",
     {{NEVER, 1, 1010}, {NEVER, 3, 1000}, NOTHING},
     0,
     false,
     true,
     true,
     false,
     1140,
     1,
     false,
     false},
    {"initial first on a tie",
     {{NEVER, 1, 1000}, {NEVER, 3, 1000}, NOTHING},
     0,
     false,
     true,
     true,
     false,
     1140,
     0,
     false,
     false},
    {"application data waits for confirmation",
     {NOTHING, NOTHING, {NEVER, 2, 1000}},
     0,
     false,
     true,
     true,
     false,
     NEVER,
     0,
     false,
     false},
    {"application data, confirmed",
     {NOTHING, NOTHING, {NEVER, 2, 1000}},
     0,
     true,
     true,
     true,
     false,
     1165,
     2,
     false,
     false},
    {"delay is backed off, too",
     {NOTHING, NOTHING, {NEVER, 2, 1000}},
     2,
     true,
     true,
     true,
     false,
     1000 + 4 * 165,
     2,
     false,
     false},
    {"handshake beside application data",
     {NOTHING, {NEVER, 1, 1020}, {NEVER, 2, 1000}},
     0,
     true,
     true,
     true,
     false,
     1160,
     1,
     false,
     false},
    {"loss time wins",
     {NOTHING, NOTHING, {1100, 2, 1000}},
     0,
     true,
     true,
     true,
     false,
     1100,
     2,
     true,
     false},
    {"loss time wins although later",
     {{NEVER, 1, 1000}, NOTHING, {1900, 2, 1000}},
     0,
     true,
     true,
     true,
     false,
     1900,
     2,
     true,
     false},
    {"earliest loss time",
     {{1300, 1, 1000}, {1200, 1, 1000}, {1250, 1, 1000}},
     0,
     true,
     true,
     true,
     false,
     1200,
     1,
     true,
     false},
    {"amplification limit stops PTO",
     {{NEVER, 1, 1000}, NOTHING, NOTHING},
     0,
     false,
     true,
     true,
     true,
     NEVER,
     0,
     false,
     false},
    {"but not loss detection",
     {{1100, 1, 1000}, NOTHING, NOTHING},
     0,
     false,
     true,
     true,
     true,
     1100,
     0,
     true,
     false},
    {"anti-deadlock, no keys",
     {NOTHING, NOTHING, NOTHING},
     0,
     false,
     false,
     false,
     false,
     640,
     0,
     false,
     true},
    {"anti-deadlock, handshake keys",
     {NOTHING, NOTHING, NOTHING},
     0,
     false,
     true,
     false,
     false,
     640,
     1,
     false,
     true},
    {"anti-deadlock backs off",
     {NOTHING, NOTHING, NOTHING},
     3,
     false,
     true,
     false,
     false,
     500 + 8 * 140,
     1,
     false,
     true},
    {"in flight, no anti-deadlock",
     {{NEVER, 1, 1000}, NOTHING, NOTHING},
     0,
     false,
     false,
     false,
     false,
     1140,
     0,
     false,
     false},
    {"0-RTT alone does not silence the client",
     {NOTHING, NOTHING, {NEVER, 4, 1000}},
     0,
     false,
     false,
     false,
     false,
     640,
     0,
     false,
     true},
};

static void test_situations(void **state)
{
  struct tern_rtt rtt = make_rtt();
  (void)state;
  for (size_t i = 0; i < COUNT_OF(situations); i++) {
    const struct situation *s = &situations[i];
    struct tern_pto_args args = {.rtt = &rtt,
                                 .max_ack_delay_ns = 25 * MS,
                                 .count = s->count,
                                 .anti_deadlock_since = 500 * MS,
                                 .is_confirmed = s->is_confirmed,
                                 .has_handshake_keys = s->has_handshake_keys,
                                 .is_peer_validated = s->is_peer_validated,
                                 .is_amplification_blocked = s->is_blocked};
    struct tern_pto_deadline got;

    for (int j = 0; j < TERN_PTO_SPACES; j++) {
      args.spaces[j] = s->spaces[j];
      if (args.spaces[j].loss_time != NEVER)
        args.spaces[j].loss_time *= MS;
      args.spaces[j].last_ack_eliciting_time *= MS;
    }
    got = tern_pto_deadline(&args);
    print_message("%s\n", s->name);
    assert_true(got.time == (s->time_ms == NEVER ? NEVER : s->time_ms * MS));
    if (got.time == NEVER)
      continue;
    assert_int_equal(got.space, s->space);
    assert_int_equal(got.is_loss, s->is_loss);
    assert_int_equal(got.is_anti_deadlock, s->is_anti_deadlock);
  }
}

/* ---- the pseudocode, word for word, with 0 for "not set" ---- */

struct model {
  const struct tern_pto_args *args;
  tern_time now;
};

static tern_time model_loss_time(const struct model *m, int *space)
{
  tern_time time = 0;
  *space = 0;
  for (int i = 0; i < 3; i++) {
    tern_time loss_time = m->args->spaces[i].loss_time;
    if (loss_time != NEVER && (time == 0 || loss_time < time)) {
      time = loss_time;
      *space = i;
    }
  }
  return time;
}

static bool model_any_in_flight(const struct model *m)
{
  return m->args->spaces[0].ack_eliciting_in_flight || m->args->spaces[1].ack_eliciting_in_flight ||
         m->args->spaces[2].ack_eliciting_in_flight;
}

static tern_time model_pto(const struct model *m, int *pto_space)
{
  const struct tern_rtt *rtt = m->args->rtt;
  uint64_t four = 4 * rtt->variation_ns > MS ? 4 * rtt->variation_ns : MS;
  uint64_t duration = (rtt->smoothed_ns + four) * (UINT64_C(1) << m->args->count);
  tern_time timeout = NEVER;

  *pto_space = 0;
  if (!model_any_in_flight(m)) {
    *pto_space = m->args->has_handshake_keys ? 1 : 0;
    return m->now + duration;
  }
  for (int space = 0; space < 3; space++) {
    tern_time t = 0;
    if (m->args->spaces[space].ack_eliciting_in_flight == 0)
      continue;
    if (space == 2) {
      if (!m->args->is_confirmed)
        return timeout;
      duration += m->args->max_ack_delay_ns * (UINT64_C(1) << m->args->count);
    }
    t = m->args->spaces[space].last_ack_eliciting_time + duration;
    if (t < timeout) {
      timeout = t;
      *pto_space = space;
    }
  }
  return timeout;
}

static tern_time model_timer(const struct model *m, int *space)
{
  tern_time time = model_loss_time(m, space);
  if (time != 0)
    return time;
  if (m->args->is_amplification_blocked)
    return NEVER;
  if (!model_any_in_flight(m) && m->args->is_peer_validated)
    return NEVER;
  return model_pto(m, space);
}

static void draw_args(struct tern_random_seeded *random, struct tern_pto_args *args)
{
  for (int i = 0; i < 3; i++) {
    args->spaces[i].ack_eliciting_in_flight = draw_one_in(random, 2) ? 0 : draw_below(random, 9);
    args->spaces[i].last_ack_eliciting_time = (1 + draw_below(random, 5000)) * MS;
    args->spaces[i].loss_time =
        draw_one_in(random, 5) ? (1 + draw_below(random, 6000)) * MS : NEVER;
  }
  args->count = (uint32_t)draw_below(random, 20);
  args->max_ack_delay_ns = draw_below(random, 250) * MS;
  args->is_confirmed = draw_one_in(random, 2);
  args->has_handshake_keys = args->is_confirmed || draw_one_in(random, 2);
  args->is_peer_validated = args->is_confirmed || draw_one_in(random, 2);
  args->is_amplification_blocked = draw_one_in(random, 8);
}

static void test_against_pseudocode(void **state)
{
  struct tern_random_seeded random;
  struct tern_rtt rtt;
  (void)state;
  tern_random_seeded_init(&random, 8);
  print_message("seed 8\n");
  for (int i = 0; i < 100000; i++) {
    struct tern_pto_args args;
    struct model m = {&args, 7000 * MS};
    struct tern_pto_deadline got;
    tern_time want = 0;
    int space = 0;

    memset(&args, 0, sizeof args);
    rtt = make_rtt();
    rtt.smoothed_ns = 1 + draw_below(&random, 400 * MS);
    rtt.variation_ns = draw_below(&random, 100 * MS);
    args.rtt = &rtt;
    args.anti_deadlock_since = m.now;
    draw_args(&random, &args);
    /* The one place where tern differs on purpose: unconfirmed application data alone. */
    if (!args.is_peer_validated && args.spaces[0].ack_eliciting_in_flight == 0 &&
        args.spaces[1].ack_eliciting_in_flight == 0)
      args.spaces[2].ack_eliciting_in_flight = 0;
    got = tern_pto_deadline(&args);
    want = model_timer(&m, &space);
    assert_true(got.time == want);
    if (want != NEVER)
      assert_int_equal(got.space, space);
  }
}

static void test_backoff(void **state)
{
  (void)state;
  assert_int_equal(tern_pto_backoff_ns(3, 0), 3);
  assert_int_equal(tern_pto_backoff_ns(3, 10), 3072);
  assert_int_equal(tern_pto_backoff_ns(0, 200), 0);
  assert_int_equal(tern_pto_backoff_ns(1, 62), UINT64_C(1) << 62);
  assert_int_equal(tern_pto_backoff_ns(UINT64_MAX, 3), UINT64_C(1) << 62);
  for (uint32_t i = 0; i < 300; i++)
    assert_true(tern_pto_backoff_ns(999 * MS, i + 1) >= tern_pto_backoff_ns(999 * MS, i));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_situations),
      cmocka_unit_test(test_against_pseudocode),
      cmocka_unit_test(test_backoff),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
