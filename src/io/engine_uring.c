/* SPDX-License-Identifier: MIT */
/* io_uring. One ring waits and receives: a multishot recvmsg per socket fills buffers that we provide
 *
 *   [ header | name | control | payload ] x BUFFERS     kernel --completion--> batch --> kernel
 *
 * and a multishot poll tells of the epoll with everything that is not a socket of ours. Another ring
 * sends, so that its completions are nobody else's. The first one takes requests only from the thread
 * that runs the loop (DEFER_TASKRUN: nothing interrupts us), which may not be the one that made it: so
 * it is made disabled, and enabled by the first wait. */
#define _GNU_SOURCE /* struct mmsghdr */
#include "io/engine.h"

#if TERN_HAS_URING
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include <liburing.h>

#include "base/assert.h"
#include "io/loop.h"
#include "io/sockaddr.h"

#define BUFFERS 16 /* a power of two; few, so that they stay in the cache */
#define RING_BYTES 4096
#define CONTROL_BYTES 256
/* Control messages come behind the name in a buffer, and want to be aligned. */
#define NAME_BYTES ((sizeof(union tern_sockaddr) + 7) / 8 * 8)
#define BUFFER_BYTES                                                                               \
  ((TERN_UDP_BUFFER_BYTES + 7) / 8 * 8 + CONTROL_BYTES + sizeof(struct io_uring_recvmsg_out) +     \
   NAME_BYTES)
#define MEMORY_BYTES (RING_BYTES + BUFFERS * BUFFER_BYTES)
#define GROUP 1
#define SENDS_MAX 64
#define TAG_EPOLL 1 /* tags of sockets are larger */
#define TAG_CANCEL 2

struct tern_uring {
  struct io_uring ring, send_ring;
  uint8_t *memory; /* the buffers' ring, the buffers */
  struct msghdr shape;
  uint16_t lent[BUFFERS];
  size_t lent_count;
  uint64_t tags[2]; /* of the sockets' recvmsg; 0 = not armed */
  uint64_t next_tag;
  bool is_enabled;
  bool is_polling;  /* the epoll */
  bool wants_epoll; /* it has, or may have, events */
};

/* ---- life -------------------------------------------------------------------------------------- */

static struct io_uring_buf_ring *get_buf_ring(const struct tern_uring *uring)
{
  return (struct io_uring_buf_ring *)(void *)uring->memory;
}

static uint8_t *get_buffer(const struct tern_uring *uring, uint16_t id)
{
  return uring->memory + RING_BYTES + (size_t)id * BUFFER_BYTES;
}

static void provide(struct tern_uring *uring, uint16_t id, int offset)
{
  io_uring_buf_ring_add(get_buf_ring(uring), get_buffer(uring, id), BUFFER_BYTES, id,
                        io_uring_buf_ring_mask(BUFFERS), offset);
}

static int init_buffers(struct tern_uring *uring)
{
  void *memory =
      mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return -errno;
  uring->memory = memory;
  struct io_uring_buf_reg reg = {
      .ring_addr = (uint64_t)(uintptr_t)memory, .ring_entries = BUFFERS, .bgid = GROUP};
  int result = io_uring_register_buf_ring(&uring->ring, &reg, 0);
  if (result != 0)
    return result;
  io_uring_buf_ring_init(get_buf_ring(uring));
  for (uint16_t i = 0; i < BUFFERS; i++)
    provide(uring, i, i);
  io_uring_buf_ring_advance(get_buf_ring(uring), BUFFERS);
  return 0;
}

static int init_rings(struct tern_uring *uring)
{
  struct io_uring_params params = {
      .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
  };
  int result = io_uring_queue_init_params(2 * BUFFERS, &uring->ring, &params);
  if (result != 0)
    return result;
  result = io_uring_queue_init(SENDS_MAX, &uring->send_ring, 0);
  if (result != 0) {
    io_uring_queue_exit(&uring->ring);
    return result;
  }
  result = init_buffers(uring);
  if (result == 0)
    return 0;
  io_uring_queue_exit(&uring->ring);
  io_uring_queue_exit(&uring->send_ring);
  if (uring->memory != NULL)
    munmap(uring->memory, MEMORY_BYTES);
  return result;
}

static tern_status open_uring(tern_loop *loop)
{
  struct tern_uring *uring = tern_alloc_take_zero(&loop->alloc, sizeof *uring);
  if (uring == NULL)
    return TERN_NOMEM;
  uring->next_tag = TAG_CANCEL + 1;
  uring->shape.msg_namelen = NAME_BYTES;
  uring->shape.msg_controllen = CONTROL_BYTES;
  int result = init_rings(uring);
  if (result == 0) {
    loop->uring = uring;
    return TERN_OK;
  }
  tern_alloc_give(&loop->alloc, uring, sizeof *uring);
  errno = -result;
  return TERN_IO;
}

static void close_uring(tern_loop *loop)
{
  struct tern_uring *uring = loop->uring;
  for (size_t i = 0; i < 2; i++)
    tern_udp_set_sender(&loop->udp[i], NULL, NULL);
  loop->needs_turn = false;
  io_uring_queue_exit(&uring->ring);
  io_uring_queue_exit(&uring->send_ring);
  munmap(uring->memory, MEMORY_BYTES);
  tern_alloc_give(&loop->alloc, uring, sizeof *uring);
  loop->uring = NULL;
}

static int get_uring_fd(const tern_loop *loop)
{
  return loop->uring->ring.ring_fd;
}

/* ---- sending ----------------------------------------------------------------------------------- */

/* Counts the messages before the first that failed; the chain broke there. */
static int reap_sends(struct tern_uring *uring, unsigned count)
{
  int results[SENDS_MAX];
  unsigned taken = 0;
  for (unsigned i = 0; i < count; i++) {
    struct io_uring_cqe *cqe;
    if (io_uring_wait_cqe(&uring->send_ring, &cqe) != 0)
      break;
    results[cqe->user_data] = cqe->res;
    io_uring_cqe_seen(&uring->send_ring, cqe);
  }
  while (taken < count && results[taken] >= 0)
    taken++;
  if (taken > 0)
    return (int)taken;
  errno = -results[0];
  return -1;
}

/* MSG_DONTWAIT makes each complete at once, so the call returns with all of them done. */
static int send_messages(struct tern_udp *udp, struct mmsghdr *messages, unsigned count)
{
  struct tern_uring *uring = udp->sender;
  if (count == 1)
    return sendmmsg(udp->fd, messages, 1, MSG_DONTWAIT);
  TERN_ASSERT(count <= SENDS_MAX);
  for (unsigned i = 0; i < count; i++) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->send_ring);
    io_uring_prep_sendmsg(sqe, udp->fd, &messages[i].msg_hdr, MSG_DONTWAIT);
    sqe->user_data = i;
    if (i + 1 < count)
      sqe->flags |= IOSQE_IO_LINK;
  }
  int submitted = io_uring_submit_and_wait(&uring->send_ring, count);
  if (submitted == (int)count)
    return reap_sends(uring, count);
  errno = submitted < 0 ? -submitted : EAGAIN;
  return -1;
}

static void on_udp_open(tern_loop *loop, struct tern_udp *udp)
{
  tern_udp_set_sender(udp, send_messages, loop->uring);
  loop->needs_turn = true;
}

/* ---- requests ---------------------------------------------------------------------------------- */

/* A request keeps its socket open: it must be taken back. */
static void on_udp_close(tern_loop *loop, struct tern_udp *udp)
{
  struct tern_uring *uring = loop->uring;
  size_t i = (size_t)(udp - loop->udp);
  if (uring->tags[i] == 0)
    return;
  struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
  if (sqe != NULL) {
    io_uring_prep_cancel64(sqe, uring->tags[i], 0);
    sqe->user_data = TAG_CANCEL;
    io_uring_submit(&uring->ring);
  }
  uring->tags[i] = 0;
}

static void arm(tern_loop *loop)
{
  struct tern_uring *uring = loop->uring;
  struct io_uring_sqe *sqe;
  for (size_t i = 0; i < 2; i++) {
    if (loop->udp[i].fd < 0 || uring->tags[i] != 0)
      continue;
    sqe = io_uring_get_sqe(&uring->ring);
    io_uring_prep_recvmsg_multishot(sqe, loop->udp[i].fd, &uring->shape, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = uring->tags[i] = uring->next_tag++;
  }
  loop->needs_turn = false;
  if (uring->is_polling)
    return;
  sqe = io_uring_get_sqe(&uring->ring);
  io_uring_prep_poll_multishot(sqe, loop->epoll_fd, POLLIN);
  sqe->user_data = TAG_EPOLL;
  uring->is_polling = true;
}

/* What the batch before had. */
static void give_back(struct tern_uring *uring)
{
  for (size_t i = 0; i < uring->lent_count; i++)
    provide(uring, uring->lent[i], (int)i);
  io_uring_buf_ring_advance(get_buf_ring(uring), (int)uring->lent_count);
  uring->lent_count = 0;
}

/* ---- waiting ----------------------------------------------------------------------------------- */

static int enter(struct tern_uring *uring, uint64_t max_ns)
{
  struct io_uring_cqe *cqe;
  struct __kernel_timespec timeout = {.tv_sec = (long long)(max_ns / TERN_SECOND),
                                      .tv_nsec = (long long)(max_ns % TERN_SECOND)};
  int result = max_ns == TERN_TIME_NEVER
                   ? io_uring_submit_and_wait(&uring->ring, 1)
                   : io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &timeout, NULL);
  return result < 0 && result != -ETIME ? result : 0;
}

/* Events of the epoll, which is asked again until it has none left. */
static int look_into_epoll(tern_loop *loop, struct epoll_event *events)
{
  struct tern_uring *uring = loop->uring;
  if (!uring->wants_epoll)
    return 0;
  int count = epoll_wait(loop->epoll_fd, events, TERN_ENGINE_EVENTS - 2, 0);
  uring->wants_epoll = count > 0;
  return count < 0 ? 0 : count;
}

static void on_epoll(struct tern_uring *uring, const struct io_uring_cqe *cqe)
{
  uring->wants_epoll = true;
  uring->is_polling = (cqe->flags & IORING_CQE_F_MORE) != 0;
}

/* The first completion that is about a socket; others are worked off. */
static struct io_uring_cqe *peek(struct tern_uring *uring)
{
  struct io_uring_cqe *cqe;
  while (io_uring_peek_cqe(&uring->ring, &cqe) == 0 && cqe->user_data <= TAG_CANCEL) {
    if (cqe->user_data == TAG_EPOLL)
      on_epoll(uring, cqe);
    io_uring_cqe_seen(&uring->ring, cqe);
    cqe = NULL;
  }
  return cqe;
}

static int wait_uring(tern_loop *loop, struct epoll_event *events, uint64_t max_ns)
{
  struct tern_uring *uring = loop->uring;
  int error = uring->is_enabled ? 0 : io_uring_enable_rings(&uring->ring);
  if (error == 0) {
    uring->is_enabled = true;
    give_back(uring);
    arm(loop);
    bool has_more = uring->wants_epoll || io_uring_cq_ready(&uring->ring) != 0;
    error = enter(uring, has_more ? 0 : max_ns);
  }
  if (error < 0 && error != -EINTR && error != -EBUSY) {
    tern_engine_fall_back(loop, -error); /* EEXIST: another thread runs the loop now */
    return loop->engine->wait(loop, events, max_ns);
  }
  struct io_uring_cqe *cqe = peek(uring);
  int count = look_into_epoll(loop, events);
  for (size_t i = 0; i < 2; i++)
    if (cqe != NULL && loop->udp[i].fd >= 0)
      events[count++] =
          (struct epoll_event){.events = EPOLLIN, .data.u64 = tern_loop_tag(loop->udp[i].fd, 0)};
  return count;
}

/* ---- receiving --------------------------------------------------------------------------------- */

static bool read_buffer(struct tern_uring *uring, struct tern_udp *udp,
                        const struct io_uring_cqe *cqe, tern_datagram *out)
{
  uint16_t id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
  uring->lent[uring->lent_count++] = id;
  struct io_uring_recvmsg_out *header =
      io_uring_recvmsg_validate(get_buffer(uring, id), cqe->res, &uring->shape);
  if (header == NULL || (header->flags & MSG_TRUNC) != 0)
    return false;
  struct msghdr message = {
      .msg_name = io_uring_recvmsg_name(header),
      .msg_namelen = header->namelen,
      .msg_control = (uint8_t *)io_uring_recvmsg_name(header) + uring->shape.msg_namelen,
      .msg_controllen = header->controllen,
  };
  out->data = io_uring_recvmsg_payload(header, &uring->shape);
  out->len = io_uring_recvmsg_payload_length(header, cqe->res, &uring->shape);
  tern_udp_read_message(udp, &message, out);
  return true;
}

/* One completion of a socket's. True if it brought a datagram. */
static bool take(tern_loop *loop, size_t i, const struct io_uring_cqe *cqe, tern_datagram *out)
{
  struct tern_uring *uring = loop->uring;
  bool is_current = i < 2;
  if (is_current && (cqe->flags & IORING_CQE_F_MORE) == 0)
    uring->tags[i] = 0; /* armed anew by the next wait */
  if (cqe->res >= 0 && (cqe->flags & IORING_CQE_F_BUFFER) != 0) {
    struct tern_udp *udp = &loop->udp[is_current ? i : 0];
    return read_buffer(uring, udp, cqe, out) && is_current;
  }
  if (is_current && cqe->res != -ENOBUFS && cqe->res != -ECANCELED)
    tern_udp_on_receive_error(&loop->udp[i], -cqe->res);
  return false;
}

static size_t get_index(const struct tern_uring *uring, const struct io_uring_cqe *cqe)
{
  return cqe->user_data == uring->tags[0] ? 0 : cqe->user_data == uring->tags[1] ? 1 : 2;
}

/* The buffers were used up before the socket was empty: on with it. */
static void receive_more(tern_loop *loop)
{
  arm(loop);
  (void)enter(loop->uring, 0); /* what is wrong comes again in the wait */
}

/* Completions of the other socket end the batch; those of one that is closed are thrown away. */
static size_t reap(tern_loop *loop, size_t own, tern_datagram batch[TERN_UDP_BATCH])
{
  struct tern_uring *uring = loop->uring;
  struct io_uring_cqe *cqe;
  size_t count = 0;
  while (uring->lent_count < BUFFERS && (cqe = peek(uring)) != NULL) {
    size_t i = get_index(uring, cqe);
    if (i == 1 - own)
      break;
    count += take(loop, i, cqe, &batch[count]);
    io_uring_cqe_seen(&uring->ring, cqe);
  }
  return count;
}

static size_t receive_uring(tern_loop *loop, struct tern_udp *udp,
                            tern_datagram batch[TERN_UDP_BATCH], bool *is_drained)
{
  struct tern_uring *uring = loop->uring;
  size_t own = (size_t)(udp - loop->udp);
  give_back(uring);
  size_t count = reap(loop, own, batch);
  if (count == 0 && uring->tags[own] == 0) {
    receive_more(loop);
    count = reap(loop, own, batch);
  }
  *is_drained = uring->lent_count < BUFFERS && uring->tags[own] != 0;
  return count;
}

const struct tern_engine_ops tern_engine_uring = {
    .name = "uring",
    .socket_events = 0,
    .open = open_uring,
    .close = close_uring,
    .get_fd = get_uring_fd,
    .on_udp_open = on_udp_open,
    .on_udp_close = on_udp_close,
    .wait = wait_uring,
    .receive = receive_uring,
};
#endif
