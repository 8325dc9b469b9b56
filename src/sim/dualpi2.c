/* SPDX-License-Identifier: MIT */
/* DualPI2, after figures 2 to 8 of RFC 9332 appendix A. */
#include "sim/dualpi2.h"

#include <string.h>

/* Figure 2. */
#define COUPLING 2.0 /* k */
#define TARGET_S 0.015
#define RTT_MAX_S 0.1
#define P_C_MAX (1 / (COUPLING * COUPLING))
#define T_UPDATE_NS (15 * TERN_MS) /* min(target, RTT_max / 3) */
#define ALPHA (0.1 * 0.015 / (RTT_MAX_S * RTT_MAX_S))
#define BETA (0.3 / RTT_MAX_S)
#define MIN_TH_NS UINT64_C(800000)
#define RANGE_NS UINT64_C(400000)
#define TH_LEN 1
#define P_L_MAX 1.0
#define MTU 1500
#define C_SHARE 16 /* the C queue is sure of one part in so many */

void tern_sim_dualpi2_init(struct tern_sim_dualpi2 *pi2)
{
  memset(pi2, 0, sizeof(*pi2));
  tern_sim_fifo_init(&pi2->lq);
  tern_sim_fifo_init(&pi2->cq);
}

/* Figure 3. */
void tern_sim_dualpi2_add(struct tern_sim_dualpi2 *pi2, struct tern_sim_packet *packet,
                          struct tern_list *dropped)
{
  uint64_t held = pi2->lq.bytes + pi2->cq.bytes;
  if (pi2->limit_bytes != 0 && held != 0 && held + MTU > pi2->limit_bytes)
    tern_list_push_back(dropped, &packet->node);
  else if (packet->ecn % 2 == 1) /* ECT(1) or CE */
    tern_sim_fifo_add(&pi2->lq, packet);
  else
    tern_sim_fifo_add(&pi2->cq, packet);
}

double tern_sim_dualpi2_laqm(uint64_t qdelay_ns)
{
  if (qdelay_ns >= MIN_TH_NS + RANGE_NS)
    return 1;
  return qdelay_ns > MIN_TH_NS ? (double)(qdelay_ns - MIN_TH_NS) / (double)RANGE_NS : 0;
}

/* Figure 4: true with a likelihood, without the noise of drawing. */
static bool recur(double *count, double likelihood)
{
  *count += likelihood;
  if (*count <= 1)
    return false;
  *count -= 1;
  return true;
}

void tern_sim_dualpi2_update(struct tern_sim_dualpi2 *pi2, tern_time now)
{
  uint64_t c_wait = tern_sim_fifo_wait(&pi2->cq, now), l_wait = tern_sim_fifo_wait(&pi2->lq, now);
  uint64_t curq_ns = c_wait > l_wait ? c_wait : l_wait;
  double curq = (double)curq_ns * 1e-9, prevq = (double)pi2->prevq_ns * 1e-9;
  double p = pi2->p + ALPHA * (curq - TARGET_S) + BETA * (curq - prevq);
  pi2->p = p < 0 ? 0 : p > 1 ? 1 : p;
  pi2->p_CL = pi2->p * COUPLING;
  pi2->p_C = pi2->p * pi2->p;
  pi2->prevq_ns = curq_ns;
}

/* A weighted round robin that prefers L: C comes when L is empty or C has saved up its share. */
static bool is_l_next(struct tern_sim_dualpi2 *pi2)
{
  if (pi2->lq.count == 0 || pi2->cq.count == 0) {
    pi2->c_credit = 0;
    return pi2->lq.count != 0;
  }
  return pi2->c_credit < (int64_t)tern_sim_fifo_first(&pi2->cq)->len;
}

static void mark(struct tern_sim_dualpi2 *pi2, struct tern_sim_packet *packet)
{
  pi2->marked += tern_sim_packet_mark(packet) ? 1 : 0;
}

/* Lines 4a to 8j of figure 7. False: to be dropped. */
static bool pass_l(struct tern_sim_dualpi2 *pi2, struct tern_sim_packet *packet, tern_time now)
{
  if (pi2->p_CL >= P_L_MAX) { /* overload: drop as if it were classic */
    if (recur(&pi2->l_count, pi2->p_C))
      return false;
    if (recur(&pi2->l_count, pi2->p_CL))
      mark(pi2, packet);
    return true;
  }
  double p_L = 0;
  if (pi2->lq.count >= TH_LEN)
    p_L = tern_sim_dualpi2_laqm(now - packet->queued_at);
  if (p_L < pi2->p_CL)
    p_L = pi2->p_CL;
  if (recur(&pi2->l_count, p_L))
    mark(pi2, packet);
  return true;
}

/* Lines 10 to 17. */
static bool pass_c(struct tern_sim_dualpi2 *pi2, struct tern_sim_packet *packet)
{
  if (!recur(&pi2->c_count, pi2->p_C))
    return true;
  if (packet->ecn == TERN_ECN_NOT || pi2->p_C >= P_C_MAX)
    return false;
  mark(pi2, packet);
  return true;
}

struct tern_sim_packet *tern_sim_dualpi2_next(struct tern_sim_dualpi2 *pi2, tern_time now,
                                              struct tern_list *dropped)
{
  /* Late updates of a time without any packet would all find empty queues: a second of them at most. */
  if (now > pi2->next_update + TERN_SECOND)
    pi2->next_update = now - TERN_SECOND;
  for (; pi2->next_update <= now; pi2->next_update += T_UPDATE_NS)
    tern_sim_dualpi2_update(pi2, now);
  while (pi2->lq.count + pi2->cq.count > 0) {
    bool is_l = is_l_next(pi2);
    struct tern_sim_packet *packet = tern_sim_fifo_take(is_l ? &pi2->lq : &pi2->cq);
    pi2->c_credit += is_l ? (int64_t)packet->len / (C_SHARE - 1) : -(int64_t)packet->len;
    if (pi2->c_credit < 0)
      pi2->c_credit = 0;
    if (is_l ? pass_l(pi2, packet, now) : pass_c(pi2, packet))
      return packet;
    tern_list_push_back(dropped, &packet->node);
  }
  return NULL;
}
