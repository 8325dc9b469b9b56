/* SPDX-License-Identifier: MIT */
/* Strangers in numbers: what a server holds, says and computes for them. */
#include "support/hostile_test.h"

#include "wire/stateless.h"

static tern_addr source_of(uint32_t i)
{
  tern_addr addr = {.family = 4, .ip = {10}, .port = (uint16_t)(20000 + i % 7)};
  addr.ip[1] = (uint8_t)(i >> 16);
  addr.ip[2] = (uint8_t)(i >> 8);
  addr.ip[3] = (uint8_t)i;
  return addr;
}

/* A first Initial that is right in every way, from anywhere. */
struct shot {
  uint8_t bytes[1300];
  size_t len;
};

static struct shot make_shot(void)
{
  struct shot shot;
  struct hostile_peer *peer = hostile_peer_add(&rig, false);
  peer->speaks_tls = false; /* nothing goes by itself */
  hostile_peer_start(peer);
  struct hostile_space *space = &peer->spaces[TERN_SPACE_INITIAL];
  hostile_write_crypto(hostile_frames(peer), 0, tern_slice_of(space->crypto, space->crypto_len));
  struct hostile_packet packet = {.type = TERN_PACKET_INITIAL,
                                  .payload = {peer->payload, tern_writer_len(&peer->writer)},
                                  .pad_to = 1200};
  shot.len = hostile_seal(peer, &packet, shot.bytes, sizeof shot.bytes);
  assert_true(shot.len >= 1200);
  hostile_peer_drop(&rig);
  return shot;
}

static void fire(const struct shot *shot, const tern_addr *from)
{
  hostile_rig_inject(&rig, from, tern_slice_of(shot->bytes, shot->len));
}

static uint64_t get_drops(enum tern_drop_reason reason)
{
  return rig.endpoint->events.drops[reason];
}

/* 20,000 spoofed Initials: some hundred half-open connections, then Retry, and not a byte for it. All of
 * the former are gone after 10 s, and whoever is honest gets in meanwhile. */
static void test_P2_spoofed_initials(void **state)
{
  (void)state;
  prepare();
  start();
  struct shot shot = make_shot();

  shot.bytes[6] ^= 1; /* another destination id: it does not open */
  for (uint32_t i = 0; i < 256; i++)
    fire(&shot, &(tern_addr){.family = 4, .ip = {10, 9, 9, (uint8_t)i}, .port = 4000});
  assert_int_equal(get_stats().conns_now, 0); /* not authentic: nothing stays */
  end();

  prepare();
  rig.config.retry_half_open = 0;
  start();
  shot = make_shot();
  uint64_t heap = 0, takes = 0;
  for (uint32_t i = 0; i < 20000; i++) {
    tern_addr from = source_of(i);
    fire(&shot, &from);
    if (i == 0) { /* the key was made */
      heap = get_stats().heap_bytes_now;
      takes = get_stats().heap_takes;
    }
    hostile_rig_advance(&rig, 10000); /* 100,000 a second */
  }
  assert_int_equal(get_stats().heap_bytes_now, heap);
  assert_int_equal(get_stats().heap_takes, takes);
  assert_int_equal(get_stats().conns_total, 0);
  assert_int_equal(get_stats().retries_sent, 20000);
  assert_true(rig.oracle.bytes_out < rig.oracle.bytes_in / 4);
  end();
}

/* The 256th half-open connection is the last that needs no proof. */
static void test_P2_retry_from_256_half_open(void **state)
{
  (void)state;
  prepare();
  start();
  for (uint32_t i = 0; i < 300; i++) {
    struct shot shot = make_shot();
    tern_addr from = source_of(i);
    fire(&shot, &from);
    assert_int_equal(get_stats().conns_half_open, i < 256 ? i + 1 : 256);
    assert_int_equal(get_stats().retries_sent, i < 256 ? 0 : i - 255);
  }
  assert_true(rig.endpoint->half_open_bytes <= 8388608);
  hostile_rig_advance(&rig, 10 * TERN_SECOND + 100 * TERN_MS);
  assert_int_equal(get_stats().conns_half_open, 0);
  struct shot shot = make_shot();
  tern_addr from = source_of(1000);
  fire(&shot, &from);
  assert_int_equal(get_stats().conns_half_open, 1);
  end();
}

/* [rfc9308-8.1] one legal Initial from each port: the eleven hear nothing, the five hardly anything. */
static void test_P11_reflection_ports(void **state)
{
  (void)state;
  static const uint16_t blocked[] = {0, 17, 19, 53, 111, 123, 137, 138, 161, 389, 500};
  static const uint16_t throttled[] = {1900, 3702, 5353, 5355, 11211};
  bool is_blocked[65536] = {false};
  uint64_t silent = 0;

  for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++)
    is_blocked[blocked[i]] = true;
  prepare();
  rig.config.retry_half_open = 0;
  start();
  struct shot shot = make_shot();
  for (uint32_t port = 0; port < 65536; port++) {
    tern_addr from = {.family = 4, .ip = {10, 1, 1, 1}, .port = (uint16_t)port};
    uint64_t before = rig.oracle.datagrams_out;
    fire(&shot, &from);
    assert_int_equal(rig.oracle.datagrams_out - before, !is_blocked[port]);
    silent += rig.oracle.datagrams_out == before;
    hostile_rig_advance(&rig, 20000);
  }
  assert_int_equal(silent, 11);
  uint64_t before = rig.oracle.datagrams_out;
  for (uint32_t i = 0; i < 5000; i++) { /* 10 s */
    tern_addr from = source_of(i);
    from.port = throttled[i % 5];
    fire(&shot, &from);
    hostile_rig_advance(&rig, 2 * TERN_MS);
  }
  assert_in_range(rig.oracle.datagrams_out - before, 95, 110);
  end();
}

/* [rfc9000-21.5.6 and common sense] nothing that was sent to a group is answered. */
static void test_P8_group_addresses(void **state)
{
  (void)state;
  static const uint8_t groups[][4] = {{224, 0, 0, 1}, {239, 1, 2, 3}, {255, 255, 255, 255}};
  prepare();
  rig.config.retry_half_open = 0;
  start();
  struct shot shot = make_shot();
  tern_addr from = source_of(1);
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
    tern_addr own = rig.addr;
    memcpy(rig.addr.ip, groups[i], 4);
    fire(&shot, &from);
    rig.addr = own;
  }
  assert_int_equal(rig.oracle.datagrams_out, 0);
  assert_int_equal(get_drops(TERN_DROP_SOURCE_PORT), 3);
  end();
}

/* The same sender again and again before the socket takes anything: one answer. More senders than the
 * queue holds: so many answers and no more. */
static void test_P2_reply_queue(void **state)
{
  (void)state;
  prepare();
  rig.config.retry_half_open = 0;
  start();
  struct shot shot = make_shot();
  tern_addr from = source_of(1);
  for (int i = 0; i < 1000; i++)
    hostile_rig_hold(&rig, &from, tern_slice_of(shot.bytes, shot.len));
  hostile_rig_release(&rig);
  hostile_rig_turn(&rig);
  assert_in_range(rig.oracle.datagrams_out, 1, 1 + 1000 / ORACLE_BATCH_MAX);
  assert_true(get_drops(TERN_DROP_REPLY_DUPLICATE) > 0);
  uint64_t before = rig.oracle.datagrams_out;
  for (uint32_t i = 0; i < 3000; i++) {
    from = source_of(i);
    hostile_rig_hold(&rig, &from, tern_slice_of(shot.bytes, shot.len));
  }
  hostile_rig_release(&rig);
  hostile_rig_turn(&rig);
  assert_int_equal(rig.oracle.datagrams_out - before, 1024);
  assert_int_not_equal(get_drops(TERN_DROP_LIMIT_REPLIES), 0);
  end();
}

/* Retry has its budget: 50 a second here. */
static void test_P2_retry_budget(void **state)
{
  (void)state;
  prepare();
  rig.config.retry_half_open = 0;
  rig.config.retry_rate = 50;
  start();
  struct shot shot = make_shot();
  for (uint32_t i = 0; i < 2000; i++) {
    tern_addr from = source_of(i);
    fire(&shot, &from);
    hostile_rig_advance(&rig, TERN_MS);
  }
  assert_in_range(get_stats().retries_sent, 100, 115);
  end();
}

/* Who proves its address again and again is let in at its network's rate, under load. */
static void test_P2_source_rate(void **state)
{
  (void)state;
  struct tern_alloc heap;
  struct tern_admission admission;
  tern_config config;

  tern_config_init(&config, sizeof config);
  config.server_tls = (tern_tls *)&config; /* only asked whether there is one */
  struct tern_admission_args args = {.config = &config, .alloc = &heap, .key = {1}};
  tern_alloc_init(&heap, &tern_alloc_system, NULL, UINT64_MAX);
  assert_int_equal(tern_admission_init(&admission, &args), TERN_OK);
  tern_applicant applicant = {.half_open = 256, .is_validated = true};
  uint64_t in = 0, elsewhere = 0;
  for (tern_time now = TERN_SECOND; now < 6 * TERN_SECOND; now += TERN_SECOND / 10000) {
    applicant.remote = (tern_addr){.family = 4, .ip = {10, 1, 1, (uint8_t)now}, .port = 99};
    in += tern_admission_judge(&admission, &applicant, now) == TERN_VERDICT_ADMIT;
  }
  assert_in_range(in, 5900, 6010); /* a second's burst, and 5 seconds */
  for (uint8_t i = 0; i < 100; i++) {
    applicant.remote.ip[1] = (uint8_t)(100 + i);
    elsewhere +=
        tern_admission_judge(&admission, &applicant, 6 * TERN_SECOND) == TERN_VERDICT_ADMIT;
  }
  assert_in_range(elsewhere, 98, 100);
  applicant.remote = (tern_addr){.family = 4, .ip = {127, 0, 0, 1}, .port = 99};
  for (int i = 0; i < 10000; i++)
    assert_int_equal(tern_admission_judge(&admission, &applicant, 0), TERN_VERDICT_ADMIT);
  applicant.half_open = 255; /* no load, no questions */
  applicant.is_validated = false;
  applicant.remote.ip[0] = 10;
  assert_int_equal(tern_admission_judge(&admission, &applicant, 0), TERN_VERDICT_ADMIT);
  applicant.half_open_bytes = 4194304;
  assert_int_equal(tern_admission_judge(&admission, &applicant, 0), TERN_VERDICT_RETRY);
  tern_admission_deinit(&admission);
  tern_alloc_deinit(&heap);
}

/* Connections of one network at a time. */
static void test_T22_source_conns(void **state)
{
  (void)state;
  prepare();
  rig.config.source_conns_max = 2;
  start();
  for (uint32_t i = 0; i < 5; i++) {
    struct shot shot = make_shot();
    tern_addr from = source_of(i);
    fire(&shot, &from);
  }
  assert_int_equal(get_stats().conns_now, 2);
  assert_int_equal(get_drops(TERN_DROP_LIMIT_SOURCE), 3);
  struct shot shot = make_shot();
  fire(&shot, &(tern_addr){.family = 4, .ip = {10, 77, 0, 1}, .port = 5});
  assert_int_equal(get_stats().conns_now, 3);
  hostile_rig_advance(&rig, 30 * TERN_SECOND); /* all gone: there is room again */
  assert_int_equal(get_stats().conns_now, 0);
  tern_addr from = source_of(9);
  shot = make_shot();
  fire(&shot, &from);
  assert_int_equal(get_stats().conns_now, 1);
  end();
}

/* Initials of the versions before the RFC: answered like any, and counted. */
static void test_gquic_is_counted(void **state)
{
  (void)state;
  uint8_t bytes[1200] = {0xc3, 'Q', '0', '5', '0', 8, 1, 2, 3, 4, 5, 6, 7, 8, 0};
  tern_addr from = source_of(1);

  prepare();
  start();
  hostile_rig_inject(&rig, &from, tern_slice_of(bytes, sizeof bytes));
  assert_int_equal(get_stats().gquic_seen, 1);
  assert_int_equal(get_stats().version_negotiations_sent, 1);
  bytes[1] = 'X';
  hostile_rig_inject(&rig, &from, tern_slice_of(bytes, sizeof bytes));
  assert_int_equal(get_stats().gquic_seen, 1);
  assert_int_equal(get_stats().version_negotiations_sent, 2);
  end();
}

/* [rfc9000-17.2.1] ids of any length of another version are given back whole. */
static void test_version_negotiation_long_ids(void **state)
{
  (void)state;
  uint8_t bytes[1300] = {0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 255};
  tern_addr from = source_of(1);

  prepare();
  start();
  bytes[6 + 255] = 255;
  hostile_rig_inject(&rig, &from, tern_slice_of(bytes, sizeof bytes));
  assert_int_equal(rig.oracle.bytes_out,
                   1 + 4 + 256 + 256 + 4 * (1 + 2)); /* a reserved one and ours */
  end();
}

/* Used tokens are remembered up to a bound: then tokens for later prove nothing more, and of Retry tokens
 * the oldest are forgotten. */
static void test_P7_tokens_seen_bound(void **state)
{
  (void)state;
  static const uint8_t secret[TERN_SECRET_BYTES] = {3};
  struct tern_random_seeded seeded;
  struct tern_validation validation;
  struct tern_alloc heap;
  tern_addr from = source_of(1);
  uint8_t token[TERN_TOKEN_MAX], first[TERN_TOKEN_MAX];
  size_t len = 0;

  tern_alloc_init(&heap, &tern_alloc_system, NULL, UINT64_MAX);
  tern_random_seeded_init(&seeded, 5);
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  tern_validation_init(&validation, &heap, &random, secret, 0);
  struct tern_proof proof = {0};
  for (uint32_t i = 0; i <= 16384; i++) {
    assert_int_equal(tern_validation_make_new(&validation, &from, 1, token, &len), TERN_OK);
    struct tern_proof_args args = {.token = {token, len}, .remote = &from};
    proof = tern_validation_check(&validation, &args, 1);
    assert_int_equal(proof.is_validated, i < 16384);
    tern_validation_use(&validation, &proof, 1);
    assert_false(tern_validation_check(&validation, &args, 1).is_validated);
  }
  struct tern_cid scid = {8, {8}};
  struct tern_retry_token_args make = {.remote = &from, .odcid = {8, {1}}, .retry_scid = scid};
  struct tern_proof_args args = {
      .token = {token, 0}, .dcid = tern_cid_slice(&scid), .remote = &from};
  for (uint32_t i = 0; i <= 3 * 16384; i++) {
    assert_int_equal(tern_validation_make_retry(&validation, &make, 1, token, &args.token.len),
                     TERN_OK);
    if (i == 0)
      memcpy(first, token, sizeof first);
    proof = tern_validation_check(&validation, &args, 1);
    assert_true(proof.is_validated && proof.is_retry);
    tern_validation_use(&validation, &proof, 1);
    assert_true(tern_validation_check(&validation, &args, 1).is_invalid);
  }
  args.token.data = first;
  assert_true(tern_validation_check(&validation, &args, 1).is_validated);
  assert_in_range(heap.used_bytes, 0, 1 << 20);
  tern_validation_deinit(&validation);
  tern_alloc_deinit(&heap);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_P2_spoofed_initials),
      cmocka_unit_test(test_P2_retry_from_256_half_open),
      cmocka_unit_test(test_P11_reflection_ports),
      cmocka_unit_test(test_P8_group_addresses),
      cmocka_unit_test(test_P2_reply_queue),
      cmocka_unit_test(test_P2_retry_budget),
      cmocka_unit_test(test_P2_source_rate),
      cmocka_unit_test(test_T22_source_conns),
      cmocka_unit_test(test_gquic_is_counted),
      cmocka_unit_test(test_version_negotiation_long_ids),
      cmocka_unit_test(test_P7_tokens_seen_bound),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
