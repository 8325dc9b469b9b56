/* SPDX-License-Identifier: MIT */
/* Finds the largest datagram that a route carries (RFC 8899 for QUIC: RFC 9000 14.3).
 *
 *   DISABLED --handshake done--> SEARCHING --found--> COMPLETE --10 minutes--> SEARCHING
 *                                    ^                    |
 *                                    +---- black hole ----+   (plpmtu back to 1,200)
 *
 *   1,200 <= plpmtu < failed_bytes <= max + 1
 *
 * Everything up to plpmtu was acknowledged; failed_bytes was tried TERN_PMTUD_PROBES times and lost
 * each time.
 *
 * The first probe asks for the maximum, because most paths carry it; then the middle of what is
 * left until less than TERN_PMTUD_STEP_BYTES could be gained. QUIC Initials of 1,200 bytes have
 * confirmed the base, so there is no BASE state. One probe at a time. */
#ifndef TERN_RECOVERY_PMTUD_H
#define TERN_RECOVERY_PMTUD_H

#include <tern/base.h>

#define TERN_PMTUD_BASE_BYTES 1200              /* [rfc9000-14.3] BASE_PLPMTU */
#define TERN_PMTUD_PROBES 3                     /* [rfc8899-5.1.2] MAX_PROBES */
#define TERN_PMTUD_STEP_BYTES 16                /* not worth another probe below this */
#define TERN_PMTUD_RAISE_NS (600 * TERN_SECOND) /* [rfc8899-5.1.1] PMTU_RAISE_TIMER */
#define TERN_PMTUD_BLACK_HOLE 6 /* full-size packets lost in a row, none delivered */
#define TERN_PMTUD_PTOS 3       /* probe timeouts in a row; two full-size packets each */

enum tern_pmtud_state {
  TERN_PMTUD_DISABLED,
  TERN_PMTUD_SEARCHING,
  TERN_PMTUD_COMPLETE,
};

struct tern_pmtud {
  enum tern_pmtud_state state;
  uint16_t plpmtu_bytes; /* what datagrams may have now */
  uint16_t base_bytes;   /* where a black hole leads back to */
  uint16_t max_bytes;
  uint32_t failed_bytes; /* lowest size given up, or max_bytes + 1 */
  uint16_t probe_bytes;  /* size being tried; 0 = choose */
  uint8_t probe_losses;  /* of this size */
  uint8_t full_losses;   /* packets above base lost since one was delivered */
  bool is_probe_in_flight;
  tern_time raise_time; /* when to search again, or TERN_TIME_NEVER */
};

/* `initial_bytes` is used at once, `max_bytes` is probed up to: tern_config.mtu_*, and the peer's
 * max_udp_payload_size. Probing starts with tern_pmtud_start. */
void tern_pmtud_init(struct tern_pmtud *pmtud, uint16_t initial_bytes, uint16_t max_bytes);
/* [rfc9000-14.3.1] the handshake is complete, or the new route is validated. */
void tern_pmtud_start(struct tern_pmtud *pmtud);
/* Lowers the bound, for example to the peer's max_udp_payload_size. */
void tern_pmtud_set_max(struct tern_pmtud *pmtud, uint16_t max_bytes);

/* Size of a probe to send now (PING and PADDING, flag TERN_SENT_MTU_PROBE), or 0. */
uint16_t tern_pmtud_wants_probe(struct tern_pmtud *pmtud, tern_time now);
/* When wants_probe may change by itself; TERN_TIME_NEVER = not. */
static inline tern_time tern_pmtud_deadline(const struct tern_pmtud *pmtud)
{
  return pmtud->state == TERN_PMTUD_COMPLETE ? pmtud->raise_time : TERN_TIME_NEVER;
}
void tern_pmtud_on_probe_sent(struct tern_pmtud *pmtud, uint16_t bytes);
/* True if plpmtu_bytes grew: tell the controller and the packer. */
bool tern_pmtud_on_probe_acked(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now);
void tern_pmtud_on_probe_lost(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now);
/* The probe could not be sent, EMSGSIZE: this size is given up at once. */
void tern_pmtud_on_probe_refused(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now);

/* Packets that are no probes; datagram `bytes`. on_lost answers true if a black hole was found and
 * plpmtu_bytes fell. */
void tern_pmtud_on_acked(struct tern_pmtud *pmtud, uint16_t bytes);
bool tern_pmtud_on_lost(struct tern_pmtud *pmtud, uint16_t bytes, tern_time now);
/* The `count`-th probe timeout in a row. On a path that lost its MTU nothing is acknowledged, so nothing
 * is ever declared lost: the timeouts must tell. Same answer as on_lost. */
bool tern_pmtud_on_pto(struct tern_pmtud *pmtud, uint32_t count, tern_time now);

#endif
