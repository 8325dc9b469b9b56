/* SPDX-License-Identifier: MIT */
/* The addresses of a host. */
#ifndef TERN_TOOLS_RESOLVE_H
#define TERN_TOOLS_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/base.h>

#define TERN_ADDRS_MAX 8

struct tern_addrs {
  tern_addr list[TERN_ADDRS_MAX];
  size_t count;
};

/* Adds `addr` unless it is there already, the list is full, or `family` is 4 or 6 and it is another. */
void tern_addrs_add(struct tern_addrs *addrs, const tern_addr *addr, int family);
/* Asks the resolver, and adds in its order. 0, or an error for gai_strerror. */
int tern_addrs_resolve(struct tern_addrs *addrs, const char *host, uint16_t port, int family);
/* Has the system a way to that address at all? Asking costs nothing; a datagram that it refuses would
 * count as lost, and the handshake would be given up after seconds only. */
bool tern_addr_has_route(const tern_addr *addr);

#endif
