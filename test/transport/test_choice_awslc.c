/* SPDX-License-Identifier: MIT */
/* Handshakes that wait until the application has chosen a certificate, or a whole configuration. */
#include "support/pair.h"
#include "support/test_certs.h"

static struct pair pair; /* large, so not on the stack */
static tern_tls_work *choosing, *signing;
static unsigned asked;
static char name[64];

static tern_slice pem(const char *text)
{
  return tern_slice_of(text, strlen(text));
}

static void on_choose(void *arg, tern_tls_work *work)
{
  tern_slice text = tern_tls_work_get_server_name(work);
  (void)arg;
  asked++;
  choosing = work;
  assert_true(text.len < sizeof name);
  memcpy(name, text.data, text.len);
  name[text.len] = '\0';
}

static void on_sign(void *arg, tern_tls_work *work)
{
  (void)arg;
  assert_int_equal(tern_tls_work_get_server_name(work).len, strlen(name));
  signing = work;
}

static tern_tls *make(bool has_cert, tern_certs_ops certs, const char *protocol)
{
  char why[256];
  tern_tls *tls;
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.is_server = true;
  if (has_cert)
    config.cert_pem = pem(tern_test_leaf_pem);
  if (has_cert && certs.sign == NULL)
    config.key_pem = pem(tern_test_leaf_key_pem);
  config.alpn = &protocol;
  config.alpn_count = 1;
  config.certs = certs;
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_OK);
  return tls;
}

static bool is_asked(struct pair *of)
{
  (void)of;
  return choosing != NULL;
}

static bool is_signing(struct pair *of)
{
  (void)of;
  return signing != NULL;
}

static bool are_connected(struct pair *of)
{
  return of->is_connected[PAIR_CLIENT] && of->is_connected[PAIR_SERVER];
}

static bool is_client_closed(struct pair *of)
{
  return of->closed_count[PAIR_CLIENT] != 0;
}

/* A server without a certificate, which has been asked for one. */
static void start(void)
{
  const tern_certs_ops certs = {.choose = on_choose};
  choosing = signing = NULL;
  asked = 0;
  pair_init(&pair, 1);
  pair.has_awslc = true;
  pair_start(&pair);
  tern_tls *tls = make(false, certs, "tern-test");
  tern_endpoint_set_server_tls(pair.endpoint[PAIR_SERVER], tls);
  tern_tls_unref(tls);
  assert_true(pair_run_until(&pair, is_asked));
  assert_string_equal(name, "localhost");
}

static void answer(tern_tls *tls)
{
  tern_tls_work_finish_choice(choosing, tls);
  tern_tls_unref(tls);
}

static void test_later(void **state)
{
  (void)state;
  start();
  pair_run_for(&pair, 3 * TERN_SECOND);
  assert_int_equal(asked, 1);
  answer(make(true, (tern_certs_ops){0}, "tern-test"));
  assert_true(pair_run_until(&pair, are_connected));
  assert_int_equal(asked, 1);
  pair_deinit(&pair);
}

/* The chosen one has its key elsewhere: the handshake waits twice. */
static void test_then_signed(void **state)
{
  uint8_t signature[TERN_SIGNATURE_MAX];
  tern_signing_key *key;
  char why[256];
  size_t len;
  (void)state;
  start();
  answer(make(true, (tern_certs_ops){.sign = on_sign}, "tern-test"));
  assert_true(pair_run_until(&pair, is_signing));
  assert_int_equal(tern_signing_key_new(&key, pem(tern_test_leaf_key_pem), why, sizeof why),
                   TERN_OK);
  assert_int_equal(tern_signing_key_sign(key, tern_tls_work_get_scheme(signing),
                                         tern_tls_work_get_input(signing), signature, &len),
                   TERN_OK);
  tern_tls_work_finish_signature(signing, tern_slice_of(signature, len));
  tern_signing_key_free(key);
  assert_true(pair_run_until(&pair, are_connected));
  pair_deinit(&pair);
}

/* [rfc7301-3.2] its protocols hold, and not those of the endpoint's. */
static void test_whole_config(void **state)
{
  (void)state;
  start();
  answer(make(true, (tern_certs_ops){0}, "another"));
  assert_true(pair_run_until(&pair, is_client_closed));
  assert_int_equal(pair.error[PAIR_CLIENT].tls_alert, 120); /* no_application_protocol */
  pair_deinit(&pair);
}

/* [rfc6066-3] unrecognized_name */
static void test_none(void **state)
{
  (void)state;
  start();
  answer(NULL);
  assert_true(pair_run_until(&pair, is_client_closed));
  assert_int_equal(pair.error[PAIR_CLIENT].kind, TERN_ERROR_TLS);
  assert_int_equal(pair.error[PAIR_CLIENT].tls_alert, 112);
  pair_deinit(&pair);
}

static void test_cancelled(void **state)
{
  (void)state;
  start();
  pair_free_endpoint(&pair, PAIR_SERVER);
  assert_true(tern_tls_work_is_cancelled(choosing));
  answer(make(true, (tern_certs_ops){0}, "tern-test"));
  pair_deinit(&pair);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_later),        cmocka_unit_test(test_then_signed),
      cmocka_unit_test(test_whole_config), cmocka_unit_test(test_none),
      cmocka_unit_test(test_cancelled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
