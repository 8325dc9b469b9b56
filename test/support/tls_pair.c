/* SPDX-License-Identifier: MIT */
/* See tls_pair.h. */
#include "support/tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static tern_slice text_slice(const char *text)
{
  return tern_slice_of(text, strlen(text));
}

static struct tern_tls_session *start(struct tls_pair *pair, const struct tls_pair_args *args,
                                      bool is_server)
{
  struct tern_tls_session_args session_args = {
      .alloc = &pair->alloc,
      .is_server = is_server,
      .server_name = is_server ? NULL : args->server_name,
      .params = text_slice(is_server ? TLS_PAIR_SERVER_PARAMS : TLS_PAIR_CLIENT_PARAMS),
      .version = 1,
      .now = args->now,
      .ticket = args->ticket,
      .wants_early = args->wants_early,
      .early_context = args->early_context,
      .random = is_server ? args->server_random : args->client_random,
  };
  struct tern_tls_session *session;
  assert_int_equal(
      tern_tls_session_new(is_server ? args->server : args->client, &session_args, &session),
      TERN_OK);
  return session;
}

void tls_pair_init(struct tls_pair *pair, const struct tls_pair_args *args)
{
  memset(pair, 0, sizeof *pair);
  tern_alloc_init(&pair->alloc, &tern_alloc_system, NULL, UINT64_MAX);
  pair->client.session = start(pair, args, false);
  pair->server.session = start(pair, args, true);
}

void tls_pair_deinit(struct tls_pair *pair)
{
  tern_tls_session_free(pair->client.session);
  tern_tls_session_free(pair->server.session);
  tern_alloc_deinit(&pair->alloc);
}

static void on_crypto(struct tls_side *side, const struct tern_tls_fact *fact)
{
  size_t *len = &side->out_len[fact->level];
  /* The key of a level comes before its first byte. */
  if (fact->level != TERN_LEVEL_INITIAL)
    assert_true(side->secret_len[fact->level][true] != 0);
  assert_true(fact->data.len != 0);
  assert_true(*len + fact->data.len <= TLS_SIDE_BUFFER);
  memcpy(side->out[fact->level] + *len, fact->data.data, fact->data.len);
  *len += fact->data.len;
}

static void on_secret(struct tls_side *side, const struct tern_tls_fact *fact)
{
  assert_int_equal(side->secret_len[fact->level][fact->is_tx], 0); /* at most once */
  assert_true(fact->data.len == 32 || fact->data.len == 48);
  if (fact->level == TERN_LEVEL_APP)
    assert_true(side->params_len != 0);
  memcpy(side->secret[fact->level][fact->is_tx], fact->data.data, fact->data.len);
  side->secret_len[fact->level][fact->is_tx] = fact->data.len;
  side->aead[fact->level] = fact->aead;
}

static void on_alert(struct tls_side *side, const struct tern_tls_fact *fact)
{
  side->alerts++;
  side->alert = fact->alert;
  side->alert_code = fact->code;
  assert_true(fact->data.len < sizeof side->alert_text);
  memcpy(side->alert_text, fact->data.data, fact->data.len);
  side->alert_text[fact->data.len] = '\0';
}

/* Adds "K1 " to the trace; CRYPTO facts of one level that follow each other count once. */
static void note(struct tls_side *side, char kind, int level)
{
  char word[4] = {kind, (char)('0' + level), ' ', '\0'};
  size_t used = strlen(side->trace);
  if (kind == 'C' && used >= 3 && memcmp(side->trace + used - 3, word, 3) == 0)
    return;
  assert_true(used + sizeof word <= sizeof side->trace);
  memcpy(side->trace + used, word, sizeof word);
}

static void on_fact(struct tls_side *side, const struct tern_tls_fact *fact)
{
  assert_int_equal(side->alerts, 0); /* nothing follows an alert */
  switch (fact->kind) {
  case TERN_TLS_FACT_CRYPTO:
    on_crypto(side, fact);
    note(side, 'C', (int)fact->level);
    break;
  case TERN_TLS_FACT_SECRET:
    on_secret(side, fact);
    note(side, fact->is_tx ? 'T' : 'R', (int)fact->level);
    break;
  case TERN_TLS_FACT_PARAMS:
    assert_true(fact->data.len <= sizeof side->params && side->params_len == 0);
    memcpy(side->params, fact->data.data, fact->data.len);
    side->params_len = fact->data.len;
    note(side, 'P', 0);
    break;
  case TERN_TLS_FACT_COMPLETE:
    side->completes++;
    note(side, 'D', 0);
    break;
  case TERN_TLS_FACT_ALERT:
    on_alert(side, fact);
    break;
  case TERN_TLS_FACT_TICKET:
    assert_true(fact->data.len != 0 && fact->data.len <= sizeof side->ticket);
    memcpy(side->ticket, fact->data.data, fact->data.len);
    side->ticket_len = fact->data.len;
    side->tickets++;
    break;
  case TERN_TLS_FACT_EARLY_ACCEPTED:
    note(side, 'A', 1);
    break;
  case TERN_TLS_FACT_EARLY_REJECTED:
    note(side, 'X', 1);
    break;
  }
}

void tls_side_drain(struct tls_side *side)
{
  struct tern_tls_fact fact;
  while (tern_tls_session_next_fact(side->session, &fact))
    on_fact(side, &fact);
}

static void feed(struct tls_side *side, enum tern_level level, tern_slice crypto)
{
  enum tern_tls_result result = tern_tls_session_feed(side->session, level, crypto);
  while (result == TERN_TLS_PENDING) {
    side->pendings++;
    tls_side_drain(side);
    result = tern_tls_session_feed(side->session, level, tern_slice_of(NULL, 0));
  }
  tls_side_drain(side);
  assert_int_equal(result == TERN_TLS_FAILED, side->alerts != 0);
}

/* Hands everything that `from` has said to `to`, lowest level first. */
static bool move(struct tls_side *from, struct tls_side *to, size_t piece)
{
  bool has_moved = false;
  for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
    while (from->out_sent[level] < from->out_len[level] && to->alerts == 0) {
      size_t len = from->out_len[level] - from->out_sent[level];
      if (piece != 0 && piece < len)
        len = piece;
      tern_slice crypto = tern_slice_of(from->out[level] + from->out_sent[level], len);
      from->out_sent[level] += len;
      feed(to, (enum tern_level)level, crypto);
      has_moved = true;
    }
  }
  return has_moved;
}

void tls_pair_run(struct tls_pair *pair)
{
  feed(&pair->client, TERN_LEVEL_INITIAL, tern_slice_of(NULL, 0));
  bool is_moving = true;
  while (is_moving) {
    is_moving = move(&pair->client, &pair->server, pair->piece);
    is_moving = move(&pair->server, &pair->client, pair->piece) || is_moving;
  }
}

static void assert_secret(const struct tls_side *tx, const struct tls_side *rx, int level)
{
  assert_int_equal(tx->aead[level], rx->aead[level]);
  assert_true(tx->secret_len[level][true] != 0);
  assert_int_equal(tx->secret_len[level][true], rx->secret_len[level][false]);
  assert_memory_equal(tx->secret[level][true], rx->secret[level][false],
                      tx->secret_len[level][true]);
}

void tls_pair_assert_connected(const struct tls_pair *pair)
{
  assert_string_equal(pair->client.alert_text, "");
  assert_string_equal(pair->server.alert_text, "");
  assert_int_equal(pair->client.alerts + pair->server.alerts, 0);
  assert_int_equal(pair->client.completes, 1);
  assert_int_equal(pair->server.completes, 1);
  for (int level = TERN_LEVEL_HANDSHAKE; level <= TERN_LEVEL_APP; level++) {
    assert_secret(&pair->client, &pair->server, level);
    assert_secret(&pair->server, &pair->client, level);
  }
  assert_int_equal(pair->server.params_len, strlen(TLS_PAIR_CLIENT_PARAMS));
  assert_memory_equal(pair->server.params, TLS_PAIR_CLIENT_PARAMS, pair->server.params_len);
  assert_int_equal(pair->client.params_len, strlen(TLS_PAIR_SERVER_PARAMS));
  assert_memory_equal(pair->client.params, TLS_PAIR_SERVER_PARAMS, pair->client.params_len);
}
