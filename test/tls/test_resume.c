/* SPDX-License-Identifier: MIT */
/* Session tickets and early data, by the built TLS library and by tls_sim: the same cases for both. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <tern/transport.h>

#include "base/random.h"
#include "support/test_certs.h"
#include "support/tls_pair.h"
#include "tls/tickets.h"
#include "tls/tls.h"
#include "tls/tls_sim.h"

static const char *const h3[] = {"h3"};
static const char *const other[] = {"hq-interop"};

/* One service: what a server and its clients are made from. */
struct service {
  bool is_sim;
  bool early_data;
  bool has_other_alpn;
  const char *context; /* of the server's configuration */
  tern_tickets *tickets;
};

static struct tls_pair pair; /* large, so not on the stack */
static uint8_t ticket[TERN_CAP_TICKET];
static size_t ticket_len;
static struct tern_random_seeded entropy;

static tern_slice slice(const char *text)
{
  return tern_slice_of(text, strlen(text));
}

static tern_tls *make(const struct service *service, bool is_server)
{
  tern_tls *tls;
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.is_server = is_server;
  config.alpn = service->has_other_alpn ? other : h3;
  config.alpn_count = 1;
  config.tickets = service->tickets;
  config.early_data = service->early_data;
  config.early_context = slice(service->context != NULL ? service->context : "");
  config.ca_pem = slice(tern_test_ca_pem);
  config.cert_pem = slice(tern_test_leaf_pem);
  config.key_pem = slice(tern_test_leaf_key_pem);
  if (service->is_sim) {
    struct tern_tls_sim_options options = {.alpn = config.alpn,
                                           .alpn_count = 1,
                                           .tickets = 2,
                                           .tickets_keys = service->tickets,
                                           .early_data = service->early_data};
    tls = tern_tls_sim_new(&tern_alloc_system, &options);
    assert_non_null(tls);
    return tls;
  }
  assert_int_equal(tern_tls_new(&tls, &config, NULL, 0), TERN_OK);
  return tls;
}

struct visit {
  tern_time now;
  bool has_ticket;
  bool wants_early;
};

/* One handshake; the newest ticket is kept for the next. */
static void visit(const struct service *service, const struct visit *how)
{
  tern_random_ops random = tern_random_seeded_ops(&entropy);
  tern_tls *client = make(service, false), *server = make(service, true);
  struct tls_pair_args args = {.client = client,
                               .server = server,
                               .server_name = "localhost",
                               .now = how->now,
                               .wants_early = how->wants_early,
                               .early_context =
                                   slice(service->context != NULL ? service->context : ""),
                               .client_random = &random,
                               .server_random = &random};
  if (how->has_ticket)
    args.ticket = tern_slice_of(ticket, ticket_len);
  tls_pair_init(&pair, &args);
  tern_tls_unref(client);
  tern_tls_unref(server);
  tls_pair_run(&pair);
  tls_pair_assert_connected(&pair);
}

static void keep_ticket(void)
{
  assert_int_equal(pair.client.tickets, 2);
  memcpy(ticket, pair.client.ticket, pair.client.ticket_len);
  ticket_len = pair.client.ticket_len;
}

static struct service service_of(bool is_sim, bool early_data)
{
  struct service service = {.is_sim = is_sim, .early_data = early_data};
  tern_random_seeded_init(&entropy, 7);
  assert_int_equal(tern_tickets_new(&service.tickets), TERN_OK);
  return service;
}

static bool is_resumed(void)
{
  bool client = tern_tls_session_is_resumed(pair.client.session);
  assert_int_equal(client, tern_tls_session_is_resumed(pair.server.session));
  return client;
}

static bool is_early(void)
{
  bool was_sent = pair.client.secret_len[TERN_LEVEL_EARLY][true] != 0;
  bool was_taken = pair.server.secret_len[TERN_LEVEL_EARLY][false] != 0;
  bool was_refused = strstr(pair.client.trace, "X1") != NULL;
  assert_int_equal(strstr(pair.server.trace, "A1") != NULL, was_taken);
  if (was_sent)
    assert_true(was_taken != was_refused);
  if (was_taken)
    assert_memory_equal(pair.client.secret[TERN_LEVEL_EARLY][true],
                        pair.server.secret[TERN_LEVEL_EARLY][false],
                        pair.client.secret_len[TERN_LEVEL_EARLY][true]);
  return was_taken;
}

static void sessions_go_on(void **state)
{
  (void)state;
  for (int is_sim = 0; is_sim < 2; is_sim++) {
    struct service service = service_of(is_sim != 0, false);
    visit(&service, &(struct visit){.now = 1});
    assert_false(is_resumed());
    keep_ticket();
    size_t full = pair.server.out_len[TERN_LEVEL_HANDSHAKE];
    tls_pair_deinit(&pair);
    visit(&service, &(struct visit){.now = 2, .has_ticket = true});
    assert_true(is_resumed());
    assert_true(tern_tls_session_is_peer_verified(pair.client.session));
    assert_true(pair.server.out_len[TERN_LEVEL_HANDSHAKE] < full / 2); /* no certificate */
    assert_false(is_early());
    keep_ticket();
    tls_pair_deinit(&pair);
    tern_tickets_unref(service.tickets);
  }
}

static void early_data_is_taken_once(void **state)
{
  (void)state;
  for (int is_sim = 0; is_sim < 2; is_sim++) {
    struct service service = service_of(is_sim != 0, true);
    visit(&service, &(struct visit){.now = 1});
    keep_ticket();
    tls_pair_deinit(&pair);
    visit(&service, &(struct visit){.now = 2, .has_ticket = true, .wants_early = true});
    assert_true(is_resumed() && is_early());
    assert_true(strncmp(pair.client.trace, "T1 C0 ", 6) == 0 ||
                strncmp(pair.client.trace, "C0 T1 ", 6) == 0);
    tls_pair_deinit(&pair);
    /* [rfc8446-8.1] the same ticket once more: resumed, but nothing early. */
    visit(&service, &(struct visit){.now = 3, .has_ticket = true, .wants_early = true});
    assert_true(is_resumed() && !is_early());
    keep_ticket();
    tls_pair_deinit(&pair);
    /* Its tickets are good for another handshake, whose tickets bring early data again. */
    visit(&service, &(struct visit){.now = 4, .has_ticket = true});
    assert_true(is_resumed());
    keep_ticket();
    tls_pair_deinit(&pair);
    visit(&service, &(struct visit){.now = 5, .has_ticket = true, .wants_early = true});
    assert_true(is_resumed() && is_early());
    tls_pair_deinit(&pair);
    tern_tickets_unref(service.tickets);
  }
}

/* [rfc9001-4.6.3] [rfc9001-4.6.2] what was promised has changed, or is not offered any more. */
static void early_data_needs_the_same_promises(void **state)
{
  static const struct {
    const char *context;
    bool early_data;
    bool is_taken;
  } cases[] = {{"limits 1", true, true}, {"limits 2", true, false}, {"limits 1", false, false}};
  (void)state;
  for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
    struct service service = service_of(i % 2 != 0, true);
    service.context = "limits 1";
    visit(&service, &(struct visit){.now = 1});
    keep_ticket();
    tls_pair_deinit(&pair);
    service.context = cases[i / 2].context;
    service.early_data = cases[i / 2].early_data;
    visit(&service, &(struct visit){.now = 2, .has_ticket = true, .wants_early = true});
    assert_true(is_resumed());
    assert_int_equal(is_early(), cases[i / 2].is_taken);
    tls_pair_deinit(&pair);
    tern_tickets_unref(service.tickets);
  }
}

static void unknown_tickets_are_no_harm(void **state)
{
  (void)state;
  for (int i = 0; i < 4; i++) {
    struct service service = service_of(i % 2 != 0, true);
    visit(&service, &(struct visit){.now = 1});
    keep_ticket();
    tls_pair_deinit(&pair);
    if (i < 2) { /* another server's keys */
      tern_tickets_unref(service.tickets);
      assert_int_equal(tern_tickets_new(&service.tickets), TERN_OK);
    } else {
      memset(ticket, 0x5a, ticket_len); /* no ticket at all */
    }
    visit(&service, &(struct visit){.now = 2, .has_ticket = true, .wants_early = true});
    assert_false(is_resumed() || is_early());
    tls_pair_deinit(&pair);
    tern_tickets_unref(service.tickets);
  }
}

/* ---- the keys themselves -------------------------------------------------------------------- */

#define TEXT "a session"
#define SEALED (sizeof TEXT + TERN_TICKET_OVERHEAD)

static tern_random_ops any_random(void)
{
  tern_random_seeded_init(&entropy, 7);
  return tern_random_seeded_ops(&entropy);
}

static bool opens(tern_tickets *tickets, const uint8_t sealed[SEALED])
{
  uint8_t out[sizeof TEXT];
  return tern_tickets_open(tickets, tern_slice_of(sealed, SEALED), out) &&
         memcmp(out, TEXT, sizeof TEXT) == 0;
}

static void seal(tern_tickets *tickets, tern_time now, uint8_t out[SEALED])
{
  tern_random_ops random = tern_random_seeded_ops(&entropy);
  const struct tern_ticket_context context = {&random, now};
  assert_true(tern_tickets_seal(tickets, &context, tern_slice_of(TEXT, sizeof TEXT), out));
}

static void own_keys_rotate(void **state)
{
  uint8_t first[SEALED], second[SEALED], third[SEALED];
  tern_tickets *tickets;
  (void)state;
  (void)any_random();
  assert_int_equal(tern_tickets_new(&tickets), TERN_OK);
  seal(tickets, 1, first);
  seal(tickets, TERN_TICKET_ROTATE_NS, second);
  assert_memory_equal(first, second, TERN_TICKET_NAME_BYTES);
  seal(tickets, 1 + TERN_TICKET_ROTATE_NS, second);
  assert_memory_not_equal(first, second, TERN_TICKET_NAME_BYTES);
  assert_true(opens(tickets, first) && opens(tickets, second));
  seal(tickets, 1 + 2 * TERN_TICKET_ROTATE_NS, third);
  assert_true(!opens(tickets, first) && opens(tickets, second) && opens(tickets, third));
  for (size_t i = 0; i < SEALED; i++) { /* every byte counts */
    third[i] ^= 1;
    assert_false(opens(tickets, third));
    third[i] ^= 1;
  }
  tern_tickets_unref(tickets);
}

static void given_keys_are_shared(void **state)
{
  const tern_ticket_key keys[3] = {{{1}, {1}}, {{2}, {2}}, {{3}, {3}}};
  const tern_ticket_key turned[2] = {{{2}, {2}}, {{1}, {1}}};
  uint8_t sealed[SEALED], later[SEALED];
  tern_tickets *here, *there;
  (void)state;
  (void)any_random();
  assert_int_equal(tern_tickets_new(&here), TERN_OK);
  assert_int_equal(tern_tickets_new(&there), TERN_OK);
  assert_int_equal(tern_tickets_set_keys(here, keys, 0), TERN_INVALID);
  assert_int_equal(tern_tickets_set_keys(here, keys, TERN_TICKET_KEYS_MAX + 1), TERN_INVALID);
  assert_int_equal(tern_tickets_set_keys(here, keys, 1), TERN_OK);
  assert_int_equal(tern_tickets_set_keys(there, turned, 2), TERN_OK);
  seal(here, 1, sealed);
  assert_true(opens(there, sealed));
  seal(there, 1 + 3 * TERN_TICKET_ROTATE_NS, later); /* age replaces no keys that were given */
  assert_int_equal(later[0], 2);
  assert_false(opens(here, later));
  assert_int_equal(tern_tickets_set_keys(here, keys, 3), TERN_OK);
  assert_true(opens(here, later) && opens(here, sealed));
  tern_tickets_unref(here);
  tern_tickets_unref(there);
}

static void test_early_replays_bound(void **state)
{
  const tern_time window = 130 * TERN_SECOND;
  tern_tickets *tickets;
  (void)state;
  assert_int_equal(tern_tickets_new(&tickets), TERN_OK);
  for (uint64_t i = 0; i < 8192; i++)
    assert_true(tern_tickets_take_early_id(tickets, 2 * i + 1, 1));
  assert_false(tern_tickets_take_early_id(tickets, UINT64_C(1) << 40, 1)); /* one past it */
  assert_true(tern_tickets_take_early_id(tickets, UINT64_C(1) << 40, 1 + window));
  assert_false(tern_tickets_take_early_id(tickets, 1, window)); /* remembered still */
  assert_false(tern_tickets_take_early_id(tickets, 1, 2 * window));
  assert_true(tern_tickets_take_early_id(tickets, 1, 1 + 2 * window)); /* TLS refuses its age now */
  tern_tickets_unref(tickets);
}

/* [rfc8446-8.2] a server that knows old tickets does not know what was taken before it started. */
static void early_data_waits_after_a_start(void **state)
{
  const tern_ticket_key key = {{1}, {1}};
  tern_tickets *tickets;
  (void)state;
  assert_int_equal(tern_tickets_new(&tickets), TERN_OK);
  assert_int_equal(tern_tickets_set_keys(tickets, &key, 1), TERN_OK);
  assert_false(tern_tickets_take_early_id(tickets, 1, 5));
  assert_false(tern_tickets_take_early_id(tickets, 3, 4 + TERN_REPLAY_WINDOW_NS));
  assert_true(tern_tickets_take_early_id(tickets, 5, 5 + TERN_REPLAY_WINDOW_NS));
  tern_tickets_unref(tickets);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sessions_go_on),
      cmocka_unit_test(early_data_is_taken_once),
      cmocka_unit_test(early_data_needs_the_same_promises),
      cmocka_unit_test(unknown_tickets_are_no_harm),
      cmocka_unit_test(own_keys_rotate),
      cmocka_unit_test(given_keys_are_shared),
      cmocka_unit_test(test_early_replays_bound),
      cmocka_unit_test(early_data_waits_after_a_start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
