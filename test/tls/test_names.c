/* SPDX-License-Identifier: MIT */
/* Several certificates of one server: which is shown for which name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/test_certs.h"
#include "support/tls_pair.h"

static struct tls_pair pair; /* large, so not on the stack */

static tern_slice pem(const char *text)
{
  return tern_slice_of(text, strlen(text));
}

static void set_common(tern_tls_config *config)
{
  static const char *const alpn[] = {"h3"};
  tern_tls_config_init(config, sizeof *config);
  config->alpn = alpn;
  config->alpn_count = 1;
}

/* The default is for wrong.example, the other for localhost and *.tern.example. */
static tern_status make_server(tern_tls **tls, const char *more_key, char why[256])
{
  const tern_cert_pair more = {.cert_pem = pem(tern_test_leaf_pem), .key_pem = pem(more_key)};
  tern_tls_config config;
  set_common(&config);
  config.is_server = true;
  config.cert_pem = pem(tern_test_wrong_pem);
  config.key_pem = pem(tern_test_wrong_key_pem);
  config.more_certs = &more;
  config.more_certs_count = 1;
  return tern_tls_new(tls, &config, why, 256);
}

static bool can_connect(const char *name)
{
  tern_tls_config config;
  tern_tls *server, *client;
  char why[256];
  set_common(&config);
  config.ca_pem = pem(tern_test_ca_pem);
  assert_int_equal(make_server(&server, tern_test_leaf_key_pem, why), TERN_OK);
  assert_int_equal(tern_tls_new(&client, &config, why, sizeof why), TERN_OK);
  const struct tls_pair_args args = {.client = client, .server = server, .server_name = name};
  tls_pair_init(&pair, &args);
  tern_tls_unref(client);
  tern_tls_unref(server);
  tls_pair_run(&pair);
  bool is_connected = pair.client.completes == 1;
  if (is_connected)
    tls_pair_assert_connected(&pair);
  tls_pair_deinit(&pair);
  return is_connected;
}

/* [rfc6066-3] [rfc6125-6.4.3] */
static void test_which(void **state)
{
  static const struct {
    const char *name;
    bool is_served;
  } rows[] = {
      {"wrong.example", true},         {"localhost", true},        {"LocalHost", true},
      {"www.tern.example", true},      {"WWW.Tern.Example", true}, {"localhost.", true},
      {"a.b.tern.example", false},     {"tern.example", false},    {"other.example", false},
      {"www.tern.example.com", false}, {"wwwtern.example", false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (can_connect(rows[i].name) != rows[i].is_served)
      fail_msg("%s", rows[i].name);
  }
}

static void test_refused(void **state)
{
  tern_tls *tls;
  char why[256];
  (void)state;
  assert_int_equal(make_server(&tls, tern_test_wrong_key_pem, why), TERN_TLS); /* of another */
  assert_non_null(strstr(why, "PEM"));
  assert_int_equal(make_server(&tls, "", why), TERN_TLS);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_which),
      cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
