/* SPDX-License-Identifier: MIT */
/* recvmsg and sendmsg with the control messages that the relay needs. */
#define _GNU_SOURCE
#include "link_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/sockaddr.h"

#define BUFFER_BYTES (4 << 20)
#define CONTROL_BYTES 256

static uint64_t to_ns(const struct timespec *time)
{
  return (uint64_t)time->tv_sec * TERN_SECOND + (uint64_t)time->tv_nsec;
}

tern_time tern_link_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return to_ns(&now);
}

uint64_t tern_link_real_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return to_ns(&now);
}

static void set(int fd, int level, int name, int value)
{
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

int tern_link_socket_open(const tern_addr *local, const tern_addr *remote)
{
  const tern_addr *addr = remote != NULL ? remote : local;
  bool is_ipv6 = addr->family == 6;
  union tern_sockaddr name;
  socklen_t len = tern_sockaddr_write(&name, addr, is_ipv6);
  int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
  set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
  set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
  set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  set(fd, IPPROTO_IP, IP_RECVTOS, 1);
  if (is_ipv6)
    set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  int result = remote != NULL ? connect(fd, &name.sa, len) : bind(fd, &name.sa, len);
  if (result == 0)
    return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

tern_addr tern_link_socket_addr(int fd)
{
  union tern_sockaddr name;
  socklen_t len = sizeof name;
  memset(&name, 0, sizeof name);
  (void)getsockname(fd, &name.sa, &len);
  return tern_sockaddr_read(&name);
}

static void read_control(struct msghdr *message, struct tern_link_datagram *datagram)
{
  for (struct cmsghdr *it = CMSG_FIRSTHDR(message); it != NULL; it = CMSG_NXTHDR(message, it)) {
    if (it->cmsg_level == SOL_SOCKET && it->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec time;
      memcpy(&time, CMSG_DATA(it), sizeof time);
      datagram->real_ns = to_ns(&time);
    } else if (it->cmsg_level == IPPROTO_IP && it->cmsg_type == IP_TOS) {
      uint8_t tos; /* one byte, unlike the option of that name */
      memcpy(&tos, CMSG_DATA(it), sizeof tos);
      datagram->ecn = tos & 3;
    } else if (it->cmsg_level == IPPROTO_IPV6 && it->cmsg_type == IPV6_TCLASS) {
      int tclass;
      memcpy(&tclass, CMSG_DATA(it), sizeof tclass);
      datagram->ecn = (uint8_t)(tclass & 3);
    }
  }
}

bool tern_link_socket_receive(int fd, uint8_t *room, size_t size,
                              struct tern_link_datagram *datagram)
{
  union tern_sockaddr from;
  union {
    struct cmsghdr align;
    char bytes[CONTROL_BYTES];
  } control;
  struct iovec iov = {room, size};
  struct msghdr message = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t len;
  memset(datagram, 0, sizeof *datagram);
  memset(&from, 0, sizeof from);
  do {
    len = recvmsg(fd, &message, MSG_DONTWAIT);
    /* ECONNREFUSED and the like are news of earlier datagrams, not the end. */
  } while (len < 0 && errno != EAGAIN && errno != EBADF && errno != ENOTSOCK);
  if (len < 0)
    return false;
  datagram->len = (size_t)len;
  datagram->from = tern_sockaddr_read(&from);
  read_control(&message, datagram);
  return true;
}

bool tern_link_socket_send(int fd, const tern_addr *to, tern_slice data, uint8_t ecn)
{
  union tern_sockaddr name;
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  union {
    const uint8_t *borrowed;
    void *base;
  } bytes = {data.data};
  struct iovec iov = {bytes.base, data.len};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  tern_addr own = tern_link_socket_addr(fd);
  bool is_ipv6 = to != NULL ? to->family == 6 : own.family == 6;
  if (to != NULL) {
    message.msg_name = &name;
    message.msg_namelen = tern_sockaddr_write(&name, to, own.family == 6);
  }
  if (ecn != TERN_ECN_NOT) {
    int value = ecn;
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    header->cmsg_type = is_ipv6 ? IPV6_TCLASS : IP_TOS;
    header->cmsg_len = CMSG_LEN(sizeof value);
    memcpy(CMSG_DATA(header), &value, sizeof value);
  }
  ssize_t sent;
  do {
    sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}
