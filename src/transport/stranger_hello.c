/* SPDX-License-Identifier: MIT */
/* The second look at a client, when its whole ClientHello is here: which protocol, which name, which
 * version? Nothing of TLS exists before it, so who asks for what we do not have costs some bytes of CRYPTO. */
#include "transport/conn.h"
#include "transport/endpoint.h"

/* A hook's answer. False: the connection is over. */
static bool apply(tern_conn *conn, const tern_applicant *applicant, tern_verdict verdict)
{
  switch (verdict) {
  case TERN_VERDICT_ADMIT:
  case TERN_VERDICT_RETRY: /* too late for one: we may have acknowledged packets [rfc9000-17.2.5.2] */
    return true;
  case TERN_VERDICT_CLOSE:
    tern_conn_fail(conn, applicant->code, 0, "refused");
    return false;
  case TERN_VERDICT_DROP:
    conn->stats.packets_dropped++;
    tern_event_drop_packet(&conn->endpoint->events, conn->id, TERN_SPACE_INITIAL, 0,
                           TERN_DROP_REFUSED);
    tern_conn_on_timeout_end(conn, TERN_ERROR_REFUSED);
    return false;
  }
  return true;
}

static bool judge(tern_conn *conn, tern_slice server_name, tern_slice alpn)
{
  tern_endpoint *endpoint = conn->endpoint;
  const tern_admission_ops *ops = &endpoint->config.admission;
  const struct tern_route *route = tern_conn_route(conn);
  tern_applicant applicant = {.local = route->local,
                              .remote = route->remote,
                              .version = conn->version,
                              .is_validated = conn->is_validated,
                              .has_token = conn->is_validated,
                              .half_open = endpoint->stats.conns_half_open,
                              .half_open_bytes = endpoint->half_open_bytes,
                              .conns = endpoint->stats.conns_now,
                              .server_name = server_name,
                              .alpn = alpn,
                              .builtin = TERN_VERDICT_ADMIT,
                              .code = TERN_QUIC_CONNECTION_REFUSED};

  if (ops->judge_hello == NULL)
    return true;
  bool before = tern_endpoint_enter_hook(endpoint);
  tern_verdict verdict = ops->judge_hello(ops->arg, &applicant);
  tern_endpoint_leave_hook(endpoint, before);
  return apply(conn, &applicant, verdict);
}

/* [rfc9001-8.1] without a protocol in common the handshake fails, whatever else is in the hello. */
static bool look(tern_conn *conn, tern_slice message)
{
  struct tern_client_hello hello;
  uint8_t alert = tern_tls_read_hello(conn->endpoint->server_tls, message, &hello);

  if (alert != 0) {
    tern_conn_fail_tls(conn, alert, "ClientHello");
    return false;
  }
  tern_slice alpn = tern_tls_choose_alpn(conn->endpoint->server_tls, hello.alpn);
  if (alpn.len == 0) {
    tern_conn_fail_tls(conn, TERN_ALERT_NO_APPLICATION_PROTOCOL, "no protocol in common");
    return false;
  }
  return judge(conn, hello.server_name, alpn) && tern_conn_upgrade_version(conn, hello.params);
}

bool tern_conn_may_start_tls(tern_conn *conn, const struct tern_pn_space *space)
{
  uint8_t bytes[TERN_CAP_CLIENT_HELLO];

  if (conn->endpoint->server_tls == NULL) { /* taken away meanwhile */
    tern_conn_fail(conn, TERN_QUIC_CONNECTION_REFUSED, 0, "no connections any more");
    return false;
  }
  if (tern_stream_recv_readable(&space->crypto->recv) < TERN_TLS_MESSAGE_HEAD_BYTES)
    return false;
  (void)tern_stream_recv_copy(&space->crypto->recv, bytes, TERN_TLS_MESSAGE_HEAD_BYTES);
  size_t size = tern_client_hello_size(bytes);
  if (size == 0) {
    tern_conn_fail_tls(conn, TERN_ALERT_UNEXPECTED_MESSAGE, "no ClientHello");
    return false;
  }
  if (size > sizeof bytes) /* not for us to hold: TLS reads it, and nobody is shown its names */
    return judge(conn, tern_slice_of(NULL, 0), tern_slice_of(NULL, 0));
  if (tern_stream_recv_readable(&space->crypto->recv) < size)
    return false;
  return look(conn, tern_slice_of(bytes, tern_stream_recv_copy(&space->crypto->recv, bytes, size)));
}
