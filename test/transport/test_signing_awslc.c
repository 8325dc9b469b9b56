/* SPDX-License-Identifier: MIT */
/* Handshakes that wait for a signature of the application's: later, in another thread, never. */
#include <pthread.h>

#include "support/pair.h"
#include "support/test_certs.h"

#define WORKS_MAX 8

/* What the application was asked for. */
struct signer {
  tern_signing_key *key;
  tern_tls_work *works[WORKS_MAX];
  size_t count;
  unsigned wakes;
  bool is_prompt; /* signs inside of the hook */
  tern_endpoint *endpoint;
};

static struct pair pair; /* large, so not on the stack */
static struct signer signer;

static tern_slice pem(const char *text)
{
  return tern_slice_of(text, strlen(text));
}

static void finish(tern_tls_work *work)
{
  uint8_t signature[TERN_SIGNATURE_MAX];
  size_t len;
  assert_int_equal(tern_signing_key_sign(signer.key, tern_tls_work_get_scheme(work),
                                         tern_tls_work_get_input(work), signature, &len),
                   TERN_OK);
  tern_tls_work_finish_signature(work, tern_slice_of(signature, len));
}

static void *finish_in_thread(void *work)
{
  finish(work);
  return NULL;
}

static void on_sign(void *arg, tern_tls_work *work)
{
  const tern_connect_args args = {.remote = {.family = 4, .port = 1}, .server_name = "localhost"};
  tern_conn *conn;
  (void)arg;
  assert_true(signer.count < WORKS_MAX);
  signer.works[signer.count++] = work;
  /* a hook: */
  assert_int_equal(tern_endpoint_connect(signer.endpoint, &args, 0, &conn), TERN_REENTRY);
  if (signer.is_prompt)
    finish(work);
}

static void on_wake(void *arg)
{
  ((struct signer *)arg)->wakes++;
}

/* A server without a key; the client's first packet is on its way. */
static void start(bool is_prompt)
{
  static const char *const alpn[] = {"tern-test"};
  char why[256];
  tern_tls *tls;
  tern_tls_config config;
  memset(&signer, 0, sizeof signer);
  signer.is_prompt = is_prompt;
  assert_int_equal(tern_signing_key_new(&signer.key, pem(tern_test_leaf_key_pem), why, sizeof why),
                   TERN_OK);
  pair_init(&pair, 1);
  pair.has_awslc = true;
  pair.config[PAIR_SERVER].wake = (tern_wake_ops){on_wake, &signer};
  pair_start(&pair);
  tern_tls_config_init(&config, sizeof config);
  config.is_server = true;
  config.cert_pem = pem(tern_test_leaf_pem);
  config.alpn = alpn;
  config.alpn_count = 1;
  config.certs = (tern_certs_ops){.sign = on_sign, .arg = &signer};
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_OK);
  signer.endpoint = pair.endpoint[PAIR_SERVER];
  tern_endpoint_set_server_tls(signer.endpoint, tls);
  tern_tls_unref(tls);
}

static void stop(void)
{
  pair_deinit(&pair);
  tern_signing_key_free(signer.key);
}

static bool are_connected(struct pair *of)
{
  return of->is_connected[PAIR_CLIENT] && of->is_connected[PAIR_SERVER];
}

static bool is_asked(struct pair *of)
{
  (void)of;
  return signer.count != 0;
}

static bool is_client_closed(struct pair *of)
{
  return of->closed_count[PAIR_CLIENT] != 0;
}

/* The server has forgotten the connection. */
static bool is_server_empty(struct pair *of)
{
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(of->endpoint[PAIR_SERVER], &stats);
  return stats.conns_now == 0;
}

static void start_and_wait(void)
{
  start(false);
  assert_true(pair_run_until(&pair, is_asked));
  assert_int_equal(signer.count, 1);
  assert_false(tern_tls_work_is_cancelled(signer.works[0]));
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_within_the_hook(void **state)
{
  (void)state;
  start(true);
  assert_true(pair_run_until(&pair, are_connected));
  assert_int_equal(signer.count, 1);
  stop();
}

/* The client's probes meanwhile neither ask again nor end anything. */
static void test_later(void **state)
{
  (void)state;
  start_and_wait();
  pair_run_for(&pair, 3 * TERN_SECOND);
  assert_false(are_connected(&pair));
  assert_int_equal(signer.count, 1);
  assert_int_equal(signer.wakes, 0);
  finish(signer.works[0]);
  assert_int_equal(signer.wakes, 1);
  assert_true(tern_endpoint_deadline(pair.endpoint[PAIR_SERVER]) <= pair.now);
  assert_true(pair_run_until(&pair, are_connected));
  assert_int_equal(signer.count, 1);
  stop();
}

static void test_in_another_thread(void **state)
{
  pthread_t thread;
  (void)state;
  start_and_wait();
  assert_int_equal(pthread_create(&thread, NULL, finish_in_thread, signer.works[0]), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_true(pair_run_until(&pair, are_connected));
  stop();
}

/* [rfc8446-6.2] internal_error: the client is told at once. */
static void test_refused(void **state)
{
  static const uint8_t long_one[TERN_SIGNATURE_MAX + 1];
  const tern_slice bad[] = {{NULL, 0}, {long_one, sizeof long_one}};
  (void)state;
  for (size_t i = 0; i < PAIR_COUNT_OF(bad); i++) {
    start_and_wait();
    tern_tls_work_finish_signature(signer.works[0], bad[i]);
    assert_true(pair_run_until(&pair, is_client_closed));
    assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_TLS);
    assert_int_equal(pair.error[PAIR_CLIENT].tls_alert, 80);
    assert_true(pair.error[PAIR_CLIENT].by_peer);
    stop();
  }
}

/* Something, but no signature of this: the client does not believe it. */
static void test_wrong_signature(void **state)
{
  (void)state;
  start_and_wait();
  tern_tls_work_finish_signature(signer.works[0], pem("not a signature"));
  assert_true(pair_run_until(&pair, is_client_closed));
  assert_int_equal(pair.error[PAIR_CLIENT].tls_alert, 51); /* decrypt_error */
  assert_false(pair.error[PAIR_CLIENT].by_peer);
  stop();
}

/* [HOSTILE] a client that goes, or a handshake that takes too long, cancels. */
static void test_cancelled_by_the_end(void **state)
{
  (void)state;
  start_and_wait();
  tern_conn_close(pair.conn[PAIR_CLIENT], 0, "");
  assert_true(pair_run_until(&pair, is_server_empty));
  assert_true(tern_tls_work_is_cancelled(signer.works[0]));
  finish(signer.works[0]);
  assert_int_equal(signer.wakes, 0);
  assert_int_equal(tern_endpoint_timeout(pair.endpoint[PAIR_SERVER], pair.now), TERN_OK);
  stop();
}

static void test_cancelled_by_time(void **state)
{
  (void)state;
  start_and_wait();
  pair_free_endpoint(&pair, PAIR_CLIENT);
  assert_true(pair_run_until(&pair, is_server_empty));
  assert_true(tern_tls_work_is_cancelled(signer.works[0]));
  finish(signer.works[0]);
  stop();
}

/* Finished, and the connection ends before the endpoint has looked. */
static void test_finished_and_gone(void **state)
{
  (void)state;
  start_and_wait();
  finish(signer.works[0]);
  pair_free_endpoint(&pair, PAIR_SERVER);
  stop();
}

static void test_finished_after_the_endpoint(void **state)
{
  (void)state;
  start_and_wait();
  pair_free_endpoint(&pair, PAIR_SERVER);
  assert_true(tern_tls_work_is_cancelled(signer.works[0]));
  finish(signer.works[0]);
  assert_int_equal(signer.wakes, 0);
  stop();
}

/* ---- the key ----------------------------------------------------------------------------------- */

static void test_schemes(void **state)
{
  static const uint16_t not_ours[] = {0x0201, 0x0401, 0x0804, 0x0807, 0xffff};
  uint8_t signature[TERN_SIGNATURE_MAX];
  char why[256];
  size_t len;
  tern_signing_key *key;
  (void)state;
  assert_int_equal(tern_signing_key_new(&key, pem("no key"), why, sizeof why), TERN_TLS);
  assert_non_null(strstr(why, "PEM"));
  assert_int_equal(tern_signing_key_new(&key, pem(tern_test_leaf_key_pem), why, sizeof why),
                   TERN_OK);
  for (size_t i = 0; i < PAIR_COUNT_OF(not_ours); i++)
    assert_int_equal(tern_signing_key_sign(key, not_ours[i], pem("text"), signature, &len),
                     TERN_INVALID);
  assert_int_equal(tern_signing_key_sign(key, 0x0403, pem("text"), signature, &len), TERN_OK);
  assert_int_equal(signature[0], 0x30); /* a DER sequence of two integers */
  assert_in_range(len, 64, 72);
  tern_signing_key_free(key);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_within_the_hook),
      cmocka_unit_test(test_later),
      cmocka_unit_test(test_in_another_thread),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_wrong_signature),
      cmocka_unit_test(test_cancelled_by_the_end),
      cmocka_unit_test(test_cancelled_by_time),
      cmocka_unit_test(test_finished_and_gone),
      cmocka_unit_test(test_finished_after_the_endpoint),
      cmocka_unit_test(test_schemes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
