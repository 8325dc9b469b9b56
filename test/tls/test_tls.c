/* SPDX-License-Identifier: MIT */
/* The TLS backend that the build chose, against itself, in memory: handshakes, refusals, misuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tern/transport.h>

#include "crypto/protect.h"
#include "support/test_certs.h"
#include "support/tls_pair.h"
#include "tls/tls.h"
#include "wire/header.h"
#include "wire/quic.h"

static const char *const h3[] = {"h3"};
static const char *const hq[] = {"hq-interop"};
static const char *const both[] = {"hq-interop", "h3"};

static tern_slice pem(const char *text)
{
  return tern_slice_of(text, strlen(text));
}

static tern_tls_config client_config(void)
{
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.ca_pem = pem(tern_test_ca_pem);
  config.alpn = h3;
  config.alpn_count = 1;
  return config;
}

static tern_tls_config server_config(void)
{
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.is_server = true;
  config.cert_pem = pem(tern_test_leaf_pem);
  config.key_pem = pem(tern_test_leaf_key_pem);
  config.alpn = h3;
  config.alpn_count = 1;
  return config;
}

static tern_tls *make(const tern_tls_config *config)
{
  char why[256];
  tern_tls *tls;
  tern_status status = tern_tls_new(&tls, config, why, sizeof why);
  if (status != TERN_OK)
    print_error("%s\n", why);
  assert_int_equal(status, TERN_OK);
  assert_string_equal(why, "");
  return tls;
}

/* Runs one handshake; `pair` is the caller's to look at and to deinit. */
static void connect(struct tls_pair *pair, const tern_tls_config *client,
                    const tern_tls_config *server, const char *name, size_t piece)
{
  tern_tls *client_tls = make(client), *server_tls = make(server);
  struct tls_pair_args args = {.client = client_tls, .server = server_tls, .server_name = name};
  tls_pair_init(pair, &args);
  /* Sessions hold references of their own. */
  tern_tls_unref(client_tls);
  tern_tls_unref(server_tls);
  pair->piece = piece;
  tls_pair_run(pair);
}

static struct tls_pair pair; /* large, so not on the stack */

static void assert_text(tern_slice slice, const char *text)
{
  assert_int_equal(slice.len, strlen(text));
  if (slice.len != 0)
    assert_memory_equal(slice.data, text, slice.len);
}

static void handshake_completes(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  (void)state;
  server.tickets_count = 0;
  connect(&pair, &client, &server, "localhost", 0);
  tls_pair_assert_connected(&pair);
  const struct tern_tls_session *c = pair.client.session, *s = pair.server.session;
  assert_text(tern_tls_session_get_alpn(c), "h3");
  assert_text(tern_tls_session_get_alpn(s), "h3");
  assert_text(tern_tls_session_get_server_name(c), "localhost");
  assert_text(tern_tls_session_get_server_name(s), "localhost");
  assert_string_equal(tern_tls_session_get_group(c), "X25519MLKEM768");
  assert_string_equal(tern_tls_session_get_group(s), "X25519MLKEM768");
  assert_string_equal(tern_tls_session_get_cipher(c), tern_tls_session_get_cipher(s));
  assert_true(tern_tls_session_is_peer_verified(c));
  assert_false(tern_tls_session_is_peer_verified(s));
  assert_true(tern_tls_session_is_complete(c));
  /* Keys come before what they protect; in this order from AWS-LC, and tls_sim does the same. */
  bool is_openssl = strncmp(tern_tls_library(), "OpenSSL", 7) == 0;
  assert_string_equal(pair.client.trace, TLS_PAIR_CLIENT_TRACE);
  assert_string_equal(pair.server.trace,
                      is_openssl ? TLS_PAIR_SERVER_TRACE_OPENSSL : TLS_PAIR_SERVER_TRACE);
  /* The post-quantum key share takes the ClientHello beyond one datagram. */
  assert_true(pair.client.out_len[TERN_LEVEL_INITIAL] > TERN_INITIAL_DATAGRAM_MIN);
  tls_pair_deinit(&pair);
}

static void byte_by_byte(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  (void)state;
  connect(&pair, &client, &server, "localhost", 1);
  tls_pair_assert_connected(&pair);
  tls_pair_deinit(&pair);
}

static void each_cipher(void **state)
{
  static const struct {
    const char *word, *name;
    enum tern_aead_id aead;
  } cases[] = {
      {"aes128", "TLS_AES_128_GCM_SHA256", TERN_AEAD_AES128},
      {"aes256", "TLS_AES_256_GCM_SHA384", TERN_AEAD_AES256},
      {"chacha20", "TLS_CHACHA20_POLY1305_SHA256", TERN_AEAD_CHACHA20},
      {"chacha20:aes256", NULL, TERN_AEAD_AES256},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tern_tls_config client = client_config(), server = server_config();
    client.ciphers = cases[i].word;
    connect(&pair, &client, &server, "localhost", 0);
    tls_pair_assert_connected(&pair);
    if (cases[i].name != NULL) {
      assert_int_equal(pair.client.aead[TERN_LEVEL_APP], cases[i].aead);
      assert_string_equal(tern_tls_session_get_cipher(pair.client.session), cases[i].name);
    }
    tls_pair_deinit(&pair);
  }
}

static void no_cipher_in_common(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  (void)state;
  client.ciphers = "aes128";
  server.ciphers = "chacha20";
  connect(&pair, &client, &server, "localhost", 0);
  assert_int_equal(pair.server.alert, 40); /* handshake_failure */
  tls_pair_deinit(&pair);
}

static void each_group(void **state)
{
  static const struct {
    const char *client, *server, *chosen;
  } cases[] = {
      {"X25519", NULL, "X25519"},
      {NULL, "X25519", "X25519"},
      {"P-256", NULL, "P-256"},
      {NULL, "P-256", "P-256"}, /* no share of the client fits: HelloRetryRequest */
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tern_tls_config client = client_config(), server = server_config();
    client.groups = cases[i].client;
    server.groups = cases[i].server;
    connect(&pair, &client, &server, "localhost", 0);
    tls_pair_assert_connected(&pair);
    assert_string_equal(tern_tls_session_get_group(pair.client.session), cases[i].chosen);
    assert_string_equal(tern_tls_session_get_group(pair.server.session), cases[i].chosen);
    tls_pair_deinit(&pair);
  }
}

static void alpn_by_server_preference(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  static const char *const reversed[] = {"h3", "hq-interop"};
  (void)state;
  client.alpn = both;
  client.alpn_count = 2;
  server.alpn = reversed;
  server.alpn_count = 2;
  connect(&pair, &client, &server, "localhost", 0);
  tls_pair_assert_connected(&pair);
  assert_text(tern_tls_session_get_alpn(pair.client.session), "h3");
  tls_pair_deinit(&pair);
}

/* [rfc9001-8.1] no_application_protocol (120, 0x178) when nothing is in common. */
static void no_alpn_in_common(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  (void)state;
  server.alpn = hq;
  connect(&pair, &client, &server, "localhost", 0);
  assert_int_equal(pair.server.alerts, 1);
  assert_int_equal(pair.server.alert, 120);
  assert_int_equal(pair.server.alert_code, 0x178); /* [rfc9001-4.8] */
  assert_int_equal(pair.server.completes + pair.client.completes, 0);
  tls_pair_deinit(&pair);
}

/* Verification is on by default and fails closed. */
static void certificates(void **state)
{
  static const struct {
    const char *name, *cert, *key, *ca;
    bool insecure, is_ok;
    uint8_t alert;
  } cases[] = {
      {"localhost", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, true, 0},
      {"LocalHost", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, true, 0},
      {"127.0.0.1", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, true, 0},
      {"::1", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, true, 0},
      {"a.tern.example", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, true,
       0},
      {"localhost.", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, true, 0},
      /* a wildcard is one label */
      {"a.b.tern.example", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false,
       false, 42},
      {"tern.example", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, false,
       42},
      {"127.0.0.2", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, false, 42},
      {"::2", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_ca_pem, false, false, 42},
      {"localhost", tern_test_wrong_pem, tern_test_wrong_key_pem, tern_test_ca_pem, false, false,
       42},
      {"localhost", tern_test_leaf_pem, tern_test_leaf_key_pem, tern_test_other_ca_pem, false,
       false, 48}, /* unknown_ca */
      {"localhost", tern_test_expired_pem, tern_test_expired_key_pem, tern_test_ca_pem, false,
       false, 45}, /* certificate_expired */
      {"localhost", tern_test_wrong_pem, tern_test_wrong_key_pem, tern_test_other_ca_pem, true,
       true, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tern_tls_config client = client_config(), server = server_config();
    client.ca_pem = pem(cases[i].ca);
    client.insecure_no_verify = cases[i].insecure;
    server.cert_pem = pem(cases[i].cert);
    server.key_pem = pem(cases[i].key);
    connect(&pair, &client, &server, cases[i].name, 0);
    if (cases[i].is_ok) {
      tls_pair_assert_connected(&pair);
      assert_int_equal(tern_tls_session_is_peer_verified(pair.client.session), !cases[i].insecure);
    } else {
      assert_int_equal(pair.client.completes, 0);
      assert_int_equal(pair.client.alert, cases[i].alert);
      assert_int_equal(pair.client.alert_code, 0x100 + cases[i].alert);
      assert_true(pair.client.alert_text[0] != '\0');
      assert_int_equal(pair.server.completes, 0);
    }
    tls_pair_deinit(&pair);
  }
}

/* [rfc6066-3] an address is not sent as SNI. */
static void address_is_no_sni(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  (void)state;
  connect(&pair, &client, &server, "127.0.0.1", 0);
  tls_pair_assert_connected(&pair);
  assert_int_equal(tern_tls_session_get_server_name(pair.server.session).len, 0);
  tls_pair_deinit(&pair);
}

static void verification_needs_a_name(void **state)
{
  tern_tls_config client = client_config();
  tern_tls *tls = make(&client);
  struct tern_alloc alloc;
  struct tern_tls_session *session;
  (void)state;
  tern_alloc_init(&alloc, &tern_alloc_system, NULL, UINT64_MAX);
  struct tern_tls_session_args args = {
      .alloc = &alloc, .server_name = NULL, .params = pem("x"), .version = 1};
  assert_int_equal(tern_tls_session_new(tls, &args, &session), TERN_INVALID);
  assert_null(session);
  args.server_name = "";
  assert_int_equal(tern_tls_session_new(tls, &args, &session), TERN_INVALID);
  args.server_name = "localhost";
  args.is_server = true; /* a client's object serves no server */
  assert_int_equal(tern_tls_session_new(tls, &args, &session), TERN_INVALID);
  tern_alloc_deinit(&alloc);
  tern_tls_unref(tls);
}

/* A server lets go of TLS at once; what comes later is unexpected_message. */
static void server_releases(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  (void)state;
  connect(&pair, &client, &server, "localhost", 0);
  tls_pair_assert_connected(&pair);
  struct tern_tls_session *s = pair.server.session;
  assert_false(tern_tls_session_can_release(pair.client.session));
  assert_true(tern_tls_session_can_release(s));
  tern_tls_session_release(s);
  tern_tls_session_release(s); /* quiet */
  assert_text(tern_tls_session_get_alpn(s), "h3");
  assert_text(tern_tls_session_get_server_name(s), "localhost");
  assert_string_equal(tern_tls_session_get_group(s), "X25519MLKEM768");
  assert_int_equal(tern_tls_session_feed(s, TERN_LEVEL_APP, tern_slice_of(NULL, 0)),
                   TERN_TLS_PROGRESS);
  assert_int_equal(tern_tls_session_feed(s, TERN_LEVEL_APP, pem("\x18\0\0\1")), TERN_TLS_FAILED);
  tls_side_drain(&pair.server);
  assert_int_equal(pair.server.alert, 10);
  tls_pair_deinit(&pair);
}

/* [rfc9001-6] a TLS KeyUpdate is answered with unexpected_message (0x010a). */
static void tls_key_update_refused(void **state)
{
  static const uint8_t key_update[] = {24, 0, 0, 1, 0};
  tern_tls_config client = client_config(), server = server_config();
  (void)state;
  connect(&pair, &client, &server, "localhost", 0);
  tls_pair_assert_connected(&pair);
  struct tls_side *sides[] = {&pair.client, &pair.server};
  for (size_t i = 0; i < 2; i++) {
    tern_slice crypto = tern_slice_of(key_update, sizeof key_update);
    assert_int_equal(tern_tls_session_feed(sides[i]->session, TERN_LEVEL_APP, crypto),
                     TERN_TLS_FAILED);
    tls_side_drain(sides[i]);
    assert_int_equal(sides[i]->alert_code, 0x10a);
    /* Failed once, failed for good; one alert only. */
    assert_int_equal(tern_tls_session_feed(sides[i]->session, TERN_LEVEL_APP, crypto),
                     TERN_TLS_FAILED);
    tls_side_drain(sides[i]);
    assert_int_equal(sides[i]->alerts, 1);
  }
  tls_pair_deinit(&pair);
}

/* [rfc9001-4.1.3] bytes of a level that is not being read: PROTOCOL_VIOLATION. */
static void wrong_level(void **state)
{
  (void)state;
  for (int level = TERN_LEVEL_INITIAL; level < TERN_LEVEL_APP; level++) {
    tern_tls_config client = client_config(), server = server_config();
    connect(&pair, &client, &server, "localhost", 0);
    tls_pair_assert_connected(&pair);
    assert_int_equal(
        tern_tls_session_feed(pair.client.session, (enum tern_level)level, pem("abcd")),
        TERN_TLS_FAILED);
    tls_side_drain(&pair.client);
    assert_int_equal(pair.client.alert_code, TERN_QUIC_PROTOCOL_VIOLATION);
    tls_pair_deinit(&pair);
  }
}

/* Each byte of the first two flights, changed: no crash, and never a completed pair. */
static void damaged_flights(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  tern_tls *client_tls = make(&client), *server_tls = make(&server);
  struct tls_pair_args args = {
      .client = client_tls, .server = server_tls, .server_name = "localhost"};
  (void)state;
  for (size_t at = 0; at < 1200; at += 13) {
    tls_pair_init(&pair, &args);
    assert_int_equal(
        tern_tls_session_feed(pair.client.session, TERN_LEVEL_INITIAL, tern_slice_of(NULL, 0)),
        TERN_TLS_PROGRESS);
    tls_side_drain(&pair.client);
    assert_true(at < pair.client.out_len[TERN_LEVEL_INITIAL]);
    pair.client.out[TERN_LEVEL_INITIAL][at] ^= 0x41;
    tls_pair_run(&pair);
    assert_false(pair.client.completes != 0 && pair.server.completes != 0);
    tls_pair_deinit(&pair);
  }
  tern_tls_unref(client_tls);
  tern_tls_unref(server_tls);
}

/* Both hellos exchanged; the server's Handshake flight waits in pair.server.out. */
static void exchange_hellos(void)
{
  const struct tls_side *c = &pair.client, *s = &pair.server;
  assert_int_equal(tern_tls_session_feed(c->session, TERN_LEVEL_INITIAL, tern_slice_of(NULL, 0)),
                   TERN_TLS_PROGRESS);
  tls_side_drain(&pair.client);
  assert_int_equal(tern_tls_session_feed(s->session, TERN_LEVEL_INITIAL,
                                         tern_slice_of(c->out[0], c->out_len[0])),
                   TERN_TLS_PROGRESS);
  tls_side_drain(&pair.server);
  assert_int_equal(tern_tls_session_feed(c->session, TERN_LEVEL_INITIAL,
                                         tern_slice_of(s->out[0], s->out_len[0])),
                   TERN_TLS_PROGRESS);
  tls_side_drain(&pair.client);
}

/* EncryptedExtensions, Certificate, CertificateVerify, Finished. */
#define FLIGHT 4

static void split_flight(tern_slice messages[FLIGHT])
{
  const uint8_t *at = pair.server.out[TERN_LEVEL_HANDSHAKE];
  for (size_t i = 0; i < FLIGHT; i++) {
    messages[i] = tern_slice_of(at, 4 + ((size_t)at[2] << 8 | at[3]));
    at += messages[i].len;
  }
  assert_ptr_equal(at, pair.server.out[TERN_LEVEL_HANDSHAKE] +
                           pair.server.out_len[TERN_LEVEL_HANDSHAKE]);
}

enum change { MISSING, DOUBLED, SWAPPED, CHANGES };

/* The order in which messages are fed when `which` is changed so. Returns how many. */
static size_t change_order(enum change change, size_t which, size_t order[FLIGHT + 1])
{
  size_t count = 0;
  for (size_t i = 0; i < FLIGHT; i++) {
    if (change == MISSING && i == which)
      continue;
    order[count++] = i;
    if (change == DOUBLED && i == which)
      order[count++] = i;
  }
  if (change == SWAPPED) {
    size_t other = (which + 1) % FLIGHT, kept = order[which];
    order[which] = order[other];
    order[other] = kept;
  }
  return count;
}

/* The server's Handshake flight with a message missing, doubled, or swapped with the next. The client
 * never completes, and says why. */
static void messages_out_of_order(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  tern_tls *client_tls = make(&client), *server_tls = make(&server);
  struct tls_pair_args args = {
      .client = client_tls, .server = server_tls, .server_name = "localhost"};
  (void)state;
  for (size_t i = 0; i < CHANGES * FLIGHT; i++) {
    enum change change = (enum change)(i / FLIGHT);
    size_t which = i % FLIGHT, order[FLIGHT + 1];
    bool is_finished = which == FLIGHT - 1;
    tern_slice messages[FLIGHT];
    tls_pair_init(&pair, &args);
    exchange_hellos();
    split_flight(messages);
    size_t count = change_order(change, which, order);
    enum tern_tls_result result = TERN_TLS_PROGRESS;
    for (size_t j = 0; j < count && result == TERN_TLS_PROGRESS; j++) {
      result = tern_tls_session_feed(pair.client.session, TERN_LEVEL_HANDSHAKE, messages[order[j]]);
      tls_side_drain(&pair.client);
    }
    /* Without Finished it only waits; a second one comes after the end, at a level that is over. */
    assert_int_equal(pair.client.alerts, change == MISSING && is_finished ? 0 : 1);
    assert_int_equal(pair.client.completes, change == DOUBLED && is_finished ? 1 : 0);
    if (change == DOUBLED && is_finished)
      assert_int_equal(pair.client.alert_code, TERN_QUIC_PROTOCOL_VIOLATION);
    tls_pair_deinit(&pair);
  }
  tern_tls_unref(client_tls);
  tern_tls_unref(server_tls);
}

/* The session's own memory, refused at every size: an answer or an INTERNAL_ERROR, nothing leaks. */
static void memory_runs_out(void **state)
{
  tern_tls_config client = client_config();
  tern_tls *tls = make(&client);
  (void)state;
  for (uint64_t cap = 0; cap < 4000; cap += 50) {
    struct tern_alloc small;
    struct tern_tls_session *session;
    tern_alloc_init(&small, &tern_alloc_system, NULL, cap);
    struct tern_tls_session_args args = {
        .alloc = &small, .server_name = "localhost", .params = pem("p"), .version = 1};
    tern_status status = tern_tls_session_new(tls, &args, &session);
    assert_true(status == TERN_OK || status == TERN_NOMEM);
    if (status == TERN_OK) {
      struct tern_tls_fact fact, last = {0};
      enum tern_tls_result result =
          tern_tls_session_feed(session, TERN_LEVEL_INITIAL, tern_slice_of(NULL, 0));
      while (tern_tls_session_next_fact(session, &fact))
        last = fact;
      assert_int_equal(last.kind,
                       result == TERN_TLS_FAILED ? TERN_TLS_FACT_ALERT : TERN_TLS_FACT_CRYPTO);
      if (result == TERN_TLS_FAILED)
        assert_int_equal(last.code, TERN_QUIC_INTERNAL_ERROR);
    }
    tern_tls_session_free(session);
    tern_alloc_deinit(&small);
  }
  tern_tls_unref(tls);
}

/* The secrets make keys that open each other's packets. */
static void secrets_protect_packets(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  (void)state;
  connect(&pair, &client, &server, "localhost", 0);
  tls_pair_assert_connected(&pair);
  const struct tls_side *sides[] = {&pair.client, &pair.server};
  struct tern_keys *keys[2];
  for (size_t i = 0; i < 2; i++) {
    const struct tls_side *side = sides[i];
    keys[i] = tern_keys_new(&pair.alloc);
    for (int is_tx = 0; is_tx < 2; is_tx++) {
      tern_slice secret = tern_slice_of(side->secret[TERN_LEVEL_APP][is_tx],
                                        side->secret_len[TERN_LEVEL_APP][is_tx]);
      enum tern_aead_id aead = side->aead[TERN_LEVEL_APP];
      assert_int_equal(is_tx ? tern_keys_set_tx(keys[i], aead, TERN_VERSION_1, secret)
                             : tern_keys_set_rx(keys[i], aead, TERN_VERSION_1, secret),
                       TERN_OK);
    }
  }
  uint8_t packet[64] = {0x40, 0x05, 'h', 'e', 'l', 'l', 'o'};
  struct tern_seal_item seal = {
      .packet = packet, .pn_at = 1, .pn_len = 1, .len = sizeof packet, .number = 5};
  assert_int_equal(tern_protect_seal_run(keys[0], 0, &seal, 1), TERN_OK);
  struct tern_open_item open = {.packet = packet, .pn_at = 1, .len = sizeof packet};
  tern_protect_unmask_run(keys[1], &open, 1);
  assert_int_equal(tern_protect_open(keys[1], 0, &open, TERN_PACKET_NUMBER_NONE), TERN_OPEN_OK);
  assert_memory_equal(open.payload, "hello", 5);
  tern_keys_free(keys[0]);
  tern_keys_free(keys[1]);
  tls_pair_deinit(&pair);
}

struct log {
  int lines;
  char names[512];
};

static void log_line(void *arg, const char *line)
{
  struct log *log = arg;
  size_t used = strlen(log->names), len = strcspn(line, " ");
  assert_null(strchr(line, '\n'));
  log->lines++;
  assert_true(used + len + 2 < sizeof log->names);
  memcpy(log->names + used, line, len);
  memcpy(log->names + used + len, "\n", 2);
}

static void key_log(void **state)
{
  tern_tls_config client = client_config(), server = server_config();
  struct log log = {0};
  (void)state;
  client.keylog = log_line;
  client.keylog_arg = &log;
  connect(&pair, &client, &server, "localhost", 0);
  tls_pair_assert_connected(&pair);
  assert_true(log.lines >= 4);
  assert_non_null(strstr(log.names, "CLIENT_HANDSHAKE_TRAFFIC_SECRET\n"));
  assert_non_null(strstr(log.names, "SERVER_TRAFFIC_SECRET_0\n"));
  tls_pair_deinit(&pair);
}

static void bad_configurations(void **state)
{
  char why[256];
  tern_tls *tls;
  (void)state;
  tern_tls_config good = server_config(), config = good;
  config.cert_pem = tern_slice_of(NULL, 0);
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_INVALID);
  assert_non_null(strstr(why, "cert_file"));
  config = good;
  config.key_pem = tern_slice_of(NULL, 0);
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_INVALID);
  assert_non_null(strstr(why, "key_file"));
  config = good;
  config.key_pem = pem(tern_test_wrong_key_pem); /* not of this certificate */
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_TLS);
  assert_true(why[0] != '\0');
  config = good;
  config.cert_pem = pem("no certificate");
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_TLS);
  config = good;
  config.cert_pem = tern_slice_of(NULL, 0);
  config.cert_file = "/nonexistent/tern.pem";
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_TLS);
  assert_non_null(strstr(why, "/nonexistent/tern.pem"));
  config = good;
  config.alpn_count = 0; /* [rfc9001-8.1] */
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_INVALID);
  assert_non_null(strstr(why, "alpn"));
  config = good;
  config.ciphers = "aes128:rc4";
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_INVALID);
  assert_non_null(strstr(why, "rc4"));
  config = good;
  config.groups = "nonsense";
  assert_int_equal(tern_tls_new(&tls, &config, why, sizeof why), TERN_TLS);
  assert_non_null(strstr(why, "groups"));
  assert_int_equal(tern_tls_new(&tls, &config, NULL, 0), TERN_TLS);
  assert_null(tls);
}

static void library_has_a_name(void **state)
{
  (void)state;
  print_message("%s\n", tern_tls_library());
  assert_true(strlen(tern_tls_library()) > 5);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(library_has_a_name),
      cmocka_unit_test(handshake_completes),
      cmocka_unit_test(byte_by_byte),
      cmocka_unit_test(each_cipher),
      cmocka_unit_test(no_cipher_in_common),
      cmocka_unit_test(each_group),
      cmocka_unit_test(alpn_by_server_preference),
      cmocka_unit_test(no_alpn_in_common),
      cmocka_unit_test(certificates),
      cmocka_unit_test(address_is_no_sni),
      cmocka_unit_test(verification_needs_a_name),
      cmocka_unit_test(server_releases),
      cmocka_unit_test(tls_key_update_refused),
      cmocka_unit_test(wrong_level),
      cmocka_unit_test(damaged_flights),
      cmocka_unit_test(messages_out_of_order),
      cmocka_unit_test(memory_runs_out),
      cmocka_unit_test(secrets_protect_packets),
      cmocka_unit_test(key_log),
      cmocka_unit_test(bad_configurations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
