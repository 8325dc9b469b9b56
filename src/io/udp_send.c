/* SPDX-License-Identifier: MIT */
/* Runs to the wire. A cursor walks over the runs; each round builds messages from where it stands,
 * hands them to sendmmsg and moves it over what was taken, so that what went out is always known to the
 * datagram, whatever the system says. */
#define _GNU_SOURCE /* struct mmsghdr, struct in6_pktinfo */
#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "io/sockaddr.h"

#define MESSAGES_MAX 64   /* a run without GSO in one call */
#define CONTROL_BYTES 128 /* pktinfo 40, traffic class 24, segment size 24, send time 24 */
#define SEND_TIME 61      /* SCM_TXTIME, which some libc headers lack */
#define ERROR_EVENT_NS TERN_SECOND

struct message {
  size_t run;
  size_t end; /* offset in the run after it */
  size_t datagrams;
  struct iovec iov;
  union tern_sockaddr name;
  _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
};

struct sender {
  struct tern_udp *udp;
  const tern_run *const *runs;
  size_t count;
  struct tern_udp_result *results;
  size_t run; /* the cursor: next run, and how much of it is done */
  size_t offset;
  struct message messages[MESSAGES_MAX];
  struct mmsghdr headers[MESSAGES_MAX];
};

static size_t get_segment(const tern_run *run)
{
  return run->segment_bytes == 0 ? run->len : run->segment_bytes;
}

/* Appends a control message; the caller has made the room. */
static void add_control(struct msghdr *header, int level, int type, const void *data, size_t len)
{
  uint8_t *at = (uint8_t *)header->msg_control + header->msg_controllen;
  struct cmsghdr *control = (struct cmsghdr *)(void *)at;
  TERN_ASSERT(header->msg_controllen + CMSG_SPACE(len) <= CONTROL_BYTES);
  memset(at, 0, CMSG_SPACE(len));
  control->cmsg_level = level;
  control->cmsg_type = type;
  control->cmsg_len = CMSG_LEN(len);
  memcpy(CMSG_DATA(control), data, len);
  header->msg_controllen += CMSG_SPACE(len);
}

/* The source address. IPv4 takes the IPv4 kind on sockets for IPv6, too. */
static void add_source(struct msghdr *header, const tern_addr *local)
{
  if (local->family == 4) {
    struct in_pktinfo info = {0};
    memcpy(&info.ipi_spec_dst, local->ip, 4);
    add_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  } else if (local->family == 6) {
    struct in6_pktinfo info = {.ipi6_ifindex = local->scope};
    memcpy(&info.ipi6_addr, local->ip, 16);
    add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  }
}

static void add_controls(const struct tern_udp *udp, const tern_run *run, bool is_segmented,
                         struct msghdr *header)
{
  add_source(header, &run->local);
  if (run->ecn != TERN_ECN_NOT) {
    int ecn = run->ecn;
    if (run->remote.family == 4)
      add_control(header, IPPROTO_IP, IP_TOS, &ecn, sizeof ecn);
    else
      add_control(header, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof ecn);
  }
  if (is_segmented) {
    uint16_t segment = (uint16_t)get_segment(run);
    add_control(header, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
  }
  if (udp->has_txtime && run->send_at != 0)
    add_control(header, SOL_SOCKET, SEND_TIME, &run->send_at, sizeof run->send_at);
}

/* How much of what is left of a run fits into one message. */
static size_t get_chunk(const struct tern_udp *udp, const tern_run *run, size_t offset)
{
  size_t segment = get_segment(run), left = run->len - offset;
  size_t segments = 1;
  if (udp->has_gso && segment < TERN_UDP_GSO_BYTES_MAX) {
    segments = TERN_UDP_GSO_BYTES_MAX / segment;
    segments = segments > TERN_UDP_SEGMENTS_MAX ? TERN_UDP_SEGMENTS_MAX : segments;
  }
  return left < segments * segment ? left : segments * segment;
}

/* Builds message `i` from `len` bytes of a run. */
static void build_message(struct sender *sender, size_t i, size_t run_index, size_t offset,
                          size_t len)
{
  const tern_run *run = sender->runs[run_index];
  struct message *message = &sender->messages[i];
  struct msghdr *header = &sender->headers[i].msg_hdr;
  size_t segment = get_segment(run);
  memset(&sender->headers[i], 0, sizeof sender->headers[i]);
  message->run = run_index;
  message->end = offset + len;
  message->datagrams = (len + segment - 1) / segment;
  /* iovec is for both directions and so cannot be const; sending does not write. */
  message->iov.iov_base = (void *)(uintptr_t)(run->data + offset);
  message->iov.iov_len = len;
  header->msg_iov = &message->iov;
  header->msg_iovlen = 1;
  header->msg_name = &message->name;
  header->msg_namelen = tern_sockaddr_write(&message->name, &run->remote, sender->udp->is_ipv6);
  header->msg_control = message->control;
  add_controls(sender->udp, run, message->datagrams > 1, header);
  if (header->msg_controllen == 0)
    header->msg_control = NULL;
}

/* Messages from the cursor on; returns how many. */
static size_t build_messages(struct sender *sender)
{
  size_t count = 0, offset = sender->offset;
  for (size_t run = sender->run; run < sender->count; run++, offset = 0) {
    while (offset < sender->runs[run]->len) {
      if (count == MESSAGES_MAX)
        return count;
      size_t len = get_chunk(sender->udp, sender->runs[run], offset);
      build_message(sender, count++, run, offset, len);
      offset += len;
    }
  }
  return count;
}

/* The first `count` messages went out. */
static void on_taken(struct sender *sender, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    const struct message *message = &sender->messages[i];
    sender->results[message->run].datagrams += message->datagrams;
    sender->run = message->run;
    sender->offset = message->end;
  }
}

static void show_error(struct tern_udp *udp, int error, const tern_addr *remote)
{
  tern_time now = udp->notice->now;
  if (error == udp->last_error && now - udp->last_error_at < ERROR_EVENT_NS)
    return;
  udp->last_error = error;
  udp->last_error_at = now;
  tern_event event = {.kind = TERN_EVENT_IO_ERROR,
                      .data = {.io_error = {"send", (uint32_t)error, *remote}}};
  tern_notice_emit(udp->notice, &event);
}

static void turn_off_gso(struct tern_udp *udp, int error)
{
  udp->has_gso = false;
  tern_event event = {.kind = TERN_EVENT_IO_FEATURE,
                      .data = {.io_feature = {"gso", false, strerror(error)}}};
  tern_notice_emit(udp->notice, &event);
}

static bool is_full(int error)
{
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM;
}

/* What a system that cannot do GSO answers; each may also mean something else. */
static bool may_be_gso(int error)
{
  return error == EIO || error == EINVAL || error == ENOPROTOOPT || error == EOPNOTSUPP ||
         error == EMSGSIZE;
}

/* Nothing goes out any more: the rest of the runs keeps its place. */
static void give_up(struct sender *sender, int error)
{
  int reported = error == EWOULDBLOCK ? EAGAIN : error == ENOMEM ? ENOBUFS : error;
  size_t first = sender->run;
  for (; sender->run < sender->count; sender->run++)
    if (sender->run != first || sender->offset < sender->runs[first]->len)
      sender->results[sender->run].error = reported;
}

/* The first message of the round was refused. Moves the cursor on. */
static void on_error(struct sender *sender, int error)
{
  struct tern_udp *udp = sender->udp;
  /* The cursor may stand at the end of the run before. */
  size_t run = sender->messages[0].run;
  size_t offset = run == sender->run ? sender->offset : 0;
  if (sender->messages[0].datagrams > 1 && may_be_gso(error)) {
    build_message(sender, 0, run, offset, get_segment(sender->runs[run]));
    udp->send_calls++;
    if (udp->send_messages(udp, sender->headers, 1) == 1) {
      on_taken(sender, 1);
      turn_off_gso(udp, error);
      return;
    }
    error = errno;
  }
  sender->run = run;
  sender->offset = offset;
  if (error == EINTR || (udp->has_errors && error == ECONNREFUSED))
    return; /* the latter is an earlier datagram's, and told once */
  if (is_full(error)) {
    give_up(sender, error);
    return;
  }
  show_error(udp, error, &sender->runs[run]->remote);
  sender->results[run].error = error;
  sender->run = run + 1;
  sender->offset = 0;
}

void tern_udp_send(struct tern_udp *udp, const tern_run *const *runs, size_t count,
                   struct tern_udp_result *results)
{
  struct sender sender;
  TERN_ASSERT(count <= TERN_UDP_RUNS_MAX);
  sender.udp = udp;
  sender.runs = runs;
  sender.count = count;
  sender.results = results;
  sender.run = 0;
  sender.offset = 0;
  memset(results, 0, count * sizeof *results);
  for (;;) {
    size_t messages = build_messages(&sender);
    if (messages == 0)
      return;
    udp->send_calls++;
    int taken = udp->send_messages(udp, sender.headers, (unsigned)messages);
    if (taken > 0)
      on_taken(&sender, (size_t)taken);
    else
      on_error(&sender, errno);
  }
}
