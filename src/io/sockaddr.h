/* SPDX-License-Identifier: MIT */
/* tern_addr to the system's addresses and back. A socket for IPv6 speaks IPv4, too, as ::ffff:a.b.c.d;
 * outside this file such an address has family 4. */
#ifndef TERN_IO_SOCKADDR_H
#define TERN_IO_SOCKADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <tern/base.h>

union tern_sockaddr {
  struct sockaddr sa;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
};

/* Returns the length. An IPv4 address becomes a mapped one if `is_ipv6`; IPv6 on a socket for IPv4
 * gives 0. */
socklen_t tern_sockaddr_write(union tern_sockaddr *out, const tern_addr *addr, bool is_ipv6);
/* Family 0 if it is neither IPv4 nor IPv6. */
tern_addr tern_sockaddr_read(const union tern_sockaddr *from);

tern_addr tern_addr_of_in(struct in_addr ip, uint16_t port);
/* Mapped addresses come out as IPv4. */
tern_addr tern_addr_of_in6(const struct in6_addr *ip, uint16_t port, uint32_t scope);

#endif
