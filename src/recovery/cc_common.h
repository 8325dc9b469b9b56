/* SPDX-License-Identifier: MIT */
/* What the built-in controllers share: window bounds and the recovery period (RFC 9002 7.2,
 * 7.3.2). */
#ifndef TERN_RECOVERY_CC_COMMON_H
#define TERN_RECOVERY_CC_COMMON_H

#include <tern/base.h>
#include <tern/cc.h>

#define TERN_CC_INITIAL_DATAGRAMS 10
#define TERN_CC_MINIMUM_DATAGRAMS 2
#define TERN_CC_INITIAL_BYTES 14720 /* [rfc9002-7.2] */
/* Windows are cut here, so that products of them fit 64 bits: 1 GiB. */
#define TERN_CC_WINDOW_MAX (UINT64_C(1) << 30)

/* Room for the state of a controller, which may be one made for an older tern_cc_ops. */
static inline size_t tern_cc_get_state_bytes(const tern_cc_ops *cc)
{
  bool is_known = cc->size >= sizeof *cc && cc->state_bytes != 0;
  return is_known ? (cc->state_bytes + 15) / 16 * 16 : TERN_CC_STATE_BYTES;
}

/* [rfc9002-7.2] 10 datagrams, but at most max(14,720, 2 datagrams) bytes. */
static inline uint64_t tern_cc_initial_window(uint64_t datagram_bytes)
{
  uint64_t window = TERN_CC_INITIAL_DATAGRAMS * datagram_bytes;
  uint64_t bound = TERN_CC_MINIMUM_DATAGRAMS * datagram_bytes;
  if (bound < TERN_CC_INITIAL_BYTES)
    bound = TERN_CC_INITIAL_BYTES;
  return window < bound ? window : bound;
}

static inline uint64_t tern_cc_minimum_window(uint64_t datagram_bytes)
{
  return TERN_CC_MINIMUM_DATAGRAMS * datagram_bytes;
}

/* [rfc9002-7.2] a window that is still the initial one follows the datagram size; others only
 * keep to the new minimum. */
static inline uint64_t tern_cc_resized_window(uint64_t window_bytes, uint64_t old_datagram_bytes,
                                              uint64_t datagram_bytes)
{
  uint64_t minimum = tern_cc_minimum_window(datagram_bytes);
  if (window_bytes == tern_cc_initial_window(old_datagram_bytes))
    return tern_cc_initial_window(datagram_bytes);
  return window_bytes > minimum ? window_bytes : minimum;
}

#endif
