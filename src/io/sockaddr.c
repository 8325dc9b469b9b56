/* SPDX-License-Identifier: MIT */
/* The prefix ::ffff:0:0/96 is RFC 4291 2.5.5.2. */
#include "io/sockaddr.h"

#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static socklen_t write_in6(struct sockaddr_in6 *out, const tern_addr *addr)
{
  out->sin6_family = AF_INET6;
  out->sin6_port = htons(addr->port);
  out->sin6_scope_id = addr->scope;
  if (addr->family == 6) {
    memcpy(&out->sin6_addr, addr->ip, 16);
  } else {
    memcpy(out->sin6_addr.s6_addr, mapped_prefix, sizeof mapped_prefix);
    memcpy(out->sin6_addr.s6_addr + 12, addr->ip, 4);
  }
  return sizeof *out;
}

socklen_t tern_sockaddr_write(union tern_sockaddr *out, const tern_addr *addr, bool is_ipv6)
{
  memset(out, 0, sizeof *out);
  if (is_ipv6)
    return write_in6(&out->in6, addr);
  if (addr->family != 4)
    return 0;
  out->in.sin_family = AF_INET;
  out->in.sin_port = htons(addr->port);
  memcpy(&out->in.sin_addr, addr->ip, 4);
  return sizeof out->in;
}

tern_addr tern_addr_of_in(struct in_addr ip, uint16_t port)
{
  tern_addr addr = {.family = 4, .port = port};
  memcpy(addr.ip, &ip, 4);
  return addr;
}

tern_addr tern_addr_of_in6(const struct in6_addr *ip, uint16_t port, uint32_t scope)
{
  tern_addr addr = {.family = 6, .port = port, .scope = scope};
  if (memcmp(ip->s6_addr, mapped_prefix, sizeof mapped_prefix) == 0) {
    struct in_addr ipv4;
    memcpy(&ipv4, ip->s6_addr + 12, 4);
    return tern_addr_of_in(ipv4, port);
  }
  memcpy(addr.ip, ip, 16);
  return addr;
}

tern_addr tern_sockaddr_read(const union tern_sockaddr *from)
{
  if (from->sa.sa_family == AF_INET)
    return tern_addr_of_in(from->in.sin_addr, ntohs(from->in.sin_port));
  if (from->sa.sa_family == AF_INET6)
    return tern_addr_of_in6(&from->in6.sin6_addr, ntohs(from->in6.sin6_port),
                            from->in6.sin6_scope_id);
  return (tern_addr){0};
}
