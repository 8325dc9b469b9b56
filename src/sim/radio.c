/* SPDX-License-Identifier: MIT */
/* Models of radio links: see rates.h. Each draws a relative rate per step; at the end all are scaled to
 * the mean that was asked for. */
#include <math.h>

#include "sim/rates.h"

#define MINUTE_NS (60 * TERN_SECOND)

struct maker {
  struct tern_random_seeded random;
  struct tern_sim_rate_step *steps;
  size_t count;
  double slow;  /* state of slow fading, or the speed of now */
  uint64_t gap; /* steps without any rate that are still to come */
};

static double draw(struct maker *maker)
{
  return (double)(tern_random_seeded_next(&maker->random) >> 11) * 0x1p-53;
}

/* About normal, mean 0 and deviation 1: twelve even draws. */
static double draw_normal(struct maker *maker)
{
  double sum = -6;
  for (int i = 0; i < 12; i++)
    sum += draw(maker);
  return sum;
}

static void add(struct maker *maker, uint64_t ns, double rate, uint64_t delay_ns)
{
  uint64_t before = maker->count == 0 ? 0 : maker->steps[maker->count - 1].until_ns;
  struct tern_sim_rate_step *step = &maker->steps[maker->count++];
  step->until_ns = before + ns;
  step->rate = (uint64_t)(rate * 1e6);
  step->delay_ns = delay_ns;
}

/* Steps of 20 ms; slow fading has a memory of about 4 s, a hand-over comes every 20 s or so. */
static void make_lte(struct maker *maker)
{
  for (uint64_t at = 0; at < MINUTE_NS; at += 20 * TERN_MS) {
    if (maker->gap == 0 && draw(maker) < 0.001)
      maker->gap = 3 + (uint64_t)(draw(maker) * 12);
    maker->slow = 0.995 * maker->slow + 0.06 * draw_normal(maker);
    double rate = exp(maker->slow + 0.25 * draw_normal(maker));
    add(maker, 20 * TERN_MS, maker->gap != 0 ? 0 : rate, 0);
    maker->gap -= maker->gap != 0;
  }
}

/* Steps of 100 ms; the first of every 15 s have no rate. */
static void make_satellite(struct maker *maker)
{
  uint64_t delay_ns = 0;
  for (uint64_t at = 0; at < MINUTE_NS; at += 100 * TERN_MS) {
    bool is_new = at % (15 * TERN_SECOND) == 0;
    if (is_new) {
      maker->slow = 0.5 + draw(maker);
      delay_ns = (uint64_t)(draw(maker) * 15) * TERN_MS;
    }
    double rate = maker->slow * (0.9 + 0.2 * draw(maker));
    add(maker, 100 * TERN_MS, is_new ? 0 : rate, delay_ns);
  }
}

/* Steps of 5 ms. */
static void make_wifi(struct maker *maker)
{
  static const double speeds[] = {0.15, 0.3, 0.55, 0.8, 1.0};
  int speed = 3;
  for (uint64_t at = 0; at < MINUTE_NS; at += 5 * TERN_MS) {
    double chance = draw(maker);
    speed += chance < 0.01 && speed > 0 ? -1 : chance > 0.985 && speed < 4 ? 1 : 0;
    if (maker->gap == 0 && draw(maker) < 0.004)
      maker->gap = 2 + (uint64_t)(draw(maker) * 6);
    add(maker, 5 * TERN_MS, maker->gap != 0 ? 0 : speeds[speed] * (0.5 + 0.5 * draw(maker)), 0);
    maker->gap -= maker->gap != 0;
  }
}

static void scale(struct maker *maker, uint64_t rate)
{
  double sum = 0;
  uint64_t before = 0;
  for (size_t i = 0; i < maker->count; i++) {
    sum += (double)maker->steps[i].rate * (double)(maker->steps[i].until_ns - before);
    before = maker->steps[i].until_ns;
  }
  double factor = (double)rate * (double)before / sum;
  for (size_t i = 0; i < maker->count; i++)
    maker->steps[i].rate = (uint64_t)((double)maker->steps[i].rate * factor + 0.5);
}

size_t tern_sim_radio_make(enum tern_sim_radio radio, uint64_t seed, uint64_t rate,
                           struct tern_sim_rate_step *steps)
{
  struct maker maker = {.steps = steps};
  tern_random_seeded_init(&maker.random, seed);
  switch (radio) {
  case TERN_SIM_RADIO_NONE:
    add(&maker, MINUTE_NS, 1, 0);
    break;
  case TERN_SIM_RADIO_LTE:
    make_lte(&maker);
    break;
  case TERN_SIM_RADIO_SATELLITE:
    make_satellite(&maker);
    break;
  case TERN_SIM_RADIO_WIFI:
    make_wifi(&maker);
    break;
  }
  scale(&maker, rate);
  return maker.count;
}
