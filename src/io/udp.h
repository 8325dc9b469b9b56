/* SPDX-License-Identifier: MIT */
/* A non-blocking UDP socket that moves bursts.
 *
 *   in:   recvmmsg -> [64 KiB buffer] x 8 to 64, each one datagram, or with GRO up to 64 of one sender
 *   out:  runs -> messages (a run, or with GSO off its datagrams) -> sendmmsg
 *
 * GSO that the system refuses for a burst (EIO without checksum offload, EINVAL from odd drivers) is
 * found out by sending the first datagram of the burst alone: if that goes, GSO was to blame and is
 * off from then on, and the rest of the burst follows in the same call. Nothing is lost by it. */
#ifndef TERN_IO_UDP_H
#define TERN_IO_UDP_H

#include <tern/base.h>
#include <tern/transport.h>

#include "base/alloc.h"
#include "io/notice.h"

#define TERN_UDP_BATCH 64            /* buffers; so many at most per recvmmsg */
#define TERN_UDP_BUFFER_BYTES 65536  /* the largest datagram or GRO train is 65,535 */
#define TERN_UDP_SEGMENTS_MAX 64     /* per GSO message: UDP_MAX_SEGMENTS of older kernels */
#define TERN_UDP_GSO_BYTES_MAX 65000 /* per GSO message: 65,535 less the largest IP headers */
#define TERN_UDP_RUNS_MAX 32         /* per tern_udp_send */

struct tern_udp_args {
  tern_addr local; /* where to bind; ip all zero = any; port 0 = any */
  uint32_t buffer_bytes;
  bool gso;
  bool gro;
  bool txtime;
  bool reuse_port;
  uint32_t batch_max;    /* datagrams per recvmmsg, 0 = TERN_UDP_BATCH */
  bool errors;           /* ICMP errors are kept for tern_udp_next_error */
  uint64_t busy_poll_ns; /* 0 = not */
};

struct tern_udp_batch; /* buffers and headers for recvmmsg */
struct tern_udp;
struct mmsghdr;
struct msghdr;

typedef int tern_udp_send_messages(struct tern_udp *udp, struct mmsghdr *messages, unsigned count);

struct tern_udp {
  int fd; /* -1 = closed */
  tern_addr local;
  bool is_ipv6;
  bool has_gso;
  bool has_txtime;
  bool has_errors;             /* of ICMP */
  uint32_t wanted, wanted_max; /* buffers for the next recvmmsg */
  uint32_t drops;              /* SO_RXQ_OVFL as last seen */
  int last_error;              /* so that a dead network does not fill the log */
  tern_time last_error_at;
  uint64_t receive_calls, send_calls; /* system calls: tests and benchmarks divide by them */
  struct tern_alloc *alloc;
  struct tern_notice *notice; /* borrowed */
  struct tern_udp_batch *batch;
  /* Like sendmmsg, without waiting. Tests put one here that says no, which a loopback interface never
   * does. */
  tern_udp_send_messages *send_messages;
  void *sender; /* for it */
};

/* What became of a run: the socket took its first `datagrams`; `error` is 0 if all, else an errno. A
 * full socket buffer is EAGAIN, a full queue further down ENOBUFS. */
struct tern_udp_result {
  size_t datagrams;
  int error;
};

/* Opens and binds. TERN_IO with errno set, or TERN_NOMEM; nothing is left open then. */
TERN_MUST_CHECK tern_status tern_udp_init(struct tern_udp *udp, const struct tern_udp_args *args,
                                          struct tern_alloc *alloc, struct tern_notice *notice);
void tern_udp_deinit(struct tern_udp *udp);

/* Messages go out this way from now on; NULL = by sendmmsg. */
void tern_udp_set_sender(struct tern_udp *udp, tern_udp_send_messages *send_messages, void *sender);
/* Addresses and marks of a message that was received; `data` and `len` of `out` are the caller's. */
void tern_udp_read_message(struct tern_udp *udp, struct msghdr *message, tern_datagram *out);
/* A message was not received. */
void tern_udp_on_receive_error(struct tern_udp *udp, int error);

/* The errno of the next ICMP error that came for a datagram to `*remote`, or 0. */
int tern_udp_next_error(struct tern_udp *udp, tern_addr *remote);

/* One recvmmsg: fills up to TERN_UDP_BATCH items of `batch`, which are good until the next call, and
 * returns how many; 0 if there is nothing. `*is_drained` is false if there may be more. */
size_t tern_udp_receive(struct tern_udp *udp, tern_datagram batch[TERN_UDP_BATCH],
                        bool *is_drained);

/* Sends up to TERN_UDP_RUNS_MAX runs in order. A run that fails does not stop the ones after it,
 * except when the socket is full: then all that is left has that error. */
void tern_udp_send(struct tern_udp *udp, const tern_run *const *runs, size_t count,
                   struct tern_udp_result *results);

#endif
