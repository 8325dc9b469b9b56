/* SPDX-License-Identifier: MIT */
/* Spreads packets over time: a token bucket in bytes, refilled at the pacing rate.
 *
 * Guarantee, for every interval [t, t + d) and a constant rate and burst:
 *
 *   bytes sent <= burst_max + rate * (d + TERN_PACER_LATE_MAX_NS) + one datagram
 *
 * The first term is the bucket. The second allows for timers that fire late: a sender that was told
 * to wait until T and is asked again at T + late gets the credit of `late` on top of the bucket,
 * up to TERN_PACER_LATE_MAX_NS, or else a loop with 1 ms timers could never exceed burst_max per
 * millisecond. A sender that had nothing to send gets no such credit: it was not late.
 *
 * Tokens may become negative (a probe or an ACK that must leave); the debt is paid before the next
 * datagram. The core asks for a budget once per batch, not once per packet. */
#ifndef TERN_RECOVERY_PACER_H
#define TERN_RECOVERY_PACER_H

#include <tern/base.h>

#define TERN_PACER_LATE_MAX_NS (1 * TERN_MS)
#define TERN_PACER_BURST_NS TERN_MS /* a burst is what the rate gives in this time, but */
#define TERN_PACER_BURST_MIN 2      /* at least so many datagrams, but */
/* one where the window has less than so many: the queue may be too short for two at 1 Mbit/s, say */
#define TERN_PACER_SMALL_WINDOW 5
#define TERN_PACER_NEAR_NS                                                                         \
  (TERN_MS / 2)                     /* what short paths may have on top halves with each of these */
#define TERN_PACER_BURST_MAX 64     /* and at most so many: a GSO run of the kernel */
#define TERN_PACER_BURST_INITIAL 10 /* [rfc9002-7.7] the initial window may leave at once */
/* Bytes per second; higher rates are cut to it. 128 Gbit/s: rate * 1 s in ns fits 64 bits. */
#define TERN_PACER_RATE_MAX UINT64_C(16000000000)

struct tern_pacer {
  int64_t tokens_bytes;
  uint64_t burst_max_bytes; /* of the last budget */
  uint64_t remainder;       /* of the refill, in bytes * 1e9 below one byte */
  tern_time refilled_at;
  tern_time waiting_for; /* what tern_pacer_next answered, or TERN_TIME_NEVER */
};

/* Starts with `burst_bytes` of credit (TERN_PACER_BURST_INITIAL datagrams). */
void tern_pacer_init(struct tern_pacer *pacer, tern_time now, uint64_t burst_bytes);

/* Bytes that may leave now; 0 = ask tern_pacer_next. `rate` in bytes per second, 0 = not paced
 * (UINT64_MAX is returned). */
uint64_t tern_pacer_budget(struct tern_pacer *pacer, tern_time now, uint64_t rate,
                           uint64_t burst_max_bytes);

/* `bytes` left, within the budget or not. */
void tern_pacer_on_sent(struct tern_pacer *pacer, tern_time now, uint64_t bytes);

/* When at least `bytes` (cut to burst_max_bytes of the last budget) may leave; `now` if
 * they may already. Remembers that the sender waits. Ask for several datagrams, about half a burst,
 * so that a wake-up fills a GSO run. */
tern_time tern_pacer_next(struct tern_pacer *pacer, tern_time now, uint64_t rate, uint64_t bytes);

/* burst_max_bytes: 1 ms of the rate, and a run of 64 datagrams halved for each half millisecond of
 * `min_rtt_ns`; 2 to 64 datagrams, or 1 in a small window. 100 us: 64; 2 ms: 4 and what the rate gives. */
uint64_t tern_pacer_burst_bytes(uint64_t rate, uint64_t window_bytes, uint64_t datagram_bytes,
                                uint64_t min_rtt_ns);

/* [rfc9002-7.7] the rate when the controller gives none: N * window / smoothed_rtt bytes per
 * second, N = 2 in slow start, else 1.25. 0 (unpaced) if `smoothed_ns` is 0. */
uint64_t tern_pacer_rate(uint64_t window_bytes, uint64_t smoothed_ns, bool is_in_slow_start);

#endif
