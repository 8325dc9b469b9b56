/* SPDX-License-Identifier: MIT */
/* The pretended TLS. NO SECURITY; see tls_sim.h.
 *
 *   message = type (1) | length (3) | body
 *   transcript_n = HMAC(transcript_n-1, message_n)
 *   base = HMAC("tern sim", client random | server random)
 *   handshake secrets = Expand-Label(base, ...), application secrets = Expand-Label(HMAC(base, transcript))
 *   Finished = HMAC(base | side, transcript)
 *   psk = HMAC("tern sim psk", ticket); resumed: base = HMAC(psk, randoms), no certificate
 *   early secret = Expand-Label(HMAC(psk, client random), ...)
 *
 * Facts come in the order in which AWS-LC produces them; a test compares the two. */
#include "tls/tls_sim.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "tls/tls_backend.h"
#include "tls/tls_sim_session.h"
#include "wire/quic.h"

#define HELLO_BYTES_DEFAULT 300
#define CERT_BYTES_DEFAULT 2400
#define SERVER_HELLO_BYTES 90
#define CERT_VERIFY_BYTES 79
#define TICKET_BYTES 200
#define TICKETS_MAX 4
#define MESSAGE_MAX 65536 /* bytes of one message; CRYPTO_BUFFER_EXCEEDED | ours */

/* [rfc8446-4] */
enum message_type {
  MESSAGE_CLIENT_HELLO = 1,
  MESSAGE_SERVER_HELLO = 2,
  MESSAGE_NEW_SESSION_TICKET = 4,
  MESSAGE_ENCRYPTED_EXTENSIONS = 8,
  MESSAGE_CERTIFICATE = 11,
  MESSAGE_CERTIFICATE_VERIFY = 15,
  MESSAGE_FINISHED = 20,
};

static const struct tern_tls_ops sim_ops;

/* ---- messages out -------------------------------------------------------------------------- */

/* A message of `type`: `body`, then filler up to `body_bytes`. */
static void say(struct sim_session *session, enum tern_level level, enum message_type type,
                tern_slice body, size_t body_bytes)
{
  if (body_bytes < body.len)
    body_bytes = body.len;
  uint8_t *message = tern_alloc_take(session->base.alloc, 4 + body_bytes);
  if (message == NULL) {
    tern_tls_push_error(&session->base, TERN_QUIC_INTERNAL_ERROR, "out of memory");
    return;
  }
  message[0] = (uint8_t)type;
  message[1] = (uint8_t)(body_bytes >> 16);
  message[2] = (uint8_t)(body_bytes >> 8);
  message[3] = (uint8_t)body_bytes;
  if (body.len != 0)
    memcpy(message + 4, body.data, body.len);
  for (size_t i = body.len; i < body_bytes; i++)
    message[4 + i] = (uint8_t)(i * 7);
  tern_slice whole = tern_slice_of(message, 4 + body_bytes);
  tern_sim_add_to_transcript(session, whole);
  tern_tls_push_crypto(&session->base, level, whole);
  tern_alloc_give(session->base.alloc, message, 4 + body_bytes);
}

static void write_blob(struct tern_writer *writer, const void *data, size_t len)
{
  tern_write_u16(writer, (uint16_t)len);
  tern_write_bytes(writer, data, len);
}

#define BODY_MAX 4096 /* of a hello before its filler: parameters, names */

static void say_client_hello(struct sim_session *session)
{
  uint8_t body[BODY_MAX];
  struct tern_writer writer = tern_writer_of(body, sizeof body);
  const struct tern_tls *tls = session->base.tls;
  tern_write_bytes(&writer, session->client_random, 32);
  write_blob(&writer, tls->alpn, tls->alpn_len);
  write_blob(&writer, session->name, session->name_len);
  write_blob(&writer, session->params, session->params_len);
  write_blob(&writer, session->ticket, session->ticket_len);
  tern_write_u8(&writer, session->wants_early);
  TERN_ASSERT(!writer.is_full); /* session_new checked the lengths */
  uint32_t least = tern_sim_options(session)->hello_bytes;
  say(session, TERN_LEVEL_INITIAL, MESSAGE_CLIENT_HELLO,
      tern_slice_of(body, tern_writer_len(&writer)),
      (least != 0 ? least : HELLO_BYTES_DEFAULT) - 4);
  if (session->wants_early)
    tern_sim_push_secret(session, TERN_LEVEL_EARLY, true);
  session->state = SIM_SERVER_HELLO;
}

static void say_extensions(struct sim_session *session)
{
  uint8_t body[BODY_MAX];
  struct tern_writer writer = tern_writer_of(body, sizeof body);
  write_blob(&writer, session->alpn, session->alpn_len);
  write_blob(&writer, session->params, session->params_len);
  tern_write_u8(&writer, session->takes_early);
  TERN_ASSERT(!writer.is_full);
  say(session, TERN_LEVEL_HANDSHAKE, MESSAGE_ENCRYPTED_EXTENSIONS,
      tern_slice_of(body, tern_writer_len(&writer)), 0);
}

static void say_finished(struct sim_session *session)
{
  uint8_t body[32];
  tern_sim_make_finished(session, session->base.is_server, body);
  if (tern_sim_options(session)->bad_finished)
    body[0] ^= 1;
  say(session, TERN_LEVEL_HANDSHAKE, MESSAGE_FINISHED, tern_slice_of(body, sizeof body), 0);
}

static struct tern_tls_summary summarise(const struct sim_session *session)
{
  return (struct tern_tls_summary){
      .alpn = tern_slice_of(session->alpn, session->alpn_len),
      .server_name = tern_slice_of(session->name, session->name_len),
      .cipher = tern_tls_suite_name(session->aead),
      .group = "sim",
      .is_peer_verified = !session->base.is_server,
      .is_resumed = session->is_resumed,
  };
}

static void accept_early(struct sim_session *session)
{
  struct tern_tls_summary summary = summarise(session);
  tern_sim_push_secret(session, TERN_LEVEL_EARLY, false);
  tern_tls_push_early_accepted(&session->base, &summary);
}

/* The server's whole flight. */
static void say_flight(struct sim_session *session)
{
  const struct tern_tls_sim_options *options = tern_sim_options(session);
  uint8_t hello[34];
  tern_slice none = tern_slice_of(NULL, 0);
  memcpy(hello, session->server_random, 32);
  hello[32] = (uint8_t)session->aead;
  hello[33] = session->is_resumed;
  say(session, TERN_LEVEL_INITIAL, MESSAGE_SERVER_HELLO, tern_slice_of(hello, sizeof hello),
      SERVER_HELLO_BYTES - 4);
  tern_sim_mix_randoms(session);
  tern_sim_push_secret(session, TERN_LEVEL_HANDSHAKE, true);
  say_extensions(session);
  if (!session->is_resumed) {
    say(session, TERN_LEVEL_HANDSHAKE, MESSAGE_CERTIFICATE, none,
        (options->cert_bytes != 0 ? options->cert_bytes : CERT_BYTES_DEFAULT) - 4);
    say(session, TERN_LEVEL_HANDSHAKE, MESSAGE_CERTIFICATE_VERIFY, none, CERT_VERIFY_BYTES - 4);
  }
  say_finished(session);
  tern_sim_make_app_secret(session);
  tern_sim_push_secret(session, TERN_LEVEL_APP, true); /* half-RTT data may go from here */
  if (session->takes_early)
    accept_early(session);
  tern_sim_push_secret(session, TERN_LEVEL_HANDSHAKE, false);
  session->state = SIM_CLIENT_FINISHED;
}

static void complete(struct sim_session *session)
{
  struct tern_tls_summary summary = summarise(session);
  session->state = SIM_DONE;
  tern_tls_push_complete(&session->base, &summary);
}

/* ---- messages in --------------------------------------------------------------------------- */

static bool read_blob(struct tern_reader *reader, tern_slice *out)
{
  uint16_t len;
  return tern_read_u16(reader, &len) && tern_read_slice(reader, len, out);
}

static void refuse(struct sim_session *session, uint8_t alert, const char *text)
{
  tern_tls_push_alert(&session->base, alert, text);
}

static bool keep_name(struct sim_session *session, tern_slice name)
{
  if (name.len == 0)
    return true;
  session->name = tern_alloc_take(session->base.alloc, name.len);
  if (session->name == NULL)
    return false;
  memcpy(session->name, name.data, name.len);
  session->name_len = name.len;
  return true;
}

/* What is sealed in a ticket: early context (32), AEAD (1), ALPN. */
static void resume(struct sim_session *session, tern_slice ticket, bool wants_early)
{
  struct tern_tickets *tickets = session->base.tls->tickets;
  uint8_t text[TICKET_BYTES];
  if (ticket.len < TERN_TICKET_OVERHEAD + 33 || ticket.len > sizeof text ||
      !tern_tickets_open(tickets, ticket, text) || text[32] != (uint8_t)session->aead)
    return;
  size_t alpn_len = ticket.len - TERN_TICKET_OVERHEAD - 33;
  tern_sim_make_psk(session, ticket);
  session->is_resumed = true;
  session->takes_early = wants_early && tern_sim_options(session)->early_data &&
                         memcmp(text, session->early_context, 32) == 0 &&
                         alpn_len == session->alpn_len &&
                         memcmp(text + 33, session->alpn, alpn_len) == 0 &&
                         tern_tickets_take_early(tickets, ticket, session->now);
}

/* Of which names it says what a real one would. */
static uint8_t read_hello(tern_slice message, struct tern_client_hello *hello)
{
  struct tern_reader reader = tern_reader_of(message.data, message.len);
  if (!tern_read_skip(&reader, TERN_TLS_MESSAGE_HEAD_BYTES + 32) ||
      !read_blob(&reader, &hello->alpn) || !read_blob(&reader, &hello->server_name) ||
      !read_blob(&reader, &hello->params))
    return TERN_ALERT_DECODE_ERROR;
  return 0;
}

static void on_client_hello(struct sim_session *session, tern_slice body)
{
  struct tern_reader reader = tern_reader_of(body.data, body.len);
  tern_slice alpn, name, params, ticket;
  uint8_t wants_early;
  if (!tern_read_bytes(&reader, session->client_random, 32) || !read_blob(&reader, &alpn) ||
      !read_blob(&reader, &name) || !read_blob(&reader, &params) || !read_blob(&reader, &ticket) ||
      !tern_read_u8(&reader, &wants_early)) {
    refuse(session, TERN_ALERT_DECODE_ERROR, "ClientHello");
    return;
  }
  if (params.len == 0) {
    refuse(session, TERN_ALERT_MISSING_EXTENSION, "no transport parameters");
    return;
  }
  tern_slice chosen = tern_tls_choose_alpn(session->base.tls, alpn);
  if (chosen.len == 0) { /* [rfc9001-8.1] */
    refuse(session, TERN_ALERT_NO_APPLICATION_PROTOCOL, "no protocol in common");
    return;
  }
  memcpy(session->alpn, chosen.data, chosen.len);
  session->alpn_len = chosen.len;
  if (!keep_name(session, name)) {
    tern_tls_push_error(&session->base, TERN_QUIC_INTERNAL_ERROR, "out of memory");
    return;
  }
  resume(session, ticket, wants_early != 0);
  tern_tls_push_params(&session->base, params);
  session->state = SIM_FLIGHT;
}

static void on_server_hello(struct sim_session *session, tern_slice body)
{
  if (body.len < 34) {
    refuse(session, TERN_ALERT_DECODE_ERROR, "ServerHello");
    return;
  }
  if (body.data[32] > TERN_AEAD_NULL) {
    refuse(session, TERN_ALERT_ILLEGAL_PARAMETER, "cipher suite");
    return;
  }
  memcpy(session->server_random, body.data, 32);
  session->aead = (enum tern_aead_id)body.data[32];
  if (body.data[33] != 0 && session->ticket == NULL) {
    refuse(session, TERN_ALERT_ILLEGAL_PARAMETER, "resumed without a ticket");
    return;
  }
  session->is_resumed = body.data[33] != 0;
  tern_sim_mix_randoms(session);
  tern_sim_push_secret(session, TERN_LEVEL_HANDSHAKE, true);
  tern_sim_push_secret(session, TERN_LEVEL_HANDSHAKE, false);
  session->state = SIM_EXTENSIONS;
}

static void on_extensions(struct sim_session *session, tern_slice body)
{
  struct tern_reader reader = tern_reader_of(body.data, body.len);
  tern_slice alpn, params;
  uint8_t takes_early;
  if (!read_blob(&reader, &alpn) || !read_blob(&reader, &params) ||
      !tern_read_u8(&reader, &takes_early) || alpn.len > 255) {
    refuse(session, TERN_ALERT_DECODE_ERROR, "EncryptedExtensions");
    return;
  }
  if (params.len == 0) {
    refuse(session, TERN_ALERT_MISSING_EXTENSION, "no transport parameters");
    return;
  }
  if (alpn.len == 0) { /* [rfc9001-8.1] */
    refuse(session, TERN_ALERT_NO_APPLICATION_PROTOCOL, "no protocol chosen");
    return;
  }
  memcpy(session->alpn, alpn.data, alpn.len);
  session->alpn_len = alpn.len;
  if (session->wants_early && takes_early == 0)
    tern_tls_push_early_rejected(&session->base);
  tern_tls_push_params(&session->base, params);
  session->state = session->is_resumed ? SIM_SERVER_FINISHED : SIM_CERTIFICATE;
}

static void on_certificate(struct sim_session *session)
{
  if (tern_sim_options(session)->bad_certificate) {
    refuse(session, TERN_ALERT_BAD_CERTIFICATE, "certificate refused, as asked");
    return;
  }
  session->state = SIM_CERTIFICATE_VERIFY;
}

/* `expected` was computed before the message entered the transcript. */
static bool is_finished_right(struct sim_session *session, tern_slice body,
                              const uint8_t expected[32])
{
  if (body.len == 32 && memcmp(body.data, expected, 32) == 0)
    return true;
  refuse(session, TERN_ALERT_DECRYPT_ERROR, "Finished");
  return false;
}

static void on_server_finished(struct sim_session *session, tern_slice body,
                               const uint8_t expected[32])
{
  if (!is_finished_right(session, body, expected))
    return;
  tern_sim_make_app_secret(session);
  say_finished(session);
  tern_sim_push_secret(session, TERN_LEVEL_APP, true);
  tern_sim_push_secret(session, TERN_LEVEL_APP, false);
  complete(session);
}

/* NewSessionTicket: AEAD (1), may bring early data (1), the ticket, filler. */
static void say_ticket(struct sim_session *session)
{
  const struct sim_tls *tls = (const struct sim_tls *)session->base.tls;
  const struct tern_ticket_context context = {&session->random, session->now};
  uint8_t text[33 + 256], sealed[sizeof text + TERN_TICKET_OVERHEAD];
  uint8_t body[sizeof sealed + 4];
  struct tern_writer writer = tern_writer_of(body, sizeof body);
  size_t len = 33 + session->alpn_len;
  memcpy(text, session->early_context, 32);
  text[32] = (uint8_t)session->aead;
  memcpy(text + 33, session->alpn, session->alpn_len);
  if (!tern_tickets_seal(tls->base.tickets, &context, tern_slice_of(text, len), sealed))
    return;
  tern_write_u8(&writer, (uint8_t)session->aead);
  tern_write_u8(&writer, tern_sim_options(session)->early_data);
  write_blob(&writer, sealed, len + TERN_TICKET_OVERHEAD);
  say(session, TERN_LEVEL_APP, MESSAGE_NEW_SESSION_TICKET,
      tern_slice_of(body, tern_writer_len(&writer)), TICKET_BYTES - 4);
}

static void on_ticket(struct sim_session *session, tern_slice body)
{
  struct tern_reader reader = tern_reader_of(body.data, body.len);
  uint8_t aead, may_early;
  tern_slice ticket;
  if (session->base.is_server)
    refuse(session, TERN_ALERT_UNEXPECTED_MESSAGE, "message after the end");
  else if (!tern_read_u8(&reader, &aead) || !tern_read_u8(&reader, &may_early) ||
           !read_blob(&reader, &ticket))
    refuse(session, TERN_ALERT_DECODE_ERROR, "NewSessionTicket");
  else
    tern_tls_push_ticket(&session->base, tern_slice_of(body.data, 4 + ticket.len));
}

static void on_client_finished(struct sim_session *session, tern_slice body,
                               const uint8_t expected[32])
{
  if (!is_finished_right(session, body, expected))
    return;
  tern_sim_push_secret(session, TERN_LEVEL_APP, false);
  for (uint32_t i = 0; i < tern_sim_options(session)->tickets; i++)
    say_ticket(session);
  complete(session);
}

/* What each state waits for, at which level. */
static const struct expected {
  enum message_type type;
  enum tern_level level;
} expectations[] = {
    [SIM_CLIENT_START] = {MESSAGE_SERVER_HELLO, TERN_LEVEL_INITIAL},
    [SIM_CLIENT_HELLO] = {MESSAGE_CLIENT_HELLO, TERN_LEVEL_INITIAL},
    [SIM_FLIGHT] = {MESSAGE_FINISHED, TERN_LEVEL_INITIAL},
    [SIM_CLIENT_FINISHED] = {MESSAGE_FINISHED, TERN_LEVEL_HANDSHAKE},
    [SIM_SERVER_HELLO] = {MESSAGE_SERVER_HELLO, TERN_LEVEL_INITIAL},
    [SIM_EXTENSIONS] = {MESSAGE_ENCRYPTED_EXTENSIONS, TERN_LEVEL_HANDSHAKE},
    [SIM_CERTIFICATE] = {MESSAGE_CERTIFICATE, TERN_LEVEL_HANDSHAKE},
    [SIM_CERTIFICATE_VERIFY] = {MESSAGE_CERTIFICATE_VERIFY, TERN_LEVEL_HANDSHAKE},
    [SIM_SERVER_FINISHED] = {MESSAGE_FINISHED, TERN_LEVEL_HANDSHAKE},
    [SIM_DONE] = {MESSAGE_NEW_SESSION_TICKET, TERN_LEVEL_APP},
};

static void on_message(struct sim_session *session, tern_slice message)
{
  tern_slice body = tern_slice_of(message.data + 4, message.len - 4);
  uint8_t finished[32];
  if (message.data[0] != expectations[session->state].type) {
    refuse(session, TERN_ALERT_UNEXPECTED_MESSAGE, "message out of order");
    return;
  }
  tern_sim_make_finished(session, !session->base.is_server, finished);
  tern_sim_add_to_transcript(session, message);
  switch (session->state) {
  case SIM_CLIENT_HELLO:
    on_client_hello(session, body);
    break;
  case SIM_SERVER_HELLO:
    on_server_hello(session, body);
    break;
  case SIM_EXTENSIONS:
    on_extensions(session, body);
    break;
  case SIM_CERTIFICATE:
    on_certificate(session);
    break;
  case SIM_CERTIFICATE_VERIFY:
    session->state = SIM_SERVER_FINISHED;
    break;
  case SIM_SERVER_FINISHED:
    on_server_finished(session, body, finished);
    break;
  case SIM_CLIENT_FINISHED:
    on_client_finished(session, body, finished);
    break;
  case SIM_DONE:
    on_ticket(session, body);
    break;
  case SIM_CLIENT_START:
  case SIM_FLIGHT:
    refuse(session, TERN_ALERT_UNEXPECTED_MESSAGE, "message too early");
    break;
  }
}

static bool keep_input(struct sim_session *session, tern_slice crypto)
{
  size_t need = session->in_len + crypto.len;
  if (need > session->in_capacity) {
    size_t capacity = need < 2048 ? 2048 : need * 2;
    uint8_t *in = session->in == NULL ? tern_alloc_take(session->base.alloc, capacity)
                                      : tern_alloc_resize(session->base.alloc, session->in,
                                                          session->in_capacity, capacity);
    if (in == NULL) {
      tern_tls_push_error(&session->base, TERN_QUIC_INTERNAL_ERROR, "out of memory");
      return false;
    }
    session->in = in;
    session->in_capacity = capacity;
  }
  if (crypto.len != 0)
    memcpy(session->in + session->in_len, crypto.data, crypto.len);
  session->in_len = need;
  return true;
}

/* Handles the messages that are complete; what is left over waits at the front. */
static void take_messages(struct sim_session *session, enum tern_level level)
{
  size_t at = 0;
  while (!session->base.is_failed && session->in_len - at >= 4) {
    const uint8_t *head = session->in + at;
    size_t len = 4 + ((size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
    if (len > MESSAGE_MAX) {
      tern_tls_push_error(&session->base, TERN_QUIC_CRYPTO_BUFFER_EXCEEDED, "message too long");
      return;
    }
    if (session->in_len - at < len)
      break;
    if (expectations[session->state].level != level) {
      refuse(session, TERN_ALERT_UNEXPECTED_MESSAGE, "message across a change of keys");
      return;
    }
    on_message(session, tern_slice_of(head, len));
    at += len;
  }
  if (at != 0)
    memmove(session->in, session->in + at, session->in_len - at);
  session->in_len -= at;
  /* [rfc8446-5.1] MUST NOT span key changes. */
  if (session->in_len != 0 && expectations[session->state].level != level)
    refuse(session, TERN_ALERT_UNEXPECTED_MESSAGE, "message across a change of keys");
}

static enum tern_tls_result feed(struct tern_tls_session *base, enum tern_level level,
                                 tern_slice crypto)
{
  struct sim_session *session = (struct sim_session *)base;
  if (session->state == SIM_CLIENT_START)
    say_client_hello(session);
  if (crypto.len != 0) {
    if (expectations[session->state].level != level) { /* [rfc9001-4.1.3] */
      tern_tls_push_error(base, TERN_QUIC_PROTOCOL_VIOLATION, "data of a level not being read");
      return TERN_TLS_FAILED;
    }
    if (keep_input(session, crypto))
      take_messages(session, level);
  }
  if (session->state == SIM_FLIGHT && !base->is_failed) {
    if (session->pending_left != 0) {
      session->pending_left--;
      return TERN_TLS_PENDING;
    }
    say_flight(session);
  }
  return base->is_failed ? TERN_TLS_FAILED : TERN_TLS_PROGRESS;
}

/* ---- objects ------------------------------------------------------------------------------- */

static void free_session(struct tern_tls_session *base)
{
  struct sim_session *session = (struct sim_session *)base;
  struct tern_alloc *alloc = base->alloc;
  tern_alloc_give(alloc, session->params, session->params_len);
  tern_alloc_give(alloc, session->name, session->name_len);
  tern_alloc_give(alloc, session->ticket, session->ticket_len);
  tern_alloc_give(alloc, session->in, session->in_capacity);
  tern_tls_session_deinit(base);
  tern_wipe(session, sizeof *session);
  tern_alloc_give(alloc, session, sizeof *session);
}

/* As on_ticket made it: AEAD, may bring early data, the ticket. One that is not so is ignored. */
static tern_status take_ticket(struct sim_session *session,
                               const struct tern_tls_session_args *args)
{
  struct tern_reader reader = tern_reader_of(args->ticket.data, args->ticket.len);
  uint8_t aead, may_early;
  tern_slice ticket;
  if (!tern_read_u8(&reader, &aead) || !tern_read_u8(&reader, &may_early) ||
      !read_blob(&reader, &ticket) || ticket.len == 0 || ticket.len > TICKET_BYTES ||
      aead > TERN_AEAD_NULL)
    return TERN_OK;
  session->ticket = tern_alloc_take(args->alloc, ticket.len);
  if (session->ticket == NULL)
    return TERN_NOMEM;
  memcpy(session->ticket, ticket.data, ticket.len);
  session->ticket_len = ticket.len;
  session->aead = (enum tern_aead_id)aead;
  session->wants_early = args->wants_early && may_early != 0;
  tern_sim_make_psk(session, ticket);
  return TERN_OK;
}

static tern_status fill_session(struct sim_session *session,
                                const struct tern_tls_session_args *args)
{
  const struct tern_tls_sim_options *options = tern_sim_options(session);
  tern_slice name =
      tern_slice_of(args->server_name, args->server_name != NULL ? strlen(args->server_name) : 0);
  uint8_t *random = args->is_server ? session->server_random : session->client_random;
  if (args->params.len == 0 || args->params.len > BODY_MAX / 2 || name.len > 255 ||
      args->random == NULL)
    return TERN_INVALID;
  args->random->fill(args->random->arg, random, 32);
  session->state = args->is_server ? SIM_CLIENT_HELLO : SIM_CLIENT_START;
  session->aead = options->aead;
  session->pending_left = options->pending_steps;
  session->params = tern_alloc_take(args->alloc, args->params.len);
  if (session->params == NULL)
    return TERN_NOMEM;
  memcpy(session->params, args->params.data, args->params.len);
  session->params_len = args->params.len;
  session->now = args->now;
  session->random = *args->random;
  tern_sim_hmac(session->base.tls->early_context, args->early_context, session->early_context);
  if (!args->is_server && args->ticket.len != 0 && take_ticket(session, args) != TERN_OK)
    return TERN_NOMEM;
  return args->is_server || keep_name(session, name) ? TERN_OK : TERN_NOMEM;
}

static tern_status new_session(struct tern_tls *tls, const struct tern_tls_session_args *args,
                               struct tern_tls_session **out)
{
  struct sim_session *session = tern_alloc_take_zero(args->alloc, sizeof *session);
  if (session == NULL)
    return TERN_NOMEM;
  tern_tls_session_init(&session->base, tls, args);
  tern_status status = fill_session(session, args);
  if (status != TERN_OK) {
    free_session(&session->base);
    return status;
  }
  *out = &session->base;
  return TERN_OK;
}

static void release_session(struct tern_tls_session *base)
{
  struct sim_session *session = (struct sim_session *)base;
  tern_alloc_give(base->alloc, session->in, session->in_capacity);
  session->in = NULL;
  session->in_len = session->in_capacity = 0;
}

static void free_tls(struct tern_tls *base)
{
  struct sim_tls *tls = (struct sim_tls *)base;
  tern_alloc_ops alloc = tls->alloc;
  tern_tls_deinit(base);
  alloc.give(alloc.arg, tls, sizeof *tls);
}

static const struct tern_tls_ops sim_ops = {
    .free = free_tls,
    .session_new = new_session,
    .session_free = free_session,
    .feed = feed,
    .release = release_session,
    .read_hello = read_hello,
};

tern_tls *tern_tls_sim_new(const tern_alloc_ops *alloc, const struct tern_tls_sim_options *options)
{
  static const char *const alpn_default[] = {"tern-sim"};
  tern_tls_config config = {.alpn = alpn_default, .alpn_count = 1};
  struct sim_tls *tls = alloc->take(alloc->arg, sizeof *tls);
  if (tls == NULL)
    return NULL;
  memset(tls, 0, sizeof *tls);
  tls->alloc = *alloc;
  if (options != NULL)
    tls->options = *options;
  TERN_ASSERT(tls->options.tickets <= TICKETS_MAX);
  TERN_ASSERT(tls->options.hello_bytes == 0 || tls->options.hello_bytes >= 4);
  TERN_ASSERT(tls->options.cert_bytes == 0 || tls->options.cert_bytes >= 4);
  if (tls->options.alpn != NULL) {
    config.alpn = tls->options.alpn;
    config.alpn_count = tls->options.alpn_count;
  }
  config.tickets = tls->options.tickets_keys;
  config.early_data = tls->options.early_data;
  tern_status status = tern_tls_init(&tls->base, &sim_ops, &config, NULL, 0);
  TERN_ASSERT(status != TERN_INVALID); /* a test's list of names */
  if (status != TERN_OK) {
    free_tls(&tls->base);
    return NULL;
  }
  tls->base.serves_both = true;
  tls->options.alpn = NULL;
  return &tls->base;
}
