/* SPDX-License-Identifier: MIT */
/* [rfc8446-4.1.2]
 *
 *   01 | length (3) | version (2) | random (32) | session id <0..32> | cipher suites <2..2^16-2>
 *      | compression <1..255> | extensions <8..2^16-1>: type (2) | length (2) | body
 *
 * Every vector lies within the one around it, and each of the latter is used up. */
#include "tls/client_hello.h"

#include <string.h>

#include "base/cursor.h"
#include "tls/tls.h"

#define MESSAGE_CLIENT_HELLO 1
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN 16
#define EXTENSION_PARAMS 0x39
#define NAME_TYPE_HOST 0
#define RANDOM_BYTES 32
#define SESSION_ID_MAX 32

size_t tern_client_hello_size(const uint8_t head[TERN_TLS_MESSAGE_HEAD_BYTES])
{
  if (head[0] != MESSAGE_CLIENT_HELLO)
    return 0;
  return TERN_TLS_MESSAGE_HEAD_BYTES +
         ((size_t)head[1] << 16 | (size_t)head[2] << 8 | (size_t)head[3]);
}

static bool read_vector8(struct tern_reader *reader, tern_slice *out)
{
  uint8_t len;
  return tern_read_u8(reader, &len) && tern_read_slice(reader, len, out);
}

static bool read_vector16(struct tern_reader *reader, tern_slice *out)
{
  uint16_t len;
  return tern_read_u16(reader, &len) && tern_read_slice(reader, len, out);
}

/* Opens a vector that has to fill the rest of `body`. */
static bool open_vector16(tern_slice body, struct tern_reader *out)
{
  struct tern_reader reader = tern_reader_of(body.data, body.len);
  tern_slice inside;
  if (!read_vector16(&reader, &inside) || inside.len == 0 || tern_reader_left(&reader) != 0)
    return false;
  *out = tern_reader_of(inside.data, inside.len);
  return true;
}

/* [rfc6066-3] no two names of one type; what other types look like is not known. */
static uint8_t read_server_name(tern_slice body, struct tern_client_hello *hello)
{
  struct tern_reader reader;
  uint8_t type;
  tern_slice name;
  if (!open_vector16(body, &reader))
    return TERN_ALERT_DECODE_ERROR;
  while (tern_reader_left(&reader) != 0) {
    if (!tern_read_u8(&reader, &type) || !read_vector16(&reader, &name) || name.len == 0)
      return TERN_ALERT_DECODE_ERROR;
    if (type != NAME_TYPE_HOST)
      continue;
    if (hello->server_name.len != 0)
      return TERN_ALERT_ILLEGAL_PARAMETER;
    hello->server_name = name;
  }
  return 0;
}

/* [rfc7301-3.1] empty names MUST NOT be there. */
static uint8_t read_alpn(tern_slice body, struct tern_client_hello *hello)
{
  struct tern_reader reader;
  tern_slice name;
  if (!open_vector16(body, &reader))
    return TERN_ALERT_DECODE_ERROR;
  hello->alpn = tern_slice_of(reader.at, tern_reader_left(&reader));
  while (tern_reader_left(&reader) != 0) {
    if (!read_vector8(&reader, &name) || name.len == 0)
      return TERN_ALERT_DECODE_ERROR;
  }
  return 0;
}

static uint8_t read_extension(uint16_t type, tern_slice body, struct tern_client_hello *hello)
{
  if (type == EXTENSION_SERVER_NAME)
    return read_server_name(body, hello);
  if (type == EXTENSION_ALPN)
    return read_alpn(body, hello);
  if (type == EXTENSION_PARAMS) /* what is in them is read elsewhere */
    hello->params = body;
  return 0;
}

/* [rfc8446-4.2] there MUST NOT be two extensions of one type. */
static uint8_t read_extensions(struct tern_reader *reader, struct tern_client_hello *hello)
{
  uint64_t seen = 0, ours = UINT64_C(1) << EXTENSION_SERVER_NAME | UINT64_C(1) << EXTENSION_ALPN |
                            UINT64_C(1) << EXTENSION_PARAMS;
  uint8_t alert = 0;
  while (alert == 0 && tern_reader_left(reader) != 0) {
    uint16_t type;
    tern_slice body;
    if (!tern_read_u16(reader, &type) || !read_vector16(reader, &body))
      return TERN_ALERT_DECODE_ERROR;
    uint64_t bit = type < 64 ? UINT64_C(1) << type & ours : 0;
    if ((seen & bit) != 0)
      return TERN_ALERT_ILLEGAL_PARAMETER;
    seen |= bit;
    alert = read_extension(type, body, hello);
  }
  return alert;
}

uint8_t tern_client_hello_read(tern_slice message, struct tern_client_hello *hello)
{
  struct tern_reader reader = tern_reader_of(message.data, message.len);
  tern_slice session_id, suites, compression, extensions;

  memset(hello, 0, sizeof *hello);
  if (message.len < TERN_TLS_MESSAGE_HEAD_BYTES)
    return TERN_ALERT_DECODE_ERROR;
  size_t size = tern_client_hello_size(message.data);
  if (size == 0)
    return TERN_ALERT_UNEXPECTED_MESSAGE;
  if (size != message.len ||
      !tern_read_skip(&reader, TERN_TLS_MESSAGE_HEAD_BYTES + 2 + RANDOM_BYTES) ||
      !read_vector8(&reader, &session_id) || session_id.len > SESSION_ID_MAX ||
      !read_vector16(&reader, &suites) || suites.len < 2 || suites.len % 2 != 0 ||
      !read_vector8(&reader, &compression) || compression.len == 0 ||
      !read_vector16(&reader, &extensions) || tern_reader_left(&reader) != 0)
    return TERN_ALERT_DECODE_ERROR;
  reader = tern_reader_of(extensions.data, extensions.len);
  return read_extensions(&reader, hello);
}
