/* SPDX-License-Identifier: MIT */
/* getaddrinfo, in tern's words. */
#define _GNU_SOURCE /* getaddrinfo, SOCK_CLOEXEC */
#include "resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool to_addr(const struct sockaddr *from, uint16_t port, tern_addr *addr)
{
  memset(addr, 0, sizeof *addr);
  addr->port = port;
  if (from->sa_family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, from, sizeof in);
    addr->family = 4;
    memcpy(addr->ip, &in.sin_addr, 4);
    return true;
  }
  if (from->sa_family != AF_INET6)
    return false;
  struct sockaddr_in6 in6;
  memcpy(&in6, from, sizeof in6);
  addr->family = 6;
  memcpy(addr->ip, &in6.sin6_addr, 16);
  addr->scope = in6.sin6_scope_id;
  return true;
}

void tern_addrs_add(struct tern_addrs *addrs, const tern_addr *addr, int family)
{
  if ((family != 0 && family != addr->family) || addrs->count == TERN_ADDRS_MAX)
    return;
  for (size_t i = 0; i < addrs->count; i++)
    if (tern_addr_equal(&addrs->list[i], addr))
      return;
  addrs->list[addrs->count++] = *addr;
}

int tern_addrs_resolve(struct tern_addrs *addrs, const char *host, uint16_t port, int family)
{
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *list;
  int error = getaddrinfo(host, NULL, &hints, &list);
  if (error != 0)
    return error;
  for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
    tern_addr addr;
    if (to_addr(at->ai_addr, port, &addr))
      tern_addrs_add(addrs, &addr, family);
  }
  freeaddrinfo(list);
  return 0;
}

bool tern_addr_has_route(const tern_addr *addr)
{
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
  bool is_v4 = addr->family == 4;
  memcpy(&in.sin_addr, addr->ip, 4);
  memcpy(&in6.sin6_addr, addr->ip, 16);
  in6.sin6_scope_id = addr->scope;
  int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return false;
  const struct sockaddr *to = is_v4 ? (const struct sockaddr *)&in : (const struct sockaddr *)&in6;
  int result = connect(fd, to, is_v4 ? sizeof in : sizeof in6);
  close(fd);
  return result == 0;
}
