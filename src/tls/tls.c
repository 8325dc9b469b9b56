/* SPDX-License-Identifier: MIT */
/* What all TLS backends share: reference counts, the queue of facts, the getters. */
#include "tls/tls.h"

#include <string.h>

#include "base/assert.h"
#include "tls/tls_backend.h"
#include "tls/work.h"
#include "wire/quic.h"

/* ---- tern_tls ------------------------------------------------------------------------------ */

tern_tls *tern_tls_ref(tern_tls *tls)
{
  atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
  return tls;
}

void tern_tls_unref(tern_tls *tls)
{
  if (tls != NULL && atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) == 1)
    tls->ops->free(tls);
}

bool tern_tls_is_server(const struct tern_tls *tls)
{
  return tls->is_server;
}

bool tern_tls_takes_early(const struct tern_tls *tls)
{
  return tls->early_data;
}

uint8_t tern_tls_read_hello(const struct tern_tls *tls, tern_slice message,
                            struct tern_client_hello *hello)
{
  if (tls->ops->read_hello != NULL)
    return tls->ops->read_hello(message, hello);
  return tern_client_hello_read(message, hello);
}

/* ---- the session's life -------------------------------------------------------------------- */

tern_status tern_tls_session_new(struct tern_tls *tls, const struct tern_tls_session_args *args,
                                 struct tern_tls_session **out)
{
  *out = NULL;
  if (!tls->serves_both && tls->is_server != args->is_server)
    return TERN_INVALID;
  return tls->ops->session_new(tls, args, out);
}

void tern_tls_session_free(struct tern_tls_session *session)
{
  if (session != NULL)
    session->tls->ops->session_free(session);
}

void tern_tls_session_init(struct tern_tls_session *session, struct tern_tls *tls,
                           const struct tern_tls_session_args *args)
{
  memset(session, 0, sizeof *session);
  session->tls = tern_tls_ref(tls);
  session->alloc = args->alloc;
  session->is_server = args->is_server;
  session->inbox = args->inbox;
  session->owner = args->inbox_owner;
}

static void free_node(struct tern_tls_session *session, struct tern_tls_fact_node *node)
{
  size_t size = sizeof *node + node->capacity;
  tern_wipe(node, size);
  tern_alloc_give(session->alloc, node, size);
}

static void drop_lent(struct tern_tls_session *session)
{
  if (session->lent != NULL)
    free_node(session, session->lent);
  session->lent = NULL;
}

void tern_tls_session_deinit(struct tern_tls_session *session)
{
  tern_tls_work_drop(session->work);
  tern_tls_unref(session->choice);
  drop_lent(session);
  while (session->head != NULL) {
    struct tern_tls_fact_node *node = session->head;
    session->head = node->next;
    free_node(session, node);
  }
  session->tail = NULL;
  tern_alloc_give(session->alloc, session->alert_text, session->alert_text_len);
  tern_alloc_give(session->alloc, session->alpn, session->alpn_len);
  tern_alloc_give(session->alloc, session->server_name, session->server_name_len);
  tern_tls_unref(session->tls);
}

enum tern_tls_result tern_tls_session_feed(struct tern_tls_session *session, enum tern_level level,
                                           tern_slice crypto)
{
  drop_lent(session);
  if (session->is_failed)
    return TERN_TLS_FAILED;
  if (session->is_released) {
    if (crypto.len == 0)
      return TERN_TLS_PROGRESS;
    /* A client has nothing to say after its Finished: we ask for no post-handshake authentication, and
     * [rfc9001-6] a TLS KeyUpdate MUST be treated as unexpected_message. */
    tern_tls_push_alert(session, TERN_ALERT_UNEXPECTED_MESSAGE, "handshake message after the end");
    return TERN_TLS_FAILED;
  }
  enum tern_tls_result result = session->tls->ops->feed(session, level, crypto);
  return session->is_failed ? TERN_TLS_FAILED : result;
}

bool tern_tls_session_is_complete(const struct tern_tls_session *session)
{
  return session->is_complete;
}

bool tern_tls_session_can_release(const struct tern_tls_session *session)
{
  return session->is_server && session->is_complete && !session->is_released;
}

void tern_tls_session_release(struct tern_tls_session *session)
{
  if (!tern_tls_session_can_release(session))
    return;
  session->tls->ops->release(session);
  session->is_released = true;
}

/* ---- facts out ----------------------------------------------------------------------------- */

static void tell_alert(struct tern_tls_session *session, struct tern_tls_fact *fact)
{
  session->is_alert_queued = false;
  fact->kind = TERN_TLS_FACT_ALERT;
  fact->alert = session->alert;
  fact->code = session->alert_code;
  fact->data = tern_slice_of(session->alert_text != NULL ? session->alert_text : "",
                             session->alert_text_len);
}

bool tern_tls_session_next_fact(struct tern_tls_session *session, struct tern_tls_fact *fact)
{
  struct tern_tls_fact_node *node = session->head;
  drop_lent(session);
  memset(fact, 0, sizeof *fact);
  if (node == NULL) {
    if (!session->is_alert_queued)
      return false;
    tell_alert(session, fact);
    return true;
  }
  session->head = node->next;
  if (session->head == NULL)
    session->tail = NULL;
  session->lent = node;
  fact->kind = node->kind;
  fact->level = node->level;
  fact->is_tx = node->is_tx;
  fact->aead = node->aead;
  fact->data = tern_slice_of(node->bytes, node->len);
  return true;
}

/* ---- facts in ------------------------------------------------------------------------------ */

static void fail_memory(struct tern_tls_session *session)
{
  tern_tls_push_error(session, TERN_QUIC_INTERNAL_ERROR, "out of memory");
}

static struct tern_tls_fact_node *push_node(struct tern_tls_session *session,
                                            enum tern_tls_fact_kind kind, tern_slice data,
                                            size_t capacity)
{
  if (session->is_failed)
    return NULL; /* nothing follows an alert */
  struct tern_tls_fact_node *node = tern_alloc_take(session->alloc, sizeof *node + capacity);
  if (node == NULL) {
    fail_memory(session);
    return NULL;
  }
  memset(node, 0, sizeof *node);
  node->kind = kind;
  node->capacity = capacity;
  node->len = data.len;
  if (data.len != 0)
    memcpy(node->bytes, data.data, data.len);
  if (session->tail != NULL)
    session->tail->next = node;
  else
    session->head = node;
  session->tail = node;
  return node;
}

/* A node cannot be resized in place without finding who points to it, so CRYPTO nodes have room to
 * spare, and a full one is followed by another. */
#define CRYPTO_NODE_BYTES 1024

bool tern_tls_push_crypto(struct tern_tls_session *session, enum tern_level level, tern_slice data)
{
  struct tern_tls_fact_node *tail = session->tail;
  if (!session->is_failed && tail != NULL && tail->kind == TERN_TLS_FACT_CRYPTO &&
      tail->level == level) {
    size_t room = tail->capacity - tail->len;
    size_t len = data.len < room ? data.len : room;
    if (len != 0)
      memcpy(tail->bytes + tail->len, data.data, len);
    tail->len += len;
    data.data += len;
    data.len -= len;
  }
  if (data.len == 0)
    return true;
  size_t capacity = data.len > CRYPTO_NODE_BYTES ? data.len : CRYPTO_NODE_BYTES;
  tail = push_node(session, TERN_TLS_FACT_CRYPTO, data, capacity);
  if (tail == NULL)
    return false;
  tail->level = level;
  return true;
}

bool tern_tls_push_secret(struct tern_tls_session *session, enum tern_level level, bool is_tx,
                          enum tern_aead_id aead, tern_slice secret)
{
  struct tern_tls_fact_node *node = push_node(session, TERN_TLS_FACT_SECRET, secret, secret.len);
  if (node == NULL)
    return false;
  node->level = level;
  node->is_tx = is_tx;
  node->aead = aead;
  return true;
}

bool tern_tls_push_params(struct tern_tls_session *session, tern_slice params)
{
  session->has_params = true;
  return push_node(session, TERN_TLS_FACT_PARAMS, params, params.len) != NULL;
}

/* A copy, or NULL; an empty slice needs none. */
static bool copy_text(struct tern_tls_session *session, tern_slice text, char **out, size_t *len)
{
  tern_alloc_give(session->alloc, *out, *len);
  *out = NULL;
  *len = 0;
  if (text.len == 0)
    return true;
  *out = tern_alloc_take(session->alloc, text.len);
  if (*out == NULL)
    return false;
  memcpy(*out, text.data, text.len);
  *len = text.len;
  return true;
}

static bool take_summary(struct tern_tls_session *session, const struct tern_tls_summary *summary)
{
  if (!copy_text(session, summary->alpn, &session->alpn, &session->alpn_len) ||
      !copy_text(session, summary->server_name, &session->server_name, &session->server_name_len)) {
    fail_memory(session);
    return false;
  }
  session->cipher = summary->cipher;
  session->group = summary->group;
  session->is_peer_verified = summary->is_peer_verified;
  session->is_resumed = summary->is_resumed;
  return true;
}

static bool push_empty(struct tern_tls_session *session, enum tern_tls_fact_kind kind)
{
  return push_node(session, kind, tern_slice_of(NULL, 0), 0) != NULL;
}

bool tern_tls_push_early_accepted(struct tern_tls_session *session,
                                  const struct tern_tls_summary *summary)
{
  if (!take_summary(session, summary) || !push_empty(session, TERN_TLS_FACT_EARLY_ACCEPTED))
    return false;
  session->is_early = true;
  return true;
}

bool tern_tls_push_early_rejected(struct tern_tls_session *session)
{
  return push_empty(session, TERN_TLS_FACT_EARLY_REJECTED);
}

bool tern_tls_push_ticket(struct tern_tls_session *session, tern_slice ticket)
{
  return ticket.len > TERN_CAP_TICKET ||
         push_node(session, TERN_TLS_FACT_TICKET, ticket, ticket.len) != NULL;
}

bool tern_tls_push_complete(struct tern_tls_session *session,
                            const struct tern_tls_summary *summary)
{
  if (!take_summary(session, summary) || !push_empty(session, TERN_TLS_FACT_COMPLETE))
    return false;
  session->is_complete = true;
  return true;
}

static void note_alert(struct tern_tls_session *session, uint64_t code, uint8_t alert,
                       const char *text)
{
  if (!session->is_failed) {
    session->is_failed = true;
    session->is_alert_queued = true;
    session->alert_code = code;
    session->alert = alert;
  }
  size_t len = strlen(text);
  if (len > TERN_TLS_ALERT_TEXT_MAX)
    len = TERN_TLS_ALERT_TEXT_MAX;
  if (session->alert_text != NULL || len == 0)
    return;
  session->alert_text = tern_alloc_take(session->alloc, len);
  if (session->alert_text == NULL)
    return;
  memcpy(session->alert_text, text, len);
  session->alert_text_len = (uint8_t)len;
}

void tern_tls_push_alert(struct tern_tls_session *session, uint8_t alert, const char *text)
{
  /* [rfc9001-4.8] an alert becomes the QUIC error 0x0100 + its description. */
  note_alert(session, TERN_QUIC_CRYPTO_BASE + (uint64_t)alert, alert, text);
}

void tern_tls_push_error(struct tern_tls_session *session, uint64_t code, const char *text)
{
  note_alert(session, code, 0, text);
}

/* ---- getters ------------------------------------------------------------------------------- */

tern_slice tern_tls_session_get_alpn(const struct tern_tls_session *session)
{
  return tern_slice_of(session->alpn, session->alpn_len);
}

tern_slice tern_tls_session_get_server_name(const struct tern_tls_session *session)
{
  return tern_slice_of(session->server_name, session->server_name_len);
}

const char *tern_tls_session_get_cipher(const struct tern_tls_session *session)
{
  return session->cipher != NULL ? session->cipher : "";
}

const char *tern_tls_session_get_group(const struct tern_tls_session *session)
{
  return session->group != NULL ? session->group : "";
}

bool tern_tls_session_is_resumed(const struct tern_tls_session *session)
{
  return session->is_resumed;
}

bool tern_tls_session_is_peer_verified(const struct tern_tls_session *session)
{
  return session->is_peer_verified;
}
