/* SPDX-License-Identifier: MIT */
/* Words and numbers between a person and a subcommand. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 2, 0))) static void say(const char *who, const char *format,
                                                      va_list args)
{
  fprintf(stderr, "%s: ", who);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
}

void tern_cli_say(const char *who, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  say(who, format, args);
  va_end(args);
}

int tern_cli_refuse(const char *who, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  say(who, format, args);
  va_end(args);
  fprintf(stderr, "Try `%s --help`.\n", who);
  return TERN_EXIT_USAGE;
}

/* Digits from `*text` on, which is moved behind them; false without digits or above `max`. */
static bool take_digits(const char **text, uint64_t max, uint64_t *value)
{
  const char *at = *text;
  uint64_t sum = 0;
  for (; *at >= '0' && *at <= '9'; at++) {
    unsigned digit = (unsigned)(*at - '0');
    if (sum > (max - digit) / 10)
      return false;
    sum = sum * 10 + digit;
  }
  if (at == *text || sum > max)
    return false;
  *text = at;
  *value = sum;
  return true;
}

bool tern_cli_parse_number(const char *text, uint64_t max, uint64_t *value)
{
  uint64_t number;
  if (max < 9 || !take_digits(&text, max, &number) || *text != '\0')
    return false;
  *value = number;
  return true;
}

bool tern_cli_parse_bytes(const char *text, uint64_t max, uint64_t *value)
{
  static const char units[] = "KMGT";
  uint64_t number;
  if (!take_digits(&text, UINT64_MAX, &number))
    return false;
  if (*text != '\0') {
    const char *unit = strchr(units, *text);
    if (unit == NULL || text[1] != '\0')
      return false;
    unsigned shift = 10u * (unsigned)(unit - units + 1);
    if (number > (UINT64_MAX >> shift))
      return false;
    number <<= shift;
  }
  if (number > max)
    return false;
  *value = number;
  return true;
}

bool tern_cli_parse_seconds(const char *text, uint64_t *ns)
{
  uint64_t seconds, scale = TERN_SECOND, fraction = 0;
  if (!take_digits(&text, UINT64_C(31536000), &seconds))
    return false;
  if (*text == '.') {
    text++;
    if (*text == '\0')
      return false;
    for (; *text >= '0' && *text <= '9'; text++) {
      scale /= 10;
      fraction += (uint64_t)(*text - '0') * scale;
    }
  }
  if (*text != '\0')
    return false;
  *ns = seconds * TERN_SECOND + fraction;
  return true;
}

bool tern_cli_parse_listen(const char *text, tern_addr *addr)
{
  uint64_t port;
  const char *number = text[0] == ':' ? text + 1 : text;
  if (tern_cli_parse_number(number, 65535, &port)) {
    memset(addr, 0, sizeof *addr);
    addr->family = 6;
    addr->port = (uint16_t)port;
    return true;
  }
  return tern_addr_parse(addr, text) == TERN_OK;
}

static void end_without_memory(void)
{
  fputs("tern: out of memory\n", stderr);
  exit(TERN_EXIT_LOCAL);
}

void *tern_cli_take(size_t count, size_t size)
{
  void *block = calloc(count == 0 ? 1 : count, size);
  if (block == NULL)
    end_without_memory();
  return block;
}

void *tern_cli_grow(void *block, size_t count, size_t size)
{
  void *larger = size != 0 && count > SIZE_MAX / size ? NULL : realloc(block, count * size);
  if (larger == NULL)
    end_without_memory();
  return larger;
}

char *tern_cli_copy(const char *text, size_t len)
{
  char *copy = tern_cli_take(len + 1, 1);
  if (len > 0)
    memcpy(copy, text, len);
  return copy;
}

bool tern_cli_write_all(int fd, const void *data, size_t len)
{
  const char *at = data;
  while (len > 0) {
    ssize_t wrote = write(fd, at, len);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote < 0)
      return false;
    at += wrote;
    len -= (size_t)wrote;
  }
  return true;
}
