/* SPDX-License-Identifier: MIT */
/* The window function of CUBIC (RFC 9438 4.2) in integers.
 *
 *   W_cubic(t) = C * (t - K)^3 + W_max        K = cbrt((W_max - W_epoch) / C)        C = 0.4
 *
 * Windows are bytes (segments are bytes / datagram_bytes), times are ticks of 2^-20 seconds.
 * Bounds, asserted where they matter: windows up to TERN_CC_WINDOW_MAX (2^30), datagrams 1,200 to
 * 65,535 bytes, so K is below 2^8 seconds = 2^28 ticks, and |t - K| is cut to 2^27 ticks = 128
 * seconds, where the curve is 838,860 segments away from W_max. The tests hold the error below 1 %
 * of the window. */
#ifndef TERN_RECOVERY_CUBIC_H
#define TERN_RECOVERY_CUBIC_H

#include <tern/base.h>

#define TERN_CUBIC_TICK_BITS 20

/* floor(cbrt(x)). */
uint64_t tern_cubic_root(uint64_t x);
/* K in ticks; 0 if `window_bytes` >= `max_bytes`. */
uint64_t tern_cubic_k_ticks(uint64_t max_bytes, uint64_t window_bytes, uint64_t datagram_bytes);
uint64_t tern_cubic_ticks(uint64_t duration_ns);
/* W_cubic in bytes, 0 if negative, cut to TERN_CC_WINDOW_MAX. */
uint64_t tern_cubic_window(uint64_t time_ticks, uint64_t k_ticks, uint64_t max_bytes,
                           uint64_t datagram_bytes);

#endif
