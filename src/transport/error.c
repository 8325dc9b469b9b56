/* SPDX-License-Identifier: MIT */
/* A tern_error as one sentence: who closed, with what, where it was seen, in whose words. */
#include <stdio.h>

#include <tern/transport.h>

static const char *const space_names[3] = {"Initial", "Handshake", "1-RTT"};

static int format_code(const tern_error *error, const char *who, char *text, size_t size)
{
  const char *name = tern_transport_error_name(error->code);
  const char *space = error->space < 3 ? space_names[error->space] : "?";
  int len = name != NULL
                ? snprintf(text, size, "%s closed the connection with %s", who, name)
                : snprintf(text, size, "%s closed the connection with transport error 0x%llx", who,
                           (unsigned long long)error->code);
  if (error->frame_type != 0 && len >= 0 && (size_t)len < size)
    len += snprintf(text + len, size - (size_t)len, " over frame 0x%llx in a %s packet",
                    (unsigned long long)error->frame_type, space);
  return len;
}

static int format_start(const tern_error *error, char *text, size_t size)
{
  const char *who = error->by_peer ? "the peer" : "this side";
  switch (error->kind) {
  case TERN_ERROR_NONE:
    return snprintf(text, size, "no error");
  case TERN_ERROR_TRANSPORT:
    return format_code(error, who, text, size);
  case TERN_ERROR_APPLICATION:
    return snprintf(text, size, "%s closed the connection with application code 0x%llx", who,
                    (unsigned long long)error->code);
  case TERN_ERROR_TLS:
    return snprintf(text, size, "the TLS handshake failed: %s sent alert %u", who,
                    (unsigned)error->tls_alert);
  case TERN_ERROR_IDLE:
    return snprintf(text, size, "nothing was heard from the peer for the whole idle timeout");
  case TERN_ERROR_HANDSHAKE_TIMEOUT:
    return snprintf(text, size, "the handshake did not complete in time");
  case TERN_ERROR_STATELESS_RESET:
    return snprintf(text, size, "the peer has lost this connection's state (stateless reset)");
  case TERN_ERROR_VERSION:
    return snprintf(text, size, "the peer speaks no QUIC version that this side offers");
  case TERN_ERROR_REFUSED:
    return snprintf(text, size, "%s refused the connection", who);
  case TERN_ERROR_LOCAL:
    return snprintf(text, size, "this side gave up for a local reason, such as memory");
  }
  return 0;
}

char *tern_error_format(const tern_error *error, char *text, size_t size)
{
  if (size == 0)
    return text;
  text[0] = '\0';
  int len = format_start(error, text, size);
  if (error->reason[0] != '\0' && len >= 0 && (size_t)len < size)
    snprintf(text + len, size - (size_t)len, " (%s)", error->reason);
  return text;
}
