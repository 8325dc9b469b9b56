/* SPDX-License-Identifier: MIT */
/* https://host:port/path?query (RFC 9110 4.2.2, RFC 3986). */
#define _GNU_SOURCE /* strncasecmp */
#include "url.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

#define HTTPS "https://"
#define PORT_DEFAULT 443

static bool is_name_char(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

static bool is_hex(char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const char *check_host(const char *host, size_t len, bool is_literal)
{
  if (len == 0)
    return "it has no host";
  for (size_t i = 0; i < len; i++) {
    char c = host[i];
    bool is_fine = is_literal ? is_hex(c) || c == ':' || c == '.' : is_name_char(c);
    if (!is_fine)
      return "its host has a character that no host name has";
  }
  return NULL;
}

/* The sentence part if `text` has bytes that may not stand in a URL. */
static const char *check_bytes(const char *text)
{
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>')
      return "it has a blank or another character that must be written as %xx";
  }
  return NULL;
}

static const char *parse_port(const char *text, const char *end, uint16_t *port)
{
  char digits[8];
  uint64_t number;
  size_t len = (size_t)(end - text);
  *port = PORT_DEFAULT;
  if (len == 0)
    return NULL;
  if (len >= sizeof digits)
    return "its port is not a number of 1 to 65535";
  memcpy(digits, text, len);
  digits[len] = '\0';
  if (!tern_cli_parse_number(digits, 65535, &number) || number == 0)
    return "its port is not a number of 1 to 65535";
  *port = (uint16_t)number;
  return NULL;
}

static char *copy_lower(const char *text, size_t len)
{
  char *copy = tern_cli_copy(text, len);
  for (char *at = copy; *at != '\0'; at++)
    if (*at >= 'A' && *at <= 'Z')
      *at = (char)(*at + ('a' - 'A'));
  return copy;
}

static char *make_authority(const char *host, bool is_literal, uint16_t port)
{
  size_t size = strlen(host) + sizeof "[]:65535";
  char *text = tern_cli_take(size, 1);
  const char *open = is_literal ? "[" : "", *shut = is_literal ? "]" : "";
  if (port == PORT_DEFAULT)
    snprintf(text, size, "%s%s%s", open, host, shut);
  else
    snprintf(text, size, "%s%s%s:%u", open, host, shut, (unsigned)port);
  return text;
}

/* "/" before what begins with '?' or is empty; without the fragment. */
static char *make_target(const char *text)
{
  size_t len = strcspn(text, "#");
  char *target = tern_cli_take(len + 2, 1);
  size_t start = text[0] == '/' && len > 0 ? 0 : 1;
  target[0] = '/';
  memcpy(target + start, text, len);
  return target;
}

const char *tern_url_parse(struct tern_url *url, const char *text)
{
  memset(url, 0, sizeof *url);
  const char *why = check_bytes(text);
  if (why != NULL)
    return why;
  if (strncasecmp(text, HTTPS, sizeof HTTPS - 1) == 0)
    text += sizeof HTTPS - 1;
  else if (strstr(text, "://") != NULL)
    return "its scheme is not https, the only one that HTTP/3 has";
  const char *end = text + strcspn(text, "/?#");
  if (memchr(text, '@', (size_t)(end - text)) != NULL)
    return "it has a user part: send -H 'authorization: ...'";
  bool is_literal = text[0] == '[';
  const char *host = is_literal ? text + 1 : text;
  size_t len = strcspn(host, is_literal ? "]/?#" : ":/?#");
  const char *after = host + len + (is_literal ? 1 : 0);
  if (is_literal && host[len] != ']')
    return "its address lacks a ']'";
  if (after < end && *after != ':')
    return "its address is followed by something that is no port";
  why = check_host(host, len, is_literal);
  if (why == NULL)
    why = parse_port(after < end ? after + 1 : end, end, &url->port);
  if (why != NULL)
    return why;
  url->host = copy_lower(host, len);
  url->authority = make_authority(url->host, is_literal, url->port);
  url->target = make_target(end);
  return NULL;
}

void tern_url_deinit(struct tern_url *url)
{
  free(url->host);
  free(url->authority);
  free(url->target);
  memset(url, 0, sizeof *url);
}

static unsigned hex_value(char c)
{
  return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

bool tern_url_decode(const char *text, const char *end, char *out)
{
  while (text < end) {
    char c = *text++;
    if (c == '%') {
      if (end - text < 2 || !is_hex(text[0]) || !is_hex(text[1]))
        return false;
      c = (char)(hex_value(text[0]) << 4 | hex_value(text[1]));
      text += 2;
    }
    if (c == '\0')
      return false;
    *out++ = c;
  }
  *out = '\0';
  return true;
}

void tern_url_encode(const char *text, char *out, size_t size)
{
  size_t at = strlen(out);
  for (; *text != '\0' && at + 4 <= size; text++) {
    char c = *text;
    if (is_name_char(c) || c == '~' || c == '/')
      out[at++] = c;
    else
      at += (size_t)snprintf(out + at, 4, "%%%02X", (unsigned)(unsigned char)c);
    out[at] = '\0';
  }
}

char *tern_url_take_name(const struct tern_url *url)
{
  const char *end = url->target + strcspn(url->target, "?");
  const char *start = end;
  while (start > url->target && start[-1] != '/')
    start--;
  char *name = tern_cli_take((size_t)(end - start) + 1, 1);
  bool is_good = tern_url_decode(start, end, name) && name[0] != '\0' &&
                 strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
  if (is_good)
    return name;
  free(name);
  return NULL;
}
