/* SPDX-License-Identifier: MIT */
/* One pass over the fields sorts them into control data, the few that matter for framing, and the
 * rest; then the rules of the kind of message are applied to what was found. */
#include "h3/h3_message.h"

#include <string.h>

/* Which characters a byte belongs to. */
#define NAME 0x01      /* token in lower case [rfc9110-5.6.2] [rfc9114-4.2] */
#define METHOD 0x02    /* token */
#define AUTHORITY 0x04 /* reg-name, IP literal and port, without userinfo [rfc3986-3.2] */
#define PATH 0x08      /* path and query; also bytes above ASCII, which servers see in practice */
#define SCHEME 0x20    /* [rfc3986-3.1] */

/* clang-format off */
static const uint8_t classes[256] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x10, 0x1f, 0x18, 0x13, 0x1f, 0x1f, 0x1f, 0x1f, 0x1c, 0x1c, 0x1f, 0x3f, 0x1c, 0x3f, 0x3f, 0x18,
    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x1c, 0x1c, 0x18, 0x1c, 0x18, 0x18,
    0x18, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e,
    0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x1c, 0x18, 0x1c, 0x1b, 0x1f,
    0x1b, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x18, 0x1b, 0x18, 0x1f, 0x00,
    0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18,
    0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18,
    0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18,
    0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18,
    0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18,
    0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18,
    0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18,
    0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18,
};
/* clang-format on */

/* Without an early exit, so that the compiler can take many bytes at a time. */
static bool consists_of(tern_slice text, unsigned set)
{
  unsigned common = set;
  for (size_t i = 0; i < text.len; i++)
    common &= classes[text.data[i]];
  return common != 0;
}

static bool is_alpha(uint8_t byte)
{
  return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

static bool is_digit(uint8_t byte)
{
  return byte >= '0' && byte <= '9';
}

static bool is_name(tern_slice name)
{
  return name.len > 0 && consists_of(name, NAME);
}

static bool is_space(uint8_t byte)
{
  return byte == ' ' || byte == '\t';
}

/* [rfc9110-5.5] no control characters; white space around a value is not part of it */
static bool is_value(tern_slice value)
{
  if (value.len == 0)
    return true;
  if (is_space(value.data[0]) || is_space(value.data[value.len - 1]))
    return false;
  unsigned bad = 0;
  for (size_t i = 0; i < value.len; i++) {
    uint8_t byte = value.data[i];
    bad |= (unsigned)(byte < 0x20) & (unsigned)(byte != '\t');
    bad |= (unsigned)(byte == 0x7f);
  }
  return bad == 0;
}

static bool is_text(tern_slice slice, const char *text)
{
  size_t len = strlen(text);
  return slice.len == len && memcmp(slice.data, text, len) == 0;
}

static bool is_same_host(tern_slice a, tern_slice b)
{
  if (a.len != b.len)
    return false;
  for (size_t i = 0; i < a.len; i++) {
    uint8_t x = a.data[i];
    uint8_t y = b.data[i];
    if (x != y && !(is_alpha(x) && (x ^ y) == 0x20))
      return false;
  }
  return true;
}

/* What one pass finds. A slice with data NULL was not there. */
struct found {
  tern_slice method, scheme, authority, path, status, protocol;
  tern_slice host;
  uint64_t content_length;
  bool has_te;
};

static tern_slice *find_slot(struct found *found, tern_slice name)
{
  switch (name.len) {
  case 5:
    return is_text(name, ":path") ? &found->path : NULL;
  case 7:
    if (is_text(name, ":method"))
      return &found->method;
    if (is_text(name, ":scheme"))
      return &found->scheme;
    return is_text(name, ":status") ? &found->status : NULL;
  case 9:
    return is_text(name, ":protocol") ? &found->protocol : NULL;
  case 10:
    return is_text(name, ":authority") ? &found->authority : NULL;
  default:
    return NULL;
  }
}

static const char *find_pseudo(struct found *found, const tern_field *field)
{
  static const uint8_t empty[1];
  tern_slice *slot = find_slot(found, field->name);

  if (slot == NULL)
    return "undefined pseudo-header field";
  if (slot->data != NULL)
    return "a pseudo-header field occurs twice";
  *slot = tern_slice_of(field->value.len == 0 ? empty : field->value.data, field->value.len);
  return NULL;
}

/* [rfc9110-8.6] digits only, once; a list or a sign is how messages are smuggled */
static const char *find_length(struct found *found, tern_slice value)
{
  if (found->content_length != TERN_H3_LENGTH_NONE)
    return "content-length occurs twice";
  if (value.len == 0 || value.len > 18)
    return "content-length is not a number";
  uint64_t length = 0;
  for (size_t i = 0; i < value.len; i++) {
    if (!is_digit(value.data[i]))
      return "content-length is not a number";
    length = length * 10 + (uint64_t)(value.data[i] - '0');
  }
  found->content_length = length;
  return NULL;
}

/* [rfc9114-4.2] fields of the HTTP/1.1 connection */
static bool is_connection_specific(tern_slice name)
{
  switch (name.len) {
  case 7:
    return is_text(name, "upgrade");
  case 10:
    return is_text(name, "connection") || is_text(name, "keep-alive");
  case 16:
    return is_text(name, "proxy-connection");
  case 17:
    return is_text(name, "transfer-encoding");
  default:
    return false;
  }
}

static const char *find_regular(struct found *found, const tern_field *field)
{
  if (!is_name(field->name))
    return "invalid character in a field name"; /* [rfc9114-4.2] upper case, too */
  if (!is_value(field->value))
    return "invalid character in a field value";
  if (is_connection_specific(field->name))
    return "connection-specific field";
  if (is_text(field->name, "content-length"))
    return find_length(found, field->value);
  if (is_text(field->name, "te")) {
    found->has_te = true;
    return is_text(field->value, "trailers") ? NULL : "te other than trailers";
  }
  if (is_text(field->name, "host")) {
    static const uint8_t empty[1];
    if (found->host.data != NULL)
      return "host occurs twice";
    found->host =
        tern_slice_of(field->value.len == 0 ? empty : field->value.data, field->value.len);
  }
  return NULL;
}

static const char *find_all(struct found *found, const tern_field *fields, size_t count)
{
  bool is_past_control = false;
  *found = (struct found){.content_length = TERN_H3_LENGTH_NONE};
  for (size_t i = 0; i < count; i++) {
    const char *why;
    if (fields[i].name.len > 0 && fields[i].name.data[0] == ':') {
      if (is_past_control) /* [rfc9114-4.3] */
        return "pseudo-header field after a field";
      why = find_pseudo(found, &fields[i]);
    } else {
      is_past_control = true;
      why = find_regular(found, &fields[i]);
    }
    if (why != NULL)
      return why;
  }
  return NULL;
}

uint64_t tern_h3_fields_size(const tern_field *fields, size_t count)
{
  uint64_t size = 0;
  for (size_t i = 0; i < count; i++)
    size += fields[i].name.len + fields[i].value.len + 32;
  return size;
}

/* ---- requests ------------------------------------------------------------------------------ */

static bool is_scheme(tern_slice scheme)
{
  return scheme.len > 0 && is_alpha(scheme.data[0]) && consists_of(scheme, SCHEME);
}

/* [rfc9114-4.3.1] http and https need an authority, from :authority or host; both must agree. */
static const char *check_authority(const struct found *found, bool is_http)
{
  if (found->authority.data != NULL) {
    if (is_http && found->authority.len == 0)
      return "empty :authority";
    if (!consists_of(found->authority, AUTHORITY)) /* no userinfo: '@' is not among them */
      return "invalid :authority";
  }
  if (found->host.data != NULL) {
    if (is_http && found->host.len == 0)
      return "empty host";
    if (!consists_of(found->host, AUTHORITY))
      return "invalid host";
    if (found->authority.data != NULL && !is_same_host(found->authority, found->host))
      return ":authority and host differ";
  }
  if (is_http && found->authority.data == NULL && found->host.data == NULL)
    return "neither :authority nor host";
  return NULL;
}

/* [rfc9114-4.3.1] path-absolute and query, or * for OPTIONS */
static const char *check_path(const struct found *found, bool is_http)
{
  tern_slice path = found->path;
  if (!consists_of(path, PATH))
    return "invalid character in :path";
  if (!is_http)
    return NULL;
  if (path.len == 0)
    return "empty :path";
  if (path.data[0] != '/' && !(is_text(path, "*") && is_text(found->method, "OPTIONS")))
    return ":path does not start with /";
  return NULL;
}

static const char *check_connect(const struct found *found)
{
  if (found->scheme.data != NULL || found->path.data != NULL) /* [rfc9114-4.4] */
    return "CONNECT with :scheme or :path";
  if (found->authority.data == NULL || found->authority.len == 0)
    return "CONNECT without :authority";
  return check_authority(found, true);
}

static const char *check_plain(const struct found *found)
{
  if (found->scheme.data == NULL || found->path.data == NULL)
    return "missing pseudo-header field";
  if (!is_scheme(found->scheme))
    return "invalid :scheme";
  bool is_http = is_text(found->scheme, "https") || is_text(found->scheme, "http");
  const char *why = check_authority(found, is_http);
  return why != NULL ? why : check_path(found, is_http);
}

const char *tern_h3_check_request(const tern_field *fields, size_t count, struct tern_h3_head *head)
{
  struct found found;
  const char *why = find_all(&found, fields, count);
  if (why != NULL)
    return why;
  if (found.status.data != NULL) /* [rfc9114-4.3] not defined for requests */
    return ":status in a request";
  if (found.protocol.data != NULL) /* [rfc9220-3] only where we announced it */
    return ":protocol is not enabled";
  if (found.method.data == NULL)
    return "missing pseudo-header field";
  if (found.method.len == 0 || !consists_of(found.method, METHOD))
    return "invalid :method";
  bool is_connect = is_text(found.method, "CONNECT");
  why = is_connect ? check_connect(&found) : check_plain(&found);
  *head = (struct tern_h3_head){
      .method = found.method,
      .scheme = found.scheme,
      .authority = found.authority.data != NULL ? found.authority : found.host,
      .path = found.path,
      .is_connect = is_connect,
      .is_head = is_text(found.method, "HEAD"),
      .content_length = is_connect ? TERN_H3_LENGTH_NONE : found.content_length,
  };
  return why;
}

/* ---- responses ----------------------------------------------------------------------------- */

static bool read_status(tern_slice text, uint16_t *status)
{
  if (text.len != 3 || !is_digit(text.data[0]) || !is_digit(text.data[1]) ||
      !is_digit(text.data[2]))
    return false;
  *status =
      (uint16_t)((text.data[0] - '0') * 100 + (text.data[1] - '0') * 10 + (text.data[2] - '0'));
  return *status >= 100;
}

const char *tern_h3_check_response(const tern_field *fields, size_t count,
                                   struct tern_h3_head *head)
{
  struct found found;
  const char *why = find_all(&found, fields, count);
  if (why != NULL)
    return why;
  if (found.method.data != NULL || found.scheme.data != NULL || found.authority.data != NULL ||
      found.path.data != NULL || found.protocol.data != NULL)
    return "pseudo-header field of a request in a response";
  if (found.status.data == NULL)
    return "missing :status"; /* [rfc9114-4.3.2] */
  *head = (struct tern_h3_head){.content_length = found.content_length};
  if (!read_status(found.status, &head->status))
    return "invalid :status";
  if (head->status == 101)
    return "101 is not used in HTTP/3"; /* [rfc9114-4.5] */
  if (found.has_te)
    return "te in a response"; /* [rfc9114-4.2] requests only */
  return NULL;
}

uint64_t tern_h3_response_length(const struct tern_h3_head *head, struct tern_h3_asked asked)
{
  if (asked.is_head || head->status == 204 || head->status == 304)
    return 0;
  if (asked.is_connect && head->status >= 200 && head->status < 300)
    return TERN_H3_LENGTH_NONE;
  return head->content_length;
}

/* ---- trailers and body --------------------------------------------------------------------- */

const char *tern_h3_check_trailers(const tern_field *fields, size_t count)
{
  struct found found;
  for (size_t i = 0; i < count; i++) {
    if (fields[i].name.len > 0 && fields[i].name.data[0] == ':')
      return "pseudo-header field in trailers"; /* [rfc9114-4.3] */
  }
  const char *why = find_all(&found, fields, count);
  if (why != NULL)
    return why;
  /* [rfc9110-6.5.1] fields for framing and routing cannot come late */
  if (found.content_length != TERN_H3_LENGTH_NONE || found.host.data != NULL || found.has_te)
    return "framing or routing field in trailers";
  return NULL;
}

bool tern_h3_body_add(struct tern_h3_body *body, uint64_t len)
{
  if (len > TERN_H3_LENGTH_NONE - 1 - body->seen)
    return false;
  body->seen += len;
  return body->expected == TERN_H3_LENGTH_NONE || body->seen <= body->expected;
}

bool tern_h3_body_is_complete(const struct tern_h3_body *body)
{
  return body->expected == TERN_H3_LENGTH_NONE || body->seen == body->expected;
}
