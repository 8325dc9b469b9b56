/* SPDX-License-Identifier: MIT */
/* A conformance kit for congestion controllers, ours and yours: drives one through a catalogue of
 * situations without a network and says which rule it breaks. No clock, no entropy: the same controller
 * gives the same answer. For tests; takes some tens of milliseconds and some 100 KiB of stack. */
#ifndef TERN_CC_KIT_H
#define TERN_CC_KIT_H

#include <tern/cc.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The rules, in the order in which they are tried:
 *
 *   ops           size, version, name and required members are there
 *   loss          a third of the packets lost over some rounds lowers the window or the pacing rate
 *   mark          so do CE marks on all packets [rfc9002-7.1]
 *   growth        an idle path of 10 Mbit/s and 50 ms is filled to two thirds within 10 s
 *   app-limited   a window that is not used does not grow [rfc9002-7.8]
 *   persistent    persistent congestion lowers the window to two datagrams [rfc9002-7.6.2]
 *   recovery      afterwards the window grows again
 *   extremes      times from 1 ns to hours, rates from none to 100 Gbit/s, clocks that jump, any order of
 *                 calls: the window stays between two datagrams [rfc9002-7.2] and 2 GiB
 *   deterministic the same calls give the same answers, also in a copy of the state
 *   bounds        nothing is written beyond state_bytes
 *
 * TERN_OK, or TERN_INVALID with "rule: what was seen" in `why`, which may be NULL if `why_size` is 0. */
TERN_MUST_CHECK tern_status tern_cc_check(const tern_cc_ops *ops, char *why, size_t why_size);

#ifdef __cplusplus
}
#endif
#endif
