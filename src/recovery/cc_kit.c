/* SPDX-License-Identifier: MIT */
/* The conformance kit: a path in a few lines, on which one controller sends.
 *
 *   sent packets pass a drop-tail queue and a transmitter; what left it is acknowledged one RTT later, or
 *   lost, or marked, as the situation says; ACKs come one by one
 *
 * The extremes are not on a path: random calls with random values. */
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include <tern/cc_kit.h>

#include "base/random.h"
#include "recovery/cc_common.h"

#define DATAGRAM 1200
#define WINDOW_MIN (UINT64_C(2) * DATAGRAM)
#define WINDOW_MAX (UINT64_C(1) << 31)
#define RING 2048
#define QUEUE_NS (100 * TERN_MS) /* what may wait for the bottleneck; the rest is lost */
#define GUARD_BYTES 64
#define GUARD 0xc3

struct packet {
  tern_time sent_time;
  tern_time told_time; /* when the sender learns of its fate */
  tern_time delivered_time;
  tern_time first_sent_time;
  uint64_t delivered_bytes;
  uint64_t lost_bytes;
  uint64_t tx_in_flight_bytes;
  bool is_app_limited;
  bool is_dropped;
};

struct path {
  const tern_cc_ops *ops;
  struct {
    alignas(16) uint8_t bytes[TERN_CC_STATE_BYTES];
    uint8_t guard[GUARD_BYTES];
  } state;
  const char *broken; /* the first rule that was, with what was seen in `seen` */
  uint64_t seen;
  uint64_t peak_bytes; /* largest window so far */

  /* the path */
  uint64_t rate; /* bytes per second */
  uint64_t rtt_ns;
  uint64_t use_bytes_max; /* the application's: in flight at most; 0 = no limit */
  unsigned lose_one_in;   /* 0 = none */
  bool marks_all;

  tern_time now;
  tern_time free_at; /* the bottleneck is busy until then */
  tern_time pace_at;
  uint64_t next;  /* packet number */
  uint64_t first; /* oldest in flight */
  uint64_t delivered_bytes;
  uint64_t lost_bytes;
  tern_time delivered_time;
  tern_time first_sent_time;
  uint64_t srtt_ns;
  struct packet ring[RING];
};

static void note(struct path *path, const char *rule, uint64_t seen)
{
  if (path->broken != NULL)
    return;
  path->broken = rule;
  path->seen = seen;
}

static uint64_t get_window(struct path *path)
{
  uint64_t window = path->ops->window_bytes(path->state.bytes);

  if (window > path->peak_bytes)
    path->peak_bytes = window;
  if (window < WINDOW_MIN)
    note(path, "extremes: the window fell below two datagrams, to bytes", window);
  if (window > WINDOW_MAX)
    note(path, "extremes: the window grew beyond 2 GiB, to bytes", window);
  return window;
}

static tern_cc_rtt get_rtt(const struct path *path)
{
  tern_cc_rtt rtt = {path->rtt_ns, path->srtt_ns, path->srtt_ns / 8, path->rtt_ns};
  if (path->srtt_ns == 0)
    memset(&rtt, 0, sizeof rtt);
  return rtt;
}

/* Bytes per second; what tern would pace with, if the controller does not say. */
static uint64_t get_rate(struct path *path)
{
  tern_cc_rtt rtt = get_rtt(path);
  uint64_t rate = 0;

  if (path->ops->pacing_rate != NULL)
    rate = path->ops->pacing_rate(path->state.bytes, &rtt);
  if (rate == 0 && rtt.smoothed_ns != 0)
    rate = get_window(path) * 5 / 4 * TERN_SECOND / rtt.smoothed_ns;
  return rate;
}

static void begin(struct path *path, const tern_cc_ops *ops)
{
  tern_cc_start start = {.now = TERN_SECOND, .datagram_bytes = DATAGRAM, .seed = 9002};

  memset(path, 0, sizeof *path);
  memset(&path->state, GUARD, sizeof path->state);
  path->ops = ops;
  path->now = TERN_SECOND;
  path->rate = 1250000;
  path->rtt_ns = 50 * TERN_MS;
  ops->init(path->state.bytes, &start);
  (void)get_window(path);
}

static uint64_t get_in_flight(const struct path *path)
{
  return (path->next - path->first) * DATAGRAM;
}

/* ---- sending -------------------------------------------------------------------------------- */

static bool can_send(struct path *path)
{
  uint64_t in_flight = get_in_flight(path) + DATAGRAM;

  if (path->use_bytes_max != 0 && in_flight > path->use_bytes_max)
    return false;
  return in_flight <= get_window(path) && path->next - path->first < RING;
}

static void send_one(struct path *path)
{
  struct packet *packet = &path->ring[path->next % RING];
  uint64_t rate = get_rate(path);
  bool is_dropped = path->free_at > path->now + QUEUE_NS;

  if (path->free_at < path->now)
    path->free_at = path->now;
  if (!is_dropped)
    path->free_at += DATAGRAM * TERN_SECOND / path->rate;
  if (path->next == path->first)
    path->first_sent_time = path->delivered_time = path->now;
  *packet = (struct packet){.sent_time = path->now,
                            .told_time = path->free_at + path->rtt_ns,
                            .delivered_time = path->delivered_time,
                            .first_sent_time = path->first_sent_time,
                            .delivered_bytes = path->delivered_bytes,
                            .lost_bytes = path->lost_bytes,
                            .tx_in_flight_bytes = get_in_flight(path) + DATAGRAM,
                            .is_app_limited = path->use_bytes_max != 0,
                            .is_dropped = is_dropped};
  path->next++;
  path->ops->on_sent(path->state.bytes, path->now, DATAGRAM, get_in_flight(path), path->next - 1);
  if (rate != 0)
    path->pace_at = path->now + DATAGRAM * TERN_SECOND / rate;
}

/* ---- what becomes of the oldest --------------------------------------------------------------- */

static void lose_oldest(struct path *path, const struct packet *packet)
{
  uint64_t number = path->first++;

  path->lost_bytes += DATAGRAM;
  tern_cc_lost lost = {.now = path->now,
                       .sent_time = packet->sent_time,
                       .packet_number = number,
                       .bytes = DATAGRAM,
                       .tx_in_flight_bytes = packet->tx_in_flight_bytes,
                       .lost_bytes = path->lost_bytes - packet->lost_bytes,
                       .total_delivered_bytes = path->delivered_bytes,
                       .is_app_limited = packet->is_app_limited};
  tern_cc_congestion event = {.now = path->now,
                              .sent_time = packet->sent_time,
                              .lost_bytes = DATAGRAM,
                              .in_flight_bytes = get_in_flight(path),
                              .largest_lost = number};
  if (path->ops->on_lost != NULL)
    path->ops->on_lost(path->state.bytes, &lost);
  path->ops->on_congestion(path->state.bytes, &event);
}

static void take_rate(struct path *path, const struct packet *packet, tern_cc_rate *rate)
{
  uint64_t send_ns = packet->sent_time - packet->first_sent_time;
  uint64_t ack_ns = path->now - packet->delivered_time;

  *rate = (tern_cc_rate){.delivered_bytes = path->delivered_bytes - packet->delivered_bytes,
                         .interval_ns = send_ns > ack_ns ? send_ns : ack_ns,
                         .prior_delivered_bytes = packet->delivered_bytes,
                         .total_delivered_bytes = path->delivered_bytes,
                         .tx_in_flight_bytes = packet->tx_in_flight_bytes,
                         .lost_bytes = path->lost_bytes - packet->lost_bytes,
                         .rtt_ns = path->now - packet->sent_time,
                         .is_app_limited = packet->is_app_limited};
}

static void acknowledge_oldest(struct path *path, const struct packet *packet)
{
  uint64_t number = path->first++;
  uint64_t sample_ns = path->now - packet->sent_time;
  tern_cc_ack ack = {.now = path->now,
                     .acked_bytes = DATAGRAM,
                     .in_flight_bytes = get_in_flight(path),
                     .prior_in_flight_bytes = get_in_flight(path) + DATAGRAM,
                     .newest_sent_time = packet->sent_time,
                     .largest_acked = number,
                     .next_packet_number = path->next,
                     .ecn_ce_count = path->marks_all,
                     .ecn_marked_count = 1,
                     .is_app_limited = packet->is_app_limited};

  path->delivered_bytes += DATAGRAM;
  path->delivered_time = path->now;
  path->srtt_ns = path->srtt_ns == 0 ? sample_ns : (7 * path->srtt_ns + sample_ns) / 8;
  ack.rtt = get_rtt(path);
  ack.rtt.latest_ns = sample_ns;
  take_rate(path, packet, &ack.rate);
  path->first_sent_time = packet->sent_time;
  if (path->marks_all) {
    tern_cc_congestion event = {.now = path->now,
                                .sent_time = packet->sent_time,
                                .in_flight_bytes = get_in_flight(path),
                                .largest_lost = number,
                                .is_ecn = true};
    path->ops->on_congestion(path->state.bytes, &event);
  }
  path->ops->on_acked(path->state.bytes, &ack);
}

/* Sends and acknowledges until `duration_ns` has gone by. */
static void run(struct path *path, uint64_t duration_ns)
{
  tern_time end = path->now + duration_ns;

  while (path->now < end && path->broken == NULL) {
    bool has_flight = path->next != path->first;
    tern_time arrival = has_flight ? path->ring[path->first % RING].told_time : end;
    if (can_send(path) && path->pace_at <= arrival) {
      path->now = path->pace_at > path->now ? path->pace_at : path->now;
      send_one(path);
      continue;
    }
    if (!has_flight)
      break;
    path->now = arrival > path->now ? arrival : path->now;
    const struct packet packet = path->ring[path->first % RING];
    if (packet.is_dropped || (path->lose_one_in != 0 && path->first % path->lose_one_in == 0))
      lose_oldest(path, &packet);
    else
      acknowledge_oldest(path, &packet);
  }
}

/* ---- rules ------------------------------------------------------------------------------------ */

static void check_ops(struct path *path, const tern_cc_ops *ops)
{
  if (ops->size != sizeof *ops || ops->version != TERN_CC_VERSION)
    note(path, "ops: size or version is another one's; version", ops->version);
  else if (ops->name == NULL || ops->name[0] == 0)
    note(path, "ops: it has no name", 0);
  else if (ops->init == NULL || ops->on_sent == NULL || ops->on_acked == NULL ||
           ops->on_congestion == NULL || ops->on_persistent_congestion == NULL ||
           ops->window_bytes == NULL)
    note(path, "ops: a required member is NULL", 0);
}

static void check_growth(struct path *path)
{
  uint64_t before = 0;

  run(path, 2 * TERN_SECOND);
  before = path->delivered_bytes;
  run(path, 8 * TERN_SECOND);
  if (path->delivered_bytes - before < 8 * path->rate * 2 / 3)
    note(path, "growth: bytes in 8 s on an idle path of 10 Mbit/s", path->delivered_bytes - before);
}

static void check_app_limited(struct path *path)
{
  uint64_t window = get_window(path);

  path->use_bytes_max = 2 * (uint64_t)DATAGRAM;
  run(path, TERN_SECOND);
  if (get_window(path) > 2 * window) /* a first window may count as used */
    note(path, "app-limited: an unused first window grew to bytes", get_window(path));
  path->use_bytes_max = 0;
  run(path, 4 * TERN_SECOND);
  path->use_bytes_max = 2 * (uint64_t)DATAGRAM;
  run(path, TERN_SECOND); /* what was sent before is still used */
  window = path->peak_bytes;
  run(path, 4 * TERN_SECOND);
  if (get_window(path) > window)
    note(path, "app-limited: an unused window grew to bytes", get_window(path));
}

/* Lower than before, in what it may have in flight or in how fast it sends. */
static void check_lower(struct path *path, uint64_t window, uint64_t rate, const char *rule)
{
  if (get_window(path) > window * 9 / 10 && get_rate(path) > rate * 9 / 10)
    note(path, rule, get_window(path));
}

static void check_loss(struct path *path)
{
  run(path, 4 * TERN_SECOND);
  uint64_t window = get_window(path);
  uint64_t rate = get_rate(path);
  path->lose_one_in = 3;
  run(path, TERN_SECOND);
  check_lower(path, window, rate,
              "loss: one packet of three is lost for 1 s, and the window is bytes");
}

static void check_mark(struct path *path)
{
  run(path, 4 * TERN_SECOND);
  uint64_t window = get_window(path);
  uint64_t rate = get_rate(path);
  path->marks_all = true;
  run(path, TERN_SECOND);
  check_lower(path, window, rate,
              "mark: all packets are marked CE for 1 s, and the window is bytes");
}

static void check_persistent(struct path *path)
{
  run(path, 4 * TERN_SECOND);
  path->ops->on_persistent_congestion(path->state.bytes, path->now);
  if (get_window(path) > WINDOW_MIN)
    note(path, "persistent: the window is not two datagrams but bytes", get_window(path));
  run(path, 4 * TERN_SECOND);
  if (get_window(path) <= 2 * WINDOW_MIN)
    note(path, "recovery: 4 s after persistent congestion the window is bytes", get_window(path));
}

/* ---- extremes --------------------------------------------------------------------------------- */

/* Small and huge values alike: a random number of random length. */
static uint64_t draw(struct tern_random_seeded *random, unsigned bits)
{
  return tern_random_seeded_next(random) >> (64 - 1 - tern_random_seeded_next(random) % bits);
}

static void call_acked(struct path *path, struct tern_random_seeded *random)
{
  uint64_t rtt_ns = 1 + draw(random, 42);
  uint64_t prior = draw(random, 40);
  tern_cc_ack ack = {.now = path->now,
                     .acked_bytes = 1 + draw(random, 31),
                     .lost_bytes = draw(random, 31),
                     .in_flight_bytes = draw(random, 31),
                     .prior_in_flight_bytes = draw(random, 31),
                     .newest_sent_time = path->now - draw(random, 42) % path->now,
                     .largest_acked = path->next,
                     .next_packet_number = path->next + 1,
                     .ecn_ce_count = draw(random, 16) * (draw(random, 3) == 0),
                     .ecn_marked_count = draw(random, 16),
                     .is_app_limited = draw(random, 2) == 0,
                     .rtt = {rtt_ns, 1 + draw(random, 42), draw(random, 42), rtt_ns},
                     .rate = {.delivered_bytes = draw(random, 36),
                              .interval_ns = draw(random, 42),
                              .prior_delivered_bytes = prior,
                              .total_delivered_bytes = prior + draw(random, 36),
                              .tx_in_flight_bytes = draw(random, 32),
                              .lost_bytes = draw(random, 32),
                              .rtt_ns = rtt_ns,
                              .is_app_limited = draw(random, 2) == 0}};
  path->ops->on_acked(path->state.bytes, &ack);
}

static void call_lost(struct path *path, struct tern_random_seeded *random)
{
  tern_cc_congestion event = {.now = path->now,
                              .sent_time = path->now - draw(random, 42) % path->now,
                              .lost_bytes = draw(random, 31),
                              .in_flight_bytes = draw(random, 31),
                              .largest_lost = path->next,
                              .is_ecn = draw(random, 2) == 0};
  tern_cc_lost lost = {.now = path->now,
                       .sent_time = event.sent_time,
                       .packet_number = path->next,
                       .bytes = 1 + draw(random, 16),
                       .tx_in_flight_bytes = draw(random, 32),
                       .lost_bytes = draw(random, 32),
                       .total_delivered_bytes = draw(random, 40)};
  if (path->ops->on_lost != NULL && !event.is_ecn)
    path->ops->on_lost(path->state.bytes, &lost);
  path->ops->on_congestion(path->state.bytes, &event);
}

static void call_rarely(struct path *path, struct tern_random_seeded *random)
{
  switch (tern_random_seeded_next(random) % 3) {
  case 0:
    path->ops->on_persistent_congestion(path->state.bytes, path->now);
    break;
  case 1:
    if (path->ops->on_spurious != NULL)
      path->ops->on_spurious(path->state.bytes, path->now);
    break;
  default:
    if (path->ops->on_datagram_bytes != NULL)
      path->ops->on_datagram_bytes(path->state.bytes, DATAGRAM); /* no minimum moves */
    break;
  }
}

static void call_something(struct path *path, struct tern_random_seeded *random)
{
  uint64_t choice = tern_random_seeded_next(random) % 16;

  path->now += draw(random, choice == 0 ? 46 : 30);
  path->next += draw(random, 4);
  if (choice < 6)
    call_acked(path, random);
  else if (choice < 8)
    call_lost(path, random);
  else if (choice < 15)
    path->ops->on_sent(path->state.bytes, path->now, DATAGRAM, DATAGRAM + draw(random, 31),
                       path->next);
  else
    call_rarely(path, random);
  (void)get_window(path);
}

/* Two states, the second one a copy of the first from the middle on, in another place. */
static void check_extremes(struct path *path, struct path *twin, uint64_t seed)
{
  struct tern_random_seeded random;
  struct tern_random_seeded again;
  const tern_cc_ops *ops = path->ops;

  tern_random_seeded_init(&random, seed);
  tern_random_seeded_init(&again, seed);
  for (int i = 0; i < 400 && path->broken == NULL; i++) {
    call_something(path, &random);
    call_something(twin, &again);
    if (get_window(path) != get_window(twin) || get_rate(path) != get_rate(twin))
      note(path, "deterministic: the same calls gave other answers; the window is bytes",
           get_window(path));
    if (i == 200)
      memcpy(twin->state.bytes, path->state.bytes, sizeof path->state.bytes);
    if (ops->ssthresh_bytes != NULL)
      (void)ops->ssthresh_bytes(path->state.bytes);
  }
}

static void check_guard(struct path *path)
{
  const uint8_t *end = path->state.bytes + tern_cc_get_state_bytes(path->ops);

  for (size_t i = 0; end + i < path->state.guard + GUARD_BYTES; i++)
    if (end[i] != GUARD)
      note(path, "bounds: written beyond the state, by bytes", i + 1);
}

static bool has_failed(struct path *path, char *why, size_t why_size)
{
  if (path->broken != NULL && why_size != 0)
    snprintf(why, why_size, "%s: %llu", path->broken, (unsigned long long)path->seen);
  return path->broken != NULL;
}

tern_status tern_cc_check(const tern_cc_ops *ops, char *why, size_t why_size)
{
  static void (*const rules[])(struct path *) = {check_loss, check_mark, check_growth,
                                                 check_app_limited, check_persistent};
  struct path path = {0};
  struct path twin;

  check_ops(&path, ops);
  if (has_failed(&path, why, why_size))
    return TERN_INVALID;
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
    begin(&path, ops);
    rules[i](&path);
    check_guard(&path);
    if (has_failed(&path, why, why_size))
      return TERN_INVALID;
  }
  for (uint64_t seed = 1; seed <= 200; seed++) {
    begin(&path, ops);
    begin(&twin, ops);
    check_extremes(&path, &twin, seed);
    check_guard(&path);
    if (has_failed(&path, why, why_size))
      return TERN_INVALID;
  }
  return TERN_OK;
}
