/* SPDX-License-Identifier: MIT */
/* A stranger throws bytes at a server: HOSTILE.md P1 (random datagrams), P3 (connection id lengths), P4
 * (coalesced packets), P14 of the header kind. Nothing may stay behind, and answers keep to the rules:
 *
 *   Version Negotiation   only to a long header of an unknown version in >= 1,200 bytes [rfc9000-6.1]
 *   Stateless Reset       shorter than what it answers [rfc9000-10.3.3] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim.h"
#include "support/fail_alloc.h"
#include "tls/tls_sim.h"
#include "wire/header.h"
#include "wire/stateless.h"

/* Tables of the endpoint that its first connection makes and that stay. */
#define TABLES_BYTES 4096

struct stage {
  struct tern_sim *sim;
  struct tern_fail_alloc heap;
  tern_alloc_ops heap_ops;
  tern_tls *tls;
  struct tern_sim_node *server;
  struct tern_sim_node *stranger;
  struct tern_random_seeded random;
  uint64_t own_bytes;
  unsigned answers;
  size_t answer_len;
  uint32_t answer_version; /* UINT32_MAX = a short header */
};

static void on_answer(void *arg, tern_datagram *batch, size_t count, tern_time now)
{
  struct stage *stage = arg;
  (void)now;
  for (size_t i = 0; i < count; i++) {
    struct tern_reader reader = tern_reader_of(batch[i].data, batch[i].len);
    struct tern_invariant invariant;
    assert_true(tern_header_read_invariant(&reader, 0, &invariant));
    stage->answers++;
    stage->answer_len = batch[i].len;
    stage->answer_version = invariant.is_long ? invariant.version : UINT32_MAX;
  }
}

static const struct tern_sim_host stranger_host = {.receive = on_answer};

static void ignore_conn(void *app, tern_conn *conn)
{
  (void)app;
  (void)conn;
  fail_msg("a connection of noise");
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof(tern_endpoint_ops),
                                               .on_conn = ignore_conn};

static tern_addr address(uint8_t last)
{
  tern_addr addr = {.family = 4, .ip = {10}, .port = 4433};
  addr.ip[3] = last;
  return addr;
}

static tern_endpoint_stats get_stats(const struct stage *stage)
{
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(tern_sim_node_endpoint(stage->server), &stats);
  return stats;
}

static void set_stage(struct stage *stage, uint64_t seed)
{
  struct tern_sim_link_config wire = {0};
  tern_config config;
  char why[256];
  memset(stage, 0, sizeof(*stage));
  tern_random_seeded_init(&stage->random, seed);
  tern_fail_alloc_init(&stage->heap, 0);
  stage->heap_ops = tern_fail_alloc_ops(&stage->heap);
  stage->tls = tern_tls_sim_new(&stage->heap_ops, NULL);
  assert_non_null(stage->tls);
  tern_config_init(&config, sizeof(config));
  config.alloc = stage->heap_ops;
  config.server_tls = stage->tls;
  assert_int_equal(tern_sim_new(&stage->sim, seed, NULL), TERN_OK);
  struct tern_sim_endpoint_args args = {"server", address(1), &config, &endpoint_ops, stage};
  assert_int_equal(tern_sim_add_endpoint(stage->sim, &args, &stage->server, why, sizeof(why)),
                   TERN_OK);
  struct tern_sim_host_args stranger = {"stranger", address(2), &stranger_host, stage};
  assert_int_equal(tern_sim_add_host(stage->sim, &stranger, &stage->stranger), TERN_OK);
  assert_int_equal(tern_sim_connect(stage->sim, stage->server, stage->stranger, &wire), TERN_OK);
  stage->own_bytes = get_stats(stage).heap_bytes_now;
}

static void clear_stage(struct stage *stage)
{
  assert_null(tern_sim_get_fault(stage->sim));
  tern_sim_free(stage->sim);
  tern_tls_unref(stage->tls);
  assert_int_equal(stage->heap.live_bytes, 0);
}

/* Throws one datagram and waits for what comes of it; checks the rules. */
static void throw_one(struct stage *stage, const uint8_t *data, size_t len)
{
  tern_run run = {.data = data, .len = len, .remote = address(1)};
  stage->answers = 0;
  assert_int_equal(tern_sim_send(stage->sim, stage->stranger, &run), TERN_OK);
  tern_sim_run_until(stage->sim, tern_sim_now(stage->sim) + TERN_MS);
  assert_true(stage->answers <= 1);
  tern_endpoint_stats stats = get_stats(stage);
  assert_int_equal(stats.conns_now, 0);
  assert_true(stats.heap_bytes_now <= stage->own_bytes + TABLES_BYTES);
  if (stage->answers == 0)
    return;
  struct tern_reader reader = tern_reader_of(data, len);
  struct tern_invariant invariant;
  assert_true(tern_header_read_invariant(&reader, 0, &invariant));
  if (stage->answer_version == UINT32_MAX) {
    assert_true(stage->answer_len < len);
    return;
  }
  assert_int_equal(stage->answer_version, TERN_VERSION_NEGOTIATION);
  assert_true(invariant.is_long && len >= TERN_INITIAL_DATAGRAM_MIN);
  assert_int_not_equal(invariant.version, TERN_VERSION_1);
  assert_int_not_equal(invariant.version, TERN_VERSION_NEGOTIATION);
}

static void draw_bytes(struct stage *stage, uint8_t *out, size_t len)
{
  for (size_t i = 0; i < len; i++)
    out[i] = (uint8_t)(tern_random_seeded_next(&stage->random) >> 56);
}

/* P1 */
static void random_datagrams_leave_nothing(void **state)
{
  struct stage stage;
  uint8_t bytes[1500];
  (void)state;
  print_message("seed 1\n");
  set_stage(&stage, 1);
  for (size_t i = 0; i < 30000; i++) {
    size_t len = (size_t)(tern_random_seeded_next(&stage.random) % (sizeof(bytes) + 1));
    draw_bytes(&stage, bytes, len < 64 ? len : 64);
    throw_one(&stage, bytes, len);
  }
  clear_stage(&stage);
}

/* P3: every pair of connection id lengths, both versions, an unknown one and Version Negotiation itself,
 * long enough and too short to be an Initial. */
static void connection_id_lengths_leave_nothing(void **state)
{
  static const uint32_t versions[] = {TERN_VERSION_1, TERN_VERSION_2, 0x1a2a3a4a, 0};
  struct stage stage;
  uint8_t bytes[1200];
  uint8_t ids[256] = {0};
  unsigned negotiations = 0;
  (void)state;
  set_stage(&stage, 2);
  draw_bytes(&stage, bytes, sizeof(bytes));
  for (size_t i = 0; i < 4 * 256 * 256; i += 3) {
    size_t dcid = i / 4 % 256;
    size_t scid = i / 1024;
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    tern_write_u8(&writer, versions[i % 4] == TERN_VERSION_2 ? 0xd0 : 0xc0);
    tern_write_u32(&writer, versions[i % 4]);
    tern_write_u8(&writer, (uint8_t)dcid);
    tern_write_bytes(&writer, ids, dcid);
    tern_write_u8(&writer, (uint8_t)scid);
    tern_write_bytes(&writer, ids, scid);
    tern_write_u8(&writer, 0);
    tern_write_u16(&writer, 0x4200);
    throw_one(&stage, bytes, i % 7 == 0 ? 1199 : 1200);
    negotiations += stage.answers;
  }
  assert_true(negotiations > 0);
  clear_stage(&stage);
}

/* P4: packets that follow each other in a datagram, with the same and with other ids. */
static void coalesced_noise_leaves_nothing(void **state)
{
  struct stage stage;
  uint8_t bytes[1400];
  (void)state;
  print_message("seed 3\n");
  set_stage(&stage, 3);
  for (int i = 0; i < 20000; i++) {
    struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
    draw_bytes(&stage, bytes, sizeof(bytes));
    while (tern_writer_left(&writer) > 200) {
      uint64_t draw = tern_random_seeded_next(&stage.random);
      struct tern_long_header_args args = {
          .type = (enum tern_packet_type)(draw % 3),
          .version = draw % 5 == 0 ? TERN_VERSION_2 : TERN_VERSION_1,
          .dcid = tern_slice_of("abcdefghijklmnopqrst", (size_t)(draw >> 8) % 21),
          .scid = tern_slice_of("ABCDEFGHIJKLMNOPQRST", (size_t)(draw >> 16) % 21),
          .pn = draw >> 40,
          .pn_len = 1 + (size_t)(draw >> 24) % 4};
      size_t length_at;
      tern_header_write_long(&writer, &args, &length_at);
      (void)tern_write_room(&writer, 20 + (size_t)(draw >> 32) % 100);
      tern_header_patch_length(&writer, length_at, 0);
    }
    throw_one(&stage, bytes, sizeof(bytes));
  }
  clear_stage(&stage);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_datagrams_leave_nothing),
      cmocka_unit_test(connection_id_lengths_leave_nothing),
      cmocka_unit_test(coalesced_noise_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
