/* SPDX-License-Identifier: MIT */
/* UDP sockets of the relay: datagrams with their ECN codepoint and the time at which the kernel got
 * them. */
#ifndef TERN_TOOLS_LINK_SOCKET_H
#define TERN_TOOLS_LINK_SOCKET_H

#include <tern/base.h>

#define TERN_LINK_DATAGRAM_MAX 65535

/* Either bound to `local` (`remote` NULL) or connected to `remote`. -1 with errno. */
int tern_link_socket_open(const tern_addr *local, const tern_addr *remote);
/* The address that the socket is bound to. */
tern_addr tern_link_socket_addr(int fd);

struct tern_link_datagram {
  size_t len;
  tern_addr from;
  uint8_t ecn;
  uint64_t real_ns; /* time of day when it came in; 0 = unknown */
};

/* False: nothing there. */
bool tern_link_socket_receive(int fd, uint8_t *room, size_t size,
                              struct tern_link_datagram *datagram);
/* `to` NULL: connected. False with errno. */
bool tern_link_socket_send(int fd, const tern_addr *to, tern_slice data, uint8_t ecn);

/* CLOCK_MONOTONIC, CLOCK_REALTIME. */
tern_time tern_link_now(void);
uint64_t tern_link_real_now(void);

#endif
