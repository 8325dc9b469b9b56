/* SPDX-License-Identifier: MIT */
/* Addresses to text and back, without the system's resolver or headers.
 *
 *   1.2.3.4:443   [2001:db8::1]:443   [fe80::1%2]:443   [::ffff:1.2.3.4]:443
 *
 * IPv6 is written as RFC 5952 wants it: lower case, no leading zeros, the first longest run of two or
 * more zero groups as "::". Zones are numbers. */
#include <tern/base.h>

#include <stdio.h>
#include <string.h>

#define GROUPS 8

bool tern_addr_equal(const tern_addr *a, const tern_addr *b)
{
  return a->port == b->port && a->family == b->family && a->scope == b->scope &&
         memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static unsigned get_group(const tern_addr *addr, size_t i)
{
  return (unsigned)addr->ip[2 * i] << 8 | addr->ip[2 * i + 1];
}

/* First longest run of at least two zero groups: [*start, return). */
static size_t find_zero_run(const tern_addr *addr, size_t *start)
{
  size_t best = 1, end = 0;
  *start = GROUPS;
  for (size_t i = 0; i < GROUPS; i++) {
    size_t j = i;
    while (j < GROUPS && get_group(addr, j) == 0)
      j++;
    if (j - i <= best)
      continue;
    best = j - i;
    *start = i;
    end = j;
  }
  return end;
}

static void format_ipv4(const uint8_t ip[4], char *text, size_t size)
{
  snprintf(text, size, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
}

static void format_ipv6(const tern_addr *addr, char *text, size_t size)
{
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (memcmp(addr->ip, mapped, sizeof mapped) == 0) {
    char ipv4[16];
    format_ipv4(addr->ip + 12, ipv4, sizeof ipv4);
    snprintf(text, size, "::ffff:%s", ipv4);
    return;
  }
  size_t zeros_start, used = 0;
  size_t zeros_end = find_zero_run(addr, &zeros_start);
  for (size_t i = 0; i < GROUPS; i++) {
    if (i == zeros_start) {
      used += (size_t)snprintf(text + used, size - used, "::");
      i = zeros_end - 1;
      continue;
    }
    const char *colon = i != 0 && i != zeros_end ? ":" : "";
    used += (size_t)snprintf(text + used, size - used, "%s%x", colon, get_group(addr, i));
  }
}

char *tern_addr_format(const tern_addr *addr, char *text, size_t size)
{
  char ip[TERN_ADDR_TEXT_MAX], whole[TERN_ADDR_TEXT_MAX + 32];
  if (size == 0)
    return text;
  if (addr->family == 4) {
    format_ipv4(addr->ip, ip, sizeof ip);
    snprintf(whole, sizeof whole, "%s:%u", ip, (unsigned)addr->port);
  } else if (addr->family == 6) {
    char zone[16] = "";
    format_ipv6(addr, ip, sizeof ip);
    if (addr->scope != 0)
      snprintf(zone, sizeof zone, "%%%lu", (unsigned long)addr->scope);
    snprintf(whole, sizeof whole, "[%s%s]:%u", ip, zone, (unsigned)addr->port);
  } else {
    snprintf(whole, sizeof whole, "unset");
  }
  snprintf(text, size, "%s", whole);
  return text;
}

/* Decimal number of at most `max`, without sign; leading zeros only in "0" itself. Moves *text. */
static bool parse_number(const char **text, uint32_t max, uint32_t *out)
{
  const char *at = *text;
  uint64_t value = 0;
  if (*at < '0' || *at > '9' || (*at == '0' && at[1] >= '0' && at[1] <= '9'))
    return false;
  for (; *at >= '0' && *at <= '9'; at++) {
    value = value * 10 + (uint64_t)(*at - '0');
    if (value > max)
      return false;
  }
  *text = at;
  *out = (uint32_t)value;
  return true;
}

static bool parse_ipv4(const char **text, uint8_t ip[4])
{
  for (size_t i = 0; i < 4; i++) {
    uint32_t byte;
    if (i != 0 && *(*text)++ != '.')
      return false;
    if (!parse_number(text, 255, &byte))
      return false;
    ip[i] = (uint8_t)byte;
  }
  return true;
}

static int parse_hex_digit(char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/* One to four hexadecimal digits. */
static bool parse_group(const char **text, uint8_t out[2])
{
  unsigned value = 0;
  size_t digits = 0;
  for (; digits < 4 && parse_hex_digit(**text) >= 0; digits++)
    value = value << 4 | (unsigned)parse_hex_digit(*(*text)++);
  out[0] = (uint8_t)(value >> 8);
  out[1] = (uint8_t)value;
  return digits != 0;
}

/* Groups up to "::" or the end of what looks like groups; returns how many bytes were written, or
 * 17 if it is no address. The last two groups of an address may be a dotted quad: in the part before
 * a "::" (room 16) that can only be at its end. */
static size_t parse_groups(const char **text, uint8_t out[16], size_t room)
{
  size_t len = 0;
  if (parse_hex_digit(**text) < 0)
    return 0;
  for (;;) {
    const char *quad = *text;
    bool may_be_quad = room == 16 ? len == 12 : len + 4 <= room;
    if (may_be_quad && parse_ipv4(&quad, out + len)) {
      *text = quad;
      return len + 4;
    }
    if (len + 2 > room || !parse_group(text, out + len))
      return 17;
    len += 2;
    if (**text != ':' || (*text)[1] == ':')
      return len;
    (*text)++;
  }
}

static bool parse_ipv6(const char **text, uint8_t ip[16])
{
  uint8_t head[16] = {0}, tail[16] = {0};
  size_t head_len = parse_groups(text, head, 16);
  if (head_len > 16)
    return false;
  memcpy(ip, head, 16);
  if (head_len == 16)
    return true;
  if ((*text)[0] != ':' || (*text)[1] != ':')
    return false;
  *text += 2;
  size_t tail_len = parse_groups(text, tail, 14 - head_len);
  if (tail_len > 16)
    return false;
  memset(ip + head_len, 0, 16 - head_len);
  memcpy(ip + 16 - tail_len, tail, tail_len);
  return true;
}

static bool parse_bracketed(const char **text, tern_addr *addr)
{
  addr->family = 6;
  if (*(*text)++ != '[' || !parse_ipv6(text, addr->ip))
    return false;
  if (**text == '%') {
    (*text)++;
    if (!parse_number(text, UINT32_MAX, &addr->scope))
      return false;
  }
  return *(*text)++ == ']';
}

tern_status tern_addr_parse(tern_addr *addr, const char *text)
{
  tern_addr parsed = {.family = 4};
  uint32_t port;
  bool is_ip = text[0] == '[' ? parse_bracketed(&text, &parsed) : parse_ipv4(&text, parsed.ip);
  if (!is_ip || *text++ != ':' || !parse_number(&text, UINT16_MAX, &port) || *text != '\0')
    return TERN_INVALID;
  parsed.port = (uint16_t)port;
  *addr = parsed;
  return TERN_OK;
}
