/* SPDX-License-Identifier: MIT */
/* Names of packet types and error codes. */
#include "wire/quic.h"

#include <tern/transport.h>

const char *tern_packet_type_name(enum tern_packet_type type)
{
  switch (type) {
  case TERN_PACKET_INITIAL:
    return "Initial";
  case TERN_PACKET_EARLY:
    return "0-RTT";
  case TERN_PACKET_HANDSHAKE:
    return "Handshake";
  case TERN_PACKET_RETRY:
    return "Retry";
  case TERN_PACKET_APP:
    return "1-RTT";
  case TERN_PACKET_VERSION_NEGOTIATION:
    return "Version Negotiation";
  }
  return "unknown";
}

enum tern_space_id tern_space_of(enum tern_packet_type type)
{
  switch (type) {
  case TERN_PACKET_INITIAL:
    return TERN_SPACE_INITIAL;
  case TERN_PACKET_HANDSHAKE:
    return TERN_SPACE_HANDSHAKE;
  case TERN_PACKET_EARLY:
  case TERN_PACKET_APP:
    return TERN_SPACE_APP;
  case TERN_PACKET_RETRY:
  case TERN_PACKET_VERSION_NEGOTIATION:
    break;
  }
  TERN_ASSERT(false); /* these two have no packet number */
  return TERN_SPACE_APP;
}

const char *tern_transport_error_name(uint64_t code)
{
  /* [rfc9000-20.1], indexed by code; the last from [rfc9368-8.2]. */
  static const char *const names[] = {
      "NO_ERROR",
      "INTERNAL_ERROR",
      "CONNECTION_REFUSED",
      "FLOW_CONTROL_ERROR",
      "STREAM_LIMIT_ERROR",
      "STREAM_STATE_ERROR",
      "FINAL_SIZE_ERROR",
      "FRAME_ENCODING_ERROR",
      "TRANSPORT_PARAMETER_ERROR",
      "CONNECTION_ID_LIMIT_ERROR",
      "PROTOCOL_VIOLATION",
      "INVALID_TOKEN",
      "APPLICATION_ERROR",
      "CRYPTO_BUFFER_EXCEEDED",
      "KEY_UPDATE_ERROR",
      "AEAD_LIMIT_REACHED",
      "NO_VIABLE_PATH",
      "VERSION_NEGOTIATION_ERROR",
  };
  if (code < sizeof(names) / sizeof(names[0]))
    return names[code];
  if (code >= TERN_QUIC_CRYPTO_BASE && code <= 0x1ff)
    return "CRYPTO_ERROR";
  return NULL;
}
