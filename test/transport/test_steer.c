/* SPDX-License-Identifier: MIT */
/* The worker in a connection id, and what an endpoint does with datagrams of its neighbours'. */
#include "support/pair.h"

#include "transport/conn.h"
#include "transport/steer.h"

static struct pair pair;

static int set_up(void **state)
{
  (void)state;
  pair_init(&pair, 7);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  pair_deinit(&pair);
  return 0;
}

/* Every id of a worker names it, and ids of all workers together look like noise: their first bytes are
 * spread as evenly as chance has it. */
static void test_round_trip(void **state)
{
  static const uint32_t counts[] = {2, 3, 7, 48, 255, 256};
  tern_random_ops random = tern_random_seeded_ops(&pair.random);
  (void)state;
  for (size_t i = 0; i < PAIR_COUNT_OF(counts); i++) {
    tern_steer steer = {.workers = counts[i], .key = {1, 2, 3}};
    for (int j = 0; j < 4000; j++) {
      uint8_t id[8];
      random.fill(random.arg, (uint8_t *)steer.key, sizeof steer.key);
      random.fill(random.arg, id, sizeof id);
      steer.worker = (uint32_t)j % counts[i];
      tern_steer_mark(&steer, id);
      assert_int_equal(tern_steer_get_worker(&steer, id), steer.worker);
    }
  }
}

/* [rfc9000-5.1] ids must not be such that others can tell which belong together: without the key the
 * first byte of one worker's ids takes all values, evenly. */
static void test_ids_are_noise(void **state)
{
  tern_random_ops random = tern_random_seeded_ops(&pair.random);
  tern_steer steer = {.workers = 4, .worker = 2, .key = {0x01234567, 0x89abcdef, 0x0f1e2d3c}};
  unsigned seen[256] = {0};
  (void)state;
  for (int i = 0; i < 256 * 100; i++) {
    uint8_t id[8];
    random.fill(random.arg, id, sizeof id);
    tern_steer_mark(&steer, id);
    seen[id[0]]++;
  }
  for (size_t i = 0; i < 256; i++)
    assert_in_range(seen[i], 50, 150);
}

static void test_alone(void **state)
{
  tern_steer steer = {.workers = 1};
  uint8_t id[8] = {1, 2, 3, 4, 5, 6, 7, 8}, before[8];
  (void)state;
  memcpy(before, id, sizeof id);
  tern_steer_mark(&steer, id);
  assert_memory_equal(id, before, sizeof id);
}

struct neighbours {
  bool takes;
  unsigned count;
  uint32_t worker;
  uint8_t bytes[PAIR_DATAGRAM_MAX];
  size_t len;
};

static bool forward(void *arg, uint32_t worker, const tern_datagram *datagram)
{
  struct neighbours *neighbours = arg;
  neighbours->count++;
  neighbours->worker = worker;
  neighbours->len = datagram->len;
  memcpy(neighbours->bytes, datagram->data, datagram->len);
  assert_int_equal(datagram->segment_bytes, 0);
  return neighbours->takes;
}

static void set_workers(struct neighbours *neighbours)
{
  *neighbours = (struct neighbours){.takes = true};
  pair.config[PAIR_SERVER].steer = (tern_steer){
      .workers = 4, .worker = 1, .key = {5, 6, 7}, .forward = forward, .arg = neighbours};
}

/* A packet for an id of `worker`. */
static size_t make_packet(uint8_t first, uint32_t worker, uint8_t *packet, size_t len)
{
  tern_steer steer = pair.config[PAIR_SERVER].steer;
  size_t at = first & 0x80 ? 6 : 1;
  memset(packet, 0x41, len);
  packet[0] = first;
  if (first & 0x80) {
    memcpy(packet + 1, (uint8_t[]){0, 0, 0, 1, 8}, 5);
    memcpy(packet + 14, (uint8_t[]){0, 0x40, 0x40}, 3); /* no source id; Length 64 */
  }
  steer.worker = worker;
  tern_steer_mark(&steer, packet + at);
  return at;
}

static void inject(uint8_t *packet, size_t len)
{
  pair_inject(&pair, PAIR_SERVER, NULL, tern_slice_of(packet, len), 0);
  pair_run_for(&pair, TERN_MS);
}

/* A short or Handshake packet of another worker's goes there, and is never answered. */
static void test_forwarded(void **state)
{
  static const uint8_t firsts[] = {0x41, 0xe1};
  static struct neighbours neighbours; /* the static pair points to it */
  uint8_t packet[100];
  (void)state;
  set_workers(&neighbours);
  pair_make_endpoint(&pair, PAIR_SERVER);
  for (size_t i = 0; i < PAIR_COUNT_OF(firsts); i++) {
    make_packet(firsts[i], 3, packet, sizeof packet);
    inject(packet, sizeof packet);
    assert_int_equal(neighbours.count, i + 1);
    assert_int_equal(neighbours.worker, 3);
    assert_int_equal(neighbours.len, sizeof packet);
    assert_memory_equal(neighbours.bytes, packet, sizeof packet);
  }
  assert_int_equal(pair.sent_count[PAIR_SERVER], 0);
  assert_int_equal(pair.counts[PAIR_SERVER][TERN_EVENT_DATAGRAM_FORWARDED], 2);
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(pair.endpoint[PAIR_SERVER], &stats);
  assert_int_equal(stats.datagrams_forwarded, 2);
  assert_int_equal(stats.resets_sent, 0);
}

/* Nobody is told that a connection is unknown because its worker is busy. */
static void test_refused(void **state)
{
  static struct neighbours neighbours; /* the static pair points to it */
  uint8_t packet[100];
  (void)state;
  set_workers(&neighbours);
  neighbours.takes = false;
  pair_make_endpoint(&pair, PAIR_SERVER);
  make_packet(0x41, 0, packet, sizeof packet);
  inject(packet, sizeof packet);
  assert_int_equal(neighbours.count, 1);
  assert_int_equal(pair.drops[PAIR_SERVER][TERN_DROP_WORKER_BUSY], 1);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 0);
}

/* An id of ours that we do not know any more is answered as ever. */
static void test_own_id(void **state)
{
  static struct neighbours neighbours; /* the static pair points to it */
  uint8_t packet[100];
  (void)state;
  set_workers(&neighbours);
  pair_make_endpoint(&pair, PAIR_SERVER);
  make_packet(0x41, 1, packet, sizeof packet);
  inject(packet, sizeof packet);
  assert_int_equal(neighbours.count, 0);
  assert_int_equal(pair.sent_count[PAIR_SERVER], 1);
}

/* All ids that a connection is given name its worker; whatever id a client's first Initial has, it is
 * taken where it comes. */
static void test_connection(void **state)
{
  static struct neighbours neighbours; /* the static pair points to it */
  (void)state;
  set_workers(&neighbours);
  for (int i = 0; i < 8; i++) {
    pair_connect(&pair);
    const struct tern_cid_local *ids = &pair.conn[PAIR_SERVER]->path.local_ids;
    const struct tern_cid_local_entry *entry;
    uint32_t at = 0, count = 0;
    while ((entry = tern_cid_local_next(ids, &at)) != NULL) {
      assert_int_equal(tern_steer_get_worker(&pair.config[PAIR_SERVER].steer, entry->cid.bytes), 1);
      count++;
    }
    assert_true(count > 1);
    assert_int_equal(neighbours.count, 0);
    pair_deinit(&pair);
    pair_init(&pair, 8 + (uint64_t)i);
    set_workers(&neighbours);
  }
}

static void test_config(void **state)
{
  char why[200];
  (void)state;
  tern_config config = pair.config[PAIR_SERVER];
  config.steer.workers = 0;
  assert_int_equal(tern_config_check(&config, why, sizeof why), TERN_INVALID);
  config.steer.workers = 257;
  assert_int_equal(tern_config_check(&config, why, sizeof why), TERN_INVALID);
  config.steer.workers = 256;
  config.steer.worker = 255;
  assert_int_equal(tern_config_check(&config, why, sizeof why), TERN_OK);
  config.steer.worker = 256;
  assert_int_equal(tern_config_check(&config, why, sizeof why), TERN_INVALID);
  config.steer.worker = 0;
  config.cid_bytes = 7;
  assert_int_equal(tern_config_check(&config, why, sizeof why), TERN_INVALID);
  assert_non_null(strstr(why, "cid_bytes"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_round_trip), TEST(test_ids_are_noise), TEST(test_alone),      TEST(test_forwarded),
      TEST(test_refused),    TEST(test_own_id),        TEST(test_connection), TEST(test_config),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
