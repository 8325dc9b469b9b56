/* SPDX-License-Identifier: MIT */
/* The words every other tern header is written in: status, time, slices, addresses, allocator,
 * randomness. Nothing here knows what QUIC is. */
#ifndef TERN_BASE_H
#define TERN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TERN_MUST_CHECK __attribute__((warn_unused_result))
#else
#define TERN_MUST_CHECK
#endif

/* What a local call can answer. Errors that a peer caused are not here: they are in tern_error. */
typedef enum tern_status {
  TERN_OK = 0,
  TERN_BLOCKED,     /* nothing wrong, no room or no credit now: the writable callback will follow */
  TERN_EOF,         /* everything was read, and the peer finished cleanly */
  TERN_RESET,       /* the peer reset this stream or asked us to stop */
  TERN_CLOSED,      /* the object is closing or closed */
  TERN_INVALID,     /* an argument or a knob is out of its bounds */
  TERN_STATE,       /* not allowed in this state, for example a write after finish */
  TERN_REENTRY,     /* receive, send or timeout called from inside a callback */
  TERN_LIMIT,       /* a bound of config.h or of the peer is reached */
  TERN_NOMEM,       /* the allocator said no */
  TERN_TLS,         /* the TLS library refused: certificate, key, or configuration */
  TERN_IO,          /* the operating system refused; see errno */
  TERN_UNSUPPORTED, /* not built in, or not negotiated with this peer */
} tern_status;

/* A short lower-case name such as "blocked"; never NULL. */
const char *tern_status_name(tern_status status);

/* Nanoseconds on any monotonic clock. The library never reads a clock: each call brings `now`. A
 * `now` that goes back is treated as the latest one seen. */
typedef uint64_t tern_time;
#define TERN_TIME_NEVER UINT64_MAX
#define TERN_MS UINT64_C(1000000)
#define TERN_SECOND UINT64_C(1000000000)

/* Borrowed bytes: valid for the call or callback that hands them over, unless the docstring says
 * otherwise. `data` may be NULL if `len` is 0. */
typedef struct tern_slice {
  const uint8_t *data;
  size_t len;
} tern_slice;

/* Room to write into; same layout as struct iovec on POSIX systems. */
typedef struct tern_iov {
  void *data;
  size_t len;
} tern_iov;

static inline tern_slice tern_slice_of(const void *data, size_t len)
{
  tern_slice slice;
  slice.data = (const uint8_t *)data;
  slice.len = len;
  return slice;
}

/* An IP address and UDP port without the system's headers. All bytes are in network order except
 * `port`. An unset address has family 0. */
typedef struct tern_addr {
  uint8_t family; /* 0 unset, 4 or 6 */
  uint8_t ip[16]; /* the first 4 bytes for family 4; the rest are zero */
  uint16_t port;
  uint32_t scope; /* IPv6 zone, else 0 */
} tern_addr;

bool tern_addr_equal(const tern_addr *a, const tern_addr *b);

/* Writes "127.0.0.1:443" or "[::1]:443" with a final NUL, cut at `size`. Returns `text`. */
#define TERN_ADDR_TEXT_MAX 64
char *tern_addr_format(const tern_addr *addr, char *text, size_t size);

/* The inverse; a port is required. TERN_INVALID if `text` is no numeric address. */
TERN_MUST_CHECK tern_status tern_addr_parse(tern_addr *addr, const char *text);

/* ECN codepoint of a datagram (RFC 3168). */
typedef enum tern_ecn {
  TERN_ECN_NOT = 0,
  TERN_ECN_ECT1 = 1,
  TERN_ECN_ECT0 = 2,
  TERN_ECN_CE = 3,
} tern_ecn;

/* All heap of an endpoint goes through this. `size` of the old block is always given back, so an
 * allocator needs no header of its own. */
typedef struct tern_alloc_ops {
  void *(*take)(void *arg, size_t size);
  void (*give)(void *arg, void *block, size_t size);
  void *arg;
} tern_alloc_ops;

/* Entropy for connection ids, tokens and packet-number skips. Must be unpredictable in production; a
 * seeded generator makes a whole run repeatable. Cannot fail. */
typedef struct tern_random_ops {
  void (*fill)(void *arg, uint8_t *out, size_t len);
  void *arg;
} tern_random_ops;

#ifdef __cplusplus
}
#endif
#endif
