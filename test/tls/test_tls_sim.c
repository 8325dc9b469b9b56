/* SPDX-License-Identifier: MIT */
/* The pretended TLS: the same shape as the real one, to the byte the same for the same randoms. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "support/tls_pair.h"
#include "tls/tls_sim.h"

static struct tls_pair pair, again; /* large, so not on the stack */

static void run(struct tls_pair *out, const struct tern_tls_sim_options *client,
                const struct tern_tls_sim_options *server, uint64_t seed, size_t piece)
{
  struct tern_random_seeded seeded[2];
  tern_random_ops random[2];
  for (size_t i = 0; i < 2; i++) {
    tern_random_seeded_init(&seeded[i], seed + i);
    random[i] = tern_random_seeded_ops(&seeded[i]);
  }
  struct tls_pair_args args = {
      .client = tern_tls_sim_new(&tern_alloc_system, client),
      .server = tern_tls_sim_new(&tern_alloc_system, server),
      .server_name = "sim.example",
      .client_random = &random[0],
      .server_random = &random[1],
  };
  tls_pair_init(out, &args);
  tern_tls_unref(args.client);
  tern_tls_unref(args.server);
  out->piece = piece;
  tls_pair_run(out);
}

static void completes(void **state)
{
  static const size_t pieces[] = {0, 1, 7, 1000};
  (void)state;
  for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
    run(&pair, NULL, NULL, 1, pieces[i]);
    tls_pair_assert_connected(&pair);
    if (pieces[i] == 0) {
      assert_string_equal(pair.client.trace, TLS_PAIR_CLIENT_TRACE);
      assert_string_equal(pair.server.trace, TLS_PAIR_SERVER_TRACE);
    }
    tern_slice alpn = tern_tls_session_get_alpn(pair.client.session);
    assert_int_equal(alpn.len, strlen("tern-sim"));
    tern_slice name = tern_tls_session_get_server_name(pair.server.session);
    assert_int_equal(name.len, strlen("sim.example"));
    assert_memory_equal(name.data, "sim.example", name.len);
    tls_pair_deinit(&pair);
  }
}

static void repeats_byte_for_byte(void **state)
{
  (void)state;
  run(&pair, NULL, NULL, 7, 0);
  run(&again, NULL, NULL, 7, 0);
  for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
    assert_int_equal(pair.server.out_len[level], again.server.out_len[level]);
    assert_memory_equal(pair.server.out[level], again.server.out[level],
                        pair.server.out_len[level]);
    assert_memory_equal(pair.client.out[level], again.client.out[level],
                        pair.client.out_len[level]);
  }
  tls_pair_deinit(&again);
  run(&again, NULL, NULL, 8, 0);
  assert_memory_not_equal(pair.client.secret[TERN_LEVEL_APP][1],
                          again.client.secret[TERN_LEVEL_APP][1], 32);
  tls_pair_deinit(&again);
  tls_pair_deinit(&pair);
}

static void sizes_and_suites(void **state)
{
  static const struct {
    uint32_t hello_bytes, cert_bytes;
    enum tern_aead_id aead;
    const char *cipher;
  } cases[] = {
      {0, 0, TERN_AEAD_AES128, "TLS_AES_128_GCM_SHA256"},
      {300, 2400, TERN_AEAD_AES256, "TLS_AES_256_GCM_SHA384"},
      {1800, 4000, TERN_AEAD_CHACHA20, "TLS_CHACHA20_POLY1305_SHA256"},
      {3600, 16000, TERN_AEAD_NULL, "NULL"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tern_tls_sim_options options = {
        .hello_bytes = cases[i].hello_bytes,
        .cert_bytes = cases[i].cert_bytes,
        .aead = cases[i].aead,
    };
    run(&pair, &options, &options, 3, 500);
    tls_pair_assert_connected(&pair);
    uint32_t hello = cases[i].hello_bytes != 0 ? cases[i].hello_bytes : 300;
    assert_int_equal(pair.client.out_len[TERN_LEVEL_INITIAL], hello);
    assert_true(pair.server.out_len[TERN_LEVEL_HANDSHAKE] >
                (cases[i].cert_bytes != 0 ? cases[i].cert_bytes : 2400));
    assert_int_equal(pair.client.aead[TERN_LEVEL_APP], cases[i].aead);
    assert_string_equal(tern_tls_session_get_cipher(pair.client.session), cases[i].cipher);
    tls_pair_deinit(&pair);
  }
}

static void injected_failures(void **state)
{
  static const char *const other[] = {"other"};
  (void)state;
  struct tern_tls_sim_options options = {.bad_certificate = true};
  run(&pair, &options, NULL, 3, 0);
  assert_int_equal(pair.client.alert, 42);
  assert_int_equal(pair.client.alert_code, 0x12a);
  tls_pair_deinit(&pair);

  options = (struct tern_tls_sim_options){.alpn = other, .alpn_count = 1};
  run(&pair, &options, NULL, 3, 0);
  assert_int_equal(pair.server.alert, 120); /* [rfc9001-8.1] */
  tls_pair_deinit(&pair);

  options = (struct tern_tls_sim_options){.bad_finished = true};
  run(&pair, &options, NULL, 3, 0);
  assert_int_equal(pair.server.alert, 51);
  assert_int_equal(pair.client.completes, 1); /* it cannot know */
  tls_pair_deinit(&pair);
  run(&pair, NULL, &options, 3, 0);
  assert_int_equal(pair.client.alert, 51);
  tls_pair_deinit(&pair);
}

static void pending_and_tickets(void **state)
{
  struct tern_tls_sim_options options = {.pending_steps = 3, .tickets = 2};
  (void)state;
  run(&pair, NULL, &options, 3, 0);
  tls_pair_assert_connected(&pair);
  assert_int_equal(pair.server.pendings, 3);
  assert_int_equal(pair.server.out_len[TERN_LEVEL_APP], 400);
  assert_true(tern_tls_session_can_release(pair.server.session));
  tern_tls_session_release(pair.server.session);
  assert_false(tern_tls_session_can_release(pair.server.session));
  tls_pair_deinit(&pair);
}

/* Any byte of any flight changed: somebody notices, unless it was filler nobody reads before the
 * Finished, whose transcript covers it. */
static void damage_is_noticed(void **state)
{
  (void)state;
  for (size_t at = 4; at < 300; at += 3) {
    struct tern_random_seeded seeded;
    tern_random_seeded_init(&seeded, 5);
    tern_random_ops random = tern_random_seeded_ops(&seeded);
    tern_tls *tls = tern_tls_sim_new(&tern_alloc_system, NULL);
    struct tls_pair_args args = {.client = tls,
                                 .server = tls,
                                 .server_name = "x",
                                 .client_random = &random,
                                 .server_random = &random};
    tls_pair_init(&pair, &args);
    tern_tls_unref(tls);
    assert_int_equal(
        tern_tls_session_feed(pair.client.session, TERN_LEVEL_INITIAL, tern_slice_of(NULL, 0)),
        TERN_TLS_PROGRESS);
    tls_side_drain(&pair.client);
    pair.client.out[TERN_LEVEL_INITIAL][at] ^= 0x20;
    tls_pair_run(&pair);
    assert_true(pair.client.alerts + pair.server.alerts != 0);
    tls_pair_deinit(&pair);
  }
}

/* [rfc9001-4.1.3] data at the wrong level; messages out of order; too long. */
static void misuse(void **state)
{
  static const struct {
    bool to_server;
    enum tern_level level;
    uint8_t bytes[5];
    uint64_t code;
  } cases[] = {
      {true, TERN_LEVEL_HANDSHAKE, {20, 0, 0, 1, 0}, 0x0a},
      {true, TERN_LEVEL_APP, {20, 0, 0, 1, 0}, 0x0a},
      {true, TERN_LEVEL_INITIAL, {2, 0, 0, 1, 0}, 0x10a},
      {true, TERN_LEVEL_INITIAL, {1, 0, 0, 1, 0}, 0x132},
      {true, TERN_LEVEL_INITIAL, {1, 1, 0, 0, 0}, 0x0d},
      {false, TERN_LEVEL_INITIAL, {1, 0, 0, 1, 0}, 0x10a},
      {false, TERN_LEVEL_INITIAL, {2, 0, 0, 1, 0}, 0x132},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tern_random_seeded seeded;
    tern_random_seeded_init(&seeded, 5);
    tern_random_ops random = tern_random_seeded_ops(&seeded);
    tern_tls *tls = tern_tls_sim_new(&tern_alloc_system, NULL);
    struct tls_pair_args args = {
        .client = tls, .server = tls, .client_random = &random, .server_random = &random};
    tls_pair_init(&pair, &args);
    tern_tls_unref(tls);
    struct tls_side *side = cases[i].to_server ? &pair.server : &pair.client;
    assert_int_equal(
        tern_tls_session_feed(side->session, cases[i].level, tern_slice_of(cases[i].bytes, 5)),
        TERN_TLS_FAILED);
    tls_side_drain(side);
    assert_int_equal(side->alert_code, cases[i].code);
    tls_pair_deinit(&pair);
  }
}

/* Every allocation of a handshake, refused once: INTERNAL_ERROR, nothing leaks, nothing crashes. */
static void memory_runs_out(void **state)
{
  (void)state;
  for (uint64_t cap = 0; cap < 40000; cap += 333) {
    struct tern_random_seeded seeded;
    tern_random_seeded_init(&seeded, 5);
    tern_random_ops random = tern_random_seeded_ops(&seeded);
    tern_tls *tls = tern_tls_sim_new(&tern_alloc_system, NULL);
    struct tern_alloc alloc;
    struct tern_tls_session *session;
    tern_alloc_init(&alloc, &tern_alloc_system, NULL, cap);
    struct tern_tls_session_args args = {
        .alloc = &alloc, .params = tern_slice_of("p", 1), .version = 1, .random = &random};
    tern_status status = tern_tls_session_new(tls, &args, &session);
    tern_tls_unref(tls);
    if (status != TERN_OK) {
      assert_int_equal(status, TERN_NOMEM);
    } else {
      struct tern_tls_fact fact = {0}, last = {0};
      enum tern_tls_result result =
          tern_tls_session_feed(session, TERN_LEVEL_INITIAL, tern_slice_of(NULL, 0));
      while (tern_tls_session_next_fact(session, &fact))
        last = fact;
      if (result == TERN_TLS_FAILED) {
        assert_int_equal(last.kind, TERN_TLS_FACT_ALERT);
        assert_int_equal(last.code, 0x01);
      }
    }
    tern_tls_session_free(session);
    tern_alloc_deinit(&alloc);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(completes),
      cmocka_unit_test(repeats_byte_for_byte),
      cmocka_unit_test(sizes_and_suites),
      cmocka_unit_test(injected_failures),
      cmocka_unit_test(pending_and_tickets),
      cmocka_unit_test(damage_is_noticed),
      cmocka_unit_test(misuse),
      cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
