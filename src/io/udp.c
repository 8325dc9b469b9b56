/* SPDX-License-Identifier: MIT */
/* Opening with everything the system has, and receiving. Each option that fails costs its feature and
 * an event, never the socket. */
#define _GNU_SOURCE /* recvmmsg, struct in6_pktinfo */
#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "io/sockaddr.h"

/* Room for all that is asked for: both kinds of pktinfo and traffic class, drops, GRO: 168 bytes. */
#define CONTROL_BYTES 256
#define BATCH_MIN 8
#define BATCH_BYTES 131072 /* more than this at a time is no gain */
#define RXQ_OVFL 40        /* SO_RXQ_OVFL, which some libc headers hide */

struct tern_udp_batch {
  struct mmsghdr messages[TERN_UDP_BATCH];
  struct iovec iovs[TERN_UDP_BATCH];
  union tern_sockaddr names[TERN_UDP_BATCH];
  _Alignas(struct cmsghdr) uint8_t controls[TERN_UDP_BATCH][CONTROL_BYTES];
  uint8_t buffers[TERN_UDP_BATCH][TERN_UDP_BUFFER_BYTES];
};

static bool set_option(int fd, int level, int name, int value)
{
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static void show_feature(const struct tern_udp *udp, const char *feature, bool is_on,
                         const char *reason)
{
  tern_event event = {.kind = TERN_EVENT_IO_FEATURE,
                      .data = {.io_feature = {feature, is_on, is_on ? NULL : reason}}};
  tern_notice_emit(udp->notice, &event);
}

/* An option for IPv4, and for IPv6 if the socket is; IPv4 options count on both, since a socket for
 * IPv6 carries IPv4, too. */
struct option_pair {
  const char *feature;
  int ipv4, ipv4_value;
  int ipv6, ipv6_value;
};

static void set_pair(const struct tern_udp *udp, const struct option_pair *pair)
{
  bool is_on = set_option(udp->fd, IPPROTO_IP, pair->ipv4, pair->ipv4_value);
  if (udp->is_ipv6)
    is_on = set_option(udp->fd, IPPROTO_IPV6, pair->ipv6, pair->ipv6_value);
  show_feature(udp, pair->feature, is_on, strerror(errno));
}

/* [rfc9000-14] datagrams must not be fragmented; PROBE also ignores the kernel's idea of the path MTU,
 * which an attacker's ICMP could lower. */
static void set_ip_options(const struct tern_udp *udp)
{
  static const struct option_pair pairs[] = {
      {"dont_fragment", IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE},
      {"pktinfo", IP_PKTINFO, 1, IPV6_RECVPKTINFO, 1},
      {"ecn", IP_RECVTOS, 1, IPV6_RECVTCLASS, 1},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
    set_pair(udp, &pairs[i]);
}

/* The kernel doubles what is asked for, for its own bookkeeping, and answers the double. */
static void size_buffer(const struct tern_udp *udp, bool is_receive, uint32_t wanted)
{
  int option = is_receive ? SO_RCVBUF : SO_SNDBUF;
  int got = 0;
  socklen_t len = sizeof got;
  if (!set_option(udp->fd, SOL_SOCKET, is_receive ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, (int)wanted))
    set_option(udp->fd, SOL_SOCKET, option, (int)wanted);
  getsockopt(udp->fd, SOL_SOCKET, option, &got, &len);
  if ((uint32_t)got / 2 >= wanted)
    return;
  tern_event event = {
      .kind = TERN_EVENT_IO_BUFFER_SMALL,
      .data = {.io_buffer_small = {is_receive ? "receive" : "send", wanted, (uint64_t)got / 2,
                                   is_receive ? "net.core.rmem_max" : "net.core.wmem_max"}}};
  tern_notice_emit(udp->notice, &event);
}

/* An error then also fails the next call on the socket, once. */
static void keep_errors(const struct tern_udp *udp)
{
  set_option(udp->fd, IPPROTO_IP, IP_RECVERR, 1);
  if (udp->is_ipv6)
    set_option(udp->fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
}

static bool enable_txtime(int fd)
{
  struct sock_txtime txtime = {.clockid = CLOCK_MONOTONIC};
  return setsockopt(fd, SOL_SOCKET, SO_TXTIME, &txtime, sizeof txtime) == 0;
}

static void set_offloads(struct tern_udp *udp, const struct tern_udp_args *args)
{
  /* Reading the option tells whether the kernel knows it; a value is given per message. */
  int segment = 0;
  socklen_t len = sizeof segment;
  udp->has_gso = args->gso && getsockopt(udp->fd, SOL_UDP, UDP_SEGMENT, &segment, &len) == 0;
  show_feature(udp, "gso", udp->has_gso, args->gso ? strerror(errno) : "configured");
  bool has_gro = args->gro && set_option(udp->fd, SOL_UDP, UDP_GRO, 1);
  show_feature(udp, "gro", has_gro, args->gro ? strerror(errno) : "configured");
  if (args->busy_poll_ns != 0) { /* above net.core.busy_read it takes CAP_NET_ADMIN */
    bool is_on = set_option(udp->fd, SOL_SOCKET, SO_BUSY_POLL, (int)(args->busy_poll_ns / 1000));
    show_feature(udp, "busy_poll", is_on, strerror(errno));
  }
  if (!args->txtime)
    return;
  udp->has_txtime = enable_txtime(udp->fd);
  show_feature(udp, "txtime", udp->has_txtime, strerror(errno));
}

static bool bind_to(struct tern_udp *udp, const struct tern_udp_args *args)
{
  union tern_sockaddr name;
  socklen_t len = tern_sockaddr_write(&name, &args->local, udp->is_ipv6);
  if (args->reuse_port && !set_option(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1))
    return false;
  if (udp->is_ipv6)
    set_option(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(udp->fd, &name.sa, len) != 0)
    return false;
  len = sizeof name;
  if (getsockname(udp->fd, &name.sa, &len) != 0)
    return false;
  udp->local = tern_sockaddr_read(&name);
  return true;
}

static int send_mmsg(struct tern_udp *udp, struct mmsghdr *messages, unsigned count)
{
  return sendmmsg(udp->fd, messages, count, MSG_DONTWAIT);
}

void tern_udp_set_sender(struct tern_udp *udp, tern_udp_send_messages *send_messages, void *sender)
{
  udp->send_messages = send_messages != NULL ? send_messages : send_mmsg;
  udp->sender = sender;
}

static void prepare_batch(struct tern_udp_batch *batch)
{
  memset(batch->messages, 0, sizeof batch->messages);
  for (size_t i = 0; i < TERN_UDP_BATCH; i++) {
    struct msghdr *header = &batch->messages[i].msg_hdr;
    batch->iovs[i].iov_base = batch->buffers[i];
    batch->iovs[i].iov_len = TERN_UDP_BUFFER_BYTES;
    header->msg_iov = &batch->iovs[i];
    header->msg_iovlen = 1;
    header->msg_name = &batch->names[i];
    header->msg_control = batch->controls[i];
  }
}

tern_status tern_udp_init(struct tern_udp *udp, const struct tern_udp_args *args,
                          struct tern_alloc *alloc, struct tern_notice *notice)
{
  *udp = (struct tern_udp){.fd = -1, .alloc = alloc, .notice = notice};
  tern_udp_set_sender(udp, NULL, NULL);
  udp->is_ipv6 = args->local.family == 6;
  udp->has_errors = args->errors;
  udp->wanted = 2 * BATCH_MIN;
  udp->wanted_max = TERN_UDP_BATCH;
  if (args->batch_max != 0 && args->batch_max < TERN_UDP_BATCH)
    udp->wanted_max = args->batch_max;
  /* Not zeroed: most of it is buffers whose pages stay untouched until they are needed. */
  udp->batch = tern_alloc_take(alloc, sizeof *udp->batch);
  if (udp->batch == NULL)
    return TERN_NOMEM;
  prepare_batch(udp->batch);
  udp->fd = socket(udp->is_ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (udp->fd < 0 || !bind_to(udp, args)) {
    int error = errno;
    tern_udp_deinit(udp);
    errno = error;
    return TERN_IO;
  }
  set_ip_options(udp);
  set_offloads(udp, args);
  set_option(udp->fd, SOL_SOCKET, RXQ_OVFL, 1);
  if (args->errors)
    keep_errors(udp);
  size_buffer(udp, true, args->buffer_bytes);
  size_buffer(udp, false, args->buffer_bytes);
  return TERN_OK;
}

void tern_udp_deinit(struct tern_udp *udp)
{
  if (udp->fd >= 0)
    close(udp->fd);
  udp->fd = -1;
  tern_alloc_give(udp->alloc, udp->batch, sizeof *udp->batch);
  udp->batch = NULL;
}

static void on_drops(struct tern_udp *udp, uint32_t total)
{
  uint32_t count = total - udp->drops; /* the kernel's counter wraps */
  if (count == 0)
    return;
  udp->drops = total;
  tern_event event = {.kind = TERN_EVENT_IO_DROPS, .data = {.io_drops = {count, total}}};
  tern_notice_emit(udp->notice, &event);
}

static void read_ip_control(const struct cmsghdr *control, tern_datagram *datagram)
{
  if (control->cmsg_type == IP_TOS) {
    datagram->ecn = *CMSG_DATA(control) & 3;
  } else if (control->cmsg_type == IP_PKTINFO) {
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(control), sizeof info);
    datagram->local = tern_addr_of_in(info.ipi_spec_dst, datagram->local.port);
  }
}

static void read_ipv6_control(const struct cmsghdr *control, tern_datagram *datagram)
{
  if (control->cmsg_type == IPV6_TCLASS) {
    int traffic_class;
    memcpy(&traffic_class, CMSG_DATA(control), sizeof traffic_class);
    datagram->ecn = (uint8_t)(traffic_class & 3);
  } else if (control->cmsg_type == IPV6_PKTINFO) {
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(control), sizeof info);
    bool is_link_local = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr);
    uint32_t scope = is_link_local ? (uint32_t)info.ipi6_ifindex : 0;
    datagram->local = tern_addr_of_in6(&info.ipi6_addr, datagram->local.port, scope);
  }
}

static void read_control(struct tern_udp *udp, const struct cmsghdr *control,
                         tern_datagram *datagram)
{
  if (control->cmsg_level == IPPROTO_IP) {
    read_ip_control(control, datagram);
  } else if (control->cmsg_level == IPPROTO_IPV6) {
    read_ipv6_control(control, datagram);
  } else if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
    int segment;
    memcpy(&segment, CMSG_DATA(control), sizeof segment);
    datagram->segment_bytes = (uint16_t)segment;
  } else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == RXQ_OVFL) {
    uint32_t total;
    memcpy(&total, CMSG_DATA(control), sizeof total);
    on_drops(udp, total);
  }
}

void tern_udp_read_message(struct tern_udp *udp, struct msghdr *message, tern_datagram *out)
{
  out->segment_bytes = 0;
  out->ecn = TERN_ECN_NOT;
  out->local = udp->local;
  out->remote = tern_sockaddr_read(message->msg_name);
  for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
       control = CMSG_NXTHDR(message, control))
    read_control(udp, control, out);
}

static void show_error(struct tern_udp *udp, int error, const tern_addr *remote)
{
  tern_event event = {.kind = TERN_EVENT_IO_ERROR,
                      .data = {.io_error = {"receive", (uint32_t)error, *remote}}};
  tern_notice_emit(udp->notice, &event);
}

/* ICMP's come once more, with an address, by tern_udp_next_error. */
void tern_udp_on_receive_error(struct tern_udp *udp, int error)
{
  if (!udp->has_errors || error != ECONNREFUSED)
    show_error(udp, error, &(tern_addr){0});
}

static int read_error(const struct msghdr *header)
{
  for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL;
       control = CMSG_NXTHDR((struct msghdr *)(uintptr_t)header, control)) {
    bool is_error = (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR) ||
                    (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR);
    struct sock_extended_err error;
    if (!is_error)
      continue;
    memcpy(&error, CMSG_DATA(control), sizeof error);
    return (int)error.ee_errno;
  }
  return EIO;
}

int tern_udp_next_error(struct tern_udp *udp, tern_addr *remote)
{
  union tern_sockaddr name = {0};
  _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
  uint8_t payload[1]; /* our own datagram comes back */
  struct iovec iov = {payload, sizeof payload};
  struct msghdr header = {.msg_name = &name,
                          .msg_namelen = sizeof name,
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = sizeof control};
  if (recvmsg(udp->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
    return 0;
  int error = read_error(&header);
  *remote = tern_sockaddr_read(&name);
  show_error(udp, error, remote);
  return error;
}

/* Buffers asked for follow what comes: many for floods of single datagrams, few for a trickle and for
 * long GRO trains, so that the bytes are still in the cache when they are opened. */
static void adapt(struct tern_udp *udp, size_t got)
{
  size_t bytes = 0;
  for (size_t i = 0; i < got; i++)
    bytes += udp->batch->messages[i].msg_len;
  if (got == udp->wanted && bytes < BATCH_BYTES && udp->wanted < udp->wanted_max)
    udp->wanted = 2 * udp->wanted < udp->wanted_max ? 2 * udp->wanted : udp->wanted_max;
  else if ((got < udp->wanted / 4 || bytes > 4 * BATCH_BYTES) && udp->wanted > BATCH_MIN)
    udp->wanted /= 2;
}

size_t tern_udp_receive(struct tern_udp *udp, tern_datagram batch[TERN_UDP_BATCH], bool *is_drained)
{
  uint32_t wanted = udp->wanted;
  for (size_t i = 0; i < wanted; i++) {
    struct msghdr *header = &udp->batch->messages[i].msg_hdr;
    header->msg_namelen = sizeof udp->batch->names[i];
    header->msg_controllen = CONTROL_BYTES;
  }
  udp->receive_calls++;
  int got = recvmmsg(udp->fd, udp->batch->messages, wanted, MSG_DONTWAIT, NULL);
  *is_drained = got < (int)wanted && !(got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR)
      tern_udp_on_receive_error(udp, errno);
    return 0;
  }
  adapt(udp, (size_t)got);
  size_t count = 0;
  for (size_t i = 0; i < (size_t)got; i++) {
    struct mmsghdr *message = &udp->batch->messages[i];
    if ((message->msg_hdr.msg_flags & MSG_TRUNC) != 0)
      continue;
    batch[count].data = udp->batch->buffers[i];
    batch[count].len = message->msg_len;
    tern_udp_read_message(udp, &message->msg_hdr, &batch[count++]);
  }
  return count;
}
