/* SPDX-License-Identifier: MIT */
/* Who is let in: the built-in policy. It looks at the load, and at what a stranger's address says of it.
 *
 *   load:   half-open connections below `retry_half_open` and below half of their memory -> all are let in
 *   above:  no proof of its address  -> Retry
 *           proof, but its network comes more often than `source_rate` -> dropped
 *
 * A network is an IPv4 /24 or an IPv6 /48. Its meter (see meter.h) is one time in a table of fixed size that
 * keyed hashing spreads. Two networks may share a place; then they share the rate. The machine's own
 * addresses have none. */
#ifndef TERN_TRANSPORT_ADMISSION_H
#define TERN_TRANSPORT_ADMISSION_H

#include <tern/config.h>

#include "base/alloc.h"
#include "base/map.h"
#include "transport/meter.h"

#define TERN_SOURCES_METERS 2048 /* power of two */

struct tern_admission {
  struct tern_alloc *alloc;
  tern_time *meters;       /* TERN_SOURCES_METERS; NULL without a server */
  struct tern_map sources; /* network -> connections it has, while source_conns_max is set */
  uint64_t key[2];
  uint32_t retry_half_open;
  uint32_t source_rate;
  uint32_t source_conns_max;
  struct tern_meter throttled; /* answers to ports that might reflect */
};

struct tern_admission_args {
  struct tern_alloc *alloc;
  const tern_config *config;
  uint8_t key[16]; /* random */
};
/* TERN_NOMEM: deinit all the same. */
TERN_MUST_CHECK tern_status tern_admission_init(struct tern_admission *admission,
                                                const struct tern_admission_args *args);
void tern_admission_deinit(struct tern_admission *admission);

/* [rfc9308-8.1] False: a datagram that claims to come from `remote` may be meant to make us answer a
 * service that answers in turn, or to hit it; or it was sent to a group, `local`. Counts. */
bool tern_admission_may_answer(struct tern_admission *admission, const tern_addr *local,
                               const tern_addr *remote, tern_time now);

/* What the built-in policy says. */
tern_verdict tern_admission_judge(struct tern_admission *admission, const tern_applicant *applicant,
                                  tern_time now);

/* The network of an address, as a keyed hash; 0 for the machine's own. */
uint64_t tern_admission_source(const struct tern_admission *admission, const tern_addr *remote);
/* A connection of that network comes and goes. False: it has as many as it may. */
TERN_MUST_CHECK bool tern_admission_enter(struct tern_admission *admission, uint64_t source);
void tern_admission_leave(struct tern_admission *admission, uint64_t source);

#endif
