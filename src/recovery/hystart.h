/* SPDX-License-Identifier: MIT */
/* HyStart++ (RFC 9406): leaves slow start when the round-trip time rises, before packets are lost.
 *
 *   round N:  min RTT of its first samples  >= min RTT of round N-1 + clamp(that / 8, 4 ms, 16 ms)
 *      -> Conservative Slow Start: growth / 4 for up to 5 rounds
 *           RTT falls below the baseline again -> back to slow start
 *           5 rounds                           -> congestion avoidance */
#ifndef TERN_RECOVERY_HYSTART_H
#define TERN_RECOVERY_HYSTART_H

#include <tern/base.h>

enum tern_hystart_phase { TERN_HYSTART_STANDARD, TERN_HYSTART_CONSERVATIVE, TERN_HYSTART_DONE };

struct tern_hystart {
  enum tern_hystart_phase phase;
  uint64_t round_end;       /* packet number that ends the round when it is acknowledged */
  uint64_t last_min_ns;     /* UINT64_MAX = none */
  uint64_t current_min_ns;  /* UINT64_MAX = none */
  uint64_t baseline_min_ns; /* when Conservative Slow Start began */
  uint32_t samples;         /* in this round */
  uint32_t css_rounds;
};

void tern_hystart_init(struct tern_hystart *hystart);
/* One RTT sample of slow start. `largest_acked` and `next_packet_number` mark rounds. */
void tern_hystart_on_sample(struct tern_hystart *hystart, uint64_t rtt_ns, uint64_t largest_acked,
                            uint64_t next_packet_number);
/* Loss or ECN ended slow start. */
void tern_hystart_on_congestion(struct tern_hystart *hystart);
/* Bytes by which the window grows for `acked_bytes` in slow start. tern paces, so the limit L of
 * [rfc9406-4.2] is infinity. */
uint64_t tern_hystart_growth_bytes(const struct tern_hystart *hystart, uint64_t acked_bytes);

#endif
